package format

import (
	"bufio"
	"errors"
	"html"
	"io"
	"strings"
)

// An ofxReader reads the transactions of OFX 1.x, whose elements need no end tag, and 2.x.
type ofxReader struct {
	r        *bufio.Reader
	line     int
	started  bool
	currency string   // CURDEF of the statement
	account  string   // ACCTID of the statement
	open     *booking // the transaction being read
}

// NewOFX returns a reader of the transactions of OFX in UTF-8.
func NewOFX(r io.Reader) Reader { return &ofxReader{r: bufio.NewReader(r), line: 1} }

// Next implements [Reader].
func (o *ofxReader) Next() (Record, error) {
	if !o.started {
		o.started = true
		return bookingHeader(), nil
	}
	for {
		tag, value, err := o.element()
		if errors.Is(err, io.EOF) && o.open != nil {
			line := o.open.line
			o.open = nil
			return Broken(line, "incomplete", "the file ends within this transaction; export it again"), nil
		}
		if err != nil {
			return Record{}, err
		}
		switch {
		case tag == "STMTTRN":
			last := o.open
			o.open = &booking{line: o.line, currency: o.currency}
			if last != nil {
				return o.finish(last), nil
			}
		case tag == "/STMTTRN" || tag == "/BANKTRANLIST":
			if last := o.open; last != nil {
				o.open = nil
				return o.finish(last), nil
			}
		case o.open != nil:
			o.field(tag, value)
		case tag == "CURDEF":
			o.currency = value
		case tag == "ACCTID":
			o.account = value
		}
	}
}

// finish completes a transaction. The ids of a bank are unique within one account.
func (o *ofxReader) finish(b *booking) Record {
	if b.id != "" {
		b.id = o.account + "/" + b.id
	}
	return b.record()
}

func (o *ofxReader) field(tag, value string) {
	b := o.open
	switch tag {
	case "DTPOSTED":
		// The time and its zone are ignored: banks write midnight in any zone for a day.
		b.date = value[:min(len(value), 8)]
	case "TRNAMT":
		b.amount = ofxAmount(value)
	case "FITID":
		b.id = value
	case "NAME", "PAYEE", "EXTDNAME":
		appendText(&b.payee, value)
	case "MEMO":
		if value != b.payee {
			appendText(&b.memo, value)
		}
	case "CURSYM":
		b.currency = value
	case "ORIGCURRENCY", "/ORIGCURRENCY":
		// The amount is in the currency of the statement; CURSYM names the one in which the shop charged.
		b.currency = o.currency
	case "/CURRENCY":
	}
}

// ofxAmount returns an amount with a point as decimal sign. The standard allows a comma too.
func ofxAmount(value string) string {
	if strings.Count(value, ",") == 1 && !strings.Contains(value, ".") {
		return strings.Replace(value, ",", ".", 1)
	}
	return value
}

// element returns the next tag, in capitals, and the text after it.
func (o *ofxReader) element() (tag, value string, err error) {
	if _, err := o.until('<'); err != nil {
		return "", "", err
	}
	tag, err = o.until('>')
	if err != nil {
		return "", "", err
	}
	value, err = o.peekUntil('<')
	tag, _, _ = strings.Cut(strings.ToUpper(strings.TrimSpace(tag)), " ")
	return tag, html.UnescapeString(strings.TrimSpace(value)), err
}

// until returns the text before the next c, at most maxText bytes of it, and skips c.
func (o *ofxReader) until(c byte) (string, error) {
	text, err := o.peekUntil(c)
	if err != nil {
		return "", err
	}
	_, err = o.r.ReadByte()
	return text, err
}

// peekUntil returns the text before the next c, at most maxText bytes of it. At the end of the file it returns the
// rest.
func (o *ofxReader) peekUntil(c byte) (string, error) {
	var text []byte
	for {
		b, err := o.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && len(text) > 0:
			return string(text), nil
		case err != nil:
			return "", err
		case b == c:
			return string(text), o.r.UnreadByte()
		case b == '\n':
			o.line++
		}
		if len(text) < maxText {
			text = append(text, b)
		}
	}
}
