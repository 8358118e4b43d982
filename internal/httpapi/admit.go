package httpapi

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// admit finds out who asks, whether they may, and whether they may now.
func (s *Server) admit(c *call) error {
	err := c.stranger
	if err == nil {
		// Also after the look before the body, which may have taken its time:
		// a key that was revoked meanwhile must not work.
		err = s.identify(c)
	}
	switch {
	case ledger.CodeOf(err) == CodeUnauthorized:
		return s.turnAway(c, err)
	case err != nil:
		return err
	case c.route.access == write && c.key.Scope != access.Write:
		if c.signed != nil {
			return errRole
		}
		return errForbidden
	case s.rates == nil:
		return nil
	}
	return s.limitRate(c, c.key.ID)
}

// identify finds the key that stands behind the request.
func (s *Server) identify(c *call) error {
	text, ok := bearer(c.r.Header["Authorization"])
	if !ok && s.people != nil && len(c.r.Header["Authorization"]) == 0 && c.r.Header["Cookie"] != nil {
		return s.identifyUser(c)
	}
	if !ok {
		return access.ErrUnauthorized()
	}
	key, settings, err := s.directory.Authenticate(c.r.Context(), text)
	if err == nil {
		c.key, c.settings = key, settings
	}
	return err
}

// bearer returns the token of the one Authorization header.
func bearer(values []string) (string, bool) {
	const scheme = "Bearer "
	if len(values) != 1 || len(values[0]) <= len(scheme) || !strings.EqualFold(values[0][:len(scheme)], scheme) {
		return "", false
	}
	return values[0][len(scheme):], true
}

// turnAway answers a request whose key or session does not work; an address that keeps
// trying is told to wait. Requests with one that is valid never come here.
func (s *Server) turnAway(c *call, refused error) error {
	address, err := netip.ParseAddrPort(c.r.RemoteAddr)
	if err != nil {
		return refused // not over a network
	}
	if wait := s.backoff.Fail(address.Addr()); wait > 0 {
		c.w.Header()["Retry-After"] = []string{seconds(wait)}
		return ledger.Errorf(CodeTooManyRequests, "Too many requests without a valid API key; see Retry-After.")
	}
	return refused
}

// limitRate takes one request from what a key, a session or a link may make.
func (s *Server) limitRate(c *call, who string) error {
	verdict := s.rates.take(who, s.now())
	header := c.w.Header()
	header["X-Ratelimit-Limit"] = []string{strconv.Itoa(s.limits.Rate.Requests)}
	header["X-Ratelimit-Remaining"] = []string{strconv.Itoa(verdict.remaining)}
	header["X-Ratelimit-Reset"] = []string{seconds(verdict.reset)}
	if verdict.allowed {
		return nil
	}
	header["Retry-After"] = []string{seconds(max(verdict.wait, time.Second))}
	return errRateLimit
}
