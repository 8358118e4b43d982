package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

func inboxScenarios() []scenario {
	return []scenario{
		{"a notification is kept once", keptOnce},
		{"the quarantine is listed newest first, by pages", quarantinePages},
		{"businesses and modes have inboxes of their own", inboxesApart},
		{"what was taken long ago is forgotten", oldNoticesGo},
		{"of a long quarantine the newest are kept", quarantineIsBounded},
	}
}

// notice keeps a notification, and wants it to be fresh or not.
func (w *world) notice(tenant ledger.Tenant, n processor.Notice, fresh bool) {
	w.Helper()
	got, err := w.inbox.KeepNotice(w.Context(), tenant, n)
	w.wantCode(err, "")
	w.same("whether the notification is fresh", fresh, got)
}

// kept wants a notification to be known or not.
func (w *world) kept(tenant ledger.Tenant, id string, want bool) {
	w.Helper()
	got, err := w.inbox.NoticeKept(w.Context(), tenant, id)
	w.wantCode(err, "")
	w.same("whether "+id+" is known", want, got)
}

// quarantine wants a page of those that people have to look at.
func (w *world) quarantine(tenant ledger.Tenant, page ledger.Page, more bool, want ...processor.Notice) {
	w.Helper()
	got, gotMore, err := w.inbox.Quarantine(w.Context(), tenant, page)
	w.wantCode(err, "")
	w.same("quarantine", want, got)
	w.same("whether there are more", more, gotMore)
}

func keptOnce(w *world) {
	n := processor.Notice{ID: "evt_1", Kind: "it's ü", Reason: "odd", Body: `{"a":"\u0000 'b'"}`, ReceivedAt: epoch}
	w.kept(w.shop, n.ID, false)
	w.notice(w.shop, n, true)
	w.kept(w.shop, n.ID, true)
	again := n
	again.Reason, again.Body, again.ReceivedAt = "", "", epoch.Add(time.Hour)
	w.notice(w.shop, again, false)
	w.quarantine(w.shop, ledger.Page{Limit: 10}, false, n)
}

func quarantinePages(w *world) {
	var odd []processor.Notice
	for i := range 5 {
		n := processor.Notice{ID: fmt.Sprintf("evt_%d", i), Kind: "kind", ReceivedAt: epoch.Add(time.Duration(i) * time.Second)}
		if i != 2 {
			n.Reason, n.Body = "odd", "body"
			odd = append([]processor.Notice{n}, odd...)
		}
		w.notice(w.shop, n, true)
	}
	w.quarantine(w.shop, ledger.Page{Limit: 3}, true, odd[:3]...)
	w.quarantine(w.shop, ledger.Page{Limit: 3, Skip: 3}, false, odd[3:]...)
	w.quarantine(w.shop, ledger.Page{Limit: 4}, false, odd...)
	w.quarantine(w.shop, ledger.Page{Limit: 4, Skip: 9}, false)
}

func inboxesApart(w *world) {
	live, other := w.shop, w.business("Other Shop")
	live.Mode = ledger.Live
	n := processor.Notice{ID: "evt_1", Kind: "kind", Reason: "odd", Body: "body", ReceivedAt: epoch}
	w.notice(w.shop, n, true)
	for _, tenant := range []ledger.Tenant{live, other} {
		w.kept(tenant, n.ID, false)
		w.quarantine(tenant, ledger.Page{Limit: 10}, false)
		w.notice(tenant, n, true)
	}
}

func oldNoticesGo(w *world) {
	w.notice(w.shop, processor.Notice{ID: "evt_old", Kind: "kind", ReceivedAt: epoch}, true)
	w.notice(w.shop, processor.Notice{ID: "evt_odd", Kind: "kind", Reason: "odd", ReceivedAt: epoch}, true)
	w.notice(w.shop, processor.Notice{ID: "evt_day", Kind: "kind", ReceivedAt: epoch.Add(processor.NoticesKept)}, true)
	w.kept(w.shop, "evt_old", true)
	w.notice(w.shop, processor.Notice{ID: "evt_new", Kind: "kind", ReceivedAt: epoch.Add(processor.NoticesKept + time.Second)}, true)
	w.kept(w.shop, "evt_old", false)
	w.kept(w.shop, "evt_odd", true) // somebody has to look at it
	w.kept(w.shop, "evt_day", true)
}

// inboxWriters is how many fill a quarantine at once.
const inboxWriters = 8

// quarantineIsBounded fills the quarantine and goes on: each that comes takes the place of
// the oldest, of those of one moment that which is listed last, and nobody else's goes.
func quarantineIsBounded(w *world) {
	other := w.business("Other Shop")
	odd := func(n int, at time.Time) processor.Notice {
		return processor.Notice{ID: fmt.Sprintf("evt_%04d", n), Kind: "kind", Reason: "odd", Body: "body", ReceivedAt: at}
	}
	first := odd(0, epoch)
	w.notice(other, first, true)
	w.notice(w.shop, processor.Notice{ID: "evt_taken", Kind: "kind", ReceivedAt: epoch}, true)
	var kept sync.WaitGroup
	for worker := range inboxWriters {
		kept.Go(func() {
			for n := worker; n < processor.QuarantineMax; n += inboxWriters { // the first three at one moment
				n := odd(n, epoch.Add(time.Duration(max(0, n-2))*time.Second))
				if fresh, err := w.inbox.KeepNotice(w.Context(), w.shop, n); !fresh || err != nil {
					w.Errorf("%s: got fresh %t, %v, want it kept", n.ID, fresh, err)
				}
			}
		})
	}
	kept.Wait()
	last := ledger.Page{Limit: 2, Skip: processor.QuarantineMax - 1}
	w.quarantine(w.shop, last, false, first)
	late := epoch.Add(time.Hour)
	w.notice(w.shop, odd(processor.QuarantineMax, late), true)
	w.kept(w.shop, first.ID, false)
	w.quarantine(w.shop, last, false, odd(1, epoch))
	w.notice(w.shop, odd(processor.QuarantineMax+1, late), true)
	w.quarantine(w.shop, last, false, odd(2, epoch))
	w.quarantine(w.shop, ledger.Page{Limit: 1}, true, odd(processor.QuarantineMax+1, late))
	w.notice(w.shop, processor.Notice{ID: "evt_taken_late", Kind: "kind", ReceivedAt: late}, true)
	w.quarantine(w.shop, last, false, odd(2, epoch))
	w.kept(w.shop, "evt_taken", true)
	w.quarantine(other, ledger.Page{Limit: 2}, false, first)
}
