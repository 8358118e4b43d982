package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// foundPeople is what a decision about people is given.
type foundPeople = map[people.Key]*people.Record

func peopleScenarios() []scenario {
	return []scenario{
		{"records of people read back, change and go", peopleReadBack},
		{"what has expired is not there, and is swept", peopleExpire},
		{"a decision sees what it asked for and changes nothing when it refuses", peopleRefusals},
		{"N5 a change of a team is a line of its business in live mode", peopleLines},
		{"concurrent decisions about a record come one after the other", peopleRace},
	}
}

func sessionRecord(id, about string, expiresAt time.Time) people.Record {
	return people.Record{
		Key: people.Key{Kind: people.SessionRecord, ID: id}, About: about, ExpiresAt: expiresAt,
		Data: fmt.Sprintf(`{"n":"Zoë %s"}`, id),
	}
}

// putPeople keeps records as they are.
func (w *world) putPeople(records ...people.Record) {
	w.Helper()
	var keys []people.Key
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	err := w.people.ChangePeople(w.Context(), keys, epoch, func(foundPeople) (people.Change, error) {
		return people.Change{Put: records}, nil
	})
	w.wantCode(err, "")
}

func (w *world) wantPeople(kind people.Kind, about string, now time.Time, limit int, want ...people.Record) {
	w.Helper()
	got, err := w.people.People(w.Context(), kind, about, now, limit)
	w.wantCode(err, "")
	w.same(fmt.Sprintf("records about %q", about), want, got)
	for _, r := range want {
		one, err := w.people.Person(w.Context(), r.Key, now)
		w.wantCode(err, "")
		w.same("record", r, one)
	}
}

func peopleReadBack(w *world) {
	a, b := sessionRecord("a", "usr_1", time.Time{}), sessionRecord("b", "usr_1", epoch.Add(time.Hour))
	c := sessionRecord("c", "usr_2", time.Time{})
	other := people.Record{Key: people.Key{Kind: people.UserRecord, ID: "a"}, About: "usr_1", Data: "{}"}
	w.putPeople(c, b, a, other)
	w.wantPeople(people.SessionRecord, "usr_1", epoch, 10, a, b)
	w.wantPeople(people.SessionRecord, "usr_1", epoch, 1, a)
	w.wantPeople(people.SessionRecord, "", epoch, 10, a, b, c)
	w.wantPeople(people.UserRecord, "", epoch, 10, other)
	for _, about := range []string{"usr_3", "a\x00b", "\xff"} {
		w.wantPeople(people.SessionRecord, about, epoch, 10)
	}
	a.About, a.Data, a.ExpiresAt = "usr_2", `{}`, epoch.Add(time.Minute)
	w.putPeople(a)
	w.wantPeople(people.SessionRecord, "usr_2", epoch, 10, a, c)
	err := w.people.ChangePeople(w.Context(), nil, epoch, func(foundPeople) (people.Change, error) {
		return people.Change{Delete: []people.Key{a.Key, {Kind: people.SessionRecord, ID: "nobody"}}}, nil
	})
	w.wantCode(err, "")
	w.wantPeople(people.SessionRecord, "usr_2", epoch, 10, c)
	for _, id := range []string{"a", "nobody", "a\x00b", "\xff"} {
		_, err := w.people.Person(w.Context(), people.Key{Kind: people.SessionRecord, ID: id}, epoch)
		w.wantCode(err, ledger.CodeNotFound)
	}
}

func peopleExpire(w *world) {
	short, long := sessionRecord("short", "usr_1", epoch.Add(time.Minute)), sessionRecord("long", "usr_1", epoch.Add(time.Hour))
	ever := sessionRecord("ever", "usr_1", time.Time{})
	w.putPeople(short, long, ever)
	last, over := epoch.Add(time.Minute-time.Microsecond), epoch.Add(time.Minute)
	w.wantPeople(people.SessionRecord, "usr_1", last, 10, ever, long, short)
	w.wantPeople(people.SessionRecord, "usr_1", over, 10, ever, long)
	_, err := w.people.Person(w.Context(), short.Key, over)
	w.wantCode(err, ledger.CodeNotFound)
	keys := []people.Key{short.Key, long.Key}
	err = w.people.ChangePeople(w.Context(), keys, over, func(found foundPeople) (people.Change, error) {
		w.same("an expired record", (*people.Record)(nil), found[short.Key])
		w.same("one that has not", &long, found[long.Key])
		return people.Change{}, nil
	})
	w.wantCode(err, "")
	for _, want := range []int{1, 0} {
		swept, err := w.people.SweepPeople(w.Context(), epoch.Add(time.Hour), 10)
		w.wantCode(err, "")
		if swept > want {
			w.Errorf("swept %d records, want at most %d", swept, want)
		}
	}
	w.wantPeople(people.SessionRecord, "usr_1", last, 10, ever, long)
}

func peopleRefusals(w *world) {
	a := sessionRecord("a", "usr_1", time.Time{})
	w.putPeople(a)
	none := people.Key{Kind: people.SessionRecord, ID: "none"}
	refusal := errors.New("no")
	keys := []people.Key{none, a.Key}
	err := w.people.ChangePeople(w.Context(), keys, epoch, func(found foundPeople) (people.Change, error) {
		w.same("what is not there", (*people.Record)(nil), found[none])
		w.same("what is", &a, found[a.Key])
		return people.Change{Delete: []people.Key{a.Key}}, refusal
	})
	if !errors.Is(err, refusal) {
		w.Errorf("a refusal: got %v, want it as it was", err)
	}
	w.wantPeople(people.SessionRecord, "", epoch, 10, a)
}

func peopleLines(w *world) {
	live := ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Live}
	before, other := w.trail(live), w.trail(ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Test})
	line := people.Line{
		BusinessID: w.shop.BusinessID, Action: people.AuditJoin, By: w.change(), Subject: "usr_1", After: `{"role":"admin"}`,
	}
	r := sessionRecord("a", "usr_1", time.Time{})
	err := w.people.ChangePeople(w.Context(), []people.Key{r.Key}, epoch, func(foundPeople) (people.Change, error) {
		return people.Change{Put: []people.Record{r}, Lines: []people.Line{line}}, nil
	})
	w.wantCode(err, "")
	after := w.trail(live)
	if len(after) != len(before)+1 {
		w.Fatalf("got %d lines, want one more than %d", len(after), len(before))
	}
	got := after[len(after)-1]
	w.same("action", people.AuditJoin, got.Action)
	w.same("who", line.By.By, got.By)
	w.wantMember(got.After, "usr_1", `{"role":"admin"}`)
	w.same("lines in test mode", other, w.trail(ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Test}))
	line.BusinessID = "bus_nobody"
	err = w.people.ChangePeople(w.Context(), nil, epoch, func(foundPeople) (people.Change, error) {
		return people.Change{Delete: []people.Key{r.Key}, Lines: []people.Line{line}}, nil
	})
	w.wantCode(err, ledger.CodeNotFound)
	w.wantPeople(people.SessionRecord, "", epoch, 10, r)
}

func peopleRace(w *world) {
	const deciders = 16
	key := people.Key{Kind: people.TriesRecord, ID: "x"}
	var all sync.WaitGroup
	for range deciders {
		all.Go(func() {
			err := w.people.ChangePeople(w.Context(), []people.Key{key}, epoch, func(found foundPeople) (people.Change, error) {
				count := 0
				if found[key] != nil {
					count = len(found[key].Data)
				}
				return people.Change{Put: []people.Record{{Key: key, Data: fmt.Sprintf("%0*d", count+1, 0)}}}, nil
			})
			w.wantCode(err, "")
		})
	}
	all.Wait()
	got, err := w.people.Person(w.Context(), key, epoch)
	w.wantCode(err, "")
	if len(got.Data) != deciders {
		w.Errorf("got %d decisions, want all of %d", len(got.Data), deciders)
	}
}
