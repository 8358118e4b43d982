package ledger

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/money"
)

// TestClockIDPrefix begins the id of every test clock.
const TestClockIDPrefix = "clk_"

// CodeTestClock refuses what a test clock cannot do.
const CodeTestClock Code = "INVALID_TEST_CLOCK"

const (
	// TestClockNameMax is the longest name of a clock, in Unicode code points.
	TestClockNameMax = 255

	// TestClockStep is how far a clock may be advanced at once, in years.
	TestClockStep = 10

	// TestClockCustomers is how many customers a clock may have, and TestClocksMax how
	// many clocks a business may.
	TestClockCustomers = 100
	TestClocksMax      = 100
)

// A clock stands between these years.
const (
	testClockFirst = 2000
	testClockLast  = 2200
)

// TestClock is a clock that stands still until somebody advances it. Customers may have
// one instead of the time of the world, in test mode alone.
type TestClock struct {
	Tenant Tenant
	ID     string
	Name   string // may be empty

	// FrozenAt is where the clock stands. Its customers are there, or on their way, in
	// the order of what happens to them.
	FrozenAt time.Time

	// Failure is why a customer could not come on when that was tried last, empty while
	// all can.
	Failure string

	Deleted   bool
	CreatedAt time.Time // by the time of the world

	// Customers are how many it has, and Behind how many of them are on their way.
	Customers int64
	Behind    int64
}

// TestClockList is one page of clocks.
type TestClockList struct {
	Clocks []TestClock
	Next   int64 // the Before of the next page, 0 when this is the last
}

// ClockStatus is how far a test clock is, in the words of the wire.
type ClockStatus string

// The statuses of a test clock.
const (
	ClockReady     ClockStatus = "ready"
	ClockAdvancing ClockStatus = "advancing"
	ClockFailing   ClockStatus = "internal_failure" // and it is tried again
)

// Status is how far the clock is.
func (c *TestClock) Status() ClockStatus {
	switch {
	case c.Behind == 0:
		return ClockReady
	case c.Failure != "":
		return ClockFailing
	}
	return ClockAdvancing
}

// ValidateTestClock checks a new clock.
func ValidateTestClock(c TestClock) error {
	if utf8.RuneCountInString(c.Name) > TestClockNameMax || hasControl(c.Name) || c.Name != strings.TrimSpace(c.Name) {
		return FieldErrorf(CodeInvalidName, "name",
			"name must have at most %d characters, without control characters and without blanks around it", TestClockNameMax)
	}
	return checkFrozen(c.FrozenAt)
}

func checkFrozen(at time.Time) error {
	if year := at.UTC().Year(); year < testClockFirst || year >= testClockLast {
		return FieldErrorf(CodeTestClock, "frozen_time", "frozen_time must lie in the years %d to %d", testClockFirst, testClockLast-1)
	}
	return nil
}

// Advance decides that a clock goes forward to a time. To say again where it stands or
// goes to already changes nothing, so that a repeat does no harm.
func (c TestClock) Advance(to time.Time) (TestClock, error) {
	if err := checkFrozen(to); err != nil {
		return c, err
	}
	switch {
	case to.Equal(c.FrozenAt):
		return c, nil
	case to.Before(c.FrozenAt):
		return c, FieldErrorf(CodeTestClock, "frozen_time", "a test clock goes forward only, and this one stands at %s",
			c.FrozenAt.Format(time.RFC3339Nano))
	case to.After(c.FrozenAt.AddDate(TestClockStep, 0, 0)):
		return c, FieldErrorf(CodeTestClock, "frozen_time", "a test clock is advanced by %d years at once at the most", TestClockStep)
	case c.Behind > 0:
		return c, Errorf(CodeTestClock, "the test clock is advancing to %s; wait until it is ready", c.FrozenAt.Format(time.RFC3339Nano))
	}
	c.FrozenAt, c.Failure = to, ""
	return c, nil
}

// CustomerDue is what waits for a time about a customer.
type CustomerDue struct {
	Customer Customer

	// Objects are those about which something is to be done at a time, the first to
	// be due before the others. There are at most [DueObjectsMax].
	Objects []Object

	// Expiries are when the next lot or hold of each wallet expires, and Notices when the
	// next lot of each is to be announced, so long before it expires as Ahead says. A
	// wallet of which nothing does is not among them.
	Expiries []DueWallet
	Notices  []DueWallet
	Ahead    time.Duration
}

// DueObjectsMax is how many objects a [CustomerDue] has at the most.
const DueObjectsMax = 100

// DueWallet is when something is due about a wallet.
type DueWallet struct {
	Currency money.Currency
	At       time.Time
}

// Next is the first time after another at which something waits to be done, zero for
// none. By says what is due at or before the other.
func (d *CustomerDue) Next(after time.Time) (next time.Time) {
	see := func(at time.Time) {
		if at.After(after) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for i := range d.Objects {
		see(d.Objects[i].DueAt)
	}
	for _, wallets := range [][]DueWallet{d.Expiries, d.Notices} {
		for _, wallet := range wallets {
			see(wallet.At)
		}
	}
	return next
}

// By leaves of what waits what is due by a time.
func (d *CustomerDue) By(at time.Time) CustomerDue {
	due := CustomerDue{Customer: d.Customer, Ahead: d.Ahead}
	for _, object := range d.Objects {
		if !object.DueAt.After(at) {
			due.Objects = append(due.Objects, object)
		}
	}
	wallets := func(all []DueWallet) (some []DueWallet) {
		for _, wallet := range all {
			if !wallet.At.After(at) {
				some = append(some, wallet)
			}
		}
		return some
	}
	due.Expiries, due.Notices = wallets(d.Expiries), wallets(d.Notices)
	return due
}

// Straggler is a customer whose time is behind that of their test clock, which is to
// come to Until.
type Straggler struct {
	Tenant     Tenant
	CustomerID string
	Clock      string
	Until      time.Time
}
