package verify_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

// alertCorruptions are made in the ledger of [scene], where nobody has alerts.
var alertCorruptions = []corruption{
	{name: "alerts out of nowhere", column: "ledger_entries.alerts", do: setEntry(5, "alerts", "'500:500:low!'"), law: "A1", customer: ann, position: 5},
	{name: "alerts out of nowhere break the hash", column: "ledger_entries.alerts", do: setEntry(5, "alerts", "'500:500:armed'"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "no text for no alerts", column: "ledger_entries.alerts", do: setEntry(5, "alerts", "''"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "alerts end that never were", column: "ledger_entries.alerts", do: setEntry(5, "alerts", "'none'"), law: "A1", customer: ann, position: 5},
	{name: "alerts in the wallet alone", column: "wallets.alerts", do: setWallet("alerts", "'500:500:armed'"), law: "A1", customer: ann, position: 72},
	{name: "no text in the wallet for no alerts", column: "wallets.alerts", do: setWallet("alerts", "''"), law: "A1", customer: ann, position: 72},
	{name: "thresholds past the trail", column: "customers.alerts", do: setAnn("alerts", "'USD' || char(9) || '500:500' || char(10)"), law: "N5", customer: ann, position: 4},
	{name: "no thresholds of one's own past the trail", column: "customers.alerts", do: setAnn("alerts", "'USD' || char(9) || char(10)"), law: "N5", customer: ann, position: 4},
	{name: "thresholds that do not decode", column: "customers.alerts", do: setAnn("alerts", "'USD' || char(9) || '500:400' || char(10)"), law: "N5", customer: ann, position: 4},
}

// alertScene has one customer, whose wallet in USD has thresholds of its own from
// position 2 on, below 500 with recovery at 700 and below 1000:
//
//	position 1  credit 1200
//	position 2  debit   300: low at 1000
//	position 3  debit   100
//	position 4  debit   400: low at 500
//	position 5  credit  200: 600, which is between
//	position 6  credit  100: recovered at 500
//	position 7  credit  500, expires in an hour: recovered at 1000
//	            an hour goes by
//	position 8  expiry entry: low at 1000
//	position 9  debit     1: other thresholds, below 600 alone
//	position 10 debit   100
//	position 11 credit  100: no thresholds
func alertScene(t testing.TB) *ledgerFile {
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
	f.mustPost(c, debit(300))
	f.mustPost(c, debit(100))
	f.mustPost(c, debit(400))
	f.mustPost(c, credit(200))
	f.mustPost(c, credit(100))
	f.mustPost(c, with(credit(500), f.expiresIn(time.Hour)))
	f.now = f.now.Add(time.Hour)
	if !f.sweep(c) {
		t.Fatal("nothing was swept")
	}
	set(ledger.Threshold{Below: 600, RecoverAt: 600})
	f.mustPost(c, debit(1))
	f.mustPost(c, debit(100))
	set()
	f.mustPost(c, credit(100))
	f.finish()
	return f
}

func TestAlertsAreRecomputed(t *testing.T) {
	t.Parallel()
	f := alertScene(t)
	f.close()
	wantClean(t, f.path)
}

// TestAlertsToldWrong changes what entries tell, and looks for the law alone: the
// hash of the entry is wrong as well.
func TestAlertsToldWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		position int64
		do       string
	}{
		{"a crossing is lost", 4, "alerts = null"},
		{"a crossing is lost and the standing kept", 4, "alerts = '500:700:low 1000:1000:low'"},
		{"a crossing is told twice", 3, "alerts = '500:700:armed 1000:1000:low!'"},
		{"recovered below recover_at", 5, "alerts = '500:700:armed! 1000:1000:low'"},
		{"not recovered at recover_at", 6, "alerts = null"},
		{"recovered under another bound", 6, "alerts = '500:701:armed! 1000:1000:low'"},
		{"low where enough is available", 7, "alerts = '500:700:low! 1000:1000:armed!'"},
		{"the sweep tells nothing", 8, "alerts = null"},
		{"new thresholds begin with a crossing", 9, "alerts = '600:600:low!'"},
		{"new thresholds begin low", 9, "alerts = '600:600:low'"},
		{"thresholds that nobody changed", 10, "alerts = '600:600:armed'"},
		{"thresholds in another order", 2, "alerts = '1000:1000:low! 500:700:armed'"},
		{"a threshold twice", 2, "alerts = '500:700:armed 500:700:armed 1000:1000:low!'"},
		{"a threshold written otherwise", 2, "alerts = '0500:700:armed 1000:1000:low!'"},
		{"a standing that is none", 2, "alerts = '500:700:fine 1000:1000:low!'"},
		{"unarmed by a crossing", 2, "alerts = '500:700:unarmed! 1000:1000:low!'"},
		{"a part is missing", 2, "alerts = '500:armed 1000:1000:low!'"},
		{"more than a wallet may have", 2, "alerts = '1:1:armed 2:2:armed 3:3:armed 4:4:armed 5:5:armed 6:6:armed'"},
		{"alerts go on", 11, "alerts = null"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := alertScene(t)
			f.corrupt(fmt.Sprintf(`update ledger_entries set %s where position = %d`, test.do, test.position))
			f.close()
			found := run(t, verify.Options{Path: f.path}).Findings
			if !slices.ContainsFunc(found, func(f verify.Finding) bool { return f.Law == "A1" }) {
				t.Errorf("got findings %q, want one of law A1", found)
			}
		})
	}
}
