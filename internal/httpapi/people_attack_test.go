package httpapi_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
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
		"a password change between": func(n int) string {
			b.ask("POST", dashboard+"/user/password", text("password", password, "new_password", password))
			return wrong(n)
		},
	} {
		path := map[bool]string{true: "/join", false: "/session"}[name == "joining"]
		if got := o.browser().tries(path, try); got < 1 || got > 5 {
			t.Errorf("%s: got %d codes looked at, want 1 to 5", name, got)
		}
		o.clock.Move(time.Hour)
		o.browser().ask("POST", dashboard+"/session", text("email", email, "password", password, "code", code())).want(t, 200)
	}
	got := b.tries("/user/second-factor/remove", func(n int) string {
		return text("password", password, "code", fmt.Sprintf("%06d", n))
	})
	if got != 5 {
		t.Errorf("removing the factor: got %d codes looked at, want 5", got)
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
