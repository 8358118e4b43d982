package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// holdCall is a request about a hold. One of the three is set.
type holdCall struct {
	make    *ledger.HoldRequest
	capture *ledger.CaptureRequest
	release *ledger.ReleaseRequest
}

// names are whom the call is about, and its key.
func (c holdCall) names() (tenant ledger.Tenant, customerID, holdID, key string) {
	switch {
	case c.make != nil:
		return c.make.Tenant, c.make.CustomerID, "", c.make.IdempotencyKey
	case c.capture != nil:
		return c.capture.Tenant, c.capture.CustomerID, c.capture.HoldID, c.capture.IdempotencyKey
	}
	return c.release.Tenant, c.release.CustomerID, c.release.HoldID, c.release.IdempotencyKey
}

func (c holdCall) send(m *machine, s side) (ledger.Change, error) {
	ctx := m.complaints.Context()
	switch {
	case c.make != nil:
		return s.book.MakeHold(ctx, *c.make)
	case c.capture != nil:
		return s.book.Capture(ctx, *c.capture)
	}
	return s.book.Release(ctx, *c.release)
}

// kind is what an accepted call does to its hold.
func (c holdCall) kind() ledger.HoldEventKind {
	switch {
	case c.make != nil:
		return ledger.HoldMade
	case c.capture != nil:
		return ledger.HoldWasCaptured
	}
	return ledger.HoldWasReleased
}

// altered is the call under the same key, asking for something else.
func (c holdCall) altered(other string) holdCall {
	switch {
	case c.make != nil:
		r := *c.make
		r.AllowPartial = !r.AllowPartial
		c.make = &r
	case c.capture != nil:
		r := *c.capture
		r.Final = !r.Final
		c.capture = &r
	default:
		r := *c.release
		r.HoldID = other
		c.release = &r
	}
	return c
}

var keysOfHolds = []string{"", "", "", "", "k1", "h1", "h2", "h3"}

// makeHold promises money: often about what there is, and until a time that is
// mostly allowed. Now and then it sends a request that was sent before.
func (m *machine) makeHold(rt *rapid.T) {
	if m.holdAgain(rt) {
		return
	}
	c := m.drawCustomer(rt)
	h := m.readModel(rt, c.Tenant, c.ID)
	r := holdOf(c, 0, time.Time{})
	r.Currency = rapid.SampledFrom([]money.Currency{"USD", "USD", "INR"}).Draw(rt, "currency")
	wallet, now := walletOf(h, r.Currency, m.clock.Now())
	r.Amount = money.Amount(rapid.Int64Range(1, 100).Draw(rt, "amount"))
	if rapid.IntRange(0, 2).Draw(rt, "about all") == 0 {
		beside := money.Amount(rapid.SampledFrom([]int64{-1, 0, 1}).Draw(rt, "beside"))
		r.Amount = min(max(wallet.spendable(now)+beside, 1), money.EntryMax+1)
	}
	year := now.AddDate(1, 0, 0).Sub(now)
	r.ExpiresAt = now.Add(rapid.SampledFrom([]time.Duration{
		time.Microsecond, time.Minute, time.Minute, time.Hour, time.Hour, 24 * time.Hour, year, year + time.Microsecond, 0, -time.Hour,
	}).Draw(rt, "expires ahead"))
	r.AllowPartial = rapid.IntRange(0, 2).Draw(rt, "partial") == 0
	if rapid.IntRange(0, 5).Draw(rt, "conditions") == 0 {
		asked := ledger.PostRequest{Tenant: c.Tenant, CustomerID: c.ID, Currency: r.Currency}
		m.drawConditions(rt, &asked)
		r.Conditions = asked.Conditions
	}
	r.IdempotencyKey = rapid.SampledFrom(keysOfHolds).Draw(rt, "key")
	r.Reason = rapid.SampledFrom([]string{"", "", "Zoë's ✓"}).Draw(rt, "reason")
	r.ReferenceObjectID = rapid.SampledFrom([]string{"", "ride_1"}).Draw(rt, "reference")
	r.CurrencyEnabled, r.DefaultAlerts = rapid.IntRange(0, 19).Draw(rt, "enabled") > 0, m.defaults
	m.sendHold(rt, h, holdCall{make: &r})
}

// capture spends of a hold, mostly no more than it has left.
func (m *machine) capture(rt *rapid.T) {
	if m.holdAgain(rt) {
		return
	}
	h, hold, ok := m.drawHold(rt)
	if !ok {
		m.makeHold(rt)
		return
	}
	r := ledger.CaptureRequest{Tenant: h.Customer.Tenant, CustomerID: h.Customer.ID, HoldID: hold.ID, CreatedBy: "key_test"}
	if rapid.IntRange(0, 3).Draw(rt, "in part") > 0 {
		amount := money.Amount(rapid.Int64Range(1, max(int64(hold.Left()), 1)+1).Draw(rt, "amount"))
		r.Amount = &amount
	}
	r.Final = rapid.IntRange(0, 3).Draw(rt, "final") == 0
	r.IdempotencyKey = rapid.SampledFrom(keysOfHolds).Draw(rt, "key")
	r.Reason = rapid.SampledFrom([]string{"", "Fare"}).Draw(rt, "reason")
	m.sendHold(rt, h, holdCall{capture: &r})
}

// release gives back what a hold has left.
func (m *machine) release(rt *rapid.T) {
	if m.holdAgain(rt) {
		return
	}
	h, hold, ok := m.drawHold(rt)
	if !ok {
		m.makeHold(rt)
		return
	}
	m.sendHold(rt, h, holdCall{release: &ledger.ReleaseRequest{
		Tenant: h.Customer.Tenant, CustomerID: h.Customer.ID, HoldID: hold.ID, CreatedBy: "key_test",
		IdempotencyKey: rapid.SampledFrom(keysOfHolds).Draw(rt, "key"),
	}})
}

// drawHold draws a customer and a hold of it, mostly an active one, and now and
// then one of somebody else. It reports false where there is none at all.
func (m *machine) drawHold(rt *rapid.T) (h History, hold ledger.Hold, ok bool) {
	c := m.drawCustomer(rt)
	h = m.readModel(rt, c.Tenant, c.ID)
	isFinished := func(hold ledger.Hold) bool { return hold.State != ledger.HoldActive }
	candidates := slices.DeleteFunc(slices.Clone(h.Holds), isFinished)
	if len(candidates) == 0 || rapid.IntRange(0, 9).Draw(rt, "any hold") == 0 {
		candidates = h.Holds
	}
	if len(candidates) > 0 && rapid.IntRange(0, 29).Draw(rt, "somebody else's") == 0 {
		other := m.customers[(m.touched+1)%len(m.customers)]
		candidates = m.readModel(rt, other.Tenant, other.ID).Holds
	}
	if len(candidates) == 0 {
		return h, hold, false
	}
	return h, rapid.SampledFrom(candidates).Draw(rt, "hold"), true
}

// holdAgain reports whether it sent a request about a hold that was sent before.
func (m *machine) holdAgain(rt *rapid.T) bool {
	if len(m.holds) == 0 || rapid.IntRange(0, 4).Draw(rt, "again") > 0 {
		return false
	}
	call := rapid.SampledFrom(m.holds).Draw(rt, "request")
	tenant, customerID, _, _ := call.names()
	m.touched = slices.IndexFunc(m.customers,
		func(c ledger.Customer) bool { return c.Tenant == tenant && c.ID == customerID })
	h := m.readModel(rt, tenant, customerID)
	if rapid.IntRange(0, 3).Draw(rt, "altered") == 0 && len(h.Holds) > 0 {
		call = call.altered(rapid.SampledFrom(h.Holds).Draw(rt, "other hold").ID)
	}
	m.sendHold(rt, h, call)
	return true
}

// sendHold sends a request about a hold on both sides and compares the answers
// with each other and with the verdict of the raw entries and events.
func (m *machine) sendHold(rt *rapid.T, before History, call holdCall) {
	m.holds = append(m.holds, call)
	tenant, customerID, holdID, idempotencyKey := call.names()
	got, gotErr := call.send(m, m.real)
	want, wantErr := call.send(m, m.model)
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		rt.Fatalf("hold %s %s: got error %v, want %v", holdID, call.kind(), gotErr, wantErr)
	}
	bare(&want.Wallet, &got.Wallet)
	if diff := difference(want, got); diff != "" {
		rt.Fatalf("hold %s %s: answers differ (-want +got):\n%s", holdID, call.kind(), diff)
	}
	key := firstKey{tenant, customerID, idempotencyKey}
	wallet, hold, now := m.beforeHold(before, call)
	code, replayed := m.holdVerdict(before, call, m.firstHold[key], wallet, hold, now)
	if ledger.CodeOf(gotErr) != code || got.Replayed != replayed {
		rt.Fatalf("hold %s %s: got error %v and replayed %v, want code %q and replayed %v",
			holdID, call.kind(), gotErr, got.Replayed, code, replayed)
	}
	if gotErr == nil && !replayed {
		m.firstHold[key] = call
		wantHeld(rt, call, wallet, hold, now, got)
	}
}

// beforeHold is the wallet that a call is about and its hold, nil for none, as
// the raw entries and events make them, and the time that counts.
func (m *machine) beforeHold(h History, call holdCall) (wallet *auditWallet, hold *auditHold, now time.Time) {
	if call.make != nil {
		wallet, now = walletOf(h, call.make.Currency, m.clock.Now())
		return wallet, nil, now
	}
	_, _, holdID, _ := call.names()
	for _, stored := range h.Holds {
		if stored.ID != holdID {
			continue
		}
		wallet, now = walletOf(h, stored.Currency, m.clock.Now())
		at := slices.IndexFunc(wallet.holds, func(hold *auditHold) bool { return hold.stored.ID == holdID })
		return wallet, wallet.holds[at], now
	}
	return nil, nil, now
}

// holdVerdict says from the raw entries and events what must become of a request:
// laws K2, K3, K10, O2, H2 and H3 in the order of the rules' ladders. First is
// the request that was accepted under the same key, if there was one.
func (m *machine) holdVerdict(
	h History, call, first holdCall, wallet *auditWallet, hold *auditHold, now time.Time,
) (code ledger.Code, replayed bool) {
	tenant, customerID, _, key := call.names()
	switch {
	case call.make != nil && call.make.Amount > 999_999_999_999,
		call.capture != nil && call.capture.Amount != nil && *call.capture.Amount > 999_999_999_999:
		return ledger.CodeAmountTooLarge, false
	case call.make == nil && hold == nil:
		return ledger.CodeNotFound, false
	}
	if used, same := repeatsHold(h, call, first, key); used {
		if same {
			return "", true
		}
		return ledger.CodeKeyReused, false
	}
	r := ledger.PostRequest{Tenant: tenant, CustomerID: customerID}
	if call.make != nil {
		r.Direction, r.Currency = ledger.Debit, call.make.Currency
		return makeVerdict(call.make, wallet, now, m.refuses(&r)), false
	}
	r.Direction, r.Currency = ledger.Credit, hold.stored.Currency
	switch {
	case hold.state != ledger.HoldActive, !now.Before(hold.stored.ExpiresAt):
		return ledger.CodeHoldNotActive, false
	case call.capture == nil:
		return "", false
	case m.refuses(&r):
		return ledger.CodeCustomerNotActive, false
	case call.capture.Amount != nil && *call.capture.Amount > hold.left():
		return ledger.CodeCaptureExceeds, false
	}
	return "", false
}

func makeVerdict(r *ledger.HoldRequest, wallet *auditWallet, now time.Time, frozen bool) ledger.Code {
	needed := r.Amount
	available := wallet.freeFor(needed, r.Conditions, now)
	if r.AllowPartial {
		needed = 1
	}
	switch {
	case !r.CurrencyEnabled:
		return ledger.CodeUnsupportedCurrency
	case !r.ExpiresAt.After(now), r.ExpiresAt.After(now.AddDate(1, 0, 0)):
		return ledger.CodeInvalidExpiry
	case frozen:
		return ledger.CodeCustomerNotActive
	case r.Conditions.IfSeq != nil && *r.Conditions.IfSeq != wallet.seq,
		r.Conditions.IfAvailableAtLeast != nil && *r.Conditions.IfAvailableAtLeast > available:
		return ledger.CodeConditionFailed
	case needed > available:
		return ledger.CodeInsufficientFunds
	}
	return ""
}

// repeatsHold reports whether a key was used, and whether by the same request
// about a hold.
func repeatsHold(h History, call, first holdCall, key string) (used, same bool) {
	if key == "" {
		return false, false
	}
	for _, e := range h.Events {
		if e.IdempotencyKey == key {
			return true, e.Kind == call.kind() && reflect.DeepEqual(first.fingerprint(), call.fingerprint())
		}
	}
	return slices.ContainsFunc(h.Entries, func(e ledger.Entry) bool { return e.IdempotencyKey == key }), false
}

// fingerprint is all that makes a request the same as another (law K4).
func (c holdCall) fingerprint() holdCall {
	if c.make != nil {
		r := *c.make
		r.Conditions, r.CurrencyEnabled, r.DefaultAlerts = ledger.Conditions{}, false, ""
		c.make = &r
	}
	return c
}

// usedByHold reports whether something was done about a hold under a key.
func usedByHold(h History, key string) bool {
	return key != "" && slices.ContainsFunc(h.Events, func(e ledger.HoldEvent) bool { return e.IdempotencyKey == key })
}

// wantHeld wants an accepted request to have moved what it says: a hold lowers
// what is available and no balance, a capture the balance and nothing that is
// available, and what is given back can be spent again, unless it has expired.
func wantHeld(rt *rapid.T, call holdCall, wallet *auditWallet, hold *auditHold, now time.Time, got ledger.Change) {
	want := ledger.HoldEvent{Kind: call.kind(), Balance: wallet.balance, Seq: wallet.seq}
	switch {
	case call.make != nil:
		want.Amount = call.make.Amount
		available := wallet.freeFor(want.Amount, call.make.Conditions, now)
		want.Amount = min(want.Amount, available)
		wallet.held += want.Amount
		want.Available = available - want.Amount
	case call.capture != nil:
		want.Amount = hold.left()
		if call.capture.Amount != nil {
			want.Amount = *call.capture.Amount
		}
		hold.capture(want.Amount)
		wallet.held -= want.Amount
		want.Balance, want.Seq = want.Balance-want.Amount, want.Seq+1
		if call.capture.Final {
			wallet.giveBack(hold)
		}
		want.Captured, want.Released = hold.captured, hold.released
		want.Available = wallet.spendable(now)
	default:
		want.Amount = hold.left()
		wallet.giveBack(hold)
		want.Captured, want.Released = hold.captured, hold.released
		want.Available = wallet.spendable(now)
	}
	want.Held = wallet.held
	e := got.Hold.Event
	told := ledger.HoldEvent{
		Kind: e.Kind, Amount: e.Amount, Captured: e.Captured, Released: e.Released,
		Balance: e.Balance, Seq: e.Seq, Held: e.Held, Available: e.Available,
	}
	if diff := difference(want, told); diff != "" || got.Entry.Amount != 0 && got.Entry.Amount != want.Amount {
		rt.Fatalf("hold %s: got an entry of %d (-want +got):\n%s", e.HoldID, got.Entry.Amount, diff)
	}
}

// freeFor is what can be spent of a wallet for a request of so much of it. Only where
// that is too little the money of holds that have expired is looked
// for, as it is free although nobody has swept (law O2).
func (w *auditWallet) freeFor(needed money.Amount, conditions ledger.Conditions, now time.Time) money.Amount {
	if least := conditions.IfAvailableAtLeast; least != nil {
		needed = max(needed, *least)
	}
	if needed > w.spendable(now) {
		w.endDue(now)
	}
	return w.spendable(now)
}

// endDue ends the wallet's holds that have expired, and returns how many did.
func (w *auditWallet) endDue(now time.Time) (ended int) {
	for _, h := range w.holds {
		if h.state == ledger.HoldActive && !now.Before(h.stored.ExpiresAt) {
			w.giveBack(h)
			h.state = ledger.HoldExpired
			ended++
		}
	}
	return ended
}

// listHolds compares a customer's holds, page by page; each side follows its own
// cursor.
func (m *machine) listHolds(rt *rapid.T) {
	ctx, c := m.complaints.Context(), m.drawCustomer(rt)
	filter := ledger.HoldFilter{
		Currency:          rapid.SampledFrom([]money.Currency{"", "", "USD", "INR"}).Draw(rt, "currency"),
		State:             rapid.SampledFrom([]ledger.HoldState{"", "", ledger.HoldActive, ledger.HoldCaptured, ledger.HoldExpired}).Draw(rt, "state"),
		ReferenceObjectID: rapid.SampledFrom([]string{"", "", "ride_1"}).Draw(rt, "reference"),
	}
	limit := rapid.SampledFrom([]int{1, 2, 5}).Draw(rt, "limit")
	var lists [2][]ledger.Hold
	for i, s := range []side{m.real, m.model} {
		for page := (ledger.Page{Limit: limit}); ; {
			list, err := s.ledger.Holds(ctx, c.Tenant, c.ID, filter, page)
			if err != nil || len(list.Holds) > limit {
				rt.Fatalf("list holds: got %d of %d and error %v, want none", len(list.Holds), limit, err)
			}
			lists[i] = append(lists[i], list.Holds...)
			if page.Before = list.Next; page.Before == 0 {
				break
			}
		}
	}
	if diff := difference(lists[1], lists[0]); diff != "" {
		rt.Fatalf("list holds %+v in pages of %d (-want +got):\n%s", filter, limit, diff)
	}
}
