package collect

import (
	"strconv"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
)

// DisputeListItem is a dispute as the published list and a payment show it. Its amount is
// a text there.
type DisputeListItem struct {
	DisputeID  string                `json:"dispute_id"`
	PaymentID  string                `json:"payment_id"`
	BusinessID string                `json:"business_id"`
	Amount     string                `json:"amount"`
	Currency   string                `json:"currency"`
	Stage      billing.DisputeStage  `json:"dispute_stage"`
	Status     billing.DisputeStatus `json:"dispute_status"`
	CreatedAt  Time                  `json:"created_at"`
	Remarks    *string               `json:"remarks"`
	ByRDR      bool                  `json:"is_resolved_by_rdr"`
	Provider   string                `json:"payment_provider"`
}

// DisputeFace is a dispute as the published API shows it, and what it does to the wallet.
type DisputeFace struct {
	DisputeListItem
	BrandID  string   `json:"brand_id"`
	Customer Customer `json:"customer"`
	Reason   *string  `json:"reason"`

	// Beyond the published format: what of the wallet is held for it, was taken, is owed,
	// and what nobody answers for.
	Held       int64 `json:"held_amount"`
	Lost       int64 `json:"lost_amount"`
	Debt       int64 `json:"debt_amount"`
	WrittenOff int64 `json:"written_off_amount"`
}

// listItem is a dispute of the invoice as lists show it.
func (i *Invoice) listItem(d *billing.Dispute) DisputeListItem {
	return DisputeListItem{
		DisputeID: d.ID, PaymentID: i.PaymentID(), BusinessID: i.Tenant.BusinessID, Amount: strconv.FormatInt(int64(d.Amount), 10),
		Currency: string(i.Collection.Currency), Stage: d.Stage, Status: d.Status, Provider: "dodo",
	}
}

// DisputesOf are the disputes of the invoice's payment, oldest first.
func (i *Invoice) DisputesOf() []DisputeListItem {
	items := []DisputeListItem{}
	for n := range i.Disputes {
		if d := &i.Disputes[n]; d.Status != "" {
			item := i.listItem(&d.Dispute)
			item.CreatedAt = Time(d.CreatedAt)
			items = append(items, item)
		}
	}
	return items
}

// disputeStatus is that of the last dispute of the payment, nil for none.
func (i *Invoice) disputeStatus() *string {
	for n := len(i.Disputes) - 1; n >= 0; n-- {
		if status := i.Disputes[n].Status; status != "" {
			return text(string(status))
		}
	}
	return nil
}

// ListItem is the dispute as the list shows it.
func (d *Dispute) ListItem() DisputeListItem {
	return DisputeListItem{
		DisputeID: d.ID, PaymentID: PaymentIDPrefix + d.InvoiceID[len(InvoiceIDPrefix):], BusinessID: d.Tenant.BusinessID,
		Amount: strconv.FormatInt(int64(d.Amount), 10), Currency: string(d.Currency), Stage: d.Stage, Status: d.Status,
		CreatedAt: Time(d.CreatedAt), Provider: "dodo",
	}
}

// Face is the dispute with its customer.
func (d *Dispute) Face(customer *ledger.Customer) DisputeFace {
	return DisputeFace{
		DisputeListItem: d.ListItem(), BrandID: d.Tenant.BusinessID, Customer: CustomerOf(customer), Reason: text(d.Reason),
		Held: int64(d.Held), Lost: int64(d.Lost), Debt: int64(d.Debt), WrittenOff: int64(d.WrittenOff),
	}
}

// disputeKinds are as what it is told that a dispute has come to stand so.
var disputeKinds = map[billing.DisputeStatus]ledger.EventKind{
	billing.DisputeOpened: ledger.DisputeOpened, billing.DisputeChallenged: ledger.DisputeChallenged,
	billing.DisputeWon: ledger.DisputeWon, billing.DisputeCancelled: ledger.DisputeCancelled,
	billing.DisputeExpired: ledger.DisputeExpired, billing.DisputeAccepted: ledger.DisputeAccepted,
	billing.DisputeLost: ledger.DisputeLost,
}

// told is as what it is told that a dispute has come to stand so, with what is told.
func (d *Dispute) told(customer *ledger.Customer) (kind ledger.EventKind, data string, err error) {
	payload, err := encode(struct {
		DisputeFace
		PayloadType string `json:"payload_type"`
	}{d.Face(customer), "Dispute"})
	return disputeKinds[d.Status], string(payload), err
}
