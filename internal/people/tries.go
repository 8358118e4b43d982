package people

import (
	"context"
	"net/netip"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// tries are those of a counter that failed.
type tries struct {
	Count     int       `json:"count"`
	WaitUntil time.Time `json:"wait_until"`
}

// counter counts tries, and has the next wait when too many have failed.
type counter struct {
	key  Key
	free int // how many may fail before the next has to wait
}

const (
	triesFree    = 5                // in a row, from one network or of one user
	triesFreeAll = 100              // in a row, for an e-mail address, from everywhere
	waitMost     = 15 * time.Minute // how long the next may have to wait
)

// ofNetwork counts the tries to sign in with an e-mail address from one network.
func ofNetwork(email, address string) counter {
	return counter{triesKey("network", email, networkOf(address)), triesFree}
}

// ofAnywhere counts the tries to sign in with an e-mail address from all networks in which
// its user is not signed in.
func ofAnywhere(email string) counter { return counter{triesKey("anywhere", email), triesFreeAll} }

// ofProofs counts the tries of a user who is signed in to give their password.
func ofProofs(userID string) counter { return counter{triesKey("proof", userID), triesFree} }

// ofCodes counts the codes that somebody gave who knew the password of a user. Nothing but a
// right code ends it.
func ofCodes(userID string) counter { return counter{triesKey("code", userID), triesFree} }

// over are the keys of counters that have ended.
func over(counters []counter) (keys []Key) {
	for _, c := range counters {
		keys = append(keys, c.key)
	}
	return keys
}

// networkOf is the network of an IP address as far as one caller may have all of it: a /24
// of IPv4, a /48 of IPv6; empty where none is known.
func networkOf(address string) string {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	parsed = parsed.Unmap().WithZone("")
	bits := 24
	if parsed.Is6() {
		bits = 48
	}
	network, err := parsed.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}

// Waiting refuses a try because others failed before it.
type Waiting struct {
	error
	For time.Duration
}

// Unwrap returns the refusal.
func (w *Waiting) Unwrap() error { return w.error }

// countTry takes one try from each counter, before anybody looks at it, so that a thousand
// at once are a thousand. None is taken where one has to wait.
func (d *Desk) countTry(ctx context.Context, counters ...counter) error {
	now := d.moment()
	return d.store.ChangePeople(ctx, over(counters), now, func(found map[Key]*Record) (Change, error) {
		var put []Record
		var wait time.Duration
		for _, c := range counters {
			before, err := read[tries](found[c.key])
			if err != nil {
				return Change{}, err
			}
			if before == nil {
				before = &tries{}
			}
			wait = max(wait, before.WaitUntil.Sub(now))
			before.Count++
			if past := before.Count - c.free; past >= 0 {
				before.WaitUntil = now.Add(min(time.Second<<min(past, 20), waitMost))
			}
			counted, err := record(c.key, "", now.Add(triesLive), before)
			if err != nil {
				return Change{}, err
			}
			put = append(put, counted)
		}
		if wait > 0 {
			return Change{}, &Waiting{ledger.Errorf(CodeTooManyTries, "Too many tries; see Retry-After."), wait}
		}
		return Change{Put: put}, nil
	})
}

// countSignIn counts a try to sign in. In a network in which the user is signed in, what
// fails elsewhere makes nobody wait: else a stranger could keep them out.
func (d *Desk) countSignIn(ctx context.Context, email, address string) error {
	counters := []counter{ofNetwork(email, address)}
	known, err := d.knows(ctx, email, networkOf(address))
	if err != nil {
		return err
	}
	if !known {
		counters = append(counters, ofAnywhere(email))
	}
	return d.countTry(ctx, counters...)
}

// knows reports whether the user with an e-mail address has a session in a network.
func (d *Desk) knows(ctx context.Context, email, network string) (bool, error) {
	user, err := d.userOf(ctx, email)
	if err != nil || user == nil {
		return false, err
	}
	sessions, err := d.Sessions(ctx, user)
	for _, session := range sessions {
		if network != "" && networkOf(session.Address) == network {
			return true, nil
		}
	}
	return false, err
}

// countCode counts a code of a user whose password was right, and asks for one that is
// missing.
func (d *Desk) countCode(ctx context.Context, user *User, code string) error {
	switch {
	case user.Second == "":
		return nil
	case code == "":
		return errSecondFactor
	}
	return d.countTry(ctx, ofCodes(user.ID))
}
