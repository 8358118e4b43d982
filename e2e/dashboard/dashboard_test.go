// Package dashboard looks at the dashboard as people do, in a browser, and holds what is
// committed of it against its sources.
package dashboard

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestInABrowser has node's runner run the tests in web/tests, which start a headless
// Chromium and do what each role does.
func TestInABrowser(t *testing.T) {
	server := harness.Start(t, harness.Options{})
	link := regexp.MustCompile(`\S+/dashboard/join#(\S+)`).FindStringSubmatch(server.Log())
	if link == nil {
		t.Fatalf("got no link for the first owner, want one in\n%s", server.Log())
	}
	out := npm(t, []string{
		"BILLFOLD_URL=http://" + server.Addr, "BILLFOLD_TEST_KEY=" + harness.TestKey, "BILLFOLD_LIVE_KEY=" + harness.LiveKey,
		"BILLFOLD_JOIN=" + link[1],
	}, "node", "--test", "--test-reporter=tap", "tests/money.test.js", "tests/dashboard.test.js")
	for _, want := range []string{`(?m)^# pass \d{2}$`, `(?m)^# fail 0$`, `(?m)^# skipped 0$`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("got no line %s, want one in\n%s", want, out)
		}
	}
}

// TestBuiltFilesAreThoseOfTheSources builds the dashboard again and wants the same bytes.
func TestBuiltFilesAreThoseOfTheSources(t *testing.T) {
	out := t.TempDir()
	npm(t, nil, "npm", "run", "--silent", "build", "--", "--outDir", out, "--emptyOutDir", "--logLevel", "warn")
	built, committed := files(t, out), files(t, "../../internal/dashboard/dist")
	if len(built) == 0 {
		t.Fatal("got nothing built, want the dashboard")
	}
	for name, content := range built {
		if !bytes.Equal(content, committed[name]) {
			t.Errorf("%s is not what the sources build: run make web, and commit what it makes", name)
		}
	}
	for name := range committed {
		if _, ok := built[name]; !ok {
			t.Errorf("%s is committed, and the sources do not build it: run make web", name)
		}
	}
}

// npm runs a command in the folder of the sources.
func npm(t *testing.T, environ []string, name string, arguments ...string) []byte {
	t.Helper()
	dir, err := filepath.Abs("../../web")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Dir = dir
	command.Env = append(command.Environ(), environ...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}

// files reads a folder, by names below it.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	read := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			read[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return read
}
