package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

// themeNames are the themes of a chart on the wire.
var themeNames = map[string]export.ChartTheme{"auto": export.AutoTheme, "light": export.LightTheme, "dark": export.DarkTheme}

// theme reads the theme of a chart.
func (p *params) theme() export.ChartTheme {
	text, ok := p.given("theme")
	if !ok {
		return export.AutoTheme
	}
	theme, known := themeNames[text]
	if !known {
		p.fail("theme", "unknown_value", "A theme is auto, light or dark.")
	}
	return theme
}

// chart reads the theme, and answers with the picture that draw makes: SVG, which may bring its own style and load nothing.
func (c *call) chart(read func() error, draw func(w io.Writer, theme export.ChartTheme) error) error {
	p := params{values: c.query}
	theme := p.theme()
	if err := p.err(); err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	var picture bytes.Buffer
	if err := draw(&picture, theme); err != nil {
		return err
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "image/svg+xml")
	header.Set("Content-Length", strconv.Itoa(picture.Len()))
	header.Set("Content-Security-Policy", ingress.ContentSecurityPolicy+"; style-src 'unsafe-inline'")
	c.Writer.WriteHeader(http.StatusOK)
	_, err := c.Writer.Write(picture.Bytes())
	return err
}

// monthlyChart answers GET /v1/reports/monthly.svg, the month's budgets beside its categories.
func (c *call) monthlyChart() error {
	var monthly report.MonthlyReport
	var progress budget.MonthProgress
	return c.chart(func() error {
		p := params{values: c.query}
		month := p.month("month")
		if err := p.err(); err != nil {
			return err
		}
		return c.report(&p, func(r store.Reader, now time.Time) (err error) {
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

// yearlyChart answers GET /v1/reports/yearly.svg.
func (c *call) yearlyChart() error {
	var answer yearlyAnswer
	return c.chart(func() (err error) {
		answer, err = c.readYearly(0)
		return err
	}, func(w io.Writer, theme export.ChartTheme) error {
		return export.YearlyChart(w, answer.YearlyReport, theme)
	})
}

// rangeChart answers GET /v1/reports/range.svg.
func (c *call) rangeChart() error {
	var answer rangeAnswer
	return c.chart(func() (err error) {
		answer, err = c.readRange(0)
		return err
	}, func(w io.Writer, theme export.ChartTheme) error {
		return export.RangeChart(w, answer.RangeReport, theme)
	})
}

// trendChart answers GET /v1/reports/trend.svg.
func (c *call) trendChart() error {
	var line report.TrendReport
	return c.chart(func() (err error) {
		line, err = c.readTrend()
		return err
	}, func(w io.Writer, theme export.ChartTheme) error {
		return export.TrendChart(w, line, theme)
	})
}
