package ledger

import "fmt"

// Command is one of the many that [Store.TransactMany] carries out.
type Command struct {
	Scope  Scope
	Decide Decide
}

// Outcome is what became of a command: its change, or why it has none.
type Outcome struct {
	Change Change
	Err    error
}

// LineError says which command of an atomic row was refused, so that none of
// them was carried out.
type LineError struct {
	Line int // from 0
	Err  error
}

// Error returns the line and why it was refused.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns why the line was refused.
func (e *LineError) Unwrap() error { return e.Err }
