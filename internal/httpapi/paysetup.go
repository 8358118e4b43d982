package httpapi

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

// setupItem is a setup as it is answered.
type setupItem struct {
	ID        string       `json:"setup_id"`
	URL       string       `json:"url"` // empty where it is kept
	Customer  string       `json:"customer_id"`
	ReturnURL *string      `json:"return_url"`
	ExpiresAt collect.Time `json:"expires_at"`
	CreatedAt collect.Time `json:"created_at"`
}

// The fields of a request to have a card saved.
var setupFields = []string{"return_url"}

// handleSetupCreate makes a page on which a customer saves a card without a charge.
func (s *Server) handleSetupCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields(setupFields, 0)
	if err != nil {
		return err
	}
	back, _, err := f.text(0)
	if err == nil && back != "" {
		err = collect.ReturnURL(back)
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("billfold.payment_setup.v1 " + c.params[0] + " " + back))
	fingerprint := ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
	once, err := s.once(c, c.route.label+" "+c.params[0], fingerprint)
	if err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if !s.collector.TakesCards(c.tenant(), id) {
		if _, err := s.book.Store().Customer(c.r.Context(), c.tenant(), id); err != nil {
			return err
		}
		return badParameter("customer_id", "no card processor is configured for %s mode", c.tenant().Mode)
	}
	if once == nil {
		once = s.onceResent(c, c.route.label, fingerprint)
	}
	return s.openSetup(c, id, back, once)
}

// openSetup gives the setup its id under the request's key, and makes it. Whoever comes
// again finds the id, and has the setup made if it is not.
func (s *Server) openSetup(c *call, customerID, back string, once *ledger.Once) error {
	now := s.book.Now()
	item := setupItem{
		ID: s.book.NewID(collect.SetupIDPrefix), Customer: customerID, ReturnURL: optional(back),
		ExpiresAt: collect.Time(now.Add(collect.SetupLives)), CreatedAt: collect.Time(now),
	}
	kept, err := json.Marshal(item)
	if err != nil {
		return err
	}
	once.Answer = func(ledger.Customer) []byte { return kept }
	same := func(customer ledger.Customer) ledger.Customer { return customer }
	_, first, err := s.book.UpdateCustomer(c.r.Context(), c.tenant(), customerID, c.actor(), same, once)
	if err != nil {
		return err
	}
	setup := collect.Setup{
		Tenant: c.tenant(), CustomerID: customerID, ReturnURL: back, ExpiresAt: now.Add(collect.SetupLives),
	}
	if first != nil {
		if err := json.Unmarshal(first, &item); err != nil {
			return err
		}
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	setup.ID = item.ID
	if err := s.collector.OpenSetup(c.r.Context(), setup); err != nil {
		return err
	}
	item.URL = s.links.URL(s.links.Setup(c.tenant(), item.ID))
	text, err := json.Marshal(item)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], text...))
	return nil
}
