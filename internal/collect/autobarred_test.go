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

// ruled is a customer with a rule that tops up by 1000 below 500.
type ruled struct {
	*stage
	c       *collect.Collector
	invoice string // of a top-up of 10,000 that somebody has made
	rounds  func()
}

func newRuled(s *stage, debt bool) *ruled {
	s.Helper()
	s.customer()
	id := s.toppedUp(1, "cus_1", processor.SandboxOK, 10_000, time.Time{}, debt, 0)
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	a := collect.NewAutoWorker(c, s.store, slog.New(slog.DiscardHandler))
	w := collect.NewWorker(c, slog.New(slog.DiscardHandler))
	return &ruled{s, c, id, func() {
		s.Helper()
		for range 10 {
			for _, round := range []func() (int, error){
				func() (int, error) { return a.Round(s.Context()) }, func() (int, error) { return w.Round(s.Context()) },
			} {
				if _, err := round(); err != nil {
					s.Fatal(err)
				}
			}
			s.clock.Move(5 * time.Second)
		}
	}}
}

func (r *ruled) set() {
	r.Helper()
	_, err := r.c.SetAutoTopUp(r.Context(), shop, "cus_1", "USD", collect.AutoTopUpTerms{
		Threshold: 500, Amount: 1000, Enabled: true, Method: processor.SandboxOK, SetBy: "key_1",
		Cap: collect.Cap{Period: collect.PerDay, Count: 50},
	})
	if err != nil {
		r.Fatal(err)
	}
}

func (r *ruled) dispute(stage billing.DisputeStage, status billing.DisputeStatus) {
	r.Helper()
	if _, err := r.c.Dispute(r.Context(), shop, about(r.invoice, 10_000, stage, status)); err != nil {
		r.Fatal(err)
	}
}

// want has the workers work, and wants so many automatic top-ups to have been begun since
// the customer was made, the rule to say why none is, and failures told so often.
func (r *ruled) want(name string, begun int, reason string, told int, balance, debt money.Amount) {
	r.Helper()
	r.rounds()
	rule, err := r.c.AutoTopUp(r.Context(), shop, "cus_1", "USD")
	if err != nil {
		r.Fatal(err)
	}
	events, err := r.store.ObjectEvents(r.Context(), shop, "cus_1", 0, 10_000)
	if err != nil {
		r.Fatal(err)
	}
	failed := 0
	for _, e := range events {
		if e.Kind == collect.EventTopUpFailed {
			failed++
		}
	}
	automatic := 0
	for _, invoice := range r.invoicesOf("cus_1") {
		if invoice.TopUp.Automatic {
			automatic++
		}
	}
	list, err := r.store.Wallets(r.Context(), shop, "cus_1", r.clock.Now())
	if err != nil {
		r.Fatal(err)
	}
	wallet := list.Wallets[0]
	if automatic != begun || rule.Reason != reason || failed != told || rule.Failures != 0 || !rule.Enabled ||
		wallet.Balance != balance || wallet.Debt != debt {
		r.Errorf("%s: got %d begun, rule %+v, %d failures told, balance %d and debt %d, want %d begun, %q, %d told, %d and %d",
			name, automatic, rule, failed, wallet.Balance, wallet.Debt, begun, reason, told, balance, debt)
	}
}

// A debt is not paid from the card by top-ups that nobody asked for.
func TestNoAutomaticTopUpInDebt(t *testing.T) {
	t.Parallel()
	onStores(t, func(s *stage) {
		r := newRuled(s, true)
		if err := s.post("cus_1", ledger.Debit, 10_000); err != nil {
			t.Fatal(err)
		}
		r.dispute(billing.StageDispute, billing.DisputeLost)
		r.set()
		r.want("in debt", 0, collect.FailedDebt, 1, 0, 10_000)
		if err := s.post("cus_1", ledger.Credit, 10_600); err != nil {
			t.Fatal(err)
		}
		r.want("the debt is paid and there is enough", 0, "", 1, 600, 0)
		if err := s.post("cus_1", ledger.Debit, 200); err != nil {
			t.Fatal(err)
		}
		r.want("too little is there", 1, "", 1, 1400, 0)
		s.wantClean()
	})
}

// What a dispute holds is not topped up for, and it is told each time a bar begins. One that is
// opened again moves nothing, so the debt that it has made stays, and bars.
func TestNoAutomaticTopUpWhileDisputed(t *testing.T) {
	t.Parallel()
	onStores(t, func(s *stage) {
		r := newRuled(s, true)
		r.set()
		if err := s.post("cus_1", ledger.Debit, 9000); err != nil {
			t.Fatal(err)
		}
		r.dispute(billing.StageDispute, billing.DisputeOpened)
		r.want("disputed", 0, collect.FailedDispute, 1, 1000, 0)
		r.dispute(billing.StageDispute, billing.DisputeLost)
		r.want("lost", 0, collect.FailedDebt, 2, 0, 9000)
		r.dispute(billing.StageArbitration, billing.DisputeOpened)
		r.want("disputed again", 0, collect.FailedDebt, 2, 0, 9000)
		r.dispute(billing.StageArbitration, billing.DisputeWon)
		r.want("won", 0, "", 2, 1000, 0)
		if err := s.post("cus_1", ledger.Debit, 600); err != nil {
			t.Fatal(err)
		}
		r.want("spent", 1, "", 2, 1400, 0)
		s.wantClean()
	})
}

// Also without a debt nothing is begun while a dispute is open again that has taken what the
// wallet had: that may come back.
func TestNoAutomaticTopUpWhileDisputedAgain(t *testing.T) {
	t.Parallel()
	onEmbedded(t, func(s *stage) {
		r := newRuled(s, true)
		r.set()
		r.dispute(billing.StageDispute, billing.DisputeLost)
		r.want("lost", 1, "", 0, 1000, 0)
		r.dispute(billing.StageArbitration, billing.DisputeOpened)
		if err := s.post("cus_1", ledger.Debit, 600); err != nil {
			t.Fatal(err)
		}
		r.want("disputed again", 1, collect.FailedDispute, 1, 400, 0)
		r.dispute(billing.StageArbitration, billing.DisputeWon)
		r.want("won", 1, "", 1, 10_400, 0)
		s.wantClean()
	})
}
