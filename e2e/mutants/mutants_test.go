// Package mutants builds the store for several instances with one mistake at a
// time, each of the kind that a careful review lets pass, and wants the test that
// guards against it to fail.
package mutants

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/mutant"
)

var onlyFlag = flag.String("only", "", "try only the mistakes whose name contains this")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	batch     = "internal/postgres/batch.go"
	committer = "internal/postgres/committer.go"
	customers = "internal/postgres/customers.go"

	// What load queues.
	lockFirst = `	trip.Queue(lockCustomersQuery, customers.ids, customers.tenants).Query(b.scanCustomers)
	trip.Queue(readWalletsQuery, customers.ids, customers.tenants).Query(b.scanWallets)
	if len(keys.ids) > 0 {
		trip.Queue(readPriorsQuery, keys.ids, keys.tenants, keys.keys).Query(b.scanPriors)
	}
`
)

func TestMutants(t *testing.T) {
	tried := 0
	for _, m := range []struct {
		mistake string
		file    string
		old     string
		new     string
		caught  string // the test that must fail
		says    string // what it says, empty for anything
	}{
		{"no lock", batch, "\n\t   for no key update of c`", "`", "TestInstancesDoNotOverdraw", "debit: got"},
		{"a lock that others share", batch, "for no key update of c`", "for key share of c`", "TestInstancesDoNotOverdraw", "debit: got"},
		{"wallets read in the statement that locks", batch, lockFirst, `	unlocked := lockCustomersQuery[:len(lockCustomersQuery)-len("for no key update of c")]
	trip.Queue(unlocked, customers.ids, customers.tenants).Query(b.scanCustomers)
	trip.Queue("with l as ("+lockCustomersQuery+")"+walletColumns+" join l on w.customer_id = l.customer_id and w.tenant = l.tenant",
		customers.ids, customers.tenants).Query(b.scanWallets)
	if len(keys.ids) > 0 {
		trip.Queue(readPriorsQuery, keys.ids, keys.tenants, keys.keys).Query(b.scanPriors)
	}
`, "TestInstancesDoNotOverdraw", "debit: got"},
		{"keys looked up before the lock", batch, lockFirst, `	if len(keys.ids) > 0 {
		trip.Queue(readPriorsQuery, keys.ids, keys.tenants, keys.keys).Query(b.scanPriors)
	}
	trip.Queue(lockCustomersQuery, customers.ids, customers.tenants).Query(b.scanCustomers)
	trip.Queue(readWalletsQuery, customers.ids, customers.tenants).Query(b.scanWallets)
`, "TestInstancesShareKeys", "credit: got"},
		{"a snapshot that is older than the lock", batch, "isolation level read committed", "isolation level repeatable read",
			"TestInstancesDoNotOverdraw", "debit: got"},
		{"locks in no order", batch, "order by c.customer_id, c.tenant", "order by random()", "TestInstancesDoNotDeadlock", "deadlocks: got"},
		{"commits that are not waited for", batch, `durability := "on"`, `durability := "off"`, "TestServerRestarts", "that were acknowledged"},
		{"a lost answer taken for a commit", committer, "happened, lookErr := b.happened()", "happened, lookErr := true, error(nil)",
			"TestCutsAtCommit", "that were acknowledged"},
		{"a lost answer taken for a rollback", committer, "happened, lookErr := b.happened()", "happened, lookErr := false, error(nil)",
			"TestCutsAtCommit", "that were acknowledged"},
		{"a look that does not wait for the lost transaction", batch, "where customer_id = $1 and tenant = $2 for no key update`",
			"where customer_id = $1 and tenant = $2`", "TestCutsAtCommit", "sent for the first time"},
		{"customers updated without their lock", customers, `current, err := readCustomer(ctx, conn, tenant, number, id, "for no key update")`,
			`current, err := readCustomer(ctx, conn, tenant, number, id, "")`, "TestInstancesUpdateOneCustomer", "name: got"},
	} {
		if !strings.Contains(m.mistake, *onlyFlag) {
			continue
		}
		tried++
		t.Run(m.mistake, func(t *testing.T) {
			output := mutant.Test(t, mutant.Change{File: m.file, Old: m.old, New: m.new}, "./internal/postgres", "-run", "^"+m.caught+"$", "-cuts=80")
			if !strings.Contains(output, "--- FAIL: "+m.caught) || !strings.Contains(output, m.says) {
				t.Errorf("got another failure, want %s to say %q:\n%s", m.caught, m.says, output)
			}
			for line := range strings.Lines(output) {
				if strings.Contains(line, m.says) {
					t.Logf("%s: %.200s", m.caught, strings.TrimSpace(line))
					break
				}
			}
		})
	}
	if tried == 0 {
		t.Errorf("no mistake has %q in its name", *onlyFlag)
	}
}
