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

	// missingGlyph replaces every character that no font of a report has.
	missingGlyph = '\ufffd'
	// pointsPerMM is the number of typographic points in a millimetre.
	pointsPerMM = 72 / 25.4
)

// typesetter breaks texts into lines that fit into a given width, and each line into runs of one font. Its fields
// accumulate over all texts.
type typesetter struct {
	missing int  // the number of characters that no font has
	cjk     bool // a text needs the CJK font
}

// textStyle is the style of a text.
type textStyle struct {
	size   float64 // in points
	bold   bool
	right  bool // aligned to the right
	colour *props.Color
}

// run is a part of a line in one font.
type run struct {
	text   string
	family string
	left   float64 // the distance from the start of the line, in millimetres
}

// textLine is one line of a cell.
type textLine struct {
	runs  []run
	width float64 // in millimetres
}

// glyph is a character with its font and width.
type glyph struct {
	r       rune
	family  string
	advance int // in thousandths of the font size
}

// clean returns the glyphs of a text. It normalises the text to NFC, converts tabs to spaces, removes invisible
// characters except line feeds, and replaces characters that no font has by the missing glyph. The PDF library would
// panic on invalid UTF-8 and on characters beyond U+FFFF.
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

// firstCJK is the first code point that is looked up in the CJK font.
const firstCJK = 0x1100

// breakable reports whether a line may break before and after the glyph without a space.
func (g glyph) breakable() bool { return g.family == cjkFamily }

// lines breaks a text into lines of at most width millimetres.
func (t *typesetter) lines(text string, style textStyle, width float64) []textLine {
	if text == "" {
		return nil
	}
	glyphs := t.clean(text, style.bold)
	maxAdvance := int(width * pointsPerMM / style.size * 1000)
	var lines []textLine
	for len(glyphs) > 0 {
		end, next := breakLine(glyphs, maxAdvance)
		lines = append(lines, setLine(glyphs[:end], style.size))
		glyphs = glyphs[next:]
	}
	return lines
}

// breakLine returns the end of the first line of glyphs and the start of the next line. A line has at least one glyph.
func breakLine(glyphs []glyph, maxAdvance int) (end, next int) {
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
		if width <= maxAdvance || i == 0 || g.advance == 0 || g.r == ' ' {
			continue
		}
		if lastNext > 0 {
			return lastEnd, lastNext
		}
		return i, i // a word longer than the line
	}
	return len(glyphs), len(glyphs)
}

// setLine returns the line that consists of glyphs, divided into runs of one font.
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

// millimetres converts thousandths of a font size.
func millimetres(units int, size float64) float64 { return float64(units) * size / 1000 / pointsPerMM }

// cellText is a text that was broken into lines.
type cellText struct {
	left, width float64 // in millimetres; left is the distance from the start of the row
	style       textStyle
	lines       []textLine
}

// leading is the height of a line in units of the font size.
const leading = 1.22

func (c cellText) lineHeight() float64 { return c.style.size / pointsPerMM * leading }

func (c cellText) height() float64 { return float64(len(c.lines)) * c.lineHeight() }

// textRow is a row of cells. It implements [core.Component] of the PDF library. It computes its height itself, so rows
// do not overlap and texts are measured only once.
type textRow struct {
	cells       []cellText
	top, bottom float64 // vertical space in millimetres
}

// height returns the height of the row in millimetres.
func (r *textRow) height() float64 {
	tallest := 0.0
	for _, cell := range r.cells {
		tallest = max(tallest, cell.height())
	}
	return r.top + tallest + r.bottom
}

// lineCount returns the number of lines of the longest cell.
func (r *textRow) lineCount() int {
	count := 0
	for _, cell := range r.cells {
		count = max(count, len(cell.lines))
	}
	return count
}

// split splits the row after a number of lines.
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

// Render implements [core.Component].
func (r *textRow) Render(provider core.Provider, cell *entity.Cell) {
	// The PDF library breaks texts that are wider than their cell. The lines are already broken, so the cells are very
	// wide.
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
					partStyle = fontstyle.Normal // the CJK font has no bold style
				}
				at := &entity.Cell{X: cell.X + left + part.left, Y: cell.Y, Width: unbounded, Height: cell.Height}
				provider.AddText(part.text, at, &props.Text{
					Top: r.top + float64(i)*text.lineHeight(), Family: family, Style: partStyle, Size: text.style.size,
					Color: text.style.colour, Align: align.Left,
				})
			}
		}
	}
}

// GetHeight implements [core.Component].
func (r *textRow) GetHeight(core.Provider, *entity.Cell) float64 { return r.height() }

// SetConfig implements [core.Component].
func (r *textRow) SetConfig(*entity.Config) {}

// GetStructure implements [core.Component]. The tests of the PDF library use it.
func (r *textRow) GetStructure() *node.Node[core.Structure] {
	return node.New(core.Structure{Type: "textRow"})
}

// composed returns a text in NFC, with replacement characters for invalid UTF-8.
func composed(text string) string {
	return norm.NFC.String(strings.ToValidUTF8(text, string(missingGlyph)))
}
