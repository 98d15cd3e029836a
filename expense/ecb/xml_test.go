package ecb_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
)

func TestParseXML_ReadsPublishedFiles(t *testing.T) {
	for name, from := range map[string]string{
		"eurofxref-daily.xml":    "2026-03-05",
		"eurofxref-hist-90d.xml": "2025-12-05",
	} {
		t.Run(name, func(t *testing.T) {
			content, err := os.Open("testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = content.Close() })
			file, err := ecb.ParseXML(content)
			if err != nil {
				t.Fatal(err)
			}
			want := realQuotes(t, from)
			if !slices.Equal(file.Quotes, want) || len(file.UnknownCurrencies) != 0 {
				t.Errorf("%d quotes, unknown %v; want the %d of the CSV history since %s",
					len(file.Quotes), file.UnknownCurrencies, len(want), from)
			}
		})
	}
}

const (
	envelopeBegin = `<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"` +
		` xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject>` +
		`<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
<Cube>`
	envelopeEnd = "</Cube></gesmes:Envelope>\n"
)

// renderXML returns quotes in the bank's XML format, latest day first. quotes are ordered by date.
func renderXML(quotes []expense.Quote) string {
	var days []string
	for start := 0; start < len(quotes); {
		end := start
		day := fmt.Sprintf("<Cube time='%s'>\n", quotes[start].Date)
		for ; end < len(quotes) && quotes[end].Date == quotes[start].Date; end++ {
			day += fmt.Sprintf("<Cube currency='%s' rate='%s'/>\n", quotes[end].Currency, quotes[end].Value)
		}
		days = append(days, day+"</Cube>\n")
		start = end
	}
	slices.Reverse(days)
	return envelopeBegin + strings.Join(days, "") + envelopeEnd
}

func TestParseXML_IgnoresUnknownCurrencies(t *testing.T) {
	file, err := ecb.ParseXML(strings.NewReader(envelopeBegin +
		`<Cube time="2026-03-05"><Cube currency="QQQ" rate="3"/><Cube currency="USD" rate="1.1618" note="x"/></Cube>` +
		envelopeEnd))
	if err != nil {
		t.Fatal(err)
	}
	if want := []expense.Quote{quote("2026-03-05", "USD", "1.1618")}; !slices.Equal(file.Quotes, want) {
		t.Errorf("Quotes = %v, want %v", file.Quotes, want)
	}
	if want := []string{"QQQ"}; !slices.Equal(file.UnknownCurrencies, want) {
		t.Errorf("Unknown = %v, want %v", file.UnknownCurrencies, want)
	}
}

func TestParseXML_RejectsInvalidFiles(t *testing.T) {
	const day = "<Cube time='2026-03-05'>"
	inDay := func(cubes string) string { return envelopeBegin + day + cubes + "</Cube>" + envelopeEnd }
	for name, test := range map[string]struct{ text, want string }{
		"an empty file":            {"", "has no Envelope"},
		"a web page":               {"<html><body>Sign in</body></html>", `line 1, column 1: unexpected element "html"`},
		"a page of HTML 5":         {"<!doctype html><html></html>", "line 1, column 1: a document type is not allowed"},
		"CSV":                      {"Date,USD\n", `unexpected text "Date,USD"`},
		"an entity of its own":     {"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>", "a document type is not allowed"},
		"an entity nobody defined": {inDay("<Cube currency='USD' rate='&lol;'/>"), "invalid character entity &lol;"},
		"another encoding":         {"<?xml version='1.0' encoding='Latin-1'?>", `the encoding is "Latin-1", not UTF-8`},
		"another version":          {"<?xml version='2.0'?><x/>", "line 1, column 1: xml: unsupported version"},
		"another vocabulary":       {"<Envelope xmlns='urn:other'/>", `unexpected element "Envelope"`},
		"an Envelope alone": {
			strings.TrimSuffix(envelopeBegin, "<Cube>") + "</gesmes:Envelope>", "has no rate of a known",
		},
		"a file cut short":        {envelopeBegin + day + "<Cube currency='USD' rate='1.1618'/>", "line 4, column"},
		"more after the Envelope": {inDay("") + "<more/>", `unexpected element "more"`},
		"a day without a date": {
			envelopeBegin + "<Cube/>" + envelopeEnd, `line 4, column 7: the Cube has 0 attributes "time"`,
		},
		"an impossible day": {
			envelopeBegin + "<Cube time='2026-02-29'/>" + envelopeEnd, "date 2026-02-29 does not exist in the calendar",
		},
		"a day twice":              {inDay("</Cube>" + day), "day 2026-03-05 is already on line 4"},
		"a price without currency": {inDay("<Cube rate='1'/>"), `0 attributes "currency"`},
		"a currency without price": {inDay("<Cube currency='USD'/>"), `0 attributes "rate"`},
		"an attribute twice":       {inDay("<Cube currency='USD' rate='1' rate='2'/>"), `2 attributes "rate"`},
		"a currency twice": {inDay("<Cube currency='USD' rate='1'/><Cube currency='USD' rate='1'/>"),
			"USD has two rates on 2026-03-05"},
		"the euro":         {inDay("<Cube currency='EUR' rate='1'/>"), "EUR must not have a rate"},
		"a bad code":       {inDay("<Cube currency='US$' rate='1'/>"), `"US$" is not a currency code`},
		"a bad price":      {inDay("<Cube currency='USD' rate='N/A'/>"), `rate of USD: line 4, column 31: rate "N/A" is not`},
		"a price too deep": {inDay("<Cube currency='USD' rate='1'><Cube/></Cube>"), `unexpected element "Cube"`},
		"text in the Cube": {envelopeBegin + "hello" + envelopeEnd, `unexpected text "hello"`},
		"broken UTF-8":     {envelopeBegin + "\xff" + envelopeEnd, "invalid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ecb.ParseXML(strings.NewReader(test.text))
			mustBeMalformed(t, err, test.want)
		})
	}
}

func FuzzParseXML(f *testing.F) {
	f.Add(renderXML([]expense.Quote{
		quote("2026-03-04", "JPY", "183.02"), quote("2026-03-05", "JPY", "183.03"), quote("2026-03-05", "USD", "1.1618"),
	}))
	f.Add(envelopeBegin + "<Cube time='2026-03-05'><Cube currency='QQQ' rate='1'/></Cube>" + envelopeEnd)
	f.Add("<!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>")
	f.Add("<a><a><a><a>")
	f.Add("<?xml version=\"0\"?>")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := ecb.ParseXML(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, expense.ErrInvalid) {
				t.Fatalf("error %v is no ErrInvalid", err)
			}
			return
		}
		mustBeOrdered(t, file.Quotes)
		again, err := ecb.ParseXML(strings.NewReader(renderXML(file.Quotes)))
		if err != nil || !slices.Equal(again.Quotes, file.Quotes) {
			t.Fatalf("written and read again: %v, %v; want %v", again.Quotes, err, file.Quotes)
		}
	})
}
