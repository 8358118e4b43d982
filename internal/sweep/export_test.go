package sweep

import (
	"context"
	"time"
)

// Sweep is one sweep.
func (s *Sweeper) Sweep(ctx context.Context) error { return s.sweep(ctx) }

// SetEvery sets how long the sweeper rests.
func (s *Sweeper) SetEvery(every time.Duration) { s.every = every }

// WalletEntries and SliceWallets are the sizes of a slice.
const (
	WalletEntries = walletEntries
	SliceWallets  = sliceWallets
)
