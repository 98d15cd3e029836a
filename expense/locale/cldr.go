package locale

import (
	"bytes"
	"compress/gzip"
	_ "embed" // for the data of all locales
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// localeData is the parsed data of one locale.
type localeData struct {
	values          map[string]string // the locale's data, see localesGzip
	zero            rune              // the digit zero in dates; the digits 1 to 9 follow it
	money           *moneyStyle
	moneyByCurrency map[string]*moneyStyle // by currency code, for currencies with their own pattern or signs
}

func newLocaleData(tag language.Tag) *localeData {
	values := localeValues(tag)
	prefix, zero := "", '0'
	if native := values["digits"]; native != "" {
		if tag.TypeForKey("nu") == "latn" {
			prefix = "latn."
		} else {
			zero, _ = utf8.DecodeRuneInString(native)
		}
	}
	minimum, err := strconv.Atoi(values["min"])
	if err != nil {
		panic(fmt.Sprintf("locale: locales.txt.gz: %v", err)) // the generator always writes a number
	}
	localeValue := func(code, key string) string {
		if own := values[code+"."+key]; own != "" {
			return own
		}
		return values[prefix+key]
	}
	style := func(code string) *moneyStyle {
		s := parsePattern(localeValue(code, "pattern"), values[prefix+"minus"])
		s.decimal, s.group = localeValue(code, "decimal"), localeValue(code, "group")
		s.minGroupingDigits, s.zero = minimum, zero
		return s
	}
	f := &localeData{values: values, zero: zero, money: style(""), moneyByCurrency: map[string]*moneyStyle{}}
	for key := range values {
		if code, _, found := strings.Cut(key, "."); found && len(code) == 3 && f.moneyByCurrency[code] == nil {
			f.moneyByCurrency[code] = style(code)
		}
	}
	return f
}

// localesGzip holds the data of all locales. The command expense/internal/cldr writes it. Each line describes one
// locale in fields separated by tabs: its name, its parent's name, and KEY=VALUE for each key that differs from the
// parent's. An empty value deletes the parent's key. The keys are:
//
//   - a currency code: the currency's symbol
//   - pattern, decimal, group, minus: the currency pattern and its signs
//   - min: the number of digits that must precede the first group separator
//   - digits: the digits 0 to 9, if the locale's default digits are not Latin
//   - pattern.SKELETON, such as pattern.yMMMM: a date pattern
//   - months.FIELD, such as months.LLLL: the names of the twelve months, separated by vertical bars
//   - latn.KEY: the key's value for Latin digits, in a locale whose default digits are not Latin
//   - CODE.KEY: the key's value for one currency
//
//go:embed locales.txt.gz
var localesGzip []byte

// locales returns the line of each locale by name, without the name.
var locales = sync.OnceValue(func() map[string]string {
	var text []byte
	reader, err := gzip.NewReader(bytes.NewReader(localesGzip))
	if err == nil {
		text, err = io.ReadAll(reader)
	}
	if err != nil {
		panic(fmt.Sprintf("locale: locales.txt.gz: %v", err)) // the embedded file is valid gzip
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		lines[name] = rest
	}
	return lines
})

// localeValues returns the values of the nearest locale to tag, including those it inherits.
func localeValues(tag language.Tag) map[string]string {
	lines := locales()
	values := map[string]string{}
	for name := localeName(tag, lines); name != ""; {
		fields := strings.Split(lines[name], "\t")
		name = fields[0]
		for _, field := range fields[1:] {
			key, value, _ := strings.Cut(field, "=")
			if _, overridden := values[key]; !overridden {
				values[key] = value
			}
		}
	}
	return values
}

// localeName returns the name of the nearest locale in lines. It never changes the script: if no locale of the language
// has tag's script, it returns the root locale.
func localeName(tag language.Tag, lines map[string]string) string {
	base, script, region := tag.Raw()
	if script == (language.Script{}) {
		script, _ = tag.Script()
	}
	defaultScript, _ := language.Make(base.String()).Script()

	languages := []string{base.String() + "-" + script.String()}
	if script == defaultScript {
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
