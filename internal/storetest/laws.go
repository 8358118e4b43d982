package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Violation says which law a history breaks and where.
type Violation struct {
	Law      string // such as "M4"
	Position int64  // of the entry that is to blame, 0 for none
	Detail   string
}

// String returns the violation as one line.
func (v Violation) String() string {
	return fmt.Sprintf("law %s at position %d: %s", v.Law, v.Position, v.Detail)
}

// CheckLaws recomputes a customer's history from its raw entries, slowly and
// without the rules' own code, and returns every law that does not hold: M1,
// M3, M4, M5, M7, O1, O2, O3, K1, L1, L2, L3, L4, L5, L6, L7, H1, H2, H3, R4, A1, N1 for
// stray entries, and N5.
func CheckLaws(h History) []Violation {
	a := audit{keys: map[string]int64{}, wallets: map[money.Currency]*auditWallet{}}
	a.sortEvents(h)
	a.sortNotices(h)
	for _, e := range h.Entries {
		a.entry(h.Customer, e)
	}
	a.position = 0
	for _, w := range a.wallets {
		a.eventsBefore(w, w.seq+1)
	}
	a.position = int64(len(h.Entries))
	a.holds(h)
	a.notices()
	a.heads(h)
	a.trail(h)
	return a.found
}

type audit struct {
	found    []Violation
	position int64
	hash     ledger.Hash
	lastAt   time.Time
	keys     map[string]int64
	wallets  map[money.Currency]*auditWallet
	audited  []*auditHold
	due      []ledger.Lot  // parts in expired lots, which the next entries must write off or move
	moved    *ledger.Entry // a debit that took money for a lot of its own and is not undone yet

	movedLot   ledger.Lot // that it took from; of several their category alone
	writtenOff int        // lots since the reversal

	lent  *ledger.Entry // a credit against debt, which the next entry must take
	payer *ledger.Entry // a credit to a wallet that owes, of which the next entry must take
	pays  []ledger.Allocation
}

type auditWallet struct {
	balance money.Amount
	seq     int64
	lastAt  time.Time
	lots    []ledger.Lot // in the order they were opened, exhausted ones too
	alerts  []auditAlert
	taken   []taken
	held    money.Amount
	heldAt  time.Time   // of the last event about a hold
	events  []holdEvent // about holds in it, those to come
	holds   []*auditHold
	debt    money.Amount
	notices []ledger.Notice // of its lots, those to come
	told    map[int64]bool  // lots that were announced
}

func (a *audit) blame(law string, format string, args ...any) {
	a.found = append(a.found, Violation{Law: law, Position: a.position, Detail: fmt.Sprintf(format, args...)})
}

// entry checks one entry on top of those before it.
func (a *audit) entry(customer ledger.Customer, e ledger.Entry) {
	a.position++
	w := a.wallet(e.Currency)
	a.eventsBefore(w, e.Seq)
	w.seq++
	if e.Position != a.position || e.Seq != w.seq {
		a.blame("M5", "got position %d and seq %d, want %d and %d", e.Position, e.Seq, a.position, w.seq)
	}
	if position, ok := ledger.EntryIDPosition(e.ID); !ok || position != e.Position {
		a.blame("M5", "id %s does not contain position %d", e.ID, e.Position)
	}
	if e.Tenant != customer.Tenant || e.CustomerID != customer.ID {
		a.blame("N1", "the entry belongs to customer %s of %v", e.CustomerID, e.Tenant)
	}
	if e.CreatedAt.Before(a.lastAt) {
		a.blame("R4", "created at %v after an entry of %v", e.CreatedAt, a.lastAt)
	}
	if e.CreatedAt.Before(w.heldAt) {
		a.blame("R4", "created at %v after a hold event of %v", e.CreatedAt, w.heldAt)
	}
	a.lastAt, w.lastAt = e.CreatedAt, e.CreatedAt
	if first, used := a.keys[e.IdempotencyKey]; used && e.IdempotencyKey != "" {
		a.blame("K1", "key %q was used at position %d", e.IdempotencyKey, first)
	}
	a.keys[e.IdempotencyKey] = a.position
	a.amounts(w, e)
	free := w.spendable(e.CreatedAt)
	a.settled(e)
	a.recovered(e)
	switch {
	case e.Account == ledger.AccountDebt:
		a.debtEntry(w, e)
	case e.Account == ledger.AccountExpiryMoves:
		a.move(w, e)
	case e.Reverses != "" && ofGrace(e):
		a.extension(w, e)
	case e.Reverses != "":
		a.reversal(w, e)
	case a.lent != nil && ofDispute(e):
		a.disputed(e)
	case e.HoldID != "":
		a.capture(w, e)
	case e.Direction == ledger.Credit:
		a.credit(w, e)
	case e.Account == ledger.AccountBreakage:
		a.expiry(w, e)
	case ofGrace(e):
		a.extended(w, e)
	default:
		a.debit(w, e)
	}
	a.claim(w, e)
	if got, want := e.Available, w.spendable(e.CreatedAt)-a.claimed(); got != want || got < 0 {
		a.blame("O1", "got available %d, want %d", got, want)
	}
	a.entryAlerts(w, e, free)
	if e.Held != w.held {
		a.blame("H1", "got %d held, want %d", e.Held, w.held)
	}
	if got, want := e.Hash, e.ChainHash(a.hash); got != want {
		a.blame("M4", "got hash %x, want %x", got, want)
	}
	a.hash = e.Hash
}

// amounts checks sides, range and chain of an entry's amounts.
func (a *audit) amounts(w *auditWallet, e ledger.Entry) {
	if !slices.Contains([]ledger.Account{"merchant", "cash", "revenue", "promotion", "breakage", "refunds", "disputes", "debt", "transfers", "expiry_moves"}, e.Account) {
		a.blame("M1", "got counter account %q", e.Account)
	}
	if e.Amount < 1 || e.Amount > 999_999_999_999 || e.After < 0 || e.After > 9_007_199_254_740_991 {
		a.blame("M7", "got amount %d and balance %d", e.Amount, e.After)
	}
	if e.Before != w.balance {
		a.blame("M4", "got before %d, want %d", e.Before, w.balance)
	}
	w.balance += signed(e)
	if e.After != w.balance {
		a.blame("M4", "got after %d, want %d", e.After, w.balance)
	}
}

func signed(e ledger.Entry) money.Amount {
	if e.Direction == ledger.Credit {
		return e.Amount
	}
	return -e.Amount
}

// expiry takes what the entry says from the one lot that it names.
func (a *audit) expiry(w *auditWallet, e ledger.Entry) {
	if len(e.Allocations) != 1 {
		a.blame("L4", "an expiry entry has allocations %v, want one", e.Allocations)
		return
	}
	ofCredit := e.Category != "" || !e.ExpiresAt.IsZero()
	if ofCredit || e.IdempotencyKey != "" || e.EventType != ledger.EventMerchantAdjustment {
		a.blame("L4", "an expiry entry of type %s has category %q, expiry %v and key %q",
			e.EventType, e.Category, e.ExpiresAt, e.IdempotencyKey)
	}
	part := e.Allocations[0]
	for i := range w.lots {
		lot := &w.lots[i]
		if lot.Seq != part.LotSeq {
			continue
		}
		if lot.ExpiresAt.IsZero() || lot.ExpiresAt.After(e.CreatedAt) {
			a.blame("L4", "lot %d was swept at %v and expires at %v", lot.Seq, e.CreatedAt, lot.ExpiresAt)
		}
		if part.Amount != e.Amount || part.Amount != lot.Remaining || lot.Remaining == 0 {
			a.blame("L4", "an entry of %d swept %d of lot %d, which had %d left", e.Amount, part.Amount, lot.Seq, lot.Remaining)
		}
		lot.Remaining -= part.Amount
		return
	}
	a.blame("L4", "lot %d was swept and never opened", part.LotSeq)
}

func (a *audit) credit(w *auditWallet, e ledger.Entry) {
	if e.Account == ledger.AccountBreakage {
		a.blame("M1", "a credit counts against breakage")
	}
	if len(e.Allocations) != 0 {
		a.blame("L1", "a credit has allocations %v", e.Allocations)
	}
	w.lots = append(w.lots, ledger.Lot{Seq: e.Seq, Category: e.Category, ExpiresAt: e.ExpiresAt, Remaining: e.Amount})
	if e.Reverses == "" && e.Account != ledger.AccountTransfers {
		lot := []ledger.Allocation{{LotSeq: e.Seq, Amount: e.Amount}}
		w.taken = append(w.taken, taken{e.ID, e.Account, ledger.Credit, lot})
	}
}

// debit takes the amount unit of lot by unit of lot, each time from the lot
// that must be spent next, and compares with what the entry says.
func (a *audit) debit(w *auditWallet, e ledger.Entry) {
	if available := w.spendable(e.CreatedAt); e.Amount > available {
		a.blame("O2", "a debit of %d was accepted with %d available", e.Amount, available)
	}
	if e.Category != "" || !e.ExpiresAt.IsZero() {
		a.blame("L1", "a debit has category %q and expiry %v", e.Category, e.ExpiresAt)
	}
	if want := w.take(e.Amount, e.CreatedAt); !slices.Equal(want, e.Allocations) {
		a.blame("L2", "got allocations %v, want %v", e.Allocations, want)
	}
	w.taken = append(w.taken, taken{e.ID, e.Account, ledger.Debit, slices.Clone(e.Allocations)})
	var sum money.Amount
	for _, part := range e.Allocations {
		sum += part.Amount
		for _, lot := range w.lots {
			if lot.Seq == part.LotSeq && !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(e.CreatedAt) {
				a.blame("L3", "lot %d was spent at %v and expired at %v", lot.Seq, e.CreatedAt, lot.ExpiresAt)
			}
		}
	}
	if sum != e.Amount {
		a.blame("L1", "got allocations of %d, want %d", sum, e.Amount)
	}
}

// take takes an amount of the lots that are to be spent next at a time.
func (w *auditWallet) take(amount money.Amount, at time.Time) (parts []ledger.Allocation) {
	for amount > 0 {
		next := w.next(at)
		if next == nil {
			break
		}
		part := min(amount, next.Remaining)
		next.Remaining -= part
		amount -= part
		parts = append(parts, ledger.Allocation{LotSeq: next.Seq, Amount: part})
	}
	return parts
}

// next returns the lot to be spent next at a time, nil for none.
func (w *auditWallet) next(at time.Time) *ledger.Lot {
	var best *ledger.Lot
	for i := range w.lots {
		lot := &w.lots[i]
		if lot.Remaining == 0 || (!lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(at)) {
			continue
		}
		if best == nil || spentBefore(*lot, *best) {
			best = lot
		}
	}
	return best
}

// spendable is what a debit could take at a time.
func (w *auditWallet) spendable(at time.Time) money.Amount {
	var sum money.Amount
	for _, lot := range w.lots {
		if lot.ExpiresAt.IsZero() || lot.ExpiresAt.After(at) {
			sum += lot.Remaining
		}
	}
	return sum
}

// heads compares what the entries add up to with the stored heads: the chain,
// the wallets and their lots.
func (a *audit) heads(h History) {
	lastAt := a.lastAt
	if n := len(h.Events); n > 0 && h.Events[n-1].CreatedAt.After(lastAt) {
		lastAt = h.Events[n-1].CreatedAt
	}
	if a.lent != nil || a.payer != nil {
		a.blame("O3", "nothing takes the loan %+v, or pays the debt of %+v", a.lent, a.payer)
	}
	if len(a.due) > 0 || a.moved != nil {
		a.blame("L5", "lots %v got money back after they had expired, and are not written off at once", a.due)
	}
	if h.Chain.Position != a.position || h.Chain.Hash != a.hash || !h.Chain.LastAt.Equal(lastAt) {
		a.blame("M4", "got chain %d %x %v, want %d %x %v", h.Chain.Position, h.Chain.Hash, h.Chain.LastAt, a.position, a.hash, lastAt)
	}
	if len(h.Wallets) != len(a.wallets) {
		a.blame("M3", "got %d wallets, want %d", len(h.Wallets), len(a.wallets))
	}
	for _, wallet := range h.Wallets {
		w := a.wallets[wallet.Currency]
		if w == nil {
			a.blame("M3", "wallet %s has no entries", wallet.Currency)
			continue
		}
		if wallet.Balance != w.balance || wallet.Seq != w.seq || !wallet.UpdatedAt.Equal(w.lastAt) {
			a.blame("M3", "got wallet %s with balance %d, seq %d, updated %v, want %d, %d, %v",
				wallet.Currency, wallet.Balance, wallet.Seq, wallet.UpdatedAt, w.balance, w.seq, w.lastAt)
		}
		if wallet.Debt != w.debt {
			a.blame("O3", "wallet %s owes %d, its entries say %d", wallet.Currency, wallet.Debt, w.debt)
		}
		a.lots(wallet, w)
		if got, want := string(wallet.Alerts), standings(w.alerts, false); got != want {
			a.blame("A1", "wallet %s stands at %q, its entries say %q", wallet.Currency, got, want)
		}
	}
}

func (a *audit) lots(wallet ledger.Wallet, w *auditWallet) {
	var open []ledger.Lot
	var sum money.Amount
	for _, lot := range w.lots {
		if lot.Remaining > 0 {
			open = append(open, lot)
			sum += lot.Remaining
		}
	}
	slices.SortFunc(open, func(a, b ledger.Lot) int {
		if spentBefore(a, b) {
			return -1
		}
		return 1
	})
	if wallet.Held != w.held {
		a.blame("H1", "got %d held of wallet %s, want %d", wallet.Held, wallet.Currency, w.held)
	}
	if sum != wallet.Balance-w.held {
		a.blame("L1", "lots of wallet %s have %d, want its balance %d less %d held", wallet.Currency, sum, wallet.Balance, w.held)
	}
	if !slices.EqualFunc(open, wallet.Lots, func(x, y ledger.Lot) bool {
		return x.Seq == y.Seq && x.Category == y.Category && x.ExpiresAt.Equal(y.ExpiresAt) && x.Remaining == y.Remaining
	}) {
		a.blame("L1", "got lots %v in wallet %s, want %v", wallet.Lots, wallet.Currency, open)
	}
}

// trail checks the chain of the audit trail, and that the customer is frozen, and
// has alerts, as the last line that speaks of it says.
func (a *audit) trail(h History) {
	var head ledger.AuditHead
	var lastAt time.Time
	state, alerts := `{"freezes":[]}`, `{"alerts":{}}`
	for _, line := range h.Audit {
		a.position = head.Position + 1
		if line.Position != a.position {
			a.blame("N5", "got position %d in the trail, want %d", line.Position, a.position)
		}
		if line.Tenant != h.Customer.Tenant || line.CustomerID != h.Customer.ID {
			a.blame("N1", "the line belongs to customer %s of %v", line.CustomerID, line.Tenant)
		}
		if line.CreatedAt.Before(lastAt) {
			a.blame("R4", "a line of %v after one of %v", line.CreatedAt, lastAt)
		}
		if want := line.ChainHash(head.Hash); line.Hash != want {
			a.blame("N5", "got hash %x in the trail, want %x", line.Hash, want)
		}
		if line.Action == ledger.AuditFreeze || line.Action == ledger.AuditUnfreeze {
			if line.Before != state || line.After == state {
				a.blame("N5", "a line goes from %s to %s, and the one before led to %s", line.Before, line.After, state)
			}
			state = line.After
		}
		if line.Action == ledger.AuditAlerts {
			if line.Before != alerts || line.After == alerts {
				a.blame("N5", "a line goes from %s to %s, and the one before led to %s", line.Before, line.After, alerts)
			}
			alerts = line.After
		}
		head, lastAt = ledger.AuditHead{Position: a.position, Hash: line.Hash}, line.CreatedAt
	}
	a.position = 0
	if h.Customer.Audit != head {
		a.blame("N5", "the customer's trail stands at %+v, want %+v", h.Customer.Audit, head)
	}
	if got := `{"freezes":` + h.Customer.Freezes.JSON() + `}`; got != state {
		a.blame("N5", "the customer is frozen as %s, the trail says %s", got, state)
	}
	if got := `{"alerts":` + h.Customer.Alerts.JSON() + `}`; got != alerts {
		a.blame("N5", "the customer's alerts are %s, the trail says %s", got, alerts)
	}
}
