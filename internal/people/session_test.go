package people_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/storetest"
)

// mortal is a store that fails every change after some.
type mortal struct {
	people.Store
	left int
}

func (m *mortal) ChangePeople(
	ctx context.Context, keys []people.Key, now time.Time,
	decide func(map[people.Key]*people.Record) (people.Change, error),
) error {
	if m.left--; m.left < 0 {
		return errors.New("the server died")
	}
	return m.Store.ChangePeople(ctx, keys, now, decide)
}

// member makes a user who is the owner of a new business.
func member(t *testing.T, model *storetest.Model, desk *people.Desk, clock *storetest.Clock) *people.User {
	t.Helper()
	directory := access.NewDirectory(model, access.Options{Now: clock.Now})
	made, err := directory.CreateBusiness(t.Context(), access.NewBusiness{Name: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := desk.Welcome(t.Context(), made.Business.ID)
	if err != nil {
		t.Fatal(err)
	}
	user, err := desk.Join(t.Context(), token, people.Joining{Email: "jane@example.com", Name: "Jane", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// Whenever a request that changes a password dies, either nothing has changed or the other
// sessions have ended with the old password.
func TestNoSessionOutlivesItsPassword(t *testing.T) {
	t.Parallel()
	const changed = "another horse battery"
	changes := 0
	for left := range 4 {
		model, clock := storetest.NewModel(), storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		dying := &mortal{Store: model, left: 1000}
		desk := newDesk(t, dying, clock, "a secret of the tests, long enough")
		user := member(t, model, desk, clock)
		mine := signIn(t, desk, people.Attempt{Email: user.Email, Password: password})
		token, _, err := desk.SignIn(t.Context(), people.Attempt{Email: user.Email, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		dying.left = left
		err = desk.SetPassword(t.Context(), mine, password, changed)
		dying.left = 1000
		_, _, failed := desk.SignIn(t.Context(), people.Attempt{Email: user.Email, Password: changed})
		_, other := desk.Authenticate(t.Context(), token)
		if isNew := failed == nil; isNew != (other != nil) || (err == nil && !isNew) {
			t.Errorf("dead after %d changes: got the password changed %t with the other session ended %t (error %v), want both or none",
				left, isNew, other != nil, err)
		}
		if err == nil {
			changes++
		}
	}
	if changes == 0 {
		t.Error("got no change at all, want one when the server lives long enough")
	}
}
