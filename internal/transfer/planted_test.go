package transfer_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/transfer"

	embedded "github.com/billfold/billfold/internal/sqlite"
)

func tryOpen(t testing.TB, to side) error {
	t.Helper()
	if to.url != "" {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: to.url})
		if err == nil {
			closing(t, "store", db.Close)
		}
		return err
	}
	db, err := embedded.Open(t.Context(), embedded.Config{Dir: to.dir})
	if err == nil {
		closing(t, "store", db.Close)
	}
	return err
}

// tamper runs statements in a copy, past everything that protects it.
func tamper(t testing.TB, to side, script string) {
	t.Helper()
	if to.url != "" {
		conn, err := pgx.Connect(t.Context(), to.url)
		must(t, err)
		for _, statement := range []string{"set session_replication_role = replica", script} {
			_, err = conn.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol)
			must(t, err)
		}
		must(t, conn.Close(t.Context()))
		return
	}
	conn, err := sqlite.OpenConn(filepath.Join(to.dir, embedded.FileName), sqlite.OpenReadWrite)
	must(t, err)
	drop := "drop trigger if exists ledger_entries_are_not_updated; drop trigger if exists ledger_entries_are_not_deleted;" +
		"drop trigger if exists audit_entries_are_not_updated; drop trigger if exists audit_entries_are_not_deleted;" +
		"drop trigger if exists business_audit_entries_are_not_updated;" +
		"drop trigger if exists business_audit_entries_are_not_deleted;" +
		"drop trigger if exists hold_events_are_not_updated; drop trigger if exists hold_events_are_not_deleted;" +
		"drop trigger if exists object_events_are_not_updated; drop trigger if exists object_events_are_not_deleted;" +
		"drop trigger if exists expiry_notices_are_not_updated; drop trigger if exists expiry_notices_are_not_deleted;"
	must(t, sqlitex.ExecuteScript(conn, drop+script+";", nil))
	must(t, conn.Close())
}

// plants are what a copy could do wrong, written so that both stores understand
// them, and what the proof must say of each.
var plants = []struct{ name, script, want string }{
	{"the last entry of a customer is dropped",
		`delete from ledger_entries where hash in (select hash from wallets order by hash limit 1)`, "M"},
	{"an entry in the middle is dropped", `delete from ledger_entries where position = 2`, "M"},
	{"a reason is changed", `update ledger_entries set reason = 'another' where position = 3`, "M4"},
	{"the case of a key is changed", `update ledger_entries set idempotency_key = upper(idempotency_key) where idempotency_key = 'welcome'`, "M4"},
	{"a balance is changed", `update wallets set balance = balance + 1 where seq = (select max(seq) from wallets)`, "M1"},
	{"a wallet is dropped", `delete from wallets where seq = (select max(seq) from wallets)`, "M1"},
	{"a shelved lot is dropped", `delete from wallet_lots where seq = (select max(seq) from wallet_lots)`, "L1"},
	{"shelved lots are of the other category", `update wallet_lots set category = 1 - category`, "L1"},
	{"a mark of lots is dropped", `delete from lot_marks where seq = (select max(seq) from lot_marks)`, "R3"},
	{"a mark counts other lots", `update lot_marks set lot_count = lot_count + 1`, "R3"},
	{"an API key is missing", `delete from api_keys where id = 'key_5'`, "N5"},
	{"a revoked key works again", `update api_keys set revoked_at = KEEP where id = 'key_9'`, "N5"},
	{"a key never expires", `update api_keys set expires_at = KEEP where id = 'key_5'`, "N5"},
	{"keys change places", `update api_keys set no = no + 100 where id = 'key_0'`, "api_keys"},
	{"a setting is lost", `update tenants set settings = replace(settings, ',"JPY"', '')`, "N5"},
	{"a product is dropped", `delete from products where id = 'pdt_1'`, "N5"},
	{"a product costs less", `update products set definition = replace(definition, '1000', '100') where id = 'pdt_1'`, "N5"},
	{"an archived product is sold", `update products set archived = not archived where id = 'pdt_0'`, "N5"},
	{"products change places", `update products set no = no + 100 where id = 'pdt_0'`, "products"},
	{"a webhook is gone", `delete from webhook_deliveries where endpoint = 3; delete from webhook_endpoints where no = 3`, "webhook_endpoints"},
	{"a delivery is due later", `update webhook_deliveries set tries = 7 where no = 1`, "webhook_deliveries"},
	{"a business has another name", `update businesses set name = 'Other' where id = 'bus_fill'`, "N5"},
	{"customers change places", `update customers set no = no + 100000 where no = 3`, "row 3: no is not the same"},
	{"a customer's name folds otherwise", `update customers set name_folded = upper(name_folded) where no = 5`, "name_folded"},
	{"a customer's metadata is written otherwise", `update customers set metadata = replace(metadata, ':', ': ')`, "metadata"},
	{"a customer is there who was not", `insert into customers (no, TENANTID, tenant, email, name, name_folded, phone_number,
		metadata, created_at, updated_at) select no + 100000, 'cus_more', tenant, email, name, name_folded, phone_number,
		metadata, created_at, updated_at from customers where no = 1`, "it is in the copy only"},
	{"a line of the trail of a business is dropped", `delete from business_audit_entries where position = 2`, "N5"},
	{"a line of the trail of a business is changed", `update business_audit_entries set address = '192.0.2.1' where position = 1`, "N5"},
	{"a line of an audit trail is dropped", `delete from audit_entries where position = 1`, "N5"},
	{"the last line of an audit trail is dropped", `delete from audit_entries where position = 4`, "N5"},
	{"a line of an audit trail is changed", `update audit_entries set address = '192.0.2.1' where position = 2`, "N5"},
	{"a freeze is lost", `update customers set freezes = ''`, "N5"},
	{"thresholds are lost", `update customers set alerts = ''`, "N5"},
	{"a wallet stands elsewhere", `update wallets set alerts = replace(alerts, ':armed', ':low')`, "A1"},
	{"what was told is lost", `update ledger_entries set alerts = null`, "M4"},
	{"what a hold has told is lost", `update hold_events set alerts = null where alerts = 'none'`, "A1"},
	{"a hold is dropped", `delete from holds where state = 'active'`, "O1"},
	{"a hold event is dropped", `delete from hold_events where number = 2`, "M5"},
	{"a hold is of more", `update holds set amount = amount + 1 where state = 'active'`, "H2"},
	{"the reason of a hold is changed", `update holds set reason = 'another' where state = 'active'`, "holds"},
	{"an object is dropped", `delete from objects where kind = 'payment' and version = 2`, "M5"},
	{"an object is changed", `update objects set data = '{}' where kind = 'parcel'`, "M6"},
	{"an event about an object is dropped", `delete from object_events where number = 3`, "M4"},
	{"the newest events about objects are dropped, with what they made",
		`delete from object_events where number >= 8; delete from objects where number = 8`, "M5"},
	{"all that was kept of objects is dropped", `delete from object_events; delete from objects`, "M5"},
	{"an event about an object tells something else", `update object_events set data = '{}' where number = 1`, "M4"},
	{"a notice is dropped", `delete from expiry_notices where number = 1`, "M5"},
	{"a notice is of less", `update expiry_notices set remaining = remaining - 1`, "expiry_notices"},
	{"lots are to be announced later", `update wallets set next_notice = NOWHERE, next_notice_lot = 0 where next_notice_lot <> 0`, "L7"},
	{"an answer is missing", `delete from request_answers where route = 'POST /customers' and key = 'key Zoë'`, "request_answers"},
	{"an answer is kept for ever", `update request_answers set keep_until = KEEP`, "keep_until"},
	{"an answer is another", `update request_answers set answer = fingerprint`, "answer"},
}

// scriptFor says a plant in the words of a store.
func scriptFor(to side, script string) string {
	if to.url != "" {
		script = strings.ReplaceAll(strings.ReplaceAll(script, "KEEP", "null"), "NOWHERE", "null")
		return strings.ReplaceAll(script, "TENANTID", "customer_id")
	}
	if strings.Contains(script, "cus_more") {
		script += "; insert into customer_events (customer, kind, position, after_entry) values (100001, 'made', 0, 0)"
	}
	if strings.Contains(script, "set no = no + 100000") {
		// The file's own references go along, so that only the order is wrong.
		for _, table := range []string{"wallets", "wallet_lots", "lot_marks", "ledger_entries", "customer_marks", "wallet_marks", "audit_entries", "holds",
			"hold_events", "objects", "object_events", "expiry_notices", "customer_events"} {
			script += "; update " + table + " set customer = customer + 100000 where customer = 3"
		}
	}
	script = strings.ReplaceAll(strings.ReplaceAll(script, "KEEP", "0"), "NOWHERE", "0")
	return strings.ReplaceAll(script, "TENANTID", "id")
}

// Whatever a copy does wrong, it is found before the copy may be used.
func TestPlantedBugsAreFound(t *testing.T) {
	t.Parallel()
	first := side{dir: smallInstallation(t)}
	postgresCopy := emptyDatabase(t)
	mustTransfer(t, first, postgresCopy)
	for k, kind := range []string{"embedded", "PostgreSQL"} {
		for i, plant := range plants {
			if i%2 != k && !*plantsFlag {
				continue // what proves a copy is the same over both stores
			}
			t.Run(kind+" "+plant.name, func(t *testing.T) {
				from, to := postgresCopy, emptyDir(t)
				if kind == "PostgreSQL" {
					from, to = first, emptyDatabase(t)
				}
				plantOne(t, from, to, scriptFor(to, plant.script), plant.want)
			})
		}
	}
}

func plantOne(t *testing.T, from, to side, script, want string) {
	t.Helper()
	source, closeSource, err := from.openSource(t)
	must(t, err)
	defer closing(t, "source", closeSource)
	target, closeTarget, err := to.openTarget(t)
	must(t, err)
	_, err = transfer.Run(t.Context(), source, target, transfer.Options{
		Name: "the source", SecretCheck: secretCheck, VerifySource: from.verify,
		VerifyTarget: func(ctx context.Context) (int64, error) {
			tamper(t, to, script)
			return to.verify(ctx)
		},
	})
	closing(t, "target", closeTarget)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("a copy with a planted bug: got error %v, want one about %q", err, want)
	}
	t.Log(err)
	wantUnfinished(t, to)
}
