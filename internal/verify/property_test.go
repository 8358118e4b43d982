package verify_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/verify"
)

// drawnAlerts are thresholds that a business gives to every wallet.
var drawnAlerts = []ledger.Alerts{
	"", "INR\t50:50\nUSD\t100:150 200:200\n", "INR\t50:50\nUSD\t100:150 200:200\n", "USD\t100:150 300:300\n",
}

// TestWhateverTheRulesAllowIsSound posts random requests by the rules.
func TestWhateverTheRulesAllowIsSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		f := newLedgerFile(t)
		f.inRow = rapid.IntRange(0, 3).Draw(rt, "in the row")
		f.exec(`begin`)
		for range rapid.IntRange(0, 60).Draw(rt, "requests") {
			tenant := rapid.SampledFrom([]ledger.Tenant{acmeTest, acmeLive, zetaTest}).Draw(rt, "tenant")
			c := f.customer(tenant, rapid.SampledFrom([]string{"cus_ann", "cus_bob"}).Draw(rt, "customer"))
			r := ledger.PostRequest{
				Currency:      rapid.SampledFrom([]money.Currency{"USD", "INR"}).Draw(rt, "currency"),
				Direction:     rapid.SampledFrom([]ledger.Direction{ledger.Credit, ledger.Debit}).Draw(rt, "direction"),
				Amount:        money.Amount(rapid.Int64Range(1, 200).Draw(rt, "amount")),
				DefaultAlerts: rapid.SampledFrom(drawnAlerts).Draw(rt, "alerts"),
			}
			if r.Direction == ledger.Credit {
				r.Category = rapid.SampledFrom([]ledger.Category{"", ledger.Paid, ledger.Promotional}).Draw(rt, "category")
				if minutes := rapid.IntRange(0, 30).Draw(rt, "minutes"); minutes > 0 {
					r.ExpiresAt = f.now.Add(time.Duration(minutes) * time.Minute)
				}
			}
			if err := f.post(c, r); err != nil && !isRefusal(err) {
				rt.Fatal(err)
			}
			if rapid.IntRange(0, 2).Draw(rt, "sweep") == 0 {
				f.sweep(c)
			}
			if w := c.wallets["USD"]; w != nil && rapid.Bool().Draw(rt, "reverse") {
				seq := rapid.IntRange(1, len(w.entries)).Draw(rt, "seq")
				f.grace = rapid.SampledFrom([]time.Duration{0, time.Second, 5 * time.Minute}).Draw(rt, "grace")
				f.debts = rapid.Bool().Draw(rt, "debts")
				undone := money.Amount(rapid.IntRange(1, 100).Draw(rt, "undone"))
				if err := f.reverse(c, int64(seq), undone); err != nil && !isRefusal(err) {
					rt.Fatal(err)
				}
			}
			if c.wallets["USD"] != nil {
				if err := drawMove(rt, f, c); err != nil && !isRefusal(err) {
					rt.Fatal(err)
				}
				if err := drawHold(rt, f, c); err != nil && !isRefusal(err) {
					rt.Fatal(err)
				}
			}
			f.now = f.now.Add(time.Duration(rapid.IntRange(-60, 300).Draw(rt, "seconds")) * time.Second)
		}
		f.finish()
		f.exec(`commit`)
		weight := rapid.Int64Range(1, 200).Draw(rt, "weight")
		report := run(t, verify.WithWeight(verify.Options{Path: f.path}, weight))
		if !report.Clean() || report.Entries != f.entries {
			rt.Errorf("got %d entries and findings %q, want %d and none", report.Entries, report.Findings, f.entries)
		}
		if patrolled := patrolRound(t, f.path); !patrolled.Clean() || patrolled.Entries != f.entries {
			rt.Errorf("a patrol: got %d entries and findings %q, want %d and none", patrolled.Entries, patrolled.Findings, f.entries)
		}
		quick := run(t, verify.Options{Path: f.path, Quick: true})
		if !quick.Clean() {
			rt.Errorf("quick run: got findings %q, want none", quick.Findings)
		}
		f.close()
	})
}

// TestNoCellCanBeChanged changes one cell of a sound ledger, a little, and does
// so with each cell of some rows.
func TestNoCellCanBeChanged(t *testing.T) {
	t.Parallel()
	sound := scene(t)
	sound.close()
	content, err := os.ReadFile(sound.path)
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	changed := 0
	for _, row := range []struct{ table, where string }{
		{"ledger_entries", "no = 1"}, // Bob's first
		{"ledger_entries", "no = 2"},
		{"ledger_entries", "no = 5"},
		{"ledger_entries", "no = 6"},
		{"ledger_entries", "no = 9"},
		{"ledger_entries", "no = 40"},
		{"ledger_entries", "no = 73"}, // Ann's last
		{"ledger_entries", "no = 76"}, // the newest
		{"wallets", "customer = 1"},
		{"wallets", "customer = 2 and currency = 'INR'"},
		{"wallets", "customer = 2 and currency = 'USD'"},
		{"customer_marks", "true"},
		{"wallet_marks", "true"},
	} {
		for _, column := range columns(t, sound.path, row.table) {
			if unchecked[row.table+"."+column] != "" {
				continue
			}
			changed++
			path := filepath.Join(t.TempDir(), "billfold.db")
			write(t, path, string(content))
			was, is := changeCell(t, chance, path, row.table, column, row.where)
			if report := patrolRound(t, path); report.Clean() {
				t.Errorf("%s of the row of %s with %s was changed from %v to %v, and a patrol found nothing",
					column, row.table, row.where, was, is)
			}
			if report := run(t, verify.Options{Path: path}); report.Clean() {
				t.Errorf("%s of the row of %s with %s was changed from %v to %v, and nothing was found",
					column, row.table, row.where, was, is)
			}
		}
	}
	if changed < 250 {
		t.Errorf("changed %d cells, want at least 250", changed)
	}
}

func columns(t *testing.T, path, table string) (names []string) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	err = sqlitex.Execute(conn, `select name from pragma_table_info(?)`, &sqlitex.ExecOptions{
		Args: []any{table},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			names = append(names, stmt.ColumnText(0))
			return nil
		},
	})
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	return names
}

// changeCell changes one value and returns what it was and is.
func changeCell(t *testing.T, chance *rand.Rand, path, table, column, where string) (was, is any) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	query := fmt.Sprintf(`select %s from %s where %s`, column, table, where)
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		was, is = changeValue(chance, stmt, column == "allocations")
		if column == "no" || table == "wallets" && column == "customer" {
			is = int64(1000) // the others are taken
		}
		if column == "paid_from" || column == "promotional_from" {
			is = was.(int64) + 1 // where the entry before is no such credit, a tail may begin there as well
		}
		if column == "held" && was == nil {
			is = int64(1)
		}
		return nil
	}})
	statements := []string{`pragma ignore_check_constraints = on`, `pragma foreign_keys = off`,
		`drop trigger ledger_entries_are_not_updated`}
	for _, statement := range statements {
		err = errors.Join(err, sqlitex.ExecuteTransient(conn, statement, nil))
	}
	update := fmt.Sprintf(`update %s set %s = ? where %s`, table, column, where)
	err = errors.Join(err, sqlitex.Execute(conn, update, &sqlitex.ExecOptions{Args: []any{is}}), conn.Close())
	if err != nil {
		t.Fatal(err)
	}
	return was, is
}

// changeValue makes another value of the one in the first column.
func changeValue(chance *rand.Rand, stmt *sqlite.Stmt, isBlob bool) (was, is any) {
	switch stmt.ColumnType(0) {
	case sqlite.TypeInteger:
		n := stmt.ColumnInt64(0)
		return n, n + []int64{1, -1, 64, 1 << 40}[chance.IntN(4)]
	case sqlite.TypeText:
		text := stmt.ColumnText(0)
		return text, []string{text + "x", strings.ToUpper(text) + " ", ""}[chance.IntN(2+min(1, len(text)))]
	case sqlite.TypeBlob:
		blob := make([]byte, stmt.ColumnLen(0))
		stmt.ColumnBytes(0, blob)
		if len(blob) == 0 {
			return blob, []byte{1, 1}
		}
		other := bytes.Clone(blob)
		other[chance.IntN(len(blob))] ^= 1 << chance.IntN(8)
		return blob, other
	}
	if isBlob {
		return nil, []byte{1, 1}
	}
	return nil, "x"
}
