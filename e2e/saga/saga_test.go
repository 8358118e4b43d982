// Package saga kills the real server with kill -9 at every step of a payment, a refund
// and a top-up, on both stores, and at those of a renewal, and holds what the wallets and
// the card moved against every invoice afterwards.
package saga

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/module"
	"github.com/billfold/billfold/internal/mutant"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	funds = 600  // in each wallet
	price = 1000 // of the product
	topUp = 700
	back  = 500 // of each refund: 300 of the wallet's part, 200 of the card's
)

// place is where the server dies, and what it does when it does.
type place struct{ method, drive, when, step string }

// places are before and after each step. Those of which the outcome is unknown come
// first: the card is asked again after a minute.
func places() (all []place) {
	for _, group := range []struct {
		drive, method, steps string
	}{
		{"pay", "pm_sandbox_timeout", "invoice:card_unknown"},
		{"pay", "pm_sandbox_ok", "invoice:finalized invoice:wallet_held invoice:card_intended call:create invoice:card_created " +
			"call:confirm invoice:card_ok invoice:paid"},
		{"pay", "pm_sandbox_declined", "invoice:card_declined invoice:past_due"},
		{"refund", "pm_sandbox_ok", "refund:pending call:refund refund:succeeded"},
		{"top up", "pm_sandbox_ok", "invoice:card_intended call:confirm invoice:card_ok invoice:paid"},
	} {
		for _, step := range strings.Fields(group.steps) {
			for _, when := range []string{"before", "after"} {
				all = append(all, place{group.method, group.drive, when, step})
			}
		}
	}
	return all
}

func (p place) String() string {
	return strings.Join([]string{p.drive, p.method, p.when, p.step}, " ")
}

// shop is a data directory or a database with a business that sells one product, and
// customers of whom each is there for one place.
type shop struct {
	*testing.T
	binary       string
	installation *harness.Installation // nil: the embedded store
	options      harness.Options
	server       *harness.Server
	product      string
	customers    []string
	payments     []string // that refunds are of, and what was answered
}

func build(t *testing.T) string {
	t.Helper()
	root, err := module.Root()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "billfold")
	command := exec.Command("go", "build", "-tags", "failpoints", "-o", binary, "./cmd/billfold")
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build with failpoints: %v\n%s", err, output)
	}
	return binary
}

// start starts the server, to die at a place of a customer, or not to.
func (s *shop) start(at string) {
	s.Helper()
	options := s.options
	options.Binary, options.Before = s.binary, []string{"env", "FAILPOINT_OF_COLLECTION=" + at}
	s.server = harness.Start(s, options)
}

func (s *shop) call(path, key string, body any) (harness.Answer, error) {
	return s.server.Client().Do(s.Context(), harness.Call{Method: "POST", Path: path, Body: body, Key: key})
}

func (s *shop) must(path, key string, body any) map[string]any {
	s.Helper()
	var read map[string]any
	answer, err := s.call(path, key, body)
	if err == nil {
		err = answer.Read(&read)
	}
	if err != nil || answer.Status >= 300 {
		s.Fatalf("POST %s: got %s and %v", path, answer, err)
	}
	return read
}

type object = map[string]any

// drive asks for what a place is about, under the same key whenever it is asked again.
func (s *shop) drive(n int, p place) (harness.Answer, error) {
	key := fmt.Sprintf("order %d", n)
	switch p.drive {
	case "refund":
		return s.call("/refunds", key, object{"payment_id": s.payments[n], "amount": back})
	case "top up":
		return s.call("/customers/"+s.customers[n]+"/wallets/top-ups", key,
			object{"amount": topUp, "currency": "USD", "payment_method_id": p.method})
	}
	return s.call("/payments", key, s.order(n, p.method))
}

func (s *shop) order(n int, method string) object {
	return object{
		"billing": object{"country": "US"}, "customer": object{"customer_id": s.customers[n]},
		"product_cart": []object{{"product_id": s.product, "quantity": 1}}, "payment_method_id": method,
	}
}

func (s *shop) open(all []place) {
	s.Helper()
	s.start("")
	s.product = s.must("/products", "", object{"name": "A thing", "tax_category": "saas", "price": object{
		"type": "one_time_price", "currency": "USD", "price": price, "discount": 0, "purchasing_power_parity": false,
	}})["product_id"].(string)
	for n, p := range all {
		id, err := s.server.Client().CreateCustomer(s.Context(), p.String())
		if err != nil {
			s.Fatal(err)
		}
		s.customers = append(s.customers, id)
		s.must("/customers/"+id+"/wallets/ledger-entries", "funds", object{"amount": funds, "currency": "USD", "entry_type": "credit"})
		paid := ""
		if p.drive == "refund" {
			paid = s.must("/payments", fmt.Sprintf("paid %d", n), s.order(n, p.method))["payment_id"].(string)
			s.await("/payments/"+paid, "succeeded")
		}
		s.payments = append(s.payments, paid)
	}
	s.server.Stop(s)
}

// await waits until a payment or refund has a status.
func (s *shop) await(path, want string) {
	s.Helper()
	var is struct {
		Status string `json:"status"`
	}
	for giveUp := time.Now().Add(80 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err := s.server.Client().Get(s.Context(), path, &is); err != nil {
			s.Fatal(err)
		}
		if is.Status == want {
			return
		}
		if time.Now().After(giveUp) {
			s.Errorf("%s: got %q, want %q", path, is.Status, want)
			return
		}
	}
}

func (s *shop) verify() error {
	store := []string{"--data-dir", s.options.Dir}
	if s.installation != nil {
		store = []string{"--database-url", s.installation.URL}
	}
	command := exec.CommandContext(s.Context(), s.binary, append([]string{"verify"}, store...)...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("verify: %w\n%s", err, output)
	}
	return nil
}

// dies has the server die at a place, and looks at the store right after.
func (s *shop) dies(n int, p place) {
	s.Helper()
	s.start(p.when + " " + p.step + " " + s.customers[n])
	_, _ = s.drive(n, p) // nobody answers who is dead
	select {
	case <-s.server.Exited():
	case <-time.After(10 * time.Second):
		s.Errorf("%s: the server did not die there", p)
		s.server.Kill()
	}
	if err := s.verify(); err != nil {
		s.Errorf("%s: after the kill: %v", p, err)
	}
}

// settle has everything come to its end, each asked for once more under its key.
func (s *shop) settle(all []place) {
	s.Helper()
	s.start("")
	for n, p := range all {
		var made struct {
			PaymentID string `json:"payment_id"`
			RefundID  string `json:"refund_id"`
		}
		answer, err := s.drive(n, p)
		if err == nil {
			err = answer.Read(&made)
		}
		if err != nil || answer.Status != 200 {
			s.Errorf("%s: asked again: got %s and %v, want 200", p, answer, err)
			continue
		}
		switch {
		case p.drive == "refund":
			s.await("/refunds/"+made.RefundID, "succeeded")
		case p.method == "pm_sandbox_declined":
			s.await("/payments/"+made.PaymentID, "failed")
		default:
			s.await("/payments/"+made.PaymentID, "succeeded")
		}
	}
	for n, p := range all {
		s.checkWallet(n, p)
	}
	s.checkEvents(all)
	s.server.Stop(s)
	if err := s.verify(); err != nil {
		s.Error(err)
	}
}

// checkWallet holds that the wallet has moved once, and holds nothing.
func (s *shop) checkWallet(n int, p place) {
	s.Helper()
	var wallets struct {
		Items []struct {
			Currency string `json:"currency"`
			Balance  int64  `json:"balance"`
			Held     int64  `json:"held"`
		} `json:"items"`
	}
	if err := s.server.Client().Get(s.Context(), "/customers/"+s.customers[n]+"/wallets", &wallets); err != nil {
		s.Fatal(err)
	}
	want := map[string]int64{"pay": 0, "refund": back * funds / price, "top up": funds + topUp}[p.drive]
	if p.method == "pm_sandbox_declined" {
		want = funds
	}
	for _, w := range wallets.Items {
		if w.Currency == "USD" && (w.Balance != want || w.Held != 0) {
			s.Errorf("%s: got a balance of %d with %d held, want %d and nothing", p, w.Balance, w.Held, want)
		}
	}
}

// checkEvents holds that what happened is told once.
func (s *shop) checkEvents(all []place) {
	s.Helper()
	told := map[string]int{}
	last := map[string]string{} // of each customer's payments
	for query := (url.Values{"page_size": {"100"}}); ; {
		var page struct {
			Items []struct {
				Type string          `json:"type"`
				Data json.RawMessage `json:"data"`
			} `json:"items"`
			Next string `json:"next_cursor"`
			More bool   `json:"has_more"`
		}
		if err := s.server.Client().Get(s.Context(), "/events?"+query.Encode(), &page); err != nil {
			s.Fatal(err)
		}
		for _, event := range page.Items {
			var about struct {
				Customer struct {
					ID string `json:"customer_id"`
				} `json:"customer"`
			}
			if err := json.Unmarshal(event.Data, &about); err != nil {
				s.Fatal(err)
			}
			if strings.HasPrefix(event.Type, "payment.") || strings.HasPrefix(event.Type, "refund.") {
				told[about.Customer.ID+" "+event.Type]++
				if before := last[about.Customer.ID]; before == "payment.succeeded" && strings.HasPrefix(event.Type, "payment.") {
					s.Errorf("customer %s: %s is told behind %s", about.Customer.ID, event.Type, before)
				}
				last[about.Customer.ID] = event.Type
			}
		}
		if query.Set("cursor", page.Next); !page.More {
			break
		}
	}
	for n, p := range all {
		want := []string{"payment.succeeded"}
		switch {
		case p.drive == "refund":
			want = append(want, "refund.succeeded")
		case p.method == "pm_sandbox_declined":
			want = []string{"payment.failed"}
		}
		for _, event := range want {
			if times := told[s.customers[n]+" "+event]; times != 1 {
				s.Errorf("%s: %s was told %d times, want once", p, event, times)
			}
		}
	}
}

func newShop(t *testing.T, binary string, onPostgres bool) *shop {
	t.Helper()
	s := &shop{T: t, binary: binary}
	if onPostgres {
		s.installation = harness.NewInstallation(t)
		s.options = s.installation.Options(t, harness.FreeAddr(t))
	} else {
		s.options = harness.Options{Dir: filepath.Join(t.TempDir(), "data"), Addr: harness.FreeAddr(t)}
	}
	return s
}

// run kills the server at each place and holds everything to account.
func (s *shop) run(all []place) {
	s.Helper()
	s.open(all)
	for n, p := range all {
		s.dies(n, p)
	}
	s.settle(all)
	s.checkCard(all)
}

func TestEveryStepSurvivesAKill(t *testing.T) {
	t.Parallel()
	binary := build(t)
	for name, onPostgres := range map[string]bool{"embedded": false, "PostgreSQL": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, binary, onPostgres)
			s.run(places())
			s.Logf("%d places", len(places()))
		})
	}
}

// The program that people run has no such places.
func TestTheReleaseHasNoFailpoints(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(harness.Binary(t))
	if err != nil || bytes.Contains(text, []byte("FAILPOINT_OF_COLLECTION")) {
		t.Errorf("the binary names the variable of failpoints, or %v", err)
	}
}

// mistakes are bugs that a kill at one place shows.
var mistakes = []struct {
	name string
	mutant.Change
	at place
}{
	{
		"a refund is asked for under another key",
		mutant.Change{File: "internal/billing/refund.go", Old: `return "refund:" + r.ID`, New: `return "refund:" + r.ID + time.Now().String()`},
		place{"pm_sandbox_ok", "refund", "after", "call:refund"},
	},
	{
		"another key with each try",
		mutant.Change{File: "internal/billing/collection.go", Old: `fmt.Sprintf("inv:%s:%d", c.InvoiceID, k)`,
			New: `fmt.Sprintf("inv:%s:%d:%d", c.InvoiceID, k, time.Now().UnixNano())`},
		place{"pm_sandbox_ok", "pay", "after", "call:create"},
	},
}

var mistakesFlag = flag.Int("mistakes", 1, "how many of the mistakes are tried, beginning with the first")

const mistakeVariable = "BILLFOLD_SAGA_BINARY"

// TestMistake runs on a binary with a mistake, and is to fail. It is run by the next one.
func TestMistake(t *testing.T) {
	binary, name, ok := strings.Cut(os.Getenv(mistakeVariable), "|")
	if !ok {
		return
	}
	for _, mistake := range mistakes {
		if mistake.name == name {
			newShop(t, binary, false).run([]place{mistake.at})
		}
	}
}

func TestMistakesAreNoticed(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, mistake := range mistakes[:min(*mistakesFlag, len(mistakes))] {
		t.Run(mistake.name, func(t *testing.T) {
			t.Parallel()
			binary := mutant.Build(t, mistake.Change, "./cmd/billfold", "-tags=failpoints")
			command := exec.CommandContext(t.Context(), self, "-test.run=^TestMistake$", "-test.v")
			command.Env = append(os.Environ(), mistakeVariable+"="+binary+"|"+mistake.name)
			command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if output, err := command.CombinedOutput(); err == nil || !bytes.Contains(output, []byte("the card")) {
				t.Errorf("got %v, want it noticed\n%s", err, output)
			}
		})
	}
}
