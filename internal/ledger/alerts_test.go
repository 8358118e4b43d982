package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func TestAlertsKeepWhatTheyAreMadeOf(t *testing.T) {
	t.Parallel()
	list := []ledger.Threshold{
		{Below: 1, RecoverAt: 1}, {Below: 500, RecoverAt: 700}, {Below: money.BalanceMax, RecoverAt: money.BalanceMax},
	}
	for n := range len(list) + 1 {
		thresholds := ledger.MakeThresholds(list[:n])
		got, ok := thresholds.List()
		if diff := cmp.Diff(append([]ledger.Threshold(nil), list[:n]...), got); !ok || diff != "" {
			t.Errorf("%d thresholds: decodes %v (-want +got):\n%s", n, ok, diff)
		}
	}
	var alerts ledger.Alerts
	for _, currency := range []money.Currency{"USD", "EUR", "INR", "USD"} {
		alerts = alerts.With(currency, ledger.MakeThresholds(list[:len(currency)-2]))
	}
	alerts = alerts.With("INR", "")
	if want := ledger.Alerts("EUR\t1:1\nINR\t\nUSD\t1:1\n"); alerts != want {
		t.Errorf("got %q, want %q", alerts, want)
	}
	if _, set := alerts.Of("JPY"); set {
		t.Error("got thresholds in a currency without any")
	}
	if thresholds, set := alerts.Of("INR"); !set || thresholds != "" {
		t.Errorf("got %q, set: %v, want none and set", thresholds, set)
	}
	const shown = `{"EUR":[{"below":1,"recover_at":1}],"INR":[],"USD":[{"below":1,"recover_at":1}]}`
	if got := alerts.JSON(); got != shown {
		t.Errorf("got %s, want %s", got, shown)
	}
	if got := alerts.Without("EUR").Without("USD").Without("INR"); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}

func TestBrokenAlertsAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []ledger.Thresholds{"x", "500", "500:", "500:400", "0:0", "500:500 ", "500:500 500:600", "2:2 1:1", "500:500:low"} {
		if list, ok := bad.List(); ok {
			t.Errorf("thresholds %q: got %v, want them refused", bad, list)
		}
		if _, err := ledger.Standings("").InForce(bad, 0); ledger.CodeOf(err) != ledger.CodeInternal {
			t.Errorf("thresholds %q: got error %v, want %s", bad, err, ledger.CodeInternal)
		}
	}
	for _, bad := range []ledger.Standings{"x", "500:500", "500:500:", "500:500:high", "500:500:low!!", "500:400:low", "2:2:low 1:1:low"} {
		if list, ok := bad.List(); ok {
			t.Errorf("standings %q: got %v, want them refused", bad, list)
		}
		if _, err := bad.InForce("500:500", 0); ledger.CodeOf(err) != ledger.CodeInternal {
			t.Errorf("standings %q: got error %v, want %s", bad, err, ledger.CodeInternal)
		}
	}
	broken := ledger.Snapshot{Customer: ledger.Customer{Alerts: "USD\t5\n"}, Wallet: ledger.Wallet{Currency: "USD"}}
	r := ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 1, CurrencyEnabled: true}
	if _, err := ledger.Post(broken, &r, ledger.Moment{Now: time.Unix(1, 0)}); ledger.CodeOf(err) != ledger.CodeInternal {
		t.Errorf("post: got error %v, want %s", err, ledger.CodeInternal)
	}
}

// Random walks of what is available, against a naive reading of each threshold
// alone: it fires at most once between two recoveries, at the very step that
// crosses, and never between its bounds.
func TestEachCrossingIsToldOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var list []ledger.Threshold
		below := money.Amount(0)
		for range rapid.IntRange(1, ledger.ThresholdsMax).Draw(rt, "thresholds") {
			below += money.Amount(rapid.Int64Range(1, 20).Draw(rt, "below"))
			beside := money.Amount(rapid.Int64Range(0, 20).Draw(rt, "beside"))
			list = append(list, ledger.Threshold{Below: below, RecoverAt: below + beside})
		}
		available := money.Amount(rapid.Int64Range(0, 100).Draw(rt, "at first"))
		standings, err := ledger.Standings("").InForce(ledger.MakeThresholds(list), available)
		if err != nil {
			rt.Fatal(err)
		}
		hasBeen, isLow := make([]bool, len(list)), make([]bool, len(list))
		for i, threshold := range list {
			hasBeen[i] = available >= threshold.Below
		}
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			available = max(available+money.Amount(rapid.Int64Range(-25, 25).Draw(rt, "step")), 0)
			var marked ledger.Standings
			standings, marked = standings.At(available)
			told, _ := marked.List()
			for i, threshold := range list {
				fell := hasBeen[i] && !isLow[i] && available < threshold.Below
				rose := isLow[i] && available >= threshold.RecoverAt
				if told[i].Crossed != (fell || rose) {
					rt.Fatalf("%d available, threshold %+v: told %v, want fell %v or rose %v", available, threshold, told[i], fell, rose)
				}
				isLow[i] = fell || isLow[i] && !rose
				hasBeen[i] = hasBeen[i] || available >= threshold.Below
				if (told[i].Standing == ledger.Low) != isLow[i] || (told[i].Standing == ledger.Unarmed) == hasBeen[i] {
					rt.Fatalf("%d available, threshold %+v: stands at %s", available, threshold, told[i].Standing)
				}
			}
			if again, _ := standings.At(available); again != standings || strings.Contains(string(standings), "!") {
				rt.Fatalf("got %q a second time after %q", again, standings)
			}
		}
	})
}

// A wallet without thresholds costs a decision nothing.
func TestNoAlertsAllocateNothing(t *testing.T) {
	snapshot := ledger.Snapshot{Wallet: ledger.Wallet{Currency: "USD"}}
	r := ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 1, CurrencyEnabled: true}
	post := func(alerts ledger.Alerts) float64 {
		r.DefaultAlerts = alerts
		return testing.AllocsPerRun(100, func() {
			if _, err := ledger.Post(snapshot, &r, ledger.Moment{Now: time.Unix(1, 0)}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if none, others := post(""), post("EUR\t500:500\n"); none != others {
		t.Errorf("got %v allocations without alerts and %v with some in another currency, want as many", none, others)
	}
}
