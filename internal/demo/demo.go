// Package demo makes believable data for trying Billfold out: a few hundred
// customers of a small AI company with months of deposits, usage, promotional
// credits and refunds, in US dollars and Indian rupees.
//
// Everything goes through the ledger's own rules, with a clock that steps from
// event to event, so that the data obeys every law that real data obeys. The
// same seed makes the same customers and amounts.
package demo

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Config says how much to make, and for whom.
type Config struct {
	Store  ledger.Store
	Tenant ledger.Tenant

	// Now is where the history ends; it begins Months earlier.
	Now       time.Time
	Months    int
	Customers int
	Seed      uint64

	// Progress is called with the number of customers whose history is
	// written; nil is allowed. Calls do not overlap.
	Progress func(done, total int)
}

// Result counts what was made.
type Result struct {
	Customers int `json:"customers"`
	Entries   int `json:"entries"`

	// Refused counts the debits that found too little money, as some do in
	// every real history; they left no entry.
	Refused int `json:"refused"`
}

// workers is how many histories are written at once, so that many entries
// share one sync of the disk.
const workers = 32

// Run makes the data. It may be run again, which adds other customers of the
// same names with the same histories.
func Run(ctx context.Context, config Config) (Result, error) {
	plans := plan(config)
	for i := range plans {
		customer := &plans[i].customer
		customer.ID = ledger.NewID("cus_", customer.CreatedAt, [2]uint64{rand.Uint64(), rand.Uint64()})
		if _, err := config.Store.CreateCustomer(ctx, *customer, nil); err != nil {
			return Result{}, fmt.Errorf("make customer %s: %w", customer.Name, err)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		group  sync.WaitGroup
		mutex  sync.Mutex
		result = Result{Customers: len(plans)}
		done   int
	)
	next := make(chan history)
	for range workers {
		group.Go(func() {
			for one := range next {
				entries, refused, err := one.write(ctx, config.Store)
				if err != nil {
					cancel(err)
				}
				mutex.Lock()
				result.Entries += entries
				result.Refused += refused
				done++
				if config.Progress != nil {
					config.Progress(done, len(plans))
				}
				mutex.Unlock()
			}
		})
	}
	for _, one := range plans {
		next <- one
	}
	close(next)
	group.Wait()
	return result, context.Cause(ctx)
}

// history is one customer and what happens to them, in order of time.
type history struct {
	customer ledger.Customer
	events   []event
}

type event struct {
	at      time.Time
	request ledger.PostRequest
}

// write posts the events, each at its own time.
func (h history) write(ctx context.Context, store ledger.Store) (entries, refused int, err error) {
	var now time.Time
	book := ledger.NewBook(store, func() time.Time { return now }, rand.Uint64)
	for _, event := range h.events {
		now = event.at
		request := event.request
		request.Tenant = h.customer.Tenant
		request.CustomerID = h.customer.ID
		request.CreatedBy = "demo"
		request.CurrencyEnabled = true
		_, err := book.Post(ctx, request)
		switch ledger.CodeOf(err) {
		case "":
			entries++
		case ledger.CodeInsufficientFunds:
			refused++
		default:
			return entries, refused, fmt.Errorf("post an entry of %s: %w", h.customer.Name, err)
		}
	}
	return entries, refused, nil
}

// plan draws all histories, oldest customer first.
func plan(config Config) []history {
	random := rand.New(rand.NewPCG(config.Seed, config.Seed^0x9e3779b97f4a7c15))
	now := config.Now.UTC().Truncate(time.Second)
	begin := now.AddDate(0, -config.Months, 0)
	plans := make([]history, config.Customers)
	for i := range plans {
		// The square makes sign-ups denser towards the end: the company grows.
		share := random.IntN(1000)
		ahead := time.Duration(1_000_000-share*share) * (now.Sub(begin) / 1_000_000)
		plans[i] = drawHistory(random, config.Tenant, begin.Add(ahead).Truncate(time.Second), now)
	}
	slices.SortStableFunc(plans, func(a, b history) int {
		return cmp.Compare(a.customer.CreatedAt.UnixNano(), b.customer.CreatedAt.UnixNano())
	})
	return plans
}

func drawHistory(random *rand.Rand, tenant ledger.Tenant, born, now time.Time) history {
	home := homes[0]
	if random.IntN(10) < 3 {
		home = homes[1]
	}
	first, last := home.firstNames[random.IntN(len(home.firstNames))], home.lastNames[random.IntN(len(home.lastNames))]
	size := sizes[random.IntN(len(sizes))]
	d := &drawer{random: random, home: home, born: born, now: now, scale: size.scale}
	d.draw()
	return history{
		customer: ledger.Customer{
			Tenant:      tenant,
			Email:       emailOf(first, last, random.IntN(90)+10),
			Name:        first + " " + last,
			PhoneNumber: home.phone(random),
			Metadata:    `{"plan":"` + size.name + `"}`,
			CreatedAt:   born,
			UpdatedAt:   born,
		},
		events: d.events,
	}
}

// drawer draws the events of one customer.
type drawer struct {
	random    *rand.Rand
	home      home
	born, now time.Time
	scale     money.Amount // how big this customer is, in hundredths
	events    []event
}

func (d *drawer) draw() {
	d.add(d.born.Add(time.Minute), d.home.currency, ledger.PostRequest{
		Direction: ledger.Credit, Amount: d.home.bonus, Category: ledger.Promotional,
		ExpiresAt: d.born.AddDate(0, 0, 90), Reason: "Welcome bonus", IdempotencyKey: "welcome",
	})
	d.months(d.home.currency)
	if d.random.IntN(25) == 0 {
		// A few customers hold both currencies.
		d.months(other(d.home).currency)
	}
	slices.SortStableFunc(d.events, func(a, b event) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
}

// months draws deposits, usage, subscription charges and what else happens,
// month by month from the customer's first day.
func (d *drawer) months(currency money.Currency) {
	unit := homeOf(currency).unit
	for month := 0; ; month++ {
		start := d.born.AddDate(0, month, 0)
		if !start.Before(d.now) {
			return
		}
		// Months are counted, because a start on the 31st skips short ones.
		period := fmt.Sprintf("%s_%d", currency, month+1)
		deposit := d.amount(unit*40, unit*160)
		d.add(start.Add(d.hours(1, 20)), currency, ledger.PostRequest{
			Direction: ledger.Credit, Amount: deposit - deposit%unit,
			Reason: "Prepaid deposit", ReferenceObjectID: d.id("pay_"), IdempotencyKey: "deposit_" + period,
		})
		d.add(start.Add(d.hours(24, 30)), currency, ledger.PostRequest{
			Direction: ledger.Debit, Amount: unit * 19,
			Reason: "Subscription, " + start.Format("January 2006"), IdempotencyKey: "subscription_" + period,
		})
		for week := range 4 {
			at := start.AddDate(0, 0, week*7+2).Add(d.hours(0, 120))
			d.add(at, currency, ledger.PostRequest{
				Direction: ledger.Debit, Amount: d.amount(unit, unit*45),
				Reason:         "API usage, week of " + at.Format("2 January"),
				IdempotencyKey: fmt.Sprintf("usage_%s_%d", period, week+1),
			})
		}
		d.rare(currency, unit, start, period)
	}
}

// rare draws what happens to some customers in some months.
func (d *drawer) rare(currency money.Currency, unit money.Amount, start time.Time, period string) {
	if d.random.IntN(9) == 0 {
		payment := d.id("pay_")
		d.add(start.AddDate(0, 0, 12).Add(d.hours(0, 200)), currency, ledger.PostRequest{
			Direction: ledger.Credit, Amount: d.amount(unit*5, unit*30),
			Reason: "Refund for payment " + payment, ReferenceObjectID: payment, IdempotencyKey: "refund_" + payment,
		})
	}
	if d.random.IntN(7) == 0 {
		at := start.AddDate(0, 0, 5).Add(d.hours(0, 300))
		d.add(at, currency, ledger.PostRequest{
			Direction: ledger.Credit, Amount: unit * 10, Category: ledger.Promotional, ExpiresAt: at.AddDate(0, 0, 30),
			Reason: "Referral reward", IdempotencyKey: "referral_" + period,
		})
	}
	if d.random.IntN(20) == 0 {
		d.add(start.AddDate(0, 0, 20).Add(d.hours(0, 100)), currency, ledger.PostRequest{
			Direction: ledger.Credit, Amount: unit * 15, Category: ledger.Promotional,
			Reason: "Goodwill after an outage", IdempotencyKey: "goodwill_" + period,
		})
	}
}

// add keeps an event unless it lies in the future.
func (d *drawer) add(at time.Time, currency money.Currency, request ledger.PostRequest) {
	if at.After(d.now) {
		return
	}
	request.Currency = currency
	d.events = append(d.events, event{at: at, request: request})
}

// amount draws from a range, bent to the customer's size.
func (d *drawer) amount(least, most money.Amount) money.Amount {
	drawn := least + money.Amount(d.random.Int64N(int64(most-least+1)))
	return max(drawn*d.scale/100, least)
}

func (d *drawer) hours(least, most int) time.Duration {
	return time.Duration(least)*time.Hour + time.Duration(d.random.IntN((most-least)*3600))*time.Second
}

func (d *drawer) id(prefix string) string {
	return ledger.NewID(prefix, d.born, [2]uint64{d.random.Uint64(), d.random.Uint64()})
}
