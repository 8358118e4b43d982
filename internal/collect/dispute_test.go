package collect_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/verify"
)

// toppedUp has a wallet topped up by card under a policy, and returns its invoice's id.
func (s *stage) toppedUp(
	n int, customer string, amount money.Amount, expires time.Time, debt bool, grace time.Duration,
) string {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	settings := access.DefaultSettings()
	if settings.CreditReversal = access.RefuseDebt; debt {
		settings.CreditReversal = access.RecordDebt
	}
	settings.ReversalGraceSeconds = int64(grace / time.Second)
	invoice := collect.TopUpInvoice(&settings, shop, customer, "USD", amount)
	id := fmt.Sprintf("inv_%04d", n)
	invoice.Collection.InvoiceID, invoice.Method, invoice.TopUp.ExpiresAt = id, processor.SandboxOK, expires
	if _, err := c.OpenTopUp(s.Context(), invoice, nil); err != nil {
		s.Fatal(err)
	}
	for more := true; more; {
		var err error
		if more, err = c.Step(s.Context(), shop, id); err != nil {
			s.Fatal(err)
		}
	}
	return id
}

func about(
	invoice string, amount money.Amount, stage billing.DisputeStage, status billing.DisputeStatus,
) collect.DisputeNotice {
	return collect.DisputeNotice{
		ProcessorID: "dp_" + invoice, InvoiceID: invoice, Amount: amount, Currency: "USD",
		DisputeMessage: billing.DisputeMessage{Stage: stage, Status: status},
	}
}

func TestDisputeOfATopUp(t *testing.T) {
	onStores(t, func(s *stage) {
		customer := s.customers(1)[0]
		post := func(direction ledger.Direction, amount money.Amount) {
			if _, err := s.book.Post(s.Context(), ledger.PostRequest{
				Tenant: shop, CustomerID: customer, Currency: "USD", Direction: direction, Amount: amount, CreatedBy: "key_1",
				CurrencyEnabled: true,
			}); err != nil {
				s.Fatal(err)
			}
		}
		post(ledger.Credit, 200)
		id := s.toppedUp(1, customer, 1000, time.Time{}, true, 0)
		post(ledger.Credit, 50)
		post(ledger.Debit, 500) // 200 of the first lot, and 300 of the top-up
		c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
		for _, step := range []struct {
			stage                     billing.DisputeStage
			status                    billing.DisputeStatus
			balance, held, lost, debt money.Amount
		}{
			{billing.StageInquiry, billing.DisputeOpened, 750, 0, 0, 0},
			{billing.StageDispute, billing.DisputeOpened, 750, 700, 0, 0},
			{billing.StageDispute, billing.DisputeOpened, 750, 700, 0, 0},
			{billing.StageDispute, billing.DisputeLost, 50, 0, 700, 300},
			{billing.StageDispute, billing.DisputeWon, 50, 0, 700, 300},
			{billing.StageArbitration, billing.DisputeOpened, 750, 700, 0, 0},
			{billing.StageArbitration, billing.DisputeWon, 750, 0, 0, 0},
		} {
			d, err := c.Dispute(s.Context(), shop, about(id, 1000, step.stage, step.status))
			if err != nil {
				s.Fatal(err)
			}
			list, err := s.store.Wallets(s.Context(), shop, customer, s.clock.Now())
			if err != nil {
				s.Fatal(err)
			}
			wallet := list.Wallets[0]
			if d.Held != step.held || d.Lost != step.lost || d.Debt != step.debt || wallet.Balance != step.balance ||
				wallet.Held != step.held || wallet.Debt != step.debt {
				s.Errorf("%s of %s: got %+v and wallet %+v, want %+v", step.status, step.stage, d, wallet, step)
			}
		}
		_, err := c.Dispute(s.Context(), shop, about(id, 1001, billing.StageDispute, billing.DisputeLost))
		if !errors.Is(err, collect.ErrDisputeMismatch) {
			s.Errorf("got %v for more than was paid", err)
		}
		_, err = c.Dispute(s.Context(), shop, about("inv_9", 1, billing.StageDispute, billing.DisputeLost))
		if !errors.Is(err, collect.ErrDisputeForeign) {
			s.Errorf("got %v for an invoice that there is not", err)
		}
		s.wantClean()
	})
}

// wantClean wants verify to find nothing.
func (s *stage) wantClean() {
	s.Helper()
	report, err := verify.Run(s.Context(), s.options)
	if err != nil {
		s.Fatal(err)
	}
	for _, finding := range report.Findings {
		s.Errorf("verify: %s", finding)
	}
}

// disputeFaults are what is wrong with a run of disputes, on purpose.
type disputeFaults struct {
	stale bool // decisions see the invoice as it was
	apart bool // each message is taken for a dispute of its own
	flat  bool // every message is taken for one of the first stage
}

// disputeStory is a top-up with what the processor tells of it.
type disputeStory struct {
	invoice, customer string
	amount            money.Amount
	most              billing.DisputeMessage
}

// tell says a message until it is acknowledged.
func (s *stage) tell(c *collect.Collector, notice collect.DisputeNotice, faults disputeFaults) {
	if faults.apart {
		notice.ProcessorID += fmt.Sprint(s.draws.Add(1))
	}
	if faults.flat {
		notice.Stage = billing.StageInquiry
	}
	for {
		_, err := c.Dispute(s.Context(), shop, notice)
		if err == nil {
			return
		}
		if !again(err) && ledger.CodeOf(err) != ledger.CodeOverloaded {
			if !faults.apart {
				s.Errorf("%+v: %v", notice, err)
			}
			return
		}
	}
}

// disputes has the processor tell everything about top-ups, in any order and more than once,
// while the wallets move, over a store that fails; and says what is wrong then.
func (s *stage) disputes(faults disputeFaults) (problems []string) {
	s.Helper()
	seed := seed()
	random := rand.New(rand.NewPCG(seed, 4))
	customers := s.customers(5)
	var stories []*disputeStory
	for n := range 30 {
		customer := customers[random.IntN(len(customers))]
		story := &disputeStory{customer: customer, amount: 100 + money.Amount(random.Int64N(900))}
		var expires time.Time
		if random.IntN(2) == 0 {
			expires = s.clock.Now().Add(time.Duration(1+random.IntN(60)) * time.Minute)
		}
		grace := time.Duration(random.IntN(2)) * time.Hour
		story.invoice = s.toppedUp(n, customer, story.amount, expires, random.IntN(3) > 0, grace)
		stories = append(stories, story)
	}
	failing := &forgetful{Store: s.store, random: rand.New(rand.NewPCG(seed, 3))}
	if faults.stale {
		failing.stale = map[string]ledger.Object{}
	}
	c := collect.New(failing, s.sandbox, s.clock.Now, s.random)
	notices := plot(random, stories)
	var running sync.WaitGroup
	for n := range 4 {
		random := rand.New(rand.NewPCG(seed, uint64(20+n)))
		running.Go(func() {
			for i := n; i < len(notices); i += 4 {
				s.tell(c, notices[i], faults)
				s.stir(random, customers)
			}
		})
	}
	running.Wait()
	worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
	for range 12 {
		if _, err := worker.Round(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.clock.Move(2 * time.Minute)
	}
	problems = s.inspectDisputes(stories, customers)
	s.Logf("seed %d: %d messages about %d top-ups, %d commits failed or forgotten, %d problems",
		seed, len(notices), len(stories), failing.failed, len(problems))
	return problems
}

// plot draws what the processor says of each top-up, and in which order all of it comes.
func plot(random *rand.Rand, stories []*disputeStory) (notices []collect.DisputeNotice) {
	stages, statuses := billing.DisputeStages(), billing.DisputeStatuses()
	for _, story := range stories {
		most := -1
		for range 1 + random.IntN(6) {
			stage, status := random.IntN(len(stages)), random.IntN(len(statuses))
			if at := stage*len(statuses) + status; at > most {
				most, story.most = at, billing.DisputeMessage{Stage: stages[stage], Status: statuses[status]}
			}
			for range 1 + random.IntN(2) {
				notices = append(notices, about(story.invoice, story.amount, stages[stage], statuses[status]))
			}
		}
	}
	random.Shuffle(len(notices), func(i, j int) { notices[i], notices[j] = notices[j], notices[i] })
	return notices
}

// stir moves a wallet, freezes it, sweeps it or lets time pass.
func (s *stage) stir(random *rand.Rand, customers []string) {
	customer := customers[random.IntN(len(customers))]
	r := ledger.PostRequest{
		Tenant: shop, CustomerID: customer, Currency: "USD", Direction: ledger.Debit, AllowPartial: true,
		Amount: 1 + money.Amount(random.Int64N(700)), CreatedBy: "key_1", CurrencyEnabled: true,
	}
	switch random.IntN(6) {
	case 0, 1:
		change, err := s.book.Post(s.Context(), r)
		if err == nil && random.IntN(2) == 0 {
			_, _ = s.book.Reverse(s.Context(), ledger.ReverseRequest{
				Tenant: shop, CustomerID: customer, EntryID: change.Entry.ID, CreatedBy: "key_1",
			})
		}
	case 2:
		r.Direction, r.AllowPartial = ledger.Credit, false
		_, _ = s.book.Post(s.Context(), r)
	case 3:
		s.clock.Move(time.Minute)
	case 4:
		wallet := ledger.WalletKey{Tenant: shop, CustomerID: customer, Currency: "USD"}
		_, _ = s.book.Sweep(s.Context(), wallet, s.clock.Now(), 10)
	default:
		hold, err := s.book.MakeHold(s.Context(), ledger.HoldRequest{
			Tenant: shop, CustomerID: customer, Currency: "USD", Amount: r.Amount, AllowPartial: true, CreatedBy: "key_1",
			ExpiresAt: s.clock.Now().Add(time.Hour), CurrencyEnabled: true,
		})
		if err == nil && random.IntN(2) == 0 {
			_, _ = s.book.Capture(s.Context(), ledger.CaptureRequest{
				Tenant: shop, CustomerID: customer, HoldID: hold.Hold.Hold.ID, CreatedBy: "key_1",
			})
		}
	}
}

// inspectDisputes holds what moved in the wallets against the messages that say most (law F5).
func (s *stage) inspectDisputes(stories []*disputeStory, customers []string) (problems []string) {
	s.Helper()
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	net, held := map[string]money.Amount{}, map[string]money.Amount{}
	for _, customer := range customers {
		h, err := storetest.ReadHistory(s.Context(), s.store, shop, customer)
		if err != nil {
			s.Fatal(err)
		}
		for _, violation := range storetest.CheckLaws(h) {
			problem("customer %s: %s", customer, violation)
		}
		for _, e := range h.Entries {
			switch e.EventType {
			case ledger.EventDispute:
				net[e.ReferenceObjectID] += e.Amount
			case ledger.EventDisputeReversal:
				net[e.ReferenceObjectID] -= e.Amount
			}
		}
		for _, hold := range h.Holds {
			held[hold.ReferenceObjectID] += hold.Left()
		}
	}
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	claims := map[billing.Claim]int{}
	for _, story := range stories {
		invoice, err := c.Invoice(s.Context(), shop, story.invoice)
		if err != nil {
			s.Fatal(err)
		}
		if len(invoice.Disputes) != 1 {
			problem("%s has %d disputes, want 1", story.invoice, len(invoice.Disputes))
			continue
		}
		d, err := c.FindDispute(s.Context(), shop, invoice.Disputes[0].ID)
		if err != nil {
			problem("%v", err)
			continue
		}
		claim := d.Claim()
		claims[claim]++
		told := billing.DisputeMessage{Stage: d.Stage, Status: d.Status}
		right := claim == billing.ClaimNone && d.Held+d.Lost+d.Debt == 0 ||
			claim == billing.ClaimHold && d.Lost+d.Debt == 0 && d.Held <= d.Amount ||
			claim == billing.ClaimTake && d.Held == 0 && d.Lost+d.Debt+d.WrittenOff == d.Amount
		if told != story.most || !right || d.Coming != nil || net[d.ID] != d.Lost+d.Debt || held[d.ID] != d.Held ||
			invoice.Disputes[0].Dispute != d.Dispute {
			problem("%s: got %+v with %d taken and %d held, want %+v", story.invoice, d, net[d.ID], held[d.ID], story.most)
		}
	}
	report, err := verify.Run(s.Context(), s.options)
	if err != nil {
		s.Fatal(err)
	}
	for _, finding := range report.Findings {
		problem("verify: %s", finding)
	}
	s.Logf("disputes by what they claim: %v", claims)
	return problems
}

// TestDisputesNetToTheSame has everything told about disputes in any order and more than
// once, while wallets are spent from and lots expire.
func TestDisputesNetToTheSame(t *testing.T) {
	onStores(t, func(s *stage) {
		for _, problem := range s.disputes(disputeFaults{}) {
			s.Error(problem)
		}
	})
}

// TestMistakesAboutDisputesAreNoticed is the control.
func TestMistakesAboutDisputesAreNoticed(t *testing.T) {
	for name, faults := range map[string]disputeFaults{
		"decisions see what was":             {stale: true},
		"each message is about another":      {apart: true},
		"every stage is taken for the first": {flat: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeStore(t, db) })
			if problems := newStage(t, db, verify.Options{Path: dir}).disputes(faults); len(problems) == 0 {
				t.Error("got no problem")
			} else {
				t.Log(problems[0])
			}
		})
	}
}
