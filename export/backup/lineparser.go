package backup

import (
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A lineParser reads the members of a backup's line, and collects what is wrong with them.
type lineParser struct {
	faults expense.ValidationErrors
}

// take notes an error; one that is no fault of the domain is a fault of its form.
func (p *lineParser) take(field string, err error) {
	if err := p.faults.AddError(field, err); err != nil {
		p.faults.Add(field, "malformed", "%v", err)
	}
}

// parse reads a member by the domain's own function.
func parse[T, F any](p *lineParser, field string, from F, by func(F) (T, error)) T {
	value, err := by(from)
	p.take(field, err)
	return value
}

func (p *lineParser) id(field, text string) uuid.UUID { return parse(p, field, text, expense.ParseID) }

func (p *lineParser) optionalID(field string, text *string) uuid.UUID {
	if text == nil {
		return uuid.Nil
	}
	return p.id(field, *text)
}

func (p *lineParser) date(field, text string) expense.Date {
	return parse(p, field, text, expense.ParseDate)
}

func (p *lineParser) optionalDate(field string, text *string) expense.Date {
	if text == nil {
		return expense.Date{}
	}
	return p.date(field, *text)
}

func (p *lineParser) money(field, amount, currency string) expense.Money {
	money, err := expense.ParseMoney(amount, currency)
	p.take(field, err)
	return money
}

// instant reads an instant as it is written: in UTC, of whole microseconds.
func (p *lineParser) instant(field, text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		p.faults.Add(field, "malformed", "%.40q is not an instant such as 2026-03-01T12:00:00.123456Z", text)
		return time.Time{}
	}
	return p.time(field, t)
}

func (p *lineParser) time(field string, t time.Time) time.Time {
	if t.Location() != time.UTC || !expense.Timestamp(t).Equal(t) {
		p.faults.Add(field, "malformed", "%s is not an instant such as 2026-03-01T12:00:00.123456Z", t.Format(time.RFC3339Nano))
	}
	return expense.Timestamp(t)
}

func (p *lineParser) optionalInstant(field string, text *string) time.Time {
	if text == nil {
		return time.Time{}
	}
	return p.instant(field, *text)
}
