package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/storetest"
)

// commitDelays has each commit that writes an entry take up to a hundredth of a
// second longer, so that transactions commit in another order than they began.
const commitDelays = `
	create function linger() returns trigger language plpgsql as $$
	begin
	  perform pg_sleep(random() * 0.01);
	  return null;
	end $$;
	create constraint trigger entries_linger after insert on ledger_entries
	  deferrable initially deferred for each row execute function linger()`

// feedCampaign runs writers and readers against two instances on one database
// whose commits take their time, and returns what the readers have to say.
func feedCampaign(t *testing.T, s server, blind bool) []string {
	t.Helper()
	i := newInstallation(t, s, 2)
	if _, err := connect(t, i.url).Exec(t.Context(), commitDelays); err != nil {
		t.Fatal(err)
	}
	var books []*ledger.Book
	for _, db := range i.instances {
		if blind {
			postgres.ReadBeyondTheHorizon(db)
		}
		books = append(books, ledger.NewBook(db, time.Now, rand.Uint64))
	}
	var customers []ledger.Customer
	for n := range 12 {
		c := i.newCustomer(fmt.Sprintf("cus_%d", n))
		if _, err := i.instances[0].CreateCustomer(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		customers = append(customers, c)
	}
	return storetest.FeedComplaints(t.Context(), books, i.tenant, customers, 25)
}

// onFeeds runs a test on each server that has a feed, and wants the others to say
// that they have none.
func onFeeds(t *testing.T, test func(*testing.T, server)) {
	onServers(t, func(t *testing.T, s server) {
		if s.citus == nil {
			test(t, s)
			return
		}
		i := newInstallation(t, s, 1)
		if _, err := i.instances[0].Feed(t.Context(), i.tenant, "", 1); ledger.CodeOf(err) != ledger.CodeFeedNotPossible {
			t.Errorf("got error %v, want %s", err, ledger.CodeFeedNotPossible)
		}
	})
}

// Whoever reads beyond the oldest transaction that runs misses what it commits.
// The feed does not, and the campaign can tell the two apart.
func TestFeedWithRandomCommitDelays(t *testing.T) {
	onFeeds(t, func(t *testing.T, s server) {
		for _, complaint := range feedCampaign(t, s, false) {
			t.Error(complaint)
		}
		const triesMax = 20
		for range triesMax {
			if said := feedCampaign(t, s, true); len(said) > 0 {
				t.Logf("without the horizon: %s", said[0])
				return
			}
		}
		t.Errorf("without the horizon: got no complaint in %d campaigns, want one", triesMax)
	})
}

// What a transaction that still runs may write is waited for, and comes before
// what was committed meanwhile if it began earlier.
func TestFeedWaitsForRunningTransactions(t *testing.T) {
	onFeeds(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		held, other := i.customer("cus_held"), i.customer("cus_other")
		conn := connect(t, i.url)
		// One that is made by hand stands for one whose commit takes long.
		const insert = `
		  begin;
		  insert into customers (customer_id, tenant, email, name, name_folded, phone_number, metadata, created_at, updated_at)
		  select 'cus_late', tenant, email, name, name_folded, phone_number, metadata, created_at, updated_at
		    from customers where customer_id = 'cus_held'`
		if _, err := conn.Exec(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
		credit := ledger.PostRequest{CustomerID: other, Direction: ledger.Credit, Amount: 5}
		if _, err := i.post(t.Context(), 0, credit); err != nil {
			t.Fatal(err)
		}
		book := ledger.NewBook(i.instances[0], time.Now, rand.Uint64)
		before, err := book.Events(t.Context(), i.tenant, ledger.EventFilter{}, ledger.EventCursor{}, 10)
		if err != nil || len(before.Events) > 2 {
			t.Fatalf("while it runs: got %d events and error %v, want no more than the two customers", len(before.Events), err)
		}
		if _, err := conn.Exec(t.Context(), "commit"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for at := before.Next; len(before.Events)+len(got) < 4; {
			list, err := book.Events(t.Context(), i.tenant, ledger.EventFilter{}, at, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list.Events {
				got = append(got, e.CustomerID)
			}
			at = list.Next
		}
		if want := []string{"cus_late", other}; !slices.Equal(got[len(got)-2:], want) {
			t.Errorf("got events of %v behind %s and %s, want of %v at last", got, held, other, want)
		}
	})
}

// A dump that is restored into a server whose transactions have lower numbers keeps
// its feed: what it had is there, and what is new comes behind it.
func TestFeedOfARestoredDump(t *testing.T) {
	onFeeds(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		c := i.customer("cus_1")
		credit := ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 5}
		if _, err := i.post(t.Context(), 0, credit); err != nil {
			t.Fatal(err)
		}
		conn := connect(t, i.url)
		statements := append(s.unguard(),
			`update customers set feed_order = feed_order + 1000000000000`,
			`update ledger_entries set feed_order = feed_order + 1000000000000`)
		for _, statement := range statements {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		for round := range 2 {
			i.instances[0] = s.open(t, i.url)
			if _, err := i.post(t.Context(), 0, credit); err != nil {
				t.Fatal(err)
			}
			book := ledger.NewBook(i.instances[0], time.Now, rand.Uint64)
			var positions []int64
			for at := (ledger.EventCursor{}); len(positions) < round+2; {
				list, err := book.Events(t.Context(), i.tenant, ledger.EventFilter{}, at, 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list.Events {
					if e.Entry != nil {
						positions = append(positions, e.Entry.Position)
					}
				}
				at = list.Next
			}
			if want := []int64{1, 2, 3}[:round+2]; !slices.Equal(positions, want) {
				t.Errorf("opened %d times: got entries at %v, want %v", round+1, positions, want)
			}
		}
	})
}

// A page of the feed is read in the order of its index, however many entries the
// business has.
func TestPlanOfTheFeed(t *testing.T) {
	onOwnServers(t, func(t *testing.T, s server) {
		conn := connect(t, newInstallation(t, s, 1).url)
		exec(t, conn, "begin; set local plan_cache_mode = force_generic_plan")
		if _, err := conn.Exec(t.Context(), postgres.ReadSettings, "4s"); err != nil {
			t.Fatal(err)
		}
		for n, query := range postgres.FeedQueries() {
			if got := plan(t, conn, n, query); !strings.Contains(got, "_by_feed") || !strings.Contains(got, "Incremental Sort") {
				t.Errorf("got a plan that does not walk the index of the feed:\n%s", got)
			}
		}
	})
}
