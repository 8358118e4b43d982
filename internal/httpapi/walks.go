package httpapi

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

// walkWait is how long a walk waits for its turn.
const walkWait = 5 * time.Second

// walkLanes is how many lanes the tenants share. It is large, so that two busy
// tenants hardly ever share one.
const walkLanes = 1024

// walkSkip is how many rows a list may skip without counting as a walk.
const walkSkip = 1000

// walks bounds the lists that may look at far more rows than they show. The
// store has few connections that read, and a handful of such lists would hold
// all of them: nobody else, of whatever business, would get to read a balance.
type walks struct {
	lanes [walkLanes]chan struct{} // one walk at once for each tenant
	all   chan struct{}
}

func newWalks(most int) *walks {
	w := &walks{all: make(chan struct{}, max(1, most))}
	for i := range w.lanes {
		w.lanes[i] = make(chan struct{}, 1)
	}
	return w
}

// enter waits until a tenant may walk. The caller calls leave afterwards.
func (w *walks) enter(ctx context.Context, tenant ledger.Tenant) (leave func(), err error) {
	hash := fnv.New32a()
	hash.Write([]byte(tenant.BusinessID + string(tenant.Mode)))
	lane := w.lanes[hash.Sum32()%walkLanes]
	ctx, cancel := context.WithTimeoutCause(ctx, walkWait, errWalks)
	defer cancel()
	// The lane comes first: whoever asks for many walks waits for their own,
	// and the others wait behind one of them at the most.
	if err := occupy(ctx, lane); err != nil {
		return nil, err
	}
	if err := occupy(ctx, w.all); err != nil {
		<-lane
		return nil, err
	}
	return func() { <-w.all; <-lane }, nil
}

var errWalks = ledger.Errorf(ledger.CodeOverloaded,
	"Too many long searches are waiting; try again in a moment, or narrow the filters.")

func occupy(ctx context.Context, place chan struct{}) error {
	select {
	case place <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// inTurn reads a list from the store, in its turn when that is a walk.
func (s *Server) inTurn(c *call, walk bool, read func() error) error {
	if walk {
		leave, err := s.walks.enter(c.r.Context(), c.tenant())
		if err != nil {
			return err
		}
		// Before the answer is sent: its reader may be slow.
		defer leave()
	}
	return read()
}

// walksEntries reports whether a list of entries is a walk. The other filters
// find their entries without one.
func walksEntries(filter *ledger.EntryFilter) bool {
	return filter.EventType != "" || filter.Direction != "" || filter.ReferenceObjectID != ""
}

// walksDeliveries reports whether a list of deliveries is a walk. There is an index
// for those that failed.
func walksDeliveries(state webhook.State) bool {
	return state == webhook.Pending || state == webhook.Done
}

// walksCustomers reports whether a list of customers is a walk. There is an
// index for e-mail addresses only.
func walksCustomers(filter *ledger.CustomerFilter, page ledger.Page) bool {
	return filter.Name != "" || !filter.CreatedAtGTE.IsZero() || !filter.CreatedAtLTE.IsZero() || page.Skip > walkSkip
}
