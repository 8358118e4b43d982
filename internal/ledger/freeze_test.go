package ledger_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/ledger"
)

func TestFreezesKeepWhatTheyAreMadeOf(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 1, 12, 0, 0, 123456000, time.UTC)
	all := []ledger.Freeze{
		{Scope: ledger.FreezeDebits, Reason: `"quoted" \ Zoë ✓ |`, At: at, AuditID: "aud_1"},
		{Currency: "INR", Scope: ledger.FreezeEverything, Reason: "a", At: at.Add(time.Microsecond), AuditID: "aud_2"},
		{Currency: "USD", Scope: ledger.FreezeDebits, Reason: strings.Repeat("王", 1000), At: at, AuditID: "aud_3"},
	}
	for n := range len(all) + 1 {
		shuffled := append([]ledger.Freeze{}, all[:n]...)
		for i := range shuffled {
			j := (i * 2) % len(shuffled)
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		}
		freezes := ledger.MakeFreezes(shuffled)
		got, ok := freezes.List()
		if diff := cmp.Diff(all[:n:n], got, cmpEmpty); !ok || diff != "" {
			t.Errorf("%d freezes: decodes %v (-want +got):\n%s", n, ok, diff)
		}
		if again := ledger.MakeFreezes(got); again != freezes {
			t.Errorf("%d freezes: got %q made again, want %q", n, again, freezes)
		}
		if whole, frozen := freezes.Whole(); frozen != (n > 0) || frozen && whole != all[0] {
			t.Errorf("%d freezes: got %+v of the whole customer", n, whole)
		}
	}
	for _, bad := range []ledger.Freezes{"x", "\n", "\tdebits\t1\ta\tr", "\tdebits\tx\ta\tr\n", "\tdebits\t1\ta\n", "\tdebits\t1\ta\tr\ts\n"} {
		if list, ok := bad.List(); ok {
			t.Errorf("%q: got %+v, want it refused", bad, list)
		}
	}
}

var cmpEmpty = cmp.Comparer(func(a, b []ledger.Freeze) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
})

// Freezes that do not decode freeze everything: the money does not move while
// nobody knows whether it may.
func TestBrokenFreezesLetNothingThrough(t *testing.T) {
	t.Parallel()
	broken := ledger.Snapshot{Customer: ledger.Customer{Freezes: "broken"}, Wallet: ledger.Wallet{Currency: "USD"}}
	request := ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 1, CurrencyEnabled: true}
	_, err := ledger.Post(broken, &request, ledger.Moment{Now: time.Unix(1, 0)})
	if ledger.CodeOf(err) != ledger.CodeInternal {
		t.Errorf("post: got error %v, want %s", err, ledger.CodeInternal)
	}
	lift := ledger.FreezeRequest{Lift: true, Reason: "r"}
	if _, err := ledger.DecideFreeze(broken.Customer, &lift, ledger.Moment{}); ledger.CodeOf(err) != ledger.CodeInternal {
		t.Errorf("unfreeze: got error %v, want %s", err, ledger.CodeInternal)
	}
}

func TestValidateFreeze(t *testing.T) {
	t.Parallel()
	good := ledger.FreezeRequest{Scope: ledger.FreezeDebits, Reason: "r"}
	for name, test := range map[string]struct {
		change func(r *ledger.FreezeRequest)
		code   ledger.Code
		param  string
	}{
		"good":                       {func(*ledger.FreezeRequest) {}, "", ""},
		"everything":                 {func(r *ledger.FreezeRequest) { r.Scope = ledger.FreezeEverything }, "", ""},
		"one wallet":                 {func(r *ledger.FreezeRequest) { r.Currency = "KWD" }, "", ""},
		"unfreeze without a scope":   {func(r *ledger.FreezeRequest) { r.Lift, r.Scope = true, "" }, "", ""},
		"the longest reason":         {func(r *ledger.FreezeRequest) { r.Reason = strings.Repeat("王", 1000) }, "", ""},
		"no scope":                   {func(r *ledger.FreezeRequest) { r.Scope = "" }, ledger.CodeInvalidScope, "scope"},
		"another scope":              {func(r *ledger.FreezeRequest) { r.Scope = "credits" }, ledger.CodeInvalidScope, "scope"},
		"no currency":                {func(r *ledger.FreezeRequest) { r.Currency = "usd" }, ledger.CodeUnsupportedCurrency, "currency"},
		"no reason":                  {func(r *ledger.FreezeRequest) { r.Reason = "" }, ledger.CodeInvalidReason, "reason"},
		"a blank reason":             {func(r *ledger.FreezeRequest) { r.Reason = " \u00a0" }, ledger.CodeInvalidReason, "reason"},
		"a reason with a tab":        {func(r *ledger.FreezeRequest) { r.Reason = "a\tb" }, ledger.CodeInvalidReason, "reason"},
		"a reason that is not UTF-8": {func(r *ledger.FreezeRequest) { r.Reason = "a\xff" }, ledger.CodeInvalidReason, "reason"},
		"a reason too long":          {func(r *ledger.FreezeRequest) { r.Reason = strings.Repeat("王", 1001) }, ledger.CodeInvalidReason, "reason"},
		"unfreeze without a reason":  {func(r *ledger.FreezeRequest) { r.Lift, r.Reason = true, "" }, ledger.CodeInvalidReason, "reason"},
	} {
		r := good
		test.change(&r)
		wantRefusal(t, name, r.Validate(), test.code, test.param)
	}
}

func TestFreezeFingerprintCovers(t *testing.T) {
	t.Parallel()
	original := ledger.FreezeRequest{Currency: "USD", Scope: ledger.FreezeDebits, Reason: "r"}
	want := original.Fingerprint()
	made := map[string]bool{"Tenant": true, "CustomerID": true, "By": true} // scope of the key, and who asks
	shape := reflect.TypeFor[ledger.FreezeRequest]()
	for i := range shape.NumField() {
		r := original
		differ(t, reflect.ValueOf(&r).Elem().Field(i))
		name := shape.Field(i).Name
		if changed := r.Fingerprint() != want; changed == made[name] {
			t.Errorf("another %s: got another fingerprint %v, want %v", name, changed, !made[name])
		}
	}
}
