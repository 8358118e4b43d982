package people

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// usersMax is more than any installation has.
const usersMax = 1_000_000

// Nobody reports whether there is no user at all yet.
func (d *Desk) Nobody(ctx context.Context) (bool, error) {
	users, err := d.store.People(ctx, UserRecord, "", d.now(), 1)
	return len(users) == 0, err
}

// Welcome returns the token of an invitation for the first owner of a business, and refuses
// to make one where there is an owner. Those that it made before and nobody has used end.
func (d *Desk) Welcome(ctx context.Context, businessID string) (token string, err error) {
	team, err := d.members(ctx, businessID)
	switch {
	case err != nil:
		return "", err
	case team.owners("") > 0:
		return "", errHasOwner
	}
	open, err := d.Invitations(ctx, businessID)
	if err != nil {
		return "", err
	}
	for _, invitation := range open {
		if !invitation.First {
			continue
		}
		err := d.Withdraw(ctx, nil, ledger.Actor{}, businessID, invitation.ID)
		if err != nil && ledger.CodeOf(err) != CodeInvitationOver {
			return "", err
		}
	}
	token, _, err = d.invite(ctx, nil, ledger.Actor{}, Invitation{BusinessID: businessID, Role: Owner, First: true})
	return token, err
}

// Reseal seals the second factors anew that stand sealed under an older key, and says how
// many users had one. What cannot be opened stays as it is.
func (d *Desk) Reseal(ctx context.Context, logger *slog.Logger) (resealed int, err error) {
	records, err := d.store.People(ctx, UserRecord, "", d.now(), usersMax)
	for i := 0; err == nil && i < len(records); i++ {
		var user *User
		if user, err = read[User](&records[i]); err != nil {
			return resealed, err
		}
		if d.current(user) {
			continue
		}
		user, err = d.updateUser(ctx, user.ID, func(u *User) error { return d.reseal(u, logger) })
		if ledger.CodeOf(err) == ledger.CodeNotFound {
			err = nil // gone meanwhile
			continue
		}
		if err == nil && d.current(user) {
			resealed++
		}
	}
	return resealed, err
}

func (d *Desk) current(u *User) bool { return d.vault.Current(u.Second) && d.vault.Current(u.Pending) }

func (d *Desk) reseal(u *User, logger *slog.Logger) error {
	for _, sealed := range []*string{&u.Second, &u.Pending} {
		if d.vault.Current(*sealed) {
			continue
		}
		secret, err := d.vault.Open(u.ID, *sealed)
		if err != nil {
			logger.Error("the second factor of a user cannot be read; a recovery code lets them in, or billfold team reset",
				"user_id", u.ID, "error", err)
			continue
		}
		*sealed = d.vault.Seal(u.ID, secret)
	}
	return nil
}

const (
	sweepEvery = time.Hour
	sweepSlice = 500
)

// Run removes what has expired, again and again, until ctx ends.
func (d *Desk) Run(ctx context.Context, logger *slog.Logger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := d.sweep(ctx); err != nil && ctx.Err() == nil {
			logger.Warn("sessions that have expired are removed later; they let nobody in", "error", err)
		}
		timer.Reset(sweepEvery)
	}
}

func (d *Desk) sweep(ctx context.Context) error {
	for {
		swept, err := d.store.SweepPeople(ctx, d.moment(), sweepSlice)
		if err != nil {
			return fmt.Errorf("remove what has expired: %w", err)
		}
		if swept < sweepSlice {
			return nil
		}
	}
}
