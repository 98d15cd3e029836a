package locale

import (
	"strings"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/bidi"
)

// Language returns the language of a locale, for choosing a translation: "de" for "de-CH". For Chinese it includes the
// script, such as "zh-Hant". It never returns an empty string: an invalid tag has the language "en".
func Language(locale string) string {
	tag := language.Make(locale)
	base, _ := tag.Base()
	if base.String() != "zh" {
		return base.String()
	}
	script, _ := tag.Script()
	return "zh-" + script.String()
}

// IsolateBidi prepares text that a user wrote, such as a category's name, for a text that also contains amounts. It
// deletes the bidirectional control characters (Unicode Bidi_Control), which could reorder the digits of an amount. If
// the text contains a right-to-left letter, it is enclosed in a first-strong isolate (U+2068 and U+2069).
func IsolateBidi(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, text)
	for _, r := range text {
		if r < firstRightToLeft {
			continue
		}
		properties, _ := bidi.LookupRune(r)
		if class := properties.Class(); class == bidi.R || class == bidi.AL || class == bidi.AN {
			return "\u2068" + text + "\u2069"
		}
	}
	return text
}

// firstRightToLeft is the first character of the first right-to-left script in Unicode, Hebrew.
const firstRightToLeft = 0x590
