package webhook_test

import (
	"math"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/webhook"
)

func TestDelayFollowsThePublishedSchedule(t *testing.T) {
	t.Parallel()
	var sum time.Duration
	for i, want := range []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
	} {
		got, ok := webhook.Delay(i+1, 0, 0)
		if !ok || got != want {
			t.Errorf("after attempt %d: got %s and %v, want %s", i+1, got, ok, want)
		}
		if latest, _ := webhook.Delay(i+1, 0, math.MaxUint64); latest <= want || latest >= want+want/10 {
			t.Errorf("after attempt %d: got %s with the largest jitter, want up to a tenth more than %s", i+1, latest, want)
		}
		sum += got
	}
	if hours := sum.Hours(); hours < 27.5 || hours > 27.7 {
		t.Errorf("got %.1f hours, want 27.6", hours)
	}
	for _, n := range []int{-1, 0, webhook.Attempts, webhook.Attempts + 1} {
		if got, ok := webhook.Delay(n, 0, 0); ok || got != 0 {
			t.Errorf("after attempt %d: got %s, want no other", n, got)
		}
	}
	for _, test := range []struct{ asked, want time.Duration }{
		{time.Second, 5 * time.Second}, {time.Minute, time.Minute}, {100 * time.Hour, webhook.RetryAfterMax}, {-time.Hour, 5 * time.Second},
	} {
		if got, _ := webhook.Delay(1, test.asked, 0); got != test.want {
			t.Errorf("asked for %s: got %s, want %s", test.asked, got, test.want)
		}
	}
}
