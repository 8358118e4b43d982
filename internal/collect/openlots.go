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

// lotsRead is how many open lots of a wallet are looked at for those that answer for a payment.
const lotsRead = 1000

// open are the lots that answer for credits with the seqs, and of which something is neither
// held nor expired: those that the credits opened, and those that continue them, because their
// expiry was moved or what was given back to them lives for a grace.
func (c *Collector) open(ctx context.Context, invoice *Invoice, roots []int64) (parts []part, err error) {
	if len(roots) == 0 {
		return nil, nil
	}
	page := ledger.LotPage{Limit: 200, At: c.moment().Now}
	for read := 0; read < lotsRead; read += page.Limit {
		list, err := c.store.Lots(ctx, invoice.Tenant, invoice.CustomerID, invoice.Collection.Currency, page)
		if err != nil {
			return nil, err
		}
		for _, lot := range list.Lots {
			if lot.Category != ledger.Paid || lot.Remaining == 0 || lot.ExpiredAt(list.Chain.At(page.At)) {
				continue
			}
			continues, err := c.continues(ctx, invoice, lot.Seq, roots)
			if err != nil {
				return nil, err
			}
			if most := min(lot.Remaining, continues); most > 0 {
				parts = append(parts, part{lot.Seq, most})
			}
		}
		if page.After = list.Next; page.After == 0 {
			break
		}
	}
	return parts, nil
}

// continues is how much came to a lot of those that the credits with the seqs opened. The
// entries that opened it say so: a debit of those before, and the credit right behind it that
// undoes it.
func (c *Collector) continues(
	ctx context.Context, invoice *Invoice, seq int64, roots []int64,
) (sum money.Amount, err error) {
	if slices.Contains(roots, seq) {
		return money.BalanceMax, nil
	}
	if seq < slices.Min(roots)+2 {
		return 0, nil
	}
	entries, err := c.store.EntriesBetween(
		ctx, invoice.Tenant, invoice.CustomerID, invoice.Collection.Currency, seq-2, seq)
	if err != nil || len(entries) != 2 {
		return 0, err
	}
	debit, credit := &entries[0], &entries[1]
	grace := credit.Reason == ledger.GraceReason && credit.CreatedBy == ledger.SystemCreator
	if credit.Reverses != debit.ID || credit.Account != ledger.AccountExpiryMoves && !grace {
		return 0, nil
	}
	for _, taken := range debit.Allocations {
		of, err := c.continues(ctx, invoice, taken.LotSeq, roots)
		if err != nil {
			return 0, err
		}
		sum += min(of, taken.Amount)
	}
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
