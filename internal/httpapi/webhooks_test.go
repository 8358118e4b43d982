package httpapi_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/webhook"
)

// hostileURLs are those that the guard is tested with.
func hostileURLs(t *testing.T) (urls []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../webhook/guard_test.go", nil, 0)
	if err != nil {
		t.Fatalf("read the list of URLs: got error %v, want none", err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "hostile" {
			return true
		}
		for _, element := range spec.Values[0].(*ast.CompositeLit).Elts {
			if literal, ok := element.(*ast.BasicLit); ok {
				url, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Errorf("%s: got error %v, want a text", literal.Value, err)
				}
				urls = append(urls, url)
			}
		}
		return false
	})
	if len(urls) < 80 {
		t.Fatalf("hostile URLs: got %d, want 80 or more", len(urls))
	}
	return append(urls, "https://example.com/"+strings.Repeat("a", webhook.URLMax))
}

// TestHostileURLs offers every URL that leads where no message may go, and wants it
// refused where an endpoint is made and where it is changed, with nothing stored.
func TestHostileURLs(t *testing.T) {
	t.Parallel()
	urls := hostileURLs(t)
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		r := newRig(t, open(t), rigOptions{})
		key := r.business("Shop").TestKey
		id := r.must(200, key, "POST", "/webhooks", `{"url":"https://example.com/hook"}`)["id"].(string)
		before := r.digest()
		for _, url := range urls {
			quoted, err := json.Marshal(url)
			if err != nil {
				t.Fatal(err)
			}
			body := `{"url":` + string(quoted) + `}`
			want := "INVALID_WEBHOOK_URL"
			if strings.ContainsRune(url, 0) {
				want = "INVALID_ENCODING" // no text of any request may hold it
			}
			for _, route := range []string{"POST /webhooks", "PATCH /webhooks/" + id} {
				method, path, _ := strings.Cut(route, " ")
				got := r.must(422, key, method, path, body)
				if got["code"] != want || strings.Contains(got["message"].(string), "secret") {
					t.Errorf("%s %.80q: got %v, want %s", method, url, got, want)
				}
			}
		}
		if after := r.digest(); after != before {
			t.Errorf("the refusals have changed the state:\n%s", cmp.Diff(before, after))
		}
	})
}

// webhookDetails are the members of an endpoint in an answer, without the times.
func webhookDetails(answer map[string]any) map[string]any {
	answer = maps.Clone(answer)
	delete(answer, "created_at")
	delete(answer, "updated_at")
	delete(answer, "id")
	return answer
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		r := newRig(t, open(t), rigOptions{})
		key := r.business("Shop").TestKey
		least := r.must(200, key, "POST", "/webhooks", `{"url":"https://example.com/least"}`)
		want := map[string]any{
			"url": "https://example.com/least", "description": "", "metadata": map[string]any{}, "disabled": false,
			"filter_types": nil, "rate_limit": nil, "in_order": false,
		}
		if diff := cmp.Diff(want, webhookDetails(least)); diff != "" {
			t.Errorf("the least (-want +got):\n%s", diff)
		}
		most := r.must(200, key, "POST", "/webhooks", `{"url":"https://example.com/most","description":"All \"of\" it",
			"disabled":true,"filter_types":["wallet.credited","payment.succeeded"],"headers":{"X-Shop":"7"},
			"metadata":{"b":"2","a":"1"},"rate_limit":5,"in_order":true}`)
		want = map[string]any{
			"url": "https://example.com/most", "description": `All "of" it`, "metadata": map[string]any{"a": "1", "b": "2"},
			"disabled": true, "filter_types": []any{"wallet.credited", "payment.succeeded"}, "rate_limit": json.Number("5"), "in_order": true,
		}
		if diff := cmp.Diff(want, webhookDetails(most)); diff != "" {
			t.Errorf("the most (-want +got):\n%s", diff)
		}
		path := "/webhooks/" + most["id"].(string)
		if diff := cmp.Diff(most, r.must(200, key, "GET", path, "")); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
		r.clock.Move(time.Minute)
		nulls := `{"url":null,"description":null,"disabled":null,"filter_types":null,"rate_limit":null,"in_order":null,"metadata":null}`
		if diff := cmp.Diff(most, r.must(200, key, "PATCH", path, nulls)); diff != "" {
			t.Errorf("changed by nulls (-want +got):\n%s", diff)
		}
		empty := `{"url":"https://example.org/","description":"","disabled":false,"filter_types":[],"rate_limit":0,"in_order":false,"metadata":{}}`
		changed := r.must(200, key, "PATCH", path, empty)
		want = webhookDetails(least)
		want["url"] = "https://example.org/"
		if diff := cmp.Diff(want, webhookDetails(changed)); diff != "" {
			t.Errorf("emptied (-want +got):\n%s", diff)
		}
		if changed["created_at"] != most["created_at"] || changed["updated_at"] == most["updated_at"] {
			t.Errorf("got created %v and updated %v, want %v and a later time", changed["created_at"], changed["updated_at"], most["created_at"])
		}
		if headers := r.must(200, key, "GET", path+"/headers", ""); fmt.Sprint(headers["headers"]) != "map[X-Shop:7]" {
			t.Errorf("got headers %v, want them as they were", headers)
		}
		if status, header, body := r.do(key, "DELETE", path, ""); status != 200 || len(body) > 0 || header.Get("Content-Type") != "" {
			t.Errorf("delete: got %d %v %s, want 200 and no body", status, header, body)
		}
		r.must(404, key, "DELETE", path, "")
		r.must(404, key, "GET", path, "")
	})
}

func TestWebhookPages(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		r := newRig(t, open(t), rigOptions{})
		key := r.business("Shop").TestKey
		var want []string
		for range 7 {
			want = append(want, r.must(200, key, "POST", "/webhooks", `{"url":"https://example.com/hook"}`)["id"].(string))
			r.clock.Move(time.Millisecond)
		}
		read := func(limit int, each func(id string)) (pages int) {
			query := fmt.Sprintf("/webhooks?limit=%d", limit)
			for path := query; ; {
				pages++
				page := r.must(200, key, "GET", path, "")
				for _, item := range page["data"].([]any) {
					each(item.(map[string]any)["id"].(string))
				}
				next, more := page["iterator"].(string)
				if page["done"] != !more || page["prev_iterator"] != nil {
					t.Errorf("got %v, want done where there is no iterator", page)
				}
				if !more {
					return pages
				}
				path = query + "&iterator=" + next
			}
		}
		for limit, pages := range map[int]int{0: 1, 1: 7, 2: 4, 6: 2, 7: 1, 100: 1} {
			var got []string
			if n := read(limit, func(id string) { got = append(got, id) }); n != pages || !slices.Equal(got, want) {
				t.Errorf("limit %d: got %d pages of %v, want %d of %v", limit, n, got, pages, want)
			}
		}
		// The last one of a page is gone when the next is asked for.
		var got []string
		read(2, func(id string) {
			got = append(got, id)
			if len(got)%2 == 0 {
				r.do(key, "DELETE", "/webhooks/"+id, "")
			}
		})
		if !slices.Equal(got, want) {
			t.Errorf("while they are deleted: got %v, want %v", got, want)
		}
		for _, iterator := range []string{"iterator", "aaa", "zzz", "whk_", want[6]} {
			page := r.must(200, key, "GET", "/webhooks?iterator="+iterator, "")
			if len(page["data"].([]any)) != 0 || page["done"] != true || page["iterator"] != nil {
				t.Errorf("behind %q: got %v, want an empty page", iterator, page)
			}
		}
	})
}

func TestWebhookKeys(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		r := newRig(t, open(t), rigOptions{})
		shop := r.business("Shop")
		create := func(key, body string, headers ...string) (id string, replayed bool) {
			t.Helper()
			status, header, answer := r.do(key, "POST", "/webhooks", body, headers...)
			if status != 200 {
				t.Fatalf("%s: got %d %s, want 200", body, status, answer)
			}
			return between(string(answer), `"id":"`, `"`), header.Get("Idempotency-Replayed") == "true"
		}
		const body = `{"url":"https://example.com/hook"}`
		const keyed = `{"url":"https://example.com/hook","idempotency_key":"k"}`
		first, replayed := create(shop.TestKey, keyed)
		for name, again := range map[string][]string{
			keyed: nil, body: {"Idempotency-Key", "k"}, `{"idempotency_key":"k","url":"https://example.com/hook","disabled":false}`: nil,
		} {
			if id, replayed := create(shop.TestKey, name, again...); id != first || !replayed {
				t.Errorf("%s: got %s, replayed %t, want %s again", name, id, replayed, first)
			}
		}
		if live, again := create(shop.LiveKey, keyed); live == first || again || replayed {
			t.Errorf("in live mode: got %s, replayed %t and %t, want another one", live, replayed, again)
		}
		r.do(shop.TestKey, "DELETE", "/webhooks/"+first, "")
		if id, again := create(shop.TestKey, keyed); id == first || again {
			t.Errorf("after it was deleted: got %s, replayed %t, want another one", id, again)
		}
		plain, _ := create(shop.TestKey, body)
		if another, again := create(shop.TestKey, body); another == plain || again {
			t.Errorf("the same without a key: got %s, replayed %t, want another one", another, again)
		}
		// A second try without a key is of the first within minutes.
		alone := `{"url":"https://example.com/alone"}`
		lost, _ := create(shop.TestKey, alone)
		r.clock.Move(9 * time.Minute)
		if id, again := create(shop.TestKey, alone, "X-Stainless-Retry-Count", "1"); id != lost || !again {
			t.Errorf("a second try: got %s, replayed %t, want %s again", id, again, lost)
		}
		if id, again := create(shop.TestKey, `{"url":"https://example.com/alone","in_order":true}`, "X-Stainless-Retry-Count", "1"); id == lost || again {
			t.Errorf("a second try of another: got %s, replayed %t, want a new one", id, again)
		}
		r.clock.Move(2 * time.Minute)
		if id, again := create(shop.TestKey, alone, "X-Stainless-Retry-Count", "1"); id == lost || again {
			t.Errorf("a second try much later: got %s, replayed %t, want a new one", id, again)
		}
	})
}

func TestWebhookHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, storeKinds()["sqlite"](t), rigOptions{})
	key := r.business("Shop").TestKey
	made := r.must(200, key, "POST", "/webhooks", `{"url":"https://example.com/hook","headers":{"X-Shop":"7","authorization":"Bearer hidden"}}`)
	path := "/webhooks/" + made["id"].(string) + "/headers"
	for _, step := range []struct{ body, want string }{
		{`{"headers":{}}`, `{"headers":{"X-Shop":"7"},"sensitive":["authorization"]}`},
		{`{"headers":{"X-Other":"8"}}`, `{"headers":{"X-Other":"8","X-Shop":"7"},"sensitive":["authorization"]}`},
		{`{"headers":{"x-shop":"9"}}`, `{"headers":{"X-Other":"8","x-shop":"9"},"sensitive":["authorization"]}`},
		{`{"headers":{"Authorization":null,"X-OTHER":null,"X-None":null}}`, `{"headers":{"x-shop":"9"},"sensitive":[]}`},
		{
			`{"headers":{"X-Api-Key":"hidden","Cookie":"hidden","X-Auth-Token":"hidden","x_secret":"hidden","Password":"hidden"}}`,
			`{"headers":{"x-shop":"9"},"sensitive":["Cookie","Password","X-Api-Key","X-Auth-Token","x_secret"]}`,
		},
	} {
		if status, _, body := r.do(key, "PATCH", path, step.body); status != http.StatusOK || len(body) > 0 {
			t.Errorf("%s: got %d %s, want 200 without a body", step.body, status, body)
		}
		if _, _, got := r.do(key, "GET", path, ""); string(got) != step.want {
			t.Errorf("after %s: got %s, want %s", step.body, got, step.want)
		}
	}
}

func TestWebhookSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t, storeKinds()["sqlite"](t), rigOptions{})
	shop := r.business("Shop")
	tenant := ledger.Tenant{BusinessID: shop.Business.ID, Mode: ledger.Test}
	_, reader := r.key(tenant, access.Read, time.Time{})
	made := r.must(200, shop.TestKey, "POST", "/webhooks", `{"url":"https://example.com/hook"}`)
	id := made["id"].(string)
	path := "/webhooks/" + id + "/secret"
	secret := func() string { return r.must(200, shop.TestKey, "GET", path, "")["secret"].(string) }
	rotate := func(headers ...string) string {
		return r.must(200, shop.TestKey, "POST", path+"/rotate", "", headers...)["secret"].(string)
	}
	first := secret()
	if _, err := webhook.ParseSecret(first); err != nil || strings.Contains(fmt.Sprint(made), first) {
		t.Errorf("got secret %s with error %v, want one that only its own route shows", first, err)
	}
	r.must(403, reader, "GET", path, "")
	second := rotate()
	if second == first || secret() != second {
		t.Errorf("rotated: got %s and then %s, want another secret", second, secret())
	}
	served, err := r.stores.Webhooks.Endpoint(r.Context(), tenant, id)
	until := r.clock.Now().Add(24 * time.Hour)
	if err != nil || served.Endpoint.Previous != first || !served.Endpoint.PreviousUntil.Equal(until) {
		t.Errorf("got %s until %v and error %v, want the first secret until %v", served.Endpoint.Previous, served.Endpoint.PreviousUntil, err, until)
	}
	r.clock.Move(9 * time.Minute)
	if again := rotate("X-Stainless-Retry-Count", "1"); again != second {
		t.Errorf("a second try: got %s, want %s again", again, second)
	}
	r.clock.Move(2 * time.Minute)
	if again := rotate("X-Stainless-Retry-Count", "1"); again == second || again != secret() {
		t.Errorf("a second try much later: got %s, want a new secret", again)
	}
}

func TestWebhookDeliveries(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		r := newRig(t, open(t), rigOptions{})
		key := r.business("Shop").TestKey
		customer := r.customer(key, "jane")
		id, first := r.webhook(key, customer)
		path := "/webhooks/" + id
		for range 4 {
			r.must(200, key, "POST", entriesOf(customer), `{"amount":1,"currency":"USD","entry_type":"credit"}`)
		}
		r.must(200, key, "PATCH", path, `{}`)
		var events []string
		for cursor := ""; ; {
			page := r.must(200, key, "GET", path+"/deliveries?page_size=2"+cursor, "")
			for _, item := range page["items"].([]any) {
				events = append(events, item.(map[string]any)["event_id"].(string))
			}
			next, more := page["next_cursor"].(string)
			if !more {
				break
			}
			cursor = "&cursor=" + next
		}
		slices.Reverse(events)
		feed := r.must(200, key, "GET", "/events?page_size=100&types=wallet.credited", "")["items"].([]any)
		var want []string
		for _, event := range feed {
			want = append(want, event.(map[string]any)["id"].(string))
		}
		if !slices.Equal(events, want) || events[0] != first {
			t.Errorf("got %v, want the events %v, newest first", events, want)
		}
		r.tryDelivery(key, id, first)
		r.must(200, key, "POST", path+"/deliveries/"+first+"/resend", "")
		item := r.oldestOf(key, id, "pending")
		if item["event_id"] != first || item["tries"] != json.Number("0") || item["next_attempt_at"] == nil {
			t.Errorf("sent again: got %v, want it pending with no tries", item)
		}
		count := r.must(200, key, "POST", path+"/replay", `{"since":"2026-03-01T12:00:00Z"}`)["count"]
		none := r.must(200, key, "POST", path+"/replay", `{"since":"2026-03-02T12:00:00Z"}`)["count"]
		if count != json.Number("5") || none != json.Number("0") {
			t.Errorf("replayed: got %v and %v, want 5 and 0", count, none)
		}
	})
}

// tryDelivery has an attempt fail for good, and looks at how it is shown.
func (r *rig) tryDelivery(key, id, event string) {
	r.Helper()
	due, err := r.stores.Webhooks.Due(r.Context(), id, webhook.Due{At: r.clock.Now(), Limit: 10})
	if err != nil || len(due) != 5 {
		r.Fatalf("due: got %d and error %v, want 5", len(due), err)
	}
	_, _, feed := r.do(key, "GET", "/events?page_size=100", "")
	for _, delivery := range due {
		if body := string(delivery.Body); len(body) < 100 || !strings.Contains(string(feed), body) {
			r.Errorf("got body %s, want the event as the feed has it: %s", body, feed)
		}
	}
	at := r.clock.Now().UTC()
	result := webhook.Result{No: due[0].No, State: webhook.Failed, DueAt: at, Attempts: []webhook.Attempt{
		{At: at, Took: 1500 * time.Millisecond, Outcome: webhook.Unreachable, Detail: "no connection"},
		{At: at, Took: time.Second, Outcome: webhook.Gone, Status: 410, Answer: "gone", RetryAfter: time.Minute},
	}}
	if err := r.stores.Webhooks.Record(r.Context(), id, []webhook.Result{result}); err != nil {
		r.Fatalf("record: got error %v, want none", err)
	}
	got := r.oldestOf(key, id, "failed")
	want := map[string]any{
		"event_id": event, "type": "wallet.credited", "status": "failed", "tries": json.Number("1"), "next_attempt_at": nil,
		"queued_at": at.Format("2006-01-02T15:04:05.000000Z"),
		"attempts": []any{
			map[string]any{
				"at": at.Format("2006-01-02T15:04:05.000000Z"), "took_ms": json.Number("1500"), "outcome": "unreachable",
				"http_status": nil, "retry_after_seconds": nil, "answer": nil, "detail": "no connection",
			},
			map[string]any{
				"at": at.Format("2006-01-02T15:04:05.000000Z"), "took_ms": json.Number("1000"), "outcome": "gone",
				"http_status": json.Number("410"), "retry_after_seconds": json.Number("60"), "answer": "gone", "detail": nil,
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.Errorf("a delivery that failed (-want +got):\n%s", diff)
	}
}

// oldestOf returns the oldest delivery of a status, as the list shows it.
func (r *rig) oldestOf(key, id, status string) map[string]any {
	r.Helper()
	items := r.must(200, key, "GET", "/webhooks/"+id+"/deliveries?status="+status, "")["items"].([]any)
	if len(items) == 0 {
		r.Fatalf("got no delivery that is %s, want one", status)
	}
	return items[len(items)-1].(map[string]any)
}
