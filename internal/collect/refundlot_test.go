package collect_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/storetest"
)

// post moves a customer's wallet.
func (s *stage) post(customer string, direction ledger.Direction, amount money.Amount) error {
	_, err := s.book.Post(s.Context(), ledger.PostRequest{
		Tenant: shop, CustomerID: customer, Currency: "USD", Direction: direction, Amount: amount, CreatedBy: "key_1",
		CurrencyEnabled: true,
	})
	return err
}

// wantRefund has a refund go on, and wants it in a state with the wallet having a balance, of
// which so much is held.
func (s *stage) wantRefund(id string, state billing.RefundState, balance, held money.Amount) {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	if _, err := c.StepRefund(s.Context(), shop, id); err != nil {
		s.Fatal(err)
	}
	refund, err := c.FindRefund(s.Context(), shop, id)
	if err != nil {
		s.Fatal(err)
	}
	list, err := s.store.Wallets(s.Context(), shop, refund.CustomerID, s.clock.Now())
	if err != nil {
		s.Fatal(err)
	}
	if wallet := list.Wallets[0]; refund.State != state || wallet.Balance != balance || wallet.Held != held {
		s.Errorf("refund %s: got %+v with wallet %+v, want %s with %d, of which %d are held", id, refund, wallet, state, balance, held)
	}
}

// refundOf asks for a refund, and returns the code of its refusal.
func (s *stage) refundOf(invoice, id string, to billing.Destination, amount money.Amount) ledger.Code {
	order := collect.RefundOrder{InvoiceID: invoice}
	order.ID, order.Destination, order.Amount = id, to, amount
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	_, err := c.Refund(s.Context(), shop, order, nil, nil)
	return ledger.CodeOf(err)
}

// What a top-up has left goes back to its card, and nobody spends it meanwhile.
func TestRefundOfATopUp(t *testing.T) {
	onStores(t, func(s *stage) {
		customer := s.customers(1)[0]
		id := s.toppedUp(1, customer, processor.SandboxRefundPending, 1000, time.Time{}, true, 0)
		for _, step := range []struct {
			direction ledger.Direction
			amount    money.Amount
		}{{ledger.Credit, 50}, {ledger.Debit, 300}} { // 300 of the top-up, which is older
			if err := s.post(customer, step.direction, step.amount); err != nil {
				s.Fatal(err)
			}
		}
		for _, wrong := range []struct {
			to     billing.Destination
			amount money.Amount
			code   ledger.Code
		}{
			{billing.ToOriginal, 701, billing.CodeRefundExceeds},
			{billing.ToWallet, 1, billing.CodeNothingToRefund},
		} {
			if code := s.refundOf(id, "ref_x", wrong.to, wrong.amount); code != wrong.code {
				s.Errorf("%d to %s: got code %s, want %s", wrong.amount, wrong.to, code, wrong.code)
			}
		}
		if code := s.refundOf(id, "ref_1", billing.ToOriginal, 400); code != "" {
			s.Fatal(code)
		}
		s.wantRefund("ref_1", billing.RefundPending, 750, 400)
		if err := s.post(customer, ledger.Debit, 351); ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
			s.Errorf("got %v for a debit of what is to go back to the card", err)
		}
		if err := s.post(customer, ledger.Debit, 310); err != nil {
			s.Fatal(err)
		}
		if code := s.refundOf(id, "ref_2", billing.ToOriginal, 0); code != billing.CodeRefundProcessing {
			s.Errorf("got code %s for what is spent while a refund is pending", code)
		}
		s.clock.Move(2 * time.Hour)
		s.wantRefund("ref_1", billing.RefundSucceeded, 40, 0)
		if code := s.refundOf(id, "ref_2", billing.ToOriginal, 0); code != billing.CodeNothingToRefund {
			s.Errorf("got code %s for what is spent", code)
		}
		s.wantClean()

		// The card does not take it after all: the lot has it again, once.
		c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
		refund, err := c.FindRefund(s.Context(), shop, "ref_1")
		if err != nil {
			s.Fatal(err)
		}
		for range 2 {
			if err := c.AnswerRefund(s.Context(), refund, false); err != nil {
				s.Fatal(err)
			}
		}
		s.wantRefund("ref_1", billing.RefundReversed, 440, 0)
		if code := s.refundOf(id, "ref_2", billing.ToOriginal, 0); code != "" {
			s.Errorf("got code %s for what came back", code)
		}
		s.wantRefund("ref_2", billing.RefundPending, 440, 400)
		s.wantClean()
	})
}

// A refund that fails gives back what it held, and one of a frozen wallet is refused. Once the
// card has been asked, no freeze keeps back what it gave.
func TestRefundOfATopUpThatFails(t *testing.T) {
	onEmbedded(t, func(s *stage) {
		s.customer()
		id := s.toppedUp(1, "cus_1", processor.SandboxRefundFails, 1000, time.Time{}, true, 0)
		if code := s.refundOf(id, "ref_1", billing.ToOriginal, 0); code != "" {
			s.Fatal(code)
		}
		s.wantRefund("ref_1", billing.RefundFailed, 1000, 0)
		s.freeze(ledger.FreezeDebits, false)
		if code := s.refundOf(id, "ref_2", billing.ToOriginal, 0); code != ledger.CodeCustomerNotActive {
			s.Errorf("got code %s while debits are frozen", code)
		}
		s.freeze(ledger.FreezeDebits, true)
		id = s.toppedUp(2, "cus_1", processor.SandboxOK, 500, time.Time{}, true, 0)
		if code := s.refundOf(id, "ref_3", billing.ToOriginal, 0); code != "" {
			s.Fatal(code)
		}
		s.freeze(ledger.FreezeEverything, false)
		s.wantRefund("ref_3", billing.RefundSucceeded, 1000, 0)
		s.wantClean()
	})
}

// A hold runs out after a year. If the card is said to have given back what it was for only
// then, the lot gives what it has still, and the rest is known to be missing.
func TestRefundOfATopUpAfterItsHold(t *testing.T) {
	onEmbedded(t, func(s *stage) {
		s.customer()
		id := s.toppedUp(1, "cus_1", processor.SandboxRefundPending, 1000, time.Time{}, true, 0)
		if code := s.refundOf(id, "ref_1", billing.ToOriginal, 900); code != "" {
			s.Fatal(code)
		}
		s.wantRefund("ref_1", billing.RefundPending, 1000, 900)
		s.clock.Move(400 * 24 * time.Hour)
		wallet := ledger.WalletKey{Tenant: shop, CustomerID: "cus_1", Currency: "USD"}
		if _, err := s.book.Sweep(s.Context(), wallet, s.clock.Now(), 10); err != nil {
			s.Fatal(err)
		}
		s.wantClean()
		if err := s.post("cus_1", ledger.Debit, 350); err != nil {
			s.Fatal(err)
		}
		s.wantRefund("ref_1", billing.RefundPending, 650, 650)
		s.wantRefund("ref_1", billing.RefundSucceeded, 0, 0)
		refund, err := collect.New(s.store, s.sandbox, s.clock.Now, s.random).FindRefund(s.Context(), shop, "ref_1")
		if err != nil || refund.Short != 250 {
			s.Errorf("got %+v, %v, want 250 to be missing", refund, err)
		}
		s.wantClean()
	})
}

// refundTopUps has what is left of top-ups refunded, while wallets are spent from, lots
// expire, some are disputed, and store and processor fail; and says what is wrong then.
func (s *stage) refundTopUps(faults refundFaults) (problems []string) {
	s.Helper()
	seed := seed()
	random := rand.New(rand.NewPCG(seed, 5))
	customers := s.customers(4)
	var stories []*disputeStory
	for n := range 20 {
		story := &disputeStory{customer: customers[n%len(customers)], amount: 200 + money.Amount(random.Int64N(800))}
		var expires time.Time
		if random.IntN(3) == 0 {
			expires = s.clock.Now().Add(time.Duration(1+random.IntN(60)) * time.Minute)
		}
		method := refundMethods[random.IntN(len(refundMethods))]
		story.invoice = s.toppedUp(n, story.customer, method, story.amount, expires, random.IntN(2) > 0, time.Hour)
		stories = append(stories, story)
	}
	u := newUnreliable(s.sandbox, seed)
	failing := &forgetful{Store: s.store, random: rand.New(rand.NewPCG(seed, 3))}
	if faults.stale {
		failing.stale = map[string]ledger.Object{}
	}
	c := collect.New(failing, &mistaken{Processor: u, faults: faults}, s.clock.Now, s.random)
	notices := plot(random, stories[:6])
	var running sync.WaitGroup
	for n := range 4 {
		random := rand.New(rand.NewPCG(seed, uint64(30+n)))
		running.Go(func() {
			for i := range 30 {
				o := collect.RefundOrder{InvoiceID: stories[random.IntN(len(stories))].invoice}
				o.ID, o.Destination, o.Amount = fmt.Sprintf("ref_%d_%02d", n, i), billing.ToOriginal, money.Amount(random.Int64N(300))
				for err := errLost; again(err); {
					if _, err = c.Refund(s.Context(), shop, o, nil, nil); err == nil {
						_, _ = c.StepRefund(s.Context(), shop, o.ID) // what fails is the worker's
					}
				}
				s.stir(random, customers)
				if at := 4*i + n; at < len(notices) {
					s.tell(c, notices[at], disputeFaults{})
				}
			}
		})
	}
	running.Wait()
	worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
	for range 80 {
		if _, err := worker.Round(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.clock.Move(time.Hour)
	}
	problems = s.inspectLotRefunds(u, stories, customers)
	s.Logf("seed %d: %d answers of the card lost, %d commits failed or forgotten, %d problems", seed, u.lost, failing.failed, len(problems))
	return problems
}

// inspectLotRefunds holds what lots gave against what refunds say and what the card gave back.
func (s *stage) inspectLotRefunds(u *unreliable, stories []*disputeStory, customers []string) (problems []string) {
	s.Helper()
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	taken, held := map[string]money.Amount{}, map[string]money.Amount{}
	for _, customer := range customers {
		h, err := storetest.ReadHistory(s.Context(), s.store, shop, customer)
		if err != nil {
			s.Fatal(err)
		}
		for _, violation := range storetest.CheckLaws(h) {
			problem("customer %s: %s", customer, violation)
		}
		for _, e := range h.Entries {
			if e.EventType == ledger.EventRefund && e.Direction == ledger.Debit {
				taken[e.ReferenceObjectID] += e.Amount
			}
		}
		for _, hold := range h.Holds {
			held[hold.ReferenceObjectID] += hold.Left()
		}
	}
	c := collect.New(s.store, u, s.clock.Now, s.random)
	card := map[string]money.Amount{}
	for key, r := range u.refunds {
		status, err := s.sandbox.Refund(s.Context(), r)
		if err != nil {
			s.Fatal(err)
		}
		if status == processor.RefundSucceeded {
			card[key[len("refund:"):][:len("ref_0_00")]] += r.Amount
		}
	}
	states := map[billing.RefundState]int{}
	for _, story := range stories {
		invoice, err := c.Invoice(s.Context(), shop, story.invoice)
		if err != nil {
			s.Fatal(err)
		}
		var sum money.Amount
		for _, refund := range invoice.Refunds {
			states[refund.State]++
			want := refund.Card
			if refund.State != billing.RefundSucceeded {
				want = 0
			}
			if sum += want; taken[refund.ID] != want || card[refund.ID] != want || held[refund.ID] != 0 {
				problem("refund %+v of %s: the lot gave %d, the card gave %d back, %d are held", refund, story.invoice, taken[refund.ID],
					card[refund.ID], held[refund.ID])
			}
		}
		if sum > story.amount {
			problem("%s of %d: got %d back", story.invoice, story.amount, sum)
		}
	}
	if states[billing.RefundPending] > 0 || states[billing.RefundSucceeded] == 0 || states[billing.RefundFailed] == 0 {
		problem("got states %v, want none pending, and the others", states)
	}
	s.Logf("refunds of top-ups by state: %v", states)
	return append(problems, s.verified()...)
}

// TestRefundsOfTopUpsAreTakenOnce has every cent that a card gave back taken of its lot.
func TestRefundsOfTopUpsAreTakenOnce(t *testing.T) {
	onStores(t, func(s *stage) {
		for _, problem := range s.refundTopUps(refundFaults{}) {
			s.Error(problem)
		}
	})
}

// TestMistakesAboutRefundsOfTopUpsAreNoticed is the control.
func TestMistakesAboutRefundsOfTopUpsAreNoticed(t *testing.T) {
	for name, faults := range map[string]refundFaults{
		"decisions see what was":         {stale: true},
		"each call has a key of its own": {newKey: true},
		"no answer is a failure":         {assumed: true},
	} {
		t.Run(name, func(t *testing.T) { noticed(t, func(s *stage) []string { return s.refundTopUps(faults) }) })
	}
}
