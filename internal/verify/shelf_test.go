package verify_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/verify"
)

// shelfScene has one customer with lots of which only the first is written out in the
// wallet's row:
//
//	positions 1 to 5  credits of 100 that expire in one to five hours
//	position 6        debit   130: all of lot 1, 30 of lot 2
//	                  three and a half hours go by: lots 2 and 3 are lost
//	position 7        credit   10
//
// So the row has lot 2 with 70 and lot 7, and the others are in wallet_lots: lot 3, which
// has expired, 4 and 5. Another customer has no wallet.
func shelfScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	f.inRow = 1
	c := f.customer(acmeTest, "cus_ann")
	for n := range 5 {
		f.mustPost(c, with(credit(100), f.expiresIn(time.Duration(n+1)*time.Hour)))
	}
	f.mustPost(c, debit(130))
	f.now = f.now.Add(210 * time.Minute)
	f.mustPost(c, credit(10))
	f.customer(acmeTest, "cus_poor")
	f.finish()
	return f
}

var shelfCorruptions = []corruption{
	{name: "lot of another customer", column: "wallet_lots.customer", do: setShelved("customer", "2"), law: "L1", customer: "cus_poor"},
	{name: "lot in another currency", column: "wallet_lots.currency", do: setShelved("currency", "'EUR'"), law: "L1", customer: ann},
	{name: "lot that expires later", column: "wallet_lots.expires_at", do: setShelved("expires_at", "expires_at + 1"), law: "L1", position: 7},
	{name: "lot of the other category", column: "wallet_lots.category", do: setShelved("category", "0"), law: "L1", position: 7},
	{name: "lot of no category", column: "wallet_lots.category", do: setShelved("category", "2"), law: "L1", position: 7},
	{name: "lot of another credit", column: "wallet_lots.seq", do: setShelved("seq", "40"), law: "L1", position: 7},
	{name: "lot with more left", column: "wallet_lots.remaining", do: setShelved("remaining", "remaining + 1"), law: "L1", position: 7},
	{name: "money moved from shelved lot to shelved lot", column: "wallet_lots.remaining",
		do: `update wallet_lots set remaining = remaining + 9 - 18 * (seq = 5) where seq in (4, 5)`, law: "L1", position: 7},
	{name: "shelved lot gone", do: `delete from wallet_lots where seq = 4`, law: "L1", position: 7},
	{name: "shelved lot gone, and its sum", do: `delete from wallet_lots where seq = 4;
		update wallets set shelved_sum = shelved_sum - 100`, law: "L1", position: 7, quick: true},
	{name: "shelved lot twice", do: `insert into wallet_lots select customer, currency, expires_at + 1, category, seq, remaining
		from wallet_lots where seq = 4`, law: "L1", position: 7},
	{name: "swept lot on the shelf", do: `insert into wallet_lots select customer, currency, expires_at - 7200000000, category, 1, 100
		from wallet_lots where seq = 3`, law: "L2", position: 7},
	{name: "lot that was spent since", do: `update wallet_lots set remaining = 200 where seq = 4; delete from wallet_lots where seq = 5`, law: "L1", position: 7},
	{name: "no lot that can expire in the row", do: `update wallets set lots = substr(lots, 12), shelved_sum = shelved_sum + 70,
		lapsed_sum = lapsed_sum + 70; insert into wallet_lots select customer, currency, expires_at - 3600000000, category, 2, 70
		from wallet_lots where seq = 3`, law: "L2", position: 7},
	{name: "sum of the shelf", column: "wallets.shelved_sum", do: `update wallets set shelved_sum = shelved_sum + 1`, law: "L1", position: 7, quick: true},
	{name: "sum of what has lapsed", column: "wallets.lapsed_sum", do: `update wallets set lapsed_sum = lapsed_sum + 1`, law: "L1", position: 7},
	{name: "nothing has lapsed", column: "wallets.lapsed_sum", do: `update wallets set lapsed_sum = 0`, law: "L1", position: 7},
	{name: "lapsed at another time", column: "wallets.lapsed_at", do: `update wallets set lapsed_at = lapsed_at + 3600000000`, law: "L1", position: 7},
	{name: "more has lapsed than there is", column: "wallets.lapsed_sum", do: `update wallets set lapsed_sum = shelved_sum + 1`, law: "L1", position: 7, quick: true},
}

// setShelved changes a column of lot 4.
func setShelved(column, value string) string {
	return "update wallet_lots set " + column + " = " + value + " where seq = 4"
}

func TestShelvedLotsAreSound(t *testing.T) {
	t.Parallel()
	f := shelfScene(t)
	if shelved := f.text(`select group_concat(seq || ':' || remaining) from wallet_lots`); shelved != "3:100,4:100,5:100" {
		t.Errorf("got shelved lots %s, want 3, 4 and 5 with 100 each", shelved)
	}
	wantClean(t, f.path)
	f.close()
	if got := patrolRound(t, f.path); !got.Clean() {
		t.Errorf("patrol: got findings %q, want none", got.Findings)
	}
}

func TestEachCorruptionOfShelvedLotsIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range shelfCorruptions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := shelfScene(t)
			f.exec(`pragma ignore_check_constraints = on`)
			f.corrupt(c.do)
			if c.customer == "" {
				c.customer = ann
			}
			if report := run(t, verify.Options{Path: f.path}); !c.found(report) {
				t.Errorf("got findings %q, want law %s at position %d", report.Findings, c.law, c.position)
			}
			quick := run(t, verify.Options{Path: f.path, Quick: true})
			if found := c.found(quick); found != c.quick {
				t.Errorf("quick run: got findings %q, want the same finding: %v", quick.Findings, c.quick)
			}
		})
	}
}
