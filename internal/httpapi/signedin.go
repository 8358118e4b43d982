package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// Headers of the dashboard. No page of another site can send them: a browser would ask
// first whether it may, and is never told so.
const (
	headerDashboard = "Billfold-Dashboard" // "1"
	headerMode      = "Billfold-Mode"      // "test" or "live"
	headerBusiness  = "Billfold-Business"  // needed by those who are in several teams
)

// personCookie has the token of a user's session, where no script can read it. With the
// prefix a browser takes it over TLS only, and from no other host.
const (
	personCookie       = "billfold_session"
	personCookieSecure = "__Host-" + personCookie
)

// signed is the user who asks, with the token of their session. Role is theirs in the
// business that they ask about, empty where they ask about none.
type signed struct {
	people.Signed
	token    string
	business string
	role     people.Role
}

var (
	errNobody     = ledger.Errorf(CodeUnauthorized, "You are not signed in, or not any more.")
	errNoMode     = ledger.Errorf(CodeUnauthorized, "Whoever is signed in says in %s whether it is test or live.", headerMode)
	errNoBusiness = ledger.Errorf(CodeUnauthorized, "You are in no team of the business that %s names, or in several and it names none.", headerBusiness)
	errSignIns    = ledger.Errorf(CodeTooManyRequests, "Too many tries to sign in from this address; see Retry-After.")
)

// fromDashboard refuses what another website has a browser send, and what no dashboard
// has sent.
func fromDashboard(s *Server, c *call) error {
	if given := c.r.Header[headerDashboard]; len(given) != 1 || given[0] != "1" {
		return errCrossOrigin
	}
	switch site := c.r.Header["Sec-Fetch-Site"]; {
	case len(site) == 1 && site[0] == "same-origin":
		return nil
	case len(site) > 0:
		return errCrossOrigin
	}
	// Browsers tell less of the origin where there is no TLS.
	origin := c.r.Header["Origin"]
	if len(origin) == 0 {
		return nil
	}
	from, err := url.Parse(origin[0])
	if err == nil && len(origin) == 1 && from.Host != "" && (from.Host == c.r.Host || from.Host == s.publicHost()) {
		return nil
	}
	return errCrossOrigin
}

func (s *Server) publicHost() string {
	parsed, err := url.Parse(s.publicURL)
	if err != nil {
		return "" // the configuration was checked
	}
	return parsed.Host
}

// secure reports whether people reach the server over TLS.
func (s *Server) secure() bool { return strings.HasPrefix(s.publicURL, "https:") }

func (s *Server) personCookie() string {
	if s.secure() {
		return personCookieSecure
	}
	return personCookie
}

// setPerson has the browser keep the token of a session, or forget it.
func (s *Server) setPerson(c *call, token string, lasts time.Duration) {
	http.SetCookie(c.w, &http.Cookie{
		Name: s.personCookie(), Value: token, Path: "/", MaxAge: int(lasts / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.secure(),
	})
}

// personToken returns the token of the one cookie that has one. Of two, a browser has not
// said which is ours.
func (s *Server) personToken(c *call) string {
	cookies := c.r.CookiesNamed(s.personCookie())
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}

// identifyPerson finds the user who is signed in, for a route of the dashboard.
func (s *Server) identifyPerson(c *call) error {
	if err := fromDashboard(s, c); err != nil {
		return err
	}
	return s.authenticate(c)
}

func (s *Server) authenticate(c *call) error {
	token := s.personToken(c)
	if token == "" {
		return errNobody
	}
	found, err := s.people.Authenticate(c.r.Context(), token)
	if err != nil {
		return err
	}
	found.Address = c.actor().Address
	c.signed = &signed{Signed: found, token: token}
	c.key.ID = found.User.ID
	return nil
}

// identifyUser finds the user who stands behind a request to the API. Whatever another
// site may have had sent counts as sent by nobody.
func (s *Server) identifyUser(c *call) error {
	if err := fromDashboard(s, c); err != nil {
		return access.ErrUnauthorized()
	}
	mode := c.r.Header[headerMode]
	if len(mode) != 1 || !ledger.Mode(mode[0]).Valid() {
		return errNoMode
	}
	if err := s.authenticate(c); err != nil {
		return err
	}
	if err := c.chooseBusiness(); err != nil {
		return err
	}
	c.key = access.Key{
		ID: c.signed.User.ID, Tenant: ledger.Tenant{BusinessID: c.signed.business, Mode: ledger.Mode(mode[0])},
		Scope: access.Read,
	}
	if c.signed.role.May(c.route.area) {
		c.key.Scope = access.Write
	}
	return s.takeSettings(c)
}

// chooseBusiness finds the business that a user asks about, and their role in it.
func (c *call) chooseBusiness() error {
	roles, named := c.signed.User.Roles, c.r.Header[headerBusiness]
	switch {
	case len(named) == 1:
		c.signed.business = named[0]
	case len(named) == 0 && len(roles) == 1:
		for id := range roles {
			c.signed.business = id
		}
	}
	if c.signed.role = roles[c.signed.business]; !c.signed.role.Valid() {
		return errNoBusiness
	}
	return nil
}

// admitVisitor lets in whoever is in the dashboard.
func (s *Server) admitVisitor(c *call) error {
	if c.stranger != nil {
		return c.stranger
	}
	return fromDashboard(s, c)
}

// admitPerson lets a user in who is signed in, and may change what the route changes.
func (s *Server) admitPerson(c *call) error {
	err := c.stranger
	if err == nil {
		err = s.identifyPerson(c)
	}
	switch {
	case errors.Is(err, errNobody): // a browser that has no session yet asks whether it has one
		return err
	case ledger.CodeOf(err) == CodeUnauthorized:
		s.setPerson(c, "", -time.Second)
		return s.turnAway(c, err)
	case err != nil:
		return err
	}
	if s.rates != nil {
		if err := s.limitRate(c, c.signed.User.ID); err != nil {
			return err
		}
	}
	if c.route.area == people.Team || strings.HasPrefix(c.route.pattern, dashboardPrefix+"/team") ||
		strings.HasPrefix(c.route.pattern, dashboardPrefix+"/invitations") {
		return c.admitMember()
	}
	return nil
}

// admitMember lets a user in who asks about the team of a business.
func (c *call) admitMember() error {
	if err := c.chooseBusiness(); err != nil {
		return err
	}
	c.key.Tenant = ledger.Tenant{BusinessID: c.signed.business, Mode: ledger.Live} // a team has no modes
	if c.route.area != "" && !c.signed.role.May(c.route.area) {
		return errRole
	}
	return nil
}

// countSignIn counts one who gives a password. To look whether it is right takes the
// processor for a while, so that an address has only so many.
func (s *Server) countSignIn(c *call) error {
	address, err := netip.ParseAddrPort(c.r.RemoteAddr)
	if err != nil {
		return nil // not over a network
	}
	if wait := s.signIns.Fail(address.Addr()); wait > 0 {
		c.w.Header()["Retry-After"] = []string{seconds(wait)}
		return errSignIns
	}
	return nil
}

// waited tells in the header how long a refusal asks to wait.
func (c *call) waited(err error) error {
	var waiting *people.Waiting
	if errors.As(err, &waiting) {
		c.w.Header()["Retry-After"] = []string{seconds(max(waiting.For, time.Second))}
	}
	return err
}
