package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/billfold/billfold"

// source is one Go file of the repository.
type source struct {
	path string // from the root, with slashes
	text []byte
	set  *token.FileSet
	file *ast.File
}

// directory is the package's directory, such as "internal/ledger".
func (s *source) directory() string { return path.Dir(s.path) }

func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s *source) isGenerated() bool { return ast.IsGenerated(s.file) }

func (s *source) line(pos token.Pos) int { return s.set.Position(pos).Line }

// complain words a complaint about a place in the file.
func (s *source) complain(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.line(pos), fmt.Sprintf(format, args...))
}

// parse makes a source of a text. Tests of teeth use it too.
func parse(path, text string) (*source, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &source{path: path, text: []byte(text), set: set, file: file}, nil
}

func mustParse(t *testing.T, path, text string) *source {
	t.Helper()
	s, err := parse(path, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sources returns every Go file of the repository.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	for _, file := range textFiles(t) {
		if strings.HasSuffix(file.path, ".go") {
			all = append(all, mustParse(t, file.path, string(file.text)))
		}
	}
	if len(all) < 10 {
		t.Fatalf("number of Go files: got %d, want at least 10; is %s the root?", len(all), root(t))
	}
	return all
}

// textFile is any file of the repository that is text.
type textFile struct {
	path string
	text []byte
}

// notOurs are directories that builds and tests make.
var notOurs = []string{".git", ".cache", "bin", "data", "node_modules"}

// textFiles returns every text file of the repository.
func textFiles(t *testing.T) []textFile {
	t.Helper()
	top := root(t)
	var files []textFile
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains(notOurs, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(top, name)
		if err != nil {
			return err
		}
		// A byte of zero is what tells programs and pictures from text.
		if !bytes.Contains(text, []byte{0}) {
			files = append(files, textFile{filepath.ToSlash(relative), text})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// root is the directory of go.mod.
func root(t *testing.T) string {
	t.Helper()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// readRoot reads a file that the rules are about.
func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// report fails the test once for each complaint.
func report(t *testing.T, complaints []string) {
	t.Helper()
	for _, complaint := range complaints {
		t.Error(complaint)
	}
}

// wantTeeth checks that a rule complained about each of the named things, in
// order, and about nothing else.
func wantTeeth(t *testing.T, complaints []string, want ...string) {
	t.Helper()
	if len(complaints) != len(want) {
		t.Fatalf("complaints: got %d, want %d:\n%s", len(complaints), len(want), strings.Join(complaints, "\n"))
	}
	for i := range want {
		if !strings.Contains(complaints[i], want[i]) {
			t.Errorf("complaint %d: got %q, want it to say %q", i, complaints[i], want[i])
		}
	}
}
