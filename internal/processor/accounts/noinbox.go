package accounts

import (
	"context"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// NoInbox keeps nothing, so that nothing that has to be kept is taken.
type NoInbox struct{}

var errNoInbox = ledger.Errorf(ledger.CodeStorageUnavailable, "notifications cannot be kept here")

// NoticeKept implements [processor.Inbox].
func (NoInbox) NoticeKept(context.Context, ledger.Tenant, string) (bool, error) {
	return false, errNoInbox
}

// KeepNotice implements [processor.Inbox].
func (NoInbox) KeepNotice(context.Context, ledger.Tenant, processor.Notice) (bool, error) {
	return false, errNoInbox
}

// Quarantine implements [processor.Inbox].
func (NoInbox) Quarantine(context.Context, ledger.Tenant, ledger.Page) ([]processor.Notice, bool, error) {
	return nil, false, errNoInbox
}
