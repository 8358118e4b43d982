package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sqlite"
)

// expiredData makes a data directory with a customer who was credited yesterday
// what expired an hour later.
func expiredData(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	awaitForks()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Microsecond)
	business := access.Business{ID: "bus_1", Name: "Acme", CreatedAt: yesterday}
	if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	tenant := ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}
	c := ledger.Customer{Tenant: tenant, ID: "cus_1", Metadata: "{}", CreatedAt: yesterday, UpdatedAt: yesterday}
	if _, err := db.CreateCustomer(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	book := ledger.NewBook(db, func() time.Time { return yesterday }, newRandom())
	for _, ends := range []time.Duration{time.Hour, 2 * time.Hour, 10_000 * time.Hour} {
		_, err := book.Post(t.Context(), ledger.PostRequest{
			Tenant: tenant, CustomerID: c.ID, Currency: "USD", CurrencyEnabled: true, Direction: ledger.Credit,
			Amount: 100, ExpiresAt: yesterday.Add(ends),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A server that starts sweeps what expired while none was running, and says so
// in its metrics.
func TestAServerSweepsWhatHasExpired(t *testing.T) {
	t.Parallel()
	dir := expiredData(t)
	s := startServer(t, dir, nil)
	for giveUp := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, metrics := s.get(t, "/metrics")
		if strings.Contains(metrics, "billfold_expiry_entries_total 2\n") &&
			!strings.Contains(metrics, "billfold_expiry_last_sweep_timestamp_seconds 0\n") {
			break
		}
		if time.Now().After(giveUp) {
			t.Fatalf("nothing was swept\n%s", s.stderr)
		}
	}
	if log := s.stderr.String(); !strings.Contains(log, "expired funds were written off") {
		t.Errorf("log: got %s, want that funds were written off", log)
	}
	if code := s.stop(t); code != exitDone {
		t.Errorf("stop: got %d, want 0\n%s", code, s.stderr)
	}
	document := decode[verifyDocument](t, run(t, nil, "verify", "--data-dir", dir, "-o", "json"))
	if !document.Clean || document.Entries != 5 {
		t.Errorf("got %+v, want 5 entries and no finding", document)
	}
}
