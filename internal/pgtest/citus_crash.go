package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Here reports whether the workers are servers of this machine, as those of
// scripts/citus-dev.sh are, so that a test can crash them.
func (c *Citus) Here() bool {
	for _, worker := range c.workers {
		if host := worker.Hostname(); host != "127.0.0.1" && host != "localhost" {
			return false
		}
	}
	return true
}

// Crash kills a worker as a whole, and returns what starts it again. The worker
// itself says which process it is and where its data is.
func (c *Citus) Crash(t testing.TB, worker int) (start func()) {
	t.Helper()
	var file string
	conn, err := pgx.Connect(t.Context(), c.workers[worker].String())
	if err == nil {
		err = conn.QueryRow(t.Context(), `select pg_read_file('postmaster.pid')`).Scan(&file)
		_ = conn.Close(context.WithoutCancel(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(file, "\n")
	if len(lines) < 2 {
		t.Fatalf("postmaster.pid: got %q", file)
	}
	pid, err := strconv.Atoi(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	process, data := fmt.Sprintf("/proc/%d/", pid), lines[1]
	program, err := os.Readlink(process + "exe")
	if err != nil {
		t.Fatalf("the worker is no process that this test may crash: %v", err)
	}
	log, err := os.Readlink(process + "fd/1")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(process)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		var output []byte
		// Its children take a moment to notice, and a new one does not start
		// beside them.
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			command := exec.Command(filepath.Join(filepath.Dir(program), "pg_ctl"), "-D", data, "-l", log, "-w", "start")
			command.Dir = "/"
			if os.Geteuid() == 0 {
				command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
			}
			if output, err = command.CombinedOutput(); err == nil {
				return
			}
		}
		t.Fatalf("start the worker again: %v\n%s", err, output)
	}
}
