package httpapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

// Query parameters of the request for a session.
const (
	paramReturnURL = "return_url"
	paramSendEmail = "send_email"
)

var sessionParams = []string{paramReturnURL, paramSendEmail}

// returnURLMax is how long a return_url may be.
const returnURLMax = 1000

// handlePortalSession makes a link that lets a customer into the portal for a day.
func (s *Server) handlePortalSession(c *call) error {
	q, err := c.query(sessionParams...)
	if err != nil {
		return err
	}
	if err := c.noFields(); err != nil {
		return err
	}
	back := q.get(paramReturnURL)
	if back != "" && !secureURL(back) {
		return queryError(paramReturnURL, "return_url must be an https address of at most %d characters.", returnURLMax)
	}
	switch q.get(paramSendEmail) {
	case "", "false":
	case "true":
		return ledger.FieldErrorf(catalog.CodeNotOffered, paramSendEmail, "Billfold sends no e-mails; send the link yourself.")
	default:
		return queryError(paramSendEmail, "send_email must be true or false.")
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if _, err := s.book.Store().Customer(c.r.Context(), c.tenant(), id); err != nil {
		return err
	}
	begun := session{tenant: c.tenant(), customerID: id, begunAt: s.book.Now(), returnURL: back}
	revoked, err := s.collector.PortalRevoked(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	if !begun.begunAt.After(revoked) { // by another instance, whose clock is ahead
		begun.begunAt = revoked.Add(time.Microsecond)
	}
	return c.replyJSON(struct {
		Link      string       `json:"link"`
		ExpiresAt collect.Time `json:"expires_at"`
	}{s.publicURL + "/portal/" + s.tickets.token(&begun), collect.Time(begun.begunAt.Add(sessionTime))})
}

// secureURL reports whether an address is one to lead customers to.
func secureURL(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && len(text) <= returnURLMax && parsed.Scheme == "https" && parsed.Host != "" && parsed.User == nil
}

// handlePortalRevoke ends all sessions of a customer.
func (s *Server) handlePortalRevoke(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if err := s.collector.RevokePortal(c.r.Context(), c.tenant(), id, c.actor()); err != nil {
		return err
	}
	c.status = http.StatusNoContent
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// What follows is what a customer may see. It holds nothing that a business keeps for
// itself: no metadata, no idempotency keys, no names of API keys.

// handlePortalBusiness says whose portal it is.
func (s *Server) handlePortalBusiness(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	name, err := s.businessName(c.r.Context(), c)
	if err != nil {
		return err
	}
	return c.replyJSON(struct {
		ID        string      `json:"business_id"`
		Name      string      `json:"name"`
		Mode      ledger.Mode `json:"mode"`
		ReturnURL *string     `json:"return_url"`
	}{c.tenant().BusinessID, name, c.tenant().Mode, optional(c.session.returnURL)})
}

// handlePortalProfile says whose session it is.
func (s *Server) handlePortalProfile(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	who, err := s.book.Store().Customer(c.r.Context(), c.tenant(), c.session.customerID)
	if err != nil {
		return err
	}
	return c.replyJSON(struct {
		ID          string       `json:"customer_id"`
		BusinessID  string       `json:"business_id"`
		Name        string       `json:"name"`
		Email       string       `json:"email"`
		PhoneNumber *string      `json:"phone_number"`
		CreatedAt   collect.Time `json:"created_at"`
	}{who.ID, who.Tenant.BusinessID, who.Name, who.Email, optional(who.PhoneNumber), collect.Time(who.CreatedAt)})
}

// handlePortalWallets lists the customer's wallets as a business sees them.
func (s *Server) handlePortalWallets(c *call) error {
	c.params[0] = c.session.customerID
	return s.handleWalletList(c)
}

// handlePortalMethods lists the customer's payment methods as a business sees them.
func (s *Server) handlePortalMethods(c *call) error {
	c.params[0] = c.session.customerID
	return s.handleMethodList(c)
}

var portalEntryParams = []string{paramPageNumber, paramPageSize, paramCurrency}

// handlePortalEntries lists the customer's entries, newest first.
func (s *Server) handlePortalEntries(c *call) error {
	q, err := c.query(portalEntryParams...)
	if err != nil {
		return err
	}
	var filter ledger.EntryFilter
	if filter.Currency, err = q.currency(paramCurrency); err != nil {
		return err
	}
	page, err := s.portalSlice(&q)
	if err != nil {
		return err
	}
	store, id := s.book.Store(), c.session.customerID
	wallets, err := store.Wallets(c.r.Context(), c.tenant(), id, s.book.Now())
	if err != nil {
		return err
	}
	count := int64(0)
	for i := range wallets.Wallets {
		if filter.Currency == "" || filter.Currency == wallets.Wallets[i].Currency {
			count += wallets.Wallets[i].Seq
		}
	}
	list, err := store.Entries(c.r.Context(), c.tenant(), id, filter, ledger.Page{Limit: page.Limit, Skip: page.Skip})
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range list.Entries {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendPublishedEntry(out, &list.Entries[i]), '}')
	}
	out = append(out, `],"total_count":`...)
	out = strconv.AppendInt(out, count, 10)
	out = append(out, `,"has_next":`...)
	return s.replyList(c, append(strconv.AppendBool(out, list.Next != 0), '}'))
}

var portalListParams = []string{paramPageNumber, paramPageSize}

// portalSlice returns which page of a list is asked for. Pages count from 0.
func (s *Server) portalSlice(q *query) (page ledger.ObjectPage, err error) {
	size, err := q.integer(paramPageSize, pageSizeMax)
	if err != nil {
		return page, err
	}
	if size == 0 {
		size = pageSizeDefault
	}
	number, err := q.integer(paramPageNumber, 1<<31-1)
	if err == nil && number*size > pageSkipMax {
		err = queryError(paramPageNumber, "page_number × page_size must be at most %d.", pageSkipMax)
	}
	return ledger.ObjectPage{Limit: int(size), Skip: number * size}, err
}

// handlePortalPayments lists the customer's payments, newest first, each with the link of
// its invoice.
func (s *Server) handlePortalPayments(c *call) error {
	who, err := s.book.Store().Customer(c.r.Context(), c.tenant(), c.session.customerID)
	if err != nil {
		return err
	}
	who.Metadata = ""
	return replyPortal(s, c, collect.Invoices, collect.InvoiceOf, func(i *collect.Invoice) any {
		item := s.paymentItem(i, &who)
		item.Metadata = json.RawMessage("{}")
		return item
	})
}

// handlePortalRefunds lists the customer's refunds, newest first.
func (s *Server) handlePortalRefunds(c *call) error {
	return replyPortal(s, c, collect.Refunds, collect.RefundOf, func(r *collect.Refund) any { return r.ListItem() })
}

// handlePortalSubscriptions lists the customer's subscriptions, newest first.
func (s *Server) handlePortalSubscriptions(c *call) error {
	who, err := s.book.Store().Customer(c.r.Context(), c.tenant(), c.session.customerID)
	if err != nil {
		return err
	}
	who.Metadata = ""
	return replyPortal(s, c, collect.Subscriptions, collect.SubscriptionOf, func(of *collect.Subscription) any {
		item := of.ListItem(&who)
		item.Metadata = json.RawMessage("{}")
		return item
	})
}

// replyPortal answers with a page of the customer's objects of a kind.
func replyPortal[T any](
	s *Server, c *call, kind ledger.ObjectKind, of func(*ledger.Object) (*T, error), show func(*T) any,
) error {
	q, err := c.query(portalListParams...)
	if err != nil {
		return err
	}
	page, err := s.portalSlice(&q)
	if err != nil {
		return err
	}
	var found []*T
	next := ""
	filter := ledger.ObjectFilter{Kind: kind, CustomerID: c.session.customerID}
	err = s.inTurn(c, page.Skip > walkSkip, func() (err error) {
		found, next, err = findObjects(c.r.Context(), s.book.Store(), c.tenant(), filter, page, of, nil)
		return err
	})
	if err != nil {
		return err
	}
	items := make([]any, 0, len(found))
	for _, item := range found {
		items = append(items, show(item))
	}
	text, err := json.Marshal(struct {
		Items   []any `json:"items"`
		HasNext bool  `json:"has_next"`
	}{items, next != ""})
	if err != nil {
		return err
	}
	return s.replyList(c, append(c.scratch.out[:0], text...))
}
