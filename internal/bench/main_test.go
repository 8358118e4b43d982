package bench_test

import (
	"context"
	"os"
	"testing"

	"github.com/billfold/billfold/internal/bench"
	"github.com/billfold/billfold/internal/cli"
)

// TestMain lets the test binary be the binary that is measured.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case bench.EmptyCommand, bench.NaiveCommand, "serve":
			os.Exit(cli.Run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
		}
	}
	os.Exit(m.Run())
}
