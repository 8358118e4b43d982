package ledger_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
)

const lastPosition = 62*62*62*62*62*62*62 - 1

var entryIDShape = regexp.MustCompile(`^cwt_[0-9A-Za-z]{21}$`)

func timeGen() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(0, 253402300799_999), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
}

func TestEntryIDHoldsItsPosition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := timeGen().Draw(t, "at")
		position := rapid.Int64Range(1, lastPosition).Draw(t, "position")
		id := ledger.EntryID(at, position, rapid.Uint64().Draw(t, "random"))
		if got, ok := ledger.EntryIDPosition(id); !ok || got != position {
			t.Errorf("id %s: got position %d, %v, want %d", id, got, ok, position)
		}
		if !entryIDShape.MatchString(id) {
			t.Errorf("got id %q, want it to match %v", id, entryIDShape)
		}
	})
}

// Ids sort by time and, within a millisecond, by position, whatever the chance.
func TestEntryIDSorts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := timeGen().Draw(t, "at")
		later := at.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "later")) * time.Millisecond)
		position := rapid.Int64Range(1, lastPosition-1).Draw(t, "position")
		next := rapid.Int64Range(position+1, lastPosition).Draw(t, "next")
		a := ledger.EntryID(at, position, rapid.Uint64().Draw(t, "random a"))
		b := ledger.EntryID(later, next, rapid.Uint64().Draw(t, "random b"))
		if a >= b {
			t.Errorf("got id %s of position %d not before %s of position %d", a, position, b, next)
		}
	})
}

// Two entries at one place differ by chance, and the first 36 bits of it count.
func TestEntryIDUsesItsRandomness(t *testing.T) {
	t.Parallel()
	const values = 62 * 62 * 62 * 62 * 62 * 62
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64Range(0, values-1).Draw(t, "a")
		b := rapid.Uint64Range(0, values-1).Draw(t, "b")
		if same := ledger.EntryID(noon, 1, a) == ledger.EntryID(noon, 1, b); same != (a == b) {
			t.Errorf("random %d and %d: got same id %v, want %v", a, b, same, a == b)
		}
	})
}

func TestEntryIDGolden(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		at       time.Time
		position int64
		random   uint64
		want     string
	}{
		{time.Unix(0, 0), 1, 0, "cwt_000000000000001000000"},
		{time.Unix(-5, 0), 1, 61, "cwt_00000000000000100000z"},
		{noon, 62, 62, "cwt_0VCcGn8i0000010000010"},
		{noon, lastPosition, 62*62*62*62*62*62 - 1, "cwt_0VCcGn8izzzzzzzzzzzzz"},
	} {
		got := ledger.EntryID(test.at, test.position, test.random)
		if got != test.want {
			t.Errorf("at %v, position %d: got %s, want %s", test.at, test.position, got, test.want)
		}
	}
}

func TestEntryIDPositionRefuses(t *testing.T) {
	t.Parallel()
	good := ledger.EntryID(noon, 7, 9)
	bad := []string{
		"", "cwt_", good[4:], "cus_" + good[4:], "CWT_" + good[4:], good[:24], good + "0", " " + good, good + " ",
		ledger.EntryID(noon, 0, 9), strings.Repeat("0", 25), "cwt_" + strings.Repeat("0", 21),
	}
	for i := 4; i < len(good); i++ {
		for _, c := range []string{"-", "_", " ", "\x00", "/", ":", "@", "[", "`", "{", "\xff"} {
			bad = append(bad, good[:i]+c+good[i+1:])
		}
	}
	for _, id := range bad {
		if position, ok := ledger.EntryIDPosition(id); ok {
			t.Errorf("id %q: got position %d, want it refused", id, position)
		}
	}
}

func FuzzEntryID(f *testing.F) {
	f.Add(ledger.EntryID(noon, 1, 0), int64(0), int64(1), uint64(0))
	f.Add("cwt_zzzzzzzzzzzzzzzzzzzzz", int64(-1), int64(lastPosition), uint64(1<<64-1))
	f.Add("cus_000000000000001000000", int64(1<<62), int64(1<<62), uint64(7))
	f.Fuzz(func(t *testing.T, text string, ms, position int64, random uint64) {
		if got, ok := ledger.EntryIDPosition(text); ok {
			if !entryIDShape.MatchString(text) || got < 1 || got > lastPosition {
				t.Errorf("id %q: got position %d, want it refused", text, got)
			}
			// What was read is what stands there: 7 digits after the first 8.
			if again := ledger.EntryID(noon, got, 0); again[12:19] != text[12:19] {
				t.Errorf("id %q: got position %d, which is written %s", text, got, again[12:19])
			}
		}
		id := ledger.EntryID(time.UnixMilli(ms), position, random)
		if !entryIDShape.MatchString(id) {
			t.Errorf("got id %q, want it to match %v", id, entryIDShape)
		}
		if got, ok := ledger.EntryIDPosition(id); position >= 1 && position <= lastPosition && (!ok || got != position) {
			t.Errorf("id %s: got position %d, %v, want %d", id, got, ok, position)
		}
	})
}

func TestNewID(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^cus_[0-9A-Za-z]{21}$`)
	rapid.Check(t, func(t *rapid.T) {
		at := timeGen().Draw(t, "at")
		random := func(name string) [2]uint64 {
			return [2]uint64{rapid.Uint64().Draw(t, name), rapid.Uint64().Draw(t, name)}
		}
		a, b := ledger.NewID("cus_", at, random("a")), ledger.NewID("cus_", at.Add(time.Millisecond), random("b"))
		if !shape.MatchString(a) || a >= b {
			t.Errorf("got %q and a millisecond later %q, want both to match %v and the later one behind", a, b, shape)
		}
	})
	if before := ledger.NewID("key_", time.Unix(-9, 0), [2]uint64{1, 2}); before != "key_000000000000001000002" {
		t.Errorf("before 1970: got %s, want key_000000000000001000002", before)
	}
	ids := map[string]bool{}
	for i := range uint64(50) {
		for j := range uint64(50) {
			ids[ledger.NewID("", noon, [2]uint64{i, j})] = true
		}
	}
	if len(ids) != 2500 {
		t.Errorf("got %d ids from 2500 pairs of numbers, want as many", len(ids))
	}
}

func TestBookMakesIDsOfItsTimeAndChance(t *testing.T) {
	t.Parallel()
	draws := []uint64{5, 6}
	book := ledger.NewBook(nil, func() time.Time { return noon.Add(1999).In(time.FixedZone("x", 3600)) }, func() uint64 {
		n := draws[0]
		draws = draws[1:]
		return n
	})
	if got, want := book.NewID("cus_"), ledger.NewID("cus_", noon, [2]uint64{5, 6}); got != want {
		t.Errorf("got id %s, want %s", got, want)
	}
	if got, want := book.Now(), noon.Add(time.Microsecond); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("got time %v, want %v in UTC", got, want)
	}
	if book.Store() != nil {
		t.Errorf("got store %v, want the one that was given", book.Store())
	}
}

// Digits stand in the order of their characters, or sorting as text would lie.
func TestDigitsSort(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range int64(62 * 3) {
		ids = append(ids, ledger.EntryID(noon, i+1, 0))
	}
	if !slices.IsSorted(ids) {
		t.Errorf("ids of growing positions do not sort as text: %v", ids)
	}
}
