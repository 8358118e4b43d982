package faults

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
	store "github.com/billfold/billfold/internal/sqlite"
)

// commits lists the entries of a ledger file in the order of their commits.
const commits = `select no, id, hash from ledger_entries order by no`

// TestBackupUnderLoad takes backups while the server is written to. Each is an
// exact prefix of the commits, holds all that was acknowledged before it was
// begun, and can be served from when it is restored.
func TestBackupUnderLoad(t *testing.T) {
	const backups = 5
	campaign := harness.NewCampaign(t)
	server := harness.Start(t, harness.Options{})
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: 16, Customers: 16})
	folder := t.TempDir()
	var least []int64
	for n := range backups {
		load.Await("acknowledged entries between backups", load.Acknowledged, 100)
		least = append(least, load.Acknowledged())
		result := harness.Run(t, "backup", backupFile(folder, n), "--data-dir", server.Dir)
		if result.Code != 0 {
			t.Fatalf("backup %d: got exit code %d, want 0: %s", n, result.Code, result.Stderr)
		}
		campaign.Add("backups", 1)
	}
	load.Stop()
	load.Check(t, server)
	server.Stop(t)
	all := query(t, filepath.Join(server.Dir, store.FileName), commits)
	for n := range backups {
		dir := filepath.Join(t.TempDir(), "restored")
		result := harness.Run(t, "restore", backupFile(folder, n), "--data-dir", dir)
		if result.Code != 0 {
			t.Errorf("restore %d: got exit code %d, want 0: %s", n, result.Code, result.Stderr)
			continue
		}
		got := query(t, filepath.Join(dir, store.FileName), commits)
		if int64(len(got)) < least[n] || len(got) > len(all) || !slices.Equal(got, all[:min(len(got), len(all))]) {
			t.Errorf("backup %d: got %d entries, want the first ones of %d commits, at least %d", n, len(got), len(all), least[n])
		}
		campaign.Add("restored entries", int64(len(got)))
		if verified := harness.Verify(t, dir); verified.Entries != int64(len(got)) {
			t.Errorf("verify of backup %d: got %d entries, want %d", n, verified.Entries, len(got))
		}
		serves(t, load, dir)
	}
	campaign.Want("backups", backups)
	campaign.Want("restored entries", 1000)
}

func backupFile(folder string, n int) string {
	return filepath.Join(folder, fmt.Sprintf("backup-%d.db", n))
}

// serves starts a server on a restored ledger: its history is whole, the keys of
// the business work, and it takes entries.
func serves(t *testing.T, load *harness.Load, dir string) {
	t.Helper()
	server := harness.Start(t, harness.Options{Dir: dir})
	defer server.Stop(t)
	id := load.Customers()[0]
	entries, err := server.Client().AllEntries(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	wallets, err := server.Client().Wallets(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range harness.CheckChain(id, entries, wallets) {
		t.Error(problem)
	}
	answer, err := server.Client().Post(t.Context(), harness.Post{
		CustomerID: id, Amount: 1, Currency: "USD", EntryType: "credit", Key: "after the restore",
	})
	if err != nil || answer.Status != 200 {
		t.Errorf("credit after the restore: got %s, %v; want 200", answer, err)
	}
}

// TestDamagedBackup damages a backup in many ways. Restore refuses each, and
// leaves nothing behind that a server could start from.
func TestDamagedBackup(t *testing.T) {
	f := newFixture(t, 1000)
	backup := filepath.Join(t.TempDir(), "backup.db")
	if result := harness.Run(t, "backup", backup, "--data-dir", f.dir); result.Code != 0 {
		t.Fatalf("backup: got exit code %d, want 0: %s", result.Code, result.Stderr)
	}
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	hash := anyHash(t, backup)
	for name, damaged := range map[string][]byte{
		"empty":                {},
		"not a database":       []byte("backup"),
		"cut to a page":        whole[:pageBytes],
		"cut in half":          whole[:len(whole)/2],
		"last page missing":    whole[:len(whole)-pageBytes],
		"half a page missing":  whole[:len(whole)-pageBytes/2],
		"header overwritten":   append(bytes.Repeat([]byte("x"), 100), whole[100:]...),
		"a page of zeros":      slices.Concat(whole[:8*pageBytes], make([]byte, pageBytes), whole[9*pageBytes:]),
		"a bit of a hash":      bytes.Replace(whole, hash, append([]byte{hash[0] ^ 1}, hash[1:]...), 1),
		"entries exchanged":    exchanged(whole, pagesOf(t, backup, "ledger_entries")),
		"answers exchanged":    exchanged(whole, pagesOf(t, backup, "request_answers")),
		"a reason was changed": otherReason(t, whole),
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(damaged, whole) {
				t.Fatal("the backup was not damaged")
			}
			path := filepath.Join(t.TempDir(), "damaged.db")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "restored")
			result := harness.Run(t, "restore", path, "--data-dir", dir)
			if result.Code == 0 || !strings.Contains(result.Stderr, "billfold: ") || strings.Contains(result.Stderr, "goroutine ") {
				t.Errorf("restore: got exit code %d and %q, want a refusal in words", result.Code, result.Stderr)
			}
			left, err := os.ReadDir(dir)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if len(left) > 0 {
				t.Errorf("data directory after a refused restore: got %v, want nothing in it", left)
			}
		})
	}
}

func anyHash(t *testing.T, path string) []byte {
	t.Helper()
	text := query(t, path, `select hash from ledger_entries where no = 500`)[0]
	hash, err := hex.DecodeString(strings.TrimSuffix(text, "|"))
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// pagesOf returns the first two leaves of a table.
func pagesOf(t *testing.T, path, table string) (pages [2]int) {
	t.Helper()
	const leaves = `select pageno from dbstat where name = '%s' and pagetype = 'leaf' order by pageno limit 2`
	rows := query(t, path, fmt.Sprintf(leaves, table))
	if len(rows) != 2 {
		t.Fatalf("pages of %s: got %v, want two", table, rows)
	}
	for i, row := range rows {
		if _, err := fmt.Sscanf(row, `"%d"|`, &pages[i]); err != nil {
			t.Fatal(err)
		}
	}
	return pages
}

func exchanged(file []byte, pages [2]int) []byte {
	file = slices.Clone(file)
	page := func(i int) []byte { return file[(pages[i]-1)*pageBytes : pages[i]*pageBytes] }
	first := slices.Clone(page(0))
	copy(page(0), page(1))
	copy(page(1), first)
	return file
}

// otherReason changes the reason of one entry. The word stands in other places
// of the file too, some of which no row uses any more.
func otherReason(t *testing.T, file []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	for from := 0; ; {
		at := bytes.Index(file[from:], []byte("fixture"))
		if at < 0 {
			t.Fatal("the file has no reason that can be changed")
		}
		from += at + 1
		changed := slices.Clone(file)
		copy(changed[from-1:], "FIXTURE")
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(query(t, path, `select 1 from ledger_entries where reason = 'FIXTURE'`)) == 1 {
			return changed
		}
	}
}

// TestKilledBackup kills the backup at work. Either there is no file under the
// name of the backup, or it is whole.
func TestKilledBackup(t *testing.T) {
	const kills = 12
	campaign := harness.NewCampaign(t)
	random := campaign.Rand(1)
	f := newFixture(t, 10_000)
	folder := t.TempDir()
	took := harness.Run(t, "backup", backupFile(folder, kills), "--data-dir", f.dir).Took
	for n := range kills {
		life := time.Duration(random.Int64N(int64(took)))
		harness.RunFor(t, life, "backup", backupFile(folder, n), "--data-dir", f.dir)
		campaign.Add("backups killed", 1)
		if _, err := os.Stat(backupFile(folder, n)); err != nil {
			campaign.Add("files not there", 1)
			continue
		}
		campaign.Add("files there", 1)
		result := harness.Run(t, "verify", backupFile(folder, n), "-o", "json")
		var verified harness.Verified
		err := json.Unmarshal([]byte(result.Stdout), &verified)
		if err != nil || !verified.Clean || verified.Entries != 10_000 {
			t.Errorf("a backup that was killed after %s left a file: got %s, want it whole or absent", life, result.Stdout)
		}
	}
	// What a killed backup leaves does not stand in the way of the next.
	for n := range kills {
		path := backupFile(folder, n)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if result := harness.Run(t, "backup", path, "--data-dir", f.dir); result.Code != 0 {
			t.Errorf("backup after a killed one: got exit code %d, want 0: %s", result.Code, result.Stderr)
		}
	}
	campaign.Want("files not there", 1)
}
