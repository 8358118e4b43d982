package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// TransactMany implements ledger.Store.
func (db *DB) TransactMany(
	ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	items := make([]*item, len(commands))
	for i, command := range commands {
		items[i] = &item{}
		items[i].Command.scope, items[i].Command.decide = command.Scope, command.Decide
	}
	outcomes := make([]ledger.Outcome, len(items))
	if !atomic {
		for i, err := range db.committer.queue.SubmitMany(ctx, items) {
			if outcomes[i].Err = err; err == nil {
				outcomes[i].Change = items[i].Command.change
			}
		}
		return outcomes, nil
	}
	if len(items) == 0 {
		return outcomes, nil
	}
	if err := db.committer.queue.Submit(ctx, &item{Command: command{whole: items}}); err != nil {
		return nil, err
	}
	for i, item := range items {
		outcomes[i].Change = item.Command.change
	}
	return outcomes, nil
}

// whole carries out a row of commands of which all are committed or none.
func (c *committer) whole(bulk *item) {
	begin := time.Now()
	one := []*item{bulk}
	err := c.transaction(one)
	if err != nil && c.heal(err) {
		err = c.transaction(one)
	}
	var refused *ledger.LineError
	if errors.As(err, &refused) {
		c.meter.Batch(len(bulk.Command.whole), time.Since(begin), nil)
		bulk.Answer(refused)
		return
	}
	if err != nil {
		c.report(err)
	}
	c.meter.Batch(len(bulk.Command.whole), time.Since(begin), err)
	answer(bulk, err)
	if err == nil {
		c.checkpoint()
	}
}

// executeWhole decides a row of commands. The first refusal is an error, so that
// the transaction, in which nothing else is, is rolled back.
func (c *committer) executeWhole(bulk *command) error {
	for i, item := range bulk.whole {
		if err := c.executeDecision(&item.Command); err != nil {
			return err
		}
		if item.Command.err != nil {
			return &ledger.LineError{Line: i, Err: item.Command.err}
		}
	}
	return nil
}
