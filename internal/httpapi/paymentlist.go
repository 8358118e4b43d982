package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Query parameters of the lists of payments and invoices.
const (
	paramSubscriptionID = "subscription_id"
	paramState          = "state"
	paramBrandID        = "brand_id"
	paramProductID      = "product_id"
)

var (
	paymentListParams = []string{
		paramPageNumber, paramPageSize, paramCursor, paramCreatedGTE, paramCreatedLTE, paramCustomerID, paramSubscriptionID,
		paramStatus, paramBrandID, paramProductID, paramCurrency,
	}
	invoiceListParams = []string{
		paramPageNumber, paramPageSize, paramCursor, paramCreatedGTE, paramCreatedLTE, paramCustomerID, paramState,
	}
)

// lookMax is at how many invoices a list looks for those that pass a filter which the
// store cannot apply. It then ends with a cursor that goes on.
const lookMax = 2000

// handlePaymentList lists payments, newest first.
func (s *Server) handlePaymentList(c *call) error {
	q, err := c.query(paymentListParams...)
	if err != nil {
		return err
	}
	filter, err := q.invoiceFilter()
	if err != nil {
		return err
	}
	status := collect.Status(q.get(paramStatus))
	if status != "" && !slices.Contains(collect.Statuses(), status) {
		return queryError(paramStatus, "status must be one of %v.", collect.Statuses())
	}
	currency, err := q.currency(paramCurrency)
	if err != nil {
		return err
	}
	switch status { // of these the store can tell
	case collect.Succeeded:
		filter.State, status = string(billing.Paid), ""
	case collect.Cancelled:
		filter.State, status = string(billing.Void), ""
	}
	product, subscription, brand := q.get(paramProductID), q.get(paramSubscriptionID), q.get(paramBrandID)
	var keep func(i *collect.Invoice) bool
	other := brand != "" && brand != c.tenant().BusinessID // there is one brand
	if status != "" || currency != "" || product != "" || subscription != "" || other {
		keep = func(i *collect.Invoice) bool {
			return (status == "" || i.Status() == status) && (currency == "" || i.Collection.Currency == currency) &&
				(product == "" || i.HasProduct(product)) && (subscription == "" || i.SubscriptionID == subscription) &&
				!other
		}
	}
	return s.replyInvoices(c, &q, filter, keep, func(i *collect.Invoice, customer *ledger.Customer) any {
		return s.paymentItem(i, customer)
	})
}

// handleInvoiceList lists invoices, newest first.
func (s *Server) handleInvoiceList(c *call) error {
	q, err := c.query(invoiceListParams...)
	if err != nil {
		return err
	}
	filter, err := q.invoiceFilter()
	if err != nil {
		return err
	}
	filter.State = q.get(paramState)
	if filter.State != "" && !slices.Contains(billing.States(), billing.State(filter.State)) {
		return queryError(paramState, "state must be one of %v.", billing.States())
	}
	return s.replyInvoices(c, &q, filter, nil, func(i *collect.Invoice, _ *ledger.Customer) any { return invoiceOf(i) })
}

// invoiceFilter reads the filters that lists of payments and invoices have in common.
func (q *query) invoiceFilter() (filter ledger.ObjectFilter, err error) {
	filter = ledger.ObjectFilter{Kind: collect.Invoices, CustomerID: q.get(paramCustomerID)}
	if filter.CreatedAtGTE, err = q.since(paramCreatedGTE); err == nil {
		filter.CreatedAtLTE, err = q.until(paramCreatedLTE)
	}
	return filter, err
}

// objectPage returns which part of a list of objects is asked for: it is [Server.page]
// with the ids of objects for places.
func (s *Server) objectPage(c *call, q *query, bound string) (page ledger.ObjectPage, err error) {
	cursor := q.get(paramCursor)
	if cursor != "" {
		if q.get(paramPageNumber) != "" {
			return page, queryError(paramPageNumber, "Send either cursor or page_number.")
		}
		if page.Before, err = s.cursors.openText(cursor, bound); err != nil {
			return page, err
		}
		q.values[q.index(paramCursor)] = ""
	}
	plain, err := s.page(c, q, bound)
	page.Limit, page.Skip = plain.Limit, plain.Skip
	if cursor != "" { // it says where to go on, whoever asks
		size, _ := q.integer(paramPageSize, pageSizeMax) // it was read before
		if page.Limit, page.Skip = int(size), 0; size == 0 {
			page.Limit = pageSizeDefault
		}
	}
	return page, err
}

// replyInvoices answers with a page of invoices that pass the filter and are kept.
func (s *Server) replyInvoices(
	c *call, q *query, filter ledger.ObjectFilter, keep func(*collect.Invoice) bool,
	show func(*collect.Invoice, *ledger.Customer) any,
) error {
	whose := func(i *collect.Invoice) string { return i.CustomerID }
	return replyObjects(s, c, q, filter, collect.InvoiceOf, keep, whose, show)
}

// replyObjects answers with a page of objects that pass the filter and are kept.
func replyObjects[T any](
	s *Server, c *call, q *query, filter ledger.ObjectFilter, of func(*ledger.Object) (*T, error), keep func(*T) bool,
	customerOf func(*T) string, show func(*T, *ledger.Customer) any,
) error {
	bound := c.bound()
	page, err := s.objectPage(c, q, bound)
	if err != nil {
		return err
	}
	var found []*T
	next := ""
	if filter.CustomerID == "" || isID(filter.CustomerID, "cus_") { // what is no id is nobody's
		err = s.inTurn(c, keep != nil || page.Skip > walkSkip, func() (err error) {
			found, next, err = findObjects(c.r.Context(), s.book.Store(), c.tenant(), filter, page, of, keep)
			return err
		})
	}
	if err != nil {
		return err
	}
	customers := map[string]*ledger.Customer{}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for n, object := range found {
		customer := customers[customerOf(object)]
		if customer == nil {
			read, err := s.book.Store().Customer(c.r.Context(), c.tenant(), customerOf(object))
			if err != nil {
				return err
			}
			customer = &read
			customers[customerOf(object)] = customer
		}
		text, err := json.Marshal(show(object, customer))
		if err != nil {
			return err
		}
		if n > 0 {
			out = append(out, ',')
		}
		out = append(out, text...)
	}
	out = append(out, `],"next_cursor":`...)
	if next == "" {
		out = append(out, "null"...)
	} else {
		out = appendString(out, s.cursors.sealText(next, bound))
	}
	return s.replyList(c, append(out, '}'))
}

// findObjects reads a page of invoices or refunds. With keep it looks through them from
// the newest, and at no more than lookMax of them.
func findObjects[T any](
	ctx context.Context, store ledger.Store, tenant ledger.Tenant, filter ledger.ObjectFilter, page ledger.ObjectPage,
	of func(*ledger.Object) (*T, error), keep func(*T) bool,
) (found []*T, next string, err error) {
	step := page
	if keep != nil {
		step.Limit, step.Skip = 200, 0
	}
	skip := page.Skip
	for looked := 0; ; {
		list, err := store.Objects(ctx, tenant, filter, step)
		if err != nil {
			return nil, "", err
		}
		for i := range list.Objects {
			item, err := of(&list.Objects[i])
			if err != nil {
				return nil, "", err
			}
			if keep != nil {
				if !keep(item) {
					continue
				}
				if skip > 0 {
					skip--
					continue
				}
			}
			if found = append(found, item); len(found) == page.Limit && (i+1 < len(list.Objects) || list.Next != "") {
				return found, list.Objects[i].ID, nil
			}
		}
		looked += len(list.Objects)
		step.Before = list.Next
		switch {
		case keep == nil || list.Next == "":
			return found, list.Next, nil
		case looked >= lookMax && skip > 0:
			return nil, "", queryError(paramPageNumber, "No so deep page with this filter; use cursor to read further.")
		case looked >= lookMax:
			return found, list.Next, nil
		}
	}
}

// invoice returns the invoice that an id in the path names, of an invoice or of its
// payment.
func (s *Server) invoice(c *call, prefix string) (*collect.Invoice, error) {
	if err := c.noQuery(); err != nil {
		return nil, err
	}
	id := c.params[0]
	if !isID(id, prefix) {
		return nil, errNotFound
	}
	return s.collector.Invoice(c.r.Context(), c.tenant(), collect.InvoiceIDPrefix+id[len(prefix):])
}

// handlePayment returns one payment.
func (s *Server) handlePayment(c *call) error {
	invoice, err := s.invoice(c, collect.PaymentIDPrefix)
	if err != nil {
		return err
	}
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), invoice.CustomerID)
	if err != nil {
		return err
	}
	payment := invoice.Payment(&customer)
	payment.PaymentListItem = s.paymentItem(invoice, &customer)
	if payment.Refunds, err = s.collector.RefundsOf(c.r.Context(), invoice); err != nil {
		return err
	}
	if at, link := s.linkOf(invoice); link != "" && !at.IsZero() {
		payment.Link = &link
	}
	return c.replyJSON(payment)
}

// replyJSON answers with what encoding/json makes of a value.
func (c *call) replyJSON(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], text...))
	return nil
}

// lineItem is a line of a payment as the published API shows it.
type lineItem struct {
	ID          string       `json:"items_id"`
	Amount      money.Amount `json:"amount"`
	Refundable  money.Amount `json:"refundable_amount"`
	Tax         int64        `json:"tax"`
	Name        *string      `json:"name"`
	Description *string      `json:"description"`
}

// handlePaymentLines returns what a payment is for.
func (s *Server) handlePaymentLines(c *call) error {
	invoice, err := s.invoice(c, collect.PaymentIDPrefix)
	if err != nil {
		return err
	}
	items, refundable := []lineItem{}, invoice.Refundable()
	for _, item := range invoice.Items {
		line := lineItem{ID: item.ID, Amount: item.Amount, Name: optional(item.Name), Description: optional(item.Description)}
		if invoice.Status() == collect.Succeeded {
			line.Refundable = refundable.LineLeft(item.ID)
		}
		items = append(items, line)
	}
	return c.replyJSON(struct {
		Currency money.Currency `json:"currency"`
		Items    []lineItem     `json:"items"`
	}{invoice.Collection.Currency, items})
}
