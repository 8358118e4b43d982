package storetest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func transferScenarios() []scenario {
	return []scenario{
		{"M1 a transfer is a debit and a credit against transfers, and both rows say so", transferWhole},
		{"L2 every kind of money arrives as it left, one entry for each", transferKinds},
		{"L3 what expires on the way arrives expired, and is swept", transferExpired},
		{"what stopped at any step goes on, with one effect", transferEveryStep},
		{"a refusal at the destination returns the money to its lots", transferReturned},
		{"what was refused never arrives, and what arrived is never returned", transferDecidedOnce},
		{"K2 K3 a repeat is the first transfer, another request under the key is refused", transferKeys},
		{"K1 a repeat finishes what the first left in transit", transferRepeatFinishes},
		{"a transfer that the rules forbid is refused and leaves no trace", transferRefused},
		{"N1 a customer of another business or mode is no destination", transferTenancy},
		{"neither leg can be reversed, or debited back by its name", transferNotReversible},
		{"transfers are listed at both customers, newest first, in pages of any size", transferLists},
		{"unfinished transfers are found by their ids", transferUnfinished},
		{"64 transfers to and fro at once keep every unit", transferRace},
		{"16 instances resume one transfer at once: one effect", transferRaceResume},
		{"K6 one key on 32 transfers at once: one effect", transferRaceKey},
		{"O2 64 transfers of 30 at once on 900 move 900", transferRaceFunds},
		{"16 instances resume while the destination is frozen and unfrozen", transferRaceFreeze},
	}
}

func sending(from, to ledger.Customer, amount money.Amount) ledger.TransferRequest {
	return ledger.TransferRequest{
		Tenant: from.Tenant, CustomerID: from.ID, ToCustomerID: to.ID, Currency: "USD", Amount: amount, CreatedBy: "key_test",
		CurrencyEnabled: true,
	}
}

// transfer carries out a request that must be accepted and completed.
func (w *world) transfer(r ledger.TransferRequest) ledger.Sent {
	w.Helper()
	sent, err := w.book.Transfer(w.Context(), r)
	w.wantCode(err, "")
	w.wantState(sent.Transfer, ledger.TransferCompleted)
	return sent
}

func (w *world) wantState(t ledger.Transfer, want ledger.TransferState) {
	w.Helper()
	if t.State != want {
		w.Errorf("got transfer %s in state %q, want %q", t.ID, t.State, want)
	}
}

var errCut = errors.New("the process was killed here")

// severed is a store that fails from some write on, as one whose process was killed:
// the writes before are there, and none after them.
type severed struct {
	ledger.Store
	left *atomic.Int64 // how many writes still happen
}

func (c severed) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	if c.left.Add(-1) < 0 {
		return ledger.Change{}, errCut
	}
	return c.Store.Transact(ctx, scope, decide)
}

func (c severed) SettleTransfer(ctx context.Context, row ledger.Transfer) (ledger.Transfer, error) {
	if c.left.Add(-1) < 0 {
		return ledger.Transfer{}, errCut
	}
	return c.Store.SettleTransfer(ctx, row)
}

func severedAfter(store ledger.Store, writes int64) severed {
	left := &atomic.Int64{}
	left.Store(writes)
	return severed{Store: store, left: left}
}

// sendCut begins a transfer of which only so many writes happen.
func (w *world) sendCut(r ledger.TransferRequest, writes int64) ledger.Sent {
	w.Helper()
	book := ledger.NewBook(severedAfter(w.ledger, writes), w.clock.Now, w.dice.next)
	sent, err := book.Transfer(w.Context(), r)
	w.wantCode(err, "")
	return sent
}

func (w *world) resume(t ledger.Transfer) ledger.Transfer {
	w.Helper()
	resumed, err := w.book.ResumeTransfer(w.Context(), t.Tenant, t.CustomerID, t.ID)
	w.wantCode(err, "")
	return resumed
}

// wantTransfers compares the transfers account of customers with what their rows
// say is in transit, and every wallet with the laws.
func (w *world) wantTransfers(customers ...ledger.Customer) {
	w.Helper()
	var account, transit money.Amount
	for _, c := range customers {
		for _, e := range w.history(c).Entries {
			if e.Account == ledger.AccountTransfers {
				account -= signed(e)
			}
		}
		list, err := w.ledger.Transfers(w.Context(), c.Tenant, c.ID, ledger.Page{Limit: 200})
		w.wantCode(err, "")
		for _, t := range list.Transfers {
			if t.State != ledger.TransferInTransit {
				continue
			}
			arrived, err := w.ledger.Transfer(w.Context(), c.Tenant, t.OtherID, t.ID)
			if err != nil || arrived.State != ledger.TransferCompleted {
				transit += t.Amount
			}
		}
	}
	if account != transit {
		w.Errorf("got %d in account transfers, want %d, which is in transit", account, transit)
	}
}

func transferWhole(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 500))
	w.post(credit(to, 7))
	w.clock.Move(time.Minute)
	r := sending(from, to, 300)
	r.IdempotencyKey, r.Reason, r.Metadata = "split", "Half of the bill ✓", `{"a":"1"}`
	sent := w.transfer(r)
	id := sent.Transfer.ID
	at := epoch.Add(time.Minute)
	debit := ledger.Entry{
		ID: sent.Change.Entry.ID, Tenant: from.Tenant, CustomerID: from.ID, Currency: "USD", Position: 2, Seq: 2,
		Direction: ledger.Debit, Amount: 300, Before: 500, After: 200, Available: 200,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountTransfers,
		Allocations: []ledger.Allocation{{LotSeq: 1, Amount: 300}}, Reason: "Half of the bill ✓", ReferenceObjectID: id,
		Metadata: `{"a":"1"}`, IdempotencyKey: "split", Fingerprint: r.Fingerprint(), CreatedBy: "key_test", CreatedAt: at,
		Hash: sent.Change.Entry.Hash,
	}
	w.same("the debit", debit, sent.Change.Entry)
	w.sameEntry(from, debit)
	if "trf_"+debit.ID[len("cwt_"):] != id {
		w.Errorf("got transfer %s begun by entry %s, want ids that agree", id, debit.ID)
	}
	arrived := w.history(to).Entries[1]
	w.same("the credit", ledger.Entry{
		ID: arrived.ID, Tenant: to.Tenant, CustomerID: to.ID, Currency: "USD", Position: 2, Seq: 2,
		Direction: ledger.Credit, Amount: 300, Before: 7, After: 307, Available: 307,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountTransfers, Category: ledger.Paid,
		Reason: "Half of the bill ✓", ReferenceObjectID: id, Metadata: `{"a":"1"}`, CreatedBy: "key_test", CreatedAt: at,
		Hash: arrived.Hash,
	}, arrived)
	out := ledger.Transfer{
		Tenant: from.Tenant, CustomerID: from.ID, ID: id, Outgoing: true, OtherID: to.ID, State: ledger.TransferCompleted,
		Currency: "USD", Amount: 300, Position: 2, EntryID: debit.ID, CreatedAt: at, UpdatedAt: at,
	}
	w.same("the answer", out, sent.Transfer)
	in := out
	in.CustomerID, in.OtherID, in.Outgoing, in.EntryID = to.ID, from.ID, false, arrived.ID
	for _, want := range []ledger.Transfer{out, in} {
		got, err := w.ledger.Transfer(w.Context(), want.Tenant, want.CustomerID, id)
		w.wantCode(err, "")
		w.same("the row of "+want.CustomerID, want, got)
	}
	w.wantTransfers(from, to)
}

func transferKinds(w *world) {
	from, to := w.customer(), w.customer()
	soon, late := epoch.Add(time.Hour), epoch.Add(48*time.Hour)
	for range 3 { // lots of one kind become one
		w.post(credit(from, 100, expires(soon), of(ledger.Promotional)))
	}
	w.post(credit(from, 50, expires(late)))
	w.post(credit(from, 40, of(ledger.Promotional)))
	w.post(credit(from, 30))
	w.post(credit(from, 20))
	w.transfer(sending(from, to, 425))
	h := w.history(to)
	w.same("lots", []ledger.Lot{
		{Seq: 1, Category: ledger.Promotional, ExpiresAt: soon, Remaining: 300},
		{Seq: 2, Category: ledger.Paid, ExpiresAt: late, Remaining: 50},
		{Seq: 3, Category: ledger.Promotional, Remaining: 40},
		{Seq: 4, Category: ledger.Paid, Remaining: 35},
	}, h.Wallets[0].Lots)
	w.wantTransfers(from, to)
	w.transfer(sending(to, from, 425)) // and back, all of it
	w.wantTransfers(from, to)

	many := w.customer()
	for n := range ledger.TransferKindsMax + 1 {
		w.post(credit(many, 1, expires(late.Add(time.Duration(n)*time.Second))))
	}
	w.unchanged(func() {
		_, err := w.book.Transfer(w.Context(), sending(many, to, ledger.TransferKindsMax+1))
		w.wantCode(err, ledger.CodeInvalidTransfer)
	}, many, to)
	w.transfer(sending(many, to, ledger.TransferKindsMax))
	w.wantTransfers(many, from, to)
}

func transferExpired(w *world) {
	from, to := w.customer(), w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(from, 100, expires(end)))
	w.post(credit(from, 100))
	sent := w.sendCut(sending(from, to, 150), 1)
	w.clock.Set(end)
	w.wantState(w.resume(sent.Transfer), ledger.TransferCompleted)
	wallet := w.history(to).Wallets[0]
	if wallet.Balance != 150 || wallet.Available(end) != 50 {
		w.Errorf("got balance %d and available %d, want 150 and 50", wallet.Balance, wallet.Available(end))
	}
	w.same("what can be swept", []ledger.WalletKey{walletIn(to, "USD")}, w.found(10))
	w.sweep(to, 1)
	w.wantTransfers(from, to)
}

// A transfer is three writes, and four when it is refused. Whatever number of
// them has happened, each number of resumptions that are cut as well and one that
// is not bring it to the same end.
func transferEveryStep(w *world) {
	for _, refused := range []bool{false, true} {
		for first := range int64(5) {
			for second := range int64(5) {
				from, to := w.customer(), w.customer()
				w.post(credit(from, 100, of(ledger.Promotional)))
				w.post(credit(from, 100))
				sent := w.sendCut(sending(from, to, 130), 1)
				if refused {
					w.freeze(freezing(to, "", ledger.FreezeEverything))
				}
				for _, writes := range []int64{first, second, 9} {
					book := ledger.NewBook(severedAfter(w.ledger, writes), w.clock.Now, w.dice.next)
					_, _ = book.ResumeTransfer(w.Context(), from.Tenant, from.ID, sent.Transfer.ID)
					w.wantTransfers(from, to)
				}
				want, balances := ledger.TransferCompleted, [2]money.Amount{70, 130}
				if refused {
					want, balances = ledger.TransferReturned, [2]money.Amount{200, 0}
				}
				w.wantState(w.resume(sent.Transfer), want)
				if got := [2]money.Amount{w.balance(from), w.balance(to)}; got != balances {
					w.Errorf("refused %v, cut after %d and %d: got balances %v, want %v", refused, first, second, got, balances)
				}
			}
		}
	}
}

func (w *world) balance(c ledger.Customer) (sum money.Amount) {
	w.Helper()
	for _, wallet := range w.history(c).Wallets {
		sum += wallet.Balance
	}
	return sum
}

func transferReturned(w *world) {
	from, to := w.customer(), w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(from, 100, expires(end), of(ledger.Promotional)))
	w.post(credit(from, 100))
	sent := w.sendCut(sending(from, to, 130), 1)
	w.freeze(freezing(to, "USD", ledger.FreezeEverything))
	w.freeze(freezing(from, "", ledger.FreezeEverything)) // keeps nobody's own money away
	w.clock.Move(time.Minute)
	returned := w.resume(sent.Transfer)
	w.wantState(returned, ledger.TransferReturned)
	if returned.Refusal != ledger.CodeCustomerNotActive || !returned.UpdatedAt.Equal(epoch.Add(time.Minute)) {
		w.Errorf("got %+v, want it refused for the freeze, now", returned)
	}
	h := w.history(from)
	back := h.Entries[3]
	w.same("the return", ledger.Entry{
		ID: back.ID, Tenant: from.Tenant, CustomerID: from.ID, Currency: "USD", Position: 4, Seq: 4,
		Direction: ledger.Credit, Amount: 130, Before: 70, After: 200, Available: 200,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountTransfers,
		Allocations: []ledger.Allocation{{LotSeq: 1, Amount: 100}, {LotSeq: 2, Amount: 30}}, Reverses: sent.Change.Entry.ID,
		Reason: ledger.TransferReturnReason, ReferenceObjectID: returned.ID, Metadata: "{}", CreatedBy: "key_test",
		CreatedAt: epoch.Add(time.Minute), Hash: back.Hash,
	}, back)
	w.same("lots", []ledger.Lot{
		{Seq: 1, Category: ledger.Promotional, ExpiresAt: end, Remaining: 100}, {Seq: 2, Category: ledger.Paid, Remaining: 100},
	}, h.Wallets[0].Lots)
	w.unchanged(func() { w.same("resumed again", returned, w.resume(returned)) }, from, to)
	w.wantTransfers(from, to)
	w.limitReturns()
}

// limitReturns has a destination grow beyond what it can receive.
func (w *world) limitReturns() {
	w.Helper()
	from, to := w.customer(), w.customer()
	w.post(credit(from, 100))
	const full = 9007 // entries of the largest amount
	rows := slices.Repeat([]ledger.PostRequest{credit(to, money.EntryMax)}, full)
	for part := range slices.Chunk(rows, 500) { // a store may refuse what waits too long
		_, err := w.book.PostMany(w.Context(), part, true)
		w.wantCode(err, "")
	}
	sent := w.sendCut(sending(from, to, 60), 1)
	w.post(credit(to, money.BalanceMax-59-full*money.EntryMax))
	returned := w.resume(sent.Transfer)
	w.wantState(returned, ledger.TransferReturned)
	if returned.Refusal != ledger.CodeBalanceLimit {
		w.Errorf("got refusal %q, want %q", returned.Refusal, ledger.CodeBalanceLimit)
	}
	_, err := w.book.Transfer(w.Context(), sending(from, to, 60))
	w.wantCode(err, ledger.CodeBalanceLimit)
	w.transfer(sending(from, to, 59))
}

func transferDecidedOnce(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 100))
	sent := w.sendCut(sending(from, to, 60), 1)
	w.freeze(freezing(to, "", ledger.FreezeEverything))
	book := ledger.NewBook(severedAfter(w.ledger, 2), w.clock.Now, w.dice.next)
	if _, err := book.ResumeTransfer(w.Context(), from.Tenant, from.ID, sent.Transfer.ID); !errors.Is(err, errCut) {
		w.Errorf("got error %v, want the cut", err)
	}
	w.freeze(lifting(to, ""))
	w.wantState(w.resume(sent.Transfer), ledger.TransferReturned)
	w.wantTransfers(from, to)

	sent = w.sendCut(sending(from, to, 60), 2) // it has arrived, and the source does not know
	w.freeze(freezing(to, "", ledger.FreezeEverything))
	row := sent.Transfer
	row.CustomerID, row.OtherID, row.Outgoing, row.Position, row.EntryID = to.ID, from.ID, false, 0, ""
	row.State, row.Refusal = ledger.TransferRefused, ledger.CodeCustomerNotActive
	settled, err := w.ledger.SettleTransfer(w.Context(), row)
	w.wantCode(err, "")
	w.wantState(settled, ledger.TransferCompleted)
	w.wantState(w.resume(sent.Transfer), ledger.TransferCompleted)
	if w.balance(from) != 40 || w.balance(to) != 60 {
		w.Errorf("got balances %d and %d, want 40 and 60", w.balance(from), w.balance(to))
	}
	w.wantTransfers(from, to)
}
