package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// What an expiry entry says of itself. No API key asked for it.
const (
	ExpiryReason  = "Expired"
	SystemCreator = "system"
)

// ErrNothingExpired refuses to write off a lot when none has expired. Who
// sweeps takes it for the end of the work.
var ErrNothingExpired = errors.New("no lot of the wallet has expired")

// Expire decides the expiry entry of the first open lot that has expired by the
// time that counts for the customer: one debit of exactly what the lot has left,
// against the account of breakage. It is never before the instant, and nothing
// that can be spent changes by it: the lot had not been available since (laws
// L3, L4).
//
//	lots 1:500(expired) 2:200    debit 500 of lot 1, 2:200 is left
//
// A lot without a remainder is no longer open, so that there is one such entry
// for each lot at the most, however often and by however many it is asked for.
func Expire(s Snapshot, m Moment) (Change, error) {
	now := s.Chain.At(m.Now)
	// Spend order begins with the soonest expiry, and the first lot is always here.
	if len(s.Wallet.Lots) == 0 || !s.Wallet.Lots[0].ExpiredAt(now) {
		return Change{}, ErrNothingExpired
	}
	return writeOff(&s, 0, now, m.Random), nil
}

// writeOff is the expiry entry of one of the snapshot's lots.
func writeOff(s *Snapshot, at int, now time.Time, random uint64) Change {
	wallet := s.Wallet
	lot := wallet.Lots[at]
	entry := nextEntry(s, now, random)
	entry.Direction, entry.Amount = Debit, lot.Remaining
	entry.EventType, entry.Account = EventMerchantAdjustment, AccountBreakage
	entry.Allocations = []Allocation{{LotSeq: lot.Seq, Amount: lot.Remaining}}
	entry.Reason, entry.Metadata, entry.CreatedBy = ExpiryReason, "{}", SystemCreator
	wallet.Balance -= lot.Remaining
	if at == 0 {
		wallet.Lots = wallet.Lots[1:] // as in a sweep, which would copy them once for each entry
	} else {
		wallet.Lots = slices.Concat(wallet.Lots[:at], wallet.Lots[at+1:])
	}
	return conclude(s, entry, wallet)
}

// WalletKey names one wallet.
type WalletKey struct {
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency
}

// Sweep ends the holds of a wallet that have expired at a time, and then writes
// the expiry entries of its lots that have, the first to expire first, but no more
// than a number of both. It returns how many it wrote.
//
// The time is the caller's, who may know better than to believe the clock.
func (b *Book) Sweep(ctx context.Context, wallet WalletKey, at time.Time, most int) (written int, err error) {
	at = at.UTC().Truncate(time.Microsecond)
	for written < most {
		moment := Moment{Now: at, Random: b.random()}
		scope := Scope{
			Tenant: wallet.Tenant, CustomerID: wallet.CustomerID, Currency: wallet.Currency, At: at, DueHold: true,
		}
		_, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
			change, err := ExpireHold(s, moment)
			if errors.Is(err, ErrNothingExpired) {
				return Expire(s, moment)
			}
			return change, err
		})
		if errors.Is(err, ErrNothingExpired) {
			return written, nil
		}
		if err != nil {
			return written, err
		}
		b.free(wallet.Tenant, wallet.CustomerID, nil)
		written++
	}
	return written, nil
}
