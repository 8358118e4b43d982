package report_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/report"
)

// lots calls each with what an entry moved of the lot of a credit, which is nil for a loan.
func (n *naive) lots(e *ledger.Entry, each func(credit *ledger.Entry, amount money.Amount)) {
	signed := func(amount money.Amount) money.Amount {
		if e.Direction == ledger.Debit {
			return -amount
		}
		return amount
	}
	if e.Category != "" {
		each(e, signed(e.Amount))
		return
	}
	for _, part := range e.Allocations {
		each(n.credits[fmt.Sprint(e.CustomerID, e.Currency, part.LotSeq)], signed(part.Amount))
	}
}

// funded is when money came into the wallet: a moved lot has that of where it came from.
func (n *naive) funded(credit *ledger.Entry) time.Time {
	for credit.Reverses != "" {
		from := n.credits[fmt.Sprint(credit.CustomerID, credit.Currency, credit.Seq-1)].Allocations[0].LotSeq
		credit = n.credits[fmt.Sprint(credit.CustomerID, credit.Currency, from)]
	}
	return credit.CreatedAt.UTC()
}

// compareLots holds ageing, cohorts, breakage and balances against all entries.
func (w *world) compareLots(tenant ledger.Tenant) {
	w.Helper()
	all := w.entries(tenant)
	for range 8 {
		from := all.entries[rand.IntN(len(all.entries))].CreatedAt.Truncate(time.Microsecond)
		to := from.Add(time.Duration(1 + rand.Int64N(1e15))).Truncate(time.Microsecond).Add(time.Microsecond)
		w.compareAgeing(&all, tenant, from)
		w.compareCohorts(&all, tenant, from, to)
		w.compareBreakage(&all, tenant, from, to)
	}
}

func (w *world) compareAgeing(all *naive, tenant ledger.Tenant, at time.Time) {
	w.Helper()
	h, err := report.ReadLots(w.Context(), w.db, tenant, report.Expiry, []time.Time{at}, "")
	if err != nil {
		w.Fatal(err)
	}
	rows, err := h.Ageing()
	if err != nil {
		w.Fatal(err)
	}
	today, want := at.Add(-time.Microsecond).UTC().Truncate(24*time.Hour), make(map[string]money.Amount)
	for i := range all.entries {
		e := &all.entries[i]
		if !e.CreatedAt.Before(at) {
			continue
		}
		all.lots(e, func(credit *ledger.Entry, amount money.Amount) {
			if credit == nil {
				return
			}
			bucket := "never"
			if !credit.ExpiresAt.IsZero() {
				days := int(credit.ExpiresAt.UTC().Truncate(24*time.Hour).Sub(today) / (24 * time.Hour))
				bucket = "later"
				for _, end := range []int{365, 180, 90, 60, 30, 0} {
					if days < end {
						bucket = map[int]string{365: "180-364", 180: "90-179", 90: "60-89", 60: "30-59", 30: "0-29", 0: "overdue"}[end]
					}
				}
			}
			want[fmt.Sprint(e.Currency, credit.Category, bucket)] += amount
			want[fmt.Sprint(e.Currency, "all", bucket)] += amount
		})
	}
	for _, row := range rows {
		if key := fmt.Sprint(row.Currency, row.Category, row.Bucket); row.Owed != want[key] {
			w.Errorf("ageing of %v: %s: got %d, want %d", at, key, row.Owed, want[key])
		}
	}
}

func (w *world) compareCohorts(all *naive, tenant ledger.Tenant, from, to time.Time) {
	w.Helper()
	h, err := report.ReadLots(w.Context(), w.db, tenant, report.Cohort, []time.Time{from, to}, "")
	if err != nil {
		w.Fatal(err)
	}
	rows, err := h.Cohorts()
	if err != nil {
		w.Fatal(err)
	}
	want := make(map[[3]string]*report.CohortRow)
	for i := range all.entries {
		e := &all.entries[i]
		if !e.CreatedAt.Before(to) {
			continue
		}
		all.lots(e, func(credit *ledger.Entry, amount money.Amount) {
			if credit == nil {
				return
			}
			key := [3]string{string(e.Currency), string(credit.Category), all.funded(credit).Format("2006-01")}
			if want[key] == nil {
				want[key] = &report.CohortRow{Currency: e.Currency, Category: credit.Category, Month: key[2]}
			}
			row := want[key]
			row.Closing += amount
			switch {
			case e.CreatedAt.Before(from):
				row.Opening += amount
			case amount > 0:
				row.Credited += amount
			default:
				row.Debited -= amount
			}
		})
	}
	for _, row := range rows {
		key := [3]string{string(row.Currency), string(row.Category), row.Month}
		if want[key] == nil || *want[key] != row {
			w.Errorf("cohorts of %v to %v: got %+v, want %+v", from, to, row, want[key])
		}
		delete(want, key)
	}
	for _, row := range want {
		if row.Opening != 0 || row.Credited != 0 || row.Debited != 0 {
			w.Errorf("cohorts of %v to %v: %+v is missing", from, to, row)
		}
	}
}

func (w *world) compareBreakage(all *naive, tenant ledger.Tenant, from, to time.Time) {
	w.Helper()
	middle := from.Add(to.Sub(from) / 2).Truncate(time.Microsecond)
	a, err := report.Read(w.Context(), w.db, tenant, []time.Time{from, middle, to}, "USD")
	if err != nil {
		w.Fatal(err)
	}
	broken, err1 := a.Breakage()
	trends, err2 := a.Trends()
	if err1 != nil || err2 != nil {
		w.Fatal(err1, err2)
	}
	for _, row := range broken {
		want := report.Broken{From: row.From, To: row.To, Currency: "USD", Category: row.Category}
		for i := range all.entries {
			e := &all.entries[i]
			if e.Currency != "USD" || e.Direction != ledger.Debit || e.Account == ledger.AccountExpiryMoves ||
				e.CreatedAt.Before(row.From) || !e.CreatedAt.Before(row.To) {
				continue
			}
			expires := e.Account == ledger.AccountBreakage
			for category, amount := range all.parts(e) {
				if category == "loan" || row.Category != "all" && row.Category != category {
					continue
				}
				want.Left += amount
				if expires {
					want.Expired += amount
					want.Entries++
				}
			}
		}
		if row != want {
			w.Errorf("breakage: got %+v, want %+v", row, want)
		}
	}
	for _, row := range trends {
		want := all.liability(row.From, row.To, "USD", "all").Closing
		if row.Balance != want || row.Paid+row.Promotional != want {
			w.Errorf("balances: got %+v, want a balance of %d", row, want)
		}
	}
	if len(broken) != 6 && len(all.entries) > 50 {
		w.Errorf("breakage has %d rows, want 6", len(broken))
	}
}
