package main_test

import (
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var (
	reportRate = flag.Int("report-rate", 20, "how many reports a second TestReportsAtARate asks for; 100 is what the "+
		"numbers in the README are of")
	reportTime = flag.Duration("report-time", time.Second, "for how long it asks")
	reportMost = flag.Duration("report-most", 0, "what 95 of 100 answers may take; 0: how fast they are, the machine says")
)

// TestReportsAtARate requests every report and chart of a ledger with 1,200 expenses a year at a rate per second,
// without waiting for earlier responses. It fails if a request fails. For the published numbers:
//
//	go test ./httpapi/cmd/spendwise -run ReportsAtARate -v -report-rate 100 -report-time 30s -report-most 20ms
func TestReportsAtARate(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			database := "sqlite:" + filepath.Join(dir, "ledger.db")
			if engine == "postgres" {
				database = pgtest.New(t)
			}
			s := start(t, dir, "--database", database, "--rate-limits", "off")
			clients := make([]*client, 4)
			for i := range clients {
				clients[i] = s.register(`,"home_currency":"EUR","time_zone":"Europe/Berlin","locale":"de-DE"`)
				normalLedger(t, clients[i])
			}
			year := time.Now().Year()
			paths := []string{
				"/v1/reports/monthly", "/v1/reports/monthly.svg", fmt.Sprintf("/v1/reports/yearly?year=%d", year),
				fmt.Sprintf("/v1/reports/yearly.svg?year=%d", year-1),
				fmt.Sprintf("/v1/reports/range?date_from=%d-01-15&date_to=%d-11-20", year-1, year-1),
				fmt.Sprintf("/v1/reports/range.svg?date_from=%d-01-15&date_to=%d-11-20", year-1, year-1),
				fmt.Sprintf("/v1/reports/trend?from=%d-01-01&to=%d-12-31&by=day", year-1, year-1),
				fmt.Sprintf("/v1/reports/trend.svg?from=%d-01-01&to=%d-12-31&by=day", year-1, year-1),
				fmt.Sprintf("/v1/reports/trend?from=%d-01-01&to=%d-12-31&by=month", year-2, year),
				fmt.Sprintf("/v1/reports/trend.svg?from=%d-01-01&to=%d-12-31&by=week", year-2, year),
				"/v1/budgets/progress", "/v1/budgets/history", "/v1/budgets/alerts",
			}
			var mu sync.Mutex
			took := map[string][]time.Duration{}
			var asking sync.WaitGroup
			ticks := time.NewTicker(time.Second / time.Duration(*reportRate))
			defer ticks.Stop()
			for i := range int(reportTime.Seconds() * float64(*reportRate)) {
				due := <-ticks.C
				asking.Go(func() {
					path := paths[i%len(paths)]
					status, body := clients[i%len(clients)].raw(http.MethodGet, path, "")
					latency := time.Since(due)
					mu.Lock()
					defer mu.Unlock()
					if took[path] = append(took[path], latency); status != http.StatusOK {
						t.Errorf("GET %s: %d %.200s", path, status, body)
					}
				})
			}
			asking.Wait()
			var all []time.Duration
			for _, path := range paths {
				t.Logf("%-62s %d: %s", path, len(took[path]), spread(took[path]))
				all = append(all, took[path]...)
			}
			t.Logf("%-62s %d: %s, server's CPU %s", "all", len(all), spread(all), s.cpu())
			if p95 := all[len(all)*95/100]; *reportMost > 0 && p95 > *reportMost {
				t.Errorf("95 of 100 answers took up to %s, which is more than %s", p95, *reportMost)
			}
		})
	}
}

// normalLedger fills a ledger with 1,200 expenses in each of three years, in several currencies, and with budgets.
func normalLedger(t *testing.T, c *client) {
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
	const mapping = `{"date":{"column":"Date","layout":"YYYY-MM-DD"},"amount":{"column":"Amount","decimal":"."},` +
		`"currency":{"column":"Currency"},` +
		`"category":{"column":"Category"},"notes":{"column":"Note"}}`
	const part = "--x\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n%s\r\n"
	form := fmt.Sprintf(part, "mapping", "", mapping) +
		fmt.Sprintf(part, "file", `; filename="bank.csv"`, strings.Join(rows, "")) + "--x--\r\n"
	status, answer := c.do("POST", "/v1/imports/expenses", form, "Content-Type", "multipart/form-data; boundary=x")
	if status != http.StatusOK || fmt.Sprint(answer["added"]) != fmt.Sprint(len(rows)-1) {
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
