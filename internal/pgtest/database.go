package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database makes an empty database on the server that a URL leads to, with the
// rights that the URL has there, and drops it when the test ends.
func Database(t testing.TB, server string) (database string) {
	t.Helper()
	address, err := url.Parse(server)
	if err != nil || address.Host == "" {
		t.Fatal("the address of the server for tests must be a URL such as postgres://user:password@host/database")
	}
	name := "billfold_test_" + strings.ToLower(rand.Text()[:16])
	Exec(t, server, "create database "+name)
	t.Cleanup(func() { Exec(t, server, "drop database "+name+" with (force)") })
	address.Path = "/" + name
	return address.String()
}

// Exec runs a statement on a connection of its own.
func Exec(t testing.TB, url, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		_, err = conn.Exec(ctx, statement)
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", statement, err))
	}
}
