package recurrence_test

import (
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

func fieldErrors(err error) string {
	var list []string
	for _, fieldError := range expense.InvalidErrors(err) {
		list = append(list, fieldError.Field+" "+fieldError.Code)
	}
	return strings.Join(list, ", ")
}

func TestRule_ValidateReportsAllInvalidFields(t *testing.T) {
	monthly := func(change func(*recurrence.Rule)) recurrence.Rule {
		r := recurrence.Rule{Amount: expense.MustMoney("1", "EUR"), Freq: recurrence.Monthly, Interval: 1,
			Start: date("2025-01-31")}
		change(&r)
		return r
	}
	for _, test := range []struct {
		name string
		rule recurrence.Rule
		want string
	}{
		{"a good rule", monthly(func(*recurrence.Rule) {}), ""},
		{"the last day", monthly(func(r *recurrence.Rule) { r.MonthDay = recurrence.LastDay }), ""},
		{"the longest interval", monthly(func(r *recurrence.Rule) { r.Interval = 1000 }), ""},
		{"the highest count", monthly(func(r *recurrence.Rule) { r.Count = 100_000 }), ""},
		{"the first start", monthly(func(r *recurrence.Rule) { r.Start = date("1900-01-01") }), ""},
		{"an end with the start", monthly(func(r *recurrence.Rule) { r.Until = date("2025-01-31") }), ""},
		{"a 31st", monthly(func(r *recurrence.Rule) { r.MonthDay = 31 }), ""},
		{"nothing", recurrence.Rule{}, "amount zero, freq unknown_value, interval out_of_range, start_date required"},
		{"too long an interval", monthly(func(r *recurrence.Rule) { r.Interval = 1001 }), "interval out_of_range"},
		{"weekdays of a month", monthly(func(r *recurrence.Rule) { r.Weekdays = 1 }), "weekdays not_applicable"},
		{"an eighth weekday", monthly(func(r *recurrence.Rule) { r.Freq, r.Weekdays = recurrence.Weekly, 1<<7 }),
			"weekdays unknown_value"},
		{"a 32nd", monthly(func(r *recurrence.Rule) { r.MonthDay = 32 }), "month_day out_of_range"},
		{"the last day but one", monthly(func(r *recurrence.Rule) { r.MonthDay = -2 }), "month_day out_of_range"},
		{"a day of the month each year", monthly(func(r *recurrence.Rule) { r.Freq, r.MonthDay = recurrence.Yearly, 1 }),
			"month_day not_applicable"},
		{"skipping days", monthly(func(r *recurrence.Rule) { r.Freq, r.OnMissing = recurrence.Daily, recurrence.SkipMonth }),
			"on_missing not_applicable"},
		{"an unknown way of missing", monthly(func(r *recurrence.Rule) { r.OnMissing = 2 }), "on_missing unknown_value"},
		{"a start in the past of the past", monthly(func(r *recurrence.Rule) { r.Start = date("1899-12-31") }),
			"start_date out_of_range"},
		{"an end before the start", monthly(func(r *recurrence.Rule) { r.Until = date("2025-01-30") }),
			"until_date out_of_range"},
		{"a negative count", monthly(func(r *recurrence.Rule) { r.Count = -1 }), "count out_of_range"},
		{"too high a count", monthly(func(r *recurrence.Rule) { r.Count = 100_001 }), "count out_of_range"},
		{"two ends", monthly(func(r *recurrence.Rule) { r.Count, r.Until = 1, date("2026-01-01") }), "count ambiguous"},
		{"a day that never comes", monthly(func(r *recurrence.Rule) {
			r.Interval, r.MonthDay, r.Start, r.OnMissing = 12, 30, date("2025-02-01"), recurrence.SkipMonth
		}), "start_date no_occurrence"},
		{"an end before the first", monthly(func(r *recurrence.Rule) { r.MonthDay, r.Until = 1, date("2025-01-31") }),
			"start_date no_occurrence"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := fieldErrors(test.rule.Validate()); got != test.want {
				t.Errorf("field errors = %q, want %q", got, test.want)
			}
		})
	}
}

func TestRule_SameGuardedFields(t *testing.T) {
	r := recurrence.Rule{Freq: recurrence.Daily, Interval: 1, Start: date("2025-01-01")}
	other := r
	other.Notes, other.Paused, other.Next, other.Version = "rent", true, date("2025-02-01"), 7
	if !r.SameGuardedFields(other) {
		t.Error("Notes, Paused, Next or Version count as guarded fields")
	}
	other.Interval = 2
	if r.SameGuardedFields(other) {
		t.Error("Interval does not count as a guarded field")
	}
}
