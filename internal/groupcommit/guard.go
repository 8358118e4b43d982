package groupcommit

import (
	"fmt"

	"github.com/billfold/billfold/internal/ledger"
)

// Guarded keeps a panic of a pure function that a caller gave, which is our bug,
// away from the other callers' money.
func Guarded[In, Out any](pure func(In) (Out, error), in In) (out Out, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = ledger.Errorf(ledger.CodeInternal, "internal error").WithCause(fmt.Errorf("a decision panicked: %v", cause))
		}
	}()
	return pure(in)
}
