package httpapi

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limitersMax bounds the memory of the rate limiter. Beyond it those that are
// full again are forgotten, which changes nothing for them, then any.
const limitersMax = 65_536

// rateLimiter keeps a token bucket for each API key: it holds one window's
// requests and fills evenly.
type rateLimiter struct {
	limit  rate.Limit
	burst  int
	window time.Duration

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	limiter *rate.Limiter
	used    time.Time
}

// verdict is what the limiter says about one request.
type verdict struct {
	allowed   bool
	remaining int           // requests that may follow at once
	reset     time.Duration // until the bucket is full
	wait      time.Duration // until the next request, when this one is refused
}

func newRateLimiter(r Rate) *rateLimiter {
	return &rateLimiter{
		limit:   rate.Every(r.Window / time.Duration(r.Requests)),
		burst:   r.Requests,
		window:  r.Window,
		buckets: make(map[string]*bucket),
	}
}

func (l *rateLimiter) take(key string, now time.Time) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		if len(l.buckets) >= limitersMax {
			l.makeRoom(now)
		}
		b = &bucket{limiter: rate.NewLimiter(l.limit, l.burst)}
		l.buckets[key] = b
	}
	b.used = now
	allowed := b.limiter.AllowN(now, 1)
	tokens := b.limiter.TokensAt(now)
	v := verdict{
		allowed:   allowed,
		remaining: max(0, int(tokens)),
		reset:     l.fill(float64(l.burst) - tokens),
	}
	if !allowed {
		v.wait = l.fill(1 - tokens)
	}
	return v
}

// fill returns how long the bucket needs for some tokens.
func (l *rateLimiter) fill(tokens float64) time.Duration {
	return time.Duration(max(0, tokens) / float64(l.limit) * float64(time.Second))
}

// makeRoom forgets keys that were not used for a window, or a sixteenth of all
// when there are none. The caller holds the lock.
func (l *rateLimiter) makeRoom(now time.Time) {
	for key, b := range l.buckets {
		if now.Sub(b.used) >= l.window {
			delete(l.buckets, key)
		}
	}
	drop := len(l.buckets) - limitersMax + limitersMax/16
	for key := range l.buckets {
		if drop--; drop < 0 {
			return
		}
		delete(l.buckets, key)
	}
}
