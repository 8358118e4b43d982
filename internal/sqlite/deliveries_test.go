package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// What is due and what is old is read in the order of an index, as far as it is wanted,
// and sorted by nobody: so a look costs the same whatever waits.
func TestPlansOfDeliveries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := sqlite.OpenConn(filepath.Join(dir, FileName), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	for query, want := range map[string]string{
		dueQuery:   "SEARCH i USING COVERING INDEX webhook_deliveries_due (endpoint=? AND due_at<?)",
		pruneQuery: "SEARCH webhook_deliveries USING COVERING INDEX webhook_deliveries_old (due_at<?)",
	} {
		var plan []string
		err := sqlitex.ExecuteTransient(conn, "explain query plan "+query, &sqlitex.ExecOptions{
			Args:       make([]any, strings.Count(query, "?")), // of which the plan knows nothing
			ResultFunc: func(stmt *sqlite.Stmt) error { plan = append(plan, stmt.ColumnText(3)); return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(plan, "\n")
		if !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN") {
			t.Errorf("got the plan\n%s\nwant %s and nothing sorted", got, want)
		}
	}
}
