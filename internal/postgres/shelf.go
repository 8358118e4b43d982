package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// lotSource is what a wallet has beside its row: in the database, and by the changes
// of the batch at hand, which are written at its end. It implements walletrow.Source.
type lotSource struct {
	ctx    context.Context
	q      querier
	key    customerKey
	wallet *walletState
	asOf   int64 // credits are as of this seq, 0 for now
}

// shelving is a lot of the shelf as a batch has it, with what it has left in the
// database. In either place it may have nothing, and is not there then.
type shelving struct {
	lot    ledger.Lot
	stored money.Amount
}

// shown is a wallet as a read shows it, see [walletrow.Row.Read].
func (h *holdings) shown(ctx context.Context, q querier, row *walletrow.Row, at time.Time) (ledger.Wallet, error) {
	source := &lotSource{ctx: ctx, q: q, key: h.key, wallet: &walletState{Row: *row}}
	return row.Read(&h.customer, walletrow.Chain(&h.customer, h.wallets).At(at), source)
}

// query reads lots of the wallet. The first parameters of a statement are those that
// name it.
func (s *lotSource) query(query string, args ...any) ([]ledger.Lot, error) {
	rows, err := s.q.Query(s.ctx, query, append([]any{s.key.id, s.key.tenant, string(s.wallet.Currency)}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanLot)
}

const shelvedColumns = `
	select l.seq, case l.category when 0 then 'promotional' else 'paid' end, l.expires_at, l.remaining
	  from wallet_lots l
	 where l.customer_id = $1 and l.tenant = $2 and l.currency = $3`

const shelvedQuery = shelvedColumns + `
	   and (l.expires_at, l.category, l.seq) > ($4, $5::smallint, $6)
	 order by l.expires_at, l.category, l.seq
	 limit $7`

// findShelvedQuery looks each lot up by its whole key, see readPointsQuery.
const findShelvedQuery = `
	select l.seq, case l.category when 0 then 'promotional' else 'paid' end, l.expires_at, l.remaining
	  from unnest($4::timestamptz[], $5::smallint[], $6::bigint[]) as u (expires_at, category, seq)
	 cross join lateral (
	       select *
	         from wallet_lots l
	        where l.customer_id = $1 and l.tenant = $2 and l.currency = $3
	          and l.expires_at = u.expires_at and l.category = u.category and l.seq = u.seq
	       offset 0) as l`

const lapsingQuery = `
	select coalesce(sum(l.remaining), 0)::bigint
	  from wallet_lots l
	 where l.customer_id = $1 and l.tenant = $2 and l.currency = $3 and l.expires_at > $4 and l.expires_at <= $5`

// category is how a lot's category stands in a row of wallet_lots.
func category(lot ledger.Lot) int16 { return int16(walletrow.TailOf(lot.Category)) }

// Shelved implements walletrow.Source. Of the rows that it reads, the batch may have
// changed as many as it changed at all.
func (s *lotSource) Shelved(behind ledger.Lot, limit int) ([]ledger.Lot, error) {
	lots, err := s.query(shelvedQuery, behind.ExpiresAt, category(behind), behind.Seq,
		limit+len(s.wallet.shelved))
	if err != nil {
		return nil, err
	}
	lots = s.unchanged(lots)
	for _, change := range s.wallet.shelved {
		if change.lot.Remaining > 0 && ledger.CompareLots(change.lot, behind) > 0 {
			lots = append(lots, change.lot)
		}
	}
	slices.SortFunc(lots, ledger.CompareLots)
	return lots[:min(limit, len(lots))], nil
}

// unchanged are those lots about which the batch has nothing to say.
func (s *lotSource) unchanged(lots []ledger.Lot) []ledger.Lot {
	return slices.DeleteFunc(lots, func(lot ledger.Lot) bool {
		_, changed := s.wallet.shelved[lot.Seq]
		return changed
	})
}

// Find implements walletrow.Source.
func (s *lotSource) Find(lots []ledger.Lot) (found []ledger.Lot, err error) {
	var expires []time.Time
	var categories []int16
	var seqs []int64
	for _, lot := range lots {
		change, changed := s.wallet.shelved[lot.Seq]
		switch {
		case !changed:
			expires, categories = append(expires, lot.ExpiresAt), append(categories, category(lot))
			seqs = append(seqs, lot.Seq)
		case change.lot.Remaining > 0:
			found = append(found, change.lot)
		}
	}
	if len(seqs) == 0 {
		return found, nil
	}
	stored, err := s.query(findShelvedQuery, expires, categories, seqs)
	return append(found, stored...), err
}

// Lapsing implements walletrow.Source.
func (s *lotSource) Lapsing(after, through time.Time) (sum money.Amount, err error) {
	err = s.q.QueryRow(s.ctx, lapsingQuery, s.key.id, s.key.tenant, string(s.wallet.Currency), after, through).Scan(&sum)
	for _, change := range s.wallet.shelved {
		if expires := change.lot.ExpiresAt; expires.After(after) && !expires.After(through) {
			sum += change.lot.Remaining - change.stored
		}
	}
	return sum, err
}

// Shelve implements walletrow.Source.
func (s *lotSource) Shelve(lot ledger.Lot, before money.Amount) error {
	change, changed := s.wallet.shelved[lot.Seq]
	switch {
	case !changed:
		change.stored = before
	case change.lot.Remaining != before:
		return walletrow.ErrLots
	}
	change.lot = lot
	if s.wallet.shelved == nil {
		s.wallet.shelved = map[int64]shelving{}
	}
	s.wallet.shelved[lot.Seq] = change
	return nil
}

const shelfRowColumns = 7

var insertShelvedQueries = func() map[int]string {
	const into = `
	insert into wallet_lots (customer_id, tenant, currency, expires_at, category, seq, remaining)
	values `
	queries := map[int]string{}
	for _, rows := range rowsOf {
		queries[rows] = into + placeholders(rows, shelfRowColumns)
	}
	return queries
}()

const ofShelved = `
	 where customer_id = $1 and tenant = $2 and currency = $3 and expires_at = $4 and category = $5 and seq = $6`

const updateShelvedQuery = `
	update wallet_lots
	   set remaining = $7` + ofShelved

const deleteShelvedQuery = `
	delete from wallet_lots` + ofShelved

// queueShelves writes what the batch has changed on the shelves of wallets.
func (b *batch) queueShelves(trip *pgx.Batch) {
	var added []any
	for key, w := range b.moved() {
		for seq, change := range w.shelved {
			lot := change.lot
			place := []any{key.id, key.tenant, string(w.Currency), lot.ExpiresAt, category(lot), seq}
			switch {
			case lot.Remaining == change.stored:
			case lot.Remaining == 0:
				trip.Queue(deleteShelvedQuery, place...)
			case change.stored == 0:
				added = append(append(added, place...), int64(lot.Remaining))
			default:
				trip.Queue(updateShelvedQuery, append(place, int64(lot.Remaining))...)
			}
		}
	}
	for len(added) > 0 {
		left := len(added) / shelfRowColumns
		rows := rowsOf[slices.IndexFunc(rowsOf, func(rows int) bool { return rows <= left })]
		trip.Queue(insertShelvedQueries[rows], added[:rows*shelfRowColumns]...)
		added = added[rows*shelfRowColumns:]
	}
}
