package ledger

import (
	"crypto/sha256"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/money"
)

// Limits of the texts in a request, in Unicode code points.
const (
	ReasonMax         = 1000
	KeyMax            = 255
	ReferenceMax      = 255
	ExpiryAheadMin    = time.Minute // an expiry must lie at least this far ahead
	expiryYearMax     = 9999
	fingerprintDomain = "billfold.post.v1"
)

// PostRequest asks for one credit or debit.
type PostRequest struct {
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency
	Direction  Direction
	Amount     money.Amount

	// Category of a credit; empty means [Paid]. A debit has none.
	Category Category

	// ExpiresAt of a credit; zero means never. Cut to microseconds.
	ExpiresAt time.Time

	// AllowPartial lets a debit take what is available where that is less than
	// Amount. Where nothing is, it is refused like any other.
	AllowPartial bool

	Conditions Conditions

	Reason            string
	ReferenceObjectID string

	// Metadata is a canonical JSON object; empty means "{}".
	Metadata string

	// IdempotencyKey is empty when the caller sent none.
	IdempotencyKey string

	// CreatedBy is the id of the API key that asks.
	CreatedBy string

	// Purpose is why it is asked for, the zero Purpose where the caller says nothing.
	Purpose Purpose

	// CurrencyEnabled says whether the business has the currency switched on.
	// It is state, not shape: it is looked at after the key (law K10).
	CurrencyEnabled bool

	// DefaultAlerts are the thresholds that the business gives to wallets without
	// their own. They are state as well.
	DefaultAlerts Alerts
}

// Validate checks what can be seen in the request alone and returns the first
// rule that it breaks: currency, entry type, amount, category, expiry, partial,
// conditions, reason, reference, key.
func (r *PostRequest) Validate() error {
	switch {
	case !r.Currency.Valid():
		return FieldErrorf(CodeUnsupportedCurrency, "currency", "%q is not a supported currency; use an upper-case ISO 4217 code such as USD", clip(string(r.Currency)))
	case r.Direction != Credit && r.Direction != Debit:
		return FieldErrorf(CodeInvalidEntryType, "entry_type", "entry_type must be credit or debit")
	case validateAmount(r.Amount) != nil:
		return validateAmount(r.Amount)
	case r.Direction == Debit && r.Category != "":
		return FieldErrorf(CodeCategoryOnDebit, "category", "a debit has no category; it takes the lots that are next in spend order")
	case r.Category != "" && r.Category != Paid && r.Category != Promotional:
		return FieldErrorf(CodeInvalidCategory, "category", "category must be paid or promotional")
	case r.Direction == Debit && !r.ExpiresAt.IsZero():
		return FieldErrorf(CodeExpiryOnDebit, "expires_at", "a debit cannot expire; expires_at belongs to credits")
	case validateExpiry(r.ExpiresAt) != nil:
		return validateExpiry(r.ExpiresAt)
	case r.Direction == Credit && r.AllowPartial:
		return FieldErrorf(CodePartialOnCredit, "allow_partial", "a credit is never partial; allow_partial belongs to debits")
	}
	if err := r.Conditions.Validate(); err != nil {
		return err
	}
	return validateTexts(r.Reason, r.ReferenceObjectID, r.IdempotencyKey)
}

func validateAmount(amount money.Amount) error {
	switch {
	case amount <= 0:
		return FieldErrorf(CodeAmountNotPositive, "amount", "amount must be at least 1 minor unit; the direction is in entry_type")
	case amount > money.EntryMax:
		return FieldErrorf(CodeAmountTooLarge, "amount", "amount must be at most %d minor units", money.EntryMax)
	}
	return nil
}

var errExpiryTooSoon = FieldErrorf(CodeInvalidExpiry, "expires_at", "expires_at must lie at least one minute ahead")

// validateExpiry checks an expiry as far as it can be without a clock; zero is none.
func validateExpiry(expiresAt time.Time) error {
	switch {
	case !expiresAt.IsZero() && micros(expiresAt) <= 0:
		// 1970 would read as "never" wherever 0 stands for no expiry.
		return errExpiryTooSoon
	case expiresAt.Year() > expiryYearMax:
		return FieldErrorf(CodeInvalidExpiry, "expires_at", "expires_at must be before the year 10000")
	}
	return nil
}

// validateTexts checks the texts of a request; an empty key is none.
func validateTexts(reason, reference, key string) error {
	switch {
	case utf8.RuneCountInString(reason) > ReasonMax || hasControl(reason):
		return FieldErrorf(CodeInvalidReason, "reason", "reason must be at most %d characters without control characters", ReasonMax)
	case utf8.RuneCountInString(reference) > ReferenceMax || hasControl(reference):
		return FieldErrorf(CodeInvalidReference, "reference_object_id", "reference_object_id must be at most %d characters without control characters", ReferenceMax)
	}
	if key == "" {
		return nil
	}
	return ValidateKey(key)
}

// ValidateKey checks an idempotency key: 1 to 255 characters of UTF-8 without
// control characters and not blank. Keys are compared byte for byte and never
// trimmed (law K8).
func ValidateKey(key string) error {
	if key == "" || utf8.RuneCountInString(key) > KeyMax || hasControl(key) || strings.TrimSpace(key) == "" {
		return FieldErrorf(CodeInvalidIdempotencyKey, "idempotency_key", "an idempotency key must be 1 to %d characters, not blank, without control characters", KeyMax)
	}
	return nil
}

// Fingerprint covers everything that the request says once parsed and
// defaulted, and nothing that the server made (law K4). It does not cover who
// asks: another API key of the business repeats the same request (law K5).
func (r *PostRequest) Fingerprint() Fingerprint {
	b := make([]byte, 0, 256)
	b = appendText(b, fingerprintDomain)
	b = appendText(b, string(r.Currency))
	b = appendText(b, string(r.Direction))
	b = appendNumber(b, int64(r.Amount))
	b = appendText(b, string(r.category()))
	b = appendNumber(b, micros(r.ExpiresAt))
	b = appendText(b, r.Reason)
	b = appendText(b, r.ReferenceObjectID)
	b = appendText(b, metadataOr(r.Metadata))
	if r.AllowPartial {
		b = appendText(b, "allow_partial")
	}
	b = r.Purpose.append(b)
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

func (r *PostRequest) category() Category {
	if r.Direction == Credit && r.Category == "" {
		return Paid
	}
	return r.Category
}

// metadataOr is metadata in the form in which an entry has them.
func metadataOr(metadata string) string {
	if metadata == "" {
		return "{}"
	}
	return metadata
}

// amount is what an entry moves when so much is available. It is 0 of nothing,
// which is refused for funds.
func (r *PostRequest) amount(available money.Amount) money.Amount {
	if r.AllowPartial {
		return min(r.Amount, available)
	}
	return r.Amount
}

// Purpose is why money moves, and what it is counted against (law M1). It is the
// server's own: no API key can say it. The zero Purpose is an adjustment.
type Purpose struct {
	EventType EventType
	Account   Account
}

// append adds the purpose to what a fingerprint covers. The zero one adds nothing.
func (p Purpose) append(to []byte) []byte {
	if p == (Purpose{}) {
		return to
	}
	return appendText(appendText(appendText(to, "purpose"), string(p.EventType)), string(p.Account))
}

// or is the purpose, and of the zero one an adjustment against an account.
func (p Purpose) or(account Account) Purpose {
	if p == (Purpose{}) {
		return Purpose{EventMerchantAdjustment, account}
	}
	return p
}

// purpose is that of a credit or debit.
func (r *PostRequest) purpose() Purpose { return r.Purpose.or(accountOf(r.category())) }

// accountOf is the other side of a credit of a category, and of a debit, which has
// none.
func accountOf(category Category) Account {
	if category == Promotional {
		return AccountPromotion
	}
	return AccountMerchant
}

// Moment is what a decision needs from outside and may not fetch itself.
type Moment struct {
	Now    time.Time // UTC, cut to microseconds
	Random uint64
}

// Post decides a credit or debit. The first rule that does not hold refuses:
//
//  1. key used by another request   IDEMPOTENCY_KEY_REUSED
//  2. key used by this request      the first answer again, nothing written
//  3. currency not enabled          UNSUPPORTED_CURRENCY
//  4. expiry too soon or past       INVALID_EXPIRY
//  5. customer or wallet frozen     CUSTOMER_NOT_ACTIVE
//  6. a condition does not hold     CONDITION_FAILED
//  7. debit above available         INSUFFICIENT_WALLET_FUNDS
//  8. credit above the limit        BALANCE_LIMIT_EXCEEDED
//
// A refusal changes nothing and does not use up the key (law K7). The request
// must have passed [PostRequest.Validate]. A credit to a wallet that owes pays
// that first, see [recoverDebt].
func Post(s Snapshot, r *PostRequest, m Moment) (Change, error) {
	fingerprint := r.Fingerprint()
	if s.Prior != nil || s.PriorHold != nil {
		return replay(s, fingerprint)
	}
	now := s.Chain.At(m.Now)
	if !r.CurrencyEnabled {
		return Change{}, FieldErrorf(CodeUnsupportedCurrency, "currency", "%s is not enabled for this business; enable it in the business settings", r.Currency)
	}
	if !r.ExpiresAt.IsZero() && r.ExpiresAt.Before(now.Add(ExpiryAheadMin)) {
		return Change{}, errExpiryTooSoon
	}
	if err := s.Customer.Freezes.Refuse(r.Currency, r.Direction); err != nil {
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
	entry := nextEntry(&s, now, m.Random)
	entry.Direction, entry.Amount = r.Direction, r.amount(available)
	entry.EventType, entry.Account = r.purpose().EventType, r.purpose().Account
	entry.Category, entry.ExpiresAt = r.category(), r.ExpiresAt
	entry.Reason, entry.ReferenceObjectID, entry.Metadata = r.Reason, r.ReferenceObjectID, metadataOr(r.Metadata)
	entry.IdempotencyKey, entry.Fingerprint, entry.CreatedBy = r.IdempotencyKey, fingerprint, r.CreatedBy
	if err := move(&wallet, &entry); err != nil {
		return Change{}, err
	}
	return recoverDebt(s, conclude(&s, entry, wallet), m), nil
}

// nextEntry is an entry in its place on top of a snapshot, and nothing else.
func nextEntry(s *Snapshot, now time.Time, random uint64) Entry {
	return Entry{
		ID:         EntryID(now, s.Chain.Position+1, random),
		Tenant:     s.Wallet.Tenant,
		CustomerID: s.Wallet.CustomerID,
		Currency:   s.Wallet.Currency,
		Position:   s.Chain.Position + 1,
		Seq:        s.Wallet.Seq + 1,
		Before:     s.Wallet.Balance,
		CreatedAt:  now,
	}
}

// conclude completes an entry by what it led to, and chains it to the one before.
func conclude(s *Snapshot, entry Entry, wallet Wallet) Change {
	entry.Available = wallet.availableAfter(&entry)
	entry.Alerts = wallet.alert(s.Wallet.Alerts, entry.Available)
	return concludeUntold(s, entry, wallet)
}

// concludeUntold is conclude for an entry that tells of no threshold, because the
// one behind it puts back what it takes.
func concludeUntold(s *Snapshot, entry Entry, wallet Wallet) Change {
	wallet.Seq, wallet.UpdatedAt = entry.Seq, entry.CreatedAt
	entry.After = wallet.Balance
	entry.Available, entry.Held = wallet.availableAfter(&entry), wallet.Held
	entry.Hash = entry.ChainHash(s.Chain.Hash)
	return Change{Entry: entry, Wallet: wallet}
}

// move applies the entry's amount to the wallet and its lots, and fills the
// entry's allocations. It refuses by rules 7 and 8.
func move(wallet *Wallet, entry *Entry) error {
	if entry.Direction == Debit {
		if wallet.Available(entry.CreatedAt) < max(entry.Amount, 1) {
			return insufficient(wallet)
		}
		spent, left, missing := SpendLots(wallet.Lots, entry.Amount, entry.CreatedAt)
		if missing > 0 {
			return Errorf(CodeInternal, "the snapshot's lots do not cover an available balance")
		}
		entry.Allocations, wallet.Lots = spent, left
		wallet.Balance -= entry.Amount
	} else {
		balance, ok := wallet.Balance.Add(entry.Amount)
		if !ok || balance > money.BalanceMax {
			return FieldErrorf(CodeBalanceLimit, "amount", "the wallet would pass the largest balance, %d minor units", money.BalanceMax)
		}
		wallet.Balance = balance
		wallet.Lots = OpenLot(wallet.Lots, Lot{
			Seq:       entry.Seq,
			Category:  entry.Category,
			ExpiresAt: entry.ExpiresAt,
			Remaining: entry.Amount,
		})
	}
	return nil
}

// insufficient refuses for funds. A hold of which the time is over may be why.
func insufficient(wallet *Wallet) *Error {
	err := Errorf(CodeInsufficientFunds, "Insufficient funds in wallet")
	err.held = wallet.Held
	return err
}

// replay answers a repeat from the first entry alone, so that the answer is
// the first one however the wallet has moved since (law K2).
func replay(s Snapshot, fingerprint Fingerprint) (Change, error) {
	if s.Prior == nil {
		return Change{}, KeyReused(s.PriorHold.Event.CreatedAt)
	}
	first := *s.Prior
	if first.Fingerprint != fingerprint {
		return Change{}, KeyReused(first.CreatedAt)
	}
	return Change{Replayed: true, Entry: first, Wallet: WalletAfter(s.Customer, first)}, nil
}

// WalletAfter is the wallet as it was right after an entry. It has no lots.
func WalletAfter(customer Customer, entry Entry) Wallet {
	return Wallet{
		Tenant:     entry.Tenant,
		CustomerID: entry.CustomerID,
		Currency:   entry.Currency,
		Balance:    entry.After,
		Held:       entry.Held,
		Seq:        entry.Seq,
		CreatedAt:  customer.CreatedAt,
		UpdatedAt:  entry.CreatedAt,
	}
}

// hasControl reports whether a text has a control character of ASCII or
// Latin-1 (U+0000 to U+001F, U+007F to U+009F), or bytes that are not UTF-8,
// which would come back as other text than was sent.
func hasControl(text string) bool {
	if !utf8.ValidString(text) {
		return true
	}
	for _, r := range text {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) {
			return true
		}
	}
	return false
}

// clip shortens what a caller sent before it is shown to them again.
func clip(text string) string {
	const most = 20
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "…"
}
