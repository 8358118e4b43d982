package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// sweepsEarly takes a lot for expired a microsecond before it is.
func sweepsEarly(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if errors.Is(err, ledger.ErrNothingExpired) && len(s.Wallet.Lots) > 0 && !s.Wallet.Lots[0].ExpiresAt.IsZero() {
			s.Wallet.Lots[0].ExpiresAt = s.Wallet.Lots[0].ExpiresAt.Add(-time.Microsecond)
			return decide(s)
		}
		return change, err
	})
}

// sweepsTwice leaves a lot open that was swept.
func sweepsTwice(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		lots := slices.Clone(s.Wallet.Lots)
		change, err := decide(s)
		if change.Entry.Account == ledger.AccountBreakage {
			change.Wallet.Lots = lots
		}
		return change, err
	})
}

// sweepsPart leaves one unit of a lot for the next sweep.
func sweepsPart(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		lots := slices.Clone(s.Wallet.Lots)
		change, err := decide(s)
		if e := &change.Entry; e.Account == ledger.AccountBreakage && e.Amount > 1 {
			e.Amount--
			e.After++
			e.Allocations = []ledger.Allocation{{LotSeq: lots[0].Seq, Amount: e.Amount}}
			e.Hash = e.ChainHash(s.Chain.Hash)
			lots[0].Remaining = 1
			change.Wallet.Balance, change.Wallet.Lots = e.After, lots
		}
		return change, err
	})
}

// staleExpiry remembers the soonest expiry that a wallet ever had, and does not
// notice when that lot is gone.
type staleExpiry struct {
	*Model
	ends map[ledger.WalletKey]time.Time
}

func openStaleExpiry(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: staleExpiry{m, map[ledger.WalletKey]time.Time{}}, Access: m}
}

func (s staleExpiry) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	change, err := s.Model.Transact(ctx, scope, decide)
	key := ledger.WalletKey{Tenant: scope.Tenant, CustomerID: scope.CustomerID, Currency: scope.Currency}
	s.mu.Lock()
	defer s.mu.Unlock()
	end := change.Entry.ExpiresAt
	if known, some := s.ends[key]; err == nil && !end.IsZero() && (!some || end.Before(known)) {
		s.ends[key] = end
	}
	return change, err
}

func (s staleExpiry) Expired(_ context.Context, at time.Time, limit int) (keys []ledger.WalletKey, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, end := range s.ends {
		if !end.After(at) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b ledger.WalletKey) int { return s.ends[a].Compare(s.ends[b]) })
	return keys[:min(limit, len(keys))], nil
}

// lotsByCount pages through the lots by how many were shown, although those may
// be gone by then.
type lotsByCount struct{ *Model }

func openLotsByCount(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: lotsByCount{m}, Access: m}
}

func (l lotsByCount) Lots(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, page ledger.LotPage,
) (ledger.LotList, error) {
	list, err := l.Model.Lots(ctx, tenant, id, currency, ledger.LotPage{Limit: int(page.After) + page.Limit})
	list.Lots = list.Lots[min(int(page.After), len(list.Lots)):]
	if list.Next != 0 {
		list.Next = page.After + int64(len(list.Lots))
	}
	return list, err
}

// lotsWithoutExpired leaves out what has expired, as if it were not there.
type lotsWithoutExpired struct{ *Model }

func openLotsWithoutExpired(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: lotsWithoutExpired{m}, Access: m}
}

func (l lotsWithoutExpired) Lots(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, page ledger.LotPage,
) (ledger.LotList, error) {
	list, err := l.Model.Lots(ctx, tenant, id, currency, page)
	list.Lots = slices.DeleteFunc(list.Lots, func(lot ledger.Lot) bool { return lot.ExpiredAt(list.Chain.LastAt) })
	return list, err
}

// dayAhead decides by the clock of a machine that is a day ahead of all others.
func dayAhead(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		s.Chain.LastAt = s.Chain.At(scope.At.AddDate(0, 0, 1))
		return decide(s)
	})
}
