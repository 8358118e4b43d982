// Package power cuts the power of the disk under the real server: the server
// is killed, the file system is shut down so that everything that was not
// synced is gone, and is mounted again, which replays its journal. What was
// acknowledged must still be there.
//
// The same cuts under a store that syncs less than it must, see
// [TestControlLoses], show that the test can tell the difference.
package power

import (
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

var cutsFlag = flag.Int("cuts", 30, "how often the power is cut under the server")

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(harness.Main(m))
}

const (
	writers   = 16
	customers = 32

	// cutWaitMax bounds how long a server lives between two cuts.
	cutWaitMax = 250 * time.Millisecond

	// servingMax is how long a start may take after a cut, in the median.
	servingMax = time.Second

	diskMegabytes = 512
)

func TestPowerCutUnderLoad(t *testing.T) {
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	disk := harness.NewDisk(t, t.TempDir(), diskMegabytes)
	server := harness.Start(t, harness.Options{Dir: disk.Dir + "/data"})
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: writers, Customers: customers})
	var serving []time.Duration
	for campaign.Count("cuts") < int64(*cutsFlag) {
		load.Await("acknowledged entries of this boot", load.Acknowledged, 1)
		wait(t, time.Duration(random.Int64N(int64(cutWaitMax))))
		if random.IntN(4) == 0 {
			// A kill, after which the next server answers repeats from what it
			// found, before the power goes.
			server.Kill()
			load.Down()
			server = harness.Start(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
			load.Up(server)
			load.Await("acknowledged entries after a kill", load.Acknowledged, 1)
			campaign.Add("kills before a cut", 1)
		}
		unanswered := load.Unanswered()
		server.Kill()
		load.Await("requests that the cut left without an answer", load.Unanswered, 1-(load.Unanswered()-unanswered))
		load.Down()
		disk.CutPower(t)
		campaign.Add("cuts", 1)
		if random.IntN(6) == 0 {
			// A second cut while the server recovers from the first.
			again := harness.Begin(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
			wait(t, time.Duration(random.Int64N(int64(80*time.Millisecond))))
			again.Kill()
			disk.CutPower(t)
			campaign.Add("cuts while starting", 1)
		}
		boot := server.BootID
		server = harness.Start(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
		if server.BootID == boot {
			t.Fatalf("boot id: got %s again, want a new one with every start", boot)
		}
		serving = append(serving, server.ReadyAfter)
		load.Up(server)
	}
	load.StopAfter(1000)
	checked := load.Check(t, server)
	server.Stop(t)
	if verified := harness.Verify(t, server.Dir); verified.Entries != checked.Entries {
		t.Errorf("verify: got %d entries, want %d", verified.Entries, checked.Entries)
	}
	disk.Check(t)
	report(t, campaign, serving)
	campaign.Want("cuts", int64(*cutsFlag))
	campaign.Want("cuts while starting", 1)
	campaign.Want("kills before a cut", 1)
	campaign.Want("unanswered", int64(*cutsFlag))
}

func report(t *testing.T, campaign *harness.Campaign, serving []time.Duration) {
	t.Helper()
	slices.Sort(serving)
	median, worst := serving[len(serving)/2], serving[len(serving)-1]
	campaign.Add("median ms until serving", median.Milliseconds())
	campaign.Add("worst ms until serving", worst.Milliseconds())
	if median > servingMax {
		t.Errorf("serving again after a cut: got %s in the median (worst %s), want at most %s", median, worst, servingMax)
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
