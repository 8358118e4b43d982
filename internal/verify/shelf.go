package verify

import (
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
)

// shelvedRow is a raw row of wallet_lots.
type shelvedRow struct {
	customer  int64
	currency  string
	expiresAt int64
	category  int64 // 0 for promotional, 1 for paid
	seq       int64
	remaining int64
	misfit    string // the column that is not stored as it should be
}

const (
	shelvedColumns = `
	select customer,
	       currency,
	       expires_at,
	       category,
	       seq,
	       remaining
	  from wallet_lots`

	shelvedOrder = ` order by customer, currency, expires_at, category, seq`

	shelvedShape shape = "itiiii"

	shelvedRowColumns = `
	select customer_id, tenant, currency, expires_at, category, seq, remaining
	  from wallet_lots`

	shelvedRowOrder = ` order by customer_id, tenant, currency, expires_at, category, seq`
)

// readShelved reads a row of shelvedColumns.
func (r *reader) readShelved(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepShelved)
	b.shelved = append(b.shelved, shelvedRow{
		customer:  stmt.ColumnInt64(0),
		currency:  r.currencies.name(stmt, 1),
		expiresAt: stmt.ColumnInt64(2),
		category:  stmt.ColumnInt64(3),
		seq:       stmt.ColumnInt64(4),
		remaining: stmt.ColumnInt64(5),
		misfit:    shelvedShape.misfit(stmt),
	})
}

// shelvedLine is a row of shelvedRowColumns.
type shelvedLine struct {
	owner
	row shelvedRow
}

func scanShelvedLine(row pgx.CollectableRow) (line shelvedLine, err error) {
	var expiresAt time.Time
	s := &line.row
	err = row.Scan(&line.id, &line.tenant, &s.currency, &expiresAt, &s.category, &s.seq, &s.remaining)
	s.expiresAt = expiresAt.UnixMicro()
	return line, err
}

func ownerOfShelved(line *shelvedLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

// readShelved sends the rows of wallet_lots of a customer, before those of the wallets.
func (r *rowReader) readShelved(now owner) error {
	for {
		line, err := r.shelved.next(r.ctx, r.tx)
		if err != nil || line == nil || line.owner != now {
			return err
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepShelved)
		r.batch.shelved = append(r.batch.shelved, line.row)
		r.shelved.take()
		if r.batch.full() {
			r.hand()
		}
	}
}

// shelve notes a row of wallet_lots until that of its wallet is met.
func (c *checker) shelve(owner *customer, row shelvedRow) {
	book := owner.book(row.currency)
	if book == nil {
		c.found.add(LawLots, owner.where(row.currency, 0), "wallet_lots has lot %d of a wallet without entries", row.seq)
		return
	}
	where := owner.where(row.currency, book.last.position)
	switch {
	case row.misfit != "":
		c.found.add(LawImmutable, where, "the %s of lot %d in wallet_lots is stored as another type", row.misfit, row.seq)
	case row.category != 0 && row.category != 1 || row.expiresAt <= 0 || row.remaining <= 0:
		c.found.add(LawLots, where, "lot %d in wallet_lots is of category %d, expires at %d and has %d left",
			row.seq, row.category, row.expiresAt, row.remaining)
	}
	book.shelf = append(book.shelf, lot{
		seq: row.seq, paid: row.category == 1, expiresAt: row.expiresAt, remaining: row.remaining,
	})
}

// withShelf returns the lots that a wallet's row writes out together with those that
// stand in wallet_lots, in spend order. These must come behind all written ones that can
// expire, of which there must be one, and sum to what the row says of them (laws L1, L2).
func withShelf(w *walletRow, written, shelf []lot, report reporter) []lot {
	var sum, lapsed total
	for _, l := range shelf {
		sum.add(l.remaining)
		if l.expiresAt <= w.lapsedAt {
			lapsed.add(l.remaining)
		}
	}
	if sum != sumOf(w.shelvedSum) {
		report(LawLots, "the wallet's lots in wallet_lots sum to %s, its row says %d", sum, w.shelvedSum)
	}
	if lapsed != sumOf(w.lapsedSum) {
		report(LawLots, "of the wallet's lots in wallet_lots %s had expired at %d, its row says %d", lapsed, w.lapsedAt, w.lapsedSum)
	}
	expiring := 0
	for expiring < len(written) && written[expiring].expiresAt != 0 {
		expiring++
	}
	if len(shelf) > 0 && (expiring == 0 || compareLots(written[expiring-1], shelf[0]) >= 0) {
		report(LawSpendOrder, "lot %d is in wallet_lots, and comes before one that can expire and is in the wallet's row, or none is",
			shelf[0].seq)
	}
	all := make([]lot, 0, len(written)+len(shelf))
	all = append(append(all, written[:expiring]...), shelf...)
	return append(all, written[expiring:]...)
}
