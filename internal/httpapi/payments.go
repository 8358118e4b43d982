package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// The codes of payments, beside those of package billing.
const (
	CodeInvalidParameters = ledger.Code("INVALID_REQUEST_PARAMETERS")

	CodeEmptyCart = ledger.Code("PRODUCT_CART_EMTPY") // as the published format writes it
)

// stepsFor is for how long a request has its payment go on. What is not finished then is
// finished by the worker.
const stepsFor = 5 * time.Second

// handlePaymentCreate has a customer pay for products: from the wallet, and what the
// wallet does not cover by card. That the card is declined is no error of the request.
func (s *Server) handlePaymentCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request, err := c.decodePayment()
	if err != nil {
		return err
	}
	key, err := c.headerKey()
	if err != nil {
		return err
	}
	p := payment{server: s, call: c, request: &request}
	if request.CustomerID != "" {
		if !isID(request.CustomerID, "cus_") {
			return errNotFound
		}
		if p.customer, err = s.book.Store().Customer(c.r.Context(), c.tenant(), request.CustomerID); err != nil {
			return err
		}
	}
	if !c.keyed && c.resent() {
		return errKeyRequired
	}
	if c.keyed {
		p.print = request.fingerprint()
		p.kept = &collect.Request{Route: c.route.label, Key: key, Fingerprint: hex.EncodeToString(p.print[:])}
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

// payment is a request for one on its way.
type payment struct {
	server  *Server
	call    *call
	request *paymentRequest
	kept    *collect.Request // nil: it has no idempotency key
	print   ledger.Fingerprint

	customer ledger.Customer // without an id: it is to be made
	invoice  collect.Invoice
	replayed bool
}

func (p *payment) ctx() context.Context { return p.call.r.Context() }

// replay answers a request that was carried out before under its key, and reports
// whether it was.
func (p *payment) replay() (bool, error) {
	store := p.server.book.Store()
	found, at, err := collect.FindRequest(p.ctx(), store, p.call.tenant(), p.kept.Route, p.kept.Key)
	if found == nil || err != nil {
		return false, err
	}
	if found.Fingerprint != p.kept.Fingerprint {
		return false, ledger.KeyReused(at)
	}
	p.call.w.Header()["Idempotency-Replayed"] = headerTrue
	return true, p.server.replyCreated(p.call, found.Answer, p.request.Link)
}

// findCustomer finds the newest customer with the e-mail address, where the request names
// nobody by an id.
func (p *payment) findCustomer() error {
	if p.customer.ID != "" {
		return nil
	}
	filter := ledger.CustomerFilter{Email: p.request.Email}
	found, err := p.server.book.Store().Customers(p.ctx(), p.call.tenant(), filter, ledger.Page{Limit: 1})
	if err == nil && len(found.Customers) > 0 {
		p.customer = found.Customers[0]
	}
	return err
}

// prepare makes of the request an invoice that is not kept yet, or refuses it.
func (p *payment) prepare() error {
	if err := p.findCustomer(); err != nil {
		return err
	}
	p.invoice = collect.Invoice{
		Tenant: p.call.tenant(), Reason: collect.ForPayment, Billing: p.request.Billing,
		Metadata: json.RawMessage(p.request.Metadata), DefaultAlerts: p.call.settings.Alerts, ReturnURL: p.request.ReturnURL,
	}
	if err := p.products(); err != nil {
		return err
	}
	if err := p.method(); err != nil {
		return err
	}
	c := &p.invoice.Collection
	if err := p.customer.Freezes.Refuse(c.Currency, ledger.Credit); err != nil { // frozen for everything
		return err
	}
	c.Policy = collect.PolicyOf(p.call.settings, p.call.tenant().Mode, collect.ForPayment, c.Currency)
	c.Policy.Tender.LeaveWallet = p.request.NoWallet
	if p.request.Purchase {
		c.Policy.Tender.Below = billing.ChargeMinimum
	}
	return p.payable()
}

// products looks up what is bought, and says what it costs.
func (p *payment) products() error {
	c := &p.invoice.Collection
	for _, line := range p.request.Cart {
		if !isID(line.ProductID, catalog.ProductIDPrefix) {
			return errNotFound
		}
		product, err := p.server.products.Product(p.ctx(), p.call.tenant(), line.ProductID)
		if err != nil {
			return err
		}
		price, err := priceOf(&product, line.Amount)
		if err != nil {
			return err
		}
		currency := product.Price.Currency
		if c.Currency == "" {
			c.Currency = currency
		}
		if currency != c.Currency || p.request.Currency != "" && p.request.Currency != currency {
			return badParameter("product_cart", "a payment is in one currency; these are %s and others", currency)
		}
		quantity := money.Amount(line.Quantity)
		if price > 0 && quantity > (money.EntryMax-c.Total)/price {
			return ledger.FieldErrorf(ledger.CodeAmountTooLarge, "product_cart", "a payment may be %d minor units at the most", money.EntryMax)
		}
		charged := price * quantity
		c.Total += charged
		p.invoice.Items = append(p.invoice.Items, collect.Item{
			Line:      billing.Line{ID: product.ID, Amount: charged},
			ProductID: product.ID, Name: product.Name, Description: product.Description, Quantity: line.Quantity,
		})
	}
	if !p.call.settings.Enabled(c.Currency) {
		return unsupportedCurrency("product_cart", c.Currency)
	}
	return nil
}

// priceOf is what one unit of a product costs, where the customer may have chosen.
func priceOf(product *catalog.Product, chosen *money.Amount) (money.Amount, error) {
	price := &product.Price
	switch {
	case product.Archived():
		return 0, ledger.FieldErrorf(catalog.CodeProductDeleted, "product_id", "product %s is archived; unarchive it to sell it", product.ID)
	case price.Kind != billing.OneTimePrice:
		return 0, badParameter("product_cart", "product %s is subscribed to; a payment is for products with a one-time price", product.ID)
	case !price.PayWhatYouWant:
		return price.Amount, nil // what the customer chose is ignored, as published
	case chosen == nil:
		return max(price.Amount, price.Suggested), nil
	case *chosen < price.Amount:
		return 0, ledger.FieldErrorf(billing.CodeBelowMinimum, "amount", "at least %d is asked for product %s", price.Amount, product.ID)
	case *chosen > money.EntryMax:
		return 0, ledger.FieldErrorf(ledger.CodeAmountTooLarge, "amount", "an amount may be %d minor units at the most", money.EntryMax)
	}
	return *chosen, nil
}

// method looks the payment method up that the request names.
func (p *payment) method() error {
	id := p.request.Method
	switch {
	case id == "":
		return nil
	case p.call.tenant().Mode != ledger.Test:
		return badParameter("payment_method_id", "no card processor is configured for live mode; only the wallet can pay")
	case processor.SandboxToken(id):
		p.use(collect.Method{ID: id, Token: id, Card: collect.SandboxCard(id)})
		return nil
	case !isID(id, collect.MethodIDPrefix):
		return errNotFound
	}
	method, err := p.server.collector.Method(p.ctx(), p.call.tenant(), p.customer.ID, id)
	if err != nil {
		return err
	}
	if method.Removed {
		return errNotFound
	}
	p.use(method)
	return nil
}

func (p *payment) use(method collect.Method) {
	p.invoice.Method, p.invoice.MethodID, p.invoice.Card = method.Token, method.ID, method.Card
}

// payable refuses what neither wallet nor card could pay as it looks now. What counts is
// what the wallet has when it is tried.
func (p *payment) payable() error {
	c := &p.invoice.Collection
	var available money.Amount
	var err error
	if p.customer.ID != "" {
		if available, err = p.server.collector.Available(p.ctx(), p.call.tenant(), p.customer.ID, c.Currency); err != nil {
			return err
		}
	}
	_, err = billing.PlanTender(c.Total, available, c.Policy.Tender)
	return err
}

// claimed is what a key stands for before the payment is made: whose it is, and which.
type claimed struct {
	CustomerID string `json:"customer_id"`
	InvoiceID  string `json:"invoice_id"`
}

// claim gives the invoice its id and the customer theirs. Of requests under one key that
// race, for one customer or for several, one makes the id and the others find it: that
// is decided under the key alone, wherever the customers' rows are. Nothing is paid yet.
// Whoever comes after a crash at this point finds the id as well, and makes the invoice.
func (p *payment) claim() error {
	id := p.server.book.NewID(collect.InvoiceIDPrefix)
	var once *ledger.Once
	if p.kept != nil {
		once = &ledger.Once{
			Tenant: p.call.tenant(), Route: p.kept.Route, Key: p.kept.Key, Fingerprint: p.print,
			At: p.server.book.Now(),
			Answer: func(customer ledger.Customer) []byte {
				text, _ := json.Marshal(claimed{customer.ID, id}) // two texts
				return text
			},
		}
	}
	first, err := p.settleCustomer(once)
	if err != nil {
		return err
	}
	p.invoice.CustomerID, p.invoice.Collection.InvoiceID = p.customer.ID, id
	if first != nil {
		var found claimed
		if err := json.Unmarshal(first, &found); err != nil {
			return err
		}
		p.replayed = true
		p.invoice.CustomerID, p.invoice.Collection.InvoiceID = found.CustomerID, found.InvoiceID
	}
	if p.invoice.Method != "" || p.call.tenant().Mode != ledger.Test {
		return nil
	}
	methods, err := p.server.collector.Methods(p.ctx(), p.invoice.Tenant, p.invoice.CustomerID)
	for _, method := range methods {
		if method.Recurring {
			p.use(method)
			break
		}
	}
	return err
}

// settleCustomer makes the customer if there is none, and keeps the answer under the
// request's key.
func (p *payment) settleCustomer(once *ledger.Once) (first []byte, err error) {
	book := p.server.book
	if p.customer.ID == "" {
		now := book.Now()
		p.customer = ledger.Customer{
			Tenant: p.call.tenant(), ID: book.NewID("cus_"), Email: p.request.Email, Name: p.request.Name,
			PhoneNumber: p.request.Phone, Metadata: "{}", CreatedAt: now, UpdatedAt: now,
		}
		return book.Store().CreateCustomer(p.ctx(), p.customer, once)
	}
	if once == nil {
		return nil, nil
	}
	same := func(customer ledger.Customer) ledger.Customer { return customer }
	_, first, err = book.UpdateCustomer(p.ctx(), p.call.tenant(), p.customer.ID, p.call.actor(), same, once)
	return first, err
}

// carryOut makes the invoice and has it go on as far as it goes now.
func (p *payment) carryOut() error {
	s, c := p.server, p.call
	if err := s.collector.OpenFor(p.ctx(), p.invoice, p.kept, paymentAnswer(p.request.Cart)); err != nil {
		return err
	}
	id := p.invoice.Collection.InvoiceID
	s.goOn(p.ctx(), p.invoice.Tenant, id)
	if p.kept != nil {
		found, _, err := collect.FindRequest(p.ctx(), s.book.Store(), c.tenant(), p.kept.Route, p.kept.Key)
		if err != nil {
			return err
		}
		if found == nil {
			return errors.New("a request that was kept is not there")
		}
		if p.replayed {
			c.w.Header()["Idempotency-Replayed"] = headerTrue
		}
		return s.replyCreated(c, found.Answer, p.request.Link)
	}
	return s.replyCreated(c, paymentAnswer(p.request.Cart)(&p.invoice, &p.customer), p.request.Link)
}

// goOn has an invoice go on until it waits for something, or for as long as a request may
// take. What fails is left to the worker: the invoice is there.
func (s *Server) goOn(ctx context.Context, tenant ledger.Tenant, id string) {
	ctx, cancel := context.WithTimeout(ctx, stepsFor)
	defer cancel()
	for {
		more, err := s.collector.Step(ctx, tenant, id)
		if err != nil {
			s.logger.Warn("a payment is left to the worker", "invoice", id, "error", err)
		}
		if err != nil || !more {
			return
		}
	}
}

// paymentAnswer is what is answered to a request for a payment.
func paymentAnswer(cart []cartLine) func(*collect.Invoice, *ledger.Customer) []byte {
	return func(i *collect.Invoice, customer *ledger.Customer) []byte {
		metadata := i.Metadata
		if len(metadata) == 0 {
			metadata = json.RawMessage("{}")
		}
		text, _ := json.Marshal(struct { // texts and numbers
			PaymentID    string           `json:"payment_id"`
			ClientSecret string           `json:"client_secret"`
			ExpiresOn    *string          `json:"expires_on"`
			Link         *string          `json:"payment_link"`
			Customer     collect.Customer `json:"customer"`
			Metadata     json.RawMessage  `json:"metadata"`
			Total        money.Amount     `json:"total_amount"`
			Cart         []cartLine       `json:"product_cart"`
			DiscountID   *string          `json:"discount_id"`
			DiscountIDs  *string          `json:"discount_ids"`
		}{
			PaymentID: i.PaymentID(), Customer: collect.CustomerOf(customer), Metadata: metadata, Total: i.Collection.Total, Cart: cart,
		})
		return text
	}
}
