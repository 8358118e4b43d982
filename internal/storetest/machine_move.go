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

// moveExpiry moves when some lot expires: mostly an open one, mostly to a time that
// is allowed. Now and then it sends a request that was sent before.
func (m *machine) moveExpiry(rt *rapid.T) {
	if len(m.moves) > 0 && rapid.IntRange(0, 3).Draw(rt, "again") == 0 {
		r := rapid.SampledFrom(m.moves).Draw(rt, "request")
		m.touched = slices.IndexFunc(m.customers,
			func(c ledger.Customer) bool { return c.Tenant == r.Tenant && c.ID == r.CustomerID })
		if rapid.IntRange(0, 3).Draw(rt, "altered") == 0 {
			r.Reason += "!"
		}
		m.sendMove(rt, m.readModel(rt, r.Tenant, r.CustomerID), r)
		return
	}
	c := m.drawCustomer(rt)
	h := m.readModel(rt, c.Tenant, c.ID)
	r := ledger.MoveRequest{
		Tenant: c.Tenant, CustomerID: c.ID, CreatedBy: "key_test",
		Currency: rapid.SampledFrom([]money.Currency{"USD", "USD", "INR"}).Draw(rt, "currency"),
		Reason:   rapid.SampledFrom([]string{"", "", "Zoë's ✓"}).Draw(rt, "reason"),
	}
	wallet, now := walletOf(h, r.Currency, m.clock.Now())
	isUsed := func(lot ledger.Lot) bool { return lot.Remaining == 0 }
	open := slices.DeleteFunc(slices.Clone(wallet.lots), isUsed)
	if len(open) == 0 || rapid.IntRange(0, 9).Draw(rt, "any lot") == 0 {
		r.LotSeq = rapid.Int64Range(-1, wallet.seq+1).Draw(rt, "seq")
	} else {
		lot := rapid.SampledFrom(open).Draw(rt, "lot")
		r.LotSeq, r.ExpiresAt = lot.Seq, lot.ExpiresAt
	}
	if rapid.IntRange(0, 9).Draw(rt, "as it is") > 0 {
		ahead := rapid.SampledFrom([]time.Duration{
			0, 0, time.Minute, time.Minute - time.Microsecond, time.Hour, 24 * time.Hour, -time.Hour,
		}).Draw(rt, "expires ahead")
		r.ExpiresAt = time.Time{}
		if ahead != 0 {
			r.ExpiresAt = now.Add(ahead)
		}
	}
	r.IdempotencyKey = rapid.SampledFrom([]string{"", "", "", "k1", "u1", "m1", "m2"}).Draw(rt, "key")
	m.sendMove(rt, h, r)
}

func (m *machine) readModel(rt *rapid.T, tenant ledger.Tenant, customerID string) History {
	m.plain.mu.Lock()
	defer m.plain.mu.Unlock()
	c, err := m.plain.customer(tenant, customerID)
	if err != nil {
		rt.Fatalf("read model: %v", err)
	}
	return c.history()
}

// sendMove moves on both sides and compares the answers with each other and with
// the verdict of the raw entries.
func (m *machine) sendMove(rt *rapid.T, before History, r ledger.MoveRequest) {
	m.moves = append(m.moves, r)
	ctx := m.complaints.Context()
	got, gotErr := m.real.book.MoveExpiry(ctx, r)
	want, wantErr := m.model.book.MoveExpiry(ctx, r)
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		rt.Fatalf("move lot %d: got error %v, want %v", r.LotSeq, gotErr, wantErr)
	}
	want.Change.Wallet.Lots, got.Change.Wallet.Lots = nil, nil // a store may show more lots than another
	if diff := difference(want, got); diff != "" {
		rt.Fatalf("move lot %d: answers differ (-want +got):\n%s", r.LotSeq, diff)
	}
	key := firstKey{r.Tenant, r.CustomerID, r.IdempotencyKey}
	frozen := m.refuses(&ledger.PostRequest{
		Tenant: r.Tenant, CustomerID: r.CustomerID, Direction: ledger.Credit, Currency: r.Currency,
	})
	wallet, now := walletOf(before, r.Currency, m.clock.Now())
	wallet.endDue(now) // their money moves with the others'
	code, replayed := moveVerdict(before, wallet, r, m.firstMove[key], now, frozen)
	if ledger.CodeOf(gotErr) != code || got.Change.Replayed != replayed {
		rt.Fatalf("move lot %d to %v: got error %v and replayed %v, want code %q and replayed %v",
			r.LotSeq, r.ExpiresAt, gotErr, got.Change.Replayed, code, replayed)
	}
	if gotErr != nil || replayed {
		return
	}
	m.firstMove[key] = r
	lot := wallet.lot(r.LotSeq)
	wantLot := ledger.Lot{Seq: wallet.seq + 2, Category: lot.Category, ExpiresAt: r.ExpiresAt, Remaining: lot.Remaining}
	if got.Lot != wantLot || got.Wallet.Balance != wallet.balance || got.Available != wallet.spendable(now) {
		rt.Fatalf("move lot %d: got lot %+v, balance %d and %d available, want %+v, %d and %d", r.LotSeq,
			got.Lot, got.Wallet.Balance, got.Available, wantLot, wallet.balance, wallet.spendable(now))
	}
}

// lot is one of a wallet's lots, open or used up, nil when there is none.
func (w *auditWallet) lot(seq int64) *ledger.Lot {
	for i := range w.lots {
		if w.lots[i].Seq == seq {
			return &w.lots[i]
		}
	}
	return nil
}

// moveVerdict says from the raw entries what must become of a move: laws K2, K3,
// K10, L3 and L6 in the order of the rules' ladder. First is the move that was
// accepted under the same key, if there was one.
func moveVerdict(
	h History, wallet *auditWallet, r, first ledger.MoveRequest, now time.Time, frozen bool,
) (code ledger.Code, replayed bool) {
	lot := wallet.lot(r.LotSeq)
	if lot == nil {
		return ledger.CodeNotFound, false
	}
	for _, e := range h.Entries {
		if r.IdempotencyKey != "" && e.IdempotencyKey == r.IdempotencyKey {
			if beginsMove(e) && reflect.DeepEqual(first, r) {
				return "", true
			}
			return ledger.CodeKeyReused, false
		}
	}
	switch {
	case usedByHold(h, r.IdempotencyKey):
		return ledger.CodeKeyReused, false
	case !r.ExpiresAt.IsZero() && r.ExpiresAt.Sub(now) < time.Minute:
		return ledger.CodeInvalidExpiry, false
	case frozen:
		return ledger.CodeCustomerNotActive, false
	case lot.Remaining == 0, lot.ExpiresAt.Equal(r.ExpiresAt), !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(now):
		return ledger.CodeNotMovable, false
	}
	return "", false
}
