package httpapi

import (
	"encoding/json"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/money"
)

// invoiceItem is an invoice as Billfold shows it; the published format has none.
type invoiceItem struct {
	ID           string          `json:"invoice_id"`
	PaymentID    string          `json:"payment_id"`
	CustomerID   string          `json:"customer_id"`
	Reason       collect.Reason  `json:"reason"`
	State        billing.State   `json:"state"`
	Currency     money.Currency  `json:"currency"`
	Total        money.Amount    `json:"total_amount"`
	Wallet       money.Amount    `json:"wallet_amount"`
	Lots         *walletParts    `json:"wallet_parts"`
	Card         money.Amount    `json:"card_amount"`
	Surplus      money.Amount    `json:"credited_amount"`
	Lines        []invoiceLine   `json:"lines"`
	Tries        int             `json:"failed_tries"`
	Attempts     []attemptItem   `json:"attempts"`
	VoidAsked    bool            `json:"void_asked"`
	DueAt        *collect.Time   `json:"next_try_at"`
	Subscription *string         `json:"subscription_id"`
	MethodID     *string         `json:"payment_method_id"`
	Billing      collect.Address `json:"billing"`
	Metadata     json.RawMessage `json:"metadata"`
	CreatedAt    collect.Time    `json:"created_at"`
	UpdatedAt    collect.Time    `json:"updated_at"`
}

// walletParts are what the wallet has paid, by the kind of money in the lots that it took.
type walletParts struct {
	Paid        money.Amount `json:"paid"`
	Promotional money.Amount `json:"promotional"`
}

type invoiceLine struct {
	ID          string       `json:"line_id"`
	ProductID   *string      `json:"product_id"`
	Name        *string      `json:"name"`
	Description *string      `json:"description"`
	Quantity    int64        `json:"quantity"`
	Amount      money.Amount `json:"amount"`
}

// attemptItem is one payment at the card processor.
type attemptItem struct {
	Number  int             `json:"number"`
	Amount  money.Amount    `json:"amount"`
	Outcome billing.Outcome `json:"outcome"`
	BeganAt collect.Time    `json:"began_at"`
}

func invoiceOf(i *collect.Invoice) invoiceItem {
	c := &i.Collection
	item := invoiceItem{
		ID: c.InvoiceID, PaymentID: i.PaymentID(), CustomerID: i.CustomerID, Reason: i.Reason, State: c.State,
		Currency: c.Currency, Total: c.Total, Wallet: c.Tender.Wallet, Card: c.Tender.Card, Surplus: c.Tender.Surplus,
		Lines: []invoiceLine{}, Tries: c.Tries, Attempts: []attemptItem{}, VoidAsked: c.VoidAsked,
		DueAt: dueTime(c.DueAt, c.State), Subscription: optional(i.SubscriptionID), MethodID: optional(i.MethodID), Billing: i.Billing,
		Metadata: i.Metadata, CreatedAt: collect.Time(i.CreatedAt), UpdatedAt: collect.Time(i.UpdatedAt),
	}
	if i.Debit != "" {
		item.Lots = &walletParts{Paid: c.Tender.Wallet - i.Promotional, Promotional: i.Promotional}
	}
	if len(item.Metadata) == 0 {
		item.Metadata = json.RawMessage("{}")
	}
	for _, line := range i.Items {
		item.Lines = append(item.Lines, invoiceLine{
			ID: line.ID, ProductID: optional(line.ProductID), Name: optional(line.Name), Description: optional(line.Description),
			Quantity: line.Quantity, Amount: line.Amount,
		})
	}
	for _, a := range c.Attempts {
		item.Attempts = append(item.Attempts, attemptItem{a.Number, a.Amount, a.Outcome, collect.Time(a.BeganAt)})
	}
	return item
}

// dueTime is when something is done about an invoice, nil for at once or never.
func dueTime(at time.Time, state billing.State) *collect.Time {
	if at.IsZero() || state.Final() {
		return nil
	}
	due := collect.Time(at)
	return &due
}

// handleInvoice returns one invoice.
func (s *Server) handleInvoice(c *call) error {
	invoice, err := s.invoice(c, collect.InvoiceIDPrefix)
	if err != nil {
		return err
	}
	return c.replyJSON(invoiceOf(invoice))
}

// handleInvoiceVoid has nobody try any more to have an invoice paid. While something is
// at the card processor it becomes void when that has ended.
func (s *Server) handleInvoiceVoid(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if err := c.noFields(); err != nil {
		return err
	}
	invoice, err := s.invoice(c, collect.InvoiceIDPrefix)
	if err != nil {
		return err
	}
	if err := s.collector.Decide(c.r.Context(), invoice, billing.Cancel{}); err != nil {
		return err
	}
	s.goOn(c.r.Context(), c.tenant(), invoice.Collection.InvoiceID)
	if invoice, err = s.collector.Invoice(c.r.Context(), c.tenant(), invoice.Collection.InvoiceID); err != nil {
		return err
	}
	return c.replyJSON(invoiceOf(invoice))
}
