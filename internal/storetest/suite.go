// Package storetest holds the behaviour that every store must show, as tests
// that a store calls in a dozen lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) storetest.Stores {
//			db := open(t)
//			return storetest.Stores{Ledger: db, Access: db, Products: db, People: db, Webhooks: db, Sinks: db, Inbox: db}
//		})
//	}
//
// Beside the suite stand [Model], a store of maps and copies that is too
// simple to be wrong in an interesting way; [RunMachine], which compares a
// store with the model under random commands; and [CheckLaws], which
// recomputes the laws of money from raw entries and shares no code with the
// rules. The package is imported by tests only.
package storetest

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/webhook"
)

// Stores is what one open database offers.
type Stores struct {
	Ledger   ledger.Store
	Access   access.Store
	Products catalog.Store
	People   people.Store
	Webhooks webhook.Store
	Sinks    bus.Store
	Inbox    processor.Inbox

	// Sharded says that all or nothing is promised for the lines of one customer
	// only.
	Sharded bool

	// patience is how long to wait for what is to be in the feed, 0 for as long as a
	// busy server may take. A store in which something is always missing needs less.
	patience time.Duration
}

func (s *Stores) waitsFor() time.Duration {
	if s.patience == 0 {
		return eventsWithin
	}
	return s.patience
}

// Run runs the whole suite. Open gives each scenario an empty store of its own
// and closes it by t.Cleanup; it is called from many goroutines at once.
func Run(t *testing.T, open func(t testing.TB) Stores) {
	for _, topic := range contents() {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			for _, scenario := range topic.scenarios {
				t.Run(scenario.name, func(t *testing.T) {
					t.Parallel()
					scenario.run(newWorld(t, open))
				})
			}
		})
	}
}

// topic is a chapter of the suite; its scenarios stand in the file of its name.
type topic struct {
	name      string
	scenarios []scenario
}

// scenario is one test. It gets a *world and not a *testing.T so that the
// tests of this package can run it against a store with a planted bug and
// watch it fail.
type scenario struct {
	name string
	run  func(w *world)
}

// contents is the suite's table of contents.
func contents() []topic {
	return []topic{
		{"customers", customerScenarios()},
		{"transact", transactScenarios()},
		{"snapshots", snapshotScenarios()},
		{"keys", keyScenarios()},
		{"bulk", bulkScenarios()},
		{"lots", lotScenarios()},
		{"expiry", expiryScenarios()},
		{"notices", noticeScenarios()},
		{"reversals", reversalScenarios()},
		{"takebacks", takebackScenarios()},
		{"debts", debtScenarios()},
		{"pinned lots", pinnedScenarios()},
		{"moves", moveScenarios()},
		{"transfers", transferScenarios()},
		{"holds", holdScenarios()},
		{"objects", objectScenarios()},
		{"freezes", freezeScenarios()},
		{"adoptions", adoptionScenarios()},
		{"alerts", alertScenarios()},
		{"alerts of holds", holdAlertScenarios()},
		{"events", eventScenarios()},
		{"webhooks", webhookScenarios()},
		{"inbox", inboxScenarios()},
		{"sinks", sinkScenarios()},
		{"clocks", clockScenarios()},
		{"test clocks", testClockScenarios()},
		{"lists", listScenarios()},
		{"past", pastScenarios()},
		{"traps", trapScenarios()},
		{"races", raceScenarios()},
		{"tenancy", tenancyScenarios()},
		{"requests", requestScenarios()},
		{"access", accessScenarios()},
		{"trail of a business", trailScenarios()},
		{"products", productScenarios()},
		{"people", peopleScenarios()},
	}
}
