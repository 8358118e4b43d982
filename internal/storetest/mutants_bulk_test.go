package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

// bentMany is the model with one planted bug in TransactMany.
type bentMany struct {
	*Model
	many func(m *Model, ctx context.Context, commands []ledger.Command, atomic bool) ([]ledger.Outcome, error)
}

func (b bentMany) TransactMany(
	ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	return b.many(b.Model, ctx, commands, atomic)
}

func bendMany(
	many func(*Model, context.Context, []ledger.Command, bool) ([]ledger.Outcome, error),
) func(testing.TB) Stores {
	return func(testing.TB) Stores {
		m := NewModel()
		return Stores{Ledger: bentMany{m, many}, Access: m}
	}
}

// atomicKeepsFirst stops an atomic row at the first refusal and leaves what was
// before it.
func atomicKeepsFirst(
	m *Model, ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	outcomes := make([]ledger.Outcome, len(commands))
	for i, c := range commands {
		outcomes[i].Change, outcomes[i].Err = m.Transact(ctx, c.Scope, c.Decide)
		if outcomes[i].Err != nil && atomic {
			return nil, &ledger.LineError{Line: i, Err: outcomes[i].Err}
		}
	}
	return outcomes, nil
}

// refusalEndsRow refuses every line behind one that was refused.
func refusalEndsRow(
	m *Model, ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	outcomes, err := m.TransactMany(ctx, commands[:1], atomic)
	for _, c := range commands[1:] {
		if err != nil {
			return nil, err
		}
		last := outcomes[len(outcomes)-1].Err
		if last != nil {
			outcomes = append(outcomes, ledger.Outcome{Err: last})
			continue
		}
		var next ledger.Outcome
		next.Change, next.Err = m.Transact(ctx, c.Scope, c.Decide)
		outcomes = append(outcomes, next)
	}
	return outcomes, err
}

// rowBackwards applies the lines from the last to the first.
func rowBackwards(m *Model, ctx context.Context, commands []ledger.Command, atomic bool) ([]ledger.Outcome, error) {
	commands = slices.Clone(commands)
	slices.Reverse(commands)
	outcomes, err := m.TransactMany(ctx, commands, atomic)
	slices.Reverse(outcomes)
	return outcomes, err
}

// keysOnce looks up the keys of all lines before the first is decided.
func keysOnce(m *Model, ctx context.Context, commands []ledger.Command, atomic bool) ([]ledger.Outcome, error) {
	commands = slices.Clone(commands)
	for i, c := range commands {
		var prior *ledger.Entry
		if m.withCustomer(c.Scope, func(customer *modelCustomer) { prior = customer.snapshot(c.Scope).Prior }) != nil {
			continue
		}
		commands[i].Decide = func(s ledger.Snapshot) (ledger.Change, error) {
			s.Prior = prior
			return c.Decide(s)
		}
	}
	return m.TransactMany(ctx, commands, atomic)
}

func bulkMistakes() []mistake {
	return []mistake{
		{"an atomic bulk keeps what was before the refusal", bendMany(atomicKeepsFirst), [][2]string{
			{"bulk", "all or nothing: a refusal leaves no trace of the lines before it"},
			{"bulk", "all or nothing for one customer, on every store"},
		}, true},
		{"a bulk ends with its first refusal", bendMany(refusalEndsRow), [][2]string{
			{"bulk", "each for itself: a refusal touches no other line"},
		}, true},
		{"a bulk from its end", bendMany(rowBackwards), [][2]string{
			{"bulk", "lines of one customer are applied in their order"},
			{"bulk", "all or nothing: the first refusal in line order is named"},
		}, true},
		{"keys looked up once for a whole bulk", bendMany(keysOnce), [][2]string{
			{"bulk", "K1 K3 a key that a bulk has twice is a repeat, or used for another request"},
		}, true},
	}
}
