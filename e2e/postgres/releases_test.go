package postgres

import (
	"fmt"
	"testing"

	"github.com/billfold/billfold/internal/pgtest"
)

// onReleases runs a test on each release of PostgreSQL, with how much of a
// campaign is to run there: all of it on the oldest, and a quarter on the other.
func onReleases(t *testing.T, test func(t *testing.T, release pgtest.Release, share func(n int) int)) {
	releases, err := pgtest.Releases()
	if err != nil {
		t.Fatal(err)
	}
	for n, release := range releases {
		share := func(n int) int { return n }
		if n > 0 {
			share = func(n int) int { return (n + 3) / 4 }
		}
		t.Run(fmt.Sprintf("postgres %d", release.Version), func(t *testing.T) {
			t.Parallel()
			test(t, release, share)
		})
	}
}
