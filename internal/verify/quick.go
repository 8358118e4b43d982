package verify

import (
	"cmp"
	"maps"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// quick checks the newest entries in bounded time.
type quick struct {
	file  *file
	check *checker
	batch *batch
	stmt  *sqlite.Stmt
	rows  map[int64]*entryRow // by no, nil for one that does not exist

	currencies names

	// newest is the last entry of each wallet that was touched.
	newest map[walletKey]*entryRow
}

type walletKey struct {
	customer int64
	currency string
}

// runQuick checks shape, arithmetic, hash and links of the newest entries, and
// the rows of the wallets that they belong to. It knows the lots of a wallet
// only as far as their sum.
func runQuick(f *file, options Options) (Report, error) {
	tenants, err := f.readTenants()
	if err != nil {
		return Report{}, err
	}
	count := int64(options.QuickEntries)
	if count <= 0 {
		count = quickEntriesDefault
	}
	last, err := f.number(`select max(no) from ledger_entries`)
	if err != nil {
		return Report{}, err
	}
	q := &quick{
		file:       f,
		check:      newChecker(tenants, nil),
		batch:      newBatch(),
		rows:       make(map[int64]*entryRow),
		currencies: make(names),
		newest:     make(map[walletKey]*entryRow),
	}
	if q.stmt, err = f.conn.Prepare(entryColumns + ` where no = ?`); err != nil {
		return Report{}, err
	}
	for no := max(1, last-count+1); no <= last; no++ {
		if err := q.entry(no); err != nil {
			return Report{}, err
		}
	}
	if err := q.wallets(); err != nil {
		return Report{}, err
	}
	return q.check.report(), nil
}

// row reads an entry, once.
func (q *quick) row(no int64) (_ *entryRow, err error) {
	if e, ok := q.rows[no]; ok {
		return e, nil
	}
	if len(q.batch.text) > batchText/2 {
		q.batch.text = make([]byte, 0, batchText) // the rows keep the old one
	}
	q.stmt.BindInt64(1, no)
	found, err := q.stmt.Step()
	if err != nil {
		return nil, err
	}
	var e *entryRow
	if found {
		e = new(entryRow)
		q.batch.scan(q.stmt, q.currencies, e)
	}
	q.rows[no] = e
	return e, q.stmt.Reset()
}

func (q *quick) entry(no int64) error {
	e, err := q.row(no)
	if err != nil {
		return err
	}
	c := q.check
	if e == nil {
		if c.missing == 0 {
			c.missing = no
		}
		return nil
	}
	owner, err := q.owner(e.customer)
	if err != nil {
		return err
	}
	where := owner.where(e.currency, e.position)
	where.No, where.Entry = e.no, string(e.id)
	report := func(law Law, format string, args ...any) { c.found.add(law, where, format, args...) }

	book := &walletBook{currency: e.currency, sides: new(sides)}
	if err := q.before(owner, book, e, report); err != nil {
		return err
	}
	if e.allocations, e.decodes = decodeParts(nil, e.lots); !e.decodes {
		report(LawImmutable, "the allocations do not decode")
	}
	c.entries++
	c.checkShape(owner, e, report)
	checkNumbers(owner, book, e, report)
	checkLinks(owner, book, e, report)
	checkAmounts(book, e, report)
	checkAccount(book, e, report)
	c.checkChain(owner, e, report)
	q.newest[walletKey{customer: e.customer, currency: e.currency}] = e
	return nil
}

// owner reads a customer, once.
func (q *quick) owner(no int64) (*customer, error) {
	if owner, ok := q.check.customers[no]; ok {
		return owner, nil
	}
	row := customerRow{no: no}
	const query = `select tenant, id from customers where no = ?`
	err := sqlitex.Execute(q.file.conn, query, &sqlitex.ExecOptions{
		Args: []any{no},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			row.known, row.tenant, row.id = true, stmt.ColumnInt64(0), stmt.ColumnText(1)
			return nil
		},
	})
	return q.check.begin(row), err
}

// before puts customer and wallet to where they stood before an entry, by the
// entries that it is linked to.
func (q *quick) before(owner *customer, book *walletBook, e *entryRow, report reporter) error {
	previous, err := q.row(e.previous)
	if err != nil {
		return err
	}
	owner.last = lastEntry{}
	switch {
	case e.previous == 0:
	case previous == nil || previous.customer != e.customer:
		report(LawListing, "previous is entry number %d, which is no entry of this customer", e.previous)
	default:
		owner.last = previous.end()
	}
	walletPrevious, err := q.row(e.walletPrevious)
	if err != nil {
		return err
	}
	switch {
	case e.walletPrevious == 0:
	case walletPrevious == nil || walletPrevious.customer != e.customer || walletPrevious.currency != e.currency:
		report(LawListing, "wallet_previous is entry number %d, which is no entry of this wallet", e.walletPrevious)
	default:
		book.last = walletPrevious.end()
		book.seq, book.balance = walletPrevious.seq, walletPrevious.after
	}
	return nil
}

// end is what the next entry is linked to.
func (e *entryRow) end() lastEntry {
	end := lastEntry{no: e.no, position: e.position, createdAt: e.createdAt}
	copy(end.hash[:], e.hash)
	return end
}

// wallets checks the rows of the wallets that were touched, in the order of
// their last entries.
func (q *quick) wallets() error {
	touched := slices.SortedFunc(maps.Values(q.newest), func(a, b *entryRow) int { return cmp.Compare(a.no, b.no) })
	for _, e := range touched {
		if err := q.wallet(e); err != nil {
			return err
		}
	}
	return nil
}

func (q *quick) wallet(e *entryRow) error {
	owner, err := q.owner(e.customer)
	if err != nil {
		return err
	}
	c := q.check
	where := owner.where(e.currency, e.position)
	where.No, where.Entry = e.no, string(e.id)
	report := func(law Law, format string, args ...any) { c.found.add(law, where, format, args...) }
	found := false
	const query = walletColumns + ` where customer = ? and currency = ?`
	err = sqlitex.Execute(q.file.conn, query, &sqlitex.ExecOptions{
		Args: []any{e.customer, e.currency},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			found = true
			c.wallets++
			var w walletRow
			q.batch.scanWallet(stmt, q.currencies, &w)
			book := &walletBook{currency: e.currency, seq: e.seq, balance: e.after, sum: sumOf(e.after), last: e.end()}
			if book.holds, err = q.holds(e); err != nil {
				return err
			}
			checkWalletEnd(&w, book, report)
			checkWalletLink(&w, book, report)
			if stored, ok := checkWalletSums(&w, report); ok {
				var next int64
				if len(stored) > 0 {
					next = stored[0].expiresAt
				}
				checkNextExpiry(&w, next, report)
			}
			return nil
		},
	})
	if err == nil && !found {
		report(LawBalance, "the wallet has entries and no row in wallets")
	}
	return err
}

// holds is what the holds of an entry's wallet make of its row.
func (q *quick) holds(e *entryRow) (h walletHolds, err error) {
	const query = `
	  select coalesce((select sum(amount - captured - released)
	                     from holds
	                    where customer = ?1 and currency = ?2 and state = 'active'), 0),
	         coalesce(max(e.number), 0),
	         coalesce(max(e.created_at), 0)
	    from holds h
	    join hold_events e on e.customer = h.customer and e.hold = h.number
	   where h.customer = ?1 and h.currency = ?2`
	err = sqlitex.Execute(q.file.conn, query, &sqlitex.ExecOptions{
		Args: []any{e.customer, e.currency},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			h = walletHolds{held: stmt.ColumnInt64(0), number: stmt.ColumnInt64(1), at: stmt.ColumnInt64(2)}
			return nil
		},
	})
	return h, err
}
