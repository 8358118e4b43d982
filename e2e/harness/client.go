package harness

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The header that the official SDKs send with every attempt.
const retryCountHeader = "X-Stainless-Retry-Count"

// requestMax is how long a request may take. No fault of these tests may hold
// an answer back that long.
const requestMax = 30 * time.Second

// Client speaks the API. It keeps connections of its own, so that a closed
// client leaves none behind.
type Client struct {
	base      string
	key       string
	transport *http.Transport
	http      *http.Client
}

// NewClient returns a client of the server at a base URL.
func NewClient(base, key string) *Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}
	return &Client{base: base, key: key, transport: transport,
		http: &http.Client{Transport: transport, Timeout: requestMax}}
}

// newSecureClient returns a client that speaks HTTP/2 to a server whose
// certificate it trusts.
func newSecureClient(base, key string, roots *x509.CertPool) *Client {
	c := NewClient(base, key)
	c.transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	c.transport.ForceAttemptHTTP2 = true
	return c
}

// As returns a client of the same server with another key and connections of
// its own.
func (c *Client) As(key string) *Client {
	transport := c.transport.Clone()
	return &Client{base: c.base, key: key, transport: transport,
		http: &http.Client{Transport: transport, Timeout: requestMax}}
}

// Close closes the connections that wait for another request.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Base is the server's base URL.
func (c *Client) Base() string { return c.base }

// Wallet is a wallet as the API shows it.
type Wallet struct {
	CustomerID string `json:"customer_id"`
	Currency   string `json:"currency"`
	Balance    int64  `json:"balance"`
	Available  int64  `json:"available"`
	Seq        int64  `json:"seq"`
}

// Entry is a ledger entry as the API shows it.
type Entry struct {
	ID             string    `json:"id"`
	CustomerID     string    `json:"customer_id"`
	Currency       string    `json:"currency"`
	Amount         int64     `json:"amount"`
	IsCredit       bool      `json:"is_credit"`
	BeforeBalance  int64     `json:"before_balance"`
	AfterBalance   int64     `json:"after_balance"`
	Position       int64     `json:"position"`
	Seq            int64     `json:"seq"`
	IdempotencyKey string    `json:"idempotency_key"`
	CreatedAt      time.Time `json:"created_at"`
	Hash           string    `json:"hash"`
}

// Signed is the amount with the sign of its direction.
func (e Entry) Signed() int64 {
	if e.IsCredit {
		return e.Amount
	}
	return -e.Amount
}

// EntryList is one page of entries.
type EntryList struct {
	Items        []Entry `json:"items"`
	AsOfPosition int64   `json:"as_of_position"`
	NextCursor   string  `json:"next_cursor"`
}

// WalletList is the wallets of a customer.
type WalletList struct {
	Items []Wallet `json:"items"`
}

// Wallet returns the wallet in a currency.
func (l WalletList) Wallet(currency string) Wallet {
	for _, wallet := range l.Items {
		if wallet.Currency == currency {
			return wallet
		}
	}
	return Wallet{Currency: currency}
}

// Post is a request to credit or debit a wallet.
type Post struct {
	CustomerID string `json:"-"`
	Amount     int64  `json:"amount"`
	Currency   string `json:"currency"`
	EntryType  string `json:"entry_type"`
	Category   string `json:"category,omitempty"`
	ExpiresAt  string `json:"expires_at,omitempty"`
	Key        string `json:"idempotency_key,omitempty"`

	// HeaderKey sends the key in the header instead of the body. RetryCount
	// marks a re-send as the SDKs do.
	HeaderKey  bool `json:"-"`
	RetryCount int  `json:"-"`
}

// Answer is what the server said to a [Post].
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Failure is the body of an error.
type Failure struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`

	// Entry and Wallet stand in the answer to a duplicate.
	Entry  Entry  `json:"ledger_entry"`
	Wallet Wallet `json:"wallet"`
}

// Read reads the body.
func (a Answer) Read(value any) error { return json.Unmarshal(a.Body, value) }

// Failure reads the body of an error.
func (a Answer) Failure() (failure Failure, err error) {
	err = a.Read(&failure)
	return failure, err
}

// Wallet reads the body of a success.
func (a Answer) Wallet() (wallet Wallet, err error) {
	err = a.Read(&wallet)
	return wallet, err
}

// Replayed reports whether the server says that it gives a first answer again.
func (a Answer) Replayed() bool { return a.Header.Get("Idempotency-Replayed") == "true" }

func (a Answer) String() string { return fmt.Sprintf("%d %s", a.Status, a.Body) }

// Post sends a post. An error means that no answer came: the outcome is
// unknown.
func (c *Client) Post(ctx context.Context, post Post) (Answer, error) {
	request, err := c.NewPost(ctx, post)
	if err != nil {
		return Answer{}, err
	}
	return c.do(request)
}

// NewPost makes the request of a post.
func (c *Client) NewPost(ctx context.Context, post Post) (*http.Request, error) {
	request, err := c.NewCall(ctx, post.Call())
	if err == nil && post.RetryCount > 0 {
		request.Header.Set(retryCountHeader, strconv.Itoa(post.RetryCount))
	}
	return request, err
}

// Call is the request of a post, but for its retry count.
func (p Post) Call() Call {
	call := Call{Method: http.MethodPost, Path: "/customers/" + p.CustomerID + "/wallets/ledger-entries"}
	if p.HeaderKey {
		call.Key, p.Key = p.Key, ""
	}
	call.Body = p
	return call
}

// Call is any request.
type Call struct {
	Method string
	Path   string
	Body   any    // is sent as JSON, unless it is nil
	Key    string // the Idempotency-Key header, empty for none
}

// NewCall makes the request of a call.
func (c *Client) NewCall(ctx context.Context, call Call) (*http.Request, error) {
	if call.Body == nil {
		request, err := http.NewRequestWithContext(ctx, call.Method, c.base+call.Path, nil)
		if err == nil {
			request.Header.Set("Authorization", "Bearer "+c.key)
		}
		return request, err
	}
	text, err := json.Marshal(call.Body)
	if err != nil {
		return nil, err
	}
	// The transport must not send a request again by itself, or the client
	// would not know how often it was sent; so it is not given the body again.
	request, err := http.NewRequestWithContext(ctx, call.Method, c.base+call.Path,
		struct{ io.Reader }{bytes.NewReader(text)})
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(text))
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Content-Type", "application/json")
	if call.Key != "" {
		request.Header.Set("Idempotency-Key", call.Key)
	}
	return request, nil
}

// Do sends a call. An error means that no answer came.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	request, err := c.NewCall(ctx, call)
	if err != nil {
		return Answer{}, err
	}
	return c.do(request)
}

func (c *Client) do(request *http.Request) (Answer, error) { return answerOf(c.http.Do(request)) }

// answerOf reads the whole of a response.
func answerOf(response *http.Response, err error) (Answer, error) {
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

func (c *Client) get(ctx context.Context, path string) (status int, body []byte, err error) {
	answer, err := c.Do(ctx, Call{Method: http.MethodGet, Path: path})
	return answer.Status, answer.Body, err
}

// Get reads a path of the API into value. A status other than 200 is an error.
func (c *Client) Get(ctx context.Context, path string, value any) error {
	status, body, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: got status %d, want 200: %s", path, status, body)
	}
	if err := json.Unmarshal(body, value); err != nil {
		return fmt.Errorf("GET %s: %w: %s", path, err, body)
	}
	return nil
}

// CreateCustomer makes a customer and returns its id.
func (c *Client) CreateCustomer(ctx context.Context, name string) (string, error) {
	answer, err := c.Do(ctx, Call{
		Method: http.MethodPost, Path: "/customers", Body: map[string]string{"email": "e2e@example.com", "name": name},
	})
	if err != nil {
		return "", err
	}
	var customer struct {
		ID string `json:"customer_id"`
	}
	if err := json.Unmarshal(answer.Body, &customer); err != nil || answer.Status != http.StatusOK || customer.ID == "" {
		return "", fmt.Errorf("create a customer: got %s, want 200 and an id", answer)
	}
	return customer.ID, nil
}

// Wallets returns a customer's wallets.
func (c *Client) Wallets(ctx context.Context, customerID string) (list WalletList, err error) {
	err = c.Get(ctx, "/customers/"+customerID+"/wallets", &list)
	return list, err
}

// Entries returns one page of a customer's entries.
func (c *Client) Entries(ctx context.Context, customerID string, query url.Values) (list EntryList, err error) {
	err = c.Get(ctx, "/customers/"+customerID+"/wallets/ledger-entries?"+query.Encode(), &list)
	return list, err
}

// AllEntries returns every entry of a customer, oldest first, by cursor.
func (c *Client) AllEntries(ctx context.Context, customerID string) ([]Entry, error) {
	var all []Entry
	query := url.Values{"page_size": {"100"}}
	for {
		list, err := c.Entries(ctx, customerID, query)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if list.NextCursor == "" {
			break
		}
		query.Set("cursor", list.NextCursor)
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all, nil
}

// EntryByKey returns the entry that was made under a key, and false when there
// is none.
func (c *Client) EntryByKey(ctx context.Context, customerID, key string) (Entry, bool, error) {
	list, err := c.Entries(ctx, customerID, url.Values{"idempotency_key": {key}})
	switch {
	case err != nil:
		return Entry{}, false, err
	case len(list.Items) > 1:
		return Entry{}, false, fmt.Errorf("key %s: got %d entries, want at most one", key, len(list.Items))
	case len(list.Items) == 0:
		return Entry{}, false, nil
	}
	return list.Items[0], true, nil
}
