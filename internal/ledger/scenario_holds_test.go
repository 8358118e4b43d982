package ledger_test

import (
	"fmt"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// hold promises money of a wallet.
func (l *till) hold(words []string) string {
	r := ledger.HoldRequest{
		Tenant: l.tenant, CustomerID: l.customer, Currency: money.Currency(words[0]), Amount: money.Amount(l.number(words[1])),
		CreatedBy: "key_1", CurrencyEnabled: true, DefaultAlerts: l.defaults,
	}
	for rest := words[2:]; len(rest) > 0; rest = rest[2:] {
		if rest[0] == "partial" {
			r.AllowPartial = true
			rest = append([]string{"", ""}, rest[1:]...)
			continue
		}
		switch name, value := rest[0], rest[1]; name {
		case "for":
			r.ExpiresAt = l.clock.Now().Add(l.duration(value))
		case "key":
			r.IdempotencyKey = value
		case "if-seq":
			seq := l.number(value)
			r.Conditions.IfSeq = &seq
		case "if-available":
			least := money.Amount(l.number(value))
			r.Conditions.IfAvailableAtLeast = &least
		default:
			l.Fatalf("command %q: unknown word %q", words, name)
		}
	}
	change, err := l.book.MakeHold(l.Context(), r)
	return l.held(change, err)
}

// capture spends of the customer's hold of a number.
func (l *till) capture(words []string) string {
	r := ledger.CaptureRequest{Tenant: l.tenant, CustomerID: l.customer, HoldID: l.holdID(words[0]), CreatedBy: "key_1"}
	for rest := words[1:]; len(rest) > 0; rest = rest[1:] {
		switch word := rest[0]; {
		case word == "final":
			r.Final = true
		case word == "key":
			r.IdempotencyKey, rest = rest[1], rest[1:]
		default:
			amount := money.Amount(l.number(word))
			r.Amount = &amount
		}
	}
	change, err := l.book.Capture(l.Context(), r)
	return l.held(change, err)
}

// release gives back what is left of the customer's hold of a number.
func (l *till) release(words []string) string {
	r := ledger.ReleaseRequest{Tenant: l.tenant, CustomerID: l.customer, HoldID: l.holdID(words[0]), CreatedBy: "key_1"}
	if len(words) == 3 && words[1] == "key" {
		r.IdempotencyKey = words[2]
	}
	change, err := l.book.Release(l.Context(), r)
	return l.held(change, err)
}

// held says what became of a command about a hold: the hold with what is left of
// it, the entry of a capture, and the wallet.
func (l *till) held(change ledger.Change, err error) string {
	if err != nil {
		return refusal(err)
	}
	hold := change.Hold.Hold
	outcome := "ok"
	if change.Replayed {
		outcome = "again"
	}
	if change.Entry.Position > 0 {
		outcome += fmt.Sprintf(" #%d took", change.Entry.Position)
		for _, part := range change.Entry.Allocations {
			outcome += fmt.Sprintf(" %d:%d", part.LotSeq, part.Amount)
		}
	}
	outcome += fmt.Sprintf(" hold %s %d of %d left", hold.State, hold.Left(), hold.Amount)
	if change.Replayed {
		answer := change.Answer()
		return outcome + fmt.Sprintf(" balance %d available %d held %d", answer.Balance, change.Hold.Event.Available, answer.Held)
	}
	for i, lot := range hold.Lots {
		if i == 0 {
			outcome += " pinned"
		}
		outcome += fmt.Sprintf(" %d:%d", lot.Seq, lot.Remaining)
	}
	return outcome + " " + l.wallet(hold.Currency, true) + told(change.Entry.Alerts) + told(change.Hold.Event.Alerts)
}

// holdID is the id of the customer's hold of a number, the first being 1.
func (l *till) holdID(number string) string {
	holds := l.holds()
	return holds[len(holds)-int(l.number(number))].ID
}

// holds are the customer's holds, newest first.
func (l *till) holds() []ledger.Hold {
	list, err := l.store.Holds(l.Context(), l.tenant, l.customer, ledger.HoldFilter{}, ledger.Page{Limit: 200})
	if err != nil {
		l.Fatal(err)
	}
	return list.Holds
}

// ended is how many holds have expired and were ended.
func (l *till) ended() (n int) {
	for _, h := range l.holds() {
		if h.State == ledger.HoldExpired {
			n++
		}
	}
	return n
}
