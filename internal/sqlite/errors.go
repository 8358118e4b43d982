package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
)

// unavailable translates an error of the engine into ours. Errors that are
// already ours, and nil, pass through.
func unavailable(err error) error {
	var ours *ledger.Error
	gone := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if err == nil || errors.As(err, &ours) || gone {
		return err
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultFull:
		return ledger.Errorf(ledger.CodeStorageUnavailable, "the disk is full; nothing was changed").WithCause(err)
	case sqlite.ResultReadOnly:
		return ledger.Errorf(ledger.CodeStorageUnavailable, "the disk is read-only; nothing was changed").WithCause(err)
	case sqlite.ResultIOErr, sqlite.ResultCantOpen, sqlite.ResultBusy, sqlite.ResultLocked,
		sqlite.ResultInterrupt, sqlite.ResultNoMem, sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return ledger.Errorf(ledger.CodeStorageUnavailable, "the storage cannot serve at the moment").WithCause(err)
	}
	return err
}

// explain adds to an error of opening the file what an operator can do.
func explain(path string, err error) error {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return fmt.Errorf("the database file %s is damaged: %w; restore the last backup with `billfold restore`, and keep the damaged file for inspection", path, err)
	case sqlite.ResultFull:
		return fmt.Errorf("the disk that holds %s is full: %w; free some space and start again", path, err)
	case sqlite.ResultReadOnly, sqlite.ResultCantOpen, sqlite.ResultPerm:
		return fmt.Errorf("the database file %s cannot be written: %w; check the owner and the mount of its directory", path, err)
	}
	return err
}

// isShared reports whether an error says that the disk or the file cannot
// serve, so that every command of the batch would have met it. A page that
// cannot be read, or is not as it should be, is met by those alone who need it.
func isShared(err error) bool {
	switch ledger.CodeOf(unavailable(err)) {
	case ledger.CodeOutcomeUnknown:
		return true
	case ledger.CodeStorageUnavailable:
		code := sqlite.ErrCode(err)
		return code.ToPrimary() != sqlite.ResultCorrupt && code != sqlite.ResultIOErrRead
	}
	return false
}

// isConstraint reports whether a CHECK or UNIQUE of the schema fired. The rules
// should have refused before, so it is our bug.
func isConstraint(err error) bool {
	return sqlite.ErrCode(err).ToPrimary() == sqlite.ResultConstraint
}
