package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

// Disconnect ends the connections that nobody uses.
func (db *DB) Disconnect() { db.pool.Reset() }

// Design is another way to carry out a decision than the store's: one that is
// known to be wrong at some level of isolation. It takes the statements and the
// arithmetic of the store and gets only their order and their locks wrong.
type Design struct {
	*DB
	Isolation string // such as "repeatable read"
	read      func(ctx context.Context, tx pgx.Tx, b *batch, key customerKey) error
	write     func(ctx context.Context, tx pgx.Tx, b *batch, key customerKey) error
}

// The designs that were measured against each other before the store was built.
func ReadThenWrite(db *DB, isolation string) Design {
	return Design{db, isolation, readRows, writeRows}
}

func ReadThenDecrement(db *DB, isolation string) Design {
	return Design{db, isolation, readRows, moveRows}
}

func SumThenInsert(db *DB, isolation string) Design {
	return Design{db, isolation, readSum, insertEntries}
}

func LockLatestThenInsert(db *DB, isolation string) Design {
	return Design{db, isolation, readLatest, insertEntries}
}

// designTries is how often a transaction is run again that met another.
const designTries = 50

// Transact implements ledger.Store.
func (d Design) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	for try := 0; ; try++ {
		item := &item{Command: command{scope: scope, decide: decide}}
		err := d.once(ctx, item)
		if err == nil {
			return item.Command.change, item.Command.err
		}
		if !isConflict(err) || try == designTries {
			return ledger.Change{}, unavailable(err)
		}
	}
}

func (d Design) once(ctx context.Context, item *item) error {
	conn, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.TxIsoLevel(d.Isolation)}, func(tx pgx.Tx) error {
		scope := item.Command.scope
		number, err := d.tenants.number(ctx, tx, scope.Tenant)
		if err != nil {
			return err
		}
		b, key := newBatch(d.DB, nil), customerKey{scope.CustomerID, number}
		customer, err := readCustomer(ctx, tx, scope.Tenant, number, scope.CustomerID, "")
		if err != nil {
			return err
		}
		b.customers[key] = &customerState{customer: customer}
		if err := d.read(ctx, tx, b, key); err != nil {
			return err
		}
		if err := b.decide(ctx, tx.Conn(), &item.Command); err != nil || len(b.entries) == 0 {
			return err
		}
		return d.write(ctx, tx, b, key)
	})
}

// readRows reads the wallets and locks nothing.
func readRows(ctx context.Context, tx pgx.Tx, b *batch, key customerKey) error {
	rows, err := tx.Query(ctx, readWalletsQuery, []string{key.id}, []int32{key.tenant})
	if err != nil {
		return err
	}
	return b.scanWallets(rows)
}

// readSum takes the sum of the entries for the balance.
func readSum(ctx context.Context, tx pgx.Tx, b *batch, key customerKey) error {
	const query = `
	  select count(*), coalesce(sum(case when is_credit then amount else -amount end), 0)::bigint
	    from ledger_entries
	   where customer_id = $1 and tenant = $2`
	return readBalance(ctx, tx, b, key, query)
}

// readLatest locks the latest entry and takes its balance.
func readLatest(ctx context.Context, tx pgx.Tx, b *batch, key customerKey) error {
	const query = `
	  select position, after_balance
	    from ledger_entries
	   where customer_id = $1 and tenant = $2
	   order by position desc
	   limit 1
	     for update`
	return readBalance(ctx, tx, b, key, query)
}

// readBalance takes a position and a balance from a query. What a customer has
// is what the first credit left; these designs know one currency and one lot.
func readBalance(ctx context.Context, tx pgx.Tx, b *batch, key customerKey, query string) error {
	state := b.customers[key]
	wallet := walletState{Row: walletrow.Row{Currency: "USD"}}
	if err := tx.QueryRow(ctx, query, key.id, key.tenant).Scan(&wallet.Seq, &wallet.Balance); err != nil {
		return ignore(err, pgx.ErrNoRows)
	}
	if wallet.Seq == 0 {
		return nil
	}
	wallet.Position, wallet.stored = wallet.Seq, wallet.Seq
	if wallet.Balance > 0 {
		wallet.Written = []ledger.Lot{{Seq: 1, Category: ledger.Paid, Remaining: wallet.Balance}}
	}
	state.chain.Position = wallet.Position
	state.wallets = append(state.wallets, wallet)
	return nil
}

// writeRows writes entries and wallets as the store does.
func writeRows(ctx context.Context, tx pgx.Tx, b *batch, key customerKey) error {
	if err := insertEntries(ctx, tx, b, key); err != nil {
		return err
	}
	w := &b.customers[key].wallets[0]
	var wallets walletArrays
	wallets.add(key, w)
	query := updateWalletsQuery
	if w.stored == 0 {
		query = insertWalletsQuery
	}
	if _, err := tx.Exec(ctx, query, wallets.args()...); err != nil {
		return err
	}
	marks := &pgx.Batch{}
	b.queueMarks(marks)
	return tx.SendBatch(ctx, marks).Close()
}

// moveRows writes entries, and moves the balance by their amount in place of
// writing what it was decided to be.
func moveRows(ctx context.Context, tx pgx.Tx, b *batch, key customerKey) error {
	w := &b.customers[key].wallets[0]
	if w.stored == 0 {
		return writeRows(ctx, tx, b, key)
	}
	if err := insertEntries(ctx, tx, b, key); err != nil {
		return err
	}
	const query = `
	  update wallets
	     set balance = balance + $3, seq = seq + 1, position = position + 1, hash = $4, updated_at = $5, lots = $6
	   where customer_id = $1 and tenant = $2`
	var wallets walletArrays
	wallets.add(key, w)
	e := b.entries[0].entry
	tag, err := tx.Exec(ctx, query, key.id, key.tenant, int64(e.After-e.Before), e.Hash[:], e.CreatedAt, wallets.lots[0])
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("got %d wallets, want 1", tag.RowsAffected())
	}
	return err
}

func insertEntries(ctx context.Context, tx pgx.Tx, b *batch, key customerKey) error {
	var entries entryArrays
	entries.add(key.tenant, b.entries[0].entry)
	_, err := tx.Exec(ctx, insertEntriesQuery, entries.args()...)
	return err
}

// ReadBeyondTheHorizon has the store read whatever it can see, as if transactions
// committed in the order of their numbers.
func ReadBeyondTheHorizon(db *DB) {
	db.feedHorizon = `select id::text, 9223372036854775807 from feed where no = 1`
}

// FeedQueries are those that read facts.
func FeedQueries() (queries []string) {
	for _, read := range factReads {
		queries = append(queries, read.query)
	}
	return queries
}
