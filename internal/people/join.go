package people

import (
	"context"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// Joining is what somebody who was invited says of themselves. One who is a user
// already gives the password that they have, and a code if they have a second factor.
type Joining struct {
	Email    string // that of the invitation if it has one
	Name     string // which a user keeps
	Password string
	Code     string // of the second factor, empty for none given
	Address  string // IP address
}

// joining is somebody who joins, after a look at them.
type joining struct {
	user       *User
	isNew      bool
	code       string
	businessID string
	inviter    string // who made the invitation
	by         ledger.Actor
}

// Join makes whoever bears an invitation a member of the team: a user who is new, or one
// who proves all that signing in takes. It does not sign them in. Whether somebody with the
// address is a user, nobody learns from it who cannot sign in as them.
func (d *Desk) Join(ctx context.Context, token string, j Joining) (*User, error) {
	invitation, err := d.Invitation(ctx, token)
	if err != nil {
		return nil, err
	}
	address, ok := Address(j.Email)
	switch {
	case !ok:
		return nil, errEmail
	case invitation.Email != "" && invitation.Email != address:
		return nil, errForeign
	case invitation.UserID != "":
		return d.reset(ctx, token, invitation.UserID, j)
	case !validUserName(j.Name):
		return nil, errUserName
	}
	if err := d.countSignIn(ctx, address, j.Address); err != nil {
		return nil, err
	}
	known, err := d.userOf(ctx, address)
	if err != nil {
		return nil, err
	}
	kept := nobody
	if known != nil {
		kept = known.Password
	}
	right, err := d.hasher.matches(ctx, cut(j.Password, PasswordMax), kept)
	if err != nil {
		return nil, err
	}
	who := joining{
		user: known, isNew: known == nil, code: j.Code, inviter: invitation.By, businessID: invitation.BusinessID,
	}
	switch {
	case known == nil && validPassword("password", j.Password, address, j.Name) != nil, known != nil && !right:
		return nil, errJoinPassword
	case known != nil:
		if err := d.countCode(ctx, known, j.Code); err != nil {
			return nil, err
		}
	default:
		if who.user, err = d.newUser(ctx, address, j); err != nil {
			return nil, err
		}
	}
	who.by = ledger.Actor{KeyID: who.user.ID, Address: j.Address}
	return d.join(ctx, token, who)
}

// hasRoom refuses one more in a team that is full, and the link for the first owner where
// there is an owner.
func (m *members) hasRoom(invitation *Invitation, userID string) error {
	switch {
	case invitation.First && m.owners("") > 0:
		return errNoInvitation
	case m.Roles[userID] == "" && len(m.Roles) >= teamMax:
		return errTeamFull
	}
	return nil
}

// newUser returns a user who is in no team yet.
func (d *Desk) newUser(ctx context.Context, address string, j Joining) (*User, error) {
	user := &User{Email: address, Name: j.Name, CreatedAt: d.moment()}
	var err error
	if user.ID, err = d.newID(UserIDPrefix); err != nil {
		return nil, err
	}
	user.Password, err = d.hasher.hash(ctx, j.Password)
	return user, err
}

// proves counts a try of a user who is signed in to give their password, and refuses a
// wrong one.
func (d *Desk) proves(ctx context.Context, user *User, password string) error {
	counting := ofProofs(user.ID)
	if err := d.countTry(ctx, counting); err != nil {
		return err
	}
	right, err := d.hasher.matches(ctx, cut(password, PasswordMax), user.Password)
	switch {
	case err != nil:
		return err
	case !right:
		return errPassword
	}
	return d.drop(ctx, counting.key)
}

// join has somebody join after a look at them. Who they are, whether the invitation counts and
// whether there is room is decided under the locks of the records that say so.
func (d *Desk) join(ctx context.Context, token string, who joining) (user *User, err error) {
	change, err := d.change(who.by)
	if err != nil {
		return nil, err
	}
	invited, person, email := invitationKey(token), userKey(who.user.ID), emailKey(who.user.Email)
	inviter, all := userKey(who.inviter), teamKey(who.businessID)
	tried := over([]counter{ofNetwork(who.user.Email, who.by.Address), ofAnywhere(who.user.Email), ofCodes(who.user.ID)})
	keys := append([]Key{invited, person, email, inviter, all}, tried...)
	err = d.store.ChangePeople(ctx, keys, change.Now, func(found map[Key]*Record) (Change, error) {
		invitation, err := read[Invitation](found[invited])
		if err != nil {
			return Change{}, err
		}
		by, err := read[User](found[inviter])
		switch {
		case err != nil:
			return Change{}, err
		case invitation == nil || !invitation.stands(by):
			return Change{}, errNoInvitation
		}
		team, err := readTeam(found[all])
		if err != nil {
			return Change{}, err
		}
		if user, err = d.joins(found[person], found[email] != nil, who, change.Now); err != nil {
			return Change{}, err
		}
		if err := team.hasRoom(invitation, user.ID); err != nil {
			return Change{}, err
		}
		was, before := user.Roles[who.businessID], placeOf(user, who.businessID)
		if was == Owner || was == invitation.Role {
			return Change{}, ledger.Errorf(CodeUserExists, "You are in the team already, as %s.", was)
		}
		put, err := team.place(user, who.businessID, invitation.Role)
		line := Line{BusinessID: who.businessID, Action: AuditJoin, By: change, Subject: user.ID,
			Before: before, After: placeOf(user, who.businessID)}
		return Change{Put: put, Delete: append(slices.Clone(tried), invited), Lines: []Line{line}}, err
	})
	return user, err
}

// joins is the user who joins, by what is kept of them: a copy of a new one, or one who has
// proved all that signing in takes. Taken says that somebody has the address.
func (d *Desk) joins(kept *Record, taken bool, who joining, now time.Time) (*User, error) {
	if who.isNew {
		copied := *who.user
		copied.Roles = map[string]Role{}
		if taken {
			return nil, errJoinPassword // somebody has just become a user
		}
		return &copied, nil
	}
	user, err := read[User](kept)
	if err != nil {
		return nil, err
	}
	return user, d.provesAll(user, who, now)
}

// provesAll refuses a user whose password is another by now, or who has a second factor and
// gives no code of it.
func (d *Desk) provesAll(user *User, who joining, now time.Time) error {
	switch {
	case user == nil || user.Password != who.user.Password:
		return errJoinPassword
	case user.Second == "":
		return nil
	case who.code == "":
		return errSecondFactor
	}
	return d.takeCode(user, who.code, now)
}
