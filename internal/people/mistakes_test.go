package people_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// spoiled is a store behind which a desk makes a mistake: what it reads, what it decides from
// or what it decides is another than it should be.
type spoiled struct {
	people.Store
	read  func(*people.Record)
	found func(map[people.Key]*people.Record)
	wrote func(map[people.Key]*people.Record, *people.Change)
}

func (s spoiled) Person(ctx context.Context, key people.Key, now time.Time) (people.Record, error) {
	record, err := s.Store.Person(ctx, key, now)
	if s.read != nil {
		s.read(&record)
	}
	return record, err
}

func (s spoiled) ChangePeople(
	ctx context.Context, keys []people.Key, now time.Time,
	decide func(map[people.Key]*people.Record) (people.Change, error),
) error {
	return s.Store.ChangePeople(ctx, keys, now, func(found map[people.Key]*people.Record) (people.Change, error) {
		given := map[people.Key]*people.Record{}
		for key, record := range found {
			if given[key] = record; record != nil {
				copied := *record
				given[key] = &copied
				if s.read != nil {
					s.read(&copied)
				}
			}
		}
		if s.found != nil {
			s.found(given)
		}
		change, err := decide(given)
		if err == nil && s.wrote != nil {
			s.wrote(found, &change)
		}
		return change, err
	})
}

// edit changes members of what a record keeps.
func edit(record *people.Record, change func(map[string]any)) {
	members := map[string]any{}
	if record == nil || json.Unmarshal([]byte(record.Data), &members) != nil {
		return
	}
	change(members)
	data, _ := json.Marshal(members) // it was JSON
	record.Data = string(data)
}

func without(names ...string) func(map[string]any) {
	return func(members map[string]any) {
		for _, name := range names {
			delete(members, name)
		}
	}
}

// puts edits all records of a kind that a change would keep.
func puts(change *people.Change, kind people.Kind, do func(*people.Record)) {
	for i := range change.Put {
		if change.Put[i].Kind == kind {
			do(&change.Put[i])
		}
	}
}

func keeps(change *people.Change, kind people.Kind) {
	change.Delete = slices.DeleteFunc(slices.Clone(change.Delete), func(key people.Key) bool { return key.Kind == kind })
}

func forgets(change *people.Change, kind people.Kind) {
	change.Put = slices.DeleteFunc(change.Put, func(r people.Record) bool { return r.Kind == kind })
}

func tells(change *people.Change, action ledger.AuditAction) bool {
	return slices.ContainsFunc(change.Lines, func(line people.Line) bool { return line.Action == action })
}

// outlived has sessions go on where they should end.
func outlived(change *people.Change) {
	keeps(change, people.SessionRecord)
	for _, kind := range []people.Kind{people.UserRecord, people.SessionRecord} {
		puts(change, kind, func(r *people.Record) { edit(r, without("generation")) })
	}
}

type foundRecords = map[people.Key]*people.Record

// peopleMistakes are those that a desk could make about signing in, each as a store makes them.
func peopleMistakes() map[string]spoiled {
	return map[string]spoiled{
		"no second factor is asked for": {read: func(r *people.Record) {
			if r.Kind == people.UserRecord {
				edit(r, without("second_factor"))
			}
		}},
		"tries are not counted": {wrote: func(_ foundRecords, c *people.Change) { forgets(c, people.TriesRecord) }},
		"sessions outlive a change of the password": {wrote: func(_ foundRecords, c *people.Change) {
			if tells(c, people.AuditPassword) {
				outlived(c)
			}
		}},
		"sessions outlive a change of the second factor": {wrote: func(_ foundRecords, c *people.Change) {
			if tells(c, people.AuditSecond) {
				outlived(c)
			}
		}},
		"sessions outlive a link of the operator": {wrote: func(_ foundRecords, c *people.Change) {
			if tells(c, people.AuditReset) {
				outlived(c)
			}
		}},
		"an invitation is used twice": {wrote: func(_ foundRecords, c *people.Change) {
			if tells(c, people.AuditJoin) {
				keeps(c, people.InvitationRecord)
			}
		}},
		"a code is taken twice": {wrote: func(_ foundRecords, c *people.Change) {
			puts(c, people.UserRecord, func(r *people.Record) { edit(r, without("step")) })
		}},
		"a recovery code is taken twice": {wrote: func(found foundRecords, c *people.Change) {
			puts(c, people.UserRecord, func(r *people.Record) {
				edit(found[r.Key], func(was map[string]any) {
					edit(r, func(is map[string]any) {
						if was["recovery"] != nil && is["second_factor"] != nil {
							is["recovery"] = was["recovery"]
						}
					})
				})
			})
		}},
		"signing out ends nothing": {wrote: func(_ foundRecords, c *people.Change) {
			if len(c.Put) == 0 && len(c.Delete) == 1 {
				keeps(c, people.SessionRecord)
			}
		}},
		"sessions have no end": {wrote: func(_ foundRecords, c *people.Change) {
			puts(c, people.SessionRecord, func(r *people.Record) { r.ExpiresAt = time.Time{} })
		}},
		"invitations have no end": {wrote: func(_ foundRecords, c *people.Change) {
			puts(c, people.InvitationRecord, func(r *people.Record) { r.ExpiresAt = time.Time{} })
		}},
	}
}

// teamMistakes are those about teams and what is told of them.
func teamMistakes() map[string]spoiled {
	return map[string]spoiled{
		"the last owner goes": {found: func(found foundRecords) {
			for key, record := range found {
				if key.Kind == people.TeamRecord {
					edit(record, func(members map[string]any) { members["roles"].(map[string]any)["usr_nobody"] = "owner" })
				}
			}
		}},
		"no role is looked at": {found: func(found foundRecords) {
			for key, record := range found {
				if key.Kind == people.UserRecord {
					edit(record, func(members map[string]any) {
						for business := range members["roles"].(map[string]any) {
							members["roles"].(map[string]any)[business] = "owner"
						}
					})
				}
			}
		}},
		"an operator's link outlives what the user did since": {found: func(found foundRecords) {
			for key, invitation := range found {
				edit(invitation, func(letter map[string]any) {
					id, resets := letter["user_id"].(string)
					if key.Kind != people.InvitationRecord || !resets {
						return
					}
					edit(found[people.Key{Kind: people.UserRecord, ID: id}], func(user map[string]any) {
						letter["generation"] = user["generation"]
					})
				})
			}
		}},
		"half of joining is kept": {wrote: func(_ foundRecords, c *people.Change) {
			if tells(c, people.AuditJoin) {
				forgets(c, people.TeamRecord)
			}
		}},
		"a role is not told of":     {wrote: untold(people.AuditRole)},
		"a password is not told of": {wrote: untold(people.AuditPassword)},
		"a reset is not told of":    {wrote: untold(people.AuditReset)},
		"a factor is not told of":   {wrote: untold(people.AuditSecond)},
		"another has done it": {wrote: func(_ foundRecords, c *people.Change) {
			for i := range c.Lines {
				c.Lines[i].By.By.KeyID = "usr_nobody"
			}
		}},
	}
}

// untold keeps a change without its line in the trail.
func untold(action ledger.AuditAction) func(foundRecords, *people.Change) {
	return func(_ foundRecords, c *people.Change) {
		c.Lines = slices.DeleteFunc(c.Lines, func(line people.Line) bool { return line.Action == action })
	}
}

// TestMistakesAboutPeopleAreNoticed plants each mistake and wants the campaign to complain.
func TestMistakesAboutPeopleAreNoticed(t *testing.T) {
	t.Parallel()
	mistakes := peopleMistakes()
	maps.Copy(mistakes, teamMistakes())
	for name, mistake := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(5) {
				w := newWalk(t, seed, func(store people.Store) people.Store {
					mistake.Store = store
					return mistake
				})
				if complaints := w.run(250); len(complaints) > 0 {
					t.Logf("seed %d: %.300s", seed, complaints[0])
					return
				}
			}
			t.Error("five walks do not notice it")
		})
	}
}
