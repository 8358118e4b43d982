package httpapi

import (
	"net/http"
	"strings"

	"github.com/billfold/billfold/internal/collect"
)

// portalCard is a saved card as its customer sees it.
type portalCard struct {
	ID, Name string
	Expires  string
	Added    pageTime
	Fits     bool // it can be charged
	Away     bool // also while the customer is away
	Key      string
}

// cardsView is the page of saved cards.
type cardsView struct {
	Add, Remove string // where its forms are sent
	AddKey      string
	MayAdd      bool
	Cards       []portalCard
}

// The forms about saved cards.
const (
	addAction    = "card"
	removeAction = "card removal"
)

// portalCards are the customer's saved cards, newest first.
func (s *Server) portalCards(c *call) (cards []portalCard, err error) {
	methods, err := s.collector.Methods(c.r.Context(), c.tenant(), c.session.customerID)
	if err != nil {
		return nil, err
	}
	for i := range methods {
		method := &methods[i]
		card := portalCard{
			ID: method.ID, Name: cardName(&method.Card), Added: dayOf(method.CreatedAt), Fits: c.methodFits(method, "") == nil,
			Away: method.Recurring,
			Key:  s.formKey(c, removeAction),
		}
		if method.Card.ExpiryMonth != "" && method.Card.ExpiryYear != "" {
			card.Expires = method.Card.ExpiryMonth + "/" + method.Card.ExpiryYear
		}
		cards = append(cards, card)
	}
	return cards, nil
}

// cardName is what a card is called: Visa ending in 4242.
func cardName(card *collect.Card) string {
	name := "Card"
	if network := card.Network; network != "" {
		name = clipName(strings.ToUpper(network[:1]) + network[1:])
	}
	if card.LastFour != "" {
		name += " ending in " + card.LastFour
	}
	return name
}

// cardOf is one of the customer's saved cards that can be charged.
func (s *Server) cardOf(c *call, id string) (method collect.Method, err error) {
	methods, err := s.collector.Methods(c.r.Context(), c.tenant(), c.session.customerID)
	if err != nil {
		return method, err
	}
	for _, method := range methods {
		if method.ID == id && c.methodFits(&method, "") == nil {
			return method, nil
		}
	}
	return method, &noticeError{"Choose one of the cards."}
}

// handlePortalCards shows the customer's saved cards.
func (s *Server) handlePortalCards(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	return s.showCards(c, http.StatusOK, "")
}

func (s *Server) showCards(c *call, status int, notice string) error {
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), c.session.customerID)
	if err != nil {
		return err
	}
	path := s.basePath() + portalPath + "/cards"
	view := cardsView{Add: path, Remove: path + "/remove", AddKey: s.formKey(c, addAction)}
	view.MayAdd = s.collector.TakesCards(c.tenant(), customer.ID)
	if view.Cards, err = s.portalCards(c); err != nil {
		return err
	}
	return s.showPage(c, status, "cards", notice, &customer, view)
}

// addCard leads to a page on which a card is saved without a charge. The same form makes
// one page.
func (s *Server) addCard(c *call, form *portalForm) error {
	id := c.session.customerID
	if !s.collector.TakesCards(c.tenant(), id) {
		return errNotFound
	}
	setup := collect.Setup{
		ID: collect.SetupIDPrefix + form.id, Tenant: c.tenant(), CustomerID: id, ExpiresAt: s.book.Now().Add(collect.SetupLives),
	}
	if back := s.publicURL + portalPath + "/cards"; collect.ReturnURL(back) == nil {
		setup.ReturnURL = back
	}
	if err := s.collector.OpenSetup(c.r.Context(), setup); err != nil {
		return err
	}
	s.leadTo(c, s.links.URL(s.links.Setup(c.tenant(), setup.ID)))
	return nil
}

// removeCard has a saved card not used any more.
func (s *Server) removeCard(c *call, form *portalForm) error {
	id := form.get("card")
	if !isID(id, collect.MethodIDPrefix) {
		return errNotFound
	}
	if err := s.collector.RemoveMethod(c.r.Context(), c.tenant(), c.session.customerID, id); err != nil {
		return err
	}
	s.leadTo(c, s.basePath()+portalPath+"/cards")
	return nil
}
