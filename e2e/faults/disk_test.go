package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/billfold/billfold/e2e/harness"
)

// TestDiskFull fills the file system under the server. Writes are refused
// without effect and say when to come back, reads go on, and when there is
// space again writes go on by themselves.
func TestDiskFull(t *testing.T) {
	campaign := harness.NewCampaign(t)
	disk := harness.Tmpfs(t, 8)
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	server := harness.Start(t, harness.Options{Dir: filepath.Join(disk, "data")})
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: 16, Customers: 16, Patient: true})
	free := []func(){
		func() {
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
		},
		func() { harness.Resize(t, disk, 64) },
	}
	for _, free := range free {
		load.Await("refusals by the full disk", load.Unavailable, 50)
		campaign.Add("times full", 1)
		readsAreServed(t, load, server)
		free()
		began := time.Now()
		load.Await("acknowledged entries after space returned", load.Acknowledged, 100)
		campaign.Add("ms until 100 entries after space returned", time.Since(began).Milliseconds())
	}
	load.StopAfter(1000)
	campaign.Add("unavailable", load.Unavailable())
	checked := load.Check(t, server)
	select {
	case <-server.Exited():
		t.Fatalf("the server ended with exit code %d, want it to live through a full disk\n%s", server.ExitCode(), server.Log())
	default:
	}
	server.Stop(t)
	if verified := harness.Verify(t, server.Dir); verified.Entries != checked.Entries {
		t.Errorf("verify: got %d entries, want %d", verified.Entries, checked.Entries)
	}
	campaign.Want("times full", 2)
}

// readsAreServed reads every customer's wallets and newest entries.
func readsAreServed(t *testing.T, load *harness.Load, server *harness.Server) {
	t.Helper()
	for _, id := range load.Customers() {
		if _, err := server.Client().Wallets(t.Context(), id); err != nil {
			t.Errorf("read wallets while writes are refused: %v", err)
		}
		if _, err := server.Client().Entries(t.Context(), id, nil); err != nil {
			t.Errorf("read entries while writes are refused: %v", err)
		}
	}
}

// TestFileTooLarge is a full disk of another kind: the operating system refuses
// to let the files grow.
func TestFileTooLarge(t *testing.T) {
	campaign := harness.NewCampaign(t)
	options := harness.Options{Dir: filepath.Join(t.TempDir(), "data")}
	options.Before = []string{"prlimit", "--fsize=3000000"}
	server := harness.Start(t, options)
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: 16, Customers: 16, Patient: true})
	stopped := awaitTrouble(t, load, server)
	if stopped {
		campaign.Add("server stopped", 1)
		wantFailed(t, server, "the disk")
	} else {
		campaign.Add("server refused", 1)
		readsAreServed(t, load, server)
		server.Kill()
	}
	load.Down()
	server = harness.Start(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
	load.Up(server)
	load.StopAfter(500)
	load.Check(t, server)
	server.Stop(t)
	harness.Verify(t, server.Dir)
}

// TestFileSystemTurnsReadOnly takes the right to write away from the server as
// a kernel does that found an error on the disk.
func TestFileSystemTurnsReadOnly(t *testing.T) {
	campaign := harness.NewCampaign(t)
	disk := harness.NewDisk(t, t.TempDir(), 64)
	server := harness.Start(t, harness.Options{Dir: filepath.Join(disk.Dir, "data")})
	load := harness.StartLoad(t, campaign, server, harness.LoadOptions{Writers: 16, Customers: 16, Patient: true})
	load.Await("acknowledged entries", load.Acknowledged, 100)
	// A sync that is under way while the kernel gives the file system up may be
	// answered with success, whatever became of it. So nothing is under way.
	load.Down()
	time.Sleep(300 * time.Millisecond)
	disk.Remount(t, "abort")
	load.Up(server)
	stopped := awaitTrouble(t, load, server)
	if stopped {
		campaign.Add("server stopped", 1)
		wantFailed(t, server, "the disk")
	} else {
		campaign.Add("server refused", 1)
		readsAreServed(t, load, server)
		server.Kill()
	}
	load.Down()
	disk.Unmount(t)
	disk.Mount(t)
	server = harness.Start(t, harness.Options{Dir: server.Dir, Addr: server.Addr})
	load.Up(server)
	load.Await("acknowledged entries after the repair", load.Acknowledged, 100)
	load.Stop()
	load.Check(t, server)
	server.Stop(t)
	harness.Verify(t, server.Dir)
	disk.Check(t)
}

// awaitTrouble waits until writes are refused, and reports whether the server
// stopped over it.
func awaitTrouble(t *testing.T, load *harness.Load, server *harness.Server) (stopped bool) {
	t.Helper()
	const most = 30 * time.Second
	deadline := time.After(most)
	for from := load.Unavailable(); load.Unavailable() < from+20; {
		select {
		case <-server.Exited():
			return true
		case <-deadline:
			t.Fatalf("refusals: got %d in %s, want 20 or a stop\n%s", load.Unavailable()-from, most, server.Log())
		case <-time.After(time.Millisecond):
		}
	}
	// It may be about to stop.
	select {
	case <-server.Exited():
		return true
	case <-time.After(500 * time.Millisecond):
		return false
	}
}

// wantFailed wants a server to have ended by itself with exit code 1 and words
// for the operator.
func wantFailed(t *testing.T, server *harness.Server, words ...string) {
	t.Helper()
	if code := server.ExitCode(); code != 1 {
		t.Errorf("exit code: got %d, want 1", code)
	}
	for _, word := range words {
		if !strings.Contains(server.Log(), word) {
			t.Errorf("log: got\n%s\nwant it to say %q", server.Log(), word)
		}
	}
}

// TestReadOnlyAtStart starts the server where it may not write.
func TestReadOnlyAtStart(t *testing.T) {
	disk := harness.Tmpfs(t, 16)
	dir := filepath.Join(disk, "data")
	harness.Start(t, harness.Options{Dir: dir}).Stop(t)
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{dir, filepath.Join(disk, "new")} {
		refusesToStart(t, where, "read-only file system", filepath.Base(where))
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, harness.Options{Dir: dir}).Stop(t)
}

// TestFullAtStart starts the server where there is no space left.
func TestFullAtStart(t *testing.T) {
	disk := harness.Tmpfs(t, 1)
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20-64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(disk, "data")
	refusesToStart(t, dir, "full")
	harness.Resize(t, disk, 16)
	harness.Start(t, harness.Options{Dir: dir}).Stop(t)
	harness.Verify(t, dir)
}

// refusesToStart wants a start to end with exit code 1 and words for the
// operator.
func refusesToStart(t *testing.T, dir string, words ...string) {
	t.Helper()
	server := harness.Begin(t, harness.Options{Dir: dir})
	select {
	case <-server.Exited():
	case <-time.After(15 * time.Second):
		t.Fatalf("start in %s: got a server that runs, want it refused", dir)
	}
	wantFailed(t, server, words...)
	if strings.Contains(server.Log(), "panic") || strings.Contains(server.Log(), "goroutine ") {
		t.Errorf("log: got\n%s\nwant words for the operator", server.Log())
	}
	if testing.Verbose() {
		t.Logf("start in %s: %s", dir, server.Log())
	}
}
