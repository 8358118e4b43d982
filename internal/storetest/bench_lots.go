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

// LotCase is how many open lots a wallet has, and what [BenchmarkLots] does to it.
type LotCase struct {
	Do      string // "debit", "credit" or "sweep"
	Lots    int
	Expires bool
}

// LotCases are what is measured of wallets with few and many open lots.
var LotCases = []LotCase{
	{"debit", 10, false}, {"debit", 100_000, false},
	{"debit", 10, true}, {"debit", 1000, true}, {"debit", 100_000, true},
	{"credit", 10, true}, {"credit", 100_000, true},
	{"sweep", 10, true}, {"sweep", 100_000, true},
}

func (c LotCase) String() string { return fmt.Sprintf("%s/lots=%d/expire=%t", c.Do, c.Lots, c.Expires) }

// lotBench is a wallet under measurement.
type lotBench struct {
	b       *testing.B
	book    *ledger.Book
	wallet  ledger.WalletKey
	expires bool
	now     time.Time
	random  atomic.Uint64
}

// BenchmarkLots does b.N things one after the other to a wallet with so many open lots,
// of which each lasts for three debits. One operation is one durable entry. Those that
// expire do so in any order, and all have when they are swept. Lots are opened again as
// they are used up, without counting the time, so that the wallet never has fewer, but
// for those that are swept: of 100,000 there may be b.N fewer.
func BenchmarkLots(b *testing.B, stores Stores, c LotCase) {
	tenant := benchTenant(b, stores)
	customer := benchCustomers(b, stores, tenant, 1)[0]
	l := &lotBench{b: b, wallet: ledger.WalletKey{Tenant: tenant, CustomerID: customer, Currency: "USD"}, expires: c.Expires}
	l.now = time.Now().UTC().Truncate(time.Microsecond)
	draw := func() uint64 { return l.random.Add(0x9E3779B97F4A7C15) }
	l.book = ledger.NewBook(stores.Ledger, func() time.Time { return l.now }, draw)
	switch c.Do {
	case "debit":
		l.debits(c.Lots)
	case "credit":
		l.open(c.Lots)
		b.ResetTimer()
		for range b.N {
			l.post(ledger.Credit, debitsOfLot)
		}
	default:
		l.sweeps(c.Lots)
	}
	b.StopTimer()
}

// debitsOfLot is how many debits a lot lasts for.
const debitsOfLot = 3

func (l *lotBench) debits(lots int) {
	spare := lots/10 + 100
	l.open(lots + spare)
	left := spare * debitsOfLot // debits until lots have to be opened
	l.b.ResetTimer()
	for range l.b.N {
		if left == 0 {
			l.b.StopTimer()
			l.open(spare)
			left = spare * debitsOfLot
			l.b.StartTimer()
		}
		l.post(ledger.Debit, 1)
		left--
	}
}

func (l *lotBench) sweeps(lots int) {
	l.b.ResetTimer()
	for left := l.b.N; left > 0; left -= lots {
		l.b.StopTimer()
		l.open(lots)
		l.now = l.now.Add(benchLife)
		l.b.StartTimer()
		swept, err := l.book.Sweep(l.b.Context(), l.wallet, l.now, min(left, lots))
		if err != nil || swept != min(left, lots) {
			l.b.Fatalf("got %d lots swept of %d, %v", swept, min(left, lots), err)
		}
	}
}

// benchLife is by when every lot has expired.
const benchLife = 30 * 24 * time.Hour

func (l *lotBench) post(direction ledger.Direction, amount money.Amount) {
	random := l.random.Add(0x9E3779B97F4A7C15)
	request := ledger.PostRequest{
		Tenant: l.wallet.Tenant, CustomerID: l.wallet.CustomerID, Currency: "USD", CurrencyEnabled: true,
		Direction: direction, Amount: amount, Reason: "benchmark", CreatedBy: "key_bench", IdempotencyKey: fmt.Sprintf("%x", random),
	}
	if l.expires && direction == ledger.Credit {
		life := time.Hour + time.Duration(random>>1)%(benchLife-2*time.Hour)
		request.ExpiresAt = l.now.Add(life).Truncate(time.Microsecond)
	}
	if _, err := l.book.Post(l.b.Context(), request); err != nil {
		l.b.Error(err)
	}
}

// open opens lots from many goroutines, so that they share commits.
func (l *lotBench) open(lots int) {
	var left atomic.Int64
	left.Store(int64(lots))
	var group sync.WaitGroup
	for range 512 {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				l.post(ledger.Credit, debitsOfLot)
			}
		})
	}
	group.Wait()
}
