package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// batch is one try to carry out commands in one transaction. It takes two round
// trips, whatever the number of commands: the first begins, locks the customers
// and reads what the decisions need; the second writes and commits.
type batch struct {
	db        *DB
	items     []*item
	lockWait  string // how long to wait for a lock
	whole     bool   // write nothing when a command is refused
	customers map[customerKey]*customerState
	priors    map[priorKey]*ledger.Entry
	entries   []placed // accepted, in the order of their decisions
	transfers []placedTransfer
	holds     holdBook
	objects   objectBook
	notices   []placedNotice
	announced []announcedWallet
}

type customerKey struct {
	id     string
	tenant int32
}

type priorKey struct {
	customerKey
	key string
}

// placed is an entry with the number of its tenant.
type placed struct {
	tenant int32
	entry  *ledger.Entry
}

// customerState is what decisions need of one customer, as of the transaction.
type customerState struct {
	customer ledger.Customer
	chain    ledger.Chain
	wallets  []walletState
}

// walletState is a wallet's row within a batch.
type walletState struct {
	walletrow.Row
	stored     int64 // seq of the row in the database, 0 when it has none
	storedHold int64 // its HoldNumber there

	// told are the lots that this batch has announced, by their seqs. It is nil where no
	// decision of the batch was about notices.
	told   map[int64]bool
	opened []ledger.Lot // by the entries of this batch, which are not in the database yet

	// takenBack is what reversals of credits took in this batch, by the credits' seqs.
	takenBack map[int64]money.Amount

	// shelved are the changes of this batch to the wallet's shelf, by the lots' seqs.
	shelved map[int64]shelving

	marks []walletrow.Mark // that this batch made
}

// wallet returns the state of a wallet. The pointer holds until the next call.
func (c *customerState) wallet(currency money.Currency) *walletState {
	for i := range c.wallets {
		if c.wallets[i].Currency == currency {
			return &c.wallets[i]
		}
	}
	c.wallets = append(c.wallets, walletState{Row: walletrow.Row{Currency: currency}})
	return &c.wallets[len(c.wallets)-1]
}

func newBatch(db *DB, items []*item) *batch {
	return &batch{db: db, items: items, customers: map[customerKey]*customerState{}, priors: map[priorKey]*ledger.Entry{}}
}

// run loads, decides and commits. An error leaves nothing behind, unless it is
// errInDoubt.
func (b *batch) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), b.db.config.CommitWithin)
	defer cancel()
	conn, err := b.db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = b.transaction(ctx, conn)
	if err != nil && !conn.Conn().IsClosed() {
		_, _ = conn.Exec(ctx, "rollback") // a connection that cannot is not given back
	}
	return err
}

func (b *batch) transaction(ctx context.Context, conn *pgxpool.Conn) error {
	if err := b.load(ctx, conn.Conn()); err != nil {
		return b.db.lost(conn.Conn(), err)
	}
	if err := b.loadHolds(ctx, conn.Conn()); err != nil {
		return b.db.lost(conn.Conn(), err)
	}
	if err := b.loadObjects(ctx, conn.Conn()); err != nil {
		return b.db.lost(conn.Conn(), err)
	}
	for _, item := range b.items {
		if err := b.decide(ctx, conn.Conn(), &item.Command); err != nil {
			return b.db.lost(conn.Conn(), err)
		}
		if b.whole && item.Command.err != nil {
			b.entries, b.transfers, b.holds.changes, b.objects.changes = nil, nil, nil, nil
			b.notices, b.announced = nil, nil
			break
		}
	}
	if len(b.entries)+len(b.holds.changes)+len(b.objects.changes)+len(b.announced) > 0 {
		return b.write(ctx, conn.Conn())
	}
	if len(b.customers) > 0 {
		// Repeats and refusals are answers too, and what they rest on may have
		// become visible without its standby. The locks are in the log, so a
		// commit waits for the standby to have all that was seen.
		return unconfirmed(b.db.finish(ctx, conn.Conn(), &pgx.Batch{}))
	}
	_, err := conn.Exec(ctx, "rollback")
	return b.db.lost(conn.Conn(), err)
}

// acquire takes a connection from the pool. Whatever keeps it from that counts
// as a lost connection, except that a caller has gone away.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	giveUp := time.Now().Add(retryFor)
	for {
		conn, err := db.pool.Acquire(ctx)
		switch {
		case err == nil:
			return conn, nil
		case isCrowded(err) && time.Now().Before(giveUp):
			// Others of the pool may become free before the server takes a new one.
			time.Sleep(rand.N(pauseMax))
			continue
		case answerOf(err) == nil || answerOf(err).SeverityUnlocalized == "FATAL":
			if !isCrowded(err) && !errors.Is(ctx.Err(), context.Canceled) {
				db.pool.Reset() // what is in it may be connections to a server that has become silent
			}
			err = fmt.Errorf("%w: %w", errLost, err)
		}
		return nil, err
	}
}

const lockedColumns = `
	select c.customer_id, c.tenant, c.email, c.name, c.phone_number, c.metadata, c.created_at, c.updated_at, c.freezes,
	       c.audit_position, c.audit_hash, c.alerts, c.clock, c.clock_at`

const lockCustomersQuery = lockedColumns + joinCustomers + lockInOrder

const joinCustomers = `
	  from unnest($1::text[], $2::integer[]) as u (customer_id, tenant)
	  join customers c on c.customer_id = u.customer_id and c.tenant = u.tenant`

const lockInOrder = `
	 order by c.customer_id, c.tenant
	   for no key update of c`

const walletColumns = `
	select w.customer_id, w.tenant, w.currency, w.balance, w.held, w.seq, w.position, w.hash, w.updated_at, w.lots,
	       w.promotional_from, w.promotional_sum, w.paid_from, w.paid_sum, coalesce(w.alerts, ''),
	       w.hold_number, w.hold_at, w.debt, w.shelved_sum, w.lapsed_sum, w.lapsed_at,
	       w.notice_number, w.next_notice, w.next_notice_lot
	  from wallets w`

const readWalletsQuery = walletColumns + `
	  join unnest($1::text[], $2::integer[]) as u (customer_id, tenant)
	    on w.customer_id = u.customer_id and w.tenant = u.tenant`

const readPriorsQuery = `
	select e.tenant, ` + entryColumns + `
	  from unnest($1::text[], $2::integer[], $3::text[]) as u (customer_id, tenant, idempotency_key)
	  join ledger_entries e on e.customer_id = u.customer_id and e.tenant = u.tenant
	                       and e.idempotency_key = u.idempotency_key`

// load begins the transaction, locks the customers in the order of their keys,
// and reads their wallets and the entries under the commands' idempotency keys.
//
// What is read is read after the locks were given, each by a statement of its
// own: at READ COMMITTED a statement sees what was committed before it began,
// and nobody else can commit anything about a customer that is locked.
func (b *batch) load(ctx context.Context, conn *pgx.Conn) error {
	var customers, keys keyArrays
	for _, item := range b.items {
		scope := &item.Command.scope
		if !storable(scope.CustomerID) {
			continue
		}
		number, err := b.db.tenants.number(ctx, conn, scope.Tenant)
		if errors.Is(err, errNoBusiness) {
			continue
		}
		if err != nil {
			return err
		}
		customers.add(customerKey{scope.CustomerID, number}, "")
		if scope.Key != "" {
			keys.add(customerKey{scope.CustomerID, number}, scope.Key)
		}
	}
	customers.unique()
	keys.unique()
	trip := &pgx.Batch{}
	b.db.queueBegin(trip, b.lockWait)
	if len(customers.ids) == 0 { // there can be no such customers
		return conn.SendBatch(ctx, trip).Close()
	}
	name := "load many"
	if len(customers.ids) == 1 {
		name = "load one"
	}
	return sendPrepared(ctx, conn, trip, name, func(trip *pgx.Batch) error {
		if len(customers.ids) == 1 {
			b.queueLoadOne(trip, customerKey{customers.ids[0], customers.tenants[0]}, keys.keys)
		} else {
			b.queueLoadMany(trip, &customers, &keys)
		}
		return nil
	})
}

func (b *batch) queueLoadMany(trip *pgx.Batch, customers, keys *keyArrays) {
	lock, wallets, priors := lockCustomersQuery, readWalletsQuery, readPriorsQuery
	if b.db.sharded {
		lock, wallets, priors = lockShardCustomersQuery, readShardWalletsQuery, readShardPriorsQuery
	}
	trip.Queue(lock, customers.ids, customers.tenants).Query(b.scanCustomers)
	trip.Queue(wallets, customers.ids, customers.tenants).Query(b.scanWallets)
	if len(keys.ids) > 0 {
		trip.Queue(priors, keys.ids, keys.tenants, keys.keys).Query(b.scanPriors)
	}
}

// queueBegin begins a transaction that says for itself how durable it is and
// how long it may wait, so that it needs nothing of the session that a pooler
// happens to give it.
func (db *DB) queueBegin(trip *pgx.Batch, lockWait string) {
	durability := "on"
	if db.config.ReplicaApplies {
		durability = "remote_apply"
	}
	trip.Queue("begin isolation level read committed")
	if db.sharded {
		queueShardedSettings(trip, durability, lockWait)
		return
	}
	trip.Queue(beginSettings, durability, lockWait)
}

// lockWaitLong is how long what has nobody behind it waits for a lock.
const lockWaitLong = "4s"

// The time-outs are shorter than CommitWithin, so that the server ends what a
// client no longer waits for. None of them ends the wait for a standby. Warnings
// are asked for because one of them tells of a commit without its standby. The
// rest keeps the plans: statements are planned once, when the tables may be
// empty, and a plan that reads a whole table would stay after it has grown. What
// is switched off counts as a great cost where it is used all the same, for which
// the server would compile the plan, so nothing is compiled. The form of bytes is
// for a driver that may not prepare statements.
const beginSettings = `
	select set_config('synchronous_commit', $1, true), set_config('lock_timeout', $2, true),
	       set_config('statement_timeout', '8s', true), set_config('idle_in_transaction_session_timeout', '8s', true),
	       set_config('client_min_messages', 'warning', true), set_config('plan_cache_mode', 'force_generic_plan', true),
	       set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
	       set_config('jit', 'off', true), set_config('bytea_output', 'hex', true)`

// keyArrays are the columns of a set of keys, as the statements take them: every
// column of a key is passed, because with one of them as a constant a table
// without statistics is read as a whole.
type keyArrays struct {
	ids     []string
	tenants []int32
	keys    []string

	all []priorKey
}

func (a *keyArrays) add(customer customerKey, key string) {
	a.all = append(a.all, priorKey{customer, key})
}

// unique fills the columns with each key once, in order.
func (a *keyArrays) unique() {
	slices.SortFunc(a.all, comparePriorKeys)
	for _, key := range slices.Compact(a.all) {
		a.ids, a.tenants, a.keys = append(a.ids, key.id), append(a.tenants, key.tenant), append(a.keys, key.key)
	}
}

// decide takes one decision on the state that the decisions before it have left.
// An error is the database's; a refusal is kept in the command.
func (b *batch) decide(ctx context.Context, conn *pgx.Conn, cmd *command) error {
	cmd.change, cmd.err = ledger.Change{}, nil
	number, known := b.db.tenants.known(cmd.scope.Tenant)
	key := customerKey{cmd.scope.CustomerID, number}
	state := b.customers[key]
	if !known || state == nil {
		cmd.err = errNoCustomer
		return nil
	}
	wallet := state.wallet(cmd.scope.Currency)
	reversed, recovered, err := b.reversed(ctx, conn, key, cmd.scope.Reverses)
	if err != nil {
		return err
	}
	transfer, err := b.transfer(ctx, conn, key, cmd.scope.Transfer)
	if err != nil {
		return err
	}
	snapshot := ledger.Snapshot{
		Customer: state.customer,
		Chain:    state.chain,
		Prior:    b.priors[priorKey{key, cmd.scope.Key}],
		Reversed: reversed,
		Transfer: transfer,
	}
	if err := b.snapshotHolds(ctx, conn, key, &cmd.scope, &snapshot); err != nil {
		return err
	}
	b.snapshotObjects(key, &cmd.scope, &snapshot)
	source := &lotSource{ctx: ctx, q: conn, key: key, wallet: wallet}
	look, err := wallet.Look(walletrow.WantOf(&cmd.scope, &snapshot, recovered), source)
	if err != nil {
		return err
	}
	snapshot.Wallet = wallet.Wallet(&state.customer, &look)
	if cmd.scope.SeeksDueHold(&snapshot) {
		snapshot.Hold, err = b.dueHold(ctx, conn, key, &cmd.scope, snapshot.Chain.At(cmd.scope.At))
		if err != nil {
			return err
		}
	}
	if cmd.scope.Announces {
		if snapshot.Unannounced, err = b.unannounced(ctx, conn, key, wallet, source); err != nil {
			return err
		}
	}
	change, refusal := groupcommit.Guarded(cmd.decide, snapshot)
	if cmd.change, cmd.err = change, refusal; refusal != nil || change.Replayed {
		return nil
	}
	if !change.MovesNothing() {
		if err := wallet.Apply(&change, &look, source, b.db.config.LotsInRow); err != nil {
			return err
		}
	}
	b.apply(key, state, wallet, change)
	return nil
}

// apply moves the state by a change, for the decisions that follow, but for the
// wallet's row.
func (b *batch) apply(key customerKey, state *customerState, wallet *walletState, change ledger.Change) {
	for entry := range change.Entries() {
		if entry.OpensLot() {
			wallet.opened = append(wallet.opened, ledger.Lot{
				Seq: entry.Seq, Category: entry.Category, ExpiresAt: entry.ExpiresAt, Remaining: entry.Amount,
			})
		}
		if entry.Reverses != "" && entry.Direction == ledger.Debit {
			if wallet.takenBack == nil {
				wallet.takenBack = map[int64]money.Amount{}
			}
			wallet.takenBack[entry.Allocations[0].LotSeq] += entry.Amount
		}
		state.chain = state.chain.Behind(entry)
		if entry.IdempotencyKey != "" {
			b.priors[priorKey{key, entry.IdempotencyKey}] = entry
		}
		b.entries = append(b.entries, placed{key.tenant, entry})
	}
	if change.Transfer != nil {
		b.transfers = append(b.transfers, placedTransfer{key.tenant, change.Transfer})
	}
	if change.Hold != nil {
		b.holds.add(key, change.Hold, state.chain.Position)
		state.chain = state.chain.Past(change.Hold.Event.CreatedAt)
	}
	if change.Announced != nil {
		b.announce(key, wallet, change.Announced, state.chain.Position)
	}
	for i := range change.Objects {
		b.objects.add(key, &change.Objects[i], state.holdNumber(), state.noticeNumber())
	}
}

const readCreditsQuery = `
	select e.seq, e.category, e.expires_at,
	       (e.amount - coalesce((select sum(r.amount)
	                               from ledger_entries r
	                              where r.customer_id = $1 and r.tenant = $2 and r.reverses = e.id), 0))::bigint
	  from ledger_entries e
	 where e.customer_id = $1 and e.tenant = $2 and e.currency = $3 and e.seq between $4 and $5 and e.category <> ''
	 order by e.seq`

// Credits implements walletrow.Source: the credits in the database, and those of this
// batch.
func (s *lotSource) Credits(from, to int64) (lots []ledger.Lot, err error) {
	wallet := s.wallet
	if from <= wallet.stored {
		if s.asOf != 0 {
			lots, err = s.query(readCreditsAsOfQuery, from, to, s.asOf)
		} else {
			lots, err = s.query(readCreditsQuery, from, to)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, lot := range wallet.opened {
		if lot.Seq >= from && lot.Seq <= to {
			lots = append(lots, lot)
		}
	}
	for i := range lots {
		// More was taken back where a part was lent.
		lots[i].Remaining = max(lots[i].Remaining-wallet.takenBack[lots[i].Seq], 0)
	}
	return lots, nil
}

// scanLot reads a credit as the lot that it opened.
func scanLot(row pgx.CollectableRow) (lot ledger.Lot, err error) {
	var expires *time.Time
	err = row.Scan(&lot.Seq, &lot.Category, &expires, &lot.Remaining)
	lot.ExpiresAt = timeOf(expires)
	return lot, err
}
