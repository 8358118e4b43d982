package cli

import (
	"testing"
	"time"
)

func TestHoldCommands(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	customer := s.customer(t, s.testKey)
	cli("ledger", "credit", customer, "USD", "500").wantCode(t, exitDone, "5.00")
	ends := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	hold := func(more ...string) result {
		return cli(append([]string{"ledger", "hold", customer, "USD", "230", "--expires-at", ends, "--idempotency-key", "h"}, more...)...)
	}
	for range 2 {
		hold().wantCode(t, exitDone, "hld_", "2.30", "active")
	}
	type changed struct{ Hold holdView }
	id := decode[changed](t, hold("-o", "json")).Hold.ID
	cli("ledger", "debit", customer, "USD", "271").wantCode(t, exitFailed, "INSUFFICIENT_WALLET_FUNDS")
	cli("ledger", "capture", customer, id, "231").wantCode(t, exitFailed, "CAPTURE_EXCEEDS_HOLD")
	cli("ledger", "capture", customer, id, "130").wantCode(t, exitDone, id, "1.30", "1.00", "active")
	cli("ledger", "holds", customer, "--status", "active").wantCode(t, exitDone, id, "1.00")
	cli("ledger", "release", customer, id).wantCode(t, exitDone, id, "released")
	cli("ledger", "release", customer, id).wantCode(t, exitFailed, "HOLD_NOT_ACTIVE")
	cli("ledger", "holds", customer, "--status", "active").wantCode(t, exitDone, "No holds found")
	cli("ledger", "capture", customer, "hld_none").wantCode(t, exitFailed, "NOT_FOUND", "ledger holds")
	cli("ledger", "hold", customer, "USD", "1").wantCode(t, exitUsage, "--expires-at is missing")
	cli("ledger", "hold", customer, "USD", "1.00", "--expires-at", ends).wantCode(t, exitUsage, "minor units")
	cli("wallets", "list", customer).wantCode(t, exitDone, "3.70")
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone, "2 entries")
}
