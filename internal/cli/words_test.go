package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCounted(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 entries", 1: "1 entry", 2: "2 entries", 4269: "4269 entries"} {
		if got := counted(n, "entry", "entries"); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestByteCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 1150976: "1 MiB", 1 << 20 * 3 / 2: "1.5 MiB",
		400 << 20: "400 MiB", 1<<30 - 1: "1023.9 MiB", 78104 << 20: "76.2 GiB", 1<<63 - 1: "8589934591.9 GiB",
	} {
		if got := byteCount(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

// TestWhatIsWrongIsSaid holds the messages of a command line that was mistyped
// before any server or directory is looked for.
func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		`--limit: "x" is not a whole number`:              {"customers", "list", "--limit", "x"},
		`--limit: -1 is below 0`:                          {"customers", "list", "--limit", "-1"},
		`--limit: -2 is below 0`:                          {"ledger", "list", "cus_x", "--limit", "-2"},
		`--output: "xml" is not one of table, json, csv`:  {"keys", "list", "-o", "xml"},
		`--seed: "-1" is not a whole number from 0 on`:    {"seed", "--demo", "--seed", "-1"},
		`--duration: "3" is not a duration`:               {"bench", "--duration", "3"},
		`unknown flag --outptu; did you mean --output?`:   {"keys", "list", "--outptu", "json"},
		`--api-key is no flag`:                            {"customers", "list", "--api-key", "bf_test_x"},
		`unexpected argument "now"`:                       {"serve", "now"},
		`unexpected argument "b"`:                         {"verify", "a", "b"},
		`CUSTOMER is missing`:                             {"ledger", "credit"},
		`unexpected argument "6"`:                         {"ledger", "credit", "cus_x", "USD", "5", "6"},
		`--email and --name are missing`:                  {"customers", "create"},
		`unknown command "serv" for "billfold"; did you`:  {"help", "serv"},
		`unknown command "lst" for "billfold keys"; did`:  {"keys", "lst"},
		"this is a key itself; name it by its id, key_…,": {"keys", "revoke", "bf_test_x", "--data-dir", "/nonexistent"},
	} {
		if strings.HasPrefix(want, "this is a key") {
			// The directory is looked for first, so it needs one.
			dir, _ := quiet(t)
			args[len(args)-1] = dir
		}
		r := run(t, []string{"BILLFOLD_API_KEY=x", "BILLFOLD_BASE_URL=http://127.0.0.1:1"}, args...)
		r.wantCode(t, exitUsage, want)
		if strings.Contains(r.stderr, "strconv") {
			t.Errorf("%v: got %q, which speaks of the program's inside", args, r.stderr)
		}
	}
	if got, want := run(t, nil, "--version").stdout, run(t, nil, "version").stdout; got != want {
		t.Errorf("--version: got %q, want %q", got, want)
	}
	run(t, nil, "help", "ledger", "credit").wantCode(t, exitDone, "CUSTOMER CURRENCY [MINOR_UNITS]")
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	cli := func(args ...string) result { return run(t, s.environ(), args...) }
	for _, args := range [][]string{
		{"customers", "show"}, {"customers", "update", "--name", "x"}, {"wallets", "list"}, {"ledger", "list"},
		{"ledger", "credit", "--amount", "1.00", "cus_none", "USD"},
	} {
		if args[1] != "credit" {
			args = append(args, "cus_none")
		}
		cli(args...).wantCode(t, exitFailed, "NOT_FOUND: there is no customer cus_none", "customers list")
	}
	cli("keys", "revoke", "key_none", "--data-dir", s.dir).wantCode(t, exitFailed, "no key key_none", "keys list")
	cli("keys", "list", "--business", "bus_none", "--data-dir", s.dir).wantCode(t, exitFailed, "no business bus_none")
	cli("keys", "create", "--business", "bus_none", "--data-dir", s.dir).wantCode(t, exitFailed, "no business bus_none")
	s.testKey = "bf_test_wrong"
	cli("customers", "list").wantCode(t, exitFailed, "UNAUTHORIZED", "BILLFOLD_API_KEY", "keys list")
}

func TestAListSaysThatThereIsMore(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	s.customer(t, s.testKey)
	run(t, s.environ(), "customers", "create", "--email", "a@example.com", "--name", "A").wantCode(t, exitDone)
	const more = "--limit 0 lists all"
	run(t, s.environ(), "customers", "list", "--limit", "1").wantCode(t, exitDone, more)
	for _, args := range [][]string{{"--limit", "2"}, {"--limit", "0"}, {"--limit", "1", "-o", "json"}, {"--limit", "1", "-o", "csv"}} {
		if r := run(t, s.environ(), append([]string{"customers", "list"}, args...)...); strings.Contains(r.stderr, more) {
			t.Errorf("%v: got %q, want no note", args, r.stderr)
		}
	}
}

func TestALostSecretKeyIsSaid(t *testing.T) {
	t.Parallel()
	dir, _ := quiet(t)
	path := filepath.Join(dir, secretKeyName)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "doctor", "--data-dir", dir).wantCode(t, exitDone, "WARN", "put it back")
	s := startServer(t, dir, nil)
	if log := s.stderr.String(); !strings.Contains(log, "made the secret key") || !strings.Contains(log, path) {
		t.Errorf("log: got %s, want a word about the new key", log)
	}
}
