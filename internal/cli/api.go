package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// apiClient speaks to a server: to the API with a key, or to the admin socket,
// which needs none.
type apiClient struct {
	http *http.Client
	base string
	key  string
}

// apiError is a refusal that the server gave.
type apiError struct {
	Status    int    `json:"-"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	Param     string `json:"param"`
	RequestID string `json:"request_id"`
	Retryable bool   `json:"retryable"`

	next string // what the person at the terminal can do
}

func (e *apiError) Error() string {
	text := e.Code + ": " + printable(e.Message)
	if e.RequestID != "" {
		text += " (" + printable(e.RequestID) + ")"
	}
	if e.next != "" {
		text += "; " + e.next
	}
	return text
}

// requestTimeout is how long the command line waits for one answer.
const requestTimeout = 60 * time.Second

// answerBytesMax bounds what the command line reads of one answer.
const answerBytesMax = 64 << 20

// request is one call of the API.
type request struct {
	method string
	path   string // with every part escaped
	query  url.Values
	body   any    // written as JSON, nil for none
	lines  []byte // of JSON, in place of a body
	key    string

	patience time.Duration // 0 means requestTimeout
}

// call sends a request and reads the answer into the value into, unless that is nil. It says
// whether the answer is the kept one of an earlier request under the same key.
func (c *apiClient) call(ctx context.Context, r request, into any) (replayed bool, err error) {
	if r.patience == 0 {
		r.patience = requestTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	sent, err := c.newRequest(ctx, r)
	if err != nil {
		return false, err
	}
	response, err := c.http.Do(sent)
	if err != nil {
		return false, withExit(exitUnreachable, unreachable(c.base, err))
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return false, withExit(exitUnreachable, fmt.Errorf("the answer of %s broke off: %w", c.base, err))
	}
	if response.StatusCode != http.StatusOK {
		return false, refusal(c.base, response, text)
	}
	if into == nil {
		return false, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("%s did not answer as Billfold does; check base-url: %w", c.base, err)
	}
	return response.Header.Get("Idempotency-Replayed") == "true", nil
}

func (c *apiClient) newRequest(ctx context.Context, r request) (*http.Request, error) {
	var body io.Reader
	contentType := "application/json"
	switch {
	case r.lines != nil:
		body, contentType = bytes.NewReader(r.lines), "application/x-ndjson"
	case r.body != nil:
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	address := strings.TrimRight(c.base, "/") + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, err
	}
	sent.Header.Set("User-Agent", "billfold-cli/"+buildVersion().Version)
	if body != nil {
		sent.Header.Set("Content-Type", contentType)
	}
	if c.key != "" {
		sent.Header.Set("Authorization", "Bearer "+c.key)
	}
	if r.key != "" {
		sent.Header.Set("Idempotency-Key", r.key)
	}
	return sent, nil
}

// refusal turns an answer other than 200 into an error with the exit code that
// tells a script whether trying again can help.
func refusal(base string, response *http.Response, text []byte) error {
	refused := &apiError{Status: response.StatusCode}
	if err := json.Unmarshal(text, refused); err != nil || refused.Code == "" {
		refused.Code = strings.ToUpper(strings.ReplaceAll(http.StatusText(response.StatusCode), " ", "_"))
		refused.Message = base + " answered " + response.Status
	}
	if refused.Status == http.StatusUnauthorized {
		refused.next = "check BILLFOLD_API_KEY; `billfold keys list` shows which keys work"
	}
	if refused.Status == http.StatusTooManyRequests || refused.Status >= http.StatusInternalServerError {
		return withExit(exitUnreachable, refused)
	}
	return withExit(exitFailed, refused)
}

// missing says what it is that the server did not find.
func missing(err error, what, next string) error {
	var refused *apiError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		refused.Message, refused.next = "there is no "+what, next
	}
	return err
}

// noCustomer is missing for the customer that a command names.
func noCustomer(err error, id string) error {
	return missing(err, "customer "+id+" for this key", "`billfold customers list` shows those that there are")
}

func unreachable(base string, err error) error {
	var netErr *url.Error
	if errors.As(err, &netErr) {
		err = netErr.Err
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fmt.Errorf("the certificate of %s is not trusted here: %w; SSL_CERT_FILE names the file of the "+
			"authority that signed it", base, untrusted.Err)
	}
	return fmt.Errorf("no answer from %s: %w; is the server running, and is base-url right?", base, err)
}

// api returns a client of the configured server.
func (p *program) api(config Config) (*apiClient, error) {
	if config.APIKey == "" {
		return nil, withExit(exitUsage, errors.New("no API key: set BILLFOLD_API_KEY to a key such as bf_test_…; "+
			"`billfold keys create` makes one"))
	}
	return newAPIClient(config), nil
}

func newAPIClient(config Config) *apiClient {
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the proxies of the environment
	return &apiClient{http: &http.Client{Transport: transport}, base: config.BaseURL, key: config.APIKey}
}

// customerPath is the path of a customer and of what belongs to it.
func customerPath(id string, rest ...string) string {
	return "/customers/" + url.PathEscape(id) + strings.Join(rest, "")
}

// pageSize is how many items the command line asks for at once, the most that
// the API gives.
const pageSize = 100

// list is one page of any list; its items stay as the server wrote them.
type list struct {
	Items []json.RawMessage `json:"items"`
	Next  *string           `json:"next_cursor"`
}

// collect walks a list by cursor until it has most items, all when most is 0,
// and says whether the server has more.
func (c *apiClient) collect(ctx context.Context, r request, most int) (found []json.RawMessage, more bool, err error) {
	items := []json.RawMessage{}
	if r.query == nil {
		r.query = url.Values{}
	}
	for {
		size := pageSize
		if most > 0 {
			size = min(size, most-len(items))
		}
		r.query.Set("page_size", fmt.Sprint(size))
		var page list
		if _, err := c.call(ctx, r, &page); err != nil {
			return nil, false, err
		}
		items = append(items, page.Items...)
		if page.Next == nil || (most > 0 && len(items) >= most) {
			return items, page.Next != nil, nil
		}
		r.query.Set("cursor", *page.Next)
	}
}

// items is the document of a list that was collected.
type items struct {
	Items []json.RawMessage `json:"items"`
}

// rowsOf decodes each item and makes a row of it.
func rowsOf[T any](from []json.RawMessage, row func(T) []string) ([][]string, error) {
	rows := make([][]string, 0, len(from))
	for _, raw := range from {
		var item T
		if err := json.Unmarshal(raw, &item); err != nil {
			return nil, fmt.Errorf("the server did not answer as Billfold does: %w", err)
		}
		rows = append(rows, row(item))
	}
	return rows, nil
}
