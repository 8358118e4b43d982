package collect_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// standing is what a dispute asks of a wallet, and what that is then.
type standing struct{ held, lost, debt, writtenOff, available money.Amount }

// hears has a dispute heard, and wants it and the wallet of cus_1 to stand so.
func (s *stage) hears(notice collect.DisputeNotice, want standing) {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	d, err := c.Dispute(s.Context(), shop, notice)
	if err != nil {
		s.Fatal(err)
	}
	s.stands(d.ID, want)
}

// looks has a dispute looked at again when that is due, and wants it to stand so.
func (s *stage) looks(invoice string, want standing) {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	i, err := c.Invoice(s.Context(), shop, invoice)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := c.StepDispute(s.Context(), shop, i.Disputes[0].ID); err != nil {
		s.Fatal(err)
	}
	s.stands(i.Disputes[0].ID, want)
}

func (s *stage) stands(dispute string, want standing) {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	d, err := c.FindDispute(s.Context(), shop, dispute)
	if err != nil {
		s.Fatal(err)
	}
	list, err := s.store.Wallets(s.Context(), shop, "cus_1", s.clock.Now())
	if err != nil {
		s.Fatal(err)
	}
	wallet := list.Wallets[0]
	got := standing{d.Held, d.Lost, d.Debt, d.WrittenOff, wallet.Available(s.clock.Now())}
	if got != want || wallet.Debt != want.debt {
		s.Errorf("got %+v with a debt of %d, want %+v", got, wallet.Debt, want)
	}
	s.wantClean()
}

// hold has a business hold of the wallet of cus_1.
func (s *stage) hold(amount money.Amount) (id string) {
	s.Helper()
	h, err := s.book.MakeHold(s.Context(), ledger.HoldRequest{
		Tenant: shop, CustomerID: "cus_1", Currency: "USD", Amount: amount, CreatedBy: "key_1",
		ExpiresAt: s.clock.Now().Add(time.Hour), CurrencyEnabled: true,
	})
	if err != nil {
		s.Fatal(err)
	}
	return h.Hold.Hold.ID
}

func (s *stage) release(id string) {
	s.Helper()
	if _, err := s.book.Release(s.Context(), ledger.ReleaseRequest{
		Tenant: shop, CustomerID: "cus_1", HoldID: id, CreatedBy: "key_1",
	}); err != nil {
		s.Fatal(err)
	}
}

// owing is a standing of which so much is owed, or written off where nothing may be owed.
func owing(debt bool, amount money.Amount) standing {
	if debt {
		return standing{debt: amount}
	}
	return standing{writtenOff: amount}
}

// What a refund held of the lot that fails goes to a dispute in the same commit.
func TestDisputeGetsWhatARefundGivesBack(t *testing.T) {
	onStores(t, func(s *stage) {
		s.makeCustomer("cus_1")
		for n, debt := range []bool{true, false} {
			id := s.toppedUp(n, "cus_1", processor.SandboxRefundFails, 1000, time.Time{}, debt, 0)
			if code := s.refundOf(id, "ref_"+id, billing.ToOriginal, 0); code != "" {
				s.Fatal(code)
			}
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeOpened), standing{})
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), owing(debt, 1000))
			s.wantRefund("ref_"+id, billing.RefundFailed, 0, 0)
			s.looks(id, standing{lost: 1000})
		}
		id := s.toppedUp(2, "cus_1", processor.SandboxRefundFails, 1000, time.Time{}, true, 0)
		if code := s.refundOf(id, "ref_3", billing.ToOriginal, 600); code != "" {
			s.Fatal(code)
		}
		s.hears(about(id, 700, billing.StageDispute, billing.DisputeOpened), standing{held: 400})
		s.wantRefund("ref_3", billing.RefundFailed, 700, 400)
		s.looks(id, standing{held: 400, lost: 300, available: 300})
		s.hears(about(id, 700, billing.StageDispute, billing.DisputeWon), standing{available: 1000})
	})
}

// What a refund took of the lot and comes back from the card is pinned in the same commit.
func TestDisputeGetsWhatComesBackFromTheCard(t *testing.T) {
	onEmbedded(t, func(s *stage) {
		s.makeCustomer("cus_1")
		for n, debt := range []bool{true, false} {
			id := s.toppedUp(n, "cus_1", processor.SandboxOK, 1000, time.Time{}, debt, 0)
			if code := s.refundOf(id, "ref_"+id, billing.ToOriginal, 400); code != "" {
				s.Fatal(code)
			}
			s.wantRefund("ref_"+id, billing.RefundSucceeded, 600, 0)
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), func() standing {
				want := owing(debt, 400)
				want.lost = 600
				return want
			}())
			c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
			refund, err := c.FindRefund(s.Context(), shop, "ref_"+id)
			if err != nil {
				s.Fatal(err)
			}
			if err := c.AnswerRefund(s.Context(), refund, false); err != nil {
				s.Fatal(err)
			}
			s.wantAvailable(0)
			s.clock.Move(time.Hour)
			worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
			if _, err := worker.Round(s.Context()); err != nil {
				s.Fatal(err)
			}
			s.wantAvailable(0)
			s.wantClean()
		}
	})
}

func (s *stage) wantAvailable(want money.Amount) {
	s.Helper()
	list, err := s.store.Wallets(s.Context(), shop, "cus_1", s.clock.Now())
	if err != nil {
		s.Fatal(err)
	}
	if got := list.Wallets[0].Available(s.clock.Now()); got != want {
		s.Errorf("got %d available, want %d", got, want)
	}
}

// What a hold of the business gives back to a disputed lot goes to the dispute.
func TestDisputeGetsWhatAHoldGivesBack(t *testing.T) {
	onStores(t, func(s *stage) {
		s.makeCustomer("cus_1")
		for n, debt := range []bool{true, false} {
			id := s.toppedUp(n, "cus_1", processor.SandboxOK, 1000, time.Time{}, debt, 0)
			hold := s.hold(1000)
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeOpened), standing{})
			s.looks(id, standing{})
			s.release(hold)
			s.looks(id, standing{held: 1000})
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), standing{lost: 1000})

			id = s.toppedUp(10+n, "cus_1", processor.SandboxOK, 1000, time.Time{}, debt, 0)
			hold = s.hold(1000)
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), owing(debt, 1000))
			s.release(hold)
			s.looks(id, standing{lost: 1000})
			s.hears(about(id, 1000, billing.StageArbitration, billing.DisputeWon), standing{available: 1000})
			if err := s.post("cus_1", ledger.Debit, 1000); err != nil {
				s.Fatal(err)
			}
		}
	})
}

// A worker looks again by itself.
func TestDisputeIsLookedAtAgain(t *testing.T) {
	onEmbedded(t, func(s *stage) {
		s.makeCustomer("cus_1")
		id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, time.Time{}, true, 0)
		hold := s.hold(1000)
		s.hears(about(id, 1000, billing.StageDispute, billing.DisputeOpened), standing{})
		s.release(hold)
		s.clock.Move(2 * time.Minute)
		c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
		worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
		if _, err := worker.Round(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.wantAvailable(0)
	})
}

// A dispute that is opened again moves nothing: the bank has the money still. Nothing is
// written off any more when it is won.
func TestDisputeIsOpenedAgain(t *testing.T) {
	for _, debt := range []bool{true, false} {
		onStores(t, func(s *stage) {
			s.makeCustomer("cus_1")
			id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, s.clock.Now().Add(time.Hour), debt, time.Hour)
			if err := s.post("cus_1", ledger.Debit, 300); err != nil {
				s.Fatal(err)
			}
			want := owing(debt, 300)
			want.lost = 700
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), want)
			s.clock.Move(2 * time.Hour)
			s.hears(about(id, 1000, billing.StageArbitration, billing.DisputeOpened), want)
			s.hears(about(id, 1000, billing.StageArbitration, billing.DisputeLost), want)
		})
		onEmbedded(t, func(s *stage) {
			s.makeCustomer("cus_1")
			id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, time.Time{}, debt, time.Hour)
			if err := s.post("cus_1", ledger.Debit, 300); err != nil {
				s.Fatal(err)
			}
			want := owing(debt, 300)
			want.lost = 700
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), want)
			s.hears(about(id, 1000, billing.StageArbitration, billing.DisputeWon), standing{available: 700})
		})
	}
}

// What is won of a lot that has expired while it was held lives for the grace, as what was
// taken does.
func TestDisputeIsWonAfterItsLotExpired(t *testing.T) {
	onStores(t, func(s *stage) {
		s.makeCustomer("cus_1")
		id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, s.clock.Now().Add(time.Hour), true, 24*time.Hour)
		s.hears(about(id, 1000, billing.StageDispute, billing.DisputeOpened), standing{held: 1000})
		s.clock.Move(2 * time.Hour)
		s.hears(about(id, 1000, billing.StageDispute, billing.DisputeWon), standing{available: 1000})
	})
}

// anInvoice is one of a payment by cus_1.
func anInvoice(id, method string, total money.Amount) collect.Invoice {
	settings := access.DefaultSettings()
	return collect.Invoice{
		Tenant: shop, CustomerID: "cus_1", Reason: collect.ForPayment, Method: method,
		Items: []collect.Item{{Line: billing.Line{ID: "pdt_1", Amount: total}, Name: "A", Quantity: 1}},
		Collection: billing.Collection{
			InvoiceID: id, Currency: "USD", Total: total, State: billing.Finalized,
			Policy: collect.PolicyOf(&settings, ledger.Test, collect.ForPayment, "USD"),
		},
	}
}

// paid has an invoice paid by a card alone.
func (s *stage) paid(id, method string, total money.Amount) *collect.Collector {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	if err := c.Open(s.Context(), anInvoice(id, method, total)); err != nil {
		s.Fatal(err)
	}
	if err := c.GoOn(s.Context(), shop, id); err != nil {
		s.Fatal(err)
	}
	return c
}

// What the wallet was refunded of a card's payment it does not keep if the bank takes the
// payment back: nobody gets back more than was paid.
func TestDisputeAfterARefundToTheWallet(t *testing.T) {
	for _, debt := range []bool{true, false} {
		onStores(t, func(s *stage) {
			s.makeCustomer("cus_1")
			c := s.paid("inv_1", processor.SandboxOK, 1000)
			for _, amount := range []money.Amount{300, 100} {
				order := collect.RefundOrder{InvoiceID: "inv_1", Debt: debt}
				order.ID, order.Destination, order.Amount = fmt.Sprint("ref_", amount), billing.ToWallet, amount
				if _, err := c.Refund(s.Context(), shop, order, nil, nil); err != nil {
					s.Fatal(err)
				}
			}
			notice := about("inv_1", 1000, billing.StageDispute, billing.DisputeOpened)
			if err := s.post("cus_1", ledger.Debit, 50); err != nil {
				s.Fatal(err)
			}
			part := about("inv_1", 700, billing.StageDispute, billing.DisputeOpened)
			part.ProcessorID = "dp_part"
			s.hears(part, standing{held: 100, available: 250})
			part.Status = billing.DisputeWon
			s.hears(part, standing{available: 350})
			s.hears(notice, standing{held: 350})
			want := owing(debt, 50)
			want.lost = 350
			notice.Status = billing.DisputeLost
			s.hears(notice, want)
			notice.Stage, notice.Status = billing.StageArbitration, billing.DisputeWon
			s.hears(notice, standing{available: 350})
		})
	}
}

// All disputes of a payment together are of no more than the card paid.
func TestDisputesOfOnePaymentTogether(t *testing.T) {
	onStores(t, func(s *stage) {
		s.makeCustomer("cus_1")
		id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, time.Time{}, true, 0)
		c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
		notice := about(id, 600, billing.StageDispute, billing.DisputeLost)
		s.hears(notice, standing{lost: 600, available: 400})
		other := about(id, 401, billing.StageDispute, billing.DisputeLost)
		other.ProcessorID = "dp_other"
		if _, err := c.Dispute(s.Context(), shop, other); !errors.Is(err, collect.ErrDisputeMismatch) {
			s.Errorf("got %v for disputes of more than was paid", err)
		}
		other.Amount = 400
		s.hears(other, standing{lost: 400})
		s.wantClean()
	})
}

// move has what a lot of cus_1 has left expire in some days.
func (s *stage) move(seq int64, days int) {
	s.Helper()
	if _, err := s.book.MoveExpiry(s.Context(), ledger.MoveRequest{
		Tenant: shop, CustomerID: "cus_1", Currency: "USD", LotSeq: seq, CreatedBy: "key_1",
		ExpiresAt: s.clock.Now().AddDate(0, 0, days),
	}); err != nil {
		s.Fatal(err)
	}
}

// Whoever moves the expiry of a top-up does not hide it from disputes and refunds.
func TestDisputeFollowsALotThatMoved(t *testing.T) {
	for _, debt := range []bool{true, false} {
		onStores(t, func(s *stage) {
			s.makeCustomer("cus_1")
			id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, s.clock.Now().Add(time.Hour), debt, time.Hour)
			if err := s.post("cus_1", ledger.Credit, 100); err != nil { // nobody's but the customer's
				s.Fatal(err)
			}
			hold := s.hold(300)
			s.move(1, 2) // of 700, to lot 4
			s.move(4, 3) // to lot 6
			s.release(hold)
			s.move(2, 4)
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeOpened), standing{held: 1000, available: 100})
			s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), standing{lost: 1000, available: 100})
			s.hears(about(id, 1000, billing.StageArbitration, billing.DisputeWon), standing{available: 1100})
			if code := s.refundOf(id, "ref_1", billing.ToOriginal, 0); code != "" {
				s.Fatal(code)
			}
			s.wantRefund("ref_1", billing.RefundSucceeded, 400, 0)
			if code := s.refundOf(id, "ref_2", billing.ToOriginal, 0); code != "" {
				s.Fatal(code)
			}
			s.wantRefund("ref_2", billing.RefundSucceeded, 100, 0)
			if code := s.refundOf(id, "ref_3", billing.ToOriginal, 0); code != billing.CodeAlreadyRefunded {
				s.Errorf("got code %s, want that nothing is left", code)
			}
			s.wantClean()
		})
	}
}

// What was given back to a lot that had expired lives for the grace, and answers as well.
func TestDisputeFollowsALotIntoItsGrace(t *testing.T) {
	onEmbedded(t, func(s *stage) {
		s.makeCustomer("cus_1")
		id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, s.clock.Now().Add(time.Hour), true, 24*time.Hour)
		s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), standing{lost: 1000})
		s.clock.Move(2 * time.Hour)
		s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), standing{lost: 1000})
		s.hears(about(id, 1000, billing.StageArbitration, billing.DisputeWon), standing{available: 1000})
		other := about(id, 1000, billing.StageDispute, billing.DisputeOpened)
		other.ProcessorID = "dp_other"
		s.hears(other, standing{held: 1000})
		other.Status = billing.DisputeLost
		s.hears(other, standing{lost: 1000})
	})
}
