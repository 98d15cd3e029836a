package statement

import (
	"bufio"
	"bytes"
	"io"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Encodings returns the names that a [Mapping.Encoding] may have. utf-16 takes a byte order mark's word, else
// little-endian.
func Encodings() []string {
	return []string{"utf-8", "utf-16", "windows-1252", "iso-8859-1", "iso-8859-15"}
}

// encodingOf returns the encoding of that name; nil is UTF-8.
func encodingOf(name string) (encoding.Encoding, bool) {
	switch name {
	case "", "utf-8":
		return nil, true
	case "utf-16":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true
	case "windows-1252":
		return charmap.Windows1252, true
	case "iso-8859-1":
		return charmap.ISO8859_1, true
	case "iso-8859-15":
		return charmap.ISO8859_15, true
	}
	return nil, false
}

// decoded returns r as UTF-8, without a byte order mark, and the name of the encoding that it is decoded from: "" is
// UTF-8, whose bytes are as they were. In the others U+FFFD stands for what could not be decoded. Where no encoding is
// named, the mark of UTF-16 names it.
func decoded(r io.Reader, name string) (text io.Reader, from string, err error) {
	if from, _ := encodingOf(name); from != nil {
		return from.NewDecoder().Reader(r), name, nil
	}
	mark := []byte("\ufeff")
	buffered := bufio.NewReader(r)
	// A file shorter than a mark has none; any other trouble comes again with the first read.
	head, _ := buffered.Peek(len(mark))
	switch {
	case name == "" && (bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff"))):
		return decoded(buffered, "utf-16")
	case bytes.Equal(head, mark):
		if _, err := buffered.Discard(len(mark)); err != nil {
			return nil, "", err
		}
	}
	return buffered, "", nil
}
