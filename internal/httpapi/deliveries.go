package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

var deliveryListParams = []string{paramPageSize, paramCursor, paramStatus}

// handleDeliveryList lists what was and is to be sent to an endpoint, newest first.
func (s *Server) handleDeliveryList(c *call) error {
	q, err := c.query(deliveryListParams...)
	if err != nil {
		return err
	}
	bound := c.bound()
	limit, before, err := s.cursorPage(&q, bound)
	if err != nil {
		return err
	}
	page := webhook.DeliveryPage{State: webhook.State(q.get(paramStatus)), Before: before, Limit: limit + 1}
	switch page.State {
	case "", webhook.Pending, webhook.Done, webhook.Failed:
	default:
		return queryError(paramStatus, "status must be pending, delivered or failed.")
	}
	id, err := c.webhookID()
	if err != nil {
		return err
	}
	var list []webhook.Delivery
	err = s.inTurn(c, walksDeliveries(page.State), func() (err error) {
		list, err = s.webhooks.Deliveries(c.r.Context(), c.tenant(), id, page)
		return err
	})
	if err != nil {
		return err
	}
	next := int64(0)
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].No
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendDelivery(out, &list[i])
	}
	out = append(out, ']')
	out = s.appendNext(out, next, bound)
	return s.replyList(c, append(out, '}'))
}

// appendDelivery appends a delivery without the body of its message.
func appendDelivery(out []byte, d *webhook.Delivery) []byte {
	out = append(out, `{"event_id":`...)
	out = appendString(out, d.EventID)
	out = append(out, `,"type":"`...)
	out = append(out, d.Kind...)
	out = append(out, `","status":"`...)
	out = append(out, d.State...)
	out = append(out, `","tries":`...)
	out = strconv.AppendInt(out, int64(d.Tries), 10)
	out = append(out, `,"next_attempt_at":`...)
	if d.State == webhook.Pending {
		out = appendTime(out, d.DueAt)
	} else {
		out = append(out, "null"...)
	}
	out = append(out, `,"queued_at":`...)
	out = appendTime(out, d.QueuedAt)
	out = append(out, `,"attempts":[`...)
	for i := range d.Attempts {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendAttempt(out, &d.Attempts[i])
	}
	return append(out, ']', '}')
}

func appendAttempt(out []byte, a *webhook.Attempt) []byte {
	out = append(out, `{"at":`...)
	out = appendTime(out, a.At)
	out = append(out, `,"took_ms":`...)
	out = strconv.AppendInt(out, a.Took.Milliseconds(), 10)
	out = append(out, `,"outcome":"`...)
	out = append(out, a.Outcome...)
	out = append(out, `","http_status":`...)
	out = appendPositive(out, int64(a.Status))
	out = append(out, `,"retry_after_seconds":`...)
	out = appendPositive(out, int64(a.RetryAfter/time.Second))
	out = append(out, `,"answer":`...)
	out = appendOptional(out, a.Answer)
	out = append(out, `,"detail":`...)
	out = appendOptional(out, a.Detail)
	return append(out, '}')
}

// appendPositive appends a number, or null for 0.
func appendPositive(out []byte, n int64) []byte {
	if n == 0 {
		return append(out, "null"...)
	}
	return strconv.AppendInt(out, n, 10)
}

// handleDeliveryResend sends one event to an endpoint again.
func (s *Server) handleDeliveryResend(c *call) error {
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
	if !strings.HasPrefix(c.params[1], ledger.EventIDPrefix) {
		return errNotFound
	}
	if err := s.webhooks.Resend(c.r.Context(), c.tenant(), id, c.params[1]); err != nil {
		return err
	}
	c.replyCount(1)
	return nil
}

// replyCount answers how many messages are sent again.
func (c *call) replyCount(count int) {
	out := append(c.scratch.out[:0], `{"count":`...)
	out = strconv.AppendInt(out, int64(count), 10)
	c.reply(http.StatusOK, append(out, '}'))
}

var replayFields = []string{"since"}

// handleWebhookReplay sends everything again that was queued for an endpoint since a
// time.
func (s *Server) handleWebhookReplay(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields(replayFields, len(replayFields))
	if err != nil {
		return err
	}
	text, _, err := f.text(0)
	if err != nil {
		return err
	}
	since, ok := parseTime(text)
	if !ok {
		return ledger.FieldErrorf(CodeInvalidRequestBody, replayFields[0], "since must be a time with a zone, such as 2026-01-02T03:04:05Z")
	}
	id, err := c.webhookID()
	if err != nil {
		return err
	}
	count, err := s.webhooks.Replay(c.r.Context(), c.tenant(), id, since)
	if err != nil {
		return err
	}
	c.replyCount(count)
	return nil
}
