package httpapi

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

// Limits of metadata.
const (
	metadataPairsMax = 50
	metadataNameMax  = 40
	metadataTextMax  = 500 // code points
)

// metadata returns a metadata field in its one canonical form, so that two
// requests that say the same have the same fingerprint: members sorted by
// name, no white space, strings with as few escapes as possible, integers as
// they are, other numbers in the shortest form that reads back the same.
func (f *fields) metadata(index int) (text string, given bool, err error) {
	if !f.given(index) {
		return "", false, nil
	}
	object := f.values[index]
	if object.Kind() != strictjson.Object {
		return "", false, f.wrongKind(index, strictjson.Object)
	}
	if object.Len() > metadataPairsMax {
		return "", false, ledger.FieldErrorf(CodeMaximumKeysReached, "metadata", "metadata must have at most %d pairs", metadataPairsMax)
	}
	type pair struct {
		name  []byte
		value strictjson.Value
	}
	var pairs []pair
	for name, value := range object.Members {
		if !validMetadataName(name) {
			return "", false, metadataError("a name in metadata must be 1 to %d letters, digits, - or _", metadataNameMax)
		}
		pairs = append(pairs, pair{name, value})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.name, b.name) })
	out := []byte{'{'}
	for i, p := range pairs {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, p.name...)
		out = append(out, '"', ':')
		if out, err = appendMetadataValue(out, p.value); err != nil {
			return "", false, err
		}
	}
	return string(append(out, '}')), true, nil
}

func metadataError(format string, args ...any) error {
	return ledger.FieldErrorf(CodeInvalidMetadata, "metadata", format, args...)
}

func validMetadataName(name []byte) bool {
	if len(name) == 0 || len(name) > metadataNameMax {
		return false
	}
	for _, c := range name {
		if !isWord(c) {
			return false
		}
	}
	return true
}

func appendMetadataValue(out []byte, value strictjson.Value) ([]byte, error) {
	switch value.Kind() {
	case strictjson.Bool:
		return append(out, value.Text()...), nil
	case strictjson.String:
		if utf8.RuneCount(value.Text()) > metadataTextMax {
			return nil, metadataError("a text in metadata must be at most %d characters", metadataTextMax)
		}
		return appendString(out, string(value.Text())), nil
	case strictjson.Number:
		return appendMetadataNumber(out, string(value.Text()))
	}
	return nil, metadataError("a value in metadata must be text, a number or a boolean, not %s", value.Kind())
}

func appendMetadataNumber(out []byte, token string) ([]byte, error) {
	if !bytes.ContainsAny([]byte(token), ".eE") {
		n, err := strconv.ParseInt(token, 10, 64)
		if err != nil {
			return nil, metadataError("an integer in metadata must fit into 64 bits")
		}
		return strconv.AppendInt(out, n, 10), nil
	}
	n, err := strconv.ParseFloat(token, 64)
	if err != nil {
		return nil, metadataError("a number in metadata must fit into a double")
	}
	if n == 0 {
		return append(out, '0'), nil // also for -0.0
	}
	// Beyond these bounds an exponent says it better; below the upper one
	// whole numbers come out as integers, which read back as the same.
	format := byte('f')
	if size := math.Abs(n); size < 1e-6 || size >= 1e15 {
		format = 'e'
	}
	return strconv.AppendFloat(out, n, format, -1, 64), nil
}
