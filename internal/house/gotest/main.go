// Command gotest runs "go test" and tells what came of it: a line for each
// package, the output of each test that failed or was skipped, and at the end
// one plain line, "N passed, N failed, N skipped".
//
//	gotest ./... --- -race ./internal/ledger
//
// Groups of arguments that are separated by "---" are given to "go test" one
// after the other and counted together. A failed group does not keep the later
// ones from running.
//
// It fails when a test failed, when a package did not build, when a test was
// skipped, and when a group ran no test at all: a test that did not run has
// proved nothing. It keeps only the output of tests that are still running.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, goTest))
}

// runner starts a group and feeds its events to read. It returns an error when
// the group failed, for whatever reason.
type runner func(arguments []string, read func(io.Reader) error) error

func run(arguments []string, out io.Writer, start runner) int {
	total := tally{}
	for _, group := range split(arguments, "---") {
		fmt.Fprintf(out, "\n== go test %s\n", strings.Join(group, " "))
		began := time.Now()
		counts := newReport(out)
		err := start(group, counts.read)
		counts.finish(err)
		fmt.Fprintf(out, "== %d passed, %d failed, %d skipped in %s\n",
			counts.passed, counts.failed, counts.skipped, time.Since(began).Round(time.Second/10))
		total.add(counts.tally)
	}
	fmt.Fprintf(out, "\n%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	if total.passed == 0 || total.failed > 0 || total.skipped > 0 {
		return 1
	}
	return 0
}

// split cuts a list into the parts between the separators.
func split(list []string, separator string) [][]string {
	var parts [][]string
	for {
		i := slices.Index(list, separator)
		if i < 0 {
			return append(parts, list)
		}
		parts, list = append(parts, list[:i]), list[i+1:]
	}
}

// goTest runs the real thing. What goes to its standard error, such as a
// pattern that matches no package, is shown as it is.
func goTest(arguments []string, read func(io.Reader) error) error {
	command := exec.Command("go", append([]string{"test", "-json"}, arguments...)...)
	command.Stderr = os.Stderr
	events, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	readErr := read(events)
	if err := command.Wait(); err != nil {
		return err
	}
	return readErr
}
