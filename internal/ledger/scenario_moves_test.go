package ledger_test

import (
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// move moves when a lot expires, and says what it has become.
func (l *till) move(words []string) string {
	r := ledger.MoveRequest{
		Tenant: l.tenant, CustomerID: l.customer, Currency: money.Currency(words[0]), LotSeq: l.number(words[1]), CreatedBy: "key_1",
	}
	if words[2] != "never" {
		r.ExpiresAt = l.time(words[2])
	}
	for rest := words[3:]; len(rest) > 0; rest = rest[2:] {
		switch name := rest[0]; {
		case len(rest) == 1:
			l.Fatalf("move %q: the word %q stands alone", words, name)
		case name == "key":
			r.IdempotencyKey = rest[1]
		case name == "reason":
			r.Reason = rest[1]
		default:
			l.Fatalf("move %q: unknown word %q", words, name)
		}
	}
	l.posted++
	moved, err := l.book.MoveExpiry(l.Context(), r)
	if err != nil {
		return refusal(err)
	}
	outcome := l.outcome(moved.Change, "took")
	if moved.Change.Replayed {
		outcome = fmt.Sprintf("again #%d balance %d available %d", moved.Change.Entry.Position, moved.Wallet.Balance, moved.Available)
	}
	return fmt.Sprintf("%s; lot %d has %d and expires %s", outcome, moved.Lot.Seq, moved.Lot.Remaining, shownOr(moved.Lot.ExpiresAt, "never"))
}

func shownOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return shown(t)
}
