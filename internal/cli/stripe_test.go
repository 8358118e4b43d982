package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"

	"github.com/billfold/billfold/internal/pgtest"
)

const (
	stripeKey    = "sk_test_51PLANTEDkeyOfTheTests"
	stripeSecret = "whsec_PLANTEDsecretOfTheTests"
)

// shop is a server that charges with a fake Stripe.
type shop struct {
	*testing.T
	server   *server
	stripe   *fakeStripe
	key      string
	business string
	customer string
	product  string
	secret   string // by which Stripe signs
	events   int
}

func (s *shop) call(want int, method, path, body string) map[string]any {
	s.Helper()
	status, text := s.server.do(s.T, method, path, s.key, body)
	if status != want {
		s.Fatalf("%s %s: got %d %s, want %d", method, path, status, text, want)
	}
	s.clear(text)
	var found map[string]any
	if text != "" {
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			s.Fatal(err)
		}
	}
	return found
}

// clear fails the test where a text has a planted secret.
func (s *shop) clear(text string) {
	s.Helper()
	if strings.Contains(text, "PLANTED") {
		s.Fatalf("a planted secret is in %.300s", text)
	}
}

// notify sends an event about an object, signed at a time, and returns the status.
func (s *shop) notify(id, kind string, object any, secret string, at time.Time, business string) int {
	s.Helper()
	payload, err := json.Marshal(map[string]any{
		"id": id, "object": "event", "type": kind, "livemode": false, "data": map[string]any{"object": object},
	})
	if err != nil {
		s.Fatal(err)
	}
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: payload, Secret: secret, Timestamp: at})
	request, err := http.NewRequestWithContext(s.Context(), http.MethodPost,
		s.server.base+"/processors/stripe/"+business+"/test/notifications", strings.NewReader(string(payload)))
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Stripe-Signature", signed.Header)
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	answer, err := s.server.client.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func (s *shop) told(want int, kind string, object any) {
	s.Helper()
	s.events++
	for range 2 { // everything comes twice
		if got := s.notify("evt_"+strconv.Itoa(s.events), kind, object, s.secret, time.Now(), s.business); got != want {
			s.Errorf("%s: got status %d, want %d", kind, got, want)
		}
	}
}

func (s *shop) pay(method string) string {
	s.Helper()
	made := s.call(200, "POST", "/payments", fmt.Sprintf(
		`{"customer":{"customer_id":%q},"product_cart":[{"product_id":%q,"quantity":1}],"billing":{"country":"US"},"payment_method_id":%q}`,
		s.customer, s.product, method))
	return made["payment_id"].(string)
}

func (s *shop) await(payment, status string) {
	s.Helper()
	var got any
	for range 100 {
		if got = s.call(200, "GET", "/payments/"+payment, "")["status"]; got == status {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.Fatalf("payment %s: got status %v, want %s", payment, got, status)
}

func (s *shop) card(token string) string {
	s.Helper()
	return s.call(200, "POST", "/customers/"+s.customer+"/payment-methods", `{"token":"`+token+`"}`)["payment_method_id"].(string)
}

// TestServeChargesWithStripe has a server charge cards, give money back and take what
// Stripe tells, on each store.
func TestServeChargesWithStripe(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); chargeWithStripe(t) })
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server, err := pgtest.New(filepath.Join(pgtest.Dir(t), "data"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
		})
		chargeWithStripe(t, "--database-url", server.Database(t, ""))
	})
}

// openShop starts a server for a business without an account.
func openShop(t *testing.T, dir string, args ...string) *shop {
	t.Helper()
	fake, address := newFakeStripe(t)
	s := &shop{T: t, stripe: fake, secret: stripeSecret}
	s.server = startServer(t, dir, []string{"BILLFOLD_STRIPE_URL=" + address}, args...)
	s.key = s.server.testKey
	s.business = s.call(200, "GET", "/business", "")["business_id"].(string)
	s.customer = s.server.customer(t, s.key)
	s.product = s.call(200, "POST", "/products", `{"name":"A thing","tax_category":"saas","price":{"type":"one_time_price","currency":"USD",
		"price":1000,"discount":0,"purchasing_power_parity":false}}`)["product_id"].(string)
	return s
}

func chargeWithStripe(t *testing.T, args ...string) {
	dir := filepath.Join(t.TempDir(), "data")
	s := openShop(t, dir, args...)
	if got := s.call(200, "GET", "/business/processor", "")["processor"]; got != "sandbox" {
		t.Errorf("without an account: got %v, want the sandbox", got)
	}
	s.setAccount()
	s.payments()
	s.refunds()
	s.link()
	s.strangers()
	s.hanging()
	s.secretsAreSealed(dir, len(args) == 0)
}

// account gives the business an account.
func (s *shop) account(key, secret string) {
	s.Helper()
	s.secret = secret
	s.call(200, "PUT", "/business/processor", `{"processor":"stripe","secret_key":"`+key+`","webhook_secrets":["`+secret+`"]}`)
}

func (s *shop) setAccount() {
	for _, bad := range []string{
		`{"processor":"paypal","secret_key":"` + stripeKey + `"}`, `{"processor":"stripe","secret_key":"sk_live_PLANTED51"}`,
		`{"processor":"stripe","secret_key":"PLANTED"}`, `{"processor":"stripe","secret_key":"` + stripeKey + `","webhook_secrets":["PLANTED"]}`,
	} {
		s.call(422, "PUT", "/business/processor", bad)
	}
	s.account(stripeKey, stripeSecret)
	shown := s.call(200, "GET", "/business/processor", "")
	if shown["processor"] != "stripe" || shown["secret_key"] != "sk_test_…ests" {
		s.Errorf("the account: got %v, want stripe with the end of the key", shown)
	}
	trail := s.call(200, "GET", "/business/audit", "")["items"].([]any)[0].(map[string]any)
	if after := fmt.Sprint(trail["after"]); !strings.Contains(after, "sk_test_…ests") || strings.Contains(after, "sealed1.") {
		s.Errorf("the audit trail: got %s, want the account without its secrets", after)
	}
}

// payments pays by wallet and card, and by cards that are declined or ask for the
// customer.
func (s *shop) payments() {
	s.call(200, "POST", "/customers/"+s.customer+"/wallets/ledger-entries",
		`{"amount":300,"currency":"USD","entry_type":"credit","idempotency_key":"first"}`)
	s.call(422, "POST", "/customers/"+s.customer+"/payment-methods", `{"token":"pm_sandbox_ok"}`)
	s.call(422, "POST", "/customers/"+s.customer+"/payment-methods", `{"token":"pm_nobodys"}`)
	paid := s.pay(s.card("pm_card_ok"))
	s.await(paid, "succeeded")
	if s.stripe.charged != 700 {
		s.Errorf("the card was charged %d, want 700 beside 300 of the wallet", s.stripe.charged)
	}
	s.told(200, "payment_intent.succeeded", s.stripe.last("pi"))
	declined := s.pay(s.card("pm_card_declined"))
	s.await(declined, "failed")

	waits := s.pay(s.card("pm_card_action"))
	s.await(waits, "requires_customer_action")
	intent := s.stripe.last("pi")
	s.stripe.mu.Lock()
	s.stripe.succeed(intent)
	s.stripe.mu.Unlock()
	wrong := map[string]any{}
	for name, value := range intent {
		wrong[name] = value
	}
	wrong["amount_received"] = 1
	s.told(200, "payment_intent.succeeded", wrong)
	if got := s.quarantine(); got != 1 {
		s.Errorf("after an amount that is not ours: %d in quarantine, want 1", got)
	}
	s.told(200, "payment_intent.succeeded", intent)
	s.told(200, "payment_intent.requires_action", intent) // late
	s.await(waits, "succeeded")
	s.told(200, "payment_intent.succeeded", map[string]any{"id": "pi_other", "status": "succeeded"})
}

func (s *shop) quarantine() int {
	s.Helper()
	return len(s.call(200, "GET", "/business/processor/notifications", "")["items"].([]any))
}

// refunds gives money back from here and from Stripe's own pages.
func (s *shop) refunds() {
	paid := s.pay(s.card("pm_card_ok"))
	s.await(paid, "succeeded")
	s.call(200, "POST", "/refunds", `{"payment_id":"`+paid+`","amount":400}`)
	intent := s.stripe.last("pi")["id"].(string)
	s.told(200, "refund.created", s.stripe.last("re"))
	s.stripe.mu.Lock()
	elsewhere := s.stripe.refund(intent, 350, nil)
	s.stripe.mu.Unlock()
	s.told(200, "refund.created", elsewhere)
	s.told(200, "charge.refunded", map[string]any{
		"id": "ch_1", "amount_refunded": 750, "currency": "usd", "payment_intent": intent,
	})
	if got := len(s.call(200, "GET", "/payments/"+paid, "")["refunds"].([]any)); got != 2 {
		s.Errorf("refunds of the payment: got %d, want 2, of which one was made at Stripe", got)
	}
	s.call(400, "POST", "/refunds", `{"payment_id":"`+paid+`","amount":251}`)
	s.call(200, "POST", "/refunds", `{"payment_id":"`+paid+`","amount":250}`)
	s.told(200, "charge.dispute.created", map[string]any{
		"id": "du_1", "amount": 1000, "currency": "usd", "payment_intent": intent, "status": "needs_response",
	})
}

// strangers sends what is not from Stripe, or not for this business.
func (s *shop) strangers() {
	object, now := map[string]any{"id": "pi_1"}, time.Now()
	for what, got := range map[string]int{
		"forged":          s.notify("evt_x", "payment_intent.succeeded", object, "whsec_of_somebody_else", now, s.business),
		"stale":           s.notify("evt_x", "payment_intent.succeeded", object, stripeSecret, now.Add(-6*time.Minute), s.business),
		"of no business":  s.notify("evt_x", "payment_intent.succeeded", object, stripeSecret, now, "bus_0VCcl0BkHfjoM9VMwGabc"),
		"for nobody ever": s.notify("evt_x", "payment_intent.succeeded", object, "whsec_", now, s.business),
	} {
		if got != http.StatusUnauthorized {
			s.Errorf("a notification that is %s: got status %d, want 401", what, got)
		}
	}
	s.told(200, "payment_intent.succeeded", "not an object")
}

// hanging has Stripe not answer, and asks the server for what needs no card.
func (s *shop) hanging() {
	s.stripe.mu.Lock()
	s.stripe.hangs = true
	s.stripe.mu.Unlock()
	card := s.call(200, "GET", "/customers/"+s.customer+"/payment-methods", "")["items"].([]any)[0].(map[string]any)
	done := make(chan string, 1)
	go func() { done <- s.pay(card["payment_method_id"].(string)) }()
	began := time.Now()
	for range 20 {
		s.call(200, "GET", "/customers/"+s.customer+"/wallets", "")
	}
	if took := time.Since(began); took > 4*time.Second {
		s.Errorf("20 reads took %v while Stripe hung", took)
	}
	payment := <-done
	s.stripe.mu.Lock()
	s.stripe.hangs = false
	s.stripe.mu.Unlock()
	if got := s.call(200, "GET", "/payments/"+payment, "")["status"]; got != "processing" {
		s.Errorf("a payment that Stripe did not answer: got %v, want processing", got)
	}
}

// secretsAreSealed looks for the planted secrets in what the server wrote.
func (s *shop) secretsAreSealed(dir string, embedded bool) {
	s.server.stop(s.T)
	s.clear(s.server.stderr.String())
	s.clear(s.server.stdout.String())
	if !embedded {
		return
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range files {
		if !file.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			s.Fatal(err)
		}
		s.clear(string(text))
	}
	run(s.T, nil, "verify", "--data-dir", dir).wantCode(s.T, 0)
}
