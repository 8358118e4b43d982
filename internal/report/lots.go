package report

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Holdings is what was moved of money that was funded in the same month, or expires on
// the same day, before, between and behind points in time.
type Holdings struct {
	activity *Activity
	moved    []map[holdingKey]*Sum // one more than there are edges
}

type holdingKey struct {
	currency money.Currency
	category ledger.Category
	of       string // a month, a day or Never
}

// ReadHoldings adds up what entries moved, as [ReadActivity] does, by the labels of a
// span: [Cohort] or [Expiry]. Where an edge parts a day, the entries of that day are
// read. It fails where what is held at an edge is not, to the cent, what is owed then.
func ReadHoldings(src Source, span Span, edges []time.Time, only money.Currency) (*Holdings, error) {
	activity, err := ReadActivity(src, edges, only)
	if err != nil {
		return nil, err
	}
	h := &Holdings{activity: activity, moved: make([]map[holdingKey]*Sum, len(edges)+1)}
	for i := range h.moved {
		h.moved[i] = make(map[holdingKey]*Sum)
	}
	parted := make(map[int64]bool)
	for _, edge := range activity.edges {
		if edge%dayMicros != 0 {
			parted[floor(edge, dayMicros)] = true
		}
	}
	err = src.Sums(span, minMicros, maxMicros, func(key Key, sum Sum) {
		if category, of, _ := strings.Cut(key.Label, " "); !parted[key.Start] {
			h.count(key.Start, holdingKey{key.Currency, ledger.Category(category), of}, sum)
		}
	})
	if err != nil {
		return nil, err
	}
	line := func(line *Line) { h.line(span, line) }
	for day := range parted {
		for at := day; at < day+dayMicros; at += quarterMicros {
			if err := src.Quarter(at, line); err != nil {
				return nil, err
			}
		}
	}
	if err := src.Tail(line); err != nil {
		return nil, err
	}
	return h, h.tie()
}

func (h *Holdings) line(span Span, line *Line) {
	for _, part := range line.Parts {
		if part.Lot.Loan {
			continue
		}
		of := dayOf(part.Lot.Expires)
		if span == Cohort {
			of = monthOf(part.Lot.Funded)
		}
		key := holdingKey{line.Currency, part.Lot.Category, of}
		h.count(line.CreatedAt, key, signed(line.Direction, part.Amount))
	}
}

func (h *Holdings) count(at int64, key holdingKey, sum Sum) {
	if only := h.activity.only; only != "" && only != key.currency {
		return
	}
	moved := h.moved[h.activity.interval(at)]
	if moved[key] == nil {
		moved[key] = new(Sum)
	}
	moved[key].Add(sum)
}

// tie holds what is held at each edge against what is owed.
func (h *Holdings) tie() error {
	type owner struct {
		currency money.Currency
		category ledger.Category
	}
	apart := make(map[owner]money.Amount)
	for i := range h.moved {
		for key, sum := range h.moved[i] {
			if !sum.Fits() {
				return errTooLarge
			}
			apart[owner{key.currency, key.category}] += sum.Credited - sum.Debited
		}
		for key, sum := range h.activity.moved[i] {
			apart[owner{key.currency, key.movement.Category}] -= sum.Credited - sum.Debited
		}
		for of, difference := range apart {
			if difference != 0 {
				return fmt.Errorf("report: the lots of %s money in %s are %d apart from what is owed", of.category, of.currency, difference)
			}
		}
	}
	return nil
}

// held is what there is of each key before an edge.
func (h *Holdings) held(edge int) (map[holdingKey]money.Amount, error) {
	held := make(map[holdingKey]money.Amount)
	for i := range edge + 1 {
		for key, sum := range h.moved[i] {
			amount, err := plus(held[key], sum.Credited-sum.Debited)
			if err != nil {
				return nil, err
			}
			held[key] = amount
		}
	}
	return held, nil
}

// The buckets of an ageing, by how many days after its day money expires.
var ageingDays = []int{30, 60, 90, 180, 365}

// AgeingBuckets are their names, in order. Overdue is what has expired before the day and
// was not yet written off, Later what expires behind the last.
func AgeingBuckets() []string {
	names, from := []string{Overdue}, 0
	for _, days := range ageingDays {
		names = append(names, fmt.Sprintf("%d-%d", from, days-1))
		from = days
	}
	return append(names, Later, Never)
}

// Names of buckets of an ageing.
const (
	Overdue = "overdue"
	Later   = "later"
)

// Aged is what is owed that expires in a bucket.
type Aged struct {
	Currency money.Currency
	Category string
	Bucket   string
	Owed     money.Amount
}

// Ageing parts what is owed at the first edge, which is to be read with [Expiry], by when
// it expires: in each currency for paid, promotional and all money, each with all buckets.
// The days are those of UTC.
func (h *Holdings) Ageing() (rows []Aged, err error) {
	held, err := h.held(0)
	if err != nil {
		return nil, err
	}
	today := floor(h.activity.edges[0]-1, dayMicros)
	owed := make(map[Aged]money.Amount)
	for key, amount := range held {
		for _, category := range []string{string(key.category), AllCategories} {
			of := Aged{Currency: key.currency, Category: category, Bucket: bucketOf(today, key.of)}
			if owed[of], err = plus(owed[of], amount); err != nil {
				return nil, err
			}
		}
	}
	for _, currency := range h.activity.currencies() {
		for _, category := range []string{string(ledger.Paid), string(ledger.Promotional), AllCategories} {
			for _, bucket := range AgeingBuckets() {
				row := Aged{Currency: currency, Category: category, Bucket: bucket}
				row.Owed = owed[row]
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

func bucketOf(today int64, day string) string {
	expires, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return Never
	}
	after := (expires.UnixMicro() - today) / dayMicros
	switch names := AgeingBuckets(); {
	case after < 0:
		return Overdue
	default:
		for i, days := range ageingDays {
			if after < int64(days) {
				return names[1+i]
			}
		}
	}
	return Later
}

// CohortRow is what became, between two edges, of money that was funded in one month of UTC.
type CohortRow struct {
	Currency money.Currency
	Category ledger.Category
	Month    string // such as 2026-03
	Opening  money.Amount
	Credited money.Amount
	Debited  money.Amount
	Closing  money.Amount
}

// Cohorts are those of which there was anything between the two edges, which are to be
// read with [Cohort].
func (h *Holdings) Cohorts() (rows []CohortRow, err error) {
	opening, err := h.held(0)
	if err != nil {
		return nil, err
	}
	keys := make(map[holdingKey]bool)
	for key, amount := range opening {
		if amount != 0 {
			keys[key] = true
		}
	}
	for key := range h.moved[1] {
		keys[key] = true
	}
	for key := range keys {
		row := CohortRow{Currency: key.currency, Category: key.category, Month: key.of, Opening: opening[key]}
		if moved := h.moved[1][key]; moved != nil {
			row.Credited, row.Debited = moved.Credited, moved.Debited
		}
		if row.Closing, err = plus(row.Opening, row.Credited, -row.Debited); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b CohortRow) int {
		return strings.Compare(string(a.Currency)+string(a.Category)+a.Month, string(b.Currency)+string(b.Category)+b.Month)
	})
	return rows, nil
}

// Broken is how much of what left wallets in a period was not spent but expired.
type Broken struct {
	From, To time.Time
	Currency money.Currency
	Category string
	Expired  money.Amount
	Left     money.Amount // all that left, what expired among it
	Entries  int64        // of what expired
}

// Rate is Expired of Left in hundredths of a percent, rounded down, and whether anything
// left at all.
func (b *Broken) Rate() (rate int64, any bool) {
	if b.Left == 0 {
		return 0, false
	}
	high, low := bits.Mul64(uint64(b.Expired), 10_000)
	quotient, _ := bits.Div64(high, low, uint64(b.Left))
	return int64(quotient), true
}

// Breakage is what expired between each two edges that follow each other. Loans and moved
// expiries do not leave a wallet.
func (a *Activity) Breakage() (rows []Broken, err error) {
	for i := range len(a.edges) - 1 {
		of := make(map[[2]string]*Broken)
		for _, currency := range a.currencies() {
			for _, category := range []string{string(ledger.Paid), string(ledger.Promotional), AllCategories} {
				rows = append(rows, Broken{
					From: time.UnixMicro(a.edges[i]).UTC(), To: time.UnixMicro(a.edges[i+1]).UTC(), Currency: currency, Category: category,
				})
			}
		}
		for n := range rows {
			of[[2]string{string(rows[n].Currency), rows[n].Category}] = &rows[n] // those of this period are last
		}
		for key, sum := range a.moved[i+1] {
			if key.movement.Loan || key.movement.Account == ledger.AccountExpiryMoves {
				continue
			}
			for _, category := range []string{string(key.movement.Category), AllCategories} {
				row := of[[2]string{string(key.currency), category}]
				if row.Left, err = plus(row.Left, sum.Debited); err != nil {
					return nil, err
				}
				if key.movement.Account == ledger.AccountBreakage {
					row.Expired += sum.Debited // no more than Left
					row.Entries += sum.Entries
				}
			}
		}
	}
	return rows, nil
}

// Trend is what was owed at the end of a period, and what was moved in it.
type Trend struct {
	From, To    time.Time
	Currency    money.Currency
	Paid        money.Amount
	Promotional money.Amount
	Balance     money.Amount // both
	Credited    money.Amount
	Debited     money.Amount
}

// Trends are the balances at the end of each period, by currency.
func (a *Activity) Trends() (rows []Trend, err error) {
	forward, err := a.Liability()
	if err != nil {
		return nil, err
	}
	at := make(map[[2]string]int)
	for _, row := range forward {
		key := [2]string{row.From.Format(timeForm), string(row.Currency)}
		if _, known := at[key]; !known {
			at[key] = len(rows)
			rows = append(rows, Trend{From: row.From, To: row.To, Currency: row.Currency})
		}
		trend := &rows[at[key]]
		switch row.Category {
		case string(ledger.Paid):
			trend.Paid = row.Closing
		case string(ledger.Promotional):
			trend.Promotional = row.Closing
		default:
			trend.Balance = row.Closing
			i := slices.Index(a.edges, row.From.UnixMicro()) + 1
			for key, sum := range maps.All(a.moved[i]) {
				if key.currency != row.Currency {
					continue
				}
				if trend.Credited, err = plus(trend.Credited, sum.Credited); err != nil {
					return nil, err
				}
				if trend.Debited, err = plus(trend.Debited, sum.Debited); err != nil {
					return nil, err
				}
			}
		}
	}
	return rows, nil
}
