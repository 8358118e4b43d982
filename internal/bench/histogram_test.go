package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsFollowEachOther(t *testing.T) {
	t.Parallel()
	var last time.Duration = -1
	for bucket := range buckets {
		first, longest := last+1, bucketMax(bucket)
		if bucketOf(first) != bucket || bucketOf(longest) != bucket {
			t.Fatalf("bucket %d: %v goes to %d and %v to %d", bucket, first, bucketOf(first), longest, bucketOf(longest))
		}
		if width := longest - last; width > 1 && width*64 > first {
			t.Fatalf("bucket %d is %v wide at %v, want a 64th at most", bucket, width, first)
		}
		last = longest
	}
	for _, far := range []time.Duration{last + 1, time.Hour} {
		if got := bucketOf(far); got != buckets-1 {
			t.Errorf("bucket of %v: got %d, want the last, %d", far, got, buckets-1)
		}
	}
	if got := bucketOf(-time.Second); got != 0 {
		t.Errorf("bucket of a clock that went back: got %d, want 0", got)
	}
}

func TestQuantilesAreNearTheSortedOnes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	var one, two, both histogram
	var all []time.Duration
	for range 100_000 {
		d := time.Duration(1000 * random.ExpFloat64() * float64(time.Microsecond))
		all = append(all, d)
		half := &one
		if random.IntN(2) == 0 {
			half = &two
		}
		half.record(d)
	}
	both.add(&one)
	both.add(&two)
	slices.Sort(all)
	for _, permille := range []int64{1, 500, 990, 999, 1000} {
		want := all[(len(all)*int(permille)+999)/1000-1]
		if got := both.quantile(permille); got < want || got > want+want/60+1 {
			t.Errorf("quantile %d: got %v, want %v", permille, got, want)
		}
	}
	if both.total != 100_000 || both.max != all[len(all)-1] {
		t.Errorf("got %d durations up to %v, want 100000 up to %v", both.total, both.max, all[len(all)-1])
	}
	if got := new(histogram).quantile(990); got != 0 {
		t.Errorf("quantile of nothing: got %v, want 0", got)
	}
}
