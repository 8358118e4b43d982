package cli

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// An address in X-Forwarded-For counts while every hop after it is a trusted proxy. Nobody
// else gets another address by sending the header.
func TestOnlyTrustedProxiesNameTheCaller(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trusted, peer string
		forwarded     []string
		want          string
	}{
		"nobody is trusted":     {"", "10.0.0.1:5", []string{"203.0.113.7"}, "10.0.0.1:5"},
		"a stranger":            {"10.0.0.0/8", "198.51.100.1:5", []string{"203.0.113.7"}, "198.51.100.1:5"},
		"one proxy":             {"10.0.0.0/8", "10.0.0.1:5", []string{"203.0.113.7"}, "203.0.113.7:5"},
		"what the caller sent":  {"10.0.0.0/8", "10.0.0.1:5", []string{"192.0.2.1, 203.0.113.7"}, "203.0.113.7:5"},
		"two proxies":           {"10.0.0.1,10.0.0.2", "10.0.0.1:5", []string{"192.0.2.1", "203.0.113.7, 10.0.0.2"}, "203.0.113.7:5"},
		"proxies all the way":   {"10.0.0.0/8", "10.0.0.1:5", []string{"10.0.0.9"}, "10.0.0.9:5"},
		"no header":             {"10.0.0.1", "10.0.0.1:5", nil, "10.0.0.1:5"},
		"garbage":               {"10.0.0.1", "10.0.0.1:5", []string{"203.0.113.7, unknown"}, "10.0.0.1:5"},
		"with a port":           {"10.0.0.1", "10.0.0.1:5", []string{"203.0.113.7:443"}, "203.0.113.7:5"},
		"IPv6":                  {"fd00::/8", "[fd00::1]:5", []string{"2001:db8::7"}, "[2001:db8::7]:5"},
		"IPv4 over an IPv6 one": {"10.0.0.1", "[::ffff:10.0.0.1]:5", []string{"203.0.113.7"}, "203.0.113.7:5"},
	} {
		var trusted proxies
		if err := trusted.Set(test.trusted); err != nil {
			t.Fatal(err)
		}
		sent := httptest.NewRequest(http.MethodGet, "/", nil)
		sent.RemoteAddr, sent.Header["X-Forwarded-For"] = test.peer, test.forwarded
		got := ""
		trusted.behind(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).
			ServeHTTP(httptest.NewRecorder(), sent)
		if got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
	for _, wrong := range []string{"10.0.0.0/33", "proxy.example.com", "fe80::1%eth0"} {
		if err := new(proxies).Set(wrong); err == nil {
			t.Errorf("%s: got no error, want one", wrong)
		}
	}
}
