package verify_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/verify"
)

// headsOf verifies a file and returns where its chains stand.
func headsOf(t *testing.T, path string) (heads []verify.Head) {
	t.Helper()
	report := run(t, verify.Options{Path: path, Heads: func(head verify.Head) error {
		heads = append(heads, head)
		return nil
	}})
	if !report.Clean() {
		t.Fatalf("got findings %q, want none", report.Findings)
	}
	return heads
}

// against verifies a file and that it goes on from the heads.
func against(t *testing.T, path string, heads []verify.Head) verify.Report {
	t.Helper()
	return run(t, verify.Options{Path: path, Checkpoint: func(yield func(verify.Head) error) error {
		for _, head := range heads {
			if err := yield(head); err != nil {
				return err
			}
		}
		return nil
	}})
}

func TestHeadsAreWhereTheChainsStand(t *testing.T) {
	t.Parallel()
	f := scene(t)
	heads := headsOf(t, f.path)
	if len(heads) != 5 {
		t.Fatalf("got %d heads, want one for each of 5 customers", len(heads))
	}
	if !slices.IsSortedFunc(heads, func(a, b verify.Head) int {
		return cmp.Or(strings.Compare(a.CustomerID, b.CustomerID), strings.Compare(a.BusinessID, b.BusinessID),
			strings.Compare(a.Mode, b.Mode))
	}) {
		t.Errorf("got %v, want them sorted", heads)
	}
	var got []string
	for _, head := range heads {
		got = append(got, fmt.Sprintf("%s %s %s %d %d", head.CustomerID, head.BusinessID, head.Mode, head.Position, head.AuditPosition))
	}
	want := []string{
		"cus_ann bus_acme live 1 0", "cus_ann bus_acme test 72 4", "cus_ann bus_zeta test 1 0",
		"cus_bob bus_acme test 2 0", "cus_poor bus_zeta test 0 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := fmt.Sprintf("%X", heads[1].Hash), f.text(`select hex(hash) from ledger_entries where no = 73`); got != want {
		t.Errorf("Ann's head: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprintf("%X", heads[1].AuditHash), f.text(`select hex(audit_hash) from customers where no = 2`); got != want {
		t.Errorf("Ann's trail: got %s, want %s", got, want)
	}
}

// A ledger goes on from each position it ever had: at, between and after the
// marks.
func TestALedgerGoesOnFromEachEarlierPosition(t *testing.T) {
	t.Parallel()
	f := scene(t)
	last := headsOf(t, f.path)[1]
	for position := range last.Position {
		head := last
		head.Position = position + 1
		copy(head.Hash[:], f.text(fmt.Sprintf(`select hash from ledger_entries where no = %d`, annAt(int(head.Position)))))
		if report := against(t, f.path, []verify.Head{head}); !report.Clean() {
			t.Errorf("position %d: got findings %q, want none", head.Position, report.Findings)
		}
		head.Hash[0] ^= 1
		report := against(t, f.path, []verify.Head{head})
		if len(report.Findings) != 1 || report.Findings[0].Law != verify.LawImmutable ||
			report.Findings[0].Position != head.Position {
			t.Errorf("position %d of another history: got findings %q, want one of law M6 there", head.Position, report.Findings)
		}
	}
}

// Each of these histories keeps every law by itself; only what was written down
// earlier shows that it is another one.
func TestACheckpointShowsWhatTheChainCannot(t *testing.T) {
	t.Parallel()
	now := headsOf(t, scene(t).path)
	changed := func(i int, change func(*verify.Head)) []verify.Head {
		heads := slices.Clone(now)
		change(&heads[i])
		return heads
	}
	for _, c := range []struct {
		name     string
		heads    []verify.Head
		law      verify.Law
		customer string
		position int64
		message  string
	}{
		{"tail cut off", changed(1, func(h *verify.Head) { h.Position = 73 }), verify.LawImmutable, ann, 73, "gone"},
		{"tail with a mark cut off", changed(1, func(h *verify.Head) { h.Position = 200 }), verify.LawImmutable, ann, 200, "gone"},
		{"written anew", changed(1, func(h *verify.Head) { h.Hash[31] ^= 1 }), verify.LawImmutable, ann, 72, "anew"},
		{"trail cut off", changed(1, func(h *verify.Head) { h.AuditPosition = 5 }), verify.LawAudit, ann, 5, "gone"},
		{"trail written anew", changed(1, func(h *verify.Head) { h.AuditHash[0] ^= 1 }), verify.LawAudit, ann, 4, "anew"},
		{"all entries gone", changed(4, func(h *verify.Head) { h.Position = 1 }), verify.LawImmutable, "cus_poor", 1, "gone"},
		{"customer gone", changed(4, func(h *verify.Head) { h.CustomerID = "cus_rich" }), verify.LawImmutable, "cus_rich", 0, "gone"},
		{"customer of another mode", changed(4, func(h *verify.Head) { h.Mode = "live" }), verify.LawImmutable, "cus_poor", 0, "gone"},
		{"business gone", changed(4, func(h *verify.Head) { h.BusinessID = "bus_none" }), verify.LawImmutable, "cus_poor", 0, "gone"},
	} {
		f := scene(t)
		report := against(t, f.path, c.heads)
		if len(report.Findings) != 1 {
			t.Errorf("%s: got findings %q, want one", c.name, report.Findings)
			continue
		}
		got := report.Findings[0]
		if got.Law != c.law || got.CustomerID != c.customer ||
			got.Position != c.position || !strings.Contains(got.Message, c.message) {
			t.Errorf("%s: got %s, want law %s, customer %s, position %d, %q", c.name, got, c.law, c.customer, c.position, c.message)
		}
	}
	if report := against(t, scene(t).path, now); !report.Clean() {
		t.Errorf("the same ledger: got findings %q, want none", report.Findings)
	}
}

// A walk through links that lead astray ends.
func TestABrokenLinkDoesNotHoldUpACheckpoint(t *testing.T) {
	t.Parallel()
	f := scene(t)
	heads := headsOf(t, f.path)
	heads[1].Position, heads[1].Hash = 30, [32]byte{}
	f.corrupt(`update ledger_entries set previous = no where no = 40`)
	report := against(t, f.path, heads)
	if !slices.ContainsFunc(report.Findings, func(f verify.Finding) bool { return f.Law == verify.LawListing }) {
		t.Errorf("got findings %q, want one of law R3", report.Findings)
	}
}

// Nothing is said of a ledger that breaks a law.
func TestABrokenLedgerHasNoHeads(t *testing.T) {
	t.Parallel()
	f := scene(t)
	f.corrupt(setWallet("balance", "balance + 1"))
	report := run(t, verify.Options{Path: f.path, Heads: func(verify.Head) error { return errors.New("was called") }})
	if report.Clean() {
		t.Error("got no findings")
	}
}
