package house

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestTrapsHaveTests(t *testing.T) {
	t.Parallel()
	report(t, checkTraps(readRoot(t, "docs/traps.md"), sources(t)))
}

var quoted = regexp.MustCompile("`([^`]+)`")

// checkTraps looks for the tests that the last column of a table names, by their
// function or by the scenario's name, and wants one of them in each row.
func checkTraps(text string, sources []*source) (complaints []string) {
	var tests strings.Builder
	for _, s := range sources {
		if s.isTest() || s.directory() == "internal/storetest" {
			tests.Write(s.text)
		}
	}
	for i, line := range strings.Split(text, "\n") {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || strings.HasPrefix(line, "| The trap") || strings.HasPrefix(line, "| ---") {
			continue
		}
		names := quoted.FindAllStringSubmatch(cells[2], -1)
		if len(names) == 0 {
			complaints = append(complaints, fmt.Sprintf("docs/traps.md:%d: no test is named", i+1))
		}
		for _, name := range names {
			if !strings.Contains(tests.String(), "func "+name[1]+"(") && !strings.Contains(tests.String(), `{"`+name[1]+`",`) {
				complaints = append(complaints, fmt.Sprintf("docs/traps.md:%d: there is no test %q", i+1, name[1]))
			}
		}
	}
	return complaints
}

func TestTrapsHaveTeeth(t *testing.T) {
	t.Parallel()
	tests := []*source{
		mustParse(t, "internal/ledger/post_test.go", "package ledger\n\nfunc TestIs() {}\n"),
		mustParse(t, "internal/storetest/traps.go", "package storetest\n\nvar s = scenario{\"trap: is\", nil}\n"),
		mustParse(t, "internal/ledger/post.go", "package ledger\n\nfunc TestNot() {}\n"),
	}
	const head = "| The trap | Here | Seen by |\n| --- | --- | --- |\n"
	wantTeeth(t, checkTraps(head+"| A | B | `TestIs`, `trap: is` |\n| A | B | `TestNot` |\n| A | B | nothing |\n", tests),
		`there is no test "TestNot"`, "no test is named")
}
