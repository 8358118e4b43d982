package sqlite

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
)

// scanMax bounds how many entries one page of a cursor looks at when a filter
// lets few of them pass. The page then ends early and its cursor goes on.
const scanMax = 100_000

// Wallets implements ledger.Store.
func (db *DB) Wallets(
	ctx context.Context, tenant ledger.Tenant, customerID string, at time.Time,
) (list ledger.WalletList, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		list = ledger.WalletList{Customer: *state.customer, Chain: state.chain}
		for i := range state.wallets {
			wallet, err := state.wallets[i].shown(conn, state, at)
			if err != nil {
				return err
			}
			list.Wallets = append(list.Wallets, wallet)
		}
		return nil
	})
	return list, err
}

// directly is the around of a read that needs no lock.
func directly(read func() error) error { return read() }

// readCustomerState runs f in a read transaction with the customer as it is
// there. Around is as in readUnder.
func (db *DB) readCustomerState(
	ctx context.Context, around func(read func() error) error, tenant ledger.Tenant, customerID string,
	f func(*sqlite.Conn, *customerState) error,
) error {
	number, ok := db.tenants.number(tenant)
	if !ok {
		return errNoCustomer
	}
	return db.readUnder(ctx, around, func(conn *sqlite.Conn) error {
		state, err := loadState(conn, tenant, customerKey{tenant: number, id: customerID})
		if err != nil {
			return err
		}
		if state == nil {
			return errNoCustomer
		}
		return f(conn, state)
	})
}

var errNoEntry = ledger.Errorf(ledger.CodeNotFound, "there is no such ledger entry")

// Entry implements ledger.Store. The id contains the position, so the entry is
// found without an index over ids.
func (db *DB) Entry(
	ctx context.Context, tenant ledger.Tenant, customerID, entryID string,
) (entry ledger.Entry, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		position, ok := ledger.EntryIDPosition(entryID)
		if !ok || position > state.chain.Position {
			return errNoEntry
		}
		no, err := locatePosition(conn, state, position)
		if err != nil {
			return err
		}
		e, err := readEntry(conn, no)
		if err != nil {
			return err
		}
		if e.ID != entryID {
			return errNoEntry
		}
		entry = e.of(tenant, customerID)
		return nil
	})
	return entry, err
}

func (e *storedEntry) of(tenant ledger.Tenant, customerID string) ledger.Entry {
	e.Tenant, e.CustomerID = tenant, customerID
	return e.Entry
}

// Entries implements ledger.Store.
func (db *DB) Entries(
	ctx context.Context, tenant ledger.Tenant, customerID string, filter ledger.EntryFilter, page ledger.Page,
) (list ledger.EntryList, err error) {
	lookUp := func(conn *sqlite.Conn, state *customerState) error {
		w := &walk{conn: conn, state: state, tenant: tenant, filter: filter, page: page}
		err := w.run(db.keys)
		list = w.list
		return err
	}
	around := directly
	if filter.IdempotencyKey != "" {
		// A look-up by key reads the index's runs, which must not be replaced
		// between the list of them and the read transaction.
		around = db.keys.read
	}
	err = db.readCustomerState(ctx, around, tenant, customerID, lookUp)
	return list, err
}

// walk collects one page of entries by going from an entry to the one before.
type walk struct {
	conn   *sqlite.Conn
	state  *customerState
	wallet *walletState // nil: over all wallets
	tenant ledger.Tenant
	filter ledger.EntryFilter
	page   ledger.Page
	list   ledger.EntryList
}

func (w *walk) run(keys *keyIndex) error {
	w.list.AsOfPosition = w.state.chain.Position
	if w.filter.Currency != "" && !w.chooseWallet() {
		return nil
	}
	if w.filter.IdempotencyKey != "" {
		return w.byKey(keys)
	}
	no, err := w.start()
	if err != nil || no == 0 {
		return err
	}
	return w.collect(no)
}

// chooseWallet reports whether the customer has entries in the filter's
// currency.
func (w *walk) chooseWallet() bool {
	for i := range w.state.wallets {
		if w.state.wallets[i].Currency == w.filter.Currency {
			w.wallet = &w.state.wallets[i]
			return true
		}
	}
	return false
}

func (w *walk) byKey(keys *keyIndex) error {
	hash := keys.hash(w.state.no, w.filter.IdempotencyKey)
	return keys.candidates(w.conn, hash, func(no int64) (bool, error) {
		e, err := readEntry(w.conn, no)
		if err != nil {
			return false, err
		}
		if e.customer != w.state.no || e.IdempotencyKey != w.filter.IdempotencyKey {
			return true, nil
		}
		inPage := w.page.Skip == 0 && (w.page.Before == 0 || e.Position < w.page.Before)
		if inPage && w.passes(&e.Entry) {
			w.list.Entries = append(w.list.Entries, e.of(w.tenant, w.state.customer.ID))
		}
		return false, nil
	})
}

// start returns the no of the newest entry that the page may contain, 0 for
// none. What is skipped without a look at the entries is taken off the page's
// Skip.
func (w *walk) start() (int64, error) {
	newest := w.state.chain.Position
	if w.page.Before > 0 {
		newest = min(newest, w.page.Before-1)
	}
	if !w.filter.CreatedAtLTE.IsZero() {
		var err error
		if newest, err = w.newestAt(newest, w.filter.CreatedAtLTE); err != nil {
			return 0, err
		}
	}
	whole := w.filter.EventType == "" && w.filter.Direction == "" && w.filter.ReferenceObjectID == ""
	if w.wallet == nil {
		if whole {
			newest, w.page.Skip = newest-w.page.Skip, 0
		}
		if newest < 1 {
			return 0, nil
		}
		return locatePosition(w.conn, w.state, newest)
	}
	seq, err := w.newestSeq(newest)
	if err != nil {
		return 0, err
	}
	if whole {
		seq, w.page.Skip = seq-w.page.Skip, 0
	}
	if seq < 1 {
		return 0, nil
	}
	return locateSeq(w.conn, w.state.no, w.wallet, seq)
}

// newestAt returns the highest position up to most whose entry was made at t or
// before, 0 for none. Times never decrease along positions (law R4), so it
// searches by halves.
func (w *walk) newestAt(most int64, t time.Time) (int64, error) {
	return searchLast(most, func(position int64) (bool, error) {
		no, err := locatePosition(w.conn, w.state, position)
		if err != nil {
			return false, err
		}
		s, err := readStep(w.conn, no)
		return !s.createdAt.After(t), err
	})
}

// newestSeq returns the wallet's highest seq at or below a position of the
// customer, 0 for none.
func (w *walk) newestSeq(position int64) (int64, error) {
	if position >= w.wallet.Position {
		return w.wallet.Seq, nil
	}
	return searchLast(w.wallet.Seq, func(seq int64) (bool, error) {
		no, err := locateSeq(w.conn, w.state.no, w.wallet, seq)
		if err != nil {
			return false, err
		}
		s, err := readStep(w.conn, no)
		return s.position <= position, err
	})
}

// searchLast returns the highest n of 1 … most for which holds, which must hold
// for a beginning of that range only; 0 when it holds for none.
func searchLast(most int64, holds func(n int64) (bool, error)) (int64, error) {
	low, high := int64(0), max(most, 0)
	for low < high {
		middle := low + (high-low+1)/2
		ok, err := holds(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low, nil
}

// collect fills the page, walking down from an entry.
func (w *walk) collect(no int64) error {
	for looked := 0; no != 0; looked++ {
		e, err := readEntry(w.conn, no)
		if err != nil {
			return err
		}
		if e.CreatedAt.Before(w.filter.CreatedAtGTE) {
			return nil
		}
		passes := w.passes(&e.Entry)
		full := len(w.list.Entries) == w.page.Limit
		if (passes && full) || (w.page.Before > 0 && looked == scanMax) {
			w.list.Next = e.Position + 1
			return nil
		}
		switch {
		case passes && w.page.Skip > 0:
			w.page.Skip--
		case passes:
			w.list.Entries = append(w.list.Entries, e.of(w.tenant, w.state.customer.ID))
		}
		no = e.previous
		if w.wallet != nil {
			no = e.walletPrevious
		}
	}
	return nil
}

// passes reports whether an entry is what the filter wants.
func (w *walk) passes(e *ledger.Entry) bool {
	f := &w.filter
	return (f.Currency == "" || e.Currency == f.Currency) &&
		(f.EventType == "" || e.EventType == f.EventType) &&
		(f.Direction == "" || e.Direction == f.Direction) &&
		(f.ReferenceObjectID == "" || e.ReferenceObjectID == f.ReferenceObjectID) &&
		(f.CreatedAtGTE.IsZero() || !e.CreatedAt.Before(f.CreatedAtGTE)) &&
		(f.CreatedAtLTE.IsZero() || !e.CreatedAt.After(f.CreatedAtLTE))
}
