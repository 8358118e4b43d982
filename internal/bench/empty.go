package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// EmptyCommand is the hidden verb under which the binary must call
// [ServeEmpty]: it is how the empty handler gets a process of its own.
const EmptyCommand = "bench-target-empty"

// emptyAnswer has the shape and the length of a wallet.
const emptyAnswer = `{"customer_id":"cus_000000000000000000000","currency":"USD","balance":1000000,` +
	`"created_at":"2026-01-01T00:00:00.000000Z","updated_at":"2026-01-01T00:00:00.000000Z","available":1000000,` +
	`"held":0,"seq":1}`

// ServeEmpty is the handler that everything is measured against.
func ServeEmpty(ctx context.Context, in io.Reader, out io.Writer) error {
	return serveHandler(ctx, in, out, answerEmpty)
}

// serveHandler writes its address to out and serves until in ends, which it
// does with the process that holds the other end, or ctx does.
func serveHandler(ctx context.Context, in io.Reader, out io.Writer, handler http.HandlerFunc) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in) // how the pipe ends does not matter
		cancel()
	}()
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // nothing is under way that counts
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return errors.Join(fmt.Errorf("say the address: %w", err), listener.Close())
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func answerEmpty(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the client went away
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = io.WriteString(w, emptyAnswer) // the client went away
}
