package sqlite

import (
	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// executeDecision loads what the command's scope names, lets it decide, and
// appends the entries. Wallets are written at the end of the batch.
func (c *committer) executeDecision(cmd *command) error {
	state, err := c.state(cmd.scope)
	if err != nil {
		return err
	}
	if state == nil {
		cmd.err = errNoCustomer
		return nil
	}
	w := state.wallet(cmd.scope.Currency)
	prior, err := c.prior(state, cmd.scope)
	if err != nil {
		return err
	}
	var reversed, recovered money.Amount
	if cmd.scope.Reverses != "" {
		if reversed, recovered, err = readReversed(c.conn, state.no, cmd.scope.Reverses); err != nil {
			return err
		}
	}
	transfer, err := readTransfer(c.conn, state.customer, state.no, cmd.scope.Transfer)
	if err != nil {
		return err
	}
	snapshot := ledger.Snapshot{
		Customer: *state.customer,
		Chain:    state.chain,
		Prior:    prior,
		Reversed: reversed,
		Transfer: transfer,
	}
	if err := snapshotHolds(c.conn, state, cmd.scope, &snapshot); err != nil {
		return err
	}
	if err := snapshotObjects(c.conn, state, cmd.scope, &snapshot); err != nil {
		return err
	}
	source := &lotSource{conn: c.conn, customer: state.no, wallet: w}
	look, err := w.Look(walletrow.WantOf(&cmd.scope, &snapshot, recovered), source)
	if err != nil {
		return err
	}
	snapshot.Wallet = w.Wallet(state.customer, &look)
	if cmd.scope.SeeksDueHold(&snapshot) {
		if snapshot.Hold, err = dueHold(c.conn, state, &cmd.scope); err != nil {
			return err
		}
	}
	if cmd.scope.Announces {
		if snapshot.Unannounced, err = unannounced(state, w, source); err != nil {
			return err
		}
	}
	cmd.change, cmd.err = groupcommit.Guarded(cmd.decide, snapshot)
	if cmd.err != nil || cmd.change.Replayed {
		return nil
	}
	if err := c.apply(state, w, &cmd.change); err != nil {
		return err
	}
	if cmd.change.MovesNothing() {
		return nil
	}
	w.dirty = true
	return w.Apply(&cmd.change, &look, source, c.db.config.LotsInRow)
}

// apply appends the entries of a change and moves the customer's state in memory,
// but for the wallet's row.
func (c *committer) apply(state *customerState, w *walletState, change *ledger.Change) error {
	for entry := range change.Entries() {
		no := c.nextEntry
		if err := insertEntry(c.insertEntry, no, state, w, entry); err != nil {
			return err
		}
		if err := insertMarks(c.conn, no, state.no, entry); err != nil {
			return err
		}
		if entry.IdempotencyKey != "" {
			c.db.keys.stage(c.db.keys.hash(state.no, entry.IdempotencyKey), no)
		}
		c.nextEntry++
		w.last, state.last = no, no
		state.chain = state.chain.Behind(entry)
	}
	if change.Hold != nil {
		if err := writeHold(c.conn, state.no, change.Hold); err != nil {
			return err
		}
		state.chain = state.chain.Past(change.Hold.Event.CreatedAt)
	}
	if change.Announced != nil {
		if err := writeNotices(c.conn, state.no, change.Announced.Notices); err != nil {
			return err
		}
	}
	if err := writeObjects(c.conn, state.no, change.Objects); err != nil {
		return err
	}
	if n := len(change.Objects); n > 0 {
		event := &change.Objects[n-1].Event
		state.objects = &ledger.ObjectHead{Number: event.Number, Hash: event.Hash, LastAt: event.CreatedAt}
	}
	return writeTransfer(c.conn, state.no, change.Transfer)
}

// state returns the batch's clone of a customer's state, nil when the tenant
// has no such customer.
func (c *committer) state(scope ledger.Scope) (*customerState, error) {
	tenant, ok := c.db.tenants.number(scope.Tenant)
	if !ok {
		return nil, nil
	}
	key := customerKey{tenant: tenant, id: scope.CustomerID}
	if state := c.touched[key]; state != nil {
		return state, nil
	}
	state := c.cache.get(key)
	if state == nil {
		var err error
		if state, err = loadState(c.conn, scope.Tenant, key); err != nil || state == nil {
			return nil, err
		}
	}
	state = state.clone()
	c.touched[key] = state
	return state, nil
}

// prior returns the entry that was posted under the scope's key.
func (c *committer) prior(state *customerState, scope ledger.Scope) (*ledger.Entry, error) {
	if scope.Key == "" {
		return nil, nil
	}
	var prior *ledger.Entry
	hash := c.db.keys.hash(state.no, scope.Key)
	err := c.db.keys.candidatesForCommitter(c.conn, hash, func(no int64) (bool, error) {
		e, err := readEntry(c.conn, no)
		if err != nil {
			return false, err
		}
		if e.customer != state.no || e.IdempotencyKey != scope.Key {
			return true, nil
		}
		e.Tenant, e.CustomerID = scope.Tenant, scope.CustomerID
		prior = &e.Entry
		return false, nil
	})
	return prior, err
}

func (c *committer) writeWallets() (err error) {
	for _, state := range c.touched {
		for i := range state.wallets {
			w := &state.wallets[i]
			if !w.dirty {
				continue
			}
			if w.no == 0 {
				c.lots, err = insertWallet(c.conn, state.no, w, c.lots)
			} else {
				c.lots, err = updateWallet(c.updateWallet, w, c.lots)
			}
			if err != nil {
				return err
			}
			if err := updateNextExpiry(c.conn, w); err != nil {
				return err
			}
			if err := updateNotices(c.conn, w); err != nil {
				return err
			}
			w.dirty = false
		}
	}
	return nil
}

var errNoCustomer = ledger.Errorf(ledger.CodeNotFound, "there is no such customer")
