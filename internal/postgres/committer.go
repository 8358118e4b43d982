package postgres

import (
	"context"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"time"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

const (
	// retryFor is how long a batch that had no effect is tried again: long
	// enough for a restart of the server, short enough for its callers.
	retryFor = 3 * time.Second

	// conflictsMax is how often a batch is run again because it met another
	// transaction.
	conflictsMax = 10

	// pauseMax bounds the random pause before another try.
	pauseMax = 100 * time.Millisecond
)

// committer carries out the commands on the customers that fall to it, many in
// one transaction. There are no timers: a lone command is committed at once,
// and what arrives while a transaction is under way shares the next one.
type committer struct {
	db    *DB
	queue *groupcommit.Queue[command]
	stuck map[owner]time.Time // customers that somebody else had locked, and when that was noticed
}

// command is one decision on its way through a transaction.
type command struct {
	scope  ledger.Scope
	decide ledger.Decide
	whole  []*item // in place of a decision: those of which all are committed or none
	change ledger.Change
	err    error // a refusal
}

type item = groupcommit.Item[command]

func newCommitter(db *DB) *committer {
	c := &committer{db: db, stuck: map[owner]time.Time{}}
	c.queue = groupcommit.New(db.config.QueueMax, c.batch)
	c.queue.Start()
	return c
}

var customerSeed = maphash.MakeSeed()

// Transact implements ledger.Store.
func (db *DB) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	item := &item{Command: command{scope: scope, decide: decide}}
	if err := db.committers[db.committerOf(scope.CustomerID)].queue.Submit(ctx, item); err != nil {
		return ledger.Change{}, err
	}
	return item.Command.change, nil
}

// committerOf returns the number of the committer that a customer falls to.
func (db *DB) committerOf(customer string) int {
	if shard, known := db.shardOf(customer); known {
		return shard % len(db.committers)
	}
	return int(maphash.String(customerSeed, customer) % uint64(len(db.committers)))
}

// batch carries out what has gathered: each row of commands that are committed
// as a whole in a transaction of its own, and those between them together.
func (c *committer) batch(items []*item) {
	isWhole := func(cmd *command) bool { return cmd.whole != nil }
	groupcommit.Apart(items, isWhole, c.together, c.whole)
}

// together carries out commands in few transactions and answers them.
func (c *committer) together(items []*item) {
	if items = c.passBy(items); len(items) == 0 {
		return
	}
	giveUp := time.Now().Add(retryFor)
	if !c.db.sharded {
		c.try(items, lockWait, giveUp)
		return
	}
	for _, group := range c.db.byShard(items) {
		c.try(group, lockWait, giveUp)
	}
}

// try carries out commands in one transaction, which waits so long for locks.
// When the transaction fails because of some of them, the others must not pay
// for it. It reports whether all of them were refused for a lock.
func (c *committer) try(items []*item, wait string, giveUp time.Time) (stuck bool) {
	begin := time.Now()
	err := c.commit(items, false, wait, giveUp)
	switch {
	case isLockWait(err) && wait != lockWaitAlone:
		c.apart(items)
		return false
	case err != nil && len(items) > 1 && !isStorage(err):
		// One command broke a constraint or failed in some other way that is
		// our bug; or a shard was split, so that they are not in one any more.
		if c.db.sharded && stateOf(err) == notSupported {
			c.db.forgetShards()
		} else {
			c.report(err) // each alone may succeed, and nobody would hear of it
		}
		for i := range items {
			c.try(items[i:i+1], wait, giveUp)
		}
		return false
	}
	c.db.meter.Batch(len(items), time.Since(begin), err)
	if err != nil {
		c.report(err)
	}
	for _, item := range items {
		if err != nil {
			item.Command.change = ledger.Change{}
			item.Answer(unavailable(err))
			continue
		}
		item.Answer(item.Command.err)
	}
	return isLockWait(err)
}

// isStorage reports whether an error says that the database cannot serve, so
// that every command of the batch would have met it.
func isStorage(err error) bool {
	code := ledger.CodeOf(unavailable(err))
	return code == ledger.CodeStorageUnavailable || code == ledger.CodeOutcomeUnknown
}

func (c *committer) report(err error) {
	if isConstraint(err) {
		c.db.config.Logger.Error("a constraint of the schema stopped a change that the rules had allowed; please report this", "error", err)
		return
	}
	c.db.config.Logger.Error("a transaction failed", "error", err)
}

// commit runs commands in a transaction until it is committed, or has failed
// without effect, or, with CodeOutcomeUnknown, nobody can say. After giveUp a
// transaction that had no effect is not tried again. As a whole, it writes
// nothing when a command is refused.
func (c *committer) commit(items []*item, whole bool, wait string, giveUp time.Time) (err error) {
	for conflicts := 0; ; {
		b := newBatch(c.db, items)
		b.lockWait, b.whole = wait, whole
		if err = b.run(); err == nil {
			return nil
		}
		if errors.Is(err, errInDoubt) {
			happened, lookErr := b.happened()
			if lookErr != nil {
				return outcomeUnknown(errors.Join(err, lookErr))
			}
			if happened {
				return nil
			}
		}
		// From here on it is known that nothing was committed.
		switch {
		case isConflict(err):
			if conflicts++; conflicts > conflictsMax {
				return withoutEffect(err)
			}
		case isLockWait(err):
			return errStuck.WithCause(err)
		case !isPassing(err) || time.Now().After(giveUp):
			return withoutEffect(err)
		}
		time.Sleep(rand.N(pauseMax))
	}
}

func outcomeUnknown(cause error) error {
	return ledger.Errorf(ledger.CodeOutcomeUnknown,
		"the database failed while saving; the same request with the same idempotency key is safe to send again").
		WithCause(cause)
}

// withoutEffect says of a failed transaction that it changed nothing.
func withoutEffect(err error) error {
	if errors.Is(err, errUnconfirmed) {
		return outcomeUnknown(err)
	}
	if isPassing(err) {
		return ledger.Errorf(ledger.CodeStorageUnavailable, "the database cannot serve at the moment; nothing was changed").WithCause(err)
	}
	return err
}
