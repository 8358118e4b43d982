package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// tellOf is a decision to make or change an object of a customer, and to tell of it as
// a kind; with "" nobody is told.
func tellOf(c ledger.Customer, id string, kind ledger.EventKind, now time.Time) ledger.Command {
	key := ledger.ObjectKey{Kind: "payment", ID: id}
	scope := ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: now, Objects: []ledger.ObjectKey{key}}
	return ledger.Command{Scope: scope, Decide: func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		data := fmt.Sprintf(`{"payload_type":"Payment","payment_id":"%s","version":%d}`, id, s.ObjectHead.Number+1)
		return change, change.Put(&s, ledger.Object{ObjectKey: key}, kind, data, now)
	}}
}

// putAndTell makes an object of a customer, and is told by one event.
func putAndTell(ctx context.Context, book *ledger.Book, c ledger.Customer, n int) error {
	command := tellOf(c, fmt.Sprintf("pay_%d", n), ledger.PaymentSucceeded, book.Now())
	_, err := book.Store().Transact(ctx, command.Scope, command.Decide)
	return err
}

// postOf, holdNow and announceNow are decisions as the book makes them.
func (w *world) postOf(r ledger.PostRequest) ledger.Command {
	moment := ledger.Moment{Now: w.book.Now(), Random: w.dice.next()}
	return ledger.Command{Scope: w.scopeOf(r), Decide: func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.Post(s, &r, moment)
	}}
}

func (w *world) holdNow(c ledger.Customer) ledger.Command {
	r, moment := holdOf(c, 1, epoch.Add(time.Hour)), ledger.Moment{Now: w.book.Now(), Random: w.dice.next()}
	scope := ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: moment.Now, Need: r.Amount}
	return ledger.Command{Scope: scope, Decide: func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.MakeHold(s, &r, moment)
	}}
}

func (w *world) announceNow(c ledger.Customer) ledger.Command {
	moment := ledger.Moment{Now: w.book.Now(), Random: w.dice.next()}
	scope := ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: moment.Now, Announces: true}
	return ledger.Command{Scope: scope, Decide: func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.Announce(s, epoch.Add(24*time.Hour), 1, moment)
	}}
}

// eventsOfObjects has objects among everything else that is told with the entries, each
// thing by itself and all in one commit.
func eventsOfObjects(w *world) {
	if !w.withFeed() {
		return
	}
	var want []string
	for _, c := range w.newcomers(2) {
		want = append(want, "customer.created "+c.ID)
	}
	list := w.events(ledger.EventFilter{}, 2)
	for n, made := range list {
		c := *made.Customer
		commands := w.severalThings(c)
		if n == 0 {
			for _, command := range commands {
				_, err := w.ledger.Transact(w.Context(), command.Scope, command.Decide)
				w.wantCode(err, "")
			}
		} else {
			outcomes, err := w.ledger.TransactMany(w.Context(), commands, false)
			w.wantCode(err, "")
			for _, outcome := range outcomes {
				w.wantCode(outcome.Err, "")
			}
		}
		for _, told := range []string{
			"payment.processing 1 behind 0", "wallet.credited", "payment.succeeded 2 behind 1", "wallet.hold_created",
			"payment_method.added 3 behind 1", "wallet.funds_expiring", "refund.succeeded 5 behind 1", "wallet.hold_created",
			"dispute.opened 6 behind 1", "wallet.credited", "dispute.won 7 behind 2",
		} {
			want = append(want, told+" of "+c.ID)
		}
	}
	var got []string
	events := w.events(ledger.EventFilter{}, len(want))
	for _, e := range events {
		switch {
		case e.Object != nil:
			got = append(got, fmt.Sprintf("%s %d behind %d of %s", e.Kind, e.Object.Event.Number, e.Object.Event.Position, e.CustomerID))
		case e.Customer != nil:
			got = append(got, string(e.Kind)+" "+e.CustomerID)
		default:
			got = append(got, string(e.Kind)+" of "+e.CustomerID)
		}
	}
	w.same("events", want, got)
	kept, err := w.ledger.ObjectEvents(w.Context(), w.shop, events[2].CustomerID, 0, 1)
	w.wantCode(err, "")
	w.same("an event about an object", ledger.Event{
		ID: "evt_pay_1_1", Kind: ledger.PaymentProcessing, Tenant: w.shop, CustomerID: events[2].CustomerID, At: kept[0].CreatedAt,
		Object: &ledger.ToldObject{
			Tenant: w.shop, CustomerID: events[2].CustomerID, Key: ledger.ObjectKey{Kind: "payment", ID: "pay_1"}, Event: kept[0],
		},
	}, events[2])
	filter := ledger.EventFilter{
		Kinds: []ledger.EventKind{ledger.RefundSucceeded, ledger.DisputeWon}, CustomerID: events[2].CustomerID,
	}
	w.same("those of two kinds", []string{"refund.succeeded evt_pay_2_5", "dispute.won evt_pay_1_7"}, namesOf(w.events(filter, 2)))
}

// severalThings are decisions about a customer of which each is told by one event, but
// for the fourth about an object, which is told to nobody.
func (w *world) severalThings(c ledger.Customer) []ledger.Command {
	now := w.book.Now()
	return []ledger.Command{
		tellOf(c, "pay_1", ledger.PaymentProcessing, now),
		w.postOf(credit(c, 500, expires(epoch.Add(2*time.Hour)))),
		tellOf(c, "pay_1", ledger.PaymentSucceeded, now),
		w.holdNow(c),
		tellOf(c, "pay_2", ledger.PaymentMethodAdded, now),
		tellOf(c, "pay_2", "", now),
		w.announceNow(c),
		tellOf(c, "pay_2", ledger.RefundSucceeded, now),
		w.holdNow(c),
		tellOf(c, "pay_1", ledger.DisputeOpened, now),
		w.postOf(credit(c, 1)),
		tellOf(c, "pay_1", ledger.DisputeWon, now),
	}
}
