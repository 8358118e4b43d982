// Package postgres runs several instances of the real binary on one PostgreSQL
// server, kills them and the server, and holds whoever is left to every answer
// that any of them gave.
package postgres

import (
	"flag"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

var killsFlag = flag.Int("kills", 8, "how often an instance is killed with a request on its way")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestInstancesKilled kills one of three instances after the other while all are
// written to. The others serve on, and what was sent to the killed one and got no
// answer is sent to one of them again, under the same key: it has one effect.
func TestInstancesKilled(t *testing.T) {
	t.Parallel()
	const while = 10 // entries that the others must acknowledge while one is away
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	d := harness.Deploy(t, harness.DeployOptions{Instances: 3})
	load := harness.StartLoadOn(t, campaign, d.Servers, harness.LoadOptions{Writers: 24, Customers: 24})
	for campaign.Count("kills") < int64(*killsFlag) {
		load.Await("acknowledged entries", load.Acknowledged, 1+random.Int64N(100))
		n := random.IntN(len(d.Servers))
		// The others are not touched, so whatever gets no answer was sent to
		// the one that is killed.
		unanswered := load.Unanswered()
		d.Servers[n].Kill()
		load.Up(slices.Delete(slices.Clone(d.Servers), n, n+1)...)
		load.Await("acknowledged entries of the others", load.Acknowledged, while)
		if lost := load.Unanswered() - unanswered; lost > 0 {
			campaign.Add("kills", 1)
			campaign.Add("requests that a kill left without an answer", lost)
		} else {
			campaign.Add("kills of an idle instance", 1)
		}
		d.Restart(t, n)
		load.Up(d.Servers...)
	}
	load.Stop()
	checked := load.Check(t, d.Servers[random.IntN(len(d.Servers))])
	if checked.Unknown > 0 {
		t.Errorf("keys of which nobody was told what became: got %d, want none: each was sent again", checked.Unknown)
	}
	d.Stop(t)
	if got := d.Verify(t).Entries; got != checked.Entries {
		t.Errorf("verify: got %d entries, want %d", got, checked.Entries)
	}
	campaign.Want("unanswered", int64(*killsFlag))
	campaign.Want("unanswered that happened", 1)
	campaign.Want("acknowledged", while*int64(*killsFlag))
}

// TestServerKilled kills PostgreSQL itself under an instance. The instance stays
// up, refuses what it cannot do, and serves again by itself.
func TestServerKilled(t *testing.T) {
	t.Parallel()
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
