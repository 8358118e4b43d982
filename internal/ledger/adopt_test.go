package ledger_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func TestAdoptionValidate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*ledger.Adoption)
		code   ledger.Code
		param  string
	}{
		{"a credit", func(*ledger.Adoption) {}, "", ""},
		{"a debit", func(a *ledger.Adoption) { a.Request.Direction, a.EventType = ledger.Debit, ledger.EventPayment }, "", ""},
		{"metadata with an id that stays", func(a *ledger.Adoption) { a.Request.Metadata = `{"a":1}` }, "", ""},
		{"an id from elsewhere", func(a *ledger.Adoption) { a.ID = "wl_usd-001" }, "", ""},
		{"an id of another position", func(a *ledger.Adoption) { a.ID = ledger.EntryID(noon, 2, 7) }, "", ""},
		{"both", func(a *ledger.Adoption) { a.ID, a.Request.Metadata = "wl_usd_001", `{"a":1}` }, ledger.CodeInvalidReference, ""},
		{"an id with a quote", func(a *ledger.Adoption) { a.ID = `a"b` }, ledger.CodeInvalidReference, ""},
		{"no id", func(a *ledger.Adoption) { a.ID = "" }, ledger.CodeInvalidReference, ""},
		{"another event", func(a *ledger.Adoption) { a.EventType = "gift" }, ledger.CodeInvalidEntryType, ""},
		{"promotional money", func(a *ledger.Adoption) { a.Request.Category = ledger.Promotional }, ledger.CodeInvalidCategory, ""},
		{"an expiry", func(a *ledger.Adoption) { a.Request.ExpiresAt = noon.AddDate(9, 0, 0) }, ledger.CodeInvalidCategory, ""},
		{"no amount", func(a *ledger.Adoption) { a.Request.Amount = 0 }, ledger.CodeAmountNotPositive, "amount"},
	} {
		a := ledger.Adoption{
			Request:   ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 1},
			EventType: ledger.EventMerchantAdjustment, Position: 1, CreatedAt: noon, After: 1, ID: ledger.EntryID(noon, 1, 7),
		}
		test.change(&a)
		wantRefusal(t, test.name, a.Validate(), test.code, test.param)
	}
}

// An entry here differs from one there in whatever people and programs know it by.
func TestAdoptionDiffers(t *testing.T) {
	t.Parallel()
	a := ledger.Adoption{
		Request: ledger.PostRequest{
			Currency: "USD", Direction: ledger.Credit, Amount: 5, Reason: "r", ReferenceObjectID: "pay_1", IdempotencyKey: "k",
		},
		EventType: ledger.EventRefund, Position: 1, CreatedAt: noon, After: 5, ID: ledger.EntryID(noon, 1, 7),
	}
	change, err := ledger.Adopt(ledger.Snapshot{Wallet: ledger.Wallet{Currency: "USD"}}, &a, 9)
	if err != nil {
		t.Fatal(err)
	}
	entry := change.Entry
	if what := a.Differs(&entry); what != "" || entry.Account != ledger.AccountRefunds {
		t.Errorf("got %s different and account %s, want nothing and refunds", what, entry.Account)
	}
	for want, change := range map[string]func(*ledger.Entry){
		"id":                  func(e *ledger.Entry) { e.ID = ledger.EntryID(noon, 1, 8) },
		"metadata":            func(e *ledger.Entry) { e.Metadata = `{"a":1}` },
		"currency":            func(e *ledger.Entry) { e.Currency = "INR" },
		"is_credit":           func(e *ledger.Entry) { e.Direction = ledger.Debit },
		"amount":              func(e *ledger.Entry) { e.Amount++ },
		"before_balance":      func(e *ledger.Entry) { e.Before++ },
		"after_balance":       func(e *ledger.Entry) { e.After++ },
		"event_type":          func(e *ledger.Entry) { e.EventType = ledger.EventPayment },
		"created_at":          func(e *ledger.Entry) { e.CreatedAt = noon.Add(time.Microsecond) },
		"reason":              func(e *ledger.Entry) { e.Reason = "" },
		"reference_object_id": func(e *ledger.Entry) { e.ReferenceObjectID = "" },
		"idempotency_key":     func(e *ledger.Entry) { e.IdempotencyKey = "" },
	} {
		bent := entry
		change(&bent)
		if got := a.Differs(&bent); got != want {
			t.Errorf("got %q different, want %q", got, want)
		}
	}
}
