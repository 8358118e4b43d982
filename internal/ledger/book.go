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
	freed  func(tenant Tenant, customerID string) // nil: nobody wants to know
}

// NewBook returns a Book on a store. Now is the clock and random the source of
// ids; both are given so that tests hold them.
func NewBook(store Store, now func() time.Time, random func() uint64) *Book {
	return &Book{store: store, now: now, random: random}
}

// OnFreed has f called after each commit of this book by which money may have come back to
// a lot: a hold ended or was captured in part, or a debit was undone. It may be called from
// several goroutines and for nothing, and must return at once. It is set before the book is
// used.
func (b *Book) OnFreed(f func(tenant Tenant, customerID string)) { b.freed = f }

// free tells of such a commit.
func (b *Book) free(tenant Tenant, customerID string, err error) {
	if b.freed != nil && err == nil {
		b.freed(tenant, customerID)
	}
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
	if err := request.prepare(); err != nil {
		return Change{}, err
	}
	command := request.command(Moment{Now: b.Now(), Random: b.random()})
	return b.transact(ctx, command)
}

// PostMany validates and posts many credits and debits, and returns what became
// of each in their order. It is [Book.Post] for each of them, unless atomic is
// set: then all are posted or none, and the error is a [LineError] for the first
// that was refused, those that break a rule of shape before the others.
func (b *Book) PostMany(ctx context.Context, requests []PostRequest, atomic bool) ([]Outcome, error) {
	outcomes := make([]Outcome, len(requests))
	commands := make([]Command, 0, len(requests))
	lines := make([]int, 0, len(requests))
	now := b.Now()
	for i := range requests {
		request := &requests[i]
		if err := request.prepare(); err != nil {
			if atomic {
				return nil, &LineError{Line: i, Err: err}
			}
			outcomes[i].Err = err
			continue
		}
		commands = append(commands, request.command(Moment{Now: now, Random: b.random()}))
		lines = append(lines, i)
	}
	if len(commands) == 0 {
		return outcomes, nil
	}
	posted, err := b.transactMany(ctx, commands, atomic)
	if err != nil {
		return nil, err // with atomic, where every request is a command
	}
	for i, outcome := range posted {
		outcomes[lines[i]] = outcome
	}
	return outcomes, nil
}

// prepare puts a request into the form that is kept, and validates it.
func (r *PostRequest) prepare() error {
	// In UTC, so that the first answer and its repeat read alike.
	r.ExpiresAt = r.ExpiresAt.UTC().Truncate(time.Microsecond)
	return r.Validate()
}

// command is what a store is asked to carry out for a request, which must not
// change any more.
func (r *PostRequest) command(moment Moment) Command {
	scope := Scope{
		Tenant:     r.Tenant,
		CustomerID: r.CustomerID,
		Currency:   r.Currency,
		Key:        r.IdempotencyKey,
		At:         moment.Now,
	}
	if r.Direction == Debit {
		scope.Need, scope.Partial = r.Amount, r.AllowPartial
	}
	return Command{Scope: scope, Decide: func(s Snapshot) (Change, error) { return Post(s, r, moment) }}
}

// Store gives the reads, and the writes that need no rule, to the faces.
func (b *Book) Store() Store { return b.store }
