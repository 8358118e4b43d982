package storetest

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/report"
)

// FoldReports implements report.Store. The model adds up everything each time.
func (m *Model) FoldReports(context.Context, int) (bool, error) { return false, nil }

// ReadReports implements report.Store.
func (m *Model) ReadReports(_ context.Context, tenant ledger.Tenant, read func(report.Source) error) error {
	m.mu.Lock()
	source := modelReports{lines: m.reportLines(tenant)}
	m.mu.Unlock()
	return read(&source)
}

// Journal implements report.Store.
func (m *Model) Journal(
	_ context.Context, tenant ledger.Tenant, from, to time.Time, _ int64,
) (page report.JournalPage, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range m.reportLines(tenant) {
		if at := time.UnixMicro(line.CreatedAt); !at.Before(from) && at.Before(to) {
			page.Lines = append(page.Lines, line)
		}
	}
	return page, nil
}

// modelReports is a report.Source of which nothing was added up.
type modelReports struct{ lines []report.Line }

func (*modelReports) Sums(report.Span, int64, int64, func(report.Key, report.Sum)) error { return nil }

func (*modelReports) Quarter(int64, func(*report.Line)) error { return nil }

func (r *modelReports) Tail(each func(*report.Line)) error {
	for i := range r.lines {
		each(&r.lines[i])
	}
	return nil
}

func (r *modelReports) Wallets() (map[money.Currency]report.Balances, error) {
	sums := make(map[money.Currency]report.Balances)
	for _, line := range r.lines {
		sum := sums[line.Currency]
		if line.Direction == ledger.Credit {
			sum.Balance += line.Amount
		} else {
			sum.Balance -= line.Amount
		}
		sums[line.Currency] = sum
	}
	return sums, nil
}

// reportLines are all entries of a tenant, with what money each moved.
func (m *Model) reportLines(tenant ledger.Tenant) (lines []report.Line) {
	for _, c := range m.customers[tenant] {
		for i := range c.entries {
			e := &c.entries[i]
			lines = append(lines, report.Line{
				ID: e.ID, CustomerID: e.CustomerID, Currency: e.Currency, Seq: e.Seq, Direction: e.Direction, Amount: e.Amount,
				EventType: e.EventType, Account: e.Account, CreatedAt: e.CreatedAt.UnixMicro(), Reason: e.Reason,
				Reference: e.ReferenceObjectID, Parts: c.reportParts(e),
			})
		}
	}
	return lines
}

func (c *modelCustomer) reportParts(e *ledger.Entry) (parts []report.Part) {
	switch {
	case e.OpensLot():
		return []report.Part{{Lot: c.reportLot(e), Amount: e.Amount}}
	case len(e.Allocations) == 0:
		return []report.Part{{Lot: report.LoanLot, Amount: e.Amount}}
	}
	for _, taken := range e.Allocations {
		lot := report.LoanLot
		if taken.LotSeq != ledger.LoanLot {
			lot = c.reportLot(c.credit(e.Currency, taken.LotSeq))
		}
		parts = append(parts, report.Part{Lot: lot, Amount: taken.Amount})
	}
	return parts
}

// reportLot is the lot of a credit; moved money was funded with the lot that it came from.
func (c *modelCustomer) reportLot(e *ledger.Entry) report.Lot {
	lot := report.Lot{Category: e.Category, Funded: e.CreatedAt.UnixMicro()}
	if !e.ExpiresAt.IsZero() {
		lot.Expires = e.ExpiresAt.UnixMicro()
	}
	if e.Reverses != "" {
		from := c.credit(e.Currency, e.Seq-1).Allocations[0].LotSeq
		lot.Funded = c.reportLot(c.credit(e.Currency, from)).Funded
	}
	return lot
}

func (c *modelCustomer) credit(currency money.Currency, seq int64) *ledger.Entry {
	for i := range c.entries {
		if c.entries[i].Currency == currency && c.entries[i].Seq == seq {
			return &c.entries[i]
		}
	}
	panic("a lot of no entry")
}
