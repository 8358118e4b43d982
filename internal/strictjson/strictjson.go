// Package strictjson reads the JSON bodies of requests and refuses everything
// that two readers could understand in two ways: a member named twice, bytes
// that are not UTF-8, half of a surrogate pair, a second document. It also
// bounds what a body may cost: depth and number of values.
//
// It knows JSON and nothing of what the members mean. Numbers are kept as they
// are written, because only the reader of a field knows whether 1.0, -0 or
// 10^400 is acceptable there.
//
// The standard decoders either accept such bodies (encoding/json) or cannot
// say precisely what is wrong with them; this one gives the code of the error
// contract for each. A fuzz test compares what it accepts with jsontext.
package strictjson

import (
	"errors"
	"unicode/utf8"
)

// Limits of a document.
const (
	DepthMax  = 16
	ValuesMax = 200 // members and elements, over all depths
)

// The ways in which a document is refused. [DuplicateError] is one more.
var (
	// ErrSyntax says that the text is not one JSON document.
	ErrSyntax = errors.New("the text is not one valid JSON document")

	// ErrTooDeep and ErrTooLong say that a document passes a limit.
	ErrTooDeep = errors.New("the document is nested too deep")
	ErrTooLong = errors.New("the document has too many members")

	// ErrEncoding says that the text is not UTF-8, or that a string has half
	// of a surrogate pair or U+0000.
	ErrEncoding = errors.New("the text is not valid UTF-8, or holds U+0000 or half of a surrogate pair")
)

// DuplicateError says that an object names a member twice.
type DuplicateError struct {
	Name string
}

func (e *DuplicateError) Error() string { return "a member is named twice" }

// Kind is the type of a JSON value.
type Kind uint8

// The kinds.
const (
	Null Kind = iota + 1
	Bool
	Number
	String
	Array
	Object
)

// String returns the kind as people call it.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Number:
		return "a number"
	case String:
		return "text"
	case Array:
		return "an array"
	case Object:
		return "an object"
	}
	return "nothing"
}

// node is one value of the document, in the order of the text: the children of
// a node follow it directly.
type node struct {
	kind Kind
	name []byte // of a member; decoded
	text []byte // of a string: decoded; of a number or boolean: as written
	end  int    // the node after this one and its children
}

// Document is a parsed text. It may be used again for another text and then
// needs no new memory. Values and texts that it gave are valid until then.
type Document struct {
	nodes   []node
	decoded []byte
	text    []byte
	at      int
}

// Value is one value of a document. The zero Value is absent.
type Value struct {
	document *Document
	index    int
}

// Parse reads one document, which must be the whole text. The document refers
// to the text, which must not change while it is in use.
func (d *Document) Parse(text []byte) (Value, error) {
	d.nodes = d.nodes[:0]
	d.decoded = d.decoded[:0]
	d.text, d.at = text, 0
	if !utf8.Valid(text) {
		return Value{}, ErrEncoding
	}
	d.space()
	if err := d.value(nil, 0); err != nil {
		return Value{}, err
	}
	d.space()
	if d.at != len(text) {
		return Value{}, ErrSyntax
	}
	return Value{document: d}, nil
}

func (v Value) node() *node { return &v.document.nodes[v.index] }

// Kind returns the value's kind, 0 for an absent value.
func (v Value) Kind() Kind {
	if v.document == nil {
		return 0
	}
	return v.node().kind
}

// Text returns a string decoded, and a number or boolean as it is written. It
// is only valid until the document is used again.
func (v Value) Text() []byte { return v.node().text }

// Members calls yield with each member of an object, in the order of the text.
func (v Value) Members(yield func(name []byte, member Value) bool) {
	nodes := v.document.nodes
	for i := v.index + 1; i < nodes[v.index].end; i = nodes[i].end {
		if !yield(nodes[i].name, Value{document: v.document, index: i}) {
			return
		}
	}
}

// Elements calls yield with each element of an array.
func (v Value) Elements(yield func(element Value) bool) {
	nodes := v.document.nodes
	for i := v.index + 1; i < nodes[v.index].end; i = nodes[i].end {
		if !yield(Value{document: v.document, index: i}) {
			return
		}
	}
}

// Len returns how many members or elements a value has.
func (v Value) Len() int {
	count := 0
	for range v.Elements {
		count++
	}
	return count
}

func (d *Document) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

// value reads one value that begins here.
func (d *Document) value(name []byte, depth int) error {
	if d.at >= len(d.text) {
		return ErrSyntax
	}
	if len(d.nodes) > ValuesMax {
		return ErrTooLong
	}
	index := len(d.nodes)
	d.nodes = append(d.nodes, node{name: name})
	var kind Kind
	var text []byte
	var err error
	switch c := d.text[d.at]; c {
	case '{':
		kind, err = Object, d.object(index, depth+1)
	case '[':
		kind, err = Array, d.array(depth+1)
	case '"':
		kind = String
		text, err = d.string()
	case 't':
		kind = Bool
		text, err = d.literal("true")
	case 'f':
		kind = Bool
		text, err = d.literal("false")
	case 'n':
		kind = Null
		text, err = d.literal("null")
	default:
		kind = Number
		text, err = d.number()
	}
	if err != nil {
		return err
	}
	n := &d.nodes[index]
	n.kind, n.text, n.end = kind, text, len(d.nodes)
	return nil
}

func (d *Document) object(index, depth int) error {
	if depth > DepthMax {
		return ErrTooDeep
	}
	d.at++
	d.space()
	if d.take('}') {
		return nil
	}
	for {
		if d.at >= len(d.text) || d.text[d.at] != '"' {
			return ErrSyntax
		}
		name, err := d.string()
		if err != nil {
			return err
		}
		if d.named(index, name) {
			return &DuplicateError{Name: string(name)}
		}
		d.space()
		if !d.take(':') {
			return ErrSyntax
		}
		d.space()
		if err := d.value(name, depth); err != nil {
			return err
		}
		d.space()
		if d.take('}') {
			return nil
		}
		if !d.take(',') {
			return ErrSyntax
		}
		d.space()
	}
}

// named reports whether the object that is being read has such a member.
func (d *Document) named(object int, name []byte) bool {
	for i := object + 1; i < len(d.nodes); i = d.nodes[i].end {
		if string(d.nodes[i].name) == string(name) {
			return true
		}
	}
	return false
}

func (d *Document) array(depth int) error {
	if depth > DepthMax {
		return ErrTooDeep
	}
	d.at++
	d.space()
	if d.take(']') {
		return nil
	}
	for {
		if err := d.value(nil, depth); err != nil {
			return err
		}
		d.space()
		if d.take(']') {
			return nil
		}
		if !d.take(',') {
			return ErrSyntax
		}
		d.space()
	}
}

// take passes over a character if it is the next one.
func (d *Document) take(c byte) bool {
	if d.at < len(d.text) && d.text[d.at] == c {
		d.at++
		return true
	}
	return false
}

func (d *Document) literal(word string) ([]byte, error) {
	end := d.at + len(word)
	if end > len(d.text) || string(d.text[d.at:end]) != word {
		return nil, ErrSyntax
	}
	text := d.text[d.at:end]
	d.at = end
	return text, nil
}

// number reads a number of the JSON grammar; what stands after it is the
// caller's business, so that 01 is a 0 with garbage behind it.
func (d *Document) number() ([]byte, error) {
	start := d.at
	d.take('-')
	if !d.take('0') && !d.digits() {
		return nil, ErrSyntax
	}
	if d.take('.') && !d.digits() {
		return nil, ErrSyntax
	}
	if d.take('e') || d.take('E') {
		if !d.take('+') {
			d.take('-')
		}
		if !d.digits() {
			return nil, ErrSyntax
		}
	}
	return d.text[start:d.at], nil
}

// digits passes over one or more digits.
func (d *Document) digits() bool {
	start := d.at
	for d.at < len(d.text) && '0' <= d.text[d.at] && d.text[d.at] <= '9' {
		d.at++
	}
	return d.at > start
}
