package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// mistake is a bug in the model, the scenarios that must notice it, by topic and
// name, and whether the machine must as well.
type mistake struct {
	bug     string
	open    func(testing.TB) Stores
	caught  [][2]string
	machine bool
}

var mistakes = []mistake{
	{"read, then write", bendRacing(readThenWrite), [][2]string{
		{"races", "O2 300 debits of 1 at once on 100: exactly 100 succeed"},
		{"races", "M5 credits and debits of many customers at once"},
		{"races", "R1 each answer is the balance at its own place"},
	}, false},
	{"key looked up outside the lock", bendRacing(keyOutsideLock), [][2]string{
		{"races", "K6 one key 64 times at once: one effect, 63 replays"},
		{"races", "K6 one key with 64 amounts at once: one effect, 63 refusals"},
	}, false},
	{"partial debits read, then written", bendRacing(readThenWrite), [][2]string{
		{"races", "of 64 entries under one if_seq one is accepted"},
		{"races", "O2 64 partial debits of 3 at once take 100 and nothing more"},
	}, false},
	{"seq by max plus one", bendRacing(seqByMax), [][2]string{
		{"races", "M5 credits and debits of many customers at once"},
		{"races", "R1 each answer is the balance at its own place"},
	}, false},
	{"key used up by a refusal", keyConsumed, [][2]string{{"keys", "K7 a refusal does not use up its key"}}, true},
	{"fingerprint without the amount", bend(fingerprintWithoutAmount), [][2]string{
		{"keys", "K3 K4 another request under the key is refused, whatever differs"},
		{"races", "K6 one key with 64 amounts at once: one effect, 63 refusals"},
	}, true},
	{"replay with the current wallet", bend(replayGivesCurrentWallet), [][2]string{
		{"keys", "K2 a replay is the first answer however the wallet has moved"},
	}, true},
	{"keys without upper and lower case", alterPrior(strings.ToLower), [][2]string{{"keys", "K8 keys are compared byte for byte"}}, true},
	{"keys trimmed", alterPrior(strings.TrimSpace), [][2]string{{"keys", "K8 keys are compared byte for byte"}}, true},
	{"expiry by the sweeper only", bendSnapshot(expiryBySweeper), [][2]string{
		{"lots", "L3 expired money is not spent though nobody swept it"},
		{"lots", "L3 expiry is exact to the microsecond"},
		{"expiry", "L3 L4 nobody sweeps for a week, then three at once"},
	}, true},
	{"expiry a microsecond late", bendSnapshot(expiryMicrosecondLate), [][2]string{{"lots", "L3 expiry is exact to the microsecond"}}, true},
	{"lots by seq only", bendSnapshot(lotsBySeq), [][2]string{{"lots", "L2 soonest expiry, then promotional, then oldest"}}, true},
	{"lots that the snapshot left out are lost", bend(dropsUnseenLots), [][2]string{
		{"snapshots", "lots beyond the snapshot are untouched by its change"},
	}, true},
	{"a partial debit loaded like any other", bend(partialLikeAny), [][2]string{
		{"snapshots", "a partial debit sees all that there is"},
	}, true},
	{"sweeps a microsecond early", bend(sweepsEarly), [][2]string{
		{"expiry", "L4 a lot is not swept before its instant, to the microsecond"},
	}, true},
	{"sweeps twice", bend(sweepsTwice), [][2]string{
		{"expiry", "L4 sweeps that come late, twice or after a week write the same entries"},
		{"expiry", "L4 M1 an expiry entry takes all that is left of one lot as breakage"},
	}, true},
	{"sweeps only a part", bend(sweepsPart), [][2]string{
		{"expiry", "L4 M1 an expiry entry takes all that is left of one lot as breakage"},
		{"expiry", "L4 wallets are found until they are swept, and not before they expire"},
	}, true},
	{"sweeps read, then written", bendRacing(readThenWrite), [][2]string{
		{"expiry", "L4 8 sweepers at once write one entry for each lot"},
		{"expiry", "L4 credits race with sweeps"},
	}, false},
	{"entries take the time of a clock that is a day ahead", bend(dayAhead), [][2]string{
		{"clocks", "Q4 R4 writers and sweepers while the clock jumps by days and back"},
	}, false},
	{"next expiry not updated", openStaleExpiry, [][2]string{
		{"expiry", "L4 wallets are found until they are swept, and not before they expire"},
		{"expiry", "L4 wallets with something to sweep are found, the longest overdue first"},
	}, true},
	{"lots in pages by count", openLotsByCount, [][2]string{
		{"lots", "lots are listed once while the wallet moves between two pages"},
	}, false},
	{"lots that have expired left out", openLotsWithoutExpired, [][2]string{
		{"lots", "L2 lots are listed in spend order, in pages of any size"},
	}, true},
	{"what was reversed before is forgotten", bendSnapshot(forgetsReversed), [][2]string{
		{"reversals", "L5 a reversal in parts gives back the last lot first, and no more than was taken"},
		{"reversals", "L5 64 reversals of 30 at once undo 900 of a debit of 900"},
	}, true},
	{"reversals read, then written", bendRacing(readThenWrite), [][2]string{
		{"reversals", "L5 64 reversals of 30 at once undo 900 of a debit of 900"},
		{"reversals", "K6 one key on 64 reversals at once: one effect"},
	}, false},
	{"a reversal gives back to the lots that it sees", bend(givesToSeenLots), [][2]string{
		{"reversals", "L5 lots between and behind others get their money back"},
	}, true},
	{"a reversal opens a lot of its own", bend(givesToOwnLot), [][2]string{
		{"reversals", "L5 a reversal gives back to the lots that were taken, kind and expiry kept"},
		{"reversals", "L3 L5 what goes back to an expired lot is written off at once and not spent"},
	}, true},
	{"balance of all currencies", bendSnapshot(lotsOfAllCurrencies), [][2]string{{"lots", "each wallet has its own lots"}}, true},
	{"clock lowers created_at", bendSnapshot(clockLowersTime), [][2]string{
		{"clocks", "R4 created_at does not go back with the clock"},
		{"clocks", "Q4 R4 writers and sweepers while the clock jumps by days and back"},
	}, true},
	{"chain by wallet", bendSnapshot(chainByWallet), [][2]string{{"transact", "positions count the customer's entries, seqs the wallet's"}}, true},
	{"times in milliseconds", bend(millisecondTimes), [][2]string{{"clocks", "times keep their microseconds"}}, true},
	{"a refusal leaves a trace", bend(refusalLeavesTrace), [][2]string{
		{"transact", "a refusal is returned as it is and leaves no trace"},
	}, true},
	{"a broken command spoils the next", spoilsNeighbours, [][2]string{
		{"races", "a refused or broken command does not spoil its neighbours"},
	}, false},
	{"no tenant in the look-up", openNoTenant, [][2]string{
		{"tenancy", "N1 the same customer id in two businesses and both modes"},
		{"tenancy", "N1 another tenant's customer is not found"},
		{"keys", "K5 the key of another customer, business or mode is another key"},
	}, true},
	{"stale reads", openStaleReads, [][2]string{{"transact", "an acknowledged entry is in every read that follows"}}, true},
	{"cursor skips one", openBent(bentReads{entries: cursorSkips}), [][2]string{
		{"lists", "entries are newest first, in pages and by cursor"},
		{"lists", "R3 a cursor meets 500 entries once while writers run"},
	}, true},
	{"upper bound of time exclusive", openBent(bentReads{entries: upperBoundExclusive}), [][2]string{
		{"lists", "bounds of created_at are inclusive to the microsecond"},
	}, false},
	{"as-of of the page", openBent(bentReads{entries: asOfPage}), [][2]string{{"lists", "each filter alone and with others"}}, true},
	{"entry by position only", openBent(bentReads{entry: entryByPosition}), [][2]string{{"lists", "an entry is found by its id and by no other"}}, true},
	{"e-mail filter ignored", openBent(bentReads{customers: emailPrefix}), [][2]string{{"customers", "the e-mail filter is exact"}}, true},
	{"name filter case-sensitive", openBent(bentReads{customers: func(f *ledger.CustomerFilter) {
		if f.Name != strings.ToLower(f.Name) {
			f.Name = "\x00"
		}
	}}), [][2]string{{"customers", "the name filter finds parts in any case and script"}}, true},
	{"answers kept for ever", openBent(bentReads{once: func(o *ledger.Once) { o.Accept = time.Time{} }}), [][2]string{
		{"requests", "an answer older than accepted is replaced"},
	}, false},
	{"answers without a fingerprint", openBent(bentReads{once: func(o *ledger.Once) { o.Fingerprint = ledger.Fingerprint{} }}), [][2]string{
		{"requests", "another request under the key is refused"},
	}, false},
	{"answers without a route", openBent(bentReads{once: func(o *ledger.Once) { o.Route = "" }}), [][2]string{
		{"requests", "tenant, route and key make the scope"},
	}, false},
	{"answers looked up outside the lock", openOnceOutsideLock, [][2]string{
		{"requests", "one key 32 times at once: one customer, one answer"},
	}, false},
	{"revoked again", openBent(bentReads{revoke: revokeAgain}), [][2]string{{"access", "revoking sets the time once"}}, false},
}

// TestTeeth plants real bugs in the model, one at a time, and wants the suite
// to notice each: by the scenarios that claim it, and by the machine where one
// customer and one goroutine are enough to show it within a few hundred seeds.
func TestTeeth(t *testing.T) {
	t.Parallel()
	all := slices.Concat(
		mistakes, freezeMistakes(), bulkMistakes(), alertMistakes(), holdMistakes(), crossingMistakes(), transferMistakes(),
		undoMistakes(), takebackMistakes(), debtMistakes(), eventMistakes(), moveMistakes(), webhookMistakes(),
		productMistakes(), objectMistakes(), sinkMistakes(), noticeMistakes(), testClockMistakes())
	for _, m := range all {
		t.Run(m.bug, m.isNoticed)
	}
}

func (m mistake) isNoticed(t *testing.T) {
	t.Parallel()
	for _, name := range m.caught {
		said := record(t, find(t, name), m.open)
		if len(said) == 0 {
			t.Errorf("scenario %q: got no complaint, want one", name)
			continue
		}
		t.Logf("scenario %q: %.200s", name, said[0])
	}
	if !m.machine {
		return
	}
	seeds := recordMachine(t, m.open)
	if seeds == 0 {
		t.Errorf("machine: got no complaint, want one")
	}
	t.Logf("machine: complained at seed %d", seeds)
}
