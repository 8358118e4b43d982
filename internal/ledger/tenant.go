package ledger

import "time"

// Mode is one of the two separate worlds of a business.
type Mode string

// The two modes. They share nothing but the business's name and id.
const (
	Test Mode = "test"
	Live Mode = "live"
)

// Valid reports whether m is one of the two modes.
func (m Mode) Valid() bool { return m == Test || m == Live }

// Tenant is a business in one mode: the owner of customers, keys and settings.
type Tenant struct {
	BusinessID string
	Mode       Mode
}

// Customer is somebody who has wallets. The id is unique within its tenant.
type Customer struct {
	Tenant Tenant
	ID     string
	Email  string
	Name   string

	// PhoneNumber is empty when none is known.
	PhoneNumber string

	// Metadata is a JSON object in canonical form: members sorted by name, no
	// white space. "{}" when there is none.
	Metadata string

	// Freezes say which money is kept where it is, empty for none.
	Freezes Freezes

	// Alerts are the thresholds of those wallets that have their own.
	Alerts Alerts

	// Audit is where the customer's audit trail stands.
	Audit AuditHead

	// Clock is the id of the customer's test clock, empty for none, and ClockAt where that
	// stands for the customer: their time instead of anybody's. It never goes back.
	Clock   string
	ClockAt time.Time

	// CreatedAt and UpdatedAt are UTC, cut to microseconds.
	CreatedAt time.Time
	UpdatedAt time.Time
}

// At is the time that counts for the customer when it is now for others: where their
// test clock stands, if they have one.
func (c *Customer) At(now time.Time) time.Time { return clocked(c.ClockAt, now) }

func clocked(clock, now time.Time) time.Time {
	if clock.IsZero() {
		return now
	}
	return clock
}
