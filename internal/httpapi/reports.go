package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/paper"
	"github.com/billfold/billfold/internal/report"
)

const (
	paramZone = "zone"
	paramBy   = "by"
)

var (
	liabilityParams    = []string{paramFrom, paramTo, paramZone, paramBy, paramCurrency, paramFormat}
	ageingParams       = []string{paramAsOf, paramCurrency, paramFormat}
	trialBalanceParams = []string{paramFrom, paramTo, paramZone, paramCurrency, paramFormat}
	journalParams      = []string{paramFrom, paramTo, paramZone, paramCurrency}
)

var headerCSV = []string{"text/csv; charset=utf-8"}

// handleLiability answers with what was owed to customers and how it changed.
func (s *Server) handleLiability(c *call) error {
	return s.periods(c, func(a *report.Activity) (*report.Table, error) {
		rows, err := a.Liability()
		return report.LiabilityTable(rows), err
	})
}

// handleBreakage answers with how much of what left wallets has expired.
func (s *Server) handleBreakage(c *call) error {
	return s.periods(c, func(a *report.Activity) (*report.Table, error) {
		rows, err := a.Breakage()
		return report.BreakageTable(rows), err
	})
}

// handleBalances answers with the balances at the ends of periods.
func (s *Server) handleBalances(c *call) error {
	return s.periods(c, func(a *report.Activity) (*report.Table, error) {
		rows, err := a.Trends()
		return report.TrendTable(rows), err
	})
}

// periods answers with a table of what was moved in periods.
func (s *Server) periods(c *call, table func(*report.Activity) (*report.Table, error)) error {
	q, err := c.query(liabilityParams...)
	if err != nil {
		return err
	}
	edges, err := q.reportEdges(q.get(paramBy))
	if err != nil {
		return err
	}
	return s.report(c, &q, edges, s.activity(c, edges, table))
}

// activity makes a table of what was moved between edges.
func (s *Server) activity(
	c *call, edges []time.Time, table func(*report.Activity) (*report.Table, error),
) func(money.Currency) (*report.Table, error) {
	return func(currency money.Currency) (*report.Table, error) {
		a, err := report.Read(c.r.Context(), s.reports, c.tenant(), edges, currency)
		if err != nil {
			return nil, err
		}
		return table(a)
	}
}

// handleTrialBalance answers with what all accounts have.
func (s *Server) handleTrialBalance(c *call) error {
	q, err := c.query(trialBalanceParams...)
	if err != nil {
		return err
	}
	edges, err := q.reportEdges("")
	if err != nil {
		return err
	}
	return s.report(c, &q, edges, s.activity(c, edges, func(a *report.Activity) (*report.Table, error) {
		lines, err := a.TrialBalance()
		return report.TrialBalanceTable(lines), err
	}))
}

// handleCohorts answers with what became of money, by when it was funded.
func (s *Server) handleCohorts(c *call) error {
	q, err := c.query(trialBalanceParams...)
	if err != nil {
		return err
	}
	edges, err := q.reportEdges("")
	if err != nil {
		return err
	}
	return s.report(c, &q, edges, func(currency money.Currency) (*report.Table, error) {
		h, err := report.ReadLots(c.r.Context(), s.reports, c.tenant(), report.Cohort, edges, currency)
		if err != nil {
			return nil, err
		}
		rows, err := h.Cohorts()
		return report.CohortTable(rows), err
	})
}

// handleAgeing answers with when what is owed expires.
func (s *Server) handleAgeing(c *call) error {
	q, err := c.query(ageingParams...)
	if err != nil {
		return err
	}
	at, err := q.until(paramAsOf)
	if err != nil {
		return err
	}
	if at.IsZero() {
		at = s.book.Now()
	}
	// What was made at that time counts.
	edges := []time.Time{at.UTC().Add(time.Microsecond)}
	return s.report(c, &q, edges, func(currency money.Currency) (*report.Table, error) {
		h, err := report.ReadLots(c.r.Context(), s.reports, c.tenant(), report.Expiry, edges, currency)
		if err != nil {
			return nil, err
		}
		rows, err := h.Ageing()
		return report.AgeingTable(rows), err
	})
}

// report answers with a table that is about the time between edges, or before the only
// one. It is a walk: what a part of a quarter of an hour has is read entry by entry.
func (s *Server) report(
	c *call, q *query, edges []time.Time, table func(money.Currency) (*report.Table, error),
) error {
	currency, err := q.currency(paramCurrency)
	if err != nil {
		return err
	}
	format, err := c.reportFormat(q)
	if err != nil {
		return err
	}
	var t *report.Table
	err = s.inTurn(c, true, func() (err error) {
		t, err = table(currency)
		return err
	})
	if err != nil {
		return err
	}
	t.Made = s.book.Now()
	from, to := edges[0], edges[len(edges)-1]
	switch format {
	case "csv":
		file, err := t.CSV()
		return s.replyFile(c, headerCSV, t.Name, format, edges, file, err)
	case "pdf":
		if len(t.Rows) > report.PDFRowsMax {
			return queryError(paramFormat, "The report has %d rows, and as PDF it may have %d; ask for csv.", len(t.Rows), report.PDFRowsMax)
		}
		business, err := s.directory.Business(c.r.Context(), c.tenant().BusinessID)
		if err != nil {
			return err
		}
		t.Facts = []paper.Fact{
			{Name: "Business", Text: business.Name + ", " + string(c.tenant().Mode) + " mode"},
			{Name: "Time", Text: timeOf(edges)},
			{Name: "Made", Text: t.Made.Format(time.RFC3339)},
		}
		file, err := t.PDF()
		return s.replyFile(c, headerPDF, t.Name, format, edges, file, err)
	}
	out := append(c.scratch.out[:0], '{')
	if len(edges) > 1 {
		out = append(appendTime(append(out, `"from":`...), from.UTC()), `,"to":`...)
		out = appendTime(out, to.UTC())
	} else {
		out = appendTime(append(out, `"as_of":`...), from.Add(-time.Microsecond).UTC())
	}
	out = append(out, `,"items":[`...)
	return s.replyList(c, append(appendTable(out, t), "]}"...))
}

// timeOf is what a report is about, for people.
func timeOf(edges []time.Time) string {
	if len(edges) == 1 {
		return "as of " + edges[0].Add(-time.Microsecond).Format(time.RFC3339Nano)
	}
	return edges[0].Format(time.RFC3339Nano) + " to " + edges[len(edges)-1].Format(time.RFC3339Nano)
}

// appendTable appends the rows of a table as objects. Amounts are in minor units.
func appendTable(out []byte, t *report.Table) []byte {
	for i := range t.Rows {
		if i > 0 {
			out = append(out, ',')
		}
		for k, field := range t.Fields {
			out = append(out, "{,"[min(k, 1)])
			out = append(appendString(out, field.Name), ':')
			switch cell := t.Rows[i].Cells[k]; {
			case cell.Null:
				out = append(out, "null"...)
			case field.Kind == report.Amount:
				out = strconv.AppendInt(out, int64(cell.Amount), 10)
			case field.Kind == report.Number:
				out = strconv.AppendInt(out, cell.Number, 10)
			default:
				out = appendString(out, cell.Text)
			}
		}
		out = append(out, '}')
	}
	return out
}

// replyFile answers with a file to keep.
func (s *Server) replyFile(
	c *call, contentType []string, name, format string, edges []time.Time, file []byte, err error,
) error {
	if err != nil {
		return err
	}
	period := edges[0].Format(time.DateOnly)
	if len(edges) > 1 {
		period += "_" + edges[len(edges)-1].Format(time.DateOnly)
	}
	c.w.Header()["Content-Disposition"] = []string{fmt.Sprintf(`attachment; filename="%s_%s.%s"`, name, period, format)}
	return s.replyLong(c, contentType, file)
}

// reportFormat is how a report is wanted: by its parameter, or else by Accept.
func (c *call) reportFormat(q *query) (string, error) {
	switch format := q.get(paramFormat); format {
	case "json", "csv", "pdf":
		return format, nil
	case "":
	default:
		return "", queryError(paramFormat, "format must be one of [json csv pdf].")
	}
	for _, accept := range c.r.Header["Accept"] {
		for kind := range strings.SplitSeq(accept, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			switch strings.ToLower(strings.TrimSpace(kind)) {
			case "text/csv":
				return "csv", nil
			case "application/pdf":
				return "pdf", nil
			}
		}
	}
	return "json", nil
}

// reportPeriodsMax is how many periods a report may have.
const reportPeriodsMax = 366

// reportEdges returns where the periods of a report begin, and where the last ends. By is
// how they are parted: by day, by month, or not at all.
func (q *query) reportEdges(by string) ([]time.Time, error) {
	zone, err := q.zone()
	if err != nil {
		return nil, err
	}
	from, err := q.moment(paramFrom, zone)
	if err != nil {
		return nil, err
	}
	to, err := q.moment(paramTo, zone)
	if err != nil {
		return nil, err
	}
	if !from.Before(to) {
		return nil, queryError(paramTo, "to must be after from; it is the first moment that is not asked for.")
	}
	next := func(time.Time) time.Time { return to }
	switch by {
	case "":
	case "day":
		next = func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, zone) }
	case "month":
		next = func(t time.Time) time.Time { return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, zone) }
	default:
		return nil, queryError(paramBy, "by must be one of [day month].")
	}
	edges := []time.Time{from}
	for at := from; at.Before(to); {
		// Where a day or a month begins in an hour that there is not, the clocks have gone on.
		if at = next(at); !at.After(edges[len(edges)-1]) || at.After(to) {
			at = to
		}
		if edges = append(edges, at); len(edges) > reportPeriodsMax+1 {
			return nil, queryError(paramTo, "The report has more than %d periods; ask for a shorter time.", reportPeriodsMax)
		}
	}
	return edges, nil
}

// zone returns the time zone in which days are meant, UTC without one.
func (q *query) zone() (*time.Location, error) {
	name := q.get(paramZone)
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, queryError(paramZone, "zone must be a time zone of the IANA database, such as Asia/Kolkata.")
	}
	return zone, nil
}

// moment returns a time, or the begin of a day in a zone, that must be given.
func (q *query) moment(name string, zone *time.Location) (time.Time, error) {
	if len(q.get(name)) == len(time.DateOnly) {
		day, err := q.day(name)
		return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone), err
	}
	if q.get(name) == "" {
		return time.Time{}, queryError(name, "%s must be given: a day such as 2026-01-02, or a time with a zone.", name)
	}
	t, err := q.since(name)
	return t.In(zone), err
}

// handleJournal answers with the entries of a period in double entry, as CSV. It is sent
// while it is read, so that it may be of any length; where it cannot be finished the
// connection breaks, and nobody takes a part for the whole.
func (s *Server) handleJournal(c *call) error {
	q, err := c.query(journalParams...)
	if err != nil {
		return err
	}
	edges, err := q.reportEdges("")
	if err != nil {
		return err
	}
	currency, err := q.currency(paramCurrency)
	if err != nil {
		return err
	}
	connection := http.NewResponseController(c.w)
	var journal *report.JournalWriter
	for place, more := int64(0), true; more; {
		var page report.JournalPage
		err := s.inTurn(c, true, func() (err error) {
			page, err = s.reports.Journal(c.r.Context(), c.tenant(), edges[0], edges[1], place)
			return err
		})
		if err == nil && journal == nil {
			c.journalHead(edges)
			journal, err = report.NewJournalWriter(c.w)
		} else if err != nil && journal != nil {
			s.logger.Warn("a journal broke off", "request_id", c.requestID[0], "error", err)
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			return err
		}
		deadline := time.Now().Add(journalWriteWithin)
		if err := connection.SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
			panic(http.ErrAbortHandler)
		}
		if err := journal.Write(kept(page.Lines, string(currency))); err != nil {
			panic(http.ErrAbortHandler) // the caller is gone
		}
		place, more = page.Next, page.More
	}
	return nil
}

// journalWriteWithin is how long a page of a journal may take to be sent.
const journalWriteWithin = 30 * time.Second

func (c *call) journalHead(edges []time.Time) {
	header := c.w.Header()
	header["Content-Type"], header["Cache-Control"] = headerCSV, headerNoStore
	header["X-Content-Type-Options"] = headerNoSniff
	header["Content-Disposition"] = []string{fmt.Sprintf(`attachment; filename="journal_%s_%s.csv"`,
		edges[0].Format(time.DateOnly), edges[1].Format(time.DateOnly))}
	c.status, c.streamed = http.StatusOK, true
	c.w.WriteHeader(http.StatusOK)
}

// kept are the lines of a currency, all without one.
func kept(lines []report.Line, currency string) []report.Line {
	if currency == "" {
		return lines
	}
	var found []report.Line
	for i := range lines {
		if string(lines[i].Currency) == currency {
			found = append(found, lines[i])
		}
	}
	return found
}

// noReports is a store that makes none.
type noReports struct{}

var errNoReports = ledger.Errorf(ledger.CodeStorageUnavailable, "The store makes no reports.")

func (noReports) FoldReports(context.Context, int) (bool, error) { return false, nil }

func (noReports) ReadReports(context.Context, ledger.Tenant, func(report.Source) error) error {
	return errNoReports
}

func (noReports) Journal(
	context.Context, ledger.Tenant, time.Time, time.Time, int64,
) (report.JournalPage, error) {
	return report.JournalPage{}, errNoReports
}
