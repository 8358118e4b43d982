package people_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/vault"
	"github.com/billfold/billfold/internal/verify"
)

// soul is a user as the campaign believes them to be: a second opinion, written down from
// docs/team.md and sharing nothing with the desk.
type soul struct {
	id, email, password string
	roles               map[string]people.Role
	secret              string // of the second factor, empty for none
	recovery            []string
	changes             int // of password and second factor
}

// stay is a session.
type stay struct {
	of    *soul
	id    string
	until time.Time
	over  bool
}

// letter is an invitation, the link for the first owner, or one of the operator.
type letter struct {
	id, business, email string
	role                people.Role
	by                  *soul // nil for the operator
	first               bool
	reset               *soul // whom it lets choose a password, in place of joining
	changes             int   // of that user when it was made
	until               time.Time
	over                bool
}

// walk is a walk of many people through signing in, teams and second factors.
type walk struct {
	context.Context
	desk       *people.Desk
	clock      *storetest.Clock
	random     *rand.Rand
	path       string // of the store
	businesses []string
	souls      map[string]*soul
	stays      map[string]*stay
	letters    map[string]*letter
	passwords  int
	complaints []string
	met        map[string]int // what was done, with how it ended
}

// newWalk begins a walk over a store of its own, which a mistake may change.
func newWalk(t *testing.T, seed uint64, spoil func(people.Store) people.Store) *walk {
	t.Helper()
	path := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	sealing, err := vault.New([]byte("a secret of the tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{
		Context: t.Context(), clock: storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), path: path,
		random: rand.New(rand.NewPCG(seed, 1)), souls: map[string]*soul{}, stays: map[string]*stay{},
		letters: map[string]*letter{}, met: map[string]int{},
	}
	w.desk = people.NewDesk(spoil(db), sealing, people.Options{Now: w.clock.Now})
	w.desk.HashCheaply()
	directory := access.NewDirectory(db, access.Options{Now: w.clock.Now})
	for _, name := range []string{"Acme", "Zeta"} {
		made, err := directory.CreateBusiness(t.Context(), access.NewBusiness{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		w.businesses = append(w.businesses, made.Business.ID)
	}
	return w
}

func (w *walk) complain(format string, args ...any) {
	w.complaints = append(w.complaints, fmt.Sprintf(format, args...))
}

// ended compares how something ended with what it should have.
func (w *walk) ended(what string, err error, want ledger.Code) bool {
	got := ledger.CodeOf(err)
	if err != nil && got == "" {
		w.complain("%s: got error %v, want %q", what, err, want)
		return false
	}
	w.met[what+" "+string(got)]++
	if got != want {
		w.complain("%s: got %q (%v), want %q", what, got, err, want)
	}
	return got == "" && want == ""
}

// run takes steps until something is not as it should be.
func (w *walk) run(steps int) []string {
	doings := []func(){
		w.join, w.join, w.join, w.join, w.signIn, w.signIn, w.signIn, w.signIn, w.signOut, w.invite, w.invite, w.withdraw, w.role, w.role,
		w.password, w.second, w.second, w.second, w.endSessions, w.operator, w.guess,
	}
	w.operator()
	for range steps {
		w.clock.Move(16*time.Minute + time.Duration(w.random.IntN(60))*time.Minute)
		if w.random.IntN(25) == 0 {
			w.clock.Move(70 * time.Hour)
		}
		doings[w.random.IntN(len(doings))]()
		w.look()
		if len(w.complaints) > 0 {
			return w.complaints
		}
	}
	report, err := verify.Run(w, verify.Options{Path: w.path})
	if err != nil || !report.Clean() {
		w.complain("verify: got findings %v (error %v), want none", report.Findings, err)
	}
	return w.complaints
}

// look compares who is signed in and who is in the teams.
func (w *walk) look() {
	for token, s := range w.stays {
		signed, err := w.desk.Authenticate(w, token)
		alive := !s.over && w.clock.Now().Before(s.until)
		switch {
		case (err == nil) != alive:
			w.complain("a session: got error %v, want it alive %t", err, alive)
		case alive && (signed.User.ID != s.of.id || !maps.Equal(signed.User.Roles, s.of.roles)):
			w.complain("who is signed in: got %s with %v, want %s with %v", signed.User.ID, signed.User.Roles, s.of.id, s.of.roles)
		}
	}
	for _, business := range w.businesses {
		team, err := w.desk.Team(w, business)
		got, want := map[string]people.Role{}, map[string]people.Role{}
		for _, user := range team {
			got[user.ID] = user.Roles[business]
		}
		for _, s := range w.souls {
			if role := s.roles[business]; role != "" {
				want[s.id] = role
			}
		}
		if err != nil || !maps.Equal(got, want) {
			w.complain("the team: got %v (error %v), want %v", got, err, want)
		}
	}
}

// pick draws one of many by a name, so that a seed always draws the same.
func pick[T any](w *walk, from map[string]T) (name string, one T) {
	if len(from) == 0 {
		return "", one
	}
	name = slices.Sorted(maps.Keys(from))[w.random.IntN(len(from))]
	return name, from[name]
}

func (w *walk) rarely() bool { return w.random.IntN(4) == 0 }

func (w *walk) business() string { return w.businesses[w.random.IntN(len(w.businesses))] }

// somebody is a user who is signed in, nil for nobody.
func (w *walk) somebody() (*soul, *stay, people.Signed) {
	alive := maps.Clone(w.stays)
	maps.DeleteFunc(alive, func(_ string, s *stay) bool { return s.over || !w.clock.Now().Before(s.until) })
	token, s := pick(w, alive)
	if s == nil {
		return nil, nil, people.Signed{}
	}
	signed, err := w.desk.Authenticate(w, token)
	if err != nil {
		w.complain("a session: got error %v, want none", err)
		return nil, nil, people.Signed{}
	}
	return s.of, s, signed
}

// mayTouch is the rule about who gives and takes which role.
func (s *soul) mayTouch(business string, role people.Role) bool {
	mine := s.roles[business]
	return mine == people.Owner || mine == people.Admin && role != people.Owner
}

func (w *walk) hasOwner(business string, beside *soul) bool {
	for _, s := range w.souls {
		if s != beside && s.roles[business] == people.Owner {
			return true
		}
	}
	return false
}

// changed is what a change of password or second factor ends: all sessions but one.
func (w *walk) changed(s *soul, but *stay) {
	s.changes++
	for _, other := range w.stays {
		if other.of == s && other != but {
			other.over = true
		}
	}
}

// code is the code that the user's device shows, or a recovery code, or a wrong one.
func (w *walk) code(s *soul) (code string, right bool) {
	if s == nil || s.secret == "" {
		return "", true
	}
	switch w.random.IntN(6) {
	case 0:
		return "", false
	case 1:
		return "000000", false
	case 2:
		if len(s.recovery) > 0 {
			return s.recovery[0], true
		}
	}
	code, err := totp.GenerateCode(s.secret, w.clock.Now())
	if err != nil {
		w.complain("a code: %v", err)
	}
	return code, true
}

// used says that a code was taken.
func (s *soul) used(code string) {
	s.recovery = slices.DeleteFunc(s.recovery, func(one string) bool { return one == code })
}

func (w *walk) newPassword() string {
	w.passwords++
	return fmt.Sprint("correct horse battery ", w.passwords)
}

// TestCampaign walks many people through all that the desk does, and compares it with a
// second opinion after every step.
func TestCampaign(t *testing.T) {
	t.Parallel()
	met := map[string]int{}
	for seed := range uint64(3) {
		w := newWalk(t, seed, func(store people.Store) people.Store { return store })
		for _, complaint := range w.run(400) {
			t.Errorf("seed %d: %s", seed, complaint)
		}
		for what, times := range w.met {
			met[what] += times
		}
	}
	t.Logf("met %v", met)
	for _, what := range []string{
		"join ", "join INVITATION_OVER", "join USER_EXISTS", "join INVALID_PASSWORD", "join SECOND_FACTOR_REQUIRED", "join INVALID_CODE",
		"join as the first ", "join again INVITATION_OVER", "reset ", "reset INVITATION_OVER", "sign in ", "sign in UNAUTHORIZED",
		"sign in SECOND_FACTOR_REQUIRED", "the code again UNAUTHORIZED", "role ", "role FORBIDDEN", "role LAST_OWNER", "role NOT_FOUND",
		"invite ", "invite FORBIDDEN", "withdraw ", "withdraw FORBIDDEN", "withdraw INVITATION_OVER", "password ", "password INVALID_PASSWORD",
		"confirm ", "confirm INVALID_CODE", "begin FORBIDDEN", "drop ", "drop INVALID_CODE", "guess TOO_MANY_REQUESTS",
	} {
		if met[what] == 0 {
			t.Errorf("%q was not met", what)
		}
	}
}
