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

// The colours and the sizes of a report.
var (
	grey    = &props.Color{Red: 95, Green: 95, Blue: 95}
	warning = &props.Color{Red: 160, Green: 60, Blue: 0}
	shade   = &props.Cell{BackgroundColor: &props.Color{Red: 232, Green: 236, Blue: 240}}
	ruled   = &props.Cell{BorderType: border.Bottom, BorderThickness: 0.1,
		BorderColor: &props.Color{Red: 205, Green: 205, Blue: 205}}
	ruledTop = &props.Cell{BorderType: border.Bottom, BorderThickness: 0.3,
		BorderColor: &props.Color{Red: 60, Green: 60, Blue: 60}}
)

const (
	bodySize, headSize, headlineSize = 7.5, 10, 18

	// padding is the blank space between two columns.
	padding = 2
	// fewest is how many lines of a row stay together.
	fewest = 6
)

// A column is one column of a table.
type column struct {
	head  string
	width float64
	right bool
}

// The tables of a report.
var (
	expenseColumns = []column{
		{"Date", 18, false}, {"Notes", 107, false}, {"Paid in", 11, false}, {"Paid", 35, true}, {"Rate", 37, true},
		{"Rate of", 19, false},
		{"Source", 15, false}, {"In the home currency", 35, true},
	}
	categoryColumns = []column{
		{"Category", 90, false}, {"Expenses", 22, true}, {"Share", 22, true}, {"In the home currency", 48, true},
		{"Not in it: pending", 95, true},
	}
	currencyColumns = []column{
		{"Paid in", 90, false}, {"Expenses", 22, true}, {"Paid", 70, true}, {"In the home currency", 48, true},
		{"Not in it: pending", 47, true},
	}
	sourceColumns = []column{
		{"Source", 60, false}, {"Paid in", 25, false}, {"Expenses", 30, true}, {"Prices of", 62, false},
		{"Lowest rate", 50, true}, {"Highest rate", 50, true},
	}
)

// A paper puts rows on pages.
type paper struct {
	report    *Report
	money     locale.Formatter
	point     string // the locale's decimal sign
	text      typesetter
	pages     []core.Page
	rows      []core.Row
	used      float64
	continued func() // writes what stands at the top of a page that goes on with a table
}

func newPaper(r *Report) *paper {
	money := locale.NewFormatter(latinDigits(r.Settings.Locale))
	return &paper{report: r, money: money, point: decimalSign(money)}
}

// decimalSign returns what a locale puts between whole and minor units.
func decimalSign(money locale.Formatter) string {
	const probe = "1.11"
	text := money.Money(expense.MustMoney(probe, "EUR"))
	_, text, _ = strings.Cut(text, "1")
	sign, _, found := strings.Cut(text, "11")
	if !found || sign == "" {
		return "."
	}
	return sign
}

// number writes a plain decimal with the locale's decimal sign.
func (l *paper) number(text string) string { return strings.Replace(text, ".", l.point, 1) }

// amount writes an amount by the locale's rules, or by its code where the fonts lack the locale's sign for it.
func (l *paper) amount(m expense.Money) string {
	text := l.money.Money(m)
	var probe typesetter
	if probe.clean(text, true); probe.missing > 0 {
		return m.String()
	}
	return text
}

func (l *paper) amounts(list []expense.Money) string {
	text := ""
	for i, m := range list {
		if i > 0 {
			text += ", "
		}
		text += l.amount(m)
	}
	return text
}

// finish ends the last page.
func (l *paper) finish() []core.Page {
	l.breakPage()
	return l.pages
}

func (l *paper) breakPage() {
	if len(l.rows) > 0 {
		l.pages = append(l.pages, page.New().Add(l.rows...))
		l.rows, l.used = nil, 0
	}
}

// room is the height that is left on the page. A little of it stays free above the page's number.
func (l *paper) room() float64 { return textHeight - l.used - 2.5 }

// need ends the page if that much does not fit on it any more.
func (l *paper) need(height float64) {
	if height > l.room() {
		l.nextPage()
	}
}

func (l *paper) nextPage() {
	l.breakPage()
	if l.continued != nil {
		l.continued()
	}
}

// put puts a row on the page, or on the next one. A row that is longer than a page goes on over the next pages.
func (l *paper) put(r *textRow, style *props.Cell) {
	for r.height() > l.room() {
		if r.tallest() <= fewest {
			l.nextPage()
			break
		}
		lines := 0
		for head, _ := r.split(lines + 1); head.height() <= l.room() && lines < r.tallest(); head, _ = r.split(lines + 1) {
			lines++
		}
		if lines < fewest {
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

func (l *paper) place(r core.Row, height float64, style *props.Cell) {
	if style != nil {
		r = r.WithStyle(style)
	}
	l.rows = append(l.rows, r)
	l.used += height
}

// space leaves a blank.
func (l *paper) space(height float64) {
	if len(l.rows) > 0 && height < l.room() {
		l.place(row.New(height), height, nil)
	}
}

// set returns a row of one text over the whole width.
func (l *paper) set(text string, style textStyle) *textRow {
	return &textRow{top: 0.6, bottom: 0.6, cells: []cellText{l.cell(text, style, padding/2, textWidth-padding)}}
}

func (l *paper) cell(text string, style textStyle, left, width float64) cellText {
	return cellText{left: left, width: width, style: style, lines: l.text.lines(text, style, width)}
}

// record returns a row of a table.
func (l *paper) record(columns []column, style textStyle, texts ...string) *textRow {
	r := &textRow{top: 0.5, bottom: 0.5, cells: make([]cellText, 0, len(columns))}
	left := 0.0
	for i, c := range columns {
		if i < len(texts) && texts[i] != "" {
			own := style
			own.right = c.right
			if texts[i] == pendingMark {
				own.colour = warning
			}
			r.cells = append(r.cells, l.cell(texts[i], own, left+padding/2, c.width-padding))
		}
		left += c.width
	}
	return r
}

const pendingMark = "pending"

func heads(columns []column) []string {
	texts := make([]string, len(columns))
	for i, c := range columns {
		texts[i] = c.head
	}
	return texts
}

// table writes a heading and a table's own; a page break repeats both.
func (l *paper) table(heading string, columns []column) {
	write := func(heading string) {
		l.put(l.record([]column{{width: textWidth}}, textStyle{size: headSize, bold: true}, heading), nil)
		l.put(l.record(columns, textStyle{size: bodySize, bold: true, colour: grey}, heads(columns)...), ruledTop)
	}
	l.continued = nil
	l.need(25)
	l.space(4)
	write(heading)
	l.continued = func() { write(heading + " (continued)") }
}

// front writes who spent what in which time, the charts, and the totals.
func (l *paper) front() error {
	r := l.report
	l.put(l.set(r.title(), textStyle{size: headlineSize, bold: true}), nil)
	l.space(2)
	facts := []column{{width: 40}, {width: textWidth - 40}}
	for _, fact := range [][2]string{
		{"Of", r.opts.Who},
		{"Period", fmt.Sprintf("%s to %s, both included", r.Dates.From, r.Dates.To)},
		{"Home currency", r.Settings.Home.Code()},
		{"Expenses", strconv.Itoa(r.Sum.Count)},
		{"Total", l.amount(r.Sum.Home)},
		{"Pending", l.pending(r.Sum)},
		{"Made", r.opts.Now.UTC().Format("2006-01-02 15:04 UTC")},
	} {
		if fact[1] == "" {
			continue
		}
		label := l.record(facts, textStyle{size: 9, bold: true}, fact[0])
		value := l.record(facts, textStyle{size: 9}, "", fact[1])
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
		l.put(l.record(categoryColumns, body, c.Name, strconv.Itoa(c.Sum.Count), share, l.amount(c.Sum.Home),
			l.amounts(c.Sum.Pending)), ruled)
	}
	l.put(l.record(categoryColumns, bold, "Total", strconv.Itoa(r.Sum.Count), "", l.amount(r.Sum.Home),
		l.amounts(r.Sum.Pending)), shade)

	l.table("Totals by currency", currencyColumns)
	for _, c := range r.ByCurrency {
		l.put(l.record(currencyColumns, body,
			c.Paid.Currency().Code(), strconv.Itoa(c.Sum.Count), l.amount(c.Paid), l.amount(c.Sum.Home), l.amounts(
				c.Sum.Pending)), ruled)
	}
	l.put(l.record(currencyColumns, bold, "Total", strconv.Itoa(r.Sum.Count), "", l.amount(r.Sum.Home), ""), shade)
	return nil
}

// pending says what a sum leaves out; "" if nothing.
func (l *paper) pending(sum expense.Sum) string {
	if sum.Complete() {
		return ""
	}
	return fmt.Sprintf("%d without an exchange rate, not in the total: %s", sum.PendingCount, l.amounts(sum.Pending))
}

// list writes every expense, by category.
func (l *paper) list() {
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
				texts = append(texts, l.number(e.Rate.Value.String()), e.Rate.Date.String(), string(e.Rate.Source),
					l.amount(e.Home))
			}
			l.put(l.record(expenseColumns, body, texts...), ruled)
		}
	}
}

func (l *paper) categoryHead(c report.CategorySpending) {
	columns := []column{{width: 150}, {width: 45, right: true}, {width: textWidth - 195, right: true}}
	write := func(name string) {
		head := l.record(columns, textStyle{size: headSize, bold: true}, name, strconv.Itoa(c.Sum.Count)+" expenses",
			l.amount(c.Sum.Home))
		l.put(head, shade)
		l.put(l.record(expenseColumns, textStyle{size: bodySize, bold: true, colour: grey}, heads(expenseColumns)...),
			ruledTop)
	}
	l.continued = nil
	l.need(25)
	l.space(3)
	write(c.Name)
	l.continued = func() { write(c.Name + " (continued)") }
}

// A rateUse is which rates of one source one currency was converted with.
type rateUse struct {
	count           int
	from, to        expense.Date
	lowest, highest expense.Factor
}

type rateUser struct {
	source   expense.Source
	currency expense.Currency
}

// sources says where the rates come from.
func (l *paper) sources() {
	uses := map[rateUser]rateUse{}
	for _, list := range l.report.expenses {
		for _, e := range list {
			if !e.Pending() {
				key := rateUser{e.Rate.Source, e.Amount.Currency()}
				uses[key] = uses[key].with(e.Rate)
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(uses), func(a, b rateUser) int {
		return cmp.Or(cmp.Compare(a.source, b.source), a.currency.Compare(b.currency))
	})
	l.table("Sources of the exchange rates", sourceColumns)
	for _, key := range keys {
		use := uses[key]
		l.put(l.record(sourceColumns, textStyle{size: bodySize}, string(key.source), key.currency.Code(),
			strconv.Itoa(use.count),
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
		l.put(l.set(sourceNote(key.source, home), textStyle{size: bodySize}), nil)
	}
}

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
		return "ecb: the euro foreign exchange reference rates of the European Central Bank. Of two currencies other than " +
			"the euro, the rate is " +
			"the quotient of their prices for one euro."
	case expense.SourceUser:
		return "user: given by hand with the expense."
	case expense.SourceIdentity:
		return "identity: paid in " + home.Code() + ", the home currency; nothing is converted."
	}
	return string(source) + ": as its publisher names it."
}

// notes explains how to read the figures, and what the fonts lack.
func (l *paper) notes() {
	home := l.report.Settings.Home
	small := textStyle{size: bodySize, colour: grey}
	l.space(2)
	l.put(l.set(fmt.Sprintf("A rate is how many %s one unit of the currency paid in costs, on the day that it is of. "+
		"An amount in the home "+
		"currency is the amount paid times the rate, rounded once, half away from zero, to %d decimal places; it is kept "+
		"with the expense and does not change with "+
		"later rates. A negative amount is a refund.", home.Code(), home.Digits()), small), nil)
	if l.report.Sum.PendingCount > 0 {
		l.put(l.set("pending: there is no rate for the day of the expense, nor for the week before it. Its amount is in "+
			"no total of the home currency.", small), nil)
	}
	if l.text.missing > 0 {
		l.put(l.set(string(missingGlyph)+" stands for a character that the fonts of this document do not have. The CSV "+
			"export has it.", small), nil)
	}
}
