package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// History is everything that a store knows of one customer.
type History struct {
	Customer ledger.Customer
	Chain    ledger.Chain
	Wallets  []ledger.Wallet     // by currency, each with all its open lots
	Entries  []ledger.Entry      // by position, oldest first
	Audit    []ledger.AuditEntry // by position, oldest first
	Holds    []ledger.Hold       // by number, oldest first, the active ones with their lots
	Events   []ledger.HoldEvent  // by number, oldest first
	Notices  []ledger.Notice     // by number, oldest first
}

// errPeek ends a decision that only wants to look.
var errPeek = errors.New("only looking")

// Peek returns the snapshot that a scope gives.
func Peek(ctx context.Context, store ledger.Store, scope ledger.Scope) (ledger.Snapshot, error) {
	var seen ledger.Snapshot
	_, err := store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		seen = cloneSnapshot(s)
		return ledger.Change{}, errPeek
	})
	if errors.Is(err, errPeek) {
		return seen, nil
	}
	return ledger.Snapshot{}, err
}

// ReadHistory reads a customer through every read that the contract has. It is
// one moment only when nobody writes meanwhile.
func ReadHistory(ctx context.Context, store ledger.Store, tenant ledger.Tenant, customerID string) (History, error) {
	list, err := store.Wallets(ctx, tenant, customerID, time.Time{})
	if err != nil {
		return History{}, err
	}
	h := History{Customer: list.Customer, Chain: list.Chain, Wallets: list.Wallets}
	for i, wallet := range h.Wallets {
		// A need that no wallet can cover brings all open lots.
		scope := ledger.Scope{Tenant: tenant, CustomerID: customerID, Currency: wallet.Currency, Need: ledger.NeedAll}
		snapshot, err := Peek(ctx, store, scope)
		if err != nil {
			return History{}, err
		}
		h.Wallets[i].Lots, h.Wallets[i].Lapsed = snapshot.Wallet.Lots, snapshot.Wallet.Lapsed
	}
	page := ledger.Page{Limit: 200}
	for {
		entries, err := store.Entries(ctx, tenant, customerID, ledger.EntryFilter{}, page)
		if err != nil {
			return History{}, err
		}
		h.Entries = append(h.Entries, entries.Entries...)
		if page.Before = entries.Next; page.Before == 0 {
			break
		}
	}
	slices.Reverse(h.Entries)
	if h.Audit, err = readAudit(ctx, store, tenant, customerID); err != nil {
		return History{}, err
	}
	if err := h.readHolds(ctx, store, tenant); err != nil {
		return History{}, err
	}
	return h, h.readNotices(ctx, store, tenant)
}

func readAudit(
	ctx context.Context, store ledger.Store, tenant ledger.Tenant, customerID string,
) (trail []ledger.AuditEntry, err error) {
	for page := (ledger.AuditPage{Limit: 3}); ; {
		list, err := store.Audit(ctx, tenant, customerID, page)
		if err != nil {
			return nil, err
		}
		trail = append(trail, list.Entries...)
		if page.Before = list.Next; page.Before == 0 {
			slices.Reverse(trail)
			return trail, nil
		}
	}
}

// history reads a customer's history and checks the laws on the way.
func (w *world) history(c ledger.Customer) History {
	w.Helper()
	h, err := ReadHistory(w.Context(), w.ledger, c.Tenant, c.ID)
	if err != nil {
		w.Fatalf("read history: got error %v, want none", err)
	}
	for _, violation := range CheckLaws(h) {
		w.Errorf("customer %s: %s", c.ID, violation)
	}
	return h
}

// state is what the store knows of a tenant and of some of its customers.
type state struct {
	Businesses []access.Business
	Keys       []access.Key
	Settings   access.Settings
	Customers  []ledger.Customer // the newest
	Histories  []History
}

func (w *world) state(tenant ledger.Tenant, customers ...ledger.Customer) state {
	w.Helper()
	var s state
	var err [4]error
	s.Businesses, err[0] = w.access.Businesses(w.Context())
	s.Keys, err[1] = w.access.Keys(w.Context(), "")
	s.Settings, err[2] = w.access.Settings(w.Context(), tenant)
	list, e := w.ledger.Customers(w.Context(), tenant, ledger.CustomerFilter{}, ledger.Page{Limit: 200})
	s.Customers, err[3] = list.Customers, e
	if e := errors.Join(err[:]...); e != nil {
		w.Fatalf("read state: got error %v, want none", e)
	}
	for _, c := range customers {
		s.Histories = append(s.Histories, w.history(c))
	}
	return s
}

// unchanged runs f and checks that the state that can be read afterwards is
// the state before. A customer that does not exist is left out.
func (w *world) unchanged(f func(), customers ...ledger.Customer) {
	w.Helper()
	known := make([]ledger.Customer, 0, len(customers))
	for _, c := range customers {
		if _, err := w.ledger.Customer(w.Context(), c.Tenant, c.ID); err == nil {
			known = append(known, c)
		}
	}
	before := w.state(w.shop, known...)
	f()
	w.same("the state has changed", before, w.state(w.shop, known...))
}
