package billing_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var april = time.Date(2026, time.April, 1, 0, 0, 0, 0, time.UTC)

func day(n int) time.Time { return april.AddDate(0, 0, n) }

func plan(amounts ...money.Amount) (lines []billing.Line) {
	for i, amount := range amounts {
		lines = append(lines, billing.Line{ID: string(rune('a' + i)), Amount: amount})
	}
	return lines
}

func TestProrate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		amount     money.Amount
		at         time.Time
		used, left money.Amount
	}{
		{1000, day(-1), 0, 1000}, {1000, day(0), 0, 1000}, {1000, day(10), 333, 667}, {1000, day(15), 500, 500},
		{1000, day(30), 1000, 0}, {1000, day(31), 1000, 0}, {1, day(15), 1, 0}, {1, day(16), 1, 0}, {1, day(14), 0, 1},
		{0, day(3), 0, 0}, {money.EntryMax, day(29), 966_666_666_666, 33_333_333_333},
		{1000, day(30).Add(-time.Microsecond), 1000, 0},
	} {
		used, left := billing.Prorate(test.amount, day(0), day(30), test.at)
		if used != test.used || left != test.left {
			t.Errorf("%d at %s: got %d used and %d left, want %d and %d", test.amount, test.at, used, left, test.used, test.left)
		}
	}
	if used, left := billing.Prorate(1000, day(3), day(3), day(3)); used != 1000 || left != 0 {
		t.Errorf("a period without time: got %d used and %d left, want nothing left", used, left)
	}
}

func TestPlanChanges(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		old, next      []billing.Line
		at             time.Time
		mode           billing.ProrationMode
		lines          []money.Amount
		charge, credit money.Amount
		restarts       bool
	}{
		{"up", plan(1000), plan(3000), day(15), billing.ProratedImmediately, []money.Amount{-500, 1500}, 1000, 0, false},
		{"down", plan(3000), plan(1000), day(15), billing.ProratedImmediately, []money.Amount{-1500, 500}, 0, 1000, false},
		{"to the same", plan(1000), plan(1000), day(7), billing.ProratedImmediately, []money.Amount{-767, 767}, 0, 0, false},
		{"with add-ons", plan(1000, 10), plan(1000, 20, 5), day(10), billing.ProratedImmediately, []money.Amount{-667, -7, 667, 13, 3}, 9, 0, false},
		{"at the end", plan(1000), plan(3000), day(30), billing.ProratedImmediately, nil, 0, 0, false},
		{"from nothing", nil, plan(900), day(10), billing.ProratedImmediately, []money.Amount{600}, 600, 0, false},
		{"whole", plan(1000), plan(3000), day(15), billing.FullImmediately, []money.Amount{3000}, 3000, 0, true},
		{"difference up", plan(1000), plan(3000), day(29), billing.DifferenceImmediately, []money.Amount{-1000, 3000}, 2000, 0, false},
		{"difference down", plan(3000), plan(1000), day(29), billing.DifferenceImmediately, []money.Amount{-3000, 1000}, 0, 2000, false},
		{"unbilled", plan(1000), plan(3000), day(15), billing.DoNotBill, nil, 0, 0, false},
	} {
		bill, err := billing.DecidePlanChange(billing.PlanChange{
			Old: test.old, New: test.next, From: day(0), To: day(30), At: test.at, Mode: test.mode,
		})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var lines []money.Amount
		for _, line := range bill.Lines {
			lines = append(lines, line.Amount)
		}
		if !slices.Equal(lines, test.lines) || bill.Charge != test.charge || bill.Credit != test.credit ||
			bill.Restarts != test.restarts {
			t.Errorf("%s: got %+v, want lines %v, charge %d, credit %d, restarts %v", test.name, bill, test.lines, test.charge,
				test.credit, test.restarts)
		}
	}
	for name, c := range map[string]billing.PlanChange{
		string(billing.CodeInvalidProration): {Mode: "half"},
		string(ledger.CodeAmountTooLarge):    {Mode: billing.DoNotBill, New: plan(money.EntryMax, 1)},
	} {
		if _, err := billing.DecidePlanChange(c); string(ledger.CodeOf(err)) != name {
			t.Errorf("%+v: got error %v, want %s", c, err, name)
		}
	}
}

// changer is DecidePlanChange or a mistaken one.
type changer func(billing.PlanChange) (billing.PlanBill, error)

// changeFault says which rule of a change of plan is broken, or "".
func changeFault(decide changer, c billing.PlanChange) string {
	bill, err := decide(c)
	if err != nil {
		return err.Error()
	}
	undo, err := decide(billing.PlanChange{Old: c.New, New: c.Old, From: c.From, To: c.To, At: c.At, Mode: c.Mode})
	if err != nil {
		return err.Error()
	}
	var sum, old, next money.Amount
	for _, line := range bill.Lines {
		sum += line.Amount
	}
	for _, line := range c.Old {
		old += line.Amount
	}
	for _, line := range c.New {
		next += line.Amount
	}
	switch {
	case sum != bill.Charge-bill.Credit || bill.Charge < 0 || bill.Credit < 0 || bill.Charge > 0 && bill.Credit > 0:
		return "the lines are not what is charged or credited"
	case c.Mode != billing.FullImmediately && (bill.Charge != undo.Credit || bill.Credit != undo.Charge):
		return "a change and its undoing do not cancel"
	case bill.Credit > old:
		return "more is credited than was asked for"
	case bill.Charge > next:
		return "more is charged than the new plan asks for"
	}
	return ""
}

// drawChange draws a change whose instants and amounts are often at a limit.
func drawChange(t *rapid.T) billing.PlanChange {
	amount := rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, 1_000_000),
		rapid.Int64Range(int64(money.EntryMax/4-3), int64(money.EntryMax/4)))
	draw := func(name string) (lines []billing.Line) {
		for _, n := range rapid.SliceOfN(amount, 0, 4).Draw(t, name) {
			lines = append(lines, billing.Line{ID: name, Amount: money.Amount(n)})
		}
		return lines
	}
	length := rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, 400*24*3600*1_000_000)).Draw(t, "length")
	at := rapid.Int64Range(-length/8-1, length+length/8+1).Draw(t, "at")
	return billing.PlanChange{
		Old: draw("old"), New: draw("new"), From: april, To: april.Add(time.Duration(length) * time.Microsecond),
		At: april.Add(time.Duration(at) * time.Microsecond),
		Mode: rapid.SampledFrom([]billing.ProrationMode{
			billing.ProratedImmediately, billing.FullImmediately, billing.DifferenceImmediately, billing.DoNotBill,
		}).Draw(t, "mode"),
	}
}

func TestPlanChangesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if fault := changeFault(billing.DecidePlanChange, drawChange(t)); fault != "" {
			t.Fatal(fault)
		}
	})
}

// The property notices these.
func TestPlanChangeMistakes(t *testing.T) {
	t.Parallel()
	for name, mistaken := range map[string]changer{
		"what is left is rounded up for one plan": func(c billing.PlanChange) (billing.PlanBill, error) {
			bill, err := billing.DecidePlanChange(c)
			if bill.Charge > 0 && c.Mode == billing.ProratedImmediately {
				bill.Charge++
			}
			return bill, err
		},
		"a downgrade gives nothing back": func(c billing.PlanChange) (billing.PlanBill, error) {
			bill, err := billing.DecidePlanChange(c)
			bill.Credit = 0
			return bill, err
		},
		"the old plan is given back whole": func(c billing.PlanChange) (billing.PlanBill, error) {
			if c.Mode == billing.ProratedImmediately {
				full := c
				full.Mode, full.New = billing.DifferenceImmediately, nil
				back, _ := billing.DecidePlanChange(full)
				c.Old = nil
				bill, err := billing.DecidePlanChange(c)
				bill.Lines = append(bill.Lines, back.Lines...)
				sum := bill.Charge - back.Credit
				bill.Charge, bill.Credit = max(sum, 0), max(-sum, 0)
				return bill, err
			}
			return billing.DecidePlanChange(c)
		},
	} {
		noticed := false
		for seed := 0; seed < 2000 && !noticed; seed++ {
			noticed = changeFault(mistaken, rapid.Custom(drawChange).Example(seed)) != ""
		}
		if !noticed {
			t.Errorf("%s: got no complaint in 2,000 changes, want one", name)
		}
	}
}
