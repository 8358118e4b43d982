package report

import (
	"math"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Span says what a roll-up is about, and how long a time it covers.
type Span string

// The spans. Their times begin in UTC.
const (
	// Quarter and Day have what was moved in a quarter of an hour and on a day, by
	// [Movement]. Every zone in use begins its days with a quarter of an hour.
	Quarter Span = "quarter"
	Day     Span = "day"

	// Cohort and Expiry have what was moved on a day, by the month in which the
	// money was funded and by the day on which it expires.
	Cohort Span = "cohort"
	Expiry Span = "expiry"
)

// Times are microseconds since 1970 in UTC, as both stores can keep them.
const (
	quarterMicros = int64(QuarterLength / time.Microsecond)
	dayMicros     = int64(24 * time.Hour / time.Microsecond)
)

// QuarterLength is how long a [Quarter] is.
const QuarterLength = 15 * time.Minute

// LoanLot stands for a loan, see [Lot.Loan].
var LoanLot = Lot{Category: ledger.Paid, Loan: true}

// Never stands for the day of expiry of money that does not expire.
const Never = "never"

// Lot says what money an entry moved.
type Lot struct {
	Category ledger.Category
	Funded   int64 // when it came into the wallet, in microseconds; a moved expiry does not change it
	Expires  int64 // in microseconds, 0 for never

	// Loan says that this is no money of a lot, but what a reversal took beyond what
	// there was, and what was lent for it. It counts as paid.
	Loan bool
}

// Part is how much of a lot an entry moved.
type Part struct {
	Lot    Lot
	Amount money.Amount
}

// Line is an entry as reports see it. The parts sum to its amount.
type Line struct {
	ID         string
	CustomerID string
	Currency   money.Currency
	Seq        int64
	Direction  ledger.Direction
	Amount     money.Amount
	EventType  ledger.EventType
	Account    ledger.Account
	CreatedAt  int64 // microseconds
	Reason     string
	Reference  string
	Parts      []Part
}

// Key names a roll-up of a tenant.
type Key struct {
	Span     Span
	Start    int64 // microseconds
	Currency money.Currency
	Label    string
}

// Sum is what entries moved. A sum that does not fit stays at the largest number,
// and whoever shows one refuses that, see [Sum.Fits].
type Sum struct {
	Credited money.Amount
	Debited  money.Amount
	Entries  int64
}

// Add adds another sum.
func (s *Sum) Add(other Sum) {
	s.Credited, s.Debited = capped(s.Credited, other.Credited), capped(s.Debited, other.Debited)
	s.Entries += other.Entries
}

// Fits reports whether neither side has passed what can be kept.
func (s *Sum) Fits() bool { return s.Credited < math.MaxInt64 && s.Debited < math.MaxInt64 }

func capped(a, b money.Amount) money.Amount {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Movement is how an entry, or a part of it, counts.
type Movement struct {
	Category  ledger.Category
	EventType ledger.EventType
	Account   ledger.Account
	Loan      bool
}

const loanWord = "loan"

// Label is how a movement is kept: its words with a space between them.
func (m Movement) Label() string {
	label := string(m.Category) + " " + string(m.EventType) + " " + string(m.Account)
	if m.Loan {
		label += " " + loanWord
	}
	return label
}

// ParseMovement is the reverse of Label.
func ParseMovement(label string) Movement {
	words := strings.Split(label, " ")
	if len(words) < 3 {
		return Movement{}
	}
	return Movement{
		Category: ledger.Category(words[0]), EventType: ledger.EventType(words[1]), Account: ledger.Account(words[2]),
		Loan: len(words) == 4,
	}
}

// Places is where the entries of a quarter of an hour stand among all, in an
// order of the store's: none of them is before First or behind Last.
type Places struct{ First, Last int64 }

// Fold adds up entries of one tenant. The zero Fold is empty.
type Fold struct {
	Sums   map[Key]*Sum
	Places map[int64]Places // by the begin of the quarter

	labels map[Movement]string
	counts map[Key]bool // of the entry at hand
}

// NewFold returns a fold of nothing.
func NewFold() *Fold {
	return &Fold{
		Sums: make(map[Key]*Sum), Places: make(map[int64]Places),
		labels: make(map[Movement]string), counts: make(map[Key]bool),
	}
}

// Add adds an entry that stands at a place.
func (f *Fold) Add(line *Line, place int64) {
	quarter, day := floor(line.CreatedAt, quarterMicros), floor(line.CreatedAt, dayMicros)
	places, known := f.Places[quarter]
	if !known {
		places = Places{First: place, Last: place}
	}
	f.Places[quarter] = Places{First: min(places.First, place), Last: max(places.Last, place)}
	clear(f.counts)
	for _, part := range line.Parts {
		label := f.label(Movement{part.Lot.Category, line.EventType, line.Account, part.Lot.Loan})
		f.add(Key{Quarter, quarter, line.Currency, label}, line.Direction, part.Amount)
		f.add(Key{Day, day, line.Currency, label}, line.Direction, part.Amount)
		if part.Lot.Loan {
			continue
		}
		category := string(part.Lot.Category) + " "
		f.add(Key{Cohort, day, line.Currency, category + monthOf(part.Lot.Funded)}, line.Direction, part.Amount)
		f.add(Key{Expiry, day, line.Currency, category + dayOf(part.Lot.Expires)}, line.Direction, part.Amount)
	}
}

func (f *Fold) add(key Key, direction ledger.Direction, amount money.Amount) {
	sum := f.Sums[key]
	if sum == nil {
		sum = new(Sum)
		f.Sums[key] = sum
	}
	moved := signed(direction, amount)
	if !f.counts[key] {
		f.counts[key], moved.Entries = true, 1
	}
	sum.Add(moved)
}

func (f *Fold) label(m Movement) string {
	label, known := f.labels[m]
	if !known {
		label = m.Label()
		f.labels[m] = label
	}
	return label
}

func signed(direction ledger.Direction, amount money.Amount) Sum {
	if direction == ledger.Credit {
		return Sum{Credited: amount}
	}
	return Sum{Debited: amount}
}

func floor(micros, span int64) int64 {
	rest := micros % span
	if rest < 0 {
		rest += span
	}
	return micros - rest
}

func monthOf(micros int64) string { return time.UnixMicro(micros).UTC().Format("2006-01") }

func dayOf(micros int64) string {
	if micros == 0 {
		return Never
	}
	return time.UnixMicro(micros).UTC().Format(time.DateOnly)
}
