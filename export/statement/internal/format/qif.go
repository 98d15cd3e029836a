package format

import (
	"errors"
	"io"
	"strings"
)

// A qifReader reads the transactions of QIF. Each part of a split transaction is a record of its own.
type qifReader struct {
	lines   *lineReader
	started bool
	skip    bool // the section holds no transactions of an account
	account bool // the section describes an account
	current booking
	splits  []booking
	queue   []booking
}

// NewQIF returns a reader of the transactions of QIF in UTF-8.
func NewQIF(r io.Reader) Reader { return &qifReader{lines: newLineReader(r)} }

// maxSplits is the maximum number of parts of a transaction.
const maxSplits = 1000

// Next implements [Reader].
func (q *qifReader) Next() (Record, error) {
	if !q.started {
		q.started = true
		return bookingHeader(), nil
	}
	for len(q.queue) == 0 {
		line, err := q.lines.next()
		if errors.Is(err, io.EOF) && q.current.line > 0 {
			q.finish() // the last transaction may lack its end
			continue
		}
		if err != nil {
			return Record{}, err
		}
		if line = strings.TrimSpace(line); line != "" {
			q.read(line[0], strings.TrimSpace(line[1:]))
		}
	}
	first := q.queue[0]
	q.queue = q.queue[1:]
	return first.record(), nil
}

func (q *qifReader) read(code byte, value string) {
	if code == '!' {
		section := strings.ToLower(value)
		q.account = section == "account"
		q.skip = q.account || !strings.HasPrefix(section, "type:") || strings.HasPrefix(section, "type:cat") ||
			strings.HasPrefix(section, "type:class") || strings.HasPrefix(section, "type:memorized") ||
			strings.HasPrefix(section, "type:invst") || strings.HasPrefix(section, "type:security") ||
			strings.HasPrefix(section, "type:prices")
		q.current, q.splits = booking{}, nil
		return
	}
	if q.skip {
		return
	}
	b := &q.current
	if b.line == 0 && code != '^' {
		b.line = q.lines.line
	}
	switch code {
	case '^':
		q.finish()
	case 'D':
		b.date = value
	case 'T':
		b.amount = value
	case 'U':
		if b.amount == "" {
			b.amount = value
		}
	case 'P':
		b.payee = cutText(value)
	case 'M':
		b.memo = cutText(value)
	case 'L':
		b.setCategory(value)
	case 'S':
		if len(q.splits) < maxSplits {
			q.splits = append(q.splits, booking{line: q.lines.line})
			q.splits[len(q.splits)-1].setCategory(value)
		}
	case 'E', '$':
		if n := len(q.splits); n > 0 && code == 'E' {
			q.splits[n-1].memo = cutText(value)
		} else if n > 0 {
			q.splits[n-1].amount = value
		}
	}
}

// setCategory sets the category of "Food:Groceries/Class", or the status of a transfer, such as "[Savings]".
func (b *booking) setCategory(value string) {
	value, _, _ = strings.Cut(cutText(value), "/")
	if strings.HasPrefix(value, "[") {
		b.status = "transfer"
		return
	}
	b.category = value
}

func cutText(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxText)], "") }

// finish moves the current transaction, or its parts, to the queue.
func (q *qifReader) finish() {
	b, splits := q.current, q.splits
	q.current, q.splits = booking{}, nil
	if b.line == 0 {
		return
	}
	if len(splits) < 2 || len(splits) == maxSplits {
		q.queue = append(q.queue, b)
		return
	}
	for _, part := range splits {
		part.date, part.payee = b.date, b.payee
		if part.memo == "" {
			part.memo = b.memo
		}
		q.queue = append(q.queue, part)
	}
}
