package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request for a top-up, of which the first two are required.
var topUpFields = []string{"amount", "currency", "payment_method_id", "metadata", "expires_at", "payment_link", "return_url"}

const (
	topUpAmount = iota
	topUpCurrency
	topUpMethod
	topUpMetadata
	topUpExpiresAt
	topUpLink
	topUpReturnURL

	topUpRequired = topUpCurrency + 1
)

var topUpKinds = [...]strictjson.Kind{
	topUpCurrency: strictjson.String, topUpMethod: strictjson.String, topUpMetadata: strictjson.Object, topUpExpiresAt: strictjson.String,
	topUpLink: strictjson.Bool, topUpReturnURL: strictjson.String,
}

// topUpRequest is what a request for a top-up says, in the one form that its fingerprint
// covers.
type topUpRequest struct {
	Amount    money.Amount   `json:"amount"`
	Currency  money.Currency `json:"currency"`
	Method    string         `json:"method,omitempty"`
	Metadata  string         `json:"metadata,omitempty"`
	ExpiresAt time.Time      `json:"expires_at,omitzero"`
	Link      bool           `json:"link,omitempty"`
	ReturnURL string         `json:"return_url,omitempty"`
}

func (r *topUpRequest) fingerprint() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // it has texts and numbers only
	}
	sum := sha256.Sum256(append([]byte("billfold.top_up.v1"), text...))
	return hex.EncodeToString(sum[:len(ledger.Fingerprint{})])
}

func (c *call) decodeTopUp() (r topUpRequest, err error) {
	f, err := c.fields(topUpFields, topUpRequired)
	if err == nil {
		err = f.checkKinds(topUpKinds[:])
	}
	if err != nil {
		return r, err
	}
	credit := ledger.PostRequest{
		Currency: c.currency(f.values[topUpCurrency].Text()), Direction: ledger.Credit, Amount: 1,
	}
	if err := credit.Validate(); err != nil { // the currency comes before the amount, as in every request
		return r, err
	}
	if credit.Amount, err = amount(f.values[topUpAmount]); err != nil {
		return r, err
	}
	if err := credit.Validate(); err != nil {
		return r, err
	}
	if expires, given, _ := f.text(topUpExpiresAt); given {
		if credit.ExpiresAt, err = parseExpiry(expires); err != nil {
			return r, err
		}
		credit.ExpiresAt = credit.ExpiresAt.UTC().Truncate(time.Microsecond)
	}
	if err := credit.Validate(); err != nil {
		return r, err
	}
	r = topUpRequest{Amount: credit.Amount, Currency: credit.Currency, ExpiresAt: credit.ExpiresAt}
	r.Method, _, _ = f.text(topUpMethod)
	r.Link, _, _ = f.boolean(topUpLink)
	if r.ReturnURL, _, _ = f.text(topUpReturnURL); r.ReturnURL != "" {
		if err := collect.ReturnURL(r.ReturnURL); err != nil {
			return r, err
		}
	}
	if r.Metadata, _, err = f.metadata(topUpMetadata); r.Metadata == "{}" {
		r.Metadata = ""
	}
	return r, err
}

// handleTopUpCreate has a customer pay by card for money that their wallet is credited
// with. That the card is declined is no error of the request.
func (s *Server) handleTopUpCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request, err := c.decodeTopUp()
	if err != nil {
		return err
	}
	key, err := c.headerKey()
	if err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	if !c.keyed && c.resent() {
		return errKeyRequired
	}
	if !c.keyed {
		return s.topUp(c, &customer, &request, nil)
	}
	// A customer's keys are their own (law K5).
	kept := collect.Request{Route: c.route.label + " " + id, Key: key, Fingerprint: request.fingerprint()}
	found, at, err := collect.FindRequest(c.r.Context(), s.book.Store(), c.tenant(), kept.Route, key)
	switch {
	case err != nil:
		return err
	case found == nil:
		return s.topUp(c, &customer, &request, &kept)
	case found.Fingerprint != kept.Fingerprint:
		return ledger.KeyReused(at)
	}
	return s.answerTopUp(c, id, &request, found.Made, &kept, true)
}

// topUp makes the invoice of a top-up, has it go on as far as it goes now, and answers.
func (s *Server) topUp(c *call, customer *ledger.Customer, request *topUpRequest, kept *collect.Request) error {
	if !c.settings.Enabled(request.Currency) {
		return ledger.FieldErrorf(ledger.CodeUnsupportedCurrency, "currency", "%s is not enabled for this business; enable it in the business settings", request.Currency)
	}
	if err := c.checkTopUp(request.Amount, request.Currency, "amount"); err != nil {
		return err
	}
	method, err := s.topUpMethod(c, customer, request.Method)
	if code := ledger.CodeOf(err); err != nil && (code != CodeInvalidParameters || !request.Link || request.Method != "") {
		return err
	}
	invoice := collect.TopUpInvoice(c.settings, c.tenant(), customer.ID, request.Currency, request.Amount)
	invoice.Metadata, invoice.TopUp.ExpiresAt = json.RawMessage(request.Metadata), request.ExpiresAt
	invoice.PayBy(method)
	invoice.ReturnURL = request.ReturnURL
	invoice.Collection.InvoiceID = s.book.NewID(collect.InvoiceIDPrefix)
	id, err := s.collector.OpenTopUp(c.r.Context(), invoice, kept)
	if err != nil {
		return err
	}
	return s.answerTopUp(c, customer.ID, request, id, kept, id != invoice.Collection.InvoiceID)
}

// checkTopUp refuses what a top-up may not be.
func (c *call) checkTopUp(amount money.Amount, currency money.Currency, param string) error {
	least, most := collect.TopUpRange(c.settings, c.tenant().Mode, currency)
	if amount < least || amount > most {
		return ledger.FieldErrorf(collect.CodeTopUpLimit, param, "a top-up in %s may be %d to %d minor units, not %d", currency, least, most, amount)
	}
	return nil
}

// topUpMethod is the payment method of a customer with an id, and where that is empty the
// newest that may be charged while the customer is away.
func (s *Server) topUpMethod(c *call, customer *ledger.Customer, id string) (method collect.Method, err error) {
	if id != "" {
		p := payment{server: s, call: c, request: &paymentRequest{Method: id}, customer: *customer}
		if err := p.method(); err != nil {
			return method, err
		}
		return collect.Method{ID: p.invoice.MethodID, Token: p.invoice.Method, Card: p.invoice.Card}, nil
	}
	methods, err := s.collector.Methods(c.r.Context(), c.tenant(), customer.ID)
	if err != nil {
		return method, err
	}
	for _, method := range methods {
		if method.Recurring {
			return method, nil
		}
	}
	return method, badParameter("payment_method_id", "the customer has no payment method to top up with; add one, or name one here")
}

// answerTopUp has a top-up go on as far as it goes now, and answers with its payment and
// the wallet.
func (s *Server) answerTopUp(
	c *call, customerID string, request *topUpRequest, id string, kept *collect.Request, replayed bool,
) error {
	s.goOn(c.r.Context(), c.tenant(), id)
	answer, err := s.collector.AnswerTopUp(c.r.Context(), c.tenant(), customerID, id, request.Currency, kept, topUpAnswer)
	if err != nil {
		return err
	}
	if replayed {
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	return s.replyCreated(c, answer, request.Link)
}

// topUpAnswer is the answer of a created payment with how it stands, and with the wallet.
func topUpAnswer(i *collect.Invoice, s *ledger.Snapshot, now time.Time) []byte {
	out := paymentAnswer([]cartLine{})(i, &s.Customer)
	out = append(out[:len(out)-1], `,"invoice_id":`...)
	out = appendString(out, i.Collection.InvoiceID)
	out = append(out, `,"currency":"`...)
	out = append(out, i.Collection.Currency...)
	out = append(out, `","status":"`...)
	out = append(out, i.Status()...)
	out = append(out, `","expires_at":`...)
	out = appendOptionalTime(out, i.TopUp.ExpiresAt)
	wallet := s.Wallet
	wallet.CreatedAt = s.Customer.CreatedAt
	if wallet.UpdatedAt.IsZero() {
		wallet.UpdatedAt = wallet.CreatedAt
	}
	out = append(out, `,"wallet":`...)
	out = appendWallet(out, &wallet, int64(wallet.Available(now)))
	return append(out, '}')
}

// The fields of the limits of a currency.
var topUpLimitFields = []string{"minimum", "maximum"}

// topUpLimits reads how much a top-up may be, by currency.
func (f *fields) topUpLimits(index int) (map[money.Currency]access.TopUpLimits, error) {
	name := f.names[index]
	if f.values[index].Kind() != strictjson.Object {
		return nil, f.wrongKind(index, strictjson.Object)
	}
	limits := map[money.Currency]access.TopUpLimits{}
	for currency, value := range f.values[index].Members {
		if value.Kind() != strictjson.Object {
			return nil, ledger.FieldErrorf(CodeInvalidRequestBody, name, "%s must hold objects, not %s", name, value.Kind())
		}
		g, err := fieldsOf(value, topUpLimitFields, 0)
		if err != nil {
			return nil, err
		}
		var of access.TopUpLimits
		for i, into := range []*money.Amount{&of.Least, &of.Most} {
			if !g.given(i) {
				continue
			}
			if g.values[i].Kind() != strictjson.Number {
				return nil, g.wrongKind(i, strictjson.Number)
			}
			number, ok := integer(g.values[i])
			if !ok {
				return nil, ledger.FieldErrorf(ledger.CodeInvalidSettings, name, "%s must hold whole numbers of minor units, written without point or exponent", name)
			}
			*into = money.Amount(number)
		}
		limits[money.Currency(currency)] = of
	}
	return limits, nil
}

func appendTopUpLimits(out []byte, limits map[money.Currency]access.TopUpLimits) []byte {
	out = append(out, '{')
	for i, currency := range slices.Sorted(maps.Keys(limits)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, string(currency))
		out = append(out, `:{"minimum":`...)
		out = strconv.AppendInt(out, int64(limits[currency].Least), 10)
		out = append(out, `,"maximum":`...)
		out = strconv.AppendInt(out, int64(limits[currency].Most), 10)
		out = append(out, '}')
	}
	return append(out, '}')
}
