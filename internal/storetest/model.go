package storetest

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/people"
)

// Model is a store of maps and copies behind one lock. It forgets everything
// when the process ends and is slow by design: what it does must be plain to
// see. Its snapshots are as small as the contract allows, so that rules which
// look further than they may are found out.
type Model struct {
	mu         sync.Mutex
	businesses []access.Business
	settings   map[ledger.Tenant]access.Settings
	trails     map[ledger.Tenant][]ledger.AuditEntry // of businesses
	keys       []access.Key                          // oldest first
	products   []catalog.Product                     // oldest first
	people     map[people.Key]people.Record
	customers  map[ledger.Tenant][]*modelCustomer
	answers    map[modelRequest]modelAnswer
	feed       []modelFact // in the order of commits
	endpoints  []*modelEndpoint
	cursors    map[modelCursor]ledger.FeedPlace
	clocks     []ledger.TestClock // oldest first
	told       modelInbox
}

type modelCustomer struct {
	ledger.Customer
	entries []ledger.Entry // by position
	audit   []ledger.AuditEntry
	wallets map[money.Currency]*ledger.Wallet

	transfers []ledger.Transfer // in the order in which they were made
	holds     []ledger.Hold
	events    []ledger.HoldEvent // about holds, by number
	moments   []modelMoment      // in the order in which they were
	notices   []ledger.Notice    // by number

	objects      []ledger.Object // in the order in which they were made
	objectEvents []ledger.ObjectEvent
}

type modelRequest struct {
	tenant     ledger.Tenant
	route, key string
}

type modelAnswer struct {
	fingerprint ledger.Fingerprint
	body        []byte
	at          time.Time
}

// NewModel returns an empty store.
func NewModel() *Model {
	return &Model{
		settings:  map[ledger.Tenant]access.Settings{},
		trails:    map[ledger.Tenant][]ledger.AuditEntry{},
		customers: map[ledger.Tenant][]*modelCustomer{},
		answers:   map[modelRequest]modelAnswer{},
		cursors:   map[modelCursor]ledger.FeedPlace{},
		people:    map[people.Key]people.Record{},
	}
}

// Transact implements [ledger.Store].
func (m *Model) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Change{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.transact(scope, decide)
}

// transact carries out a command under the lock.
func (m *Model) transact(scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	c, err := m.customer(scope.Tenant, scope.CustomerID)
	if err != nil {
		return ledger.Change{}, err
	}
	s := c.snapshot(scope)
	change, err := decide(cloneSnapshot(s))
	if err != nil || change.Replayed {
		return change, err
	}
	if err := checkChange(s, change); err != nil {
		return ledger.Change{}, err
	}
	c.commit(s, change)
	for e := range change.Entries() {
		m.tell(scope.Tenant, ledger.Fact{Entry: e})
	}
	if change.Hold != nil {
		m.tell(scope.Tenant, ledger.Fact{Hold: change.Hold})
	}
	if change.Announced != nil {
		for i := range change.Announced.Notices {
			m.tell(scope.Tenant, ledger.Fact{Notice: &change.Announced.Notices[i]})
		}
	}
	m.tellObjects(change.Objects)
	return change, nil
}

func (m *Model) customer(tenant ledger.Tenant, id string) (*modelCustomer, error) {
	for _, c := range m.customers[tenant] {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, ledger.Errorf(ledger.CodeNotFound, "no such customer")
}

func (c *modelCustomer) chain() ledger.Chain {
	chain := ledger.Chain{Clock: c.ClockAt}
	if len(c.entries) == 0 {
		return chain
	}
	chain = chain.Behind(&c.entries[len(c.entries)-1])
	if len(c.events) > 0 {
		chain = chain.Past(c.events[len(c.events)-1].CreatedAt)
	}
	return chain
}

// prior returns the entry that was posted under a key, nil for none.
func (c *modelCustomer) prior(key string) *ledger.Entry {
	for _, e := range c.entries {
		if e.IdempotencyKey == key {
			prior := cloneEntry(e)
			return &prior
		}
	}
	return nil
}

// checkChange is the second guard over the rules, as a database has it in its
// checks: arithmetic, range and sequence.
func checkChange(s ledger.Snapshot, change ledger.Change) error {
	position, seq, balance, debt := s.Chain.Position, s.Wallet.Seq, s.Wallet.Balance, s.Wallet.Debt
	for e := range change.Entries() {
		signedAmount := e.Amount
		if e.Direction == ledger.Debit {
			signedAmount = -e.Amount
		}
		if e.Position != position+1 || e.Seq != seq+1 || e.Before != balance || e.After != e.Before+signedAmount ||
			e.Amount < 1 || e.Amount > money.EntryMax || e.After < 0 || e.After > money.BalanceMax {
			return ledger.Errorf(ledger.CodeInternal, "the change does not stand on its snapshot")
		}
		position, seq, balance = e.Position, e.Seq, e.After
		if e.Account == ledger.AccountDebt {
			debt += signedAmount
		}
	}
	w := &change.Wallet
	if w.Debt < 0 || w.Debt != debt || w.Held < 0 || w.Held > balance || w.Balance != balance || w.Seq != seq {
		return ledger.Errorf(ledger.CodeInternal, "the wallet is not what its entries made of it")
	}
	return nil
}

// commit appends the entries and puts the wallet in its place. The lots that the
// snapshot held are replaced by what the change left; what a reversal gave to
// another one is added to it.
func (c *modelCustomer) commit(s ledger.Snapshot, change ledger.Change) {
	var before, lots []ledger.Lot
	if old := c.wallets[change.Wallet.Currency]; old != nil {
		before = slices.Clone(old.Lots)
		lots = slices.DeleteFunc(slices.Clone(old.Lots), func(lot ledger.Lot) bool {
			return slices.ContainsFunc(s.Wallet.Lots, func(seen ledger.Lot) bool { return seen.Seq == lot.Seq })
		})
	}
	for _, lot := range change.Wallet.Lots {
		if other := slices.IndexFunc(lots, func(l ledger.Lot) bool { return l.Seq == lot.Seq }); other >= 0 {
			lots = slices.Clone(lots)
			lots[other].Remaining += lot.Remaining
			continue
		}
		place := sort.Search(len(lots), func(i int) bool { return spentBefore(lot, lots[i]) })
		lots = slices.Insert(lots, place, lot)
	}
	wallet := change.Wallet
	wallet.Lots = lots
	if !change.MovesNothing() {
		c.wallets[wallet.Currency] = &wallet
	}
	for e := range change.Entries() {
		c.entries = append(c.entries, cloneEntry(*e))
	}
	if change.Transfer != nil {
		c.keepTransfer(*change.Transfer)
	}
	if change.Hold != nil {
		c.commitHold(*change.Hold)
	}
	c.keepObjects(change.Objects)
	if change.Entry.Position > 0 || change.Hold != nil {
		c.remember(before, &change)
	}
	if change.Announced != nil {
		c.notices = append(c.notices, change.Announced.Notices...)
	}
}

// answered looks a request up. It returns the first answer, nil when there is
// none that once accepts.
func (m *Model) answered(once *ledger.Once) ([]byte, error) {
	if once == nil {
		return nil, nil
	}
	first, found := m.answers[modelRequest{once.Tenant, once.Route, once.Key}]
	if !found || first.at.Before(once.Accept) {
		return nil, once.Else
	}
	if first.fingerprint != once.Fingerprint {
		err := ledger.FieldErrorf(ledger.CodeKeyReused, "idempotency_key", "the key was used for another request")
		err.FirstAt = first.at
		return nil, err
	}
	return slices.Clone(first.body), nil
}

func (m *Model) record(once *ledger.Once, c ledger.Customer) {
	if once != nil {
		m.recordAnswer(once, once.Answer(c))
	}
}

func (m *Model) recordAnswer(once *ledger.Once, answer []byte) {
	request := modelRequest{once.Tenant, once.Route, once.Key}
	m.answers[request] = modelAnswer{once.Fingerprint, slices.Clone(answer), once.At}
}

// CreateCustomer implements [ledger.Store].
func (m *Model) CreateCustomer(_ context.Context, customer ledger.Customer, once *ledger.Once) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if first, err := m.answered(once); first != nil || err != nil {
		return first, err
	}
	m.customers[customer.Tenant] = append(m.customers[customer.Tenant],
		&modelCustomer{Customer: customer, wallets: map[money.Currency]*ledger.Wallet{}})
	m.tell(customer.Tenant, ledger.Fact{Customer: &customer})
	m.record(once, customer)
	return nil, nil
}

// UpdateCustomer implements [ledger.Store].
func (m *Model) UpdateCustomer(
	_ context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.CustomerChange, error), once *ledger.Once,
) (ledger.Customer, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if first, err := m.answered(once); first != nil || err != nil {
		return ledger.Customer{}, first, err
	}
	c, err := m.customer(tenant, id)
	if err != nil {
		return ledger.Customer{}, nil, err
	}
	changed, err := change(c.Customer)
	if err != nil {
		return ledger.Customer{}, nil, err
	}
	c.Customer = changed.Customer
	if changed.Audit != nil {
		c.audit = append(c.audit, *changed.Audit)
		m.tell(tenant, ledger.Fact{Audit: changed.Audit})
	}
	m.record(once, changed.Customer)
	return changed.Customer, nil, nil
}

// Audit implements [ledger.Store].
func (m *Model) Audit(
	_ context.Context, tenant ledger.Tenant, customerID string, page ledger.AuditPage,
) (ledger.AuditList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.AuditList{}, err
	}
	var passed []ledger.AuditEntry
	for _, line := range slices.Backward(c.audit) {
		if page.Before == 0 || line.Position < page.Before {
			passed = append(passed, line)
		}
	}
	lines, next := cut(passed, ledger.Page{Limit: page.Limit}, func(line ledger.AuditEntry) int64 { return line.Position })
	return ledger.AuditList{Entries: lines, Next: next}, nil
}

// Customer implements [ledger.Store].
func (m *Model) Customer(_ context.Context, tenant ledger.Tenant, id string) (ledger.Customer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, id)
	if err != nil {
		return ledger.Customer{}, err
	}
	return c.Customer, nil
}

// Customers implements [ledger.Store]. Its cursor is the customer's number in
// order of creation.
func (m *Model) Customers(
	_ context.Context, tenant ledger.Tenant, f ledger.CustomerFilter, page ledger.Page,
) (ledger.CustomerList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var passed []int64
	for i, c := range slices.Backward(m.customers[tenant]) {
		number := int64(i + 1)
		if (page.Before == 0 || number < page.Before) &&
			(f.Email == "" || f.Email == c.Email) &&
			strings.Contains(strings.ToLower(c.Name), strings.ToLower(f.Name)) &&
			(f.CreatedAtGTE.IsZero() || !c.CreatedAt.Before(f.CreatedAtGTE)) &&
			(f.CreatedAtLTE.IsZero() || !c.CreatedAt.After(f.CreatedAtLTE)) {
			passed = append(passed, number)
		}
	}
	numbers, next := cut(passed, page, func(number int64) int64 { return number })
	list := ledger.CustomerList{Next: next}
	for _, number := range numbers {
		list.Customers = append(list.Customers, m.customers[tenant][number-1].Customer)
	}
	return list, nil
}

// cut returns the page of a list, and the place of its last item if more
// follow.
func cut[T any](all []T, page ledger.Page, place func(T) int64) (part []T, next int64) {
	all = all[min(page.Skip, int64(len(all))):]
	if len(all) > page.Limit {
		all = all[:page.Limit]
		next = place(all[page.Limit-1])
	}
	return all, next
}

// Wallets implements [ledger.Store].
//
// Each wallet has all its lots, so that it can be told for every time what is available.
func (m *Model) Wallets(
	_ context.Context, tenant ledger.Tenant, customerID string, _ time.Time,
) (ledger.WalletList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.WalletList{}, err
	}
	list := ledger.WalletList{Customer: c.Customer, Chain: c.chain()}
	for _, currency := range slices.Sorted(maps.Keys(c.wallets)) {
		list.Wallets = append(list.Wallets, c.snapshot(ledger.Scope{Currency: currency}).Wallet)
	}
	return list, nil
}

// Entry implements [ledger.Store].
func (m *Model) Entry(_ context.Context, tenant ledger.Tenant, customerID, entryID string) (ledger.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.Entry{}, err
	}
	for _, e := range c.entries {
		if e.ID == entryID {
			return cloneEntry(e), nil
		}
	}
	return ledger.Entry{}, ledger.Errorf(ledger.CodeNotFound, "there is no such ledger entry")
}

// Entries implements [ledger.Store].
func (m *Model) Entries(
	_ context.Context, tenant ledger.Tenant, customerID string, f ledger.EntryFilter, page ledger.Page,
) (ledger.EntryList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.EntryList{}, err
	}
	var passed []ledger.Entry
	for _, e := range slices.Backward(c.entries) {
		if (page.Before == 0 || e.Position < page.Before) && passes(f, e) {
			passed = append(passed, cloneEntry(e))
		}
	}
	entries, next := cut(passed, page, func(e ledger.Entry) int64 { return e.Position })
	return ledger.EntryList{Entries: entries, AsOfPosition: c.chain().Position, Next: next}, nil
}

// Lots implements [ledger.Store]. Its cursor is the seq of the last lot of the
// page before.
func (m *Model) Lots(
	_ context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, page ledger.LotPage,
) (ledger.LotList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.LotList{}, err
	}
	list := ledger.LotList{Chain: c.chain(), Wallet: c.snapshot(ledger.Scope{Currency: currency}).Wallet}
	var last ledger.Lot
	for _, e := range c.entries {
		if e.Currency == currency && e.Seq == page.After {
			last = ledger.Lot{Seq: e.Seq, Category: e.Category, ExpiresAt: e.ExpiresAt}
		}
	}
	if w := c.wallets[currency]; w != nil {
		lots := w.Lots
		if page.AsOf != nil {
			list.Point, lots = c.pointAt(currency, *page.AsOf), c.lotsAt(currency, *page.AsOf)
		}
		for _, lot := range lots {
			if page.After != 0 && !spentBefore(last, lot) {
				continue
			}
			if len(list.Lots) == page.Limit {
				list.Next = list.Lots[page.Limit-1].Seq
				break
			}
			list.Lots = append(list.Lots, lot)
		}
	}
	return list, nil
}

// Opened implements [ledger.Store].
func (m *Model) Opened(
	_ context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, seqs []int64,
) (lots []ledger.Lot, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return nil, err
	}
	for _, seq := range seqs {
		for _, e := range c.entries {
			if e.Currency == currency && e.Seq == seq {
				lots = append(lots, ledger.Lot{Seq: seq, Category: e.Category, ExpiresAt: e.ExpiresAt, Remaining: e.Amount})
			}
		}
	}
	return lots, nil
}
