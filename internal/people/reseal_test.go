package people_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/vault"
)

const password = "correct horse battery"

func newDesk(t testing.TB, store people.Store, clock *storetest.Clock, secrets ...string) *people.Desk {
	t.Helper()
	var keys [][]byte
	for _, secret := range secrets {
		keys = append(keys, []byte(secret))
	}
	sealing, err := vault.New(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return people.NewDesk(store, sealing, people.Options{Now: clock.Now})
}

// A second factor that the old secret key has sealed works under both keys, is sealed anew
// once, and works under the new one alone from then on.
func TestSecondFactorsAreSealedAnew(t *testing.T) {
	t.Parallel()
	const before, after = "the secret key before, long enough", "the secret key after it, long enough"
	model, clock := storetest.NewModel(), storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	directory := access.NewDirectory(model, access.Options{Now: clock.Now})
	made, err := directory.CreateBusiness(t.Context(), access.NewBusiness{Name: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	desk := newDesk(t, model, clock, before)
	if nobody, err := desk.Nobody(t.Context()); err != nil || !nobody {
		t.Errorf("before anybody joined: got nobody %t (error %v), want true", nobody, err)
	}
	first, err := desk.Welcome(t.Context(), made.Business.ID)
	if err != nil {
		t.Fatal(err)
	}
	token, err := desk.Welcome(t.Context(), made.Business.ID)
	if err != nil {
		t.Fatal(err)
	}
	joining := people.Joining{Email: "jane@example.com", Name: "Jane", Password: password}
	if _, err := desk.Join(t.Context(), first, joining); ledger.CodeOf(err) != people.CodeInvitationOver {
		t.Errorf("the link of the start before: got error %v, want %s", err, people.CodeInvitationOver)
	}
	user, err := desk.Join(t.Context(), token, joining)
	if err != nil {
		t.Fatal(err)
	}
	signed := signIn(t, desk, people.Attempt{Email: user.Email, Password: password})
	second, err := desk.BeginSecond(t.Context(), signed, password)
	if err != nil {
		t.Fatal(err)
	}
	code := func() string {
		clock.Move(time.Minute)
		code, err := totp.GenerateCode(second.Secret, clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	codes, err := desk.ConfirmSecond(t.Context(), signed, code())
	if err != nil {
		t.Fatal(err)
	}
	try := func(desk *people.Desk) error {
		_, _, err := desk.SignIn(t.Context(), people.Attempt{Email: user.Email, Password: password, Code: code()})
		return err
	}
	both := newDesk(t, model, clock, after, before)
	if err := try(both); err != nil {
		t.Errorf("with both keys: got error %v, want none", err)
	}
	lost := newDesk(t, model, clock, after)
	if err := try(lost); ledger.CodeOf(err) != people.CodeSignInFailed {
		t.Errorf("under the new key alone, before it is sealed anew: got error %v, want %s", err, people.CodeSignInFailed)
	}
	signIn(t, lost, people.Attempt{Email: user.Email, Password: password, Code: codes[0]})
	clock.Move(time.Hour)
	for _, want := range []int{1, 0} {
		if got, err := both.Reseal(t.Context(), slog.New(slog.DiscardHandler)); got != want || err != nil {
			t.Errorf("sealed anew: got %d (error %v), want %d", got, err, want)
		}
	}
	if err := try(newDesk(t, model, clock, after)); err != nil {
		t.Errorf("under the new key alone: got error %v, want none", err)
	}
}

// signIn begins a session, and returns who it is of.
func signIn(t *testing.T, desk *people.Desk, a people.Attempt) people.Signed {
	t.Helper()
	token, _, err := desk.SignIn(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := desk.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}
