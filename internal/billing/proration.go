package billing

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// ProrationMode is what a change of plan costs at once, in the words of the wire.
type ProrationMode string

const (
	// ProratedImmediately charges for what is left of the period: the new plan's part of
	// it, less the old plan's.
	ProratedImmediately ProrationMode = "prorated_immediately"

	// FullImmediately charges the new plan whole, gives nothing back, and begins a new
	// period.
	FullImmediately ProrationMode = "full_immediately"

	// DifferenceImmediately charges what the new plan costs more for a whole period,
	// however much of it is left.
	DifferenceImmediately ProrationMode = "difference_immediately"

	// DoNotBill charges nothing. The next period costs what the new plan does.
	DoNotBill ProrationMode = "do_not_bill"
)

// CodeInvalidProration refuses a mode that is none.
const CodeInvalidProration ledger.Code = "INVALID_PRORATION_BILLING_MODE"

// PlanChange is a change from one plan to another in the middle of a period, which is
// half-open.
type PlanChange struct {
	Old, New []Line // what each asks for a whole period, 0 … money.EntryMax together
	From, To time.Time
	At       time.Time
	Mode     ProrationMode
}

// PlanBill is what a change of plan comes to.
type PlanBill struct {
	// Lines are what is given back of each line of the old plan, below 0, and what is
	// charged for each of the new one, above 0. Lines of 0 are left out.
	Lines []Line

	// Charge and Credit are what they sum to: to be paid, or to be credited to the
	// wallet as paid money. One of them is 0.
	Charge money.Amount
	Credit money.Amount

	// Restarts says that a new period begins with the change.
	Restarts bool
}

// Prorate splits what is asked for a period at an instant in it: what was used, and
// what is left. Both always sum to the amount; before the period nothing was used, at
// its end and behind it everything, and a period without time leaves nothing (law Q5).
//
//	1000 for 30 days, after 10 days    333 used, 667 left
func Prorate(amount money.Amount, from, to, at time.Time) (used, left money.Amount) {
	whole, passed := to.Sub(from), at.Sub(from)
	if whole <= 0 || passed >= whole {
		return amount, 0
	}
	parts, err := money.Split(amount, []int64{int64(max(passed, 0)), int64(whole - max(passed, 0))})
	if err != nil {
		panic(err) // cannot happen: neither is negative, and they sum to the whole
	}
	return parts[0], parts[1]
}

// DecidePlanChange says what a change of plan costs at once. A change that is undone at
// the same instant comes to the same with the other sign, line by line, where it is
// prorated or the difference is charged, so that nobody gains by it (law Q5):
//
//	1000 → 3000 in the middle of a period, prorated      -500 + 1500, charge 1000
//	1000 → 3000, difference                              -1000 + 3000, charge 2000
//	3000 → 1000 in the middle of a period, prorated      -1500 + 500, credit 1000
func DecidePlanChange(c PlanChange) (PlanBill, error) {
	for _, plan := range [][]Line{c.Old, c.New} {
		if err := validatePlan(plan); err != nil {
			return PlanBill{}, err
		}
	}
	old, next := c.Old, c.New
	bill := PlanBill{}
	switch c.Mode {
	case ProratedImmediately:
		old, next = c.left(c.Old), c.left(c.New)
	case FullImmediately:
		old, bill.Restarts = nil, true
	case DifferenceImmediately:
	case DoNotBill:
		return bill, nil
	default:
		return bill, ledger.FieldErrorf(CodeInvalidProration, "proration_billing_mode", "proration_billing_mode must be %s, %s, %s or %s",
			ProratedImmediately, FullImmediately, DifferenceImmediately, DoNotBill)
	}
	var sum money.Amount
	add := func(id string, amount money.Amount) {
		if amount != 0 {
			bill.Lines = append(bill.Lines, Line{ID: id, Amount: amount})
			sum += amount // at most two plans
		}
	}
	for _, line := range old {
		add(line.ID, -line.Amount)
	}
	for _, line := range next {
		add(line.ID, line.Amount)
	}
	bill.Charge, bill.Credit = max(sum, 0), max(-sum, 0)
	return bill, nil
}

// left is what each line of a plan asks for the rest of the period.
func (c *PlanChange) left(plan []Line) []Line {
	rest := make([]Line, 0, len(plan))
	for _, line := range plan {
		_, left := Prorate(line.Amount, c.From, c.To, c.At)
		rest = append(rest, Line{ID: line.ID, Amount: left})
	}
	return rest
}

func validatePlan(plan []Line) error {
	var sum money.Amount
	for _, line := range plan {
		if line.Amount < 0 || line.Amount > money.EntryMax || sum+line.Amount > money.EntryMax {
			return ledger.FieldErrorf(ledger.CodeAmountTooLarge, "amount", "a plan asks for 0 to %d minor units a period", money.EntryMax)
		}
		sum += line.Amount
	}
	return nil
}
