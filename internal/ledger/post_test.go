package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	type change = func(*ledger.PostRequest)
	debit := func(r *ledger.PostRequest) { r.Direction, r.Category, r.ExpiresAt = ledger.Debit, "", time.Time{} }
	for _, test := range []struct {
		name   string
		change change
		code   ledger.Code
		param  string
	}{
		{"a full credit", func(*ledger.PostRequest) {}, "", ""},
		{"a debit", debit, "", ""},
		{"a bare credit", func(r *ledger.PostRequest) {
			*r = ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 1}
		}, "", ""},
		{"lower-case currency", func(r *ledger.PostRequest) { r.Currency = "usd" }, ledger.CodeUnsupportedCurrency, "currency"},
		{"long currency", func(r *ledger.PostRequest) { r.Currency = money.Currency(strings.Repeat("X", 3000)) }, ledger.CodeUnsupportedCurrency, "currency"},
		{"no direction", func(r *ledger.PostRequest) { r.Direction = "" }, ledger.CodeInvalidEntryType, "entry_type"},
		{"another direction", func(r *ledger.PostRequest) { r.Direction = "Credit" }, ledger.CodeInvalidEntryType, "entry_type"},
		{"amount 0", func(r *ledger.PostRequest) { r.Amount = 0 }, ledger.CodeAmountNotPositive, "amount"},
		{"amount below 0", func(r *ledger.PostRequest) { r.Amount = -1 << 63 }, ledger.CodeAmountNotPositive, "amount"},
		{"largest amount", func(r *ledger.PostRequest) { r.Amount = money.EntryMax }, "", ""},
		{"amount too large", func(r *ledger.PostRequest) { r.Amount = money.EntryMax + 1 }, ledger.CodeAmountTooLarge, "amount"},
		{"category on a debit", func(r *ledger.PostRequest) { debit(r); r.Category = ledger.Paid }, ledger.CodeCategoryOnDebit, "category"},
		{"another category", func(r *ledger.PostRequest) { r.Category = "Paid" }, ledger.CodeInvalidCategory, "category"},
		{"expiry on a debit", func(r *ledger.PostRequest) { debit(r); r.ExpiresAt = noon }, ledger.CodeExpiryOnDebit, "expires_at"},
		{"expiry at the zero of 1970", func(r *ledger.PostRequest) { r.ExpiresAt = time.Unix(0, 0) }, ledger.CodeInvalidExpiry, "expires_at"},
		{"last expiry", func(r *ledger.PostRequest) {
			r.ExpiresAt = time.Date(9999, time.December, 31, 23, 59, 59, 999999000, time.UTC)
		}, "", ""},
		{"expiry in the year 10000", func(r *ledger.PostRequest) {
			r.ExpiresAt = time.Date(10000, time.January, 1, 0, 0, 0, 0, time.UTC)
		}, ledger.CodeInvalidExpiry, "expires_at"},
		{"longest reason", func(r *ledger.PostRequest) { r.Reason = strings.Repeat("王", 1000) }, "", ""},
		{"reason too long", func(r *ledger.PostRequest) { r.Reason = strings.Repeat("a", 1001) }, ledger.CodeInvalidReason, "reason"},
		{"control character in reason", func(r *ledger.PostRequest) { r.Reason = "a\nb" }, ledger.CodeInvalidReason, "reason"},
		{"reason that is not UTF-8", func(r *ledger.PostRequest) { r.Reason = "a\xff" }, ledger.CodeInvalidReason, "reason"},
		{"longest reference", func(r *ledger.PostRequest) { r.ReferenceObjectID = strings.Repeat("é", 255) }, "", ""},
		{"reference too long", func(r *ledger.PostRequest) { r.ReferenceObjectID = strings.Repeat("a", 256) }, ledger.CodeInvalidReference, "reference_object_id"},
		{"control character in reference", func(r *ledger.PostRequest) { r.ReferenceObjectID = "\u0085" }, ledger.CodeInvalidReference, "reference_object_id"},
		{"no key", func(r *ledger.PostRequest) { r.IdempotencyKey = "" }, "", ""},
		{"blank key", func(r *ledger.PostRequest) { r.IdempotencyKey = " " }, ledger.CodeInvalidIdempotencyKey, "idempotency_key"},
		{"currency not enabled", func(r *ledger.PostRequest) { r.CurrencyEnabled = false }, "", ""},
	} {
		r := fullRequest()
		test.change(&r)
		wantRefusal(t, test.name, r.Validate(), test.code, test.param)
	}
}

// wantRefusal checks an error's code, its field to blame, and that it says
// something short to a person.
func wantRefusal(t *testing.T, name string, err error, code ledger.Code, param string) {
	t.Helper()
	if got := ledger.CodeOf(err); got != code {
		t.Errorf("%s: got code %q (error: %v), want %q", name, got, err, code)
		return
	}
	var ours *ledger.Error
	if !errors.As(err, &ours) {
		return
	}
	if ours.Param != param {
		t.Errorf("%s: got param %q, want %q", name, ours.Param, param)
	}
	if ours.Message == "" || len(ours.Message) > 200 {
		t.Errorf("%s: got message %q, want a short one", name, ours.Message)
	}
}

func TestValidateKey(t *testing.T) {
	t.Parallel()
	for key, valid := range map[string]bool{
		"":                       false,
		" ":                      false,
		"\t":                     false,
		"\u00a0\u2003":           false,
		"k":                      true,
		" k ":                    true,
		"0":                      true,
		"k\n":                    false,
		"k\x00":                  false,
		"k\x7f":                  false,
		"k\u0085":                false,
		"k\u009f":                false,
		"k\u00a0":                true,
		"\xff":                   false,
		"k\xc3":                  false,
		"\xed\xa0\x80":           false, // a surrogate in UTF-8's clothes
		"\ufffd":                 true,
		strings.Repeat("王", 255): true,
		strings.Repeat("王", 256): false,
		strings.Repeat("a", 255): true,
		strings.Repeat("a", 256): false,
	} {
		err := ledger.ValidateKey(key)
		want := ledger.CodeInvalidIdempotencyKey
		if valid {
			want = ""
		}
		wantRefusal(t, fmt.Sprintf("key %.20q", key), err, want, "idempotency_key")
	}
}

func FuzzValidateKey(f *testing.F) {
	for _, key := range []string{"", "k", " k", "\x00", "\xff", "\u0085", "\u200b", strings.Repeat("é", 255), strings.Repeat("é", 256)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		want := keyIsValid(key)
		if got := ledger.ValidateKey(key) == nil; got != want {
			t.Errorf("key %q: got valid %v, want %v", key, got, want)
		}
		// The request says the same, except that no key is no mistake.
		r := ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 1, IdempotencyKey: key}
		if got := r.Validate() == nil; got != (want || key == "") {
			t.Errorf("request with key %q: got valid %v, want %v", key, got, want || key == "")
		}
	})
}

// keyIsValid says law K8 once more, rune by rune.
func keyIsValid(key string) bool {
	runes := []rune(key)
	blank := true
	for _, r := range runes {
		switch {
		case r < ' ', r == 0x7f, r >= 0x80 && r <= 0x9f:
			return false
		case !strings.ContainsRune(" \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000", r):
			blank = false
		}
	}
	return !blank && len(runes) <= 255 && string(runes) == key
}

// A snapshot that breaks the storage contract must not become an entry.
func TestPostRefusesLotsThatDoNotCover(t *testing.T) {
	t.Parallel()
	lots := []ledger.Lot{{Seq: 1, Category: ledger.Paid, Remaining: 99}}
	s := ledger.Snapshot{Wallet: ledger.Wallet{Currency: "USD", Balance: 500, Seq: 2, Lots: lots}}
	r := ledger.PostRequest{Currency: "USD", Direction: ledger.Debit, Amount: 100, CurrencyEnabled: true}
	change, err := ledger.Post(s, &r, ledger.Moment{Now: noon})
	wantRefusal(t, "lots of 99 for a debit of 100", err, ledger.CodeInternal, "")
	if diff := cmp.Diff(ledger.Change{}, change); diff != "" {
		t.Errorf("change beside a refusal (-want +got):\n%s", diff)
	}
}

func TestPostFillsTheEntry(t *testing.T) {
	t.Parallel()
	customer := ledger.Customer{Tenant: fullRequest().Tenant, ID: "cus_1", CreatedAt: noon.Add(-time.Hour)}
	s := ledger.Snapshot{
		Customer: customer,
		Chain:    ledger.Chain{Position: 4, Hash: ledger.Hash{7}, LastAt: noon.Add(-time.Minute)},
		Wallet: ledger.Wallet{
			Tenant: customer.Tenant, CustomerID: "cus_1", Currency: "USD", Balance: 100, Seq: 2, CreatedAt: customer.CreatedAt,
			Lots: []ledger.Lot{{Seq: 2, Category: ledger.Paid, Remaining: 100}},
		},
	}
	r := fullRequest()
	got, err := ledger.Post(s, &r, ledger.Moment{Now: noon, Random: 42})
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	want := ledger.Change{
		Entry: ledger.Entry{
			ID: ledger.EntryID(noon, 5, 42), Tenant: customer.Tenant, CustomerID: "cus_1", Currency: "USD", Position: 5, Seq: 3,
			Direction: ledger.Credit, Amount: 500, Before: 100, After: 600, Available: 600,
			EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountPromotion, Category: ledger.Promotional, ExpiresAt: r.ExpiresAt,
			Reason: "reason", ReferenceObjectID: "inv_1", Metadata: `{"a":"1"}`, IdempotencyKey: "key", Fingerprint: r.Fingerprint(),
			CreatedBy: "key_1", CreatedAt: noon,
		},
		Wallet: ledger.Wallet{
			Tenant: customer.Tenant, CustomerID: "cus_1", Currency: "USD", Balance: 600, Seq: 3, CreatedAt: customer.CreatedAt, UpdatedAt: noon,
			Lots: []ledger.Lot{
				{Seq: 3, Category: ledger.Promotional, ExpiresAt: r.ExpiresAt, Remaining: 500},
				{Seq: 2, Category: ledger.Paid, Remaining: 100},
			},
		},
	}
	want.Entry.Hash = want.Entry.ChainHash(ledger.Hash{7})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("change (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got.Wallet, ledger.WalletAfter(customer, got.Entry), cmp.FilterPath(
		func(p cmp.Path) bool { return p.String() == "Lots" }, cmp.Ignore())); diff != "" {
		t.Errorf("wallet after the entry (-posted +recomputed):\n%s", diff)
	}
}
