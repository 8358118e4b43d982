package postgres

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

const insertEntriesInto = `
	insert into ledger_entries (
	         customer_id, tenant, position, currency, seq, id, is_credit, amount, before_balance, after_balance, available,
	         event_type, account, category, expires_at, allocations, reason, reference_object_id, metadata,
	         idempotency_key, fingerprint, created_by, created_at, hash, reverses, alerts, hold_id, held)`

const insertEntriesQuery = insertEntriesInto + `
	select   customer_id, tenant, position, currency, seq, id, is_credit, amount, before_balance, after_balance, available,
	         event_type, account, category, expires_at, allocations::bigint[], reason, reference_object_id, metadata,
	         idempotency_key, fingerprint, created_by, created_at, hash, reverses, alerts, hold_id, held
	  from unnest($1::text[], $2::integer[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::boolean[],
	              $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::text[],
	              $15::timestamptz[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::bytea[],
	              $22::text[], $23::timestamptz[], $24::bytea[], $25::text[], $26::text[], $27::text[], $28::bigint[])
	    as u (customer_id, tenant, position, currency, seq, id, is_credit, amount, before_balance, after_balance, available,
	          event_type, account, category, expires_at, allocations, reason, reference_object_id, metadata,
	          idempotency_key, fingerprint, created_by, created_at, hash, reverses, alerts, hold_id, held)`

// entryArrays are the columns of entries, one array each.
type entryArrays struct {
	customers, currencies, ids, events, accounts, categories, createdBy []string
	tenants                                                             []int32
	positions, seqs, amounts, befores, afters, availables               []int64
	credits                                                             []bool
	expires                                                             []*time.Time
	allocations, reasons, references, metadata, keys                    []*string
	reverses, alerts, holds                                             []*string
	held                                                                []*int64
	fingerprints, hashes                                                [][]byte
	createdAt                                                           []time.Time
}

func (a *entryArrays) add(tenant int32, e *ledger.Entry) {
	a.customers, a.tenants = append(a.customers, e.CustomerID), append(a.tenants, tenant)
	a.positions, a.seqs = append(a.positions, e.Position), append(a.seqs, e.Seq)
	a.currencies, a.ids = append(a.currencies, string(e.Currency)), append(a.ids, e.ID)
	a.credits, a.amounts = append(a.credits, e.Direction == ledger.Credit), append(a.amounts, int64(e.Amount))
	a.befores, a.afters = append(a.befores, int64(e.Before)), append(a.afters, int64(e.After))
	a.availables = append(a.availables, int64(e.Available))
	a.events, a.accounts = append(a.events, string(e.EventType)), append(a.accounts, string(e.Account))
	a.categories, a.expires = append(a.categories, string(e.Category)), append(a.expires, timeOrNull(e.ExpiresAt))
	a.allocations = append(a.allocations, allocationsText(e))
	a.reasons = append(a.reasons, textOrNull(e.Reason, ""))
	a.references = append(a.references, textOrNull(e.ReferenceObjectID, ""))
	a.metadata, a.keys = append(a.metadata, textOrNull(e.Metadata, "{}")), append(a.keys, textOrNull(e.IdempotencyKey, ""))
	a.fingerprints, a.hashes = append(a.fingerprints, e.Fingerprint[:]), append(a.hashes, e.Hash[:])
	a.createdBy, a.createdAt = append(a.createdBy, e.CreatedBy), append(a.createdAt, e.CreatedAt)
	a.reverses, a.holds = append(a.reverses, textOrNull(e.Reverses, "")), append(a.holds, textOrNull(e.HoldID, ""))
	a.alerts = append(a.alerts, textOrNull(string(e.Alerts), ""))
	a.held = append(a.held, heldOrNull(e))
}

func (a *entryArrays) args() []any {
	return []any{
		a.customers, a.tenants, a.positions, a.currencies, a.seqs, a.ids, a.credits,
		a.amounts, a.befores, a.afters, a.availables, a.events, a.accounts, a.categories,
		a.expires, a.allocations, a.reasons, a.references, a.metadata, a.keys, a.fingerprints,
		a.createdBy, a.createdAt, a.hashes, a.reverses, a.alerts, a.holds, a.held,
	}
}

// allocationsText writes an entry's allocations as an array literal, because an
// array of arrays loses its inner bounds on the way through unnest.
func allocationsText(e *ledger.Entry) *string {
	if e.OpensLot() {
		return nil
	}
	text := []byte{'{'}
	for i, part := range e.Allocations {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, part.LotSeq, 10)
		text = append(text, ',')
		text = strconv.AppendInt(text, int64(part.Amount), 10)
	}
	literal := string(append(text, '}'))
	return &literal
}

// textOrNull returns nil for the text that stands for nothing.
func textOrNull(text, nothing string) *string {
	if text == nothing {
		return nil
	}
	return &text
}

// heldOrNull is what was held after an entry, null for nothing.
func heldOrNull(e *ledger.Entry) *int64 {
	if e.Held == 0 {
		return nil
	}
	return (*int64)(&e.Held)
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// timeOf turns a stored time into ours; null is the zero time.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

const entryColumns = `
	e.customer_id, e.id, e.currency, e.position, e.seq, e.is_credit, e.amount, e.before_balance, e.after_balance,
	e.available, e.event_type, e.account, e.category, e.expires_at, e.allocations, coalesce(e.reason, ''),
	coalesce(e.reference_object_id, ''), coalesce(e.metadata, '{}'), coalesce(e.idempotency_key, ''), e.fingerprint,
	e.created_by, e.created_at, e.hash, coalesce(e.reverses, ''), coalesce(e.alerts, ''),
	coalesce(e.hold_id, ''), coalesce(e.held, 0)`

// scanEntry reads the columns of entryColumns, after others that the caller
// asked for. The tenant is left to the caller, who knows it.
func scanEntry(row pgx.CollectableRow, before ...any) (e ledger.Entry, err error) {
	var credit bool
	var expires *time.Time
	var allocations []int64
	var fingerprint, hash []byte
	err = row.Scan(append(before, &e.CustomerID, &e.ID, &e.Currency, &e.Position, &e.Seq, &credit, &e.Amount, &e.Before,
		&e.After, &e.Available, &e.EventType, &e.Account, &e.Category, &expires, &allocations, &e.Reason,
		&e.ReferenceObjectID, &e.Metadata, &e.IdempotencyKey, &fingerprint, &e.CreatedBy, &e.CreatedAt, &hash,
		&e.Reverses, &e.Alerts, &e.HoldID, &e.Held)...)
	if err != nil {
		return e, err
	}
	e.Direction = ledger.Debit
	if credit {
		e.Direction = ledger.Credit
	}
	e.ExpiresAt, e.CreatedAt = timeOf(expires), e.CreatedAt.UTC()
	copy(e.Fingerprint[:], fingerprint)
	copy(e.Hash[:], hash)
	if len(allocations)%2 != 0 {
		return e, fmt.Errorf("entry %s: its allocations are not pairs", e.ID)
	}
	for part := range slices.Chunk(allocations, 2) {
		e.Allocations = append(e.Allocations, ledger.Allocation{LotSeq: part[0], Amount: amountOf(part[1])})
	}
	return e, nil
}

const updateWalletsQuery = `
	update wallets w
	   set balance = u.balance, held = u.held, seq = u.seq, position = u.position, hash = u.hash,
	       updated_at = u.updated_at, lots = u.lots, promotional_from = u.promotional_from,
	       promotional_sum = u.promotional_sum, paid_from = u.paid_from, paid_sum = u.paid_sum,
	       next_expiry = u.next_expiry, alerts = u.alerts, hold_number = u.hold_number,
	       hold_at = u.hold_at, debt = u.debt, shelved_sum = u.shelved_sum, lapsed_sum = u.lapsed_sum,
	       lapsed_at = u.lapsed_at, notice_number = u.notice_number, next_notice = u.next_notice,
	       next_notice_lot = u.next_notice_lot` + fromWalletArrays + `
	 where w.customer_id = u.customer_id and w.tenant = u.tenant and w.currency = u.currency`

const insertWalletsInto = `
	insert into wallets (customer_id, tenant, currency, balance, held, seq, position, hash, updated_at, lots,
	                     promotional_from, promotional_sum, paid_from, paid_sum, next_expiry, alerts, hold_number, hold_at,
	                     debt, shelved_sum, lapsed_sum, lapsed_at, notice_number, next_notice, next_notice_lot)`

const insertWalletsQuery = insertWalletsInto + `
	select customer_id, tenant, currency, balance, held, seq, position, hash, updated_at, lots,
	       promotional_from, promotional_sum, paid_from, paid_sum, next_expiry, alerts, hold_number,
	       hold_at, debt, shelved_sum, lapsed_sum, lapsed_at, notice_number, next_notice, next_notice_lot` + fromWalletArrays

const fromWalletArrays = `
	  from unnest($1::text[], $2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
	              $8::bytea[], $9::timestamptz[], $10::bytea[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
	              $15::timestamptz[], $16::text[], $17::bigint[], $18::timestamptz[],
	              $19::bigint[], $20::bigint[], $21::bigint[], $22::timestamptz[],
	              $23::bigint[], $24::timestamptz[], $25::bigint[])
	    as u (customer_id, tenant, currency, balance, held, seq, position, hash, updated_at, lots,
	          promotional_from, promotional_sum, paid_from, paid_sum, next_expiry, alerts, hold_number, hold_at, debt,
	          shelved_sum, lapsed_sum, lapsed_at, notice_number, next_notice, next_notice_lot)`

// walletArrays are the columns of wallets, one array each.
type walletArrays struct {
	customers, currencies                                                         []string
	tenants                                                                       []int32
	balances, held, seqs, positions, promotionalFrom, promotional, paidFrom, paid []int64
	hashes, lots                                                                  [][]byte
	updatedAt                                                                     []time.Time
	nextExpiry, holdAt, lapsedAt, nextNotice                                      []*time.Time
	alerts                                                                        []*string
	holdNumbers, debts, shelved, lapsed, noticeNumbers, noticeLots                []int64
}

func (a *walletArrays) add(key customerKey, w *walletState) {
	a.customers, a.tenants = append(a.customers, key.id), append(a.tenants, key.tenant)
	a.currencies = append(a.currencies, string(w.Currency))
	a.balances, a.held = append(a.balances, int64(w.Balance)), append(a.held, int64(w.Held))
	a.seqs, a.positions = append(a.seqs, w.Seq), append(a.positions, w.Position)
	a.hashes, a.updatedAt = append(a.hashes, w.Hash[:]), append(a.updatedAt, w.UpdatedAt)
	a.lots = append(a.lots, walletrow.AppendLots([]byte{}, w.Written))
	a.promotionalFrom = append(a.promotionalFrom, w.Tails[0].From)
	a.promotional = append(a.promotional, int64(w.Tails[0].Sum))
	a.paidFrom, a.paid = append(a.paidFrom, w.Tails[1].From), append(a.paid, int64(w.Tails[1].Sum))
	a.nextExpiry = append(a.nextExpiry, timeOrNull(w.NextExpiry()))
	a.alerts = append(a.alerts, textOrNull(string(w.Alerts), ""))
	a.holdNumbers, a.holdAt = append(a.holdNumbers, w.HoldNumber), append(a.holdAt, timeOrNull(w.HoldAt))
	a.debts = append(a.debts, int64(w.Debt))
	a.shelved, a.lapsed = append(a.shelved, int64(w.Shelf.Sum)), append(a.lapsed, int64(w.Shelf.Lapsed))
	a.lapsedAt = append(a.lapsedAt, timeOrNull(w.Shelf.LapsedAt))
	a.noticeNumbers = append(a.noticeNumbers, w.Notices.Number)
	a.nextNotice = append(a.nextNotice, timeOrNull(w.Notices.NextNotice()))
	a.noticeLots = append(a.noticeLots, w.Notices.NoticeLot())
}

func (a *walletArrays) args() []any {
	return []any{
		a.customers, a.tenants, a.currencies, a.balances, a.held, a.seqs, a.positions,
		a.hashes, a.updatedAt, a.lots, a.promotionalFrom, a.promotional, a.paidFrom, a.paid, a.nextExpiry, a.alerts,
		a.holdNumbers, a.holdAt, a.debts, a.shelved, a.lapsed, a.lapsedAt, a.noticeNumbers, a.nextNotice, a.noticeLots,
	}
}

// write stores the entries and the wallets that they moved, and commits.
func (b *batch) write(ctx context.Context, conn *pgx.Conn) error {
	trip := &pgx.Batch{}
	if b.byRows() {
		b.queueRows(trip)
	} else {
		b.queueArrays(trip)
	}
	b.queueShelves(trip)
	b.queueMarks(trip)
	b.queueTransfers(trip)
	b.queueHolds(trip)
	b.queueNotices(trip)
	b.queueObjects(trip) // which go by all of these in the feed
	return b.db.finish(ctx, conn, trip)
}

func (b *batch) queueArrays(trip *pgx.Batch) {
	var entries entryArrays
	for _, e := range b.entries {
		entries.add(e.tenant, e.entry)
	}
	var moved, opened walletArrays
	for key, w := range b.moved() {
		if w.stored == 0 {
			opened.add(key, w)
		} else {
			moved.add(key, w)
		}
	}
	trip.Queue(insertEntriesQuery, entries.args()...)
	if len(moved.customers) > 0 {
		trip.Queue(updateWalletsQuery, moved.args()...)
	}
	if len(opened.customers) > 0 {
		trip.Queue(insertWalletsQuery, opened.args()...)
	}
}

// moved are the wallets that got entries, about whose holds something was done, or
// whose lots were announced.
func (b *batch) moved() iter.Seq2[customerKey, *walletState] {
	return func(yield func(customerKey, *walletState) bool) {
		for key, state := range b.customers {
			for i := range state.wallets {
				if w := &state.wallets[i]; (w.Seq != w.stored || w.HoldNumber != w.storedHold || w.told != nil) && !yield(key, w) {
					return
				}
			}
		}
	}
}
