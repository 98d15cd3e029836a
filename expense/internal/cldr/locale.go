package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// locale is the data of one locale for amounts and dates. cldr.go of package expense/locale documents the keys.
type locale map[string]string

// spacing is CLDR's rule for the space between a currency and a digit: a no-break space if the currency's character
// next to the digit is neither a symbol nor a space. Package expense/locale implements the rule, so readSystem rejects
// a locale with another.
var spacing = currencySpacing{
	Before: spaceRule{Currency: "[[:^S:]&[:^Z:]]", Surrounding: "[:digit:]", Insert: "\u00a0"},
	After:  spaceRule{Currency: "[[:^S:]&[:^Z:]]", Surrounding: "[:digit:]", Insert: "\u00a0"},
}

type currencySpacing struct {
	Before spaceRule `json:"beforeCurrency"`
	After  spaceRule `json:"afterCurrency"`
}

type spaceRule struct {
	Currency    string `json:"currencyMatch"`
	Surrounding string `json:"surroundingMatch"`
	Insert      string `json:"insertBetween"`
}

type symbols struct {
	Decimal         string `json:"decimal"`
	Group           string `json:"group"`
	Minus           string `json:"minusSign"`
	CurrencyDecimal string `json:"currencyDecimal"`
	CurrencyGroup   string `json:"currencyGroup"`
}

type currencyFormats struct {
	Standard string          `json:"standard"`
	Spacing  currencySpacing `json:"currencySpacing"`
}

// localeTable returns the content of locales.txt.gz. Each line has the locale's name, its parent and the keys that
// differ from the parent's, separated by tabs.
func localeTable(core, numbers, dates files, currencies []string) ([]byte, error) {
	parents, err := parentLocales(core)
	if err != nil {
		return nil, err
	}
	digits, err := numberingSystems(core)
	if err != nil {
		return nil, err
	}
	locales := map[string]locale{}
	for path := range numbers {
		name, ok := strings.CutSuffix(strings.TrimPrefix(path, "main/"), "/numbers.json")
		if !ok {
			continue
		}
		if locales[name], err = readLocale(numbers, name, digits, currencies); err != nil {
			return nil, fmt.Errorf("locale %s: %w", name, err)
		}
		if err := readDates(locales[name], dates, name); err != nil {
			return nil, fmt.Errorf("locale %s: %w", name, err)
		}
	}

	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(locales)) {
		parent := parentOf(name, parents)
		for parent != "" && locales[parent] == nil {
			parent = parentOf(parent, parents)
		}
		fmt.Fprintf(&text, "%s\t%s", name, parent)
		own, inherited := locales[name], locales[parent]
		keys := maps.Clone(own)
		maps.Copy(keys, inherited)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if own[key] != inherited[key] {
				fmt.Fprintf(&text, "\t%s=%s", key, own[key])
			}
		}
		text.WriteByte('\n')
	}

	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := zip.Write(text.Bytes()); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// readLocale returns the data of one locale for amounts.
func readLocale(numbers files, name string, digits map[string]string, currencies []string) (locale, error) {
	var data struct {
		Main map[string]struct {
			Numbers map[string]json.RawMessage `json:"numbers"`
		} `json:"main"`
	}
	if err := numbers.decode("main/"+name+"/numbers.json", &data); err != nil {
		return nil, err
	}
	members := data.Main[name].Numbers
	var system, minimum string
	if err := json.Unmarshal(members["defaultNumberingSystem"], &system); err != nil {
		return nil, fmt.Errorf("default numbering system: %w", err)
	}
	if err := json.Unmarshal(members["minimumGroupingDigits"], &minimum); err != nil {
		return nil, fmt.Errorf("minimum grouping digits: %w", err)
	}
	keys := locale{"min": minimum}
	if err := readSystem(keys, "", members, system); err != nil {
		return nil, err
	}
	if system != "latn" {
		if keys["digits"] = digits[system]; keys["digits"] == "" {
			return nil, fmt.Errorf("no digits of numbering system %s", system)
		}
		if err := readSystem(keys, "latn.", members, "latn"); err != nil {
			return nil, err
		}
	}
	return keys, readCurrencies(keys, numbers, name, currencies)
}

// readSystem adds the locale's currency pattern and signs of one numbering system to keys.
func readSystem(keys locale, prefix string, members map[string]json.RawMessage, system string) error {
	var signs symbols
	if err := json.Unmarshal(members["symbols-numberSystem-"+system], &signs); err != nil {
		return fmt.Errorf("symbols of numbering system %s: %w", system, err)
	}
	var formats currencyFormats
	if err := json.Unmarshal(members["currencyFormats-numberSystem-"+system], &formats); err != nil {
		return fmt.Errorf("currency formats of numbering system %s: %w", system, err)
	}
	if formats.Spacing != spacing {
		return fmt.Errorf("unsupported currency spacing: %+v", formats.Spacing)
	}
	keys[prefix+"pattern"] = formats.Standard
	keys[prefix+"decimal"] = cmp.Or(signs.CurrencyDecimal, signs.Decimal)
	keys[prefix+"group"] = cmp.Or(signs.CurrencyGroup, signs.Group)
	keys[prefix+"minus"] = signs.Minus
	for _, key := range []string{"pattern", "decimal", "group", "minus"} {
		if keys[prefix+key] == "" {
			return fmt.Errorf("no %s for numbering system %s", key, system)
		}
	}
	return nil
}

// readCurrencies adds the locale's currency symbols, and the patterns and signs that apply to a single currency, to
// keys.
func readCurrencies(keys locale, numbers files, name string, currencies []string) error {
	var data struct {
		Main map[string]struct {
			Numbers struct {
				Currencies map[string]struct {
					Symbol  string `json:"symbol"`
					Pattern string `json:"pattern"`
					Decimal string `json:"decimal"`
					Group   string `json:"group"`
				} `json:"currencies"`
			} `json:"numbers"`
		} `json:"main"`
	}
	if err := numbers.decode("main/"+name+"/currencies.json", &data); err != nil {
		return err
	}
	for _, code := range currencies {
		row := data.Main[name].Numbers.Currencies[code]
		for key, value := range map[string]string{
			code: row.Symbol, code + ".pattern": row.Pattern, code + ".decimal": row.Decimal, code + ".group": row.Group,
		} {
			if value != "" && value != code {
				// A few locales have a space in a symbol. Replace it, so that no line breaks within an amount.
				keys[key] = strings.ReplaceAll(value, " ", "\u00a0")
			}
		}
	}
	return nil
}

// parentOf returns the parent of a locale, or "" for the root locale und.
func parentOf(name string, parents map[string]string) string {
	if parent, ok := parents[name]; ok {
		return parent
	}
	if name == "und" {
		return ""
	}
	if cut := strings.LastIndexByte(name, '-'); cut > 0 {
		return name[:cut]
	}
	return "und"
}

// parentLocales returns the parents that do not result from removing the last part of the locale's name.
func parentLocales(core files) (map[string]string, error) {
	var data struct {
		Supplemental struct {
			ParentLocales struct {
				ParentLocale map[string]string `json:"parentLocale"`
			} `json:"parentLocales"`
		} `json:"supplemental"`
	}
	err := core.decode("supplemental/parentLocales.json", &data)
	return data.Supplemental.ParentLocales.ParentLocale, err
}

// numberingSystems returns the ten digits of each decimal numbering system.
func numberingSystems(core files) (map[string]string, error) {
	var data struct {
		Supplemental struct {
			NumberingSystems map[string]struct {
				Digits string `json:"_digits"`
			} `json:"numberingSystems"`
		} `json:"supplemental"`
	}
	if err := core.decode("supplemental/numberingSystems.json", &data); err != nil {
		return nil, err
	}
	digits := map[string]string{}
	for name, system := range data.Supplemental.NumberingSystems {
		if system.Digits != "" {
			digits[name] = system.Digits
		}
	}
	return digits, nil
}
