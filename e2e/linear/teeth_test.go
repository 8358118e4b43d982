package linear

import (
	"maps"
	"slices"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
)

// plants are lies that are put into a recorded history. Both checkers must
// find each of them, wherever it is put.
var plants = []struct {
	name  string
	plant func(h *history, wallet walletKey) *history
}{
	{"stale read", plantStaleRead},
	{"lost update", plantLostUpdate},
	{"reordered reply", plantReorderedReply},
}

// plantsWanted is how many wallets each lie is put into.
const plantsWanted = 10

// plant puts each lie into the histories of many wallets.
func plant(t *testing.T, campaign *harness.Campaign, h *history) {
	t.Helper()
	for _, p := range plants {
		for _, wallet := range quiet(h) {
			if campaign.Count("planted: "+p.name) == plantsWanted {
				break
			}
			lied := p.plant(h.of(wallet), wallet)
			if lied == nil {
				continue
			}
			campaign.Add("planted: "+p.name, 1)
			if problems := linearizable(lied); len(problems) == 0 {
				t.Errorf("%s in %v: porcupine found nothing", p.name, wallet)
			}
			if problems := witnessed(lied); len(problems) == 0 {
				t.Errorf("%s in %v: the witness found nothing", p.name, wallet)
			}
		}
		campaign.Want("planted: "+p.name, plantsWanted)
	}
}

// quiet lists the wallets that are not hot: there, most operations are alone,
// so that a lie cannot pass for a race.
func quiet(h *history) []walletKey {
	counts := map[walletKey]int{}
	for _, op := range h.operations {
		counts[op.wallet]++
	}
	wallets := slices.Collect(maps.Keys(counts))
	slices.SortFunc(wallets, func(a, b walletKey) int { return counts[a] - counts[b] })
	return wallets[:len(wallets)-hotCustomers]
}

// of returns a copy of what happened to one wallet.
func (h *history) of(wallet walletKey) *history {
	part := &history{truth: maps.Clone(h.truth), byKey: maps.Clone(h.byKey)}
	for _, op := range h.operations {
		if op.wallet == wallet {
			copied := *op
			part.operations = append(part.operations, &copied)
		}
	}
	return part
}

// alone returns the operations that overlap no other operation of the wallet,
// in order.
func (h *history) alone() (alone []*operation) {
	ordered := slices.Clone(h.operations)
	slices.SortFunc(ordered, func(a, b *operation) int { return int(a.call - b.call) })
	var busy int64
	for i, op := range ordered {
		if op.call > busy && (i+1 == len(ordered) || ordered[i+1].call > op.done) {
			alone = append(alone, op)
		}
		busy = max(busy, op.done)
	}
	return alone
}

// plantStaleRead lets a read show the wallet as it was before its last entry.
func plantStaleRead(h *history, wallet walletKey) *history {
	for _, op := range h.alone() {
		if op.kind != walletRead || op.seq < 2 {
			continue
		}
		for _, entry := range h.truth[wallet.customer] {
			if entry.Currency == wallet.currency && entry.Seq == op.seq-1 {
				op.seq, op.balance = entry.Seq, entry.AfterBalance
				return h
			}
		}
	}
	return nil
}

// plantLostUpdate takes an acknowledged entry out of the ledger, as if the
// next writer had not seen it: all that comes after builds on the balance
// before it, and every later answer agrees with that.
func plantLostUpdate(h *history, wallet walletKey) *history {
	alone := h.alone()
	for i, op := range alone {
		if op.kind != accepted || i+1 == len(alone) {
			continue
		}
		lost := h.byKey[op.key]
		delete(h.byKey, op.key)
		entries := []harness.Entry{}
		for _, entry := range h.truth[wallet.customer] {
			if entry.Position == lost.Position {
				continue
			}
			if entry.Position > lost.Position {
				entry.Position--
			}
			if entry.Currency == wallet.currency && entry.Seq > lost.Seq {
				entry.Seq--
				entry.BeforeBalance -= op.amount
				entry.AfterBalance -= op.amount
			}
			h.byKey[entry.IdempotencyKey] = entry
			entries = append(entries, entry)
		}
		h.truth[wallet.customer] = entries
		for _, later := range h.operations {
			if later.seq >= lost.Seq && later != op && later.kind != refused {
				later.seq--
				later.balance -= op.amount
			}
			if later.kind == listRead && later.position >= lost.Position {
				later.position--
				later.items = newest(entries[:later.position], wallet.currency, listItems)
			}
		}
		return h
	}
	return nil
}

// plantReorderedReply exchanges the answers to two writes of which the first
// had ended before the second began.
func plantReorderedReply(h *history, _ walletKey) *history {
	alone := slices.DeleteFunc(h.alone(), func(op *operation) bool { return op.kind != accepted })
	for i := 1; i < len(alone); i++ {
		a, b := alone[i-1], alone[i]
		if a.balance != b.balance {
			a.seq, b.seq = b.seq, a.seq
			a.balance, b.balance = b.balance, a.balance
			return h
		}
	}
	return nil
}
