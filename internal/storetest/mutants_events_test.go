package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

func eventMistakes() []mistake {
	inPages := [2]string{"events", "E5 pages of any size and from any cursor meet the same events"}
	race := [2]string{"events", "E5 16 writers at once, readers from random cursors: nothing is missed or met twice"}
	ofObjects := [2]string{"events", "E1 what is told of objects comes with the entries, in the customer's order"}
	return []mistake{
		{"a page of the feed goes on one fact too far", openBentFeed(skipsOne), [][2]string{inPages, race}, true},
		{"the end of the feed is before its last fact", openBentFeed(endsEarly), [][2]string{
			{"events", "E5 at the end of the feed a cursor waits for what comes"}, race,
		}, false},
		{"the feed of both modes", openBentFeed(bothModes), [][2]string{
			{"events", "N1 events of another business or mode are not there"},
		}, true},
		{"places of other feeds are taken for the beginning", openBentFeed(anyPlace), [][2]string{
			{"events", "a place of another feed is refused"},
		}, false},
		{"hold events come before the entries of their page", openBentFeed(holdsFirst), [][2]string{
			{"events", "E1 what happens to holds is told with the entries, in the customer's order"}, race,
		}, false},
		{"a hold is told as it is now", openBentFeed(holdsAsNow), [][2]string{
			{"events", "E1 what happens to holds is told with the entries, in the customer's order"},
		}, false},
		{"object events come before the entries of their page", openBentFeed(objectsFirst), [][2]string{ofObjects, race}, false},
		{"what has no kind is told of objects", openBentFeed(tellsAllOfObjects), [][2]string{ofObjects}, false},
		{"every second event about an object is not told", openBentFeed(untoldObjects), [][2]string{ofObjects, race}, false},
		{"what is written off is not told", openBentFeed(untoldExpiry), [][2]string{
			{"events", "E1 everything that happens is told once, as what it was"},
		}, false},
	}
}

type feedPages func(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error)

// bentFeed is the model with one planted bug in its feed.
type bentFeed struct {
	*Model
	pages feedPages
}

func openBentFeed(pages feedPages) func(testing.TB) Stores {
	return func(testing.TB) Stores {
		m := NewModel()
		return Stores{Ledger: bentFeed{m, pages}, Access: m}
	}
}

func (b bentFeed) Feed(
	ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	return b.pages(b.Model, ctx, tenant, from, limit)
}

func skipsOne(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	if page.More {
		page.Facts = page.Facts[:len(page.Facts)-1]
	}
	return page, err
}

func endsEarly(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	if len(page.Facts) > 0 && !page.More {
		page.Next = page.Facts[len(page.Facts)-1].Place
	}
	return page, err
}

func bothModes(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	if tenant.Mode == ledger.Test && err == nil {
		tenant.Mode = ledger.Live
		other, _ := m.Feed(ctx, tenant, from, limit)
		page.Facts = append(page.Facts, other.Facts...)
	}
	return page, err
}

func anyPlace(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	if err != nil {
		return m.Feed(ctx, tenant, "", limit)
	}
	return page, nil
}

func holdsFirst(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	slices.SortStableFunc(page.Facts, func(a, b ledger.Fact) int {
		switch {
		case a.Hold != nil && b.Entry != nil:
			return -1
		case a.Entry != nil && b.Hold != nil:
			return 1
		}
		return 0
	})
	return page, err
}

// holdsAsNow takes what was captured and given back from the hold and not from the
// event.
func holdsAsNow(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	for i := range page.Facts {
		if held := page.Facts[i].Hold; held != nil {
			now, _ := m.Hold(ctx, tenant, held.Hold.CustomerID, held.Hold.ID)
			changed := *held
			changed.Event.Captured, changed.Event.Released = now.Captured, now.Released
			page.Facts[i].Hold = &changed
		}
	}
	return page, err
}

func untoldExpiry(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	page.Facts = slices.DeleteFunc(page.Facts, func(f ledger.Fact) bool {
		return f.Entry != nil && f.Entry.Account == ledger.AccountBreakage
	})
	return page, err
}

func objectsFirst(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	slices.SortStableFunc(page.Facts, func(a, b ledger.Fact) int {
		switch {
		case a.Object != nil && b.Entry != nil:
			return -1
		case a.Entry != nil && b.Object != nil:
			return 1
		}
		return 0
	})
	return page, err
}

// tellsAllOfObjects begins the feed with what nobody is to be told.
func tellsAllOfObjects(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.customers[tenant] {
		for _, e := range c.objectEvents {
			if e.Kind == "" && from == "" {
				told := ledger.ToldObject{Tenant: tenant, CustomerID: c.ID, Event: e}
				page.Facts = append(page.Facts, ledger.Fact{Object: &told})
			}
		}
	}
	return page, err
}

func untoldObjects(
	m *Model, ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := m.Feed(ctx, tenant, from, limit)
	page.Facts = slices.DeleteFunc(page.Facts, func(f ledger.Fact) bool {
		return f.Object != nil && f.Object.Event.Number%2 == 0
	})
	return page, err
}
