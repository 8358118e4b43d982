package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/billfold/billfold/internal/pgtest"
)

// The keys of the one business that every server starts with.
const (
	TestKey = "bf_test_e2eE2Ee2eE2Ee2eE2Ee2eE2Ee2eE2Ee2eE2Ee2eE2Ee"
	LiveKey = "bf_live_e2eE2Ee2eE2Ee2eE2Ee2eE2Ee2eE2Ee2eE2Ee2eE2Ee"
)

// readyMax is how long a server may take until it serves.
const readyMax = 30 * time.Second

// Options say how a server is started. The zero Options are a server on a new
// directory.
type Options struct {
	// Dir is the data directory; empty means a new one.
	Dir string

	// Addr is where to serve; empty means a free port of this machine. A
	// server that comes back serves where its clients know it.
	Addr string

	// Arguments are more flags of serve.
	Arguments []string

	// Before is a command that runs the server, such as "prlimit --nofile=64".
	Before []string

	// Binary is what to run, empty for the one that is tested.
	Binary string

	certificate *certificate // nil: plain HTTP
}

// Server is a running binary.
type Server struct {
	Dir  string
	Addr string

	// BootID is what /healthz says: random, new with every start.
	BootID string

	// ReadyAfter is the time from the start of the process to its first
	// answer that it is ready.
	ReadyAfter time.Duration

	command *exec.Cmd
	began   time.Time
	log     tail
	exited  chan struct{}
	client  *Client
}

// Start starts a server, waits until it is ready, and stops it when the test
// ends.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	if options.Dir == "" {
		options.Dir = filepath.Join(t.TempDir(), "data")
	}
	server, err := Launch(t, options)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// Launch is Start for a server that may refuse to serve: then the error holds
// what it logged.
func Launch(t testing.TB, options Options) (*Server, error) {
	t.Helper()
	server := Begin(t, options)
	if err := server.wait(t.Context()); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, server.Log())
	}
	return server, nil
}

// Begin starts the process of a server and does not wait for it.
func Begin(t testing.TB, options Options) *Server {
	t.Helper()
	server := &Server{Dir: options.Dir, Addr: options.Addr, exited: make(chan struct{})}
	if server.Addr == "" {
		server.Addr = FreeAddr(t)
	}
	binary := options.Binary
	if binary == "" {
		binary = Binary(t)
	}
	line := slices.Concat(options.Before, []string{binary, "serve", "--addr", server.Addr, "--data-dir", server.Dir}, options.Arguments)
	server.client = NewClient("http://"+server.Addr, TestKey)
	if c := options.certificate; c != nil {
		line = append(line, "--tls-cert", c.cert, "--tls-key", c.key)
		server.client = newSecureClient("https://"+server.Addr, TestKey, c.roots)
	}
	server.command = exec.Command(line[0], line[1:]...)
	server.command.Env = environ("BILLFOLD_BOOTSTRAP_TEST_KEY="+TestKey, "BILLFOLD_BOOTSTRAP_LIVE_KEY="+LiveKey)
	server.command.Stdout, server.command.Stderr = &server.log, &server.log
	server.command.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	server.began = time.Now()
	if err := server.command.Start(); err != nil {
		t.Fatalf("start %v: %v", line, err)
	}
	go func() {
		defer close(server.exited)
		_ = server.command.Wait() // the state says how it ended
	}()
	t.Cleanup(func() {
		server.Kill()
		server.client.Close()
	})
	return server
}

// ExitError says that a process ended before it served.
type ExitError struct{ Code int }

func (e *ExitError) Error() string {
	return fmt.Sprintf("the server ended with exit code %d before it was ready", e.Code)
}

func (s *Server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyMax)
	defer cancel()
	for {
		if status, _, err := s.client.get(ctx, "/readyz"); err == nil && status == http.StatusOK {
			s.ReadyAfter = time.Since(s.began)
			return s.readBootID(ctx)
		}
		select {
		case <-s.exited:
			return &ExitError{s.command.ProcessState.ExitCode()}
		case <-ctx.Done():
			return errors.New("the server was not ready in time")
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *Server) readBootID(ctx context.Context) error {
	_, body, err := s.client.get(ctx, "/healthz")
	if err != nil {
		return err
	}
	var health struct {
		BootID string `json:"boot_id"`
	}
	if err := json.Unmarshal(body, &health); err != nil || health.BootID == "" {
		return fmt.Errorf("/healthz says no boot id: %s", body)
	}
	s.BootID = health.BootID
	return nil
}

// Client returns a client with the test-mode key.
func (s *Server) Client() *Client { return s.client }

// PID is the process id.
func (s *Server) PID() int { return s.command.Process.Pid }

// Log is the end of what the server printed.
func (s *Server) Log() string { return s.log.String() }

// Exited is closed when the process has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// ExitCode is how the process ended, -1 when a signal ended it.
func (s *Server) ExitCode() int {
	<-s.exited
	return s.command.ProcessState.ExitCode()
}

// Signal sends a signal, and does nothing when the process has ended.
func (s *Server) Signal(signal syscall.Signal) { _ = s.command.Process.Signal(signal) }

// Kill ends the process at once, as kill -9 does, and waits until it is gone.
func (s *Server) Kill() {
	s.Signal(syscall.SIGKILL)
	<-s.exited
}

// Stop asks the server to stop and returns how long that took. It must end
// with exit code 0 within the 15 seconds that are promised.
func (s *Server) Stop(t testing.TB) time.Duration {
	t.Helper()
	// A connection without a request would be waited for: it may carry one.
	s.client.Close()
	began := time.Now()
	s.Signal(syscall.SIGTERM)
	return s.Stopped(t, began)
}

// Stopped is the second half of Stop.
func (s *Server) Stopped(t testing.TB, began time.Time) time.Duration {
	t.Helper()
	const stopMax = 15 * time.Second
	select {
	case <-s.exited:
	case <-time.After(stopMax):
		t.Fatalf("SIGTERM: got a server that runs after %s, want it stopped\n%s", stopMax, s.Log())
	}
	if code := s.ExitCode(); code != 0 {
		t.Errorf("exit code after SIGTERM: got %d, want 0\n%s", code, s.Log())
	}
	return time.Since(began)
}

// FreeAddr returns an address that nobody serves, on a [pgtest.FreePort].
func FreeAddr(t testing.TB) string {
	t.Helper()
	port, err := pgtest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// tail keeps the end of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailMax = 64 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if len(w.text) > 2*tailMax {
		w.text = append(w.text[:0], w.text[len(w.text)-tailMax:]...)
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.ToValidUTF8(string(w.text), "?")
}
