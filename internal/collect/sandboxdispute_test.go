package collect_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// The worker has a dispute of the sandbox live its whole life, once.
func TestSandboxDisputes(t *testing.T) {
	type figures struct{ balance, held, debt money.Amount }
	for method, want := range map[string]struct {
		open, end figures
		status    billing.DisputeStatus
	}{
		processor.SandboxDisputeWon:     {figures{700, 700, 0}, figures{700, 0, 0}, billing.DisputeWon},
		processor.SandboxDisputeLost:    {figures{700, 700, 0}, figures{0, 0, 300}, billing.DisputeLost},
		processor.SandboxDisputeInquiry: {figures{700, 0, 0}, figures{700, 0, 0}, billing.DisputeWon},
	} {
		t.Run(method, func(t *testing.T) {
			onEmbedded(t, func(s *stage) {
				s.customer()
				id := s.toppedUp(1, "cus_1", method, 1000, time.Time{}, true, 0)
				if err := s.post("cus_1", ledger.Debit, 300); err != nil {
					s.Fatal(err)
				}
				c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
				worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
				for n, want := range []figures{{700, 0, 0}, want.open, want.end, want.end} {
					if _, err := worker.Round(s.Context()); err != nil {
						s.Fatal(err)
					}
					list, err := s.store.Wallets(s.Context(), shop, "cus_1", s.clock.Now())
					if err != nil {
						s.Fatal(err)
					}
					wallet := list.Wallets[0]
					if got := (figures{wallet.Balance, wallet.Held, wallet.Debt}); got != want {
						s.Errorf("after %d hours: got %+v, want %+v", n, got, want)
					}
					s.clock.Move(time.Hour)
				}
				invoice, err := c.Invoice(s.Context(), shop, id)
				if err != nil || len(invoice.Disputes) != 1 || invoice.Disputes[0].Status != want.status {
					s.Errorf("got disputes %+v, %v, want one that is %s", invoice.Disputes, err, want.status)
				}
				due, err := s.store.DueObjects(s.Context(), collect.Invoices, s.clock.Now().AddDate(1, 0, 0), 9)
				if err != nil || len(due) > 0 {
					s.Errorf("got %v, %v, want nothing to be done", due, err)
				}
				s.wantClean()
			})
		})
	}
}
