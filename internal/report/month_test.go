package report_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	embedded "github.com/billfold/billfold/internal/sqlite"

	"github.com/billfold/billfold/internal/report"
)

var monthEntries = flag.Int("month-entries", 20_000, "how many entries the month of TestAMonth has, an even number for each of 2,000 customers")

const (
	monthCustomers = 2000

	// monthMost is what a report may take of a processor where a month has 10,000,000 entries.
	monthMost = 2 * time.Second
)

// A month is reported on from its roll-ups, so that its reports take no more than two
// seconds of a processor however many entries it has. The entries are put into the file
// directly: all customers are credited, then all debited, and so on.
func TestAMonth(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	config := embedded.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}
	db, err := embedded.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	path := db.Path()
	newWorld(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	fillMonth(t, path, begin)
	if db, err = embedded.Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	used := processor()
	if err := report.CatchUp(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d entries were added up in %v of a processor", *monthEntries, processor()-used)

	for name, ask := range monthReports(t, db, begin) {
		used := processor()
		rows, err := ask()
		took := processor() - used
		if err != nil || rows == 0 {
			t.Errorf("%s: got %d rows and error %v, want some and none", name, rows, err)
		}
		t.Logf("%s: %v of a processor", name, took)
		if took > monthMost {
			t.Errorf("%s: took %v of a processor, want at most %v", name, took, monthMost)
		}
	}
}

// monthReports are reports on the month, which return how many rows they have.
func monthReports(t *testing.T, db store, begin time.Time) map[string]func() (int, error) {
	// Neither end is where a quarter of an hour or a day begins.
	from, to := begin.Add(-time.Hour), begin.AddDate(0, 1, -3).Add(7*time.Hour+5*time.Minute+time.Second)
	days := []time.Time{from}
	for at := begin; at.Before(to); at = at.AddDate(0, 0, 1) {
		days = append(days, at.Add(-5*time.Hour-30*time.Minute))
	}
	return map[string]func() (int, error){
		"liability": func() (int, error) {
			a, err := report.Read(t.Context(), db, shop, []time.Time{from, to}, "")
			if err != nil {
				return 0, err
			}
			rows, err := a.Liability()
			return len(rows), err
		},
		"liability of days in India": func() (int, error) {
			a, err := report.Read(t.Context(), db, shop, days[1:], "")
			if err != nil {
				return 0, err
			}
			rows, err := a.Liability()
			return len(rows), err
		},
		"ageing": func() (int, error) {
			h, err := report.ReadLots(t.Context(), db, shop, report.Expiry, []time.Time{to}, "")
			if err != nil {
				return 0, err
			}
			rows, err := h.Ageing()
			return len(rows), err
		},
		"cohorts": func() (int, error) {
			h, err := report.ReadLots(t.Context(), db, shop, report.Cohort, []time.Time{from, to}, "")
			if err != nil {
				return 0, err
			}
			rows, err := h.Cohorts()
			return len(rows), err
		},
	}
}

// processor is how much of a processor this process has used.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// fillMonth gives a business the entries of a month of 30 days.
func fillMonth(t *testing.T, path string, begin time.Time) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(query string, args ...any) {
		if err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args}); err != nil {
			t.Fatal(err)
		}
	}
	exec(`pragma synchronous = off`)
	exec(`begin`)
	for n := range monthCustomers {
		exec(`
		  insert into customers (no, tenant, id, email, name, name_folded, phone_number, metadata, created_at, updated_at)
		  select 1000 + ?1, tenant, 'cus_m' || ?1, 'm@example.com', 'M', 'm', '', '{}', created_at, updated_at
		    from customers
		   where id = ?2
		   limit 1`, n, customer(0))
	}
	insert, err := conn.Prepare(`
	  insert into ledger_entries (no, id, customer, currency, position, seq, previous, wallet_previous, is_credit, amount,
	         before_balance, after_balance, available, event_type, account, category, expires_at, allocations, fingerprint,
	         created_by, created_at, hash)
	  values (?1, ?2, ?3, 'USD', ?4, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11, ?12, ?13, ?14, zeroblob(16), 'key_1', ?15,
	         zeroblob(32))`)
	if err != nil {
		t.Fatal(err)
	}
	for i := range *monthEntries {
		monthEntry(insert, int64(i), begin.UnixMicro())
		if _, err := insert.Step(); err != nil {
			t.Fatal(err)
		}
		if err := insert.Reset(); err != nil {
			t.Fatal(err)
		}
	}
	exec(`
	  insert into wallets (tenant, customer, currency, balance, seq, position, last_entry, hash, updated_at, lots)
	  select c.tenant, e.customer, e.currency, e.after_balance, e.seq, e.position, e.no, e.hash, e.created_at, x''
	    from ledger_entries e
	    join customers c on c.no = e.customer
	   where e.no > ?`, *monthEntries-monthCustomers)
	exec(`commit`)
}

// monthEntry binds the entry of a place: of each two rounds over the customers one credits
// 10.00, which may be promotional and may expire, and one debits 6.00 of it.
func monthEntry(insert *sqlite.Stmt, i, begin int64) {
	const credited, debited, day = 1000, 600, 86_400_000_000
	round := i / monthCustomers
	pairs, seq, no := round/2, round+1, i+1
	created := begin + i*(30*day/int64(*monthEntries))
	insert.BindInt64(1, no)
	insert.BindText(2, fmt.Sprintf("cwt_%021d", no))
	insert.BindInt64(3, 1000+i%monthCustomers)
	insert.BindInt64(4, seq)
	insert.BindInt64(5, max(no-monthCustomers, 0))
	before := pairs * (credited - debited)
	if round%2 == 1 {
		before += credited
		account := []string{"revenue", "merchant", "refunds"}[i%3]
		insert.BindInt64(6, 0)
		insert.BindInt64(7, debited)
		insert.BindInt64(9, before-debited)
		insert.BindText(10, "payment")
		insert.BindText(11, account)
		insert.BindText(12, "")
		insert.BindInt64(13, 0)
		insert.BindBytes(14, binary.AppendUvarint(binary.AppendUvarint(nil, uint64(seq-1)), debited))
	} else {
		category, account, expires := "paid", "cash", int64(0)
		if i%4 == 0 {
			category, account = "promotional", "promotion"
		}
		if i%3 > 0 {
			expires = created + (1+i%400)*day
		}
		insert.BindInt64(6, 1)
		insert.BindInt64(7, credited)
		insert.BindInt64(9, before+credited)
		insert.BindText(10, "payment")
		insert.BindText(11, account)
		insert.BindText(12, category)
		insert.BindInt64(13, expires)
		insert.BindNull(14)
	}
	insert.BindInt64(8, before)
	insert.BindInt64(15, created)
}
