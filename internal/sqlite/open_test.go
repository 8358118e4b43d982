package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/schema"
	"github.com/billfold/billfold/internal/sqlite"
)

func TestOpenRefusesASecondProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := mustOpen(t, dir)
	_, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	var locked *sqlite.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("got error %v, want a LockedError", err)
	}
	if want := fmt.Sprintf("process %d", os.Getpid()); locked.Holder != want {
		t.Errorf("got holder %q, want %q", locked.Holder, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir)
}

// A directory that had a ledger does not begin a new one in silence when the
// file is gone or was emptied.
func TestOpenRefusesAnEmptiedDirectory(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(path string) error{
		"gone":    os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	} {
		dir := t.TempDir()
		closeNow(t, mustOpen(t, dir))
		if err := lose(filepath.Join(dir, sqlite.FileName)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), "is gone or empty") {
				t.Fatalf("%s: got error %v, want it refused", name, err)
			}
		}
		if err := os.Remove(filepath.Join(dir, sqlite.LockName)); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, dir) // as the message says
	}
}

func TestOpenRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeNow(t, mustOpen(t, dir))
	alter(t, dir, `insert into schema_migrations (version, name, checksum, applied_at)
	  select max(version) + 1, 'of_tomorrow', 'x', 0 from schema_migrations`)
	_, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	var newer *schema.NewerError
	if !errors.As(err, &newer) {
		t.Fatalf("got error %v, want a NewerError", err)
	}
	if newer.Version != newer.Known+1 {
		t.Errorf("got version %d of %d known, want one more", newer.Version, newer.Known)
	}
}

func TestOpenRefusesAnEditedMigration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeNow(t, mustOpen(t, dir))
	alter(t, dir, `update schema_migrations set checksum = 'edited' where version = 1`)
	_, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("got error %v, want one about other text", err)
	}
}

func TestOpenRefusesADamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeNow(t, mustOpen(t, dir))
	path := filepath.Join(dir, sqlite.FileName)
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), "billfold restore") {
		t.Errorf("got error %v, want one that says damaged and what to do", err)
	}
}

func TestOpenRefusesAPlaceThatIsNoDirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Config{Dir: path}); err == nil {
		t.Error("got no error, want one")
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Config{}); err == nil {
		t.Error("without a directory: got no error, want one")
	}
}

func TestOpenRefusesAnUnknownSyncLevel(t *testing.T) {
	t.Parallel()
	_, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir(), Synchronous: "SOMETIMES"})
	if err == nil || !strings.Contains(err.Error(), "reads back") {
		t.Errorf("got error %v, want one about the level that reads back", err)
	}
}

// Entries cannot be changed or removed, not even by hand.
func TestEntriesAreImmutableInTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeNow(t, mustOpen(t, dir))
	conn := openRaw(t, dir)
	const insert = `
	  insert into ledger_entries (no, id, customer, currency, position, seq, previous, wallet_previous, is_credit, amount,
	                              before_balance, after_balance, available, event_type, account, category, fingerprint,
	                              created_by, created_at, hash)
	  values (1, 'cwt_1', 1, 'USD', 1, 1, 0, 0, 1, 5, 0, 5, 5, 'merchant_adjustment', 'merchant', 'paid', zeroblob(16),
	          'key_1', 1, zeroblob(32))`
	const insertAudit = `
	  insert into audit_entries (customer, position, id, action, key_id, address, before_state, after_state, reason,
	                             created_at, hash)
	  values (1, 1, 'aud_1', 'customer.freeze', 'key_1', '', '{}', '{}', 'x', 1, zeroblob(32))`
	for _, insert := range []string{insert, insertAudit} {
		if err := sqlitex.ExecuteTransient(conn, insert, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range []string{
		"update ledger" + "_entries set amount = 6",
		"delete from ledger" + "_entries",
		"update audit" + "_entries set position = 6",
		"delete from audit" + "_entries",
	} {
		err := sqlitex.ExecuteTransient(conn, statement, nil)
		if err == nil || !strings.Contains(err.Error(), "immutable") {
			t.Errorf("%s: got error %v, want immutable", statement, err)
		}
	}
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, t.TempDir())
	closeNow(t, db)
	closeNow(t, db)
	if _, err := db.Businesses(context.Background()); err == nil {
		t.Error("a read after Close: got no error, want one")
	}
}

func mustOpen(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, db) })
	return db
}

func closeNow(t *testing.T, db *sqlite.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func openRaw(t *testing.T, dir string) *zombiezen.Conn {
	t.Helper()
	conn, err := zombiezen.OpenConn(filepath.Join(dir, sqlite.FileName), zombiezen.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func alter(t *testing.T, dir, statement string) {
	t.Helper()
	if err := sqlitex.ExecuteTransient(openRaw(t, dir), statement, nil); err != nil {
		t.Fatal(err)
	}
}
