package postgres

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/billfold/billfold/internal/pgtest"
)

// TestFewConnections gives two instances 20 connections where each would like to
// have 16, and many who ask. They make do with them: one that has come last has
// four.
func TestFewConnections(t *testing.T) {
	onReleases(t, func(t *testing.T, release pgtest.Release, _ func(n int) int) {
		for _, limit := range []struct {
			name     string
			role     int // how many connections it may have, -1 for any number
			settings []string
		}{
			{"of the role", 20, nil},
			{"of the server", -1, []string{"max_connections=23"}}, // three of them for operators
		} {
			t.Run(limit.name, func(t *testing.T) {
				i := instancesRole(t, release, limit.settings...)
				r := newTrial(t, i.Installation)
				r.await(20)
				i.Cluster.Exec(t, "owned", fmt.Sprintf(`alter role instances connection limit %d`, limit.role))
				i.endSessions(t)
				wallets := "/customers/" + r.loads[0].Customers()[0] + "/wallets"
				either := []int{http.StatusOK, http.StatusServiceUnavailable}
				stops := []func(){
					r.keepSending("reading wallets", 12, get(wallets), either...),
					r.keepSending("reading entries", 12, get(wallets+"/ledger-entries"), either...),
				}
				r.await(300)
				for _, stop := range stops {
					stop()
				}
				served := r.campaign.Count("reading wallets: 200") + r.campaign.Count("reading entries: 200")
				refused := r.campaign.Count("reading wallets: 503") + r.campaign.Count("reading entries: 503")
				if refused > served/10 {
					t.Errorf("reads on few connections: got %d served and %d refused, want at most a tenth as many", served, refused)
				}
				r.URL = i.Cluster.URL("owned") // an operator's connection, because the instances hold the others
				r.end()
			})
		}
	})
}
