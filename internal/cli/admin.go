package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/bench"
	"github.com/billfold/billfold/internal/sqlite"
)

func (p *program) adminCommands() []*cobra.Command {
	return []*cobra.Command{
		p.businessCommand(), p.keysCommand(), p.teamCommand(), p.verifyCommand(), p.checkpointCommand(), p.backupCommand(), p.restoreCommand(),
		p.copyCommand(), p.doctorCommand(), p.migrateCommand(), p.seedCommand(), p.benchCommand(),
		p.benchTargetCommand(bench.EmptyCommand, bench.ServeEmpty), p.benchTargetCommand(bench.NaiveCommand, bench.ServeNaive),
	}
}

// adminCommand finishes a command that administers the installation in the
// data directory.
func (p *program) adminCommand(
	command *cobra.Command, mayMake bool, run func(ctx context.Context, client *apiClient, args []string) error,
) *cobra.Command {
	command.RunE = func(command *cobra.Command, args []string) error {
		config, err := p.config(command)
		if err != nil {
			return err
		}
		return p.administer(command.Context(), config, mayMake, func(client *apiClient) error {
			return run(command.Context(), client, args)
		})
	}
	return p.outputFlag(optionFlags(command, "data-dir", "database-url"))
}

// administer calls use with a client of the admin socket when a server runs,
// and else with one of the same handler on the store itself. MayMake says that
// a database may be made when there is none; a mistyped directory must not
// make one by accident.
func (p *program) administer(ctx context.Context, config Config, mayMake bool, use func(*apiClient) error) (err error) {
	const base = "http://billfold" // no name is ever looked up for it
	if config.DatabaseURL == "" {
		client, err := dialAdmin(ctx, config.DataDir)
		if err != nil {
			return err
		}
		if client != nil {
			return use(&apiClient{http: client, base: base})
		}
		path := filepath.Join(config.DataDir, sqlite.FileName)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !mayMake {
			return fmt.Errorf("there is no database %s; set --data-dir to the server's data directory", path)
		}
	}
	if config.LogLevel == "info" {
		// What a server tells as it goes is noise beside one answer.
		config.LogLevel = "warn"
	}
	logger, err := newLogger(config, p.stderr, lookup(p.environ, "NO_COLOR") != "")
	if err != nil {
		return err
	}
	store, err := openStore(ctx, config, logger, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	faces, err := newFaces(facesConfig{
		config: config, logger: logger, store: store, directory: newDirectory(config, store),
	})
	if err != nil {
		return err
	}
	return use(&apiClient{http: &http.Client{Transport: memoryTransport{faces.admin}}, base: base})
}
