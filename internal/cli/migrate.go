package cli

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

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
	return group("migrate", "Look at the steps of the database schema", p.outputFlag(optionFlags(status, "data-dir")))
}

func (p *program) migrateStatus(config Config) error {
	applied, known, err := sqlite.Schema(filepath.Join(config.DataDir, sqlite.FileName))
	if err != nil {
		return err
	}
	if len(applied) > len(known) {
		return &sqlite.NewerSchemaError{Version: len(applied), Known: len(known)}
	}
	a := answer{columns: []string{"VERSION", "NAME", "STATUS"}, right: []string{"VERSION"}}
	documents := []migrationDocument{}
	for i, step := range known {
		status := "pending"
		if i < len(applied) {
			status = "applied"
			if applied[i].Checksum != step.Checksum {
				return fmt.Errorf("step %d, %s, was applied with another text than this binary has; "+
					"the binary and the database do not belong together", step.Version, step.Name)
			}
		}
		a.rows = append(a.rows, []string{strconv.Itoa(step.Version), step.Name, status})
		documents = append(documents, migrationDocument{step.Version, step.Name, i < len(applied)})
	}
	a.document = documents
	return p.write(a)
}
