package verify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/verify"
)

// sweptScene has one customer with a wallet in USD:
//
//	position 1  credit 500, expires in an hour
//	position 2  credit 300, expires in an hour
//	position 3  credit 200, expires in three hours
//	position 4  credit 100
//	position 5  debit  120 of lot 1
//	            two hours go by
//	position 6  expiry entry of lot 1: 380
//	position 7  debit  250: 200 of lot 3, 50 of lot 4
//	position 8  expiry entry of lot 2: 300
func sweptScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, with(credit(500), f.expiresIn(time.Hour)))
	f.mustPost(c, with(credit(300), f.expiresIn(time.Hour)))
	f.mustPost(c, with(credit(200), f.expiresIn(3*time.Hour)))
	f.mustPost(c, credit(100))
	f.mustPost(c, debit(120))
	f.now = f.now.Add(2 * time.Hour)
	f.sweep(c)
	f.mustPost(c, debit(250))
	if !f.sweep(c) || f.sweep(c) {
		t.Fatal("want exactly two lots swept")
	}
	f.finish()
	return f
}

func TestExpiryEntriesAreSound(t *testing.T) {
	t.Parallel()
	f := sweptScene(t)
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries != 8 {
		t.Errorf("got %d entries and findings %q, want 8 and none", report.Entries, report.Findings)
	}
	if quick := run(t, verify.Options{Path: f.path, Quick: true}); !quick.Clean() {
		t.Errorf("quick run: got findings %q, want none", quick.Findings)
	}
	sums := map[string]string{}
	for _, account := range report.Accounts {
		sums[account.Account] = account.Sum
	}
	if sums["breakage"] != "680" || sums["wallets"] != "50" {
		t.Errorf("got sums %v, want 680 in breakage and 50 in wallets", sums)
	}
}

// breaks corrupts a ledger and wants what is wrong with it found.
func breaks(t *testing.T, scene func(testing.TB) *ledgerFile, c corruption) {
	t.Helper()
	t.Parallel()
	f := scene(t)
	f.corrupt(c.do)
	if report := run(t, verify.Options{Path: f.path}); !c.found(report) {
		t.Errorf("got findings %q, want law %s at position %d", report.Findings, c.law, c.position)
	}
	if report := patrolRound(t, f.path); !c.found(report) {
		t.Errorf("a patrol: got findings %q, want law %s at position %d", report.Findings, c.law, c.position)
	}
}

// What is wrong with an expiry entry is law L4, whatever else it breaks.
func TestExpiryEntriesThatBreakTheirLaw(t *testing.T) {
	t.Parallel()
	set := func(no int, column, value string) string {
		return fmt.Sprintf(`update ledger_entries set %s = %s where no = %d;`, column, value, no)
	}
	for name, c := range map[string]struct {
		do  string
		law verify.Law
		at  int64
	}{
		"a part of a lot":             {set(6, "allocations", "X'01FB02'") + set(6, "amount", "379"), "L4", 6},
		"more than a lot has":         {set(6, "allocations", "X'01FD02'") + set(6, "amount", "381"), "L4", 6},
		"two lots at once":            {set(6, "allocations", "X'01FC0202AC02'") + set(6, "amount", "680"), "L4", 6},
		"no lot":                      {set(6, "allocations", "X''"), "L4", 6},
		"a lot that has not expired":  {set(6, "allocations", "X'03C801'") + set(6, "amount", "200"), "L4", 6},
		"a lot that never expires":    {set(6, "allocations", "X'0464'") + set(6, "amount", "100"), "L4", 6},
		"a lot that was swept before": {set(8, "allocations", "X'01FC02'"), "L4", 8},
		"a lot of the future":         {set(6, "allocations", "X'09FC02'"), "L4", 6},
		"before the lot expired":      {set(6, "created_at", "created_at - 3600000001"), "L4", 6},
		"an amount of its own":        {set(6, "amount", "379"), "L4", 6},
		"under a key":                 {set(6, "idempotency_key", "'k'"), "L4", 6},
		"a category":                  {set(6, "category", "'paid'"), "L1", 6},
		"counted as spent":            {set(6, "account", "'merchant'"), "L3", 6},
		"a debit counted as breakage": {set(5, "account", "'breakage'"), "L4", 5},
		"a credit from breakage":      {set(4, "account", "'breakage'"), "M1", 4},
		"a refund as breakage":        {set(6, "event_type", "'refund'"), "M1", 6},
		"available without the lot":   {set(6, "available", "available - 380"), "O1", 6},
	} {
		t.Run(name, func(t *testing.T) {
			breaks(t, sweptScene, corruption{do: c.do, law: c.law, customer: ann, position: c.at})
		})
	}
}

// A wallet of very many lots that expire is verified in a time that grows with
// their number, and not with its square.
func TestManySweptLots(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	f.exec(`begin`)
	c := f.customer(acmeTest, "cus_ann")
	for n := range 1500 {
		f.mustPost(c, with(credit(10), f.expiresIn(time.Duration(2+n%7)*time.Minute)))
	}
	f.now = f.now.Add(5 * time.Minute)
	for f.sweep(c) {
	}
	f.finish()
	f.exec(`commit`)
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries <= 2000 {
		t.Errorf("got %d entries and findings %q, want over 2000 and none", report.Entries, report.Findings)
	}
}
