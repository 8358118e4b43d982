package selfaudit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	engine "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/selfaudit"
	"github.com/billfold/billfold/internal/verify"
)

// stage is an auditor with what it shows.
type stage struct {
	*testing.T
	auditor  *selfaudit.Auditor
	registry *prometheus.Registry

	mu  sync.Mutex
	log bytes.Buffer
}

func (s *stage) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *stage) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func newStage(t *testing.T, options verify.Options, percent int) *stage {
	s := &stage{T: t, registry: prometheus.NewRegistry()}
	s.auditor = selfaudit.New(selfaudit.Config{
		Store: options, Percent: percent, Logger: slog.New(slog.NewTextHandler(s, nil)), Registry: s.registry,
	})
	s.auditor.SetEvery(time.Millisecond)
	return s
}

// start runs the auditor until the test ends.
func (s *stage) start() {
	ctx, stop := context.WithCancel(s.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.auditor.Run(ctx)
	}()
	s.Cleanup(func() {
		stop()
		<-ended
	})
}

// metric is the value of one, which is a counter or a gauge.
func (s *stage) metric(name string) float64 {
	s.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "billfold_self_audit_"+name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	s.Fatalf("there is no metric %s", name)
	return 0
}

// await waits until something holds.
func (s *stage) await(what string, holds func() bool) {
	s.Helper()
	for giveUp := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(giveUp) {
			s.Fatalf("%s: it does not come to that\n%s", what, s.logged())
		}
	}
}

// exec runs statements past the store.
func exec(t testing.TB, options verify.Options, statements string) {
	t.Helper()
	if options.DatabaseURL != "" {
		conn, err := pgx.Connect(t.Context(), options.DatabaseURL)
		if err == nil {
			_, err = conn.Exec(t.Context(), statements)
		}
		if err != nil {
			t.Fatalf("%s: %v", statements, err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	conn, err := engine.OpenConn(filepath.Join(options.Path, "billfold.db"), engine.OpenReadWrite)
	if err == nil {
		conn.SetBusyTimeout(10 * time.Second)
		err = sqlitex.ExecuteScript(conn, statements, nil)
	}
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is broken past the store is found while others write, said with its law and
// its place, and shown until a round finds nothing.
func TestWhatIsBrokenIsFound(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, options := open(t)
			w := newTraffic(t, db)
			quiet := w.quiet(db)
			s := newStage(t, options, 100)
			s.start()
			writing, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { w.run(writing, 4, func() bool { return false }) })
			defer running.Wait()
			defer stop()

			s.await("a clean round", func() bool { return s.metric("last_clean_timestamp_seconds") > 0 })
			whose := "customer_id = '" + quiet + "'"
			unguard := "alter table ledger_entries disable trigger ledger_entries_are_not_changed"
			if options.DatabaseURL == "" {
				whose = "customer = (select no from customers where id = '" + quiet + "')"
				unguard = "drop trigger ledger_entries_are_not_updated; drop trigger ledger_entries_are_not_deleted"
			}
			w.alone(t, options, "update wallets set balance = balance + 1 where "+whose)
			s.await("a law is broken", func() bool { return s.metric("broken_laws") > 0 })
			for _, want := range []string{"level=ERROR", "law=M3", "customer " + quiet, "billfold verify"} {
				if log := s.logged(); !strings.Contains(log, want) {
					t.Errorf("log: got %s, want %q in it", log, want)
				}
			}
			w.alone(t, options, "update wallets set balance = balance - 1 where "+whose)
			s.await("it is mended", func() bool { return s.metric("broken_laws") == 0 })

			w.alone(t, options, unguard+"; update ledger_entries set reason = 'other' where position = 2 and "+whose)
			s.await("a chain is broken", func() bool { return strings.Contains(s.logged(), "law=M4") })
			w.alone(t, options, "delete from ledger_entries where position = 2 and "+whose)
			s.await("an entry is gone", func() bool { return strings.Contains(s.logged(), "law=M5") })
			before := s.metric("customers_total")
			s.await("it goes on", func() bool { return s.metric("customers_total") > before+20 })
			if got := s.metric("broken_laws"); got < 2 {
				t.Errorf("broken laws: got %v, want 2 and more", got)
			}
			if got := s.metric("failures_total"); got != 0 {
				t.Errorf("failures: got %v, want none\n%s", got, s.logged())
			}
		})
	}
}

// quiet is a customer of three entries, of whom nobody knows.
func (w *traffic) quiet(db store) (id string) {
	w.t.Helper()
	now := w.book.Now()
	c := ledger.Customer{Tenant: shop, ID: w.book.NewID("cus_"), Metadata: "{}", CreatedAt: now, UpdatedAt: now}
	if _, err := db.CreateCustomer(w.t.Context(), c, nil); err != nil {
		w.t.Fatal(err)
	}
	w.bulk(c.ID, 3)
	return c.ID
}

// bulk credits a customer one, again and again, and takes it back.
func (w *traffic) bulk(customer string, entries int) {
	w.t.Helper()
	for entries > 0 {
		var requests []ledger.PostRequest
		for i := range min(entries, 1000) {
			r := ledger.PostRequest{
				Tenant: shop, CustomerID: customer, Currency: "USD", CurrencyEnabled: true, Direction: ledger.Credit, Amount: 1,
				IdempotencyKey: fmt.Sprint(rand.Uint64()),
			}
			if i%2 == 1 {
				r.Direction = ledger.Debit
			}
			requests = append(requests, r)
		}
		entries -= len(requests)
		outcomes, err := w.book.PostMany(w.t.Context(), requests, true)
		if err != nil {
			w.t.Fatal(err, outcomes)
		}
	}
}

// The audit rests in proportion to the time that it worked.
func TestTheCostIsBounded(t *testing.T) {
	t.Parallel()
	db, options := stores["sqlite"](t)
	w := newTraffic(t, db)
	w.bulk(w.customers[0], 20_000)
	for percent, least := range map[int]float64{2: 40, 50: 0.8, 100: 0} {
		s := newStage(t, options, percent)
		s.auditor.SetEvery(0)
		var worked, rested time.Duration
		for range 400 {
			began := time.Now()
			pause := s.auditor.Step(t.Context())
			worked, rested = worked+time.Since(began), rested+pause
		}
		most := float64(100-percent) / float64(percent)
		if got := rested.Seconds() / worked.Seconds(); got < least || got > most {
			t.Errorf("%d percent: rested %v times as long as it worked, want %v to %v", percent, got, least, most)
		}
		if s.metric("entries_total") < 20_000 {
			t.Errorf("read %v entries, want all 20000", s.metric("entries_total"))
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		s.auditor.Run(ended) // closes
	}
}

// A customer with many entries is never in memory as a whole.
func TestMemoryIsBounded(t *testing.T) {
	const entries = 60_000 // which would take some 30 MiB
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			db, options := open(t)
			w := newTraffic(t, db)
			w.bulk(w.customers[0], entries)
			options.Piece = 0
			patrol := verify.OpenPatrol(options)
			defer closePatrol(t, patrol)
			var least, most, read uint64
			for steps := 0; ; steps++ {
				stride, err := patrol.Step(t.Context())
				if err != nil || len(stride.Findings) > 0 {
					t.Fatalf("got error %v and findings %q, want none", err, stride.Findings)
				}
				if read += uint64(stride.Entries); stride.Ended {
					break
				}
				if steps%10 == 3 {
					runtime.GC()
					var now runtime.MemStats
					runtime.ReadMemStats(&now)
					if most = max(most, now.HeapAlloc); least == 0 {
						least = now.HeapAlloc
					}
				}
			}
			t.Logf("%d entries, %.1f to %.1f MiB", read, float64(least)/(1<<20), float64(most)/(1<<20))
			if read != entries || most > least+10<<20 {
				t.Errorf("got %d entries and %d bytes more, want %d and at most 10 MiB", read, most-least, entries)
			}
		})
	}
}

// A store that cannot be read is said so, and read once it can be.
func TestItTriesAgain(t *testing.T) {
	t.Parallel()
	db, options := stores["sqlite"](t)
	w := newTraffic(t, db)
	w.bulk(w.customers[0], 10)
	file, hidden := filepath.Join(options.Path, "billfold.db"), filepath.Join(options.Path, "hidden.db")
	if err := os.Rename(file, hidden); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, options, 100)
	s.start()
	s.await("it cannot look", func() bool { return s.metric("failures_total") > 1 })
	if log := s.logged(); !strings.Contains(log, "could not look") || s.metric("last_clean_timestamp_seconds") != 0 {
		t.Errorf("got %v clean and log %s, want none and that it could not look", s.metric("last_clean_timestamp_seconds"), log)
	}
	if err := os.Rename(hidden, file); err != nil {
		t.Fatal(err)
	}
	s.await("it looks", func() bool { return s.metric("last_clean_timestamp_seconds") > 0 })
}
