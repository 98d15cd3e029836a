package ecb

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// The names that the bank's XML files use.
const (
	gesmesSpace = "http://www.gesmes.org/xml/2002-08-01"
	ratesSpace  = "http://www.ecb.int/vocabulary/2002-08-01/eurofxref"
)

// ParseXML reads eurofxref-daily.xml, and its like of many days, eurofxref-hist-90d.xml: an Envelope with a Cube with a
// Cube for each day with a Cube for each currency. A document type, and so an entity of its own, is refused. The error is
// expense.ErrInvalid, with line and column, when the file is not like that.
func ParseXML(r io.Reader) (File, error) {
	content := bound(r, maxFile)
	p := xmlParser{collector: newCollector(), content: content, decoder: xml.NewDecoder(content)}
	p.decoder.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, p.at.fault("the encoding is %s, not UTF-8", quote(charset))
	}
	for {
		p.at.line, p.at.column = p.decoder.InputPos()
		token, err := p.decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && p.envelopes == 0:
			return File{}, p.at.fault("the file ends without an Envelope")
		case errors.Is(err, io.EOF):
			return p.file()
		case err != nil:
			return File{}, p.syntax(err)
		}
		if err := p.token(token); err != nil {
			return File{}, err
		}
	}
}

// xmlParser is at one of the levels of the file: outside, in the Envelope, in its Cube, in a day's, in a currency's.
type xmlParser struct {
	*collector
	content   *bounded
	decoder   *xml.Decoder
	at        place // where the current token begins
	level     int
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
			return p.at.fault("there is text, %s, where none belongs", quote(strings.TrimSpace(string(t))))
		}
	case xml.Directive:
		return p.at.fault("a document type is not allowed")
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
		// The subject and the sender.
		if err := p.decoder.Skip(); err != nil {
			return p.syntax(err)
		}
		return nil
	case p.level == 2 && isCube:
		if err := p.startDay(element); err != nil {
			return err
		}
	case p.level == 3 && isCube:
		if err := p.startPrice(element); err != nil {
			return err
		}
	default:
		return p.at.fault("the element %s does not belong here", quote(element.Name.Local))
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

func (p *xmlParser) startPrice(element xml.StartElement) error {
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
		return p.at.fault("%s has a second price on %s", code, p.date)
	}
	p.seen[currency] = true
	if err := p.price(p.at, p.date, currency, rate); err != nil {
		return fmt.Errorf("the price of %s: %w", code, err)
	}
	return nil
}

// attribute returns the one attribute called name.
func (p *xmlParser) attribute(element xml.StartElement, name string) (string, error) {
	value, found := "", 0
	for _, attr := range element.Attr {
		if attr.Name.Space == "" && attr.Name.Local == name {
			value = attr.Value
			found++
		}
	}
	if found != 1 {
		return "", p.at.fault("the Cube has %d attributes %q where one is needed", found, name)
	}
	return value, nil
}

// syntax says where the syntax is broken and what to do; when the file could not be read, that is the error.
func (p *xmlParser) syntax(err error) error {
	if p.content.err != nil {
		return p.content.err
	}
	if fault, ok := errors.AsType[*expense.InvalidError](err); ok {
		return fault // of the encoding, inside the decoder's own words
	}
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		_, column := p.decoder.InputPos()
		return place{syntax.Line, column}.fault("%s", syntax.Msg)
	}
	return p.at.fault("%v", err)
}
