package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/ledger"
)

var updateGolden = flag.Bool("update", false, "write the golden files of events anew")

// goldenFacts are one fact of each kind, with all that an event can show.
func goldenFacts() []ledger.Fact {
	tenant := ledger.Tenant{BusinessID: "bus_P3SXLcppjXgagmHSVaH3N", Mode: ledger.Test}
	at := time.Date(2026, time.January, 2, 3, 4, 5, 6000, time.UTC)
	entry := func(position int64, change func(*ledger.Entry)) ledger.Fact {
		e := ledger.Entry{
			ID: ledger.EntryID(at, position, 7), Tenant: tenant, CustomerID: "cus_TV52uJWWXt2yIoBBxpjaa", Currency: "USD",
			Position: position, Seq: position, Direction: ledger.Debit, EventType: ledger.EventMerchantAdjustment,
			Account: ledger.AccountMerchant, Metadata: `{"order":"42"}`, CreatedBy: "key_1", CreatedAt: at, Hash: ledger.Hash{1, 2, 3},
		}
		change(&e)
		return ledger.Fact{Entry: &e}
	}
	customer := ledger.Customer{
		Tenant: tenant, ID: "cus_TV52uJWWXt2yIoBBxpjaa", Email: "jane@example.com", Name: "Jane Doe", PhoneNumber: "+14155552671",
		Metadata: `{"plan":"pro"}`, CreatedAt: at, UpdatedAt: at, Alerts: "USD\t500:1000\n",
	}
	hold := func(number int64, kind ledger.HoldEventKind, change func(*ledger.HoldEvent)) ledger.Fact {
		h := ledger.Hold{
			ID: ledger.HoldID(at, 1, 7), Tenant: tenant, CustomerID: customer.ID, Currency: "USD", Number: 1, Amount: 300,
			State: ledger.HoldReleased, ExpiresAt: at.AddDate(0, 0, 1), Reason: "Ride", ReferenceObjectID: "ride_7",
			Metadata: `{"order":"42"}`, CreatedBy: "key_1", CreatedAt: at, UpdatedAt: at.Add(time.Hour),
		}
		e := ledger.HoldEvent{
			Number: number, HoldID: h.ID, Kind: kind, Amount: 300, Seq: 1, Balance: 5000, Held: 300, Available: 4700,
			MovedAt: at, CreatedBy: "key_1", CreatedAt: at.Add(time.Duration(number-1) * time.Minute),
		}
		change(&e)
		return ledger.Fact{Hold: &ledger.HoldChange{Hold: h, Event: e}}
	}
	return []ledger.Fact{
		{Customer: &customer},
		hold(1, ledger.HoldMade, func(e *ledger.HoldEvent) { e.Alerts = "4900:4900:low!" }),
		hold(2, ledger.HoldWasCaptured, func(e *ledger.HoldEvent) {
			e.Amount, e.Captured, e.Position, e.Seq, e.Balance, e.Held = 100, 100, 2, 2, 4900, 200
		}),
		hold(3, ledger.HoldWasReleased, func(e *ledger.HoldEvent) {
			e.Amount, e.Captured, e.Released, e.Seq, e.Balance, e.Held, e.Available = 200, 100, 200, 2, 4900, 0, 4900
		}),
		hold(3, ledger.HoldHasExpired, func(e *ledger.HoldEvent) {
			e.Amount, e.Captured, e.Released, e.Seq, e.Balance, e.Held, e.Available = 200, 100, 200, 2, 4900, 0, 4900
			e.Alerts = "4900:4900:armed!"
		}),
		{Notice: &ledger.Notice{
			ID: ledger.NoticeID(at, 1, 7), Tenant: tenant, CustomerID: customer.ID, Currency: "USD", Number: 1, Seq: 2, CreatedAt: at,
			Lot: ledger.Lot{Seq: 1, Category: ledger.Promotional, ExpiresAt: at.AddDate(0, 0, 7), Remaining: 400},
		}},
		{Object: &ledger.ToldObject{
			Tenant: tenant, CustomerID: customer.ID, Key: ledger.ObjectKey{Kind: "payment", ID: "pay_0V76xO7E0000001000000"},
			Event: ledger.ObjectEvent{
				Number: 2, Object: 1, Version: 2, Position: 2, Kind: ledger.PaymentSucceeded, CreatedAt: at,
				Data: `{"payload_type":"Payment","payment_id":"pay_0V76xO7E0000001000000","total_amount":4600}`,
			},
		}},
		{Audit: &ledger.AuditEntry{
			ID: "aud_0V76xO7E0000001000000", Tenant: tenant, CustomerID: customer.ID, Position: 1, Action: ledger.AuditFreeze,
			By: ledger.Actor{KeyID: "key_1", Address: "192.0.2.1"}, Before: `{"freezes":[]}`, After: `{"freezes":[{"scope":"debits"}]}`,
			Reason: "Fraud", CreatedAt: at, Hash: ledger.Hash{4, 5, 6},
		}},
		entry(1, func(e *ledger.Entry) {
			e.Direction, e.Amount, e.After, e.Available = ledger.Credit, 5000, 5000, 5000
			e.Category, e.Account, e.ExpiresAt = ledger.Promotional, ledger.AccountPromotion, at.AddDate(0, 6, 0)
			e.Reason, e.IdempotencyKey = "Welcome", "welcome_1"
		}),
		entry(2, func(e *ledger.Entry) {
			e.Amount, e.Before, e.After, e.Available, e.Alerts = 4600, 5000, 400, 400, "500:1000:low!"
			e.Allocations, e.ReferenceObjectID = []ledger.Allocation{{LotSeq: 1, Amount: 4600}}, "order_42"
		}),
		entry(3, func(e *ledger.Entry) {
			e.Direction, e.Amount, e.Before, e.After, e.Available = ledger.Credit, 600, 400, 1000, 1000
			e.Alerts, e.Reverses = "500:1000:armed!", ledger.EntryID(at, 2, 7)
			e.Allocations = []ledger.Allocation{{LotSeq: 1, Amount: 600}}
		}),
		entry(4, func(e *ledger.Entry) {
			e.Amount, e.Before, e.Account, e.CreatedBy, e.Reason = 1000, 1000, ledger.AccountBreakage, "system", "Expired"
			e.Allocations = []ledger.Allocation{{LotSeq: 1, Amount: 1000}}
		}),
	}
}

// goldenName is that of the file of an event: its type, and in words what it is about
// where events of one type may be about different things.
func goldenName(e *ledger.Event) string {
	name := string(e.Kind)
	if e.Alert != nil && e.Hold != nil {
		name += ".by_hold"
	}
	return name
}

// Each type of event has a file with what it looks like. It is what receivers rely
// on: members may be added to it, and none may go or change.
func TestEventsLookAsTheyAlwaysDid(t *testing.T) {
	t.Parallel()
	seen := map[ledger.EventKind]bool{}
	for _, fact := range goldenFacts() {
		for _, event := range fact.Events() {
			seen[event.Kind] = true
			var got bytes.Buffer
			if err := json.Indent(&got, appendEvent(nil, &event), "", "  "); err != nil {
				t.Fatalf("%s: got %v, want JSON", event.Kind, err)
			}
			got.WriteByte('\n')
			path := filepath.Join("testdata", "events", goldenName(&event)+".json")
			if *updateGolden {
				if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-file +got):\n%s", path, diff)
			}
		}
	}
	for _, kind := range ledger.EventKinds() {
		if !seen[kind] {
			t.Errorf("%s has no golden file", kind)
		}
	}
}
