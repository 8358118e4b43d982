package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/billfold/billfold/internal/collect"
)

// noSecret is how a created payment is kept: who reads the database finds no link in it.
var noSecret = []byte(`"client_secret":"","expires_on":null,"payment_link":null,`)

// created is what of the answer of a created payment is not kept.
type created struct {
	Secret    string        `json:"client_secret"`
	ExpiresOn *collect.Time `json:"expires_on"`
	Link      *string       `json:"payment_link"`
}

// replyCreated answers with a payment that was created: what is kept of the answer, and
// the secret of its page. The link, and until when it can be paid with, are told to whoever
// asks for them.
func (s *Server) replyCreated(c *call, answer []byte, link bool) error {
	var of struct {
		PaymentID string `json:"payment_id"`
	}
	if err := json.Unmarshal(answer, &of); err != nil {
		return err
	}
	id := collect.InvoiceIDPrefix + of.PaymentID[len(collect.PaymentIDPrefix):]
	told := created{Secret: s.links.Invoice(c.tenant(), id)}
	if link {
		invoice, err := s.collector.Invoice(c.r.Context(), c.tenant(), id)
		if err != nil {
			return err
		}
		if at, _ := s.linkOf(invoice); !at.IsZero() {
			told.ExpiresOn = (*collect.Time)(&at)
		}
		url := s.links.URL(told.Secret)
		told.Link = &url
	}
	text, err := json.Marshal(told)
	if err != nil {
		return err
	}
	before, after, _ := bytes.Cut(answer, noSecret) // only the payment's id stands before it
	out := append(c.scratch.out[:0], before...)
	out = append(append(out, text[1:len(text)-1]...), ',')
	c.reply(http.StatusOK, append(out, after...))
	return nil
}

// linkOf is the link to the page on which an invoice can be paid, with until when it waits
// for a payment method; empty where the customer can do nothing any more.
func (s *Server) linkOf(i *collect.Invoice) (until time.Time, link string) {
	if i.Collection.State.Final() {
		return i.Collection.MethodBy, ""
	}
	return i.Collection.MethodBy, s.links.URL(s.links.Invoice(i.Tenant, i.Collection.InvoiceID))
}
