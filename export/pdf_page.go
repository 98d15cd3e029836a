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
func (l *composer) number(text string) string { return strings.Replace(text, ".", l.decimal, 1) }

// amount formats an amount in the locale. If the fonts lack the currency sign of the locale, it uses the currency code.
func (l *composer) amount(m expense.Money) string {
	text := l.money.Money(m)
	var probe typesetter
	if probe.clean(text, true); probe.missing > 0 {
		return m.String()
	}
	return text
}

func (l *composer) amounts(list []expense.Money) string {
	text := ""
	for i, m := range list {
		if i > 0 {
			text += ", "
		}
		text += l.amount(m)
	}
	return text
}

// finish ends the last page and returns all pages.
func (l *composer) finish() []core.Page {
	l.breakPage()
	return l.pages
}

func (l *composer) breakPage() {
	if len(l.rows) > 0 {
		l.pages = append(l.pages, page.New().Add(l.rows...))
		l.rows, l.used = nil, 0
	}
}

// available returns the height in millimetres that is left on the page above the margin of the page number.
func (l *composer) available() float64 { return textHeight - l.used - 2.5 }

// reserve begins a new page if the height does not fit on the current page.
func (l *composer) reserve(height float64) {
	if height > l.available() {
		l.nextPage()
	}
}

func (l *composer) nextPage() {
	l.breakPage()
	if l.continued != nil {
		l.continued()
	}
}

// put adds a row to the current page. If the row does not fit, put splits it between pages or moves it to the next
// page.
func (l *composer) put(r *textRow, style *props.Cell) {
	for r.height() > l.available() {
		if r.lineCount() <= minLines {
			l.nextPage()
			break
		}
		lines := 0
		for lines < r.lineCount() {
			if head, _ := r.split(lines + 1); head.height() > l.available() {
				break
			}
			lines++
		}
		if lines < minLines {
			l.nextPage()
			continue
		}
		head, tail := r.split(lines)
		l.place(rowOf(head), head.height(), style)
		r = tail
	}
	l.place(rowOf(r), r.height(), style)
}

func rowOf(component core.Component) core.Row { return row.New().Add(col.New().Add(component)) }

func (l *composer) place(r core.Row, height float64, style *props.Cell) {
	if style != nil {
		r = r.WithStyle(style)
	}
	l.rows = append(l.rows, r)
	l.used += height
}

// space adds vertical space in millimetres, except at the top of a page and at its end.
func (l *composer) space(height float64) {
	if len(l.rows) > 0 && height < l.available() {
		l.place(row.New(height), height, nil)
	}
}

// paragraph returns a row with one text over the whole width.
func (l *composer) paragraph(text string, style textStyle) *textRow {
	return &textRow{top: 0.6, bottom: 0.6, cells: []cellText{l.cell(text, style, padding/2, textWidth-padding)}}
}

func (l *composer) cell(text string, style textStyle, left, width float64) cellText {
	return cellText{left: left, width: width, style: style, lines: l.text.lines(text, style, width)}
}

// tableRow returns a row of a table with a text for each column.
func (l *composer) tableRow(columns []column, style textStyle, texts ...string) *textRow {
	r := &textRow{top: 0.5, bottom: 0.5, cells: make([]cellText, 0, len(columns))}
	left := 0.0
	for i, c := range columns {
		if i < len(texts) && texts[i] != "" {
			cellStyle := style
			cellStyle.right = c.right
			if texts[i] == pendingMark {
				cellStyle.colour = warning
			}
			r.cells = append(r.cells, l.cell(texts[i], cellStyle, left+padding/2, c.width-padding))
		}
		left += c.width
	}
	return r
}

const pendingMark = "pending"

// putHeads adds the row with the heads of the columns.
func (l *composer) putHeads(columns []column) {
	texts := make([]string, len(columns))
	for i, c := range columns {
		texts[i] = c.head
	}
	l.put(l.tableRow(columns, textStyle{size: bodySize, bold: true, colour: grey}, texts...), ruledTop)
}

// table writes a heading and the heads of the columns. Page breaks in the table repeat both.
func (l *composer) table(heading string, columns []column) {
	write := func(heading string) {
		l.put(l.tableRow([]column{{width: textWidth}}, textStyle{size: headSize, bold: true}, heading), nil)
		l.putHeads(columns)
	}
	l.continued = nil
	l.reserve(25)
	l.space(4)
	write(heading)
	l.continued = func() { write(heading + " (continued)") }
}

// frontPage writes the front page: owner, period, charts and totals.
func (l *composer) frontPage() error {
	r := l.report
	l.put(l.paragraph(r.title(), textStyle{size: headlineSize, bold: true}), nil)
	l.space(2)
	facts := []column{{width: 40}, {width: textWidth - 40}}
	for _, fact := range [][2]string{
		{"Owner", r.opts.Owner},
		{"Period", fmt.Sprintf("%s to %s, inclusive", r.Dates.From, r.Dates.To)},
		{"Home currency", r.Settings.Home.Code()},
		{"Expenses", strconv.Itoa(r.Sum.Count)},
		{"Total", l.amount(r.Sum.Home)},
		{"Pending", l.pending(r.Sum)},
		{"Created", r.opts.Now.UTC().Format("2006-01-02 15:04 UTC")},
	} {
		if fact[1] == "" {
			continue
		}
		label := l.tableRow(facts, textStyle{size: 9, bold: true}, fact[0])
		value := l.tableRow(facts, textStyle{size: 9}, "", fact[1])
		label.cells = append(label.cells, value.cells...)
		l.put(label, nil)
	}
	if err := l.charts(); err != nil {
		return err
	}
	l.table("Totals by category", categoryColumns)
	body, bold := textStyle{size: bodySize}, textStyle{size: bodySize, bold: true}
	for _, c := range r.ByCategory {
		share := l.number(c.Share.String())
		if share != "" {
			share += " %"
		}
		l.put(l.tableRow(categoryColumns, body, c.Name, strconv.Itoa(c.Sum.Count), share, l.amount(c.Sum.Home),
			l.amounts(c.Sum.Pending)), ruled)
	}
	l.put(l.tableRow(categoryColumns, bold, "Total", strconv.Itoa(r.Sum.Count), "", l.amount(r.Sum.Home),
		l.amounts(r.Sum.Pending)), shade)

	l.table("Totals by currency", currencyColumns)
	for _, c := range r.ByCurrency {
		l.put(l.tableRow(currencyColumns, body,
			c.Paid.Currency().Code(), strconv.Itoa(c.Sum.Count), l.amount(c.Paid), l.amount(c.Sum.Home),
			l.amounts(c.Sum.Pending)), ruled)
	}
	l.put(l.tableRow(currencyColumns, bold, "Total", strconv.Itoa(r.Sum.Count), "", l.amount(r.Sum.Home), ""), shade)
	return nil
}

// pending returns a note about the pending expenses that a sum leaves out; "" if there are none.
func (l *composer) pending(sum expense.Sum) string {
	if sum.Complete() {
		return ""
	}
	return fmt.Sprintf("%d without an exchange rate, not included in the total: %s",
		sum.PendingCount, l.amounts(sum.Pending))
}

// list writes every expense, by category.
func (l *composer) list() {
	l.continued = nil
	l.breakPage()
	body := textStyle{size: bodySize}
	for _, c := range l.report.ByCategory {
		l.categoryHead(c)
		for _, e := range l.report.expenses[c.ID] {
			texts := []string{e.Date.String(), e.Notes, e.Amount.Currency().Code(), l.amount(e.Amount)}
			if e.Pending() {
				texts = append(texts, "", "", "", pendingMark)
			} else {
				texts = append(texts,
					l.number(e.Rate.Value.String()), e.Rate.Date.String(), string(e.Rate.Source), l.amount(e.Home))
			}
			l.put(l.tableRow(expenseColumns, body, texts...), ruled)
		}
	}
}

func (l *composer) categoryHead(c report.CategorySpending) {
	columns := []column{{width: 150}, {width: 45, right: true}, {width: textWidth - 195, right: true}}
	write := func(name string) {
		count := strconv.Itoa(c.Sum.Count) + " expenses"
		l.put(l.tableRow(columns, textStyle{size: headSize, bold: true}, name, count, l.amount(c.Sum.Home)), shade)
		l.putHeads(expenseColumns)
	}
	l.continued = nil
	l.reserve(25)
	l.space(3)
	write(c.Name)
	l.continued = func() { write(c.Name + " (continued)") }
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
func (l *composer) sources() {
	uses := map[rateKey]rateUse{}
	for _, list := range l.report.expenses {
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
	l.table("Sources of the exchange rates", sourceColumns)
	for _, key := range keys {
		use := uses[key]
		l.put(l.tableRow(sourceColumns, textStyle{size: bodySize},
			string(key.source), key.currency.Code(), strconv.Itoa(use.count),
			fmt.Sprintf("%s to %s", use.from, use.to), l.number(use.lowest.String()), l.number(use.highest.String())), ruled)
	}
	l.continued = nil
	l.space(2)
	home := l.report.Settings.Home
	named := map[expense.Source]bool{}
	for _, key := range keys {
		if named[key.source] {
			continue
		}
		named[key.source] = true
		l.put(l.paragraph(sourceNote(key.source, home), textStyle{size: bodySize}), nil)
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
func (l *composer) notes() {
	home := l.report.Settings.Home
	small := textStyle{size: bodySize, colour: grey}
	l.space(2)
	l.put(l.paragraph(fmt.Sprintf("A rate is the number of %s for one unit of the currency paid in, on the rate date. "+
		"An amount in the home currency is the amount paid times the rate, rounded to %d decimal places, half away from "+
		"zero. It is stored with the expense, so later rates do not change it. A negative amount is a refund.",
		home.Code(), home.Digits()), small), nil)
	if l.report.Sum.PendingCount > 0 {
		l.put(l.paragraph("pending: there is no rate for the date of the expense or for the seven days before it. No "+
			"total in the home currency includes the amount.", small), nil)
	}
	if l.text.missing > 0 {
		l.put(l.paragraph(string(missingGlyph)+" replaces a character that the fonts of this document do not have. The CSV "+
			"export has all characters.", small), nil)
	}
}
