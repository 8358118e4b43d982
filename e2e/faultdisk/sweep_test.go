package faultdisk_test

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/billfold/billfold/e2e/faultdisk"
	"github.com/billfold/billfold/e2e/harness"
)

var (
	roundsFlag = flag.Int("rounds", 1, "how often each fault is put at an operation")
	strideFlag = flag.Int("stride", 2, "a fault is put at one of so many operations; 1 means at each")
)

// trialsAtOnce is how many trials run at once.
const trialsAtOnce = 8

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// fault is something that goes wrong at one operation of the disk, or from it
// on.
type fault struct {
	name    string
	code    faultdisk.Code
	only    faultdisk.Kind // where it can happen; empty means anywhere
	forever bool

	// alternate, with forever, spares every other operation that would fail.
	alternate bool

	// again lets the process start again on the same machine after the fault,
	// and answer repeats, before the power goes.
	again bool
	keeps faultdisk.Keeps // of a power cut; empty means that none follows
}

var faults = []fault{
	{name: "kill", code: faultdisk.Cut},
	{name: "power cut that keeps nothing", code: faultdisk.Cut, keeps: faultdisk.KeepsNothing},
	{name: "power cut that keeps the first writes", code: faultdisk.Cut, keeps: faultdisk.KeepsFirst},
	{name: "power cut that keeps any sectors", code: faultdisk.Cut, keeps: faultdisk.KeepsAny},
	{name: "kill, repeats, power cut", code: faultdisk.Cut, again: true, keeps: faultdisk.KeepsNothing},
	{name: "full disk for a moment", code: faultdisk.Full, only: faultdisk.Write},
	{name: "full disk for good", code: faultdisk.Full, only: faultdisk.Write, forever: true},
	{name: "write error", code: faultdisk.WriteError, only: faultdisk.Write},
	{name: "failed sync", code: faultdisk.SyncError, only: faultdisk.Sync},
	{name: "failed sync, power cut", code: faultdisk.SyncError, only: faultdisk.Sync, keeps: faultdisk.KeepsNothing},
	{name: "every other sync failed, power cut", code: faultdisk.SyncError, only: faultdisk.Sync, forever: true, alternate: true,
		keeps: faultdisk.KeepsNothing},
	{name: "failed sync, repeats, power cut", code: faultdisk.SyncError, only: faultdisk.Sync, again: true, keeps: faultdisk.KeepsNothing},
}

// TestFaultsAtOperations runs a small workload on the store again and again,
// with one fault at an operation that it makes on the disk, and looks at what
// is there afterwards: what was acknowledged is, what was refused is not, no
// key has two entries, and every law holds.
func TestFaultsAtOperations(t *testing.T) {
	campaign := harness.NewCampaign(t)
	template := newTemplate(t)
	kinds := template.dryRun(t)
	slots := make(chan struct{}, trialsAtOnce)
	var done sync.WaitGroup
	for number := range len(faults) * *roundsFlag * len(kinds) {
		// Neighbouring operations get different faults.
		f, at := faults[number%len(faults)], number/len(faults)%len(kinds)
		if f.only != "" && f.only != kinds[at] || (number%len(faults)+at)%*strideFlag != 0 {
			continue
		}
		slots <- struct{}{}
		if t.Failed() {
			break
		}
		done.Go(func() {
			defer func() { <-slots }()
			trial := template.try(t, f, at+1, campaign.Rand(uint64(number)))
			defer trial.remove(t)
			trial.settle(t, fmt.Sprintf("%s at operation %d (%s)", f.name, at+1, kinds[at]))
			campaign.Add(f.name, 1)
			campaign.Add("trials", 1)
			campaign.Add("acknowledged", int64(len(trial.acknowledged)))
			campaign.Add("refused", int64(len(trial.refused)))
		})
	}
	done.Wait()
	campaign.Add("operations of the workload", int64(len(kinds)))
	for _, f := range faults {
		campaign.Want(f.name, 5)
	}
	campaign.Want("trials", 300)
	campaign.Want("refused", 100)
}
