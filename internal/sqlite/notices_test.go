package sqlite

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// The sweep looks only at wallets of which something is to be announced: those of a
// tenant that wants it, in the order of what expires, and without sorting them.
func TestPlanOfDueNotices(t *testing.T) {
	t.Parallel()
	conn, err := openWriter(filepath.Join(t.TempDir(), FileName), "FULL")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := migrate(conn, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var plan []string
	err = sqlitex.ExecuteTransient(conn, "explain query plan"+dueNoticesQuery, &sqlitex.ExecOptions{
		Args: []any{1, 100, 1},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			plan = append(plan, stmt.ColumnText(3))
			return nil
		},
	})
	text := strings.Join(plan, "\n")
	walks := strings.Contains(text, "wallets_by_notice (tenant=? AND next_notice>? AND next_notice<?)")
	if err != nil || !walks || strings.Contains(text, "TEMP B-TREE") {
		t.Errorf("got error %v and a plan that does not walk the index of notices:\n%s", err, text)
	}
}
