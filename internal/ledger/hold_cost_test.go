package ledger_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// TestHoldsCostNoMoreThanTwoEntries promises money of two lots, captures it and
// gives the rest back.
func TestHoldsCostNoMoreThanTwoEntries(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	entries := func() int64 {
		list, err := o.store.Wallets(t.Context(), o.tenant, ordersCustomer, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return list.Chain.Position
	}
	before := entries()
	made, err := o.book.MakeHold(t.Context(), ledger.HoldRequest{
		Tenant: o.tenant, CustomerID: ordersCustomer, Currency: "USD", Amount: 5, ExpiresAt: o.clock.Now().Add(holdEnds),
		CreatedBy: "key_1", CurrencyEnabled: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := entries() - before; got != 0 {
		t.Errorf("a hold that is made: got %d entries, want none", got)
	}
	o.hold = made.Hold.Hold.ID
	if err := o.capture(4, true); err != nil {
		t.Fatal(err)
	}
	if got := entries() - before; got != 1 {
		t.Errorf("a hold that is captured in part, the rest given back: got %d entries, want 1", got)
	}
}
