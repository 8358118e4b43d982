package collect_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/verify"
)

// refundMethods are those of payments that are to be refunded.
var refundMethods = []string{
	processor.SandboxOK, processor.SandboxRefundFails, processor.SandboxRefundTimeout, processor.SandboxRefundPending,
}

// payments has invoices of the customers paid, of which the wallet pays more or less.
func (s *stage) payments(random *rand.Rand, customers []string, count int) (ids []string) {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	for n := range count {
		customer := customers[random.IntN(len(customers))]
		for range random.IntN(3) {
			r := ledger.PostRequest{
				Tenant: shop, CustomerID: customer, Currency: "USD", Direction: ledger.Credit,
				Amount: 1 + money.Amount(random.Int64N(900)), CreatedBy: "key_1", CurrencyEnabled: true,
			}
			if random.IntN(2) == 0 {
				r.ExpiresAt = s.clock.Now().Add(time.Duration(1+random.IntN(100)) * time.Hour)
			}
			if _, err := s.book.Post(s.Context(), r); err != nil {
				s.Fatal(err)
			}
		}
		invoice := collect.Invoice{
			Tenant: shop, CustomerID: customer, Method: refundMethods[random.IntN(len(refundMethods))],
			Collection: billing.Collection{
				InvoiceID: fmt.Sprintf("inv_%04d", n), Currency: "USD",
				Policy: billing.Policy{Tender: billing.TenderRules{CardMinimum: 50, Below: billing.ChargeMinimum}},
			},
		}
		for i := range 1 + random.IntN(3) {
			line := billing.Line{ID: fmt.Sprint("pdt_", i), Amount: money.Amount(random.Int64N(800))}
			invoice.Items = append(invoice.Items, collect.Item{Line: line})
			invoice.Collection.Total += line.Amount
		}
		s.pay(c, invoice)
		ids = append(ids, invoice.Collection.InvoiceID)
	}
	return ids
}

// pay has an invoice made and paid.
func (s *stage) pay(c *collect.Collector, invoice collect.Invoice) {
	s.Helper()
	if err := c.Open(s.Context(), invoice); err != nil {
		s.Fatal(err)
	}
	for more := true; more; {
		var err error
		if more, err = c.Step(s.Context(), shop, invoice.Collection.InvoiceID); err != nil {
			s.Fatal(err)
		}
	}
}

// certain has what is wanted of a run happen in each, whatever else was drawn: payments by
// card of each method, and one by wallet and card, each given back by two refunds that
// meet the fault of the run, if it has one, and no other.
func (s *stage) certain(u *unreliable, f *forgetful, faults refundFaults) (customer string, ids []string) {
	s.Helper()
	u.calm, f.calm = true, true
	defer func() { u.calm, f.calm = false, false }()
	c := collect.New(f, &mistaken{Processor: u, faults: faults}, s.clock.Now, s.random)
	customer = "cus_sure"
	s.makeCustomer(customer)
	for n, method := range append(slices.Clone(refundMethods), processor.SandboxOK) {
		if n == len(refundMethods) {
			credit := ledger.PostRequest{
				Tenant: shop, CustomerID: customer, Currency: "USD", Direction: ledger.Credit, Amount: 500, CreatedBy: "key_1",
				CurrencyEnabled: true,
			}
			if _, err := s.book.Post(s.Context(), credit); err != nil {
				s.Fatal(err)
			}
		}
		id := fmt.Sprint("inv_sure_", n)
		s.pay(collect.New(s.store, u, s.clock.Now, s.random), collect.Invoice{
			Tenant: shop, CustomerID: customer, Method: method, Items: oneLine(1000),
			Collection: billing.Collection{InvoiceID: id, Currency: "USD", Total: 1000},
		})
		for part, amount := range []money.Amount{300, 700} {
			o := collect.RefundOrder{InvoiceID: id}
			o.ID, o.Destination, o.Amount = fmt.Sprintf("ref_%d_%02d", 8+part, n), billing.ToOriginal, amount
			if _, err := c.Refund(s.Context(), shop, o, nil, nil); err != nil {
				s.Fatal(err)
			}
			if faults.reversals && part == 1 { // while the card is asked
				s.reverse(id)
			}
			_, _ = c.StepRefund(s.Context(), shop, o.ID) // what is not answered the worker asks again
		}
		ids = append(ids, id)
	}
	return customer, ids
}

// order is some refund of an invoice.
func order(random *rand.Rand, invoice, id string) collect.RefundOrder {
	o := collect.RefundOrder{InvoiceID: invoice, Grace: time.Duration(random.IntN(2)) * time.Hour}
	o.ID, o.Destination = id, []billing.Destination{billing.ToOriginal, billing.ToWallet}[random.IntN(2)]
	switch random.IntN(3) {
	case 0:
		o.Amount = 1 + money.Amount(random.Int64N(500))
	case 1:
		for i := range 1 + random.IntN(2) {
			o.Lines = append(o.Lines, billing.Line{ID: fmt.Sprint("pdt_", i), Amount: money.Amount(random.Int64N(300))})
		}
	}
	return o
}

// refundFaults are what is wrong with a run of refunds, on purpose.
type refundFaults struct {
	stale     bool // decisions see the invoice as it was
	newKey    bool // each call of the processor has another key
	assumed   bool // no answer counts as a failure
	reversals bool // an entry of an invoice is reversed by hand
}

// mistaken is a processor that is asked as it should not be.
type mistaken struct {
	processor.Processor
	faults refundFaults
	calls  atomic.Int64
}

func (m *mistaken) Refund(ctx context.Context, r processor.RefundRequest) (processor.RefundStatus, error) {
	if m.faults.newKey {
		r.Key += fmt.Sprint(":", m.calls.Add(1))
	}
	status, err := m.Processor.Refund(ctx, r)
	if m.faults.assumed && err != nil {
		return processor.RefundFailed, nil
	}
	return status, err
}

// refund has refunds made, at once and over a store and a processor that fail, until
// none is pending, and says what is wrong then.
func (s *stage) refund(faults refundFaults) (problems []string) {
	s.Helper()
	seed := seed()
	random := rand.New(rand.NewPCG(seed, 2))
	customers := s.customers(6)
	ids := s.payments(random, customers, 25)
	u := newUnreliable(s.sandbox, seed)
	failing := &forgetful{Store: s.store, random: rand.New(rand.NewPCG(seed, 3))}
	if faults.stale {
		failing.stale = map[string]ledger.Object{}
	}
	c := collect.New(failing, &mistaken{Processor: u, faults: faults}, s.clock.Now, s.random)
	var made, refused atomic.Int64
	var running sync.WaitGroup
	for n := range 6 {
		random := rand.New(rand.NewPCG(seed, uint64(10+n)))
		running.Go(func() {
			for i := range 35 {
				o := order(random, ids[random.IntN(len(ids))], fmt.Sprintf("ref_%d_%02d", n, i))
				for err := errLost; again(err); {
					if _, err = c.Refund(s.Context(), shop, o, nil, nil); err == nil {
						made.Add(1)
						_, _ = c.StepRefund(s.Context(), shop, o.ID) // what fails is the worker's
					} else {
						refused.Add(1)
					}
				}
				if faults.reversals {
					s.reverse(ids[random.IntN(len(ids))])
				}
			}
		})
	}
	running.Wait()
	customer, more := s.certain(u, failing, faults)
	customers, ids = append(customers, customer), append(ids, more...)
	worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
	for range 80 {
		if _, err := worker.Round(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.clock.Move(time.Hour)
	}
	problems = s.inspectRefunds(u, customers, ids)
	s.Logf("seed %d: %d refunds made, %d refused, %d calls of the processor, %d answers lost, %d commits failed or forgotten, %d problems",
		seed, made.Load(), refused.Load(), u.calls, u.lost, failing.failed, len(problems))
	return problems
}

// again reports whether an error asks for another try.
func again(err error) bool {
	code := ledger.CodeOf(err)
	return errors.Is(err, errLost) || code == ledger.CodeStorageUnavailable || code == ledger.CodeOutcomeUnknown
}

// customers makes so many.
func (s *stage) customers(count int) (ids []string) {
	s.Helper()
	for n := range count {
		ids = append(ids, fmt.Sprintf("cus_%02d", n))
		s.makeCustomer(ids[n])
	}
	return ids
}

func (s *stage) makeCustomer(id string) {
	s.Helper()
	customer := ledger.Customer{
		Tenant: shop, ID: id, Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
	}
	if _, err := s.store.CreateCustomer(s.Context(), customer, nil); err != nil {
		s.Fatal(err)
	}
}

// reverse undoes a part of what the wallet paid of an invoice as nobody can who has a
// key: by the name of the server.
func (s *stage) reverse(id string) {
	invoice, err := collect.New(s.store, s.sandbox, s.clock.Now, s.random).Invoice(s.Context(), shop, id)
	if err != nil || invoice.Debit == "" {
		return
	}
	amount := money.Amount(1)
	_, _ = s.book.Reverse(s.Context(), ledger.ReverseRequest{
		Tenant: shop, CustomerID: invoice.CustomerID, EntryID: invoice.Debit, Amount: &amount, CreatedBy: ledger.SystemCreator,
	})
}

// returns are what came back of a payment.
type returns struct{ restored, credited, card money.Amount }

// inspectRefunds holds what came back by the wallet and by card against the refunds, and
// those against what was paid (laws F1 to F4).
func (s *stage) inspectRefunds(u *unreliable, customers, ids []string) (problems []string) {
	s.Helper()
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	got := s.cameBack(u, customers, problem)
	c := collect.New(s.store, u, s.clock.Now, s.random)
	all, states := 0, map[billing.RefundState]int{}
	for _, id := range ids {
		invoice, err := c.Invoice(s.Context(), shop, id)
		if err != nil {
			s.Fatal(err)
		}
		var want returns
		lines := map[string]money.Amount{}
		for _, refund := range invoice.Refunds {
			all++
			states[refund.State]++
			kept, err := c.FindRefund(s.Context(), shop, refund.ID)
			if err != nil || kept.State != refund.State || kept.Amount() != refund.Card+refund.Wallet {
				problem("refund %s is %s with its invoice, and %+v, %v by itself", refund.ID, refund.State, kept, err)
			}
			if refund.State != billing.RefundSucceeded {
				continue
			}
			want.restored += refund.Wallet
			if refund.Destination == billing.ToWallet {
				want.credited += refund.Card
			} else {
				want.card += refund.Card
			}
			for _, line := range refund.Lines {
				lines[line.ID] += line.Amount
			}
		}
		tender := invoice.Collection.Tender
		if got[id] != want || want.restored > tender.Wallet || want.credited+want.card > tender.Card-tender.Surplus {
			problem("invoice %s, paid %+v: got %+v back, want %+v by its refunds", id, tender, got[id], want)
		}
		for _, item := range invoice.Items {
			if lines[item.ID] > item.Amount {
				problem("invoice %s: got %d of %d of item %s back", id, lines[item.ID], item.Amount, item.ID)
			}
		}
	}
	if states[billing.RefundPending] > 0 || states[billing.RefundSucceeded] == 0 || states[billing.RefundFailed] == 0 {
		problem("got states %v, want none pending, and the others", states)
	}
	report, err := verify.Run(s.Context(), s.options)
	if err != nil {
		s.Fatal(err)
	}
	for _, finding := range report.Findings {
		problem("verify: %s", finding)
	}
	s.Logf("%d refunds at the end: %v", all, states)
	return problems
}

// cameBack adds up by invoice what the ledger and the processor say came back.
func (s *stage) cameBack(u *unreliable, customers []string, problem func(string, ...any)) map[string]returns {
	s.Helper()
	of := map[string]string{} // the invoice of a refund
	c := collect.New(s.store, u, s.clock.Now, s.random)
	page := ledger.ObjectPage{Limit: 200}
	for {
		list, err := s.store.Objects(s.Context(), shop, ledger.ObjectFilter{Kind: collect.Refunds}, page)
		if err != nil {
			s.Fatal(err)
		}
		for i := range list.Objects {
			refund, err := collect.RefundOf(&list.Objects[i])
			if err != nil {
				s.Fatal(err)
			}
			of[refund.ID] = refund.InvoiceID
		}
		if page.Before = list.Next; page.Before == "" {
			break
		}
	}
	got := map[string]returns{}
	for _, customer := range customers {
		h, err := storetest.ReadHistory(s.Context(), s.store, shop, customer)
		if err != nil {
			s.Fatal(err)
		}
		for _, violation := range storetest.CheckLaws(h) {
			problem("customer %s: %s", customer, violation)
		}
		for _, e := range h.Entries {
			sums := got[of[e.ReferenceObjectID]]
			switch e.EventType {
			case ledger.EventPaymentReversal:
				sums.restored += e.Amount
			case ledger.EventRefund:
				sums.credited += e.Amount
			default:
				continue
			}
			got[of[e.ReferenceObjectID]] = sums
		}
	}
	for key, r := range u.refunds {
		status, err := s.sandbox.Refund(s.Context(), r)
		if err != nil {
			s.Fatal(err)
		}
		kept, err := c.FindRefund(s.Context(), shop, key[len("refund:"):][:len("ref_0_00")])
		if err != nil {
			s.Fatal(err)
		}
		if status == processor.RefundSucceeded {
			sums := got[kept.InvoiceID]
			sums.card += r.Amount
			got[kept.InvoiceID] = sums
		}
	}
	return got
}

// TestRefundsGiveBackWhatWasPaid has random refunds made at once, by wallet and card, of
// items and amounts, and wants every cent accounted for at the end.
func TestRefundsGiveBackWhatWasPaid(t *testing.T) {
	onStores(t, func(s *stage) {
		for _, problem := range s.refund(refundFaults{}) {
			s.Error(problem)
		}
	})
}

// TestMistakesAboutRefundsAreNoticed is the control.
func TestMistakesAboutRefundsAreNoticed(t *testing.T) {
	for name, faults := range map[string]refundFaults{
		"decisions see what was":              {stale: true},
		"each call has a key of its own":      {newKey: true},
		"no answer is taken for a failure":    {assumed: true},
		"entries of invoices can be reversed": {reversals: true},
	} {
		t.Run(name, func(t *testing.T) { noticed(t, func(s *stage) []string { return s.refund(faults) }) })
	}
}
