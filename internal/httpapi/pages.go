package httpapi

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

//go:embed portal
var portalFiles embed.FS

// portalPage is the one page of the portal. What html/template writes is escaped for
// where it stands.
var portalPage = template.Must(template.ParseFS(portalFiles, "portal/page.html"))

// The headers of pages. Nothing inline runs, and nobody frames them.
var (
	headerHTML     = []string{"text/html; charset=utf-8"}
	headerCSS      = []string{"text/css; charset=utf-8"}
	headerNoOrigin = []string{"no-referrer"}
	headerPolicy   = []string{"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}
)

// sessionCookie has the token of the session in a browser, where no script can read it.
const sessionCookie = "billfold_portal"

// shownMax is how many entries, payments and refunds the page shows.
const shownMax = 10

// pageView is what the page shows. All of it is text.
type pageView struct {
	Base    string // the path below which the server is reached
	Title   string
	Failure string // empty: what follows

	Customer  string
	TestMode  bool
	Balances  []pageBalance
	Entries   []pageRow
	Payments  []pageRow
	Refunds   []pageRow
	ReturnURL string
	Ends      string
}

type pageBalance struct{ Currency, Available, Held string }

type pageRow struct {
	When, Text, Amount string
	Plus               bool
	Document           string
}

// page makes of a handler one of a page: what goes wrong is shown as one.
func page(show func(*Server, *call) error) func(*Server, *call) error {
	return func(s *Server, c *call) error {
		header := c.w.Header()
		header["Content-Security-Policy"] = headerPolicy
		header["Referrer-Policy"] = headerNoOrigin
		err := show(s, c)
		if err == nil {
			return nil
		}
		refused := c.refusal(err)
		c.code, c.cause = refused.Code, err
		view := pageView{Base: s.basePath(), Title: "This did not work", Failure: refused.Message}
		if refused.Code == CodeUnauthorized {
			view.Title = "This link has expired"
		}
		return s.replyPage(c, answers[refused.Code].status, &view)
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
	var out bytes.Buffer
	if err := portalPage.Execute(&out, view); err != nil {
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
	style, err := portalFiles.ReadFile("portal/style.css")
	if err != nil {
		return err
	}
	c.replyType(http.StatusOK, headerCSS, style)
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
	s.redirect(c)
	return nil
}

// redirect leads to the page.
func (s *Server) redirect(c *call) {
	c.w.Header()["Location"] = []string{s.basePath() + "/portal"}
	c.replyType(http.StatusSeeOther, headerHTML, nil)
}

func (s *Server) setCookie(c *call, value string, lasts time.Duration) {
	http.SetCookie(c.w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: s.basePath() + "/portal", MaxAge: int(lasts / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.publicURL, "https:"),
	})
}

// handlePortalSignOut has the browser forget the session.
func (s *Server) handlePortalSignOut(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if err := http.NewCrossOriginProtection().Check(c.r); err != nil {
		return errCrossOrigin
	}
	s.setCookie(c, "", -time.Second)
	s.redirect(c)
	return nil
}

// handlePortal shows a customer their wallets, and what they were billed.
func (s *Server) handlePortal(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	token := ""
	if cookie, err := c.r.Cookie(sessionCookie); err == nil {
		token = cookie.Value
	}
	if err := s.admitToken(c, token); err != nil {
		return err
	}
	view, err := s.pageView(c.r.Context(), c)
	if err != nil {
		return err
	}
	return s.replyPage(c, http.StatusOK, view)
}

func (s *Server) pageView(ctx context.Context, c *call) (*pageView, error) {
	store, tenant, id := s.book.Store(), c.tenant(), c.session.customerID
	name, err := s.businessName(ctx, c)
	if err != nil {
		return nil, err
	}
	now := s.book.Now()
	list, err := store.Wallets(ctx, tenant, id, now)
	if err != nil {
		return nil, err
	}
	view := &pageView{
		Base: s.basePath(), Title: name, Customer: list.Customer.Name + " · " + list.Customer.Email,
		TestMode: tenant.Mode == ledger.Test, ReturnURL: c.session.returnURL, Ends: when(c.session.begunAt.Add(sessionTime)),
	}
	for _, wallet := range withEmptyWallets(list, c.settings.Currencies) {
		balance := pageBalance{
			Currency: string(wallet.Currency), Available: money.Display(wallet.Available(list.Chain.At(now)), wallet.Currency),
		}
		if wallet.Held > 0 {
			balance.Held = money.Display(wallet.Held, wallet.Currency)
		}
		view.Balances = append(view.Balances, balance)
	}
	entries, err := store.Entries(ctx, tenant, id, ledger.EntryFilter{}, ledger.Page{Limit: shownMax})
	if err != nil {
		return nil, err
	}
	for i := range entries.Entries {
		view.Entries = append(view.Entries, entryRow(&entries.Entries[i]))
	}
	return view, s.addDocuments(ctx, c, view)
}

// addDocuments adds what the customer was billed, and what of it went back.
func (s *Server) addDocuments(ctx context.Context, c *call, view *pageView) error {
	page := ledger.ObjectPage{Limit: shownMax}
	filter := ledger.ObjectFilter{Kind: collect.Invoices, CustomerID: c.session.customerID}
	invoices, _, err := findObjects(ctx, s.book.Store(), c.tenant(), filter, page, collect.InvoiceOf, nil)
	if err != nil {
		return err
	}
	for _, i := range invoices {
		currency, wallet := i.Collection.Currency, i.Collection.Tender.Wallet
		text := strings.ReplaceAll(string(i.Status()), "_", " ")
		if len(i.Items) > 0 && i.Items[0].Name != "" {
			text = i.Items[0].Name + ", " + text
		}
		if i.Status() == collect.Succeeded && wallet > 0 {
			text += ", " + money.Display(wallet, currency) + " from the wallet"
		}
		view.Payments = append(view.Payments, pageRow{
			When: when(i.CreatedAt), Text: text, Amount: money.Display(i.Collection.Total, currency),
			Document: view.Base + s.documentPath("payments", c.tenant(), i.PaymentID()),
		})
	}
	filter.Kind = collect.Refunds
	refunds, _, err := findObjects(ctx, s.book.Store(), c.tenant(), filter, page, collect.RefundOf, nil)
	for _, r := range refunds {
		view.Refunds = append(view.Refunds, pageRow{
			When: when(r.CreatedAt), Text: string(r.Status()), Amount: money.Display(r.Amount(), r.Currency),
			Document: view.Base + s.documentPath("refunds", c.tenant(), r.ID),
		})
	}
	return err
}

func entryRow(e *ledger.Entry) pageRow {
	row := pageRow{When: when(e.CreatedAt), Text: e.Reason, Amount: money.Display(-e.Amount, e.Currency)}
	if row.Text == "" {
		row.Text = strings.ReplaceAll(string(e.EventType), "_", " ")
	}
	if e.Direction == ledger.Credit {
		row.Plus, row.Amount = true, "+"+money.Display(e.Amount, e.Currency)
	}
	return row
}

func when(at time.Time) string { return at.UTC().Format("2 Jan 2006, 15:04") }
