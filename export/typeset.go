package export

import (
	"strings"
	"unicode"

	"github.com/johnfercher/go-tree/node"
	"github.com/johnfercher/maroto/v2/pkg/consts/align"
	"github.com/johnfercher/maroto/v2/pkg/consts/fontstyle"
	"github.com/johnfercher/maroto/v2/pkg/core"
	"github.com/johnfercher/maroto/v2/pkg/core/entity"
	"github.com/johnfercher/maroto/v2/pkg/props"
	"golang.org/x/text/unicode/norm"
)

const (
	latinFamily = "noto"
	cjkFamily   = "droid"

	// missingGlyph stands for every character that no font of a report has.
	missingGlyph = '\ufffd'
	// pointsPerMM is how many points of a font's size make a millimetre.
	pointsPerMM = 72 / 25.4
)

// A typesetter breaks texts into lines of a width, and each line into runs of one font. It remembers what it met.
type typesetter struct {
	missing int  // characters that no font has
	cjk     bool // the second font is needed
}

// A textStyle is how a cell's text looks.
type textStyle struct {
	size   float64 // in points
	bold   bool
	right  bool // aligned to the right
	colour *props.Color
}

// A run is a part of a line in one font.
type run struct {
	text   string
	family string
	left   float64 // from the line's start, in mm
}

// A textLine is one line of a cell.
type textLine struct {
	runs  []run
	width float64 // in mm
}

// A glyph is a character as it is set.
type glyph struct {
	r       rune
	family  string
	advance int
}

// clean returns the text as it can be set: composed, tabs as blanks, without what is not seen, line feeds kept, and each
// character that no font has replaced by the missing glyph. The engine panics on bytes that are no UTF-8 and beyond U+FFFF.
func (t *typesetter) clean(text string, bold bool) []glyph {
	face := regularFace()
	if bold {
		face = boldFace()
	}
	text = composed(text)
	glyphs := make([]glyph, 0, len(text))
	for _, r := range text {
		switch {
		case r == '\n':
			glyphs = append(glyphs, glyph{r: r})
			continue
		case r == '\t':
			r = ' '
		case unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r):
			continue
		}
		advance, ok := face.advance(r)
		family := latinFamily
		if !ok && r >= firstCJK {
			if advance, ok = cjkFace().advance(r); ok {
				family, t.cjk = cjkFamily, true
			}
		}
		if !ok {
			r = missingGlyph
			advance, _ = face.advance(r)
			t.missing++
		}
		glyphs = append(glyphs, glyph{r: r, family: family, advance: advance})
	}
	return glyphs
}

// firstCJK is the first character that the second font is asked for.
const firstCJK = 0x1100

// breakable reports whether a line may be broken before or after the character, without a blank.
func (g glyph) breakable() bool { return g.family == cjkFamily }

// lines sets a text in lines of at most width mm.
func (t *typesetter) lines(text string, style textStyle, width float64) []textLine {
	if text == "" {
		return nil
	}
	glyphs := t.clean(text, style.bold)
	most := int(width * pointsPerMM / style.size * 1000)
	var lines []textLine
	for len(glyphs) > 0 {
		end, next := breakLine(glyphs, most)
		lines = append(lines, setLine(glyphs[:end], style.size))
		glyphs = glyphs[next:]
	}
	return lines
}

// breakLine returns where the first line of glyphs ends, and where the next one begins. A line takes at least one glyph.
func breakLine(glyphs []glyph, most int) (end, next int) {
	width, lastEnd, lastNext := 0, 0, 0
	for i, g := range glyphs {
		switch {
		case g.r == '\n':
			return i, i + 1
		case g.r == ' ':
			lastEnd, lastNext = i, i+1
		case i > 0 && g.advance > 0 && (g.breakable() || glyphs[i-1].breakable()):
			lastEnd, lastNext = i, i
		}
		width += g.advance
		if width <= most || i == 0 || g.advance == 0 || g.r == ' ' {
			continue
		}
		if lastNext > 0 {
			return lastEnd, lastNext
		}
		return i, i // a word longer than the line
	}
	return len(glyphs), len(glyphs)
}

func setLine(glyphs []glyph, size float64) textLine {
	var line textLine
	var text strings.Builder
	units, start := 0, 0
	flush := func(family string) {
		if text.Len() > 0 {
			line.runs = append(line.runs, run{text: text.String(), family: family, left: millimetres(start, size)})
			text.Reset()
		}
		start = units
	}
	for i, g := range glyphs {
		if i > 0 && g.family != glyphs[i-1].family {
			flush(glyphs[i-1].family)
		}
		text.WriteRune(g.r)
		units += g.advance
	}
	if len(glyphs) > 0 {
		flush(glyphs[len(glyphs)-1].family)
	}
	line.width = millimetres(units, size)
	return line
}

func millimetres(units int, size float64) float64 { return float64(units) * size / 1000 / pointsPerMM }

// A cellText is a text that is set: where it stands in its row, and its lines.
type cellText struct {
	left, width float64
	style       textStyle
	lines       []textLine
}

// leading is the height of a line of text, in parts of the font's size.
const leading = 1.22

func (c cellText) lineHeight() float64 { return c.style.size / pointsPerMM * leading }

func (c cellText) height() float64 { return float64(len(c.lines)) * c.lineHeight() }

// A textRow is a row of set cells. It is a component of the engine that knows its own height, so that no row runs into the
// next one, and that no text is measured twice.
type textRow struct {
	cells       []cellText
	top, bottom float64 // blank space, in mm
}

// height is what the row needs.
func (r *textRow) height() float64 {
	tallest := 0.0
	for _, cell := range r.cells {
		tallest = max(tallest, cell.height())
	}
	return r.top + tallest + r.bottom
}

// tallest is the number of lines of the cell that has most.
func (r *textRow) tallest() int {
	most := 0
	for _, cell := range r.cells {
		most = max(most, len(cell.lines))
	}
	return most
}

// split cuts the row after so many lines: a note may be longer than a page.
func (r *textRow) split(lines int) (head, tail *textRow) {
	head, tail = &textRow{top: r.top, bottom: r.bottom}, &textRow{top: r.top, bottom: r.bottom}
	for _, cell := range r.cells {
		first, rest := cell, cell
		cut := min(lines, len(cell.lines))
		first.lines, rest.lines = cell.lines[:cut], cell.lines[cut:]
		head.cells, tail.cells = append(head.cells, first), append(tail.cells, rest)
	}
	return head, tail
}

// Render draws the row's cells.
func (r *textRow) Render(provider core.Provider, cell *entity.Cell) {
	// The engine breaks what is wider than its cell; these lines are broken already, so it gets room enough.
	const unbounded = 10_000
	for _, text := range r.cells {
		style := fontstyle.Normal
		if text.style.bold {
			style = fontstyle.Bold
		}
		for i, line := range text.lines {
			left := text.left
			if text.style.right {
				left += text.width - line.width
			}
			for _, part := range line.runs {
				family, partStyle := part.family, style
				if family == cjkFamily {
					partStyle = fontstyle.Normal // the second font has no bold
				}
				provider.AddText(part.text, &entity.Cell{X: cell.X + left + part.left, Y: cell.Y, Width: unbounded, Height: cell.Height},
					&props.Text{
						Top: r.top + float64(i)*text.lineHeight(), Family: family, Style: partStyle, Size: text.style.size, Color: text.style.colour,
						Align: align.Left,
					})
			}
		}
	}
}

// GetHeight returns what the row needs.
func (r *textRow) GetHeight(core.Provider, *entity.Cell) float64 { return r.height() }

// SetConfig is part of the engine's interface; a set row needs no configuration.
func (r *textRow) SetConfig(*entity.Config) {}

// GetStructure is part of the engine's interface, for its own tests.
func (r *textRow) GetStructure() *node.Node[core.Structure] {
	return node.New(core.Structure{Type: "textRow"})
}

func composed(text string) string {
	return norm.NFC.String(strings.ToValidUTF8(text, string(missingGlyph)))
}
