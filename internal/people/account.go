package people

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// Sessions returns those of a user, the newest first.
func (d *Desk) Sessions(ctx context.Context, user *User) ([]*Session, error) {
	records, err := d.store.People(ctx, SessionRecord, user.ID, d.now(), 4*sessionsMax)
	if err != nil {
		return nil, err
	}
	sessions := make([]*Session, 0, len(records))
	for i := range records {
		session, err := read[Session](&records[i])
		if err != nil {
			return nil, err
		}
		if session.Generation == user.Generation {
			sessions = append(sessions, session)
		}
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

// changeOwn has change decide what becomes of the user who is signed in, under their lock.
// In the same transaction their other sessions end: those that it finds are removed, and one
// that begins meanwhile is of a generation that does not count any more. Drop are counters of
// tries that are over with it.
func (d *Desk) changeOwn(
	ctx context.Context, signed Signed, action ledger.AuditAction, change func(*User) error, drop ...Key,
) error {
	by, err := d.change(ledger.Actor{KeyID: signed.User.ID, Address: signed.Address})
	if err != nil {
		return err
	}
	records, err := d.store.People(ctx, SessionRecord, signed.User.ID, d.now(), 4*sessionsMax)
	if err != nil {
		return err
	}
	key := userKey(signed.User.ID)
	for i := range records {
		if records[i].Key != signed.key {
			drop = append(drop, records[i].Key)
		}
	}
	keys := append([]Key{key, signed.key}, drop...)
	return d.store.ChangePeople(ctx, keys, d.now(), func(found map[Key]*Record) (Change, error) {
		user, err := read[User](found[key])
		if err != nil {
			return Change{}, err
		}
		session, err := read[Session](found[signed.key])
		switch {
		case err != nil:
			return Change{}, err
		case user == nil || session == nil || session.Generation != user.Generation:
			return Change{}, errNotSignedIn
		}
		before := *user
		if err := change(user); err != nil {
			return Change{}, err
		}
		user.Generation++
		session.Generation = user.Generation
		person, err := record(key, "", time.Time{}, user)
		if err != nil {
			return Change{}, err
		}
		kept, err := record(signed.key, user.ID, session.ExpiresAt, session)
		return Change{Put: []Record{person, kept}, Delete: drop, Lines: credentialLines(action, by, &before, user)}, err
	})
}

// SetPassword gives the user who is signed in another password, after the one they have,
// and ends all of their other sessions.
func (d *Desk) SetPassword(ctx context.Context, signed Signed, old, password string) error {
	user := signed.User
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
	return d.changeOwn(ctx, signed, AuditPassword, func(u *User) error {
		if u.Password != user.Password {
			return errPassword // somebody was faster
		}
		u.Password = hash
		return nil
	})
}

// Second is a second factor that is about to be set up.
type Second struct {
	Secret string // for an authenticator app, in base 32
	URL    string // the same for a QR code
}

// errSecondSet keeps a factor from being replaced by whoever has no code of it.
var errSecondSet = ledger.Errorf(CodeForbidden, "There is a second factor already. Remove it first, which takes a code of it or a recovery code.")

// BeginSecond makes a secret for an authenticator app. It counts when a code of it was
// confirmed. Whoever has a second factor removes it first.
func (d *Desk) BeginSecond(ctx context.Context, signed Signed, password string) (Second, error) {
	user := signed.User
	if user.Second != "" {
		return Second{}, errSecondSet
	}
	if err := d.proves(ctx, user, password); err != nil {
		return Second{}, err
	}
	secret := newSecret()
	sealed := d.vault.Seal(user.ID, secret)
	_, err := d.updateUser(ctx, user.ID, func(u *User) error {
		if u.Second != "" {
			return errSecondSet
		}
		u.Pending = sealed
		return nil
	})
	if err != nil {
		return Second{}, err
	}
	return Second{Secret: secret, URL: secondFactorURL(secret, "Billfold", user.Email)}, nil
}

// ConfirmSecond has the secret count whose code this is, ends the user's other sessions,
// and returns codes that stand in for a lost device, which nothing keeps.
func (d *Desk) ConfirmSecond(ctx context.Context, signed Signed, code string) (recovery []string, err error) {
	user := signed.User
	if err := d.countTry(ctx, ofCodes(user.ID)); err != nil {
		return nil, err
	}
	codes, kept := newRecovery()
	now := d.moment()
	return codes, d.changeOwn(ctx, signed, AuditSecond, func(u *User) error {
		switch {
		case u.Second != "":
			return errSecondSet
		case u.Pending == "":
			return ledger.FieldErrorf(CodeInvalidCode, "code", "Ask for a secret first.")
		}
		secret, err := d.vault.Open(u.ID, u.Pending)
		if err != nil {
			return ledger.FieldErrorf(CodeInvalidCode, "code", "The server has lost the key to this secret; ask for another one.")
		}
		step := stepOf(code, secret, now, 0)
		if step == 0 {
			return errCode
		}
		u.Second, u.Pending, u.Step, u.Recovery = u.Pending, "", step, kept
		return nil
	}, ofCodes(user.ID).key)
}

// DropSecond does without a second factor, after password and code, and ends the user's
// other sessions.
func (d *Desk) DropSecond(ctx context.Context, signed Signed, password, code string) error {
	user := signed.User
	if err := d.proves(ctx, user, password); err != nil {
		return err
	}
	if err := d.countTry(ctx, ofCodes(user.ID)); err != nil {
		return err
	}
	now := d.moment()
	return d.changeOwn(ctx, signed, AuditSecond, func(u *User) error {
		if u.Second == "" {
			return nil
		}
		if err := d.takeCode(u, code, now); err != nil {
			return err
		}
		u.Second, u.Step, u.Recovery = "", 0, nil
		return nil
	}, ofCodes(user.ID).key)
}
