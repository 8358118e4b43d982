package hosted_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// subscribed makes a subscription of 10.00 a month that is charged to a method, and
// returns it when the first period has gone its way.
func (s *stage) subscribed(method string) *collect.Subscription {
	s.Helper()
	settings := access.DefaultSettings()
	of := collect.Subscription{
		Tenant: shop, CustomerID: s.customer, Policy: collect.PolicyOf(&settings, ledger.Test, collect.ForPeriod, "USD"),
		Subscription: billing.Subscription{
			ID: "sub_1", Currency: "USD", Zone: "UTC", Method: method,
			Plan: billing.Plan{
				ProductID: "pdt_1", Price: 1000, Quantity: 1, Payment: billing.Interval{Count: 1, Unit: "Month"},
			},
		},
	}
	of.Policy.MethodWithin = time.Hour
	outcome, err := s.collector.OrderSubscription(s.Context(), &of, collect.SubscriptionOrder{Input: billing.Subscribe{}})
	if err != nil {
		s.Fatal(err)
	}
	if err := s.collector.GoOn(s.Context(), shop, outcome.Invoice.Collection.InvoiceID); err != nil {
		s.Fatal(err)
	}
	return s.subscription()
}

func (s *stage) subscription() *collect.Subscription {
	s.Helper()
	found, err := s.collector.Subscription(s.Context(), shop, "sub_1")
	if err != nil {
		s.Fatal(err)
	}
	return found
}

func (s *stage) paidBy(of *collect.Subscription, method string) {
	s.Helper()
	if _, err := s.collector.DecideSubscription(s.Context(), of, billing.UpdateMethod{Method: method}); err != nil {
		s.Fatal(err)
	}
}

// forSubscription has a setup be for a subscription.
func forSubscription(of *collect.Setup) { of.SubscriptionID = "sub_1" }

// TestAnotherCardOfASubscription has a customer enter the card that pays a subscription and
// what it owes; who opens the page again, after it got yet another one, changes nothing.
func TestAnotherCardOfASubscription(t *testing.T) {
	onStores(t, func(s *stage) {
		s.paidBy(s.subscribed(processor.SandboxOK), processor.SandboxDeclined)
		s.clock.Set(epoch.AddDate(0, 1, 0).Add(time.Minute))
		worker := collect.NewWorker(s.collector, slog.New(slog.DiscardHandler))
		for range 3 {
			if _, err := worker.Round(s.Context()); err != nil {
				s.Fatal(err)
			}
		}
		if of := s.subscription(); of.Status != billing.SubscriptionOnHold || of.Owes == nil {
			s.Fatalf("got %s owing %v, want it to wait for a card that works", of.Status, of.Owes)
		}
		_, path := s.setup("", forSubscription)
		s.shows(path, 200, "Pay your subscription by another card", "Only what is due already is charged now.")
		s.posts(path, pay(processor.SandboxOK, false))
		of, methods := s.subscription(), s.methods()
		if len(methods) != 1 || of.MethodID != methods[0].ID || of.Method != processor.SandboxOK ||
			of.Status != billing.SubscriptionActive || of.Owes != nil {
			s.Errorf("got %s owing %v by %q, and methods %+v, want it active by the one that was entered", of.Status, of.Owes,
				of.MethodID, methods)
		}
		s.paidBy(of, processor.SandboxProcessing)
		s.shows(path, 200, "Card saved", "Your subscription is paid by it from now on")
		s.posts(path, pay(processor.SandboxOK, false))
		if again := s.subscription(); again.Method != processor.SandboxProcessing || len(s.methods()) != 1 {
			s.Errorf("got it paid by %s, and %d methods, want what was changed since", again.Method, len(s.methods()))
		}
	})
}

// cutStore dies before a subscription is changed, once.
type cutStore struct {
	store
	die atomic.Bool
}

var errCut = errors.New("cut off")

func (s *cutStore) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	ofSubscription := func(key ledger.ObjectKey) bool { return key.Kind == collect.Subscriptions }
	if slices.ContainsFunc(scope.Objects, ofSubscription) && s.die.CompareAndSwap(true, false) {
		return ledger.Change{}, errCut
	}
	return s.store.Transact(ctx, scope, decide)
}

// TestACardThatItsSubscriptionWasNotToldOf has the page go on where a server stopped.
func TestACardThatItsSubscriptionWasNotToldOf(t *testing.T) {
	onStores(t, func(s *stage) {
		s.subscribed(processor.SandboxOK)
		cut := &cutStore{store: s.store}
		s.open(cut, nil)
		_, path := s.setup("", forSubscription)
		cut.die.Store(true)
		if got := s.send("POST", path, pay(processor.SandboxProcessing, false)); got.status < 500 || cut.die.Load() {
			s.Fatalf("got status %d, want it cut off", got.status)
		}
		if of := s.subscription(); of.Method != processor.SandboxOK {
			s.Fatalf("got %s, want it not told", of.Method)
		}
		s.shows(path, 200, "Card saved")
		if of, methods := s.subscription(), s.methods(); len(methods) != 1 || of.MethodID != methods[0].ID {
			s.Errorf("got it paid by %q, and methods %+v, want the one that was entered", of.MethodID, methods)
		}
	})
}

// TestACardOfASubscriptionThatIsOver has the card kept and nothing begin again.
func TestACardOfASubscriptionThatIsOver(t *testing.T) {
	onStores(t, func(s *stage) {
		of := s.subscribed(processor.SandboxOK)
		_, path := s.setup("", forSubscription)
		if _, err := s.collector.DecideSubscription(s.Context(), of, billing.CancelNow{}); err != nil {
			s.Fatal(err)
		}
		s.posts(path, pay(processor.SandboxProcessing, false))
		s.shows(path, 200, "Card saved")
		methods := s.methods()
		of = s.subscription()
		if of.Status != billing.SubscriptionCancelled || of.Method != processor.SandboxOK || len(methods) != 1 {
			s.Errorf("got it %s by %s, and %d methods, want nothing but the card kept", of.Status, of.Method, len(methods))
		}
	})
}
