package cli

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is the program in a process of its own.
type process struct {
	*exec.Cmd
	stdout, stderr *buffer
	base, testKey  string
	ended          chan error
}

// command is the program with some arguments, as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), self, args...)
	program.Env = append(os.Environ(), programVariable+"=1")
	return program
}

// runProcess runs the program in a process of its own to its end.
func runProcess(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr buffer
	program := command(t, args...)
	program.Stdout, program.Stderr = &stdout, &stderr
	start(t, program)
	if err := program.Wait(); err != nil && program.ProcessState == nil {
		t.Fatal(err)
	}
	return result{program.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// startProcess runs serve in a process of its own.
func startProcess(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{stdout: &buffer{}, stderr: &buffer{}, ended: make(chan error, 1)}
	p.Cmd = command(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--data-dir", dir}, args...)...)
	p.Stdout, p.Stderr = p.stdout, p.stderr
	start(t, p.Cmd)
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		<-p.ended
	})
	go func() {
		p.ended <- p.Wait()
		close(p.ended)
	}()
	waitFor(t, p.stdout, "Jane Doe") // the end of a first start's banner
	waitFor(t, p.stderr, "msg=serving")
	p.base, p.testKey = submatch(apiLine, p.stdout.String()), submatch(testLine, p.stdout.String())
	return p
}

// await waits until the process has ended.
func (p *process) await(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("the process did not end within 20 s\n%s", p.stderr)
	}
}

// occupy sends the head of a request and returns when the handler waits for
// the body, so that the server has something to finish.
func occupy(t *testing.T, base, key string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	head := "POST /customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\nContent-Type: application/json\r\n" +
		"Expect: 100-continue\r\nContent-Length: 42\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	if answer, err := readUntil(conn, "\r\n\r\n"); err != nil || !strings.Contains(answer, "100 Continue") {
		t.Fatalf("got %q %v, want 100 Continue", answer, err)
	}
	return conn
}

// lateBody is what a request that occupies a server sends at last.
const lateBody = `{"email":"late@example.com","name":"Late"}`

func TestSIGTERMFinishesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := startProcess(t, t.TempDir())
		conn := occupy(t, p.base, p.testKey)
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		waitFor(t, p.stderr, "stopping")
		if _, err := io.WriteString(conn, lateBody); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK") {
			t.Errorf("%v: got %q %v, want 200", signal, answer, err)
		}
		p.await(t)
		if code := p.ProcessState.ExitCode(); code != exitDone {
			t.Errorf("%v: got exit code %d, want 0\n%s", signal, code, p.stderr)
		}
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := startProcess(t, t.TempDir())
	occupy(t, p.base, p.testKey)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, p.stderr, "stopping")
	began := time.Now()
	// A signal right behind the first counts as the same, so ask until it is
	// heard; the error says that the process has ended.
	for range 100 {
		if p.Process.Signal(syscall.SIGTERM) != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.await(t)
	status := p.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || time.Since(began) > 5*time.Second {
		t.Errorf("got %v after %s, want an end by the signal at once", p.ProcessState, time.Since(began))
	}
}

// TestASignalAndItsEchoCountOnce signals twice at once, as timeout(1) does with
// the process and its group.
func TestASignalAndItsEchoCountOnce(t *testing.T) {
	t.Parallel()
	p := startProcess(t, t.TempDir())
	conn := occupy(t, p.base, p.testKey)
	for range 2 {
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		waitFor(t, p.stderr, "stopping")
	}
	if _, err := io.WriteString(conn, lateBody); err != nil {
		t.Fatal(err)
	}
	p.await(t)
	if code := p.ProcessState.ExitCode(); code != exitDone {
		t.Errorf("got exit code %d, want 0\n%s", code, p.stderr)
	}
}

func TestAClientThatNeverEndsIsCut(t *testing.T) {
	t.Parallel()
	p := startProcess(t, t.TempDir(), "--stop-timeout", "100ms")
	occupy(t, p.base, p.testKey)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(t)
	if code := p.ProcessState.ExitCode(); code != exitDone {
		t.Errorf("got exit code %d, want 0\n%s", code, p.stderr)
	}
	if !strings.Contains(p.stderr.String(), "cut") {
		t.Errorf("log: got %s, want a word about the cut connection", p.stderr)
	}
}

func TestAKilledServerStartsAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startProcess(t, dir)
	customer := (&server{base: p.base, client: http.DefaultClient}).customer(t, p.testKey)
	http.DefaultClient.CloseIdleConnections()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.await(t)
	if _, err := os.Stat(filepath.Join(dir, socketName)); err != nil {
		t.Errorf("the socket of the killed server: %v, want it left behind", err)
	}
	// Nobody serves now, so an admin verb takes the directory itself.
	run(t, nil, "business", "list", "--data-dir", dir).wantCode(t, exitDone, "My business")

	s := startServer(t, dir, nil)
	if status, body := s.do(t, http.MethodGet, "/customers/"+customer, p.testKey, ""); status != http.StatusOK {
		t.Errorf("the customer after the kill: got %d %s, want 200", status, body)
	}
	run(t, nil, "verify", "--data-dir", dir).wantCode(t, exitDone, "Every law holds")
}

func TestTheWholeProgramNamesItself(t *testing.T) {
	t.Parallel()
	r := runProcess(t, "version").wantCode(t, exitDone)
	if !regexp.MustCompile(`^billfold \S+ linux/\S+ go1\.\d+`).MatchString(r.stdout) {
		t.Errorf("got %q, want name, version, platform and Go", r.stdout)
	}
}
