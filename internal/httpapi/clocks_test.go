package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

const clockBody = `{"frozen_time":"2027-01-31T12:00:00Z"}`

func onClock(id string) string {
	return `{"email":"ada@example.com","name":"Ada","test_clock":"` + id + `"}`
}

// A request that made a customer of a clock has its first answer again when the clock was
// deleted or has no room any more; another one is refused (law K10).
func TestClocksRefuseAfterTheFirstAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	clock := h.send(request{method: "POST", path: "/test-clocks", body: clockBody}).want(t, 200)["test_clock_id"].(string)
	keyed := request{
		method: "POST", path: "/customers", body: onClock(clock), headers: map[string]string{"Idempotency-Key": "one"},
	}
	resent := request{
		method: "POST", path: "/customers", body: onClock(clock), headers: map[string]string{"x-stainless-retry-count": "0"},
	}
	first, second := h.send(keyed), h.send(resent)
	first.want(t, 200)
	second.want(t, 200)
	resent.headers["x-stainless-retry-count"] = "1"
	repeats := func(why string) {
		t.Helper()
		for _, c := range []struct {
			request
			want reply
		}{{keyed, first}, {resent, second}} {
			if got := h.send(c.request); got.status != 200 || got.body != c.want.body {
				t.Errorf("%s: got %d with %s, want the first answer %s", why, got.status, got.body, c.want.body)
			}
		}
	}
	other := request{method: "POST", path: "/customers", body: strings.Replace(onClock(clock), "Ada", "Bob", 1)}
	for range ledger.TestClockCustomers - 2 {
		h.send(other).want(t, 200)
	}
	h.send(other).refused(t, 422, ledger.CodeLimitReached)
	repeats("a clock without room")
	h.send(request{method: "DELETE", path: "/test-clocks/" + clock})
	h.send(other).refused(t, 422, ledger.CodeTestClock)
	repeats("a clock that was deleted")
	keyed.body = onClock(clock + "x")
	h.send(keyed).refused(t, 422, ledger.CodeKeyReused)
}

// A business has so many clocks, and the answer to a request under a key that made one
// comes again whatever has happened since.
func TestClocksAreSoMany(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	post := func(key string) reply {
		return h.send(request{
			method: "POST", path: "/test-clocks", body: clockBody, headers: map[string]string{"Idempotency-Key": key},
		})
	}
	first := post("0")
	clock := first.want(t, 200)["test_clock_id"].(string)
	for n := range ledger.TestClocksMax - 1 {
		post(fmt.Sprint(n+1)).want(t, 200)
	}
	post("more").refused(t, 422, ledger.CodeLimitReached)
	if got := post("0"); got.status != 200 || got.body != first.body {
		t.Errorf("a repeat: got %d with %s, want %s", got.status, got.body, first.body)
	}
	h.send(request{method: "DELETE", path: "/test-clocks/" + clock})
	post("more").want(t, 200)
}
