package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
)

// DefaultShards is how many shards an installation has that asks for no other
// number. It bounds how many workers can share the work, and every statement
// about all customers costs one query a shard; 32 give 16 workers two each.
const DefaultShards = 32

// Distribution says how an installation is distributed.
type Distribution struct {
	Shards  int
	Workers int // with shards
	Already bool
}

// Distribute spreads the customers of a database over the workers of Citus, with
// all that is kept of them. It is one transaction, in which nobody else may be
// connected: instances that run would go on as if nothing had happened.
//
// What belongs to no customer stays on the coordinator. Instances are connected
// to it alone, so nobody else would read it.
func Distribute(ctx context.Context, url string, shards int, logger *slog.Logger) (d Distribution, err error) {
	settings, err := parse(url)
	if err != nil {
		return d, err
	}
	conn, err := connect(ctx, settings.ConnConfig)
	if err == nil {
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		d, err = distribute(ctx, conn, shards, logger)
	}
	if err != nil {
		return d, fmt.Errorf("PostgreSQL at %s: %w", address(settings.ConnConfig), err)
	}
	return d, nil
}

func distribute(ctx context.Context, conn *pgx.Conn, shards int, logger *slog.Logger) (d Distribution, err error) {
	if err := migrate(ctx, conn, logger); err != nil {
		return d, err
	}
	if err := refuseUnfinished(ctx, conn); err != nil { // the copy could not go on
		return d, err
	}
	if err := ensureCitus(ctx, conn); err != nil {
		return d, err
	}
	if d.Already, err = isSharded(ctx, conn); err != nil {
		return d, err
	}
	if !d.Already {
		if err := refuseUnreadyNodes(ctx, conn); err != nil {
			return d, err
		}
		logger.Info("distributing the customers", "shards", shards)
		if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return distributeTables(ctx, tx, shards) }); err != nil {
			return d, err
		}
	}
	if err := teachShards(ctx, conn); err != nil {
		return d, err
	}
	const query = `
	  select count(distinct s.shardid), count(distinct p.groupid)
	    from pg_dist_shard s
	    join pg_dist_placement p on p.shardid = s.shardid
	   where s.logicalrelid = 'customers'::regclass`
	return d, conn.QueryRow(ctx, query).Scan(&d.Shards, &d.Workers)
}

// ensureCitus makes the extension where that is all that is missing.
func ensureCitus(ctx context.Context, conn *pgx.Conn) error {
	var known, there bool
	const query = `
	  select exists (select from pg_available_extensions where name = 'citus'),
	         exists (select from pg_extension where extname = 'citus')`
	if err := conn.QueryRow(ctx, query).Scan(&known, &there); err != nil || there {
		return err
	}
	if !known {
		return errors.New("the server has no Citus; install it on the coordinator and the workers, with citus in shared_preload_libraries")
	}
	if _, err := conn.Exec(ctx, `create extension citus`); err != nil {
		return fmt.Errorf("run as a superuser, in this database of each node: create extension citus: %w", err)
	}
	return nil
}

// refuseUnreadyNodes refuses a cluster that has no workers, or could not keep
// on them what is acknowledged.
func refuseUnreadyNodes(ctx context.Context, conn *pgx.Conn) error {
	var workers, coordinators int
	const nodes = `
	  select count(*) filter (where groupid <> 0 and isactive and noderole = 'primary'), count(*) filter (where groupid = 0)
	    from pg_dist_node`
	if err := conn.QueryRow(ctx, nodes).Scan(&workers, &coordinators); err != nil {
		return err
	}
	switch {
	case coordinators == 0:
		return errors.New("the workers cannot know where the coordinator is; run here: select citus_set_coordinator_host('host', port)")
	case workers == 0:
		return errors.New("there is no worker; make the database and its extension on each, and run here: select citus_add_node('host', port)")
	}
	if err := refuseUnsafeWorkers(ctx, conn); err != nil {
		return err
	}
	var worker, result string
	var port int
	const query = `
	  select nodename, nodeport, result
	    from run_command_on_workers('show max_prepared_transactions')
	   where not success or result = '0'`
	err := conn.QueryRow(ctx, query).Scan(&worker, &port, &result)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	case result == "0":
		return fmt.Errorf("the worker %s:%d has max_prepared_transactions=0; set it to its max_connections", worker, port)
	}
	return fmt.Errorf("the worker %s:%d does not answer: %s", worker, port, result)
}

// distributeTables does it. The guards of the ledger go with their table: Citus
// takes triggers to be unsafe, because they might reach for other shards, but
// these only refuse. That of rows fires on the shards, and moves with them; that
// of TRUNCATE fires on the coordinator, through which the shards are reached.
func distributeTables(ctx context.Context, tx pgx.Tx, shards int) error {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, distributeLock); err != nil {
		return err
	}
	if err := refuseOthers(ctx, tx); err != nil {
		return err
	}
	if err := refuseEndpoints(ctx, tx); err != nil {
		return err
	}
	for _, step := range []string{
		`set local citus.multi_shard_modify_mode = 'sequential'`,
		`set local citus.enable_unsafe_triggers = on`,
		`lock table businesses, tenants, business_audit_entries, api_keys, products, processor_notices, test_clocks, people, customers, wallets, wallet_lots, lot_marks, ledger_entries,
		 audit_entries, transfers, holds, hold_events, objects, object_events, expiry_notices, request_answers, installation,
		 webhook_endpoints, sink_cursors, report_sums, report_places, report_progress`,
		`truncate report_sums, report_places, report_progress`, // a distributed installation has none
		`alter table wallets drop constraint wallets_customer_id_tenant_fkey`,
		`drop trigger ledger_entries_are_not_truncated on ledger_entries`,
		`drop trigger audit_entries_are_not_truncated on audit_entries`,
		`drop trigger hold_events_are_not_truncated on hold_events`,
		`drop trigger object_events_are_not_truncated on object_events`,
		`drop trigger expiry_notices_are_not_truncated on expiry_notices`,
		`select create_distributed_table('customers', 'customer_id', colocate_with => 'none', shard_count => $1)`,
		`select create_distributed_table('wallets', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('wallet_lots', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('lot_marks', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('ledger_entries', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('audit_entries', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('transfers', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('holds', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('hold_events', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('objects', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('object_events', 'customer_id', colocate_with => 'customers')`,
		`select create_distributed_table('expiry_notices', 'customer_id', colocate_with => 'customers')`,
		// The rows that the tables had are in the shards, and here for nothing.
		`select truncate_local_data_after_distributing_table(name)
		   from unnest(array['customers', 'wallets', 'wallet_lots', 'lot_marks', 'ledger_entries', 'audit_entries', 'transfers',
		                     'holds', 'hold_events', 'objects', 'object_events', 'expiry_notices']::regclass[]) as name`,
		`create trigger ledger_entries_are_not_truncated before truncate on ledger_entries
		   for each statement execute function ledger_entries_are_immutable()`,
		`create trigger audit_entries_are_not_truncated before truncate on audit_entries
		   for each statement execute function audit_entries_are_immutable()`,
		`create trigger hold_events_are_not_truncated before truncate on hold_events
		   for each statement execute function hold_events_are_immutable()`,
		`create trigger object_events_are_not_truncated before truncate on object_events
		   for each statement execute function object_events_are_immutable()`,
		`create trigger expiry_notices_are_not_truncated before truncate on expiry_notices
		   for each statement execute function expiry_notices_are_immutable()`,
		`alter table wallets add constraint wallets_customer_id_tenant_fkey
		   foreign key (customer_id, tenant) references customers (customer_id, tenant)`,
		// Citus has to know these tables, or it would not commit them in two
		// phases together with a customer.
		`select citus_add_local_table_to_metadata('request_answers', cascade_via_foreign_keys => true)`,
		`select citus_add_local_table_to_metadata('copied_from')`, // with the rows of a copy
		`select citus_add_local_table_to_metadata('people')`,      // with lines in the trail of a business
	} {
		var args []any
		if strings.Contains(step, "$1") {
			args = append(args, shards)
		}
		if _, err := tx.Exec(ctx, step, args...); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}

// refuseEndpoints refuses to distribute an installation with webhooks, which would get
// nothing any more.
func refuseEndpoints(ctx context.Context, q querier) error {
	var count int
	err := q.QueryRow(ctx, `select count(*) from webhook_endpoints where not deleted`).Scan(&count)
	if err == nil && count > 0 {
		err = fmt.Errorf("there are %d webhooks, and a distributed installation has no feed of events to send from; delete them first", count)
	}
	return err
}

// teachShards tells the planners of the workers what 0001_ledger.sql tells that of
// one server. Citus copies how many values of a column are to be looked at, but
// not what is to be believed of them, when it makes a shard or moves it. Where
// businesses share a shard, a worker would learn that the tenant tells most
// entries apart, and take any index that has it for the one of the whole key.
func teachShards(ctx context.Context, conn *pgx.Conn) error {
	for _, table := range []string{"customers", "ledger_entries", "hold_events", "object_events", "expiry_notices"} {
		const teach = `
		  select result
		    from run_command_on_shards($1::text::regclass, 'alter table %s alter column tenant set (n_distinct = 1)')
		   where not success`
		var refused string
		switch err := conn.QueryRow(ctx, teach, table).Scan(&refused); {
		case err == nil:
			return fmt.Errorf("the shards of %s cannot be altered: %s", table, refused)
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
	}
	const analyze = `
	  analyze customers, wallets, wallet_lots, lot_marks, ledger_entries, audit_entries, transfers, holds, hold_events,
	          objects, object_events, expiry_notices`
	_, err := conn.Exec(ctx, analyze)
	return err
}

// refuseOthers refuses to go on while anybody else is connected. Connections
// that come later wait in isSharded. What kind of session another one is only a
// superuser is told; the server's own belong to nobody, and Citus names its own.
func refuseOthers(ctx context.Context, tx pgx.Tx) error {
	const query = `
	  select pid, coalesce(nullif(application_name, ''), 'unnamed')
	    from pg_stat_activity
	   where datname = current_database() and pid <> pg_backend_pid() and usesysid is not null
	     and coalesce(backend_type, 'client backend') = 'client backend' and application_name !~* '^citus[ _]'`
	var pid int
	var name string
	switch err := tx.QueryRow(ctx, query).Scan(&pid, &name); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("somebody is connected to the database (%s, process %d); stop every instance first", name, pid)
}
