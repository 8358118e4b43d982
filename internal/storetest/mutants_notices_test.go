package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func noticeMistakes() []mistake {
	const once = "L7 a lot is announced once, with what it has left"
	return []mistake{
		{"what was announced is forgotten", bendSnapshot(forgetsNotices), [][2]string{
			{"notices", once},
			{"notices", "L7 a lot that gets money back is announced unless it was"},
		}, true},
		{"nothing is announced", bend(announcesNothing), [][2]string{{"notices", once}}, true},
		{"what was spent is announced as it came", bendSnapshot(announcesAsCredited), [][2]string{
			{"notices", once},
		}, true},
		{"what is spent whole is announced", bendSnapshot(announcesSpent), [][2]string{
			{"notices", "L7 what was spent, is held, has expired or never does is not announced"},
		}, true},
		{"what was held is announced with the rest", bendSnapshot(announcesHeld), [][2]string{
			{"notices", "L7 what was spent, is held, has expired or never does is not announced"},
		}, true},
		{"notices a microsecond early", bendSnapshot(announcesEarly), [][2]string{
			{"notices", "L7 a lot is not announced before its time, to the microsecond"},
		}, true},
		{"notices of what has expired", bend(announcesLate), [][2]string{
			{"notices", "L7 a lot is not announced before its time, to the microsecond"},
		}, true},
		{"notices are numbered along the wallet", bendSnapshot(numbersByWallet), [][2]string{
			{"notices", "L7 notices are numbered along the customer and told in that order"},
		}, true},
		{"only what comes behind the last notice is looked at", bendSnapshot(looksBehindLast), [][2]string{
			{"notices", once},
			{"notices", "L7 a wallet of many lots is announced in parts, whatever expires together"},
		}, false},
		{"notices read, then written", bendRacing(announcesOutsideLock), [][2]string{
			{"notices", "L7 8 sweepers at once write one notice for each lot"},
		}, false},
		{"notices for who wants none", openNoticesForAll, [][2]string{
			{"notices", "wallets are found for notices by the setting of the business, until they were announced"},
			{"notices", "a setting that is changed counts for lots that are there"},
		}, false},
		{"wallets are found again after they were announced", openNoticesFoundAgain, [][2]string{
			{"notices", "wallets are found for notices by the setting of the business, until they were announced"},
		}, true},
	}
}

// openOf are the lots of a scope's wallet, as a model has them under its lock.
func openOf(m *Model, scope ledger.Scope) (c *modelCustomer, lots []ledger.Lot) {
	c, err := m.customer(scope.Tenant, scope.CustomerID)
	if err != nil || c.wallets[scope.Currency] == nil {
		return nil, nil
	}
	return c, c.wallets[scope.Currency].Lots
}

func forgetsNotices(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	_, lots := openOf(m, scope)
	if s.Unannounced == nil || s.Unannounced.Number >= 12 { // or a sweep would never end
		return
	}
	lots = slices.DeleteFunc(slices.Clone(lots), func(l ledger.Lot) bool { return l.ExpiresAt.IsZero() })
	s.Unannounced.Lots, s.Unannounced.Told = lots, make([]bool, len(lots))
}

func announcesNothing(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	if scope.Announces {
		return ledger.Change{}, ledger.ErrNothingToAnnounce
	}
	return m.Transact(ctx, scope, decide)
}

func announcesAsCredited(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, _ := openOf(m, scope)
	if s.Unannounced == nil || c == nil {
		return
	}
	for i := range s.Unannounced.Lots {
		for _, e := range c.entries {
			if lot := &s.Unannounced.Lots[i]; e.Currency == scope.Currency && e.Seq == lot.Seq {
				lot.Remaining = e.Amount
			}
		}
	}
}

// announcesSpent takes every credit that can expire for an open lot.
func announcesSpent(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, _ := openOf(m, scope)
	if s.Unannounced == nil || c == nil {
		return
	}
	seen := s.Unannounced
	seen.Lots, seen.Told = nil, nil
	for _, e := range c.entries {
		if e.Currency == scope.Currency && e.OpensLot() && !e.ExpiresAt.IsZero() && !c.told(e.Currency, e.Seq) {
			lot := ledger.Lot{Seq: e.Seq, Category: e.Category, ExpiresAt: e.ExpiresAt, Remaining: e.Amount}
			seen.Lots = append(seen.Lots, lot)
		}
	}
	slices.SortFunc(seen.Lots, ledger.CompareLots)
	seen.Told = make([]bool, len(seen.Lots))
}

func announcesHeld(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, open := openOf(m, scope)
	if s.Unannounced == nil || c == nil {
		return
	}
	for _, h := range c.holds {
		if h.Currency == scope.Currency {
			open = ledger.MergeLots(open, h.Lots)
		}
	}
	lots := slices.DeleteFunc(slices.Clone(open), func(l ledger.Lot) bool {
		return l.ExpiresAt.IsZero() || c.told(scope.Currency, l.Seq)
	})
	s.Unannounced.Lots, s.Unannounced.Told = lots, make([]bool, len(lots))
}

func announcesEarly(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	if s.Unannounced != nil {
		for i := range s.Unannounced.Lots {
			lot := &s.Unannounced.Lots[i]
			lot.ExpiresAt = lot.ExpiresAt.Add(-time.Microsecond)
		}
	}
}

// announcesLate decides about notices at a time before anything has expired.
func announcesLate(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		seen := s.Unannounced
		if seen == nil {
			return decide(s)
		}
		at := s.Chain.At(scope.At)
		var ends []time.Time
		for i := range seen.Lots {
			lot := &seen.Lots[i]
			if ends = append(ends, lot.ExpiresAt); lot.ExpiredAt(at) {
				lot.ExpiresAt = at.Add(time.Microsecond)
			}
		}
		change, err := decide(s)
		if change.Announced != nil {
			for i := range change.Announced.Notices {
				notice := &change.Announced.Notices[i]
				at := slices.IndexFunc(seen.Lots, func(l ledger.Lot) bool { return l.Seq == notice.Lot.Seq })
				notice.Lot.ExpiresAt = ends[at]
			}
		}
		return change, err
	})
}

func numbersByWallet(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, _ := openOf(m, scope)
	if s.Unannounced == nil || c == nil {
		return
	}
	s.Unannounced.Number = 0
	for _, n := range c.notices {
		if n.Currency == scope.Currency {
			s.Unannounced.Number++
		}
	}
}

// looksBehindLast passes over lots that come before one that was announced.
func looksBehindLast(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, _ := openOf(m, scope)
	if s.Unannounced == nil || c == nil {
		return
	}
	seen := s.Unannounced
	for _, n := range c.notices {
		for n.Currency == scope.Currency && len(seen.Lots) > 0 && ledger.CompareLots(seen.Lots[0], n.Lot) < 0 {
			seen.Lots, seen.Told = seen.Lots[1:], seen.Told[1:]
		}
	}
	if seen.From = (ledger.Lot{}); len(seen.Lots) > 0 {
		seen.From = seen.Lots[0]
	}
}

// announcesOutsideLock decides on what it has seen before it got the lock.
func announcesOutsideLock(
	g *gap, m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	if !scope.Announces {
		return m.Transact(ctx, scope, decide)
	}
	var s ledger.Snapshot
	if err := m.withCustomer(scope, func(c *modelCustomer) { s = c.snapshot(scope) }); err != nil {
		return ledger.Change{}, err
	}
	g.wait()
	change, err := decide(s)
	if err != nil {
		return change, err
	}
	return change, m.withCustomer(scope, func(c *modelCustomer) {
		c.notices = append(c.notices, change.Announced.Notices...)
	})
}

// noticesForAll finds wallets of businesses that want no notices.
type noticesForAll struct{ *Model }

func openNoticesForAll(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: noticesForAll{m}, Access: m}
}

func (n noticesForAll) DueNotices(ctx context.Context, at time.Time, limit int) ([]ledger.DueNotices, error) {
	n.mu.Lock()
	for tenant, settings := range n.settings {
		settings.ExpiryNoticeDays = max(settings.ExpiryNoticeDays, 2)
		n.settings[tenant] = settings
	}
	n.mu.Unlock()
	return n.Model.DueNotices(ctx, at, limit)
}

// noticesFoundAgain finds wallets by what expires next, whatever was announced of it.
type noticesFoundAgain struct{ *Model }

func openNoticesFoundAgain(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: noticesFoundAgain{m}, Access: m}
}

func (n noticesFoundAgain) DueNotices(_ context.Context, at time.Time, limit int) (due []ledger.DueNotices, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for tenant, customers := range n.customers {
		days := n.settings[tenant].ExpiryNoticeDays
		until := at.Add(time.Duration(days) * 24 * time.Hour)
		for _, c := range customers {
			for currency, w := range c.wallets {
				first := len(w.Lots) > 0 && !w.Lots[0].ExpiresAt.IsZero() && !w.Lots[0].ExpiresAt.After(until)
				if days > 0 && len(due) < limit && first {
					wallet := ledger.WalletKey{Tenant: tenant, CustomerID: c.ID, Currency: currency}
					due = append(due, ledger.DueNotices{Wallet: wallet, Until: until})
				}
			}
		}
	}
	return due, nil
}
