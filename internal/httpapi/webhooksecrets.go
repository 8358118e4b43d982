package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
	"github.com/billfold/billfold/internal/webhook"
)

// handleWebhookSecret returns what the messages to an endpoint are signed with. A read
// key does not get it: whoever has it can make messages that look like ours.
func (s *Server) handleWebhookSecret(c *call) error { return s.replyWebhook(c, appendSecret) }

func appendSecret(out []byte, e *webhook.Endpoint) []byte {
	out = append(out, `{"secret":`...)
	out = appendString(out, e.Secret)
	return append(out, '}')
}

// handleWebhookRotate gives an endpoint another secret. A second try of the same call
// gets the one that the first has drawn: two rotations would leave the receiver with a
// secret that nothing is signed with any more.
func (s *Server) handleWebhookRotate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if err := c.noFields(); err != nil {
		return err
	}
	id, err := c.webhookID()
	if err != nil {
		return err
	}
	if c.resent() {
		endpoint, err := s.webhooks.Get(c.r.Context(), c.tenant(), id)
		if err != nil {
			return err
		}
		if rotated := endpoint.PreviousUntil.Add(-webhook.KeepPrevious); s.book.Now().Sub(rotated) < resendWindow {
			c.w.Header()["Idempotency-Replayed"] = headerTrue
			c.reply(http.StatusOK, appendSecret(c.scratch.out[:0], &endpoint))
			return nil
		}
	}
	endpoint, err := s.webhooks.Rotate(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, appendSecret(c.scratch.out[:0], &endpoint))
	return nil
}

// noFields refuses a body that says something; an empty one and {} say nothing.
func (c *call) noFields() error {
	if len(c.body) == 0 {
		return nil
	}
	object, err := c.object()
	if err != nil {
		return err
	}
	for name := range object.Members {
		return ledger.FieldErrorf(CodeUnknownField, clip(string(name)), "%s is not a field of this request, which has none", clip(string(name)))
	}
	return nil
}

// sensitiveWords are parts of the names of headers whose values are not shown.
var sensitiveWords = []string{
	"auth", "cookie", "token", "secret", "key", "pass", "signature", "credential", "session", "hmac",
}

func isSensitive(header string) bool {
	header = strings.ToLower(header)
	return slices.ContainsFunc(sensitiveWords, func(word string) bool { return strings.Contains(header, word) })
}

// handleWebhookHeaders returns the headers that an endpoint wants with each message;
// of those that may hold a secret the name alone.
func (s *Server) handleWebhookHeaders(c *call) error {
	return s.replyWebhook(c, func(out []byte, e *webhook.Endpoint) []byte {
		shown := maps.Clone(e.Headers)
		maps.DeleteFunc(shown, func(name, _ string) bool { return isSensitive(name) })
		hidden := slices.DeleteFunc(slices.Sorted(maps.Keys(e.Headers)), func(name string) bool { return !isSensitive(name) })
		out = append(out, `{"headers":`...)
		out = appendTexts(out, shown)
		out = append(out, `,"sensitive":`...)
		out = appendStrings(out, hidden)
		return append(out, '}')
	})
}

var webhookHeadersFields = []string{"headers"}

// handleWebhookHeadersUpdate adds, replaces and takes away headers of an endpoint.
func (s *Server) handleWebhookHeadersUpdate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields(webhookHeadersFields, len(webhookHeadersFields))
	if err != nil {
		return err
	}
	if f.values[0].Kind() != strictjson.Object {
		return f.wrongKind(0, strictjson.Object)
	}
	headers, err := f.headers(0, true)
	if err != nil {
		return err
	}
	id, err := c.webhookID()
	if err != nil {
		return err
	}
	_, err = s.webhooks.Update(c.r.Context(), c.tenant(), id, func(e *webhook.Endpoint) { e.Headers = headers(e.Headers) })
	if err != nil {
		return err
	}
	c.replyEmpty()
	return nil
}
