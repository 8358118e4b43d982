package httpapi

import (
	"crypto/sha256"
	"net/http"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of the requests about test clocks.
var (
	clockFields   = []string{"frozen_time", "name"}
	advanceFields = clockFields[:clockName]
	clockKinds    = [...]strictjson.Kind{clockFrozen: strictjson.String, clockName: strictjson.String}
)

const (
	clockFrozen = iota
	clockName
	clockRequired = clockFrozen + 1
)

var errNoClocks = ledger.Errorf(ledger.CodeTestClock,
	"test clocks are there in test mode only: in live mode time is that of the world; use a key of test mode")

// inTestMode refuses what is about test clocks in live mode.
func (c *call) inTestMode() error {
	if c.tenant().Mode != ledger.Test {
		return errNoClocks
	}
	return nil
}

// clockID returns the id in the path, or that there is no such clock.
func (c *call) clockID() (string, error) {
	if !isID(c.params[0], ledger.TestClockIDPrefix) {
		return "", errNotFound
	}
	return c.params[0], nil
}

// decodeClock reads what a request says about a clock.
func (c *call) decodeClock(names []string) (clock ledger.TestClock, err error) {
	f, err := c.fields(names, clockRequired)
	if err != nil {
		return clock, err
	}
	if err := f.checkKinds(clockKinds[:len(names)]); err != nil {
		return clock, err
	}
	text, _, err := f.text(clockFrozen)
	if err != nil {
		return clock, err
	}
	at, ok := parseTime(text)
	if !ok {
		return clock, ledger.FieldErrorf(ledger.CodeTestClock, "frozen_time",
			"frozen_time must be a time with a zone, such as 2027-01-31T12:00:00Z")
	}
	clock.FrozenAt = at.Truncate(time.Microsecond)
	if len(names) > clockName {
		clock.Name, _, err = f.text(clockName)
	}
	return clock, err
}

// handleClockCreate makes a test clock.
func (s *Server) handleClockCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	clock, err := c.decodeClock(clockFields)
	if err != nil {
		return err
	}
	clock.Tenant = c.tenant()
	if err := ledger.ValidateTestClock(clock); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("billfold.test_clock.v1 " + clock.FrozenAt.Format(time.RFC3339Nano) + " " + clock.Name))
	fingerprint := ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
	once, err := s.once(c, c.route.label, fingerprint)
	if err != nil {
		return err
	}
	if err := c.inTestMode(); err != nil {
		return err
	}
	if once == nil {
		once = s.onceResent(c, c.route.label, fingerprint)
	}
	clock.ID, clock.CreatedAt = s.book.NewID(ledger.TestClockIDPrefix), s.book.Now()
	out := appendClock(nil, &clock)
	first, err := s.book.Store().CreateTestClock(c.r.Context(), clock, once, out)
	if err != nil {
		return err
	}
	if first != nil {
		c.replyFirst(first)
		return nil
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], out...))
	return nil
}

// handleClock returns one test clock.
func (s *Server) handleClock(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.clockID()
	if err != nil {
		return err
	}
	clock, err := s.book.Store().TestClock(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, appendClock(c.scratch.out[:0], &clock))
	return nil
}

var clockListParams = []string{paramPageNumber, paramPageSize, paramCursor}

// handleClockList lists test clocks, newest first.
func (s *Server) handleClockList(c *call) error {
	q, err := c.query(clockListParams...)
	if err != nil {
		return err
	}
	bound := c.bound()
	page, err := s.page(c, &q, bound)
	if err != nil {
		return err
	}
	var list ledger.TestClockList
	err = s.inTurn(c, page.Skip > walkSkip, func() (err error) {
		list, err = s.book.Store().TestClocks(c.r.Context(), c.tenant(), page)
		return err
	})
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range list.Clocks {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendClock(out, &list.Clocks[i])
	}
	out = append(out, ']')
	out = s.appendNext(out, list.Next, bound)
	return s.replyList(c, append(out, '}'))
}

// handleClockAdvance has a clock go forward. Its customers follow: the answer does not
// wait for them.
func (s *Server) handleClockAdvance(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	asked, err := c.decodeClock(advanceFields)
	if err != nil {
		return err
	}
	id, err := c.clockID()
	if err != nil {
		return err
	}
	clock, err := s.book.Store().UpdateTestClock(c.r.Context(), c.tenant(), id,
		func(clock ledger.TestClock) (ledger.TestClock, error) { return clock.Advance(asked.FrozenAt) })
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, appendClock(c.scratch.out[:0], &clock))
	return nil
}

// handleClockDelete has a clock stand still for ever, and its customers with it.
func (s *Server) handleClockDelete(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.clockID()
	if err != nil {
		return err
	}
	_, err = s.book.Store().UpdateTestClock(c.r.Context(), c.tenant(), id,
		func(clock ledger.TestClock) (ledger.TestClock, error) {
			clock.Deleted = true
			return clock, nil
		})
	if err != nil {
		return err
	}
	c.w.Header()["Cache-Control"] = headerNoStore
	c.status = http.StatusNoContent
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// attach gives a new customer the clock with an id, and its time.
func (s *Server) attach(c *call, customer *ledger.Customer, id string) error {
	if err := c.inTestMode(); err != nil {
		return err
	}
	clock, err := s.book.Store().TestClock(c.r.Context(), customer.Tenant, id)
	switch {
	case ledger.CodeOf(err) == ledger.CodeNotFound:
		return ledger.FieldErrorf(ledger.CodeTestClock, "test_clock", "there is no test clock %q", clip(id))
	case err != nil:
		return err
	case clock.Customers >= ledger.TestClockCustomers:
		return ledger.Errorf(ledger.CodeLimitReached, "a test clock may have %d customers; make another one", ledger.TestClockCustomers)
	}
	customer.Clock, customer.ClockAt = clock.ID, clock.FrozenAt
	customer.CreatedAt, customer.UpdatedAt = clock.FrozenAt, clock.FrozenAt
	return nil
}

func appendClock(out []byte, clock *ledger.TestClock) []byte {
	out = append(out, `{"test_clock_id":`...)
	out = appendString(out, clock.ID)
	out = append(out, `,"business_id":`...)
	out = appendString(out, clock.Tenant.BusinessID)
	out = append(out, `,"name":`...)
	out = appendString(out, clock.Name)
	out = append(out, `,"status":`...)
	out = appendString(out, string(clock.Status()))
	out = append(out, `,"frozen_time":`...)
	out = appendTime(out, clock.FrozenAt)
	out = append(out, `,"customers":`...)
	out = strconv.AppendInt(out, clock.Customers, 10)
	out = append(out, `,"customers_behind":`...)
	out = strconv.AppendInt(out, clock.Behind, 10)
	out = append(out, `,"failure":`...)
	failure := ""
	if clock.Status() == ledger.ClockFailing {
		failure = clock.Failure
	}
	out = appendOptional(out, failure)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, clock.CreatedAt)
	return append(out, '}')
}
