package export

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/spendwise/spendwise/expense/locale"
)

// chartFonts are asked for in this order; a viewer that has none of them takes its own sans-serif.
const chartFonts = "'Noto Sans','Roboto',sans-serif"

// A textAnchor says which end of a text stands at its place, so that it does not matter how wide a viewer's font is.
type textAnchor string

const (
	fromLeft textAnchor = "start"
	toRight  textAnchor = "end"
)

// text writes a text of the given size in pixels. It is an element of its own: what runs from right to left in it turns nothing else.
func (c *canvas) text(body string, x, y int, anchor textAnchor, size, ink int) {
	fmt.Fprintf(&c.letters, `<text x="%d" y="%d" text-anchor="%s" style="stroke:none;fill:%s;font-size:%dpx;font-family:%s;unicode-bidi:plaintext">`,
		x, y, anchor, c.ink[ink].String(), size, chartFonts)
	c.escape(&c.letters, body)
	c.letters.WriteString("</text>")
}

// escape writes a text as XML holds it.
func (c *canvas) escape(to *strings.Builder, text string) {
	if err := xml.EscapeText(to, []byte(text)); err != nil && c.err == nil {
		c.err = fmt.Errorf("write a text of the chart: %w", err)
	}
}

// left and right write a text of the usual size from its left end on, or up to its right end.
func (c *canvas) left(text string, x, y, ink int) { c.text(text, x, y, fromLeft, chartText, ink) }

func (c *canvas) right(text string, x, y, ink int) { c.text(text, x, y, toRight, chartText, ink) }

// widthOf is about how many pixels a text takes: as Noto Sans has it, wide characters as wide as they are high, and a little more,
// because viewers have other fonts.
func widthOf(text string, size int) int {
	units := 0
	for _, r := range text {
		units += runeWidth(r)
	}
	return (units*size*21/20 + 999) / 1000
}

// runeWidth is the width of a character in thousandths of the size.
func runeWidth(r rune) int {
	switch {
	case joins(r):
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
	return 700 // the scripts that Noto Sans leaves to other fonts have no wider letters in the mean
}

// firstPictograph is where the planes of emoji begin.
const firstPictograph = 0x1F000

// joins reports whether a character is drawn onto the one before, or is not seen at all.
func joins(r rune) bool {
	return r >= 0x300 && (unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Variation_Selector))
}

// fit shortens a name to what a width in pixels holds, never between a character and what is drawn onto it.
func fit(name string, size, most int) string {
	name = plain(name)
	if widthOf(name, size) <= most {
		return name
	}
	kept := 0
	for i, r := range name {
		if !joins(r) && widthOf(name[:i]+"…", size) > most {
			break
		}
		if !joins(r) {
			kept = i
		}
	}
	return strings.TrimRight(name[:kept], " \u200d") + "…"
}

// plain is a name as a text of its own, without what would order it in another direction.
func plain(name string) string { return strings.Trim(locale.IsolateBidi(name), "\u2068\u2069") }
