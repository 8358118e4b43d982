package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// apiKey is the key of the one business that the measured server has. The
// server listens on the loopback interface for the time of the run.
const (
	apiKey      = "bf_test_benchBENCHbenchBENCHbenchBENCHbenchBENCH0"
	liveAPIKey  = "bf_live_benchBENCHbenchBENCHbenchBENCHbenchBENCH0"
	secretKey   = "YmVuY2hCRU5DSGJlbmNoQkVOQ0hiZW5jaEJFTkNIYmU="
	startMax    = 60 * time.Second
	stopMax     = 30 * time.Second
	tailMax     = 16 << 10
	readyPath   = "/readyz"
	dataDirName = "data"
)

// target is a child process that answers requests.
type target struct {
	name    string
	addr    string
	command *exec.Cmd
	stdin   io.Closer
	log     *tailWriter
	exited  chan struct{}

	// graceful says that the process takes SIGTERM for a request to finish.
	graceful bool

	// ready is how long the process took from its start to its first answer.
	ready time.Duration
}

// startEmpty starts the empty handler.
func startEmpty(ctx context.Context, options *Options) (*target, error) {
	return startHandler(ctx, "the empty handler", exec.Command(options.Executable, EmptyCommand))
}

// startHandler starts a process that says its address on its output.
func startHandler(ctx context.Context, name string, command *exec.Cmd, environment ...string) (*target, error) {
	t := newTarget(name, command, environment...)
	stdout, err := t.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not say its address: %w\n%s", t.name, err, t.log), t.kill())
	}
	t.addr = strings.TrimSpace(line)
	return t, t.waitReady(ctx, time.Now(), "/")
}

// startServer starts the real server on a data directory, or on a database.
func startServer(ctx context.Context, options *Options, dataDir string, database *database) (*target, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	environment := []string{"BILLFOLD_BOOTSTRAP_TEST_KEY=" + apiKey, "BILLFOLD_BOOTSTRAP_LIVE_KEY=" + liveAPIKey}
	if database != nil {
		environment = append(environment, "BILLFOLD_DATABASE_URL="+database.url, "BILLFOLD_SECRET_KEY="+secretKey)
	}
	t := newTarget("the server", exec.Command(options.Executable, "serve",
		"--addr", addr, "--data-dir", dataDir, "--log-level", "warn"), environment...)
	t.addr, t.graceful = addr, true
	t.command.Stdout = t.log
	began := time.Now()
	if err := t.start(); err != nil {
		return nil, err
	}
	if err := t.waitReady(ctx, began, readyPath); err != nil {
		return nil, errors.Join(err, t.kill())
	}
	return t, nil
}

// freeAddr is an address that nobody listens on now.
func freeAddr(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func newTarget(name string, command *exec.Cmd, environment ...string) *target {
	t := &target{name: name, command: command, log: new(tailWriter), exited: make(chan struct{})}
	command.Stderr = t.log
	command.Env = append(environ(), environment...)
	// A generator that is killed takes its targets with it.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return t
}

// environ is the environment without the settings of the user's own server.
func environ() (kept []string) {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "BILLFOLD_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

func (t *target) start() (err error) {
	if t.stdin, err = t.command.StdinPipe(); err != nil {
		return err
	}
	if err := t.command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", t.name, err)
	}
	go func() {
		defer close(t.exited)
		_ = t.command.Wait() // stop looks at how it ended
	}()
	return nil
}

// waitReady asks a path until it is answered with 200.
func (t *target) waitReady(ctx context.Context, began time.Time, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.addr+path, http.NoBody)
		if err != nil {
			return err
		}
		response, err := plain.Do(request)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			if err = errors.Join(err, response.Body.Close()); err == nil && response.StatusCode == http.StatusOK {
				t.ready = time.Since(began)
				return nil
			}
		}
		select {
		case <-t.exited:
			return fmt.Errorf("%s ended before it was ready\n%s", t.name, t.log)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready: %w\n%s", t.name, ctx.Err(), t.log)
		case <-time.After(time.Millisecond):
		}
	}
}

// stop asks the process to finish and waits for it.
func (t *target) stop() error {
	if t == nil {
		return nil
	}
	if err := t.ask(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(fmt.Errorf("stop %s: %w", t.name, err), t.kill())
	}
	select {
	case <-t.exited:
	case <-time.After(stopMax):
		return errors.Join(fmt.Errorf("%s did not stop\n%s", t.name, t.log), t.kill())
	}
	if code := t.command.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with exit code %d\n%s", t.name, code, t.log)
	}
	return nil
}

// ask tells the process to finish: the empty handler by the end of its input,
// the server as an operator does.
func (t *target) ask() error {
	err := t.stdin.Close()
	if t.graceful {
		err = errors.Join(err, t.command.Process.Signal(syscall.SIGTERM))
	}
	return err
}

func (t *target) kill() error {
	err := t.command.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-t.exited
	return err
}

// cpu is the processor time that the process has used, 0 where it cannot be
// read.
func (t *target) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.command.Process.Pid))
	if err != nil {
		return 0
	}
	// The second field is a name in parentheses that may contain anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system, ticks = 11, 12, 100
	if len(fields) <= system {
		return 0
	}
	var sum int
	for _, field := range [][]byte{fields[user], fields[system]} {
		n, err := parseNumber(field)
		if err != nil {
			return 0
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// memory is what the process holds of physical memory now and at the most, in
// bytes; 0 where it cannot be read.
func (t *target) memory() (now, most int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.command.Process.Pid))
	if err != nil {
		return 0, 0
	}
	return kibField(status, "VmRSS:") << 10, kibField(status, "VmHWM:") << 10
}

func kibField(status []byte, name string) int64 {
	_, after, found := bytes.Cut(status, []byte("\n"+name))
	if !found {
		return 0
	}
	n, err := parseNumber(bytes.TrimLeft(after, " \t"))
	if err != nil {
		return 0
	}
	return int64(n)
}

// tailWriter keeps the end of what a process printed.
type tailWriter struct {
	mutex sync.Mutex
	text  []byte
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.text = append(w.text, p...)
	if over := len(w.text) - tailMax; over > 0 {
		w.text = append(w.text[:0], w.text[over:]...)
	}
	return len(p), nil
}

func (w *tailWriter) String() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return string(w.text)
}
