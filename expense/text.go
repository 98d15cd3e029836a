package expense

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the form of text for comparing names: Unicode full case folding, normalised to NFC. Two names are the
// same if their folded forms are equal. Every store must use Fold, so that all stores find the same rows.
func Fold(text string) string {
	if isLowerASCII(text) {
		return text
	}
	return norm.NFC.String(strings.Map(foldCherokee, cases.Fold().String(norm.NFC.String(text))))
}

// FoldSearch returns the form of text for searching notes. It ignores case as Fold does, and also accents: the form of
// "café" contains that of "cafe", and that of "Łódź" contains that of "lodz". Compatibility characters become the plain
// ones. Every store must use FoldSearch.
func FoldSearch(text string) string {
	if isASCII(text) {
		return strings.ToLower(text)
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(Fold(norm.NFKD.String(text))) {
		switch {
		case '\u0300' <= r && r <= '\u036f':
			// A combining diacritical mark: an accent of a Latin, Greek or Cyrillic letter. Marks of other scripts are parts
			// of the letters.
		case r < utf8.RuneSelf || r > 'ŧ':
			b.WriteRune(r)
		default:
			b.WriteString(plainLetter(r))
		}
	}
	return norm.NFC.String(b.String())
}

// plainLetter returns the letters for a small Latin letter whose accent Unicode does not decompose, or for a ligature.
func plainLetter(r rune) string {
	switch r {
	case 'æ':
		return "ae"
	case 'ð', 'đ':
		return "d"
	case 'ħ':
		return "h"
	case 'ı':
		return "i"
	case 'ł':
		return "l"
	case 'ŋ':
		return "n"
	case 'ø':
		return "o"
	case 'œ':
		return "oe"
	case 'ŧ':
		return "t"
	case 'þ':
		return "th"
	default:
		return string(r)
	}
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldCherokee returns the capital of a Cherokee letter. Unicode case folding maps Cherokee letters to capitals.
// Package cases instead swaps capital and small letters.
func foldCherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(r)
	}
	return r
}

func isLowerASCII(text string) bool {
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

func isBidiControl(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }

// visible reports whether r is a visible character: a letter, mark, number, punctuation character or symbol.
func visible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

// cleanText reports whether text is valid UTF-8 and has no control characters except the allowed ones.
func cleanText(text, allowed string) bool { return findUnclean(text, allowed) == "" }

// findUnclean returns the first control character of text that is not one of allowed, or the first byte that is not
// UTF-8. It returns "" if [cleanText] holds.
func findUnclean(text, allowed string) string {
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			return text[i : i+size]
		}
	}
	return ""
}
