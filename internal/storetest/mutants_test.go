package storetest

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// bent is the model with one planted bug in Transact.
type bent struct {
	*Model
	transact func(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error)
}

func (b bent) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return b.transact(b.Model, ctx, scope, decide)
}

// bend opens models whose Transact is another one.
func bend(
	transact func(*Model, context.Context, ledger.Scope, ledger.Decide) (ledger.Change, error),
) func(testing.TB) Stores {
	return func(testing.TB) Stores {
		m := NewModel()
		return Stores{Ledger: bent{m, transact}, Access: m}
	}
}

// bendSnapshot opens models whose decisions see what alter makes of their
// snapshot. Lots that the decision leaves as they were are stored as they were.
func bendSnapshot(alter func(m *Model, scope ledger.Scope, s *ledger.Snapshot)) func(testing.TB) Stores {
	return bend(func(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
		return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
			before := slices.Clone(s.Wallet.Lots)
			alter(m, scope, &s)
			change, err := decide(s)
			for i := range change.Wallet.Lots {
				lot := &change.Wallet.Lots[i]
				for _, old := range before {
					if old.Seq == lot.Seq {
						lot.ExpiresAt = old.ExpiresAt
					}
				}
			}
			return change, err
		})
	})
}

// withCustomer runs f on a customer under the model's lock.
func (m *Model) withCustomer(scope ledger.Scope, f func(c *modelCustomer)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(scope.Tenant, scope.CustomerID)
	if err == nil {
		f(c)
	}
	return err
}

// gap is where a racing bug happens: between a look and the act that trusts it.
// It keeps a caller inside until somebody else is there too, so that the race is
// met whatever the scheduler does. A caller to whom nobody comes is let go: soon
// when callers have met before, and otherwise after as long as a busy machine
// may take to run the others.
type gap struct {
	inside atomic.Int64
	met    atomic.Bool
}

func (g *gap) wait() {
	g.inside.Add(1)
	defer g.inside.Add(-1)
	until := time.Now().Add(time.Second / 4)
	for n := 0; g.inside.Load() < 2; n++ {
		if n >= 1000 && (g.met.Load() || time.Now().After(until)) {
			return
		}
		runtime.Gosched()
	}
	g.met.Store(true)
}

// bendRacing opens models whose Transact is another one with a gap in it.
func bendRacing(
	transact func(*gap, *Model, context.Context, ledger.Scope, ledger.Decide) (ledger.Change, error),
) func(testing.TB) Stores {
	return func(t testing.TB) Stores {
		g := &gap{}
		return bend(func(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
			return transact(g, m, ctx, scope, decide)
		})(t)
	}
}

// readThenWrite decides outside the lock and writes what it decided.
func readThenWrite(
	g *gap, m *Model, _ context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	scope.Need = ledger.NeedAll
	var s ledger.Snapshot
	if err := m.withCustomer(scope, func(c *modelCustomer) { s = c.snapshot(scope) }); err != nil {
		return ledger.Change{}, err
	}
	g.wait()
	change, err := decide(s)
	if err != nil || change.Replayed {
		return change, err
	}
	return change, m.withCustomer(scope, func(c *modelCustomer) {
		wallet := change.Wallet
		c.wallets[scope.Currency] = &wallet
		for e := range change.Entries() {
			c.entries = append(c.entries, cloneEntry(*e))
		}
	})
}

// keyOutsideLock looks the key up in a critical section of its own.
func keyOutsideLock(
	g *gap, m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	var prior *ledger.Entry
	if err := m.withCustomer(scope, func(c *modelCustomer) { prior = c.snapshot(scope).Prior }); err != nil {
		return ledger.Change{}, err
	}
	g.wait()
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		s.Prior = prior
		return decide(s)
	})
}

// seqByMax numbers entries by the largest number found before the lock.
func seqByMax(g *gap, m *Model, _ context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	var early ledger.Snapshot
	if err := m.withCustomer(scope, func(c *modelCustomer) { early = c.snapshot(scope) }); err != nil {
		return ledger.Change{}, err
	}
	g.wait()
	var change ledger.Change
	var refusal error
	err := m.withCustomer(scope, func(c *modelCustomer) {
		s := c.snapshot(scope)
		numbered := cloneSnapshot(s)
		numbered.Chain, numbered.Wallet.Seq = early.Chain, early.Wallet.Seq
		if change, refusal = decide(numbered); refusal == nil && !change.Replayed {
			c.commit(s, change)
		}
	})
	if err == nil {
		err = refusal
	}
	return change, err
}

// keyConsumed remembers a refusal under its key and gives it again.
func keyConsumed(testing.TB) Stores {
	type place struct {
		tenant        ledger.Tenant
		customer, key string
	}
	refused := map[place]error{}
	m := NewModel()
	return Stores{Access: m,
		Ledger: bent{m, func(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
			at := place{scope.Tenant, scope.CustomerID, scope.Key}
			m.mu.Lock()
			refusal := refused[at]
			m.mu.Unlock()
			if refusal != nil {
				return ledger.Change{}, refusal
			}
			change, err := m.Transact(ctx, scope, decide)
			if ledger.CodeOf(err) == ledger.CodeInsufficientFunds && scope.Key != "" {
				m.mu.Lock()
				refused[at] = err
				m.mu.Unlock()
			}
			return change, err
		}}}
}

// partialLikeAny loads a partial debit that is beyond the wallet as one that
// will be refused.
func partialLikeAny(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	scope.Partial = false
	return m.Transact(ctx, scope, decide)
}

// fingerprintWithoutAmount takes a request that differs from the first in its
// amount alone for the same request.
func fingerprintWithoutAmount(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if ledger.CodeOf(err) != ledger.CodeKeyReused {
			return change, err
		}
		unused := cloneSnapshot(s)
		unused.Prior = nil
		fresh, freshErr := decide(unused)
		if f, p := fresh.Entry, *s.Prior; freshErr == nil && f.Currency == p.Currency && f.Direction == p.Direction &&
			f.Category == p.Category && f.ExpiresAt.Equal(p.ExpiresAt) && f.Reason == p.Reason &&
			f.ReferenceObjectID == p.ReferenceObjectID && f.Metadata == p.Metadata {
			return ledger.Change{Replayed: true, Entry: p, Wallet: ledger.WalletAfter(s.Customer, p)}, nil
		}
		return change, err
	})
}

// replayGivesCurrentWallet answers a repeat with the wallet as it is now.
func replayGivesCurrentWallet(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if change.Replayed {
			change.Wallet = s.Wallet
		}
		return change, err
	})
}

// refusalLeavesTrace notes the time of a refused attempt on the wallet.
func refusalLeavesTrace(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	change, err := m.Transact(ctx, scope, decide)
	if ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
		return change, err
	}
	_ = m.withCustomer(scope, func(c *modelCustomer) {
		if w := c.wallets[scope.Currency]; w != nil {
			w.UpdatedAt = scope.At.Add(time.Second)
		}
	})
	return change, err
}

// spoilsNeighbours answers the command that follows a broken one with an error.
func spoilsNeighbours(testing.TB) Stores {
	m, spoilt := NewModel(), false
	return Stores{Access: m,
		Ledger: bent{m, func(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
			m.mu.Lock()
			was := spoilt
			spoilt = false
			m.mu.Unlock()
			if was {
				return ledger.Change{}, ledger.Errorf(ledger.CodeInternal, "the batch was rolled back")
			}
			change, err := m.Transact(ctx, scope, decide)
			m.mu.Lock()
			defer m.mu.Unlock()
			spoilt = ledger.CodeOf(err) == ledger.CodeInternal && !strings.Contains(err.Error(), "looking")
			return change, err
		}}}
}

// dropsUnseenLots keeps no lots but those that the change names.
func dropsUnseenLots(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	change, err := m.Transact(ctx, scope, decide)
	if err == nil && !change.Replayed {
		_ = m.withCustomer(scope,
			func(c *modelCustomer) { c.wallets[scope.Currency].Lots = slices.Clone(change.Wallet.Lots) })
	}
	return change, err
}

// millisecondTimes stores the times of entries in milliseconds.
func millisecondTimes(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	change, err := m.Transact(ctx, scope, decide)
	if err == nil && !change.Replayed {
		_ = m.withCustomer(scope, func(c *modelCustomer) {
			last := &c.entries[len(c.entries)-1]
			last.CreatedAt = last.CreatedAt.Truncate(time.Millisecond)
		})
	}
	return change, err
}

// alterPrior makes keys match that are alike only after fold.
func alterPrior(fold func(string) string) func(testing.TB) Stores {
	return bendSnapshot(func(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
		c, err := m.customer(scope.Tenant, scope.CustomerID)
		if err != nil || scope.Key == "" {
			return
		}
		for _, e := range c.entries {
			if e.IdempotencyKey != "" && fold(e.IdempotencyKey) == fold(scope.Key) {
				prior := cloneEntry(e)
				s.Prior = &prior
			}
		}
	})
}

func expiryBySweeper(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	for i := range s.Wallet.Lots {
		if lot := &s.Wallet.Lots[i]; lot.ExpiredAt(s.Chain.At(scope.At)) {
			lot.ExpiresAt = time.Time{}
		}
	}
}

func expiryMicrosecondLate(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	for i := range s.Wallet.Lots {
		if lot := &s.Wallet.Lots[i]; !lot.ExpiresAt.IsZero() {
			lot.ExpiresAt = lot.ExpiresAt.Add(time.Microsecond)
		}
	}
}

func lotsBySeq(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	slices.SortFunc(s.Wallet.Lots, func(a, b ledger.Lot) int { return int(a.Seq - b.Seq) })
}

func clockLowersTime(_ *Model, _ ledger.Scope, s *ledger.Snapshot) { s.Chain.LastAt = time.Time{} }

// chainByWallet chains an entry to the wallet's last instead of the customer's.
func chainByWallet(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, err := m.customer(scope.Tenant, scope.CustomerID)
	if err != nil {
		return
	}
	s.Chain.Hash = ledger.Hash{}
	for _, e := range c.entries {
		if e.Currency == scope.Currency {
			s.Chain.Hash = e.Hash
		}
	}
}

// lotsOfAllCurrencies adds the lots of the customer's other wallets.
func lotsOfAllCurrencies(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, err := m.customer(scope.Tenant, scope.CustomerID)
	if err != nil || s.Wallet.Seq == 0 {
		return
	}
	for _, currency := range []money.Currency{"INR", "USD"} {
		if w := c.wallets[currency]; w != nil && currency != scope.Currency {
			s.Wallet.Balance += w.Balance
		}
	}
}
