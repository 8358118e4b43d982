package postgres_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/verify"
)

// book is the ledger on one of the installation's instances.
func (i *installation) book(instance int) *ledger.Book {
	return ledger.NewBook(i.instances[instance], time.Now, rand.Uint64)
}

// fund gives a customer money to promise.
func (i *installation) fund(customer string) {
	i.t.Helper()
	r := ledger.PostRequest{CustomerID: customer, Direction: ledger.Credit, Amount: 1000}
	if _, err := i.post(i.t.Context(), 0, r); err != nil {
		i.t.Fatal(err)
	}
}

// hold promises money of a customer for an hour and wants it accepted.
func (i *installation) hold(instance int, customer string) *ledger.HoldChange {
	i.t.Helper()
	change, err := i.book(instance).MakeHold(i.t.Context(), ledger.HoldRequest{
		Tenant: i.tenant, CustomerID: customer, Currency: "USD", Amount: 10, ExpiresAt: time.Now().Add(time.Hour),
		CreatedBy: "key_1", CurrencyEnabled: true,
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return change.Hold
}

// A hold that instances capture and release at once has one winner.
func TestHoldsOnTwoInstances(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 2)
		c := i.customer("cus_1")
		i.fund(c)
		for range 10 {
			hold := i.hold(0, c)
			var won atomic.Int64
			var running sync.WaitGroup
			for n := range 8 {
				running.Go(func() {
					var err error
					if n%4 < 2 {
						_, err = i.book(n%2).Capture(t.Context(), ledger.CaptureRequest{
							Tenant: i.tenant, CustomerID: c, HoldID: hold.Hold.ID, CreatedBy: "key_1",
						})
					} else {
						_, err = i.book(n%2).Release(t.Context(), ledger.ReleaseRequest{
							Tenant: i.tenant, CustomerID: c, HoldID: hold.Hold.ID, CreatedBy: "key_1",
						})
					}
					switch {
					case err == nil:
						won.Add(1)
					case ledger.CodeOf(err) != ledger.CodeHoldNotActive:
						t.Error(err)
					}
				})
			}
			running.Wait()
			if won.Load() != 1 {
				t.Errorf("got %d winners, want one", won.Load())
			}
		}
		i.verify()
	})
}

// A hold has no entry by which a lost answer to its commit could be cleared up, so
// its event is looked for.
func TestLostAnswerAboutAHold(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		c := i.customer("cus_1")
		i.fund(c)
		hold := i.hold(0, c)
		if there, err := i.instances[0].HappenedHold(hold); err != nil || !there {
			t.Errorf("look for the event: got %t, %v, want it found", there, err)
		}
		other := *hold
		other.Event.Fingerprint[0] ^= 1
		if there, err := i.instances[0].HappenedHold(&other); err != nil || there {
			t.Errorf("look for another's event: got %t, %v, want it not found", there, err)
		}
	})
}

func TestHoldEventsAreImmutable(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		c := i.customer("cus_1")
		i.fund(c)
		i.hold(0, c)
		conn := connect(t, i.url)
		for _, statement := range []string{
			`update hold_events set amount = 9`, `delete from hold_events where customer_id = 'cus_1'`, `truncate hold_events`,
		} {
			_, err := conn.Exec(t.Context(), statement)
			if err == nil || !strings.Contains(err.Error(), "immutable") {
				t.Errorf("%s: got %v, want it refused", statement, err)
			}
		}
		exec(t, conn, `update holds set amount = 11`)
		report, err := verify.Run(t.Context(), verify.Options{DatabaseURL: i.url})
		if err != nil || len(report.Findings) == 0 || report.Findings[0].Law != verify.LawHoldParts {
			t.Errorf("got findings %q and error %v, want law %s", report.Findings, err, verify.LawHoldParts)
		}
	})
}

// The sweep looks only at holds that are due, and at no customer beside theirs and those who
// have a test clock.
func TestPlanOfExpiredHolds(t *testing.T) {
	onOwnServers(t, func(t *testing.T, s server) {
		conn := connect(t, newInstallation(t, s, 1).url)
		exec(t, conn, `
			insert into customers (customer_id, tenant, email, name, name_folded, phone_number, metadata, created_at, updated_at)
			select 'cus_' || n, n % 50, 'a@example.com', 'A', 'a', '', '{}', now(), now() from generate_series(1, 5000) as n;
			analyze customers`)
		exec(t, conn, "begin; set local plan_cache_mode = force_generic_plan")
		if _, err := conn.Exec(t.Context(), postgres.ReadSettings, "4s"); err != nil {
			t.Fatal(err)
		}
		got := plan(t, conn, 1, postgres.ExpiredHoldsQuery)
		if !looksUpBy(got, []string{"expires_at"}) || strings.Contains(got, "Sort") {
			t.Errorf("got a plan that does not walk the index of expiries:\n%s", got)
		}
	})
}
