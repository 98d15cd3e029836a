package export_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

// chartDay is the current date in the chart tests.
var chartDay = time.Date(2026, time.March, 20, 12, 0, 0, 0, time.UTC)

// chartLedger returns a ledger with refunds, an expense without a rate, budgets, and a category whose name must be
// escaped in XML.
func chartLedger(t testing.TB, locale string) store.Reader {
	t.Helper()
	ctx, st := context.Background(), memstore.New()
	settings := ledgertest.Create(t, st, "ada", chartDay, expense.SettingsDraft{Locale: &locale}).Settings
	env := expense.Env{Now: chartDay}
	err := st.Update(ctx, "ada", func(tx store.Tx) error {
		odd, err := expense.AddCategory(ctx, tx, env, expense.CategoryDraft{Name: `<b>"Cats" & dogs</b>`})
		if err != nil {
			return err
		}
		var drafts []expense.TypedDraft
		for i, name := range []string{"Food", "Transport", "Housing", "Utilities", "Health", "Entertainment", "Shopping",
			"Travel"} {
			for month := range 15 {
				date := expense.MustMonth("2025-01").Add(month).First().AddDays(i * 3)
				drafts = append(drafts, expense.Draft{Amount: fmt.Sprintf("%d.%02d", 3+(i*i*37+month*53)%400, i), Category: name,
					Date: date.String()}.Parse(settings.Home))
			}
		}
		drafts = append(drafts,
			expense.Draft{Amount: "3.250", Currency: "KWD", Category: "Travel", Date: "2026-03-05"}.Parse(settings.Home),
			expense.Draft{Amount: "-500", Category: "Health", Date: "2026-03-05"}.Parse(settings.Home),
			expense.Draft{Amount: "77.77", CategoryID: odd.Category.ID.String(), Date: "2026-03-05"}.Parse(settings.Home))
		if _, err := expense.AddAll(ctx, tx, env, drafts...); err != nil {
			return err
		}
		for _, name := range []string{"Food", "Housing", ""} {
			draft := budget.Draft{Amount: "250", FromMonth: "2025-01"}
			if name != "" {
				category, err := tx.CategoryByName(ctx, name)
				if err != nil {
					return err
				}
				draft.CategoryID = category.ID.String()
			}
			if _, err := budget.Add(ctx, tx, env, draft); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return st.Reader("ada")
}

// texts returns the texts of an SVG image. It fails the test if the image is not well-formed, contains scripts, or
// loads resources.
func texts(t *testing.T, picture []byte) string {
	t.Helper()
	var all strings.Builder
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatalf("the SVG image is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			for _, attr := range token.Attr {
				if name := strings.ToLower(attr.Name.Local); strings.HasPrefix(name, "on") || name == "href" {
					t.Errorf("SVG element %s has the attribute %s", token.Name.Local, name)
				}
			}
			if name := token.Name.Local; name == "script" || name == "image" || name == "b" {
				t.Errorf("the SVG image contains the element %s", name)
			}
		case xml.CharData:
			all.Write(token)
			all.WriteByte('\n')
		}
	}
}

// Each amount of a report is part of its chart as text. A reader does not depend on colours, and screen readers can
// read it.
func TestCharts_ShowAmountsOfReports(t *testing.T) {
	ctx := t.Context()
	for _, tag := range []string{"en-US", "de-DE", "ja", "ar-EG"} {
		r, format := chartLedger(t, tag), locale.NewFormatter(tag)
		monthly, err := report.Monthly(ctx, r, chartDay, expense.MustMonth("2026-03"))
		if err != nil {
			t.Fatal(err)
		}
		progress, err := budget.ReadMonth(ctx, r, chartDay, monthly.Month)
		if err != nil {
			t.Fatal(err)
		}
		yearly, err := report.Yearly(ctx, r, chartDay, 2025, 0)
		if err != nil {
			t.Fatal(err)
		}
		ranged, err := report.Range(ctx, r, chartDay,
			expense.Range{From: expense.MustDate("2025-01-02"), To: expense.MustDate("2025-06-05")})
		if err != nil {
			t.Fatal(err)
		}
		trend, err := report.Trend(ctx, r, report.TrendQuery{Dates: yearly.Dates, Granularity: expense.ByMonth})
		if err != nil {
			t.Fatal(err)
		}
		summary := func(s report.Summary) []string {
			want := []string{format.Money(s.Sum.Home)}
			for _, c := range s.ByCategory {
				want = append(want, c.Name, format.Money(c.Sum.Home))
				if tag == "en-US" && !c.Share.IsZero() {
					want = append(want, c.Share.String()+"%")
				}
			}
			for _, waits := range s.Sum.Pending {
				want = append(want, format.Money(waits))
			}
			return want
		}
		months := []string{format.Money(yearly.Sum.Home)}
		for _, month := range yearly.ByMonth {
			months = append(months, format.MonthShort(month.Month), format.Money(month.Sum.Home))
		}
		budgets := []string{format.Month(monthly.Month)}
		for _, p := range progress.All() {
			budgets = append(budgets, p.Text)
		}
		for _, chart := range []struct {
			name string
			draw func(io.Writer, export.ChartTheme) error
			want []string
		}{
			{"monthly", func(w io.Writer, theme export.ChartTheme) error {
				return export.MonthlyChart(w, monthly, progress.All(), theme)
			}, append(summary(monthly.Summary), budgets...)},
			{"yearly", func(w io.Writer, theme export.ChartTheme) error { return export.YearlyChart(w, yearly, theme) },
				append(summary(yearly.Summary), months...)},
			{"range", func(w io.Writer, theme export.ChartTheme) error { return export.RangeChart(w, ranged, theme) },
				summary(ranged.Summary)},
			{"trend", func(w io.Writer, theme export.ChartTheme) error { return export.TrendChart(w, trend, theme) }, months},
		} {
			for _, theme := range []export.ChartTheme{export.AutoTheme, export.LightTheme, export.DarkTheme} {
				var picture bytes.Buffer
				if err := chart.draw(&picture, theme); err != nil {
					t.Fatalf("%s in %s: %v", chart.name, tag, err)
				}
				got := texts(t, picture.Bytes())
				for _, want := range chart.want {
					if !strings.Contains(got, want) {
						t.Errorf("%s in %s does not show %q", chart.name, tag, want)
					}
				}
				if adapts := strings.Contains(picture.String(), "prefers-color-scheme"); adapts != (theme == export.AutoTheme) {
					t.Errorf("%s in theme %d: contains a colour scheme query = %t", chart.name, theme, adapts)
				}
			}
		}
	}
}

// textSpan is a text of an SVG image with its position and its approximate width.
type textSpan struct {
	text     string
	from, to float64
	y        string
}

// textSpans returns the texts of an SVG image. It assumes that ideographs are as wide as the font size, and that other
// characters are at least half as wide.
func textSpans(t *testing.T, picture []byte) []textSpan {
	t.Helper()
	var all []textSpan
	for _, m := range regexp.MustCompile(`<text x="(\d+)" y="(\d+)"(?: text-anchor="(\w+)")? `+
		`style="[^"]*font-size:([\d.]+)px[^"]*">([^<]*)<`).FindAllSubmatch(picture, -1) {
		x, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		size, err := strconv.ParseFloat(string(m[4]), 64)
		if err != nil {
			t.Fatal(err)
		}
		width := 0.0
		for _, r := range string(m[5]) {
			if width += size / 2; unicode.Is(unicode.Han, r) {
				width += size / 2
			}
		}
		l := textSpan{text: html.UnescapeString(string(m[5])), from: x, to: x + width, y: string(m[2])}
		if string(m[3]) == "end" {
			l.from, l.to = x-width, x
		}
		all = append(all, l)
	}
	return all
}

func TestCharts_NamesDoNotOverlapAmounts(t *testing.T) {
	home := expense.MustCurrency("KRW")
	amount := expense.MustMoney("9999999999999", "KRW")
	month := expense.MustMonth("2026-03")
	for name, names := range map[string][]string{
		"ideographs": {strings.Repeat("漢", 60), "食費", strings.Repeat("字", 13)},
		"Latin":      {strings.Repeat("W", 60), "i"},
		"Cyrillic":   {strings.Repeat("Щ", 60)}, "emoji": {strings.Repeat("👩‍👧", 20)},
		"many": slices.Repeat([]string{strings.Repeat("漢字 ", 20)}, 90),
	} {
		monthly := report.MonthlyReport{Month: month,
			Summary: report.Summary{Settings: expense.Settings{Locale: "ko"}, Dates: month.Range(), Sum: expense.NewSum(home)}}
		var progress []budget.Progress
		shares := report.Shares(slices.Repeat([]int64{1}, len(names)))
		for i, n := range names {
			sum := expense.NewSum(home)
			sum.Home = amount
			monthly.ByCategory = append(monthly.ByCategory,
				report.CategorySpending{ID: uuid.New(), Name: n, Sum: sum, Share: shares[i]})
			progress = append(progress,
				budget.Progress{CategoryName: n, Limit: amount, Spent: sum,
					Text: n + ": ₩9,999,999,999,999 중 ₩9,999,999,999,999 사용"})
		}
		var picture bytes.Buffer
		if err := export.MonthlyChart(&picture, monthly, progress, export.LightTheme); err != nil {
			t.Fatal(err)
		}
		all := textSpans(t, picture.Bytes())
		if len(all) < 3*len(names[:min(len(names), 60)]) {
			t.Fatalf("%s: found only %d texts", name, len(all))
		}
		for i, a := range all {
			if a.from < 0 || a.to > 840 {
				t.Errorf("%s: %q exceeds the width of the image", name, a.text)
			}
			for _, b := range all[i+1:] {
				if a.y == b.y && a.from < b.to && b.from < a.to {
					t.Errorf("%s: %q overlaps %q", name, a.text, b.text)
				}
			}
			if strings.HasPrefix(a.text, "중") || strings.Contains(a.text, "…:") &&
				!strings.HasSuffix(strings.TrimSuffix(a.text, " +"), "사용") {
				t.Errorf("%s: %q lacks its amounts", name, a.text)
			}
		}
	}
}

// Names with bidirectional control characters do not reorder amounts. Data from older versions may contain such names.
func TestCharts_RemoveBidiControlsFromNames(t *testing.T) {
	month := expense.MustMonth("2026-03")
	sum := expense.NewSum(expense.MustCurrency("EUR"))
	monthly := report.MonthlyReport{Month: month, Summary: report.Summary{
		Settings: expense.Settings{Locale: "de"}, Dates: month.Range(), Sum: sum,
		ByCategory: []report.CategorySpending{{ID: uuid.New(), Name: "Food\u202e \u2066", Sum: sum},
			{ID: uuid.New(), Name: "טיולים\u202e", Sum: sum}},
	}}
	trend := report.TrendReport{Settings: monthly.Settings, Dates: month.Range(), Granularity: expense.ByMonth,
		Category: &expense.Category{Name: "\u202eFood"}, Sum: sum}
	var pictures bytes.Buffer
	if err := errors.Join(export.MonthlyChart(&pictures, monthly, nil, export.AutoTheme),
		export.TrendChart(&pictures, trend, export.AutoTheme)); err != nil {
		t.Fatal(err)
	}
	for _, r := range "\u202e\u2066\u202d\u200f" {
		if strings.ContainsRune(pictures.String(), r) {
			t.Errorf("the images contain %U", r)
		}
	}
}

// A line with many points is drawn with fewer points. They include each peak and each trough.
func TestTrendChart_KeepsPeaksOfManyPoints(t *testing.T) {
	home := expense.MustCurrency("EUR")
	trend := report.TrendReport{
		Settings:    expense.Settings{Locale: "en"},
		Dates:       expense.Range{From: expense.MustDate("1927-01-01"), To: expense.MustDate("2026-12-31")},
		Granularity: expense.ByDay, Sum: expense.NewSum(home),
	}
	peaks := map[int]int64{17: 900_00, 20_000: 1000_00, 20_001: -500_00, 36_500: 800_00}
	for day := trend.Dates.From; !day.After(trend.Dates.To); day = day.AddDays(1) {
		sum := expense.NewSum(home)
		sum.Home = expense.ClampMoney(10_00+peaks[len(trend.Points)], home)
		trend.Points = append(trend.Points, report.TrendPoint{Dates: expense.Range{From: day, To: day}, Sum: sum})
	}
	var picture bytes.Buffer
	if err := export.TrendChart(&picture, trend, export.LightTheme); err != nil {
		t.Fatal(err)
	}
	longest := ""
	for _, m := range regexp.MustCompile(`<path[^>]* d="([^"]*)"`).FindAllStringSubmatch(picture.String(), -1) {
		if len(m[1]) > len(longest) {
			longest = m[1]
		}
	}
	heights := map[string]int{}
	points := regexp.MustCompile(`[ML] ?[\d.]+[ ,]([\d.]+)`).FindAllStringSubmatch(longest, -1)
	for _, point := range points {
		heights[point[1]]++
	}
	if len(points) < 600 || len(points) > 700 || len(heights) != 5 {
		t.Errorf("the line has %d points at the heights %v, want the common height and four peaks", len(points),
			heights)
	}
}

func TestCharts_OfEmptyAndLargeReports(t *testing.T) {
	ctx, r := t.Context(), chartLedger(t, "en")
	empty, err := report.Monthly(ctx, r, chartDay, expense.MustMonth("2020-01"))
	if err != nil {
		t.Fatal(err)
	}
	refunds, err := report.Trend(ctx, r, report.TrendQuery{
		Dates:       expense.Range{From: expense.MustDate("2026-03-05"), To: expense.MustDate("2026-03-05")},
		Granularity: expense.ByDay,
	})
	if err != nil {
		t.Fatal(err)
	}
	days, err := report.Trend(ctx, r, report.TrendQuery{
		Dates:       expense.Range{From: expense.MustDate("1927-01-01"), To: expense.MustDate("2026-12-31")},
		Granularity: expense.ByDay,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, draw := range map[string]func(io.Writer) error{
		"a month without expenses": func(w io.Writer) error {
			return export.MonthlyChart(w, empty, nil, export.AutoTheme)
		},
		"a day of refunds":             func(w io.Writer) error { return export.TrendChart(w, refunds, export.AutoTheme) },
		"every day of a hundred years": func(w io.Writer) error { return export.TrendChart(w, days, export.AutoTheme) },
	} {
		var picture bytes.Buffer
		if err := draw(&picture); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		texts(t, picture.Bytes())
	}
	failure := errors.New("write failed")
	if err := export.MonthlyChart(failingWriter{failure}, empty, nil, export.AutoTheme); !errors.Is(err, failure) {
		t.Errorf("chart to a failing writer: %v", err)
	}
}

type failingWriter struct{ err error }

func (c failingWriter) Write([]byte) (int, error) { return 0, c.err }

func BenchmarkCharts(b *testing.B) {
	ctx, r := context.Background(), chartLedger(b, "en-US")
	monthly, err := report.Monthly(ctx, r, chartDay, expense.MustMonth("2026-03"))
	if err != nil {
		b.Fatal(err)
	}
	progress, err := budget.ReadMonth(ctx, r, chartDay, monthly.Month)
	if err != nil {
		b.Fatal(err)
	}
	yearly, err := report.Yearly(ctx, r, chartDay, 2025, 0)
	if err != nil {
		b.Fatal(err)
	}
	days, err := report.Trend(ctx, r, report.TrendQuery{Dates: yearly.Dates, Granularity: expense.ByDay})
	if err != nil {
		b.Fatal(err)
	}
	century, err := report.Trend(ctx, r, report.TrendQuery{
		Dates:       expense.Range{From: expense.MustDate("1927-01-01"), To: expense.MustDate("2026-12-31")},
		Granularity: expense.ByDay,
	})
	if err != nil {
		b.Fatal(err)
	}
	weeks, err := report.Trend(ctx, r, report.TrendQuery{
		Dates:       expense.Range{From: expense.MustDate("2024-01-01"), To: expense.MustDate("2026-12-31")},
		Granularity: expense.ByWeek,
	})
	if err != nil {
		b.Fatal(err)
	}
	for name, draw := range map[string]func() error{
		"trend of three years by week": func() error { return export.TrendChart(io.Discard, weeks, export.AutoTheme) },
		"trend of a century by day":    func() error { return export.TrendChart(io.Discard, century, export.AutoTheme) },
		"monthly": func() error {
			return export.MonthlyChart(io.Discard, monthly, progress.All(), export.AutoTheme)
		},
		"yearly":       func() error { return export.YearlyChart(io.Discard, yearly, export.AutoTheme) },
		"trend by day": func() error { return export.TrendChart(io.Discard, days, export.AutoTheme) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := draw(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
