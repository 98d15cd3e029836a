package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// The default and the maximum number of rows on a page of a list.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// parseQuery parses a query. It adds to errs an error for each parameter that is not allowed, is repeated or is not
// UTF-8. A parameter may be repeated if its name in allowed ends in "*". It returns an error if the query cannot be
// parsed.
func parseQuery(raw string, allowed []string, errs *problem.FieldErrors) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &problem.Problem{
			Code: problem.CodeMalformed, Cause: err,
			Detail: "The query cannot be parsed; percent-encode its special characters.",
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given := values[name]
		e := problem.FieldError{Parameter: shorten(name), Problem: problem.CodeMalformed}
		switch {
		case !slices.Contains(allowed, name) && !slices.Contains(allowed, name+"*"):
			e.Code, e.Problem = problem.CodeUnknownParameter, problem.CodeUnknownParameter
			e.Detail = fmt.Sprintf("The parameter %s is unknown; remove it or correct its name.", expense.QuoteText(name))
		case len(given) > 1 && slices.Contains(allowed, name):
			e.Code = "duplicate_parameter"
			e.Detail = fmt.Sprintf("The parameter %q is given %d times; give it once.", name, len(given))
		case slices.ContainsFunc(given, func(text string) bool { return !utf8.ValidString(text) }):
			e.Code = "invalid_utf8"
			e.Detail = fmt.Sprintf("The value of the parameter %q is not UTF-8; encode it as UTF-8.", name)
		default:
			continue
		}
		errs.Add(e)
		values[name] = given[:1]
	}
	return values, nil
}

// shorten returns at most 64 characters of the name of a parameter, for use in a response.
func shorten(name string) string {
	const maxRunes = 64
	name = strings.ToValidUTF8(name, "�")
	if runes := []rune(name); len(runes) > maxRunes {
		return string(runes[:maxRunes]) + "…"
	}
	return name
}

// params reads the parameters of a query and adds their errors to those of the call. Its methods return the zero value
// for a parameter that is absent or has an error.
type params struct {
	values url.Values
	errs   *problem.FieldErrors
}

// params returns the parameters of the request's query.
func (c *call) params() params { return params{values: c.query, errs: &c.errs} }

// fail adds an error of a parameter.
func (p params) fail(name, code, detail string, args ...any) {
	p.errs.Add(problem.FieldError{Parameter: name, Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// addError adds the errors that the domain returned for the value of a parameter. Errors that name a field are about
// the parameter of that name.
func (p params) addError(name string, err error) {
	for _, invalid := range expense.InvalidErrors(err) {
		e := problem.NewFieldError(invalid)
		e.Parameter = cmp.Or(invalid.Field, name)
		p.errs.Add(e)
	}
}

// addNew adds the errors that the domain returned for parameters that have no error yet.
func (p params) addNew(err error) {
	known := p.errs.List()
	for _, invalid := range expense.InvalidErrors(err) {
		if !slices.ContainsFunc(known, func(e problem.FieldError) bool { return e.Parameter == invalid.Field }) {
			p.addError("", invalid)
		}
	}
}

// err returns a problem with all errors of the call, or nil if there are none.
func (p params) err() error { return p.errs.Err() }

// given returns the text of a parameter and whether it is present.
func (p params) given(name string) (string, bool) {
	values, ok := p.values[name]
	if !ok {
		return "", false
	}
	return values[0], true
}

func (p params) date(name string) expense.Date {
	return parseParam(p, name, expense.ParseDate)
}

func (p params) month(name string) expense.Month {
	return parseParam(p, name, expense.ParseMonth)
}

func (p params) currency(name string) expense.Currency {
	return parseParam(p, name, expense.ParseCurrency)
}

func (p params) id(name string) uuid.UUID {
	return parseParam(p, name, expense.ParseID)
}

// amount reads an amount in the currency of the parameter currency. If that parameter is absent or malformed, amount
// checks the rules that hold in every currency, and returns the zero Money.
func (p params) amount(name string, currency expense.Currency) expense.Money {
	if !currency.IsZero() {
		return parseParam(p, name, func(text string) (expense.Money, error) { return expense.ParseAmount(text, currency) })
	}
	parseParam(p, name, expense.CheckAmount)
	_, given := p.given(name)
	if _, ok := p.given("currency"); given && !ok {
		p.fail(name, "currency_required", "The parameter %s needs a currency; give the parameter currency too.", name)
	}
	return expense.Money{}
}

// boolean returns nil if the parameter is absent.
func (p params) boolean(name string) *bool {
	text, ok := p.given(name)
	if !ok {
		return nil
	}
	value := text == "true"
	if !value && text != "false" {
		p.fail(name, "not_boolean", "The value %s of %s is neither true nor false; give one of them.",
			expense.QuoteText(text), name)
	}
	return &value
}

// dateRange reads the parameters date_from and date_to. The last day must not be before the first. If required is set,
// both must be given.
func (p params) dateRange(required bool) expense.Range {
	dates := expense.Range{From: p.date("date_from"), To: p.date("date_to")}
	for _, name := range []string{"date_from", "date_to"} {
		if _, ok := p.given(name); required && !ok {
			p.fail(name, "required", "The parameter %s is missing; give a date as YYYY-MM-DD.", name)
		}
	}
	if !dates.From.IsZero() && !dates.To.IsZero() && dates.To.Before(dates.From) {
		p.fail("date_to", "ends_before_start", "The last day %s is before the first day %s; swap them.", dates.To, dates.From)
	}
	return dates
}

// parseParam reads a parameter with a function of the domain.
func parseParam[T any](p params, name string, parse func(string) (T, error)) T {
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
func (p params) limit(defaultRows, maxRows int) int {
	text, ok := p.given("limit")
	if !ok {
		return defaultRows
	}
	n, err := strconv.Atoi(text)
	if n > 0 && errors.Is(err, strconv.ErrRange) {
		return maxRows
	}
	if err != nil || n < 1 {
		p.errs.Add(problem.FieldError{
			Parameter: "limit", Code: "out_of_range", Problem: problem.CodeMalformed,
			Detail: fmt.Sprintf("The limit %s is out of range; give a number from 1 to %d.", expense.QuoteText(text), maxRows),
		})
		return defaultRows
	}
	return min(n, maxRows)
}

// cursor returns the position of the parameter cursor in the list that the scope names, or nil without the parameter.
// The scope depends on the other parameters, so cursor returns nil if the call has errors already.
func (p params) cursor(scope string) []byte {
	text, ok := p.given("cursor")
	if !ok || p.err() != nil {
		return nil
	}
	position, ok := decodeCursor(scope, text)
	if !ok {
		p.errs.Add(errCursor(text))
	}
	return position
}
