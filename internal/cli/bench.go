package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/bench"
)

// benchCommand measures this machine. It starts servers of its own on data
// directories of its own, so it takes no part in the configuration.
func (p *program) benchCommand() *cobra.Command {
	var options bench.Options
	var quiet bool
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine and check every acknowledged entry afterwards",
		Long: "Bench starts a server on a temporary data directory and measures it in turns with an\n" +
			"empty handler, so that the ratio of the two can be compared from machine to machine.\n" +
			"At the end it fetches every acknowledged entry and verifies the ledger; exit code 1\n" +
			"says that something differed. The scenarios are\n\n" + scenarioList(),
		Args: arguments(),
		RunE: func(command *cobra.Command, _ []string) error {
			if !quiet {
				options.Progress = func(step string) { fmt.Fprintln(p.stderr, step) }
			}
			options.Program = "version " + strings.TrimSpace(buildVersion().Version+" "+buildVersion().Commit)
			return bench.Run(command.Context(), options, p.stdout)
		},
	}
	flags := command.Flags()
	flags.StringSliceVar(&options.Scenarios, "scenario", nil, "`names` of scenarios, with commas between; by default those that take seconds")
	flags.StringVar(&options.Dir, "dir", "", "`directory` on the disk to measure; by default that for temporary files")
	flags.StringVar(&options.DatabaseURL, "database-url", "",
		"`URL` of a PostgreSQL server to measure too, in databases that the bench makes and drops there")
	flags.DurationVar(&options.Duration, "duration", 0, "how long one round lasts; 3s by default")
	flags.DurationVar(&options.Warmup, "warmup", 0, "what goes before a round and does not count; 500ms by default")
	flags.IntVar(&options.Rounds, "rounds", 0, "how often empty handler and server take turns; 3 by default")
	flags.IntVar(&options.Connections, "connections", 0, "requests under way at once; 64 by default")
	flags.IntVar(&options.Customers, "customers", 0, "customers the entries are spread over; 10000 by default")
	flags.IntVar(&options.Rate, "rate", 0, "adds an open loop of so many requests a second")
	flags.IntVar(&options.History, "history", 0, "entries of scenario history; 10000000 by default")
	flags.IntVar(&options.Population, "population", 0, "customers of scenario population; 1000000 by default")
	flags.BoolVar(&options.Markdown, "markdown", false, "print tables for a document")
	flags.BoolVar(&quiet, "quiet", false, "do not say what is being done")
	var names []string
	for _, scenario := range bench.Scenarios() {
		names = append(names, scenario.Name)
	}
	return completeFlag(command, "scenario", names...)
}

func scenarioList() string {
	var b strings.Builder
	for _, scenario := range bench.Scenarios() {
		mark := " "
		if scenario.Default {
			mark = "*"
		}
		fmt.Fprintf(&b, "  %s %-12s %s\n", mark, scenario.Name, scenario.Title)
	}
	return b.String() + "\nThose with a star run when none is named."
}

// benchTargetCommand is another process of a bench; nobody else calls it.
func (p *program) benchTargetCommand(
	name string, serve func(ctx context.Context, in io.Reader, out io.Writer) error,
) *cobra.Command {
	return &cobra.Command{
		Use:    name,
		Hidden: true,
		Args:   arguments(),
		RunE: func(command *cobra.Command, _ []string) error {
			return serve(command.Context(), p.stdin, p.stdout)
		},
	}
}
