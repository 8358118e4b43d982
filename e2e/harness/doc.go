// Package harness starts the real binary, loads it, breaks it, and checks what
// is left: it is what the end-to-end tests have in common.
//
// A test of this kind proves nothing unless the fault really happened, so the
// harness insists on evidence: a server that was killed must come back with
// another boot id, a kill counts only when a request was on its way, and a
// [Campaign] says at its end what it did how often and how to do it again.
//
// Everything that the harness starts or mounts is gone when the test ends, also
// when the test is killed: servers die with their parent, and mounts live in a
// name space of their own, see [Main].
package harness

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "seed of a campaign; 0 draws one")

// Campaign is a long run of one kind of fault. Its counts are the evidence
// that the faults happened.
type Campaign struct {
	Seed uint64

	t      testing.TB
	began  time.Time
	mu     sync.Mutex
	counts map[string]int64
}

// NewCampaign begins a campaign and prints it when the test ends.
func NewCampaign(t testing.TB) *Campaign {
	t.Helper()
	c := &Campaign{Seed: *seedFlag, t: t, began: time.Now(), counts: map[string]int64{}}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	t.Cleanup(c.print)
	return c
}

// Rand returns a source of chance that depends on the seed and on n alone.
func (c *Campaign) Rand(n uint64) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, n)) }

// Add counts something that happened.
func (c *Campaign) Add(what string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what] += n
}

// Count returns how often something happened.
func (c *Campaign) Count(what string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

// Want fails the test when something happened less often than it must have:
// a campaign that did little has shown little.
func (c *Campaign) Want(what string, least int64) {
	c.t.Helper()
	if got := c.Count(what); got < least {
		c.t.Errorf("%s: got %d, want at least %d", what, got, least)
	}
}

func (c *Campaign) print() {
	took := time.Since(c.began)
	var parts []string
	for what, n := range c.counts {
		parts = append(parts, fmt.Sprintf("%s %d", what, n))
	}
	slices.Sort(parts)
	arguments := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(argument string) bool {
		return strings.HasPrefix(argument, "-test.") || strings.HasPrefix(argument, "-seed")
	})
	folder, err := os.Getwd()
	if err != nil {
		folder = "."
	}
	_, folder, _ = strings.Cut(folder, "/e2e/")
	c.t.Logf("campaign %s: seed %d, %s: %s", c.t.Name(), c.Seed, took.Round(time.Millisecond), strings.Join(parts, ", "))
	c.t.Logf("replay: go test ./e2e/%s -count=1 -v -run '^%s$' %s", folder, c.t.Name(),
		strings.Join(append([]string{fmt.Sprintf("-seed=%d", c.Seed)}, arguments...), " "))
}
