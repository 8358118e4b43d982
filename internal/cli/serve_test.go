package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/sqlite"
)

func TestTheFirstStartMakesKeysAndShowsThemOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "data")
	first := startServer(t, dir, nil)
	for _, key := range []string{first.testKey, first.liveKey} {
		if status, body := first.do(t, http.MethodGet, "/customers", key, ""); status != http.StatusOK {
			t.Errorf("the key %q: got %d %s, want 200", key, status, body)
		}
	}
	if !strings.Contains(first.stdout.String(), "Bearer "+first.testKey) {
		t.Errorf("banner: got %s, want a curl with the test key", first.stdout)
	}
	if !strings.Contains(first.stdout.String(), "/dashboard/join#") {
		t.Errorf("banner: got %s, want the link with which the first user joins", first.stdout)
	}
	if strings.Contains(first.stderr.String(), first.testKey) || strings.Contains(first.stderr.String(), first.liveKey) {
		t.Error("the log shows a key")
	}
	if code := first.stop(t); code != exitDone {
		t.Errorf("stop: got %d, want 0\n%s", code, first.stderr)
	}

	second := startServer(t, dir, nil)
	for _, once := range []string{"bf_", "First start", "/join#"} {
		if text := second.stdout.String(); strings.Contains(text, once) {
			t.Errorf("second start: got %s, want no keys and no link", text)
		}
	}
	if status, _ := second.do(t, http.MethodGet, "/customers", first.testKey, ""); status != http.StatusOK {
		t.Errorf("the first key after a restart: got %d, want 200", status)
	}
}

func TestDataAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	s := startServer(t, filepath.Join(t.TempDir(), "data"), nil)
	want := map[string]os.FileMode{
		".": os.ModeDir | 0o700, socketName: os.ModeSocket | 0o600, secretKeyName: 0o600, sqlite.FileName: 0o600,
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: got %v %v, want %v", name, info.Mode(), err, mode)
		}
	}
	s.stop(t)
	if _, err := os.Stat(filepath.Join(s.dir, socketName)); !os.IsNotExist(err) {
		t.Errorf("the socket after the stop: got %v, want it gone", err)
	}
}

const (
	broughtTest = "bf_test_0123456789abcdefghijklmnopqrstuv"
	broughtLive = "bf_live_0123456789abcdefghijklmnopqrstuv"
)

func TestBroughtKeysAreUsedAndNotShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := []string{"BILLFOLD_BOOTSTRAP_TEST_KEY=" + broughtTest, "BILLFOLD_BOOTSTRAP_LIVE_KEY=" + broughtLive}
	s := startServer(t, dir, environ, "--bootstrap-business", "Acme")
	for _, key := range []string{broughtTest, broughtLive} {
		status, body := s.do(t, http.MethodGet, "/business", key, "")
		if status != http.StatusOK || !strings.Contains(body, `"name":"Acme"`) {
			t.Errorf("the key %q: got %d %s, want the business Acme", key, status, body)
		}
	}
	if strings.Contains(s.stdout.String()+s.stderr.String(), "0123456789abcdef") {
		t.Errorf("output: got %s%s, want no key", s.stdout, s.stderr)
	}
	s.stop(t)

	other := []string{"BILLFOLD_BOOTSTRAP_TEST_KEY=" + broughtTest, "BILLFOLD_BOOTSTRAP_LIVE_KEY=" + broughtLive + "x"}
	s = startServer(t, dir, other)
	log := s.stderr.String()
	if !strings.Contains(log, "BILLFOLD_BOOTSTRAP_LIVE_KEY") || strings.Contains(log, "BILLFOLD_BOOTSTRAP_TEST_KEY") {
		t.Errorf("log: got %s, want a warning about the live key only", log)
	}
}

func TestProbesSayWhoAnswers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bootIDs := map[string]bool{}
	for range 2 {
		s := startServer(t, dir, nil)
		_, body := s.get(t, "/healthz")
		var health struct {
			Status  string `json:"status"`
			BootID  string `json:"boot_id"`
			Version string `json:"version"`
		}
		err := json.Unmarshal([]byte(body), &health)
		if err != nil || health.Status != "ok" || health.BootID == "" || health.Version == "" {
			t.Errorf("healthz: got %s, want status, boot_id and version", body)
		}
		bootIDs[health.BootID] = true
		s.stop(t)
	}
	if len(bootIDs) != 2 {
		t.Errorf("got %d boot ids in two starts, want 2", len(bootIDs))
	}
}

func TestMetricsMoveToTheirOwnAddress(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	if status, body := s.get(t, "/metrics"); status != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics on the API's address: got %d, want 200 with go_goroutines", status)
	}
	if status, _ := s.get(t, "/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("profiles on the API's address: got %d, want 404", status)
	}
	s.stop(t)

	apart := startServer(t, t.TempDir(), nil, "--metrics-addr", "127.0.0.1:0", "--pprof", "--log-format", "json")
	if status, body := apart.get(t, "/metrics"); status != http.StatusNotFound || !strings.Contains(body, `"code":"NOT_FOUND"`) {
		t.Errorf("metrics on the API's address: got %d %s, want 404", status, body)
	}
	var addr string
	for line := range strings.Lines(apart.stderr.String()) {
		var entry struct{ Msg, Addr string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line %q is not JSON: %v", line, err)
		}
		if entry.Msg == "serving metrics" {
			addr = entry.Addr
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/heap"} {
		response, err := apart.client.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close() // it was not read
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s on metrics-addr: got %d, want 200", path, response.StatusCode)
		}
	}
}

func TestLimitsAreObeyed(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil, "--max-body", "1KiB", "--rate-limit", "3/min")
	body := `{"email":"jane@example.com","name":"` + strings.Repeat("x", 1024) + `"}`
	if status, text := s.do(t, http.MethodPost, "/customers", s.testKey, body); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: got %d %s, want 413", status, text)
	}
	var last int
	for range 4 {
		last, _ = s.do(t, http.MethodGet, "/customers", s.testKey, "")
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the fourth request in a minute: got %d, want 429", last)
	}
	r := run(t, s.environ(), "customers", "list")
	r.wantCode(t, exitUnreachable, "TOO_MANY_REQUESTS")
}

func TestASlowClientIsCut(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil, "--read-header-timeout", "50ms", "--read-timeout", "50ms")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(conn); err != nil || len(text) != 0 {
		t.Errorf("half a head: got %q %v, want the connection closed", text, err)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	for size, want := range map[int]int{15 << 10: http.StatusOK, 17 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Long", strings.Repeat("x", size))
		response, err := s.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close() // it was not read
		if response.StatusCode != want {
			t.Errorf("headers of %d bytes: got %d, want %d", size, response.StatusCode, want)
		}
	}
}

// certificate writes a certificate for 127.0.0.1 and returns a pool with it.
func certificate(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "billfold"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, certFile, string(text))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

func TestTLSFollowsRenewal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, certFile, keyFile)
	file := &certificateFile{cert: certFile, key: keyFile, logger: discard()}
	if err := file.load(); err != nil {
		t.Fatal(err)
	}
	first := file.loaded
	certificate(t, certFile, keyFile)
	// The files' times have a grain; a renewal is never within it.
	if err := os.Chtimes(certFile, time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, err := file.get(nil); err != nil || got == first {
		t.Errorf("after a renewal: got the old certificate, %v", err)
	}
	renewed := file.loaded
	write(t, certFile, "half written")
	file.looked = time.Time{}
	if got, err := file.get(nil); err != nil || got != renewed {
		t.Errorf("after half a renewal: got %v %v, want the certificate before it", got, err)
	}

	pool := certificate(t, certFile, keyFile)
	s := startTLSServer(t, pool, certFile, keyFile)
	run(t, []string{"BILLFOLD_BASE_URL=" + s.base, "BILLFOLD_API_KEY=x"}, "customers", "list").
		wantCode(t, exitUnreachable, "is not trusted here", "SSL_CERT_FILE")
	if !strings.HasPrefix(s.base, "https://") {
		t.Errorf("banner: got %q, want https", s.base)
	}
	response, err := s.client.Get(s.base + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // it was not read
	if response.ProtoMajor != 2 || response.TLS.Version < tls.VersionTLS12 {
		t.Errorf("got %s over %x, want HTTP/2 over TLS 1.2 or newer", response.Proto, response.TLS.Version)
	}
}

func TestStartsThatAreRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the subtests
	file := write(t, filepath.Join(t.TempDir(), "file"), "x")
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		environ []string
		args    []string
		code    int
		want    []string
	}{
		"port in use": {
			args: []string{"--addr", taken.Addr().String()}, code: exitFailed,
			want: []string{"is in use", "--addr"},
		},
		"metrics port in use": {
			args: []string{"--metrics-addr", taken.Addr().String()}, code: exitFailed,
			want: []string{"is in use", "--metrics-addr"},
		},
		"address of another machine": {
			args: []string{"--addr", "192.0.2.1:80"}, code: exitFailed,
			want: []string{"is not one of this machine", "--addr"},
		},
		"data directory cannot be made": {
			// Not even root may make directories in the kernel's own.
			args: []string{"--data-dir", "/sys/billfold"}, code: exitFailed,
			want: []string{"data directory", "/sys/billfold"},
		},
		"data directory is a file": {
			args: []string{"--data-dir", file}, code: exitFailed, want: []string{file},
		},
		"no certificate": {
			args: []string{"--tls-cert", file + "2", "--tls-key", file}, code: exitUsage, want: []string{"tls-cert", file + "2"},
		},
		"damaged secret": {
			prepare: func(t *testing.T, dir string) { write(t, filepath.Join(dir, secretKeyName), "not a key") },
			code:    exitFailed, want: []string{secretKeyName, "32 bytes"},
		},
		"no secret where it should be": {
			args: []string{"--secret-key-file", "/nonexistent/key"}, code: exitUsage, want: []string{"/nonexistent/key", "openssl"},
		},
		"not a database": {
			prepare: func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, sqlite.FileName), strings.Repeat("x", 8192))
			},
			code: exitFailed, want: []string{"damaged", "restore"},
		},
		"traces over another protocol": {
			environ: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
			code:    exitUsage, want: []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"},
		},
		"traces to no address": {
			environ: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=::bad"}, code: exitUsage,
			want: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"},
		},
		"traces of another kind": {
			environ: []string{"OTEL_TRACES_EXPORTER=zipkin", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"},
			code:    exitUsage, want: []string{"OTEL_TRACES_EXPORTER", "zipkin"},
		},
		"a secret as a flag": {args: []string{"--secret-key", "x"}, code: exitUsage, want: []string{"BILLFOLD_SECRET_KEY"}},
		"unknown variable":   {environ: []string{"BILLFOLD_ADRR=x"}, code: exitUsage, want: []string{"BILLFOLD_ADDR?"}},
		"no config file":     {args: []string{"--config", "/nonexistent.toml"}, code: exitUsage, want: []string{"billfold.example.toml"}},
		"config by variable": {environ: []string{"BILLFOLD_CONFIG=/nonexistent.toml"}, code: exitUsage, want: []string{"/nonexistent.toml"}},
		"unknown flag":       {args: []string{"--adr", "x"}, code: exitUsage, want: []string{"--adr", "--help"}},
		"an argument":        {args: []string{"now"}, code: exitUsage, want: []string{"now"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			args := append([]string{"serve", "--addr", "127.0.0.1:0", "--data-dir", dir}, test.args...)
			r := run(t, test.environ, args...).wantCode(t, test.code, test.want...)
			if strings.Contains(r.stdout, "bf_") {
				t.Errorf("stdout: got %q, want no keys of a server that did not start", r.stdout)
			}
			for line := range strings.Lines(r.stderr) {
				if !strings.HasPrefix(line, "billfold: ") && !strings.HasPrefix(line, "time=") && !strings.HasPrefix(line, "Run '") {
					t.Errorf("stderr has the line %q, which is neither a log line nor a message", line)
				}
			}
		})
	}
}

// TestMachinesReadWhyAServerEnds keeps the last word of a server in the form of
// the others.
func TestMachinesReadWhyAServerEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for code, args := range map[int][]string{
		exitFailed: {"--addr", "192.0.2.1:80"},
		exitUsage:  {"--addr", "127.0.0.1:0", "--secret-key-file", "/nonexistent"},
	} {
		r := run(t, nil, append([]string{"serve", "--data-dir", dir, "--log-format", "json"}, args...)...).wantCode(t, code)
		var line struct{ Level, Error string }
		if err := json.Unmarshal([]byte(r.stderr), &line); err != nil || line.Level != "ERROR" || line.Error == "" {
			t.Errorf("%v: got %q %v, want one line of JSON with the error", args, r.stderr, err)
		}
	}
}

func TestASecondServerIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	run(t, nil, "serve", "--addr", "127.0.0.1:0", "--data-dir", s.dir).
		wantCode(t, exitFailed, "in use by process", "--data-dir")
	if status, _ := s.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("the first server after the second was refused: got %d, want 200", status)
	}
	if client, err := dialAdmin(t.Context(), s.dir); err != nil || client == nil {
		t.Errorf("the first server's socket after the second was refused: got %v %v", client, err)
	}
}

func TestALeftSocketIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, socketName)})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	if client, err := dialAdmin(t.Context(), dir); err != nil || client != nil {
		t.Errorf("a socket without a server: got %v %v, want none", client, err)
	}
	s := startServer(t, dir, nil)
	run(t, nil, "business", "list", "--data-dir", s.dir).wantCode(t, exitDone, "My business")
}

func TestTheSocketOfADeepDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep-", 30), strings.Repeat("deeper-", 20))
	s := startServer(t, dir, nil)
	run(t, nil, "business", "create", "Deep", "--data-dir", dir).wantCode(t, exitDone, "Deep")
	run(t, nil, "business", "list", "--data-dir", dir).wantCode(t, exitDone, "Deep", "My business")
	s.stop(t)
	if _, err := os.Stat(filepath.Join(dir, socketName)); !os.IsNotExist(err) {
		t.Errorf("the socket after the stop: got %v, want it gone", err)
	}
}

// startTLSServer starts a server whose certificate is in the pool.
func startTLSServer(t *testing.T, pool *x509.CertPool, certFile, keyFile string) *server {
	t.Helper()
	return startServerWith(t, &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		},
	}, t.TempDir(), nil, "--tls-cert", certFile, "--tls-key", keyFile)
}

func TestSecretKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, err := secretKey(Config{DataDir: dir}, discard())
	if err != nil || len(made) != secretKeyBytes {
		t.Fatalf("first start: got %d bytes, %v", len(made), err)
	}
	again, err := secretKey(Config{DataDir: dir}, discard())
	if err != nil || string(again) != string(made) {
		t.Errorf("second start: got another key, %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("the directory holds %v %v, want the key alone", left, err)
	}
	named, err := secretKey(Config{DataDir: t.TempDir(), SecretKeyFile: filepath.Join(dir, secretKeyName)}, discard())
	if err != nil || string(named) != string(made) {
		t.Errorf("named file: got another key, %v", err)
	}
	const hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	for _, text := range []string{hex, "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=", "ABEiM0RVZneImaq7zN3u_wARIjNEVWZ3iJmqu8zd7v8"} {
		key, err := secretKey(Config{SecretKey: text}, discard())
		if err != nil || key[1] != 0x11 || key[31] != 0xff {
			t.Errorf("%s: got %x %v", text, key, err)
		}
	}
}

// waitFor reads a log until it has a text.
func waitFor(t *testing.T, log *buffer, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !strings.Contains(log.String(), text) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("log: got %s, want %q in it", log, text)
		}
	}
}

func TestTheBannerSaysWhereTheDataAre(t *testing.T) {
	t.Parallel()
	config := defaultConfig()
	config.DatabaseURL = "postgres://billfold:hush@db.internal/wallets"
	var shown strings.Builder
	banner(&shown, config, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil, "")
	if got := shown.String(); !strings.Contains(got, "  Data  postgres://db.internal:5432/wallets\n") {
		t.Errorf("banner: got %q, want the database without its password", got)
	}
}
