package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// runPostgres verifies a PostgreSQL database as of one moment, also while
// instances write to it.
//
// The rows of a customer lie together there, so they are read customer by
// customer, each table in the order of its key, and no range is cut. Entries
// have no numbers of their own and no links to the ones before: they are
// numbered as they are read, and the laws about links do not apply.
func runPostgres(ctx context.Context, options Options) (report Report, err error) {
	config, err := pgx.ParseConfig(options.DatabaseURL)
	if err != nil {
		return Report{}, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	// Texts are read as they are stored, whatever the role is set to.
	config.RuntimeParams["client_encoding"] = "UTF8"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Report{}, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return Report{}, err
	}
	r := &rowReader{ctx: ctx, tx: tx, batch: newBatch(), currencies: make(names)}
	if err := r.begin(); err != nil {
		return Report{}, err
	}
	// On Citus each worker has a moment of its own, all of them later than that
	// of the coordinator. What this has is only ever added to, so it is read
	// again, by a connection that sees it as it is now.
	late, err := pgx.ConnectConfig(ctx, conn.Config())
	if err != nil {
		return Report{}, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	tenants, err := readTenants(ctx, late)
	if err := errors.Join(err, late.Close(context.WithoutCancel(ctx))); err != nil {
		return Report{}, err
	}
	r.check = newChecker(tenants, options.Progress)
	r.check.unlinked, r.check.marked = true, true
	if r.check.reversed, err = r.readReversed(); err != nil {
		return Report{}, err
	}
	if err := r.read(); err != nil {
		return Report{}, err
	}
	if err := r.comparePairs(conn.Config()); err != nil {
		return Report{}, err
	}
	if err := readRowObjects(ctx, tx, r.check, owner{}); err != nil {
		return Report{}, err
	}
	report = r.check.report()
	if err := r.heads(options); err != nil {
		return Report{}, err
	}
	report.Findings = r.check.found.list()
	return report, nil
}

// begin fixes the moment that is verified. On Citus the one connection to each
// worker has a moment of its own, and a customer is on one worker as a whole.
func (r *rowReader) begin() error {
	// Time-outs that somebody has set for the role are not meant for this.
	const patience = `
	  select set_config(name, '0', true)
	    from pg_settings
	   where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`
	if _, err := r.tx.Exec(r.ctx, patience); err != nil {
		return err
	}
	var citus bool
	err := r.tx.QueryRow(r.ctx, `select exists (select from pg_extension where extname = 'citus')`).Scan(&citus)
	if err != nil {
		return err
	}
	if citus {
		if _, err := r.tx.Exec(r.ctx, `set local citus.max_adaptive_executor_pool_size = 1`); err != nil {
			return err
		}
	}
	return r.tx.QueryRow(r.ctx, `select count(*) from ledger_entries`).Scan(&r.batch.total)
}

func (r *rowReader) readReversed() (map[string]bool, error) {
	rows, err := r.tx.Query(r.ctx, reversedQuery)
	if err != nil {
		return nil, err
	}
	reversed := map[string]bool{}
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		reversed[id] = true
		return nil
	})
	return reversed, err
}

// rowReader reads the tables of a PostgreSQL database side by side.
type rowReader struct {
	ctx        context.Context
	tx         pgx.Tx
	check      *checker
	batch      *batch
	currencies names
	keys       keySet

	customers stream[customerLine]
	wallets   stream[walletLine]
	shelved   stream[shelvedLine]
	entries   stream[entryLine]
	audits    stream[auditLine]
	transfers stream[transferLine]
	holds     stream[holdLine]
	events    stream[holdEventLine]
	lotMarks  stream[lotMarkLine]
	notices   stream[noticeLine]
	bills     stream[billedLine]

	number  int64 // of the customer that is being read
	entryNo int64
}

// owner is whom a row belongs to: the first columns of every key.
type owner struct {
	id     string
	tenant int64
}

func (o owner) compare(other owner) int {
	return cmp.Or(strings.Compare(o.id, other.id), cmp.Compare(o.tenant, other.tenant))
}

type customerLine struct {
	owner
	standing standing
}

type walletLine struct {
	owner
	row walletRow
}

type entryLine struct {
	owner
	row entryRow
}

type auditLine struct {
	owner
	row auditRow
}

// fetchRows is how many rows are fetched from a table at a time.
const fetchRows = 1000

// stream is a table that is read row by row through a cursor of the server.
type stream[T any] struct {
	name string
	scan func(row pgx.CollectableRow) (T, error)
	rows []T
	done bool
}

// next returns the first row that was not taken, nil at the end.
func (s *stream[T]) next(ctx context.Context, tx pgx.Tx) (*T, error) {
	if len(s.rows) == 0 && !s.done {
		rows, err := tx.Query(ctx, fmt.Sprintf("fetch %d from %s", fetchRows, s.name))
		if err != nil {
			return nil, err
		}
		if s.rows, err = pgx.CollectRows(rows, s.scan); err != nil {
			return nil, err
		}
		s.done = len(s.rows) < fetchRows
	}
	if len(s.rows) == 0 {
		return nil, nil
	}
	return &s.rows[0], nil
}

func (s *stream[T]) take() { s.rows = s.rows[1:] }

func open[T any](r *rowReader, s *stream[T], name, query string, scan func(pgx.CollectableRow) (T, error)) error {
	*s = stream[T]{name: name, scan: scan}
	_, err := r.tx.Exec(r.ctx, "declare "+name+" no scroll cursor for "+query)
	return err
}

// The columns of each table begin with the key of the customer.
const (
	customerRowColumns = `
	select customer_id, tenant, email, name, phone_number, metadata, freezes, updated_at, audit_position, audit_hash, alerts
	  from customers`

	auditRowColumns = `
	select customer_id, tenant, position, id, action, key_id, address, before_state, after_state, reason, created_at, hash
	  from audit_entries`

	walletRowColumns = `
	select customer_id, tenant, currency, balance, held, seq, position, hash, updated_at, lots,
	       promotional_from, promotional_sum, paid_from, paid_sum, next_expiry, alerts, hold_number, hold_at, debt,
	       shelved_sum, lapsed_sum, lapsed_at, next_notice, next_notice_lot, notice_number
	  from wallets`

	entryRowColumns = `
	select customer_id, tenant, position, seq, is_credit, amount, before_balance, after_balance, available,
	       expires_at, created_at, currency, id, event_type, account, category, allocations, reason,
	       reference_object_id, metadata, idempotency_key, fingerprint, created_by, hash, reverses, alerts,
	       hold_id, held
	  from ledger_entries`

	transferRowColumns = `
	select customer_id, tenant, id, outgoing, other_id, state, currency, amount, position, entry_id, refusal, created_at,
	       updated_at
	  from transfers`
)

func (r *rowReader) read() error {
	r.keys.max = rangeWeight
	err := errors.Join(
		open(r, &r.holds, "holds_in_order", holdRowColumns+` order by customer_id, tenant, number`, scanHoldLine),
		open(r, &r.events, "hold_events_in_order", holdEventRowColumns+` order by customer_id, tenant, number`, scanHoldEventLine),
		open(r, &r.notices, "notices_in_order", noticeRowColumns+` order by customer_id, tenant, number`, scanNoticeLine),
		open(r, &r.bills, "bills_in_order", billedRowColumns+` where `+billedKinds+` order by customer_id, tenant, number`,
			scanBilledLine),
		open(r, &r.customers, "customers_in_order", customerRowColumns+` order by customer_id, tenant`, scanCustomerLine),
		open(r, &r.wallets, "wallets_in_order", walletRowColumns+` order by customer_id, tenant, currency`, r.scanWalletLine),
		open(r, &r.shelved, "wallet_lots_in_order", shelvedRowColumns+shelvedRowOrder, scanShelvedLine),
		open(r, &r.lotMarks, "lot_marks_in_order", lotMarkRowColumns+lotMarkRowOrder, scanLotMarkLine),
		open(r, &r.entries, "entries_in_order", entryRowColumns+` order by customer_id, tenant, position`, r.scanEntryLine),
		open(r, &r.audits, "audits_in_order", auditRowColumns+` order by customer_id, tenant, position`, scanAuditLine),
		open(r, &r.transfers, "transfers_in_order", transferRowColumns+` order by customer_id, tenant, id`, scanTransferLine),
	)
	for err == nil {
		var more bool
		if more, err = r.readOwner(); !more {
			break
		}
	}
	return err
}

// readOwner sends everything that belongs to the next customer.
func (r *rowReader) readOwner() (more bool, err error) {
	customer, err1 := r.customers.next(r.ctx, r.tx)
	wallet, err2 := r.wallets.next(r.ctx, r.tx)
	entry, err3 := r.entries.next(r.ctx, r.tx)
	audit, err4 := r.audits.next(r.ctx, r.tx)
	transfer, err5 := r.transfers.next(r.ctx, r.tx)
	hold, err6 := r.holds.next(r.ctx, r.tx)
	event, err7 := r.events.next(r.ctx, r.tx)
	shelved, err8 := r.shelved.next(r.ctx, r.tx)
	lotMark, err9 := r.lotMarks.next(r.ctx, r.tx)
	notice, err10 := r.notices.next(r.ctx, r.tx)
	billed, err11 := r.bills.next(r.ctx, r.tx)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11); err != nil {
		return false, err
	}
	var whose *owner
	candidates := []*owner{
		ownerOf(customer), ownerOfWallet(wallet), ownerOfEntry(entry), ownerOfAudit(audit), ownerOfTransfer(transfer),
		ownerOfHold(hold), ownerOfHoldEvent(event), ownerOfShelved(shelved), ownerOfLotMark(lotMark),
		ownerOfNotice(notice), ownerOfBilled(billed),
	}
	for _, candidate := range candidates {
		if candidate != nil && (whose == nil || candidate.compare(*whose) < 0) {
			whose = candidate
		}
	}
	if whose == nil {
		return false, nil
	}
	now := *whose
	r.number++
	row := customerRow{no: r.number, tenant: now.tenant, id: now.id}
	if customer != nil && customer.owner == now {
		row.known, row.standing = true, &customer.standing
		r.customers.take()
	}
	r.batch.steps = append(r.batch.steps, stepCustomer)
	r.batch.customers = append(r.batch.customers, row)
	if err := r.readHolds(now); err != nil {
		return false, err
	}
	if err := r.readLotMarks(now); err != nil {
		return false, err
	}
	if err := r.readEntries(now); err != nil {
		return false, err
	}
	if err := r.readShelved(now); err != nil {
		return false, err
	}
	if err := r.readNotices(now); err != nil {
		return false, err
	}
	if err := r.readWallets(now); err != nil {
		return false, err
	}
	if err := r.readAudits(now); err != nil {
		return false, err
	}
	if err := r.readTransfers(now); err != nil {
		return false, err
	}
	if err := r.readBills(now); err != nil {
		return false, err
	}
	r.batch.steps = append(r.batch.steps, stepEnd)
	r.hand()
	return true, nil
}

func ownerOf(line *customerLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

func ownerOfWallet(line *walletLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

func ownerOfEntry(line *entryLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

func ownerOfAudit(line *auditLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

// readEntries sends the entries of a customer, and the keys that several have.
func (r *rowReader) readEntries(now owner) error {
	r.keys.reset()
	for {
		line, err := r.entries.next(r.ctx, r.tx)
		if err != nil {
			return err
		}
		if line == nil || line.owner != now {
			break
		}
		r.entryNo++
		line.row.no, line.row.customer = r.entryNo, r.number
		r.keys.add(&line.row)
		r.batch.steps = append(r.batch.steps, stepEntry)
		r.batch.entries = append(r.batch.entries, line.row)
		r.entries.take()
		if r.batch.full() {
			r.hand()
		}
	}
	if r.keys.over {
		return errors.New("a customer has more keyed entries than fit into memory")
	}
	for _, key := range r.keys.repeated() {
		r.batch.steps = append(r.batch.steps, stepRepeatedKey)
		r.batch.keys = append(r.batch.keys, key)
	}
	return nil
}

func (r *rowReader) readWallets(now owner) error {
	for {
		line, err := r.wallets.next(r.ctx, r.tx)
		if err != nil || line == nil || line.owner != now {
			return err
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepWallet)
		r.batch.wallets = append(r.batch.wallets, line.row)
		r.wallets.take()
	}
}

func (r *rowReader) readAudits(now owner) error {
	for {
		line, err := r.audits.next(r.ctx, r.tx)
		if err != nil || line == nil || line.owner != now {
			return err
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepAudit)
		r.batch.audits = append(r.batch.audits, line.row)
		r.audits.take()
		if r.batch.full() {
			r.hand()
		}
	}
}

// hand has the rows checked that were read.
func (r *rowReader) hand() {
	r.check.batch(r.batch)
	r.batch.reset()
}
