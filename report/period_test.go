package report_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

func dates(from, to string) expense.Range {
	return expense.Range{From: expense.MustDate(from), To: expense.MustDate(to)}
}

func rangeText(r expense.Range) string { return r.From.String() + ".." + r.To.String() }

func TestSummary_ComparisonPeriods(t *testing.T) {
	r := fixedReader{snapshot: budget.Snapshot{Settings: expense.Settings{Home: expense.MustCurrency("EUR")}}}
	month := func(text string) (report.Summary, error) {
		monthly, err := report.Monthly(t.Context(), r, env.Now, expense.MustMonth(text))
		return monthly.Summary, err
	}
	year := func(start time.Month) (report.Summary, error) {
		yearly, err := report.Yearly(t.Context(), r, env.Now, 2025, start)
		return yearly.Summary, err
	}
	span := func(from, to string) (report.Summary, error) {
		ranged, err := report.Range(t.Context(), r, env.Now, dates(from, to))
		return ranged.Summary, err
	}
	for _, test := range []struct {
		name                    string
		read                    func() (report.Summary, error)
		this, previous, yearAgo string
	}{
		{"a month", func() (report.Summary, error) { return month("2025-03") },
			"2025-03-01..2025-03-31", "2025-02-01..2025-02-28", "2024-03-01..2024-03-31"},
		{"a calendar year", func() (report.Summary, error) { return year(time.January) },
			"2025-01-01..2025-12-31", "2024-01-01..2024-12-31", "2024-01-01..2024-12-31"},
		{"a fiscal year", func() (report.Summary, error) { return year(time.April) },
			"2025-04-01..2026-03-31", "2024-04-01..2025-03-31", "2024-04-01..2025-03-31"},
		{"a quarter as a range", func() (report.Summary, error) { return span("2025-01-01", "2025-03-31") },
			"2025-01-01..2025-03-31", "2024-10-01..2024-12-31", "2024-01-01..2024-03-31"},
		{"a February as a range", func() (report.Summary, error) { return span("2025-02-01", "2025-02-28") },
			"2025-02-01..2025-02-28", "2025-01-01..2025-01-31", "2024-02-01..2024-02-29"},
		{"a week", func() (report.Summary, error) { return span("2025-03-03", "2025-03-09") },
			"2025-03-03..2025-03-09", "2025-02-24..2025-03-02", "2024-03-03..2024-03-09"},
		{"a leap day", func() (report.Summary, error) { return span("2024-02-29", "2024-02-29") },
			"2024-02-29..2024-02-29", "2024-02-28..2024-02-28", "2023-02-28..2023-02-28"},
	} {
		t.Run(test.name, func(t *testing.T) {
			summary, err := test.read()
			if err != nil {
				t.Fatal(err)
			}
			got := []string{
				rangeText(summary.Dates), rangeText(summary.Previous.Dates), rangeText(summary.YearAgo.Dates),
			}
			if want := []string{test.this, test.previous, test.yearAgo}; !slices.Equal(got, want) {
				t.Errorf("periods = %q, want %q", got, want)
			}
		})
	}
}

func TestYearly_DefaultYear(t *testing.T) {
	st := newLedger(t, nil)
	for _, test := range []struct {
		now        string
		year       int
		start      time.Month
		first      string
		wantYear   int
		outOfRange bool
	}{
		{"2025-05-20", 0, 0, "2025-01", 2025, false},
		{"2025-05-20", 0, time.April, "2025-04", 2025, false},
		{"2025-01-01", 0, time.January, "2025-01", 2025, false},
		{"2025-12-31", 0, time.January, "2025-01", 2025, false},
		{"2025-04-01", 0, time.April, "2025-04", 2025, false},
		{"2025-03-31", 0, time.April, "2024-04", 2024, false},
		{"2025-05-20", 2018, time.December, "2018-12", 2018, false},
		{"2025-05-20", 1900, 0, "1900-01", 1900, false},
		{"2025-05-20", 1899, 0, "", 0, true},
		{"2025-05-20", 9999, time.February, "", 0, true},
		{"2025-05-20", -4, 0, "", 0, true},
	} {
		now := expense.MustDate(test.now).StartIn(time.UTC).Add(12 * time.Hour)
		got, err := report.Yearly(t.Context(), st.Reader(owner), now, test.year, test.start)
		if test.outOfRange {
			if fieldErrs := expense.InvalidErrors(err); len(fieldErrs) != 1 || fieldErrs[0].Field != "year" {
				t.Errorf("%+v: %v, want a field error of year", test, err)
			}
			continue
		}
		if err != nil || got.Year != test.wantYear || got.Dates.From.Month().String() != test.first ||
			len(got.ByMonth) != 12 {
			t.Errorf("%+v: year %d from %s, %d months, %v", test, got.Year, got.Dates.From, len(got.ByMonth), err)
		}
	}
}

func TestYearly_UsesFiscalYearOfLedger(t *testing.T) {
	ctx, st, start := t.Context(), memstore.New(), 4
	ledgertest.Create(t, st, owner, env.Now, expense.SettingsDraft{FiscalYearStart: &start})
	got, err := report.Yearly(ctx, st.Reader(owner), env.Now, 2024, 0)
	if err != nil || rangeText(got.Dates) != "2024-04-01..2025-03-31" {
		t.Errorf("dates of the year = %s, %v", rangeText(got.Dates), err)
	}
}

func TestSummary_DailyAverageCountsDaysSoFar(t *testing.T) {
	st := newLedger(t, nil,
		expense.Draft{Amount: "100", Date: "2025-05-01"}, expense.Draft{Amount: "31", Date: "2025-03-05"},
		expense.Draft{Amount: "30", Date: "2025-06-05"}, expense.Draft{Amount: "-0.30", Date: "2024-02-05"},
		expense.Draft{Amount: "700", Date: "2025-05-21"}, expense.Draft{Amount: "7.50", Currency: "KWD", Date: "2025-05-31"})
	for month, want := range map[string]string{
		"2025-05": "5.00, 700.00 ahead of 2, complete: false", // averages the first 20 days and excludes expenses dated later
		"2025-03": "1.00, 0.00 ahead of 0, complete: true", "2025-06": "0.00, 30.00 ahead of 1, complete: true",
		"2025-04": "0.00, 0.00 ahead of 0, complete: true", "2024-02": "-0.01, 0.00 ahead of 0, complete: true",
	} {
		m := monthly(t, st, month)
		got := fmt.Sprintf("%s, %s ahead of %d, complete: %t", m.DailyAverage.Amount(), m.AfterToday.Home.Amount(),
			m.AfterToday.Count, m.AfterToday.Complete())
		if got != want {
			t.Errorf("%s: %s, want %s", month, got, want)
		}
	}
	ranged, err := report.Range(t.Context(), st.Reader(owner), env.Now, dates("2025-05-11", "2025-05-20"))
	if err != nil || ranged.DailyAverage.Amount() != "0.00" || ranged.AfterToday.Count != 0 {
		t.Errorf("Range that ends today: %+v, %v", ranged, err)
	}
}

func TestYearly_RejectsYearsOutsideCalendar(t *testing.T) {
	st := newLedger(t, nil)
	for _, test := range []struct {
		year  int
		start time.Month
		last  string // last valid year that the error names; empty if no error is expected
	}{
		{1899, 0, "9999"}, {1900, 0, ""}, {9999, time.January, ""}, {9999, time.April, "9998"}, {9998, time.April, ""},
		{10000, time.January, "9999"},
	} {
		yearly, err := report.Yearly(t.Context(), st.Reader(owner), env.Now, test.year, test.start)
		fieldErrs := expense.InvalidErrors(err)
		if test.last == "" && (err != nil || len(yearly.ByMonth) != 12) || test.last != "" &&
			(len(fieldErrs) != 1 || !strings.HasSuffix(fieldErrs[0].Detail, " to "+test.last)) {
			t.Errorf("Yearly(%d) from %s: %v", test.year, test.start, err)
		}
	}
}

// Titles use the digits and the date order of the ledger's locale.
func TestSummary_TitleInLedgerLocale(t *testing.T) {
	in := func(locale string) expense.Settings { return expense.Settings{Locale: locale} }
	for _, test := range []struct{ locale, year, fiscal, trend string }{
		{"en-US", "2026", "April 2026 – March 2027", "Food, Jan 2, 2026 – Mar 31, 2026"},
		{"de-DE", "2026", "April 2026 – März 2027", "Food, 2. Jan. 2026 – 31. März 2026"},
		{"ja", "2026年", "2026年4月 – 2027年3月", "Food, 2026年1月2日 – 2026年3月31日"},
		{"sv", "2026", "april 2026 – mars 2027", "Food, 2 jan. 2026 – 31 mars 2026"},
		{"hi-IN", "2026", "अप्रैल 2026 – मार्च 2027",
			"Food, 2 जन॰ 2026 – 31 मार्च 2026"},
	} {
		format, settings := locale.NewFormatter(test.locale), in(test.locale)
		calendar := report.YearlyReport{Summary: report.Summary{Settings: settings, Dates: dates("2026-01-01", "2026-12-31")}}
		fiscal := report.YearlyReport{Summary: report.Summary{Settings: settings, Dates: dates("2026-04-01", "2027-03-31")}}
		trend := report.TrendReport{Settings: settings, Dates: dates("2026-01-02", "2026-03-31"),
			Category: &expense.Category{Name: "Food"}}
		if got := calendar.Title(format); got != test.year {
			t.Errorf("%s: title of the year = %q, want %q", test.locale, got, test.year)
		}
		if got := fiscal.Title(format); got != test.fiscal {
			t.Errorf("%s: title of the fiscal year = %q, want %q", test.locale, got, test.fiscal)
		}
		if got := trend.Title(format); got != test.trend {
			t.Errorf("%s: title of the trend = %q, want %q", test.locale, got, test.trend)
		}
	}
}

func TestRange_LimitIsSumOfMonths(t *testing.T) {
	st := newLedger(t, []budget.Draft{{CategoryID: "Food", Amount: "100", FromMonth: "2024-11", UntilMonth: "2025-02"}},
		expense.Draft{Amount: "5", Category: "Food", Date: "2025-01-05"})
	limit := func(from, to string) string {
		got, err := report.Range(t.Context(), st.Reader(owner), env.Now, dates(from, to))
		if err != nil || len(got.ByCategory) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.ByCategory[0].Limit.Amount()
	}
	for _, test := range []struct{ from, to, want string }{
		{"2025-01-01", "2025-01-31", "100.00"}, {"2025-01-01", "2025-12-31", "200.00"},
		{"2024-01-01", "2025-12-31", "400.00"},
		{"2025-01-02", "2025-01-31", "0"}, {"2025-01-01", "2025-02-27", "0"},
	} {
		if got := limit(test.from, test.to); got != test.want {
			t.Errorf("limit from %s to %s = %s, want %s", test.from, test.to, got, test.want)
		}
	}
}

func TestRangeAndTrend_RejectInvalidQueries(t *testing.T) {
	r := newLedger(t, nil).Reader(owner)
	unknown := uuid.UUID{1}
	for _, test := range []struct {
		name  string
		query report.TrendQuery
		want  []string
	}{
		{"no days", report.TrendQuery{Granularity: expense.ByDay}, []string{"date_from required", "date_to required"}},
		{"backwards", report.TrendQuery{Dates: dates("2025-02-01", "2025-01-31"), Granularity: expense.ByDay},
			[]string{"date_to ends_before_start"}},
		{"more than a hundred years",
			report.TrendQuery{Dates: dates("1925-01-01", "2025-01-01"), Granularity: expense.ByMonth},
			[]string{"date_to range_too_long"}},
		{"before 1900", report.TrendQuery{Dates: dates("1899-12-31", "1900-01-01"), Granularity: expense.ByMonth},
			[]string{"date_from out_of_range"}},
		{"no step", report.TrendQuery{Dates: dates("2025-01-01", "2025-01-01")}, []string{"by unknown_value"}},
		{"all at once", report.TrendQuery{Dates: dates("2025-01-02", "2025-01-01"), Granularity: 77, Category: unknown},
			[]string{"date_to ends_before_start", "by unknown_value", "category_id unknown_category"}},
	} {
		_, err := report.Trend(t.Context(), r, test.query)
		var got []string
		for _, fieldError := range expense.InvalidErrors(err) {
			got = append(got, fieldError.Field+" "+fieldError.Code)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: field errors = %q, want %q", test.name, got, test.want)
		}
	}
	if _, err := report.Trend(t.Context(), r,
		report.TrendQuery{Dates: dates("1925-01-01", "2024-12-31"), Granularity: expense.ByMonth}); err != nil {
		t.Errorf("Range of a hundred years: %v", err)
	}
	_, err := report.Range(t.Context(), r, env.Now, dates("2025-02-01", "2025-01-31"))
	if fieldErrs := expense.InvalidErrors(err); len(fieldErrs) != 1 || fieldErrs[0].Field != "date_to" {
		t.Errorf("Range that ends before its start: %v", err)
	}
}

func TestTrend_HasNoGaps(t *testing.T) {
	st := newLedger(t, nil, expense.Draft{Amount: "5", Date: "2025-01-01"},
		expense.Draft{Amount: "7", Date: "2025-01-05", Category: "Food"},
		expense.Draft{Amount: "1", Date: "2025-01-31"}, expense.Draft{Amount: "100",
			Date: "2024-12-31"}, expense.Draft{Amount: "100", Date: "2025-02-03"})
	for _, test := range []struct {
		by   expense.Granularity
		want string
	}{
		// 1 January 2025 is a Wednesday.
		{expense.ByWeek, "2025-01-01..2025-01-05 12.00, 2025-01-06..2025-01-12 0.00, 2025-01-13..2025-01-19 0.00, " +
			"2025-01-20..2025-01-26 0.00, 2025-01-27..2025-02-02 1.00"},
		{expense.ByMonth, "2025-01-01..2025-01-31 13.00, 2025-02-01..2025-02-02 0.00"},
	} {
		got, err := report.Trend(t.Context(), st.Reader(owner),
			report.TrendQuery{Dates: dates("2025-01-01", "2025-02-02"), Granularity: test.by})
		if err != nil {
			t.Fatal(err)
		}
		var points []string
		for _, point := range got.Points {
			points = append(points, rangeText(point.Dates)+" "+point.Sum.Home.Amount())
		}
		if text := strings.Join(points, ", "); text != test.want {
			t.Errorf("points = %s, want %s", text, test.want)
		}
	}
}

// Every amount of a yearly report, a range report and a trend equals the sum of the expenses that the same filter
// lists. The data include refunds, pending expenses, and currencies with zero, two, three and four decimals.
func TestReports_EveryAmountEqualsSumOfExpenses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := expense.MustDate("2024-01-01")
		var drafts []expense.Draft
		for range rapid.IntRange(0, 25).Draw(t, "expenses") {
			code := rapid.SampledFrom([]string{"EUR", "USD", "JPY", "CLF", "KWD"}).Draw(t, "currency")
			minor := rapid.Int64Range(-1_000_000, 5_000_000).Filter(func(n int64) bool { return n != 0 }).Draw(t, "minor")
			amount, err := expense.MoneyFromMinor(minor, expense.MustCurrency(code))
			if err != nil {
				t.Fatalf("add expenses: %v", err)
			}
			drafts = append(drafts, expense.Draft{
				Amount: amount.Amount(), Currency: code,
				Category: rapid.SampledFrom([]string{"Food", "Travel", "Health"}).Draw(t, "category"),
				Date:     first.AddDays(rapid.IntRange(0, 800).Draw(t, "day")).String(),
			})
		}
		st := newLedger(t, nil, drafts...)
		ctx, r := context.Background(), st.Reader(owner)
		in := func(d expense.Range) expense.Filter { return expense.Filter{Dates: d} }
		summary := func(s report.Summary) {
			listed(t, st, in(s.Dates)).equals(t, "the total", s.Sum)
			today, ahead := expense.DateOf(env.Now, time.UTC), s.Dates
			if !today.Before(ahead.From) {
				ahead.From = today.AddDays(1)
			}
			if ahead.From.After(ahead.To) {
				list{}.equals(t, "the days after today in a past period", s.AfterToday)
			} else {
				listed(t, st, in(ahead)).equals(t, "the days after today", s.AfterToday)
			}
			listed(t, st, in(s.Previous.Dates)).equals(t, "the previous period", s.Previous.Sum)
			listed(t, st, in(s.YearAgo.Dates)).equals(t, "the period a year ago", s.YearAgo.Sum)
			shares, positive := 0, false
			for _, c := range s.ByCategory {
				filter := in(s.Dates)
				filter.Categories = []uuid.UUID{c.ID}
				listed(t, st, filter).equals(t, c.Name, c.Sum)
				shares, positive = shares+c.Share.BasisPoints(), positive || c.Sum.Home.Sign() > 0
			}
			if positive && shares != 100_00 {
				t.Fatalf("the shares add up to %d basis points", shares)
			}
			for _, c := range s.ByCurrency {
				filter := in(s.Dates)
				filter.Currency = c.Paid.Currency()
				listed(t, st, filter).equals(t, c.Paid.String(), c.Sum)
			}
		}
		yearly, err := report.Yearly(ctx, r, env.Now, 2025, time.Month(rapid.IntRange(1, 12).Draw(t, "start")))
		if err != nil {
			t.Fatalf("Yearly: %v", err)
		}
		summary(yearly.Summary)
		for _, month := range yearly.ByMonth {
			listed(t, st, in(month.Month.Range())).equals(t, month.Month.String(), month.Sum)
		}
		from := first.AddDays(rapid.IntRange(0, 500).Draw(t, "from"))
		span := expense.Range{From: from, To: from.AddDays(rapid.IntRange(0, 400).Draw(t, "days"))}
		ranged, err := report.Range(ctx, r, env.Now, span)
		if err != nil {
			t.Fatalf("Range: %v", err)
		}
		summary(ranged.Summary)
		query := report.TrendQuery{Dates: span,
			Granularity: rapid.SampledFrom([]expense.Granularity{expense.ByDay, expense.ByWeek, expense.ByMonth}).Draw(t, "by")}
		filter := in(span)
		if rapid.Bool().Draw(t, "of one category") {
			food, err := r.CategoryByName(ctx, "Food")
			if err != nil {
				t.Fatalf("read the categories: %v", err)
			}
			query.Category, filter.Categories = food.ID, []uuid.UUID{food.ID}
		}
		trend, err := report.Trend(ctx, r, query)
		if err != nil {
			t.Fatalf("Trend: %v", err)
		}
		listed(t, st, filter).equals(t, "the trend", trend.Sum)
		next := span.From
		for _, point := range trend.Points {
			if point.Dates.From != next || point.Dates.To.Before(next) {
				t.Fatalf("the point at %s has the dates %+v", next, point.Dates)
			}
			next = point.Dates.To.AddDays(1)
			filter.Dates = point.Dates
			listed(t, st, filter).equals(t, "a point", point.Sum)
		}
		if next != span.To.AddDays(1) {
			t.Fatalf("the trend ends before %s, want an end at %s", next, span.To)
		}
		top, err := report.LargestExpenses(ctx, r, span, 3)
		if err != nil {
			t.Fatalf("LargestExpenses: %v", err)
		}
		for i, e := range top {
			if e.Home.Sign() <= 0 || !span.Contains(e.Date) || i > 0 && e.Home.Minor() > top[i-1].Home.Minor() {
				t.Fatalf("largest expenses = %+v", top)
			}
		}
	})
}

// Totals equal the sums of the expenses. The test applies a random sequence of additions, changes, merges, conversions,
// new home currencies and deletions, and compares the yearly report with the listed expenses.
func TestReports_EqualExpensesAfterRandomChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx, st := context.Background(), newLedger(t,
			[]budget.Draft{{CategoryID: "Food", Amount: "100", FromMonth: "2025-01"}, {Amount: "500", FromMonth: "2025-01"}})
		var ids []uuid.UUID
		now := env
		pick := func() uuid.UUID { return rapid.SampledFrom(ids).Draw(t, "which") }
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			err := st.Update(ctx, owner, func(tx store.Tx) error {
				switch step := rapid.IntRange(0, 7).Draw(t, "step"); {
				case step <= 2 || len(ids) == 0:
					added, err := expense.Add(ctx, tx, now, expense.Draft{
						Amount:   rapid.SampledFrom([]string{"12", "-3", "100", "999"}).Draw(t, "amount"),
						Currency: rapid.SampledFrom([]string{"EUR", "USD", "JPY", "KWD"}).Draw(t, "currency"),
						Date:     expense.MustDate("2024-12-01").AddDays(rapid.IntRange(0, 180).Draw(t, "day")).String(),
					})
					ids = append(ids, added.Expense.ID)
					return err
				case step == 3:
					date := expense.MustDate("2024-12-01").AddDays(rapid.IntRange(0, 180).Draw(t, "day")).String()
					_, err := expense.Change(ctx, tx, now, pick(), expense.Patch{Date: &date}, expense.Precondition{})
					if errors.Is(err, expense.ErrGone) {
						return nil
					}
					return err
				case step == 4:
					return expense.Delete(ctx, tx, pick(), expense.Precondition{})
				case step == 5:
					categories, err := tx.Categories(ctx)
					if err != nil || len(categories) < 3 {
						return err
					}
					settings, err := tx.Settings(ctx)
					if err != nil || categories[0].ID == settings.DefaultCategory || categories[1].ID == settings.DefaultCategory {
						return err
					}
					_, err = expense.MergeCategories(ctx, tx, now, categories[0].ID, categories[1].ID)
					return err
				case step == 6:
					home := rapid.SampledFrom([]string{"EUR", "USD", "JPY", "KWD"}).Draw(t, "home")
					_, err := budget.ChangeSettingsAndLimits(ctx, tx, now, expense.SettingsDraft{HomeCurrency: &home}, "1",
						expense.Precondition{})
					return err
				default:
					now.Rates = rates{"USDEUR": "0.95", "JPYEUR": "0.00612", "CLFEUR": "36.1234", "KWDEUR": "3"}
					_, err := expense.ConvertPending(ctx, tx, now)
					return err
				}
			})
			if err != nil {
				t.Fatalf("update: %v", err)
			}
			if _, err := jobs.RaiseAlerts(ctx, st, owner, now.Now); err != nil {
				t.Fatalf("raise alerts: %v", err)
			}
			yearly, err := report.Yearly(ctx, st.Reader(owner), now.Now, 2025, 0)
			if err != nil {
				t.Fatalf("Yearly: %v", err)
			}
			listed(t, st, expense.Filter{Dates: yearly.Dates}).equals(t, "the year", yearly.Sum)
			for _, c := range yearly.ByCategory {
				listed(t, st, expense.Filter{Dates: yearly.Dates, Categories: []uuid.UUID{c.ID}}).equals(t, c.Name, c.Sum)
			}
			months, err := budget.History(ctx, st.Reader(owner), now.Now, expense.MustMonth("2025-01"),
				expense.MustMonth("2025-05"))
			if err != nil {
				t.Fatalf("History: %v", err)
			}
			ranged, err := report.Range(ctx, st.Reader(owner), now.Now, dates("2024-12-15", "2025-05-15"))
			if err != nil {
				t.Fatalf("Range: %v", err)
			}
			listed(t, st, expense.Filter{Dates: ranged.Dates}).equals(t, "the range", ranged.Sum)
			trend, err := report.Trend(ctx, st.Reader(owner),
				report.TrendQuery{Dates: ranged.Dates, Granularity: expense.ByWeek})
			if err != nil {
				t.Fatalf("Trend: %v", err)
			}
			for _, point := range trend.Points {
				listed(t, st, expense.Filter{Dates: point.Dates}).equals(t, "a week", point.Sum)
			}
			for _, month := range months {
				for _, p := range month.All() {
					if home := month.Total.Spent.Home.Currency(); p.Limit.Currency() != home || p.Carried.Currency() != home ||
						p.Remaining.Currency() != home {
						t.Fatalf("with the home currency %s the budget is %+v", home, p)
					}
				}
				listed(t, st, expense.Filter{Dates: month.Month.Range()}).equals(t, "the whole ledger's budget", month.Total.Spent)
				for _, p := range month.ByCategory {
					listed(t, st, expense.Filter{Dates: month.Month.Range(), Categories: []uuid.UUID{p.CategoryID}}).equals(t, p.Text,
						p.Spent)
				}
			}
		}
	})
}
