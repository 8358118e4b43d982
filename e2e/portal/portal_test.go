// Package portal looks at the portal as customers do, in a browser.
package portal

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestInABrowser has node's runner run the tests beside this file, which start a headless
// Chromium and do what a customer does.
func TestInABrowser(t *testing.T) {
	server := harness.Start(t, harness.Options{})
	tests, err := filepath.Abs("portal.test.js")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=tap", tests)
	command.Dir = filepath.Join("..", "..", "web") // whose packages have the browser's driver
	command.Env = append(command.Environ(), "BILLFOLD_URL=http://"+server.Addr, "BILLFOLD_TEST_KEY="+harness.TestKey,
		"BILLFOLD_LIVE_KEY="+harness.LiveKey)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`(?m)^# pass [1-9]\d*$`, `(?m)^# fail 0$`, `(?m)^# skipped 0$`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("got no line %s, want one in\n%s", want, out)
		}
	}
}
