package people

import (
	"context"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// SetRole gives a member of a team another role, or none, which takes them out of it
// and ends their sessions if they are in no other. Invitations that they could not make any
// more end with it. A business keeps an owner.
func (d *Desk) SetRole(
	ctx context.Context, by *User, who ledger.Actor, businessID, userID string, role Role,
) (*User, error) {
	if role != "" && !role.Valid() {
		return nil, errRole
	}
	change, err := d.change(who)
	if err != nil {
		return nil, err
	}
	open, err := d.store.People(ctx, InvitationRecord, businessID, d.now(), invitationsListed)
	if err != nil {
		return nil, err
	}
	person, all := userKey(userID), teamKey(businessID)
	keys := []Key{person, all}
	if by != nil && by.ID != userID {
		keys = append(keys, userKey(by.ID))
	}
	letters := len(keys)
	for i := range open {
		keys = append(keys, open[i].Key)
	}
	stays := len(keys)
	if role == "" {
		sessions, err := d.store.People(ctx, SessionRecord, userID, d.now(), 4*sessionsMax)
		if err != nil {
			return nil, err
		}
		for i := range sessions {
			keys = append(keys, sessions[i].Key)
		}
	}
	var user *User
	line := Line{BusinessID: businessID, Subject: userID, By: change}
	err = d.store.ChangePeople(ctx, keys, change.Now, func(found map[Key]*Record) (Change, error) {
		// Under the lock of the team, so that two owners cannot take each other out at once.
		team, err := readTeam(found[all])
		if err != nil {
			return Change{}, err
		}
		if user, err = read[User](found[person]); err != nil {
			return Change{}, err
		}
		judged, err := asTheyAre(by, found)
		if err != nil {
			return Change{}, err
		}
		changed, err := user.reshape(judged, change, line, role, team)
		for i := letters; err == nil && i < stays; i++ {
			var invitation *Invitation
			invitation, err = read[Invitation](found[keys[i]])
			if err == nil && invitation != nil && invitation.By == userID && !invitation.stands(user) {
				changed.Delete = append(changed.Delete, keys[i])
			}
		}
		if err == nil && len(user.Roles) == 0 { // sessions that begin meanwhile are of a generation that is over
			changed.Delete = append(changed.Delete, keys[stays:]...)
		}
		return changed, err
	})
	return user, err
}

// asTheyAre is the user who asks as they are under their lock, nil for the operator.
func asTheyAre(by *User, found map[Key]*Record) (*User, error) {
	if by == nil {
		return nil, nil
	}
	user, err := read[User](found[userKey(by.ID)])
	if err == nil && user == nil {
		err = errNotSignedIn
	}
	return user, err
}

// reshape is what becomes of a user who gets another role, with none for nobody any more.
func (u *User) reshape(by *User, change access.Change, line Line, role Role, team *members) (Change, error) {
	if u == nil || u.Roles[line.BusinessID] == "" {
		return Change{}, errNotYours
	}
	was := u.Roles[line.BusinessID]
	leaves := by != nil && by.ID == u.ID && role == ""
	switch {
	case by != nil && !leaves && (!by.mayTouch(line.BusinessID, was) || !by.mayTouch(line.BusinessID, role)):
		return Change{}, ledger.Errorf(CodeForbidden, "Only an owner can change who is an owner.")
	case was == Owner && role != Owner && team.owners(u.ID) == 0:
		return Change{}, errLastOwner
	case was == role:
		return Change{}, nil
	}
	line.Action, line.Before = AuditRole, placeOf(u, line.BusinessID)
	if role == "" {
		line.Action = AuditLeave
		if len(u.Roles) == 1 {
			u.Generation++ // which ends their sessions
		}
	}
	put, err := team.place(u, line.BusinessID, role)
	line.After = placeOf(u, line.BusinessID)
	return Change{Put: put, Lines: []Line{line}}, err
}
