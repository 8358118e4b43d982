// Package mutants builds the store for several instances with one mistake at a
// time, each of the kind that a careful review lets pass, and wants the test that
// guards against it to fail.
package mutants

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/mutant"
)

var onlyFlag = flag.String("only", "", "try only the mistakes whose name contains this")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

func TestMutants(t *testing.T) {
	tried := 0
	for _, m := range mistakes {
		if !strings.Contains(m.name, *onlyFlag) {
			continue
		}
		tried++
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			output := mutant.Test(t, mutant.Change{File: m.file, Old: m.old, New: m.new},
				"./internal/postgres", "-run", "^"+m.caught+"$", "-oldest", "-cuts=30")
			if !strings.Contains(output, "--- FAIL: "+m.caught) || !strings.Contains(output, m.says) {
				t.Errorf("got another failure, want %s to say %q:\n%s", m.caught, m.says, output)
			}
			for line := range strings.Lines(output) {
				if strings.Contains(line, m.says) {
					t.Logf("%s: %.200s", m.caught, strings.TrimSpace(line))
					break
				}
			}
		})
	}
	if tried == 0 {
		t.Errorf("no mistake has %q in its name", *onlyFlag)
	}
}
