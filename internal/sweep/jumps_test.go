package sweep_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/sweep"
)

// TestClockJumpsCampaign sets the clock forward by days and back between sweeps and
// writes. What is written off was due at a reading of the clock that another one had
// confirmed (law Q4), and at the end nothing is left that is due. A sweeper that
// remembers no reading believes every jump, and is found out.
func TestClockJumpsCampaign(t *testing.T) {
	t.Parallel()
	early, swept, jumps := jumpsCampaign(t, false)
	t.Logf("seeds 1 to %d: %d jumps, %d expiry entries", jumpSeeds, jumps, swept)
	if early != "" || swept == 0 || jumps == 0 {
		t.Errorf("got %d expiry entries after %d jumps, want both, and none early: %s", swept, jumps, early)
	}
	if early, _, _ = jumpsCampaign(t, true); early == "" {
		t.Error("a sweeper that believes every jump: got no complaint, want one")
	}
}

const jumpSeeds = 20

func jumpsCampaign(t *testing.T, forgetful bool) (early string, swept, jumps int) {
	for seed := range uint64(jumpSeeds) {
		said, n, jumped := jump(t, seed+1, forgetful)
		swept, jumps = swept+n, jumps+jumped
		if said != "" {
			early = fmt.Sprintf("seed %d: %s", seed+1, said)
		}
	}
	return early, swept, jumps
}

// jump is one run. It returns what was written off early, and how many expiry
// entries and jumps of the clock there were.
func jump(t *testing.T, seed uint64, forgetful bool) (early string, swept, jumps int) {
	s := newStage(t, nil)
	random := rand.New(rand.NewPCG(seed, 0))
	s.customer("cus_1")
	for day := range 30 {
		s.credit("cus_1", 10, time.Duration(day+1)*12*time.Hour)
	}
	known := 30
	believed, before := epoch, time.Time{} // the latest reading that was confirmed, and the one before
	for range 60 {
		step := time.Duration(random.IntN(50)) * time.Minute
		if random.IntN(4) == 0 {
			step, jumps = time.Duration(random.IntN(9)-4)*24*time.Hour, jumps+1
		}
		now := s.clock.Move(step)
		if forgetful {
			s.sweeper = sweep.New(s.book, slog.New(slog.DiscardHandler), nil)
		}
		if err := s.sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if (before.IsZero() || now.Sub(before).Abs() <= time.Hour) && now.After(believed) {
			believed = now
		}
		before = now
		h, err := storetest.ReadHistory(t.Context(), s.store, shop, "cus_1")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range h.Entries[known:] {
			end := h.Entries[e.Allocations[0].LotSeq-1].ExpiresAt
			if swept++; end.After(believed) && early == "" {
				early = fmt.Sprintf("a lot that expires at %v was written off, and no reading after %v was confirmed", end, believed)
			}
		}
		known = len(h.Entries)
	}
	s.clock.Set(epoch.AddDate(1, 0, 0))
	for range 2 { // the second reading confirms the first
		if err := s.sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.store.Expired(t.Context(), s.clock.Now(), 10)
	if err != nil || len(left) != 0 || s.checkLaws("cus_1") != 0 {
		t.Errorf("seed %d: got %v left to sweep and error %v, want nothing", seed, left, err)
	}
	return early, swept, jumps
}
