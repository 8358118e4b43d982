package verify_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/verify"
)

// markLots writes a mark of the lots of a wallet as they are.
func (f *ledgerFile) markLots(c *customer, w *wallet, holdEvent int64, madeAt time.Time) {
	f.t.Helper()
	written, count := []byte{}, 0
	var from, sum [2]int64
	tails := [2]int64{w.tailFrom(0), w.tailFrom(1)}
	for _, lot := range w.state.Lots {
		category := categoryOf(lot)
		if tail := tails[category]; lot.ExpiresAt.IsZero() && tail != 0 && lot.Seq >= tail {
			from[category] = tail
			sum[category] += int64(lot.Remaining)
			continue
		}
		count++
		for _, n := range []int64{lot.Seq, int64(category), micros(lot.ExpiresAt), int64(lot.Remaining)} {
			written = binary.AppendUvarint(written, uint64(n))
		}
	}
	f.exec(`insert into lot_marks (customer, currency, seq, made_at, hold_event, hold_number, lots, lot_count,
	          promotional_from, promotional_sum, paid_from, paid_sum) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.no, string(w.state.Currency), w.state.Seq, micros(madeAt), holdEvent, w.holdNumber, written, count,
		from[0], sum[0], from[1], sum[1])
}

// lotMarkScene has a customer with 130 entries and 70 hold events, so that there are
// two marks at entries and one at a hold event, and a customer without a wallet.
func lotMarkScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	f.customer(acmeTest, "cus_poor")
	for n := range 130 {
		f.now = f.now.Add(time.Minute)
		switch {
		case n%5 == 0:
			f.mustPost(c, with(credit(50), f.expiresIn(time.Duration(n+40)*time.Minute)))
		case n%3 == 0:
			f.mustPost(c, debit(7))
		default:
			f.mustPost(c, with(credit(9), func(r *ledger.PostRequest) {
				r.Category = []ledger.Category{ledger.Paid, ledger.Promotional}[n%2]
			}))
		}
		if n < 70 {
			f.must(f.hold(c, money.Amount(1+n%4), time.Hour))
		}
	}
	f.finish()
	return f
}

// setMark changes a column of the mark of seq 64.
func setMark(column, value string) string {
	return "update lot_marks set " + column + " = " + value + " where seq = 64 and hold_event = 0"
}

var lotMarkCorruptions = []corruption{
	{name: "mark of another customer", column: "lot_marks.customer", do: setMark("customer", "2"), law: "R3", customer: "cus_poor"},
	{name: "mark of nobody", column: "lot_marks.customer", do: setMark("customer", "99"), law: "N1"},
	{name: "mark in another currency", column: "lot_marks.currency", do: setMark("currency", "'EUR'"), law: "R3", customer: ann},
	{name: "mark at another seq", column: "lot_marks.seq", do: setMark("seq", "65"), law: "R3", customer: ann, position: 65},
	{name: "mark at a seq to come", column: "lot_marks.seq", do: setMark("seq", "1000"), law: "R3", customer: ann},
	{name: "mark at another time", column: "lot_marks.made_at", do: setMark("made_at", "made_at - 1"), law: "R3", customer: ann, position: 64},
	{name: "mark of no hold event", column: "lot_marks.hold_event", do: setMark("hold_event", "3"), law: "R3", customer: ann},
	{name: "mark after another hold event", column: "lot_marks.hold_number", do: setMark("hold_number", "hold_number + 1"), law: "R3", customer: ann, position: 64},
	{name: "mark without a lot", column: "lot_marks.lots", do: setMark("lots", "cast(substr(lots, 12) as blob)"), law: "R3", customer: ann, position: 64},
	{name: "mark with another count", column: "lot_marks.lot_count", do: setMark("lot_count", "lot_count + 1"), law: "R3", customer: ann, position: 64},
	{name: "promotional lots from another seq", column: "lot_marks.promotional_from", do: setMark("promotional_from", "promotional_from + 9"), law: "R3", customer: ann, position: 64},
	{name: "more promotional lots", column: "lot_marks.promotional_sum", do: setMark("promotional_sum", "promotional_sum + 1"), law: "R3", customer: ann, position: 64},
	{name: "paid lots from another seq", column: "lot_marks.paid_from", do: setMark("paid_from", "paid_from + 9"), law: "R3", customer: ann, position: 64},
	{name: "paid money taken for promotional", column: "lot_marks.paid_sum", do: `update lot_marks set paid_sum = paid_sum - 1,
		promotional_sum = promotional_sum + 1 where seq = 64 and hold_event = 0`, law: "R3", customer: ann, position: 64},
	{name: "last mark gone", do: `delete from lot_marks where seq = 128`, law: "R3", customer: ann},
	{name: "all marks gone", do: `delete from lot_marks`, law: "R3", customer: ann},
	{name: "mark of a hold event says another", do: `update lot_marks set hold_event = 63 where hold_event = 64`, law: "R3", customer: ann},
	{name: "mark of a hold event has what the hold pinned", do: `update lot_marks set lots = (select m.lots from lot_marks m where m.hold_event = 0
		and m.seq = 64), lot_count = (select m.lot_count from lot_marks m where m.hold_event = 0 and m.seq = 64) where hold_event = 64`,
		law: "R3", customer: ann, position: 64},
}

func TestLotMarksAreSound(t *testing.T) {
	t.Parallel()
	f := lotMarkScene(t)
	if marks := f.text(`select group_concat(seq || ':' || hold_event, ' ') from lot_marks`); marks != "64:0 64:64 128:0" {
		t.Errorf("got marks %s, want three", marks)
	}
	if got := run(t, verify.Options{Path: f.path}); !got.Clean() {
		t.Errorf("got findings %q, want none", got.Findings)
	}
}

func TestEachCorruptionOfLotMarksIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range lotMarkCorruptions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lotMarkScene(t)
			f.exec(`pragma ignore_check_constraints = on`)
			f.corrupt(c.do)
			if report := run(t, verify.Options{Path: f.path}); !c.found(report) {
				t.Errorf("got findings %q, want law %s at position %d", report.Findings, c.law, c.position)
			}
		})
	}
}
