package ledger

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// EventKind is what an event tells of, in the words of the wire. The [EventType]
// of an entry, which says why the entry exists, is something else.
type EventKind string

// The kinds of events that the ledger tells of.
const (
	WalletCredited         EventKind = "wallet.credited"
	WalletDebited          EventKind = "wallet.debited"
	WalletFundsExpiring    EventKind = "wallet.funds_expiring"
	WalletFundsExpired     EventKind = "wallet.funds_expired"
	WalletEntryReversed    EventKind = "wallet.entry_reversed"
	WalletBalanceLow       EventKind = "wallet.balance_low"
	WalletBalanceRecovered EventKind = "wallet.balance_recovered"
	WalletHoldCreated      EventKind = "wallet.hold_created"
	WalletHoldCaptured     EventKind = "wallet.hold_captured"
	WalletHoldReleased     EventKind = "wallet.hold_released"
	WalletHoldExpired      EventKind = "wallet.hold_expired"
	CustomerCreated        EventKind = "customer.created"
	CustomerUpdated        EventKind = "customer.updated"
)

// EventKinds lists every kind that the ledger tells of. Billing tells of [BillingKinds].
func EventKinds() []EventKind {
	return []EventKind{
		WalletCredited, WalletDebited, WalletFundsExpiring, WalletFundsExpired, WalletEntryReversed, WalletBalanceLow,
		WalletBalanceRecovered, WalletHoldCreated, WalletHoldCaptured, WalletHoldReleased, WalletHoldExpired,
		CustomerCreated, CustomerUpdated,
	}
}

// holdKinds are how what happens to a hold is told.
var holdKinds = map[HoldEventKind]EventKind{
	HoldMade: WalletHoldCreated, HoldWasCaptured: WalletHoldCaptured, HoldWasReleased: WalletHoldReleased,
	HoldHasExpired: WalletHoldExpired,
}

// EventIDPrefix begins the id of every event.
const EventIDPrefix = "evt_"

// Event tells of one fact. It is no row of its own: it is made from the row of the
// fact, always the same from the same row, so that it is there if and only if the
// fact is (law E1).
type Event struct {
	// ID is made of the id of what the event tells of, such as
	// "evt_cwt_0V76xO7E0000001000000". An event is found twice only where it is
	// read twice.
	ID         string
	Kind       EventKind
	Tenant     Tenant
	CustomerID string
	At         time.Time // when it happened

	// Entry is set in every event about an entry. A customer's are numbered by
	// Position without gaps, and each has exactly one event that is not about an alert.
	Entry *Entry

	// Hold is set in every event about a hold: the hold as it was right after, without
	// lots, and what happened to it. A customer's are numbered by Event.Number without
	// gaps, and each has exactly one event that is not about an alert. A capture has an
	// entry, which is told by an event of its own before it.
	Hold *HoldChange

	// Alert is set beside Entry or Hold in an event about what is available right
	// after it.
	Alert *Alert

	// Notice is set in every event about money that expires soon. A customer's are
	// numbered by Number without gaps.
	Notice *Notice

	// Object is set in every event about an object: of billing, say.
	Object *ToldObject

	Customer *Customer   // of CustomerCreated: as it is now, which may be later
	Audit    *AuditEntry // of CustomerUpdated; numbered by Position without gaps
}

// Currency is that of the wallet which the event is about, empty for none.
func (e *Event) Currency() money.Currency {
	switch {
	case e.Entry != nil:
		return e.Entry.Currency
	case e.Hold != nil:
		return e.Hold.Hold.Currency
	case e.Notice != nil:
		return e.Notice.Currency
	}
	return ""
}

// Fact is a row that events tell of, at its place in the feed. Exactly one of
// Entry, Hold, Notice, Object, Customer and Audit is set; Customer is one that was made, and Hold
// has the event and the hold at that time or later. An event about an object is a fact
// if it has a kind, and comes behind the entry of its position.
type Fact struct {
	Place    FeedPlace
	Entry    *Entry
	Hold     *HoldChange
	Notice   *Notice
	Object   *ToldObject
	Customer *Customer
	Audit    *AuditEntry
}

// FeedPlace is a place in the feed of a store. Only the store can read it, and no
// other store. Empty: the beginning.
type FeedPlace string

// FeedPage is a part of a feed.
type FeedPage struct {
	// Facts may be fewer than were asked for, and even none, though more follow.
	Facts []Fact

	// Next is the place behind everything that was looked at. Nothing will ever
	// stand before it that was not there when the page was read.
	Next FeedPlace
	More bool // false: Next is where the feed ended
}

// Events are what the fact is told by: first what happened, then the thresholds
// that it crossed, in rising order.
func (f *Fact) Events() []Event {
	switch {
	case f.Customer != nil:
		c := f.Customer
		return []Event{{
			ID: EventIDPrefix + c.ID, Kind: CustomerCreated, Tenant: c.Tenant, CustomerID: c.ID, At: c.CreatedAt, Customer: c,
		}}
	case f.Hold != nil:
		told := HoldChange{Hold: f.Hold.Hold.after(&f.Hold.Event), Event: f.Hold.Event}
		h, e := &told.Hold, &told.Event
		return withCrossings(Event{
			ID:   EventIDPrefix + h.ID + "_" + strconv.FormatInt(e.Number, 10),
			Kind: holdKinds[e.Kind], Tenant: h.Tenant, CustomerID: h.CustomerID, At: e.CreatedAt, Hold: &told,
		}, e.Alerts)
	case f.Notice != nil:
		n := f.Notice
		return []Event{{
			ID: EventIDPrefix + n.ID, Kind: WalletFundsExpiring, Tenant: n.Tenant, CustomerID: n.CustomerID, At: n.CreatedAt, Notice: n,
		}}
	case f.Object != nil:
		return f.Object.events()
	case f.Audit != nil:
		a := f.Audit
		return []Event{{
			ID: EventIDPrefix + a.ID, Kind: CustomerUpdated, Tenant: a.Tenant, CustomerID: a.CustomerID, At: a.CreatedAt, Audit: a,
		}}
	}
	e := f.Entry
	return withCrossings(Event{
		ID: EventIDPrefix + e.ID, Kind: e.eventKind(), Tenant: e.Tenant, CustomerID: e.CustomerID, At: e.CreatedAt, Entry: e,
	}, e.Alerts)
}

// withCrossings is an event, and behind it one for each threshold that was crossed
// by what it tells of.
func withCrossings(event Event, standings Standings) []Event {
	events := []Event{event}
	alerts, _ := standings.List()
	for _, alert := range alerts {
		if !alert.Crossed {
			continue
		}
		told, word := event, "_low_"
		told.Kind, told.Alert = WalletBalanceLow, &alert
		if alert.Standing != Low {
			told.Kind, word = WalletBalanceRecovered, "_recovered_"
		}
		told.ID += word + strconv.FormatInt(int64(alert.Below), 10)
		events = append(events, told)
	}
	return events
}

// eventKind is what an entry is told as. One that undoes another opens no lot;
// what brings money back to a lot of its own does, and is a credit like any. What
// recovers a debt from a credit does not undo it.
func (e *Entry) eventKind() EventKind {
	switch {
	case e.Account == AccountBreakage:
		return WalletFundsExpired
	case e.Reverses != "" && !e.OpensLot() && e.Account != AccountDebt:
		return WalletEntryReversed
	case e.Direction == Credit:
		return WalletCredited
	}
	return WalletDebited
}

// EventFilter narrows a list of events. Zero fields do not filter.
type EventFilter struct {
	Kinds        []EventKind
	CustomerID   string
	CreatedAtGTE time.Time
}

func (f *EventFilter) pass(e *Event) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, e.Kind)) &&
		(f.CustomerID == "" || f.CustomerID == e.CustomerID) &&
		(f.CreatedAtGTE.IsZero() || !e.At.Before(f.CreatedAtGTE))
}

// isSet reports whether the filter may keep anything back.
func (f *EventFilter) isSet() bool {
	return len(f.Kinds) > 0 || f.CustomerID != "" || !f.CreatedAtGTE.IsZero()
}

// EventCursor is a place between two events. The zero EventCursor is before all.
type EventCursor struct {
	Place FeedPlace
	Told  int // how many events of the fact at Place stand before it, 0 … [ThresholdsMax]+1
}

// EventList is a part of the events of a business in one mode, oldest first.
type EventList struct {
	// Events may be fewer than were asked for, and even none, though more follow:
	// what a filter keeps back takes its time too.
	Events []Event

	// After are the cursors behind each of the events.
	After []EventCursor

	// Next is where to go on, at the end of the feed as well. More says that
	// something follows there already.
	Next EventCursor
	More bool
}

const (
	// factsMax is how many facts are read at once for a filter.
	factsMax = 500

	// factPagesMax is how many such reads one list takes.
	factPagesMax = 8
)

// Events returns events of a business in one mode from a place on, of those that
// pass the filter, and no more than limit, which must be above 0.
func (b *Book) Events(
	ctx context.Context, tenant Tenant, filter EventFilter, from EventCursor, limit int,
) (list EventList, err error) {
	list.Next = from
	size := limit + 1 // the fact at the cursor may have been told
	if filter.isSet() {
		size = factsMax
	}
	for range factPagesMax {
		page, err := b.store.Feed(ctx, tenant, list.Next.Place, size)
		if err != nil {
			return EventList{}, err
		}
		if list.take(&page, &filter, from, limit) {
			return list, nil
		}
		list.Next, list.More = EventCursor{Place: page.Next}, page.More
		if !page.More {
			break
		}
	}
	return list, nil
}

// take adds the events of a page to the list, and reports whether it is full.
func (l *EventList) take(page *FeedPage, filter *EventFilter, from EventCursor, limit int) (full bool) {
	for i := range page.Facts {
		fact := &page.Facts[i]
		events := fact.Events()
		told := 0
		if fact.Place == from.Place {
			told = min(from.Told, len(events))
		}
		for n := told; n < len(events); n++ {
			if len(l.Events) == limit {
				l.Next, l.More = EventCursor{Place: fact.Place, Told: n}, true
				return true
			}
			if filter.pass(&events[n]) {
				l.Events = append(l.Events, events[n])
				l.After = append(l.After, EventCursor{Place: fact.Place, Told: n + 1})
			}
		}
	}
	return false
}
