package cli

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A stream of events tells what happens on a server with all that stands around the
// API, and its end is a whole one when the server stops.
func TestStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	asked.Header.Set("Authorization", "Bearer "+s.testKey)
	asked.Header.Set("Accept", "text/event-stream")
	stream, err := s.client.Do(asked)
	if err != nil || stream.StatusCode != http.StatusOK {
		t.Fatalf("open a stream: got %+v and error %v, want one", stream, err)
	}
	defer stream.Body.Close() //nolint:errcheck // it is read to its end
	made := decode[map[string]string](t, run(t, s.environ(), "trigger", "customer.created", "-o", "json"))
	lines := bufio.NewReader(stream.Body)
	for told := false; !told; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		told = strings.HasPrefix(line, "data: ") && strings.Contains(line, made["customer_id"])
	}
	if code := s.stop(t); code != exitDone {
		t.Errorf("stop: got %d, want 0\n%s", code, s.stderr)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("the end of the stream: got error %v, want none", err)
	}
	if strings.Contains(s.stderr.String(), "were cut") {
		t.Errorf("the server waited for the stream\n%s", s.stderr)
	}
}
