package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func keyScenarios() []scenario {
	return []scenario{
		{"K1 K2 the same request again gets the first answer", keySameRequest},
		{"K2 a replay is the first answer however the wallet has moved", keyReplayAfterMoves},
		{"K3 K4 another request under the key is refused, whatever differs", keyOtherRequest},
		{"K5 the key of another customer, business or mode is another key", keyScope},
		{"K5 another API key of the business repeats the same request", keyOtherAPIKey},
		{"K7 a refusal does not use up its key", keyNotConsumed},
		{"K8 keys are compared byte for byte", keyBytes},
		{"K10 an honest repeat is answered whatever has changed", keyBeforeState},
		{"no key is not a key", keyNone},
		{"old keys are found among many", keyAmongMany},
	}
}

func keySameRequest(w *world) {
	c := w.customer()
	for _, r := range []ledger.PostRequest{
		credit(c, 500, withKey("k1")),
		credit(c, 700, withKey("k2"), in("INR"), of(ledger.Promotional), expires(epoch.Add(time.Hour)), because("r"), reference("x")),
		debit(c, 100, withKey("k3")),
	} {
		first := w.post(r)
		for range 3 {
			w.replay(first, r)
		}
	}
	if got := len(w.history(c).Entries); got != 3 {
		w.Errorf("got %d entries, want 3", got)
	}
}

func keyReplayAfterMoves(w *world) {
	c := w.customer()
	requests := []ledger.PostRequest{
		credit(c, 500, withKey("k1"), expires(epoch.Add(2*time.Minute))),
		debit(c, 120, withKey("k2")),
		credit(c, 40, withKey("k3"), in("INR")),
		debit(c, 300, withKey("k4")),
	}
	var firsts []ledger.Change
	for _, r := range requests {
		firsts = append(firsts, w.post(r))
		w.clock.Move(time.Second)
	}
	for round := range 3 {
		w.clock.Move(time.Minute)
		w.post(credit(c, 1000))
		w.post(debit(c, 950, because(fmt.Sprint(round))))
		w.post(credit(c, 3, in("INR")))
		for i, r := range requests {
			w.replay(firsts[i], r)
		}
	}
}

func keyOtherRequest(w *world) {
	c := w.customer()
	w.post(credit(c, 10_000))
	w.clock.Move(time.Second)
	original := credit(c, 500, withKey("k1"), because("because"), reference("inv_1"), expires(epoch.Add(9*time.Hour)))
	original.Metadata = `{"a":"1"}`
	first := w.post(original)
	w.clock.Move(time.Hour)
	differences := map[string]func(*ledger.PostRequest){
		"amount":     func(r *ledger.PostRequest) { r.Amount = 501 },
		"currency":   func(r *ledger.PostRequest) { r.Currency = "INR" },
		"direction":  func(r *ledger.PostRequest) { r.Direction, r.ExpiresAt = ledger.Debit, time.Time{} },
		"category":   func(r *ledger.PostRequest) { r.Category = ledger.Promotional },
		"expiry":     func(r *ledger.PostRequest) { r.ExpiresAt = r.ExpiresAt.Add(time.Microsecond) },
		"no expiry":  func(r *ledger.PostRequest) { r.ExpiresAt = time.Time{} },
		"reason":     func(r *ledger.PostRequest) { r.Reason = "Because" },
		"no reason":  func(r *ledger.PostRequest) { r.Reason = "" },
		"reference":  func(r *ledger.PostRequest) { r.ReferenceObjectID = "inv_2" },
		"metadata":   func(r *ledger.PostRequest) { r.Metadata = `{"a":"2"}` },
		"everything": func(r *ledger.PostRequest) { *r = debit(c, 1, in("INR"), withKey("k1")) },
		"too much":   func(r *ledger.PostRequest) { *r = debit(c, 999_999, withKey("k1")) },
	}
	for name, differ := range differences {
		r := original
		differ(&r)
		err := w.refuse(ledger.CodeKeyReused, r)
		var ours *ledger.Error
		if !errors.As(err, &ours) || !ours.FirstAt.Equal(first.Entry.CreatedAt) {
			w.Errorf("%s: got error %#v, want it to say when the first was made, %v", name, err, first.Entry.CreatedAt)
		}
	}
	w.replay(first, original)
}

func keyScope(w *world) {
	jane := w.customer()
	live := ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Live}
	second := w.business("Second Shop")
	put := func(tenant ledger.Tenant, id string) ledger.Customer {
		return w.customer(func(c *ledger.Customer) { c.Tenant, c.ID = tenant, id })
	}
	all := []ledger.Customer{jane, w.customer(), put(live, jane.ID), put(second, jane.ID), put(second, w.book.NewID("cus_"))}
	var firsts []ledger.Change
	for i, c := range all {
		// Different amounts: had two of them one key, the second would be refused.
		r := credit(c, 500, withKey("k1"))
		r.Amount += moneyOf(i)
		firsts = append(firsts, w.post(r))
	}
	for i, c := range all {
		r := credit(c, 500, withKey("k1"))
		r.Amount += moneyOf(i)
		w.replay(firsts[i], r)
		if h := w.history(c); len(h.Entries) != 1 || h.Entries[0].Amount != r.Amount {
			w.Errorf("customer %d: got entries %+v, want one of %d", i, h.Entries, r.Amount)
		}
	}
}

func keyOtherAPIKey(w *world) {
	c := w.customer()
	r := credit(c, 500, withKey("k1"))
	first := w.post(r)
	r.CreatedBy = "key_other"
	w.replay(first, r)
}

func keyNotConsumed(w *world) {
	c := w.customer()
	r := debit(c, 100, withKey("charge_1"))
	for range 3 {
		w.refuse(ledger.CodeInsufficientFunds, r)
	}
	w.post(credit(c, 100))
	first := w.post(r)
	w.replay(first, r)

	// Another request may use the key of a refused one.
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 900, withKey("charge_2")))
	first = w.post(credit(c, 1, withKey("charge_2")))
	w.replay(first, credit(c, 1, withKey("charge_2")))
	soon := credit(c, 1, withKey("charge_3"), expires(w.book.Now().Add(time.Second)))
	w.refuse(ledger.CodeInvalidExpiry, soon)
	disabled := credit(c, 1, withKey("charge_3"), in("INR"))
	disabled.CurrencyEnabled = false
	w.refuse(ledger.CodeUnsupportedCurrency, disabled)
	w.post(credit(c, 2, withKey("charge_3")))
}

func keyBytes(w *world) {
	c := w.customer()
	keys := []string{
		"key", "Key", "KEY", "key ", " key", "  key", "ke y", "keyy", "ke", "k\u00e9y", "ke\u0301y", "\u212aey", // Kelvin sign
		"0", "00", "null", "1", "1.0", "0x1", "{}", "'", "''", `"`, "%", "_", "*", "k%", `\`, `\\`, "--", ";", "/", "王", "🙂",
		strings.Repeat("a", 255), strings.Repeat("a", 254), strings.Repeat("a", 254) + "b", strings.Repeat("王", 255),
		strings.Repeat("王", 254) + "明", "\u00a0key", "key\u2003", "\ufeffkey", "\ufffd",
	}
	var firsts []ledger.Change
	for i, key := range keys {
		firsts = append(firsts, w.post(credit(c, moneyOf(i+1), withKey(key))))
	}
	for i, key := range keys {
		r := credit(c, moneyOf(i+1), withKey(key))
		again, err := w.book.Post(w.Context(), r)
		w.wantCode(err, "")
		w.wantReplay(firsts[i], again)
	}
	if got := len(w.history(c).Entries); got != len(keys) {
		w.Errorf("got %d entries, want %d", got, len(keys))
	}
}

func keyBeforeState(w *world) {
	c := w.customer()
	lot := credit(c, 500, withKey("k1"), expires(epoch.Add(5*time.Minute)))
	first := w.post(lot)
	spent := debit(c, 400, withKey("k2"))
	second := w.post(spent)

	w.clock.Move(time.Hour) // the expiry has passed and the funds are gone
	w.replay(first, lot)
	w.replay(second, spent)
	lot.CurrencyEnabled, spent.CurrencyEnabled = false, false
	w.replay(first, lot)
	w.replay(second, spent)
	w.clock.Move(-1000 * time.Hour)
	w.replay(first, lot)

	// A mismatch, too, is said before anything that depends on state.
	other := lot
	other.Amount = 501
	w.refuse(ledger.CodeKeyReused, other)
	w.clock.Move(2000 * time.Hour)
	w.refuse(ledger.CodeKeyReused, other)
	w.refuse(ledger.CodeKeyReused, debit(c, 401, withKey("k2")))
}

func keyNone(w *world) {
	c := w.customer()
	for range 5 {
		w.post(credit(c, 100))
	}
	w.post(debit(c, 100))
	w.post(debit(c, 100))
	if got := len(w.history(c).Entries); got != 7 {
		w.Errorf("got %d entries, want 7", got)
	}
}

func keyAmongMany(w *world) {
	const n = 300
	c, other := w.customer(), w.customer()
	order := func(c ledger.Customer, i int) ledger.PostRequest {
		return credit(c, moneyOf(1+i), withKey(fmt.Sprintf("order-%d", i)))
	}
	var firsts []ledger.Change
	for i := range n {
		firsts = append(firsts, w.post(order(c, i)))
		if i%3 == 0 {
			r := order(other, i)
			r.Amount += 1000
			w.post(r)
		}
	}
	for i := range n {
		again, err := w.book.Post(w.Context(), order(c, i))
		w.wantCode(err, "")
		w.wantReplay(firsts[i], again)
		list := w.entries(c, ledger.EntryFilter{IdempotencyKey: fmt.Sprintf("order-%d", i)}, ledger.Page{Limit: 10})
		w.same("entries by key", []ledger.Entry{firsts[i].Entry}, list.Entries)
	}
	if got := len(w.history(c).Entries); got != n {
		w.Errorf("got %d entries, want %d", got, n)
	}
}
