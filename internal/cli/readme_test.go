package cli

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a fenced block of a Markdown file.
type block struct {
	section  string
	language string
	text     string
}

// blocks reads the fenced blocks of the README.
func blocks(t *testing.T) (found []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(exampleDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	section, open := "", false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "```"):
			if open = !open; open {
				found = append(found, block{section: section, language: strings.TrimSpace(line[3:])})
			}
		case open:
			found[len(found)-1].text += line
		case strings.HasPrefix(line, "## "):
			section = strings.TrimSpace(line[3:])
		}
	}
	return found
}

// TestTheReadmesCommandsWork runs what a newcomer copies, in one shell, against
// a real server, and compares what the README says with what comes.
func TestTheReadmesCommandsWork(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := startServer(t, filepath.Join(home, "data"), nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	write(t, filepath.Join(bin, "billfold"), "#!/bin/sh\n"+programVariable+"=1 exec "+self+" \"$@\"\n")
	if err := os.Chmod(filepath.Join(bin, "billfold"), 0o700); err != nil {
		t.Fatal(err)
	}
	const mark = "\x1eblock %d\n"
	script := "set -eu\n"
	sections := []string{"A tour with curl", "The same on the command line", "Point your SDK at it"}
	wants := map[int]block{}
	count := 0
	for _, b := range blocks(t) {
		switch {
		case !slices.Contains(sections, b.section):
		case b.language == "sh":
			count++
			script += fmt.Sprintf("printf '"+strings.ReplaceAll(mark, "\x1e", `\036`)+"'\n", count) + b.text
		case b.language == "json" || b.language == "text":
			wants[count] = b
		}
	}
	script = strings.NewReplacer(
		"bf_test_…", s.testKey,
		"http://127.0.0.1:8080", s.base,
		"go run ./cmd/billfold", "billfold",
		"go build -o bin/billfold ./cmd/billfold", ":", // the shell finds the program already
	).Replace(script)
	shell := exec.CommandContext(t.Context(), "bash", "-c", script)
	shell.Dir = home
	shell.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "BILLFOLD_BASE_URL=" + s.base, "HOME=" + home}
	var out buffer
	shell.Stdout, shell.Stderr = &out, &out
	start(t, shell)
	if err := shell.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	parts := strings.Split(out.String(), "\x1e")[1:]
	if len(parts) != count || len(wants) < 6 || count < 8 {
		t.Fatalf("got %d blocks run of %d, %d of them with an answer to compare", len(parts), count, len(wants))
	}
	for _, i := range slices.Sorted(maps.Keys(wants)) {
		_, got, _ := strings.Cut(parts[i-1], "\n")
		compareAnswer(t, wants[i], got)
	}
}

func compareAnswer(t *testing.T, want block, got string) {
	t.Helper()
	if want.language == "text" {
		// Only how long it took may differ.
		took := regexp.MustCompile(`[0-9.]+m?s\.`)
		if took.ReplaceAllString(got, "…") != took.ReplaceAllString(want.text, "…") {
			t.Errorf("got %q, the README says %q", got, want.text)
		}
		return
	}
	var gotValue, wantValue any
	if err := json.Unmarshal([]byte(want.text), &wantValue); err != nil {
		t.Errorf("the README's answer is not JSON: %v\n%s", err, want.text)
	}
	if err := json.Unmarshal([]byte(got), &gotValue); err != nil {
		t.Errorf("the answer is not JSON: %v\n%s", err, got)
	}
	compareValue(t, "", wantValue, gotValue)
}

// id matches ids, which are never twice the same.
var id = regexp.MustCompile(`^(cus|cwt)_[A-Za-z0-9]{21}$`)

// compareValue compares what the README shows; it leaves members out, and
// shows nothing that is not there.
func compareValue(t *testing.T, path string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		members, _ := got.(map[string]any)
		for name, value := range want {
			compareValue(t, path+"."+name, value, members[name])
		}
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			t.Errorf("%s: got %d items, the README shows %d", path, len(list), len(want))
			return
		}
		for i := range want {
			compareValue(t, fmt.Sprintf("%s[%d]", path, i), want[i], list[i])
		}
	default:
		text, _ := got.(string)
		shown, _ := want.(string)
		if want != got && (!id.MatchString(text) || !id.MatchString(shown) || text[:4] != shown[:4]) {
			t.Errorf("%s: got %v, the README says %v", path, got, want)
		}
	}
}

func TestTheReadmesStartIsTwoCommands(t *testing.T) {
	t.Parallel()
	for _, b := range blocks(t) {
		if b.section != "Start in 30 seconds" {
			continue
		}
		lines := strings.Split(strings.TrimSpace(b.text), "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[0], "git clone ") || lines[1] != "go run ./cmd/billfold serve" {
			t.Errorf("got %q, want a clone and a start", lines)
		}
		return
	}
	t.Error("the README has no start")
}

func TestTheReadmesGoParses(t *testing.T) {
	t.Parallel()
	parsed := 0
	for _, b := range blocks(t) {
		if b.language != "go" {
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "README.md", b.text, parser.AllErrors); err != nil {
			t.Error(err)
		}
		parsed++
	}
	if parsed == 0 {
		t.Error("the README has no Go")
	}
}

// TestTheReadmeNamesTheSDKsThatAreDriven compares the versions in the README with
// those that the end-to-end tests use.
func TestTheReadmeNamesTheSDKsThatAreDriven(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, path := range []string{"README.md", "go.mod", "e2e/node/package.json"} {
		text, err := os.ReadFile(filepath.Join(exampleDir, path))
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	module := submatch(regexp.MustCompile(`dodopayments-go (v\S+)`), texts["go.mod"])
	npm := submatch(regexp.MustCompile(`"dodopayments": "([^"]+)"`), texts["e2e/node/package.json"])
	if module == "" || npm == "" {
		t.Fatalf("got module version %q and package version %q, want both", module, npm)
	}
	for _, want := range []string{"dodopayments-go@" + module, "Go module " + module, "npm package `dodopayments` " + npm} {
		if !strings.Contains(texts["README.md"], want) {
			t.Errorf("the README does not have %q", want)
		}
	}
}

// link matches the target of a link within the repository.
var link = regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(exampleDir, "docs", "*.md"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("got pages %v %v, want all of docs", pages, err)
	}
	pages = append(pages, filepath.Join(exampleDir, "README.md"), filepath.Join(exampleDir, "CONTRIBUTING.md"))
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), found[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

func TestTheOperationsPageListsEveryMetric(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(exampleDir, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, t.TempDir(), nil)
	s.customer(t, s.testKey)
	_, body := s.get(t, "/metrics")
	served := map[string]bool{}
	for line := range strings.Lines(body) {
		name, found := strings.CutPrefix(line, "# HELP billfold_")
		if name, _, _ = strings.Cut(name, " "); found && !strings.HasPrefix(name, "admin_") {
			served["billfold_"+name] = true
			if !strings.Contains(string(text), "| `billfold_"+name+"` |") {
				t.Errorf("docs/operations.md does not list billfold_%s", name)
			}
		}
	}
	if len(served) == 0 {
		t.Error("the server has no metrics")
	}
	named := regexp.MustCompile(`billfold_(http|store)_[a-z_]+`)
	for _, name := range named.FindAllString(string(text), -1) {
		if !served[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("docs/operations.md names %s, which is not served", name)
		}
	}
}
