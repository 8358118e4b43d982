package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func alertScenarios() []scenario {
	return []scenario{
		{"A1 a threshold is told once when it is crossed, and once when the wallet has recovered", alertsOnce},
		{"A1 between below and recover_at nothing is told", alertsHysteresis},
		{"A1 one entry tells of each threshold that it crosses", alertsSeveral},
		{"A1 a wallet's own thresholds count before those of the business, none at all too", alertsOwn},
		{"A1 new thresholds measure from what was available before", alertsNew},
		{"A1 a threshold that changes keeps its standing, one that goes is forgotten", alertsChanged},
		{"A1 a wallet that never had so much is not low", alertsUnarmed},
		{"A1 what expires is told by the sweep", alertsExpiry},
		{"A1 a reversal can make a wallet recover", alertsReversal},
		{"A1 a repeat tells what the first answer told", alertsReplay},
		{"A1 500 debits at once across one threshold: one entry tells of it", alertsRace},
		{"A1 a transfer tells of what it crosses at both ends", alertsOfTransfers},
		{"N5 thresholds of a wallet's own are in the trail, once", alertsTrail},
	}
}

// byDefault gives a request thresholds of the business.
func byDefault(alerts ledger.Alerts) option {
	return func(r *ledger.PostRequest) { r.DefaultAlerts = alerts }
}

// setAlerts gives a wallet thresholds of its own, or with none takes them away.
func (w *world) setAlerts(c ledger.Customer, thresholds ...ledger.Threshold) ledger.Customer {
	w.Helper()
	return w.changeAlerts(ledger.AlertsRequest{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Thresholds: thresholds})
}

func (w *world) changeAlerts(r ledger.AlertsRequest) ledger.Customer {
	w.Helper()
	r.By = ledger.Actor{KeyID: "key_alerts"}
	changed, _, err := w.book.SetAlerts(w.Context(), r, nil)
	if err != nil {
		w.Fatalf("set alerts %v: got error %v, want none", r.Thresholds, err)
	}
	return changed
}

// told posts a request and checks what its entry says of thresholds.
func (w *world) told(want ledger.Standings, r ledger.PostRequest) ledger.Change {
	w.Helper()
	change := w.post(r)
	if got := change.Entry.Alerts; got != want {
		w.Errorf("%s of %d to %d available: got alerts %q, want %q",
			r.Direction, r.Amount, change.Entry.Available, got, want)
	}
	return change
}

func alertsOnce(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500})
	w.told("500:500:armed", credit(c, 1000))
	w.told("", debit(c, 500)) // 500 is not below 500
	w.told("500:500:low!", debit(c, 1))
	w.told("", debit(c, 100))
	w.told("", debit(c, 100))
	w.told("500:500:armed!", credit(c, 201))
	w.told("", credit(c, 1))
	w.told("", debit(c, 1))
	w.told("500:500:low!", debit(c, 500))
	w.history(c)
}

// alertsOfTransfers has thresholds that no credit or debit has put in force.
func alertsOfTransfers(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 1000))
	w.post(credit(to, 100))
	w.setAlerts(to, ledger.Threshold{Below: 500, RecoverAt: 500})
	r := sending(from, to, 600)
	r.DefaultAlerts = "USD\t500:500\n"
	sent := w.transfer(r)
	w.same("at the source", ledger.Standings("500:500:low!"), sent.Change.Entry.Alerts)
	w.same("at the destination", ledger.Standings("500:500:armed"), w.history(to).Entries[1].Alerts)
	w.transfer(sending(to, from, 300))
	w.same("at the other source", ledger.Standings("500:500:low!"), w.history(to).Entries[2].Alerts)
	w.same("of the business, at the other destination", ledger.Standings("500:500:armed!"), w.history(from).Entries[2].Alerts)
}

func alertsHysteresis(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700})
	w.told("500:700:armed", credit(c, 600))
	w.told("500:700:low!", debit(c, 101))
	for range 5 {
		w.told("", credit(c, 200)) // 699
		w.told("", debit(c, 200))
	}
	w.told("500:700:armed!", credit(c, 201)) // 700
	for range 5 {
		w.told("", debit(c, 200)) // 500
		w.told("", credit(c, 200))
	}
	w.told("500:700:low!", debit(c, 201))
	w.history(c)
}

func alertsSeveral(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 1, RecoverAt: 1}, ledger.Threshold{Below: 500, RecoverAt: 900},
		ledger.Threshold{Below: 1000, RecoverAt: 1000})
	w.told("1:1:armed 500:900:armed 1000:1000:armed", credit(c, 2000))
	w.told("1:1:armed 500:900:low! 1000:1000:low!", debit(c, 1501))
	w.told("1:1:armed 500:900:armed! 1000:1000:low", credit(c, 401))
	w.told("1:1:low! 500:900:low! 1000:1000:low", debit(c, 900))
	w.told("1:1:armed! 500:900:armed! 1000:1000:armed!", credit(c, 1000))
	w.history(c)
}

func alertsOwn(w *world) {
	business := byDefault("USD\t500:500\n")
	c, other := w.customer(), w.customer()
	w.told("500:500:armed", credit(c, 1000, business))
	w.told("", credit(c, 1000, in("INR"), business))
	w.setAlerts(c, ledger.Threshold{Below: 100, RecoverAt: 100})
	w.told("100:100:armed", debit(c, 600, business))
	w.told("500:500:armed", credit(other, 1000, business))
	w.told("500:500:low!", debit(other, 600, business))
	w.setAlerts(c)
	w.told(ledger.NoStandings, debit(c, 100, business))
	w.told("", debit(c, 300, business))
	w.changeAlerts(ledger.AlertsRequest{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Drop: true})
	w.told("500:500:armed", credit(c, 1000, business)) // unarmed before, and not low: nobody has said so
	w.told("500:500:low!", debit(c, 900, business))
	w.told(ledger.NoStandings, credit(c, 1)) // the business has none any more
	w.history(c)
	w.history(other)
}

func alertsNew(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700}, ledger.Threshold{Below: 2000, RecoverAt: 2000})
	w.told("500:700:low! 2000:2000:unarmed", debit(c, 600))
	w.told("500:700:armed! 2000:2000:armed", credit(c, 1600))
	w.told("500:700:armed 2000:2000:low!", debit(c, 1))
	w.history(c)
}

func alertsChanged(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500}, ledger.Threshold{Below: 800, RecoverAt: 800})
	w.told("500:500:low! 800:800:low!", debit(c, 600))
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700})
	w.told("500:700:low", credit(c, 200)) // 600, which is enough no more
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700}, ledger.Threshold{Below: 800, RecoverAt: 800})
	w.told("500:700:armed! 800:800:unarmed", credit(c, 150)) // 750
	w.told("500:700:armed 800:800:armed", credit(c, 50))
	w.history(c)
}

func alertsUnarmed(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700})
	w.told("500:700:unarmed", credit(c, 100))
	w.told("", debit(c, 50))
	w.told("", credit(c, 449))
	w.told("500:700:armed", credit(c, 1)) // 500, so that what is spent of it is told
	w.told("500:700:low!", debit(c, 1))
	w.history(c)
}

func alertsExpiry(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500})
	w.post(credit(c, 100))
	w.told("500:500:armed", credit(c, 900, expires(w.clock.Now().Add(time.Hour))))
	w.clock.Move(time.Hour)
	if n, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 10); n != 1 || err != nil {
		w.Fatalf("sweep: got %d entries and error %v, want 1", n, err)
	}
	h := w.history(c)
	if got := h.Entries[len(h.Entries)-1].Alerts; got != "500:500:low!" {
		w.Errorf("the sweep's entry: got alerts %q, want the wallet low", got)
	}
	w.told("", debit(c, 100))
	w.history(c)

	// Whoever posts before the sweep tells of it instead, and only once.
	late := w.customer()
	w.setAlerts(late, ledger.Threshold{Below: 500, RecoverAt: 500})
	w.post(credit(late, 100))
	w.told("500:500:armed", credit(late, 900, expires(w.clock.Now().Add(time.Hour))))
	w.clock.Move(time.Hour)
	w.told("500:500:low!", debit(late, 1))
	if n, err := w.book.Sweep(w.Context(), walletIn(late, "USD"), w.clock.Now(), 10); n != 1 || err != nil {
		w.Fatalf("sweep: got %d entries and error %v, want 1", n, err)
	}
	h = w.history(late)
	w.same("alerts of the sweep", ledger.Standings(""), h.Entries[len(h.Entries)-1].Alerts)
}

func alertsReversal(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700})
	w.told("500:700:armed", credit(c, 1000))
	taken := w.told("500:700:low!", debit(c, 600))
	change, err := w.book.Reverse(w.Context(), ledger.ReverseRequest{
		Tenant: c.Tenant, CustomerID: c.ID, EntryID: taken.Entry.ID, CreatedBy: "key_test",
	})
	w.wantCode(err, "")
	w.same("alerts of the reversal", ledger.Standings("500:700:armed!"), change.Entry.Alerts)
	w.history(c)
}

func alertsReplay(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500})
	w.post(credit(c, 1000))
	first := w.told("500:500:low!", debit(c, 600, withKey("k")))
	w.post(credit(c, 1000))
	w.setAlerts(c)
	w.replay(first, debit(c, 600, withKey("k")))
	h := w.history(c)
	w.same("alerts of the entry", ledger.Standings("500:500:low!"), h.Entries[1].Alerts)
}

// alertsRace sends debits of 1 from many hands over thresholds; who has crossed
// one is one of them.
func alertsRace(w *world) {
	const debits = 500
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 100, RecoverAt: 400}, ledger.Threshold{Below: 300, RecoverAt: 300})
	w.post(credit(c, debits))
	together(debits, func(int) {
		if _, err := w.book.Post(w.Context(), debit(c, 1)); err != nil {
			w.Errorf("debit: got error %v, want none", err)
		}
	})
	crossed := map[money.Amount]string{}
	for _, e := range w.history(c).Entries {
		if strings.Contains(string(e.Alerts), "!") {
			crossed[e.Available] += string(e.Alerts)
		}
	}
	w.same("crossings by what is available", map[money.Amount]string{
		299: "100:400:armed 300:300:low!", 99: "100:400:low! 300:300:low",
	}, crossed)
}

func alertsTrail(w *world) {
	c := w.customer()
	threshold := ledger.Threshold{Below: 500, RecoverAt: 700}
	changed := w.setAlerts(c, threshold)
	w.same("alerts", ledger.Alerts("USD\t500:700\n"), changed.Alerts)
	w.unchanged(func() { w.setAlerts(c, threshold) }, c)
	inr := ledger.AlertsRequest{Tenant: c.Tenant, CustomerID: c.ID, Currency: "INR"}
	w.same("alerts with none in INR", ledger.Alerts("INR\t\nUSD\t500:700\n"), w.changeAlerts(inr).Alerts)
	inr.Drop = true
	w.same("alerts without INR", ledger.Alerts("USD\t500:700\n"), w.changeAlerts(inr).Alerts)
	w.unchanged(func() { w.changeAlerts(inr) }, c)
	trail := w.history(c).Audit
	var told []string
	for _, line := range trail {
		told = append(told, fmt.Sprint(line.Action, line.By.KeyID, line.Reason, line.Before, line.After))
	}
	const set = `"USD":[{"below":500,"recover_at":700}]`
	w.same("the trail", []string{
		`customer.alertskey_alerts{"alerts":{}}{"alerts":{` + set + `}}`,
		`customer.alertskey_alerts{"alerts":{` + set + `}}{"alerts":{"INR":[],` + set + `}}`,
		`customer.alertskey_alerts{"alerts":{"INR":[],` + set + `}}{"alerts":{` + set + `}}`,
	}, told)
	_, _, err := w.book.SetAlerts(w.Context(), ledger.AlertsRequest{
		Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Thresholds: []ledger.Threshold{{Below: 0, RecoverAt: 1}},
	}, nil)
	w.wantCode(err, ledger.CodeInvalidThresholds)
}
