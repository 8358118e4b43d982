package webhook

import "time"

// Attempts is how often a message is sent before it is given up: at once, and then
// by the published schedule. It is never dropped; whoever wants it sends it again.
const Attempts = 8

// delays are counted from the end of the attempt before. They come to 27.6 hours.
var delays = [Attempts - 1]time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
}

// RetryAfterMax is how long a receiver may put off the next attempt.
const RetryAfterMax = 24 * time.Hour

// Delay is how long to wait after the nth attempt, n ≥ 1, has failed; ok is false
// when there is no other. Random adds less than a tenth, so that what failed together
// does not come back together. A receiver that named a time is not called before it.
func Delay(n int, retryAfter time.Duration, random uint64) (delay time.Duration, ok bool) {
	if n < 1 || n > len(delays) {
		return 0, false
	}
	delay = max(delays[n-1], min(retryAfter, RetryAfterMax))
	return delay + time.Duration(random%uint64(delay/10)), true
}
