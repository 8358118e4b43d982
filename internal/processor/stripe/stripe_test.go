package stripe_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/processortest"
	"github.com/billfold/billfold/internal/processor/stripe"
)

func TestStripeKeepsTheContract(t *testing.T) {
	t.Parallel()
	processortest.Contract(t, func(t *testing.T) processor.Processor {
		_, adapter := open(t)
		return adapter
	}, method(cardOK), method(cardDeclined))
}

func request(card string) processor.Request {
	return processor.Request{Key: "inv:inv_1:1", InvoiceID: "inv_1", Attempt: 1, Amount: 500, Currency: "USD", Method: method(card)}
}

// create makes a payment and returns its id.
func create(t *testing.T, a *stripe.Adapter, r processor.Request) string {
	t.Helper()
	report, err := a.Create(t.Context(), r)
	if err != nil || report.PaymentID == "" {
		t.Fatalf("create: got %+v, %v", report, err)
	}
	return report.PaymentID
}

// TestConfirmationsSayWhatBecame has a payment confirmed with each card.
func TestConfirmationsSayWhatBecame(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		card   string
		status billing.Status
		hard   bool
		stands string // at Stripe
	}{
		{cardOK, billing.ChargeSucceeded, false, "succeeded"},
		{cardDeclined, billing.ChargeFailed, false, "canceled"},
		{cardLost, billing.ChargeFailed, true, "canceled"},
		{cardDetached, billing.ChargeFailed, false, "canceled"},
		{cardAuthenticate, billing.RequiresAction, false, "requires_payment_method"},
		{cardAction, billing.RequiresAction, false, "requires_action"},
		{cardProcessing, billing.Processing, false, "processing"},
		{cardProcessingFails, billing.Processing, false, "processing"},
	} {
		f, adapter := open(t)
		id := create(t, adapter, request(test.card))
		for _, again := range []string{"", " again"} {
			report, err := adapter.Confirm(t.Context(), id)
			want := billing.Report{PaymentID: id, Status: test.status, Amount: 500, Currency: "USD", Hard: test.hard}
			if err != nil || report != want || f.intents[0].status != test.stands {
				t.Errorf("%s, confirmed%s: got %+v, %v, and %s at Stripe, want %+v and %s", test.card, again, report, err,
					f.intents[0].status, want, test.stands)
			}
		}
		f.now = f.now.Add(2 * time.Hour)
		then := test.status
		switch test.card {
		case cardProcessing:
			then = billing.ChargeSucceeded
		case cardProcessingFails:
			then = billing.ChargeFailed
		}
		if report, err := adapter.LookUp(t.Context(), id); err != nil || report.Status != then {
			t.Errorf("%s, later: got %+v, %v, want %s", test.card, report, err, then)
		}
	}
}

// TestNoDeclineBeforeItIsCancelled has the cancellation of a declined payment not
// answered, refused, or too late because the customer has paid meanwhile.
func TestNoDeclineBeforeItIsCancelled(t *testing.T) {
	t.Parallel()
	for what := faultTooMany; what < faultsEnd; what++ {
		f, adapter := open(t)
		id := create(t, adapter, request(cardDeclined))
		f.fails(func(r *http.Request) fault {
			if strings.HasSuffix(r.URL.Path, "/cancel") {
				return what
			}
			return faultNone
		})
		if report, err := adapter.Confirm(t.Context(), id); err == nil || errors.Is(err, processor.ErrNotReached) {
			t.Errorf("fault %d: got %+v, %v, want no definite answer", what, report, err)
		}
		f.fails(nil)
		report, err := adapter.LookUp(t.Context(), id)
		if err != nil || report.Status != billing.ChargeFailed || f.intents[0].confirmed != 1 {
			t.Errorf("fault %d, looked up: got %+v, %v after %d confirmations, want it failed after 1", what, report, err,
				f.intents[0].confirmed)
		}
	}
	f, adapter := open(t)
	id := create(t, adapter, request(cardLost))
	f.fails(func(r *http.Request) fault {
		if strings.HasSuffix(r.URL.Path, "/cancel") {
			f.become(f.intents[0], "succeeded") // on the customer's page, with another card
		}
		return faultNone
	})
	report, err := adapter.Confirm(t.Context(), id)
	if err != nil || report.Status != billing.ChargeSucceeded || report.Hard {
		t.Errorf("paid before it was cancelled: got %+v, %v, want its success", report, err)
	}
}

// TestWhatIsNotAnswered has each fault happen to each call. Not reached is only what had
// no effect, and nothing is definite.
func TestWhatIsNotAnswered(t *testing.T) {
	t.Parallel()
	for what := faultTooMany; what < faultsEnd; what++ {
		for name, call := range map[string]func(a *stripe.Adapter, id string) (billing.Report, error){
			"create":  func(a *stripe.Adapter, _ string) (billing.Report, error) { return a.Create(t.Context(), second()) },
			"confirm": func(a *stripe.Adapter, id string) (billing.Report, error) { return a.Confirm(t.Context(), id) },
			"look up": func(a *stripe.Adapter, id string) (billing.Report, error) { return a.LookUp(t.Context(), id) },
			"search": func(a *stripe.Adapter, _ string) (billing.Report, error) {
				return a.Search(t.Context(), second(), epoch)
			},
			"cancel": func(a *stripe.Adapter, id string) (billing.Report, error) { return a.Cancel(t.Context(), id) },
			"return": func(a *stripe.Adapter, id string) (billing.Report, error) {
				return billing.Report{}, a.Return(t.Context(), id, "k")
			},
		} {
			f, adapter := open(t)
			id := create(t, adapter, request(cardOK))
			if name == "return" {
				_, _ = adapter.Confirm(t.Context(), id)
			}
			_, effects := f.seen()
			f.fails(func(*http.Request) fault { return what })
			_, err := call(adapter, id)
			notReached := errors.Is(err, processor.ErrNotReached)
			if err == nil || errors.Is(err, processor.ErrNoPayment) || notReached != (what == faultTooMany) {
				t.Errorf("%s, fault %d: got %v", name, what, err)
			}
			if _, after := f.seen(); notReached && after != effects {
				t.Errorf("%s, fault %d: it had an effect", name, what)
			}
		}
	}
}

// second is a request for a payment that there is not yet.
func second() processor.Request {
	r := request(cardOK)
	r.Key, r.Attempt = "inv:inv_1:2", 2
	return r
}

// TestNobodyIsThere has nobody listen, and a server that takes a request and is silent.
func TestNobodyIsThere(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	released := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	t.Cleanup(func() { close(released); silent.Close() })
	for _, test := range []struct {
		url        string
		notReached bool
	}{{gone.URL, true}, {silent.URL, false}} {
		adapter, err := stripe.New(stripe.Config{Key: testKey, URL: test.url, Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(adapter.Close)
		_, err = adapter.Create(t.Context(), request(cardOK))
		if err == nil || errors.Is(err, processor.ErrNotReached) != test.notReached {
			t.Errorf("create: got %v, want that it was not reached: %t", err, test.notReached)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err = adapter.Create(cancelled, request(cardOK)); !errors.Is(err, processor.ErrNotReached) {
			t.Errorf("create when it is over: got %v, want %v", err, processor.ErrNotReached)
		}
	}
}

// TestNothingIsSentTwice has a connection that was used before break when a request had
// its effect. The transport would make it again, and be told that there were too many.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	f, adapter := open(t)
	create(t, adapter, request(cardOK))
	sent, effects := f.seen()
	f.fails(func(*http.Request) fault {
		if len(f.requests) > sent+1 {
			return faultTooMany
		}
		return faultCutAfter
	})
	_, err := adapter.Create(t.Context(), second())
	requests, after := f.seen()
	if err == nil || errors.Is(err, processor.ErrNotReached) || requests != sent+1 || after != effects+1 {
		t.Errorf("got %v after %d requests with %d effects, want one request with one that nobody knows about", err,
			requests-sent, after-effects)
	}
}

// TestManyAtOnce has many create, confirm and return one payment at once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	f, adapter := open(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			report, err := adapter.Create(t.Context(), request(cardOK))
			if err != nil || report.PaymentID != "pi_1" {
				t.Errorf("create: got %+v, %v", report, err)
			}
			report, err = adapter.Confirm(t.Context(), "pi_1")
			if err != nil || report.Status != billing.ChargeSucceeded {
				t.Errorf("confirm: got %+v, %v", report, err)
			}
			_ = adapter.Return(t.Context(), "pi_1", "k") // some are told that another one does it
		})
	}
	group.Wait()
	if f.intents[0].confirmed != 1 || len(f.refunds) != 1 || f.returned("pi_1", false) != 500 {
		t.Errorf("got %d confirmations and %d refunds, want one each", f.intents[0].confirmed, len(f.refunds))
	}
}

// TestRefusalsOfACreation tells a payment that was certainly not made from one that
// perhaps was.
func TestRefusalsOfACreation(t *testing.T) {
	t.Parallel()
	with := func(change func(*processor.Request)) processor.Request {
		r := request(cardOK)
		change(&r)
		return r
	}
	for name, test := range map[string]struct {
		request processor.Request
		hard    bool
		calls   int
	}{
		"a card that there is not": {with(func(r *processor.Request) { r.Method = method("pm_unknown") }), false, 1},
		"a customer of others":     {with(func(r *processor.Request) { r.Method = "cus_other/pm_ok" }), false, 1},
		"less than the minimum":    {with(func(r *processor.Request) { r.Amount = 49 }), true, 1},
		"the number of a card":     {with(func(r *processor.Request) { r.Method = "4242424242424242" }), true, 0},
		"a path":                   {with(func(r *processor.Request) { r.Method = "cus_fake1/pm_ok/../x" }), true, 0},
		"no method":                {with(func(r *processor.Request) { r.Method = "" }), true, 0},
		"an amount in between":     {with(func(r *processor.Request) { r.Amount, r.Currency = 1234, "KWD" }), true, 0},
		"a currency of its own":    {with(func(r *processor.Request) { r.Currency = "CLF" }), true, 0},
	} {
		f, adapter := open(t)
		report, err := adapter.Create(t.Context(), test.request)
		if want := (billing.Report{Status: billing.ChargeFailed, Hard: test.hard}); err != nil || report != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, report, err, want)
		}
		if len(f.requests) != test.calls || len(f.intents) != 0 {
			t.Errorf("%s: got %d requests and %d payments, want %d and none", name, len(f.requests), len(f.intents), test.calls)
		}
	}
	f, adapter := open(t)
	id := create(t, adapter, request(cardOK))
	if _, err := adapter.Confirm(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	report, err := adapter.Create(t.Context(), request(cardOK))
	if err != nil || report.Status != billing.ChargeSucceeded {
		t.Errorf("created again after it was charged: got %+v, %v, want it as it is", report, err)
	}
	f.now = f.now.Add(time.Minute)
	report, err = adapter.Create(t.Context(), with(func(r *processor.Request) { r.Method = method(cardLost) }))
	if err == nil {
		t.Errorf("another card under the same key: got %+v, want no definite answer", report)
	}
}

// TestSearchIsCertain looks for payments that the index does not have yet, in an
// account that has no index, and among many.
func TestSearchIsCertain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lag     time.Duration
		noIndex bool
		age     time.Duration // of the payment, when it is searched
		more    int           // payments made after it
	}{
		"indexed":     {time.Minute, false, 48 * time.Hour, 0},
		"young":       {time.Hour, false, time.Second, 0},
		"among many":  {10 * time.Hour, false, 9 * time.Hour, 5},
		"no index":    {0, true, 300 * 24 * time.Hour, 3},
		"just before": {20 * time.Hour, false, 19 * time.Hour, 3},
	} {
		f, adapter := open(t)
		f.lag, f.noIndex = test.lag, test.noIndex
		wanted := second()
		id := create(t, adapter, wanted)
		if _, err := adapter.Confirm(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for n := range test.more {
			r := request(cardOK)
			r.Key = fmt.Sprintf("inv:inv_2:%d", n+1)
			create(t, adapter, r)
		}
		f.now = f.now.Add(test.age)
		report, err := adapter.Search(t.Context(), wanted, f.now.Add(-billing.KeyLives))
		if err != nil || report.PaymentID != id || report.Status != billing.ChargeSucceeded {
			t.Errorf("%s: got %+v, %v, want %s as it is", name, report, err, id)
		}
		wanted.Key += "1"
		report, err = adapter.Search(t.Context(), wanted, f.now.Add(-billing.KeyLives))
		if !errors.Is(err, processor.ErrNoPayment) {
			t.Errorf("%s, another key: got %+v, %v, want %v", name, report, err, processor.ErrNoPayment)
		}
		wanted.Method = "cus_other/pm_ok" // as with the key of another account
		if report, err := adapter.Search(t.Context(), wanted, f.now); err == nil || errors.Is(err, processor.ErrNoPayment) {
			t.Errorf("%s, a customer that the account does not know: got %+v, %v, want no definite answer", name, report, err)
		}
	}
}

// TestReturnsAreDoneWhenTheyAre has refunds pending, failing, and made by others.
func TestReturnsAreDoneWhenTheyAre(t *testing.T) {
	t.Parallel()
	charged := func(card string) (*fake, *stripe.Adapter, string) {
		f, adapter := open(t)
		id := create(t, adapter, request(card))
		if _, err := adapter.Confirm(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return f, adapter, id
	}
	f, adapter, id := charged(cardPendingRefund)
	for range 2 {
		if err := adapter.Return(t.Context(), id, "k"); err == nil || len(f.refunds) != 1 {
			t.Errorf("pending: got %v with %d refunds, want that it is not done with 1", err, len(f.refunds))
		}
	}
	f.now = f.now.Add(25 * time.Hour)
	if err := adapter.Return(t.Context(), id, "k"); err != nil || f.returned(id, false) != 500 {
		t.Errorf("a day later: got %v with %d given back, want 500", err, f.returned(id, false))
	}
	f, adapter, id = charged(cardFailedRefund)
	for range 2 { // the answer to the first is given again
		if err := adapter.Return(t.Context(), id, "k"); err == nil || len(f.refunds) != 1 {
			t.Errorf("failed: got %v with %d refunds, want that it is not done with 1", err, len(f.refunds))
		}
	}
	f.now = f.now.Add(25 * time.Hour)
	if err := adapter.Return(t.Context(), id, "k"); err != nil || f.returned(id, false) != 500 {
		t.Errorf("a day later: got %v with %d given back, want 500", err, f.returned(id, false))
	}
	f, adapter, id = charged(cardOK)
	f.refunds = append(f.refunds, &fakeRefund{id: "re_by_hand", intent: id, status: "succeeded", amount: 200})
	if err := adapter.Return(t.Context(), id, "k"); err != nil || f.returned(id, false) != 500 {
		t.Errorf("after a refund by hand: got %v with %d given back, want 500", err, f.returned(id, false))
	}
}

// TestRefundsThatAreRefused has Stripe refuse a refund, which has failed then: nobody waits
// for it, and what its wallet holds is free.
func TestRefundsThatAreRefused(t *testing.T) {
	t.Parallel()
	f, adapter := open(t)
	id := create(t, adapter, request(cardOK))
	if _, err := adapter.Confirm(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	f.disputed = true
	refund := processor.RefundRequest{Key: "refund:r", PaymentID: id, Amount: 100, Currency: "USD"}
	status, err := adapter.Refund(t.Context(), refund)
	if status != processor.RefundFailed || err != nil || len(f.refunds) != 0 {
		t.Errorf("got %q, %v with %d refunds, want it failed with none", status, err, len(f.refunds))
	}
	f.disputed, refund.Key = false, "refund:s" // it was won; another refund is made
	if status, err = adapter.Refund(t.Context(), refund); status != processor.RefundSucceeded || err != nil {
		t.Errorf("got %q, %v, want it done", status, err)
	}
}

// TestSecretsStayWhereTheyAre looks for the key in everything that an adapter says,
// with a server that repeats what it was sent.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	config := stripe.Config{Key: testKey, WebhookSecrets: []string{testSecret}}
	f, adapter := open(t)
	var said strings.Builder
	logger := slog.New(slog.NewTextHandler(&said, nil))
	logger.Info("x", "config", config, "adapter", adapter)
	slog.New(slog.NewJSONHandler(&said, nil)).Info("x", "adapter", adapter)
	for _, value := range []any{config, adapter, []any{config}, struct{ A any }{adapter}} {
		_, _ = fmt.Fprintf(&said, "%v %+v %#v %s %q %x\n", value, value, value, value, value, value)
	}
	for what := faultTooMany; what < faultsEnd; what++ {
		f.fails(func(*http.Request) fault { return what })
		_, err := adapter.Create(t.Context(), request(cardOK))
		logger.Error("x", "error", err)
		_, _ = fmt.Fprintf(&said, "%v %+v %#v\n", err, err, err)
	}
	for name, c := range map[string]stripe.Config{
		"no key":            {},
		"a published key":   {Key: "pk_test_51fakeSECRETfake"},
		"two lines":         {Key: testKey + "\n"},
		"the other mode":    {Key: testKey, Live: true},
		"live in test":      {Key: "sk_live_51fakeSECRETfake"},
		"an empty secret":   {Key: testKey, WebhookSecrets: []string{""}},
		"in the clear":      {Key: testKey, URL: "http://stripe.example"},
		"a password in it":  {Key: testKey, URL: "https://a:fakeSECRETfake@stripe.example"},
		"not an address":    {Key: testKey, URL: "fakeSECRETfake://%zz"},
		"a loopback's name": {Key: testKey, URL: "http://localhost"},
	} {
		_, err := stripe.New(c)
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
		_, _ = fmt.Fprintln(&said, err)
	}
	wrong, err := stripe.New(stripe.Config{Key: "sk_test_otherSECRETfake", URL: strings.TrimSuffix(serverOf(t, f), "/")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wrong.Close)
	if _, err = wrong.LookUp(t.Context(), "pi_1"); !errors.Is(err, processor.ErrNotReached) {
		t.Errorf("a key that was revoked: got %v, want %v", err, processor.ErrNotReached)
	}
	_, _ = fmt.Fprintln(&said, err)
	if strings.Contains(said.String(), "SECRET") {
		t.Errorf("got a secret in\n%s", said.String())
	}
}

func serverOf(t *testing.T, f *fake) string {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}
