package calendar

import "time"

const secondsOfDay = 24 * 60 * 60

// instant returns when the clocks of a zone show what civil shows in UTC, by the
// rules of RFC 5545 (law Q3): of a time that they show twice it is the first, and
// one that they skip is read with the offset from before, which is as much later as
// was skipped. [time.Date] promises neither.
//
//	New York, 2 November 2025 01:30   05:30 UTC, the first of two
//	New York, 9 March 2025 02:30      07:30 UTC, when clocks show 03:30
func instant(civil time.Time, zone *time.Location) time.Time {
	// No offset is a day or more, so that two days before, no clock can show
	// this time, and each span of one offset from then on is looked at once.
	at := civil.Add(-2 * secondsOfDay * time.Second).In(zone)
	for {
		_, offset := at.Zone()
		shown := civil.Add(-time.Duration(offset) * time.Second).In(zone)
		_, end := at.ZoneBounds()
		if !end.IsZero() && !end.After(at) {
			// On the last day of a leap year beyond the table of the zone, package
			// time names an end that has passed. Nothing ends then; look on.
			end = at.Add(time.Hour)
		}
		if end.IsZero() || shown.Before(end) {
			return shown // in this span, as the span before was over
		}
		_, next := end.Zone()
		if civil.Add(-time.Duration(next) * time.Second).Before(end) {
			return shown // by the offset before, for this span's end skips it
		}
		at = end
	}
}
