package strictjson_test

import (
	"errors"
	"testing"

	"github.com/billfold/billfold/internal/strictjson"
)

// scan reads a text piece by piece: its members, and the elements of those that
// are arrays.
func scan(text string) error {
	var s strictjson.Scanner
	if err := s.Start([]byte(text)); err != nil {
		return err
	}
	value := func() error {
		_, err := s.Value()
		return err
	}
	err := s.Members(func(string) error {
		if s.Starts('[') {
			return s.Elements(value)
		}
		return value()
	})
	if err == nil {
		err = s.End()
	}
	return err
}

// In pieces, a text is accepted and refused as it is as a whole.
func TestScannerIsAsStrictAsADocument(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, ` { } `, `{"a":[]}`, `{"a":[1, {"b":2} ,"c"],"d":null}`, `{"a":[1]} x`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a":[`,
		`{"a":1,"a":2}`, `{"a":[],"\u0061":[]}`, `{"a":[{"b":1,"b":2}]}`, `{"a":["\ud800"]}`, "{\"a\":[\"\xff\"]}", `{"a" 1}`,
		`{a:1}`, `{"a":1,}`, `{"a":01}`, `{`, `{"a":[1]]}`, `{,}`,
	} {
		var document strictjson.Document
		_, want := document.Parse([]byte(text))
		got := scan(text)
		var twice, alsoTwice *strictjson.DuplicateError
		if !errors.Is(got, want) && !(errors.As(want, &twice) && errors.As(got, &alsoTwice)) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
