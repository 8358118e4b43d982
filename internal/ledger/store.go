package ledger

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Store is what the ledger asks of a database. storetest holds the behaviour
// that every implementation must show.
//
// Every method may return an [Error] with CodeNotFound where it names a
// customer or entry that the tenant does not have, and CodeStorageUnavailable,
// CodeOverloaded or CodeOutcomeUnknown where the database cannot serve. Any
// other error is a bug. All methods may be called by many goroutines at once.
//
// Reads show committed state only, and at least every change that was
// acknowledged before the read began (law R2).
type Store interface {
	// Transact loads and locks what scope names, calls decide with it, and
	// commits exactly the change that decide returns, or nothing when decide
	// returns an error, which Transact then returns as it is.
	//
	// It returns only after the change is durable. Commands on one customer
	// are decided one after the other, in the order of their positions; many
	// commands may share one database transaction, and none is spoilt by
	// another's refusal. Decide may be called more than once, from another
	// goroutine, and even after Transact has returned because ctx was
	// cancelled; it must be pure.
	//
	// A cancelled ctx does not take back a command that has begun: the caller
	// then gets ctx.Err() and does not know the outcome.
	Transact(ctx context.Context, scope Scope, decide Decide) (Change, error)

	// TransactMany carries out many commands, and returns what became of each
	// in their order. Commands on one customer are decided in that order, and a
	// command that finds a key used by one before it is a repeat of that one.
	//
	// Each command is on its own, as if its caller had called Transact, unless
	// atomic is set. Then all are committed in one transaction, or, when one is
	// refused, none: the error is a [LineError] that names the first one that
	// was. A store that cannot promise that for these customers returns
	// CodeAtomicNotPossible and decides nothing. Without atomic the error is nil.
	//
	// A cancelled ctx means for each command what it means in Transact.
	TransactMany(ctx context.Context, commands []Command, atomic bool) ([]Outcome, error)

	// CreateCustomer adds a customer. With once it also records the answer
	// under once's key in the same transaction; if that key already has an
	// answer that once accepts, nothing is added and that first answer is
	// returned. Another request under the same key is CodeKeyReused.
	CreateCustomer(ctx context.Context, customer Customer, once *Once) (first []byte, err error)

	// UpdateCustomer commits what change makes of the customer, and the line of
	// the audit trail with it. It is ordered among the decisions of Transact
	// about the customer: those that begin after it has returned see what it
	// made, on every instance. Change is pure and may be called more than once.
	// Once works as in CreateCustomer, except that the answer is made from the
	// changed customer.
	UpdateCustomer(
		ctx context.Context, tenant Tenant, id string, change func(Customer) (CustomerChange, error), once *Once,
	) (updated Customer, first []byte, err error)

	// Audit returns a page of the customer's audit trail.
	Audit(ctx context.Context, tenant Tenant, customerID string, page AuditPage) (AuditList, error)

	// Customer returns one customer.
	Customer(ctx context.Context, tenant Tenant, id string) (Customer, error)

	// Customers returns the tenant's customers that pass the filter, newest
	// first.
	Customers(ctx context.Context, tenant Tenant, filter CustomerFilter, page Page) (CustomerList, error)

	// Wallets returns the customer and the wallets that have at least one
	// entry, sorted by currency, so that what was available at a time can be told.
	// The time that counts is Chain.At(at) of the chain that is returned.
	Wallets(ctx context.Context, tenant Tenant, customerID string, at time.Time) (WalletList, error)

	// Entry returns one entry by its id.
	Entry(ctx context.Context, tenant Tenant, customerID, entryID string) (Entry, error)

	// Entries returns the customer's entries that pass the filter, by
	// position, newest first.
	Entries(ctx context.Context, tenant Tenant, customerID string, filter EntryFilter, page Page) (EntryList, error)

	// Lots returns a customer's wallet in one currency with a page of its open
	// lots in spend order, whether or not they have expired. A wallet without
	// entries has none. While the wallet moves, pages that follow each other show
	// once each lot that stays open. As of a point in the past it returns what it would
	// have returned then, and takes no longer in a wallet with many entries than in one
	// with few, but for the search of [Store.Points].
	Lots(ctx context.Context, tenant Tenant, customerID string, currency money.Currency, page LotPage) (LotList, error)

	// Opened returns the lots that a wallet's credits with the given seqs opened, as
	// they were before any debit, in the order of the seqs. Each must be that of
	// such a credit, as those in an entry's allocations are.
	Opened(ctx context.Context, tenant Tenant, customerID string, currency money.Currency, seqs []int64) ([]Lot, error)

	// Points returns a customer's wallet in one currency, for a time as in Wallets, and
	// what it was at each point of its past that asOf names. It takes no longer in a wallet with many
	// entries than in one with few, but for a search by halves. AsOf names at
	// most [PointsMax].
	Points(
		ctx context.Context, tenant Tenant, customerID string, currency money.Currency, at time.Time, asOf []AsOf,
	) (PointList, error)

	// Totals adds up the entries of a wallet between the seqs that are given, in
	// rising order: those behind the first and up to the second, those behind the
	// second and up to the third, and so on. It looks at each of these entries, so
	// there may be [TotalsMax] of them at most. The wallet must have the last seq.
	Totals(
		ctx context.Context, tenant Tenant, customerID string, currency money.Currency, seqs []int64,
	) ([]Totals, error)

	// EntriesBetween returns the entries of a wallet behind one seq and up to
	// another, oldest first. They may be [EntriesMax] at most, and the wallet must
	// have the last.
	EntriesBetween(
		ctx context.Context, tenant Tenant, customerID string, currency money.Currency, after, through int64,
	) ([]Entry, error)

	// Transfer returns a customer's row of a transfer by its id, CodeNotFound where
	// the customer has none.
	Transfer(ctx context.Context, tenant Tenant, customerID, id string) (Transfer, error)

	// Transfers returns the customer's transfers, outgoing and incoming, by the
	// position of their first entries, newest first. Refusals are not among them.
	// Only Before and Limit of the page count.
	Transfers(ctx context.Context, tenant Tenant, customerID string, page Page) (TransferList, error)

	// UnfinishedTransfers returns outgoing transfers of any tenant that are in
	// transit, with ids above after, by their ids, and no more than limit of them.
	UnfinishedTransfers(ctx context.Context, after string, limit int) ([]Transfer, error)

	// SettleTransfer keeps what comes without an entry: the completion of an outgoing
	// transfer that is in transit, or a destination's refusal of one about which it
	// has not decided. It is ordered among the decisions of Transact about the
	// customer. What was settled before stays; the row as it is then is returned.
	SettleTransfer(ctx context.Context, row Transfer) (Transfer, error)

	// Hold returns one hold by its id. A finished one has no lots.
	Hold(ctx context.Context, tenant Tenant, customerID, holdID string) (Hold, error)

	// Holds returns the customer's holds that pass the filter, newest first, and
	// without their lots. The cursor is a hold's Number.
	Holds(ctx context.Context, tenant Tenant, customerID string, filter HoldFilter, page Page) (HoldList, error)

	// HoldEvents returns what happened to the customer's holds behind the event with
	// a number, oldest first, and no more than limit of them.
	HoldEvents(ctx context.Context, tenant Tenant, customerID string, after int64, limit int) ([]HoldEvent, error)

	// Notices returns those of the customer behind the one with a number, oldest
	// first, and no more than limit of them.
	Notices(ctx context.Context, tenant Tenant, customerID string, after int64, limit int) ([]Notice, error)

	// Feed returns facts of a tenant at a place and behind it, in the order of the
	// feed, and no more than limit of them. Everything that is committed comes
	// behind the places that were given as Next until then, so who goes on from
	// there misses nothing and meets nothing twice. A customer's entries stand in
	// the order of their positions, and so do the lines of the audit trail. A place
	// of another feed is CodeInvalidCursor; a store that cannot promise all this
	// returns CodeFeedNotPossible.
	Feed(ctx context.Context, tenant Tenant, from FeedPlace, limit int) (FeedPage, error)

	// Object returns one object by its kind and id, whose ever it is.
	Object(ctx context.Context, tenant Tenant, key ObjectKey) (Object, error)

	// Objects returns the tenant's objects that pass the filter, in the falling order of
	// their ids: newest first.
	Objects(ctx context.Context, tenant Tenant, filter ObjectFilter, page ObjectPage) (ObjectList, error)

	// ObjectEvents returns the events about a customer's objects behind the one with a
	// number, oldest first, and no more than limit of them.
	ObjectEvents(ctx context.Context, tenant Tenant, customerID string, after int64, limit int) ([]ObjectEvent, error)

	// DueObjects returns objects of a kind, of any tenant, about which something is to
	// be done by a time, the longest due first, and no more than limit of them. Those of
	// customers with a test clock are not among them, see [Store.CustomerDue].
	DueObjects(ctx context.Context, kind ObjectKind, at time.Time, limit int) ([]Object, error)

	// Expired returns wallets of any tenant that have an open lot, or an active
	// hold, which had expired at a time, those with what expired first before the
	// others, and no more than limit of them. Those of customers with a test clock are not
	// among them.
	Expired(ctx context.Context, at time.Time, limit int) ([]WalletKey, error)

	// DueNotices returns wallets of those tenants whose settings ask for notices of
	// money that expires soon, each with until when what expires is to be announced
	// at a time. Wallets of which every open lot that expires until then was announced
	// may be among them only until [Announce] has looked at them. There are no more than
	// limit, those of a tenant with what expires first before the others. Those of customers
	// with a test clock are not among them.
	DueNotices(ctx context.Context, at time.Time, limit int) ([]DueNotices, error)

	// CustomerDue returns what waits for a time about one customer, whether or not that
	// has come.
	CustomerDue(ctx context.Context, tenant Tenant, customerID string) (CustomerDue, error)

	// CreateTestClock adds a clock. With once it keeps the answer under that key in the
	// same transaction, and asks nothing of once to make it; if the key already has an
	// answer that once accepts, nothing is added and that first answer is returned. Another
	// request under the same key is CodeKeyReused. More than [TestClocksMax] that were not
	// deleted are CodeLimitReached.
	CreateTestClock(ctx context.Context, clock TestClock, once *Once, answer []byte) (first []byte, err error)

	// TestClock returns one clock that was not deleted, with how many customers it has.
	TestClock(ctx context.Context, tenant Tenant, id string) (TestClock, error)

	// TestClocks returns a page of the tenant's clocks that were not deleted, newest first,
	// with how many customers each has.
	TestClocks(ctx context.Context, tenant Tenant, page Page) (TestClockList, error)

	// UpdateTestClock has change decide what becomes of a clock that was not deleted,
	// under its lock. An error of change is returned as it is, and nothing is changed
	// then. Change is pure and may be called more than once.
	UpdateTestClock(
		ctx context.Context, tenant Tenant, id string, change func(TestClock) (TestClock, error),
	) (TestClock, error)

	// Stragglers returns customers of any tenant whose time is behind that of their test
	// clock, or about whom something is due where it stands, and no more than limit of
	// them: one of each clock before a second one of any, and so on. Those of a clock that
	// was deleted stand where they are.
	Stragglers(ctx context.Context, limit int) ([]Straggler, error)
}

// Decide is a pure function from what is to what shall be.
type Decide func(Snapshot) (Change, error)

// Scope says what a decision needs to see and to lock.
type Scope struct {
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency

	// Key is the idempotency key to look up, empty for none.
	Key string

	// At is the time of the command. Need is the sum of lots that the
	// decision may want to spend: the amount of a debit, 0 for a credit.
	// Partial says that it can do with less, where all lots together do not
	// cover the need. Then it has to see a hold that may have the rest, see
	// [Scope.SeeksDueHold].
	At      time.Time
	Need    money.Amount
	Partial bool

	// Reverses is the id of the entry in this wallet that is to be undone, empty
	// for none. Lot is the lot that it opened, as it was then, where it is a credit;
	// the zero Lot for none. The decision may take from this one out of its turn.
	Reverses string
	Lot      Lot

	// Returns are lots of this wallet that the decision may give money back to, as
	// their credits opened them; those of the hold that it names need not be here.
	Returns []Lot

	// Moves is the number of the lot in this wallet whose expiry is to be moved, 0 for
	// none.
	Moves int64

	// Transfer is the id of the transfer of which to read the customer's row, empty
	// for none.
	Transfer string

	// Hold is the id of the hold in this wallet that the command is about, empty
	// for none. DueHold asks for the active hold of the wallet that expires first,
	// if it has expired at Chain.At(At).
	Hold    string
	DueHold bool

	// Objects are those of the customer that the decision looks at, at most
	// [ObjectsMax], each once.
	Objects []ObjectKey

	// Announces asks for the open lots of the wallet that may have to be announced.
	Announces bool
}

// SeeksDueHold reports whether a snapshot must have in Hold the active hold of the
// wallet that expires first, if it has expired at Chain.At(At), although the scope does
// not say DueHold: where a part would do, because less than Need is available, while
// something is held. The snapshot has all but the hold.
func (s *Scope) SeeksDueHold(of *Snapshot) bool {
	return s.Partial && of.Wallet.Held > 0 && of.Wallet.Available(of.Chain.At(s.At)) < s.Need
}

// NeedAll as a [Scope]'s Need asks for every open lot. No debit can need it.
const NeedAll = money.BalanceMax

// Snapshot is everything that a decision may look at.
type Snapshot struct {
	Customer Customer
	Chain    Chain

	// Wallet is the wallet in the scope's currency; with Seq 0 and no balance
	// when it has no entries yet. Its Lots hold, in spend order, the open lots
	// that have not expired at Chain.At(Scope.At) up to the point where they sum to
	// Scope.Need, and at least the first of all open lots, if it can expire. Where all
	// together could not cover the need, that one is enough, since the debit will be
	// refused; a partial need brings all that have not expired then, and NeedAll always
	// brings all open lots. Those that the scope and the hold name are among them, if
	// they are open and can expire, and those of Lot and Moves, whatever they are; there
	// may be others before these that are not. What has expired and is not among them
	// is in Lapsed.
	Wallet Wallet

	// Prior is the entry that was posted under the scope's key, nil when the
	// key is unused.
	Prior *Entry

	// PriorHold is what was done about a hold under the scope's key, nil when that
	// was nothing. A capture has both, Prior being its entry.
	PriorHold *HoldChange

	// Hold is the hold that the scope names or asks for, with its lots if it is
	// active; nil when there is none.
	Hold *Hold

	// HoldNumber is the number of the customer's last hold event, 0 for none.
	HoldNumber int64

	// Reversed is how much of the entry that the scope names was undone before,
	// 0 when it names none. What was taken from it for a debt is not undone.
	Reversed money.Amount

	// Transfer is the customer's row of the transfer that the scope names, nil when
	// there is none.
	Transfer *Transfer

	// Objects are those that the scope names and that there are. ObjectHead is where
	// the customer's objects stand, if the scope names any.
	Objects    []Object
	ObjectHead ObjectHead

	// Unannounced is there if the scope asks for it. Where more lots follow than it has,
	// it has several.
	Unannounced *Unannounced
}

// Change is what a decision wants: entries on top of the chain, and the wallet
// as it is afterwards.
type Change struct {
	// Replayed says that the request was answered before: Entry is the first
	// entry, Wallet is the wallet as it was right after it, and nothing is
	// written.
	Replayed bool

	// Hold is what was done about a hold. Only a capture comes with an entry;
	// whatever else is done about a hold has none: Entry is the zero Entry then,
	// and the wallet keeps its balance, seq and time.
	Hold *HoldChange

	// Entry is the one that was asked for, and Follows are those of the same
	// wallet that come with it, right behind it and in the same commit. These
	// have no idempotency key. What is answered is the wallet right after Entry,
	// so that a repeat can be answered from Entry alone, see [Change.Answer].
	Entry   Entry
	Follows []Entry

	// Lent is the credit right before Entry that lends the wallet what a reversal
	// takes beyond what there is, nil for none. It has no key either.
	Lent *Entry

	// Wallet has the new balance, seq and time, and what is left of the lots
	// that the snapshot held, the lot that a credit opened among them. Lots
	// that the snapshot did not hold are untouched, but for those that a reversal
	// or a hold gave money back to: each stands here with what it was given, which is on
	// top of what it has if it is open.
	Wallet Wallet

	// Transfer is the customer's row of a transfer as it is afterwards, nil when
	// the change is about none. It takes the place of the snapshot's, or is new.
	Transfer *Transfer

	// Objects are what becomes of the customer's objects, in the order of their events,
	// see [Change.Put]. A change may consist of them alone; then its wallet is that of
	// the snapshot and is not written.
	Objects []ObjectChange

	// Announced are notices, with from where the next have to be looked for. Such a
	// change has nothing else: Entry is the zero Entry, and the wallet stays as it was.
	Announced *Announcement
}

// MovesNothing reports whether a change is about objects alone.
func (c *Change) MovesNothing() bool {
	return c.Entry.Position == 0 && c.Lent == nil && c.Hold == nil && len(c.Objects) > 0
}

// Entries are all entries of a change that is to be written, in their order.
func (c *Change) Entries() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		if c.Lent != nil && !yield(c.Lent) || c.Entry.Position == 0 || !yield(&c.Entry) {
			return
		}
		for i := range c.Follows {
			if !yield(&c.Follows[i]) {
				return
			}
		}
	}
}

// Answer is the wallet right after the entry that was asked for, without lots and
// without what it owes, which the entry does not tell.
func (c *Change) Answer() Wallet {
	wallet := c.Wallet
	wallet.Lots, wallet.Lapsed, wallet.Alerts, wallet.Debt = nil, 0, "", 0
	if len(c.Follows) > 0 {
		wallet.Balance, wallet.Seq, wallet.UpdatedAt = c.Entry.After, c.Entry.Seq, c.Entry.CreatedAt
	}
	return wallet
}

// After is a snapshot as it is once a change was made to it, for a decision that
// goes on top of the same commit.
func (s Snapshot) After(c *Change) Snapshot {
	for e := range c.Entries() {
		s.Chain = s.Chain.Behind(e)
		if e.Reverses != "" && c.Entry.Reverses == e.Reverses && e.Account != AccountDebt {
			s.Reversed += e.Amount
		}
	}
	if c.Hold != nil {
		s.HoldNumber, s.Chain = c.Hold.Event.Number, s.Chain.Past(c.Hold.Event.CreatedAt)
	}
	if len(c.Objects) > 0 {
		last := &c.Objects[len(c.Objects)-1].Event
		s.Objects = put(s.Objects, c.Objects)
		s.ObjectHead = ObjectHead{Number: last.Number, Hash: last.Hash, LastAt: last.CreatedAt}
	}
	s.Wallet, s.Prior, s.PriorHold = c.Wallet, nil, nil
	return s
}

// Then is a change with another one on top of it, which was decided on the
// snapshot after it. One of the two may be about a hold. What is done about a hold is told
// behind the entries of a change, so one that has no entry of its own comes last.
func (c *Change) Then(next *Change) Change {
	all := *c
	for e := range next.Entries() {
		if all.Entry.Position == 0 {
			all.Entry = *e
			continue
		}
		all.Follows = append(slices.Clip(all.Follows), *e)
	}
	if all.Hold == nil {
		all.Hold = next.Hold
	}
	all.Wallet = next.Wallet
	all.Objects = append(slices.Clip(all.Objects), next.Objects...)
	return all
}

// Once makes a request without a customer's chain idempotent: the answer is
// kept under a key and given again to a repeat.
type Once struct {
	Tenant Tenant
	Route  string // the route's pattern, such as "POST /customers"
	Key    string

	// Fingerprint tells another request under the same key apart.
	Fingerprint Fingerprint

	// Answer makes the body to keep from the customer as it was committed. It
	// is pure.
	Answer func(Customer) []byte

	// At is the time of the request. Accept is the oldest time of a kept
	// answer that may be given again; an older one counts as unused and is
	// replaced. KeepUntil is when the record may be removed, zero for never.
	At        time.Time
	Accept    time.Time
	KeepUntil time.Time

	// Else is why the request is refused unless it has a first answer, nil where it is
	// not: what refuses by the state of things is found before the key is looked up, and
	// counts after it (law K10).
	Else error
}
