package wire

import (
	"time"

	"github.com/spendwise/spendwise/expense"
)

// parser converts members to domain values and collects the errors.
type parser struct{ errs expense.ValidationErrors }

// parse converts one member with a function of the domain, such as expense.ParseDate.
func parse[T, F any](p *parser, field string, from F, convert func(F) (T, error)) T {
	value, err := convert(from)
	if err := p.errs.AddError(field, err); err != nil {
		p.errs.Add(field, "malformed", "%v", err)
	}
	return value
}

// optional is parse for a member that can be null. It returns the zero value for null.
func optional[T any](p *parser, field string, text *string, convert func(string) (T, error)) (value T) {
	if text == nil {
		return value
	}
	return parse(p, field, *text, convert)
}

func (p *parser) date(field string, text *string) expense.Date {
	return optional(p, field, text, expense.ParseDate)
}

func (p *parser) month(field string, text *string) expense.Month {
	return optional(p, field, text, expense.ParseMonth)
}

func (p *parser) money(field, amount, currency string) expense.Money {
	return parse(p, field, amount, func(amount string) (expense.Money, error) {
		return expense.ParseMoney(amount, currency)
	})
}

// instant accepts only times in UTC of whole microseconds, as stores hold them.
func (p *parser) instant(field string, t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	if t.Location() != time.UTC || !expense.Timestamp(*t).Equal(*t) {
		p.errs.Add(field, "malformed",
			"%s is not a time in UTC of whole microseconds; write it like 2026-03-01T12:00:00.123456Z",
			t.Format(time.RFC3339Nano))
	}
	return *t
}

// orNull returns nil for the zero value, which becomes null in JSON.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// orZero returns the zero value for nil.
func orZero[T any](value *T) T {
	if value == nil {
		var zero T
		return zero
	}
	return *value
}
