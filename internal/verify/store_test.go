package verify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

// realStore opens the embedded store with one business.
func realStore(t testing.TB) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: filepath.Join(t.TempDir(), "data"), LotsInRow: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	business := access.Business{ID: acmeTest.BusinessID, Name: "Acme", CreatedAt: start}
	if err := db.CreateBusiness(t.Context(), business, access.Settings{}, nil); err != nil {
		t.Fatal(err)
	}
	return db
}

func addCustomers(t testing.TB, db *sqlite.DB, n int) []string {
	t.Helper()
	ids := make([]string, n)
	var group sync.WaitGroup
	for worker := range 64 {
		group.Go(func() {
			for i := worker; i < n; i += 64 {
				ids[i] = fmt.Sprintf("cus_%021d", i)
				customer := ledger.Customer{
					Tenant: acmeTest, ID: ids[i], Email: "a@example.com", Name: "A", Metadata: "{}",
					CreatedAt: start, UpdatedAt: start,
				}
				if _, err := db.CreateCustomer(context.Background(), customer, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	return ids
}

// load posts entries of every kind from many goroutines. Refusals are skipped.
func load(t testing.TB, db *sqlite.DB, customers, entries int) {
	t.Helper()
	ids := addCustomers(t, db, customers)
	var clock, random atomic.Int64
	now := func() time.Time { return start.Add(time.Duration(clock.Add(1)) * 20 * time.Millisecond) }
	book := ledger.NewBook(db, now, func() uint64 { return uint64(random.Add(1)) })
	var group sync.WaitGroup
	for worker := range 256 {
		group.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(worker), 7))
			for i := worker; i < entries; i += 256 {
				r := anyRequest(chance, book.Now(), i)
				r.CustomerID = ids[chance.IntN(len(ids))]
				if _, err := book.Post(context.Background(), r); err != nil && !isRefusal(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func anyRequest(chance *rand.Rand, now time.Time, n int) ledger.PostRequest {
	r := ledger.PostRequest{
		Tenant: acmeTest, Currency: "USD", CurrencyEnabled: true, CreatedBy: "key_load",
		Direction: ledger.Credit, Amount: money.Amount(1 + chance.IntN(1000)), Reason: "load",
		IdempotencyKey: fmt.Sprintf("key-%d", n), DefaultAlerts: "INR\t300:400\nUSD\t500:1000 5000:5000\n",
	}
	if chance.IntN(4) == 0 {
		r.Currency = "INR"
	}
	switch chance.IntN(10) {
	case 0, 1, 2, 3:
		r.Direction = ledger.Debit
	case 4:
		r.Category = ledger.Promotional
	case 5:
		r.Category, r.ExpiresAt = ledger.Promotional, now.Add(time.Duration(10+chance.IntN(100))*time.Minute)
	case 6:
		r.ExpiresAt = now.Add(time.Duration(10+chance.IntN(100)) * time.Minute)
	}
	return r
}

func TestTheRealStoreIsSound(t *testing.T) {
	t.Parallel()
	db := realStore(t)
	load(t, db, 20, 5000)
	for _, quick := range []bool{false, true} {
		got := run(t, verify.Options{Path: db.Path(), Quick: quick})
		if !got.Clean() {
			t.Errorf("quick %v: got findings %q, want none", quick, got.Findings)
		}
		if least := int64(256); got.Entries < least || got.Customers == 0 || got.Wallets == 0 {
			t.Errorf("quick %v: got %d entries, %d customers, %d wallets, want at least %d, 1, 1",
				quick, got.Entries, got.Customers, got.Wallets, least)
		}
	}
}

// Reversals that leave debts, among credits that pay them and debits.
func TestTheRealStoreIsSoundWithDebts(t *testing.T) {
	t.Parallel()
	db := realStore(t)
	ids := addCustomers(t, db, 3)
	var clock, random int64
	now := func() time.Time { clock++; return start.Add(time.Duration(clock) * time.Minute) }
	book := ledger.NewBook(db, now, func() uint64 { random++; return uint64(random) })
	chance := rand.New(rand.NewPCG(3, 7))
	var credits []ledger.Entry
	owed, paid := 0, 0
	for n := range 900 {
		var change ledger.Change
		var err error
		if n%3 == 2 && len(credits) > 0 {
			e := credits[chance.IntN(len(credits))]
			amount := 1 + money.Amount(chance.IntN(int(e.Amount)))
			change, err = book.Reverse(t.Context(), ledger.ReverseRequest{
				Tenant: acmeTest, CustomerID: e.CustomerID, EntryID: e.ID, Amount: &amount, AllowDebt: true, CreatedBy: "key_load",
			})
		} else {
			r := anyRequest(chance, book.Now(), n)
			r.CustomerID = ids[chance.IntN(len(ids))]
			change, err = book.Post(t.Context(), r)
		}
		if err != nil {
			if !isRefusal(err) {
				t.Fatal(err)
			}
			continue
		}
		if change.Entry.OpensLot() {
			credits = append(credits, change.Entry)
		}
		if change.Lent != nil {
			owed++
		}
		paid += len(change.Follows)
	}
	t.Logf("seed 3, 7: %d reversals left a debt, %d debits paid", owed, paid)
	if owed < 50 || paid < 50 {
		t.Errorf("got %d debts and %d payments, want at least 50 of each", owed, paid)
	}
	wantClean(t, db.Path())
}

// BenchmarkRun verifies ledgers of growing size. One operation is one entry.
func BenchmarkRun(b *testing.B) {
	for _, entries := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			db := realStore(b)
			load(b, db, 10_000, entries)
			var verified int64
			for b.Loop() {
				report := run(b, verify.Options{Path: db.Path()})
				if !report.Clean() {
					b.Fatalf("got findings %q, want none", report.Findings)
				}
				verified += report.Entries
			}
			b.ReportMetric(float64(verified)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
