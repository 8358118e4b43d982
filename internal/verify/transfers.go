package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// transfersAccount is the account that money is in between two customers.
const transfersAccount = "transfers"

// transferRow is a raw row of transfers.
type transferRow struct {
	customer  int64
	id        string
	outgoing  bool
	otherID   string
	state     string
	currency  string
	amount    int64
	position  int64
	entryID   string
	refusal   string
	createdAt int64
	updatedAt int64
	misfit    string // the column that is not stored as it should be

	// For pairs of rows, which are met without their customers.
	tenant     int64
	customerID string
}

const transferColumns = `
	select customer,
	       id,
	       outgoing,
	       other_id,
	       state,
	       currency,
	       amount,
	       position,
	       entry_id,
	       refusal,
	       created_at,
	       updated_at
	  from transfers`

const transferShape shape = "ititttii" + "ttii"

func (r *reader) readTransfer(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepTransfer)
	b.transfers = append(b.transfers, transferRow{
		misfit:    transferShape.misfit(stmt),
		customer:  stmt.ColumnInt64(0),
		id:        stmt.ColumnText(1),
		outgoing:  stmt.ColumnBool(2),
		otherID:   stmt.ColumnText(3),
		state:     stmt.ColumnText(4),
		currency:  stmt.ColumnText(5),
		amount:    stmt.ColumnInt64(6),
		position:  stmt.ColumnInt64(7),
		entryID:   stmt.ColumnText(8),
		refusal:   stmt.ColumnText(9),
		createdAt: stmt.ColumnInt64(10),
		updatedAt: stmt.ColumnInt64(11),
	})
}

// legs is what the entries of one customer say about one transfer.
type legs struct {
	currency   string
	mixed      bool  // several currencies, or more than one debit
	out        int64 // debited
	in         int64 // credited
	back       int64 // given back to the lots of the debit
	firstID    string
	position   int64 // of the first entry
	createdAt  int64 // of the first entry
	returnedAt int64
}

// leg adds an entry that counts against the account of transfers, which names its
// transfer by its reference.
func (o *customer) leg(e *entryRow) {
	if o.legs == nil {
		o.legs = map[string]*legs{}
	}
	l := o.legs[string(e.reference)]
	if l == nil {
		l = &legs{currency: e.currency, firstID: string(e.id), position: e.position, createdAt: e.createdAt}
		o.legs[string(e.reference)] = l
	}
	l.mixed = l.mixed || l.currency != e.currency || !e.isCredit && l.position != e.position
	switch {
	case e.reverses != nil:
		l.back += e.amount
		l.returnedAt = e.createdAt
	case e.isCredit:
		l.in += e.amount
	default:
		l.out += e.amount
	}
}

// transfer compares a customer's row of a transfer with the entries (law M1).
func (c *checker) transfer(owner *customer, t *transferRow) {
	where := owner.where(t.currency, t.position)
	where.Entry = t.entryID
	report := func(format string, args ...any) {
		c.found.add(LawDoubleEntry, where, "transfer "+t.id+": "+format, args...)
	}
	if t.misfit != "" {
		c.found.add(LawImmutable, where, "%s of transfer %s is stored as another type", t.misfit, t.id)
	}
	l := owner.legs[t.id]
	delete(owner.legs, t.id)
	if l == nil {
		l = &legs{currency: t.currency}
	}
	want := legs{currency: t.currency, firstID: t.entryID, position: t.position, createdAt: t.createdAt}
	known := true
	switch {
	case t.outgoing && (t.state == "in_transit" || t.state == "completed"):
		want.out = t.amount
	case t.outgoing && t.state == "returned":
		want.out, want.back, want.returnedAt = t.amount, t.amount, t.updatedAt
	case !t.outgoing && t.state == "completed":
		want.in = t.amount
	case !t.outgoing && t.state == "refused":
		want.createdAt = 0
	default:
		known = false
	}
	switch {
	case !known:
		report("it is %s, which such a row cannot be", t.state)
	case (t.refusal != "") != (t.state == "returned" || t.state == "refused"):
		report("it is %s, with the refusal %q", t.state, t.refusal)
	case *l != want:
		report("as %s it has taken %d, given %d and given back %d from position %d on, by its entries %d, %d and %d from position %d on",
			t.state, want.out, want.in, want.back, want.position, l.out, l.in, l.back, l.position)
	case t.updatedAt < t.createdAt, !t.outgoing && t.updatedAt != t.createdAt, t.state == "in_transit" && t.updatedAt != t.createdAt:
		report("it is of %d and was changed at %d", t.createdAt, t.updatedAt)
	case t.outgoing && (len(t.entryID) < 4 || t.id != "trf_"+t.entryID[4:]):
		report("its id is not that of entry %s, which began it", t.entryID)
	}
}

// finishLegs reports what the rows did not speak of.
func (c *checker) finishLegs(owner *customer) {
	for id, l := range owner.legs {
		c.found.add(LawDoubleEntry, owner.where(l.currency, l.position), "counts against transfers, and there is no transfer %q", id)
	}
}

// pairs compares the rows of transfers at the two customers with each other, in
// the order of their ids, and adds up what is in transit by them.
type pairs struct {
	sent    *transferRow // whose other row may be the next
	transit map[sumKey]*total
	broken  []brokenPair
}

type brokenPair struct {
	row     transferRow
	message string
}

// brokenMax is how many broken pairs are remembered.
const brokenMax = 1000

func newPairs() *pairs { return &pairs{transit: map[sumKey]*total{}} }

// add takes the next row; of the two with one id the outgoing one comes first.
func (p *pairs) add(t transferRow) {
	key := sumKey{tenant: t.tenant, currency: t.currency}
	if p.transit[key] == nil {
		p.transit[key] = new(total)
	}
	if t.outgoing {
		p.end()
		p.sent = &t
		if t.state != "returned" {
			p.transit[key].add(t.amount)
		}
		return
	}
	if t.state == "completed" {
		p.transit[key].add(-t.amount)
	}
	sent := p.sent
	p.sent = nil
	switch {
	case sent == nil || sent.id != t.id:
		p.sent = sent
		p.end()
		p.fail(t, "nobody has sent it")
	case sent.tenant != t.tenant || sent.otherID != t.customerID || t.otherID != sent.customerID ||
		sent.currency != t.currency || sent.amount != t.amount:
		p.fail(t, "its two rows do not agree")
	case sent.state == "completed" && t.state != "completed", sent.state == "returned" && t.state != "refused":
		p.fail(*sent, fmt.Sprintf("it is %s, and %s at its destination", sent.state, t.state))
	case sent.state == "returned" && sent.refusal != t.refusal:
		p.fail(*sent, "its two rows do not agree on why it was refused")
	}
}

// end closes an outgoing row to which no other belongs.
func (p *pairs) end() {
	if p.sent != nil && p.sent.state != "in_transit" {
		p.fail(*p.sent, fmt.Sprintf("it is %s, and its destination knows nothing of it", p.sent.state))
	}
	p.sent = nil
}

func (p *pairs) fail(t transferRow, message string) {
	if len(p.broken) < brokenMax {
		p.broken = append(p.broken, brokenPair{t, message})
	}
}

func (p *pairs) ids() (ids []string) {
	for _, b := range p.broken {
		ids = append(ids, b.row.id)
	}
	return ids
}

// brokenPairs adds what is wrong with pairs of rows (law M1).
func (c *checker) brokenPairs(broken []brokenPair) {
	for _, b := range broken {
		owner := c.tenants.byNo[b.row.tenant]
		where := Finding{
			BusinessID: owner.businessID, Mode: owner.mode, CustomerID: b.row.customerID, Currency: b.row.currency,
			Position: b.row.position, Entry: b.row.entryID,
		}
		c.found.add(LawDoubleEntry, where, "transfer %s: %s", b.row.id, b.message)
	}
}

// pairs adds what is wrong with pairs of rows, and compares the account of
// transfers with what is in transit by the rows (law M1).
func (c *checker) pairs(p *pairs, broken []brokenPair) {
	c.brokenPairs(broken)
	place := slices.Index(accounts[:], transfersAccount)
	for key, both := range c.sums {
		var transit total
		if sum := p.transit[key]; sum != nil {
			transit = *sum
		}
		if both.accounts[place] != transit {
			owner := c.tenants.byNo[key.tenant]
			where := Finding{BusinessID: owner.businessID, Mode: owner.mode, Currency: key.currency}
			c.found.add(LawDoubleEntry, where, "account transfers holds %s, and %s is in transit", both.accounts[place], transit)
		}
	}
}

const filePairColumns = `
	select c.tenant, c.id, r.id, r.outgoing, r.other_id, r.state, r.currency, r.amount, r.position, r.entry_id, r.refusal
	  from transfers r
	  left join customers c on c.no = r.customer`

func scanPairRow(stmt *sqlite.Stmt) transferRow {
	return transferRow{
		tenant: stmt.ColumnInt64(0), customerID: stmt.ColumnText(1), id: stmt.ColumnText(2), outgoing: stmt.ColumnBool(3),
		otherID: stmt.ColumnText(4), state: stmt.ColumnText(5), currency: stmt.ColumnText(6), amount: stmt.ColumnInt64(7),
		position: stmt.ColumnInt64(8), entryID: stmt.ColumnText(9), refusal: stmt.ColumnText(10),
	}
}

// addAll adds rows in their order.
func (p *pairs) addAll(rows []transferRow) {
	slices.SortStableFunc(rows, func(a, b transferRow) int {
		return cmp.Or(strings.Compare(a.id, b.id), compareBools(b.outgoing, a.outgoing))
	})
	for _, t := range rows {
		p.add(t)
	}
	p.end()
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// readPairs runs after all else, in the same moment.
func (f *file) readPairs(ctx context.Context) (*pairs, error) {
	p := newPairs()
	err := sqlitex.ExecuteTransient(f.conn, filePairColumns+` order by r.id, r.outgoing desc`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			p.add(scanPairRow(stmt))
			return ctx.Err()
		},
	})
	p.end()
	return p, err
}

const pairColumns = `
	select tenant, customer_id, id, outgoing, other_id, state, currency, amount, position, entry_id, refusal
	  from transfers`

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readPairs reads all pairs of rows, or those with the given ids.
func readPairs(ctx context.Context, q querier, ids []string) (*pairs, error) {
	p := newPairs()
	const where = ` where $1::text[] is null or id = any($1) order by id, outgoing desc`
	err := eachPairRow(ctx, q, p.add, pairColumns+where, ids)
	p.end()
	return p, err
}

// eachPairRow calls row with each row of a query of pairColumns.
func eachPairRow(ctx context.Context, q querier, row func(transferRow), query string, args ...any) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	var t transferRow
	_, err = pgx.ForEachRow(rows, []any{
		&t.tenant, &t.customerID, &t.id, &t.outgoing, &t.otherID, &t.state, &t.currency, &t.amount, &t.position, &t.entryID,
		&t.refusal,
	}, func() error {
		row(t)
		return nil
	})
	return err
}

// comparePairs checks the pairs. On Citus each worker has a moment of its own, so
// that one row of a pair may be seen as it was before the other. What a row says
// was true of the other before it, and stays true; so what looks broken is read
// again, and counts if it looks so then.
func (r *rowReader) comparePairs(config *pgx.ConnConfig) error {
	p, err := readPairs(r.ctx, r.tx, nil)
	if err != nil || len(p.broken) == 0 {
		r.check.pairs(p, nil)
		return err
	}
	late, err := pgx.ConnectConfig(r.ctx, config)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	again, err := readPairs(r.ctx, late, p.ids())
	r.check.pairs(p, again.broken)
	return errors.Join(err, late.Close(context.WithoutCancel(r.ctx)))
}

type transferLine struct {
	owner
	row transferRow
}

func scanTransferLine(row pgx.CollectableRow) (line transferLine, err error) {
	t := &line.row
	var createdAt, updatedAt time.Time
	err = row.Scan(&line.id, &line.tenant, &t.id, &t.outgoing, &t.otherID, &t.state, &t.currency, &t.amount, &t.position,
		&t.entryID, &t.refusal, &createdAt, &updatedAt)
	t.createdAt, t.updatedAt = createdAt.UnixMicro(), updatedAt.UnixMicro()
	return line, err
}

func ownerOfTransfer(line *transferLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

func (r *rowReader) readTransfers(now owner) error {
	for {
		line, err := r.transfers.next(r.ctx, r.tx)
		if err != nil || line == nil || line.owner != now {
			return err
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepTransfer)
		r.batch.transfers = append(r.batch.transfers, line.row)
		r.transfers.take()
		if r.batch.full() {
			r.hand()
		}
	}
}
