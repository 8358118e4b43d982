package httpapi

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request for a refund, of which the first is required. The last two
// are extensions.
var (
	refundFields     = []string{"payment_id", "items", "reason", "metadata", "destination", "amount"}
	refundItemFields = []string{"item_id", "amount", "tax_inclusive"}
)

const (
	refundPayment = iota
	refundItems
	refundReason
	refundMetadata
	refundDestination
	refundAmount
)

var refundKinds = [...]strictjson.Kind{
	refundPayment: strictjson.String, refundItems: strictjson.Array, refundReason: strictjson.String,
	refundMetadata: strictjson.Object, refundDestination: strictjson.String, refundAmount: strictjson.Number,
}

// refundReasonMax is how many characters the reason of a refund may have.
const refundReasonMax = 3000

// refundRequest is what a request for a refund says, in the one form that its
// fingerprint covers.
type refundRequest struct {
	PaymentID   string              `json:"payment_id"`
	Items       []billing.Line      `json:"items,omitempty"` // with 0 for all that is left of one
	Amount      money.Amount        `json:"amount,omitempty"`
	Reason      string              `json:"reason,omitempty"`
	Metadata    string              `json:"metadata,omitempty"`
	Destination billing.Destination `json:"destination"`
}

func (r *refundRequest) fingerprint() ledger.Fingerprint {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // it has texts and numbers only
	}
	sum := sha256.Sum256(append([]byte("billfold.refund.v1"), text...))
	return ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
}

func (c *call) decodeRefund() (r refundRequest, err error) {
	f, err := c.fields(refundFields, refundPayment+1)
	if err == nil {
		err = f.checkKinds(refundKinds[:])
	}
	if err != nil {
		return r, err
	}
	r.PaymentID, _, _ = f.text(refundPayment)
	if r.Items, err = f.refundItems(refundItems); err != nil {
		return r, err
	}
	r.Reason, _, _ = f.text(refundReason)
	if utf8.RuneCountInString(r.Reason) > refundReasonMax || strings.ContainsFunc(r.Reason, unicode.IsControl) {
		return r, ledger.FieldErrorf(ledger.CodeInvalidReason, "reason",
			"reason must be at most %d characters without control characters", refundReasonMax)
	}
	if r.Metadata, _, err = f.metadata(refundMetadata); err != nil {
		return r, err
	}
	if r.Metadata == "{}" {
		r.Metadata = ""
	}
	destination, given, _ := f.text(refundDestination)
	if r.Destination = billing.Destination(destination); !given {
		r.Destination = billing.ToOriginal
	}
	if r.Destination != billing.ToOriginal && r.Destination != billing.ToWallet {
		return r, badParameter("destination", "destination must be %s or %s", billing.ToOriginal, billing.ToWallet)
	}
	if !f.given(refundAmount) {
		return r, nil
	}
	if r.Amount, err = amount(f.values[refundAmount]); err != nil {
		return r, err
	}
	if r.Amount < 1 {
		return r, ledger.FieldErrorf(ledger.CodeAmountNotPositive, "amount", "amount must be at least 1")
	}
	if len(r.Items) > 0 {
		return r, badParameter("amount", "amount is for a refund without items; say the amount of each item instead")
	}
	return r, nil
}

// refundItems reads what is to be given back of which line.
func (f *fields) refundItems(index int) (lines []billing.Line, err error) {
	if !f.given(index) {
		return nil, nil
	}
	for element := range f.values[index].Elements {
		if element.Kind() != strictjson.Object {
			return nil, ledger.FieldErrorf(CodeInvalidRequestBody, "items", "items must hold objects, not %s", element.Kind())
		}
		item, err := fieldsOf(element, refundItemFields, 1)
		if err != nil {
			return nil, err
		}
		line := billing.Line{}
		if line.ID, _, err = item.text(0); err != nil {
			return nil, err
		}
		if item.given(1) {
			if line.Amount, err = amount(item.values[1]); err != nil {
				return nil, err
			}
			if line.Amount < 1 {
				return nil, ledger.FieldErrorf(billing.CodeLineTooLow, "items", "the amount of an item must be at least 1")
			}
		}
		// No tax is charged, so that an amount has none to include.
		if _, _, err := item.boolean(2); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, badParameter("items", "items must name an item; leave it out to refund all that is left")
	}
	if len(lines) > cartMax {
		return nil, ledger.FieldErrorf(ledger.CodeLimitReached, "items", "items may name %d items at the most", cartMax)
	}
	return lines, nil
}
