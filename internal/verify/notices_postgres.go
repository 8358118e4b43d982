package verify

import (
	"time"

	"github.com/jackc/pgx/v5"
)

type noticeLine struct {
	owner
	row noticeRow
}

const noticeRowColumns = `
	select customer_id, tenant, number, id, currency, lot, category, expires_at, remaining, seq, hold_number, created_at
	  from expiry_notices`

func scanNoticeLine(row pgx.CollectableRow) (line noticeLine, err error) {
	n := &line.row
	var expiresAt, createdAt time.Time
	err = row.Scan(&line.id, &line.tenant, &n.number, &n.id, &n.currency, &n.lot, &n.category, &expiresAt, &n.remaining,
		&n.seq, &n.holdNumber, &createdAt)
	n.expiresAt, n.createdAt = expiresAt.UnixMicro(), createdAt.UnixMicro()
	return line, err
}

func ownerOfNotice(line *noticeLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

// readNotices sends the notices of a customer, after the entries.
func (r *rowReader) readNotices(now owner) error {
	for {
		line, err := r.notices.next(r.ctx, r.tx)
		if err != nil || line == nil || line.owner != now {
			return err
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepNotice)
		r.batch.notices = append(r.batch.notices, line.row)
		r.notices.take()
		if r.batch.full() {
			r.hand()
		}
	}
}
