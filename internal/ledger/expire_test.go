package ledger_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Whatever lots a wallet has, sweeping it to the end takes each expired lot
// whole and once, in the order of spending, and changes nothing else.
func TestExpireTakesEachExpiredLotOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		wallet := ledger.Wallet{Currency: "USD", Seq: 40}
		for seq := range rapid.Int64Range(0, 12).Draw(t, "lots") {
			remaining := money.Amount(rapid.Int64Range(1, int64(money.EntryMax)).Draw(t, "remaining"))
			lot := ledger.Lot{Seq: seq + 1, Category: ledger.Paid, Remaining: remaining}
			if rapid.Bool().Draw(t, "promotional") {
				lot.Category = ledger.Promotional
			}
			if rapid.IntRange(0, 3).Draw(t, "expires") > 0 {
				lot.ExpiresAt = now.Add(time.Duration(rapid.IntRange(-3, 3).Draw(t, "beside")) * time.Microsecond)
			}
			wallet.Lots = ledger.OpenLot(wallet.Lots, lot)
			wallet.Balance += lot.Remaining
		}
		last := time.Duration(rapid.IntRange(-2, 2).Draw(t, "last")) * time.Microsecond
		chain := ledger.Chain{Position: 40, LastAt: now.Add(last)}
		at := chain.At(now)
		var want []ledger.Allocation
		for _, lot := range wallet.Lots {
			if lot.ExpiredAt(at) {
				want = append(want, ledger.Allocation{LotSeq: lot.Seq, Amount: lot.Remaining})
			}
		}
		available := wallet.Available(at)
		var got []ledger.Allocation
		for {
			before := slices.Clone(wallet.Lots)
			change, err := ledger.Expire(ledger.Snapshot{Chain: chain, Wallet: wallet}, ledger.Moment{Now: now, Random: 1})
			if !slices.Equal(before, wallet.Lots) {
				t.Fatalf("the lots of the snapshot were changed from %v to %v", before, wallet.Lots)
			}
			if errors.Is(err, ledger.ErrNothingExpired) {
				break
			}
			e := change.Entry
			if err != nil || e.Before != wallet.Balance || e.After != e.Before-e.Amount || e.After != change.Wallet.Balance ||
				e.Available != available || e.Position != chain.Position+1 || e.Seq != change.Wallet.Seq ||
				!e.CreatedAt.Equal(at) || e.Hash != e.ChainHash(chain.Hash) {
				t.Fatalf("got %+v and error %v on top of %+v", change, err, wallet)
			}
			got = append(got, e.Allocations...)
			wallet = change.Wallet
			chain = ledger.Chain{Position: e.Position, Hash: e.Hash, LastAt: e.CreatedAt}
		}
		if !slices.Equal(want, got) || wallet.Available(at) != available {
			t.Fatalf("got %v swept and %d available, want %v and %d", got, wallet.Available(at), want, available)
		}
	})
}
