package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/receipt"
)

var (
	documentParams = []string{paramToken}
	headerPDF      = []string{"application/pdf"}
)

// longDocument is how many lines make a document one that is written in its turn: it may
// take much memory.
const longDocument = 200

// handlePaymentPDF answers with the invoice of a payment as PDF.
func (s *Server) handlePaymentPDF(c *call) error {
	if _, err := c.query(documentParams...); err != nil {
		return err
	}
	id := c.params[0]
	if !isID(id, collect.PaymentIDPrefix) {
		return errNotFound
	}
	invoice, err := s.readable(c, collect.InvoiceIDPrefix+id[len(collect.PaymentIDPrefix):])
	if err != nil {
		return err
	}
	document, err := s.invoiceDocument(c.r.Context(), c, invoice)
	if err != nil {
		return err
	}
	return s.replyDocument(c, "invoice_"+id, len(document.Lines)+len(document.Refunds), document.PDF)
}

// readable returns an invoice if the caller may read it.
func (s *Server) readable(c *call, id string) (*collect.Invoice, error) {
	invoice, err := s.collector.Invoice(c.r.Context(), c.tenant(), id)
	if err == nil && c.session != nil && c.session.customerID != invoice.CustomerID {
		err = errNotFound
	}
	return invoice, err
}

// handleRefundPDF answers with a refund as PDF: a credit note.
func (s *Server) handleRefundPDF(c *call) error {
	if _, err := c.query(documentParams...); err != nil {
		return err
	}
	id := c.params[0]
	if !isID(id, collect.RefundIDPrefix) {
		return errNotFound
	}
	refund, err := s.collector.FindRefund(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	invoice, err := s.readable(c, refund.InvoiceID)
	if err != nil {
		return err
	}
	parties, err := s.parties(c.r.Context(), c, invoice)
	if err != nil {
		return err
	}
	face := refund.ListItem()
	note := &receipt.CreditNote{
		Parties: parties, RefundID: id, PaymentID: face.PaymentID, InvoiceID: refund.InvoiceID, Currency: refund.Currency,
		Status: string(face.Status), Reason: refund.Reason, Issued: refund.CreatedAt, Made: refund.UpdatedAt,
		ToWallet: refund.Wallet, ToCard: refund.Card, CardDigits: invoice.Card.LastFour,
	}
	if refund.Destination == billing.ToWallet {
		note.ToWallet, note.ToCard = refund.Amount(), 0
	}
	names := map[string]string{}
	for _, item := range invoice.Items {
		names[item.ID] = item.Name
	}
	for _, line := range refund.Lines {
		note.Lines = append(note.Lines, receipt.Line{Name: names[line.ID], Amount: line.Amount})
	}
	return s.replyDocument(c, "credit_note_"+id, len(note.Lines), note.PDF)
}

// replyDocument writes a document and answers with it.
func (s *Server) replyDocument(c *call, name string, lines int, write func() ([]byte, error)) error {
	var file []byte
	err := s.inTurn(c, lines > longDocument, func() (err error) {
		file, err = write()
		return err
	})
	if err != nil {
		return err
	}
	c.w.Header()["Content-Disposition"] = []string{fmt.Sprintf(`inline; filename="%s.pdf"`, name)}
	return s.replyLong(c, headerPDF, file)
}

// invoiceDocument is an invoice as it is written.
func (s *Server) invoiceDocument(ctx context.Context, c *call, i *collect.Invoice) (*receipt.Invoice, error) {
	parties, err := s.parties(ctx, c, i)
	if err != nil {
		return nil, err
	}
	refunds, err := s.collector.RefundsOf(ctx, i)
	if err != nil {
		return nil, err
	}
	of := &i.Collection
	document := &receipt.Invoice{
		Parties: parties, InvoiceID: of.InvoiceID, PaymentID: i.PaymentID(), SubscriptionID: i.SubscriptionID,
		Currency: of.Currency, Status: string(i.Status()), Issued: i.CreatedAt, Made: i.UpdatedAt, Total: of.Total,
		CardDigits: i.Card.LastFour,
	}
	for _, item := range i.Items {
		document.Lines = append(document.Lines, receipt.Line{
			Name: item.Name, Description: item.Description, Quantity: item.Quantity, Amount: item.Amount,
		})
	}
	if of.State != billing.Paid {
		return document, nil
	}
	document.PaidAt, document.Wallet, document.Promotional = i.PaidAt, of.Tender.Wallet, i.Promotional
	document.Card, document.Credited = of.Tender.Card, of.Tender.Surplus
	for n, refund := range refunds {
		if refund.Status != collect.RefundFailed {
			document.Refunds = append(document.Refunds, receipt.Refund{
				ID: refund.RefundID, Made: time.Time(refund.CreatedAt), Status: string(refund.Status), Amount: i.Refunds[n].Card + i.Refunds[n].Wallet,
			})
		}
	}
	return document, nil
}

// parties are who has billed whom.
func (s *Server) parties(ctx context.Context, c *call, i *collect.Invoice) (parties receipt.Parties, err error) {
	who, err := s.book.Store().Customer(ctx, c.tenant(), i.CustomerID)
	if err != nil {
		return parties, err
	}
	name, err := s.businessName(ctx, c)
	parties = receipt.Parties{BusinessName: name, CustomerID: who.ID, CustomerName: who.Name, CustomerEmail: who.Email}
	at := i.Billing
	for _, line := range []string{at.Street, joined(at.Zipcode, at.City), joined(at.State, at.Country)} {
		if line != "" {
			parties.Address = append(parties.Address, line)
		}
	}
	return parties, err
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// paymentItem is an invoice's payment as lists show it, with the link of its invoice.
func (s *Server) paymentItem(i *collect.Invoice, who *ledger.Customer) collect.PaymentListItem {
	item := i.ListItem(who)
	item.InvoiceURL = optional(s.documentURL("payments", i.Tenant, item.PaymentID))
	return item
}
