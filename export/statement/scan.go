package statement

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement/internal/format"
)

// scanned is what all rows of a file say about the date layout, the decimal sign, the sign of spending and the
// currency.
type scanned struct {
	orders         [4]int // how many dates fit each order, as in dateLayouts
	dates, numeric int    // how many cells are dates, and how many of them name the month by a number
	firsts, lasts  span   // of dates with a year of two digits
	clash, croat   bool
	czech          bool // a month has a name that is not Croatian

	point, comma, maybePoint, maybeComma int

	plain, minus, plus, debitMarks, creditMarks int // amounts by their sign
	spendPlain, spendMinus                      int // of rows that the direction column marks as spending
	creditPlain, creditMinus                    int // of the credit column

	symbols map[string]int // beside amounts
	texts   map[string]int // in the currency column

	lastData, footer int // lines
}

type span struct {
	low, high int
	set       bool
}

func (s *span) add(n int) {
	if !s.set {
		*s = span{n, n, true}
	}
	s.low, s.high = min(s.low, n), max(s.high, n)
}

func (s *span) width() int { return s.high - s.low }

// shown returns the mapping with the first choice of each question.
func (in *inspector) shown() (Mapping, error) {
	m := in.mapping
	for _, question := range in.questions {
		if len(question.Choices) == 0 {
			continue
		}
		var err error
		if m, err = MergeMappings(m, question.Choices[0].Mapping); err != nil {
			return m, err
		}
	}
	return m, nil
}

// scan reads all rows, decides or asks what depends on them, and makes the reader of the rows and the first rows.
func (in *inspector) scan(result *Inspection) error {
	m, err := in.shown()
	if err != nil || m.Date.Column == "" || m.Amount.Column == "" {
		return err
	}
	if m.Date.Layout == "" {
		m.Date.Layout = dateLayouts[0].layout
	}
	r, err := newRowReader(m, in.table, in.settings)
	if err != nil {
		return err
	}
	var s scanned
	if err := in.readAll(&s, r); err != nil {
		return err
	}
	if s.lastData == 0 {
		return format.FileError("unknown_format",
			"no row has a date in column %s and an amount in column %s; check the mapping",
			quote(m.Date.Column), quote(m.Amount.Column))
	}
	in.decideLayout(&s)
	in.decideDecimal(&s, r)
	in.decideSign(&s)
	in.decideCurrency(&s)
	if m, err = in.shown(); err != nil {
		return err
	}
	if result.reader, err = newRowReader(m, in.table, in.settings); err != nil {
		return err
	}
	result.reader.footer = s.footer
	records, err := in.file.body(in.table.headerLine)
	if err != nil {
		return err
	}
	for len(result.Rows) < maxRowsShown {
		rec, err := records.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(rec.Fields) > 0 || rec.Fault != nil {
			result.Rows = append(result.Rows, result.reader.read(rec)...)
		}
	}
	clear(result.reader.ordinals)
	return nil
}

// body returns the records below the header.
func (f *file) body(headerLine int) (format.Reader, error) {
	records, err := f.records()
	if err != nil {
		return nil, err
	}
	for headerLine > 0 {
		rec, err := records.Next()
		if err != nil {
			return nil, fmt.Errorf("read the file again: %w", err)
		}
		if rec.Line >= headerLine {
			break
		}
	}
	return records, nil
}

func (in *inspector) readAll(s *scanned, r *rowReader) error {
	s.symbols, s.texts = map[string]int{}, map[string]int{}
	records, err := in.file.body(in.table.headerLine)
	if err != nil {
		return err
	}
	for {
		if err := in.ctx.Err(); err != nil {
			return err //nolint:wrapcheck // the caller knows its context
		}
		rec, err := records.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		in.countLine()
		s.add(r, rec)
	}
}

// add counts a record.
func (s *scanned) add(r *rowReader, rec format.Record) {
	fields := rec.Fields
	d, dated := parseDateCell(cell(fields, r.date), r.dates.croatian)
	orders := noOrder
	if dated {
		orders = d.orders()
	}
	amount, credit := cell(fields, r.amount), cell(fields, r.credit)
	hasAmount, hasCredit := isAmount(amount), isAmount(credit)
	if rec.Fault == nil && !hasAmount && !hasCredit && orders == noOrder && s.footer <= s.lastData {
		s.footer = rec.Line
	}
	if orders == noOrder || !hasAmount && !hasCredit {
		return
	}
	s.lastData = rec.Line
	s.footer = 0
	s.dates++
	for i, l := range dateLayouts {
		if orders&l.order != 0 {
			s.orders[i]++
		}
	}
	if d.month == 0 {
		s.numeric++
		if d.count == 3 && d.widths[0] <= 2 && d.widths[2] == 2 {
			s.firsts.add(d.numbers[0])
			s.lasts.add(d.numbers[2])
		}
	} else {
		s.clash, s.croat, s.czech = s.clash || d.clash, s.croat || d.croat, s.czech || d.foreign
	}
	if hasAmount {
		s.addAmount(r, fields, amount)
	}
	if hasCredit {
		s.addDecimal(credit)
		if a := signOf(credit); a.minus {
			s.creditMinus++
		} else {
			s.creditPlain++
		}
	}
	if text := cell(fields, r.currency); text != "" && len(text) <= 32 && (len(s.texts) < 100 || s.texts[text] > 0) {
		s.texts[text]++
	}
}

func (s *scanned) addDecimal(text string) {
	switch separatorsOf(text) {
	case pointDecimal:
		s.point++
	case commaDecimal:
		s.comma++
	case pointOrGroup:
		s.maybePoint++
	case commaOrGroup:
		s.maybeComma++
	case malformedCell:
	}
}

func (s *scanned) addAmount(r *rowReader, fields []string, text string) {
	s.addDecimal(text)
	a := signOf(text)
	if a.currency != "" && (len(s.symbols) < 100 || s.symbols[a.currency] > 0) {
		s.symbols[a.currency]++
	}
	if strings.Trim(text, "0.,'- ") == "" {
		return // zero has no sign
	}
	switch {
	case a.mark == 'D':
		s.debitMarks++
	case a.mark == 'C':
		s.creditMarks++
	case a.minus:
		s.minus++
	case a.plus:
		s.plus++
	default:
		s.plain++
	}
	if r.sign >= 0 && a.mark == 0 && r.signTexts[expense.Fold(cell(fields, r.sign))] {
		if a.minus {
			s.spendMinus++
		} else {
			s.spendPlain++
		}
	}
}

// signOf parses an amount whose decimal sign is not known yet.
func signOf(text string) amount {
	for _, decimal := range []byte{'.', ','} {
		if a, err := parseAmount(text, decimal); err == nil {
			return a
		}
	}
	return amount{}
}

// decideLayout takes the order that fits the most dates. Several such orders are a question.
func (in *inspector) decideLayout(s *scanned) {
	m := &in.mapping
	if m.Date.Locale == "" && s.clash && s.croat {
		m.Date.Locale = "hr"
	}
	if m.Date.Locale == "" && s.clash && !s.czech {
		in.ask("month_language", "Some names of months, such as listopad, mean one month in Croatian and another in "+
			"Polish and Czech. "+
			"Which language is it?",
			QuestionChoice{Label: "Polish or Czech", Mapping: Mapping{Date: DateColumn{Locale: "und"}}},
			QuestionChoice{Label: "Croatian", Mapping: Mapping{Date: DateColumn{Locale: "hr"}}})
	}
	if m.Date.Layout != "" {
		return
	}
	most := slices.Max(s.orders[:])
	candidates := noOrder
	for i, l := range dateLayouts {
		if s.orders[i] == most {
			candidates |= l.order
		}
	}
	if s.numeric == 0 && candidates&orderDMY != 0 {
		candidates = orderDMY // all dates name the month
	}
	if candidates&orderYMD != 0 && candidates != orderYMD && s.firsts.set && s.firsts.width() >= s.lasts.width() {
		candidates &^= orderYMD // the last number changes as little as years do
	}
	var choices []QuestionChoice
	for _, l := range dateLayouts {
		if candidates&l.order == 0 {
			continue
		}
		if candidates == l.order {
			m.Date.Layout = l.layout
			return
		}
		choices = append(choices, QuestionChoice{
			Label: in.dateExample(l.order), Mapping: Mapping{Date: DateColumn{Layout: l.layout}},
		})
	}
	in.ask("date_layout", "The dates fit several orders of day, month and year. Which one is it?", choices...)
}

// dateExample returns a label such as `"03/04/2026" is 3 April 2026`.
func (in *inspector) dateExample(o order) string {
	index, err := in.table.find(in.mapping.Date.Column)
	if err != nil {
		return layoutOf(o)
	}
	for _, row := range in.table.sample {
		d, ok := parseDateCell(cell(row, index), false)
		if !ok {
			continue
		}
		if date, ok := d.in(o); ok && date.Day() != int(date.MonthOfYear()) {
			return fmt.Sprintf("%s is %d %s %d", quote(cell(row, index)), date.Day(), date.MonthOfYear(), date.Year())
		}
	}
	return layoutOf(o)
}

// decideDecimal takes the decimal sign that the amounts show. Amounts such as 1.234 alone are a question, unless the
// currency has no decimals.
func (in *inspector) decideDecimal(s *scanned, r *rowReader) {
	m := &in.mapping
	switch {
	case m.Amount.Decimal != "":
	case s.point > s.comma:
		m.Amount.Decimal = "."
	case s.comma > 0:
		m.Amount.Decimal = ","
	case s.maybePoint == 0 && s.maybeComma == 0:
		m.Amount.Decimal = "."
	case s.maybePoint > 0 && s.maybeComma == 0 && in.withoutDecimals(s, r):
		m.Amount.Decimal = ","
	case s.maybeComma > 0 && s.maybePoint == 0 && in.withoutDecimals(s, r):
		m.Amount.Decimal = "."
	default:
		group := ","
		if s.maybePoint > 0 {
			group = "."
		}
		example := "1" + group + "234"
		whole, fraction := Mapping{Amount: AmountColumn{Decimal: "."}}, Mapping{Amount: AmountColumn{Decimal: ","}}
		if group == "." {
			whole, fraction = fraction, whole
		}
		in.ask("decimal", "All amounts have three digits after the separator. Does it separate thousands or decimals?",
			QuestionChoice{Label: example + " is one thousand two hundred and thirty-four", Mapping: whole},
			QuestionChoice{Label: example + " is a little more than one", Mapping: fraction})
	}
}

// withoutDecimals reports whether all amounts are in currencies without decimals.
func (in *inspector) withoutDecimals(s *scanned, r *rowReader) bool {
	if len(s.texts) == 0 && len(s.symbols) == 0 {
		return r.implicit.Digits() == 0
	}
	for _, texts := range []map[string]int{s.texts, s.symbols} {
		for text := range texts {
			currency, ok := resolveCurrency(text, r.implicit)
			if !ok || currency.Digits() > 0 {
				return false
			}
		}
	}
	return true
}

// decideSign takes the sign of spending that the amounts show. Amounts without a minus, and amounts of both signs, are
// a question where the columns do not tell an account from a card.
func (in *inspector) decideSign(s *scanned) {
	m := &in.mapping
	sign := func(negative bool) string {
		if negative {
			return "negative"
		}
		return "positive"
	}
	switch {
	case m.Sign.Column != "" && m.Sign.Expense == "":
		m.Sign.Expense = sign(s.spendMinus > s.spendPlain)
	case !m.Sign.isZero():
	case m.Amount.CreditColumn != "":
		m.Sign = Sign{Expense: sign(s.minus > s.plain+s.plus), Income: sign(s.creditMinus > s.creditPlain)}
	case s.creditMarks > 0 && s.minus == 0 && s.debitMarks == 0:
		m.Sign.Expense = "positive"
	case s.debitMarks > 0 || s.minus > 0 && s.plain+s.plus == 0:
		m.Sign.Expense = "negative"
	case in.isDebitColumn():
		m.Sign.Expense = sign(s.minus > s.plain)
	case s.minus > 0 && in.account, s.plus > 0 && s.minus > 0:
		m.Sign.Expense = "negative"
	default:
		negative := QuestionChoice{Label: "negative amounts are spending, and positive ones are money in",
			Mapping: Mapping{Sign: Sign{Expense: "negative"}}}
		positive := QuestionChoice{Label: "positive amounts are spending, and negative ones are money in",
			Mapping: Mapping{Sign: Sign{Expense: "positive"}}}
		choices := []QuestionChoice{positive, negative}
		if s.minus > s.plain {
			choices = []QuestionChoice{negative, positive}
		}
		in.ask("sign", "The file does not say which amounts are spending. Are positive amounts spending?", choices...)
	}
}

// isDebitColumn reports whether the amount column is named as one of money out.
func (in *inspector) isDebitColumn() bool {
	index, err := in.table.find(in.mapping.Amount.Column)
	return err == nil && index >= 0 && in.columns[index].meaning == MeansDebit
}

// decideCurrency asks for the currency of symbols that several currencies share.
func (in *inspector) decideCurrency(s *scanned) {
	m := &in.mapping
	preferred := in.settings.Home
	if m.Currency.Value != "" {
		return
	}
	if slices.ContainsFunc(in.questions, func(q Question) bool { return q.Code == "currency" }) {
		return
	}
	for _, texts := range []map[string]int{s.texts, s.symbols} {
		for text := range texts {
			candidates := currenciesOf(text)
			if _, ok := resolveCurrency(text, preferred); !ok && len(candidates) > 1 {
				in.askCurrency(quote(text)+" is the symbol of several currencies. Which one is it?",
					candidates[:min(len(candidates), 8)])
				return
			}
		}
	}
}
