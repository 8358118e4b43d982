package httpapi

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// parseTime reads a time of RFC 3339 with a zone, and refuses what time.Parse
// lets through beside it: a comma before the fraction, hours of one digit,
// zones of a day and more.
func parseTime(text string) (time.Time, bool) {
	const shortest = "2006-01-02T15:04:05Z"
	if len(text) < len(shortest) || len(text) > 40 {
		return time.Time{}, false
	}
	for i, c := range []byte("dddd-dd-ddTdd:dd:dd") {
		if isDigit := '0' <= text[i] && text[i] <= '9'; (c == 'd') != isDigit || (c != 'd' && c != text[i]) {
			return time.Time{}, false
		}
	}
	zone := len("2006-01-02T15:04:05")
	if text[zone] == '.' {
		zone++
		for zone < len(text) && '0' <= text[zone] && text[zone] <= '9' {
			zone++
		}
	}
	if !isZone(text[zone:]) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, false
	}
	t = t.UTC()
	return t, t.Year() >= 1 && t.Year() <= 9999
}

// parseExpiry reads the time at which something ends. The first moment of the
// year 1 is refused: inside the program that time stands for "never".
func parseExpiry(text string) (time.Time, error) {
	t, ok := parseTime(text)
	if !ok || t.Truncate(time.Microsecond).IsZero() {
		return time.Time{}, errExpiry
	}
	return t, nil
}

var errExpiry = ledger.FieldErrorf(ledger.CodeInvalidExpiry, "expires_at",
	"expires_at must be a time ahead with a zone, such as 2026-12-31T23:59:59Z")

func isZone(text string) bool {
	if text == "Z" {
		return true
	}
	if len(text) != len("+00:00") || (text[0] != '+' && text[0] != '-') || text[3] != ':' {
		return false
	}
	hours, ok := twoDigits(text[1:3])
	minutes, ok2 := twoDigits(text[4:6])
	return ok && ok2 && hours < 24 && minutes < 60
}

func twoDigits(text string) (int, bool) {
	if text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9' {
		return 0, false
	}
	return int(text[0]-'0')*10 + int(text[1]-'0'), true
}
