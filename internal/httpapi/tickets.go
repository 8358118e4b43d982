package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// tickets let somebody in who has no API key: a customer into the portal, and whoever
// was given the link of a document to that document. Both rest on the installation's
// secret alone. So nothing stands in the database with which somebody could get in, every
// instance knows a ticket at once, and all end when the secret has changed twice.
type tickets struct {
	sessions *sealer
	links    [][sha256.Size]byte // keys of the codes of links, of which the first makes them
	forms    [][sha256.Size]byte // and of the keys of forms
}

const (
	sessionUse = "billfold.portal_session.v1\x00"
	linkUse    = "billfold.document_link.v1\x00"
)

func newTickets(secret []byte, old ...[]byte) (tickets, error) {
	sessions, err := newSealer(sessionUse, secret, old...)
	t := tickets{sessions: sessions}
	for _, secret := range append([][]byte{secret}, old...) {
		t.links = append(t.links, sha256.Sum256(append([]byte(linkUse), secret...)))
		t.forms = append(t.forms, sha256.Sum256(append([]byte(formUse), secret...)))
	}
	return t, err
}

// session is what lets a customer into the portal.
type session struct {
	tenant     ledger.Tenant
	customerID string
	begunAt    time.Time
	returnURL  string // where the portal leads back to, empty for nowhere
}

const (
	// sessionTime is how long a session lasts.
	sessionTime = 24 * time.Hour

	// sessionAhead is by how much the clock of the instance that began a session may be
	// ahead of this one's.
	sessionAhead = 5 * time.Minute

	// tokenMax is more than any token is long: about 300 characters, and 4/3 of a returnURL.
	tokenMax = 2048

	sessionParts = 5
)

// token returns the text that stands for a session. Sealed in it is who may see what, and
// with the 96 random bits of its seal no two are equal.
func (t *tickets) token(s *session) string {
	return t.sessions.sealText(strings.Join([]string{
		string(s.tenant.Mode), s.tenant.BusinessID, s.customerID, strconv.FormatInt(s.begunAt.UnixMicro(), 10), s.returnURL,
	}, "\n"), sessionUse)
}

// session returns the session that a token stands for at a time.
func (t *tickets) session(token string, now time.Time) (session, bool) {
	if len(token) > tokenMax {
		return session{}, false
	}
	text, err := t.sessions.unseal(token, sessionUse)
	parts := strings.SplitN(text, "\n", sessionParts)
	if err != nil || len(parts) != sessionParts {
		return session{}, false
	}
	begun, err := strconv.ParseInt(parts[3], 10, 64)
	s := session{
		tenant:     ledger.Tenant{Mode: ledger.Mode(parts[0]), BusinessID: parts[1]},
		customerID: parts[2], begunAt: time.UnixMicro(begun).UTC(), returnURL: parts[4],
	}
	return s, err == nil && now.Before(s.begunAt.Add(sessionTime)) && now.After(s.begunAt.Add(-sessionAhead))
}

// linkParts is how many parts the code of a link has.
const linkParts = 3

// link returns the code with which a document of a tenant is shown to whoever has it: the
// tenant, and a signature over it and the document.
func (t *tickets) link(tenant ledger.Tenant, document string) string {
	signature := base64.RawURLEncoding.EncodeToString(sign(t.links[0], tenant, document))
	return string(tenant.Mode) + "." + tenant.BusinessID + "." + signature
}

// linked returns the tenant of a document for which a code was given out.
func (t *tickets) linked(code, document string) (ledger.Tenant, bool) {
	parts := strings.Split(code, ".")
	if len(code) > tokenMax || len(parts) != linkParts {
		return ledger.Tenant{}, false
	}
	tenant := ledger.Tenant{Mode: ledger.Mode(parts[0]), BusinessID: parts[1]}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	for _, key := range t.links {
		if err == nil && hmac.Equal(signature, sign(key, tenant, document)) {
			return tenant, true
		}
	}
	return ledger.Tenant{}, false
}

// sign signs a document of a tenant. No part of it has a line feed.
func sign(key [sha256.Size]byte, tenant ledger.Tenant, document string) []byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(string(tenant.Mode) + "\n" + tenant.BusinessID + "\n" + document))
	return mac.Sum(nil)
}

// admitCustomer finds the customer whose session a request of the portal carries.
func (s *Server) admitCustomer(c *call) error {
	token, _ := bearer(c.r.Header["Authorization"])
	return s.admitToken(c, token)
}

// admitToken lets the customer of a session in.
func (s *Server) admitToken(c *call, token string) error {
	err := s.enter(c, token)
	switch {
	case errors.Is(err, errSession):
		return s.turnAway(c, errSession)
	case err != nil || s.rates == nil:
		return err
	}
	return s.limitRate(c, "session "+c.session.customerID)
}

// enter makes the session of a token that of the call.
func (s *Server) enter(c *call, token string) error {
	found, ok := s.tickets.session(token, s.now())
	if !ok {
		return errSession
	}
	revoked, err := s.collector.PortalRevoked(c.r.Context(), found.tenant, found.customerID)
	if err != nil {
		return err
	}
	if !found.begunAt.After(revoked) {
		return errSession
	}
	c.session, c.key.Tenant = &found, found.tenant
	return s.takeSettings(c)
}

// takeSettings reads the settings of a call's tenant that no key has brought.
func (s *Server) takeSettings(c *call) error {
	settings, err := s.directory.Settings(c.r.Context(), c.tenant())
	c.settings = &settings
	return err
}

// paramToken is the query parameter in which the link of a document has its code.
const paramToken = "token"

// admitReader lets somebody read a document: whoever has its link, the customer in the
// portal, or an API key. The published API asks for nothing here. Ids stand in logs,
// e-mails and web addresses, and tell when something was bought: they are no secrets.
func (s *Server) admitReader(c *call) error {
	if code := c.r.URL.Query().Get(paramToken); code != "" {
		tenant, ok := s.tickets.linked(code, c.params[0])
		if !ok {
			return s.turnAway(c, access.ErrUnauthorized())
		}
		c.key.Tenant, c.linked = tenant, true
		if s.rates == nil {
			return nil
		}
		return s.limitRate(c, "document "+c.params[0])
	}
	token, _ := bearer(c.r.Header["Authorization"])
	if _, ok := s.tickets.session(token, s.now()); ok {
		return s.admitToken(c, token)
	}
	return s.admit(c)
}

// documentURL is the address at which whoever has it can read a document.
func (s *Server) documentURL(kind string, tenant ledger.Tenant, id string) string {
	return s.publicURL + s.documentPath(kind, tenant, id)
}

func (s *Server) documentPath(kind string, tenant ledger.Tenant, id string) string {
	return "/invoices/" + kind + "/" + id + "?" + paramToken + "=" + url.QueryEscape(s.tickets.link(tenant, id))
}

// businessName is the name of a call's business.
func (s *Server) businessName(ctx context.Context, c *call) (string, error) {
	business, err := s.directory.Business(ctx, c.tenant().BusinessID)
	return business.Name, err
}
