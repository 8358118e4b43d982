// Package races lets requests arrive at the real server at the same instant:
// each is sent but for its last byte, then all last bytes go out together.
package races

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/e2e/harness"
)

var roundsFlag = flag.Int("rounds", 20, "how often each race is run")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	debits  = 300 // of 1 each
	balance = 100
	callers = 64 // with one key
)

// TestDebitsDoNotOverdraw races debits against a balance that covers only some
// of them: exactly those must pass, no more and no fewer (law O2).
func TestDebitsDoNotOverdraw(t *testing.T) {
	race(t, func(t *testing.T, campaign *harness.Campaign, client *harness.Client, customer string) {
		must(t, client, harness.Post{CustomerID: customer, Amount: balance, Currency: "USD", EntryType: "credit", Key: "fund"})
		posts := make([]harness.Post, debits)
		for i := range posts {
			posts[i] = harness.Post{
				CustomerID: customer, Amount: 1, Currency: "USD", EntryType: "debit", Key: fmt.Sprintf("debit-%d", i),
			}
		}
		answers := harness.Salvo(t, client, posts)
		wantStatuses(t, answers, map[int]int{http.StatusOK: balance, http.StatusBadRequest: debits - balance})
		seqs := map[int64]bool{}
		for _, answer := range answers {
			if answer.Status == http.StatusOK {
				wallet := walletOf(t, answer)
				if seqs[wallet.Seq] || wallet.Balance != balance+1-wallet.Seq {
					t.Errorf("got seq %d and balance %d, want each seq once and balance %d", wallet.Seq, wallet.Balance, balance+1-wallet.Seq)
				}
				seqs[wallet.Seq] = true
			} else {
				wantCode(t, answer, "INSUFFICIENT_WALLET_FUNDS")
			}
		}
		wantWallet(t, client, customer, 0, balance+1)
		campaign.Add("debits", debits)
	})
}

// TestOneKeyAtOnce races new calls with one key in the body: one has the
// effect, the others are told of that same entry (laws K1 and K6).
func TestOneKeyAtOnce(t *testing.T) {
	race(t, func(t *testing.T, campaign *harness.Campaign, client *harness.Client, customer string) {
		answers := harness.Salvo(t, client, same(harness.Post{
			CustomerID: customer, Amount: 7, Currency: "USD", EntryType: "credit", Key: "one key",
		}))
		wantStatuses(t, answers, map[int]int{http.StatusOK: 1, http.StatusConflict: callers - 1})
		wantWallet(t, client, customer, 7, 1)
		entry := onlyEntry(t, client, customer)
		for _, answer := range answers {
			if answer.Status == http.StatusOK {
				if wallet := walletOf(t, answer); wallet.Seq != entry.Seq || wallet.Balance != entry.AfterBalance ||
					answer.Replayed() {
					t.Errorf("first answer: got %s, want the wallet after %+v", answer, entry)
				}
				continue
			}
			wantCode(t, answer, "DUPLICATE_IDEMPOTENCY_KEY")
			failure, err := answer.Failure()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(entry, failure.Entry); diff != "" {
				t.Errorf("entry of a duplicate (-want +got):\n%s", diff)
			}
			if failure.Wallet.Seq != entry.Seq || failure.Wallet.Balance != entry.AfterBalance {
				t.Errorf("wallet of a duplicate: got %+v, want it as it was after %+v", failure.Wallet, entry)
			}
		}
		campaign.Add("calls", callers)
	})
}

// TestOneHeaderKeyAtOnce is the same with the key in the header, where every
// caller gets the first answer.
func TestOneHeaderKeyAtOnce(t *testing.T) {
	race(t, func(t *testing.T, campaign *harness.Campaign, client *harness.Client, customer string) {
		answers := harness.Salvo(t, client, same(harness.Post{
			CustomerID: customer, Amount: 7, Currency: "USD", EntryType: "credit", Key: "one key", HeaderKey: true,
		}))
		wantStatuses(t, answers, map[int]int{http.StatusOK: callers})
		firsts := 0
		for _, answer := range answers {
			if !bytes.Equal(answer.Body, answers[0].Body) {
				t.Errorf("body: got %s and %s, want them equal", answer.Body, answers[0].Body)
			}
			if !answer.Replayed() {
				firsts++
			}
		}
		if firsts != 1 {
			t.Errorf("answers without Idempotency-Replayed: got %d, want 1", firsts)
		}
		wantWallet(t, client, customer, 7, 1)
		onlyEntry(t, client, customer)
		campaign.Add("calls", callers)
	})
}

// TestOneKeyForManyAmounts races different requests under one key: one has the
// effect, the others are refused (law K3).
func TestOneKeyForManyAmounts(t *testing.T) {
	race(t, func(t *testing.T, campaign *harness.Campaign, client *harness.Client, customer string) {
		posts := same(harness.Post{CustomerID: customer, Currency: "USD", EntryType: "credit", Key: "one key"})
		for i := range posts {
			posts[i].Amount = int64(1 + i)
			posts[i].HeaderKey = i%2 == 0
		}
		answers := harness.Salvo(t, client, posts)
		wantStatuses(t, answers, map[int]int{http.StatusOK: 1, http.StatusUnprocessableEntity: callers - 1})
		entry := onlyEntry(t, client, customer)
		for i, answer := range answers {
			if answer.Status == http.StatusOK {
				if entry.Amount != posts[i].Amount {
					t.Errorf("entry: got amount %d, want that of the accepted request, %d", entry.Amount, posts[i].Amount)
				}
				continue
			}
			wantCode(t, answer, "IDEMPOTENCY_KEY_REUSED")
		}
		wantWallet(t, client, customer, entry.Amount, 1)
		campaign.Add("calls", callers)
	})
}

// race runs a race for many rounds, each on a customer of its own, and then
// verifies the ledger.
func race(t *testing.T, round func(*testing.T, *harness.Campaign, *harness.Client, string)) {
	t.Helper()
	campaign := harness.NewCampaign(t)
	server := harness.Start(t, harness.Options{})
	for n := range *roundsFlag {
		customer, err := server.Client().CreateCustomer(t.Context(), fmt.Sprintf("Round %d", n))
		if err != nil {
			t.Fatal(err)
		}
		round(t, campaign, server.Client(), customer)
		campaign.Add("rounds", 1)
		if t.Failed() {
			t.Fatalf("round %d failed", n)
		}
	}
	server.Stop(t)
	harness.Verify(t, server.Dir)
	campaign.Want("rounds", 20)
}

func same(post harness.Post) []harness.Post {
	posts := make([]harness.Post, callers)
	for i := range posts {
		posts[i] = post
	}
	return posts
}

func must(t *testing.T, client *harness.Client, post harness.Post) {
	t.Helper()
	if answer, err := client.Post(t.Context(), post); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("%+v: got %s, %v; want 200", post, answer, err)
	}
}

func wantStatuses(t *testing.T, answers []harness.Answer, want map[int]int) {
	t.Helper()
	got := map[int]int{}
	for _, answer := range answers {
		got[answer.Status]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers by status (-want +got):\n%s", diff)
	}
}

func wantCode(t *testing.T, answer harness.Answer, want string) {
	t.Helper()
	failure, err := answer.Failure()
	if err != nil || failure.Code != want || failure.Retryable || answer.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("got %s with x-should-retry %q, want %s and the advice not to retry", answer, answer.Header.Get("X-Should-Retry"), want)
	}
}

func walletOf(t *testing.T, answer harness.Answer) harness.Wallet {
	t.Helper()
	wallet, err := answer.Wallet()
	if err != nil {
		t.Fatalf("got %s, want a wallet: %v", answer, err)
	}
	return wallet
}

func wantWallet(t *testing.T, client *harness.Client, customer string, balance, seq int64) {
	t.Helper()
	list, err := client.Wallets(t.Context(), customer)
	if err != nil {
		t.Fatal(err)
	}
	if wallet := list.Wallet("USD"); wallet.Balance != balance || wallet.Available != balance || wallet.Seq != seq {
		t.Errorf("wallet: got %+v, want balance and available %d and seq %d", wallet, balance, seq)
	}
}

func onlyEntry(t *testing.T, client *harness.Client, customer string) harness.Entry {
	t.Helper()
	entries, err := client.AllEntries(t.Context(), customer)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Fatalf("entries: got %d, want 1: %+v", len(entries), entries)
	}
	return entries[0]
}
