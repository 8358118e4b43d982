package httpapi_test

import (
	"context"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// faultyInbox fails with the store of the ledger.
type faultyInbox struct {
	processor.Inbox
	ledger *faultyStore
}

func (f faultyInbox) NoticeKept(ctx context.Context, tenant ledger.Tenant, id string) (bool, error) {
	if err := f.ledger.fail(); err != nil {
		return false, err
	}
	return f.Inbox.NoticeKept(ctx, tenant, id)
}

func (f faultyInbox) KeepNotice(ctx context.Context, tenant ledger.Tenant, notice processor.Notice) (bool, error) {
	if err := f.ledger.fail(); err != nil {
		return false, err
	}
	return f.Inbox.KeepNotice(ctx, tenant, notice)
}

func (f faultyInbox) Quarantine(
	ctx context.Context, tenant ledger.Tenant, page ledger.Page,
) ([]processor.Notice, bool, error) {
	if err := f.ledger.fail(); err != nil {
		return nil, false, err
	}
	return f.Inbox.Quarantine(ctx, tenant, page)
}
