package ledger

import (
	"context"
	"time"
)

// Book is the ledger as the rest of the program uses it: it gives each request
// its time and its randomness and has the store run the decision.
type Book struct {
	store  Store
	now    func() time.Time
	random func() uint64
}

// NewBook returns a Book on a store. Now is the clock and random the source of
// ids; both are given so that tests hold them.
func NewBook(store Store, now func() time.Time, random func() uint64) *Book {
	return &Book{store: store, now: now, random: random}
}

// Now returns the book's time: UTC, cut to the microseconds that are stored.
func (b *Book) Now() time.Time { return b.now().UTC().Truncate(time.Microsecond) }

// NewID returns a fresh id with a prefix such as "cus_".
func (b *Book) NewID(prefix string) string {
	return NewID(prefix, b.Now(), [2]uint64{b.random(), b.random()})
}

// Post validates and posts one credit or debit. On a repeat of a request under
// its key the change has Replayed set and is the first answer.
func (b *Book) Post(ctx context.Context, request PostRequest) (Change, error) {
	// In UTC, so that the first answer and its repeat read alike.
	request.ExpiresAt = request.ExpiresAt.UTC().Truncate(time.Microsecond)
	if err := request.Validate(); err != nil {
		return Change{}, err
	}
	moment := Moment{Now: b.Now(), Random: b.random()}
	scope := Scope{
		Tenant:     request.Tenant,
		CustomerID: request.CustomerID,
		Currency:   request.Currency,
		Key:        request.IdempotencyKey,
		At:         moment.Now,
	}
	if request.Direction == Debit {
		scope.Need, scope.Partial = request.Amount, request.AllowPartial
	}
	return b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
		return Post(s, &request, moment)
	})
}

// Store gives the reads, and the writes that need no rule, to the faces.
func (b *Book) Store() Store { return b.store }
