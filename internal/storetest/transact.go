package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func transactScenarios() []scenario {
	return []scenario{
		{"commits exactly the change", transactCommitsTheChange},
		{"every event type, account and text comes back as it went in", transactKeepsEveryField},
		{"a refusal is returned as it is and leaves no trace", transactRefusal},
		{"positions count the customer's entries, seqs the wallet's", transactPositions},
		{"an acknowledged entry is in every read that follows", transactReadYourWrites},
		{"what a wallet holds is kept", transactHeld},
		{"the largest entries and the largest balance", transactLimits},
		{"a context that was cancelled before", transactCancelledBefore},
		{"a context that is cancelled meanwhile", transactCancelledMeanwhile},
		{"a change of several entries", transactSeveral},
		{"a change that breaks arithmetic is not committed", transactBrokenChange},
	}
}

// scopeOf is the scope that the Book would make for a request now.
func (w *world) scopeOf(r ledger.PostRequest) ledger.Scope {
	s := ledger.Scope{Tenant: r.Tenant, CustomerID: r.CustomerID, Currency: r.Currency, Key: r.IdempotencyKey,
		At: w.book.Now()}
	if r.Direction == ledger.Debit {
		s.Need, s.Partial = r.Amount, r.AllowPartial
	}
	return s
}

// postAltered posts what alter makes of the rules' decision, with the hash
// made anew: entries that this version's rules do not make yet.
func (w *world) postAltered(r ledger.PostRequest, alter func(*ledger.Change)) (ledger.Change, error) {
	moment := ledger.Moment{Now: w.book.Now(), Random: w.dice.next()}
	return w.ledger.Transact(w.Context(), w.scopeOf(r), func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := ledger.Post(s, &r, moment)
		if err != nil || change.Replayed {
			return change, err
		}
		alter(&change)
		change.Entry.Hash = change.Entry.ChainHash(s.Chain.Hash)
		return change, nil
	})
}

func transactCommitsTheChange(w *world) {
	c := w.customer()
	w.post(credit(c, 300))
	w.clock.Move(time.Second)
	r := credit(c, 999, in("INR"), withKey("order 7 "), of(ledger.Promotional), expires(epoch.Add(time.Hour)),
		because("Welcome ✓"), reference("inv_1"))
	r.Metadata = `{"a":"1","b":"ü"}`
	var decided ledger.Change
	got, err := w.ledger.Transact(w.Context(), w.scopeOf(r), func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := ledger.Post(s, &r, ledger.Moment{Now: w.book.Now(), Random: 42})
		decided = change
		return change, err
	})
	w.wantCode(err, "")
	w.same("change that Transact returned", decided, got)
	w.sameEntry(c, decided.Entry)
	h := w.history(c)
	w.same("the last entry", decided.Entry, h.Entries[len(h.Entries)-1])
	w.same("the chain", ledger.Chain{Position: 2, Hash: decided.Entry.Hash, LastAt: w.book.Now()}, h.Chain)
	w.same("the wallet", decided.Wallet, h.Wallets[0])
	if len(h.Wallets) != 2 || h.Wallets[0].Currency != "INR" || h.Wallets[1].Currency != "USD" {
		w.Errorf("got wallets %+v, want INR and USD in this order", h.Wallets)
	}
}

// sameEntry reads an entry back by its id and compares it field by field.
func (w *world) sameEntry(c ledger.Customer, want ledger.Entry) {
	w.Helper()
	got, err := w.ledger.Entry(w.Context(), c.Tenant, c.ID, want.ID)
	if err != nil {
		w.Errorf("read entry %s: got error %v, want it", want.ID, err)
		return
	}
	w.same("entry read back", want, got)
	if got.CreatedAt.Location() != time.UTC || got.ExpiresAt.Location() != time.UTC {
		w.Errorf("got times in %v and %v, want UTC", got.CreatedAt.Location(), got.ExpiresAt.Location())
	}
}

func transactKeepsEveryField(w *world) {
	c := w.customer()
	// Only expiry entries count against breakage, only moves of an expiry against
	// expiry_moves, and only loans and what pays them against debt; scenarios of their
	// own read them.
	accounts := []ledger.Account{
		ledger.AccountMerchant, ledger.AccountCash, ledger.AccountRevenue, ledger.AccountPromotion, ledger.AccountRefunds,
		ledger.AccountDisputes, ledger.AccountTransfers,
	}
	texts := []string{
		"", " ", "plain", `quotes ' " ` + "`", "back\\slash", "ünïcödé 王 🙂", "a\u0301 is not \u00e1", "\u202ertl", "{}", "null", "0",
		"line separator\u2028", strings.Repeat("王", ledger.ReasonMax),
	}
	var want []ledger.Entry
	for i := range max(len(accounts), len(texts), len(ledger.EventTypes())) {
		w.clock.Move(time.Microsecond)
		r := credit(c, money.Amount(1+i), because(texts[i%len(texts)]),
			reference(clipRunes(texts[i%len(texts)], ledger.ReferenceMax)))
		r.Metadata = `{"text":"` + strings.NewReplacer(`"`, "", `\`, "").Replace(texts[i%len(texts)]) + `"}`
		r.CreatedBy = "key_" + clipRunes(texts[i%len(texts)], 20)
		change, err := w.postAltered(r, func(change *ledger.Change) {
			change.Entry.EventType = ledger.EventTypes()[i%len(ledger.EventTypes())]
			change.Entry.Account = accounts[i%len(accounts)]
		})
		if err != nil {
			w.Fatalf("entry %d: got error %v, want none", i, err)
		}
		want = append(want, change.Entry)
	}
	for _, entry := range want {
		w.sameEntry(c, entry)
	}
	w.same("all entries", want, w.history(c).Entries)
}

func clipRunes(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

func transactRefusal(w *world) {
	c := w.customer()
	w.post(credit(c, 500, withKey("k1")))
	refusals := []error{
		ledger.Errorf(ledger.CodeInsufficientFunds, "Insufficient funds in wallet"),
		errors.New("not one of ours"),
		context.DeadlineExceeded,
	}
	for _, refusal := range refusals {
		for _, currency := range []money.Currency{"USD", "INR"} {
			w.unchanged(func() {
				scope := w.scopeOf(debit(c, 100, in(currency), withKey("k2")))
				_, err := w.ledger.Transact(w.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
					// A decision that refuses may have filled in its change.
					return ledger.Change{Entry: ledger.Entry{ID: "cwt_x", Amount: 1}, Wallet: s.Wallet}, refusal
				})
				if err != refusal {
					w.Errorf("got error %v, want the decision's own %v", err, refusal)
				}
			}, c)
		}
	}
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 501))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 1, in("INR"), withKey("k3")))
	w.post(debit(c, 500))
}

func transactPositions(w *world) {
	c, other := w.customer(), w.customer()
	w.post(credit(other, 5))
	currencies := []money.Currency{"USD", "INR", "USD", "USD", "JPY", "INR", "USD", "KWD"}
	seqs := []int64{1, 1, 2, 3, 1, 2, 4, 1}
	for i, currency := range currencies {
		change := w.post(credit(c, 10, in(currency)))
		if e := change.Entry; e.Position != int64(i+1) || e.Seq != seqs[i] {
			w.Errorf("entry %d in %s: got position %d and seq %d, want %d and %d", i+1, currency, e.Position, e.Seq, i+1, seqs[i])
		}
	}
	h := w.history(c)
	var codes []money.Currency
	for _, wallet := range h.Wallets {
		codes = append(codes, wallet.Currency)
	}
	w.same("wallets by currency", []money.Currency{"INR", "JPY", "KWD", "USD"}, codes)
	w.history(other)
}

func transactReadYourWrites(w *world) {
	c := w.customer()
	for i := range 70 {
		r := credit(c, 10, in([]money.Currency{"USD", "INR"}[i%2]))
		if i%5 == 4 {
			r = debit(c, 15)
		}
		change := w.post(r)
		w.sameEntry(c, change.Entry)
		list, err := w.ledger.Entries(w.Context(), c.Tenant, c.ID, ledger.EntryFilter{}, ledger.Page{Limit: 1})
		w.wantCode(err, "")
		w.same("newest entry", []ledger.Entry{change.Entry}, list.Entries)
		wallets, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, w.book.Now())
		w.wantCode(err, "")
		for _, wallet := range wallets.Wallets {
			if wallet.Currency == change.Entry.Currency {
				want, got := change.Wallet, wallet
				bare(&want, &got)
				w.same("wallet", want, got)
			}
		}
		if wallets.Chain.Position != change.Entry.Position || list.AsOfPosition != change.Entry.Position {
			w.Errorf("got chain at %d and list as of %d, want %d", wallets.Chain.Position, list.AsOfPosition, change.Entry.Position)
		}
	}
	w.history(c)
}

func transactHeld(w *world) {
	c := w.customer()
	change, err := w.postAltered(credit(c, 500), func(change *ledger.Change) {
		change.Wallet.Held = 200
		change.Entry.Available = 300
	})
	w.wantCode(err, "")
	w.sameEntry(c, change.Entry)
	list, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, w.book.Now())
	w.wantCode(err, "")
	if got := list.Wallets[0]; got.Held != 200 || got.Available(w.book.Now()) != 300 {
		w.Errorf("got held %d and available %d, want 200 and 300", got.Held, got.Available(w.book.Now()))
	}
	_, err = w.book.Post(w.Context(), debit(c, 301))
	w.wantCode(err, ledger.CodeInsufficientFunds)
	if got := w.post(debit(c, 300)); got.Wallet.Held != 200 || got.Wallet.Balance != 200 || got.Entry.Available != 0 {
		w.Errorf("got held %d, balance %d, available %d, want 200, 200, 0", got.Wallet.Held, got.Wallet.Balance, got.Entry.Available)
	}
}

func transactLimits(w *world) {
	c := w.customer()
	// So many of the largest credits leave room for less than one more.
	const full = 9_007
	const rest = money.BalanceMax - full*money.EntryMax
	const hands = 64
	together(hands, func(i int) {
		for n := i; n < full; n += hands {
			if _, err := w.book.Post(w.Context(), credit(c, money.EntryMax)); err != nil {
				w.Errorf("credit %d: got error %v, want it accepted", n, err)
				return
			}
		}
	})
	w.refuseQuick(ledger.CodeBalanceLimit, credit(c, rest+1))
	change := w.post(credit(c, rest))
	if got := change.Wallet.Balance; got != money.BalanceMax {
		w.Errorf("got balance %d, want %d", got, money.BalanceMax)
	}
	w.refuseQuick(ledger.CodeBalanceLimit, credit(c, 1))
	w.post(credit(c, money.EntryMax, in("INR")))
	change = w.post(debit(c, money.EntryMax))
	w.sameEntry(c, change.Entry)
	if got, want := change.Wallet.Balance, money.BalanceMax-money.EntryMax; got != want {
		w.Errorf("got balance %d, want %d", got, want)
	}
	w.same("allocations", []ledger.Allocation{{LotSeq: 1, Amount: money.EntryMax}}, change.Entry.Allocations)
}

// refuseQuick checks a refusal by its code and the newest entry, for customers
// whose whole history is too long to read often.
func (w *world) refuseQuick(code ledger.Code, r ledger.PostRequest) {
	w.Helper()
	newest := func() ledger.EntryList {
		list, err := w.ledger.Entries(w.Context(), r.Tenant, r.CustomerID, ledger.EntryFilter{}, ledger.Page{Limit: 1})
		w.wantCode(err, "")
		return list
	}
	before := newest()
	_, err := w.book.Post(w.Context(), r)
	w.wantCode(err, code)
	w.same("newest entry after a refusal", before, newest())
}

func transactCancelledBefore(w *world) {
	c := w.customer()
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	r := credit(c, 500, withKey("k1"))
	_, err := w.book.Post(ctx, r)
	w.settleCancelled(c, r, err)
}

func transactCancelledMeanwhile(w *world) {
	for range 20 {
		c := w.customer()
		ctx, cancel := context.WithCancel(w.Context())
		r := credit(c, 500, withKey("k1"))
		moment := ledger.Moment{Now: w.book.Now(), Random: w.dice.next()}
		_, err := w.ledger.Transact(ctx, w.scopeOf(r), func(s ledger.Snapshot) (ledger.Change, error) {
			cancel()
			return ledger.Post(s, &r, moment)
		})
		w.settleCancelled(c, r, err)
	}
}

// settleCancelled finds out, as a caller would, what became of a request whose
// context was cancelled: sending it again must leave exactly one effect.
func (w *world) settleCancelled(c ledger.Customer, r ledger.PostRequest, err error) {
	w.Helper()
	if err != nil && !errors.Is(err, context.Canceled) {
		w.Errorf("got error %v, want none or %v", err, context.Canceled)
	}
	again, errAgain := w.book.Post(w.Context(), r)
	if errAgain != nil {
		w.Fatalf("repeat: got error %v, want an answer", errAgain)
	}
	if err == nil && !again.Replayed {
		w.Errorf("repeat of an acknowledged request: got a new entry, want a replay")
	}
	if h := w.history(c); len(h.Entries) != 1 || h.Wallets[0].Balance != 500 {
		w.Errorf("got %d entries and wallets %+v, want one entry and 500", len(h.Entries), h.Wallets)
	}
}

// transactSeveral has a change of several entries: whoever reads sees all or none
// of them, and the lots are what all of them left.
func transactSeveral(w *world) {
	for _, before := range []int{0, 1, 20} { // lots, of which the store writes some out
		c := w.customer()
		for range before {
			w.post(credit(c, 10))
		}
		asked := credit(c, 300, withKey("k1"))
		more := []ledger.PostRequest{
			debit(c, 120), credit(c, 40, of(ledger.Promotional)), credit(c, 5, expires(w.clock.Now().Add(time.Hour))),
			debit(c, 41), credit(c, 7),
		}
		scope := w.scopeOf(asked)
		scope.Need = ledger.NeedAll
		decide := func(s ledger.Snapshot) (ledger.Change, error) {
			moment := ledger.Moment{Now: w.book.Now(), Random: 42}
			change, err := ledger.Post(s, &asked, moment)
			for i := range more {
				if err != nil || change.Replayed {
					break
				}
				var next ledger.Change
				next, err = ledger.Post(s.After(&change), &more[i], moment)
				change = change.Then(&next)
			}
			return change, err
		}
		change, err := w.ledger.Transact(w.Context(), scope, decide)
		w.wantCode(err, "")
		if len(change.Follows) != len(more) {
			w.Fatalf("got %d entries that follow, want %d", len(change.Follows), len(more))
		}
		h, last := w.history(c), moneyOf(10*before+191)
		w.same("the entries", slices.Collect(entriesOf(&change)), h.Entries[before:])
		if got := h.Wallets[0]; got.Balance != last || got.Seq != int64(before+6) || change.Wallet.Balance != last {
			w.Errorf("got the wallet %+v, want %d at seq %d", got, last, before+6)
		}
		if got := change.Answer(); got.Balance != moneyOf(10*before+300) || got.Seq != int64(before+1) {
			w.Errorf("got the answer %+v, want the wallet right after the first entry", got)
		}
		again, err := w.ledger.Transact(w.Context(), scope, decide)
		w.wantCode(err, "")
		w.wantReplay(change, again)
		w.post(debit(c, last))
		w.history(c)
	}
}

func entriesOf(change *ledger.Change) iter.Seq[ledger.Entry] {
	return func(yield func(ledger.Entry) bool) {
		for e := range change.Entries() {
			if !yield(*e) {
				return
			}
		}
	}
}

// transactBrokenChange has decisions break the arithmetic that a store guards
// a second time. The store must refuse with an error that is not a rule's, and
// the customer must be as before, in memory too.
func transactBrokenChange(w *world) {
	c := w.customer()
	w.post(credit(c, 500, withKey("k1")))
	breaks := map[string]func(*ledger.Change){
		"after is not before and amount": func(change *ledger.Change) { change.Entry.After++ },
		"the amount is zero": func(change *ledger.Change) {
			change.Entry.Amount, change.Entry.After = 0, change.Entry.Before
		},
		"the balance is negative": func(change *ledger.Change) {
			change.Entry.Before, change.Entry.After = -100, -40
			change.Wallet.Balance = -40
		},
	}
	for name, alter := range breaks {
		w.unchanged(func() {
			_, err := w.postAltered(credit(c, 60, withKey("k2")), alter)
			if got := ledger.CodeOf(err); got != ledger.CodeInternal {
				w.Errorf("%s: got code %q (error: %v), want %q", name, got, err, ledger.CodeInternal)
			}
		}, c)
	}
	w.post(debit(c, 500, withKey("k2")))
	w.history(c)
}
