// Package calendar says when the periods of a subscription begin and end: each
// is counted from the anchor and never from the period before, in the civil time
// of one zone (laws Q1 to Q3). It is pure: whoever asks brings the time and the
// zone.
package calendar

import (
	"fmt"
	"iter"
	"sort"
	"time"
)

// Unit is what a schedule counts in, in the words of the wire.
type Unit string

// The units. A quarter is three months.
const (
	Day   Unit = "Day"
	Week  Unit = "Week"
	Month Unit = "Month"
	Year  Unit = "Year"
)

// CountMax is how many units a period may have at the most.
const CountMax = 1000

// horizon is the first instant at which no period begins any more: times on the
// wire have years of four digits.
var horizon = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

// Schedule is the row of periods that begins at an anchor. [New] makes it.
type Schedule struct {
	anchor time.Time // with its zone
	unit   Unit
	count  int64 // 1 … CountMax
	day    int   // of the month that periods of months and years begin on, 1 … 31
}

// Error says which part of a schedule is to blame, in the words of the wire.
type Error struct {
	Param   string
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// New returns the schedule whose first period begins at the anchor, cut to
// microseconds, and whose periods are a count of units long in the civil time of a
// zone.
//
// Day is the day of the month, 1 to 31, that periods of months and years begin on,
// or 0 for the anchor's own. It can differ from that only where the anchor stands at
// the end of a month that has no such day: a subscription that belongs to the 31st and
// moves in on 28 February.
func New(anchor time.Time, zone *time.Location, unit Unit, count, day int) (Schedule, error) {
	if zone == nil {
		return Schedule{}, &Error{"zone", "a schedule needs a time zone of the IANA database"}
	}
	anchor = anchor.Truncate(time.Microsecond).In(zone)
	switch unit {
	case Day, Week, Month, Year:
	default:
		return Schedule{}, &Error{"interval", fmt.Sprintf("%q is not an interval; use Day, Week, Month or Year", unit)}
	}
	if count < 1 || count > CountMax {
		return Schedule{}, &Error{"count", fmt.Sprintf("a period has 1 to %d of its interval, not %d", CountMax, count)}
	}
	if anchor.Year() < 1 || !anchor.Before(horizon) {
		return Schedule{}, &Error{"anchor", "a schedule begins in the years 1 to 9999"}
	}
	year, month, own := anchor.Date()
	if day == 0 {
		day = own
	}
	if day < 1 || day > 31 || min(day, daysIn(year, month)) != own {
		return Schedule{}, &Error{"day", fmt.Sprintf("a schedule that begins on %s has no day %d of the month", anchor.Format(time.DateOnly), day)}
	}
	return Schedule{anchor: anchor, unit: unit, count: int64(count), day: day}, nil
}

// Period is a half-open stretch of time. The end of each is the start of the next.
type Period struct {
	Number int64     // 0 is the first
	Start  time.Time // UTC
	End    time.Time // UTC, not part of it
}

// Empty reports whether the period has no time in it, as a day has that a zone
// left out: Samoa had no 30 December 2011. There is nothing to be billed for it.
func (p Period) Empty() bool { return p.Start.Equal(p.End) }

// Period returns the period with a number, and false where there is none: below 0,
// and where it would end beyond the year 9999.
//
//	anchor 31 January, each month: 28 or 29 February, 31 March, 30 April
//	anchor 29 February 2024, each year: 28 February 2025, …, 29 February 2028
func (s Schedule) Period(number int64) (Period, bool) {
	// No schedule has more periods than there are days, and a product of
	// numbers below stays far from 64 bits.
	if number < 0 || number > 10_000*366 {
		return Period{}, false
	}
	start, end := s.start(number), s.start(number+1)
	return Period{number, start.UTC(), end.UTC()}, end.Before(horizon)
}

// At returns the period that contains an instant, and false before the anchor and
// beyond the last period.
func (s Schedule) At(t time.Time) (Period, bool) {
	if t.Before(s.anchor) || !t.Before(horizon) {
		return Period{}, false
	}
	// A period is at least as long as its unit at its shortest, less the day
	// that a zone may leave out, so this many cannot have begun.
	shortest := map[Unit]int64{Day: 1, Week: 7, Month: 28, Year: 365}[s.unit] * s.count
	days := (t.Unix() - s.anchor.Unix()) / secondsOfDay
	begun := sort.Search(int((days+1)/shortest)+2, func(n int) bool { return s.start(int64(n) + 1).After(t) })
	return s.Period(int64(begun))
}

// Due yields the periods that have begun by now and have a number from first on,
// oldest first, without the empty ones: what a subscription is still to be billed
// for, when first is one more than the number that was billed last. However often
// and late it is asked, each period comes under the same number with the same
// bounds; whoever commits the number with the invoice bills each once (law Q2).
func (s Schedule) Due(first int64, now time.Time) iter.Seq[Period] {
	return func(yield func(Period) bool) {
		for number := first; ; number++ {
			period, ok := s.Period(number)
			if !ok || period.Start.After(now) {
				return
			}
			if !period.Empty() && !yield(period) {
				return
			}
		}
	}
}

// start is the instant at which the period with a number begins.
func (s Schedule) start(number int64) time.Time {
	if number == 0 {
		return s.anchor // which may be the second of two equal times by the clock
	}
	year, month, day := s.anchor.Date()
	switch steps := number * s.count; s.unit {
	case Day:
		day += int(steps)
	case Week:
		day += int(7 * steps)
	case Month:
		year, month = year+int((int64(month)-1+steps)/12), time.Month((int64(month)-1+steps)%12+1)
		day = min(s.day, daysIn(year, month))
	case Year:
		year += int(steps)
		day = min(s.day, daysIn(year, month))
	}
	hour, minute, second := s.anchor.Clock()
	civil := time.Date(year, month, day, hour, minute, second, s.anchor.Nanosecond(), time.UTC)
	return instant(civil, s.anchor.Location())
}

// daysIn is how many days a month has.
func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
