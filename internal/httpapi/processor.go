package httpapi

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/accounts"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of an account with a card processor, of which the first two are required.
var processorFields = []string{"processor", "secret_key", "webhook_secrets"}

const (
	processorName = iota
	processorKey
	processorSecrets

	processorRequired = processorKey + 1
)

var processorKinds = [...]strictjson.Kind{
	processorName: strictjson.String, processorKey: strictjson.String, processorSecrets: strictjson.Array,
}

// The names of what charges cards without an account: the sandbox in test mode, and nobody
// in live mode.
const (
	bySandbox = "sandbox"
	byNobody  = "none"
)

// processorItem is who charges the cards of a business in one mode. Of secrets it shows
// the ends.
type processorItem struct {
	Processor string        `json:"processor"`
	Mode      ledger.Mode   `json:"mode"`
	Key       *string       `json:"secret_key"`
	Secrets   []string      `json:"webhook_secrets"`
	Path      *string       `json:"notifications_path"`
	ChangedAt *collect.Time `json:"changed_at"`
}

func processorItemOf(tenant ledger.Tenant, account *access.ProcessorAccount) processorItem {
	item := processorItem{Processor: bySandbox, Mode: tenant.Mode, Secrets: []string{}}
	if account == nil {
		if tenant.Mode == ledger.Live {
			item.Processor = byNobody
		}
		return item
	}
	changed := collect.Time(account.ChangedAt)
	item.Processor, item.Key, item.ChangedAt = account.Processor, &account.KeyHint, &changed
	item.Secrets = append(item.Secrets, account.WebhookHints...)
	item.Path = optional("/processors/stripe/" + tenant.BusinessID + "/" + string(tenant.Mode) + "/notifications")
	return item
}

// handleProcessor returns who charges cards.
func (s *Server) handleProcessor(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	settings, err := s.directory.Settings(c.r.Context(), c.tenant())
	if err != nil {
		return err
	}
	return c.replyJSON(processorItemOf(c.tenant(), settings.Processor))
}

// handleProcessorSet gives the business its own account with a card processor.
func (s *Server) handleProcessorSet(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	name, secrets, err := c.decodeProcessor()
	if err != nil {
		return err
	}
	account, err := s.accounts.Set(c.r.Context(), c.tenant(), c.actor(), name, secrets)
	if err != nil {
		return err
	}
	return c.replyJSON(processorItemOf(c.tenant(), account))
}

func (c *call) decodeProcessor() (name string, secrets accounts.Secrets, err error) {
	f, err := c.fields(processorFields, processorRequired)
	if err == nil {
		err = f.checkKinds(processorKinds[:])
	}
	if err != nil {
		return "", secrets, err
	}
	name, _, _ = f.text(processorName)
	secrets.Key, _, _ = f.text(processorKey)
	secrets.Webhook = []string{}
	if !f.given(processorSecrets) {
		return name, secrets, nil
	}
	for element := range f.values[processorSecrets].Elements {
		if element.Kind() != strictjson.String {
			const field = "webhook_secrets"
			return "", secrets, ledger.FieldErrorf(CodeInvalidRequestBody, field, "%s must hold texts, not %s", field, element.Kind())
		}
		secrets.Webhook = append(secrets.Webhook, string(element.Text()))
	}
	return name, secrets, nil
}

// handleProcessorDrop takes the account away. One that is not there stays so.
func (s *Server) handleProcessorDrop(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if err := s.accounts.Drop(c.r.Context(), c.tenant(), c.actor()); err != nil {
		return err
	}
	c.w.Header()["Cache-Control"] = headerNoStore
	c.status = http.StatusNoContent
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// noticeItem is a notification that people have to look at.
type noticeItem struct {
	ID         string       `json:"id"`
	Kind       string       `json:"type"`
	Reason     string       `json:"reason"`
	Body       string       `json:"body"`
	ReceivedAt collect.Time `json:"received_at"`
}

// handleQuarantine lists the notifications of the card processor that people have to look
// at, newest first.
func (s *Server) handleQuarantine(c *call) error {
	q, err := c.query(paramPageSize, paramPageNumber)
	if err != nil {
		return err
	}
	size, err := q.integer(paramPageSize, pageSizeMax)
	if err != nil {
		return err
	}
	number, err := q.integer(paramPageNumber, processor.QuarantineMax)
	if err != nil {
		return err
	}
	page := ledger.Page{Limit: int(size), Skip: number * size}
	if size == 0 {
		page = ledger.Page{Limit: pageSizeDefault, Skip: number * pageSizeDefault}
	}
	notices, _, err := s.inbox.Quarantine(c.r.Context(), c.tenant(), page)
	if err != nil {
		return err
	}
	items := make([]noticeItem, 0, len(notices))
	for _, n := range notices {
		items = append(items, noticeItem{n.ID, n.Kind, n.Reason, n.Body, collect.Time(n.ReceivedAt)})
	}
	text, err := json.Marshal(struct {
		Items []noticeItem `json:"items"`
	}{items})
	if err != nil {
		return err
	}
	return s.replyList(c, append(c.scratch.out[:0], text...))
}

// handleStripeNotice takes what Stripe tells unasked. Nobody but Stripe can sign it, so
// it needs no key; whoever signs wrongly learns nothing, not even whether there is such a
// business.
func (s *Server) handleStripeNotice(c *call) error {
	tenant := ledger.Tenant{BusinessID: c.params[0], Mode: ledger.Mode(c.params[1])}
	if !isID(tenant.BusinessID, "bus_") || !tenant.Mode.Valid() {
		return errNotFound
	}
	if err := c.noQuery(); err != nil {
		return err
	}
	var signature string
	if given := c.r.Header["Stripe-Signature"]; len(given) == 1 {
		signature = given[0]
	}
	err := s.intake.Take(c.r.Context(), tenant, c.body, signature)
	if ledger.CodeOf(err) == accounts.CodeSignature {
		return s.badSignature(c, err)
	}
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], `{"received":true}`...))
	return nil
}

// cardProcessor reports whether cards are charged through an account of the business, and
// whether they are charged at all.
func (c *call) cardProcessor() (account, charges bool) {
	account = c.settings.Processor != nil
	return account, account || c.tenant().Mode == ledger.Test
}

// noticesMax bounds the memory of notifications that are on their way.
const noticesMax = 16 << 20

var errNotices = ledger.Errorf(ledger.CodeOverloaded, "Too many notifications are on their way; send this one again.")

// badSignature answers a notification that is not from the processor; an address that
// keeps trying is told to wait.
func (s *Server) badSignature(c *call, err error) error {
	address, parseErr := netip.ParseAddrPort(c.r.RemoteAddr)
	if parseErr != nil {
		return err // not over a network
	}
	if wait := s.backoff.Fail(address.Addr()); wait > 0 {
		c.w.Header()["Retry-After"] = []string{seconds(wait)}
		return ledger.Errorf(CodeTooManyRequests, "Too many notifications without a valid signature; see Retry-After.")
	}
	return err
}

// errNoProcessor refuses to take money by card where nobody charges.
func errNoProcessor(param string) error {
	return badParameter(param, "no card processor is set for live mode, so only the wallet can pay; PUT /business/processor sets one")
}

// methodFits refuses a payment method that was saved with another processor than the one
// that charges now.
func (c *call) methodFits(method *collect.Method, param string) error {
	account, charges := c.cardProcessor()
	switch by := method.Processor; {
	case !charges:
		return errNoProcessor(param)
	case account && by != c.settings.Processor.Processor, !account && by != bySandbox:
		return badParameter(param, "the payment method was saved with %s, which does not charge for this business now", strconv.Quote(by))
	}
	return nil
}
