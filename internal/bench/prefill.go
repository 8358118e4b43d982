package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/sqlite"
)

// fillers is how many goroutines post at once while a ledger is filled. The
// store makes batches of what arrives together.
const fillers = 256

// filler fills the ledger of a server that is not running, through the store
// and past HTTP.
type filler struct {
	db     fillStore
	book   *ledger.Book
	tenant ledger.Tenant
}

type fillStore interface {
	ledger.Store
	access.Store
	Close() error
}

// openFiller opens the ledger of stopped servers that were started before.
func openFiller(ctx context.Context, s *site) (*filler, error) {
	var db fillStore
	var err error
	if s.database != nil {
		db, err = postgres.Open(ctx, postgres.Config{URL: s.database.url})
	} else {
		db, err = sqlite.Open(ctx, sqlite.Config{Dir: s.dataDir(0)})
	}
	if err != nil {
		return nil, err
	}
	businesses, err := db.Businesses(ctx)
	if err == nil && len(businesses) != 1 {
		err = fmt.Errorf("a new ledger has %d businesses, want 1", len(businesses))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &filler{
		db:     db,
		book:   ledger.NewBook(db, time.Now, rand.Uint64),
		tenant: ledger.Tenant{BusinessID: businesses[0].ID, Mode: ledger.Test},
	}, nil
}

// customers adds customers, each with one credit that the debits of the load
// can be taken from.
func (f *filler) customers(ctx context.Context, n int) (*population, error) {
	p := &population{ids: make([]string, n), base: make([]int64, n)}
	for i := range p.ids {
		// The same time for all would make ids that differ by chance alone,
		// which is not how a ledger grows.
		at := f.book.Now().Add(time.Duration(i) * time.Microsecond)
		p.ids[i] = ledger.NewID("cus_", at, [2]uint64{rand.Uint64(), rand.Uint64()})
	}
	err := each(ctx, n, func(ctx context.Context, i int) error {
		now := f.book.Now()
		customer := ledger.Customer{
			Tenant:    f.tenant,
			ID:        p.ids[i],
			Email:     fmt.Sprintf("customer-%09d@example.com", i),
			Name:      fmt.Sprintf("Customer %d", i),
			Metadata:  "{}",
			CreatedAt: now,
			UpdatedAt: now,
		}
		if _, err := f.db.CreateCustomer(ctx, customer, nil); err != nil {
			return err
		}
		return f.post(ctx, p, i, ledger.Credit, 10*creditAmount, fmt.Sprintf("fund-%d", i))
	})
	return p, err
}

// entries posts entries of the usual mix until the ledger holds so many.
func (f *filler) entries(ctx context.Context, p *population, total int64) error {
	for _, base := range p.base {
		total -= base
	}
	key := rand.Uint64()
	return each(ctx, int(max(total, 0)), func(ctx context.Context, i int) error {
		direction, amount := ledger.Credit, money.Amount(creditAmount)
		customer := rand.IntN(len(p.ids))
		if rand.IntN(debitOneIn) == 0 {
			direction, amount = ledger.Debit, debitAmount
		}
		return f.post(ctx, p, customer, direction, amount, fmt.Sprintf("fill-%016x-%d", key, i))
	})
}

// deepen gives one customer a long history.
func (f *filler) deepen(ctx context.Context, p *population, customer, entries int) error {
	return each(ctx, entries, func(ctx context.Context, i int) error {
		return f.post(ctx, p, customer, ledger.Credit, creditAmount, fmt.Sprintf("deep-%d", i))
	})
}

// post posts one entry and counts it. A debit without funds is turned into a
// credit, so that every call makes an entry.
func (f *filler) post(
	ctx context.Context, p *population, customer int, direction ledger.Direction, amount money.Amount, key string,
) error {
	request := ledger.PostRequest{
		Tenant:          f.tenant,
		CustomerID:      p.ids[customer],
		Currency:        currency,
		CurrencyEnabled: true,
		Direction:       direction,
		Amount:          amount,
		Reason:          "Account funding",
		IdempotencyKey:  key,
		CreatedBy:       "bench",
	}
	for {
		_, err := f.book.Post(ctx, request)
		switch ledger.CodeOf(err) {
		case "":
			atomic.AddInt64(&p.base[customer], 1)
			return nil
		case ledger.CodeInsufficientFunds:
			request.Direction = ledger.Credit
		case ledger.CodeOverloaded:
			// Nothing was changed, and a slow machine is no reason to stop.
		default:
			return err
		}
	}
}

func (f *filler) close() error { return f.db.Close() }

// each calls do for 0 … n-1 from many goroutines, until one fails.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(fillers, n) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := do(ctx, int(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}
