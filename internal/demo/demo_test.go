package demo_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/demo"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/sqlite"
)

var now = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// makeData fills a fresh store and returns it with what Run said.
func makeData(t *testing.T, customers int) (*sqlite.DB, ledger.Tenant, demo.Result) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	business := access.Business{ID: "bus_demo", Name: "Demo", CreatedAt: now}
	settings := access.Settings{Currencies: []money.Currency{"INR", "USD"}}
	if err := db.CreateBusiness(t.Context(), business, settings, nil); err != nil {
		t.Fatalf("create business: %v", err)
	}
	tenant := ledger.Tenant{BusinessID: business.ID, Mode: ledger.Test}
	last := 0
	result, err := demo.Run(t.Context(), demo.Config{
		Store: db, Tenant: tenant, Now: now, Months: 4, Customers: customers, Seed: 7,
		Progress: func(done, total int) {
			if done != last+1 || total != customers {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
		},
	})
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return db, tenant, result
}

func TestRunMakesALivelyLedger(t *testing.T) {
	t.Parallel()
	db, tenant, result := makeData(t, 40)
	if result.Customers != 40 || result.Entries < 400 {
		t.Errorf("got %+v, want 40 customers and at least 400 entries", result)
	}
	list, err := db.Customers(t.Context(), tenant, ledger.CustomerFilter{}, ledger.Page{Limit: 100})
	if err != nil {
		t.Fatalf("list customers: %v", err)
	}
	counted := 0
	seen := map[string]bool{}
	for _, customer := range list.Customers {
		if err := ledger.ValidateCustomer(customer); err != nil {
			t.Errorf("customer %q: %v", customer.Name, err)
		}
		page := ledger.Page{Limit: 200}
		for {
			entries, err := db.Entries(t.Context(), tenant, customer.ID, ledger.EntryFilter{}, page)
			if err != nil {
				t.Fatalf("list entries: %v", err)
			}
			for _, entry := range entries.Entries {
				counted++
				seen[string(entry.Currency)] = true
				seen[string(entry.Direction)] = true
				seen[string(entry.Category)] = true
				if entry.CreatedAt.After(now) || entry.CreatedAt.Before(now.AddDate(0, -4, -1)) {
					t.Errorf("entry at %s, want within four months before %s", entry.CreatedAt, now)
				}
			}
			if page.Before = entries.Next; page.Before == 0 {
				break
			}
		}
	}
	if counted != result.Entries {
		t.Errorf("the ledger has %d entries, Run said %d", counted, result.Entries)
	}
	for _, want := range []string{"USD", "INR", "credit", "debit", "paid", "promotional"} {
		if !seen[want] {
			t.Errorf("no entry shows %s", want)
		}
	}
}

func TestTheSameSeedMakesTheSameData(t *testing.T) {
	t.Parallel()
	_, _, first := makeData(t, 12)
	_, _, second := makeData(t, 12)
	if first != second {
		t.Errorf("got %+v and %+v from one seed", first, second)
	}
}
