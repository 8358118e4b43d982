package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fakeLedger answers posts and lists as the server does, from memory, and can
// be made to lie.
type fakeLedger struct {
	mutex   sync.Mutex
	entries map[string][]listedEntry // by customer, oldest first
	posts   int

	// busy answers every n-th post with 503, after it was applied or without.
	busy        int
	applyBusy   bool
	emptyWallet string // a customer whose debits are refused
}

func (l *fakeLedger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	customer := strings.Split(r.URL.Path, "/")[2]
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+apiKey {
		http.Error(w, "no key", http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodPost {
		l.post(w, r, customer)
		return
	}
	l.list(w, r, customer)
}

func (l *fakeLedger) post(w http.ResponseWriter, r *http.Request, customer string) {
	var body struct {
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
		Type     string `json:"entry_type"`
		Reason   string `json:"reason"`
		Key      string `json:"idempotency_key"`
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil || body.Currency != "USD" || body.Reason == "" {
		http.Error(w, "cannot read", http.StatusUnprocessableEntity)
		return
	}
	if customer == l.emptyWallet && body.Type == "debit" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":"INSUFFICIENT_WALLET_FUNDS","message":"Insufficient funds in wallet"}`)
		return
	}
	l.posts++
	isBusy := l.busy > 0 && l.posts%l.busy == 0
	if isBusy && !l.applyBusy {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	e := listedEntry{Key: body.Key, Seq: 1, Amount: body.Amount, IsCredit: body.Type == "credit", After: 1_000_000}
	if all := l.entries[customer]; len(all) > 0 {
		e.Seq, e.After = all[len(all)-1].Seq+1, all[len(all)-1].After
	}
	if e.After += e.Amount; !e.IsCredit {
		e.After -= 2 * e.Amount
	}
	l.entries[customer] = append(l.entries[customer], e)
	if isBusy {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, `{"customer_id":"%s","currency":"USD","balance":%d,"available":%d,"seq":%d}`, customer, e.After, e.After, e.Seq)
}

func (l *fakeLedger) list(w http.ResponseWriter, r *http.Request, customer string) {
	before, err := strconv.Atoi(r.URL.Query().Get("cursor"))
	if err != nil {
		before = len(l.entries[customer])
	}
	from := max(0, before-listedPage)
	p := page{Items: slices.Clone(l.entries[customer][from:before])}
	slices.Reverse(p.Items)
	if from > 0 {
		next := strconv.Itoa(from)
		p.Next = &next
	}
	if err := json.NewEncoder(w).Encode(p); err != nil {
		panic(err)
	}
}

// loaded returns a fake ledger, what was posted to it and where it is. Each of
// its three customers has two entries from before.
func loaded(t *testing.T, change func(*fakeLedger)) (*fakeLedger, *ledgerLoad, string) {
	t.Helper()
	fake := &fakeLedger{entries: make(map[string][]listedEntry)}
	load := &ledgerLoad{population: &population{ids: []string{"cus_a", "cus_b", "cus_c"}, base: []int64{2, 2, 2}}}
	for _, id := range load.population.ids {
		fake.entries[id] = []listedEntry{{Key: "old", Seq: 1, After: 100}, {Key: "older", Seq: 2, After: 1000}}
	}
	if change != nil {
		change(fake)
	}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	addr := server.Listener.Addr().String()
	for range 3 {
		post(t, addr, load.writer(-1), 60)
	}
	return fake, load, addr
}

// post posts so many entries through one connection.
func post(t *testing.T, addr string, writer *entryWriter, entries int) {
	t.Helper()
	c, err := dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	w := worker{client: c, requester: writer}
	for range entries {
		if _, err := w.exchange(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
}

func TestAnHonestLedgerPasses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fakeLedger){
		"all acknowledged":  nil,
		"some refused":      func(l *fakeLedger) { l.emptyWallet = "cus_b" },
		"busy, not applied": func(l *fakeLedger) { l.busy = 7 },
		"busy, but applied": func(l *fakeLedger) { l.busy, l.applyBusy = 7, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, load, addr := loaded(t, change)
			total, result, err := load.check(t.Context(), addr)
			if err != nil {
				t.Fatal(err)
			}
			var want int64
			for _, entries := range fake.entries {
				want += int64(len(entries))
			}
			if total != want || result.customers != 3 {
				t.Errorf("got %d entries of %d customers, want %d of 3", total, result.customers, want)
			}
			if refused := result.refused > 0; refused != (fake.emptyWallet != "") {
				t.Errorf("got %d refused, want some: %v", result.refused, fake.emptyWallet != "")
			}
			if sure := want - 6; !fake.applyBusy && result.acknowledged != sure {
				t.Errorf("got %d acknowledged, want %d", result.acknowledged, sure)
			}
		})
	}
}

func TestEveryLieIsFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		lie  func(entries []listedEntry) []listedEntry
		want string
	}{
		{"lost", func(e []listedEntry) []listedEntry { return slices.Delete(e, 5, 6) }, "the acknowledged entry 6 is lost"},
		{"last one lost", func(e []listedEntry) []listedEntry { return e[:len(e)-1] }, "is lost"},
		{"doubled", func(e []listedEntry) []listedEntry {
			again := e[5]
			again.Seq = e[len(e)-1].Seq + 1
			return append(e, again)
		}, "was not acknowledged"},
		{"made up", func(e []listedEntry) []listedEntry {
			return append(e, listedEntry{Key: "made-up", Seq: e[len(e)-1].Seq + 1})
		}, `has the key "made-up", which was never sent`},
		{"another amount", func(e []listedEntry) []listedEntry { e[5].Amount++; return e }, "acknowledged were"},
		{"another direction", func(e []listedEntry) []listedEntry { e[5].IsCredit = !e[5].IsCredit; return e }, "acknowledged were"},
		{"another balance", func(e []listedEntry) []listedEntry { e[5].After++; return e }, "acknowledged were"},
		{"another key", func(e []listedEntry) []listedEntry { e[5].Key = e[6].Key; return e }, "the acknowledged entry 6 is lost"},
		{"another order", func(e []listedEntry) []listedEntry { e[5], e[6] = e[6], e[5]; return e }, "entry 6 follows entry 8"},
		{"everything lost", func(e []listedEntry) []listedEntry { return e[:2] }, "is lost"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake, load, addr := loaded(t, nil)
			fake.mutex.Lock()
			fake.entries["cus_b"] = test.lie(fake.entries["cus_b"])
			fake.mutex.Unlock()
			_, _, err := load.check(t.Context(), addr)
			if !errors.Is(err, errDiffers) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "cus_b") {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestWhatIsSettledIsNotCheckedTwice(t *testing.T) {
	t.Parallel()
	_, load, addr := loaded(t, nil)
	total, _, err := load.check(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	load.settle()
	again, result, err := load.check(t.Context(), addr)
	if err != nil || again != total || result.acknowledged != 0 {
		t.Errorf("got %d entries, %d acknowledged, error %v, want %d, none and none", again, result.acknowledged, err, total)
	}
}
