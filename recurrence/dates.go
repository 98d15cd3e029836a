package recurrence

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// A DateSet is an immutable set of dates. The zero DateSet is empty. Equal sets are equal by ==.
type DateSet struct {
	text string // the dates in ascending order, separated by commas
}

// NewDateSet returns the set of the dates. It leaves out zero dates.
func NewDateSet(dates ...expense.Date) DateSet {
	sorted := slices.SortedFunc(slices.Values(dates), expense.Date.Compare)
	var texts []string
	for _, date := range slices.Compact(sorted) {
		if !date.IsZero() {
			texts = append(texts, date.String())
		}
	}
	return DateSet{text: strings.Join(texts, ",")}
}

// ParseDateSet parses the text that String returns. The error is ErrInvalid.
func ParseDateSet(text string) (DateSet, error) {
	if text == "" {
		return DateSet{}, nil
	}
	var dates []expense.Date
	for part := range strings.SplitSeq(text, ",") {
		date, err := expense.ParseDate(part)
		if err != nil {
			return DateSet{}, fmt.Errorf("list of dates: %w", err)
		}
		dates = append(dates, date)
	}
	return NewDateSet(dates...), nil
}

// String returns the dates as YYYY-MM-DD, in ascending order and separated by commas.
func (d DateSet) String() string { return d.text }

// MarshalText returns the text of String.
func (d DateSet) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText parses the text as [ParseDateSet] does.
func (d *DateSet) UnmarshalText(text []byte) error {
	dates, err := ParseDateSet(string(text))
	if err == nil {
		*d = dates
	}
	return err
}

// Len returns the number of dates.
func (d DateSet) Len() int { return (len(d.text) + 1) / len("2026-03-01,") }

// All yields the dates in ascending order.
func (d DateSet) All() iter.Seq[expense.Date] {
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

// Contains reports whether date is in the set.
func (d DateSet) Contains(date expense.Date) bool {
	return !date.IsZero() && strings.Contains(d.text, date.String())
}

// With returns the set with date added.
func (d DateSet) With(date expense.Date) DateSet {
	return NewDateSet(append(slices.Collect(d.All()), date)...)
}

// NotBefore returns the dates that are not before day.
func (d DateSet) NotBefore(day expense.Date) DateSet {
	if d.text == "" || day.IsZero() {
		return d
	}
	rest := slices.DeleteFunc(slices.Collect(d.All()), func(date expense.Date) bool { return date.Before(day) })
	return NewDateSet(rest...)
}
