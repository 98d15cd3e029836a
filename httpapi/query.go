package httpapi

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// parseQuery reads a query that may name these parameters alone. A name that ends in "*" may come more than once.
func parseQuery(raw string, allowed []string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &problem{code: codeMalformed, detail: "The query cannot be read: percent-encode what is special.", cause: err}
	}
	var unknown, twice []fieldError
	for name, given := range values {
		shown := cutText(name)
		switch {
		case slices.Contains(allowed, name+"*"):
		case !slices.Contains(allowed, name):
			unknown = append(unknown, fieldError{Parameter: shown, Code: codeUnknownParameter, Detail: "There is no such parameter here."})
		case len(given) > 1:
			twice = append(twice, fieldError{Parameter: shown, Code: "duplicate_parameter", Detail: "This parameter is given twice."})
		}
		if slices.ContainsFunc(given, func(text string) bool { return !utf8.ValidString(text) }) {
			twice = append(twice, fieldError{Parameter: shown, Code: "invalid_utf8", Detail: "This is not UTF-8."})
		}
	}
	byName := func(a, b fieldError) int { return strings.Compare(a.Parameter, b.Parameter) }
	slices.SortFunc(unknown, byName)
	slices.SortFunc(twice, byName)
	switch {
	case len(unknown) > 0:
		return nil, newFieldProblem(codeUnknownParameter, unknown...)
	case len(twice) > 0:
		return nil, newFieldProblem(codeMalformed, twice...)
	}
	return values, nil
}

// cutText bounds what is sent back of a text that the client made up.
func cutText(text string) string {
	const most = 64
	text = strings.ToValidUTF8(text, "�")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// A params reads a query's parameters and collects what is wrong with them. An absent or faulty one is the zero value.
type params struct {
	values url.Values
	faults []fieldError
}

func (p *params) fail(name, code, detail string, args ...any) {
	p.faults = append(p.faults, fieldError{Parameter: name, Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// take notes the faults in a value that the domain refused.
func (p *params) take(name string, err error) {
	for _, broken := range expense.InvalidErrors(err) {
		p.fail(name, broken.Code, "%s", broken.Detail)
	}
}

// err returns everything that is wrong as one problem, or nil.
func (p *params) err() error {
	if len(p.faults) == 0 {
		return nil
	}
	return newFieldProblem(codeValidation, p.faults...)
}

// given returns a parameter's text and whether it is there.
func (p *params) given(name string) (string, bool) {
	values, ok := p.values[name]
	if !ok {
		return "", false
	}
	return values[0], true
}

func (p *params) date(name string) expense.Date {
	return parseParam(p, name, expense.ParseDate)
}

func (p *params) month(name string) expense.Month {
	return parseParam(p, name, expense.ParseMonth)
}

func (p *params) currency(name string) expense.Currency {
	return parseParam(p, name, expense.ParseCurrency)
}

func (p *params) id(name string) uuid.UUID {
	return parseParam(p, name, expense.ParseID)
}

func (p *params) amount(name string, currency expense.Currency) expense.Money {
	if _, ok := p.given(name); ok && currency.IsZero() {
		p.fail(name, "currency_required", "An amount needs the parameter currency beside it.")
		return expense.Money{}
	}
	return parseParam(p, name, func(text string) (expense.Money, error) { return expense.ParseAmount(text, currency) })
}

// boolean returns nil where the parameter is absent.
func (p *params) boolean(name string) *bool {
	text, ok := p.given(name)
	if !ok {
		return nil
	}
	value := text == "true"
	if !value && text != "false" {
		p.fail(name, "not_boolean", "This is true or false.")
	}
	return &value
}

// span reads two dates, both inclusive, of which the second does not come before the first.
func (p *params) span(from, to string) expense.Range {
	span := expense.Range{From: p.date(from), To: p.date(to)}
	if !span.From.IsZero() && !span.To.IsZero() && span.To.Before(span.From) {
		p.fail(to, "ends_before_start", "%s is before %s.", span.To, span.From)
	}
	return span
}

func parseParam[T any](p *params, name string, parse func(string) (T, error)) T {
	var zero T
	text, ok := p.given(name)
	if !ok {
		return zero
	}
	value, err := parse(text)
	if err != nil {
		p.take(name, err)
		return zero
	}
	return value
}

// limit reads how many entries a page may have: 50 by default, 200 at most. Less than one is malformed.
func limit(values url.Values) (int, error) {
	text := values.Get("limit")
	if !values.Has("limit") {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if digits := strings.TrimLeft(text, "0123456789"); err != nil && text != "" && digits == "" {
		return maxLimit, nil // beyond int
	}
	if err != nil || n < 1 {
		return 0, newFieldProblem(codeMalformed, fieldError{
			Parameter: "limit", Code: "out_of_range", Detail: "A limit is a whole number from 1 on; more than 200 is taken as 200.",
		})
	}
	return min(n, maxLimit), nil
}
