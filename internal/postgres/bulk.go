package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

var errNotAtomic = ledger.Errorf(ledger.CodeAtomicNotPossible,
	"this installation keeps its customers on several servers, so that all or nothing is promised for one customer only; nothing was changed")

// TransactMany implements ledger.Store. On a sharded installation only the
// commands on one customer can be atomic, whatever becomes of the shards.
func (db *DB) TransactMany(
	ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	items := make([]*item, len(commands))
	for i, c := range commands {
		items[i] = &item{Command: command{scope: c.Scope, decide: c.Decide}}
	}
	outcomes := make([]ledger.Outcome, len(items))
	if !atomic {
		db.submitMany(ctx, items, outcomes)
		return outcomes, nil
	}
	if len(items) == 0 {
		return outcomes, nil
	}
	if db.sharded {
		for _, item := range items {
			if ownerOf(item) != ownerOf(items[0]) {
				return nil, errNotAtomic
			}
		}
	}
	queue := db.committers[db.committerOf(commands[0].Scope.CustomerID)].queue
	if err := queue.Submit(ctx, &item{Command: command{whole: items}}); err != nil {
		return nil, err
	}
	for i, item := range items {
		outcomes[i].Change = item.Command.change
	}
	return outcomes, nil
}

// submitMany gives each committer the commands on the customers that fall to it,
// in their order, and waits for all.
func (db *DB) submitMany(ctx context.Context, items []*item, outcomes []ledger.Outcome) {
	lines := make([][]int, len(db.committers))
	for i, item := range items {
		chosen := db.committerOf(item.Command.scope.CustomerID)
		lines[chosen] = append(lines[chosen], i)
	}
	var running sync.WaitGroup
	for chosen, lines := range lines {
		if len(lines) == 0 {
			continue
		}
		running.Go(func() {
			part := make([]*item, len(lines))
			for i, line := range lines {
				part[i] = items[line]
			}
			for i, err := range db.committers[chosen].queue.SubmitMany(ctx, part) {
				if outcomes[lines[i]].Err = err; err == nil {
					outcomes[lines[i]].Change = part[i].Command.change
				}
			}
		})
	}
	running.Wait()
}

// whole carries out a row of commands of which all are committed or none.
func (c *committer) whole(bulk *item) {
	items := bulk.Command.whole
	begin := time.Now()
	err := c.commit(items, true, lockWait, begin.Add(retryFor))
	c.db.meter.Batch(len(items), time.Since(begin), err)
	if err != nil {
		c.report(err)
		bulk.Answer(unavailable(err))
		return
	}
	// Those behind the first refusal were not decided.
	for i, item := range items {
		if item.Command.err != nil {
			bulk.Answer(&ledger.LineError{Line: i, Err: item.Command.err})
			return
		}
	}
	bulk.Answer(nil)
}
