package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// socketName is the admin socket in the data directory. Who may open it may
// administer the installation, so only the owner may.
const socketName = "billfold.sock"

// socketPathMax is the longest path that the kernel takes for a socket.
const socketPathMax = 107

// socketPath returns a path of the admin socket that the kernel takes, and a
// function to call when it is no longer needed. A data directory may lie
// deeper than socket paths may be long; then the way leads through an open
// handle on the directory.
func socketPath(dir string) (path string, done func() error, err error) {
	path = filepath.Join(dir, socketName)
	if len(path) <= socketPathMax {
		return path, func() error { return nil }, nil
	}
	handle, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", handle.Fd(), socketName), handle.Close, nil
}

// listenAdmin opens the admin socket. The caller holds the data directory's
// lock, so a socket that is already there was left by a process that died.
func listenAdmin(dir string) (net.Listener, error) {
	path, done, err := socketPath(dir)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), done())
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), done())
	}
	private := &adminListener{Listener: listener, done: done}
	// The mask of the process has kept others out since the socket is there;
	// this only takes the owner's useless right to execute it.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), private.Close())
	}
	return private, nil
}

// adminListener gives the way to the socket up only when the socket is closed,
// because closing removes the file by its path.
type adminListener struct {
	net.Listener
	done func() error
}

func (l *adminListener) Close() error {
	return errors.Join(l.Listener.Close(), l.done())
}

// dialAdmin returns a client of the admin socket of a running server, and nil
// when no server runs on the directory.
func dialAdmin(ctx context.Context, dir string) (*http.Client, error) {
	path, done, err := socketPath(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	defer done() //nolint:errcheck // a handle that was only looked through
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return nil, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("admin socket %s: only the user that runs the server may use it; run this command as that user",
			filepath.Join(dir, socketName))
	case err != nil:
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := conn.Close(); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			path, done, err := socketPath(dir)
			if err != nil {
				return nil, err
			}
			defer done() //nolint:errcheck // a handle that was only looked through
			return dialer.DialContext(ctx, "unix", path)
		},
	}}, nil
}

// memoryTransport answers requests by calling a handler, so that a verb runs
// the same code with and without a server.
type memoryTransport struct{ handler http.Handler }

// RoundTrip calls the handler and collects its answer.
func (t memoryTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	served := request.Clone(request.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	served.RequestURI = request.URL.RequestURI()
	served.RemoteAddr = "@"
	answer := &memoryAnswer{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(answer, served)
	return &http.Response{
		StatusCode: answer.status,
		Status:     http.StatusText(answer.status),
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        answer.header,
		Body:          io.NopCloser(&answer.body),
		ContentLength: int64(answer.body.Len()),
		Request:       request,
	}, nil
}

type memoryAnswer struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (a *memoryAnswer) Header() http.Header { return a.header }

func (a *memoryAnswer) WriteHeader(status int) {
	if !a.wrote {
		a.status, a.wrote = status, true
	}
}

func (a *memoryAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}
