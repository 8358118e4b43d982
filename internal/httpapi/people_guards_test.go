package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// dashboardRoles is who is let in to the dashboard's own routes, written down once more: o is
// the owner, a the admin, s support, f finance, r read_only, and v whoever is not signed in.
var dashboardRoles = map[string]string{
	"GET /session":                        "oasfr",
	"POST /session":                       "oasfrv",
	"DELETE /session":                     "oasfrv",
	"POST /invitation":                    "oasfrv",
	"POST /join":                          "oasfrv",
	"GET /team":                           "oasfr",
	"PATCH /team/{user_id}":               "oa",
	"DELETE /team/{user_id}":              "oa",
	"GET /invitations":                    "oasfr",
	"POST /invitations":                   "oa",
	"DELETE /invitations/{invitation_id}": "oa",
	"POST /user/password":                 "oasfr",
	"POST /user/second-factor":            "oasfr",
	"POST /user/second-factor/confirm":    "oasfr",
	"POST /user/second-factor/remove":     "oasfr",
	"GET /sessions":                       "oasfr",
	"DELETE /sessions":                    "oasfr",
	"DELETE /sessions/{session_id}":       "oasfr",
}

// foreignHeaders are what another website can have a browser send: none of it counts. What is
// no JSON is refused for that already.
var foreignHeaders = map[string]map[string]string{
	"a form":               {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"},
	"a form with a file":   {"Content-Type": "multipart/form-data; boundary=x"},
	"a plain text":         {"Content-Type": "text/plain"},
	"JSON":                 {"Content-Type": "application/json"},
	"an old browser":       {"Origin": "https://evil.example", "Content-Type": "application/json"},
	"a sibling":            {"Billfold-Dashboard": "1", "Sec-Fetch-Site": "same-site", "Origin": "http://evil.billfold.test"},
	"a link":               {"Billfold-Dashboard": "1", "Sec-Fetch-Site": "none"},
	"a page with two":      {"Billfold-Dashboard": "1, 1", "Sec-Fetch-Site": "same-origin"},
	"a sandbox":            {"Billfold-Dashboard": "1", "Origin": "null"},
	"another port":         {"Billfold-Dashboard": "1", "Origin": "http://billfold.test:8081"},
	"a host that looks it": {"Billfold-Dashboard": "1", "Origin": "http://billfold.test.evil.example"},
	"a user of the host":   {"Billfold-Dashboard": "1", "Origin": "http://billfold.test@evil.example"},
}

// guarded is an office with a member of each role, by the letter of the role.
type guarded struct {
	*office
	cookies map[string]string
	knocks  int
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{office: newOffice(t), cookies: map[string]string{"v": ""}}
	for _, role := range people.Roles() {
		g.cookies[string(role[0])] = g.join(role, g.bus()).cookie
	}
	return g
}

// knock asks a route for nothing that it would do: what is let in is told that something is
// missing, or that there is no such thing.
func (g *guarded) knock(front http.Handler, route httpapi.Route, cookie string, headers map[string]string) reply {
	g.Helper()
	g.knocks++
	all := map[string]string{"Billfold-Mode": "test"}
	for name, value := range headers {
		all[name] = value
	}
	if cookie != "" {
		all["Cookie"] = cookie
	}
	body := ""
	if route.Method != http.MethodGet && route.Method != http.MethodDelete {
		body = `{}`
	}
	return sendTo(front, request{
		method: route.Method, path: absent(route.Pattern), body: body, key: "-", headers: all,
		remote: fmt.Sprintf("10.%d.%d.1:1", g.knocks/250, g.knocks%250),
	}, "")
}

// absent is the path of a route with ids that nothing has.
func absent(pattern string) string {
	return noObjects.Replace(strings.NewReplacer("{user_id}", "usr_0Tn2lqUn000000bB9wXcP", "{invitation_id}", "ivt_0Tn2lqUn000000bB9wXcP",
		"{session_id}", "ses_0Tn2lqUn000000bB9wXcP").Replace(pattern))
}

var fromHere = map[string]string{"Billfold-Dashboard": "1", "Sec-Fetch-Site": "same-origin"}

// complaints are what is wrong with who is let in to a route.
func (g *guarded) complaints(front http.Handler, route httpapi.Route) (complaints []string) {
	g.Helper()
	name := route.Method + " " + route.Pattern
	want := dashboardRoles[route.Method+" "+strings.TrimPrefix(route.Pattern, dashboard)]
	if want == "" {
		return []string{name + ": nobody is written down for it"}
	}
	for letter, cookie := range g.cookies {
		if name == "DELETE "+dashboard+"/session" {
			cookie = "" // it would do it
		}
		got := g.knock(front, route, cookie, fromHere)
		refused := got.status == http.StatusForbidden || got.status == http.StatusUnauthorized
		if refused == strings.Contains(want, letter) || got.status >= 500 {
			complaints = append(complaints, fmt.Sprintf("%s as %q: got %d with %s", name, letter, got.status, got.body))
		}
		if letter == "v" && refused && got.status != http.StatusUnauthorized {
			complaints = append(complaints, fmt.Sprintf("%s by nobody: got %d, want 401", name, got.status))
		}
	}
	cookie := g.cookies["o"]
	if name == "DELETE "+dashboard+"/session" {
		cookie = g.join(people.Owner, g.bus()).cookie // a mistake would end it
	}
	for from, headers := range foreignHeaders {
		got := g.knock(front, route, cookie, headers)
		if (got.status != 403 && got.status != 415) || len(got.header["Set-Cookie"]) > 0 {
			complaints = append(complaints, fmt.Sprintf("%s from %s: got %d with %s, want 403", name, from, got.status, got.body))
		}
	}
	return complaints
}

// TestDashboardGuards asks each of the dashboard's own routes as every role, as nobody and as
// another website. Then it leaves the check of the role, of the origin and of the session out,
// in front of one route at a time, and wants that to be noticed.
func TestDashboardGuards(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	routes := httpapi.DashboardRoutes()
	if len(routes) != len(dashboardRoles) {
		t.Errorf("got %d routes, want %d", len(routes), len(dashboardRoles))
	}
	for _, route := range routes {
		for _, complaint := range g.complaints(g.api, route) {
			t.Error(complaint)
		}
		for mistake, header := range map[string]http.Header{
			"no role is looked at":   {"Cookie": {g.cookies["o"]}},
			"no origin is looked at": {"Billfold-Dashboard": {"1"}, "Sec-Fetch-Site": {"same-origin"}, "Origin": nil},
		} {
			want := dashboardRoles[route.Method+" "+strings.TrimPrefix(route.Pattern, dashboard)]
			if mistake == "no role is looked at" && strings.Contains(want, "v") {
				continue // there is none
			}
			front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name, values := range header {
					r.Header[name] = values
				}
				g.api.ServeHTTP(w, r)
			})
			if len(g.complaints(front, route)) == 0 {
				t.Errorf("%s %s: %s, and nothing is noticed", route.Method, route.Pattern, mistake)
			}
		}
	}
}

// Whatever another website has a browser send to a route of the API counts as sent by nobody,
// whatever the cookie says.
func TestOtherSitesReachNoRoute(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	for _, route := range httpapi.Routes() {
		if route.Public || route.Customer {
			continue
		}
		for from, headers := range foreignHeaders {
			if got := g.knock(g.api, route, g.cookies["o"], headers); got.status != 401 && got.status != 415 {
				t.Errorf("%s %s from %s: got %d with %s, want 401", route.Method, route.Pattern, from, got.status, got.body)
			}
		}
	}
}

// TestTeamsAreApart asks about the users, sessions and invitations of another business: each
// answer is that of an id that nothing has, and nothing has happened.
func TestTeamsAreApart(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	zeta := o.newBusiness("Zeta").Business.ID
	mine, theirs := o.join(people.Owner, o.bus()), o.join(people.Owner, zeta)
	member := o.join(people.Support, zeta)
	made := theirs.ask("POST", dashboard+"/invitations", text("role", "admin")).want(t, 200)
	for _, each := range []struct{ method, path, body, id, none string }{
		{"PATCH", "/team/", text("role", "read_only"), member.id(), "usr_0Tn2lqUn000000bB9wXcP"},
		{"DELETE", "/team/", "", member.id(), "usr_0Tn2lqUn000000bB9wXcP"},
		{"DELETE", "/invitations/", "", made["invitation_id"].(string), "ivt_0Tn2lqUn000000bB9wXcP"},
		{"DELETE", "/sessions/", "", member.session()["session_id"].(string), "ses_0Tn2lqUn000000bB9wXcP"},
	} {
		got := mine.ask(each.method, dashboard+each.path+each.id, each.body)
		want := mine.ask(each.method, dashboard+each.path+each.none, each.body)
		same := got.status == want.status && (got.status == 200 || messageOf(t, got) == messageOf(t, want))
		if !same {
			t.Errorf("%s %s of another business: got %d with %s, want %d with %s as of nobody",
				each.method, each.path, got.status, got.body, want.status, want.body)
		}
		named := mine.with("Billfold-Business", zeta)
		if each.path != "/sessions/" {
			named.ask(each.method, dashboard+each.path+each.id, each.body).refused(t, 401, "UNAUTHORIZED")
		}
	}
	for _, path := range []string{"/team", "/invitations", "/sessions", "/session"} {
		got := mine.ask("GET", dashboard+path, "")
		for _, other := range []string{member.id(), theirs.id(), theirs.email(), made["invitation_id"].(string), zeta} {
			if strings.Contains(got.body, other) {
				t.Errorf("GET %s: got %s, which tells of the other business", path, got.body)
			}
		}
	}
	member.session()
	_, token, _ := strings.Cut(made["link"].(string), "#")
	o.browser().ask("POST", dashboard+"/invitation", text("token", token)).want(t, 200)
	if got := len(theirs.ask("GET", dashboard+"/team", "").want(t, 200).items()); got != 2 {
		t.Errorf("the other team: got %d users, want 2", got)
	}
}

// Whatever stands in X-Forwarded-For changes nothing where no proxy is trusted: the tries are
// those of the peer.
func TestForwardedAddressesAreNotBelieved(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	email := o.join(people.Owner, o.bus()).email()
	b := o.browser()
	tries := 0
	for n := range 12 {
		spoofed := b.with("X-Forwarded-For", fmt.Sprintf("203.%d.113.1", n)).with("Forwarded", fmt.Sprintf("for=203.%d.113.1", n)).
			with("X-Real-Ip", fmt.Sprintf("203.%d.113.1", n)).with("Cf-Connecting-Ip", fmt.Sprintf("203.%d.113.1", n))
		if spoofed.ask("POST", dashboard+"/session", text("email", email, "password", "a wrong password")).status == 401 {
			tries++
		}
	}
	if tries != 5 {
		t.Errorf("got %d passwords looked at, want 5", tries)
	}
}

// Each change that a person makes is told with their id: in the entry, and in the line that
// was written with the change.
func TestWhatPersonsDoIsTold(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	id, live, expires := b.id(), b.with("Billfold-Mode", "live"), o.clock.Now().Add(time.Hour).Format(time.RFC3339)
	customer := live.ask("POST", "/customers", `{"email":"jane@example.com","name":"Jane"}`).want(t, 200)["customer_id"].(string)
	live.ask("PATCH", "/customers/"+customer, `{"name":"Jo"}`).want(t, 200)
	live.ask("POST", "/customers/"+customer+"/freeze", `{"scope":"debits","reason":"Fraud"}`).want(t, 200)
	live.ask("POST", "/customers/"+customer+"/unfreeze", `{"reason":"None"}`).want(t, 200)
	live.ask("PUT", "/customers/"+customer+"/wallets/USD/alerts", `{"thresholds":[{"below":5,"recover_at":9}]}`).want(t, 200)
	live.ask("POST", entriesPath(customer), `{"amount":500,"currency":"USD","entry_type":"credit","idempotency_key":"a"}`).want(t, 200)
	live.ask("POST", "/customers/"+customer+"/wallets/holds", `{"amount":5,"currency":"USD","expires_at":"`+expires+`"}`).want(t, 200)
	live.ask("PATCH", "/business", `{"on_duplicate":"replay"}`).want(t, 200)
	live.ask("PATCH", "/business", `{"on_duplicate":"conflict"}`).want(t, 200)
	made := b.ask("POST", dashboard+"/invitations", text("role", "admin")).want(t, 200)["invitation_id"].(string)
	b.ask("DELETE", dashboard+"/invitations/"+made, "").want200(t)
	other := o.join(people.Support, o.bus())
	b.ask("PATCH", dashboard+"/team/"+other.id(), text("role", "finance")).want(t, 200)
	b.ask("DELETE", dashboard+"/team/"+other.id(), "").want200(t)
	b.ask("POST", dashboard+"/user/password", text("password", password, "new_password", "another horse battery")).want200(t)

	var told []string
	for path, count := range map[string]int{"/customers/" + customer + "/audit": 4, "/business/audit": 7} {
		lines := live.ask("GET", path, "").want(t, 200).items()
		if len(lines) < count {
			t.Errorf("%s: got %d lines, want %d or more", path, len(lines), count)
		}
		for _, line := range lines {
			if line["key_id"] == id {
				told = append(told, line["action"].(string))
			}
		}
	}
	slices.Sort(told)
	want := []string{
		"customer.alerts", "customer.freeze", "customer.unfreeze", "customer.update", "settings.update", "settings.update", "team.invite",
		"team.join", "team.leave", "team.password", "team.role", "team.withdraw",
	}
	if !slices.Equal(told, want) {
		t.Errorf("lines of the user: got %v, want %v", told, want)
	}
	tenant := ledger.Tenant{BusinessID: o.bus(), Mode: ledger.Live}
	entries, err := o.model.Entries(t.Context(), tenant, customer, ledger.EntryFilter{}, ledger.Page{Limit: 9})
	if err != nil || len(entries.Entries) != 1 || entries.Entries[0].CreatedBy != id {
		t.Errorf("entries: got %v (error %v), want one by %s", entries.Entries, err, id)
	}
}
