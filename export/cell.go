package export

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// guard returns the text as a cell that no spreadsheet runs: one that it would run gets one more leading apostrophe.
func guard(text string) string {
	if runs(text) {
		return "'" + text
	}
	return text
}

// unguard undoes guard: it strips exactly one apostrophe of a cell that guard would have given one.
func unguard(cell string) string {
	if strings.HasPrefix(cell, "'") && runs(cell) {
		return cell[1:]
	}
	return cell
}

// runs reports whether a spreadsheet may take the text for a formula: ^'*\s*[=+\-@\t\r\n\0], where blanks are those of
// Unicode and the byte order mark, and the signs count in their full-width forms too.
func runs(text string) bool {
	if text == "" || '@' < text[0] && text[0] < utf8.RuneSelf {
		return false // a letter, as most texts begin with
	}
	text = strings.TrimLeft(text, "'")
	for _, r := range text {
		switch r {
		case '=', '+', '-', '@', '\t', '\r', '\n', 0, '＝', '＋', '－', '＠':
			return true
		}
		if !isBlank(r) {
			return false
		}
	}
	return false
}

func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }
