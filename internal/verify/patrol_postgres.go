package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// rowMoments reads a PostgreSQL database.
type rowMoments struct {
	rowReader
	conn   *pgx.Conn
	citus  bool
	tables []rowTable
}

// rowTable is a table of which each row belongs to a customer.
type rowTable struct {
	query string
	next  owner // the first customer behind the one that was visited last
	state tableState
}

func openRows(ctx context.Context, url string) (moments, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	config.RuntimeParams["client_encoding"] = "UTF8"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	m := &rowMoments{conn: conn}
	m.restart()
	err = conn.QueryRow(ctx, `select exists (select from pg_extension where extname = 'citus')`).Scan(&m.citus)
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// begin begins a moment, which on Citus each worker has of its own: a customer is on
// one of them.
func (m *rowMoments) begin(ctx context.Context) (err error) {
	m.tx, err = m.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err == nil && m.citus {
		_, err = m.tx.Exec(ctx, `set local citus.max_adaptive_executor_pool_size = 1`)
	}
	return err
}

func (m *rowMoments) end() error {
	if m.tx == nil || m.conn.IsClosed() {
		return nil
	}
	err := m.tx.Rollback(context.Background())
	m.tx = nil
	return err
}

func (m *rowMoments) close() error { return m.conn.Close(context.Background()) }

func (m *rowMoments) restart() {
	m.tables = nil
	for _, table := range []string{
		"customers", "wallets", "wallet_lots", "ledger_entries", "audit_entries", "transfers", "holds", "hold_events",
		"objects", "object_events",
		"expiry_notices",
	} {
		m.tables = append(m.tables, rowTable{query: `
		  select customer_id, tenant
		    from ` + table + `
		   where (customer_id, tenant) > ($1, $2)
		   order by customer_id, tenant
		   limit 1`})
	}
}

func (m *rowMoments) newest(context.Context) (int64, error) { return 0, nil }

func (m *rowMoments) next(ctx context.Context, after whom) (next whom, found bool, err error) {
	next.no = 1 // each customer is checked alone
	for i := range m.tables {
		t := &m.tables[i]
		if t.state == tableUnread || t.state == tableStands && t.next.compare(after.owner) <= 0 {
			t.state = tableStands
			err := m.tx.QueryRow(ctx, t.query, after.id, after.tenant).Scan(&t.next.id, &t.next.tenant)
			if errors.Is(err, pgx.ErrNoRows) {
				t.state, err = tableEnded, nil
			}
			if err != nil {
				return next, false, err
			}
		}
		if t.state == tableStands && (!found || t.next.compare(next.owner) < 0) {
			next.owner, found = t.next, true
		}
	}
	return next, found, nil
}

// readTenants asks on a connection that sees them as they are now.
func (m *rowMoments) readTenants(ctx context.Context) (*tenants, error) {
	late, err := pgx.ConnectConfig(ctx, m.conn.Config())
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	tenants, err := readTenants(ctx, late)
	return tenants, errors.Join(err, late.Close(context.WithoutCancel(ctx)))
}

const ofCustomer = ` where customer_id = $1 and tenant = $2`

func (m *rowMoments) customer(ctx context.Context, w whom) (customerRow, error) {
	row := customerRow{no: w.no, tenant: w.tenant, id: w.id}
	found, err := lines(ctx, m.tx, scanCustomerLine, customerRowColumns+ofCustomer, w.id, w.tenant)
	if err == nil && len(found) > 0 {
		row.known, row.standing = true, &found[0].standing
	}
	return row, err
}

// lines reads all rows of a query.
func lines[T any](
	ctx context.Context, tx pgx.Tx, scan func(pgx.CollectableRow) (T, error), query string, args ...any,
) ([]T, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func (m *rowMoments) reversed(ctx context.Context, w whom) (map[string]bool, error) {
	ids, err := lines(ctx, m.tx, pgx.RowTo[string], reversedQuery+` and customer_id = $1 and tenant = $2`, w.id, w.tenant)
	reversed := make(map[string]bool, len(ids))
	for _, id := range ids {
		reversed[id] = true
	}
	return reversed, err
}

func (m *rowMoments) entries(ctx context.Context, b *batch, v *visit, count int) (more bool, err error) {
	read, err := lines(ctx, m.tx, m.scanEntryLine, entryRowColumns+ofCustomer+` and position > $3 order by position limit $4`,
		v.whom.id, v.whom.tenant, v.position, count)
	for i := range read {
		e := read[i].row
		e.no, e.customer = v.entries+int64(i)+1, v.whom.no
		b.entries = append(b.entries, e)
	}
	return len(read) == count, err
}

func (m *rowMoments) holds(ctx context.Context, s *sender, w whom, above, upTo int64) error {
	const where = ofCustomer + ` and number > $3 and number <= $4 order by number`
	read, err := lines(ctx, m.tx, scanHoldLine, holdRowColumns+where, w.id, w.tenant, above, upTo)
	for _, line := range read {
		line.row.customer = w.no
		s.batch.steps, s.batch.holds = append(s.batch.steps, stepHold), append(s.batch.holds, line.row)
		s.sent()
	}
	return err
}

func (m *rowMoments) events(ctx context.Context, v *visit, count int) (events []holdEventRow, err error) {
	const where = ofCustomer + ` and number > $3 order by number limit $4`
	read, err := lines(ctx, m.tx, scanHoldEventLine, holdEventRowColumns+where, v.whom.id, v.whom.tenant, v.event, count)
	for _, line := range read {
		line.row.customer = v.whom.no
		events = append(events, line.row)
	}
	return events, err
}

func (m *rowMoments) rest(ctx context.Context, s *sender, w whom) (transfers bool, err error) {
	wallets, err := lines(ctx, m.tx, m.scanWalletLine, walletRowColumns+ofCustomer+` order by currency`, w.id, w.tenant)
	if err != nil {
		return false, err
	}
	shelved, err := lines(ctx, m.tx, scanShelvedLine, shelvedRowColumns+ofCustomer+shelvedRowOrder, w.id, w.tenant)
	if err != nil {
		return false, err
	}
	b := s.batch
	for _, line := range shelved {
		line.row.customer = w.no
		b.steps, b.shelved = append(b.steps, stepShelved), append(b.shelved, line.row)
		s.sent()
	}
	if err := m.notices(ctx, s, w); err != nil {
		return false, err
	}
	for _, line := range wallets {
		line.row.customer = w.no
		b.steps, b.wallets = append(b.steps, stepWallet), append(b.wallets, line.row)
	}
	audits, err := lines(ctx, m.tx, scanAuditLine, auditRowColumns+ofCustomer+` order by position`, w.id, w.tenant)
	if err != nil {
		return false, err
	}
	for _, line := range audits {
		line.row.customer = w.no
		b.steps, b.audits = append(b.steps, stepAudit), append(b.audits, line.row)
		s.sent()
	}
	if err := m.bills(ctx, s, w); err != nil {
		return false, err
	}
	rows, err := lines(ctx, m.tx, scanTransferLine, transferRowColumns+ofCustomer+` order by id`, w.id, w.tenant)
	for _, line := range rows {
		line.row.customer = w.no
		b.steps, b.transfers = append(b.steps, stepTransfer), append(b.transfers, line.row)
		s.sent()
	}
	if err != nil {
		return false, err
	}
	return len(rows) > 0, readRowObjects(ctx, m.tx, s.check, w.owner)
}

// notices sends those of a customer.
func (m *rowMoments) notices(ctx context.Context, s *sender, w whom) error {
	read, err := lines(ctx, m.tx, scanNoticeLine, noticeRowColumns+ofCustomer+` order by number`, w.id, w.tenant)
	for _, line := range read {
		line.row.customer = w.no
		s.batch.steps, s.batch.notices = append(s.batch.steps, stepNotice), append(s.batch.notices, line.row)
		s.sent()
	}
	return err
}

// bills sends what money moves for of a customer.
func (m *rowMoments) bills(ctx context.Context, s *sender, w whom) error {
	rows, err := m.tx.Query(ctx, billedRowColumns+ofCustomer+` and `+billedKinds+` order by number`, w.id, w.tenant)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		line, err := scanBilledLine(rows)
		if err != nil {
			return err
		}
		line.row.customer = w.no
		s.batch.steps, s.batch.billed = append(s.batch.steps, stepBilled), append(s.batch.billed, line.row)
		s.sent()
	}
	return rows.Err()
}

// pairs reads the customer's own rows before those at the other ends: on Citus these
// are seen later, and what the first say of them stays true.
func (m *rowMoments) pairs(ctx context.Context, w whom, p *pairs, after string, count int) (last string, err error) {
	var both []transferRow
	add := func(t transferRow) { both = append(both, t) }
	const mine = pairColumns + ofCustomer + ` and id > $3 order by id limit $4`
	if err := eachPairRow(ctx, m.tx, add, mine, w.id, w.tenant, after, count); err != nil || len(both) == 0 {
		return "", err
	}
	own := map[string]transferRow{}
	var ids, others []string
	for _, t := range both {
		own[t.id], last = t, t.id
		ids, others = append(ids, t.id), append(others, t.otherID)
	}
	add = func(t transferRow) {
		if mine := own[t.id]; t.customerID == mine.otherID && t.outgoing != mine.outgoing {
			both = append(both, t)
		}
	}
	const theirs = pairColumns + ` where customer_id = any($1) and tenant = $2 and id = any($3)`
	err = eachPairRow(ctx, m.tx, add, theirs, others, w.tenant, ids)
	p.addAll(both)
	return last, err
}
