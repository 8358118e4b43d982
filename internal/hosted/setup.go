package hosted

import (
	"net/http"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// setup answers about the page on which a card is saved.
func (v *visit) setup(to page) error {
	s, err := v.collector.Setup(v.ctx(), to.tenant, to.id)
	if err != nil {
		return err
	}
	if v.r.Method == http.MethodPost {
		return v.changeSetup(s)
	}
	if s.Awaits(v.now()) && s.Session != "" {
		done, err := v.collector.FinishSetup(v.ctx(), s)
		if err != nil && !settled(err) {
			v.logger.Warn("a card processor did not say what became of a customer", "setup", s.ID, "error", err)
		}
		if done {
			if s, err = v.collector.Setup(v.ctx(), to.tenant, to.id); err != nil {
				return err
			}
		}
	}
	if s.State == collect.SetupComplete && s.SubscriptionID != "" {
		if err := v.collector.CompleteSetup(v.ctx(), s, s.Method); err != nil {
			v.logger.Warn("a subscription was not told of its card", "setup", s.ID, "error", err)
		}
	}
	return v.showSetup(http.StatusOK, s, "")
}

func (v *visit) attended(s *collect.Setup) collect.Attended {
	return v.collector.Attended(&collect.Invoice{Tenant: s.Tenant, CustomerID: s.CustomerID})
}

// changeSetup does what the customer has sent.
func (v *visit) changeSetup(s *collect.Setup) error {
	if v.r.PostForm.Get("do") != "card" {
		return &refusal{http.StatusUnprocessableEntity, "This is not what the page sends."}
	}
	if !s.Awaits(v.now()) {
		return v.back()
	}
	attended := v.attended(s)
	if attended.Hosted != nil {
		return v.goToProcessor(s.Tenant, s.ID)
	}
	token := v.r.PostForm.Get("method")
	if attended.Sandbox == nil || !processor.SandboxToken(token) {
		return v.showSetup(http.StatusUnprocessableEntity, s, "Choose one of the cards.")
	}
	err := v.collector.CompleteSetup(v.ctx(), s, collect.Method{
		Processor: "sandbox", Token: token, Recurring: true, Card: collect.SandboxCard(token),
	})
	switch {
	case ledger.CodeOf(err) == ledger.CodeLimitReached:
		return v.showSetup(http.StatusUnprocessableEntity, s, "You have as many saved cards as may be.")
	case err != nil && !settled(err):
		return err
	}
	return v.back()
}

// showSetup shows a setup as it is.
func (v *visit) showSetup(status int, s *collect.Setup, notice string) error {
	business, err := v.directory.Business(v.ctx(), s.Tenant.BusinessID)
	if err != nil {
		return err
	}
	page := view{Notice: notice, Reference: s.ID}
	page.business(business.Name, s.Tenant.Mode == ledger.Test)
	page.goBack(s.ReturnURL)
	switch {
	case s.State == collect.SetupComplete:
		page.State, page.Heading, page.Say = saved, "Card saved", "Nothing was charged. It can be used for later payments."
		if last := s.Method.Card.LastFour; last != "" {
			page.Say = "The card ending in " + last + " can be used for later payments. Nothing was charged."
		}
		if s.SubscriptionID != "" {
			page.Say = "Your subscription is paid by it from now on, and so is what was due."
		}
	case !s.Awaits(v.now()):
		page.State, page.Heading, page.Say = expired, "This link has expired", "No card was saved. Ask for a new link."
	default:
		page.State, page.Heading, page.Button = awaiting, "Save a card for later payments", "Save this card"
		page.Say = "Nothing is charged now."
		if s.SubscriptionID != "" {
			page.Heading, page.Say = "Pay your subscription by another card", "Only what is due already is charged now."
		}
		page.until(s.ExpiresAt)
		if err := v.askForCard(&page, v.attended(s)); err != nil {
			return err
		}
	}
	page.Title = page.Heading + " · " + page.Business
	return v.show(status, page)
}
