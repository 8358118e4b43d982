package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/schema"
	"github.com/billfold/billfold/internal/sqlite"
)

// migrationDocument is one step in what `migrate status -o json` prints.
type migrationDocument struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
}

func (p *program) migrateCommand() *cobra.Command {
	status := &cobra.Command{
		Use:   "status",
		Short: "List the steps and say which the database has seen",
		Long: "Status lists the steps of the schema that this binary knows. `billfold serve`\n" +
			"takes those that are missing by itself, each in a transaction of its own.",
		Args: arguments(),
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			if err := embeddedOnly(config, "migrate status", "look into schema_migrations"); err != nil {
				return err
			}
			if err := requireDatabase(filepath.Join(config.DataDir, sqlite.FileName)); err != nil {
				p.note("%v, unless the first start is yet to come", err)
			}
			return p.migrateStatus(config)
		},
	}
	command := group("migrate", "Look at the steps of the database schema, or distribute it over Citus",
		p.outputFlag(optionFlags(status, "data-dir")))
	return p.distributeFlags(command)
}

// distributeFlags let migrate distribute a database as well.
func (p *program) distributeFlags(command *cobra.Command) *cobra.Command {
	var distribute bool
	var shards int
	command.Flags().BoolVar(&distribute, "distribute", false, "spread the customers over the workers of Citus; see docs/scaling.md")
	command.Flags().IntVar(&shards, "shards", postgres.DefaultShards, "number of shards that --distribute makes, for ever")
	help := command.RunE
	command.RunE = func(command *cobra.Command, args []string) error {
		switch {
		case !distribute && command.Flags().Changed("shards"):
			return withExit(exitUsage, errors.New("--shards: goes with --distribute"))
		case !distribute:
			return help(command, args)
		case shards < 1 || shards > shardsMax:
			return withExit(exitUsage, fmt.Errorf("--shards: %d is not between 1 and %d", shards, shardsMax))
		}
		config, err := p.config(command)
		if err != nil {
			return err
		}
		if config.DatabaseURL == "" {
			return withExit(exitUsage, errors.New("--distribute: set database-url to the coordinator of Citus"))
		}
		return p.distribute(command.Context(), config, shards)
	}
	return p.outputFlag(optionFlags(command, "database-url"))
}

// shardsMax is far above any number that is of use.
const shardsMax = 1024

// distributionDocument is what `migrate --distribute -o json` prints.
type distributionDocument struct {
	Shards  int  `json:"shards"`
	Workers int  `json:"workers"`
	Already bool `json:"already"`
}

func (p *program) distribute(ctx context.Context, config Config, shards int) error {
	logger, err := newLogger(config, p.stderr, lookup(p.environ, "NO_COLOR") != "")
	if err != nil {
		return err
	}
	d, err := postgres.Distribute(ctx, config.DatabaseURL, shards, logger)
	if err != nil {
		return err
	}
	status := "distributed"
	if d.Already {
		status = "was distributed already"
	}
	return p.write(answer{
		columns:  []string{"SHARDS", "WORKERS", "STATUS"},
		right:    []string{"SHARDS", "WORKERS"},
		rows:     [][]string{{strconv.Itoa(d.Shards), strconv.Itoa(d.Workers), status}},
		document: distributionDocument{d.Shards, d.Workers, d.Already},
	})
}

func (p *program) migrateStatus(config Config) error {
	applied, known, err := sqlite.Schema(filepath.Join(config.DataDir, sqlite.FileName))
	if err != nil {
		return err
	}
	if _, err := schema.Pending(known, applied); err != nil {
		return err
	}
	a := answer{columns: []string{"VERSION", "NAME", "STATUS"}, right: []string{"VERSION"}}
	documents := []migrationDocument{}
	for i, step := range known {
		status := "pending"
		if i < len(applied) {
			status = "applied"
		}
		a.rows = append(a.rows, []string{strconv.Itoa(step.Version), step.Name, status})
		documents = append(documents, migrationDocument{step.Version, step.Name, i < len(applied)})
	}
	a.document = documents
	return p.write(a)
}
