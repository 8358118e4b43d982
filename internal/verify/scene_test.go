package verify_test

import (
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
)

// scene is the ledger that the corruptions are made in. Ann, customer 2, has:
//
//	position 1  USD seq 1  credit 1000 paid
//	position 2  USD seq 2  credit  300 promotional, expires in an hour
//	position 3  INR seq 1  credit  500 paid
//	position 4  USD seq 3  credit  200 promotional
//	position 5  USD seq 4  debit   400: all of lot 2, 100 of lot 3
//	position 6  USD seq 5  credit  700 paid, expires in two hours
//	            an hour and a half goes by
//	position 7  USD seq 6  credit   50 promotional, expires in two minutes
//	            an hour goes by: lots 5 and 6 are lost
//	position 8  USD seq 7  debit   150: 100 of lot 3, 50 of lot 1
//	position 9  USD seq 8  credit   10 paid, and so on
//
// and an audit trail: frozen in INR, renamed, unfrozen, frozen in USD.
//
// Ann's USD wallet: lot 6 with 50 and lot 5 with 700, expired; lot 1 with 950;
// and a tail of lots from 8 to 71 with 10 each.
func scene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	bob := f.customer(acmeTest, "cus_bob")
	f.mustPost(bob, with(credit(5), func(r *ledger.PostRequest) { r.IdempotencyKey = "b" }))

	ann := f.customer(acmeTest, "cus_ann")
	f.mustPost(ann, with(credit(1000), func(r *ledger.PostRequest) {
		r.IdempotencyKey, r.Reason, r.ReferenceObjectID, r.Metadata = "first", "Welcome", "ref_1", `{"a":"b"}`
	}))
	f.mustPost(ann, with(credit(300), promotional, f.expiresIn(time.Hour)))
	f.mustPost(ann, with(credit(500), func(r *ledger.PostRequest) { r.Currency = "INR" }))
	f.mustPost(ann, with(credit(200), promotional))
	f.mustPost(ann, with(debit(400), func(r *ledger.PostRequest) { r.IdempotencyKey = "second" }))
	f.mustPost(ann, with(credit(700), f.expiresIn(2*time.Hour)))
	f.now = f.now.Add(90 * time.Minute)
	f.mustPost(ann, with(credit(50), promotional, f.expiresIn(2*time.Minute)))
	f.now = f.now.Add(time.Hour)
	f.mustPost(ann, debit(150))
	for range 64 {
		f.now = f.now.Add(time.Second)
		f.mustPost(ann, credit(10))
	}

	f.mustPost(f.customer(acmeLive, "cus_ann"), credit(77)) // another Ann: modes share nothing
	f.mustPost(f.customer(zetaTest, "cus_ann"), with(credit(78), promotional))
	f.customer(zetaTest, "cus_poor") // has no wallet
	f.mustPost(bob, debit(5))        // a wallet with nothing left
	f.trail(ann)
	f.finish()
	return f
}

// trail gives a customer an audit trail of four lines.
func (f *ledgerFile) trail(c *customer) {
	f.t.Helper()
	f.freeze(c, ledger.FreezeRequest{Currency: "INR", Scope: ledger.FreezeDebits, Reason: `Zoë's "case" \\ ✓`})
	f.now = f.now.Add(time.Second)
	f.amend(c, ledger.Amend(c.state, ledger.Actor{KeyID: keyID(c.tenant)}, func(c ledger.Customer) ledger.Customer {
		c.Name, c.PhoneNumber, c.Metadata = `Ann "A" <a&b>`, "+14155552671", `{"a":"<b>"}`
		return c
	}, f.moment()))
	f.freeze(c, ledger.FreezeRequest{Lift: true, Currency: "INR", Reason: "Cleared"})
	f.freeze(c, ledger.FreezeRequest{Currency: "USD", Scope: ledger.FreezeEverything, Reason: "Review"})
}

const (
	bobNo     = 1
	annNo     = 2
	annLiveNo = 3
	annZetaNo = 4
	poorNo    = 5
)

// annAt is the number of Ann's entry at a position.
func annAt(position int) int { return position + 1 }

func with(r ledger.PostRequest, changes ...func(*ledger.PostRequest)) ledger.PostRequest {
	for _, change := range changes {
		change(&r)
	}
	return r
}

func promotional(r *ledger.PostRequest) { r.Category = ledger.Promotional }

func (f *ledgerFile) expiresIn(d time.Duration) func(*ledger.PostRequest) {
	at := f.now.Add(d)
	return func(r *ledger.PostRequest) { r.ExpiresAt = at }
}

// text asks the file for one text.
func (f *ledgerFile) text(query string) (text string) {
	f.t.Helper()
	err := sqlitex.Execute(f.conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		text = stmt.ColumnText(0)
		return nil
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}
