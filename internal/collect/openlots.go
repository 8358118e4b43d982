package collect

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// part is what can be asked at the most of a lot.
type part struct {
	seq  int64
	most money.Amount
}

const (
	lotsPage = 200 // of the open lots of a wallet

	// entriesApart is up to how many entries are between those that are read together.
	entriesApart = 20
)

// open are the lots that answer for credits with the seqs, and of which something is neither
// held nor expired: those that the credits opened, and those that continue them, because their
// expiry was moved or what was given back to them lives for a grace.
func (c *Collector) open(ctx context.Context, invoice *Invoice, roots []int64) (parts []part, err error) {
	if len(roots) == 0 {
		return nil, nil
	}
	d := descent{
		collector: c, invoice: invoice, roots: roots, read: map[int64]ledger.Entry{}, came: map[int64]money.Amount{},
	}
	page := ledger.LotPage{Limit: lotsPage, At: c.moment().Now}
	for {
		list, err := c.store.Lots(ctx, invoice.Tenant, invoice.CustomerID, invoice.Collection.Currency, page)
		if err != nil {
			return nil, err
		}
		now := list.Chain.At(page.At)
		var some []ledger.Lot
		for _, lot := range list.Lots {
			if lot.Category == ledger.Paid && lot.Remaining > 0 && !lot.ExpiredAt(now) {
				some = append(some, lot)
			}
		}
		if err := d.ahead(ctx, some); err != nil {
			return nil, err
		}
		for _, lot := range some {
			came, err := d.of(ctx, lot.Seq)
			if err != nil {
				return nil, err
			}
			if most := min(lot.Remaining, came); most > 0 {
				parts = append(parts, part{lot.Seq, most})
			}
		}
		if page.After = list.Next; page.After == 0 {
			return parts, nil
		}
	}
}

// descent finds out which lots continue some others: the entries that opened one say so, a
// debit of those before, and the credit right behind it that undoes it.
type descent struct {
	collector *Collector
	invoice   *Invoice
	roots     []int64 // seqs of the credits that opened the others

	read map[int64]ledger.Entry // by seq
	came map[int64]money.Amount // what is known, by seq of the lot
}

// ahead reads the entries that opened some lots, as many at once as lie close together.
func (d *descent) ahead(ctx context.Context, lots []ledger.Lot) error {
	clear(d.read)
	var seqs []int64
	for _, lot := range lots {
		if d.younger(lot.Seq) {
			seqs = append(seqs, lot.Seq)
		}
	}
	slices.Sort(seqs)
	for len(seqs) > 0 {
		n := 1
		for n < len(seqs) && seqs[n]-seqs[n-1] <= entriesApart && seqs[n]-seqs[0]+2 <= ledger.EntriesMax {
			n++
		}
		if err := d.between(ctx, seqs[0]-2, seqs[n-1]); err != nil {
			return err
		}
		seqs = seqs[n:]
	}
	return nil
}

// younger reports whether a lot can continue one of the roots: two entries lie behind the
// first of these at least.
func (d *descent) younger(seq int64) bool {
	return seq >= slices.Min(d.roots)+2 && !slices.Contains(d.roots, seq)
}

func (d *descent) between(ctx context.Context, after, through int64) error {
	i := d.invoice
	entries, err := d.collector.store.EntriesBetween(ctx, i.Tenant, i.CustomerID, i.Collection.Currency, after, through)
	for n := range entries {
		d.read[entries[n].Seq] = entries[n]
	}
	return err
}

// of is how much came to a lot of those that the roots opened.
func (d *descent) of(ctx context.Context, seq int64) (sum money.Amount, err error) {
	if slices.Contains(d.roots, seq) {
		return money.BalanceMax, nil
	}
	if known, ok := d.came[seq]; ok || !d.younger(seq) {
		return known, nil
	}
	debit, credit := d.read[seq-1], d.read[seq]
	if debit.ID == "" || credit.ID == "" { // a lot that is not open any more
		if err := d.between(ctx, seq-2, seq); err != nil {
			return 0, err
		}
		debit, credit = d.read[seq-1], d.read[seq]
	}
	grace := credit.Reason == ledger.GraceReason && credit.CreatedBy == ledger.SystemCreator
	if credit.Reverses != "" && credit.Reverses == debit.ID && (credit.Account == ledger.AccountExpiryMoves || grace) {
		for _, taken := range debit.Allocations {
			of, err := d.of(ctx, taken.LotSeq)
			if err != nil {
				return 0, err
			}
			sum += min(of, taken.Amount)
		}
	}
	d.came[seq] = sum
	return sum, nil
}

// unspent is the lot that has most of those that answer for a top-up: a refund goes back from
// one. It is the one that the payment opened where none has anything.
func (c *Collector) unspent(ctx context.Context, invoice *Invoice) (most part, err error) {
	most.seq = invoice.TopUp.LotSeq
	parts, err := c.open(ctx, invoice, invoice.roots(0))
	for _, lot := range parts {
		if lot.most > most.most {
			most = lot
		}
	}
	return most, err
}
