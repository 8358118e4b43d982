package groupcommit

import (
	"slices"
	"testing"
)

// Whatever stands where, each command is handed on once, in order, and alone
// exactly where it must be.
func TestApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		commands []int // below zero: alone
		want     [][]int
	}{
		{nil, nil},
		{[]int{1, 2}, [][]int{{1, 2}}},
		{[]int{-1}, [][]int{{-1}}},
		{[]int{-1, -2, 3}, [][]int{{-1}, {-2}, {3}}},
		{[]int{1, 2, -3, 4, -5}, [][]int{{1, 2}, {-3}, {4}, {-5}}},
	} {
		var items []*Item[int]
		for _, n := range c.commands {
			items = append(items, &Item[int]{Command: n})
		}
		var got [][]int
		together := func(items []*Item[int]) {
			var part []int
			for _, item := range items {
				part = append(part, item.Command)
			}
			got = append(got, part)
		}
		alone := func(item *Item[int]) { got = append(got, []int{item.Command}) }
		Apart(items, func(n *int) bool { return *n < 0 }, together, alone)
		if !slices.EqualFunc(got, c.want, slices.Equal) {
			t.Errorf("%v: got %v, want %v", c.commands, got, c.want)
		}
	}
}
