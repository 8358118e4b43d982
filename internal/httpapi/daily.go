package httpapi

import (
	"fmt"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

const (
	paramFrom = "from"
	paramTo   = "to"
)

var dailyParams = []string{paramFrom, paramTo}

// periodDaysMax is how many days a period may have: a leap year.
const periodDaysMax = 366

// handleDailyHistory lists what a wallet was and what it moved on each day of a
// period.
func (s *Server) handleDailyHistory(c *call) error {
	q, err := c.query(dailyParams...)
	if err != nil {
		return err
	}
	from, to, err := q.period()
	if err != nil {
		return err
	}
	list, err := s.points(c, s.book.Now(), dayEnds(from, to))
	if err != nil {
		return err
	}
	points := list.Points
	totals, err := s.totals(c, &list.Wallet, points)
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"customer_id":`...)
	out = appendString(out, list.Wallet.CustomerID)
	out = append(out, `,"currency":"`...)
	out = append(out, list.Wallet.Currency...)
	out = append(out, `","items":[`...)
	now := list.Chain.At(s.book.Now())
	for i, day := 1, from; i < len(points) && !day.After(now); i, day = i+1, day.AddDate(0, 0, 1) {
		if i > 1 {
			out = append(out, ',')
		}
		out = appendDay(out, day, points[i-1], points[i], totals, i-1)
	}
	out = append(out, `],"as_of_position":`...)
	out = strconv.AppendInt(out, list.Chain.Position, 10)
	return s.replyList(c, append(out, '}'))
}

// period returns the days that are asked for, from the beginning of the first to
// the end of the last, in UTC.
func (q *query) period() (from, to time.Time, err error) {
	if from, err = q.day(paramFrom); err != nil {
		return from, to, err
	}
	if to, err = q.day(paramTo); err != nil {
		return from, to, err
	}
	switch days := to.Sub(from) / (24 * time.Hour); {
	case days < 1:
		return from, to, queryError(paramTo, "to must be after from; it is the first day that is not asked for.")
	case days > periodDaysMax:
		return from, to, queryError(paramTo, "to must be at most %d days after from.", periodDaysMax)
	}
	return from, to, nil
}

// day returns the beginning of a day that must be given.
func (q *query) day(name string) (time.Time, error) {
	text := q.get(name)
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 {
		return t, queryError(name, "%s must be a day, such as 2026-01-02.", name)
	}
	return t, nil
}

// dayEnds returns the last moments that come before each day of a period and
// before the day behind it.
func dayEnds(from, to time.Time) (ends []ledger.AsOf) {
	for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
		ends = append(ends, ledger.AsOf{Time: day.Add(-time.Microsecond)})
	}
	return ends
}

// totals adds up what a wallet moved between points of its past, and checks that
// it leads from each to the next. It returns nil where there are too many entries
// to look at.
func (s *Server) totals(c *call, wallet *ledger.Wallet, points []ledger.Point) ([]ledger.Totals, error) {
	entries := points[len(points)-1].Seq - points[0].Seq
	if entries > ledger.TotalsMax {
		return nil, nil
	}
	seqs := make([]int64, len(points))
	for i, point := range points {
		seqs[i] = point.Seq
	}
	var totals []ledger.Totals
	err := s.inTurn(c, entries > walkSkip, func() (err error) {
		totals, err = s.book.Store().Totals(c.r.Context(), wallet.Tenant, wallet.CustomerID, wallet.Currency, seqs)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, t := range totals {
		before, after := points[i], points[i+1]
		sum, ok := money.Sum(before.Balance, t.Credited, -t.Debited, -t.Expired)
		if !ok || sum != after.Balance || before.Seq+t.Entries != after.Seq {
			return nil, fmt.Errorf("wallet %s of customer %s: %+v does not lead from %+v to %+v",
				wallet.Currency, wallet.CustomerID, t, before, after)
		}
	}
	return totals, nil
}

// appendDay appends a day that begins with one point and ends with another. Sums
// that are not known, or that JavaScript could not read exactly, are null.
func appendDay(out []byte, day time.Time, opening, closing ledger.Point, totals []ledger.Totals, i int) []byte {
	out = append(out, `{"date":"`...)
	out = day.AppendFormat(out, time.DateOnly)
	out = append(out, `","opening_balance":`...)
	out = strconv.AppendInt(out, int64(opening.Balance), 10)
	if totals == nil || max(totals[i].Credited, totals[i].Debited, totals[i].Expired) > money.BalanceMax {
		out = append(out, `,"credited":null,"debited":null,"expired":null`...)
	} else {
		out = append(out, `,"credited":`...)
		out = strconv.AppendInt(out, int64(totals[i].Credited), 10)
		out = append(out, `,"debited":`...)
		out = strconv.AppendInt(out, int64(totals[i].Debited), 10)
		out = append(out, `,"expired":`...)
		out = strconv.AppendInt(out, int64(totals[i].Expired), 10)
	}
	out = append(out, `,"closing_balance":`...)
	out = strconv.AppendInt(out, int64(closing.Balance), 10)
	out = append(out, `,"entries":`...)
	out = strconv.AppendInt(out, closing.Seq-opening.Seq, 10)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, closing.Seq, 10)
	return append(out, '}')
}
