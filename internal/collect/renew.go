package collect

import (
	"context"
	"errors"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
)

// Renew does what is due about a subscription that was read, and goes on until nothing
// is.
func (c *Collector) Renew(ctx context.Context, s *Subscription) error {
	for c.isDue(s) {
		after, err := c.DecideSubscription(ctx, s, billing.PeriodDue{})
		if err != nil || after.Version == s.Version {
			return err
		}
		s = after
	}
	return nil
}

// isDue reports whether anything is to be done about a subscription now.
func (c *Collector) isDue(s *Subscription) bool {
	due := s.DueAt()
	return !due.IsZero() && !c.at(s.Clock).Before(due)
}

// RenewMany does for each of many subscriptions what Renew does, and returns what that
// came to in their order. They share commits, and none is spoilt by another's error. Of
// each customer there may be several.
func (c *Collector) RenewMany(ctx context.Context, subscriptions []*Subscription) []error {
	errs := make([]error, len(subscriptions))
	latest := make([]*Subscription, len(subscriptions)) // nil where nothing more is due
	copy(latest, subscriptions)
	for left := len(subscriptions); left > 0 && ctx.Err() == nil; {
		left = c.renewOnce(ctx, latest, errs)
	}
	for i, s := range latest {
		if s != nil && errs[i] == nil {
			errs[i] = ctx.Err()
		}
	}
	return errs
}

// renewOnce does one thing about each subscription about which anything is due, in place
// of which it puts what became of it. It returns about how many something may still be.
func (c *Collector) renewOnce(ctx context.Context, latest []*Subscription, errs []error) (left int) {
	var lines []int
	var made []*renewed
	var commands []ledger.Command
	for i, s := range latest {
		if s == nil {
			continue
		}
		latest[i] = nil
		if !c.isDue(s) {
			continue
		}
		d, err := c.prepare(ctx, s, &SubscriptionOrder{Input: billing.PeriodDue{}})
		if errs[i] = err; err == nil {
			d.untouched = true
			lines, made = append(lines, i), append(made, d)
			commands = append(commands, ledger.Command{Scope: d.scope, Decide: d.transact})
		}
	}
	outcomes, err := c.store.TransactMany(ctx, commands, false)
	for n, i := range lines {
		switch of := made[n].made; {
		case err != nil:
			errs[i] = err
		case errors.Is(outcomes[n].Err, errMoved):
			errs[i] = c.renewAgain(ctx, of)
		case outcomes[n].Err != nil:
			errs[i] = outcomes[n].Err
		default:
			if after := made[n].outcome.Load().Subscription; after.Version != of.Version {
				latest[i] = after
				left++
			}
		}
	}
	return left
}

// renewAgain renews a subscription that has another open invoice than when it was read.
func (c *Collector) renewAgain(ctx context.Context, s *Subscription) error {
	latest, err := c.Subscription(ctx, s.Tenant, s.ID)
	if err != nil {
		return err
	}
	return c.Renew(ctx, latest)
}
