package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// topUpView is the page on which a wallet is topped up.
type topUpView struct {
	Action    string
	Key       string
	Tabs      []portalTab
	Currency  string
	Available string

	Choices     []topUpChoice
	Asked       string // what was asked for and refused
	Least, Most string // Most is empty where there is no bound that a person would meet
	Cards       []portalCard

	Auto *autoView // nil where there is no rule
}

// topUpChoice is an amount to choose.
type topUpChoice struct {
	Value, Text string
	Chosen      bool
}

// autoView is the rule by which a wallet is topped up by itself.
type autoView struct {
	Action    string
	Key       string
	Enabled   bool
	Threshold string
	Amount    string // what each top-up is of, or
	Target    string // to what it fills
	Card      string
	Cap       string
	Waits     *pageTime
	Failed    bool
}

// topUpSteps are amounts that people choose, in major units.
var topUpSteps = []money.Amount{10, 25, 50, 100}

// topUpScale is by how much more those are of a currency whose unit is worth little.
func topUpScale(currency money.Currency) money.Amount {
	scale := money.Amount(1)
	switch {
	case currency == "INR":
		scale = 20
	case currency.Exponent() == 0:
		scale = 100
	}
	for range currency.Exponent() {
		scale *= 10
	}
	return scale
}

// topUpCurrencies are those in which the customer can top up.
func (c *call) topUpCurrencies() []money.Currency {
	currencies := slices.Clone(c.settings.Currencies)
	slices.Sort(currencies)
	return slices.Compact(currencies)
}

const topUpAction = "top-up"

var portalTopUpParams = []string{paramCurrency}

// handlePortalTopUp shows the page on which a wallet is topped up.
func (s *Server) handlePortalTopUp(c *call) error {
	q, err := c.query(portalTopUpParams...)
	if err != nil {
		return err
	}
	return s.showTopUp(c, http.StatusOK, "", money.Currency(q.get(paramCurrency)), "")
}

// topUpAgain shows the page after its form was refused, with what was asked for.
func (s *Server) topUpAgain(c *call, status int, notice string) error {
	return s.showTopUp(c, status, notice, money.Currency(c.r.PostForm.Get(paramCurrency)), clip(c.r.PostForm.Get("other")))
}

func (s *Server) showTopUp(c *call, status int, notice string, currency money.Currency, asked string) error {
	ctx, id := c.r.Context(), c.session.customerID
	now := s.book.Now()
	list, err := s.book.Store().Wallets(ctx, c.tenant(), id, now)
	if err != nil {
		return err
	}
	currencies := c.topUpCurrencies()
	if !s.collector.TakesCards(c.tenant(), id) || len(currencies) == 0 {
		return errNotFound
	}
	if currency == "" {
		currency = currencies[0]
		for _, wallet := range s.portalWallets(c, list) {
			if slices.Contains(currencies, wallet.Currency) {
				currency = wallet.Currency
				break
			}
		}
	}
	if !slices.Contains(currencies, currency) {
		return errNotFound
	}
	path := s.basePath() + portalPath + "/top-up"
	view := topUpView{
		Action: path, Key: s.formKey(c, topUpAction), Currency: string(currency), Asked: asked,
		Tabs: portalTabs(path, currencies, currency),
	}
	for _, wallet := range withEmptyWallets(list, currencies) {
		if wallet.Currency == currency {
			view.Available = shown(wallet.Available(list.Chain.At(now)), currency)
		}
	}
	least, most := collect.TopUpRange(c.settings, c.tenant().Mode, currency)
	if view.Least = shown(least, currency); most < money.EntryMax {
		view.Most = shown(most, currency)
	}
	for _, step := range topUpSteps {
		amount := step * topUpScale(currency)
		if least <= amount && amount <= most {
			view.Choices = append(view.Choices, topUpChoice{
				money.FormatDecimal(amount, currency), shown(amount, currency), len(view.Choices) == 0 && asked == "",
			})
		}
	}
	if view.Cards, err = s.portalCards(c); err != nil {
		return err
	}
	view.Cards = slices.DeleteFunc(view.Cards, func(card portalCard) bool { return !card.Fits })
	if view.Auto, err = s.autoView(c, currency); err != nil {
		return err
	}
	return s.showPage(c, status, "top-up", notice, &list.Customer, view)
}

// autoView is the rule of a wallet, nil for none.
func (s *Server) autoView(c *call, currency money.Currency) (*autoView, error) {
	rule, err := s.collector.AutoTopUp(c.r.Context(), c.tenant(), c.session.customerID, currency)
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	view := &autoView{
		Action: s.basePath() + portalPath + "/auto-top-up", Key: s.formKey(c, autoAction), Enabled: rule.Enabled,
		Threshold: shown(rule.Threshold, currency), Failed: rule.Failures > 0,
	}
	if rule.Target > 0 {
		view.Target = shown(rule.Target, currency)
	} else {
		view.Amount = shown(rule.Amount, currency)
	}
	if rule.Card.LastFour != "" {
		view.Card = "the card ending in " + rule.Card.LastFour
	}
	switch limit := rule.Cap; {
	case limit.Count > 0 && limit.Amount > 0:
		view.Cap = fmt.Sprintf("%d times and %s a %s", limit.Count, shown(limit.Amount, currency), limit.Period)
	case limit.Count == 1:
		view.Cap = fmt.Sprintf("once a %s", limit.Period)
	case limit.Count > 0:
		view.Cap = fmt.Sprintf("%d times a %s", limit.Count, limit.Period)
	default:
		view.Cap = fmt.Sprintf("%s a %s", shown(limit.Amount, currency), limit.Period)
	}
	if rule.Enabled && !rule.WaitTill.IsZero() && rule.WaitTill.After(s.book.Now()) {
		at := minuteOf(rule.WaitTill)
		view.Waits = &at
	}
	return view, nil
}

// topUpWish reads how much a customer wants to top up by. It takes what people write, and
// nothing that it would have to guess.
func (c *call) topUpWish(form *portalForm) (amount money.Amount, currency money.Currency, err error) {
	currency = money.Currency(form.get(paramCurrency))
	if !currency.Valid() || !c.settings.Enabled(currency) {
		return 0, "", errNotFound
	}
	text := form.get("amount")
	if text == "other" || text == "" {
		text = form.get("other")
	}
	amount, err = money.ParseDecimal(strings.TrimSpace(text), currency)
	if err != nil {
		example := money.FormatDecimal(topUpSteps[1]*topUpScale(currency), currency)
		return 0, "", &noticeError{"Write the amount in digits, such as " + example + "."}
	}
	least, most := collect.TopUpRange(c.settings, c.tenant().Mode, currency)
	if amount < least {
		return 0, "", &noticeError{"A top-up is of " + shown(least, currency) + " at least."}
	}
	if amount > most {
		return 0, "", &noticeError{"A top-up is of " + shown(most, currency) + " at the most."}
	}
	return amount, currency, nil
}

// topUpInPortal makes a top-up and leads to the page on which it is paid, or on which it
// says that it was. The same form makes one top-up, however often it is sent.
func (s *Server) topUpInPortal(c *call, form *portalForm) error {
	ctx, id := c.r.Context(), c.session.customerID
	if !s.collector.TakesCards(c.tenant(), id) {
		return errNotFound
	}
	amount, currency, err := c.topUpWish(form)
	if err != nil {
		return err
	}
	request := topUpRequest{Amount: amount, Currency: currency, Method: form.get("card"), Link: true}
	kept := collect.Request{Route: c.route.label + " " + id, Key: form.id, Fingerprint: request.fingerprint()}
	found, at, err := collect.FindRequest(ctx, s.book.Store(), c.tenant(), kept.Route, kept.Key)
	if err != nil {
		return err
	}
	if found != nil {
		if found.Fingerprint != kept.Fingerprint {
			return ledger.KeyReused(at)
		}
		return s.leadToPay(c, found.Made)
	}
	invoice := collect.TopUpInvoice(c.settings, c.tenant(), id, currency, amount)
	invoice.Collection.InvoiceID = s.book.NewID(collect.InvoiceIDPrefix)
	if back := s.publicURL + portalPath; collect.ReturnURL(back) == nil {
		invoice.ReturnURL = back
	}
	if request.Method != "" {
		method, err := s.cardOf(c, request.Method)
		if err != nil {
			return err
		}
		invoice.PayBy(method)
	}
	made, err := s.collector.OpenTopUp(ctx, invoice, &kept)
	if err != nil {
		return err
	}
	return s.leadToPay(c, made)
}

// leadToPay has an invoice go on as far as it goes now, and leads to its page.
func (s *Server) leadToPay(c *call, invoiceID string) error {
	s.goOn(c.r.Context(), c.tenant(), invoiceID)
	s.leadTo(c, s.links.URL(s.links.Invoice(c.tenant(), invoiceID)))
	return nil
}

const autoAction = "auto-top-up"

// switchAuto switches the rule of a wallet off, or on again. A customer decides whether
// their card is charged while they are away; how much, the business and they have agreed.
func (s *Server) switchAuto(c *call, form *portalForm) error {
	currency := money.Currency(form.get(paramCurrency))
	do := form.get("do")
	if !currency.Valid() {
		return errNotFound
	}
	if do != "on" && do != "off" {
		return errFormKind
	}
	id := c.session.customerID
	rule, err := s.collector.AutoTopUp(c.r.Context(), c.tenant(), id, currency)
	if err != nil {
		return err
	}
	if do == "on" && rule.Kept {
		method, err := s.collector.Method(c.r.Context(), c.tenant(), id, rule.MethodID)
		if err != nil {
			return err
		}
		if method.Removed {
			return &noticeError{"The card that was charged for it is not saved any more."}
		}
	}
	if err := s.collector.SwitchAutoTopUp(c.r.Context(), c.tenant(), id, currency, do == "on", id); err != nil {
		return err
	}
	s.leadTo(c, s.basePath()+portalPath+"/top-up?currency="+string(currency))
	return nil
}
