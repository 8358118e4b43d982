package cli

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
)

// startNATS starts a server with JetStream, and with what else the options say.
func startNATS(t *testing.T, options natsserver.Options) *natsserver.Server {
	t.Helper()
	options.Host, options.Port = "127.0.0.1", natsserver.RANDOM_PORT
	options.JetStream, options.StoreDir, options.NoLog, options.NoSigs = true, t.TempDir(), true, true
	running, err := natsserver.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	running.Start()
	t.Cleanup(func() { running.Shutdown(); running.WaitForShutdown() })
	if !running.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server has not started")
	}
	return running
}

// A server publishes what GET /events has, byte for byte, once a
// stream is there, goes on where it was after a restart, and shows the password to nobody.
func TestEventsArePublished(t *testing.T) {
	t.Parallel()
	running := startNATS(t, natsserver.Options{Username: "me", Password: "s3cret"})
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

// Brokers are spoken to over TLS, with a certificate of our own where they want one, and
// not at all where theirs is nobody's.
func TestBrokersOverTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := certificate(t, certFile, keyFile)
	own, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	running := startNATS(t, natsserver.Options{TLSConfig: config, TLSVerify: true, TLSTimeout: 60})
	conn, err := nats.Connect(running.ClientURL(), nats.RootCAs(certFile), nats.ClientCert(certFile, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "B", Subjects: []string{"billfold.>"}}); err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "billfold"), kfake.TLS(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	toNATS := "BILLFOLD_NATS_URL=" + strings.Replace(running.ClientURL(), "nats://", "tls://", 1)
	toKafka := []string{"BILLFOLD_KAFKA_BROKERS=" + strings.Join(cluster.ListenAddrs(), ","), "BILLFOLD_KAFKA_TLS=true"}
	ofNATS := []string{toNATS, "BILLFOLD_NATS_CA=" + certFile, "BILLFOLD_NATS_CERT=" + certFile, "BILLFOLD_NATS_KEY=" + keyFile}
	ofKafka := append(toKafka, "BILLFOLD_KAFKA_CA="+certFile, "BILLFOLD_KAFKA_CERT="+certFile, "BILLFOLD_KAFKA_KEY="+keyFile)
	for name, test := range map[string]struct {
		environ []string
		want    string
		taken   bool
	}{
		"NATS":                        {ofNATS, "takes events", true},
		"NATS without our own":        {ofNATS[:2], "tls", false},
		"NATS of nobody":              {[]string{toNATS}, "certificate", false},
		"Kafka":                       {ofKafka, "takes events", true},
		"Kafka without our own":       {ofKafka[:3], "", false},
		"Kafka of nobody":             {toKafka, "certificate", false},
		"Kafka without TLS where due": {toKafka[:1], "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, test.environ, "doctor", "--data-dir", t.TempDir())
			taken := strings.Contains(got.stdout, "takes events")
			if taken != test.taken || !strings.Contains(got.stdout+got.stderr, test.want) {
				t.Errorf("got %s %s, want it taken: %t, with %q", got.stdout, got.stderr, test.taken, test.want)
			}
		})
	}
}
