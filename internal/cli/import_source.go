package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// sourceCustomer is a customer as another installation shows them.
type sourceCustomer struct {
	ID          string          `json:"customer_id"`
	Email       string          `json:"email"`
	Name        string          `json:"name"`
	PhoneNumber *string         `json:"phone_number"`
	Metadata    json.RawMessage `json:"metadata"`
	CreatedAt   time.Time       `json:"created_at"`
	BlockedAt   *time.Time      `json:"blocked_at"`
}

// sourceEntry is an entry as another installation shows it. What stands below the
// reference is not published and shown by Billfold only.
type sourceEntry struct {
	ID         string           `json:"id"`
	CustomerID string           `json:"customer_id"`
	Currency   money.Currency   `json:"currency"`
	Amount     money.Amount     `json:"amount"`
	IsCredit   bool             `json:"is_credit"`
	EventType  ledger.EventType `json:"event_type"`
	Before     money.Amount     `json:"before_balance"`
	After      money.Amount     `json:"after_balance"`
	CreatedAt  time.Time        `json:"created_at"`
	Reason     *string          `json:"reason"`
	Reference  *string          `json:"reference_object_id"`

	Key       *string         `json:"idempotency_key"`
	Metadata  json.RawMessage `json:"metadata"`
	Category  *string         `json:"category"`
	ExpiresAt *time.Time      `json:"expires_at"`
	Reverses  *string         `json:"reverses"`
	Account   string          `json:"counter_account"`
}

// sourceLedger is everything of a customer, read as one: the entries lead from
// nothing to the balances, one from the other.
type sourceLedger struct {
	customer ledger.Customer
	blocked  bool
	entries  []*ledger.Adoption // oldest first
	balances map[money.Currency]money.Amount
}

const (
	// movedTries is how often a customer's ledger is read while it moves.
	movedTries = 3

	// stalePages is how many pages of customers in a row may have nobody new. A
	// page has nobody new when as many were made since the one before was read.
	stalePages = 10

	// clockAhead is how far the clock of the other installation may go before ours.
	clockAhead = time.Hour
)

// doubt says why a customer cannot be taken over as they are shown.
type doubt struct{ what string }

func (d *doubt) Error() string { return d.what }

func doubtf(format string, args ...any) error { return &doubt{fmt.Sprintf(format, args...)} }

// source reads another installation through the published API, and depends on
// nothing else.
type source struct {
	client *apiClient
	tenant ledger.Tenant // that the customers shall belong to
	pauses []time.Duration
	parser httpapi.LineParser
	now    func() time.Time
}

func (s *source) get(ctx context.Context, path string, query url.Values, into any) error {
	return persist(ctx, s.pauses, func() error {
		_, err := s.client.call(ctx, request{method: http.MethodGet, path: path, query: query}, into)
		return err
	})
}

// pages reads a list by page numbers until a page is empty: a server may give
// fewer items than were asked for.
func pages[T any](ctx context.Context, s *source, path string, each func([]T) error) error {
	for number := 0; ; number++ {
		var page struct {
			Items []T `json:"items"`
		}
		query := url.Values{"page_size": {strconv.Itoa(pageSize)}, "page_number": {strconv.Itoa(number)}}
		if err := s.get(ctx, path, query, &page); err != nil {
			return err
		}
		if len(page.Items) == 0 {
			return nil
		}
		if err := each(page.Items); err != nil {
			return err
		}
	}
}

// customers calls do with each customer once, however the list shifts. Those who
// are made meanwhile may be missing.
func (s *source) customers(ctx context.Context, do func(*sourceCustomer) error) error {
	seen := map[string]bool{}
	stale := 0
	return pages(ctx, s, "/customers", func(page []sourceCustomer) error {
		stale++
		for i := range page {
			if id := page[i].ID; !seen[id] {
				seen[id], stale = true, 0
				if err := do(&page[i]); err != nil {
					return err
				}
			}
		}
		if stale == stalePages {
			return errors.New("the source gives the same customers on every page; it does not page by page_number")
		}
		return nil
	})
}

// ledger reads everything of a customer, again while it moves. The error is a
// [*doubt] when it does not add up in the end.
func (s *source) ledger(ctx context.Context, c *sourceCustomer) (*sourceLedger, error) {
	for try := 1; ; try++ {
		read, err := s.ledgerOnce(ctx, c)
		var unsure *doubt
		if !errors.As(err, &unsure) || try == movedTries {
			return read, err
		}
	}
}

func (s *source) ledgerOnce(ctx context.Context, c *sourceCustomer) (*sourceLedger, error) {
	read := &sourceLedger{blocked: c.BlockedAt != nil, balances: map[money.Currency]money.Amount{}}
	var err error
	if read.customer, err = s.profile(c); err != nil {
		return nil, err
	}
	var entries []sourceEntry
	seen := map[string]bool{}
	err = pages(ctx, s, customerPath(c.ID, "/wallets/ledger-entries"), func(page []sourceEntry) error {
		for i := range page {
			if seen[page[i].ID] {
				return doubtf("entry %s is on two pages: the ledger moves, or is not paged by page_number", page[i].ID)
			}
			seen[page[i].ID] = true
		}
		entries = append(entries, page...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(entries) // they are listed newest first
	for i := range entries {
		adoption, err := s.entry(c.ID, int64(i)+1, &entries[i])
		if err != nil {
			return nil, err
		}
		if err := read.follow(adoption); err != nil {
			return nil, err
		}
	}
	return read, s.compareBalances(ctx, read)
}

// follow adds an entry if it follows from those before.
func (l *sourceLedger) follow(a *ledger.Adoption) error {
	if had := l.balances[a.Request.Currency]; a.Before != had {
		return doubtf("entry %s begins with %d %s, and the ones before lead to %d: some are missing, or it moves",
			a.ID, a.Before, a.Request.Currency, had)
	}
	moved := a.Request.Amount
	if a.Request.Direction == ledger.Debit {
		moved = -moved
	}
	if after, ok := a.Before.Add(moved); !ok || after != a.After || a.After < 0 || a.After > money.BalanceMax {
		return doubtf("entry %s leads from %d to %d by %d", a.ID, a.Before, a.After, moved)
	}
	if n := len(l.entries); n > 0 && a.CreatedAt.Before(l.entries[n-1].CreatedAt) {
		return doubtf("entry %s is older than %s, which is listed before it", a.ID, l.entries[n-1].ID)
	}
	l.balances[a.Request.Currency] = a.After
	l.entries = append(l.entries, a)
	return nil
}

// compareBalances holds the entries against the balances that the source shows.
func (s *source) compareBalances(ctx context.Context, read *sourceLedger) error {
	var wallets struct {
		Items []struct {
			Currency money.Currency `json:"currency"`
			Balance  money.Amount   `json:"balance"`
		} `json:"items"`
	}
	if err := s.get(ctx, customerPath(read.customer.ID, "/wallets"), nil, &wallets); err != nil {
		return err
	}
	shown := map[money.Currency]bool{}
	for _, wallet := range wallets.Items {
		shown[wallet.Currency] = true
		if sum := read.balances[wallet.Currency]; sum != wallet.Balance {
			return doubtf("the source shows a balance of %d %s, and its entries lead to %d", wallet.Balance, wallet.Currency, sum)
		}
	}
	for currency, sum := range read.balances {
		if sum != 0 && !shown[currency] {
			return doubtf("the source shows no wallet in %s, and its entries lead to %d", currency, sum)
		}
	}
	return nil
}

// profile makes a customer of what the source shows.
func (s *source) profile(c *sourceCustomer) (ledger.Customer, error) {
	made := ledger.Customer{
		Tenant: s.tenant, ID: c.ID, Email: c.Email, Name: c.Name, Metadata: "{}",
		CreatedAt: c.CreatedAt.UTC().Truncate(time.Microsecond),
	}
	made.UpdatedAt = made.CreatedAt
	if c.PhoneNumber != nil {
		made.PhoneNumber = *c.PhoneNumber
	}
	// A line of a bulk has the same metadata, and asks for an id as well.
	asked, err := s.line(map[string]any{
		"customer_id": c.ID, "currency": "USD", "entry_type": "credit", "amount": 1, "metadata": metadataOf(c.Metadata),
	})
	if err != nil {
		return made, doubtf("the customer cannot be kept: %s", refusalOf(err))
	}
	if asked.Metadata != "" {
		made.Metadata = asked.Metadata
	}
	if made.CreatedAt.UnixMicro() <= 0 || made.CreatedAt.After(s.now().Add(clockAhead)) {
		return made, doubtf("the customer was created at %s", c.CreatedAt)
	}
	// Installations differ in what they demand of a name.
	if strings.TrimSpace(made.Name) == "" {
		made.Name = made.Email
	}
	made.Name = tidyText(made.Name, ledger.NameMax)
	if err := ledger.ValidateCustomer(made); err != nil {
		return made, doubtf("the customer cannot be kept: %s", refusalOf(err))
	}
	return made, nil
}

// refusalOf is what the ledger's rules say, for people.
func refusalOf(err error) string {
	var refused *ledger.Error
	if errors.As(err, &refused) {
		return refused.Message
	}
	return err.Error()
}

func metadataOf(shown json.RawMessage) any {
	if len(shown) == 0 || string(shown) == "null" {
		return nil
	}
	return shown
}

// entry makes of an entry what can be taken over.
func (s *source) entry(customer string, position int64, e *sourceEntry) (*ledger.Adoption, error) {
	plain := (e.Category == nil || *e.Category == string(ledger.Paid)) && e.ExpiresAt == nil && e.Reverses == nil &&
		e.Account != string(ledger.AccountBreakage) && e.Account != string(ledger.AccountExpiryMoves) &&
		e.Account != string(ledger.AccountDebt)
	switch {
	case !plain:
		return nil, doubtf("entry %s is promotional, expires or undoes another, which the published API does not tell in full; "+
			"move this installation with `billfold copy`", e.ID)
	case e.CustomerID != customer:
		return nil, doubtf("entry %s is of customer %s", e.ID, e.CustomerID)
	case e.CreatedAt.UnixMicro() <= 0 || e.CreatedAt.After(s.now().Add(clockAhead)):
		return nil, doubtf("entry %s was created at %s", e.ID, e.CreatedAt)
	}
	fields := map[string]any{
		"customer_id": customer, "currency": e.Currency, "entry_type": ledger.Debit, "amount": e.Amount,
		"idempotency_key": e.Key, "metadata": metadataOf(e.Metadata), "reference_object_id": e.Reference,
	}
	switch {
	case e.IsCredit:
		fields["entry_type"] = ledger.Credit
	case e.Amount < 0:
		fields["amount"] = -e.Amount // some show what a debit takes below zero
	}
	if e.Reason != nil {
		fields["reason"] = tidyText(*e.Reason, ledger.ReasonMax)
	}
	asked, err := s.line(fields)
	if err != nil {
		return nil, doubtf("entry %s: %s", e.ID, refusalOf(err))
	}
	asked.Tenant = s.tenant
	adoption := &ledger.Adoption{
		Request: asked, ID: e.ID, EventType: e.EventType, Position: position, Before: e.Before, After: e.After,
		CreatedAt: e.CreatedAt.UTC().Truncate(time.Microsecond),
	}
	if err := adoption.Validate(); err != nil {
		return nil, doubtf("entry %s: %s", e.ID, refusalOf(err))
	}
	return adoption, nil
}

// line reads fields as those of a line of a bulk, so that they come in the very
// form in which a request would leave them.
func (s *source) line(fields map[string]any) (ledger.PostRequest, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return ledger.PostRequest{}, err
	}
	return s.parser.Parse(text)
}

// tidyText makes a text that another installation accepted one that this one
// accepts: without control characters, and not longer than it may be.
func tidyText(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) {
			return ' '
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most])
	}
	return text
}
