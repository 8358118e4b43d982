package ledger

import (
	"crypto/sha256"
	"time"
)

// AuditIDPrefix begins the id of every line of an audit trail.
const AuditIDPrefix = "aud_"

// auditDomain is to lines of the audit trail what chainDomain is to entries.
const auditDomain = "billfold.audit.v1"

// AuditAction is what was done to a customer.
type AuditAction string

// The actions that an audit trail tells of.
const (
	AuditUpdate   AuditAction = "customer.update"
	AuditFreeze   AuditAction = "customer.freeze"
	AuditUnfreeze AuditAction = "customer.unfreeze"
	AuditAlerts   AuditAction = "customer.alerts"
)

// Actor is who asks for a change.
type Actor struct {
	KeyID   string // of the API key
	Address string // IP address of the caller, empty where none is known
}

// AuditHead is where a customer's audit trail stands: the last position and its
// hash. The zero AuditHead belongs to a customer without a trail.
type AuditHead struct {
	Position int64
	Hash     Hash
}

// AuditEntry is one immutable line of a customer's audit trail: who changed
// what, and why. It is written in the transaction of the change (law N5). What
// moves money is not in it: the ledger entries are their own trail.
type AuditEntry struct {
	// ID is "aud_" and 21 base62 characters, which contain the position as those
	// of an entry do.
	ID         string
	Tenant     Tenant
	CustomerID string // empty in the trail of a business
	Position   int64  // 1..n over all lines of the trail, without gaps
	Action     AuditAction
	By         Actor

	// Before and After are JSON objects with the members that the change made
	// different, the same in both, sorted by name and without white space.
	Before string
	After  string

	Reason string // empty: none is asked for with this action

	// CreatedAt is UTC, cut to microseconds, and never decreases along Position.
	CreatedAt time.Time

	// Hash covers this line and the hash at Position-1, see [AuditEntry.ChainHash].
	Hash Hash
}

// CustomerChange is what becomes of a customer, with the line of the audit trail
// that tells of it. Audit is nil where nothing changes that the trail tells of.
type CustomerChange struct {
	Customer Customer
	Audit    *AuditEntry
}

// AuditPage says which part of a trail is wanted.
type AuditPage struct {
	Limit  int   // 1 … 200
	Before int64 // only lines below this position; 0 begins at the newest
}

// AuditList is one page of a customer's audit trail.
type AuditList struct {
	Entries []AuditEntry // by position, newest first
	Next    int64        // the Before of the next page, 0 when this is the last
}

// ChainHash returns the hash of the line on top of the hash at the position
// before, which is all zeros for position 1.
//
// The encoding is that of [Entry.ChainHash]. Order: domain, previous hash, id,
// business id, mode, customer id, position, action, key id, address, before,
// after, reason, created at.
func (e *AuditEntry) ChainHash(previous Hash) Hash {
	b := make([]byte, 0, 512)
	b = appendText(b, auditDomain)
	b = append(b, previous[:]...)
	b = appendText(b, e.ID)
	b = appendText(b, e.Tenant.BusinessID)
	b = appendText(b, string(e.Tenant.Mode))
	b = appendText(b, e.CustomerID)
	b = appendNumber(b, e.Position)
	b = appendText(b, string(e.Action))
	b = appendText(b, e.By.KeyID)
	b = appendText(b, e.By.Address)
	b = appendText(b, e.Before)
	b = appendText(b, e.After)
	b = appendText(b, e.Reason)
	b = appendNumber(b, micros(e.CreatedAt))
	return sha256.Sum256(b)
}

// nextAudit is a line in its place on top of a customer's trail, and nothing
// else. The customer's last change is never later than the line, whatever the
// clocks do.
func nextAudit(c *Customer, action AuditAction, by Actor, m Moment) AuditEntry {
	at := c.At(m.Now)
	if at.Before(c.UpdatedAt) {
		at = c.UpdatedAt
	}
	position := c.Audit.Position + 1
	return AuditEntry{
		ID:         positionedID(AuditIDPrefix, at, position, m.Random),
		Tenant:     c.Tenant,
		CustomerID: c.ID,
		Position:   position,
		Action:     action,
		By:         by,
		CreatedAt:  at,
	}
}

// concludeAudit completes a line by what the change made of the customer, and
// chains it to the one before.
func concludeAudit(before, after Customer, line AuditEntry) CustomerChange {
	line.Before, line.After = differences(&before, &after)
	line.Hash = line.ChainHash(before.Audit.Hash)
	after.UpdatedAt = line.CreatedAt
	after.Audit = AuditHead{Position: line.Position, Hash: line.Hash}
	return CustomerChange{Customer: after, Audit: &line}
}

// Follow puts a line on top of the trail that stands at the head: its position, id,
// time, which is never before last, that of the line before, and hash. It serves
// trails that are no customer's, whose lines have no CustomerID.
func (h AuditHead) Follow(line AuditEntry, last time.Time, m Moment) AuditEntry {
	line.CreatedAt = m.Now
	if line.CreatedAt.Before(last) {
		line.CreatedAt = last
	}
	line.Position = h.Position + 1
	line.ID = positionedID(AuditIDPrefix, line.CreatedAt, line.Position, m.Random)
	line.Hash = line.ChainHash(h.Hash)
	return line
}

// Amend decides a change of what a caller may set of a customer. Change is pure.
// Where it changes nothing, nothing is written, the time of the last change
// included.
func Amend(c Customer, by Actor, change func(Customer) Customer, m Moment) CustomerChange {
	after := change(c)
	if after == c {
		return CustomerChange{Customer: c}
	}
	return concludeAudit(c, after, nextAudit(&c, AuditUpdate, by, m))
}

// differences are two JSON objects with the members that two states of a
// customer have different values of.
func differences(before, after *Customer) (was, is string) {
	w, i := []byte{'{'}, []byte{'{'}
	add := func(name string, changed bool, from, to string) {
		if !changed {
			return
		}
		w, i = appendMember(w, name, from), appendMember(i, name, to)
	}
	text := func(name, from, to string) { add(name, from != to, jsonText(from), jsonText(to)) }
	add("alerts", before.Alerts != after.Alerts, before.Alerts.JSON(), after.Alerts.JSON())
	text("email", before.Email, after.Email)
	add("freezes", before.Freezes != after.Freezes, before.Freezes.JSON(), after.Freezes.JSON())
	add("metadata", before.Metadata != after.Metadata, before.Metadata, after.Metadata)
	text("name", before.Name, after.Name)
	text("phone_number", before.PhoneNumber, after.PhoneNumber)
	return string(append(w, '}')), string(append(i, '}'))
}

func appendMember(to []byte, name, value string) []byte {
	if len(to) > 1 {
		to = append(to, ',')
	}
	to = append(to, '"')
	to = append(to, name...)
	to = append(to, '"', ':')
	return append(to, value...)
}

// jsonText is a text without control characters as a JSON string.
func jsonText(text string) string {
	b := make([]byte, 0, len(text)+2)
	b = append(b, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, text[i])
	}
	return string(append(b, '"'))
}
