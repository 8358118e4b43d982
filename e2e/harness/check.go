package harness

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// readersMax is how many customers are read at once when a load is checked.
const readersMax = 4

// Checked is what a check saw.
type Checked struct {
	Entries  int64
	Unknown  int64 // keys whose outcome no client was told
	ByKey    map[string]Entry
	Problems []string
}

// Check holds a server to everything that the load was told, and counts it. The
// load must have been stopped.
func (l *Load) Check(t testing.TB, server *Server) Checked {
	t.Helper()
	checked := l.Inspect(t, server)
	for _, problem := range checked.Problems[:min(len(checked.Problems), 20)] {
		t.Error(problem)
	}
	if more := len(checked.Problems) - 20; more > 0 {
		t.Errorf("and %d more", more)
	}
	l.campaign.Add("entries", checked.Entries)
	l.campaign.Add("acknowledged", l.Acknowledged())
	l.campaign.Add("unanswered", l.Unanswered())
	l.campaign.Add("unanswered that happened", l.Happened())
	return checked
}

// Inspect looks whether each acknowledged entry is there as it was acknowledged,
// each key has at most one entry, nothing is there that nobody asked for, and
// every chain is whole. The load must have been stopped.
func (l *Load) Inspect(t testing.TB, server *Server) Checked {
	t.Helper()
	client := server.Client()
	histories := l.read(t, client)
	checked := Checked{ByKey: map[string]Entry{}}
	wallets := map[string]WalletList{}
	for _, id := range l.customers {
		list, err := client.Wallets(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		wallets[id] = list
	}
	for id, entries := range histories {
		checked.Entries += int64(len(entries))
		checked.problems(CheckChain(id, entries, wallets[id]))
		for _, entry := range entries {
			if _, twice := checked.ByKey[entry.IdempotencyKey]; twice {
				checked.problem("key %s has more than one entry, want at most one: %+v", entry.IdempotencyKey, entry)
			}
			checked.ByKey[entry.IdempotencyKey] = entry
		}
	}
	l.checkRecords(&checked)
	l.mu.Lock()
	checked.problems(l.violations)
	l.mu.Unlock()
	return checked
}

func (c *Checked) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

func (c *Checked) problems(list []string) { c.Problems = append(c.Problems, list...) }

// checkRecords compares what the writers know with what is there.
func (l *Load) checkRecords(checked *Checked) {
	asked := 0
	for _, w := range l.writers {
		for _, r := range w.records {
			entry, there := checked.ByKey[r.post.Key]
			if there {
				asked++
			}
			switch {
			case r.applied && !there:
				checked.problem("LOST: %+v was acknowledged with seq %d and balance %d and is not there", r.post, r.seq, r.after)
			case there:
				checked.problems(r.compare(entry))
			case r.attempts > 0 && !r.applied && !r.refused:
				checked.Unknown++
			}
		}
	}
	if int64(asked) != checked.Entries {
		checked.problem("entries: got %d, of which %d were asked for", checked.Entries, asked)
	}
}

// compare says in what an entry differs from what its writer asked for and was
// told.
func (r *record) compare(e Entry) (problems []string) {
	p := r.post
	if e.CustomerID != p.CustomerID || e.Currency != p.Currency || e.Amount != p.Amount ||
		e.IsCredit != (p.EntryType == "credit") {
		problems = append(problems, fmt.Sprintf("got the entry %+v for the request %+v", e, p))
	}
	if r.applied && (e.Seq != r.seq || e.AfterBalance != r.after) {
		problems = append(problems, fmt.Sprintf("%+v was acknowledged with seq %d and balance %d, got %+v", p, r.seq, r.after, e))
	}
	if r.entry != nil && (r.entry.ID != e.ID || r.entry.BeforeBalance != e.BeforeBalance || r.entry.Hash != e.Hash) {
		problems = append(problems, fmt.Sprintf("%+v was answered with the entry %+v, got %+v", p, *r.entry, e))
	}
	if !r.applied && (r.refused || r.attempts == 0) {
		problems = append(problems, fmt.Sprintf("%+v was refused without effect, got the entry %+v", p, e))
	}
	return problems
}

// read reads every entry of every customer.
func (l *Load) read(t testing.TB, client *Client) map[string][]Entry {
	t.Helper()
	var (
		mu        sync.Mutex
		failed    error
		readers   sync.WaitGroup
		histories = map[string][]Entry{}
		ids       = make(chan string)
	)
	for range readersMax {
		readers.Go(func() {
			for id := range ids {
				entries, err := client.AllEntries(t.Context(), id)
				mu.Lock()
				histories[id] = entries
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	for _, id := range l.customers {
		ids <- id
	}
	close(ids)
	readers.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	return histories
}

// CheckChain checks what the entries of one customer say about each other: no
// number is missing, each balance follows from the one before, and time does
// not go back.
func CheckChain(customerID string, entries []Entry, wallets WalletList) (problems []string) {
	balance, seq := map[string]int64{}, map[string]int64{}
	for i, e := range entries {
		switch {
		case e.CustomerID != customerID:
			problems = append(problems, fmt.Sprintf("customer %s: got a foreign entry %+v", customerID, e))
		case e.Position != int64(i+1) || e.Seq != seq[e.Currency]+1:
			problems = append(problems, fmt.Sprintf("customer %s: got position %d and seq %d, want %d and %d",
				customerID, e.Position, e.Seq, i+1, seq[e.Currency]+1))
		case e.BeforeBalance != balance[e.Currency] || e.AfterBalance != e.BeforeBalance+e.Signed() || e.AfterBalance < 0:
			problems = append(problems, fmt.Sprintf("customer %s: got %+v on a balance of %d", customerID, e, balance[e.Currency]))
		case i > 0 && e.CreatedAt.Before(entries[i-1].CreatedAt):
			problems = append(problems, fmt.Sprintf("customer %s: got %+v before the entry that precedes it", customerID, e))
		}
		balance[e.Currency], seq[e.Currency] = e.AfterBalance, e.Seq
	}
	for currency := range balance {
		if w := wallets.Wallet(currency); w.Balance != balance[currency] || w.Seq != seq[currency] {
			problems = append(problems, fmt.Sprintf("customer %s: got the wallet %+v, want balance %d and seq %d",
				customerID, w, balance[currency], seq[currency]))
		}
	}
	return problems
}

// Verified is what the verify command reports.
type Verified struct {
	Clean     bool  `json:"clean"`
	Entries   int64 `json:"entries"`
	Customers int64 `json:"customers"`
}

// Verify runs the verify command on a data directory, and fails the test unless
// every law holds.
func Verify(t testing.TB, path string) Verified {
	t.Helper()
	return verifyStore(t, "--data-dir", path)
}

func verifyStore(t testing.TB, store ...string) Verified {
	t.Helper()
	result := Run(t, append([]string{"verify", "-o", "json"}, store...)...)
	var verified Verified
	if err := json.Unmarshal([]byte(result.Stdout), &verified); err != nil {
		t.Fatalf("verify %v: got exit code %d and %q, want JSON: %v\n%s", store, result.Code, result.Stdout, err, result.Stderr)
	}
	if result.Code != 0 || !verified.Clean {
		t.Errorf("verify %v: got exit code %d, want 0 and every law kept: %s", store, result.Code, result.Stdout)
	}
	return verified
}
