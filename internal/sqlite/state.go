package sqlite

import (
	"cmp"
	"container/list"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// customerState is what a decision needs of one customer. A published state is
// never changed: a batch that touches it works on a clone.
type customerState struct {
	no       int64
	customer *ledger.Customer
	chain    ledger.Chain
	last     int64 // no of the customer's last entry, 0 for none
	wallets  []walletState
	objects  *ledger.ObjectHead // nil before a decision first wanted it
}

func (c *customerState) clone() *customerState {
	clone := *c
	clone.wallets = slices.Clone(c.wallets)
	return &clone
}

// wallet returns the state of a wallet, which is added when the customer has
// none in that currency yet. The pointer holds until the next call.
func (c *customerState) wallet(currency money.Currency) *walletState {
	for i := range c.wallets {
		if c.wallets[i].Currency == currency {
			return &c.wallets[i]
		}
	}
	c.wallets = append(c.wallets, walletState{Row: walletrow.Row{Currency: currency}})
	return &c.wallets[len(c.wallets)-1]
}

// walletState is one row of the table wallets.
type walletState struct {
	walletrow.Row
	no         int64             // of the row, 0 before it is first written
	last       int64             // no of the wallet's last entry, 0 for none
	nextExpiry int64             // as it stands in the row
	notices    walletrow.Notices // as it stands in the row
	dirty      bool              // touched by the running batch and not yet written
}

// cache keeps the states of the customers that were used last. Only the
// committer touches it. Everything in it can be read again from the file.
type cache struct {
	size  int
	byKey map[customerKey]*list.Element
	order *list.List // of *cached, the last used first
}

type customerKey struct {
	tenant int64
	id     string
}

type cached struct {
	key   customerKey
	state *customerState
}

func newCache(size int) *cache {
	return &cache{size: size, byKey: make(map[customerKey]*list.Element), order: list.New()}
}

func (c *cache) get(key customerKey) *customerState {
	element, ok := c.byKey[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(element)
	return element.Value.(*cached).state
}

func (c *cache) put(key customerKey, state *customerState) {
	if element, ok := c.byKey[key]; ok {
		element.Value.(*cached).state = state
		c.order.MoveToFront(element)
		return
	}
	c.byKey[key] = c.order.PushFront(&cached{key: key, state: state})
	if c.order.Len() > c.size {
		oldest := c.order.Back()
		c.order.Remove(oldest)
		delete(c.byKey, oldest.Value.(*cached).key)
	}
}

// clear forgets everything, after a transaction whose end is in doubt.
func (c *cache) clear() {
	clear(c.byKey)
	c.order.Init()
}

// loadState reads a customer's state from the file; nil when the tenant has no
// such customer.
func loadState(conn *sqlite.Conn, tenant ledger.Tenant, key customerKey) (*customerState, error) {
	customer, no, err := readCustomer(conn, tenant, key.tenant, key.id)
	if err != nil || no == 0 {
		return nil, err
	}
	state := &customerState{no: no, customer: &customer}
	state.wallets, err = readWallets(conn, no)
	if err != nil {
		return nil, err
	}
	state.setChain()
	return state, nil
}

// holdNumber is that of the customer's last hold event, 0 for none.
func (c *customerState) holdNumber() (number int64) {
	for i := range c.wallets {
		number = max(number, c.wallets[i].HoldNumber)
	}
	return number
}

// setChain takes the head of the chain from the wallet that moved last.
func (c *customerState) setChain() {
	c.chain.Clock = c.customer.ClockAt
	for i := range c.wallets {
		w := &c.wallets[i]
		if w.Position > c.chain.Position {
			c.chain = ledger.Chain{Position: w.Position, Hash: w.Hash, LastAt: w.UpdatedAt, Clock: c.chain.Clock}
			c.last = w.last
		}
	}
	for i := range c.wallets {
		c.chain = c.chain.Past(c.wallets[i].HoldAt)
	}
}

// readWallets reads the wallets of a customer, sorted by currency.
func readWallets(conn *sqlite.Conn, customer int64) (wallets []walletState, err error) {
	stmt, err := conn.Prepare(`
	  select currency, balance, held, seq, position, last_entry, hash, updated_at, lots,
	         promotional_from, promotional_sum, paid_from, paid_sum, no, next_expiry, alerts,
	         hold_number, hold_at, debt, shelved_sum, lapsed_sum, lapsed_at, notice_number, next_notice, next_notice_lot
	    from wallets
	   where customer = ?`)
	if err != nil {
		return nil, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, customer)
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			slices.SortFunc(wallets, func(a, b walletState) int { return cmp.Compare(a.Currency, b.Currency) })
			return wallets, err
		}
		w := walletState{no: stmt.ColumnInt64(13), last: stmt.ColumnInt64(5), nextExpiry: stmt.ColumnInt64(14)}
		w.Currency = money.Currency(stmt.ColumnText(0))
		w.Balance, w.Held = money.Amount(stmt.ColumnInt64(1)), money.Amount(stmt.ColumnInt64(2))
		w.HoldNumber, w.HoldAt = stmt.ColumnInt64(16), timeOf(stmt.ColumnInt64(17))
		w.Debt = money.Amount(stmt.ColumnInt64(18))
		w.Seq, w.Position = stmt.ColumnInt64(3), stmt.ColumnInt64(4)
		w.UpdatedAt, w.Alerts = timeOf(stmt.ColumnInt64(7)), ledger.Standings(stmt.ColumnText(15))
		for i := range w.Tails {
			w.Tails[i] = walletrow.Tail{From: stmt.ColumnInt64(9 + 2*i), Sum: money.Amount(stmt.ColumnInt64(10 + 2*i))}
		}
		w.Shelf.Sum, w.Shelf.Lapsed = money.Amount(stmt.ColumnInt64(19)), money.Amount(stmt.ColumnInt64(20))
		w.Shelf.LapsedAt = timeOf(stmt.ColumnInt64(21))
		w.Notices = walletrow.NoticesOf(stmt.ColumnInt64(22), timeOf(stmt.ColumnInt64(23)), stmt.ColumnInt64(24))
		w.notices = w.Notices
		stmt.ColumnBytes(6, w.Hash[:])
		w.Written, err = walletrow.DecodeLots(columnBytes(stmt, 8))
		if err != nil {
			return nil, err
		}
		wallets = append(wallets, w)
	}
}

const updateWalletQuery = `
	  update wallets
	     set balance = ?, held = ?, seq = ?, position = ?, last_entry = ?, hash = ?, updated_at = ?, lots = ?,
	         promotional_from = ?, promotional_sum = ?, paid_from = ?, paid_sum = ?, alerts = ?,
	         hold_number = ?, hold_at = ?, debt = ?, shelved_sum = ?, lapsed_sum = ?, lapsed_at = ?
	   where no = ?`

const insertWalletQuery = `
	  insert into wallets (balance, held, seq, position, last_entry, hash, updated_at, lots,
	                       promotional_from, promotional_sum, paid_from, paid_sum, alerts, hold_number, hold_at, debt,
	                       shelved_sum, lapsed_sum, lapsed_at, customer, currency, tenant)
	  values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
	          (select tenant from customers where no = ?20))`

// updateWallet stores a wallet's state by its row's number, without a look into
// an index. It returns the buffer, grown if need be. When the next lot expires is
// stored by updateNextExpiry: a statement that may change it writes the row's
// place in the index anew, whether or not it does.
func updateWallet(stmt *sqlite.Stmt, w *walletState, buffer []byte) (_ []byte, err error) {
	defer resetting(stmt, &err)
	buffer = bindWallet(stmt, w, buffer)
	stmt.BindInt64(20, w.no)
	_, err = stmt.Step()
	return buffer, err
}

// updateNextExpiry stores when the next of a wallet's lots expires, if the row
// says otherwise.
func updateNextExpiry(conn *sqlite.Conn, w *walletState) (err error) {
	next := microsOf(w.NextExpiry())
	if next == w.nextExpiry {
		return nil
	}
	stmt, err := conn.Prepare(`update wallets set next_expiry = ? where no = ?`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, next)
	stmt.BindInt64(2, w.no)
	_, err = stmt.Step()
	w.nextExpiry = next
	return err
}

// updateNotices stores where the announcing of a wallet's lots stands, if the row says
// otherwise. It is a statement of its own for the same reason.
func updateNotices(conn *sqlite.Conn, w *walletState) error {
	n := &w.Notices
	if *n == w.notices {
		return nil
	}
	const update = `update wallets set notice_number = ?, next_notice = ?, next_notice_lot = ? where no = ?`
	w.notices = *n
	return execute(conn, update, n.Number, microsOf(n.NextNotice()), n.NoticeLot(), w.no)
}

// insertWallet stores the state of a wallet that has no row yet.
func insertWallet(conn *sqlite.Conn, customer int64, w *walletState, buffer []byte) (_ []byte, err error) {
	stmt, err := conn.Prepare(insertWalletQuery)
	if err != nil {
		return buffer, err
	}
	defer resetting(stmt, &err)
	buffer = bindWallet(stmt, w, buffer)
	stmt.BindInt64(20, customer)
	stmt.BindText(21, string(w.Currency))
	if _, err = stmt.Step(); err == nil {
		w.no = conn.LastInsertRowID()
	}
	return buffer, err
}

func bindWallet(stmt *sqlite.Stmt, w *walletState, buffer []byte) []byte {
	buffer = walletrow.AppendLots(buffer[:0], w.Written)
	stmt.BindInt64(1, int64(w.Balance))
	stmt.BindInt64(2, int64(w.Held))
	stmt.BindInt64(3, w.Seq)
	stmt.BindInt64(4, w.Position)
	stmt.BindInt64(5, w.last)
	stmt.BindBytes(6, w.Hash[:])
	stmt.BindInt64(7, w.UpdatedAt.UnixMicro())
	stmt.BindBytes(8, buffer)
	for i, tail := range w.Tails {
		stmt.BindInt64(9+2*i, tail.From)
		stmt.BindInt64(10+2*i, int64(tail.Sum))
	}
	bindOptional(stmt, 13, string(w.Alerts), "")
	stmt.BindInt64(14, w.HoldNumber)
	stmt.BindInt64(15, microsOf(w.HoldAt))
	stmt.BindInt64(16, int64(w.Debt))
	stmt.BindInt64(17, int64(w.Shelf.Sum))
	stmt.BindInt64(18, int64(w.Shelf.Lapsed))
	stmt.BindInt64(19, microsOf(w.Shelf.LapsedAt))
	return buffer
}

// resetting is deferred by whoever steps a cached statement, so that it never
// stays open. The error of Reset repeats the one of Step and is dropped.
func resetting(stmt *sqlite.Stmt, err *error) {
	if reset := stmt.Reset(); *err == nil {
		*err = reset
	}
}

// columnBytes returns a copy of a blob column, nil for null.
func columnBytes(stmt *sqlite.Stmt, column int) []byte {
	if stmt.ColumnIsNull(column) {
		return nil
	}
	b := make([]byte, stmt.ColumnLen(column))
	stmt.ColumnBytes(column, b)
	return b
}

// timeOf turns stored microseconds into a time; 0 is none.
func timeOf(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// microsOf is the reverse of timeOf.
func microsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
