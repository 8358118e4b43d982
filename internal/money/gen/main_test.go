package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTableIsWhatTheListSays fails when the list was changed and the table was
// not generated again, or the table was changed by hand.
func TestTableIsWhatTheListSays(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("../iso4217.csv")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../currency_table.go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := generate(list)
	if err != nil {
		t.Fatalf("generate: got error %v, want none", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("currency_table.go differs; run go generate ./internal/money (-committed +generated):\n%s", diff)
	}
}

func TestGenerateRefusesABadList(t *testing.T) {
	t.Parallel()
	const header = "code,number,exponent,listed,wire,name\n"
	for _, test := range []struct{ name, rows, want string }{
		{"empty", "", "the list is empty"},
		{"lower case", "usd,840,2,2024-06-25,yes,US Dollar\n", `code "usd"`},
		{"no exponent on the wire", "XTS,963,N.A.,2024-06-25,yes,None\n", `exponent is "N.A."`},
		{"exponent out of range", "USD,840,9,2024-06-25,yes,US Dollar\n", `exponent is "9"`},
		{"neither yes nor no", "USD,840,2,2024-06-25,maybe,US Dollar\n", `wire is "maybe"`},
		{"twice", strings.Repeat("USD,840,2,2024-06-25,yes,US Dollar\n", 2), "USD comes after USD"},
		{"unsorted", "USD,840,2,2024-06-25,no,US Dollar\nEUR,978,2,2024-06-25,no,Euro\n", "EUR comes after USD"},
		{"a column missing", "USD,840,2\n", "wrong number of fields"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := generate([]byte(header + test.rows))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}
