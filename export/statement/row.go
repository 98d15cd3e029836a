package statement

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement/internal/format"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
)

// A Status is what an import does with a row.
type Status string

// The statuses.
const (
	Add     Status = "add"
	Known   Status = "known"   // already imported; the expense may have been deleted since
	Ignored Status = "ignored" // Row.Reason says why
	Failed  Status = "failed"  // Row.Failures says why
)

// The reasons why a row is ignored.
const (
	ReasonIncome   = "income"    // money in
	ReasonZero     = "zero"      // the amount is zero
	ReasonNoAmount = "no_amount" // the row has no amount, such as a balance or a line of text
	ReasonExcluded = "excluded"  // the mapping's "only" or "except" leaves the row out
	ReasonFooter   = "footer"    // the row stands below the table
)

// A Row is one row of a file as the mapping reads it.
type Row struct {
	Line     int           // the line on which it begins, from 1
	Date     expense.Date  // zero if Status is Failed
	Amount   expense.Money // positive is spending; for ignored income it is the amount of money in
	Category string        // the name in the file; empty: the default category
	Notes    string
	Status   Status
	Reason   string    // why the row is ignored
	Failures []Failure // why the row failed

	identity store.RowIdentity
	draft    expense.TypedDraft
}

// A Failure is one reason why a row failed.
type Failure struct {
	Line   int
	Column string // the name of the column in the file; empty: the whole row
	Code   string // stable and in snake_case, as of an [expense.InvalidError]
	Detail string
}

// A rowReader reads the rows of a file by a complete mapping.
type rowReader struct {
	mapping  Mapping
	table    table
	dates    dateFormat
	decimal  byte
	home     expense.Currency
	implicit expense.Currency // of rows that name no currency

	date, amount, credit, sign, fee, currency, category, id, only, except int // indexes of columns; -1: none
	notes                                                                 []int
	own                                                                   ownColumns
	signTexts, onlyTexts, exceptTexts                                     map[string]bool
	categories                                                            map[string]uuid.UUID
	footer                                                                int // the first line below the table; 0: none
	last                                                                  int // the index of the last mapped column
	ordinals                                                              map[uint64]uint32
}

// ownColumns are the further columns of our own export.
type ownColumns struct{ rate, rateSource, homeCurrency, ruleID int }

// newRowReader binds a mapping to the columns of a table. The error is ErrInvalid and names the fields of the mapping.
func newRowReader(m Mapping, t table, settings expense.Settings) (*rowReader, error) {
	var errs expense.ValidationErrors
	r := &rowReader{mapping: m, table: t, home: settings.Home, implicit: settings.Home, decimal: '.',
		ordinals: map[uint64]uint32{}, own: ownColumns{-1, -1, -1, -1}}
	find := func(field, name string) int {
		index, err := t.find(name)
		_ = errs.AddError(field, err)
		r.last = max(r.last, index)
		return index
	}
	r.date = find("date/column", m.Date.Column)
	r.amount = find("amount/column", m.Amount.Column)
	r.credit = find("amount/credit_column", m.Amount.CreditColumn)
	r.sign = find("sign/column", m.Sign.Column)
	r.fee = find("fee/column", m.Fee.Column)
	r.currency = find("currency/column", m.Currency.Column)
	r.category = find("category/column", m.Category.Column)
	r.id = find("id/column", m.ID.Column)
	r.only = find("only/column", m.Only.Column)
	r.except = find("except/column", m.Except.Column)
	for _, name := range m.Notes.Columns {
		r.notes = append(r.notes, find("notes/columns", name))
	}
	if m.Preset == ownPreset {
		r.own = ownColumns{rate: find("preset", "rate"), rateSource: find("preset", "rate_source"),
			homeCurrency: find("preset", "home_currency"), ruleID: find("preset", "rule_id")}
	}
	if m.Currency.Value != "" {
		currency, err := expense.ParseCurrency(m.Currency.Value)
		_ = errs.AddError("currency/value", err)
		r.implicit = currency
	}
	if m.Amount.Decimal != "" {
		r.decimal = m.Amount.Decimal[0]
	}
	r.dates = dateFormat{croatian: m.Date.Locale == "hr", zone: settings.Zone.Location()}
	var err error
	r.dates.order, err = parseLayout(m.Date.Layout)
	_ = errs.AddError("date/layout", err)
	if m.Date.Zone != "" {
		zone, err := expense.ParseZone(m.Date.Zone)
		_ = errs.AddError("date/zone", err)
		r.dates.source = zone.Location()
	}
	r.signTexts, r.onlyTexts, r.exceptTexts = foldedSet(m.Sign.Equals), foldedSet(m.Only.Equals),
		foldedSet(m.Except.Equals)
	r.categories = make(map[string]uuid.UUID, len(m.Categories))
	for name, text := range m.Categories {
		id, err := expense.ParseID(text)
		_ = errs.AddError("categories/"+name, err)
		r.categories[expense.Fold(trim(name))] = id
	}
	return r, errs.Err()
}

func foldedSet(texts []string) map[string]bool {
	set := make(map[string]bool, len(texts))
	for _, text := range texts {
		set[expense.Fold(trim(text))] = true
	}
	return set
}

// cell returns the text of a column without blanks around it; "" if the row has no such column.
func cell(fields []string, index int) string {
	if index < 0 || index >= len(fields) {
		return ""
	}
	return trim(wire.UnguardCell(fields[index]))
}

// failure returns a field error as a failure. Fields that a column holds get the name of the column.
func (r *rowReader) failure(line int, fault *expense.InvalidError) Failure {
	index := -1
	switch fault.Field {
	case "date":
		index = r.date
	case "amount":
		index = r.amount
	case "currency":
		index = r.currency
	case "category", "category_id":
		index = r.category
	case "notes":
		if len(r.notes) > 0 {
			index = r.notes[0]
		}
	case "fee":
		index = r.fee
	case "id":
		index = r.id
	case "rate":
		index = r.own.rate
	}
	column := ""
	if index >= 0 {
		column = r.table.columnName(index)
	}
	return Failure{Line: line, Column: column, Code: fault.Code, Detail: fault.Detail}
}

func (r *rowReader) failed(line int, err error) Row {
	row := Row{Line: line, Status: Failed}
	for _, fault := range expense.InvalidErrors(err) {
		row.Failures = append(row.Failures, r.failure(line, fault))
	}
	return row
}

// read returns the rows of a record: one, or two if its fee is a row of its own.
func (r *rowReader) read(rec format.Record) []Row {
	ignored := func(reason string) []Row { return []Row{{Line: rec.Line, Status: Ignored, Reason: reason}} }
	switch fields := rec.Fields; {
	case r.footer > 0 && rec.Line >= r.footer:
		return ignored(ReasonFooter)
	case rec.Fault != nil:
		return []Row{r.failed(rec.Line, rec.Fault)}
	case r.only >= 0 && !r.onlyTexts[expense.Fold(cell(fields, r.only))],
		r.except >= 0 && r.exceptTexts[expense.Fold(cell(fields, r.except))]:
		return ignored(ReasonExcluded)
	}
	fields := rec.Fields
	dateText, amountText, creditText := cell(fields, r.date), cell(fields, r.amount), cell(fields, r.credit)
	date, dated := r.dates.parse(dateText)
	if err := r.checkWidth(fields, dated); err != nil {
		return []Row{r.failed(rec.Line, err)}
	}
	feeText := cell(fields, r.fee)
	if noAmount(amountText) && noAmount(creditText) && (noAmount(feeText) || !dated) ||
		!dated && !strings.ContainsAny(plainText(dateText)+plainText(amountText)+plainText(creditText), "0123456789") {
		return ignored(ReasonNoAmount)
	}
	var errs expense.ValidationErrors
	if !dated {
		errs.Add("date", "malformed_date", "date %s is not a date in the layout %s; correct it, or the layout in the mapping",
			quote(dateText), r.mapping.Date.Layout)
	}
	value, spending, symbol := r.readAmount(&errs, fields, amountText, creditText)
	fee := r.readFee(&errs, feeText, &symbol)
	currency := r.readCurrency(&errs, cell(fields, r.currency), symbol)
	row := Row{Line: rec.Line, Date: date, Category: r.mapping.Category.Value, Notes: r.readNotes(fields)}
	if r.category >= 0 && cell(fields, r.category) != "" {
		row.Category = cell(fields, r.category)
	}
	if err := errs.Err(); err != nil {
		return []Row{r.failed(rec.Line, err)}
	}
	rows := make([]Row, 0, 2)
	if !value.IsZero() || fee.IsZero() || r.mapping.Fee.As == "row" {
		rows = append(rows, row)
	}
	if r.mapping.Fee.As != "row" && spending && !fee.IsZero() {
		value, fee, rows = value.Add(fee), decimal.Zero, append(rows[:0], row)
	}
	for i := range rows {
		r.finish(&rows[i], fields, value, currency, spending, "")
	}
	if !fee.IsZero() && (spending || r.mapping.Fee.As == "row") {
		rows = append(rows, row)
		r.finish(&rows[len(rows)-1], fields, fee, currency, true, "fee")
	}
	if len(rows) == 2 && rows[0].Reason == ReasonZero {
		rows = rows[1:]
	}
	return rows
}

// checkWidth reports a row that has a date but lacks mapped columns, and one with more cells than the header.
func (r *rowReader) checkWidth(fields []string, dated bool) error {
	var errs expense.ValidationErrors
	for len(fields) > r.table.width && trim(fields[len(fields)-1]) == "" {
		fields = fields[:len(fields)-1]
	}
	switch {
	case len(fields) > r.table.width:
		errs.Add("", "wrong_field_count",
			"the row has %d cells and the header has %d; put texts that contain the delimiter in quotes", len(fields),
			r.table.width)
	case dated && len(fields) <= r.last:
		errs.Add("", "wrong_field_count", "the row has only %d cells and the header has %d; export the file again",
			len(fields), r.table.width)
	}
	return errs.Err()
}

// readAmount returns the absolute value of the row's amount, whether it is spending, and the currency in its cell.
func (r *rowReader) readAmount(
	errs *expense.ValidationErrors, fields []string, amountText, creditText string,
) (value decimal.Decimal, spending bool, symbol string) {
	out, err := parseAmount(amountText, r.decimal)
	_ = errs.AddError("amount", err)
	in, err := parseAmount(creditText, r.decimal)
	_ = errs.AddError("amount", err)
	outValue, inValue := absolute(errs, out), absolute(errs, in)
	if !outValue.IsZero() && !inValue.IsZero() {
		errs.Add("amount", "two_amounts", "the row has both %s out and %s in; correct it in the file", quote(amountText),
			quote(creditText))
	}
	if !inValue.IsZero() {
		return inValue, in.mark == 'D' || in.mark == 0 && in.minus != (r.mapping.Sign.Income == "negative"), in.currency
	}
	negative := r.mapping.Sign.Expense == "negative"
	switch {
	case out.mark != 0:
		spending = out.mark == 'D'
	case r.sign >= 0:
		spending = r.signTexts[expense.Fold(cell(fields, r.sign))]
		if spending && out.minus != negative && !outValue.IsZero() {
			errs.Add("amount", "contradictory_sign",
				"amount %s contradicts %s in column %s; correct one of them in the file", quote(amountText),
				quote(cell(fields, r.sign)), quote(r.table.columnName(r.sign)))
		}
	default:
		spending = out.minus == negative
	}
	return outValue, spending, out.currency
}

// absolute returns the absolute value of an amount; zero if there is none.
func absolute(errs *expense.ValidationErrors, a amount) decimal.Decimal {
	if a.digits == "" {
		return decimal.Zero
	}
	value, err := expense.ParseDecimal(a.digits)
	_ = errs.AddError("amount", err)
	return value
}

func (r *rowReader) readFee(errs *expense.ValidationErrors, text string, symbol *string) decimal.Decimal {
	fee, err := parseAmount(text, r.decimal)
	_ = errs.AddError("fee", err)
	if *symbol == "" {
		*symbol = fee.currency
	}
	return absolute(errs, fee)
}

// readCurrency returns the currency of a row from the cell of the currency column and the symbol beside the amount.
func (r *rowReader) readCurrency(errs *expense.ValidationErrors, text, symbol string) expense.Currency {
	unknown := func(text string) expense.Currency {
		if len(currenciesOf(text)) > 1 {
			errs.Add("currency", "ambiguous_currency",
				"%s is the symbol of several currencies; give currency.value in the mapping",
				quote(text))
		} else {
			errs.Add("currency", "unknown_currency", "currency %s is unknown; correct it, or give another currency column",
				quote(text))
		}
		return expense.Currency{}
	}
	if text == "" {
		text, symbol = symbol, ""
	}
	if text == "" {
		return r.implicit
	}
	currency, ok := resolveCurrency(text, r.implicit)
	if !ok && symbol != "" {
		currency, ok = resolveCurrency(symbol, r.implicit)
	}
	switch {
	case !ok:
		return unknown(text)
	case symbol != "" && !containsCurrency(currenciesOf(symbol), currency):
		errs.Add("currency", "currency_mismatch", "the amount is in %s, but the currency column has %s; correct one of them",
			quote(symbol), quote(text))
	}
	return currency
}

// readNotes joins the distinct texts of the notes columns.
func (r *rowReader) readNotes(fields []string) string {
	if len(r.notes) == 1 && r.mapping.Preset == ownPreset && r.notes[0] < len(fields) {
		return strings.ReplaceAll(wire.UnguardCell(fields[r.notes[0]]), "\r\n", "\n")
	}
	var texts []string
	for _, index := range r.notes {
		text := strings.ReplaceAll(cell(fields, index), "\r\n", "\n")
		if text != "" && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, " · ")
}

// finish sets the amount, the status and the draft of a row.
func (r *rowReader) finish(
	row *Row, fields []string, value decimal.Decimal, currency expense.Currency, spending bool, kind string,
) {
	row.Status = Add
	if !spending && r.mapping.Income == "refund" {
		value = value.Neg()
	}
	amount, err := expense.ParseAmount(value.String(), currency)
	var errs expense.ValidationErrors
	_ = errs.AddError("amount", err)
	row.Amount = amount
	row.draft = expense.TypedDraft{Amount: amount, Date: row.Date, Category: row.Category, Notes: row.Notes}
	if id, ok := r.categories[expense.Fold(row.Category)]; ok {
		row.draft.CategoryID, row.draft.Category = id, ""
	}
	switch {
	case errs.Err() != nil:
		*row = r.failed(row.Line, errs.Err())
		return
	case amount.IsZero():
		row.Status, row.Reason = Ignored, ReasonZero
		return
	case !spending && r.mapping.Income != "refund" && r.mapping.Income != "add":
		row.Status, row.Reason = Ignored, ReasonIncome
		return
	}
	id := cell(fields, r.id)
	if r.mapping.Preset == ownPreset {
		r.finishOwn(&errs, row, fields, id)
	}
	if errs.Err() != nil {
		*row = r.failed(row.Line, errs.Err())
		return
	}
	row.identity = r.identify(row, id, kind)
}

// finishOwn restores the id, the rate and the recurring rule of an expense of our own export.
func (r *rowReader) finishOwn(errs *expense.ValidationErrors, row *Row, fields []string, id string) {
	if id != "" {
		parsed, err := expense.ParseID(id)
		_ = errs.AddError("id", err)
		row.draft.ID = parsed
	}
	if cell(fields, r.own.rateSource) == string(expense.SourceUser) && cell(fields, r.own.homeCurrency) == r.home.Code() {
		rate := cell(fields, r.own.rate)
		if r.decimal == ',' {
			rate = strings.Replace(rate, ",", ".", 1)
		}
		factor, err := expense.ParseFactor(rate)
		_ = errs.AddError("rate", err)
		row.draft.Rate = factor
	}
	rule, err := uuid.Parse(cell(fields, r.own.ruleID))
	if err == nil && expense.OccurrenceID(rule, row.Date) == row.draft.ID {
		row.draft.RuleID, row.draft.Occurrence = rule, row.Date
	}
}

// identify returns the identity of a row: a hash over the account and its id in the file, or else over the mapped
// columns as understood, and its ordinal among the equal rows of the file. It begins with the date, so that stores keep
// the identities of a statement together.
func (r *rowReader) identify(row *Row, id, kind string) store.RowIdentity {
	var prefix [4]byte
	parts := []string{r.mapping.Account, kind, "id", id}
	if id == "" {
		binary.BigEndian.PutUint32(prefix[:], uint32(row.Date.Int()))
		parts = []string{r.mapping.Account, kind, row.Date.String(), row.Amount.String(), expense.Fold(row.Category),
			row.Notes}
	}
	hash := sha256.New()
	var length [4]byte
	for _, part := range parts {
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		hash.Write(length[:])
		hash.Write([]byte(part))
	}
	sum := hash.Sum(nil)
	key := binary.BigEndian.Uint64(sum)
	r.ordinals[key]++
	sum = binary.BigEndian.AppendUint32(sum, r.ordinals[key])
	full := sha256.Sum256(sum)
	identity := store.RowIdentity(full[:16])
	if id == "" {
		copy(identity[:], prefix[:])
	}
	return identity
}
