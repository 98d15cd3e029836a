package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// maxLine is the longest line in bytes. The longest line that Write writes is a budget with a limit for each month of a
// century.
const maxLine = 1 << 20

// file is the content of a backup except its expenses.
type file struct {
	latestDate expense.Date // no expense may have a later date
	settings   expense.Settings
	categories []expense.Category
	rules      []recurrence.Rule
	budgets    []budget.Budget
	alerts     []budget.Alert
	imports    []store.Import

	importedRows []store.ImportedRow

	counts Counts

	categoryIDs   map[uuid.UUID]bool
	otherIDs      map[uuid.UUID]bool
	categoryNames map[string]bool    // folded
	budgeted      map[uuid.UUID]bool // categories that have a budget; uuid.Nil is the whole ledger
	volume        int64              // of the expenses so far, see [expense.Expense.Volume]
	sum           hash.Hash          // of the lines so far
	ended         bool               // the last line was read
}

// lineError returns an InvalidError that names the line. It has the code of the first InvalidError in err.
func lineError(line int, err error) error {
	code, detail := "malformed", err.Error()
	if errs := expense.InvalidErrors(err); len(errs) > 0 {
		code = errs[0].Code
	}
	return &expense.InvalidError{Field: "file", Code: code, Detail: fmt.Sprintf("line %d: %s", line, detail)}
}

// read reads and checks a whole backup. If onExpense is not nil, read calls it with every expense. It stores everything
// else in f.
func (f *file) read(ctx context.Context, r io.Reader, onExpense func(expense.Expense) error) error {
	*f = file{
		latestDate: f.latestDate, categoryIDs: map[uuid.UUID]bool{}, otherIDs: map[uuid.UUID]bool{},
		categoryNames: map[string]bool{}, budgeted: map[uuid.UUID]bool{}, sum: sha256.New(),
	}
	lines := bufio.NewReaderSize(r, maxLine)
	for number := 1; ; number++ {
		text, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return lineError(number, errors.New("the line is longer than any line of a backup; check that the file is a backup"))
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read line %d: %w", number, err)
		case len(text) == 0 && number == 1:
			return lineError(number, errors.New("the file is empty"))
		case len(text) == 0 && !f.ended:
			return lineError(number, fmt.Errorf(
				"the file ends after %d expenses without its last line: it was cut off; use a complete copy", f.counts.Expenses))
		case len(text) == 0:
			return nil
		}
		if number%progressInterval == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e, err := f.line(number, text)
		if err != nil {
			return lineError(number, err)
		}
		_, _ = f.sum.Write(text) // a hash never fails
		if onExpense != nil && e.ID != uuid.Nil {
			if err := onExpense(e); err != nil {
				return err
			}
		}
	}
}

// line reads one line. It returns the expense of the line, or the zero Expense for a line of another type.
func (f *file) line(number int, text []byte) (e expense.Expense, err error) {
	if f.ended {
		return e, errors.New("nothing may follow the line of type end")
	}
	if !utf8.Valid(text) {
		return e, errors.New("the line is not valid UTF-8")
	}
	if number == 1 {
		return e, checkHead(text)
	}
	lineType := typeOf(text)
	if (lineType == typeSettings) != (number == 2) {
		return e, errors.New("the second line must hold the settings, and no other line may")
	}
	switch lineType {
	case typeSettings:
		return e, decodeLine(text, f.addSettings)
	case typeCategory:
		return e, decodeLine(text, f.addCategory)
	case typeRule:
		return e, decodeLine(text, f.addRule)
	case typeBudget:
		return e, decodeLine(text, f.addBudget)
	case typeAlert:
		return e, decodeLine(text, f.addAlert)
	case typeImport:
		return e, decodeLine(text, f.addImport)
	case typeImportRows:
		return e, decodeLine(text, f.addImportRows)
	case typeEnd:
		return e, decodeLine(text, f.checkEnd)
	case typeExpense:
		var line expenseLine
		if !line.scan(text) {
			line = expenseLine{}
			if err := decodeStrictly(text, &line); err != nil {
				return e, err
			}
		}
		return f.addExpense(line)
	}
	return e, fmt.Errorf("the line type %.20q is unknown; check that the file is a backup", lineType)
}

// typeOf returns the type of a line if it is the first member, else "".
func typeOf(text []byte) string {
	rest, found := bytes.CutPrefix(text, []byte(`{"type":"`))
	if !found {
		return ""
	}
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(name)
}

func checkHead(text []byte) error {
	var head headLine
	if err := json.Unmarshal(text, &head); err != nil || head.Format != format {
		return fmt.Errorf("the file is not a backup of a ledger: a backup begins with {\"format\":%q", format)
	}
	if head.Version != formatVersion {
		return fmt.Errorf("the format of the backup is version %d, but this release reads version %d only; "+
			"restore it with the release that wrote it", head.Version, formatVersion)
	}
	return nil
}

// decodeLine decodes a line and passes it to add.
func decodeLine[L any](text []byte, add func(L) error) error {
	var line L
	if err := decodeStrictly(text, &line); err != nil {
		return err
	}
	return add(line)
}

// decodeStrictly decodes one JSON object. It returns an error for an unknown, a missing or a repeated member. It also
// returns an error for a value that [Write] would write in another form, because restoring such a value would lose or
// change data.
func decodeStrictly(text []byte, line any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(line); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the line is cut off")
		}
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("the member %q must not be a JSON %s", wrong.Field, wrong.Value)
		}
		return fmt.Errorf("the line cannot be read: %w", err)
	}
	if rest := bytes.TrimSpace(text[decoder.InputOffset():]); len(rest) > 0 {
		return errors.New("the line holds more than one JSON object")
	}
	got, err := members(text)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		return err
	}
	want, err := members(encoded)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(got[name], want[name]) {
			return fmt.Errorf("the member %q is missing or does not have the form that a backup has", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, known := want[name]; !known {
			return fmt.Errorf("the member %q is unknown", name)
		}
	}
	return nil
}

// members returns the members of a JSON object. It returns an error if two of them have the same name.
func members(text []byte) (map[string]any, error) {
	value, err := wire.ParseValue(json.NewDecoder(bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("the line cannot be read: %w", err)
	}
	object, _ := value.(map[string]any)
	return object, nil
}

// rowErrors collects the errors of one row.
type rowErrors struct{ expense.ValidationErrors }

// add adds an error of a conversion or a validation.
func (e *rowErrors) add(field string, err error) {
	if err := e.AddError(field, err); err != nil {
		e.Add(field, "malformed", "%v", err)
	}
}

// addParsed adds the error of Parse. If there is none, it calls validate and adds its error.
func (e *rowErrors) addParsed(err error, validate func() error) {
	if e.add("", err); err == nil {
		e.add("", validate())
	}
}

func (f *file) addSettings(line settingsLine) (err error) {
	f.settings, err = line.Parse()
	return err
}

func (f *file) addCategory(line categoryLine) error {
	var errs rowErrors
	c, err := line.Parse()
	errs.addParsed(err, c.Validate)
	if f.categoryNames[expense.Fold(c.Name)] {
		errs.Add("name", "duplicate", "another category has the name %q", c.Name)
	}
	if f.categoryIDs[c.ID] {
		errs.Add("id", "duplicate", "another category has this id")
	}
	if c.Archived && c.ID == f.settings.DefaultCategory {
		errs.Add("archived", "default_category", "the default category cannot be archived")
	}
	f.categoryIDs[c.ID], f.categoryNames[expense.Fold(c.Name)] = true, true
	f.categories = append(f.categories, c)
	f.counts.Categories++
	return errs.Err()
}

func (f *file) addRule(line ruleLine) error {
	var errs rowErrors
	r, err := line.Parse()
	r.Failures = line.Failures
	if line.SettledThrough != nil {
		var malformed error
		r.SettledThrough, malformed = expense.ParseDate(*line.SettledThrough)
		errs.add("settled_date", malformed)
	}
	errs.addParsed(err, r.Validate)
	errs.add("notes", expense.ValidateNotes(r.Notes))
	errs.add("last_error", expense.ValidateNotes(r.LastError))
	f.checkCategory(&errs, "category_id", r.CategoryID)
	f.checkID(&errs, r.ID)
	f.rules = append(f.rules, r)
	f.counts.Recurrences++
	return errs.Err()
}

func (f *file) addBudget(line budgetLine) error {
	var errs rowErrors
	b, err := line.Parse()
	errs.addParsed(err, b.Validate)
	if line.Currency != f.settings.Home.Code() {
		errs.Add("currency", "currency_mismatch", "a limit must be in the home currency %s", f.settings.Home)
	}
	switch merged := b.MergedInto != uuid.Nil; {
	case merged && (f.categoryIDs[b.CategoryID] || b.Until.IsZero()):
		errs.Add("merged_into", "not_merged",
			"only a budget that has ended, and whose category was merged into another one, has this member")
	case merged:
		errs.add("label", mergedCategory(b).Validate())
		f.checkCategory(&errs, "merged_into", b.MergedInto)
	case b.CategoryID != uuid.Nil:
		f.checkCategory(&errs, "category_id", b.CategoryID)
	}
	if f.budgeted[b.CategoryID] {
		errs.Add("category_id", "duplicate", "another budget has this category")
	}
	f.budgeted[b.CategoryID] = true
	f.checkID(&errs, b.ID)
	f.budgets = append(f.budgets, b)
	f.counts.Budgets++
	return errs.Err()
}

func (f *file) addAlert(line alertLine) error {
	var errs rowErrors
	a, err := line.Parse()
	errs.add("", err)
	f.checkID(&errs, a.ID)
	f.alerts = append(f.alerts, a)
	f.counts.Alerts++
	return errs.Err()
}

func (f *file) addExpense(line expenseLine) (expense.Expense, error) {
	var errs rowErrors
	e, err := line.Parse()
	errs.addParsed(err, e.Validate)
	if e.Date.After(f.latestDate) {
		errs.Add("date", "out_of_range", "%s is more than %d days ahead", e.Date, expense.MaxDaysAhead)
	}
	if e.Home.Currency() != f.settings.Home {
		errs.Add("home_currency", "currency_mismatch", "%s is not the home currency %s", line.HomeCurrency, f.settings.Home)
	}
	f.checkCategory(&errs, "category_id", e.CategoryID)
	f.checkID(&errs, e.ID)
	// The volume of one expense is at most MaxMinor, so the sum does not overflow before it is checked.
	if f.volume += e.Volume(); f.volume > expense.MaxMinor {
		errs.Add("amount", "total_too_large",
			"the expenses up to this line sum to 10^15 minor units or more, which is the limit of a ledger")
	}
	f.counts.Expenses++
	return e, errs.Err()
}

// checkEnd compares the last line with the lines before it.
func (f *file) checkEnd(line endLine) error {
	f.ended = true
	if line.Counts != f.counts {
		return fmt.Errorf("the file holds %s, but its last line says %s: lines were lost or added; use another copy",
			f.counts, line.Counts)
	}
	if sum := hex.EncodeToString(f.sum.Sum(nil)); line.SHA256 != sum {
		return fmt.Errorf("the SHA-256 of the lines is %s, but the last line says %q: the file was changed; use another copy",
			sum, line.SHA256)
	}
	if !f.categoryIDs[f.settings.DefaultCategory] {
		return fmt.Errorf("the default category %s is not in the file", f.settings.DefaultCategory)
	}
	return nil
}

// checkCategory adds an error if no line before this one holds the category.
func (f *file) checkCategory(errs *rowErrors, field string, id uuid.UUID) {
	if !f.categoryIDs[id] && !errs.Has(field) {
		errs.Add(field, "unknown_category", "no line before this one holds the category %s", id)
	}
}

// checkID adds an error if a line before this one has the id.
func (f *file) checkID(errs *rowErrors, id uuid.UUID) {
	if f.otherIDs[id] && !errs.Has("id") {
		errs.Add("id", "duplicate", "a line before this one has the id %s", id)
	}
	f.otherIDs[id] = true
}

// mergedCategory returns the category that a budget had before the category was merged into another one.
func mergedCategory(b budget.Budget) expense.Category {
	return expense.Category{ID: b.CategoryID, Name: b.MergedName, CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt}
}
