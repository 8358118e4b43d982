package people

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/vault"
)

// How long things last.
const (
	SessionLives    = 7 * 24 * time.Hour
	InvitationLives = 7 * 24 * time.Hour
	triesLive       = 24 * time.Hour
)

// Of each, how many there may be, so that nothing that a caller does again and again
// fills the database.
const (
	sessionsMax    = 50  // of a user
	invitationsMax = 100 // of a business
	teamMax        = 500 // of a business

	// invitationsListed is how many are read: some are made at the same time by those who
	// have each seen fewer than there may be.
	invitationsListed = 2 * invitationsMax
)

// Options of a Desk.
type Options struct {
	Now    func() time.Time // time.Now when nil
	Random io.Reader        // crypto/rand when nil
}

// Desk signs people in and knows who they are.
type Desk struct {
	store  Store
	vault  *vault.Vault
	hasher hasher
	now    func() time.Time
	random io.Reader
}

// NewDesk returns a desk on a store, whose second factors are sealed in a vault.
func NewDesk(store Store, v *vault.Vault, options Options) *Desk {
	d := &Desk{store: store, vault: v, hasher: newHasher(), now: options.Now, random: options.Random}
	if d.now == nil {
		d.now = time.Now
	}
	if d.random == nil {
		d.random = rand.Reader
	}
	return d
}

func (d *Desk) moment() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// token returns 256 random bits as a text that a URL and a cookie can hold.
func (d *Desk) token() (string, error) {
	var bits [32]byte
	if _, err := io.ReadFull(d.random, bits[:]); err != nil {
		return "", fmt.Errorf("draw random bits for a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(bits[:]), nil
}

func (d *Desk) bits() (uint64, error) {
	var bits [8]byte
	if _, err := io.ReadFull(d.random, bits[:]); err != nil {
		return 0, fmt.Errorf("draw random bits: %w", err)
	}
	return binary.BigEndian.Uint64(bits[:]), nil
}

func (d *Desk) newID(prefix string) (string, error) {
	first, err := d.bits()
	if err != nil {
		return "", err
	}
	second, err := d.bits()
	return ledger.NewID(prefix, d.now(), [2]uint64{first, second}), err
}

// change is one that is made now.
func (d *Desk) change(by ledger.Actor) (access.Change, error) {
	bits, err := d.bits()
	return access.Change{By: by, Moment: ledger.Moment{Now: d.moment(), Random: bits}}, err
}

// read decodes a record; nil stays nil.
func read[T any](record *Record) (*T, error) {
	if record == nil {
		return nil, nil
	}
	value := new(T)
	if err := json.Unmarshal([]byte(record.Data), value); err != nil {
		return nil, fmt.Errorf("%s %s does not decode: %w", record.Kind, record.ID, err)
	}
	return value, nil
}

// record encodes a value under a key.
func record(key Key, about string, expiresAt time.Time, value any) (Record, error) {
	data, err := json.Marshal(value)
	return Record{Key: key, About: about, ExpiresAt: expiresAt, Data: string(data)}, err
}

func userKey(id string) Key          { return Key{UserRecord, id} }
func emailKey(address string) Key    { return Key{EmailRecord, address} }
func sessionKey(token string) Key    { return Key{SessionRecord, digest(token)} }
func invitationKey(token string) Key { return Key{InvitationRecord, digest(token)} }

func triesKey(of ...string) Key { return Key{TriesRecord, digest(strings.Join(of, "\x00"))} }

func teamKey(businessID string) Key { return Key{TeamRecord, businessID} }

// User returns a user.
func (d *Desk) User(ctx context.Context, id string) (*User, error) {
	found, err := d.store.Person(ctx, userKey(id), d.now())
	if err != nil {
		return nil, err
	}
	return read[User](&found)
}

// userOf returns who has an address, nil for nobody.
func (d *Desk) userOf(ctx context.Context, address string) (*User, error) {
	found, err := d.store.Person(ctx, emailKey(address), d.now())
	if err == nil {
		return d.User(ctx, found.About)
	}
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		err = nil
	}
	return nil, err
}

// updateUser has change decide what becomes of a user, under its lock.
func (d *Desk) updateUser(ctx context.Context, id string, change func(*User) error) (*User, error) {
	var changed *User
	err := d.store.ChangePeople(ctx, []Key{userKey(id)}, d.now(), func(found map[Key]*Record) (Change, error) {
		user, err := read[User](found[userKey(id)])
		if err != nil {
			return Change{}, err
		}
		if user == nil {
			return Change{}, errNoUser
		}
		if err := change(user); err != nil {
			return Change{}, err
		}
		changed = user
		put, err := record(userKey(id), "", time.Time{}, user)
		return Change{Put: []Record{put}}, err
	})
	return changed, err
}

var errNoUser = ledger.Errorf(ledger.CodeNotFound, "there is no such user")
