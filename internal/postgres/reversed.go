package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

const readReversedQuery = `
	select coalesce(sum(amount) filter (where account <> 'debt'), 0)::bigint,
	       coalesce(sum(amount) filter (where account = 'debt'), 0)::bigint
	  from ledger_entries
	 where customer_id = $1 and tenant = $2 and reverses = $3`

// reversed returns how much of an entry was undone, and how much was taken from it
// for a debt: by what is in the database, and by this batch. It is a trip of its own, for the few that ask.
func (b *batch) reversed(
	ctx context.Context, q querier, key customerKey, entryID string,
) (undone, recovered money.Amount, err error) {
	if !storable(entryID) || entryID == "" {
		return 0, 0, nil
	}
	row := q.QueryRow(ctx, readReversedQuery, key.id, key.tenant, entryID)
	if err := row.Scan(&undone, &recovered); err != nil {
		return 0, 0, err
	}
	for _, e := range b.entries {
		switch {
		case e.tenant != key.tenant || e.entry.CustomerID != key.id || e.entry.Reverses != entryID:
		case e.entry.Account == ledger.AccountDebt:
			recovered += e.entry.Amount
		default:
			undone += e.entry.Amount
		}
	}
	return undone, recovered, nil
}

// readOpenedQuery looks each credit up by the whole key, as [readPointsQuery] does.
const readOpenedQuery = `
	select e.seq, e.category, e.expires_at, e.amount
	  from unnest($4::bigint[]) as u (seq)
	 cross join lateral (
	       select *
	         from ledger_entries e
	        where e.customer_id = $1 and e.tenant = $2 and e.currency = $3 and e.seq = u.seq
	       offset 0) as e
	 where e.category <> ''`

// Opened implements ledger.Store.
func (db *DB) Opened(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, seqs []int64,
) (lots []ledger.Lot, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		rows, err := q.Query(ctx, readOpenedQuery, found.key.id, found.key.tenant, currency, seqs)
		if err != nil {
			return err
		}
		opened, err := pgx.CollectRows(rows, scanLot)
		if err != nil {
			return err
		}
		bySeq := make(map[int64]ledger.Lot, len(opened))
		for _, lot := range opened {
			bySeq[lot.Seq] = lot
		}
		lots = make([]ledger.Lot, 0, len(seqs))
		for _, seq := range seqs {
			lot, there := bySeq[seq]
			if !there {
				return fmt.Errorf("entry %d of a wallet, of which a debit took, opened no lot", seq)
			}
			lots = append(lots, lot)
		}
		return nil
	})
	return lots, err
}
