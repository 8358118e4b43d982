package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// tally counts tests and subtests.
type tally struct {
	passed, failed, skipped int
}

func (t *tally) add(other tally) {
	t.passed += other.passed
	t.failed += other.failed
	t.skipped += other.skipped
}

// event is one line of "go test -json", see "go doc test2json".
type event struct {
	Action     string
	Package    string
	Test       string
	Output     string
	Elapsed    json.Number
	ImportPath string // of a package that is being built
}

// key names a test, or with an empty test the package itself.
type key struct{ pkg, test string }

// outputMax bounds what is kept of one test's output; the end of it says why
// the test failed.
const outputMax = 64 << 10

// report reads the events of one group and writes down what matters.
type report struct {
	tally
	out io.Writer

	output  map[key][]byte // of tests that are running
	started map[key]bool   // tests that have begun and not ended
	failing map[string]int // failed tests by package
	build   map[string][]byte
}

func newReport(out io.Writer) *report {
	return &report{
		out:     out,
		output:  map[key][]byte{},
		started: map[key]bool{},
		failing: map[string]int{},
		build:   map[string][]byte{},
	}
}

// read takes events until there are no more. A line that is no event is shown:
// it is most likely an error of the go command.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.event(e)
			} else {
				fmt.Fprintf(r.out, "%s", line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) event(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "run":
		r.started[k] = true
	case "output":
		r.output[k] = keepEnd(append(r.output[k], e.Output...))
	case "build-output":
		r.build[e.ImportPath] = keepEnd(append(r.build[e.ImportPath], e.Output...))
	case "build-fail":
		fmt.Fprintf(r.out, "BUILD   %s\n%s", e.ImportPath, r.build[e.ImportPath])
		delete(r.build, e.ImportPath)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
		delete(r.output, k)
		delete(r.started, k)
	}
}

func (r *report) endTest(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "pass":
		r.passed++
		r.evidence(k)
		return
	case "fail":
		r.failed++
		r.failing[e.Package]++
	case "skip":
		r.skipped++
	}
	fmt.Fprintf(r.out, "%-7s %s %s\n%s", e.Action, e.Package, e.Test, r.output[k])
}

// evidence shows what a campaign of a passed test did: how many faults of which
// kind there were, and how to do it again. Without it a pass says little.
func (r *report) evidence(k key) {
	for line := range strings.Lines(string(r.output[k])) {
		if _, text, ok := strings.Cut(line, ": "); ok && (strings.HasPrefix(text, "campaign ") || strings.HasPrefix(text, "replay: ")) {
			fmt.Fprintf(r.out, "        %s", text)
		}
	}
}

// endPackage writes the package's line. A package that failed though none of
// its tests did has not built, has panicked, or has run out of time.
func (r *report) endPackage(e event) {
	switch e.Action {
	case "skip": // it has no tests
		fmt.Fprintf(r.out, "none    %s\n", e.Package)
		return
	case "fail":
		r.unfinished(e.Package)
		if r.failing[e.Package] == 0 {
			r.failed++
		}
		fmt.Fprintf(r.out, "%s", r.output[key{e.Package, ""}])
	}
	fmt.Fprintf(r.out, "%-7s %s %ss\n", e.Action, e.Package, e.Elapsed)
}

// unfinished counts the tests that a failed package never ended.
func (r *report) unfinished(pkg string) {
	for k := range r.started {
		if k.pkg != pkg || k.test == "" {
			continue
		}
		r.failed++
		r.failing[pkg]++
		fmt.Fprintf(r.out, "%-7s %s %s (did not end)\n%s", "fail", k.pkg, k.test, r.output[k])
		delete(r.started, k)
		delete(r.output, k)
	}
}

// finish closes the count of a group whose command ended with err.
func (r *report) finish(err error) {
	switch {
	case err != nil && r.failed == 0:
		r.failed++
		fmt.Fprintf(r.out, "fail    go test: %v\n", err)
	case err == nil && r.passed == 0:
		r.failed++
		fmt.Fprintf(r.out, "fail    no test ran\n")
	}
}

// keepEnd cuts output down to its end once it has grown to twice the bound, so
// that it is not copied at every line.
func keepEnd(output []byte) []byte {
	if len(output) < 2*outputMax {
		return output
	}
	return append([]byte("…\n"), output[len(output)-outputMax:]...)
}
