package report_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/report"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

var cluster *pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &cluster, "max_connections=100")) }

var (
	epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	shop  = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}
	other = ledger.Tenant{BusinessID: "bus_2", Mode: ledger.Test}
)

type store interface {
	ledger.Store
	access.Store
	report.Store
	Close() error
}

// onStores runs a test on each store. Where says verify what to look at.
func onStores(t *testing.T, f func(t *testing.T, db store, where verify.Options)) {
	quiet := slog.New(slog.DiscardHandler)
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: filepath.Join(t.TempDir(), "data"), Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		f(t, db, verify.Options{Path: db.Path()})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url := cluster.Database(t, "")
		db, err := postgres.Open(t.Context(), postgres.Config{URL: url, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		f(t, db, verify.Options{DatabaseURL: url})
	})
}

// world is a store with customers, and a clock that goes on by itself.
type world struct {
	*testing.T
	db    store
	book  *ledger.Book
	ticks atomic.Int64
}

const customers = 6

func newWorld(t *testing.T, db store) *world {
	w := &world{T: t, db: db}
	w.book = ledger.NewBook(db, w.now, rand.Uint64)
	for _, tenant := range []ledger.Tenant{shop, other} {
		business := access.Business{ID: tenant.BusinessID, Name: "Shop", CreatedAt: epoch}
		if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
			t.Fatal(err)
		}
		for n := range customers {
			c := ledger.Customer{
				Tenant: tenant, ID: customer(n), Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
			}
			if _, err := db.CreateCustomer(t.Context(), c, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// now goes on by up to some ten minutes with each reading.
func (w *world) now() time.Time {
	return epoch.Add(time.Duration(w.ticks.Add(1+rand.Int64N(700_000_000))) * time.Microsecond)
}

func customer(n int) string { return fmt.Sprintf("cus_%08d", n) }

var purposes = []ledger.Purpose{
	{}, {EventType: ledger.EventPayment, Account: ledger.AccountCash}, {EventType: ledger.EventRefund, Account: ledger.AccountRefunds},
	{EventType: ledger.EventDispute, Account: ledger.AccountDisputes}, {EventType: ledger.EventPayment, Account: ledger.AccountRevenue},
}

// act does something at random about a customer. Refusals are no matter.
func (w *world) act(random *rand.Rand, tenant ledger.Tenant) {
	id, ctx := customer(random.IntN(customers)), w.Context()
	currency := []money.Currency{"USD", "INR"}[random.IntN(2)]
	list, err := w.db.Entries(ctx, tenant, id, ledger.EntryFilter{Currency: currency}, ledger.Page{Limit: 20})
	if err != nil {
		w.Error(err)
		return
	}
	post := ledger.PostRequest{
		Tenant: tenant, CustomerID: id, Currency: currency, Direction: ledger.Credit, Amount: 1 + money.Amount(random.Int64N(5000)),
		CreatedBy: "key_1", CurrencyEnabled: true, Purpose: purposes[random.IntN(len(purposes))],
	}
	switch action := random.IntN(10); {
	case action < 3:
		if random.IntN(3) == 0 {
			post.Category, post.Purpose = ledger.Promotional, ledger.Purpose{}
		}
		if random.IntN(2) == 0 {
			hours := time.Duration(2+random.IntN(200)) * time.Hour
			post.ExpiresAt = epoch.Add(time.Duration(w.ticks.Load())*time.Microsecond + hours)
		}
		_, _ = w.book.Post(ctx, post)
	case action < 6:
		post.Direction, post.AllowPartial = ledger.Debit, true
		_, _ = w.book.Post(ctx, post)
	case action == 6 && len(list.Entries) > 0:
		_, _ = w.book.Reverse(ctx, ledger.ReverseRequest{
			Tenant: tenant, CustomerID: id, EntryID: list.Entries[random.IntN(len(list.Entries))].ID, AllowDebt: random.IntN(2) == 0,
			Grace: time.Duration(random.IntN(2)) * 24 * time.Hour, AllowPartial: random.IntN(2) == 0, CreatedBy: "key_1",
		})
	case action == 7:
		made, err := w.book.MakeHold(ctx, ledger.HoldRequest{
			Tenant: tenant, CustomerID: id, Currency: currency, Amount: post.Amount, AllowPartial: true, CreatedBy: "key_1",
			ExpiresAt: epoch.Add(time.Duration(w.ticks.Load())*time.Microsecond + 200*time.Hour), CurrencyEnabled: true,
		})
		if err == nil && random.IntN(3) > 0 {
			_, _ = w.book.Capture(ctx, ledger.CaptureRequest{
				Tenant: tenant, CustomerID: id, HoldID: made.Hold.Hold.ID, Final: random.IntN(2) == 0, CreatedBy: "key_1",
			})
		}
	case action == 8:
		_, _ = w.book.Transfer(ctx, ledger.TransferRequest{
			Tenant: tenant, CustomerID: id, ToCustomerID: customer(random.IntN(customers)), Currency: currency, Amount: 1 + post.Amount/4,
			CreatedBy: "key_1",
		})
	case len(list.Entries) > 0:
		e := list.Entries[random.IntN(len(list.Entries))]
		_, _ = w.book.MoveExpiry(ctx, ledger.MoveRequest{
			Tenant: tenant, CustomerID: id, Currency: currency, LotSeq: e.Seq, CreatedBy: "key_1",
			ExpiresAt: epoch.Add(time.Duration(w.ticks.Load())*time.Microsecond + time.Duration(100+random.IntN(300))*time.Hour),
		})
		_, _ = w.book.Sweep(ctx, ledger.WalletKey{Tenant: tenant, CustomerID: id, Currency: currency}, w.book.Now(), 100)
	}
}

// storm lets writers act while others add up and read.
func (w *world) storm(actions int) {
	var writers, others sync.WaitGroup
	done := make(chan struct{})
	for n := range 4 {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), rand.Uint64()))
			for range actions {
				w.act(random, []ledger.Tenant{shop, shop, other}[random.IntN(3)])
			}
		})
	}
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				if _, err := w.db.FoldReports(w.Context(), 1+rand.IntN(60)); err != nil {
					w.Errorf("add up: got error %v, want none", err)
				}
				edge := epoch.Add(time.Duration(rand.Int64N(w.ticks.Load()+1)) * time.Microsecond)
				a, err := report.Read(w.Context(), w.db, shop, []time.Time{epoch, edge}, "")
				if err == nil {
					_, err = a.Liability()
				}
				if err != nil {
					w.Errorf("read in the midst of writers: got error %v, want none", err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	others.Wait()
}

// naive adds up all entries of a tenant with no help of the code under test.
type naive struct {
	entries []ledger.Entry
	credits map[string]*ledger.Entry // by wallet and seq
}

func (w *world) entries(tenant ledger.Tenant) (all naive) {
	all.credits = make(map[string]*ledger.Entry)
	for n := range customers {
		for before := int64(0); ; {
			page := ledger.Page{Limit: 100, Before: before}
			list, err := w.db.Entries(w.Context(), tenant, customer(n), ledger.EntryFilter{}, page)
			if err != nil {
				w.Fatal(err)
			}
			all.entries = append(all.entries, list.Entries...)
			if len(list.Entries) < 100 {
				break
			}
			before = list.Entries[99].Position
		}
	}
	for i := range all.entries {
		e := &all.entries[i]
		all.credits[fmt.Sprint(e.CustomerID, e.Currency, e.Seq)] = e
	}
	return all
}

// parts are what an entry moved of each category.
func (n *naive) parts(e *ledger.Entry) map[string]money.Amount {
	if e.Category != "" {
		return map[string]money.Amount{string(e.Category): e.Amount}
	}
	parts, rest := make(map[string]money.Amount), e.Amount
	for _, part := range e.Allocations {
		category := "loan"
		if part.LotSeq != 0 {
			category = string(n.credits[fmt.Sprint(e.CustomerID, e.Currency, part.LotSeq)].Category)
		}
		parts[category] += part.Amount
		rest -= part.Amount
	}
	if rest > 0 {
		parts["loan"] += rest
	}
	return parts
}

var columnOfAccount = map[ledger.Account]report.Column{
	ledger.AccountCash: report.Funded, ledger.AccountPromotion: report.Promoted, ledger.AccountRevenue: report.Spent,
	ledger.AccountRefunds: report.Refunded, ledger.AccountBreakage: report.Expired, ledger.AccountDisputes: report.Disputed,
}

func (n *naive) liability(from, to time.Time, currency money.Currency, category string) report.RollForward {
	row := report.RollForward{From: from, To: to, Currency: currency, Category: category}
	for i := range n.entries {
		e := &n.entries[i]
		for of, amount := range n.parts(e) {
			column, known := columnOfAccount[e.Account]
			if !known || of == "loan" {
				column = report.Adjusted
			}
			if of == "loan" {
				of = "paid"
			}
			if e.Currency != currency || (category != "all" && of != category) || !e.CreatedAt.Before(to) {
				continue
			}
			if e.Direction == ledger.Debit {
				amount = -amount
			}
			row.Closing += amount
			if e.CreatedAt.Before(from) {
				row.Opening += amount
				continue
			}
			row.Moved[column] += amount
		}
	}
	return row
}

// A report is what somebody finds who adds up all entries, at any points in time, while
// others write and add up, and once all is added up.
func TestReportsAreTheEntries(t *testing.T) {
	onStores(t, func(t *testing.T, db store, where verify.Options) {
		w := newWorld(t, db)
		w.storm(60)
		w.verify(where)
		for _, tenant := range []ledger.Tenant{shop, other} {
			w.compare(tenant)
			w.compareLots(tenant)
		}
		if err := report.CatchUp(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		for _, tenant := range []ledger.Tenant{shop, other} {
			w.compare(tenant)
			w.compareLots(tenant)
			w.compareJournal(tenant)
		}
		w.verify(where)
		if where.DatabaseURL != "" {
			w.corrupt(where)
		}
	})
}

// verify holds the ledger and its roll-ups against each other.
func (w *world) verify(where verify.Options) {
	w.Helper()
	if found, err := verify.Run(w.Context(), where); err != nil || !found.Clean() {
		w.Fatalf("verify: got %v, %v; want every law kept", found.Findings, err)
	}
}

// corrupt changes roll-ups of a database, each of which verify must name. Those of a file
// have a test beside it.
func (w *world) corrupt(where verify.Options) {
	conn, err := pgx.Connect(w.Context(), where.DatabaseURL)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(w.Context())
	for do, undo := range map[string]string{
		`update report_sums set credited = credited + 1`:                     `update report_sums set credited = credited - 1`,
		`update report_sums set debited = debited + 1`:                       `update report_sums set debited = debited - 1`,
		`update report_sums set entries = entries + 1`:                       `update report_sums set entries = entries - 1`,
		`update report_sums set label = 'x' || label`:                        `update report_sums set label = substr(label, 2)`,
		`update report_sums set start = start + interval '9999 days'`:        `update report_sums set start = start - interval '9999 days'`,
		`update report_places set first = first - 1`:                         `update report_places set first = first + 1`,
		`update report_places set last = last + 1`:                           `update report_places set last = last - 1`,
		`update report_places set start = start + interval '9999 days'`:      `update report_places set start = start - interval '9999 days'`,
		`update report_progress set through = through + 1000`:                `update report_progress set through = through - 1000`,
		`update report_progress set through = through - 1 where through > 1`: `update report_progress set through = through + 1 where through > 1`,
		`update report_sums set currency = 'X' || currency`:                  `update report_sums set currency = substr(currency, 2)`,
		`create table kept as select * from report_sums where span = 'expiry'; delete from report_sums where span = 'expiry'`: `
			insert into report_sums select * from kept; drop table kept`,
	} {
		if _, err := conn.Exec(w.Context(), do); err != nil {
			w.Fatalf("%s: %v", do, err)
		}
		found, err := verify.Run(w.Context(), where)
		if err != nil || len(found.Findings) != 1 || found.Findings[0].Law != verify.LawRollUps {
			w.Errorf("%s: got findings %v and error %v, want one of law %s", do, found.Findings, err, verify.LawRollUps)
		}
		if _, err := conn.Exec(w.Context(), undo); err != nil {
			w.Fatalf("%s: %v", undo, err)
		}
	}
	w.verify(where)
}

func (w *world) compare(tenant ledger.Tenant) {
	w.Helper()
	all := w.entries(tenant)
	end := w.book.Now().Add(time.Hour)
	edges := [][]time.Time{
		{epoch.Truncate(24 * time.Hour), end}, {epoch.Add(-time.Hour), epoch}, {end, end.Add(time.Hour)},
		{epoch.Add(36 * time.Hour), epoch.Add(60 * time.Hour)},
	}
	for range 8 {
		e := all.entries[rand.IntN(len(all.entries))]
		edges = append(edges, []time.Time{e.CreatedAt, e.CreatedAt.Add(time.Duration(rand.Int64N(1e15)))})
		edges = append(edges, []time.Time{e.CreatedAt.Truncate(15 * time.Minute), e.CreatedAt.Add(time.Microsecond)})
	}
	for _, edge := range edges {
		edge[0], edge[1] = edge[0].Truncate(time.Microsecond), edge[1].Truncate(time.Microsecond)
		a, err := report.Read(w.Context(), w.db, tenant, edge, "")
		if err != nil {
			w.Fatal(err)
		}
		rows, err := a.Liability()
		if err != nil {
			w.Fatal(err)
		}
		for _, row := range rows {
			row.Entries = 0
			want := all.liability(edge[0], edge[1], row.Currency, row.Category)
			if diff := cmp.Diff(want, row); diff != "" {
				w.Errorf("%v to %v (-want +got):\n%s", edge[0], edge[1], diff)
			}
		}
		lines, err := a.TrialBalance()
		if err != nil {
			w.Fatal(err)
		}
		w.compareTrial(&all, edge[1], lines)
	}
}

func (w *world) compareTrial(all *naive, to time.Time, lines []report.Balance) {
	want := make(map[string]money.Amount)
	for i := range all.entries {
		e := &all.entries[i]
		if e.CreatedAt.Before(to) {
			amount := e.Amount
			if e.Direction == ledger.Debit {
				amount = -amount
			}
			want[string(e.Currency)+string(e.Account)] -= amount
		}
	}
	for _, line := range lines {
		if account := string(line.Currency) + line.Account; line.Account[:3] != "wal" && line.Closing != want[account] {
			w.Errorf("%s: got %d, want %d", account, line.Closing, want[account])
		}
	}
}

// compareJournal holds the journal of a period against the entries: each once, and as much
// debited as credited.
func (w *world) compareJournal(tenant ledger.Tenant) {
	w.Helper()
	all := w.entries(tenant)
	from, to := epoch.Add(20*time.Minute), w.book.Now().Add(-time.Hour)
	var out bytes.Buffer
	journal, err := report.NewJournalWriter(&out)
	if err != nil {
		w.Fatal(err)
	}
	for place, more := int64(0), true; more; {
		page, err := w.db.Journal(w.Context(), tenant, from, to, place)
		if err != nil {
			w.Fatal(err)
		}
		for i := range page.Lines {
			var debit, credit money.Amount
			for _, leg := range page.Lines[i].Legs() {
				debit, credit = debit+leg.Debit, credit+leg.Credit
			}
			if debit != credit || debit != page.Lines[i].Amount {
				w.Errorf("entry %s debits %d and credits %d of %d", page.Lines[i].ID, debit, credit, page.Lines[i].Amount)
			}
		}
		if err := journal.Write(page.Lines); err != nil {
			w.Fatal(err)
		}
		place, more = page.Next, page.More
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		w.Fatal(err)
	}
	got, want := make(map[string]bool), make(map[string]bool)
	for _, row := range rows[1:] {
		if row[1] == "1" && got[row[0]] {
			w.Errorf("entry %s is there twice", row[0])
		}
		got[row[0]] = true
	}
	for i := range all.entries {
		if e := &all.entries[i]; !e.CreatedAt.Before(from) && e.CreatedAt.Before(to) {
			want[e.ID] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		w.Errorf("%d entries of the journal (-want +got):\n%s", len(want), diff)
	}
}
