package httpapi

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// The default and the maximum number of rows on a page of a list.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// parseQuery parses a query and returns a problem for a parameter that is not allowed and for one that is repeated. A
// parameter may be repeated if its name in allowed ends in "*".
func parseQuery(raw string, allowed []string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &problem{
			code: codeMalformed, detail: "The query cannot be parsed; percent-encode special characters.", cause: err,
		}
	}
	var unknown, invalid []fieldError
	for name, given := range values {
		shown := cutText(name)
		switch {
		case slices.Contains(allowed, name+"*"):
		case !slices.Contains(allowed, name):
			unknown = append(unknown, fieldError{
				Parameter: shown, Code: codeUnknownParameter,
				Detail: "This operation does not have this parameter; remove it or correct its name.",
			})
		case len(given) > 1:
			invalid = append(invalid, fieldError{
				Parameter: shown, Code: "duplicate_parameter", Detail: "This parameter is given more than once; give it once.",
			})
		}
		if slices.ContainsFunc(given, func(text string) bool { return !utf8.ValidString(text) }) {
			invalid = append(invalid, fieldError{
				Parameter: shown, Code: "invalid_utf8", Detail: "The value is not valid UTF-8.",
			})
		}
	}
	byName := func(a, b fieldError) int { return strings.Compare(a.Parameter, b.Parameter) }
	slices.SortFunc(unknown, byName)
	slices.SortFunc(invalid, byName)
	switch {
	case len(unknown) > 0:
		return nil, newFieldProblem(codeUnknownParameter, unknown...)
	case len(invalid) > 0:
		return nil, newFieldProblem(codeMalformed, invalid...)
	}
	return values, nil
}

// cutText returns at most 64 characters of a text that the client sent, for use in a response.
func cutText(text string) string {
	const maxRunes = 64
	text = strings.ToValidUTF8(text, "�")
	if runes := []rune(text); len(runes) > maxRunes {
		return string(runes[:maxRunes]) + "…"
	}
	return text
}

// params reads the parameters of a query and collects their errors. Its methods return the zero value for a parameter
// that is absent or has an error.
type params struct {
	values url.Values
	errs   []fieldError
}

// fail adds an error of a parameter.
func (p *params) fail(name, code, detail string, args ...any) {
	p.errs = append(p.errs, fieldError{Parameter: name, Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// addError adds the errors that the domain returned for the value of a parameter.
func (p *params) addError(name string, err error) {
	for _, invalid := range expense.InvalidErrors(err) {
		p.fail(name, invalid.Code, "%s", invalid.Detail)
	}
}

// err returns a problem with all errors, or nil if there are none.
func (p *params) err() error {
	if len(p.errs) == 0 {
		return nil
	}
	return newFieldProblem(codeValidation, p.errs...)
}

// given returns the text of a parameter and whether it is present.
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

// amount reads an amount in a currency.
func (p *params) amount(name string, currency expense.Currency) expense.Money {
	if _, ok := p.given(name); ok && currency.IsZero() {
		p.fail(name, "currency_required", "An amount needs the parameter currency, too.")
		return expense.Money{}
	}
	return parseParam(p, name, func(text string) (expense.Money, error) { return expense.ParseAmount(text, currency) })
}

// boolean returns nil if the parameter is absent.
func (p *params) boolean(name string) *bool {
	text, ok := p.given(name)
	if !ok {
		return nil
	}
	value := text == "true"
	if !value && text != "false" {
		p.fail(name, "not_boolean", "%q is not true or false.", cutText(text))
	}
	return &value
}

// dateRange reads the first and the last day of a range. The last day must not be before the first.
func (p *params) dateRange(from, to string) expense.Range {
	dates := expense.Range{From: p.date(from), To: p.date(to)}
	if !dates.From.IsZero() && !dates.To.IsZero() && dates.To.Before(dates.From) {
		p.fail(to, "ends_before_start", "The last day %s is before the first day %s.", dates.To, dates.From)
	}
	return dates
}

// parseParam reads a parameter with a function of the domain.
func parseParam[T any](p *params, name string, parse func(string) (T, error)) T {
	var zero T
	text, ok := p.given(name)
	if !ok {
		return zero
	}
	value, err := parse(text)
	if err != nil {
		p.addError(name, err)
		return zero
	}
	return value
}

// limit returns the number of rows of a page: the parameter limit, or defaultRows without it. A number above maxRows
// counts as maxRows.
func limit(values url.Values, defaultRows, maxRows int) (int, error) {
	if !values.Has("limit") {
		return defaultRows, nil
	}
	n, err := strconv.Atoi(values.Get("limit"))
	if n > 0 && errors.Is(err, strconv.ErrRange) {
		return maxRows, nil
	}
	if err != nil || n < 1 {
		return 0, newFieldProblem(codeMalformed, fieldError{
			Parameter: "limit", Code: "out_of_range",
			Detail: fmt.Sprintf("%q is not a whole number from 1; give 1 to %d.", cutText(values.Get("limit")), maxRows),
		})
	}
	return min(n, maxRows), nil
}
