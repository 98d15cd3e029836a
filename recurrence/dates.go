package recurrence

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// Dates is a set of civil dates. The zero value is empty; equal sets compare with ==.
type Dates struct {
	text string // the dates in order, with commas between
}

// DatesOf returns the set of the given dates; zero dates are left out.
func DatesOf(dates ...expense.Date) Dates {
	sorted := slices.SortedFunc(slices.Values(dates), expense.Date.Compare)
	var texts []string
	for _, date := range slices.Compact(sorted) {
		if !date.IsZero() {
			texts = append(texts, date.String())
		}
	}
	return Dates{text: strings.Join(texts, ",")}
}

// ParseDates reads what String writes. The error is ErrInvalid.
func ParseDates(text string) (Dates, error) {
	if text == "" {
		return Dates{}, nil
	}
	var dates []expense.Date
	for part := range strings.SplitSeq(text, ",") {
		date, err := expense.ParseDate(part)
		if err != nil {
			return Dates{}, fmt.Errorf("a list of dates: %w", err)
		}
		dates = append(dates, date)
	}
	return DatesOf(dates...), nil
}

// String returns the dates in order as YYYY-MM-DD, with commas between.
func (d Dates) String() string { return d.text }

// MarshalText writes what String returns.
func (d Dates) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Dates) UnmarshalText(text []byte) error {
	dates, err := ParseDates(string(text))
	if err == nil {
		*d = dates
	}
	return err
}

// Len returns how many dates there are.
func (d Dates) Len() int { return (len(d.text) + 1) / len("2026-03-01,") }

// All yields the dates in order.
func (d Dates) All() iter.Seq[expense.Date] {
	return func(yield func(expense.Date) bool) {
		if d.text == "" {
			return
		}
		for part := range strings.SplitSeq(d.text, ",") {
			date, err := expense.ParseDate(part)
			if err != nil || !yield(date) {
				return
			}
		}
	}
}

// Contains reports whether date is one of them.
func (d Dates) Contains(date expense.Date) bool {
	return !date.IsZero() && strings.Contains(d.text, date.String())
}

// With returns the set with date in it.
func (d Dates) With(date expense.Date) Dates {
	return DatesOf(append(slices.Collect(d.All()), date)...)
}

// From returns those that are not before day.
func (d Dates) From(day expense.Date) Dates {
	if d.text == "" || day.IsZero() {
		return d
	}
	rest := slices.DeleteFunc(slices.Collect(d.All()), func(date expense.Date) bool { return date.Before(day) })
	return DatesOf(rest...)
}
