package export

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/spendwise/spendwise/expense/locale"
)

// chartFonts are the fonts of a chart in order of preference.
const chartFonts = "'Noto Sans','Roboto',sans-serif"

// textAnchor says which end of a text is at its position. The width of the viewer's font does not matter then.
type textAnchor string

const (
	fromLeft textAnchor = "start"
	toRight  textAnchor = "end"
)

// text draws a text with a size in pixels. Each text is an element of its own, so right-to-left text does not affect
// other texts.
func (c *canvas) text(body string, x, y int, anchor textAnchor, size, colour int) {
	fmt.Fprintf(&c.texts, `<text x="%d" y="%d" text-anchor="%s" `+
		`style="stroke:none;fill:%s;font-size:%dpx;font-family:%s;unicode-bidi:plaintext">`,
		x, y, anchor, c.colours[colour].String(), size, chartFonts)
	c.escape(&c.texts, body)
	c.texts.WriteString("</text>")
}

// escape writes a text as XML.
func (c *canvas) escape(to *strings.Builder, text string) {
	if err := xml.EscapeText(to, []byte(text)); err != nil && c.err == nil {
		c.err = fmt.Errorf("write a text of the chart: %w", err)
	}
}

// left draws a text that begins at x.
func (c *canvas) left(text string, x, y, colour int) { c.text(text, x, y, fromLeft, chartText, colour) }

// right draws a text that ends at x.
func (c *canvas) right(text string, x, y, colour int) { c.text(text, x, y, toRight, chartText, colour) }

// widthOf estimates the width of a text in pixels. It assumes Noto Sans and adds 5 %, because viewers may use other
// fonts.
func widthOf(text string, size int) int {
	units := 0
	for _, r := range text {
		units += runeWidth(r)
	}
	return (units*size*21/20 + 999) / 1000
}

// runeWidth returns the width of a character in thousandths of the font size.
func runeWidth(r rune) int {
	switch {
	case isCombining(r):
		return 0
	case r > unicode.MaxLatin1:
		switch kind := width.LookupRune(r).Kind(); {
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			return 1000
		case r >= firstPictograph:
			return 1300
		}
	}
	if advance, ok := regularFace().advance(r); ok {
		return advance
	}
	return 700 // an average for scripts that Noto Sans does not cover
}

// firstPictograph is the first code point of the blocks of emoji.
const firstPictograph = 0x1F000

// isCombining reports whether a character combines with the one before it, or is invisible.
func isCombining(r rune) bool {
	return r >= 0x300 && (unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Variation_Selector))
}

// fit shortens a name to a width in pixels. It does not separate a character from its combining characters.
func fit(name string, size, maxWidth int) string {
	name = withoutBidi(name)
	if widthOf(name, size) <= maxWidth {
		return name
	}
	end := 0
	for i, r := range name {
		if isCombining(r) {
			continue
		}
		if widthOf(name[:i]+"…", size) > maxWidth {
			break
		}
		end = i
	}
	return strings.TrimRight(name[:end], " \u200d") + "…"
}

// withoutBidi returns a name without characters that change the direction of text.
func withoutBidi(name string) string { return strings.Trim(locale.IsolateBidi(name), "\u2068\u2069") }
