package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/statement"
)

const paramFormat = "format"

var statementParams = []string{paramFrom, paramTo, paramFormat}

// fileFormat is a kind of file that a statement is written as.
type fileFormat struct {
	name        string // also the ending of the file's name
	contentType []string
	most        int64 // entries
	write       func(*statement.Statement) ([]byte, error)
}

var statementFormats = []fileFormat{
	{"csv", []string{"text/csv; charset=utf-8"}, statement.CSVLinesMax, (*statement.Statement).CSV},
	{"pdf", []string{"application/pdf"}, statement.PDFLinesMax, (*statement.Statement).PDF},
}

// handleStatement answers with a file of what a wallet was and what it moved in
// a period.
func (s *Server) handleStatement(c *call) error {
	q, err := c.query(statementParams...)
	if err != nil {
		return err
	}
	from, to, err := q.period()
	if err != nil {
		return err
	}
	format, err := q.statementFormat()
	if err != nil {
		return err
	}
	return s.replyStatement(c, from, to, format)
}

// replyStatement answers with the statement of the wallet that the parameters of the path
// name, from the beginning of a day to that of another.
func (s *Server) replyStatement(c *call, from, to time.Time, format fileFormat) error {
	list, err := s.points(c, s.book.Now(), []ledger.AsOf{
		{Time: from.Add(-time.Microsecond)}, {Time: to.Add(-time.Microsecond)},
	})
	if err != nil {
		return err
	}
	st := &statement.Statement{
		CustomerID: list.Wallet.CustomerID,
		Currency:   list.Wallet.Currency,
		From:       from,
		To:         to,
		Made:       list.Chain.At(s.book.Now()),
		Opening:    list.Points[0],
		Closing:    list.Points[1],
	}
	count := st.Closing.Seq - st.Opening.Seq
	if count > format.most {
		return queryError(paramTo, "The period has %d entries, and a statement as %s at most %d; ask for a shorter period.",
			count, format.name, format.most)
	}
	var file []byte
	// In its turn to the end: until then it may take much memory.
	err = s.inTurn(c, count > walkSkip, func() (err error) {
		if err = s.statementNames(c.r.Context(), st, list.Wallet.Tenant); err != nil {
			return err
		}
		if st.Lines, err = s.statementLines(c.r.Context(), &list.Wallet, st.Opening.Seq, st.Closing.Seq); err != nil {
			return err
		}
		if err = st.Check(); err == nil {
			file, err = format.write(st)
		}
		return err
	})
	if err != nil {
		return err
	}
	c.w.Header()["Content-Disposition"] = []string{fmt.Sprintf(`attachment; filename="statement_%s_%s_%s_%s.%s"`,
		st.CustomerID, st.Currency, from.Format(time.DateOnly), to.Format(time.DateOnly), format.name)}
	return s.replyLong(c, format.contentType, file)
}

// statementFormat returns the format that is asked for, the first without one.
func (q *query) statementFormat() (fileFormat, error) {
	name := q.get(paramFormat)
	if name == "" {
		return statementFormats[0], nil
	}
	var known []string
	for _, format := range statementFormats {
		if format.name == name {
			return format, nil
		}
		known = append(known, format.name)
	}
	return fileFormat{}, queryError(paramFormat, "format must be one of %v.", known)
}

// statementNames adds who issues a statement and to whom.
func (s *Server) statementNames(ctx context.Context, st *statement.Statement, tenant ledger.Tenant) error {
	customer, err := s.book.Store().Customer(ctx, tenant, st.CustomerID)
	if err != nil {
		return err
	}
	business, err := s.directory.Business(ctx, tenant.BusinessID)
	if err != nil {
		return err
	}
	st.BusinessName, st.CustomerName, st.CustomerEmail = business.Name, customer.Name, customer.Email
	return nil
}

// statementLines reads the entries of a wallet behind a seq and up to another.
func (s *Server) statementLines(
	ctx context.Context, wallet *ledger.Wallet, after, through int64,
) ([]statement.Line, error) {
	lines := make([]statement.Line, 0, through-after)
	for after < through {
		next := min(after+ledger.EntriesMax, through)
		entries, err := s.book.Store().EntriesBetween(ctx, wallet.Tenant, wallet.CustomerID, wallet.Currency, after, next)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			lines = append(lines, statement.LineOf(&entries[i]))
		}
		after = next
	}
	return lines, nil
}
