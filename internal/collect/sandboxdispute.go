package collect

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// toTell is what the sandbox says next of a dispute about the invoice's payment, and when;
// nil for nothing. In live mode it says nothing.
func (i *Invoice) toTell() (next *processor.SandboxDispute, at time.Time) {
	if i.Tenant.Mode != ledger.Test || i.Collection.State != billing.Paid || i.charged() == "" {
		return nil, at
	}
	script := processor.SandboxDisputes(i.Method)
	if i.Told >= len(script) {
		return nil, at
	}
	next = &script[i.Told]
	return next, i.PaidAt.Add(next.After)
}

// tellDispute carries out what the sandbox says of a dispute by now. That this was done is
// kept afterwards: whoever is stopped between says it again, which changes nothing.
func (c *Collector) tellDispute(ctx context.Context, invoice *Invoice) (more bool, err error) {
	next, at := invoice.toTell()
	if next == nil || c.at(invoice.Clock).Before(at) {
		return false, nil
	}
	k := &invoice.Collection
	if _, err := c.Dispute(ctx, invoice.Tenant, DisputeNotice{
		ProcessorID: "dp_sandbox_" + k.InvoiceID[len(InvoiceIDPrefix):], InvoiceID: k.InvoiceID, PaymentID: invoice.charged(),
		Amount: k.Tender.Card, Currency: k.Currency, Reason: "fraudulent", DisputeMessage: next.DisputeMessage,
	}); err != nil {
		return false, err
	}
	m := c.moment()
	scope := ledger.Scope{
		Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, Currency: k.Currency, At: m.Now,
		Objects: []ledger.ObjectKey{invoice.key()},
	}
	_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet, Replayed: true}
		object := s.Object(invoice.key())
		if object == nil {
			return change, ErrDisputeForeign
		}
		now, err := decode(object)
		if err != nil || now.Told != invoice.Told {
			return change, err
		}
		now.Told++
		told, err := now.object(s.Chain.At(m.Now))
		if err != nil {
			return change, err
		}
		change.Replayed = false
		return change, change.Put(&s, told, "", "", m.Now)
	})
	return err == nil, err
}
