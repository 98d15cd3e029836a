package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

// BenchmarkReports requests each report and chart of a ledger with 1,200 expenses a year from a server.
func BenchmarkReports(b *testing.B) {
	year := time.Now().Year()
	lastYear := fmt.Sprintf("?date_from=%d-01-15&date_to=%d-11-20", year-1, year-1)
	days := fmt.Sprintf("?date_from=%d-01-01&date_to=%d-12-31&by=day", year-1, year-1)
	paths := []struct{ name, path string }{
		{"month", "/v1/reports/monthly"},
		{"month chart", "/v1/reports/monthly.svg"},
		{"year", fmt.Sprintf("/v1/reports/yearly?year=%d", year)},
		{"year chart", fmt.Sprintf("/v1/reports/yearly.svg?year=%d", year-1)},
		{"range", "/v1/reports/range" + lastYear},
		{"range chart", "/v1/reports/range.svg" + lastYear},
		{"trend by day", "/v1/reports/trend" + days},
		{"trend by day chart", "/v1/reports/trend.svg" + days},
		{"trend by month", fmt.Sprintf("/v1/reports/trend?date_from=%d-01-01&date_to=%d-12-31&by=month", year-2, year)},
		{"trend by week chart",
			fmt.Sprintf("/v1/reports/trend.svg?date_from=%d-01-01&date_to=%d-12-31&by=week", year-2, year)},
		{"progress", "/v1/budgets/progress"},
		{"history", "/v1/budgets/history"},
		{"alerts", "/v1/budgets/alerts"},
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			dir := b.TempDir()
			database := "sqlite:" + filepath.Join(dir, "ledger.db")
			if engine == "postgres" {
				database = pgtest.New(b)
			}
			s := start(b, dir, "--database", database, "--rate-limits", "off")
			c := s.register(`,"home_currency":"EUR","time_zone":"Europe/Berlin","locale":"de-DE"`)
			normalLedger(b, c)
			for _, report := range paths {
				b.Run(report.name, func(b *testing.B) {
					var latencies []time.Duration
					for b.Loop() {
						began := time.Now()
						if status, body := c.raw(http.MethodGet, report.path, ""); status != http.StatusOK {
							b.Fatalf("GET %s: %d %.200s", report.path, status, body)
						}
						latencies = append(latencies, time.Since(began))
					}
					reportPercentiles(b, latencies)
				})
			}
		})
	}
}

// normalLedger fills a ledger with 1,200 expenses in each of three years, in several currencies, and with budgets.
func normalLedger(t testing.TB, c *client) {
	t.Helper()
	now := time.Now()
	categories := []string{"Food", "Transport", "Housing", "Utilities", "Health", "Entertainment", "Shopping", "Travel",
		"Education", "Other"}
	rows := []string{"Date,Amount,Currency,Category,Note\n"}
	for i := range 3600 {
		day := time.Date(now.Year()-2, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i*365*3/3600)
		if day.After(now) {
			break
		}
		currency := []string{"EUR", "EUR", "EUR", "USD", "GBP"}[i%5]
		rows = append(rows, fmt.Sprintf("%s,%d.%02d,%s,%s,Purchase no. %d\n", day.Format(time.DateOnly), 3+i*7919%140, i%100,
			currency, categories[i*13%10], i))
	}
	const mapping = `{"sign":{"expense":"positive"}}`
	const part = "--x\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n%s\r\n"
	form := fmt.Sprintf(part, "mapping", "", mapping) +
		fmt.Sprintf(part, "file", `; filename="bank.csv"`, strings.Join(rows, "")) + "--x--\r\n"
	status, answer := c.do("POST", "/v1/imports", form, "Content-Type", "multipart/form-data; boundary=x")
	if status != http.StatusCreated || fmt.Sprint(answer["added"]) != fmt.Sprint(len(rows)-1) {
		t.Fatalf("import %d rows: %d %s", len(rows)-1, status, answer)
	}
	_, answer = c.do("GET", "/v1/categories", "")
	limits := []string{`{"amount":"7000","from_month":"2024-01"}`}
	for _, category := range answer["data"].([]any) {
		limits = append(limits, fmt.Sprintf(`{"amount":"700","from_month":"2024-01","rollover":"both","category_id":"%s"}`,
			category.(map[string]any)["id"]))
	}
	for _, limit := range limits {
		if status, answer := c.do("POST", "/v1/budgets", limit); status != http.StatusCreated {
			t.Fatalf("budget: %d %s", status, answer)
		}
	}
}
