// Package races lets requests arrive at the real server at the same instant:
// each is sent but for its last byte, then all last bytes go out together, on
// connections of their own or as streams of one. Each race is run against one
// process on the embedded store and against several instances on PostgreSQL:
// its end must be the same.
package races

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/e2e/harness"
)

var roundsFlag = flag.Int("rounds", 10, "how often each race is run on each kind of deployment")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	debits  = 300 // of 1 each
	balance = 100
	callers = 64 // with one key
)

// TestRaces runs every race on every kind of deployment.
func TestRaces(t *testing.T) {
	races := []struct {
		name string
		run  func(r *round)
	}{
		{"debits do not overdraw", debitsDoNotOverdraw},
		{"one key at once", oneKeyAtOnce},
		{"one header key at once", oneHeaderKeyAtOnce},
		{"one key for many amounts", oneKeyForManyAmounts},
		{"one key for many customers", oneKeyForManyCustomers},
		{"one key makes one customer", oneKeyMakesOneCustomer},
		{"updates beside debits", updatesBesideDebits},
		{"read what others wrote", readWhatOthersWrote},
		{"pages while written to", pagesWhileWritten},
		{"holds end once", endHoldsOnce},
		{"money is promised once", makeHoldsOnce},
	}
	harness.Deployments(t, harness.DeployOptions{Secure: true}, func(t *testing.T, d *harness.Deployment) {
		for _, race := range races {
			t.Run(race.name, func(t *testing.T) {
				campaign := harness.NewCampaign(t)
				for n := range *roundsFlag {
					race.run(newRound(t, campaign, d, n))
					campaign.Add("rounds", 1)
					if t.Failed() {
						t.Fatalf("round %d failed", n)
					}
				}
				campaign.Want("rounds", int64(*roundsFlag))
			})
		}
		revoke(t, d)
	})
}

// round is one run of a race, on a customer of its own.
type round struct {
	*testing.T
	campaign *harness.Campaign
	d        *harness.Deployment
	random   *rand.Rand
	number   int
	customer string
}

func newRound(t *testing.T, campaign *harness.Campaign, d *harness.Deployment, n int) *round {
	t.Helper()
	r := &round{T: t, campaign: campaign, d: d, random: campaign.Rand(uint64(n)), number: n}
	customer, err := r.any().CreateCustomer(t.Context(), fmt.Sprintf("Round %d", n))
	if err != nil {
		t.Fatal(err)
	}
	r.customer = customer
	return r
}

// any returns a client of whichever instance: what one knows, all know.
func (r *round) any() *harness.Client {
	return r.d.Servers[r.random.IntN(len(r.d.Servers))].Client()
}

// volley sends calls to all instances at once: every other round on connections
// of their own, or as streams of a few.
func (r *round) volley(calls []harness.Call) []harness.Answer {
	r.Helper()
	send := []harness.Volley{harness.Salvo, harness.Streams}[r.number%2]
	r.campaign.Add([]string{"calls on connections", "calls on streams"}[r.number%2], int64(len(calls)))
	return send(r, r.d.Servers, calls)
}

// credit is a post of USD under a key.
func (r *round) credit(amount int64, key string) harness.Post {
	return harness.Post{CustomerID: r.customer, Amount: amount, Currency: "USD", EntryType: "credit", Key: key}
}

func (r *round) debit(amount int64, key string) harness.Post {
	post := r.credit(amount, key)
	post.EntryType = "debit"
	return post
}

// debitsDoNotOverdraw races debits against a balance that covers only some
// of them: exactly those must pass, no more and no fewer (law O2).
func debitsDoNotOverdraw(r *round) {
	r.must(r.credit(balance, "fund"))
	calls := make([]harness.Call, debits)
	for i := range calls {
		calls[i] = r.debit(1, fmt.Sprintf("debit-%d", i)).Call()
	}
	answers := r.volley(calls)
	r.wantStatuses(answers, map[int]int{http.StatusOK: balance, http.StatusBadRequest: debits - balance})
	seqs := map[int64]bool{}
	for _, answer := range answers {
		if answer.Status == http.StatusOK {
			wallet := r.walletOf(answer)
			if seqs[wallet.Seq] || wallet.Balance != balance+1-wallet.Seq {
				r.Errorf("got seq %d and balance %d, want each seq once and balance %d", wallet.Seq, wallet.Balance, balance+1-wallet.Seq)
			}
			seqs[wallet.Seq] = true
		} else {
			r.wantCode(answer, "INSUFFICIENT_WALLET_FUNDS")
		}
	}
	r.wantWallet(0, balance+1)
}

// oneKeyAtOnce races new calls with one key in the body: one has the
// effect, the others are told of that same entry (laws K1 and K6).
func oneKeyAtOnce(r *round) {
	answers := r.volley(same(r.credit(7, "one key").Call()))
	r.wantStatuses(answers, map[int]int{http.StatusOK: 1, http.StatusConflict: callers - 1})
	r.wantWallet(7, 1)
	entry := r.onlyEntry()
	for _, answer := range answers {
		if answer.Status == http.StatusOK {
			if wallet := r.walletOf(answer); wallet.Seq != entry.Seq || wallet.Balance != entry.AfterBalance ||
				answer.Replayed() {
				r.Errorf("first answer: got %s, want the wallet after %+v", answer, entry)
			}
			continue
		}
		r.wantCode(answer, "DUPLICATE_IDEMPOTENCY_KEY")
		failure, err := answer.Failure()
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(entry, failure.Entry); diff != "" {
			r.Errorf("entry of a duplicate (-want +got):\n%s", diff)
		}
		if failure.Wallet.Seq != entry.Seq || failure.Wallet.Balance != entry.AfterBalance {
			r.Errorf("wallet of a duplicate: got %+v, want it as it was after %+v", failure.Wallet, entry)
		}
	}
}

// oneHeaderKeyAtOnce is the same with the key in the header, where every
// caller gets the first answer.
func oneHeaderKeyAtOnce(r *round) {
	post := r.credit(7, "one key")
	post.HeaderKey = true
	answers := r.volley(same(post.Call()))
	r.wantStatuses(answers, map[int]int{http.StatusOK: callers})
	r.wantOneFirst(answers)
	r.wantWallet(7, 1)
	r.onlyEntry()
}

// wantOneFirst wants all answers to be one, given first to one caller and again
// to the others.
func (r *round) wantOneFirst(answers []harness.Answer) {
	firsts := 0
	for _, answer := range answers {
		if !bytes.Equal(answer.Body, answers[0].Body) {
			r.Errorf("body: got %s and %s, want them equal", answer.Body, answers[0].Body)
		}
		if !answer.Replayed() {
			firsts++
		}
	}
	if firsts != 1 {
		r.Errorf("answers without Idempotency-Replayed: got %d, want 1", firsts)
	}
}

// oneKeyForManyAmounts races different requests under one key: one has the
// effect, the others are refused (law K3).
func oneKeyForManyAmounts(r *round) {
	calls := make([]harness.Call, callers)
	for i := range calls {
		post := r.credit(int64(1+i), "one key")
		post.HeaderKey = i%2 == 0
		calls[i] = post.Call()
	}
	answers := r.volley(calls)
	r.wantStatuses(answers, map[int]int{http.StatusOK: 1, http.StatusUnprocessableEntity: callers - 1})
	entry := r.onlyEntry()
	for i, answer := range answers {
		if answer.Status == http.StatusOK {
			if entry.Amount != int64(1+i) {
				r.Errorf("entry: got amount %d, want that of the accepted request, %d", entry.Amount, 1+i)
			}
			continue
		}
		r.wantCode(answer, "IDEMPOTENCY_KEY_REUSED")
	}
	r.wantWallet(entry.Amount, 1)
}

func same(call harness.Call) []harness.Call {
	return slices.Repeat([]harness.Call{call}, callers)
}

func (r *round) must(post harness.Post) harness.Wallet {
	r.Helper()
	answer, err := r.any().Post(r.Context(), post)
	if err != nil || answer.Status != http.StatusOK {
		r.Fatalf("%+v: got %s, %v; want 200", post, answer, err)
	}
	return r.walletOf(answer)
}

func (r *round) wantStatuses(answers []harness.Answer, want map[int]int) {
	r.Helper()
	got := map[int]int{}
	for _, answer := range answers {
		got[answer.Status]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.Errorf("answers by status (-want +got):\n%s", diff)
	}
}

func (r *round) wantCode(answer harness.Answer, want string) {
	r.Helper()
	failure, err := answer.Failure()
	if err != nil || failure.Code != want || failure.Retryable || answer.Header.Get("X-Should-Retry") != "false" {
		r.Errorf("got %s with x-should-retry %q, want %s and the advice not to retry", answer, answer.Header.Get("X-Should-Retry"), want)
	}
}

func (r *round) walletOf(answer harness.Answer) harness.Wallet {
	r.Helper()
	wallet, err := answer.Wallet()
	if err != nil {
		r.Fatalf("got %s, want a wallet: %v", answer, err)
	}
	return wallet
}

// wantWallet wants one wallet on every instance.
func (r *round) wantWallet(balance, seq int64) {
	r.Helper()
	for _, server := range r.d.Servers {
		list, err := server.Client().Wallets(r.Context(), r.customer)
		if err != nil {
			r.Fatal(err)
		}
		if wallet := list.Wallet("USD"); wallet.Balance != balance || wallet.Available != balance || wallet.Seq != seq {
			r.Errorf("wallet: got %+v, want balance and available %d and seq %d", wallet, balance, seq)
		}
	}
}

func (r *round) onlyEntry() harness.Entry {
	r.Helper()
	entries, err := r.any().AllEntries(r.Context(), r.customer)
	if err != nil {
		r.Fatal(err)
	}
	if len(entries) != 1 {
		r.Fatalf("entries: got %d, want 1: %+v", len(entries), entries)
	}
	return entries[0]
}
