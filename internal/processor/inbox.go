package processor

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// Notice is what became of a notification of a processor that was verified.
type Notice struct {
	ID   string // the processor's, the same each time it is sent
	Kind string // in the processor's words

	// Reason is why people have to look at it, empty where it was taken. Body is what was
	// sent then, and empty otherwise.
	Reason string
	Body   string

	ReceivedAt time.Time
}

const (
	// NoticesKept is for how long a notification that was taken is known when it comes
	// again. Stripe sends one for three days.
	NoticesKept = 30 * 24 * time.Hour

	// QuarantineMax is how many that were not taken are kept of a business in a mode: the
	// newest.
	QuarantineMax = 1000

	// NoticeBodyMax is the largest notification that is kept, in bytes.
	NoticeBodyMax = 256 << 10
)

// Inbox keeps what became of notifications.
type Inbox interface {
	// NoticeKept reports whether a notification was kept before.
	NoticeKept(ctx context.Context, tenant ledger.Tenant, id string) (bool, error)

	// KeepNotice keeps one, and reports whether it was not kept before: nothing of one that
	// was changes. It removes a few of those whose time is over, see [NoticesKept] and
	// [QuarantineMax].
	KeepNotice(ctx context.Context, tenant ledger.Tenant, notice Notice) (bool, error)

	// Quarantine returns a page of those that people have to look at, newest first, and
	// reports whether there are more.
	Quarantine(ctx context.Context, tenant ledger.Tenant, page ledger.Page) ([]Notice, bool, error)
}
