package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

// committer is the one goroutine that writes. It takes whatever commands
// arrived while the last transaction was being synced, decides them one after
// the other, commits them together and answers each with its own result. There
// is no timer: an idle store commits a lone command at once.
type committer struct {
	db   *DB
	conn *sqlite.Conn

	// The two statements of the hot path, which bind every parameter each
	// time. They belong to the connection and are closed with it.
	insertEntry  *sqlite.Stmt
	updateWallet *sqlite.Stmt

	// What follows up to the queue belongs to the goroutine alone.
	cache     *cache
	touched   map[customerKey]*customerState // clones of the running batch
	nextEntry int64
	lots      []byte // buffer for a wallet's lots
	gather    int    // how many pages may gather in the log before a checkpoint
	left      int    // pages in the log that the last checkpoint had to leave there
	restartAt int    // pages in the log from which a checkpoint waits for readers
	healed    bool   // the idempotency index has been made again

	queue *groupcommit.Queue[command]
	fatal chan struct{}
	meter groupcommit.Meter
}

// command is one thing to do in a batch. Exactly one of decide, write and whole
// is set.
type command struct {
	scope  ledger.Scope
	decide ledger.Decide
	write  func(conn *sqlite.Conn) error
	whole  []*item // decisions of which all are committed or none; alone in its batch

	change ledger.Change
	err    error // a refusal
}

type item = groupcommit.Item[command]

func newCommitter(db *DB, conn *sqlite.Conn) (*committer, error) {
	last, err := numberOf(conn, `select coalesce(max(no), 0) from ledger_entries`)
	if err != nil {
		return nil, fmt.Errorf("find the last entry: %w", err)
	}
	insertEntry, err := conn.Prepare(insertEntryQuery)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	updateWallet, err := conn.Prepare(updateWalletQuery)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	c := &committer{
		db:           db,
		conn:         conn,
		insertEntry:  insertEntry,
		updateWallet: updateWallet,
		cache:        newCache(db.config.CustomersCached),
		touched:      make(map[customerKey]*customerState),
		nextEntry:    last + 1,
		gather:       checkpointPages,
		restartAt:    restartPages,
		fatal:        make(chan struct{}),
		meter:        groupcommit.NewMeter(db.config.Metrics),
	}
	c.queue = groupcommit.New(db.config.QueueMax, c.batch)
	return c, nil
}

// close lets go of the file. The last connection that is closed copies the log
// into the main file, syncs that and removes the log. After a failed sync that
// would be the second try which must not be made: it may be told that all is
// well, and the log is what the next start needs. So a dead store keeps its
// connection, and the end of the process closes it.
func (c *committer) close() error {
	if c.dead() {
		return nil
	}
	return c.conn.Close()
}

// batch carries out what has gathered: each row of commands that are committed
// as a whole in a transaction of its own, and those between them together.
func (c *committer) batch(items []*item) {
	isWhole := func(cmd *command) bool { return cmd.whole != nil }
	groupcommit.Apart(items, isWhole, c.together, c.whole)
}

// together runs commands in one transaction and answers them.
func (c *committer) together(items []*item) {
	begin := time.Now()
	err := c.transaction(items)
	if err != nil && (c.heal(err) || len(items) > 1 && !isShared(err)) {
		// One command broke a constraint, met a damaged page or failed in some
		// other way, but its neighbours must not pay for it.
		c.oneByOne(items)
		c.checkpoint()
		return
	}
	if err != nil {
		c.report(err)
	}
	c.meter.Batch(len(items), time.Since(begin), err)
	for _, item := range items {
		answer(item, err)
	}
	if err == nil {
		c.checkpoint()
	}
}

func (c *committer) oneByOne(items []*item) {
	for i, item := range items {
		err := c.transaction(items[i : i+1])
		if err != nil {
			c.report(err)
		}
		answer(item, err)
	}
}

// heal makes the idempotency index again from the entries after a transaction
// has found damage in it, and says whether it did: without the index nothing
// under a key can be posted, and a merge that cannot read its runs would fail
// every transaction. It does so once, because what comes back is the disk's
// doing and each time takes as long as reading the ledger.
func (c *committer) heal(err error) bool {
	if c.healed || c.dead() || !errors.Is(err, errKeyIndexDamaged) {
		return false
	}
	c.healed = true
	c.db.config.Logger.Error("the idempotency index is damaged and is made again from the entries; check the disk", "error", err)
	if err = c.db.keys.rebuild(c.conn); err == nil {
		return true
	}
	if errors.Is(err, errHalfBuilt) || sqlite.ErrCode(err).ToPrimary() == sqlite.ResultIOErr {
		c.die(err) // a start goes on where it stopped; a sync may have failed
	} else {
		c.report(err)
	}
	return false
}

// answer wakes the caller. A failed transaction overrules what the command
// itself had come to.
func answer(item *item, failed error) {
	if failed != nil {
		item.Command.change = ledger.Change{}
		item.Answer(unavailable(failed))
		return
	}
	item.Answer(item.Command.err)
}

func (c *committer) report(err error) {
	if isConstraint(err) {
		c.db.config.Logger.Error("a constraint of the schema stopped a change that the rules had allowed; please report this", "error", err)
		return
	}
	c.db.config.Logger.Error("a transaction failed", "error", err)
}

// transaction decides the commands and commits what they want. An error means
// that nothing of it was committed, or, with CodeOutcomeUnknown, that nobody
// can say, after which the store is dead.
func (c *committer) transaction(items []*item) error {
	if c.dead() {
		return ledger.Errorf(ledger.CodeStorageUnavailable, "the storage failed and the server must be started again")
	}
	if err := run(c.conn, "begin immediate"); err != nil {
		return err
	}
	if err := c.execute(items); err != nil {
		c.rollback()
		return err
	}
	if err := run(c.conn, "commit"); err != nil {
		return c.commitFailed(err)
	}
	if err := refuseReadOnly(c.db.lock); err != nil {
		return c.commitFailed(err)
	}
	c.publish()
	return nil
}

func (c *committer) execute(items []*item) error {
	for _, item := range items {
		cmd := &item.Command
		var err error
		switch {
		case cmd.write != nil:
			err = c.executeWrite(cmd)
		case cmd.whole != nil:
			err = c.executeWhole(cmd)
		default:
			err = c.executeDecision(cmd)
		}
		if err != nil {
			return err
		}
	}
	if err := c.writeWallets(); err != nil {
		return err
	}
	return c.db.keys.maintain(c.conn)
}

// executeWrite runs a free-form write in a savepoint, so that its refusal
// leaves no trace in the batch.
func (c *committer) executeWrite(cmd *command) error {
	if err := run(c.conn, "savepoint command"); err != nil {
		return err
	}
	cmd.err = cmd.write(c.conn)
	var refusal *ledger.Error
	if cmd.err != nil {
		if !errors.As(cmd.err, &refusal) {
			return cmd.err
		}
		if err := run(c.conn, "rollback to command"); err != nil {
			return err
		}
	}
	return run(c.conn, "release command")
}

// publish makes the committed states the ones that the next batch starts from.
func (c *committer) publish() {
	for key, state := range c.touched {
		c.cache.put(key, state)
	}
	clear(c.touched)
	c.db.keys.commit()
	c.db.tenants.commit()
}

// rollback takes back everything since begin, in the file and in memory.
func (c *committer) rollback() {
	if !c.conn.AutocommitEnabled() {
		if err := run(c.conn, "rollback"); err != nil {
			c.die(err)
		}
	}
	c.forget()
}

// forget drops what the failed batch left in memory.
func (c *committer) forget() {
	clear(c.touched)
	c.db.keys.rollback()
	c.db.tenants.rollback()
	last, err := numberOf(c.conn, `select coalesce(max(no), 0) from ledger_entries`)
	if err != nil {
		c.die(err)
		return
	}
	c.nextEntry = last + 1
}

// commitFailed decides what a failed COMMIT means. A full disk is found before
// the sync and leaves nothing behind. After anything else nobody knows what is
// on the disk, and a sync must never be tried twice, because the kernel may
// have dropped the pages that it could not write. So the process stops.
func (c *committer) commitFailed(err error) error {
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultFull {
		c.rollback()
		return err
	}
	c.die(err)
	return ledger.Errorf(ledger.CodeOutcomeUnknown,
		"the storage failed while saving; the same request with the same idempotency key is safe to send again").WithCause(err)
}

func (c *committer) die(err error) {
	c.db.config.Logger.Error("the storage failed and can promise nothing more; the server must be started again", "error", err)
	if !c.dead() {
		close(c.fatal)
	}
	c.cache.clear()
	clear(c.touched)
}

func (c *committer) dead() bool {
	select {
	case <-c.fatal:
		return true
	default:
		return false
	}
}

// Transact implements ledger.Store.
func (db *DB) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	item := &item{Command: command{scope: scope, decide: decide}}
	if err := db.committer.queue.Submit(ctx, item); err != nil {
		return ledger.Change{}, err
	}
	return item.Command.change, nil
}

// write runs a write that is no decision in the next batch. Whatever write
// returns that is a ledger.Error is a refusal and leaves no trace.
func (db *DB) write(ctx context.Context, write func(conn *sqlite.Conn) error) error {
	return db.committer.queue.Submit(ctx, &item{Command: command{write: write}})
}
