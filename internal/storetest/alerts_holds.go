package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func holdAlertScenarios() []scenario {
	return []scenario{
		{"A1 a hold tells of what it crosses, and so does what gives it back", alertsOfHolds},
		{"A1 the entry of a capture tells, and its hold event does not", alertsOfCaptures},
		{"A1 the end of a hold that has expired tells, whoever ends it", alertsOfExpiry},
		{"A1 a hold puts thresholds in force, and its end goes by those that are", alertsPutInForce},
		{"A1 a repeat of a hold tells what the first answer told", alertsOfRepeatedHolds},
		{"A1 64 holds at once across one threshold: one of them tells", alertsHoldRace},
		{"A1 E1 what holds cross is in the feed, behind the hold", alertsOfHoldsInTheFeed},
	}
}

// toldByHold checks what the event of an accepted change about a hold tells of
// thresholds, and that the wallet goes on from there.
func (w *world) toldByHold(want ledger.Standings, change ledger.Change) ledger.Change {
	w.Helper()
	e := change.Hold.Event
	if e.Alerts != want {
		w.Errorf("hold %s of %d to %d available: got alerts %q, want %q", e.Kind, e.Amount, e.Available, e.Alerts, want)
	}
	return change
}

// holdBy promises money until an hour from now, with thresholds of the business.
func (w *world) holdBy(c ledger.Customer, amount money.Amount, business ledger.Alerts) ledger.Change {
	w.Helper()
	r := holdOf(c, amount, w.clock.Now().Add(time.Hour))
	r.DefaultAlerts = business
	change, err := w.book.MakeHold(w.Context(), r)
	w.wantCode(err, "")
	return change
}

func alertsOfHolds(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700}, ledger.Threshold{Below: 1000, RecoverAt: 1000})
	w.told("500:700:armed 1000:1000:armed", credit(c, 1200))
	first := w.toldByHold("500:700:armed 1000:1000:low!", w.holdBy(c, 201, "")).Hold.Hold
	w.toldByHold("", w.holdBy(c, 1, ""))
	second := w.toldByHold("500:700:low! 1000:1000:low", w.holdBy(c, 499, "")).Hold.Hold
	w.told("", debit(c, 100))                                         // 399, which was told of
	w.toldByHold("", w.release(first))                                // 600, which is between
	w.told("500:700:armed! 1000:1000:low", credit(c, 100))            // 700
	w.toldByHold("500:700:armed 1000:1000:armed!", w.release(second)) // 1199
	w.toldByHold("500:700:low! 1000:1000:low!", w.holdBy(c, 1199, ""))
	w.history(c)
}

func alertsOfCaptures(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700})
	w.told("500:700:armed", credit(c, 1000))
	hold := w.toldByHold("500:700:low!", w.holdBy(c, 600, "")).Hold.Hold
	part := w.toldByHold("", w.capture(hold, 100))
	w.same("alerts of a capture's entry", ledger.Standings(""), part.Entry.Alerts)
	r := captureOf(hold, 100)
	r.Final = true
	final, err := w.book.Capture(w.Context(), r)
	w.wantCode(err, "")
	w.toldByHold("", final)
	w.same("alerts of a final capture's entry", ledger.Standings("500:700:armed!"), final.Entry.Alerts)
	w.history(c)

	// A capture can be the first to see that a lot has expired.
	late := w.customer()
	w.setAlerts(late, ledger.Threshold{Below: 500, RecoverAt: 700})
	w.post(credit(late, 400))
	w.told("500:700:armed", credit(late, 300, expires(w.clock.Now().Add(30*time.Minute))))
	hold = w.toldByHold("", w.holdBy(late, 100, "")).Hold.Hold
	w.clock.Move(30 * time.Minute)
	captured := w.toldByHold("", w.capture(hold, 50))
	w.same("alerts of a capture after an expiry", ledger.Standings("500:700:low!"), captured.Entry.Alerts)
	w.history(late)
}

func alertsOfExpiry(w *world) {
	c, late, lost := w.customer(), w.customer(), w.customer()
	for _, c := range []ledger.Customer{c, late} {
		w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500})
		w.told("500:500:armed", credit(c, 1000))
		w.toldByHold("500:500:low!", w.holdBy(c, 600, ""))
	}
	w.setAlerts(lost, ledger.Threshold{Below: 500, RecoverAt: 500})
	w.told("500:500:armed", credit(lost, 1000, expires(w.clock.Now().Add(30*time.Minute))))
	w.toldByHold("500:500:low!", w.holdBy(lost, 600, ""))
	w.clock.Move(time.Hour)
	w.sweep(c, 1)
	w.same("alerts of the holds", []ledger.Standings{"500:500:low!", "500:500:armed!"}, w.alertsOfEvents(c))

	// Whoever needs the money ends the hold instead of the sweep.
	w.told("", debit(late, 500))
	w.same("alerts of the holds", []ledger.Standings{"500:500:low!", "500:500:armed!"}, w.alertsOfEvents(late))
	w.told("500:500:low!", debit(late, 1))

	// What goes back to a lot that has expired is not available.
	w.sweep(lost, 2)
	w.same("alerts of the holds", []ledger.Standings{"500:500:low!", ""}, w.alertsOfEvents(lost))
	w.history(late)
}

func (w *world) alertsOfEvents(c ledger.Customer) (alerts []ledger.Standings) {
	w.Helper()
	for _, e := range w.history(c).Events {
		alerts = append(alerts, e.Alerts)
	}
	return alerts
}

func alertsPutInForce(w *world) {
	const business = "USD\t500:500\n"
	c := w.customer()
	w.post(credit(c, 1000))
	first := w.toldByHold("500:500:armed", w.holdBy(c, 100, business)).Hold.Hold
	second := w.toldByHold("500:500:low!", w.holdBy(c, 401, business)).Hold.Hold
	w.toldByHold("500:500:armed!", w.release(second))
	w.setAlerts(c, ledger.Threshold{Below: 100, RecoverAt: 100})
	w.toldByHold("", w.release(first)) // goes by those in force
	w.toldByHold("100:100:armed", w.holdBy(c, 600, business))
	w.setAlerts(c)
	w.unchanged(func() {
		r := holdOf(c, 401, w.clock.Now().Add(time.Hour))
		r.DefaultAlerts = business
		_, err := w.book.MakeHold(w.Context(), r)
		w.wantCode(err, ledger.CodeInsufficientFunds)
	}, c)
	w.toldByHold(ledger.NoStandings, w.holdBy(c, 1, business))
	w.changeAlerts(ledger.AlertsRequest{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Drop: true})
	w.toldByHold("500:500:unarmed", w.holdBy(c, 1, business))
	w.history(c)
}

func alertsOfRepeatedHolds(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500})
	w.post(credit(c, 1000))
	r := holdOf(c, 600, epoch.Add(time.Hour))
	r.IdempotencyKey = "made"
	made, err := w.book.MakeHold(w.Context(), r)
	w.wantCode(err, "")
	w.toldByHold("500:500:low!", made)
	end := releaseOf(made.Hold.Hold)
	end.IdempotencyKey = "released"
	released, err := w.book.Release(w.Context(), end)
	w.wantCode(err, "")
	w.toldByHold("500:500:armed!", released)
	w.setAlerts(c)
	w.post(debit(c, 1))
	w.unchanged(func() {
		again, err := w.book.MakeHold(w.Context(), r)
		w.wantCode(err, "")
		w.sameAnswer(made, again)
		again, err = w.book.Release(w.Context(), end)
		w.wantCode(err, "")
		w.sameAnswer(released, again)
	}, c)
}

// alertsHoldRace makes holds of 5 from many hands over a threshold; who has crossed
// it is one of them.
func alertsHoldRace(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500})
	w.post(credit(c, 640))
	w.wantAll(64, func(int) error {
		_, err := w.book.MakeHold(w.Context(), holdOf(c, 5, epoch.Add(time.Hour)))
		return err
	})
	crossed := map[money.Amount]string{}
	for _, e := range w.history(c).Events {
		if strings.Contains(string(e.Alerts), "!") {
			crossed[e.Available] += string(e.Alerts)
		}
	}
	w.same("crossings by what is available", map[money.Amount]string{495: "500:500:low!"}, crossed)
}

func alertsOfHoldsInTheFeed(w *world) {
	if !w.withFeed() {
		return
	}
	c := w.customer()
	changed := w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500})
	list, err := w.ledger.Audit(w.Context(), c.Tenant, c.ID, ledger.AuditPage{Limit: 1})
	w.wantCode(err, "")
	credited := w.post(credit(c, 1000))
	made := w.holdBy(c, 600, "")
	hold := made.Hold.Hold
	r := captureOf(hold, 100)
	r.Final = true
	final, err := w.book.Capture(w.Context(), r)
	w.wantCode(err, "")
	other := w.holdBy(c, 401, "").Hold.Hold
	w.release(other)
	want := []string{
		"customer.created evt_" + changed.ID,
		"customer.updated evt_" + list.Entries[0].ID,
		"wallet.credited evt_" + credited.Entry.ID,
		"wallet.hold_created evt_" + hold.ID + "_1",
		"wallet.balance_low evt_" + hold.ID + "_1_low_500",
		"wallet.debited evt_" + final.Entry.ID,
		"wallet.balance_recovered evt_" + final.Entry.ID + "_recovered_500",
		"wallet.hold_captured evt_" + hold.ID + "_2",
		"wallet.hold_created evt_" + other.ID + "_3",
		"wallet.balance_low evt_" + other.ID + "_3_low_500",
		"wallet.hold_released evt_" + other.ID + "_4",
		"wallet.balance_recovered evt_" + other.ID + "_4_recovered_500",
	}
	events := w.events(ledger.EventFilter{}, len(want))
	w.same("events", want, namesOf(events))
	told := events[4]
	made.Hold.Hold.Lots = nil
	w.same("hold of a crossing", *made.Hold, *told.Hold)
	w.same("crossing", ledger.Alert{Threshold: ledger.Threshold{Below: 500, RecoverAt: 500}, Standing: ledger.Low, Crossed: true},
		*told.Alert)
	w.same("entry and currency of a crossing", fmt.Sprint((*ledger.Entry)(nil), "USD"), fmt.Sprint(told.Entry, told.Currency()))
}
