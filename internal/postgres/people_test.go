package postgres_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/people"
)

// Whoever waits for a record that is deleted meanwhile still has its lock alone: the rows of
// counters that are dropped are what sign-ins at once wait for.
func TestDeletedPeopleStayLocked(t *testing.T) {
	t.Parallel()
	s := servers[0]
	db := s.open(t, s.database(t))
	key := people.Key{Kind: people.TriesRecord, ID: "x"}
	put := people.Change{Put: []people.Record{{Key: key, Data: "{}"}}}
	change := func(decide func() people.Change) {
		decided := func(map[people.Key]*people.Record) (people.Change, error) { return decide(), nil }
		err := db.ChangePeople(t.Context(), []people.Key{key}, time.Now(), decided)
		if err != nil {
			t.Error(err)
		}
	}
	change(func() people.Change { return put })
	locked, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		change(func() people.Change {
			close(locked)
			<-release
			return people.Change{Delete: []people.Key{key}}
		})
	})
	<-locked
	var inside, most atomic.Int64
	for range 6 {
		all.Go(func() {
			change(func() people.Change {
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(20 * time.Millisecond)
				inside.Add(-1)
				return put
			})
		})
	}
	time.Sleep(300 * time.Millisecond) // until they wait for the row
	close(release)
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("got %d decisions at once, want one", most.Load())
	}
}
