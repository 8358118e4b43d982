package hosted

import (
	"html/template"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// view is what a page shows. Its texts are escaped by the template.
type view struct {
	Style, Title string
	State        string // names its look
	Refresh      int    // after so many seconds, 0: never

	Business, Initial string
	Test              bool

	Heading, Say, Notice string
	Total                string
	Lines                []line
	Sum                  string
	Wallet, Card         string
	Surplus, CardName    string

	Choices, More []choice
	MayKeep       bool
	AtProcessor   bool
	Button        string
	Authenticate  bool
	GoTo          template.URL // of the card processor
	GoToHost      string

	Until, UntilAt     string
	Return, ReturnHost string
	Reload             bool
	Reference          string
}

// line is a line of an invoice.
type line struct {
	Name, Description string
	Quantity          int64
	Amount            string
}

// choice is a card of the sandbox.
type choice struct {
	Token, Name, Says string
	Chosen            bool
}

// textMax is how many characters of a name are shown.
const textMax = 300

// clip shortens a text for people.
func clip(text string) string {
	if utf8.RuneCountInString(text) <= textMax {
		return text
	}
	return string([]rune(text)[:textMax]) + "…"
}

// amountOf writes an amount for people, in groups of three digits: 12,345.60 USD.
func amountOf(amount money.Amount, currency money.Currency) string {
	text := money.Format(amount, currency)
	end := strings.IndexAny(text, ". ")
	whole, rest := text[:end], text[end:]
	var out strings.Builder
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 && whole[i-1] != '-' {
			out.WriteByte(',')
		}
		out.WriteRune(digit)
	}
	return out.String() + rest
}

// choices are the cards of the sandbox, the usual ones and more of them.
func choices() (usual, more []choice) {
	for i, card := range processor.SandboxCards() {
		c := choice{Token: card.Token, Name: card.Name, Says: card.Says, Chosen: i == 0}
		if card.Usual {
			usual = append(usual, c)
		} else {
			more = append(more, c)
		}
	}
	return usual, more
}

// business says whose page it is.
func (v *view) business(name string, test bool) {
	v.Business, v.Test = clip(name), test
	initial, _ := utf8.DecodeRuneInString(strings.TrimSpace(name))
	if v.Initial = strings.ToUpper(string(initial)); initial == utf8.RuneError {
		v.Initial = "·"
	}
}

// until says until when the page can be used.
func (v *view) until(at time.Time) {
	v.UntilAt = at.UTC().Format(time.RFC3339)
	v.Until = at.UTC().Format("2 January 2006, 15:04") + " UTC"
}

// goBack has the customer go on to an address after the page, which shows its host.
func (v *view) goBack(address string) {
	if address != "" && collect.ReturnURL(address) == nil {
		v.Return, v.ReturnHost = address, host(address)
	}
}

// lines shows what an invoice is for.
func (v *view) lines(i *collect.Invoice) {
	currency := i.Collection.Currency
	for _, item := range i.Items {
		name := item.Name
		if name == "" {
			name = item.ID
		}
		v.Lines = append(v.Lines, line{clip(name), clip(item.Description), item.Quantity, amountOf(item.Amount, currency)})
	}
	if len(v.Lines) > 1 || i.Collection.Tender != (billing.Tender{}) {
		v.Sum = amountOf(i.Collection.Total, currency)
	}
}

// tender shows what the wallet pays and what the card.
func (v *view) tender(tender billing.Tender, currency money.Currency) {
	for _, part := range []struct {
		amount money.Amount
		into   *string
	}{{tender.Wallet, &v.Wallet}, {tender.Card, &v.Card}, {tender.Surplus, &v.Surplus}} {
		if part.amount > 0 {
			*part.into = amountOf(part.amount, currency)
		}
	}
}
