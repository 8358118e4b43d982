package walletrow

import (
	"encoding/binary"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// AppendLots encodes lots: for each four varints, its seq, 0 for promotional or
// 1 for paid, expires_at in microseconds since 1970 or 0 for never, and what
// remains.
func AppendLots(to []byte, lots []ledger.Lot) []byte {
	for _, lot := range lots {
		to = binary.AppendUvarint(to, uint64(lot.Seq))
		to = binary.AppendUvarint(to, uint64(TailOf(lot.Category)))
		to = binary.AppendUvarint(to, uint64(micros(lot.ExpiresAt)))
		to = binary.AppendUvarint(to, uint64(lot.Remaining))
	}
	return to
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// DecodeLots is the reverse of AppendLots.
func DecodeLots(b []byte) ([]ledger.Lot, error) {
	if len(b) == 0 {
		return nil, nil
	}
	lots := make([]ledger.Lot, 0, writtenMax)
	for len(b) > 0 {
		var fields [4]uint64
		for i := range fields {
			n := 0
			if fields[i], n = binary.Uvarint(b); n <= 0 {
				return nil, ErrLots
			}
			b = b[n:]
		}
		lot := ledger.Lot{Seq: int64(fields[0]), Category: ledger.Paid, Remaining: money.Amount(fields[3])}
		if fields[1] == 0 {
			lot.Category = ledger.Promotional
		}
		if fields[2] != 0 {
			lot.ExpiresAt = time.UnixMicro(int64(fields[2])).UTC()
		}
		lots = append(lots, lot)
	}
	return lots, nil
}
