package harness

import (
	"context"
	"os/exec"
	"regexp"
	"testing"
	"time"
)

// nodeMax is how long a command of node may take; a browser that hangs is to be seen as
// such.
const nodeMax = 15 * time.Minute

// InFolder runs a command in a folder, with more variables in its environment, and returns
// what it printed. The test fails if the command does.
func InFolder(t *testing.T, folder string, environ []string, name string, arguments ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), nodeMax)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = folder
	command.Env = append(command.Environ(), environ...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}

// NodeTests has node's own runner run files of tests in a folder, or all that are named as
// tests. A number of them has to pass, as a pattern says it, and none may fail or be skipped.
func NodeTests(t *testing.T, folder string, environ []string, passed string, files ...string) {
	t.Helper()
	out := InFolder(t, folder, environ, "node", append([]string{"--test", "--test-reporter=tap"}, files...)...)
	for _, want := range []string{`(?m)^# pass ` + passed + `$`, `(?m)^# fail 0$`, `(?m)^# skipped 0$`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("got no line %s, want one in\n%s", want, out)
		}
	}
}
