package ledger_test

import (
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// announce says which notices it wrote: their numbers, and what they say of which lots.
func (l *till) announce(currency money.Currency, ahead time.Duration) string {
	l.posted++
	due := ledger.DueNotices{
		Wallet: ledger.WalletKey{Tenant: l.tenant, CustomerID: l.customer, Currency: currency}, Until: l.clock.Now().Add(ahead),
	}
	written, err := l.book.Announce(l.Context(), due, l.clock.Now(), 1000)
	if err != nil {
		return refusal(err)
	}
	all, err := l.store.Notices(l.Context(), l.tenant, l.customer, 0, 1000)
	if err != nil {
		l.Fatal(err)
	}
	if written == 0 {
		return "nothing"
	}
	outcome := ""
	for _, n := range all[len(all)-written:] {
		outcome += fmt.Sprintf("%d tells %d:%d ", n.Number, n.Lot.Seq, n.Lot.Remaining)
	}
	return outcome[:len(outcome)-1]
}
