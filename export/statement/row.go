package statement

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// lineSpace is the namespace of the ids that lines without an id of their own get.
var lineSpace = uuid.MustParse("b3e5a2d4-7c41-5f0e-8a96-2f4d1c7e9b05")

// A Row is one line of a file as its mapping reads it.
type Row struct {
	Line     int           // the physical line it begins on, from 1
	Draft    expense.Draft // meaningless with faults, or ignored; its Category may be new to the ledger
	Ignored  bool          // the mapping leaves the line out
	Failures []Failure     // why the line cannot be read

	rateHome string // the home currency that Draft.Rate is in; empty: the ledger's
	columns  *columns
}

// A Failure is one reason why a line did not go in.
type Failure struct {
	Line   int
	Column string // the file's name of the column; empty for the whole line
	Code   string // stable and snake_case, as of an [expense.InvalidError]
	Detail string
}

// fail returns fault as a failure of the row. A field that the mapping takes from a column has the column's name.
func (row Row) fail(fault *expense.InvalidError) Failure {
	column := fault.Field
	if row.columns != nil {
		column = row.columns.nameOf(fault.Field)
	}
	return Failure{Line: row.Line, Column: column, Code: fault.Code, Detail: fault.Detail}
}

// Rows reads a CSV file by a mapping, one row at a time: nothing is kept of a row but a few bytes, by which equal lines
// are counted. A line that cannot be read is a row with faults; an error is the last thing that is yielded, ErrInvalid
// where mapping and header line do not fit. Each row's draft has an id: the file's own in an export of ours, else one
// made of the line's content and its ordinal among equal lines, so that the same line of a longer file gets the same.
// If r is an io.Seeker, Rows may be ranged over again, from where r stands now.
func Rows(r io.Reader, m Mapping) iter.Seq2[Row, error] {
	seeker, canSeek := r.(io.Seeker)
	var start int64
	if canSeek {
		var err error
		start, err = seeker.Seek(0, io.SeekCurrent)
		canSeek = err == nil // a pipe is a file that cannot
	}
	read := false
	return func(yield func(Row, error) bool) {
		if read {
			if !canSeek {
				yield(Row{}, errors.New("the file can be read only once"))
				return
			}
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				yield(Row{}, fmt.Errorf("read the file again: %w", err))
				return
			}
		}
		read = true
		if err := m.Validate(); err != nil {
			yield(Row{}, err)
			return
		}
		if err := readRows(r, m, func(row Row) bool { return yield(row, nil) }); err != nil {
			yield(Row{}, err)
		}
	}
}

// readRows calls yield with each row until it returns false.
func readRows(r io.Reader, m Mapping, yield func(Row) bool) error {
	text, from, err := decoded(r, m.Encoding)
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	records := newRecordReader(text, from, m.delimiter())
	header, err := records.next()
	switch {
	case errors.Is(err, io.EOF):
		return &expense.InvalidError{Field: "file", Code: "empty_file", Detail: "the file has no header line"}
	case err != nil:
		return fmt.Errorf("read the file: %w", err)
	case header.fault != nil:
		return &expense.InvalidError{Field: "file", Code: header.fault.Code,
			Detail: "the header line: " + header.fault.Detail}
	}
	cols, err := newColumns(m, slices.Clone(header.fields))
	if err != nil {
		return err
	}
	lines := lineIDs{seen: map[uint64]uint32{}}
	for {
		rec, err := records.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the file after line %d: %w", records.line-1, err)
		}
		row := Row{Line: rec.line, columns: cols}
		if rec.fault != nil {
			row.Failures = []Failure{row.fail(rec.fault)}
		} else {
			cols.read(&row, rec.fields, lines.id(rec.fields))
		}
		if !yield(row) {
			return nil
		}
	}
}

// lineIDs makes the ids of lines.
type lineIDs struct {
	seen map[uint64]uint32 // how many lines of that content there were, by the first 64 bits of its hash
	buf  []byte
}

// id returns UUID version 5 of the SHA-256 of the normalised line and its ordinal among the equal lines so far.
func (l *lineIDs) id(fields []string) uuid.UUID {
	l.buf = normalised(l.buf[:0], fields)
	hash := sha256.Sum256(l.buf)
	key := binary.BigEndian.Uint64(hash[:])
	l.seen[key]++
	return uuid.NewSHA1(lineSpace, strconv.AppendUint(hash[:], uint64(l.seen[key]), 10))
}

// columns is a mapping bound to a file's header line.
type columns struct {
	mapping  Mapping
	layouts  []layout
	names    []string
	date     int
	amount   int
	credit   int
	currency int
	category int
	notes    int
	only     int
	except   int
	sign     int
	own      ownColumns
	takes    map[string]bool // what Only's column equals, folded
	leaves   map[string]bool // what Except's column equals, folded
	turns    map[string]bool // what Sign's column equals, folded
}

// ownColumns are the columns that only an export of ours has.
type ownColumns struct {
	id, rate, rateSource, homeCurrency, ruleID int
}

func newColumns(m Mapping, header []string) (*columns, error) {
	var faults expense.ValidationErrors
	c := &columns{
		mapping: m, names: header, takes: foldedSet(m.Only.Equals), leaves: foldedSet(m.Except.Equals),
		turns: foldedSet(m.Sign.Equals),
	}
	for i := range header {
		header[i] = trim(header[i])
	}
	find := func(field, name string) int {
		if name == "" {
			// A column that a preset does not ask for, and takes where there is one.
			for _, other := range m.others[field] {
				if place, err := findColumn(header, other); err == nil {
					return place
				}
			}
			return -1
		}
		place, err := findColumn(header, trim(name))
		for _, other := range m.others[field] {
			if place >= 0 {
				break
			}
			if there, otherErr := findColumn(header, other); otherErr == nil {
				place, err = there, nil
			}
		}
		_ = faults.AddError(field, err)
		return place
	}
	c.date = find("date/column", m.Date.Column)
	c.amount = find("amount/column", m.Amount.Column)
	c.credit = find("amount/credit_column", m.Amount.Credit)
	c.currency = find("currency/column", m.Currency.Column)
	c.category = find("category/column", m.Category.Column)
	c.notes = find("notes/column", m.Notes)
	c.only = find("only/column", m.Only.Column)
	c.except = find("except/column", m.Except.Column)
	c.sign = find("sign/column", m.Sign.Column)
	if m.own {
		c.own = ownColumns{
			id:           find("preset", "id"),
			rate:         find("preset", "rate"),
			rateSource:   find("preset", "rate_source"),
			homeCurrency: find("preset", "home_currency"),
			ruleID:       find("preset", "rule_id"),
		}
	}
	var err error
	c.layouts, err = parseLayouts(m.Date.Layout)
	_ = faults.AddError("date/layout", err)
	return c, faults.Err()
}

// findColumn returns the place of the column of that name: the same, else the same by Fold. Two such are a fault.
func findColumn(header []string, name string) (int, error) {
	for _, same := range []func(string) bool{
		func(column string) bool { return column == name },
		func(column string) bool { return expense.Fold(column) == expense.Fold(name) },
	} {
		place := slices.IndexFunc(header, same)
		if place < 0 {
			continue
		}
		if slices.ContainsFunc(header[place+1:], same) {
			return -1, &expense.InvalidError{
				Code: "ambiguous_column", Detail: fmt.Sprintf("the file has two columns %q; rename one of them", name),
			}
		}
		return place, nil
	}
	shown := header[:min(len(header), 30)]
	return -1, &expense.InvalidError{
		Code: "unknown_column", Detail: fmt.Sprintf("the file has no column %.60q; its header line has %.60q", name, shown),
	}
}

func foldedSet(texts []string) map[string]bool {
	set := make(map[string]bool, len(texts))
	for _, text := range texts {
		set[expense.Fold(trim(text))] = true
	}
	return set
}

// nameOf returns the file's name of the column that a draft's field is taken from; "" for one that no column gives.
func (c *columns) nameOf(field string) string {
	place := -1
	switch field {
	case "date":
		place = c.date
	case "amount":
		place = c.amount
	case "currency":
		place = c.currency
	case "category", "category_id":
		place = c.category
	case "notes":
		place = c.notes
	case "id", "rate", "rule_id":
		if c.mapping.own {
			return field
		}
	}
	if place < 0 {
		return ""
	}
	return c.names[place]
}

// read fills row in from the fields of its line; id is the line's.
func (c *columns) read(row *Row, fields []string, id uuid.UUID) {
	for len(fields) > len(c.names) && trim(fields[len(fields)-1]) == "" {
		fields = fields[:len(fields)-1]
	}
	if len(fields) != len(c.names) {
		row.Failures = []Failure{row.fail(&expense.InvalidError{
			Code: "wrong_field_count",
			Detail: fmt.Sprintf("the line has %d fields where the header line has %d; a text with the delimiter in it is quoted",
				len(fields), len(c.names)),
		})}
		return
	}
	if c.only >= 0 && !c.takes[expense.Fold(trim(wire.UnguardCell(fields[c.only])))] ||
		c.except >= 0 && c.leaves[expense.Fold(trim(wire.UnguardCell(fields[c.except])))] {
		row.Ignored = true
		return
	}
	if c.mapping.own {
		c.readOwn(row, fields, id)
		return
	}
	var faults expense.ValidationErrors
	row.Draft = expense.Draft{ID: id.String(), Category: c.mapping.Category.Value}
	row.Draft.Currency = c.readCurrency(&faults, fields)
	row.Draft.Amount = c.readAmount(&faults, fields, row.Draft.Currency)
	date, ok := c.readDate(fields)
	if !ok {
		layout := c.mapping.Date.Layout
		if layout == "" {
			layout = "YYYY-MM-DD"
		}
		faults.Add("date", "malformed_date", "%.40q is not a date written %s", fields[c.date], layout)
	}
	row.Draft.Date = date.String()
	if c.category >= 0 {
		row.Draft.Category = trim(wire.UnguardCell(fields[c.category]))
	}
	if c.notes >= 0 {
		notes := trim(wire.UnguardCell(strings.ReplaceAll(fields[c.notes], "\r\n", "\n")))
		row.Draft.Notes = &notes
	}
	for _, fault := range expense.InvalidErrors(faults.Err()) {
		row.Failures = append(row.Failures, row.fail(fault))
	}
}

func (c *columns) readCurrency(faults *expense.ValidationErrors, fields []string) string {
	if c.currency < 0 {
		return c.mapping.Currency.Value
	}
	code := strings.ToUpper(trim(fields[c.currency]))
	if code == "" {
		faults.Add("currency", "required", "the line names no currency")
		return ""
	}
	if _, err := expense.ParseCurrency(code); err != nil {
		_ = faults.AddError("currency", err)
		return ""
	}
	return code
}

func (c *columns) readDate(fields []string) (expense.Date, bool) {
	text := trim(fields[c.date])
	for _, layout := range c.layouts {
		if date, ok := layout.date(text); ok {
			return date, true
		}
	}
	return expense.Date{}, false
}

func (c *columns) readAmount(faults *expense.ValidationErrors, fields []string, currency string) string {
	text, ok := c.plainAmount(faults, fields[c.amount], currency)
	if !ok {
		return ""
	}
	if c.credit >= 0 {
		credit, ok := c.plainAmount(faults, fields[c.credit], currency)
		if !ok {
			return ""
		}
		if text, ok = c.net(faults, text, credit); !ok {
			return ""
		}
	}
	turned := c.mapping.Negate
	if c.sign >= 0 && c.turns[expense.Fold(trim(wire.UnguardCell(fields[c.sign])))] {
		turned = !turned
	}
	if !turned {
		return text
	}
	if positive, negative := strings.CutPrefix(text, "-"); negative {
		return positive
	}
	return "-" + text
}

// plainAmount reads the amount in one cell; of two columns one may be empty.
func (c *columns) plainAmount(faults *expense.ValidationErrors, cell, currency string) (string, bool) {
	if c.credit >= 0 && trim(cell) == "" {
		return "0", true
	}
	decimal := byte('.')
	if c.mapping.Amount.Decimal != "" {
		decimal = c.mapping.Amount.Decimal[0]
	}
	text := cell
	if c.mapping.Amount.Symbols {
		text = withoutSymbol(text)
	}
	amount, ok := plainAmount(text, decimal, currency)
	if !ok {
		faults.Add("amount", "malformed_amount", "%.40q is not an amount with the decimal sign %q and groups of digits in "+
			"the right places",
			cell, decimal)
	}
	return amount, ok
}

// net returns what went out less what came in.
func (c *columns) net(faults *expense.ValidationErrors, out, in string) (string, bool) {
	if in == "0" {
		return out, true
	}
	paid, err := expense.ParseDecimal(out)
	_ = faults.AddError("amount", err)
	got, gotErr := expense.ParseDecimal(in)
	_ = faults.AddError("amount", gotErr)
	if err != nil || gotErr != nil {
		return "", false
	}
	return paid.Sub(got).String(), true
}

// readOwn reads a line of an export of ours: texts as they were written, ids and rates too. A line without an id, which
// somebody has added, gets the line's. A rule's id comes back where the id shows for which occurrence the expense
// stands.
func (c *columns) readOwn(row *Row, fields []string, id uuid.UUID) {
	notes := wire.UnguardCell(fields[c.notes])
	row.Draft = expense.Draft{
		ID:       fields[c.own.id],
		Date:     fields[c.date],
		Amount:   fields[c.amount],
		Currency: fields[c.currency],
		Category: trim(wire.UnguardCell(fields[c.category])),
		Notes:    &notes,
	}
	if row.Draft.ID == "" {
		row.Draft.ID = id.String()
	}
	if wire.UnguardCell(fields[c.own.rateSource]) == string(expense.SourceUser) {
		row.Draft.Rate, row.rateHome = fields[c.own.rate], fields[c.own.homeCurrency]
	}
	rule, err := uuid.Parse(fields[c.own.ruleID])
	date, malformed := expense.ParseDate(row.Draft.Date)
	if err == nil && malformed == nil && expense.OccurrenceID(rule, date).String() == row.Draft.ID {
		row.Draft.RuleID, row.Draft.Occurrence = rule.String(), row.Draft.Date
	}
}
