package statement

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// maxRecord is how many bytes a record of a CSV file has at most, over all its lines.
const maxRecord = 1 << 20

// A record is one record of a CSV file.
type record struct {
	line   int      // the physical line it begins on, from 1
	fields []string // valid until the next record is read
	fault  *expense.InvalidError
}

// A recordReader splits CSV into records. It takes LF or CRLF for a line's end, skips empty lines, drops blanks around
// a quoted field, and keeps a quote within an unquoted field as it is in a record of one line. A record that is broken
// is a fault of its first line alone: reading goes on with the next. That costs no more than a second look at each
// line, since only a line with an odd number of quotes leaves a quote open, and the next such line ends the search for
// its end.
type recordReader struct {
	src       io.Reader
	from      string // the encoding that src was decoded from; empty where its bytes are the file's
	delimiter byte
	buf       []byte // buf[pos:] is read, but not yet split
	pos       int
	eof       bool
	line      int // of buf[pos]
	text      []byte
	ends      []int
	fields    []string
}

func newRecordReader(src io.Reader, from string, delimiter byte) *recordReader {
	return &recordReader{src: src, from: from, delimiter: delimiter, line: 1, buf: make([]byte, 0, 64<<10)}
}

// next returns the next record; io.EOF after the last.
func (r *recordReader) next() (record, error) {
	for {
		end, err := r.lineEnd(r.pos)
		if err != nil {
			return record{}, err
		}
		if end < 0 {
			return r.skipLongLine()
		}
		if end == r.pos {
			return record{}, io.EOF
		}
		if len(bytes.TrimRight(r.buf[r.pos:end], "\r\n")) > 0 {
			return r.split(end)
		}
		r.pos, r.line = end, r.line+1
	}
}

// split splits the record whose first line ends before first.
func (r *recordReader) split(first int) (record, error) {
	rec := record{line: r.line}
	r.text, r.ends = r.text[:0], r.ends[:0]
	end, lines, literal := first, 1, false
	broken := func(code, detail string) (record, error) {
		rec.fault = &expense.InvalidError{Code: code, Detail: detail}
		r.pos, r.line = first, r.line+1
		return rec, nil
	}
	for i := r.pos; ; {
		start := i
		i += r.blanks(i, end)
		if i < end && r.buf[i] == '"' {
			i++
			for {
				quote := bytes.IndexByte(r.buf[i:end], '"')
				if quote < 0 {
					if literal {
						return broken("malformed_quotes", "a quote stands within a field, and another is not closed on the line; "+
							"quote the field and double the quotes in it")
					}
					r.text = append(r.text, r.buf[i:end]...)
					// The record goes on with the next line. Its place in buf may move, so places are kept from r.pos.
					head, done := first-r.pos, end-r.pos
					next, err := r.lineEnd(end)
					if err != nil {
						return record{}, err
					}
					first, end, i = r.pos+head, r.pos+done, r.pos+done
					if next < 0 || next == end {
						return broken("unclosed_quote", "a quote is opened that is never closed; quotes within a field are doubled")
					}
					end, lines = next, lines+1
					continue
				}
				r.text = append(r.text, r.buf[i:i+quote]...)
				i += quote + 1
				if i == end || r.buf[i] != '"' {
					break
				}
				r.text = append(r.text, '"')
				i++
			}
			i += r.blanks(i, end)
			if !r.ended(i, end) {
				return broken("malformed_quotes", "text follows a closing quote; quotes within a field are doubled")
			}
		} else {
			for i < end && !r.ended(i, end) {
				literal = literal || r.buf[i] == '"'
				i++
			}
			if literal && lines > 1 {
				return broken("malformed_quotes", "a quote stands within a field that is not quoted; quote the field and double "+
					"the quotes in it")
			}
			r.text = append(r.text, r.buf[start:i]...)
		}
		r.ends = append(r.ends, len(r.text))
		if i == end || r.buf[i] != r.delimiter {
			break
		}
		i++
	}
	rec.fault = r.malformed(r.buf[r.pos:end])
	r.pos, r.line = end, r.line+lines
	if rec.fault == nil {
		rec.fields = r.cells()
	}
	return rec, nil
}

// cells returns the fields of the record that was split last.
func (r *recordReader) cells() []string {
	all, start := string(r.text), 0
	r.fields = r.fields[:0]
	for _, end := range r.ends {
		r.fields = append(r.fields, all[start:end])
		start = end
	}
	return r.fields
}

// malformed finds text that is not of the file's encoding.
func (r *recordReader) malformed(text []byte) *expense.InvalidError {
	switch {
	case !utf8.Valid(text):
		return &expense.InvalidError{Code: "malformed_text",
			Detail: "this is not UTF-8; name the file's encoding in the mapping"}
	case r.from != "" && bytes.ContainsRune(text, utf8.RuneError):
		return &expense.InvalidError{Code: "malformed_text", Detail: "a part of this is not " + r.from +
			"; is the file damaged, or of another encoding?"}
	}
	return nil
}

// ended reports whether a field ends at i, in a line that ends before end.
func (r *recordReader) ended(i, end int) bool {
	if i == end || r.buf[i] == r.delimiter || r.buf[i] == '\n' {
		return true
	}
	return r.buf[i] == '\r' && (i+1 == end || r.buf[i+1] == '\n')
}

// blanks counts the spaces at i.
func (r *recordReader) blanks(i, end int) int {
	n := 0
	for i+n < end && r.buf[i+n] == ' ' {
		n++
	}
	return n
}

// lineEnd returns where the line that begins at from ends, its line end included; from itself at the end of the file;
// and
// -1 when that is more than maxRecord bytes from pos. It may move what is in buf, and pos with it.
func (r *recordReader) lineEnd(from int) (int, error) {
	for seen := from; ; {
		if i := bytes.IndexByte(r.buf[seen:], '\n'); i >= 0 {
			seen += i + 1
			if seen-r.pos > maxRecord {
				return -1, nil
			}
			return seen, nil
		}
		seen = len(r.buf)
		if seen-r.pos > maxRecord {
			return -1, nil
		}
		if r.eof {
			return seen, nil
		}
		shift := r.pos
		if err := r.fill(); err != nil {
			return 0, err
		}
		seen -= shift - r.pos
	}
}

// fill reads more into buf; what is split already makes room.
func (r *recordReader) fill() error {
	if len(r.buf) == cap(r.buf) {
		kept := r.buf[r.pos:]
		if len(kept) > cap(r.buf)/2 {
			grown := make([]byte, len(kept), 2*cap(r.buf))
			copy(grown, kept)
			r.buf = grown
		} else {
			r.buf = r.buf[:copy(r.buf[:cap(r.buf)], kept)]
		}
		r.pos = 0
	}
	n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if errors.Is(err, io.EOF) {
		r.eof = true
		return nil
	}
	return err
}

// skipLongLine passes over a line that is too long to be a record.
func (r *recordReader) skipLongLine() (record, error) {
	rec := record{line: r.line, fault: &expense.InvalidError{
		Code: "line_too_long", Detail: "a line has at most 1 MiB; is this a CSV file, and its delimiter the mapping's?",
	}}
	for {
		if i := bytes.IndexByte(r.buf[r.pos:], '\n'); i >= 0 {
			r.pos, r.line = r.pos+i+1, r.line+1
			return rec, nil
		}
		r.pos = len(r.buf)
		if r.eof {
			return rec, nil
		}
		if err := r.fill(); err != nil {
			return record{}, err
		}
	}
}

// normalised appends the fields without the blanks around them, each with its length before it, empty ones at the end
// left out: what stays the same when a program writes the line again with other quotes or line ends.
func normalised(b []byte, fields []string) []byte {
	last := len(fields)
	for last > 0 && strings.TrimFunc(fields[last-1], wire.IsBlank) == "" {
		last--
	}
	for _, field := range fields[:last] {
		field = strings.TrimFunc(strings.ReplaceAll(field, "\r\n", "\n"), wire.IsBlank)
		b = strconv.AppendInt(b, int64(len(field)), 10)
		b = append(b, ':')
		b = append(b, field...)
	}
	return b
}
