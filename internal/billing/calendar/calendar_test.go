package calendar_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/billing/calendar"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// TestNamedPeriods holds what a person would check with a calendar on the wall.
func TestNamedPeriods(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		zone   string
		anchor string // civil time of the zone
		unit   calendar.Unit
		count  int
		starts string // from the second period on, civil
	}{
		{"month ends", "UTC", "2025-01-31 10:00", calendar.Month, 1, "2025-02-28 10:00, 2025-03-31 10:00, 2025-04-30 10:00, 2025-05-31 10:00"},
		{"month ends of a leap year", "UTC", "2024-01-31 00:00", calendar.Month, 1, "2024-02-29 00:00, 2024-03-31 00:00"},
		{"the 30th", "UTC", "2025-01-30 00:00", calendar.Month, 1, "2025-02-28 00:00, 2025-03-30 00:00"},
		{"quarters", "UTC", "2025-11-30 00:00", calendar.Month, 3, "2026-02-28 00:00, 2026-05-30 00:00, 2026-08-30 00:00"},
		{"a leap day each year", "UTC", "2024-02-29 00:00", calendar.Year, 1, "2025-02-28 00:00, 2026-02-28 00:00, 2027-02-28 00:00, 2028-02-29 00:00"},
		{"two years over 2100", "UTC", "2096-02-29 00:00", calendar.Year, 2, "2098-02-28 00:00, 2100-02-28 00:00, 2102-02-28 00:00, 2104-02-29 00:00"},
		{"fortnights", "UTC", "2025-12-25 08:00", calendar.Week, 2, "2026-01-08 08:00, 2026-01-22 08:00"},
		{"days over a leap day", "UTC", "2024-02-28 08:00", calendar.Day, 1, "2024-02-29 08:00, 2024-03-01 08:00"},
		{"clocks go forward", "America/New_York", "2025-03-08 02:30", calendar.Day, 1, "2025-03-09 03:30, 2025-03-10 02:30"},
		{"clocks go back", "Europe/Berlin", "2025-10-25 02:30", calendar.Day, 1, "2025-10-26 02:30, 2025-10-27 02:30"},
		{"half an hour", "Australia/Lord_Howe", "2025-10-04 02:15", calendar.Day, 1, "2025-10-05 02:45, 2025-10-06 02:15"},
		{"midnight that was not", "America/Sao_Paulo", "2018-10-04 00:00", calendar.Month, 1, "2018-11-04 01:00, 2018-12-04 00:00"},
		{"a day that was not", "Pacific/Apia", "2011-12-29 09:00", calendar.Day, 1, "2011-12-31 09:00, 2011-12-31 09:00, 2012-01-01 09:00"},
		{"Ramadan", "Africa/Casablanca", "2024-03-09 02:30", calendar.Day, 1, "2024-03-10 02:30, 2024-03-11 02:30"},
		{"a clock that stays", "Asia/Kolkata", "2025-01-31 05:30", calendar.Month, 1, "2025-02-28 05:30, 2025-03-31 05:30"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			location := zone(t, test.zone)
			anchor, err := time.ParseInLocation("2006-01-02 15:04", test.anchor, location)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for n := range strings.Count(test.starts, ",") + 1 {
				p := period(t, spec{anchor, location, test.unit, test.count}, int64(n)+1)
				got = append(got, p.Start.In(location).Format("2006-01-02 15:04"))
			}
			if text := strings.Join(got, ", "); text != test.starts {
				t.Errorf("got  %s\nwant %s", text, test.starts)
			}
		})
	}
}

// TestRepeatedTimes holds instants, where the clock alone does not say which.
func TestRepeatedTimes(t *testing.T) {
	t.Parallel()
	newYork := zone(t, "America/New_York")
	second := time.Date(2025, 11, 2, 6, 30, 0, 0, time.UTC) // 01:30 for the second time
	first := second.Add(-time.Hour)
	october := second.AddDate(0, -1, 0).Add(-time.Hour)
	if p := period(t, spec{october, newYork, calendar.Month, 1}, 1); !p.Start.Equal(first) {
		t.Errorf("01:30 on the day that has it twice: got %v, want %v", p.Start, first)
	}
	if p := period(t, spec{second, newYork, calendar.Day, 1}, 0); !p.Start.Equal(second) {
		t.Errorf("a schedule that begins at the second 01:30: got %v, want %v", p.Start, second)
	}
	samoa := period(t, spec{time.Date(2011, 12, 29, 19, 0, 0, 0, time.UTC), zone(t, "Pacific/Apia"), calendar.Day, 1}, 1)
	if !samoa.Empty() {
		t.Errorf("Samoa's 30 December 2011: got %v to %v, want an empty period", samoa.Start, samoa.End)
	}
}

// TestAnchorDay moves a subscription of the 31st in on 28 February.
func TestAnchorDay(t *testing.T) {
	t.Parallel()
	anchor := time.Date(2025, 2, 28, 0, 0, 0, 0, time.UTC)
	s, err := calendar.New(anchor, time.UTC, calendar.Month, 1, 31)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []time.Time{anchor, anchor.AddDate(0, 1, 3), anchor.AddDate(0, 2, 2), anchor.AddDate(0, 3, 3)} {
		if p, _ := s.Period(int64(n)); !p.Start.Equal(want) {
			t.Errorf("period %d: got %v, want %v", n, p.Start, want)
		}
	}
}

func TestRefusedSchedules(t *testing.T) {
	t.Parallel()
	end := time.Date(2025, 2, 28, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		param  string
		anchor time.Time
		zone   *time.Location
		unit   calendar.Unit
		count  int
		day    int
	}{
		{"zone", end, nil, calendar.Month, 1, 0},
		{"interval", end, time.UTC, "month", 1, 0},
		{"interval", end, time.UTC, "", 1, 0},
		{"count", end, time.UTC, calendar.Month, 0, 0},
		{"count", end, time.UTC, calendar.Month, -1, 0},
		{"count", end, time.UTC, calendar.Month, 1_000_000, 0},
		{"count", end, time.UTC, calendar.Month, calendar.CountMax + 1, 0},
		{"day", end, time.UTC, calendar.Month, 1, 32},
		{"day", end, time.UTC, calendar.Month, 1, -1},
		{"day", end, time.UTC, calendar.Month, 1, 27},
		{"day", end.AddDate(0, 0, -1), time.UTC, calendar.Month, 1, 31},
		{"anchor", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC, calendar.Month, 1, 0},
		{"anchor", time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC, calendar.Month, 1, 0},
	} {
		_, err := calendar.New(test.anchor, test.zone, test.unit, test.count, test.day)
		var refusal *calendar.Error
		if !errors.As(err, &refusal) || refusal.Param != test.param || refusal.Message == "" {
			t.Errorf("%+v: got error %v, want one that blames %s", test, err, test.param)
		}
	}
}

// TestNoPeriods asks for what is before the first and beyond the last.
func TestNoPeriods(t *testing.T) {
	t.Parallel()
	anchor := time.Date(9990, 6, 1, 0, 0, 0, 0, time.UTC)
	s, err := calendar.New(anchor, time.UTC, calendar.Year, calendar.CountMax, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range []int64{-1, 0, 1, 1 << 40, 1<<63 - 1, -1 << 63} {
		if p, ok := s.Period(number); ok {
			t.Errorf("period %d: got %v, want none", number, p)
		}
	}
	for _, at := range []time.Time{anchor.Add(-1), anchor, {}, time.Unix(1<<60, 0)} {
		if p, ok := s.At(at); ok {
			t.Errorf("period at %v: got %v, want none", at, p)
		}
	}
	for p := range s.Due(0, anchor.AddDate(9, 0, 0)) {
		t.Errorf("due: got %v, want none", p)
	}
}

// TestPeriodsHaveNoGaps holds law Q2 for any schedule: one after the other, each
// instant in exactly one, each due once however often the scheduler asks.
func TestPeriodsHaveNoGaps(t *testing.T) {
	t.Parallel()
	all := walls(t)
	rapid.Check(t, func(t *rapid.T) {
		s := spec{
			anchor: time.UnixMicro(rapid.Int64Range(-2e15, 4e15).Draw(t, "anchor")),
			zone:   rapid.SampledFrom(all).Draw(t, "zone").zone,
			unit:   rapid.SampledFrom([]calendar.Unit{calendar.Day, calendar.Week, calendar.Month, calendar.Year}).Draw(t, "unit"),
			count:  rapid.IntRange(1, 40).Draw(t, "count"),
		}
		schedule, err := calendar.New(s.anchor, s.zone, s.unit, s.count, 0)
		if err != nil {
			t.Fatal(err)
		}
		first := rapid.Int64Range(0, 60).Draw(t, "first")
		before := period(t, s, first)
		var billable []int64
		for n := first + 1; n < first+20; n++ {
			p := period(t, s, n)
			if !p.Start.Equal(before.End) || p.End.Before(p.Start) {
				t.Fatalf("period %d: got %v to %v behind one that ends %v", n, p.Start, p.End, before.End)
			}
			before = p
			if p.Empty() {
				continue
			}
			billable = append(billable, n)
			for _, at := range []time.Time{p.Start, p.Start.Add(p.End.Sub(p.Start) / 2), p.End.Add(-time.Microsecond)} {
				if got, ok := schedule.At(at); !ok || got != p {
					t.Fatalf("period at %v: got %v, %v, want %v", at, got, ok, p)
				}
			}
		}
		checkDue(t, schedule, first+1, before, billable)
	})
}

// checkDue has a scheduler run at times of its choice up to the begin of the last
// period, stop wherever it likes and go on, and wants each period billed once and
// in order.
func checkDue(t *rapid.T, schedule calendar.Schedule, first int64, last calendar.Period, want []int64) {
	var billed []int64
	next := first
	runs := rapid.SliceOfN(rapid.IntRange(0, 99), 0, 30).Draw(t, "runs")
	begin, _ := schedule.Period(first)
	for i, percent := range append(runs, 100, 100) {
		span := last.Start.Unix() - begin.Start.Unix()
		at := begin.Start.Add(time.Duration(span) * time.Second / 100 * time.Duration(percent))
		if i >= len(runs) {
			at = last.Start
		}
		for p := range schedule.Due(next, at) {
			billed, next = append(billed, p.Number), p.Number+1
			if i < len(runs) && percent%3 == 0 {
				break
			}
		}
	}
	if !slices.Equal(billed, want) {
		t.Fatalf("billed periods %v, want %v", billed, want)
	}
}

// TestLastDayOfALeapYear is where package time names an end of summer time that has
// passed, beyond the years of its table.
func TestLastDayOfALeapYear(t *testing.T) {
	t.Parallel()
	anchor := time.Date(2095, 12, 31, 12, 0, 0, 0, time.UTC)
	if p := period(t, spec{anchor, zone(t, "Europe/Berlin"), calendar.Year, 1}, 1); !p.Start.Equal(anchor.AddDate(1, 0, 0)) {
		t.Errorf("got %v, want 31 December 2096", p.Start)
	}
}
