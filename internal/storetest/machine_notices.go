package storetest

import (
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// announce writes the notices of a wallet on both sides, all that are due or the first
// few, and wants as many as the raw entries say.
func (m *machine) announce(rt *rapid.T) {
	ctx, c := m.complaints.Context(), m.drawCustomer(rt)
	now := m.clock.Now()
	ahead := rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour, 24 * time.Hour, 48 * time.Hour}).Draw(rt, "ahead")
	due := ledger.DueNotices{
		Wallet: walletIn(c, rapid.SampledFrom([]money.Currency{"USD", "INR"}).Draw(rt, "currency")),
		Until:  now.Add(ahead + time.Duration(rapid.Int64Range(-1, 1).Draw(rt, "beside"))*time.Microsecond),
	}
	most := rapid.SampledFrom([]int{1, 2, 1000, 1000}).Draw(rt, "most")
	want := min(len(unannounced(m.readModel(rt, c.Tenant, c.ID), due, now)), most)
	for name, s := range map[string]side{"store": m.real, "model": m.model} {
		got, err := s.book.Announce(ctx, due, now, most)
		if err != nil || got != want {
			rt.Fatalf("announce at most %d until %v of the %s: got %d and error %v, want %d", most, due.Until, name, got, err, want)
		}
	}
}

// unannounced are the lots that are to be announced at a time, by the raw entries.
func unannounced(h History, due ledger.DueNotices, now time.Time) (lots []ledger.Lot) {
	wallet, now := walletOf(h, due.Wallet.Currency, now)
	slices.SortFunc(wallet.lots, func(a, b ledger.Lot) int {
		if spentBefore(a, b) {
			return -1
		}
		return 1
	})
	for _, lot := range wallet.lots {
		told := slices.ContainsFunc(h.Notices, func(n ledger.Notice) bool {
			return n.Currency == due.Wallet.Currency && n.Lot.Seq == lot.Seq
		})
		switch {
		case lot.Remaining == 0 || lot.ExpiresAt.IsZero() || told:
			continue
		case !lot.ExpiresAt.After(now), lot.ExpiresAt.After(due.Until):
			return lots // what has expired is swept first
		}
		lots = append(lots, lot)
	}
	return lots
}

// announceDue writes the notices of all wallets that are found, as the sweeper does, and
// wants both sides to find the same ones then: those in which something has expired and
// was not swept.
func (m *machine) announceDue(rt *rapid.T) {
	ctx, now := m.complaints.Context(), m.clock.Now()
	find := func(s side) []ledger.DueNotices {
		found, err := s.ledger.DueNotices(ctx, now, math.MaxInt32)
		if err != nil {
			rt.Fatalf("find notices: got error %v, want none", err)
		}
		others := func(d ledger.DueNotices) bool { return !slices.Contains(m.tenants, d.Wallet.Tenant) }
		return slices.DeleteFunc(found, others)
	}
	found := find(m.real)
	for _, due := range found {
		var got [2]int
		for i, s := range []side{m.real, m.model} {
			var err error
			if got[i], err = s.book.Announce(ctx, due, now, math.MaxInt32); err != nil {
				rt.Fatalf("announce %+v: got error %v, want none", due, err)
			}
		}
		if got[0] != got[1] {
			rt.Fatalf("announce %+v: got %d notices, want %d", due, got[0], got[1])
		}
	}
	byWallet := func(found []ledger.DueNotices) map[ledger.DueNotices]bool {
		set := map[ledger.DueNotices]bool{}
		for _, due := range found {
			set[due] = true
		}
		return set
	}
	if diff := difference(byWallet(find(m.model)), byWallet(find(m.real))); diff != "" {
		rt.Fatalf("wallets of which something is to be announced after it was (-want +got):\n%s", diff)
	}
}
