package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/money"
)

// FreezeScope is what a freeze refuses.
type FreezeScope string

// The two scopes.
const (
	FreezeDebits     FreezeScope = "debits"     // credits go on
	FreezeEverything FreezeScope = "everything" // credits are refused as well
)

// Freeze keeps the money of a customer, or of one wallet, where it is until it
// is lifted.
type Freeze struct {
	// Currency names the wallet that is frozen, whether or not it has entries
	// yet. Empty: all wallets of the customer.
	Currency money.Currency
	Scope    FreezeScope
	Reason   string
	At       time.Time

	// AuditID is the id of the line of the audit trail that tells of it.
	AuditID string
}

// Freezes are the freezes of a customer, at most one for each wallet and one for
// the customer as a whole, sorted by currency. They are a text so that customers
// can be compared, and stored in one column that a decision loads anyway: a line
// for each, of currency, scope, microseconds since 1970, id and reason, with a
// tab between them. None of these can have a control character. Empty: nothing
// is frozen.
type Freezes string

// MakeFreezes is the reverse of [Freezes.List].
func MakeFreezes(list []Freeze) Freezes {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Freeze) int { return cmp.Compare(a.Currency, b.Currency) })
	var b []byte
	for _, f := range list {
		b = append(append(b, f.Currency...), '\t')
		b = append(append(b, f.Scope...), '\t')
		b = append(strconv.AppendInt(b, micros(f.At), 10), '\t')
		b = append(append(b, f.AuditID...), '\t')
		b = append(append(b, f.Reason...), '\n')
	}
	return Freezes(b)
}

// List returns the freezes, and false for a text that [MakeFreezes] cannot have
// made.
func (f Freezes) List() (list []Freeze, ok bool) {
	for line := range strings.Lines(string(f)) {
		line, whole := strings.CutSuffix(line, "\n")
		parts := strings.Split(line, "\t")
		if !whole || len(parts) != 5 {
			return nil, false
		}
		at, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return nil, false
		}
		list = append(list, Freeze{
			Currency: money.Currency(parts[0]),
			Scope:    FreezeScope(parts[1]),
			At:       time.UnixMicro(at).UTC(),
			AuditID:  parts[3],
			Reason:   parts[4],
		})
	}
	return list, true
}

// Whole returns the freeze of all wallets of the customer.
func (f Freezes) Whole() (whole Freeze, frozen bool) {
	list, _ := f.List()
	if len(list) > 0 && list[0].Currency == "" {
		return list[0], true
	}
	return Freeze{}, false
}

// JSON is the list of freezes as callers and the audit trail see it.
func (f Freezes) JSON() string {
	list, _ := f.List()
	b := []byte{'['}
	for i, freeze := range list {
		if i > 0 {
			b = append(b, ',')
		}
		currency := "null"
		if freeze.Currency != "" {
			currency = jsonText(string(freeze.Currency))
		}
		object := appendMember([]byte{'{'}, "audit_entry_id", jsonText(freeze.AuditID))
		object = appendMember(object, "currency", currency)
		object = appendMember(object, "frozen_at", jsonText(freeze.At.Format("2006-01-02T15:04:05.000000Z")))
		object = appendMember(object, "reason", jsonText(freeze.Reason))
		object = appendMember(object, "scope", jsonText(string(freeze.Scope)))
		b = append(append(b, object...), '}')
	}
	return string(append(b, ']'))
}

// Refuse refuses to move money of a wallet in a direction while a freeze forbids
// it. Holds are debits to it. Expiry entries are not asked for by anybody and do
// not come here: funds expire whether they are frozen or not.
func (f Freezes) Refuse(currency money.Currency, direction Direction) error {
	if f == "" {
		return nil
	}
	list, ok := f.List()
	if !ok {
		return Errorf(CodeInternal, "the customer's freezes do not decode")
	}
	for _, freeze := range list {
		if freeze.Currency != "" && freeze.Currency != currency {
			continue
		}
		if direction == Credit && freeze.Scope != FreezeEverything {
			continue
		}
		what := "the customer is frozen"
		if freeze.Currency != "" {
			what = "the customer's wallet in " + string(freeze.Currency) + " is frozen"
		}
		return Errorf(CodeCustomerNotActive, "%s (%s) since %s; whoever has a write key of the business can unfreeze it with POST /customers/{customer_id}/unfreeze",
			what, freeze.Scope, freeze.At.Format(time.RFC3339))
	}
	return nil
}

// FreezeRequest asks to freeze a customer or one of the wallets, or to lift such
// a freeze.
type FreezeRequest struct {
	Tenant     Tenant
	CustomerID string

	// Lift asks to unfreeze: exactly the freeze of the same Currency is lifted.
	Lift bool

	Currency money.Currency // empty: the customer as a whole
	Scope    FreezeScope    // of a freeze; a request to lift has none
	Reason   string
	By       Actor
}

// Validate checks what can be seen in the request alone and returns the first
// rule that it breaks: currency, scope, reason.
func (r *FreezeRequest) Validate() error {
	switch {
	case r.Currency != "" && !r.Currency.Valid():
		return FieldErrorf(CodeUnsupportedCurrency, "currency", "%q is not a supported currency; use an upper-case ISO 4217 code such as USD", clip(string(r.Currency)))
	case !r.Lift && r.Scope != FreezeDebits && r.Scope != FreezeEverything:
		return FieldErrorf(CodeInvalidScope, "scope", "scope must be debits or everything")
	case strings.TrimSpace(r.Reason) == "" || utf8.RuneCountInString(r.Reason) > ReasonMax || hasControl(r.Reason):
		return FieldErrorf(CodeInvalidReason, "reason", "reason must be 1 to %d characters, not blank, without control characters", ReasonMax)
	}
	return nil
}

// Fingerprint covers everything that the request says (law K4).
func (r *FreezeRequest) Fingerprint() Fingerprint {
	b := appendText(nil, "billfold.freeze.v1")
	b = appendText(b, string(r.Action()))
	b = appendText(b, string(r.Currency))
	b = appendText(b, string(r.Scope))
	b = appendText(b, r.Reason)
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

// Action is what the audit trail will call it.
func (r *FreezeRequest) Action() AuditAction {
	if r.Lift {
		return AuditUnfreeze
	}
	return AuditFreeze
}

// DecideFreeze decides a request to freeze or to unfreeze. What is frozen in the
// same scope stays as it is, with its first reason and time, and what is not
// frozen need not be lifted: nothing is written then. A freeze in another scope
// takes the place of the one there is.
func DecideFreeze(c Customer, r *FreezeRequest, m Moment) (CustomerChange, error) {
	list, ok := c.Freezes.List()
	if !ok {
		return CustomerChange{}, Errorf(CodeInternal, "the customer's freezes do not decode")
	}
	index := slices.IndexFunc(list, func(f Freeze) bool { return f.Currency == r.Currency })
	if r.Lift && index < 0 || !r.Lift && index >= 0 && list[index].Scope == r.Scope {
		return CustomerChange{Customer: c}, nil
	}
	line := nextAudit(&c, r.Action(), r.By, m)
	line.Reason = r.Reason
	if index >= 0 {
		list = slices.Delete(list, index, index+1)
	}
	if !r.Lift {
		list = append(list, Freeze{
			Currency: r.Currency, Scope: r.Scope, Reason: r.Reason, At: line.CreatedAt, AuditID: line.ID,
		})
	}
	after := c
	after.Freezes = MakeFreezes(list)
	return concludeAudit(c, after, line), nil
}

// Freeze validates and carries out a request to freeze or to unfreeze. It
// returns the customer as it is then, and with once the first answer to a
// repeat.
func (b *Book) Freeze(ctx context.Context, r FreezeRequest, once *Once) (c Customer, first []byte, err error) {
	if err := r.Validate(); err != nil {
		return Customer{}, nil, err
	}
	moment := Moment{Now: b.Now(), Random: b.random()}
	return b.store.UpdateCustomer(ctx, r.Tenant, r.CustomerID, func(c Customer) (CustomerChange, error) {
		return DecideFreeze(c, &r, moment)
	}, once)
}

// UpdateCustomer changes what a caller may set of a customer, see [Amend].
func (b *Book) UpdateCustomer(
	ctx context.Context, tenant Tenant, id string, by Actor, change func(Customer) Customer, once *Once,
) (c Customer, first []byte, err error) {
	moment := Moment{Now: b.Now(), Random: b.random()}
	return b.store.UpdateCustomer(ctx, tenant, id, func(c Customer) (CustomerChange, error) {
		return Amend(c, by, change, moment), nil
	}, once)
}
