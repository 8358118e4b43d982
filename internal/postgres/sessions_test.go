package postgres_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
)

// What somebody has set for the database, or for the role, changes nothing in
// what is stored and read, also where statements may not be prepared.
func TestSettingsOfTheDatabase(t *testing.T) { onOwnServers(t, settingsOfTheDatabase) }

func settingsOfTheDatabase(t *testing.T, s server) {
	plain := s.database
	for _, mode := range []string{"cache_statement", "exec"} {
		s.database = func(t testing.TB) string {
			address, err := url.Parse(plain(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, setting := range []string{
				"client_encoding = 'LATIN1'", "datestyle = 'SQL, DMY'", "bytea_output = 'escape'", "timezone = 'America/St_Johns'",
				"lock_timeout = '1ms'", "statement_timeout = '1s'", "synchronous_commit = off",
				"default_transaction_isolation = 'serializable'",
			} {
				pgtest.Exec(t, address.String(), "alter database "+strings.TrimPrefix(address.Path, "/")+" set "+setting)
			}
			query := address.Query()
			query.Set("default_query_exec_mode", mode)
			address.RawQuery = query.Encode()
			return address.String()
		}
		i := newInstallation(t, s, 2)
		customer := i.newCustomer("cus_1")
		customer.Name = "Grüße 漢"
		if _, err := i.instances[0].CreateCustomer(t.Context(), customer, nil); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		got, err := i.instances[1].Customer(t.Context(), i.tenant, "cus_1")
		if err != nil || got.Name != customer.Name || !got.CreatedAt.Equal(customer.CreatedAt) {
			t.Errorf("%s: got customer %+v, %v; want %+v", mode, got, err, customer)
		}
		request := ledger.PostRequest{
			CustomerID: "cus_1", Direction: ledger.Credit, Amount: 5, Reason: "漢", IdempotencyKey: "é",
		}
		first, err := i.post(t.Context(), 0, request)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		again, err := i.post(t.Context(), 1, request)
		if err != nil || !again.Replayed || again.Entry.Hash != first.Entry.Hash {
			t.Errorf("%s: got %+v, %v for a repeat; want the first entry", mode, again, err)
		}
		request.IdempotencyKey, request.Direction = "è", ledger.Debit
		if _, err := i.post(t.Context(), 1, request); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		// Verify reads directly: it prepares its statements.
		i.url = strings.Replace(i.url, "=exec", "=cache_statement", 1)
		if report := i.verify(); report.Entries != 2 {
			t.Errorf("%s: got %d entries, want 2", mode, report.Entries)
		}
	}
}

// A database that could not keep every text is refused.
func TestOtherEncodings(t *testing.T) { onOwnServers(t, otherEncodings) }

func otherEncodings(t *testing.T, s server) {
	address, err := url.Parse(s.database(t))
	if err != nil {
		t.Fatal(err)
	}
	server := address.String()
	for _, encoding := range []string{"LATIN1", "EUC_JP", "SQL_ASCII"} {
		name := strings.TrimPrefix(address.Path, "/") + strings.ToLower(encoding)
		pgtest.Exec(t, server, "create database "+name+" encoding '"+encoding+"' locale 'C' template template0")
		t.Cleanup(func() { pgtest.Exec(t, server, "drop database "+name) })
		other := *address
		other.Path = "/" + name
		_, err := postgres.Open(t.Context(), s.at(other.String()))
		if err == nil || !strings.Contains(err.Error(), "encoded in "+encoding) {
			t.Errorf("a database in %s: got %v, want it refused", encoding, err)
		}
	}
}
