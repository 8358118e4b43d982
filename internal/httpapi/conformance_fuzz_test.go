package httpapi_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/apitest"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
)

var (
	fuzzRequests = flag.Int("api-requests", 20_000, "how many requests the API fuzz test sends to each store")
	fuzzSeed     = flag.Uint64("api-seed", 0, "seed of the API fuzz test, 0 for a new one")
)

const fuzzWorkers = 4

// shopper is what the fuzz test knows of one tenant. Every text that it writes
// holds its canary, which nobody else may ever read.
type shopper struct {
	tenant      ledger.Tenant
	canary      string
	write, read string // keys

	mu        sync.Mutex
	customers []string
	entries   []string // their paths
	transfers []string // their paths
	holds     []string // their paths
	webhooks  []string
	delivered []string // paths of what is to be sent to them
	lots      []string // their paths, and some of entries that opened none
	cursors   []string
	products  []string
	methods   []string // their paths
	payments  []string
	invoices  []string
	refunds   []string
	rules     []string // paths of automatic top-ups
	session   string   // of a customer in the portal

	plans         []string // products that are subscribed to
	subscriptions []string
	charged       []string // paths of charges on demand
	scheduled     []string // paths of changes of plan that wait
}

// fuzz is one run of the test.
type fuzz struct {
	*rig
	shoppers []*shopper
	requests int

	mu       sync.Mutex
	met      map[string]int // by operation, status and code
	posted   int            // entries that were acknowledged as new
	echoes   int            // answers that held the tenant's own canary
	failures int
}

// TestFuzz sends random requests of several tenants from several workers at
// once, and wants no answer of 500 or above, none that the contract does not
// know, no byte of one tenant in an answer to another, and all laws kept.
func TestFuzz(t *testing.T) {
	t.Parallel()
	seed := *fuzzSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		requests := *fuzzRequests / raceSlowdown
		if strings.HasSuffix(t.Name(), "/model") {
			requests /= 2 // the model has few ways to go wrong
		}
		t.Logf("seed %d; again with: go test ./internal/httpapi -run %s -api-seed %d -api-requests %d", seed, t.Name(), seed, *fuzzRequests)
		f := newFuzz(t, open(t))
		f.requests = requests
		var workers sync.WaitGroup
		for n := range fuzzWorkers {
			workers.Go(func() { f.work(rand.New(rand.NewPCG(seed, uint64(n))), requests/fuzzWorkers) })
		}
		workers.Wait()
		f.report()
		var tenants []ledger.Tenant
		for _, shopper := range f.shoppers {
			tenants = append(tenants, shopper.tenant)
		}
		if got := f.checkLaws(tenants...) - f.legs(tenants); got != f.posted {
			t.Errorf("entries in the ledger: got %d, want the %d that were acknowledged", got, f.posted)
		}
	})
}

// newFuzz makes two businesses with both modes each and one customer in each.
func newFuzz(t testing.TB, stores storetest.Stores) *fuzz {
	t.Helper()
	f := &fuzz{rig: newRig(t, stores, rigOptions{}), met: map[string]int{}}
	for n, name := range []string{"first", "second"} {
		made := f.business("business canary-" + name + "-name")
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			s := &shopper{
				tenant: ledger.Tenant{BusinessID: made.Business.ID, Mode: mode},
				canary: fmt.Sprintf("canary-%d-%s", n, mode),
				write:  map[ledger.Mode]string{ledger.Test: made.TestKey, ledger.Live: made.LiveKey}[mode],
			}
			_, s.read = f.key(s.tenant, access.Read, time.Time{})
			s.customers = []string{f.customer(s.write, s.canary)}
			f.must(http.StatusOK, s.write, "POST", entriesOf(s.customers[0]), `{"amount":100000,"currency":"USD","entry_type":"credit"}`)
			f.posted++
			id, event := f.webhook(s.write, s.customers[0])
			f.posted++
			s.webhooks, s.delivered = []string{id}, []string{"/webhooks/" + id + "/deliveries/" + event}
			s.products = []string{f.product(s.write)}
			f.refunded(s)
			s.session = f.rig.session(s.write, s.customers[0])
			f.subscribed(s)
			if mode == ledger.Test {
				for _, currency := range []string{"USD", "INR"} {
					rule := "/customers/" + s.customers[0] + "/wallets/" + currency + "/auto-top-up"
					f.must(http.StatusOK, s.write, "PUT", rule, autoTopUpBody)
					s.rules = append(s.rules, rule)
				}
			}
			f.shoppers = append(f.shoppers, s)
		}
	}
	return f
}

// refunded has the customer of a tenant pay for something, and get a part of it back.
func (f *fuzz) refunded(s *shopper) {
	f.Helper()
	id := f.must(http.StatusOK, s.write, "POST", "/payments", paymentBody(s.customers[0], s.products[0], ""))["payment_id"].(string)
	made := f.must(http.StatusOK, s.write, "POST", "/refunds", `{"payment_id":"`+id+`","amount":1}`)
	s.payments, s.refunds = []string{id}, []string{made["refund_id"].(string)}
}

// subscribed has the customer of a tenant subscribe, with a change of plan that waits, and
// on demand.
func (f *fuzz) subscribed(s *shopper) {
	f.Helper()
	s.plans = []string{f.plan(s.write)}
	for range 3 {
		id := f.subscribe(s.write, s.customers[0], s.plans[0], "")
		f.must(http.StatusOK, s.write, "POST", "/subscriptions/"+id+"/change-plan", planBody(s.plans[0], atNext))
		s.subscriptions = append(s.subscriptions, f.subscribe(s.write, s.customers[0], s.plans[0], ""), id)
		s.scheduled = append(s.scheduled, "/subscriptions/"+id+"/change-plan/scheduled")
		s.charged = append(s.charged, "/subscriptions/"+f.subscribe(s.write, s.customers[0], s.plans[0], mandateOnly)+"/charge")
	}
}

// work sends requests one after the other.
func (f *fuzz) work(random *rand.Rand, requests int) {
	client := apitest.Client(f, f.contracts...)
	s := f.shoppers[0]
	g := &grammar{Rand: random, operations: f.contracts[0].Operations(), badness: 20, texts: f.texts(s)}
	for range requests {
		if f.tooMany() {
			return
		}
		// A tenant stays for a while, so that it meets what it has made.
		if random.IntN(10) == 0 {
			s = f.shoppers[random.IntN(len(f.shoppers))]
			g.texts, g.last = f.texts(s), fuzzed{}
		}
		key := s.write
		if random.IntN(20) == 0 {
			key = s.read
		}
		if random.IntN(200) == 0 {
			f.clock.Move(time.Duration(random.IntN(int(time.Hour))))
		}
		next := g.next()
		if strings.HasPrefix(next.path, "/customer-portal/") && random.IntN(20) > 0 {
			s.mu.Lock()
			key = s.session
			s.mu.Unlock()
		}
		f.send(client, s, next, key)
	}
}

// tooMany ends a run that has failed often enough.
func (f *fuzz) tooMany() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failures > 10
}

func (f *fuzz) blame(format string, args ...any) {
	f.Helper()
	f.mu.Lock()
	f.failures++
	f.mu.Unlock()
	f.Errorf(format, args...)
}

// texts are what a tenant writes.
func (f *fuzz) texts(s *shopper) map[string]func(*grammar) string {
	own := func(kind func(*shopper) []string) func(*grammar) string {
		return func(g *grammar) string {
			from := s
			if g.IntN(10) == 0 {
				from = f.shoppers[g.IntN(len(f.shoppers))]
			}
			from.mu.Lock()
			defer from.mu.Unlock()
			if all := kind(from); len(all) > 0 {
				return g.pick(all)
			}
			return "/none"
		}
	}
	text := func(format string) func(*grammar) string {
		return func(g *grammar) string { return fmt.Sprintf(format, s.canary, g.IntN(30)) }
	}
	return map[string]func(*grammar) string{
		"customer_id":         own(func(s *shopper) []string { return s.customers }),
		"entry_path":          own(func(s *shopper) []string { return s.entries }),
		"transfer_path":       own(func(s *shopper) []string { return s.transfers }),
		"transfer_id":         func(*grammar) string { return "trf_0VCcGn8i000000bB9wXcP" },
		"hold_path":           own(func(s *shopper) []string { return s.holds }),
		"hold_id":             func(*grammar) string { return "hld_0VCcGn8i000000bB9wXcP" },
		"webhook_id":          own(func(s *shopper) []string { return s.webhooks }),
		"id":                  own(func(s *shopper) []string { return s.products }),
		"brand_id":            func(*grammar) string { return s.tenant.BusinessID },
		"delivery_path":       own(func(s *shopper) []string { return s.delivered }),
		"event_id":            func(*grammar) string { return "evt_cwt_0VCcGn8i000000bB9wXcP" },
		"url":                 text("https://example.com/%s/%d"),
		"description":         text("%s, number %d"),
		"iterator":            own(func(s *shopper) []string { return s.webhooks }),
		"since":               func(*grammar) string { return "2026-03-01T12:00:00Z" },
		"lot_path":            own(func(s *shopper) []string { return s.lots }),
		"to_customer_id":      own(func(s *shopper) []string { return s.customers }),
		"entry_id":            func(*grammar) string { return "cwt_0VCcGn8i000000bB9wXcP" },
		"cursor":              own(func(s *shopper) []string { return s.cursors }),
		"types":               func(g *grammar) string { return g.pick([]string{"wallet.credited", "customer.updated,wallet.debited"}) },
		"email":               text("%s-%d@example.com"),
		"name":                text("%s %d"),
		"reason":              text("%s because %d"),
		"reference_object_id": text("pay_%s_%d"),
		"idempotency_key":     func(g *grammar) string { return fmt.Sprintf("%s key %d", s.canary, g.IntN(500)) },
		"phone_number":        func(g *grammar) string { return fmt.Sprintf("+1415555%04d", g.IntN(10000)) },
		"currency":            func(g *grammar) string { return g.pick([]string{"USD", "USD", "USD", "USD", "INR", "INR", "EUR"}) },
		"enabled_currencies":  func(g *grammar) string { return g.pick([]string{"USD", "USD", "INR", "EUR"}) },
		"expires_at": func(g *grammar) string {
			return f.clock.Now().Add(time.Duration(g.IntN(int(3 * time.Hour)))).Format(time.RFC3339Nano)
		},
		"created_at_gte": func(*grammar) string { return "2026-03-01T12:00:00Z" },
		"created_at_lte": func(g *grammar) string { return f.clock.Now().Format(time.RFC3339Nano) },
		"as_of": func(g *grammar) string {
			return f.clock.Now().Add(-time.Duration(g.IntN(int(3 * time.Hour)))).Format(time.RFC3339Nano)
		},
		"from":        func(g *grammar) string { return f.clock.Now().AddDate(0, 0, -g.IntN(400)).Format(time.DateOnly) },
		"to":          func(g *grammar) string { return f.clock.Now().AddDate(0, 0, 2-g.IntN(30)).Format(time.DateOnly) },
		"lot_seq":     func(g *grammar) string { return fmt.Sprint(1 + g.IntN(30)) },
		"method_path": own(func(s *shopper) []string { return s.methods }),
		"payment_id":  own(func(s *shopper) []string { return s.payments }),
		"rule_path":   own(func(s *shopper) []string { return s.rules }),
		"refund_id":   own(func(s *shopper) []string { return s.refunds }),
		"destination": func(g *grammar) string { return g.pick([]string{"original", "wallet"}) },
		"invoice_id":  own(func(s *shopper) []string { return s.invoices }),
		"product_id": func(g *grammar) string {
			if g.IntN(2) == 0 {
				return own(func(s *shopper) []string { return s.plans })(g)
			}
			return own(func(s *shopper) []string { return s.products })(g)
		},
		"subscription_id":   own(func(s *shopper) []string { return s.subscriptions }),
		"charge_path":       own(func(s *shopper) []string { return s.charged }),
		"scheduled_path":    own(func(s *shopper) []string { return s.scheduled }),
		"zone":              func(g *grammar) string { return g.pick([]string{"UTC", "Asia/Kolkata"}) },
		"product_currency":  func(*grammar) string { return "USD" },
		"start_date":        func(*grammar) string { return "2026-03-01T12:00:00Z" },
		"end_date":          func(g *grammar) string { return f.clock.Now().Format(time.RFC3339Nano) },
		"next_billing_date": func(g *grammar) string { return f.clock.Now().AddDate(0, 0, 1+g.IntN(60)).Format(time.RFC3339Nano) },
		"payment_method_id": sandboxToken,
		"token":             sandboxToken,
		"country":           func(*grammar) string { return "US" },
		"billing_currency":  func(*grammar) string { return "USD" },
		"as_of_seq":         func(g *grammar) string { return fmt.Sprint(g.IntN(30)) },
	}
}

// send sends one request and judges the answer.
func (f *fuzz) send(client *http.Client, s *shopper, r fuzzed, key string) {
	request, err := r.wire(f.addr, key)
	if err != nil {
		f.blame("%s %s: got error %v, want a request", r.method, r.path, err)
		return
	}
	response, err := client.Do(request)
	if err != nil {
		f.judgeUnsent(r, err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.blame("%s %s: read the answer: got error %v, want none", r.method, r.path, err)
		return
	}
	code := ""
	if response.StatusCode >= http.StatusBadRequest && len(body) > 0 && body[0] == '{' {
		code = codeIn(f, body)
	}
	f.mu.Lock()
	if strings.Contains(string(body), s.canary) {
		f.echoes++
	}
	f.met[fmt.Sprintf("%-36s %d %s", r.operation, response.StatusCode, code)]++
	f.mu.Unlock()
	if response.StatusCode >= http.StatusInternalServerError {
		f.blame("%s %s %q %v: got status %d: %s", r.method, r.path, r.body, r.headers, response.StatusCode, body)
	}
	for _, other := range f.shoppers {
		if other != s && strings.Contains(string(body), other.canary) && !strings.Contains(r.path+r.body, other.canary) {
			f.blame("%s %s as %s: the answer holds what %s wrote: %s", r.method, r.path, s.canary, other.canary, body)
		}
	}
	if response.StatusCode == http.StatusOK && request.Header.Get("Authorization") == "Bearer "+key {
		f.remember(s, request, response, string(body))
	}
}

// judgeUnsent accepts that the client refuses to send a request.
func (f *fuzz) judgeUnsent(r fuzzed, err error) {
	if !strings.Contains(err.Error(), "invalid header field") {
		f.blame("%s %s: got error %v, want an answer", r.method, r.path, err)
	}
}

// remember keeps ids and cursors for later requests, and counts new entries.
func (f *fuzz) remember(s *shopper, request *http.Request, response *http.Response, body string) {
	path := request.URL.Path
	created := request.Method == http.MethodPost && (strings.Contains(path, "/wallets/ledger-entries") || strings.HasSuffix(path, "/capture"))
	if created && response.Header.Get("Idempotency-Replayed") == "" {
		f.mu.Lock()
		f.posted++
		f.mu.Unlock()
	}
	if request.Method == http.MethodPatch && strings.Contains(path, "/lots/") && response.Header.Get("Idempotency-Replayed") == "" {
		f.mu.Lock()
		f.posted += 2 // each move is two entries
		f.mu.Unlock()
	}
	if strings.HasSuffix(path, "/bulk") {
		applied := strings.Count(body, `"status":"applied"`)
		f.mu.Lock()
		f.posted += applied
		f.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, token, _ := strings.Cut(between(body, `"link":"`, `"`), "/portal/"); token != "" {
		s.session = token
	}
	if request.Method == http.MethodPost && path == "/customers" && len(s.customers) < 20 {
		s.customers = append(s.customers, between(body, `"customer_id":"`, `"`))
	}
	if id := between(body, `{"id":"`, `"`); id != "" && strings.HasSuffix(path, "/ledger-entries") && len(s.entries) < 500 {
		s.entries = append(s.entries, path+"/"+id)
	}
	if id := between(body, `{"transfer":{"transfer_id":"`, `"`); id != "" && len(s.transfers) < 500 {
		s.transfers = append(s.transfers, path+"/"+id)
	}
	if id := between(body, `{"hold":{"hold_id":"`, `"`); id != "" && strings.HasSuffix(path, "/holds") && len(s.holds) < 500 {
		s.holds = append(s.holds, path+"/"+id)
	}
	if id := between(body, `{"id":"`, `"`); id != "" && request.Method == http.MethodPost && path == "/webhooks" && len(s.webhooks) < 100 {
		s.webhooks = append(s.webhooks, id)
	}
	if id := between(body, `{"product_id":"`, `"`); id != "" && request.Method == http.MethodPost && len(s.products) < 100 {
		s.products = append(s.products, id)
	}
	if id := between(body, `{"event_id":"`, `"`); id != "" && strings.HasSuffix(path, "/deliveries") && len(s.delivered) < 100 {
		s.delivered = append(s.delivered, path+"/"+id)
	}
	if seq := between(body, `"seq":`, `,`); created && seq != "" && strings.HasSuffix(path, "/ledger-entries") && len(s.lots) < 500 {
		wallets := strings.TrimSuffix(path, "ledger-entries")
		s.lots = append(s.lots, wallets+between(body, `"currency":"`, `"`)+"/lots/"+strings.TrimRight(seq, "}"))
	}
	if id := between(body, `"payment_method_id":"`, `"`); id != "" && request.Method == http.MethodPost && strings.HasSuffix(path, "/payment-methods") {
		s.methods = append(s.methods, path+"/"+id)
	}
	pays := request.Method == http.MethodPost && (path == "/payments" || strings.HasSuffix(path, "/top-ups"))
	if id := between(body, `{"payment_id":"`, `"`); id != "" && pays {
		s.payments, s.invoices = append(s.payments, id), append(s.invoices, "inv_"+id[len("pay_"):])
	}
	if id := between(body, `{"refund_id":"`, `"`); id != "" && request.Method == http.MethodPost && path == "/refunds" {
		s.refunds = append(s.refunds, id)
	}
	subscribes := request.Method == http.MethodPost && path == "/subscriptions" && len(s.subscriptions) < 100
	if id := between(body, `"subscription_id":"`, `"`); id != "" && subscribes {
		s.subscriptions = append(s.subscriptions, id)
		s.charged = append(s.charged, "/subscriptions/"+id+"/charge")
		s.scheduled = append(s.scheduled, "/subscriptions/"+id+"/change-plan/scheduled")
	}
	if cursor := between(body, `"next_cursor":"`, `"`); cursor != "" && len(s.cursors) < 100 {
		s.cursors = append(s.cursors, cursor)
	}
}

// sandboxToken is a payment method of the sandbox.
func sandboxToken(g *grammar) string {
	return g.pick([]string{"pm_sandbox_ok", "pm_sandbox_ok", "pm_sandbox_declined", "pm_sandbox_processing", "pm_sandbox_timeout"})
}

// legs counts the entries of transfers, of which an answer does not tell the number.
func (f *fuzz) legs(tenants []ledger.Tenant) (entries int) {
	f.Helper()
	for _, tenant := range tenants {
		for _, customer := range f.customers(tenant) {
			history, err := storetest.ReadHistory(context.Background(), f.stores.Ledger, tenant, customer.ID)
			if err != nil {
				f.Fatalf("read the history of %s: got error %v, want none", customer.ID, err)
			}
			for _, e := range history.Entries {
				if e.Account == ledger.AccountTransfers && e.CreatedBy != ledger.SystemCreator {
					entries++
				}
			}
		}
	}
	return entries
}

// between returns the first text between two others, or "".
func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, closed := strings.Cut(rest, after)
	if !closed {
		return ""
	}
	return found
}

// report prints what was met, and fails when the run has not reached what it
// should: a fuzz test that only meets errors proves nothing.
func (f *fuzz) report() {
	f.Helper()
	total, codes := 0, map[string]bool{}
	for _, kind := range slices.Sorted(maps.Keys(f.met)) {
		f.Logf("%7d  %s", f.met[kind], kind)
		total += f.met[kind]
		codes[kind[strings.LastIndexByte(kind, ' ')+1:]] = true
	}
	f.Logf("%d requests, %d entries, %d different codes", total, f.posted, len(codes))
	if total < f.requests*9/10 && f.failures == 0 {
		f.Errorf("requests answered: got %d, want nearly all of %d", total, f.requests)
	}
	if f.requests < 5000 || f.failures > 0 {
		return
	}
	for _, route := range httpapi.Routes() {
		operation := ""
		for _, o := range f.contracts[0].Operations() {
			if o.Method == route.Method && o.Path == route.Pattern {
				operation = o.ID
			}
		}
		if f.met[fmt.Sprintf("%-36s %d ", operation, http.StatusOK)]+f.met[fmt.Sprintf("%-36s %d ", operation, http.StatusNoContent)] == 0 {
			f.Errorf("operation %s was never answered with 200 or 204", operation)
		}
	}
	if f.echoes < total/20 {
		f.Errorf("answers that hold what the caller's tenant wrote: got %d of %d, want at least one in 20", f.echoes, total)
	}
	if len(codes) < 25 {
		f.Errorf("different error codes: got %d, want at least 25", len(codes))
	}
}
