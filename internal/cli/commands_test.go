package cli

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sqlite"
)

// quiet is a server that is stopped: what it left on disk.
func quiet(t *testing.T) (dir, testKey string) {
	t.Helper()
	s := startServer(t, t.TempDir(), nil)
	customer := s.customer(t, s.testKey)
	run(t, s.environ(), "ledger", "credit", customer, "USD", "500").wantCode(t, exitDone)
	if code := s.stop(t); code != exitDone {
		t.Fatalf("stop: got %d\n%s", code, s.stderr)
	}
	return s.dir, s.testKey
}

func TestAdminVerbsWithAndWithoutAServer(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running=%t", running), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			admin := func(args ...string) result { return run(t, nil, append(args, "--data-dir", dir)...) }
			if running {
				startServer(t, dir, nil)
			} else {
				admin("business", "list").wantCode(t, exitFailed, "there is no database", "--data-dir")
				admin("keys", "create").wantCode(t, exitFailed, "there is no database")
				if _, err := os.Stat(dir); !os.IsNotExist(err) {
					t.Errorf("the data directory after a look at nothing: got %v, want none", err)
				}
			}
			made := decode[map[string]string](t, admin("business", "create", "Acme & Söhne", "-o", "json"))
			if len(made) != 3 || !strings.HasPrefix(made["business_id"], "bus_") ||
				!strings.HasPrefix(made["test_key"], "bf_test_") || !strings.HasPrefix(made["live_key"], "bf_live_") {
				t.Errorf("business create: got %v, want business_id, test_key and live_key", made)
			}
			admin("business", "list").wantCode(t, exitDone, "Acme & Söhne", made["business_id"])
			admin("business", "create", " ").wantCode(t, exitFailed, "INVALID_NAME")
			admin("business", "create").wantCode(t, exitUsage, "NAME is missing")
			admin("business", "create", "a", "b").wantCode(t, exitUsage, `unexpected argument "b"`)
			keysWork(t, admin, made["business_id"], running)
			link := decode[map[string]string](t, admin("team", "link", "--business", made["business_id"], "-o", "json"))
			if _, token, _ := strings.Cut(link["link"], "/dashboard/join#"); len(token) != 43 || link["business_id"] != made["business_id"] {
				t.Errorf("team link: got %v, want a link to join the business", link)
			}
			admin("team", "link").wantCode(t, exitDone, "becomes the owner", "/dashboard/join#")
			admin("team", "link", "--business", "bus_none").wantCode(t, exitFailed, "NOT_FOUND")
			admin("team", "reset", "nobody@example.com").wantCode(t, exitFailed, "NOT_FOUND")
			admin("team", "reset").wantCode(t, exitUsage, "EMAIL is missing")
		})
	}
}

func keysWork(t *testing.T, admin func(...string) result, business string, several bool) {
	t.Helper()
	args := []string{"keys", "create", "--mode", "live", "--scope", "read", "--name", "reports", "-o", "json"}
	if several {
		admin(args...).wantCode(t, exitUsage, "several businesses", "--business")
		args = append(args, "--business", business)
	}
	key := decode[map[string]any](t, admin(args...))
	id, _ := key["key_id"].(string)
	if secret, _ := key["key"].(string); !strings.HasPrefix(secret, "bf_live_") || key["scope"] != "read" || key["mode"] != "live" {
		t.Errorf("keys create: got %v, want a live read key", key)
	}
	table := admin("keys", "create", "--business", business).wantCode(t, exitDone, "shown only this once", "bf_test_")
	secret := strings.TrimSpace(table.stdout[strings.LastIndex(table.stdout, "\n\n"):])
	list := admin("keys", "list", "--business", business, "-o", "csv").wantCode(t, exitDone, id, "reports")
	rows, err := csv.NewReader(strings.NewReader(list.stdout)).ReadAll()
	if err != nil || len(rows) != 5 || strings.Contains(list.stdout, secret) {
		t.Errorf("keys list: got %d rows %v, want a header, two first keys and two more, without secrets", len(rows), err)
	}
	admin("keys", "revoke", id).wantCode(t, exitDone, id)
	revoked := decode[map[string]any](t, admin("keys", "revoke", id, "-o", "json"))
	if revoked["revoked_at"] == nil {
		t.Errorf("keys revoke: got %v, want revoked_at", revoked)
	}
	admin("keys", "revoke", "key_none").wantCode(t, exitFailed, "NOT_FOUND")
	admin("keys", "revoke").wantCode(t, exitUsage, "KEY is missing")
	admin("keys", "list", "--business", "bus_none").wantCode(t, exitFailed, "NOT_FOUND")
	for _, bad := range [][]string{
		{"--mode", "prod"}, {"--scope", "all"}, {"--name", ""}, {"--expires-at", "tomorrow"}, {"--business", "bus_none"},
	} {
		admin(append([]string{"keys", "create", "--business", business}, bad...)...).wantCode(t, exitFailed)
	}
}

func TestARevokedKeyStopsAtOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	run(t, s.environ(), "customers", "list").wantCode(t, exitDone, "No customers found.")
	list := decode[struct{ Items []keyView }](t, run(t, nil, "keys", "list", "-o", "json", "--data-dir", s.dir))
	for _, key := range list.Items {
		if key.Mode == "test" {
			run(t, nil, "keys", "revoke", key.KeyID, "--data-dir", s.dir).wantCode(t, exitDone)
		}
	}
	run(t, s.environ(), "customers", "list").wantCode(t, exitFailed, "UNAUTHORIZED")
}

func TestCustomers(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	made := decode[map[string]any](t, cli("customers", "create", "--email", "jane@example.com", "--name", "Jane Doe",
		"--phone-number", "+14155552671", "--metadata", "plan=pro", "--metadata", "note=a=b", "-o", "json"))
	id, _ := made["customer_id"].(string)
	metadata, _ := made["metadata"].(map[string]any)
	if metadata["plan"] != "pro" || metadata["note"] != "a=b" || made["phone_number"] != "+14155552671" {
		t.Errorf("create: got %v, want what was given", made)
	}
	for i := range 3 {
		cli("customers", "create", "--email", fmt.Sprintf("c%d@example.com", i), "--name", "=cmd()").wantCode(t, exitDone)
	}
	cli("customers", "show", id).wantCode(t, exitDone, "Jane Doe", "jane@example.com")
	cli("customers", "show", "cus_none").wantCode(t, exitFailed, "NOT_FOUND")
	cli("customers", "show", "../healthz").wantCode(t, exitFailed, "NOT_FOUND")
	cli("customers", "update", id, "--name", "Jane Roe").wantCode(t, exitDone, "Jane Roe", "jane@example.com")
	cli("customers", "update", id).wantCode(t, exitUsage, "nothing to change")
	cli("customers", "update", id, "--email", "nobody").wantCode(t, exitFailed, "INVALID_EMAIL")
	cli("customers", "create", "--name", "No mail").wantCode(t, exitUsage, "--email is missing")
	cli("customers", "update", id, "--metadata", "x").wantCode(t, exitUsage, `"x" is not name=value`)
	cli("customers", "update", id, "--metadata", "x=1", "--metadata", "x=2").wantCode(t, exitUsage, "given twice")
	cli("customers", "list", "--name", "roe").wantCode(t, exitDone, "Jane Roe")
	cli("customers", "list", "--email", "none@example.com").wantCode(t, exitDone, "No customers found.")
	if found := decode[items](t, cli("customers", "list", "-o", "json", "--limit", "2")); len(found.Items) != 2 {
		t.Errorf("list --limit 2: got %d", len(found.Items))
	}
	if found := decode[items](t, cli("customers", "list", "-o", "json", "--limit", "0")); len(found.Items) != 4 {
		t.Errorf("list --limit 0: got %d, want all 4", len(found.Items))
	}
	cli("customers", "list", "-o", "csv").wantCode(t, exitDone, "\ncus_", ",'=cmd(),")
	cli("customers", "list", "-o", "xml").wantCode(t, exitUsage, "table, json, csv")
}

func TestLedgerAndWallets(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	customer := s.customer(t, s.testKey)
	cli("ledger", "credit", customer, "USD", "5000", "--reason", "Deposit", "--reference-object-id", "pay_1",
		"--metadata", "a=b", "--idempotency-key", "deposit_1").wantCode(t, exitDone, "50.00")
	cli("ledger", "credit", customer, "USD", "5000", "--reason", "Deposit", "--reference-object-id", "pay_1",
		"--metadata", "a=b", "--idempotency-key", "deposit_1").wantCode(t, exitDone, "50.00", "nothing was moved now")
	cli("ledger", "credit", customer, "USD", "1", "--idempotency-key", "deposit_1").wantCode(t, exitFailed, "IDEMPOTENCY_KEY_REUSED")
	cli("ledger", "credit", customer, "usd", "--amount", "12.34", "--category", "promotional", "--expires-at", "2099-01-01T00:00:00Z").
		wantCode(t, exitDone, "62.34")
	cli("ledger", "debit", customer, "USD", "--amount", "2.3").wantCode(t, exitDone, "60.04")
	cli("ledger", "debit", customer, "USD", "6005").wantCode(t, exitFailed, "INSUFFICIENT_WALLET_FUNDS")
	cli("ledger", "credit", customer, "INR", "700").wantCode(t, exitDone, "7.00")
	cli("wallets", "list", customer).wantCode(t, exitDone, "USD", "60.04", "INR", "7.00")
	cli("wallets", "list", "cus_none").wantCode(t, exitFailed, "NOT_FOUND")
	cli("wallets", "list").wantCode(t, exitUsage, "CUSTOMER is missing")

	cli("ledger", "list", customer).wantCode(t, exitDone, "-2.30", "Deposit", "promotional")
	if found := decode[items](t, cli("ledger", "list", customer, "-o", "json")); len(found.Items) != 4 {
		t.Errorf("ledger list: got %d entries, want 4", len(found.Items))
	}
	for filter, want := range map[string]int{
		"--currency=INR": 1, "--entry-type=debit": 1, "--reference-object-id=pay_1": 1, "--idempotency-key=deposit_1": 1,
		"--event-type=refund": 0, "--created-at-gte=2099-01-01T00:00:00Z": 0, "--created-at-lte=2099-01-01T00:00:00Z": 4,
	} {
		if found := decode[items](t, cli("ledger", "list", customer, filter, "-o", "json")); len(found.Items) != want {
			t.Errorf("ledger list %s: got %d entries, want %d", filter, len(found.Items), want)
		}
	}
	cli("ledger", "list", customer, "--currency", "usd").wantCode(t, exitFailed, "UNSUPPORTED_CURRENCY")
	cli("ledger", "list", customer, "--event-type", "refund").wantCode(t, exitDone, "No entries found.")
	for _, bad := range []struct {
		args []string
		want string
	}{
		{[]string{customer, "USD"}, "give the amount once"},
		{[]string{customer, "USD", "1", "--amount", "1"}, "give the amount once"},
		{[]string{customer, "USD", "1.5"}, "--amount takes a decimal point"},
		{[]string{customer, "USD", "--amount", "1.234"}, "more decimal places than its currency"},
		{[]string{customer, "USD", "--amount", "1,50"}, "digits with at most one point"},
		{[]string{customer, "XXX", "1"}, "not a supported currency"},
		{[]string{customer}, "CURRENCY is missing"},
	} {
		cli(append([]string{"ledger", "debit"}, bad.args...)...).wantCode(t, exitUsage, bad.want)
	}
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone, "4 entries")
}

func TestLedgerReverse(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	customer := s.customer(t, s.testKey)
	cli("ledger", "credit", customer, "USD", "500").wantCode(t, exitDone, "5.00")
	cli("ledger", "debit", customer, "USD", "230").wantCode(t, exitDone, "2.70")
	list := cli("ledger", "list", customer, "--entry-type", "debit", "-o", "json")
	debit := decode[struct{ Items []struct{ ID string } }](t, list).Items[0].ID
	for range 2 {
		cli("ledger", "reverse", customer, debit, "200", "--reason", "Returned", "--idempotency-key", "r").wantCode(t, exitDone, "4.70")
	}
	cli("ledger", "reverse", customer, debit, "31").wantCode(t, exitFailed, "REVERSAL_EXCEEDS_ENTRY")
	cli("ledger", "reverse", customer, debit).wantCode(t, exitDone, "5.00")
	cli("ledger", "list", customer).wantCode(t, exitDone, "Returned", "2.00", "0.30")
	cli("ledger", "reverse", customer, debit, "2.00").wantCode(t, exitUsage, "minor units")
	cli("ledger", "reverse", customer).wantCode(t, exitUsage, "ENTRY is missing")
	cli("ledger", "reverse", customer, "cwt_none").wantCode(t, exitFailed, "NOT_FOUND", "cwt_none", "ledger list")
	cli("ledger", "debit", customer, "USD", "300").wantCode(t, exitDone, "2.00")
	list = cli("ledger", "list", customer, "--entry-type", "credit", "-o", "json")
	credits := decode[struct{ Items []struct{ ID string } }](t, list).Items
	credit := credits[len(credits)-1].ID
	cli("ledger", "reverse", customer, credit, "150").wantCode(t, exitDone, "0.50")
	cli("ledger", "reverse", customer, credit).wantCode(t, exitFailed, "REVERSAL_EXCEEDS_LOT", "50 minor units")
	cli("ledger", "reverse", customer, credit, "--allow-partial").wantCode(t, exitDone, "0.00")
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone, "7 entries")
}

func TestFreezing(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	customer := s.customer(t, s.testKey)
	cli("ledger", "credit", customer, "USD", "500").wantCode(t, exitDone)
	cli("customers", "audit", customer).wantCode(t, exitDone, "Nothing was changed.")
	cli("customers", "freeze", customer).wantCode(t, exitUsage, "--reason is missing")
	cli("customers", "freeze", customer, "--reason", "Card stolen").wantCode(t, exitDone, customer)
	cli("ledger", "debit", customer, "USD", "1").wantCode(t, exitFailed, "CUSTOMER_NOT_ACTIVE")
	cli("ledger", "credit", customer, "USD", "1").wantCode(t, exitDone)
	cli("customers", "freeze", customer, "--reason", "Court", "--scope", "everything", "--currency", "INR").wantCode(t, exitDone)
	cli("ledger", "credit", customer, "INR", "1").wantCode(t, exitFailed, "CUSTOMER_NOT_ACTIVE")
	cli("customers", "freeze", customer, "--reason", "Court", "--scope", "all").wantCode(t, exitFailed, "scope")
	cli("customers", "unfreeze", customer, "--reason", "Card replaced").wantCode(t, exitDone)
	cli("ledger", "debit", customer, "USD", "1").wantCode(t, exitDone)
	cli("ledger", "credit", customer, "INR", "1").wantCode(t, exitFailed, "CUSTOMER_NOT_ACTIVE")
	cli("customers", "unfreeze", customer, "--reason", "Lifted", "--currency", "INR").wantCode(t, exitDone)
	cli("ledger", "credit", customer, "INR", "1").wantCode(t, exitDone)
	cli("customers", "audit", customer).wantCode(t, exitDone, "customer.freeze", "customer.unfreeze", "Card replaced", "Court")
	cli("customers", "audit", customer, "--limit", "1").wantCode(t, exitDone, "Lifted", "--limit 0 lists all")
	cli("customers", "audit", "cus_none").wantCode(t, exitFailed, "cus_none")
	cli("customers", "freeze", "cus_none", "--reason", "x").wantCode(t, exitFailed, "cus_none")
}

func TestAlertsAtTheTerminal(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	customer := s.customer(t, s.testKey)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	alerts := func(args ...string) result {
		return cli(append([]string{"customers", "alerts", customer, "usd"}, args...)...)
	}
	alerts().wantCode(t, exitDone, "No alerts.")
	cli("ledger", "credit", customer, "USD", "5000").wantCode(t, exitDone)
	alerts("--below", "5.00:10.00", "--below", "20").wantCode(t, exitDone, "5.00", "10.00", "20.00", "armed", "the wallet")
	cli("ledger", "debit", customer, "USD", "4501").wantCode(t, exitDone)
	alerts().wantCode(t, exitDone, "low", "4.99")
	alerts("--none").wantCode(t, exitDone, "No alerts.")
	alerts("--default").wantCode(t, exitDone, "No alerts.")
	alerts("--below", "0").wantCode(t, exitFailed, "INVALID_THRESHOLDS")
	alerts("--below", "20", "--below", "10").wantCode(t, exitFailed, "rising order")
	alerts("--below", "a penny").wantCode(t, exitUsage, "--below a penny")
	alerts("--below", "20:").wantCode(t, exitUsage, "--below 20:")
	alerts("--none", "--default").wantCode(t, exitUsage, "one of")
	cli("customers", "alerts", customer, "dollars").wantCode(t, exitUsage, "not a supported currency")
	cli("customers", "alerts", "cus_none", "USD").wantCode(t, exitFailed, "cus_none")
	cli("customers", "audit", customer).wantCode(t, exitDone, "customer.alerts")
}

func TestListsWalkEveryPage(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	customer := s.customer(t, s.testKey)
	const entries = 2*pageSize + 5
	for range entries {
		s.do(t, http.MethodPost, customerPath(customer, "/wallets/ledger-entries"), s.testKey, `{"amount":1,"currency":"USD","entry_type":"credit"}`)
	}
	for limit, want := range map[string]int{"0": entries, "150": 150, "1000": entries} {
		found := decode[struct{ Items []entryView }](t, run(t, s.environ(), "ledger", "list", customer, "-o", "json", "--limit", limit))
		if len(found.Items) != want {
			t.Errorf("--limit %s: got %d entries, want %d", limit, len(found.Items), want)
		}
		for i, entry := range found.Items {
			if entry.Position != int64(entries-i) {
				t.Fatalf("--limit %s: item %d is position %d, want %d", limit, i, entry.Position, entries-i)
			}
		}
	}
}

func TestClientsWithoutAServer(t *testing.T) {
	t.Parallel()
	run(t, nil, "customers", "list").wantCode(t, exitUsage, "no API key", "BILLFOLD_API_KEY")
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	environ := []string{"BILLFOLD_API_KEY=x", "BILLFOLD_BASE_URL=" + closed.URL}
	run(t, environ, "customers", "list").wantCode(t, exitUnreachable, "no answer from "+closed.URL, "base-url")
	lost := run(t, environ, "ledger", "credit", "cus_x", "USD", "1").wantCode(t, exitUnreachable, "--idempotency-key cli_", "safe")
	if strings.Contains(run(t, environ, "ledger", "credit", "cus_x", "USD", "1").stderr, submatchKey(lost.stderr)) {
		t.Error("two commands made one key")
	}

	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("name") == "broken" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = w.Write([]byte("<html>\x1b[2J")) // the client has gone
	}))
	t.Cleanup(other.Close)
	environ[1] = "BILLFOLD_BASE_URL=" + other.URL
	run(t, environ, "customers", "list").wantCode(t, exitFailed, "did not answer as Billfold does")
	run(t, environ, "customers", "list", "--name", "broken").wantCode(t, exitUnreachable, "BAD_GATEWAY")
}

func submatchKey(text string) string {
	_, rest, _ := strings.Cut(text, "--idempotency-key ")
	key, _, _ := strings.Cut(rest, " ")
	return key
}

func TestVerify(t *testing.T) {
	t.Parallel()
	dir, _ := quiet(t)
	document := decode[verifyDocument](t, run(t, nil, "verify", "--data-dir", dir, "-o", "json"))
	if !document.Clean || document.Entries != 1 {
		t.Errorf("got %+v, want 1 entry and no finding", document)
	}
	run(t, nil, "verify", "--quick", "--data-dir", dir).wantCode(t, exitDone, "Every law holds")
	run(t, nil, "verify", "--data-dir", t.TempDir()).wantCode(t, exitUsage, "there is no database", "--data-dir")
	run(t, nil, "verify", "/nonexistent").wantCode(t, exitUsage, "there is no file")
	run(t, nil, "verify", "a", "b").wantCode(t, exitUsage)
	run(t, nil, "verify", "--unknown").wantCode(t, exitUsage)
	run(t, nil, "verify", write(t, filepath.Join(t.TempDir(), "x"), strings.Repeat("x", 9999))).wantCode(t, exitUsage, "damaged")

	damage(t, dir, "update wallets set balance = balance + 1, paid_sum = paid_sum + 1")
	r := run(t, nil, "verify", "--data-dir", dir).wantCode(t, exitFailed, "M3", "cus_", "restore")
	if strings.Contains(r.stdout, "Every law holds") {
		t.Errorf("got %s, want findings only", r.stdout)
	}
	if document := decodeFailed(t, run(t, nil, "verify", "--data-dir", dir, "-o", "json")); document.Clean {
		t.Errorf("got %+v, want findings", document)
	}
	run(t, nil, "serve", "--addr", "127.0.0.1:0", "--data-dir", dir).
		wantCode(t, exitFailed, "a law is broken in the newest entries", "billfold verify")
	run(t, nil, "doctor", "--data-dir", dir).wantCode(t, exitFailed, "newest entries", "FAIL")
	backup := filepath.Join(t.TempDir(), "backup.db")
	run(t, nil, "backup", backup, "--data-dir", dir).wantCode(t, exitFailed, "a law is broken", ".broken")
	if _, err := os.Stat(backup); !os.IsNotExist(err) {
		t.Errorf("the backup that does not verify: got %v, want none under its name", err)
	}
	run(t, nil, "restore", backup+".broken", "--data-dir", filepath.Join(t.TempDir(), "new")).wantCode(t, exitFailed, "a law is broken")
}

func decodeFailed(t *testing.T, r result) verifyDocument {
	t.Helper()
	r.wantCode(t, exitFailed)
	return decode[verifyDocument](t, result{stdout: r.stdout})
}

// damage changes a database behind its owner's back.
func damage(t *testing.T, dir, statement string) {
	t.Helper()
	conn, err := zombie.OpenConn(filepath.Join(dir, sqlite.FileName), zombie.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := sqlitex.ExecuteTransient(conn, statement, nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	customer := s.customer(t, s.testKey)
	run(t, s.environ(), "ledger", "credit", customer, "USD", "500").wantCode(t, exitDone)
	backup := filepath.Join(t.TempDir(), "backup.db")
	made := decode[copyDocument](t, run(t, nil, "backup", backup, "--data-dir", s.dir, "-o", "json"))
	if made.Entries != 1 || made.Customers != 1 || made.To != backup {
		t.Errorf("backup: got %+v, want 1 entry of 1 customer in %s", made, backup)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 || info.Size() != made.Bytes {
		t.Errorf("backup: got %v %v, want %d bytes for the owner alone", info, err, made.Bytes)
	}
	if left, err := os.ReadDir(filepath.Dir(backup)); err != nil || len(left) != 1 {
		t.Errorf("beside the backup: got %v %v, want the backup alone", left, err)
	}
	run(t, nil, "backup", filepath.Join(backup+"no", "x.db"), "--data-dir", s.dir).wantCode(t, exitFailed, "there is no directory")
	run(t, nil, "backup", backup, "--data-dir", s.dir).wantCode(t, exitFailed, "exists already")
	run(t, nil, "backup", backup+"2", "--data-dir", t.TempDir()).wantCode(t, exitFailed, "there is no database")
	run(t, nil, "backup", "--data-dir", s.dir).wantCode(t, exitUsage, "FILE is missing")
	run(t, nil, "restore", backup, "--data-dir", s.dir).wantCode(t, exitFailed, "is not empty")

	dir := filepath.Join(t.TempDir(), "restored")
	run(t, nil, "restore", backup, "--data-dir", dir).wantCode(t, exitDone, "Restored 1 entry of 1 customer", "every law holds")
	again := startServer(t, dir, nil)
	if status, body := again.do(t, http.MethodGet, customerPath(customer), s.testKey, ""); status != http.StatusOK {
		t.Errorf("the customer after the restore: got %d %s, want 200", status, body)
	}
	if again.testKey != "" {
		t.Error("the restored server made new keys")
	}
}

func TestRestoreRefusals(t *testing.T) {
	t.Parallel()
	source, _ := quiet(t)
	whole := filepath.Join(t.TempDir(), "whole.db")
	run(t, nil, "backup", whole, "--data-dir", source).wantCode(t, exitDone)
	text, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(t.TempDir(), sqlite.FileName)
	write(t, newer, string(text))
	damage(t, filepath.Dir(newer), `insert into schema_migrations select max(version) + 1, 'future', 'x', 0 from schema_migrations`)
	flipped := []byte(string(text))
	for i := len(flipped) / 4; i < len(flipped); i += 97 {
		flipped[i] ^= 0x55
	}
	for name, test := range map[string]struct{ path, want string }{
		"missing":   {filepath.Join(t.TempDir(), "none"), "there is no file"},
		"empty":     {write(t, filepath.Join(t.TempDir(), "x"), ""), "no backup of a ledger"},
		"text":      {write(t, filepath.Join(t.TempDir(), "x"), strings.Repeat("text ", 5000)), "no backup of a ledger"},
		"truncated": {write(t, filepath.Join(t.TempDir(), "x"), string(text[:len(text)/2])), "x"},
		"flipped":   {write(t, filepath.Join(t.TempDir(), "x"), string(flipped)), "x"},
		"newer":     {newer, "use the newer binary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			run(t, nil, "restore", test.path, "--data-dir", dir).wantCode(t, exitFailed, test.want)
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 0 {
				t.Errorf("the data directory afterwards: got %v %v, want it empty", left, err)
			}
		})
	}
}

func TestANewerSchemaIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	dir, _ := quiet(t)
	damage(t, dir, `insert into schema_migrations select max(version) + 1, 'future', 'x', 0 from schema_migrations`)
	for _, args := range [][]string{
		{"serve", "--addr", "127.0.0.1:0"}, {"business", "list"}, {"migrate", "status"},
	} {
		run(t, nil, append(args, "--data-dir", dir)...).wantCode(t, exitFailed, "use the newer binary")
	}
	run(t, nil, "doctor", "--data-dir", dir).wantCode(t, exitFailed, "FAIL", "use the newer binary")
}

func TestMigrateStatus(t *testing.T) {
	t.Parallel()
	dir, _ := quiet(t)
	steps := decode[[]migrationDocument](t, run(t, nil, "migrate", "status", "--data-dir", dir, "-o", "json"))
	if len(steps) == 0 {
		t.Fatal("got no steps")
	}
	for i, step := range steps {
		if step.Version != i+1 || step.Name == "" || !step.Applied {
			t.Errorf("step %d: got %+v, want it applied", i+1, step)
		}
	}
	run(t, nil, "migrate", "status", "--data-dir", t.TempDir()).wantCode(t, exitDone, "pending", "ledger")
	damage(t, dir, `update schema_migrations set checksum = 'x' where version = 1`)
	run(t, nil, "migrate", "status", "--data-dir", dir).wantCode(t, exitFailed, "do not belong together")
	run(t, nil, "migrate").wantCode(t, exitDone, "status")
	run(t, nil, "migrate", "--distribute").wantCode(t, exitUsage, "set database-url")
	run(t, nil, "migrate", "--shards", "8").wantCode(t, exitUsage, "goes with --distribute")
	run(t, nil, "migrate", "--distribute", "--shards", "0").wantCode(t, exitUsage, "is not between 1 and")
	unreachable := []string{"migrate", "--distribute", "--database-url", "postgres://user:hunter2@127.0.0.1:1/none"}
	run(t, nil, unreachable...).wantCode(t, exitFailed, "PostgreSQL at 127.0.0.1:1/none")
}

func TestSeed(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running=%t", running), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if running {
				startServer(t, dir, nil)
			}
			made := decode[seedDocument](t, run(t, nil, "seed", "--demo", "--customers", "25", "--months", "3", "--data-dir", dir, "-o", "json"))
			if made.Customers != 25 || made.Entries < 100 {
				t.Errorf("got %+v, want 25 customers and at least 100 entries", made)
			}
			run(t, nil, "verify", "--data-dir", dir).wantCode(t, exitDone, fmt.Sprintf("%d entries", made.Entries))
			if !running {
				s := startServer(t, dir, nil)
				environ := []string{"BILLFOLD_BASE_URL=" + s.base, "BILLFOLD_API_KEY=" + made.TestKey}
				if found := decode[items](t, run(t, environ, "customers", "list", "-o", "json", "--limit", "0")); len(found.Items) != 25 {
					t.Errorf("got %d customers, want 25", len(found.Items))
				}
			}
		})
	}
	dir := t.TempDir()
	run(t, nil, "seed", "--demo", "--customers", "2", "--data-dir", dir).wantCode(t, exitDone, "Made the business Demo", "test key")
	run(t, nil, "seed", "--data-dir", dir).wantCode(t, exitUsage, "--demo")
	run(t, nil, "seed", "--demo", "--customers", "0", "--data-dir", dir).wantCode(t, exitUsage, "--customers")
	run(t, nil, "seed", "--demo", "--months", "99", "--data-dir", dir).wantCode(t, exitUsage, "--months")
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	dir, _ := quiet(t)
	if err := os.Chmod(dir, 0o700); err != nil { // whatever the umask is that the test was started with
		t.Fatal(err)
	}
	findings := decode[[]finding](t, run(t, nil, "doctor", "--data-dir", dir, "-o", "json"))
	checks := map[string]string{}
	for _, found := range findings {
		checks[found.Check] = found.Status
		if found.Status != statusOK && found.Next == "" {
			t.Errorf("%s: got %s without a next step", found.Check, found.Status)
		}
	}
	for _, check := range []string{"data directory", "server", "secret key", "schema", "durability", "newest entries", "clock"} {
		if checks[check] != statusOK {
			t.Errorf("%s: got %q, want OK", check, checks[check])
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "doctor", "--data-dir", dir).wantCode(t, exitDone, "WARN", "chmod 700")
	write(t, filepath.Join(dir, secretKeyName), "damaged")
	run(t, nil, "doctor", "--data-dir", dir).wantCode(t, exitFailed, "secret key", "FAIL", "at least one check failed")
	run(t, nil, "doctor", "--data-dir", filepath.Join(dir, "none")).wantCode(t, exitFailed, "does not exist", "--data-dir")
	write(t, filepath.Join(dir, sqlite.FileName), strings.Repeat("x", 8192))
	run(t, nil, "doctor", "--data-dir", dir).wantCode(t, exitFailed, "schema", "restore")
	run(t, nil, "doctor", "--data-dir", t.TempDir()).wantCode(t, exitDone, "no database yet")
	away := run(t, []string{"BILLFOLD_NATS_URL=nats://me:s3cret@127.0.0.1:1", "BILLFOLD_KAFKA_BROKERS=127.0.0.1:1"},
		"doctor", "--data-dir", t.TempDir()).wantCode(t, exitDone, "nats", "kafka", "WARN", "docs/brokers.md")
	if strings.Contains(away.stdout, "s3cret") {
		t.Errorf("got a password shown: %s", away.stdout)
	}
	run(t, []string{"BILLFOLD_NATS_URL=nats://127.0.0.1:1", "BILLFOLD_NATS_CREDS=/none"}, "doctor", "--data-dir", t.TempDir()).
		wantCode(t, exitFailed, "message brokers", "nats-creds")
}

func TestBench(t *testing.T) {
	t.Parallel()
	small := []string{"bench", "--duration", "50ms", "--warmup", "1ms", "--rounds", "1", "--customers", "20", "--connections", "4",
		"--scenario", "spread", "--dir", t.TempDir()}
	// It forks by itself, so it gets a process of its own.
	runProcess(t, small...).wantCode(t, exitDone, "entries, spread", "none lost, doubled or different", "every law holds", "making 20 customers")
	if r := runProcess(t, append(small, "--quiet", "--markdown")...); r.code != exitDone || r.stderr != "" {
		t.Errorf("quiet: got %d and %q, want 0 and nothing", r.code, r.stderr)
	}
	run(t, nil, "bench", "--scenario", "nonsense").wantCode(t, exitFailed, `"nonsense" is no scenario`, "population")
	run(t, nil, "bench", "--rounds", "many").wantCode(t, exitUsage, "--rounds")
	run(t, nil, "__complete", "bench", "--scenario", "").wantCode(t, exitDone, "history")
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	run(t, s.environ(), "health").wantCode(t, exitDone, "ready")
	run(t, nil, "health", "--base-url", s.base).wantCode(t, exitDone, "ready")
	s.stop(t)
	run(t, s.environ(), "health").wantCode(t, exitUnreachable, "no answer from")
}

func TestHelpAndCompletion(t *testing.T) {
	t.Parallel()
	run(t, nil).wantCode(t, exitDone, "Run a server:", "serve", "verify", "customers")
	run(t, nil, "--help").wantCode(t, exitDone, "Run a server:")
	run(t, nil, "serve", "--help").wantCode(t, exitDone, "--data-dir", "./data", "BILLFOLD_DATA_DIR")
	run(t, nil, "keys").wantCode(t, exitDone, "create")
	run(t, nil, "serv").wantCode(t, exitUsage, `unknown command "serv"`, "did you mean serve")
	run(t, nil, "keys", "drop").wantCode(t, exitUsage, "drop")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		run(t, nil, "completion", shell).wantCode(t, exitDone, "billfold")
	}
	run(t, nil, "__complete", "keys", "").wantCode(t, exitDone, "revoke")
	run(t, nil, "__complete", "keys", "create", "--mode", "").wantCode(t, exitDone, "live")
	run(t, nil, "__complete", "customers", "list", "-o", "").wantCode(t, exitDone, "csv")
	run(t, nil, "version", "-o", "csv").wantCode(t, exitDone, "VERSION,COMMIT,GO,PLATFORM")
	if version := decode[versionDocument](t, run(t, nil, "version", "-o", "json")); version.Version == "" {
		t.Errorf("got %+v, want a version", version)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	const hostile = "a\x1b[2Jb\u202ec\nd"
	if got, want := printable(hostile), "a\uFFFD[2Jb\uFFFDc\uFFFDd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	table := renderTable(answer{columns: []string{"NAME"}, rows: [][]string{{hostile}}}, false)
	if strings.ContainsAny(table, "\x1b\u202e") {
		t.Errorf("table: got %q, want no control characters", table)
	}
}

func TestCSVCells(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"": "", "plain": "plain", "-12.34": "-12.34", "+1 (415) 555-2671": "+1 (415) 555-2671",
		"=1+1": "'=1+1", "+cmd|x": "'+cmd|x", "-x": "'-x", "@sum": "'@sum", "\tx": "'\tx",
	} {
		if got := csvCell(cell); got != want {
			t.Errorf("%q: got %q, want %q", cell, got, want)
		}
	}
}

func TestIDsOfOneProgramDiffer(t *testing.T) {
	t.Parallel()
	random := newRandom()
	seen := map[uint64]bool{}
	for range 1000 {
		seen[random()] = true
	}
	if other := newRandom(); len(seen) != 1000 || seen[other()] {
		t.Errorf("got %d different numbers of 1000", len(seen))
	}
	if ledger.CodeOf(errStopping) != ledger.CodeStorageUnavailable {
		t.Errorf("got %v, want an answer that asks to come back", errStopping)
	}
}
