package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/accounts"
)

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func methodJSON(m *collect.Method) []byte {
	text, _ := json.Marshal(m.Face()) // texts
	return text
}

// handleMethodList lists the payment methods of a customer, newest first.
func (s *Server) handleMethodList(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if _, err := s.book.Store().Customer(c.r.Context(), c.tenant(), id); err != nil {
		return err
	}
	methods, err := s.collector.Methods(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range methods {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, methodJSON(&methods[i])...)
	}
	return s.replyList(c, append(out, `]}`...))
}

// The fields of a request to add a payment method, of which the first is required.
var methodFields = []string{"token", "recurring_enabled"}

// handleMethodCreate adds a payment method to a customer: one of the sandbox, in test
// mode.
func (s *Server) handleMethodCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields(methodFields, 1)
	if err != nil {
		return err
	}
	token, _, err := f.text(0)
	if err != nil {
		return err
	}
	recurring, given, err := f.boolean(1)
	if err != nil {
		return err
	}
	if account, charges := c.cardProcessor(); account {
		return s.saveCard(c, token, recurring || !given)
	} else if !charges {
		return s.refuseCard(c)
	}
	method := collect.Method{
		Processor: bySandbox, Token: token, Recurring: recurring || !given, Card: collect.SandboxCard(token),
	}
	if !processor.SandboxToken(token) {
		return badParameter("token", "%q is no payment method of the sandbox; pm_sandbox_ok is one", clip(token))
	}
	sum := sha256.Sum256([]byte("billfold.payment_method.v1 " + c.params[0] + " " + token + " " + string(methodJSON(&method))))
	fingerprint := ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
	once, err := s.once(c, c.route.label+" "+c.params[0], fingerprint)
	if err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if once == nil {
		once = s.onceResent(c, c.route.label, fingerprint)
	}
	return s.addMethod(c, id, method, once)
}

// refuseCard refuses to save a card where nobody charges.
func (s *Server) refuseCard(c *call) error {
	var key string
	if _, err := c.takeKey(&key); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if _, err := s.book.Store().Customer(c.r.Context(), c.tenant(), id); err != nil {
		return err
	}
	return errNoProcessor("token")
}

// saveCard adds a card that the business has at its card processor. What the processor
// says of it is no part of what was asked for, so a repeat gets its first answer without
// a call.
func (s *Server) saveCard(c *call, token string, recurring bool) error {
	sum := sha256.Sum256([]byte("billfold.processor_method.v1 " + c.params[0] + " " + token + " " + strconv.FormatBool(recurring)))
	fingerprint := ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
	once, err := s.once(c, c.route.label+" "+c.params[0], fingerprint)
	if err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if _, err := s.book.Store().Customer(c.r.Context(), c.tenant(), id); err != nil {
		return err
	}
	if once == nil {
		once = s.onceResent(c, c.route.label, fingerprint)
	}
	first, err := s.products.ProductAnswer(c.r.Context(), once) // answers of all routes are kept alike
	if err != nil {
		return err
	}
	method := collect.Method{Processor: c.settings.Processor.Processor}
	if first == nil {
		ctx, cancel := context.WithTimeout(c.r.Context(), stepsFor)
		method, err = s.accounts.SaveCard(ctx, s.collector, c.tenant(), id, token)
		cancel()
		if errors.Is(err, accounts.ErrNoCard) {
			return badParameter("token", "%q is no saved card of the business's account with %s; pm_… and cus_…/pm_… are", clip(token),
				c.settings.Processor.Processor)
		}
		if err != nil {
			return err
		}
		method.Recurring = recurring
		return s.addMethod(c, id, method, once)
	}
	c.w.Header()["Idempotency-Replayed"] = headerTrue
	c.reply(http.StatusOK, append(c.scratch.out[:0], first...))
	return nil
}

// addMethod gives the method its id under the request's key, and keeps it. Whoever comes
// again finds the id, and has the method kept if it is not.
func (s *Server) addMethod(c *call, customerID string, method collect.Method, once *ledger.Once) error {
	if err := s.collector.RoomForMethod(c.r.Context(), c.tenant(), customerID); err != nil {
		return err
	}
	method.ID, method.CreatedAt = s.book.NewID(collect.MethodIDPrefix), s.book.Now()
	answer := methodJSON(&method)
	once.Answer = func(ledger.Customer) []byte { return answer }
	same := func(customer ledger.Customer) ledger.Customer { return customer }
	_, first, err := s.book.UpdateCustomer(c.r.Context(), c.tenant(), customerID, c.actor(), same, once)
	if err != nil {
		return err
	}
	if first != nil {
		var found struct {
			ID string `json:"payment_method_id"`
		}
		if err := json.Unmarshal(first, &found); err != nil {
			return err
		}
		method.ID, answer = found.ID, first
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	if err := s.collector.AddMethod(c.r.Context(), c.tenant(), customerID, method); err != nil {
		return err
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], answer...))
	return nil
}

// handleMethodDelete has a payment method not used any more.
func (s *Server) handleMethodDelete(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if !isID(c.params[1], collect.MethodIDPrefix) {
		return errNotFound
	}
	if err := s.collector.RemoveMethod(c.r.Context(), c.tenant(), id, c.params[1]); err != nil {
		return err
	}
	c.w.Header()["Cache-Control"] = headerNoStore
	c.status = http.StatusNoContent
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
