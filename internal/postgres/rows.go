package postgres

import (
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

// The statements of this file name one customer, or the customers of one shard,
// or write rows of those. For a few rows they cost the server less than the forms
// with arrays do, because there is no set to make and to join.

const lockCustomerQuery = lockedColumns + `
	  from customers c
	 where c.customer_id = $1 and c.tenant = $2
	   for no key update`

const readCustomerWalletsQuery = walletColumns + `
	 where w.customer_id = $1 and w.tenant = $2`

// The offset keeps the planner from reading all entries of the customer and
// comparing their keys with the list afterwards.
const readCustomerPriorsQuery = `
	select e.tenant, ` + entryColumns + `
	  from unnest($3::text[]) as u (idempotency_key)
	 cross join lateral (
	       select *
	         from ledger_entries e
	        where e.customer_id = $1 and e.tenant = $2 and e.idempotency_key = u.idempotency_key
	       offset 0) as e`

// queueLoadOne reads what decisions on one customer need.
func (b *batch) queueLoadOne(trip *pgx.Batch, customer customerKey, keys []string) {
	trip.Queue(lockCustomerQuery, customer.id, customer.tenant).Query(b.scanCustomers)
	trip.Queue(readCustomerWalletsQuery, customer.id, customer.tenant).Query(b.scanWallets)
	if len(keys) > 0 {
		trip.Queue(readCustomerPriorsQuery, customer.id, customer.tenant, keys).Query(b.scanPriors)
	}
}

// The statements about the customers of one shard are those about many, and say
// beside the join which customers they are about: Citus compares no shards with
// what comes from an array, only with the array itself.

const lockShardCustomersQuery = lockedColumns + joinCustomers + `
	 where c.customer_id = any($1::text[])` + lockInOrder

const readShardWalletsQuery = readWalletsQuery + `
	 where w.customer_id = any($1::text[])`

const readShardPriorsQuery = `
	select e.tenant, ` + entryColumns + `
	  from unnest($1::text[], $2::integer[], $3::text[]) as u (customer_id, tenant, idempotency_key)
	 cross join lateral (
	       select *
	         from ledger_entries e
	        where e.customer_id = u.customer_id and e.tenant = u.tenant and e.idempotency_key = u.idempotency_key
	          and e.customer_id = any($1::text[])
	       offset 0) as e`

const updateShardWalletsQuery = updateWalletsQuery + ` and w.customer_id = any($1::text[])`

// rowsOf are the numbers of rows for which there is a statement that inserts so
// many entries at once.
var rowsOf = []int{64, 32, 16, 8, 4, 2, 1}

var insertRowsQueries = func() map[int]string {
	queries := map[int]string{}
	for _, rows := range rowsOf {
		queries[rows] = insertEntriesInto + "\n\tvalues " + placeholders(rows, entryRowColumns)
	}
	return queries
}()

// placeholders returns ($1, $2), ($3, $4) for 2 rows of 2 columns.
func placeholders(rows, columns int) string {
	text := []byte{}
	for n := range rows * columns {
		switch {
		case n == 0:
			text = append(text, '(')
		case n%columns == 0:
			text = append(text, "), ("...)
		default:
			text = append(text, ", "...)
		}
		text = strconv.AppendInt(append(text, '$'), int64(n+1), 10)
	}
	return string(append(text, ')'))
}

const insertWalletQuery = insertWalletsInto + `
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
	        $23, $24, $25)`

const updateWalletQuery = `
	update wallets
	   set balance = $4, held = $5, seq = $6, position = $7, hash = $8, updated_at = $9, lots = $10, promotional_from = $11,
	       promotional_sum = $12, paid_from = $13, paid_sum = $14, next_expiry = $15, alerts = $16, hold_number = $17,
	       hold_at = $18, debt = $19, shelved_sum = $20, lapsed_sum = $21, lapsed_at = $22,
	       notice_number = $23, next_notice = $24, next_notice_lot = $25
	 where customer_id = $1 and tenant = $2 and currency = $3`

// smallMax is up to how many entries a batch is written row by row.
const smallMax = 4

// byRows reports whether the batch is written by rows. Citus passes a statement
// with rows of one shard on to its worker; what comes from arrays it would
// gather on the coordinator and copy.
func (b *batch) byRows() bool { return b.db.sharded || len(b.entries) <= smallMax }

func (b *batch) queueRows(trip *pgx.Batch) {
	for rest := b.entries; len(rest) > 0; {
		rows := 1
		if b.db.sharded {
			rows = rowsOf[slices.IndexFunc(rowsOf, func(rows int) bool { return rows <= len(rest) })]
		}
		args := make([]any, 0, rows*entryRowColumns)
		for _, e := range rest[:rows] {
			args = append(args, entryRow(e.tenant, e.entry)...)
		}
		trip.Queue(insertRowsQueries[rows], args...)
		rest = rest[rows:]
	}
	var moved walletArrays
	for key, w := range b.moved() {
		switch {
		case w.stored == 0:
			trip.Queue(insertWalletQuery, walletRow(key, w)...)
		case b.db.sharded && len(b.customers) > 1:
			moved.add(key, w)
		default:
			trip.Queue(updateWalletQuery, walletRow(key, w)...)
		}
	}
	if len(moved.customers) > 0 {
		trip.Queue(updateShardWalletsQuery, moved.args()...)
	}
}

const entryRowColumns = 28

// entryRow is an entry in the order of insertEntriesInto.
func entryRow(tenant int32, e *ledger.Entry) []any {
	return []any{
		e.CustomerID, tenant, e.Position, string(e.Currency), e.Seq, e.ID, e.Direction == ledger.Credit,
		int64(e.Amount), int64(e.Before), int64(e.After), int64(e.Available), string(e.EventType), string(e.Account),
		string(e.Category), timeOrNull(e.ExpiresAt), allocationPairs(e), textOrNull(e.Reason, ""),
		textOrNull(e.ReferenceObjectID, ""), textOrNull(e.Metadata, "{}"), textOrNull(e.IdempotencyKey, ""),
		e.Fingerprint[:], e.CreatedBy, e.CreatedAt, e.Hash[:], textOrNull(e.Reverses, ""),
		textOrNull(string(e.Alerts), ""),
		textOrNull(e.HoldID, ""), heldOrNull(e),
	}
}

// allocationPairs are an entry's allocations, and nil for a credit that opens a
// lot.
func allocationPairs(e *ledger.Entry) []int64 {
	if e.OpensLot() {
		return nil
	}
	pairs := make([]int64, 0, 2*len(e.Allocations))
	for _, part := range e.Allocations {
		pairs = append(pairs, part.LotSeq, int64(part.Amount))
	}
	return pairs
}

// walletRow is a wallet in the order of insertWalletsInto.
func walletRow(key customerKey, w *walletState) []any {
	return []any{
		key.id, key.tenant, string(w.Currency), int64(w.Balance), int64(w.Held), w.Seq, w.Position, w.Hash[:], w.UpdatedAt,
		walletrow.AppendLots([]byte{}, w.Written), w.Tails[0].From, int64(w.Tails[0].Sum), w.Tails[1].From,
		int64(w.Tails[1].Sum), timeOrNull(w.NextExpiry()), textOrNull(string(w.Alerts), ""), w.HoldNumber,
		timeOrNull(w.HoldAt), int64(w.Debt), int64(w.Shelf.Sum), int64(w.Shelf.Lapsed), timeOrNull(w.Shelf.LapsedAt),
		w.Notices.Number, timeOrNull(w.Notices.NextNotice()), w.Notices.NoticeLot(),
	}
}
