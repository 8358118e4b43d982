package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func pastLotScenarios() []scenario {
	return []scenario{
		{"lots as of every seq and instant of a random history are those that were listed then", pastLotsAny},
		{"lots of the past of a wallet with many open lots are those that were listed then", pastLotsMany},
		{"lots of the past while nothing but holds happens are those that were listed then", pastLotsHeld},
		{"lots of a long past are found after all of them were spent and given back", pastLotsGivenBack},
		{"lots before the first entry, between two entries of one change, and of another tenant", pastLotsEdges},
	}
}

// diary keeps what the lots of a customer's wallet in USD were listed as, whenever
// something may have changed them.
type diary struct {
	*world
	c        ledger.Customer
	random   *rand.Rand
	instants []time.Time // at which something happened, in their order
	at       map[time.Time][]ledger.Lot
	after    map[int64][]ledger.Lot // right after the last entry of a change, by its seq
	seq      int64
	posted   []ledger.Change
	holds    []ledger.Hold
	done     map[string]int
	sparse   bool // things happen that are not noted
}

func (w *world) diary(seed uint64) *diary {
	w.Helper()
	d := &diary{
		world: w, c: w.customer(), random: rand.New(rand.NewPCG(seed, 1)), at: map[time.Time][]ledger.Lot{},
		after: map[int64][]ledger.Lot{}, done: map[string]int{},
	}
	return d
}

// note lists the lots as they are now. An instant at which more happens is noted again.
func (d *diary) note() {
	d.Helper()
	lots, _ := d.lots(d.c, "USD", 200)
	wallet, err := d.ledger.Wallets(d.Context(), d.c.Tenant, d.c.ID, d.book.Now())
	d.wantCode(err, "")
	now := d.book.Now()
	if len(d.instants) == 0 || d.instants[len(d.instants)-1] != now {
		d.instants = append(d.instants, now)
	}
	d.at[now] = lots
	for _, w := range wallet.Wallets {
		if w.Currency == "USD" && w.Seq > d.seq {
			d.seq, d.after[w.Seq] = w.Seq, lots
		}
	}
}

// lotsAsOf reads all lots as of a point in the past, page by page.
func (d *diary) lotsAsOf(asOf ledger.AsOf, limit int) (lots []ledger.Lot) {
	d.Helper()
	page := ledger.LotPage{Limit: limit, AsOf: &asOf}
	for {
		list, err := d.ledger.Lots(d.Context(), d.c.Tenant, d.c.ID, "USD", page)
		d.wantCode(err, "")
		lots = append(lots, list.Lots...)
		if page.After = list.Next; page.After == 0 || err != nil {
			return lots
		}
	}
}

// check reads every n-th point of the diary again, by its seq and by its time, and just
// before the next.
func (d *diary) check(n int) {
	d.Helper()
	for i := d.random.IntN(n); i < len(d.instants); i += n {
		at := d.instants[i]
		d.same(fmt.Sprintf("lots as of %v", at), d.at[at], d.lotsAsOf(atTime(at), d.limit(d.at[at])))
		if i+1 < len(d.instants) && !d.sparse {
			before := d.instants[i+1].Add(-time.Microsecond)
			d.same(fmt.Sprintf("lots as of %v", before), d.at[at], d.lotsAsOf(atTime(before), 200))
		}
	}
	for seq, want := range d.after {
		if seq%int64(n) == 0 {
			d.same(fmt.Sprintf("lots as of seq %d", seq), want, d.lotsAsOf(ledger.AsOf{Seq: seq}, d.limit(want)))
		}
	}
}

// limit is that of a page: lots are mostly one page, and sometimes up to a dozen.
func (d *diary) limit(lots []ledger.Lot) int {
	if d.random.IntN(3) > 0 {
		return 200
	}
	return min(len(lots)/(1+d.random.IntN(12))+1, 200)
}

// step does one thing at random, which may be refused, and notes what became of it.
func (d *diary) step(credits, debits int) {
	d.Helper()
	if d.random.IntN(4) > 0 {
		d.clock.Move(time.Duration(1+d.random.IntN(90)) * time.Minute)
	}
	steps := []struct {
		name   string
		weight int
		do     func() error
	}{
		{"credit", credits, d.credit}, {"debit", debits, d.debit}, {"hold", 2, d.makeHold}, {"capture", 2, d.captureHold},
		{"release", 1, d.releaseHold}, {"reverse", 3, d.undo}, {"move", 1, d.moveLot}, {"transfer", 1, d.transferOut},
		{"sweep", 1, d.sweep},
	}
	n := d.random.IntN(credits + debits + 11)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			if err := s.do(); err == nil {
				d.done[s.name]++
			} else if code := ledger.CodeOf(err); code == ledger.CodeInternal || code == "" {
				d.Errorf("%s: got error %v, want it done or refused", s.name, err)
			}
			break
		}
	}
	d.note()
}

func (d *diary) amount() money.Amount { return moneyOf(1 + d.random.IntN(200)) }

func (d *diary) keep(change ledger.Change, err error) error {
	if err == nil {
		d.posted = append(d.posted, change)
	}
	return err
}

func (d *diary) credit() error {
	options := []option{of([]ledger.Category{ledger.Paid, ledger.Promotional}[d.random.IntN(2)])}
	if d.random.IntN(2) == 0 {
		options = append(options, expires(d.book.Now().Add(time.Duration(1+d.random.IntN(60*24*3))*time.Minute)))
	}
	return d.keep(d.book.Post(d.Context(), credit(d.c, d.amount(), options...)))
}

func (d *diary) debit() error {
	amount := d.amount()
	if d.random.IntN(10) == 0 {
		amount *= 20
	}
	return d.keep(d.book.Post(d.Context(), debit(d.c, amount, partial)))
}

func (d *diary) makeHold() error {
	r := holdOf(d.c, d.amount(), d.book.Now().Add(time.Duration(1+d.random.IntN(60*24))*time.Minute))
	r.AllowPartial = true
	change, err := d.book.MakeHold(d.Context(), r)
	if err == nil {
		d.holds = append(d.holds, change.Hold.Hold)
	}
	return err
}

// oneHold is one of the last holds.
func (d *diary) oneHold() ledger.Hold {
	if len(d.holds) == 0 {
		return ledger.Hold{Tenant: d.c.Tenant, CustomerID: d.c.ID, ID: "hld_none"}
	}
	return d.holds[len(d.holds)-1-d.random.IntN(min(len(d.holds), 3))]
}

func (d *diary) captureHold() error {
	hold := d.oneHold()
	r := captureOf(hold, 1+hold.Amount/2)
	r.Final = d.random.IntN(3) == 0
	return d.keep(d.book.Capture(d.Context(), r))
}

func (d *diary) releaseHold() error {
	_, err := d.book.Release(d.Context(), releaseOf(d.oneHold()))
	return err
}

func (d *diary) undo() error {
	if len(d.posted) == 0 {
		return nil
	}
	change := d.posted[len(d.posted)-1-d.random.IntN(min(len(d.posted), 40))]
	r := reversal(change, min(change.Entry.Amount, d.amount()))
	r.AllowDebt = change.Entry.Direction == ledger.Credit && d.random.IntN(2) == 0
	if change.Entry.Direction == ledger.Debit && d.random.IntN(2) == 0 {
		r.Grace = 24 * time.Hour
	}
	_, err := d.book.Reverse(d.Context(), r)
	return err
}

func (d *diary) moveLot() error {
	lots := d.at[d.instants[len(d.instants)-1]]
	if len(lots) == 0 {
		return nil
	}
	end := d.book.Now().Add(time.Duration(1+d.random.IntN(60*24*3)) * time.Minute)
	_, err := d.book.MoveExpiry(d.Context(), moveOf(d.c, lots[d.random.IntN(len(lots))].Seq, end))
	return err
}

func (d *diary) transferOut() error {
	_, err := d.book.Transfer(d.Context(), sending(d.c, d.customer(), d.amount()))
	return err
}

func (d *diary) sweep() error {
	wallet := ledger.WalletKey{Tenant: d.c.Tenant, CustomerID: d.c.ID, Currency: "USD"}
	_, err := d.book.Sweep(d.Context(), wallet, d.book.Now(), 1+d.random.IntN(20))
	return err
}

func (w *world) pastLots(steps, credits, debits, every int) {
	w.Helper()
	seed := rand.Uint64()
	d := w.diary(seed)
	d.note()
	for range steps {
		d.step(credits, debits)
	}
	h := d.history(d.c)
	w.Logf("seed %d: %d entries, %d hold events, %d lots in the end; %v", seed, len(h.Entries), len(h.Events),
		len(h.Wallets[0].Lots), d.done)
	d.check(every)
}

func pastLotsAny(w *world) { w.pastLots(420, 6, 6, 2) }

func pastLotsMany(w *world) { w.pastLots(400, 40, 2, 31) }

// pastLotsHeld has several blocks of hold events between two entries, of this wallet and
// of another.
func pastLotsHeld(w *world) {
	d := w.diary(rand.Uint64())
	w.post(credit(d.c, 1_000_000, in("INR")))
	for i := range 9 {
		w.post(credit(d.c, moneyOf(100+i), expires(epoch.AddDate(1, 0, i))))
	}
	d.note()
	var open []ledger.Hold
	for i := range 230 {
		w.clock.Move(time.Duration(i%3) * time.Second)
		r := holdOf(d.c, moveAmount(i), w.book.Now().Add(time.Hour))
		if i%7 == 3 {
			r.Currency = "INR"
		}
		change, err := w.book.MakeHold(w.Context(), r)
		w.wantCode(err, "")
		open = append(open, change.Hold.Hold)
		d.note()
		if len(open) > 4 {
			at := d.random.IntN(len(open))
			w.release(open[at])
			open = slices.Delete(open, at, at+1)
			d.note()
		}
	}
	for i, hold := range open {
		r := captureOf(hold, 1)
		r.Final = i%2 == 0
		_, err := w.book.Capture(w.Context(), r)
		w.wantCode(err, "")
		d.note()
	}
	d.check(3)
}

func moveAmount(i int) money.Amount { return moneyOf(1 + i*13%90) }

// pastLotsGivenBack has a row that writes very many lots out, which never expire, so that
// marks are further apart.
func pastLotsGivenBack(w *world) {
	d := w.diary(rand.Uint64())
	d.sparse = true
	for i := range 300 {
		w.post(credit(d.c, 10, of([]ledger.Category{ledger.Paid, ledger.Promotional}[i%7/6])))
		if i%9 == 0 {
			d.note()
		}
	}
	spent := w.post(debit(d.c, 2_505))
	d.note()
	w.clock.Move(time.Minute)
	w.reverse(spent, 2_004)
	d.note()
	for i := range 400 {
		w.clock.Move(time.Second)
		if i%3 > 0 {
			w.post(credit(d.c, 3))
		} else {
			w.post(debit(d.c, 8))
		}
		if i%6 == 0 {
			d.note()
		}
	}
	d.check(5)
	w.history(d.c)
}

func pastLotsEdges(w *world) {
	d := w.diary(rand.Uint64())
	none := d.lotsAsOf(atTime(epoch.AddDate(1, 0, 0)), 10)
	w.same("lots of a wallet without entries", 0, len(none))
	end := epoch.Add(time.Hour)
	w.post(credit(d.c, 100, expires(end)))
	w.clock.Move(time.Minute)
	w.move(d.c, 1, end.Add(time.Hour))
	for _, asOf := range []ledger.AsOf{{}, atTime(epoch.Add(-time.Microsecond))} {
		w.same("lots before the first entry", 0, len(d.lotsAsOf(asOf, 10)))
	}
	first := []ledger.Lot{{Seq: 1, Category: ledger.Paid, ExpiresAt: end, Remaining: 100}}
	w.same("lots after the first entry", first, d.lotsAsOf(ledger.AsOf{Seq: 1}, 10))
	w.same("lots between the two entries of a move", 0, len(d.lotsAsOf(ledger.AsOf{Seq: 2}, 10)))
	moved := []ledger.Lot{{Seq: 3, Category: ledger.Paid, ExpiresAt: end.Add(time.Hour), Remaining: 100}}
	w.same("lots after a move", moved, d.lotsAsOf(ledger.AsOf{Seq: 3}, 10))
	w.same("lots before a move", first, d.lotsAsOf(atTime(epoch.Add(time.Minute-time.Microsecond)), 10))
	page := ledger.LotPage{Limit: 10, AsOf: &ledger.AsOf{Seq: 1}}
	list, err := w.ledger.Lots(w.Context(), d.c.Tenant, d.c.ID, "USD", page)
	w.wantCode(err, "")
	w.same("the wallet beside lots of the past", int64(3), list.Wallet.Seq)
	w.same("the point of lots of the past", pointOf(w.history(d.c).Entries[0]), list.Point)
	_, err = w.ledger.Lots(w.Context(), w.business("Other Shop"), d.c.ID, "USD", page)
	w.wantCode(err, ledger.CodeNotFound)
}

// listPastLots compares the lots of a wallet as of a seq, or beside the time of an entry
// or of something about a hold.
func (m *machine) listPastLots(rt *rapid.T) {
	c := m.drawCustomer(rt)
	currency := rapid.SampledFrom([]money.Currency{"USD", "USD", "INR", "JPY"}).Draw(rt, "currency")
	h, err := ReadHistory(m.complaints.Context(), m.model.ledger, c.Tenant, c.ID)
	if err != nil {
		rt.Fatalf("read model: %v", err)
	}
	times := []time.Time{m.clock.Now()}
	for _, e := range h.Entries {
		times = append(times, e.CreatedAt)
	}
	for _, e := range h.Events {
		times = append(times, e.CreatedAt)
	}
	for range rapid.IntRange(1, 4).Draw(rt, "points") {
		asOf := ledger.AsOf{Seq: rapid.Int64Range(0, int64(len(h.Entries)+1)).Draw(rt, "seq")}
		if rapid.Bool().Draw(rt, "by time") {
			beside := rapid.Int64Range(-1, 1).Draw(rt, "beside")
			asOf = atTime(rapid.SampledFrom(times).Draw(rt, "time").Add(time.Duration(beside) * time.Microsecond))
		}
		m.compareLots(rt, c, currency, &asOf)
	}
}
