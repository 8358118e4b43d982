package verify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/verify"
)

// openLots gives a customer many lots at once, every second one with an expiry.
// It does what post does, without a look at all lots for each credit.
func (f *ledgerFile) openLots(c *customer, n int) {
	f.t.Helper()
	w := &wallet{
		state:   ledger.Wallet{Tenant: c.tenant, CustomerID: c.id, Currency: "USD"},
		touched: make(map[int64]bool),
	}
	c.wallets["USD"] = w
	for i := range n {
		e := ledger.Entry{
			Tenant:     c.tenant,
			CustomerID: c.id,
			Currency:   "USD",
			Position:   c.chain.Position + 1,
			Seq:        w.state.Seq + 1,
			Direction:  ledger.Credit,
			Amount:     10,
			Before:     w.state.Balance,
			After:      w.state.Balance + 10,
			Available:  w.state.Balance + 10,
			EventType:  ledger.EventMerchantAdjustment,
			Account:    ledger.AccountMerchant,
			Category:   ledger.Paid,
			Metadata:   "{}",
			CreatedBy:  keyID(c.tenant),
			CreatedAt:  f.now,
		}
		e.ID = ledger.EntryID(e.CreatedAt, e.Position, uint64(i))
		if i%2 == 1 {
			// Later credits expire sooner, so that the order of spending is
			// not that of the entries.
			e.ExpiresAt = f.now.Add(time.Duration(2*n-i) * time.Minute)
		}
		e.Hash = e.ChainHash(c.chain.Hash)
		f.entries++
		f.insertEntry(c, w, &e)
		c.chain = ledger.Chain{Position: e.Position, Hash: e.Hash, LastAt: e.CreatedAt}
		c.last, w.last, w.lastNo = f.entries, e, f.entries
		w.entries = append(w.entries, e)
		w.state.Seq, w.state.Balance = e.Seq, e.After
		w.state.Lots = append(w.state.Lots, ledger.Lot{
			Seq: e.Seq, Category: e.Category, ExpiresAt: e.ExpiresAt, Remaining: e.Amount,
		})
	}
	slices.SortFunc(w.state.Lots, ledger.CompareLots)
	f.markLots(c, w, 0, f.now)
}

func TestAWalletMayHaveVeryManyLots(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	f.exec(`begin`)
	c := f.customer(acmeTest, "cus_saver")
	f.openLots(c, 100_000)
	f.mustPost(c, debit(200_005)) // 20,000 of the lots that expire, and half of one
	f.now = f.now.Add(100_000 * time.Minute)
	f.mustPost(c, debit(money.Amount(5)))
	f.finish()
	f.exec(`commit`)
	if got := run(t, verify.Options{Path: f.path}); !got.Clean() || got.Entries != 100_002 {
		t.Errorf("got %d entries and findings %q, want 100002 and none", got.Entries, got.Findings)
	}

	f.corrupt(`update wallets set balance = balance - 10, paid_sum = paid_sum - 10`)
	got := run(t, verify.Options{Path: f.path})
	want := corruption{law: "L1", customer: "cus_saver", position: 100_002}
	if !want.found(got) {
		t.Errorf("got findings %q, want law L1 at the wallet's end", got.Findings)
	}
}

// TestAWalletThatIsAllWrongIsGivenUp keeps a ledger with wrong lots from being
// verified for hours.
func TestAWalletThatIsAllWrongIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	f.exec(`begin`)
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, credit(2000))
	f.mustPost(c, credit(2000))
	for range 1100 {
		f.mustPost(c, debit(1))
	}
	f.finish()
	f.exec(`commit`)
	f.corrupt(`update ledger_entries set allocations = X'0201' where not is_credit`)
	got := run(t, verify.Options{Path: f.path})
	i := slices.IndexFunc(got.Findings, func(f verify.Finding) bool { return f.Law == verify.LawSpendOrder })
	if i < 0 || got.Findings[i].Count != 1001 || got.Findings[i].Position != 3 {
		t.Errorf("got findings %q, want law L2 1001 times, first at position 3", got.Findings)
	}
}
