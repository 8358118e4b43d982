package saga

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

// renewalPlaces are some in a renewal that the wallet pays a part of and the card the rest:
// around its first commit and its last, and where the card knows more than the store.
var renewalPlaces = []string{
	"before invoice:finalized", "after invoice:finalized", "after call:create", "after call:confirm", "before invoice:paid",
	"after invoice:paid",
}

// renewalFunds pay the first period, and a part of the second.
const renewalFunds = 1600

// subscriber is one with a clock of their own, whose first period the wallet has paid.
func (s *shop) subscriber(product string) year {
	s.Helper()
	y := year{clock: s.must("/test-clocks", "", object{"frozen_time": clockedFrom})["test_clock_id"].(string)}
	id := s.must("/customers", "", object{"email": "ada@example.com", "name": "Ada", "test_clock": y.clock})["customer_id"].(string)
	y.customers = []string{id}
	s.must("/customers/"+id+"/wallets/ledger-entries", "funds", object{
		"amount": renewalFunds, "currency": "USD", "entry_type": "credit",
	})
	s.must("/subscriptions", "subscribe "+id, object{
		"product_id": product, "quantity": 1, "customer": object{"customer_id": id}, "billing": object{"country": "US"},
		"payment_method_id": "pm_sandbox_ok",
	})
	return y
}

func (s *shop) renews(y year) {
	s.Helper()
	_, _ = s.call("/test-clocks/"+y.clock+"/advance", "", object{"frozen_time": clockedFrom.AddDate(0, 1, 1)})
}

// A server that is killed before or after a step of a renewal bills the period once when it is
// back, from the wallet and by card as if nothing had been.
func TestRenewalSurvivesAKill(t *testing.T) {
	t.Parallel()
	s := &shop{T: t, binary: build(t)}
	s.options = harness.Options{Dir: filepath.Join(t.TempDir(), "data"), Addr: harness.FreeAddr(t)}
	s.start("")
	product := s.subscribedTo()
	var all []year // the last is the one in whose renewal nothing dies
	for range len(renewalPlaces) + 1 {
		all = append(all, s.subscriber(product))
	}
	s.server.Stop(s)
	for n, at := range renewalPlaces {
		s.start(at + " " + all[n].customers[0])
		s.renews(all[n])
		select {
		case <-s.server.Exited():
		case <-time.After(30 * time.Second):
			s.Errorf("%s: the server did not die there", at)
			s.server.Kill()
		}
		if err := s.verify(); err != nil {
			s.Errorf("%s: after the kill: %v", at, err)
		}
	}
	s.start("")
	var want lived
	for n := len(renewalPlaces); n >= 0; n-- {
		s.renews(all[n])
		s.awaitClock(all[n], ready)
		got := s.lived(all[n].customers[0])
		if n == len(renewalPlaces) {
			want = got
			if len(want.Invoices) != 2 || want.Invoices[1].Wallet != 600 || want.Invoices[1].Card != 400 {
				s.Errorf("got invoices %+v, want the second to be paid by 600 of the wallet and 400 of the card", want.Invoices)
			}
			continue
		}
		if !reflect.DeepEqual(got, want) {
			s.Errorf("%s: got %+v, want %+v", renewalPlaces[n], got, want)
		}
	}
	s.server.Stop(s)
	if err := s.verify(); err != nil {
		s.Error(err)
	}
	made := map[string]int{}
	for _, c := range s.charges() {
		if made[c.Request.InvoiceID]++; made[c.Request.InvoiceID] > 1 || c.Request.Amount != 400 || c.Status != "succeeded" {
			s.Errorf("got the payment %+v, number %d of its invoice, want one of 400", c, made[c.Request.InvoiceID])
		}
	}
	if len(made) != len(all) {
		s.Errorf("got payments of %d invoices by card, want %d", len(made), len(all))
	}
}
