package verify

import (
	"cmp"
	"context"
	"errors"
	"math"
)

// Patrol checks a store again and again while it is written to. It goes from
// customer to customer, and sees each as of one moment. The moments are short: a
// long one would keep a file's log from being reset and a database from being
// vacuumed. Since entries and events never change, a customer who has many is read
// in pieces, each in a moment of its own, and only the last sees what can change:
// the rows of wallets, holds and transfers, and the end of the trail.
//
// What it cannot see, as no moment holds all customers, are the sums of a business
// over all of them. Those of each customer are zero if theirs are.
//
// Memory holds what [Run] holds of one customer, and a piece of their entries.
type Patrol struct {
	options Options
	entries int // of a piece

	store   moments // nil while there is no connection
	tenants *tenants
	visit   *visit // nil between two customers
	round   round
	batch   *batch
	piece   *batch // its entries
}

// round is one way through all customers.
type round struct {
	begun   bool
	after   whom  // the customer who was visited last
	newest  int64 // number of the last entry when it began, 0 where entries have none
	counted int64 // entries up to that number that were met
	broken  bool
}

// visit is what has been seen of one customer.
type visit struct {
	whom     whom
	check    *checker // nil before the first piece
	keys     keySet
	entries  int64
	counted  int64 // as in the round
	position int64 // of the last entry that was read
	last     int64 // its number
	event    int64 // number of the last event about a hold that was read
	pieces   int
	whole    bool // in one moment

	comparing bool // the transfers with the rows at their other ends
	transfer  string
}

func newVisit(w whom) *visit { return &visit{whom: w, keys: keySet{max: rangeWeight}} }

// whom is the key of a customer: the number in a file, id and tenant in a database.
type whom struct {
	no int64
	owner
}

// Stride is what one step of a patrol has done.
type Stride struct {
	Entries   int64
	Customers int64 // 1 when somebody was checked to the end

	// Restarted says that a customer is read once more, in one moment: while they
	// were read in pieces, an entry of an earlier piece was undone.
	Restarted bool

	// Findings are those about this customer, or about none.
	Findings []Finding

	// Ended says that every customer has been visited since the last time it was
	// true.
	Ended bool
}

// moments reads a store, one moment at a time.
type moments interface {
	// begin begins a moment, end ends it.
	begin(ctx context.Context) error
	end() error
	close() error

	// restart has next look at all customers again. Newest is the number of the
	// last entry, 0 where they have none.
	restart()
	newest(ctx context.Context) (int64, error)

	// next is the first customer behind another of whom there is any row.
	next(ctx context.Context, after whom) (whom, bool, error)

	// readTenants reads what is at least as new as the moment.
	readTenants(ctx context.Context) (*tenants, error)

	customer(ctx context.Context, w whom) (customerRow, error)
	reversed(ctx context.Context, w whom) (map[string]bool, error)

	// entries reads the next entries behind the last one into b, without steps, and
	// reports whether there may be more.
	entries(ctx context.Context, b *batch, v *visit, count int) (more bool, err error)

	// events reads the next events about holds behind the last one.
	events(ctx context.Context, v *visit, count int) ([]holdEventRow, error)

	// holds sends on the holds with numbers above one and up to another, rest the
	// notices, and the rows of wallets, marks, trail and transfers. It reports whether there are any of
	// these last.
	holds(ctx context.Context, s *sender, w whom, above, upTo int64) error
	rest(ctx context.Context, s *sender, w whom) (transfers bool, err error)

	// pairs compares transfers with ids behind one with the rows at their other
	// ends, and returns the last id, "" when there was none.
	pairs(ctx context.Context, w whom, p *pairs, after string, count int) (last string, err error)
}

// sender collects rows and has them checked when there are many.
type sender struct {
	batch *batch
	check *checker
}

func (s *sender) hand() {
	s.check.batch(s.batch)
	s.batch.reset()
}

// sent is called after each row.
func (s *sender) sent() {
	if s.batch.full() {
		s.hand()
	}
}

const (
	// pieceEntries is a multiple of the distance of the marks, by which a file finds
	// the end of a piece. It takes some ten milliseconds.
	pieceEntries = 16 * markEvery

	// pairRows is how many transfers are compared in one moment.
	pairRows = 200
)

// OpenPatrol makes a patrol over the store that the options name. It connects with
// the first step, and again with the next one after an error.
func OpenPatrol(options Options) *Patrol {
	return &Patrol{options: options, entries: cmp.Or(options.Piece, pieceEntries), batch: newBatch(), piece: newBatch()}
}

// Close ends the connection.
func (p *Patrol) Close() error {
	p.visit = nil
	if p.store == nil {
		return nil
	}
	err := p.store.close()
	p.store = nil
	return err
}

// Step checks the next piece. After an error, the next step begins with the
// customer at hand again.
func (p *Patrol) Step(ctx context.Context) (stride Stride, err error) {
	defer func() {
		if err != nil {
			stride, err = Stride{}, explain(errors.Join(err, p.Close()))
		}
	}()
	if p.store == nil {
		if p.options.DatabaseURL != "" {
			p.store, err = openRows(ctx, p.options.DatabaseURL)
		} else {
			p.store, err = openMoments(ctx, p.options.Path)
		}
		if err != nil {
			return stride, err
		}
	}
	if err := p.store.begin(ctx); err != nil {
		return stride, err
	}
	switch {
	case !p.round.begun:
		stride.Findings, err = p.begin(ctx)
	case p.visit == nil:
		stride, err = p.proceed(ctx)
	case p.visit.comparing:
		stride, err = p.compare(ctx)
	default:
		stride, err = p.look(ctx)
	}
	p.round.broken = p.round.broken || len(stride.Findings) > 0
	return stride, errors.Join(err, p.store.end())
}

// begin begins a round.
func (p *Patrol) begin(ctx context.Context) (found []Finding, err error) {
	p.store.restart()
	p.round = round{after: whom{no: math.MinInt64, owner: owner{tenant: math.MinInt32}}}
	if p.round.newest, err = p.store.newest(ctx); err != nil {
		return nil, err
	}
	if p.tenants, err = p.store.readTenants(ctx); err != nil {
		return nil, err
	}
	p.round.begun = true
	return p.tenants.broken.list(), nil
}

// proceed goes to the next customer and looks at a first piece, or ends the round.
func (p *Patrol) proceed(ctx context.Context) (stride Stride, err error) {
	next, found, err := p.store.next(ctx, p.round.after)
	if err != nil {
		return stride, err
	}
	if found {
		p.visit = newVisit(next)
		return p.look(ctx)
	}
	stride.Ended = true
	if r := p.round; !r.broken && r.counted != r.newest {
		lost := make(findings)
		lost.add(LawSequence, Finding{}, "of the first %d entries, %d belong to the chain of a customer", r.newest, r.counted)
		stride.Findings = lost.list()
	}
	p.round.begun = false
	return stride, nil
}

// meet makes the checker of a customer, and of nobody else.
func (p *Patrol) meet(ctx context.Context) error {
	v := p.visit
	row, err := p.store.customer(ctx, v.whom)
	if err != nil {
		return err
	}
	if _, known := p.tenants.byNo[row.tenant]; row.known && !known {
		if p.tenants, err = p.store.readTenants(ctx); err != nil {
			return err
		}
	}
	v.check = newChecker(p.tenants, nil)
	v.check.found, v.check.unlinked = make(findings), p.options.DatabaseURL != ""
	if v.check.reversed, err = p.store.reversed(ctx, v.whom); err != nil {
		return err
	}
	v.check.begin(row)
	return nil
}

// look checks the next piece of a customer.
func (p *Patrol) look(ctx context.Context) (stride Stride, err error) {
	v := p.visit
	if v.check == nil {
		if err := p.meet(ctx); err != nil {
			return stride, err
		}
	}
	before := v.entries
	for more := true; more; {
		if more, err = p.read(ctx); errors.Is(err, errNoMark) {
			at := v.position + int64(p.entries)
			where := v.check.customer(v.whom.no).where("", at)
			v.check.found.add(LawListing, where, "customer_marks has no row for %d, and the entries from there on were not read", at)
			p.leave(&stride)
			return stride, nil
		}
		if err != nil {
			return stride, err
		}
		stride.Entries = v.entries - before
		switch {
		case v.check.late && !v.whole:
			// An entry of an earlier piece was undone after that had been read, and what
			// it took was not noted.
			p.visit = newVisit(v.whom)
			p.visit.whole, stride.Restarted = true, true
			return stride, nil
		case more && !v.whole:
			return stride, nil
		case !more:
			err = p.conclude(ctx, &stride)
		}
	}
	return stride, err
}

// read sends a piece of the entries, after the holds and the events that have their
// places among them. The last piece sees every hold as it stands.
func (p *Patrol) read(ctx context.Context) (more bool, err error) {
	v, s := p.visit, &sender{batch: p.batch, check: p.visit.check}
	v.pieces++
	p.piece.reset()
	if more, err = p.store.entries(ctx, p.piece, v, p.entries); err != nil {
		return false, err
	}
	if !more {
		if err := p.store.holds(ctx, s, v.whom, 0, math.MaxInt64); err != nil {
			return false, err
		}
	}
	if err := p.sendEvents(ctx, s, more); err != nil {
		return false, err
	}
	s.hand()
	for i := range p.piece.entries {
		p.piece.steps = append(p.piece.steps, stepEntry)
		v.count(&p.piece.entries[i], p.round.newest)
	}
	v.check.batch(p.piece)
	return more, nil
}

// sendEvents sends the events that have their places before the end of the piece,
// and the holds that they made. Events do not go back in time, so those behind the
// first that is later than the piece can wait.
func (p *Patrol) sendEvents(ctx context.Context, s *sender, more bool) error {
	v := p.visit
	for {
		events, err := p.store.events(ctx, v, p.entries)
		if err != nil || len(events) == 0 {
			return err
		}
		last := events[len(events)-1]
		if more {
			if err := p.store.holds(ctx, s, v.whom, v.event, last.number); err != nil {
				return err
			}
		}
		v.event = last.number
		for _, event := range events {
			s.batch.steps, s.batch.events = append(s.batch.steps, stepHoldEvent), append(s.batch.events, event)
			s.sent()
		}
		if len(events) < p.entries || more && last.createdAt > p.piece.until() {
			return nil
		}
	}
}

// until is when the last entry was made.
func (b *batch) until() int64 {
	if len(b.entries) == 0 {
		return 0
	}
	return b.entries[len(b.entries)-1].createdAt
}

// count notes an entry that was read.
func (v *visit) count(e *entryRow, newest int64) {
	v.keys.add(e)
	v.entries++
	v.position, v.last = e.position, e.no
	if e.no <= newest {
		v.counted++
	}
}

// conclude compares the customer's rows with what the entries have left, in the
// moment of the last piece. Of a customer with more keys than fit into memory it is
// not asked whether one repeats.
func (p *Patrol) conclude(ctx context.Context, stride *Stride) error {
	v, s := p.visit, &sender{batch: p.batch, check: p.visit.check}
	if !v.keys.over {
		for _, key := range v.keys.repeated() {
			s.batch.steps, s.batch.keys = append(s.batch.steps, stepRepeatedKey), append(s.batch.keys, key)
		}
	}
	if v.pieces > 1 {
		row, err := p.store.customer(ctx, v.whom)
		if err != nil {
			return err
		}
		v.check.customer(v.whom.no).standing = row.standing
	}
	transfers, err := p.store.rest(ctx, s, v.whom)
	if err != nil {
		return err
	}
	s.hand()
	v.check.balance()
	v.check.end()
	if v.comparing = transfers; !transfers {
		p.leave(stride)
	}
	return nil
}

// compare holds some of the customer's transfers against their other ends.
func (p *Patrol) compare(ctx context.Context) (stride Stride, err error) {
	found := newPairs()
	last, err := p.store.pairs(ctx, p.visit.whom, found, p.visit.transfer, pairRows)
	if err != nil {
		return stride, err
	}
	p.visit.check.brokenPairs(found.broken)
	if p.visit.transfer = last; last == "" {
		p.leave(&stride)
	}
	return stride, nil
}

// leave ends a visit.
func (p *Patrol) leave(stride *Stride) {
	stride.Customers, stride.Findings = 1, p.visit.check.found.list()
	p.round.counted += p.visit.counted
	p.round.after, p.visit = p.visit.whom, nil
}

// balance checks that the wallets of each customer and the other sides of their
// entries sum to zero (law M1).
func (c *checker) balance() {
	for _, owner := range c.customers {
		for key, both := range c.sums {
			all := both.wallets
			for _, sum := range both.accounts {
				all.plus(sum)
			}
			if all != (total{}) {
				c.found.add(LawDoubleEntry, owner.where(key.currency, 0), "wallets and counter accounts sum to %s, want 0", all)
			}
		}
	}
}
