package pgtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pooler is a PgBouncer in front of a cluster, which gives each transaction
// whatever session is free.
type Pooler struct {
	cluster *Cluster
	port    int
	config  string
	process *exec.Cmd
}

// NewPooler starts a pooler, which ends with the test.
func NewPooler(t testing.TB, c *Cluster) *Pooler {
	t.Helper()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	p := &Pooler{cluster: c, port: port, config: filepath.Join(filepath.Dir(c.dir), "pgbouncer.ini")}
	settings := fmt.Sprintf("[databases]\n* = user=billfold host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 8\nmax_client_conn = 500\n"+
		"server_login_retry = 1\n", c.port, port)
	if err := os.WriteFile(p.config, []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return p
}

// Start starts a pooler that was killed, and returns when it listens.
func (p *Pooler) Start() error {
	p.process = exec.Command("pgbouncer", "--quiet", p.config)
	p.process.SysProcAttr = &syscall.SysProcAttr{Credential: p.cluster.owner, Pdeathsig: syscall.SIGKILL}
	if err := p.process.Start(); err != nil {
		return errors.Join(errors.New("no PgBouncer on this machine; run scripts/test-deps.sh"), err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", address(p.port))
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PgBouncer does not listen: %w", err)
		}
	}
}

// Kill ends the pooler, and with it every connection through it.
func (p *Pooler) Kill() error {
	err := p.process.Process.Kill()
	_ = p.process.Wait() // that it was killed is what was wanted
	return err
}

// URL is how a database is reached through the pooler, by a driver that prepares
// no statements.
func (p *Pooler) URL(direct string) string {
	return strings.Replace(direct, address(p.cluster.port), address(p.port), 1) + "&default_query_exec_mode=exec"
}
