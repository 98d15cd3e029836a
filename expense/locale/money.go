package locale

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/spendwise/spendwise/expense"
)

// A Formatter writes amounts, months and days for people. For amounts it uses CLDR's standard currency pattern of its
// locale: symbol, placement, grouping, digits and minus sign. For dates it uses CLDR's patterns for the Gregorian
// calendar.
//
// The zero Formatter returns [expense.Money.String], [expense.Month.String] and [expense.Date.String]. A Formatter is
// safe for concurrent use.
type Formatter struct {
	locale *localeData
}

// NewFormatter returns the Formatter of a BCP 47 tag such as "de-CH". If CLDR does not have the locale, NewFormatter
// uses the nearest parent that CLDR has; the last one is CLDR's root locale. Digits are the locale's default digits, or
// Latin digits if the tag contains "-u-nu-latn". NewFormatter parses the locale's data on each call, so reuse the
// Formatter.
func NewFormatter(locale string) Formatter {
	return Formatter{locale: newLocaleData(language.Make(locale))}
}

// Money returns the amount with all decimals of its currency: "$320.00" in en, "320,00 €" in de. Spaces in it are
// no-break spaces.
func (f Formatter) Money(m expense.Money) string { return f.money(m, false) }

// MoneyShort is like Money, but omits the decimals if all of them are zero: "$320", but "$320.50".
func (f Formatter) MoneyShort(m expense.Money) string { return f.money(m, true) }

func (f Formatter) money(m expense.Money, short bool) string {
	code := m.Currency().Code()
	if f.locale == nil {
		if whole, fraction, _ := strings.Cut(m.Amount(), "."); short && strings.Trim(fraction, "0") == "" {
			return strings.TrimSuffix(whole+" "+code, " ")
		}
		return m.String()
	}
	style := f.locale.money
	if own, ok := f.locale.moneyByCurrency[code]; ok {
		style = own
	}
	symbol := f.locale.values[code]
	if symbol == "" {
		symbol = code
	}
	if symbol == "" {
		symbol = currencySign
	}
	var buf [64]byte
	return string(style.append(buf[:0], m, symbol, short))
}

const (
	currencySign = "¤" // stands for the currency's symbol in a CLDR pattern
	noBreakSpace = "\u00a0"
)

// moneyStyle is a parsed CLDR currency pattern with the locale's signs.
type moneyStyle struct {
	positive, negative affixes
	decimal, group     string // the decimal sign and the group separator
	primary, secondary int    // number of digits of the last group, and of each group before it; 0: no grouping
	minGroupingDigits  int    // the minimum number of digits before the first group separator
	zero               rune   // the digit zero; the digits 1 to 9 follow it
}

// affixes are the text before and after the digits; "¤" stands for the currency's symbol.
type affixes struct {
	prefix, suffix string
}

func (s *moneyStyle) append(b []byte, m expense.Money, symbol string, short bool) []byte {
	affix, magnitude := s.positive, uint64(m.Minor())
	if m.Minor() < 0 {
		affix, magnitude = s.negative, -magnitude
	}
	var buf [24]byte
	text := strconv.AppendUint(buf[:0], magnitude, 10)
	places := m.Currency().Digits()
	if missing := places + 1 - len(text); missing > 0 {
		text = append([]byte("0000")[:missing], text...)
	}
	whole, fraction := text[:len(text)-places], text[len(text)-places:]
	if short && len(bytes.Trim(fraction, "0")) == 0 {
		fraction = nil
	}

	before, after, found := strings.Cut(affix.prefix, currencySign)
	b = append(b, before...)
	if found {
		b = append(b, symbol...)
		if last, _ := utf8.DecodeLastRuneInString(symbol); after == "" && needsSpace(last) {
			b = append(b, noBreakSpace...)
		}
		b = append(b, after...)
	}
	grouped := s.primary > 0 && len(whole) >= s.primary+s.minGroupingDigits
	for i, digit := range whole {
		if left := len(whole) - i; grouped && i > 0 && left >= s.primary && (left-s.primary)%s.secondary == 0 {
			b = append(b, s.group...)
		}
		b = utf8.AppendRune(b, s.zero+rune(digit-'0'))
	}
	if len(fraction) > 0 {
		b = append(b, s.decimal...)
	}
	for _, digit := range fraction {
		b = utf8.AppendRune(b, s.zero+rune(digit-'0'))
	}
	before, after, found = strings.Cut(affix.suffix, currencySign)
	b = append(b, before...)
	if found {
		if first, _ := utf8.DecodeRuneInString(symbol); before == "" && needsSpace(first) {
			b = append(b, noBreakSpace...)
		}
		b = append(b, symbol...)
		b = append(b, after...)
	}
	return b
}

// needsSpace reports whether CLDR puts a space between a currency symbol and a digit: "CHF 5", but "$5". r is the
// character of the symbol that is next to the digit.
func needsSpace(r rune) bool { return !unicode.In(r, unicode.S, unicode.Z) }

// parsePattern parses a pattern such as "¤#,##,##0.00;¤-#,##0.00". It uses only the affixes of the negative part, which
// follows the semicolon. Without a negative part, minus precedes the positive part. The number of decimals in the
// pattern is ignored, because the currency defines it.
func parsePattern(pattern, minus string) *moneyStyle {
	const body = "#,0."
	positive, negative, found := strings.Cut(pattern, ";")
	if !found {
		negative = "-" + positive
	}
	split := func(part string) affixes {
		start, end := strings.IndexAny(part, body), strings.LastIndexAny(part, body)
		return affixes{prefix: part[:start], suffix: part[end+1:]}
	}
	s := &moneyStyle{positive: split(positive), negative: split(negative)}
	s.negative.prefix = strings.Replace(s.negative.prefix, "-", minus, 1)
	s.negative.suffix = strings.Replace(s.negative.suffix, "-", minus, 1)

	whole, _, _ := strings.Cut(positive, ".")
	if groups := strings.Split(whole, ","); len(groups) > 1 {
		s.primary = len(groups[len(groups)-1])
		s.secondary = s.primary
		if len(groups) > 2 {
			s.secondary = len(groups[len(groups)-2])
		}
	}
	return s
}
