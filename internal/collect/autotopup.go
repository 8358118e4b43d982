package collect

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// AutoTopUps is the kind of object that the rule is by which a wallet is topped up.
const AutoTopUps ledger.ObjectKind = "auto_top_up"

// The events about automatic top-ups. That one is begun is told by its payment.
const (
	EventTopUpSucceeded ledger.EventKind = "top_up.succeeded"
	EventTopUpFailed    ledger.EventKind = "top_up.failed" // or could not be begun; also that the rule has disabled itself
)

// Why no top-up is begun although one is due, beside the codes of failed payments.
const (
	FailedCap           = "CAP_REACHED"
	FailedMethodRemoved = "PAYMENT_METHOD_REMOVED"
	FailedCancelled     = "CANCELLED" // it was made void, or what was charged went back

	// These last until the debt is paid, and until the dispute is over: the debt would take
	// one top-up after the other, and what a dispute holds, or has taken and may give back, is
	// no spending.
	FailedDebt    = "WALLET_IN_DEBT"
	FailedDispute = "DISPUTE_OPEN"
)

// The states of a rule. One that is active is looked at all the time.
const (
	autoActive   = "active"   // it is enabled, or a top-up of it is on its way
	autoDisabled = "disabled" // by somebody, or after too many failures
	autoRemoved  = "removed"
)

// backOffs are the waits after the first failure in a row, the second, and so on. After
// one more the rule disables itself, in the same commit.
var backOffs = [...]time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}

// Period is one in which a cap counts: a day, a week from Monday, or a month, of UTC.
type Period string

// The periods.
const (
	PerDay   Period = "day"
	PerWeek  Period = "week"
	PerMonth Period = "month"
)

// Valid reports whether there is such a period.
func (p Period) Valid() bool { return p == PerDay || p == PerWeek || p == PerMonth }

// around is the period that a time is in: when it began, and when the next begins.
func (p Period) around(t time.Time) (start, end time.Time) {
	year, month, day := t.UTC().Date()
	switch p {
	case PerMonth:
		start = time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	case PerWeek:
		sinceMonday := (int(t.UTC().Weekday()) + 6) % 7
		start = time.Date(year, month, day-sinceMonday, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 0, 7)
	}
	start = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return start, start.AddDate(0, 0, 1)
}

// Cap is the most that is topped up by itself in a period. 0: it has no such bound.
type Cap struct {
	Period Period       `json:"period"`
	Count  int64        `json:"count,omitempty"`
	Amount money.Amount `json:"amount,omitempty"`
}

// AutoTopUpTerms are what somebody wants of a rule.
type AutoTopUpTerms struct {
	Threshold money.Amount `json:"threshold"` // below which a top-up is begun

	// Target is what shall be available after the top-up, 0 where each is of Amount.
	Target money.Amount `json:"target,omitempty"`
	Amount money.Amount `json:"amount,omitempty"`

	Cap     Cap  `json:"cap"`
	Enabled bool `json:"enabled"`

	Method   string `json:"method"` // as the processor knows it
	MethodID string `json:"method_id"`
	Card     Card   `json:"card,omitzero"`
	Kept     bool   `json:"kept"` // it is one of the customer's, which can be removed

	SetBy string `json:"set_by"` // id of the API key, or of the customer who has switched it
}

// AutoTopUp is a rule by which a wallet is topped up when too little is available, as it
// is kept: what is wanted, and how far it is.
type AutoTopUp struct {
	Tenant     ledger.Tenant `json:"-"`
	CustomerID string        `json:"-"`
	CreatedAt  time.Time     `json:"-"`
	UpdatedAt  time.Time     `json:"-"`
	Clock      time.Time     `json:"-"` // see [ledger.Object]

	Currency money.Currency `json:"currency"`
	AutoTopUpTerms
	Removed bool `json:"removed,omitempty"`

	// InFlight is the invoice of the top-up that has not ended, empty for none. There is
	// at most one. Asked is its amount.
	InFlight string       `json:"in_flight,omitempty"`
	Asked    money.Amount `json:"asked,omitempty"`

	AskedAt time.Time `json:"asked_at,omitzero"`

	// Used is what was begun and has not failed, by each period that a cap may have: so one
	// that gets another period has what was used of it already.
	Used map[Period]Usage `json:"used,omitempty"`

	Failures int       `json:"failures,omitempty"` // in a row
	WaitTill time.Time `json:"wait_till,omitzero"` // before which nothing is begun
	Reason   string    `json:"reason,omitempty"`   // of the last failure, empty after a success
}

// Usage is what was begun in a period that began at Since.
type Usage struct {
	Since time.Time    `json:"since"`
	Count int64        `json:"count"`
	Sum   money.Amount `json:"sum"`
}

// used is what was begun in the period that a time is in.
func (r *AutoTopUp) used(period Period, now time.Time) Usage {
	since, _ := period.around(now)
	if usage := r.Used[period]; usage.Since.Equal(since) {
		return usage
	}
	return Usage{Since: since}
}

// count adds to what was begun in each period that a time is in. What has failed in one
// that is over is not looked at any more.
func (r *AutoTopUp) count(count int64, sum money.Amount, at time.Time) {
	used := map[Period]Usage{}
	for _, period := range []Period{PerDay, PerWeek, PerMonth} {
		usage := r.used(period, at)
		if last := r.Used[period]; last.Since.After(usage.Since) {
			usage = last
		} else {
			usage.Count, usage.Sum = usage.Count+count, usage.Sum+sum
		}
		used[period] = usage
	}
	r.Used = used
}

func autoTopUpKey(customerID string, currency money.Currency) ledger.ObjectKey {
	return ledger.ObjectKey{Kind: AutoTopUps, ID: "atu_" + customerID + "_" + string(currency)}
}

func (r *AutoTopUp) key() ledger.ObjectKey { return autoTopUpKey(r.CustomerID, r.Currency) }

func autoTopUpOf(object *ledger.Object) (*AutoTopUp, error) {
	rule := &AutoTopUp{
		Tenant: object.Tenant, CustomerID: object.CustomerID, CreatedAt: object.CreatedAt, UpdatedAt: object.UpdatedAt,
		Clock: object.Clock,
	}
	if err := json.Unmarshal([]byte(object.Data), rule); err != nil {
		return nil, fmt.Errorf("auto_top_up %s does not decode: %w", object.ID, err)
	}
	return rule, nil
}

func (r *AutoTopUp) object() (ledger.Object, error) {
	data, err := encode(r)
	object := ledger.Object{ObjectKey: r.key(), State: autoDisabled, Data: string(data)}
	switch {
	case r.InFlight != "" || r.Enabled && !r.Removed:
		object.State = autoActive
	case r.Removed:
		object.State = autoRemoved
	}
	return object, err
}

// set has the rule follow other terms. What is on its way and what was counted stays, so
// that terms which are set again and again neither begin two nor pass a cap. Failures
// before are forgotten: whoever sets the terms has seen to them.
func (r *AutoTopUp) set(terms AutoTopUpTerms) {
	r.AutoTopUpTerms, r.Removed = terms, false
	r.Failures, r.WaitTill, r.Reason = 0, time.Time{}, ""
}

// wants reports whether a top-up is due with so much available, caps and failures aside.
func (r *AutoTopUp) wants(available money.Amount, now time.Time) bool {
	return r.Enabled && !r.Removed && r.InFlight == "" && !now.Before(r.WaitTill) && available < r.Threshold
}

// barred is why no top-up of a wallet is begun however little is available, empty for
// nothing; disputed says that a dispute of the customer holds money.
func barred(wallet *ledger.Wallet, disputed bool) string {
	switch {
	case wallet.Debt > 0:
		return FailedDebt
	case disputed:
		return FailedDispute
	}
	return ""
}

// isBarred reports whether the rule says that no top-up is begun.
func (r *AutoTopUp) isBarred() bool { return r.Reason == FailedDebt || r.Reason == FailedDispute }

// changes reports whether there is something to do where a top-up is due or not, and
// barred by something or nothing. That it is barred is told once.
func (r *AutoTopUp) changes(wants bool, by string) bool {
	if by != "" {
		return wants && r.Reason != by
	}
	return wants || r.isBarred()
}

// asks is how much a top-up is of with so much available, within the limits of one.
func (r *AutoTopUp) asks(available, least, most money.Amount) money.Amount {
	amount := r.Amount
	if r.Target > 0 {
		amount = r.Target - available
	}
	return min(max(amount, least), most)
}

// capped counts a top-up of an amount that is begun now, and reports whether the cap does
// not let it pass; until is when it would then.
func (r *AutoTopUp) capped(amount money.Amount, now time.Time) (until time.Time, capped bool) {
	_, until = r.Cap.Period.around(now)
	used := r.used(r.Cap.Period, now)
	if r.Cap.Count > 0 && used.Count >= r.Cap.Count || r.Cap.Amount > 0 && amount > r.Cap.Amount-used.Sum {
		return until, true
	}
	r.count(1, amount, now)
	return until, false
}

// ended takes that the top-up which was on its way has ended, and says what is told of it.
func (r *AutoTopUp) ended(invoice *Invoice, now time.Time) ledger.EventKind {
	asked, at := r.Asked, r.AskedAt
	r.InFlight, r.Asked, r.AskedAt = "", 0, time.Time{}
	if invoice.Collection.State == billing.Paid {
		r.Failures, r.WaitTill, r.Reason = 0, time.Time{}, ""
		return EventTopUpSucceeded
	}
	r.count(-1, -asked, at)
	reason := FailedCancelled
	if code, _ := invoice.failure(); code != nil {
		reason = *code
	}
	attempts := invoice.Collection.Attempts
	hard := len(attempts) > 0 && attempts[len(attempts)-1].Hard
	r.fail(reason, hard, now)
	return EventTopUpFailed
}

// fail waits after a failure, longer each time; for good where the payment method is not
// to be tried again.
func (r *AutoTopUp) fail(reason string, forGood bool, now time.Time) {
	r.Reason = reason
	if r.Failures++; forGood || r.Failures > len(backOffs) {
		r.Enabled, r.WaitTill = false, time.Time{}
		return
	}
	r.WaitTill = now.Add(backOffs[r.Failures-1])
}

// autoTold is what is told of a rule.
type autoTold struct {
	PayloadType string `json:"payload_type"`
	BusinessID  string `json:"business_id"`
	CustomerID  string `json:"customer_id"`
	Currency    string `json:"currency"`
	Automatic   bool   `json:"automatic"`

	PaymentID *string      `json:"payment_id"` // null: none was begun
	Amount    money.Amount `json:"amount"`     // of it, or that it would have had
	Reason    *string      `json:"reason"`     // of the failure
	Failures  int          `json:"failures"`   // in a row
	WaitTill  *Time        `json:"next_try_at"`
	Enabled   bool         `json:"enabled"` // false: the rule has disabled itself, or was
}

// told is the data of an event about the rule.
func (r *AutoTopUp) told(invoice *Invoice, amount money.Amount) (string, error) {
	payload := autoTold{
		PayloadType: "TopUp", BusinessID: r.Tenant.BusinessID, CustomerID: r.CustomerID, Currency: string(r.Currency),
		Automatic: true, Amount: amount, Reason: text(r.Reason), Failures: r.Failures, Enabled: r.Enabled,
	}
	if invoice != nil {
		payload.PaymentID = text(invoice.PaymentID())
	}
	if !r.WaitTill.IsZero() {
		till := Time(r.WaitTill)
		payload.WaitTill = &till
	}
	data, err := encode(payload)
	return string(data), err
}

// autoDecision is what one decision about a rule looks at.
type autoDecision struct {
	seen     *AutoTopUp // as it was read; what counts is what it is in the decision
	settings *access.Settings
	fresh    string // id for the invoice of a top-up that is begun
	scope    ledger.Scope
	moment   ledger.Moment

	// Disputed says that a dispute of the customer held money, and held is how much of the
	// wallet was held before that was read. What is held beyond it may be for another.
	disputed bool
	held     money.Amount
}

// decide is pure: it takes the end of what is on its way, or begins a top-up. It is decided
// under the customer's lock by what is available then, so that two workers never begin two.
func (d *autoDecision) decide(s ledger.Snapshot) (ledger.Change, error) {
	none := ledger.Change{Wallet: s.Wallet, Replayed: true}
	object := s.Object(d.seen.key())
	if object == nil {
		return none, nil
	}
	rule, err := autoTopUpOf(object)
	if err != nil || rule.InFlight != d.seen.InFlight || rule.MethodID != d.seen.MethodID {
		return none, err // it has moved on, and is looked at again
	}
	now := s.Chain.At(d.moment.Now)
	if rule.InFlight != "" {
		return d.settle(&s, rule, now)
	}
	available, by := s.Wallet.Available(now), barred(&s.Wallet, d.disputed)
	wants := rule.wants(available, now)
	if !rule.changes(wants, by) || !d.settings.Enabled(rule.Currency) || s.Wallet.Held > d.held {
		return none, nil
	}
	if by == "" && !wants {
		rule.Reason = ""
		return d.put(&s, ledger.Change{Wallet: s.Wallet}, rule, "", nil, 0)
	}
	least, most := TopUpRange(d.settings, rule.Tenant.Mode, rule.Currency)
	amount := rule.asks(available, least, most)
	if by != "" {
		rule.Reason = by
		return d.put(&s, ledger.Change{Wallet: s.Wallet}, rule, EventTopUpFailed, nil, amount)
	}
	invoice := TopUpInvoice(d.settings, rule.Tenant, rule.CustomerID, rule.Currency, amount)
	if invoice.fits(&s, now) != nil {
		return none, nil // frozen, or full: it is begun when it can be credited
	}
	return d.begin(&s, rule, invoice, now)
}

// settle takes the end of a top-up that was on its way.
func (d *autoDecision) settle(s *ledger.Snapshot, rule *AutoTopUp, now time.Time) (ledger.Change, error) {
	none := ledger.Change{Wallet: s.Wallet, Replayed: true}
	object := s.Object(ledger.ObjectKey{Kind: Invoices, ID: rule.InFlight})
	if object == nil {
		return none, ledger.Errorf(ledger.CodeInternal, "invoice %s of an automatic top-up is not there", rule.InFlight)
	}
	invoice, err := decode(object)
	if err != nil || !invoice.Collection.State.Final() {
		return none, err
	}
	kind := rule.ended(invoice, now)
	return d.put(s, ledger.Change{Wallet: s.Wallet}, rule, kind, invoice, invoice.Collection.Total)
}

// begin begins a top-up, or says why it cannot.
func (d *autoDecision) begin(
	s *ledger.Snapshot, rule *AutoTopUp, invoice Invoice, now time.Time,
) (ledger.Change, error) {
	change, amount := ledger.Change{Wallet: s.Wallet}, invoice.Collection.Total
	method := s.Object(ledger.ObjectKey{Kind: Methods, ID: rule.MethodID})
	if rule.Kept && (method == nil || method.State == methodRemoved) {
		rule.fail(FailedMethodRemoved, true, now)
		return d.put(s, change, rule, EventTopUpFailed, nil, amount)
	}
	if until, capped := rule.capped(amount, now); capped {
		rule.Reason, rule.WaitTill = FailedCap, until
		return d.put(s, change, rule, EventTopUpFailed, nil, amount)
	}
	invoice.Collection.InvoiceID, invoice.TopUp.Automatic = d.fresh, true
	invoice.PayBy(Method{ID: rule.MethodID, Token: rule.Method, Card: rule.Card})
	object, err := invoice.object(now)
	if err == nil {
		err = change.Put(s, object, "", "", d.moment.Now)
	}
	if err != nil {
		return change, err
	}
	rule.InFlight, rule.Asked, rule.AskedAt, rule.WaitTill = d.fresh, amount, now, time.Time{}
	if rule.isBarred() {
		rule.Reason = ""
	}
	return d.put(s, change, rule, "", nil, 0)
}

// put adds to a change what the rule has become, and what is told of it.
func (d *autoDecision) put(
	s *ledger.Snapshot, change ledger.Change, rule *AutoTopUp, kind ledger.EventKind, invoice *Invoice,
	amount money.Amount,
) (ledger.Change, error) {
	object, err := rule.object()
	if err != nil {
		return change, err
	}
	data := ""
	if kind != "" {
		if data, err = rule.told(invoice, amount); err != nil {
			return change, err
		}
	}
	return change, change.Put(s, object, kind, data, d.moment.Now)
}
