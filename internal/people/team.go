package people

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// What the audit trail of a business tells of its team.
const (
	AuditInvite   ledger.AuditAction = "team.invite"
	AuditWithdraw ledger.AuditAction = "team.withdraw" // an invitation
	AuditJoin     ledger.AuditAction = "team.join"
	AuditRole     ledger.AuditAction = "team.role"
	AuditLeave    ledger.AuditAction = "team.leave"
	AuditPassword ledger.AuditAction = "team.password"      // somebody in the team has another
	AuditSecond   ledger.AuditAction = "team.second_factor" // it was set up or removed
	AuditReset    ledger.AuditAction = "team.reset"         // a link of the operator gave another password
)

// Operator acts where nobody is signed in: whoever is at the terminal of the server.
const Operator = "operator"

var (
	errNoInvitation   = ledger.Errorf(CodeInvitationOver, "This invitation was used, withdrawn or has expired; ask for another.")
	errForeign        = ledger.Errorf(CodeInvitationOver, "This invitation is for another e-mail address.")
	errPassword       = ledger.FieldErrorf(CodeInvalidPassword, "password", "This is not the password of the user.")
	errJoinPassword   = ledger.FieldErrorf(CodeInvalidPassword, "password", "Give the password that you have here or, if you have none yet, one of at least %d characters that is not your name and does not hold your e-mail address.", PasswordMin)
	errCode           = ledger.FieldErrorf(CodeInvalidCode, "code", "This is not the code that your app shows now, nor a recovery code.")
	errRole           = ledger.FieldErrorf(CodeInvalidUser, "role", "role must be owner, admin, support, finance or read_only")
	errEmail          = ledger.FieldErrorf(CodeInvalidUser, "email", "email must be an address such as jane@example.com")
	errUserName       = ledger.FieldErrorf(CodeInvalidUser, "name", "name must be 1 to %d characters, not blank, without control characters", ledger.NameMax)
	errLastOwner      = ledger.Errorf(CodeLastOwner, "A business must have an owner; make another one first.")
	errNotYours       = ledger.Errorf(ledger.CodeNotFound, "there is no such user in the team")
	errInviteOwner    = ledger.Errorf(CodeForbidden, "Only an owner can invite an owner, or withdraw the invitation of one.")
	errTeamFull       = ledger.Errorf(CodeInvalidUser, "There are %d users in the team, which is as many as it can have.", teamMax)
	errHasOwner       = ledger.Errorf(CodeUserExists, "The business has an owner, who invites others; billfold team reset lets one in who has lost a password or a device.")
	errTooManyInvites = ledger.Errorf(CodeInvalidUser, "There are %d invitations that nobody has used; withdraw some.", invitationsMax)
)

// ErrRole refuses what is no role.
func ErrRole() error { return errRole }

// Address returns an e-mail address as it is kept and compared, in lower case, and
// whether it can be one.
func Address(text string) (string, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	local, host, found := strings.Cut(text, "@")
	ok := found && local != "" && strings.Contains(host, ".") && !strings.Contains(host, "@") &&
		utf8.ValidString(text) && utf8.RuneCountInString(text) <= ledger.EmailMax &&
		!strings.ContainsFunc(text, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>()[],;:\\\"", r)
		})
	return text, ok
}

func validUserName(name string) bool {
	return strings.TrimSpace(name) != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= ledger.NameMax &&
		!strings.ContainsFunc(name, unicode.IsControl)
}

// Invite makes an invitation to the team of a business and returns its token, which
// nothing keeps. By is the user who invites, nil for the operator. Nobody gives a role
// that they must not change.
func (d *Desk) Invite(
	ctx context.Context, by *User, who ledger.Actor, businessID, email string, role Role,
) (string, *Invitation, error) {
	if !role.Valid() {
		return "", nil, errRole
	}
	if by != nil && !by.mayTouch(businessID, role) {
		return "", nil, errInviteOwner
	}
	if email != "" {
		address, ok := Address(email)
		if !ok {
			return "", nil, errEmail
		}
		email = address
	}
	return d.invite(ctx, by, who, Invitation{BusinessID: businessID, Email: email, Role: role})
}

// invite makes an invitation that is filled in but for its id, who made it and its times.
func (d *Desk) invite(
	ctx context.Context, by *User, who ledger.Actor, invitation Invitation,
) (string, *Invitation, error) {
	open, err := d.store.People(ctx, InvitationRecord, invitation.BusinessID, d.now(), invitationsMax)
	if err != nil {
		return "", nil, err
	}
	if len(open) >= invitationsMax {
		return "", nil, errTooManyInvites
	}
	token, err := d.token()
	if err != nil {
		return "", nil, err
	}
	now := d.moment()
	invitation.By, invitation.CreatedAt, invitation.ExpiresAt = Operator, now, now.Add(InvitationLives)
	if by != nil {
		invitation.By = by.ID
	}
	if invitation.ID, err = d.newID("ivt_"); err != nil {
		return "", nil, err
	}
	change, err := d.change(who)
	if err != nil {
		return "", nil, err
	}
	key, inviter, all := invitationKey(token), userKey(invitation.By), teamKey(invitation.BusinessID)
	put, err := record(key, invitation.BusinessID, invitation.ExpiresAt, invitation)
	if err != nil {
		return "", nil, err
	}
	line := Line{
		BusinessID: invitation.BusinessID, Action: AuditInvite, By: change, Subject: invitation.ID,
		After: invitation.told(key),
	}
	err = d.store.ChangePeople(ctx, []Key{key, inviter, all}, now, func(found map[Key]*Record) (Change, error) {
		by, err := read[User](found[inviter])
		if err != nil {
			return Change{}, err
		}
		team, err := readTeam(found[all])
		switch {
		case err != nil:
			return Change{}, err
		case !invitation.stands(by):
			return Change{}, errInviteOwner
		case invitation.First && team.owners("") > 0:
			return Change{}, errHasOwner
		}
		return Change{Put: []Record{put}, Lines: []Line{line}}, nil
	})
	return token, &invitation, err
}

// mayTouch reports whether the user may give or take a role in a business.
func (u *User) mayTouch(businessID string, role Role) bool {
	mine := u.Roles[businessID]
	return mine.May(Team) && (role != Owner || mine == Owner)
}

// Invitation returns the one with a token.
func (d *Desk) Invitation(ctx context.Context, token string) (*Invitation, error) {
	found, err := d.store.Person(ctx, invitationKey(token), d.now())
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		return nil, errNoInvitation
	}
	if err != nil {
		return nil, err
	}
	invitation, err := read[Invitation](&found)
	if err != nil || invitation.By == Operator {
		return invitation, err
	}
	by, err := d.User(ctx, invitation.By)
	if ledger.CodeOf(err) == ledger.CodeNotFound || (err == nil && !invitation.stands(by)) {
		return nil, errNoInvitation
	}
	return invitation, err
}

// stands reports whether whoever made an invitation may still give its role. By is that
// user, nil for none.
func (i *Invitation) stands(by *User) bool {
	return i.By == Operator || (by != nil && by.mayTouch(i.BusinessID, i.Role))
}

// readTeam is who is in a team by its record, nobody where there is none.
func readTeam(record *Record) (*members, error) {
	team, err := read[members](record)
	if team == nil || team.Roles == nil {
		team = &members{Roles: map[string]Role{}}
	}
	return team, err
}

// place gives a user a role in a team, or none, and returns the records that say so.
func (m *members) place(user *User, businessID string, role Role) ([]Record, error) {
	if role == "" {
		delete(m.Roles, user.ID)
		delete(user.Roles, businessID)
	} else {
		m.Roles[user.ID], user.Roles[businessID] = role, role
	}
	person, err := record(userKey(user.ID), "", time.Time{}, user)
	if err != nil {
		return nil, err
	}
	team, err := record(teamKey(businessID), "", time.Time{}, m)
	email := Record{Key: emailKey(user.Email), About: user.ID, Data: "{}"}
	return []Record{person, email, team}, err
}

// place is a user's place in a team as the audit trail shows it.
type place struct {
	Email        string `json:"email"`
	Role         Role   `json:"role"`
	SecondFactor bool   `json:"second_factor"`
	Changes      int64  `json:"credential_changes"` // of the password and the second factor
	Digest       string `json:"digest"`             // of what is kept of the password, so that another in its place is noticed
}

// placeOf is a user's place in a team, empty for none.
func placeOf(u *User, businessID string) string {
	role := u.Roles[businessID]
	if role == "" {
		return ""
	}
	text, _ := json.Marshal(place{u.Email, role, u.Second != "", u.Generation, digest(u.Password)}) // always has some
	return string(text)
}

// told is an invitation as the audit trail shows it. What it is kept under is there as a
// digest, so that another token in place of it is noticed.
func (i *Invitation) told(key Key) string {
	text, _ := json.Marshal(struct {
		Invitation
		Digest string `json:"digest"`
	}{*i, digest(key.ID)}) // always has some
	return string(text)
}

// credentialLines tell every team of a user of a change of how they sign in.
func credentialLines(action ledger.AuditAction, change access.Change, before, after *User) (lines []Line) {
	for _, businessID := range slices.Sorted(maps.Keys(after.Roles)) {
		lines = append(lines, Line{
			BusinessID: businessID, Action: action, By: change, Subject: after.ID,
			Before: placeOf(before, businessID), After: placeOf(after, businessID),
		})
	}
	return lines
}

// members returns who is in the team of a business.
func (d *Desk) members(ctx context.Context, businessID string) (*members, error) {
	found, err := d.store.Person(ctx, teamKey(businessID), d.now())
	switch {
	case ledger.CodeOf(err) == ledger.CodeNotFound:
		return readTeam(nil)
	case err != nil:
		return nil, err
	}
	return readTeam(&found)
}

// Team returns the users of a business.
func (d *Desk) Team(ctx context.Context, businessID string) ([]*User, error) {
	team, err := d.members(ctx, businessID)
	if err != nil {
		return nil, err
	}
	users := make([]*User, 0, len(team.Roles))
	for _, id := range slices.Sorted(maps.Keys(team.Roles)) {
		user, err := d.User(ctx, id)
		if err != nil {
			return nil, err
		}
		if user.Roles[businessID] != "" { // else they have left since the team was read
			users = append(users, user)
		}
	}
	return users, nil
}

// Invitations returns those to a business that nobody has used yet.
func (d *Desk) Invitations(ctx context.Context, businessID string) ([]*Invitation, error) {
	records, err := d.store.People(ctx, InvitationRecord, businessID, d.now(), invitationsListed)
	if err != nil {
		return nil, err
	}
	list := make([]*Invitation, 0, len(records))
	for i := range records {
		invitation, err := read[Invitation](&records[i])
		if err != nil {
			return nil, err
		}
		list = append(list, invitation)
	}
	return list, nil
}

// Withdraw takes an invitation back. By is the user who does, nil for the operator: one who
// may give its role.
func (d *Desk) Withdraw(ctx context.Context, by *User, who ledger.Actor, businessID, id string) error {
	records, err := d.store.People(ctx, InvitationRecord, businessID, d.now(), invitationsListed)
	if err != nil {
		return err
	}
	change, err := d.change(who)
	if err != nil {
		return err
	}
	for i := range records {
		invitation, err := read[Invitation](&records[i])
		if err != nil {
			return err
		}
		if invitation.ID != id {
			continue
		}
		key, withdrawer := records[i].Key, userKey(Operator)
		if by != nil {
			withdrawer = userKey(by.ID)
		}
		keys := []Key{key, withdrawer}
		return d.store.ChangePeople(ctx, keys, change.Now, func(found map[Key]*Record) (Change, error) {
			now, err := read[User](found[withdrawer])
			if err != nil {
				return Change{}, err
			}
			invitation, err := read[Invitation](found[key])
			switch {
			case err != nil:
				return Change{}, err
			case invitation == nil:
				return Change{}, errNoInvitation
			case by != nil && (now == nil || !now.mayTouch(businessID, invitation.Role)):
				return Change{}, errInviteOwner
			}
			line := Line{BusinessID: businessID, Action: AuditWithdraw, By: change, Subject: id, Before: invitation.told(key)}
			return Change{Delete: []Key{key}, Lines: []Line{line}}, nil
		})
	}
	return errNoInvitation
}
