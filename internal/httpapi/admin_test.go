package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// admin is a function that asks the admin handler beside a house's API.
func (h *house) admin() func(request) reply {
	h.Helper()
	handler, err := httpapi.NewAdmin(httpapi.Config{Directory: h.directory, Now: h.clock.Now, BootID: "boot", Version: "1.2.3"})
	if err != nil {
		h.Fatalf("make the admin handler: got error %v, want none", err)
	}
	return func(r request) reply {
		r.key = "-"
		return sendTo(handler, r, "")
	}
}

func TestAdminBusinesses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.admin()
	h.clock.Move(time.Second)
	made := admin(request{method: "POST", path: "/admin/businesses", body: `{"name":"Blue \"B\" Ltd"}`}).want(t, http.StatusOK)
	for member, prefix := range map[string]string{"test_key": "bf_test_", "live_key": "bf_live_", "business_id": "bus_"} {
		if text, _ := made[member].(string); !strings.HasPrefix(text, prefix) {
			t.Errorf("got %s %v, want it to begin with %s", member, made[member], prefix)
		}
	}
	got := h.send(request{method: "GET", path: "/business", key: made["live_key"].(string)}).want(t, http.StatusOK)
	if got["name"] != `Blue "B" Ltd` || got["mode"] != "live" || got["business_id"] != made["business_id"] {
		t.Errorf("got %v, want the business in live mode", got)
	}
	listed := admin(request{method: "GET", path: "/admin/businesses"})
	if items := listed.want(t, http.StatusOK).items(); len(items) != 2 || items[1]["business_id"] != made["business_id"] {
		t.Errorf("got %v, want both businesses", items)
	}
	if strings.Contains(listed.body, "bf_") {
		t.Errorf("got %s, want no keys in it", listed.body)
	}
	for body, code := range map[string]ledger.Code{
		`{}`: "MISSING_FIELD", `{"name":" "}`: "INVALID_NAME", `{"name":1}`: "INVALID_REQUEST_BODY", `{"nome":"x"}`: "UNKNOWN_FIELD", ``: "INVALID_REQUEST_BODY",
	} {
		admin(request{method: "POST", path: "/admin/businesses", body: body}).refused(t, http.StatusUnprocessableEntity, code)
	}
}

func TestAdminKeys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.admin()
	other := h.newBusiness("Other")
	id := h.business.Business.ID
	h.clock.Move(time.Second)
	made := admin(request{method: "POST", path: "/admin/keys",
		body: `{"business_id":"` + id + `","mode":"test","name":"reports","scope":"read","expires_at":"2026-03-02T00:00:00+00:00"}`}).want(t, http.StatusOK)
	text, _ := made["key"].(string)
	if made["hint"] != "bf_test_…"+text[len(text)-4:] || made["expires_at"] != "2026-03-02T00:00:00.000000Z" || made["revoked_at"] != nil {
		t.Errorf("got %v, want the key with its hint and expiry", made)
	}
	h.send(request{method: "GET", path: "/customers", key: text}).want(t, http.StatusOK)
	h.send(request{method: "POST", path: "/customers", key: text, body: `{"email":"a@example.com","name":"a"}`}).
		refused(t, http.StatusForbidden, "FORBIDDEN")

	listed := admin(request{method: "GET", path: "/admin/keys?business_id=" + id})
	items := listed.want(t, http.StatusOK).items()
	if len(items) != 3 || items[0]["key_id"] != made["key_id"] || strings.Contains(listed.body, other.Business.ID) {
		t.Errorf("got %s, want the 3 keys of the business, newest first", listed.body)
	}
	if strings.Contains(listed.body, text) || strings.Contains(listed.body, text[8:40]) {
		t.Errorf("got %s, want no secret in it", listed.body)
	}
	if all := admin(request{method: "GET", path: "/admin/keys"}).want(t, http.StatusOK).items(); len(all) != 5 {
		t.Errorf("got %d keys of all businesses, want 5", len(all))
	}
	revoke := request{method: "POST", path: "/admin/keys/" + made["key_id"].(string) + "/revoke"}
	if got := admin(revoke).want(t, http.StatusOK); got["revoked_at"] != "2026-03-01T12:00:01.000000Z" || got["key"] != nil {
		t.Errorf("got %v, want it revoked now and no secret", got)
	}
	h.send(request{method: "GET", path: "/customers", key: text}).refused(t, http.StatusUnauthorized, "UNAUTHORIZED")
	admin(revoke).want(t, http.StatusOK)
}

func TestAdminRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.admin()
	id := h.business.Business.ID
	key := func(business, mode, scope, rest string) request {
		return request{method: "POST", path: "/admin/keys",
			body: `{"business_id":"` + business + `","mode":"` + mode + `","name":"n","scope":"` + scope + `"` + rest + `}`}
	}
	for name, c := range map[string]struct {
		r      request
		status int
		code   ledger.Code
	}{
		"mode":             {key(id, "prod", "read", ""), 422, "INVALID_SETTINGS"},
		"scope":            {key(id, "test", "all", ""), 422, "INVALID_SETTINGS"},
		"unknown business": {key("bus_unknown_1", "test", "read", ""), 404, "NOT_FOUND"},
		"past expiry":      {key(id, "test", "read", `,"expires_at":"2026-03-01T12:00:00Z"`), 422, "INVALID_EXPIRY"},
		"the first moment": {key(id, "test", "read", `,"expires_at":"0001-01-01T00:00:00Z"`), 422, "INVALID_EXPIRY"},
		"no time":          {key(id, "test", "read", `,"expires_at":"soon"`), 422, "INVALID_EXPIRY"},
		"expiry by number": {key(id, "test", "read", `,"expires_at":1`), 422, "INVALID_REQUEST_BODY"},
		"unknown field":    {key(id, "test", "read", `,"hash":"x"`), 422, "UNKNOWN_FIELD"},
		"keys of nobody":   {request{method: "GET", path: "/admin/keys?business_id=bus_unknown_1"}, 404, "NOT_FOUND"},
		"revoke nothing":   {request{method: "POST", path: "/admin/keys/key_unknown_1/revoke"}, 404, "NOT_FOUND"},
		"query":            {request{method: "GET", path: "/admin/status?x=1"}, 422, "INVALID_QUERY_PARAMS"},
		"path":             {request{method: "GET", path: "/admin"}, 404, "NOT_FOUND"},
		"method":           {request{method: "DELETE", path: "/admin/keys"}, 405, "METHOD_NOT_ALLOWED"},
		"the API":          {request{method: "GET", path: "/customers"}, 404, "NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) { admin(c.r).refused(t, c.status, c.code) })
	}
}

func TestAdminStatus(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.admin()
	h.clock.Move(90 * time.Second)
	want := `{"status":"ok","boot_id":"boot","version":"1.2.3","started_at":"2026-03-01T12:00:00.000000Z","uptime_seconds":90}`
	if got := admin(request{method: "GET", path: "/admin/status"}).body; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSettingsOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	reader := h.newKey("reader", access.Read)
	h.send(request{method: "GET", path: "/business", key: reader}).want(t, http.StatusOK)
	h.send(request{method: "PATCH", path: "/business", key: reader, body: `{}`}).refused(t, http.StatusForbidden, "FORBIDDEN")
	for body, code := range map[string]ledger.Code{
		`{"enabled_currencies":[]}`:            "INVALID_SETTINGS",
		`{"enabled_currencies":["USD","USD"]}`: "INVALID_SETTINGS",
		`{"enabled_currencies":["usd"]}`:       "UNSUPPORTED_CURRENCY",
		`{"enabled_currencies":[1]}`:           "INVALID_REQUEST_BODY",
		`{"enabled_currencies":[null]}`:        "INVALID_REQUEST_BODY",
		`{"enabled_currencies":{}}`:            "INVALID_REQUEST_BODY",
		`{"enabled_currencies":"USD"}`:         "INVALID_REQUEST_BODY",
		`{"usd_rates":[]}`:                     "INVALID_REQUEST_BODY",
		`{"usd_rates":{"INR":0.0119}}`:         "INVALID_REQUEST_BODY",
		`{"usd_rates":{"INR":"x"}}`:            "INVALID_SETTINGS",
		`{"usd_rates":{"inr":"1"}}`:            "UNSUPPORTED_CURRENCY",
		`{"usd_rates":{"INR":"1","INR":"1"}}`:  "DUPLICATE_FIELD",
		`{"on_duplicate":"ignore"}`:            "INVALID_SETTINGS",
		`{"on_duplicate":1}`:                   "INVALID_REQUEST_BODY",
		`{"name":"x"}`:                         "UNKNOWN_FIELD",
		`{"mode":"live"}`:                      "UNKNOWN_FIELD",
	} {
		h.send(request{method: "PATCH", path: "/business", body: body}).refused(t, http.StatusUnprocessableEntity, code)
	}
	got := h.send(request{method: "PATCH", path: "/business", body: `{"enabled_currencies":null,"usd_rates":null,"on_duplicate":null,"reversal_grace_seconds":null,"credit_reversal":null,"expiry_notice_days":null,"below_card_minimum":null,"payment_method_wait_hours":null,"payment_retry_hours":null,"refund_window_days":null,"top_up_limits":null}`})
	if !strings.Contains(got.body, `"enabled_currencies":["INR","USD"],"usd_rates":{},"on_duplicate":"conflict"`) {
		t.Errorf("got %s, want nothing changed", got.body)
	}
}
