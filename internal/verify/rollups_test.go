package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/verify"
)

// rolledUp is a file of which the first 2,000 entries are in the roll-ups of reports.
func rolledUp(t *testing.T) string {
	t.Helper()
	db := realStore(t)
	load(t, db, 10, 5000)
	for range 2 {
		if _, err := db.FoldReports(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, db.Path())
	return db.Path()
}

var rollupCorruptions = []corruption{
	{name: "a cent too much", column: "report_sums.credited", do: `update report_sums set credited = credited + 1
		where span = 'day' and credited > 0`},
	{name: "a cent too little", column: "report_sums.debited", do: `update report_sums set debited = debited - 1
		where span = 'quarter' and debited > 0 and start = (select max(start) from report_sums where span = 'quarter' and debited > 0)`},
	{name: "an entry more", column: "report_sums.entries", do: `update report_sums set entries = entries + 1 where span = 'cohort'`},
	{name: "another span", column: "report_sums.span", do: `update report_sums set span = 'cohort' where span = 'expiry'`},
	{name: "another currency", column: "report_sums.currency", do: `update report_sums set currency = 'EUR' where currency = 'INR'`},
	{name: "another category", column: "report_sums.label", do: `update report_sums set label = replace(label, 'paid', 'gift')
		where span = 'expiry'`},
	{name: "another time", column: "report_sums.start", do: `update report_sums set start = start - 86400000000`},
	{name: "another business", column: "report_sums.tenant", do: `update report_sums set tenant = 2 where span = 'expiry'`},
	{name: "a row gone", do: `delete from report_sums where label = (select min(label) from report_sums)`},
	{name: "a row too many", do: `insert into report_sums select tenant, span, start, 'EUR', label, 0, 1, 1 from report_sums limit 1`},
	{name: "all rows gone", do: `delete from report_sums; delete from report_places`},
	{name: "entries out of reach at the front", column: "report_places.first", do: `update report_places set first = first + 1
		where last > first`},
	{name: "entries out of reach at the end", column: "report_places.last", do: `update report_places set last = last - 1
		where last > first`},
	{name: "places of another time", column: "report_places.start", do: `update report_places set start = start - 1`},
	{name: "places of another business", column: "report_places.tenant", do: `update report_places set tenant = 2`},
	{name: "places gone", do: `delete from report_places where start = (select min(start) from report_places)`},
	{name: "an entry that counts twice", column: "report_progress.through", do: `update report_progress set through = through - 1`},
	{name: "an entry that does not count", do: `update report_progress set through = through + 1`},
	{name: "entries to come that do not count", do: `update report_progress set through = 9000`},
	{name: "no progress", column: "report_progress.no", do: `delete from report_progress`},
}

func TestEachCorruptionOfRollUpsIsNamed(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(rolledUp(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rollupCorruptions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "billfold.db")
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
			if err != nil {
				t.Fatal(err)
			}
			err = sqlitex.ExecuteScript(conn, `pragma foreign_keys = off; `+c.do, nil)
			if closed := conn.Close(); err != nil || closed != nil {
				t.Fatal(err, closed)
			}
			found := run(t, verify.Options{Path: path}).Findings
			if len(found) != 1 || found[0].Law != verify.LawRollUps || strings.Contains(found[0].Message, "%!") {
				t.Errorf("got findings %q, want one of law %s", found, verify.LawRollUps)
			}
		})
	}
}
