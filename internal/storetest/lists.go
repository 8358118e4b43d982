package storetest

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func listScenarios() []scenario {
	return []scenario{
		{"entries are newest first, in pages and by cursor", entriesNewestFirst},
		{"each filter alone and with others", entriesFiltered},
		{"a long list of two wallets in turns, at every depth", entriesDeep},
		{"bounds of created_at are inclusive to the microsecond", entriesByTime},
		{"of a customer without entries", entriesNone},
		{"R3 a cursor meets 500 entries once while writers run", entriesCursorUnderWriters},
		{"an entry is found by its id and by no other", entryByID},
		{"wallets are read in one moment", walletsInOneMoment},
	}
}

func (w *world) entries(c ledger.Customer, filter ledger.EntryFilter, page ledger.Page) ledger.EntryList {
	w.Helper()
	list, err := w.ledger.Entries(w.Context(), c.Tenant, c.ID, filter, page)
	if err != nil {
		w.Fatalf("list entries %+v %+v: got error %v, want none", filter, page, err)
	}
	return list
}

// walkEntries reads a list in every way there is and compares each with those
// of all, oldest first, that pass keep.
func (w *world) walkEntries(
	c ledger.Customer, all []ledger.Entry, filter ledger.EntryFilter, keep func(ledger.Entry) bool,
) {
	w.Helper()
	var want []ledger.Entry
	for _, e := range slices.Backward(all) {
		if keep(e) {
			want = append(want, e)
		}
	}
	asOf := int64(len(all))
	for _, limit := range []int{1, 7, 10, 200} {
		if limit == 1 && len(want) > 100 {
			continue
		}
		var got []ledger.Entry
		for page := (ledger.Page{Limit: limit}); ; {
			list := w.entries(c, filter, page)
			if len(list.Entries) > limit || (len(list.Entries) == 0 && len(want) > 0) || list.AsOfPosition != asOf {
				w.Fatalf("cursor %d, limit %d: got %d entries as of %d, want 1 to %d as of %d",
					page.Before, limit, len(list.Entries), list.AsOfPosition, limit, asOf)
			}
			got = append(got, list.Entries...)
			if page.Before = list.Next; page.Before == 0 || len(got) > len(want) {
				break
			}
		}
		w.same("entries by cursor", want, got)
		got = nil
		for skip := 0; skip < len(want)+limit; skip += limit {
			list := w.entries(c, filter, ledger.Page{Limit: limit, Skip: int64(skip)})
			if last := skip+limit >= len(want); last != (list.Next == 0) || list.AsOfPosition != asOf {
				w.Errorf("skip %d, limit %d of %d: got next %d as of %d, want next 0 exactly on the last page and as of %d",
					skip, limit, len(want), list.Next, list.AsOfPosition, asOf)
			}
			got = append(got, list.Entries...)
		}
		w.same("entries by skipping", want, got)
	}
	if list := w.entries(c, filter, ledger.Page{Limit: 10, Skip: 100_000_000}); len(list.Entries) != 0 || list.Next != 0 {
		w.Errorf("skip beyond the end: got %d entries and next %d, want none", len(list.Entries), list.Next)
	}
}

func always(ledger.Entry) bool { return true }

func entriesNewestFirst(w *world) {
	c := w.customer()
	for i := range 35 {
		w.post(credit(c, moneyOf(1+i)))
	}
	w.walkEntries(c, w.history(c).Entries, ledger.EntryFilter{}, always)
	// A cursor is a place, also one that lies beyond what exists.
	all := w.entries(c, ledger.EntryFilter{}, ledger.Page{Limit: 200})
	w.same("before a position to come", all, w.entries(c, ledger.EntryFilter{}, ledger.Page{Limit: 200, Before: 1000}))
	list := w.entries(c, ledger.EntryFilter{}, ledger.Page{Limit: 3, Before: 20})
	w.same("before position 20", all.Entries[16:19], list.Entries)
	list = w.entries(c, ledger.EntryFilter{}, ledger.Page{Limit: 3, Before: 1})
	w.same("before position 1", ledger.EntryList{AsOfPosition: 35}, list)
}

func entriesFiltered(w *world) {
	c := w.customer()
	w.post(credit(c, 100_000))
	w.post(credit(c, 100_000, in("INR")))
	references := []string{"inv_1", "", "inv_10", "INV_1", "inv_1 ", "%"}
	for i := range 90 {
		w.clock.Move(time.Second)
		r := credit(c, moneyOf(1+i), in([]money.Currency{"USD", "INR", "USD"}[i%3]), reference(references[i%len(references)]))
		if i%5 > 2 {
			r = debit(c, moneyOf(1+i), in(r.Currency), reference(r.ReferenceObjectID))
		}
		if i%4 == 0 {
			r.IdempotencyKey = "k" + strings.Repeat("x", i)
		}
		if _, err := w.postAltered(r, func(change *ledger.Change) {
			change.Entry.EventType = ledger.EventTypes()[i%len(ledger.EventTypes())]
		}); err != nil {
			w.Fatalf("entry %d: got error %v, want none", i, err)
		}
	}
	all := w.history(c).Entries
	from, to := all[20].CreatedAt, all[70].CreatedAt
	filters := []ledger.EntryFilter{
		{},
		{Currency: "USD"}, {Currency: "INR"}, {Currency: "JPY"},
		{Direction: ledger.Credit}, {Direction: ledger.Debit},
		{EventType: ledger.EventPayment}, {EventType: ledger.EventMerchantAdjustment},
		{ReferenceObjectID: "inv_1"}, {ReferenceObjectID: "%"}, {ReferenceObjectID: "inv"},
		{IdempotencyKey: "k"}, {IdempotencyKey: "kxxxx"}, {IdempotencyKey: "kx"}, {IdempotencyKey: "K"},
		{CreatedAtGTE: from}, {CreatedAtLTE: to}, {CreatedAtGTE: from, CreatedAtLTE: to},
		{Currency: "USD", Direction: ledger.Debit}, {Currency: "INR", ReferenceObjectID: "inv_10"},
		{Currency: "USD", IdempotencyKey: "kxxxx"}, {Currency: "INR", IdempotencyKey: "kxxxx"},
		{Direction: ledger.Debit, IdempotencyKey: "kxxxx"},
		{Currency: "USD", EventType: ledger.EventRefund, Direction: ledger.Credit, CreatedAtGTE: from, CreatedAtLTE: to},
		{CreatedAtGTE: to, CreatedAtLTE: from},
	}
	for _, f := range filters {
		w.walkEntries(c, all, f, func(e ledger.Entry) bool { return passes(f, e) })
	}
}

// passes says whether an entry passes a filter, naively.
func passes(f ledger.EntryFilter, e ledger.Entry) bool {
	return (f.Currency == "" || f.Currency == e.Currency) &&
		(f.EventType == "" || f.EventType == e.EventType) &&
		(f.Direction == "" || f.Direction == e.Direction) &&
		(f.ReferenceObjectID == "" || f.ReferenceObjectID == e.ReferenceObjectID) &&
		(f.IdempotencyKey == "" || f.IdempotencyKey == e.IdempotencyKey) &&
		(f.CreatedAtGTE.IsZero() || !e.CreatedAt.Before(f.CreatedAtGTE)) &&
		(f.CreatedAtLTE.IsZero() || !e.CreatedAt.After(f.CreatedAtLTE))
}

func entriesDeep(w *world) {
	c := w.customer()
	for i := range 460 {
		currency := money.Currency("USD")
		if i%7 > 4 || (i > 200 && i < 290) {
			currency = "INR"
		}
		w.post(credit(c, moneyOf(1+i), in(currency)))
	}
	all := w.history(c).Entries
	for _, currency := range []money.Currency{"", "USD", "INR"} {
		f := ledger.EntryFilter{Currency: currency}
		w.walkEntries(c, all, f, func(e ledger.Entry) bool { return passes(f, e) })
		var newestFirst []ledger.Entry
		for _, e := range slices.Backward(all) {
			if passes(f, e) {
				newestFirst = append(newestFirst, e)
			}
		}
		// Every place to begin at, by number and by cursor.
		for i := range newestFirst {
			list := w.entries(c, f, ledger.Page{Limit: 2, Skip: int64(i)})
			w.same("two entries from a number on", newestFirst[i:min(i+2, len(newestFirst))], list.Entries)
			list = w.entries(c, f, ledger.Page{Limit: 2, Before: newestFirst[i].Position + 1})
			w.same("two entries from a position on", newestFirst[i:min(i+2, len(newestFirst))], list.Entries)
		}
	}
}

func entriesByTime(w *world) {
	c := w.customer()
	for i := range 12 {
		w.post(credit(c, moneyOf(1+i)))
		if i%3 > 0 { // some share a time
			w.clock.Move(time.Microsecond)
		}
	}
	all := w.history(c).Entries
	for _, from := range append(all, ledger.Entry{CreatedAt: epoch.Add(-time.Microsecond)},
		ledger.Entry{CreatedAt: epoch.Add(time.Hour)}) {
		for _, to := range all {
			for _, f := range []ledger.EntryFilter{
				{CreatedAtGTE: from.CreatedAt},
				{CreatedAtLTE: to.CreatedAt},
				{CreatedAtGTE: from.CreatedAt, CreatedAtLTE: to.CreatedAt},
			} {
				var want []ledger.Entry
				for _, e := range slices.Backward(all) {
					if passes(f, e) {
						want = append(want, e)
					}
				}
				w.same("entries between times", want, w.entries(c, f, ledger.Page{Limit: 200}).Entries)
			}
		}
	}
}

func entriesNone(w *world) {
	c := w.customer()
	for _, f := range []ledger.EntryFilter{{}, {Currency: "USD"}, {IdempotencyKey: "k"}} {
		for _, page := range []ledger.Page{{Limit: 10}, {Limit: 10, Skip: 10}, {Limit: 10, Before: 5}} {
			w.same("list of a customer without entries", ledger.EntryList{}, w.entries(c, f, page))
		}
	}
}

func entriesCursorUnderWriters(w *world) {
	const old, writers = 500, 3
	c := w.customer()
	for i := range old {
		w.post(credit(c, moneyOf(1+i), in([]money.Currency{"USD", "INR"}[i%2])))
	}
	for _, currency := range []money.Currency{"", "INR"} {
		var done atomic.Bool
		met := map[int64]int{}
		together(1+writers, func(i int) {
			if i > 0 {
				for n := 0; n < 250 && !done.Load(); n++ {
					if _, err := w.book.Post(w.Context(), credit(c, 1, in([]money.Currency{"USD", "INR"}[i%2]))); err != nil {
						w.Errorf("credit: got error %v, want none", err)
						return
					}
				}
				return
			}
			defer done.Store(true)
			asOf := int64(0)
			for page := (ledger.Page{Limit: 7}); ; {
				list, err := w.ledger.Entries(w.Context(), c.Tenant, c.ID, ledger.EntryFilter{Currency: currency}, page)
				if err != nil || list.AsOfPosition < asOf {
					w.Errorf("list entries: got error %v and as of %d after %d, want none and no less", err, list.AsOfPosition, asOf)
					return
				}
				asOf = list.AsOfPosition
				for _, e := range list.Entries {
					met[e.Position]++
				}
				if page.Before = list.Next; page.Before == 0 {
					return
				}
			}
		})
		for position := int64(1); position <= old; position++ {
			want := 1
			if currency == "INR" && position%2 == 1 {
				want = 0
			}
			if got := met[position]; got != want {
				w.Errorf("filter %q: met the entry at position %d %d times, want %d", currency, position, got, want)
			}
		}
	}
	w.history(c)
}

func entryByID(w *world) {
	c, other := w.customer(), w.customer()
	var ids []string
	for i := range 70 {
		ids = append(ids, w.post(credit(c, moneyOf(1+i), in([]money.Currency{"USD", "INR"}[i%2]))).Entry.ID)
	}
	others := w.post(credit(other, 7)).Entry
	for i, id := range ids {
		e, err := w.ledger.Entry(w.Context(), c.Tenant, c.ID, id)
		if err != nil || e.ID != id || e.Position != int64(i+1) {
			w.Errorf("entry %s: got %s at position %d and error %v, want it at position %d", id, e.ID, e.Position, err, i+1)
		}
	}
	known, last := ids[0], len(ids[0])-1
	swapped := known[:last] + string(known[last]^1) // same time and place, other chance
	unknown := []string{
		others.ID, swapped,
		ledger.EntryID(epoch, 1, 1), ledger.EntryID(epoch, 71, 1), ledger.EntryID(epoch, 1<<41, 1), ledger.EntryID(epoch, 0, 1),
		"", "cwt_", "x", known + "x", known[:last], strings.ToUpper(known), " " + known, known + " ", known + "\x00",
		"cus_" + known[4:], known[4:], "cwt_" + strings.Repeat("z", 21), "cwt_" + strings.Repeat("-", 21), "%", "cwt_%", "'",
		strings.Repeat("9", 10_000), "\xff", "cwt_" + strings.Repeat("王", 7), c.ID,
	}
	for _, id := range unknown {
		e, err := w.ledger.Entry(w.Context(), c.Tenant, c.ID, id)
		if got := ledger.CodeOf(err); got != ledger.CodeNotFound {
			w.Errorf("entry %.40q: got entry %q and code %q, want %q", id, e.ID, got, ledger.CodeNotFound)
		}
	}
}

func walletsInOneMoment(w *world) {
	const writers, reads = 3, 200
	c := w.customer()
	var done atomic.Bool
	together(1+writers, func(i int) {
		currencies := []money.Currency{"USD", "INR", "JPY"}
		for n := 0; i > 0 && n < 500 && !done.Load(); n++ {
			if _, err := w.book.Post(w.Context(), credit(c, 2, in(currencies[i%3]))); err != nil {
				w.Errorf("credit: got error %v, want none", err)
				return
			}
		}
		if i > 0 {
			return
		}
		defer done.Store(true)
		seen := int64(0)
		for range reads {
			list, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, w.book.Now())
			var seqs int64
			for _, wallet := range list.Wallets {
				seqs += wallet.Seq
				if wallet.Balance != 2*money.Amount(wallet.Seq) {
					w.Errorf("got wallet %s with balance %d at seq %d, want twice the seq", wallet.Currency, wallet.Balance, wallet.Seq)
				}
			}
			if err != nil || seqs != list.Chain.Position || seqs < seen {
				w.Errorf("got error %v, position %d and seqs of %d in all after %d, want none, equal and no less", err, list.Chain.Position, seqs, seen)
				return
			}
			seen = seqs
		}
	})
	w.history(c)
}
