package ledger_test

import (
	"encoding/hex"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// fullLine is a line of an audit trail in which no field is empty.
func fullLine() ledger.AuditEntry {
	return ledger.AuditEntry{
		ID:         "aud_0VCcGiCq0000007000009",
		Tenant:     ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test},
		CustomerID: "cus_1",
		Position:   7,
		Action:     ledger.AuditFreeze,
		By:         ledger.Actor{KeyID: "key_1", Address: "192.0.2.1"},
		Before:     `{"freezes":[]}`,
		After:      `{"freezes":[1]}`,
		Reason:     "Zoë's case",
		CreatedAt:  time.Date(2026, time.March, 1, 12, 0, 0, 123456000, time.UTC),
	}
}

// As with entries, the values were computed from the description of the encoding
// by another program in another language.
func TestAuditHashGolden(t *testing.T) {
	t.Parallel()
	full := fullLine()
	hash := full.ChainHash(ledger.Hash{9, 8, 7})
	const want = "880587f68eb05c0f5f4054148705b4d51bbf5e9315511764413a96f243e8efdb"
	if got := hex.EncodeToString(hash[:]); got != want {
		t.Errorf("full line: got hash %s, want %s", got, want)
	}
	hash = (&ledger.AuditEntry{}).ChainHash(ledger.Hash{})
	const wantEmpty = "b528b1da83e0f735b419292fe049256704cc90028f9543aaf31c891d7453a6ae"
	if got := hex.EncodeToString(hash[:]); got != wantEmpty {
		t.Errorf("empty line: got hash %s, want %s", got, wantEmpty)
	}
}

func TestAuditHashCoversEveryField(t *testing.T) {
	t.Parallel()
	original := fullLine()
	want := original.ChainHash(ledger.Hash{})
	shape := reflect.TypeFor[ledger.AuditEntry]()
	for i := range shape.NumField() {
		line := fullLine()
		differ(t, reflect.ValueOf(&line).Elem().Field(i))
		changed := line.ChainHash(ledger.Hash{}) != want
		if covered := shape.Field(i).Name != "Hash"; changed != covered {
			t.Errorf("another %s: got another hash %v, want %v", shape.Field(i).Name, changed, covered)
		}
	}
	for name, change := range map[string]func(e *ledger.AuditEntry){
		"mode":            func(e *ledger.AuditEntry) { e.Tenant.Mode = ledger.Live },
		"address":         func(e *ledger.AuditEntry) { e.By.Address = "" },
		"text moved over": func(e *ledger.AuditEntry) { e.Before, e.After = e.Before+"{", e.After[1:] },
	} {
		line := fullLine()
		change(&line)
		if line.ChainHash(ledger.Hash{}) == want {
			t.Errorf("%s: got the same hash, want another", name)
		}
	}
	if original.ChainHash(ledger.Hash{0, 1}) == want {
		t.Error("another hash before: got the same hash, want another")
	}
}

// Whatever a caller may set of a customer is told of when it changes, as JSON
// that says it again, and what does not change is not.
func TestAmendTellsOfEachField(t *testing.T) {
	t.Parallel()
	before := ledger.Customer{
		Email: "a@example.com", Name: `A "B" \ <C> &`, PhoneNumber: "", Metadata: `{"a":"1"}`,
		CreatedAt: time.Unix(1, 0).UTC(), UpdatedAt: time.Unix(5, 0).UTC(),
	}
	for name, field := range map[string]struct {
		set  func(c *ledger.Customer)
		want any
	}{
		"email":        {func(c *ledger.Customer) { c.Email = "zoë@example.com" }, "zoë@example.com"},
		"name":         {func(c *ledger.Customer) { c.Name = "\u2028 \\\" 王" }, "\u2028 \\\" 王"},
		"phone_number": {func(c *ledger.Customer) { c.PhoneNumber = "+14155552671" }, "+14155552671"},
		"metadata":     {func(c *ledger.Customer) { c.Metadata = `{}` }, map[string]any{}},
	} {
		change := ledger.Amend(before, ledger.Actor{KeyID: "key_1"}, func(c ledger.Customer) ledger.Customer {
			field.set(&c)
			return c
		}, ledger.Moment{Now: time.Unix(9, 0).UTC()})
		if change.Audit == nil {
			t.Errorf("%s: got no line, want one", name)
			continue
		}
		var was, is map[string]any
		if err := json.Unmarshal([]byte(change.Audit.Before), &was); err != nil || len(was) != 1 {
			t.Errorf("%s: got before %s, error %v", name, change.Audit.Before, err)
		}
		if err := json.Unmarshal([]byte(change.Audit.After), &is); err != nil || len(is) != 1 ||
			!reflect.DeepEqual(is[name], field.want) {
			t.Errorf("%s: got after %s, error %v; want %v", name, change.Audit.After, err, field.want)
		}
		if !change.Customer.UpdatedAt.Equal(time.Unix(9, 0)) || change.Customer.Audit.Position != 1 {
			t.Errorf("%s: got customer %+v, want it changed now", name, change.Customer)
		}
	}
	same := ledger.Amend(before, ledger.Actor{}, func(c ledger.Customer) ledger.Customer { return c },
		ledger.Moment{Now: time.Unix(9, 0).UTC()})
	if same.Audit != nil || same.Customer != before {
		t.Errorf("nothing changed: got %+v, want the customer as it was and no line", same)
	}
}
