package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/vault"
)

// dashboardBodies are the members of each body of the dashboard's own routes.
var dashboardBodies = map[string][]string{
	"POST /session":                    {"email", "password", "code"},
	"POST /invitation":                 {"token"},
	"POST /join":                       {"token", "email", "password", "name", "code"},
	"PATCH /team/{user_id}":            {"role"},
	"POST /invitations":                {"role", "email"},
	"POST /user/password":              {"password", "new_password"},
	"POST /user/second-factor":         {"password"},
	"POST /user/second-factor/confirm": {"code"},
	"POST /user/second-factor/remove":  {"password", "code"},
}

// TestDashboardBadInput sends bodies, members and queries that are none. Each answer is a
// refusal of the contract, and tells of no mistake of the server's.
func TestDashboardBadInput(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	refuse := func(method, path, body string) {
		t.Helper()
		o.clock.Move(time.Minute)
		b.remote = o.browser().remote
		if got := b.ask(method, path, body); got.status < 400 || got.status >= 500 {
			t.Errorf("%s %s with %.80q: got %d with %s, want a refusal", method, path, body, got.status, got.body)
		}
	}
	for name, members := range dashboardBodies {
		method, pattern, _ := strings.Cut(name, " ")
		path := dashboard + absent(pattern)
		for _, body := range []string{
			"", " ", "null", "[]", `"x"`, "1", "{", "{}", `{"a":1}`, "\xff", "{}{}", strings.Repeat("[", 100_000), strings.Repeat(" ", 2<<20),
		} {
			refuse(method, path, body)
		}
		for _, member := range members {
			for _, value := range []string{
				"1", "true", "[]", "{}", `{"a":{}}`, `"\ud800"`, "\"\xff\"", `"` + strings.Repeat("x", 70_000) + `"`, `"\u0000"`, `" "`, `"\n"`, `"𝒳"`,
			} {
				var pairs []string
				for _, one := range members {
					if one != member {
						pairs = append(pairs, fmt.Sprintf(`%q:"x@example.com"`, one))
					}
				}
				pairs = append(pairs, fmt.Sprintf("%q:%s", member, value))
				refuse(method, path, "{"+strings.Join(pairs, ",")+"}")
				refuse(method, path, "{"+strings.Join(append(pairs, pairs[len(pairs)-1]), ",")+"}")
			}
		}
	}
	for _, route := range httpapi.DashboardRoutes() {
		body := ""
		if _, has := dashboardBodies[route.Method+" "+strings.TrimPrefix(route.Pattern, dashboard)]; has {
			body = text("email", "a@example.com", "password", password)
		}
		refuse(route.Method, absent(route.Pattern)+"?more=1", body)
		refuse("PUT", absent(route.Pattern), "{}")
	}
	b.session()
}

// TestDashboardRandomly sends random requests as random members, with what was answered
// before in them. Each answer is of the contract, and none tells of a mistake of the server's.
func TestDashboardRandomly(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	random := rand.New(rand.NewPCG(1, 2))
	zeta := o.newBusiness("Zeta").Business.ID
	browsers := []*browser{o.browser()}
	texts := []string{"", "x", password, "owner", "support", "read_only", "000000", "usr_", "\u202e", "a@b.c", strings.Repeat("é", 300)}
	for i, role := range slices.Concat(people.Roles(), people.Roles()) {
		b := o.join(role, []string{o.bus(), zeta}[i/5])
		browsers = append(browsers, b)
		texts = append(texts, b.id(), b.email(), b.session()["session_id"].(string))
	}
	met := map[string]bool{}
	routes := httpapi.DashboardRoutes()
	for n := range 1500 {
		o.clock.Move(30 * time.Second)
		route, b := routes[random.IntN(len(routes))], browsers[random.IntN(len(browsers))]
		name := route.Method + " " + strings.TrimPrefix(route.Pattern, dashboard)
		draw := func() string { return texts[random.IntN(len(texts))] }
		path := route.Pattern
		if at := strings.Index(path, "{"); at >= 0 {
			if path = path[:at] + draw(); strings.ContainsAny(path[at:], " \u202eé") || path[at:] == "" {
				continue
			}
		}
		body := ""
		if members := dashboardBodies[name]; members != nil {
			var pairs []string
			for _, member := range members {
				if random.IntN(5) > 0 {
					pairs = append(pairs, member, draw())
				}
			}
			body = text(pairs...)
		}
		b.remote = fmt.Sprintf("10.1.%d.%d:1", n/250, n%250)
		got := b.ask(route.Method, path, body)
		met[fmt.Sprint(name, " ", got.status)] = true
		if got.status >= 500 {
			t.Errorf("%s %s with %s: got %d with %s", route.Method, path, body, got.status, got.body)
		}
		var answer map[string]any
		if _, token, found := strings.Cut(got.body, "/join#"); found {
			texts = append(texts, token[:43])
		}
		if json.Unmarshal([]byte(got.body), &answer) == nil && answer["invitation_id"] != nil {
			texts = append(texts, answer["invitation_id"].(string))
		}
	}
	if len(met) < 35 {
		t.Errorf("met %d routes and statuses, want 35 or more: %v", len(met), slices.Sorted(maps.Keys(met)))
	}
}

// breakable is a store of people of which one call fails.
type breakable struct {
	people.Store
	armed bool
	left  int // calls until one fails
	fired bool
}

var errBroken = errors.New("the disk is full of " + canarySecret)

func (b *breakable) fails() bool {
	if b.left--; b.armed && b.left == -1 {
		b.fired = true
	}
	return b.armed && b.left < 0
}

func (b *breakable) Person(ctx context.Context, key people.Key, now time.Time) (people.Record, error) {
	if b.fails() {
		return people.Record{}, errBroken
	}
	return b.Store.Person(ctx, key, now)
}

func (b *breakable) People(
	ctx context.Context, kind people.Kind, about string, now time.Time, limit int,
) ([]people.Record, error) {
	if b.fails() {
		return nil, errBroken
	}
	return b.Store.People(ctx, kind, about, now, limit)
}

func (b *breakable) ChangePeople(
	ctx context.Context, keys []people.Key, now time.Time,
	decide func(map[people.Key]*people.Record) (people.Change, error),
) error {
	if b.fails() {
		return errBroken
	}
	return b.Store.ChangePeople(ctx, keys, now, decide)
}

// kept is all that is kept of people but counters of tries.
func (b *breakable) kept(t *testing.T, now time.Time) map[people.Key]people.Record {
	t.Helper()
	all := map[people.Key]people.Record{}
	for _, kind := range []people.Kind{
		people.UserRecord, people.EmailRecord, people.TeamRecord, people.InvitationRecord, people.SessionRecord,
	} {
		records, err := b.Store.People(t.Context(), kind, "", now, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			all[r.Key] = r
		}
	}
	return all
}

// TestDashboardOnABrokenStore has each call to the store fail of what each route asks of it:
// the answer is 500 with a request id and no more, and nothing has happened.
func TestDashboardOnABrokenStore(t *testing.T) {
	t.Parallel()
	var store *breakable
	sealing, err := vault.New([]byte("a secret of the tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	o := newOffice(t, func(c *httpapi.Config) {
		store = &breakable{Store: c.Products.(people.Store)}
		c.People = people.NewDesk(store, sealing, people.Options{Now: c.Now})
	})
	b, other := o.join(people.Owner, o.bus()), o.join(people.Support, o.bus())
	email, id := b.email(), other.id()
	again := o.browser()
	again.signIn(email, password)
	var tokens, made [2]string
	for i := range made {
		answer := b.ask("POST", dashboard+"/invitations", text("role", "admin")).want(t, 200)
		_, tokens[i], _ = strings.Cut(answer["link"].(string), "#")
		made[i] = answer["invitation_id"].(string)
	}
	tenant := ledger.Tenant{BusinessID: o.bus(), Mode: ledger.Live}
	lines := func() int {
		trail, err := o.model.BusinessAudit(t.Context(), tenant, ledger.AuditPage{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return len(trail.Entries)
	}
	failed := 0
	for _, each := range []struct{ method, path, body string }{
		{"GET", "/session", ""},
		{"GET", "/team", ""},
		{"GET", "/invitations", ""},
		{"GET", "/sessions", ""},
		{"POST", "/invitation", text("token", tokens[0])},
		{"POST", "/user/second-factor", text("password", password)},
		{"POST", "/user/second-factor/confirm", text("code", "000000")},
		{"POST", "/user/second-factor/remove", text("password", password, "code", "000000")},
		{"POST", "/invitations", text("role", "owner")},
		{"POST", "/join", text("token", tokens[0], "email", "new@example.com", "password", password, "name", "N")},
		{"DELETE", "/invitations/" + made[1], ""},
		{"PATCH", "/team/" + id, text("role", "finance")},
		{"DELETE", "/team/" + id, ""},
		{"DELETE", "/sessions/" + again.session()["session_id"].(string), ""},
		{"DELETE", "/sessions", ""},
		{"POST", "/user/password", text("password", password, "new_password", "another horse battery")},
		{"POST", "/session", text("email", email, "password", "another horse battery")},
		{"DELETE", "/session", ""},
	} {
		for call := 0; ; call++ {
			o.clock.Move(20 * time.Minute)
			was, told, now := store.kept(t, o.clock.Now()), lines(), o.clock.Now()
			trying := *b
			trying.remote = o.browser().remote
			store.armed, store.left, store.fired = true, call, false
			got := trying.ask(each.method, dashboard+each.path, each.body)
			store.armed = false
			if !store.fired {
				if b.cookie = trying.cookie; got.status != 200 && !strings.Contains(each.body, "000000") {
					t.Errorf("%s %s: got %d with %s, want 200", each.method, each.path, got.status, got.body)
				}
				break
			}
			failed++
			if got.status != 500 || strings.Contains(got.body, canarySecret) || len(got.header["Set-Cookie"]) > 0 {
				t.Errorf("%s %s with call %d failing: got %d with %s, want 500 without more", each.method, each.path, call, got.status, got.body)
			}
			if diff := cmp.Diff(was, store.kept(t, now)); diff != "" || lines() != told {
				t.Errorf("%s %s with call %d failing: something has happened, with %d lines in place of %d:\n%s",
					each.method, each.path, call, lines(), told, diff)
			}
		}
	}
	if failed < 40 {
		t.Errorf("got %d failures, want 40 or more", failed)
	}
}
