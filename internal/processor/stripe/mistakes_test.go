package stripe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
)

// mistake is an adapter with one thing wrong, as others have shipped it: what it takes
// an answer for stands between it and Stripe, what it says in front of it.
type mistake struct {
	name   string
	seen   string   // in what the walks complain of
	cards  []string // that it is about, empty for all
	tamper func(http.Handler) http.Handler
	wrap   func(processor.Processor) processor.Processor
}

func isCreation(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/v1/payment_intents"
}

// instead has some requests answered otherwise.
func instead(
	is func(*http.Request) bool, answer func(http.ResponseWriter, *http.Request, http.Handler),
) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if is(r) {
				answer(w, r, next)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// rewritten has a text in all answers stand for another.
func rewritten(from, to string) func(http.Handler) http.Handler {
	all := func(*http.Request) bool { return true }
	return instead(all, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(bytes.ReplaceAll(recorder.Body.Bytes(), []byte(from), []byte(to)))
	})
}

func mistakes() []mistake {
	keys := 0
	return []mistake{
		{name: "a decline is told without a cancellation", seen: "Status:failed", tamper: instead(func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/cancel")
		}, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Method, r.URL.Path = http.MethodGet, strings.TrimSuffix(r.URL.Path, "/cancel")
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			object := map[string]any{}
			_ = json.Unmarshal(recorder.Body.Bytes(), &object) // an answer that is cut stays one
			object["status"] = "canceled"
			w.WriteHeader(recorder.Code)
			write(w, object)
		})},
		{name: "each call to create has a key of its own", seen: "has 2 payments", tamper: instead(isCreation,
			func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				keys++
				r.Header.Set("Idempotency-Key", fmt.Sprint("another ", keys))
				next.ServeHTTP(w, r)
			})},
		{name: "an error of the server is a refusal", seen: "was refused for good", tamper: instead(isCreation,
			func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				recorder := httptest.NewRecorder()
				next.ServeHTTP(recorder, r)
				if recorder.Code >= 500 {
					refuse(w, 400, "invalid_request_error", "", "")
					return
				}
				w.WriteHeader(recorder.Code)
				_, _ = w.Write(recorder.Body.Bytes())
			})},
		{name: "the index knows everything", seen: "was not found", tamper: instead(func(r *http.Request) bool {
			return r.Method == http.MethodGet && r.URL.Path == "/v1/payment_intents"
		}, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			write(w, map[string]any{"object": "list", "data": []any{}, "has_more": false, "url": "/v1/payment_intents"})
		})},
		{
			name: "processing is as good as paid", seen: "Status:succeeded",
			tamper: rewritten(`"status":"processing"`, `"status":"succeeded"`),
		},
		{
			name: "a pending refund has gone back", seen: "is said to have gone back", cards: []string{cardPendingRefund},
			tamper: rewritten(`"status":"pending"`, `"status":"succeeded"`),
		},
		{
			name: "a connection that was cut was never there", seen: "was not reached and had an effect",
			wrap: func(p processor.Processor) processor.Processor { return hasty{p} },
		},
	}
}

// hasty takes every call without an answer for one that was not made.
type hasty struct{ processor.Processor }

func (h hasty) Confirm(ctx context.Context, id string) (billing.Report, error) {
	report, err := h.Processor.Confirm(ctx, id)
	if err != nil && !errors.Is(err, processor.ErrNoPayment) {
		err = processor.ErrNotReached
	}
	return report, err
}

// TestMistakesAreNoticed plants each mistake and wants the walks to complain.
func TestMistakesAreNoticed(t *testing.T) {
	t.Parallel()
	seed := seed()
	for _, m := range mistakes() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			complaints, states, calls := walks(t, seed, 1000, m)
			t.Logf("seed %d: %v after %d requests: %q", seed, states, calls, complaints)
			if !strings.Contains(strings.Join(complaints, "\n"), m.seen) {
				t.Errorf("1,000 walks do not notice it, by %q", m.seen)
			}
		})
	}
}
