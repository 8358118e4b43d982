package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

const formUse = "billfold.portal_form.v1\x00"

// formMax is how large a form of the portal may be, in bytes.
const formMax = 4 << 10

// fieldKey is the field of a form with its key, see [Server.formKey].
const fieldKey = "key"

// changesPerMinute is how often a customer may have something changed in the portal. It
// is far more than a person does, and keeps one from filling a ledger with invoices.
const changesPerMinute = 30

var (
	errFormOld  = ledger.Errorf(CodeForbidden, "This page was opened too long ago, or before another link. Open it anew, and send it from there.")
	errFormKind = ledger.Errorf(CodeUnsupportedMediaType, "This is not what the page sends.")
)

// fromPage refuses what another website has a browser send. A page that gives no referrer
// has the origin "null", and a browser that reaches the server without TLS says no more:
// the key of the form has to do then.
func fromPage(s *Server, c *call) error {
	if site := c.r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		if len(site) == 1 && site[0] == "same-origin" {
			return nil
		}
		return errCrossOrigin
	}
	origin := c.r.Header["Origin"]
	if len(origin) == 0 || len(origin) == 1 && origin[0] == "null" {
		return nil
	}
	from, err := url.Parse(origin[0])
	if err == nil && len(origin) == 1 && from.Host != "" && (from.Host == c.r.Host || from.Host == s.publicHost()) {
		return nil
	}
	return errCrossOrigin
}

// formKey returns the key of a form that is shown now: an id, and a signature over it, the
// session and what the form does. So it is of no use to another session or form, nobody
// else can make one, and what is sent twice has the same id.
func (s *Server) formKey(c *call, action string) string {
	id := s.book.NewID("")
	return id + "." + base64.RawURLEncoding.EncodeToString(signForm(s.tickets.forms[0], s.portalToken(c), action, id))
}

// formID returns the id of a form's key, if we have given it to this session.
func (s *Server) formID(c *call, action, key string) (string, bool) {
	id, code, _ := strings.Cut(key, ".")
	given, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if err != nil {
		return "", false
	}
	for _, of := range s.tickets.forms {
		if hmac.Equal(given, signForm(of, s.portalToken(c), action, id)) {
			return id, true
		}
	}
	return "", false
}

// signForm signs the key of a form. None of its parts has a line feed.
func signForm(key [sha256.Size]byte, session, action, id string) []byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(session + "\n" + action + "\n" + id))
	return mac.Sum(nil)
}

// portalForm is a form that a customer has sent.
type portalForm struct {
	id     string // the same one when it is sent again
	values url.Values
}

func (f *portalForm) get(name string) string { return f.values.Get(name) }

// noticeError is what is said above a form that could not be carried out.
type noticeError struct{ text string }

func (e *noticeError) Error() string { return e.text }

// notices say to customers what the refusals mean that they may meet.
var notices = map[ledger.Code]string{
	ledger.CodeKeyReused:             "This form was sent before with something else, so nothing was done now. Look below, and send it again if you still want to.",
	ledger.CodeCustomerNotActive:     "Your account is frozen at the moment.",
	ledger.CodeBalanceLimit:          "Your wallet cannot hold as much as that.",
	ledger.CodeLimitReached:          "You have as many saved cards as may be. Remove one first.",
	collect.CodeMethodInUse:          "A subscription is paid with this card. Choose another card for it, and remove this one then.",
	billing.CodeSubscriptionInactive: "This subscription is not active.",
	billing.CodeSubscriptionExpired:  "This subscription has ended.",
	billing.CodePaymentPending:       "A payment of this subscription is on its way. Try again in a moment.",
}

// inForm makes of a function the handler of a form of the portal. What it refuses, the
// page says above the form that is shown again.
func inForm(
	action string, do func(*Server, *call, *portalForm) error, again func(*Server, *call, int, string) error,
) func(*Server, *call) error {
	return page(func(s *Server, c *call) error {
		if err := c.noQuery(); err != nil {
			return err
		}
		if err := fromPage(s, c); err != nil {
			return err
		}
		if err := s.admitToken(c, s.portalToken(c)); err != nil {
			return err
		}
		if verdict := s.changes.take(c.tenant().BusinessID+" "+c.session.customerID, s.now()); !verdict.allowed {
			c.w.Header()["Retry-After"] = []string{seconds(verdict.wait)}
			return errRateLimit
		}
		form, err := s.readForm(c, action)
		if err == nil {
			err = do(s, c, form)
		}
		if err == nil {
			return nil
		}
		var told *noticeError
		if errors.As(err, &told) {
			return again(s, c, http.StatusUnprocessableEntity, told.text)
		}
		code := ledger.CodeOf(err)
		if text, ok := notices[code]; ok {
			c.code = code
			return again(s, c, answers[code].status, text)
		}
		return err
	})
}

// readForm reads a form that one of our pages has sent.
func (s *Server) readForm(c *call, action string) (*portalForm, error) {
	if !contentType(c.r.Header["Content-Type"], "application/x-www-form-urlencoded") {
		return nil, errFormKind
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, formMax)
	if err := c.r.ParseForm(); err != nil {
		if refused := bodyError(err); ledger.CodeOf(refused) != CodeInvalidRequestBody {
			return nil, refused
		}
		return nil, errFormKind
	}
	id, ok := s.formID(c, action, c.r.PostForm.Get(fieldKey))
	if !ok {
		return nil, errFormOld
	}
	return &portalForm{id, c.r.PostForm}, nil
}
