package bench_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/bench"
	"github.com/billfold/billfold/internal/pgtest"
)

// small options measure nothing worth reading, in little time.
func small(t *testing.T) bench.Options {
	t.Helper()
	return bench.Options{
		Dir:         t.TempDir(),
		Duration:    50 * time.Millisecond,
		Warmup:      10 * time.Millisecond,
		Rounds:      1,
		Connections: 4,
		Customers:   20,
		History:     30_000,
		Population:  200,
	}
}

func TestEveryScenarioIsMeasuredAndChecked(t *testing.T) {
	t.Parallel()
	options := small(t)
	options.Rate = 200
	for _, scenario := range bench.Scenarios() {
		options.Scenarios = append(options.Scenarios, scenario.Name)
	}
	var steps []string
	options.Progress = func(step string) { steps = append(steps, step) }
	var out strings.Builder
	if err := bench.Run(t.Context(), options, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"Machine ", "Disk ", "Program ", "Settings ", "entries, spread", "one hot wallet", "1,000 in a bulk", "200/s due",
		"reads, wallets", "first page", "5000 deep", "Start to ready", "over 200 customers", "on top of 30,000 costs",
		"none lost, doubled or different", "every law holds in all",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "NOT CHECKED") || len(steps) == 0 {
		t.Errorf("got %d steps and the report\n%s", len(steps), out.String())
	}
	left, err := filepath.Glob(filepath.Join(options.Dir, "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: got %v, %v, want nothing", left, err)
	}
}

func TestPostgreSQLIsMeasuredBesideTheEmbeddedStore(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.New(filepath.Join(pgtest.Dir(t), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Signal(syscall.SIGQUIT) })
	options := small(t)
	options.DatabaseURL = cluster.URL("postgres")
	options.Scenarios = []string{"spread", "hot", "bulk", "reads", "history"}
	var out strings.Builder
	if err := bench.Run(t.Context(), options, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"Database  PostgreSQL ", "PostgreSQL, 2 instances", "PostgreSQL, naive", "of the rate of many, PostgreSQL.",
		"of what the naive transaction does", "on top of 300, PostgreSQL", "Checked   PostgreSQL: ", "Checked   embedded: ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, out.String())
		}
	}
	databases := 0
	conn, err := pgx.Connect(t.Context(), options.DatabaseURL)
	if err == nil {
		const query = `select count(*) from pg_database where datname like 'billfold%'`
		err = errors.Join(conn.QueryRow(t.Context(), query).Scan(&databases), conn.Close(t.Context()))
	}
	if err != nil || databases != 0 {
		t.Errorf("databases left behind: got %d, %v, want none", databases, err)
	}
}

func TestAMarkdownReportIsATable(t *testing.T) {
	t.Parallel()
	options := small(t)
	options.Markdown, options.Scenarios = true, []string{"spread"}
	var out strings.Builder
	if err := bench.Run(t.Context(), options, &out); err != nil {
		t.Fatal(err)
	}
	if want := "| entries, spread | embedded | 4 |"; !strings.Contains(out.String(), want) {
		t.Errorf("the report does not say %q:\n%s", want, out.String())
	}
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*bench.Options)
		want   string
	}{
		{"scenario", func(o *bench.Options) { o.Scenarios = []string{"spead"} }, `"spead" is no scenario; there are spread, hot`},
		{"rounds", func(o *bench.Options) { o.Rounds = -1 }, "rounds: -1 is not between 1 and 1000"},
		{"connections", func(o *bench.Options) { o.Connections = 1e6 }, "connections: 1000000"},
		{"duration", func(o *bench.Options) { o.Duration = -time.Second }, "-1s"},
		{"rate", func(o *bench.Options) { o.Rate = -1 }, "rate of -1"},
		{"binary", func(o *bench.Options) { o.Executable = "/nowhere/billfold" }, "start the empty handler"},
		{"database", func(o *bench.Options) { o.DatabaseURL = "host=localhost" }, "of the form postgres://"},
		{"directory", func(o *bench.Options) { o.Dir = "/nowhere" }, "make a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			options := small(t)
			test.change(&options)
			var out strings.Builder
			err := bench.Run(t.Context(), options, &out)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			if strings.Contains(out.String(), "Checked") {
				t.Errorf("the report of a failed run says that it checked:\n%s", out.String())
			}
		})
	}
}

func TestAnInterruptedRunLeavesNothing(t *testing.T) {
	t.Parallel()
	options := small(t)
	options.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	options.Progress = func(step string) {
		if strings.Contains(step, "round 1") {
			cancel()
		}
	}
	var out strings.Builder
	if err := bench.Run(ctx, options, &out); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if !strings.Contains(out.String(), "NOT CHECKED") {
		t.Errorf("the report does not say that nothing was checked:\n%s", out.String())
	}
	left, err := os.ReadDir(options.Dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: got %v, %v, want nothing", left, err)
	}
}
