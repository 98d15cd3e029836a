package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CSVHeader is the header line of the CSV format, without its line end.
const CSVHeader = "id,date,amount,currency,category,notes,rate,rate_date,rate_source,home_amount,home_currency,rule_id"

// GuardCell returns text as a CSV cell that no spreadsheet runs as a formula. If a spreadsheet could run it, GuardCell
// puts an apostrophe before it. UnguardCell returns the original text.
func GuardCell(text string) string {
	if looksLikeFormula(text) {
		return "'" + text
	}
	return text
}

// UnguardCell reverses GuardCell: it removes the apostrophe that GuardCell put before the text.
func UnguardCell(cell string) string {
	if strings.HasPrefix(cell, "'") && looksLikeFormula(cell) {
		return cell[1:]
	}
	return cell
}

// looksLikeFormula reports whether a spreadsheet may take the text for a formula. Such a text matches
// ^'*\s*[=+\-@\t\r\n\0], where \s is [IsBlank] and the signs include their full-width forms. Leading apostrophes count,
// so that UnguardCell is the exact inverse of GuardCell.
func looksLikeFormula(text string) bool {
	if text == "" || '@' < text[0] && text[0] < utf8.RuneSelf {
		return false // most texts begin with a letter
	}
	text = strings.TrimLeft(text, "'")
	for _, r := range text {
		switch r {
		case '=', '+', '-', '@', '\t', '\r', '\n', 0, '＝', '＋', '－', '＠':
			return true
		}
		if !IsBlank(r) {
			return false
		}
	}
	return false
}

// IsBlank reports whether readers of CSV cells ignore r at the start and the end of a cell: white space as Unicode
// defines it, and the byte order mark.
func IsBlank(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }
