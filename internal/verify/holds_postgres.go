package verify

import (
	"time"

	"github.com/jackc/pgx/v5"
)

type holdLine struct {
	owner
	row holdRow
}

type holdEventLine struct {
	owner
	row holdEventRow
}

const holdRowColumns = `
	select customer_id, tenant, number, id, currency, amount, captured, released, state, expires_at, lots, created_by,
	       created_at, updated_at, coalesce(reference_object_id, '')
	  from holds`

const holdEventRowColumns = `
	select customer_id, tenant, number, hold, kind, allocations, amount, captured, released, position, seq, balance, held,
	       available, moved_at, alerts, coalesce(idempotency_key, ''), fingerprint, created_by, created_at
	  from hold_events`

func scanHoldLine(row pgx.CollectableRow) (line holdLine, err error) {
	h := &line.row
	var expiresAt, createdAt, updatedAt time.Time
	err = row.Scan(&line.id, &line.tenant, &h.number, &h.id, &h.currency, &h.amount, &h.captured, &h.released, &h.state,
		&expiresAt, &h.lots, &h.createdBy, &createdAt, &updatedAt, &h.reference)
	h.expiresAt, h.createdAt, h.updatedAt = expiresAt.UnixMicro(), createdAt.UnixMicro(), updatedAt.UnixMicro()
	return line, err
}

func scanHoldEventLine(row pgx.CollectableRow) (line holdEventLine, err error) {
	e := &line.row
	var movedAt, createdAt time.Time
	var allocations []int64
	var alerts *string
	err = row.Scan(&line.id, &line.tenant, &e.number, &e.hold, &e.kind, &allocations, &e.amount, &e.captured, &e.released,
		&e.position, &e.seq, &e.balance, &e.held, &e.available, &movedAt, &alerts, &e.key, &e.print, &e.createdBy, &createdAt)
	e.lots, e.movedAt, e.createdAt = encodeParts(allocations), movedAt.UnixMicro(), createdAt.UnixMicro()
	e.alerts = bytesOf(alerts)
	return line, err
}

func ownerOfHold(line *holdLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

func ownerOfHoldEvent(line *holdEventLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

// readHolds sends the holds of a customer, and what happened to them.
func (r *rowReader) readHolds(now owner) error {
	for {
		line, err := r.holds.next(r.ctx, r.tx)
		if err != nil {
			return err
		}
		if line == nil || line.owner != now {
			break
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepHold)
		r.batch.holds = append(r.batch.holds, line.row)
		r.holds.take()
		if r.batch.full() {
			r.hand()
		}
	}
	for {
		line, err := r.events.next(r.ctx, r.tx)
		if err != nil || line == nil || line.owner != now {
			return err
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepHoldEvent)
		r.batch.events = append(r.batch.events, line.row)
		r.events.take()
		if r.batch.full() {
			r.hand()
		}
	}
}
