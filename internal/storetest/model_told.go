package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// modelInbox is what card processors told, oldest first.
type modelInbox map[ledger.Tenant][]processor.Notice

// NoticeKept implements [processor.Inbox].
func (m *Model) NoticeKept(_ context.Context, tenant ledger.Tenant, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.told[tenant], func(n processor.Notice) bool { return n.ID == id }), nil
}

// KeepNotice implements [processor.Inbox].
func (m *Model) KeepNotice(_ context.Context, tenant ledger.Tenant, notice processor.Notice) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.told[tenant], func(n processor.Notice) bool { return n.ID == notice.ID }) {
		return false, nil
	}
	if m.told == nil {
		m.told = modelInbox{}
	}
	m.told[tenant] = append(m.told[tenant], notice)
	old := notice.ReceivedAt.Add(-processor.NoticesKept)
	for of, told := range m.told {
		m.told[of] = slices.DeleteFunc(told, func(n processor.Notice) bool {
			return n.Reason == "" && n.ReceivedAt.Before(old)
		})
	}
	return true, nil
}

// Quarantine implements [processor.Inbox].
func (m *Model) Quarantine(
	_ context.Context, tenant ledger.Tenant, page ledger.Page,
) (notices []processor.Notice, more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	skip := page.Skip
	for _, n := range slices.Backward(m.told[tenant]) {
		switch {
		case n.Reason == "":
		case skip > 0:
			skip--
		case len(notices) == page.Limit:
			return notices, true, nil
		default:
			notices = append(notices, n)
		}
	}
	return notices, false, nil
}
