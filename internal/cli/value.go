package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// value is a field that is set from text, whichever of flag, variable or file
// the text came from, so that one rule reads all three.
type value interface {
	Set(text string) error
	String() string
}

// field is a value held in a variable of type T.
type field[T any] struct {
	to    *T
	parse func(string) (T, error)
	show  func(T) string
}

func (f field[T]) Set(text string) error {
	parsed, err := f.parse(text)
	if err != nil {
		return err
	}
	*f.to = parsed
	return nil
}

func (f field[T]) String() string { return f.show(*f.to) }

func textValue(to *string) value {
	return field[string]{to,
		func(text string) (string, error) { return text, nil },
		func(text string) string { return text }}
}

func boolValue(to *bool) value {
	return field[bool]{to, func(text string) (bool, error) {
		parsed, err := strconv.ParseBool(text)
		if err != nil {
			return false, fmt.Errorf("%q is not true or false", text)
		}
		return parsed, nil
	}, strconv.FormatBool}
}

func intValue(to *int) value {
	return field[int]{to, func(text string) (int, error) {
		parsed, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number", text)
		}
		return parsed, nil
	}, strconv.Itoa}
}

func durationValue(to *time.Duration) value {
	return field[time.Duration]{to, func(text string) (time.Duration, error) {
		parsed, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 15s or 2m", text)
		}
		return parsed, nil
	}, time.Duration.String}
}

// size is a number of bytes, written as 65536, 64KiB or 1MiB.
type size int64

const sizeMax = 1<<63 - 1

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1},
}

// Set reads a size.
func (s *size) Set(text string) error {
	for _, unit := range sizeUnits {
		digits, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > sizeMax/unit.bytes {
			break
		}
		*s = size(n * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 65536, 64KiB or 1MiB", text)
}

// String writes the size in the largest unit that divides it.
func (s size) String() string {
	for _, unit := range sizeUnits {
		if s != 0 && int64(s)%unit.bytes == 0 && unit.bytes > 1 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// rateLimit is how many requests one API key may make in a window. The zero
// rateLimit does not limit.
type rateLimit struct {
	Requests int
	Window   time.Duration
}

// Set reads "off", or a number of requests per s or min.
func (r *rateLimit) Set(text string) error {
	if text == "off" {
		*r = rateLimit{}
		return nil
	}
	windows := map[string]time.Duration{"s": time.Second, "min": time.Minute}
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(number)
	window, known := windows[unit]
	if err != nil || !known || n < 1 || n > 1_000_000 {
		return fmt.Errorf("%q is not off or a rate such as 40/s or 240/min", text)
	}
	*r = rateLimit{Requests: n, Window: window}
	return nil
}

// String writes the rate as Set reads it.
func (r rateLimit) String() string {
	switch {
	case r.Requests == 0:
		return "off"
	case r.Window == time.Second:
		return strconv.Itoa(r.Requests) + "/s"
	default:
		return strconv.Itoa(r.Requests) + "/min"
	}
}
