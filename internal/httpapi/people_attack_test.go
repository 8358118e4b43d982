package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/vault"
)

// second sets up a second factor, and returns what makes a code that was not used yet.
func (b *browser) second() (code func() string) {
	b.Helper()
	begun := b.ask("POST", dashboard+"/user/second-factor", text("password", password)).want(b, 200)
	code = func() string {
		b.Helper()
		b.clock.Move(time.Minute)
		code, err := totp.GenerateCode(begun["secret"].(string), b.clock.Now())
		if err != nil {
			b.Fatal(err)
		}
		return code
	}
	b.ask("POST", dashboard+"/user/second-factor/confirm", text("code", code())).want(b, 200)
	return code
}

func (b *browser) email() string {
	b.Helper()
	return b.session()["user"].(map[string]any)["email"].(string)
}

// Whoever knows the password and has a session, but no code, does not get rid of the second
// factor by setting up another. A change of it ends the other sessions.
func TestASecondFactorIsNotReplaced(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	email, at := b.email(), dashboard+"/user/second-factor"
	other := o.browser()
	other.signIn(email, password)
	code := b.second()
	other.ask("GET", dashboard+"/session", "").refused(t, 401, "UNAUTHORIZED")
	b.ask("POST", at, text("password", password)).refused(t, 403, people.CodeForbidden)
	b.ask("POST", at+"/confirm", text("code", code())).refused(t, 403, people.CodeForbidden)
	other.ask("POST", dashboard+"/session", text("email", email, "password", password, "code", code())).want(t, 200)
	b.ask("POST", at+"/remove", text("password", password, "code", code())).want200(t)
	other.ask("GET", dashboard+"/session", "").refused(t, 401, "UNAUTHORIZED")
	b.second()
}

// invite makes an invitation of the operator that anybody may use, and returns its token.
func (o *office) invite(role people.Role) string {
	o.Helper()
	token, _, err := o.desk.Invite(o.Context(), nil, ledger.Actor{}, o.bus(), "", role)
	if err != nil {
		o.Fatal(err)
	}
	return token
}

// tries says how often a request was looked at until it had to wait, 0 for never within 40.
func (b *browser) tries(path string, body func(n int) string) int {
	b.Helper()
	for n := range 40 {
		if b.ask("POST", dashboard+path, body(n)).status == 429 {
			return n
		}
	}
	return 0
}

// However often the right password is given, a few wrong codes are all that count.
func TestCodesAreNotTriedWithoutEnd(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	email, token := b.email(), o.invite(people.ReadOnly)
	code := b.second()
	wrong := func(n int) string { return text("email", email, "password", password, "code", fmt.Sprintf("%06d", n)) }
	joins := func(n int) string {
		return text("token", token, "email", email, "password", password, "name", "Z", "code", fmt.Sprintf("%06d", n))
	}
	for name, try := range map[string]func(n int) string{
		"signing in": wrong,
		"joining":    joins,
		"both": func(n int) string {
			o.browser().ask("POST", dashboard+"/join", text("token", token, "email", email, "password", password, "name", "Z"))
			return wrong(n)
		},
		"from everywhere": nil,
		"a password change between": func(n int) string {
			b.ask("POST", dashboard+"/user/password", text("password", password, "new_password", password))
			return wrong(n)
		},
	} {
		path := map[bool]string{true: "/join", false: "/session"}[name == "joining"]
		stranger := o.browser()
		if try == nil {
			try = func(n int) string {
				stranger.remote = fmt.Sprintf("192.%d.2.1:1", n)
				return wrong(n)
			}
		}
		if got := stranger.tries(path, try); got < 1 || got > 5 {
			t.Errorf("%s: got %d codes looked at, want 1 to 5", name, got)
		}
		o.clock.Move(time.Hour)
		o.browser().ask("POST", dashboard+"/session", text("email", email, "password", password, "code", code())).want(t, 200)
	}
	got := b.tries("/user/second-factor/remove", func(n int) string {
		return text("password", password, "code", fmt.Sprintf("%06d", n))
	})
	if got < 1 || got > 5 {
		t.Errorf("removing the factor: got %d codes looked at, want 1 to 5", got)
	}
}

// Joining takes the second factor of whoever has one, and tells nobody else who is a user.
func TestJoiningProvesAll(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.ReadOnly, o.bus())
	email, token := b.email(), o.invite(people.Support)
	code := b.second()
	join := func(pairs ...string) reply {
		return o.browser().ask("POST", dashboard+"/join", text(append([]string{"token", token, "name", "Z"}, pairs...)...))
	}
	join("email", email, "password", password).refused(t, 401, people.CodeSecondFactor)
	join("email", email, "password", password, "code", "000000").refused(t, 422, people.CodeInvalidCode)
	known, unknown := join("email", email, "password", "x"), join("email", "nobody@example.com", "password", "x")
	known.refused(t, 422, people.CodeInvalidPassword)
	if a, b := messageOf(t, known), messageOf(t, unknown); a != b {
		t.Errorf("a wrong password: got %q of a user and %q of nobody, want the same", a, b)
	}
	join("email", email, "password", password, "code", code()).want(t, 200)
}

func messageOf(t *testing.T, got reply) string {
	t.Helper()
	var refusal struct{ Message string }
	if err := json.Unmarshal([]byte(got.body), &refusal); err != nil {
		t.Fatal(err)
	}
	return refusal.Message
}

// Whoever is put out of a team, or down in it, does not come back by an invitation of their
// own, and neither does anybody else.
func TestNobodyComesBackByTheirOwnInvitation(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	owner := o.join(people.Owner, o.bus())
	for name, out := range map[string]func(id string){
		"removal":  func(id string) { owner.ask("DELETE", dashboard+"/team/"+id, "").want200(t) },
		"demotion": func(id string) { owner.ask("PATCH", dashboard+"/team/"+id, text("role", "read_only")).want(t, 200) },
	} {
		admin := o.join(people.Admin, o.bus())
		email, id := admin.email(), admin.id()
		link := admin.ask("POST", dashboard+"/invitations", text("role", "admin")).want(t, 200)["link"].(string)
		kept := owner.ask("POST", dashboard+"/invitations", text("role", "admin")).want(t, 200)
		out(id)
		_, token, _ := strings.Cut(link, "#")
		join := text("token", token, "email", email, "password", password, "name", "A")
		o.browser().ask("POST", dashboard+"/join", join).refused(t, 404, people.CodeInvitationOver)
		o.browser().ask("POST", dashboard+"/invitation", text("token", token)).refused(t, 404, people.CodeInvitationOver)
		list := owner.ask("GET", dashboard+"/invitations", "").want(t, 200).items()
		if len(list) != 1 || list[0]["invitation_id"] != kept["invitation_id"] {
			t.Errorf("%s: got the invitations %v, want the owner's alone", name, list)
		}
		owner.ask("DELETE", dashboard+"/invitations/"+kept["invitation_id"].(string), "").want200(t)
	}
}

// longKeys is a store that remembers how long the longest key was that it locked, in bytes.
type longKeys struct {
	people.Store
	most atomic.Int64
}

func (l *longKeys) ChangePeople(
	ctx context.Context, keys []people.Key, now time.Time,
	decide func(map[people.Key]*people.Record) (people.Change, error),
) error {
	for _, key := range keys {
		l.most.Store(max(l.most.Load(), int64(len(key.ID))))
	}
	return l.Store.ChangePeople(ctx, keys, now, decide)
}

// No id in a path reaches the store that could be none: PostgreSQL keeps no key of any length.
func TestPathsOfTheTeamHoldIDs(t *testing.T) {
	t.Parallel()
	var keys *longKeys
	sealing, err := vault.New([]byte("a secret of the tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	o := newOffice(t, func(c *httpapi.Config) {
		keys = &longKeys{Store: c.Products.(people.Store)}
		c.People = people.NewDesk(keys, sealing, people.Options{Now: c.Now})
	})
	b := o.join(people.Owner, o.bus())
	for _, id := range []string{"usr_" + strings.Repeat("x", 12_000), "usr_", "bus_0Tn2lqUn000000bB9wXcP"} {
		b.ask("PATCH", dashboard+"/team/"+id, text("role", "support")).refused(t, 404, "NOT_FOUND")
		b.ask("DELETE", dashboard+"/team/"+id, "").refused(t, 404, "NOT_FOUND")
		b.ask("DELETE", dashboard+"/invitations/"+id, "").refused(t, 404, people.CodeInvitationOver)
		b.ask("DELETE", dashboard+"/sessions/"+id, "").want200(t)
	}
	if got := keys.most.Load(); got == 0 || got > 200 {
		t.Errorf("the longest key that the store was asked for: got %d bytes, want 1 to 200", got)
	}
}

// Strangers who fail again and again keep nobody out who is elsewhere, or signed in: from
// one network not at all, from many not where the user has a session.
func TestStrangersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := o.join(people.Owner, o.bus())
	email := b.email()
	right := text("email", email, "password", password)
	at := func(remote string) *browser {
		caller := o.browser()
		caller.remote = remote
		return caller
	}
	wrong := func(remote string) reply {
		return at(remote).ask("POST", dashboard+"/session", text("email", email, "password", "a wrong password"))
	}
	for range 5 {
		wrong("203.0.113.1:1").refused(t, 401, "UNAUTHORIZED")
	}
	wrong("203.0.113.2:1").refused(t, 429, "TOO_MANY_REQUESTS") // the same network
	at("192.0.2.1:1").ask("POST", dashboard+"/session", right).want(t, 200)
	for n := range 110 {
		wrong(fmt.Sprintf("100.64.%d.1:1", n))
	}
	at("203.0.114.1:1").ask("POST", dashboard+"/session", right).refused(t, 429, "TOO_MANY_REQUESTS")
	at("192.0.2.9:1").ask("POST", dashboard+"/session", right).want(t, 200)
	b.ask("POST", dashboard+"/user/password", text("password", password, "new_password", password)).want200(t)
}

// A user who has lost everything gets in again by a link of the operator, without the second
// factor that they had; each change of how they sign in is a line in the trail of their team.
func TestTheOperatorResetsAUser(t *testing.T) {
	t.Parallel()
	var config httpapi.Config
	o := newOffice(t, func(c *httpapi.Config) { config = *c })
	config.People = o.desk
	server, err := httpapi.NewAdmin(config)
	if err != nil {
		t.Fatal(err)
	}
	link := func(path, body string) reply {
		return sendTo(server, request{method: "POST", path: path, body: body, key: "-"}, "")
	}
	token := func(got reply) string {
		_, token, _ := strings.Cut(got.want(t, 200)["link"].(string), "#")
		return token
	}
	first := token(link("/admin/team/link", `{}`))
	second := token(link("/admin/team/link", text("business_id", o.bus())))
	o.browser().ask("POST", dashboard+"/invitation", text("token", first)).refused(t, 404, people.CodeInvitationOver)
	b := o.join(people.Owner, o.bus())
	email := b.email()
	late := text("token", second, "email", "late@example.com", "password", password, "name", "L")
	o.browser().ask("POST", dashboard+"/join", late).refused(t, 404, people.CodeInvitationOver)
	link("/admin/team/link", `{}`).refused(t, 409, people.CodeUserExists)
	link("/admin/team/link", text("business_id", "bus_nobody")).refused(t, 404, "NOT_FOUND")
	link("/admin/team/reset", text("email", "nobody@example.com")).refused(t, 404, "NOT_FOUND")

	code := b.second()
	other := token(link("/admin/team/reset", text("email", email)))
	again := token(link("/admin/team/reset", text("email", email)))
	const changed = "another horse battery"
	reset := func(token, password string) reply {
		return o.browser().ask("POST", dashboard+"/join", text("token", token, "email", email, "password", password, "name", "-"))
	}
	reset(again, "short").refused(t, 422, people.CodeInvalidPassword)
	reset(again, changed).want(t, 200)
	reset(other, changed).refused(t, 404, people.CodeInvitationOver)
	b.ask("GET", dashboard+"/session", "").refused(t, 401, "UNAUTHORIZED")
	o.browser().ask("POST", dashboard+"/session", text("email", email, "password", password, "code", code())).refused(t, 401, "UNAUTHORIZED")
	b.signIn(email, changed)
	b.ask("POST", dashboard+"/user/password", text("password", changed, "new_password", password)).want200(t)

	var got []string
	left := map[string]any{}
	lines := b.with("Billfold-Mode", "live").ask("GET", "/business/audit", "").want(t, 200).items()
	slices.Reverse(lines)
	for _, line := range lines {
		was, is := line["before"].(map[string]any)[b.id()], line["after"].(map[string]any)[b.id()]
		if is == nil {
			continue
		}
		got = append(got, line["action"].(string))
		if !cmp.Equal(was, left[b.id()]) {
			t.Errorf("%s: got %v before it, want what the line before has left, %v", line["action"], was, left[b.id()])
		}
		left[b.id()] = is
	}
	want := []string{"team.join", "team.second_factor", "team.reset", "team.password"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines about the user (-want +got):\n%s", diff)
	}
}

// An admin leaves the invitations of owners alone.
func TestAnAdminWithdrawsNoOwner(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	owner, admin := o.join(people.Owner, o.bus()), o.join(people.Admin, o.bus())
	made := owner.ask("POST", dashboard+"/invitations", text("role", "owner")).want(t, 200)["invitation_id"].(string)
	admin.ask("DELETE", dashboard+"/invitations/"+made, "").refused(t, 403, people.CodeForbidden)
	owner.ask("DELETE", dashboard+"/invitations/"+made, "").want200(t)
}
