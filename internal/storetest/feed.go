package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// FeedComplaints has 16 writers change customers at once, each so many times and by
// any of several books on one database, while readers follow the feed and return to cursors that they have had. It says
// what a reader has missed, met twice or met in another order than another one,
// and what a customer's events did not say in the customer's order. The customers
// are all of their tenant and have no entries yet.
func FeedComplaints(
	ctx context.Context, books []*ledger.Book, tenant ledger.Tenant, customers []ledger.Customer, each int,
) (complaints []string) {
	return feedComplaints(ctx, books, eventsWithin, tenant, customers, each)
}

func feedComplaints(
	ctx context.Context, books []*ledger.Book, patience time.Duration,
	tenant ledger.Tenant, customers []ledger.Customer, each int,
) (complaints []string) {
	const writersCount, readersCount = 16, 6
	var failed atomic.Pointer[error]
	fail := func(err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	var over atomic.Bool
	readers := make([]feedReader, readersCount)
	var reading, writing sync.WaitGroup
	for i := range readers {
		readers[i] = feedReader{books: books, tenant: tenant, cursors: make([]feedCursor, 1)}
		reading.Go(func() {
			for !over.Load() && failed.Load() == nil {
				fail(readers[i].step(ctx))
			}
		})
	}
	for writer := range writersCount {
		writing.Go(func() {
			for n := range each {
				fail(feedWrite(ctx, pick(books), pick(customers), writer*each+n))
			}
		})
	}
	writing.Wait()
	count := len(customers) + writersCount*each
	all, _, err := readEvents(ctx, books[0], patience, tenant, ledger.EventFilter{}, 100, count)
	over.Store(true)
	reading.Wait()
	if fail(err); failed.Load() != nil {
		return []string{fmt.Sprintf("got error %v, want none", *failed.Load())}
	}
	if len(all) != count {
		complaints = append(complaints, fmt.Sprintf("got %d events, want %d", len(all), count))
	}
	complaints = append(complaints, outOfOrder(all)...)
	for i := range readers {
		complaints = append(complaints, readers[i].complaints(ctx, all)...)
	}
	return complaints
}

func pick[T any](from []T) T { return from[rand.IntN(len(from))] }

// feedWrite does one thing that is told by one event: it posts an entry, or now and
// then holds or announces what there is, makes an object, or renames the customer.
func feedWrite(ctx context.Context, book *ledger.Book, c ledger.Customer, n int) error {
	if n%8 == 6 {
		due := ledger.DueNotices{Wallet: walletIn(c, "USD"), Until: book.Now().Add(24 * time.Hour)}
		if told, err := book.Announce(ctx, due, book.Now(), 1); err != nil || told == 1 {
			return err
		}
	}
	if n%8 == 2 {
		return putAndTell(ctx, book, c, n)
	}
	if n%8 == 4 {
		request := holdOf(c, 1, book.Now().Add(24*time.Hour))
		_, err := book.MakeHold(ctx, request)
		if ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
			return err
		}
	}
	if n%8 != 0 {
		_, err := book.Post(ctx, credit(c, 1, expires(book.Now().Add(time.Duration(60-n%50)*time.Minute))))
		return err
	}
	rename := func(c ledger.Customer) ledger.Customer {
		c.Name = fmt.Sprintf("Name %d", n)
		return c
	}
	_, _, err := book.UpdateCustomer(ctx, c.Tenant, c.ID, ledger.Actor{KeyID: "key_m"}, rename, nil)
	return err
}

// outOfOrder says where the entries, the hold events, the notices, the object events or
// the audit lines of a customer do not stand in their order, without gaps, behind the
// event of the customer itself, and where anything comes before the entry that it was
// decided behind, or after the next one.
func outOfOrder(events []ledger.Event) (complaints []string) {
	type chain struct {
		customer string
		of       string
	}
	last := map[chain]int64{}
	for _, e := range events {
		at, position := chain{e.CustomerID, ""}, int64(0)
		switch {
		case e.Audit != nil:
			at.of, position = "audit", e.Audit.Position
		case e.Notice != nil:
			at.of, position = "notices", e.Notice.Number
			if seq := last[chain{e.CustomerID, ""}]; seq != e.Notice.Seq {
				complaints = append(complaints, fmt.Sprintf("customer %s: a notice behind entry %d comes behind %d",
					e.CustomerID, e.Notice.Seq, seq))
			}
		case e.Object != nil:
			at.of, position = "objects", e.Object.Event.Number
			if seq := last[chain{e.CustomerID, ""}]; seq != e.Object.Event.Position {
				complaints = append(complaints, fmt.Sprintf("customer %s: an object event behind entry %d comes behind %d",
					e.CustomerID, e.Object.Event.Position, seq))
			}
		case e.Hold != nil:
			at.of, position = "holds", e.Hold.Event.Number
			if seq := last[chain{e.CustomerID, ""}]; seq != e.Hold.Event.Seq { // there is one wallet
				complaints = append(complaints, fmt.Sprintf("customer %s: a hold behind entry %d comes behind %d",
					e.CustomerID, e.Hold.Event.Seq, seq))
			}
		case e.Entry != nil:
			position = e.Entry.Position
		}
		before, known := last[at]
		if _, made := last[chain{e.CustomerID, ""}]; !made && e.Customer == nil || known && position != before+1 ||
			!known && position > 1 {
			complaints = append(complaints, fmt.Sprintf("customer %s: position %d comes behind %d", e.CustomerID, position, before))
		}
		last[at] = position
	}
	return complaints
}

// feedCursor is a cursor with how many events stand before it.
type feedCursor struct {
	cursor ledger.EventCursor
	before int
}

// feedReader follows the feed and keeps what it has met. It comes back to the ends of
// pages, and to places in the midst of them, as who is cut off does.
type feedReader struct {
	books   []*ledger.Book
	tenant  ledger.Tenant
	met     []string // ids, in the order of the feed
	cursors []feedCursor
	said    []string
}

// step reads a page from the last cursor, or from one that it has had.
func (r *feedReader) step(ctx context.Context) error {
	from := r.cursors[len(r.cursors)-1]
	if rand.IntN(4) == 0 {
		from = pick(r.cursors)
	}
	_, err := r.read(ctx, from, 1+rand.IntN(20))
	return err
}

func (r *feedReader) read(ctx context.Context, from feedCursor, limit int) (list ledger.EventList, err error) {
	list, err = pick(r.books).Events(ctx, r.tenant, ledger.EventFilter{}, from.cursor, limit)
	if err != nil {
		return list, err
	}
	for i, e := range list.Events {
		switch at := from.before + i; {
		case at == len(r.met):
			r.met = append(r.met, e.ID)
		case r.met[at] != e.ID:
			r.said = append(r.said, fmt.Sprintf("event %d: got %s from a cursor before it, and %s at first", at, e.ID, r.met[at]))
		}
	}
	r.cursors = append(r.cursors, feedCursor{list.Next, from.before + len(list.Events)})
	if len(list.After) > 0 {
		n := rand.IntN(len(list.After))
		r.cursors = append(r.cursors, feedCursor{list.After[n], from.before + n + 1})
	}
	slices.SortStableFunc(r.cursors, func(a, b feedCursor) int { return a.before - b.before })
	return list, nil
}

// complaints lets the reader go on to the end of a feed that is complete, and
// holds what it has met against that.
func (r *feedReader) complaints(ctx context.Context, all []ledger.Event) []string {
	for {
		list, err := r.read(ctx, r.cursors[len(r.cursors)-1], 50)
		if err != nil {
			return append(r.said, err.Error())
		}
		if !list.More {
			break
		}
	}
	for i, e := range all {
		if i >= len(r.met) || r.met[i] != e.ID {
			return append(r.said, fmt.Sprintf("event %d of %d, %s, was missed by a reader that has met %d", i, len(all), e.ID, len(r.met)))
		}
	}
	if len(r.met) > len(all) {
		return append(r.said, fmt.Sprintf("a reader has met %d events of %d", len(r.met), len(all)))
	}
	return r.said
}
