package httpapi

import (
	"fmt"
	"testing"
	"time"
)

func TestRateLimiterStaysSmall(t *testing.T) {
	t.Parallel()
	limiter := newRateLimiter(Rate{Requests: 2, Window: time.Minute})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range limitersMax + 1000 {
		limiter.take(fmt.Sprint("key ", i), now)
		if got := len(limiter.buckets); got > limitersMax {
			t.Fatalf("after %d keys: got %d buckets, want %d or fewer", i, got, limitersMax)
		}
	}
	now = now.Add(time.Minute)
	for i := range limitersMax {
		limiter.take(fmt.Sprint("later ", i), now)
	}
	if got := len(limiter.buckets); got > limitersMax {
		t.Errorf("a window later: got %d buckets, want %d or fewer", got, limitersMax)
	}
}

func TestRateLimiterOverTime(t *testing.T) {
	t.Parallel()
	limiter := newRateLimiter(Rate{Requests: 60, Window: time.Minute})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	allowed := 0
	for range 10 * 60 * 20 { // twenty a second for ten minutes
		if limiter.take("k", now).allowed {
			allowed++
		}
		now = now.Add(50 * time.Millisecond)
	}
	// One window's requests at once, and then one a second.
	if want := 60 + 10*60; allowed < want-2 || allowed > want+2 {
		t.Errorf("got %d requests through, want %d", allowed, want)
	}
	limiter.take("k", now)
	v := limiter.take("k", now)
	if v.allowed || v.wait <= 0 || v.wait > time.Second || v.remaining != 0 {
		t.Errorf("got %+v, want a refusal and a wait of up to a second", v)
	}
}
