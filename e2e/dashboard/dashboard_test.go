// Package dashboard looks at the dashboard as people do, in a browser, and holds what is
// committed of it against its sources.
package dashboard

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
)

// sources is the folder of the dashboard's sources and of what tests them.
const sources = "../../web"

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestInABrowser has node's runner run the tests in web/tests, which start a headless
// Chromium and do what each role does with the demo data.
func TestInABrowser(t *testing.T) {
	server := harness.Start(t, harness.Options{})
	first := regexp.MustCompile(`\S+/dashboard/join#(\S+)`).FindStringSubmatch(server.Log())
	if first == nil {
		t.Fatalf("got no link for the first owner, want one in\n%s", server.Log())
	}
	keys, token := seed(t, server)
	harness.InFolder(t, sources, nil, "npm", "run", "--silent", "generate")
	harness.NodeTests(t, sources, []string{
		"BILLFOLD_URL=http://" + server.Addr, "BILLFOLD_TEST_KEY=" + keys.TestKey, "BILLFOLD_LIVE_KEY=" + keys.LiveKey,
		"BILLFOLD_FIRST_JOIN=" + first[1], "BILLFOLD_JOIN=" + token,
	}, `[1-9]\d*`, "tests/money.test.js", "tests/dashboard.test.js")
}

// TestPictures has the browser draw some pages of answers that were recorded, and compares
// the pictures with the golden ones. With -update both are made anew.
func TestPictures(t *testing.T) {
	server := harness.Start(t, harness.Options{})
	recorded, err := filepath.Abs("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	made := t.TempDir()
	environ := []string{"BILLFOLD_URL=http://" + server.Addr, "BILLFOLD_RECORDED=" + recorded, "BILLFOLD_PICTURES=" + made}
	if *update {
		keys, token := seed(t, server)
		environ = append(environ, "BILLFOLD_RECORD=1", "BILLFOLD_TEST_KEY="+keys.TestKey, "BILLFOLD_JOIN="+token)
	}
	harness.NodeTests(t, sources, environ, `[1-9]\d*`, "tests/golden.test.js")
	comparePictures(t, made)
}

// seeded is a business with demo data.
type seeded struct {
	BusinessID string `json:"business_id"`
	TestKey    string `json:"test_key"`
	LiveKey    string `json:"live_key"`
}

// seed makes a business with demo data, and the token of a link by which its owner joins.
func seed(t *testing.T, server *harness.Server) (keys seeded, token string) {
	t.Helper()
	run(t, &keys, "seed", "--demo", "--customers", "60", "--data-dir", server.Dir, "-o", "json")
	var joining struct {
		Link string `json:"link"`
	}
	run(t, &joining, "team", "link", "--business", keys.BusinessID, "--data-dir", server.Dir, "-o", "json")
	_, token, _ = strings.Cut(joining.Link, "#")
	return keys, token
}

// run runs the binary, and reads the document that it prints.
func run(t *testing.T, document any, arguments ...string) {
	t.Helper()
	result := harness.Run(t, arguments...)
	if err := json.Unmarshal([]byte(result.Stdout), document); result.Code != 0 || err != nil {
		t.Fatalf("%v: got %d, %v\n%s", arguments, result.Code, err, result.Stderr)
	}
}

// TestBuiltFilesAreThoseOfTheSources builds the dashboard again and wants the same bytes.
func TestBuiltFilesAreThoseOfTheSources(t *testing.T) {
	out := t.TempDir()
	harness.InFolder(t, sources, nil, "npm", "run", "--silent", "build", "--", "--outDir", out, "--emptyOutDir", "--logLevel", "warn")
	built, committed := files(t, out), files(t, "../../internal/dashboard/dist")
	if len(built) == 0 {
		t.Fatal("got nothing built, want the dashboard")
	}
	for _, says := range stale(built, committed) {
		t.Error(says + ": run make web, and commit what it makes")
	}
}

// stale says which committed files are not those that the sources build.
func stale(built, committed map[string][]byte) []string {
	var says []string
	for name, content := range built {
		if !bytes.Equal(content, committed[name]) {
			says = append(says, name+" is not what the sources build")
		}
	}
	for name := range committed {
		if _, ok := built[name]; !ok {
			says = append(says, name+" is committed, and the sources do not build it")
		}
	}
	return says
}

// TestStaleFilesAreNoticed changes, adds and removes what is committed.
func TestStaleFilesAreNoticed(t *testing.T) {
	t.Parallel()
	built := files(t, "../../internal/dashboard/dist")
	if says := stale(built, files(t, "../../internal/dashboard/dist")); len(says) != 0 {
		t.Errorf("got %q of the same files, want nothing", says)
	}
	for what, spoil := range map[string]func(map[string][]byte){
		"a byte more":  func(c map[string][]byte) { c["index.html"] = append(c["index.html"], ' ') },
		"a file less":  func(c map[string][]byte) { delete(c, "index.html") },
		"a file more":  func(c map[string][]byte) { c["assets/old-00000000.js"] = nil },
		"a byte other": func(c map[string][]byte) { c["index.html"][0]++ },
	} {
		committed := files(t, "../../internal/dashboard/dist")
		spoil(committed)
		if says := stale(built, committed); len(says) != 1 {
			t.Errorf("%s: got %q, want one complaint", what, says)
		}
	}
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
