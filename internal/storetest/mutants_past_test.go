package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// TestTeethInThePast is [TestTeeth] for reads of the past.
func TestTeethInThePast(t *testing.T) {
	t.Parallel()
	for _, p := range []mistake{
		{"an instant without what happened at it", openBentPoints(beforeTheInstant), [][2]string{
			{"past", "a wallet as of an instant has what happened at that very microsecond"},
			{"past", "a wallet of 300 entries as of any instant and any seq"},
		}, true},
		{"a wallet as of the next seq", openBentPoints(nextSeq), [][2]string{
			{"past", "a wallet of 300 entries as of any instant and any seq"},
		}, true},
		{"points by position", openBentPoints(seqForPosition), [][2]string{
			{"past", "two wallets in turns each have their own past"},
		}, true},
		{"totals with the entry that they begin behind", openBentTotals(func(seqs []int64) {
			if len(seqs) > 1 && seqs[0] > 0 {
				seqs[0]--
			}
		}), [][2]string{{"past", "M3 entries are added up between any seqs"}}, true},
		{"expired money added to what was spent", openExpiredSpent, [][2]string{
			{"past", "M3 entries are added up between any seqs"},
		}, true},
		{"entries with the one that they begin behind", openInclusive, [][2]string{
			{"past", "entries are read between any seqs, oldest first"},
		}, false},
		{"lots as of an instant without what happened at it", openBentLots(beforeTheInstant), [][2]string{
			{"past", "lots as of every seq and instant of a random history are those that were listed then"},
		}, true},
		{"lots as of the next seq", openBentLots(nextSeq), [][2]string{
			{"past", "lots as of every seq and instant of a random history are those that were listed then"},
			{"past", "lots before the first entry, between two entries of one change, and of another tenant"},
		}, true},
		{"lots as of an instant without what holds did", openBentLots(instantBySeq), [][2]string{
			{"past", "lots of the past while nothing but holds happens are those that were listed then"},
		}, true},
		{"lots of the past as they are now", openLotsOfToday, [][2]string{
			{"past", "lots of the past of a wallet with many open lots are those that were listed then"},
			{"past", "lots of a long past are found after all of them were spent and given back"},
		}, true},
	} {
		t.Run(p.bug, p.isNoticed)
	}
}

// bentPoints is the model with a planted bug in what it takes a point of the
// past for.
type bentPoints struct {
	*Model
	bend func(entries []ledger.Entry, currency money.Currency, at ledger.AsOf) ledger.AsOf
}

func openBentPoints(
	bend func(entries []ledger.Entry, currency money.Currency, at ledger.AsOf) ledger.AsOf,
) func(testing.TB) Stores {
	return func(testing.TB) Stores {
		m := NewModel()
		return Stores{Ledger: bentPoints{m, bend}, Access: m}
	}
}

func (b bentPoints) Points(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, at time.Time, asOf []ledger.AsOf,
) (ledger.PointList, error) {
	b.mu.Lock()
	var entries []ledger.Entry
	if c, err := b.customer(tenant, id); err == nil {
		entries = c.entries
	}
	bent := make([]ledger.AsOf, len(asOf))
	for i, at := range asOf {
		bent[i] = b.bend(entries, currency, at)
	}
	b.mu.Unlock()
	return b.Model.Points(ctx, tenant, id, currency, at, bent)
}

// beforeTheInstant leaves out what happened at the instant itself.
func beforeTheInstant(_ []ledger.Entry, _ money.Currency, at ledger.AsOf) ledger.AsOf {
	if !at.Time.IsZero() {
		at.Time = at.Time.Add(-time.Microsecond)
	}
	return at
}

// nextSeq is one entry too far.
func nextSeq(_ []ledger.Entry, _ money.Currency, at ledger.AsOf) ledger.AsOf {
	if at.Time.IsZero() {
		at.Seq++
	}
	return at
}

// seqForPosition takes the customer's positions for the wallet's seqs.
func seqForPosition(entries []ledger.Entry, _ money.Currency, at ledger.AsOf) ledger.AsOf {
	if at.Time.IsZero() && at.Seq >= 1 && at.Seq <= int64(len(entries)) {
		at.Seq = entries[at.Seq-1].Seq
	}
	return at
}

// bentLots is the model with a planted bug in which point of the past it lists lots of.
type bentLots struct {
	*Model
	bend func(entries []ledger.Entry, currency money.Currency, at ledger.AsOf) ledger.AsOf
}

func openBentLots(
	bend func(entries []ledger.Entry, currency money.Currency, at ledger.AsOf) ledger.AsOf,
) func(testing.TB) Stores {
	return func(testing.TB) Stores {
		m := NewModel()
		return Stores{Ledger: bentLots{m, bend}, Access: m}
	}
}

func (b bentLots) Lots(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, page ledger.LotPage,
) (ledger.LotList, error) {
	if page.AsOf != nil {
		b.mu.Lock()
		var entries []ledger.Entry
		if c, err := b.customer(tenant, id); err == nil {
			entries = c.entries
		}
		bent := b.bend(entries, currency, *page.AsOf)
		page.AsOf = &bent
		b.mu.Unlock()
	}
	return b.Model.Lots(ctx, tenant, id, currency, page)
}

// instantBySeq takes an instant for the last entry before it.
func instantBySeq(entries []ledger.Entry, currency money.Currency, at ledger.AsOf) ledger.AsOf {
	if at.Time.IsZero() {
		return at
	}
	bySeq := ledger.AsOf{}
	for _, e := range entries {
		if e.Currency == currency && !e.CreatedAt.After(at.Time) {
			bySeq.Seq = e.Seq
		}
	}
	return bySeq
}

// openLotsOfToday forgets that the past was asked for.
func openLotsOfToday(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: lotsOfToday{m}, Access: m}
}

type lotsOfToday struct{ *Model }

func (l lotsOfToday) Lots(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, page ledger.LotPage,
) (ledger.LotList, error) {
	page.AsOf = nil
	return l.Model.Lots(ctx, tenant, id, currency, page)
}

// bentTotals is the model with a planted bug in what it adds up.
type bentTotals struct {
	*Model
	bend func(seqs []int64)
}

func openBentTotals(bend func(seqs []int64)) func(testing.TB) Stores {
	return func(testing.TB) Stores {
		m := NewModel()
		return Stores{Ledger: bentTotals{m, bend}, Access: m}
	}
}

func (b bentTotals) Totals(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, seqs []int64,
) ([]ledger.Totals, error) {
	bent := slices.Clone(seqs)
	b.bend(bent)
	return b.Model.Totals(ctx, tenant, id, currency, bent)
}

// expiredSpent does not tell what expired from what was spent.
type expiredSpent struct{ *Model }

func openExpiredSpent(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: expiredSpent{m}, Access: m}
}

func (e expiredSpent) Totals(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, seqs []int64,
) ([]ledger.Totals, error) {
	totals, err := e.Model.Totals(ctx, tenant, id, currency, seqs)
	for i := range totals {
		totals[i].Debited += totals[i].Expired
		totals[i].Expired = 0
	}
	return totals, err
}

// inclusive gives the entry behind which others were asked for.
type inclusive struct{ *Model }

func openInclusive(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: inclusive{m}, Access: m}
}

func (i inclusive) EntriesBetween(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, after, through int64,
) ([]ledger.Entry, error) {
	return i.Model.EntriesBetween(ctx, tenant, id, currency, after-1, through)
}
