package httpapi

import (
	"strings"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

// fieldsMax is how many members a request may know.
const fieldsMax = 26

// fields holds the members of a request's body by their place in the list of
// names that the request knows.
type fields struct {
	names  []string
	values [fieldsMax]strictjson.Value
}

// fields reads the body: one object whose members are all known and of which
// the first required ones are there.
func (c *call) fields(names []string, required int) (fields, error) {
	object, err := c.object()
	if err != nil {
		return fields{}, err
	}
	return fieldsOf(object, names, required)
}

// fieldsOf is fields for an object.
func fieldsOf(object strictjson.Value, names []string, required int) (fields, error) {
	f := fields{names: names}
	for name, value := range object.Members {
		index := f.index(string(name))
		if index < 0 {
			return f, unknownField(string(name), names)
		}
		f.values[index] = value
	}
	for i := range required {
		if !f.given(i) {
			return f, ledger.FieldErrorf(ledger.CodeMissingField, names[i], "%s is required", names[i])
		}
	}
	return f, nil
}

func unknownField(name string, known []string) error {
	shown := clip(name)
	return ledger.FieldErrorf(CodeUnknownField, shown, "%s is not a field of this request; did you mean %s?", shown, nearest(name, known))
}

func (f *fields) index(name string) int {
	for i, known := range f.names {
		if known == name {
			return i
		}
	}
	return -1
}

// given reports whether a field is there and not null.
func (f *fields) given(index int) bool {
	kind := f.values[index].Kind()
	return kind != 0 && kind != strictjson.Null
}

// text returns a field that is a string; given is false when it is absent or
// null.
func (f *fields) text(index int) (text string, given bool, err error) {
	if !f.given(index) {
		return "", false, nil
	}
	if f.values[index].Kind() != strictjson.String {
		return "", false, f.wrongKind(index, strictjson.String)
	}
	return string(f.values[index].Text()), true, nil
}

// boolean returns a field that is a boolean.
func (f *fields) boolean(index int) (yes, given bool, err error) {
	if !f.given(index) {
		return false, false, nil
	}
	if f.values[index].Kind() != strictjson.Bool {
		return false, false, f.wrongKind(index, strictjson.Bool)
	}
	return string(f.values[index].Text()) == "true", true, nil
}

// checkKinds checks the types of fields, but of those of which no kind is named.
func (f *fields) checkKinds(kinds []strictjson.Kind) error {
	for i, want := range kinds {
		if want != 0 && f.given(i) && f.values[i].Kind() != want {
			return f.wrongKind(i, want)
		}
	}
	return nil
}

// key returns an idempotency key, empty when none is given.
func (f *fields) key(index int) (string, error) {
	key, given, err := f.text(index)
	if err != nil || !given {
		return "", err
	}
	return key, ledger.ValidateKey(key)
}

// metadataAndKey returns what requests end with.
func (f *fields) metadataAndKey(metadata, key int) (meta, idempotencyKey string, err error) {
	if meta, _, err = f.metadata(metadata); err != nil {
		return "", "", err
	}
	idempotencyKey, err = f.key(key)
	return meta, idempotencyKey, err
}

func (f *fields) wrongKind(index int, want strictjson.Kind) error {
	name := f.names[index]
	return ledger.FieldErrorf(CodeInvalidRequestBody, name, "%s must be %s, not %s", name, want, f.values[index].Kind())
}

// nearest returns the known name that a caller most likely meant.
func nearest(name string, known []string) string {
	const lengthMax = 40 // a longer one is near to nothing
	name = strings.ToLower(name[:min(len(name), lengthMax)])
	best, bestDistance := known[0], lengthMax*2
	for _, candidate := range known {
		if distance := editDistance(name, candidate); distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

// editDistance counts the bytes to add, remove or replace to get from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
