package collect_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// unreliable is a processor of which answers are lost and calls do not arrive, and which
// remembers what became of the money.
type unreliable struct {
	processor.Processor
	random *rand.Rand
	calm   bool // every call arrives and is answered, for now

	mu       sync.Mutex
	payments map[string]string // the invoice of each
	returned map[string]bool
	refunds  map[string]processor.RefundRequest // that arrived, by key
	calls    int64
	lost     int64
}

func newUnreliable(p processor.Processor, seed uint64) *unreliable {
	return &unreliable{
		Processor: p, random: rand.New(rand.NewPCG(seed, 1)), payments: map[string]string{}, returned: map[string]bool{},
		refunds: map[string]processor.RefundRequest{},
	}
}

var errLost = errors.New("the answer was lost")

// call makes a call, or does not, and loses its answer now and then.
func (u *unreliable) call(f func() (billing.Report, error)) (billing.Report, error) {
	u.mu.Lock()
	fate := u.random.IntN(10)
	if u.calm {
		fate = 9
	}
	u.calls++
	u.mu.Unlock()
	if fate == 0 {
		return billing.Report{}, processor.ErrNotReached
	}
	report, err := f()
	if fate == 1 {
		u.mu.Lock()
		u.lost++
		u.mu.Unlock()
		return billing.Report{}, errLost
	}
	return report, err
}

func (u *unreliable) Create(ctx context.Context, r processor.Request) (billing.Report, error) {
	return u.call(func() (billing.Report, error) {
		report, err := u.Processor.Create(ctx, r)
		if report.PaymentID != "" {
			u.mu.Lock()
			u.payments[report.PaymentID] = r.InvoiceID
			u.mu.Unlock()
		}
		return report, err
	})
}

func (u *unreliable) Confirm(ctx context.Context, id string) (billing.Report, error) {
	return u.call(func() (billing.Report, error) { return u.Processor.Confirm(ctx, id) })
}

func (u *unreliable) LookUp(ctx context.Context, id string) (billing.Report, error) {
	return u.call(func() (billing.Report, error) { return u.Processor.LookUp(ctx, id) })
}

func (u *unreliable) Search(ctx context.Context, r processor.Request, intendedAt time.Time) (billing.Report, error) {
	return u.call(func() (billing.Report, error) { return u.Processor.Search(ctx, r, intendedAt) })
}

func (u *unreliable) Cancel(ctx context.Context, id string) (billing.Report, error) {
	return u.call(func() (billing.Report, error) { return u.Processor.Cancel(ctx, id) })
}

func (u *unreliable) Return(ctx context.Context, id, key string) error {
	_, err := u.call(func() (billing.Report, error) {
		err := u.Processor.Return(ctx, id, key)
		if err == nil {
			u.mu.Lock()
			u.returned[id] = true
			u.mu.Unlock()
		}
		return billing.Report{}, err
	})
	return err
}

func (u *unreliable) Refund(ctx context.Context, r processor.RefundRequest) (status processor.RefundStatus, err error) {
	_, err = u.call(func() (billing.Report, error) {
		u.mu.Lock()
		u.refunds[r.Key] = r
		u.mu.Unlock()
		var err error
		status, err = u.Processor.Refund(ctx, r)
		return billing.Report{}, err
	})
	return status, err
}

// charged is what the card was charged for each invoice, less what went back.
func (u *unreliable) charged(t testing.TB) map[string]money.Amount {
	t.Helper()
	sums := map[string]money.Amount{}
	for id, invoice := range u.payments {
		report, err := u.Processor.LookUp(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if report.Status == billing.ChargeSucceeded && !u.returned[id] {
			sums[invoice] += report.Amount
		}
	}
	return sums
}

// forgetful is a store that fails now and then, before a commit or right after it.
type forgetful struct {
	ledger.Store
	mu     sync.Mutex
	random *rand.Rand
	calm   bool // no call fails for now, and each decision is stale where some are
	failed int64
	stale  map[string]ledger.Object // nil, or what invoices were before: now and then a decision gets that
}

// before is a decision that gets what it is about as an earlier one did.
func (f *forgetful) before(decide ledger.Decide) ledger.Decide {
	return func(s ledger.Snapshot) (ledger.Change, error) {
		f.mu.Lock()
		s.Objects = slices.Clone(s.Objects)
		for i, latest := range s.Objects {
			if latest.Kind != collect.Invoices {
				continue
			}
			if old, found := f.stale[latest.ID]; found && (f.random.IntN(5) == 0 || f.calm) {
				s.Objects[i] = old
			}
			f.stale[latest.ID] = latest
		}
		f.mu.Unlock()
		return decide(s)
	}
}

// fate is what becomes of a command: 0 does not arrive, 1 is not heard of.
func (f *forgetful) fate() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	fate := f.random.IntN(20)
	if f.calm {
		fate = 19
	}
	if fate < 2 {
		f.failed++
	}
	return fate
}

var (
	errNotArrived = ledger.Errorf(ledger.CodeStorageUnavailable, "before the commit")
	errNotHeard   = ledger.Errorf(ledger.CodeOutcomeUnknown, "after the commit")
)

func (f *forgetful) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	fate := f.fate()
	if fate == 0 {
		return ledger.Change{}, errNotArrived
	}
	if f.stale != nil {
		decide = f.before(decide)
	}
	change, err := f.Store.Transact(ctx, scope, decide)
	if fate == 1 {
		return ledger.Change{}, errNotHeard
	}
	return change, err
}

// TransactMany gives each command a fate of its own.
func (f *forgetful) TransactMany(
	ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	if atomic {
		return f.Store.TransactMany(ctx, commands, atomic)
	}
	fates := make([]int, len(commands))
	var arrived []ledger.Command
	for i, command := range commands {
		if fates[i] = f.fate(); fates[i] == 0 {
			continue
		}
		if f.stale != nil {
			command.Decide = f.before(command.Decide)
		}
		arrived = append(arrived, command)
	}
	heard, err := f.Store.TransactMany(ctx, arrived, false)
	outcomes := make([]ledger.Outcome, len(commands))
	for i, fate := range fates {
		if fate == 0 {
			outcomes[i].Err = errNotArrived
			continue
		}
		if outcomes[i], heard = heard[0], heard[1:]; fate == 1 {
			outcomes[i] = ledger.Outcome{Err: errNotHeard}
		}
	}
	return outcomes, err
}
