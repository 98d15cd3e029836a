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

// The charts of a report, in millimetres, and how many pixels a millimetre has: twice as many as a screen's.
const (
	reportChartHeight = 42
	reportRingWidth   = 42
	reportKeyWidth    = 62
	reportLineWidth   = textWidth - reportRingWidth - reportKeyWidth
	pixelsPerMM       = 8
	// markWidth is that of the coloured marks in front of the key's lines.
	markWidth = 5
	// keyRows is how many categories the ring's key names at most.
	keyRows = 12
	// mostDays is up to how many days a report's line goes by day; beyond that it goes by month.
	mostDays = 62
)

// reportStep is the step of the line in a report of these days.
func reportStep(dates expense.Range) expense.Granularity {
	if dates.To.Sub(dates.From) < mostDays {
		return expense.ByDay
	}
	return expense.ByMonth
}

// A picture stands somewhere in a row.
type picture struct {
	left, width float64
	png         []byte
}

// A pictureRow is a row of pictures, with texts between them.
type pictureRow struct {
	textRow
	pictures []picture
	tall     float64
}

// GetHeight returns the row's height.
func (r *pictureRow) GetHeight(core.Provider, *entity.Cell) float64 { return r.tall }

// Render draws the pictures and the texts.
func (r *pictureRow) Render(provider core.Provider, cell *entity.Cell) {
	for _, p := range r.pictures {
		provider.AddImageFromBytes(p.png, &entity.Cell{X: cell.X + p.left, Y: cell.Y, Width: p.width, Height: r.tall}, &props.Rect{Percent: 100}, extension.Png)
	}
	r.textRow.Render(provider, cell)
}

// charts puts the categories' ring with its key, and the line of the period's days or months, on the front page.
func (l *paper) charts() error {
	r := &pictureRow{tall: reportChartHeight}
	if ring := ringPicture(l.report.Summary); ring != nil {
		drawn, err := ring()
		if err != nil {
			return fmt.Errorf("draw the ring: %w", err)
		}
		r.pictures = append(r.pictures, picture{width: reportRingWidth + markWidth, png: drawn})
		r.cells = l.key()
	}
	if points := l.report.trend.Points; len(points) > 1 && l.report.Sum.Count > 0 {
		drawn, err := linePicture(l.report.trend)
		if err != nil {
			return fmt.Errorf("draw the line: %w", err)
		}
		r.pictures = append(r.pictures, picture{left: reportRingWidth + reportKeyWidth, width: reportLineWidth, png: drawn})
	}
	if len(r.pictures) > 0 {
		l.space(2)
		l.need(r.tall)
		l.place(rowOf(r), r.tall, nil)
	}
	return nil
}

// keyStyle is that of the ring's key, whose lines stand beside the marks in the picture.
var keyStyle = textStyle{size: bodySize}

// key names the categories of the ring beside it, in the order of their slices.
func (l *paper) key() []cellText {
	const share = 14
	names := cellText{left: reportRingWidth + markWidth, width: reportKeyWidth - markWidth - share - padding, style: keyStyle}
	shares := cellText{left: reportRingWidth + reportKeyWidth - share - padding, width: share, style: keyStyle}
	shares.style.right = true
	for i, c := range sliced(l.report.Summary) {
		if i == keyRows {
			names.lines = append(names.lines, l.text.lines("…", keyStyle, names.width)...)
			break
		}
		lines := l.text.lines(c.Name, keyStyle, names.width)
		names.lines = append(names.lines, lines[:min(1, len(lines))]...)
		shares.lines = append(shares.lines, l.text.lines(l.number(c.Share.String())+" %", keyStyle, share)...)
	}
	return []cellText{names, shares}
}

// sliced returns the categories that have a slice of the ring, in its order.
func sliced(s report.Summary) []report.CategorySpending {
	var list []report.CategorySpending
	for _, c := range s.ByCategory {
		if !c.Share.IsZero() && c.Share.BasisPoints() > 0 {
			list = append(list, c)
		}
	}
	return list
}

// reportPainter returns a painter of a picture without letters but those of axes.
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

// ringPicture draws the categories' shares as a ring; nil where nothing has a share.
func ringPicture(s report.Summary) func() ([]byte, error) {
	categories := sliced(s)
	if len(categories) == 0 {
		return nil
	}
	return func() ([]byte, error) {
		painter, palette := reportPainter(reportRingWidth+markWidth, reportChartHeight)
		var slices charts.DoughnutSeriesList
		for _, c := range categories {
			slices = append(slices, charts.DoughnutSeries{
				Value: float64(c.Sum.Home.Minor()), Name: c.Name, Label: charts.SeriesLabel{Show: charts.Ptr(false)},
			})
		}
		box := charts.NewBox(0, 0, reportRingWidth*pixelsPerMM, reportChartHeight*pixelsPerMM)
		err := painter.Child(charts.PainterBoxOption(box)).DoughnutChart(charts.DoughnutChartOption{
			Theme: palette, SeriesList: slices, RadiusRing: "44%", RadiusCenter: "26%", Legend: charts.LegendOption{Show: charts.Ptr(false)},
		})
		if err != nil {
			return nil, err
		}
		pitch := cellText{style: keyStyle}.lineHeight() * pixelsPerMM
		for i := range min(len(categories), keyRows) {
			colour, left, top := palette.GetSeriesColor(i), (reportRingWidth+1)*pixelsPerMM, int((float64(i)+0.25)*pitch)
			painter.FilledRect(left, top, left+int(0.8*pitch), top+int(0.8*pitch), colour, colour, 0)
		}
		return painter.Bytes()
	}
}

// linePicture draws what was spent in each day or month of the period. Its letters are digits alone: pictures have a font of
// their own.
func linePicture(trend report.TrendReport) ([]byte, error) {
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
	const letters = 2 * 9
	text := charts.FontStyle{FontSize: letters, FontColor: charts.ColorFromHex("#57606b")}
	option := charts.NewLineChartOptionWithData([][]float64{values})
	option.Theme, option.Legend.Show, option.LineStrokeWidth = palette, charts.Ptr(false), 4
	option.XAxis = charts.XAxisOption{Labels: names, LabelFontStyle: text, LabelCount: min(6, len(names))}
	option.YAxis = []charts.YAxisOption{{
		LabelFontStyle: text, LabelCount: 5, SplitLineShow: charts.Ptr(true),
		ValueFormatter: func(value float64) string { return strconv.FormatFloat(math.Round(value*scale)/scale, 'f', -1, 64) },
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
