package httpapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

//go:embed portal
var portalFiles embed.FS

// portalPages are the pages of the portal. What html/template writes is escaped for where
// it stands.
var portalPages = template.Must(template.ParseFS(portalFiles, "portal/*.html"))

// portalStyle is the style of all pages, and portalStyleName has a part of its digest in
// it, so that a browser may keep the file for ever.
var portalStyle, portalStyleName = func() ([]byte, string) {
	style, err := portalFiles.ReadFile("portal/portal.css")
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(style)
	return style, "portal." + hex.EncodeToString(sum[:6]) + ".css"
}()

// The headers of pages. Nothing inline runs, and nobody frames them.
var (
	headerHTML     = []string{"text/html; charset=utf-8"}
	headerCSS      = []string{"text/css; charset=utf-8"}
	headerNoOrigin = []string{"no-referrer"}
	headerNoRobots = []string{"noindex, nofollow, noarchive"}
	headerAlways   = []string{"public, max-age=31536000, immutable"}
	headerPolicy   = []string{"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}
)

// portalPath is below which all pages of the portal are.
const portalPath = "/portal"

// sessionCookie has the token of the session in a browser, where no script can read it.
// With the prefix a browser takes it over TLS only, and from no other host.
const (
	sessionCookie       = "billfold_portal"
	sessionCookieSecure = "__Host-" + sessionCookie
)

// pageView is what every page shows around what is its own. All of it is text.
type pageView struct {
	Base  string // the path below which the server is reached
	Style string
	Title string

	Failure string // empty: a page is shown
	Back    bool   // to the portal, which may still be open

	Page     string // one of the words of pageNames
	Links    []pageLink
	Business string
	Initial  string
	Customer string
	Email    string
	TestMode bool
	Notice   string // what went wrong with what was sent

	ReturnURL string
	Ends      pageTime

	Content any // what the page itself shows
}

// pageLink leads to another page of the portal.
type pageLink struct {
	Path, Name string
	Current    bool
}

// pageTime is a time for people, and for their machines.
type pageTime struct{ Text, Machine string }

func dayOf(at time.Time) pageTime {
	return pageTime{at.UTC().Format("2 Jan 2006"), at.UTC().Format(time.RFC3339)}
}

func minuteOf(at time.Time) pageTime {
	return pageTime{at.UTC().Format("2 Jan 2006, 15:04"), at.UTC().Format(time.RFC3339)}
}

// page makes of a handler one of a page: what goes wrong is shown as one.
func page(show func(*Server, *call) error) func(*Server, *call) error {
	return func(s *Server, c *call) error {
		header := c.w.Header()
		header["Content-Security-Policy"] = headerPolicy
		header["Referrer-Policy"] = headerNoOrigin
		header["X-Robots-Tag"] = headerNoRobots
		header["X-Frame-Options"] = []string{"DENY"}
		header["Cross-Origin-Opener-Policy"] = []string{"same-origin"}
		err := show(s, c)
		if err == nil {
			return nil
		}
		refused := c.refusal(err)
		c.code, c.cause = refused.Code, err
		status := answers[refused.Code].status
		view := pageView{Base: s.basePath(), Title: "This did not work", Failure: refused.Message, Back: true}
		switch {
		case refused.Code == CodeUnauthorized && c.route.pattern == portalPath && s.portalToken(c) == "":
			view.Title, view.Back = "You are signed out", false
			view.Failure = "Open your link to come back, or ask for a new one."
		case refused.Code == CodeUnauthorized:
			view.Title, view.Back = "This link has expired", false
			view.Failure = "The session has expired, or the link is not complete. Ask for a new link."
		case status == http.StatusNotFound:
			view.Title, view.Failure = "There is no such page", "What you look for is not here, or not any more."
		case status >= http.StatusInternalServerError:
			view.Failure = "This does not work just now. Look again in a moment; nothing is charged twice."
		}
		if status == http.StatusServiceUnavailable {
			header["Retry-After"] = []string{seconds(retryAfter)}
		}
		return s.replyPage(c, status, &view)
	}
}

// basePath is the path below which people reach the server, empty for its root.
func (s *Server) basePath() string {
	parsed, err := url.Parse(s.publicURL)
	if err != nil {
		return "" // the configuration was checked
	}
	return strings.TrimRight(parsed.EscapedPath(), "/")
}

func (s *Server) replyPage(c *call, status int, view *pageView) error {
	view.Style = portalStyleName
	var out bytes.Buffer
	if err := portalPages.ExecuteTemplate(&out, "layout.html", view); err != nil {
		return err
	}
	c.replyType(status, headerHTML, out.Bytes())
	return nil
}

// handlePortalStyle answers with the style of the portal.
func (s *Server) handlePortalStyle(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if c.params[0] != portalStyleName {
		return errNoRoute
	}
	header := c.w.Header()
	header["Content-Type"], header["Cache-Control"], header["X-Content-Type-Options"] = headerCSS, headerAlways, headerNoSniff
	c.status, c.size = http.StatusOK, len(portalStyle)
	c.w.WriteHeader(http.StatusOK)
	_, c.cause = c.w.Write(portalStyle) // the caller may be gone
	return nil
}

// handlePortalLink begins the session of a link, and leads to the page that has no token
// in its address.
func (s *Server) handlePortalLink(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	token := c.params[0]
	if err := s.admitToken(c, token); err != nil {
		return err
	}
	s.setCookie(c, token, c.session.begunAt.Add(sessionTime).Sub(s.now()))
	s.leadTo(c, s.basePath()+portalPath)
	return nil
}

// leadTo leads a browser to an address, which it opens as a page of its own: to load that
// again sends nothing again.
func (s *Server) leadTo(c *call, address string) {
	c.w.Header()["Location"] = []string{address}
	c.replyType(http.StatusSeeOther, headerHTML, nil)
}

func (s *Server) setCookie(c *call, value string, lasts time.Duration) {
	cookie := http.Cookie{
		Name: sessionCookie, Value: value, Path: s.basePath() + portalPath, MaxAge: int(lasts / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if s.secure() {
		cookie.Name, cookie.Path, cookie.Secure = sessionCookieSecure, "/", true
	}
	http.SetCookie(c.w, &cookie)
}

// portalToken returns the token of the one cookie that has one. Of two, a browser has not
// said which is ours.
func (s *Server) portalToken(c *call) string {
	name := sessionCookie
	if s.secure() {
		name = sessionCookieSecure
	}
	cookies := c.r.CookiesNamed(name)
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}

// handlePortalSignOut has the browser forget the session.
func (s *Server) handlePortalSignOut(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if err := fromPage(s, c); err != nil {
		return err
	}
	s.setCookie(c, "", -time.Second)
	s.leadTo(c, s.basePath()+portalPath)
	return nil
}

// inPortal makes of a handler one for the customer whose session the browser has.
func inPortal(show func(*Server, *call) error) func(*Server, *call) error {
	return page(func(s *Server, c *call) error {
		if err := s.admitToken(c, s.portalToken(c)); err != nil {
			return err
		}
		return show(s, c)
	})
}

// pageNames are the pages of the portal, by the word in their path.
var pageNames = []struct{ word, name string }{
	{"", "Overview"}, {"history", "History"}, {"top-up", "Top up"}, {"cards", "Cards"},
	{"subscriptions", "Subscriptions"}, {"invoices", "Invoices"},
}

// showPage shows a page of the portal with what is around all of them.
func (s *Server) showPage(c *call, status int, word, notice string, customer *ledger.Customer, content any) error {
	name, err := s.businessName(c.r.Context(), c)
	if err != nil {
		return err
	}
	view := pageView{
		Base: s.basePath(), Page: word, Business: clipName(name), Initial: initialOf(name), Customer: clipName(customer.Name),
		Email: clipName(customer.Email), TestMode: c.tenant().Mode == ledger.Test, Notice: notice, ReturnURL: c.session.returnURL,
		Ends: minuteOf(c.session.begunAt.Add(sessionTime)), Content: content,
	}
	cards := s.collector.TakesCards(c.tenant(), customer.ID)
	for _, page := range pageNames {
		if page.word == "top-up" && !cards {
			continue
		}
		path := view.Base + strings.TrimRight(portalPath+"/"+page.word, "/")
		link := pageLink{Path: path, Name: page.name, Current: page.word == word}
		if link.Current {
			view.Title = page.name + " · " + view.Business
		}
		view.Links = append(view.Links, link)
	}
	return s.replyPage(c, status, &view)
}

// nameMax is how many characters of a name are shown.
const nameMax = 300

// clipName shortens a text that somebody else wrote.
func clipName(text string) string {
	if utf8.RuneCountInString(text) <= nameMax {
		return text
	}
	return string([]rune(text)[:nameMax]) + "…"
}

// initialOf is the first letter of a name, for a mark that stands for it.
func initialOf(name string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimSpace(name))
	if first == utf8.RuneError {
		return "·"
	}
	return strings.ToUpper(string(first))
}

// shown writes an amount for people, in groups of three digits: $12,345.60.
func shown(amount money.Amount, currency money.Currency) string {
	text := money.Display(amount, currency)
	begin := strings.IndexAny(text, "0123456789")
	end := begin
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	var out strings.Builder
	out.WriteString(text[:begin])
	for i := begin; i < end; i++ {
		if i > begin && (end-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteByte(text[i])
	}
	return out.String() + text[end:]
}
