package ledger_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/storetest"
)

// orders is a wallet with two lots, of which the first expires, and commands that
// are carried out in every order.
type orders struct {
	t        *testing.T
	store    *storetest.Model
	book     *ledger.Book
	clock    *storetest.Clock
	tenant   ledger.Tenant
	hold     string // id of the last hold that was made
	captured string // id of the last entry that captured
	first    string // id of the first credit
}

const (
	ordersCustomer = "cus_orders"
	ordersAlerts   = "USD\t1:1 3:5\n"
)

// lotEnds and holdEnds lie so far ahead that the order of commands decides what
// comes before them.
const (
	lotEnds  = 10 * time.Minute
	holdEnds = 20 * time.Minute
)

func newOrders(t *testing.T) *orders {
	t.Helper()
	clock := storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	o := &orders{t: t, store: storetest.NewModel(), clock: clock}
	o.tenant = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}
	draws := uint64(0)
	o.book = ledger.NewBook(o.store, o.clock.Now, func() uint64 { draws++; return draws })
	now := o.clock.Now()
	c := ledger.Customer{Tenant: o.tenant, ID: ordersCustomer, Name: "O", Metadata: "{}", CreatedAt: now, UpdatedAt: now}
	if err := o.store.CreateBusiness(t.Context(), access.Business{ID: "bus_1"}, access.Settings{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := o.store.CreateCustomer(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	for _, ends := range []time.Time{now.Add(lotEnds), {}} {
		r := ledger.PostRequest{
			Tenant: o.tenant, CustomerID: ordersCustomer, Currency: "USD", Direction: ledger.Credit, Amount: 3,
			ExpiresAt: ends, CreatedBy: "key_1", CurrencyEnabled: true, DefaultAlerts: ordersAlerts,
		}
		change, err := o.book.Post(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		o.first = cmp.Or(o.first, change.Entry.ID)
	}
	return o
}

// orderCommands are what an order is made of, each with the refusals that it may
// meet.
var orderCommands = []struct {
	name     string
	run      func(o *orders) error
	refusals []ledger.Code
}{
	{"hold 4", func(o *orders) error {
		r := ledger.HoldRequest{
			Tenant: o.tenant, CustomerID: ordersCustomer, Currency: "USD", Amount: 4, ExpiresAt: o.clock.Now().Add(holdEnds),
			CreatedBy: "key_1", CurrencyEnabled: true, DefaultAlerts: ordersAlerts,
		}
		change, err := o.book.MakeHold(o.t.Context(), r)
		if err == nil {
			o.hold = change.Hold.Hold.ID
		}
		return err
	}, []ledger.Code{ledger.CodeInsufficientFunds}},
	{"capture 1", func(o *orders) error { return o.capture(1, false) }, notCaptured},
	{"capture 3", func(o *orders) error { return o.capture(3, false) }, notCaptured},
	{"capture 2 and no more", func(o *orders) error { return o.capture(2, true) }, notCaptured},
	{"release", func(o *orders) error {
		r := ledger.ReleaseRequest{Tenant: o.tenant, CustomerID: ordersCustomer, HoldID: o.hold, CreatedBy: "key_1"}
		_, err := o.book.Release(o.t.Context(), r)
		return err
	}, []ledger.Code{ledger.CodeNotFound, ledger.CodeHoldNotActive}},
	{"ten minutes and a sweep", func(o *orders) error {
		o.clock.Move(lotEnds)
		key := ledger.WalletKey{Tenant: o.tenant, CustomerID: ordersCustomer, Currency: "USD"}
		_, err := o.book.Sweep(o.t.Context(), key, o.clock.Now(), 100)
		return err
	}, nil},
	{"ten minutes without a sweep", func(o *orders) error { o.clock.Move(lotEnds); return nil }, nil},
	{"reverse", func(o *orders) error {
		r := ledger.ReverseRequest{Tenant: o.tenant, CustomerID: ordersCustomer, EntryID: o.captured, CreatedBy: "key_1"}
		_, err := o.book.Reverse(o.t.Context(), r)
		return err
	}, []ledger.Code{ledger.CodeNotFound, ledger.CodeReversalExceeds}},
	{"take back", func(o *orders) error {
		two := money.Amount(2)
		_, err := o.book.Reverse(o.t.Context(), ledger.ReverseRequest{
			Tenant: o.tenant, CustomerID: ordersCustomer, EntryID: o.first, Amount: &two, AllowPartial: true, CreatedBy: "key_1",
		})
		return err
	}, []ledger.Code{ledger.CodeReversalExceeds, ledger.CodeReversalExceedsLot}},
	{"move the first lot's expiry", func(o *orders) error {
		_, err := o.book.MoveExpiry(o.t.Context(), ledger.MoveRequest{
			Tenant: o.tenant, CustomerID: ordersCustomer, Currency: "USD", LotSeq: 1, ExpiresAt: o.clock.Now().Add(lotEnds),
			CreatedBy: "key_1",
		})
		return err
	}, []ledger.Code{ledger.CodeNotMovable}},
}

var notCaptured = []ledger.Code{ledger.CodeNotFound, ledger.CodeHoldNotActive, ledger.CodeCaptureExceeds}

func (o *orders) capture(amount money.Amount, final bool) error {
	change, err := o.book.Capture(o.t.Context(), ledger.CaptureRequest{
		Tenant: o.tenant, CustomerID: ordersCustomer, HoldID: o.hold, Amount: &amount, Final: final, CreatedBy: "key_1",
	})
	if err == nil {
		o.captured = change.Entry.ID
	}
	return err
}

// TestHoldsInEveryOrder carries out every sequence of five commands on a wallet
// with two lots. At the end the laws hold for all that was done, whatever was refused.
func TestHoldsInEveryOrder(t *testing.T) {
	t.Parallel()
	const length = 5
	n := len(orderCommands)
	total := 1
	for range length {
		total *= n
	}
	ends := map[ledger.HoldState]int{}
	for number := range total {
		o := newOrders(t)
		var played []string
		for rest, i := number, 0; i < length; rest, i = rest/n, i+1 {
			command := orderCommands[rest%n]
			played = append(played, command.name)
			err := command.run(o)
			if err != nil && !slices.Contains(command.refusals, ledger.CodeOf(err)) {
				t.Fatalf("%q: got error %v, want one of %v", played, err, command.refusals)
			}
		}
		h, err := storetest.ReadHistory(t.Context(), o.store, o.tenant, ordersCustomer)
		if err != nil {
			t.Fatal(err)
		}
		if found := storetest.CheckLaws(h); len(found) > 0 {
			t.Fatalf("%q: %v", played, found)
		}
		for _, hold := range h.Holds {
			ends[hold.State]++
		}
	}
	for _, state := range []ledger.HoldState{
		ledger.HoldActive, ledger.HoldCaptured, ledger.HoldReleased, ledger.HoldExpired,
	} {
		if ends[state] == 0 {
			t.Errorf("no order left a hold %s", state)
		}
	}
}
