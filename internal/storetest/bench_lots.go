package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// LotCases are how many open lots a wallet has from which [BenchmarkLots] debits.
// Lots that can expire stand in the wallet's row, every one, so that their number
// is what a debit costs: of them no more are opened than can be in reasonable time.
var LotCases = []struct {
	Lots    int
	Expires bool
}{
	{10, false}, {1000, false}, {100_000, false}, {10, true}, {1000, true}, {10_000, true},
}

// BenchmarkLots posts b.N debits one after the other to a wallet with so many open
// lots, of which each lasts for three debits. One operation is one durable debit.
// Lots are opened again as they are spent, without counting the time, so that the
// wallet never has fewer.
func BenchmarkLots(b *testing.B, stores Stores, lots int, expires bool) {
	tenant := benchTenant(b, stores)
	customer := benchCustomers(b, stores, tenant, 1)[0]
	var random atomic.Uint64
	book := ledger.NewBook(stores.Ledger, time.Now, func() uint64 { return random.Add(0x9E3779B97F4A7C15) })
	post := func(direction ledger.Direction, amount money.Amount) {
		request := ledger.PostRequest{
			Tenant: tenant, CustomerID: customer, Currency: "USD", CurrencyEnabled: true, Direction: direction,
			Amount: amount, Reason: "benchmark", CreatedBy: "key_bench",
			IdempotencyKey: fmt.Sprintf("%x", random.Add(1)),
		}
		if expires && direction == ledger.Credit {
			request.ExpiresAt = time.Now().Add(30 * 24 * time.Hour).Truncate(time.Microsecond)
		}
		if _, err := book.Post(b.Context(), request); err != nil {
			b.Error(err)
		}
	}
	const debitsOfLot = 3
	spare := lots/10 + 100
	openLots(lots+spare, func() { post(ledger.Credit, debitsOfLot) })
	left := spare * debitsOfLot // debits until lots have to be opened
	b.ResetTimer()
	for range b.N {
		if left == 0 {
			b.StopTimer()
			openLots(spare, func() { post(ledger.Credit, debitsOfLot) })
			left = spare * debitsOfLot
			b.StartTimer()
		}
		post(ledger.Debit, 1)
		left--
	}
	b.StopTimer()
}

// openLots opens lots from many goroutines, so that they share commits.
func openLots(n int, open func()) {
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	for range 512 {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				open()
			}
		})
	}
	group.Wait()
}
