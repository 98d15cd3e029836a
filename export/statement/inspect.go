package statement

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/spendwise/spendwise/expense"
)

// An Inspection is what [Inspect] finds out about a file.
type Inspection struct {
	Format     Format
	Encoding   string // the canonical name of the WHATWG Encoding Standard; empty for XLSX
	Delimiter  string // of CSV
	HeaderLine int    // 0: the file has no header
	Source     string // the bank or program that writes such files, if it is known
	Columns    []ColumnInfo
	Mapping    Mapping    // everything that is known; the members that a question asks for are not set
	Questions  []Question // what a person must decide before the file can be imported
	Rows       []Row      // the first 20 rows as understood, with the first choice of each question

	file   *file
	reader *rowReader // nil if a column is missing
}

// A ColumnInfo describes a column.
type ColumnInfo struct {
	Name    string   // for use in a mapping
	Samples []string // up to three texts
	Meaning Meaning  // empty: unknown
}

// A Question is an ambiguity of a file.
type Question struct {
	Code    string // date_column, date_layout, amount_column, decimal, sign, currency, currency_column or month_language
	Detail  string
	Choices []QuestionChoice
}

// A QuestionChoice is an answer: the members of Mapping are merged into the proposed mapping; see [MergeMappings].
type QuestionChoice struct {
	Label   string
	Mapping Mapping
}

// An OpenQuestionError says that a mapping leaves questions open. It is an [expense.ErrInvalid].
type OpenQuestionError struct{ Questions []Question }

func (e *OpenQuestionError) Error() string {
	texts := make([]string, len(e.Questions))
	for i, q := range e.Questions {
		labels := make([]string, len(q.Choices))
		for j, choice := range q.Choices {
			labels[j] = choice.Label
		}
		texts[i] = q.Detail + " (" + strings.Join(labels, "; or: ") + ")"
	}
	return strings.Join(texts, " ")
}

// Is reports whether target is expense.ErrInvalid.
func (e *OpenQuestionError) Is(target error) bool { return target == expense.ErrInvalid }

// maxRowsShown is the number of rows of an inspection.
const maxRowsShown = 20

// Inspect finds out how the rows of a file become expenses of a ledger with these settings. What m gives is not
// detected. Inspect reads r twice, from where it stands. It returns ErrInvalid, with the field "file", if the file is
// no statement, and with fields of the mapping if m does not fit the file. It checks ctx at each line.
func Inspect(ctx context.Context, r io.ReadSeeker, m Mapping, settings expense.Settings) (*Inspection, error) {
	result, err := inspect(ctx, r, m, settings, func() {})
	if err != nil {
		return nil, err
	}
	return result, result.file.close()
}

// inspect is Inspect for an import. The caller closes the file of the result.

func inspect(
	ctx context.Context, r io.ReadSeeker, m Mapping, settings expense.Settings, countLine func(),
) (*Inspection, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	f, err := openFile(r, m)
	if err != nil {
		return nil, err
	}
	in := inspector{ctx: ctx, settings: settings, file: f, mapping: m, countLine: countLine}
	if in.table, err = readTable(f, m); err == nil {
		result, inspectErr := in.inspect()
		if inspectErr == nil {
			return result, nil
		}
		err = inspectErr
	}
	return nil, errors.Join(err, f.close())
}

// An inspector completes a mapping.
type inspector struct {
	ctx       context.Context //nolint:containedctx // an inspector lives within one call of Inspect
	settings  expense.Settings
	file      *file
	table     table
	columns   []*column
	mapping   Mapping
	source    string
	account   bool // the columns are those of an account, not of a card
	questions []Question
	countLine func()
}

// A column is a column with what its sample says.
type column struct {
	index                               int
	name                                string // the header
	meanings                            []rankedMeaning
	meaning                             Meaning // the one that fits the sample
	rank                                int
	filled, dates, amounts, currencies  int
	codes                               int // ISO 4217 codes in capitals
	voids                               int // texts that say that a transaction did not take place
	integers, debits, credits, transfer int
	texts                               map[string]int // the first distinct texts
}

func (in *inspector) inspect() (*Inspection, error) {
	in.profile()
	in.applyFormat()
	in.chooseColumns()
	m := &in.mapping
	m.Format, m.Encoding, m.HeaderLine = in.file.format, in.file.encoding, new(in.table.headerLine)
	if in.file.format == CSV {
		m.Delimiter = string(in.file.delimiter)
	}
	result := &Inspection{
		Format: m.Format, Encoding: m.Encoding, Delimiter: m.Delimiter, HeaderLine: in.table.headerLine, Source: in.source,
		Columns: in.describeColumns(), file: in.file,
	}
	if err := in.scan(result); err != nil {
		return nil, err
	}
	result.Mapping, result.Questions = in.mapping, in.questions
	return result, nil
}

// maxSampleText is the maximum length of a sample of a column in bytes.
const maxSampleText = 200

func (in *inspector) describeColumns() []ColumnInfo {
	columns := make([]ColumnInfo, 0, len(in.columns))
	for _, c := range in.columns {
		info := ColumnInfo{Name: in.table.columnName(c.index), Meaning: c.meaning, Samples: []string{}}
		for _, row := range in.table.sample {
			text := cell(row, c.index)
			text = strings.ToValidUTF8(text[:min(len(text), maxSampleText)], "")
			if text != "" && len(info.Samples) < 3 && !slices.Contains(info.Samples, text) {
				info.Samples = append(info.Samples, text)
			}
		}
		columns = append(columns, info)
	}
	return columns
}

// profile counts what the cells of each column look like, and decides its meaning.
func (in *inspector) profile() {
	for index := range in.table.width {
		c := &column{index: index, texts: map[string]int{}}
		if index < len(in.table.names) {
			c.name = trim(in.table.names[index])
		}
		for _, row := range in.table.sample {
			c.add(cell(row, index))
		}
		c.meanings = meaningsOf(c.name)
		for _, m := range c.meanings {
			if c.fits(m.meaning) {
				c.meaning, c.rank = m.meaning, m.rank
				break
			}
		}
		in.columns = append(in.columns, c)
		folded := foldHeader(c.name)
		in.account = in.account || c.meaning == MeansBalance || c.meaning == MeansValueDate ||
			strings.Contains(folded, "iban")
	}
}

func (c *column) add(text string) {
	if noAmount(text) {
		return
	}
	c.filled++
	if isDate(text) {
		c.dates++
	}
	if separatorsOf(text) != malformedCell {
		c.amounts++
		if onlyDigits(text) {
			c.integers++
		}
	}
	if len(currenciesOf(text)) > 0 && (!onlyDigits(text) || len(text) == 3) {
		c.currencies++
		if _, err := expense.ParseCurrency(text); err == nil && text == strings.ToUpper(text) {
			c.codes++
		}
	}
	switch {
	case wordIn(debitWords, text):
		c.debits++
	case wordIn(creditWords, text):
		c.credits++
	case wordIn(transferWords, text):
		c.transfer++
	case wordIn(voidWords, text):
		c.voids++
	}
	if len(c.texts) < 50 || c.texts[text] > 0 {
		c.texts[text]++
	}
}

// fits reports whether the sample of a column does not contradict a meaning.
func (c *column) fits(meaning Meaning) bool {
	switch meaning {
	case MeansDate, MeansValueDate:
		return c.dates > 0 && c.dates*2 > c.filled-c.voids
	case MeansAmount:
		return c.filled > 0 && c.amounts*2 > c.filled && c.dates*2 <= c.filled
	case MeansDebit, MeansCredit, MeansFee, MeansBalance:
		return c.amounts*2 >= c.filled
	case MeansCurrency:
		return c.dates*2 <= c.filled && (c.amounts*2 <= c.filled || c.currencies > 0)
	case MeansDirection:
		return c.debits > 0 && c.debits+c.credits+c.transfer == c.filled ||
			c.credits > 0 && c.debits+c.credits+c.transfer == c.filled
	default:
		return true
	}
}

// with returns the columns with a meaning, the best name first.
func (in *inspector) with(meaning Meaning) []*column {
	var found []*column
	for _, c := range in.columns {
		if c.meaning == meaning {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b *column) int { return a.rank - b.rank })
	return found
}

// applyFormat completes the mapping of a format whose columns are known, of our own export, and of files that a known
// bank or program writes.
func (in *inspector) applyFormat() {
	header := make(map[string]bool, len(in.table.names))
	for _, name := range in.table.names {
		header[foldHeader(name)] = true
	}
	m := &in.mapping
	switch {
	case in.file.format != CSV && in.file.format != XLSX:
		m.fill(bookingMapping(in.file.format))
	case m.Preset == ownPreset || m.Date.Column == "" && m.Amount.Column == "" && hasAll(header, ownSignature.columns):
		in.source = ownSignature.name
		m.fill(ownSignature.mapping)
		if in.file.format == CSV && in.file.delimiter == ',' && m.Amount.Decimal == "" {
			m.Amount.Decimal = "." // as we write it; a spreadsheet that saves decimal commas uses semicolons
		}
	default:
		for _, known := range signatures() {
			if hasAll(header, known.columns) {
				in.source = known.name
				m.fill(known.mapping)
				return
			}
		}
	}
}

func hasAll(header map[string]bool, names []string) bool {
	for _, name := range names {
		if !header[name] {
			return false
		}
	}
	return true
}

// chooseColumns sets the columns that are not given, by their meanings.
func (in *inspector) chooseColumns() {
	m := &in.mapping
	if m.Amount.Column == "" {
		in.chooseAmount()
	}
	if m.Date.Column == "" {
		in.chooseDate()
	}
	if strings.Contains(strings.ToUpper(m.Date.Column), "UTC") && m.Date.Zone == "" {
		m.Date.Zone = "UTC"
	}
	if fees := in.with(MeansFee); m.Fee == (Fee{}) && len(fees) > 0 && fees[0].filled > 0 && m.Preset == "" {
		m.Fee = Fee{Column: in.name(fees[0]), As: "amount"}
	}
	if m.Currency == (Source{}) {
		in.chooseCurrency()
	}
	if categories := in.with(MeansCategory); m.Category == (Source{}) && len(categories) > 0 {
		m.Category.Column = in.name(categories[0])
	}
	if ids := in.with(MeansID); m.ID.Column == "" && len(ids) > 0 && ids[0].distinct() {
		m.ID.Column = in.name(ids[0])
	}
	if m.Sign.isZero() && m.Amount.CreditColumn == "" {
		if directions := in.with(MeansDirection); len(directions) > 0 {
			in.chooseDirection(directions[0])
		}
	}
	if m.Except.Column == "" {
		for _, c := range append(in.with(MeansStatus), in.with(MeansDate)...) { // or a status in place of the date
			if texts := c.textsIn(voidWords); len(texts) > 0 {
				m.Except = Choice{Column: in.name(c), Equals: texts}
				break
			}
		}
	}
	if len(m.Notes.Columns) == 0 {
		in.chooseNotes()
	}
}

func (in *inspector) name(c *column) string { return in.table.columnName(c.index) }

// used reports whether the mapping uses a column already.
func (in *inspector) used(c *column) bool {
	m, name := in.mapping, in.name(c)
	return slices.Contains([]string{m.Date.Column, m.Amount.Column, m.Amount.CreditColumn, m.Currency.Column,
		m.Category.Column,
		m.Fee.Column, m.ID.Column, m.Sign.Column, m.Except.Column}, name)
}

// distinct reports whether the column has another text in each row of the sample.
func (c *column) distinct() bool {
	return c.filled > 0 && (len(c.texts) == c.filled || len(c.texts) == 50 && c.filled > 50)
}

// textsIn returns the texts of the column that are in a list of words.
func (c *column) textsIn(list string) []string {
	var texts []string
	for text := range c.texts {
		if wordIn(list, text) {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return texts
}

// ask adds a question whose choices set one member each. It returns the mapping of the first choice.
func (in *inspector) ask(code, detail string, choices ...QuestionChoice) {
	in.questions = append(in.questions, Question{Code: code, Detail: detail, Choices: choices})
}

func (in *inspector) chooseAmount() {
	m := &in.mapping
	amounts, debits, credits := in.with(MeansAmount), in.with(MeansDebit), in.with(MeansCredit)
	if len(debits) > 0 && len(credits) > 0 && (debits[0].filled+credits[0].filled > 0 || len(amounts) == 0) {
		m.Amount.Column, m.Amount.CreditColumn = in.name(debits[0]), in.name(credits[0])
		return
	}
	if len(amounts) == 0 {
		amounts = debits
	}
	if len(amounts) == 0 {
		for _, c := range in.columns {
			if c.meaning == "" && c.fits(MeansAmount) && c.integers < c.filled && c.currencies < c.filled {
				amounts = append(amounts, c)
			}
		}
	}
	if len(amounts) == 0 {
		for _, c := range in.columns {
			if c.meaning == "" && c.fits(MeansAmount) {
				amounts = append(amounts, c)
			}
		}
	}
	switch {
	case len(amounts) == 0:
		in.ask("amount_column", "The file has no column that is known to hold amounts. Which column holds them?",
			in.columnChoices(in.columns, func(name string) Mapping { return Mapping{Amount: AmountColumn{Column: name}} })...)
	case len(amounts) > 1 && amounts[0].rank == amounts[1].rank:
		in.ask("amount_column", "Several columns may hold the amounts. Which one is it?",
			in.columnChoices(amounts, func(name string) Mapping { return Mapping{Amount: AmountColumn{Column: name}} })...)
	default:
		m.Amount.Column = in.name(amounts[0])
	}
}

func (in *inspector) chooseDate() {
	dates := append(in.with(MeansDate), in.with(MeansValueDate)...)
	if len(dates) == 0 {
		for _, c := range in.columns {
			if c.meaning == "" && c.fits(MeansDate) {
				dates = append(dates, c)
			}
		}
	}
	if len(dates) > 0 {
		in.mapping.Date.Column = in.name(dates[0])
		return
	}
	in.ask("date_column", "The file has no column that is known to hold dates. Which column holds them?",
		in.columnChoices(in.columns, func(name string) Mapping { return Mapping{Date: DateColumn{Column: name}} })...)
}

func (in *inspector) columnChoices(columns []*column, mapping func(name string) Mapping) []QuestionChoice {
	choices := make([]QuestionChoice, 0, len(columns))
	for _, c := range columns[:min(len(columns), 20)] {
		label := "column " + quote(in.name(c))
		for _, row := range in.table.sample {
			if text := cell(row, c.index); text != "" {
				label += ", such as " + quote(text)
				break
			}
		}
		choices = append(choices, QuestionChoice{Label: label, Mapping: mapping(in.name(c))})
	}
	return choices
}

// chooseCurrency sets the currency column, or the currency that the name of the amount column contains.
func (in *inspector) chooseCurrency() {
	m := &in.mapping
	found := in.with(MeansCurrency)
	if len(found) == 0 {
		found = slices.DeleteFunc(in.with(""), func(c *column) bool {
			return c.filled == 0 || c.codes < c.filled || in.used(c)
		})
	}
	if len(found) == 0 {
		for _, name := range []string{m.Amount.Column, m.Amount.CreditColumn} {
			index, err := in.table.find(name)
			if err != nil || index < 0 || index >= len(in.table.names) {
				continue
			}
			symbol := currencyInHeader(in.table.names[index])
			if symbol == "" {
				continue
			}
			if currency, ok := resolveCurrency(symbol, in.settings.Home); ok {
				m.Currency.Value = currency.Code()
			} else {
				in.askCurrency("The column "+quote(name)+" has a symbol that several currencies share. Which currency is it?",
					currenciesOf(symbol))
			}
			return
		}
		return
	}
	if len(found) > 1 {
		if beside := in.besideAmount(found); beside != nil {
			found = []*column{beside}
		}
	}
	if len(found) > 1 && !in.equalColumns(found) {
		in.ask("currency_column", "Several columns may hold the currency of the amounts. Which one is it?",
			in.columnChoices(found, func(name string) Mapping { return Mapping{Currency: Source{Column: name}} })...)
		return
	}
	c := found[0]
	if c.filled > 0 && c.currencies*2 <= c.filled {
		in.askCurrency("The texts of column "+quote(in.name(c))+
			" are no known currencies. Which currency are the amounts in?",
			[]expense.Currency{in.settings.Home})
		return
	}
	m.Currency.Column = in.name(c)
}

// besideAmount returns the currency column right after the amount, or else right before it; nil: none.
func (in *inspector) besideAmount(currencies []*column) *column {
	amount, err := in.table.find(in.mapping.Amount.Column)
	if err != nil || amount < 0 {
		return nil
	}
	for _, place := range []int{amount + 1, amount - 1} {
		for _, c := range currencies {
			if c.index == place {
				return c
			}
		}
	}
	return nil
}

// equalColumns reports whether columns have the same text in each row of the sample.
func (in *inspector) equalColumns(columns []*column) bool {
	for _, row := range in.table.sample {
		for _, c := range columns[1:] {
			if cell(row, c.index) != cell(row, columns[0].index) {
				return false
			}
		}
	}
	return true
}

func (in *inspector) askCurrency(detail string, currencies []expense.Currency) {
	var choices []QuestionChoice
	for _, currency := range currencies {
		choices = append(choices, QuestionChoice{
			Label:   "all amounts without another currency are in " + currency.Code(),
			Mapping: Mapping{Currency: Source{Column: in.mapping.Currency.Column, Value: currency.Code()}},
		})
	}
	in.ask("currency", detail, choices...)
}

// chooseDirection takes the direction of each row from a column.
func (in *inspector) chooseDirection(c *column) {
	m := &in.mapping
	if m.Sign.Equals = c.textsIn(debitWords); len(m.Sign.Equals) == 0 {
		return
	}
	m.Sign.Column = in.name(c)
	if transfers := c.textsIn(transferWords); len(transfers) > 0 && m.Except.Column == "" {
		m.Except = Choice{Column: in.name(c), Equals: transfers}
	}
}

// chooseNotes takes the columns whose names mean notes, or else those with texts.
func (in *inspector) chooseNotes() {
	for _, c := range in.columns {
		if c.meaning == MeansNotes && c.filled > 0 && !in.used(c) && len(in.mapping.Notes.Columns) < 6 {
			in.mapping.Notes.Columns = append(in.mapping.Notes.Columns, in.name(c))
		}
	}
	if len(in.mapping.Notes.Columns) > 0 {
		return
	}
	for _, c := range in.columns {
		letters := slices.ContainsFunc(in.table.sample, func(row []string) bool {
			return strings.ContainsFunc(cell(row, c.index), unicode.IsLetter)
		})
		if letters && !in.used(c) && (c.meaning == "" || c.meaning == MeansDirection) && c.amounts < c.filled &&
			c.dates < c.filled &&
			len(in.mapping.Notes.Columns) < 3 {
			in.mapping.Notes.Columns = append(in.mapping.Notes.Columns, in.name(c))
		}
	}
}
