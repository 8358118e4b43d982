package races

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/mutant"
)

// promise is a hold as the API shows it.
type promise struct {
	ID       string `json:"hold_id"`
	Amount   int64  `json:"amount"`
	Captured int64  `json:"captured"`
	Released int64  `json:"released"`
	Status   string `json:"status"`
}

func (r *round) holdsPath() string { return "/customers/" + r.customer + "/wallets/holds" }

func (r *round) holding(amount int64, key string, until time.Time) harness.Call {
	return harness.Call{Method: http.MethodPost, Path: r.holdsPath(), Body: map[string]any{
		"currency": "USD", "amount": amount, "idempotency_key": key, "expires_at": until.UTC().Format(time.RFC3339Nano),
	}}
}

func (r *round) ending(hold, verb, key string, amount int64) harness.Call {
	body := map[string]any{"idempotency_key": key}
	if amount > 0 {
		body["amount"] = amount
	}
	return harness.Call{Method: http.MethodPost, Path: r.holdsPath() + "/" + hold + "/" + verb, Body: body}
}

// hold promises money for a time, and returns the hold and when it ends. The time
// may be over before a busy machine has made it; then it is asked for anew.
func (r *round) hold(amount int64, key string, ahead time.Duration) (id string, until time.Time) {
	r.Helper()
	for {
		until = time.Now().Add(ahead)
		answer, err := r.any().Do(r.Context(), r.holding(amount, key, until))
		if err == nil && codeOf(answer) == "INVALID_EXPIRY" {
			continue
		}
		var made struct {
			Hold promise `json:"hold"`
		}
		if err == nil {
			err = json.Unmarshal(answer.Body, &made)
		}
		if err != nil || answer.Status != http.StatusOK || made.Hold.ID == "" {
			r.Fatalf("hold %s: got %s, %v; want it made", key, answer, err)
		}
		return made.Hold.ID, until
	}
}

// codeOf is the code of a refusal, empty for an answer that is none.
func codeOf(answer harness.Answer) string {
	failure, err := answer.Failure()
	if err != nil || answer.Status == http.StatusOK {
		return ""
	}
	return failure.Code
}

func endHoldsOnce(r *round)  { r.report(r.holdsEndOnce()) }
func makeHoldsOnce(r *round) { r.report(r.holdsPromiseOnce()) }

func (r *round) report(said []string) {
	r.Helper()
	for _, problem := range said {
		r.Error(problem)
	}
}

const (
	pledges = 6   // holds of a round, of all that there is
	pledged = 100 // each
	tries   = 6   // captures of each, and as many releases
)

// holdsEndOnce races captures, releases and the expiry of each hold, and debits of
// what they give back. One of all ends a hold, the others are told so (law H3), and
// what was captured, spent and is left comes to what there was. It returns what was
// wrong. Every third round waits until the holds have expired, and another one makes
// them expire while the calls are on their way.
func (r *round) holdsEndOnce() (said []string) {
	r.Helper()
	r.must(r.credit(pledges*pledged, "fund"))
	ahead := time.Hour
	if r.number%3 > 0 {
		ahead = time.Duration(100+r.random.IntN(150)) * time.Millisecond
	}
	holds := make([]string, pledges)
	var last time.Time
	for i := range holds {
		holds[i], last = r.hold(pledged, fmt.Sprintf("hold-%d", i), ahead)
	}
	var calls []harness.Call
	var about []int // the hold of each call, -1 for a debit
	for i, hold := range holds {
		for n := range tries {
			calls = append(calls, r.ending(hold, "capture", fmt.Sprintf("capture-%d-%d", i, n), 0),
				r.ending(hold, "release", fmt.Sprintf("release-%d-%d", i, n), 0), r.debit(pledged/2, fmt.Sprintf("debit-%d-%d", i, n)).Call())
			about = append(about, i, i, -1)
		}
	}
	r.random.Shuffle(len(calls), func(i, j int) {
		calls[i], calls[j] = calls[j], calls[i]
		about[i], about[j] = about[j], about[i]
	})
	if r.number%3 == 2 {
		time.Sleep(time.Until(last))
	}
	var spent int64
	winners := make([]int, pledges)
	for i, answer := range r.volley(calls) {
		code := codeOf(answer)
		switch {
		case answer.Status == http.StatusOK && about[i] < 0:
			spent += pledged / 2
		case answer.Status == http.StatusOK:
			winners[about[i]]++
		case about[i] < 0 && code != "INSUFFICIENT_WALLET_FUNDS", about[i] >= 0 && code != "HOLD_NOT_ACTIVE":
			said = append(said, fmt.Sprintf("%s %s: got %s", calls[i].Method, calls[i].Path, answer))
		}
	}
	return append(said, r.wantEnded(holds, winners, spent)...)
}

// wantEnded wants each hold ended by its one winner or by its expiry, and all the
// money where it went.
func (r *round) wantEnded(holds []string, winners []int, spent int64) (said []string) {
	r.Helper()
	var captured int64
	for i, hold := range holds {
		for _, server := range r.d.Servers {
			var now promise
			if err := server.Client().Get(r.Context(), r.holdsPath()+"/"+hold, &now); err != nil {
				r.Fatal(err)
			}
			won := now.Status == "captured" && now.Captured == pledged ||
				now.Status == "released" && now.Released == pledged
			if winners[i] > 1 || won != (winners[i] == 1) || !won && now.Status != "expired" {
				said = append(said, fmt.Sprintf("hold %d: got %+v and %d winners, want one, or its expiry", i, now, winners[i]))
			}
			if server == r.d.Servers[0] {
				captured += now.Captured
				r.campaign.Add("holds that were "+now.Status, 1)
			}
		}
	}
	left := r.drain()
	if captured+spent+left != pledges*pledged {
		said = append(said, fmt.Sprintf("got %d captured, %d spent and %d left, want %d of all", captured, spent, left, pledges*pledged))
	}
	return said
}

// drain spends all that is available, and returns how much that was.
func (r *round) drain() (spent int64) {
	r.Helper()
	for n := 0; ; n++ {
		answer, err := r.any().Do(r.Context(), harness.Call{
			Method: http.MethodPost, Path: "/customers/" + r.customer + "/wallets/ledger-entries", Body: map[string]any{
				"currency": "USD", "entry_type": "debit", "amount": 1_000_000, "allow_partial": true,
				"idempotency_key": fmt.Sprintf("drain-%d", n),
			},
		})
		if err != nil {
			r.Fatal(err)
		}
		if codeOf(answer) == "INSUFFICIENT_WALLET_FUNDS" {
			return spent
		}
		entry, there, err := r.any().EntryByKey(r.Context(), r.customer, fmt.Sprintf("drain-%d", n))
		if answer.Status != http.StatusOK || err != nil || !there {
			r.Fatalf("drain: got %s and entry %v, %v; want what is left", answer, there, err)
		}
		spent += entry.Amount
	}
}

// holdsPromiseOnce races holds for more than there is, and then captures of a part
// of one hold: as many pass as there is money for, no more and no fewer (law O2).
func (r *round) holdsPromiseOnce() (said []string) {
	r.Helper()
	const each, enough = 30, 10
	r.must(r.credit(each*enough+each/2, "fund"))
	until := time.Now().Add(time.Hour)
	calls := make([]harness.Call, callers)
	for i := range calls {
		calls[i] = r.holding(each, fmt.Sprintf("hold-%d", i), until)
	}
	said = append(said, r.wantSome(r.volley(calls), enough, "INSUFFICIENT_WALLET_FUNDS")...)
	r.must(r.credit(each*enough+each/2, "more"))
	whole, _ := r.hold(each*enough+each/2, "whole", time.Hour)
	for i := range calls {
		calls[i] = r.ending(whole, "capture", fmt.Sprintf("capture-%d", i), each)
	}
	said = append(said, r.wantSome(r.volley(calls), enough, "CAPTURE_EXCEEDS_HOLD")...)
	if left := r.drain(); left != each/2 {
		said = append(said, fmt.Sprintf("got %d available, want %d", left, each/2))
	}
	return said
}

// wantSome wants so many answers of success, and the others refused with a code.
func (r *round) wantSome(answers []harness.Answer, want int, code string) (said []string) {
	passed := 0
	for _, answer := range answers {
		if answer.Status == http.StatusOK {
			passed++
		} else if codeOf(answer) != code {
			said = append(said, fmt.Sprintf("got %s, want %s", answer, code))
		}
	}
	if passed != want {
		said = append(said, fmt.Sprintf("got %d that passed, want %d; the others %s", passed, want, code))
	}
	return said
}

// TestHoldRacesHaveTeeth wants a hold noticed that is ended twice on one process, and
// money that two instances promise at once.
func TestHoldRacesHaveTeeth(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		change    mutant.Change
		instances int
		race      func(r *round) []string
	}{
		{"a captured hold is released", mutant.Change{
			File: "internal/ledger/hold_decide.go", Old: "state := s.Hold.StateAt(now); state != HoldActive {",
			New: "state := s.Hold.StateAt(now); state != HoldActive && state != HoldCaptured {",
		}, 0, (*round).holdsEndOnce},
		{"no lock on one customer", mutant.Change{
			File: "internal/postgres/rows.go", Old: "\n\t   for no key update`", New: "`",
		}, 2, (*round).holdsPromiseOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			binary := mutant.Build(t, test.change, "./cmd/billfold")
			d := harness.Deploy(t, harness.DeployOptions{Instances: test.instances, Binary: binary, Secure: true})
			campaign := harness.NewCampaign(t)
			for n := range 20 {
				if said := test.race(newRound(t, campaign, d, 3*n)); len(said) > 0 {
					t.Logf("round %d: %.300s", n, said[0])
					return
				}
			}
			t.Error("got no complaint in 20 rounds, want one")
		})
	}
}
