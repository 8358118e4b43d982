// Package people has the persons who sign in: who they are, what they may do for which
// business, their sessions and the invitations that make them. Programs have API keys
// instead, see package access.
package people

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// UserIDPrefix begins the id of every user.
const UserIDPrefix = "usr_"

// The refusals that only people meet.
const (
	CodeSecondFactor    ledger.Code = "SECOND_FACTOR_REQUIRED" // the password is right and a code is missing
	CodeInvalidCode     ledger.Code = "INVALID_CODE"           // of the second factor
	CodeInvitationOver  ledger.Code = "INVITATION_OVER"        // used, withdrawn, expired or never made
	CodeInvalidPassword ledger.Code = "INVALID_PASSWORD"       // it is not the user's, or cannot be one
	CodeInvalidUser     ledger.Code = "INVALID_USER"           // a name, an e-mail address or a role that cannot be one
	CodeLastOwner       ledger.Code = "LAST_OWNER"             // a business must not be without an owner
	CodeUserExists      ledger.Code = "USER_EXISTS"            // the address has a user who is in the team already
	CodeForbidden       ledger.Code = "FORBIDDEN"              // the role does not have it
	CodeTooManyTries    ledger.Code = "TOO_MANY_REQUESTS"      // the account waits after failures

	CodeSignInFailed = access.CodeUnauthorized // the e-mail address, the password or the code is wrong
	CodeNotSignedIn  = access.CodeUnauthorized
)

// Role is what a user may do for a business.
type Role string

// The roles.
const (
	Owner    Role = "owner"     // everything, also who else is an owner
	Admin    Role = "admin"     // everything but owners
	Support  Role = "support"   // customers and their money
	Finance  Role = "finance"   // refunds, invoices and what is reported
	ReadOnly Role = "read_only" // to look
)

// Roles are all of them, from the one that may most.
func Roles() []Role { return []Role{Owner, Admin, Support, Finance, ReadOnly} }

// Valid reports whether the role is one.
func (r Role) Valid() bool { return grants[r] != nil }

// Area is a part of the product that can be changed.
type Area string

// The areas.
const (
	Customers Area = "customers" // customers, their alerts, freezes and payment methods
	Money     Area = "money"     // what moves money in wallets
	Billing   Area = "billing"   // payments, subscriptions, top-ups
	Refunds   Area = "refunds"   // refunds and what is void
	Products  Area = "products"  // what is sold
	Webhooks  Area = "webhooks"  // endpoints and their secrets
	Settings  Area = "settings"  // of the business, its API keys and its processor
	Team      Area = "team"      // who is in it
	Own       Area = "own"       // the user's own password, sessions and second factor
)

// grants are the areas that a role may change. To look, every role may.
var grants = map[Role][]Area{
	Owner:    {Customers, Money, Billing, Refunds, Products, Webhooks, Settings, Team, Own},
	Admin:    {Customers, Money, Billing, Refunds, Products, Webhooks, Settings, Team, Own},
	Support:  {Customers, Money, Billing, Refunds, Own},
	Finance:  {Refunds, Own},
	ReadOnly: {Own},
}

// May reports whether the role may change an area.
func (r Role) May(area Area) bool { return slices.Contains(grants[r], area) }

// Areas are those that the role may change.
func (r Role) Areas() []Area { return slices.Clone(grants[r]) }

// User is a person who signs in.
type User struct {
	ID    string `json:"id"`    // "usr_…"
	Email string `json:"email"` // as [Address] returns it, of one user only
	Name  string `json:"name"`

	Password string `json:"password"` // its hash, see [hashPassword]

	// Second is the secret of the second factor, sealed, empty for none; Step is the last
	// time step of which a code was taken, so that no code is taken twice. Pending is one
	// that was not confirmed by a code yet. Recovery are digests of codes that stand in for
	// a device that is lost, each for once.
	Second   string   `json:"second_factor,omitempty"`
	Step     int64    `json:"step,omitempty"`
	Pending  string   `json:"pending_second_factor,omitempty"`
	Recovery []string `json:"recovery,omitempty"`

	// Generation grows with each change of the password or the second factor, and when the
	// user leaves their last team. A session counts while it has the generation of its user.
	Generation int64 `json:"generation,omitempty"`

	// Roles is what the user may do, by the id of the business.
	Roles map[string]Role `json:"roles"`

	CreatedAt  time.Time `json:"created_at"`
	SignedInAt time.Time `json:"signed_in_at,omitzero"`
}

// Invitation lets its bearer become a user, or a user take another role. It is kept
// under the digest of its token, and used once.
type Invitation struct {
	ID         string    `json:"id"`              // "ivt_…"
	Email      string    `json:"email,omitempty"` // of whom it is for; empty: of whoever has the link
	BusinessID string    `json:"business_id"`
	Role       Role      `json:"role"`
	By         string    `json:"by"`                   // the user or "operator"
	First      bool      `json:"first,omitempty"`      // counts while the business has no owner
	UserID     string    `json:"user_id,omitempty"`    // whom it lets choose another password, in place of joining
	Generation int64     `json:"generation,omitempty"` // of that user when it was made
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// Session is a browser in which a user is signed in. It is kept under the digest of its
// token.
type Session struct {
	ID        string    `json:"id"` // "ses_…"
	UserID    string    `json:"user_id"`
	Address   string    `json:"address,omitempty"` // from where it was begun
	Agent     string    `json:"agent,omitempty"`   // what the browser calls itself
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`

	Generation int64 `json:"generation,omitempty"` // of its user when it began
}

// members are who is in the team of a business. Their roles stand in each [User] too, which
// is what a request is judged by; here they are so that whatever depends on all of a team is
// decided under one lock.
type members struct {
	Roles map[string]Role `json:"roles"` // by the id of the user
}

// owners is how many owners the team has beside one user.
func (m *members) owners(beside string) (count int) {
	for id, role := range m.Roles {
		if role == Owner && id != beside {
			count++
		}
	}
	return count
}

// Kind is what a record is about.
type Kind string

// The kinds, with what is their id and what they are found by.
const (
	UserRecord       Kind = "user"       // the user's id
	EmailRecord      Kind = "email"      // the address, about the user
	TeamRecord       Kind = "team"       // the business
	InvitationRecord Kind = "invitation" // the digest of its token, about the business
	SessionRecord    Kind = "session"    // the digest of its token, about the user
	TriesRecord      Kind = "tries"      // the digest of what its counter is of
)

// Key names a record.
type Key struct {
	Kind Kind
	ID   string
}

// Record is what a store keeps.
type Record struct {
	Key
	About     string    // what it is found by beside its key
	ExpiresAt time.Time // zero: never. What has expired is as if it were not there
	Data      string    // JSON
}

// Change is what becomes of records, in one transaction. Line is a line in the audit
// trail of a business, which is written in live mode: a team has no modes.
type Change struct {
	Put    []Record
	Delete []Key
	Lines  []Line
}

// Line tells of a change of a team.
type Line struct {
	BusinessID    string
	Action        ledger.AuditAction
	By            access.Change
	Subject       string // the id of the user or invitation
	Before, After string // JSON, empty for none
}

// Store keeps records of people. There are few of them, and they belong to no tenant.
type Store interface {
	// Person returns a record, with [ledger.CodeNotFound] where there is none or it has
	// expired by now.
	Person(ctx context.Context, key Key, now time.Time) (Record, error)

	// People returns the records of a kind about something that have not expired by now,
	// by their ids; about everything where that is empty. At most limit.
	People(ctx context.Context, kind Kind, about string, now time.Time, limit int) ([]Record, error)

	// ChangePeople has decide say what becomes of records that are given to it, under the
	// locks of all their keys: nil where there is none or it has expired. Decide may be
	// called again, and is pure. It changes none but these. An error of it is returned as
	// it is, and nothing changes.
	ChangePeople(ctx context.Context, keys []Key, now time.Time, decide func(map[Key]*Record) (Change, error)) error

	// SweepPeople removes records that expired before a time, at most limit, and says how
	// many.
	SweepPeople(ctx context.Context, before time.Time, limit int) (int, error)
}

// digest is the only form in which a token is kept.
func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Tenant is whose trail the line is in.
func (l *Line) Tenant() ledger.Tenant {
	return ledger.Tenant{BusinessID: l.BusinessID, Mode: ledger.Live}
}

// Entry is the line as the next of a trail.
func (l *Line) Entry(trail access.Trail) ledger.AuditEntry {
	return trail.TeamChanged(l.Tenant(), l.Action, l.By, l.Subject, l.Before, l.After)
}
