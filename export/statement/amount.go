package statement

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// maxAmountCell is the maximum length of a cell that holds an amount, in bytes.
const maxAmountCell = 64

// An amount is the content of a cell that holds an amount.
type amount struct {
	digits   string // a plain decimal without a sign; empty: the cell holds no amount
	minus    bool   // a minus sign or parentheses
	plus     bool   // a plus sign
	mark     byte   // 'D' for debit and 'C' for credit, from DR, CR and the like; 0: none
	currency string // the symbol, code or name of a currency beside the digits; empty: none
}

// separators describes how the digits of a cell are separated. detectDecimal adds these over all cells of a column.
type separators uint8

const (
	pointDecimal  separators = 1 << iota // the point can only be the decimal sign
	commaDecimal                         // the comma can only be the decimal sign
	pointOrGroup                         // one point before three digits: a decimal sign or a group separator
	commaOrGroup                         // one comma before three digits: a decimal sign or a group separator
	malformedCell                        // the cell is not an amount
)

// plainRune returns the ASCII form of signs, blanks and digits that amounts contain in other scripts.
func plainRune(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return r
	case r == '−' || r == '–' || r == '—' || r == '‐' || r == '‑' || r == '‒' || r == '－' || r == '﹣':
		return '-'
	case r == '＋':
		return '+'
	case r == '’' || r == '‘' || r == 'ʼ' || r == '′':
		return '\''
	case r == '（':
		return '('
	case r == '）':
		return ')'
	case r == '．' || r == '٫':
		return '.'
	case r == '，' || r == '٬':
		return ','
	case wire.IsBlank(r):
		return ' '
	case unicode.Is(unicode.Bidi_Control, r):
		return -1
	}
	for _, zero := range []rune{'０', '٠', '۰', '०'} {
		if zero <= r && r <= zero+9 {
			return '0' + r - zero
		}
	}
	return r
}

// plainText applies plainRune to a cell and removes the blanks around it and the apostrophe of [wire.GuardCell].
func plainText(cell string) string {
	for i := range len(cell) {
		if cell[i] >= utf8.RuneSelf {
			cell = strings.Map(plainRune, cell)
			break
		}
	}
	return wire.UnguardCell(strings.TrimFunc(cell, wire.IsBlank))
}

// noAmount reports whether a cell says that there is no amount: it is empty, or a dash.
func noAmount(cell string) bool {
	return strings.Trim(plainText(cell), "- ") == "" && !strings.Contains(cell, "--")
}

// parseAmount parses a cell with the decimal sign '.' or ','. The error is ErrInvalid.
func parseAmount(cell string, decimal byte) (amount, error) {
	text := plainText(cell)
	if noAmount(text) {
		return amount{}, nil
	}
	malformed := func(code, reason string) (amount, error) {
		var errs expense.ValidationErrors
		errs.Add("amount", code, "amount %s %s", quote(cell), reason)
		return amount{}, errs.Err()
	}
	before, core, after, ok := splitAmount(text)
	if !ok {
		return malformed("malformed_amount", "is not an amount; write it like 12.50")
	}
	var a amount
	minuses, pluses, open, shut := 0, 0, 0, 0
	for _, part := range []string{before, after} {
		minuses += strings.Count(part, "-")
		pluses += strings.Count(part, "+")
		open += strings.Count(part, "(")
		shut += strings.Count(part, ")")
		for _, word := range strings.FieldsFunc(part, func(r rune) bool { return strings.ContainsRune("-+() ", r) }) {
			mark := markOf(word)
			switch {
			case mark != 0 && a.mark == 0:
				a.mark = mark
			case len(currenciesOf(word)) == 0:
				return malformed("malformed_amount", "has "+quote(word)+", which is not a currency; write it like 12.50 EUR")
			case a.currency == "" || isNarrower(word, a.currency):
				a.currency = word
			case !isNarrower(a.currency, word):
				return malformed("malformed_amount", "has two currencies; give one")
			}
		}
	}
	switch {
	case minuses > 1 || pluses > 1 || open > 1 || minuses+pluses > 1:
		return malformed("two_signs", "has more than one sign, so its direction is unclear; correct it in the file")
	case open != shut || pluses+open > 1 || a.mark == 'C' && minuses+open > 0 || a.mark == 'D' && pluses > 0:
		return malformed("malformed_amount", "has contradictory signs; write it like -12.50")
	}
	a.minus, a.plus = minuses+open > 0, pluses > 0
	whole, fraction, point := core, "", false
	if i := strings.LastIndexByte(core, decimal); i >= 0 {
		whole, fraction, point = core[:i], core[i+1:], true
	}
	whole, ok = ungrouped(whole, decimal)
	if !ok || !onlyDigits(fraction) || whole == "" && fraction == "" || len(core) > maxAmountCell {
		return malformed("malformed_amount", "does not fit the decimal sign "+quote(string(decimal))+
			" and groups of digits; check amount.decimal in the mapping")
	}
	if a.digits = strings.TrimLeft(whole, "0"); a.digits == "" {
		a.digits = "0"
	}
	if fraction = strings.TrimRight(fraction, "0"); point && fraction != "" {
		a.digits += "." + fraction
	}
	return a, nil
}

// splitAmount splits a cell into the text before the digits, the digits with their separators, and the text after them.
func splitAmount(text string) (before, core, after string, ok bool) {
	first, last := strings.IndexAny(text, "0123456789"), strings.LastIndexAny(text, "0123456789")
	if first < 0 || len(text) > maxAmountCell {
		return "", "", "", false
	}
	before, core, after = text[:first], text[first:last+1], text[last+1:]
	if n := len(before); n > 0 && (before[n-1] == '.' || before[n-1] == ',') {
		// ".50" begins with the decimal sign. The full stop of "Rs.50" belongs to the currency.
		if prefix := strings.TrimRight(before[:n-1], " "); prefix == "" || !endsInLetter(prefix) {
			before, core = before[:n-1], before[n-1:]+core
		}
	}
	if n := len(after); n > 0 && (after[0] == '.' || after[0] == ',') {
		// "5.-" and "5,--" have no decimals.
		after = strings.TrimLeft(after[1:], "-")
	}
	return before, core, after, true
}

func endsInLetter(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(text)
	return unicode.IsLetter(r)
}

// markOf returns 'D' or 'C' for the words that mark a debit or a credit beside an amount.
func markOf(word string) byte {
	switch strings.ToLower(strings.TrimSuffix(word, ".")) {
	case "dr", "db", "d", "s", "dt":
		return 'D'
	case "cr", "c", "h", "ct", "k":
		return 'C'
	}
	return 0
}

// separatorsOf returns what a cell says about the decimal sign of its column.
func separatorsOf(cell string) separators {
	text := plainText(cell)
	if noAmount(text) {
		return 0
	}
	before, core, after, ok := splitAmount(text)
	if !ok {
		return malformedCell
	}
	for _, part := range []string{before, after} {
		for _, word := range strings.FieldsFunc(part, func(r rune) bool { return strings.ContainsRune("-+() ", r) }) {
			if markOf(word) == 0 && len(currenciesOf(word)) == 0 {
				return malformedCell
			}
		}
	}
	points, commas := strings.Count(core, "."), strings.Count(core, ",")
	last := strings.LastIndexAny(core, ".,")
	switch {
	case strings.Trim(core, "0123456789.,' ") != "" || points > 1 && commas > 1:
		return malformedCell
	case last < 0:
		return 0
	case points > 0 && commas > 0:
		if core[last] == '.' {
			return pointDecimal
		}
		return commaDecimal
	case points > 1:
		return commaDecimal
	case commas > 1:
		return pointDecimal
	case len(core)-last-1 == 3 && last > 0 && last <= 3 && core[0] != '0':
		if core[last] == '.' {
			return pointOrGroup
		}
		return commaOrGroup
	case core[last] == '.':
		return pointDecimal
	}
	return commaDecimal
}

// ungrouped removes the group separators from the digits before the decimal sign. It accepts one kind of separator. The
// last group has three digits; the others have three, or all two as in India.
func ungrouped(whole string, decimal byte) (string, bool) {
	if onlyDigits(whole) {
		return whole, true
	}
	separator := "."
	if decimal == '.' {
		separator = ","
	}
	for _, other := range []string{"'", " "} {
		if strings.Contains(whole, other) {
			separator = other
		}
	}
	groups := strings.Split(whole, separator)
	last := len(groups) - 1
	size := 3
	if last > 1 {
		size = len(groups[1])
	}
	for i, group := range groups {
		switch {
		case group == "" || !onlyDigits(group), i == 0 && len(group) > 3, i == last && len(group) != 3,
			0 < i && i < last && len(group) != size, size != 2 && size != 3:
			return "", false
		}
	}
	return strings.Join(groups, ""), true
}

func onlyDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

func trim(text string) string { return strings.TrimFunc(text, wire.IsBlank) }

// quote quotes a text from a file for an error, shortened to 40 characters.
func quote(text string) string {
	runes := []rune(strings.ToValidUTF8(text, "�"))
	if len(runes) > 40 {
		runes = append(runes[:40], '…')
	}
	return "\"" + string(runes) + "\""
}
