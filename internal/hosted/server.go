package hosted

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

//go:embed assets
var assets embed.FS

// formMax is how large a form may be, in bytes.
const formMax = 4 << 10

// stepsFor is for how long a request has its payment go on. What is not finished then is
// finished by the worker, and the page looks again.
const stepsFor = 5 * time.Second

// policy is what a page may load: its own style, and nothing else from anywhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Config is what the pages need. All but Logger and Now is required.
type Config struct {
	Links     *Links
	Collector *collect.Collector
	Directory *access.Directory

	Logger *slog.Logger     // nil discards what is logged
	Now    func() time.Time // nil: time.Now
}

// Server answers requests under [Root], without a key: it is an http.Handler.
type Server struct {
	links     *Links
	collector *collect.Collector
	directory *access.Directory
	logger    *slog.Logger
	now       func() time.Time

	template *template.Template
	style    []byte
	styleTag string // of its bytes, in its name

	origins *http.CrossOriginProtection
	backoff *access.Backoff
	rates   *rates
}

// New returns the pages.
func New(config Config) (*Server, error) {
	if config.Links == nil || config.Collector == nil || config.Directory == nil {
		return nil, errors.New("the pages need links, a collector and a directory of businesses")
	}
	s := &Server{
		links: config.Links, collector: config.Collector, directory: config.Directory, logger: config.Logger, now: config.Now,
		origins: http.NewCrossOriginProtection(),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.backoff, s.rates = access.NewBackoff(s.now), newRates()
	if err := s.origins.AddTrustedOrigin(s.links.Origin()); err != nil {
		return nil, err
	}
	var err error
	if s.template, err = template.ParseFS(assets, "assets/page.html"); err != nil {
		return nil, err
	}
	if s.style, err = assets.ReadFile("assets/pay.css"); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(s.style)
	s.styleTag = "pay." + hex.EncodeToString(sum[:6]) + ".css"
	return s, nil
}

// visit is one request on its way.
type visit struct {
	*Server

	w http.ResponseWriter
	r *http.Request

	status int
	where  string // what was asked for, without the token
	id     string // of the invoice or setup
	cause  error
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{Server: s, w: w, r: r, where: "none"}
	started := s.now()
	defer func() {
		if panicked := recover(); panicked != nil {
			v.cause = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
			if v.status == 0 {
				v.fail(v.cause)
			}
		}
		v.log(s.now().Sub(started))
	}()
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	if err := v.serve(); err != nil {
		v.fail(err)
	}
}

// errNoPage is the one answer to a token that leads nowhere, whatever it is.
var errNoPage = ledger.Errorf(ledger.CodeNotFound, "there is no such page")

func (v *visit) serve() error {
	token, ok := strings.CutPrefix(v.r.URL.EscapedPath(), Root)
	if !ok {
		return v.unknown()
	}
	if token == "assets/"+v.styleTag {
		return v.serveStyle()
	}
	to, ok := v.links.open(token)
	if !ok {
		return v.unknown()
	}
	v.where, v.id = "invoice", to.id
	if to.kind == toSetup {
		v.where = "setup"
	}
	switch v.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		v.w.Header().Set("Allow", "GET, HEAD, POST")
		return v.show(http.StatusMethodNotAllowed, view{State: "absent", Heading: "This page can only be read and sent."})
	}
	if wait := v.rates.take(to.id, v.now()); wait > 0 {
		return v.wait(wait)
	}
	if v.r.Method == http.MethodPost {
		if err := v.readForm(); err != nil {
			return err
		}
	}
	if to.kind == toSetup {
		return v.setup(to)
	}
	return v.invoice(to)
}

// unknown answers a request for a page that there is not. An address that keeps trying is
// told to wait; whoever has a link never comes here.
func (v *visit) unknown() error {
	if address, err := netip.ParseAddrPort(v.r.RemoteAddr); err == nil {
		if wait := v.backoff.Fail(address.Addr()); wait > 0 {
			return v.wait(wait)
		}
	}
	return errNoPage
}

func (v *visit) wait(wait time.Duration) error {
	v.w.Header().Set("Retry-After", strconv.Itoa(int(max(wait, time.Second)/time.Second)))
	return v.show(http.StatusTooManyRequests, view{
		State: "absent", Heading: "Too many requests", Say: "Wait a moment and look again.", Reload: true,
	})
}

func (v *visit) serveStyle() error {
	v.where = "style"
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		return errNoPage
	}
	v.w.Header().Set("Content-Type", "text/css; charset=utf-8")
	v.w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	v.status = http.StatusOK
	_, _ = v.w.Write(v.style) // the caller is gone
	return nil
}

// refusal is a request that is answered with a page of its own.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// readForm reads a form that came from one of our own pages.
func (v *visit) readForm() error {
	if err := v.origins.Check(v.r); err != nil {
		return &refusal{http.StatusForbidden, "This was sent from another page. Open the link again, and send it from there."}
	}
	kind, _, _ := strings.Cut(v.r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		return &refusal{http.StatusUnsupportedMediaType, "This is not what the page sends."}
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, formMax)
	if err := v.r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return &refusal{http.StatusRequestEntityTooLarge, "This is more than the page sends."}
		}
		return &refusal{http.StatusBadRequest, "This is not what the page sends."}
	}
	return nil
}

// back shows the page anew, so that to load it again sends nothing again.
func (v *visit) back() error {
	path := v.r.URL.EscapedPath()
	v.w.Header().Set("Location", path[strings.LastIndexByte(path, '/')+1:])
	v.w.Header().Set("Cache-Control", "no-store")
	v.status = http.StatusSeeOther
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// url is the address of the page itself, for those who send the customer back.
func (v *visit) url() string {
	path := v.r.URL.EscapedPath()
	return v.links.URL(path[strings.LastIndexByte(path, '/')+1:])
}

// fail answers with a page that says what went wrong.
func (v *visit) fail(err error) {
	page, status := view{State: "absent"}, http.StatusInternalServerError
	var refused *refusal
	switch code := ledger.CodeOf(err); {
	case errors.As(err, &refused):
		status, page.Heading, page.Say, page.Reload = refused.status, "This did not work", refused.text, true
	case code == ledger.CodeNotFound:
		status, page.Heading = http.StatusNotFound, "There is no such page"
		page.Say = "The link is not complete, or is not valid any more."
	case code == ledger.CodeStorageUnavailable, code == ledger.CodeOverloaded, code == ledger.CodeOutcomeUnknown,
		code == ledger.CodeKeyInProgress:
		status, page.Heading, page.Reload = http.StatusServiceUnavailable, "This does not work just now", true
		page.Say = "Look again in a moment. Nothing is charged twice."
		v.w.Header().Set("Retry-After", "1")
	default:
		v.cause = err
		page.Heading, page.Reload = "Something went wrong", true
		page.Say = "Look again in a moment. Nothing is charged twice."
	}
	if err := v.show(status, page); err != nil {
		v.cause = err
	}
}

// show answers with a page.
func (v *visit) show(status int, page view) error {
	page.Style = v.styleTag
	if page.Title == "" {
		page.Title = page.Heading
	}
	var out bytes.Buffer
	if err := v.template.ExecuteTemplate(&out, "page.html", page); err != nil {
		return fmt.Errorf("show a page: %w", err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Cache-Control", "no-store")
	v.status = status
	v.w.WriteHeader(status)
	_, _ = v.w.Write(out.Bytes()) // the caller is gone
	return nil
}

// log writes one line about the request, which never has the token: whoever reads logs
// must not be able to open the page.
func (v *visit) log(took time.Duration) {
	level := slog.LevelDebug
	if v.status >= http.StatusInternalServerError && v.status != http.StatusServiceUnavailable {
		level = slog.LevelError
	}
	attributes := []slog.Attr{
		slog.String("method", method(v.r.Method)), slog.String("route", Root+"{token}"), slog.String("page", v.where),
		slog.Int("status", v.status), slog.Duration("took", took), slog.String("remote", v.r.RemoteAddr),
	}
	if v.id != "" {
		attributes = append(attributes, slog.String("id", v.id))
	}
	if v.cause != nil {
		attributes = append(attributes, slog.Any("error", v.cause))
	}
	v.logger.LogAttrs(v.ctx(), level, "request", attributes...)
}

// method keeps words that a caller made up out of logs.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return name
	}
	return "other"
}

// settled reports whether an error says that the page has moved on since it was shown, so
// that it is shown as it is now.
func settled(err error) bool {
	switch ledger.CodeOf(err) {
	case collect.CodeMethodNotAwaited, collect.CodeSetupNotOpen, billing.CodeInvoiceNotOpen:
		return true
	}
	return false
}

// host is the host that a link leads to, as a person should see it.
func host(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Host
}
