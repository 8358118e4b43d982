package postgres_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/postgres"
)

// freeze freezes a customer through an instance, or lifts the freeze.
func (i *installation) freeze(instance int, customer string, lift bool) {
	i.t.Helper()
	r := ledger.FreezeRequest{
		Tenant: i.tenant, CustomerID: customer, Lift: lift, Reason: "Fraud", By: ledger.Actor{KeyID: "key_1", Address: "192.0.2.1"},
	}
	if !lift {
		r.Scope = ledger.FreezeDebits
	}
	book := ledger.NewBook(i.instances[instance], time.Now, rand.Uint64)
	if _, _, err := book.Freeze(i.t.Context(), r, nil); err != nil {
		i.t.Errorf("freeze: got %v", err)
	}
}

// A freeze that one instance has acknowledged refuses the debits of all others
// that begin then, while they are at it all the time; and so is its end seen.
func TestInstancesSeeAFreeze(t *testing.T) { onServers(t, instancesSeeAFreeze) }

func instancesSeeAFreeze(t *testing.T, s server) {
	i := newInstallation(t, s, 3)
	c := i.customer("cus_1")
	credit := ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 1_000_000}
	if _, err := i.post(t.Context(), 0, credit); err != nil {
		t.Fatal(err)
	}
	debit := ledger.PostRequest{CustomerID: c, Direction: ledger.Debit, Amount: 1}
	stop := make(chan struct{})
	var running sync.WaitGroup
	for hand := range 12 {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := i.post(t.Context(), hand%3, debit)
				if err != nil && ledger.CodeOf(err) != ledger.CodeCustomerNotActive {
					t.Errorf("debit beside freezes: got %v", err)
				}
			}
		})
	}
	const rounds = 20
	for n := range rounds {
		i.freeze(n%3, c, false)
		for instance := range 3 {
			if _, err := i.post(t.Context(), instance, debit); ledger.CodeOf(err) != ledger.CodeCustomerNotActive {
				t.Errorf("round %d, instance %d: got %v after the freeze, want it refused", n, instance, err)
			}
		}
		i.freeze((n+1)%3, c, true)
		for instance := range 3 {
			if _, err := i.post(t.Context(), instance, debit); err != nil {
				t.Errorf("round %d, instance %d: got %v after the end of the freeze", n, instance, err)
			}
		}
	}
	close(stop)
	running.Wait()
	i.verify()
	list, err := i.instances[0].Audit(t.Context(), i.tenant, c, ledger.AuditPage{Limit: 200})
	if err != nil || len(list.Entries) != 2*rounds {
		t.Errorf("got %d lines in the audit trail, %v, want %d", len(list.Entries), err, 2*rounds)
	}
}

// The lines of an audit trail are guarded as entries are.
func TestAuditEntriesAreImmutable(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		i.freeze(0, i.customer("cus_1"), false)
		for _, statement := range []string{
			`update audit_entries set reason = 'x'`, `delete from audit_entries where customer_id = 'cus_1'`, `truncate audit_entries`,
			`update business_audit_entries set reason = 'x'`, `delete from business_audit_entries`, `truncate business_audit_entries`,
		} {
			_, err := connect(t, i.url).Exec(t.Context(), statement)
			if err == nil || !strings.Contains(err.Error(), "immutable") {
				t.Errorf("%s: got %v, want it refused", statement, err)
			}
		}
	})
}

// A page of a trail is read by the key, whatever the planner knows.
func TestPlanOfTheAuditTrail(t *testing.T) {
	onOwnServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		conn := connect(t, i.url)
		const many = `
		  insert into audit_entries
		  select 'cus_' || n % 50, 1, n, 'aud_' || n, 'customer.freeze', 'key', '', '{}', '{}', 'x', now(), repeat('h', 32)::bytea
		    from generate_series(1, 5000) as n; analyze audit_entries`
		for i, fill := range []string{"", many} {
			exec(t, conn, fill)
			exec(t, conn, "begin")
			if _, err := conn.Exec(t.Context(), postgres.ReadSettings, "4s"); err != nil {
				t.Fatal(err)
			}
			exec(t, conn, "set local plan_cache_mode = force_generic_plan")
			got := plan(t, conn, i, postgres.AuditQuery)
			if !looksUpBy(got, []string{"customer_id", "tenant", "position"}) || strings.Contains(got, "Sort") {
				t.Errorf("after %q: got a plan that does not walk the key:\n%s", fill, got)
			}
			exec(t, conn, "rollback")
		}
	})
}
