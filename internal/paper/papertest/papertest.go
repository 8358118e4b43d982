// Package papertest is for tests: it looks into the files that package paper writes.
package papertest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
)

// Document is a PDF taken apart as far as tests look.
type Document struct {
	Pages  []string // what each page writes
	glyphs []byte   // two bytes for each character: the number of its glyph in the font
	font   []byte   // the embedded TrueType font
}

var streams = regexp.MustCompile(`(?s)stream\r?\n(.*?)\r?\nendstream`)

// Read takes a file apart.
func Read(t testing.TB, file []byte) (d Document) {
	t.Helper()
	if !bytes.HasPrefix(file, []byte("%PDF-1.")) || !bytes.Contains(file, []byte("%%EOF")) {
		t.Fatalf("got %.20q, want a PDF", file)
	}
	for _, match := range streams.FindAllSubmatch(file, -1) {
		content := match[1]
		if reader, err := zlib.NewReader(bytes.NewReader(content)); err == nil {
			if inflated, err := io.ReadAll(reader); err == nil {
				content = inflated
			}
		}
		switch {
		case bytes.Contains(content, []byte("Tj ET")):
			d.Pages = append(d.Pages, string(content))
		case len(content) >= 2*0xFFFF:
			d.glyphs = content
		case bytes.HasPrefix(content, []byte{0, 1, 0, 0}):
			d.font = content
		}
	}
	return d
}

// Shows reports whether a page writes a text.
func (d Document) Shows(text string) bool {
	var sought []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		for _, b := range []byte{byte(unit >> 8), byte(unit)} {
			if strings.IndexByte(`\()`, b) >= 0 {
				sought = append(sought, '\\')
			}
			if b == '\r' {
				sought = append(sought, '\\', 'r')
				continue
			}
			sought = append(sought, b)
		}
	}
	return strings.Contains(strings.Join(d.Pages, ""), string(sought))
}

// Outline returns how many bytes of outline the embedded font has for a
// character, 0 when it has no glyph of its own.
func (d Document) Outline(t testing.TB, r rune) int {
	t.Helper()
	if len(d.glyphs) < 2*0xFFFF || len(d.font) < 12 {
		t.Fatalf("got %d bytes of glyph numbers and %d of font, want both embedded", len(d.glyphs), len(d.font))
	}
	glyph := int(binary.BigEndian.Uint16(d.glyphs[2*r:]))
	if glyph == 0 {
		return 0
	}
	tables := map[string][]byte{}
	for i := range int(binary.BigEndian.Uint16(d.font[4:])) {
		entry := d.font[12+16*i:]
		offset, length := binary.BigEndian.Uint32(entry[8:]), binary.BigEndian.Uint32(entry[12:])
		tables[string(entry[:4])] = d.font[offset : offset+length]
	}
	if binary.BigEndian.Uint16(tables["head"][50:]) == 0 { // offsets are kept halved
		loca := tables["loca"][2*glyph:]
		return 2 * (int(binary.BigEndian.Uint16(loca[2:])) - int(binary.BigEndian.Uint16(loca)))
	}
	loca := tables["loca"][4*glyph:]
	return int(binary.BigEndian.Uint32(loca[4:])) - int(binary.BigEndian.Uint32(loca))
}
