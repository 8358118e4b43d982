package collect_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

var updateTold = flag.Bool("update", false, "write the golden files of what is told anew")

// drawnID is an id that is drawn, and not given by the test.
var drawnID = regexp.MustCompile(`\b([a-z]{2,4})_[0-9A-Za-z]{20,}\b`)

// telling has billing tell of everything that happens to cus_1.
type telling struct {
	*stage
	c *collect.Collector
	w *collect.Worker
}

// payments tells of payments and refunds.
func (k *telling) payments() {
	for n, method := range []string{
		processor.SandboxOK, processor.SandboxRefundFails, processor.SandboxDeclined, processor.SandboxProcessing,
	} {
		id := fmt.Sprintf("inv_pay_%d", n)
		k.paid(id, method, 1000)
		invoice, err := k.c.Invoice(k.Context(), shop, id)
		if err != nil {
			k.Fatal(err)
		}
		switch method {
		case processor.SandboxOK, processor.SandboxRefundFails:
			order := collect.RefundOrder{InvoiceID: id}
			order.ID, order.Destination, order.Amount = fmt.Sprintf("ref_%d", n), billing.ToOriginal, 400
			_, err = k.c.Refund(k.Context(), shop, order, nil, nil)
		case processor.SandboxProcessing:
			err = k.c.Decide(k.Context(), invoice, billing.Cancel{})
		}
		if err != nil {
			k.Fatal(err)
		}
		k.rounds(k.w)
	}
	k.clock.Move(2 * time.Hour)
	k.rounds(k.w)
}

// waiting tells of a payment that does not end, and of one that the customer has to confirm.
func (k *telling) waiting() {
	k.paid("inv_open", processor.SandboxProcessing, 1000)
	k.clock.Move(billing.EscalateAfter)
	k.rounds(k.w)
	k.paid("inv_confirmed", processor.SandboxRequiresAction, 1000)
}

// methods tells of payment methods.
func (k *telling) methods() {
	token := processor.SandboxOK
	method := collect.Method{ID: "pm_1", Processor: "sandbox", Token: token, Card: collect.SandboxCard(token)}
	err := k.c.AddMethod(k.Context(), shop, "cus_1", method)
	if err == nil {
		err = k.c.RemoveMethod(k.Context(), shop, "cus_1", method.ID)
	}
	if err != nil {
		k.Fatal(err)
	}
}

// disputed tells of disputes, each of a top-up.
func (k *telling) disputed() {
	for n, status := range billing.DisputeStatuses() {
		id := k.toppedUp(n, "cus_1", processor.SandboxOK, 1000, time.Time{}, true, 0)
		for _, status := range []billing.DisputeStatus{billing.DisputeOpened, status} {
			if _, err := k.c.Dispute(k.Context(), shop, about(id, 1000, billing.StageDispute, status)); err != nil {
				k.Fatal(err)
			}
		}
	}
}

// toppedUpAgain tells of automatic top-ups: of one that is declined, and of one that is paid.
func (k *telling) toppedUpAgain() {
	a := collect.NewAutoWorker(k.c, k.store, slog.New(slog.DiscardHandler))
	for _, method := range []string{processor.SandboxDeclined, processor.SandboxOK} {
		_, err := k.c.SetAutoTopUp(k.Context(), shop, "cus_1", "USD", collect.AutoTopUpTerms{
			Threshold: 50_000, Amount: 1000, Enabled: true, Method: method, SetBy: "key_1",
			Cap: collect.Cap{Period: collect.PerDay, Count: 1},
		})
		for range 3 {
			if err == nil {
				_, err = a.Round(k.Context())
			}
			k.rounds(k.w)
			k.clock.Move(5 * time.Second)
		}
		if err != nil {
			k.Fatal(err)
		}
	}
	if err := k.c.RemoveAutoTopUp(k.Context(), shop, "cus_1", "USD"); err != nil {
		k.Fatal(err)
	}
}

// subscribed tells of subscriptions: of one to which nearly everything happens, one whose first
// payment is declined, and one that ends.
func (k *telling) subscribed() {
	if _, err := k.book.Post(k.Context(), ledger.PostRequest{ // so that the card pays
		Tenant: shop, CustomerID: "cus_1", Currency: "USD", Direction: ledger.Debit, Amount: 1_000_000, AllowPartial: true,
		CreatedBy: "key_1", CurrencyEnabled: true,
	}); err != nil {
		k.Fatal(err)
	}
	began, dear := k.clock.Now(), aMonth("").Plan
	dear.Price = 1500
	cheap := dear
	cheap.Price = 500
	k.subscribe(aMonth(processor.SandboxOK))
	for _, input := range []billing.SubscriptionInput{
		billing.Pause{}, billing.Resume{}, billing.CancelAtNextBilling{}, billing.CancelAtNextBilling{Undo: true},
		billing.ChangePlan{Plan: dear, Mode: billing.DoNotBill}, billing.ChangePlan{Plan: cheap, Mode: billing.DoNotBill, AtNext: true},
		billing.CancelPlanChange{}, billing.UpdateMethod{Method: processor.SandboxDeclined},
	} {
		k.clock.Move(time.Minute)
		k.happens(k.c, input)
		k.rounds(k.w)
	}
	k.clock.Set(began.AddDate(0, 1, 1))
	k.rounds(k.w)
	for _, method := range []string{processor.SandboxOK, processor.SandboxDeclined} {
		k.happens(k.c, billing.UpdateMethod{Method: method})
		k.rounds(k.w)
	}
	for _, day := range []int{1, 3} {
		k.clock.Set(began.AddDate(0, 2, day))
		k.rounds(k.w)
	}
	k.happens(k.c, billing.CancelNow{})
	fails, ends := aMonth(processor.SandboxDeclinedForGood), aMonth(processor.SandboxOK)
	fails.ID, ends.ID = "sub_2", "sub_3"
	ends.Term = billing.Interval{Count: 2, Unit: calendar.Month}
	k.subscribe(fails)
	k.subscribe(ends)
	for n := range 3 {
		k.clock.Set(began.AddDate(0, 3+n, 4))
		k.rounds(k.w)
	}
}

// What billing tells looks as it always did, each kind in a file of its own. It is what
// receivers rely on: members may be added to it, and none may go or change.
func TestWhatIsToldLooksAsItAlwaysDid(t *testing.T) {
	t.Parallel()
	onEmbedded(t, func(s *stage) {
		s.customer()
		c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
		k := &telling{s, c, collect.NewWorker(c, slog.New(slog.DiscardHandler))}
		for _, tell := range []func(){k.payments, k.toppedUpAgain, k.disputed, k.subscribed, k.waiting, k.methods} {
			tell()
		}
		events, err := s.store.ObjectEvents(s.Context(), shop, "cus_1", 0, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[ledger.EventKind]bool{"": true}
		for _, event := range events {
			if !seen[event.Kind] {
				seen[event.Kind] = true
				wantTold(t, &event)
			}
		}
		for _, kind := range ledger.BillingKinds() {
			if !seen[kind] {
				t.Errorf("%s: got it told of nothing", kind)
			}
		}
	})
}

// wantTold holds what an event tells against its file. The ids in it are drawn.
func wantTold(t *testing.T, event *ledger.ObjectEvent) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, drawnID.ReplaceAll([]byte(event.Data), []byte("${1}_drawn")), "", "  "); err != nil {
		t.Fatalf("%s: got %v, want JSON", event.Kind, err)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", "told", string(event.Kind)+".json")
	if *updateTold {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-file +got):\n%s", path, diff)
	}
}
