package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// CodeTopUpLimit refuses a top-up below or above the limits.
const CodeTopUpLimit ledger.Code = "TOP_UP_LIMIT"

// TopUp is what an invoice [ForTopUp] credits the wallet with, beside the amount, which is
// its total.
type TopUp struct {
	ExpiresAt time.Time `json:"expires_at,omitzero"` // of the lot, zero for never
	Automatic bool      `json:"automatic,omitempty"`

	// LotSeq is the seq of the credit, 0 before it is made.
	LotSeq int64 `json:"lot_seq,omitempty"`

	// Debt and Grace are settings of the business as of when the invoice was made: whether
	// what a lost dispute takes beyond the lot is owed, and how long what is won can be spent
	// whose lot has expired, see [ledger.ReverseRequest].
	Debt  bool          `json:"debt,omitempty"`
	Grace time.Duration `json:"grace,omitempty"`
}

// topUpItem is the id of the one line of an invoice for a top-up.
const topUpItem = "top_up"

// TopUpInvoice is an invoice for a top-up of an amount, without an id and a method.
// The wallet takes no part: it cannot pay itself.
func TopUpInvoice(
	settings *access.Settings, tenant ledger.Tenant, customerID string, currency money.Currency, amount money.Amount,
) Invoice {
	return Invoice{
		Tenant: tenant, CustomerID: customerID, Reason: ForTopUp, DefaultAlerts: settings.Alerts,
		TopUp: TopUp{
			Debt: settings.CreditReversal == access.RecordDebt, Grace: time.Duration(settings.ReversalGraceSeconds) * time.Second,
		},
		Items: []Item{{Line: billing.Line{ID: topUpItem, Amount: amount}, Name: "Top-up", Quantity: 1}},
		Collection: billing.Collection{
			State: billing.Finalized, Currency: currency, Total: amount,
			Policy: PolicyOf(settings, tenant.Mode, ForTopUp, currency),
		},
	}
}

// PayBy has a top-up paid by a method. Nobody says where it is billed: that is where the
// card was issued.
func (i *Invoice) PayBy(method Method) {
	i.Method, i.MethodID, i.Card = method.Token, method.ID, method.Card
	i.Billing.Country = method.Card.Country
}

// TopUpRange is how much a top-up may be: what the business has set, what the card
// processor charges, and what an entry can be.
func TopUpRange(settings *access.Settings, mode ledger.Mode, currency money.Currency) (least, most money.Amount) {
	limits := settings.TopUpLimits[currency]
	least = max(1, limits.Least, PolicyOf(settings, mode, ForTopUp, currency).Tender.CardMinimum)
	if most = limits.Most; most == 0 {
		most = money.EntryMax
	}
	return least, most
}

// moveTopUp credits the wallet with what a top-up was paid.
const moveTopUp billing.MoveKind = "top_up"

// credit is what the wallet gets for a top-up. It names the payment, so that the lot
// leads to it.
func (i *Invoice) credit() *ledger.PostRequest {
	return &ledger.PostRequest{
		Tenant: i.Tenant, CustomerID: i.CustomerID, Currency: i.Collection.Currency, Amount: i.Collection.Total,
		Direction: ledger.Credit, Category: ledger.Paid, ExpiresAt: i.TopUp.ExpiresAt, Purpose: received,
		ReferenceObjectID: i.PaymentID(), Metadata: string(i.Metadata), CreatedBy: creator, CurrencyEnabled: true,
		DefaultAlerts: i.DefaultAlerts,
	}
}

// refusedForGood reports whether the wallet can never take what it is to be credited with:
// a top-up that was paid, or what the card was charged above what was due. The payment goes
// back to the card then. A freeze is waited for, since it is lifted again.
func refusedForGood(i *Invoice, err error) bool {
	code := ledger.CodeOf(err)
	if i.Reason == ForTopUp && code == ledger.CodeInvalidExpiry {
		return true
	}
	return code == ledger.CodeBalanceLimit && (i.Reason == ForTopUp || i.Collection.Tender.Surplus > 0)
}

// fits refuses a top-up that the wallet could not take if it were paid now.
func (i *Invoice) fits(s *ledger.Snapshot, now time.Time) error {
	if err := s.Customer.Freezes.Refuse(i.Collection.Currency, ledger.Credit); err != nil {
		return err
	}
	if balance, ok := s.Wallet.Balance.Add(i.Collection.Total); !ok || balance > money.BalanceMax {
		return ledger.FieldErrorf(ledger.CodeBalanceLimit, "amount", "the wallet would pass the largest balance, %d minor units", money.BalanceMax)
	}
	if at := i.TopUp.ExpiresAt; !at.IsZero() && at.Before(now.Add(ledger.ExpiryAheadMin)) {
		return ledger.FieldErrorf(ledger.CodeInvalidExpiry, "expires_at", "expires_at must lie at least one minute ahead")
	}
	return nil
}

// OpenTopUp makes the invoice of a top-up, and keeps in the same commit the request that
// asked for it, nil for none. It returns the id of the invoice, which is another one where
// the same request was carried out before, also at the same time.
func (c *Collector) OpenTopUp(ctx context.Context, invoice Invoice, request *Request) (id string, err error) {
	m := c.moment()
	scope := ledger.Scope{
		Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency, At: m.Now,
		Objects: []ledger.ObjectKey{invoice.key()},
	}
	if request != nil {
		scope.Objects = append(scope.Objects, request.object())
	}
	_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		id = invoice.Collection.InvoiceID
		if request != nil {
			if object := s.Object(request.object()); object != nil {
				change.Replayed = true
				made, err := request.repeats(object)
				id = made
				return change, err
			}
		}
		now := s.Chain.At(m.Now)
		if err := invoice.fits(&s, now); err != nil {
			return change, err
		}
		object, err := invoice.object(now)
		if err == nil {
			err = change.Put(&s, object, "", "", m.Now)
		}
		if err != nil || request == nil {
			return change, err
		}
		kept := *request
		kept.Made, kept.Answer = id, json.RawMessage("null") // until somebody is answered
		return change, putRequest(&change, &s, kept, m.Now)
	})
	return id, err
}

// repeats is what a request made that was carried out before under the same key.
func (r *Request) repeats(object *ledger.Object) (made string, err error) {
	first, err := requestOf(object)
	if err == nil && first.Fingerprint != r.Fingerprint {
		err = ledger.KeyReused(object.CreatedAt)
	}
	return first.Made, err
}

func requestOf(object *ledger.Object) (r Request, err error) {
	if err = json.Unmarshal([]byte(object.Data), &r); err != nil {
		err = fmt.Errorf("request %s does not decode: %w", object.ID, err)
	}
	return r, err
}

func putRequest(change *ledger.Change, s *ledger.Snapshot, request Request, now time.Time) error {
	data, err := encode(request)
	if err != nil {
		return err
	}
	return change.Put(s, ledger.Object{ObjectKey: request.object(), Data: string(data)}, "", "", now)
}

// AnswerTopUp is what a request for a top-up is answered: what answer makes of the invoice
// and the wallet as they are. Who is answered first under a key decides what everybody
// after them is answered, even if the payment has gone on since. Answer is pure.
func (c *Collector) AnswerTopUp(
	ctx context.Context, tenant ledger.Tenant, customerID, id string, currency money.Currency, request *Request,
	answer func(*Invoice, *ledger.Snapshot, time.Time) []byte,
) (text []byte, err error) {
	m := c.moment()
	key := ledger.ObjectKey{Kind: Invoices, ID: id}
	scope := ledger.Scope{
		Tenant: tenant, CustomerID: customerID, Currency: currency, At: m.Now, Objects: []ledger.ObjectKey{key},
	}
	if request != nil {
		scope.Objects = append(scope.Objects, request.object())
	}
	_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet, Replayed: true}
		object := s.Object(key)
		if object == nil {
			return change, ledger.Errorf(ledger.CodeNotFound, "there is no such invoice")
		}
		invoice, err := decode(object)
		if err != nil {
			return change, err
		}
		text = answer(invoice, &s, s.Chain.At(m.Now))
		if request == nil {
			return change, nil
		}
		kept := s.Object(request.object())
		if kept == nil {
			return change, ledger.Errorf(ledger.CodeInternal, "a request that was kept is not there")
		}
		first, err := requestOf(kept)
		if err != nil {
			return change, err
		}
		if string(first.Answer) != "null" {
			text = first.Answer
			return change, nil
		}
		first.Answer, change.Replayed = text, false
		return change, putRequest(&change, &s, first, m.Now)
	})
	return text, err
}
