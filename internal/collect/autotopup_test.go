package collect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
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

// planted is a store that gives rules out with a mistake.
type planted struct {
	ledger.Store
	mistake func(rule map[string]any)
}

func (p *planted) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return p.Store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		s.Objects = append([]ledger.Object{}, s.Objects...)
		if err := p.spoil(s.Objects); err != nil {
			return ledger.Change{}, err
		}
		return decide(s)
	})
}

func (p *planted) Objects(
	ctx context.Context, tenant ledger.Tenant, filter ledger.ObjectFilter, page ledger.ObjectPage,
) (ledger.ObjectList, error) {
	list, err := p.Store.Objects(ctx, tenant, filter, page)
	if err == nil {
		err = p.spoil(list.Objects)
	}
	return list, err
}

func (p *planted) spoil(objects []ledger.Object) error {
	for i := range objects {
		if objects[i].Kind != collect.AutoTopUps {
			continue
		}
		var rule map[string]any
		if err := json.Unmarshal([]byte(objects[i].Data), &rule); err != nil {
			return err
		}
		p.mistake(rule)
		text, err := json.Marshal(rule)
		if err != nil {
			return err
		}
		objects[i].Data = string(text)
	}
	return nil
}

const autoCustomers = 7

func autoCustomer(n int) string { return fmt.Sprintf("cus_%02d", n) }

// rules makes customers whose wallets are topped up by themselves, by cards of all kinds.
func (s *stage) rules(c *collect.Collector, random *rand.Rand) (terms []collect.AutoTopUpTerms) {
	s.Helper()
	tokens := append([]string{processor.SandboxOK, processor.SandboxOK, processor.SandboxOK}, methods[1:]...)
	for n := range autoCustomers {
		customer := ledger.Customer{
			Tenant: shop, ID: autoCustomer(n), Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
		}
		if _, err := s.store.CreateCustomer(s.Context(), customer, nil); err != nil {
			s.Fatal(err)
		}
		t := collect.AutoTopUpTerms{
			Threshold: 500 + money.Amount(random.Int64N(500)), Enabled: true, Method: tokens[(n+random.IntN(2))%len(tokens)], SetBy: "key_1",
			Cap: collect.Cap{
				Period: []collect.Period{collect.PerDay, collect.PerWeek, collect.PerMonth}[n%3], Count: int64(1 + random.IntN(5)),
			},
		}
		if n == 0 { // which is spent again and again, see spend: it begins many, and comes to its cap each day
			t.Cap.Count = int64(3 + random.IntN(3))
		}
		if t.Target = t.Threshold + 300 + money.Amount(random.Int64N(2000)); n%2 == 0 {
			t.Target, t.Amount, t.Cap.Amount = 0, 700, 2500
		}
		s.setRule(c, n, t)
		terms = append(terms, t)
	}
	return terms
}

func (s *stage) setRule(c *collect.Collector, n int, t collect.AutoTopUpTerms) {
	for err := errLost; err != nil; {
		_, err = c.SetAutoTopUp(s.Context(), shop, autoCustomer(n), "USD", t)
	}
}

// spend takes money from wallets, or holds some. The first it empties, so that whatever is
// drawn there are top-ups that are made, and some that the cap forbids.
func (s *stage) spend(random *rand.Rand) {
	s.Helper()
	for n := range 5 {
		customer, amount := autoCustomer(random.IntN(autoCustomers)), 1+money.Amount(random.Int64N(900))
		if n == 0 {
			customer, amount = autoCustomer(0), 100_000
		}
		var err error
		if n > 0 && random.IntN(3) == 0 {
			_, err = s.book.MakeHold(s.Context(), ledger.HoldRequest{
				Tenant: shop, CustomerID: customer, Currency: "USD", Amount: amount, AllowPartial: true,
				ExpiresAt: s.clock.Now().Add(2 * time.Hour), CreatedBy: "key_1", CurrencyEnabled: true,
			})
		} else {
			_, err = s.book.Post(s.Context(), ledger.PostRequest{
				Tenant: shop, CustomerID: customer, Currency: "USD", Direction: ledger.Debit, Amount: amount, AllowPartial: true,
				CreatedBy: "key_1", CurrencyEnabled: true,
			})
		}
		if err != nil && ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
			s.Fatal(err)
		}
	}
}

// invoicesOf are all invoices of a customer.
func (s *stage) invoicesOf(customer string) (invoices []*collect.Invoice) {
	s.Helper()
	filter := ledger.ObjectFilter{Kind: collect.Invoices, CustomerID: customer}
	for page := (ledger.ObjectPage{Limit: 200}); ; {
		list, err := s.store.Objects(s.Context(), shop, filter, page)
		if err != nil {
			s.Fatal(err)
		}
		for i := range list.Objects {
			invoice, err := collect.InvoiceOf(&list.Objects[i])
			if err != nil {
				s.Fatal(err)
			}
			invoices = append(invoices, invoice)
		}
		if page.Before = list.Next; page.Before == "" {
			return invoices
		}
	}
}

// runAuto has three instances top wallets up while they are spent, over a processor and a
// store that fail, and says what is wrong at the end.
func (s *stage) runAuto(stale bool, mistake func(map[string]any)) (problems []string) {
	s.Helper()
	seed := seed()
	random := rand.New(rand.NewPCG(seed, 4))
	u := newUnreliable(s.sandbox, seed)
	failing := &forgetful{Store: s.store, random: rand.New(rand.NewPCG(seed, 5))}
	if mistake != nil {
		failing.Store = &planted{s.store, mistake}
	}
	if stale {
		failing.stale = map[string]ledger.Object{}
	}
	var collectors []*collect.Collector
	var rounds []func(context.Context) (int, error)
	for range 3 {
		c := collect.New(failing, u, s.clock.Now, s.random)
		collectors = append(collectors, c)
		rounds = append(rounds, collect.NewWorker(c, slog.New(slog.DiscardHandler)).Round,
			collect.NewAutoWorker(c, s.store, slog.New(slog.DiscardHandler)).Round)
	}
	terms := s.rules(collectors[0], random)
	end := epoch.AddDate(0, 0, 9)
	for n := 0; s.clock.Now().Before(end.AddDate(0, 0, 4)); n++ {
		var running sync.WaitGroup
		for _, round := range rounds {
			running.Go(func() {
				if _, err := round(s.Context()); err != nil {
					s.Error(err)
				}
			})
		}
		running.Wait()
		if mistake != nil && len(problems) > 0 {
			return problems
		}
		var ids []string
		for n := range terms {
			open := 0
			for _, invoice := range s.invoicesOf(autoCustomer(n)) {
				ids = append(ids, invoice.Collection.InvoiceID)
				if !invoice.Collection.State.Final() {
					open++
				}
			}
			if open > 1 {
				problems = append(problems, fmt.Sprintf("customer %d has %d top-ups on their way", n, open))
			}
		}
		if len(ids) > 0 && n%3 == 0 {
			s.meddle(collectors[random.IntN(3)], random, ids)
		}
		if s.clock.Now().Before(end) { // then what is on its way comes to its end
			s.spend(random)
			if k := random.IntN(autoCustomers); random.IntN(20) == 0 {
				s.setRule(collectors[1], k, terms[k]) // which neither begins two nor passes the cap
			}
		} else if terms[0].Enabled {
			for k := range terms {
				terms[k].Enabled = false
				s.setRule(collectors[1], k, terms[k])
			}
		}
		s.clock.Move([]time.Duration{10 * time.Minute, 3 * time.Hour, 7 * time.Hour}[random.IntN(3)])
	}
	problems = append(problems, s.inspectAuto(u, terms)...)
	s.Logf("seed %d: %d calls of the processor, %d answers lost, %d commits failed or forgotten, %d problems",
		seed, u.calls, u.lost, failing.failed, len(problems))
	return problems
}

// inspectAuto holds what the cards were charged against what the wallets were credited
// with, and what was begun against the caps.
func (s *stage) inspectAuto(u *unreliable, terms []collect.AutoTopUpTerms) (problems []string) {
	s.Helper()
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	credited := map[string]money.Amount{}
	invoices := map[int][]*collect.Invoice{}
	states, told := map[billing.State]int{}, map[ledger.EventKind]int{}
	for n := range terms {
		h, err := storetest.ReadHistory(s.Context(), s.store, shop, autoCustomer(n))
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range h.Entries {
			if e.Direction == ledger.Credit && e.Account == ledger.AccountCash {
				credited[strings.Replace(e.ReferenceObjectID, collect.PaymentIDPrefix, collect.InvoiceIDPrefix, 1)] += e.Amount
			}
		}
		for _, violation := range storetest.CheckLaws(h) {
			problem("customer %d: %s", n, violation)
		}
		events, err := s.store.ObjectEvents(s.Context(), shop, autoCustomer(n), 0, 10_000)
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range events {
			told[e.Kind]++
		}
		invoices[n] = s.invoicesOf(autoCustomer(n))
		for _, invoice := range invoices[n] {
			for _, a := range invoice.Collection.Attempts {
				if a.PaymentID != "" {
					u.payments[a.PaymentID] = invoice.Collection.InvoiceID
				}
			}
		}
	}
	card := u.charged(s.TB)
	for n, t := range terms {
		counts, sums := map[time.Time]int64{}, map[time.Time]money.Amount{}
		for _, invoice := range invoices[n] {
			id, state := invoice.Collection.InvoiceID, invoice.Collection.State
			states[state]++
			want := money.Amount(0)
			if state == billing.Paid {
				want = invoice.Collection.Total
				from := periodOf(t.Cap.Period, invoice.CreatedAt)
				counts[from]++
				sums[from] += want
				if counts[from] > t.Cap.Count || t.Cap.Amount > 0 && sums[from] > t.Cap.Amount {
					problem("customer %d: %d top-ups of %d since %s pass the cap %+v", n, counts[from], sums[from], from, t.Cap)
				}
			}
			if !state.Final() || credited[id] != want || card[id] != want {
				problem("invoice %s of %d is %s: credited %d, charged %d, want %d", id, invoice.Collection.Total, state, credited[id], card[id], want)
			}
			delete(credited, id)
		}
	}
	for id, sum := range credited {
		problem("%d was credited for %s, which nobody asked for", sum, id)
	}
	paid := states[billing.Paid]
	if paid < 8 || told[collect.EventTopUpFailed] < 3 || told[collect.EventTopUpSucceeded] != paid {
		problem("got states %v and events %v, want top-ups that succeed and fail, each told", states, told)
	}
	s.Logf("states at the end: %v, told %v", states, told)
	return append(problems, s.verified()...)
}

// verified is what verify finds.
func (s *stage) verified() (problems []string) {
	s.Helper()
	report, err := verify.Run(s.Context(), s.options)
	if err != nil {
		s.Fatal(err)
	}
	for _, finding := range report.Findings {
		problems = append(problems, fmt.Sprintf("verify: %s", finding))
	}
	return problems
}

// periodOf is when the period began that a time is in.
func periodOf(p collect.Period, t time.Time) time.Time {
	day := t.UTC().Truncate(24 * time.Hour)
	for p == collect.PerWeek && day.Weekday() != time.Monday || p == collect.PerMonth && day.Day() != 1 {
		day = day.AddDate(0, 0, -1)
	}
	return day
}

// TestAutomaticTopUps wants every cent credited that was charged and no other, one top-up
// on its way at a time, and the caps held.
func TestAutomaticTopUps(t *testing.T) {
	onStores(t, func(s *stage) {
		for _, problem := range s.runAuto(false, nil) {
			s.Error(problem)
		}
	})
}

// TestAutomaticTopUpMistakes is the control: each mistake is noticed.
func TestAutomaticTopUpMistakes(t *testing.T) {
	mistakes := map[string]func(rule map[string]any){
		"the cap forgets what was begun": func(rule map[string]any) { delete(rule, "used") },
		"what is on its way is forgotten": func(rule map[string]any) {
			delete(rule, "in_flight")
			delete(rule, "asked")
		},
		"it is decided on what was before": nil,
	}
	for name, mistake := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEmbedded(t, func(s *stage) {
				problems := s.runAuto(mistake == nil, mistake)
				if len(problems) == 0 {
					s.Error("got no problem")
				}
				s.Logf("%.300q", problems)
			})
		})
	}
}
