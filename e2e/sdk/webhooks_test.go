package sdk

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dodo "github.com/dodopayments/dodopayments-go"
	"github.com/dodopayments/dodopayments-go/option"

	"github.com/billfold/billfold/internal/webhook"
)

const receiver = "https://example.com/hook"

func TestGoWebhooks(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	made, err := c.Webhooks.New(c.ctx, dodo.WebhookNewParams{
		URL: dodo.F(receiver), Description: dodo.F("Accounting"), RateLimit: dodo.F(int64(5)),
		FilterTypes: dodo.F([]dodo.WebhookEventType{dodo.WebhookEventTypePaymentSucceeded}),
		Metadata:    dodo.F(map[string]string{"team": "ledger"}), Headers: dodo.F(map[string]string{"X-Shop": "7"}),
		IdempotencyKey: dodo.F("hook_1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(made.ID, "whk_") || made.URL != receiver || made.Description != "Accounting" || made.Disabled ||
		made.RateLimit != 5 || !slices.Equal(made.FilterTypes, []string{"payment.succeeded"}) || made.Metadata["team"] != "ledger" {
		t.Errorf("got webhook %+v", made)
	}
	updated, err := c.Webhooks.Update(c.ctx, made.ID, dodo.WebhookUpdateParams{
		Disabled: dodo.F(true), Description: dodo.Null[string](),
	})
	if err != nil {
		t.Fatal(err)
	}
	read, err := c.Webhooks.Get(c.ctx, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !read.Disabled || read.Description != "Accounting" || read.UpdatedAt != updated.UpdatedAt ||
		read.CreatedAt != made.CreatedAt {
		t.Errorf("got webhook %+v, want it disabled and else as it was", read)
	}
	if err := c.Webhooks.Headers.Update(c.ctx, made.ID, dodo.WebhookHeaderUpdateParams{
		Headers: dodo.F(map[string]string{"Authorization": "Bearer abc", "X-Other": "8"}),
	}); err != nil {
		t.Fatal(err)
	}
	headers, err := c.Webhooks.Headers.Get(c.ctx, made.ID)
	if err != nil || !maps.Equal(headers.Headers, map[string]string{"X-Shop": "7", "X-Other": "8"}) ||
		!slices.Equal(headers.Sensitive, []string{"Authorization"}) {
		t.Errorf("got headers %+v and error %v, want two and the name of the third", headers, err)
	}
	if err := c.Webhooks.Delete(c.ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	_, err = c.Webhooks.Get(c.ctx, made.ID)
	if status, code := c.status(err); status != 404 || code != "NOT_FOUND" {
		t.Errorf("got %d %s, want 404 NOT_FOUND", status, code)
	}
	_, err = c.Webhooks.New(c.ctx, dodo.WebhookNewParams{URL: dodo.F("http://169.254.169.254/")})
	if status, code := c.status(err); status != 422 || code != "INVALID_WEBHOOK_URL" {
		t.Errorf("got %d %s, want 422 INVALID_WEBHOOK_URL", status, code)
	}
}

func TestGoWebhookPages(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	var want []string
	for range 5 {
		c.traffic.lose.Store(1) // of the first answer; the second try gets the same webhook
		made, err := c.Webhooks.New(c.ctx, dodo.WebhookNewParams{URL: dodo.F(receiver + "/" + strconv.Itoa(len(want)))})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, made.ID)
	}
	slices.Sort(want)
	for _, limit := range []int64{1, 2, 5, 50} {
		var got []string
		pager := c.Webhooks.ListAutoPaging(c.ctx, dodo.WebhookListParams{Limit: dodo.F(limit)})
		for pager.Next() {
			got = append(got, pager.Current().ID)
		}
		if err := pager.Err(); err != nil || !slices.Equal(got, want) {
			t.Errorf("limit %d: got %v and error %v, want %v", limit, got, err, want)
		}
	}
	// As in the vendor's own tests.
	page, err := c.Webhooks.List(c.ctx, dodo.WebhookListParams{Iterator: dodo.F("iterator"), Limit: dodo.F(int64(0))})
	if err != nil || len(page.Data) != 0 || !page.Done {
		t.Errorf("got %+v and error %v, want an empty page", page, err)
	}
}

// The secret that the API shows is one that the client's own check takes.
func TestGoWebhookSecret(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	made, err := c.Webhooks.New(c.ctx, dodo.WebhookNewParams{URL: dodo.F(receiver)})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := c.Webhooks.GetSecret(c.ctx, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := webhook.ParseSecret(shown.Secret)
	if err != nil {
		t.Fatal(err)
	}
	now, body := time.Now(), []byte(`{"business_id":"bus_1","type":"payment.succeeded","timestamp":"2026-03-01T12:00:00Z","data":{}}`)
	header := http.Header{}
	header.Set("Webhook-Id", "evt_1")
	header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	header.Set("Webhook-Signature", webhook.Signature("evt_1", now, body, secret))
	if _, err := c.Webhooks.Unwrap(body, header, option.WithWebhookKey(shown.Secret)); err != nil {
		t.Errorf("unwrap: got error %v, want none", err)
	}
	if _, err := c.Webhooks.Unwrap(append(body, ' '), header, option.WithWebhookKey(shown.Secret)); err == nil {
		t.Errorf("unwrap another body: got no error, want one")
	}
}
