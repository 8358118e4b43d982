package verify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/verify"
)

// reverse undoes so much of the entry at a seq of a wallet in USD by the rules,
// with the file's grace period and debts if it allows them,
// and stores the entry. It returns the refusal, if it is one.
func (f *ledgerFile) reverse(c *customer, seq int64, amount money.Amount) error {
	f.t.Helper()
	w := c.wallets["USD"]
	undone := ledger.Reversible{Entry: w.entries[seq-1]}
	for _, part := range undone.Entry.Allocations {
		if part.LotSeq == ledger.LoanLot {
			continue // of a reversal, which nothing undoes
		}
		credit := w.entries[part.LotSeq-1]
		undone.Lots = append(undone.Lots, ledger.Lot{Seq: credit.Seq, Category: credit.Category, ExpiresAt: credit.ExpiresAt})
	}
	snapshot := ledger.Snapshot{Customer: ledger.Customer{Tenant: c.tenant, ID: c.id}, Chain: c.chain, Wallet: w.state}
	for _, e := range w.entries {
		if e.Reverses == undone.Entry.ID && e.Account != ledger.AccountDebt {
			snapshot.Reversed += e.Amount
		}
	}
	r := ledger.ReverseRequest{
		EntryID: undone.Entry.ID, Amount: &amount, Grace: f.grace, AllowDebt: f.debts, CreatedBy: f.creator(c),
		ReferenceObjectID: f.about,
	}
	change, err := ledger.Reverse(snapshot, &r, &undone, f.moment())
	if err == nil {
		f.keep(c, w, change)
	}
	return err
}

func (f *ledgerFile) mustReverse(c *customer, seq int64, amount money.Amount) {
	f.t.Helper()
	if err := f.reverse(c, seq, amount); err != nil {
		f.t.Fatal(err)
	}
}

// undoneScene has one customer with a wallet in USD:
//
//	position 1  credit 500 promotional, expires in an hour
//	position 2  credit 300
//	position 3  credit 200
//	position 4  debit  900: 500 of lot 1, 300 of lot 2, 100 of lot 3
//	position 5  reversal of 150 of it: 50 to lot 2, 100 to lot 3
//	position 6  debit  40 of lot 2
//	            two hours go by
//	position 7  reversal of 400 of the first: 150 to lot 1, which has expired, 250 to lot 2
//	position 8  expiry entry of lot 1: 150
//	position 9  reversal of the last 350 of it to lot 1
//	position 10 expiry entry of lot 1: 350
func undoneScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, with(credit(500), promotional, f.expiresIn(time.Hour)))
	f.mustPost(c, credit(300))
	f.mustPost(c, credit(200))
	f.mustPost(c, debit(900))
	f.mustReverse(c, 4, 150)
	f.mustPost(c, debit(40))
	f.now = f.now.Add(2 * time.Hour)
	f.mustReverse(c, 4, 400)
	f.mustReverse(c, 4, 350)
	if f.sweep(c) {
		t.Fatal("want nothing left to be swept")
	}
	f.finish()
	return f
}

func TestReversalsAreSound(t *testing.T) {
	t.Parallel()
	f := undoneScene(t)
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries != 10 {
		t.Errorf("got %d entries and findings %q, want 10 and none", report.Entries, report.Findings)
	}
	if quick := run(t, verify.Options{Path: f.path, Quick: true}); !quick.Clean() {
		t.Errorf("quick run: got findings %q, want none", quick.Findings)
	}
	for _, account := range report.Accounts {
		want := map[string]string{"wallets": "460", "breakage": "500", "promotion": "-500", "merchant": "-460"}[account.Account]
		if account.Sum != want {
			t.Errorf("account %s: got %s, want %q", account.Account, account.Sum, want)
		}
	}
}

// What is wrong with a reversal is law L5, whatever else it breaks.
func TestReversalsThatBreakTheirLaw(t *testing.T) {
	t.Parallel()
	set := func(no int, column, value string) string {
		return fmt.Sprintf(`update ledger_entries set %s = %s where no = %d;`, column, value, no)
	}
	for name, c := range map[string]struct {
		do  string
		law verify.Law
		at  int64
	}{
		"to other lots":           {set(5, "allocations", "X'01960101'"), "M6", 5},
		"the first lot first":     {set(5, "allocations", "X'019601'"), "L5", 5},
		"parts in another order":  {set(5, "allocations", "X'03640232'"), "L5", 5},
		"more than was taken":     {set(9, "amount", "351") + set(9, "allocations", "X'01DF02'"), "L5", 9},
		"of an entry of nobody":   {set(5, "reverses", "'cwt_000000000000000000000'"), "L5", 5},
		"of a credit":             {set(5, "reverses", "(select id from ledger_entries where no = 2)"), "L5", 5},
		"of an expiry entry":      {set(9, "reverses", "(select id from ledger_entries where no = 8)"), "L5", 9},
		"of a later debit":        {set(5, "reverses", "(select id from ledger_entries where no = 6)"), "L5", 5},
		"with a category":         {set(5, "category", "'paid'"), "L5", 5},
		"with an expiry":          {set(5, "expires_at", "created_at + 1"), "L5", 5},
		"as a debit":              {set(5, "is_credit", "0"), "L5", 5},
		"of another account":      {set(5, "account", "'cash'"), "M1", 5},
		"of another event type":   {set(5, "event_type", "'dispute_reversal'"), "L5", 5},
		"taken for a new lot":     {set(5, "reverses", "null"), "M4", 5},
		"an empty text":           {set(1, "reverses", "''"), "M6", 1},
		"more available than is":  {set(9, "available", "after_balance"), "O1", 9},
		"not written off at once": {set(8, "allocations", "X'029601'"), "L5", 8},
		"written off as a debit":  {set(8, "account", "'merchant'"), "L5", 8},
		"a debit in the disguise": {set(6, "reverses", "(select id from ledger_entries where no = 4)"), "L5", 6},
	} {
		t.Run(name, func(t *testing.T) {
			breaks(t, undoneScene, corruption{do: c.do, law: c.law, customer: ann, position: c.at})
		})
	}
}

// takenBackScene has one customer with a wallet in USD:
//
//	position 1  credit 500 promotional
//	position 2  credit 300, expires in an hour
//	position 3  credit 200
//	position 4  reversal of 120 of the first
//	position 5  reversal of 100 of the second
//	position 6  debit  350: 200 of lot 2, 150 of lot 1
//	position 7  reversal of 30 of the first
//	position 8  reversal of the debit: 200 to lot 2, 150 to lot 1
//	position 9  reversal of 200 of the second
//	position 10 reversal of 200 of the third
//	position 11 reversal of 350 of the first
//	position 12 credit 300
//	position 13 reversal of 50 of it, which leaves 250 that need not be written out
func takenBackScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, with(credit(500), promotional))
	f.mustPost(c, with(credit(300), f.expiresIn(time.Hour)))
	f.mustPost(c, credit(200))
	f.mustReverse(c, 1, 120)
	f.mustReverse(c, 2, 100)
	f.mustPost(c, debit(350))
	f.mustReverse(c, 1, 30)
	f.mustReverse(c, 6, 350)
	f.mustReverse(c, 2, 200)
	f.mustReverse(c, 3, 200)
	f.mustReverse(c, 1, 350)
	f.mustPost(c, credit(300))
	f.mustReverse(c, 12, 50)
	f.finish()
	return f
}

func TestReversalsOfCreditsAreSound(t *testing.T) {
	t.Parallel()
	f := takenBackScene(t)
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries != 13 {
		t.Errorf("got %d entries and findings %q, want 13 and none", report.Entries, report.Findings)
	}
	if quick := run(t, verify.Options{Path: f.path, Quick: true}); !quick.Clean() {
		t.Errorf("quick run: got findings %q, want none", quick.Findings)
	}
	for _, account := range report.Accounts {
		if want := map[string]string{"wallets": "250", "merchant": "-250"}[account.Account]; account.Sum != want {
			t.Errorf("account %s: got %s, want %q", account.Account, account.Sum, want)
		}
	}
}

func TestReversalsOfCreditsThatBreakTheirLaw(t *testing.T) {
	t.Parallel()
	set := func(no int, column, value string) string {
		return fmt.Sprintf(`update ledger_entries set %s = %s where no = %d;`, column, value, no)
	}
	for name, c := range map[string]struct {
		do  string
		law verify.Law
		at  int64
	}{
		"from another lot":         {set(4, "allocations", "X'0278'"), "L5", 4},
		"from another, too":        {set(9, "allocations", "X'01640264'"), "L5", 9},
		"from no lot":              {set(4, "allocations", "null"), "M6", 4},
		"less than it says":        {set(4, "allocations", "X'0177'"), "L5", 4},
		"more than was given":      {set(11, "amount", "351") + set(11, "allocations", "X'01DF02'"), "L5", 11},
		"more than the lot has":    {set(7, "amount", "231") + set(7, "allocations", "X'01E701'"), "L5", 7},
		"after it has expired":     {set(9, "created_at", "created_at + 7200000000"), "L5", 9},
		"of another credit":        {set(10, "reverses", "(select id from ledger_entries where no = 1)"), "L5", 10},
		"of a later credit":        {set(10, "reverses", "(select id from ledger_entries where no = 12)"), "L5", 10},
		"of another reversal":      {set(10, "reverses", "(select id from ledger_entries where no = 8)"), "L5", 10},
		"with a category":          {set(4, "category", "'promotional'"), "L5", 4},
		"of another account":       {set(4, "account", "'merchant'"), "M1", 4},
		"of another event type":    {set(4, "event_type", "'refund_reversal'"), "L5", 4},
		"as a credit":              {set(4, "is_credit", "1"), "L5", 4},
		"a debit of promotion":     {set(6, "account", "'promotion'"), "M1", 6},
		"the tail has all of it":   {`update wallets set paid_sum = 300`, "L1", 13},
		"the wallet has it as new": {`update wallets set paid_sum = 0, paid_from = 0, lots = X'0C0100AC02'`, "L1", 13},
	} {
		t.Run(name, func(t *testing.T) {
			breaks(t, takenBackScene, corruption{do: c.do, law: c.law, customer: ann, position: c.at})
		})
	}
}

// graceScene has one customer with a wallet in USD:
//
//	position 1  credit 500 promotional, expires in an hour
//	position 2  credit 300, expires in an hour
//	position 3  credit 200
//	position 4  debit  900: 500 of lot 1, 300 of lot 2, 100 of lot 3
//	            two hours go by
//	position 5  reversal of 850 of it: 450 to lot 1, 300 to lot 2, 100 to lot 3
//	position 6  debit  450 of lot 1, which reversal 5 gave it after it had expired
//	position 7  credit 450 promotional that brings it back, expires in a day
//	position 8  debit  300 of lot 2
//	position 9  credit 300 that brings it back, expires in a day
//	position 10 debit  460: 450 of lot 7, 10 of lot 9
func graceScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, with(credit(500), promotional, f.expiresIn(time.Hour)))
	f.mustPost(c, with(credit(300), f.expiresIn(time.Hour)))
	f.mustPost(c, credit(200))
	f.mustPost(c, debit(900))
	f.now = f.now.Add(2 * time.Hour)
	f.grace = 24 * time.Hour
	f.mustReverse(c, 4, 850)
	f.mustPost(c, debit(460))
	f.finish()
	return f
}

func TestGracePeriodsAreSound(t *testing.T) {
	t.Parallel()
	f := graceScene(t)
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries != 10 {
		t.Errorf("got %d entries and findings %q, want 10 and none", report.Entries, report.Findings)
	}
	if quick := run(t, verify.Options{Path: f.path, Quick: true}); !quick.Clean() {
		t.Errorf("quick run: got findings %q, want none", quick.Findings)
	}
	for _, account := range report.Accounts {
		want := map[string]string{"wallets": "490", "promotion": "-500", "merchant": "10"}[account.Account]
		if account.Sum != want {
			t.Errorf("account %s: got %s, want %q", account.Account, account.Sum, want)
		}
	}
}

func TestGracePeriodsThatBreakTheirLaw(t *testing.T) {
	t.Parallel()
	set := func(no int, column, value string) string {
		return fmt.Sprintf(`update ledger_entries set %s = %s where no = %d;`, column, value, no)
	}
	for name, c := range map[string]struct {
		do  string
		law verify.Law
		at  int64
	}{
		"less than was given back":  {set(6, "amount", "449") + set(6, "allocations", "X'01C103'"), "L5", 6},
		"of another lot":            {set(6, "allocations", "X'02C203'"), "L5", 6},
		"brings back more":          {set(7, "amount", "451"), "L5", 7},
		"brings back another kind":  {set(7, "category", "'paid'"), "L5", 7},
		"of another debit":          {set(7, "reverses", "(select id from ledger_entries where no = 4)"), "L5", 7},
		"never expires":             {set(7, "expires_at", "0"), "L5", 7},
		"expires before it is made": {set(7, "expires_at", "created_at"), "L3", 7},
		"against another account":   {set(8, "account", "'cash'"), "M1", 8},
		"under a key":               {set(9, "idempotency_key", "'k'"), "L5", 9},
		"asked for by somebody":     {set(6, "created_by", "'key_bus_acme_test'"), "L5", 6},
		"for another reason":        {set(8, "reason", "null"), "L5", 8},
		"out of nothing":            {set(4, "created_by", "'system'") + set(4, "reason", "'Given back after expiry'"), "L5", 4},
		"with allocations":          {set(9, "allocations", "X'02AC02'"), "M6", 9},
	} {
		t.Run(name, func(t *testing.T) {
			breaks(t, graceScene, corruption{do: c.do, law: c.law, customer: ann, position: c.at})
		})
	}
}

// A reversal of very many lots is verified in a time that grows with their number,
// and not with its square.
func TestReversalOfManyLots(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	f.exec(`begin`)
	c := f.customer(acmeTest, "cus_ann")
	for n := range 2000 {
		f.mustPost(c, with(credit(10), f.expiresIn(time.Duration(2+n%7)*time.Minute)))
		f.mustPost(c, credit(10))
	}
	f.mustPost(c, debit(35_000))
	f.mustReverse(c, 4001, 10_000)
	f.now = f.now.Add(5 * time.Minute)
	f.mustReverse(c, 4001, 25_000)
	for f.sweep(c) {
	}
	f.mustPost(c, debit(20_000))
	f.finish()
	f.exec(`commit`)
	report := run(t, verify.Options{Path: f.path})
	if !report.Clean() || report.Entries <= 4004 {
		t.Errorf("got %d entries and findings %q, want over 4004 and none", report.Entries, report.Findings)
	}
}
