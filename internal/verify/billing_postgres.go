package verify

import "github.com/jackc/pgx/v5"

type billedLine struct {
	owner
	row billedRow
}

const billedRowColumns = `
	select customer_id, tenant, number, kind, id, state, data
	  from objects`

func scanBilledLine(row pgx.CollectableRow) (line billedLine, err error) {
	b := &line.row
	err = row.Scan(&line.id, &line.tenant, &b.number, &b.kind, &b.id, &b.state, &b.data)
	return line, err
}

func ownerOfBilled(line *billedLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

// readBills sends the invoices, refunds and subscriptions of a customer.
func (r *rowReader) readBills(now owner) error {
	for {
		line, err := r.bills.next(r.ctx, r.tx)
		if err != nil || line == nil || line.owner != now {
			return err
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepBilled)
		r.batch.billed = append(r.batch.billed, line.row)
		r.bills.take()
		if r.batch.full() {
			r.hand()
		}
	}
}
