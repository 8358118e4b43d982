package transfer_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	embedded "github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/transfer"
)

// refused wants a copy refused with a text, and a target of no use.
func refused(t *testing.T, from, to side, want string) {
	t.Helper()
	if _, err := transferring(t, from, to, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("copy: got error %v, want %q", err, want)
	}
}

// half leaves a copy that was begun.
func half(t *testing.T, from, to side) {
	t.Helper()
	writes := 0
	_, err := transferring(t, from, to, func(target transfer.Target) transfer.Target {
		return counting{Target: target, writes: &writes}
	})
	if !errors.Is(err, errStopped) {
		t.Fatalf("half a copy: got error %v, want it stopped", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	t.Run("a source that is in use", func(t *testing.T) {
		t.Parallel()
		from := side{dir: smallInstallation(t)}
		db := from.open(t)
		refused(t, from, emptyDatabase(t), "is in use by process")
		closing(t, "store", db.Close)
		there := emptyDatabase(t)
		mustTransfer(t, from, there)
		db = there.open(t)
		refused(t, there, emptyDir(t), "stop all of them first")
		closing(t, "store", db.Close)
		mustTransfer(t, there, emptyDir(t))
	})
	t.Run("a source whose instances have a name of their own", func(t *testing.T) {
		t.Parallel()
		there := emptyDatabase(t)
		mustTransfer(t, side{dir: smallInstallation(t)}, there)
		db := openPostgres(t, there.url+"&application_name=wallets")
		refused(t, there, emptyDir(t), "stop all of them first")
		closing(t, "store", db.Close)
		mustTransfer(t, there, emptyDir(t))
	})
	t.Run("an instance that was started meanwhile", func(t *testing.T) {
		t.Parallel()
		first, there, back := side{dir: smallInstallation(t)}, emptyDatabase(t), emptyDir(t)
		mustTransfer(t, first, there)
		var late store
		_, err := transferring(t, there, back, func(target transfer.Target) transfer.Target {
			return cutter{target, func() {
				if late == nil {
					late = there.open(t)
				}
			}}
		})
		if err == nil || !strings.Contains(err.Error(), "stop all of them first") {
			t.Errorf("copy beside an instance: got error %v, want it refused at the end", err)
		}
		wantUnfinished(t, back)
		closing(t, "store", late.Close)
		mustTransfer(t, there, back)
	})
	t.Run("a target of its own", func(t *testing.T) {
		t.Parallel()
		from, own, ownDatabase := side{dir: smallInstallation(t)}, emptyDir(t), emptyDatabase(t)
		for _, to := range []side{own, ownDatabase} {
			db := to.open(t)
			fill(t, db)
			closing(t, "store", db.Close)
			refused(t, from, to, "has an installation of its own")
			must(t, tryOpen(t, to))
		}
	})
	t.Run("a source that has changed", func(t *testing.T) {
		t.Parallel()
		from := side{dir: smallInstallation(t)}
		for _, to := range []side{emptyDir(t), emptyDatabase(t)} {
			half(t, from, to)
			tamper(t, from, "update api_keys set revoked_at = 76 where id = 'key_1'")
			refused(t, from, to, "the source has changed since this copy was begun")
			wantUnfinished(t, to)
			tamper(t, from, "update api_keys set revoked_at = 0 where id = 'key_1'")
			mustTransfer(t, from, to)
			if report := mustTransfer(t, from, to); !report.Already {
				t.Errorf("a third run: got %+v, want it to find the copy finished", report)
			}
			tamper(t, from, "update api_keys set revoked_at = 77 where id = 'key_1'")
			refused(t, from, to, "what was written to the source after that is not in the target")
			tamper(t, from, "update api_keys set revoked_at = 0 where id = 'key_1'")
		}
	})
	t.Run("another source", func(t *testing.T) {
		t.Parallel()
		from, twin, to := side{dir: smallInstallation(t)}, emptyDir(t), emptyDatabase(t)
		mustTransfer(t, from, twin)
		half(t, from, to)
		refused(t, twin, to, "is a copy of another installation")
		mustTransfer(t, from, to)
	})
	t.Run("a source that is broken", func(t *testing.T) {
		t.Parallel()
		from, to := side{dir: smallInstallation(t)}, emptyDatabase(t)
		tamper(t, from, "update wallets set balance = balance + 1 where seq = 1")
		refused(t, from, to, "the source cannot be copied: M1")
		if record := must1(readTarget(t, to)); record != nil {
			t.Errorf("the target: got %+v, want it left empty", record)
		}
	})
	t.Run("a source with nothing", func(t *testing.T) {
		t.Parallel()
		refused(t, emptyDir(t), emptyDatabase(t), "there is no database")
		refused(t, emptyDatabase(t), emptyDir(t), "it has no ledger")
	})
}

func must1[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func readTarget(t *testing.T, to side) (*transfer.Record, error) {
	t.Helper()
	target, closeTarget, err := to.openTarget(t)
	must(t, err)
	defer closing(t, "target", closeTarget)
	return target.Record(t.Context())
}

// uncarried are the columns that belong to a store, and the tables that do.
var uncarried = map[string][]string{
	"embedded": {
		"wallets.no", "wallets.customer", "wallets.last_entry", "ledger_entries.no", "ledger_entries.customer",
		"ledger_entries.previous", "ledger_entries.wallet_previous", "customers.id", "audit_entries.customer", "transfers.customer",
		"holds.customer", "hold_events.customer", "objects.customer", "object_events.customer", "wallet_lots.customer", "lot_marks.customer", "expiry_notices.customer",
		"customer_marks", "wallet_marks", "installation", "schema_migrations", "copied_from",
		"key_runs", "key_extents", "key_pages", "key_mark", "customer_events", "feed", "webhook_endpoints.place",
		"sink_cursors", "report_sums", "report_places", "report_progress",
	},
	"PostgreSQL": {
		"installation", "schema_migrations", "copied_from", "feed", "customers.feed_order", "audit_entries.feed_order",
		"ledger_entries.feed_order", "hold_events.feed_order", "hold_events.after_position", "expiry_notices.feed_order",
		"object_events.feed_order", "object_events.after_hold", "object_events.after_notice",
		"expiry_notices.after_position", "webhook_instances", "webhook_endpoints.place", "webhook_endpoints.instance",
		"sink_cursors", "sink_leases", "report_sums", "report_places", "report_progress",
	},
}

// Every column of both schemas is carried, or known to be the store's own: one
// that a migration adds cannot be forgotten here.
func TestEveryColumnIsCarried(t *testing.T) {
	t.Parallel()
	embeddedSide, there := emptyDir(t), emptyDatabase(t)
	for _, s := range []side{embeddedSide, there} {
		db := s.open(t)
		closing(t, "store", db.Close)
	}
	var found []string
	conn := must1(sqlite.OpenConn(filepath.Join(embeddedSide.dir, embedded.FileName), sqlite.OpenReadOnly))
	defer closing(t, "connection", conn.Close)
	const columns = `
	  select m.name, c.name from sqlite_master m, pragma_table_info(m.name) c where m.type = 'table'`
	must(t, sqlitex.ExecuteTransient(conn, columns, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		found = append(found, stmt.ColumnText(0)+"."+stmt.ColumnText(1))
		return nil
	}}))
	wantCarried(t, "embedded", found)
	other, err := pgx.Connect(t.Context(), there.url)
	must(t, err)
	rows, err := other.Query(t.Context(), `
	  select table_name || '.' || column_name from information_schema.columns where table_schema = 'public'`)
	must(t, err)
	found, err = pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	wantCarried(t, "PostgreSQL", found)
	must(t, other.Close(t.Context()))
}

func wantCarried(t *testing.T, store string, found []string) {
	t.Helper()
	if len(found) < 60 {
		t.Errorf("%s: got %d columns, want those of the whole schema", store, len(found))
	}
	for _, column := range found {
		table, name, _ := strings.Cut(column, ".")
		carried := slices.ContainsFunc(transfer.Tables(), func(known *transfer.Table) bool {
			return known.Name == table && known.Index(name) >= 0
		})
		if !carried && !slices.Contains(uncarried[store], column) && !slices.Contains(uncarried[store], table) {
			t.Errorf("%s: %s is not carried; name it in transfer.Tables or here", store, column)
		}
	}
}
