package ledger

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// What chainDomain is to entries, these are to objects and the events about them.
const (
	objectDomain      = "billfold.object.v1"
	objectEventDomain = "billfold.object_event.v1"
)

// ObjectsMax is how many objects one decision may look at.
const ObjectsMax = 16

// ObjectKind says what an object is, such as "invoice".
type ObjectKind string

// ObjectKey names an object of a customer.
type ObjectKey struct {
	Kind ObjectKind
	ID   string
}

// Object is something that is kept about a customer beside the ledger, and
// changes in one commit with the money that it moves: an invoice, a subscription.
// What is in it is the business of whoever keeps it. Here it is a text with a
// state and a time at which something is to be done.
type Object struct {
	Tenant     Tenant
	CustomerID string
	ObjectKey  // the id grows with the time at which objects are made

	// Number is that of the event that made it. It puts a customer's objects in order.
	Number int64

	// Version counts the object's events from 1.
	Version int64

	State string    // what lists are narrowed by
	DueAt time.Time // when something is to be done about it, zero for never
	Data  string    // JSON, at most [ObjectDataMax] bytes

	CreatedAt time.Time
	UpdatedAt time.Time // of its last event

	// Clock is where the test clock of its customer stands, zero without one.
	Clock time.Time
}

// At is the time that counts for the object's customer when it is now for others.
func (o *Object) At(now time.Time) time.Time { return clocked(o.Clock, now) }

// ObjectDataMax is the largest Data in bytes.
const ObjectDataMax = 256 << 10

// ObjectEvent is one change of an object. The events about a customer's objects
// are numbered without gaps and chained by their hashes, and never change.
type ObjectEvent struct {
	Number  int64 // 1..n over all events about the customer's objects
	Object  int64 // number of the event that made the object
	Version int64

	// Position is that of the customer's last entry when it happened, those of the same
	// commit included, 0 for none.
	Position int64

	// Kind is as what it is told to those who want events, one of [BillingKinds], empty
	// where it is told to nobody. Data is what they are told: a JSON object on one line,
	// with a payload_type.
	Kind EventKind
	Data string

	CreatedAt time.Time // UTC, never decreases along Number

	// Digest covers the object as it is after the event, so that the last event of an
	// object vouches for its row: [Object.Digest].
	Digest Hash
	Hash   Hash // see [ObjectEvent.ChainHash]
}

// ObjectChange is an event about an object, with the object as it is after it.
type ObjectChange struct {
	Object Object
	Event  ObjectEvent
}

// ObjectHead is where the events about a customer's objects stand. The zero
// ObjectHead belongs to a customer without any.
type ObjectHead struct {
	Number int64
	Hash   Hash
	LastAt time.Time
}

// ObjectPage says which part of a list of objects is wanted. Either Skip or Before
// is used.
type ObjectPage struct {
	Limit  int    // 1 … 200
	Skip   int64  // objects to pass over from the newest
	Before string // only objects with ids below this one, empty for all
}

// ObjectList is one page of objects.
type ObjectList struct {
	Objects []Object
	Next    string // the Before of the next page, empty when this is the last
}

// ObjectListOf is the page of which a store has found the objects, and one more where
// there is one.
func ObjectListOf(found []Object, limit int) (list ObjectList) {
	list.Objects = found
	if len(found) > limit {
		list.Objects = found[:limit]
		list.Next = found[limit-1].ID
	}
	return list
}

// ObjectFilter narrows a list of objects. Zero fields do not filter, and Kind must
// be set.
type ObjectFilter struct {
	Kind         ObjectKind
	CustomerID   string
	State        string
	CreatedAtGTE time.Time
	CreatedAtLTE time.Time
}

// Digest is the hash of what is in the object.
//
// The encoding is that of [Entry.ChainHash]. Order: domain, kind, id, state, due at,
// data, created at.
func (o *Object) Digest() Hash {
	b := make([]byte, 0, 256+len(o.Data))
	b = appendText(b, objectDomain)
	b = appendText(b, string(o.Kind))
	b = appendText(b, o.ID)
	b = appendText(b, o.State)
	b = appendNumber(b, micros(o.DueAt))
	b = appendText(b, o.Data)
	b = appendNumber(b, micros(o.CreatedAt))
	return sha256.Sum256(b)
}

// ChainHash returns the hash of the event about an object of a customer on top of that
// of the event before, which is all zeros for the first.
//
// The encoding is that of [Entry.ChainHash]. Order: domain, previous hash, business
// id, mode, customer id, number of the event, of the object, version, position,
// kind, data, created at, digest.
func (e *ObjectEvent) ChainHash(tenant Tenant, customerID string, previous Hash) Hash {
	b := make([]byte, 0, 512+len(e.Data))
	b = appendText(b, objectEventDomain)
	b = append(b, previous[:]...)
	b = appendText(b, tenant.BusinessID)
	b = appendText(b, string(tenant.Mode))
	b = appendText(b, customerID)
	b = appendNumber(b, e.Number)
	b = appendNumber(b, e.Object)
	b = appendNumber(b, e.Version)
	b = appendNumber(b, e.Position)
	b = appendText(b, string(e.Kind))
	b = appendText(b, e.Data)
	b = appendNumber(b, micros(e.CreatedAt))
	b = append(b, e.Digest[:]...)
	return sha256.Sum256(b)
}

// Object returns a copy of one of the snapshot's objects, nil where there is none.
func (s *Snapshot) Object(key ObjectKey) *Object {
	for _, object := range s.Objects {
		if object.ObjectKey == key {
			return &object
		}
	}
	return nil
}

// Put adds to a change that an object becomes what next says in State, DueAt and
// Data, and as what that is told. It makes the object where the snapshot has none
// under its key. Put comes after everything else about the change: the event
// stands behind its entries. The snapshot is the one on which the change was decided.
// It refuses more than an object may hold, or a decision look at, with CodeLimitReached.
// What is told must be as [ObjectEvent] says, or the decision fails.
func (c *Change) Put(s *Snapshot, next Object, told EventKind, data string, now time.Time) error {
	after := s.After(c)
	if size := max(len(next.Data), len(data)); size > ObjectDataMax {
		return Errorf(CodeLimitReached, "%s %s would have %d bytes, and may have %d", next.Kind, next.ID, size, ObjectDataMax)
	}
	if after.Object(next.ObjectKey) == nil && len(after.Objects) == ObjectsMax {
		return Errorf(CodeLimitReached, "one change can be about %d objects at the most", ObjectsMax)
	}
	if err := checkTold(told, data); err != nil {
		return fmt.Errorf("%s %s: %w", next.Kind, next.ID, err)
	}
	head := after.ObjectHead
	at := after.Chain.At(now)
	if at.Before(head.LastAt) {
		at = head.LastAt
	}
	event := ObjectEvent{
		Number: head.Number + 1, Object: head.Number + 1, Version: 1, Position: after.Chain.Position,
		Kind: told, Data: data, CreatedAt: at,
	}
	next.Tenant, next.CustomerID, next.CreatedAt = s.Customer.Tenant, s.Customer.ID, at
	next.Clock = s.Customer.ClockAt
	if old := after.Object(next.ObjectKey); old != nil {
		event.Object, event.Version = old.Number, old.Version+1
		next.CreatedAt = old.CreatedAt
	}
	next.Number, next.Version, next.UpdatedAt = event.Object, event.Version, at
	event.Digest = next.Digest()
	event.Hash = event.ChainHash(next.Tenant, next.CustomerID, head.Hash)
	c.Objects = append(c.Objects, ObjectChange{Object: next, Event: event})
	return nil
}

// put is a snapshot's objects after a change.
func put(objects []Object, changes []ObjectChange) []Object {
	after := append([]Object{}, objects...)
next:
	for i := range changes {
		for j := range after {
			if after[j].ObjectKey == changes[i].Object.ObjectKey {
				after[j] = changes[i].Object
				continue next
			}
		}
		after = append(after, changes[i].Object)
	}
	return after
}
