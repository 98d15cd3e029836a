package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

// themeNames are the values of the parameter theme.
var themeNames = map[string]export.ChartTheme{
	"auto": export.AutoTheme, "light": export.LightTheme, "dark": export.DarkTheme,
}

// theme reads the theme of a chart. The default is auto.
func (p params) theme() export.ChartTheme {
	text, ok := p.given("theme")
	if !ok {
		return export.AutoTheme
	}
	theme, known := themeNames[text]
	if !known {
		p.fail("theme", "unknown_value", "The theme %s is unknown; give auto, light or dark.", expense.QuoteText(text))
	}
	return theme
}

// chart responds with the SVG that draw writes, after read has read its data. The SVG may contain styles but must not
// load anything.
func (c *call) chart(read func() error, draw func(w io.Writer, theme export.ChartTheme) error) error {
	p := c.params()
	theme := p.theme() // read reports its error
	if err := read(); err != nil {
		return err
	}
	var svg bytes.Buffer
	if err := draw(&svg, theme); err != nil {
		return err
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "image/svg+xml")
	header.Set("Content-Length", strconv.Itoa(svg.Len()))
	header.Set("Content-Security-Policy", ingress.ContentSecurityPolicy+"; style-src 'unsafe-inline'")
	c.Writer.WriteHeader(http.StatusOK)
	_, err := c.Writer.Write(svg.Bytes())
	return err
}

// monthlyChart handles GET /v1/reports/monthly.svg. The chart includes the budgets of the month.
func (c *call) monthlyChart() error {
	var monthly report.MonthlyReport
	var progress budget.MonthProgress
	return c.chart(func() error {
		p := c.params()
		month := p.month("month")
		return c.report(func(r store.Reader, now time.Time) (err error) {
			if monthly, err = report.Monthly(c.ctx, r, now, month); err != nil {
				return err
			}
			progress, err = budget.ReadMonth(c.ctx, r, now, monthly.Month)
			return err
		})
	}, func(w io.Writer, theme export.ChartTheme) error {
		return export.MonthlyChart(w, monthly, progress.All(), theme)
	})
}

// yearlyChart handles GET /v1/reports/yearly.svg.
func (c *call) yearlyChart() error {
	var yearly report.YearlyReport
	return c.chart(func() (err error) {
		yearly, _, err = c.readYearly(0)
		return err
	}, func(w io.Writer, theme export.ChartTheme) error {
		return export.YearlyChart(w, yearly, theme)
	})
}

// rangeChart handles GET /v1/reports/range.svg.
func (c *call) rangeChart() error {
	var ranged report.RangeReport
	return c.chart(func() (err error) {
		ranged, _, err = c.readRange(0)
		return err
	}, func(w io.Writer, theme export.ChartTheme) error {
		return export.RangeChart(w, ranged, theme)
	})
}

// trendChart handles GET /v1/reports/trend.svg.
func (c *call) trendChart() error {
	var trend report.TrendReport
	return c.chart(func() (err error) {
		trend, err = c.readTrend()
		return err
	}, func(w io.Writer, theme export.ChartTheme) error {
		return export.TrendChart(w, trend, theme)
	})
}
