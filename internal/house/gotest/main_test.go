package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fake plays the go command: each group is a list of events, and "!" ends it
// with an error.
func fake(groups ...string) runner {
	return func(_ []string, read func(io.Reader) error) error {
		group := groups[0]
		groups = groups[1:]
		events, failed := strings.CutSuffix(group, "!")
		if err := read(strings.NewReader(events)); err != nil {
			return err
		}
		if failed {
			return errors.New("exit status 1")
		}
		return nil
	}
}

const (
	passes = `{"Action":"run","Package":"a","Test":"TestA"}
{"Action":"output","Package":"a","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"a","Test":"TestA"}
{"Action":"pass","Package":"a","Elapsed":0.1}
`
	skips = `{"Action":"run","Package":"a","Test":"TestB"}
{"Action":"output","Package":"a","Test":"TestB","Output":"no database\n"}
{"Action":"skip","Package":"a","Test":"TestB"}
{"Action":"pass","Package":"a","Elapsed":0.1}
`
	fails = `{"Action":"run","Package":"b","Test":"TestC"}
{"Action":"output","Package":"b","Test":"TestC","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"b","Test":"TestC"}
{"Action":"fail","Package":"b","Elapsed":0.2}
`
	panics = `{"Action":"run","Package":"c","Test":"TestD"}
{"Action":"output","Package":"c","Test":"TestD","Output":"panic: oops\n"}
{"Action":"fail","Package":"c","Elapsed":0.2}
`
	doesNotBuild = `{"ImportPath":"d","Action":"build-output","Output":"d.go:1:1: expected\n"}
{"ImportPath":"d","Action":"build-fail"}
{"Action":"fail","Package":"d","Elapsed":0,"FailedBuild":"d"}
`
	noTests = `{"Action":"skip","Package":"e","Elapsed":0}
`
	campaign = `{"Action":"run","Package":"e","Test":"TestE"}
{"Action":"output","Package":"e","Test":"TestE","Output":"    doc.go:77: campaign TestE: seed 7, kills 100\n"}
{"Action":"output","Package":"e","Test":"TestE","Output":"    doc.go:79: replay: go test ./e\n"}
{"Action":"output","Package":"e","Test":"TestE","Output":"    doc.go:80: noise\n"}
{"Action":"pass","Package":"e","Test":"TestE"}
{"Action":"pass","Package":"e","Elapsed":0.1}
`
	noise = "warning: not an event\n"
)

func TestRunCountsAndFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		groups []string
		want   string
		code   int
		shows  []string
	}{
		{"all pass", []string{passes}, "1 passed, 0 failed, 0 skipped", 0, nil},
		{"two groups add up", []string{passes, passes + noTests}, "2 passed, 0 failed, 0 skipped", 0, []string{"none    e"}},
		{"a skip fails", []string{passes + skips}, "1 passed, 0 failed, 1 skipped", 1, []string{"TestB", "no database"}},
		{"a failure", []string{passes + fails + "!"}, "1 passed, 1 failed, 0 skipped", 1, []string{"TestC", "got 1, want 2"}},
		{"a failure in the first group", []string{fails + "!", passes}, "1 passed, 1 failed, 0 skipped", 1, nil},
		{"a panic", []string{passes + panics + "!"}, "1 passed, 1 failed, 0 skipped", 1, []string{"did not end", "panic: oops"}},
		{"a build that fails", []string{passes + doesNotBuild + "!"}, "1 passed, 1 failed, 0 skipped", 1, []string{"d.go:1:1"}},
		{"a command that fails", []string{passes + "!"}, "1 passed, 1 failed, 0 skipped", 1, []string{"exit status 1"}},
		{"no test ran", []string{noTests}, "0 passed, 1 failed, 0 skipped", 1, []string{"no test ran"}},
		{"one group ran no test", []string{passes, noTests}, "1 passed, 1 failed, 0 skipped", 1, []string{"no test ran"}},
		{"a campaign is shown", []string{campaign}, "1 passed, 0 failed, 0 skipped", 0, []string{"campaign TestE: seed 7, kills 100", "replay: go test"}},
		{"noise is shown", []string{noise + passes}, "1 passed, 0 failed, 0 skipped", 0, []string{"not an event"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			arguments := strings.Split(strings.Repeat("./... --- ", len(test.groups)), " ")
			code := run(arguments[:2*len(test.groups)-1], &out, fake(test.groups...))
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if got := lines[len(lines)-1]; got != test.want || code != test.code {
				t.Errorf("got %q and code %d, want %q and code %d\n%s", got, code, test.want, test.code, out.String())
			}
			for _, want := range test.shows {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output: got\n%s\nwant it to have %q", out.String(), want)
				}
			}
			if strings.Contains(out.String(), "noise\n") {
				t.Errorf("the output of a test that passed is shown:\n%s", out.String())
			}
		})
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	got := split([]string{"./...", "---", "-race", "./a"}, "---")
	if diff := cmp.Diff([][]string{{"./..."}, {"-race", "./a"}}, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	var output []byte
	for range 10_000 {
		output = keepEnd(append(output, strings.Repeat("x", 100)...))
	}
	output = append(output, "the end"...)
	if len(output) > 2*outputMax+100 || !bytes.HasSuffix(output, []byte("the end")) {
		t.Errorf("kept %d bytes that end in %q, want at most %d", len(output), output[len(output)-7:], 2*outputMax+100)
	}
}
