package cli

import (
	"net/http"
	"net/url"
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

// A server that starts announces what expires soon, once, if the business wants to be
// told of it.
func TestAServerAnnouncesWhatExpiresSoon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, dir, nil)
	client := &apiClient{http: s.client, base: s.base, key: s.testKey}
	send := func(method, path string, body map[string]any) (answer struct {
		CustomerID string `json:"customer_id"`
	}) {
		t.Helper()
		if _, err := client.call(t.Context(), request{method: method, path: path, body: body}, &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	customer := send(http.MethodPost, "/customers", map[string]any{"email": "a@example.com", "name": "Ann"}).CustomerID
	for _, days := range []time.Duration{2, 5, 9} {
		send(http.MethodPost, customerPath(customer, "/wallets/ledger-entries"), map[string]any{
			"amount": 100 * int64(days), "currency": "USD", "entry_type": "credit",
			"expires_at": time.Now().Add(days * 24 * time.Hour).UTC().Format(time.RFC3339),
		})
	}
	send(http.MethodPatch, "/business", map[string]any{"expiry_notice_days": 7})
	key := s.testKey
	for range 2 { // the second start has nothing to add
		if code := s.stop(t); code != exitDone {
			t.Fatalf("stop: got %d, want 0\n%s", code, s.stderr)
		}
		s = startServer(t, dir, nil)
		client = &apiClient{http: s.client, base: s.base, key: key}
		for giveUp := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, metrics := s.get(t, "/metrics"); !strings.Contains(metrics, "billfold_expiry_last_sweep_timestamp_seconds 0\n") {
				break
			}
			if time.Now().After(giveUp) {
				t.Fatalf("nothing was swept\n%s", s.stderr)
			}
		}
		var page eventPage
		_, err := client.call(t.Context(), request{method: http.MethodGet, path: "/events", query: url.Values{
			"types": {string(ledger.WalletFundsExpiring)},
		}}, &page)
		if err != nil || len(page.Items) != 2 || !strings.Contains(string(page.Items[1]), `"remaining":500`) {
			t.Fatalf("got events %s and error %v, want those of 200 and 500", page.Items, err)
		}
	}
	s.stop(t)
	if document := decode[verifyDocument](t, run(t, nil, "verify", "--data-dir", dir, "-o", "json")); !document.Clean {
		t.Errorf("got %+v, want no finding", document)
	}
}
