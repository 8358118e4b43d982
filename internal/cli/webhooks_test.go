package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// hookReceiver keeps what is sent to it.
type hookReceiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	heads  []http.Header
}

func newHookReceiver(t *testing.T) *hookReceiver {
	t.Helper()
	r := &hookReceiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body) // what broke off is no message
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.heads = append(r.bodies, string(body)), append(r.heads, request.Header)
	}))
	t.Cleanup(r.Close)
	return r
}

// await waits until so many messages have come, and wants each signed with a secret.
func (r *hookReceiver) await(t *testing.T, count int, secret string) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		r.mu.Lock()
		got := len(r.bodies)
		r.mu.Unlock()
		if got >= count {
			break
		}
		if time.Now().After(giveUp) {
			t.Fatalf("got %d messages in a minute, want %d", got, count)
		}
	}
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.bodies {
		if err := hook.Verify([]byte(r.bodies[i]), r.heads[i]); err != nil {
			t.Errorf("message %d: got %v, want it signed with the secret that was shown", i, err)
		}
	}
}

func TestWebhookCommands(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil, "--webhook-allow-insecure", "loopback")
	receiver := newHookReceiver(t)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	cli("webhooks", "list").wantCode(t, exitDone, "No webhooks.")
	cli("webhooks", "create", receiver.URL).wantCode(t, exitUsage, "--types")
	cli("webhooks", "create", "http://example.com/", "--types", "wallet.credited").wantCode(t, exitFailed, "INVALID_WEBHOOK_URL")
	var id string
	for range 2 {
		id = decode[webhookView](t, cli("webhooks", "create", receiver.URL, "--types", "wallet.credited", "--in-order",
			"--idempotency-key", "one", "-o", "json")).ID
	}
	cli("webhooks", "list").wantCode(t, exitDone, id, "wallet.credited", "enabled, in order")
	secret := func(args ...string) string {
		t.Helper()
		return decode[struct{ Secret string }](t, cli(append([]string{"webhooks", "secret", id, "-o", "json"}, args...)...)).Secret
	}
	customer := s.customer(t, s.testKey)
	cli("ledger", "credit", customer, "USD", "500").wantCode(t, exitDone)
	receiver.await(t, 1, secret())
	event := regexp.MustCompile(`evt_[A-Za-z0-9_]+`).FindString(receiver.bodies[0])
	cli("webhooks", "deliveries", id).wantCode(t, exitDone, event, "wallet.credited")
	cli("webhooks", "deliveries", id, "--status", "failed").wantCode(t, exitDone, "No deliveries.")
	cli("webhooks", "resend", id, event).wantCode(t, exitDone, event)
	receiver.await(t, 2, secret())
	if first := secret(); secret("--rotate") == first {
		t.Error("after a rotation: got the same secret, want another")
	}
	cli("webhooks", "resend", id, "evt_none").wantCode(t, exitFailed, "NOT_FOUND", "webhooks deliveries")
	cli("webhooks", "delete", id).wantCode(t, exitDone, id)
	cli("webhooks", "delete", id).wantCode(t, exitFailed, "NOT_FOUND", "webhooks list")
	cli("webhooks", "secret", id).wantCode(t, exitFailed, "NOT_FOUND")
	cli("webhooks", "deliveries", id).wantCode(t, exitFailed, "NOT_FOUND")
}

func TestListen(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	receiver := newHookReceiver(t)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	customer := s.customer(t, s.testKey)
	cli("ledger", "credit", customer, "USD", "100").wantCode(t, exitDone) // before anybody listens
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr buffer
	ended := make(chan int, 1)
	awaitForks()
	go func() {
		ended <- Run(ctx, []string{"listen", "--forward-to", receiver.URL, "--types", "wallet.credited,wallet.debited"}, s.environ(),
			strings.NewReader(""), &stdout, &stderr)
	}()
	for giveUp := time.Now().Add(time.Minute); !strings.Contains(stderr.String(), "listening"); time.Sleep(time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("got %s%s, want it to listen", stdout.String(), stderr.String())
		}
	}
	secret := regexp.MustCompile(`whsec_\S+`).FindString(stderr.String())
	cli("ledger", "credit", customer, "USD", "500").wantCode(t, exitDone)
	cli("ledger", "debit", customer, "USD", "200").wantCode(t, exitDone)
	receiver.await(t, 2, secret)
	for giveUp := time.Now().Add(time.Minute); strings.Count(stdout.String(), "→ 200 in") < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("got %s, want two lines with what the receiver said", stdout.String())
		}
	}
	cancel()
	if code := <-ended; code != exitDone {
		t.Errorf("got exit code %d, want %d when whoever listens ends it", code, exitDone)
	}
	if got := stdout.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "wallet.debited") {
		t.Errorf("got %q, want the two events that happened meanwhile", got)
	}
	cli("listen", "--forward-to", "localhost").wantCode(t, exitUsage, "--forward-to")
	cli("listen", "--secret", "whsec_short").wantCode(t, exitUsage, "--secret")
	cli("listen", "--types", "wallet.none").wantCode(t, exitFailed, "INVALID_QUERY_PARAMS")
}

// What a webhook's messages are signed with is nowhere in the files, and a server with
// another secret key says so and sends nothing; what happens meanwhile waits.
func TestSecretsOfWebhooksAreSealed(t *testing.T) {
	t.Parallel()
	dir, receiver := t.TempDir(), newHookReceiver(t)
	first := startServer(t, dir, nil, "--webhook-allow-insecure", "loopback")
	on := func(s *server) func(args ...string) result {
		s.testKey = first.testKey
		return func(args ...string) result { return run(t, s.environ(), args...) }
	}
	cli := on(first)
	id := decode[webhookView](t, cli("webhooks", "create", receiver.URL, "--types", "wallet.credited", "-o", "json")).ID
	secret := decode[struct{ Secret string }](t, cli("webhooks", "secret", id, "-o", "json")).Secret
	customer := first.customer(t, first.testKey)
	first.stop(t)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("files of the server: got %v and error %v, want the database and more", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err == nil && bytes.Contains(text, []byte(strings.TrimPrefix(secret, "whsec_"))) {
			t.Errorf("%s has the secret of the webhook, want it sealed", file.Name())
		}
	}
	key := []string{"BILLFOLD_SECRET_KEY=" + strings.Repeat("ab", 32)}
	other := startServer(t, dir, key, "--webhook-allow-insecure", "loopback")
	cli = on(other)
	cli("webhooks", "secret", id).wantCode(t, exitUnreachable, "secret key that it had")
	cli("ledger", "credit", customer, "USD", "500").wantCode(t, exitDone)
	for giveUp := time.Now().Add(time.Minute); !strings.Contains(other.stderr.String(), id); {
		if time.Sleep(10 * time.Millisecond); time.Now().After(giveUp) {
			t.Fatalf("log with another key: got %s, want the id of the webhook", other.stderr)
		}
	}
	other.stop(t)
	again := startServer(t, dir, nil, "--webhook-allow-insecure", "loopback")
	receiver.await(t, 1, secret)
	if got := decode[struct{ Secret string }](t, on(again)("webhooks", "secret", id, "-o", "json")).Secret; got != secret {
		t.Error("with the key again: got another secret, want the first")
	}
}

// The secret key is changed by a start with both: what the old one sealed is sealed
// anew, cursors lead on, and the next start needs the new one alone.
func TestTheSecretKeyIsChanged(t *testing.T) {
	t.Parallel()
	dir, receiver := t.TempDir(), newHookReceiver(t)
	loopback := []string{"--webhook-allow-insecure", "loopback"}
	first := startServer(t, dir, nil, loopback...)
	on := func(s *server) func(args ...string) result {
		s.testKey = first.testKey
		return func(args ...string) result { return run(t, s.environ(), args...) }
	}
	cli := on(first)
	id := decode[webhookView](t, cli("webhooks", "create", receiver.URL, "--types", "wallet.credited", "-o", "json")).ID
	secret := decode[struct{ Secret string }](t, cli("webhooks", "secret", id, "-o", "json")).Secret
	customer := first.customer(t, first.testKey)
	first.stop(t)

	key, old := filepath.Join(dir, secretKeyName), filepath.Join(t.TempDir(), "old.key")
	if err := os.Rename(key, old); err != nil {
		t.Fatal(err)
	}
	second := startServer(t, dir, nil, append(loopback, "--old-secret-key-file", old)...)
	if got := decode[struct{ Secret string }](t, on(second)("webhooks", "secret", id, "-o", "json")).Secret; got != secret {
		t.Error("with both keys: got another secret, want the first")
	}
	if text := second.stderr.String(); !strings.Contains(text, "webhooks=1") {
		t.Errorf("log with both keys: got %s, want one webhook sealed anew", text)
	}
	second.stop(t)

	third := startServer(t, dir, nil, loopback...)
	cli = on(third)
	cli("ledger", "credit", customer, "USD", "500").wantCode(t, exitDone)
	receiver.await(t, 1, secret)
	third.stop(t)
	missing := run(t, []string{"BILLFOLD_OLD_SECRET_KEY_FILE=" + old + ".not"}, "serve", "--data-dir", dir, "--addr", "127.0.0.1:0")
	missing.wantCode(t, exitUsage, "old-secret-key-file")
}
