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

// reverse returns the action that undoes some entry: mostly one of a direction that
// can be undone, and mostly by no more than it has left.
func (m *machine) reverse(direction ledger.Direction) func(*rapid.T) {
	return func(rt *rapid.T) {
		c := m.drawCustomer(rt)
		h := m.readModel(rt, c.Tenant, c.ID)
		m.sendReversal(rt, h, m.drawReversal(rt, h, direction))
	}
}

func (m *machine) drawReversal(rt *rapid.T, h History, direction ledger.Direction) ledger.ReverseRequest {
	c := h.Customer
	r := ledger.ReverseRequest{Tenant: c.Tenant, CustomerID: c.ID, EntryID: "cwt_000000000000000000000", CreatedBy: "key_test"}
	r.DefaultAlerts = m.defaults
	isOther := func(e ledger.Entry) bool { return e.Direction != direction || e.Reverses != "" }
	candidates := slices.DeleteFunc(slices.Clone(h.Entries), isOther)
	if len(candidates) == 0 || rapid.IntRange(0, 9).Draw(rt, "any entry") == 0 {
		candidates = h.Entries
	}
	if expired := tookExpired(h, candidates, m.clock.Now()); len(expired) > 0 && rapid.IntRange(0, 2).Draw(rt, "of expired") > 0 {
		candidates = expired
	}
	if len(candidates) > 0 {
		e := rapid.SampledFrom(candidates).Draw(rt, "entry")
		r.EntryID = e.ID
		if rapid.IntRange(0, 2).Draw(rt, "in part") > 0 {
			amount := max(money.Amount(rapid.Int64Range(0, int64(leftOf(h, e.ID))+1).Draw(rt, "amount")), 1)
			r.Amount = &amount
		}
		if rapid.IntRange(0, 5).Draw(rt, "if seq") == 0 {
			wallet, _ := walletOf(h, e.Currency, m.clock.Now())
			seq := max(wallet.seq+rapid.Int64Range(-1, 1).Draw(rt, "seq beside"), 0)
			r.Conditions.IfSeq = &seq
		}
	}
	r.AllowPartial = rapid.IntRange(0, 2).Draw(rt, "partial") == 0
	r.AllowDebt = rapid.Bool().Draw(rt, "debt allowed")
	r.IdempotencyKey = rapid.SampledFrom([]string{"", "", "", "k1", "k2", "u1", "u2", "u3"}).Draw(rt, "key")
	r.Reason = rapid.SampledFrom([]string{"", "", "Zoë's ✓"}).Draw(rt, "reason")
	if r.Reason != "" {
		r.Grace = time.Hour // the setting of a business, drawn with the reason
	}
	return r
}

// tookExpired are those of some entries that took from a lot which has expired.
func tookExpired(h History, entries []ledger.Entry, now time.Time) (found []ledger.Entry) {
	for _, e := range entries {
		wallet, now := walletOf(h, e.Currency, now)
		if slices.ContainsFunc(e.Allocations, func(part ledger.Allocation) bool {
			lot := wallet.lot(part.LotSeq)
			return lot != nil && !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(now)
		}) {
			found = append(found, e)
		}
	}
	return found
}

// lapse credits money, spends some of it, waits until the rest expires, and undoes
// some debit: what hardly ever comes together by chance.
func (m *machine) lapse(rt *rapid.T) {
	r := m.drawRequest(rt, ledger.Credit)
	r.IdempotencyKey, r.Conditions = "", ledger.Conditions{}
	r.ExpiresAt = m.real.book.Now().Add(time.Minute)
	m.send(rt, r)
	spend := r
	spend.Direction, spend.Category, spend.ExpiresAt = ledger.Debit, "", time.Time{}
	spend.Amount = money.Amount(rapid.Int64Range(1, int64(r.Amount)).Draw(rt, "spent"))
	m.send(rt, spend)
	m.clock.Set(r.ExpiresAt)
	h := m.readModel(rt, r.Tenant, r.CustomerID)
	m.sendReversal(rt, h, m.drawReversal(rt, h, ledger.Debit))
	m.compareLots(rt, h.Customer, r.Currency, nil)
}

// reverseAgain sends a reversal that was sent before, whatever became of it.
func (m *machine) reverseAgain(rt *rapid.T) {
	if len(m.reversals) == 0 {
		return
	}
	r := rapid.SampledFrom(m.reversals).Draw(rt, "request")
	m.touched = slices.IndexFunc(m.customers,
		func(c ledger.Customer) bool { return c.Tenant == r.Tenant && c.ID == r.CustomerID })
	if rapid.IntRange(0, 3).Draw(rt, "altered") == 0 {
		r.Reason += "!"
	}
	h := m.readModel(rt, r.Tenant, r.CustomerID)
	m.sendReversal(rt, h, r)
}

// sendReversal undoes on both sides and compares the answers with each other and
// with the verdict of the raw entries.
func (m *machine) sendReversal(rt *rapid.T, before History, r ledger.ReverseRequest) {
	m.reversals = append(m.reversals, r)
	ctx := m.complaints.Context()
	got, gotErr := m.real.book.Reverse(ctx, r)
	want, wantErr := m.model.book.Reverse(ctx, r)
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		rt.Fatalf("reverse %s: got error %v, want %v", r.EntryID, gotErr, wantErr)
	}
	bare(&want.Wallet, &got.Wallet)
	if diff := difference(want, got); diff != "" {
		rt.Fatalf("reverse %s: answers differ (-want +got):\n%s", r.EntryID, diff)
	}
	key := firstKey{r.Tenant, r.CustomerID, r.IdempotencyKey}
	undone := entryOf(before, r.EntryID)
	frozen := m.refuses(&ledger.PostRequest{
		Tenant: r.Tenant, CustomerID: r.CustomerID, Direction: opposite(undone.Direction), Currency: undone.Currency,
	})
	code, replayed := reversalVerdict(before, r, m.firstUndo[key], m.clock.Now(), frozen)
	if ledger.CodeOf(gotErr) != code || got.Replayed != replayed {
		rt.Fatalf("reverse %s: got error %v and replayed %v, want code %q and replayed %v",
			r.EntryID, gotErr, got.Replayed, code, replayed)
	}
	if gotErr != nil || replayed {
		return
	}
	m.firstUndo[key] = r
	moves := leftOf(before, r.EntryID)
	if r.Amount != nil {
		moves = *r.Amount
	}
	owed := money.Amount(0)
	if can := inLot(before, undone, m.clock.Now()); undone.Direction == ledger.Credit && can < moves {
		if r.AllowPartial || !r.AllowDebt {
			moves = can
		}
		owed = moves - can
	}
	if got.Entry.Owed() != owed {
		rt.Fatalf("reverse %s: got %d owed, want %d", r.EntryID, got.Entry.Owed(), owed)
	}
	if got.Entry.Amount != moves || got.Entry.Reverses != r.EntryID {
		rt.Fatalf("reverse %s: got an entry of %d that reverses %q, want %d", r.EntryID, got.Entry.Amount, got.Entry.Reverses, moves)
	}
}

// leftOf is how much of an entry was not undone yet, by the raw entries.
func leftOf(h History, id string) (left money.Amount) {
	for _, e := range h.Entries {
		switch id {
		case e.ID:
			left += e.Amount
		case e.Reverses:
			if e.Account != ledger.AccountDebt {
				left -= e.Amount
			}
		}
	}
	return left
}

// entryOf is an entry by its id, a zero one when there is none.
func entryOf(h History, id string) ledger.Entry {
	for _, e := range h.Entries {
		if e.ID == id {
			return e
		}
	}
	return ledger.Entry{}
}

func opposite(direction ledger.Direction) ledger.Direction {
	if direction == ledger.Credit {
		return ledger.Debit
	}
	return ledger.Credit
}

// inLot is what can be taken at a time of the lot that a credit opened, by the raw
// entries.
func inLot(h History, credit ledger.Entry, now time.Time) (left money.Amount) {
	wallet, now := walletOf(h, credit.Currency, now)
	for _, lot := range wallet.lots {
		if lot.Seq == credit.Seq && (lot.ExpiresAt.IsZero() || lot.ExpiresAt.After(now)) {
			left += lot.Remaining
		}
	}
	return left
}

// reversalVerdict says from the raw entries what must become of a reversal: laws
// K2, K3, K10, L5 and M7 in the order of the rules' ladder. First is the reversal
// that was accepted under the same key, if there was one.
func reversalVerdict(
	h History, r, first ledger.ReverseRequest, now time.Time, frozen bool,
) (code ledger.Code, replayed bool) {
	if r.Amount != nil && *r.Amount > 999_999_999_999 {
		return ledger.CodeAmountTooLarge, false
	}
	place := slices.IndexFunc(h.Entries, func(e ledger.Entry) bool { return e.ID == r.EntryID })
	if place < 0 {
		return ledger.CodeNotFound, false
	}
	for _, e := range h.Entries {
		if r.IdempotencyKey != "" && e.IdempotencyKey == r.IdempotencyKey {
			first.Conditions, r.Conditions = ledger.Conditions{}, ledger.Conditions{}
			first.Grace, r.Grace = 0, 0 // settings of their time, as the next are
			first.AllowDebt, r.AllowDebt = false, false
			first.DefaultAlerts, r.DefaultAlerts = "", ""
			if e.Reverses == r.EntryID && reflect.DeepEqual(first, r) {
				return "", true
			}
			return ledger.CodeKeyReused, false
		}
	}
	undone := h.Entries[place]
	wallet, _ := walletOf(h, undone.Currency, now)
	left := leftOf(h, r.EntryID)
	amount := left
	if r.Amount != nil {
		amount = *r.Amount
	}
	ofCredit := undone.Direction == ledger.Credit
	can := inLot(h, undone, now)
	lent := ofCredit && r.AllowDebt && !r.AllowPartial && can < amount
	switch {
	case usedByHold(h, r.IdempotencyKey):
		return ledger.CodeKeyReused, false
	case undone.Reverses != "" || undone.Account == ledger.AccountBreakage || undone.Account == ledger.AccountTransfers ||
		undone.Account == ledger.AccountExpiryMoves || undone.Account == ledger.AccountDebt:
		return ledger.CodeNotReversible, false
	case frozen:
		return ledger.CodeCustomerNotActive, false
	case r.Conditions.IfSeq != nil && *r.Conditions.IfSeq != wallet.seq:
		return ledger.CodeConditionFailed, false
	case left == 0 || amount > left:
		return ledger.CodeReversalExceeds, false
	case lent && amount-can > 9_007_199_254_740_991-max(wallet.balance, wallet.debt):
		return ledger.CodeBalanceLimit, false
	case lent:
	case ofCredit && (can == 0 || can < amount && !r.AllowPartial):
		return ledger.CodeReversalExceedsLot, false
	case !ofCredit && amount > 9_007_199_254_740_991-wallet.balance:
		return ledger.CodeBalanceLimit, false
	}
	return "", false
}
