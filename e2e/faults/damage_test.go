package faults

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
	store "github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

const pageBytes = 4096

// TestDamagedHeader starts the server on files that are no database any more.
func TestDamagedHeader(t *testing.T) {
	original := newFixture(t, 500)
	for name, damage := range map[string]func([]byte) []byte{
		"overwritten": func(file []byte) []byte { copy(file, strings.Repeat("x", 100)); return file },
		"zeroed":      func(file []byte) []byte { clear(file[:pageBytes]); return file },
		"cut in half": func(file []byte) []byte { return file[:len(file)/2/pageBytes*pageBytes] },
		"another":     func([]byte) []byte { return []byte(strings.Repeat("this is a letter to a friend. ", 1000)) },
	} {
		t.Run(name, func(t *testing.T) {
			damaged := original.copy(t)
			damaged.rewrite(t, damage)
			refusesToStart(t, damaged.dir, "damaged", "restore")
			if result := harness.Run(t, "verify", "--data-dir", damaged.dir); result.Code == 0 {
				t.Errorf("verify: got exit code 0, want another: %s", result.Stdout)
			}
		})
	}
}

func (f fixture) rewrite(t *testing.T, change func([]byte) []byte) {
	t.Helper()
	file, err := os.ReadFile(f.file())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file(), change(file), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedPages ruins one page of each kind. The server either refuses to
// start, or every answer that it gives is right: a key that was used is never
// taken for a new one, and no balance is shown that is not true.
func TestDamagedPages(t *testing.T) {
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	original := newFixture(t, fixtureEntries)
	truth := original.truth(t)
	pages := map[string][]string{}
	for _, row := range query(t, original.file(), `select name || ' ' || pagetype, pageno from dbstat where pageno > 1 order by pageno`) {
		kind, page, _ := strings.Cut(row, "|")
		pages[kind] = append(pages[kind], strings.Trim(page, `"|`))
	}
	for _, kind := range []string{
		"ledger_entries leaf", "ledger_entries internal", "wallets leaf", "customers leaf", "key_pages leaf", "key_runs leaf",
		"customer_marks leaf", "api_keys leaf", "tenants leaf", "installation leaf", "schema_migrations leaf",
	} {
		all := pages[fmt.Sprintf("%q", kind)]
		if len(all) == 0 {
			t.Errorf("the fixture has no page of kind %s, want one; it has %d kinds", kind, len(pages))
			continue
		}
		var page int
		if _, err := fmt.Sscan(all[random.IntN(len(all))], &page); err != nil {
			t.Fatal(err)
		}
		t.Run(kind, func(t *testing.T) {
			damaged := original.copy(t)
			damaged.rewrite(t, func(file []byte) []byte { clear(file[(page-1)*pageBytes : page*pageBytes]); return file })
			campaign.Add(damaged.outcome(t, truth), 1)
			campaign.Add("pages ruined", 1)
		})
	}
	campaign.Want("pages ruined", 11)
}

// truth is what may be answered about the fixture.
type truth struct {
	wallets map[string]harness.WalletList
	newest  map[string]harness.EntryList
}

func (f fixture) truth(t *testing.T) truth {
	t.Helper()
	server := harness.Start(t, harness.Options{Dir: f.dir})
	defer server.Stop(t)
	all := truth{wallets: map[string]harness.WalletList{}, newest: map[string]harness.EntryList{}}
	for _, id := range f.customers {
		var err error
		if all.wallets[id], err = server.Client().Wallets(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if all.newest[id], err = server.Client().Entries(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// outcome says what became of a server on a damaged ledger, and fails the test
// when it told a lie.
func (f fixture) outcome(t *testing.T, truth truth) string {
	t.Helper()
	server, err := harness.Launch(t, harness.Options{Dir: f.dir})
	var exit *harness.ExitError
	if errors.As(err, &exit) {
		if exit.Code != 1 || strings.Contains(err.Error(), "goroutine ") || !strings.Contains(err.Error(), "billfold: ") {
			t.Errorf("start: got %v, want exit code 1 and words for the operator", err)
		}
		return "refused at start"
	}
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	refused := 0
	for n, id := range f.customers {
		wallets, err := server.Client().Wallets(t.Context(), id)
		if err == nil && !slices.Equal(wallets.Items, truth.wallets[id].Items) {
			t.Errorf("wallets of %s: got %+v, want %+v", id, wallets, truth.wallets[id])
		}
		if err != nil {
			refused++
		}
		list, err := server.Client().Entries(t.Context(), id, nil)
		if err == nil && !slices.Equal(list.Items, truth.newest[id].Items) {
			t.Errorf("entries of %s: got %+v, want %+v", id, list, truth.newest[id])
		}
		if err != nil {
			refused++
		}
		for again := n; again < fixtureEntries; again += 997 * fixtureCustomers {
			refused += f.repeat(t, server, again)
		}
	}
	if refused == 0 {
		return "right all the same"
	}
	return "refused some requests"
}

// repeat posts an entry of the fixture again, which must never be taken for
// new. It returns 1 when the server would not say.
func (f fixture) repeat(t *testing.T, server *harness.Server, n int) int {
	t.Helper()
	answer, err := server.Client().Post(t.Context(), harness.Post{
		CustomerID: f.customers[n%fixtureCustomers], Currency: "USD", EntryType: "credit", Amount: int64(1 + n%500), Key: fixtureKey(n),
	})
	switch {
	case err != nil:
		t.Errorf("repeat %d: %v", n, err)
	case answer.Status == http.StatusOK:
		t.Errorf("repeat %d: got %s, want it known or refused", n, answer)
	case answer.Status >= http.StatusInternalServerError || answer.Status == http.StatusNotFound ||
		answer.Status == http.StatusUnauthorized:
		return 1
	}
	return 0
}

// TestFlippedBits flips single bits all over the file. Verify finds each one
// that changed the ledger.
func TestFlippedBits(t *testing.T) {
	const flips = 60
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	original := newFixture(t, 2000)
	damaged := original.copy(t)
	const rows = `select 'e', * from ledger_entries`
	// Not the number of a wallet's row, which says nothing.
	const wallets = `
	  select 'w', customer, currency, balance, held, seq, position, last_entry, hash, updated_at, lots,
	         promotional_from, promotional_sum, paid_from, paid_sum
	    from wallets
	   order by customer, currency`
	want := append(query(t, original.file(), rows), query(t, original.file(), wallets)...)
	file, err := os.ReadFile(original.file())
	if err != nil {
		t.Fatal(err)
	}
	for range flips {
		at, bit := random.IntN(len(file)), byte(1)<<random.IntN(8)
		file[at] ^= bit
		if err := os.WriteFile(damaged.file(), file, 0o600); err != nil {
			t.Fatal(err)
		}
		file[at] ^= bit
		report, err := verify.Run(t.Context(), verify.Options{Path: damaged.file()})
		if err != nil || !report.Clean() {
			campaign.Add("found", 1)
			continue
		}
		got, err := tryQuery(damaged.file(), rows)
		more, err2 := tryQuery(damaged.file(), wallets)
		if err != nil || err2 != nil || !slices.Equal(append(got, more...), want) {
			t.Errorf("bit %d of byte %d (page %d) flipped: verify is clean, and the ledger is another (%v, %v)",
				bit, at, at/pageBytes+1, err, err2)
		}
		campaign.Add("without effect on the ledger", 1)
	}
	campaign.Want("found", flips/3)
}

// TestNewerSchema starts the server on the ledger of a later version.
func TestNewerSchema(t *testing.T) {
	f := newFixture(t, 100)
	migrations, err := store.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	execute(t, f.file(), fmt.Sprintf(
		`insert into schema_migrations (version, name, checksum, applied_at) values (%d, 'later', 'x', 1)`, len(migrations)+1))
	refusesToStart(t, f.dir, fmt.Sprintf("schema version %d", len(migrations)+1), "newer binary")
	execute(t, f.file(), fmt.Sprintf(`delete from schema_migrations where version = %d`, len(migrations)+1))
	harness.Start(t, harness.Options{Dir: f.dir}).Stop(t)
}
