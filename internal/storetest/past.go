package storetest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func pastScenarios() []scenario {
	return append(pastLotScenarios(), []scenario{
		{"a wallet before its first entry, and without entries", pastEmpty},
		{"a wallet as of an instant has what happened at that very microsecond", pastInstant},
		{"a wallet of 300 entries as of any instant and any seq", pastLong},
		{"two wallets in turns each have their own past", pastTurns},
		{"many entries in one microsecond, and a clock that goes back", pastClocks},
		{"a thousand points at once are those of each alone", pastMany},
		{"M3 entries are added up between any seqs", pastTotals},
		{"entries are read between any seqs, oldest first", pastEntries},
		{"N1 the past of another tenant's customer is not found", pastOthers},
	}...)
}

// points reads a wallet as of several points.
func (w *world) points(c ledger.Customer, currency money.Currency, asOf ...ledger.AsOf) ledger.PointList {
	w.Helper()
	list, err := w.ledger.Points(w.Context(), c.Tenant, c.ID, currency, w.book.Now(), asOf)
	w.wantCode(err, "")
	if len(list.Points) != len(asOf) {
		w.Fatalf("got %d points, want %d", len(list.Points), len(asOf))
	}
	return list
}

// pointOf is the wallet right after an entry.
func pointOf(e ledger.Entry) ledger.Point {
	return ledger.Point{Seq: e.Seq, Position: e.Position, EntryID: e.ID, Balance: e.After, CreatedAt: e.CreatedAt}
}

func atTime(t time.Time) ledger.AsOf { return ledger.AsOf{Time: t} }

func pastEmpty(w *world) {
	c := w.customer()
	late := atTime(epoch.AddDate(100, 0, 0))
	asOf := []ledger.AsOf{atTime(epoch), {Seq: 0}, {Seq: 1}, late, {Seq: math.MaxInt64}}
	for _, currency := range []money.Currency{"USD", "JPY"} {
		list := w.points(c, currency, asOf...)
		w.same("points of a wallet without entries", make([]ledger.Point, len(asOf)), list.Points)
		w.same("a wallet without entries", ledger.Wallet{
			Tenant: c.Tenant, CustomerID: c.ID, Currency: currency, CreatedAt: c.CreatedAt, UpdatedAt: c.CreatedAt,
		}, list.Wallet)
	}
	first := w.post(credit(c, 70, in("USD")))
	list := w.points(c, "USD", atTime(epoch.Add(-time.Microsecond)), ledger.AsOf{}, atTime(epoch), ledger.AsOf{Seq: 5})
	w.same("points around the first entry",
		[]ledger.Point{{}, {}, pointOf(first.Entry), pointOf(first.Entry)}, list.Points)
	w.same("the chain", w.history(c).Chain, list.Chain)
	w.same("points of the wallet beside it", []ledger.Point{{}}, w.points(c, "INR", ledger.AsOf{Seq: 1}).Points)
	if got := w.points(c, "USD"); len(got.Points) != 0 || got.Wallet.Balance != 70 {
		w.Errorf("no point asked for: got %+v, want the wallet alone", got)
	}
}

func pastInstant(w *world) {
	c := w.customer()
	var entries []ledger.Entry
	for i := range 3 {
		w.clock.Set(epoch.Add(time.Duration(2*i) * time.Microsecond))
		entries = append(entries, w.post(credit(c, moneyOf(10+i))).Entry, w.post(debit(c, moneyOf(3))).Entry)
	}
	for i := range 3 {
		at := epoch.Add(time.Duration(2*i) * time.Microsecond)
		list := w.points(c, "USD", atTime(at), atTime(at.Add(time.Microsecond)), atTime(at.Add(time.Microsecond-1)))
		for n, got := range list.Points {
			w.same(fmt.Sprintf("instant %d.%d", i, n), pointOf(entries[2*i+1]), got)
		}
	}
	w.same("a nanosecond before the first", ledger.Point{}, w.points(c, "USD", atTime(epoch.Add(-1))).Points[0])
	east := time.FixedZone("east", 5*3600+1800)
	w.same("in another zone", pointOf(entries[3]), w.points(c, "USD", atTime(epoch.Add(2*time.Microsecond).In(east))).Points[0])
}

// pastPosts posts entries that are some minutes apart over several days, and
// returns those of USD.
func (w *world) pastPosts(c ledger.Customer, n int) (entries []ledger.Entry) {
	w.Helper()
	for i := range n {
		r := credit(c, moneyOf(20+i%13))
		if i%3 == 2 {
			r = debit(c, moneyOf(1+i%17))
		}
		entries = append(entries, w.post(r).Entry)
		w.clock.Move(time.Duration(i%5) * 11 * time.Minute)
	}
	return entries
}

// wantPast compares every point of a wallet with its entries: as of each of
// them, a microsecond beside it, and each seq.
func (w *world) wantPast(c ledger.Customer, currency money.Currency) {
	w.Helper()
	var asOf []ledger.AsOf
	var want []ledger.Point
	entries := w.history(c).Entries
	entries = slices.DeleteFunc(entries, func(e ledger.Entry) bool { return e.Currency != currency })
	lastAt := func(t time.Time) (p ledger.Point) {
		for _, e := range entries {
			if !e.CreatedAt.After(t) {
				p = pointOf(e)
			}
		}
		return p
	}
	for _, e := range entries {
		asOf, want = append(asOf, ledger.AsOf{Seq: e.Seq}), append(want, pointOf(e))
		for _, beside := range []time.Duration{-time.Microsecond, 0, time.Microsecond} {
			t := e.CreatedAt.Add(beside)
			asOf, want = append(asOf, atTime(t)), append(want, lastAt(t))
		}
	}
	for i := range asOf {
		if i%37 == 0 { // alone, too: a store may search for many in another way
			w.same(fmt.Sprintf("%s as of %+v", currency, asOf[i]), want[i:i+1], w.points(c, currency, asOf[i]).Points)
		}
	}
	for len(asOf) > 0 {
		n := min(len(asOf), ledger.PointsMax)
		w.same(currencyPoints(currency), want[:n], w.points(c, currency, asOf[:n]...).Points)
		asOf, want = asOf[n:], want[n:]
	}
}

func currencyPoints(currency money.Currency) string { return "points of " + string(currency) }

func pastLong(w *world) {
	c := w.customer()
	for _, n := range []int{63, 1, 1, 126, 1, 65, 43} {
		w.pastPosts(c, n) // to both sides of every mark that a store may have
		w.wantPast(c, "USD")
	}
	list := w.points(c, "USD", atTime(epoch.AddDate(0, 0, 1)), atTime(epoch.AddDate(50, 0, 0)), ledger.AsOf{Seq: 301})
	if last := list.Points[1]; last.Seq != 300 || last != list.Points[2] || last.Balance != list.Wallet.Balance ||
		list.Points[0].Seq == 0 || list.Points[0].Seq == 300 {
		w.Errorf("got points %+v, want one in between and the last twice", list.Points)
	}
}

func pastTurns(w *world) {
	c := w.customer()
	for i := range 420 {
		currency := []money.Currency{"USD", "INR", "USD", "INR", "INR"}[i%5]
		w.post(credit(c, moneyOf(1+i), in(currency)))
		w.clock.Move(time.Duration(i%3) * time.Second)
	}
	w.wantPast(c, "USD")
	w.wantPast(c, "INR")
	w.wantPast(c, "JPY")
}

func pastClocks(w *world) {
	c := w.customer()
	w.pastPosts(c, 30)
	for range 150 {
		w.post(credit(c, 5)) // more than two marks in one microsecond
	}
	w.clock.Move(-240 * time.Hour)
	w.pastPosts(c, 50)
	w.clock.Move(1000 * time.Hour)
	w.pastPosts(c, 70)
	w.wantPast(c, "USD")
}

func pastMany(w *world) {
	c := w.customer()
	entries := w.pastPosts(c, 200)
	var asOf []ledger.AsOf
	for i := range ledger.PointsMax {
		asOf = append(asOf, atTime(entries[i*7919%200].CreatedAt)) // in no order, and each several times
	}
	list := w.points(c, "USD", asOf...)
	for i, got := range list.Points {
		last := entries[i*7919%200]
		for _, e := range entries {
			if e.CreatedAt.Equal(last.CreatedAt) {
				last = e
			}
		}
		w.same(fmt.Sprintf("point %d", i), pointOf(last), got)
	}
}

// wantTotals compares what a store adds up with the entries themselves.
func (w *world) wantTotals(c ledger.Customer, currency money.Currency, seqs ...int64) {
	w.Helper()
	var want []ledger.Totals
	entries := w.history(c).Entries
	for i := 1; i < len(seqs); i++ {
		var t ledger.Totals
		var balance [2]money.Amount // before and after
		for _, e := range entries {
			switch {
			case e.Currency != currency || e.Seq > seqs[i]:
				continue
			case e.Seq <= seqs[i-1]:
				balance[0], balance[1] = e.After, e.After
				continue
			}
			t.Entries++
			balance[1] = e.After
			switch {
			case e.Direction == ledger.Credit:
				t.Credited += e.Amount
			case e.Reason == "Expired":
				t.Expired += e.Amount
			default:
				t.Debited += e.Amount
			}
		}
		if balance[0]+t.Credited-t.Debited-t.Expired != balance[1] {
			w.Errorf("seqs %d to %d: %+v do not lead from %d to %d", seqs[i-1], seqs[i], t, balance[0], balance[1])
		}
		want = append(want, t)
	}
	got, err := w.ledger.Totals(w.Context(), c.Tenant, c.ID, currency, seqs)
	w.wantCode(err, "")
	w.same(fmt.Sprintf("totals of %s between %v", currency, seqs), want, got)
}

func pastTotals(w *world) {
	c := w.customer()
	for i := range 150 {
		w.post(credit(c, moneyOf(10+i), in("INR")))
		switch i % 5 {
		case 0:
			w.post(credit(c, moneyOf(30+i), expires(w.book.Now().Add(time.Hour))))
		case 4:
			w.post(debit(c, moneyOf(1+i)))
		default:
			w.post(credit(c, moneyOf(10+i), of(ledger.Promotional)))
		}
		w.clock.Move(20 * time.Minute)
		if i%10 == 9 {
			if _, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 100); err != nil {
				w.Fatalf("sweep: got error %v, want none", err)
			}
		}
	}
	last := w.points(c, "USD", ledger.AsOf{Seq: math.MaxInt64}).Points[0].Seq
	for _, seqs := range [][]int64{
		nil, {0}, {7}, {0, 0}, {7, 7}, {0, last}, {0, 1}, {last - 1, last}, {last, last, last}, {3, 64, 65, 127, 128, 129},
		{0, 0, 0, 5, 5, 5, 5, 64, 64, last, last},
	} {
		w.wantTotals(c, "USD", seqs...)
	}
	var each []int64
	for seq := range last + 1 {
		each = append(each, seq)
	}
	w.wantTotals(c, "USD", each...)
	w.wantTotals(c, "INR", 0, 64, 150)
	w.wantTotals(c, "JPY", 0, 0)
	if last < 160 {
		w.Errorf("got %d entries, want some of expiry among them", last)
	}
}

func pastEntries(w *world) {
	c := w.customer()
	for i := range 220 {
		w.post(credit(c, moneyOf(10+i), in([]money.Currency{"USD", "INR"}[i%3/2]), because(fmt.Sprint("entry ", i)),
			reference("pay_1"), withKey(fmt.Sprint(i))))
		if i%4 == 3 {
			w.post(debit(c, moneyOf(5+i)))
		}
	}
	for _, currency := range []money.Currency{"USD", "INR"} {
		entries := slices.DeleteFunc(w.history(c).Entries, func(e ledger.Entry) bool { return e.Currency != currency })
		last := int64(len(entries))
		for _, span := range [][2]int64{
			{0, 0}, {0, 1}, {5, 5}, {last - 1, last}, {last, last}, {0, 64}, {63, 65}, {10, min(last, 200)}, {max(last-200, 0), last},
		} {
			got, err := w.ledger.EntriesBetween(w.Context(), c.Tenant, c.ID, currency, span[0], span[1])
			w.wantCode(err, "")
			w.same(fmt.Sprintf("entries of %s between %v", currency, span), entries[span[0]:span[1]], got)
		}
	}
	got, err := w.ledger.EntriesBetween(w.Context(), c.Tenant, c.ID, "JPY", 0, 0)
	w.wantCode(err, "")
	w.same("entries of a wallet without any", []ledger.Entry{}, got)
}

func pastOthers(w *world) {
	c := w.customer()
	w.post(credit(c, 10))
	for _, other := range []ledger.Tenant{
		w.business("Second Shop"), {BusinessID: w.shop.BusinessID, Mode: ledger.Live}, {BusinessID: "bus_none", Mode: ledger.Test},
	} {
		_, err := w.ledger.Points(w.Context(), other, c.ID, "USD", epoch, []ledger.AsOf{{Seq: 1}})
		w.wantCode(err, ledger.CodeNotFound)
	}
	_, err := w.ledger.Points(w.Context(), w.shop, "cus_nobody", "USD", epoch, nil)
	w.wantCode(err, ledger.CodeNotFound)
	third := w.business("Third Shop")
	_, err = w.ledger.Totals(w.Context(), third, c.ID, "USD", []int64{0, 1})
	w.wantCode(err, ledger.CodeNotFound)
	_, err = w.ledger.EntriesBetween(w.Context(), third, c.ID, "USD", 0, 1)
	w.wantCode(err, ledger.CodeNotFound)
}

// readPoints compares a wallet's past: as of its entries, beside them, and of
// seqs that it has or has not.
func (m *machine) readPoints(rt *rapid.T) {
	ctx, c := m.complaints.Context(), m.drawCustomer(rt)
	currency := rapid.SampledFrom([]money.Currency{"USD", "USD", "INR", "JPY"}).Draw(rt, "currency")
	h, err := ReadHistory(ctx, m.model.ledger, c.Tenant, c.ID)
	if err != nil {
		rt.Fatalf("read model: %v", err)
	}
	var asOf []ledger.AsOf
	for range rapid.IntRange(1, 8).Draw(rt, "points") {
		at := ledger.AsOf{Seq: rapid.Int64Range(0, int64(len(h.Entries)+1)).Draw(rt, "seq")}
		if rapid.Bool().Draw(rt, "by time") {
			at = atTime(m.clock.Now())
			if len(h.Entries) > 0 {
				at.Time = rapid.SampledFrom(h.Entries).Draw(rt, "entry").CreatedAt
			}
			at.Time = at.Time.Add(time.Duration(rapid.Int64Range(-1, 1).Draw(rt, "beside")) * time.Microsecond)
		}
		asOf = append(asOf, at)
	}
	want, wantErr := m.model.ledger.Points(ctx, c.Tenant, c.ID, currency, m.clock.Now(), asOf)
	got, gotErr := m.real.ledger.Points(ctx, c.Tenant, c.ID, currency, m.clock.Now(), asOf)
	bareAt(want.Chain.At(m.clock.Now()), &want.Wallet, &got.Wallet)
	if diff := difference(want, got); wantErr != nil || gotErr != nil || diff != "" {
		rt.Fatalf("points as of %+v: got error %v, want %v (-want +got):\n%s", asOf, gotErr, wantErr, diff)
	}
	var seqs []int64
	for _, point := range want.Points {
		seqs = append(seqs, point.Seq)
	}
	slices.Sort(seqs)
	wantTotals, wantErr := m.model.ledger.Totals(ctx, c.Tenant, c.ID, currency, seqs)
	gotTotals, gotErr := m.real.ledger.Totals(ctx, c.Tenant, c.ID, currency, seqs)
	if diff := difference(wantTotals, gotTotals); wantErr != nil || gotErr != nil || diff != "" {
		rt.Fatalf("totals between %v: got error %v, want %v (-want +got):\n%s", seqs, gotErr, wantErr, diff)
	}
}
