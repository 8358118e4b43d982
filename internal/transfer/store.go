package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// Reader reads an installation. What it reads does not change while it does.
type Reader interface {
	// Installation says what the installation is.
	Installation(ctx context.Context) (Installation, error)

	// Count returns the number of a table's rows.
	Count(ctx context.Context, table *Table) (int64, error)

	// Read yields the rows of a table after a place, each with its own place,
	// from the first when the place is nil. It ends with the first error. One
	// Read at a time is under way.
	Read(ctx context.Context, table *Table, after Place) iter.Seq2[Item, error]
}

// Source is an installation that stands still: whoever has opened one keeps
// everybody else from writing to it until it is closed.
type Source interface {
	Reader

	// Confirm fails when somebody waits to write to the source as soon as it is
	// closed: that would be missing in the copy.
	Confirm(ctx context.Context) error
}

// Item is a row and where it stands.
type Item struct {
	Row   Row
	Place Place
}

// Sequence makes a sequence of what read yields; its error comes last.
func Sequence(read func(yield func(Item) bool) error) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		if err := read(func(item Item) bool { return yield(item, nil) }); err != nil {
			yield(Item{}, err)
		}
	}
}

// Place is where a row stands in the order in which a store reads its table: the
// values that the order is by, each a string or an int64. A place means nothing
// to another store.
type Place []any

// Text is the place in a form that can be kept; a nil place is "".
func (p Place) Text() (string, error) {
	if p == nil {
		return "", nil
	}
	text, err := json.Marshal(p)
	return string(text), err
}

// ParsePlace is the reverse of [Place.Text].
func ParsePlace(text string) (Place, error) {
	if text == "" {
		return nil, nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		return nil, fmt.Errorf("read the place of a copy: %w", err)
	}
	place := make(Place, len(parts))
	for i, part := range parts {
		var word string
		if number, err := strconv.ParseInt(string(part), 10, 64); err == nil {
			place[i] = number
		} else if err := json.Unmarshal(part, &word); err == nil {
			place[i] = word
		} else {
			return nil, fmt.Errorf("read the place of a copy: %w", err)
		}
	}
	return place, nil
}

// Installation is what a store says of itself.
type Installation struct {
	CreatedAt int64 // microseconds since 1970

	// SecretCheck is what the secret keys of instances are compared with, nil
	// when the store keeps none.
	SecretCheck []byte

	// Origin tells this installation in this store apart from every other, its
	// own copies among them: their rows may be read in another order.
	Origin [sha256.Size]byte
}

// Target is a store that becomes the copy. It is empty, or what an earlier run
// has left. Until it is finished, the store must not be opened in any other way.
type Target interface {
	Reader // what was written is read again and compared

	// Record returns what an earlier run has left, nil when the store is empty.
	// A store with anything else in it is refused.
	Record(ctx context.Context) (*Record, error)

	// Begin makes an empty store the beginning of a copy.
	Begin(ctx context.Context, installation Installation, record Record) error

	// Write adds rows to a table and moves the record from what it was to what
	// it is then, together or not at all. It fails when the record is not what
	// it was.
	Write(ctx context.Context, table *Table, rows []Row, was, now Record) error

	// Settle does what is left to do when all rows are written: what the store
	// keeps to find them.
	Settle(ctx context.Context) error

	// Finish makes the copy an installation that may be used.
	Finish(ctx context.Context, at time.Time) error
}

// Record is what a target knows of the copy that it is.
type Record struct {
	Source string            // where it came from, for people
	Origin [sha256.Size]byte // of the source's [Installation]
	State  [sha256.Size]byte // of the source: a digest of everything in it

	// Table is the one that is being copied, Place the [Place.Text] of its last
	// row that was. Entries counts the entries that were.
	Table   string
	Place   string
	Entries int64

	BeganAt    time.Time
	FinishedAt time.Time // zero: it is not finished
}

// InterruptedError says that a copy stopped on its way.
type InterruptedError struct {
	Err error
}

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("the copy stopped: %v; run the same command again, which goes on where it stopped", e.Err)
}

func (e *InterruptedError) Unwrap() error { return e.Err }

// UnfinishedError says that a store is a copy which was begun and not finished.
type UnfinishedError struct {
	Source string
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("this is a copy of %s that is not finished, so it must not be used; "+
		"run the same `billfold copy` again, which goes on where it stopped", e.Source)
}
