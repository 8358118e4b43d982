package bench

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets of which each is at most 1/64 wider
// than the one before, so that any quantile is read off with an error below
// 1.6 %. It needs 8 KiB whatever it counts.
type histogram struct {
	counts [buckets]uint32
	total  int64
	max    time.Duration
}

const (
	// Durations below 2^subBits nanoseconds have a bucket each; above, each
	// doubling is cut into 2^subBits buckets.
	subBits = 6
	buckets = (maxBits - subBits + 1) << subBits

	// maxBits covers 2^37 ns, more than two minutes. What takes longer is
	// counted there.
	maxBits = 37
)

func (h *histogram) record(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
	h.max = max(h.max, d)
}

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	length := bits.Len64(n)
	if length <= subBits {
		return int(n)
	}
	if length > maxBits {
		return buckets - 1
	}
	shift := length - subBits - 1
	return (shift+1)<<subBits + int(n>>shift) - 1<<subBits
}

// bucketMax is the longest duration in a bucket.
func bucketMax(bucket int) time.Duration {
	if bucket < 1<<subBits {
		return time.Duration(bucket)
	}
	shift := bucket>>subBits - 1
	first := uint64(bucket&(1<<subBits-1)|1<<subBits) << shift
	return time.Duration(first + 1<<shift - 1)
}

func (h *histogram) add(other *histogram) {
	for i, count := range other.counts {
		h.counts[i] += count
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// quantile is the duration that so many of a thousand do not pass.
func (h *histogram) quantile(permille int64) time.Duration {
	rank := (h.total*permille + 999) / 1000
	for i, count := range h.counts {
		if rank -= int64(count); rank <= 0 && count > 0 {
			return min(bucketMax(i), h.max)
		}
	}
	return h.max
}
