package collect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Requests is the kind of object that a request with an idempotency key is, of those
// that make something. It is committed with what it made and kept for ever (law K5).
const Requests ledger.ObjectKind = "request"

// Request is one that was carried out, as it is kept.
type Request struct {
	Route string `json:"route"`
	Key   string `json:"key"`

	Fingerprint string          `json:"fingerprint"` // of what it said, in hex
	Made        string          `json:"made"`        // the id of what it made
	Answer      json.RawMessage `json:"answer"`      // what it was answered
}

func (r *Request) object() ledger.ObjectKey { return requestKey(r.Route, r.Key) }

func requestKey(route, key string) ledger.ObjectKey {
	sum := sha256.Sum256([]byte(route + "\x00" + key))
	return ledger.ObjectKey{Kind: Requests, ID: "req_" + hex.EncodeToString(sum[:])}
}

// FindRequest returns the request that was carried out under a key on a route, and when
// that was; nil where there was none.
func FindRequest(
	ctx context.Context, store ledger.Store, tenant ledger.Tenant, route, key string,
) (*Request, time.Time, error) {
	object, err := store.Object(ctx, tenant, requestKey(route, key))
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	var request Request
	if err := json.Unmarshal([]byte(object.Data), &request); err != nil {
		return nil, time.Time{}, fmt.Errorf("request %s does not decode: %w", object.ID, err)
	}
	return &request, object.CreatedAt, nil
}

// invoiceSpare is how many bytes an invoice must have left when it is made, so that
// whatever becomes of it fits: one that is charged and cannot be written is paid by nobody
// and given back to nobody. An attempt takes some 400 bytes, a refund as much.
const invoiceSpare = 64 << 10

// Open makes an invoice, which is due at once. The same one is made once: a repeat
// finds it. What it leaves out of the collection begins as nothing.
func (c *Collector) Open(ctx context.Context, invoice Invoice) error {
	return c.OpenFor(ctx, invoice, nil, nil)
}

// OpenFor makes an invoice as [Collector.Open] does, and keeps in the same commit the
// request that asked for it, nil for none. Answer makes of the invoice and the customer
// what is answered; it is pure. Where there is the invoice already, nothing is kept.
func (c *Collector) OpenFor(
	ctx context.Context, invoice Invoice, request *Request, answer func(*Invoice, *ledger.Customer) []byte,
) error {
	m := c.moment()
	if total := invoice.Collection.Total; total < 0 || total > money.EntryMax {
		return ledger.FieldErrorf(ledger.CodeAmountTooLarge, "amount", "an invoice has 0 to %d minor units, not %d", money.EntryMax, total)
	}
	invoice.Collection.State = billing.Finalized
	scope := ledger.Scope{
		Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency, At: m.Now,
		Objects: []ledger.ObjectKey{invoice.key()},
	}
	if request != nil {
		scope.Objects = append(scope.Objects, request.object())
	}
	_, err := c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		if s.Object(invoice.key()) != nil {
			change.Replayed = true
			return change, nil
		}
		now := s.Chain.At(m.Now)
		object, err := invoice.object(now)
		if err == nil && len(object.Data) > ledger.ObjectDataMax-invoiceSpare {
			err = ledger.Errorf(ledger.CodeLimitReached, "the invoice would have %d bytes, and may have %d: leave out lines, or shorten descriptions",
				len(object.Data), ledger.ObjectDataMax-invoiceSpare)
		}
		if err == nil {
			err = change.Put(&s, object, "", "", m.Now)
		}
		if err != nil || request == nil {
			return change, err
		}
		if s.Object(request.object()) != nil {
			return change, ledger.KeyReused(m.Now) // it has made another invoice
		}
		kept := *request
		kept.Made, kept.Answer = invoice.Collection.InvoiceID, answer(&invoice, &s.Customer)
		data, err := encode(kept)
		if err != nil {
			return change, err
		}
		return change, change.Put(&s, ledger.Object{ObjectKey: request.object(), Data: string(data)}, "", "", m.Now)
	})
	return err
}
