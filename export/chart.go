package export

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-analyze/charts"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
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
	labelRow    = 17
	budgetRow   = 40
	lineHeight  = 260
	chartText   = 15
	chartSmall  = 13
	chartTotal  = 17
	chartTitle  = 23
	axisText    = 10 // in points, as the chart library has it
	columnGap   = 14
	// maxRows is how many categories or budgets a chart lists; the reports themselves list all.
	maxRows = 60
	// maxPoints is how many points of a line are drawn: two for each column of two pixels.
	maxPoints = 700
	// fewPoints is up to how many points of a line have their amounts in a list below it, in so many listColumns.
	fewPoints   = 36
	listColumns = 3
	fewLabels   = 12
	// The ring, and where its labels stand: beside it, at the end of a line.
	ringRadius, holeRadius = 96, 57
	labelDistance          = 14
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
// progress is [budget.MonthProgress.All] of the same month, or nil. The figures are those of the report.
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

// TrendChart writes a trend as an SVG picture: one line. Of more than 700 points it draws, for each column of two pixels, the least
// and the greatest of those that fall into it, in their order: no peak is lost, and none is made up.
func TrendChart(w io.Writer, t report.TrendReport, theme ChartTheme) error {
	rows := 0
	if len(t.Points) <= fewPoints {
		rows = (len(t.Points) + listColumns - 1) / listColumns
	}
	c := newCanvas(t.Settings, theme, headHeight+lineHeight+rows*listRow+chartMargin)
	shown := t
	if t.Category != nil {
		rest := widthOf(report.TrendReport{Dates: t.Dates, Category: &expense.Category{}}.Title(c.format), chartTitle)
		shown.Category = &expense.Category{Name: fit(t.Category.Name, chartTitle, chartWidth-2*chartMargin-rest)}
	}
	c.head(shown.Title(c.format), t.Sum)
	c.title = t.Title(c.format)
	points := thin(t.Points, maxPoints)
	names, ticks, sums := make([]string, len(points)), make([]string, len(points)), make([]expense.Sum, len(points))
	for i, point := range points {
		names[i], sums[i] = c.format.Date(point.Dates.From), point.Sum
		ticks[i] = names[i]
		if t.Granularity == expense.ByMonth {
			month := point.Dates.From.Month()
			names[i] = c.format.MonthShort(month)
			if ticks[i] = names[i]; len(points) <= fewLabels {
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

// thin returns as many points as are drawn: all, or of each of so many equal stretches the least and the greatest, as they come.
func thin(points []report.TrendPoint, most int) []report.TrendPoint {
	if len(points) <= most {
		return points
	}
	kept := make([]report.TrendPoint, 0, most)
	for i := range most / 2 {
		first, next := i*len(points)/(most/2), (i+1)*len(points)/(most/2)
		least, greatest := first, first
		for k := first + 1; k < next; k++ {
			switch minor := points[k].Sum.Home.Minor(); {
			case minor < points[least].Sum.Home.Minor():
				least = k
			case minor > points[greatest].Sum.Home.Minor():
				greatest = k
			}
		}
		kept = append(kept, points[min(least, greatest)], points[max(least, greatest)])
	}
	return kept
}

// list writes sums by their names, column by column.
func (c *canvas) list(names []string, sums []expense.Sum, rows, top int) {
	const gap = 32
	width := (chartWidth - 2*chartMargin - (listColumns-1)*gap) / listColumns
	for i, sum := range sums {
		left, y := chartMargin+i/rows*(width+gap), top+(i%rows+1)*listRow
		c.left(names[i], left, y, secondInk)
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
	format      locale.Formatter
	percent     *message.Printer
	waiting     string // how the ledger's language says that there is no rate
	title       string
	description []string
	letters     strings.Builder // the texts, which are drawn last
	err         error           // the first that met a text
}

const (
	groundInk = iota
	textInk
	secondInk
	lineInk
)

func newCanvas(settings expense.Settings, theme ChartTheme, height int) *canvas {
	c := &canvas{theme: theme, format: locale.NewFormatter(settings.Locale), waiting: waitingFor(locale.Language(settings.Locale))}
	c.percent = message.NewPrinter(digitsOf(language.Make(settings.Locale), c.format))
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

// digitsOf returns the tag with the digits of format: the package that writes percents has an older opinion of some locales.
func digitsOf(tag language.Tag, format locale.Formatter) language.Tag {
	system, zero := "latn", []rune(format.Year(2000))
	for name, digit := range digitSystems {
		if slices.Contains(zero, digit) {
			system = name
		}
	}
	with, err := tag.SetTypeForKey("nu", system)
	if err != nil {
		return tag
	}
	return with
}

// digitSystems are the zeros of the digits that CLDR's locales count with by default, other than the Latin ones.
var digitSystems = map[string]rune{
	"adlm": '\U0001e950', "arab": '٠', "arabext": '۰', "beng": '০', "cakm": '\U00011136', "deva": '०', "mymr": '၀', "nkoo": '߀', "olck": '᱐', "tibt": '༠',
}

// head writes what the picture is about and what it comes to, with what the total leaves out.
func (c *canvas) head(title string, sum expense.Sum) {
	c.title = title
	c.text(title, chartMargin, 32, fromLeft, chartTitle, textInk)
	total, after := c.format.Money(sum.Home), ""
	if !sum.Complete() {
		after = " (" + c.waiting + ")"
	}
	for i, waits := range sum.Pending {
		more := total + " + " + c.format.Money(waits)
		if left := len(sum.Pending) - i; left > 1 && widthOf(more+fmt.Sprintf(" + … (%d)", left)+after, chartTotal) > chartWidth-2*chartMargin {
			total += fmt.Sprintf(" + … (%d)", left)
			break
		}
		total = more
	}
	c.text(total+after, chartMargin, 58, fromLeft, chartTotal, secondInk)
	c.description = append(c.description, total+after)
}

// ringSize is how high the ring and the list beside it are.
func ringSize(s report.Summary) int {
	return max(ringHeight, (min(len(s.ByCategory), maxRows+1)+2)*listRow)
}

// ring draws the categories' shares as a ring, and lists all of them with name, amount and share beside it.
func (c *canvas) ring(s report.Summary, top int) error {
	var pieces charts.DoughnutSeriesList
	var labels []ringLabel
	passed := 0.0
	for _, category := range s.ByCategory {
		if category.Share.IsZero() {
			continue
		}
		pieces = append(pieces, charts.DoughnutSeries{
			Value: float64(category.Sum.Home.Minor()), Name: category.Name, Label: charts.SeriesLabel{Show: charts.Ptr(false)},
		})
		part := float64(category.Share.BasisPoints()) / 10_000
		if category.Share.BasisPoints() >= labelledShare {
			labels = append(labels, ringLabel{name: category.Name, angle: 2 * math.Pi * (passed + part/2), slice: len(pieces) - 1})
		}
		passed += part
	}
	box := charts.NewBox(chartMargin, top, chartMargin+ringWidth, top+ringHeight)
	centre := charts.Point{X: (box.Left + box.Right) / 2, Y: (box.Top + box.Bottom) / 2}
	if len(pieces) > 0 {
		err := c.Child(charts.PainterBoxOption(box)).DoughnutChart(charts.DoughnutChartOption{
			Theme: c.palette, SeriesList: pieces, Legend: charts.LegendOption{Show: charts.Ptr(false)}, Padding: charts.NewBoxEqual(0),
			RadiusRing: strconv.Itoa(ringRadius), RadiusCenter: strconv.Itoa(holeRadius),
		})
		if err != nil {
			return fmt.Errorf("draw the ring: %w", err)
		}
		c.labels(labels, centre)
	} else {
		c.Circle(ringRadius, centre.X, centre.Y, c.ink[groundInk], c.ink[lineInk], 2)
	}
	c.categories(s, top)
	return nil
}

// A ringLabel is the name of a slice that is large enough for one.
type ringLabel struct {
	name  string
	angle float64 // of the slice's middle, clockwise from the top
	slice int
}

// labels writes names beside their slices, on either side from top to bottom, no two on one line.
func (c *canvas) labels(labels []ringLabel, centre charts.Point) {
	for _, side := range []int{1, -1} {
		var here []ringLabel
		for _, label := range labels {
			if (label.angle < math.Pi) == (side == 1) {
				here = append(here, label)
			}
		}
		slices.SortStableFunc(here, func(a, b ringLabel) int { return cmp.Compare(math.Cos(b.angle), math.Cos(a.angle)) })
		x := centre.X + side*(ringRadius+labelDistance)
		ys := make([]int, len(here))
		for i, label := range here {
			ys[i] = centre.Y - int(math.Round((ringRadius+labelDistance)*math.Cos(label.angle)))
			if i > 0 {
				ys[i] = max(ys[i], ys[i-1]+labelRow)
			}
		}
		// What was pushed beyond the end pushes back.
		for i := len(ys) - 1; i >= 0; i-- {
			most := centre.Y + ringHeight/2 - labelRow/2
			if i < len(ys)-1 {
				most = ys[i+1] - labelRow
			}
			ys[i] = min(ys[i], most)
		}
		for i, label := range here {
			sin, cos := math.Sincos(label.angle)
			edge := charts.Point{X: centre.X + int(math.Round(ringRadius*sin)), Y: centre.Y - int(math.Round(ringRadius*cos))}
			c.LineStroke([]charts.Point{edge, {X: x, Y: ys[i]}}, c.palette.GetSeriesColor(label.slice), 1)
			anchor := fromLeft
			if side < 0 {
				anchor = toRight
			}
			most := ringWidth/2 - ringRadius - labelDistance - 4
			c.text(fit(label.name, chartSmall, most), x+side*3, ys[i]+chartSmall/3, anchor, chartSmall, textInk)
		}
	}
}

// categories lists all categories with amount and share.
func (c *canvas) categories(s report.Summary, top int) {
	amountWidth, shareWidth := 0, 0
	for _, category := range s.ByCategory[:min(len(s.ByCategory), maxRows)] {
		amountWidth = max(amountWidth, widthOf(c.format.Money(category.Sum.Home)+mark(category.Sum), chartText))
		shareWidth = max(shareWidth, widthOf(c.share(category.Share), chartText))
	}
	left, y, slice := chartMargin+ringWidth+16, top+listRow, 0
	shareEnd := chartWidth - chartMargin
	amountEnd := shareEnd - shareWidth - columnGap
	nameWidth := amountEnd - amountWidth - columnGap - left - 18
	for i, category := range s.ByCategory {
		if i == maxRows {
			c.left(fmt.Sprintf("+ %d", len(s.ByCategory)-i), left+18, y, secondInk)
			break
		}
		colour, share := c.ink[lineInk], "–"
		if !category.Share.IsZero() {
			colour, share = c.palette.GetSeriesColor(slice), c.share(category.Share)
			slice++
		}
		c.FilledRect(left, y-11, left+12, y+1, colour, colour, 0)
		c.left(fit(category.Name, chartText, nameWidth), left+18, y, textInk)
		c.right(c.format.Money(category.Sum.Home)+mark(category.Sum), amountEnd, y, textInk)
		c.right(share, shareEnd, y, secondInk)
		c.description = append(c.description, fmt.Sprintf("%s: %s, %s", locale.IsolateBidi(category.Name), c.format.Money(category.Sum.Home), share))
		y += listRow
	}
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
		ratio := c.ratio(p)
		c.left(fitProgress(p, right-left-widthOf(ratio, chartText)-columnGap)+mark(p.Spent), left, y, textInk)
		used := used(p)
		c.right(ratio, right, y, secondInk)
		c.FilledRect(left, y+7, right, y+17, c.ink[groundInk], c.ink[secondInk], 1)
		if end := left + int(math.Round(float64(right-left)*min(used, 1))); used > 0 && end > left {
			colour := c.palette.GetSeriesColor(0)
			if p.State != budget.StateOK {
				colour = c.palette.GetSeriesColor(1)
			}
			c.FilledRect(left, y+7, end, y+17, colour, colour, 0)
		}
		if p.State == budget.StateOver {
			// A mark at the end says without colour that the bar would go on.
			c.ArrowRight(right-6, y+12, 10, 10, c.ink[textInk], c.ink[textInk], 1)
		}
		c.description = append(c.description, p.Text+", "+ratio)
		y += budgetRow
	}
}

// fitProgress shortens the name in a progress so that its figures fit.
func fitProgress(p budget.Progress, most int) string {
	name := locale.IsolateBidi(p.CategoryName)
	if name == "" || widthOf(p.Text, chartText) <= most {
		return p.Text
	}
	room := most - widthOf(strings.Replace(p.Text, name, "", 1), chartText) - columnGap
	return strings.Replace(p.Text, name, locale.IsolateBidi(fit(p.CategoryName, chartText, room)), 1)
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
	if p.State != budget.StateOK {
		text = "▲ " + text
	}
	return text
}

// months draws what was spent in each month as a bar, with the amount beside it.
func (c *canvas) months(months []report.MonthSum, top int) {
	most, nameWidth, amountWidth := int64(1), 0, 0
	for _, month := range months {
		most = max(most, month.Sum.Home.Minor())
		nameWidth = max(nameWidth, widthOf(c.format.MonthShort(month.Month), chartText))
		amountWidth = max(amountWidth, widthOf(c.format.Money(month.Sum.Home)+mark(month.Sum), chartText))
	}
	left, right := chartMargin+nameWidth+columnGap, chartWidth-chartMargin-amountWidth-columnGap
	y := top + listRow
	for _, month := range months {
		c.left(c.format.MonthShort(month.Month), chartMargin, y, textInk)
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
		return c.format.MoneyShort(expense.ClampMoney(int64(math.Round(value*scale)), home))
	}
	option := charts.NewLineChartOptionWithData([][]float64{values})
	option.Theme = c.palette
	option.Legend.Show = charts.Ptr(false)
	option.XAxis = charts.XAxisOption{Labels: names, LabelFontStyle: c.style(axisText, secondInk)}
	if len(names) > fewLabels {
		option.XAxis.LabelCount = 4
	}
	option.YAxis = []charts.YAxisOption{{
		ValueFormatter: amount, LabelFontStyle: c.style(axisText, secondInk), LabelCount: 5, SplitLineShow: charts.Ptr(true),
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

// share writes a share as the locale does.
func (c *canvas) share(s report.Share) string {
	return c.percent.Sprint(number.Percent(float64(s.BasisPoints())/10_000, number.Scale(2)))
}

// write writes the picture, with a title and a description for those who do not see it.
func (c *canvas) write(w io.Writer) error {
	picture, err := c.Bytes()
	if err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	start, end := bytes.IndexByte(picture, '>')+1, bytes.LastIndex(picture, []byte("</svg>"))
	var head strings.Builder
	for _, part := range []struct{ name, text string }{{"title", c.title}, {"desc", strings.Join(c.description, "; ")}} {
		head.WriteString("<" + part.name + ">")
		c.escape(&head, part.text)
		head.WriteString("</" + part.name + ">")
	}
	if c.theme == AutoTheme {
		head.WriteString(darkStyle())
	}
	if c.err != nil {
		return c.err
	}
	for _, part := range [][]byte{picture[:start], []byte(head.String()), picture[start:end], []byte(c.letters.String()), picture[end:]} {
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
