package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"github.com/billfold/billfold/internal/apitest"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/vault"
)

const dashboard = "/dashboard/api"

// office is a house in which people sign in. What it answers is checked against the
// contract.
type office struct {
	*house
	desk     *people.Desk
	contract *apitest.Contract
	callers  int
}

func newOffice(t *testing.T, change ...func(*httpapi.Config)) *office {
	t.Helper()
	sealing, err := vault.New([]byte("a secret of the tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{contract: apitest.Billfold(t)}
	o.house = newHouse(t, append([]func(*httpapi.Config){func(c *httpapi.Config) {
		o.desk = people.NewDesk(c.Products.(people.Store), sealing, people.Options{Now: c.Now})
		c.People = o.desk
	}}, change...)...)
	return o
}

// browser is a browser that keeps the cookie.
type browser struct {
	*office
	cookie  string
	headers map[string]string
	remote  string
}

func (o *office) browser() *browser {
	o.callers++
	return &browser{
		office: o, headers: map[string]string{"Billfold-Dashboard": "1", "Sec-Fetch-Site": "same-origin", "Billfold-Mode": "test"},
		remote: fmt.Sprintf("198.51.%d.%d:1", o.callers/250, o.callers%250),
	}
}

// with is the browser with another header; an empty one is not sent.
func (b *browser) with(name, value string) *browser {
	other := *b
	other.headers = map[string]string{}
	for n, v := range b.headers {
		other.headers[n] = v
	}
	if other.headers[name] = value; value == "" {
		delete(other.headers, name)
	}
	return &other
}

func (b *browser) ask(method, path, body string) reply {
	b.Helper()
	headers := map[string]string{}
	for name, value := range b.headers {
		headers[name] = value
	}
	if b.cookie != "" {
		headers["Cookie"] = b.cookie
	}
	got := b.send(request{method: method, path: path, body: body, key: "-", headers: headers, remote: b.remote})
	for _, cookie := range (&http.Response{Header: got.header}).Cookies() {
		b.cookie = cookie.Name + "=" + cookie.Value
		if cookie.MaxAge < 0 {
			b.cookie = ""
		}
	}
	plain, _, _ := strings.Cut(path, "?")
	if !strings.HasPrefix(path, dashboard) && got.status < 400 {
		return got // which the tests of the API check
	}
	err := b.contract.Check(apitest.Answer{
		Method: method, Path: plain, Status: got.status, Header: got.header, Body: []byte(got.body),
	})
	if err != nil {
		b.Errorf("%s %s: the answer is not of the contract: %v", method, path, err)
	}
	return got
}

const password = "correct horse battery"

// join makes a user with a role, and signs them in.
func (o *office) join(role people.Role, businessID string) *browser {
	o.Helper()
	token, _, err := o.desk.Invite(o.Context(), nil, ledger.Actor{}, businessID, "", role)
	if err != nil {
		o.Fatal(err)
	}
	b := o.browser()
	email := fmt.Sprintf("%s-%d@example.com", role, o.callers)
	b.ask("POST", dashboard+"/join", text("token", token, "email", email, "password", password, "name", "Zoë <b>")).want(o, 200)
	b.signIn(email, password)
	return b
}

func (b *browser) signIn(email, password string) document {
	b.Helper()
	return b.ask("POST", dashboard+"/session", text("email", email, "password", password)).want(b, 200)
}

func (b *browser) id() string { return b.session()["user"].(map[string]any)["user_id"].(string) }

func (b *browser) session() document {
	b.Helper()
	return b.ask("GET", dashboard+"/session", "").want(b, 200)
}

// text is a JSON object of texts.
func text(pairs ...string) string {
	object := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		object[pairs[i]] = pairs[i+1]
	}
	out, _ := json.Marshal(object)
	return string(out)
}

func (o *office) bus() string { return o.business.Business.ID }

// TestDashboardRoutesAreTheContract compares the table of routes with the document.
func TestDashboardRoutesAreTheContract(t *testing.T) {
	t.Parallel()
	var served, documented []string
	for _, route := range httpapi.DashboardRoutes() {
		served = append(served, route.Method+" "+route.Pattern)
		if !route.Person && !route.Visitor {
			t.Errorf("%s %s is for others than persons", route.Method, route.Pattern)
		}
	}
	for _, operation := range apitest.Billfold(t).Dashboard() {
		documented = append(documented, operation.Method+" "+operation.Path)
	}
	slices.Sort(served)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Errorf("routes differ (-document +server):\n%s", diff)
	}
}

func TestAPersonSignsInAndOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	email := b.session()["user"].(map[string]any)["email"].(string)
	customer := b.ask("POST", "/customers", `{"email":"jane@example.com","name":"Jane"}`).want(t, 200)["customer_id"].(string)
	entry := b.ask("POST", entriesPath(customer), `{"amount":5,"currency":"USD","entry_type":"credit"}`).want(t, 200)
	tenant := ledger.Tenant{BusinessID: o.bus(), Mode: ledger.Test}
	entries, err := o.model.Entries(t.Context(), tenant, customer, ledger.EntryFilter{}, ledger.Page{Limit: 1})
	if err != nil || entries.Entries[0].CreatedBy != b.id() {
		t.Errorf("the entry %v: got made by %v (error %v), want %s", entry, entries.Entries, err, b.id())
	}
	b.ask("POST", "/customers/"+customer+"/freeze", `{"scope":"debits","reason":"Fraud"}`).want(t, 200)
	line := b.ask("GET", "/customers/"+customer+"/audit", "").want(t, 200).items()[0]
	if line["key_id"] != b.id() {
		t.Errorf("the line of the freeze: got by %v, want %s", line["key_id"], b.id())
	}
	b.with("Billfold-Mode", "live").ask("GET", "/customers/"+customer, "").refused(t, 404, "NOT_FOUND")
	for _, mode := range []string{"", "Test", "all"} {
		b.with("Billfold-Mode", mode).ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
	}
	before := b.cookie
	wrong := *b
	wrong.ask("POST", dashboard+"/session", text("email", email, "password", password+"!")).refused(t, 401, "UNAUTHORIZED")
	wrong.ask("POST", dashboard+"/session", text("email", "nobody@example.com", "password", password)).refused(t, 401, "UNAUTHORIZED")
	b.signIn(email, password)
	if b.cookie == before {
		t.Error("the session after another sign-in: got the one before, want a new one")
	}
	old := *b
	old.cookie = before
	old.ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
	last := *b
	b.ask("DELETE", dashboard+"/session", "").want200(t)
	last.ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
	b.ask("GET", dashboard+"/session", "").refused(t, 401, "UNAUTHORIZED")
}

// want200 fails the test unless the reply is 200, with whatever body.
func (r reply) want200(t testing.TB) {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("got status %d with %s, want 200", r.status, r.body)
	}
}

// A session that somebody has planted in a browser does not become that of who signs in.
func TestSessionsAreNotFixed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	email := b.session()["user"].(map[string]any)["email"].(string)
	b.cookie = "billfold_session=planted"
	b.signIn(email, password)
	planted := *b
	planted.cookie = "billfold_session=planted"
	planted.ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
	two := *b
	two.cookie = b.cookie + "; billfold_session=planted"
	two.ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
}

func TestCookies(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://wallet.example.com": "__Host-billfold_session=; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Strict",
		"http://127.0.0.1:8080":      "billfold_session=; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict",
	} {
		o := newOffice(t, func(c *httpapi.Config) { c.PublicURL = base })
		b := o.join(people.Support, o.bus())
		email := b.session()["user"].(map[string]any)["email"].(string)
		got := b.ask("POST", dashboard+"/session", text("email", email, "password", password))
		cookie := got.header.Get("Set-Cookie")
		name, rest, _ := strings.Cut(cookie, "=")
		token, rest, _ := strings.Cut(rest, ";")
		if shown := name + "=;" + rest; shown != want || len(token) != 43 {
			t.Errorf("%s: got %s with a token of %d characters, want %s with 43", base, shown, len(token), want)
		}
		b.ask("GET", "/customers", "").want(t, 200)
	}
}

// Whatever another site has a browser send is sent by nobody.
func TestOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	body := `{"email":"jane@example.com","name":"Jane"}`
	strangers := map[string]*browser{
		"no header":      b.with("Billfold-Dashboard", ""),
		"another header": b.with("Billfold-Dashboard", "0"),
		"cross-site":     b.with("Sec-Fetch-Site", "cross-site"),
		"same-site":      b.with("Sec-Fetch-Site", "same-site"),
		"typed":          b.with("Sec-Fetch-Site", "none"),
		"another origin": b.with("Sec-Fetch-Site", "").with("Origin", "https://evil.example"),
		"no origin":      b.with("Sec-Fetch-Site", "").with("Origin", "null"),
	}
	for name, stranger := range strangers {
		for method, path := range map[string]string{"POST": "/customers", "GET": "/customers", "PATCH": "/business"} {
			if got := stranger.ask(method, path, map[string]string{"POST": body, "PATCH": `{}`}[method]); got.status != 401 {
				t.Errorf("%s: %s %s: got %d with %s, want 401", name, method, path, got.status, got.body)
			}
		}
		for _, path := range []string{"/session", "/join", "/invitations", "/user/password", "/invitation"} {
			stranger.ask("POST", dashboard+path, `{}`).refused(t, 403, "FORBIDDEN")
		}
		for _, path := range []string{"/session", "/sessions"} {
			stranger.ask("DELETE", dashboard+path, "").refused(t, 403, "FORBIDDEN")
		}
	}
	b.with("Sec-Fetch-Site", "").ask("POST", "/customers", body).want(t, 200)
	b.with("Sec-Fetch-Site", "").with("Origin", "http://billfold.test").ask("POST", "/customers", body).want(t, 200)
	b.session()
}

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Finance, o.bus())
	email := b.session()["user"].(map[string]any)["email"].(string)
	at := dashboard + "/user/second-factor"
	b.ask("POST", at, text("password", "not this one at all")).refused(t, 422, "INVALID_PASSWORD")
	secret := b.ask("POST", at, text("password", password)).want(t, 200)["secret"].(string)
	code := func() string {
		code, err := totp.GenerateCode(secret, o.clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	b.ask("POST", at+"/confirm", text("code", "000000")).refused(t, 422, "INVALID_CODE")
	codes := b.ask("POST", at+"/confirm", text("code", code())).want(t, 200)["recovery_codes"].([]any)
	in := func(code string) string { return text("email", email, "password", password, "code", code) }
	other := o.browser()
	other.ask("POST", dashboard+"/session", text("email", email, "password", password)).refused(t, 401, people.CodeSecondFactor)
	other.ask("POST", dashboard+"/session", in(code())).refused(t, 401, "UNAUTHORIZED") // it was used to confirm
	o.clock.Move(time.Minute)
	other.ask("POST", dashboard+"/session", in(code())).want(t, 200)
	other.ask("POST", dashboard+"/session", in(codes[0].(string))).want(t, 200)
	other.ask("POST", dashboard+"/session", in(codes[0].(string))).refused(t, 401, "UNAUTHORIZED")
	if left := other.session()["user"].(map[string]any)["recovery_codes"]; left != 9.0 {
		t.Errorf("recovery codes: got %v left, want 9", left)
	}
	other.ask("POST", at+"/remove", text("password", password, "code", "1")).refused(t, 422, "INVALID_CODE")
	o.clock.Move(time.Minute)
	other.ask("POST", at+"/remove", text("password", password, "code", code())).want200(t)
	o.browser().signIn(email, password)
}

func TestWhoeverTriesPasswordsWaits(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	email := b.session()["user"].(map[string]any)["email"].(string)
	for i := range 5 {
		got := o.browser().ask("POST", dashboard+"/session", text("email", email, "password", fmt.Sprint("a wrong password ", i)))
		got.refused(t, 401, "UNAUTHORIZED")
	}
	// From anywhere, and also with the right one.
	got := o.browser().ask("POST", dashboard+"/session", text("email", email, "password", password))
	got.refused(t, 429, "TOO_MANY_REQUESTS")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: got %q, want 1", got.header.Get("Retry-After"))
	}
	b.ask("GET", "/customers", "").want(t, 200) // who is in stays in
	o.clock.Move(time.Second)
	o.browser().ask("POST", dashboard+"/session", text("email", email, "password", "wrong once more")).refused(t, 401, "UNAUTHORIZED")
	o.clock.Move(time.Second)
	o.browser().ask("POST", dashboard+"/session", text("email", email, "password", password)).refused(t, 429, "TOO_MANY_REQUESTS")
	o.clock.Move(time.Second)
	o.browser().signIn(email, password)
}

func TestTeam(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	owner, admin, support := o.join(people.Owner, o.bus()), o.join(people.Admin, o.bus()), o.join(people.Support, o.bus())
	team := dashboard + "/team"
	if got := len(support.ask("GET", team, "").want(t, 200).items()); got != 3 {
		t.Errorf("the team: got %d members, want 3", got)
	}
	support.ask("PATCH", team+"/"+support.id(), text("role", "owner")).refused(t, 403, "FORBIDDEN")
	support.ask("POST", dashboard+"/invitations", text("role", "owner")).refused(t, 403, "FORBIDDEN")
	support.ask("DELETE", team+"/"+admin.id(), "").refused(t, 403, "FORBIDDEN")
	admin.ask("POST", dashboard+"/invitations", text("role", "owner")).refused(t, 403, "FORBIDDEN")
	admin.ask("PATCH", team+"/"+admin.id(), text("role", "owner")).refused(t, 403, "FORBIDDEN")
	admin.ask("PATCH", team+"/"+owner.id(), text("role", "support")).refused(t, 403, "FORBIDDEN")
	admin.ask("PATCH", team+"/"+support.id(), text("role", "king")).refused(t, 422, "INVALID_USER")
	admin.ask("PATCH", team+"/usr_0Tn2lqUn000000bB9wXcP", text("role", "support")).refused(t, 404, "NOT_FOUND")
	owner.ask("PATCH", team+"/"+owner.id(), text("role", "admin")).refused(t, 409, people.CodeLastOwner)
	owner.ask("DELETE", team+"/"+owner.id(), "").refused(t, 409, people.CodeLastOwner)
	admin.ask("PATCH", team+"/"+support.id(), text("role", "read_only")).want(t, 200)
	support.ask("POST", "/customers", `{"email":"jane@example.com","name":"Jane"}`).refused(t, 403, "FORBIDDEN")
	made := owner.ask("POST", dashboard+"/invitations", text("role", "finance", "email", "Fi@Example.com")).want(t, 200)
	if got := len(admin.ask("GET", dashboard+"/invitations", "").want(t, 200).items()); got != 1 {
		t.Errorf("invitations: got %d, want 1", got)
	}
	_, token, _ := strings.Cut(made["link"].(string), "#")
	fi := o.browser()
	if seen := fi.ask("POST", dashboard+"/invitation", text("token", token)).want(t, 200); seen["email"] != "fi@example.com" || seen["business_name"] != "Acme" {
		t.Errorf("the invitation: got %v, want it for fi@example.com to Acme", seen)
	}
	fi.ask("POST", dashboard+"/join", text("token", token, "email", "mallory@example.com", "password", password, "name", "M")).refused(t, 404, people.CodeInvitationOver)
	fi.ask("POST", dashboard+"/join", text("token", token, "email", "fi@example.com", "password", "short", "name", "Fi")).refused(t, 422, people.CodeInvalidPassword)
	fi.ask("POST", dashboard+"/join", text("token", token, "email", "fi@example.com", "password", password)).refused(t, 422, people.CodeInvalidUser)
	fi.ask("POST", dashboard+"/join", text("token", token, "email", "fi@example.com", "password", password, "name", "Fi")).want(t, 200)
	fi.ask("POST", dashboard+"/join", text("token", token, "email", "fi@example.com", "password", password)).refused(t, 404, people.CodeInvitationOver)
	fi.signIn("fi@example.com", password)
	again := admin.ask("POST", dashboard+"/invitations", text("role", "admin")).want(t, 200)
	admin.ask("DELETE", dashboard+"/invitations/"+again["invitation_id"].(string), "").want200(t)
	admin.ask("DELETE", dashboard+"/invitations/"+again["invitation_id"].(string), "").refused(t, 404, people.CodeInvitationOver)
	who := admin.id()
	admin.ask("DELETE", team+"/"+fi.id(), "").want200(t)
	fi.ask("GET", dashboard+"/session", "").refused(t, 401, "UNAUTHORIZED")
	admin.ask("DELETE", team+"/"+who, "").want200(t)
	admin.ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
	for _, line := range owner.with("Billfold-Mode", "live").ask("GET", "/business/audit", "").want(t, 200).items()[:1] {
		if line["action"] != "team.leave" || line["key_id"] != who {
			t.Errorf("the last line: got %v by %v, want team.leave by %s", line["action"], line["key_id"], who)
		}
	}
}

func TestSessionsOfPersons(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.ReadOnly, o.bus())
	email := b.session()["user"].(map[string]any)["email"].(string)
	other, third := o.browser(), o.browser()
	other.signIn(email, password)
	third.signIn(email, password)
	list := b.ask("GET", dashboard+"/sessions", "").want(t, 200).items()
	if len(list) != 3 || list[0]["address"] == "" {
		t.Fatalf("sessions: got %v, want three with addresses", list)
	}
	mallory := o.join(people.Owner, o.bus())
	mallory.ask("DELETE", dashboard+"/sessions/"+other.session()["session_id"].(string), "").want200(t)
	other.session() // of another user: nothing has ended
	b.ask("DELETE", dashboard+"/sessions/"+other.session()["session_id"].(string), "").want200(t)
	other.ask("GET", dashboard+"/session", "").refused(t, 401, "UNAUTHORIZED")
	b.ask("DELETE", dashboard+"/sessions", "").want200(t)
	third.ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
	fourth := o.browser()
	fourth.signIn(email, password)
	b.ask("POST", dashboard+"/user/password", text("password", "not this one at all", "new_password", "another horse battery")).refused(t, 422, people.CodeInvalidPassword)
	b.ask("POST", dashboard+"/user/password", text("password", password, "new_password", "another horse battery")).want200(t)
	fourth.ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
	b.session()
	o.clock.Move(people.SessionLives)
	b.ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
}

// An API key opens no route of the dashboard, and a cookie does not stand in for a key
// that does not work.
func TestKeysAreNoSessions(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	for _, route := range httpapi.DashboardRoutes() {
		if route.Person {
			path := strings.NewReplacer("{", "", "}", "").Replace(route.Pattern)
			headers := map[string]string{"Billfold-Dashboard": "1"}
			o.send(request{method: route.Method, path: path, headers: headers}).refused(t, 401, "UNAUTHORIZED")
		}
	}
	b.with("Authorization", "Bearer garbage").ask("GET", "/customers", "").refused(t, 401, "UNAUTHORIZED")
	sent := httptest.NewRequest("GET", "/customers", nil)
	sent.Header.Set("Cookie", b.cookie)
	recorder := httptest.NewRecorder()
	o.api.ServeHTTP(recorder, sent)
	if recorder.Code != 401 {
		t.Errorf("the cookie alone: got %d, want 401", recorder.Code)
	}
}
