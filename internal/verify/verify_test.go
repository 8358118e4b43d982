package verify_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/verify"
)

func run(t testing.TB, options verify.Options) verify.Report {
	t.Helper()
	report, err := verify.Run(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// wantClean wants a file sound, for a whole run and for a quick one.
func wantClean(t testing.TB, path string) {
	t.Helper()
	for _, quick := range []bool{false, true} {
		if got := run(t, verify.Options{Path: path, Quick: quick}); !got.Clean() {
			t.Errorf("quick %v: got findings %q, want none", quick, got.Findings)
		}
	}
}

func TestASoundLedgerHasNoFindings(t *testing.T) {
	t.Parallel()
	f := scene(t)
	var done, total int64
	got := run(t, verify.Options{Path: f.path, Progress: func(d, of int64) { done, total = d, of }})
	want := verify.Report{
		Entries: 76, Customers: 5, Wallets: 5,
		Findings: []verify.Finding{},
		Accounts: []verify.AccountSum{
			{BusinessID: "bus_acme", Mode: "test", Currency: "INR", Account: "wallets", Sum: "500"},
			{BusinessID: "bus_acme", Mode: "test", Currency: "INR", Account: "merchant", Sum: "-500"},
			{BusinessID: "bus_acme", Mode: "test", Currency: "USD", Account: "wallets", Sum: "2340"},
			{BusinessID: "bus_acme", Mode: "test", Currency: "USD", Account: "merchant", Sum: "-1790"},
			{BusinessID: "bus_acme", Mode: "test", Currency: "USD", Account: "promotion", Sum: "-550"},
			{BusinessID: "bus_acme", Mode: "live", Currency: "USD", Account: "wallets", Sum: "77"},
			{BusinessID: "bus_acme", Mode: "live", Currency: "USD", Account: "merchant", Sum: "-77"},
			{BusinessID: "bus_zeta", Mode: "test", Currency: "USD", Account: "wallets", Sum: "78"},
			{BusinessID: "bus_zeta", Mode: "test", Currency: "USD", Account: "promotion", Sum: "-78"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	small := run(t, verify.WithWeight(verify.Options{Path: f.path}, 1))
	if diff := cmp.Diff(want, small); diff != "" {
		t.Errorf("report of one customer at a time (-want +got):\n%s", diff)
	}
	if done != 76 || total != 76 {
		t.Errorf("progress: got %d of %d, want 76 of 76", done, total)
	}
}

func TestVerifyChangesNothing(t *testing.T) {
	t.Parallel()
	f := scene(t)
	for _, state := range []string{"while a server has the file", "after a stop"} {
		if state == "after a stop" {
			f.close()
		}
		before := files(t, filepath.Dir(f.path))
		for _, quick := range []bool{false, true} {
			if got := run(t, verify.Options{Path: f.path, Quick: quick}); !got.Clean() {
				t.Errorf("%s: got findings %q, want none", state, got.Findings)
			}
		}
		if diff := cmp.Diff(before, files(t, filepath.Dir(f.path))); diff != "" {
			t.Errorf("%s: files (-before +after):\n%s", state, diff)
		}
	}
}

// files returns the contents of a directory, without the shared memory in
// which readers of a database leave their marks.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	contents := make(map[string]string)
	for _, file := range list {
		if strings.HasSuffix(file.Name(), "-shm") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		contents[file.Name()] = fmt.Sprintf("%d bytes, %x", len(content), sha256.Sum256(content))
	}
	return contents
}
