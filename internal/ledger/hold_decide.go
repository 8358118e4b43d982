package ledger

import (
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// MakeHold decides a hold. The first rule that does not hold refuses:
//
//  1. key used by another request   IDEMPOTENCY_KEY_REUSED
//  2. key used by this request      the first answer again, nothing written
//  3. currency not enabled          UNSUPPORTED_CURRENCY
//  4. expiry past or too far        INVALID_EXPIRY
//  5. customer or wallet frozen     CUSTOMER_NOT_ACTIVE
//  6. a condition does not hold     CONDITION_FAILED
//  7. more than is available        INSUFFICIENT_WALLET_FUNDS
//  8. more lots than a hold may pin LIMIT_REACHED
//
// It takes from the open lots what a debit would, in spend order, and keeps these
// parts: available falls, and the balance does not (law L2).
//
//	lots 1:300 2:200, hold 400    pinned 1:300 2:100, open 2:100, held 400
func MakeHold(s Snapshot, r *HoldRequest, m Moment) (Change, error) {
	fingerprint := r.Fingerprint()
	if s.Prior != nil || s.PriorHold != nil {
		return replayHold(s, fingerprint)
	}
	now := s.Chain.At(m.Now)
	if !r.CurrencyEnabled {
		return Change{}, FieldErrorf(CodeUnsupportedCurrency, "currency", "%s is not enabled for this business; enable it in the business settings", r.Currency)
	}
	if !r.ExpiresAt.After(now) || r.ExpiresAt.After(now.AddDate(HoldYears, 0, 0)) {
		return Change{}, errHoldExpiry
	}
	if err := s.Customer.Freezes.Refuse(r.Currency, Debit); err != nil {
		return Change{}, err
	}
	wallet := s.Wallet
	available := wallet.Available(now)
	if err := r.Conditions.hold(&wallet, available); err != nil {
		return Change{}, err
	}
	if err := wallet.putInForce(s.Customer.Alerts, r.DefaultAlerts, available); err != nil {
		return Change{}, err
	}
	amount := r.Amount
	if r.LotSeq > 0 {
		available = takeable(&wallet, r.LotSeq, now)
	}
	if r.AllowPartial {
		amount = min(amount, available)
	}
	if available < max(amount, 1) {
		return Change{}, insufficient(&wallet)
	}
	spent, left, err := r.pick(&wallet, amount, now)
	if err != nil {
		return Change{}, err
	}
	if len(spent) > HoldLotsMax {
		return Change{}, FieldErrorf(CodeLimitReached, "amount", "a hold can pin %d lots; this one would take %d", HoldLotsMax, len(spent))
	}
	number := s.HoldNumber + 1
	hold := Hold{
		ID:                HoldID(now, number, m.Random),
		Tenant:            wallet.Tenant,
		CustomerID:        wallet.CustomerID,
		Currency:          wallet.Currency,
		Number:            number,
		Amount:            amount,
		State:             HoldActive,
		ExpiresAt:         r.ExpiresAt,
		Reason:            r.Reason,
		ReferenceObjectID: r.ReferenceObjectID,
		Metadata:          metadataOr(r.Metadata),
		CreatedBy:         r.CreatedBy,
		CreatedAt:         now,
		Lots:              pinned(wallet.Lots, spent),
	}
	wallet.Lots = left
	wallet.Held += amount
	event := HoldEvent{
		Kind: HoldMade, Amount: amount, Allocations: spent, CreatedAt: now,
		IdempotencyKey: r.IdempotencyKey, Fingerprint: fingerprint, CreatedBy: r.CreatedBy,
	}
	return concludeHold(&s, hold, event, wallet), nil
}

// pick is what a hold of an amount pins, and what is left: what a debit would take, or the
// lot that it names.
func (r *HoldRequest) pick(
	wallet *Wallet, amount money.Amount, now time.Time,
) (spent []Allocation, left []Lot, err error) {
	if r.LotSeq > 0 {
		begins := func(prefix string) bool { return strings.HasPrefix(r.ReferenceObjectID, prefix) }
		if r.CreatedBy != SystemCreator || !slices.ContainsFunc(PinsLots(), begins) {
			return nil, nil, Errorf(CodeInternal, "a hold for %q pins a lot out of its turn", r.ReferenceObjectID)
		}
		spent = []Allocation{{LotSeq: r.LotSeq, Amount: amount}}
		return spent, takeParts(wallet.Lots, spent), nil
	}
	spent, left, missing := SpendLots(wallet.Lots, amount, now)
	if missing > 0 {
		return nil, nil, Errorf(CodeInternal, "the snapshot's lots do not cover an available balance")
	}
	return spent, left, nil
}

// concludeHold completes an event without an entry and its hold by what they led
// to. The event tells of the thresholds that it crosses.
func concludeHold(s *Snapshot, hold Hold, event HoldEvent, wallet Wallet) Change {
	event.Alerts = wallet.alert(s.Wallet.Alerts, wallet.Available(event.CreatedAt))
	return Change{Hold: holdChange(s, hold, event, &wallet), Wallet: wallet}
}

// pinned are the lots that parts were taken of, with what was taken.
func pinned(lots []Lot, parts []Allocation) []Lot {
	taken := make([]Lot, 0, len(parts))
	for _, lot := range lots {
		if len(parts) > 0 && parts[0].LotSeq == lot.Seq {
			lot.Remaining = parts[0].Amount
			taken, parts = append(taken, lot), parts[1:]
		}
	}
	return taken
}

// holdChange completes an event and its hold by what they led to.
func holdChange(s *Snapshot, hold Hold, event HoldEvent, wallet *Wallet) *HoldChange {
	hold.UpdatedAt = event.CreatedAt
	event.Number, event.HoldID = s.HoldNumber+1, hold.ID
	event.Captured, event.Released = hold.Captured, hold.Released
	event.Seq, event.Balance, event.Held = wallet.Seq, wallet.Balance, wallet.Held
	event.Available, event.MovedAt = wallet.Available(event.CreatedAt), wallet.UpdatedAt
	return &HoldChange{Hold: hold, Event: event}
}

// Capture decides to spend of what a hold promised: one debit of lots that it
// pinned, in spend order, even of those that have expired since. The first rule
// that does not hold refuses:
//
//  1. key used by another request   IDEMPOTENCY_KEY_REUSED
//  2. key used by this request      the first answer again, nothing written
//  3. no such hold in this wallet   NOT_FOUND
//  4. it is finished or has expired HOLD_NOT_ACTIVE
//  5. frozen for everything         CUSTOMER_NOT_ACTIVE
//  6. more than is left of it       CAPTURE_EXCEEDS_HOLD
//
// A freeze of debits keeps nobody from being paid what was promised before it.
// A threshold that is crossed, as it may be when the rest of the hold is given back
// in the same commit, is told by the entry and not by the hold event as well.
func Capture(s Snapshot, r *CaptureRequest, m Moment) (Change, error) {
	fingerprint := r.Fingerprint()
	if s.Prior != nil || s.PriorHold != nil {
		return replayHold(s, fingerprint)
	}
	now, err := s.activeHold(m.Now, r.CreatedBy)
	if err != nil {
		return Change{}, err
	}
	hold := *s.Hold
	if err := s.Customer.Freezes.Refuse(hold.Currency, Credit); err != nil {
		return Change{}, err
	}
	amount := hold.Left()
	if r.Amount != nil {
		amount = *r.Amount
	}
	if amount > hold.Left() {
		return Change{}, FieldErrorf(CodeCaptureExceeds, "amount", "hold %s has %d minor units left to capture", hold.ID, hold.Left())
	}
	wallet := s.Wallet
	entry := nextEntry(&s, now, m.Random)
	entry.Direction, entry.Amount, entry.HoldID = Debit, amount, hold.ID
	purpose := r.Purpose.or(AccountMerchant)
	entry.EventType, entry.Account = purpose.EventType, purpose.Account
	entry.Reason, entry.ReferenceObjectID, entry.Metadata = r.Reason, r.ReferenceObjectID, metadataOr(r.Metadata)
	entry.IdempotencyKey, entry.Fingerprint, entry.CreatedBy = r.IdempotencyKey, fingerprint, r.CreatedBy
	var missing money.Amount
	entry.Allocations, hold.Lots, missing = SpendLots(hold.Lots, amount, time.Time{}) // before any has expired
	if missing > 0 {
		return Change{}, Errorf(CodeInternal, "the lots of hold %s do not cover what is left of it", hold.ID)
	}
	wallet.Balance -= amount
	wallet.Held -= amount
	hold.Captured += amount
	if r.Final {
		giveUp(&hold, &wallet)
	}
	if hold.Left() == 0 {
		hold.State = HoldCaptured
	}
	change := conclude(&s, entry, wallet)
	event := HoldEvent{
		Kind: HoldWasCaptured, Amount: amount, Position: entry.Position, CreatedAt: now,
		IdempotencyKey: r.IdempotencyKey, Fingerprint: fingerprint, CreatedBy: r.CreatedBy,
	}
	change.Hold = holdChange(&s, hold, event, &change.Wallet)
	return change, nil
}

// giveUp gives what is left of a hold back to the lots that it came from. What
// has expired meanwhile is an expired lot then, which the next sweep writes off
// (law L4).
func giveUp(hold *Hold, wallet *Wallet) {
	left := hold.Left()
	wallet.Lots = MergeLots(wallet.Lots, hold.Lots)
	wallet.Held -= left
	hold.Released += left
	hold.Lots = nil
}

// activeHold returns the time that counts for a command about the snapshot's
// hold, or why nothing can be done about it any more. What the server itself has
// promised, for an invoice, nobody else may end.
func (s *Snapshot) activeHold(now time.Time, by string) (time.Time, error) {
	if s.Hold == nil {
		return time.Time{}, errNoHold
	}
	if s.Hold.CreatedBy == SystemCreator && by != SystemCreator {
		return time.Time{}, Errorf(CodeHoldNotActive, "hold %s is that of %s, and ends with it", s.Hold.ID, s.Hold.ReferenceObjectID)
	}
	now = s.Chain.At(now)
	if state := s.Hold.StateAt(now); state != HoldActive {
		return time.Time{}, Errorf(CodeHoldNotActive, "hold %s is %s; nothing more can be done about it", s.Hold.ID, state)
	}
	return now, nil
}

var errNoHold = Errorf(CodeNotFound, "there is no such hold")

// Release decides to give back what is left of a hold. It is refused by the rules
// 1 to 4 of [Capture], and by no freeze.
func Release(s Snapshot, r *ReleaseRequest, m Moment) (Change, error) {
	fingerprint := r.Fingerprint()
	if s.Prior != nil || s.PriorHold != nil {
		return replayHold(s, fingerprint)
	}
	now, err := s.activeHold(m.Now, r.CreatedBy)
	if err != nil {
		return Change{}, err
	}
	event := HoldEvent{
		Kind: HoldWasReleased, CreatedAt: now,
		IdempotencyKey: r.IdempotencyKey, Fingerprint: fingerprint, CreatedBy: r.CreatedBy,
	}
	return endHold(&s, event, HoldReleased), nil
}

// ExpireHold decides to give back what is left of a hold that has expired by the
// time that counts for the customer. It returns [ErrNothingExpired] when the
// snapshot has no such hold.
func ExpireHold(s Snapshot, m Moment) (Change, error) {
	now := s.Chain.At(m.Now)
	if s.Hold == nil || s.Hold.State != HoldActive || now.Before(s.Hold.ExpiresAt) {
		return Change{}, ErrNothingExpired
	}
	return endHold(&s, HoldEvent{Kind: HoldHasExpired, CreatedAt: now, CreatedBy: SystemCreator}, HoldExpired), nil
}

func endHold(s *Snapshot, event HoldEvent, state HoldState) Change {
	hold, wallet := *s.Hold, s.Wallet
	event.Amount = hold.Left()
	giveUp(&hold, &wallet)
	hold.State = state
	return concludeHold(s, hold, event, wallet)
}

// replayHold answers a repeat from the first event, see replay. The hold is as it
// was right after it, without lots.
func replayHold(s Snapshot, fingerprint Fingerprint) (Change, error) {
	if s.PriorHold == nil {
		return Change{}, KeyReused(s.Prior.CreatedAt)
	}
	first := *s.PriorHold
	if first.Event.Fingerprint != fingerprint {
		return Change{}, KeyReused(first.Event.CreatedAt)
	}
	first.Hold = first.Hold.after(&first.Event)
	change := Change{Replayed: true, Hold: &first, Wallet: s.Wallet}
	if s.Prior != nil {
		change.Entry = *s.Prior
	}
	wallet := &change.Wallet
	wallet.Balance, wallet.Held, wallet.Seq = first.Event.Balance, first.Event.Held, first.Event.Seq
	wallet.Lots, wallet.Lapsed = nil, 0
	wallet.UpdatedAt = first.Event.MovedAt
	return change, nil
}

// after is the hold as it was right after one of its events.
func (h Hold) after(e *HoldEvent) Hold {
	h.Captured, h.Released, h.UpdatedAt, h.Lots = e.Captured, e.Released, e.CreatedAt, nil
	switch {
	case h.Left() > 0:
		h.State = HoldActive
	case e.Kind == HoldWasCaptured:
		h.State = HoldCaptured
	case e.Kind == HoldWasReleased:
		h.State = HoldReleased
	default:
		h.State = HoldExpired
	}
	return h
}
