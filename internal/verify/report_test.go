package verify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

func TestAFindingIsOneLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		finding verify.Finding
		want    string
	}{
		{verify.Finding{Law: "M5", Message: "no entry has number 3", Count: 1}, "M5: no entry has number 3"},
		{verify.Finding{
			Law: "M3", BusinessID: "bus_acme", Mode: "live", CustomerID: "cus_ann", Currency: "USD", Position: 7,
			Entry: "cwt_1", Message: "the balance is 2", Count: 3,
		}, "M3: business bus_acme (live) customer cus_ann USD position 7 entry cwt_1: the balance is 2 (and 2 more)"},
	} {
		if got := test.finding.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// TestTheFirstRowOfEachLawIsNamed breaks the same laws in several places.
func TestTheFirstRowOfEachLawIsNamed(t *testing.T) {
	t.Parallel()
	f := scene(t)
	f.corrupt(`update ledger_entries set hash = zeroblob(32) where no in (10, 20, 30);
		update ledger_entries set idempotency_key = 'same' where no in (12, 14, 16);
		update ledger_entries set idempotency_key = 'other' where no in (40, 50)`)
	for _, weight := range []int64{1, 1000} {
		got := run(t, verify.WithWeight(verify.Options{Path: f.path}, weight))
		// Each zeroed hash is wrong itself and breaks the one after it; each
		// changed key breaks its own.
		for _, want := range []verify.Finding{
			{Law: "M4", Position: 9, No: 10, Count: 11},
			{Law: "K1", Position: 13, Count: 2},
		} {
			found := false
			for _, finding := range got.Findings {
				found = found || finding.Law == want.Law && finding.Count == want.Count && finding.No == want.No &&
					finding.Position == want.Position
			}
			if !found {
				t.Errorf("weight %d: got findings %q, want law %s first at position %d, %d times",
					weight, got.Findings, want.Law, want.Position, want.Count)
			}
		}
	}
}

// TestLotsThatWereSpentAreForgotten keeps a wallet that lives from hand to
// mouth from growing in memory.
func TestLotsThatWereSpentAreForgotten(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	f.exec(`begin`)
	c := f.customer(acmeTest, "cus_ann")
	for range 1500 {
		f.mustPost(c, credit(10))
		f.mustPost(c, credit(10))
		f.mustPost(c, debit(20))
	}
	f.mustPost(c, credit(10))
	f.finish()
	f.exec(`commit`)
	if got := run(t, verify.Options{Path: f.path}); !got.Clean() || got.Entries != 4501 {
		t.Errorf("got %d entries and findings %q, want 4501 and none", got.Entries, got.Findings)
	}
}

// TestLongTextsAreRead posts entries that are as long as they may be, more than
// fit into the memory that rows are read into.
func TestLongTextsAreRead(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	f.exec(`begin`)
	c := f.customer(acmeTest, "cus_ann")
	for i := range 300 {
		f.now = f.now.Add(time.Second)
		f.mustPost(c, with(credit(10), func(r *ledger.PostRequest) {
			r.Reason = strings.Repeat("€", 1000)
			r.Metadata = `{"a":"` + strings.Repeat("x", i%7*30_000) + `"}`
			r.IdempotencyKey = fmt.Sprintf("%0255d", i)
		}))
	}
	f.finish()
	f.exec(`commit`)
	wantClean(t, f.path)
}
