package statement

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement/internal/format"
	"github.com/spendwise/spendwise/export/wire"
)

// A Mapping says how the records of a file become expenses. A zero member is not given: [Inspect] detects it, and asks
// a question if it cannot. A column is named by its header, or by its position, such as "#3". Names are compared by
// [expense.Fold].
type Mapping struct {
	// Preset "spendwise" reads the CSV export of this program. It restores ids, and rates that a user gave.
	Preset string `json:"preset,omitzero"`
	// Account is a label of the account that the file belongs to, of at most 100 bytes. Equal rows of different accounts
	// are different expenses.
	Account string `json:"account,omitzero"`
	Format  Format `json:"format,omitzero"`
	// Encoding is a label of the WHATWG Encoding Standard.
	Encoding string `json:"encoding,omitzero"`
	// Delimiter is ",", ";", "\t", "|" or another sign that is not a letter or a digit.
	Delimiter string `json:"delimiter,omitzero"`
	// HeaderLine is the line with the names of the columns, from 1; 0: the file has no such line.
	HeaderLine *int         `json:"header_line,omitzero"`
	Date       DateColumn   `json:"date,omitzero"`
	Amount     AmountColumn `json:"amount,omitzero"`
	Sign       Sign         `json:"sign,omitzero"`
	// Income says what becomes of money in: "skip" leaves it out (the default), "refund" adds it with a negative amount,
	// "add" with a positive one.
	Income string `json:"income,omitzero"`
	Fee    Fee    `json:"fee,omitzero"`
	// Currency is the column of the currencies. Its value is for rows that name none; the default is the home currency.
	Currency   Source            `json:"currency,omitzero"`
	Category   Source            `json:"category,omitzero"`   // default: the default category
	Categories map[string]string `json:"categories,omitzero"` // the ids of the ledger's categories by names in the file
	Notes      Columns           `json:"notes,omitzero"`
	ID         Column            `json:"id,omitzero"`
	Only       Choice            `json:"only,omitzero"`   // the rows to import; others are left out
	Except     Choice            `json:"except,omitzero"` // the rows to leave out
}

// A DateColumn is the column of the dates.
type DateColumn struct {
	Column string `json:"column,omitzero"`
	// Layout names the year, the month and the day in their order, such as "DD/MM/YYYY"; the separators and the number of
	// digits do not matter. "serial" is the day number of a spreadsheet.
	Layout string `json:"layout,omitzero"`
	// Zone is the IANA zone of times that name none. Their dates are converted to the ledger's zone.
	Zone string `json:"zone,omitzero"`
	// Locale "hr" reads names of months as Croatian. Some of them name another month in Czech and Polish.
	Locale string `json:"locale,omitzero"`
}

// An AmountColumn is the column of the amounts.
type AmountColumn struct {
	Column  string `json:"column,omitzero"`
	Decimal string `json:"decimal,omitzero"` // the decimal sign, "." or ","
	// CreditColumn is a column of money in; Column is one of money out then.
	CreditColumn string `json:"credit_column,omitzero"`
}

// A Sign says which amounts are spending.
type Sign struct {
	// Expense is the sign of spending in the amount column: "negative" or "positive". With Column, a row of spending
	// whose amount has the other sign fails.
	Expense string `json:"expense,omitzero"`
	// Income is the sign of incoming money in the credit column: "positive" (the default) or "negative". The other sign is
	// spending.
	Income string `json:"income,omitzero"`
	// Column and Equals select the rows that are spending. Other rows are incoming money.
	Column string   `json:"column,omitzero"`
	Equals []string `json:"equals,omitzero"`
}

// A Fee is a column of fees.
type Fee struct {
	Column string `json:"column,omitzero"`
	As     string `json:"as,omitzero"` // "amount" adds the fee to the amount (the default); "row" makes an expense of it
}

// A Source is a column, a value, or both: the value is for rows whose cell is empty. The zero Source is none.
type Source struct {
	Column string `json:"column,omitzero"`
	Value  string `json:"value,omitzero"`
}

// A Column names a column of the file. An empty name means that the file has no such column.
type Column struct {
	Column string `json:"column,omitzero"`
}

// Columns are several columns, in the order in which their texts are joined.
type Columns struct {
	Columns []string `json:"columns,omitzero"`
}

// A Choice selects the rows whose cell in a column equals one of some texts by [expense.Fold]. The zero Choice selects
// none.
type Choice struct {
	Column string   `json:"column,omitzero"`
	Equals []string `json:"equals,omitzero"`
}

// ownPreset is the preset of the CSV export of this program.
const ownPreset = "spendwise"

// OwnMapping returns the mapping for files of export.WriteCSV.
func OwnMapping() Mapping { return Mapping{Preset: ownPreset} }

// Validate returns all field errors of the mapping. Fields are named by their path in JSON, such as "date/layout".
func (m Mapping) Validate() error {
	var errs expense.ValidationErrors
	oneOf := func(field, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			errs.Add(field, "unknown_value", "%s %s is unknown; give %s", field, quote(value), strings.Join(allowed, ", "))
		}
	}
	oneOf("preset", m.Preset, ownPreset)
	oneOf("format", string(m.Format), string(CSV), string(XLSX), string(OFX), string(QIF), string(MT940), string(CAMT))
	if len(m.Account) > 100 || !utf8.ValidString(m.Account) {
		errs.Add("account", "too_long", "the account label has %d bytes; at most 100 of UTF-8 are allowed", len(m.Account))
	}
	if m.Encoding != "" {
		_, err := detectEncoding(nil, m.Encoding)
		_ = errs.AddError("encoding", err)
	}
	if m.Delimiter != "" && (len(m.Delimiter) != 1 || strings.ContainsAny(m.Delimiter, "\"\r\n.-+") ||
		'0' <= m.Delimiter[0] && m.Delimiter[0] <= '9' || isLetterByte(m.Delimiter[0])) {
		errs.Add("delimiter", "unknown_value",
			"delimiter %s cannot separate columns; give one character such as \",\", \";\", \"|\" or a tab",
			quote(m.Delimiter))
	}
	if m.HeaderLine != nil && (*m.HeaderLine < 0 || *m.HeaderLine > maxPreamble) {
		errs.Add("header_line", "out_of_range", "header_line %d is out of range; give 0 to %d", *m.HeaderLine, maxPreamble)
	}
	if m.Date.Layout != "" {
		_, err := parseLayout(m.Date.Layout)
		_ = errs.AddError("date/layout", err)
	}
	if m.Date.Zone != "" {
		_, err := expense.ParseZone(m.Date.Zone)
		_ = errs.AddError("date/zone", err)
	}
	oneOf("date/locale", m.Date.Locale, "hr", "und")
	oneOf("amount/decimal", m.Amount.Decimal, ".", ",")
	oneOf("sign/expense", m.Sign.Expense, "negative", "positive")
	oneOf("sign/income", m.Sign.Income, "negative", "positive")
	oneOf("income", m.Income, "skip", "refund", "add")
	oneOf("fee/as", m.Fee.As, "amount", "row")
	if m.Currency.Value != "" {
		_, err := expense.ParseCurrency(m.Currency.Value)
		_ = errs.AddError("currency/value", err)
	}
	for _, choice := range []struct {
		field string
		Choice
	}{{"only", m.Only}, {"except", m.Except}, {"sign", Choice{m.Sign.Column, m.Sign.Equals}}} {
		if (choice.Column == "") != (len(choice.Equals) == 0) {
			errs.Add(choice.field, "incomplete", "%s needs both a column and the texts that it equals", choice.field)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Categories)) {
		_, err := expense.ParseID(m.Categories[name])
		_ = errs.AddError("categories/"+name, err)
	}
	return errs.Err()
}

func isLetterByte(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' || b >= utf8.RuneSelf }

// fill sets the members that are not given to those of known. Of a currency, a sign and the like it sets all or
// nothing.
func (m *Mapping) fill(known Mapping) {
	if m.Amount.Column != "" { // one of the user's: the other column may not belong to it
		known.Amount.CreditColumn = ""
	}
	fillZero(reflect.ValueOf(m).Elem(), reflect.ValueOf(known))
}

func fillZero(to, from reflect.Value) {
	for i := range to.NumField() {
		switch field := to.Field(i); {
		case field.IsZero():
			field.Set(from.Field(i))
		case field.Type() == reflect.TypeFor[DateColumn]() || field.Type() == reflect.TypeFor[AmountColumn]():
			fillZero(field, from.Field(i))
		}
	}
}

func (s Sign) isZero() bool { return reflect.ValueOf(s).IsZero() }

// ParseMapping parses the JSON form of a mapping. The error is ErrInvalid and lists all field errors, including those
// of unknown members (code unknown_member) and of members of the wrong type. A text that is not a JSON object, or that
// has a member twice, has the code malformed.
func ParseMapping(text []byte) (Mapping, error) {
	tree, err := parseTree(text)
	if err != nil {
		return Mapping{}, err
	}
	var m Mapping
	var errs expense.ValidationErrors
	decode(&errs, "", tree, reflect.ValueOf(&m).Elem())
	if err := errs.Err(); err != nil {
		return Mapping{}, err
	}
	return m, m.Validate()
}

// MergeMappings merges the members of change into those of base, object by object, as in RFC 7396.
func MergeMappings(base, change Mapping) (Mapping, error) {
	var trees [2]map[string]any
	for i, m := range []Mapping{base, change} {
		text, err := json.Marshal(m)
		if err != nil {
			return Mapping{}, fmt.Errorf("mapping: %w", err)
		}
		if trees[i], err = parseTree(text); err != nil {
			return Mapping{}, err
		}
	}
	merge(trees[0], trees[1])
	text, err := json.Marshal(trees[0])
	if err != nil {
		return Mapping{}, fmt.Errorf("mapping: %w", err)
	}
	return ParseMapping(text)
}

func merge(base, change map[string]any) {
	for name, value := range change {
		inner, isObject := value.(map[string]any)
		if old, ok := base[name].(map[string]any); ok && isObject {
			merge(old, inner)
			continue
		}
		base[name] = value
	}
}

func parseTree(text []byte) (map[string]any, error) {
	malformed := func(detail string, args ...any) (map[string]any, error) {
		return nil, &expense.InvalidError{Code: "malformed", Detail: fmt.Sprintf(detail, args...)}
	}
	if !json.Valid(text) || !utf8.Valid(text) {
		return malformed("the mapping is not JSON in UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	tree, err := wire.ParseValue(decoder)
	if err != nil {
		return malformed("the mapping cannot be read: %v", err)
	}
	members, isObject := tree.(map[string]any)
	if !isObject {
		return malformed("the mapping is not a JSON object")
	}
	return members, nil
}

// decode sets to from a parsed JSON value. A member that is null is not given.
func decode(errs *expense.ValidationErrors, path string, from any, to reflect.Value) {
	wrong := func(kind string) { errs.Add(strings.TrimSuffix(path, "/"), "wrong_type", "give %s", kind) }
	switch to.Kind() {
	case reflect.String:
		if text, ok := from.(string); ok {
			to.SetString(text)
			return
		}
		wrong("a string")
	case reflect.Pointer:
		var n int
		if err := json.Unmarshal(fmt.Append(nil, from), &n); err != nil {
			wrong("a whole number")
			return
		}
		to.Set(reflect.ValueOf(&n))
	case reflect.Slice:
		list, ok := from.([]any)
		for _, item := range list {
			text, isText := item.(string)
			ok = ok && isText
			to.Set(reflect.Append(to, reflect.ValueOf(text)))
		}
		if !ok || len(list) > format.MaxColumns {
			wrong("a list of at most 1000 strings")
		}
	case reflect.Map:
		members, ok := from.(map[string]any)
		to.Set(reflect.MakeMap(to.Type()))
		for name, value := range members {
			text, isText := value.(string)
			ok = ok && isText
			to.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(text))
		}
		if !ok || len(members) > format.MaxColumns {
			wrong("an object of at most 1000 strings")
		}
	default:
		members, ok := from.(map[string]any)
		if !ok {
			wrong("an object")
			return
		}
		for i := range to.NumField() {
			name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
			if value := members[name]; value != nil {
				decode(errs, path+name+"/", value, to.Field(i))
			}
			delete(members, name)
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			errs.Add(path+name, "unknown_member", "a mapping has no such member")
		}
	}
}
