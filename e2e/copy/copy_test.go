// Package copy kills the real binary while it copies an installation from one
// store to the other and back, and holds the copies to everything that the
// first server answered.
package copy

import (
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/pgtest"
)

var killsFlag = flag.Int("kills", 10, "how often the copy is killed, in each direction")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// copied is what the command says as JSON.
type copied struct {
	Entries          int64 `json:"entries"`
	EntriesPerSecond int64 `json:"entries_per_second"`
	Resumed          bool  `json:"resumed"`
}

// databases starts a server of PostgreSQL and returns what makes an empty
// database on it.
func databases(t *testing.T) (fresh func() (url string)) {
	t.Helper()
	cluster, err := pgtest.New(filepath.Join(pgtest.Dir(t), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Signal(syscall.SIGQUIT) })
	return func() string { return cluster.Database(t, "") }
}

// TestKilledWhileCopying copies a ledger that was served to PostgreSQL and back,
// and kills the copy over and over.
func TestKilledWhileCopying(t *testing.T) {
	campaign := harness.NewCampaign(t)
	first, fresh := filepath.Join(t.TempDir(), "data"), databases(t)
	server := harness.Start(t, harness.Options{Dir: first})
	if seeded := harness.Run(t, "seed", "--demo", "--customers", "300", "--data-dir", first); seeded.Code != 0 {
		t.Fatalf("seed: got exit code %d: %s", seeded.Code, seeded.Stderr)
	}
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: 32, Customers: 16})
	refused(t, "is in use by process", "copy", "--from", first, "--to", fresh())
	load.Await("acknowledged entries", load.Acknowledged, 25_000)
	load.Stop()
	want := load.Check(t, server)
	var others []string
	for _, name := range []string{"Zoë", "Øystein 🦊"} {
		id, err := server.Client().CreateCustomer(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, id)
	}
	sent := newRepeats(t, server.Client(), others)
	pages := newPages(t, server.Client(), load.Customers()[0])
	server.Stop(t)

	secret := filepath.Join(first, "secret.key")
	there := killCopies(t, campaign, copying{from: first, fresh: fresh, serve: "--database-url"})
	total := harness.Verify(t, first).Entries
	instance := harness.Start(t, harness.Options{
		Dir: filepath.Join(t.TempDir(), "instance"), Arguments: []string{"--database-url", there, "--secret-key-file", secret},
	})
	if got := load.Check(t, instance); got.Entries != want.Entries {
		t.Errorf("entries on PostgreSQL: got %d, want %d", got.Entries, want.Entries)
	}
	pages.goOn(t, instance.Client())
	sent.goOn(t, instance.Client())
	directory := func() string { return filepath.Join(t.TempDir(), "data") }
	refused(t, "stop all of them first", "copy", "--from", there, "--to", directory(), "--secret-key-file", secret)
	instance.Stop(t)

	back := killCopies(t, campaign, copying{from: there, fresh: directory, serve: "--data-dir", secret: secret})
	if got := harness.Verify(t, back).Entries; got != total {
		t.Errorf("entries of the copy of the copy: got %d, want %d", got, total)
	}
	again := harness.Start(t, harness.Options{Dir: back})
	load.Check(t, again)
	pages.goOn(t, again.Client())
	sent.goOn(t, again.Client())
	again.Stop(t)
	campaign.Want("kills", int64(2**killsFlag))
	campaign.Want("kills of a copy that had begun", int64(*killsFlag))
	campaign.Want("copies that came to their end", 2)
}

// refused wants a command to fail with a text.
func refused(t *testing.T, want string, arguments ...string) {
	t.Helper()
	result := harness.Run(t, arguments...)
	if result.Code == 0 || !strings.Contains(result.Stderr, want) {
		t.Errorf("%v: got exit code %d and %q, want it refused with %q", arguments, result.Code, result.Stderr, want)
	}
}

// copying is a direction to copy in.
type copying struct {
	from   string
	fresh  func() string // makes an empty target
	serve  string        // the flag that names a target to a server
	secret string        // file, empty when the source has it
}

func (c copying) arguments(to string) []string {
	arguments := []string{"copy", "--from", c.from, "--to", to}
	if c.secret != "" {
		arguments = append(arguments, "--secret-key-file", c.secret)
	}
	return arguments
}

// finish lets a copy come to its end and returns how long that took.
func (c copying) finish(t *testing.T, campaign *harness.Campaign, to string) time.Duration {
	t.Helper()
	result := harness.Run(t, append(c.arguments(to), "-o", "json")...)
	var report copied
	if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil || result.Code != 0 {
		t.Fatalf("copy: got exit code %d, %q and %q, want it to come to its end", result.Code, result.Stdout, result.Stderr)
	}
	if !c.finished(t, to) {
		t.Error("the same command again: got it to do something, want it to find the copy finished")
	}
	campaign.Add("copies that came to their end", 1)
	campaign.Add("entries in them", report.Entries)
	return result.Took
}

// finished reports whether the same command finds nothing to do.
func (c copying) finished(t *testing.T, to string) bool {
	t.Helper()
	result := harness.Run(t, c.arguments(to)...)
	return result.Code == 0 && strings.Contains(result.Stdout, "The copy was finished")
}

// killCopies kills copies at random moments, goes on with each until it comes to
// its end, and returns the last of them. Nothing serves one before. It goes on
// until half as many kills as were asked for have met a copy that had begun.
func killCopies(t *testing.T, campaign *harness.Campaign, c copying) (to string) {
	t.Helper()
	random := campaign.Rand(uint64(len(c.serve)))
	life := c.finish(t, campaign, c.fresh()) // so long does one take here
	to = c.fresh()
	for kills, begun := 0, 0; kills < *killsFlag || 2*begun < *killsFlag; kills++ {
		if kills == 20**killsFlag {
			t.Fatalf("got %d of %d kills to meet a copy that had begun, want %d", begun, kills, *killsFlag/2)
		}
		harness.RunFor(t, time.Duration(random.Int64N(int64(life))), c.arguments(to)...)
		campaign.Add("kills", 1)
		listed := harness.Run(t, "business", "list", c.serve, to)
		switch {
		case strings.Contains(listed.Stderr, "that is not finished"):
			begun++
			campaign.Add("kills of a copy that had begun", 1)
		case listed.Code == 0 && strings.Contains(listed.Stdout, "bus_"):
			campaign.Add("kills after the end", 1)
			if !c.finished(t, to) {
				t.Errorf("%s is served and not finished", to)
			}
			to = c.fresh()
		case listed.Code == 0:
			to = c.fresh() // looking has made it an empty installation
		}
	}
	c.finish(t, campaign, to)
	return to
}

// pages are a list that was begun before a copy and goes on after it.
type pages struct {
	customer  string
	cursor    string // of the second page
	customers string // of the customers' second page
	rest      harness.EntryList
	others    json.RawMessage
}

func newPages(t *testing.T, client *harness.Client, customer string) *pages {
	t.Helper()
	p := &pages{customer: customer}
	list, err := client.Entries(t.Context(), customer, url.Values{"page_size": {"10"}})
	if err != nil || list.NextCursor == "" {
		t.Fatalf("first page: got %+v, %v; want a cursor to the next", list, err)
	}
	p.cursor = list.NextCursor
	var first struct {
		NextCursor string `json:"next_cursor"`
	}
	if err := client.Get(t.Context(), "/customers?page_size=5", &first); err != nil || first.NextCursor == "" {
		t.Fatalf("first page of customers: got %+v, %v; want a cursor to the next", first, err)
	}
	p.customers = first.NextCursor
	p.rest, p.others = p.read(t, client)
	return p
}

func (p *pages) read(t *testing.T, client *harness.Client) (rest harness.EntryList, others json.RawMessage) {
	t.Helper()
	rest, err := client.Entries(t.Context(), p.customer, url.Values{"page_size": {"10"}, "cursor": {p.cursor}})
	if err != nil {
		t.Fatalf("the page behind a cursor: %v", err)
	}
	var page struct {
		Items json.RawMessage `json:"items"`
	}
	if err := client.Get(t.Context(), "/customers?page_size=5&cursor="+p.customers, &page); err != nil {
		t.Fatalf("the page of customers behind a cursor: %v", err)
	}
	rest.NextCursor = "" // is sealed anew each time
	return rest, page.Items
}

// goOn wants the cursors to lead to the same pages on another store.
func (p *pages) goOn(t *testing.T, client *harness.Client) {
	t.Helper()
	rest, others := p.read(t, client)
	if !reflect.DeepEqual(rest, p.rest) {
		t.Errorf("the page behind a cursor from before the copy: got %+v, want %+v", rest, p.rest)
	}
	if string(others) != string(p.others) {
		t.Errorf("the page of customers behind a cursor from before the copy: got %s, want %s", others, p.others)
	}
}

// repeats are requests that are sent before a copy, and again after it.
type repeats map[harness.Post]harness.Entry

func newRepeats(t *testing.T, client *harness.Client, customers []string) repeats {
	t.Helper()
	sent := repeats{}
	for i, customer := range customers {
		for _, post := range []harness.Post{
			{CustomerID: customer, Amount: 100, Currency: "USD", EntryType: "credit", Key: "schlüssel ✓"},
			{CustomerID: customer, Amount: int64(i + 1), Currency: "USD", EntryType: "debit", Key: "Schlüssel ✓"},
			{CustomerID: customer, Amount: 7, Currency: "INR", EntryType: "credit", Category: "promotional",
				ExpiresAt: "2100-01-01T00:00:00.000001Z", Key: "promotion"},
		} {
			if answer, err := client.Post(t.Context(), post); err != nil || answer.Status != 200 {
				t.Fatalf("%+v: got %s, %v; want 200", post, answer, err)
			}
			entry, there, err := client.EntryByKey(t.Context(), customer, post.Key)
			if err != nil || !there {
				t.Fatalf("entry of %+v: got none, %v", post, err)
			}
			sent[post] = entry
		}
	}
	return sent
}

// goOn wants each repeat to find its entry, in either form of the key.
func (r repeats) goOn(t *testing.T, client *harness.Client) {
	t.Helper()
	for post, entry := range r {
		answer, err := client.Post(t.Context(), post)
		if err != nil {
			t.Fatal(err)
		}
		failure, err := answer.Failure()
		if err != nil || answer.Status != 409 || failure.Entry != entry {
			t.Errorf("repeat of %+v: got %s, %v; want 409 with the entry %+v", post, answer, err, entry)
		}
		post.Amount++
		if answer, err = client.Post(t.Context(), post); err != nil || answer.Status != 422 {
			t.Errorf("another request under the key of %+v: got %s, %v; want 422", post, answer, err)
		}
	}
}
