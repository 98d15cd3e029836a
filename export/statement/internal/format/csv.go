package format

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/spendwise/spendwise/expense"
)

// A csvReader splits CSV into records, by RFC 4180 and more leniently: lines end in LF or CRLF, blanks around a quoted
// field are dropped, and a quote within an unquoted field of a record of one line is kept. An empty line is a record
// without fields. If a record is malformed, the fault concerns its first line, and reading continues with the next
// line. Each line is split at most twice: only a line with an odd number of quotes leaves a quote open, and the next
// such line closes it.
type csvReader struct {
	src       io.Reader
	from      string // the encoding from which src is decoded; empty: UTF-8
	delimiter byte
	buf       []byte // buf[pos:] is read but not split
	pos       int
	eof       bool
	line      int // the line of buf[pos]
	text      []byte
	ends      []int
	fields    []string
}

// NewCSV returns a reader of the lines of CSV in UTF-8. from is the encoding from which the text was decoded; empty:
// UTF-8.
func NewCSV(src io.Reader, from string, delimiter byte) Reader {
	return &csvReader{src: src, from: from, delimiter: delimiter, line: 1, buf: make([]byte, 0, 64<<10)}
}

// Next implements [Reader].
func (r *csvReader) Next() (Record, error) {
	switch end, err := r.lineEnd(r.pos); {
	case err != nil:
		return Record{}, err
	case end < 0:
		return r.skipLongLine()
	case end == r.pos:
		return Record{}, io.EOF
	case len(bytes.TrimRight(r.buf[r.pos:end], "\r\n")) > 0:
		return r.split(end)
	default:
		r.pos, r.line = end, r.line+1
		return Record{Line: r.line - 1}, nil
	}
}

// split splits the record whose first line ends before first.
func (r *csvReader) split(first int) (Record, error) {
	rec := Record{Line: r.line}
	r.text, r.ends = r.text[:0], r.ends[:0]
	end, lines, literal := first, 1, false
	broken := func(code, detail string) (Record, error) {
		rec.Fault = &expense.InvalidError{Code: code, Detail: detail}
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
						return broken("malformed_quotes", "the line has a quote within a field and another one that is not closed; "+
							"quote the field and double the quotes in it")
					}
					r.text = append(r.text, r.buf[i:end]...)
					// The record continues on the next line. lineEnd may move the record in buf, so keep offsets from r.pos.
					head, done := first-r.pos, end-r.pos
					next, err := r.lineEnd(end)
					if err != nil {
						return Record{}, err
					}
					first, end, i = r.pos+head, r.pos+done, r.pos+done
					if next < 0 || next == end {
						return broken("unclosed_quote", "the line opens a quote that is never closed; double the quotes within a field")
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
				return broken("malformed_quotes", "text follows a closing quote; double the quotes within a field")
			}
		} else {
			for i < end && !r.ended(i, end) {
				literal = literal || r.buf[i] == '"'
				i++
			}
			if literal && lines > 1 {
				return broken("malformed_quotes", "a field that is not quoted has a quote; quote the field and double the quotes "+
					"in it")
			}
			r.text = append(r.text, r.buf[start:i]...)
		}
		r.ends = append(r.ends, len(r.text))
		if len(r.ends) > MaxColumns {
			return broken("too_many_columns", "the line has more than 1000 cells; check the delimiter in the mapping")
		}
		if i == end || r.buf[i] != r.delimiter {
			break
		}
		i++
	}
	rec.Fault = r.malformed(r.buf[r.pos:end])
	r.pos, r.line = end, r.line+lines
	if rec.Fault == nil {
		rec.Fields = r.cells()
	}
	return rec, nil
}

// cells returns the fields of the last split record.
func (r *csvReader) cells() []string {
	all, start := string(r.text), 0
	r.fields = r.fields[:0]
	for _, end := range r.ends {
		r.fields = append(r.fields, all[start:end])
		start = end
	}
	return r.fields
}

// malformed reports text that is not in the file's encoding.
func (r *csvReader) malformed(text []byte) *expense.InvalidError {
	switch {
	case !utf8.Valid(text):
		return &expense.InvalidError{Code: "malformed_text",
			Detail: "the line is not UTF-8; give the encoding of the file in the mapping"}
	case r.from != "" && bytes.ContainsRune(text, utf8.RuneError):
		return &expense.InvalidError{Code: "malformed_text", Detail: "a part of the line is not " + r.from +
			"; give the encoding of the file in the mapping"}
	}
	return nil
}

// ended reports whether a field ends at i. The line ends before end.
func (r *csvReader) ended(i, end int) bool {
	if i == end || r.buf[i] == r.delimiter || r.buf[i] == '\n' {
		return true
	}
	return r.buf[i] == '\r' && (i+1 == end || r.buf[i+1] == '\n')
}

// blanks returns the number of spaces at i.
func (r *csvReader) blanks(i, end int) int {
	n := 0
	for i+n < end && r.buf[i+n] == ' ' {
		n++
	}
	return n
}

// lineEnd returns the end of the line that begins at from, after its line break. It returns from at the end of the
// file, and -1 if the end is more than maxRecord bytes after pos. It may move the content of buf together with pos.
func (r *csvReader) lineEnd(from int) (int, error) {
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

// fill reads more into buf. It discards what is already split.
func (r *csvReader) fill() error {
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

// skipLongLine skips a line that is longer than maxRecord.
func (r *csvReader) skipLongLine() (Record, error) {
	rec := Record{Line: r.line, Fault: &expense.InvalidError{
		Code:   "line_too_long",
		Detail: "the line is longer than 1 MiB; export the file again as CSV with one line for each transaction",
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
			return Record{}, err
		}
	}
}
