package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spreadsheet writes a file of rows, each of cells that need no quotes.
func spreadsheet(t *testing.T, name string, rows ...string) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), name), strings.Join(rows, "\n")+"\n")
}

// readRows reads a CSV file.
func readRows(t *testing.T, path string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// balances are those of a customer, by currency.
func (s *server) balances(t *testing.T, customer string) map[string]int64 {
	t.Helper()
	var list struct {
		Items []struct {
			Currency string `json:"currency"`
			Balance  int64  `json:"balance"`
		} `json:"items"`
	}
	if _, body := s.do(t, http.MethodGet, "/customers/"+customer+"/wallets", s.testKey, ""); json.Unmarshal([]byte(body), &list) != nil {
		t.Fatalf("wallets: got %s", body)
	}
	found := map[string]int64{}
	for _, wallet := range list.Items {
		found[wallet.Currency] = wallet.Balance
	}
	return found
}

func (s *server) wantBalance(t *testing.T, customer string, want int64) {
	t.Helper()
	if got := s.balances(t, customer)["USD"]; got != want {
		t.Errorf("balance of %s: got %d, want %d", customer, got, want)
	}
}

// Every column, in the form in which spreadsheets write files.
func TestImportCSV(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane, john := s.customer(t, s.testKey), s.customer(t, s.testKey)
	path := write(t, filepath.Join(t.TempDir(), "all.csv"), "\ufeffreason,customer_id,currency,entry_type,amount,category,"+
		"expires_at,metadata,reference_object_id,idempotency_key,allow_partial,if_seq,if_available_at_least\r\n"+
		`"Welcome, ""Jané""",`+jane+`,USD,credit,5000,promotional,2099-01-01T00:00:00Z,"{""plan"": ""pro"",`+"\r\n"+` ""n"": 1}",pay_1,welcome,,,`+"\r\n"+
		`,`+john+`,INR,credit,700,,,,,,,,`+"\r\n\r\n"+
		`<b>&,`+jane+`,USD,debit,9000,,,,,,TRUE,1,5000`)
	want := importDocument{
		File: path, DryRun: true, Lines: 3, Applied: 3,
		Currencies: []importedCurrency{
			{Currency: "INR", Credits: 1, Credited: 700},
			{Currency: "USD", Credits: 1, Credited: 5000, Debits: 1, Debited: 9000},
		},
	}
	got := decode[importDocument](t, run(t, s.environ(), "import", "csv", path, "--dry-run", "-o", "json"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	s.wantBalance(t, jane, 0)
	want.DryRun, want.Currencies[1].Debited = false, 5000
	got = decode[importDocument](t, run(t, s.environ(), "import", "csv", path, "-o", "json"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("import (-want +got):\n%s", diff)
	}
	want.Applied, want.Replayed, want.Currencies = 0, 3, []importedCurrency{}
	got = decode[importDocument](t, run(t, s.environ(), "import", "csv", path, "-o", "json"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	run(t, s.environ(), "import", "csv", path).wantCode(t, exitDone, "0 posted, 3 posted by an earlier run", "Nothing was posted")
	s.wantBalance(t, jane, 0)
	if got := s.balances(t, john)["INR"]; got != 700 {
		t.Errorf("balance in INR: got %d, want 700", got)
	}
	list := run(t, s.environ(), "ledger", "list", jane, "-o", "json").stdout
	for _, text := range []string{`"Welcome, \"Jané\""`, `"<b>&"`, `"promotional"`, `"2099-01-01T00:00:00.000000Z"`, `"plan": "pro"`, `"pay_1"`, `"welcome"`} {
		if !strings.Contains(list, text) {
			t.Errorf("entries: got\n%s\nwant %s in it", list, text)
		}
	}
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone, "3 entries")
}

// One line is wrong in one cell, and none is posted.
func TestImportCSVBadCells(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane := s.customer(t, s.testKey)
	const header = "customer_id,currency,entry_type,amount,idempotency_key,category,expires_at,metadata,reason,allow_partial,if_seq"
	good := jane + ",USD,credit,1,,,,,,,"
	row := func(cells string) string { return strings.Replace(cells, "JANE", jane, 1) }
	for _, bad := range []struct{ row, column, code string }{
		{row(`JANE,USD,credit,"1,000",,,,,,,`), "amount", "AMOUNT_NOT_INTEGER"},
		{row(`JANE,USD,credit,1.0,,,,,,,`), "amount", "AMOUNT_NOT_INTEGER"},
		{row(`JANE,USD,credit,1e3,,,,,,,`), "amount", "AMOUNT_NOT_INTEGER"},
		{row(`JANE,USD,credit, 5,,,,,,,`), "amount", "AMOUNT_NOT_INTEGER"},
		{row(`JANE,USD,credit,$5,,,,,,,`), "amount", "AMOUNT_NOT_INTEGER"},
		{row(`JANE,USD,credit,+5,,,,,,,`), "amount", "AMOUNT_NOT_INTEGER"},
		{row(`JANE,USD,credit,007,,,,,,,`), "amount", "AMOUNT_NOT_INTEGER"},
		{row(`JANE,USD,credit,1 000,,,,,,,`), "amount", "AMOUNT_NOT_INTEGER"},
		{row("JANE,USD,credit,\u0661,,,,,,,"), "amount", "AMOUNT_NOT_INTEGER"},
		{row(`JANE,USD,credit,-5,,,,,,,`), "amount", "AMOUNT_NOT_POSITIVE"},
		{row(`JANE,USD,credit,0,,,,,,,`), "amount", "AMOUNT_NOT_POSITIVE"},
		{row(`JANE,USD,credit,1000000000000,,,,,,,`), "amount", "AMOUNT_TOO_LARGE"},
		{row(`JANE,USD,credit,99999999999999999999,,,,,,,`), "amount", "AMOUNT_TOO_LARGE"},
		{row(`JANE,USD,credit,,,,,,,,`), "amount", "MISSING_FIELD"},
		{row(`,USD,credit,5,,,,,,,`), "customer_id", "MISSING_FIELD"},
		{row(`,,,,,,,,,,`), "amount", "MISSING_FIELD"},
		{row(`cus_1,USD,credit,5,,,,,,,`), "customer_id", "NOT_FOUND"},
		{row(`JANE,usd,credit,5,,,,,,,`), "currency", "UNSUPPORTED_CURRENCY"},
		{row(`JANE,USD,Credit,5,,,,,,,`), "entry_type", "INVALID_ENTRY_TYPE"},
		{row(`JANE,USD,debit,5,,paid,,,,,`), "category", "CATEGORY_ON_DEBIT"},
		{row(`JANE,USD,credit,5,,gift,,,,,`), "category", "INVALID_CATEGORY"},
		{row(`JANE,USD,credit,5,,,31.12.2099,,,,`), "expires_at", "INVALID_EXPIRY"},
		{row(`JANE,USD,debit,5,,,2099-01-01T00:00:00Z,,,,`), "expires_at", "EXPIRY_ON_DEBIT"},
		{row(`JANE,USD,credit,5, ,,,,,,`), "idempotency_key", "INVALID_IDEMPOTENCY_KEY"},
		{row(`JANE,USD,credit,5,,,,plan,,,`), "metadata", "INVALID_METADATA"},
		{row(`JANE,USD,credit,5,,,,"{""a"":1},""amount"":9",,,`), "metadata", "INVALID_METADATA"},
		{row(`JANE,USD,credit,5,,,,"{""a"":1,""a"":2}",,,`), "a", "DUPLICATE_FIELD"},
		{row("JANE,USD,credit,5,,,,,\"a\nb\",,"), "reason", "INVALID_REASON"},
		{row("JANE,USD,credit,5,,,,,a\x00,,"), "", "INVALID_ENCODING"},
		{row("JANE,USD,credit,5,,,,,M\xfcller,,"), "reason", "INVALID_ENCODING"},
		{row(`JANE,USD,credit,5,,,,,,yes,`), "allow_partial", "INVALID_REQUEST_BODY"},
		{row(`JANE,USD,credit,5,,,,,,,1.0`), "if_seq", "INVALID_CONDITION"},
		{row(`JANE,USD,credit,1,000,,,,,,,,`), "", "INVALID_CSV"},
		{row(`JANE,USD,credit`), "", "INVALID_CSV"},
		{row(`JANE,USD,credit,5,,,,,a"b,,`), "", "INVALID_CSV"},
		{row(`JANE,USD,credit,5,,,,,"never closed,,`), "", "INVALID_CSV"},
		{row(`JANE,USD,credit,5,,,,,"` + strings.Repeat("x", 2*rowBytesMax) + `",,`), "", "INVALID_CSV"},
	} {
		path := spreadsheet(t, "bad.csv", header, good, bad.row, good)
		r := run(t, s.environ(), "import", "csv", path).wantCode(t, exitFailed, "line 3", bad.code, "nothing was posted", "bad.rejected.csv")
		if len(r.stderr) > 1000 {
			t.Errorf("got %d bytes of output for %.60s", len(r.stderr), bad.row)
		}
		got := readRows(t, strings.Replace(path, ".csv", ".rejected.csv", 1))[1]
		if diff := cmp.Diff([]string{"3", bad.column, bad.code}, got[:3]); diff != "" {
			t.Errorf("%.60s: (-want +got):\n%s", bad.row, diff)
		}
		if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
			t.Errorf("%.60s: got %v %v, want nothing noted as imported", bad.row, left, err)
		}
	}
	s.wantBalance(t, jane, 0)
}

func TestImportCSVBadHeaders(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	const columns = "customer_id,currency,entry_type,amount"
	for _, bad := range []struct{ text, want string }{
		{"", "is empty; its first line must name the columns"},
		{columns + "\n", "has no lines after its header"},
		{columns + ",colour\n", `column 5, "colour", is not a field`},
		{columns + ",catgory\n", "did you mean category?"},
		{columns + ",Amount\n", "did you mean amount?"},
		{columns + ",amount\n", "the column amount is there twice"},
		{columns + ",\n", `column 5, "", is not a field`},
		{"customer_id,currency,amount\n", "there is no column entry_type"},
		{strings.ReplaceAll(columns, ",", ";") + "\n", "not separated by commas"},
		{"\xff\xfec\x00u\x00", "UTF-16"},
		{`cus"tomer` + "\n", "the header: "},
	} {
		path := write(t, filepath.Join(t.TempDir(), "x.csv"), bad.text)
		run(t, s.environ(), "import", "csv", path).wantCode(t, exitFailed, bad.want)
	}
	run(t, s.environ(), "import", "csv", "/nonexistent.csv").wantCode(t, exitFailed, "there is no file")
	run(t, s.environ(), "import", "csv", t.TempDir()).wantCode(t, exitFailed, "is no file on a disk")
	run(t, s.environ(), "import", "csv").wantCode(t, exitUsage, "FILE is missing")
	run(t, nil, "import", "csv", "/dev/null").wantCode(t, exitUsage, "no API key")
}

// A dry run finds what reading can find, and leaves nothing behind but its report.
func TestImportCSVDryRun(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane := s.customer(t, s.testKey)
	path := spreadsheet(t, "dry.csv", "customer_id,currency,entry_type,amount,expires_at",
		jane+",USD,credit,100,", "cus_nobody_at_all,USD,credit,1,", jane+",EUR,credit,1,",
		jane+",USD,credit,1,2001-01-01T00:00:00Z", "cus_nobody_at_all,USD,credit,2,", jane+",USD,debit,40,")
	run(t, s.environ(), "import", "csv", path, "--dry-run").wantCode(t, exitFailed,
		"6 lines, 4 of them wrong", "line 4, currency: UNSUPPORTED_CURRENCY", "1.00", "0.40")
	var got []string
	for _, row := range readRows(t, strings.Replace(path, ".csv", ".rejected.csv", 1))[1:] {
		got = append(got, strings.Join(row[:3], " "))
	}
	want := []string{"3 customer_id NOT_FOUND", "4 currency UNSUPPORTED_CURRENCY", "5 expires_at INVALID_EXPIRY", "6 customer_id NOT_FOUND"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("got %v %v, want nothing noted as imported", left, err)
	}
	s.wantBalance(t, jane, 0)
	run(t, s.environ(), "ledger", "list", jane).wantCode(t, exitDone, "No entries found.")
}

// Keys that are there twice are found however few are in memory at once.
func TestImportCSVDuplicateKeys(t *testing.T) {
	t.Parallel()
	rows := []string{"customer_id,currency,entry_type,amount,idempotency_key"}
	for _, one := range []string{"janejane a", "johnjohn a", "janejane b", "janejane c", "janejane a", "johnjohn c", "janejane d", "janejane c", "janejane "} {
		customer, key, _ := strings.Cut(one, " ")
		rows = append(rows, "cus_"+customer+",USD,credit,1,"+key)
	}
	for window := int64(1); window < 10; window++ {
		path := spreadsheet(t, "twice.csv", rows...)
		file, err := openCSV(path)
		if err != nil {
			t.Fatal(err)
		}
		i := &importer{file: file, window: window, bar: &progress{}}
		err = errors.Join(i.check(t.Context()), i.report.close(), file.file.Close())
		if err != nil || i.done.Lines != 9 {
			t.Fatalf("check: got %d lines, %v", i.done.Lines, err)
		}
		found := map[string]string{}
		for _, row := range readRows(t, i.report.path)[1:] {
			found[row[0]] = row[2] + " " + row[3]
		}
		want := map[string]string{
			"6": codeDuplicateKey + " line 2 has this key for the same customer",
			"9": codeDuplicateKey + " line 5 has this key for the same customer",
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%d at once (-want +got):\n%s", window, diff)
		}
	}
}

// What the server refuses can be corrected and imported on its own, and neither
// that nor the first file again posts anything twice.
func TestImportCSVRefusals(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane := s.customer(t, s.testKey)
	path := spreadsheet(t, "some.csv", "customer_id,currency,entry_type,amount",
		jane+",USD,credit,100", jane+",USD,debit,500", "cus_nobody_at_all,USD,credit,7", jane+",USD,debit,30")
	run(t, s.environ(), "import", "csv", path).wantCode(t, exitFailed, "2 posted", "2 refused",
		"line 3: INSUFFICIENT_WALLET_FUNDS", "line 4: NOT_FOUND", "some.rejected.csv")
	s.wantBalance(t, jane, 70)
	report := strings.Replace(path, ".csv", ".rejected.csv", 1)
	rows := readRows(t, report)
	if len(rows) != 3 || len(rows[1]) != 8 || !strings.HasPrefix(rows[1][4], "csv_") || rows[1][5] != "3" || rows[2][6] != "NOT_FOUND" {
		t.Fatalf("report: got %q, want the two lines with keys and reasons", rows)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	corrected := strings.NewReplacer(",500,", ",50,", "cus_nobody_at_all", jane).Replace(string(text))
	write(t, report, corrected)
	run(t, s.environ(), "import", "csv", report).wantCode(t, exitDone, "2 posted")
	s.wantBalance(t, jane, 27)
	again := run(t, s.environ(), "import", "csv", path).wantCode(t, exitFailed, "0 posted, 2 posted by an earlier run, 2 refused",
		"IDEMPOTENCY_KEY_REUSED", "some.rejected-2.csv")
	if text, err := os.ReadFile(report); err != nil || string(text) != corrected {
		t.Errorf("the first report: got %s %v, want it as it was corrected", text, err)
	}
	if strings.Count(again.stderr, "NOT_FOUND") != 1 {
		t.Errorf("got %s, want the line of nobody refused again", again.stderr)
	}
	s.wantBalance(t, jane, 27)
}

// A file whose lines got their keys from its content must stay what it was.
func TestImportCSVOfAnEditedFile(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane := s.customer(t, s.testKey)
	const header = "customer_id,currency,entry_type,amount,idempotency_key\n"
	one := header + jane + ",USD,credit,100,\n"
	path := write(t, filepath.Join(t.TempDir(), "edited.csv"), one)
	run(t, s.environ(), "import", "csv", path).wantCode(t, exitDone)
	for _, text := range []string{one + jane + ",USD,credit,7,\n", header + jane + ",USD,credit,100,now_with_a_key\n"} {
		write(t, path, text)
		for _, flags := range [][]string{nil, {"--dry-run"}} {
			run(t, s.environ(), append([]string{"import", "csv", path}, flags...)...).
				wantCode(t, exitFailed, "was imported with other content", "file of another name")
		}
	}
	s.wantBalance(t, jane, 100)
	write(t, path, one)
	run(t, s.environ(), "import", "csv", path).wantCode(t, exitDone, "0 posted, 1 posted by an earlier run")

	// With keys of its own a file may grow, and the live mode is another import.
	keyed := spreadsheet(t, "keyed.csv", strings.TrimSpace(header), jane+",USD,credit,1,a")
	run(t, s.environ(), "import", "csv", keyed).wantCode(t, exitDone, "1 posted")
	write(t, keyed, header+jane+",USD,credit,1,a\n"+jane+",USD,credit,2,b\n")
	run(t, s.environ(), "import", "csv", keyed).wantCode(t, exitDone, "1 posted, 1 posted by an earlier run")
	s.wantBalance(t, jane, 103)
	live := []string{s.environ()[0], "BILLFOLD_API_KEY=" + s.liveKey}
	write(t, path, one+jane+",USD,credit,7,\n")
	run(t, live, "import", "csv", path).wantCode(t, exitFailed, "line 2: NOT_FOUND", "2 refused")
}

// goBetween passes requests on to a server and does something about bulks.
type goBetween struct {
	*httptest.Server
	bulks atomic.Int64
}

// aboutBulk does something about the nth bulk; pass has the server answer it.
type aboutBulk func(n int64, w http.ResponseWriter, pass func() *httptest.ResponseRecorder)

func newGoBetween(t *testing.T, to string, bulk aboutBulk) *goBetween {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{}
	proxy.Transport = transport
	g := &goBetween{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/bulk") {
			proxy.ServeHTTP(w, r)
			return
		}
		bulk(g.bulks.Add(1), w, func() *httptest.ResponseRecorder {
			answer := httptest.NewRecorder()
			proxy.ServeHTTP(answer, r)
			return answer
		})
	}))
	t.Cleanup(func() {
		g.Close()
		transport.CloseIdleConnections()
	})
	return g
}

func (g *goBetween) environ(s *server) []string {
	return []string{"BILLFOLD_BASE_URL=" + g.URL, "BILLFOLD_API_KEY=" + s.testKey}
}

// cut ends a connection without an answer.
func cut() { panic(http.ErrAbortHandler) }

// longFile is a file of several bulks, of credits of 3 to one customer.
func longFile(t *testing.T, customer string) (path string, sum int64) {
	t.Helper()
	rows := []string{"customer_id,currency,entry_type,amount"}
	for range 2*bulkLines + 500 {
		rows = append(rows, customer+",USD,credit,3")
	}
	return spreadsheet(t, "long.csv", rows...), 3 * (2*bulkLines + 500)
}

// Each answer is lost once after the lines were posted: they are sent again and
// posted once.
func TestImportCSVOverABadLine(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane := s.customer(t, s.testKey)
	path, sum := longFile(t, jane)
	between := newGoBetween(t, s.base, func(n int64, w http.ResponseWriter, pass func() *httptest.ResponseRecorder) {
		answer := pass()
		if n%2 == 1 {
			cut()
		}
		w.WriteHeader(answer.Code)
		_, _ = io.Copy(w, answer.Body) // the client may be gone
	})
	run(t, between.environ(s), "import", "csv", path).wantCode(t, exitDone, "0 posted, 2500 posted by an earlier run")
	s.wantBalance(t, jane, sum)
}

// The importer is killed with the second bulk posted and not answered.
func TestImportCSVKilled(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane := s.customer(t, s.testKey)
	path, sum := longFile(t, jane)
	importing := command(t, "import", "csv", path)
	var started sync.WaitGroup
	started.Add(1)
	between := newGoBetween(t, s.base, func(n int64, w http.ResponseWriter, pass func() *httptest.ResponseRecorder) {
		started.Wait()
		answer := pass()
		if n == 2 {
			_ = importing.Process.Kill() // it waits for this answer
			cut()
		}
		w.WriteHeader(answer.Code)
		_, _ = io.Copy(w, answer.Body) // the client may be gone
	})
	importing.Env = append(importing.Env, between.environ(s)...)
	start(t, importing)
	started.Done()
	if err := importing.Wait(); err == nil || importing.ProcessState.ExitCode() != -1 {
		t.Fatalf("the importer ended with %v, want it killed", err)
	}
	s.wantBalance(t, jane, 3*2*bulkLines)
	run(t, s.environ(), "import", "csv", path).wantCode(t, exitDone, "500 posted, 2000 posted by an earlier run")
	s.wantBalance(t, jane, sum)
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone, "2500 entries")
}

// Somebody saves the file while it is imported.
func TestImportCSVOfAFileThatIsWritten(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane := s.customer(t, s.testKey)
	path, _ := longFile(t, jane)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	between := newGoBetween(t, s.base, func(_ int64, w http.ResponseWriter, pass func() *httptest.ResponseRecorder) {
		answer := pass()
		if err := os.WriteFile(path, append(text, "x"...), 0o600); err != nil {
			t.Error(err)
		}
		w.WriteHeader(answer.Code)
		_, _ = io.Copy(w, answer.Body) // the client may be gone
	})
	run(t, between.environ(s), "import", "csv", path).wantCode(t, exitFailed, "was changed while it was imported",
		"1000 entries posted and 0 entries posted before", "run the same command again")
	s.wantBalance(t, jane, 3*bulkLines)
}

// A line that the server could not serve makes its bulk go again as a whole; a
// bulk that it never serves ends the import, which says how to go on.
func TestImportCSVOfAServerInTrouble(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	jane := s.customer(t, s.testKey)
	path := spreadsheet(t, "two.csv", "customer_id,currency,entry_type,amount", jane+",USD,credit,5", jane+",USD,debit,5")
	const trouble = `{"results":[{"index":0,"status":"refused","error":{"code":"STORAGE_UNAVAILABLE","message":"m","retryable":true}},` +
		`{"index":1,"status":"refused","error":{"code":"INSUFFICIENT_WALLET_FUNDS","message":"m","retryable":false}}]}`
	between := newGoBetween(t, s.base, func(n int64, w http.ResponseWriter, pass func() *httptest.ResponseRecorder) {
		if n == 1 {
			_, _ = io.WriteString(w, trouble) // the client may be gone
			return
		}
		_, _ = io.Copy(w, pass().Body) // the client may be gone
	})
	run(t, between.environ(s), "import", "csv", path).wantCode(t, exitDone, "2 posted")

	for _, answer := range []struct {
		text string
		code int
		want string
	}{
		{trouble, exitUnreachable, "STORAGE_UNAVAILABLE"},
		{`{"results":[]}`, exitFailed, "0 results for 2 lines"},
		{`{"results":[{"index":1,"status":"applied"},{"index":0,"status":"applied"}]}`, exitFailed, "did not answer as Billfold does"},
		{`{"results":[{"index":0,"status":"refused"},{"index":1,"status":"applied"}]}`, exitFailed, "did not answer as Billfold does"},
	} {
		broken := newGoBetween(t, s.base, func(_ int64, w http.ResponseWriter, _ func() *httptest.ResponseRecorder) {
			_, _ = io.WriteString(w, answer.text) // the client may be gone
		})
		file, err := openCSV(path)
		if err != nil {
			t.Fatal(err)
		}
		client := newAPIClient(Config{BaseURL: broken.URL, APIKey: s.testKey})
		i := &importer{client: client, file: file, window: 9, bar: &progress{}}
		if err := i.check(t.Context()); err != nil {
			t.Fatal(err)
		}
		err = i.stopped(i.post(t.Context()))
		client.http.CloseIdleConnections()
		var coded *exitError
		if !errors.As(err, &coded) || coded.code != answer.code || !strings.Contains(err.Error(), answer.want) ||
			!strings.Contains(err.Error(), "lines 2 to 3") || !strings.Contains(err.Error(), "run the same command again") {
			t.Errorf("%s: got %v, want %q with exit code %d", answer.text, err, answer.want, answer.code)
		}
		if err := errors.Join(i.report.close(), file.file.Close()); err != nil {
			t.Error(err)
		}
	}
	if entries := fmt.Sprint(s.balances(t, jane)); entries != "map[INR:0 USD:0]" {
		t.Errorf("balances: got %s, want nothing more", entries)
	}
}
