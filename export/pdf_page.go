package export

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/johnfercher/maroto/v2/pkg/components/col"
	"github.com/johnfercher/maroto/v2/pkg/components/page"
	"github.com/johnfercher/maroto/v2/pkg/components/row"
	"github.com/johnfercher/maroto/v2/pkg/consts/border"
	"github.com/johnfercher/maroto/v2/pkg/core"
	"github.com/johnfercher/maroto/v2/pkg/props"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
	"github.com/spendwise/spendwise/report"
)

// The colours and styles of a report.
var (
	grey     = &props.Color{Red: 95, Green: 95, Blue: 95}
	warning  = &props.Color{Red: 160, Green: 60, Blue: 0}
	shade    = &props.Cell{BackgroundColor: &props.Color{Red: 232, Green: 236, Blue: 240}}
	ruled    = bottomLine(0.1, 205)
	ruledTop = bottomLine(0.3, 60)
)

// bottomLine returns the style of a row with a grey line below it.
func bottomLine(thickness float64, grey int) *props.Cell {
	return &props.Cell{
		BorderType: border.Bottom, BorderThickness: thickness, BorderColor: &props.Color{Red: grey, Green: grey, Blue: grey},
	}
}

const (
	// The sizes of the fonts in points.
	bodySize, headSize, headlineSize = 7.5, 10, 18

	// padding is the space between two columns in millimetres.
	padding = 2
	// minLines is the minimum number of lines that a split row has before the page break.
	minLines = 6
)

// column is one column of a table.
type column struct {
	head  string
	width float64 // in millimetres
	right bool    // aligned to the right
}

// The tables of a report.
var (
	expenseColumns = []column{
		{"Date", 18, false}, {"Notes", 107, false}, {"Paid in", 11, false}, {"Paid", 35, true}, {"Rate", 37, true},
		{"Rate date", 19, false}, {"Source", 15, false}, {"In the home currency", 35, true},
	}
	categoryColumns = []column{
		{"Category", 90, false}, {"Expenses", 22, true}, {"Share", 22, true}, {"In the home currency", 48, true},
		{"Pending, not included", 95, true},
	}
	currencyColumns = []column{
		{"Paid in", 90, false}, {"Expenses", 22, true}, {"Paid", 70, true}, {"In the home currency", 48, true},
		{"Pending, not included", 47, true},
	}
	sourceColumns = []column{
		{"Source", 60, false}, {"Paid in", 25, false}, {"Expenses", 30, true}, {"Rate dates", 62, false},
		{"Lowest rate", 50, true}, {"Highest rate", 50, true},
	}
)

// composer places the rows of a report on pages.
type composer struct {
	report    *Report
	money     locale.Formatter
	decimal   string // the decimal separator of the locale
	text      typesetter
	pages     []core.Page
	rows      []core.Row
	used      float64 // the height of the rows on the current page, in millimetres
	continued func()  // writes the heading of a table that continues on a new page; nil outside of tables
}

func newComposer(r *Report) *composer {
	money := locale.NewFormatter(latinDigits(r.Settings.Locale))
	return &composer{report: r, money: money, decimal: decimalSeparator(money)}
}

// decimalSeparator returns the decimal separator of a locale.
func decimalSeparator(money locale.Formatter) string {
	const probe = "1.11"
	text := money.Money(expense.MustMoney(probe, "EUR"))
	_, text, _ = strings.Cut(text, "1")
	sign, _, found := strings.Cut(text, "11")
	if !found || sign == "" {
		return "."
	}
	return sign
}

// number formats a plain decimal with the decimal separator of the locale.
func (c *composer) number(text string) string { return strings.Replace(text, ".", c.decimal, 1) }

// amount formats an amount in the locale. If the fonts lack the currency sign of the locale, it uses the currency code.
func (c *composer) amount(m expense.Money) string {
	text := c.money.Money(m)
	var probe typesetter
	if probe.clean(text, true); probe.missing > 0 {
		return m.String()
	}
	return text
}

func (c *composer) amounts(list []expense.Money) string {
	text := ""
	for i, m := range list {
		if i > 0 {
			text += ", "
		}
		text += c.amount(m)
	}
	return text
}

// finish ends the last page and returns all pages.
func (c *composer) finish() []core.Page {
	c.breakPage()
	return c.pages
}

func (c *composer) breakPage() {
	if len(c.rows) > 0 {
		c.pages = append(c.pages, page.New().Add(c.rows...))
		c.rows, c.used = nil, 0
	}
}

// available returns the height in millimetres that is left on the page above the margin of the page number.
func (c *composer) available() float64 { return textHeight - c.used - 2.5 }

// ensureHeight begins a new page if the height does not fit on the current page.
func (c *composer) ensureHeight(height float64) {
	if height > c.available() {
		c.nextPage()
	}
}

func (c *composer) nextPage() {
	c.breakPage()
	if c.continued != nil {
		c.continued()
	}
}

// addRow adds a row to the current page. If the row does not fit, addRow splits it between pages or moves it to the
// next page.
func (c *composer) addRow(r *textRow, style *props.Cell) {
	for r.height() > c.available() {
		if r.lineCount() <= minLines {
			c.nextPage()
			break
		}
		lines := 0
		for lines < r.lineCount() {
			if head, _ := r.split(lines + 1); head.height() > c.available() {
				break
			}
			lines++
		}
		if lines < minLines {
			c.nextPage()
			continue
		}
		head, tail := r.split(lines)
		c.appendRow(rowOf(head), head.height(), style)
		r = tail
	}
	c.appendRow(rowOf(r), r.height(), style)
}

func rowOf(component core.Component) core.Row { return row.New().Add(col.New().Add(component)) }

func (c *composer) appendRow(r core.Row, height float64, style *props.Cell) {
	if style != nil {
		r = r.WithStyle(style)
	}
	c.rows = append(c.rows, r)
	c.used += height
}

// addSpace adds vertical space in millimetres, except at the top of a page and at its end.
func (c *composer) addSpace(height float64) {
	if len(c.rows) > 0 && height < c.available() {
		c.appendRow(row.New(height), height, nil)
	}
}

// paragraph returns a row with one text over the whole width.
func (c *composer) paragraph(text string, style textStyle) *textRow {
	return &textRow{top: 0.6, bottom: 0.6, cells: []cellText{c.cell(text, style, padding/2, textWidth-padding)}}
}

func (c *composer) cell(text string, style textStyle, left, width float64) cellText {
	return cellText{left: left, width: width, style: style, lines: c.text.lines(text, style, width)}
}

// tableRow returns a row of a table with a text for each column.
func (c *composer) tableRow(columns []column, style textStyle, texts ...string) *textRow {
	r := &textRow{top: 0.5, bottom: 0.5, cells: make([]cellText, 0, len(columns))}
	left := 0.0
	for i, column := range columns {
		if i < len(texts) && texts[i] != "" {
			cellStyle := style
			cellStyle.right = column.right
			if texts[i] == pendingMark {
				cellStyle.colour = warning
			}
			r.cells = append(r.cells, c.cell(texts[i], cellStyle, left+padding/2, column.width-padding))
		}
		left += column.width
	}
	return r
}

const pendingMark = "pending"

// addHeads adds the row with the heads of the columns.
func (c *composer) addHeads(columns []column) {
	texts := make([]string, len(columns))
	for i, column := range columns {
		texts[i] = column.head
	}
	c.addRow(c.tableRow(columns, textStyle{size: bodySize, bold: true, colour: grey}, texts...), ruledTop)
}

// table writes a heading and the heads of the columns. Page breaks in the table repeat both.
func (c *composer) table(heading string, columns []column) {
	write := func(heading string) {
		c.addRow(c.tableRow([]column{{width: textWidth}}, textStyle{size: headSize, bold: true}, heading), nil)
		c.addHeads(columns)
	}
	c.continued = nil
	c.ensureHeight(25)
	c.addSpace(4)
	write(heading)
	c.continued = func() { write(heading + " (continued)") }
}

// frontPage writes the front page: owner, period, charts and totals.
func (c *composer) frontPage() error {
	r := c.report
	c.addRow(c.paragraph(r.title(), textStyle{size: headlineSize, bold: true}), nil)
	c.addSpace(2)
	facts := []column{{width: 40}, {width: textWidth - 40}}
	for _, fact := range [][2]string{
		{"Owner", r.opts.Owner},
		{"Period", fmt.Sprintf("%s to %s, inclusive", r.Dates.From, r.Dates.To)},
		{"Home currency", r.Settings.Home.Code()},
		{"Expenses", strconv.Itoa(r.Sum.Count)},
		{"Total", c.amount(r.Sum.Home)},
		{"Pending", c.pending(r.Sum)},
		{"Created", r.opts.Now.UTC().Format("2006-01-02 15:04 UTC")},
	} {
		if fact[1] == "" {
			continue
		}
		label := c.tableRow(facts, textStyle{size: 9, bold: true}, fact[0])
		value := c.tableRow(facts, textStyle{size: 9}, "", fact[1])
		label.cells = append(label.cells, value.cells...)
		c.addRow(label, nil)
	}
	if err := c.charts(); err != nil {
		return err
	}
	c.table("Totals by category", categoryColumns)
	body, bold := textStyle{size: bodySize}, textStyle{size: bodySize, bold: true}
	for _, category := range r.ByCategory {
		share := c.number(category.Share.String())
		if share != "" {
			share += " %"
		}
		sum := category.Sum
		c.addRow(c.tableRow(categoryColumns, body, category.Name, strconv.Itoa(sum.Count), share, c.amount(sum.Home),
			c.amounts(sum.Pending)), ruled)
	}
	c.addRow(c.tableRow(categoryColumns, bold, "Total", strconv.Itoa(r.Sum.Count), "", c.amount(r.Sum.Home),
		c.amounts(r.Sum.Pending)), shade)

	c.table("Totals by currency", currencyColumns)
	for _, currency := range r.ByCurrency {
		paid, sum := currency.Paid, currency.Sum
		c.addRow(c.tableRow(currencyColumns, body, paid.Currency().Code(), strconv.Itoa(sum.Count), c.amount(paid),
			c.amount(sum.Home), c.amounts(sum.Pending)), ruled)
	}
	c.addRow(c.tableRow(currencyColumns, bold, "Total", strconv.Itoa(r.Sum.Count), "", c.amount(r.Sum.Home), ""), shade)
	return nil
}

// pending returns a note about the pending expenses that a sum leaves out; "" if there are none.
func (c *composer) pending(sum expense.Sum) string {
	if sum.Complete() {
		return ""
	}
	return fmt.Sprintf("%d without an exchange rate, not included in the total: %s",
		sum.PendingCount, c.amounts(sum.Pending))
}

// list writes every expense, by category.
func (c *composer) list() {
	c.continued = nil
	c.breakPage()
	body := textStyle{size: bodySize}
	for _, category := range c.report.ByCategory {
		c.categoryHead(category)
		for _, e := range c.report.expenses[category.ID] {
			texts := []string{e.Date.String(), e.Notes, e.Amount.Currency().Code(), c.amount(e.Amount)}
			if e.Pending() {
				texts = append(texts, "", "", "", pendingMark)
			} else {
				texts = append(texts,
					c.number(e.Rate.Value.String()), e.Rate.Date.String(), string(e.Rate.Source), c.amount(e.Home))
			}
			c.addRow(c.tableRow(expenseColumns, body, texts...), ruled)
		}
	}
}

func (c *composer) categoryHead(category report.CategorySpending) {
	columns := []column{{width: 150}, {width: 45, right: true}, {width: textWidth - 195, right: true}}
	write := func(name string) {
		count := strconv.Itoa(category.Sum.Count) + " expenses"
		c.addRow(c.tableRow(columns, textStyle{size: headSize, bold: true}, name, count, c.amount(category.Sum.Home)), shade)
		c.addHeads(expenseColumns)
	}
	c.continued = nil
	c.ensureHeight(25)
	c.addSpace(3)
	write(category.Name)
	c.continued = func() { write(category.Name + " (continued)") }
}

// rateUse summarises the rates of one source for one currency.
type rateUse struct {
	count           int
	from, to        expense.Date
	lowest, highest expense.Factor
}

// rateKey is the key of a rateUse.
type rateKey struct {
	source   expense.Source
	currency expense.Currency
}

// sources writes the table of the sources of the exchange rates, and a note about each source.
func (c *composer) sources() {
	uses := map[rateKey]rateUse{}
	for _, list := range c.report.expenses {
		for _, e := range list {
			if !e.Pending() {
				key := rateKey{e.Rate.Source, e.Amount.Currency()}
				uses[key] = uses[key].with(e.Rate)
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(uses), func(a, b rateKey) int {
		return cmp.Or(cmp.Compare(a.source, b.source), a.currency.Compare(b.currency))
	})
	c.table("Sources of the exchange rates", sourceColumns)
	for _, key := range keys {
		use := uses[key]
		c.addRow(c.tableRow(sourceColumns, textStyle{size: bodySize},
			string(key.source), key.currency.Code(), strconv.Itoa(use.count),
			fmt.Sprintf("%s to %s", use.from, use.to), c.number(use.lowest.String()), c.number(use.highest.String())), ruled)
	}
	c.continued = nil
	c.addSpace(2)
	home := c.report.Settings.Home
	named := map[expense.Source]bool{}
	for _, key := range keys {
		if named[key.source] {
			continue
		}
		named[key.source] = true
		c.addRow(c.paragraph(sourceNote(key.source, home), textStyle{size: bodySize}), nil)
	}
}

// with returns u with one more rate.
func (u rateUse) with(rate expense.Rate) rateUse {
	if u.count == 0 || rate.Date.Before(u.from) {
		u.from = rate.Date
	}
	if u.count == 0 || rate.Date.After(u.to) {
		u.to = rate.Date
	}
	if u.count == 0 || rate.Value.Decimal().LessThan(u.lowest.Decimal()) {
		u.lowest = rate.Value
	}
	if u.count == 0 || rate.Value.Decimal().GreaterThan(u.highest.Decimal()) {
		u.highest = rate.Value
	}
	u.count++
	return u
}

func sourceNote(source expense.Source, home expense.Currency) string {
	switch source {
	case "ecb":
		return "ecb: the euro foreign exchange reference rates of the European Central Bank. The rate between two " +
			"other currencies is the quotient of their rates to the euro."
	case expense.SourceUser:
		return "user: entered with the expense."
	case expense.SourceIdentity:
		return "identity: paid in the home currency " + home.Code() + ", so nothing is converted."
	}
	return string(source) + ": the name of a rate source."
}

// notes writes the explanations at the end of the report.
func (c *composer) notes() {
	home := c.report.Settings.Home
	small := textStyle{size: bodySize, colour: grey}
	c.addSpace(2)
	c.addRow(c.paragraph(fmt.Sprintf("A rate is the number of %s for one unit of the currency paid in, on the rate date. "+
		"An amount in the home currency is the amount paid times the rate, rounded to %d decimal places, half away from "+
		"zero. It is stored with the expense, so later rates do not change it. A negative amount is a refund.",
		home.Code(), home.Digits()), small), nil)
	if c.report.Sum.PendingCount > 0 {
		c.addRow(c.paragraph("pending: there is no rate for the date of the expense or for the seven days before it. No "+
			"total in the home currency includes the amount.", small), nil)
	}
	if c.text.missing > 0 {
		c.addRow(c.paragraph(string(missingGlyph)+" replaces a character that the fonts of this document do not have. The "+
			"CSV export has all characters.", small), nil)
	}
}
