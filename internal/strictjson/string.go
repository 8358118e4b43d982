package strictjson

import (
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string that begins here. Without escapes the result is a part
// of the text.
func (d *Document) string() ([]byte, error) {
	d.at++ // the quotation mark
	start := d.at
	for d.at < len(d.text) {
		switch c := d.text[d.at]; {
		case c == '"':
			text := d.text[start:d.at]
			d.at++
			return text, nil
		case c == '\\':
			return d.escaped(start)
		case c < 0x20:
			return nil, ErrSyntax
		default:
			d.at++
		}
	}
	return nil, ErrSyntax
}

// escaped reads the rest of a string that has an escape here.
func (d *Document) escaped(start int) ([]byte, error) {
	// The buffer may move as it grows; texts that point into an older one keep
	// it alive.
	from := len(d.decoded)
	d.decoded = append(d.decoded, d.text[start:d.at]...)
	for d.at < len(d.text) {
		switch c := d.text[d.at]; {
		case c == '"':
			d.at++
			return d.decoded[from:], nil
		case c == '\\':
			d.at++
			if err := d.escape(); err != nil {
				return nil, err
			}
		case c < 0x20:
			return nil, ErrSyntax
		default:
			d.decoded = append(d.decoded, c)
			d.at++
		}
	}
	return nil, ErrSyntax
}

// escape decodes what stands after a backslash.
func (d *Document) escape() error {
	if d.at >= len(d.text) {
		return ErrSyntax
	}
	c := d.text[d.at]
	d.at++
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return d.unicode()
	default:
		return ErrSyntax
	}
	d.decoded = append(d.decoded, c)
	return nil
}

// unicode decodes what stands after \u, with the second half of a pair.
func (d *Document) unicode() error {
	r, ok := d.hex4()
	if !ok {
		return ErrSyntax
	}
	if utf16.IsSurrogate(r) {
		if d.at+1 >= len(d.text) || d.text[d.at] != '\\' || d.text[d.at+1] != 'u' {
			return ErrEncoding
		}
		d.at += 2
		low, ok := d.hex4()
		if !ok {
			return ErrSyntax
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return ErrEncoding
		}
	}
	if r == 0 {
		return ErrEncoding
	}
	d.decoded = utf8.AppendRune(d.decoded, r)
	return nil
}

func (d *Document) hex4() (rune, bool) {
	if d.at+4 > len(d.text) {
		return 0, false
	}
	var r rune
	for _, c := range d.text[d.at : d.at+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	d.at += 4
	return r, true
}
