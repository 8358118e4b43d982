package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// What is told stays for ever, so that it must be right when it is written.
func TestWhatIsToldOfObjectsHasItsForm(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		kind ledger.EventKind
		data string
		want string // of the error, "" for none
	}{
		{"", "", ""},
		{"", "anything", ""},
		{ledger.PaymentSucceeded, `{"payload_type":"Payment"}`, ""},
		{ledger.TopUpFailed, `{"payload_type":"TopUp","note":"a\nb"}`, ""},
		{ledger.TopUpFailed, `{"note":"a\nb","payload_type":"TopUp"}`, ""},
		{ledger.TopUpFailed, `{"note":"a,\"payload_type\":\"TopUp"}`, "no payload_type"},
		{ledger.TopUpFailed, `{"note":{"a":1,"payload_type":"TopUp"}`, "no JSON object"},
		{ledger.TopUpFailed, `{"note":[{"a":1,"payload_type":"TopUp"}]}`, "no payload_type"},
		{ledger.TopUpFailed, `{"note":"b,"payload_type":"TopUp"}`, "no JSON object"},
		{ledger.TopUpFailed, `{"note":"b","payload_type":"TopUp"}}`, "no JSON object"},
		{ledger.TopUpFailed, `{"note":"b","payload_type":""}`, "no payload_type"},
		{ledger.TopUpFailed, `{"note":1,"payload_type":"a\"}`, "no JSON object"},
		{ledger.WalletCredited, `{"payload_type":"Payment"}`, "no kind that is told of objects"},
		{"payment.lost", `{"payload_type":"Payment"}`, "no kind that is told of objects"},
		{ledger.PaymentSucceeded, "", "no JSON object"},
		{ledger.PaymentSucceeded, `{}`, "no payload_type"},
		{ledger.PaymentSucceeded, `null`, "no payload_type"},
		{ledger.PaymentSucceeded, `[]`, "no JSON object"},
		{ledger.PaymentSucceeded, `{"payload_type":"Payment"} {}`, "no JSON object"},
		{ledger.PaymentSucceeded, "{\n" + `"payload_type":"Payment"}`, "no line of text"},
		{ledger.PaymentSucceeded, "{\"payload_type\":\"\xff\"}", "no line of text"},
	} {
		var s ledger.Snapshot
		var change ledger.Change
		next := ledger.Object{ObjectKey: ledger.ObjectKey{Kind: "payment", ID: "pay_1"}}
		err := change.Put(&s, next, c.kind, c.data, at)
		if c.want == "" && err == nil && len(change.Objects) == 1 {
			continue
		}
		if c.want == "" || err == nil || !strings.Contains(err.Error(), c.want) || len(change.Objects) > 0 {
			t.Errorf("%s of %s: got error %v and %d objects, want %q", c.kind, c.data, err, len(change.Objects), c.want)
		}
	}
}

// Each kind is told by one side, and published or not.
func TestKindsOfEventsAreDistinct(t *testing.T) {
	t.Parallel()
	all := append(ledger.EventKinds(), ledger.BillingKinds()...)
	for i, kind := range all {
		if slices.Contains(all[:i], kind) || !ledger.IsEventKind(kind) {
			t.Errorf("%s is there twice, or is no kind", kind)
		}
	}
	for kind, want := range map[ledger.EventKind]bool{
		ledger.SubscriptionPastDue: true, ledger.DunningStarted: true, ledger.PaymentEscalated: false, ledger.WalletCredited: false,
		"payment.lost": false,
	} {
		if got := kind.IsPublished(); got != want {
			t.Errorf("%s is published: got %v, want %v", kind, got, want)
		}
	}
	if ledger.IsEventKind("payment.lost") {
		t.Error("payment.lost: got it for a kind of events")
	}
}
