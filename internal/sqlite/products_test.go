package sqlite_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sqlite"
)

// TestProductsAreThereAfterARestart holds also for a product that was changed and for the
// answer to the request that made it.
func TestProductsAreThereAfterARestart(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), time.Date(2026, time.March, 1, 12, 0, 0, 123_457_000, time.UTC)
	tenant := ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Live}
	by := access.Change{Moment: ledger.Moment{Now: at}}
	want := catalog.Product{
		Tenant: tenant, ID: "pdt_1", Name: "Pro", TaxCategory: "saas", Metadata: "{}", CreatedAt: at, UpdatedAt: at,
		Price: billing.Price{Kind: billing.OneTimePrice, Currency: "USD", Amount: 500},
	}
	once := &ledger.Once{Tenant: tenant, Route: "POST /products", Key: "k", At: at, KeepUntil: at.Add(time.Hour)}
	for run := range 2 {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			business := access.Business{ID: tenant.BusinessID, Name: "Shop", CreatedAt: at}
			if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
				t.Fatal(err)
			}
		}
		first, err := db.CreateProduct(t.Context(), want, by, once, []byte("the answer"))
		if err != nil || (string(first) == "the answer") != (run == 1) {
			t.Errorf("run %d: got first answer %q, error %v", run, first, err)
		}
		rename := func(p *catalog.Product) error { p.Name = "Max"; return nil }
		if _, err := db.UpdateProduct(t.Context(), tenant, want.ID, by, rename); err != nil {
			t.Error(err)
		}
		got, err := db.Product(t.Context(), tenant, want.ID)
		if err != nil || got.Name != "Max" || got.Price != want.Price || !got.CreatedAt.Equal(at) {
			t.Errorf("run %d: got %+v, error %v, want %+v as Max", run, got, err, want)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
