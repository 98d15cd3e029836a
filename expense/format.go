package expense

import (
	"bytes"
	"compress/gzip"
	_ "embed" // for the table of locales
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// A Formatter writes amounts, months and days for people. Amounts go by the standard currency pattern of a locale in CLDR: its
// symbol, placement, grouping, digits and minus; months by its names and patterns for the Gregorian calendar. The zero Formatter writes what [Money.String], [Month.String] and [Date.String] do. It may be used by many goroutines.
type Formatter struct {
	locale *localeFormat
}

// NewFormatter returns the Formatter of a BCP 47 tag such as "de-CH". A locale that CLDR does not have falls back to its
// parent, and in the end to the root. Digits are those that are usual there, or Latin ones for a tag with "-u-nu-latn".
func NewFormatter(locale string) Formatter {
	return Formatter{locale: newLocaleFormat(language.Make(locale))}
}

// PhraseLanguage returns the language in which sentences about a locale's ledger are to be: "de", "zh-Hant". It is never empty.
func PhraseLanguage(locale string) string {
	tag := language.Make(locale)
	base, _ := tag.Base()
	if base.String() != "zh" {
		return base.String()
	}
	script, _ := tag.Script()
	return "zh-" + script.String()
}

// Money writes all minor digits of the currency: "$320.00" in en, "320,00 €" in de. Blanks within it do not break.
func (f Formatter) Money(m Money) string { return f.format(m, false) }

// MoneyShort is Money without the minor digits where all of them are zero: "$320", but "$320.50".
func (f Formatter) MoneyShort(m Money) string { return f.format(m, true) }

func (f Formatter) format(m Money, short bool) string {
	if f.locale == nil {
		if whole, fraction, _ := strings.Cut(m.Amount(), "."); short && strings.Trim(fraction, "0") == "" {
			return strings.TrimSuffix(whole+" "+m.currency.Code(), " ")
		}
		return m.String()
	}
	code := m.currency.Code()
	style := f.locale.style
	if own, ok := f.locale.own[code]; ok {
		style = own
	}
	symbol := f.locale.symbols[code]
	if symbol == "" {
		symbol = code
	}
	if symbol == "" {
		symbol = "¤"
	}
	var buf [64]byte
	return string(style.append(buf[:0], m, symbol, short))
}

// moneyStyle is a parsed pattern of CLDR with the signs that stand in it.
type moneyStyle struct {
	positive, negative affixes
	decimal, group     string
	nearest, further   int  // how many digits the group before the decimal sign has, and each further one; 0: no groups
	minimum            int  // how many digits must stand before the first group sign
	zero               rune // the others follow it
}

// affixes surround the digits; "¤" stands for the symbol.
type affixes struct {
	prefix, suffix string
}

func (s *moneyStyle) append(b []byte, m Money, symbol string, short bool) []byte {
	around, magnitude := s.positive, uint64(m.minor)
	if m.minor < 0 {
		around, magnitude = s.negative, -magnitude
	}
	var buf [24]byte
	text := strconv.AppendUint(buf[:0], magnitude, 10)
	places := m.currency.Digits()
	if missing := places + 1 - len(text); missing > 0 {
		text = append([]byte("0000")[:missing], text...)
	}
	whole, fraction := text[:len(text)-places], text[len(text)-places:]
	if short && len(bytes.Trim(fraction, "0")) == 0 {
		fraction = nil
	}

	before, after, found := strings.Cut(around.prefix, "¤")
	b = append(b, before...)
	if found {
		b = append(b, symbol...)
		if last, _ := utf8.DecodeLastRuneInString(symbol); after == "" && spaced(last) {
			b = append(b, noBreakSpace...)
		}
		b = append(b, after...)
	}
	grouped := s.nearest > 0 && len(whole) >= s.nearest+s.minimum
	for i, digit := range whole {
		if left := len(whole) - i; grouped && i > 0 && left >= s.nearest && (left-s.nearest)%s.further == 0 {
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
	before, after, found = strings.Cut(around.suffix, "¤")
	b = append(b, before...)
	if found {
		if first, _ := utf8.DecodeRuneInString(symbol); before == "" && spaced(first) {
			b = append(b, noBreakSpace...)
		}
		b = append(b, symbol...)
		b = append(b, after...)
	}
	return b
}

const noBreakSpace = "\u00a0"

// spaced reports whether CLDR keeps a digit apart from a currency whose nearest character is r: "CHF 5", but "$5".
func spaced(r rune) bool { return !unicode.In(r, unicode.S, unicode.Z) }

// localeFormat is how one locale writes money.
type localeFormat struct {
	style   *moneyStyle
	own     map[string]*moneyStyle // of the few currencies that have a pattern or signs of their own, by code
	symbols map[string]string      // by code; the code itself where there is none
	dates   dateFormat
}

func newLocaleFormat(tag language.Tag) *localeFormat {
	keys := localeKeys(tag)
	prefix, zero := "", '0'
	if native := keys["digits"]; native != "" {
		if tag.TypeForKey("nu") == "latn" {
			prefix = "latn."
		} else {
			zero, _ = utf8.DecodeRuneInString(native)
		}
	}
	minimum, err := strconv.Atoi(keys["min"])
	if err != nil {
		panic(fmt.Sprintf("expense: locales.txt.gz: %v", err)) // a file that the generator did not write
	}
	sign := func(code, key string) string {
		if own := keys[code+"."+key]; own != "" {
			return own
		}
		return keys[prefix+key]
	}
	style := func(code string) *moneyStyle {
		s := parsePattern(sign(code, "pattern"), keys[prefix+"minus"])
		s.decimal, s.group, s.minimum, s.zero = sign(code, "decimal"), sign(code, "group"), minimum, zero
		return s
	}
	f := &localeFormat{style: style(""), own: map[string]*moneyStyle{}, symbols: keys, dates: dateFormat{keys: keys, zero: zero}}
	for key := range keys {
		if code, _, found := strings.Cut(key, "."); found && len(code) == 3 && f.own[code] == nil {
			f.own[code] = style(code)
		}
	}
	return f
}

// parsePattern reads a pattern such as "¤#,##,##0.00;¤-#,##0.00". A negative part counts by its affixes only; without one
// the minus stands before the positive's. How many minor digits it shows is not read: the currency says so.
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
		s.nearest = len(groups[len(groups)-1])
		s.further = s.nearest
		if len(groups) > 2 {
			s.further = len(groups[len(groups)-2])
		}
	}
	return s
}

// localesPacked is written by internal/cldr. A line of it is a locale: its name, its parent's, and the keys in which it
// differs, parted by tabs. A key is a currency's code, for its symbol; "pattern", "decimal", "group" or "minus"; "min", the
// digits before the first group sign; "digits", the ten of the locale where they are not Latin; "pattern." with a skeleton, such
// as "pattern.yMMMM", and "months." with a field, such as "months.LLLL", the twelve names with bars between. "latn." before a key is for
// Latin digits in such a locale, a code and a point for one currency alone. An empty value takes back what the parent has.
//
//go:embed locales.txt.gz
var localesPacked []byte

// locales returns the line of each locale by its name.
var locales = sync.OnceValue(func() map[string]string {
	unpacked, err := gzip.NewReader(bytes.NewReader(localesPacked))
	if err != nil {
		panic(fmt.Sprintf("expense: locales.txt.gz: %v", err)) // embedded: it cannot fail once it was built right
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		panic(fmt.Sprintf("expense: locales.txt.gz: %v", err))
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		lines[name] = rest
	}
	return lines
})

// localeKeys returns the keys of the locale that serves tag, those of its parents included.
func localeKeys(tag language.Tag) map[string]string {
	lines := locales()
	keys := map[string]string{}
	for name := localeName(tag, lines); name != ""; {
		fields := strings.Split(lines[name], "\t")
		name = fields[0]
		for _, field := range fields[1:] {
			key, value, _ := strings.Cut(field, "=")
			if _, nearer := keys[key]; !nearer {
				keys[key] = value
			}
		}
	}
	return keys
}

// localeName returns the name of the nearest locale there is. A language is never read in another script: without a locale
// for that script it is the root.
func localeName(tag language.Tag, lines map[string]string) string {
	base, script, region := tag.Raw()
	if script == (language.Script{}) {
		script, _ = tag.Script()
	}
	usual, _ := language.Make(base.String()).Script()

	languages := []string{base.String() + "-" + script.String()}
	if script == usual {
		languages = append(languages, base.String())
	}
	var names []string
	for _, variant := range tag.Variants() {
		for _, name := range languages {
			names = append(names, name+"-"+region.String()+"-"+variant.String(), name+"-"+variant.String())
		}
	}
	for _, name := range languages {
		names = append(names, name+"-"+region.String())
	}
	for _, name := range append(names, languages...) {
		if _, ok := lines[name]; ok {
			return name
		}
	}
	return "und"
}
