package apitest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Client returns an HTTP client whose every answer is checked against the
// contracts; each difference fails the test. It does not follow redirects: the
// API has none.
func Client(t testing.TB, contracts ...*Contract) *http.Client {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     Transport(t, transport, contracts...),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Transport returns a round tripper that checks every answer of next.
func Transport(t testing.TB, next http.RoundTripper, contracts ...*Contract) http.RoundTripper {
	return roundTripperFunc(func(r *http.Request) (*http.Response, error) {
		t.Helper()
		response, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return nil, err
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
		report(t, contracts, Answer{
			Method: r.Method,
			Path:   r.URL.EscapedPath(),
			Status: response.StatusCode,
			Header: response.Header,
			Body:   body,
		})
		return response, nil
	})
}

// Handler returns a handler that checks every answer of next, for servers that
// are driven by clients of others' making.
func Handler(t testing.TB, next http.Handler, contracts ...*Contract) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		response := recorder.Result()
		report(t, contracts, Answer{
			Method: r.Method,
			Path:   r.URL.EscapedPath(),
			Status: response.StatusCode,
			Header: response.Header,
			Body:   recorder.Body.Bytes(),
		})
		for name, values := range response.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(response.StatusCode)
		_, _ = w.Write(recorder.Body.Bytes())
	})
}

func report(t testing.TB, contracts []*Contract, a Answer) {
	t.Helper()
	for _, contract := range contracts {
		if err := contract.Check(a); err != nil {
			t.Errorf("%s %s: status %d: the answer breaks the contract:\n%v", a.Method, clip([]byte(a.Path)), a.Status, err)
		}
	}
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
