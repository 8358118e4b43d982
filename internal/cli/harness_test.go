package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// programVariable makes the test binary the program itself, for tests that
// need a process of their own: signals, locks, a shell.
const programVariable = "BILLFOLD_TEST_PROGRAM"

// The processes that a bench starts know nothing of the variable; a verb in
// place of the flags of a test says the same.
func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" || (len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-")) {
		os.Exit(Run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// forks guards the moments between fork and exec. A child shares the files of
// its parent until exec closes them, and with them the locks of data
// directories: a server that starts while another test forks could find the
// lock of the one before it still held.
var forks sync.RWMutex

// start starts a command and returns when it has its own files.
func start(t *testing.T, command *exec.Cmd) {
	t.Helper()
	forks.RLock()
	defer forks.RUnlock()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
}

// awaitForks returns when no child shares a lock that was let go of before.
func awaitForks() {
	forks.Lock()
	defer forks.Unlock()
}

// buffer is a writer that may be read while it is written.
type buffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

// result is how a run ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs the program to its end.
func run(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var stdout, stderr buffer
	awaitForks()
	code := Run(ctx, args, environ, strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// wantCode fails the test unless the run ended with a code, and with a message
// that contains every text.
func (r result) wantCode(t *testing.T, code int, texts ...string) result {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code: got %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.stdout, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("output: got\n%s%s\nwant it to contain %q", r.stdout, r.stderr, text)
		}
	}
	return r
}

// decode reads what a run printed as JSON.
func decode[T any](t *testing.T, r result) (document T) {
	t.Helper()
	r.wantCode(t, exitDone)
	if err := json.Unmarshal([]byte(r.stdout), &document); err != nil {
		t.Fatalf("output: got %q, want JSON: %v", r.stdout, err)
	}
	return document
}

// server is a running program.
type server struct {
	base    string
	dir     string
	testKey string
	liveKey string
	stdout  *buffer
	stderr  *buffer
	cancel  context.CancelFunc
	ended   chan int
	client  *http.Client
}

var (
	apiLine  = regexp.MustCompile(`(?m)^  API   (\S+)$`)
	testLine = regexp.MustCompile(`(?m)^  test key  (\S+)$`)
	liveLine = regexp.MustCompile(`(?m)^  live key  (\S+)$`)
)

// startServer runs serve on a free port until the test ends.
func startServer(t *testing.T, dir string, environ []string, args ...string) *server {
	t.Helper()
	return startServerWith(t, &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}, dir, environ, args...)
}

func startServerWith(t *testing.T, client *http.Client, dir string, environ []string, args ...string) *server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	s := &server{
		dir: dir, stdout: &buffer{}, stderr: &buffer{}, cancel: cancel, ended: make(chan int, 1), client: client,
	}
	args = append([]string{"serve", "--addr", "127.0.0.1:0", "--data-dir", dir}, args...)
	awaitForks()
	go func() {
		code := Run(ctx, args, environ, strings.NewReader(""), io.MultiWriter(write, s.stdout), s.stderr)
		_ = write.Close() // never fails
		s.ended <- code
	}()
	t.Cleanup(func() { s.stop(t) })
	banner, _ := readUntil(read, "\n\n  API ") // the part before is short
	rest, err := readUntil(read, "\n\n")
	if err != nil {
		t.Fatalf("the server did not start: %v\n%s%s%s", err, banner, rest, s.stderr)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }() // until the program ends
	s.base = submatch(apiLine, banner+rest)
	s.await(t)
	s.testKey, s.liveKey = submatch(testLine, s.stdout.String()), submatch(liveLine, s.stdout.String())
	return s
}

func readUntil(from io.Reader, end string) (string, error) {
	var text strings.Builder
	one := make([]byte, 1)
	for !strings.HasSuffix(text.String(), end) {
		if _, err := io.ReadFull(from, one); err != nil {
			return text.String(), err
		}
		text.Write(one)
	}
	return text.String(), nil
}

func submatch(pattern *regexp.Regexp, text string) string {
	found := pattern.FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}

// await asks for readiness until there is an answer: the banner is printed
// just before the first request is taken, and requests wait in the queue.
func (s *server) await(t *testing.T) {
	t.Helper()
	for range 100 {
		response, err := s.client.Get(s.base + "/readyz")
		if err != nil {
			t.Fatalf("readyz: %v\n%s", err, s.stderr)
		}
		_ = response.Body.Close() // it was not read
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("the server never became ready\n%s", s.stderr)
}

// stop ends the server as an interrupt does and returns its exit code. It may
// be called more than once.
func (s *server) stop(t *testing.T) int {
	t.Helper()
	s.cancel()
	s.client.CloseIdleConnections()
	select {
	case code := <-s.ended:
		s.ended <- code
		return code
	case <-time.After(20 * time.Second):
		t.Errorf("the server did not stop within 20 s\n%s", s.stderr)
		return -1
	}
}

// get asks the server without a key.
func (s *server) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	return s.do(t, http.MethodGet, path, "", "")
}

// do asks the server with a key.
func (s *server) do(t *testing.T, method, path, key, body string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	read, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode, string(read)
}

// customer makes a customer and returns its id.
func (s *server) customer(t *testing.T, key string) string {
	t.Helper()
	status, body := s.do(t, http.MethodPost, "/customers", key, `{"email":"jane@example.com","name":"Jane Doe"}`)
	var made struct {
		CustomerID string `json:"customer_id"`
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusOK {
		t.Fatalf("create customer: got %d %s", status, body)
	}
	return made.CustomerID
}

// environ is the environment of a client of the server.
func (s *server) environ() []string {
	return []string{"BILLFOLD_BASE_URL=" + s.base, "BILLFOLD_API_KEY=" + s.testKey}
}

// exampleDir is where the repository's root is.
var exampleDir = filepath.Join("..", "..")

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
