package ledger

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/billfold/billfold/internal/money"
)

const (
	transferDomain = "billfold.transfer.v1"

	// TransferIDPrefix begins the id of every transfer. What follows is that of
	// the entry which began it, so that the id contains that entry's position.
	TransferIDPrefix = "trf_"

	// TransferKindsMax is how many kinds of money, told apart by category and
	// expiry, one transfer may carry: each is an entry at the destination.
	TransferKindsMax = 100
)

// TransferState says how far a transfer has come.
type TransferState string

// The states. The source's row goes from in transit to completed or returned;
// the destination's row is there once it has decided, as completed or refused,
// and never changes.
const (
	TransferInTransit TransferState = "in_transit" // taken from the source, and nowhere yet
	TransferCompleted TransferState = "completed"  // at the destination
	TransferReturned  TransferState = "returned"   // back at the source
	TransferRefused   TransferState = "refused"    // the destination's no, after which it can never be a yes
)

// Transfer is a row about a transfer at one of its two customers.
type Transfer struct {
	Tenant     Tenant
	CustomerID string // whose row it is: of the source if Outgoing
	ID         string // the same at both customers
	Outgoing   bool
	OtherID    string // the customer at the other end

	State    TransferState
	Currency money.Currency
	Amount   money.Amount

	// Position and EntryID are those of the customer's first entry of the
	// transfer: the debit at the source, the first credit at the destination. A
	// refusal has no entry: 0 and "".
	Position int64
	EntryID  string

	// Refusal is why the destination refused, empty while it did not.
	Refusal Code

	CreatedAt time.Time // of that entry, or of the refusal
	UpdatedAt time.Time // when the state was reached
}

// TransferRequest asks to move money from one customer's wallet to that of
// another customer of the same business and mode.
type TransferRequest struct {
	Tenant       Tenant
	CustomerID   string // the source
	ToCustomerID string
	Currency     money.Currency
	Amount       money.Amount

	Conditions Conditions // on the source's wallet

	Reason string

	// Metadata is a canonical JSON object; empty means "{}".
	Metadata string

	// IdempotencyKey is one of the source's, empty when the caller sent none.
	IdempotencyKey string

	// CreatedBy is the id of the API key that asks.
	CreatedBy string

	// CurrencyEnabled says whether the business has the currency switched on.
	CurrencyEnabled bool

	// DefaultAlerts are those of [PostRequest], for the source's wallet.
	DefaultAlerts Alerts
}

// Validate checks what can be seen in the request alone and returns the first
// rule that it breaks: currency, amount, conditions, reason, key, and that there
// are two wallets.
func (r *TransferRequest) Validate() error {
	if !r.Currency.Valid() {
		return FieldErrorf(CodeUnsupportedCurrency, "currency", "%q is not a supported currency; use an upper-case ISO 4217 code such as USD", clip(string(r.Currency)))
	}
	if err := validateAmount(r.Amount); err != nil {
		return err
	}
	if err := r.Conditions.Validate(); err != nil {
		return err
	}
	if err := validateTexts(r.Reason, "", r.IdempotencyKey); err != nil {
		return err
	}
	if r.CustomerID == r.ToCustomerID {
		return FieldErrorf(CodeInvalidTransfer, "to_customer_id", "to_customer_id must be another customer; this is the wallet that the money comes from")
	}
	return nil
}

// Fingerprint covers everything that the request says once parsed, see
// [PostRequest.Fingerprint].
func (r *TransferRequest) Fingerprint() Fingerprint {
	b := make([]byte, 0, 256)
	b = appendText(b, transferDomain)
	b = appendText(b, r.ToCustomerID)
	b = appendText(b, string(r.Currency))
	b = appendNumber(b, int64(r.Amount))
	b = appendText(b, r.Reason)
	b = appendText(b, metadataOr(r.Metadata))
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

// Destination is what is known of where a transfer goes to when it begins. It
// may have changed by the time the money arrives, which [Receive] looks at anew.
type Destination struct {
	Freezes Freezes
	Balance money.Amount
}

// SendTransfer decides the first leg: a debit at the source against the account
// of transfers, and the source's row. The first rule that does not hold refuses:
//
//  1. key used by another request     IDEMPOTENCY_KEY_REUSED
//  2. key used by this request        the first answer again, nothing written
//  3. currency not enabled            UNSUPPORTED_CURRENCY
//  4. source frozen                   CUSTOMER_NOT_ACTIVE
//  5. destination frozen entirely     CUSTOMER_NOT_ACTIVE
//  6. a condition does not hold       CONDITION_FAILED
//  7. above what is available         INSUFFICIENT_WALLET_FUNDS
//  8. above the destination's limit   BALANCE_LIMIT_EXCEEDED
//  9. too many kinds of money         INVALID_TRANSFER
func SendTransfer(s Snapshot, r *TransferRequest, to Destination, m Moment) (Change, error) {
	fingerprint := r.Fingerprint()
	if s.Prior != nil || s.PriorHold != nil {
		return replay(s, fingerprint)
	}
	now := s.Chain.At(m.Now)
	if !r.CurrencyEnabled {
		return Change{}, FieldErrorf(CodeUnsupportedCurrency, "currency", "%s is not enabled for this business; enable it in the business settings", r.Currency)
	}
	if err := s.Customer.Freezes.Refuse(r.Currency, Debit); err != nil {
		return Change{}, err
	}
	if to.Freezes.Refuse(r.Currency, Credit) != nil {
		return Change{}, FieldErrorf(CodeCustomerNotActive, "to_customer_id", "the wallet that the money would go to is frozen")
	}
	wallet := s.Wallet
	available := wallet.Available(now)
	if err := r.Conditions.hold(&wallet, available); err != nil {
		return Change{}, err
	}
	if err := wallet.putInForce(s.Customer.Alerts, r.DefaultAlerts, available); err != nil {
		return Change{}, err
	}
	entry := nextEntry(&s, now, m.Random)
	transfer := Transfer{
		Tenant: s.Wallet.Tenant, CustomerID: s.Wallet.CustomerID, ID: positionedID(TransferIDPrefix, now, entry.Position, m.Random),
		Outgoing: true, OtherID: r.ToCustomerID, State: TransferInTransit, Currency: r.Currency, Amount: r.Amount,
		Position: entry.Position, EntryID: entry.ID, CreatedAt: now, UpdatedAt: now,
	}
	entry.Direction, entry.Amount = Debit, r.Amount
	entry.EventType, entry.Account = EventMerchantAdjustment, AccountTransfers
	entry.Reason, entry.ReferenceObjectID, entry.Metadata = r.Reason, transfer.ID, metadataOr(r.Metadata)
	entry.IdempotencyKey, entry.Fingerprint, entry.CreatedBy = r.IdempotencyKey, fingerprint, r.CreatedBy
	if err := move(&wallet, &entry); err != nil {
		return Change{}, err
	}
	if to.Balance > money.BalanceMax-r.Amount {
		return Change{}, FieldErrorf(CodeBalanceLimit, "amount", "the wallet that the money would go to would pass the largest balance, %d minor units", money.BalanceMax)
	}
	taken := Taken{Entry: entry, Lots: lotsOf(entry.Allocations, s.Wallet.Lots)}
	if len(taken.kinds()) > TransferKindsMax {
		return Change{}, FieldErrorf(CodeInvalidTransfer, "amount", "the amount is made of more than %d kinds of money, by category and expiry; transfer it in smaller amounts", TransferKindsMax)
	}
	change := conclude(&s, entry, wallet)
	change.Transfer = &transfer
	return change, nil
}

// Taken is a debit with the lots that it took, in the order of its allocations.
// Nothing of it ever changes, so it is read before a decision.
type Taken = Reversible

// lotsOf finds the lots that allocations name.
func lotsOf(parts []Allocation, lots []Lot) []Lot {
	named := make([]Lot, 0, len(parts))
	next := 0 // allocations are in spend order, as the lots are
	for _, part := range parts {
		for lots[next].Seq != part.LotSeq {
			next++
		}
		named = append(named, lots[next])
	}
	return named
}

// kinds returns what a debit took of each category and expiry, as lots that are
// to be opened elsewhere, in the order in which it took them.
func (t *Taken) kinds() []Lot {
	type kind struct {
		category Category
		expires  int64
	}
	var lots []Lot
	place := map[kind]int{}
	for i, part := range t.Entry.Allocations {
		lot := t.Lots[i]
		key := kind{lot.Category, micros(lot.ExpiresAt)}
		at, seen := place[key]
		if !seen {
			at = len(lots)
			place[key] = at
			lots = append(lots, Lot{Category: lot.Category, ExpiresAt: lot.ExpiresAt})
		}
		lots[at].Remaining += part.Amount
	}
	return lots
}

// ReceiveTransfer decides the second leg at the destination: a credit against the
// account of transfers for each kind of money that the debit took, with its
// category and expiry, and the destination's row. A destination that has decided
// before, either way, decides nothing again: the change is Replayed, with its row.
//
// What has expired on the way arrives all the same, and is expired. Thresholds of
// the wallet's own come into force here; whoever resumes a transfer does not know
// those of the business. A refusal is
// CUSTOMER_NOT_ACTIVE or BALANCE_LIMIT_EXCEEDED; it holds only once it is kept,
// see [Store.SettleTransfer].
func ReceiveTransfer(s Snapshot, sent *Transfer, debit *Taken, m Moment) (Change, error) {
	if s.Transfer != nil {
		return Change{Replayed: true, Transfer: s.Transfer}, nil
	}
	if err := s.Customer.Freezes.Refuse(sent.Currency, Credit); err != nil {
		return Change{}, err
	}
	if s.Wallet.Balance > money.BalanceMax-sent.Amount {
		return Change{}, FieldErrorf(CodeBalanceLimit, "amount", "the wallet would pass the largest balance, %d minor units", money.BalanceMax)
	}
	now := s.Chain.At(m.Now)
	_, own := s.Customer.Alerts.Of(sent.Currency)
	var all Change
	for i, lot := range debit.kinds() {
		wallet := s.Wallet
		if own && i == 0 {
			if err := wallet.putInForce(s.Customer.Alerts, "", wallet.Available(now)); err != nil {
				return Change{}, err
			}
		}
		entry := nextEntry(&s, now, m.Random+uint64(i))
		entry.Direction, entry.Amount = Credit, lot.Remaining
		entry.EventType, entry.Account = EventMerchantAdjustment, AccountTransfers
		entry.Category, entry.ExpiresAt = lot.Category, lot.ExpiresAt
		entry.Reason, entry.ReferenceObjectID, entry.Metadata = debit.Entry.Reason, sent.ID, debit.Entry.Metadata
		entry.CreatedBy = debit.Entry.CreatedBy
		if err := move(&wallet, &entry); err != nil {
			return Change{}, err
		}
		change := recoverDebt(s, conclude(&s, entry, wallet), m)
		s = s.After(&change)
		if i == 0 {
			all = change
		} else {
			all = all.Then(&change)
		}
	}
	row := sent.received(now)
	row.State, row.Position, row.EntryID = TransferCompleted, all.Entry.Position, all.Entry.ID
	all.Transfer = &row
	return all, nil
}

// received is a row at the destination without its outcome.
func (t *Transfer) received(at time.Time) Transfer {
	return Transfer{
		Tenant: t.Tenant, CustomerID: t.OtherID, ID: t.ID, OtherID: t.CustomerID, Currency: t.Currency, Amount: t.Amount,
		CreatedAt: at, UpdatedAt: at,
	}
}

// ReturnTransfer decides what becomes of the source when the destination has
// refused for good: a credit that gives the money back to the very lots it came
// from, as [Reverse] does, and the end of the transfer. It is decided even when
// the source is frozen, because the money has never left it for anywhere. It is
// refused only with BALANCE_LIMIT_EXCEEDED.
func ReturnTransfer(s Snapshot, debit *Taken, refusal Code, m Moment) (Change, error) {
	if s.Transfer == nil {
		return Change{}, Errorf(CodeInternal, "a transfer that is to be returned is not there")
	}
	if s.Transfer.State != TransferInTransit {
		return Change{Replayed: true, Transfer: s.Transfer}, nil
	}
	now := s.Chain.At(m.Now)
	wallet := s.Wallet
	undone := &debit.Entry
	entry := nextEntry(&s, now, m.Random)
	entry.Direction, entry.Amount, entry.Reverses = Credit, undone.Amount, undone.ID
	entry.EventType, entry.Account = undone.EventType.reversal(), undone.Account
	entry.Reason, entry.ReferenceObjectID, entry.Metadata = TransferReturnReason, s.Transfer.ID, "{}"
	entry.CreatedBy = undone.CreatedBy
	returned, err := giveBack(&wallet, &entry, undone, debit.Lots, 0)
	if err != nil {
		return Change{}, err
	}
	change := recoverDebt(s, conclude(&s, entry, wallet), m)
	change = expireReturned(s, change, returned, m)
	row := *s.Transfer
	row.State, row.Refusal, row.UpdatedAt = TransferReturned, refusal, now
	change.Transfer = &row
	return change, nil
}

// TransferReturnReason is what the entry says that returns a transfer.
const TransferReturnReason = "Transfer returned"

// TransferList is one page of a customer's transfers, newest first.
type TransferList struct {
	Transfers []Transfer
	Next      int64 // the Before of the next page, 0 when this is the last
}

// Sent is a transfer as it stands after a request, with the change that the first
// leg was.
type Sent struct {
	Change   Change
	Transfer Transfer
}

// Transfer validates a request and carries it out, both legs of it. On a repeat
// of a request under its key the change has Replayed set and is the first answer.
//
// Once the first leg is committed there is no error any more: where the second
// could not follow, the transfer is in transit, and [Book.ResumeTransfer] brings
// it to its end, as it does when the process is killed in between.
func (b *Book) Transfer(ctx context.Context, request TransferRequest) (Sent, error) {
	if err := request.Validate(); err != nil {
		return Sent{}, err
	}
	holdings, err := b.store.Wallets(ctx, request.Tenant, request.ToCustomerID, b.Now())
	if err != nil {
		return Sent{}, err
	}
	to := Destination{Freezes: holdings.Customer.Freezes}
	for i := range holdings.Wallets {
		if holdings.Wallets[i].Currency == request.Currency {
			to.Balance = holdings.Wallets[i].Balance
		}
	}
	moment := Moment{Now: b.Now(), Random: b.random()}
	scope := Scope{
		Tenant: request.Tenant, CustomerID: request.CustomerID, Currency: request.Currency,
		Key: request.IdempotencyKey, At: moment.Now, Need: request.Amount,
	}
	decide := func(s Snapshot) (Change, error) { return SendTransfer(s, &request, to, moment) }
	change, err := b.transact(ctx, Command{Scope: scope, Decide: decide})
	if err != nil {
		return Sent{}, err
	}
	id := change.Entry.ReferenceObjectID
	if transfer, err := b.ResumeTransfer(ctx, request.Tenant, request.CustomerID, id); err == nil {
		return Sent{Change: change, Transfer: transfer}, nil
	}
	if change.Transfer != nil {
		return Sent{Change: change, Transfer: *change.Transfer}, nil
	}
	transfer, err := b.store.Transfer(ctx, request.Tenant, request.CustomerID, id)
	return Sent{Change: change, Transfer: transfer}, err
}

// ResumeTransfer brings a transfer of a source to its end, wherever it stopped,
// and returns the source's row. Each step is a commit about one customer that can
// be made again without a second effect, so that any number of instances may do
// this at once. An error leaves the transfer in transit.
//
// The destination alone decides between arrival and return, once and for good:
// its row, written in the commit of the credits or instead of them, is what every
// other step goes by. So a transfer that was returned can never arrive as well.
func (b *Book) ResumeTransfer(ctx context.Context, tenant Tenant, customerID, id string) (Transfer, error) {
	sent, err := b.store.Transfer(ctx, tenant, customerID, id)
	if err != nil || !sent.Outgoing || sent.State != TransferInTransit {
		return sent, err
	}
	debit, err := b.taken(ctx, tenant, customerID, sent.EntryID)
	if err != nil {
		return sent, err
	}
	decided, err := b.arrive(ctx, &sent, &debit)
	if err != nil {
		return sent, err
	}
	if decided.State == TransferCompleted {
		done := sent
		done.State = TransferCompleted
		// The two customers' times need not agree (law R4): each is at the least that
		// of the customer's last entry.
		if decided.UpdatedAt.After(done.UpdatedAt) {
			done.UpdatedAt = decided.UpdatedAt
		}
		return b.store.SettleTransfer(ctx, done)
	}
	moment := Moment{Now: b.Now(), Random: b.random()}
	scope := Scope{
		Tenant: tenant, CustomerID: customerID, Currency: sent.Currency, At: moment.Now, Transfer: id, Returns: debit.Lots,
	}
	change, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
		return ReturnTransfer(s, &debit, decided.Refusal, moment)
	})
	if err != nil {
		return sent, err
	}
	return *change.Transfer, nil
}

// arrive has the destination decide, and returns its row.
func (b *Book) arrive(ctx context.Context, sent *Transfer, debit *Taken) (Transfer, error) {
	moment := Moment{Now: b.Now(), Random: b.random()}
	scope := Scope{
		Tenant: sent.Tenant, CustomerID: sent.OtherID, Currency: sent.Currency, At: moment.Now, Transfer: sent.ID,
	}
	change, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
		return ReceiveTransfer(s, sent, debit, moment)
	})
	switch code := CodeOf(err); code {
	case "":
		return *change.Transfer, nil
	case CodeCustomerNotActive, CodeBalanceLimit:
		refused := sent.received(moment.Now)
		refused.State, refused.Refusal = TransferRefused, code
		return b.store.SettleTransfer(ctx, refused)
	}
	return Transfer{}, err
}

// taken reads a debit with the lots that it took.
func (b *Book) taken(ctx context.Context, tenant Tenant, customerID, entryID string) (debit Taken, err error) {
	if debit.Entry, err = b.store.Entry(ctx, tenant, customerID, entryID); err != nil {
		return debit, err
	}
	seqs := make([]int64, 0, len(debit.Entry.Allocations))
	for _, part := range debit.Entry.Allocations {
		seqs = append(seqs, part.LotSeq)
	}
	debit.Lots, err = b.store.Opened(ctx, tenant, customerID, debit.Entry.Currency, seqs)
	return debit, err
}
