package verify_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

// exampleFile is the ledger of the example in docs/ledger.md.
func exampleFile(t *testing.T) (*ledgerFile, *customer) {
	t.Helper()
	f := newLedgerFile(t)
	f.now = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	c := f.customer(acmeTest, "cus_jane")
	f.mustPost(c, with(credit(5000), func(r *ledger.PostRequest) {
		r.Reason, r.IdempotencyKey, r.Category = "Welcome", "signup_jane", ledger.Promotional
		r.ExpiresAt = time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	}))
	f.mustPost(c, with(debit(1200), func(r *ledger.PostRequest) { r.Metadata = `{"order":"42"}` }))
	f.finish()
	return f, c
}

// TestTheDocumentsExampleIsRight holds the figures of docs/ledger.md against the
// rules that make them and against verify, which has its own encoding.
func TestTheDocumentsExampleIsRight(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	f, c := exampleFile(t)
	if report := run(t, verify.Options{Path: f.path}); !report.Clean() {
		t.Fatalf("got findings %q, want none", report.Findings)
	}
	last := c.wallets["USD"].last
	for name, want := range map[string]string{
		"id of the second entry":          last.ID,
		"fingerprint of the second entry": fmt.Sprintf("%x", last.Fingerprint),
		"hash of the first entry":         f.text(`select lower(hex(hash)) from ledger_entries where no = 1`),
		"hash of the second entry":        fmt.Sprintf("%x", last.Hash),
		"allocations of the second entry": f.text(`select hex(allocations) from ledger_entries where no = 2`),
		"lots of the wallet":              f.text(`select hex(lots) from wallets`),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: docs/ledger.md does not say %s", name, want)
		}
	}
}

// TestTheDocumentNamesEachLaw holds that a law that verify checks is explained.
func TestTheDocumentNamesEachLaw(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, law := range verify.Laws() {
		if row := fmt.Sprintf("\n| %s |", law); !strings.Contains(string(text), row) {
			t.Errorf("docs/ledger.md has no row for law %s", law)
		}
	}
}

// TestTheDocumentsProgramChecks runs the program of docs/ledger.md, which an auditor
// is told to trust instead of this one, on ledgers with every kind of entry. It must
// agree with them, and see a byte that was changed.
func TestTheDocumentsProgramChecks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, begun := strings.Cut(string(text), "```python\n")
	program, _, ended := strings.Cut(program, "```\n")
	if !begun || !ended {
		t.Fatal("docs/ledger.md has no program")
	}
	check := func(f *ledgerFile) string {
		output, err := exec.Command("python3", "-c", program, f.path).CombinedOutput()
		if err != nil {
			t.Fatalf("the program: got %v, want it to end\n%s", err, output)
		}
		return string(output)
	}
	for name, scene := range map[string]func(testing.TB) *ledgerFile{
		"holds": holdScene, "alerts": alertScene, "crossings": crossingScene, "expiry": sweptScene, "transfers": transferScene, "reversals": undoneScene,
		"grace": graceScene, "moves": moveScene, "the rest": scene,
	} {
		f := scene(t)
		if got := check(f); !strings.HasSuffix(got, " chains, 0 wrong\n") || strings.HasPrefix(got, "0 ") {
			t.Errorf("%s: got %q, want no wrong chain of some", name, got)
		}
		f.corrupt(`update ledger_entries set after_balance = after_balance + 1 where no = 2`)
		if got := check(f); !strings.Contains(got, "wrong hash: ") {
			t.Errorf("%s, with a balance changed: got %q, want it said", name, got)
		}
	}
}
