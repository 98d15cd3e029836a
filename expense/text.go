package expense

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the form in which texts are compared: case folded by Unicode's full folding, accents composed (NFC). Two
// names are the same, and a search finds a note, when their folded forms say so; every store uses this one.
func Fold(text string) string {
	if isLowerASCII(text) {
		return text
	}
	return norm.NFC.String(strings.Map(foldCherokee, cases.Fold().String(norm.NFC.String(text))))
}

// foldCherokee folds the one script whose folded form is the capital: package cases swaps its capitals and small letters.
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

func hasBidi(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) })
}

// visible reports whether a rune shows by itself: a letter, a mark, a number, a sign or a symbol.
func visible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

// cleanText reports whether text is valid UTF-8 without control characters but those allowed.
func cleanText(text, allowed string) bool {
	for _, r := range text {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			return false
		}
	}
	return utf8.ValidString(text)
}
