package faults

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
)

var syncsFlag = flag.Int64("syncs", 4, "how often TestFailedSync lets a sync fail")

// TestFailedSync lets a sync of the disk fail. The disk is a file in a small
// file system of its own: when that is full, the kernel takes every write and
// then cannot put it anywhere, which only the sync can tell. After it the
// kernel forgets the error and what it could not write, so nobody may go on:
// the server stops, and what it acknowledged is there when it starts again.
func TestFailedSync(t *testing.T) {
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	for range *syncsFlag {
		below := harness.Tmpfs(t, 6+random.Int64N(6))
		disk := harness.NewDisk(t, below, 64)
		disk.WriteByPage(t)
		server := harness.Start(t, harness.Options{Dir: filepath.Join(disk.Dir, "data")})
		load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: 16, Customers: 16, Patient: true})
		if !awaitTrouble(t, load, server) {
			t.Fatalf("a failed sync: got a server that goes on, want it stopped\n%s", server.Log())
		}
		wantFailed(t, server, "the disk")
		// One that was told of a full disk before its sync would have had a
		// right to go on.
		if strings.Contains(server.Log(), "disk I/O error") {
			campaign.Add("syncs failed", 1)
		}
		load.Down()
		disk.Unmount(t)
		harness.Resize(t, below, 80)
		disk.Repair(t)
		disk.Mount(t)
		server = harness.Start(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
		load.Up(server)
		load.Await("acknowledged entries after the repair", load.Acknowledged, 100)
		load.Stop()
		load.Check(t, server)
		server.Stop(t)
		harness.Verify(t, server.Dir)
		disk.Unmount(t)
		campaign.Add("rounds", 1)
	}
	campaign.Want("syncs failed", *syncsFlag)
}
