package export

import (
	"fmt"
	"math"
	"strconv"

	"github.com/go-analyze/charts"
	"github.com/johnfercher/maroto/v2/pkg/consts/extension"
	"github.com/johnfercher/maroto/v2/pkg/core"
	"github.com/johnfercher/maroto/v2/pkg/core/entity"
	"github.com/johnfercher/maroto/v2/pkg/props"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
)

// The sizes of the charts of a report in millimetres, and their resolution.
const (
	reportChartHeight   = 42
	reportDoughnutWidth = 42
	reportLegendWidth   = 62
	reportLineWidth     = textWidth - reportDoughnutWidth - reportLegendWidth
	pixelsPerMM         = 8
	// markWidth is the width of the coloured marks before the lines of the legend.
	markWidth = 5
	// maxLegendRows is the maximum number of categories in the legend.
	maxLegendRows = 12
	// maxDailyTrend is the longest period in days for which the trend is by day. It is by month for longer periods.
	maxDailyTrend = 62
)

// reportGranularity returns the granularity of the trend in a report.
func reportGranularity(dates expense.Range) expense.Granularity {
	if dates.To.Sub(dates.From) < maxDailyTrend {
		return expense.ByDay
	}
	return expense.ByMonth
}

// image is a PNG image in a row.
type image struct {
	left, width float64 // in millimetres
	png         []byte
}

// imageRow is a row of images and texts.
type imageRow struct {
	textRow
	images      []image
	imageHeight float64 // in millimetres
}

// GetHeight implements [core.Component].
func (r *imageRow) GetHeight(core.Provider, *entity.Cell) float64 { return r.imageHeight }

// Render implements [core.Component].
func (r *imageRow) Render(provider core.Provider, cell *entity.Cell) {
	for _, p := range r.images {
		at := &entity.Cell{X: cell.X + p.left, Y: cell.Y, Width: p.width, Height: r.imageHeight}
		provider.AddImageFromBytes(p.png, at, &props.Rect{Percent: 100}, extension.Png)
	}
	r.textRow.Render(provider, cell)
}

// charts adds a doughnut chart of the categories with its legend, and the line of the trend.
func (c *composer) charts() error {
	r := &imageRow{imageHeight: reportChartHeight}
	if categories := doughnutCategories(c.report.Summary); len(categories) > 0 {
		drawn, err := doughnutImage(categories)
		if err != nil {
			return fmt.Errorf("draw the doughnut chart: %w", err)
		}
		r.images = append(r.images, image{width: reportDoughnutWidth + markWidth, png: drawn})
		r.cells = c.legend(categories)
	}
	if points := c.report.trend.Points; len(points) > 1 && c.report.Sum.Count > 0 {
		drawn, err := lineImage(c.report.trend)
		if err != nil {
			return fmt.Errorf("draw the line: %w", err)
		}
		r.images = append(r.images, image{left: reportDoughnutWidth + reportLegendWidth, width: reportLineWidth, png: drawn})
	}
	if len(r.images) > 0 {
		c.addSpace(2)
		c.ensureHeight(r.imageHeight)
		c.appendRow(rowOf(r), r.imageHeight, nil)
	}
	return nil
}

// legendStyle is the style of the legend. Its lines are beside the marks in the image of the chart.
var legendStyle = textStyle{size: bodySize}

// legend returns the legend of the doughnut chart: the categories in the order of their slices.
func (c *composer) legend(categories []report.CategorySpending) []cellText {
	const share = 14
	names := cellText{
		left: reportDoughnutWidth + markWidth, width: reportLegendWidth - markWidth - share - padding, style: legendStyle,
	}
	shares := cellText{left: reportDoughnutWidth + reportLegendWidth - share - padding, width: share, style: legendStyle}
	shares.style.right = true
	for i, category := range categories {
		if i == maxLegendRows {
			names.lines = append(names.lines, c.text.lines("…", legendStyle, names.width)...)
			break
		}
		lines := c.text.lines(category.Name, legendStyle, names.width)
		names.lines = append(names.lines, lines[:min(1, len(lines))]...)
		shares.lines = append(shares.lines, c.text.lines(c.number(category.Share.String())+" %", legendStyle, share)...)
	}
	return []cellText{names, shares}
}

// doughnutCategories returns the categories that have a slice of the doughnut chart, in the order of the slices.
func doughnutCategories(s report.Summary) []report.CategorySpending {
	var list []report.CategorySpending
	for _, c := range s.ByCategory {
		if !c.Share.IsZero() && c.Share.BasisPoints() > 0 {
			list = append(list, c)
		}
	}
	return list
}

// reportPainter returns a painter for an image of a size in millimetres.
func reportPainter(width, height int) (*charts.Painter, charts.ColorPalette) {
	var series []charts.Color
	for _, hex := range sliceColours {
		series = append(series, charts.ColorFromHex(hex))
	}
	palette := charts.MakeTheme(charts.ThemeOption{
		AxisStrokeColor: charts.ColorFromHex("#57606b"), AxisSplitLineColor: charts.ColorFromHex("#d3dae2"),
		BackgroundColor: charts.ColorWhite, TextColor: charts.ColorFromHex("#1f2329"), SeriesColors: series,
	})
	painter := charts.NewPainter(charts.PainterOptions{
		OutputFormat: charts.ChartOutputPNG, Width: width * pixelsPerMM, Height: height * pixelsPerMM, Theme: palette,
	})
	painter.FilledRect(0, 0, width*pixelsPerMM, height*pixelsPerMM, charts.ColorWhite, charts.ColorWhite, 0)
	return painter, palette
}

// doughnutImage draws a doughnut chart of the categories as a PNG.
func doughnutImage(categories []report.CategorySpending) ([]byte, error) {
	painter, palette := reportPainter(reportDoughnutWidth+markWidth, reportChartHeight)
	var slices charts.DoughnutSeriesList
	for _, c := range categories {
		slices = append(slices, charts.DoughnutSeries{
			Value: float64(c.Sum.Home.Minor()), Name: c.Name, Label: charts.SeriesLabel{Show: charts.Ptr(false)},
		})
	}
	box := charts.NewBox(0, 0, reportDoughnutWidth*pixelsPerMM, reportChartHeight*pixelsPerMM)
	err := painter.Child(charts.PainterBoxOption(box)).DoughnutChart(charts.DoughnutChartOption{
		Theme: palette, SeriesList: slices, RadiusRing: "44%", RadiusCenter: "26%",
		Legend: charts.LegendOption{Show: charts.Ptr(false)},
	})
	if err != nil {
		return nil, err
	}
	pitch := cellText{style: legendStyle}.lineHeight() * pixelsPerMM
	for i := range min(len(categories), maxLegendRows) {
		colour, left, top := palette.GetSeriesColor(i), (reportDoughnutWidth+1)*pixelsPerMM, int((float64(i)+0.25)*pitch)
		painter.FilledRect(left, top, left+int(0.8*pitch), top+int(0.8*pitch), colour, colour, 0)
	}
	return painter.Bytes()
}

// lineImage draws the line of a trend as a PNG. The chart library uses its own fonts, so the labels have only digits.
func lineImage(trend report.TrendReport) ([]byte, error) {
	painter, palette := reportPainter(reportLineWidth, reportChartHeight)
	home := trend.Sum.Home.Currency()
	scale := math.Pow10(home.Digits())
	values, names, lowest := make([]float64, len(trend.Points)), make([]string, len(trend.Points)), 0.0
	for i, point := range trend.Points {
		values[i] = float64(point.Sum.Home.Minor()) / scale
		lowest = min(lowest, values[i])
		names[i] = point.Dates.From.String()
		if trend.Granularity == expense.ByMonth {
			names[i] = point.Dates.From.Month().String()
		}
	}
	text := charts.FontStyle{FontSize: 18, FontColor: charts.ColorFromHex("#57606b")}
	option := charts.NewLineChartOptionWithData([][]float64{values})
	option.Theme, option.Legend.Show, option.LineStrokeWidth = palette, charts.Ptr(false), 4
	option.XAxis = charts.XAxisOption{Labels: names, LabelFontStyle: text, LabelCount: min(6, len(names))}
	option.YAxis = []charts.YAxisOption{{
		LabelFontStyle: text, LabelCount: 5, SplitLineShow: charts.Ptr(true),
		ValueFormatter: func(value float64) string {
			return strconv.FormatFloat(math.Round(value*scale)/scale, 'f', -1, 64)
		},
	}}
	if lowest == 0 {
		option.YAxis[0].Min = charts.Ptr(0.0)
	}
	option.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	option.Padding = charts.NewBox(20, 20, 40, 10)
	if err := painter.LineChart(option); err != nil {
		return nil, err
	}
	return painter.Bytes()
}
