package ecb

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// The XML namespaces of the bank's files.
const (
	gesmesSpace = "http://www.gesmes.org/xml/2002-08-01"
	ratesSpace  = "http://www.ecb.int/vocabulary/2002-08-01/eurofxref"
)

// ParseXML parses the bank's XML files, eurofxref-daily.xml and eurofxref-hist-90d.xml: an Envelope with a Cube that
// contains a Cube for each day, which contains a Cube for each currency. It rejects a document type declaration, so the
// file cannot define entities. If the file is malformed, the error is [expense.ErrInvalid] and states line and column.
func ParseXML(r io.Reader) (File, error) {
	content := newLimitedReader(r, maxFile)
	p := xmlParser{collector: newCollector(), content: content, decoder: xml.NewDecoder(content)}
	p.decoder.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, p.at.errorf("the encoding is %s, not UTF-8", quote(charset))
	}
	for {
		p.at.line, p.at.column = p.decoder.InputPos()
		token, err := p.decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && p.envelopes == 0:
			return File{}, p.at.errorf("the file has no Envelope")
		case errors.Is(err, io.EOF):
			return p.file()
		case err != nil:
			return File{}, p.parseError(err)
		}
		if err := p.token(token); err != nil {
			return File{}, err
		}
	}
}

type xmlParser struct {
	*collector
	content   *limitedReader
	decoder   *xml.Decoder
	at        position // of the current token
	level     int      // the number of open elements
	envelopes int
	date      expense.Date
	seen      map[expense.Currency]bool // of the current day
}

func (p *xmlParser) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		p.level--
	case xml.CharData:
		if strings.TrimSpace(string(t)) != "" {
			return p.at.errorf("unexpected text %s", quote(strings.TrimSpace(string(t))))
		}
	case xml.Directive:
		return p.at.errorf("a document type is not allowed")
	}
	return nil
}

func (p *xmlParser) start(element xml.StartElement) error {
	isCube := element.Name == xml.Name{Space: ratesSpace, Local: "Cube"}
	switch {
	case p.level == 0 && element.Name == xml.Name{Space: gesmesSpace, Local: "Envelope"} && p.envelopes == 0:
		p.envelopes++
	case p.level == 1 && isCube:
	case p.level == 1:
		// Skip the elements subject and Sender.
		if err := p.decoder.Skip(); err != nil {
			return p.parseError(err)
		}
		return nil
	case p.level == 2 && isCube:
		if err := p.startDay(element); err != nil {
			return err
		}
	case p.level == 3 && isCube:
		if err := p.startRate(element); err != nil {
			return err
		}
	default:
		return p.at.errorf("unexpected element %s", quote(element.Name.Local))
	}
	p.level++
	return nil
}

func (p *xmlParser) startDay(element xml.StartElement) error {
	text, err := p.attribute(element, "time")
	if err != nil {
		return err
	}
	p.date, err = p.day(p.at, text)
	p.seen = map[expense.Currency]bool{}
	return err
}

func (p *xmlParser) startRate(element xml.StartElement) error {
	code, err := p.attribute(element, "currency")
	if err != nil {
		return err
	}
	rate, err := p.attribute(element, "rate")
	if err != nil {
		return err
	}
	currency, err := p.currency(p.at, code)
	if err != nil {
		return err
	}
	if !currency.IsZero() && p.seen[currency] {
		return p.at.errorf("%s has two rates on %s", code, p.date)
	}
	p.seen[currency] = true
	if err := p.rate(p.at, p.date, currency, rate); err != nil {
		return fmt.Errorf("rate of %s: %w", code, err)
	}
	return nil
}

// attribute returns the value of the attribute with this name, which must exist once.
func (p *xmlParser) attribute(element xml.StartElement, name string) (string, error) {
	value, found := "", 0
	for _, attr := range element.Attr {
		if attr.Name.Space == "" && attr.Name.Local == name {
			value = attr.Value
			found++
		}
	}
	if found != 1 {
		return "", p.at.errorf("the Cube has %d attributes %q; it must have one", found, name)
	}
	return value, nil
}

// parseError returns an error of the decoder with its position. If reading the file failed, it returns that error.
func (p *xmlParser) parseError(err error) error {
	if p.content.err != nil {
		return p.content.err
	}
	if invalid, ok := errors.AsType[*expense.InvalidError](err); ok {
		return invalid // the error of CharsetReader, which the decoder wraps
	}
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		_, column := p.decoder.InputPos()
		return position{syntax.Line, column}.errorf("%s", syntax.Msg)
	}
	return p.at.errorf("%v", err)
}
