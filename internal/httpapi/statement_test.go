package httpapi_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/statement"
)

func statementPath(customer, currency, from, to string) string {
	return walletPath(customer, currency) + "/statement?from=" + from + "&to=" + to
}

// shownRows is a statement in CSV with one line a row, without the ids and the
// names of the columns.
func shownRows(t *testing.T, got reply) (rows []string) {
	t.Helper()
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("got status %d and type %q with %s, want a CSV file", got.status, got.header.Get("Content-Type"), got.body)
	}
	records, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
	if err != nil {
		t.Fatalf("read %q: got error %v, want none", got.body, err)
	}
	for _, record := range records[1:] {
		record[2] = ""
		rows = append(rows, strings.Join(record, "|"))
	}
	return rows
}

func TestStatement(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.threeDays()
	get := func(currency, from, to string) reply {
		t.Helper()
		return h.send(request{method: "GET", path: statementPath(customer, currency, from, to)})
	}
	opening := "2026-03-01T00:00:00.000000Z|||Opening balance||||||0.00|USD"
	want := []string{
		opening,
		"2026-03-01T12:00:00.000000Z|1||Top-up|merchant_adjustment|merchant||10.00||10.00|USD",
		"2026-03-01T12:00:00.000000Z|2|||merchant_adjustment|promotion||4.00||14.00|USD",
		"2026-03-01T23:59:59.999999Z|3||The last of the day|merchant_adjustment|merchant|||1.50|12.50|USD",
		"2026-03-02T00:00:00.000000Z|||Closing balance||||||12.50|USD",
	}
	first := get("USD", "2026-03-01", "2026-03-02")
	if diff := cmp.Diff(want, shownRows(t, first)); diff != "" {
		t.Errorf("the first day (-want +got):\n%s", diff)
	}
	name := `attachment; filename="statement_` + customer + `_USD_2026-03-01_2026-03-02.csv"`
	if got := first.header.Get("Content-Disposition"); got != name {
		t.Errorf("got name %q, want %q", got, name)
	}
	if explicit := h.send(request{
		method: "GET", path: statementPath(customer, "USD", "2026-03-01", "2026-03-02") + "&format=csv",
	}); explicit.body != first.body {
		t.Errorf("with format=csv: got %q, want %q", explicit.body, first.body)
	}
	want = []string{
		"2026-03-02T00:00:00.000000Z|||Opening balance||||||12.50|USD",
		"2026-03-02T00:00:00.000000Z|4||The first of the day|merchant_adjustment|merchant||0.30||12.80|USD",
		"2026-03-02T11:00:00.000000Z|5||Expired|merchant_adjustment|breakage|||2.50|10.30|USD",
		"2026-03-05T00:00:00.000000Z|6|||merchant_adjustment|merchant|||0.80|9.50|USD",
		"2026-03-05T00:00:00.000000Z|||Balance so far||||||9.50|USD", // the fifth has only begun
	}
	if diff := cmp.Diff(want, shownRows(t, get("USD", "2026-03-02", "2026-03-06"))); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
	want = []string{
		"2026-03-03T00:00:00.000000Z|||Opening balance||||||10.30|USD",
		"2026-03-04T00:00:00.000000Z|||Closing balance||||||10.30|USD",
	}
	if diff := cmp.Diff(want, shownRows(t, get("USD", "2026-03-03", "2026-03-04"))); diff != "" {
		t.Errorf("a day without entries (-want +got):\n%s", diff)
	}
	want = []string{
		"2026-03-01T00:00:00.000000Z|||Opening balance||||||0|JPY", "2026-03-02T00:00:00.000000Z|||Closing balance||||||0|JPY",
	}
	if diff := cmp.Diff(want, shownRows(t, get("JPY", "2026-03-01", "2026-03-02"))); diff != "" {
		t.Errorf("a wallet without entries (-want +got):\n%s", diff)
	}
}

// A statement as PDF names the business and the customer; what is in it else is
// tested beside the code that writes it.
func TestStatementAsPDF(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.threeDays()
	day := request{method: "GET", path: statementPath(customer, "USD", "2026-03-01", "2026-03-02") + "&format=pdf"}
	got := h.send(day)
	name := `attachment; filename="statement_` + customer + `_USD_2026-03-01_2026-03-02.pdf"`
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/pdf" ||
		got.header.Get("Content-Disposition") != name || !strings.HasPrefix(got.body, "%PDF-") {
		t.Fatalf("got status %d, headers %v and %.20q, want a PDF named %s", got.status, got.header, got.body, name)
	}
	bend := func(e []ledger.Entry) []ledger.Entry { e[1].Amount++; return e }
	bent := sendTo(h.on(&bentEntries{h.model, bend}), day, h.business.TestKey)
	if bent.status != http.StatusInternalServerError {
		t.Errorf("a statement that does not add up: got status %d, want 500", bent.status)
	}
}

// A statement of many entries is read in parts, and lacks none of them.
func TestStatementOfManyEntries(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newLedger(2*ledger.EntriesMax + 1)
	h.clock.Move(24 * time.Hour)
	rows := shownRows(t, h.send(request{method: "GET", path: statementPath(customer, "USD", "2026-03-01", "2026-03-02")}))
	if len(rows) != 2*ledger.EntriesMax+3 {
		t.Fatalf("got %d rows, want %d", len(rows), 2*ledger.EntriesMax+3)
	}
	for i, row := range rows[1 : len(rows)-1] {
		if !strings.Contains(row, fmt.Sprintf("Z|%d||", i+1)) {
			t.Errorf("got row %s, want seq %d", row, i+1)
		}
	}
}

// bentEntries is a store with entries that are not as they should be.
type bentEntries struct {
	ledger.Store
	bend func([]ledger.Entry) []ledger.Entry
}

func (b *bentEntries) EntriesBetween(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, after, through int64,
) ([]ledger.Entry, error) {
	entries, err := b.Store.EntriesBetween(ctx, tenant, id, currency, after, through)
	return b.bend(entries), err
}

// A statement that does not add up is not shown, and one of too many entries is
// not begun.
func TestStatementIsCheckedAndBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.threeDays()
	day := request{method: "GET", path: statementPath(customer, "USD", "2026-03-01", "2026-03-02")}
	for name, bend := range map[string]func([]ledger.Entry) []ledger.Entry{
		"amount":    func(e []ledger.Entry) []ledger.Entry { e[1].Amount++; return e },
		"direction": func(e []ledger.Entry) []ledger.Entry { e[2].Direction = ledger.Credit; return e },
		"one less":  func(e []ledger.Entry) []ledger.Entry { return e[:2] },
		"none":      func([]ledger.Entry) []ledger.Entry { return nil },
		"order":     func(e []ledger.Entry) []ledger.Entry { e[0], e[1] = e[1], e[0]; return e },
		"seq":       func(e []ledger.Entry) []ledger.Entry { e[0].Seq, e[1].Seq = 2, 1; return e },
		"too late":  func(e []ledger.Entry) []ledger.Entry { e[2].CreatedAt = e[2].CreatedAt.Add(time.Microsecond); return e },
	} {
		got := sendTo(h.on(&bentEntries{h.model, bend}), day, h.business.TestKey)
		if got.status != http.StatusInternalServerError {
			t.Errorf("%s: got status %d with %s, want 500", name, got.status, got.body)
		}
	}
	for format, most := range map[string]int64{"csv": statement.CSVLinesMax, "pdf": statement.PDFLinesMax} {
		asked := day
		asked.path += "&format=" + format
		for more, want := range map[int64]int{most - 3: 500, most - 2: 422} {
			got := sendTo(h.on(&bentPast{Store: h.model, more: more}), asked, h.business.TestKey)
			if got.status != want { // the entries that are said to be there are not
				t.Errorf("%s, %d entries: got status %d with %s, want %d", format, more+3, got.status, got.body, want)
			}
			if want == 500 {
				continue
			}
			refused := got.refused(t, want, httpapi.CodeInvalidQueryParams)
			if refused["param"] != "to" || !strings.Contains(refused["message"].(string), "shorter period") {
				t.Errorf("got %v, want it to say what to ask for", refused)
			}
		}
	}
}
