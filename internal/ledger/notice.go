package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// NoticeIDPrefix begins the id of every notice.
const NoticeIDPrefix = "ntc_"

// NoticeDay is the day in which the time before an expiry is counted.
const NoticeDay = 24 * time.Hour

// Notice is one immutable line: the money of an open lot expires soon, which is told
// once for each lot. A lot has one expiry for ever; money whose expiry is moved goes
// to a lot of its own, and is announced anew with that.
type Notice struct {
	ID         string // "ntc_" and 21 base62 characters; it contains the number
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency

	Number int64 // 1..n over all notices of the customer, without gaps

	// Lot is the lot with what it had left then, which is more than nothing. What a
	// hold had pinned of it is not among that.
	Lot Lot

	// Seq is that of the wallet's last entry then, and HoldNumber that of the customer's
	// last hold event, 0 for none: they say where among these the notice has its place.
	Seq        int64
	HoldNumber int64

	CreatedAt time.Time // before the lot expires
}

// NoticeID returns the id of a customer's notice with a number, see [EntryID].
func NoticeID(at time.Time, number int64, random uint64) string {
	return positionedID(NoticeIDPrefix, at, number, random)
}

// NoticeIDNumber returns the number that a notice's id contains, and false for a text
// that [NoticeID] cannot have made.
func NoticeIDNumber(id string) (number int64, ok bool) { return idPosition(NoticeIDPrefix, id) }

// Unannounced is what a decision sees of the lots of a wallet that may have to be
// announced.
type Unannounced struct {
	Number int64 // of the customer's last notice, 0 for none

	// From is a place in the spend order: every open lot that can expire and stands
	// before it was announced. Only the fields of the order count. The zero Lot is
	// behind all.
	From Lot

	// Lots are the first of the open lots that can expire from that place on, in spend
	// order, and Told says of each whether it was announced. More says that others follow.
	Lots []Lot
	Told []bool
	More bool
}

// Announcement is what a decision about notices changes: the notices are added, and
// From is where the next one has to look from.
type Announcement struct {
	Notices []Notice
	From    Lot
}

// DueNotices is a wallet in which a lot may have to be announced that expires until an
// instant.
type DueNotices struct {
	Wallet WalletKey
	Until  time.Time
}

// ErrNothingToAnnounce refuses to write a notice when there is none to write.
var ErrNothingToAnnounce = errors.New("no lot of the wallet is to be announced")

// Announce decides the notices of open lots that expire until an instant and were not
// announced, the first to expire first, and no more than most of them:
//
//	lots 1:500(1 May, announced) 2:200(3 May) 3:100(9 May), until 5 May    a notice of 200 of lot 2
//
// What was spent, or is pinned by a hold, is no open lot, and is not told. A lot that
// has expired is none either that is to be told: it is for the next sweep to write off.
// So nothing that comes too late is announced (law L7).
func Announce(s Snapshot, until time.Time, most int, m Moment) (Change, error) {
	now := s.Chain.At(m.Now)
	seen := s.Unannounced
	announced := Announcement{From: seen.From}
	for i, lot := range seen.Lots {
		announced.From = placeOf(lot)
		if seen.Told[i] {
			continue
		}
		if lot.ExpiredAt(now) || lot.ExpiresAt.After(until) || len(announced.Notices) == most {
			return announcement(&s, announced)
		}
		number := seen.Number + int64(len(announced.Notices)) + 1
		announced.Notices = append(announced.Notices, Notice{
			ID:         NoticeID(now, number, m.Random),
			Tenant:     s.Wallet.Tenant,
			CustomerID: s.Wallet.CustomerID,
			Currency:   s.Wallet.Currency,
			Number:     number,
			Lot:        lot,
			Seq:        s.Wallet.Seq,
			HoldNumber: s.HoldNumber,
			CreatedAt:  now,
		})
	}
	if !seen.More {
		announced.From = Lot{}
	}
	return announcement(&s, announced)
}

func announcement(s *Snapshot, announced Announcement) (Change, error) {
	if len(announced.Notices) == 0 && CompareLots(announced.From, s.Unannounced.From) <= 0 {
		return Change{}, ErrNothingToAnnounce
	}
	return Change{Announced: &announced, Wallet: s.Wallet}, nil
}

// placeOf is a lot with nothing but its place in the spend order.
func placeOf(lot Lot) Lot { return Lot{Seq: lot.Seq, Category: lot.Category, ExpiresAt: lot.ExpiresAt} }

// looksMax is how often [Book.Announce] looks at lots of a wallet. Each time brings it
// on, but where all are announced already there is nothing to count.
const looksMax = 2000

// Announce writes the notices of a wallet's open lots that expire until an instant, but
// no more than a number of them. It returns how many it wrote.
//
// The time is the caller's, as in [Book.Sweep].
func (b *Book) Announce(ctx context.Context, due DueNotices, at time.Time, most int) (written int, err error) {
	wallet := due.Wallet
	moment := Moment{Now: at.UTC().Truncate(time.Microsecond), Random: b.random()}
	scope := Scope{
		Tenant: wallet.Tenant, CustomerID: wallet.CustomerID, Currency: wallet.Currency, At: moment.Now, Announces: true,
	}
	for range looksMax {
		if written >= most {
			break
		}
		left := most - written
		change, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
			return Announce(s, due.Until, left, moment)
		})
		if errors.Is(err, ErrNothingToAnnounce) {
			return written, nil
		}
		if err != nil {
			return written, err
		}
		written += len(change.Announced.Notices)
	}
	return written, nil
}
