package races

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/mutant"
)

// person is a customer as the API shows it.
type person struct {
	ID    string `json:"customer_id"`
	Email string `json:"email"`
	Name  string `json:"name"`
	Phone string `json:"phone_number"`
}

// named lists the customers with an e-mail, as one instance sees them.
func (r *round) named(client *harness.Client, email string) []person {
	r.Helper()
	var list struct {
		Items []person `json:"items"`
	}
	if err := client.Get(r.Context(), "/customers?"+url.Values{"email": {email}}.Encode(), &list); err != nil {
		r.Fatal(err)
	}
	return list.Items
}

// oneKeyMakesOneCustomer races new customers under one key: one is made, and
// every caller is told of it (law K6).
func oneKeyMakesOneCustomer(r *round) {
	email := fmt.Sprintf("one-%s@example.com", r.customer)
	answers := r.volley(same(harness.Call{
		Method: http.MethodPost, Path: "/customers", Key: r.customer, Body: map[string]string{"email": email, "name": "One"},
	}))
	r.wantStatuses(answers, map[int]int{http.StatusOK: callers})
	r.wantOneFirst(answers)
	var told person
	if err := json.Unmarshal(answers[0].Body, &told); err != nil {
		r.Errorf("got %s: %v", answers[0].Body, err)
	}
	for _, server := range r.d.Servers {
		if got := r.named(server.Client(), email); !slices.Equal(got, []person{told}) {
			r.Errorf("customers: got %+v, want only %+v", got, told)
		}
	}
}

// oneKeyForManyCustomers races other requests under one key: one customer is
// made, the other callers are refused.
func oneKeyForManyCustomers(r *round) {
	calls := make([]harness.Call, callers)
	email := fmt.Sprintf("many-%s@example.com", r.customer)
	for i := range calls {
		calls[i] = harness.Call{
			Method: http.MethodPost, Path: "/customers", Key: r.customer + " many",
			Body: map[string]string{"email": email, "name": fmt.Sprintf("Number %d", i)},
		}
	}
	answers := r.volley(calls)
	r.wantStatuses(answers, map[int]int{http.StatusOK: 1, http.StatusUnprocessableEntity: callers - 1})
	made := r.named(r.any(), email)
	if len(made) != 1 {
		r.Fatalf("customers: got %+v, want one", made)
	}
	for i, answer := range answers {
		if answer.Status != http.StatusOK {
			r.wantCode(answer, "IDEMPOTENCY_KEY_REUSED")
		} else if made[0].Name != fmt.Sprintf("Number %d", i) {
			r.Errorf("customer: got %+v, want that of request %d, which was accepted", made[0], i)
		}
	}
}

// updatesBesideDebits races changes of a customer's name, changes of its phone
// number, and debits. None may undo another: in the end the name is one that
// was asked for, and so is the number, and the money is exact.
func updatesBesideDebits(r *round) {
	const each = 20
	r.must(r.credit(each/2, "fund"))
	var calls []harness.Call
	path := "/customers/" + r.customer
	for i := range each {
		calls = append(calls, r.debit(1, fmt.Sprintf("debit-%d", i)).Call())
		// The last of each kind say the same, and none says what there was.
		calls = append(calls,
			harness.Call{Method: http.MethodPatch, Path: path, Body: map[string]string{"name": fmt.Sprintf("Name %d", i)}},
			harness.Call{Method: http.MethodPatch, Path: path, Body: map[string]string{"phone_number": fmt.Sprintf("+4930%07d", i)}})
	}
	r.random.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	answers := r.volley(calls)
	r.wantStatuses(answers, map[int]int{http.StatusOK: 2*each + each/2, http.StatusBadRequest: each / 2})
	r.wantWallet(0, 1+each/2)
	var before person
	for n, server := range r.d.Servers {
		var now person
		if err := server.Client().Get(r.Context(), path, &now); err != nil {
			r.Fatal(err)
		}
		if now.Name == fmt.Sprintf("Round %d", r.number) || now.Phone == "" || now.Email != "e2e@example.com" {
			r.Errorf("customer: got %+v, want a name and a number of those that were set, and the e-mail as it was", now)
		}
		if n > 0 && now != before {
			r.Errorf("customer: got %+v on one instance and %+v on another", before, now)
		}
		before = now
	}
}

// readWhatOthersWrote writes on one instance and reads on another, many at once:
// whatever was acknowledged is in every read that follows, wherever it is asked
// for (law R2).
func readWhatOthersWrote(r *round) {
	const hands, each = 6, 4
	var running sync.WaitGroup
	for hand := range hands {
		random := r.campaign.Rand(uint64(1000*r.number + hand))
		running.Go(func() {
			for n := range each {
				post := r.credit(1+random.Int64N(9), fmt.Sprintf("%d-%d", hand, n))
				write := r.d.Servers[random.IntN(len(r.d.Servers))].Client()
				answer, err := write.Post(r.Context(), post)
				if err != nil || answer.Status != http.StatusOK {
					r.Errorf("%+v: got %s, %v; want 200", post, answer, err)
					return
				}
				told, err := answer.Wallet()
				if err != nil {
					r.Errorf("%+v: got %s: %v", post, answer, err)
					return
				}
				for _, server := range r.d.Servers {
					if problem := r.missing(server.Client(), post, told); problem != "" {
						r.Errorf("%+v: answered with %+v; then another instance says %s", post, told, problem)
						return
					}
				}
				r.campaign.Add("reads", 3*int64(len(r.d.Servers)))
			}
		})
	}
	running.Wait()
	r.wantTotal(hands * each)
}

// missing says in which read of an instance an acknowledged write is missing.
func (r *round) missing(client *harness.Client, post harness.Post, told harness.Wallet) string {
	wallets, err := client.Wallets(r.Context(), r.customer)
	if now := wallets.Wallet("USD"); err != nil || now.Seq < told.Seq || now.Balance < told.Balance {
		return fmt.Sprintf("wallet %+v, %v", now, err)
	}
	entry, there, err := client.EntryByKey(r.Context(), r.customer, post.Key)
	if err != nil || !there || entry.Seq != told.Seq || entry.AfterBalance != told.Balance {
		return fmt.Sprintf("entry %v %+v, %v", there, entry, err)
	}
	list, err := client.Entries(r.Context(), r.customer, url.Values{"page_size": {"1"}})
	if err != nil || len(list.Items) != 1 || list.AsOfPosition < told.Seq || list.Items[0].Position != list.AsOfPosition {
		return fmt.Sprintf("list %+v, %v", list, err)
	}
	return ""
}

// wantTotal wants a whole chain of so many entries.
func (r *round) wantTotal(want int) {
	r.Helper()
	client := r.any()
	entries, err := client.AllEntries(r.Context(), r.customer)
	if err != nil {
		r.Fatal(err)
	}
	wallets, err := client.Wallets(r.Context(), r.customer)
	if err != nil {
		r.Fatal(err)
	}
	for _, problem := range harness.CheckChain(r.customer, entries, wallets) {
		r.Error(problem)
	}
	if len(entries) != want {
		r.Errorf("entries: got %d, want %d", len(entries), want)
	}
}

// pagesWhileWritten reads a list page by page, each page from another instance,
// while all instances write to it: the cursor meets every entry that was there
// at the start once, in order (law R3).
func pagesWhileWritten(r *round) {
	const before, writers = 30, 4
	for i := range before {
		r.must(r.credit(1, fmt.Sprintf("before-%d", i)))
	}
	var stop atomic.Bool
	var written atomic.Int64
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			client := r.d.Servers[w%len(r.d.Servers)].Client()
			for n := 0; !stop.Load(); n++ {
				answer, err := client.Post(r.Context(), r.credit(1, fmt.Sprintf("beside-%d-%d", w, n)))
				if err != nil || answer.Status != http.StatusOK {
					r.Errorf("write beside the reader: got %s, %v; want 200", answer, err)
					return
				}
				written.Add(1)
			}
		})
	}
	var positions []int64
	query := url.Values{"page_size": {"3"}}
	for page := 0; ; page++ {
		list, err := r.d.Servers[page%len(r.d.Servers)].Client().Entries(r.Context(), r.customer, query)
		if err != nil {
			r.Error(err)
			break
		}
		for _, entry := range list.Items {
			positions = append(positions, entry.Position)
		}
		if list.NextCursor == "" {
			break
		}
		query.Set("cursor", list.NextCursor)
	}
	stop.Store(true)
	running.Wait()
	for i, position := range positions {
		if want := int64(len(positions) - i); position != want {
			r.Fatalf("positions: got %v, want each once, down to 1", positions)
		}
	}
	if len(positions) < before {
		r.Errorf("got %d entries, want the %d that were there before", len(positions), before)
	}
	r.campaign.Add("written beside the reader", written.Load())
	r.wantTotal(before + int(written.Load()))
}

// revoke revokes keys while every instance is asked with them. A second later
// none may accept it any more (law N3), and what was acknowledged until then is
// there, and no more.
func revoke(t *testing.T, d *harness.Deployment) {
	t.Run("key revoked", func(t *testing.T) {
		campaign := harness.NewCampaign(t)
		for n := range max(3, *roundsFlag/10) {
			r := newRound(t, campaign, d, n)
			for _, problem := range r.revoked() {
				t.Error(problem)
			}
			campaign.Add("rounds", 1)
		}
		campaign.Want("acknowledged", 3)
		campaign.Want("refused", 3)
	})
}

// revoked revokes one key under load and says what was wrong.
func (r *round) revoked() (problems []string) {
	r.Helper()
	id, text := r.d.NewKey(r)
	var stop atomic.Bool
	var acknowledged atomic.Int64
	var running sync.WaitGroup
	clients := make([]*harness.Client, len(r.d.Servers))
	// ask uses the key and reports whether it was accepted.
	ask := func(i int, key string) bool {
		answer, err := clients[i].Post(r.Context(), r.credit(1, fmt.Sprintf("%d-%s", i, key)))
		switch {
		case err == nil && answer.Status == http.StatusOK:
			acknowledged.Add(1)
			return true
		case err == nil && answer.Status == http.StatusUnauthorized:
			r.campaign.Add("refused", 1)
		default:
			r.Errorf("got %s, %v; want 200 or 401", answer, err)
		}
		return false
	}
	for i, server := range r.d.Servers {
		clients[i] = server.Client().As(text)
		defer clients[i].Close()
		if !ask(i, "first") { // so that it has something to forget
			r.Fatalf("instance %d: got the new key refused, want it accepted", i)
		}
		running.Go(func() {
			for n := 0; !stop.Load() && ask(i, fmt.Sprint(n)); n++ {
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	r.d.RevokeKey(r, id)
	time.Sleep(time.Second)
	stop.Store(true)
	running.Wait()
	for i := range clients {
		if ask(i, "late") {
			problems = append(problems, fmt.Sprintf("a second after the key was revoked: instance %d accepted it", i))
		}
	}
	r.campaign.Add("acknowledged", acknowledged.Load())
	r.wantTotal(int(acknowledged.Load()))
	return problems
}

// TestRevokeHasTeeth wants instances noticed that remember a key for longer than
// a second.
func TestRevokeHasTeeth(t *testing.T) {
	t.Parallel()
	binary := mutant.Build(t, mutant.Change{
		File: "internal/cli/store.go", Old: "keyRefresh = 500 * time.Millisecond", New: "keyRefresh = time.Minute",
	}, "./cmd/billfold")
	d := harness.Deploy(t, harness.DeployOptions{Instances: 2, Binary: binary})
	if problems := newRound(t, harness.NewCampaign(t), d, 0).revoked(); len(problems) == 0 {
		t.Error("a key that is remembered for a minute: got no complaint, want one")
	} else {
		t.Log(problems)
	}
}
