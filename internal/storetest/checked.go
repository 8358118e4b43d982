package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// checked is a store whose every decision is run twice on equal snapshots and
// compared, and whose every snapshot is held against the contract. It reports
// by Errorf only, because a store may decide on another goroutine.
type checked struct {
	ledger.Store
	t testing.TB
}

func (c checked) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return c.Store.Transact(ctx, scope, c.checkedTwice(scope, decide))
}

// TransactMany checks each decision as Transact does.
func (c checked) TransactMany(ctx context.Context, commands []ledger.Command, atomic bool) ([]ledger.Outcome, error) {
	commands = slices.Clone(commands)
	for i, command := range commands {
		commands[i].Decide = c.checkedTwice(command.Scope, command.Decide)
	}
	return c.Store.TransactMany(ctx, commands, atomic)
}

func (c checked) checkedTwice(scope ledger.Scope, decide ledger.Decide) ledger.Decide {
	return func(s ledger.Snapshot) (ledger.Change, error) {
		if broken := checkSnapshot(scope, s); broken != "" {
			c.t.Errorf("snapshot for customer %s, %s, need %d: %s", scope.CustomerID, scope.Currency, scope.Need, broken)
		}
		first, second := cloneSnapshot(s), cloneSnapshot(s)
		change, err := decide(s)
		if diff := difference(first, s); diff != "" {
			c.t.Errorf("the decision changed its snapshot (-before +after):\n%s", diff)
		}
		again, errAgain := decide(second)
		if diff := difference(change, again); diff != "" {
			c.t.Errorf("the second run of a decision differs (-first +second):\n%s", diff)
		}
		if fmt.Sprint(err) != fmt.Sprint(errAgain) {
			c.t.Errorf("the second run of a decision refuses otherwise: first %v, second %v", err, errAgain)
		}
		return change, err
	}
}

// checkSnapshot returns what is wrong with a snapshot as far as it can be seen
// from the snapshot alone, or "".
func checkSnapshot(scope ledger.Scope, s ledger.Snapshot) string {
	w := s.Wallet
	switch {
	case s.Customer.Tenant != scope.Tenant || s.Customer.ID != scope.CustomerID:
		return fmt.Sprintf("got customer %s of %v, want %s of %v", s.Customer.ID, s.Customer.Tenant, scope.CustomerID, scope.Tenant)
	case w.Tenant != scope.Tenant || w.CustomerID != scope.CustomerID || w.Currency != scope.Currency:
		return fmt.Sprintf("got wallet %s of customer %s, want %s of %s", w.Currency, w.CustomerID, scope.Currency, scope.CustomerID)
	case !w.CreatedAt.Equal(s.Customer.CreatedAt):
		return fmt.Sprintf("got wallet created at %v, want the customer's %v", w.CreatedAt, s.Customer.CreatedAt)
	case w.Seq == 0 && (w.Balance != 0 || w.Held != 0 || len(w.Lots) != 0):
		return fmt.Sprintf("got balance %d, held %d and %d lots in a wallet without entries", w.Balance, w.Held, len(w.Lots))
	case w.Held < 0 || w.Held > w.Balance:
		return fmt.Sprintf("got %d held of a balance of %d", w.Held, w.Balance)
	case s.PriorHold != nil && (scope.Key == "" || s.PriorHold.Event.IdempotencyKey != scope.Key):
		return fmt.Sprintf("got prior hold event with key %q, want %q", s.PriorHold.Event.IdempotencyKey, scope.Key)
	case s.Hold != nil && (s.Hold.Currency != scope.Currency || s.Hold.CustomerID != scope.CustomerID),
		s.Hold != nil && !scope.DueHold && !scope.Partial && s.Hold.ID != scope.Hold:
		return fmt.Sprintf("got hold %s of %s, want %s of %s", s.Hold.ID, s.Hold.Currency, scope.Hold, scope.Currency)
	case len(scope.Objects) == 0 && (len(s.Objects) > 0 || s.ObjectHead.Number > 0):
		return fmt.Sprintf("got objects %v, want none where none is named", s.Objects)
	case slices.ContainsFunc(s.Objects, func(o ledger.Object) bool {
		return !slices.Contains(scope.Objects, o.ObjectKey)
	}):
		return fmt.Sprintf("got objects %v, want only %v", s.Objects, scope.Objects)
	case (s.Unannounced != nil) != scope.Announces:
		return fmt.Sprintf("got unannounced lots %+v, and asked for them: %v", s.Unannounced, scope.Announces)
	case w.Seq > s.Chain.Position:
		return fmt.Sprintf("got wallet seq %d above position %d", w.Seq, s.Chain.Position)
	case s.Prior != nil && scope.Key == "":
		return fmt.Sprintf("got prior entry %s, want none without a key", s.Prior.ID)
	case s.Prior != nil && s.Prior.IdempotencyKey != scope.Key:
		return fmt.Sprintf("got prior entry with key %q, want %q", s.Prior.IdempotencyKey, scope.Key)
	}
	if broken := checkUnannounced(s.Unannounced); broken != "" {
		return broken
	}
	return checkLots(scope, s)
}

// checkUnannounced checks that lots which may have to be announced can expire, have
// something left and stand in spend order from their place on.
func checkUnannounced(seen *ledger.Unannounced) string {
	if seen == nil {
		return ""
	}
	if len(seen.Told) != len(seen.Lots) || seen.More && len(seen.Lots) < 2 {
		return fmt.Sprintf("got %d unannounced lots, %d words of whether, and more: %v", len(seen.Lots), len(seen.Told), seen.More)
	}
	last := seen.From
	for i, lot := range seen.Lots {
		if lot.ExpiresAt.IsZero() || lot.Remaining <= 0 || spentBefore(lot, last) || i > 0 && !spentBefore(last, lot) {
			return fmt.Sprintf("got lot %+v to announce behind %+v", lot, last)
		}
		last = lot
	}
	return ""
}

// checkLots checks order, seqs and amounts of a snapshot's lots, and that they
// cover the scope's need, unless all that there are could not.
func checkLots(scope ledger.Scope, s ledger.Snapshot) string {
	at := s.Chain.LastAt
	if scope.At.After(at) {
		at = scope.At
	}
	var all, spendable money.Amount
	lots := s.Wallet.Lots
	if lapsed := s.Wallet.Lapsed; lapsed < 0 || lapsed > 0 && (scope.Need == ledger.NeedAll || len(lots) == 0) {
		return fmt.Sprintf("got %d lapsed beside %d lots for a need of %d", lapsed, len(lots), scope.Need)
	}
	if last := len(lots) - 1; last >= 0 && lots[last].Seq == scope.Lot.Seq {
		if lots[last].Category != scope.Lot.Category || !lots[last].ExpiresAt.Equal(scope.Lot.ExpiresAt) ||
			lots[last].Remaining > scope.Lot.Remaining {
			return fmt.Sprintf("got lot %+v, want no more than its credit %+v", lots[last], scope.Lot)
		}
	}
	for i, lot := range lots {
		if lot.Remaining <= 0 || lot.Seq < 1 || lot.Seq > s.Wallet.Seq {
			return fmt.Sprintf("got lot %+v in a wallet of seq %d", lot, s.Wallet.Seq)
		}
		if i > 0 && !spentBefore(lots[i-1], lot) {
			return fmt.Sprintf("got lot %+v before lot %+v", lots[i-1], lot)
		}
		all += lot.Remaining
		if lot.ExpiresAt.IsZero() || lot.ExpiresAt.After(at) {
			spendable += lot.Remaining
		}
	}
	expired := all - spendable + s.Wallet.Lapsed
	beyond := scope.Need != ledger.NeedAll && !scope.Partial && s.Wallet.Balance-s.Wallet.Held-expired < scope.Need
	if spendable < scope.Need && all+s.Wallet.Lapsed != s.Wallet.Balance-s.Wallet.Held && !beyond {
		return fmt.Sprintf("got lots of %d spendable and %d in all, want the need %d covered or all that is not held, %d",
			spendable, all, scope.Need, s.Wallet.Balance-s.Wallet.Held)
	}
	return ""
}

// spentBefore says law L2 in its plainest words. It is written apart from
// ledger.CompareLots, which it checks.
func spentBefore(a, b ledger.Lot) bool {
	if a.ExpiresAt.IsZero() != b.ExpiresAt.IsZero() {
		return b.ExpiresAt.IsZero()
	}
	if !a.ExpiresAt.Equal(b.ExpiresAt) {
		return a.ExpiresAt.Before(b.ExpiresAt)
	}
	if a.Category != b.Category {
		return a.Category == ledger.Promotional
	}
	return a.Seq < b.Seq
}

func cloneSnapshot(s ledger.Snapshot) ledger.Snapshot {
	s.Wallet.Lots = slices.Clone(s.Wallet.Lots)
	if s.Prior != nil {
		prior := cloneEntry(*s.Prior)
		s.Prior = &prior
	}
	if s.Transfer != nil {
		transfer := *s.Transfer
		s.Transfer = &transfer
	}
	if s.PriorHold != nil {
		prior := *s.PriorHold
		prior.Hold = cloneHold(prior.Hold)
		s.PriorHold = &prior
	}
	if s.Hold != nil {
		hold := cloneHold(*s.Hold)
		s.Hold = &hold
	}
	if s.Unannounced != nil {
		seen := *s.Unannounced
		seen.Lots, seen.Told = slices.Clone(seen.Lots), slices.Clone(seen.Told)
		s.Unannounced = &seen
	}
	return s
}

func cloneEntry(e ledger.Entry) ledger.Entry {
	e.Allocations = slices.Clone(e.Allocations)
	return e
}
