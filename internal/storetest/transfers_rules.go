package storetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// The scenarios of transfers about keys, refusals, lists and races.

func transferKeys(w *world) {
	from, to, other := w.customer(), w.customer(), w.customer()
	w.post(credit(from, 500))
	first := sending(from, to, 100)
	first.IdempotencyKey = "once"
	sent := w.transfer(first)
	w.post(debit(from, 400))
	w.freeze(freezing(to, "", ledger.FreezeEverything))
	w.unchanged(func() {
		seq := int64(0)
		repeat := first
		repeat.Conditions.IfSeq, repeat.CreatedBy, repeat.CurrencyEnabled = &seq, "key_other", false
		again, err := w.book.Transfer(w.Context(), repeat)
		w.wantCode(err, "")
		w.wantReplay(ledger.Change{Entry: sent.Change.Entry, Wallet: sent.Change.Wallet}, again.Change)
		w.same("the transfer", sent.Transfer, again.Transfer)
		for name, change := range map[string]func(*ledger.TransferRequest){
			"destination": func(r *ledger.TransferRequest) { r.ToCustomerID = other.ID },
			"amount":      func(r *ledger.TransferRequest) { r.Amount++ },
			"currency":    func(r *ledger.TransferRequest) { r.Currency = "INR" },
			"reason":      func(r *ledger.TransferRequest) { r.Reason = "x" },
			"metadata":    func(r *ledger.TransferRequest) { r.Metadata = `{"x":"1"}` },
		} {
			r := first
			change(&r)
			if _, err := w.book.Transfer(w.Context(), r); ledger.CodeOf(err) != ledger.CodeKeyReused {
				w.Errorf("another %s: got error %v, want the key used", name, err)
			}
		}
	}, from, to, other)
	w.refuse(ledger.CodeKeyReused, debit(from, 100, withKey("once")))
	w.freeze(lifting(to, ""))
	w.post(credit(to, 1, withKey("once"))) // a key of the source alone
}

func transferRepeatFinishes(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 500))
	r := sending(from, to, 100)
	r.IdempotencyKey = "once"
	sent := w.sendCut(r, 1)
	w.wantState(sent.Transfer, ledger.TransferInTransit)
	w.wantTransfers(from, to)
	again, err := w.book.Transfer(w.Context(), r)
	w.wantCode(err, "")
	w.wantState(again.Transfer, ledger.TransferCompleted)
	if !again.Change.Replayed || again.Transfer.ID != sent.Transfer.ID || w.balance(to) != 100 {
		w.Errorf("got %+v and balance %d, want the first transfer finished", again, w.balance(to))
	}
	w.wantTransfers(from, to)
}

func transferRefused(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 500))
	seq, least := int64(9), money.Amount(501)
	w.unchanged(func() {
		for name, step := range map[string]struct {
			change func(*ledger.TransferRequest)
			code   ledger.Code
		}{
			"the same wallet":     {func(r *ledger.TransferRequest) { r.ToCustomerID = from.ID }, ledger.CodeInvalidTransfer},
			"no such destination": {func(r *ledger.TransferRequest) { r.ToCustomerID = "cus_nobody" }, ledger.CodeNotFound},
			"no such source":      {func(r *ledger.TransferRequest) { r.CustomerID = "cus_nobody" }, ledger.CodeNotFound},
			"no id":               {func(r *ledger.TransferRequest) { r.ToCustomerID = "x\x00" }, ledger.CodeNotFound},
			"no amount":           {func(r *ledger.TransferRequest) { r.Amount = 0 }, ledger.CodeAmountNotPositive},
			"too much":            {func(r *ledger.TransferRequest) { r.Amount = money.EntryMax + 1 }, ledger.CodeAmountTooLarge},
			"no currency":         {func(r *ledger.TransferRequest) { r.Currency = "XXX" }, ledger.CodeUnsupportedCurrency},
			"currency off":        {func(r *ledger.TransferRequest) { r.CurrencyEnabled = false }, ledger.CodeUnsupportedCurrency},
			"more than there is":  {func(r *ledger.TransferRequest) { r.Amount = 501 }, ledger.CodeInsufficientFunds},
			"an empty wallet":     {func(r *ledger.TransferRequest) { r.Currency = "INR" }, ledger.CodeInsufficientFunds},
			"another seq":         {func(r *ledger.TransferRequest) { r.Conditions.IfSeq = &seq }, ledger.CodeConditionFailed},
			"not enough":          {func(r *ledger.TransferRequest) { r.Conditions.IfAvailableAtLeast = &least }, ledger.CodeConditionFailed},
			"a control character": {func(r *ledger.TransferRequest) { r.Reason = "\x01" }, ledger.CodeInvalidReason},
		} {
			r := sending(from, to, 100)
			r.IdempotencyKey = "key"
			step.change(&r)
			if _, err := w.book.Transfer(w.Context(), r); ledger.CodeOf(err) != step.code {
				w.Errorf("%s: got error %v, want %s", name, err, step.code)
			}
		}
	}, from, to)
	for _, freeze := range []ledger.FreezeRequest{
		freezing(from, "", ledger.FreezeDebits), freezing(from, "USD", ledger.FreezeEverything), freezing(to, "", ledger.FreezeEverything),
		freezing(to, "USD", ledger.FreezeEverything),
	} {
		w.freeze(freeze)
		_, err := w.book.Transfer(w.Context(), sending(from, to, 100))
		w.wantCode(err, ledger.CodeCustomerNotActive)
		freeze.Lift, freeze.Scope = true, ""
		w.freeze(freeze)
	}
	w.freeze(freezing(to, "", ledger.FreezeDebits)) // may still receive
	r := sending(from, to, 100)
	r.IdempotencyKey = "key" // no refusal has used it up
	w.transfer(r)
}

func transferTenancy(w *world) {
	from := w.customer()
	w.post(credit(from, 500))
	live := ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Live}
	strangers := []ledger.Customer{
		w.customer(func(c *ledger.Customer) { c.Tenant = live }),
		w.customer(func(c *ledger.Customer) { c.Tenant = w.business("Second Shop") }),
	}
	for _, to := range strangers {
		w.unchanged(func() {
			_, err := w.book.Transfer(w.Context(), sending(from, to, 100))
			w.wantCode(err, ledger.CodeNotFound)
		}, from, to)
	}
	to := w.customer()
	sent := w.transfer(sending(from, to, 100))
	for _, stranger := range strangers {
		_, err := w.ledger.Transfer(w.Context(), stranger.Tenant, from.ID, sent.Transfer.ID)
		w.wantCode(err, ledger.CodeNotFound)
	}
	_, err := w.ledger.Transfer(w.Context(), from.Tenant, w.customer().ID, sent.Transfer.ID)
	w.wantCode(err, ledger.CodeNotFound)
}

func transferNotReversible(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 500))
	sent := w.transfer(sending(from, to, 100))
	w.unchanged(func() {
		_, err := w.book.Reverse(w.Context(), reversal(sent.Change, 100))
		w.wantCode(err, ledger.CodeNotReversible)
		_, err = w.book.Reverse(w.Context(), reversal(ledger.Change{Entry: w.history(to).Entries[0]}, 100))
		w.wantCode(err, ledger.CodeNotReversible)
	}, from, to)
}

func transferLists(w *world) {
	a, b := w.customer(), w.customer()
	w.post(credit(a, 500))
	var want []string
	for n := range 7 {
		w.clock.Move(time.Second)
		from, to := a, b
		if n%3 == 2 {
			from, to = b, a
		}
		want = append(want, w.transfer(sending(from, to, 10)).Transfer.ID)
	}
	refused := w.sendCut(sending(a, b, 10), 1)
	w.freeze(freezing(b, "", ledger.FreezeEverything))
	w.wantState(w.resume(refused.Transfer), ledger.TransferReturned)
	slices.Reverse(want)
	for limit := 1; limit <= 9; limit++ {
		for _, c := range []ledger.Customer{a, b} {
			expected := want
			if c.ID == a.ID {
				expected = append([]string{refused.Transfer.ID}, want...)
			}
			var got []string
			for page := (ledger.Page{Limit: limit}); ; {
				list, err := w.ledger.Transfers(w.Context(), c.Tenant, c.ID, page)
				w.wantCode(err, "")
				for _, t := range list.Transfers {
					got = append(got, t.ID)
					row, err := w.ledger.Transfer(w.Context(), c.Tenant, c.ID, t.ID)
					w.wantCode(err, "")
					w.same("the row in the list", row, t)
				}
				if page.Before = list.Next; page.Before == 0 {
					break
				}
			}
			w.same(fmt.Sprintf("transfers in pages of %d", limit), expected, got)
		}
	}
	_, err := w.ledger.Transfers(w.Context(), a.Tenant, "cus_nobody", ledger.Page{Limit: 1})
	w.wantCode(err, ledger.CodeNotFound)
	for _, id := range []string{"", "trf_x", "x\x00"} {
		_, err := w.ledger.Transfer(w.Context(), a.Tenant, a.ID, id)
		w.wantCode(err, ledger.CodeNotFound)
	}
}

func transferUnfinished(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 500))
	w.transfer(sending(from, to, 10))
	var want []ledger.Transfer
	for n := range int64(6) {
		w.clock.Move(time.Second)
		want = append(want, w.sendCut(sending(from, to, 10), 1+n%2).Transfer)
	}
	// A store of many scenarios has the unfinished of others as well.
	mine := func(all []ledger.Transfer) []ledger.Transfer {
		return slices.DeleteFunc(all, func(t ledger.Transfer) bool { return t.CustomerID != from.ID })
	}
	all, err := w.ledger.UnfinishedTransfers(w.Context(), "", 100_000)
	w.wantCode(err, "")
	w.same("the unfinished", want, mine(all))
	rest, err := w.ledger.UnfinishedTransfers(w.Context(), want[2].ID, 100_000)
	w.wantCode(err, "")
	w.same("those after the third", want[3:], mine(rest))
	one, err := w.ledger.UnfinishedTransfers(w.Context(), "", 1)
	if err != nil || len(one) != 1 {
		w.Errorf("got %v and error %v, want one", one, err)
	}
	for _, t := range want {
		w.wantState(w.resume(t), ledger.TransferCompleted)
	}
	all, err = w.ledger.UnfinishedTransfers(w.Context(), "", 100_000)
	w.wantCode(err, "")
	w.same("the unfinished at the end", []ledger.Transfer(nil), mine(all))
	w.wantTransfers(from, to)
}

func transferRace(w *world) {
	a, b := w.customer(), w.customer()
	w.post(credit(a, 1000))
	w.post(credit(b, 1000))
	together(64, func(n int) {
		from, to := a, b
		if n%2 == 0 {
			from, to = b, a
		}
		if _, err := w.book.Transfer(w.Context(), sending(from, to, 10)); err != nil {
			w.Errorf("got error %v, want the transfer", err)
		}
	})
	if w.balance(a) != 1000 || w.balance(b) != 1000 {
		w.Errorf("got balances %d and %d, want 1000 and 1000", w.balance(a), w.balance(b))
	}
	w.wantTransfers(a, b)
}

func transferRaceResume(w *world) {
	for writes := int64(1); writes <= 2; writes++ {
		from, to := w.customer(), w.customer()
		w.post(credit(from, 100))
		sent := w.sendCut(sending(from, to, 60), writes)
		together(16, func(int) {
			t, err := w.book.ResumeTransfer(w.Context(), from.Tenant, from.ID, sent.Transfer.ID)
			if err != nil || t.State != ledger.TransferCompleted {
				w.Errorf("got state %q and error %v, want it completed", t.State, err)
			}
		})
		if w.balance(from) != 40 || w.balance(to) != 60 {
			w.Errorf("got balances %d and %d, want 40 and 60", w.balance(from), w.balance(to))
		}
		w.wantTransfers(from, to)
	}
}

func transferRaceKey(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 900))
	var first atomic.Int64
	together(32, func(int) {
		r := sending(from, to, 10)
		r.IdempotencyKey = "once"
		sent, err := w.book.Transfer(w.Context(), r)
		w.wantCode(err, "")
		w.wantState(sent.Transfer, ledger.TransferCompleted)
		if !sent.Change.Replayed {
			first.Add(1)
		}
	})
	if first.Load() != 1 || w.balance(to) != 10 {
		w.Errorf("got %d effects and balance %d, want one of 10", first.Load(), w.balance(to))
	}
	w.wantTransfers(from, to)
}

func transferRaceFunds(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 900))
	together(64, func(int) {
		_, err := w.book.Transfer(w.Context(), sending(from, to, 30))
		if code := ledger.CodeOf(err); code != "" && code != ledger.CodeInsufficientFunds {
			w.Errorf("got error %v, want none or no funds", err)
		}
	})
	if w.balance(from) != 0 || w.balance(to) != 900 {
		w.Errorf("got balances %d and %d, want 0 and 900", w.balance(from), w.balance(to))
	}
	w.wantTransfers(from, to)
}

func transferRaceFreeze(w *world) {
	from, to := w.customer(), w.customer()
	w.post(credit(from, 1000))
	var unfinished []ledger.Transfer
	for range 10 {
		unfinished = append(unfinished, w.sendCut(sending(from, to, 100), 1).Transfer)
	}
	together(17, func(n int) {
		if n == 0 {
			for range 10 {
				for _, r := range []ledger.FreezeRequest{freezing(to, "", ledger.FreezeEverything), lifting(to, "")} {
					if _, _, err := w.book.Freeze(w.Context(), r, nil); err != nil {
						w.Errorf("got error %v, want the freeze", err)
					}
				}
			}
			return
		}
		for _, t := range unfinished {
			done, err := w.book.ResumeTransfer(w.Context(), from.Tenant, from.ID, t.ID)
			if err != nil || done.State == ledger.TransferInTransit {
				w.Errorf("got state %q and error %v, want it finished", done.State, err)
			}
		}
	})
	if sum := w.balance(from) + w.balance(to); sum != 1000 {
		w.Errorf("got %d together, want 1000", sum)
	}
	w.wantTransfers(from, to)
}
