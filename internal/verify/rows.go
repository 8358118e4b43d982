package verify

import (
	"encoding/binary"
	"slices"

	"zombiezen.com/go/sqlite"
)

// kind says what a step of a batch is about.
type kind uint8

const (
	stepCustomer     kind = iota // the customers of a range, by number
	stepEntry                    // their entries, in the order of commits
	stepRepeatedKey              // a key that several entries of a customer have
	stepShelved                  // lots of their wallets that have rows of their own, in spend order
	stepWallet                   // their wallet rows, by customer and currency
	stepCustomerMark             // their marks, by customer and position
	stepWalletMark               // their wallets' marks, by customer, currency and seq
	stepAudit                    // their audit trails, by customer and position
	stepTransfer                 // their rows of transfers, by customer and id
	stepHold                     // their holds, by customer and number, before the entries
	stepHoldEvent                // what happened to these, by customer and number
	stepLotMark                  // the marks of their lots, before the entries
	stepNotice                   // notices of their lots, by customer and number, before the wallets
	stepBilled                   // invoices, refunds and subscriptions, by customer and number, after all the others
	stepEnd                      // the range ends
)

// batch carries rows from the reader to the checker. All memory is reused.
type batch struct {
	steps     []kind
	customers []customerRow
	entries   []entryRow
	wallets   []walletRow
	shelved   []shelvedRow
	marks     []markRow
	audits    []auditRow
	transfers []transferRow
	holds     []holdRow
	events    []holdEventRow
	lotMarks  []lotMarkRow
	notices   []noticeRow
	billed    []billedRow
	keys      []repeatedKey
	text      []byte // what the rows' texts point into

	total int64 // entries in the whole file
}

const (
	batchEntries = 256
	batchText    = 256 << 10
)

func newBatch() *batch {
	return &batch{
		steps:   make([]kind, 0, 2*batchEntries),
		entries: make([]entryRow, 0, batchEntries),
		text:    make([]byte, 0, batchText),
	}
}

func (b *batch) reset() {
	b.steps, b.customers, b.entries = b.steps[:0], b.customers[:0], b.entries[:0]
	b.wallets, b.marks, b.keys, b.text = b.wallets[:0], b.marks[:0], b.keys[:0], b.text[:0]
	b.shelved, b.lotMarks, b.notices = b.shelved[:0], b.lotMarks[:0], b.notices[:0]
	b.audits, b.transfers, b.holds, b.events = b.audits[:0], b.transfers[:0], b.holds[:0], b.events[:0]
	b.billed = b.billed[:0]
}

// full reports whether a row may not fit any more.
func (b *batch) full() bool {
	return len(b.entries) == cap(b.entries) || len(b.steps) >= 4*batchEntries || len(b.text) > batchText/2
}

// column returns the bytes of a text or blob that stay valid until the batch is
// reset, nil for null.
func (b *batch) column(stmt *sqlite.Stmt, col int) []byte {
	room := b.text[len(b.text):cap(b.text)]
	n := stmt.ColumnBytes(col, room)
	switch {
	case n == 0 && stmt.ColumnIsNull(col):
		return nil
	case n == len(room):
		// The room may have cut the value off.
		value := make([]byte, stmt.ColumnLen(col))
		stmt.ColumnBytes(col, value)
		return value
	}
	b.text = b.text[:len(b.text)+n]
	return room[:n:n]
}

// customerRow is a raw row of customers. Known is false when there are rows
// of a customer that does not exist.
type customerRow struct {
	no     int64
	known  bool
	tenant int64
	id     string

	// standing is nil where a quick run does not look at it.
	standing *standing
}

// walletRow is a raw row of wallets.
type walletRow struct {
	customer  int64
	currency  string
	balance   int64
	held      int64
	seq       int64
	position  int64
	lastEntry int64
	hash      []byte
	updatedAt int64
	lots      []byte
	tails     [2]tail // of promotional and of paid lots
	misfit    string  // the column that is not stored as it should be

	nextExpiry int64 // of the lots, 0 when none can expire
	shelvedSum int64 // of the lots in wallet_lots
	lapsedSum  int64 // of those that had expired at lapsedAt
	lapsedAt   int64
	alerts     []byte
	holdNumber int64 // of the last event about a hold, 0 for none
	holdAt     int64 // when that was
	debt       int64

	tenant       int64
	nextNotice   int64 // when the lot expires from which on notices are looked for, 0 for none
	noticeLot    int64 // its seq, negated if it is promotional
	noticeNumber int64 // of the last notice, 0 for none
}

const walletColumns = `
	select customer,
	       currency,
	       balance,
	       held,
	       seq,
	       position,
	       last_entry,
	       hash,
	       updated_at,
	       lots,
	       promotional_from,
	       promotional_sum,
	       paid_from,
	       paid_sum,
	       next_expiry,
	       alerts,
	       hold_number,
	       hold_at,
	       debt,
	       shelved_sum,
	       lapsed_sum,
	       lapsed_at,
	       tenant,
	       next_notice,
	       next_notice_lot,
	       notice_number
	  from wallets`

// scanWallet reads a row of walletColumns.
func (b *batch) scanWallet(stmt *sqlite.Stmt, currencies names, w *walletRow) {
	*w = walletRow{
		misfit:    walletShape.misfit(stmt),
		customer:  stmt.ColumnInt64(0),
		currency:  currencies.name(stmt, 1),
		balance:   stmt.ColumnInt64(2),
		held:      stmt.ColumnInt64(3),
		seq:       stmt.ColumnInt64(4),
		position:  stmt.ColumnInt64(5),
		lastEntry: stmt.ColumnInt64(6),
		hash:      b.column(stmt, 7),
		updatedAt: stmt.ColumnInt64(8),
		lots:      b.column(stmt, 9),

		nextExpiry: stmt.ColumnInt64(14),
		alerts:     b.column(stmt, 15),
		holdNumber: stmt.ColumnInt64(16),
		holdAt:     stmt.ColumnInt64(17),
		debt:       stmt.ColumnInt64(18),
		shelvedSum: stmt.ColumnInt64(19),
		lapsedSum:  stmt.ColumnInt64(20),
		lapsedAt:   stmt.ColumnInt64(21),

		tenant:       stmt.ColumnInt64(22),
		nextNotice:   stmt.ColumnInt64(23),
		noticeLot:    stmt.ColumnInt64(24),
		noticeNumber: stmt.ColumnInt64(25),
	}
	for i := range w.tails {
		w.tails[i] = tail{from: stmt.ColumnInt64(10 + 2*i), sum: stmt.ColumnInt64(11 + 2*i)}
	}
}

// tail stands for lots that never expire and were never touched: the wallet's
// credits of one category without expiry, from a seq upwards.
type tail struct{ from, sum int64 }

// markRow is a raw row of customer_marks or of wallet_marks.
type markRow struct {
	customer int64
	currency string // empty in customer_marks
	at       int64  // position or seq
	entry    int64
}

// repeatedKey is an idempotency key that more than one entry of a customer has.
type repeatedKey struct {
	customer int64
	position int64 // of the second entry
	count    int64
}

// entryRow is a raw row of ledger_entries. Null texts are nil.
type entryRow struct {
	no             int64
	customer       int64
	position       int64
	seq            int64
	previous       int64
	walletPrevious int64
	creditFlag     int64 // as stored, 0 or 1
	isCredit       bool
	amount         int64
	before         int64
	after          int64
	available      int64
	expiresAt      int64
	createdAt      int64

	currency    string
	id          []byte
	eventType   []byte
	account     []byte
	category    []byte
	lots        []byte // the allocations as stored
	reason      []byte
	reference   []byte
	metadata    []byte
	key         []byte
	fingerprint []byte
	createdBy   []byte
	hash        []byte
	reverses    []byte
	alerts      []byte // the thresholds in force, where the entry changed them or crossed one
	holdID      []byte
	held        int64
	zeroHeld    bool   // 0 is stored where null belongs
	misfit      string // the column that is not stored as it should be

	// allocations are decoded from lots by the checker; decodes is false when
	// that cannot be done.
	allocations []part
	decodes     bool
}

// part is how much an entry took from, or gave back to, the lot that the credit at
// seq opened.
type part struct{ seq, amount int64 }

const entryColumns = `
	select no,
	       position,
	       seq,
	       previous,
	       wallet_previous,
	       is_credit,
	       amount,
	       before_balance,
	       after_balance,
	       available,
	       expires_at,
	       created_at,
	       currency,
	       id,
	       event_type,
	       account,
	       category,
	       allocations,
	       reason,
	       reference_object_id,
	       metadata,
	       idempotency_key,
	       fingerprint,
	       created_by,
	       hash,
	       customer,
	       reverses,
	       alerts,
	       hold_id,
	       held
	  from ledger_entries`

// shape says how the columns of a query are stored, with a letter for each: an
// integer, a text or a blob, in capitals when it may be null instead. A bit that
// flips in a row's head can turn one into the other with all bytes kept, and
// then no hash differs, but SQL no longer finds the row.
type shape string

const (
	walletShape shape = "it" + "iiiii" + "bi" + "biiii" + "iTiii" + "iii" + "iiii"
	entryShape  shape = "iiiiii" + "iiii" + "ii" + "ttttt" + "BTTTT" + "btbiT" + "TTI"
)

// misfit is the name of the first column that is stored in another way, "" when
// there is none.
func (s shape) misfit(stmt *sqlite.Stmt) string {
	for i := range len(s) {
		if !storedAs(s[i], stmt.ColumnType(i)) {
			return stmt.ColumnName(i)
		}
	}
	return ""
}

func storedAs(letter byte, stored sqlite.ColumnType) bool {
	switch letter {
	case 'i':
		return stored == sqlite.TypeInteger
	case 't':
		return stored == sqlite.TypeText
	case 'b':
		return stored == sqlite.TypeBlob
	case 'I':
		return stored == sqlite.TypeInteger || stored == sqlite.TypeNull
	case 'T':
		return stored == sqlite.TypeText || stored == sqlite.TypeNull
	default: // 'B'
		return stored == sqlite.TypeBlob || stored == sqlite.TypeNull
	}
}

// scan reads a row of entryColumns.
func (b *batch) scan(stmt *sqlite.Stmt, currencies names, e *entryRow) {
	e.misfit = entryShape.misfit(stmt)
	e.no = stmt.ColumnInt64(0)
	e.position = stmt.ColumnInt64(1)
	e.seq = stmt.ColumnInt64(2)
	e.previous = stmt.ColumnInt64(3)
	e.walletPrevious = stmt.ColumnInt64(4)
	e.creditFlag = stmt.ColumnInt64(5)
	e.isCredit = e.creditFlag != 0
	e.amount = stmt.ColumnInt64(6)
	e.before = stmt.ColumnInt64(7)
	e.after = stmt.ColumnInt64(8)
	e.available = stmt.ColumnInt64(9)
	e.expiresAt = stmt.ColumnInt64(10)
	e.createdAt = stmt.ColumnInt64(11)
	e.currency = currencies.name(stmt, 12)
	e.id = b.column(stmt, 13)
	e.eventType = b.column(stmt, 14)
	e.account = b.column(stmt, 15)
	e.category = b.column(stmt, 16)
	e.lots = b.column(stmt, 17)
	e.reason = b.column(stmt, 18)
	e.reference = b.column(stmt, 19)
	e.metadata = b.column(stmt, 20)
	e.key = b.column(stmt, 21)
	e.fingerprint = b.column(stmt, 22)
	e.createdBy = b.column(stmt, 23)
	e.hash = b.column(stmt, 24)
	e.customer = stmt.ColumnInt64(25)
	e.reverses = b.column(stmt, 26)
	e.alerts = b.column(stmt, 27)
	e.holdID, e.held = b.column(stmt, 28), stmt.ColumnInt64(29)
	e.zeroHeld = e.held == 0 && !stmt.ColumnIsNull(29)
}

// names keeps one string for each currency that was met, so that rows need no
// memory for theirs.
type names map[string]string

func (n names) name(stmt *sqlite.Stmt, col int) string {
	var buffer [16]byte
	length := stmt.ColumnBytes(col, buffer[:])
	if length == len(buffer) {
		return stmt.ColumnText(col)
	}
	if name, ok := n[string(buffer[:length])]; ok {
		return name
	}
	name := string(buffer[:length])
	if len(n) < 1024 {
		n[name] = name
	}
	return name
}

// decodeParts decodes pairs of varints and appends them to parts. It refuses
// numbers that are longer than they need be or do not fit into 63 bits, so that
// each list has one encoding.
func decodeParts(parts []part, b []byte) (_ []part, ok bool) {
	for len(b) > 0 {
		var fields [2]int64
		if b, ok = decodeNumbers(b, fields[:]); !ok {
			return parts, false
		}
		parts = append(parts, part{seq: fields[0], amount: fields[1]})
	}
	return parts, true
}

// decodeLots decodes the lots of a wallet row.
func decodeLots(b []byte) (lots []lot, ok bool) {
	for len(b) > 0 {
		var fields [4]int64
		if b, ok = decodeNumbers(b, fields[:]); !ok || fields[1] > 1 {
			return nil, false
		}
		lots = append(lots, lot{
			seq:       fields[0],
			paid:      fields[1] == 1,
			expiresAt: fields[2],
			remaining: fields[3],
		})
	}
	return lots, true
}

func decodeNumbers(b []byte, numbers []int64) (rest []byte, ok bool) {
	for i := range numbers {
		value, n := binary.Uvarint(b)
		if n <= 0 || int64(value) < 0 || (n > 1 && b[n-1] == 0) {
			return nil, false
		}
		numbers[i], b = int64(value), b[n:]
	}
	return b, true
}

// grow returns a slice that is one longer, with its new last item to fill.
func grow[T any](items []T) ([]T, *T) {
	items = slices.Grow(items, 1)[:len(items)+1]
	return items, &items[len(items)-1]
}
