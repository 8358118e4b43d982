package power

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

// The control drives the store in a child process of the test, because the
// binary refuses to run with less than full syncs.
const (
	childVariable       = "E2E_POWER_CHILD"
	synchronousVariable = "E2E_POWER_SYNCHRONOUS"
	prefixVariable      = "E2E_POWER_PREFIX"

	controlCuts      = 10
	controlWriters   = 8
	controlCustomers = 8
)

var controlTenant = ledger.Tenant{BusinessID: "bus_000000000000000000000", Mode: ledger.Test}

func controlCustomer(n int) string { return fmt.Sprintf("cus_00000000000000000000%d", n) }

// TestControlKeeps is the control's own control: the same child, with the sync
// level that the product has, loses nothing.
func TestControlKeeps(t *testing.T) {
	campaign := harness.NewCampaign(t)
	if lost := control(t, campaign, "FULL"); lost > 0 {
		t.Errorf("synchronous=FULL: got %d cuts that lost acknowledged entries, want none", lost)
	}
}

// TestControlLoses shows that the test has teeth: with synchronous=NORMAL
// acknowledged entries are lost.
func TestControlLoses(t *testing.T) {
	campaign := harness.NewCampaign(t)
	if lost := control(t, campaign, "NORMAL"); lost == 0 {
		t.Errorf("synchronous=NORMAL: got no cut out of %d that lost an acknowledged entry, want at least one; "+
			"this test could not see a loss", controlCuts)
	}
}

// control cuts the power under children and returns how many cuts lost
// something.
func control(t *testing.T, campaign *harness.Campaign, synchronous string) (cutsThatLost int) {
	t.Helper()
	random := campaign.Rand(2)
	disk := harness.NewDisk(t, t.TempDir(), diskMegabytes)
	dir := disk.Dir + "/data"
	prepare(t, dir)
	var acknowledged []string // of all cuts so far
	for cut := range controlCuts {
		life := 50*time.Millisecond + time.Duration(random.Int64N(int64(200*time.Millisecond)))
		acknowledged = append(acknowledged, runChild(t, dir, synchronous, fmt.Sprintf("cut%d", cut), life)...)
		disk.CutPower(t)
		lost, kept := missing(t, dir, acknowledged)
		campaign.Add("cuts", 1)
		campaign.Add("acknowledged", int64(len(kept)+len(lost)))
		campaign.Add("lost", int64(len(lost)))
		if len(lost) > 0 {
			cutsThatLost++
		}
		acknowledged = kept
	}
	campaign.Add("cuts that lost", int64(cutsThatLost))
	campaign.Want("cuts", controlCuts)
	campaign.Want("acknowledged", 100)
	return cutsThatLost
}

// prepare makes the store with its customers and closes it, so that they are
// on the disk whatever the sync level of the child.
func prepare(t *testing.T, dir string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	business := access.Business{ID: controlTenant.BusinessID, Name: "Control", CreatedAt: now}
	if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	for n := range controlCustomers {
		customer := ledger.Customer{
			Tenant: controlTenant, ID: controlCustomer(n), Email: "e2e@example.com", Name: "Control", Metadata: "{}",
			CreatedAt: now, UpdatedAt: now,
		}
		if _, err := db.CreateCustomer(t.Context(), customer, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// runChild lets a child write for a while, kills it, and returns what it had
// acknowledged.
func runChild(t *testing.T, dir, synchronous, prefix string, life time.Duration) (acknowledged []string) {
	t.Helper()
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), childVariable+"="+dir, synchronousVariable+"="+synchronous, prefixVariable+"="+prefix)
	command.Stderr = os.Stderr
	command.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(20*time.Second, func() { _ = command.Process.Kill() })
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if len(acknowledged) == 0 {
			timer.Reset(life)
		}
		acknowledged = append(acknowledged, lines.Text())
	}
	_ = command.Wait() // it was killed
	if timer.Stop() || len(acknowledged) == 0 {
		t.Fatalf("child: got %d acknowledged entries and an end of its own, want it killed at work", len(acknowledged))
	}
	return acknowledged
}

// missing opens the store and divides what was acknowledged into what is gone
// and what is there. Every law must hold in what is left, at any sync level.
func missing(t *testing.T, dir string, acknowledged []string) (lost, kept []string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range acknowledged {
		customer, key, _ := strings.Cut(line, " ")
		list, err := db.Entries(t.Context(), controlTenant, customer, ledger.EntryFilter{IdempotencyKey: key},
			ledger.Page{Limit: 2})
		switch {
		case err != nil:
			t.Fatal(err)
		case len(list.Entries) > 1:
			t.Errorf("key %s: got %d entries, want one", key, len(list.Entries))
		case len(list.Entries) == 0:
			lost = append(lost, line)
		default:
			kept = append(kept, line)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := verify.Run(t.Context(), verify.Options{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() {
		t.Errorf("verify after a cut: got %v, want every law kept", report.Findings)
	}
	return lost, kept
}

// child writes to a store until it is killed, and prints each key after it was
// acknowledged.
func child(dir string) int {
	db, err := sqlite.Open(context.Background(), sqlite.Config{Dir: dir, Synchronous: os.Getenv(synchronousVariable)})
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	book := ledger.NewBook(db, time.Now, func() uint64 { return uint64(time.Now().UnixNano()) })
	var failed sync.Once
	var writers sync.WaitGroup
	for n := range controlWriters {
		writers.Go(func() {
			customer := controlCustomer(n % controlCustomers)
			for i := 0; ; i++ {
				key := os.Getenv(prefixVariable) + "-" + strconv.Itoa(n) + "-" + strconv.Itoa(i)
				_, err := book.Post(context.Background(), ledger.PostRequest{
					Tenant: controlTenant, CustomerID: customer, Currency: "USD", Direction: ledger.Credit, Amount: 1,
					IdempotencyKey: key, CreatedBy: "key_control", CurrencyEnabled: true,
				})
				if err != nil {
					failed.Do(func() { fmt.Fprintln(os.Stderr, "child:", err) })
					return
				}
				// One write of the system each, so that a kill cannot cut a
				// line in two.
				fmt.Println(customer + " " + key)
			}
		})
	}
	writers.Wait()
	return 1
}
