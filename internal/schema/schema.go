// Package schema reads the steps that bring a database's schema up to date, and
// compares them with those that the database has seen. Steps only go forward,
// each runs once in a transaction of its own, and none is edited after it was
// released.
package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Migration is one step. Its checksum is kept in the database and compared at
// every start.
type Migration struct {
	Version  int
	Name     string
	Checksum string
	SQL      string // empty for one that was read from a database
}

// Read returns the steps in the folder migrations, in order. Their files are
// named by four digits, an underscore and a name, such as 0001_ledger.sql.
func Read(files fs.FS) ([]Migration, error) {
	const folder = "migrations"
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	steps := make([]Migration, 0, len(entries))
	for i, entry := range entries {
		text, err := fs.ReadFile(files, path.Join(folder, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		number, name, _ := strings.Cut(strings.TrimSuffix(entry.Name(), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", entry.Name(), i+1)
		}
		sum := sha256.Sum256(text)
		steps = append(steps, Migration{version, name, hex.EncodeToString(sum[:]), string(text)})
	}
	return steps, nil
}

// NewerError says that a database was written by a newer Billfold.
type NewerError struct {
	Version int // of the database
	Known   int // the newest that this binary knows
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("the database has schema version %d and this binary knows only %d; use the newer binary, schemas never go back",
		e.Version, e.Known)
}

// Pending returns those of the known steps that a database has not seen. It
// refuses a database that belongs to another binary.
func Pending(known, applied []Migration) ([]Migration, error) {
	for i, step := range applied {
		if step.Version != i+1 {
			return nil, fmt.Errorf("schema_migrations has version %d where %d belongs", step.Version, i+1)
		}
	}
	if len(applied) > len(known) {
		return nil, &NewerError{Version: len(applied), Known: len(known)}
	}
	for i, step := range applied {
		if step.Checksum != known[i].Checksum {
			return nil, fmt.Errorf("migration %04d_%s was applied with other text; the binary and the database do not belong together",
				step.Version, step.Name)
		}
	}
	return known[len(applied):], nil
}
