package expense_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
)

func TestParseMonth_AcceptsOnlyMonthsOfCalendar(t *testing.T) {
	for _, text := range []string{"0001-01", "1900-02", "2026-12", "9999-12"} {
		month, err := expense.ParseMonth(text)
		if err != nil || month.String() != text {
			t.Errorf("ParseMonth(%s) = %s, %v", text, month, err)
		}
	}
	for _, text := range []string{"2026-00", "2026-13", "0000-01"} {
		_, err := expense.ParseMonth(text)
		wantFieldError(t, err, "", "impossible_month")
	}
	for _, text := range append(
		[]string{
			"2026-1", "26-01", "202601", "2026/01", "2026-01-01", "2026-0١", "2026-0\x00", "+026-01", "-026-01", "10000-01",
		},
		hostile()...,
	) {
		_, err := expense.ParseMonth(text)
		wantFieldError(t, err, "", "malformed_month")
	}
}

func TestMonth_AgreesWithPackageTime(t *testing.T) {
	first := expense.MustMonth("0001-01")
	for n := range 9999 * 12 {
		begin := time.Date(1, time.Month(1+n), 1, 0, 0, 0, 0, time.UTC)
		month := first.Add(n)
		if month.Year() != begin.Year() || month.MonthOfYear() != begin.Month() || month.String() != begin.Format("2006-01") {
			t.Fatalf("%d months after %s is %s, want %s", n, first, month, begin.Format("2006-01"))
		}
		end := begin.AddDate(0, 1, -1)
		if month.First() != civil(begin) || month.Last() != civil(end) || month.Days() != end.Day() {
			t.Fatalf("%s goes from %s to %s, %d days", month, month.First(), month.Last(), month.Days())
		}
		if month.First().Month() != month || month.Last().Month() != month ||
			month.Last().AddDays(1).Month() != month.Add(1) {
			t.Fatalf("the days of %s lie in %s and %s", month, month.First().Month(), month.Last().Month())
		}
		if again, err := expense.NewMonth(begin.Year(), begin.Month()); err != nil || again != month {
			t.Fatalf("NewMonth(%s) = %s, %v", month, again, err)
		}
		if again, err := expense.MonthFromInt(month.Int()); err != nil || again != month {
			t.Fatalf("%d is read back as %s, %v", month.Int(), again, err)
		}
	}
}

func TestMonth_AddAndSub(t *testing.T) {
	first := expense.MustMonth("0001-01")
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(0, 9999*12-1).Draw(t, "a"), rapid.IntRange(0, 9999*12-1).Draw(t, "b")
		from, to := first.Add(a), first.Add(b)
		if to.Sub(from) != b-a || from.Add(b-a) != to {
			t.Fatalf("%s and %s are %d months apart, and not %d", from, to, to.Sub(from), b-a)
		}
		if from.Compare(to) != -to.Compare(from) || from.Before(to) != (a < b) || from.After(to) != (a > b) {
			t.Fatalf("%s and %s are ordered wrongly", from, to)
		}
		checkText(t, from)
	})
}

func TestMonth_OutsideCalendarIsZero(t *testing.T) {
	first, last := expense.MustMonth("0001-01"), expense.MustMonth("9999-12")
	for _, month := range []expense.Month{
		first.Add(-1), last.Add(1), first.Add(math.MaxInt), first.Add(math.MinInt), last.Add(math.MaxInt),
		last.Add(math.MinInt), expense.Month{}.Add(30),
	} {
		if !month.IsZero() {
			t.Errorf("%s is a month", month)
		}
	}
	for _, ym := range []int{-1, 1, 12, 202600, 202613, 1000001, math.MaxInt, math.MinInt} {
		_, err := expense.MonthFromInt(ym)
		wantFieldError(t, err, "", "impossible_month")
	}
	var none expense.Month
	if again, err := expense.MonthFromInt(0); err != nil || again != none {
		t.Errorf("0 is %s, %v", again, err)
	}
	if none.Int() != 0 || none.String() != "" || !none.First().IsZero() || !none.Last().IsZero() ||
		none.Range() != (expense.Range{}) {
		t.Error("the zero Month is a month")
	}
	checkText(t, none)
}

func TestRange_ContainsBothEnds(t *testing.T) {
	day := expense.MustDate
	tests := []struct {
		name     string
		span     expense.Range
		date     string
		contains bool
	}{
		{"its first day", expense.MustMonth("2026-02").Range(), "2026-02-01", true},
		{"its last day", expense.MustMonth("2026-02").Range(), "2026-02-28", true},
		{"the day before", expense.MustMonth("2026-02").Range(), "2026-01-31", false},
		{"the day after", expense.MustMonth("2026-02").Range(), "2026-03-01", false},
		{"no beginning", expense.Range{To: day("2026-01-31")}, "0001-01-01", true},
		{"no end", expense.Range{From: day("2026-01-31")}, "9999-12-31", true},
		{"no end but a beginning", expense.Range{From: day("2026-01-31")}, "2026-01-30", false},
		{"neither", expense.Range{}, "2026-01-30", true},
		{"ends before it begins", expense.Range{From: day("2026-02-01"), To: day("2026-01-01")}, "2026-01-15", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.span.Contains(day(test.date)); got != test.contains {
				t.Errorf("%s in %v: %t", test.date, test.span, got)
			}
		})
	}
}

func FuzzParseMonth(f *testing.F) {
	for _, seed := range []string{"2026-02", "0001-01", "9999-12", "2026-13", "2026-1", "2026-0١", "\x00026-01"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		month, err := expense.ParseMonth(text)
		checkRefusal(t, err)
		begin, timeErr := time.Parse("2006-01", text)
		if taken := timeErr == nil && begin.Year() >= 1; taken != (err == nil) {
			t.Fatalf("ParseMonth(%q) = %s, %v; package time says %v", text, month, err, timeErr)
		}
		if err == nil && month.String() != text {
			t.Errorf("ParseMonth(%q) = %s", text, month)
		}
	})
}

func ExampleMonth() {
	february := expense.MustMonth("2024-02")
	fmt.Println(february.First(), february.Last(), february.Days(), february.Add(12))
	// Output: 2024-02-01 2024-02-29 29 2025-02
}
