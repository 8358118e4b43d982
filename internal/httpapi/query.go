package httpapi

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// queryMax is how many parameters a route may know.
const queryMax = 12

// query holds the parameters of a request by their place in the route's list
// of names. An absent parameter is empty; an empty one is refused.
type query struct {
	names  []string
	values [queryMax]string
}

func queryError(param, format string, args ...any) error {
	return ledger.FieldErrorf(CodeInvalidQueryParams, param, format, args...)
}

// query reads the query string. Each parameter must be known, there once, not
// empty and well encoded.
func (c *call) query(names ...string) (query, error) {
	q := query{names: names}
	for rest := c.r.URL.RawQuery; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := unescape(name)
		if err != nil {
			return q, err
		}
		if value, err = unescape(value); err != nil {
			return q, err
		}
		index := q.index(name)
		switch {
		case index < 0 && len(names) == 0:
			return q, queryError(clip(name), "This route has no query parameters.")
		case index < 0:
			return q, queryError(clip(name), "%s is no query parameter of this route; did you mean %s?", clip(name), nearest(name, names))
		case q.values[index] != "":
			return q, queryError(name, "%s is there twice.", name)
		case value == "":
			return q, queryError(name, "%s is empty; leave it out instead.", name)
		}
		q.values[index] = value
	}
	return q, nil
}

// noQuery refuses every query parameter.
func (c *call) noQuery() error {
	if c.r.URL.RawQuery == "" {
		return nil
	}
	_, err := c.query()
	return err
}

func (q *query) index(name string) int {
	for i, known := range q.names {
		if known == name {
			return i
		}
	}
	return -1
}

// get returns the value of a known parameter, empty when it is absent.
func (q *query) get(name string) string { return q.values[q.index(name)] }

func unescape(text string) (string, error) {
	if strings.IndexByte(text, ';') >= 0 {
		return "", queryError("", "The query is not well formed: write ; as %%3B.")
	}
	decoded, err := url.QueryUnescape(text)
	if err != nil {
		return "", queryError("", "The query is not well encoded.")
	}
	if !utf8.ValidString(decoded) || strings.IndexByte(decoded, 0) >= 0 {
		return "", ledger.Errorf(CodeInvalidEncoding, "The query is not valid UTF-8, or holds U+0000.")
	}
	return decoded, nil
}

// currency returns the currency to filter by. Any that exists may be asked for:
// one that is not enabled finds nothing.
func (q *query) currency(name string) (money.Currency, error) {
	currency := money.Currency(q.get(name))
	if currency != "" && !currency.Valid() {
		return "", unsupportedCurrency(name, currency)
	}
	return currency, nil
}

func unsupportedCurrency(name string, currency money.Currency) error {
	return ledger.FieldErrorf(ledger.CodeUnsupportedCurrency, name, "%q is not a supported currency; use an upper-case ISO 4217 code such as USD", clip(string(currency)))
}

// since and until return a bound on a time that is stored in microseconds. A
// finer bound is moved so that it lets the same stored times through.
func (q *query) since(name string) (time.Time, error) {
	t, err := q.time(name)
	if cut := t.Truncate(time.Microsecond); cut.Before(t) {
		t = cut.Add(time.Microsecond)
	}
	return t, err
}

func (q *query) until(name string) (time.Time, error) {
	t, err := q.time(name)
	t = t.Truncate(time.Microsecond)
	if t.IsZero() && q.get(name) != "" {
		// The zero time would not filter; nothing is as old as this one either.
		t = t.Add(time.Microsecond)
	}
	return t, err
}

func (q *query) time(name string) (time.Time, error) {
	text := q.get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, ok := parseTime(text)
	if !ok {
		return time.Time{}, queryError(name, "%s must be a time with a zone, such as 2026-01-02T03:04:05Z.", name)
	}
	return t, nil
}

// Limits of pages.
const (
	pageSizeDefault = 10
	pageSizeMax     = 100
	pageSkipMax     = 100_000_000
)

// Query parameters of every list.
const (
	paramPageNumber = "page_number"
	paramPageSize   = "page_size"
	paramCursor     = "cursor"
)

// page returns which part of a list is asked for. Bound is what its cursors
// are bound to.
//
// Pages count from 0. The auto-pagers of the official SDKs take an absent
// number for page 1 and go on with page 2; the one for Python does so after an
// explicit 0 too. They would lose a page in silence, so they get pages 0 and 1
// in one answer.
func (s *Server) page(c *call, q *query, bound string) (ledger.Page, error) {
	size, err := q.integer(paramPageSize, pageSizeMax)
	if err != nil {
		return ledger.Page{}, err
	}
	if size == 0 {
		size = pageSizeDefault
	}
	number, err := q.integer(paramPageNumber, 1<<31-1)
	if err != nil {
		return ledger.Page{}, err
	}
	if cursor := q.get(paramCursor); cursor != "" {
		if q.get(paramPageNumber) != "" {
			return ledger.Page{}, queryError(paramPageNumber, "Send either cursor or page_number.")
		}
		before, err := s.cursors.open(cursor, bound)
		return ledger.Page{Limit: int(size), Before: before}, err
	}
	if number*size > pageSkipMax {
		return ledger.Page{}, queryError(paramPageNumber, "page_number × page_size must be at most %d; use cursor to read further.", pageSkipMax)
	}
	if language := c.r.Header.Get("X-Stainless-Lang"); language != "" {
		if q.get(paramPageNumber) == "" || (language == "python" && number == 0) {
			return ledger.Page{Limit: int(2 * size)}, nil
		}
	}
	return ledger.Page{Limit: int(size), Skip: number * size}, nil
}

// cursorPage returns which part of a list is asked for that has cursors only.
func (s *Server) cursorPage(q *query, bound string) (limit int, after int64, err error) {
	size, err := q.integer(paramPageSize, pageSizeMax)
	if err != nil {
		return 0, 0, err
	}
	if size == 0 {
		size = pageSizeDefault
	}
	if cursor := q.get(paramCursor); cursor != "" {
		after, err = s.cursors.open(cursor, bound)
	}
	return int(size), after, err
}

// integer returns a parameter that is a whole number from 0 to most, and 0 when
// it is absent.
func (q *query) integer(name string, most int64) (int64, error) {
	text := q.get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most || strconv.FormatInt(n, 10) != text {
		return 0, queryError(name, "%s must be a whole number from 0 to %d.", name, most)
	}
	return n, nil
}
