package verify_test

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/verify"
)

// decideHold carries out a decision about a hold of a wallet in USD and stores
// what it leads to. Which hold counts from 0; it is none for one that is made.
func (f *ledgerFile) decideHold(
	c *customer, which int, decide func(ledger.Snapshot, ledger.Moment) (ledger.Change, error),
) error {
	f.t.Helper()
	w := c.wallets["USD"]
	s := ledger.Snapshot{
		Customer: ledger.Customer{Tenant: c.tenant, ID: c.id, Alerts: c.state.Alerts}, Chain: c.chain, Wallet: w.state,
		HoldNumber: c.events,
	}
	if which < len(c.holds) {
		s.Hold = &c.holds[which]
	}
	change, err := decide(s, f.moment())
	if err != nil {
		return err
	}
	if change.Entry.Position > 0 {
		f.keep(c, w, change)
	}
	w.state = change.Wallet
	f.keepHold(c, w, change.Hold)
	return nil
}

// keepHold stores a hold and its event.
func (f *ledgerFile) keepHold(c *customer, w *wallet, change *ledger.HoldChange) {
	f.t.Helper()
	h, e := change.Hold, change.Event
	c.events = e.Number
	c.chain = c.chain.Past(e.CreatedAt)
	due := e.Number/64 != w.holdNumber/64
	w.holdNumber, w.holdAt = e.Number, e.CreatedAt
	lots := []byte{}
	for _, lot := range h.Lots {
		w.touched[lot.Seq] = true
		for _, n := range []int64{lot.Seq, int64(categoryOf(lot)), micros(lot.ExpiresAt), int64(lot.Remaining)} {
			lots = binary.AppendUvarint(lots, uint64(n))
		}
	}
	var pinned any
	if e.Kind == ledger.HoldMade {
		c.holds = append(c.holds, h)
		blob := []byte{}
		for _, part := range e.Allocations {
			blob = binary.AppendUvarint(blob, uint64(part.LotSeq))
			blob = binary.AppendUvarint(blob, uint64(part.Amount))
		}
		pinned = blob
	}
	for i := range c.holds {
		if c.holds[i].ID == h.ID {
			c.holds[i] = h
		}
	}
	f.exec(`insert or replace into holds (customer, number, id, currency, amount, captured, released, state, expires_at,
	          lots, created_by, created_at, updated_at, reference_object_id)
	        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''))`,
		c.no, h.Number, h.ID, h.Currency, int64(h.Amount), int64(h.Captured), int64(h.Released), string(h.State),
		micros(h.ExpiresAt), lots, h.CreatedBy, micros(h.CreatedAt), micros(h.UpdatedAt),
		h.ReferenceObjectID)
	f.exec(`insert into hold_events (customer, number, hold, kind, allocations, amount, captured, released, position, seq,
	          balance, held, available, moved_at, alerts, idempotency_key, fingerprint, created_by, created_at)
	        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.no, e.Number, h.Number, string(e.Kind), pinned, int64(e.Amount), int64(e.Captured), int64(e.Released), e.Position,
		e.Seq, int64(e.Balance), int64(e.Held), int64(e.Available), micros(e.MovedAt), orNull(string(e.Alerts), ""),
		orNull(e.IdempotencyKey, ""), e.Fingerprint[:], e.CreatedBy, micros(e.CreatedAt))
	if due && e.Position == 0 {
		f.markLots(c, w, e.Number, e.CreatedAt)
	}
}

func (f *ledgerFile) hold(c *customer, amount money.Amount, d time.Duration) error {
	r := ledger.HoldRequest{
		Currency: "USD", Amount: amount, ExpiresAt: f.now.Add(d), CurrencyEnabled: true, CreatedBy: f.creator(c),
		DefaultAlerts: f.defaults, ReferenceObjectID: f.about,
	}
	return f.decideHold(c, len(c.holds), func(s ledger.Snapshot, m ledger.Moment) (ledger.Change, error) {
		return ledger.MakeHold(s, &r, m)
	})
}

func (f *ledgerFile) capture(c *customer, which int, amount money.Amount, final bool, key string) error {
	r := ledger.CaptureRequest{Amount: &amount, Final: final, IdempotencyKey: key, CreatedBy: keyID(c.tenant)}
	return f.decideHold(c, which, func(s ledger.Snapshot, m ledger.Moment) (ledger.Change, error) {
		return ledger.Capture(s, &r, m)
	})
}

func (f *ledgerFile) release(c *customer, which int) error {
	r := ledger.ReleaseRequest{CreatedBy: keyID(c.tenant)}
	return f.decideHold(c, which, func(s ledger.Snapshot, m ledger.Moment) (ledger.Change, error) {
		return ledger.Release(s, &r, m)
	})
}

func (f *ledgerFile) expireHold(c *customer, which int) error {
	return f.decideHold(c, which, ledger.ExpireHold)
}

func (f *ledgerFile) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// holdScene has one customer with a wallet in USD:
//
//	position 1  credit 500 promotional, expires in an hour
//	position 2  credit 300
//	   event 1  hold 1 of 600: 500 of lot 1, 100 of lot 2
//	   event 2  hold 2 of 150 of lot 2
//	position 3  credit 40, with 750 held
//	position 4  capture of 520 of hold 1: 500 of lot 1, 20 of lot 2 (event 3)
//	   event 4  hold 2 is released
//	position 5  reversal of 30 of the capture: 10 to lot 1, 20 to lot 2
//	            two hours go by
//	   event 5  hold 1 has expired: 80 to lot 2
//	position 6  expiry entry of lot 1: 10
//	   event 6  hold 6 of 60 of lot 2
//	position 7  capture of 25 of it, the rest is given back (event 7)
//	   event 8  hold 8 of 70 of lot 2
func holdScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, with(credit(500), promotional, f.expiresIn(time.Hour)))
	f.mustPost(c, credit(300))
	f.must(f.hold(c, 600, 90*time.Minute))
	f.must(f.hold(c, 150, 90*time.Minute))
	f.mustPost(c, credit(40))
	f.must(f.capture(c, 0, 520, false, "fare"))
	f.must(f.release(c, 1))
	f.must(f.reverse(c, 4, 30))
	f.now = f.now.Add(2 * time.Hour)
	f.must(f.expireHold(c, 0))
	if !f.sweep(c) || f.sweep(c) {
		t.Fatal("want exactly one lot swept")
	}
	f.must(f.hold(c, 60, time.Hour))
	f.must(f.capture(c, 2, 25, true, ""))
	f.must(f.hold(c, 70, time.Hour))
	f.finish()
	return f
}

func TestHoldsAreSound(t *testing.T) {
	t.Parallel()
	f := holdScene(t)
	wantClean(t, f.path)
}

func setHold(number, column, value string) string {
	return "update holds set " + column + " = " + value + " where number = " + number
}

func setEvent(number, column, value string) string {
	return "update hold_events set " + column + " = " + value + " where number = " + number
}

var holdCorruptions = []corruption{
	{name: "hold gone", do: `delete from holds where number = 2`, law: "H3"},
	{name: "hold of another customer", column: "holds.customer", do: setHold("2", "customer", "9"), law: "N1"},
	{name: "hold's number", column: "holds.number", do: setHold("8", "number", "9"), law: "M5"},
	{name: "hold's id", column: "holds.id", do: setHold("8", "id", "replace(id, 'hld_', 'hld-')"), law: "M5"},
	{name: "hold's currency", column: "holds.currency", do: setHold("1", "currency", "'INR'"), law: "O1", position: 3},
	{name: "hold's amount", column: "holds.amount", do: setHold("8", "amount", "amount + 1"), law: "H2"},
	{name: "hold's captured", column: "holds.captured", do: setHold("1", "captured", "captured + 1"), law: "H2"},
	{name: "hold's released", column: "holds.released", do: setHold("2", "released", "released - 1"), law: "H2"},
	{name: "hold's state", column: "holds.state", do: setHold("2", "state", "'active'"), law: "H3"},
	{name: "hold's end", column: "holds.expires_at", do: setHold("1", "expires_at", "expires_at - 5400000000"), law: "H3", position: 4},
	{name: "hold's lots", column: "holds.lots", do: setHold("8", "lots", "x'02010045'"), law: "L1"},
	{name: "hold's maker", column: "holds.created_by", do: setHold("8", "created_by", "'key_bus_zeta_test'"), law: "N1"},
	{name: "hold's time", column: "holds.created_at", do: setHold("8", "created_at", "created_at + 1"), law: "H3"},
	{name: "hold's last change", column: "holds.updated_at", do: setHold("2", "updated_at", "updated_at + 1"), law: "H3"},

	{name: "event gone", do: `delete from hold_events where number = 4`, law: "M5"},
	{name: "last event gone", do: `delete from hold_events where number = 8`, law: "H1", position: 7},
	{name: "event of another customer", column: "hold_events.customer", do: setEvent("8", "customer", "9"), law: "N1"},
	{name: "event's number", column: "hold_events.number", do: setEvent("8", "number", "9"), law: "M5"},
	{name: "event's hold", column: "hold_events.hold", do: setEvent("4", "hold", "1"), law: "H3"},
	{name: "event's kind", column: "hold_events.kind", do: setEvent("4", "kind", "'expired'"), law: "H3"},
	{name: "event's allocations", column: "hold_events.allocations", do: setEvent("8", "allocations", "x'0346'"), law: "L1"},
	{name: "event's amount", column: "hold_events.amount", do: setEvent("4", "amount", "amount - 1"), law: "H3"},
	{name: "event's captured", column: "hold_events.captured", do: setEvent("3", "captured", "captured - 1"), law: "H2", position: 4},
	{name: "event's released", column: "hold_events.released", do: setEvent("5", "released", "released - 1"), law: "H2"},
	{name: "event's position", column: "hold_events.position", do: setEvent("3", "position", "5"), law: "H3", position: 4},
	{name: "event's seq", column: "hold_events.seq", do: setEvent("4", "seq", "3"), law: "H1"},
	{name: "event's balance", column: "hold_events.balance", do: setEvent("4", "balance", "balance + 1"), law: "H1"},
	{name: "event's held", column: "hold_events.held", do: setEvent("4", "held", "held + 1"), law: "H1"},
	{name: "event's available", column: "hold_events.available", do: setEvent("4", "available", "available + 1"), law: "H1"},
	{name: "event's time of the wallet", column: "hold_events.moved_at", do: setEvent("4", "moved_at", "moved_at + 1"), law: "H1"},
	{name: "event's alerts", column: "hold_events.alerts", do: setEvent("4", "alerts", "'500:500:armed'"), law: "A1"},
	{name: "event's alerts that end", column: "hold_events.alerts", do: setEvent("4", "alerts", "'none'"), law: "A1"},
	{name: "no text for no alerts of an event", column: "hold_events.alerts", do: setEvent("4", "alerts", "''"), law: "M6"},
	{name: "alerts of a capture's event", column: "hold_events.alerts", do: setEvent("3", "alerts", "'500:500:low!'"), law: "A1", position: 4},
	{name: "event's key", column: "hold_events.idempotency_key", do: setEvent("3", "idempotency_key", "'other'"), law: "K1", position: 4},
	{name: "event's fingerprint", column: "hold_events.fingerprint", do: setEvent("3", "fingerprint", "zeroblob(16)"), law: "K1", position: 4},
	{name: "event's maker", column: "hold_events.created_by", do: setEvent("8", "created_by", "'key_bus_zeta_test'"), law: "N1"},
	{name: "event's time", column: "hold_events.created_at", do: setEvent("4", "created_at", "created_at - 1"), law: "R4"},

	{name: "capture's hold", column: "ledger_entries.hold_id", do: `update ledger_entries set hold_id = null where position = 4`, law: "M4", position: 4},
	{name: "held after an entry", column: "ledger_entries.held", do: `update ledger_entries set held = held - 1 where position = 3`, law: "H1", position: 3},
	{name: "nothing held as 0", column: "ledger_entries.held", do: `update ledger_entries set held = 0 where position = 1`, law: "M6", position: 1},
	{name: "wallet's held", column: "wallets.held", do: `update wallets set held = held + 1`, law: "H1", position: 7},
	{name: "wallet's last event", column: "wallets.hold_number", do: `update wallets set hold_number = 7`, law: "H1", position: 7},
	{name: "wallet's last time", column: "wallets.hold_at", do: `update wallets set hold_at = hold_at + 1`, law: "H1", position: 7},
}

func TestEachCorruptionOfHoldsIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range holdCorruptions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := holdScene(t)
			f.corrupt(c.do)
			if c.customer = ann; c.law == "N1" && c.column != "holds.created_by" && c.column != "hold_events.created_by" {
				c.customer = "" // of nobody
			}
			if report := run(t, verify.Options{Path: f.path}); !c.found(report) {
				t.Errorf("got findings %q, want law %s at position %d", report.Findings, c.law, c.position)
			}
		})
	}
}

// drawHold does something about the holds of a customer.
func drawHold(rt *rapid.T, f *ledgerFile, c *customer) error {
	amount := money.Amount(rapid.IntRange(1, 100).Draw(rt, "held"))
	what := rapid.IntRange(0, 6).Draw(rt, "what")
	if what == 0 {
		f.defaults = rapid.SampledFrom(drawnAlerts).Draw(rt, "alerts of a hold")
		return f.hold(c, amount, time.Duration(rapid.IntRange(1, 600).Draw(rt, "end"))*time.Second)
	}
	if len(c.holds) == 0 {
		return nil
	}
	which := rapid.IntRange(0, len(c.holds)-1).Draw(rt, "which")
	switch what {
	case 1, 2:
		return f.capture(c, which, amount, rapid.Bool().Draw(rt, "final"), "")
	case 3:
		return f.release(c, which)
	case 4:
		return f.expireHold(c, which)
	}
	return nil
}
