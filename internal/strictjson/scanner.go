package strictjson

import "unicode/utf8"

// Scanner reads a long document in pieces, so that the limits of a [Document]
// hold for each piece and not for the whole, and the memory of one piece serves
// the next. A value is valid until the next one is read.
type Scanner struct {
	document Document
}

// Start begins with a text, which must not change while it is read.
func (s *Scanner) Start(text []byte) error {
	s.document.text, s.document.at = text, 0
	if !utf8.Valid(text) {
		return ErrEncoding
	}
	s.document.space()
	return nil
}

// Starts reports whether the next value begins with a character.
func (s *Scanner) Starts(c byte) bool {
	d := &s.document
	return d.at < len(d.text) && d.text[d.at] == c
}

// Value reads the next value.
func (s *Scanner) Value() (Value, error) {
	d := &s.document
	d.nodes, d.decoded = d.nodes[:0], d.decoded[:0]
	if err := d.value(nil, 0); err != nil {
		return Value{}, err
	}
	d.space()
	return Value{document: d}, nil
}

// Members reads an object that begins here: read is called after each name and
// reads that member's value. An error of read ends it.
func (s *Scanner) Members(read func(name string) error) error {
	var names []string
	return s.row('{', '}', func() error {
		if !s.Starts('"') {
			return ErrSyntax
		}
		text, err := s.document.string()
		if err != nil {
			return err
		}
		name := string(text)
		for _, other := range names {
			if other == name {
				return &DuplicateError{Name: name}
			}
		}
		if len(names) == ValuesMax {
			return ErrTooLong
		}
		names = append(names, name)
		s.document.space()
		if !s.document.take(':') {
			return ErrSyntax
		}
		s.document.space()
		return read(name)
	})
}

// Elements reads an array that begins here: read is called before each element
// and reads it. An error of read ends it.
func (s *Scanner) Elements(read func() error) error { return s.row('[', ']', read) }

func (s *Scanner) row(open, shut byte, read func() error) error {
	d := &s.document
	if !d.take(open) {
		return ErrSyntax
	}
	d.space()
	if d.take(shut) {
		d.space()
		return nil
	}
	for {
		if err := read(); err != nil {
			return err
		}
		d.space()
		if d.take(shut) {
			d.space()
			return nil
		}
		if !d.take(',') {
			return ErrSyntax
		}
		d.space()
	}
}

// End wants the text to be read.
func (s *Scanner) End() error {
	if s.document.at != len(s.document.text) {
		return ErrSyntax
	}
	return nil
}
