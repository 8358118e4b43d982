package cli

import (
	"testing"
)

func TestLotCommands(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	customer := s.customer(t, s.testKey)
	cli("ledger", "lots", customer, "USD").wantCode(t, exitDone, "No open lots.")
	cli("ledger", "credit", customer, "USD", "500", "--category", "promotional", "--expires-at", "2099-01-01T00:00:00Z").wantCode(t, exitDone)
	cli("ledger", "credit", customer, "USD", "300").wantCode(t, exitDone)
	cli("ledger", "debit", customer, "USD", "230").wantCode(t, exitDone)
	cli("ledger", "lots", customer, "USD").wantCode(t, exitDone, "promotional", "2.70", "2099-01-01T00:00:00", "paid", "3.00", "never")
	cli("ledger", "lots", customer, "USD", "--limit", "1").wantCode(t, exitDone, "2.70", "there are more")
	move := func(more ...string) result {
		return cli(append([]string{"ledger", "move-expiry", customer, "USD"}, more...)...)
	}
	for range 2 {
		move("1", "--never", "--reason", "Goodwill", "--idempotency-key", "m").wantCode(t, exitDone, "promotional", "2.70", "never")
	}
	type moved struct{ Lot lotView }
	if lot := decode[moved](t, move("2", "--expires-at", "2098-01-01T00:00:00Z", "-o", "json")).Lot; lot.Seq != 7 || lot.Remaining != 300 {
		t.Errorf("got lot %+v, want lot 7 with 300", lot)
	}
	move("2", "--never").wantCode(t, exitFailed, "EXPIRY_NOT_MOVABLE")
	move("5", "--expires-at", "2020-01-01T00:00:00Z").wantCode(t, exitFailed, "INVALID_EXPIRY")
	move("1", "--expires-at", "2098-01-01T00:00:00Z", "--idempotency-key", "m").wantCode(t, exitFailed, "IDEMPOTENCY_KEY_REUSED")
	move("3", "--never").wantCode(t, exitFailed, "NOT_FOUND", "ledger lots")
	move("one", "--never").wantCode(t, exitFailed, "NOT_FOUND")
	move("5").wantCode(t, exitUsage, "either --expires-at")
	move("5", "--never", "--expires-at", "2098-01-01T00:00:00Z").wantCode(t, exitUsage, "either --expires-at")
	cli("ledger", "lots", customer, "dollars").wantCode(t, exitFailed, "NOT_FOUND", "wallets list")
	cli("ledger", "reverse", customer, "cwt_none").wantCode(t, exitFailed, "NOT_FOUND")
	cli("wallets", "list", customer).wantCode(t, exitDone, "5.70")
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone, "7 entries")
}
