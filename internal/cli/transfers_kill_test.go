package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sqlite"
)

// killVariable tells a child of this test where it is to die: "write how what dir".
const killVariable = "BILLFOLD_TEST_KILL"

// mortal is a store whose process is killed at its nth write: before it, or while
// it happens. Having let the first one through, it freezes the destination if the
// transfer is to be refused.
type mortal struct {
	ledger.Store
	at     int
	amid   bool
	refuse func()
	writes int
}

func (m *mortal) write() {
	m.writes++
	if m.writes == 2 && m.refuse != nil {
		m.refuse()
	}
	if m.writes != m.at {
		return
	}
	die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	if m.amid {
		go die()
		return
	}
	die()
}

func (m *mortal) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	m.write()
	return m.Store.Transact(ctx, scope, decide)
}

func (m *mortal) SettleTransfer(ctx context.Context, row ledger.Transfer) (ledger.Transfer, error) {
	m.write()
	return m.Store.SettleTransfer(ctx, row)
}

var killedTenant = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}

// TestChildOfKilledTransfers is the process that is killed. It has nothing to do
// when it is not started for that.
func TestChildOfKilledTransfers(t *testing.T) {
	var at int
	var how, what, dir string
	if n, _ := fmt.Sscan(os.Getenv(killVariable), &at, &how, &what, &dir); n != 4 {
		return
	}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	store := &mortal{Store: db, at: at, amid: how == "amid"}
	if what == "refused" {
		store.refuse = func() {
			freeze := ledger.FreezeRequest{
				Tenant: killedTenant, CustomerID: "cus_to", Scope: ledger.FreezeEverything, Reason: "Fraud",
			}
			if _, _, err := ledger.NewBook(db, time.Now, newRandom()).Freeze(t.Context(), freeze, nil); err != nil {
				t.Error(err)
			}
		}
	}
	book := ledger.NewBook(store, time.Now, newRandom())
	_, err = book.Transfer(t.Context(), ledger.TransferRequest{
		Tenant: killedTenant, CustomerID: "cus_from", ToCustomerID: "cus_to", Currency: "USD", Amount: 60, CurrencyEnabled: true,
		IdempotencyKey: "once",
	})
	if err != nil {
		t.Error(err)
	}
	select {} // whoever was to die while it wrote does so by now
}

// killedData makes a data directory with 100.00 at the source.
func killedData(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	awaitForks()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	business := access.Business{ID: killedTenant.BusinessID, Name: "Acme", CreatedAt: now}
	if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"cus_from", "cus_to"} {
		c := ledger.Customer{Tenant: killedTenant, ID: id, Metadata: "{}", CreatedAt: now, UpdatedAt: now}
		if _, err := db.CreateCustomer(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err = ledger.NewBook(db, time.Now, newRandom()).Post(t.Context(), ledger.PostRequest{
		Tenant: killedTenant, CustomerID: "cus_from", Currency: "USD", CurrencyEnabled: true, Direction: ledger.Credit, Amount: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The process is killed with SIGKILL at each arrow of a transfer that arrives, and
// of one that is refused. The server that starts next brings it to its end, and
// every unit is accounted for.
func TestTransfersAreKilledAtEachArrow(t *testing.T) {
	t.Parallel()
	for what, writes := range map[string]int{"completed": 3, "refused": 4} {
		for at := 1; at <= writes; at++ {
			for _, how := range []string{"before", "amid"} {
				t.Run(fmt.Sprintf("%s %s write %d", what, how, at), func(t *testing.T) {
					t.Parallel()
					dir := killedData(t)
					command := exec.Command(os.Args[0], "-test.run=^TestChildOfKilledTransfers$")
					command.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s %s %s", killVariable, at, how, what, dir))
					var said strings.Builder
					command.Stdout, command.Stderr = &said, &said
					start(t, command)
					_ = command.Wait() // its state tells
					status, _ := command.ProcessState.Sys().(syscall.WaitStatus)
					if !status.Signaled() || status.Signal() != syscall.SIGKILL {
						t.Fatalf("the child ended with %v, want it killed\n%s", command.ProcessState, said.String())
					}
					checkKilled(t, dir, what, at, how)
				})
			}
		}
	}
}

func checkKilled(t *testing.T, dir, what string, at int, how string) {
	t.Helper()
	left := unfinishedIn(t, dir)
	if how == "before" && (at > 1) != (len(left) == 1) {
		t.Errorf("got %d transfers in transit after the kill, want one exactly when its first leg was committed", len(left))
	}
	s := startServer(t, dir, nil)
	for giveUp := time.Now().Add(time.Minute); len(left) > 0; time.Sleep(10 * time.Millisecond) {
		if _, metrics := s.get(t, "/metrics"); strings.Contains(metrics, "billfold_transfers_resumed_total 1\n") {
			break
		}
		if time.Now().After(giveUp) {
			t.Fatalf("nothing was resumed\n%s", s.stderr)
		}
	}
	if code := s.stop(t); code != exitDone {
		t.Errorf("stop: got %d, want 0\n%s", code, s.stderr)
	}
	run(t, nil, "verify", "--data-dir", dir).wantCode(t, exitDone, "Every law holds")
	if left := unfinishedIn(t, dir); len(left) != 0 {
		t.Errorf("got %v in transit, want none", left)
	}
	awaitForks()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	list, err := db.Transfers(t.Context(), killedTenant, "cus_from", ledger.Page{Limit: 10})
	if err != nil || len(list.Transfers) > 1 {
		t.Fatalf("got %+v and error %v, want one transfer at most", list.Transfers, err)
	}
	from, to := 100, 0
	if len(list.Transfers) == 1 {
		state := list.Transfers[0].State
		if want := map[string]ledger.TransferState{
			"completed": ledger.TransferCompleted, "refused": ledger.TransferReturned,
		}[what]; state != want && (what != "refused" || at > 2) {
			t.Errorf("got the transfer %s, want it %s", state, want)
		}
		if state == ledger.TransferCompleted {
			from, to = 40, 60
		}
	} else if at > 1 {
		t.Error("the transfer is gone, although its first leg was committed")
	}
	for id, want := range map[string]int{"cus_from": from, "cus_to": to} {
		balance := 0
		wallets, err := db.Wallets(t.Context(), killedTenant, id, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for i := range wallets.Wallets {
			balance += int(wallets.Wallets[i].Balance)
		}
		if balance != want {
			t.Errorf("customer %s: got balance %d, want %d", id, balance, want)
		}
	}
}

func unfinishedIn(t *testing.T, dir string) []ledger.Transfer {
	t.Helper()
	awaitForks()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	left, err := db.UnfinishedTransfers(t.Context(), "", 10)
	if err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	return left
}
