// Package sdk drives the official clients of Dodo Payments, unmodified, against
// the real server: what works with them is the wire format, whatever else the
// tests say.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	dodo "github.com/dodopayments/dodopayments-go"
	"github.com/dodopayments/dodopayments-go/option"

	"github.com/billfold/billfold/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// The npm client's tests are JavaScript, because that is how it is used; node's
// own runner counts them.
func TestNode(t *testing.T) {
	t.Parallel()
	runNode(t, harness.Start(t, harness.Options{}), `\d{2}`)
}

// TestStory is what a shop does with a customer: product, top-up, subscription, renewal,
// refund, portal, and webhooks that arrive on this machine.
func TestStory(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Arguments: []string{"--webhook-allow-insecure", "loopback"}})
	runNode(t, server, `1`, "story.js")
}

// runNode has node's runner run the tests of some files against a server, or all that are
// named as tests.
func runNode(t *testing.T, server *harness.Server, passed string, files ...string) {
	t.Helper()
	harness.NodeTests(t, "../node", []string{
		"DODO_PAYMENTS_BASE_URL=http://" + server.Addr, "DODO_PAYMENTS_API_KEY=" + harness.TestKey,
		"BILLFOLD_LIVE_KEY=" + harness.LiveKey,
	}, passed, files...)
}

// traffic counts round trips and can lose an answer after the server gave it.
type traffic struct {
	trips atomic.Int64
	lose  atomic.Int64 // how many of the next answers are lost
}

func (tr *traffic) RoundTrip(request *http.Request) (*http.Response, error) {
	tr.trips.Add(1)
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err == nil && tr.lose.Add(-1) >= 0 {
		return nil, errors.Join(errors.New("the answer was lost on the way"), answer.Body.Close())
	}
	return answer, err
}

type client struct {
	*dodo.Client
	t       *testing.T
	ctx     context.Context
	traffic *traffic
}

func newClient(t *testing.T) *client {
	t.Helper()
	server := harness.Start(t, harness.Options{})
	wire := &traffic{}
	return &client{
		Client: dodo.NewClient(
			option.WithBaseURL("http://"+server.Addr), option.WithBearerToken(harness.TestKey),
			option.WithHTTPClient(&http.Client{Transport: wire})),
		t: t, ctx: t.Context(), traffic: wire,
	}
}

func (c *client) customer(name string) *dodo.Customer {
	c.t.Helper()
	customer, err := c.Customers.New(c.ctx, dodo.CustomerNewParams{Email: dodo.F("jane@example.com"), Name: dodo.F(name)})
	if err != nil {
		c.t.Fatal(err)
	}
	return customer
}

func entry(
	amount int64, currency dodo.Currency, kind dodo.CustomerWalletLedgerEntryNewParamsEntryType, key string,
) dodo.CustomerWalletLedgerEntryNewParams {
	params := dodo.CustomerWalletLedgerEntryNewParams{
		Amount: dodo.F(amount), Currency: dodo.F(currency), EntryType: dodo.F(kind), Reason: dodo.F("test"),
	}
	if key != "" {
		params.IdempotencyKey = dodo.F(key)
	}
	return params
}

const (
	credit = dodo.CustomerWalletLedgerEntryNewParamsEntryTypeCredit
	debit  = dodo.CustomerWalletLedgerEntryNewParamsEntryTypeDebit
)

func (c *client) post(id string, params dodo.CustomerWalletLedgerEntryNewParams) *dodo.CustomerWallet {
	c.t.Helper()
	wallet, err := c.Customers.Wallets.LedgerEntries.New(c.ctx, id, params)
	if err != nil {
		c.t.Fatal(err)
	}
	return wallet
}

// status returns the status and code of an error that the server gave.
func (c *client) status(err error) (int, string) {
	c.t.Helper()
	var failure *dodo.Error
	if !errors.As(err, &failure) {
		c.t.Fatalf("got error %v, want an API error", err)
	}
	code := regexp.MustCompile(`"code":"(\w+)"`).FindStringSubmatch(failure.JSON.RawJSON())
	if code == nil {
		c.t.Fatalf("got body %s, want one with a code", failure.JSON.RawJSON())
	}
	return failure.StatusCode, code[1]
}

func TestGoCustomers(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	made := c.customer("Jane Doe")
	if made.Name != "Jane Doe" || made.Email != "jane@example.com" || !strings.HasPrefix(made.CustomerID, "cus_") ||
		!strings.HasPrefix(made.BusinessID, "bus_") || made.CreatedAt.IsZero() {
		t.Errorf("got customer %+v", made)
	}
	if _, err := c.Customers.Update(c.ctx, made.CustomerID, dodo.CustomerUpdateParams{Name: dodo.F("Jane Roe")}); err != nil {
		t.Fatal(err)
	}
	read, err := c.Customers.Get(c.ctx, made.CustomerID)
	if err != nil {
		t.Fatal(err)
	}
	if read.Name != "Jane Roe" || read.Email != made.Email {
		t.Errorf("got customer %+v, want the new name and the old address", read)
	}
	list, err := c.Customers.List(c.ctx, dodo.CustomerListParams{Email: dodo.F("jane@example.com"), PageNumber: dodo.F(int64(0))})
	if err != nil || len(list.Items) != 1 || list.Items[0].CustomerID != made.CustomerID {
		t.Errorf("got list %+v and error %v, want the one customer", list, err)
	}
	_, err = c.Customers.Get(c.ctx, "cus_doesNotExist000000000")
	if status, code := c.status(err); status != 404 || code != "NOT_FOUND" {
		t.Errorf("got %d %s, want 404 NOT_FOUND", status, code)
	}
}

func TestGoWalletsAndEntries(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.customer("Jane").CustomerID
	wallets, err := c.Customers.Wallets.List(c.ctx, id)
	if err != nil || len(wallets.Items) != 2 || wallets.TotalBalanceUsd != 0 {
		t.Fatalf("got wallets %+v and error %v, want USD and INR at zero", wallets, err)
	}
	c.post(id, entry(5000, dodo.CurrencyUsd, credit, "deposit_1"))
	c.post(id, entry(1_500_000, dodo.CurrencyInr, credit, "inr_deposit_1"))
	if wallet := c.post(id, entry(1500, dodo.CurrencyUsd, debit, "purchase_1")); wallet.Balance != 3500 ||
		wallet.Currency != dodo.CurrencyUsd {
		t.Errorf("got wallet %+v, want USD 3500", wallet)
	}
	entries, err := c.Customers.Wallets.LedgerEntries.List(c.ctx, id, dodo.CustomerWalletLedgerEntryListParams{
		Currency: dodo.F(dodo.CurrencyUsd), PageNumber: dodo.F(int64(0)), PageSize: dodo.F(int64(10)),
	})
	if err != nil || len(entries.Items) != 2 {
		t.Fatalf("got entries %+v and error %v, want two", entries, err)
	}
	newest := entries.Items[0]
	if newest.IsCredit || newest.Amount != 1500 || newest.BeforeBalance != 5000 || newest.AfterBalance != 3500 ||
		newest.EventType != "merchant_adjustment" || newest.Reason != "test" {
		t.Errorf("got newest entry %+v", newest)
	}
	before := c.traffic.trips.Load()
	_, err = c.Customers.Wallets.LedgerEntries.New(c.ctx, id, entry(3501, dodo.CurrencyUsd, debit, "purchase_2"))
	if status, code := c.status(err); status != 400 || code != "INSUFFICIENT_WALLET_FUNDS" {
		t.Errorf("got %d %s, want 400 INSUFFICIENT_WALLET_FUNDS", status, code)
	}
	if trips := c.traffic.trips.Load() - before; trips != 1 {
		t.Errorf("got %d round trips for a refusal, want 1", trips)
	}
}

func TestGoDuplicateWithinOneRoundTrip(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.customer("Jane").CustomerID
	params := entry(1000, dodo.CurrencyUsd, credit, "welcome_"+id)
	c.post(id, params)
	before := c.traffic.trips.Load()
	_, err := c.Customers.Wallets.LedgerEntries.New(c.ctx, id, params)
	if status, code := c.status(err); status != 409 || code != "DUPLICATE_IDEMPOTENCY_KEY" {
		t.Errorf("got %d %s, want 409 DUPLICATE_IDEMPOTENCY_KEY", status, code)
	}
	if trips := c.traffic.trips.Load() - before; trips != 1 {
		t.Errorf("got %d round trips, want 1: the client must not send a 409 again", trips)
	}
	_, err = c.Customers.Wallets.LedgerEntries.New(c.ctx, id, entry(1001, dodo.CurrencyUsd, credit, "welcome_"+id))
	if status, code := c.status(err); status != 422 || code != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another request under the key: got %d %s, want 422 IDEMPOTENCY_KEY_REUSED", status, code)
	}
	if balance := c.balance(id); balance != 1000 {
		t.Errorf("got balance %d, want 1000", balance)
	}
}

func (c *client) balance(id string) int64 {
	c.t.Helper()
	wallets, err := c.Customers.Wallets.List(c.ctx, id)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, wallet := range wallets.Items {
		if wallet.Currency == dodo.CurrencyUsd {
			return wallet.Balance
		}
	}
	c.t.Fatal("got no USD wallet, want one from birth")
	return 0
}

// The client sends a request again by itself when the answer is lost. With a
// key that has no second effect and the caller gets the first answer; without a
// key the server refuses to guess.
func TestGoRetryAfterALostAnswer(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.customer("Jane").CustomerID
	c.traffic.lose.Store(2)
	before := c.traffic.trips.Load()
	wallet := c.post(id, entry(700, dodo.CurrencyUsd, credit, "k1"))
	if trips := c.traffic.trips.Load() - before; trips != 3 {
		t.Errorf("got %d round trips, want 3", trips)
	}
	if wallet.Balance != 700 {
		t.Errorf("got balance %d from the third try, want 700", wallet.Balance)
	}
	c.traffic.lose.Store(1)
	_, err := c.Customers.Wallets.LedgerEntries.New(c.ctx, id, entry(50, dodo.CurrencyUsd, credit, ""))
	if status, code := c.status(err); status != 422 || code != "IDEMPOTENCY_KEY_REQUIRED" {
		t.Errorf("without a key: got %d %s, want 422 IDEMPOTENCY_KEY_REQUIRED", status, code)
	}
	if balance := c.balance(id); balance != 750 {
		t.Errorf("got balance %d, want 750: each request counted once", balance)
	}
	c.traffic.lose.Store(1)
	again := c.customer("Lost")
	list, err := c.Customers.List(c.ctx, dodo.CustomerListParams{Name: dodo.F("Lost"), PageNumber: dodo.F(int64(0))})
	if err != nil || len(list.Items) != 1 || list.Items[0].CustomerID != again.CustomerID {
		t.Errorf("got customers %+v and error %v, want the one that the second try returned", list, err)
	}
}

func TestGoAutoPagingMeetsEachEntryOnce(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.customer("Jane").CustomerID
	for i := range 35 {
		c.post(id, entry(int64(i+1), dodo.CurrencyUsd, credit, fmt.Sprintf("k%d", i)))
	}
	for name, params := range map[string]dodo.CustomerWalletLedgerEntryListParams{
		"without a page number": {PageSize: dodo.F(int64(10))},
		"without any":           {},
		"with page number 0":    {PageNumber: dodo.F(int64(0)), PageSize: dodo.F(int64(10))},
	} {
		seen := make(map[string]int)
		pager := c.Customers.Wallets.LedgerEntries.ListAutoPaging(c.ctx, id, params)
		for pager.Next() {
			seen[pager.Current().ID]++
		}
		if err := pager.Err(); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 35 {
			t.Errorf("%s: got %d entries, want 35", name, len(seen))
		}
		for id, times := range seen {
			if times != 1 {
				t.Errorf("%s: met %s %d times, want once", name, id, times)
			}
		}
	}
}

// The vendor's own tests list with these filters and this page size, and expect
// an answer.
func TestGoListsOfUnknownFilters(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	id := c.customer("Jane").CustomerID
	list, err := c.Customers.Wallets.LedgerEntries.List(c.ctx, id, dodo.CustomerWalletLedgerEntryListParams{
		Currency: dodo.F(dodo.CurrencyAed), PageNumber: dodo.F(int64(0)), PageSize: dodo.F(int64(0)),
	})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("got %+v and error %v, want an empty list", list, err)
	}
	customers, err := c.Customers.List(c.ctx, dodo.CustomerListParams{Email: dodo.F("email"), Name: dodo.F("name")})
	if err != nil || len(customers.Items) != 0 {
		t.Errorf("got %+v and error %v, want an empty list", customers, err)
	}
}
