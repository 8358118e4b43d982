package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/billfold/billfold/internal/ledger"
)

var (
	errNoCustomer = ledger.Errorf(ledger.CodeNotFound, "there is no such customer")
	errNoBusiness = ledger.Errorf(ledger.CodeNotFound, "there is no such business")
	errNoEntry    = ledger.Errorf(ledger.CodeNotFound, "there is no such ledger entry")
	errNoKey      = ledger.Errorf(ledger.CodeNotFound, "there is no such API key")
)

// unavailable translates an error of the database into ours. Errors that are
// already ours, those of a caller who has gone away, and nil, pass through.
func unavailable(err error) error {
	var ours *ledger.Error
	switch {
	case err == nil, errors.As(err, &ours):
		return err
	case stateOf(err) == "53100":
		return ledger.Errorf(ledger.CodeStorageUnavailable, "the database's disk is full").WithCause(err)
	case stateOf(err) == "25006":
		return ledger.Errorf(ledger.CodeStorageUnavailable, "the database takes no writes at the moment").WithCause(err)
	case isPassing(err):
		return ledger.Errorf(ledger.CodeStorageUnavailable, "the database cannot serve at the moment").WithCause(err)
	}
	return err
}

// stateOf returns the SQLSTATE that the server answered with, "" when the error
// is not the server's.
func stateOf(err error) string {
	if answered := answerOf(err); answered != nil {
		return answered.Code
	}
	return ""
}

func answerOf(err error) *pgconn.PgError {
	var answered *pgconn.PgError
	if errors.As(err, &answered) {
		return answered
	}
	return nil
}

// passing are the classes of states and the states that say that the server
// cannot serve now, and may soon: lost connections, transactions that another
// server refuses after a fail-over, conflicts, scarce resources, an operator's
// interventions, errors of its system, a lock that was waited for too long.
var passing = []string{"08", "25", "40", "53", "57", "58", "55P03", "XX"}

// isPassing reports whether an error says that the database cannot serve now.
func isPassing(err error) bool {
	var ours *ledger.Error
	if err == nil || errors.As(err, &ours) {
		return false
	}
	if errors.Is(err, errLost) || errors.Is(err, errInDoubt) || errors.Is(err, errUnconfirmed) {
		return true
	}
	state := stateOf(err)
	return slices.ContainsFunc(passing, func(class string) bool { return strings.HasPrefix(state, class) })
}

// errLost says that there was no connection, or no more.
var errLost = errors.New("the connection to the database was lost")

// lost adds errLost to an error after which a connection is gone. An error that
// leaves the connection is the server's, or our own use of the driver.
//
// The other connections may be to the same server, which has gone or has become
// silent, so none of them is used again.
func (db *DB) lost(conn *pgx.Conn, err error) error {
	if err != nil && answerOf(err) == nil && conn.IsClosed() {
		db.pool.Reset()
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// isCrowded reports whether the server, or the role, has as many connections as
// it may have.
func isCrowded(err error) bool { return stateOf(err) == "53300" }

// isConflict reports whether a transaction was stopped because it met another,
// so that it may succeed when it is run again.
func isConflict(err error) bool {
	state := stateOf(err)
	return state == "40001" || state == "40P01"
}

// isConstraint reports whether a constraint of the schema fired. The rules
// should have refused before, so it is our bug.
func isConstraint(err error) bool { return strings.HasPrefix(stateOf(err), "23") }

// isDefinite reports whether an error says for sure that a transaction was not
// committed: the server answered a statement with an error and lives on. One
// that ends the session may have come after the commit, while the server
// waited for its standby.
func isDefinite(err error) bool {
	answered := answerOf(err)
	return answered != nil && answered.SeverityUnlocalized == "ERROR"
}
