package postgres_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/verify"
)

// announce writes the notices of a customer's wallet by transactions of db.
func (i *installation) announce(db *postgres.DB, customer string) {
	i.t.Helper()
	now := time.Now()
	book := ledger.NewBook(db, time.Now, func() uint64 { return 7 })
	due := ledger.DueNotices{
		Wallet: ledger.WalletKey{Tenant: i.tenant, CustomerID: customer, Currency: "USD"}, Until: now.Add(6 * time.Hour),
	}
	if _, err := book.Announce(i.t.Context(), due, now, 1000); err != nil {
		i.t.Error(err)
	}
}

// expiring credits a customer with lots that expire within an hour.
func (i *installation) expiring(customer string, lots int) {
	i.t.Helper()
	for n := range lots {
		_, err := i.post(i.t.Context(), 0, ledger.PostRequest{
			CustomerID: customer, Direction: ledger.Credit, Amount: 5, ExpiresAt: time.Now().Add(time.Duration(30+n) * time.Minute),
		})
		if err != nil {
			i.t.Fatal(err)
		}
	}
}

// Three instances that announce at once, while money comes, write one notice for each
// lot, and a feed that tells of them in the customer's order.
func TestInstancesAnnounceEachLotOnce(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 3)
		c := i.customer("cus_1")
		i.expiring(c, 20)
		var running sync.WaitGroup
		for _, db := range i.instances {
			running.Go(func() {
				for range 5 {
					i.announce(db, c)
					i.expiring(c, 2)
				}
			})
		}
		running.Wait()
		i.announce(i.instances[0], c)
		notices, err := i.instances[0].Notices(t.Context(), i.tenant, c, 0, 1000)
		if err != nil || len(notices) != 50 {
			t.Errorf("got %d notices and error %v, want 50", len(notices), err)
		}
		i.verify()
	})
}

// A notice has no entry by which a lost answer to its commit could be cleared up, so it
// is looked for itself; or where announcing stands, if there was nothing to announce.
func TestLostAnswerAboutANotice(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		c := i.customer("cus_1")
		i.expiring(c, 2)
		i.announce(i.instances[0], c)
		notices, err := i.instances[0].Notices(t.Context(), i.tenant, c, 0, 10)
		if err != nil || len(notices) != 2 {
			t.Fatalf("got %d notices and error %v, want 2", len(notices), err)
		}
		other := notices[0]
		other.ID = strings.ToUpper(other.ID)
		wallet := ledger.WalletKey{Tenant: i.tenant, CustomerID: c, Currency: "USD"}
		for name, look := range map[string]struct {
			notice *ledger.Notice
			from   ledger.Lot
			want   bool
		}{
			"the notice":                  {&notices[0], ledger.Lot{}, true},
			"another's notice":            {&other, ledger.Lot{}, false},
			"where announcing stands":     {nil, ledger.Lot{}, true},
			"where announcing was before": {nil, notices[0].Lot, false},
		} {
			if there, err := i.instances[0].HappenedNotice(look.notice, wallet, look.from); err != nil || there != look.want {
				t.Errorf("look for %s: got %t, %v, want %t", name, there, err, look.want)
			}
		}
	})
}

func TestNoticesAreImmutable(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		c := i.customer("cus_1")
		i.expiring(c, 2)
		i.announce(i.instances[0], c)
		conn := connect(t, i.url)
		for _, statement := range []string{
			`update expiry_notices set remaining = 9`, `delete from expiry_notices where customer_id = 'cus_1'`,
			`truncate expiry_notices`,
		} {
			_, err := conn.Exec(t.Context(), statement)
			if err == nil || !strings.Contains(err.Error(), "immutable") {
				t.Errorf("%s: got %v, want it refused", statement, err)
			}
		}
		exec(t, conn, `update wallets set notice_number = 1`)
		report, err := verify.Run(t.Context(), verify.Options{DatabaseURL: i.url})
		if err != nil || len(report.Findings) == 0 || report.Findings[0].Law != verify.LawNotice {
			t.Errorf("got findings %q and error %v, want law %s", report.Findings, err, verify.LawNotice)
		}
	})
}
