// Package receipt writes what a customer was billed, and what of it went back, as PDF to
// file or to send: the invoice of a payment, and the credit note of a refund.
package receipt

import (
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/paper"
)

// Parties are who bills whom.
type Parties struct {
	BusinessName  string
	CustomerID    string
	CustomerName  string
	CustomerEmail string
	Address       []string // of the customer, what is known of it
}

// Line is one thing that is billed.
type Line struct {
	Name        string
	Description string
	Quantity    int64 // 0: it has none
	Amount      money.Amount
}

// Refund is one of the invoice's payment.
type Refund struct {
	ID     string
	Made   time.Time
	Status string
	Amount money.Amount
}

// Invoice is what a customer is billed.
type Invoice struct {
	Parties
	InvoiceID      string
	PaymentID      string
	SubscriptionID string // empty: of none
	Currency       money.Currency
	Status         string // of the payment, in the words of the API

	Issued time.Time
	PaidAt time.Time // zero: it is not paid
	Made   time.Time // when it last changed, which the file was made of

	Lines []Line
	Total money.Amount

	// Of a paid one: what the wallet paid, of which Promotional was promotional money, and
	// what the card paid, of which Credited was too much and went to the wallet.
	Wallet      money.Amount
	Promotional money.Amount
	Card        money.Amount
	Credited    money.Amount
	CardDigits  string // the last four, empty: not known

	Refunds []Refund // oldest first
}

// CreditNote is what of an invoice goes back to the customer.
type CreditNote struct {
	Parties
	RefundID   string
	PaymentID  string
	InvoiceID  string
	Currency   money.Currency
	Status     string
	Reason     string
	Issued     time.Time
	Made       time.Time // when it last changed
	ToWallet   money.Amount
	ToCard     money.Amount
	CardDigits string
	Lines      []Line // what of which line of the invoice; none: of the whole
}

var columns = []paper.Column{
	{Title: "Description", Width: 120, Wraps: true},
	{Title: "Quantity", Width: 20, Right: true},
	{Title: "Amount", Width: 40, Right: true},
}

// PDF returns the invoice as PDF. What the font has no sign for is shown as an empty box.
func (i *Invoice) PDF() ([]byte, error) {
	sheet := paper.New("Invoice", i.InvoiceID, i.Made, columns)
	facts := i.facts()
	facts = append(facts, paper.Fact{Name: "Invoice", Text: i.InvoiceID}, paper.Fact{Name: "Payment", Text: i.PaymentID})
	if i.SubscriptionID != "" {
		facts = append(facts, paper.Fact{Name: "Subscription", Text: i.SubscriptionID})
	}
	facts = append(facts, paper.Fact{Name: "Issued", Text: moment(i.Issued)}, paper.Fact{Name: "Status", Text: words(i.Status)})
	if !i.PaidAt.IsZero() {
		facts = append(facts, paper.Fact{Name: "Paid", Text: moment(i.PaidAt)})
	}
	sheet.Facts(facts)
	sheet.Head()
	for n := range i.Lines {
		i.Lines[n].row(sheet, i.Currency)
	}
	sheet.Gap()
	sum := func(name string, amount money.Amount) { sheet.Row(name, "", money.Display(amount, i.Currency)) }
	sum("Total", i.Total)
	if i.PaidAt.IsZero() {
		return sheet.PDF()
	}
	switch {
	case i.Wallet > 0 && i.Promotional == i.Wallet:
		sum("Paid from the wallet, promotional money", i.Wallet)
	case i.Promotional > 0:
		sum("Paid from the wallet", i.Wallet-i.Promotional)
		sum("Paid from the wallet, promotional money", i.Promotional)
	case i.Wallet > 0:
		sum("Paid from the wallet", i.Wallet)
	}
	if i.Card > 0 {
		sum("Paid by "+card(i.CardDigits), i.Card)
	}
	if i.Credited > 0 {
		sum("Credited to the wallet of what the card has paid", i.Credited)
	}
	for _, refund := range i.Refunds {
		sum("Refund "+refund.ID+" of "+refund.Made.UTC().Format(time.DateOnly)+", "+words(refund.Status), -refund.Amount)
	}
	return sheet.PDF()
}

// PDF returns the credit note as PDF.
func (n *CreditNote) PDF() ([]byte, error) {
	sheet := paper.New("Credit note", n.RefundID, n.Made, columns)
	facts := append(n.facts(),
		paper.Fact{Name: "Refund", Text: n.RefundID}, paper.Fact{Name: "Of payment", Text: n.PaymentID},
		paper.Fact{Name: "Of invoice", Text: n.InvoiceID}, paper.Fact{Name: "Issued", Text: moment(n.Issued)},
		paper.Fact{Name: "Status", Text: words(n.Status)})
	if n.Reason != "" {
		facts = append(facts, paper.Fact{Name: "Reason", Text: n.Reason})
	}
	sheet.Facts(facts)
	sheet.Head()
	for i := range n.Lines {
		n.Lines[i].row(sheet, n.Currency)
	}
	if len(n.Lines) > 0 {
		sheet.Gap()
	}
	sum := func(name string, amount money.Amount) { sheet.Row(name, "", money.Display(amount, n.Currency)) }
	sum("Total refunded", n.ToWallet+n.ToCard) // which is at most what was paid
	if n.ToWallet > 0 {
		sum("To the wallet", n.ToWallet)
	}
	if n.ToCard > 0 {
		sum("To the "+card(n.CardDigits), n.ToCard)
	}
	return sheet.PDF()
}

func (p *Parties) facts() []paper.Fact {
	facts := []paper.Fact{
		{Name: "Issued by", Text: p.BusinessName},
		{Name: "Customer", Text: p.CustomerName + " · " + p.CustomerEmail},
		{Name: "Customer id", Text: p.CustomerID},
	}
	name := "Billing address"
	for _, line := range p.Address {
		facts = append(facts, paper.Fact{Name: name, Text: line})
		name = ""
	}
	return facts
}

func (l *Line) row(sheet *paper.Sheet, currency money.Currency) {
	text, quantity := l.Name, ""
	if l.Description != "" {
		text = strings.TrimPrefix(text+" · "+l.Description, " · ")
	}
	if l.Quantity > 0 {
		quantity = strconv.FormatInt(l.Quantity, 10)
	}
	sheet.Row(text, quantity, money.Display(l.Amount, currency))
}

func moment(at time.Time) string { return at.UTC().Format(time.DateTime) + " UTC" }

// words is a word of the API as people write it.
func words(status string) string { return strings.ReplaceAll(status, "_", " ") }

func card(digits string) string {
	if digits == "" {
		return "card"
	}
	return "card ending in " + digits
}
