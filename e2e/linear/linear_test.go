// Package linear records what many clients do at once to the real server, or to
// several instances of it on PostgreSQL, and what they are told, and checks that
// the answers can be explained by one order of the operations that agrees with
// real time (laws R1 and R2).
package linear

import (
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/mutant"
)

var (
	operationsFlag = flag.Int64("operations", 20_000, "operations of the recorded history, a fifth of it on PostgreSQL")
	killsFlag      = flag.Int("kills", 8, "kills in each history that is recorded across kills")
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	clients   = 16
	customers = 40
)

// TestLinearizable lets each operation go to any instance, reads too: whatever
// one has acknowledged, all show.
func TestLinearizable(t *testing.T) {
	harness.Deployments(t, harness.DeployOptions{}, func(t *testing.T, d *harness.Deployment) {
		campaign := harness.NewCampaign(t)
		operations := *operationsFlag
		if len(d.Servers) > 1 {
			operations /= 5 // the time is the database's
		}
		r := record(t, campaign, d.Servers, customers, operations)
		h := r.finish(r.run(clients))
		check(t, h)
		plant(t, campaign, h)
		campaign.Want("operations", operations*9/10)
		campaign.Want("accepted", operations*3/10)
		campaign.Want("refused", operations/50)
		campaign.Want("wallet reads", operations/10)
		campaign.Want("list reads", operations/50)
		campaign.Want("writes sent twice", operations/500)
		if got := campaign.Count("operations without an answer"); got > 0 {
			t.Errorf("operations without an answer: got %d, want none", got)
		}
	})
}

// TestLinearizableAcrossKills records a history in which servers are killed
// again and again, while the others serve where there are others. A write
// without an answer may have happened at any later moment, or never.
func TestLinearizableAcrossKills(t *testing.T) {
	harness.Deployments(t, harness.DeployOptions{}, func(t *testing.T, d *harness.Deployment) {
		campaign := harness.NewCampaign(t)
		random := campaign.Rand(1)
		const forever = 1 << 40
		r := record(t, campaign, d.Servers, customers, forever)
		var operations []*operation
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			operations = r.run(clients)
		}()
		for range *killsFlag {
			r.await(300)
			wait(t, time.Duration(random.Int64N(int64(200*time.Millisecond))))
			n := random.IntN(len(d.Servers))
			d.Servers[n].Kill()
			r.lose(n)
			if len(d.Servers) > 1 {
				r.await(20)
			}
			wait(t, time.Duration(random.Int64N(int64(100*time.Millisecond))))
			r.replace(n, d.Restart(t, n))
			campaign.Add("kills", 1)
		}
		r.await(300)
		r.left.Store(0)
		<-finished
		h := r.finish(operations)
		check(t, h)
		campaign.Want("kills", 8)
		campaign.Want("unknown outcomes", 8)
		campaign.Want("unknown outcomes that happened", 1)
		campaign.Want("accepted", 500)
		if len(d.Servers) > 1 {
			campaign.Want("operations while an instance was away", 100)
		}
	})
}

// TestStaleInstance builds a server that answers a question about a wallet from
// memory for a moment: with two of them, one shows what the other has long
// changed. Both checkers must find it.
func TestStaleInstance(t *testing.T) {
	const signature = `func (db *DB) Wallets(
	ctx context.Context, tenant ledger.Tenant, customerID string, at time.Time,
) (list ledger.WalletList, err error) {
`
	binary := mutant.Build(t, mutant.Change{
		File: "internal/postgres/lists.go",
		Old:  signature,
		New: `var remembered, rememberedLock = map[string]ledger.WalletList{}, make(chan struct{}, 1)

` + signature + `	rememberedLock <- struct{}{}
	defer func() { <-rememberedLock }()
	key := customerID + time.Now().Truncate(20 * time.Millisecond).String()
	if old, there := remembered[key]; there {
		return old, nil
	}
	defer func() { remembered[key] = list }()
`,
	}, "./cmd/billfold")
	campaign := harness.NewCampaign(t)
	d := harness.Deploy(t, harness.DeployOptions{Instances: 2, Binary: binary})
	r := record(t, campaign, d.Servers, 4, 2000)
	h := r.finish(r.run(clients))
	if problems := linearizable(h); len(problems) == 0 {
		t.Error("porcupine found nothing")
	}
	if problems := witnessed(h); len(problems) == 0 {
		t.Error("the witness found nothing")
	}
}

func wait(t testing.TB, d time.Duration) {
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
