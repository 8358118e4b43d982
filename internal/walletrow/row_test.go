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
}

func (w *wallet) between(from, to int64) (lots []ledger.Lot, _ error) {
	for _, lot := range w.credits {
		if lot.Seq >= from && lot.Seq <= to {
			lot.Remaining -= w.reversed[lot.Seq]
			lots = append(lots, lot)
		}
	}
	return lots, nil
}

// apply gives the row a change that was decided on the first n of its lots, and on
// one that stands apart.
func (w *wallet) apply(
	direction ledger.Direction, amount money.Amount, credit ledger.Lot, left []ledger.Lot, n int, apart ...ledger.Lot,
) {
	balance := w.row.Balance + amount
	if direction == ledger.Debit {
		balance = w.row.Balance - amount
	}
	w.row.Apply(&ledger.Change{
		Entry: ledger.Entry{
			Direction: direction, Amount: amount, Seq: w.row.Seq + 1, Position: w.row.Seq + 1, CreatedAt: w.now,
			Category: credit.Category, ExpiresAt: credit.ExpiresAt,
		},
		Wallet: ledger.Wallet{Balance: balance, Lots: left},
	}, n, apart)
}

func (w *wallet) credit(t *rapid.T) {
	lot := ledger.Lot{
		Seq:       w.row.Seq + 1,
		Category:  rapid.SampledFrom([]ledger.Category{ledger.Paid, ledger.Promotional}).Draw(t, "category"),
		Remaining: money.Amount(rapid.Int64Range(1, 50).Draw(t, "amount")),
	}
	if rapid.IntRange(0, 3).Draw(t, "expires") == 0 {
		lot.ExpiresAt = w.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "minutes")) * time.Minute)
	}
	n := w.row.Prefix()
	left := ledger.OpenLot(w.row.Written[:n:n], lot)
	w.apply(ledger.Credit, lot.Remaining, lot, left, n)
	w.all, w.credits = ledger.OpenLot(w.all, lot), append(w.credits, lot)
}

func (w *wallet) debit(t *rapid.T) {
	amount := money.Amount(rapid.Int64Range(1, 400).Draw(t, "amount"))
	need, partial := amount, rapid.Bool().Draw(t, "partial")
	if partial {
		_, _, missing := ledger.SpendLots(w.all, amount, w.now)
		amount -= missing
	}
	wantSpent, wantLeft, missing := ledger.SpendLots(w.all, amount, w.now)
	n, err := w.row.Cover(need, partial, w.now, w.between)
	if err != nil {
		t.Fatal(err)
	}
	spent, left, short := ledger.SpendLots(w.row.Written[:n:n], amount, w.now)
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
	w.apply(ledger.Debit, amount, ledger.Lot{}, left, n)
}

// takeBack takes some of the lot of a credit, out of its turn.
func (w *wallet) takeBack(t *rapid.T) {
	if len(w.credits) == 0 {
		return
	}
	credit := rapid.SampledFrom(w.credits).Draw(t, "of")
	at := slices.IndexFunc(w.all, func(l ledger.Lot) bool { return l.Seq == credit.Seq })
	n := w.row.Prefix()
	apart := w.row.Apart(n, credit, w.reversed[credit.Seq])
	seen := append(w.row.Written[:n:n], apart...)
	place := slices.IndexFunc(seen, func(l ledger.Lot) bool { return l.Seq == credit.Seq })
	if at < 0 {
		if place >= 0 {
			t.Fatalf("lot %d is not open: got %v", credit.Seq, seen[place])
		}
		return
	}
	if place < 0 || seen[place] != w.all[at] || !slices.IsSortedFunc(seen, ledger.CompareLots) {
		t.Fatalf("lot %d: got lots %v, want them in order with %v", credit.Seq, seen, w.all[at])
	}
	amount := money.Amount(rapid.Int64Range(1, int64(w.all[at].Remaining)).Draw(t, "taken back"))
	take := func(lots []ledger.Lot, at int) []ledger.Lot {
		lots = slices.Clone(lots)
		if lots[at].Remaining -= amount; lots[at].Remaining == 0 {
			return slices.Delete(lots, at, at+1)
		}
		return lots
	}
	w.apply(ledger.Debit, amount, ledger.Lot{}, take(seen, place), n, apart...)
	w.all = take(w.all, at)
	w.reversed[credit.Seq] += amount
}

// move asks for some lot and takes it away, in whatever part of the row it is.
func (w *wallet) move(t *rapid.T) {
	if len(w.credits) == 0 {
		return
	}
	seq := rapid.Int64Range(1, w.row.Seq).Draw(t, "lot")
	if err := w.row.Reach(seq, w.between); err != nil {
		t.Fatal(err)
	}
	isLot := func(lot ledger.Lot) bool { return lot.Seq == seq }
	n := w.row.Prefix()
	at, all := slices.IndexFunc(w.row.Written[:n], isLot), slices.IndexFunc(w.all, isLot)
	if at != all {
		t.Fatalf("lot %d: got place %d in the prefix, want %d in spend order", seq, at, all)
	}
	if at < 0 {
		return
	}
	lot := w.all[all]
	w.all = slices.Concat(w.all[:all], w.all[all+1:])
	w.apply(ledger.Debit, lot.Remaining, ledger.Lot{}, slices.Concat(w.row.Written[:at], w.row.Written[at+1:n]), n)
}

// check wants the row to stand for the very lots that are open, in a form that
// comes back from its encoding.
func (w *wallet) check(t *rapid.T) {
	decoded, err := walletrow.DecodeLots(walletrow.AppendLots(nil, w.row.Written))
	if err != nil || cmp.Diff(decoded, w.row.Written) != "" && len(decoded)+len(w.row.Written) > 0 {
		t.Fatalf("encoding: got %v, %v; want %v", decoded, err, w.row.Written)
	}
	whole := w.row
	n, err := whole.Cover(ledger.NeedAll, false, w.now, w.between)
	if err != nil || n != len(w.all) || !slices.Equal(whole.Written[:n], w.all) {
		t.Fatalf("all lots: got %v, %v; want %v", whole.Written, err, w.all)
	}
	limit := rapid.IntRange(1, 9).Draw(t, "limit")
	for after, shown := int64(0), 0; ; {
		lots, place, err := w.row.Page(after, limit, w.between)
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
	expiring := slices.IndexFunc(w.all, func(l ledger.Lot) bool { return l.ExpiresAt.IsZero() })
	if expiring > w.row.Prefix() {
		t.Fatalf("%d lots can expire, and the prefix has %d", expiring, w.row.Prefix())
	}
}

// However credits, debits and moves come, the short form of a wallet's lots is spent
// as all of them would be.
func TestRowSpendsAsAllLotsWould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &wallet{row: walletrow.Row{Currency: "USD"}, reversed: map[int64]money.Amount{}, now: epoch}
		t.Repeat(map[string]func(*rapid.T){
			"credit": w.credit,
			"more":   w.credit,
			"debit":  w.debit,
			"back":   w.takeBack,
			"move":   w.move,
			"wait":   func(t *rapid.T) { w.now = w.now.Add(time.Minute) },
			"":       w.check,
		})
	})
}

// A page that looks at very many entries ends early, and the pages that follow
// go on where it ended.
func TestPagesEndEarly(t *testing.T) {
	t.Parallel()
	const every, lots = 3000, 5
	row := walletrow.Row{Seq: every * lots, Tails: [2]walletrow.Tail{{}, {From: 1, Sum: lots}}}
	read := int64(0)
	credits := func(from, to int64) (opened []ledger.Lot, _ error) {
		read += to - from + 1
		for seq := from; seq <= to; seq++ {
			if seq%every == 0 {
				opened = append(opened, ledger.Lot{Seq: seq, Category: ledger.Paid, Remaining: 1})
			}
		}
		return opened, nil
	}
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

// A row stays short however many lots are open, and of however many of them
// something was taken back.
func TestRowStaysShort(t *testing.T) {
	t.Parallel()
	w := &wallet{row: walletrow.Row{Currency: "USD"}, now: epoch}
	short := func(lots string) {
		if size := len(walletrow.AppendLots(nil, w.row.Written)); size > 100 {
			t.Errorf("1000 %s: got a row of %d bytes, want at most 100", lots, size)
		}
	}
	for range 1000 {
		lot := ledger.Lot{Seq: w.row.Seq + 1, Category: ledger.Paid, Remaining: 7}
		n := w.row.Prefix()
		w.apply(ledger.Credit, 7, lot, ledger.OpenLot(w.row.Written[:n:n], lot), n)
	}
	short("open lots")
	n := w.row.Prefix()
	for seq := int64(1000); seq > int64(n); seq-- {
		apart := w.row.Apart(n, ledger.Lot{Seq: seq, Category: ledger.Paid, Remaining: 7}, 0)
		if len(apart) != 1 || apart[0].Remaining != 7 {
			t.Fatalf("lot %d: got %v, want it", seq, apart)
		}
		left := slices.Clone(w.row.Written[:n])
		if seq%2 == 0 {
			left = append(left, apart[0])
			left[n].Remaining = 4
		}
		w.apply(ledger.Debit, 3, ledger.Lot{}, left, n, apart...)
	}
	short("lots of which something was taken back")
	if tail := w.row.Tails[1]; int(tail.Sum) != 4*(1000-n+n%2)/2 {
		t.Errorf("got a tail of %d, want 4 of every second lot behind %d", tail.Sum, n)
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
