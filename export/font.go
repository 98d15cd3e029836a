package export

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// fontFiles are the fonts of the PDF report and their licences; see fonts/NOTICE.
//
//go:embed fonts
var fontFiles embed.FS

// typeface is a TrueType font and the widths of its characters in the Basic Multilingual Plane.
type typeface struct {
	file     []byte
	advances []uint16 // by code point, in thousandths of the font size; noGlyph if the font lacks the character
}

const noGlyph = 1<<16 - 1

// The typefaces of a report. Each is read once per process, when it is first used.
var (
	regularFace = sync.OnceValue(func() *typeface { return mustTypeface("NotoSans-Regular") })
	boldFace    = sync.OnceValue(func() *typeface { return mustTypeface("NotoSans-Bold") })
	cjkFace     = sync.OnceValue(func() *typeface { return mustTypeface("DroidSansFallback") })
)

// advance returns the width of a character in thousandths of the font size, and whether the font has the character.
func (f *typeface) advance(r rune) (int, bool) {
	if r < 0 || int(r) >= len(f.advances) || f.advances[r] == noGlyph {
		return 0, false
	}
	return int(f.advances[r]), true
}

// mustTypeface reads an embedded font. It panics if the font cannot be read, which means that the build is broken.
func mustTypeface(name string) *typeface {
	face, err := readTypeface(name)
	if err != nil {
		panic(fmt.Sprintf("export: font %s: %v", name, err))
	}
	return face
}

func readTypeface(name string) (*typeface, error) {
	packed, err := fontFiles.ReadFile("fonts/" + name + ".ttf.gz")
	if err != nil {
		return nil, err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	file, err := io.ReadAll(unpacked)
	if err != nil {
		return nil, err
	}
	face := &typeface{file: file}
	face.advances, err = readAdvances(file)
	return face, err
}

// readAdvances reads the widths of the characters from the tables head, hhea, hmtx and cmap of a font.
func readAdvances(file []byte) ([]uint16, error) {
	font := sfnt(file)
	unitsPerEm := font.u16(font.table("head") + 18)
	metrics := font.u16(font.table("hhea") + 34)
	widths := font.table("hmtx")
	if unitsPerEm == 0 || metrics == 0 {
		return nil, errors.New("the tables head and hhea have no units per em or no metrics")
	}
	cmap := font.table("cmap")
	segments := 0
	for i := range font.u16(cmap + 2) {
		if sub := cmap + font.u32(cmap+4+8*i+4); font.u16(sub) == 4 {
			segments = sub
		}
	}
	if segments == 0 {
		return nil, errors.New("the table cmap has no subtable of format 4")
	}
	advances := slices.Repeat([]uint16{noGlyph}, 1<<16)
	count := font.u16(segments + 6)
	ends, starts, deltas, offsets := segments+14, segments+16+count, segments+16+2*count, segments+16+3*count
	for i := 0; i < count; i += 2 {
		for r := font.u16(starts + i); r <= font.u16(ends+i) && r < noGlyph; r++ {
			glyph := r
			if offset := font.u16(offsets + i); offset != 0 {
				if glyph = font.u16(offsets + i + offset + 2*(r-font.u16(starts+i))); glyph == 0 {
					continue
				}
			}
			if glyph = (glyph + font.u16(deltas+i)) % (1 << 16); glyph != 0 {
				advances[r] = uint16(font.u16(widths+4*min(glyph, metrics-1)) * 1000 / unitsPerEm)
			}
		}
	}
	return advances, nil
}

// sfnt is the file of a TrueType font. Its methods return 0 for offsets outside of the file.
type sfnt []byte

func (f sfnt) u16(at int) int {
	if at < 0 || at+2 > len(f) {
		return 0
	}
	return int(binary.BigEndian.Uint16(f[at:]))
}

func (f sfnt) u32(at int) int { return f.u16(at)<<16 | f.u16(at+2) }

// table returns the offset of a table, or the length of the file if there is no such table.
func (f sfnt) table(tag string) int {
	for i := range f.u16(4) {
		if entry := 12 + 16*i; entry+16 <= len(f) && string(f[entry:entry+4]) == tag {
			return f.u32(entry + 8)
		}
	}
	return len(f)
}
