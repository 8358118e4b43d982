package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func raceScenarios() []scenario {
	return []scenario{
		{"O2 300 debits of 1 at once on 100: exactly 100 succeed", raceDebits},
		{"K6 one key 64 times at once: one effect, 63 replays", raceOneKey},
		{"K6 one key with 64 amounts at once: one effect, 63 refusals", raceOneKeyManyAmounts},
		{"K6 the same key in two currencies at once: one effect", raceOneKeyTwoCurrencies},
		{"of 64 entries under one if_seq one is accepted", raceOneSeq},
		{"O2 64 partial debits of 3 at once take 100 and nothing more", racePartial},
		{"M5 credits and debits of many customers at once", raceManyCustomers},
		{"a refused or broken command does not spoil its neighbours", raceNeighbours},
		{"R1 each answer is the balance at its own place", raceAnswersInOrder},
	}
}

func raceDebits(w *world) {
	c := w.customer()
	w.post(credit(c, 60))
	w.post(credit(c, 40, of(ledger.Promotional)))
	var accepted, refused atomic.Int64
	together(300, func(int) {
		_, err := w.book.Post(w.Context(), debit(c, 1))
		switch ledger.CodeOf(err) {
		case "":
			accepted.Add(1)
		case ledger.CodeInsufficientFunds:
			refused.Add(1)
		default:
			w.Errorf("debit: got error %v, want none or %s", err, ledger.CodeInsufficientFunds)
		}
	})
	if accepted.Load() != 100 || refused.Load() != 200 {
		w.Errorf("got %d accepted and %d refused, want 100 and 200", accepted.Load(), refused.Load())
	}
	h := w.history(c)
	if len(h.Entries) != 102 || h.Wallets[0].Balance != 0 {
		w.Errorf("got %d entries and balance %d, want 102 and 0", len(h.Entries), h.Wallets[0].Balance)
	}
}

// count tells how the entries posted at once were answered.
func (w *world) count(n int, request func(i int) ledger.PostRequest, refusal ledger.Code) (accepted, moved int64) {
	w.Helper()
	var entries, amount atomic.Int64
	together(n, func(i int) {
		change, err := w.book.Post(w.Context(), request(i))
		switch ledger.CodeOf(err) {
		case "":
			entries.Add(1)
			amount.Add(int64(change.Entry.Amount))
		case refusal:
		default:
			w.Errorf("got error %v, want none or %s", err, refusal)
		}
	})
	return entries.Load(), amount.Load()
}

func raceOneSeq(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	for seq := range int64(3) {
		accepted, _ := w.count(64, func(i int) ledger.PostRequest {
			return request(c, []ledger.Direction{ledger.Credit, ledger.Debit}[i%2], 5, ifSeq(seq+1))
		}, ledger.CodeConditionFailed)
		if accepted != 1 {
			w.Errorf("if_seq %d: got %d accepted, want 1", seq+1, accepted)
		}
	}
	if h := w.history(c); len(h.Entries) != 4 {
		w.Errorf("got %d entries, want 4", len(h.Entries))
	}
}

func racePartial(w *world) {
	c := w.customer()
	w.post(credit(c, 60))
	w.post(credit(c, 40, of(ledger.Promotional)))
	three := func(int) ledger.PostRequest { return debit(c, 3, partial) }
	accepted, moved := w.count(64, three, ledger.CodeInsufficientFunds)
	if accepted != 34 || moved != 100 {
		w.Errorf("got %d accepted that took %d, want 34 and 100", accepted, moved)
	}
	if h := w.history(c); h.Wallets[0].Balance != 0 {
		w.Errorf("got balance %d, want 0", h.Wallets[0].Balance)
	}
}

func raceOneKey(w *world) {
	for _, r := range []ledger.PostRequest{credit(w.customer(), 500, withKey("k1")), debit(w.customer(), 500, withKey("k1"))} {
		c := ledger.Customer{Tenant: r.Tenant, ID: r.CustomerID}
		before := 0
		if r.Direction == ledger.Debit {
			w.post(credit(c, 1000))
			before = 1
		}
		var mu sync.Mutex
		var first, replays []ledger.Change
		together(64, func(int) {
			change, err := w.book.Post(w.Context(), r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				w.Errorf("%s: got error %v, want an answer", r.Direction, err)
			} else if change.Replayed {
				replays = append(replays, change)
			} else {
				first = append(first, change)
			}
		})
		if len(first) != 1 || len(replays) != 63 {
			w.Fatalf("%s: got %d effects and %d replays, want 1 and 63", r.Direction, len(first), len(replays))
		}
		for _, replay := range replays {
			w.wantReplay(first[0], replay)
		}
		if got := len(w.history(c).Entries) - before; got != 1 {
			w.Errorf("%s: got %d entries, want 1", r.Direction, got)
		}
	}
}

func raceOneKeyManyAmounts(w *world) {
	c := w.customer()
	w.raceReused(c, 64, func(i int) ledger.PostRequest { return credit(c, moneyOf(100+i), withKey("k1")) })
}

func raceOneKeyTwoCurrencies(w *world) {
	for range 10 {
		c := w.customer()
		w.raceReused(c, 2, func(i int) ledger.PostRequest {
			return credit(c, 5, in([]money.Currency{"USD", "INR"}[i]), withKey("k1"))
		})
	}
}

// raceReused sends n different requests under one key at once: one must have
// its effect and the others must be told that the key was used.
func (w *world) raceReused(c ledger.Customer, n int, request func(i int) ledger.PostRequest) {
	w.Helper()
	var effects, reused atomic.Int64
	var winner atomic.Pointer[ledger.Change]
	together(n, func(i int) {
		change, err := w.book.Post(w.Context(), request(i))
		switch {
		case err == nil && !change.Replayed:
			effects.Add(1)
			winner.Store(&change)
		case ledger.CodeOf(err) == ledger.CodeKeyReused:
			reused.Add(1)
		default:
			w.Errorf("request %d: got replayed %v and error %v, want an effect or %s", i, change.Replayed, err, ledger.CodeKeyReused)
		}
	})
	if effects.Load() != 1 || reused.Load() != int64(n-1) {
		w.Fatalf("got %d effects and %d refusals, want 1 and %d", effects.Load(), reused.Load(), n-1)
	}
	w.same("entries", []ledger.Entry{winner.Load().Entry}, w.history(c).Entries)
}

func raceManyCustomers(w *world) {
	const customers, hands, each = 8, 24, 20
	var all []ledger.Customer
	for range customers {
		all = append(all, w.customer())
	}
	var accepted [customers]atomic.Int64
	together(hands, func(hand int) {
		for i := range each {
			n := (hand*7 + i*3) % customers
			r := credit(all[n], moneyOf(5+i), withKey(fmt.Sprintf("%d-%d", hand, i)), in([]money.Currency{"USD", "INR"}[hand%2]))
			if i%3 == 2 {
				r = debit(all[n], moneyOf(3+i), withKey(r.IdempotencyKey), in(r.Currency))
			}
			switch _, err := w.book.Post(w.Context(), r); ledger.CodeOf(err) {
			case "":
				accepted[n].Add(1)
			case ledger.CodeInsufficientFunds:
			default:
				w.Errorf("%s: got error %v, want none", r.Direction, err)
			}
		}
	})
	for n, c := range all {
		if got, want := int64(len(w.history(c).Entries)), accepted[n].Load(); got != want {
			w.Errorf("customer %d: got %d entries, want the %d that were acknowledged", n, got, want)
		}
	}
}

// raceNeighbours sends good commands at once with commands that refuse, break
// the store's own guards or panic. The good ones must all have their effect,
// on the customers of the bad ones too.
func raceNeighbours(w *world) {
	const customers, n = 5, 240
	var all []ledger.Customer
	for range customers {
		c := w.customer()
		w.post(credit(c, 1))
		all = append(all, c)
	}
	refusal := errors.New("a refusal of its own kind")
	var good atomic.Int64
	together(n, func(i int) {
		c := all[i%customers]
		var err error
		switch i / customers % 6 {
		case 1:
			_, err = w.book.Post(w.Context(), debit(c, 1_000_000))
			w.wantCode(err, ledger.CodeInsufficientFunds)
		case 2:
			_, err = w.ledger.Transact(w.Context(), w.scopeOf(credit(c, 1)), func(s ledger.Snapshot) (ledger.Change, error) {
				return ledger.Change{Wallet: s.Wallet}, refusal
			})
			if err != refusal {
				w.Errorf("got error %v, want the decision's own", err)
			}
		case 3:
			_, err = w.postAltered(credit(c, 10), func(change *ledger.Change) { change.Entry.After += 5 })
			w.wantCode(err, ledger.CodeInternal)
		case 4:
			w.wantPanicContained(c)
		default:
			if _, err = w.book.Post(w.Context(), credit(c, 2, withKey(fmt.Sprint(i)))); err != nil {
				w.Errorf("good command %d: got error %v, want none", i, err)
			}
			good.Add(1)
		}
	})
	entries := int64(-customers)
	for _, c := range all {
		h := w.history(c)
		entries += int64(len(h.Entries))
		w.post(debit(c, h.Wallets[0].Balance))
		w.history(c)
	}
	if entries != good.Load() {
		w.Errorf("got %d entries, want %d", entries, good.Load())
	}
}

// wantPanicContained sends a decision that panics. The panic may reach the
// caller or come back as an internal error; nobody else may feel it.
func (w *world) wantPanicContained(c ledger.Customer) {
	w.Helper()
	defer func() { _ = recover() }()
	_, err := w.ledger.Transact(w.Context(), w.scopeOf(credit(c, 1)), func(ledger.Snapshot) (ledger.Change, error) {
		panic("a decision that is broken on purpose")
	})
	w.wantCode(err, ledger.CodeInternal)
}

func raceAnswersInOrder(w *world) {
	const n = 200
	c := w.customer()
	w.post(credit(c, 50))
	answers := make([]ledger.Change, n)
	together(n, func(i int) {
		r := credit(c, moneyOf(1+i))
		if i%2 == 1 {
			r = debit(c, moneyOf(i/4))
		}
		if i%2 == 1 && r.Amount == 0 {
			r.Amount = 1
		}
		change, err := w.book.Post(w.Context(), r)
		if err != nil && ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
			w.Errorf("%s: got error %v, want none or %s", r.Direction, err, ledger.CodeInsufficientFunds)
		}
		answers[i] = change
	})
	entries := w.history(c).Entries
	for i, change := range answers {
		if change.Entry.Position == 0 {
			continue // refused
		}
		w.same("acknowledged entry", entries[change.Entry.Position-1], change.Entry)
		if got, want := change.Wallet.Balance, change.Entry.After; got != want || change.Wallet.Seq != change.Entry.Seq {
			w.Errorf("answer %d: got balance %d at seq %d, want %d at %d", i, got, change.Wallet.Seq, want, change.Entry.Seq)
		}
	}
}
