package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	rotatedKey    = "sk_test_51PLANTEDrotatedKey"
	rotatedSecret = "whsec_PLANTEDrotatedSecret"
)

// TestServeWhenAccountsChange has answers of Stripe's lost, and keys and accounts changed
// while nobody knows of a payment what became of it: it is neither released nor made
// twice, and what comes too late goes back once.
func TestServeWhenAccountsChange(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := openShop(t, dir)
	s.account(stripeKey, stripeSecret)
	s.lateCreation()
	s.rotation()
	s.tooLate()
	s.accountGone()
	s.otherAccount()
	if got := s.quarantine(); got != 0 {
		s.Errorf("quarantine: got %d, want none", got)
	}
	s.secretsAreSealed(dir, true)
}

// unknown pays by card and loses the answer to a request whose path ends so.
func (s *shop) unknown(card, path string) (payment string) {
	s.Helper()
	s.credit(300, "before "+path+time.Now().String())
	s.stripe.set(func() { s.stripe.loses = path })
	payment = s.pay(card)
	s.stands(payment, "processing")
	s.wallet("while nobody knows", 300, 300)
	return payment
}

func (s *shop) stands(payment, want string) {
	s.Helper()
	if got := s.call(200, "GET", "/payments/"+payment, "")["status"]; got != want {
		s.Errorf("payment %s: got status %v, want %s", payment, got, want)
	}
}

func invoiceOf(payment string) string { return "/invoices/inv_" + strings.TrimPrefix(payment, "pay_") }

// void asks for an invoice to be void, and ended awaits that it is.
func (s *shop) void(payment string) {
	s.Helper()
	s.call(200, "POST", invoiceOf(payment)+"/void", "")
}

func (s *shop) ended(payment string) {
	s.Helper()
	var got any
	for range 100 {
		if got = s.call(200, "GET", invoiceOf(payment), "")["state"]; got == "void" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Fatalf("the invoice of %s: got %v, want it void", payment, got)
}

// open wants an invoice not to have ended, also not a while later.
func (s *shop) open(payment string) {
	s.Helper()
	for range 8 {
		if got := s.call(200, "GET", invoiceOf(payment), "")["state"]; got == "void" || got == "paid" || got == "past_due" {
			s.Fatalf("the invoice of %s is %v, and nobody knows of the card", payment, got)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// lateCreation loses the answer to a creation, of which Stripe tells later.
func (s *shop) lateCreation() {
	before := s.money()
	payment := s.unknown(s.card("pm_card_ok"), "/payment_intents")
	s.stripe.recovers()
	s.told(200, "payment_intent.created", s.stripe.copied(s.stripe.last("pi")))
	s.await(payment, "succeeded")
	s.told(200, "payment_intent.succeeded", s.stripe.last("pi"))
	s.wallet("paid after a lost creation", 0, 0)
	s.cards("paid after a lost creation", before, 700, 0)
	s.once(payment, 300)
	if got := s.stripe.count("pi"); got != 1 {
		s.Errorf("payments at Stripe: got %d, want 1", got)
	}
}

// rotation exchanges key and secret while a charge is not known.
func (s *shop) rotation() {
	before := s.money()
	payment := s.unknown(s.card("pm_card_ok"), "/confirm")
	intent := s.stripe.last("pi")
	s.stripe.set(func() { s.stripe.accepts = rotatedKey })
	s.account(rotatedKey, rotatedSecret)
	if got := s.notify("evt_old", "payment_intent.succeeded", intent, stripeSecret, time.Now(), s.business); got != 401 {
		s.Errorf("signed by the secret before: got status %d, want 401", got)
	}
	s.stands(payment, "processing")
	s.told(200, "payment_intent.succeeded", intent)
	s.stripe.recovers()
	s.await(payment, "succeeded")
	s.wallet("paid over an exchange of keys", 0, 0)
	s.cards("paid over an exchange of keys", before, 700, 0)
	s.once(payment, 300)
}

// tooLate has a payment succeed that is not wanted any more: it goes back once, however
// often Stripe tells of it.
func (s *shop) tooLate() {
	before := s.money()
	payment := s.pay(s.card("pm_card_action"))
	s.await(payment, "requires_customer_action")
	intent := s.stripe.last("pi")
	s.stripe.set(func() { s.stripe.succeed(intent) })
	s.void(payment)
	s.ended(payment)
	for range 100 {
		if s.money().back > before.back {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.told(200, "payment_intent.succeeded", intent)
	s.told(200, "refund.created", s.stripe.last("re"))
	s.told(200, "refund.updated", s.stripe.last("re"))
	s.cards("succeeded when it was void", before, 1000, 1000)
	s.wallet("succeeded when it was void", 0, 0)
}

// accountGone takes the account away while a creation is not known, and gives it back.
func (s *shop) accountGone() {
	before, intents := s.money(), s.stripe.count("pi")
	payment := s.unknown(s.card("pm_card_ok"), "/payment_intents")
	intent := s.stripe.copied(s.stripe.last("pi"))
	s.call(204, "DELETE", "/business/processor", "")
	if got := s.notify("evt_gone", "payment_intent.created", intent, s.secret, time.Now(), s.business); got != 401 {
		s.Errorf("without an account: got status %d, want 401", got)
	}
	s.void(payment)
	s.open(payment)
	s.wallet("without an account", 300, 300)
	s.stripe.recovers()
	s.account(rotatedKey, rotatedSecret)
	s.told(200, "payment_intent.created", intent)
	s.ended(payment)
	s.told(200, "payment_intent.created", intent)
	s.wallet("void", 300, 0)
	s.cards("void", before, 0, 0)
	if last := s.stripe.last("pi"); last["status"] != "canceled" || s.stripe.count("pi") != intents+1 {
		s.Errorf("at Stripe: got %v after %d payments, want one that is canceled", last["status"], s.stripe.count("pi")-intents)
	}
	s.call(200, "POST", "/customers/"+s.customer+"/wallets/ledger-entries",
		`{"amount":300,"currency":"USD","entry_type":"debit","idempotency_key":"gone"}`)
}

// otherAccount puts another account of Stripe's in place, which knows of none of the
// payments and refunds that are under way.
func (s *shop) otherAccount() {
	paid := s.pay(s.card("pm_card_ok"))
	s.await(paid, "succeeded")
	s.credit(300, "other")
	before := s.money()
	payment := s.pay(s.card("pm_card_action"))
	s.await(payment, "requires_customer_action")
	intent := s.stripe.last("pi")
	s.stripe.set(func() { s.stripe.accepts, s.stripe.another = stripeKey, true })
	s.account(stripeKey, stripeSecret)
	s.void(payment)
	refund := s.call(200, "POST", "/refunds", `{"payment_id":"`+paid+`"}`)["refund_id"].(string)
	s.open(payment)
	s.wallet("with another account", 300, 300)
	if got := s.call(200, "GET", "/refunds/"+refund, "")["status"]; got != "pending" {
		s.Errorf("a refund of a payment that the account does not know: got %v, want pending", got)
	}
	s.stripe.set(func() {
		s.stripe.accepts, s.stripe.another = rotatedKey, false
		s.stripe.succeed(intent) // the customer has authenticated it after all
	})
	s.account(rotatedKey, rotatedSecret)
	s.told(200, "payment_intent.succeeded", intent)
	s.ended(payment)
	for range 100 {
		if s.money().back > before.back {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.wallet("back at the first account", 300, 0)
	s.cards("back at the first account", before, 700, 700)
}
