package people

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// quote is a text as JSON.
func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string always has some
	return string(quoted)
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
	line.Action, line.Before, line.After = AuditRole, placeOf(u.Email, was), placeOf(u.Email, role)
	if role == "" {
		line.Action = AuditLeave
		delete(u.Roles, line.BusinessID)
		person, err := record(userKey(u.ID), "", time.Time{}, u)
		return Change{Put: []Record{person}, Delete: []Key{memberKey(line.BusinessID, u.ID)}, Lines: []Line{line}}, err
	}
	u.Roles[line.BusinessID] = role
	put, err := membership(u, line.BusinessID)
	return Change{Put: put, Lines: []Line{line}}, err
}

// Sessions returns those of a user, the newest first.
func (d *Desk) Sessions(ctx context.Context, userID string) ([]*Session, error) {
	records, err := d.store.People(ctx, SessionRecord, userID, d.now(), 4*sessionsMax)
	if err != nil {
		return nil, err
	}
	sessions := make([]*Session, 0, len(records))
	for i := range records {
		session, err := read[Session](&records[i])
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, session)
	}
	slices.SortFunc(sessions, func(a, b *Session) int {
		if at := b.CreatedAt.Compare(a.CreatedAt); at != 0 {
			return at
		}
		return strings.Compare(b.ID, a.ID)
	})
	return sessions, nil
}

// EndSession ends one of a user's sessions by its id.
func (d *Desk) EndSession(ctx context.Context, userID, id string) error {
	return d.endSessions(ctx, userID, func(s *Session) bool { return s.ID == id })
}

// EndSessions ends those of a user but one, by its id; all where that is empty.
func (d *Desk) EndSessions(ctx context.Context, userID, except string) error {
	return d.endSessions(ctx, userID, func(s *Session) bool { return s.ID != except })
}

func (d *Desk) endSessions(ctx context.Context, userID string, which func(*Session) bool) error {
	records, err := d.store.People(ctx, SessionRecord, userID, d.now(), 4*sessionsMax)
	if err != nil {
		return err
	}
	var keys []Key
	for i := range records {
		session, err := read[Session](&records[i])
		if err != nil {
			return err
		}
		if which(session) {
			keys = append(keys, records[i].Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return d.drop(ctx, keys...)
}

// SetPassword gives a user another password, after the one they have, and ends all of
// their sessions but one.
func (d *Desk) SetPassword(ctx context.Context, user *User, old, password, session string) error {
	if err := d.proves(ctx, user, old); err != nil {
		return err
	}
	if err := validPassword("new_password", password, user.Email, user.Name); err != nil {
		return err
	}
	hash, err := d.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = d.updateUser(ctx, user.ID, func(u *User) error {
		if u.Password != user.Password {
			return errPassword // somebody was faster
		}
		u.Password = hash
		return nil
	})
	if err != nil {
		return err
	}
	return d.EndSessions(ctx, user.ID, session)
}

// Second is a second factor that is about to be set up.
type Second struct {
	Secret string // for an authenticator app, in base 32
	URL    string // the same for a QR code
}

// BeginSecond makes a secret for an authenticator app. It counts when a code of it was
// confirmed.
func (d *Desk) BeginSecond(ctx context.Context, user *User, password string) (Second, error) {
	if err := d.proves(ctx, user, password); err != nil {
		return Second{}, err
	}
	secret := newSecret()
	sealed := d.vault.Seal(user.ID, secret)
	_, err := d.updateUser(ctx, user.ID, func(u *User) error {
		u.Pending = sealed
		return nil
	})
	return Second{Secret: secret, URL: secondFactorURL(secret, "Billfold", user.Email)}, err
}

// ConfirmSecond has the secret count whose code this is, and returns codes that stand in
// for a lost device, which nothing keeps.
func (d *Desk) ConfirmSecond(ctx context.Context, user *User, code string) (recovery []string, err error) {
	if err := d.countTry(ctx, user.Email); err != nil {
		return nil, err
	}
	codes, kept := newRecovery()
	now := d.moment()
	_, err = d.updateUser(ctx, user.ID, func(u *User) error {
		if u.Pending == "" {
			return ledger.FieldErrorf(CodeInvalidCode, "code", "Ask for a secret first.")
		}
		secret, err := d.vault.Open(u.ID, u.Pending)
		if err != nil {
			return err
		}
		step := stepOf(code, secret, now, 0)
		if step == 0 {
			return errCode
		}
		u.Second, u.Pending, u.Step, u.Recovery = u.Pending, "", step, kept
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, d.drop(ctx, triesKey(user.Email))
}

// DropSecond does without a second factor, after password and code.
func (d *Desk) DropSecond(ctx context.Context, user *User, password, code string) error {
	if err := d.proves(ctx, user, password); err != nil {
		return err
	}
	if err := d.countTry(ctx, user.Email); err != nil {
		return err
	}
	now := d.moment()
	_, err := d.updateUser(ctx, user.ID, func(u *User) error {
		if u.Second == "" {
			return nil
		}
		secret, err := d.vault.Open(u.ID, u.Second)
		if err != nil {
			return err
		}
		if !u.takeCode(code, secret, now) {
			return errCode
		}
		u.Second, u.Step, u.Recovery = "", 0, nil
		return nil
	})
	if err != nil {
		return err
	}
	return d.drop(ctx, triesKey(user.Email))
}
