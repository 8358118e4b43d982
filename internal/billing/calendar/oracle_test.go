package calendar_test

import (
	"flag"
	"testing"
	"time"
	_ "time/tzdata" // a machine without a database of zones must not change what is tested

	"github.com/billfold/billfold/internal/billing/calendar"
)

var strideFlag = flag.Int("stride", 20, "the oracle looks at one in how many anchors")

// spec is what a schedule is made of.
type spec struct {
	anchor time.Time
	zone   *time.Location
	unit   calendar.Unit
	count  int
}

// date is a day of the oracle's own calendar.
type date struct{ year, month, day int }

func (d date) lastOfMonth() int {
	leap := d.year%4 == 0 && (d.year%100 != 0 || d.year%400 == 0)
	switch {
	case d.month == 2 && leap:
		return 29
	case d.month == 2:
		return 28
	case d.month == 4 || d.month == 6 || d.month == 9 || d.month == 11:
		return 30
	}
	return 31
}

func (d date) next() date {
	switch {
	case d.day < d.lastOfMonth():
		return date{d.year, d.month, d.day + 1}
	case d.month < 12:
		return date{d.year, d.month + 1, 1}
	}
	return date{d.year + 1, 1, 1}
}

// walk goes from an anchor day by day and returns the first dates on which a period
// begins.
func walk(anchor date, unit calendar.Unit, count, wanted int) []date {
	var begins []date
	for day, days := anchor, 0; len(begins) < wanted; day, days = day.next(), days+1 {
		months := (day.year-anchor.year)*12 + day.month - anchor.month
		ofMonth := day.day == anchor.day || day.day == day.lastOfMonth() && anchor.day > day.day
		begin := false
		switch unit {
		case calendar.Day:
			begin = days%count == 0
		case calendar.Week:
			begin = days%(7*count) == 0
		case calendar.Month:
			begin = ofMonth && months%count == 0
		case calendar.Year:
			begin = ofMonth && months%(12*count) == 0
		}
		if begin {
			begins = append(begins, day)
		}
	}
	return begins
}

// wall is the clock on the wall of a zone, read every quarter of an hour. It knows
// no transition, only what the clock shows at an instant.
type wall struct {
	zone  *time.Location
	clock int64 // seconds since midnight that anchors are set at
	seen  map[date]time.Time
}

// at returns when the wall shows its clock's time on a date: the first time, and
// where it never does, as much after the last instant before as was missing then.
func (w *wall) at(d date) time.Time {
	if found, ok := w.seen[d]; ok {
		return found
	}
	wanted := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC).Unix() + w.clock
	const quarter, most = 15 * 60, 16 * 60 * 60
	var last, missing int64
	for x := wanted - most; x <= wanted+most; x += quarter {
		_, offset := time.Unix(x, 0).In(w.zone).Zone()
		shown := x + int64(offset)
		if shown == wanted {
			last, missing = x, 0
			break
		}
		if shown < wanted {
			last, missing = x, wanted-shown
		}
	}
	w.seen[d] = time.Unix(last+missing, 0)
	return w.seen[d]
}

// walls are the zones that the oracle looks at, with a time of day that each of
// them has skipped or repeated, if it ever did.
func walls(t *testing.T) []*wall {
	t.Helper()
	var all []*wall
	for _, zone := range []struct {
		name         string
		hour, minute int64
	}{
		{"UTC", 0, 0}, {"America/New_York", 2, 30}, {"America/Los_Angeles", 1, 30}, {"America/St_Johns", 0, 30},
		{"America/Sao_Paulo", 0, 30}, {"America/Havana", 0, 30}, {"America/Santiago", 0, 15}, {"America/Asuncion", 0, 0},
		{"America/Caracas", 2, 45}, {"Europe/London", 1, 30}, {"Europe/Berlin", 2, 30}, {"Europe/Moscow", 2, 30},
		{"Europe/Istanbul", 3, 30}, {"Africa/Cairo", 0, 30}, {"Africa/Casablanca", 2, 30}, {"Asia/Beirut", 0, 45},
		{"Asia/Tehran", 0, 30}, {"Asia/Kolkata", 0, 0}, {"Asia/Kathmandu", 23, 45}, {"Asia/Pyongyang", 23, 45},
		{"Australia/Lord_Howe", 2, 15}, {"Pacific/Chatham", 3, 0}, {"Antarctica/Troll", 1, 45}, {"Pacific/Apia", 9, 0},
	} {
		location, err := time.LoadLocation(zone.name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &wall{location, zone.hour*3600 + zone.minute*60, map[date]time.Time{}})
	}
	return all
}

// oracleIntervals are a day, a week, a month, a quarter and a year.
var oracleIntervals = []spec{
	{unit: calendar.Day, count: 1}, {unit: calendar.Week, count: 1}, {unit: calendar.Month, count: 1},
	{unit: calendar.Month, count: 3}, {unit: calendar.Year, count: 1},
}

const (
	oraclePeriods = 13
	oracleDays    = 28*365 + 7 // every position of a day in week and leap year
)

// compareWithOracle has an engine tell the starts of the first periods of one in
// stride anchors, until it differs from the oracle. It returns how many anchors it
// looked at, and the first difference.
func compareWithOracle(all []*wall, stride int, start func(spec, int64) time.Time) (anchors int, complaint string) {
	first := date{2000, 1, 1}
	for day := range oracleDays {
		for i, interval := range oracleIntervals {
			var begins []date
			for z, wall := range all {
				if (day*len(oracleIntervals)*len(all)+i*len(all)+z+day)%stride != 0 {
					continue
				}
				if begins == nil {
					begins = walk(first, interval.unit, interval.count, oraclePeriods)
				}
				s := spec{wall.at(first), wall.zone, interval.unit, interval.count}
				if shown := s.anchor.In(s.zone); shown.Day() != first.day || shown.Hour()*60+shown.Minute() != int(wall.clock/60) {
					continue // the clock never showed this, so nothing can have begun then
				}
				anchors++
				for n, begin := range begins {
					if got, want := start(s, int64(n)), wall.at(begin); !got.Equal(want) {
						return anchors, s.anchor.In(s.zone).String() + " every " + string(s.unit) + ": got " +
							got.In(s.zone).String() + ", want " + want.In(s.zone).String()
					}
				}
			}
		}
		first = first.next()
	}
	return anchors, ""
}

// TestOracle compares the calendar with one that walks from day to day and reads a
// clock on the wall (law Q1, Q3), and sees that each of the usual mistakes differs.
func TestOracle(t *testing.T) {
	t.Parallel()
	all := walls(t)
	anchors, complaint := compareWithOracle(all, *strideFlag, func(s spec, n int64) time.Time {
		return period(t, s, n).Start
	})
	if complaint != "" {
		t.Errorf("calendar: %s", complaint)
	}
	t.Logf("%d anchors with %d periods each, in %d zones; for all of them: go test ./internal/billing/calendar -run TestOracle -stride=1",
		anchors, oraclePeriods, len(all))
	if least := oracleDays * len(oracleIntervals) * len(all) / *strideFlag * 99 / 100; anchors < least {
		t.Errorf("looked at %d anchors, want %d at least", anchors, least)
	}
	for _, mistake := range calendarMistakes() {
		if _, complaint := compareWithOracle(all, 20, mistake.start); complaint == "" {
			t.Errorf("the oracle does not notice: %s", mistake.name)
		}
	}
}

// calendarMistakes are starts of periods as other systems have computed them.
func calendarMistakes() []struct {
	name  string
	start func(spec, int64) time.Time
} {
	return []struct {
		name  string
		start func(spec, int64) time.Time
	}{
		{"each period is counted from the last date", func(s spec, n int64) time.Time {
			at := s.anchor.In(s.zone)
			for range n {
				months, days := steps(s, 1)
				at = clamped(at, months, days)
			}
			return at
		}},
		{"31 January and a month is 3 March", func(s spec, n int64) time.Time {
			months, days := steps(s, n)
			return s.anchor.In(s.zone).AddDate(0, months, days)
		}},
		{"a month is thirty days", func(s spec, n int64) time.Time {
			months, days := steps(s, n)
			return s.anchor.In(s.zone).AddDate(0, 0, 30*months+days)
		}},
		{"a day is 24 hours", func(s spec, n int64) time.Time {
			months, days := steps(s, n)
			return clamped(s.anchor.In(s.zone), months, 0).Add(time.Duration(days) * 24 * time.Hour)
		}},
		{"the calendar is that of UTC", func(s spec, n int64) time.Time {
			months, days := steps(s, n)
			return clamped(s.anchor.UTC(), months, days)
		}},
		{"package time decides about what clocks skip and repeat", func(s spec, n int64) time.Time {
			months, days := steps(s, n)
			return clamped(s.anchor.In(s.zone), months, days)
		}},
		{"of two equal times the second counts", func(s spec, n int64) time.Time {
			at, err := calendar.New(s.anchor, s.zone, s.unit, s.count, 0)
			p, _ := at.Period(n)
			later := p.Start.Add(time.Hour)
			if err != nil || n == 0 || p.Start.In(s.zone).Format(time.DateTime) != later.In(s.zone).Format(time.DateTime) {
				return p.Start
			}
			return later
		}},
		{"what is skipped begins when the clocks go on", func(s spec, n int64) time.Time {
			at, err := calendar.New(s.anchor, s.zone, s.unit, s.count, 0)
			p, _ := at.Period(n)
			if start, _ := p.Start.In(s.zone).ZoneBounds(); err == nil && p.Start.Sub(start) < time.Hour {
				return start
			}
			return p.Start
		}},
	}
}

// steps is how far period n is from the first in months or days.
func steps(s spec, n int64) (months, days int) {
	switch s.unit {
	case calendar.Day:
		return 0, int(n)
	case calendar.Week:
		return 0, 7 * int(n)
	case calendar.Month:
		return int(n) * s.count, 0
	}
	return 12 * int(n), 0
}

// clamped is [time.Time.AddDate] that stays in the month it is asked for.
func clamped(t time.Time, months, days int) time.Time {
	moved := t.AddDate(0, months, days)
	if months > 0 && moved.Day() != t.Day() {
		moved = moved.AddDate(0, 0, -moved.Day())
	}
	return moved
}

// period is a period of a schedule that there must be.
func period(t interface {
	Helper()
	Fatalf(string, ...any)
}, s spec, n int64) calendar.Period {
	t.Helper()
	schedule, err := calendar.New(s.anchor, s.zone, s.unit, s.count, 0)
	if err != nil {
		t.Fatalf("schedule of %v: %v", s, err)
	}
	p, ok := schedule.Period(n)
	if !ok {
		t.Fatalf("schedule of %v has no period %d", s, n)
	}
	return p
}
