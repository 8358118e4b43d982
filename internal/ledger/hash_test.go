package ledger_test

import (
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// fullEntry is an entry in which no field is empty.
func fullEntry() ledger.Entry {
	return ledger.Entry{
		ID:                "cwt_0VCcGiCq0000007000009",
		Tenant:            ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test},
		CustomerID:        "cus_1",
		Currency:          "USD",
		Position:          7,
		Seq:               5,
		Direction:         ledger.Debit,
		Amount:            300,
		Before:            1000,
		After:             700,
		Available:         650,
		EventType:         ledger.EventMerchantAdjustment,
		Account:           ledger.AccountMerchant,
		Category:          ledger.Paid,
		ExpiresAt:         time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC),
		Allocations:       []ledger.Allocation{{LotSeq: 1, Amount: 100}, {LotSeq: 3, Amount: 200}},
		Reason:            "reason",
		ReferenceObjectID: "inv_1",
		Metadata:          `{"a":"1"}`,
		IdempotencyKey:    "key",
		Fingerprint:       ledger.Fingerprint{1, 2, 3},
		CreatedBy:         "key_1",
		CreatedAt:         time.Date(2026, time.March, 1, 12, 0, 0, 123456000, time.UTC),
	}
}

// The encoding is for ever: verify recomputes hashes of entries that are years
// old. The values were computed from the description of the encoding by another
// program in another language. When they have to change, chainDomain must
// change with them.
func TestChainHashGolden(t *testing.T) {
	t.Parallel()
	full := fullEntry()
	hash := full.ChainHash(ledger.Hash{9, 8, 7})
	const want = "50baafa6bd8ea1cf3501c4f0b55d902642a4f5b7a757c7c8dd9fa4193381e26e"
	if got := hex.EncodeToString(hash[:]); got != want {
		t.Errorf("full entry: got hash %s, want %s", got, want)
	}
	hash = (&ledger.Entry{}).ChainHash(ledger.Hash{})
	const wantEmpty = "69fa607562969a81cda80254bf4bc9a4be8999a8d926e2b278bdc8fecd1c85c7"
	if got := hex.EncodeToString(hash[:]); got != wantEmpty {
		t.Errorf("empty entry: got hash %s, want %s", got, wantEmpty)
	}
}

// differ changes one field of a struct to something else.
func differ(t *testing.T, field reflect.Value) {
	t.Helper()
	switch value := field.Interface().(type) {
	case time.Time:
		field.Set(reflect.ValueOf(value.Add(time.Microsecond)))
		return
	case []ledger.Allocation:
		field.Set(reflect.ValueOf(value[:1]))
		return
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(field.String() + "x")
	case reflect.Int64:
		field.SetInt(field.Int() + 1)
	case reflect.Array:
		field.Index(field.Len() - 1).SetUint(99)
	case reflect.Pointer:
		field.Set(reflect.New(field.Type().Elem()))
	case reflect.Struct:
		differ(t, field.Field(0))
	case reflect.Bool:
		field.SetBool(!field.Bool())
	default:
		t.Fatalf("no idea how to change a %s", field.Type())
	}
}

func TestChainHashCoversEveryField(t *testing.T) {
	t.Parallel()
	original := fullEntry()
	want := original.ChainHash(ledger.Hash{})
	shape := reflect.TypeFor[ledger.Entry]()
	for i := range shape.NumField() {
		entry := fullEntry()
		differ(t, reflect.ValueOf(&entry).Elem().Field(i))
		changed := entry.ChainHash(ledger.Hash{}) != want
		if covered := shape.Field(i).Name != "Hash"; changed != covered {
			t.Errorf("another %s: got another hash %v, want %v", shape.Field(i).Name, changed, covered)
		}
	}
	more := map[string]func(e *ledger.Entry){
		"mode":                  func(e *ledger.Entry) { e.Tenant.Mode = ledger.Live },
		"allocation's lot":      func(e *ledger.Entry) { e.Allocations[1].LotSeq++ },
		"allocation's amount":   func(e *ledger.Entry) { e.Allocations[1].Amount++ },
		"order of allocations":  func(e *ledger.Entry) { e.Allocations[0], e.Allocations[1] = e.Allocations[1], e.Allocations[0] },
		"no expiry":             func(e *ledger.Entry) { e.ExpiresAt = time.Time{} },
		"text moved over":       func(e *ledger.Entry) { e.Reason, e.ReferenceObjectID = e.Reason+"i", e.ReferenceObjectID[1:] },
		"texts exchanged":       func(e *ledger.Entry) { e.Reason, e.ReferenceObjectID = e.ReferenceObjectID, e.Reason },
		"business and customer": func(e *ledger.Entry) { e.Tenant.BusinessID, e.CustomerID = "bus_1test", "cus_1" },
	}
	for name, change := range more {
		entry := fullEntry()
		change(&entry)
		if entry.ChainHash(ledger.Hash{}) == want {
			t.Errorf("%s: got the same hash, want another", name)
		}
	}
	if original.ChainHash(ledger.Hash{0, 1}) == want {
		t.Error("another hash before: got the same hash, want another")
	}
	zoned := fullEntry()
	zoned.CreatedAt = zoned.CreatedAt.In(time.FixedZone("east", 3600))
	if zoned.ChainHash(ledger.Hash{}) != want {
		t.Error("the same instant in another zone: got another hash, want the same")
	}
}

func fullRequest() ledger.PostRequest {
	return ledger.PostRequest{
		Tenant:            ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test},
		CustomerID:        "cus_1",
		Currency:          "USD",
		Direction:         ledger.Credit,
		Amount:            500,
		Category:          ledger.Promotional,
		ExpiresAt:         time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC),
		Reason:            "reason",
		ReferenceObjectID: "inv_1",
		Metadata:          `{"a":"1"}`,
		IdempotencyKey:    "key",
		CreatedBy:         "key_1",
		CurrencyEnabled:   true,
	}
}

// The fingerprint covers what the request says, and neither the key, nor who
// asks, nor what the server knows (laws K4 and K5). The tenant and the customer
// are the key's scope. A new field must be put on one side or the other.
func TestFingerprintCovers(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{
		"Tenant": false, "CustomerID": false, "Currency": true, "Direction": true, "Amount": true, "Category": true,
		"ExpiresAt": true, "AllowPartial": true, "Conditions": false, "Reason": true, "ReferenceObjectID": true, "Metadata": true,
		"IdempotencyKey": false, "CreatedBy": false, "CurrencyEnabled": false, "DefaultAlerts": false, "Purpose": true,
	}
	original := fullRequest()
	want := original.Fingerprint()
	shape := reflect.TypeFor[ledger.PostRequest]()
	for i := range shape.NumField() {
		r := fullRequest()
		differ(t, reflect.ValueOf(&r).Elem().Field(i))
		name := shape.Field(i).Name
		covers, known := covered[name]
		if changed := r.Fingerprint() != want; !known || changed != covers {
			t.Errorf("another %s: got another fingerprint %v, want %v (known: %v)", name, changed, covers, known)
		}
	}
	moved := fullRequest()
	moved.Reason, moved.ReferenceObjectID = "reasoni", "nv_1"
	if moved.Fingerprint() == want {
		t.Error("text moved from one field to the next: got the same fingerprint, want another")
	}
	zoned := fullRequest()
	zoned.ExpiresAt = zoned.ExpiresAt.In(time.FixedZone("east", 3600))
	if zoned.Fingerprint() != want {
		t.Error("the same instant in another zone: got another fingerprint, want the same")
	}
}

func TestFingerprintOfDefaults(t *testing.T) {
	t.Parallel()
	plain := ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 5}
	said := ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 5, Category: ledger.Paid, Metadata: "{}"}
	if plain.Fingerprint() != said.Fingerprint() {
		t.Error("defaults said aloud: got another fingerprint, want the same")
	}
	print := said.Fingerprint()
	const want = "50085898e530a42c4189dc29bf64db68"
	if got := hex.EncodeToString(print[:]); got != want {
		t.Errorf("got fingerprint %s, want %s", got, want)
	}
}
