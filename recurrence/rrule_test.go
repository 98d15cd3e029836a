package recurrence_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

func TestParseRRULE(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"FREQ=DAILY", "FREQ=DAILY"},
		{"RRULE:FREQ=DAILY", "FREQ=DAILY"},
		{"freq=daily;interval=1", "FREQ=DAILY"},
		{"COUNT=5;INTERVAL=3;FREQ=DAILY", "FREQ=DAILY;INTERVAL=3;COUNT=5"},
		{"FREQ=WEEKLY;BYDAY=SU,MO,SU;WKST=SU", "FREQ=WEEKLY;BYDAY=MO,SU"},
		{"FREQ=WEEKLY;INTERVAL=2;WKST=MO", "FREQ=WEEKLY;INTERVAL=2"},
		{"FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYMONTHDAY=-1"},
		{"FREQ=MONTHLY;BYMONTHDAY=31;UNTIL=20260101", "FREQ=MONTHLY;BYMONTHDAY=31;UNTIL=20260101"},
		{"RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=31;SKIP=OMIT", "FREQ=MONTHLY;BYMONTHDAY=31"},
		{"RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
			"RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD"},
		{"RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=5;SKIP=BACKWARD", "FREQ=MONTHLY;BYMONTHDAY=5"},

		{"FREQ=WEEKLY;BYDAY=MO" + strings.Repeat(",MO", 76) + ";WKST=SU", "FREQ=WEEKLY;BYDAY=MO"},
		{"FREQ=MONTHLY;INTERVAL=1000;COUNT=100000", "FREQ=MONTHLY;INTERVAL=1000;COUNT=100000"},

		{"", "rrule malformed"},
		{"FREQ", "rrule malformed"},
		{"FREQ=DAILY;", "rrule malformed"},
		{"FREQ=DAILY;FREQ=DAILY", "rrule malformed"},
		{"INTERVAL=2", "rrule unsupported"},
		{"FREQ=SECONDLY", "rrule unsupported"},
		{"FREQ=MONTHLY;BYSETPOS=-1;BYHOUR=3", "rrule unsupported, rrule unsupported"},
		{"FREQ=DAILY;INTERVAL=0;COUNT=x", "rrule malformed, rrule malformed"},
		{"FREQ=DAILY;INTERVAL=1001", "rrule malformed"},
		{"FREQ=DAILY;COUNT=100001", "rrule malformed"},
		{"FREQ=DAILY;INTERVAL=+2", "rrule malformed"},
		{"FREQ=DAILY;COUNT=99999999999999999999", "rrule malformed"},
		{"FREQ=MONTHLY;BYMONTHDAY=0", "rrule malformed"},
		{"FREQ=MONTHLY;BYMONTHDAY=00", "rrule malformed"},
		{"FREQ=MONTHLY;BYMONTHDAY=-0;INTERVAL=2", "rrule malformed"},
		{"FREQ=MONTHLY;BYMONTHDAY=1,15", "rrule malformed"},
		{"FREQ=MONTHLY;BYMONTHDAY=-2", "rrule malformed"},
		{"FREQ=MONTHLY;BYDAY=1MO", "rrule malformed"},
		{"FREQ=MONTHLY;BYDAY=MO", "weekdays not_applicable"},
		{"FREQ=DAILY;BYMONTHDAY=1", "month_day not_applicable"},
		{"FREQ=WEEKLY;INTERVAL=2;WKST=SU", "rrule unsupported"},
		{"FREQ=WEEKLY;WKST=XX", "rrule unsupported"},
		{"FREQ=DAILY;UNTIL=20260101T000000Z", "rrule malformed"},
		{"FREQ=DAILY;UNTIL=20260230", "rrule malformed"},
		{"FREQ=DAILY;UNTIL=20240101", "until_date out_of_range"},
		{"FREQ=DAILY;UNTIL=20260101;COUNT=2", "count ambiguous"},
		{"FREQ=MONTHLY;SKIP=OMIT", "rrule malformed"},
		{"FREQ=DAILY;INTERVAL=0;BYDAY=MO;UNTIL=20240101",
			"rrule malformed, weekdays not_applicable, until_date out_of_range"},
		{"RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD", "rrule unsupported"},
		{"RSCALE=HEBREW;FREQ=MONTHLY", "rrule unsupported"},
		{"FREQ=DAILY;X=" + string(make([]byte, 300)), "rrule too_long"},
	} {
		r, err := recurrence.ParseRRULE(test.text, date("2025-01-01"))
		got := fieldErrors(err)
		if err == nil {
			got = r.RRULE()
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q (%v)", test.text, got, test.want, err)
		}
	}
}

// RRULE writes SKIP only if a month may lack the day, because some programs do not support RFC 7529.
func TestRRULE_HasSkipOnlyIfDayCanBeMissing(t *testing.T) {
	for _, test := range []struct {
		rule  recurrence.Rule
		skips bool
	}{
		{recurrence.Rule{Freq: recurrence.Daily, Start: date("2025-01-31")}, false},
		{recurrence.Rule{Freq: recurrence.Weekly, Start: date("2025-01-31")}, false},
		{recurrence.Rule{Freq: recurrence.Monthly, Start: date("2025-01-28")}, false},
		{recurrence.Rule{Freq: recurrence.Monthly, Start: date("2025-01-29")}, true},
		{recurrence.Rule{Freq: recurrence.Monthly, Start: date("2025-01-31"), MonthDay: 28}, false},
		{recurrence.Rule{Freq: recurrence.Monthly, Start: date("2025-01-01"), MonthDay: 29}, true},
		{recurrence.Rule{Freq: recurrence.Monthly, Start: date("2025-01-31"), MonthDay: recurrence.LastDay}, false},
		{recurrence.Rule{Freq: recurrence.Yearly, Start: date("2024-02-28")}, false},
		{recurrence.Rule{Freq: recurrence.Yearly, Start: date("2024-02-29")}, true},
		{recurrence.Rule{Freq: recurrence.Yearly, Start: date("2024-01-29")}, false},
		{recurrence.Rule{Freq: recurrence.Yearly, Start: date("2024-03-31")}, false},
	} {
		test.rule.Interval = 1
		if text := test.rule.RRULE(); strings.Contains(text, "SKIP=BACKWARD") != test.skips {
			t.Errorf("rule from %s on day %d: %s", test.rule.Start, test.rule.MonthDay, text)
		}
	}
}

func TestRRULE_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRule().Draw(t, "rule")
		if r.Validate() != nil {
			t.Skip("a rule without an occurrence")
		}
		back, err := recurrence.ParseRRULE(r.RRULE(), r.Start)
		if err != nil {
			t.Fatalf("%s: %v", r.RRULE(), err)
		}
		to := r.Start.AddDays(5000)
		if got, want := slices.Collect(back.Occurrences(r.Start, to)), slices.Collect(
			r.Occurrences(r.Start, to)); !slices.Equal(got, want) {
			t.Fatalf("%s: got %v, want %v", r.RRULE(), got, want)
		}
		again, err := recurrence.ParseRRULE(back.RRULE(), r.Start)
		if err != nil || again != back {
			t.Fatalf("%s: got %+v, want %+v, %v", back.RRULE(), again, back, err)
		}
	})
}

func FuzzParseRRULE(f *testing.F) {
	f.Add("FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=-1;COUNT=5")
	f.Add("RRULE:RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=BACKWARD;UNTIL=20990101")
	f.Add("FREQ=WEEKLY;BYDAY=MO,TU;WKST=SU")
	f.Fuzz(func(t *testing.T, text string) {
		start := date("2024-02-29")
		r, err := recurrence.ParseRRULE(text, start)
		if err != nil {
			if !errors.Is(err, expense.ErrInvalid) {
				t.Fatalf("error %v is not an InvalidError", err)
			}
			return
		}
		back, err := recurrence.ParseRRULE(r.RRULE(), start)
		if err != nil || back != r {
			t.Fatalf("%q: got %+v, want %+v, %v", text, back, r, err)
		}
	})
}
