package httpapi

import (
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// memberView is a user as their team sees them.
type memberView struct {
	ID           string        `json:"user_id"`
	Email        string        `json:"email"`
	Name         string        `json:"name"`
	Role         people.Role   `json:"role"`
	SecondFactor bool          `json:"second_factor"`
	CreatedAt    collect.Time  `json:"created_at"`
	SignedInAt   *collect.Time `json:"signed_in_at"`
}

func viewOfMember(u *people.User, businessID string) memberView {
	return memberView{
		u.ID, u.Email, u.Name, u.Roles[businessID], u.Second != "", collect.Time(u.CreatedAt), optionalTime(u.SignedInAt),
	}
}

var errNoMember = ledger.Errorf(ledger.CodeNotFound, "there is no such user in the team")

// handleTeam lists who is in the team of the business.
func (s *Server) handleTeam(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	team, err := s.people.Team(c.r.Context(), c.signed.business)
	if err != nil {
		return err
	}
	items := make([]memberView, 0, len(team))
	for _, user := range team {
		items = append(items, viewOfMember(user, c.signed.business))
	}
	return c.replyItems(items)
}

// handleRole gives a member of the team another role.
func (s *Server) handleRole(c *call) error {
	texts, err := c.texts(roleFields, 1)
	if err != nil {
		return err
	}
	if !isID(c.params[0], people.UserIDPrefix) {
		return errNoMember
	}
	role := people.Role(texts[0])
	if !role.Valid() {
		return people.ErrRole()
	}
	user, err := s.people.SetRole(c.r.Context(), c.signed.User, c.actor(), c.signed.business, c.params[0], role)
	if err != nil {
		return err
	}
	return c.replyJSON(viewOfMember(user, c.signed.business))
}

// handleLeave takes a member out of the team. Everybody may take themselves.
func (s *Server) handleLeave(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if c.params[0] != c.signed.User.ID && !c.signed.role.May(people.Team) {
		return errRole
	}
	if !isID(c.params[0], people.UserIDPrefix) {
		return errNoMember
	}
	_, err := s.people.SetRole(c.r.Context(), c.signed.User, c.actor(), c.signed.business, c.params[0], "")
	return c.done(err)
}

// invitationView is an invitation as the team sees it.
type invitationView struct {
	ID        string       `json:"invitation_id"`
	Email     *string      `json:"email"`
	Role      people.Role  `json:"role"`
	InvitedBy string       `json:"invited_by"`
	CreatedAt collect.Time `json:"created_at"`
	ExpiresAt collect.Time `json:"expires_at"`
}

func viewOfInvitation(i *people.Invitation) invitationView {
	return invitationView{
		i.ID, optional(i.Email), i.Role, i.By, collect.Time(i.CreatedAt), collect.Time(i.ExpiresAt),
	}
}

// handleInvitationList lists the invitations that nobody has used yet.
func (s *Server) handleInvitationList(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	list, err := s.people.Invitations(c.r.Context(), c.signed.business)
	if err != nil {
		return err
	}
	items := make([]invitationView, 0, len(list))
	for _, invitation := range list {
		items = append(items, viewOfInvitation(invitation))
	}
	return c.replyItems(items)
}

// handleInvite makes an invitation and shows its link, this once.
func (s *Server) handleInvite(c *call) error {
	texts, err := c.texts(inviteFields, 1)
	if err != nil {
		return err
	}
	token, made, err := s.people.Invite(
		c.r.Context(), c.signed.User, c.actor(), c.signed.business, texts[1], people.Role(texts[0]))
	if err != nil {
		return err
	}
	return c.replyJSON(struct {
		invitationView
		Link string `json:"link"`
	}{viewOfInvitation(made), JoinLink(s.publicURL, token)})
}

// JoinLink is the address at which whoever has the token of an invitation joins. The token
// stands behind a #, so that no server's log has it.
func JoinLink(publicURL, token string) string { return publicURL + "/dashboard/join#" + token }

// handleWithdraw takes an invitation back.
func (s *Server) handleWithdraw(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	return c.done(s.people.Withdraw(c.r.Context(), c.signed.User, c.actor(), c.signed.business, c.params[0]))
}

var (
	teamLinkFields  = []string{"business_id"}
	teamResetFields = []string{"email"}
)

// replyLink shows the operator a link that is shown this once.
func (s *Server) replyLink(c *call, businessID, token string) error {
	return c.replyJSON(struct {
		BusinessID string       `json:"business_id"`
		Link       string       `json:"link"`
		ExpiresAt  collect.Time `json:"expires_at"`
	}{businessID, JoinLink(s.publicURL, token), collect.Time(s.now().Add(people.InvitationLives).UTC())})
}

// handleTeamLink makes the link with which the first owner of a business joins, of the one
// that was made first unless another is named.
func (s *Server) handleTeamLink(c *call) error {
	texts, err := c.texts(teamLinkFields, 0)
	if err != nil {
		return err
	}
	id := texts[0]
	if id == "" {
		all, err := s.directory.Businesses(c.r.Context())
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return ledger.Errorf(ledger.CodeNotFound, "there is no business")
		}
		id = all[0].ID
	}
	if _, err := s.directory.Business(c.r.Context(), id); err != nil {
		return err
	}
	token, err := s.people.Welcome(c.r.Context(), id)
	if err != nil {
		return err
	}
	return s.replyLink(c, id, token)
}

// handleTeamReset makes the link with which a user chooses another password, without their
// second factor.
func (s *Server) handleTeamReset(c *call) error {
	texts, err := c.texts(teamResetFields, 1)
	if err != nil {
		return err
	}
	token, businessID, err := s.people.Reset(c.r.Context(), texts[0])
	if err != nil {
		return err
	}
	return s.replyLink(c, businessID, token)
}
