package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func freezeScenarios() []scenario {
	return []scenario{
		{"a freeze of debits lets credits through, one of everything does not", freezeByScope},
		{"a frozen wallet leaves the others alone, and need not have entries", freezeWallet},
		{"unfreezing lifts the freeze of the same wallet and no other", freezeLifted},
		{"what is frozen in the same scope stays as it is", freezeAgain},
		{"K10 a repeat gets its first answer although frozen since", freezeAfterKey},
		{"L4 what has expired is written off in a frozen wallet", freezeAndExpiry},
		{"one key freezes once, whatever came between", freezeOnce},
		{"N5 the trail tells of each change, in pages of any size", auditTrail},
		{"N5 a refused change leaves no line", auditOfRefusal},
		{"N5 time does not go back in the trail", auditClock},
		{"R1 no debit that begins after a freeze was acknowledged is accepted", freezeRace},
		{"N5 freezes, renames and entries of one customer at once leave one chain", auditRace},
	}
}

func freezing(c ledger.Customer, currency money.Currency, scope ledger.FreezeScope) ledger.FreezeRequest {
	return ledger.FreezeRequest{
		Tenant: c.Tenant, CustomerID: c.ID, Currency: currency, Scope: scope, Reason: "Chargebacks",
		By: ledger.Actor{KeyID: "key_support", Address: "192.0.2.7"},
	}
}

func lifting(c ledger.Customer, currency money.Currency) ledger.FreezeRequest {
	r := freezing(c, currency, "")
	r.Lift, r.Reason = true, "Cleared"
	return r
}

// freeze carries out a request that must be accepted.
func (w *world) freeze(r ledger.FreezeRequest) ledger.Customer {
	w.Helper()
	c, first, err := w.book.Freeze(w.Context(), r, nil)
	if err != nil || first != nil {
		w.Fatalf("freeze %+v: got answer %q and error %v, want neither", r, first, err)
	}
	return c
}

func freezeByScope(w *world) {
	c := w.customer()
	w.post(credit(c, 500))
	w.freeze(freezing(c, "", ledger.FreezeDebits))
	w.refuse(ledger.CodeCustomerNotActive, debit(c, 1))
	w.refuse(ledger.CodeCustomerNotActive, debit(c, 501))
	w.refuse(ledger.CodeCustomerNotActive, debit(c, 1, in("INR")))
	w.post(credit(c, 20))
	frozen := w.freeze(freezing(c, "", ledger.FreezeEverything))
	w.refuse(ledger.CodeCustomerNotActive, debit(c, 1))
	w.refuse(ledger.CodeCustomerNotActive, credit(c, 1))
	w.refuse(ledger.CodeCustomerNotActive, credit(c, 1, in("INR")))
	if whole, some := frozen.Freezes.Whole(); !some || whole.Scope != ledger.FreezeEverything || whole.Reason != "Chargebacks" {
		w.Errorf("got freeze %+v of the customer, want the second", whole)
	}
	w.freeze(lifting(c, ""))
	w.post(debit(c, 520))
}

func freezeWallet(w *world) {
	c := w.customer()
	w.post(credit(c, 500))
	w.freeze(freezing(c, "INR", ledger.FreezeEverything))
	w.post(debit(c, 1))
	w.refuse(ledger.CodeCustomerNotActive, credit(c, 5, in("INR")))
	frozen := w.freeze(freezing(c, "USD", ledger.FreezeDebits))
	w.refuse(ledger.CodeCustomerNotActive, debit(c, 1))
	w.post(credit(c, 1))
	w.post(credit(c, 5, in("EUR")))
	if _, some := frozen.Freezes.Whole(); some {
		w.Errorf("got the whole customer frozen by %q, want two wallets", frozen.Freezes)
	}
	other := w.customer()
	w.post(credit(other, 5, in("INR")))
}

func freezeLifted(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	w.freeze(freezing(c, "", ledger.FreezeDebits))
	w.freeze(freezing(c, "USD", ledger.FreezeEverything))
	w.freeze(lifting(c, ""))
	w.refuse(ledger.CodeCustomerNotActive, credit(c, 1))
	w.post(credit(c, 1, in("INR")))
	w.post(debit(c, 1, in("INR")))
	w.unchanged(func() { w.freeze(lifting(c, "")) }, c)
	w.unchanged(func() { w.freeze(lifting(c, "INR")) }, c)
	if free := w.freeze(lifting(c, "USD")); free.Freezes != "" {
		w.Errorf("got freezes %q, want none left", free.Freezes)
	}
	w.post(debit(c, 100))
}

func freezeAgain(w *world) {
	c := w.customer()
	first := w.freeze(freezing(c, "USD", ledger.FreezeDebits))
	w.clock.Move(time.Hour)
	w.unchanged(func() {
		again := freezing(c, "USD", ledger.FreezeDebits)
		again.Reason = "Another"
		w.same("customer", first, w.freeze(again))
	}, c)
	second := w.freeze(freezing(c, "USD", ledger.FreezeEverything))
	if list, _ := second.Freezes.List(); len(list) != 1 || !list[0].At.Equal(w.clock.Now().Truncate(time.Microsecond)) {
		w.Errorf("got freezes %+v, want one in the new scope, from now", list)
	}
}

func freezeAfterKey(w *world) {
	c := w.customer()
	first := w.post(credit(c, 500, withKey("k1")))
	second := w.post(debit(c, 200, withKey("k2")))
	w.freeze(freezing(c, "", ledger.FreezeEverything))
	w.replay(first, credit(c, 500, withKey("k1")))
	w.replay(second, debit(c, 200, withKey("k2")))
	w.refuse(ledger.CodeKeyReused, debit(c, 201, withKey("k2")))
	w.refuse(ledger.CodeCustomerNotActive, debit(c, 200, withKey("k3")))
	w.freeze(lifting(c, ""))
	w.post(debit(c, 200, withKey("k3"))) // the refusal has not used the key up
}

func freezeAndExpiry(w *world) {
	c := w.customer()
	w.post(credit(c, 500, expires(w.clock.Now().Add(time.Hour))))
	w.freeze(freezing(c, "", ledger.FreezeEverything))
	w.clock.Move(time.Hour)
	n, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 10)
	if n != 1 || err != nil {
		w.Errorf("sweep a frozen wallet: got %d entries and error %v, want 1", n, err)
	}
	if h := w.history(c); h.Wallets[0].Balance != 0 {
		w.Errorf("got balance %d after the sweep, want 0", h.Wallets[0].Balance)
	}
}

func freezeOnce(w *world) {
	c := w.customer()
	once := w.onceOf("k1", func(o *ledger.Once) { o.Route = "freeze " + c.ID })
	_, first, err := w.book.Freeze(w.Context(), freezing(c, "", ledger.FreezeDebits), once)
	if err != nil || first != nil {
		w.Fatalf("freeze under a key: got answer %q and error %v, want neither", first, err)
	}
	w.freeze(lifting(c, ""))
	w.unchanged(func() {
		_, first, err := w.book.Freeze(w.Context(), freezing(c, "", ledger.FreezeDebits), once)
		w.wantCode(err, "")
		w.wantAnswer("answer for "+c.ID+" named "+c.Name, first)
	}, c)
}

func auditTrail(w *world) {
	c := w.customer()
	w.same("trail of a new customer", 0, len(w.history(c).Audit))
	w.clock.Move(time.Second)
	at := w.book.Now()
	freeze := freezing(c, "INR", ledger.FreezeDebits)
	freeze.Reason = `Zoë's "case" 7\8 ✓`
	w.freeze(freeze)
	w.clock.Move(time.Minute)
	rename := func(name, phone string) {
		_, _, err := w.book.UpdateCustomer(w.Context(), w.shop, c.ID, ledger.Actor{KeyID: "key_other"},
			func(c ledger.Customer) ledger.Customer {
				c.Name, c.PhoneNumber = name, phone
				return c
			}, nil)
		w.wantCode(err, "")
	}
	rename("Jane", "+4915112345678")
	rename("Jane", "+4915112345678") // changes nothing
	w.freeze(freezing(c, "", ledger.FreezeEverything))
	for range 5 {
		w.freeze(lifting(c, ""))
		w.freeze(freezing(c, "", ledger.FreezeEverything))
	}
	trail := w.history(c).Audit
	if len(trail) != 13 {
		w.Fatalf("got %d lines, want 13", len(trail))
	}
	first, second := trail[0], trail[1]
	if first.Position != 1 || first.Action != ledger.AuditFreeze || first.By != freeze.By ||
		first.Reason != freeze.Reason || !first.CreatedAt.Equal(at) || first.CreatedAt.Location() != time.UTC ||
		first.CustomerID != c.ID || first.Tenant != w.shop {
		w.Errorf("got %+v as the first line, want the freeze", first)
	}
	want := fmt.Sprintf(`{"freezes":[{"audit_entry_id":"%s","currency":"INR","frozen_at":"2026-03-01T12:00:01.123457Z",`+
		`"reason":"Zoë's \"case\" 7\\8 ✓","scope":"debits"}]}`, first.ID)
	w.same("before", `{"freezes":[]}`, first.Before)
	w.same("after", want, first.After)
	w.same("before a rename", `{"name":"`+c.Name+`","phone_number":""}`, second.Before)
	w.same("after a rename", `{"name":"Jane","phone_number":"+4915112345678"}`, second.After)
	if second.By != (ledger.Actor{KeyID: "key_other"}) || second.Action != ledger.AuditUpdate || second.Reason != "" {
		w.Errorf("got %+v as the second line, want the rename", second)
	}
	for _, limit := range []int{1, 4, 13, 200} {
		var got []ledger.AuditEntry
		for page := (ledger.AuditPage{Limit: limit}); ; {
			list, err := w.ledger.Audit(w.Context(), w.shop, c.ID, page)
			w.wantCode(err, "")
			got = append(list.Entries[:len(list.Entries):len(list.Entries)], got...)
			if len(list.Entries) > limit {
				w.Fatalf("got a page of %d lines, want at most %d", len(list.Entries), limit)
			}
			if page.Before = list.Next; page.Before == 0 {
				break
			}
		}
		w.same("number of lines by cursor", len(trail), len(got))
	}
	list, err := w.ledger.Audit(w.Context(), w.shop, c.ID, ledger.AuditPage{Limit: 4, Before: 3})
	w.wantCode(err, "")
	w.same("the end of the trail", ledger.AuditList{Entries: []ledger.AuditEntry{second, first}}, list)
}

func auditOfRefusal(w *world) {
	c := w.customer()
	w.freeze(freezing(c, "", ledger.FreezeDebits))
	refusal := ledger.Errorf(ledger.CodeLimitReached, "no")
	w.unchanged(func() {
		_, _, err := w.ledger.UpdateCustomer(w.Context(), w.shop, c.ID,
			func(c ledger.Customer) (ledger.CustomerChange, error) {
				r := lifting(c, "")
				change, err := ledger.DecideFreeze(c, &r, ledger.Moment{Now: w.book.Now()})
				if err != nil {
					return change, err
				}
				return change, refusal
			}, nil)
		w.wantCode(err, ledger.CodeLimitReached)
	}, c)
	w.refuse(ledger.CodeCustomerNotActive, debit(c, 1))
}

func auditClock(w *world) {
	c := w.customer()
	w.freeze(freezing(c, "", ledger.FreezeDebits))
	w.clock.Move(-time.Hour)
	w.freeze(lifting(c, ""))
	trail := w.history(c).Audit
	if len(trail) != 2 || !trail[1].CreatedAt.Equal(trail[0].CreatedAt) {
		w.Errorf("got lines %+v, want the second at the time of the first", trail)
	}
}

// freezeRace has debits run all the time. Each looks before it begins whether a
// freeze is acknowledged; if one is, it must be refused.
func freezeRace(w *world) {
	const hands = 16
	c := w.customer()
	w.post(credit(c, 1_000_000))
	for range 5 {
		var frozen, done atomic.Bool
		var before, after, accepted atomic.Int64
		together(hands+1, func(hand int) {
			if hand == hands {
				for before.Load() < 3*hands {
					time.Sleep(time.Millisecond)
				}
				if _, _, err := w.book.Freeze(w.Context(), freezing(c, "", ledger.FreezeDebits), nil); err != nil {
					w.Errorf("freeze: got error %v, want none", err)
				}
				frozen.Store(true)
				for after.Load() < 3*hands {
					time.Sleep(time.Millisecond)
				}
				done.Store(true)
				return
			}
			for !done.Load() {
				began := frozen.Load()
				_, err := w.book.Post(w.Context(), debit(c, 1))
				switch {
				case err == nil && began:
					w.Errorf("a debit that began after the freeze was acknowledged was accepted")
				case err == nil:
					accepted.Add(1)
				case ledger.CodeOf(err) != ledger.CodeCustomerNotActive:
					w.Errorf("debit: got error %v, want none or %s", err, ledger.CodeCustomerNotActive)
				}
				before.Add(1)
				if began {
					after.Add(1)
				}
				if w.Failed() {
					done.Store(true)
					before.Add(3 * hands)
					after.Add(3 * hands)
				}
			}
		})
		w.freeze(lifting(c, ""))
		if accepted.Load() == 0 {
			w.Errorf("no debit was accepted before the freeze, so nothing raced with it")
		}
	}
	w.history(c)
}

func auditRace(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	var renamed atomic.Int64
	together(60, func(i int) {
		var err error
		switch i % 4 {
		case 0:
			_, _, err = w.book.Freeze(w.Context(), freezing(c, "INR", ledger.FreezeDebits), nil)
		case 1:
			_, _, err = w.book.Freeze(w.Context(), lifting(c, "INR"), nil)
		case 2:
			_, _, err = w.book.UpdateCustomer(w.Context(), c.Tenant, c.ID, ledger.Actor{KeyID: "key_a"},
				func(c ledger.Customer) ledger.Customer {
					c.Name += "x"
					return c
				}, nil)
			renamed.Add(1)
		default:
			_, err = w.book.Post(w.Context(), debit(c, 1))
		}
		if err != nil {
			w.Errorf("command %d: got error %v, want none", i, err)
		}
	})
	names := int64(0)
	for _, line := range w.history(c).Audit {
		if line.Action == ledger.AuditUpdate {
			names++
		}
	}
	if names != renamed.Load() {
		w.Errorf("got %d lines of renames, want %d", names, renamed.Load())
	}
}
