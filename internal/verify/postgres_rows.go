package verify

import (
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5"
)

func scanCustomerLine(row pgx.CollectableRow) (line customerLine, err error) {
	s := &line.standing
	var updatedAt time.Time
	err = row.Scan(&line.id, &line.tenant, &s.email, &s.name, &s.phone, &s.metadata, &s.freezes, &updatedAt, &s.position,
		&s.hash, &s.alerts)
	s.updatedAt = updatedAt.UnixMicro()
	return line, err
}

func scanAuditLine(row pgx.CollectableRow) (line auditLine, err error) {
	a := &line.row
	var createdAt time.Time
	err = row.Scan(&line.id, &line.tenant, &a.position, &a.id, &a.action, &a.keyID, &a.address, &a.before, &a.after,
		&a.reason, &createdAt, &a.hash)
	a.createdAt = createdAt.UnixMicro()
	return line, err
}

func (r *rowReader) scanWalletLine(row pgx.CollectableRow) (line walletLine, err error) {
	w := &line.row
	var updatedAt time.Time
	var nextExpiry, holdAt, lapsedAt, nextNotice *time.Time
	var alerts *string
	err = row.Scan(&line.id, &line.tenant, &w.currency, &w.balance, &w.held, &w.seq, &w.position, &w.hash, &updatedAt,
		&w.lots, &w.tails[0].from, &w.tails[0].sum, &w.tails[1].from, &w.tails[1].sum, &nextExpiry, &alerts,
		&w.holdNumber, &holdAt, &w.debt, &w.shelvedSum, &w.lapsedSum, &lapsedAt,
		&nextNotice, &w.noticeLot, &w.noticeNumber)
	w.tenant, w.updatedAt, w.alerts = line.tenant, updatedAt.UnixMicro(), bytesOf(alerts)
	if nextNotice != nil {
		w.nextNotice = nextNotice.UnixMicro()
	}
	if nextExpiry != nil {
		w.nextExpiry = nextExpiry.UnixMicro()
	}
	if holdAt != nil {
		w.holdAt = holdAt.UnixMicro()
	}
	if lapsedAt != nil {
		w.lapsedAt = lapsedAt.UnixMicro()
	}
	return line, err
}

func (r *rowReader) scanEntryLine(row pgx.CollectableRow) (line entryLine, err error) {
	e := &line.row
	var expiresAt *time.Time
	var createdAt time.Time
	var allocations []int64
	var id, event, account, category, createdBy string
	var reason, reference, metadata, key, reverses, alerts, holdID *string
	var held *int64
	err = row.Scan(&line.id, &line.tenant, &e.position, &e.seq, &e.isCredit, &e.amount, &e.before, &e.after, &e.available,
		&expiresAt, &createdAt, &e.currency, &id, &event, &account, &category, &allocations, &reason,
		&reference, &metadata, &key, &e.fingerprint, &createdBy, &e.hash, &reverses, &alerts, &holdID,
		&held, &e.order)
	if err != nil {
		return line, err
	}
	if e.isCredit {
		e.creditFlag = 1
	}
	if expiresAt != nil {
		e.expiresAt = expiresAt.UnixMicro()
	}
	e.createdAt = createdAt.UnixMicro()
	e.id, e.eventType, e.account, e.category, e.createdBy =
		[]byte(id), []byte(event), []byte(account), []byte(category), []byte(createdBy)
	e.reason, e.reference, e.metadata, e.key = bytesOf(reason), bytesOf(reference), bytesOf(metadata), bytesOf(key)
	e.reverses, e.alerts, e.holdID = bytesOf(reverses), bytesOf(alerts), bytesOf(holdID)
	if held != nil {
		e.held, e.zeroHeld = *held, *held == 0
	}
	e.lots = encodeParts(allocations)
	return line, nil
}

func bytesOf(text *string) []byte {
	if text == nil {
		return nil
	}
	return append([]byte{}, *text...)
}

// encodeParts writes allocations in the form that the checker decodes, nil for
// null. A negative number becomes one that does not decode.
func encodeParts(numbers []int64) []byte {
	if numbers == nil {
		return nil
	}
	encoded := []byte{}
	for _, n := range numbers {
		encoded = binary.AppendUvarint(encoded, uint64(n))
	}
	return encoded
}
