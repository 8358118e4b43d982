package mutants

const (
	batch     = "internal/postgres/batch.go"
	committer = "internal/postgres/committer.go"
	customers = "internal/postgres/customers.go"
	doubt     = "internal/postgres/doubt.go"
	finish    = "internal/postgres/finish.go"
	places    = "internal/postgres/places.go"
	read      = "internal/postgres/read.go"
	rows      = "internal/postgres/rows.go"
	write     = "internal/postgres/write.go"
)

// mistake is one change of the store, and the test that must fail.
type mistake struct {
	name   string
	file   string
	old    string
	new    string
	caught string
	says   string // what the test says
}

// What reads the state of one customer, and of several. Both lock first.
const (
	readOne = `	trip.Queue(lockCustomerQuery, customer.id, customer.tenant).Query(b.scanCustomers)
	trip.Queue(readCustomerWalletsQuery, customer.id, customer.tenant).Query(b.scanWallets)
`
	keysOfOne = `	if len(keys) > 0 {
		trip.Queue(readCustomerPriorsQuery, customer.id, customer.tenant, keys).Query(b.scanPriors)
	}
`
	readSeveral = `	trip.Queue(lock, customers.ids, customers.tenants).Query(b.scanCustomers)
	trip.Queue(wallets, customers.ids, customers.tenants).Query(b.scanWallets)
`
	keysOfSeveral = `	if len(keys.ids) > 0 {
		trip.Queue(priors, keys.ids, keys.tenants, keys.keys).Query(b.scanPriors)
	}
`
)

// mistakes are of the locks, of what is read under them, of the connections that
// are held meanwhile, of commits whose answer is lost, and of the synchronous
// standby.
var mistakes = []mistake{
	{"no lock on one customer", rows, "\n\t   for no key update`", "`", "TestInstancesDoNotOverdraw", "debit: got"},
	{"no lock on several customers", batch, "\n\t   for no key update of c`", "`",
		"TestInstancesDoNotOverdrawSeveral", "accepted, refused and balance: got"},
	{"a lock on one customer that others share", rows, "for no key update`", "for key share`",
		"TestInstancesDoNotOverdraw", "debit: got"},
	{"a lock on several customers that others share", batch, "for no key update of c`", "for key share of c`",
		"TestInstancesDoNotOverdrawSeveral", "accepted, refused and balance: got"},
	{"one customer's wallets read in the statement that locks", rows, readOne,
		`	unlocked := lockCustomerQuery[:len(lockCustomerQuery)-len("for no key update")]
	trip.Queue(unlocked, customer.id, customer.tenant).Query(b.scanCustomers)
	trip.Queue("with l as ("+lockCustomerQuery+")"+walletColumns+" join l on w.customer_id = l.customer_id and w.tenant = l.tenant",
		customer.id, customer.tenant).Query(b.scanWallets)
`, "TestInstancesDoNotOverdraw", "debit: got"},
	{"several customers' wallets read in the statement that locks", batch, readSeveral,
		`	_, unlocked := wallets, lock[:len(lock)-len("for no key update of c")]
	trip.Queue(unlocked, customers.ids, customers.tenants).Query(b.scanCustomers)
	trip.Queue("with l as ("+lock+")"+walletColumns+" join l on w.customer_id = l.customer_id and w.tenant = l.tenant",
		customers.ids, customers.tenants).Query(b.scanWallets)
`, "TestInstancesDoNotOverdrawSeveral", "accepted, refused and balance: got"},
	{"one customer's keys looked up before the lock", rows, readOne + keysOfOne, keysOfOne + readOne,
		"TestInstancesShareKeys", "credit: got"},
	{"several customers' keys looked up before the lock", batch, readSeveral + keysOfSeveral, keysOfSeveral + readSeveral,
		"TestInstancesShareKeysOfSeveral", "effects, replays and refusals: got"},
	{"a snapshot that is older than the lock", batch, "isolation level read committed", "isolation level repeatable read",
		"TestInstancesDoNotOverdraw", "debit: got"},
	{"locks in no order", batch, "order by c.customer_id, c.tenant", "order by random()", "TestInstancesDoNotDeadlock", "deadlocks: got"},
	{"customers updated without their lock", customers, `current, err := readCustomer(ctx, conn, tenant, number, id, "for no key update")`,
		`current, err := readCustomer(ctx, conn, tenant, number, id, "")`, "TestInstancesUpdateOneCustomer", "name: got"},

	{"reads and changes that may hold every connection", places, "make(places, all), make(places, max(1, all/2))",
		"make(places, 9*all), make(places, 9*all)", "TestWaitingForLocksLeavesConnections", "reads: got"},
	{"updates of one customer in no turn", places, "turn{place: make(places, 1)}", "turn{place: make(places, 99)}",
		"TestWaitingForLocksLeavesConnections", "updates of one customer: got"},
	{"reads on connections that were ended", read, "if !isPassing(err) || isLockWait", "if err != nil || isLockWait",
		"TestEndedConnectionsAreNotNoticed", "read: got"},

	{"commits that are not waited for", batch, `durability := "on"`, `durability := "off"`, "TestServerRestarts", "that were acknowledged"},
	{"a lost answer taken for a commit", committer, "happened, lookErr := b.happened()", "happened, lookErr := true, error(nil)",
		"TestCutsAtCommit", "that were acknowledged"},
	{"a lost answer taken for a rollback", committer, "happened, lookErr := b.happened()", "happened, lookErr := false, error(nil)",
		"TestCutsAtCommit", "that were acknowledged"},
	{"a look that does not wait for the lost transaction", doubt, "where customer_id = $1 and tenant = $2 for no key update`",
		"where customer_id = $1 and tenant = $2`", "TestLooksBeforeTheCommit", "a look-up before the commit: got"},

	{"a wait for the standby that was cut short unnoticed", finish, "return warned(conn)", "return nil",
		"TestNothingIsAcknowledgedWithoutTheStandby", "without the standby: got it acknowledged"},
	{"a look that does not wait for the standby", doubt, "b.db.finish(ctx, conn.Conn(), trip)", "conn.SendBatch(ctx, trip).Close()",
		"TestNothingIsAcknowledgedWithoutTheStandby", "an entry without the standby"},
	{"a replay that does not wait for the standby", batch, "if len(b.customers) > 0 {", "if len(b.customers) > len(b.items) {",
		"TestNothingIsAcknowledgedWithoutTheStandby", "a repeat without the standby"},
	{"a look for a customer that does not wait for the standby", write, "	end.Queue(`select pg_logical_emit_message(true, 'billfold', '')`)\n", "",
		"TestNothingIsAcknowledgedWithoutTheStandby", "a customer without the standby"},
}
