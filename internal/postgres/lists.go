package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// scanMax bounds how many entries one page of a cursor looks at when a filter
// lets few of them pass. The page then ends early and its cursor goes on.
const scanMax = 100_000

// Wallets implements ledger.Store.
func (db *DB) Wallets(
	ctx context.Context, tenant ledger.Tenant, customerID string, at time.Time,
) (list ledger.WalletList, err error) {
	show := func(ctx context.Context, q querier, found *holdings) error {
		list = ledger.WalletList{Customer: found.customer, Chain: walletrow.Chain(&found.customer, found.wallets)}
		for i := range found.wallets {
			wallet, err := found.shown(ctx, q, &found.wallets[i], at)
			if err != nil {
				return err
			}
			list.Wallets = append(list.Wallets, wallet)
		}
		return nil
	}
	// Mostly the rows tell all, and one trip will do.
	found, err := db.readHoldings(ctx, tenant, customerID, nil)
	if err != nil {
		return list, err
	}
	lapsing := func(w walletrow.Row) bool { return w.Lapsing(walletrow.Chain(&found.customer, found.wallets).At(at)) }
	if slices.ContainsFunc(found.wallets, lapsing) {
		_, err = db.readHoldings(ctx, tenant, customerID, show)
		return list, err
	}
	return list, show(ctx, nil, &found)
}

// Lots implements ledger.Store.
func (db *DB) Lots(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, page ledger.LotPage,
) (list ledger.LotList, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		wallet := walletState{Row: walletrow.Row{Currency: currency}}
		for _, row := range found.wallets {
			if row.Currency == currency {
				wallet = walletState{Row: row, stored: row.Seq}
			}
		}
		list = ledger.LotList{Chain: walletrow.Chain(&found.customer, found.wallets)}
		if list.Wallet, err = found.shown(ctx, q, &wallet.Row, page.At); err != nil {
			return err
		}
		source := &lotSource{ctx: ctx, q: q, key: found.key, wallet: &wallet}
		if page.AsOf != nil {
			return source.lotsAsOf(page, &list)
		}
		list.Lots, list.Next, err = wallet.Page(page.After, page.Limit, source)
		return err
	})
	return list, err
}

// Entry implements ledger.Store. The id contains the position, so the entry is
// found without an index over ids.
func (db *DB) Entry(
	ctx context.Context, tenant ledger.Tenant, customerID, entryID string,
) (entry ledger.Entry, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		position, ok := ledger.EntryIDPosition(entryID)
		if !ok {
			return errNoEntry
		}
		entry, err = readEntry(ctx, q, found.key, position)
		if err == nil && entry.ID != entryID {
			err = errNoEntry
		}
		entry.Tenant = tenant
		return err
	})
	if err != nil {
		return ledger.Entry{}, err
	}
	return entry, nil
}

// readEntry returns the entry at a position, or errNoEntry.
func readEntry(ctx context.Context, q querier, key customerKey, position int64) (ledger.Entry, error) {
	const query = `select ` + entryColumns + ` from ledger_entries e where e.customer_id = $1 and e.tenant = $2 and e.position = $3`
	rows, err := q.Query(ctx, query, key.id, key.tenant, position)
	if err != nil {
		return ledger.Entry{}, err
	}
	entry, err := pgx.CollectExactlyOneRow(rows, scanWholeEntry)
	if errors.Is(err, pgx.ErrNoRows) {
		return entry, errNoEntry
	}
	return entry, err
}

func scanWholeEntry(row pgx.CollectableRow) (ledger.Entry, error) { return scanEntry(row) }

// Entries implements ledger.Store.
func (db *DB) Entries(
	ctx context.Context, tenant ledger.Tenant, customerID string, filter ledger.EntryFilter, page ledger.Page,
) (list ledger.EntryList, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		list.AsOfPosition = walletrow.Chain(&found.customer, found.wallets).Position
		p := &entryPage{q: q, key: found.key, wallets: found.wallets, filter: filter, page: page}
		if err := p.run(ctx, list.AsOfPosition); err != nil {
			return err
		}
		list.Entries, list.Next = p.entries, p.next
		for i := range list.Entries {
			list.Entries[i].Tenant = tenant
		}
		return nil
	})
	return list, err
}

// entryPage collects one page of entries.
type entryPage struct {
	q       querier
	key     customerKey
	wallets []walletrow.Row
	filter  ledger.EntryFilter
	page    ledger.Page
	entries []ledger.Entry
	next    int64
}

// run fills the page. A page of a list without filters is found by numbers: by
// positions, or in one wallet by seqs, so that its depth costs nothing.
func (p *entryPage) run(ctx context.Context, newest int64) error {
	wallet, some := p.wallet()
	if !some || !storable(p.filter.IdempotencyKey) || !storable(p.filter.ReferenceObjectID) {
		return nil
	}
	if p.page.Before > 0 {
		newest = min(newest, p.page.Before-1)
	}
	if !p.filter.CreatedAtLTE.IsZero() {
		var err error
		if newest, err = p.newestAt(ctx, newest, p.filter.CreatedAtLTE); err != nil {
			return err
		}
	}
	var seqs [2]int64
	if wallet != nil && p.filter.IdempotencyKey == "" {
		var err error
		if seqs, err = p.seqs(ctx, newest, wallet); err != nil {
			return err
		}
	}
	query, args := p.query(newest, wallet, seqs)
	return p.collect(ctx, query, args, p.oldest(newest))
}

// seqs returns the wallet's lowest and highest seq among the positions that a
// page looks at: down to where it gives up, and up to a position.
func (p *entryPage) seqs(ctx context.Context, newest int64, wallet *walletrow.Row) (seqs [2]int64, err error) {
	if seqs[1], err = p.newestSeq(ctx, newest, wallet); err != nil {
		return seqs, err
	}
	below, err := p.newestSeq(ctx, p.oldest(newest)-1, wallet)
	seqs[0] = below + 1
	return seqs, err
}

// whole reports whether the list is that of all entries, or of all of a wallet.
func (p *entryPage) whole() bool { return p.filter == ledger.EntryFilter{Currency: p.filter.Currency} }

// oldest is the position that a page looks no further than. The first page of a
// list looks as far as it must, and so does one that nothing or an index filters.
func (p *entryPage) oldest(newest int64) int64 {
	if p.page.Before == 0 || p.whole() || p.filter.IdempotencyKey != "" {
		return 1
	}
	return max(1, newest-scanMax+1)
}

// query returns the statement for the page of a wallet between two seqs, or of
// all when it is nil. It moves the page on past what the numbers in the statement
// leave out.
func (p *entryPage) query(newest int64, wallet *walletrow.Row, seqs [2]int64) (query string, args []any) {
	clauses, args := []string{"e.customer_id = $1", "e.tenant = $2", "e.position <= $3"}, []any{p.key.id, p.key.tenant, newest}
	add := func(clause string, arg any) {
		args = append(args, arg)
		clauses = append(clauses, fmt.Sprintf(clause, len(args)))
	}
	p.addFilters(add)
	if wallet != nil {
		add("e.currency = $%d", wallet.Currency)
	}
	order := " order by e.position desc"
	switch {
	case p.filter.IdempotencyKey != "":
		// There is at most one. Asked for an order, the planner walks the whole
		// history in it.
		order = ""
	case wallet != nil:
		order = " order by e.seq desc"
		if p.whole() {
			seqs[1] -= p.page.Skip
			p.page.Skip = 0
		}
		add("e.seq >= $%d", seqs[0])
		add("e.seq <= $%d", seqs[1])
	case p.whole():
		add("e.position <= $%d", newest-p.page.Skip)
		p.page.Skip = 0
	default:
		add("e.position >= $%d", p.oldest(newest))
	}
	query = `select ` + entryColumns + ` from ledger_entries e where ` + strings.Join(clauses, " and ") + order +
		fmt.Sprintf(" limit %d offset %d", p.page.Limit+1, p.page.Skip)
	return query, args
}

// wallet returns the wallet that the filter asks for, nil for all, and whether
// the customer has such entries at all.
func (p *entryPage) wallet() (*walletrow.Row, bool) {
	if p.filter.Currency == "" {
		return nil, true
	}
	i := slices.IndexFunc(p.wallets, func(w walletrow.Row) bool { return w.Currency == p.filter.Currency })
	if i < 0 {
		return nil, false
	}
	return &p.wallets[i], true
}

// addFilters adds a clause for each filter but those of currency and the upper
// bound of time.
func (p *entryPage) addFilters(add func(clause string, arg any)) {
	f := &p.filter
	for _, filter := range []struct {
		set    bool
		clause string
		arg    any
	}{
		{f.EventType != "", "e.event_type = $%d", f.EventType},
		{f.Direction != "", "e.is_credit = $%d", f.Direction == ledger.Credit},
		{f.ReferenceObjectID != "", "e.reference_object_id = $%d", f.ReferenceObjectID},
		{f.IdempotencyKey != "", "e.idempotency_key = $%d", f.IdempotencyKey},
		{!f.CreatedAtGTE.IsZero(), "e.created_at >= $%d", f.CreatedAtGTE},
		{!f.CreatedAtLTE.IsZero(), "e.created_at <= $%d", f.CreatedAtLTE},
	} {
		if filter.set {
			add(filter.clause, filter.arg)
		}
	}
}

// collect runs the query, which asks for one entry more than the page has.
func (p *entryPage) collect(ctx context.Context, query string, args []any, oldest int64) error {
	rows, err := p.q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	p.entries, err = pgx.CollectRows(rows, scanWholeEntry)
	if err != nil {
		return err
	}
	switch {
	case len(p.entries) > p.page.Limit:
		p.entries = p.entries[:p.page.Limit]
		p.next = p.entries[len(p.entries)-1].Position
	case oldest > 1:
		p.next = oldest // the look ended early; the next page goes on below
	}
	return nil
}

// newestAt returns the highest position up to most whose entry was made at t or
// before, 0 for none. Times never decrease along positions (law R4), so it
// searches by halves.
func (p *entryPage) newestAt(ctx context.Context, most int64, t time.Time) (int64, error) {
	const query = `select created_at <= $4 from ledger_entries where customer_id = $1 and tenant = $2 and position = $3`
	return p.searchLast(most, func(position int64) pgx.Row {
		return p.q.QueryRow(ctx, query, p.key.id, p.key.tenant, position, t)
	})
}

// newestSeq returns the wallet's highest seq at or below a position of the
// customer, 0 for none.
func (p *entryPage) newestSeq(ctx context.Context, position int64, wallet *walletrow.Row) (int64, error) {
	if position >= wallet.Position {
		return wallet.Seq, nil
	}
	const query = `
	  select position <= $5 from ledger_entries where customer_id = $1 and tenant = $2 and currency = $3 and seq = $4`
	return p.searchLast(min(wallet.Seq, max(position, 0)), func(seq int64) pgx.Row {
		return p.q.QueryRow(ctx, query, p.key.id, p.key.tenant, wallet.Currency, seq, position)
	})
}

// searchLast returns the highest n of 1 … most for which a statement says that
// it holds, which it must for a beginning of that range only; 0 when for none.
func (p *entryPage) searchLast(most int64, holds func(n int64) pgx.Row) (int64, error) {
	low, high := int64(0), max(most, 0)
	for low < high {
		middle := low + (high-low+1)/2
		var ok bool
		if err := holds(middle).Scan(&ok); err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low, nil
}
