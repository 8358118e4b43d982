package verify_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

// unannounced are the open lots of a wallet that expire until a time and were not
// announced, in spend order.
func (w *wallet) unannounced(until time.Time) (lots []ledger.Lot) {
	for _, lot := range w.state.Lots {
		if !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(until) && !w.told[lot.Seq] {
			lots = append(lots, lot)
		}
	}
	return lots
}

// announce writes the notices of what a customer's wallet has that expires within a time.
func (f *ledgerFile) announce(c *customer, ahead time.Duration) {
	f.t.Helper()
	w := c.wallets["USD"]
	if w.told == nil {
		w.told = map[int64]bool{}
	}
	for _, lot := range w.unannounced(f.now.Add(ahead)) {
		w.noticeNumber++
		f.exec(`insert into expiry_notices (customer, number, id, currency, lot, category, expires_at, remaining, seq, hold_number,
		          created_at)
		        values (?, ?, ?, 'USD', ?, ?, ?, ?, ?, ?, ?)`,
			c.no, w.noticeNumber, ledger.NoticeID(f.now, w.noticeNumber, 7), lot.Seq, string(lot.Category),
			micros(lot.ExpiresAt), int64(lot.Remaining), w.last.Seq, w.holdNumber, micros(f.now))
		w.told[lot.Seq] = true
	}
}

// noticeScene has one customer to whom two lots were announced, one of them spent since,
// and who has two more, the first of which is the next to be announced:
//
//	positions 1 to 3  credits of 100 that expire in three, two and four hours
//	position 4        credit   50, promotional, that expires in four hours
//	position 5        credit   10
//	                  a notice of 100 of lot 2, and one of 100 of lot 1
//	position 6        debit   130: all of lot 2, 30 of lot 1
//
// Another customer has no wallet.
func noticeScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	end := f.now.Add(4 * time.Hour)
	f.mustPost(c, with(credit(100), f.expiresIn(3*time.Hour)))
	f.mustPost(c, with(credit(100), f.expiresIn(2*time.Hour)))
	for _, lot := range []ledger.PostRequest{credit(100), credit(50)} {
		lot.ExpiresAt = end
		if lot.Amount == 50 {
			lot.Category = ledger.Promotional
		}
		f.mustPost(c, lot)
	}
	f.mustPost(c, credit(10))
	f.announce(c, 3*time.Hour)
	f.mustPost(c, debit(130))
	f.customer(acmeTest, "cus_poor")
	f.finish()
	return f
}

var noticeCorruptions = []corruption{
	{name: "notice of another customer", column: "expiry_notices.customer", do: setNotice("customer", "2"), law: "L7", customer: "cus_poor"},
	{name: "notice with another number", column: "expiry_notices.number", do: setNotice("number", "7"), law: "M5", customer: ann},
	{name: "notice with the id of another", column: "expiry_notices.id",
		do: setNotice("id", "(select id from expiry_notices where number = 1)"), law: "M5", customer: ann},
	{name: "notice in another currency", column: "expiry_notices.currency", do: setNotice("currency", "'INR'"), law: "L7", customer: ann},
	{name: "notice of a lot that never was", column: "expiry_notices.lot", do: setNotice("lot", "6"), law: "L7", customer: ann},
	{name: "notice of a lot that never expires", column: "expiry_notices.lot", do: setNotice("lot", "5"), law: "L7", customer: ann},
	{name: "notice of another category", column: "expiry_notices.category", do: setNotice("category", "'promotional'"), law: "L7", customer: ann},
	{name: "notice of another expiry", column: "expiry_notices.expires_at", do: setNotice("expires_at", "expires_at + 1"), law: "L7", customer: ann},
	{name: "notice of more than there was", column: "expiry_notices.remaining", do: setNotice("remaining", "101"), law: "L7", customer: ann},
	{name: "notice of nothing", column: "expiry_notices.remaining", do: setNotice("remaining", "0"), law: "L7", customer: ann},
	{name: "notice before its lot", column: "expiry_notices.seq", do: setNotice("seq", "0"), law: "L7", customer: ann},
	{name: "notice behind the last entry", column: "expiry_notices.seq", do: setNotice("seq", "7"), law: "L7", customer: ann},
	{name: "notice behind a hold event that never was", column: "expiry_notices.hold_number", do: setNotice("hold_number", "1"), law: "L7", customer: ann},
	{name: "notice after the expiry", column: "expiry_notices.created_at", do: setNotice("created_at", "expires_at"), law: "L7", customer: ann},
	{name: "currency of a notice as a blob", column: "expiry_notices.currency",
		do:  loosely("expiry_notices") + setNotice("currency", "cast(currency as blob)"),
		law: "M6", customer: ann},
	{name: "notice gone", do: `delete from expiry_notices where number = 1`, law: "M5", customer: ann},
	{name: "last notice gone", do: `delete from expiry_notices where number = 2`, law: "L7", customer: ann, position: 6},
	{name: "lot announced twice", do: `drop index expiry_notices_by_lot; update expiry_notices set lot = 2, expires_at = expires_at - 3600000000
		where number = 2`, law: "L7", customer: ann},
	{name: "wallet's last notice", column: "wallets.notice_number", do: setWalletOfAnn("notice_number", "1"), law: "L7", customer: ann, position: 6},
	{name: "lots are passed over", column: "wallets.next_notice", do: setWalletOfAnn("next_notice", "next_notice + 1"), law: "L7", customer: ann, position: 6},
	{name: "lots are given up", column: "wallets.next_notice", do: setWalletOfAnn("next_notice", "0") + "; " +
		setWalletOfAnn("next_notice_lot", "0"), law: "L7", customer: ann, position: 6},
	{name: "a lot is passed over", column: "wallets.next_notice_lot", do: setWalletOfAnn("next_notice_lot", "3"), law: "L7", customer: ann, position: 6},
	{name: "a place of no lot", column: "wallets.next_notice_lot", do: setWalletOfAnn("next_notice_lot", "0"), law: "L7", customer: ann, position: 6},
	{name: "wallet of another mode", column: "wallets.tenant", do: setWalletOfAnn("tenant", "2"), law: "N1", customer: ann, position: 6},
}

// setNotice changes a column of the second notice, which is of lot 1.
func setNotice(column, value string) string {
	return "update expiry_notices set " + column + " = " + value + " where number = 2"
}

func setWalletOfAnn(column, value string) string {
	return "update wallets set " + column + " = " + value
}

func TestNoticesAreSound(t *testing.T) {
	t.Parallel()
	f := noticeScene(t)
	if told := f.text(`select group_concat(lot || ':' || remaining) from expiry_notices`); told != "2:100,1:100" {
		t.Errorf("got notices %s, want of lots 2 and 1 with 100 each", told)
	}
	if next := f.text(`select next_notice_lot from wallets`); next != "-4" {
		t.Errorf("got next notices from %s on, want -4", next)
	}
	wantClean(t, f.path)
	f.close()
	if got := patrolRound(t, f.path); !got.Clean() {
		t.Errorf("patrol: got findings %q, want none", got.Findings)
	}
}

func TestEachCorruptionOfNoticesIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range noticeCorruptions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := noticeScene(t)
			f.exec(`pragma ignore_check_constraints = on`)
			f.corrupt(c.do)
			if report := run(t, verify.Options{Path: f.path}); !c.found(report) {
				t.Errorf("got findings %q, want law %s at position %d", report.Findings, c.law, c.position)
			}
			f.close()
			if got := patrolRound(t, f.path); got.Clean() {
				t.Error("patrol: got no finding, want one")
			}
		})
	}
}
