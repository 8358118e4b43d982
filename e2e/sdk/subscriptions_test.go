package sdk

import (
	"testing"

	dodo "github.com/dodopayments/dodopayments-go"
)

// plan makes a product that is paid each month.
func (c *client) plan(price int64) string {
	c.t.Helper()
	made, err := c.Products.New(c.ctx, dodo.ProductNewParams{
		Name: dodo.F("Plan"), TaxCategory: dodo.F(dodo.TaxCategorySaas),
		Price: dodo.F[dodo.PriceUnionParam](dodo.PriceRecurringPriceParam{
			Type: dodo.F(dodo.PriceRecurringPriceTypeRecurringPrice), Currency: dodo.F(dodo.CurrencyUsd), Price: dodo.F(price),
			Discount: dodo.F(int64(0)), PurchasingPowerParity: dodo.F(false),
			PaymentFrequencyCount: dodo.F(int64(1)), PaymentFrequencyInterval: dodo.F(dodo.TimeIntervalMonth),
			SubscriptionPeriodCount: dodo.F(int64(1)), SubscriptionPeriodInterval: dodo.F(dodo.TimeIntervalYear),
		}),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return made.ProductID
}

// TestGoSubscriptions calls every method of the resource.
func TestGoSubscriptions(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	customer := c.customer("Jane Doe").CustomerID
	basic, pro := c.plan(1000), c.plan(3000)
	create := dodo.SubscriptionNewParams{
		Billing: dodo.F(dodo.BillingAddressParam{Country: dodo.F(dodo.CountryCodeUs)}), ProductID: dodo.F(basic),
		Customer: dodo.F[dodo.CustomerRequestUnionParam](dodo.AttachExistingCustomerParam{CustomerID: dodo.F(customer)}),
		Quantity: dodo.F(int64(1)), PaymentMethodID: dodo.F("pm_sandbox_ok"),
	}
	//lint:ignore SA1019 the client calls it deprecated, and people call it
	made, err := c.Subscriptions.New(c.ctx, create)
	if err != nil {
		t.Fatal(err)
	}
	id := made.SubscriptionID
	read, err := c.Subscriptions.Get(c.ctx, id)
	if err != nil || read.Status != dodo.SubscriptionStatusActive ||
		read.RecurringPreTaxAmount != 1000 || read.NextBillingDate.IsZero() {
		t.Errorf("got %+v and error %v", read, err)
	}
	list := c.Subscriptions.ListAutoPaging(c.ctx, dodo.SubscriptionListParams{CustomerID: dodo.F(customer)})
	listed := 0
	for list.Next() {
		listed++
	}
	if list.Err() != nil || listed != 1 {
		t.Errorf("got %d subscriptions and error %v, want one", listed, list.Err())
	}
	plan := dodo.UpdateSubscriptionPlanReqParam{
		ProductID: dodo.F(pro), Quantity: dodo.F(int64(1)),
		ProrationBillingMode: dodo.F(dodo.UpdateSubscriptionPlanReqProrationBillingModeDifferenceImmediately),
	}
	previewed := dodo.SubscriptionPreviewChangePlanParams{UpdateSubscriptionPlanReq: plan}
	preview, err := c.Subscriptions.PreviewChangePlan(c.ctx, id, previewed)
	if err != nil || preview.ImmediateCharge.Summary.SettlementAmount != 2000 || preview.NewPlan.ProductID != pro {
		t.Errorf("got %+v and error %v", preview, err)
	}
	change := dodo.SubscriptionChangePlanParams{UpdateSubscriptionPlanReq: plan}
	if err := c.Subscriptions.ChangePlan(c.ctx, id, change); err != nil {
		t.Error(err)
	}
	plan.EffectiveAt = dodo.F(dodo.UpdateSubscriptionPlanReqEffectiveAtNextBillingDate)
	change.UpdateSubscriptionPlanReq = plan
	if err := c.Subscriptions.ChangePlan(c.ctx, id, change); err != nil {
		t.Error(err)
	}
	if err := c.Subscriptions.CancelChangePlan(c.ctx, id); err != nil {
		t.Error(err)
	}
	if _, err := c.Subscriptions.UpdatePaymentMethod(c.ctx, id, dodo.SubscriptionUpdatePaymentMethodParams{
		PaymentMethod: dodo.SubscriptionUpdatePaymentMethodParamsPaymentMethodExisting{
			Type:            dodo.F(dodo.SubscriptionUpdatePaymentMethodParamsPaymentMethodExistingTypeExisting),
			PaymentMethodID: dodo.F("pm_sandbox_declined"),
		},
	}); err != nil {
		t.Error(err)
	}
	cancel := dodo.SubscriptionUpdateParams{Status: dodo.F(dodo.SubscriptionStatusCancelled)}
	ended, err := c.Subscriptions.Update(c.ctx, id, cancel)
	if err != nil || ended.Status != dodo.SubscriptionStatusCancelled || ended.ProductID != pro {
		t.Errorf("got %+v and error %v", ended, err)
	}
	create.OnDemand = dodo.F(dodo.OnDemandSubscriptionParam{MandateOnly: dodo.F(true)})
	c.onDemand(create)
}

// onDemand subscribes on demand and charges, and reads what is not counted.
func (c *client) onDemand(create dodo.SubscriptionNewParams) {
	c.t.Helper()
	t := c.t
	//lint:ignore SA1019 as above
	made, err := c.Subscriptions.New(c.ctx, create)
	if err != nil {
		t.Fatal(err)
	}
	id := made.SubscriptionID
	price := dodo.SubscriptionChargeParams{ProductPrice: dodo.F(int64(700))}
	charge, err := c.Subscriptions.Charge(c.ctx, made.SubscriptionID, price)
	if err != nil {
		t.Fatal(err)
	}
	paid, err := c.Payments.Get(c.ctx, charge.PaymentID)
	if err != nil || paid.TotalAmount != 700 || paid.SubscriptionID != made.SubscriptionID {
		t.Errorf("got %+v and error %v", paid, err)
	}
	usage, err := c.Subscriptions.GetUsageHistory(c.ctx, id, dodo.SubscriptionGetUsageHistoryParams{})
	if err != nil || len(usage.Items) != 0 {
		t.Errorf("got %+v and error %v", usage, err)
	}
	if usage, err := c.Subscriptions.GetCreditUsage(c.ctx, id); err != nil || len(usage.Items) != 0 {
		t.Errorf("got %+v and error %v", usage, err)
	}
}
