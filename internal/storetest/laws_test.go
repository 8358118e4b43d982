package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// goodHistory is a customer with two wallets, expired money and keys.
func goodHistory(t *testing.T) History {
	t.Helper()
	w := newWorld(t, openModel)
	c := w.customer()
	w.post(credit(c, 500, withKey("k1")))
	w.post(credit(c, 300, of(ledger.Promotional), expires(epoch.Add(time.Hour))))
	w.post(credit(c, 200, expires(epoch.Add(2*time.Hour)), withKey("k2")))
	w.post(credit(c, 90, in("INR")))
	w.clock.Move(time.Hour)
	w.post(debit(c, 250))
	w.post(debit(c, 100))
	w.freeze(freezing(c, "INR", ledger.FreezeDebits))
	w.freeze(lifting(c, "INR"))
	w.freeze(freezing(c, "USD", ledger.FreezeEverything))
	return w.history(c)
}

// TestCheckLaws breaks a good history in one place at a time and wants the law
// named that was broken.
func TestCheckLaws(t *testing.T) {
	t.Parallel()
	if found := CheckLaws(goodHistory(t)); len(found) != 0 {
		t.Fatalf("a good history: got %v, want nothing", found)
	}
	for _, test := range []struct {
		what, law string
		change    func(h *History)
	}{
		{"an unknown counter account", "M1", func(h *History) { h.Entries[0].Account = "other" }},
		{"a wallet's balance", "M3", func(h *History) { h.Wallets[1].Balance++ }},
		{"a wallet's seq", "M3", func(h *History) { h.Wallets[1].Seq++ }},
		{"a wallet too many", "M3", func(h *History) { h.Wallets = append(h.Wallets, ledger.Wallet{Currency: "JPY"}) }},
		{"a wallet too few", "M3", func(h *History) { h.Wallets = h.Wallets[:1] }},
		{"before", "M4", func(h *History) { h.Entries[2].Before++ }},
		{"after", "M4", func(h *History) { h.Entries[2].After++ }},
		{"a text under the hash", "M4", func(h *History) { h.Entries[2].Reason = "edited" }},
		{"a hash", "M4", func(h *History) { h.Entries[2].Hash[31] ^= 1 }},
		{"the head of the chain", "M4", func(h *History) { h.Chain.Hash[0] ^= 1 }},
		{"the position of the chain", "M4", func(h *History) { h.Chain.Position++ }},
		{"a position", "M5", func(h *History) { h.Entries[3].Position++ }},
		{"a seq", "M5", func(h *History) { h.Entries[3].Seq++ }},
		{"an id of another position", "M5", func(h *History) { h.Entries[3].ID = ledger.EntryID(epoch, 9, 0) }},
		{"an entry left out", "M5", func(h *History) { h.Entries = slices.Delete(h.Entries, 1, 2) }},
		{"an entry twice", "M5", func(h *History) { h.Entries = slices.Insert(h.Entries, 1, h.Entries[1]) }},
		{"an amount of nothing", "M7", func(h *History) { h.Entries[0].Amount = 0 }},
		{"an amount beyond the limit", "M7", func(h *History) { h.Entries[0].Amount = 1_000_000_000_000 }},
		{"a negative balance", "M7", func(h *History) { h.Entries[4].After = -1 }},
		{"a line of the trail edited", "N5", func(h *History) { h.Audit[1].Reason = "other" }},
		{"a line of the trail left out", "N5", func(h *History) { h.Audit = slices.Delete(h.Audit, 0, 1) }},
		{"the end of the trail left out", "N5", func(h *History) { h.Audit = h.Audit[:2] }},
		{"a freeze that the trail does not tell of", "N5", func(h *History) { h.Customer.Freezes = "" }},
		{"a line of the trail before the one before", "R4", func(h *History) { h.Audit[2].CreatedAt = epoch }},
		{"what was available", "O1", func(h *History) { h.Entries[5].Available++ }},
		{"a debit beyond what is available", "O2", func(h *History) { h.Entries[4].Amount = 701 }},
		{"what a wallet owes", "O3", func(h *History) { h.Wallets[1].Debt++ }},
		{"a loan that nobody takes", "O3", func(h *History) { h.Entries[0].Account = ledger.AccountDebt }},
		{"a debt that nobody owes is paid", "O3", func(h *History) { h.Entries[4].Account = ledger.AccountDebt }},
		{"a key twice", "K1", func(h *History) { h.Entries[2].IdempotencyKey = "k1" }},
		{"an allocation's amount", "L1", func(h *History) { h.Entries[4].Allocations[0].Amount-- }},
		{"allocations on a credit", "L1", func(h *History) { h.Entries[0].Allocations = h.Entries[4].Allocations }},
		{"a category on a debit", "L1", func(h *History) { h.Entries[4].Category = ledger.Paid }},
		{"what remains of a lot", "L1", func(h *History) { h.Wallets[1].Lots[0].Remaining++ }},
		{"a lot that is missing", "L1", func(h *History) { h.Wallets[1].Lots = h.Wallets[1].Lots[1:] }},
		{"the order of allocations", "L2", func(h *History) { slices.Reverse(h.Entries[4].Allocations) }},
		{"a lot out of turn", "L2", func(h *History) { h.Entries[4].Allocations[0].LotSeq = 1 }},
		{"a lot that has expired", "L3", func(h *History) { h.Entries[4].Allocations[0].LotSeq = 2 }},
		{"a debit that says it were an expiry", "L4", func(h *History) { h.Entries[4].Account = ledger.AccountBreakage }},
		{"a credit from expired money", "M1", func(h *History) { h.Entries[2].Account = ledger.AccountBreakage }},
		{"a time before the last", "R4", func(h *History) { h.Entries[3].CreatedAt = epoch.Add(-time.Microsecond) }},
		{"another customer's entry", "N1", func(h *History) { h.Entries[3].CustomerID = "cus_other" }},
		{"another tenant's entry", "N1", func(h *History) { h.Entries[3].Tenant.Mode = ledger.Live }},
	} {
		h := goodHistory(t)
		test.change(&h)
		found := CheckLaws(h)
		if !slices.ContainsFunc(found, func(v Violation) bool { return v.Law == test.law }) {
			t.Errorf("%s: got %v, want law %s among them", test.what, found, test.law)
		}
	}
}

// TestChecked has decisions that are not pure and stores that break the
// contract of snapshots, and wants each to be reported.
func TestChecked(t *testing.T) {
	t.Parallel()
	runs := 0
	for _, test := range []struct {
		what   string
		decide ledger.Decide
	}{
		{"answers that differ", func(ledger.Snapshot) (ledger.Change, error) {
			runs++
			return ledger.Change{Entry: ledger.Entry{Seq: int64(runs)}}, errPeek
		}},
		{"refusals that differ", func(ledger.Snapshot) (ledger.Change, error) {
			runs++
			if runs%2 == 0 {
				return ledger.Change{}, errors.New("only every other time")
			}
			return ledger.Change{}, errPeek
		}},
		{"a snapshot that is changed", func(s ledger.Snapshot) (ledger.Change, error) {
			s.Wallet.Lots[0].Remaining = 0
			return ledger.Change{}, errPeek
		}},
	} {
		w := newWorld(t, openModel)
		c := w.customer()
		w.post(credit(c, 5, expires(epoch.Add(time.Hour))))
		r := &recorder{TB: t}
		store := checked{Store: w.ledger.(checked).Store, t: r}
		_, err := store.Transact(t.Context(), w.scopeOf(credit(c, 1)), test.decide)
		if err == nil || len(r.said) == 0 {
			t.Errorf("%s: got error %v and no complaint, want one", test.what, err)
		}
	}
	for what, alter := range map[string]func(s *ledger.Snapshot){
		"another customer":        func(s *ledger.Snapshot) { s.Customer.ID = "cus_other" },
		"another tenant":          func(s *ledger.Snapshot) { s.Customer.Tenant.Mode = ledger.Live },
		"another wallet":          func(s *ledger.Snapshot) { s.Wallet.Currency = "INR" },
		"another time of wallet":  func(s *ledger.Snapshot) { s.Wallet.CreatedAt = epoch },
		"money without entries":   func(s *ledger.Snapshot) { s.Wallet.Seq = 0 },
		"a seq above the chain":   func(s *ledger.Snapshot) { s.Wallet.Seq = 9 },
		"a prior of another key":  func(s *ledger.Snapshot) { s.Prior = &ledger.Entry{IdempotencyKey: "other"} },
		"lots out of order":       func(s *ledger.Snapshot) { slices.Reverse(s.Wallet.Lots) },
		"a lot of nothing":        func(s *ledger.Snapshot) { s.Wallet.Lots[0].Remaining = 0 },
		"a lot of an entry ahead": func(s *ledger.Snapshot) { s.Wallet.Lots[0].Seq = 9 },
		"too few lots":            func(s *ledger.Snapshot) { s.Wallet.Lots = s.Wallet.Lots[:1] },
	} {
		said := record(t, scenario{what, func(w *world) {
			c := w.customer()
			w.post(credit(c, 5, expires(epoch.Add(time.Hour))))
			w.post(credit(c, 5, expires(epoch.Add(2*time.Hour))))
			s := w.peek(w.scopeOf(debit(c, 10)))
			alter(&s)
			if broken := checkSnapshot(w.scopeOf(debit(c, 10, withKey("k"))), s); broken != "" {
				w.Errorf("%s", broken)
			}
		}}, openModel)
		if len(said) == 0 {
			t.Errorf("%s: got no complaint, want one", what)
		}
	}
	if broken := checkSnapshot(ledger.Scope{}, ledger.Snapshot{Prior: &ledger.Entry{}}); broken == "" {
		t.Error("a prior without a key: got no complaint, want one")
	}
}
