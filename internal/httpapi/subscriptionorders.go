package httpapi

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

// paymentOf is what came of a request that may have made a payment, with the page on which
// the customer has something to do about it, if they have.
type paymentOf struct {
	PaymentID    *string       `json:"payment_id"`
	Link         *string       `json:"payment_link"`
	ClientSecret *string       `json:"client_secret"`
	ExpiresOn    *collect.Time `json:"expires_on"`
}

func paymentOfAnswer(o *collect.SubscriptionOutcome) []byte {
	var answer paymentOf
	if o.Invoice != nil {
		answer.PaymentID = optional(o.Invoice.PaymentID())
	}
	text, _ := json.Marshal(answer) // texts
	return text
}

// replyPayment answers with the payment that was kept of an answer, and with the page on
// which the customer has to confirm it, as long as they have to.
func (s *Server) replyPayment(c *call, kept []byte) error {
	answer, _, err := s.paymentKept(c, kept)
	if err != nil {
		return err
	}
	return c.replyJSON(answer)
}

// replyPlanChange answers as [Server.replyPayment] does, but for a change of plan that is
// paid: that has no payment to see to, and says so as the published API does.
func (s *Server) replyPlanChange(c *call, kept []byte) error {
	answer, status, err := s.paymentKept(c, kept)
	if err != nil {
		return err
	}
	if status == collect.Succeeded {
		answer.PaymentID = nil
	}
	return c.replyJSON(answer)
}

// paymentKept reads the payment that was kept of an answer, and how it stands, empty where
// there is none.
func (s *Server) paymentKept(c *call, kept []byte) (answer paymentOf, status collect.Status, err error) {
	if err := json.Unmarshal(kept, &answer); err != nil || answer.PaymentID == nil {
		return answer, "", err
	}
	id := collect.InvoiceIDPrefix + (*answer.PaymentID)[len(collect.PaymentIDPrefix):]
	invoice, err := s.collector.Invoice(c.r.Context(), c.tenant(), id)
	if err != nil {
		return answer, "", err
	}
	status = invoice.Status()
	if status == collect.RequiresAction || status == collect.RequiresMethod {
		secret := s.links.Invoice(c.tenant(), id)
		url := s.links.URL(secret)
		answer.ClientSecret, answer.Link = &secret, &url
		if by := invoice.Collection.MethodBy; !by.IsZero() {
			answer.ExpiresOn = (*collect.Time)(&by)
		}
	}
	return answer, status, nil
}

// handleSubscriptionCharge charges an on-demand subscription.
func (s *Server) handleSubscriptionCharge(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request, err := c.decodeCharge()
	if err != nil {
		return err
	}
	key, err := c.headerKey()
	if err != nil {
		return err
	}
	found, _, err := s.subscription(c)
	if err != nil {
		return err
	}
	kept, done, err := s.repeatedOrder(c, key, "charge", &request, (*call).replyKept)
	if done || err != nil {
		return err
	}
	if request.Currency != "" && request.Currency != found.Currency {
		return badParameter("product_currency", "subscription %s is in %s", found.ID, found.Currency)
	}
	order := collect.SubscriptionOrder{
		Input: billing.ChargeOnDemand{Amount: request.Price}, Terms: request.terms(), Request: kept, Answer: chargeAnswer,
	}
	if found.OnDemand && found.Status == billing.SubscriptionActive {
		if err := s.payableBy(c.r.Context(), found, request.Price, order.Terms); err != nil {
			return err
		}
	}
	return s.carryOutOrder(c, found, order, (*call).replyKept)
}

func chargeAnswer(o *collect.SubscriptionOutcome) []byte {
	text, _ := json.Marshal(struct { // a text
		PaymentID string `json:"payment_id"`
	}{o.Invoice.PaymentID()})
	return text
}

// repeatedOrder answers a request about a subscription that was carried out before under
// its key, and reports whether it was. Otherwise it returns what is to be kept of it.
func (s *Server) repeatedOrder(
	c *call, key, what string, request any, reply func(*call, []byte) error,
) (*collect.Request, bool, error) {
	kept, err := c.keyedRequest(c.route.label+" "+c.params[0], key, what, request)
	if kept == nil || err != nil {
		return nil, false, err
	}
	p := payment{server: s, call: c, kept: kept}
	done, err := p.replay(func(kept []byte) error { return reply(c, kept) })
	return kept, done, err
}

// carryOutOrder has an order carried out, and answers.
func (s *Server) carryOutOrder(
	c *call, found *collect.Subscription, order collect.SubscriptionOrder, reply func(*call, []byte) error,
) error {
	outcome, err := s.collector.OrderSubscription(c.r.Context(), found, order)
	if err != nil {
		return err
	}
	if outcome.Replayed {
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	return reply(c, s.settle(c, outcome, order.Answer))
}

// planChange is what a request for a change of plan asks for.
func (s *Server) planChange(
	c *call, of *collect.Subscription, request *planRequest,
) (change billing.ChangePlan, product collect.Sold, err error) {
	found, err := s.recurring(c, request.ProductID)
	if err != nil {
		return change, product, err
	}
	price := &found.Price
	if price.Currency != of.Currency {
		return change, product, badParameter("product_id", "product %s is sold in %s, and the subscription is in %s", found.ID,
			price.Currency, of.Currency)
	}
	change = billing.ChangePlan{
		Plan: billing.Plan{ProductID: found.ID, Price: price.Amount, Quantity: request.Quantity, Payment: price.Payment},
		Mode: request.Mode, AtNext: request.AtNext, ApplyUnpaid: !request.Prevent,
	}
	return change, soldAs(&found), nil
}

// handlePlanChange changes what a subscription is to.
func (s *Server) handlePlanChange(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request, err := c.decodePlan()
	if err != nil {
		return err
	}
	key, err := c.headerKey()
	if err != nil {
		return err
	}
	found, customer, err := s.subscription(c)
	if err != nil {
		return err
	}
	kept, done, err := s.repeatedOrder(c, key, "plan", &request, s.replyPlanChange)
	if done || err != nil {
		return err
	}
	change, product, err := s.planChange(c, found, &request)
	if err != nil {
		return err
	}
	if _, err := s.collector.PreviewPlan(c.r.Context(), found, change, product, customer); err != nil {
		return err
	}
	id := s.book.NewID("spc_")
	order := collect.SubscriptionOrder{Input: change, Request: kept, Answer: paymentOfAnswer}
	order.Amend = func(of *collect.Subscription) {
		of.Sell(product)
		of.ChangeID = id
	}
	if request.Metadata != "" {
		order.Terms.Metadata = json.RawMessage(request.Metadata)
	}
	return s.carryOutOrder(c, found, order, s.replyPlanChange)
}

// handlePlanPreview says what a change of plan would come to.
func (s *Server) handlePlanPreview(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request, err := c.decodePlan()
	if err != nil {
		return err
	}
	found, customer, err := s.subscription(c)
	if err != nil {
		return err
	}
	change, product, err := s.planChange(c, found, &request)
	if err != nil {
		return err
	}
	preview, err := s.collector.PreviewPlan(c.r.Context(), found, change, product, customer)
	if err != nil {
		return err
	}
	return c.replyJSON(preview)
}

// handlePlanCancel takes a change of plan back that waits for the next period.
func (s *Server) handlePlanCancel(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	found, _, err := s.subscription(c)
	if err != nil {
		return err
	}
	if _, err := s.collector.DecideSubscription(c.r.Context(), found, billing.CancelPlanChange{}); err != nil {
		return err
	}
	c.w.Header()["Cache-Control"] = headerNoStore
	c.status = http.StatusNoContent
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// The fields of another payment method. Of a new one none but the first is offered.
var subscriptionMethodFields = []string{"type", "payment_method_id", "return_url", "allowed_payment_method_types"}

var subscriptionMethodKinds = [...]strictjson.Kind{
	strictjson.String, strictjson.String, strictjson.String, strictjson.Array,
}

// handleSubscriptionMethod has a subscription paid by another payment method. What it owes
// is tried with it at once.
func (s *Server) handleSubscriptionMethod(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields(subscriptionMethodFields, 1)
	if err == nil {
		err = f.checkKinds(subscriptionMethodKinds[:])
	}
	if err != nil {
		return err
	}
	how, err := f.oneOf(0, "existing", "new")
	if err != nil {
		return err
	}
	if how == "new" {
		return s.newSubscriptionMethod(c, &f)
	}
	if err := f.refuseOffers(2); err != nil {
		return err
	}
	id, given, _ := f.text(1)
	if !given {
		return ledger.FieldErrorf(ledger.CodeMissingField, "payment_method_id", "payment_method_id is required")
	}
	found, customer, err := s.subscription(c)
	if err != nil {
		return err
	}
	method, err := s.topUpMethod(c, customer, id)
	if err != nil {
		return err
	}
	order := collect.SubscriptionOrder{
		Input: billing.UpdateMethod{Method: method.Token}, MethodID: savedMethod(method.ID, method.Token), Answer: paymentOfAnswer,
		Amend: func(of *collect.Subscription) { of.PayBy(method) },
	}
	return s.carryOutOrder(c, found, order, s.replyPayment)
}

// newSubscriptionMethod makes a page on which the customer enters the card that pays a
// subscription from then on, and what it owes.
func (s *Server) newSubscriptionMethod(c *call, f *fields) error {
	if err := f.refuseOffers(3); err != nil {
		return err
	}
	if f.given(1) && !isNothing(f.values[1]) {
		return badParameter("payment_method_id",
			"payment_method_id names a method that is there; a new one is entered by the customer")
	}
	back, _, err := f.text(2)
	if err == nil && back != "" {
		err = collect.ReturnURL(back)
	}
	if err != nil {
		return err
	}
	found, _, err := s.subscription(c)
	if err != nil {
		return err
	}
	if err := found.Ended(); err != nil {
		return err
	}
	if !s.collector.TakesCards(c.tenant(), found.CustomerID) {
		return errNoProcessor("type")
	}
	expires := s.book.Now().Add(collect.SetupLives)
	setup := collect.Setup{
		ID: s.book.NewID(collect.SetupIDPrefix), Tenant: c.tenant(), CustomerID: found.CustomerID, ReturnURL: back,
		ExpiresAt: expires, SubscriptionID: found.ID, Currency: string(found.Currency),
	}
	if err := s.collector.OpenSetup(c.r.Context(), setup); err != nil {
		return err
	}
	secret := s.links.Setup(c.tenant(), setup.ID)
	url := s.links.URL(secret)
	answer := paymentOf{Link: &url, ClientSecret: &secret, ExpiresOn: (*collect.Time)(&expires)}
	if found.Owes != nil {
		id := collect.PaymentIDPrefix + found.Owes.InvoiceID[len(collect.InvoiceIDPrefix):]
		answer.PaymentID = &id
	}
	return c.replyJSON(answer)
}

// handleSubscriptionRetry has what a subscription owes tried at once.
func (s *Server) handleSubscriptionRetry(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if err := c.noFields(); err != nil {
		return err
	}
	found, _, err := s.subscription(c)
	if err != nil {
		return err
	}
	order := collect.SubscriptionOrder{Input: billing.Recover{}, Answer: paymentOfAnswer}
	return s.carryOutOrder(c, found, order, s.replyPayment)
}

// Query parameters of what subscriptions have used, of which there is nothing.
const (
	paramStartDate = "start_date"
	paramEndDate   = "end_date"
	paramMeterID   = "meter_id"
)

// handleUsageHistory lists what meters have counted: there are none.
func (s *Server) handleUsageHistory(c *call) error {
	q, err := c.query(paramPageNumber, paramPageSize, paramCursor, paramStartDate, paramEndDate, paramMeterID)
	if err != nil {
		return err
	}
	for _, name := range []string{paramStartDate, paramEndDate} {
		if _, err := q.time(name); err != nil {
			return err
		}
	}
	if _, err := s.page(c, &q, c.bound()); err != nil {
		return err
	}
	if _, _, err := s.subscription(c); err != nil {
		return err
	}
	return c.replyJSON(struct {
		Items []struct{} `json:"items"`
	}{[]struct{}{}})
}

// handleCreditUsage lists what is left of virtual credits: there are none.
func (s *Server) handleCreditUsage(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	found, _, err := s.subscription(c)
	if err != nil {
		return err
	}
	return c.replyJSON(struct {
		ID    string     `json:"subscription_id"`
		Items []struct{} `json:"items"`
	}{found.ID, []struct{}{}})
}

const paramCancelAtNext = "cancel_at_next_billing_date"

var subscriptionListParams = []string{
	paramPageNumber, paramPageSize, paramCursor, paramCreatedGTE, paramCreatedLTE, paramCustomerID, paramStatus, paramBrandID,
	paramProductID, paramCancelAtNext,
}

// handleSubscriptionList lists subscriptions, newest first.
func (s *Server) handleSubscriptionList(c *call) error {
	q, err := c.query(subscriptionListParams...)
	if err != nil {
		return err
	}
	filter, err := q.invoiceFilter()
	if err != nil {
		return err
	}
	filter.Kind, filter.State = collect.Subscriptions, q.get(paramStatus)
	statuses := append(billing.SubscriptionStatuses(), "past_due") // of the newer SDKs; none is so here
	if filter.State != "" && !slices.Contains(statuses, billing.SubscriptionStatus(filter.State)) {
		return queryError(paramStatus, "status must be one of %v.", statuses)
	}
	cancels, err := q.boolean(paramCancelAtNext)
	if err != nil {
		return err
	}
	product, brand := q.get(paramProductID), q.get(paramBrandID)
	var keep func(*collect.Subscription) bool
	other := brand != "" && brand != c.tenant().BusinessID // there is one brand
	if product != "" || cancels != nil || other {
		keep = func(of *collect.Subscription) bool {
			return !other && (product == "" || of.Plan.ProductID == product) && (cancels == nil || of.CancelAtNext == *cancels)
		}
	}
	whose := func(of *collect.Subscription) string { return of.CustomerID }
	show := func(of *collect.Subscription, customer *ledger.Customer) any { return of.ListItem(customer) }
	return replyObjects(s, c, &q, filter, collect.SubscriptionOf, keep, withCustomer(s, c, whose, show))
}
