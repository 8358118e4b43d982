package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/billfold/billfold/internal/module"
)

// BinaryVariable names a binary to test instead of one that is built here.
const BinaryVariable = "E2E_BINARY"

// insideVariable marks the process that runs in a mount name space of its own.
const insideVariable = "E2E_INSIDE"

// buildDir is where this process builds the binary.
var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "billfold-e2e-") })

// Main runs a package's tests and returns the exit code. As root it runs them
// in a mount name space of their own, so that nothing that a test mounts
// outlives it, whatever becomes of the test.
func Main(m *testing.M) (code int) {
	if os.Geteuid() == 0 && os.Getenv(insideVariable) == "" {
		return inside()
	}
	defer func() {
		if dir, err := buildDir(); err == nil {
			if err := os.RemoveAll(dir); err != nil {
				fmt.Fprintln(os.Stderr, "remove what was built:", err)
				code = 1
			}
		}
	}()
	return m.Run()
}

func inside() int {
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Args[0] = os.Args[0]
	again.Env = append(os.Environ(), insideVariable+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	err := again.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "run the tests in a mount name space of their own:", err)
		return 1
	}
	return max(again.ProcessState.ExitCode(), 0) | boolToInt(err != nil)
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

var built = sync.OnceValues(func() (string, error) {
	if binary := os.Getenv(BinaryVariable); binary != "" {
		return filepath.Abs(binary)
	}
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	root, err := module.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "billfold")
	build := exec.Command("go", "build", "-o", binary, "./cmd/billfold")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, output)
	}
	return binary, nil
})

// Binary returns the path of the binary, which is built once.
func Binary(t testing.TB) string {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// Result is what one run of a command came to.
type Result struct {
	Code   int
	Stdout string
	Stderr string
	Took   time.Duration
}

// commandMax is how long a command other than serve may take.
const commandMax = 2 * time.Minute

// Run runs the binary to its end.
func Run(t testing.TB, arguments ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandMax)
	defer cancel()
	command := exec.CommandContext(ctx, Binary(t), arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	command.Env = environ()
	command.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	began := time.Now()
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("run %v: got error %v (%v), want it to end\n%s", arguments, err, ctx.Err(), stderr.String())
	}
	return Result{
		Code: command.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(began),
	}
}

// RunFor starts the binary and kills it after a while, if it has not ended.
func RunFor(t testing.TB, life time.Duration, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), life)
	defer cancel()
	command := exec.CommandContext(ctx, Binary(t), arguments...)
	command.Env = environ()
	command.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	_ = command.Run() // that it was killed is what was wanted
}

// environ is the environment of every process that is started: it holds
// nothing that could change what the binary does.
func environ(more ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "TMPDIR=" + os.TempDir(), "NO_COLOR=1"}
	return append(env, more...)
}
