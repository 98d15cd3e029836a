package statement

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// A Mapping says how the lines of a CSV file become expenses. Columns are named by the file's header line, blanks
// around a name ignored: by the same name, else by the one that is the same by [expense.Fold].
type Mapping struct {
	Date      DateColumn
	Amount    AmountColumn
	Currency  Source // none: the home currency
	Category  Source // none, or an empty cell: the default category
	Notes     string // a column; none: no notes
	Only      Choice // the lines to take, the others are ignored; none: all
	Except    Choice // the lines to ignore
	Sign      Choice // the lines whose amount changes its sign
	Negate    bool   // every amount changes its sign: an expense is a negative amount in the file
	Delimiter string // "," (also if empty), ";", "\t" or "|"
	Encoding  string // one of [Encodings]; empty: utf-8

	own bool // the file is an export of ours: its header is Header
	// others are further names of a field's column, of which the first that the file has is taken; by the field's path.
	others map[string][]string
}

// A DateColumn is where a line's date stands.
type DateColumn struct {
	Column string
	// Layout is YYYY or YY, MM or M, and DD or D, with any signs between, such as DD-MM-YYYY; empty: YYYY-MM-DD. Several
	// of the same order, with a bar between them, are tried one after the other.
	Layout string
}

// An AmountColumn is where a line's amount stands.
type AmountColumn struct {
	Column  string
	Decimal string // "." (also if empty) or ","
	Credit  string // a second column, of amounts that are taken off: money that came in; none: there is one column
	Symbols bool   // a currency's sign such as $ may stand before or behind the digits; the currency is not taken from it
}

// A Source is where a text comes from: a column, or one value for all lines. The zero Source is none.
type Source struct {
	Column string
	Value  string
}

// A Choice is the lines whose column holds one of some texts, case and blanks around them ignored. The zero Choice is
// none.
type Choice struct {
	Column string
	Equals []string
}

// OwnMapping returns the mapping for what [WriteCSV] writes. It restores ids, texts and rates given by hand; other
// rates are looked up again. As JSON it is {"preset": "spendwise"}.
func OwnMapping() Mapping {
	return Mapping{
		Date:     DateColumn{Column: "date"},
		Amount:   AmountColumn{Column: "amount"},
		Currency: Source{Column: "currency"},
		Category: Source{Column: "category"},
		Notes:    "notes",
		own:      true,
	}
}

// Validate lists every fault of the mapping. A field is named by its path in the JSON form, such as "date/layout".
func (m Mapping) Validate() error {
	var faults expense.ValidationErrors
	if m.Date.Column == "" {
		faults.Add("date/column", "required", "name the column that holds the date")
	}
	_, err := parseLayouts(m.Date.Layout)
	_ = faults.AddError("date/layout", err)
	if m.Amount.Column == "" {
		faults.Add("amount/column", "required", "name the column that holds the amount")
	}
	if !slices.Contains([]string{"", ".", ","}, m.Amount.Decimal) {
		faults.Add("amount/decimal", "unknown_value", "a decimal sign is \".\" or \",\"")
	}
	m.Currency.validate(&faults, "currency")
	if m.Currency.Value != "" {
		_, err := expense.ParseCurrency(m.Currency.Value)
		_ = faults.AddError("currency/value", err)
	}
	m.Category.validate(&faults, "category")
	m.Only.validate(&faults, "only")
	m.Except.validate(&faults, "except")
	m.Sign.validate(&faults, "sign")
	if !slices.Contains([]string{"", ",", ";", "\t", "|"}, m.Delimiter) {
		faults.Add("delimiter", "unknown_value", "a delimiter is a comma, a semicolon, a tab or a bar")
	}
	if _, known := encodingOf(m.Encoding); !known {
		faults.Add("encoding", "unknown_value", "an encoding is one of %q", Encodings())
	}
	return faults.Err()
}

func (s Source) validate(faults *expense.ValidationErrors, field string) {
	if s.Column != "" && s.Value != "" {
		faults.Add(field, "ambiguous", "give a column or a value, not both")
	}
}

func (c Choice) validate(faults *expense.ValidationErrors, field string) {
	if (c.Column == "") != (len(c.Equals) == 0) {
		faults.Add(field, "incomplete", "name a column and at least one text that it equals")
	}
}

func (m Mapping) delimiter() byte {
	if m.Delimiter == "" {
		return ','
	}
	return m.Delimiter[0]
}

// ParseMapping reads a mapping's JSON form:
//
//	{"date": {"column", "layout"}, "amount": {"column", "decimal", "credit_column", "symbols": false},
//	 "currency": {"column"} or {"value"}, "category": {"column"} or {"value"}, "notes": {"column"},
//	 "only": {"column", "equals": [..]}, "except": {"column", "equals": [..]}, "sign": {"column", "equals": [..]},
//	 "negate": false, "delimiter", "encoding"}
//
// With "preset", the name of one of [Presets], what is not given is as there; {"preset": "spendwise"} is [OwnMapping]
// and takes no other member. Members that are unknown, twice there or of another kind are faults. The error lists every
// fault and is ErrInvalid; a text that is no JSON object has the code "malformed".
func ParseMapping(text []byte) (Mapping, error) {
	if !json.Valid(text) || !utf8.Valid(text) {
		return Mapping{}, &expense.InvalidError{Code: "malformed", Detail: "the mapping is not JSON in UTF-8"}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	tree, err := wire.ParseValue(decoder)
	if err != nil {
		return Mapping{}, &expense.InvalidError{Code: "malformed", Detail: fmt.Sprintf("the mapping cannot be read: %v", err)}
	}
	members, isObject := tree.(map[string]any)
	if !isObject {
		return Mapping{}, &expense.InvalidError{Code: "malformed", Detail: "the mapping is not a JSON object"}
	}

	var faults expense.ValidationErrors
	root := object{faults: &faults, members: members}
	m := readMapping(root)
	if faults.Err() == nil {
		return m, m.Validate()
	}
	return Mapping{}, faults.Err()
}

func readMapping(root object) Mapping {
	var m Mapping
	if name := root.text("preset"); name != "" {
		preset, ok := presetOf(name)
		if !ok {
			root.faults.Add("preset", "unknown_preset", "the presets are: %s", strings.Join(presetNames(), ", "))
		}
		m = preset.Mapping
		if !ok || m.own {
			root.end()
			return m
		}
	}
	date := root.object("date")
	date.replace("column", &m.Date.Column, m.others)
	date.replace("layout", &m.Date.Layout, nil)
	date.end()
	amount := root.object("amount")
	amount.replace("column", &m.Amount.Column, m.others)
	amount.replace("decimal", &m.Amount.Decimal, nil)
	amount.replace("credit_column", &m.Amount.Credit, m.others)
	amount.decide("symbols", &m.Amount.Symbols)
	amount.end()
	root.source("currency", &m.Currency, m.others)
	root.source("category", &m.Category, m.others)
	notes := root.object("notes")
	notes.replace("column", &m.Notes, m.others)
	notes.end()
	root.choice("only", &m.Only, m.others)
	root.choice("except", &m.Except, m.others)
	root.choice("sign", &m.Sign, m.others)
	root.decide("negate", &m.Negate)
	root.replace("delimiter", &m.Delimiter, nil)
	root.replace("encoding", &m.Encoding, nil)
	root.end()
	return m
}

// An object is a JSON object whose members are taken out one by one; what end finds left is unknown. null is not given.
type object struct {
	faults  *expense.ValidationErrors
	path    string
	members map[string]any
}

// member takes out a member of the kind T; the zero T if it is not given, or of another kind.
func member[T any](o object, name, kind string) T {
	value, given := o.members[name]
	delete(o.members, name)
	typed, ok := value.(T)
	if given && value != nil && !ok {
		o.faults.Add(o.path+name, "wrong_type", "this is to be %s", kind)
	}
	return typed
}

func (o object) text(name string) string { return member[string](o, name, "a string") }

func (o object) object(name string) object {
	return object{faults: o.faults, path: o.path + name + "/", members: member[map[string]any](o, name, "an object")}
}

// has reports whether a member is given.
func (o object) has(name string) bool { return o.members[name] != nil }

// replace takes a text out, if it is given, in the place of what a preset says; others are that column's further names.
func (o object) replace(name string, text *string, others map[string][]string) {
	given := o.has(name)
	if value := o.text(name); given {
		*text = value
		delete(others, o.path+name)
	}
}

// decide is replace for what is true or false.
func (o object) decide(name string, choice *bool) {
	given := o.has(name)
	if value := member[bool](o, name, "true or false"); given {
		*choice = value
	}
}

func (o object) source(name string, source *Source, others map[string][]string) {
	given := o.has(name)
	inner := o.object(name)
	defer inner.end()
	if given {
		*source = Source{Column: inner.text("column"), Value: inner.text("value")}
		delete(others, inner.path+"column")
	}
}

func (o object) choice(name string, choice *Choice, others map[string][]string) {
	given := o.has(name)
	inner := o.object(name)
	defer inner.end()
	if !given {
		return
	}
	delete(others, inner.path+"column")
	*choice = Choice{Column: inner.text("column")}
	for _, value := range member[[]any](inner, "equals", "a list of strings") {
		text, ok := value.(string)
		if !ok {
			o.faults.Add(inner.path+"equals", "wrong_type", "this is to be a list of strings")
			break
		}
		choice.Equals = append(choice.Equals, text)
	}
}

func (o object) end() {
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		o.faults.Add(o.path+name, "unknown_member", "a mapping has no such member")
	}
}
