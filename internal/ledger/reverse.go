package ledger

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/billfold/billfold/internal/money"
)

const reverseDomain = "billfold.reverse.v1"

// ReverseRequest asks to undo a debit, in part or whole.
type ReverseRequest struct {
	Tenant     Tenant
	CustomerID string

	// EntryID is the id of the debit.
	EntryID string

	// Amount is how much of it to undo, nil for all that was not undone yet.
	Amount *money.Amount

	Conditions Conditions

	// Grace is how long what goes back to an expired lot can be spent, 0 for not at
	// all. It is the business's setting and no part of what is asked for.
	Grace time.Duration

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
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

// Reversible is a debit that is to be undone. Nothing of it ever changes, so it
// is read before the decision.
type Reversible struct {
	Entry Entry

	// Lots are those that the debit took from, in the order of its allocations,
	// as their credits opened them.
	Lots []Lot
}

// Reverse decides the entry that undoes a debit: one credit against the account
// that the debit counted against. The first rule that does not hold refuses:
//
//  1. key used by another request   IDEMPOTENCY_KEY_REUSED
//  2. key used by this request      the first answer again, nothing written
//  3. not a debit that was posted,
//     or one of a transfer or move  ENTRY_NOT_REVERSIBLE
//  4. frozen for credits too        CUSTOMER_NOT_ACTIVE
//  5. a condition does not hold     CONDITION_FAILED
//  6. more than is left of it       REVERSAL_EXCEEDS_ENTRY
//  7. above the limit               BALANCE_LIMIT_EXCEEDED
//
// The money goes back to the very lots that the debit took, with their category
// and expiry (law L5), and to the last that it took first: a debit of 500 of which
// 200 were undone has left what a debit of 300 would have left.
//
//	debit 500 of lots 1:300 2:200, reverse 250    lot 2 gets 200, lot 1 gets 50
//
// A lot that has expired meanwhile gets its part too. With a grace period the part
// then moves to a lot that lives for it, see [extend]. Without, it is expired, so
// the expiry entry of the lot follows in the same commit. It takes all that the lot has left,
// as any does, and it is written for no other lot. Of more than [WrittenOffMax] such
// lots the others are left to the sweep: nobody can spend them either way.
func Reverse(s Snapshot, r *ReverseRequest, debit *Reversible, m Moment) (Change, error) {
	fingerprint := r.Fingerprint()
	if s.Prior != nil || s.PriorHold != nil {
		return replay(s, fingerprint)
	}
	undone := &debit.Entry
	if undone.Direction != Debit || undone.Account.isSystems() {
		return Change{}, Errorf(CodeNotReversible, "entry %s is no debit that was posted; only such a one can be reversed", undone.ID)
	}
	if err := s.Customer.Freezes.refuse(undone.Currency, Credit); err != nil {
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
	for i, part := range undone.Allocations {
		if debit.Lots[i].Seq != part.LotSeq {
			return Change{}, Errorf(CodeInternal, "the lots are not those that entry %s took", undone.ID)
		}
	}
	balance, ok := wallet.Balance.Add(amount)
	if !ok || balance > money.BalanceMax {
		return Change{}, FieldErrorf(CodeBalanceLimit, "amount", "the wallet would pass the largest balance, %d minor units", money.BalanceMax)
	}
	if err := wallet.putInForce(s.Customer.Alerts, r.DefaultAlerts, wallet.Available(now)); err != nil {
		return Change{}, err
	}
	entry := nextEntry(&s, now, m.Random)
	entry.Direction, entry.Amount, entry.Reverses = Credit, amount, undone.ID
	entry.EventType, entry.Account = undone.EventType.reversal(), undone.Account
	entry.Reason, entry.ReferenceObjectID, entry.Metadata = r.Reason, r.ReferenceObjectID, metadataOr(r.Metadata)
	entry.IdempotencyKey, entry.Fingerprint, entry.CreatedBy = r.IdempotencyKey, fingerprint, r.CreatedBy
	var returned []Lot
	entry.Allocations, returned = giveBack(undone.Allocations, debit.Lots, s.Reversed, amount)
	wallet.Balance, wallet.Lots = balance, MergeLots(wallet.Lots, returned)
	change := conclude(&s, entry, wallet)
	if r.Grace > 0 {
		return extend(s, change, returned, r.Grace, m), nil
	}
	return expireReturned(s, change, returned, m), nil
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

// giveBack returns which part of an amount each lot gets that a debit took from,
// and the same as lots. So much was given back before, from the last lot on.
func giveBack(took []Allocation, lots []Lot, before, amount money.Amount) (parts []Allocation, returned []Lot) {
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

// Reverse validates a request and undoes a debit. On a repeat of a request under
// its key the change has Replayed set and is the first answer.
func (b *Book) Reverse(ctx context.Context, request ReverseRequest) (Change, error) {
	if err := request.Validate(); err != nil {
		return Change{}, err
	}
	entry, err := b.store.Entry(ctx, request.Tenant, request.CustomerID, request.EntryID)
	if err != nil {
		return Change{}, err
	}
	debit := Reversible{Entry: entry}
	if entry.Direction == Debit {
		seqs := make([]int64, 0, len(entry.Allocations))
		for _, part := range entry.Allocations {
			seqs = append(seqs, part.LotSeq)
		}
		debit.Lots, err = b.store.Opened(ctx, request.Tenant, request.CustomerID, entry.Currency, seqs)
		if err != nil {
			return Change{}, err
		}
	}
	moment := Moment{Now: b.Now(), Random: b.random()}
	scope := Scope{
		Tenant:     request.Tenant,
		CustomerID: request.CustomerID,
		Currency:   entry.Currency,
		Key:        request.IdempotencyKey,
		At:         moment.Now,
		Reverses:   entry.ID,
	}
	return b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
		return Reverse(s, &request, &debit, moment)
	})
}
