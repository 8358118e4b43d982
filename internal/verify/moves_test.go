package verify_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

// moveExpiry moves by the rules when a lot of a wallet in USD expires, after so
// long or never, and stores the entries. It returns the refusal, if it is one.
func (f *ledgerFile) moveExpiry(c *customer, seq int64, after time.Duration) error {
	f.t.Helper()
	w := c.wallets["USD"]
	snapshot := ledger.Snapshot{Customer: ledger.Customer{Tenant: c.tenant, ID: c.id}, Chain: c.chain, Wallet: w.state}
	r := ledger.MoveRequest{Currency: "USD", LotSeq: seq, CreatedBy: keyID(c.tenant)}
	if after != 0 {
		r.ExpiresAt = f.now.Add(after)
	}
	change, err := ledger.MoveExpiry(snapshot, &r, f.moment())
	if err == nil {
		f.keep(c, w, change)
	}
	return err
}

// drawMove moves the expiry of some lot.
func drawMove(rt *rapid.T, f *ledgerFile, c *customer) error {
	if rapid.IntRange(0, 2).Draw(rt, "move") > 0 {
		return nil
	}
	seq := rapid.IntRange(1, len(c.wallets["USD"].entries)).Draw(rt, "lot")
	after := rapid.SampledFrom([]time.Duration{0, time.Minute, 20 * time.Minute}).Draw(rt, "after")
	return f.moveExpiry(c, int64(seq), after)
}

// moveScene has one customer with a wallet in USD and a threshold of 500, which it
// must not cross in the midst of a move:
//
//	position 1    credit 500 promotional, expires in an hour
//	position 2    credit 300
//	position 3    debit  100 of lot 1
//	position 4, 5 move 400 of lot 1 to in three hours
//	              two hours go by
//	position 6, 7 move 300 of lot 2 to in an hour and a minute
//	position 8    debit  450: 400 of lot 5, 50 of lot 7
//	position 9    reversal of the first debit: 100 to lot 1, which has expired
//	position 10   expiry entry of lot 1: 100
//	position 11, 12 move 250 of lot 7 to never
func moveScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	armed := func(r *ledger.PostRequest) { r.DefaultAlerts = "USD\t500:500\n" }
	f.mustPost(c, with(credit(500), promotional, f.expiresIn(time.Hour), armed))
	f.mustPost(c, with(credit(300), armed))
	f.mustPost(c, with(debit(100), armed))
	f.must(f.moveExpiry(c, 1, 3*time.Hour))
	f.now = f.now.Add(2 * time.Hour)
	f.must(f.moveExpiry(c, 2, time.Hour+time.Minute))
	f.mustPost(c, with(debit(450), armed))
	f.mustReverse(c, 3, 100)
	f.must(f.moveExpiry(c, 7, 0))
	f.finish()
	return f
}

func TestMovesAreSound(t *testing.T) {
	t.Parallel()
	f := moveScene(t)
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries != 12 {
		t.Errorf("got %d entries and findings %q, want 12 and none", report.Entries, report.Findings)
	}
	if quick := run(t, verify.Options{Path: f.path, Quick: true}); !quick.Clean() {
		t.Errorf("quick run: got findings %q, want none", quick.Findings)
	}
	for _, account := range report.Accounts {
		want := map[string]string{"wallets": "250", "promotion": "-500", "merchant": "150", "breakage": "100"}[account.Account]
		if account.Sum != want {
			t.Errorf("account %s: got %s, want %q", account.Account, account.Sum, want)
		}
	}
}

// What is wrong with a move is law L6, but for what another law forbids of every
// entry.
func TestMovesThatBreakTheirLaw(t *testing.T) {
	t.Parallel()
	set := func(no int, column, value string) string {
		return fmt.Sprintf(`update ledger_entries set %s = %s where no = %d;`, column, value, no)
	}
	for name, c := range map[string]struct {
		do  string
		law verify.Law
		at  int64
	}{
		"a part of a lot":          {set(4, "amount", "399") + set(4, "allocations", "X'018F03'"), "L6", 4},
		"of another lot":           {set(4, "allocations", "X'029003'"), "L6", 4},
		"of two lots":              {set(4, "allocations", "X'018F030201'"), "L6", 4},
		"of a lot that is used up": {set(11, "allocations", "X'01FA01'"), "L6", 11},
		"of a lot that expired":    {set(4, "created_at", "created_at + 3600000000"), "L6", 4},
		"brings back more":         {set(5, "amount", "401"), "L6", 5},
		"brings back another kind": {set(5, "category", "'paid'"), "L6", 5},
		"to where it was":          {set(7, "expires_at", "0"), "L6", 7},
		"to what is past":          {set(5, "expires_at", "created_at"), "L3", 5},
		"of another debit":         {set(5, "reverses", "(select id from ledger_entries where no = 3)"), "L6", 5},
		"never brought back":       {set(5, "account", "'merchant'"), "L6", 5},
		"out of nothing":           {set(4, "account", "'merchant'"), "L6", 5},
		"of another event type":    {set(6, "event_type", "'refund'"), "M1", 6},
		"brought back under a key": {set(5, "idempotency_key", "'k'"), "L6", 5},
		"that reverses":            {set(4, "reverses", "(select id from ledger_entries where no = 3)"), "L6", 4},
		"with allocations":         {set(5, "allocations", "X'019003'"), "M6", 5},
		"told of a threshold":      {set(6, "alerts", "'500:500:low!'"), "A1", 6},
		"a debit of it undone":     {set(9, "reverses", "(select id from ledger_entries where no = 4)"), "L5", 9},
	} {
		t.Run(name, func(t *testing.T) {
			breaks(t, moveScene, corruption{do: c.do, law: c.law, customer: ann, position: c.at})
		})
	}
}

// The last entry of a customer is no half of a move.
func TestHalfAMoveIsFound(t *testing.T) {
	t.Parallel()
	f := moveScene(t)
	f.corrupt(`delete from ledger_entries where no = 12`)
	half := corruption{law: "L6", customer: ann, position: 11}
	if report := run(t, verify.Options{Path: f.path}); !half.found(report) {
		t.Errorf("got findings %q, want law %s at position %d", report.Findings, half.law, half.position)
	}
}

// The short form of a wallet's lots stands for whole lots only: a lot that was moved
// out of its midst ends it.
func TestTailsHaveNoHoles(t *testing.T) {
	t.Parallel()
	holed := func(t testing.TB) *ledgerFile {
		f := newLedgerFile(t)
		c := f.customer(acmeTest, "cus_ann")
		for range 3 {
			f.mustPost(c, credit(100))
		}
		f.must(f.moveExpiry(c, 2, time.Hour))
		f.finish()
		return f
	}
	f := holed(t)
	if report := run(t, verify.Options{Path: f.path}); !report.Clean() {
		t.Fatalf("got findings %q, want none", report.Findings)
	}
	f.corrupt(`update wallets set paid_from = 1, paid_sum = 200, lots = substr(lots, 1, length(lots) - 4)`)
	hole := corruption{law: "L1", customer: ann, position: 5}
	if report := run(t, verify.Options{Path: f.path}); !hole.found(report) || len(report.Findings) != 1 {
		t.Errorf("got findings %q, want law %s at position %d alone", report.Findings, hole.law, hole.position)
	}
}
