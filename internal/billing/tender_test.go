package billing_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func TestTenders(t *testing.T) {
	t.Parallel()
	leave := billing.TenderRules{CardMinimum: 50, Below: billing.LeaveInWallet}
	charge := billing.TenderRules{CardMinimum: 50, Below: billing.ChargeMinimum}
	alone := billing.TenderRules{CardMinimum: 50, Below: billing.LeaveInWallet, LeaveWallet: true}
	for _, test := range []struct {
		name             string
		total, available money.Amount
		rules            billing.TenderRules
		want             billing.Tender
		code             ledger.Code
	}{
		{"nothing to pay", 0, 500, leave, billing.Tender{}, ""},
		{"all from the wallet", 1000, 1200, leave, billing.Tender{Wallet: 1000}, ""},
		{"just all from the wallet", 1000, 1000, charge, billing.Tender{Wallet: 1000}, ""},
		{"all by card", 1000, 0, leave, billing.Tender{Card: 1000}, ""},
		{"both", 1000, 300, leave, billing.Tender{Wallet: 300, Card: 700}, ""},
		{"a rest of just the minimum", 1000, 950, leave, billing.Tender{Wallet: 950, Card: 50}, ""},
		{"a rest one below it stays in the wallet", 1000, 951, leave, billing.Tender{Wallet: 950, Card: 50}, ""},
		{"a rest one below it is charged", 1000, 951, charge, billing.Tender{Wallet: 951, Card: 50, Surplus: 1}, ""},
		{"a rest of 1", 1000, 999, leave, billing.Tender{Wallet: 950, Card: 50}, ""},
		{"a rest of 1 is charged", 1000, 999, charge, billing.Tender{Wallet: 999, Card: 50, Surplus: 49}, ""},
		{"a total of just the minimum", 50, 20, leave, billing.Tender{Card: 50}, ""},
		{"a total below it in the wallet", 49, 49, leave, billing.Tender{Wallet: 49}, ""},
		{"a total below it not in the wallet", 49, 48, leave, billing.Tender{}, billing.CodeBelowMinimum},
		{"a total below it is charged", 49, 48, charge, billing.Tender{Wallet: 48, Card: 50, Surplus: 49}, ""},
		{"the wallet is left alone", 1000, 5000, alone, billing.Tender{Card: 1000}, ""},
		{"the wallet is left alone below the minimum", 49, 5000, alone, billing.Tender{}, billing.CodeBelowMinimum},
		{"the largest", money.EntryMax, money.BalanceMax, leave, billing.Tender{Wallet: money.EntryMax}, ""},
		{"too large", money.EntryMax + 1, 0, leave, billing.Tender{}, ledger.CodeAmountTooLarge},
		{"below zero", -1, 0, leave, billing.Tender{}, ledger.CodeAmountTooLarge},
		{"a wallet below zero", 1, -1, leave, billing.Tender{}, ledger.CodeInternal},
	} {
		got, err := billing.PlanTender(test.total, test.available, test.rules)
		if got != test.want || ledger.CodeOf(err) != test.code {
			t.Errorf("%s: got %+v, %v, want %+v, %s", test.name, got, err, test.want, test.code)
		}
	}
}

// planner is PlanTender or a mistaken one.
type planner func(total, available money.Amount, rules billing.TenderRules) (billing.Tender, error)

// tenderFault says which rule of a tender is broken, or "".
func tenderFault(plan planner, total, available money.Amount, rules billing.TenderRules) string {
	tender, err := plan(total, available, rules)
	covered := !rules.LeaveWallet && available >= total
	if err != nil {
		if covered || total >= rules.CardMinimum || rules.Below == billing.ChargeMinimum {
			return "refused what could be paid"
		}
		return ""
	}
	switch {
	case tender.Wallet+tender.Card-tender.Surplus != total:
		return "the parts do not sum to the total"
	case tender.Wallet < 0 || tender.Card < 0 || tender.Surplus < 0:
		return "a part is below zero"
	case tender.Wallet > available:
		return "the wallet has less"
	case rules.LeaveWallet && tender.Wallet > 0:
		return "the wallet was to be left alone"
	case tender.Card > 0 && tender.Card < rules.CardMinimum:
		return "the card part is below the minimum"
	case covered && tender.Card > 0:
		return "the card is charged for what the wallet covers"
	case tender.Surplus > 0 && (rules.Below != billing.ChargeMinimum || tender.Card != rules.CardMinimum):
		return "a surplus without need"
	case !rules.LeaveWallet && tender.Wallet < min(total, available) && tender.Card != rules.CardMinimum:
		return "money was left in the wallet without need"
	}
	return ""
}

// TestTendersOfSmallInvoices tries every small total, balance, minimum and rule, and
// sees that each mistake breaks one.
func TestTendersOfSmallInvoices(t *testing.T) {
	t.Parallel()
	plan := func(change func(*billing.Tender, money.Amount, billing.TenderRules)) planner {
		return func(total, available money.Amount, rules billing.TenderRules) (billing.Tender, error) {
			tender, err := billing.PlanTender(total, available, rules)
			if err == nil {
				change(&tender, total, rules)
			}
			return tender, err
		}
	}
	mistakes := []struct {
		name string
		plan planner
	}{
		{"the minimum is not looked at", func(total, available money.Amount, rules billing.TenderRules) (billing.Tender, error) {
			rules.CardMinimum = 0
			return billing.PlanTender(total, available, rules)
		}},
		{"a surplus is kept", plan(func(tender *billing.Tender, _ money.Amount, _ billing.TenderRules) { tender.Surplus = 0 })},
		{"the wallet pays although the card pays the minimum", plan(func(tender *billing.Tender, total money.Amount, _ billing.TenderRules) {
			if tender.Surplus == 0 && tender.Card > 0 {
				tender.Wallet = min(total, tender.Wallet+1)
			}
		})},
		{"the minimum is charged with nothing due", plan(func(tender *billing.Tender, _ money.Amount, rules billing.TenderRules) {
			if tender.Card == 0 {
				tender.Card, tender.Surplus = rules.CardMinimum, rules.CardMinimum
			}
		})},
		{"the wallet is used all the same", func(total, available money.Amount, rules billing.TenderRules) (billing.Tender, error) {
			rules.LeaveWallet = false
			return billing.PlanTender(total, available, rules)
		}},
		{"the card first", func(total, _ money.Amount, rules billing.TenderRules) (billing.Tender, error) {
			return billing.PlanTender(total, 0, rules)
		}},
	}
	try := func(plan planner) (cases int, fault string) {
		for _, rule := range []billing.BelowMinimum{billing.LeaveInWallet, billing.ChargeMinimum} {
			for number := range money.Amount(2 * 12 * 25 * 25) {
				rules := billing.TenderRules{LeaveWallet: number%2 == 1, CardMinimum: number / 2 % 12, Below: rule}
				cases++
				if fault := tenderFault(plan, number/24%25, number/600, rules); fault != "" {
					return cases, fault
				}
			}
		}
		return cases, ""
	}
	cases, fault := try(billing.PlanTender)
	if fault != "" {
		t.Errorf("after %d cases: %s", cases, fault)
	}
	t.Logf("%d cases", cases)
	for _, mistake := range mistakes {
		if _, fault := try(mistake.plan); fault == "" {
			t.Errorf("not noticed: %s", mistake.name)
		}
	}
}

// TestTenders of any size hold the same rules, and the wallet's part is told by
// category as a debit would take it.
func TestTendersOfAnySize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		var lots []ledger.Lot
		var available, promotional money.Amount // of what has not expired
		for seq := range rapid.Int64Range(0, 6).Draw(t, "lots") {
			lot := ledger.Lot{
				Seq: seq + 1, Remaining: money.Amount(rapid.Int64Range(1, int64(money.EntryMax)/4).Draw(t, "remaining")),
				Category: rapid.SampledFrom([]ledger.Category{ledger.Paid, ledger.Promotional}).Draw(t, "category"),
			}
			if days := rapid.IntRange(-2, 2).Draw(t, "expires"); days != 0 {
				lot.ExpiresAt = now.AddDate(0, 0, days)
			}
			lots = ledger.OpenLot(lots, lot)
			if lot.ExpiredAt(now) {
				continue
			}
			available += lot.Remaining
			if lot.Category == ledger.Promotional {
				promotional += lot.Remaining
			}
		}
		rules := billing.TenderRules{
			LeaveWallet: rapid.Bool().Draw(t, "leave"),
			CardMinimum: money.Amount(rapid.Int64Range(0, 100_000).Draw(t, "minimum")),
			Below:       rapid.SampledFrom([]billing.BelowMinimum{billing.LeaveInWallet, billing.ChargeMinimum}).Draw(t, "below"),
		}
		total := money.Amount(rapid.Int64Range(0, int64(money.EntryMax)).Draw(t, "total"))
		if rapid.Bool().Draw(t, "near") {
			total = min(available+money.Amount(rapid.Int64Range(0, 100_000).Draw(t, "more")), money.EntryMax)
		}
		if fault := tenderFault(billing.PlanTender, total, available, rules); fault != "" {
			t.Fatal(fault)
		}
		tender, err := billing.PlanTender(total, available, rules)
		if err != nil {
			return
		}
		free, paid, err := tender.Categories(lots, now)
		if err != nil || free+paid != tender.Wallet || min(free, paid) < 0 || free > promotional ||
			paid > available-promotional {
			t.Fatalf("categories: got %d and %d, %v of %d, where %d of %d are promotional", free, paid, err, tender.Wallet, promotional, available)
		}
		uncovered := billing.Tender{Wallet: available + 1}
		if _, _, err := uncovered.Categories(lots, now); ledger.CodeOf(err) != ledger.CodeInternal {
			t.Fatalf("lots that do not cover a tender: got error %v", err)
		}
	})
}
