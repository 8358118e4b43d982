package cli

import (
	"net/http"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A server publishes what GET /events has, byte for byte, once a
// stream is there, goes on where it was after a restart, and shows the password to nobody.
func TestEventsArePublished(t *testing.T) {
	t.Parallel()
	running, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		Username: "me", Password: "s3cret",
	})
	if err != nil {
		t.Fatal(err)
	}
	running.Start()
	t.Cleanup(func() { running.Shutdown(); running.WaitForShutdown() })
	if !running.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server has not started")
	}
	url := strings.Replace(running.ClientURL(), "nats://", "nats://me:s3cret@", 1)
	environ := []string{"BILLFOLD_NATS_URL=" + url, "BILLFOLD_NATS_SUBJECT=our.wallets"}
	dir := t.TempDir()
	s := startServer(t, dir, environ)
	s.customer(t, s.testKey)
	for giveUp := time.Now().Add(time.Minute); !strings.Contains(s.stderr.String(), "no stream of NATS takes"); time.Sleep(time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("got the log %s, want it to say what is missing", s.stderr)
		}
	}
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OURS", Subjects: []string{"our.wallets.>"}})
	if err != nil {
		t.Fatal(err)
	}
	received := func(no uint64) string {
		t.Helper()
		for giveUp := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			if m, err := stream.GetMsg(t.Context(), no); err == nil {
				return string(m.Data)
			} else if time.Now().After(giveUp) {
				t.Fatalf("message %d: %v", no, err)
			}
		}
	}
	first := received(1)
	_, events := s.do(t, http.MethodGet, "/events", s.testKey, "")
	if !strings.Contains(events, `"items":[`+first+`]`) {
		t.Errorf("got %s published, want what is in %s", first, events)
	}
	_, metrics := s.get(t, "/metrics")
	for _, want := range []string{`billfold_sink_leading{sink="nats"} 1`, `billfold_sink_events_published_total{sink="nats"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics: got no %s", want)
		}
	}
	key := s.testKey
	s.stop(t)
	log := s.stderr.String()
	s = startServer(t, dir, environ)
	s.customer(t, key)
	if second := received(2); second == first {
		t.Errorf("after a restart: got the first event again, want the second")
	}
	if log += s.stderr.String(); strings.Contains(log, "s3cret") {
		t.Errorf("got the log %s, want no password", log)
	}
	run(t, environ, "doctor", "--data-dir", dir).wantCode(t, exitDone, "takes events")
}
