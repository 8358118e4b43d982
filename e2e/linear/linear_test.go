// Package linear records what many clients do to the real server at once and
// what they are told, and checks that the answers can be explained by one
// order of the operations that agrees with real time (laws R1 and R2).
package linear

import (
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

var (
	operationsFlag = flag.Int64("operations", 50_000, "operations of the recorded history")
	killsFlag      = flag.Int("kills", 8, "kills in the history that is recorded across kills")
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	clients   = 16
	customers = 40
)

func TestLinearizable(t *testing.T) {
	campaign := harness.NewCampaign(t)
	server := harness.Start(t, harness.Options{})
	r := record(t, campaign, server, customers, *operationsFlag)
	h := r.finish(r.run(clients))
	server.Stop(t)
	harness.Verify(t, server.Dir)
	check(t, h)
	plant(t, campaign, h)
	campaign.Want("operations", 45_000)
	campaign.Want("accepted", 15_000)
	campaign.Want("refused", 1000)
	campaign.Want("wallet reads", 5000)
	campaign.Want("list reads", 1000)
	campaign.Want("writes sent twice", 100)
}

// TestLinearizableAcrossKills records a history in which the server is killed
// again and again. A write without an answer may have happened at any later
// moment, or never.
func TestLinearizableAcrossKills(t *testing.T) {
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	server := harness.Start(t, harness.Options{})
	const forever = 1 << 40
	r := record(t, campaign, server, customers, forever)
	var operations []*operation
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		operations = r.run(clients)
	}()
	for range *killsFlag {
		wait(t, 200*time.Millisecond+time.Duration(random.Int64N(int64(200*time.Millisecond))))
		boot := server.BootID
		server.Kill()
		server = harness.Start(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
		if server.BootID == boot {
			t.Fatalf("boot id: got %s again, want a new one with every start", boot)
		}
		r.replace(server)
		campaign.Add("kills", 1)
	}
	wait(t, 200*time.Millisecond)
	r.left.Store(0)
	<-finished
	h := r.finish(operations)
	server.Stop(t)
	harness.Verify(t, server.Dir)
	check(t, h)
	campaign.Want("kills", 8)
	campaign.Want("unknown outcomes", 8)
	campaign.Want("unknown outcomes that happened", 1)
	campaign.Want("accepted", 500)
}

func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// check wants both checkers to be content.
func check(t *testing.T, h *history) {
	t.Helper()
	problems := slices.Concat(linearizable(h), witnessed(h))
	for _, problem := range problems[:min(len(problems), 10)] {
		t.Error(problem)
	}
	if len(problems) > 10 {
		t.Errorf("and %d more", len(problems)-10)
	}
}
