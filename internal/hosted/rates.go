package hosted

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often a page may be asked for: often enough for a few browsers that look again
// every other second.
const (
	perSecond = 5
	atOnce    = 60

	// pagesMax bounds the memory: beyond it all pages begin anew.
	pagesMax = 10_000
)

// rates keeps a token bucket for each page that was asked for lately.
type rates struct {
	mu    sync.Mutex
	pages map[string]*rate.Limiter
}

func newRates() *rates { return &rates{pages: map[string]*rate.Limiter{}} }

// take counts a request for a page, and says how long to wait, 0 for not at all.
func (r *rates) take(id string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter := r.pages[id]
	if limiter == nil {
		if len(r.pages) >= pagesMax {
			clear(r.pages)
		}
		limiter = rate.NewLimiter(perSecond, atOnce)
		r.pages[id] = limiter
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	return time.Second
}
