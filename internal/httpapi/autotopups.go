package httpapi

import (
	"net/http"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a rule for automatic top-ups, of which the first three are required, and
// of its cap.
var (
	autoTopUpFields = []string{"threshold", "payment_method_id", "cap", "target", "amount", "enabled"}
	capFields       = []string{"period", "count", "amount"}
)

const (
	autoThreshold = iota
	autoMethod
	autoCap
	autoTarget
	autoAmount
	autoEnabled

	autoRequired = autoCap + 1
)

var autoTopUpKinds = [...]strictjson.Kind{
	autoThreshold: strictjson.Number, autoTarget: strictjson.Number, autoAmount: strictjson.Number, autoMethod: strictjson.String, autoCap: strictjson.Object, autoEnabled: strictjson.Bool,
}

// autoCountMax is the largest count of a cap.
const autoCountMax = 1000

// autoTopUpItem is a rule as it is shown.
type autoTopUpItem struct {
	CustomerID string         `json:"customer_id"`
	Currency   money.Currency `json:"currency"`
	Threshold  money.Amount   `json:"threshold"`
	Target     *money.Amount  `json:"target"`
	Amount     *money.Amount  `json:"amount"`
	MethodID   string         `json:"payment_method_id"`
	Cap        capItem        `json:"cap"`
	Enabled    bool           `json:"enabled"`

	InFlight *string       `json:"payment_in_flight"` // the id of a payment
	Failures int           `json:"failures"`
	Reason   *string       `json:"failure_reason"`
	NextTry  *collect.Time `json:"next_try_at"`
	Since    *collect.Time `json:"counted_since"`
	Count    int64         `json:"counted"`
	Sum      money.Amount  `json:"counted_amount"`

	CreatedAt collect.Time `json:"created_at"`
	UpdatedAt collect.Time `json:"updated_at"`
}

type capItem struct {
	Period collect.Period `json:"period"`
	Count  *int64         `json:"count"`
	Amount *money.Amount  `json:"amount"`
}

// above is a number that is shown as null where it says nothing.
func above[T int64 | money.Amount](number T) *T {
	if number == 0 {
		return nil
	}
	return &number
}

func autoTopUpOf(r *collect.AutoTopUp) autoTopUpItem {
	used := r.Used[r.Cap.Period]
	item := autoTopUpItem{
		CustomerID: r.CustomerID, Currency: r.Currency, Threshold: r.Threshold, Target: above(r.Target), Amount: above(r.Amount),
		MethodID: r.MethodID, Cap: capItem{r.Cap.Period, above(r.Cap.Count), above(r.Cap.Amount)}, Enabled: r.Enabled,
		Failures: r.Failures, Reason: optional(r.Reason), Count: used.Count, Sum: used.Sum,
		CreatedAt: collect.Time(r.CreatedAt), UpdatedAt: collect.Time(r.UpdatedAt),
	}
	if r.InFlight != "" {
		item.InFlight = optional(collect.PaymentIDPrefix + r.InFlight[len(collect.InvoiceIDPrefix):])
	}
	if !r.WaitTill.IsZero() {
		at := collect.Time(r.WaitTill)
		item.NextTry = &at
	}
	if !used.Since.IsZero() {
		at := collect.Time(used.Since)
		item.Since = &at
	}
	return item
}

// handleAutoTopUp returns the rule of a wallet.
func (s *Server) handleAutoTopUp(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, currency, err := c.walletID()
	if err != nil {
		return err
	}
	rule, err := s.collector.AutoTopUp(c.r.Context(), c.tenant(), id, currency)
	if err != nil {
		return err
	}
	return c.replyJSON(autoTopUpOf(rule))
}

// handleAutoTopUpSet gives a wallet a rule. Whoever sends it twice changes nothing, so an
// idempotency key is looked at and not needed.
func (s *Server) handleAutoTopUpSet(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	terms, err := c.decodeAutoTopUp()
	if err != nil {
		return err
	}
	var key string
	if _, err := c.takeKey(&key); err != nil {
		return err
	}
	id, currency, err := c.walletID()
	if err != nil {
		return err
	}
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	if !c.settings.Enabled(currency) {
		return ledger.Errorf(ledger.CodeUnsupportedCurrency, "%s is not enabled for this business; enable it in the business settings", currency)
	}
	asked, param := terms.Amount, "amount"
	if terms.Target > 0 {
		asked, param = terms.Target-terms.Threshold+1, "target"
	}
	if err := c.checkTopUp(asked, currency, param); err != nil {
		return err
	}
	if err := s.autoMethod(c, &customer, &terms); err != nil {
		return err
	}
	rule, err := s.collector.SetAutoTopUp(c.r.Context(), c.tenant(), id, currency, terms)
	if err != nil {
		return err
	}
	return c.replyJSON(autoTopUpOf(rule))
}

// autoMethod looks the payment method up that a rule names. It has to be one that may be
// charged while the customer is away.
func (s *Server) autoMethod(c *call, customer *ledger.Customer, terms *collect.AutoTopUpTerms) error {
	method, err := s.topUpMethod(c, customer, terms.MethodID)
	if err != nil {
		return err
	}
	terms.MethodID, terms.Method, terms.Card = method.ID, method.Token, method.Card
	if method.ID == method.Token { // one of the sandbox, which every customer has
		return nil
	}
	kept, err := s.collector.Method(c.r.Context(), c.tenant(), customer.ID, method.ID)
	if err != nil {
		return err
	}
	if !kept.Recurring {
		return badParameter("payment_method_id", "payment method %s may not be charged while the customer is away", method.ID)
	}
	terms.Kept = true
	return nil
}

func (c *call) decodeAutoTopUp() (terms collect.AutoTopUpTerms, err error) {
	f, err := c.fields(autoTopUpFields, autoRequired)
	if err == nil {
		err = f.checkKinds(autoTopUpKinds[:])
	}
	if err != nil {
		return terms, err
	}
	if terms.Threshold, err = f.positive(autoThreshold); err != nil {
		return terms, err
	}
	switch {
	case f.given(autoTarget) == f.given(autoAmount):
		return terms, badParameter("target", "a rule has either target or amount")
	case f.given(autoTarget):
		terms.Target, err = f.positive(autoTarget)
		if err == nil && terms.Target <= terms.Threshold {
			err = badParameter("target", "target must be above threshold")
		}
	default:
		terms.Amount, err = f.positive(autoAmount)
	}
	if err != nil {
		return terms, err
	}
	if terms.Cap, err = f.cap(autoCap); err != nil {
		return terms, err
	}
	terms.MethodID, _, _ = f.text(autoMethod)
	if terms.MethodID == "" {
		return terms, badParameter("payment_method_id", "payment_method_id must name a payment method")
	}
	enabled, given, err := f.boolean(autoEnabled)
	terms.Enabled, terms.SetBy = enabled || !given, c.key.ID
	return terms, err
}

// positive reads an amount of 1 to what an entry can be.
func (f *fields) positive(index int) (money.Amount, error) {
	name := f.names[index]
	if f.values[index].Kind() != strictjson.Number {
		return 0, f.wrongKind(index, strictjson.Number)
	}
	number, ok := integer(f.values[index])
	if !ok || number < 1 || number > int64(money.EntryMax) {
		return 0, badParameter(name, "%s must be a whole number from 1 to %d minor units", name, money.EntryMax)
	}
	return money.Amount(number), nil
}

// cap reads the most that is topped up by itself in a period.
func (f *fields) cap(index int) (limit collect.Cap, err error) {
	g, err := fieldsOf(f.values[index], capFields, 1)
	if err != nil {
		return limit, err
	}
	period, _, err := g.text(0)
	if err != nil {
		return limit, err
	}
	if limit.Period = collect.Period(period); !limit.Period.Valid() {
		return limit, badParameter("period", "period must be day, week or month")
	}
	if g.given(1) {
		if g.values[1].Kind() != strictjson.Number {
			return limit, g.wrongKind(1, strictjson.Number)
		}
		count, ok := integer(g.values[1])
		if limit.Count = count; !ok || count < 1 || count > autoCountMax {
			return limit, badParameter("count", "count must be a whole number from 1 to %d", autoCountMax)
		}
	}
	if g.given(2) {
		if limit.Amount, err = g.positive(2); err != nil {
			return limit, err
		}
	}
	if limit.Count == 0 && limit.Amount == 0 {
		return limit, badParameter("cap", "cap must say count, amount or both")
	}
	return limit, nil
}

// handleAutoTopUpDrop takes the rule of a wallet away.
func (s *Server) handleAutoTopUpDrop(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, currency, err := c.walletID()
	if err != nil {
		return err
	}
	if err := s.collector.RemoveAutoTopUp(c.r.Context(), c.tenant(), id, currency); err != nil {
		return err
	}
	c.w.Header()["Cache-Control"] = headerNoStore
	c.status = http.StatusNoContent
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
