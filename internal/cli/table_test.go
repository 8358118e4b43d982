package cli

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// sample is a table that is 118 characters wide by nature.
func sample() answer {
	return answer{
		columns: []string{"KEY", "NAME", "NOTE", "GONE", "CREATED"},
		texts:   []string{"NAME", "NOTE"},
		spare:   []string{"CREATED"},
		rows: [][]string{
			{"key_0Vc0NojrLQeEq409eFEYG", "Katherine O'Connor of the north", strings.Repeat("word ", 8), "", "2026-11-25 17:00:27"},
		},
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		width   int
		columns []string
		left    []string
	}{
		{0, []string{"KEY", "NAME", "NOTE", "GONE", "CREATED"}, nil},
		{150, []string{"KEY", "NAME", "NOTE", "GONE", "CREATED"}, nil},
		{100, []string{"KEY", "NAME", "NOTE", "GONE", "CREATED"}, nil},
		{95, []string{"KEY", "NAME", "NOTE", "CREATED"}, nil},
		{80, []string{"KEY", "NAME", "NOTE"}, []string{"CREATED"}},
		{10, []string{"KEY", "NAME", "NOTE"}, []string{"CREATED"}},
	} {
		shown, left := sample().fit(test.width)
		if !slices.Equal(shown.columns, test.columns) || !slices.Equal(left, test.left) {
			t.Errorf("%d characters: got columns %q and %q left out, want %q and %q",
				test.width, shown.columns, left, test.columns, test.left)
		}
		text := renderTable(shown, false)
		if test.width > 10 {
			for line := range strings.Lines(text) {
				if width := utf8.RuneCountInString(strings.TrimRight(line, "\n")); width > test.width {
					t.Errorf("%d characters: a line has %d:\n%s", test.width, width, text)
				}
			}
		}
		if !strings.Contains(text, "key_0Vc0NojrLQeEq409eFEYG") || strings.Count(text, "word") != 8 {
			t.Errorf("%d characters: a value was cut:\n%s", test.width, text)
		}
	}
}

// TestOnlyTerminalsBoundTables keeps pipes and files, which people search and
// cut by columns, from losing any.
func TestOnlyTerminalsBoundTables(t *testing.T) {
	t.Parallel()
	if width := terminalWidth(&buffer{}); width != 0 {
		t.Errorf("got %d characters, want no bound", width)
	}
}
