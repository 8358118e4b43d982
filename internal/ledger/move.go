package ledger

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/money"
)

const moveDomain = "billfold.move.v1"

// MoveRequest asks to have what a lot has left expire at another time.
type MoveRequest struct {
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency
	LotSeq     int64

	// ExpiresAt is when it shall expire; zero means never. Cut to microseconds.
	ExpiresAt time.Time

	Reason string

	// IdempotencyKey is empty when the caller sent none.
	IdempotencyKey string

	// CreatedBy is the id of the API key that asks.
	CreatedBy string
}

// Validate checks what can be seen in the request alone and returns the first
// rule that it breaks: expiry, reason, key.
func (r *MoveRequest) Validate() error {
	if err := validateExpiry(r.ExpiresAt); err != nil {
		return err
	}
	return validateTexts(r.Reason, "", r.IdempotencyKey)
}

// Fingerprint covers everything that the request says once parsed, see
// [PostRequest.Fingerprint].
func (r *MoveRequest) Fingerprint() Fingerprint {
	b := make([]byte, 0, 256)
	b = appendText(b, moveDomain)
	b = appendText(b, string(r.Currency))
	b = appendNumber(b, r.LotSeq)
	b = appendNumber(b, micros(r.ExpiresAt))
	b = appendText(b, r.Reason)
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

// MoveExpiry decides to have what a lot has left expire at another time, sooner or
// later or never. The first rule that does not hold refuses:
//
//  1. key used by another request   IDEMPOTENCY_KEY_REUSED
//  2. key used by this request      the first answer again, nothing written
//  3. expiry too soon or past       INVALID_EXPIRY
//  4. frozen for credits too        CUSTOMER_NOT_ACTIVE
//  5. nothing left that is free     EXPIRY_NOT_MOVABLE
//  6. the lot has expired           EXPIRY_NOT_MOVABLE
//  7. it expires then already       EXPIRY_NOT_MOVABLE
//
// Entries never change, and when a lot expires stands in the credit that opened it
// (law M6). So the money moves to a lot of its own by two entries of one commit: a
// debit of all that the lot has left, and a credit that undoes it into a lot of the
// same category with the other expiry (law L6). Both count against the account of
// moves, which they leave as it was; nobody sees the wallet between the two, and no
// threshold is looked at there.
//
//	lots 1:500(1 May) 2:200    move lot 1 to 1 June
//	#3 debit 500 of lot 1, #4 credit 500 that reverses #3 and opens lot 4(1 June)
//
// What a hold has pinned of the lot stays where it is, and so does what was spent
// of it: given back, it goes to the old lot, with the old expiry (laws H2, L5). A
// freeze of debits keeps nobody from moving an expiry, because nothing is taken
// from the customer.
func MoveExpiry(s Snapshot, r *MoveRequest, m Moment) (Change, error) {
	fingerprint := r.Fingerprint()
	if s.Prior != nil || s.PriorHold != nil {
		return replay(s, fingerprint)
	}
	now := s.Chain.At(m.Now)
	if !r.ExpiresAt.IsZero() && r.ExpiresAt.Before(now.Add(ExpiryAheadMin)) {
		return Change{}, errExpiryTooSoon
	}
	if err := s.Customer.Freezes.Refuse(r.Currency, Credit); err != nil {
		return Change{}, err
	}
	wallet := s.Wallet
	at := slices.IndexFunc(wallet.Lots, func(lot Lot) bool { return lot.Seq == r.LotSeq })
	switch {
	case at < 0:
		return Change{}, Errorf(CodeNotMovable, "lot %d has nothing left that is free; it was spent, moved, written off or is held", r.LotSeq)
	case wallet.Lots[at].ExpiredAt(now):
		return Change{}, Errorf(CodeNotMovable, "lot %d has expired; expired money cannot be brought back by moving its expiry", r.LotSeq)
	case wallet.Lots[at].ExpiresAt.Equal(r.ExpiresAt):
		return Change{}, Errorf(CodeNotMovable, "lot %d has this expiry already; nothing was changed", r.LotSeq)
	}
	lot := wallet.Lots[at]
	debit := moveEntry(&s, r, now, m)
	debit.Direction, debit.Amount = Debit, lot.Remaining
	debit.Allocations = []Allocation{{LotSeq: lot.Seq, Amount: lot.Remaining}}
	debit.IdempotencyKey, debit.Fingerprint = r.IdempotencyKey, fingerprint
	wallet.Balance -= lot.Remaining
	wallet.Lots = slices.Concat(wallet.Lots[:at], wallet.Lots[at+1:])
	taken := concludeUntold(&s, debit, wallet)

	after := s.After(&taken)
	credit := moveEntry(&after, r, now, m)
	credit.Direction, credit.Amount, credit.Reverses = Credit, lot.Remaining, taken.Entry.ID
	credit.Category, credit.ExpiresAt = lot.Category, r.ExpiresAt
	wallet = after.Wallet
	wallet.Balance += lot.Remaining // as it was before the debit
	lot.Seq, lot.ExpiresAt = credit.Seq, r.ExpiresAt
	wallet.Lots = OpenLot(wallet.Lots, lot)
	given := conclude(&after, credit, wallet)
	return taken.Then(&given), nil
}

// moveEntry is the next entry with what both entries of a move have.
func moveEntry(s *Snapshot, r *MoveRequest, now time.Time, m Moment) Entry {
	entry := nextEntry(s, now, m.Random)
	entry.EventType, entry.Account = EventMerchantAdjustment, AccountExpiryMoves
	entry.Reason, entry.Metadata, entry.CreatedBy = r.Reason, "{}", r.CreatedBy
	return entry
}

// Moved is the answer to a request to move an expiry. A repeat gets the first.
type Moved struct {
	// Change has the two entries; when it is Replayed, only the first of them.
	Change Change

	Lot       Lot          // that was opened, as it was then
	Wallet    Wallet       // right after both entries, without lots
	Available money.Amount // of it, as of then
}

// moved is the answer as the first of the two entries gives it, so that it can be
// given again from that entry alone.
func (r *MoveRequest) moved(change Change, category Category) Moved {
	e := &change.Entry
	moved := Moved{
		Change:    change,
		Lot:       Lot{Seq: e.Seq + 1, Category: category, ExpiresAt: r.ExpiresAt, Remaining: e.Amount},
		Wallet:    change.Answer(),
		Available: e.Available + e.Amount,
	}
	moved.Wallet.Balance, moved.Wallet.Seq = e.Before, e.Seq+1
	return moved
}

// MoveExpiry validates a request and moves the expiry of what a lot has left. It
// refuses with CodeNotFound where the wallet never had such a lot. Holds that have
// expired are ended first: that nobody swept is no reason to leave their money
// behind (law O2).
func (b *Book) MoveExpiry(ctx context.Context, request MoveRequest) (Moved, error) {
	request.ExpiresAt = request.ExpiresAt.UTC().Truncate(time.Microsecond)
	if err := request.Validate(); err != nil {
		return Moved{}, err
	}
	credit, held, err := b.LotCredit(ctx, &request)
	if err != nil {
		return Moved{}, err
	}
	moment := Moment{Now: b.Now(), Random: b.random()}
	if held > 0 {
		wallet := WalletKey{Tenant: request.Tenant, CustomerID: request.CustomerID, Currency: request.Currency}
		if _, err := b.expireHolds(ctx, wallet, moment.Now, freedMax); err != nil {
			return Moved{}, err
		}
	}
	scope := Scope{
		Tenant:     request.Tenant,
		CustomerID: request.CustomerID,
		Currency:   request.Currency,
		Key:        request.IdempotencyKey,
		At:         moment.Now,
		Moves:      request.LotSeq,
	}
	change, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
		return MoveExpiry(s, &request, moment)
	})
	if err != nil {
		return Moved{}, err
	}
	return request.moved(change, credit.Category), nil
}

// LotCredit returns the credit that opened the lot of a request, and how much of its
// wallet is held; CodeNotFound where the wallet never had such a lot. What opened a
// lot never changes, so it is read before the decision.
func (b *Book) LotCredit(ctx context.Context, r *MoveRequest) (credit Entry, held money.Amount, err error) {
	list, err := b.store.Lots(ctx, r.Tenant, r.CustomerID, r.Currency, LotPage{Limit: 1})
	if err != nil {
		return credit, 0, err
	}
	if r.LotSeq < 1 || r.LotSeq > list.Wallet.Seq {
		return credit, 0, errNoLot
	}
	entries, err := b.store.EntriesBetween(ctx, r.Tenant, r.CustomerID, r.Currency, r.LotSeq-1, r.LotSeq)
	if err != nil {
		return credit, 0, err
	}
	if len(entries) != 1 || !entries[0].OpensLot() {
		return credit, 0, errNoLot
	}
	return entries[0], list.Wallet.Held, nil
}

var errNoLot = Errorf(CodeNotFound, "the wallet has no such lot")
