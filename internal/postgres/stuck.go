package postgres

import (
	"errors"
	"maps"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// lockWait is how long a batch waits for a lock. Other instances hold one
	// no longer than a transaction takes.
	lockWait = "1s"

	// lockWaitAlone is how long the commands of one customer wait that were the
	// cause, or may have been, of a batch that waited too long.
	lockWaitAlone = "50ms"

	// stuckFor is how long a customer who was locked is taken to be so still.
	stuckFor = 500 * time.Millisecond
)

var errStuck = ledger.Errorf(ledger.CodeStorageUnavailable,
	"another transaction in the database holds a lock on this customer; nothing was changed, try again in a moment")

// owner is a customer as a scope names one.
type owner struct {
	tenant   ledger.Tenant
	customer string
}

func ownerOf(i *item) owner { return owner{i.Command.scope.Tenant, i.Command.scope.CustomerID} }

// isLockWait reports whether a transaction waited too long for a lock, and so
// had no effect. That the look-up after a lost answer did says nothing of the
// kind.
func isLockWait(err error) bool { return stateOf(err) == "55P03" && !errors.Is(err, errInDoubt) }

// passBy takes the commands of stuck customers out of a batch, so that nobody
// else waits with them. They are refused; once in a while, those of one customer
// are tried.
func (c *committer) passBy(items []*item) []*item {
	if len(c.stuck) == 0 {
		return items
	}
	var free, probe []*item
	for _, item := range items {
		who := ownerOf(item)
		since, stuck := c.stuck[who]
		switch {
		case !stuck:
			free = append(free, item)
		case time.Since(since) > stuckFor && (len(probe) == 0 || ownerOf(probe[0]) == who):
			probe = append(probe, item)
		default:
			item.Answer(errStuck)
		}
	}
	if len(probe) > 0 {
		c.alone(probe)
	}
	return free
}

// apart carries out the commands of each customer in a transaction of their own,
// after one for all of them waited too long for a lock.
func (c *committer) apart(items []*item) {
	for _, group := range byCustomer(items) {
		c.alone(group)
	}
}

// alone carries out the commands of one customer, and takes note whether that
// customer is stuck.
func (c *committer) alone(items []*item) {
	who := ownerOf(items[0])
	delete(c.stuck, who)
	if stuck := c.try(items, lockWaitAlone, time.Now().Add(retryFor)); stuck {
		maps.DeleteFunc(c.stuck, func(_ owner, since time.Time) bool { return time.Since(since) > 20*stuckFor })
		c.stuck[who] = time.Now()
	}
}
