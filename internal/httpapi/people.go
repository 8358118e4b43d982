package httpapi

import (
	"time"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// userView is a user as they see themselves.
type userView struct {
	ID            string        `json:"user_id"`
	Email         string        `json:"email"`
	Name          string        `json:"name"`
	SecondFactor  bool          `json:"second_factor"`
	RecoveryCodes int           `json:"recovery_codes"`
	CreatedAt     collect.Time  `json:"created_at"`
	SignedInAt    *collect.Time `json:"signed_in_at"`
}

func viewOfUser(u *people.User) userView {
	return userView{
		ID: u.ID, Email: u.Email, Name: u.Name, SecondFactor: u.Second != "", RecoveryCodes: len(u.Recovery),
		CreatedAt: collect.Time(u.CreatedAt), SignedInAt: optionalTime(u.SignedInAt),
	}
}

func optionalTime(at time.Time) *collect.Time {
	if at.IsZero() {
		return nil
	}
	shown := collect.Time(at)
	return &shown
}

// texts reads the members of a body that are all texts, of which the first are required.
func (c *call) texts(names []string, required int) (texts []string, err error) {
	if err := c.noQuery(); err != nil {
		return nil, err
	}
	f, err := c.fields(names, required)
	if err != nil {
		return nil, err
	}
	texts = make([]string, len(names))
	for i := range names {
		if texts[i], _, err = f.text(i); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

var (
	signInFields     = []string{"email", "password", "code"}
	invitationFields = []string{"token"}
	joinFields       = []string{"token", "email", "password", "name", "code"}
	roleFields       = []string{"role"}
	inviteFields     = []string{"role", "email"}
	passwordFields   = []string{"password", "new_password"}
	proofFields      = []string{"password"}
	codeFields       = []string{"code"}
	removeFields     = []string{"password", "code"}
)

// handleSignIn begins a session. One that the browser has had before ends, so that nobody
// can have given it to the browser.
func (s *Server) handleSignIn(c *call) error {
	texts, err := c.texts(signInFields, 2)
	if err != nil {
		return err
	}
	if err := s.countSignIn(c); err != nil {
		return err
	}
	token, begun, err := s.people.SignIn(c.r.Context(), people.Attempt{
		Email: texts[0], Password: texts[1], Code: texts[2], Address: c.actor().Address, Agent: c.r.UserAgent(),
		Ends: s.personToken(c),
	})
	if err != nil {
		return c.waited(err)
	}
	s.setPerson(c, token, people.SessionLives)
	c.key.ID = begun.User.ID
	return s.replySession(c, &begun)
}

// handleSession says who is signed in, and what they may do.
func (s *Server) handleSession(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	return s.replySession(c, &c.signed.Signed)
}

// businessView is a business that a user may do something for.
type businessView struct {
	ID   string        `json:"business_id"`
	Name string        `json:"name"`
	Role people.Role   `json:"role"`
	May  []people.Area `json:"may"`
}

func (s *Server) replySession(c *call, of *people.Signed) error {
	businesses := []businessView{}
	all, err := s.directory.Businesses(c.r.Context())
	if err != nil {
		return err
	}
	for _, business := range all {
		if role := of.User.Roles[business.ID]; role.Valid() {
			businesses = append(businesses, businessView{business.ID, business.Name, role, role.Areas()})
		}
	}
	return c.replyJSON(struct {
		ID         string         `json:"session_id"`
		CreatedAt  collect.Time   `json:"created_at"`
		ExpiresAt  collect.Time   `json:"expires_at"`
		User       userView       `json:"user"`
		Businesses []businessView `json:"businesses"`
	}{
		of.Session.ID, collect.Time(of.Session.CreatedAt), collect.Time(of.Session.ExpiresAt),
		viewOfUser(of.User), businesses,
	})
}

// handleSignOut ends the session of the browser, if it has one.
func (s *Server) handleSignOut(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if token := s.personToken(c); token != "" {
		if err := s.people.SignOut(c.r.Context(), token); err != nil {
			return err
		}
	}
	s.setPerson(c, "", -time.Second)
	c.replyEmpty()
	return nil
}

// handleInvitation says to whoever has the token of an invitation what it is for.
func (s *Server) handleInvitation(c *call) error {
	texts, err := c.texts(invitationFields, 1)
	if err != nil {
		return err
	}
	found, err := s.people.Invitation(c.r.Context(), texts[0])
	if ledger.CodeOf(err) == people.CodeInvitationOver {
		return s.turnAway(c, err)
	}
	if err != nil {
		return err
	}
	business, err := s.directory.Business(c.r.Context(), found.BusinessID)
	if err != nil {
		return err
	}
	return c.replyJSON(struct {
		Email        *string      `json:"email"`
		Role         people.Role  `json:"role"`
		BusinessID   string       `json:"business_id"`
		BusinessName string       `json:"business_name"`
		ExpiresAt    collect.Time `json:"expires_at"`
	}{optional(found.Email), found.Role, found.BusinessID, business.Name, collect.Time(found.ExpiresAt)})
}

// handleJoin makes whoever has the token of an invitation a member of the team.
func (s *Server) handleJoin(c *call) error {
	texts, err := c.texts(joinFields, 3)
	if err != nil {
		return err
	}
	if err := s.countSignIn(c); err != nil {
		return err
	}
	user, err := s.people.Join(c.r.Context(), texts[0], people.Joining{
		Email: texts[1], Password: texts[2], Name: texts[3], Code: texts[4], Address: c.actor().Address,
	})
	if err != nil {
		return c.waited(err)
	}
	return c.replyJSON(struct {
		User userView `json:"user"`
	}{viewOfUser(user)})
}

// handlePassword gives a user another password, and ends their other sessions.
func (s *Server) handlePassword(c *call) error {
	texts, err := c.texts(passwordFields, 2)
	if err != nil {
		return err
	}
	return c.done(s.people.SetPassword(c.r.Context(), c.signed.Signed, texts[0], texts[1]))
}

// done answers with nothing where nothing went wrong.
func (c *call) done(err error) error {
	if err != nil {
		return c.waited(err)
	}
	c.replyEmpty()
	return nil
}

// handleSecondBegin gives a user the secret of a second factor, which counts when it is
// confirmed.
func (s *Server) handleSecondBegin(c *call) error {
	texts, err := c.texts(proofFields, 1)
	if err != nil {
		return err
	}
	second, err := s.people.BeginSecond(c.r.Context(), c.signed.Signed, texts[0])
	if err != nil {
		return c.waited(err)
	}
	return c.replyJSON(struct {
		Secret string `json:"secret"`
		URL    string `json:"url"`
	}{second.Secret, second.URL})
}

// handleSecondConfirm has a second factor count, and gives the codes that stand in for it.
func (s *Server) handleSecondConfirm(c *call) error {
	texts, err := c.texts(codeFields, 1)
	if err != nil {
		return err
	}
	codes, err := s.people.ConfirmSecond(c.r.Context(), c.signed.Signed, texts[0])
	if err != nil {
		return c.waited(err)
	}
	return c.replyJSON(struct {
		Codes []string `json:"recovery_codes"`
	}{codes})
}

// handleSecondRemove has a user do without a second factor.
func (s *Server) handleSecondRemove(c *call) error {
	texts, err := c.texts(removeFields, 2)
	if err != nil {
		return err
	}
	return c.done(s.people.DropSecond(c.r.Context(), c.signed.Signed, texts[0], texts[1]))
}

// sessionView is a browser in which a user is signed in.
type sessionView struct {
	ID        string       `json:"session_id"`
	Address   string       `json:"address"`
	Agent     string       `json:"agent"`
	CreatedAt collect.Time `json:"created_at"`
	ExpiresAt collect.Time `json:"expires_at"`
	Current   bool         `json:"current"`
}

// handleSessionList lists the sessions of the user.
func (s *Server) handleSessionList(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	sessions, err := s.people.Sessions(c.r.Context(), c.signed.User)
	if err != nil {
		return err
	}
	items := make([]sessionView, 0, len(sessions))
	for _, session := range sessions {
		items = append(items, sessionView{
			session.ID, session.Address, session.Agent, collect.Time(session.CreatedAt), collect.Time(session.ExpiresAt),
			session.ID == c.signed.Session.ID,
		})
	}
	return c.replyItems(items)
}

func (c *call) replyItems(items any) error {
	return c.replyJSON(struct {
		Items any `json:"items"`
	}{items})
}

// handleSessionEnd ends one session of the user.
func (s *Server) handleSessionEnd(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if err := s.people.EndSession(c.r.Context(), c.signed.User.ID, c.params[0]); err != nil {
		return err
	}
	if c.params[0] == c.signed.Session.ID {
		s.setPerson(c, "", -time.Second)
	}
	return c.done(nil)
}

// handleSessionsEnd ends all sessions of the user but this one.
func (s *Server) handleSessionsEnd(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	return c.done(s.people.EndSessions(c.r.Context(), c.signed.User.ID, c.signed.Session.ID))
}
