package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// portalBalance is a wallet as its customer sees it.
type portalBalance struct {
	Currency  string
	Available string
	Balance   string // of all that is there; this and what follows is empty where it says nothing more
	Held      string
	Owed      string

	Paid, Promotional string // shown where there is promotional money

	Expiring   string // what expires next
	ExpiringAt pageTime

	TopUp string // the page on which it is topped up
}

// portalEntry is a line of a wallet's history.
type portalEntry struct {
	At          pageTime
	Text        string
	Kind        string // what it is, where Text is a reason that somebody gave
	Promotional bool
	Expires     *pageTime
	Amount      string
	Plus        bool
	After       string
}

// overviewView is the first page.
type overviewView struct {
	Balances      []portalBalance
	Entries       []portalEntry
	History       string
	Subscriptions []portalSubscription
	Manage        string
}

// overviewEntries is how many entries the first page shows.
const overviewEntries = 6

// handlePortal shows a customer their wallets, and what moved last.
func (s *Server) handlePortal(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	ctx, store, tenant, id := c.r.Context(), s.book.Store(), c.tenant(), c.session.customerID
	now := s.book.Now()
	list, err := store.Wallets(ctx, tenant, id, now)
	if err != nil {
		return err
	}
	path := s.basePath() + portalPath
	view := overviewView{History: path + "/history", Manage: path + "/subscriptions"}
	cards := s.collector.TakesCards(tenant, id)
	for _, wallet := range s.portalWallets(c, list) {
		balance, err := s.portalBalance(ctx, &wallet, list.Chain.At(now))
		if err != nil {
			return err
		}
		if cards && c.settings.Enabled(wallet.Currency) {
			balance.TopUp = path + "/top-up?currency=" + balance.Currency
		}
		view.Balances = append(view.Balances, balance)
	}
	entries, err := store.Entries(ctx, tenant, id, ledger.EntryFilter{}, ledger.Page{Limit: overviewEntries})
	if err != nil {
		return err
	}
	for i := range entries.Entries {
		view.Entries = append(view.Entries, portalEntryOf(&entries.Entries[i]))
	}
	filter := ledger.ObjectFilter{Kind: collect.Subscriptions, CustomerID: id}
	page := ledger.ObjectPage{Limit: portalRows}
	found, _, err := findObjects(ctx, store, tenant, filter, page, collect.SubscriptionOf, nil)
	if err != nil {
		return err
	}
	for _, of := range found {
		if !of.Status.Final() {
			view.Subscriptions = append(view.Subscriptions, portalSubscriptionOf(of))
		}
	}
	return s.showPage(c, http.StatusOK, "", "", &list.Customer, view)
}

// portalWallets are a customer's wallets, those first that moved last.
func (s *Server) portalWallets(c *call, list ledger.WalletList) []ledger.Wallet {
	wallets := withEmptyWallets(list, c.settings.Currencies)
	slices.SortStableFunc(wallets, func(a, b ledger.Wallet) int { return b.UpdatedAt.Compare(a.UpdatedAt) })
	return wallets
}

// lotsShown bounds how many open lots are added up for a page.
const lotsShown = 1000

// portalBalance is a wallet at a time, with what of it is promotional and what expires
// next. A wallet of very many lots is shown without.
func (s *Server) portalBalance(ctx context.Context, w *ledger.Wallet, now time.Time) (b portalBalance, err error) {
	available := w.Available(now)
	b = portalBalance{Currency: string(w.Currency), Available: shown(available, w.Currency)}
	if w.Held > 0 {
		b.Held, b.Balance = shown(w.Held, w.Currency), shown(available+w.Held, w.Currency)
	}
	if w.Debt > 0 {
		b.Owed = shown(w.Debt, w.Currency)
	}
	if w.Seq == 0 {
		return b, nil
	}
	var paid, promotional, expiring money.Amount
	var at time.Time
	page := ledger.LotPage{Limit: 200, At: now}
	for looked := 0; ; {
		list, err := s.book.Store().Lots(ctx, w.Tenant, w.CustomerID, w.Currency, page)
		if err != nil {
			return b, err
		}
		for _, lot := range list.Lots {
			if lot.ExpiredAt(now) {
				continue
			}
			if lot.Category == ledger.Promotional {
				promotional += lot.Remaining
			} else {
				paid += lot.Remaining
			}
			if at.IsZero() {
				at = lot.ExpiresAt // those that expire come first, the soonest at the head
			}
			if !lot.ExpiresAt.IsZero() && dayOf(lot.ExpiresAt).Text == dayOf(at).Text {
				expiring += lot.Remaining
			}
		}
		if looked += len(list.Lots); list.Next == 0 {
			break
		}
		if page.After = list.Next; looked >= lotsShown {
			return b, nil
		}
	}
	if promotional > 0 {
		b.Paid, b.Promotional = shown(paid, w.Currency), shown(promotional, w.Currency)
	}
	if expiring > 0 {
		b.Expiring, b.ExpiringAt = shown(expiring, w.Currency), dayOf(at)
	}
	return b, nil
}

// entryNames are what entries are called where nobody has given a reason.
var entryNames = map[ledger.EventType][2]string{ // of a debit, of a credit
	ledger.EventPayment:            {"Payment", "Top-up"},
	ledger.EventPaymentReversal:    {"Top-up returned", "Refund"},
	ledger.EventRefund:             {"Refund", "Refund"},
	ledger.EventRefundReversal:     {"Refund undone", "Refund undone"},
	ledger.EventDispute:            {"Dispute", "Dispute"},
	ledger.EventDisputeReversal:    {"Dispute resolved", "Dispute resolved"},
	ledger.EventMerchantAdjustment: {"Charge", "Credit"},
}

// accountNames are what entries against some accounts are called instead.
var accountNames = map[ledger.Account]string{
	ledger.AccountBreakage: "Expired", ledger.AccountTransfers: "Transfer", ledger.AccountExpiryMoves: "Expiry moved",
	ledger.AccountDebt: "Settled what was owed",
}

// portalEntryOf is an entry as its customer sees it: with the reason that the business
// gave, and without what it keeps for itself.
func portalEntryOf(e *ledger.Entry) portalEntry {
	plus := e.Direction == ledger.Credit
	names := entryNames[e.EventType]
	kind := names[0]
	if plus {
		kind = names[1]
	}
	if name := accountNames[e.Account]; name != "" {
		kind = name
	}
	line := portalEntry{
		At: minuteOf(e.CreatedAt), Text: e.Reason, Kind: kind, Promotional: e.Category == ledger.Promotional, Plus: plus,
		Amount: "−" + shown(e.Amount, e.Currency), After: shown(e.After, e.Currency),
	}
	if plus {
		line.Amount = "+" + shown(e.Amount, e.Currency)
	}
	if line.Text == "" {
		line.Text, line.Kind = kind, ""
	}
	if !e.ExpiresAt.IsZero() {
		at := dayOf(e.ExpiresAt)
		line.Expires = &at
	}
	return line
}

// portalTab leads to the page of another currency.
type portalTab struct {
	Name, Path string
	Current    bool
}

func portalTabs(path string, currencies []money.Currency, current money.Currency) (tabs []portalTab) {
	for _, currency := range currencies {
		tabs = append(tabs, portalTab{string(currency), path + "?currency=" + string(currency), currency == current})
	}
	return tabs
}

// historyView is the page of a wallet's history.
type historyView struct {
	Tabs     []portalTab
	Currency string
	Entries  []portalEntry
	Older    string // the next page, empty for none
	Newest   string // the first page, empty on it

	Statement string // where a statement is written
	From, To  string // the first day and the last
}

const paramBefore = "before"

var historyParams = []string{paramCurrency, paramBefore}

// historyRows is how many entries a page of history shows, and portalRows how many
// objects a page of them.
const (
	historyRows = 30
	portalRows  = 20
)

// handlePortalHistory shows what a wallet moved, newest first.
func (s *Server) handlePortalHistory(c *call) error {
	q, err := c.query(historyParams...)
	if err != nil {
		return err
	}
	before, err := q.integer(paramBefore, 1<<62)
	if err != nil {
		return err
	}
	return s.showHistory(c, http.StatusOK, "", money.Currency(q.get(paramCurrency)), before)
}

func (s *Server) showHistory(c *call, status int, notice string, currency money.Currency, before int64) error {
	ctx, store, id := c.r.Context(), s.book.Store(), c.session.customerID
	now := s.book.Now()
	list, err := store.Wallets(ctx, c.tenant(), id, now)
	if err != nil {
		return err
	}
	var currencies []money.Currency
	for _, wallet := range s.portalWallets(c, list) {
		currencies = append(currencies, wallet.Currency)
	}
	if currency == "" && len(currencies) > 0 {
		currency = currencies[0]
	}
	if !slices.Contains(currencies, currency) {
		return errNotFound
	}
	path := s.basePath() + portalPath + "/history"
	today := list.Chain.At(now).UTC()
	view := historyView{
		Tabs: portalTabs(path, currencies, currency), Currency: string(currency), Statement: s.basePath() + portalPath + "/statement",
		From: time.Date(today.Year(), today.Month(), 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), To: today.Format(time.DateOnly),
	}
	page := ledger.Page{Limit: historyRows, Before: before}
	entries, err := store.Entries(ctx, c.tenant(), id, ledger.EntryFilter{Currency: currency}, page)
	if err != nil {
		return err
	}
	for i := range entries.Entries {
		view.Entries = append(view.Entries, portalEntryOf(&entries.Entries[i]))
	}
	of := url.Values{paramCurrency: {string(currency)}}
	if before > 0 {
		view.Newest = path + "?" + of.Encode()
	}
	if entries.Next > 0 {
		of.Set(paramBefore, strconv.FormatInt(entries.Next, 10))
		view.Older = path + "?" + of.Encode()
	}
	return s.showPage(c, status, "history", notice, &list.Customer, view)
}

var portalStatementParams = []string{paramCurrency, paramFrom, paramTo, paramFormat}

// handlePortalStatement answers with the statement of a wallet as a file. Other than in
// the API, the last day is part of it.
func (s *Server) handlePortalStatement(c *call) error {
	q, err := c.query(portalStatementParams...)
	if err != nil {
		return err
	}
	currency, err := q.currency(paramCurrency)
	if err != nil {
		return err
	}
	format, err := q.statementFormat()
	if err != nil {
		return err
	}
	again := func(text string) error {
		return s.showHistory(c, http.StatusUnprocessableEntity, text, currency, 0)
	}
	from, fromErr := q.day(paramFrom)
	to, toErr := q.day(paramTo)
	to = to.AddDate(0, 0, 1)
	switch days := to.Sub(from) / (24 * time.Hour); {
	case fromErr != nil || toErr != nil || days < 1:
		return again("A statement needs a first day, and a last day that does not come before it.")
	case days > periodDaysMax:
		return again("A statement is for " + strconv.Itoa(periodDaysMax) + " days at the most.")
	}
	c.params[0], c.params[1] = c.session.customerID, string(currency)
	err = s.replyStatement(c, from, to, format)
	if ledger.CodeOf(err) == CodeInvalidQueryParams {
		return again("So much happened in that time that it does not fit into one " + strings.ToUpper(format.name) +
			" file. Choose fewer days.")
	}
	return err
}
