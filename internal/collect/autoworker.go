package collect

import (
	"context"
	"log/slog"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// AutoTopUp returns the rule of a wallet; CodeNotFound where it has none.
func (c *Collector) AutoTopUp(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency,
) (*AutoTopUp, error) {
	object, err := c.store.Object(ctx, tenant, autoTopUpKey(customerID, currency))
	if err != nil {
		return nil, err
	}
	rule, err := autoTopUpOf(&object)
	if err == nil && (rule.Removed || rule.CustomerID != customerID) {
		return nil, errNoRule
	}
	return rule, err
}

var errNoRule = ledger.Errorf(ledger.CodeNotFound, "the wallet has no rule for automatic top-ups")

// SetAutoTopUp gives a wallet a rule, or its rule other terms.
func (c *Collector) SetAutoTopUp(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, terms AutoTopUpTerms,
) (*AutoTopUp, error) {
	return c.putAutoTopUp(ctx, tenant, customerID, currency, func(rule *AutoTopUp, _ time.Time) error {
		rule.set(terms)
		return nil
	})
}

// SwitchAutoTopUp enables a wallet's rule or disables it, on behalf of whoever's id is by.
// Failures before are forgotten where it is enabled. The wallet has to have one.
func (c *Collector) SwitchAutoTopUp(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, enabled bool, by string,
) error {
	_, err := c.putAutoTopUp(ctx, tenant, customerID, currency, func(rule *AutoTopUp, _ time.Time) error {
		if rule.CreatedAt.IsZero() || rule.Removed {
			return errNoRule
		}
		if terms := rule.AutoTopUpTerms; terms.Enabled != enabled {
			terms.Enabled, terms.SetBy = enabled, by
			rule.set(terms)
		}
		return nil
	})
	return err
}

// RemoveAutoTopUp takes a wallet's rule away. A top-up that is on its way goes on. The
// wallet has to have one.
func (c *Collector) RemoveAutoTopUp(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency,
) error {
	_, err := c.putAutoTopUp(ctx, tenant, customerID, currency, func(rule *AutoTopUp, _ time.Time) error {
		if rule.CreatedAt.IsZero() || rule.Removed {
			return errNoRule
		}
		rule.Removed, rule.Enabled = true, false
		return nil
	})
	return err
}

// putAutoTopUp changes a rule to what next makes of it; next gets a new one where there is
// none.
func (c *Collector) putAutoTopUp(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency,
	next func(*AutoTopUp, time.Time) error,
) (rule *AutoTopUp, err error) {
	m := c.moment()
	key := autoTopUpKey(customerID, currency)
	scope := ledger.Scope{
		Tenant: tenant, CustomerID: customerID, Currency: currency, At: m.Now, Objects: []ledger.ObjectKey{key},
	}
	_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		rule = &AutoTopUp{Tenant: tenant, CustomerID: customerID, Currency: currency}
		if object := s.Object(key); object != nil {
			var err error
			if rule, err = autoTopUpOf(object); err != nil {
				return change, err
			}
		}
		if err := next(rule, s.Chain.At(m.Now)); err != nil {
			return change, err
		}
		object, err := rule.object()
		if err == nil {
			err = change.Put(&s, object, "", "", m.Now)
		}
		if err == nil {
			made := &change.Objects[0].Object
			rule.CreatedAt, rule.UpdatedAt = made.CreatedAt, made.UpdatedAt
		}
		return change, err
	})
	return rule, err
}

// StepAuto does what is to be done about a rule that was read, and reports whether
// something was. Where nothing is, it reads and does not lock.
func (c *Collector) StepAuto(ctx context.Context, rule *AutoTopUp, settings *access.Settings) (did bool, err error) {
	d := &autoDecision{seen: rule, settings: settings, fresh: c.book.NewID(InvoiceIDPrefix), moment: c.moment()}
	if due, err := c.autoDue(ctx, d); err != nil || !due {
		return false, err
	}
	d.scope = ledger.Scope{
		Tenant: rule.Tenant, CustomerID: rule.CustomerID, Currency: rule.Currency, At: d.moment.Now,
		Objects: []ledger.ObjectKey{rule.key(), {Kind: Invoices, ID: d.fresh}},
	}
	if rule.InFlight != "" {
		d.scope.Objects[1].ID = rule.InFlight
	}
	if rule.Kept {
		d.scope.Objects = append(d.scope.Objects, ledger.ObjectKey{Kind: Methods, ID: rule.MethodID})
	}
	change, err := c.store.Transact(ctx, d.scope, d.decide)
	return err == nil && !change.Replayed, err
}

// autoDue reports whether there may be something to do about a rule, and reads for the
// decision what is looked at without the lock.
func (c *Collector) autoDue(ctx context.Context, d *autoDecision) (bool, error) {
	rule := d.seen
	if rule.InFlight != "" {
		invoice, err := c.Invoice(ctx, rule.Tenant, rule.InFlight)
		return err == nil && invoice.Collection.State.Final(), err
	}
	now := c.at(rule.Clock)
	if !rule.wants(0, now) {
		return false, nil
	}
	list, err := c.store.Wallets(ctx, rule.Tenant, rule.CustomerID, now)
	if err != nil {
		return false, err
	}
	var wallet ledger.Wallet // one without entries has nothing
	for i := range list.Wallets {
		if list.Wallets[i].Currency == rule.Currency {
			wallet = list.Wallets[i]
		}
	}
	wants := rule.wants(wallet.Available(list.Chain.At(now)), now)
	if !wants && !rule.isBarred() {
		return false, nil
	}
	d.held = wallet.Held
	d.disputed, err = c.disputeHolds(ctx, rule.Tenant, rule.CustomerID)
	return err == nil && rule.changes(wants, barred(&wallet, d.disputed)), err
}

// disputeHolds reports whether a dispute of a customer holds money, in any currency. One that
// was lost and is opened again holds nothing: what it has taken is with the bank until it is
// over, and comes back to the wallet if it is won.
func (c *Collector) disputeHolds(ctx context.Context, tenant ledger.Tenant, customerID string) (bool, error) {
	filter := ledger.ObjectFilter{Kind: Disputes, CustomerID: customerID}
	for page := (ledger.ObjectPage{Limit: autoPage}); ; {
		list, err := c.store.Objects(ctx, tenant, filter, page)
		if err != nil {
			return false, err
		}
		for i := range list.Objects {
			dispute, err := DisputeOf(&list.Objects[i])
			if err != nil || dispute.Held > 0 || dispute.Lost > 0 && dispute.Claim() == billing.ClaimHold {
				return err == nil, err
			}
		}
		if page.Before = list.Next; page.Before == "" {
			return false, nil
		}
	}
}

const (
	// autoEvery is how long the worker of automatic top-ups rests between two looks at
	// all rules, and autoShare how many times as long as the last look took at least, so
	// that it never takes more than that part of a core.
	autoEvery = 5 * time.Second
	autoShare = 20

	// autoPage is how many rules are read at once.
	autoPage = 200
)

// Tenants says of which businesses there are, and what they have set.
type Tenants interface {
	Businesses(ctx context.Context) ([]access.Business, error)
	Settings(ctx context.Context, tenant ledger.Tenant) (access.Settings, error)
}

// AutoWorker looks at every rule again and again, and begins the top-ups that are due. It
// costs nothing where entries are written: what a rule is about is read, and only what is
// to change is locked. There may be one in each of several instances.
type AutoWorker struct {
	collector *Collector
	tenants   Tenants
	logger    *slog.Logger
}

// NewAutoWorker returns a worker.
func NewAutoWorker(c *Collector, tenants Tenants, logger *slog.Logger) *AutoWorker {
	return &AutoWorker{collector: c, tenants: tenants, logger: logger}
}

// Run works until ctx is cancelled.
func (w *AutoWorker) Run(ctx context.Context) {
	var readings ledger.Readings
	for ctx.Err() == nil {
		if !w.collector.believes(&readings, w.logger) {
			pause(ctx, autoEvery)
			continue
		}
		began := time.Now()
		if _, err := w.Round(ctx); err != nil && ctx.Err() == nil {
			w.logger.Error("rules for automatic top-ups cannot be read", "error", err)
		}
		pause(ctx, max(autoEvery, autoShare*time.Since(began)))
	}
}

// Round looks at every rule once, and says about how many something was done.
func (w *AutoWorker) Round(ctx context.Context) (did int, err error) {
	businesses, err := w.tenants.Businesses(ctx)
	if err != nil {
		return 0, err
	}
	for _, business := range businesses {
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			n, err := w.tenant(ctx, ledger.Tenant{BusinessID: business.ID, Mode: mode})
			did += n
			if err != nil {
				return did, err
			}
		}
	}
	return did, nil
}

// tenant looks at the rules of a business in a mode.
func (w *AutoWorker) tenant(ctx context.Context, tenant ledger.Tenant) (did int, err error) {
	var settings *access.Settings
	filter := ledger.ObjectFilter{Kind: AutoTopUps, State: autoActive}
	for page := (ledger.ObjectPage{Limit: autoPage}); ; {
		list, err := w.collector.store.Objects(ctx, tenant, filter, page)
		if err != nil {
			return did, err
		}
		for i := range list.Objects {
			if settings == nil {
				read, err := w.tenants.Settings(ctx, tenant)
				if err != nil {
					return did, err
				}
				settings = &read
			}
			if w.look(ctx, &list.Objects[i], settings) {
				did++
			}
		}
		if page.Before = list.Next; page.Before == "" {
			return did, nil
		}
	}
}

// look does what is to be done about a rule. One about which that fails keeps nobody else
// waiting: it is looked at again in the next round.
func (w *AutoWorker) look(ctx context.Context, object *ledger.Object, settings *access.Settings) bool {
	rule, err := autoTopUpOf(object)
	did := false
	if err == nil {
		did, err = w.collector.StepAuto(ctx, rule, settings)
	}
	if err != nil && ctx.Err() == nil {
		w.logger.Error("an automatic top-up is tried again", "rule", object.ID, "error", err)
	}
	return did
}
