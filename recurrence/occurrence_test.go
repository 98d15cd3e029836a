package recurrence_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

const monWedFri = 1<<0 | 1<<2 | 1<<4

func TestRule_OccurrencesCountFromStart(t *testing.T) {
	for _, test := range []struct {
		name string
		rule recurrence.Rule
		from string
		want string // the first five occurrences from that date
	}{
		{"each day", recurrence.Rule{Freq: recurrence.Daily, Interval: 1, Start: date("2024-02-27")}, "",
			"2024-02-27 2024-02-28 2024-02-29 2024-03-01 2024-03-02"},
		{"every tenth day, from a day between",
			recurrence.Rule{Freq: recurrence.Daily, Interval: 10, Start: date("2024-01-01")}, "2024-01-12",
			"2024-01-21 2024-01-31 2024-02-10 2024-02-20 2024-03-01"},
		{"each week on the start's weekday", recurrence.Rule{Freq: recurrence.Weekly, Interval: 1, Start: date("2024-12-26")},
			"",
			"2024-12-26 2025-01-02 2025-01-09 2025-01-16 2025-01-23"},
		{"every other week on three days",
			recurrence.Rule{Freq: recurrence.Weekly, Interval: 2, Weekdays: monWedFri, Start: date("2025-01-02")}, "",
			"2025-01-03 2025-01-13 2025-01-15 2025-01-17 2025-01-27"},
		{"monthly from 31 January", recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: date("2024-01-31")}, "",
			"2024-01-31 2024-02-29 2024-03-31 2024-04-30 2024-05-31"},
		{"monthly from 31 January, skipping",
			recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: date("2024-01-31"), OnMissing: recurrence.SkipMonth},
			"",
			"2024-01-31 2024-03-31 2024-05-31 2024-07-31 2024-08-31"},
		{"on the last day", recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, MonthDay: recurrence.LastDay,
			Start: date("2025-02-10"), OnMissing: recurrence.SkipMonth}, "",
			"2025-02-28 2025-03-31 2025-04-30 2025-05-31 2025-06-30"},
		{"on a day before the start's",
			recurrence.Rule{Freq: recurrence.Monthly, Interval: 3, MonthDay: 5, Start: date("2025-02-10")}, "",
			"2025-05-05 2025-08-05 2025-11-05 2026-02-05 2026-05-05"},
		{"yearly on 29 February", recurrence.Rule{Freq: recurrence.Yearly, Interval: 1, Start: date("2024-02-29")}, "",
			"2024-02-29 2025-02-28 2026-02-28 2027-02-28 2028-02-29"},
		{"yearly on 29 February, skipping", recurrence.Rule{Freq: recurrence.Yearly, Interval: 1, Start: date("2096-02-29"),
			OnMissing: recurrence.SkipMonth}, "",
			"2096-02-29 2104-02-29 2108-02-29 2112-02-29 2116-02-29"},
		{"until a day",
			recurrence.Rule{Freq: recurrence.Daily, Interval: 1, Start: date("2024-02-27"), Until: date("2024-02-28")}, "",
			"2024-02-27 2024-02-28"},
		{"so many", recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: date("2024-01-31"), Count: 3,
			OnMissing: recurrence.SkipMonth}, "2024-02-01",
			"2024-03-31 2024-05-31"},
		{"far from the start", recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: date("1900-01-31")},
			"9999-10-01",
			"9999-10-31 9999-11-30 9999-12-31"},
		{"a day that never comes", recurrence.Rule{Freq: recurrence.Monthly, Interval: 12, MonthDay: 30,
			Start: date("2024-02-01"), OnMissing: recurrence.SkipMonth}, "", ""},
		{"without a start", recurrence.Rule{Freq: recurrence.Daily, Interval: 1}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			from := expense.Date{}
			if test.from != "" {
				from = date(test.from)
			}
			var got []string
			for day := range test.rule.Occurrences(from, expense.Date{}) {
				if got = append(got, day.String()); len(got) == 5 {
					break
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}

func date(text string) expense.Date { return expense.MustDate(text) }

// isOccurrence is the test oracle. It reports whether a day is an occurrence of a rule without an end.
func isOccurrence(r recurrence.Rule, day expense.Date) bool {
	if day.Before(r.Start) {
		return false
	}
	months := day.Month().Sub(r.Start.Month())
	target := r.Start.Day()
	switch r.Freq {
	case recurrence.Daily:
		return day.Sub(r.Start)%r.Interval == 0
	case recurrence.Weekly:
		if day.WeekStart().Sub(r.Start.WeekStart())/7%r.Interval != 0 {
			return false
		}
		if r.Weekdays == 0 {
			return day.Weekday() == r.Start.Weekday()
		}
		return r.Weekdays&(1<<day.Sub(day.WeekStart())) != 0
	case recurrence.Monthly:
		if months%r.Interval != 0 {
			return false
		}
		if r.MonthDay > 0 {
			target = r.MonthDay
		}
	case recurrence.Yearly:
		if months%(12*r.Interval) != 0 {
			return false
		}
	}
	last := day.Month().Days()
	if r.MonthDay == recurrence.LastDay || target > last && r.OnMissing == recurrence.ClampToMonthEnd {
		return day.Day() == last
	}
	return day.Day() == target
}

// occurrencesByDay returns the occurrences of a rule by checking each day.
func occurrencesByDay(r recurrence.Rule, from, to expense.Date) []expense.Date {
	var days []expense.Date
	count := 0
	for day := r.Start; !day.After(to) && (r.Until.IsZero() || !day.After(r.Until)) &&
		(r.Count == 0 || count < r.Count); day = day.AddDays(1) {
		if isOccurrence(r, day) {
			count++
			if !day.Before(from) {
				days = append(days, day)
			}
		}
	}
	return days
}

// anyDate draws a day from 1900 to 2200. It prefers the ends of months and leap days.
func anyDate() *rapid.Generator[expense.Date] {
	return rapid.Custom(func(t *rapid.T) expense.Date {
		day := date("1900-01-01").AddDays(rapid.IntRange(0, 109_938).Draw(t, "days since 1900"))
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return day.Month().Last()
		case 1:
			february, err := expense.NewMonth(day.Year(), 2)
			if err != nil {
				t.Fatal(err)
			}
			return february.Last()
		}
		return day
	})
}

// anyRule draws a valid rule.
func anyRule() *rapid.Generator[recurrence.Rule] {
	return rapid.Custom(func(t *rapid.T) recurrence.Rule {
		r := recurrence.Rule{
			Amount: expense.MustMoney("1", "EUR"),
			Freq:   recurrence.Freq(rapid.IntRange(1, 4).Draw(t, "freq")),
			Interval: rapid.OneOf(rapid.IntRange(1, 4), rapid.IntRange(1, 30),
				rapid.SampledFrom([]int{12, 24, 48, 100, 400, 1000})).Draw(t, "interval"),
			Start: anyDate().Draw(t, "start"),
		}
		if r.Freq == recurrence.Weekly {
			r.Weekdays = recurrence.Weekdays(rapid.IntRange(0, 127).Draw(t, "weekdays"))
		}
		if r.Freq == recurrence.Monthly {
			r.MonthDay = rapid.SampledFrom([]int{0, -1, 1, 15, 28, 29, 30, 31}).Draw(t, "month day")
		}
		if r.Freq >= recurrence.Monthly && rapid.Bool().Draw(t, "skip") {
			r.OnMissing = recurrence.SkipMonth
		}
		switch rapid.IntRange(0, 2).Draw(t, "end") {
		case 1:
			r.Count = rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 5000)).Draw(t, "count")
		case 2:
			r.Until = r.Start.AddDays(rapid.IntRange(0, 30_000).Draw(t, "until"))
		}
		return r
	})
}

func TestRule_OccurrencesAgreeWithDayByDaySearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRule().Draw(t, "rule")
		from, to := anyDate().Draw(t, "from"), anyDate().Draw(t, "to")
		want := occurrencesByDay(r, from, to)
		got := slices.Collect(r.Occurrences(from, to))
		if !slices.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
		// Repeated calls of NextAfter return the same dates from any start day.
		day := from.AddDays(-1)
		for _, date := range want[:min(len(want), 50)] {
			if day = r.NextAfter(day); day != date {
				t.Fatalf("NextAfter = %s, want %s", day, date)
			}
		}
	})
}

// If a rule skips months without its day, Count counts only the existing occurrences. This includes years such as 1900,
// which have no 29 February. The count does not depend on the start of the range.
func TestRule_CountIgnoresMissingDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := recurrence.Rule{
			Freq:     rapid.SampledFrom([]recurrence.Freq{recurrence.Monthly, recurrence.Yearly}).Draw(t, "freq"),
			Interval: rapid.SampledFrom([]int{1, 1, 2, 3, 4, 5, 6, 12, 25}).Draw(t, "interval"),
			Start: date(
				rapid.SampledFrom([]string{"1904-02-29", "1996-02-29", "2000-02-29", "2000-01-30", "2001-05-31"}).Draw(t, "start")),
			OnMissing: recurrence.SkipMonth,
			Count:     rapid.OneOf(rapid.IntRange(1, 12), rapid.IntRange(1, 120)).Draw(t, "count"),
		}
		all := occurrencesByDay(r, expense.Date{}, date("2420-01-01"))
		from := all[rapid.IntRange(0, len(all)-1).Draw(t, "from")].AddDays(rapid.IntRange(-40, 40).Draw(t, "beside"))
		first, _ := slices.BinarySearchFunc(all, from, expense.Date.Compare)
		if got, want := slices.Collect(r.Occurrences(from, date("2420-01-01"))), all[first:]; !slices.Equal(got, want) {
			t.Fatalf("from %s: got  %v\nwant %v", from, got, want)
		}
	})
}

func TestRule_ValidRuleHasOccurrence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRule().Draw(t, "rule")
		if first := r.NextAfter(expense.Date{}); (r.Validate() == nil) == first.IsZero() {
			t.Fatalf("first occurrence = %s, Validate: %v", first, r.Validate())
		}
	})
}

func TestRule_OccurrencesStopWithLoop(t *testing.T) {
	r := recurrence.Rule{Freq: recurrence.Daily, Interval: 1, Start: date("2024-01-01")}
	next := date("2024-01-01")
	for day := range r.Occurrences(expense.Date{}, expense.Date{}) {
		if day != next {
			t.Fatalf("NextAfter = %s, want %s", day, next)
		}
		if day == date("2024-03-01") {
			break
		}
		next = next.AddDays(1)
	}
	if got := r.NextAfter(date("9999-12-31")); !got.IsZero() {
		t.Errorf("NextAfter at the end of the calendar = %s", got)
	}
}

func TestRule_OccurrencesDoNotAllocate(t *testing.T) {
	for name, r := range map[string]recurrence.Rule{
		"daily":  {Freq: recurrence.Daily, Interval: 1, Start: date("1900-01-31")},
		"weekly": {Freq: recurrence.Weekly, Interval: 1, Weekdays: monWedFri, Start: date("1900-01-31"), Count: 90_000},
		"monthly": {Freq: recurrence.Monthly, Interval: 1, Start: date("1900-01-31"), OnMissing: recurrence.SkipMonth,
			Count: 90_000},
		"yearly": {Freq: recurrence.Yearly, Interval: 1, Start: date("1904-02-29"), Until: date("2300-01-01")},
	} {
		t.Run(name, func(t *testing.T) {
			allocations := func(to expense.Date) (allocations float64, dates int) {
				allocations = testing.AllocsPerRun(10, func() {
					dates = 0
					for range r.Occurrences(date("2000-01-01"), to) {
						dates++
					}
				})
				return allocations, dates
			}
			one, few := allocations(date("2000-12-31"))
			century, many := allocations(date("2099-12-31"))
			if many < 99*few || one != century { // the loop itself allocates
				t.Errorf("%v allocations for %d dates and %v for %d", one, few, century, many)
			}
		})
	}
}

// BenchmarkOccurrences iterates over a hundred years of a daily rule.
func BenchmarkOccurrences(b *testing.B) {
	r := recurrence.Rule{Freq: recurrence.Daily, Interval: 1, Start: date("1900-01-31")}
	b.ReportAllocs()
	for b.Loop() {
		for range r.Occurrences(date("2000-01-01"), date("2099-12-31")) {
		}
	}
}

func BenchmarkNextAfter(b *testing.B) {
	for _, bench := range []struct {
		name string
		rule recurrence.Rule
	}{
		{"monthly", recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: date("1900-01-31")}},
		{"monthly_skip_count", recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: date("1900-01-29"),
			OnMissing: recurrence.SkipMonth, Count: 100_000}},
		{"weekly", recurrence.Rule{Freq: recurrence.Weekly, Interval: 3, Weekdays: monWedFri, Start: date("1900-01-31"),
			Count: 100_000}},
		{"daily", recurrence.Rule{Freq: recurrence.Daily, Interval: 3, Start: date("1900-01-31")}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			after := date("2199-06-30")
			for b.Loop() {
				bench.rule.NextAfter(after)
			}
		})
	}
}
