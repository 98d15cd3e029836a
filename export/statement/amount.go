package statement

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spendwise/spendwise/export/wire"
)

// plainAmount returns an amount written as people and programs write it as a plain decimal: "1,234.50", "1.234,50-",
// "(12)". Before the decimal sign, digits may be grouped by the other sign, an apostrophe or a blank, in threes or in
// the Indian way; a group in a wrong place is an error, since the decimal sign may be another than the mapping says. A
// minus may stand before or behind, or brackets for it; the currency's own code may stand before or behind too.
func plainAmount(text string, decimal byte, currency string) (string, bool) {
	text = trim(text)
	if currency != "" {
		if rest, found := strings.CutPrefix(text, currency); found {
			text = trim(rest)
		} else if rest, found := strings.CutSuffix(text, currency); found {
			text = trim(rest)
		}
	}
	text, negative := unsigned(text)
	whole, fraction, point := strings.Cut(text, string(decimal))
	if point && (fraction == "" || !onlyDigits(fraction)) {
		return "", false
	}
	whole, ok := ungrouped(whole, decimal)
	if !ok || whole == "" && !point {
		return "", false
	}
	if whole == "" {
		whole = "0"
	}
	if len(fraction) > mostDigits {
		// Some programs write twelve places: zeros that no currency has say nothing, any other digit is an error later.
		fraction = strings.TrimRight(fraction, "0")
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if negative {
		whole = "-" + whole
	}
	return whole, true
}

// mostDigits is how many minor digits a currency has at most.
const mostDigits = 4

// withoutSymbol takes one sign of a currency out of an amount: "$12.50", "-12,50 €". A digit must not stand on both
// its sides.
func withoutSymbol(text string) string {
	at := strings.IndexFunc(text, func(r rune) bool { return unicode.Is(unicode.Sc, r) })
	if at < 0 {
		return text
	}
	_, size := utf8.DecodeRuneInString(text[at:])
	before, after := trim(text[:at]), trim(text[at+size:])
	if strings.ContainsAny(before, "0123456789") && after != "" && after != "-" && after != ")" {
		return text
	}
	return before + after
}

// unsigned cuts one sign off an amount: a plus or a minus before it, a minus behind it, or brackets around it.
func unsigned(text string) (rest string, negative bool) {
	if inner, found := strings.CutPrefix(text, "("); found {
		if inner, found := strings.CutSuffix(inner, ")"); found {
			return trim(inner), true
		}
	}
	for _, minus := range []string{"-", "−"} {
		if rest, found := strings.CutPrefix(text, minus); found {
			return trim(rest), true
		}
		if rest, found := strings.CutSuffix(text, minus); found {
			return trim(rest), true
		}
	}
	return trim(strings.TrimPrefix(text, "+")), false
}

// ungrouped takes the group signs out of the digits before the decimal sign: one kind of them, the last group of three
// digits, the others of three or all of two, the first not longer than the others.
func ungrouped(whole string, decimal byte) (string, bool) {
	if onlyDigits(whole) {
		return whole, true
	}
	separators := []string{",", "'", "’", " ", "\u00a0", "\u202f"}
	if decimal == ',' {
		separators[0] = "."
	}
	for _, separator := range separators {
		if !strings.Contains(whole, separator) {
			continue
		}
		groups := strings.Split(whole, separator)
		last := len(groups) - 1
		size := 3
		if last > 1 {
			size = len(groups[1])
		}
		if size != 2 && size != 3 || len(groups[last]) != 3 {
			return "", false
		}
		for i, group := range groups {
			if group == "" || !onlyDigits(group) || i == 0 && len(group) > size || 0 < i && i < last && len(group) != size {
				return "", false
			}
		}
		return strings.Join(groups, ""), true
	}
	return "", false
}

func onlyDigits(text string) bool { return strings.Trim(text, "0123456789") == "" }

func trim(text string) string { return strings.TrimFunc(text, wire.IsBlank) }
