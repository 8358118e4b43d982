package storetest

import (
	"cmp"
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// modelInbox is what card processors told, in the order in which it was kept.
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
	m.told[tenant] = withoutOldest(m.told[tenant])
	return true, nil
}

// withoutOldest keeps those that people have to look at few.
func withoutOldest(told []processor.Notice) []processor.Notice {
	var odd []processor.Notice
	for _, n := range told {
		if n.Reason != "" {
			odd = append(odd, n)
		}
	}
	if len(odd) <= processor.QuarantineMax {
		return told
	}
	oldest := slices.MinFunc(odd, func(a, b processor.Notice) int {
		return cmp.Or(a.ReceivedAt.Compare(b.ReceivedAt), cmp.Compare(a.ID, b.ID))
	})
	return slices.DeleteFunc(told, func(n processor.Notice) bool { return n.ID == oldest.ID })
}

// Quarantine implements [processor.Inbox].
func (m *Model) Quarantine(
	_ context.Context, tenant ledger.Tenant, page ledger.Page,
) (notices []processor.Notice, more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	skip := page.Skip
	told := slices.Clone(m.told[tenant])
	slices.SortFunc(told, func(a, b processor.Notice) int {
		return cmp.Or(b.ReceivedAt.Compare(a.ReceivedAt), cmp.Compare(b.ID, a.ID))
	})
	for _, n := range told {
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
