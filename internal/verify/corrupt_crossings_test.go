package verify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

// crossingScene has one customer, whose wallet in USD is made low and recovers by
// holds alone. Its own thresholds are below 500 with recovery at 700 and below 1000,
// and then others:
//
//	position 1  credit 1200
//	   event 1  hold 1 of 300: low at 1000
//	   event 2  hold 2 of 100
//	   event 3  hold 3 of 400: low at 500
//	   event 4  hold 2 is released: 500, which is between
//	position 2  capture of 50 of hold 1, the rest is given back (event 5): recovered at 500
//	            two hours go by
//	   event 6  hold 3 has expired: recovered at 1000
//	   event 7  hold 7 of 100: other thresholds, below 600 alone
//	   event 8  hold 8 of 10: no thresholds
func crossingScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	set := func(thresholds ...ledger.Threshold) {
		f.now = f.now.Add(time.Second)
		r := ledger.AlertsRequest{Currency: "USD", Thresholds: thresholds, By: ledger.Actor{KeyID: keyID(c.tenant)}}
		f.amend(c, ledger.DecideAlerts(c.state, &r, f.moment()))
	}
	f.mustPost(c, credit(1200))
	set(ledger.Threshold{Below: 500, RecoverAt: 700}, ledger.Threshold{Below: 1000, RecoverAt: 1000})
	f.must(f.hold(c, 300, time.Hour))
	f.must(f.hold(c, 100, time.Hour))
	f.must(f.hold(c, 400, time.Hour))
	f.must(f.release(c, 1))
	f.must(f.capture(c, 0, 50, true, ""))
	f.now = f.now.Add(2 * time.Hour)
	f.must(f.expireHold(c, 2))
	set(ledger.Threshold{Below: 600, RecoverAt: 600})
	f.must(f.hold(c, 100, time.Hour))
	set()
	f.must(f.hold(c, 10, time.Hour))
	f.finish()
	return f
}

func TestCrossingsOfHoldsAreRecomputed(t *testing.T) {
	t.Parallel()
	f := crossingScene(t)
	f.close()
	wantClean(t, f.path)
}

// TestCrossingsOfHoldsToldWrong changes what hold events tell. Nothing but law A1
// is broken by it, for hold events have no hash.
func TestCrossingsOfHoldsToldWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, do string }{
		{"a crossing is lost", setEvent("3", "alerts", "null")},
		{"a crossing is lost and the standing kept", setEvent("3", "alerts", "'500:700:low 1000:1000:low'")},
		{"a crossing is told twice", setEvent("2", "alerts", "'500:700:armed 1000:1000:low!'")},
		{"recovered below recover_at", setEvent("4", "alerts", "'500:700:armed! 1000:1000:low'")},
		{"told by the capture's event too", setEvent("5", "alerts", "'500:700:armed! 1000:1000:low'")},
		{"a hold that expires tells nothing", setEvent("6", "alerts", "null")},
		{"new thresholds begin with a crossing", setEvent("7", "alerts", "'600:600:low!'")},
		{"alerts go on", setEvent("8", "alerts", "null")},
		{"a threshold written otherwise", setEvent("1", "alerts", "'0500:700:armed 1000:1000:low!'")},
		{"the wallet stands elsewhere", `update wallets set alerts = '600:600:armed'`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := crossingScene(t)
			f.corrupt(test.do)
			f.close()
			found := run(t, verify.Options{Path: f.path}).Findings
			if !slices.ContainsFunc(found, func(f verify.Finding) bool { return f.Law == "A1" }) {
				t.Errorf("got findings %q, want one of law A1", found)
			}
		})
	}
}
