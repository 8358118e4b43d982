// Package postgres runs several instances of the real binary on one PostgreSQL
// server, kills them and the server, and holds whoever is left to every answer
// that any of them gave.
package postgres

import (
	"flag"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

var killsFlag = flag.Int("kills", 40, "how often an instance is killed with a request on its way")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestInstancesKilled kills one of two instances while it is written to; the
// writers go on with the other, to which they repeat what they had no answer to.
func TestInstancesKilled(t *testing.T) {
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	i := harness.NewInstallation(t)
	serving, other := harness.Start(t, i.Options(t, "")), harness.Start(t, i.Options(t, ""))
	load := harness.StartLoad(t, campaign, serving, harness.LoadOptions{Writers: 24, Customers: 24})
	for campaign.Count("kills") < int64(*killsFlag) {
		load.Await("acknowledged entries of this instance", load.Acknowledged, 1+random.Int64N(100))
		unanswered := load.Unanswered()
		serving.Kill()
		load.Await("requests that the kill left without an answer", load.Unanswered, 1-(load.Unanswered()-unanswered))
		load.Up(other)
		campaign.Add("kills", 1)
		addr := serving.Addr
		serving, other = other, harness.Start(t, i.Options(t, addr))
	}
	load.Stop()
	checked := load.Check(t, other)
	if got := i.Verify(t).Entries; got != checked.Entries {
		t.Errorf("verify: got %d entries, want %d", got, checked.Entries)
	}
	serving.Stop(t)
	other.Stop(t)
	campaign.Want("unanswered", int64(*killsFlag))
	campaign.Want("acknowledged", 1000)
}

// TestServerKilled kills PostgreSQL itself under an instance. The instance stays
// up, refuses what it cannot do, and serves again by itself.
func TestServerKilled(t *testing.T) {
	const kills = 5
	campaign := harness.NewCampaign(t)
	i := harness.NewInstallation(t)
	instance := harness.Start(t, i.Options(t, ""))
	load := harness.StartLoad(t, campaign, instance, harness.LoadOptions{Writers: 24, Customers: 24, Patient: true})
	for range kills {
		load.Await("acknowledged entries", load.Acknowledged, 200)
		if err := i.Cluster.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := i.Cluster.Start(); err != nil {
			t.Fatal(err)
		}
		campaign.Add("kills", 1)
	}
	load.Await("acknowledged entries", load.Acknowledged, 200)
	load.Stop()
	checked := load.Check(t, instance)
	if got := i.Verify(t).Entries; got != checked.Entries {
		t.Errorf("verify: got %d entries, want %d", got, checked.Entries)
	}
	instance.Stop(t)
	campaign.Want("acknowledged", 1000)
}
