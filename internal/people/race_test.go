package people_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/storetest"
)

// overtaken is a store in which somebody else is faster: when a change is about a record of a
// kind, something happens right before it, once.
type overtaken struct {
	people.Store
	kind   people.Kind
	before func()
}

func (o *overtaken) ChangePeople(
	ctx context.Context, keys []people.Key, now time.Time,
	decide func(map[people.Key]*people.Record) (people.Change, error),
) error {
	about := slices.ContainsFunc(keys, func(key people.Key) bool { return key.Kind == o.kind })
	if before := o.before; before != nil && about {
		o.before = nil
		before()
	}
	return o.Store.ChangePeople(ctx, keys, now, decide)
}

// firm is a business of which nobody is in the team yet.
type firm struct {
	testing.TB
	id    string
	store *overtaken
	desk  *people.Desk
}

func newFirm(t testing.TB) *firm {
	t.Helper()
	model, clock := storetest.NewModel(), storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	made, err := access.NewDirectory(model, access.Options{Now: clock.Now}).
		CreateBusiness(t.Context(), access.NewBusiness{Name: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	store := &overtaken{Store: model}
	return &firm{TB: t, id: made.Business.ID, store: store, desk: newDesk(t, store, clock, "a secret of the tests, long enough")}
}

// join has somebody join by an invitation.
func (f *firm) join(token, name string) (*people.User, error) {
	return f.desk.Join(f.Context(), token, people.Joining{Email: name + "@example.com", Name: name, Password: password})
}

// member has somebody join with a role.
func (f *firm) member(name string, role people.Role) *people.User {
	f.Helper()
	token, _, err := f.desk.Invite(f.Context(), nil, ledger.Actor{}, f.id, "", role)
	if err != nil {
		f.Fatal(err)
	}
	user, err := f.join(token, name)
	if err != nil {
		f.Fatal(err)
	}
	return user
}

// owners is how many owners the team has.
func (f *firm) owners() (count int) {
	f.Helper()
	team, err := f.desk.Team(f.Context(), f.id)
	if err != nil {
		f.Fatal(err)
	}
	for _, user := range team {
		if user.Roles[f.id] == people.Owner {
			count++
		}
	}
	return count
}

// links makes two links for the first owner, of which neither ends the other: each was asked
// for before the other was made.
func (f *firm) links() (tokens [2]string) {
	f.Helper()
	var failed error
	f.store.kind = people.InvitationRecord
	f.store.before = func() { tokens[0], failed = f.desk.Welcome(f.Context(), f.id) }
	var err error
	if tokens[1], err = f.desk.Welcome(f.Context(), f.id); err != nil || failed != nil {
		f.Fatal(err, failed)
	}
	return tokens
}

// Of two who become the first owner at once, one does, also where the other was let through
// to the last step before.
func TestOneFirstOwner(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	tokens := f.links()
	var first error
	f.store.kind, f.store.before = people.TeamRecord, func() { _, first = f.join(tokens[0], "jane") }
	_, second := f.join(tokens[1], "john")
	if first != nil || ledger.CodeOf(second) != people.CodeInvitationOver || f.owners() != 1 {
		t.Errorf("two first owners: got errors %v and %v with %d owners, want %s of the second and one",
			first, second, f.owners(), people.CodeInvitationOver)
	}
	late := newFirm(t)
	tokens = late.links()
	late.store.kind, late.store.before = people.InvitationRecord, func() { _, _ = late.join(tokens[0], "jane") }
	if _, err := late.desk.Welcome(t.Context(), late.id); ledger.CodeOf(err) != people.CodeUserExists {
		t.Errorf("a link while an owner joins: got error %v, want %s", err, people.CodeUserExists)
	}
}

// The same with nobody arranging who comes first.
func TestFirstOwnersRace(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	tokens := f.links()
	var all sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		all.Go(func() { _, errs[i] = f.join(tokens[i%2], fmt.Sprint("jane", i)) })
	}
	all.Wait()
	joined := 0
	for _, err := range errs {
		if err == nil {
			joined++
		}
	}
	if joined != 1 || f.owners() != 1 {
		t.Errorf("got %d joined and %d owners, want one (errors %v)", joined, f.owners(), errs)
	}
}

// Two owners who take each other out, or step down, at once leave one of them.
func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	for name, role := range map[string]people.Role{"out": "", "down": people.Admin} {
		for _, each := range []bool{true, false} {
			f := newFirm(t)
			a, b := f.member("jane", people.Owner), f.member("john", people.Owner)
			whom := map[*people.User]*people.User{a: b, b: a}
			if !each {
				whom[a], whom[b] = a, b // themselves
			}
			change := func(by *people.User) error {
				_, err := f.desk.SetRole(t.Context(), by, ledger.Actor{KeyID: by.ID}, f.id, whom[by].ID, role)
				return err
			}
			var first error
			f.store.kind, f.store.before = people.TeamRecord, func() { first = change(a) }
			second := change(b)
			if first != nil || second == nil || f.owners() != 1 {
				t.Errorf("%s, each other %t: got errors %v and %v with %d owners, want the second refused and one owner",
					name, each, first, second, f.owners())
			}
		}
	}
	f := newFirm(t)
	var owners []*people.User
	for i := range 4 {
		owners = append(owners, f.member(fmt.Sprint("jane", i), people.Owner))
	}
	var all sync.WaitGroup
	for i, by := range owners {
		all.Go(func() {
			_, _ = f.desk.SetRole(t.Context(), by, ledger.Actor{KeyID: by.ID}, f.id, owners[(i+1)%len(owners)].ID, "")
			_, _ = f.desk.SetRole(t.Context(), by, ledger.Actor{KeyID: by.ID}, f.id, by.ID, people.ReadOnly)
		})
	}
	all.Wait()
	if f.owners() < 1 {
		t.Error("four owners who take each other out: got no owner left, want one")
	}
}

// The last place in a team is taken once.
func TestTheLastPlaceInATeam(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	roles := map[string]people.Role{}
	for i := range 499 {
		roles[fmt.Sprint("usr_", i)] = people.Support
	}
	data, err := json.Marshal(map[string]any{"roles": roles})
	if err != nil {
		t.Fatal(err)
	}
	key := people.Key{Kind: people.TeamRecord, ID: f.id}
	full := func(map[people.Key]*people.Record) (people.Change, error) {
		return people.Change{Put: []people.Record{{Key: key, Data: string(data)}}}, nil
	}
	if err := f.store.ChangePeople(t.Context(), []people.Key{key}, time.Time{}, full); err != nil {
		t.Fatal(err)
	}
	var tokens [2]string
	for i := range tokens {
		if tokens[i], _, err = f.desk.Invite(t.Context(), nil, ledger.Actor{}, f.id, "", people.Support); err != nil {
			t.Fatal(err)
		}
	}
	var first error
	f.store.kind, f.store.before = people.TeamRecord, func() { _, first = f.join(tokens[0], "jane") }
	if _, second := f.join(tokens[1], "john"); first != nil || ledger.CodeOf(second) != people.CodeInvalidUser {
		t.Errorf("the last place: got errors %v and %v, want %s of the second", first, second, people.CodeInvalidUser)
	}
}
