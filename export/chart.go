package export

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-analyze/charts"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
)

// A ChartTheme says on what ground a chart is looked at.
type ChartTheme uint8

// The themes.
const (
	AutoTheme ChartTheme = iota // light, or dark where the viewer prefers that and follows the style sheet in the picture
	LightTheme
	DarkTheme
)

// The measures of a chart, in pixels.
const (
	chartWidth  = 840
	chartMargin = 24
	headHeight  = 78
	ringHeight  = 300
	ringWidth   = 420
	listRow     = 22
	budgetRow   = 40
	lineHeight  = 260
	chartText   = 12
	chartSmall  = 11
	chartTitle  = 18
	// maxRows is how many categories or budgets a chart lists; the reports themselves list all.
	maxRows = 60
	// maxName is how many runes of a name fit beside its figures.
	maxName = 24
	// fewPoints is up to how many points of a line have their amounts in a list below it, in so many listColumns.
	fewPoints   = 36
	listColumns = 3
	fewLabels   = 12
	// maxLabel is how many runes of a name fit beside the ring.
	maxLabel = 13
	// labelledShare is from what share on, in hundredths of a percent, a slice has its label on the ring.
	labelledShare = 3_00
)

// inks are the colours of a theme: ground, text, second text, lines. The two rows differ in every cell, so that the picture's
// style sheet can put one in the place of the other.
var inks = [...][4]string{
	LightTheme: {"#fdfdfe", "#1f2329", "#57606b", "#d3dae2"},
	DarkTheme:  {"#14181d", "#e7ecf2", "#9aa6b3", "#39424d"},
}

// sliceColours stand out from both grounds, and each from the one before it.
var sliceColours = [...]string{
	"#3b7dd8", "#c8663d", "#2f8f63", "#9a63b8", "#a87f1a", "#1f8fa5", "#cf4f7d", "#6f8130", "#7b72d1", "#8d6f5c",
}

// MonthlyChart writes a month as an SVG picture: its categories as a ring and in figures, and how far its budgets are used up.
// progress is [budget.Report.All] of the same month, or nil. The figures are those of the report.
func MonthlyChart(w io.Writer, m report.MonthlyReport, progress []budget.Progress, theme ChartTheme) error {
	c := newCanvas(m.Settings, theme, headHeight+ringSize(m.Summary)+budgetsSize(progress)+chartMargin)
	c.head(m.Title(c.format), m.Sum)
	if err := c.ring(m.Summary, headHeight); err != nil {
		return err
	}
	c.budgets(progress, headHeight+ringSize(m.Summary))
	return c.write(w)
}

// RangeChart writes any days as an SVG picture: their categories as a ring and in figures.
func RangeChart(w io.Writer, r report.RangeReport, theme ChartTheme) error {
	c := newCanvas(r.Settings, theme, headHeight+ringSize(r.Summary)+chartMargin)
	c.head(r.Title(c.format), r.Sum)
	if err := c.ring(r.Summary, headHeight); err != nil {
		return err
	}
	return c.write(w)
}

// YearlyChart writes a year as an SVG picture: its categories as a ring and in figures, and its months as bars.
func YearlyChart(w io.Writer, y report.YearlyReport, theme ChartTheme) error {
	c := newCanvas(y.Settings, theme, headHeight+ringSize(y.Summary)+(len(y.ByMonth)+1)*listRow+chartMargin)
	c.head(y.Title(c.format), y.Sum)
	if err := c.ring(y.Summary, headHeight); err != nil {
		return err
	}
	c.months(y.ByMonth, headHeight+ringSize(y.Summary))
	return c.write(w)
}

// TrendChart writes a trend as an SVG picture: one line.
func TrendChart(w io.Writer, t report.TrendReport, theme ChartTheme) error {
	rows := 0
	if len(t.Points) <= fewPoints {
		rows = (len(t.Points) + listColumns - 1) / listColumns
	}
	c := newCanvas(t.Settings, theme, headHeight+lineHeight+rows*listRow+chartMargin)
	title := c.format.Date(t.Dates.From) + " – " + c.format.Date(t.Dates.To)
	if t.Category != nil {
		title = cut(t.Category.Name, maxName) + ", " + title
	}
	c.head(title, t.Sum)
	names, ticks, sums := make([]string, len(t.Points)), make([]string, len(t.Points)), make([]expense.Sum, len(t.Points))
	for i, point := range t.Points {
		names[i], sums[i] = c.format.Date(point.Dates.From), point.Sum
		ticks[i] = names[i]
		if t.By == expense.ByMonth {
			month := point.Dates.From.Month()
			names[i] = c.format.MonthShort(month)
			if ticks[i] = names[i]; len(t.Points) <= fewLabels {
				ticks[i] = c.format.MonthName(month)
			}
		}
	}
	if err := c.line(ticks, sums, headHeight); err != nil {
		return err
	}
	if rows > 0 {
		c.list(names, sums, rows, headHeight+lineHeight)
	}
	return c.write(w)
}

// list writes sums by their names, column by column.
func (c *canvas) list(names []string, sums []expense.Sum, rows, top int) {
	const gap = 32
	width := (chartWidth - 2*chartMargin - (listColumns-1)*gap) / listColumns
	for i, sum := range sums {
		left, y := chartMargin+i/rows*(width+gap), top+(i%rows+1)*listRow
		c.Text(names[i], left, y, 0, c.style(chartText, secondInk))
		c.right(c.format.Money(sum.Home)+mark(sum), left+width, y, textInk)
		c.describe(names[i], sum.Home)
	}
}

// A canvas is a picture in the making.
type canvas struct {
	*charts.Painter
	theme       ChartTheme
	palette     charts.ColorPalette
	ink         [4]charts.Color
	format      expense.Formatter
	percent     *message.Printer
	title       string
	description []string
}

const (
	groundInk = iota
	textInk
	secondInk
	lineInk
)

func newCanvas(settings expense.Settings, theme ChartTheme, height int) *canvas {
	c := &canvas{
		theme: theme, format: expense.NewFormatter(settings.Locale), percent: message.NewPrinter(language.Make(settings.Locale)),
	}
	// The light inks are painted; the style sheet puts the dark ones in their place.
	shown := LightTheme
	if theme == DarkTheme {
		shown = DarkTheme
	}
	for i, hex := range inks[shown] {
		c.ink[i] = charts.ColorFromHex(hex)
	}
	var series []charts.Color
	for _, hex := range sliceColours {
		series = append(series, charts.ColorFromHex(hex))
	}
	c.palette = charts.MakeTheme(charts.ThemeOption{
		IsDarkMode: shown == DarkTheme, AxisStrokeColor: c.ink[secondInk], AxisSplitLineColor: c.ink[lineInk], BackgroundColor: c.ink[groundInk],
		TextColor: c.ink[textInk], SeriesColors: series,
	})
	c.Painter = charts.NewPainter(charts.PainterOptions{
		OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: height, Theme: c.palette,
	})
	c.FilledRect(0, 0, chartWidth, height, c.ink[groundInk], c.ink[groundInk], 0)
	return c
}

// head writes what the picture is about and what it comes to, with what the total leaves out.
func (c *canvas) head(title string, sum expense.Sum) {
	c.title = title + ": " + c.format.Money(sum.Home)
	c.Text(title, chartMargin, 32, 0, c.style(chartTitle, textInk))
	total := c.format.Money(sum.Home)
	for i, waits := range sum.Pending {
		if i == 3 && len(sum.Pending) > 4 {
			total += fmt.Sprintf(" + %d more currencies", len(sum.Pending)-i)
			break
		}
		total += " + " + c.format.Money(waits)
	}
	if !sum.Complete() {
		total += " (no exchange rate yet)"
		c.title += " (incomplete)"
	}
	c.Text(total, chartMargin, 58, 0, c.style(chartText+2, secondInk))
}

// ringSize is how high the ring and the list beside it are.
func ringSize(s report.Summary) int {
	return max(ringHeight, (min(len(s.ByCategory), maxRows+1)+2)*listRow)
}

// ring draws the categories' shares as a ring, and lists all of them with name, amount and share beside it.
func (c *canvas) ring(s report.Summary, top int) error {
	var slices charts.DoughnutSeriesList
	for _, category := range s.ByCategory {
		if category.Share.IsZero() {
			continue
		}
		label := ""
		if category.Share.Hundredths() >= labelledShare {
			label = cut(category.Name, maxLabel)
		}
		slices = append(slices, charts.DoughnutSeries{
			Value: float64(category.Sum.Home.Minor()), Name: category.Name,
			Label: charts.SeriesLabel{
				Show: charts.Ptr(label != ""), FontStyle: c.style(chartSmall, textInk),
				LabelFormatter: func(int, string, float64) (string, *charts.LabelStyle) { return label, nil },
			},
		})
	}
	box := charts.NewBox(chartMargin, top, chartMargin+ringWidth, top+ringHeight)
	if len(slices) > 0 {
		err := c.Child(charts.PainterBoxOption(box)).DoughnutChart(charts.DoughnutChartOption{
			Theme: c.palette, SeriesList: slices, RadiusRing: "32%", RadiusCenter: "19%", Legend: charts.LegendOption{Show: charts.Ptr(false)},
		})
		if err != nil {
			return fmt.Errorf("draw the ring: %w", err)
		}
	} else {
		c.Circle(100, (box.Left+box.Right)/2, (box.Top+box.Bottom)/2, c.ink[groundInk], c.ink[lineInk], 2)
	}
	left, y, slice := chartMargin+ringWidth+16, top+listRow, 0
	for i, category := range s.ByCategory {
		if i == maxRows {
			c.Text(fmt.Sprintf("+ %d", len(s.ByCategory)-i), left+18, y, 0, c.style(chartText, secondInk))
			break
		}
		colour, share := c.ink[lineInk], "–"
		if !category.Share.IsZero() {
			colour, share = c.palette.GetSeriesColor(slice), c.share(category.Share)
			slice++
		}
		c.FilledRect(left, y-10, left+12, y+2, colour, colour, 0)
		c.Text(cut(category.Name, maxName), left+18, y, 0, c.style(chartText, textInk))
		c.right(c.format.Money(category.Sum.Home)+mark(category.Sum), chartWidth-chartMargin-62, y, textInk)
		c.right(share, chartWidth-chartMargin, y, secondInk)
		c.description = append(c.description, fmt.Sprintf("%s: %s, %s", category.Name, c.format.Money(category.Sum.Home), share))
		y += listRow
	}
	return nil
}

// mark is put behind a sum that leaves something out.
func mark(sum expense.Sum) string {
	if sum.Complete() {
		return ""
	}
	return " +"
}

// budgetsSize is how high the bars of budgets are.
func budgetsSize(progress []budget.Progress) int {
	if len(progress) == 0 {
		return 0
	}
	return min(len(progress), maxRows)*budgetRow + listRow
}

// budgets draws how far each budget is used up: a bar as long as what is available, filled as far as it is spent.
func (c *canvas) budgets(progress []budget.Progress, top int) {
	y := top + listRow
	for _, p := range progress[:min(len(progress), maxRows)] {
		left, right := chartMargin, chartWidth-chartMargin
		c.Text(p.Text+mark(p.Spent), left, y, 0, c.style(chartText, textInk))
		used := used(p)
		c.right(c.ratio(p), right, y, secondInk)
		c.FilledRect(left, y+7, right, y+17, c.ink[groundInk], c.ink[secondInk], 1)
		if end := left + int(math.Round(float64(right-left)*min(used, 1))); used > 0 && end > left {
			colour := c.palette.GetSeriesColor(0)
			if p.State != budget.OK {
				colour = c.palette.GetSeriesColor(1)
			}
			c.FilledRect(left, y+7, end, y+17, colour, colour, 0)
		}
		if p.State == budget.Over {
			// A mark at the end says without colour that the bar would go on.
			c.ArrowRight(right-6, y+12, 10, 10, c.ink[textInk], c.ink[textInk], 1)
		}
		c.description = append(c.description, p.Text+", "+p.State.String())
		y += budgetRow
	}
}

// used is the ratio of a progress as a number, for the length of its bar alone.
func used(p budget.Progress) float64 {
	ratio, err := strconv.ParseFloat(p.Ratio(), 64)
	if err != nil {
		return 0
	}
	return ratio
}

// ratio writes how much is used, in whole percents, with the state where it is not ok.
func (c *canvas) ratio(p budget.Progress) string {
	text := c.percent.Sprint(number.Percent(used(p), number.MaxFractionDigits(0)))
	if p.State != budget.OK {
		text = "▲ " + text
	}
	return text
}

// months draws what was spent in each month as a bar, with the amount beside it.
func (c *canvas) months(months []report.MonthSum, top int) {
	const nameWidth, amountWidth = 110, 130
	left, right := chartMargin+nameWidth, chartWidth-chartMargin-amountWidth
	most := int64(1)
	for _, month := range months {
		most = max(most, month.Sum.Home.Minor())
	}
	y := top + listRow
	for _, month := range months {
		c.Text(c.format.MonthShort(month.Month), chartMargin, y, 0, c.style(chartText, textInk))
		// Refunds beyond the spending have no length: the amount says so.
		length := float64(max(0, month.Sum.Home.Minor())) / float64(most) * float64(right-left)
		c.FilledRect(left, y-10, left+int(math.Round(length)), y+2, c.palette.GetSeriesColor(0), c.palette.GetSeriesColor(0), 0)
		c.LineStroke([]charts.Point{{X: left, Y: y - 14}, {X: left, Y: y + 6}}, c.ink[lineInk], 1)
		c.right(c.format.Money(month.Sum.Home)+mark(month.Sum), chartWidth-chartMargin, y, textInk)
		c.describe(c.format.Month(month.Month), month.Sum.Home)
		y += listRow
	}
}

// line draws sums, one after another, over an axis that begins with nothing.
func (c *canvas) line(names []string, sums []expense.Sum, top int) error {
	if len(sums) == 0 {
		return nil
	}
	values, scale := make([]float64, len(sums)), math.Pow10(sums[0].Home.Currency().Digits())
	lowest := 0.0
	for i, sum := range sums {
		values[i] = float64(sum.Home.Minor()) / scale
		lowest = min(lowest, values[i])
	}
	home := sums[0].Home.Currency()
	amount := func(value float64) string {
		return c.format.MoneyShort(expense.CapMoney(int64(math.Round(value*scale)), home))
	}
	option := charts.NewLineChartOptionWithData([][]float64{values})
	option.Theme = c.palette
	option.Legend.Show = charts.Ptr(false)
	option.XAxis = charts.XAxisOption{Labels: names, LabelFontStyle: c.style(chartSmall, secondInk)}
	if len(names) > fewLabels {
		option.XAxis.LabelCount = 4
	}
	option.YAxis = []charts.YAxisOption{{
		ValueFormatter: amount, LabelFontStyle: c.style(chartSmall, secondInk), LabelCount: 5, SplitLineShow: charts.Ptr(true),
	}}
	if lowest == 0 {
		option.YAxis[0].Min = charts.Ptr(0.0)
	}
	option.ValueFormatter = amount
	option.LineStrokeWidth = 2
	if len(names) > 62 {
		option.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	}
	box := charts.NewBox(chartMargin, top, chartWidth-chartMargin, top+lineHeight)
	if err := c.Child(charts.PainterBoxOption(box)).LineChart(option); err != nil {
		return fmt.Errorf("draw the line: %w", err)
	}
	return nil
}

func (c *canvas) describe(name string, amount expense.Money) {
	c.description = append(c.description, name+": "+c.format.Money(amount))
}

func (c *canvas) style(size float64, ink int) charts.FontStyle {
	return charts.FontStyle{FontSize: size, FontColor: c.ink[ink]}
}

// right writes text that ends at x.
func (c *canvas) right(text string, x, y, ink int) {
	style := c.style(chartText, ink)
	c.Text(text, x-c.MeasureText(text, 0, style).Width(), y, 0, style)
}

// share writes a share as the locale does.
func (c *canvas) share(s report.Share) string {
	return c.percent.Sprint(number.Percent(float64(s.Hundredths())/10_000, number.Scale(2)))
}

// cut shortens a name to what fits.
func cut(name string, most int) string {
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}

// write writes the picture, with a title and a description for those who do not see it.
func (c *canvas) write(w io.Writer) error {
	picture, err := c.Bytes()
	if err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	start := bytes.IndexByte(picture, '>') + 1
	var head strings.Builder
	for _, part := range []struct{ name, text string }{{"title", c.title}, {"desc", strings.Join(c.description, "; ")}} {
		head.WriteString("<" + part.name + ">")
		if err := xml.EscapeText(&head, []byte(part.text)); err != nil {
			return fmt.Errorf("describe the chart: %w", err)
		}
		head.WriteString("</" + part.name + ">")
	}
	if c.theme == AutoTheme {
		head.WriteString(darkStyle())
	}
	for _, part := range [][]byte{picture[:start], []byte(head.String()), picture[start:]} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// darkStyle is a style sheet that puts the dark inks in the place of the light ones where the viewer prefers them.
func darkStyle() string {
	var b strings.Builder
	b.WriteString("<style>@media (prefers-color-scheme:dark){")
	for i, light := range inks[LightTheme] {
		dark := inks[DarkTheme][i]
		for _, property := range []string{"fill", "stroke"} {
			fmt.Fprintf(&b, `[style*="%s:%s"]{%s:%s!important}`, property, charts.ColorFromHex(light).String(), property, dark)
		}
	}
	b.WriteString("}</style>")
	return b.String()
}
