package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// handleSubscriptionCreate has a customer subscribe to a product. That the card is declined
// is no error of the request.
func (s *Server) handleSubscriptionCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request, err := c.decodeSubscribe()
	if err != nil {
		return err
	}
	key, err := c.headerKey()
	if err != nil {
		return err
	}
	p := subscribing{payment: payment{server: s, call: c, request: &request.paymentRequest}, request: &request}
	if request.CustomerID != "" {
		if !isID(request.CustomerID, "cus_") {
			return errNotFound
		}
		if p.customer, err = s.book.Store().Customer(c.r.Context(), c.tenant(), request.CustomerID); err != nil {
			return err
		}
	}
	if p.kept, err = c.keyedRequest(c.route.label, key, "subscription", &request); err != nil {
		return err
	}
	if p.kept != nil {
		p.print = request.fingerprint()
		if done, err := p.replay(); done || err != nil {
			return err
		}
	}
	if err := p.prepare(); err != nil {
		return err
	}
	if err := p.claim(); err != nil {
		return err
	}
	return p.carryOut()
}

// subscribing is a request for a subscription on its way. Who pays, and by what, is found
// as for a payment.
type subscribing struct {
	payment
	request *subscribeRequest
	made    collect.Subscription
	input   billing.Subscribe
}

// prepare makes of the request a subscription that is not kept yet, or refuses it.
func (p *subscribing) prepare() error {
	if err := p.findCustomer(); err != nil {
		return err
	}
	r, settings, tenant := p.request, p.call.settings, p.call.tenant()
	product, err := p.server.recurring(p.call, r.ProductID)
	if err != nil {
		return err
	}
	price := &product.Price
	if r.Currency != "" && r.Currency != price.Currency {
		return badParameter("billing_currency", "product %s is sold in %s", product.ID, price.Currency)
	}
	p.invoice.Tenant = tenant
	p.made = collect.Subscription{
		Tenant: tenant, Billing: r.Billing, Metadata: json.RawMessage(r.Metadata), DefaultAlerts: settings.Alerts,
		Policy: collect.PolicyOf(settings, tenant.Mode, collect.ForPeriod, price.Currency), BusinessName: r.BusinessName,
		TaxID: r.TaxID, Subscription: billing.Subscription{
			Currency: price.Currency, Zone: r.Zone, Term: price.Subscription, TrialDays: price.TrialDays, OnDemand: r.OnDemand,
			Plan: billing.Plan{ProductID: product.ID, Price: price.Amount, Quantity: r.Quantity, Payment: price.Payment},
		},
	}
	first := collect.PolicyOf(settings, tenant.Mode, collect.ForPayment, price.Currency)
	p.made.Policy.MethodWithin = first.MethodWithin
	p.made.Sell(soldAs(&product))
	if r.Trial != nil {
		p.made.TrialDays = *r.Trial
	}
	if r.OnDemand {
		p.made.TrialDays = 0
	}
	p.input = billing.Subscribe{MandateOnly: r.Mandate, Price: r.Price}
	if err := p.method(); err != nil {
		return err
	}
	if err := p.customer.Freezes.Refuse(price.Currency, ledger.Credit); err != nil { // frozen for everything
		return err
	}
	return p.payableFirst()
}

// payableFirst refuses a first invoice that neither wallet nor card could pay, and what the
// rules refuse, before anything is kept.
func (p *subscribing) payableFirst() error {
	total, err := collect.FirstBill(&p.made, p.input, p.server.book.Now())
	if err != nil || total == nil {
		return err
	}
	c := &p.invoice.Collection
	c.Currency, c.Total, c.Policy = p.made.Currency, *total, p.made.Policy
	return p.payable()
}

// recurring is a product that can be subscribed to.
func (s *Server) recurring(c *call, id string) (product catalog.Product, err error) {
	if !isID(id, catalog.ProductIDPrefix) {
		return product, errNotFound
	}
	if product, err = s.products.Product(c.r.Context(), c.tenant(), id); err != nil {
		return product, err
	}
	switch {
	case product.Archived():
		err = ledger.FieldErrorf(catalog.CodeProductDeleted, "product_id", "product %s is archived; unarchive it to sell it", id)
	case product.Price.Kind != billing.RecurringPrice:
		err = badParameter("product_id", "product %s is paid for once; a subscription is to a product with a recurring price", id)
	case !c.settings.Enabled(product.Price.Currency):
		err = unsupportedCurrency("product_id", product.Price.Currency)
	}
	return product, err
}

func soldAs(product *catalog.Product) collect.Sold {
	return collect.Sold{ProductID: product.ID, Name: product.Name, Description: product.Description}
}

// carryOut makes the subscription, and has its first invoice go on as far as it goes now.
func (p *subscribing) carryOut() error {
	s, c := p.server, p.call
	p.made.CustomerID = p.invoice.CustomerID
	p.made.ID = collect.SubscriptionIDPrefix + p.invoice.Collection.InvoiceID[len(collect.InvoiceIDPrefix):]
	p.made.Method, p.made.MethodID, p.made.Card = p.invoice.Method, p.invoice.MethodID, p.invoice.Card
	order := collect.SubscriptionOrder{
		Input: p.input, Terms: collect.BillTerms{Description: p.request.About}, MethodID: savedMethod(p.made.MethodID, p.made.Method),
		Amend: func(*collect.Subscription) {}, Request: p.kept, Answer: subscribeAnswer,
	}
	outcome, err := s.collector.OrderSubscription(p.ctx(), &p.made, order)
	if err != nil {
		return err
	}
	if outcome.Replayed || p.replayed {
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	return s.answerOutcome(c, outcome, subscribeAnswer)
}

// savedMethod is the id of a method that is kept, empty for one of the sandbox that is
// named by what it does.
func savedMethod(id, token string) string {
	if id == token {
		return ""
	}
	return id
}

// answerOutcome has the invoice of an order go on, and answers.
func (s *Server) answerOutcome(
	c *call, outcome *collect.SubscriptionOutcome, answer func(*collect.SubscriptionOutcome) []byte,
) error {
	if outcome.Invoice != nil {
		s.goOn(c.r.Context(), c.tenant(), outcome.Invoice.Collection.InvoiceID)
	}
	if outcome.Answer == nil {
		outcome.Answer = answer(outcome)
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], outcome.Answer...))
	return nil
}

// subscribeAnswer is what is answered to a request for a subscription. Where nothing is
// charged at first there is no payment, and its id is empty.
func subscribeAnswer(o *collect.SubscriptionOutcome) []byte {
	face := o.Subscription.Face(&o.Customer)
	payment, required := "", !face.HasMethod
	if o.Invoice != nil {
		payment = o.Invoice.PaymentID()
		required = required && o.Invoice.Collection.State != billing.Paid
	}
	text, _ := json.Marshal(struct { // texts and numbers
		Addons       []struct{}       `json:"addons"`
		Customer     collect.Customer `json:"customer"`
		Metadata     json.RawMessage  `json:"metadata"`
		PaymentID    string           `json:"payment_id"`
		Required     bool             `json:"payment_method_required"`
		Amount       int64            `json:"recurring_pre_tax_amount"`
		ID           string           `json:"subscription_id"`
		ClientSecret *string          `json:"client_secret"`
		DiscountID   *string          `json:"discount_id"`
		DiscountIDs  *string          `json:"discount_ids"`
		ExpiresOn    *string          `json:"expires_on"`
		Cart         *string          `json:"one_time_product_cart"`
		Link         *string          `json:"payment_link"`
		TrialAmount  *int64           `json:"trial_amount"`
	}{
		Addons: face.Addons, Customer: face.Customer, Metadata: face.Metadata, PaymentID: payment, Required: required,
		Amount: face.Amount, ID: face.ID,
	})
	return text
}

// subscription is the one that the path names, with its customer.
func (s *Server) subscription(c *call) (*collect.Subscription, *ledger.Customer, error) {
	if !isID(c.params[0], collect.SubscriptionIDPrefix) {
		return nil, nil, errNotFound
	}
	found, err := s.collector.Subscription(c.r.Context(), c.tenant(), c.params[0])
	if err != nil {
		return nil, nil, err
	}
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), found.CustomerID)
	return found, &customer, err
}

// handleSubscription returns one subscription.
func (s *Server) handleSubscription(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	found, customer, err := s.subscription(c)
	if err != nil {
		return err
	}
	return c.replyJSON(found.Face(customer))
}

// handleSubscriptionUpdate changes a subscription.
func (s *Server) handleSubscriptionUpdate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	order, err := c.decodeSubscriptionPatch()
	if err != nil {
		return err
	}
	found, _, err := s.subscription(c)
	if err != nil {
		return err
	}
	outcome, err := s.collector.OrderSubscription(c.r.Context(), found, order)
	if err != nil {
		return err
	}
	return s.answerOutcome(c, outcome, func(o *collect.SubscriptionOutcome) []byte {
		text, _ := json.Marshal(o.Subscription.Face(&o.Customer)) // texts and numbers
		return text
	})
}

// payableBy refuses an invoice that neither wallet nor card could pay as it looks now.
func (s *Server) payableBy(
	ctx context.Context, of *collect.Subscription, total money.Amount, terms collect.BillTerms,
) error {
	available, err := s.collector.Available(ctx, of.Tenant, of.CustomerID, of.Currency)
	if err != nil {
		return err
	}
	rules := of.Policy.Tender
	terms.Apply(&rules)
	_, err = billing.PlanTender(total, available, rules)
	return err
}
