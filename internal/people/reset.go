package people

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// Reset returns the token of a link with which a user chooses another password, for the
// operator to hand on, and the business in whose trail it stands. The second factor ends when
// it is used. It works once, while the user has not changed either by themselves.
func (d *Desk) Reset(ctx context.Context, email string) (token, businessID string, err error) {
	address, ok := Address(email)
	if !ok {
		return "", "", errEmail
	}
	user, err := d.userOf(ctx, address)
	if err != nil {
		return "", "", err
	}
	if user == nil || len(user.Roles) == 0 {
		return "", "", ledger.Errorf(ledger.CodeNotFound, "there is no user with this e-mail address in any team")
	}
	businessID = slices.Sorted(maps.Keys(user.Roles))[0]
	token, _, err = d.invite(ctx, nil, ledger.Actor{}, Invitation{
		BusinessID: businessID, Email: address, Role: user.Roles[businessID], UserID: user.ID, Generation: user.Generation,
	})
	return token, businessID, err
}

// reset gives the user whom a link is for the password that they choose, and takes the
// second factor and all sessions from them.
func (d *Desk) reset(ctx context.Context, token, userID string, j Joining) (user *User, err error) {
	known, err := d.User(ctx, userID)
	if err != nil {
		return nil, err
	}
	if err := validPassword("password", j.Password, known.Email, known.Name); err != nil {
		return nil, err
	}
	hash, err := d.hasher.hash(ctx, j.Password)
	if err != nil {
		return nil, err
	}
	change, err := d.change(ledger.Actor{KeyID: userID, Address: j.Address})
	if err != nil {
		return nil, err
	}
	invited, person := invitationKey(token), userKey(userID)
	ended := over([]counter{
		ofNetwork(known.Email, j.Address), ofAnywhere(known.Email), ofCodes(userID), ofProofs(userID),
	})
	ended = append(ended, invited)
	keys := append([]Key{person}, ended...)
	err = d.store.ChangePeople(ctx, keys, change.Now, func(found map[Key]*Record) (Change, error) {
		invitation, err := read[Invitation](found[invited])
		if err != nil {
			return Change{}, err
		}
		if user, err = read[User](found[person]); err != nil {
			return Change{}, err
		}
		if invitation == nil || user == nil || user.Generation != invitation.Generation {
			return Change{}, errNoInvitation
		}
		before := *user
		user.Password, user.Second, user.Pending, user.Step, user.Recovery = hash, "", "", 0, nil
		user.Generation++
		put, err := record(person, "", time.Time{}, user)
		return Change{Put: []Record{put}, Delete: ended, Lines: credentialLines(AuditReset, change, &before, user)}, err
	})
	return user, err
}
