package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

// portalBill is a payment or a refund as its customer sees it.
type portalBill struct {
	At       pageTime
	Text     string
	Detail   string
	Status   string
	Look     string // of the status: good, bad, wait or none
	Amount   string
	Document string // its PDF
	Pay      string // the page on which it is paid, empty where nothing is to be done
}

// statusNames are what statuses are called, and how they look.
var statusNames = map[string][2]string{
	string(collect.Succeeded):      {"Paid", "good"},
	string(collect.Failed):         {"Not paid", "bad"},
	string(collect.RequiresAction): {"Waits for you", "wait"},

	string(billing.SubscriptionActive):  {"Active", "good"},
	string(billing.SubscriptionOnHold):  {"Payment due", "bad"},
	string(billing.SubscriptionPaused):  {"Paused", "wait"},
	string(billing.SubscriptionPending): {"Waits for payment", "wait"},
	string(billing.SubscriptionExpired): {"Ended", "none"},
}

// statusName is what a status is called, and how it looks.
func statusName(status string) (name, look string) {
	if known, ok := statusNames[status]; ok {
		return known[0], known[1]
	}
	text := strings.ReplaceAll(status, "_", " ")
	return strings.ToUpper(text[:1]) + text[1:], "none"
}

// invoicesView is the page of what a customer was billed, and what of it went back.
type invoicesView struct {
	Payments, Refunds []portalBill
	Older, Newest     string
	OlderRefunds      string
}

const paramRefundsBefore = "refunds_before"

var portalInvoiceParams = []string{paramBefore, paramRefundsBefore}

// handlePortalInvoices lists payments and refunds, newest first.
func (s *Server) handlePortalInvoices(c *call) error {
	q, err := c.query(portalInvoiceParams...)
	if err != nil {
		return err
	}
	before, refundsBefore := q.get(paramBefore), q.get(paramRefundsBefore)
	for id, prefix := range map[string]string{before: collect.InvoiceIDPrefix, refundsBefore: collect.RefundIDPrefix} {
		if id != "" && !isID(id, prefix) {
			return errNotFound
		}
	}
	ctx, store := c.r.Context(), s.book.Store()
	customer, err := store.Customer(ctx, c.tenant(), c.session.customerID)
	if err != nil {
		return err
	}
	filter := ledger.ObjectFilter{Kind: collect.Invoices, CustomerID: customer.ID}
	invoices, next, err := findObjects(ctx, store, c.tenant(), filter,
		ledger.ObjectPage{Limit: portalRows, Before: before}, collect.InvoiceOf, nil)
	if err != nil {
		return err
	}
	var view invoicesView
	for _, i := range invoices {
		view.Payments = append(view.Payments, s.portalPayment(i))
	}
	filter.Kind = collect.Refunds
	refunds, nextRefund, err := findObjects(ctx, store, c.tenant(), filter,
		ledger.ObjectPage{Limit: portalRows, Before: refundsBefore}, collect.RefundOf, nil)
	if err != nil {
		return err
	}
	for _, r := range refunds {
		view.Refunds = append(view.Refunds, s.portalRefund(r))
	}
	path := s.basePath() + portalPath + "/invoices"
	if next != "" {
		view.Older = path + "?" + url.Values{paramBefore: {next}}.Encode()
	}
	if nextRefund != "" {
		view.OlderRefunds = path + "?" + url.Values{paramRefundsBefore: {nextRefund}}.Encode()
	}
	if before != "" || refundsBefore != "" {
		view.Newest = path
	}
	return s.showPage(c, http.StatusOK, "invoices", "", &customer, view)
}

// portalPayment is a payment as its customer sees it.
func (s *Server) portalPayment(i *collect.Invoice) portalBill {
	of := &i.Collection
	bill := portalBill{
		At: dayOf(i.CreatedAt), Text: "Payment", Amount: shown(of.Total, of.Currency),
		Document: s.basePath() + s.documentPath("payments", i.Tenant, i.PaymentID()),
	}
	for n, item := range i.Items {
		name := item.Name
		if name == "" {
			name = item.ID
		}
		if item.Quantity > 1 {
			name += " × " + strconv.FormatInt(item.Quantity, 10)
		}
		if n == 0 {
			bill.Text = clipName(name)
		}
	}
	if more := len(i.Items) - 1; more > 0 {
		bill.Text += " and " + strconv.Itoa(more) + " more"
	}
	bill.Status, bill.Look = statusName(string(i.Status()))
	switch {
	case i.Status() != collect.Succeeded:
	case of.Tender.Wallet > 0 && of.Tender.Card > 0:
		bill.Detail = shown(of.Tender.Wallet, of.Currency) + " from the wallet, " + shown(of.Tender.Card, of.Currency) + " by card"
	case of.Tender.Wallet > 0:
		bill.Detail = "From the wallet"
	case of.Tender.Card > 0 && i.Card.LastFour != "":
		bill.Detail = "Card ending in " + i.Card.LastFour
	}
	if i.Awaits(s.book.Now()) || i.Status() == collect.RequiresAction {
		bill.Status, bill.Look = "To pay", "wait"
		_, bill.Pay = s.linkOf(i)
	}
	return bill
}

// portalRefund is a refund as its customer sees it.
func (s *Server) portalRefund(r *collect.Refund) portalBill {
	bill := portalBill{
		At: dayOf(r.CreatedAt), Text: "To the card", Amount: shown(r.Amount(), r.Currency),
		Document: s.basePath() + s.documentPath("refunds", r.Tenant, r.ID),
	}
	switch {
	case r.Destination == billing.ToWallet || r.Card == 0:
		bill.Text = "To the wallet"
	case r.Wallet > 0:
		bill.Text = "To the card and the wallet"
	}
	if bill.Status, bill.Look = statusName(string(r.Status())); bill.Look == "good" {
		bill.Status = "Refunded"
	}
	return bill
}

// portalSubscription is a subscription as its customer sees it.
type portalSubscription struct {
	ID, Name  string
	Price     string
	Every     string
	Status    string
	Look      string
	Next      *pageTime // when it is billed next
	Ends      *pageTime // when it ends, if it does
	Ended     *pageTime
	Card      string
	Others    []portalCard // that could pay it instead
	MayPay    bool         // another card may pay it
	Owes      bool         // and what is owed would be charged to it at once
	ChangesTo string
	MayCancel bool
	MayKeep   bool
	Key       string // of the form that changes it
}

func portalSubscriptionOf(of *collect.Subscription) portalSubscription {
	item := of.ListItem(&ledger.Customer{})
	view := portalSubscription{ID: of.ID, Name: item.ProductID, Price: shown(of.Plan.Total(), of.Currency)}
	if item.ProductName != nil {
		view.Name = clipName(*item.ProductName)
	}
	if of.Plan.Quantity > 1 {
		view.Name += " × " + strconv.FormatInt(of.Plan.Quantity, 10)
	}
	unit := strings.ToLower(string(of.Plan.Payment.Unit))
	switch {
	case of.OnDemand:
		view.Every, view.Price = "Charged as you use it", ""
	case of.Plan.Payment.Count == 1:
		view.Every = "every " + unit
	default:
		view.Every = "every " + strconv.Itoa(of.Plan.Payment.Count) + " " + unit + "s"
	}
	view.Status, view.Look = statusName(string(of.Status))
	if of.Card.LastFour != "" {
		view.Card = "card ending in " + of.Card.LastFour
	}
	if item.Scheduled != nil && item.Scheduled.ProductName != nil {
		view.ChangesTo = clipName(*item.Scheduled.ProductName)
	}
	view.MayPay = !of.Status.Final() && of.Status != billing.SubscriptionPending
	view.Owes = of.Status == billing.SubscriptionOnHold
	day := func(at time.Time) *pageTime {
		if at.IsZero() {
			return nil
		}
		shown := dayOf(at)
		return &shown
	}
	switch {
	case of.Status == billing.SubscriptionCancelled:
		view.Ended = day(of.CancelledAt)
	case of.Status.Final():
		view.Ended = day(of.ExpiresAt)
	case of.CancelAtNext:
		view.Status, view.Look = "Ends soon", "wait"
		view.Ends, view.MayKeep = day(time.Time(item.Next)), of.CancelReason == byCustomer
	case of.Status != billing.SubscriptionPending:
		view.MayCancel = true
		if of.Status == billing.SubscriptionActive && !of.OnDemand {
			view.Next = day(time.Time(item.Next))
		}
	}
	return view
}

// subscriptionsView is the page of a customer's subscriptions.
type subscriptionsView struct {
	Action        string
	Cards         string // the page of saved cards
	Subscriptions []portalSubscription
	Feedbacks     []feedback
	Older, Newest string
}

// feedback is a reason that a customer may give for leaving.
type feedback struct{ Word, Text string }

var feedbacks = []feedback{
	{"too_expensive", "It is too expensive"}, {"missing_features", "Something is missing"}, {"switched_service", "I use another service"},
	{"unused", "I do not use it"}, {"customer_service", "The customer service"}, {"low_quality", "The quality"},
	{"too_complex", "It is too complicated"}, {"other", "Another reason"},
}

var portalSubscriptionParams = []string{paramBefore}

// handlePortalPlans lists a customer's subscriptions, newest first.
func (s *Server) handlePortalPlans(c *call) error {
	q, err := c.query(portalSubscriptionParams...)
	if err != nil {
		return err
	}
	before := q.get(paramBefore)
	if before != "" && !isID(before, collect.SubscriptionIDPrefix) {
		return errNotFound
	}
	return s.showPlans(c, http.StatusOK, "", before)
}

// plansAgain shows the page of subscriptions after a form of it was refused.
func (s *Server) plansAgain(c *call, status int, notice string) error {
	return s.showPlans(c, status, notice, "")
}

func (s *Server) showPlans(c *call, status int, notice, before string) error {
	ctx, store := c.r.Context(), s.book.Store()
	customer, err := store.Customer(ctx, c.tenant(), c.session.customerID)
	if err != nil {
		return err
	}
	filter := ledger.ObjectFilter{Kind: collect.Subscriptions, CustomerID: customer.ID}
	found, next, err := findObjects(ctx, store, c.tenant(), filter,
		ledger.ObjectPage{Limit: portalRows, Before: before}, collect.SubscriptionOf, nil)
	if err != nil {
		return err
	}
	cards, err := s.portalCards(c)
	if err != nil {
		return err
	}
	path := s.basePath() + portalPath + "/subscriptions"
	view := subscriptionsView{Action: path, Cards: s.basePath() + portalPath + "/cards", Feedbacks: feedbacks}
	for _, of := range found {
		item := portalSubscriptionOf(of)
		item.Key = s.formKey(c, planAction)
		for _, card := range cards {
			if card.Fits && card.Away && card.ID != of.MethodID {
				item.Others = append(item.Others, card)
			}
		}
		view.Subscriptions = append(view.Subscriptions, item)
	}
	if next != "" {
		view.Older = path + "?" + url.Values{paramBefore: {next}}.Encode()
	}
	if before != "" {
		view.Newest = path
	}
	return s.showPage(c, status, "subscriptions", notice, &customer, view)
}

// planAction signs the forms by which subscriptions are cancelled and kept.
const planAction = "subscription"

// byCustomer is why a subscription ends that its customer has cancelled.
const byCustomer = "cancelled_by_customer"

// changePlan cancels a subscription of the customer at the end of what they have paid
// for, has it go on after all, or has another card pay it. To send it twice changes nothing
// more.
func (s *Server) changePlan(c *call, form *portalForm) error {
	id := form.get("subscription")
	if !isID(id, collect.SubscriptionIDPrefix) {
		return errNotFound
	}
	found, err := s.collector.Subscription(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	if found.CustomerID != c.session.customerID {
		return errNotFound
	}
	var order collect.SubscriptionOrder
	switch do := form.get("do"); {
	case do == "cancel" && found.CancelAtNext, do == "keep" && !found.CancelAtNext:
		s.leadTo(c, s.basePath()+portalPath+"/subscriptions") // it is as it should be
		return nil
	case do == "cancel":
		why := ""
		for _, known := range feedbacks {
			if known.Word == form.get("feedback") {
				why = known.Word
			}
		}
		order.Input = billing.CancelAtNextBilling{}
		order.Amend = func(s *collect.Subscription) {
			s.CancelReason, s.CancelFeedback, s.CancelComment = byCustomer, why, ""
		}
	case do == "keep" && found.CancelReason != byCustomer:
		return &noticeError{"This subscription was not cancelled by you. Ask whoever you have it from."}
	case do == "keep":
		order.Input = billing.CancelAtNextBilling{Undo: true}
		order.Amend = func(s *collect.Subscription) { s.CancelReason, s.CancelFeedback, s.CancelComment = "", "", "" }
	case do == "card":
		method, err := s.cardOf(c, form.get("card"))
		if err != nil {
			return err
		}
		if !method.Recurring {
			return &noticeError{"Choose one of the cards."}
		}
		order.Input, order.MethodID = billing.UpdateMethod{Method: method.Token}, method.ID
		order.Amend = func(s *collect.Subscription) { s.PayBy(method) }
	default:
		return errFormKind
	}
	outcome, err := s.collector.OrderSubscription(c.r.Context(), found, order)
	if err != nil {
		return err
	}
	if outcome.Invoice != nil {
		s.goOn(c.r.Context(), c.tenant(), outcome.Invoice.Collection.InvoiceID)
	}
	s.leadTo(c, s.basePath()+portalPath+"/subscriptions")
	return nil
}
