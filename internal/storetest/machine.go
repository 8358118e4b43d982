package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// RunMachine gives random commands to a store and to the model and compares
// every answer, and after every command everything that can be read. Beside
// the model, each outcome is compared with a verdict computed from the raw
// entries, and each history with the laws; neither shares code with the rules.
//
// The flags -rapid.checks and -rapid.steps say how much; a failure prints a
// short sequence of commands that shows it again.
func RunMachine(t *testing.T, open func(t testing.TB) Stores) {
	t.Helper()
	stores := open(t)
	ids := &dice{state: 7}
	rapid.Check(t, func(rt *rapid.T) { drive(rt, t, stores, ids) })
}

// drive is one check: a sequence of random commands. One store may serve many
// checks; each makes a business of its own in it.
func drive(rt *rapid.T, t testing.TB, stores Stores, ids *dice) {
	m := newMachine(rt, t, stores, ids)
	rt.Repeat(map[string]func(*rapid.T){
		"": m.compare,
		// Most commands move money: an action is drawn as often as it is named.
		"credit":       m.post(ledger.Credit),
		"credit more":  m.post(ledger.Credit),
		"debit":        m.post(ledger.Debit),
		"debit more":   m.post(ledger.Debit),
		"credits":      m.postMany,
		"bulk":         m.bulk,
		"sweep":        m.sweep,
		"sweep more":   m.sweep,
		"announce":     m.announce,
		"announce all": m.announceDue,
		"reverse":      m.reverse(ledger.Debit),
		"take back":    m.reverse(ledger.Credit),
		"lapse":        m.lapse,
		"move expiry":  m.moveExpiry,
		"move more":    m.moveExpiry,
		"freeze":       m.freeze,
		"alerts":       m.alerts,
		"hold":         m.makeHold,
		"hold more":    m.makeHold,
		"capture":      m.capture,
		"capture more": m.capture,
		"release":      m.release,
		"transfer":     m.transfer,
		"send":         m.transfer,
		"resume":       m.resume,
		"again":        m.again,
		"undo again":   m.reverseAgain,
		"move clock":   m.moveClock,
		"to expiry":    m.moveToExpiry,
		"to its end":   m.moveToExpiry,
		"read entries": m.listEntries,
		"read others":  m.readOthers,
		"others more":  m.readOthers,
		"others again": m.readOthers,
	})
}

// side is one of the two that are compared: the store or the model.
type side struct {
	ledger ledger.Store
	book   *ledger.Book
}

type machine struct {
	real, model side
	plain       *Model // the model without anything around it
	clock       *Clock
	complaints  *complaints
	tenants     []ledger.Tenant
	customers   []ledger.Customer
	requests    []ledger.PostRequest            // every one that was sent, to repeat it
	first       map[firstKey]ledger.PostRequest // the accepted one under each key
	reversals   []ledger.ReverseRequest         // every one that was sent, to repeat it
	firstUndo   map[firstKey]ledger.ReverseRequest
	moves       []ledger.MoveRequest // every one that was sent, to repeat it
	firstMove   map[firstKey]ledger.MoveRequest
	holds       []holdCall // every one that was sent, to repeat it
	firstHold   map[firstKey]holdCall
	frozen      map[walletName]ledger.FreezeScope
	defaults    ledger.Alerts // of the business
	touched     int           // the customer that the last command was about
	ids         *dice
	sharded     bool          // see [Stores]
	patience    time.Duration // see [Stores]
}

// firstKey is an idempotency key in its scope (law K5).
type firstKey struct {
	tenant          ledger.Tenant
	customerID, key string
}

func firstKeyOf(r *ledger.PostRequest) firstKey {
	return firstKey{r.Tenant, r.CustomerID, r.IdempotencyKey}
}

// complaints gathers what [checked] has to say, from whatever goroutine, until
// the machine can report it.
type complaints struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (c *complaints) Errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

func newMachine(rt *rapid.T, t testing.TB, stores Stores, ids *dice) *machine {
	m := &machine{
		clock: NewClock(epoch), complaints: &complaints{TB: t}, ids: ids, first: map[firstKey]ledger.PostRequest{},
		firstUndo: map[firstKey]ledger.ReverseRequest{},
		firstMove: map[firstKey]ledger.MoveRequest{},
		firstHold: map[firstKey]holdCall{},
		frozen:    map[walletName]ledger.FreezeScope{},
		sharded:   stores.Sharded,
		patience:  stores.waitsFor(),
	}
	model := NewModel()
	m.plain = model
	// Equal dice: each side draws the same numbers in the same order.
	seed := ids.next()
	newSide := func(store ledger.Store) side {
		return side{ledger: store, book: ledger.NewBook(store, m.clock.Now, (&dice{state: seed}).next)}
	}
	m.real, m.model = newSide(checked{Store: stores.Ledger, t: m.complaints}), newSide(model)
	business := access.Business{ID: ledger.NewID("bus_", epoch, [2]uint64{ids.next(), ids.next()}), Name: "Machine", CreatedAt: epoch}
	settings := defaultSettings()
	settings.ExpiryNoticeDays = 1
	for _, store := range []access.Store{stores.Access, model} {
		if err := store.CreateBusiness(t.Context(), business, settings, nil); err != nil {
			rt.Fatalf("create business: got error %v, want none", err)
		}
	}
	for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
		m.tenants = append(m.tenants, ledger.Tenant{BusinessID: business.ID, Mode: mode})
	}
	first := m.newCustomer(rt, m.tenants[0], "")
	m.newCustomer(rt, m.tenants[1], first.ID) // the same id in the other mode
	m.newCustomer(rt, m.tenants[0], "")
	return m
}

// newCustomer creates a customer on both sides; with an id of its own when id
// is empty.
func (m *machine) newCustomer(rt *rapid.T, tenant ledger.Tenant, id string) ledger.Customer {
	at := m.real.book.Now()
	if id == "" {
		id = ledger.NewID("cus_", at, [2]uint64{m.ids.next(), m.ids.next()})
	}
	c := ledger.Customer{
		Tenant: tenant, ID: id, Email: "m@example.com", Name: fmt.Sprintf("Customer %d", len(m.customers)), Metadata: "{}", CreatedAt: at, UpdatedAt: at,
	}
	for _, s := range []side{m.real, m.model} {
		if _, err := s.ledger.CreateCustomer(m.complaints.Context(), c, nil); err != nil {
			rt.Fatalf("create customer: got error %v, want none", err)
		}
	}
	m.customers = append(m.customers, c)
	m.touched = len(m.customers) - 1
	return c
}

// drawCustomer draws one of the customers and remembers it as touched.
func (m *machine) drawCustomer(rt *rapid.T) ledger.Customer {
	m.touched = rapid.IntRange(0, len(m.customers)-1).Draw(rt, "customer")
	return m.customers[m.touched]
}

// post returns the action that sends a new request: often small, sometimes at an edge, and sometimes
// under a key that may have been used.
func (m *machine) post(direction ledger.Direction) func(*rapid.T) {
	return func(rt *rapid.T) { m.send(rt, m.drawRequest(rt, direction)) }
}

func (m *machine) drawRequest(rt *rapid.T, direction ledger.Direction) ledger.PostRequest {
	r := request(m.drawCustomer(rt), direction, 0)
	r.Currency = rapid.SampledFrom([]money.Currency{"USD", "USD", "INR"}).Draw(rt, "currency")
	r.Amount = money.Amount(rapid.OneOf(
		rapid.Int64Range(1, 100),
		rapid.Int64Range(1, 1000),
		rapid.SampledFrom([]int64{1, int64(money.EntryMax), int64(money.EntryMax) - 1}),
	).Draw(rt, "amount"))
	if r.Direction == ledger.Credit {
		r.Category = rapid.SampledFrom([]ledger.Category{"", ledger.Paid, ledger.Promotional}).Draw(rt, "category")
		ahead := rapid.SampledFrom([]time.Duration{
			0, 0, time.Minute, time.Minute - time.Microsecond, time.Minute + time.Microsecond, time.Hour, 24 * time.Hour, -time.Hour,
		}).Draw(rt, "expires ahead")
		if ahead != 0 {
			r.ExpiresAt = m.real.book.Now().Add(ahead)
		}
	}
	r.AllowPartial = r.Direction == ledger.Debit && rapid.IntRange(0, 3).Draw(rt, "partial") == 0
	if rapid.IntRange(0, 5).Draw(rt, "conditions") == 0 {
		m.drawConditions(rt, &r)
	}
	r.IdempotencyKey = rapid.SampledFrom([]string{"", "", "", "", "k1", "k2", "k3", "K1", "k1 "}).Draw(rt, "key")
	r.Reason = rapid.SampledFrom([]string{"", "", "Zoë's ✓"}).Draw(rt, "reason")
	r.CurrencyEnabled, r.DefaultAlerts = rapid.IntRange(0, 19).Draw(rt, "enabled") > 0, m.defaults
	return r
}

// drawConditions gives a request conditions that hold, or fail by little.
func (m *machine) drawConditions(rt *rapid.T, r *ledger.PostRequest) {
	wallet, now := walletOf(m.readModel(rt, r.Tenant, r.CustomerID), r.Currency, m.clock.Now())
	if rapid.Bool().Draw(rt, "if seq") {
		seq := max(wallet.seq+rapid.Int64Range(-1, 1).Draw(rt, "seq beside"), 0)
		r.Conditions.IfSeq = &seq
	}
	if rapid.Bool().Draw(rt, "if available") {
		least := max(wallet.spendable(now)+money.Amount(rapid.Int64Range(-1, 1).Draw(rt, "available beside")), 0)
		r.Conditions.IfAvailableAtLeast = &least
	}
}

// postMany sends a row of small credits, because stores keep many lots in
// another way than few.
func (m *machine) postMany(rt *rapid.T) {
	r := m.drawRequest(rt, ledger.Credit)
	r.IdempotencyKey, r.Conditions = "", ledger.Conditions{}
	other := rapid.SampledFrom([]ledger.Category{ledger.Paid, ledger.Promotional}).Draw(rt, "other category")
	every := rapid.IntRange(1, 5).Draw(rt, "every")
	for i := range rapid.IntRange(2, 24).Draw(rt, "credits") {
		next := r
		next.Amount = money.Amount(1 + i%7)
		if i%every == 0 {
			next.Category = other
		}
		m.send(rt, next)
	}
}

// again sends a request that was sent before, whatever became of it.
func (m *machine) again(rt *rapid.T) {
	if len(m.requests) == 0 {
		return
	}
	r := rapid.SampledFrom(m.requests).Draw(rt, "request")
	m.touched = slices.IndexFunc(m.customers,
		func(c ledger.Customer) bool { return c.Tenant == r.Tenant && c.ID == r.CustomerID })
	if rapid.IntRange(0, 3).Draw(rt, "altered") == 0 {
		r.Amount++
	}
	m.send(rt, r)
}

// send posts a request on both sides and compares the answers with each other
// and with the verdict of the raw entries.
func (m *machine) send(rt *rapid.T, r ledger.PostRequest) {
	m.requests = append(m.requests, r)
	ctx := m.complaints.Context()
	before := m.readModel(rt, r.Tenant, r.CustomerID)
	got, gotErr := m.real.book.Post(ctx, r)
	want, wantErr := m.model.book.Post(ctx, r)
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		rt.Fatalf("%s %d %s: got error %v, want %v", r.Direction, r.Amount, r.Currency, gotErr, wantErr)
	}
	bare(&want.Wallet, &got.Wallet)
	if diff := difference(want, got); diff != "" {
		rt.Fatalf("%s %d %s: answers differ (-want +got):\n%s", r.Direction, r.Amount, r.Currency, diff)
	}
	code, replayed := verdict(before, r, m.first[firstKeyOf(&r)], m.clock.Now(), m.refuses(&r))
	if ledger.CodeOf(gotErr) != code || got.Replayed != replayed {
		rt.Fatalf("%s %d %s: got error %v and replayed %v, want code %q and replayed %v",
			r.Direction, r.Amount, r.Currency, gotErr, got.Replayed, code, replayed)
	}
	if gotErr == nil && !replayed {
		m.first[firstKeyOf(&r)] = r
		if moved := moved(before, r, m.clock.Now()); got.Entry.Amount != moved {
			rt.Fatalf("%s %d %s: got an entry of %d, want %d", r.Direction, r.Amount, r.Currency, got.Entry.Amount, moved)
		}
	}
}

// walletOf adds a wallet up from the raw entries and what happened to its holds,
// and returns the time that counts for its customer.
func walletOf(h History, currency money.Currency, now time.Time) (*auditWallet, time.Time) {
	a := audit{keys: map[string]int64{}, wallets: map[money.Currency]*auditWallet{}}
	a.sortEvents(h)
	for _, e := range h.Entries {
		a.entry(h.Customer, e)
		if e.CreatedAt.After(now) {
			now = e.CreatedAt
		}
	}
	for _, e := range h.Events {
		if e.CreatedAt.After(now) {
			now = e.CreatedAt
		}
	}
	wallet := a.wallet(currency)
	a.eventsBefore(wallet, wallet.seq+1)
	return wallet, now
}

// moved is what an accepted request moves.
func moved(h History, r ledger.PostRequest, now time.Time) money.Amount {
	if !r.AllowPartial {
		return r.Amount
	}
	wallet, now := walletOf(h, r.Currency, now)
	return min(r.Amount, wallet.freeFor(r.Amount, r.Conditions, now))
}

// verdict says from the raw entries what must become of a request: laws
// K2, K3, K7, K10, L3, M7, O2 and R4 in the order of the rules' ladder. First is
// the request that was accepted under the same key, if there was one. Frozen
// says that a freeze forbids the request.
func verdict(h History, r, first ledger.PostRequest, now time.Time, frozen bool) (code ledger.Code, replayed bool) {
	if r.Amount > 999_999_999_999 {
		return ledger.CodeAmountTooLarge, false
	}
	for _, e := range h.Entries {
		if r.IdempotencyKey != "" && e.IdempotencyKey == r.IdempotencyKey {
			if sameRequest(e, r, first) {
				return "", true
			}
			return ledger.CodeKeyReused, false
		}
	}
	if usedByHold(h, r.IdempotencyKey) {
		return ledger.CodeKeyReused, false
	}
	wallet, now := walletOf(h, r.Currency, now)
	needed := r.Amount
	if r.Direction == ledger.Credit {
		needed = 0
	}
	available := wallet.freeFor(needed, r.Conditions, now)
	if r.AllowPartial {
		needed = 1
	}
	switch {
	case !r.CurrencyEnabled:
		return ledger.CodeUnsupportedCurrency, false
	case !r.ExpiresAt.IsZero() && r.ExpiresAt.Sub(now) < time.Minute:
		return ledger.CodeInvalidExpiry, false
	case frozen:
		return ledger.CodeCustomerNotActive, false
	case r.Conditions.IfSeq != nil && *r.Conditions.IfSeq != wallet.seq,
		r.Conditions.IfAvailableAtLeast != nil && *r.Conditions.IfAvailableAtLeast > available:
		return ledger.CodeConditionFailed, false
	case needed > available:
		return ledger.CodeInsufficientFunds, false
	case r.Direction == ledger.Credit && r.Amount > 9_007_199_254_740_991-wallet.balance:
		return ledger.CodeBalanceLimit, false
	}
	return "", false
}

// sameRequest compares an entry with a request field by field, as law K4 lists
// them. An entry does not say what a partial debit had asked for, its first
// request does.
func sameRequest(e ledger.Entry, r, first ledger.PostRequest) bool {
	isPosted := e.Account == ledger.AccountMerchant || e.Account == ledger.AccountPromotion
	if r.AllowPartial != first.AllowPartial || e.Reverses != "" || e.HoldID != "" || !isPosted {
		return false
	}
	if r.AllowPartial && r.Amount == first.Amount {
		r.Amount = e.Amount
	} else if r.AllowPartial {
		return false
	}
	if r.Direction == ledger.Credit && r.Category == "" {
		r.Category = ledger.Paid
	}
	if r.Metadata == "" {
		r.Metadata = "{}"
	}
	return e.Currency == r.Currency && e.Direction == r.Direction && e.Amount == r.Amount && e.Category == r.Category &&
		e.ExpiresAt.Equal(r.ExpiresAt) && e.Reason == r.Reason && e.ReferenceObjectID == r.ReferenceObjectID &&
		e.Metadata == r.Metadata
}

// sweep ends holds and writes the expiry entries of a wallet on both sides, all
// that are due or the first few, and wants as many as the raw entries say.
func (m *machine) sweep(rt *rapid.T) {
	ctx, c := m.complaints.Context(), m.drawCustomer(rt)
	key := walletIn(c, rapid.SampledFrom([]money.Currency{"USD", "INR"}).Draw(rt, "currency"))
	most := rapid.SampledFrom([]int{1, 2, 1000, 1000}).Draw(rt, "most")
	wallet, now := walletOf(m.readModel(rt, c.Tenant, c.ID), key.Currency, m.clock.Now())
	want := wallet.endDue(now)
	for _, lot := range wallet.lots {
		if lot.Remaining > 0 && !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(now) {
			want++
		}
	}
	for name, s := range map[string]side{"store": m.real, "model": m.model} {
		got, err := s.book.Sweep(ctx, key, m.clock.Now(), most)
		if err != nil || got != min(want, most) {
			rt.Fatalf("sweep at most %d of the %s: got %d and error %v, want %d", most, name, got, err, min(want, most))
		}
	}
}

func (m *machine) moveClock(rt *rapid.T) {
	m.clock.Move(rapid.SampledFrom([]time.Duration{
		time.Microsecond, time.Second, time.Minute, time.Hour, 25 * time.Hour,
		-time.Microsecond, -time.Second, -time.Hour, -1000 * time.Hour,
	}).Draw(rt, "move"))
}

// moveToExpiry puts the clock to the very instant at which some lot or hold expires,
// or a microsecond beside it.
func (m *machine) moveToExpiry(rt *rapid.T) {
	var ends []time.Time
	for _, r := range m.requests {
		if !r.ExpiresAt.IsZero() {
			ends = append(ends, r.ExpiresAt)
		}
	}
	for _, r := range m.moves {
		if !r.ExpiresAt.IsZero() {
			ends = append(ends, r.ExpiresAt)
		}
	}
	for _, call := range m.holds {
		if call.make != nil {
			ends = append(ends, call.make.ExpiresAt)
		}
	}
	if len(ends) == 0 {
		return
	}
	end := rapid.SampledFrom(ends).Draw(rt, "expiry")
	m.clock.Set(end.Add(time.Duration(rapid.Int64Range(-1, 1).Draw(rt, "beside")) * time.Microsecond))
}

// compare holds the store against the model and the laws: the whole history of
// the customer that the last command was about.
func (m *machine) compare(rt *rapid.T) {
	c := m.customers[m.touched]
	want := m.readModel(rt, c.Tenant, c.ID)
	got, err := ReadHistory(m.complaints.Context(), m.real.ledger, c.Tenant, c.ID)
	if err != nil {
		rt.Fatalf("read store: got error %v, want none", err)
	}
	if diff := difference(want, got); diff != "" {
		rt.Fatalf("histories differ (-want +got):\n%s", diff)
	}
	for _, violation := range CheckLaws(got) {
		rt.Errorf("%s", violation)
	}
	m.complaints.mu.Lock()
	defer m.complaints.mu.Unlock()
	for _, said := range m.complaints.said {
		rt.Errorf("%s", said)
	}
}
