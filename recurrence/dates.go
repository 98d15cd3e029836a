package recurrence

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// DateSet is a set of civil dates. The zero value is empty; equal sets compare with ==.
type DateSet struct {
	text string // the dates in order, with commas between
}

// NewDateSet returns the set of the given dates; zero dates are left out.
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

// ParseDateSet reads what String writes. The error is ErrInvalid.
func ParseDateSet(text string) (DateSet, error) {
	if text == "" {
		return DateSet{}, nil
	}
	var dates []expense.Date
	for part := range strings.SplitSeq(text, ",") {
		date, err := expense.ParseDate(part)
		if err != nil {
			return DateSet{}, fmt.Errorf("a list of dates: %w", err)
		}
		dates = append(dates, date)
	}
	return NewDateSet(dates...), nil
}

// String returns the dates in order as YYYY-MM-DD, with commas between.
func (d DateSet) String() string { return d.text }

// MarshalText writes what String returns.
func (d DateSet) MarshalText() ([]byte, error) { return []byte(d.text), nil }

// UnmarshalText reads what MarshalText writes.
func (d *DateSet) UnmarshalText(text []byte) error {
	dates, err := ParseDateSet(string(text))
	if err == nil {
		*d = dates
	}
	return err
}

// Len returns how many dates there are.
func (d DateSet) Len() int { return (len(d.text) + 1) / len("2026-03-01,") }

// All yields the dates in order.
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

// Contains reports whether date is one of them.
func (d DateSet) Contains(date expense.Date) bool {
	return !date.IsZero() && strings.Contains(d.text, date.String())
}

// With returns the set with date in it.
func (d DateSet) With(date expense.Date) DateSet {
	return NewDateSet(append(slices.Collect(d.All()), date)...)
}

// From returns those that are not before day.
func (d DateSet) NotBefore(day expense.Date) DateSet {
	if d.text == "" || day.IsZero() {
		return d
	}
	rest := slices.DeleteFunc(slices.Collect(d.All()), func(date expense.Date) bool { return date.Before(day) })
	return NewDateSet(rest...)
}
