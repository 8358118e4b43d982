package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

// handleRefundCreate gives a payment back, or a part of it. That the card does not take
// it is no error of the request.
func (s *Server) handleRefundCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request, err := c.decodeRefund()
	if err != nil {
		return err
	}
	key, err := c.headerKey()
	if err != nil {
		return err
	}
	if !isID(request.PaymentID, collect.PaymentIDPrefix) {
		return errNotFound
	}
	id := collect.InvoiceIDPrefix + request.PaymentID[len(collect.PaymentIDPrefix):]
	invoice, err := s.collector.Invoice(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	if !c.keyed && c.resent() {
		return errKeyRequired
	}
	p := payment{server: s, call: c}
	if c.keyed {
		fingerprint := request.fingerprint()
		p.kept = &collect.Request{Route: c.route.label, Key: key, Fingerprint: hex.EncodeToString(fingerprint[:])}
		if done, err := p.replay(c.replyKept); done || err != nil {
			return err
		}
	}
	order := collect.RefundOrder{
		RefundRequest: billing.RefundRequest{
			ID: s.book.NewID(collect.RefundIDPrefix), Destination: request.Destination, Amount: request.Amount, Lines: request.Items,
		},
		InvoiceID: id, Reason: request.Reason, Metadata: request.Metadata,
		Window: time.Duration(c.settings.RefundWindowDays) * 24 * time.Hour,
		Grace:  time.Duration(c.settings.ReversalGraceSeconds) * time.Second,
	}
	if err := order.Check(invoice, s.book.Now()); err != nil { // what is refused does not use the key up
		return err
	}
	replayed := false
	if p.kept != nil {
		if replayed, err = s.claimRefund(c, p.kept, &request, invoice, &order); err != nil {
			return err
		}
	}
	return s.carryOutRefund(c, order, p.kept, replayed)
}

// claimedRefund is what a key stands for before the refund is made.
type claimedRefund struct {
	RefundID string `json:"refund_id"`
}

// claimRefund gives the refund the id that its key stands for, see [payment.claim], and
// reports whether there was one.
func (s *Server) claimRefund(
	c *call, kept *collect.Request, request *refundRequest, invoice *collect.Invoice, order *collect.RefundOrder,
) (bool, error) {
	once := &ledger.Once{
		Tenant: c.tenant(), Route: kept.Route, Key: kept.Key, Fingerprint: request.fingerprint(), At: s.book.Now(),
		Answer: func(ledger.Customer) []byte {
			text, _ := json.Marshal(claimedRefund{order.ID}) // a text
			return text
		},
	}
	same := func(customer ledger.Customer) ledger.Customer { return customer }
	_, first, err := s.book.UpdateCustomer(c.r.Context(), c.tenant(), invoice.CustomerID, c.actor(), same, once)
	if err != nil || first == nil {
		return false, err
	}
	var found claimedRefund
	if err := json.Unmarshal(first, &found); err != nil {
		return false, err
	}
	order.ID = found.RefundID
	return true, nil
}

// refundAnswer is what is answered to a request for a refund.
func refundAnswer(r *collect.Refund, customer *ledger.Customer) []byte {
	text, _ := json.Marshal(r.Face(customer)) // texts and numbers
	return text
}

// carryOutRefund makes the refund and has the processor asked for the card's part.
func (s *Server) carryOutRefund(c *call, order collect.RefundOrder, kept *collect.Request, replayed bool) error {
	ctx := c.r.Context()
	made, err := s.collector.Refund(ctx, c.tenant(), order, kept, refundAnswer)
	if err != nil {
		return err
	}
	s.goOnRefund(ctx, made)
	if kept == nil {
		customer, err := s.book.Store().Customer(ctx, c.tenant(), made.CustomerID)
		if err != nil {
			return err
		}
		c.reply(http.StatusOK, append(c.scratch.out[:0], refundAnswer(made, &customer)...))
		return nil
	}
	found, _, err := collect.FindRequest(ctx, s.book.Store(), c.tenant(), kept.Route, kept.Key)
	if err != nil {
		return err
	}
	if found == nil {
		return errors.New("a request that was kept is not there")
	}
	if replayed {
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], found.Answer...))
	return nil
}

// goOnRefund has the processor asked about a refund. What fails is left to the worker: the
// refund is there.
func (s *Server) goOnRefund(ctx context.Context, refund *collect.Refund) {
	ctx, cancel := context.WithTimeout(ctx, stepsFor)
	defer cancel()
	if _, err := s.collector.StepRefund(ctx, refund.Tenant, refund.ID); err != nil {
		s.logger.Warn("a refund is left to the worker", "refund", refund.ID, "error", err)
	}
}

// handleRefund returns one refund.
func (s *Server) handleRefund(c *call) error {
	if err := c.noQuery(); err != nil {
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
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), refund.CustomerID)
	if err != nil {
		return err
	}
	return c.replyJSON(refund.Face(&customer))
}

var refundListParams = []string{
	paramPageNumber, paramPageSize, paramCursor, paramCreatedGTE, paramCreatedLTE, paramCustomerID, paramSubscriptionID, paramStatus,
}

// handleRefundList lists refunds, newest first.
func (s *Server) handleRefundList(c *call) error {
	q, err := c.query(refundListParams...)
	if err != nil {
		return err
	}
	filter, err := q.invoiceFilter()
	if err != nil {
		return err
	}
	filter.Kind, filter.State = collect.Refunds, q.get(paramStatus)
	if filter.State != "" && !slices.Contains(collect.RefundStatuses(), collect.RefundStatus(filter.State)) {
		return queryError(paramStatus, "status must be one of %v.", collect.RefundStatuses())
	}
	var keep func(*collect.Refund) bool
	if subscription := q.get(paramSubscriptionID); subscription != "" {
		keep = func(r *collect.Refund) bool { return r.SubscriptionID == subscription }
	}
	bound := c.bound()
	page, err := s.objectPage(c, &q, bound)
	if err != nil {
		return err
	}
	var found []*collect.Refund
	next := ""
	if filter.CustomerID == "" || isID(filter.CustomerID, "cus_") { // what is no id is nobody's
		err = s.inTurn(c, keep != nil || page.Skip > walkSkip, func() (err error) {
			found, next, err = findObjects(c.r.Context(), s.book.Store(), c.tenant(), filter, page, collect.RefundOf, keep)
			return err
		})
	}
	if err != nil {
		return err
	}
	items := make([]collect.RefundListItem, 0, len(found))
	for _, refund := range found {
		items = append(items, refund.ListItem())
	}
	text, err := json.Marshal(items)
	if err != nil {
		return err
	}
	out := append(append(c.scratch.out[:0], `{"items":`...), text...)
	out = append(out, `,"next_cursor":`...)
	if next == "" {
		out = append(out, "null"...)
	} else {
		out = appendString(out, s.cursors.sealText(next, bound))
	}
	return s.replyList(c, append(out, '}'))
}
