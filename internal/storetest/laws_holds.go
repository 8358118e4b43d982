package storetest

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// readHolds reads the holds of the history's customer and what happened to them.
func (h *History) readHolds(ctx context.Context, store ledger.Store, tenant ledger.Tenant) error {
	for page := (ledger.Page{Limit: 3}); ; {
		list, err := store.Holds(ctx, tenant, h.Customer.ID, ledger.HoldFilter{}, page)
		if err != nil {
			return err
		}
		h.Holds = append(h.Holds, list.Holds...)
		if page.Before = list.Next; page.Before == 0 {
			break
		}
	}
	slices.Reverse(h.Holds)
	for i, hold := range h.Holds {
		whole, err := store.Hold(ctx, tenant, h.Customer.ID, hold.ID)
		if err != nil {
			return err
		}
		h.Holds[i] = whole
	}
	for {
		events, err := store.HoldEvents(ctx, tenant, h.Customer.ID, int64(len(h.Events)), 3)
		if err != nil || len(events) == 0 {
			return err
		}
		h.Events = append(h.Events, events...)
	}
}

// holdEvent is an event with the hold that it is about.
type holdEvent struct {
	ledger.HoldEvent
	hold *auditHold
}

// auditHold is a hold as its events make it.
type auditHold struct {
	stored             ledger.Hold
	amount             money.Amount
	captured, released money.Amount
	state              ledger.HoldState
	parts              []ledger.Allocation // pinned and left
	last               ledger.HoldEvent
}

func (h *auditHold) left() money.Amount { return h.amount - h.captured - h.released }

// sortEvents gives each wallet the events about its holds.
func (a *audit) sortEvents(h History) {
	holds := map[string]*auditHold{}
	for _, stored := range h.Holds {
		hold := &auditHold{stored: stored}
		holds[stored.ID] = hold
		a.audited = append(a.audited, hold)
		w := a.wallet(stored.Currency)
		w.holds = append(w.holds, hold)
	}
	for i, e := range h.Events {
		hold := holds[e.HoldID]
		if e.Number != int64(i+1) || hold == nil {
			a.blame("H3", "hold event %d is number %d, of hold %q", i+1, e.Number, e.HoldID)
			continue
		}
		w := a.wallet(hold.stored.Currency)
		w.events = append(w.events, holdEvent{e, hold})
		if _, used := a.keys[e.IdempotencyKey]; used && e.IdempotencyKey != "" {
			a.blame("K1", "hold event %d has key %q once more", e.Number, e.IdempotencyKey)
		}
		if e.Position == 0 {
			a.keys[e.IdempotencyKey] = 0
		}
	}
}

// wallet is the wallet in a currency, a new one where there was none.
func (a *audit) wallet(currency money.Currency) *auditWallet {
	w := a.wallets[currency]
	if w == nil {
		w = &auditWallet{}
		a.wallets[currency] = w
	}
	return w
}

// eventsBefore plays the events that came before the wallet's entry with a seq.
func (a *audit) eventsBefore(w *auditWallet, seq int64) {
	for len(w.events) > 0 && w.events[0].Position == 0 && w.events[0].Seq < seq {
		e := w.events[0]
		w.events = w.events[1:]
		a.noticesBefore(w, seq, e.Number)
		a.holdEvent(w, e)
	}
	a.noticesBefore(w, seq, math.MaxInt64)
}

// holdEvent plays an event without an entry.
func (a *audit) holdEvent(w *auditWallet, e holdEvent) {
	h, before := e.hold, w.spendable(e.CreatedAt)
	switch e.Kind {
	case ledger.HoldMade:
		if e.Amount > before {
			a.blame("O2", "a hold of %d was accepted with %d available", e.Amount, before)
		}
		want := w.pin(h, e)
		if want == nil {
			want = w.take(e.Amount, e.CreatedAt)
		}
		if !slices.Equal(want, e.Allocations) || h.amount != 0 {
			a.blame("L2", "hold %s pinned %v, want %v", e.HoldID, e.Allocations, want)
		}
		h.amount, h.state, h.parts = e.Amount, ledger.HoldActive, slices.Clone(e.Allocations)
		w.held += e.Amount
	case ledger.HoldWasReleased, ledger.HoldHasExpired:
		if h.state != ledger.HoldActive || e.Amount != h.left() {
			a.blame("H3", "hold %s gave back %d, and is %s with %d left", e.HoldID, e.Amount, h.state, h.left())
		}
		if expired := !e.CreatedAt.Before(h.stored.ExpiresAt); expired != (e.Kind == ledger.HoldHasExpired) {
			a.blame("H3", "hold %s, which expires at %v, was %s at %v", e.HoldID, h.stored.ExpiresAt, e.Kind, e.CreatedAt)
		}
		w.giveBack(h)
		h.state = ledger.HoldReleased
		if e.Kind == ledger.HoldHasExpired {
			h.state = ledger.HoldExpired
		}
	default:
		a.blame("H3", "an event without an entry is of kind %q", e.Kind)
	}
	a.checkEvent(w, e)
	a.alerts(w, e.Alerts, before, e.Available)
}

// pin takes what a hold that may pins of one lot out of its turn: an amount that the lot
// has and that has not expired; nil for every other hold.
func (w *auditWallet) pin(h *auditHold, e holdEvent) []ledger.Allocation {
	reference := h.stored.ReferenceObjectID
	pins := strings.HasPrefix(reference, "dsp_") || strings.HasPrefix(reference, "ref_")
	if h.stored.CreatedBy != "system" || !pins || len(e.Allocations) != 1 {
		return nil
	}
	for i := range w.lots {
		lot := &w.lots[i]
		expired := !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(e.CreatedAt)
		if lot.Seq == e.Allocations[0].LotSeq && !expired && lot.Remaining >= e.Amount {
			lot.Remaining -= e.Amount
			return []ledger.Allocation{{LotSeq: lot.Seq, Amount: e.Amount}}
		}
	}
	return nil
}

// giveBack returns what is left of a hold to the lots.
func (w *auditWallet) giveBack(h *auditHold) {
	for _, part := range h.parts {
		for i := range w.lots {
			if w.lots[i].Seq == part.LotSeq {
				w.lots[i].Remaining += part.Amount
			}
		}
	}
	w.held -= h.left()
	h.released, h.parts = h.released+h.left(), nil
}

// capture plays an entry that captures, with its event.
func (a *audit) capture(w *auditWallet, e ledger.Entry) {
	if len(w.events) == 0 || w.events[0].Position != e.Position || w.events[0].HoldID != e.HoldID {
		a.blame("H3", "a capture of hold %s has no event", e.HoldID)
		return
	}
	event := w.events[0]
	w.events = w.events[1:]
	h := event.hold
	if event.Kind != ledger.HoldWasCaptured || event.Amount != e.Amount || event.IdempotencyKey != e.IdempotencyKey ||
		event.Fingerprint != e.Fingerprint || !event.CreatedAt.Equal(e.CreatedAt) {
		a.blame("H2", "the event of a capture says %+v, and the entry %+v", event.HoldEvent, e)
	}
	if h.state != ledger.HoldActive || e.Amount > h.left() || !e.CreatedAt.Before(h.stored.ExpiresAt) {
		a.blame("H2", "%d captured at %v of hold %s, which is %s with %d left until %v", e.Amount, e.CreatedAt, e.HoldID,
			h.state, h.left(), h.stored.ExpiresAt)
	}
	want := h.capture(e.Amount)
	if !slices.Equal(want, e.Allocations) {
		a.blame("L2", "a capture took %v, want %v", e.Allocations, want)
	}
	if event.Alerts != "" {
		a.blame("A1", "the event of a capture has alerts %q, which its entry tells", event.Alerts)
	}
	w.held -= e.Amount
	w.taken = append(w.taken, taken{e.ID, e.Account, ledger.Debit, slices.Clone(e.Allocations)})
	if event.Released > 0 {
		w.giveBack(h)
	}
	if h.left() == 0 {
		h.state = ledger.HoldCaptured
	}
	a.checkEvent(w, event)
}

// capture takes an amount of what the hold pins, in spend order.
func (h *auditHold) capture(amount money.Amount) (parts []ledger.Allocation) {
	h.captured += amount
	for rest := amount; rest > 0 && len(h.parts) > 0; {
		part := h.parts[0]
		part.Amount = min(part.Amount, rest)
		rest -= part.Amount
		if h.parts[0].Amount -= part.Amount; h.parts[0].Amount == 0 {
			h.parts = h.parts[1:]
		}
		parts = append(parts, part)
	}
	return parts
}

// checkEvent compares what an event says of its hold and its wallet.
func (a *audit) checkEvent(w *auditWallet, e holdEvent) {
	h := e.hold
	if e.CreatedAt.Before(h.last.CreatedAt) {
		a.blame("R4", "hold event %d of %v after one of %v", e.Number, e.CreatedAt, h.last.CreatedAt)
	}
	if e.CreatedAt.Before(w.heldAt) || e.CreatedAt.Before(w.lastAt) {
		a.blame("R4", "hold event %d of %v after %v or %v", e.Number, e.CreatedAt, w.heldAt, w.lastAt)
	}
	h.last, w.heldAt = e.HoldEvent, e.CreatedAt
	seq, movedAt := w.seq, w.lastAt
	if e.Captured != h.captured || e.Released != h.released || e.Seq != seq || !e.MovedAt.Equal(movedAt) ||
		e.Balance != w.balance || e.Held != w.held || e.Available != w.spendable(e.CreatedAt) {
		a.blame("H1", "hold event %d says %+v, want captured %d, released %d, seq %d, moved at %v, balance %d, held %d, available %d",
			e.Number, e.HoldEvent, h.captured, h.released, seq, movedAt, w.balance, w.held, w.spendable(e.CreatedAt))
	}
}

// holds compares what the events add up to with the stored holds.
func (a *audit) holds(h History) {
	for _, w := range a.wallets {
		for _, e := range w.events {
			a.blame("H3", "hold event %d has no place among the entries", e.Number)
		}
	}
	for _, made := range a.audited {
		stored := made.stored
		if stored.Tenant != h.Customer.Tenant || stored.CustomerID != h.Customer.ID {
			a.blame("N1", "the hold belongs to customer %s of %v", stored.CustomerID, stored.Tenant)
		}
		if stored.Amount != made.amount || stored.Captured != made.captured || stored.Released != made.released ||
			stored.State != made.state || !stored.UpdatedAt.Equal(made.last.CreatedAt) {
			a.blame("H2", "got hold %+v, want amount %d, captured %d, released %d, %s, updated at %v", stored,
				made.amount, made.captured, made.released, made.state, made.last.CreatedAt)
		}
		var parts []ledger.Allocation
		for _, lot := range stored.Lots {
			parts = append(parts, ledger.Allocation{LotSeq: lot.Seq, Amount: lot.Remaining})
		}
		if !slices.Equal(parts, made.parts) {
			a.blame("L1", "hold %s pins %v, want %v", stored.ID, parts, made.parts)
		}
	}
}
