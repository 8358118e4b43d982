package postgres

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/mutant"
	"github.com/billfold/billfold/internal/pgtest"
)

var commitsFlag = flag.Int("commits", 40, "how many connections are cut at their COMMIT")

// TestCutsAtCommit cuts connections of two instances at their COMMIT, half of
// them before PostgreSQL has it. Writers share the customers of both instances,
// and customers are made meanwhile, each under one key until there is an answer.
func TestCutsAtCommit(t *testing.T) {
	onReleases(t, func(t *testing.T, release pgtest.Release, share func(n int) int) {
		i := harness.NewInstallationOf(t, release.New)
		r := newCuts(t, i, "")
		customers := r.makeCustomersUntil(r.cut(share(*commitsFlag)), 10)
		r.await(20)
		r.checkCustomers(customers)
		r.end()
		r.campaign.Want("connections cut at their COMMIT", int64(share(*commitsFlag)))
		r.campaign.Want("customers made", 10)
	})
}

// TestCutsAtCommitHaveTeeth is the control: a store that guesses what became of
// a commit in place of asking is found out.
func TestCutsAtCommitHaveTeeth(t *testing.T) {
	const asked = "happened, lookErr := b.happened()"
	for _, mistake := range []struct{ name, guess, says string }{
		{"taken for a commit", "happened, lookErr := true, error(nil)", "LOST"},
		{"taken for a rollback", "happened, lookErr := false, error(nil)", "of a request that was sent for the first time"},
	} {
		t.Run(mistake.name, func(t *testing.T) {
			t.Parallel()
			change := mutant.Change{File: "internal/postgres/committer.go", Old: asked, New: mistake.guess}
			r := newCuts(t, harness.NewInstallation(t), mutant.Build(t, change, "./cmd/billfold"))
			<-r.cut(20)
			r.await(20)
			r.loads[0].Stop()
			problems := strings.Join(r.loads[0].Inspect(t, r.instances[0]).Problems, "\n")
			found := strings.Count(problems, mistake.says)
			r.campaign.Add("times found out", int64(found))
			if found == 0 {
				t.Errorf("a lost answer that is %s: got the problems %q, want one that says %q", mistake.name, problems, mistake.says)
			}
		})
	}
}

// cuts is a trial whose connections can be cut at their COMMIT.
type cuts struct {
	*trial
	proxy  *pgtest.Proxy
	decide atomic.Pointer[func() pgtest.Cut] // nil: nothing is cut
}

// newCuts starts two instances of a binary, empty for the one that is tested,
// behind a proxy, and writers who send to both.
func newCuts(t *testing.T, i *harness.Installation, binary string) *cuts {
	t.Helper()
	r := &cuts{}
	r.proxy = pgtest.NewProxy(t, i.Cluster, func() pgtest.Cut {
		if decide := r.decide.Load(); decide != nil {
			return (*decide)()
		}
		return pgtest.CutNothing
	})
	i.URL = r.proxy.URL(i.URL)
	r.trial = begin(t, i, binary)
	r.load(r.instances...)
	return r
}

// cut lets n connections be cut and returns what is closed when they were, or
// when that takes too long.
func (r *cuts) cut(n int) (done <-chan struct{}) {
	decide := pgtest.Cuts(r.campaign.Rand(0), n)
	r.decide.Store(&decide)
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Minute)
	r.t.Cleanup(cancel)
	all := make(chan struct{})
	go func() {
		defer close(all)
		for r.proxy.Cuts() < int64(n) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		r.campaign.Add("connections cut at their COMMIT", r.proxy.Cuts())
	}()
	return all
}

// makeCustomersUntil makes customers one after the other, each by the same
// request to one instance or the other until it has an answer, and returns the
// ids that were answered: as many as are made until done, and no fewer than least.
func (r *cuts) makeCustomersUntil(done <-chan struct{}, least int) (ids []string) {
	r.t.Helper()
	for try := 0; ; {
		select {
		case <-done:
			if len(ids) >= least {
				r.campaign.Add("customers made", int64(len(ids)))
				return ids
			}
		default:
		}
		call := harness.Call{
			Method: http.MethodPost, Path: "/customers", Key: madeEmail(len(ids)),
			Body: map[string]string{"email": madeEmail(len(ids)), "name": "Made"},
		}
		var customer struct {
			ID string `json:"customer_id"`
		}
		answer := r.send(r.instances[try%len(r.instances)], call, http.StatusOK, http.StatusServiceUnavailable)
		if try++; answer.Status != http.StatusOK {
			r.campaign.Add("customers asked for again", 1)
			continue
		}
		r.must(answer.Read(&customer))
		ids = append(ids, customer.ID)
	}
}

func madeEmail(n int) string { return fmt.Sprintf("made-%d@example.com", n) }

// checkCustomers wants each customer there once, as it was answered.
func (r *cuts) checkCustomers(ids []string) {
	r.t.Helper()
	for n, id := range ids {
		var list struct {
			Items []struct {
				ID string `json:"customer_id"`
			} `json:"items"`
		}
		r.must(r.instances[n%len(r.instances)].Client().Get(r.t.Context(), "/customers?email="+madeEmail(n), &list))
		if len(list.Items) != 1 || list.Items[0].ID != id {
			r.t.Errorf("customer %s: got %+v, want it alone under its key", id, list.Items)
		}
	}
}
