package sqlite

import (
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// lotSource is what a wallet has beside its row. It implements walletrow.Source on a
// connection, and writes in the transaction that is open there.
type lotSource struct {
	conn     *sqlite.Conn
	customer int64
	wallet   *walletState
	asOf     int64 // credits are as of this seq, 0 for now
}

// shown is a wallet as a read shows it, see [walletrow.Row.Read].
func (w *walletState) shown(conn *sqlite.Conn, state *customerState, at time.Time) (ledger.Wallet, error) {
	source := &lotSource{conn: conn, customer: state.no, wallet: w}
	return w.Read(state.customer, state.chain.At(at), source)
}

// Shelved implements walletrow.Source.
func (s *lotSource) Shelved(behind ledger.Lot, limit int) (lots []ledger.Lot, err error) {
	err = s.each(`
	  select expires_at, category, seq, remaining
	    from wallet_lots
	   where customer = ? and currency = ? and (expires_at, category, seq) > (?, ?, ?)
	   order by expires_at, category, seq
	   limit ?`,
		func(stmt *sqlite.Stmt) { lots = append(lots, scanShelved(stmt)) },
		microsOf(behind.ExpiresAt), int64(walletrow.TailOf(behind.Category)), behind.Seq, int64(limit))
	return lots, err
}

func scanShelved(stmt *sqlite.Stmt) ledger.Lot {
	lot := ledger.Lot{
		Seq: stmt.ColumnInt64(2), Category: ledger.Promotional, ExpiresAt: timeOf(stmt.ColumnInt64(0)),
		Remaining: money.Amount(stmt.ColumnInt64(3)),
	}
	if stmt.ColumnInt64(1) == int64(walletrow.TailOf(ledger.Paid)) {
		lot.Category = ledger.Paid
	}
	return lot
}

// Find implements walletrow.Source.
func (s *lotSource) Find(lots []ledger.Lot) (found []ledger.Lot, err error) {
	for _, lot := range lots {
		err := s.each(`
		  select expires_at, category, seq, remaining
		    from wallet_lots
		   where customer = ? and currency = ? and expires_at = ? and category = ? and seq = ?`,
			func(stmt *sqlite.Stmt) { found = append(found, scanShelved(stmt)) }, placeOf(lot)...)
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// placeOf is the key of a lot within its wallet.
func placeOf(lot ledger.Lot) []int64 {
	return []int64{microsOf(lot.ExpiresAt), int64(walletrow.TailOf(lot.Category)), lot.Seq}
}

// Lapsing implements walletrow.Source.
func (s *lotSource) Lapsing(after, through time.Time) (sum money.Amount, err error) {
	err = s.each(`
	  select coalesce(sum(remaining), 0)
	    from wallet_lots
	   where customer = ? and currency = ? and expires_at > ? and expires_at <= ?`,
		func(stmt *sqlite.Stmt) { sum = money.Amount(stmt.ColumnInt64(0)) }, microsOf(after), microsOf(through))
	return sum, err
}

// Shelve implements walletrow.Source.
func (s *lotSource) Shelve(lot ledger.Lot, before money.Amount) error {
	const (
		insert = `insert into wallet_lots (customer, currency, expires_at, category, seq, remaining) values (?, ?, ?, ?, ?, ?)`
		update = `
		  update wallet_lots set remaining = ?6
		   where customer = ?1 and currency = ?2 and expires_at = ?3 and category = ?4 and seq = ?5`
		remove = `
		  delete from wallet_lots
		   where customer = ? and currency = ? and expires_at = ? and category = ? and seq = ?`
	)
	query, args := update, append(placeOf(lot), int64(lot.Remaining))
	switch {
	case before == 0:
		query = insert
	case lot.Remaining == 0:
		query, args = remove, placeOf(lot)
	}
	if err := s.each(query, nil, args...); err != nil {
		return err
	}
	if s.conn.Changes() != 1 {
		return walletrow.ErrLots
	}
	return nil
}

// each runs a statement about the wallet, of which the first parameters are the
// customer and the currency.
func (s *lotSource) each(query string, row func(stmt *sqlite.Stmt), args ...int64) (err error) {
	stmt, err := s.conn.Prepare(query)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, s.customer)
	stmt.BindText(2, string(s.wallet.Currency))
	for i, arg := range args {
		stmt.BindInt64(i+3, arg)
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return err
		}
		row(stmt)
	}
}
