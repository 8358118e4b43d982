// Package crash kills the real server with kill -9 while it is written to, over
// and over on one data directory, and holds it to every answer that it gave.
package crash

import (
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

var killsFlag = flag.Int("kills", 60, "how often the server is killed with a request on its way")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	writers   = 24
	customers = 48

	// servingMax is how long a killed server may take until it serves again,
	// measured from the start of the process, in the median of all kills.
	servingMax = time.Second

	// killWaitMax bounds how long a server lives between two kills.
	killWaitMax = 220 * time.Millisecond
)

func TestKilledUnderLoad(t *testing.T) {
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	server := harness.Start(t, harness.Options{})
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: writers, Customers: customers})
	var serving []time.Duration
	boots := map[string]bool{server.BootID: true}
	for campaign.Count("kills") < int64(*killsFlag) {
		load.Await("acknowledged entries of this boot", load.Acknowledged, 1)
		wait(t, time.Duration(random.Int64N(int64(killWaitMax))))
		unanswered := load.Unanswered()
		server.Kill()
		load.Await("requests that the kill left without an answer", load.Unanswered, 1-(load.Unanswered()-unanswered))
		load.Down()
		campaign.Add("kills", 1)
		if random.IntN(8) == 0 {
			killWhileStarting(t, server, time.Duration(random.Int64N(int64(60*time.Millisecond))))
			campaign.Add("kills while starting", 1)
		}
		server = harness.Start(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
		if boots[server.BootID] {
			t.Fatalf("boot id: got %s again, want a new one with every start", server.BootID)
		}
		boots[server.BootID] = true
		serving = append(serving, server.ReadyAfter)
		load.Up(server)
	}
	load.StopAfter(1000)
	checked := load.Check(t, server)
	takesEntries(t, load, server)
	server.Stop(t)
	if verified := harness.Verify(t, server.Dir); verified.Entries != checked.Entries+int64(len(load.Customers())) {
		t.Errorf("verify: got %d entries, want %d", verified.Entries, checked.Entries+int64(len(load.Customers())))
	}
	report(t, campaign, serving)
	campaign.Want("kills", int64(*killsFlag))
	campaign.Want("kills while starting", 1)
	campaign.Want("unanswered", int64(*killsFlag))
	campaign.Want("unanswered that happened", 1)
	campaign.Want("repeats", 10)
}

// killWhileStarting starts a server on the directory and kills it before or
// just after it serves: recovery must survive its own interruption.
func killWhileStarting(t *testing.T, server *harness.Server, after time.Duration) {
	t.Helper()
	again := harness.Begin(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
	wait(t, after)
	again.Kill()
}

// takesEntries checks that no wallet is refused after all that: each customer
// can be credited at once.
func takesEntries(t *testing.T, load *harness.Load, server *harness.Server) {
	t.Helper()
	for _, id := range load.Customers() {
		answer, err := server.Client().Post(t.Context(), harness.Post{
			CustomerID: id, Amount: 1, Currency: "USD", EntryType: "credit", Key: "after the last kill",
		})
		if err != nil || answer.Status != 200 {
			t.Errorf("credit customer %s after the last kill: got %s, %v; want 200", id, answer, err)
		}
	}
}

func report(t *testing.T, campaign *harness.Campaign, serving []time.Duration) {
	t.Helper()
	slices.Sort(serving)
	median, worst := serving[len(serving)/2], serving[len(serving)-1]
	campaign.Add("median ms until serving", median.Milliseconds())
	campaign.Add("worst ms until serving", worst.Milliseconds())
	if median > servingMax {
		t.Errorf("serving again after a kill: got %s in the median (worst %s), want at most %s", median, worst, servingMax)
	}
}

// wait lets the load run.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
