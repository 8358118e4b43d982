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

	if got, want := after[1].AuditPosition, int64(2); got != want || len(after) != 3 {
		t.Errorf("got %d heads and audit position %d, want 3 and %d", len(after), got, want)
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
		"tail cut off":       {func(h *verify.Head) { h.Position++ }, verify.LawImmutable, "gone"},
		"written anew":       {func(h *verify.Head) { h.Hash[0] ^= 1 }, verify.LawImmutable, "anew"},
		"trail cut off":      {func(h *verify.Head) { h.AuditPosition++ }, verify.LawAudit, "gone"},
		"trail written anew": {func(h *verify.Head) { h.AuditHash[0] ^= 1 }, verify.LawAudit, "anew"},
		"customer gone":      {func(h *verify.Head) { h.CustomerID += "x" }, verify.LawImmutable, "gone"},
		"business gone":      {func(h *verify.Head) { h.BusinessID = "bus_none" }, verify.LawImmutable, "gone"},
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
