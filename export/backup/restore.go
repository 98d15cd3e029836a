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

// RestoreOptions say how [Restore] works.
type RestoreOptions struct {
	// Progress is called now and then with how many expenses are written, and how many there are.
	Progress func(written, all int)
}

// Restore makes the ledger that [Write] wrote to file out of one that is empty: without expenses, budgets, alerts and rules.
// Settings and categories of the empty one give way. Ids, times and frozen conversions come back as they were; versions go on from
// those of the ledger: where devices may have synchronised with the ledger that was, begin a new epoch first ([store.Store]'s NewEpoch),
// for ids come back and versions must not. The whole file is checked before the first row is written, and all of it is written in one Update, at
// most 1,000 expenses in a call, or nothing: who else writes to this ledger, and on SQLite to any, waits for so long. A file that is
// broken or cut off, or a ledger that is not empty, is ErrInvalid; the sentence names the line.
//
// It does not add what a person gives: the rows have been through the use cases once, so they go to the Tx as they are.
func Restore(
	ctx context.Context, st store.Store, owner expense.OwnerID, env expense.Env, file io.ReadSeeker, opts RestoreOptions,
) (Counts, error) {
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return Counts{}, fmt.Errorf("the file cannot be read twice: %w", err)
	}
	b := &backup{latest: expense.DateOf(env.Now.AddDate(0, 0, expense.MaxDaysAhead+1), expense.Zone{}.Location())}
	if err := b.read(ctx, file, nil); err != nil {
		return Counts{}, err
	}
	err = st.Update(ctx, owner, func(tx store.Tx) error {
		if _, err := file.Seek(start, io.SeekStart); err != nil {
			return fmt.Errorf("read the file again: %w", err)
		}
		r := restorer{ctx: ctx, tx: tx, backup: b, progress: opts.Progress}
		return r.run(file)
	})
	if err != nil {
		return Counts{}, err
	}
	return b.counts, nil
}

// A backup is what is kept of a file while it is read: all but its expenses.
type backup struct {
	latest     expense.Date // no expense is dated later
	settings   expense.Settings
	categories []expense.Category
	rules      []recurrence.Rule
	budgets    []budget.Budget
	alerts     []budget.Alert
	counts     Counts

	held   map[uuid.UUID]bool // ids of the categories
	seen   map[uuid.UUID]bool // ids of everything else
	names  map[string]bool    // of categories, folded
	series map[uuid.UUID]bool // categories with a budget
	volume int64
	sum    hash.Hash // of the lines so far
	ended  bool
}

func (c Counts) String() string {
	return fmt.Sprintf("%d categories, %d recurrences, %d budgets, %d alerts and %d expenses", c.Categories, c.Recurrences, c.Budgets, c.Alerts, c.Expenses)
}

// batchSize is how many expenses are written at once.
const batchSize = 1000

// maxLine is how many bytes a line has at most. The longest that is written is a budget with a limit for each month of a century.
const maxLine = 1 << 20

// atLine says where in the file something is wrong. A fault keeps its code.
func atLine(line int, err error) error {
	faults := expense.InvalidErrors(err)
	code, detail := "malformed", err.Error()
	if len(faults) > 0 {
		code = faults[0].Code
	}
	return &expense.InvalidError{Field: "file", Code: code, Detail: fmt.Sprintf("line %d: %s", line, detail)}
}

// read checks the whole file, and calls each with every expense. It keeps the rest.
func (b *backup) read(ctx context.Context, file io.Reader, each func(expense.Expense) error) error {
	*b = backup{
		latest: b.latest, held: map[uuid.UUID]bool{}, seen: map[uuid.UUID]bool{}, names: map[string]bool{}, series: map[uuid.UUID]bool{},
		sum: sha256.New(),
	}
	lines := bufio.NewReaderSize(file, maxLine)
	for number := 1; ; number++ {
		text, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return atLine(number, errors.New("the line is longer than any of a backup; is this file one?"))
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read line %d: %w", number, err)
		case len(text) == 0 && number == 1:
			return atLine(number, errors.New("the file is empty"))
		case len(text) == 0 && !b.ended:
			return atLine(number, fmt.Errorf("the file ends here, without the line that counts what is in it: it was cut off; %d expenses came before", b.counts.Expenses))
		case len(text) == 0:
			return nil
		}
		if number%progressStep == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e, err := b.line(number, text)
		if err != nil {
			return atLine(number, err)
		}
		_, _ = b.sum.Write(text) // a hash takes every byte
		if each != nil && e.ID != uuid.Nil {
			if err := each(e); err != nil {
				return err
			}
		}
	}
}

// line takes one line in; it returns the expense that the line is, if it is one.
func (b *backup) line(number int, text []byte) (expense.Expense, error) {
	if b.ended {
		return expense.Expense{}, errors.New("nothing may follow the line that counts what is in the file")
	}
	if !utf8.Valid(text) {
		return expense.Expense{}, errors.New("the line is not UTF-8")
	}
	if number == 1 {
		return expense.Expense{}, checkHead(text)
	}
	kind := typeOf(text)
	if (kind == lineSettings) != (number == 2) {
		return expense.Expense{}, errors.New("the second line, and no other, holds the settings")
	}
	switch kind {
	case lineSettings:
		return expense.Expense{}, take(text, b.takeSettings)
	case lineCategory:
		return expense.Expense{}, take(text, b.takeCategory)
	case lineRule:
		return expense.Expense{}, take(text, b.takeRule)
	case lineBudget:
		return expense.Expense{}, take(text, b.takeBudget)
	case lineAlert:
		return expense.Expense{}, take(text, b.takeAlert)
	case lineEnd:
		return expense.Expense{}, take(text, b.takeEnd)
	case lineExpense:
		var line expenseLine
		if !line.scan(text) {
			line = expenseLine{}
			if err := decodeLine(text, &line); err != nil {
				return expense.Expense{}, err
			}
		}
		return b.takeExpense(line)
	}
	return expense.Expense{}, fmt.Errorf("this is no line of a backup: its type is %.20q", kind)
}

// typeOf returns a line's type, which is its first member; "" if it is not.
func typeOf(text []byte) string {
	rest, found := bytes.CutPrefix(text, []byte(`{"type":"`))
	if !found {
		return ""
	}
	kind, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(kind)
}

func checkHead(text []byte) error {
	var head headLine
	if err := json.Unmarshal(text, &head); err != nil || head.Format != backupFormat {
		return fmt.Errorf("this is no backup of a ledger, which begins with {\"format\":%q", backupFormat)
	}
	if head.Version != backupVersion {
		return fmt.Errorf("the backup's format is version %d, and this release reads version %d; use the release that wrote it, or a newer one",
			head.Version, backupVersion)
	}
	return nil
}

// take decodes a line and hands it on.
func take[L any](text []byte, to func(L) error) error {
	var line L
	if err := decodeLine(text, &line); err != nil {
		return err
	}
	return to(line)
}

// decodeLine reads one JSON object and nothing else. A member that is unknown would be lost, one that is missing is lost already, and
// of two of one name one would be: each is an error.
func decodeLine(text []byte, line any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(line); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the line is cut off")
		}
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("the member %q is a JSON %s, and of another type in a backup", wrong.Field, wrong.Value)
		}
		return fmt.Errorf("the line cannot be read: %w", err)
	}
	if rest := bytes.TrimSpace(text[decoder.InputOffset():]); len(rest) > 0 {
		return errors.New("there is more on the line than one JSON object")
	}
	given, err := members(text)
	if err != nil {
		return err
	}
	again, err := json.Marshal(line)
	if err != nil {
		return err
	}
	meant, err := members(again)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(meant)) {
		if !reflect.DeepEqual(given[name], meant[name]) {
			return fmt.Errorf("the member %q is not there, or not as it is written in a backup", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, known := meant[name]; !known {
			return fmt.Errorf("the member %q is not known", name)
		}
	}
	return nil
}

// members reads an object, whose members all have names of their own.
func members(text []byte) (map[string]any, error) {
	value, err := wire.ParseValue(json.NewDecoder(bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("the line cannot be read: %w", err)
	}
	object, _ := value.(map[string]any)
	return object, nil
}

func (b *backup) takeSettings(line settingsLine) error {
	var err error
	b.settings, err = expense.Settings{}.With(expense.SettingsDraft{
		HomeCurrency: &line.HomeCurrency, TimeZone: &line.TimeZone, Locale: &line.Locale, FiscalYearStart: &line.FiscalYearStart,
		DefaultCategoryID: &line.DefaultCategoryID,
	})
	return err
}

func (b *backup) takeCategory(line categoryLine) error {
	var p lineParser
	c := expense.Category{
		ID: p.id("id", line.ID), Name: line.Name, Colour: line.Colour, Icon: line.Icon, Archived: line.Archived,
		CreatedAt: p.instant("created_at", line.CreatedAt), UpdatedAt: p.instant("updated_at", line.UpdatedAt),
	}
	if p.faults.Err() == nil {
		p.take("", c.Validate())
	}
	if b.names[expense.Fold(c.Name)] {
		p.faults.Add("name", "duplicate", "another category has the name %q", c.Name)
	}
	if b.held[c.ID] {
		p.faults.Add("id", "duplicate", "another category has this id")
	}
	if c.Archived && c.ID == b.settings.DefaultCategory {
		p.faults.Add("archived", "default_category", "the default category cannot be archived")
	}
	b.held[c.ID], b.names[expense.Fold(c.Name)] = true, true
	b.categories = append(b.categories, c)
	b.counts.Categories++
	return p.faults.Err()
}

func (b *backup) takeRule(line ruleLine) error {
	var p lineParser
	r := recurrence.Rule{
		ID: p.id("id", line.ID), Amount: p.money("amount", line.Amount, line.Currency), CategoryID: p.id("category_id", line.CategoryID),
		Notes: line.Notes, Interval: line.Interval, MonthDay: line.MonthDay, Start: p.date("start_date", line.StartDate),
		Until: p.optionalDate("until_date", line.UntilDate), Count: line.Count, Paused: line.Paused,
		Next: p.optionalDate("next_date", line.NextDate), SettledThrough: p.optionalDate("settled_date", line.Settled), LastError: line.LastError, Failures: line.Failures,
		RetryAt: p.optionalInstant("retry_at", line.RetryAt), CreatedAt: p.instant("created_at", line.CreatedAt),
		UpdatedAt: p.instant("updated_at", line.UpdatedAt),
	}
	r.Freq = parse(&p, "freq", line.Freq, recurrence.ParseFreq)
	r.Weekdays = parse(&p, "weekdays", line.Weekdays, recurrence.ParseWeekdays)
	r.OnMissing = parse(&p, "on_missing", line.OnMissing, recurrence.ParseOnMissing)
	r.Skipped = parse(&p, "skipped", line.Skipped, recurrence.ParseDateSet)
	if p.faults.Err() == nil {
		p.take("", r.Validate())
	}
	p.take("notes", expense.ValidateNotes(line.Notes))
	p.take("last_error", expense.ValidateNotes(line.LastError))
	b.refer(&p, "category_id", r.CategoryID)
	b.once(&p, r.ID)
	b.rules = append(b.rules, r)
	b.counts.Recurrences++
	return p.faults.Err()
}

func (b *backup) takeBudget(line budgetLine) error {
	var p lineParser
	s := budget.Budget{
		ID: p.id("id", line.ID), CategoryID: p.optionalID("category_id", line.CategoryID), MergedName: line.Label, MergedInto: p.optionalID("into", line.Into),
		Entries: make([]budget.Entry, len(line.Entries)), AlertAt: line.AlertAt,
		CreatedAt: p.instant("created_at", line.CreatedAt), UpdatedAt: p.instant("updated_at", line.UpdatedAt),
	}
	for i, entry := range line.Entries {
		s.Entries[i] = budget.Entry{
			From: parse(&p, "from_month", entry.FromMonth, expense.ParseMonth), Limit: p.money("amount", entry.Amount, line.Currency),
		}
	}
	if line.UntilMonth != nil {
		s.Until = parse(&p, "until_month", *line.UntilMonth, expense.ParseMonth)
	}
	s.Rollover = parse(&p, "rollover", line.Rollover, budget.ParseRollover)
	if line.RolloverCap != nil {
		s.RolloverCap = p.money("rollover_cap", *line.RolloverCap, line.Currency)
	}
	if p.faults.Err() == nil {
		p.take("", s.Validate())
	}
	if line.Currency != b.settings.Home.Code() {
		p.faults.Add("currency", "currency_mismatch", "a limit is in the home currency %s", b.settings.Home)
	}
	switch merged := s.MergedInto != uuid.Nil; {
	case merged && (b.held[s.CategoryID] || s.Until.IsZero()):
		p.faults.Add("into", "not_merged", "only the series of a category that was merged into another, and that has ended, names where its expenses are")
	case merged:
		p.take("label", ghost(s).Validate())
		b.refer(&p, "into", s.MergedInto)
	case s.CategoryID != uuid.Nil:
		b.refer(&p, "category_id", s.CategoryID)
	}
	if b.series[s.CategoryID] {
		p.faults.Add("category_id", "duplicate", "another budget has this category")
	}
	b.series[s.CategoryID] = true
	b.once(&p, s.ID)
	b.budgets = append(b.budgets, s)
	b.counts.Budgets++
	return p.faults.Err()
}

func (b *backup) takeAlert(line alertLine) error {
	var p lineParser
	a := budget.Alert{
		ID: p.id("id", line.ID), BudgetID: p.id("budget_id", line.BudgetID), Month: parse(&p, "month", line.Month, expense.ParseMonth),
		Threshold: line.Threshold, RaisedAt: p.instant("raised_at", line.RaisedAt), ReadAt: p.optionalInstant("read_at", line.ReadAt),
	}
	if want := budget.AlertID(a.BudgetID, a.Month, a.Threshold); a.ID != want {
		p.faults.Add("id", "wrong_id", "the id of this alert is %s", want)
	}
	b.once(&p, a.ID)
	b.alerts = append(b.alerts, a)
	b.counts.Alerts++
	return p.faults.Err()
}

func (b *backup) takeExpense(line expenseLine) (expense.Expense, error) {
	var p lineParser
	e := expense.Expense{
		ID: p.id("id", line.ID), Amount: p.money("amount", line.Amount, line.Currency), Date: p.date("date", line.Date),
		CategoryID: p.id("category_id", line.CategoryID), Notes: line.Notes, RuleID: p.optionalID("rule_id", line.RuleID),
		Occurrence: p.optionalDate("occurrence", line.Occurrence), CreatedAt: p.time("created_at", line.CreatedAt),
		UpdatedAt: p.time("updated_at", line.UpdatedAt),
	}
	home := "0"
	if line.HomeAmount != nil {
		home = *line.HomeAmount
	}
	e.Home = p.money("home_amount", home, line.HomeCurrency)
	if line.Rate != nil {
		e.Rate.Value = parse(&p, "rate", *line.Rate, expense.ParseFactor)
	}
	e.Rate.Date = p.optionalDate("rate_date", line.RateDate)
	e.Rate.Source = expense.Source(orEmpty(line.RateSource))
	if p.faults.Err() == nil {
		p.take("", e.Validate())
	}
	if line.Pending != (line.Rate == nil) || line.Version != 0 {
		p.faults.Add("pending", "contradiction", "an expense is pending if it has no rate; a backup has no versions")
	}
	if e.Date.After(b.latest) {
		p.faults.Add("date", "out_of_range", "%s is more than %d days ahead", e.Date, expense.MaxDaysAhead)
	}
	if e.Home.Currency() != b.settings.Home {
		p.faults.Add("home_currency", "currency_mismatch", "the home currency is %s", b.settings.Home)
	}
	b.refer(&p, "category_id", e.CategoryID)
	b.once(&p, e.ID)
	// No single volume passes the limit, so the sum cannot leave int64 before it is checked.
	if b.volume += e.Volume(); b.volume > expense.MaxMinor {
		p.faults.Add("amount", "total_too_large", "the expenses up to here sum to 10^15 minor units or more, which no ledger holds")
	}
	b.counts.Expenses++
	return e, p.faults.Err()
}

func (b *backup) takeEnd(line endLine) error {
	b.ended = true
	if line.Counts != b.counts {
		return fmt.Errorf("the file holds %s, but it should hold %s: lines were lost or added", b.counts, line.Counts)
	}
	if sum := hex.EncodeToString(b.sum.Sum(nil)); line.SHA256 != sum {
		return fmt.Errorf("the lines before have the SHA-256 %s, and this line says %q: something in the file was changed; use another copy of it", sum, line.SHA256)
	}
	if !b.held[b.settings.DefaultCategory] {
		return fmt.Errorf("the default category %s is not in the file", b.settings.DefaultCategory)
	}
	return nil
}

// refer notes a category that the file does not hold; categories come before what refers to them.
func (b *backup) refer(p *lineParser, field string, id uuid.UUID) {
	if !b.held[id] && !p.faults.Has(field) {
		p.faults.Add(field, "unknown_category", "no line before this one holds the category %s", id)
	}
}

// once notes an id that came before.
func (b *backup) once(p *lineParser, id uuid.UUID) {
	if b.seen[id] && !p.faults.Has("id") {
		p.faults.Add("id", "duplicate", "the id %s came before", id)
	}
	b.seen[id] = true
}

// ghost is the category that a series had before it was merged into another.
func ghost(s budget.Budget) expense.Category {
	return expense.Category{ID: s.CategoryID, Name: s.MergedName, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
}

// A restorer writes a backup in one transaction.
type restorer struct {
	ctx      context.Context //nolint:containedctx // a restorer lives within one Update, whose context this is.
	tx       store.Tx
	backup   *backup
	progress func(written, all int)
	batch    []expense.Expense
	written  int
	all      int
}

func (r *restorer) run(file io.Reader) error {
	if err := r.checkEmpty(); err != nil {
		return err
	}
	r.all = r.backup.counts.Expenses
	if err := r.putCategories(); err != nil {
		return fmt.Errorf("restore the categories: %w", err)
	}
	if _, err := r.tx.PutRules(r.ctx, r.backup.rules...); err != nil {
		return fmt.Errorf("restore the recurrences: %w", err)
	}
	if _, err := r.tx.PutAlerts(r.ctx, r.backup.alerts...); err != nil {
		return fmt.Errorf("restore the alerts: %w", err)
	}
	// The file may have changed since it was checked, so it is checked again as it is written.
	if err := r.backup.read(r.ctx, file, r.put); err != nil {
		return err
	}
	return r.flush()
}

// checkEmpty says why nothing can be restored into the ledger.
func (r *restorer) checkEmpty() error {
	book, err := r.tx.BudgetSnapshot(r.ctx)
	if err != nil {
		return fmt.Errorf("book: %w", err)
	}
	rules, err := r.tx.Rules(r.ctx)
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	alerts, err := r.tx.Alerts(r.ctx, expense.Month{})
	if err != nil {
		return fmt.Errorf("alerts: %w", err)
	}
	what := ""
	for _, err := range r.tx.Expenses(r.ctx, expense.Query{Limit: 1}) {
		if err != nil {
			return fmt.Errorf("expenses: %w", err)
		}
		what = "expenses"
	}
	switch {
	case what != "":
	case len(book.Budgets) > 0:
		what = "budgets"
	case len(alerts) > 0:
		what = "alerts"
	case len(rules) > 0:
		what = "recurrences"
	default:
		return nil
	}
	return &expense.InvalidError{
		Code: "ledger_not_empty", Detail: "the ledger has " + what + " already; a backup is restored into an empty one, such as a new user's",
	}
}

// putCategories puts categories, settings and budgets in the place of those that are there. Names are unique at all times, and a
// series whose category was merged away needs that category once more, under the name it had: so all others have their ids
// for names until the merges are done again.
func (r *restorer) putCategories() error {
	old, err := r.tx.Categories(r.ctx)
	if err != nil {
		return err
	}
	versions := make(map[uuid.UUID]expense.Version, len(old))
	for _, c := range old {
		versions[c.ID] = c.Version
	}
	wanted, extra := slices.Clone(r.backup.categories), []uuid.UUID{}
	kept := make(map[uuid.UUID]bool, len(wanted))
	for i := range wanted {
		kept[wanted[i].ID], wanted[i].Version = true, versions[wanted[i].ID]
	}
	for _, c := range old {
		if !kept[c.ID] {
			kept[c.ID], extra = true, append(extra, c.ID)
			wanted = append(wanted, c)
		}
	}
	unnamed := slices.Clone(wanted)
	for i := range unnamed {
		unnamed[i].Name = unnamed[i].ID.String()
	}
	version, err := r.tx.PutCategories(r.ctx, unnamed...)
	if err != nil {
		return err
	}
	settings, err := r.tx.Settings(r.ctx)
	if err != nil {
		return err
	}
	restored := r.backup.settings
	restored.Version = settings.Version
	if _, err := r.tx.PutSettings(r.ctx, restored); err != nil {
		return err
	}
	merged, err := r.putBudgets(func(id uuid.UUID) expense.Version {
		if kept[id] {
			return version
		}
		return 0
	})
	if err != nil {
		return err
	}
	for _, id := range extra {
		if merged[id] {
			continue
		}
		if _, err := r.tx.DeleteCategory(r.ctx, id); err != nil {
			return err
		}
	}
	named := slices.Clone(r.backup.categories)
	for i := range named {
		named[i].Version = version
	}
	_, err = r.tx.PutCategories(r.ctx, named...)
	return err
}

// putBudgets writes the budgets. The merge that ended a series is done again, which leaves the tombstone of its category; it
// returns the categories that are merged away so. version says which one a category of the ledger has, or 0.
func (r *restorer) putBudgets(version func(uuid.UUID) expense.Version) (merged map[uuid.UUID]bool, err error) {
	merged = map[uuid.UUID]bool{}
	var plain []budget.Budget
	for _, s := range r.backup.budgets {
		if s.MergedInto == uuid.Nil {
			plain = append(plain, s)
			continue
		}
		category := ghost(s)
		category.Version = version(category.ID)
		if _, err := r.tx.PutCategories(r.ctx, category); err != nil {
			return nil, err
		}
		if _, err := r.tx.PutBudgets(r.ctx, s); err != nil {
			return nil, err
		}
		if _, err := r.tx.MergeCategory(r.ctx, s.CategoryID, s.MergedInto, s.Until.Add(1)); err != nil {
			return nil, err
		}
		merged[s.CategoryID] = true
	}
	_, err = r.tx.PutBudgets(r.ctx, plain...)
	return merged, err
}

func (r *restorer) put(e expense.Expense) error {
	if r.batch = append(r.batch, e); len(r.batch) == batchSize {
		return r.flush()
	}
	return nil
}

func (r *restorer) flush() error {
	if len(r.batch) == 0 {
		return nil
	}
	if _, err := r.tx.PutExpenses(r.ctx, r.batch...); err != nil {
		return fmt.Errorf("restore the expenses: %w", err)
	}
	r.written += len(r.batch)
	r.batch = r.batch[:0]
	if r.progress != nil {
		r.progress(r.written, r.all)
	}
	return nil
}
