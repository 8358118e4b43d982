package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/verify"
)

// heads verifies the database and returns where its chains stand.
func (i *installation) heads() (heads []verify.Head) {
	i.t.Helper()
	report, err := verify.Run(i.t.Context(), verify.Options{DatabaseURL: i.url, Heads: func(head verify.Head) error {
		heads = append(heads, head)
		return nil
	}})
	if err != nil || !report.Clean() {
		i.t.Fatalf("verify: got %v, %v; want every law kept", report.Findings, err)
	}
	return heads
}

// extends verifies the database and that it goes on from the heads.
func (i *installation) extends(heads []verify.Head) verify.Report {
	i.t.Helper()
	report, err := verify.Run(i.t.Context(), verify.Options{
		DatabaseURL: i.url,
		Checkpoint: func(yield func(verify.Head) error) error {
			for _, head := range heads {
				if err := yield(head); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return report
}

// put makes an object of a customer.
func (i *installation) put(customer, id string) {
	i.t.Helper()
	key := ledger.ObjectKey{Kind: "parcel", ID: id}
	scope := ledger.Scope{
		Tenant: i.tenant, CustomerID: customer, Currency: "USD", At: time.Now(), Objects: []ledger.ObjectKey{key},
	}
	_, err := i.instances[0].Transact(i.t.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		return change, change.Put(&s, ledger.Object{ObjectKey: key}, "", "", scope.At)
	})
	if err != nil {
		i.t.Fatal(err)
	}
}

func TestCheckpoint(t *testing.T) { onServers(t, checkpoint) }

// checkpoint takes heads while entries are posted, and asks afterwards what the
// ledger has grown to.
func checkpoint(t *testing.T, s server) {
	i := newInstallation(t, s, 1)
	customers := []string{i.customer("cus_1"), i.customer("cus_2"), i.customer("cus_3")}
	post := func(ctx context.Context, customer, key string) {
		for _, currency := range []string{"USD", "INR"} {
			r := ledger.PostRequest{
				Tenant: i.tenant, CustomerID: customer, Currency: money.Currency(currency), CurrencyEnabled: true,
				Direction: ledger.Credit, Amount: 100, IdempotencyKey: key + currency, CreatedBy: "key_1",
			}
			if _, err := ledger.NewBook(i.instances[0], time.Now, rand.Uint64).Post(ctx, r); err != nil {
				t.Error(err)
			}
		}
	}
	i.freeze(0, customers[1], false)
	i.freeze(0, customers[1], true)
	i.put(customers[1], "parcel_1")
	i.put(customers[1], "parcel_2")
	for n := range 5 {
		post(t.Context(), customers[1], fmt.Sprint("first-", n))
	}
	before := i.heads()
	var posting sync.WaitGroup
	posting.Go(func() {
		for n := range 20 {
			post(context.Background(), customers[n%2], fmt.Sprint("second-", n))
		}
	})
	during := i.heads()
	posting.Wait()
	after := i.heads()

	if audit, object := after[1].AuditPosition, after[1].ObjectNumber; audit != 2 || object != 2 || len(after) != 3 {
		t.Errorf("got %d heads, audit position %d and object event %d, want 3, 2 and 2", len(after), audit, object)
	}
	if after[1].Position <= before[1].Position || after[2].Position != 0 {
		t.Errorf("got positions %d and %d, want more than %d, and 0", after[1].Position, after[2].Position, before[1].Position)
	}
	for name, heads := range map[string][]verify.Head{"before": before, "during": during, "after": after} {
		if report := i.extends(heads); !report.Clean() {
			t.Errorf("from %s: got findings %v, want none", name, report.Findings)
		}
	}
	for name, c := range map[string]struct {
		change  func(h *verify.Head)
		law     verify.Law
		message string
	}{
		"tail cut off":         {func(h *verify.Head) { h.Position++ }, verify.LawImmutable, "gone"},
		"written anew":         {func(h *verify.Head) { h.Hash[0] ^= 1 }, verify.LawImmutable, "anew"},
		"trail cut off":        {func(h *verify.Head) { h.AuditPosition++ }, verify.LawAudit, "gone"},
		"trail written anew":   {func(h *verify.Head) { h.AuditHash[0] ^= 1 }, verify.LawAudit, "anew"},
		"objects cut off":      {func(h *verify.Head) { h.ObjectNumber++ }, verify.LawImmutable, "object event 3"},
		"objects written anew": {func(h *verify.Head) { h.ObjectHash[0] ^= 1 }, verify.LawImmutable, "object event 2"},
		"customer gone":        {func(h *verify.Head) { h.CustomerID += "x" }, verify.LawImmutable, "gone"},
		"business gone":        {func(h *verify.Head) { h.BusinessID = "bus_none" }, verify.LawImmutable, "gone"},
	} {
		heads := slices.Clone(after)
		c.change(&heads[1])
		report := i.extends(heads)
		if len(report.Findings) != 1 || report.Findings[0].Law != c.law ||
			report.Findings[0].CustomerID != heads[1].CustomerID || !strings.Contains(report.Findings[0].Message, c.message) {
			t.Errorf("%s: got %v, want one finding of law %s, %q", name, report.Findings, c.law, c.message)
		}
	}
}
