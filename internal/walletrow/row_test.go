package walletrow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

var epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// wallet is a row beside all of its open lots and all of its credits.
type wallet struct {
	row      walletrow.Row
	all      []ledger.Lot // open, in spend order
	credits  []ledger.Lot // by seq
	reversed map[int64]money.Amount
	now      time.Time

	told map[int64]bool // lots that were announced

	source  walletrow.Source // this wallet, or one with a planted bug
	inRow   int
	shelf   []ledger.Lot // in spend order
	shelved int          // how many lots were ever shelved
	asked   int          // how often the shelf was looked at
	marks   []walletrow.Mark
}

// look is what a decision on the row sees.
func (w *wallet) look(t failer, want walletrow.Want) (walletrow.Look, []ledger.Lot) {
	want.At = w.now
	look, err := w.row.Look(&want, w.source)
	if err != nil {
		t.Fatal(err)
	}
	seen := w.row.Wallet(&ledger.Customer{}, &look)
	var gone money.Amount
	for _, lot := range w.all {
		if lot.ExpiredAt(w.now) {
			gone += lot.Remaining
		}
	}
	if got, want := seen.Available(w.now), w.row.Balance-w.row.Held-gone; got != want {
		t.Fatalf("got available %d, want %d", got, want)
	}
	if len(w.all) > 0 && !w.all[0].ExpiresAt.IsZero() && (len(seen.Lots) == 0 || seen.Lots[0] != w.all[0]) {
		t.Fatalf("got lots %v, want the first of %v among them", seen.Lots, w.all)
	}
	for i, lot := range seen.Lots {
		if open := find(w.all, lot.Seq); len(open) == 0 || open[0] != lot ||
			i > 0 && ledger.CompareLots(seen.Lots[i-1], lot) >= 0 {
			t.Fatalf("got lots %v, want some of %v in order", seen.Lots, w.all)
		}
	}
	return look, seen.Lots
}

// failer is what rapid's tests and others have in common.
type failer interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// apply gives the row a change that was decided on a look.
func (w *wallet) apply(
	t failer, direction ledger.Direction, amount money.Amount, credit ledger.Lot, left []ledger.Lot, look *walletrow.Look,
) {
	balance := w.row.Balance + amount
	if direction == ledger.Debit {
		balance = w.row.Balance - amount
	}
	err := w.row.Apply(&ledger.Change{
		Entry: ledger.Entry{
			Direction: direction, Amount: amount, Seq: w.row.Seq + 1, Position: w.row.Seq + 1, CreatedAt: w.now,
			Category: credit.Category, ExpiresAt: credit.ExpiresAt,
		},
		Wallet: ledger.Wallet{Balance: balance, Lots: left},
	}, look, w.source, w.inRow)
	if err != nil {
		t.Fatal(err)
	}
	if last, _ := w.LastMark(); last.Due(w.row.Seq, w.row.HoldNumber) {
		t.Fatalf("the last mark is that of seq %d with %d lots, and the wallet is at seq %d", last.Seq, last.Lots, w.row.Seq)
	}
}

func (w *wallet) credit(t *rapid.T) {
	lot := ledger.Lot{
		Seq:       w.row.Seq + 1,
		Category:  rapid.SampledFrom([]ledger.Category{ledger.Paid, ledger.Promotional}).Draw(t, "category"),
		Remaining: money.Amount(rapid.Int64Range(1, 50).Draw(t, "amount")),
	}
	if rapid.IntRange(0, 3).Draw(t, "expires") > 0 {
		lot.ExpiresAt = w.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "minutes")) * time.Minute)
	}
	w.open(t, lot)
}

func (w *wallet) open(t failer, lot ledger.Lot) {
	look, seen := w.look(t, walletrow.Want{})
	w.apply(t, ledger.Credit, lot.Remaining, lot, ledger.OpenLot(seen, lot), &look)
	w.all, w.credits = ledger.OpenLot(w.all, lot), append(w.credits, lot)
}

func (w *wallet) debit(t *rapid.T) {
	amount := money.Amount(rapid.Int64Range(1, 400).Draw(t, "amount"))
	want := walletrow.Want{Need: amount, Partial: rapid.Bool().Draw(t, "partial")}
	if want.Partial {
		_, _, missing := ledger.SpendLots(w.all, amount, w.now)
		amount -= missing
	}
	wantSpent, wantLeft, missing := ledger.SpendLots(w.all, amount, w.now)
	look, seen := w.look(t, want)
	spent, left, short := ledger.SpendLots(seen, amount, w.now)
	if (short > 0) != (missing > 0) {
		t.Fatalf("debit of %d: the row is short of %d, all lots of %d", amount, short, missing)
	}
	if missing > 0 || amount == 0 {
		return
	}
	if !slices.Equal(spent, wantSpent) {
		t.Fatalf("debit of %d: got %v, want %v", amount, spent, wantSpent)
	}
	w.all = wantLeft
	w.apply(t, ledger.Debit, amount, ledger.Lot{}, left, &look)
}

// takeBack takes some of the lot of a credit, out of its turn.
func (w *wallet) takeBack(t *rapid.T) {
	if len(w.credits) == 0 {
		return
	}
	credit := rapid.SampledFrom(w.credits).Draw(t, "of")
	look, seen := w.look(t, walletrow.Want{Credit: credit, Reversed: w.reversed[credit.Seq]})
	open := find(w.all, credit.Seq)
	if !slices.Equal(find(seen, credit.Seq), open) {
		t.Fatalf("lot %d: got %v among those that are seen, want %v", credit.Seq, find(seen, credit.Seq), open)
	}
	if len(open) == 0 {
		return
	}
	amount := money.Amount(rapid.Int64Range(1, int64(open[0].Remaining)).Draw(t, "taken back"))
	w.apply(t, ledger.Debit, amount, ledger.Lot{}, without(seen, credit.Seq, amount), &look)
	w.all = without(w.all, credit.Seq, amount)
	w.reversed[credit.Seq] += amount
}

// without returns lots without some of one of them.
func without(lots []ledger.Lot, seq int64, amount money.Amount) []ledger.Lot {
	at := slices.IndexFunc(lots, func(l ledger.Lot) bool { return l.Seq == seq })
	lots = slices.Clone(lots)
	if lots[at].Remaining -= amount; lots[at].Remaining == 0 {
		return slices.Delete(lots, at, at+1)
	}
	return lots
}

// giveBack gives money back to some lots that were spent from, open or not.
func (w *wallet) giveBack(t *rapid.T) {
	var spent, returned []ledger.Lot
	for _, credit := range w.credits {
		left := credit.Remaining - w.reversed[credit.Seq]
		for _, open := range find(w.all, credit.Seq) {
			left -= open.Remaining
		}
		if credit.Remaining = left; left > 0 && !credit.ExpiresAt.IsZero() {
			spent = append(spent, credit)
		}
	}
	var sum money.Amount
	for range rapid.IntRange(0, len(spent)).Draw(t, "returned") {
		lot := rapid.SampledFrom(spent).Draw(t, "lot")
		if len(find(returned, lot.Seq)) == 0 {
			returned, sum = ledger.OpenLot(returned, lot), sum+lot.Remaining
		}
	}
	if sum == 0 {
		return
	}
	look, seen := w.look(t, walletrow.Want{Returns: returned})
	w.apply(t, ledger.Credit, sum, ledger.Lot{}, ledger.MergeLots(seen, returned), &look)
	w.all = ledger.MergeLots(w.all, returned)
	w.credits = append(w.credits, ledger.Lot{Seq: w.row.Seq}) // that opened no lot
}

// move asks for some lot and takes it away, in whatever part of the row it is.
func (w *wallet) move(t *rapid.T) {
	if len(w.credits) == 0 {
		return
	}
	seq := rapid.Int64Range(1, w.row.Seq).Draw(t, "lot")
	look, seen := w.look(t, walletrow.Want{Moves: seq})
	open := find(w.all, seq)
	if !slices.Equal(find(seen, seq), open) {
		t.Fatalf("lot %d: got %v among those that are seen, want %v", seq, find(seen, seq), open)
	}
	if len(open) == 0 {
		return
	}
	w.apply(t, ledger.Debit, open[0].Remaining, ledger.Lot{}, without(seen, seq, open[0].Remaining), &look)
	w.all = without(w.all, seq, open[0].Remaining)
}

// sweep takes the first lot when it has expired.
func (w *wallet) sweep(t *rapid.T) {
	look, seen := w.look(t, walletrow.Want{})
	if len(seen) == 0 || !seen[0].ExpiredAt(w.now) {
		return
	}
	w.apply(t, ledger.Debit, seen[0].Remaining, ledger.Lot{}, seen[1:], &look)
	w.all = w.all[1:]
}

// check wants the row to stand for the very lots that are open, in a form that
// comes back from its encoding.
func (w *wallet) check(t *rapid.T) {
	decoded, err := walletrow.DecodeLots(walletrow.AppendLots(nil, w.row.Written))
	if err != nil || cmp.Diff(decoded, w.row.Written) != "" && len(decoded)+len(w.row.Written) > 0 {
		t.Fatalf("encoding: got %v, %v; want %v", decoded, err, w.row.Written)
	}
	whole := *w
	if _, seen := whole.look(t, walletrow.Want{Need: ledger.NeedAll}); !slices.Equal(seen, w.all) {
		t.Fatalf("all lots: got %v, want %v", seen, w.all)
	}
	w.checkShelf(t)
	w.checkNotices(t)
	limit := rapid.IntRange(1, 9).Draw(t, "limit")
	for after, shown := int64(0), 0; ; {
		lots, place, err := w.row.Page(after, limit, w.source)
		if err != nil || !slices.Equal(lots, w.all[shown:min(shown+limit, len(w.all))]) {
			t.Fatalf("page of %d after %d lots: got %v, %v; want of %v", limit, shown, lots, err, w.all)
		}
		if shown += len(lots); place == 0 {
			if shown != len(w.all) {
				t.Fatalf("pages of %d: got %d lots, want %d", limit, shown, len(w.all))
			}
			break
		}
		after = place
	}
	var next time.Time
	if len(w.all) > 0 {
		next = w.all[0].ExpiresAt
	}
	if got := w.row.NextExpiry(); !got.Equal(next) {
		t.Fatalf("next expiry: got %v, want %v", got, next)
	}
	for _, later := range []time.Duration{0, 5 * time.Minute, time.Hour} {
		at := w.now.Add(later)
		read, err := w.row.Read(&ledger.Customer{}, at, w.source)
		plain := ledger.Wallet{Balance: w.row.Balance, Held: w.row.Held, Lots: w.all}
		if got, want := read.Available(at), plain.Available(at); err != nil || got != want {
			t.Fatalf("read for %v: got available %d, %v; want %d", at, got, err, want)
		}
	}
}

// checkShelf wants the shelf to be what the package says of it.
func (w *wallet) checkShelf(t *rapid.T) {
	never := slices.IndexFunc(w.row.Written, func(l ledger.Lot) bool { return l.ExpiresAt.IsZero() })
	if never < 0 {
		never = len(w.row.Written)
	}
	written := w.row.Written[:never]
	var shelf walletrow.Shelf
	for _, lot := range w.shelf {
		shelf.Sum += lot.Remaining
		if !lot.ExpiresAt.After(w.row.Shelf.LapsedAt) {
			shelf.Lapsed += lot.Remaining
		}
		if len(written) == 0 || ledger.CompareLots(written[len(written)-1], lot) >= 0 {
			t.Fatalf("lot %+v is shelved beside written lots %v", lot, written)
		}
	}
	if shelf.LapsedAt = w.row.Shelf.LapsedAt; shelf != w.row.Shelf {
		t.Fatalf("got a shelf of %+v, want %+v", w.row.Shelf, shelf)
	}
	if len(written) > 2*w.inRow {
		t.Fatalf("got %d written lots that can expire, want at most %d", len(written), 2*w.inRow)
	}
}

// However credits, debits and moves come, the short form of a wallet's lots is spent
// as all of them would be.
func TestRowSpendsAsAllLotsWould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spendsAsAllLotsWould(t, func(w *wallet) walletrow.Source { return w })
	})
}

func spendsAsAllLotsWould(t *rapid.T, source func(w *wallet) walletrow.Source) {
	w := &wallet{row: walletrow.Row{Currency: "USD"}, reversed: map[int64]money.Amount{}, now: epoch}
	w.inRow, w.source = rapid.IntRange(1, 5).Draw(t, "in the row"), source(w)
	t.Repeat(map[string]func(*rapid.T){
		"credit": w.credit,
		"more":   w.credit,
		"debit":  w.debit,
		"back":   w.takeBack,
		"move":   w.move,
		"give":   w.giveBack,
		"sweep":  w.sweep,
		"tell":   w.announce,
		"wait":   func(t *rapid.T) { w.now = w.now.Add(time.Minute) },
		"":       w.check,
	})
}

// A page that looks at very many entries ends early, and the pages that follow
// go on where it ended.
func TestPagesEndEarly(t *testing.T) {
	t.Parallel()
	const every, lots = 3000, 5
	row := walletrow.Row{Seq: every * lots, Tails: [2]walletrow.Tail{{}, {From: 1, Sum: lots}}}
	read := int64(0)
	credits := sparse{every: every, read: &read}
	var got []int64
	pages := 0
	for after := int64(0); pages == 0 || after != 0; pages++ {
		read = 0
		page, next, err := row.Page(after, 100, credits)
		if err != nil || read > 6000 {
			t.Fatalf("got error %v and %d entries read for one page, want none and at most 6000", err, read)
		}
		for _, lot := range page {
			got = append(got, lot.Seq)
		}
		after = next
	}
	if want := []int64{3000, 6000, 9000, 12000, 15000}; !slices.Equal(got, want) || pages < 3 {
		t.Errorf("got %v in %d pages, want %v in some", got, pages, want)
	}
	// What is no place of this wallet has nothing after it.
	for _, place := range []int64{1 << 40, row.Seq<<2 + 4, 4} {
		if page, next, err := row.Page(place, 100, credits); err != nil || len(page)+int(next) != 0 {
			t.Errorf("place %d: got %v, %d, %v, want nothing", place, page, next, err)
		}
	}
}

// sparse are the credits of a wallet in which only each so-and-so-many entry is one.
type sparse struct {
	walletrow.Source
	every int64
	read  *int64 // how many entries were read
}

// Credits implements walletrow.Source.
func (s sparse) Credits(from, to int64) (opened []ledger.Lot, _ error) {
	*s.read += to - from + 1
	for seq := from; seq <= to; seq++ {
		if seq%s.every == 0 {
			opened = append(opened, ledger.Lot{Seq: seq, Category: ledger.Paid, Remaining: 1})
		}
	}
	return opened, nil
}

// A row stays short however many lots are open, and of however many of them
// something was taken back.
func TestRowStaysShort(t *testing.T) {
	t.Parallel()
	w := &wallet{row: walletrow.Row{Currency: "USD"}, reversed: map[int64]money.Amount{}, now: epoch, inRow: 2}
	w.source = w
	short := func(lots string) {
		if size := len(walletrow.AppendLots(nil, w.row.Written)); size > 200 {
			t.Errorf("1000 %s: got a row of %d bytes, want at most 200", lots, size)
		}
	}
	for range 1000 {
		w.open(t, ledger.Lot{Seq: w.row.Seq + 1, Category: ledger.Paid, Remaining: 7})
	}
	short("open lots")
	_, seen := w.look(t, walletrow.Want{})
	n := len(seen)
	for seq := int64(1000); seq > int64(n); seq-- {
		credit := ledger.Lot{Seq: seq, Category: ledger.Paid, Remaining: 7}
		look, seen := w.look(t, walletrow.Want{Credit: credit})
		amount := 3 + 4*money.Amount(seq%2)
		w.apply(t, ledger.Debit, amount, ledger.Lot{}, without(seen, seq, amount), &look)
		w.all = without(w.all, seq, amount)
	}
	short("lots of which something was taken back")
	if tail := w.row.Tails[1]; int(tail.Sum) != 4*(1000-n+n%2)/2 {
		t.Errorf("got a tail of %d, want 4 of every second lot behind %d", tail.Sum, n)
	}
}

// However many lots that can expire are open, the row stays short, and hardly a debit,
// credit or sweep looks at the others.
func TestRowStaysShortWithExpiries(t *testing.T) {
	t.Parallel()
	const lots = 800
	w := &wallet{row: walletrow.Row{Currency: "USD"}, now: epoch, inRow: walletrow.LotsInRow}
	w.source = w
	for i := range lots {
		expires := epoch.Add(time.Hour + time.Duration(i*7%lots)*time.Second)
		w.open(t, ledger.Lot{Seq: w.row.Seq + 1, Category: ledger.Paid, ExpiresAt: expires, Remaining: 3})
	}
	check := func(when string, steps int) {
		if size := len(walletrow.AppendLots(nil, w.row.Written)); size > 600 {
			t.Errorf("%s: got a row of %d bytes, want at most 600", when, size)
		}
		if w.asked > steps/10 {
			t.Errorf("%s: the shelf was looked at %d times in %d steps, want at most a tenth", when, w.asked, steps)
		}
		w.asked = 0
	}
	check("credits", lots)
	for range lots {
		look, seen := w.look(t, walletrow.Want{Need: 1})
		_, left, _ := ledger.SpendLots(seen, 1, w.now)
		w.apply(t, ledger.Debit, 1, ledger.Lot{}, left, &look)
		_, w.all, _ = ledger.SpendLots(w.all, 1, w.now)
	}
	check("debits", lots)
	w.now = epoch.Add(24 * time.Hour)
	swept := len(w.all)
	for range swept {
		look, seen := w.look(t, walletrow.Want{})
		w.apply(t, ledger.Debit, seen[0].Remaining, ledger.Lot{}, seen[1:], &look)
		w.all = w.all[1:]
	}
	check("sweeps", swept)
	if len(w.shelf) > 0 || w.row.Shelf != (walletrow.Shelf{}) || w.row.Balance != 0 {
		t.Errorf("in the end: got %d shelved lots, a shelf of %+v and balance %d, want none", len(w.shelf), w.row.Shelf, w.row.Balance)
	}
}

// Bytes that are no lots are refused.
func FuzzDecodeLots(f *testing.F) {
	f.Add([]byte{1, 0, 0, 5})
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		lots, err := walletrow.DecodeLots(b)
		if err != nil {
			return
		}
		again, err := walletrow.DecodeLots(walletrow.AppendLots(nil, lots))
		if err != nil || len(again) != len(lots) {
			t.Errorf("got %v, %v after an encoding of %v", again, err, lots)
		}
	})
}
