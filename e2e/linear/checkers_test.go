package linear

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/billfold/billfold/e2e/harness"
)

// Two checkers look at a history, and they trust different things.
//
// The first is porcupine with a model that knows balances only: it looks for
// an order of the operations that explains every answer, and does not believe
// a word of what the server says about its order.
//
// The second takes the seq in the answers as a witness of the order, which
// makes checking a matter of sorting, so that histories may be of any length.
// It believes the witness only as far as real time agrees: what ended before
// something else began comes before it.

// porcupineMax is how long the search may take for one wallet.
const porcupineMax = 60 * time.Second

var walletModel = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		balance, op := state.(int64), input.(*operation)
		switch op.kind {
		case accepted:
			after := balance + op.amount
			return after >= 0 && after == op.balance, after
		case refused:
			return balance+op.amount < 0, balance
		default:
			return balance == op.balance, balance
		}
	},
}

// linearizable asks porcupine about each wallet of a history.
func linearizable(h *history) (problems []string) {
	wallets := map[walletKey][]porcupine.Operation{}
	for _, op := range h.operations {
		wallets[op.wallet] = append(wallets[op.wallet], porcupine.Operation{
			ClientId: op.client, Input: op, Call: op.call, Return: op.done,
		})
	}
	for wallet, operations := range wallets {
		if got := porcupine.CheckOperationsTimeout(walletModel, operations, porcupineMax); got != porcupine.Ok {
			problems = append(problems, fmt.Sprintf("wallet %v: porcupine says %s of %d operations, want %s",
				wallet, got, len(operations), porcupine.Ok))
		}
	}
	return problems
}

// witnessed checks a history by the seq of its answers.
func witnessed(h *history) (problems []string) {
	byWallet := map[walletKey][]*operation{}
	byCustomer := map[string][]*operation{}
	for _, op := range h.operations {
		byWallet[op.wallet] = append(byWallet[op.wallet], op)
		byCustomer[op.wallet.customer] = append(byCustomer[op.wallet.customer], op)
	}
	for wallet, operations := range byWallet {
		for _, problem := range witnessedWallet(h, wallet, operations) {
			problems = append(problems, fmt.Sprintf("wallet %v: %s", wallet, problem))
		}
	}
	for customer, operations := range byCustomer {
		for _, problem := range witnessedLists(h, customer, operations) {
			problems = append(problems, fmt.Sprintf("customer %s: %s", customer, problem))
		}
	}
	return problems
}

// witnessedWallet checks the writes and reads of one wallet.
func witnessedWallet(h *history, wallet walletKey, operations []*operation) (problems []string) {
	entries := []harness.Entry{{}} // by seq
	for _, entry := range h.truth[wallet.customer] {
		if entry.Currency == wallet.currency {
			entries = append(entries, entry)
		}
	}
	call := make([]int64, len(entries)) // of the write with that seq
	for _, op := range operations {
		if op.kind != accepted {
			continue
		}
		entry, there := h.byKey[op.key]
		if !there || entry.Seq != op.seq || entry.AfterBalance != op.balance || entry.Signed() != op.amount {
			problems = append(problems, fmt.Sprintf("got the entry %+v, want that of %+v", entry, *op))
			continue
		}
		call[op.seq] = op.call
	}
	if len(problems) > 0 {
		return problems
	}
	for _, b := range windows(operations, call) {
		problems = append(problems, b.check(entries)...)
	}
	return problems
}

// window is an operation with the seqs that it may have seen: at least that of
// everything that had ended before it began, at most that of the last write
// that had begun, with all before it, when it ended.
type window struct {
	op          *operation
	least, most int64
}

func windows(operations []*operation, call []int64) []window {
	// begun[s] is when the last of the writes 1 to s began.
	begun := make([]int64, len(call))
	for s := 1; s < len(call); s++ {
		begun[s] = max(begun[s-1], call[s])
	}
	ended := slices.Clone(operations)
	slices.SortFunc(ended, func(a, b *operation) int { return cmp.Compare(a.done, b.done) })
	started := slices.Clone(operations)
	slices.SortFunc(started, func(a, b *operation) int { return cmp.Compare(a.call, b.call) })
	all := make([]window, 0, len(operations))
	var least int64
	next := 0
	for _, op := range started {
		for ; next < len(ended) && ended[next].done < op.call; next++ {
			least = max(least, ended[next].seq) // a refusal has seq 0
		}
		most, _ := slices.BinarySearch(begun, op.done+1)
		all = append(all, window{op: op, least: least, most: int64(most) - 1})
	}
	return all
}

func (w window) check(entries []harness.Entry) (problems []string) {
	op := w.op
	switch op.kind {
	case accepted:
		if op.seq <= w.least || op.seq > w.most {
			problems = append(problems, fmt.Sprintf("write %+v: want a seq after %d and up to %d", *op, w.least, w.most))
		}
	case refused:
		for s := w.least; s <= w.most; s++ {
			if entries[s].AfterBalance+op.amount < 0 {
				return nil
			}
		}
		problems = append(problems, fmt.Sprintf("refusal %+v: the funds were there from seq %d to %d", *op, w.least, w.most))
	default:
		if op.seq < w.least || op.seq > w.most || op.balance != entries[min(op.seq, w.most)].AfterBalance {
			problems = append(problems, fmt.Sprintf("read %+v: want a seq from %d to %d, and its balance", *op, w.least, w.most))
		}
	}
	return problems
}

// witnessedLists checks what lists say of the whole customer: the position up
// to which they speak, and the entries that stand there.
func witnessedLists(h *history, customer string, operations []*operation) (problems []string) {
	truth := h.truth[customer]
	call := make([]int64, len(truth)+1)
	for _, op := range operations {
		if entry, there := h.byKey[op.key]; there && op.kind == accepted {
			call[entry.Position] = op.call
		}
	}
	onPosition := make([]*operation, 0, len(operations))
	for _, op := range operations {
		moved := *op
		switch op.kind {
		case accepted:
			moved.seq = h.byKey[op.key].Position
		case listRead:
			moved.seq = op.position
		default:
			continue
		}
		onPosition = append(onPosition, &moved)
	}
	for _, w := range windows(onPosition, call) {
		op := w.op
		if op.kind != listRead {
			continue
		}
		if op.position < w.least || op.position > w.most {
			problems = append(problems, fmt.Sprintf("list %+v: want a position from %d to %d", *op, w.least, w.most))
			continue
		}
		if !slices.Equal(op.items, newest(truth[:op.position], op.wallet.currency, listItems)) {
			problems = append(problems, fmt.Sprintf("list %+v: want the newest entries up to position %d", *op, op.position))
		}
	}
	return problems
}

// newest returns the last entries of a currency, newest first.
func newest(entries []harness.Entry, currency string, most int) (found []harness.Entry) {
	for _, entry := range slices.Backward(entries) {
		if entry.Currency == currency && len(found) < most {
			found = append(found, entry)
		}
		if len(found) == most {
			break
		}
	}
	return found
}
