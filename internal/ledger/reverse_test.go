package ledger_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// reversed undoes a debit of 5 that took from lot 7, with other lots if asked.
func reversed(eventType ledger.EventType, lot int64) (ledger.Change, error) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	debit := ledger.Reversible{
		Entry: ledger.Entry{
			ID: "cwt_1", Currency: "USD", Direction: ledger.Debit, Amount: 5, EventType: eventType, Account: ledger.AccountCash,
			Allocations: []ledger.Allocation{{LotSeq: 7, Amount: 5}},
		},
		Lots: []ledger.Lot{{Seq: lot, Category: ledger.Paid, Remaining: 9}},
	}
	s := ledger.Snapshot{Wallet: ledger.Wallet{Currency: "USD", Seq: 8}}
	return ledger.Reverse(s, &ledger.ReverseRequest{EntryID: "cwt_1"}, &debit, ledger.Moment{Now: now})
}

// An entry that undoes another has the published type for that, where there is one.
func TestReversalsHaveThePublishedType(t *testing.T) {
	t.Parallel()
	for undone, want := range map[ledger.EventType]ledger.EventType{
		ledger.EventPayment:            ledger.EventPaymentReversal,
		ledger.EventRefund:             ledger.EventRefundReversal,
		ledger.EventDispute:            ledger.EventDisputeReversal,
		ledger.EventMerchantAdjustment: ledger.EventMerchantAdjustment,
	} {
		change, err := reversed(undone, 7)
		if err != nil || change.Entry.EventType != want || change.Entry.Account != ledger.AccountCash {
			t.Errorf("reversal of %s: got %s against %s, error %v, want %s against cash",
				undone, change.Entry.EventType, change.Entry.Account, err, want)
		}
	}
}

// A store that brings other lots than the debit took is not believed.
func TestReversalsGiveToNoOtherLot(t *testing.T) {
	t.Parallel()
	if change, err := reversed(ledger.EventPayment, 0); ledger.CodeOf(err) != ledger.CodeInternal {
		t.Errorf("got %+v, error %v, want %s", change, err, ledger.CodeInternal)
	}
}

// What the server has posted for an invoice is given back by a refund of it, and by
// nobody who has the entry's id.
func TestReversalsOfInvoicesAreRefunds(t *testing.T) {
	t.Parallel()
	of := ledger.Reversible{
		Entry: ledger.Entry{
			ID: "cwt_1", Currency: "USD", Direction: ledger.Debit, Amount: 5, EventType: ledger.EventPayment,
			Account: ledger.AccountRevenue, CreatedBy: ledger.SystemCreator, ReferenceObjectID: "inv_1",
			Allocations: []ledger.Allocation{{LotSeq: 7, Amount: 5}},
		},
		Lots: []ledger.Lot{{Seq: 7, Category: ledger.Paid, Remaining: 9}},
	}
	s := ledger.Snapshot{Wallet: ledger.Wallet{Currency: "USD", Seq: 8}}
	moment := ledger.Moment{Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for by, want := range map[string]ledger.Code{
		"key_1": ledger.CodeNotReversible, "": ledger.CodeNotReversible, ledger.SystemCreator: "",
	} {
		change, err := ledger.Reverse(s, &ledger.ReverseRequest{EntryID: "cwt_1", CreatedBy: by}, &of, moment)
		if ledger.CodeOf(err) != want || (err == nil) != (change.Entry.Amount == 5) {
			t.Errorf("by %q: got %+v, error %v, want %q", by, change.Entry, err, want)
		}
	}
}
