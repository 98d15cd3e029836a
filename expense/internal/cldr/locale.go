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

// locale is how one locale writes money and months, as keys that package expense/locale reads (cldr.go there lists
// them).
type locale map[string]string

// spacing is what CLDR puts between a currency and a digit, in every locale: a no-break space where the currency's
// nearest character is neither a symbol nor a space. Package expense/locale has the rule in code, so a locale of its
// own mind must fail.
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

// localeTable returns the contents of locales.txt.gz: a line for each locale, with its name, its parent, and the keys
// in which it differs from the parent, between tabs.
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

// readLocale reads the resolved data of one locale.
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
		return nil, fmt.Errorf("minimum of grouping digits: %w", err)
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

// readSystem reads how the locale writes money with the digits of one numbering system.
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
		return fmt.Errorf("its currencies are spaced by a rule of its own: %+v", formats.Spacing)
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

// readCurrencies reads the locale's symbols, and the few patterns and signs that belong to one currency in it.
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
				// A few locales have a plain blank in a symbol; an amount must not break there.
				keys[key] = strings.ReplaceAll(value, " ", "\u00a0")
			}
		}
	}
	return nil
}

// parentOf returns the locale that name inherits from; the root is und, and has none.
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

// parentLocales returns the parents that are not found by cutting a name's last part.
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

// numberingSystems returns the ten digits of each decimal system.
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
