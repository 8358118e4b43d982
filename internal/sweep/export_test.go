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

// Resume is one round.
func (r *Resumer) Resume(ctx context.Context) error { return r.resume(ctx) }

// PageTransfers is how many transfers are looked up at a time.
const PageTransfers = pageTransfers
