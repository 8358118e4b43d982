// Package mutant builds the program with one place of its sources changed, so
// that a test can show that it notices the mistake. The change exists in the
// build alone: the sources stay as they are, and need no hooks for it.
package mutant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/module"
)

// Change is a mistake: in one file of this module, Old is replaced with New. Old
// must stand there exactly once, so that a change whose place has moved fails
// loudly in place of changing nothing.
type Change struct {
	File string // from the root of the module
	Old  string
	New  string
}

// overlay writes what the go command needs to see the change, and returns the
// file and the root of the module.
func (c Change) overlay(t testing.TB) (overlay, root string) {
	t.Helper()
	root, err := module.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, filepath.FromSlash(c.File))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), c.Old); n != 1 {
		t.Fatalf("%s: got %q %d times, want it once; write the change anew", c.File, c.Old, n)
	}
	dir := t.TempDir()
	changed := filepath.Join(dir, filepath.Base(path))
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	err = errors.Join(os.WriteFile(changed, []byte(strings.Replace(string(text), c.Old, c.New, 1)), 0o600),
		os.WriteFile(overlay, list, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return overlay, root
}

// Build builds a command of this module with the change, and returns the binary. Flags
// are those of "go build", in addition.
func Build(t testing.TB, c Change, command string, flags ...string) (binary string) {
	t.Helper()
	overlay, root := c.overlay(t)
	binary = filepath.Join(t.TempDir(), filepath.Base(command))
	arguments := append([]string{"build", "-overlay", overlay, "-o", binary}, append(flags, command)...)
	if output, err := run(t, root, arguments...); err != nil {
		t.Fatalf("build with %q in place of %q: %v\n%s", c.New, c.Old, err, output)
	}
	return binary
}

// Test runs tests of a package with the change, and returns what they printed.
// They must have been built, run, and failed.
func Test(t testing.TB, c Change, pkg string, arguments ...string) (output string) {
	t.Helper()
	overlay, root := c.overlay(t)
	output, err := run(t, root, append([]string{"test", "-count=1", "-v", "-overlay", overlay, pkg}, arguments...)...)
	if err == nil {
		t.Errorf("%q in place of %q: got tests that pass, want the mistake noticed\n%s", c.New, c.Old, output)
	} else if !strings.Contains(output, "--- FAIL") {
		t.Errorf("%q in place of %q: got %v and no failed test, want the mistake noticed\n%s", c.New, c.Old, err, output)
	}
	return output
}

// runMax bounds a build and its tests.
const runMax = 9 * time.Minute

func run(t testing.TB, root string, arguments ...string) (output string, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), runMax)
	defer cancel()
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = root
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.WaitDelay = time.Second
	text, err := command.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("go %v: %w", arguments, ctx.Err())
	}
	return string(text), err
}
