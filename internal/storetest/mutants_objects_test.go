package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func objectMistakes() []mistake {
	return []mistake{
		{"an object is lost where money moves", bend(losesObjects), [][2]string{
			{"objects", "an object is made and changed in the commit that moves its money"},
		}, false},
		{"objects read, then written", bendRacing(readThenWrite), [][2]string{
			{"objects", "O2 64 decisions at once about one object: each sees the one before"},
		}, false},
		{"objects that scopes name are not found", bendSnapshot(forgetsObjects), [][2]string{
			{"objects", "O2 64 decisions at once about one object: each sees the one before"},
			{"objects", "several objects in one change, and one of them twice"},
		}, false},
		{"the chain of objects begins anew", bendSnapshot(forgetsObjectHead), [][2]string{
			{"objects", "a change of objects alone leaves the wallet as it is"},
		}, false},
		{"due in any order", openDueInAnyOrder, [][2]string{
			{"objects", "what is due is found, the longest due first, and nothing else"},
		}, false},
	}
}

// losesObjects commits a change without what it made of objects.
func losesObjects(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	var lost []ledger.ObjectChange
	change, err := m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if change.Entry.Position > 0 {
			lost, change.Objects = change.Objects, nil
		}
		return change, err
	})
	change.Objects = append(change.Objects, lost...)
	return change, err
}

func forgetsObjects(_ *Model, _ ledger.Scope, s *ledger.Snapshot) { s.Objects = nil }

func forgetsObjectHead(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	s.ObjectHead.Hash = ledger.Hash{}
}

// dueInAnyOrder is the model that finds what was made last first.
type dueInAnyOrder struct{ *Model }

func openDueInAnyOrder(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: dueInAnyOrder{m}, Access: m}
}

func (d dueInAnyOrder) DueObjects(
	ctx context.Context, kind ledger.ObjectKind, at time.Time, limit int,
) ([]ledger.Object, error) {
	due, err := d.Model.DueObjects(ctx, kind, at, 1000)
	slices.Reverse(due)
	return due[:min(limit, len(due))], err
}
