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
	buffer.Reset()
	b := buffer.AvailableBuffer()
	text := func(s string) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	raw := func(s []byte) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }

	text(chainDomain)
	b = append(b, previous[:]...)
	raw(e.id)
	text(owner.businessID)
	text(owner.mode)
	text(owner.id)
	text(e.currency)
	number(e.position)
	number(e.seq)
	text(direction(e.isCredit))
	number(e.amount)
	number(e.before)
	number(e.after)
	number(e.available)
	raw(e.eventType)
	raw(e.account)
	raw(e.category)
	number(e.expiresAt)
	number(int64(len(e.allocations)))
	for _, part := range e.allocations {
		number(part.seq)
		number(part.amount)
	}
	raw(e.reason)
	raw(e.reference)
	if e.metadata == nil {
		text("{}")
	} else {
		raw(e.metadata)
	}
	raw(e.key)
	b = append(b, e.fingerprint...)
	raw(e.createdBy)
	number(e.createdAt)
	if e.reverses != nil {
		raw(e.reverses)
	}
	if e.alerts != nil {
		text("alerts")
		raw(e.alerts)
	}
	if e.holdID != nil {
		text("hold")
		raw(e.holdID)
	}
	if e.held != 0 {
		text("held")
		number(e.held)
	}
	buffer.Write(b)
	return sha256.Sum256(b)
}

func direction(isCredit bool) string {
	if isCredit {
		return "credit"
	}
	return "debit"
}
