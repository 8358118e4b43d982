package verify

import (
	"context"
	"errors"
	"math"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// reader walks the tables and sends their rows to the checker. It takes as many
// customers at a time as fit into memory, and reads the entries once for each
// such range, in the order in which they lie in the file. Looking up the
// entries of one customer after the other was tried first and took three times
// as long: each of them lies on a page of its own.
type reader struct {
	ctx   context.Context
	file  *file
	empty chan *batch
	full  chan *batch

	batch      *batch
	currencies names
	keys       keySet // of the range that is being read

	customers     *cursor
	wallets       *cursor
	shelved       *cursor
	customerMarks *cursor
	walletMarks   *cursor
	audits        *cursor
	transfers     *cursor
	holds         *cursor
	holdEvents    *cursor
	lotMarks      *cursor
	notices       *cursor
	bills         *cursor
}

// The columns of each cursor begin with the number of the customer.
const (
	customerColumns = `
	select no,
	       tenant,
	       id,
	       email,
	       name,
	       phone_number,
	       metadata,
	       freezes,
	       updated_at,
	       audit_position,
	       audit_hash,
	       alerts
	  from customers`

	customerMarkColumns = `
	select customer,
	       position,
	       entry
	  from customer_marks`

	walletMarkColumns = `
	select customer,
	       seq,
	       entry,
	       currency
	  from wallet_marks`
)

// cursor is a running query of which the next row can be looked at.
type cursor struct {
	stmt     *sqlite.Stmt
	customer int64
	done     bool
}

func (f *file) cursor(query string) (*cursor, error) {
	stmt, _, err := f.conn.PrepareTransient(query)
	if err != nil {
		return nil, err
	}
	c := &cursor{stmt: stmt}
	if err := c.next(); err != nil {
		return nil, errors.Join(err, stmt.Finalize())
	}
	return c, nil
}

func (c *cursor) next() error {
	row, err := c.stmt.Step()
	if err != nil {
		return err
	}
	c.done = !row
	if row {
		c.customer = c.stmt.ColumnInt64(0)
	}
	return nil
}

// customerRange is a run of customers by their numbers, both ends included.
type customerRange struct{ first, last int64 }

// A range is cut when its customers and entries weigh this much. An entry can
// cost about 100 bytes of memory while its range is checked, a customer 1,000.
const (
	rangeWeight    = 1 << 20
	customerWeight = 16
)

// ranges plans the run. It believes the wallets' rows about how many entries a
// customer has: a wrong number makes a range large, not the result wrong. The
// ranges leave no number out, so that no row is overlooked.
func (f *file) ranges(weight int64) (ranges []customerRange, err error) {
	next := customerRange{first: math.MinInt64}
	var weighs int64
	const query = `
	select c.no,
	       (select sum(w.seq) from wallets w where w.customer = c.no),
	       c.object_number
	  from customers c
	 order by c.no`
	err = sqlitex.ExecuteTransient(f.conn, query, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			no, entries := stmt.ColumnInt64(0), max(stmt.ColumnInt64(1), 0)+max(stmt.ColumnInt64(2), 0)
			if weighs > 0 && weighs+entries+customerWeight > weight {
				next.last = no - 1
				ranges = append(ranges, next)
				next.first, weighs = no, 0
			}
			weighs += entries + customerWeight
			return nil
		},
	})
	next.last = math.MaxInt64
	return append(ranges, next), err
}

// read sends every row to the checker, and tells it at the end what only the
// reader can see.
func (r *reader) read(check *checker, weight int64) (err error) {
	total, err := r.file.number(`select max(no) from ledger_entries`)
	if err != nil {
		return err
	}
	ranges, err := r.file.ranges(weight)
	if err != nil {
		return err
	}
	r.currencies, r.keys = make(names), keySet{max: weight}
	check.marked = true
	for _, open := range []struct {
		cursor **cursor
		query  string
	}{
		{&r.customers, customerColumns + ` order by no`},
		{&r.wallets, walletColumns + ` order by customer, currency`},
		{&r.shelved, shelvedColumns + shelvedOrder},
		{&r.customerMarks, customerMarkColumns + ` order by customer, position`},
		{&r.walletMarks, walletMarkColumns + ` order by customer, currency, seq`},
		{&r.audits, auditColumns + ` order by customer, position`},
		{&r.transfers, transferColumns + ` order by customer, id`},
		{&r.holds, holdColumns + ` order by customer, number`},
		{&r.holdEvents, holdEventColumns + ` order by customer, number`},
		{&r.lotMarks, lotMarkColumns + lotMarkOrder},
		{&r.notices, noticeColumns + ` order by customer, number`},
		{&r.bills, billedColumns + ` where ` + billedKinds + ` order by customer, number`},
	} {
		c, err := r.file.cursor(open.query)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.stmt.Finalize()) }()
		*open.cursor = c
	}
	if err := r.take(total); err != nil {
		return err
	}
	var entries int64
	for _, customers := range ranges {
		n, err := r.readRange(customers, total)
		if err != nil {
			return err
		}
		entries += n
	}
	r.full <- r.batch
	check.missing, err = r.firstMissing(entries, total)
	return err
}

// readRange sends the customers of a range, then what happened to their holds,
// which has its places between their entries, then these, then what is stored
// about the outcome.
func (r *reader) readRange(customers customerRange, total int64) (entries int64, err error) {
	if err := r.readAll(r.customers, customers, total, r.readCustomer); err != nil {
		return 0, err
	}
	if err := r.readAll(r.holds, customers, total, r.readHold); err != nil {
		return 0, err
	}
	if err := r.readAll(r.holdEvents, customers, total, r.readHoldEvent); err != nil {
		return 0, err
	}
	if err := r.readAll(r.lotMarks, customers, total, r.readLotMark); err != nil {
		return 0, err
	}
	if entries, err = r.readEntries(customers, total); err != nil {
		return 0, err
	}
	if err := r.repeatedKeys(customers); err != nil {
		return 0, err
	}
	if err := r.readAll(r.shelved, customers, total, r.readShelved); err != nil {
		return 0, err
	}
	if err := r.readAll(r.notices, customers, total, r.readNotice); err != nil {
		return 0, err
	}
	if err := r.readAll(r.wallets, customers, total, r.readWallet); err != nil {
		return 0, err
	}
	if err := r.readAll(r.customerMarks, customers, total, r.readMark(stepCustomerMark)); err != nil {
		return 0, err
	}
	if err := r.readAll(r.walletMarks, customers, total, r.readMark(stepWalletMark)); err != nil {
		return 0, err
	}
	if err := r.readAll(r.audits, customers, total, r.readAudit); err != nil {
		return 0, err
	}
	if err := r.readAll(r.transfers, customers, total, r.readTransfer); err != nil {
		return 0, err
	}
	if err := r.readAll(r.bills, customers, total, r.readBilled); err != nil {
		return 0, err
	}
	r.batch.steps = append(r.batch.steps, stepEnd)
	return entries, nil
}

// readAll sends the rows of a cursor up to the end of a range.
func (r *reader) readAll(
	c *cursor, customers customerRange, total int64, send func(b *batch, stmt *sqlite.Stmt),
) error {
	for !c.done && c.customer <= customers.last {
		send(r.batch, c.stmt)
		if err := c.next(); err != nil {
			return err
		}
		if err := r.room(total); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) readCustomer(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepCustomer)
	row := &standing{
		freezes:   stmt.ColumnText(7),
		alerts:    stmt.ColumnText(11),
		updatedAt: stmt.ColumnInt64(8),
		position:  stmt.ColumnInt64(9),
		hash:      make([]byte, stmt.ColumnLen(10)),
	}
	stmt.ColumnBytes(10, row.hash)
	if row.position != 0 { // else no trail tells of the rest
		row.email, row.name = stmt.ColumnText(3), stmt.ColumnText(4)
		row.phone, row.metadata = stmt.ColumnText(5), stmt.ColumnText(6)
	}
	b.customers = append(b.customers, customerRow{
		no:       stmt.ColumnInt64(0),
		known:    true,
		tenant:   stmt.ColumnInt64(1),
		id:       stmt.ColumnText(2),
		standing: row,
	})
}

func (r *reader) readWallet(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepWallet)
	var w *walletRow
	b.wallets, w = grow(b.wallets)
	b.scanWallet(stmt, r.currencies, w)
}

func (r *reader) readMark(kind kind) func(b *batch, stmt *sqlite.Stmt) {
	return func(b *batch, stmt *sqlite.Stmt) {
		b.steps = append(b.steps, kind)
		m := markRow{customer: stmt.ColumnInt64(0), at: stmt.ColumnInt64(1), entry: stmt.ColumnInt64(2)}
		if kind == stepWalletMark {
			m.currency = r.currencies.name(stmt, 3)
		}
		b.marks = append(b.marks, m)
	}
}

// readEntries sends the entries of a range, in the order of commits.
func (r *reader) readEntries(customers customerRange, total int64) (entries int64, err error) {
	r.keys.reset()
	stmt, err := r.file.conn.Prepare(entryColumns + ` where customer between ? and ? order by no`)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stmt.Reset()) }()
	stmt.BindInt64(1, customers.first)
	stmt.BindInt64(2, customers.last)
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return entries, err
		}
		b := r.batch
		b.steps = append(b.steps, stepEntry)
		var e *entryRow
		b.entries, e = grow(b.entries)
		b.scan(stmt, r.currencies, e)
		r.keys.add(e)
		entries++
		if err := r.room(total); err != nil {
			return entries, err
		}
	}
}

// room hands a full batch on and takes an empty one.
func (r *reader) room(total int64) error {
	if !r.batch.full() {
		return nil
	}
	r.full <- r.batch
	return r.take(total)
}

func (r *reader) take(total int64) error {
	select {
	case r.batch = <-r.empty:
		r.batch.total = total
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// firstMissing is the lowest number that no entry has although a later one
// does, 0 when there is none.
func (r *reader) firstMissing(entries, total int64) (int64, error) {
	if entries == total {
		return 0, nil
	}
	return r.file.number(`
	select min(gap)
	  from (select 1 as gap
	         where not exists (select 1 from ledger_entries where no = 1)
	        union all
	        select e.no + 1
	          from ledger_entries e
	         where e.no < ?
	           and not exists (select 1 from ledger_entries n where n.no = e.no + 1))`, total)
}
