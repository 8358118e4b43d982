package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sqlite"
)

func TestTransferCommand(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	from, to := s.customer(t, s.testKey), s.customer(t, s.testKey)
	cli("ledger", "credit", from, "USD", "500").wantCode(t, exitDone, "5.00")
	for range 2 {
		cli("ledger", "transfer", from, to, "USD", "230", "--reason", "A gift", "--idempotency-key", "g").
			wantCode(t, exitDone, "trf_", from, to, "2.30", "completed")
	}
	cli("wallets", "list", to).wantCode(t, exitDone, "2.30")
	cli("ledger", "list", to).wantCode(t, exitDone, "A gift")
	cli("ledger", "transfer", from, to, "USD", "271").wantCode(t, exitFailed, "INSUFFICIENT_WALLET_FUNDS")
	cli("ledger", "transfer", from, from, "USD", "1").wantCode(t, exitFailed, "INVALID_TRANSFER")
	cli("ledger", "transfer", from, "cus_nobody", "USD", "1").wantCode(t, exitFailed, "NOT_FOUND", "cus_nobody", "customers list")
	cli("ledger", "transfer", from, to, "USD", "2.00").wantCode(t, exitUsage, "minor units")
	cli("ledger", "transfer", from, to, "USD").wantCode(t, exitUsage, "MINOR_UNITS is missing")
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone, "3 entries")
	cli("doctor", "--data-dir", s.dir).wantCode(t, exitDone, "none is overdue")
}

// Doctor speaks of what has been between two customers for more than a minute.
func TestDoctorSeesTransfersInTransit(t *testing.T) {
	t.Parallel()
	dir := killedData(t)
	awaitForks()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	scope := ledger.Scope{Tenant: killedTenant, CustomerID: "cus_from", Currency: "USD", At: time.Now(), Need: 60}
	r := ledger.TransferRequest{
		Tenant: killedTenant, CustomerID: "cus_from", ToCustomerID: "cus_to", Currency: "USD", Amount: 60, CurrencyEnabled: true,
	}
	now := ledger.Moment{Now: time.Now().UTC().Truncate(time.Microsecond)}
	sent, err := db.Transact(t.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.SendTransfer(s, &r, ledger.Destination{}, now)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	created := sent.Transfer.CreatedAt
	for _, step := range []struct {
		at   time.Time
		want string
	}{{created.Add(59 * time.Second), statusOK}, {created.Add(61 * time.Second), statusWarn}} {
		found := examineTransfers(t.Context(), dir, step.at)
		if found.Status != step.want || step.want == statusWarn && !strings.Contains(found.Found, "1 in transit") {
			t.Errorf("at %v: got %+v, want status %s", step.at, found, step.want)
		}
	}
}
