package statement_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
)

func householdMapping(t testing.TB) statement.Mapping {
	t.Helper()
	text, err := os.ReadFile("testdata/household.mapping.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := statement.ParseMapping(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ExampleParseMapping() {
	_, err := statement.ParseMapping([]byte(`{"date": {"column": "Day", "layout": "DD-MM"}, "amount": {"column": ` +
		`"Paid", "decimal": "!"}}`))
	for _, fieldError := range expense.InvalidErrors(err) {
		fmt.Println(fieldError)
	}
	// Output:
	// date/layout: a date's layout names a year, a month and a day, each once, such as DD-MM-YYYY
	// amount/decimal: a decimal sign is "." or ","
}

func TestAMappingIsReadFromJSON(t *testing.T) {
	got, err := statement.ParseMapping([]byte(`{
		"date": {"column": "Date", "layout": "DD-MM-YYYY"}, "amount": {"column": "Amount", "decimal": ","},
		"currency": {"value": "INR"}, "category": {"column": "Category"}, "notes": {"column": "Note"},
		"only": {"column": "Type", "equals": ["Expense", "Refund"]}, "sign": {"column": "Type", "equals": ["Refund"]},
		"negate": true, "delimiter": "\t", "encoding": "windows-1252"}`))
	want := statement.Mapping{
		Date:      statement.DateColumn{Column: "Date", Layout: "DD-MM-YYYY"},
		Amount:    statement.AmountColumn{Column: "Amount", Decimal: ","},
		Currency:  statement.Source{Value: "INR"},
		Category:  statement.Source{Column: "Category"},
		Notes:     "Note",
		Only:      statement.Choice{Column: "Type", Equals: []string{"Expense", "Refund"}},
		Sign:      statement.Choice{Column: "Type", Equals: []string{"Refund"}},
		Negate:    true,
		Delimiter: "\t",
		Encoding:  "windows-1252",
	}
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	own, err := statement.ParseMapping([]byte(`{"preset": "spendwise"}`))
	if err != nil || fmt.Sprintf("%+v", own) != fmt.Sprintf("%+v", statement.OwnMapping()) {
		t.Errorf("got %+v, %v", own, err)
	}
}

func TestEveryFaultOfAMappingIsListed(t *testing.T) {
	const good = `"date": {"column": "D"}, "amount": {"column": "A"}`
	for _, test := range []struct{ name, text, want string }{
		{"nothing", `{}`, "date/column required, amount/column required"},
		{"null members", `{` + good + `, "only": null, "negate": null, "notes": null}`, ""},
		{"no JSON", `{`, " malformed"},
		{"two values", `{} {}`, " malformed"},
		{"a comma too many", `{` + good + `,}`, " malformed"},
		{"no object", `[]`, " malformed"},
		{"no UTF-8", "{\"\xff\": 1}", " malformed"},
		{"a member twice", `{` + good + `, "date": {"column": "E"}}`, " malformed"},
		{"an inner member twice", `{"date": {"column": "E", "column": "F"}}`, " malformed"},
		{"deep nesting", strings.Repeat(`{"a":`, 99) + "1" + strings.Repeat("}", 99), " malformed"},
		{"unknown members", `{` + good + `, "Negate": true, "notes": {"column": "N", "trim": 1}}`,
			"notes/trim unknown_member, Negate unknown_member"},
		{"wrong types",
			`{"date": "D", "amount": {"column": 1}, "negate": "yes", "only": {"column": "T", "equals": ["a", 1]}}`,
			"date wrong_type, amount/column wrong_type, only/equals wrong_type, negate wrong_type"},
		{"a column and a value", `{` + good + `, "currency": {"column": "C", "value": "EUR"}, "category": {"column": "C", ` +
			`"value": "EUR"}}`,
			"currency ambiguous, category ambiguous"},
		{"an unknown currency", `{` + good + `, "currency": {"value": "eur"}}`, "currency/value unknown_currency"},
		{"a choice without texts", `{` + good + `, "only": {"column": "T"}, "sign": {"equals": ["x"]}}`,
			"only incomplete, sign incomplete"},
		{"unknown words", `{"date": {"column": "D"}, "amount": {"column": "A", "decimal": "·"}, "delimiter": "::", ` +
			`"encoding": "ebcdic"}`,
			"amount/decimal unknown_value, delimiter unknown_value, encoding unknown_value"},
		{"a layout without a year", `{"date": {"column": "D", "layout": "DD-MM"}, "amount": {"column": "A"}}`,
			"date/layout malformed_layout"},
		{"a layout with two years", `{"date": {"column": "D", "layout": "DD-MM-YY-YYYY"}, "amount": {"column": "A"}}`,
			"date/layout malformed_layout"},
		{"a layout with letters", `{"date": {"column": "D", "layout": "DD-MMM-YYYY"}, "amount": {"column": "A"}}`,
			"date/layout malformed_layout"},
		{"a layout that may be read in two ways", `{"date": {"column": "D", "layout": "MDDYYYY"}, "amount": {"column": "A"}}`,
			"date/layout malformed_layout"},
		{"a layout too long", `{"date": {"column": "D", "layout": "DD-MM-YYYY` + strings.Repeat("-", 30) +
			`"}, "amount": {"column": "A"}}`, "date/layout malformed_layout"},
		{"an unknown preset", `{"preset": "ledger"}`, "preset unknown_preset"},
		{"a preset and more", `{"preset": "spendwise", "negate": true}`, "negate unknown_member"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := statement.ParseMapping([]byte(test.text))
			var got []string
			for _, fieldError := range expense.InvalidErrors(err) {
				got = append(got, fieldError.Field+" "+fieldError.Code)
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("field errors = %q, want %q", strings.Join(got, ", "), test.want)
			}
		})
	}
}

func FuzzParseMapping(f *testing.F) {
	f.Add([]byte(`{"date": {"column": "Date", "layout": "DD-MM-YYYY"}, "amount": {"column": "Amount", "decimal": ","}}`))
	f.Add([]byte(`{"preset": "spendwise"}`))
	f.Add([]byte(`{"only": {"column": "T", "equals": ["a", 1, null, []]}, "date": null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := statement.ParseMapping(text)
		if err != nil && (!errors.Is(err, expense.ErrInvalid) || len(expense.InvalidErrors(err)) == 0) {
			t.Fatalf("error %v is not an InvalidError", err)
		}
		if err == nil && m.Validate() != nil {
			t.Fatalf("Validate of the parsed mapping %+v: %v", m, m.Validate())
		}
	})
}
