package storetest

import (
	"context"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

func transferMistakes() []mistake {
	return []mistake{
		{"the second leg of a transfer is lost", bend(losesSecondLeg), [][2]string{
			{"transfers", "M1 a transfer is a debit and a credit against transfers, and both rows say so"},
			{"transfers", "what stopped at any step goes on, with one effect"},
		}, true},
		{"the second leg of a transfer is doubled", bendSnapshot(forgetsArrival), [][2]string{
			{"transfers", "what stopped at any step goes on, with one effect"},
			{"transfers", "16 instances resume one transfer at once: one effect"},
		}, true},
		{"refusals of transfers are not kept", openForgottenRefusals, [][2]string{
			{"transfers", "what was refused never arrives, and what arrived is never returned"},
		}, false},
		{"transfers read, then written", bendRacing(readThenWrite), [][2]string{
			{"transfers", "O2 64 transfers of 30 at once on 900 move 900"},
		}, false},
	}
}

// losesSecondLeg keeps the destination's row and forgets the credits.
func losesSecondLeg(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	var arrived *ledger.Transfer
	change, err := m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if err == nil && !change.Replayed && change.Transfer != nil && !change.Transfer.Outgoing {
			arrived = change.Transfer
			return ledger.Change{Replayed: true, Transfer: arrived}, nil
		}
		return change, err
	})
	if err == nil && arrived != nil {
		_, err = m.SettleTransfer(ctx, *arrived)
	}
	return change, err
}

// forgetsArrival takes each try of the second leg for the first.
func forgetsArrival(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	if s.Transfer != nil && !s.Transfer.Outgoing && s.Transfer.State == ledger.TransferCompleted {
		s.Transfer = nil
	}
}

// forgottenRefusals is the model that says that it keeps a refusal, and does not.
type forgottenRefusals struct{ *Model }

func openForgottenRefusals(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: forgottenRefusals{m}, Access: m}
}

func (f forgottenRefusals) SettleTransfer(ctx context.Context, row ledger.Transfer) (ledger.Transfer, error) {
	if row.State == ledger.TransferRefused {
		return row, nil
	}
	return f.Model.SettleTransfer(ctx, row)
}
