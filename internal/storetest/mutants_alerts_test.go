package storetest

import (
	"context"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

func alertMistakes() []mistake {
	return []mistake{
		{"a wallet that stays low is told of again", bend(standingsNotKept), [][2]string{
			{"alerts", "A1 a threshold is told once when it is crossed, and once when the wallet has recovered"},
			{"alerts", "A1 what expires is told by the sweep"},
		}, true},
		{"crossings are not written", bend(crossingsLost), [][2]string{
			{"alerts", "A1 a threshold is told once when it is crossed, and once when the wallet has recovered"},
			{"alerts", "A1 500 debits at once across one threshold: one entry tells of it"},
		}, true},
		{"low until below is available", bendSnapshot(recoversAtBelow), [][2]string{
			{"alerts", "A1 between below and recover_at nothing is told"},
		}, true},
		{"thresholds as of the first decision", openStaleAlerts, [][2]string{
			{"alerts", "A1 a wallet's own thresholds count before those of the business, none at all too"},
			{"alerts", "A1 a threshold that changes keeps its standing, one that goes is forgotten"},
		}, true},
		{"no thresholds are like none of one's own", bendSnapshot(emptyLikeAbsent), [][2]string{
			{"alerts", "A1 a wallet's own thresholds count before those of the business, none at all too"},
		}, true},
		{"crossings read, then written", bendRacing(readThenWrite), [][2]string{
			{"alerts", "A1 500 debits at once across one threshold: one entry tells of it"},
		}, false},
		{"thresholds without a trail", openUntold, [][2]string{
			{"alerts", "N5 thresholds of a wallet's own are in the trail, once"},
		}, true},
	}
}

// standingsNotKept leaves in the wallet what stood there once an entry has told
// of a crossing.
func standingsNotKept(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if strings.Contains(string(change.Entry.Alerts), "!") {
			change.Wallet.Alerts = s.Wallet.Alerts
		}
		return change, err
	})
}

// crossingsLost has the wallet follow and no entry tell of it.
func crossingsLost(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if e := &change.Entry; !change.Replayed && strings.Contains(string(e.Alerts), "!") {
			e.Alerts = ""
			e.Hash = e.ChainHash(s.Chain.Hash)
		}
		return change, err
	})
}

// recoversAtBelow knows no bound but below, so that a wallet around it is low and
// recovered in turns.
func recoversAtBelow(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	for currency, thresholds := range s.Customer.Alerts.All() {
		list, _ := thresholds.List()
		for i := range list {
			list[i].RecoverAt = list[i].Below
		}
		s.Customer.Alerts = s.Customer.Alerts.With(currency, ledger.MakeThresholds(list))
	}
}

// emptyLikeAbsent takes a wallet that is to have no alerts for one that goes by
// those of the business.
func emptyLikeAbsent(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	for currency, thresholds := range s.Customer.Alerts.All() {
		if thresholds == "" {
			s.Customer.Alerts = s.Customer.Alerts.Without(currency)
		}
	}
}

// openStaleAlerts opens models that remember of each customer which thresholds
// there were when a decision was first about it.
func openStaleAlerts(t testing.TB) Stores {
	seen := map[walletName]ledger.Alerts{}
	return bendSnapshot(func(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
		name := walletName{tenant: scope.Tenant, customerID: scope.CustomerID}
		if cached, some := seen[name]; some {
			s.Customer.Alerts = cached
		} else {
			seen[name] = s.Customer.Alerts
		}
	})(t)
}
