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

// ChartTheme selects the colours of a chart.
type ChartTheme uint8

// The themes.
const (
	AutoTheme ChartTheme = iota // light, or dark if the viewer applies the chart's style sheet and prefers dark colours
	LightTheme
	DarkTheme
)

// The sizes of a chart in pixels.
const (
	chartWidth     = 840
	chartMargin    = 24
	headHeight     = 78
	doughnutHeight = 300
	doughnutWidth  = 420
	listRow        = 22
	labelRow       = 17
	budgetRow      = 40
	lineHeight     = 260
	chartText      = 15
	chartSmall     = 13
	chartTotal     = 17
	chartTitle     = 23
	axisText       = 10 // in points, the unit of the chart library
	columnGap      = 14
	// maxRows is the maximum number of categories or budgets in a chart. The reports list all.
	maxRows = 60
	// maxPoints is the maximum number of points of a line: two for each column of two pixels.
	maxPoints = 700
	// maxListed is the maximum number of points for which the amounts are listed below the line, in listColumns columns.
	maxListed   = 36
	listColumns = 3
	// maxLongLabels is the maximum number of points whose labels on the axis are not shortened.
	maxLongLabels = 12
	// The radii of the doughnut chart, and the distance between it and its labels.
	outerRadius, innerRadius = 96, 57
	labelDistance            = 14
	// minLabelledShare is the smallest share, in basis points, for which a slice has a label.
	minLabelledShare = 3_00
)

// themeColours are the colours of background, text, secondary text and lines of each theme. No colour occurs in both
// themes, so the style sheet of a chart can replace each light colour by its dark one.
var themeColours = [...][4]string{
	LightTheme: {"#fdfdfe", "#1f2329", "#57606b", "#d3dae2"},
	DarkTheme:  {"#14181d", "#e7ecf2", "#9aa6b3", "#39424d"},
}

// sliceColours are the colours of the slices. Each colour contrasts with both backgrounds and with the colour before
// it.
var sliceColours = [...]string{
	"#3b7dd8", "#c8663d", "#2f8f63", "#9a63b8", "#a87f1a", "#1f8fa5", "#cf4f7d", "#6f8130", "#7b72d1", "#8d6f5c",
}

// MonthlyChart writes a monthly report as an SVG image: a doughnut chart of the categories, a list of their amounts,
// and a bar for each budget. progress is the result of [budget.MonthProgress.All] for the same month, or nil.
func MonthlyChart(w io.Writer, m report.MonthlyReport, progress []budget.Progress, theme ChartTheme) error {
	c := newCanvas(m.Settings, theme, headHeight+doughnutAreaHeight(m.Summary)+budgetsHeight(progress)+chartMargin)
	c.head(m.Title(c.format), m.Sum)
	if err := c.doughnut(m.Summary, headHeight); err != nil {
		return err
	}
	c.budgets(progress, headHeight+doughnutAreaHeight(m.Summary))
	return c.write(w)
}

// RangeChart writes the report of any range of days as an SVG image: a doughnut chart of the categories and a list of
// their amounts.
func RangeChart(w io.Writer, r report.RangeReport, theme ChartTheme) error {
	c := newCanvas(r.Settings, theme, headHeight+doughnutAreaHeight(r.Summary)+chartMargin)
	c.head(r.Title(c.format), r.Sum)
	if err := c.doughnut(r.Summary, headHeight); err != nil {
		return err
	}
	return c.write(w)
}

// YearlyChart writes a yearly report as an SVG image: a doughnut chart of the categories, a list of their amounts, and
// a bar for each month.
func YearlyChart(w io.Writer, y report.YearlyReport, theme ChartTheme) error {
	c := newCanvas(y.Settings, theme, headHeight+doughnutAreaHeight(y.Summary)+(len(y.ByMonth)+1)*listRow+chartMargin)
	c.head(y.Title(c.format), y.Sum)
	if err := c.doughnut(y.Summary, headHeight); err != nil {
		return err
	}
	c.months(y.ByMonth, headHeight+doughnutAreaHeight(y.Summary))
	return c.write(w)
}

// TrendChart writes a trend as an SVG image with one line. If there are more than 700 points, it draws only the lowest
// and the highest point of each column of two pixels, so every peak is visible.
func TrendChart(w io.Writer, t report.TrendReport, theme ChartTheme) error {
	rows := 0
	if len(t.Points) <= maxListed {
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
	points := reducePoints(t.Points, maxPoints)
	names, ticks, sums := make([]string, len(points)), make([]string, len(points)), make([]expense.Sum, len(points))
	for i, point := range points {
		names[i], sums[i] = c.format.Date(point.Dates.From), point.Sum
		ticks[i] = names[i]
		if t.Granularity == expense.ByMonth {
			month := point.Dates.From.Month()
			names[i] = c.format.MonthShort(month)
			if ticks[i] = names[i]; len(points) <= maxLongLabels {
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

// reducePoints returns at most n of the points: it divides them into n/2 equal parts and returns the lowest and the
// highest point of each part, in their order.
func reducePoints(points []report.TrendPoint, n int) []report.TrendPoint {
	if len(points) <= n {
		return points
	}
	reduced := make([]report.TrendPoint, 0, n)
	for i := range n / 2 {
		first, next := i*len(points)/(n/2), (i+1)*len(points)/(n/2)
		lowest, highest := first, first
		for k := first + 1; k < next; k++ {
			switch minor := points[k].Sum.Home.Minor(); {
			case minor < points[lowest].Sum.Home.Minor():
				lowest = k
			case minor > points[highest].Sum.Home.Minor():
				highest = k
			}
		}
		reduced = append(reduced, points[min(lowest, highest)], points[max(lowest, highest)])
	}
	return reduced
}

// list draws a list of names and sums in columns.
func (c *canvas) list(names []string, sums []expense.Sum, rows, top int) {
	const gap = 32
	width := (chartWidth - 2*chartMargin - (listColumns-1)*gap) / listColumns
	for i, sum := range sums {
		left, y := chartMargin+i/rows*(width+gap), top+(i%rows+1)*listRow
		c.left(names[i], left, y, secondaryColour)
		c.right(c.amount(sum), left+width, y, textColour)
		c.describe(names[i], sum.Home)
	}
}

// canvas holds a chart while it is drawn.
type canvas struct {
	*charts.Painter
	theme       ChartTheme
	palette     charts.ColorPalette
	colours     [4]charts.Color // indexed by background … lineColour
	format      locale.Formatter
	percent     *message.Printer
	pendingNote string // says in the ledger's language that there is no exchange rate yet
	title       string
	description []string
	texts       strings.Builder // the text elements, which are written last
	err         error           // the first error of a text
}

// The indexes of the colours of a canvas.
const (
	background = iota
	textColour
	secondaryColour
	lineColour
)

func newCanvas(settings expense.Settings, theme ChartTheme, height int) *canvas {
	c := &canvas{
		theme: theme, format: locale.NewFormatter(settings.Locale),
		pendingNote: pendingNoteIn(locale.Language(settings.Locale)),
	}
	c.percent = message.NewPrinter(withDigits(language.Make(settings.Locale), c.format))
	// AutoTheme paints the light colours, and its style sheet replaces them.
	painted := LightTheme
	if theme == DarkTheme {
		painted = DarkTheme
	}
	for i, hex := range themeColours[painted] {
		c.colours[i] = charts.ColorFromHex(hex)
	}
	var series []charts.Color
	for _, hex := range sliceColours {
		series = append(series, charts.ColorFromHex(hex))
	}
	c.palette = charts.MakeTheme(charts.ThemeOption{
		IsDarkMode: painted == DarkTheme, AxisStrokeColor: c.colours[secondaryColour],
		AxisSplitLineColor: c.colours[lineColour], BackgroundColor: c.colours[background],
		TextColor: c.colours[textColour], SeriesColors: series,
	})
	c.Painter = charts.NewPainter(charts.PainterOptions{
		OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: height, Theme: c.palette,
	})
	c.FilledRect(0, 0, chartWidth, height, c.colours[background], c.colours[background], 0)
	return c
}

// withDigits returns tag with the numbering system of format, so that percentages and amounts have the same digits. The
// package golang.org/x/text, which formats the percentages, has older CLDR data.
func withDigits(tag language.Tag, format locale.Formatter) language.Tag {
	system, zero := "latn", []rune(format.Year(2000))
	for name, digit := range digitSystems {
		if slices.Contains(zero, digit) {
			system = name
		}
	}
	tagged, err := tag.SetTypeForKey("nu", system)
	if err != nil {
		return tag
	}
	return tagged
}

// digitSystems maps each numbering system that is the default of a locale in CLDR, except latn, to its digit zero.
var digitSystems = map[string]rune{
	"adlm": '\U0001e950', "arab": '٠', "arabext": '۰', "beng": '০', "cakm": '\U00011136', "deva": '०', "mymr": '၀',
	"nkoo": '߀', "olck": '᱐', "tibt": '༠',
}

// head draws the title and the total, with the pending amounts that the total leaves out.
func (c *canvas) head(title string, sum expense.Sum) {
	c.title = title
	c.text(title, chartMargin, 32, fromLeft, chartTitle, textColour)
	total, after := c.format.Money(sum.Home), ""
	if !sum.Complete() {
		after = " (" + c.pendingNote + ")"
	}
	for i, pending := range sum.Pending {
		more := total + " + " + c.format.Money(pending)
		left := len(sum.Pending) - i
		rest := fmt.Sprintf(" + … (%d)", left)
		if left > 1 && widthOf(more+rest+after, chartTotal) > chartWidth-2*chartMargin {
			total += rest
			break
		}
		total = more
	}
	c.text(total+after, chartMargin, 58, fromLeft, chartTotal, secondaryColour)
	c.description = append(c.description, total+after)
}

// doughnutAreaHeight returns the height of the doughnut chart and the list beside it.
func doughnutAreaHeight(s report.Summary) int {
	return max(doughnutHeight, (min(len(s.ByCategory), maxRows+1)+2)*listRow)
}

// doughnut draws the shares of the categories as a doughnut chart, and the list of the categories beside it.
func (c *canvas) doughnut(s report.Summary, top int) error {
	var doughnutSlices charts.DoughnutSeriesList
	var labels []sliceLabel
	start := 0.0 // of the slice, as a part of the chart
	for _, category := range s.ByCategory {
		if category.Share.IsZero() {
			continue
		}
		doughnutSlices = append(doughnutSlices, charts.DoughnutSeries{
			Value: float64(category.Sum.Home.Minor()), Name: category.Name, Label: charts.SeriesLabel{Show: charts.Ptr(false)},
		})
		part := float64(category.Share.BasisPoints()) / 10_000
		if category.Share.BasisPoints() >= minLabelledShare {
			labels = append(labels, sliceLabel{
				name: category.Name, angle: 2 * math.Pi * (start + part/2), slice: len(doughnutSlices) - 1,
			})
		}
		start += part
	}
	box := charts.NewBox(chartMargin, top, chartMargin+doughnutWidth, top+doughnutHeight)
	centre := charts.Point{X: (box.Left + box.Right) / 2, Y: (box.Top + box.Bottom) / 2}
	if len(doughnutSlices) > 0 {
		err := c.Child(charts.PainterBoxOption(box)).DoughnutChart(charts.DoughnutChartOption{
			Theme: c.palette, SeriesList: doughnutSlices, Legend: charts.LegendOption{Show: charts.Ptr(false)},
			Padding:    charts.NewBoxEqual(0),
			RadiusRing: strconv.Itoa(outerRadius), RadiusCenter: strconv.Itoa(innerRadius),
		})
		if err != nil {
			return fmt.Errorf("draw the doughnut chart: %w", err)
		}
		c.labels(labels, centre)
	} else {
		c.Circle(outerRadius, centre.X, centre.Y, c.colours[background], c.colours[lineColour], 2)
	}
	c.categories(s, top)
	return nil
}

// sliceLabel is the label of a slice that is large enough for one.
type sliceLabel struct {
	name  string
	angle float64 // of the middle of the slice in radians, clockwise from the top
	slice int
}

// labels draws the labels beside their slices, on both sides of the chart. Labels do not overlap.
func (c *canvas) labels(labels []sliceLabel, centre charts.Point) {
	for _, side := range []int{1, -1} {
		var onSide []sliceLabel
		for _, label := range labels {
			if (label.angle < math.Pi) == (side == 1) {
				onSide = append(onSide, label)
			}
		}
		slices.SortStableFunc(onSide, func(a, b sliceLabel) int { return cmp.Compare(math.Cos(b.angle), math.Cos(a.angle)) })
		x := centre.X + side*(outerRadius+labelDistance)
		ys := make([]int, len(onSide))
		for i, label := range onSide {
			ys[i] = centre.Y - int(math.Round((outerRadius+labelDistance)*math.Cos(label.angle)))
			if i > 0 {
				ys[i] = max(ys[i], ys[i-1]+labelRow)
			}
		}
		// If the last labels are below the chart's area, move labels up from the end.
		for i := len(ys) - 1; i >= 0; i-- {
			lowest := centre.Y + doughnutHeight/2 - labelRow/2
			if i < len(ys)-1 {
				lowest = ys[i+1] - labelRow
			}
			ys[i] = min(ys[i], lowest)
		}
		for i, label := range onSide {
			sin, cos := math.Sincos(label.angle)
			edge := charts.Point{X: centre.X + int(math.Round(outerRadius*sin)), Y: centre.Y - int(math.Round(outerRadius*cos))}
			c.LineStroke([]charts.Point{edge, {X: x, Y: ys[i]}}, c.palette.GetSeriesColor(label.slice), 1)
			anchor := fromLeft
			if side < 0 {
				anchor = toRight
			}
			maxWidth := doughnutWidth/2 - outerRadius - labelDistance - 4
			c.text(fit(label.name, chartSmall, maxWidth), x+side*3, ys[i]+chartSmall/3, anchor, chartSmall, textColour)
		}
	}
}

// categories draws the list of the categories with their amounts and shares.
func (c *canvas) categories(s report.Summary, top int) {
	amountWidth, shareWidth := 0, 0
	for _, category := range s.ByCategory[:min(len(s.ByCategory), maxRows)] {
		amountWidth = max(amountWidth, widthOf(c.amount(category.Sum), chartText))
		shareWidth = max(shareWidth, widthOf(c.share(category.Share), chartText))
	}
	left, y, slice := chartMargin+doughnutWidth+16, top+listRow, 0
	shareEnd := chartWidth - chartMargin
	amountEnd := shareEnd - shareWidth - columnGap
	nameWidth := amountEnd - amountWidth - columnGap - left - 18
	for i, category := range s.ByCategory {
		if i == maxRows {
			c.left(fmt.Sprintf("+ %d", len(s.ByCategory)-i), left+18, y, secondaryColour)
			break
		}
		colour, share := c.colours[lineColour], "–"
		if !category.Share.IsZero() {
			colour, share = c.palette.GetSeriesColor(slice), c.share(category.Share)
			slice++
		}
		c.FilledRect(left, y-11, left+12, y+1, colour, colour, 0)
		c.left(fit(category.Name, chartText, nameWidth), left+18, y, textColour)
		c.right(c.amount(category.Sum), amountEnd, y, textColour)
		c.right(share, shareEnd, y, secondaryColour)
		c.description = append(c.description,
			fmt.Sprintf("%s: %s, %s", locale.IsolateBidi(category.Name), c.format.Money(category.Sum.Home), share))
		y += listRow
	}
}

// incomplete follows an amount that leaves out pending expenses.
const incomplete = " +"

// amount formats a sum.
func (c *canvas) amount(sum expense.Sum) string {
	if sum.Complete() {
		return c.format.Money(sum.Home)
	}
	return c.format.Money(sum.Home) + incomplete
}

// budgetsHeight returns the height of the bars of the budgets.
func budgetsHeight(progress []budget.Progress) int {
	if len(progress) == 0 {
		return 0
	}
	return min(len(progress), maxRows)*budgetRow + listRow
}

// budgets draws a bar for each budget. The whole bar is the available amount; the filled part is what is spent.
func (c *canvas) budgets(progress []budget.Progress, top int) {
	y := top + listRow
	for _, p := range progress[:min(len(progress), maxRows)] {
		left, right := chartMargin, chartWidth-chartMargin
		ratio := c.ratio(p)
		text := fitProgress(p, right-left-widthOf(ratio, chartText)-columnGap)
		if !p.Spent.Complete() {
			text += incomplete
		}
		c.left(text, left, y, textColour)
		used := spentRatio(p)
		c.right(ratio, right, y, secondaryColour)
		c.FilledRect(left, y+7, right, y+17, c.colours[background], c.colours[secondaryColour], 1)
		if end := left + int(math.Round(float64(right-left)*min(used, 1))); used > 0 && end > left {
			colour := c.palette.GetSeriesColor(0)
			if p.State != budget.StateOK {
				colour = c.palette.GetSeriesColor(1)
			}
			c.FilledRect(left, y+7, end, y+17, colour, colour, 0)
		}
		if p.State == budget.StateOver {
			// The arrow shows, independently of colour, that more was spent than the bar holds.
			c.ArrowRight(right-6, y+12, 10, 10, c.colours[textColour], c.colours[textColour], 1)
		}
		c.description = append(c.description, p.Text+", "+ratio)
		y += budgetRow
	}
}

// fitProgress returns p.Text. If the text is wider than maxWidth pixels, it shortens the name of the category.
func fitProgress(p budget.Progress, maxWidth int) string {
	name := locale.IsolateBidi(p.CategoryName)
	if name == "" || widthOf(p.Text, chartText) <= maxWidth {
		return p.Text
	}
	nameWidth := maxWidth - widthOf(strings.Replace(p.Text, name, "", 1), chartText) - columnGap
	return strings.Replace(p.Text, name, locale.IsolateBidi(fit(p.CategoryName, chartText, nameWidth)), 1)
}

// spentRatio returns the ratio of p as a floating-point number, which is exact enough for drawing.
func spentRatio(p budget.Progress) float64 {
	ratio, err := strconv.ParseFloat(p.Ratio(), 64)
	if err != nil {
		return 0
	}
	return ratio
}

// ratio returns the ratio of p in whole percent, with the mark ▲ if the state of p is not ok.
func (c *canvas) ratio(p budget.Progress) string {
	text := c.percent.Sprint(number.Percent(spentRatio(p), number.MaxFractionDigits(0)))
	if p.State != budget.StateOK {
		text = "▲ " + text
	}
	return text
}

// months draws a bar for each month, with the amount beside it.
func (c *canvas) months(months []report.MonthSum, top int) {
	highest, nameWidth, amountWidth := int64(1), 0, 0
	for _, month := range months {
		highest = max(highest, month.Sum.Home.Minor())
		nameWidth = max(nameWidth, widthOf(c.format.MonthShort(month.Month), chartText))
		amountWidth = max(amountWidth, widthOf(c.amount(month.Sum), chartText))
	}
	left, right := chartMargin+nameWidth+columnGap, chartWidth-chartMargin-amountWidth-columnGap
	y := top + listRow
	for _, month := range months {
		c.left(c.format.MonthShort(month.Month), chartMargin, y, textColour)
		// A negative amount has no bar.
		length := float64(max(0, month.Sum.Home.Minor())) / float64(highest) * float64(right-left)
		colour := c.palette.GetSeriesColor(0)
		c.FilledRect(left, y-10, left+int(math.Round(length)), y+2, colour, colour, 0)
		c.LineStroke([]charts.Point{{X: left, Y: y - 14}, {X: left, Y: y + 6}}, c.colours[lineColour], 1)
		c.right(c.amount(month.Sum), chartWidth-chartMargin, y, textColour)
		c.describe(c.format.Month(month.Month), month.Sum.Home)
		y += listRow
	}
}

// line draws the sums as a line. The axis begins at zero unless a sum is negative.
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
	option.XAxis = charts.XAxisOption{Labels: names, LabelFontStyle: c.style(axisText, secondaryColour)}
	if len(names) > maxLongLabels {
		option.XAxis.LabelCount = 4
	}
	option.YAxis = []charts.YAxisOption{{
		ValueFormatter: amount, LabelFontStyle: c.style(axisText, secondaryColour), LabelCount: 5,
		SplitLineShow: charts.Ptr(true),
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

// describe adds an amount to the description of the image.
func (c *canvas) describe(name string, amount expense.Money) {
	c.description = append(c.description, name+": "+c.format.Money(amount))
}

func (c *canvas) style(size float64, colour int) charts.FontStyle {
	return charts.FontStyle{FontSize: size, FontColor: c.colours[colour]}
}

// share formats a share in the locale.
func (c *canvas) share(s report.Share) string {
	return c.percent.Sprint(number.Percent(float64(s.BasisPoints())/10_000, number.Scale(2)))
}

// write writes the image with a title and a description for screen readers.
func (c *canvas) write(w io.Writer) error {
	image, err := c.Bytes()
	if err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	start, end := bytes.IndexByte(image, '>')+1, bytes.LastIndex(image, []byte("</svg>"))
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
	for _, part := range [][]byte{
		image[:start], []byte(head.String()), image[start:end], []byte(c.texts.String()), image[end:],
	} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// darkStyle returns a style sheet that replaces the light colours by the dark ones if the viewer prefers dark colours.
func darkStyle() string {
	var b strings.Builder
	b.WriteString("<style>@media (prefers-color-scheme:dark){")
	for i, light := range themeColours[LightTheme] {
		dark := themeColours[DarkTheme][i]
		for _, property := range []string{"fill", "stroke"} {
			fmt.Fprintf(&b, `[style*="%s:%s"]{%s:%s!important}`, property, charts.ColorFromHex(light).String(), property, dark)
		}
	}
	b.WriteString("}</style>")
	return b.String()
}
