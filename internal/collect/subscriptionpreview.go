package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// PlanPreview is what a change of plan would come to, as the published API shows it.
type PlanPreview struct {
	Charge PlanCharge       `json:"immediate_charge"`
	Plan   SubscriptionFace `json:"new_plan"`
}

// PlanCharge is what it would cost at once.
type PlanCharge struct {
	EffectiveAt Time        `json:"effective_at"`
	Lines       []PlanLine  `json:"line_items"`
	Summary     PlanSummary `json:"summary"`
}

// PlanLine is what is charged for a plan, or below zero what is given back of one.
type PlanLine struct {
	Type         string      `json:"type"`
	ID           string      `json:"id"`
	ProductID    string      `json:"product_id"`
	Name         *string     `json:"name"`
	Description  *string     `json:"description"`
	Currency     string      `json:"currency"`
	UnitPrice    int64       `json:"unit_price"`
	Quantity     int64       `json:"quantity"`
	Factor       json.Number `json:"proration_factor"` // with nine decimals; Amount is exact
	Amount       int64       `json:"amount"`           // beyond the published format
	TaxInclusive bool        `json:"tax_inclusive"`
	Tax          *int64      `json:"tax"`
	TaxRate      *int64      `json:"tax_rate"`
}

// PlanSummary is the sum of the lines, and who pays it: what is settled less the credits
// is what the lines sum to.
type PlanSummary struct {
	Currency      string `json:"currency"`
	Total         int64  `json:"total_amount"`     // of the invoice, 0 for none
	Credits       int64  `json:"customer_credits"` // what the wallet gets, below zero what it pays
	Settlement    int64  `json:"settlement_amount"`
	SettlementIn  string `json:"settlement_currency"`
	SettlementTax *int64 `json:"settlement_tax"`
	Tax           *int64 `json:"tax"`
}

// Available is what a wallet of a customer could pay now. What counts is what it has when
// it is asked to.
func (c *Collector) Available(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency,
) (available money.Amount, err error) {
	now := c.moment().Now
	list, err := c.store.Wallets(ctx, tenant, customerID, now)
	if err != nil {
		return 0, err
	}
	for i := range list.Wallets {
		if list.Wallets[i].Currency == currency {
			available = list.Wallets[i].Available(list.Chain.At(now))
		}
	}
	return available, nil
}

// PreviewPlan says what a change of plan would come to now, and refuses what the change
// would be refused for. Nothing is kept.
func (c *Collector) PreviewPlan(
	ctx context.Context, s *Subscription, change billing.ChangePlan, product Sold, customer *ledger.Customer,
) (*PlanPreview, error) {
	zone, err := zoneOf(s.Zone)
	if err != nil {
		return nil, err
	}
	around := billing.Around{Now: c.moment().Now, Zone: zone, InvoiceID: InvoiceIDPrefix}
	change.ApplyUnpaid = true // as it is when it is paid
	step, err := billing.DecideSubscription(s.Subscription, change, around)
	if err != nil {
		return nil, err
	}
	available, err := c.Available(ctx, s.Tenant, s.CustomerID, s.Currency)
	if err != nil {
		return nil, err
	}
	next := *s
	next.Sell(product)
	next.Subscription = step.Subscription
	next.Owes, next.Pending = nil, nil
	effective := around.Now
	if change.AtNext {
		effective = s.nextBilling()
		next.Plan, next.Waiting = change.Plan, nil
	}
	preview := &PlanPreview{Plan: next.Face(customer)}
	preview.Charge.EffectiveAt, preview.Charge.Lines = Time(effective), []PlanLine{}
	summary := &preview.Charge.Summary
	summary.Currency, summary.SettlementIn = string(s.Currency), string(s.Currency)
	summary.Credits = int64(step.Credit)
	if change.AtNext {
		return preview, nil
	}
	bill, err := billing.PreviewPlanBill(s.Subscription, change, around.Now)
	if err != nil {
		return nil, err
	}
	for _, line := range bill.Lines {
		preview.Charge.Lines = append(preview.Charge.Lines, next.planLine(line, &s.Plan, &change.Plan))
	}
	if bill.Charge == 0 {
		return preview, nil
	}
	tender, err := billing.PlanTender(bill.Charge, available, s.Policy.Tender)
	if err != nil {
		return nil, err
	}
	summary.Total, summary.Settlement = int64(bill.Charge), int64(tender.Card)
	summary.Credits = int64(tender.Surplus) - int64(tender.Wallet)
	return preview, nil
}

// planLine is a line as it is shown.
func (s *Subscription) planLine(line billing.Line, before, after *billing.Plan) PlanLine {
	plan, sign := after, money.Amount(1)
	if line.Amount < 0 {
		plan, sign = before, -1
	}
	product := s.sold(line.ID)
	factor := "0"
	if whole := plan.Total(); whole > 0 {
		factor = ratio(sign*line.Amount, whole)
	}
	return PlanLine{
		Type: "subscription", ID: line.ID, ProductID: line.ID, Name: text(product.Name), Description: text(product.Description),
		Currency: string(s.Currency), UnitPrice: int64(sign * plan.Price), Quantity: plan.Quantity, Factor: json.Number(factor),
		Amount: int64(line.Amount),
	}
}

// ratio writes a part of a whole, 0 to 1, with nine decimals, cut off.
func ratio(part, whole money.Amount) string {
	billionths := new(big.Int).Mul(big.NewInt(int64(part)), big.NewInt(1_000_000_000))
	billionths.Quo(billionths, big.NewInt(int64(whole)))
	one := big.NewInt(1_000_000_000)
	units, rest := new(big.Int).QuoRem(billionths, one, new(big.Int))
	return fmt.Sprintf("%d.%09d", units, rest)
}

// FirstBill is what the first invoice of a subscription that is not kept yet would come to,
// nil where it begins without one. It refuses what the rules refuse.
func FirstBill(s *Subscription, input billing.Subscribe, now time.Time) (*money.Amount, error) {
	zone, err := zoneOf(s.Zone)
	if err != nil {
		return nil, err
	}
	around := billing.Around{Now: now, Zone: zone, InvoiceID: InvoiceIDPrefix}
	step, err := billing.DecideSubscription(s.Subscription, input, around)
	if err != nil || step.Bill == nil {
		return nil, err
	}
	return &step.Bill.Total, nil
}
