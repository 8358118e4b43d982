// Package statement writes what a wallet was and what it moved in a period, for
// people who keep books: as CSV for their programs, and as PDF to file or to send.
package statement

import (
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// CSVLinesMax and PDFLinesMax are how many entries a statement may have, so that
// it takes a few seconds and some ten megabytes at the most, whatever texts they
// carry.
const (
	CSVLinesMax = 10_000
	PDFLinesMax = 2_000
)

// Statement is one wallet in a period.
type Statement struct {
	BusinessName  string
	CustomerID    string
	CustomerName  string
	CustomerEmail string
	Currency      money.Currency

	// From is the beginning of the first day, To that of the day behind the last,
	// in UTC. Made is when the statement was made: before To, the period is not
	// over and what it closes with may still change.
	From, To, Made time.Time

	// Opening is the wallet before the first line, Closing after the last.
	Opening, Closing ledger.Point

	Lines []Line // oldest first
}

// Line is an entry as a statement shows it.
type Line struct {
	Seq       int64
	EntryID   string
	At        time.Time
	Direction ledger.Direction
	Amount    money.Amount
	Balance   money.Amount // after it
	EventType ledger.EventType
	Account   ledger.Account
	Reason    string
	Reference string
}

// LineOf returns the line of an entry.
func LineOf(e *ledger.Entry) Line {
	return Line{
		Seq:       e.Seq,
		EntryID:   e.ID,
		At:        e.CreatedAt,
		Direction: e.Direction,
		Amount:    e.Amount,
		Balance:   e.After,
		EventType: e.EventType,
		Account:   e.Account,
		Reason:    e.Reason,
		Reference: e.ReferenceObjectID,
	}
}

// Check returns why the statement must not be shown: a line that does not follow
// from the one before or is not of the period, or a closing balance that is not
// the opening balance with all lines.
func (s *Statement) Check() error {
	seq, balance := s.Opening.Seq, s.Opening.Balance
	for i := range s.Lines {
		line := &s.Lines[i]
		moved := line.Amount
		if line.Direction == ledger.Debit {
			moved = -moved
		}
		var ok bool
		if balance, ok = balance.Add(moved); !ok || balance != line.Balance {
			return fmt.Errorf("statement of %s %s: entry %s does not lead to its balance", s.CustomerID, s.Currency, line.EntryID)
		}
		if seq++; seq != line.Seq || line.At.Before(s.From) || !line.At.Before(s.To) {
			return fmt.Errorf("statement of %s %s: entry %s is not the next of the period", s.CustomerID, s.Currency, line.EntryID)
		}
	}
	if seq != s.Closing.Seq || balance != s.Closing.Balance {
		return fmt.Errorf("statement of %s %s: %d entries lead to %d of %d and to a balance of %d, not %d",
			s.CustomerID, s.Currency, len(s.Lines), seq, s.Closing.Seq, balance, s.Closing.Balance)
	}
	return nil
}

// over reports whether the period is over, so that nothing of it can change.
func (s *Statement) over() bool { return !s.Made.Before(s.To) }

// closedAt is the time of the closing balance.
func (s *Statement) closedAt() time.Time {
	if s.over() {
		return s.To
	}
	return s.Made
}

// closing names the closing balance.
func (s *Statement) closing() string {
	if s.over() {
		return "Closing balance"
	}
	return "Balance so far"
}
