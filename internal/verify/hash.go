package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// chainDomain is the first text in every hashed entry. It names the version of
// the encoding.
const chainDomain = "billfold.entry.v1"

// chainHash is the hash that an entry must have on top of the hash of the
// customer's entry before. Buffer is scratch space that is used again.
//
// This is the second implementation of the encoding that docs/ledger.md
// describes; the first belongs to the writer and is not used here.
func chainHash(buffer *bytes.Buffer, previous [32]byte, owner *customer, e *entryRow) [32]byte {
	b := encode(buffer)
	b.text(chainDomain)
	b.bytes(previous[:])
	b.raw(e.id)
	b.text(owner.businessID)
	b.text(owner.mode)
	b.text(owner.id)
	b.text(e.currency)
	b.number(e.position)
	b.number(e.seq)
	b.text(direction(e.isCredit))
	b.number(e.amount)
	b.number(e.before)
	b.number(e.after)
	b.number(e.available)
	b.raw(e.eventType)
	b.raw(e.account)
	b.raw(e.category)
	b.number(e.expiresAt)
	b.number(int64(len(e.allocations)))
	for _, part := range e.allocations {
		b.number(part.seq)
		b.number(part.amount)
	}
	b.raw(e.reason)
	b.raw(e.reference)
	if e.metadata == nil {
		b.text("{}")
	} else {
		b.raw(e.metadata)
	}
	b.raw(e.key)
	b.bytes(e.fingerprint)
	b.raw(e.createdBy)
	b.number(e.createdAt)
	if e.reverses != nil {
		b.raw(e.reverses)
	}
	if e.alerts != nil {
		b.text("alerts")
		b.raw(e.alerts)
	}
	if e.holdID != nil {
		b.text("hold")
		b.raw(e.holdID)
	}
	if e.held != 0 {
		b.text("held")
		b.number(e.held)
	}
	return b.sum(buffer)
}

func direction(isCredit bool) string {
	if isCredit {
		return "credit"
	}
	return "debit"
}

// encoder writes the encoding that docs/ledger.md describes.
type encoder []byte

// encode begins in a buffer, whose space is used again.
func encode(buffer *bytes.Buffer) encoder {
	buffer.Reset()
	return buffer.AvailableBuffer()
}

func (e *encoder) text(s string) {
	*e = binary.BigEndian.AppendUint64(*e, uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) raw(s []byte) {
	*e = binary.BigEndian.AppendUint64(*e, uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) number(n int64) { *e = binary.BigEndian.AppendUint64(*e, uint64(n)) }

// bytes writes what has the same length everywhere, such as a hash.
func (e *encoder) bytes(b []byte) { *e = append(*e, b...) }

// sum is the hash of what was written. It gives the buffer the space that it took.
func (e *encoder) sum(buffer *bytes.Buffer) [32]byte {
	buffer.Write(*e)
	return sha256.Sum256(*e)
}
