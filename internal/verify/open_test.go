package verify_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/verify"
)

func TestWhatIsNoLedgerIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"no file", func(*testing.T, string) {}, "no such file"},
		{"no database", func(t *testing.T, path string) { write(t, path, strings.Repeat("no database ", 1000)) }, "damaged"},
		{"empty file", func(t *testing.T, path string) { write(t, path, "") }, "no ledger"},
		{"another database", func(t *testing.T, path string) { script(t, path, `create table t (a)`) }, "no ledger"},
		{"another schema", func(t *testing.T, path string) {
			script(t, path, `create table installation (no);
				create table businesses (id, name);
				create table tenants (no, business, mode)`)
		}, "another version"},
		{"cut off", func(t *testing.T, path string) {
			f := scene(t)
			f.close()
			content, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, string(content[:len(content)/2/4096*4096]))
		}, "damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "billfold.db")
			test.make(t, path)
			report, err := verify.Run(t.Context(), verify.Options{Path: path})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got report %v and error %v, want an error with %q and the path", report, err, test.want)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func script(t *testing.T, path, statements string) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteScript(conn, statements, nil), conn.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestADataDirectoryWillDo(t *testing.T) {
	t.Parallel()
	f := scene(t)
	if got := run(t, verify.Options{Path: filepath.Dir(f.path)}); got.Entries != 76 {
		t.Errorf("got %d entries, want 76", got.Entries)
	}
}

func TestALogThatWasNotEmptiedIsRead(t *testing.T) {
	t.Parallel()
	f := scene(t)
	path := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(f.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+suffix, string(content))
	}
	for _, quick := range []bool{true, false} {
		if got := run(t, verify.Options{Path: path, Quick: quick}); !got.Clean() || got.Entries != 76 {
			t.Errorf("quick %v: got %d entries and findings %q, want 76 and none", quick, got.Entries, got.Findings)
		}
	}
}

func TestACancelledRunEnds(t *testing.T) {
	t.Parallel()
	f := scene(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err := verify.Run(ctx, verify.Options{Path: f.path})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got report %v and error %v, want %v", report, err, context.Canceled)
	}
}

// TestAServerThatStartsMeanwhileIsNoticed covers the run on a file that nobody
// had open when it began.
func TestAServerThatStartsMeanwhileIsNoticed(t *testing.T) {
	t.Parallel()
	f := scene(t)
	f.close()
	started := func(int64, int64) {
		if f.conn == nil {
			f.open()
		}
	}
	report, err := verify.Run(t.Context(), verify.Options{Path: f.path, Progress: started})
	if err == nil || !strings.Contains(err.Error(), "run verify again") {
		t.Errorf("got report %v and error %v, want an error that asks for another run", report, err)
	}
}

func TestARunningServerIsVerified(t *testing.T) {
	t.Parallel()
	db := realStore(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		load(t, db, 20, 8000)
	}()
	var last int64
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Millisecond):
		}
		got := run(t, verify.Options{Path: db.Path()})
		if !got.Clean() {
			t.Fatalf("got findings %q, want none", got.Findings)
		}
		if got.Entries < last {
			t.Fatalf("got %d entries after %d", got.Entries, last)
		}
		last = got.Entries
	}
}
