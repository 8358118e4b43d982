package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/apitest"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// mayChange is the table of roles, written down once more: which of them may ask for an
// operation that changes something. O is the owner, a the admin, s support, f finance, r
// read_only.
var mayChange = map[string]string{
	"POST /customers":                                       "oas",
	"PATCH /customers/{customer_id}":                        "oas",
	"POST /customers/{customer_id}/freeze":                  "oas",
	"POST /customers/{customer_id}/unfreeze":                "oas",
	"POST /customers/{customer_id}/payment-methods":         "oas",
	"POST /refunds":                                         "oasf",
	"POST /invoices/{invoice_id}/void":                      "oasf",
	"POST /ledger-entries/bulk":                             "oas",
	"PATCH /business":                                       "oa",
	"PUT /business/processor":                               "oa",
	"DELETE /business/processor":                            "oa",
	"GET /webhooks/{webhook_id}/secret":                     "oa",
	"POST /customers/{customer_id}/wallets/top-ups":         "oas",
	"POST /customers/{customer_id}/wallets/holds":           "oas",
	"POST /customers/{customer_id}/customer-portal/session": "oas",
}

// mayChangeBelow is what goes for all operations below a path that change something and
// are not in the table.
var mayChangeBelow = map[string]string{
	"/customers/": "oas", "/payments": "oas", "/subscriptions": "oas",
	"/webhooks": "oa", "/products": "oa", "/test-clocks": "oa",
}

func wantedRoles(t *testing.T, operation *apitest.Operation, route httpapi.Route) string {
	t.Helper()
	name := route.Method + " " + route.Pattern
	if roles := mayChange[name]; roles != "" {
		return roles
	}
	if route.Method == http.MethodGet {
		return "oasfr"
	}
	for path, roles := range mayChangeBelow {
		if strings.HasPrefix(route.Pattern, path) {
			return roles
		}
	}
	t.Errorf("%s (%s): no role is written down for it", name, operation.ID)
	return ""
}

// TestRolesAndOperations asks every operation of the document as every role: who may not
// is refused before anything is looked at, who may is not.
func TestRolesAndOperations(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	routes := map[string]httpapi.Route{}
	for _, route := range httpapi.Routes() {
		routes[route.Method+" "+route.Pattern] = route
	}
	browsers := map[people.Role]*browser{}
	for _, role := range people.Roles() {
		browsers[role] = o.join(role, o.bus())
	}
	cells := 0
	for _, operation := range apitest.Billfold(t).Operations() {
		route := routes[operation.Method+" "+operation.Path]
		if route.Public || route.Customer {
			continue
		}
		want := wantedRoles(t, operation, route)
		for role, b := range browsers {
			cells++
			body := ""
			if operation.Method != http.MethodGet && operation.Method != http.MethodDelete {
				body = `{}`
			}
			path := noObjects.Replace(operation.Path) + requiredQuery(operation.Method+" "+operation.Path)
			got := b.ask(operation.Method, path, body)
			letter := string(role[0])
			if allowed := got.status != http.StatusForbidden; allowed != strings.Contains(want, letter) {
				t.Errorf("%s as %s: got %d with %s, want it let in: %t", operation.ID, role, got.status, got.body, !allowed)
			}
			if got.status == http.StatusUnauthorized || got.status >= 500 {
				t.Errorf("%s as %s: got %d with %s", operation.ID, role, got.status, got.body)
			}
		}
	}
	if cells < 400 {
		t.Errorf("got %d cells, want 400 or more", cells)
	}
}

// noObjects puts ids into paths that nothing has.
var noObjects = strings.NewReplacer("{customer_id}", "cus_0Tn2lqUn4HhzK1bB9wXcP", "{entry_id}", "cwt_0Tn2lqUn000000bB9wXcP",
	"{transfer_id}", "trf_0Tn2lqUn000000bB9wXcP", "{hold_id}", "hld_0Tn2lqUn000000bB9wXcP", "{id}", "pdt_0Tn2lqUn000000bB9wXcP",
	"{webhook_id}", "whk_0Tn2lqUn000000bB9wXcP", "{event_id}", "evt_cwt_0Tn2lqUn000000bB9wXcP", "{currency}", "USD",
	"{lot_seq}", "1", "{dispute_id}", "dsp_0Tn2lqUn000000bB9wXcP", "{payment_method_id}", "pm_0Tn2lqUn000000bB9wXcP", "{payment_id}", "pay_0Tn2lqUn000000bB9wXcP",
	"{invoice_id}", "inv_0Tn2lqUn000000bB9wXcP", "{refund_id}", "ref_0Tn2lqUn000000bB9wXcP",
	"{subscription_id}", "sub_0Tn2lqUn000000bB9wXcP", "{test_clock_id}", "clk_0Tn2lqUn000000bB9wXcP")

// TestPersonsSeeTheirBusinessAlone asks every route about the objects of another business,
// as its visitors by cookie (law N1).
func TestPersonsSeeTheirBusinessAlone(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	theirs := o.newNeighbour(func(b access.CreatedBusiness) string { return b.TestKey })
	owner := o.join(people.Owner, o.bus())
	both := o.join(people.Owner, o.bus())
	token, _, err := o.desk.Invite(t.Context(), nil, ledger.Actor{}, theirs.business.Business.ID, "", people.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	email := both.session()["user"].(map[string]any)["email"].(string)
	both.ask("POST", dashboard+"/join", text("token", token, "email", email, "password", password, "name", "Zoë")).want(t, 200)
	left := o.join(people.Owner, theirs.business.Business.ID)
	left.ask("DELETE", dashboard+"/session", "").want200(t)
	stay := theirs.business.Business.ID
	visitors := map[string]*browser{
		"another business":             owner,
		"one who names the business":   owner.with("Billfold-Business", stay),
		"one in both, in the other":    both.with("Billfold-Business", o.bus()),
		"one in both, who names none":  both,
		"one in both, in live mode":    both.with("Billfold-Business", stay).with("Billfold-Mode", "live"),
		"one who is signed out":        left,
		"one who names two businesses": owner.with("Billfold-Business", o.bus()+","+stay),
	}
	refused := []string{"one who names the business", "one in both, who names none", "one who is signed out", "one who names two businesses"}
	cells := 0
	for _, route := range httpapi.Routes() {
		if route.Public || route.Customer {
			continue
		}
		path := strings.NewReplacer("{customer_id}", theirs.customer, "{entry_id}", theirs.entry, "{transfer_id}", theirs.transfer,
			"{hold_id}", theirs.hold, "{id}", theirs.product, "{webhook_id}", theirs.webhook, "{event_id}", theirs.event,
			"{currency}", "USD", "{lot_seq}", "1", "{payment_method_id}", theirs.method, "{payment_id}", theirs.payment,
			"{invoice_id}", "inv_"+strings.TrimPrefix(theirs.payment, "pay_"), "{refund_id}", theirs.refund, "{dispute_id}", "dsp_0Tn2lqUn000000bB9wXcP",
			"{subscription_id}", theirs.subscription).Replace(route.Pattern)
		path = noObjects.Replace(path)
		for name, b := range visitors {
			cells++
			b.remote = fmt.Sprintf("203.0.113.%d:1", cells%250)
			body := strings.NewReplacer("{customer_id}", theirs.customer, "{payment_id}", theirs.payment).
				Replace(acceptedBodies[route.Method+" "+route.Pattern])
			got := b.ask(route.Method, path+requiredQuery(route.Method+" "+route.Pattern), body)
			if strings.Contains(got.body, canary) || strings.Contains(got.body, "4711") {
				t.Errorf("%s %s by %s: got %s, which tells of the other business", route.Method, route.Pattern, name, got.body)
			}
			hidden := path != noObjects.Replace(route.Pattern)
			switch {
			case slices.Contains(refused, name) && got.status != 401,
				!slices.Contains(refused, name) && hidden && got.status != 404 && got.status != 403:
				t.Errorf("%s %s by %s: got %d with %s", route.Method, route.Pattern, name, got.status, got.body)
			}
		}
	}
	if cells < 500 {
		t.Errorf("got %d cells, want 500 or more", cells)
	}
	// And where they may look, they look, and change nothing.
	look := both.with("Billfold-Business", stay)
	look.ask("GET", "/customers/"+theirs.customer, "").want(t, 200)
	look.ask("PATCH", "/customers/"+theirs.customer, `{"name":"M"}`).refused(t, 403, "FORBIDDEN")
	for _, path := range []string{"/team", "/invitations"} {
		owner.with("Billfold-Business", stay).ask("GET", dashboard+path, "").refused(t, 401, "UNAUTHORIZED")
	}
}
