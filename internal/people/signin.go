package people

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// Attempt is a try to sign in.
type Attempt struct {
	Email    string
	Password string
	Code     string // of the second factor, empty for none given
	Address  string // IP address
	Agent    string // of the browser
	Ends     string // token of a session that ends as this one begins, empty for none
}

var errSignInFailed = ledger.Errorf(CodeSignInFailed, "The e-mail address, the password or the code is not right.")

var errSignInLost = ledger.Errorf(CodeSignInFailed, "%s", lostFactor)

// SignIn begins a session and returns its token, which nothing keeps, and who is signed in. That there is no
// such user, that the password is another and that the code is wrong are one answer,
// [CodeSignInFailed]. A right password without a code that is needed is
// [CodeSecondFactor].
func (d *Desk) SignIn(ctx context.Context, a Attempt) (token string, signed Signed, err error) {
	address, ok := Address(a.Email)
	if !ok || len(a.Password) > PasswordMax {
		return "", Signed{}, errSignInFailed
	}
	if err := d.countSignIn(ctx, address, a.Address); err != nil {
		return "", Signed{}, err
	}
	user, err := d.userOf(ctx, address)
	if err != nil {
		return "", Signed{}, err
	}
	kept := nobody
	if user != nil {
		kept = user.Password
	}
	right, err := d.hasher.matches(ctx, a.Password, kept)
	if err != nil {
		return "", Signed{}, err
	}
	if user == nil || !right {
		return "", Signed{}, errSignInFailed
	}
	if err := d.countCode(ctx, user, a.Code); err != nil {
		return "", Signed{}, err
	}
	if err := d.tidy(ctx, user); err != nil {
		return "", Signed{}, err
	}
	return d.begin(ctx, user.ID, address, kept, a)
}

// begin begins the session of a user whose password was right while it was kept so, and
// takes the code.
func (d *Desk) begin(
	ctx context.Context, userID, address, kept string, a Attempt,
) (token string, signed Signed, err error) {
	if token, err = d.token(); err != nil {
		return "", Signed{}, err
	}
	id, err := d.newID("ses_")
	if err != nil {
		return "", Signed{}, err
	}
	var user *User
	now, key := d.moment(), userKey(userID)
	session := Session{
		ID: id, UserID: userID, Address: a.Address, Agent: cut(a.Agent, 200),
		CreatedAt: now, ExpiresAt: now.Add(SessionLives),
	}
	counters := []counter{ofNetwork(address, a.Address), ofAnywhere(address), ofCodes(userID)}
	ended := over(counters)
	if a.Ends != "" {
		ended = append(ended, sessionKey(a.Ends))
	}
	keys := append(slices.Clone(ended), key, sessionKey(token))
	err = d.store.ChangePeople(ctx, keys, now, func(found map[Key]*Record) (Change, error) {
		if user, err = read[User](found[key]); err != nil {
			return Change{}, err
		}
		if user == nil || user.Password != kept {
			return Change{}, errSignInFailed
		}
		if user.Second != "" {
			switch err := d.takeCode(user, a.Code, now); {
			case errors.Is(err, errCodeLost):
				return Change{}, errSignInLost
			case err != nil:
				return Change{}, errSignInFailed
			}
		}
		user.SignedInAt = now
		session.Generation = user.Generation
		person, err := record(key, "", time.Time{}, user)
		if err != nil {
			return Change{}, err
		}
		begun, err := record(sessionKey(token), userID, session.ExpiresAt, session)
		return Change{Put: []Record{person, begun}, Delete: ended}, err
	})
	if err != nil {
		return "", Signed{}, err
	}
	return token, Signed{User: user, Session: &session, key: sessionKey(token)}, nil
}

// tidy ends the oldest sessions of a user who has as many as are kept.
func (d *Desk) tidy(ctx context.Context, user *User) error {
	sessions, err := d.Sessions(ctx, user)
	if err != nil || len(sessions) < sessionsMax {
		return err
	}
	for _, session := range sessions[sessionsMax-1:] {
		if err := d.EndSession(ctx, user.ID, session.ID); err != nil {
			return err
		}
	}
	return nil
}

// Signed is a user who is signed in.
type Signed struct {
	User    *User
	Session *Session
	Address string // IP address of who asks, for audit trails

	key Key // of the session
}

var errNotSignedIn = ledger.Errorf(CodeNotSignedIn, "You are not signed in, or not any more.")

// Authenticate returns who is signed in with a token.
func (d *Desk) Authenticate(ctx context.Context, token string) (Signed, error) {
	if len(token) > 100 {
		return Signed{}, errNotSignedIn
	}
	found, err := d.store.Person(ctx, sessionKey(token), d.now())
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		return Signed{}, errNotSignedIn
	}
	if err != nil {
		return Signed{}, err
	}
	session, err := read[Session](&found)
	if err != nil {
		return Signed{}, err
	}
	user, err := d.User(ctx, session.UserID)
	if ledger.CodeOf(err) == ledger.CodeNotFound || (err == nil && user.Generation != session.Generation) {
		return Signed{}, errNotSignedIn
	}
	return Signed{User: user, Session: session, key: found.Key}, err
}

// SignOut ends the session with a token, if it is one.
func (d *Desk) SignOut(ctx context.Context, token string) error {
	return d.drop(ctx, sessionKey(token))
}

func (d *Desk) drop(ctx context.Context, keys ...Key) error {
	return d.store.ChangePeople(ctx, keys, d.now(), func(map[Key]*Record) (Change, error) {
		return Change{Delete: keys}, nil
	})
}

// cut returns the first characters of a text, at most.
func cut(text string, most int) string {
	text = strings.ToValidUTF8(text, "")
	for i := range text {
		if most--; most < 0 {
			return text[:i]
		}
	}
	return text
}
