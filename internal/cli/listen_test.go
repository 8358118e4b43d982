package cli

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestStreamsOfOneConnection reads the first frame of a server that speaks
// HTTP/2, which says how many requests may be open at once.
func TestStreamsOfOneConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.Config = newServer(defaultConfig(), http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	connection, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{
		RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com",
		NextProtos: []string{"h2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close() //nolint:errcheck // the test is over
	if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The client's preface with an empty frame of settings.
	if _, err := io.WriteString(connection, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	var head [9]byte
	if _, err := io.ReadFull(connection, head[:]); err != nil || head[3] != 4 {
		t.Fatalf("the first frame: got type %d, %v, want settings", head[3], err)
	}
	settings := make([]byte, int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(connection, settings); err != nil {
		t.Fatal(err)
	}
	const maxConcurrentStreams = 3
	for ; len(settings) >= 6; settings = settings[6:] {
		if binary.BigEndian.Uint16(settings) != maxConcurrentStreams {
			continue
		}
		if got := binary.BigEndian.Uint32(settings[2:]); got != streamsMax {
			t.Errorf("got %d streams, want %d", got, streamsMax)
		}
		return
	}
	t.Error("the server does not bound its streams")
}
