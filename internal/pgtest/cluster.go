// Package pgtest starts PostgreSQL servers for tests: private clusters on a
// random port of this machine, run by an unprivileged user, gone when the test
// ends. A test that cannot have one fails; it is not skipped.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a running server.
type Cluster struct {
	dir     string // the server's own
	bin     string
	port    int
	owner   *syscall.Credential // nil: this process's own user
	options []string
	process *exec.Cmd
	ended   chan struct{}
	serial  atomic.Int64
}

// New makes a cluster of the machine's own release, see Release.New.
func New(dir string, settings ...string) (*Cluster, error) {
	release, err := packagedRelease()
	if err != nil {
		return nil, err
	}
	return release.New(dir, settings...)
}

// New makes a cluster in a directory that it makes, and starts it with more
// settings such as "max_connections=50". What else it needs is beside the
// directory, which should have a folder to itself.
func (r Release) New(dir string, settings ...string) (*Cluster, error) {
	c := &Cluster{dir: dir, options: settings}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	var err error
	if c.bin, err = r.programs(filepath.Join(filepath.Dir(dir), fmt.Sprintf("postgres-%d", r.Version))); err != nil {
		return nil, err
	}
	initdb := c.command("initdb", "--pgdata="+dir, "--username=billfold", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
	if output, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, output)
	}
	if c.port, err = FreePort(); err != nil {
		return nil, err
	}
	return c, c.Start()
}

// Main runs the tests of a package with a cluster that they share and that ends with
// them, and returns the code to exit with. It is for TestMain.
func Main(m *testing.M, cluster **Cluster, settings ...string) (code int) {
	dir, err := os.MkdirTemp("", "billfold-tests-")
	if err == nil {
		*cluster, err = New(filepath.Join(dir, "data"), settings...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code = m.Run()
	if err := errors.Join((*cluster).Signal(syscall.SIGINT), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// Dir returns an empty directory for a cluster, which goes when the test ends.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "billfold-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// prepare gives the directory to an unprivileged user.
func (c *Cluster) prepare() (err error) {
	c.owner, err = Unprivileged(c.dir)
	return err
}

// Unprivileged makes a directory for whom the server is to run as, because it
// refuses to run as root. It returns nil when this process is not root.
func Unprivileged(dir string) (*syscall.Credential, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil || os.Geteuid() != 0 {
		return nil, err
	}
	owner, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.Atoi(owner.Uid)
	gid, gidErr := strconv.Atoi(owner.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, err
	}
	// The way there must be open to that user too.
	temporary := os.TempDir() + "/"
	for above := filepath.Dir(dir); strings.HasPrefix(above, temporary); above = filepath.Dir(above) {
		if err := os.Chmod(above, 0o755); err != nil {
			return nil, err
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}

func (c *Cluster) command(name string, arguments ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(c.bin, name), arguments...)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner, Pdeathsig: syscall.SIGKILL}
	return command
}

// FreePort returns a port that nobody listens on, and that no connection gets for
// its own end. Of a port out of that range, a server that is away loses it to
// whoever connects meanwhile, even to those who try to connect to the server: the
// two ends of such a connection are one and the same socket.
func FreePort() (int, error) {
	const lowest, highest = 10_000, 32_000 // Linux gives ports from 32768 to connections
	for range 100 {
		port := lowest + rand.IntN(highest-lowest)
		listener, err := net.Listen("tcp", address(port))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, errors.New("every port that was tried is taken")
}

// Start starts a server that was stopped, and waits until it serves. After a
// crash of the server its children take a moment to notice, and a new one does
// not start beside them.
func (c *Cluster) Start() (err error) {
	for range 100 {
		if err = c.start(); !errors.Is(err, errEnded) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

var errEnded = errors.New("PostgreSQL ended")

func (c *Cluster) start() error {
	arguments := []string{"-D", c.dir, "-p", strconv.Itoa(c.port), "-k", "", "-h", "127.0.0.1"}
	for _, setting := range c.options {
		arguments = append(arguments, "-c", setting)
	}
	c.process = c.command("postgres", arguments...)
	log, err := os.OpenFile(filepath.Join(filepath.Dir(c.dir), "postgres.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	c.process.Stdout, c.process.Stderr = log, log
	if err := c.process.Start(); err != nil {
		return err
	}
	process, ended := c.process, make(chan struct{})
	c.ended = ended
	go func() {
		_ = process.Wait() // how it ended is in its log
		close(ended)
	}()
	return c.await()
}

func (c *Cluster) await() error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL does not serve: %w\n%s", err, c.Log())
		}
		select {
		case <-c.ended:
			return fmt.Errorf("%w\n%s", errEnded, c.Log())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Log is what the server has said.
func (c *Cluster) Log() string {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(c.dir), "postgres.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// Signal sends the server a signal and waits for its end: SIGTERM waits for
// its clients, SIGINT stops in order, SIGQUIT at once, SIGKILL as a crash does.
func (c *Cluster) Signal(signal syscall.Signal) error {
	if err := c.process.Process.Signal(signal); err != nil {
		return err
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("PostgreSQL does not end")
	}
}

// URL is where a database of the cluster is.
func (c *Cluster) URL(database string) string {
	return fmt.Sprintf("postgres://billfold@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

// Port is the server's port.
func (c *Cluster) Port() int { return c.port }

// Address is where the server listens.
func (c *Cluster) Address() string { return address(c.port) }

// Database makes an empty database, a copy of template unless that is empty,
// and drops it when the test ends.
func (c *Cluster) Database(t testing.TB, template string) (url string) {
	t.Helper()
	name := fmt.Sprintf("t%d", c.serial.Add(1))
	create := "create database " + name
	if template != "" {
		create += " template " + template
	}
	c.Exec(t, "postgres", create)
	t.Cleanup(func() { c.Exec(t, "postgres", "drop database "+name+" with (force)") })
	return c.URL(name)
}

// Exec runs a statement in a database as its owner.
func (c *Cluster) Exec(t testing.TB, database, statement string) {
	t.Helper()
	Exec(t, c.URL(database), statement)
}

// address is a port of this machine.
func address(port int) string {
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
}
