package ledger_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func fullObject() ledger.Object {
	at := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	return ledger.Object{
		Tenant: ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}, CustomerID: "cus_1",
		ObjectKey: ledger.ObjectKey{Kind: "invoice", ID: "inv_1"}, Number: 3, Version: 4, State: "open", DueAt: at,
		Data: `{}`, CreatedAt: at, UpdatedAt: at,
	}
}

// The digest covers what is in an object, and the chain covers the event with the
// digest and the rest: whose it is, its number, its version and its time.
func TestObjectHashesCoverEveryField(t *testing.T) {
	t.Parallel()
	original := fullObject()
	shape := reflect.TypeFor[ledger.Object]()
	elsewhere := map[string]bool{"Tenant": true, "Clock": true, "CustomerID": true, "Number": true, "Version": true, "UpdatedAt": true}
	for i := range shape.NumField() {
		object, name := fullObject(), shape.Field(i).Name
		differ(t, reflect.ValueOf(&object).Elem().Field(i))
		if changed := object.Digest() != original.Digest(); changed == elsewhere[name] {
			t.Errorf("another %s: got another digest %v, want %v", name, changed, !elsewhere[name])
		}
	}
	event := func() ledger.ObjectEvent {
		return ledger.ObjectEvent{
			Number: 5, Object: 3, Version: 4, Position: 7, Kind: "payment.succeeded", Data: `{}`, CreatedAt: original.CreatedAt,
			Digest: original.Digest(),
		}
	}
	hash := func(e ledger.ObjectEvent, o ledger.Object, previous ledger.Hash) ledger.Hash {
		return e.ChainHash(o.Tenant, o.CustomerID, previous)
	}
	want := hash(event(), original, ledger.Hash{})
	shape = reflect.TypeFor[ledger.ObjectEvent]()
	for i := range shape.NumField() {
		e, name := event(), shape.Field(i).Name
		differ(t, reflect.ValueOf(&e).Elem().Field(i))
		if changed := hash(e, original, ledger.Hash{}) != want; changed == (name == "Hash") {
			t.Errorf("another %s: got another hash %v, want %v", name, changed, name != "Hash")
		}
	}
	for name, change := range map[string]func(o *ledger.Object){
		"business": func(o *ledger.Object) { o.Tenant.BusinessID = "bus_2" },
		"mode":     func(o *ledger.Object) { o.Tenant.Mode = ledger.Live },
		"customer": func(o *ledger.Object) { o.CustomerID = "cus_2" },
	} {
		other := fullObject()
		change(&other)
		if hash(event(), other, ledger.Hash{}) == want {
			t.Errorf("another %s: got the same hash, want another", name)
		}
	}
	if hash(event(), original, ledger.Hash{1}) == want {
		t.Error("another hash before: got the same hash, want another")
	}
}

// Events never go back in time, whatever the clocks do, and an object keeps the time
// at which it was made.
func TestObjectsWhileClocksGoBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	s := ledger.Snapshot{Chain: ledger.Chain{LastAt: now}}
	var change ledger.Change
	for n, back := range []time.Duration{time.Hour, -time.Hour, 2 * time.Hour} {
		next := ledger.Object{ObjectKey: ledger.ObjectKey{Kind: "invoice", ID: "inv_1"}}
		if err := change.Put(&s, next, "", "", now.Add(-back)); err != nil {
			t.Fatal(err)
		}
		got, want := change.Objects[n], now
		if n > 0 {
			want = now.Add(time.Hour)
		}
		if !got.Event.CreatedAt.Equal(want) || !got.Object.UpdatedAt.Equal(want) || !got.Object.CreatedAt.Equal(now) {
			t.Errorf("event %d: got made at %v, object of %v at %v, want %v and an object of %v", n, got.Event.CreatedAt,
				got.Object.CreatedAt, got.Object.UpdatedAt, want, now)
		}
	}
}

// An object holds so much and no more, and so does what is told of it; a change is about
// so many objects.
func TestObjectsAreBounded(t *testing.T) {
	t.Parallel()
	var s ledger.Snapshot
	var change ledger.Change
	at := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	put := func(id string, data, told int) ledger.Code {
		next := ledger.Object{ObjectKey: ledger.ObjectKey{Kind: "invoice", ID: id}, Data: strings.Repeat("x", data)}
		return ledger.CodeOf(change.Put(&s, next, "", strings.Repeat("x", told), at))
	}
	for _, size := range [][2]int{{ledger.ObjectDataMax + 1, 0}, {0, ledger.ObjectDataMax + 1}} {
		if code := put("inv_1", size[0], size[1]); code != ledger.CodeLimitReached || len(change.Objects) > 0 {
			t.Errorf("%v bytes: got %q and %d objects, want %s", size, code, len(change.Objects), ledger.CodeLimitReached)
		}
	}
	for n := range ledger.ObjectsMax {
		if code := put(fmt.Sprint(n), ledger.ObjectDataMax, ledger.ObjectDataMax); code != "" {
			t.Errorf("object %d: got %s, want it put", n, code)
		}
	}
	if code := put("one more", 0, 0); code != ledger.CodeLimitReached {
		t.Errorf("one object more: got %q, want %s", code, ledger.CodeLimitReached)
	}
	if code := put("0", 0, 0); code != "" {
		t.Errorf("one of them again: got %s, want it put", code)
	}
}
