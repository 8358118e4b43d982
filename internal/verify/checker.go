package verify

import (
	"bytes"
	"maps"
	"slices"
)

// checker recomputes the laws from the rows that the reader sends, one range of
// customers at a time.
type checker struct {
	tenants  *tenants
	progress func(done, total int64)
	found    findings
	sums     sums

	// unlinked says that entries and wallets carry no numbers of other entries
	// and that there are no marks, because the store finds rows by their keys.
	unlinked bool

	// marked says that the reader sends the marks of lots, before the entries.
	marked bool

	entries  int64
	known    int64 // customers that exist
	wallets  int64
	invoices int64

	// missing is the first gap in the numbers of entries, which only the
	// reader can see. It is set before the checker is asked for its report.
	missing int64

	// reversed has the ids of the entries that were undone in part or whole. Late
	// says that one was met which is not among them: it was undone since.
	reversed map[string]bool
	late     bool

	customers map[int64]*customer // of the range, by number
	buffer    bytes.Buffer        // for hashing
	parts     []part              // of the entry
}

// customer is a customer as the entries make it.
type customer struct {
	no         int64
	tenant     int64
	businessID string
	mode       string
	id         string

	last  lastEntry
	marks marks
	books []*walletBook // few: one for each currency

	holds      map[int64]*holdBook // by number
	holdNumber int64               // of the last event about one

	noticeNumber int64 // of the last notice

	// due are the parts that a reversal gave back to lots which had expired. The
	// entries right behind it write these off, or move the parts to a lot of their
	// own. Moved is what the last entry took for such a lot and the next must bring
	// back.
	due        []lot
	moved      *entryMoved
	writtenOff int

	debtDue *debtDue // what the next entry must take, nil for nothing

	trail    trail
	standing *standing // of the row, nil when there is none

	lotMarks map[string]*lotMarks // by currency

	bills     *bills // nil where nothing is billed
	heldNoted bool   // that it has every hold which is active

	legs map[string]*legs // of transfers of which the rows were not met yet, by their ids
}

// lastEntry is what the next entry is linked to.
type lastEntry struct {
	no        int64
	position  int64
	hash      [32]byte
	createdAt int64
}

// marks are the numbers of each 64th entry of a customer or wallet, and how
// many of them were met among the rows.
type marks struct {
	entries []int64
	met     int
}

// walletBook is a wallet as its entries make it.
type walletBook struct {
	currency string
	seq      int64
	balance  int64
	sum      total // of the signed amounts
	last     lastEntry
	lots     lotBook
	shelf    []lot // rows of wallet_lots
	holds    walletHolds
	heldLast bool               // what happened last was about a hold, and no entry
	undone   map[string]*undone // by the id of the debit or credit
	free     int64              // what was available before the last entry, at its time
	debt     int64              // what the wallet owes
	alerts   []alert
	marks    marks
	sides    *sides // of all wallets of the tenant in the currency
	hasRow   bool

	opened       []openedLot    // by seq
	told         map[int64]bool // lots that were announced
	noticeNumber int64          // of the last notice
}

func newChecker(tenants *tenants, progress func(done, total int64)) *checker {
	return &checker{
		tenants:   tenants,
		progress:  progress,
		found:     tenants.broken,
		sums:      make(sums),
		customers: make(map[int64]*customer),
	}
}

// batch checks rows in the order in which they were read.
func (c *checker) batch(b *batch) {
	var customers, entries, wallets, shelved, marks, keys, audits, transfers, holds, events, lotMarks, notices, billed int
	for _, step := range b.steps {
		switch step {
		case stepCustomer:
			c.begin(b.customers[customers])
			customers++
		case stepEntry:
			e := &b.entries[entries]
			c.entry(c.customer(e.customer), e)
			entries++
		case stepRepeatedKey:
			c.repeatedKey(b.keys[keys])
			keys++
		case stepWallet:
			w := &b.wallets[wallets]
			c.wallet(c.customer(w.customer), w)
			wallets++
		case stepShelved:
			row := b.shelved[shelved]
			c.shelve(c.customer(row.customer), row)
			shelved++
		case stepCustomerMark:
			m := b.marks[marks]
			c.customerMark(c.customer(m.customer), m)
			marks++
		case stepWalletMark:
			m := b.marks[marks]
			c.walletMark(c.customer(m.customer), m)
			marks++
		case stepAudit:
			line := &b.audits[audits]
			c.audit(c.customer(line.customer), line)
			audits++
		case stepTransfer:
			t := &b.transfers[transfers]
			c.transfer(c.customer(t.customer), t)
			transfers++
		case stepHold:
			c.hold(c.customer(b.holds[holds].customer), &b.holds[holds])
			holds++
		case stepHoldEvent:
			c.holdEvent(c.customer(b.events[events].customer), &b.events[events])
			events++
		case stepLotMark:
			c.lotMark(c.customer(b.lotMarks[lotMarks].customer), b.lotMarks[lotMarks])
			lotMarks++
		case stepNotice:
			c.notice(c.customer(b.notices[notices].customer), &b.notices[notices])
			notices++
		case stepBilled:
			c.billed(c.customer(b.billed[billed].customer), &b.billed[billed])
			billed++
		case stepEnd:
			c.end()
		}
	}
	if c.progress != nil && entries > 0 {
		c.progress(min(c.entries, b.total), b.total)
	}
}

// begin makes a customer known.
func (c *checker) begin(row customerRow) *customer {
	owner := &customer{no: row.no, tenant: row.tenant, id: row.id, standing: row.standing}
	c.customers[row.no] = owner
	if !row.known {
		c.found.add(LawTenancy, Finding{}, "there are rows of customer number %d, who does not exist", row.no)
		return owner
	}
	c.known++
	tenant, ok := c.tenants.byNo[row.tenant]
	if !ok {
		c.found.add(LawTenancy, Finding{CustomerID: row.id}, "the customer belongs to tenant %d, which does not exist", row.tenant)
		return owner
	}
	owner.businessID, owner.mode = tenant.businessID, tenant.mode
	return owner
}

// customer is whom a row belongs to, somebody without a name if need be.
func (c *checker) customer(no int64) *customer {
	if owner, ok := c.customers[no]; ok {
		return owner
	}
	return c.begin(customerRow{no: no})
}

// where is a finding about a customer.
func (o *customer) where(currency string, position int64) Finding {
	return Finding{
		BusinessID: o.businessID,
		Mode:       o.mode,
		CustomerID: o.id,
		Currency:   currency,
		Position:   position,
	}
}

// book returns the customer's wallet in a currency, nil when no entry made one.
func (o *customer) book(currency string) *walletBook {
	for _, book := range o.books {
		if book.currency == currency {
			return book
		}
	}
	return nil
}

// open returns the customer's wallet in a currency, a new one if need be.
func (c *checker) open(owner *customer, currency string) *walletBook {
	book := owner.book(currency)
	if book == nil {
		book = &walletBook{currency: currency, sides: c.sums.sides(owner.tenant, currency)}
		owner.books = append(owner.books, book)
	}
	return book
}

func (c *checker) repeatedKey(key repeatedKey) {
	where := c.customer(key.customer).where("", key.position)
	c.found.add(LawOnce, where, "%d entries have the idempotency key of this one", key.count)
}

// end finishes a range: everything that the entries ask for must have been met.
func (c *checker) end() {
	for _, no := range slices.Sorted(maps.Keys(c.customers)) {
		c.finish(c.customers[no])
	}
	clear(c.customers)
}

func (c *checker) finish(owner *customer) {
	if at, ok := owner.marks.unmet(); ok && !c.unlinked {
		c.found.add(LawListing, owner.where("", at), "customer_marks has no row for this position")
	}
	for _, book := range owner.books {
		if !book.hasRow {
			c.found.add(LawBalance, owner.where(book.currency, book.last.position), "the wallet has entries and no row in wallets")
		}
		if at, ok := book.marks.unmet(); ok && !c.unlinked {
			c.found.add(LawListing, owner.where(book.currency, 0), "wallet_marks has no row for seq %d", at)
		}
	}
	c.finishHolds(owner)
	c.finishLotMarks(owner)
	c.finishBilling(owner)
	if len(owner.due) > 0 {
		c.found.add(LawUndo, owner.where("", owner.last.position), "an expired lot got money back, which is neither written off nor moved")
	}
	if moved := owner.moved; moved != nil {
		c.found.add(moved.law, owner.where("", owner.last.position), "took money for a lot of its own, and no entry brings it back")
	}
	if due := owner.debtDue; due != nil {
		c.found.add(LawDebt, owner.where(due.currency, owner.last.position), "no entry takes what entry %s has lent, or has to pay", due.id)
	}
	c.finishTrail(owner)
	c.finishLegs(owner)
}

// report is called after the last batch.
func (c *checker) report() Report {
	if c.missing > 0 {
		c.found.add(LawSequence, Finding{No: c.missing}, "no entry has number %d, although later ones exist", c.missing)
	}
	accounts := c.sums.check(c.tenants, c.found)
	return Report{
		Entries:   c.entries,
		Customers: c.known,
		Wallets:   c.wallets,
		Invoices:  c.invoices,
		Findings:  c.found.list(),
		Accounts:  accounts,
	}
}
