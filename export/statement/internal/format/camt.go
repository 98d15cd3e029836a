package format

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// A camtReader reads the entries of camt.052, camt.053 and camt.054 of ISO 20022, in any version.
type camtReader struct {
	decoder *xml.Decoder
	input   *failingReader
	started bool
	path    []string // the names of the open elements, from Ntry
	depth   int      // of the open elements
	open    *booking
	text    strings.Builder
	debit   bool
	booked  string // the date of booking; else the value date is taken
	value   string
	detail  string // the unstructured remittance information
}

// NewCAMT returns a reader of the entries of CAMT in UTF-8.
func NewCAMT(r io.Reader) Reader {
	input := &failingReader{r: r}
	decoder := xml.NewDecoder(input)
	// The text is UTF-8 already, whatever its XML declaration says.
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	return &camtReader{decoder: decoder, input: input}
}

// A failingReader keeps the error of a reader, to tell it from those of the decoder.
type failingReader struct {
	r   io.Reader
	err error
}

func (f *failingReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err //nolint:wrapcheck // io.EOF must stay as it is
}

// maxDepth is the maximum depth of elements.
const maxDepth = 64

// Next implements [Reader].
func (c *camtReader) Next() (Record, error) {
	if !c.started {
		c.started = true
		return bookingHeader(), nil
	}
	for {
		token, err := c.decoder.RawToken()
		line, _ := c.decoder.InputPos()
		switch {
		case err == nil:
		case c.input.err != nil:
			return Record{}, c.input.err
		case errors.Is(err, io.EOF) && c.depth > 0:
			return Record{}, FileError("malformed_xml", "the file ends within an element; export it again")
		case errors.Is(err, io.EOF):
			return Record{}, err
		default:
			return Record{}, FileError("malformed_xml", "the file is not well-formed XML: %v; export it again", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if c.depth++; c.depth > maxDepth {
				return Record{}, FileError("malformed_xml", "line %d has more than %d nested elements", line, maxDepth)
			}
			c.start(t, line)
		case xml.CharData:
			if c.open != nil && c.text.Len()+len(t) < maxText {
				c.text.Write(t)
			}
		case xml.EndElement:
			c.depth--
			if c.open == nil {
				continue
			}
			if t.Name.Local == "Ntry" {
				return c.finish(), nil
			}
			c.end()
			if len(c.path) > 0 {
				c.path = c.path[:len(c.path)-1]
			}
		}
	}
}

func (c *camtReader) start(t xml.StartElement, line int) {
	if t.Name.Local == "Ntry" {
		c.open, c.path = &booking{line: line}, c.path[:0]
		c.debit, c.booked, c.value, c.detail = false, "", "", ""
		return
	}
	if c.open == nil {
		return
	}
	c.path = append(c.path, t.Name.Local)
	c.text.Reset()
	if t.Name.Local == "Amt" && len(c.path) == 1 {
		for _, attribute := range t.Attr {
			if attribute.Name.Local == "Ccy" {
				c.open.currency = attribute.Value
			}
		}
	}
}

// end takes the text of the element that ends.
func (c *camtReader) end() {
	text, b := strings.TrimSpace(c.text.String()), c.open
	c.text.Reset()
	switch path := strings.Join(c.path, "/"); path {
	case "Amt":
		b.amount = text
	case "CdtDbtInd":
		c.debit = text == "DBIT"
	case "Sts", "Sts/Cd":
		if text == "PDNG" || text == "INFO" {
			b.status = "pending"
		}
	case "BookgDt/Dt", "BookgDt/DtTm":
		c.booked = text
	case "ValDt/Dt", "ValDt/DtTm":
		c.value = text
	case "AcctSvcrRef":
		b.id = text
	case "NtryDtls/TxDtls/RmtInf/Ustrd":
		appendText(&b.memo, text)
	case "NtryDtls/TxDtls/RltdPties/Cdtr/Nm", "NtryDtls/TxDtls/RltdPties/Cdtr/Pty/Nm":
		if c.debit {
			appendText(&b.payee, text)
		}
	case "NtryDtls/TxDtls/RltdPties/Dbtr/Nm", "NtryDtls/TxDtls/RltdPties/Dbtr/Pty/Nm":
		if !c.debit {
			appendText(&b.payee, text)
		}
	case "AddtlNtryInf":
		c.detail = text
	}
}

func (c *camtReader) finish() Record {
	b := c.open
	c.open = nil
	if b.date = c.booked; b.date == "" {
		b.date = c.value
	}
	if len(b.date) > 10 { // a time in the zone of the bank: its day is the day of the statement
		b.date = b.date[:10]
	}
	if c.debit && b.amount != "" {
		b.amount = "-" + b.amount
	}
	if b.memo == "" {
		appendText(&b.memo, c.detail)
	}
	return b.record()
}
