package people

import (
	"context"
	"time"

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
	team, err := d.Team(ctx, businessID)
	if err != nil {
		return nil, err
	}
	// The locks of all of the team, so that two owners cannot take each other out at once.
	keys := []Key{userKey(userID)}
	for _, member := range team {
		if member.ID != userID {
			keys = append(keys, userKey(member.ID))
		}
	}
	change, err := d.change(who)
	if err != nil {
		return nil, err
	}
	open, err := d.store.People(ctx, InvitationRecord, businessID, d.now(), invitationsMax)
	if err != nil {
		return nil, err
	}
	if by != nil {
		keys = append(keys, userKey(by.ID))
	}
	members := len(keys)
	for i := range open {
		keys = append(keys, open[i].Key)
	}
	var user *User
	line := Line{BusinessID: businessID, Subject: userID, By: change}
	err = d.store.ChangePeople(ctx, keys, change.Now, func(found map[Key]*Record) (Change, error) {
		owners := map[string]bool{}
		for _, key := range keys[:members] {
			member, err := read[User](found[key])
			if err != nil {
				return Change{}, err
			}
			if member != nil && member.ID != userID && member.Roles[businessID] == Owner {
				owners[member.ID] = true
			}
		}
		if user, err = read[User](found[keys[0]]); err != nil {
			return Change{}, err
		}
		judged, err := asTheyAre(by, found)
		if err != nil {
			return Change{}, err
		}
		changed, err := user.reshape(judged, change, line, role, len(owners))
		for i := members; err == nil && i < len(keys); i++ {
			var invitation *Invitation
			invitation, err = read[Invitation](found[keys[i]])
			if err == nil && invitation != nil && invitation.By == userID && !invitation.stands(user) {
				changed.Delete = append(changed.Delete, keys[i])
			}
		}
		return changed, err
	})
	if err != nil || len(user.Roles) > 0 {
		return user, err
	}
	return user, d.EndSessions(ctx, userID, "")
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

// reshape is what becomes of a user who gets another role, with none for nobody any
// more. Owners is how many others the business has.
func (u *User) reshape(by *User, change access.Change, line Line, role Role, owners int) (Change, error) {
	if u == nil || u.Roles[line.BusinessID] == "" {
		return Change{}, errNotYours
	}
	was := u.Roles[line.BusinessID]
	leaves := by != nil && by.ID == u.ID && role == ""
	switch {
	case by != nil && !leaves && (!by.mayTouch(line.BusinessID, was) || !by.mayTouch(line.BusinessID, role)):
		return Change{}, ledger.Errorf(CodeForbidden, "Only an owner can change who is an owner.")
	case was == Owner && role != Owner && owners == 0:
		return Change{}, errLastOwner
	case was == role:
		return Change{}, nil
	}
	line.Action, line.Before = AuditRole, placeOf(u, line.BusinessID)
	if role == "" {
		line.Action = AuditLeave
		delete(u.Roles, line.BusinessID)
		if len(u.Roles) == 0 {
			u.Generation++ // which ends their sessions
		}
		person, err := record(userKey(u.ID), "", time.Time{}, u)
		return Change{Put: []Record{person}, Delete: []Key{memberKey(line.BusinessID, u.ID)}, Lines: []Line{line}}, err
	}
	u.Roles[line.BusinessID] = role
	line.After = placeOf(u, line.BusinessID)
	put, err := membership(u, line.BusinessID)
	return Change{Put: put, Lines: []Line{line}}, err
}
