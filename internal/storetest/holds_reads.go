package storetest

import (
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func holdTenancy(w *world) {
	c, other := w.customer(), w.customer()
	w.post(credit(c, 100))
	w.post(credit(other, 100))
	hold := w.hold(c, 60)
	stranger := hold
	stranger.CustomerID = other.ID
	live := hold
	live.Tenant.Mode = ledger.Live
	unknown := hold
	unknown.ID = ledger.HoldID(epoch, 1, 0)
	odd := hold
	odd.ID = "hld_'"
	w.unchanged(func() {
		for _, h := range []ledger.Hold{stranger, live, unknown, odd} {
			_, err := w.book.Capture(w.Context(), captureOf(h, 1))
			w.wantCode(err, ledger.CodeNotFound)
			_, err = w.book.Release(w.Context(), releaseOf(h))
			w.wantCode(err, ledger.CodeNotFound)
			_, err = w.ledger.Hold(w.Context(), h.Tenant, h.CustomerID, h.ID)
			w.wantCode(err, ledger.CodeNotFound)
		}
	}, c, other)
	scope := ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "INR", At: epoch, Hold: hold.ID}
	if s := w.peek(scope); s.Hold != nil {
		w.Errorf("got a hold of USD in the wallet in INR: %+v", s.Hold)
	}
}

func holdLists(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	w.post(credit(c, 1000, in("INR")))
	var all []ledger.Hold
	for n := range 7 {
		r := holdOf(c, money.Amount(10+n), epoch.Add(time.Hour))
		r.Currency = []money.Currency{"USD", "INR"}[n%2]
		r.ReferenceObjectID = fmt.Sprintf("ride_%d", n%3)
		change, err := w.book.MakeHold(w.Context(), r)
		w.wantCode(err, "")
		all = append(all, change.Hold.Hold)
	}
	w.release(all[2])
	for _, want := range []struct {
		filter ledger.HoldFilter
		found  []int
	}{
		{ledger.HoldFilter{}, []int{6, 5, 4, 3, 2, 1, 0}},
		{ledger.HoldFilter{Currency: "INR"}, []int{5, 3, 1}},
		{ledger.HoldFilter{State: ledger.HoldReleased}, []int{2}},
		{ledger.HoldFilter{State: ledger.HoldActive, Currency: "USD"}, []int{6, 4, 0}},
		{ledger.HoldFilter{ReferenceObjectID: "ride_0"}, []int{6, 3, 0}},
		{ledger.HoldFilter{ReferenceObjectID: "ride_7"}, nil},
	} {
		for _, limit := range []int{1, 2, 200} {
			var found []int
			for page := (ledger.Page{Limit: limit}); ; {
				list, err := w.ledger.Holds(w.Context(), c.Tenant, c.ID, want.filter, page)
				w.wantCode(err, "")
				for _, h := range list.Holds {
					found = append(found, int(h.Number)-1)
					if len(h.Lots) > 0 {
						w.Errorf("got lots %v in a list, want none", h.Lots)
					}
				}
				if page.Before = list.Next; page.Before == 0 {
					break
				}
			}
			w.same(fmt.Sprintf("holds by %+v, %d a page", want.filter, limit), want.found, found)
		}
	}
	list, err := w.ledger.Holds(w.Context(), c.Tenant, w.customer().ID, ledger.HoldFilter{}, ledger.Page{Limit: 10})
	w.wantCode(err, "")
	w.same("holds of somebody who has none", ledger.HoldList{}, list)
}

func holdsExpired(w *world) {
	first, second := w.customer(), w.customer()
	for _, c := range []ledger.Customer{first, second} {
		w.post(credit(c, 100))
	}
	late := holdOf(second, 10, epoch.Add(time.Hour))
	soon := holdOf(first, 10, epoch.Add(time.Minute))
	for _, r := range []ledger.HoldRequest{late, soon, soon} {
		_, err := w.book.MakeHold(w.Context(), r)
		w.wantCode(err, "")
	}
	expired := func(at time.Time, limit int) (ids []string) {
		keys, err := w.ledger.Expired(w.Context(), at, limit)
		w.wantCode(err, "")
		for _, key := range keys {
			ids = append(ids, key.CustomerID)
		}
		return ids
	}
	w.same("before", []string(nil), expired(epoch.Add(time.Minute-time.Microsecond), 10))
	w.same("at the first", []string{first.ID}, expired(epoch.Add(time.Minute), 10))
	w.same("at both", []string{first.ID, second.ID}, expired(epoch.Add(time.Hour), 10))
	w.same("one of both", []string{first.ID}, expired(epoch.Add(time.Hour), 1))
	w.clock.Set(epoch.Add(time.Hour))
	w.same("what the sweep writes", 2, w.sweepAll(first, "USD"))
	w.same("after a sweep", []string{second.ID}, expired(epoch.Add(time.Hour), 10))
}
