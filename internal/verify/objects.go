package verify

import (
	"bytes"
	"crypto/sha256"
)

// objectRow is an event about an object of a customer, with the row of the object if
// this was the last event about it, and whose it is.
type objectRow struct {
	owner objectOwner
	head  objectHead

	number, object, version, position int64
	kind, data                        string
	createdAt                         int64
	digest, hash                      []byte

	last      bool // the row of the object is at this version
	tenants   bool // of the object: it is in the customer's tenant
	objectKey [2]string
	state     string
	dueAt     int64
	content   string
	madeAt    int64
	updatedAt int64
}

// objectHead is where the events about a customer's objects stand by the customer's row.
// The hash is nil where there is no row.
type objectHead struct {
	number int64
	hash   []byte
}

// What the writer calls domains, in the second implementation of the encoding.
const (
	objectDomain      = "billfold.object.v1"
	objectEventDomain = "billfold.object_event.v1"
)

// objectChain checks the events about one customer's objects (laws M4 to M6).
type objectChain struct {
	check *checker
	owner *customer
	head  objectHead

	number   int64 // of the last event
	hash     [32]byte
	at       int64
	versions map[int64]int64 // of each object, by its events
	met      map[int64]bool  // objects whose rows are at their last version
}

func (c *checker) newObjects(owner *customer, head objectHead) *objectChain {
	return &objectChain{check: c, owner: owner, head: head, versions: map[int64]int64{}, met: map[int64]bool{}}
}

func (o *objectChain) report(law Law, format string, args ...any) {
	o.check.found.add(law, o.owner.where("", 0), format, args...)
}

// add checks the next event.
func (o *objectChain) add(r *objectRow) {
	if r.number != o.number+1 {
		o.report(LawSequence, "object event %d comes behind object event %d", r.number, o.number)
	}
	if r.version != o.versions[r.object]+1 || (r.version == 1) != (r.object == r.number) {
		o.report(LawSequence, "object event %d is version %d of object %d, of which %d came before", r.number, r.version, r.object,
			o.versions[r.object])
	}
	if r.createdAt < o.at {
		o.report(LawTime, "object event %d was made at %d, the one before at %d", r.number, r.createdAt, o.at)
	}
	if want := o.chainHash(r); !bytes.Equal(want[:], r.hash) {
		o.report(LawChain, "the hash of object event %d is not that of what it says", r.number)
	}
	o.number, o.at, o.versions[r.object] = r.number, r.createdAt, r.version
	copy(o.hash[:], r.hash)
	o.met[r.object] = r.last
	if !r.last {
		return
	}
	if digest := r.content32(); !bytes.Equal(digest[:], r.digest) || r.updatedAt != r.createdAt {
		o.report(LawImmutable, "%s %s is not what object event %d made of it", r.objectKey[0], r.objectKey[1], r.number)
	}
	if !r.tenants {
		o.report(LawTenancy, "%s %s belongs to another business or mode than its customer", r.objectKey[0], r.objectKey[1])
	}
}

// end checks that the customer's row says where the chain ended, and that the row of
// each object is the one of its last event.
func (o *objectChain) end() {
	switch {
	case o.head.hash == nil:
		o.check.found.add(LawTenancy, o.owner.where("", 0), "there are object events of a customer who does not exist")
	case o.head.number != o.number:
		o.report(LawSequence, "the customer's row stands at object event %d, the last one is %d", o.head.number, o.number)
	case !bytes.Equal(o.head.hash, o.hash[:]):
		o.report(LawChain, "the customer's row has another hash of object event %d", o.number)
	}
	for object := range o.versions {
		if !o.met[object] {
			o.report(LawSequence, "the row of object %d is not at version %d, as its last event is, or is gone", object, o.versions[object])
		}
	}
}

func (o *objectChain) chainHash(r *objectRow) [32]byte {
	var e encoder
	e.text(objectEventDomain)
	e.bytes(o.hash[:])
	e.text(o.owner.businessID)
	e.text(o.owner.mode)
	e.text(o.owner.id)
	e.number(r.number)
	e.number(r.object)
	e.number(r.version)
	e.number(r.position)
	e.text(r.kind)
	e.text(r.data)
	e.number(r.createdAt)
	e.bytes(r.digest)
	return sha256.Sum256(e)
}

func (r *objectRow) content32() [32]byte {
	var e encoder
	e.text(objectDomain)
	e.text(r.objectKey[0])
	e.text(r.objectKey[1])
	e.text(r.state)
	e.number(r.dueAt)
	e.text(r.content)
	e.number(r.madeAt)
	return sha256.Sum256(e)
}

// objects are the chains of all customers, which come one after the other.
type objects struct {
	check *checker
	chain *objectChain
	of    objectOwner
}

// objectOwner is whom a row belongs to.
type objectOwner struct {
	no     int64 // of the customer in a file
	id     string
	tenant int64
}

func (o *objects) add(r *objectRow) {
	if o.chain == nil || o.of != r.owner {
		o.end()
		o.chain, o.of = o.check.newObjects(o.check.owns(r.owner), r.head), r.owner
	}
	o.chain.add(r)
}

// none checks a customer without events: the row must say that there are none.
func (o *objects) none(owner objectOwner, head objectHead) {
	o.check.newObjects(o.check.owns(owner), head).end()
}

// stray reports an object that no event made.
func (o *objects) stray(owner objectOwner, name string) {
	o.check.found.add(LawSequence, o.check.owns(owner).where("", 0), "no event made %s", name)
}

func (o *objects) end() {
	if o.chain != nil {
		o.chain.end()
	}
	o.chain = nil
}

// owns is whom the events about objects of a customer belong to.
func (c *checker) owns(of objectOwner) *customer {
	owner := &customer{tenant: of.tenant, id: of.id}
	tenant, known := c.tenants.byNo[of.tenant]
	if !known {
		if of.id != "" {
			c.found.add(LawTenancy, Finding{CustomerID: of.id}, "there are object events of a business that does not exist")
		}
		return owner
	}
	owner.businessID, owner.mode = tenant.businessID, tenant.mode
	return owner
}
