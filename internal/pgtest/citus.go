package pgtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Citus is a coordinator and its workers, which somebody else has started; see
// scripts/citus-dev.sh. Its databases are distributed.
type Citus struct {
	coordinator *url.URL
	workers     []*url.URL
	template    string
	serial      atomic.Int64
}

// NewCitus prepares a cluster for tests: distribute is called once, with the
// database that those of the tests are copies of. End gives it back.
func NewCitus(
	ctx context.Context, coordinator string, distribute func(ctx context.Context, url string) error,
) (*Citus, error) {
	parsed, err := url.Parse(coordinator)
	if err != nil {
		return nil, fmt.Errorf("the address of the coordinator: %w", err)
	}
	c := &Citus{coordinator: parsed, template: fmt.Sprintf("template_%d", time.Now().UnixNano())}
	if err := c.findWorkers(ctx); err != nil {
		return nil, err
	}
	if err := c.create(ctx, c.template); err != nil {
		return nil, err
	}
	if err := distribute(ctx, at(parsed, c.template)); err != nil {
		return nil, err
	}
	for _, node := range c.nodes() {
		if err := c.exec(ctx, node, "", "alter database "+c.template+" allow_connections false"); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// create makes a database on every node, with everything but tables.
func (c *Citus) create(ctx context.Context, name string) error {
	for _, node := range c.nodes() {
		if err := c.exec(ctx, node, "", "create database "+name); err != nil {
			return err
		}
		if err := c.exec(ctx, node, name, "create extension citus"); err != nil {
			return err
		}
	}
	add := fmt.Sprintf("select citus_set_coordinator_host('%s', %s)", c.coordinator.Hostname(), c.coordinator.Port())
	for _, worker := range c.workers {
		add += fmt.Sprintf("; select citus_add_node('%s', %s)", worker.Hostname(), worker.Port())
	}
	return c.exec(ctx, c.coordinator, name, add)
}

func (c *Citus) nodes() []*url.URL { return append([]*url.URL{c.coordinator}, c.workers...) }

// at is the address of a database of a node, "" for the one that it came with.
func at(node *url.URL, database string) string {
	if database == "" {
		return node.String()
	}
	other := *node
	other.Path = "/" + database
	return other.String()
}

func (c *Citus) findWorkers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.coordinator.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `select nodename, nodeport from pg_dist_node where groupid <> 0 order by nodeid`)
	if err != nil {
		return err
	}
	var host string
	var port int
	_, err = pgx.ForEachRow(rows, []any{&host, &port}, func() error {
		worker := *c.coordinator
		worker.Host = net.JoinHostPort(host, strconv.Itoa(port))
		c.workers = append(c.workers, &worker)
		return nil
	})
	return err
}

// OnWorkers is where the parts of a database are.
func (c *Citus) OnWorkers(database string) (urls []string) {
	for _, worker := range c.workers {
		urls = append(urls, strings.Replace(database, c.coordinator.Host, worker.Host, 1))
	}
	return urls
}

// exec runs statements in a database of a node.
func (c *Citus) exec(ctx context.Context, node *url.URL, database, statements string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, at(node, database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("%s: %s: %w", node.Host, statements, err)
	}
	return nil
}

// Database makes a distributed database without rows, and drops it when the
// test ends.
func (c *Citus) Database(t testing.TB) (url string) {
	t.Helper()
	return c.named(t, func(name string) error {
		for _, node := range c.nodes() {
			if err := c.copy(t.Context(), node, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Plain makes a database that is yet to be distributed.
func (c *Citus) Plain(t testing.TB) (url string) {
	t.Helper()
	return c.named(t, func(name string) error { return c.create(t.Context(), name) })
}

// Owned is Plain by a role that owns the database and may do nothing else, as
// an installation should have it. It is gone when the test ends, too.
func (c *Citus) Owned(t testing.TB) (address string) {
	t.Helper()
	role := fmt.Sprintf("owner_%d", time.Now().UnixNano())
	// Each node gets it by a connection of its own; Citus would make it
	// everywhere, but only from a database that it is in.
	all := func(statements string) {
		for _, node := range c.nodes() {
			if err := c.exec(context.Background(), node, "", "set citus.enable_ddl_propagation = off; "+statements); err != nil {
				t.Fatal(err)
			}
		}
	}
	all("create role " + role + " login")
	t.Cleanup(func() { all("drop role " + role) }) // after its database
	owned := c.Plain(t)
	all("alter database " + pathOf(owned) + " owner to " + role)
	return strings.Replace(owned, c.coordinator.User.Username()+"@", role+"@", 1)
}

func pathOf(database string) string {
	parsed, err := url.Parse(database)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(parsed.Path, "/")
}

func (c *Citus) named(t testing.TB, create func(name string) error) (url string) {
	t.Helper()
	name := fmt.Sprintf("%s_%d", c.template, c.serial.Add(1))
	t.Cleanup(func() {
		if err := c.drop(name); err != nil {
			t.Error(err)
		}
	})
	if err := create(name); err != nil {
		t.Fatal(err)
	}
	return at(c.coordinator, name)
}

// copy makes a database of a node from the template. A daemon of Citus may be
// connected to it, and nobody may be to what is copied.
func (c *Citus) copy(ctx context.Context, node *url.URL, name string) (err error) {
	leave := "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '" + c.template + "'"
	for range 10 {
		if err = c.exec(ctx, node, "", leave); err != nil {
			return err
		}
		if err = c.exec(ctx, node, "", "create database "+name+" template "+c.template); err == nil {
			return nil
		}
	}
	return err
}

// drop removes a database from every node. A transaction that a test left
// prepared on a worker would hold it.
func (c *Citus) drop(name string) error {
	for _, node := range c.nodes() {
		if err := c.exec(context.Background(), node, "", "drop database if exists "+name+" with (force)"); err != nil {
			return err
		}
	}
	return nil
}

// End removes what NewCitus made.
func (c *Citus) End() error { return c.drop(c.template) }
