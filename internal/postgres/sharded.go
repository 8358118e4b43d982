package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A sharded installation is one on Citus whose customers are distributed over
// servers: each customer with wallets and entries is in one shard, on one of
// the workers, and instances talk to the coordinator. Four things differ:
//
//   - A transaction of ledger entries is about the customers of one shard, so that
//     it takes place on one worker. One about several would need a commit in two
//     phases. Its statements name the customers in a form by which Citus finds
//     the shard before it looks at anything else.
//   - Durability and time-outs are set by SET LOCAL, which Citus passes on to the
//     workers; set_config() would hold on the coordinator alone.
//   - What a worker warns of, the coordinator passes on as a message of the level
//     DEBUG1, so it is asked for those, see keepWarning.
//   - An error of COMMIT proves nothing: the worker may have committed, and only
//     its answer to the coordinator was lost.

const (
	// The coordinator keeps one connection to each worker for each of its own.
	shardedConnectionsMax = 48

	// shardedCommittersMax is high because a committer waits for its worker
	// most of the time, and so that each shard has one of its own, unless there
	// are more: a worker that is away then holds up no customer of the others.
	shardedCommittersMax = 64
)

// distributeLock is the number of the lock that keeps new connections waiting
// while the tables are being distributed.
const distributeLock = migrationLock + 2

var errDistributed = errors.New("the database was distributed while this instance ran; restart it")

// isSharded reports whether the customers are distributed. The catalogue of
// Citus is the only record of it, so it cannot go stale.
func isSharded(ctx context.Context, conn *pgx.Conn) (sharded bool, err error) {
	const citus = `select exists (select from pg_extension where extname = 'citus')`
	if err := conn.QueryRow(ctx, citus).Scan(&sharded); err != nil || !sharded {
		return false, err
	}
	// A distribution that is under way is waited for.
	if _, err := conn.Exec(ctx, `select pg_advisory_xact_lock_shared($1)`, distributeLock); err != nil {
		return false, err
	}
	const query = `
	  select exists (select from pg_dist_partition where logicalrelid = to_regclass('ledger_entries') and partmethod = 'h')`
	err = conn.QueryRow(ctx, query).Scan(&sharded)
	return sharded, err
}

// admit refuses a connection that would not keep what it acknowledges, or that
// is to another kind of installation than the store was opened on.
func (db *DB) admit(ctx context.Context, conn *pgx.Conn) error {
	if err := refuseUnsafe(ctx, conn); err != nil {
		return err
	}
	sharded, err := isSharded(ctx, conn)
	switch {
	case err != nil:
		return err
	case sharded != db.sharded:
		return errDistributed
	case sharded:
		if err := db.learnShards(ctx, conn); err != nil {
			return err
		}
		return refuseUnsafeWorkers(ctx, conn)
	}
	return nil
}

// refuseUnsafeWorkers is refuseUnsafe for the workers that can be asked. One
// that is away keeps its customers from being served, and nobody else.
func refuseUnsafeWorkers(ctx context.Context, conn *pgx.Conn) error {
	var group int
	if err := conn.QueryRow(ctx, `select groupid from pg_dist_local_group`).Scan(&group); err != nil {
		return err
	}
	if group != 0 {
		return errors.New("the server is a worker of Citus; name the coordinator in database-url")
	}
	for _, setting := range []string{"fsync", "full_page_writes"} {
		const query = `select nodename, nodeport, result from run_command_on_workers($1) where success and result <> 'on'`
		var worker, value string
		var port int
		err := conn.QueryRow(ctx, query, "show "+setting).Scan(&worker, &port, &value)
		if err == nil {
			return fmt.Errorf("the worker %s:%d runs with %s=%s and could lose entries in a crash; set %[3]s=on", worker, port, setting, value)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
	}
	return nil
}

// queueShardedSettings queues what beginSettings sets, so that it holds on the
// workers too. The first statement switches that on. Workers plan each statement
// when they get it, for all values: from the values themselves they might
// conclude that the tenant alone tells most entries apart. The coordinator plans
// for the values of an array, because it has to find their shard.
func queueShardedSettings(trip *pgx.Batch, durability, lockWait string) {
	for _, setting := range shardedSettings(durability, lockWait) {
		trip.Queue("set local " + setting)
	}
}

func shardedSettings(durability, lockWait string) []string {
	return []string{
		"citus.propagate_set_commands = 'local'",
		"synchronous_commit = '" + durability + "'",
		"lock_timeout = '" + lockWait + "'",
		"client_min_messages = 'warning'",
		"bytea_output = 'hex'",
		"statement_timeout = '8s'",
		"idle_in_transaction_session_timeout = '8s'",
		"enable_seqscan = 'off'",
		"enable_bitmapscan = 'off'",
		"enable_hashjoin = 'off'",
		"enable_mergejoin = 'off'",
		"jit = 'off'",
		"plan_cache_mode = 'force_generic_plan'",
		"citus.propagate_set_commands = 'none'",
		"plan_cache_mode = 'auto'",
		"citus.worker_min_messages = 'warning'",
		"client_min_messages = 'debug1'",
	}
}

// notSupported is what the coordinator says to a statement that locks rows of
// several shards.
const notSupported = "0A000"

// byShard splits commands into those on customers of one shard each.
func (db *DB) byShard(items []*item) [][]*item {
	begins := db.shards.Load()
	if begins == nil {
		return byCustomer(items)
	}
	return grouped(items, func(item *item) int {
		number, _ := begins.of(item.Command.scope.CustomerID)
		return number
	})
}

// byCustomer splits commands into those on one customer each, in the order in
// which each customer first appears.
func byCustomer(items []*item) [][]*item {
	return grouped(items, ownerOf)
}

func grouped[K comparable](items []*item, of func(*item) K) [][]*item {
	var groups [][]*item
	numbers := map[K]int{}
	for _, item := range items {
		n, seen := numbers[of(item)]
		if !seen {
			n = len(groups)
			numbers[of(item)] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], item)
	}
	return groups
}
