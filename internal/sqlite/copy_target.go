package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/transfer"
)

// CopyTarget is an embedded store that becomes a copy. It implements
// transfer.Target.
type CopyTarget struct {
	copyReader
	dir  string
	lock *os.File
	dead bool // a sync may have failed, see committer.close

	// What the entries need that are to be written. The wallets' rows hold it
	// too, so it can be forgotten between any two transactions.
	nextEntry int64
	owners    map[ownerKey]*copyOwner
}

// ownerKey is a customer of a tenant.
type ownerKey struct {
	id     string
	tenant int64
}

// copyOwner is the end of a customer's entries in the copy.
type copyOwner struct {
	no      int64
	last    int64 // no of the last entry, 0 for none
	wallets map[string]*copyWallet
}

type copyWallet struct {
	last  int64 // no of the last entry, 0 for none
	dirty bool
}

// OpenCopyTarget takes the lock of a data directory, which it makes when it is
// not there, and opens the database in it for a copy.
func OpenCopyTarget(dir string) (_ *CopyTarget, err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	t := &CopyTarget{dir: dir, lock: lock, owners: map[ownerKey]*copyOwner{}}
	path := filepath.Join(dir, FileName)
	if err = settleLog(path+"-wal", Config{}.withDefaults().OpenLog); err == nil {
		t.conn, err = openWriter(path, "FULL")
	}
	if err != nil {
		return nil, errors.Join(explain(path, err), lock.Close())
	}
	if err := t.prepare(); err != nil {
		return nil, errors.Join(explain(path, err), t.Close())
	}
	return t, nil
}

func (t *CopyTarget) prepare() (err error) {
	// What belongs to somebody else is not brought up to date either.
	begun, err := numberOf(t.conn, `select count(*) from sqlite_master where name = 'businesses'`)
	if err == nil && begun > 0 && refuseOtherSchema(t.conn) != nil {
		err = t.refuseRows("businesses")
	}
	if err != nil {
		return err
	}
	if err := migrate(t.conn, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if err := syncDir(t.dir); err != nil {
		return err
	}
	if t.nextEntry, err = lastEntry(t.conn); err != nil {
		return err
	}
	t.nextEntry++
	return writeHolder(t.lock, true)
}

// Close empties the log into the main file and lets go of the directory.
func (t *CopyTarget) Close() error {
	if t.dead {
		return t.lock.Close()
	}
	return errors.Join(t.conn.Close(), t.lock.Close())
}

// Record implements transfer.Target.
func (t *CopyTarget) Record(context.Context) (*transfer.Record, error) {
	record, err := readRecord(t.conn)
	if err != nil || record != nil {
		return record, err
	}
	for _, table := range transfer.Tables() {
		if err := t.refuseRows(table.Name); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (t *CopyTarget) refuseRows(table string) error {
	some, err := numberOf(t.conn, "select exists (select 1 from "+table+")")
	if err == nil && some != 0 {
		err = fmt.Errorf("the data directory %s has an installation of its own, with rows in %s; name an empty directory as the target",
			t.dir, table)
	}
	return err
}

// Begin implements transfer.Target. The secret that keys the index of keys is
// drawn anew: the index is made anew too.
func (t *CopyTarget) Begin(_ context.Context, installation transfer.Installation, record transfer.Record) error {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	return t.inTransaction(func() error {
		const keep = `
		  insert into installation (no, created_at, secret) values (1, ?1, ?2)
		  on conflict (no) do update set created_at = ?1, secret = ?2`
		if err := execute(t.conn, keep, installation.CreatedAt, secret[:]); err != nil {
			return err
		}
		const begin = `
		  insert into copied_from (no, source, origin, state, table_name, place, entries, began_at)
		  values (1, ?, ?, ?, ?, ?, ?, ?)`
		return execute(t.conn, begin, record.Source, record.Origin[:], record.State[:], record.Table, record.Place,
			record.Entries, record.BeganAt.UnixMicro())
	})
}

func execute(conn *sqlite.Conn, query string, args ...any) error {
	return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args})
}

// inTransaction commits what f does, and copies the log into the main file: a
// copy writes more than the log should hold.
func (t *CopyTarget) inTransaction(f func() error) (err error) {
	if err := run(t.conn, "begin immediate"); err != nil {
		return err
	}
	if err := f(); err != nil {
		clear(t.owners)
		return errors.Join(err, run(t.conn, "rollback"))
	}
	if err = run(t.conn, "commit"); err == nil {
		if err = refuseReadOnly(t.lock); err == nil {
			_, _, err = runCheckpoint(t.conn, "pragma wal_checkpoint(passive)")
		}
	}
	t.dead = err != nil
	return err
}

// Write implements transfer.Target.
func (t *CopyTarget) Write(
	ctx context.Context, table *transfer.Table, rows []transfer.Row, was, now transfer.Record,
) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.inTransaction(func() error {
		const move = `
		  update copied_from set table_name = ?, place = ?, entries = ?
		   where table_name = ? and place = ? and finished_at = 0`
		if err := execute(t.conn, move, now.Table, now.Place, now.Entries, was.Table, was.Place); err != nil {
			return err
		}
		if t.conn.Changes() != 1 {
			return errors.New("the copy is not where this run left it")
		}
		if table == transfer.Entries {
			return t.writeEntries(rows)
		}
		stmt, err := t.conn.Prepare(insertion(table))
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := insertRow(stmt, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertion is the statement that adds a row of a table other than the entries.
// The wallets' links to their last entries come with the entries.
func insertion(table *transfer.Table) string {
	names, values := make([]string, len(table.Columns)), make([]string, len(table.Columns))
	for i, column := range table.Columns {
		names[i], values[i] = column.Name, fmt.Sprintf("?%d", i+1)
	}
	switch table {
	case transfer.Customers:
		names[table.Index("customer_id")] = "id"
	case transfer.Wallets:
		id, tenant := table.Index("customer_id"), table.Index("tenant")
		names[id], values[id] = "customer", fmt.Sprintf("(select no from customers where tenant = ?%d and id = ?%d)", tenant+1, id+1)
		names, values = append(names, "last_entry"), append(values, "0")
	case transfer.Objects:
		id, tenant := table.Index("customer_id"), table.Index("tenant")
		names[id], values[id] = "customer", fmt.Sprintf("(select no from customers where tenant = ?%d and id = ?%d)", tenant+1, id+1)
	case transfer.WalletLots, transfer.LotMarks, transfer.AuditEntries, transfer.Transfers, transfer.Holds,
		transfer.HoldEvents, transfer.ObjectEvents, transfer.Notices:
		id, tenant := table.Index("customer_id"), table.Index("tenant")
		names[id], values[id] = "customer", fmt.Sprintf("(select no from customers where tenant = ?%d and id = ?%d)", tenant+1, id+1)
		names, values = slices.Delete(names, tenant, tenant+1), slices.Delete(values, tenant, tenant+1)
	}
	return "insert into " + table.Name + " (" + strings.Join(names, ", ") + ") values (" + strings.Join(values, ", ") + ")"
}

func insertRow(stmt *sqlite.Stmt, row transfer.Row) (err error) {
	defer resetting(stmt, &err)
	for i, value := range row {
		if err := bindValue(stmt, i+1, value); err != nil {
			return err
		}
	}
	_, err = stmt.Step()
	return err
}

// ownersMax is how many customers' ends are in memory before they are forgotten.
const ownersMax = 50_000

// writeEntries adds entries with the links and marks that they have here.
func (t *CopyTarget) writeEntries(rows []transfer.Row) error {
	stmt, err := t.conn.Prepare(copiedEntryQuery())
	if err != nil {
		return err
	}
	next := t.nextEntry
	for _, row := range rows {
		if err := t.writeEntry(stmt, next, row); err != nil {
			return err
		}
		next++
	}
	if err := t.writeLinks(); err != nil {
		return err
	}
	t.nextEntry = next
	if len(t.owners) > ownersMax {
		clear(t.owners)
	}
	return nil
}

// The places of what an entry's links are made from.
var (
	entryCustomer = transfer.Entries.Index("customer_id")
	entryTenant   = transfer.Entries.Index("tenant")
	entryCurrency = transfer.Entries.Index("currency")
	entryPosition = transfer.Entries.Index("position")
	entrySeq      = transfer.Entries.Index("seq")
	entryHeld     = transfer.Entries.Index("held")
)

// copiedEntryQuery adds an entry. The customer stands where its id was, and
// what the entry is linked to comes behind its columns.
func copiedEntryQuery() string {
	names := []string{"customer", "previous"}
	for _, column := range transfer.Entries.Columns[2:] {
		names = append(names, column.Name)
	}
	names = append(names, "no", "wallet_previous")
	return "insert into ledger_entries (" + strings.Join(names, ", ") + ") values (?" +
		strings.Repeat(", ?", len(names)-1) + ")"
}

func (t *CopyTarget) writeEntry(stmt *sqlite.Stmt, no int64, row transfer.Row) (err error) {
	defer resetting(stmt, &err)
	id, _ := row[entryCustomer].(string)
	tenant, _ := row[entryTenant].(int64)
	currency, _ := row[entryCurrency].(string)
	owner, err := t.owner(ownerKey{id, tenant})
	if err != nil {
		return err
	}
	wallet := owner.wallets[currency]
	if wallet == nil {
		return fmt.Errorf("customer %s has entries in %s and no wallet", id, currency)
	}
	for i, value := range row {
		switch i {
		case entryCustomer:
			value = owner.no
		case entryTenant:
			value = owner.last
		case entryHeld:
			if value == int64(0) {
				value = nil
			}
		}
		if err := bindValue(stmt, i+1, value); err != nil {
			return err
		}
	}
	stmt.BindInt64(len(row)+1, no)
	stmt.BindInt64(len(row)+2, wallet.last)
	if _, err := stmt.Step(); err != nil {
		return err
	}
	owner.last, wallet.last, wallet.dirty = no, no, true
	return t.writeMarks(no, owner.no, row)
}

func (t *CopyTarget) writeMarks(no, customer int64, row transfer.Row) error {
	position, _ := row[entryPosition].(int64)
	seq, _ := row[entrySeq].(int64)
	currency, _ := row[entryCurrency].(string)
	e := ledger.Entry{Position: position, Seq: seq, Currency: money.Currency(currency)}
	return insertMarks(t.conn, no, customer, &e)
}

// owner returns the end of a customer's entries.
func (t *CopyTarget) owner(key ownerKey) (_ *copyOwner, err error) {
	if owner := t.owners[key]; owner != nil {
		return owner, nil
	}
	stmt, err := t.conn.Prepare(`
	  select c.no, w.currency, w.last_entry
	    from customers c
	    join wallets w on w.customer = c.no
	   where c.tenant = ? and c.id = ?`)
	if err != nil {
		return nil, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, key.tenant)
	stmt.BindText(2, key.id)
	owner := &copyOwner{wallets: map[string]*copyWallet{}}
	for {
		row, err := stmt.Step()
		if err != nil {
			return nil, err
		}
		if !row {
			break
		}
		owner.no = stmt.ColumnInt64(0)
		wallet := &copyWallet{last: stmt.ColumnInt64(2)}
		owner.wallets[stmt.ColumnText(1)] = wallet
		owner.last = max(owner.last, wallet.last)
	}
	t.owners[key] = owner
	return owner, nil
}

// writeLinks links the wallets that got entries to the last of them.
func (t *CopyTarget) writeLinks() error {
	for _, owner := range t.owners {
		for currency, wallet := range owner.wallets {
			if !wallet.dirty {
				continue
			}
			const link = `update wallets set last_entry = ? where customer = ? and currency = ?`
			if err := execute(t.conn, link, wallet.last, owner.no, currency); err != nil {
				return err
			}
			wallet.dirty = false
		}
	}
	return nil
}

// settleFeed has the feed tell of the customers that came: first that they were
// made, then of the entries, then of the audit trails, the holds, the notices and the objects. A run that was
// killed may have done it before.
func (t *CopyTarget) settleFeed() error {
	const made = `
	  insert into customer_events (customer, kind, position, after_entry)
	  select no, 'made', 0, 0 from customers
	   where not exists (select 1 from customer_events)
	   order by no`
	const changed = `
	  insert into customer_events (customer, kind, position, after_entry)
	  select customer, 'audit', position, (select coalesce(max(no), 0) from ledger_entries) from audit_entries
	   where not exists (select 1 from customer_events where kind = 'audit')
	   order by created_at, customer, position`
	const held = `
	  insert into customer_events (customer, kind, position, after_entry)
	  select customer, 'hold', number, (select coalesce(max(no), 0) from ledger_entries) from hold_events
	   where not exists (select 1 from customer_events where kind = 'hold')
	   order by created_at, customer, number`
	const announced = `
	  insert into customer_events (customer, kind, position, after_entry)
	  select customer, 'notice', number, (select coalesce(max(no), 0) from ledger_entries) from expiry_notices
	   where not exists (select 1 from customer_events where kind = 'notice')
	   order by created_at, customer, number`
	const told = `
	  insert into customer_events (customer, kind, position, after_entry)
	  select customer, 'object', number, (select coalesce(max(no), 0) from ledger_entries) from object_events
	   where kind <> '' and not exists (select 1 from customer_events where kind = 'object')
	   order by created_at, customer, number`
	for _, statement := range []string{made, changed, held, announced, told} {
		if err := execute(t.conn, statement); err != nil {
			return err
		}
	}
	return nil
}

// settleEndpoints puts the endpoints at the end of the feed: what stands before it was
// queued for them in the source.
func (t *CopyTarget) settleEndpoints() error {
	place, err := feedEnd(t.conn)
	if err != nil {
		return err
	}
	return execute(t.conn, `update webhook_endpoints set place = ? where place = ''`, string(place))
}

// Settle implements transfer.Target. It makes the index of idempotency keys,
// which the first start would do otherwise.
func (t *CopyTarget) Settle(context.Context) error {
	if err := t.inTransaction(t.settleFeed); err != nil {
		return err
	}
	if err := t.inTransaction(t.settleEndpoints); err != nil {
		return err
	}
	secret, err := installationSecret(t.conn)
	if err != nil {
		return err
	}
	if _, err := openKeyIndex(t.conn, secret); err != nil {
		return err
	}
	_, _, err = runCheckpoint(t.conn, "pragma wal_checkpoint(truncate)")
	return err
}

// Finish implements transfer.Target.
func (t *CopyTarget) Finish(_ context.Context, at time.Time) error {
	return t.inTransaction(func() error {
		return execute(t.conn, `update copied_from set finished_at = ? where finished_at = 0`, at.UnixMicro())
	})
}
