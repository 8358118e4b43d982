package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/ledger"
)

// home is an installation that nobody serves, to move into.
func home(t *testing.T) (dir string, key string) {
	t.Helper()
	s := startServer(t, filepath.Join(t.TempDir(), "home"), nil)
	s.stop(t)
	return s.dir, s.testKey
}

// moveIn moves from a source into a directory.
func moveIn(t *testing.T, from, key, dir string, flags ...string) result {
	t.Helper()
	args := append([]string{"import", "dodo", "--base-url", from, "--data-dir", dir, "--mode", "test"}, flags...)
	return run(t, []string{"BILLFOLD_API_KEY=" + key}, args...)
}

// entries are those of a customer, newest first, without what belongs to the
// installation that holds them.
func (s *server) entries(t *testing.T, customer string) (entries []map[string]any) {
	t.Helper()
	for number := 0; ; number++ {
		var page struct {
			Items []map[string]any `json:"items"`
		}
		path := fmt.Sprintf("/customers/%s/wallets/ledger-entries?page_size=100&page_number=%d", customer, number)
		status, body := s.do(t, http.MethodGet, path, s.testKey, "")
		if json.Unmarshal([]byte(body), &page) != nil || status != http.StatusOK {
			t.Fatalf("entries: got %d %s", status, body)
		}
		if len(page.Items) == 0 {
			return entries
		}
		for _, entry := range page.Items {
			delete(entry, "business_id")
			delete(entry, "hash")
			entries = append(entries, entry)
		}
	}
}

// Another Billfold is the source. Everything is the same here afterwards, and
// what is posted there later comes with the next run.
func TestMoveInFromBillfold(t *testing.T) {
	t.Parallel()
	there := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) { t.Helper(); run(t, there.environ(), args...).wantCode(t, exitDone) }
	jane, john := there.customer(t, there.testKey), there.customer(t, there.testKey)
	idle := there.customer(t, there.testKey)
	cli("customers", "update", john, "--name", "John", "--phone-number", "+14155552671", "--metadata", "plan=pro")
	cli("ledger", "credit", jane, "USD", "5000", "--idempotency-key", "welcome", "--metadata", "b=2", "--metadata", "a=1")
	cli("ledger", "debit", jane, "USD", "1200", "--reason", "Seat", "--reference-object-id", "pay_1")
	cli("ledger", "credit", john, "INR", "700")
	rows := []string{"customer_id,currency,entry_type,amount"}
	for i := range 250 {
		rows = append(rows, fmt.Sprintf("%s,INR,%s,%d", john, []string{"credit", "debit"}[i%2], 100))
	}
	cli("import", "csv", spreadsheet(t, "many.csv", rows...))

	dir, _ := home(t)
	moveIn(t, there.base, there.testKey, dir, "--dry-run").wantCode(t, exitDone, "3 customers and 253 entries would be taken over; nothing was")
	want := movedDocument{
		Source: there.base, Mode: "test", Customers: 3, Entries: 253, TakenCustomers: 3, TakenEntries: 253, Reconciled: true,
		Currencies: []movedCurrency{
			{Currency: "INR", Wallets: 1, Entries: 251, Balance: 700}, {Currency: "USD", Wallets: 1, Entries: 2, Balance: 3800},
		},
		Differences: []difference{},
	}
	check := func() {
		t.Helper()
		got := decode[movedDocument](t, moveIn(t, there.base, there.testKey, dir, "-o", "json"))
		got.BusinessID = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		want.TakenCustomers, want.TakenEntries = 0, 0
	}
	check()
	check()
	cli("ledger", "debit", jane, "USD", "800", "--idempotency-key", "later")
	want.Entries, want.TakenEntries, want.Currencies[1].Entries, want.Currencies[1].Balance = 254, 1, 3, 3000
	check()
	moveIn(t, there.base, there.testKey, dir).wantCode(t, exitDone, "Every balance and all 254 entries of 3 customers are as in the source")

	run(t, nil, "verify", "--data-dir", dir).wantCode(t, exitDone, "254 entries")
	made := decode[map[string]any](t, run(t, nil, "keys", "create", "-o", "json", "--data-dir", dir))
	here := startServer(t, dir, nil)
	here.testKey, _ = made["key"].(string)
	for _, customer := range []string{jane, john, idle} {
		if diff := cmp.Diff(there.entries(t, customer), here.entries(t, customer)); diff != "" {
			t.Errorf("entries of %s (-there +here):\n%s", customer, diff)
		}
		if diff := cmp.Diff(there.balances(t, customer), here.balances(t, customer)); diff != "" {
			t.Errorf("balances of %s (-there +here):\n%s", customer, diff)
		}
		sameCustomer(t, customer, there, here)
	}
	// A client that sends its request again finds the entry by its key, and one that
	// knows the id finds it by that.
	run(t, here.environ(), "ledger", "credit", jane, "USD", "5000", "--idempotency-key", "welcome", "--metadata", "a=1", "--metadata", "b=2").
		wantCode(t, exitDone, "nothing was moved now")
	id, _ := here.entries(t, jane)[0]["id"].(string)
	if status, body := here.do(t, http.MethodGet, "/customers/"+jane+"/wallets/ledger-entries/"+id, here.testKey, ""); status != http.StatusOK {
		t.Errorf("entry %s: got %d %s", id, status, body)
	}
	run(t, here.environ(), "ledger", "reverse", jane, id).wantCode(t, exitDone, "38.00")
	here.stop(t)
	moveIn(t, there.base, there.testKey, dir).wantCode(t, exitFailed, "customer "+jane+": has 4 entries here and 3 in the source",
		"1 customer is not as in the source")
}

// sameCustomer compares what is published of a customer.
func sameCustomer(t *testing.T, customer string, there, here *server) {
	t.Helper()
	_, one := there.do(t, http.MethodGet, "/customers/"+customer, there.testKey, "")
	_, other := here.do(t, http.MethodGet, "/customers/"+customer, here.testKey, "")
	for _, member := range []string{"customer_id", "email", "name", "phone_number", "metadata", "created_at"} {
		if diff := cmp.Diff(members(t, one)[member], members(t, other)[member]); diff != "" {
			t.Errorf("%s of %s (-there +here):\n%s", member, customer, diff)
		}
	}
}

func members(t *testing.T, body string) (document map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatalf("got %s, want a JSON object", body)
	}
	return document
}

// foreign is another product that has the published API and no more. Its lists
// give three items at the most.
type foreign struct {
	*httptest.Server
	mutex     sync.Mutex
	customers []map[string]any            // newest first
	entries   map[string][]map[string]any // of a customer, newest first
	balances  map[string]map[string]int64 // by currency, where they are not those of the entries
	read      func(path string)           // called before each answer
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	f := &foreign{entries: map[string][]map[string]any{}, balances: map[string]map[string]int64{}, read: func(string) {}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// change changes the product while it may be asked.
func (f *foreign) change(do func()) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	do()
}

func (f *foreign) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.read(r.URL.Path)
	var document any
	number, _ := strconv.Atoi(r.URL.Query().Get("page_number")) // 0 without one
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Header.Get("Authorization") != "Bearer secret":
		w.WriteHeader(http.StatusUnauthorized)
		document = map[string]string{"code": "UNAUTHORIZED", "message": "no"}
	case len(parts) == 1:
		document = map[string]any{"items": pageOf(f.customers, number)}
	case len(parts) == 4:
		document = map[string]any{"items": pageOf(f.entries[parts[1]], number)}
	default:
		var items []map[string]any
		for currency, balance := range f.shown(parts[1]) {
			items = append(items, map[string]any{"customer_id": parts[1], "currency": currency, "balance": balance})
		}
		document = map[string]any{"items": items, "total_balance_usd": 0}
	}
	_ = json.NewEncoder(w).Encode(document) // the client may be gone
}

func pageOf(list []map[string]any, number int) []map[string]any {
	const size = 3
	from := min(number*size, len(list))
	return list[from:min(from+size, len(list))]
}

func (f *foreign) shown(customer string) map[string]int64 {
	if balances := f.balances[customer]; balances != nil {
		return balances
	}
	balances := map[string]int64{}
	for _, entry := range f.entries[customer] {
		currency := entry["currency"].(string)
		if _, newer := balances[currency]; !newer {
			balances[currency] = entry["after_balance"].(int64)
		}
	}
	return balances
}

func (f *foreign) customer(id string) {
	f.customers = append([]map[string]any{{
		"business_id": "bus_1", "customer_id": id, "email": id + "@example.com", "name": "Customer", "created_at": "2025-01-02T03:04:05.123Z",
	}}, f.customers...)
}

// post appends an entry; a debit has an amount below zero, as some show it.
func (f *foreign) post(customer, currency string, amount int64, changes map[string]any) {
	before := int64(0)
	for _, entry := range f.entries[customer] {
		if entry["currency"] == currency {
			before = entry["after_balance"].(int64)
			break
		}
	}
	n := len(f.entries[customer])
	entry := map[string]any{
		"id": fmt.Sprintf("wl_%s_%03d", customer[4:], n), "business_id": "bus_1", "customer_id": customer, "currency": currency,
		"amount": amount, "is_credit": amount > 0, "event_type": "merchant_adjustment", "before_balance": before,
		"after_balance": before + amount, "created_at": fmt.Sprintf("2025-02-03T04:05:%02d.000001Z", n/2),
		"reason": nil, "reference_object_id": nil,
	}
	for name, value := range changes {
		entry[name] = value
	}
	f.entries[customer] = append([]map[string]any{entry}, f.entries[customer]...)
}

func TestMoveInFromElsewhere(t *testing.T) {
	t.Parallel()
	there := newForeign(t)
	for i := range 7 {
		there.customer(fmt.Sprintf("cus_foreigner%d", i))
	}
	const jane = "cus_foreigner3"
	there.customers[0]["name"] = ""
	there.customers[1]["blocked_at"] = "2025-05-05T00:00:00Z"
	there.post(jane, "USD", 900, map[string]any{"reason": "Two\nlines", "event_type": "refund", "reference_object_id": "pay_1"})
	there.post(jane, "EUR", 50, nil)
	there.post(jane, "USD", -400, map[string]any{"event_type": "payment"})
	there.post(jane, "USD", -500, map[string]any{"amount": int64(500)})
	dir, _ := home(t)
	blocked := moveIn(t, there.URL, "secret", dir)
	blocked.wantCode(t, exitFailed, "7 customers and 4 entries taken over", "customer cus_foreigner5: is blocked in the source", "4 entries have ids of this")
	there.change(func() { there.customers[1]["blocked_at"] = nil })
	moveIn(t, there.URL, "secret", dir).wantCode(t, exitDone, "0 customers and 0 entries taken over",
		"Every balance and all 4 entries of 7 customers are as in the source", "EUR", "0.50")
	run(t, nil, "verify", "--data-dir", dir).wantCode(t, exitDone, "4 entries")

	made := decode[map[string]any](t, run(t, nil, "keys", "create", "-o", "json", "--data-dir", dir))
	here := startServer(t, dir, nil)
	here.testKey, _ = made["key"].(string)
	got := here.entries(t, jane)
	if len(got) != 4 || got[3]["reason"] != "Two lines" || got[3]["event_type"] != "refund" || got[3]["reference_object_id"] != "pay_1" ||
		got[1]["amount"] != 400.0 || got[1]["created_at"] != "2025-02-03T04:05:01.000001Z" {
		t.Errorf("got %v, want the entries of the source", got)
	}
	for i, entry := range got {
		want := map[string]any{"imported_entry_id": fmt.Sprintf("wl_foreigner3_%03d", 3-i)}
		if diff := cmp.Diff(want, entry["metadata"]); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
	}
	run(t, here.environ(), "customers", "show", "cus_foreigner6").wantCode(t, exitDone, "cus_foreigner6@example.com")
}

// What does not add up in the source is said and not taken over, and the others
// are.
func TestMoveInDoubts(t *testing.T) {
	t.Parallel()
	const jane = "cus_janejane"
	dir, _ := home(t)
	for want, change := range map[string]func(f *foreign){
		"some are missing":                    func(f *foreign) { f.entries[jane] = f.entries[jane][:2] },
		"leads from 0 to 900":                 func(f *foreign) { f.entries[jane][2]["amount"] = int64(901) },
		"is older than":                       func(f *foreign) { f.entries[jane][0]["created_at"] = "2024-01-01T00:00:00Z" },
		"was created at 2999":                 func(f *foreign) { f.entries[jane][0]["created_at"] = "2999-01-01T00:00:00Z" },
		"its entries lead to 350":             func(f *foreign) { f.balances[jane] = map[string]int64{"USD": 351} },
		"shows no wallet in USD":              func(f *foreign) { f.balances[jane] = map[string]int64{"INR": 0} },
		"is not a published event type":       func(f *foreign) { f.entries[jane][1]["event_type"] = "gift" },
		"amount must be at least 1":           func(f *foreign) { f.post(jane, "USD", 0, nil) },
		"not a supported currency":            func(f *foreign) { f.post(jane, "XBT", 1, nil) },
		"is of customer cus_another":          func(f *foreign) { f.entries[jane][0]["customer_id"] = "cus_another" },
		"is on two pages":                     func(f *foreign) { f.post(jane, "USD", 1, map[string]any{"id": "wl_janejane_000"}) },
		"email must be an address":            func(f *foreign) { f.customers[0]["email"] = "nobody" },
		"is no id of a customer":              func(f *foreign) { f.customers[0]["customer_id"] = "42" },
		"the customer was created at 0001":    func(f *foreign) { delete(f.customers[0], "created_at") },
		"is no id that can be noted":          func(f *foreign) { f.entries[jane][0]["id"] = "a b" },
		"move this installation with `billfo": func(f *foreign) { f.entries[jane][0]["expires_at"] = "2999-01-01T00:00:00Z" },
		"promotional, expires or undoes":      func(f *foreign) { f.entries[jane][2]["category"] = "promotional" },
		"undoes another":                      func(f *foreign) { f.entries[jane][2]["reverses"] = "wl_1" },
		"expires or undoes another, which":    func(f *foreign) { f.entries[jane][2]["counter_account"] = "expiry_moves" },
	} {
		there := newForeign(t)
		there.customer("cus_somebody")
		there.customer(jane)
		there.post(jane, "USD", 900, nil)
		there.post(jane, "USD", -500, nil)
		there.post(jane, "USD", -50, nil)
		change(there)
		r := moveIn(t, there.URL, "secret", dir).wantCode(t, exitFailed, want, "1 customer is not as in the source")
		if strings.Contains(r.stderr, "cus_somebody") {
			t.Errorf("%s: got %s, want nothing against another customer", want, r.stderr)
		}
	}
	run(t, nil, "verify", "--data-dir", dir).wantCode(t, exitDone, "0 entries", "1 customer")
}

// The source is used while it is read: what is seen is taken, the rest is named,
// and the next run fetches it.
func TestMoveInFromAMovingSource(t *testing.T) {
	t.Parallel()
	const jane = "cus_janejane"
	there := newForeign(t)
	there.customer(jane)
	for range 5 {
		there.post(jane, "USD", 10, nil)
	}
	moving := true
	there.read = func(path string) {
		// The balance is read last, so this is posted between reading and comparing.
		if moving && strings.HasSuffix(path, "/wallets") {
			there.post(jane, "USD", 1, nil)
		}
	}
	dir, _ := home(t)
	moveIn(t, there.URL, "secret", dir).wantCode(t, exitFailed, "the source shows a balance of", "0 entries taken over")
	there.change(func() { moving = false })
	moveIn(t, there.URL, "secret", dir).wantCode(t, exitDone, "1 customer and 11 entries taken over", "are as in the source")

	// One is posted when the customer was taken over and is yet to be compared.
	lists := 0
	there.change(func() {
		there.read = func(path string) {
			if path == "/customers" {
				lists++
			}
			// A walk over the customers asks for two pages, the second empty.
			if path == "/customers" && lists == 3 {
				there.post(jane, "USD", 1, nil)
			}
		}
	})
	moveIn(t, there.URL, "secret", dir).wantCode(t, exitFailed, "1 entry is missing here", "run the same command again")
	moveIn(t, there.URL, "secret", dir).wantCode(t, exitDone, "1 entry taken over")
}

// Killed between two customers: the next run goes on.
func TestMoveInKilled(t *testing.T) {
	t.Parallel()
	there := newForeign(t)
	for i := range 6 {
		id := fmt.Sprintf("cus_foreigner%d", i)
		there.customer(id)
		for range 20 {
			there.post(id, "USD", 3, nil)
		}
	}
	dir, _ := home(t)
	moving := command(t, "import", "dodo", "--base-url", there.URL, "--data-dir", dir, "--mode", "test")
	moving.Env = append(moving.Env, "BILLFOLD_API_KEY=secret")
	var started sync.WaitGroup
	started.Add(1)
	there.read = func(path string) {
		started.Wait()
		if strings.HasPrefix(path, "/customers/cus_foreigner2/") {
			_ = moving.Process.Kill() // it waits for this answer
		}
	}
	start(t, moving)
	started.Done()
	if err := moving.Wait(); err == nil || moving.ProcessState.ExitCode() != -1 {
		t.Fatalf("the command ended with %v, want it killed", err)
	}
	there.change(func() { there.read = func(string) {} })
	moveIn(t, there.URL, "secret", dir).wantCode(t, exitDone, "3 customers and 60 entries taken over",
		"Every balance and all 120 entries of 6 customers are as in the source")
	run(t, nil, "verify", "--data-dir", dir).wantCode(t, exitDone, "120 entries")
}

// busy is a store into which somebody else posts at the same time.
type busy struct{ ledger.Store }

func (busy) Customer(context.Context, ledger.Tenant, string) (ledger.Customer, error) {
	return ledger.Customer{}, ledger.Errorf(ledger.CodeNotFound, "nobody")
}

func (busy) CreateCustomer(context.Context, ledger.Customer, *ledger.Once) ([]byte, error) {
	return nil, nil
}

func (busy) TransactMany(_ context.Context, commands []ledger.Command, _ bool) ([]ledger.Outcome, error) {
	other := ledger.Snapshot{Chain: ledger.Chain{Position: 1}}
	_, err := commands[0].Decide(other)
	return nil, &ledger.LineError{Err: err}
}

func TestMoveInBesideAServer(t *testing.T) {
	t.Parallel()
	there := newForeign(t)
	there.customer("cus_somebody")
	there.customer("cus_janejane")
	there.post("cus_janejane", "USD", 900, nil)
	client := newAPIClient(Config{BaseURL: there.URL, APIKey: "secret"})
	defer client.http.CloseIdleConnections()
	m := &move{source: &source{client: client, now: time.Now}, store: busy{}, bar: &progress{}}
	if err := m.each(t.Context(), m.take); err != nil {
		t.Fatal(err)
	}
	want := []difference{{"cus_janejane", "the entry at position 1 does not follow position 1; does a server post here at the same time?"}}
	if diff := cmp.Diff(want, m.done.Differences); diff != "" || m.done.TakenCustomers != 2 || m.done.TakenEntries != 0 {
		t.Errorf("got %+v, want one customer left out (-want +got):\n%s", m.done, diff)
	}
}

func TestMoveInRefusals(t *testing.T) {
	t.Parallel()
	there := newForeign(t)
	dir, _ := home(t)
	run(t, nil, "import", "dodo", "--data-dir", dir).wantCode(t, exitUsage, "--base-url and --mode are missing")
	run(t, nil, "import", "dodo", "--base-url", there.URL, "--mode", "test", "--data-dir", dir).wantCode(t, exitUsage, "no API key", "BILLFOLD_API_KEY")
	moveIn(t, there.URL, "wrong", dir).wantCode(t, exitFailed, "UNAUTHORIZED")
	moveIn(t, there.URL, "secret", filepath.Join(dir, "none")).wantCode(t, exitFailed, "there is no database")
	moveIn(t, there.URL, "secret", dir, "--mode", "prod").wantCode(t, exitUsage, `"prod" is not test or live`)
	moveIn(t, there.URL, "secret", dir, "--business", "bus_none").wantCode(t, exitFailed, "there is no business bus_none")
	moveIn(t, there.URL, "secret", dir).wantCode(t, exitDone, "The source has no entries", "0 entries of 0 customers")
	run(t, nil, "business", "create", "Second", "--data-dir", dir).wantCode(t, exitDone)
	moveIn(t, there.URL, "secret", dir).wantCode(t, exitUsage, "several businesses", "--business")
	there.change(func() { there.customer("cus_somebody") })
	stuck := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = ""
		there.ServeHTTP(w, r)
	}))
	t.Cleanup(stuck.Close)
	other, _ := home(t)
	moveIn(t, stuck.URL, "wrong", other).wantCode(t, exitFailed, "UNAUTHORIZED")
	moveIn(t, stuck.URL, "secret", other).wantCode(t, exitFailed, "does not page by page_number")
	s := startServer(t, other, nil)
	moveIn(t, there.URL, "secret", other).wantCode(t, exitFailed, "is in use by process", "stop it first")
	s.stop(t)
}
