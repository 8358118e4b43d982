package walletrow_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

// unannounced are the open lots that can expire from where announcing stands on.
func (w *wallet) unannounced() (lots []ledger.Lot) {
	from := w.row.Notices.From
	for _, lot := range w.all {
		if !from.ExpiresAt.IsZero() && !lot.ExpiresAt.IsZero() && ledger.CompareLots(lot, from) >= 0 {
			lots = append(lots, lot)
		}
	}
	return lots
}

// announce tells of the lots that expire within some minutes.
func (w *wallet) announce(t *rapid.T) {
	seen, err := w.row.Unannounced(w.source)
	want := w.unannounced()
	if err != nil || !slices.Equal(seen.Lots, want[:min(len(want), walletrow.NoticeSpan)]) ||
		seen.More != (len(want) > walletrow.NoticeSpan) {
		t.Fatalf("got lots %v to announce, more %v and error %v, want %v", seen.Lots, seen.More, err, want)
	}
	for _, lot := range seen.Lots {
		seen.Told = append(seen.Told, w.told[lot.Seq])
	}
	look, lots := w.look(t, walletrow.Want{})
	snapshot := ledger.Snapshot{Unannounced: &seen, Wallet: ledger.Wallet{Balance: w.row.Balance, Lots: lots}}
	until := w.now.Add(time.Duration(rapid.IntRange(0, 25).Draw(t, "minutes ahead")) * time.Minute)
	most := rapid.IntRange(1, 5).Draw(t, "most")
	change, err := ledger.Announce(snapshot, until, most, ledger.Moment{Now: w.now})
	if err != nil {
		return // there is nothing to announce
	}
	for _, n := range change.Announced.Notices {
		if w.told[n.Lot.Seq] {
			t.Fatalf("lot %d is announced twice", n.Lot.Seq)
		}
		if w.told == nil {
			w.told = map[int64]bool{}
		}
		w.told[n.Lot.Seq] = true
	}
	if err := w.row.Apply(&change, &look, w.source, w.inRow); err != nil {
		t.Fatal(err)
	}
}

// checkNotices wants every lot that can expire and stands before the place where
// announcing goes on to have been announced, and the place to come back from its
// encoding.
func (w *wallet) checkNotices(t *rapid.T) {
	n := w.row.Notices
	for _, lot := range w.all {
		if !lot.ExpiresAt.IsZero() && ledger.CompareLots(lot, n.From) < 0 && !w.told[lot.Seq] {
			t.Fatalf("lot %+v was not announced and stands before %+v", lot, n.From)
		}
	}
	if got := walletrow.NoticesOf(n.Number, n.NextNotice(), n.NoticeLot()); got != n {
		t.Fatalf("got %+v from its encoding, want %+v", got, n)
	}
}

// A wallet of very many lots, all announced, is looked at in spans, each of which brings
// announcing on.
func TestAnnouncingComesToItsEnd(t *testing.T) {
	t.Parallel()
	w := &wallet{row: walletrow.Row{Currency: "USD"}, now: epoch, inRow: walletrow.LotsInRow}
	w.source = w
	const lots = 10*walletrow.NoticeSpan + 7
	for range lots { // all at one instant
		w.open(t, ledger.Lot{Seq: w.row.Seq + 1, Category: ledger.Paid, ExpiresAt: epoch.Add(time.Hour), Remaining: 1})
	}
	looks := 0
	for ; looks < lots; looks++ {
		seen, err := w.row.Unannounced(w)
		if err != nil {
			t.Fatal(err)
		}
		seen.Told = slices.Repeat([]bool{true}, len(seen.Lots))
		look, left := w.look(t, walletrow.Want{})
		change, err := ledger.Announce(
			ledger.Snapshot{Unannounced: &seen, Wallet: ledger.Wallet{Balance: w.row.Balance, Lots: left}},
			epoch.Add(2*time.Hour), 10, ledger.Moment{Now: epoch})
		if err != nil {
			break
		}
		if err := w.row.Apply(&change, &look, w, w.inRow); err != nil {
			t.Fatal(err)
		}
	}
	if w.row.Notices.From != (ledger.Lot{}) || looks > lots/(walletrow.NoticeSpan-1)+1 {
		t.Errorf("got a place %+v after %d looks at %d lots, want none left", w.row.Notices.From, looks, lots)
	}
}
