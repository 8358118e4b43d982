package httpapi_test

import (
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

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
