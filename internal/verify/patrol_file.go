package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// fileMoments reads a ledger file that a server has open.
type fileMoments struct {
	reader
	tables []fileTable
}

// fileTable is a table of which each row belongs to a customer. Entries are none
// of them: no index leads from a customer to these, they are found by the links
// that the round counts.
type fileTable struct {
	query string
	next  int64 // the first customer behind the one that was visited last
	state tableState
}

// tableState says what is known of the next customer in a table.
type tableState uint8

const (
	tableUnread tableState = iota
	tableStands
	tableEnded
)

// patrolCacheKiB bounds the page cache of a patrol, which comes back to no page.
const patrolCacheKiB = 4096

func openMoments(ctx context.Context, path string) (moments, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, fileName)
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	conn, err := prepared(ctx, path, sqlite.OpenReadOnly, patrolCacheKiB)
	if err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", path, err)
	}
	m := &fileMoments{}
	m.file, m.currencies = &file{conn: conn, path: path}, make(names)
	m.restart()
	return m, nil
}

func (m *fileMoments) begin(ctx context.Context) error {
	m.file.conn.SetInterrupt(ctx.Done())
	return sqlitex.Execute(m.file.conn, "begin", nil)
}

func (m *fileMoments) end() error {
	m.file.conn.SetInterrupt(nil)
	if m.file.conn.AutocommitEnabled() {
		return nil // the engine has ended it, or it never began
	}
	return sqlitex.Execute(m.file.conn, "rollback", nil)
}

func (m *fileMoments) close() error {
	m.file.conn.SetInterrupt(nil)
	return m.file.conn.Close()
}

func (m *fileMoments) restart() {
	m.tables = []fileTable{{query: `select no from customers where no > ? order by no limit 1`}}
	for _, table := range []string{
		"wallets", "wallet_lots", "customer_marks", "wallet_marks", "audit_entries", "transfers", "holds", "hold_events",
		"objects", "object_events",
		"expiry_notices",
	} {
		query := `select customer from ` + table + ` where customer > ? order by customer limit 1`
		m.tables = append(m.tables, fileTable{query: query})
	}
}

func (m *fileMoments) newest(context.Context) (int64, error) {
	return m.file.number(`select max(no) from ledger_entries`)
}

func (m *fileMoments) next(_ context.Context, after whom) (next whom, found bool, err error) {
	for i := range m.tables {
		t := &m.tables[i]
		if t.state == tableUnread || t.state == tableStands && t.next <= after.no {
			t.state = tableEnded
			err := m.each(t.query, func(stmt *sqlite.Stmt) { t.state, t.next = tableStands, stmt.ColumnInt64(0) }, after.no)
			if err != nil {
				return next, false, err
			}
		}
		if t.state == tableStands && (!found || t.next < next.no) {
			next.no, found = t.next, true
		}
	}
	return next, found, nil
}

// each calls row with each row of a query.
func (m *fileMoments) each(query string, row func(stmt *sqlite.Stmt), args ...any) error {
	return sqlitex.Execute(m.file.conn, query, &sqlitex.ExecOptions{
		Args:       args,
		ResultFunc: func(stmt *sqlite.Stmt) error { row(stmt); return nil },
	})
}

// send sends each row of a query, and says how many there were.
func (m *fileMoments) send(
	s *sender, query string, read func(b *batch, stmt *sqlite.Stmt), args ...any,
) (rows int, err error) {
	err = m.each(query, func(stmt *sqlite.Stmt) {
		read(s.batch, stmt)
		rows++
		s.sent()
	}, args...)
	return rows, err
}

func (m *fileMoments) readTenants(context.Context) (*tenants, error) { return m.file.readTenants() }

func (m *fileMoments) customer(_ context.Context, w whom) (row customerRow, err error) {
	row.no = w.no
	err = m.each(customerColumns+` where no = ?`, func(stmt *sqlite.Stmt) {
		var b batch
		m.readCustomer(&b, stmt)
		row = b.customers[0]
	}, w.no)
	return row, err
}

func (m *fileMoments) reversed(_ context.Context, w whom) (map[string]bool, error) {
	reversed := map[string]bool{}
	err := m.each(reversedQuery+` and customer = ?`, func(stmt *sqlite.Stmt) {
		reversed[stmt.ColumnText(0)] = true
	}, w.no)
	return reversed, err
}

// errNoMark says that a customer has entries behind a place where a mark belongs,
// and none is there.
var errNoMark = errors.New("the chain of the entries has no mark")

// entries walks back from the mark at the end of the piece, or from the last entry
// where there is none yet. Where a link does not lead back, the piece begins: what
// it does not go on from is a finding of the checker.
func (m *fileMoments) entries(_ context.Context, b *batch, v *visit, count int) (more bool, err error) {
	const mark = `select entry from customer_marks where customer = ? and position = ?`
	no, err := m.file.number(mark, v.whom.no, v.position+int64(count))
	if err != nil {
		return false, err
	}
	if more = no > v.last; !more {
		no, err = m.file.number(`select max(last_entry) from wallets where customer = ?`, v.whom.no)
	}
	for err == nil && no > v.last {
		if len(b.entries) == count {
			return false, errNoMark
		}
		e, from := (*entryRow)(nil), no
		err = m.each(entryColumns+` where no = ? and customer = ?`, func(stmt *sqlite.Stmt) {
			b.entries, e = grow(b.entries)
			b.scan(stmt, m.currencies, e)
			no = e.previous
		}, no, v.whom.no)
		if e == nil || no >= from {
			break
		}
	}
	slices.Reverse(b.entries)
	return more && len(b.entries) > 0, err
}

func (m *fileMoments) holds(_ context.Context, s *sender, w whom, above, upTo int64) error {
	const where = ` where customer = ? and number > ? and number <= ? order by number`
	_, err := m.send(s, holdColumns+where, m.readHold, w.no, above, upTo)
	return err
}

func (m *fileMoments) events(_ context.Context, v *visit, count int) ([]holdEventRow, error) {
	var b batch
	const where = ` where customer = ? and number > ? order by number limit ?`
	err := m.each(holdEventColumns+where, func(stmt *sqlite.Stmt) { m.readHoldEvent(&b, stmt) },
		v.whom.no, v.event, count)
	return b.events, err
}

func (m *fileMoments) rest(ctx context.Context, s *sender, w whom) (transfers bool, err error) {
	var rows int
	for _, table := range []struct {
		query string
		read  func(b *batch, stmt *sqlite.Stmt)
	}{
		{shelvedColumns + ` where customer = ?` + shelvedOrder, m.readShelved},
		{noticeColumns + ` where customer = ? order by number`, m.readNotice},
		{walletColumns + ` where customer = ? order by currency`, m.readWallet},
		{customerMarkColumns + ` where customer = ? order by position`, m.readMark(stepCustomerMark)},
		{walletMarkColumns + ` where customer = ? order by currency, seq`, m.readMark(stepWalletMark)},
		{auditColumns + ` where customer = ? order by position`, m.readAudit},
		{billedColumns + ` where customer = ? and ` + billedKinds + ` order by number`, m.readBilled},
		{transferColumns + ` where customer = ? order by id`, m.readTransfer},
	} {
		if rows, err = m.send(s, table.query, table.read, w.no); err != nil {
			return false, err
		}
	}
	return rows > 0, m.file.readObjects(ctx, s.check, w.no)
}

func (m *fileMoments) pairs(_ context.Context, w whom, p *pairs, after string, count int) (last string, err error) {
	var own, both []transferRow
	read := func(rows *[]transferRow) func(stmt *sqlite.Stmt) {
		return func(stmt *sqlite.Stmt) { *rows = append(*rows, scanPairRow(stmt)) }
	}
	const mine = filePairColumns + ` where r.customer = ? and r.id > ? order by r.id limit ?`
	if err := m.each(mine, read(&own), w.no, after, count); err != nil {
		return "", err
	}
	const others = filePairColumns + ` where c.tenant = ? and c.id = ? and r.id = ? and r.outgoing <> ?`
	for _, t := range own {
		last, both = t.id, append(both, t)
		if err := m.each(others, read(&both), t.tenant, t.otherID, t.id, t.outgoing); err != nil {
			return "", err
		}
	}
	p.addAll(both)
	return last, nil
}
