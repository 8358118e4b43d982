package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/billfold/billfold/internal/sqlite"
)

// TestRestoreKeepsWhatCameMeanwhile lets a server make its ledger while a
// restore is still proving its copy: the copy must not take that ledger's place.
func TestRestoreKeepsWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	to := write(t, filepath.Join(dir, sqlite.FileName), "a ledger with acknowledged entries")
	partial := write(t, to+".restoring", "the proven copy")
	if err := settleCopy(partial, to); err == nil {
		t.Error("settle the copy: got no error, want a refusal")
	}
	if text, err := os.ReadFile(to); err != nil || string(text) != "a ledger with acknowledged entries" {
		t.Errorf("the ledger afterwards: got %q %v, want it as it was", text, err)
	}
	if err := settleCopy(partial, filepath.Join(t.TempDir(), sqlite.FileName)); err != nil {
		t.Errorf("settle the copy in an empty directory: %v", err)
	}
}

// TestRestoreBesideRestore finds the copy of another restore, which came
// between the look into the directory and the copying: it is left alone.
func TestRestoreBesideRestore(t *testing.T) {
	t.Parallel()
	from := write(t, filepath.Join(t.TempDir(), "backup.db"), "a backup")
	other := write(t, filepath.Join(t.TempDir(), "x.restoring"), "the other's copy")
	if err := copyFile(t.Context(), from, other); !errors.Is(err, fs.ErrExist) {
		t.Errorf("copy: got %v, want that the file is there", err)
	}
	if text, err := os.ReadFile(other); err != nil || string(text) != "the other's copy" {
		t.Errorf("the other's copy: got %q %v, want it as it was", text, err)
	}
}
