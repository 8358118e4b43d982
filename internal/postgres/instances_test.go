package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/verify"
)

// installation is one database with several instances on it.
type installation struct {
	t         testing.TB
	server    server
	url       string
	tenant    ledger.Tenant
	instances []*postgres.DB
}

// newInstallation opens instances on a new database and makes the business.
func newInstallation(t testing.TB, on server, instances int) *installation {
	t.Helper()
	i := &installation{t: t, server: on, url: on.database(t), tenant: ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}}
	for range instances {
		i.instances = append(i.instances, on.open(t, i.url))
	}
	business := access.Business{ID: i.tenant.BusinessID, Name: "Shared", CreatedAt: time.Now().Truncate(time.Microsecond)}
	if err := i.instances[0].CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *installation) customer(id string) string {
	i.t.Helper()
	if _, err := i.instances[0].CreateCustomer(i.t.Context(), i.newCustomer(id), nil); err != nil {
		i.t.Fatal(err)
	}
	return id
}

func (i *installation) newCustomer(id string) ledger.Customer {
	now := time.Now().Truncate(time.Microsecond)
	return ledger.Customer{
		Tenant: i.tenant, ID: id, Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: now, UpdatedAt: now,
	}
}

func (i *installation) post(ctx context.Context, instance int, r ledger.PostRequest) (ledger.Change, error) {
	r.Tenant, r.Currency, r.CreatedBy, r.CurrencyEnabled = i.tenant, "USD", "key_1", true
	return ledger.NewBook(i.instances[instance], time.Now, rand.Uint64).Post(ctx, r)
}

func (i *installation) balance(customer string) money.Amount {
	i.t.Helper()
	list, err := i.instances[0].Wallets(i.t.Context(), i.tenant, customer, time.Now())
	if err != nil || len(list.Wallets) != 1 {
		i.t.Fatalf("wallets: got %+v, %v; want one", list.Wallets, err)
	}
	return list.Wallets[0].Balance
}

// verify wants every law kept, recomputed from the raw rows.
func (i *installation) verify() verify.Report {
	i.t.Helper()
	report, err := verify.Run(i.t.Context(), verify.Options{DatabaseURL: i.url})
	if err != nil || !report.Clean() {
		i.t.Errorf("verify: got %v, %v; want every law kept", report.Findings, err)
	}
	patrolled := i.patrol()
	if !patrolled.Clean() || patrolled.Entries != report.Entries || patrolled.Customers != report.Customers {
		i.t.Errorf("a patrol: got %v, %d entries and %d customers, want every law kept, %d and %d",
			patrolled.Findings, patrolled.Entries, patrolled.Customers, report.Entries, report.Customers)
	}
	return report
}

// patrol makes one round, in small pieces.
func (i *installation) patrol() (report verify.Report) {
	i.t.Helper()
	patrol := verify.OpenPatrol(verify.Options{DatabaseURL: i.url, Piece: 7})
	for {
		stride, err := patrol.Step(i.t.Context())
		if err != nil {
			i.t.Errorf("a patrol: got error %v, want none", err)
		}
		report.Entries += stride.Entries
		report.Customers += stride.Customers
		report.Findings = append(report.Findings, stride.Findings...)
		if err != nil || stride.Ended {
			if err := patrol.Close(); err != nil {
				i.t.Error(err)
			}
			return report
		}
	}
}

// together runs n calls at once, shared out among the instances.
func (i *installation) together(n int, f func(instance, n int)) {
	start := make(chan struct{})
	var running sync.WaitGroup
	for k := range n {
		running.Go(func() {
			<-start
			f(k%len(i.instances), k)
		})
	}
	close(start)
	running.Wait()
}

// Instances that take from one wallet at once take no more than there is, and
// refuse nothing that there is (law O2).
func TestInstancesDoNotOverdraw(t *testing.T) { onServers(t, instancesDoNotOverdraw) }

func instancesDoNotOverdraw(t *testing.T, s server) {
	i := newInstallation(t, s, 3)
	for round := range 5 {
		i.overdraw(300, i.customer(fmt.Sprintf("cus_%d", round)))
	}
	i.verify()
}

// Instances that sweep at once, each as if it were alone, write one expiry entry
// for each lot, beside debits that take from the same lots (law L4).
func TestInstancesSweepTogether(t *testing.T) { onServers(t, instancesSweepTogether) }

func instancesSweepTogether(t *testing.T, s server) {
	i := newInstallation(t, s, 3)
	customers := i.newCustomers(15)
	for _, c := range customers {
		for _, ahead := range []time.Duration{time.Hour, time.Hour, 90 * time.Minute, 100 * time.Hour} {
			credit := ledger.PostRequest{
				CustomerID: c, Direction: ledger.Credit, Amount: 100, ExpiresAt: time.Now().Add(ahead),
			}
			if _, err := i.post(t.Context(), 0, credit); err != nil {
				t.Fatal(err)
			}
		}
	}
	later := time.Now().Add(2 * time.Hour)
	var written atomic.Int64
	i.together(12, func(instance, n int) {
		if n >= 9 {
			for k := range 3 * len(customers) {
				r := ledger.PostRequest{CustomerID: customers[k%len(customers)], Direction: ledger.Debit, Amount: 2}
				if _, err := i.post(t.Context(), instance, r); err != nil {
					t.Errorf("debit: got error %v, want none", err)
				}
			}
			return
		}
		book := ledger.NewBook(i.instances[instance], time.Now, rand.Uint64)
		for {
			wallets, err := i.instances[instance].Expired(t.Context(), later, 4)
			if err != nil || len(wallets) == 0 {
				if err != nil {
					t.Errorf("look for what has expired: got error %v, want none", err)
				}
				return
			}
			for _, wallet := range wallets {
				got, err := book.Sweep(t.Context(), wallet, later, 2)
				if err != nil {
					t.Errorf("sweep: got error %v, want none", err)
					return
				}
				written.Add(int64(got))
			}
		}
	})
	if got, want := written.Load(), int64(3*len(customers)); got != want {
		t.Errorf("got %d expiry entries, want %d", got, want)
	}
	entries := i.verify().Entries
	if want := int64(len(customers) * (4 + 9 + 3)); entries != want {
		t.Errorf("got %d entries, want %d", entries, want)
	}
}

// The same holds in transactions about several customers each, which have
// statements of their own.
func TestInstancesDoNotOverdrawSeveral(t *testing.T) {
	t.Parallel()
	i := newSeveral(t)
	for range 5 {
		i.overdraw(600, i.newCustomers(4)...)
	}
	i.verify()
	i.wantSeveral()
}

// overdraw shares out debits of 1 among customers of whom each has enough for a
// third of them.
func (i *installation) overdraw(debits int, customers ...string) {
	i.t.Helper()
	enough := money.Amount(debits / len(customers) / 3)
	for _, c := range customers {
		credit := ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: enough}
		if _, err := i.post(i.t.Context(), 0, credit); err != nil {
			i.t.Fatal(err)
		}
	}
	accepted, refused := make([]atomic.Int64, len(customers)), make([]atomic.Int64, len(customers))
	i.together(debits, func(instance, n int) {
		n %= len(customers)
		debit := ledger.PostRequest{CustomerID: customers[n], Direction: ledger.Debit, Amount: 1}
		switch _, err := i.post(i.t.Context(), instance, debit); ledger.CodeOf(err) {
		case "":
			accepted[n].Add(1)
		case ledger.CodeInsufficientFunds:
			refused[n].Add(1)
		default:
			i.t.Errorf("debit: got %v", err)
		}
	})
	for n, c := range customers {
		got := [3]money.Amount{money.Amount(accepted[n].Load()), money.Amount(refused[n].Load()), i.balance(c)}
		if want := [3]money.Amount{enough, 2 * enough, 0}; got != want {
			i.t.Errorf("accepted, refused and balance: got %d, want %d", got, want)
		}
	}
}

// One key that several instances are given at once has one effect (law K6).
func TestInstancesShareKeys(t *testing.T) { onServers(t, instancesShareKeys) }

func instancesShareKeys(t *testing.T, s server) {
	i := newInstallation(t, s, 3)
	i.shareKeys(i.customer("cus_1"))
}

// The same holds in transactions about several customers each.
func TestInstancesShareKeysOfSeveral(t *testing.T) {
	t.Parallel()
	i := newSeveral(t)
	i.shareKeys(i.newCustomers(4)...)
	i.wantSeveral()
}

// shareKeys gives one key after the other to all instances at once, for each of
// some customers, with two amounts.
func (i *installation) shareKeys(customers ...string) {
	i.t.Helper()
	const rounds = 30
	for round := range rounds {
		key := fmt.Sprintf("key %d", round)
		var effects, replays, reused atomic.Int64
		i.together(64*len(customers), func(instance, n int) {
			amount := money.Amount(5 + n/len(customers)%2)
			change, err := i.post(i.t.Context(), instance, ledger.PostRequest{
				CustomerID: customers[n%len(customers)], Direction: ledger.Credit, Amount: amount, IdempotencyKey: key,
			})
			switch {
			case ledger.CodeOf(err) == ledger.CodeKeyReused:
				reused.Add(1)
			case err != nil:
				i.t.Errorf("credit: got %v", err)
			case change.Replayed:
				replays.Add(1)
			default:
				effects.Add(1)
			}
		})
		got := [3]int64{effects.Load(), replays.Load(), reused.Load()}
		each := int64(len(customers))
		if want := [3]int64{each, 31 * each, 32 * each}; got != want {
			i.t.Errorf("effects, replays and refusals: got %d, want %d", got, want)
		}
	}
	if report := i.verify(); report.Entries != int64(rounds*len(customers)) {
		i.t.Errorf("got %d entries, want %d", report.Entries, rounds*len(customers))
	}
}

// newSeveral opens instances that carry out the commands on all customers in one
// transaction. The constraints are gone, because the store hides that one has
// stopped such a transaction: it tries the commands again, one by one.
func newSeveral(t testing.TB) *installation {
	t.Helper()
	s := servers[0]
	s.config.CommittersMax = 1
	i := newInstallation(t, s, 3)
	i.withoutBelt()
	return i
}

// newCustomers makes some customers.
func (i *installation) newCustomers(n int) (customers []string) {
	i.t.Helper()
	for range n {
		customers = append(customers, i.customer(fmt.Sprintf("cus_%x", rand.Uint64())))
	}
	return customers
}

// wantSeveral wants transactions that wrote entries of several customers. A row
// names the transaction that wrote it.
func (i *installation) wantSeveral() {
	i.t.Helper()
	const query = `
	  select count(*)
	    from (select 1 from ledger_entries group by xmin::text having count(distinct customer_id) > 1) as several`
	var several int
	if err := connect(i.t, i.url).QueryRow(i.t.Context(), query).Scan(&several); err != nil || several == 0 {
		i.t.Errorf("transactions about several customers: got %d, %v; want some", several, err)
	}
	i.t.Logf("%d transactions wrote entries of several customers", several)
}

// What one instance has acknowledged, every other shows at once (law R2).
func TestInstancesReadEachOthersWrites(t *testing.T) { onServers(t, instancesReadEachOthersWrites) }

func instancesReadEachOthersWrites(t *testing.T, s server) {
	i := newInstallation(t, s, 2)
	c := i.customer("cus_1")
	for n := range 200 {
		change, err := i.post(t.Context(), n%2, ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 7})
		if err != nil {
			t.Fatal(err)
		}
		list, err := i.instances[(n+1)%2].Entries(t.Context(), i.tenant, c, ledger.EntryFilter{}, ledger.Page{Limit: 1})
		if err != nil || len(list.Entries) != 1 || list.Entries[0].ID != change.Entry.ID {
			t.Fatalf("after entry %d: got %+v, %v; want it", n, list, err)
		}
	}
	i.verify()
}

// Instances that change one customer at once lose no change.
func TestInstancesUpdateOneCustomer(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, servers[0], 3)
	c := i.customer("cus_1")
	const changes = 90
	change := func(c ledger.Customer) (ledger.CustomerChange, error) {
		c.Name += "+"
		return ledger.CustomerChange{Customer: c}, nil
	}
	i.together(changes, func(instance, _ int) {
		_, _, err := i.instances[instance].UpdateCustomer(t.Context(), i.tenant, c, change, nil)
		if err != nil {
			t.Errorf("update: got %v", err)
		}
	})
	customer, err := i.instances[0].Customer(t.Context(), i.tenant, c)
	if want := "A" + strings.Repeat("+", changes); err != nil || customer.Name != want {
		t.Errorf("name: got %q, %v; want %q", customer.Name, err, want)
	}
}

// Transactions about several customers each, of all instances, with changes of
// the same customers between them, never wait for each other in a circle: the
// server would find a deadlock, and the store would hide that it had to.
func TestInstancesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, servers[0], 3)
	customers := i.newCustomers(24)
	i.together(90, func(instance, hand int) {
		for n := range 40 {
			c := customers[(hand+7*n)%len(customers)]
			var err error
			if n%16 == 15 {
				_, _, err = i.instances[instance].UpdateCustomer(t.Context(), i.tenant, c,
					func(c ledger.Customer) (ledger.CustomerChange, error) { return ledger.CustomerChange{Customer: c}, nil }, nil)
			} else {
				_, err = i.post(t.Context(), instance, ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 1})
			}
			if err != nil {
				t.Errorf("customer %s: got %v", c, err)
			}
		}
	})
	i.wantSeveral()
	i.verify()
	// A server process says what it has counted when it ends.
	for _, db := range i.instances {
		db.Disconnect()
	}
	var deadlocks int
	conn := connect(t, i.url)
	time.Sleep(time.Second)
	const query = `select deadlocks from pg_stat_database where datname = current_database()`
	if err := conn.QueryRow(t.Context(), query).Scan(&deadlocks); err != nil || deadlocks != 0 {
		t.Errorf("deadlocks: got %d, %v; want none", deadlocks, err)
	}
}

// Instances that start at once on an empty database bring its schema up to date
// together.
func TestInstancesMigrateTogether(t *testing.T) { onServers(t, instancesMigrateTogether) }

func instancesMigrateTogether(t *testing.T, s server) {
	url := s.database(t)
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			db, err := postgres.Open(t.Context(), s.at(url))
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
}

// Verify names what is broken in a database as in a file.
func TestVerifyNamesTheBrokenLaw(t *testing.T) { onServers(t, verifyNamesTheBrokenLaw) }

func verifyNamesTheBrokenLaw(t *testing.T, s server) {
	i := newInstallation(t, s, 1)
	c := i.customer("cus_1")
	for n := range 40 {
		r := ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 100, IdempotencyKey: fmt.Sprint(n)}
		switch n % 4 {
		case 1:
			r.Category = ledger.Promotional
		case 2:
			r.ExpiresAt = time.Now().Add(time.Hour)
		case 3:
			r.Direction, r.Amount = ledger.Debit, 130
		}
		if _, err := i.post(t.Context(), 0, r); err != nil {
			t.Fatal(err)
		}
	}
	i.freeze(0, c, false)
	i.freeze(0, c, true)
	i.freeze(0, c, false)
	i.verify()
	for _, broken := range []struct {
		law        verify.Law
		statements []string
	}{
		{verify.LawBalance, []string{`update wallets set balance = balance + 1`}},
		{verify.LawLots, []string{`update wallets set lots = ''`}},
		{verify.LawChain, []string{`update ledger_entries set reason = 'other' where position = 7`}},
		{verify.LawSequence, []string{`delete from ledger_entries where position = 40`}},
		{verify.LawAudit, []string{`update audit_entries set reason = 'other' where position = 2`}},
		{verify.LawAudit, []string{`update customers set freezes = ''`}},
		{verify.LawAlerts, []string{`update wallets set alerts = '1:1:low'`}},
		{verify.LawTenancy, []string{`alter table wallets drop constraint wallets_customer_id_tenant_fkey`, `delete from customers`}},
	} {
		conn := connect(t, i.url)
		for _, statement := range slices.Concat([]string{"begin"}, s.unguard(), broken.statements, []string{"commit"}) {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		report, err := verify.Run(t.Context(), verify.Options{DatabaseURL: i.url})
		if err != nil || !hasLaw(report, broken.law) {
			t.Errorf("%s: got %v, %v; want %s broken", broken.statements, report.Findings, err, broken.law)
		}
		if report := i.patrol(); !hasLaw(report, broken.law) {
			t.Errorf("%s: a patrol: got %v, want %s broken", broken.statements, report.Findings, broken.law)
		}
	}
}

func hasLaw(report verify.Report, law verify.Law) bool {
	for _, finding := range report.Findings {
		if finding.Law == law {
			return true
		}
	}
	return false
}

// All instances have one secret key. The first that has a new one and knows the old one
// changes it for all, and nobody is let in with the old one alone any more.
func TestInstancesShareTheSecretKey(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		first, second, other := []byte("first"), []byte("second"), []byte("other")
		for n, join := range []struct {
			secret []byte
			old    [][]byte
			want   error
		}{
			{first, nil, nil},
			{first, nil, nil},
			{second, nil, postgres.ErrOtherSecret},
			{second, [][]byte{other}, postgres.ErrOtherSecret},
			{first, [][]byte{other}, nil},
			{second, [][]byte{first}, nil},
			{second, [][]byte{first}, nil}, // another instance of the same roll-out
			{second, nil, nil},
			{first, nil, postgres.ErrOtherSecret},
		} {
			if err := i.instances[0].Join(t.Context(), join.secret, join.old...); !errors.Is(err, join.want) {
				t.Errorf("step %d, %s knowing %s: got error %v, want %v", n+1, join.secret, join.old, err, join.want)
			}
		}
	})
}
