package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/money"
)

const (
	// freedMax is how many holds a refused command ends at the most before it is
	// tried again, and freedTriesMax how often that is done.
	freedMax      = 64
	freedTriesMax = 16

	// freedWalletsMax is among how many wallets that wait for the sweep a bulk looks for
	// its own.
	freedWalletsMax = 1000
)

// transact carries out a command. If it is refused for funds, or for what is
// available, while something of the wallet is held, holds that have expired are
// ended first and it is tried again: that nobody swept is no reason to refuse, nor
// to take a part where there is more (law O2).
func (b *Book) transact(ctx context.Context, command Command) (Change, error) {
	for range freedTriesMax {
		change, err := b.store.Transact(ctx, command.Scope, command.first())
		freed, sweepErr := b.freeFor(ctx, command, err)
		if sweepErr != nil {
			return Change{}, sweepErr
		}
		if !freed {
			return change, err
		}
	}
	return b.store.Transact(ctx, command.Scope, command.Decide)
}

// first is the decision as it is tried first. One that would do with a part is refused
// while a hold that has expired has more to give. Then it is tried as it is.
func (c *Command) first() Decide {
	if !c.Scope.Partial {
		return c.Decide
	}
	decide := c.Decide
	return func(s Snapshot) (Change, error) {
		change, err := decide(s)
		if err != nil || change.Replayed || s.Hold == nil {
			return change, err
		}
		refusal := insufficient(&s.Wallet)
		refusal.partial = true
		return Change{}, refusal
	}
}

// transactMany is transact for many commands. Each is decided in its turn, so what could
// free money for it is done before the first: holds that have expired in their wallets
// are ended. Where more wallets wait for the sweep than are looked at, only that
// command of a customer is tried again behind which the customer has no other; an
// atomic row is tried again as a whole.
func (b *Book) transactMany(ctx context.Context, commands []Command, atomic bool) ([]Outcome, error) {
	if err := b.freeBefore(ctx, commands); err != nil {
		return nil, err
	}
	tried, last := slices.Clone(commands), lastOfCustomers(commands)
	for i := range tried {
		if atomic || last[i] {
			tried[i].Decide = tried[i].first()
		}
	}
	for range freedTriesMax {
		outcomes, err := b.store.TransactMany(ctx, tried, atomic)
		var line *LineError
		if !errors.As(err, &line) {
			b.retryFreed(ctx, commands, last, outcomes)
			return outcomes, err
		}
		freed, sweepErr := b.freeFor(ctx, commands[line.Line], line.Err)
		if sweepErr != nil {
			return nil, sweepErr
		}
		if !freed {
			return nil, err
		}
		tried[line.Line].Decide = commands[line.Line].Decide
	}
	return b.store.TransactMany(ctx, commands, atomic)
}

// freeBefore ends holds that have expired in wallets which commands need money of.
func (b *Book) freeBefore(ctx context.Context, commands []Command) error {
	needed := map[WalletKey]bool{}
	var at time.Time
	for i := range commands {
		if scope := &commands[i].Scope; scope.Need > 0 {
			needed[WalletKey{Tenant: scope.Tenant, CustomerID: scope.CustomerID, Currency: scope.Currency}] = true
			at = scope.At
		}
	}
	if len(needed) == 0 {
		return nil
	}
	expired, err := b.store.Expired(ctx, at, freedWalletsMax)
	for _, wallet := range expired {
		if err == nil && needed[wallet] {
			_, err = b.expireHolds(ctx, wallet, at, freedMax*freedTriesMax)
		}
	}
	return err
}

// lastOfCustomers reports of each command whether the customer has no other behind it.
func lastOfCustomers(commands []Command) []bool {
	type customer struct {
		tenant Tenant
		id     string
	}
	last, met := make([]bool, len(commands)), make(map[customer]bool, len(commands))
	for i := len(commands) - 1; i >= 0; i-- {
		scope := &commands[i].Scope
		whose := customer{scope.Tenant, scope.CustomerID}
		last[i], met[whose] = !met[whose], true
	}
	return last
}

// retryFreed tries again what was refused although the money of expired holds was
// there, and what nothing of the same customer follows.
func (b *Book) retryFreed(ctx context.Context, commands []Command, last []bool, outcomes []Outcome) {
	for i := range outcomes {
		if !last[i] {
			continue
		}
		freed, sweepErr := b.freeFor(ctx, commands[i], outcomes[i].Err)
		switch {
		case sweepErr != nil:
			outcomes[i].Err = sweepErr
		case freed:
			outcomes[i].Change, outcomes[i].Err = b.store.Transact(ctx, commands[i].Scope, commands[i].Decide)
		}
	}
}

// freeFor ends the expired holds of a wallet in which a command was refused for
// money that may be theirs, and reports whether to try it again: less is held now than
// was then, or it does with a part.
func (b *Book) freeFor(ctx context.Context, command Command, err error) (freed bool, sweepErr error) {
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.held == 0 {
		return false, nil
	}
	scope := command.Scope
	wallet := WalletKey{Tenant: scope.Tenant, CustomerID: scope.CustomerID, Currency: scope.Currency}
	held, sweepErr := b.expireHolds(ctx, wallet, scope.At, freedMax)
	freed = refusal.partial || held < refusal.held // ended here, or by somebody else meanwhile
	return sweepErr == nil && freed, sweepErr
}

// expireHolds ends holds of a wallet that have expired at a time, and returns what
// is held then.
func (b *Book) expireHolds(ctx context.Context, wallet WalletKey, at time.Time, most int) (money.Amount, error) {
	var held money.Amount
	for range most {
		moment := Moment{Now: at, Random: b.random()}
		scope := Scope{
			Tenant: wallet.Tenant, CustomerID: wallet.CustomerID, Currency: wallet.Currency, At: at, DueHold: true,
		}
		change, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) {
			held = s.Wallet.Held
			return ExpireHold(s, moment)
		})
		if errors.Is(err, ErrNothingExpired) {
			return held, nil
		}
		if err != nil {
			return 0, err // and held may be written to even now
		}
		b.free(wallet.Tenant, wallet.CustomerID, nil)
		held = change.Wallet.Held
	}
	return held, nil
}

// MakeHold validates a request and promises money of a wallet. On a repeat of a
// request under its key the change has Replayed set and is the first answer.
func (b *Book) MakeHold(ctx context.Context, request HoldRequest) (Change, error) {
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
		Need:       request.Amount,
		Partial:    request.AllowPartial,
	}
	decide := func(s Snapshot) (Change, error) { return MakeHold(s, &request, moment) }
	return b.transact(ctx, Command{Scope: scope, Decide: decide})
}

// Capture validates a request and spends of what a hold promised.
func (b *Book) Capture(ctx context.Context, request CaptureRequest) (Change, error) {
	if err := request.Validate(); err != nil {
		return Change{}, err
	}
	scope, moment, err := b.holdScope(ctx, request.Tenant, request.CustomerID, request.HoldID, request.IdempotencyKey)
	if err != nil {
		return Change{}, err
	}
	change, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) { return Capture(s, &request, moment) })
	b.free(request.Tenant, request.CustomerID, err)
	return change, err
}

// Release validates a request and gives back what is left of a hold.
func (b *Book) Release(ctx context.Context, request ReleaseRequest) (Change, error) {
	if err := request.Validate(); err != nil {
		return Change{}, err
	}
	scope, moment, err := b.holdScope(ctx, request.Tenant, request.CustomerID, request.HoldID, request.IdempotencyKey)
	if err != nil {
		return Change{}, err
	}
	change, err := b.store.Transact(ctx, scope, func(s Snapshot) (Change, error) { return Release(s, &request, moment) })
	b.free(request.Tenant, request.CustomerID, err)
	return change, err
}

// holdScope is what a command about a hold needs to see. In which wallet a hold is
// never changes, so it is read before the decision.
func (b *Book) holdScope(ctx context.Context, tenant Tenant, customerID, holdID, key string) (Scope, Moment, error) {
	hold, err := b.store.Hold(ctx, tenant, customerID, holdID)
	if err != nil {
		return Scope{}, Moment{}, err
	}
	moment := Moment{Now: b.Now(), Random: b.random()}
	return Scope{
		Tenant:     tenant,
		CustomerID: customerID,
		Currency:   hold.Currency,
		Key:        key,
		At:         moment.Now,
		Hold:       holdID,
	}, moment, nil
}
