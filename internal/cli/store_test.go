package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// Verbs that read the embedded database must not look at it in silence when the
// installation is on PostgreSQL.
func TestEmbeddedOnlyVerbsRefuseADatabaseURL(t *testing.T) {
	t.Parallel()
	environ := []string{"BILLFOLD_DATABASE_URL=postgres://127.0.0.1:1/none"}
	for _, args := range [][]string{{"backup", "x.db"}, {"restore", "x.db"}, {"doctor"}, {"migrate", "status"}} {
		var out, errs bytes.Buffer
		code := Run(context.Background(), args, environ, strings.NewReader(""), &out, &errs)
		if code != exitFailed || !strings.Contains(errs.String(), "works on the embedded database") {
			t.Errorf("%v: got exit code %d and %q, want it refused", args, code, errs.String())
		}
	}
}

// A database that is not there, or an address that is none, is an error that
// says so and shows no password.
func TestServeWithoutItsDatabase(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ url, want string }{
		{"postgres://user:hunter2@127.0.0.1:1/none", "PostgreSQL at 127.0.0.1:1/none"},
		{"postgres://user:hunter2@[::1", "database-url: it is not a connection string"},
	} {
		var out, errs bytes.Buffer
		args := []string{"serve", "--addr", "127.0.0.1:0", "--data-dir", t.TempDir()}
		code := Run(context.Background(), args, []string{"BILLFOLD_DATABASE_URL=" + test.url}, strings.NewReader(""), &out, &errs)
		said := errs.String()
		if code != exitFailed || !strings.Contains(said, test.want) || strings.Contains(said, "hunter2") {
			t.Errorf("%s: got exit code %d and %q, want %q and no password", test.url, code, said, test.want)
		}
	}
}
