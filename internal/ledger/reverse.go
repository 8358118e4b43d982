package ledger

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/money"
)

const reverseDomain = "billfold.reverse.v1"

// ReverseRequest asks to undo a debit or a credit, in part or whole.
type ReverseRequest struct {
	Tenant     Tenant
	CustomerID string

	// EntryID is the id of the debit or credit.
	EntryID string

	// Amount is how much of it to undo, nil for all that was not undone yet.
	Amount *money.Amount

	// AllowPartial lets the reversal of a credit take what its lot has to give where
	// that is less. Where it is nothing, it is refused like any other. What undoes a
	// debit always gives back the whole amount.
	AllowPartial bool

	Conditions Conditions

	// Grace is how long what goes back to an expired lot can be spent, 0 for not at
	// all. It is the business's setting and no part of what is asked for.
	Grace time.Duration

	// AllowDebt lets the reversal of a credit take all that is asked for, whatever its
	// lot has left: the rest is owed. It is a setting as well.
	AllowDebt bool

	Reason            string
	ReferenceObjectID string

	// Metadata is a canonical JSON object; empty means "{}".
	Metadata string

	// IdempotencyKey is empty when the caller sent none.
	IdempotencyKey string

	// CreatedBy is the id of the API key that asks.
	CreatedBy string

	// DefaultAlerts are those of [PostRequest].
	DefaultAlerts Alerts
}

// Validate checks what can be seen in the request alone and returns the first
// rule that it breaks: amount, conditions, reason, reference, key.
func (r *ReverseRequest) Validate() error {
	if r.Amount != nil {
		if err := validateAmount(*r.Amount); err != nil {
			return err
		}
	}
	if err := r.Conditions.Validate(); err != nil {
		return err
	}
	return validateTexts(r.Reason, r.ReferenceObjectID, r.IdempotencyKey)
}

// Fingerprint covers everything that the request says once parsed, see
// [PostRequest.Fingerprint].
func (r *ReverseRequest) Fingerprint() Fingerprint {
	b := make([]byte, 0, 256)
	b = appendText(b, reverseDomain)
	b = appendText(b, r.EntryID)
	var amount money.Amount // 0 stands for none
	if r.Amount != nil {
		amount = *r.Amount
	}
	b = appendNumber(b, int64(amount))
	b = appendText(b, r.Reason)
	b = appendText(b, r.ReferenceObjectID)
	b = appendText(b, metadataOr(r.Metadata))
	if r.AllowPartial {
		b = appendText(b, "allow_partial")
	}
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

// Reversible is a debit or credit that is to be undone. Nothing of it ever
// changes, so it is read before the decision.
type Reversible struct {
	Entry Entry

	// Lots are those that a debit took from, in the order of its allocations, as
	// their credits opened them. A credit has none here.
	Lots []Lot
}

// undo is the direction of the entries that undo this one, empty where none can:
// a reversal, an expiry entry and a leg of a transfer stand for ever.
func (e *Entry) undo() Direction {
	switch {
	case e.Reverses != "" || e.Account.isSystems() || e.Owed() > 0:
		return ""
	case e.Direction == Debit:
		return Credit
	}
	return Debit
}

// Reverse decides the entry that undoes a debit or a credit: one of the other
// direction against the same account. The first rule that does not hold refuses:
//
//  1. key used by another request   IDEMPOTENCY_KEY_REUSED
//  2. key used by this request      the first answer again, nothing written
//  3. a reversal, an expiry entry,
//     one of a transfer or move, or
//     one of an invoice or refund   ENTRY_NOT_REVERSIBLE
//  4. frozen, for debits if it is a
//     credit, else for credits too  CUSTOMER_NOT_ACTIVE
//  5. a condition does not hold     CONDITION_FAILED
//  6. more than is left of it       REVERSAL_EXCEEDS_ENTRY
//  7. more than its lot can give    REVERSAL_EXCEEDS_LOT
//  8. above the limit               BALANCE_LIMIT_EXCEEDED
//
// A credit gives from its own lot and from no other: what of it was spent, has
// expired or is held cannot be taken back. The snapshot must have been asked for
// the lot, see [Scope]. Where the business allows a debt, the wallet is lent what is
// missing, see [lend], unless a part will do.
//
// The money of a debit goes back to the very lots that the debit took, with their category
// and expiry (law L5), and to the last that it took first: a debit of 500 of which
// 200 were undone has left what a debit of 300 would have left.
//
//	debit 500 of lots 1:300 2:200, reverse 250    lot 2 gets 200, lot 1 gets 50
//
// A lot that has expired meanwhile gets its part too. With a grace period the part
// then moves to a lot that lives for it, see [extend]. Without, it is expired, so
// the expiry entry of the lot follows in the same commit. It takes all that the lot has left,
// as any does, and it is written for no other lot. Of more than [WrittenOffMax] such
// lots the others are left to the sweep: nobody can spend them either way. A wallet
// that owes pays from what has not expired first, see [recoverDebt].
func Reverse(s Snapshot, r *ReverseRequest, of *Reversible, m Moment) (Change, error) {
	fingerprint := r.Fingerprint()
	if s.Prior != nil || s.PriorHold != nil {
		return replay(s, fingerprint)
	}
	undone := &of.Entry
	direction := undone.undo()
	if direction == "" {
		return Change{}, Errorf(CodeNotReversible,
			"entry %s cannot be reversed: only a credit or debit that was posted can, and no reversal, expiry, leg of a transfer or move of an expiry", undone.ID)
	}
	// What the server itself has posted for an invoice or a refund, which it refers to, only
	// a refund gives back: it has to know of all that went back.
	if undone.CreatedBy == SystemCreator && undone.ReferenceObjectID != "" && r.CreatedBy != SystemCreator {
		return Change{}, Errorf(CodeNotReversible, "entry %s is that of %s; refund the payment instead", undone.ID, undone.ReferenceObjectID)
	}
	if err := s.Customer.Freezes.Refuse(undone.Currency, direction); err != nil {
		return Change{}, err
	}
	now := s.Chain.At(m.Now)
	wallet := s.Wallet
	if err := r.Conditions.hold(&wallet, wallet.Available(now)); err != nil {
		return Change{}, err
	}
	left := undone.Amount - s.Reversed
	amount := left
	if r.Amount != nil {
		amount = *r.Amount
	}
	if amount > left || left == 0 {
		return Change{}, FieldErrorf(CodeReversalExceeds, "amount", "entry %s has %d minor units left to reverse", undone.ID, left)
	}
	available := wallet.Available(now)
	var lent *Entry
	if direction == Debit && r.AllowDebt && !r.AllowPartial {
		var err error
		if lent, err = s.lend(amount-takeable(&wallet, undone.Seq, now), now, m); err != nil {
			return Change{}, err
		}
		wallet = s.Wallet
	}
	entry := nextEntry(&s, now, m.Random)
	entry.Direction, entry.Amount, entry.Reverses = direction, amount, undone.ID
	entry.EventType, entry.Account = undone.EventType.reversal(), undone.Account
	entry.Reason, entry.ReferenceObjectID, entry.Metadata = r.Reason, r.ReferenceObjectID, metadataOr(r.Metadata)
	entry.IdempotencyKey, entry.Fingerprint, entry.CreatedBy = r.IdempotencyKey, fingerprint, r.CreatedBy
	var returned []Lot
	var err error
	if direction == Debit {
		err = takeBack(&wallet, &entry, undone, lent, r.AllowPartial)
	} else {
		returned, err = giveBack(&wallet, &entry, undone, of.Lots, s.Reversed)
	}
	if err != nil {
		return Change{}, err
	}
	if err := wallet.putInForce(s.Customer.Alerts, r.DefaultAlerts, available); err != nil {
		return Change{}, err
	}
	change := recoverDebt(s, conclude(&s, entry, wallet), m)
	change.Lent = lent
	if r.Grace > 0 {
		return extend(s, change, returned, r.Grace, m), nil
	}
	return expireReturned(s, change, returned, m), nil
}

// LotLeft is what the lot of the credit with a seq has that has not expired at a time and that
// is not held. The wallet must have been read with that lot, see [Scope.Moves].
func (w *Wallet) LotLeft(seq int64, at time.Time) money.Amount { return takeable(w, seq, at) }

// takeable is what the lot of a credit can give at a time.
func takeable(wallet *Wallet, seq int64, now time.Time) money.Amount {
	for _, lot := range wallet.Lots {
		if lot.Seq == seq && !lot.ExpiredAt(now) {
			return lot.Remaining
		}
	}
	return 0
}

// takeBack takes the entry's amount from the lot that a credit opened, or as much
// as the lot can give if a part will do, and all that was lent for it. It refuses by
// rule 7.
func takeBack(wallet *Wallet, entry, credit, lent *Entry, partial bool) error {
	can := takeable(wallet, credit.Seq, entry.CreatedAt)
	all := can
	if lent != nil {
		all += lent.Amount
	}
	if all < entry.Amount && (all == 0 || !partial) {
		return FieldErrorf(CodeReversalExceedsLot, "amount",
			"entry %s has %d minor units left that can be taken back; the others were spent, have expired or are held", credit.ID, can)
	}
	entry.Amount = min(entry.Amount, all)
	wallet.Balance -= entry.Amount
	if own := min(entry.Amount, can); own > 0 {
		entry.Allocations = []Allocation{{LotSeq: credit.Seq, Amount: own}}
		wallet.Lots = slices.Clone(wallet.Lots)
		at := slices.IndexFunc(wallet.Lots, func(lot Lot) bool { return lot.Seq == credit.Seq })
		if wallet.Lots[at].Remaining -= own; wallet.Lots[at].Remaining == 0 {
			wallet.Lots = slices.Delete(wallet.Lots, at, at+1)
		}
	}
	if lent != nil {
		entry.Allocations = append(entry.Allocations, Allocation{LotSeq: LoanLot, Amount: lent.Amount})
	}
	return nil
}

// giveBack gives the entry's amount back to the lots that a debit took from, of
// which so much was given back before. It returns the parts as lots, and refuses
// by rule 8.
func giveBack(wallet *Wallet, entry, debit *Entry, lots []Lot, before money.Amount) (returned []Lot, err error) {
	for i, part := range debit.Allocations {
		if lots[i].Seq != part.LotSeq {
			return nil, Errorf(CodeInternal, "the lots are not those that entry %s took", debit.ID)
		}
	}
	balance, ok := wallet.Balance.Add(entry.Amount)
	if !ok || balance > money.BalanceMax {
		return nil, FieldErrorf(CodeBalanceLimit, "amount", "the wallet would pass the largest balance, %d minor units", money.BalanceMax)
	}
	entry.Allocations, returned = partsBack(debit.Allocations, lots, before, entry.Amount)
	wallet.Balance, wallet.Lots = balance, MergeLots(wallet.Lots, returned)
	return returned, nil
}

// WrittenOffMax is how many expiry entries follow a reversal at the most.
const WrittenOffMax = 100

// expireReturned has the expiry entries follow a reversal of those lots that it
// gave money back to and that have expired.
func expireReturned(s Snapshot, change Change, returned []Lot, m Moment) Change {
	now := change.Entry.CreatedAt
	// Both are in spend order, in which those that have expired come first.
	at := 0
	for _, lot := range returned[:min(len(returned), WrittenOffMax)] {
		if !lot.ExpiredAt(now) {
			break
		}
		after := s.After(&change)
		for after.Wallet.Lots[at].Seq != lot.Seq {
			at++
		}
		expired := writeOff(&after, at, now, m.Random)
		change = change.Then(&expired)
	}
	return change
}

// partsBack returns which part of an amount each lot gets that a debit took from,
// and the same as lots. So much was given back before, from the last lot on.
func partsBack(took []Allocation, lots []Lot, before, amount money.Amount) (parts []Allocation, returned []Lot) {
	first, end := len(took), len(took)
	taken := make([]money.Amount, len(took))
	for i := len(took) - 1; i >= 0 && amount > 0; i-- {
		has := took[i].Amount
		gone := min(before, has)
		before, has = before-gone, has-gone
		if has == 0 {
			end = i
			continue
		}
		taken[i] = min(amount, has)
		amount -= taken[i]
		first = i
	}
	for i := first; i < end; i++ {
		parts = append(parts, Allocation{LotSeq: took[i].LotSeq, Amount: taken[i]})
		lot := lots[i]
		lot.Remaining = taken[i]
		returned = append(returned, lot)
	}
	return parts, returned
}

// reversal is the published event type of an entry that undoes one of type t.
func (t EventType) reversal() EventType {
	switch t {
	case EventPayment:
		return EventPaymentReversal
	case EventRefund:
		return EventRefundReversal
	case EventDispute:
		return EventDisputeReversal
	default:
		return t
	}
}

// Reverse validates a request and undoes a debit or credit. On a repeat of a request under
// its key the change has Replayed set and is the first answer.
func (b *Book) Reverse(ctx context.Context, request ReverseRequest) (Change, error) {
	if err := request.Validate(); err != nil {
		return Change{}, err
	}
	undone, err := b.Reversible(ctx, request.Tenant, request.CustomerID, request.EntryID)
	if err != nil {
		return Change{}, err
	}
	entry := &undone.Entry
	moment := Moment{Now: b.Now(), Random: b.random()}
	scope := Scope{
		Tenant:     request.Tenant,
		CustomerID: request.CustomerID,
		Currency:   entry.Currency,
		Key:        request.IdempotencyKey,
		At:         moment.Now,
		Reverses:   entry.ID,
		Returns:    undone.Lots,
	}
	if entry.undo() == Debit {
		scope.Lot = Lot{Seq: entry.Seq, Category: entry.Category, ExpiresAt: entry.ExpiresAt, Remaining: entry.Amount}
	}
	change, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
		return Reverse(s, &request, &undone, moment)
	})
	b.free(request.Tenant, request.CustomerID, err)
	return change, err
}

// Reversible reads an entry that is to be undone, with the lots that a debit took from.
func (b *Book) Reversible(ctx context.Context, tenant Tenant, customerID, entryID string) (Reversible, error) {
	entry, err := b.store.Entry(ctx, tenant, customerID, entryID)
	undone := Reversible{Entry: entry}
	if err != nil || entry.undo() != Credit {
		return undone, err
	}
	seqs := make([]int64, 0, len(entry.Allocations))
	for _, part := range entry.Allocations {
		seqs = append(seqs, part.LotSeq)
	}
	undone.Lots, err = b.store.Opened(ctx, tenant, customerID, entry.Currency, seqs)
	return undone, err
}
