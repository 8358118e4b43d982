package bus_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	gonats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/bus/nats"
	"github.com/billfold/billfold/internal/ledger"
)

// natsServer is a real server with JetStream, in this process, that can be stopped and
// started again on what it has written.
type natsServer struct {
	t       *testing.T
	options server.Options
	running *server.Server
	stops   int
}

func newNATS(t *testing.T, change func(*server.Options)) *natsServer {
	t.Helper()
	s := &natsServer{t: t, options: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	}}
	if change != nil {
		change(&s.options)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *natsServer) start() {
	s.t.Helper()
	options := s.options
	running, err := server.NewServer(&options)
	must(s.t, err)
	running.Start()
	if !running.ReadyForConnections(generous) {
		s.t.Fatal("the NATS server has not started")
	}
	s.running = running
	s.options.Port = running.Addr().(*net.TCPAddr).Port // the same at the next start
}

func (s *natsServer) stop() {
	s.running.Shutdown()
	s.running.WaitForShutdown()
}

func (s *natsServer) url() string { return s.running.ClientURL() }

// stream makes a stream for the events.
func (s *natsServer) stream(options ...gonats.Option) {
	s.t.Helper()
	js, end := s.connect(options...)
	defer end()
	_, err := js.CreateStream(s.t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"billfold.>"}})
	must(s.t, err)
}

func (s *natsServer) connect(options ...gonats.Option) (js jetstream.JetStream, end func()) {
	s.t.Helper()
	conn, err := gonats.Connect(s.url(), options...)
	must(s.t, err)
	js, err = jetstream.New(conn)
	must(s.t, err)
	return js, conn.Close
}

func (s *natsServer) broker() bus.Broker {
	return nats.New(nats.Config{URL: s.url(), Prefix: "billfold"})
}

// trouble stops the server for a moment.
func (s *natsServer) trouble(o *office) {
	if !o.oneIn(4) {
		return
	}
	s.stops++
	s.stop()
	time.Sleep(time.Duration(o.dice()%50) * time.Millisecond)
	s.start()
}

func (s *natsServer) read() (got []received) {
	s.t.Helper()
	js, end := s.connect()
	defer end()
	stream, err := js.Stream(s.t.Context(), "EVENTS")
	must(s.t, err)
	info, err := stream.Info(s.t.Context())
	must(s.t, err)
	for no := uint64(1); no <= info.State.LastSeq; no++ {
		m, err := stream.GetMsg(s.t.Context(), no)
		must(s.t, err)
		got = append(got, receivedFrom(s.t, m))
	}
	return got
}

// receivedFrom reads a message by its headers, to which its subject has to be true.
func receivedFrom(t *testing.T, m *jetstream.RawStreamMsg) received {
	t.Helper()
	r := received{
		m.Header.Get(jetstream.MsgIDHeader), m.Header.Get(nats.CustomerHeader), m.Header.Get(nats.BusinessHeader),
		m.Header.Get(nats.ModeHeader), m.Header.Get(nats.TypeHeader), string(m.Data),
	}
	if want := strings.Join([]string{"billfold", r.business, r.mode, r.kind}, "."); m.Subject != want {
		t.Errorf("got subject %s, want %s", m.Subject, want)
	}
	return r
}

// A real server is stopped and started in the middle, and what publishes to it killed:
// the stream has each event once, as the server knows a repeat by its id.
func TestNATS(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, s := newOffice(t, open(t)), newNATS(t, nil)
			s.stream()
			for _, said := range campaign(o, s, kills(name)) {
				t.Errorf("seed %d: %s", o.seed, said)
			}
			t.Logf("the server was stopped %d times", s.stops)
			if got := s.read(); len(got) != len(o.feed()) {
				t.Errorf("seed %d: got %d messages in the stream, want each of %d events once", o.seed, len(got), len(o.feed()))
			}
		})
	}
}

// publishOne publishes an event that nobody has.
func publishOne(t *testing.T, b bus.Broker) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return b.Publish(ctx, []bus.Message{{
		ID: "evt_1", Tenant: ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}, Kind: ledger.WalletCredited,
		CustomerID: "cus_1", At: time.Now(), Body: []byte("{}"),
	}})
}

// What is wrong with a server is said, and without what is secret.
func TestNATSRefusals(t *testing.T) {
	t.Parallel()
	open, closed := newNATS(t, nil), newNATS(t, func(o *server.Options) { o.Username, o.Password = "me", "s3cret" })
	without := func(url string) string { return strings.TrimPrefix(url, "nats://") }
	for _, test := range []struct {
		name, url string
		want      string
	}{
		{"nobody there", "nats://127.0.0.1:1", "connect to NATS"},
		{"no stream", open.url(), "no stream of NATS takes billfold.bus_1.test.wallet.credited"},
		{"not signed in", closed.url(), "Authorization"},
		{"another password", "nats://me:0ther@" + without(closed.url()), "Authorization"},
		{"signed in", "nats://me:s3cret@" + without(closed.url()), "no stream of NATS takes"},
	} {
		b := nats.New(nats.Config{URL: test.url, Prefix: "billfold"})
		err := publishOne(t, b)
		shown := err != nil && (strings.Contains(err.Error(), "0ther") || strings.Contains(err.Error(), "s3cret"))
		if err == nil || !strings.Contains(err.Error(), test.want) || shown {
			t.Errorf("%s: got error %v, want %q and no password", test.name, err, test.want)
		}
		if err := b.Check(t.Context()); err == nil {
			t.Errorf("%s: got a check without an error", test.name)
		}
		b.Close()
	}
	open.stream()
	b := open.broker()
	defer b.Close()
	if err := errors.Join(publishOne(t, b), publishOne(t, b), b.Check(t.Context())); err != nil {
		t.Errorf("with a stream: got error %v, want none", err)
	}
	if got := open.read(); len(got) != 1 || got[0].id != "evt_1" || got[0].mode != "test" {
		t.Errorf("got %+v, want one message", got)
	}
}
