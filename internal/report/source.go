package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Store is what reports ask of a database.
type Store interface {
	// FoldReports adds entries to the roll-ups that are not in them yet, about limit of
	// them, and says whether more are left. Any number of callers may do so at the same time, on
	// any instance, and be killed: each entry counts once.
	FoldReports(ctx context.Context, limit int) (more bool, err error)

	// ReadReports calls read with what a tenant has, all of one moment, in which
	// every change is seen that was acknowledged before. It is [ledger.CodeOverloaded]
	// while more than [TailMax] entries are not in the roll-ups, and
	// [ledger.CodeFeedNotPossible] where commits have no order.
	ReadReports(ctx context.Context, tenant ledger.Tenant, read func(Source) error) error

	// Journal returns the entries of a tenant that were made in a period, from a place
	// on, 0 for the begin, in the order of commits. A customer's stand in the order of
	// their positions. The pages that follow each other have each entry once that was
	// acknowledged before the first was asked for.
	Journal(ctx context.Context, tenant ledger.Tenant, from, to time.Time, place int64) (JournalPage, error)
}

// TailMax is how many entries a report reads one by one that are not in the roll-ups
// yet.
const TailMax = 500_000

// ErrBehind is what a store says while there are more than TailMax.
var ErrBehind = ledger.Errorf(ledger.CodeOverloaded,
	"the entries are still being added up for reports; try again in a minute")

// Source is what a tenant has, all of one moment.
type Source interface {
	// Sums calls each with the roll-ups of a span that begin in [from, to).
	Sums(span Span, from, to int64, each func(Key, Sum)) error

	// Quarter calls each with the entries in the roll-ups that were made in the quarter
	// of an hour which begins at start. Tail does so with all that are not in them.
	Quarter(start int64, each func(*Line)) error
	Tail(each func(*Line)) error

	// Wallets returns what the wallets have, by currency.
	Wallets() (map[money.Currency]Balances, error)
}

// Balances is what wallets of a currency have together.
type Balances struct {
	Wallets int64
	Balance money.Amount
	Held    money.Amount
	Debt    money.Amount
}

// Add adds what other wallets have. A sum that does not fit stays at the largest number.
func (b *Balances) Add(other Balances) {
	b.Wallets += other.Wallets
	b.Balance, b.Held, b.Debt = capped(b.Balance, other.Balance), capped(b.Held, other.Held), capped(b.Debt, other.Debt)
}

// JournalPageMax is about how many entries a page of a journal looks at.
const JournalPageMax = 2000

// JournalPage is a part of a journal.
type JournalPage struct {
	Lines []Line
	Next  int64
	More  bool // false: nothing follows
}

// Activity is what was moved before, between and behind points in time.
type Activity struct {
	edges []int64
	only  money.Currency // empty: all

	// moved has one more than there are edges.
	moved   []map[movementKey]*Sum
	wallets map[money.Currency]Balances
}

type movementKey struct {
	currency money.Currency
	movement Movement
}

// ReadActivity adds up everything that a tenant's entries moved, parted at the
// edges, which must be in rising order: what was made at an edge comes behind it. Only is
// the one currency that is asked for, empty for all. It fails where this is not, to the
// cent, what the wallets have.
func ReadActivity(src Source, edges []time.Time, only money.Currency) (*Activity, error) {
	a := &Activity{only: only, moved: make([]map[movementKey]*Sum, len(edges)+1)}
	for i := range a.moved {
		a.moved[i] = make(map[movementKey]*Sum)
	}
	for _, edge := range edges {
		a.edges = append(a.edges, edge.UnixMicro())
	}
	if err := a.read(src); err != nil {
		return nil, err
	}
	var err error
	if a.wallets, err = src.Wallets(); err != nil {
		return nil, err
	}
	return a, a.check()
}

// read takes whole days where no edge lies within, and quarters of an hour in the others,
// but for those in which an edge lies: of these it takes the entries.
func (a *Activity) read(src Source) error {
	parted, halved := make(map[int64]bool), make(map[int64]bool) // days, quarters
	for _, edge := range a.edges {
		if edge%dayMicros != 0 {
			parted[floor(edge, dayMicros)] = true
		}
		if edge%quarterMicros != 0 {
			halved[floor(edge, quarterMicros)] = true
		}
	}
	err := src.Sums(Day, minMicros, maxMicros, func(key Key, sum Sum) {
		if !parted[key.Start] {
			a.add(key, sum)
		}
	})
	if err != nil {
		return err
	}
	for _, days := range runs(parted) {
		err := src.Sums(Quarter, days[0], days[1], func(key Key, sum Sum) {
			if !halved[key.Start] {
				a.add(key, sum)
			}
		})
		if err != nil {
			return err
		}
	}
	for _, quarter := range slices.Sorted(maps.Keys(halved)) {
		if err := src.Quarter(quarter, a.line); err != nil {
			return err
		}
	}
	return src.Tail(a.line)
}

// The times between which all entries are made.
const (
	minMicros = -1 << 62
	maxMicros = 1 << 62
)

// runs returns days as ranges of days in a row, each from its first to behind its last.
func runs(days map[int64]bool) (list [][2]int64) {
	for _, day := range slices.Sorted(maps.Keys(days)) {
		if n := len(list); n > 0 && list[n-1][1] == day {
			list[n-1][1] = day + dayMicros
			continue
		}
		list = append(list, [2]int64{day, day + dayMicros})
	}
	return list
}

func (a *Activity) add(key Key, sum Sum) {
	a.count(key.Start, movementKey{key.Currency, ParseMovement(key.Label)}, sum)
}

func (a *Activity) line(line *Line) {
	for i, part := range line.Parts {
		moved := signed(line.Direction, part.Amount)
		if !slices.ContainsFunc(line.Parts[:i], func(p Part) bool {
			return p.Lot.Category == part.Lot.Category && p.Lot.Loan == part.Lot.Loan
		}) {
			moved.Entries = 1
		}
		a.count(line.CreatedAt, movementKey{
			line.Currency, Movement{part.Lot.Category, line.EventType, line.Account, part.Lot.Loan},
		}, moved)
	}
}

func (a *Activity) count(at int64, key movementKey, sum Sum) {
	if a.only != "" && a.only != key.currency {
		return
	}
	moved := a.moved[a.interval(at)]
	if moved[key] == nil {
		moved[key] = new(Sum)
	}
	moved[key].Add(sum)
}

// interval is the number of edges at or before a time.
func (a *Activity) interval(at int64) int {
	i, found := slices.BinarySearch(a.edges, at)
	for found && i < len(a.edges) && a.edges[i] == at {
		i++
	}
	return i
}

// check holds all that was moved against the wallets.
func (a *Activity) check() error {
	sums := make(map[money.Currency]*Sum)
	for _, moved := range a.moved {
		for key, sum := range moved {
			if sums[key.currency] == nil {
				sums[key.currency] = new(Sum)
			}
			sums[key.currency].Add(*sum)
		}
	}
	for currency, sum := range sums {
		balance := a.wallets[currency].Balance
		switch {
		case !sum.Fits():
			return errTooLarge
		case sum.Credited-sum.Debited != balance:
			return fmt.Errorf("report: the entries in %s come to %d and the wallets to %d", currency, sum.Credited-sum.Debited, balance)
		}
	}
	for currency, has := range a.wallets {
		if a.only != "" && a.only != currency {
			continue
		}
		if sums[currency] == nil && has.Balance != 0 {
			return fmt.Errorf("report: the wallets in %s have %d and no entries", currency, has.Balance)
		}
	}
	return nil
}

// currencies are those in which anything was moved, sorted.
func (a *Activity) currencies() []money.Currency {
	found := make(map[money.Currency]bool)
	for _, moved := range a.moved {
		for key := range moved {
			found[key.currency] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b money.Currency) int { return cmp.Compare(a, b) })
}

// errTooLarge is about sums that no client could read exactly.
var errTooLarge = ledger.Errorf(CodeTooLarge,
	"The sums of this report are above 9007199254740991 minor units; ask for one currency or a shorter period.")

// CodeTooLarge says that a figure of a report does not fit.
const CodeTooLarge ledger.Code = "REPORT_TOO_LARGE"

// plus adds up what must fit into an answer.
func plus(amounts ...money.Amount) (money.Amount, error) {
	sum, ok := money.Sum(amounts...)
	if !ok || sum > money.BalanceMax || sum < -money.BalanceMax {
		return 0, errTooLarge
	}
	return sum, nil
}
