package failover

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/pgtest"
)

// awaitMax bounds every wait for Patroni.
const awaitMax = 2 * time.Minute

// highly is two PostgreSQL servers under Patroni, and the etcd in which the two
// agree which of them leads.
type highly struct {
	t     *testing.T
	dir   string
	owner *syscall.Credential
	nodes [2]*node
}

// node is one server and the Patroni that looks after it.
type node struct {
	name       string
	dir        string
	data       string
	postgres   string // address
	rest       string // address
	superuser  string // URL
	patroni    *exec.Cmd
	patroniEnd chan struct{}
}

// settings are those of the cluster, the same as in docs/high-availability.md.
var settings = map[string]any{
	"ttl": 20, "loop_wait": 1, "retry_timeout": 3, "maximum_lag_on_failover": 1 << 20, "synchronous_mode": true,
	"postgresql": map[string]any{
		"use_pg_rewind": true,
		"parameters":    map[string]any{"max_connections": 100, "wal_keep_size": "256MB"},
	},
}

func newHighly(t *testing.T) *highly {
	t.Helper()
	h := &highly{t: t, dir: pgtest.Dir(t)}
	owner, err := pgtest.Unprivileged(filepath.Join(h.dir, "etcd"))
	if err != nil {
		t.Fatal(err)
	}
	h.owner = owner
	for i, name := range []string{"one", "two"} {
		n := &node{name: name, dir: filepath.Join(h.dir, name), postgres: harness.FreeAddr(t), rest: harness.FreeAddr(t)}
		n.data = filepath.Join(n.dir, "data")
		n.superuser = fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", n.postgres)
		if _, err := pgtest.Unprivileged(n.dir); err != nil {
			t.Fatal(err)
		}
		h.nodes[i] = n
	}
	h.guard()
	etcd := h.startEtcd()
	for _, n := range h.nodes {
		h.configure(n, etcd)
		h.startPatroni(n)
	}
	h.await("a leader and its synchronous standby", func(s state) bool { return s.leader != nil && s.synchronous != nil })
	return h
}

// guard starts a process that outlives the test, whatever becomes of that, and
// then ends the servers: Patroni lets go of them, so they do not die with it.
func (h *highly) guard() {
	const script = `
	  cat >/dev/null
	  for file in "$1"/*/data/postmaster.pid; do
	    read -r pid <"$file" || continue
	    pkill -KILL -P "$pid"
	    kill -KILL "$pid"
	  done`
	command := exec.Command("sh", "-c", script, "sh", h.dir)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: h.owner, Setsid: true}
	alive, err := command.StdinPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		for _, n := range h.nodes {
			h.killPatroni(n)
		}
		_ = alive.Close()
		_ = command.Wait() // a server that the test has ended is no failure
		if h.t.Failed() {
			h.t.Log(h.logs())
		}
	})
}

// start starts a program that dies with the test.
func (h *highly) start(dir, name string, arguments ...string) (*exec.Cmd, chan struct{}) {
	h.t.Helper()
	file := filepath.Join(h.dir, name+"-"+filepath.Base(dir)+".log")
	log, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	command := exec.Command(name, arguments...)
	command.Dir = dir
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8"}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Credential: h.owner, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		h.t.Fatalf("%v; run scripts/test-deps.sh", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // how it ended is in its log
		close(ended)
	}()
	return command, ended
}

func (h *highly) startEtcd() (addr string) {
	dir, addr, peer := filepath.Join(h.dir, "etcd"), harness.FreeAddr(h.t), harness.FreeAddr(h.t)
	etcd, ended := h.start(dir, "etcd", "--name=etcd", "--data-dir="+filepath.Join(dir, "data"), "--logger=zap",
		"--listen-client-urls=http://"+addr, "--advertise-client-urls=http://"+addr,
		"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer, "--initial-cluster=etcd=http://"+peer)
	h.t.Cleanup(func() {
		_ = etcd.Process.Kill()
		<-ended
	})
	return addr
}

// configure writes the file of a node's Patroni: YAML, of which JSON is a part.
func (h *highly) configure(n *node, etcd string) {
	h.t.Helper()
	bin, err := pgtest.Bin()
	if err != nil {
		h.t.Fatal(err)
	}
	type m = map[string]any
	config := m{
		"scope": "billfold", "name": n.name,
		"restapi": m{"listen": n.rest, "connect_address": n.rest},
		"etcd3":   m{"hosts": etcd},
		"bootstrap": m{
			"dcs":    settings,
			"initdb": []any{m{"encoding": "UTF8"}, m{"locale": "C.UTF-8"}, "data-checksums"},
		},
		"postgresql": m{
			"listen": n.postgres, "connect_address": n.postgres, "data_dir": n.data, "bin_dir": bin,
			"pgpass": filepath.Join(n.dir, "pgpass"),
			"authentication": m{
				"superuser":   m{"username": "postgres", "password": "secret"},
				"replication": m{"username": "replicator", "password": "secret"},
			},
			"parameters": m{"unix_socket_directories": n.dir},
			"pg_hba": []string{"local all all trust", "host all all 127.0.0.1/32 trust",
				"host replication replicator 127.0.0.1/32 trust"},
			"remove_data_directory_on_rewind_failure":     true,
			"remove_data_directory_on_diverged_timelines": true,
		},
		"watchdog": m{"mode": "off"}, // there is none in this place
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(n.dir, "patroni.yml"), text, 0o644)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *highly) startPatroni(n *node) {
	h.t.Helper()
	n.patroni, n.patroniEnd = h.start(n.dir, "patroni", filepath.Join(n.dir, "patroni.yml"))
}

func (h *highly) killPatroni(n *node) {
	if n.patroni != nil {
		_ = n.patroni.Process.Kill() // it may have ended
		<-n.patroniEnd
	}
}

// killPostgres ends a server as a crash does.
func (h *highly) killPostgres(n *node) {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.data, "postmaster.pid"))
	if err != nil {
		h.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// other is the node that n is not.
func (h *highly) other(n *node) *node {
	if n == h.nodes[0] {
		return h.nodes[1]
	}
	return h.nodes[0]
}

// state is what a Patroni says of the cluster.
type state struct {
	leader      *node // that runs
	synchronous *node // its standby that every commit waits for, streaming
	members     int   // that run
}

// state asks whoever answers; a frozen Patroni does not.
func (h *highly) state() (s state) {
	for _, n := range h.nodes {
		var answer struct {
			Members []struct {
				Name, Role, State string
			}
		}
		if err := h.ask(n, http.MethodGet, "/cluster", nil, &answer); err != nil {
			continue
		}
		for _, member := range answer.Members {
			if member.State != "running" && member.State != "streaming" {
				continue
			}
			s.members++
			for _, n := range h.nodes {
				switch {
				case member.Name != n.name:
				case member.Role == "leader":
					s.leader = n
				case member.Role == "sync_standby":
					s.synchronous = n
				}
			}
		}
		return s
	}
	return s
}

func (h *highly) ask(n *node, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	if method == http.MethodGet {
		ctx, cancel = context.WithTimeout(h.t.Context(), time.Second)
		defer cancel()
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+n.rest+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: got %s: %s", method, path, response.Status, said)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(said, answer)
}

// await waits until the cluster is in a state.
func (h *highly) await(what string, is func(state) bool) state {
	h.t.Helper()
	for deadline := time.Now().Add(awaitMax); ; time.Sleep(50 * time.Millisecond) {
		s := h.state()
		if is(s) {
			return s
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("got no %s in %s", what, awaitMax)
		}
	}
}

// whole waits until one leads and the other follows it synchronously, and
// returns the leader.
func (h *highly) whole() *node {
	h.t.Helper()
	s := h.await("leader with a synchronous standby", func(s state) bool {
		return s.leader != nil && s.synchronous != nil && s.leader != s.synchronous
	})
	return s.leader
}

// switchover asks Patroni to let the other node lead.
func (h *highly) switchover(leader *node) {
	h.t.Helper()
	body := map[string]string{"leader": leader.name, "candidate": h.other(leader).name}
	if err := h.ask(leader, http.MethodPost, "/switchover", body, nil); err != nil {
		h.t.Fatal(err)
	}
}

// set changes settings of the cluster, as patronictl edit-config does.
func (h *highly) set(changed map[string]any) {
	h.t.Helper()
	if err := h.ask(h.whole(), http.MethodPatch, "/config", changed, nil); err != nil {
		h.t.Fatal(err)
	}
}

// query runs a statement on one server and returns its one value as a text.
func (h *highly) query(n *node, statement string) (string, error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, n.superuser)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var value string
	err = conn.QueryRow(ctx, statement).Scan(&value)
	return value, err
}

func (h *highly) mustQuery(n *node, statement string) string {
	h.t.Helper()
	value, err := h.query(n, statement)
	if err != nil {
		h.t.Fatalf("%s on %s: %v", statement, n.name, err)
	}
	return value
}

// logs is the end of what every program has said.
func (h *highly) logs() string {
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join(h.dir, "*.log"))
	if err != nil {
		return err.Error()
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&all, "---- %s\n%s\n", filepath.Base(file), text[max(0, len(text)-8000):])
	}
	return all.String()
}
