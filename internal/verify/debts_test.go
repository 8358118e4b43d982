package verify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/verify"
)

// debtScene has one customer with a wallet in USD that owes, where a business allows
// debts:
//
//	position 1  credit 500 promotional
//	position 2  credit 300, expires in an hour
//	position 3  debit  700: 300 of lot 2, 400 of lot 1
//	position 4  loan   400
//	position 5  reversal of 500 of the first: 100 of lot 1 and the loan
//	position 6  credit 150
//	position 7  recovery of 150 from it
//	            two hours go by
//	position 8  reversal of 450 of the debit: 50 to lot 2, which has expired, 400 to lot 1
//	position 9  recovery of 250 from lot 1
//	position 10 expiry entry of lot 2: 50
//	position 11 loan   300
//	position 12 reversal of 300 of the second: all of it the loan
//	position 13 credit 310
//	position 14 recovery of 300 from it
//	position 15 credit 5
func debtScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	f.debts = true
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, with(credit(500), promotional))
	f.mustPost(c, with(credit(300), f.expiresIn(time.Hour)))
	f.mustPost(c, debit(700))
	f.mustReverse(c, 1, 500)
	f.mustPost(c, credit(150))
	f.now = f.now.Add(2 * time.Hour)
	f.mustReverse(c, 3, 450)
	f.mustReverse(c, 2, 300)
	f.mustPost(c, credit(310))
	f.mustPost(c, credit(5))
	f.finish()
	return f
}

func TestDebtsAreSound(t *testing.T) {
	t.Parallel()
	f := debtScene(t)
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries != 15 {
		t.Errorf("got %d entries and findings %q, want 15 and none", report.Entries, report.Findings)
	}
	if quick := run(t, verify.Options{Path: f.path, Quick: true}); !quick.Clean() {
		t.Errorf("quick run: got findings %q, want none", quick.Findings)
	}
	for _, account := range report.Accounts {
		want := map[string]string{"wallets": "165", "breakage": "50", "merchant": "-215"}[account.Account]
		if account.Sum != want {
			t.Errorf("account %s: got %s, want %q", account.Account, account.Sum, want)
		}
	}
}

// What is wrong with a debt is law O3, but for what another law forbids of every
// entry.
func TestDebtsThatBreakTheirLaw(t *testing.T) {
	t.Parallel()
	set := func(no int, column, value string) string {
		return fmt.Sprintf(`update ledger_entries set %s = %s where no = %d;`, column, value, no)
	}
	for name, c := range map[string]struct {
		do  string
		law verify.Law
		at  int64
	}{
		"more lent than is missing":    {set(4, "amount", "401"), "O3", 5},
		"a loan that is credited":      {set(4, "account", "'merchant'"), "M6", 4},
		"a loan with a lot":            {set(4, "category", "'paid'"), "O3", 4},
		"a loan under a key":           {set(4, "idempotency_key", "'k'"), "O3", 4},
		"a loan of somebody":           {set(4, "created_by", "'key_bus_acme_test'"), "O3", 4},
		"a loan that is available":     {set(4, "available", "after_balance"), "O1", 4},
		"a loan of another event type": {set(4, "event_type", "'refund'"), "M1", 4},
		"a loan that nobody takes":     {set(5, "reverses", "null"), "O3", 5},
		"a loan that is not named":     {set(5, "allocations", "X'01F403'"), "L5", 5},
		"a loan out of nothing":        {set(12, "allocations", "X'02AC02'"), "L5", 12},
		"paid from another lot":        {set(7, "allocations", "X'019601'"), "O3", 7},
		"paid from another credit":     {set(7, "reverses", "(select id from ledger_entries where no = 1)"), "O3", 7},
		"paid in part":                 {set(9, "amount", "249") + set(9, "allocations", "X'01F901'"), "O3", 9},
		"paid by what has expired":     {set(9, "allocations", "X'023201C801'"), "O3", 9},
		"never paid":                   {set(14, "account", "'merchant'"), "O3", 14},
		"paid under a key":             {set(14, "idempotency_key", "'k'"), "O3", 14},
		"paid though nothing is owed":  {set(3, "account", "'debt'"), "O3", 3},
		"what pays is available":       {set(6, "available", "after_balance"), "O1", 6},
		"a recovery that is undone":    {set(8, "reverses", "(select id from ledger_entries where no = 7)"), "L5", 8},
		"owed less than it is":         {`update wallets set debt = 1;`, "O3", 15},
	} {
		t.Run(name, func(t *testing.T) {
			breaks(t, debtScene, corruption{do: c.do, law: c.law, customer: ann, position: c.at})
		})
	}
}

// The last entry of a customer is no loan, and no credit that has a debt to pay.
func TestHalfADebtIsFound(t *testing.T) {
	t.Parallel()
	for last, at := range map[int]int64{5: 4, 7: 6} {
		f := debtScene(t)
		f.corrupt(fmt.Sprintf(`delete from ledger_entries where no >= %d`, last))
		half := corruption{law: "O3", customer: ann, position: at}
		if report := run(t, verify.Options{Path: f.path}); !half.found(report) {
			t.Errorf("got findings %q, want law %s at position %d", report.Findings, half.law, half.position)
		}
	}
}

// A credit that paid a debt needs no storage of its own among others that nothing
// was taken from.
func TestTailsWithDebts(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	f.debts = true
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, credit(100))
	f.mustPost(c, debit(100))
	for range 3 {
		f.mustPost(c, credit(40))
	}
	f.mustReverse(c, 1, 30)
	for range 3 {
		f.mustPost(c, credit(20))
	}
	f.mustReverse(c, 8, 20)
	f.finish()
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries != 14 {
		t.Errorf("got %d entries and findings %q, want 14 and none", report.Entries, report.Findings)
	}
	f.corrupt(`update wallets set paid_sum = paid_sum + 10`)
	more := corruption{law: "L1", customer: ann, position: 14}
	if report := run(t, verify.Options{Path: f.path}); !more.found(report) {
		t.Errorf("got findings %q, want law %s at position %d", report.Findings, more.law, more.position)
	}
}
