// Package faults takes away from the real server what it needs: space, the
// right to write, file handles, an undamaged file. Each fault must end in a
// clear refusal, and nothing that was acknowledged may be lost.
package faults

import (
	"os"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
