package selfaudit

import (
	"context"
	"time"
)

// Step is one step.
func (a *Auditor) Step(ctx context.Context) (pause time.Duration) { return a.step(ctx) }

// SetEvery sets how long a round takes at the least, and a rest after an error.
func (a *Auditor) SetEvery(every time.Duration) { a.roundEvery, a.retryEvery = every, every }
