package expense_test

import (
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
)

func TestParseDate_AcceptsOnlyDatesOfCalendar(t *testing.T) {
	for _, text := range []string{"0001-01-01", "1900-01-01", "2000-02-29", "2024-02-29", "2026-12-31", "9999-12-31"} {
		date, err := expense.ParseDate(text)
		if err != nil || date.String() != text {
			t.Errorf("ParseDate(%s) = %s, %v", text, date, err)
		}
	}
	for _, text := range []string{
		"2023-02-29", "1900-02-29", "2100-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "2026-01-32",
		"0000-01-01",
	} {
		_, err := expense.ParseDate(text)
		wantFieldError(t, err, "", "impossible_date")
	}
	others := []string{
		"2026-1-01", "2026-01-1", "26-01-01", "20260101", "2026/01/01", "01-01-2026", "2026-01-01T00:00:00Z", " 2026-01-01",
		"2026-01-01 ",
		"+026-01-01", "-026-01-01", "2026-0١-1", "２０２６-01-01", "2026-01-0\x00", "10000-01-01", "2026‐01‐01",
	}
	for _, text := range append(others, hostile()...) {
		_, err := expense.ParseDate(text)
		wantFieldError(t, err, "", "malformed_date")
	}
}

// civil returns the date of a day in UTC.
func civil(t time.Time) expense.Date { return expense.DateOf(t, time.UTC) }

// lastDay is the number of days from firstDay to the last date.
const lastDay = 3652058

var firstDay = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)

// TestDate_AgreesWithPackageTimeOnEveryDay compares every day of three centuries.
func TestDate_AgreesWithPackageTimeOnEveryDay(t *testing.T) {
	day := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	first := civil(day)
	for n := 0; day.Year() <= 2200; n++ {
		checkDate(t, civil(day), day)
		if date := first.AddDays(n); date != civil(day) {
			t.Fatalf("%d days after %s is %s, want %s", n, first, date, civil(day))
		}
		if days := civil(day).Sub(first); days != n {
			t.Fatalf("%s is %d days after %s, want %d", civil(day), days, first, n)
		}
		day = day.AddDate(0, 0, 1)
	}
}

func TestDate_AgreesWithPackageTimeOverCalendar(t *testing.T) {
	for n := 0; n <= lastDay; n += 13 {
		day := firstDay.AddDate(0, 0, n)
		checkDate(t, civil(day), day)
	}
	last := expense.MustDate("9999-12-31")
	checkDate(t, last, firstDay.AddDate(0, 0, lastDay))
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(0, lastDay).Draw(t, "a"), rapid.IntRange(0, lastDay).Draw(t, "b")
		from, to := civil(firstDay.AddDate(0, 0, a)), civil(firstDay.AddDate(0, 0, b))
		if to.Sub(from) != b-a || from.AddDays(b-a) != to {
			t.Fatalf("%s and %s are %d days apart, and not %d", from, to, to.Sub(from), b-a)
		}
		if from.Compare(to) != -to.Compare(from) || from.Before(to) != (a < b) || from.After(to) != (a > b) ||
			(from == to) != (a == b) {
			t.Fatalf("%s and %s are ordered wrongly", from, to)
		}
		checkText(t, from)
	})
}

func checkDate(t *testing.T, date expense.Date, day time.Time) {
	t.Helper()
	year, month, dayOfMonth := day.Date()
	if date.Year() != year || date.MonthOfYear() != month || date.Day() != dayOfMonth ||
		date.String() != day.Format(time.DateOnly) {
		t.Fatalf("%s is shown as %s", day.Format(time.DateOnly), date)
	}
	if date.Weekday() != day.Weekday() {
		t.Fatalf("%s is a %s, want %s", date, date.Weekday(), day.Weekday())
	}
	if date.AddDays(0) != date {
		t.Fatalf("%s plus no days is %s", date, date.AddDays(0))
	}
	monday := date.WeekStart()
	if monday.Weekday() != time.Monday || date.Sub(monday) < 0 || date.Sub(monday) > 6 {
		t.Fatalf("the week of %s begins on %s", date, monday)
	}
	if again, err := expense.ParseDate(date.String()); err != nil || again != date {
		t.Fatalf("%s is read back as %s, %v", date, again, err)
	}
	if again, err := expense.DateFromInt(date.Int()); err != nil || again != date {
		t.Fatalf("%d is read back as %s, %v", date.Int(), again, err)
	}
	if again, err := expense.NewDate(year, month, dayOfMonth); err != nil || again != date {
		t.Fatalf("NewDate(%s) = %s, %v", date, again, err)
	}
	if m := date.Month(); m.Year() != year || m.MonthOfYear() != month || !m.Range().Contains(date) {
		t.Fatalf("%s lies in %s", date, m)
	}
}

func TestDate_OutsideCalendarIsZero(t *testing.T) {
	first, last := expense.MustDate("0001-01-01"), expense.MustDate("9999-12-31")
	for _, date := range []expense.Date{
		first.AddDays(-1), last.AddDays(1), first.AddDays(math.MinInt), last.AddDays(math.MaxInt), first.AddDays(lastDay + 1),
		expense.Date{}.AddDays(5), expense.Date{}.WeekStart(),
		expense.DateOf(time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC), time.UTC),
		expense.DateOf(time.Date(-5, 12, 31, 0, 0, 0, 0, time.UTC), time.UTC),
		expense.DateOf(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC),
		expense.DateOf(time.Time{}, time.FixedZone("west", -3600)),
	} {
		if !date.IsZero() {
			t.Errorf("%s is a date", date)
		}
	}
	if first.AddDays(lastDay) != last {
		t.Errorf("the calendar ends on %s", first.AddDays(lastDay))
	}
	for _, ymd := range []int{-1, 1, 20260230, 20261301, 100000101, 1231, -20260101, math.MaxInt, math.MinInt} {
		_, err := expense.DateFromInt(ymd)
		wantFieldError(t, err, "", "impossible_date")
	}
	if date, err := expense.DateFromInt(0); err != nil || !date.IsZero() || date.Int() != 0 || date.String() != "" ||
		!date.Month().IsZero() {
		t.Errorf("the zero Date is %v, %v", date, err)
	}
	checkText(t, expense.Date{})
}

func TestDateOf_UsesZone(t *testing.T) {
	instant := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	for zone, want := range map[string]string{
		"Pacific/Kiritimati": "2026-03-02", "Pacific/Auckland": "2026-03-01", "UTC": "2026-03-01",
		"Pacific/Pago_Pago": "2026-02-28",
	} {
		if got := expense.DateOf(instant, location(t, zone)); got.String() != want {
			t.Errorf("in %s it is %s, want %s", zone, got, want)
		}
	}
}

func location(t rapid.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestDate_StartsAtFirstInstant(t *testing.T) {
	tests := []struct{ name, zone, date, begin string }{
		{"no clock change", "Europe/Berlin", "2026-01-15", "2026-01-15T00:00:00+01:00"},
		{"the day clocks go forward", "Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00"},
		{"the day after", "Europe/Berlin", "2026-03-30", "2026-03-30T00:00:00+02:00"},
		{"the day clocks go back", "America/New_York", "2026-11-01", "2026-11-01T00:00:00-04:00"},
		{"a change of half an hour", "Australia/Lord_Howe", "2026-10-04", "2026-10-04T00:00:00+10:30"},
		{"an offset of half an hour", "Asia/Kolkata", "2026-06-01", "2026-06-01T00:00:00+05:30"},
		{"furthest east", "Pacific/Kiritimati", "2026-06-01", "2026-06-01T00:00:00+14:00"},
		{"furthest west", "Pacific/Pago_Pago", "2026-06-01", "2026-06-01T00:00:00-11:00"},
		{"midnight is skipped in São Paulo", "America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"},
		{"midnight is skipped in Beirut", "Asia/Beirut", "2022-03-27", "2022-03-27T01:00:00+03:00"},
		{"midnight is skipped in Cairo", "Africa/Cairo", "2024-04-26", "2024-04-26T01:00:00+03:00"},
		{"midnight is skipped in Havana", "America/Havana", "2026-03-08", "2026-03-08T01:00:00-04:00"},
		{"midnight comes twice in Havana", "America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00"},
		{"clocks go back at midnight into the day before", "America/Sao_Paulo", "2018-02-18", "2018-02-18T00:00:00-03:00"},
		{"the day before Apia's missing one", "Pacific/Apia", "2011-12-29", "2011-12-29T00:00:00-10:00"},
		{"Apia's missing day begins with the next", "Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"},
		{"the day after Apia's missing one", "Pacific/Apia", "2011-12-31", "2011-12-31T00:00:00+14:00"},
		{"a day lived twice begins the first time", "America/Juneau", "1867-10-18", "1867-10-18T00:00:00+15:02"},
		{"local mean time", "America/New_York", "1880-01-01", "1880-01-01T00:00:00-04:56"},
		{"far ahead", "Europe/Berlin", "2199-07-01", "2199-07-01T00:00:00+02:00"},
		{"new year after a leap year far ahead", "Europe/Berlin", "2041-01-01", "2041-01-01T00:00:00+01:00"},
		{"the last day of a leap year far ahead", "America/New_York", "2044-12-31", "2044-12-31T00:00:00-05:00"},
		{"the first date", "UTC", "0001-01-01", "0001-01-01T00:00:00Z"},
		{"the last date", "UTC", "9999-12-31", "9999-12-31T00:00:00Z"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			begin := expense.MustDate(test.date).StartIn(location(t, test.zone))
			if got := begin.Format("2006-01-02T15:04:05Z07:00"); got != test.begin {
				t.Errorf("%s begins in %s at %s, want %s", test.date, test.zone, got, test.begin)
			}
		})
	}
}

// StartIn returns the first instant whose date is d, or is later if a transition skips d.
func TestDate_StartIsLeastInstantInEveryZone(t *testing.T) {
	zones := zoneNames(t)
	for _, name := range zones {
		loc := location(t, name)
		var dates []expense.Date
		for day := range 8 { // some days of each zone, others in each
			dates = append(
				dates, civil(time.Date(1900+(len(name)*37+day*43)%301, time.Month(1+day), 1+day*3, 0, 0, 0, 0, time.UTC)),
			)
		}
		// The days around each transition.
		for at := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).In(loc); ; {
			_, end := at.ZoneBounds()
			if end.IsZero() || at.Year() > 2050 {
				break
			}
			if !end.After(at) { // package time, on the last day of a leap year
				at = at.Add(24 * time.Hour)
				continue
			}
			changed := expense.DateOf(end, loc)
			dates = append(dates, changed.AddDays(-1), changed, changed.AddDays(1))
			at = end
		}
		for _, date := range dates {
			checkBegin(t, date, loc)
		}
	}
}

func checkBegin(t *testing.T, date expense.Date, loc *time.Location) {
	t.Helper()
	begin := date.StartIn(loc)
	if expense.DateOf(begin, loc).Before(date) {
		t.Errorf("%s begins in %s at %s, when it is still %s", date, loc, begin, expense.DateOf(begin, loc))
	}
	// No earlier instant has the date or a later one. Dates do not decrease between two transitions, so checking the last
	// instant of each period is enough.
	midnight := time.Date(date.Year(), date.MonthOfYear(), date.Day(), 0, 0, 0, 0, time.UTC)
	for last := begin.Add(-1); midnight.Sub(last) < 48*time.Hour; {
		if shown := expense.DateOf(last, loc); !shown.Before(date) {
			t.Errorf("%s begins in %s at %s, but clocks show %s at %s already", date, loc, begin, shown, last)
		}
		start, _ := last.ZoneBounds()
		if start.IsZero() {
			break
		}
		last = start.Add(-1)
	}
}

// zoneNames returns the zones of the machine's database, or a fixed list if it has none.
func zoneNames(t *testing.T) []string {
	t.Helper()
	names := []string{
		"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago",
		"America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "America/Havana", "Pacific/Apia", "Antarctica/Troll",
		"Africa/Monrovia",
	}
	const root = "/usr/share/zoneinfo"
	for _, area := range []string{
		"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
	} {
		err := filepath.WalkDir(filepath.Join(root, area), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return nil //nolint:nilerr // a machine may have no database: then the list above is all
			}
			names = append(names, strings.TrimPrefix(path, root+"/"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{
		"2026-02-28", "2024-02-29", "2023-02-29", "0001-01-01", "9999-12-31", "2026-1-1", "2026-01-0١", "\x002026-01-0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		date, err := expense.ParseDate(text)
		checkRefusal(t, err)
		day, timeErr := time.Parse(time.DateOnly, text)
		if taken := timeErr == nil && day.Year() >= 1; taken != (err == nil) {
			t.Fatalf("ParseDate(%q) = %s, %v; package time says %v", text, date, err, timeErr)
		}
		if err == nil && (date.String() != text || date != civil(day)) {
			t.Errorf("ParseDate(%q) = %s", text, date)
		}
	})
}

func ExampleDate_StartIn() {
	saoPaulo, err := expense.ParseZone("America/Sao_Paulo")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(expense.MustDate("2018-11-04").StartIn(saoPaulo.Location()).Format(time.RFC3339))
	// Output: 2018-11-04T01:00:00-02:00
}

func ExampleDate_WeekStart() {
	sunday := expense.MustDate("2026-03-01")
	fmt.Println(sunday.Weekday(), sunday.WeekStart(), sunday.AddDays(1).WeekStart())
	// Output: Sunday 2026-02-23 2026-03-02
}
