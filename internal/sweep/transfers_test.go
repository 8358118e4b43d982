package sweep_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sweep"
)

// noSettling is a store that goes away before a transfer is over, and, for some
// destinations, before it has arrived.
type noSettling struct {
	ledger.Store
	blocked string
}

func (n noSettling) SettleTransfer(context.Context, ledger.Transfer) (ledger.Transfer, error) {
	return ledger.Transfer{}, ledger.Errorf(ledger.CodeStorageUnavailable, "away")
}

func (n noSettling) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	if scope.CustomerID == n.blocked {
		return ledger.Change{}, ledger.Errorf(ledger.CodeStorageUnavailable, "away")
	}
	return n.Store.Transact(ctx, scope, decide)
}

// Every page of what is unfinished is tried, whatever becomes of the others, and
// what is left is told.
func TestResumerFinishesWhatItCan(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, id := range []string{"from", "to", "blocked"} {
		c := ledger.Customer{Tenant: shop, ID: id, Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch}
		if _, err := s.store.CreateCustomer(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
	}
	post := ledger.PostRequest{
		Tenant: shop, CustomerID: "from", Currency: "USD", CurrencyEnabled: true, Direction: ledger.Credit, Amount: 5000,
	}
	if _, err := s.book.Post(t.Context(), post); err != nil {
		t.Fatal(err)
	}
	var draws uint64
	away := noSettling{Store: s.store, blocked: "blocked"}
	begun := ledger.NewBook(away, s.clock.Now, func() uint64 { draws++; return draws })
	const all, blocked = 2*sweep.PageTransfers + 10, 7
	for n := range all {
		to := "to"
		if n < blocked {
			to = "blocked"
		}
		sent, err := begun.Transfer(t.Context(), ledger.TransferRequest{
			Tenant: shop, CustomerID: "from", ToCustomerID: to, Currency: "USD", Amount: 10, CurrencyEnabled: true,
		})
		if err != nil || sent.Transfer.State != ledger.TransferInTransit {
			t.Fatalf("got %+v and error %v, want a transfer in transit", sent.Transfer, err)
		}
	}
	still := ledger.NewBook(blocking{away}, s.clock.Now, func() uint64 { draws++; return draws })
	registry := prometheus.NewRegistry()
	resumer := sweep.NewResumer(still, slog.New(slog.NewTextHandler(s.log, nil)), registry)
	if err := resumer.Resume(t.Context()); err == nil || !strings.Contains(err.Error(), "7 transfers could not be finished") {
		t.Errorf("got error %v, want that 7 could not be finished", err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 2 {
		t.Fatalf("got %d metrics and error %v, want 2", len(families), err)
	}
	if n := families[0].GetMetric()[0].GetCounter().GetValue(); n != all-blocked {
		t.Errorf("got %v transfers resumed, want %d", n, all-blocked)
	}
	if n := families[1].GetMetric()[0].GetGauge().GetValue(); n != blocked {
		t.Errorf("got %v transfers unfinished, want %d", n, blocked)
	}
	whole := sweep.NewResumer(s.book, slog.New(slog.NewTextHandler(s.log, nil)), nil)
	if err := whole.Resume(t.Context()); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	if left, err := s.store.UnfinishedTransfers(t.Context(), "", 1); err != nil || len(left) != 0 {
		t.Errorf("got %v in transit and error %v, want none", left, err)
	}
	list, err := s.store.Wallets(t.Context(), shop, "to", time.Now())
	if err != nil || list.Wallets[0].Balance != 10*(all-blocked) {
		t.Errorf("got %+v and error %v, want each transfer to have arrived once", list.Wallets, err)
	}
	if log := s.log.String(); strings.Count(log, "transfers in transit were finished") != 2 {
		t.Errorf("log: got %s, want two rounds told", log)
	}
}

// blocking can settle again, and still not reach every destination.
type blocking struct{ noSettling }

func (b blocking) SettleTransfer(ctx context.Context, row ledger.Transfer) (ledger.Transfer, error) {
	return b.Store.SettleTransfer(ctx, row)
}
