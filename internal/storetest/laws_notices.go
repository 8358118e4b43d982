package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
)

// readNotices reads what was announced to the history's customer.
func (h *History) readNotices(ctx context.Context, store ledger.Store, tenant ledger.Tenant) error {
	for {
		notices, err := store.Notices(ctx, tenant, h.Customer.ID, int64(len(h.Notices)), 3)
		if err != nil || len(notices) == 0 {
			return err
		}
		h.Notices = append(h.Notices, notices...)
	}
}

// sortNotices gives each wallet the notices of its lots.
func (a *audit) sortNotices(h History) {
	for i, n := range h.Notices {
		number, ok := ledger.NoticeIDNumber(n.ID)
		if n.Number != int64(i+1) || !ok || number != n.Number {
			a.blame("L7", "notice %d is number %d, with id %s", i+1, n.Number, n.ID)
		}
		if n.Tenant != h.Customer.Tenant || n.CustomerID != h.Customer.ID {
			a.blame("N1", "the notice belongs to customer %s of %v", n.CustomerID, n.Tenant)
		}
		w := a.wallet(n.Currency)
		w.notices = append(w.notices, n)
	}
}

// noticesBefore plays the notices that came before the wallet's entry with a seq and
// before the hold event with a number.
func (a *audit) noticesBefore(w *auditWallet, seq, hold int64) {
	for len(w.notices) > 0 && w.notices[0].Seq < seq && w.notices[0].HoldNumber < hold {
		n := w.notices[0]
		w.notices = w.notices[1:]
		a.notice(w, n)
	}
}

// notice checks one notice: of an open lot with just what it has left, before it
// expires, and the first of that lot.
func (a *audit) notice(w *auditWallet, n ledger.Notice) {
	at := slices.IndexFunc(w.lots, func(lot ledger.Lot) bool { return lot.Seq == n.Lot.Seq })
	switch {
	case at < 0 || difference(w.lots[at], n.Lot) != "" || n.Lot.Remaining == 0 || n.Lot.ExpiresAt.IsZero():
		a.blame("L7", "notice %d of lot %+v among %+v", n.Number, n.Lot, w.lots)
	case !n.CreatedAt.Before(n.Lot.ExpiresAt):
		a.blame("L7", "lot %d, which expires at %v, was announced at %v", n.Lot.Seq, n.Lot.ExpiresAt, n.CreatedAt)
	case w.told[n.Lot.Seq]:
		a.blame("L7", "lot %d was announced twice", n.Lot.Seq)
	}
	if n.CreatedAt.Before(w.lastAt) || n.CreatedAt.Before(w.heldAt) {
		a.blame("R4", "notice %d of %v after %v or %v", n.Number, n.CreatedAt, w.lastAt, w.heldAt)
	}
	if w.told == nil {
		w.told = map[int64]bool{}
	}
	w.told[n.Lot.Seq] = true
}

// notices wants each notice to have had a place among the entries.
func (a *audit) notices() {
	for currency, w := range a.wallets {
		for _, n := range w.notices {
			a.blame("L7", "notice %d in %s has no place among the entries", n.Number, currency)
		}
	}
}
