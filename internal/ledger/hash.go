package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// chainDomain separates entry hashes from every other use of SHA-256 and names
// the version of the encoding. It changes when the encoding does.
const chainDomain = "billfold.entry.v1"

// ChainHash returns the hash of the entry on top of the hash of the entry at
// the position before, which is all zeros for position 1 (law M4).
//
// The encoding is injective: each text is preceded by its length in bytes and
// each number is a 64-bit big-endian integer, so no two different entries
// encode alike. Order: domain, previous hash, id, business id, mode, customer
// id, currency, position, seq, direction, amount, before, after, available,
// event type, account, category, expires at, number of allocations, lot seq
// and amount of each, reason, reference object id, metadata, idempotency key,
// fingerprint, created by, created at; of a reversal the id of the entry that it
// reverses; where the entry has alerts the word "alerts" and they; of a capture the
// word "hold" and the id of the hold; and where something was held the word "held"
// and how much. Times are microseconds since 1970, 0 for none.
func (e *Entry) ChainHash(previous Hash) Hash {
	b := make([]byte, 0, 512)
	b = appendText(b, chainDomain)
	b = append(b, previous[:]...)
	b = appendText(b, e.ID)
	b = appendText(b, e.Tenant.BusinessID)
	b = appendText(b, string(e.Tenant.Mode))
	b = appendText(b, e.CustomerID)
	b = appendText(b, string(e.Currency))
	b = appendNumber(b, e.Position)
	b = appendNumber(b, e.Seq)
	b = appendText(b, string(e.Direction))
	b = appendNumber(b, int64(e.Amount))
	b = appendNumber(b, int64(e.Before))
	b = appendNumber(b, int64(e.After))
	b = appendNumber(b, int64(e.Available))
	b = appendText(b, string(e.EventType))
	b = appendText(b, string(e.Account))
	b = appendText(b, string(e.Category))
	b = appendNumber(b, micros(e.ExpiresAt))
	b = appendNumber(b, int64(len(e.Allocations)))
	for _, part := range e.Allocations {
		b = appendNumber(b, part.LotSeq)
		b = appendNumber(b, int64(part.Amount))
	}
	b = appendText(b, e.Reason)
	b = appendText(b, e.ReferenceObjectID)
	b = appendText(b, e.Metadata)
	b = appendText(b, e.IdempotencyKey)
	b = append(b, e.Fingerprint[:]...)
	b = appendText(b, e.CreatedBy)
	b = appendNumber(b, micros(e.CreatedAt))
	if e.Reverses != "" {
		b = appendText(b, e.Reverses)
	}
	if e.Alerts != "" {
		// The word keeps them apart from an id in the same place.
		b = appendText(b, "alerts")
		b = appendText(b, string(e.Alerts))
	}
	if e.HoldID != "" {
		b = appendText(appendText(b, "hold"), e.HoldID)
	}
	if e.Held != 0 {
		b = appendNumber(appendText(b, "held"), int64(e.Held))
	}
	return sha256.Sum256(b)
}

func appendText(to []byte, text string) []byte {
	to = binary.BigEndian.AppendUint64(to, uint64(len(text)))
	return append(to, text...)
}

func appendNumber(to []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(to, uint64(n))
}

// micros is the wire of time in hashes and fingerprints.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
