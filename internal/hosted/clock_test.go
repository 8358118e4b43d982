package hosted_test

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/sqlite"
)

// A customer of a test clock pays by the time of the clock, whatever it is in the world.
func TestPagesFollowTestClocks(t *testing.T) {
	t.Parallel()
	for _, years := range []int{-2, 2} {
		dir := filepath.Join(t.TempDir(), "data")
		db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		s := newStage(t, db, nil)
		at := epoch.AddDate(years, 0, 0)
		clock := ledger.TestClock{Tenant: shop, ID: "clk_1", FrozenAt: at, CreatedAt: epoch}
		if _, err := db.CreateTestClock(t.Context(), clock, nil, nil); err != nil {
			t.Fatal(err)
		}
		s.customer = "cus_clocked0"
		if _, err := db.CreateCustomer(t.Context(), ledger.Customer{
			Tenant: shop, ID: s.customer, Email: "c@example.com", Name: "C", Metadata: "{}", CreatedAt: at, UpdatedAt: at,
			Clock: clock.ID, ClockAt: at,
		}, nil); err != nil {
			t.Fatal(err)
		}
		id, path := s.opened()
		if got := s.send("GET", path, ""); got.status != http.StatusOK || strings.Contains(got.body, "expired") {
			t.Errorf("%d years: got %d %.300s, want the card to be asked for", years, got.status, got.body)
		}
		s.send("POST", path, pay(processor.SandboxOK, true))
		if got := s.invoice(id).Status(); got != collect.Succeeded {
			t.Errorf("%d years: got payment %s, want it succeeded", years, got)
		}
	}
}
