package ledger

import "github.com/billfold/billfold/internal/money"

// seqMax is the largest seq that a condition may name: JavaScript writes no
// larger number exactly.
const seqMax = 1<<53 - 1

// Conditions say under which state of the wallet a request is meant, so that
// nobody has to read the wallet and then hope that it stays. They are looked at
// in the decision, on the very state that the entry goes on top of.
//
// They are not part of what a request asks for, and so not of its fingerprint:
// a repeat gets its first answer although the wallet has moved since (law K4).
type Conditions struct {
	// IfSeq is the seq that the wallet must have, nil for any.
	IfSeq *int64

	// IfAvailableAtLeast is what must be available before the request, nil for
	// any amount.
	IfAvailableAtLeast *money.Amount
}

// Validate checks that each condition can hold at all.
func (c *Conditions) Validate() error {
	switch {
	case c.IfSeq != nil && (*c.IfSeq < 0 || *c.IfSeq > seqMax):
		return FieldErrorf(CodeInvalidCondition, "if_seq", "if_seq must be the seq of the wallet as you know it, 0 when it has no entries")
	case c.IfAvailableAtLeast != nil && (*c.IfAvailableAtLeast < 0 || *c.IfAvailableAtLeast > money.BalanceMax):
		return FieldErrorf(CodeInvalidCondition, "if_available_at_least", "if_available_at_least must be 0 … %d minor units", money.BalanceMax)
	}
	return nil
}

// hold refuses with CodeConditionFailed, and the wallet as it is, when a
// condition does not hold for a wallet of which so much is available.
func (c *Conditions) hold(wallet *Wallet, available money.Amount) error {
	var err *Error
	switch {
	case c.IfSeq != nil && *c.IfSeq != wallet.Seq:
		err = FieldErrorf(CodeConditionFailed, "if_seq", "the wallet's seq is %d, not %d; nothing was changed", wallet.Seq, *c.IfSeq)
	case c.IfAvailableAtLeast != nil && available < *c.IfAvailableAtLeast:
		err = FieldErrorf(CodeConditionFailed, "if_available_at_least", "%d minor units are available, fewer than %d; nothing was changed", available, *c.IfAvailableAtLeast)
	default:
		return nil
	}
	state := *wallet
	state.Lots, state.Lapsed = nil, 0
	err.Wallet, err.Available = &state, available
	if err.Param == "if_available_at_least" {
		err.held = wallet.Held
	}
	return err
}
