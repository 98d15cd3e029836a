package statement

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	maxBatch = 1000 // rows in one Update
	// MaxFailures is the maximum number of failures in a [Result]. FailedRows counts the other ones too.
	MaxFailures = 1000
	// MaxRowsShown is the maximum number of rows in the [Result] of a dry run.
	MaxRowsShown = 200
	// progressLines is how many lines lie between two calls of Options.Progress.
	progressLines = 1000
)

// A Store runs transactions on ledgers. Every [store.Store] is one.
type Store interface {
	// View is the method of [store.Store].
	View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error
	// Update is the method of [store.Store].
	Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error
}

// Options change how [Import] works.
type Options struct {
	// ID is the id of the import; Nil: a new one. An import that was interrupted is completed by repeating it with its id.
	// The id of an import that was undone is replaced by a new one.
	ID     uuid.UUID
	DryRun bool // report what would become of each row, and write nothing
	Abort  bool // write nothing if a row fails
	Force  bool // import again the rows that were imported before
	// Progress is called after every 1,000 lines and after each Update.
	Progress func(Progress)
	// Finish is called in the last Update with the result, for example to store it with an idempotency key. In a dry run,
	// and if Abort prevents the import, it is called in an Update of its own. Its error undoes that Update. It can run
	// more than once, because an Update can.
	Finish func(ctx context.Context, tx store.Tx, result Result) error
}

// Progress says how far an import is.
type Progress struct {
	Lines int // read so far, over all passes through the file
	Added int // rows
}

// A Result says what became of the rows of a file. Each row is counted once.
type Result struct {
	ID         uuid.UUID      `json:"-"` // Nil for a dry run, and if Abort prevented the import
	Added      int            `json:"added"`
	Known      int            `json:"known"`
	Ignored    map[string]int `json:"ignored"` // numbers of rows by Row.Reason
	FailedRows int            `json:"failed"`
	Failed     []Failure      `json:"-"` // at most MaxFailures
	Rows       []Row          `json:"-"` // of a dry run, at most MaxRowsShown
}

// Import imports a file into the ledger of owner. It completes the mapping as [Inspect] does, and returns an
// [OpenQuestionError] if a question remains. It adds rows through [expense.AddAll] like every other write, at most
// 1,000 in an Update. Categories that the ledger lacks are created. Rows of archived categories are added. The name of
// a merged category means the category into which it was merged.
//
// A row that an earlier import added is known, also if its expense was deleted since, but not if that import was
// undone. With Abort, Import checks all rows before the first write. If a row fails later, because somebody changed the
// ledger meanwhile, it undoes the import. A dry run cannot foresee [expense.ErrTotalTooLarge].
//
// Import checks ctx at each line. After an error, the Updates before it remain; the import can be undone or repeated.
func Import(
	ctx context.Context, st Store, owner expense.OwnerID, env expense.Env, r io.ReadSeeker, m Mapping, opts Options,
) (result Result, err error) {
	im := importer{ctx: ctx, st: st, owner: owner, env: env, opts: opts, id: opts.ID}
	var settings expense.Settings
	err = st.View(ctx, owner, func(r store.Reader) (err error) {
		if settings, err = r.Settings(ctx); err != nil || im.id == uuid.Nil {
			return err
		}
		earlier, err := r.Import(ctx, im.id)
		if errors.Is(err, expense.ErrNotFound) {
			return nil
		}
		if !earlier.UndoneAt.IsZero() {
			im.id = uuid.Nil // an undone import is not continued
		}
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("settings: %w", err)
	}
	if im.id == uuid.Nil {
		if im.id, err = uuid.NewV7(); err != nil {
			return Result{}, fmt.Errorf("new id: %w", err)
		}
	}
	if im.digest, err = digestOf(r); err != nil {
		return Result{}, err
	}
	if im.in, err = inspect(ctx, r, m, settings, im.countLine); err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, im.in.file.close()) }()
	if len(im.in.Questions) > 0 {
		return Result{}, &OpenQuestionError{Questions: im.in.Questions}
	}
	if opts.DryRun || opts.Abort {
		if result, err = im.run(im.check); err != nil {
			return result, err
		}
		if opts.DryRun || result.FailedRows > 0 {
			if !opts.DryRun {
				result.Added, result.Rows = 0, nil
			}
			return result, im.finish(result)
		}
		clear(im.in.reader.ordinals)
		im.planned = plan{}
	}
	result, err = im.run(im.write)
	if err == nil && opts.Abort && result.FailedRows > 0 {
		result.Added, result.ID, result.Rows = 0, uuid.Nil, nil
		if _, err := Undo(ctx, st, owner, env, im.id); err != nil {
			return result, fmt.Errorf("undo the aborted import %s: %w", im.id, err)
		}
		return result, im.finish(result)
	}
	if err == nil {
		result.ID = im.id
	}
	result.Rows = nil
	return result, err
}

func digestOf(r io.ReadSeeker) ([]byte, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	hash := sha256.New()
	if err == nil {
		_, err = io.Copy(hash, r)
	}
	if err == nil {
		_, err = r.Seek(start, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	return hash.Sum(nil), nil
}

// An importer imports one file.
type importer struct {
	ctx    context.Context //nolint:containedctx // an importer lives within one call of Import, whose context this is.
	st     Store
	owner  expense.OwnerID
	env    expense.Env
	opts   Options
	id     uuid.UUID
	digest []byte
	in     *Inspection
	lines  int
	added  int

	planned plan
}

// A plan is what the earlier batches of a dry run would add.
type plan struct {
	categories []expense.Category
	expenses   map[uuid.UUID]bool // whose ids are in the file
}

// add adds a batch. It sets the status Known for rows whose ids earlier rows have.
func (p *plan) add(b *batch) {
	for i, row := range b.rows {
		switch id := b.drafts[i].ID; {
		case row.Status != Add || id == uuid.Nil:
		case p.expenses[id]:
			row.Status = Known
		case p.expenses == nil:
			p.expenses = map[uuid.UUID]bool{id: true}
		default:
			p.expenses[id] = true
		}
	}
	p.categories = append(p.categories, b.needed()...)
}

func (im *importer) countLine() {
	if im.lines++; im.lines%progressLines == 0 {
		im.report()
	}
}

func (im *importer) report() {
	if im.opts.Progress != nil {
		im.opts.Progress(Progress{Lines: im.lines, Added: im.added})
	}
}

// finish calls Options.Finish in an Update of its own.
func (im *importer) finish(result Result) error {
	if im.opts.Finish == nil {
		return nil
	}
	return im.st.Update(im.ctx, im.owner, func(tx store.Tx) error { return im.opts.Finish(im.ctx, tx, result) })
}

// run reads the rows and hands them to flush in batches. flush sets the status of each row and returns the result so
// far, of which the last call says last.
func (im *importer) run(flush func(batch []Row, result Result, last bool) (Result, error)) (Result, error) {
	result := Result{Ignored: map[string]int{}}
	records, err := im.in.file.body(im.in.HeaderLine)
	if err != nil {
		return result, err
	}
	batch := make([]Row, 0, maxBatch)
	for last := false; !last; {
		if err := im.ctx.Err(); err != nil {
			return result, err //nolint:wrapcheck // the caller knows its context
		}
		rec, err := records.Next()
		last = errors.Is(err, io.EOF)
		if err != nil && !last {
			return result, err
		}
		im.countLine()
		if len(rec.Fields) > 0 || rec.Fault != nil {
			batch = append(batch, im.in.reader.read(rec)...)
		}
		if len(batch) < maxBatch-1 && !last { // a record has at most two rows
			continue
		}
		if result, err = flush(batch, result, last); err != nil {
			return result, err
		}
		im.added = result.Added
		batch = batch[:0]
		im.report()
	}
	return result, nil
}

// check is the flush of a dry run.
func (im *importer) check(rows []Row, result Result, _ bool) (Result, error) {
	var b *batch
	err := im.st.View(im.ctx, im.owner, func(r store.Reader) error {
		var err error
		if b, err = im.prepare(r, rows); err != nil {
			return err
		}
		results, err := expense.Check(im.ctx, r, im.env, b.drafts...)
		if err != nil {
			return err
		}
		b.apply(im, results)
		return nil
	})
	if err != nil {
		return result, err
	}
	im.planned.add(b)
	result.add(rows)
	return result, nil
}

// write is the flush of an import.
func (im *importer) write(batch []Row, before Result, last bool) (Result, error) {
	var after Result
	err := im.st.Update(im.ctx, im.owner, func(tx store.Tx) error {
		rows := slices.Clone(batch) // an Update can run again
		b, err := im.prepare(tx, rows)
		if err != nil {
			return err
		}
		if err := b.add(im, tx); err != nil {
			return err
		}
		after = before.clone()
		after.add(rows)
		after.ID = im.id
		if err := im.record(tx, after); err != nil {
			return err
		}
		if err := tx.PutImportedRows(im.ctx, b.imported...); err != nil {
			return fmt.Errorf("imported rows: %w", err)
		}
		if last && im.opts.Finish != nil && (!im.opts.Abort || after.FailedRows == 0) {
			return im.opts.Finish(im.ctx, tx, after)
		}
		return nil
	})
	if err != nil {
		return before, err
	}
	return after, nil
}

// An importPayload is the payload of a [store.Import].
type importPayload struct {
	Mapping Mapping `json:"mapping"`
	Result  Result  `json:"result"`
}

func (im *importer) record(tx store.Tx, result Result) error {
	payload, err := json.Marshal(importPayload{Mapping: im.in.Mapping, Result: result})
	if err != nil {
		return fmt.Errorf("encode the import: %w", err)
	}
	err = tx.PutImport(im.ctx, store.Import{ID: im.id, Digest: im.digest, Payload: payload, CreatedAt: im.env.Now})
	if err != nil {
		return fmt.Errorf("import %s: %w", im.id, err)
	}
	return nil
}

// clone returns a copy to which add can add.
func (r Result) clone() Result {
	r.Ignored = maps.Clone(r.Ignored)
	r.Failed, r.Rows = slices.Clip(r.Failed), slices.Clip(r.Rows)
	return r
}

// add counts rows.
func (r *Result) add(rows []Row) {
	for _, row := range rows {
		switch row.Status {
		case Add:
			r.Added++
		case Known:
			r.Known++
		case Ignored:
			r.Ignored[row.Reason]++
		case Failed:
			r.FailedRows++
			r.Failed = append(r.Failed, row.Failures[:min(len(row.Failures), MaxFailures-min(len(r.Failed), MaxFailures))]...)
		}
		if len(r.Rows) < MaxRowsShown {
			r.Rows = append(r.Rows, row)
		}
	}
}

// A batch is the rows of one Update that the ledger does not know.
type batch struct {
	rows       []*Row // of drafts
	drafts     []expense.TypedDraft
	categories []expense.Category // that the drafts need and the ledger lacks
	imported   []store.ImportedRow
}

// prepare sets the status Known, and collects the drafts of the other rows with their categories.
func (im *importer) prepare(r store.Reader, rows []Row) (*batch, error) {
	known, err := im.knownRows(r, rows)
	if err != nil {
		return nil, err
	}
	var b batch
	for i := range rows {
		row := &rows[i]
		if row.Status != Add {
			continue
		}
		earlier := known[row.identity]
		if earlier.mine {
			continue // added before an interruption: it counts as added, and is not added again
		}
		if earlier.known && !im.opts.Force {
			row.Status = Known
			continue
		}
		if earlier.used[row.draft.ID] || im.opts.Force {
			row.draft.ID = uuid.Nil // the id belongs to an expense that an undo removed, or may be in use
		}
		row.draft.Historic = true
		b.rows, b.drafts = append(b.rows, row), append(b.drafts, row.draft)
	}
	return &b, im.resolveCategories(r, &b)
}

// An earlierRow is what earlier imports know of a row.
type earlierRow struct {
	known, mine bool
	used        map[uuid.UUID]bool // ids of expenses that undone imports added
}

func (im *importer) knownRows(r store.Reader, rows []Row) (map[store.RowIdentity]earlierRow, error) {
	var identities []store.RowIdentity
	for _, row := range rows {
		if row.Status == Add {
			identities = append(identities, row.identity)
		}
	}
	imported, err := r.ImportedRows(im.ctx, identities...)
	if err != nil {
		return nil, fmt.Errorf("imported rows: %w", err)
	}
	undone := map[uuid.UUID]bool{}
	known := make(map[store.RowIdentity]earlierRow, len(imported))
	for _, row := range imported {
		if _, read := undone[row.ImportID]; !read {
			record, err := r.Import(im.ctx, row.ImportID)
			if err != nil {
				return nil, fmt.Errorf("import %s: %w", row.ImportID, err)
			}
			undone[row.ImportID] = !record.UndoneAt.IsZero()
		}
		earlier := known[row.Identity]
		if undone[row.ImportID] {
			if earlier.used == nil {
				earlier.used = map[uuid.UUID]bool{}
			}
			earlier.used[row.ExpenseID] = true
		} else {
			earlier.known, earlier.mine = true, earlier.mine || row.ImportID == im.id
		}
		known[row.Identity] = earlier
	}
	return known, nil
}

// resolveCategories replaces the names of categories by ids. It fails rows whose name no category can have.
func (im *importer) resolveCategories(r store.Reader, b *batch) error {
	var all []expense.Category
	byName := map[string]expense.Category{}
	errs := map[string]error{}
	for i := range b.drafts {
		name := b.drafts[i].Category
		if name == "" || b.drafts[i].CategoryID != uuid.Nil {
			continue
		}
		if all == nil {
			var err error
			if all, err = r.Categories(im.ctx); err != nil {
				return fmt.Errorf("categories: %w", err)
			}
			all = append(all, im.planned.categories...)
			for _, category := range all {
				byName[expense.Fold(category.Name)] = category
			}
		}
		category, err := im.categoryNamed(r, b, len(all), byName, errs, name)
		if err != nil && !errors.Is(err, expense.ErrInvalid) {
			return err
		}
		if err != nil {
			errs[expense.Fold(name)] = err
			*b.rows[i] = im.in.reader.failed(b.rows[i].Line, err)
			continue
		}
		b.drafts[i].CategoryID, b.drafts[i].Category = category.ID, ""
	}
	for i := len(b.drafts) - 1; i >= 0; i-- {
		if b.rows[i].Status == Failed {
			b.rows, b.drafts = slices.Delete(b.rows, i, i+1), slices.Delete(b.drafts, i, i+1)
		}
	}
	return nil
}

// categoryNamed returns the category with a name, the one into which it was merged, or a new one.
func (im *importer) categoryNamed(
	r store.Reader, b *batch, stored int, byName map[string]expense.Category, errs map[string]error, name string,
) (expense.Category, error) {
	key := expense.Fold(name)
	if err := errs[key]; err != nil {
		return expense.Category{}, err
	}
	if category, ok := byName[key]; ok {
		return category, nil
	}
	invalid := func(err error) error {
		var errs expense.ValidationErrors
		for _, fault := range expense.InvalidErrors(err) {
			errs.Add("category", fault.Code, "%s", fault.Detail)
		}
		return errs.Err()
	}
	category, err := expense.NewCategory(im.env, name)
	if errors.Is(err, expense.ErrInvalid) {
		return expense.Category{}, invalid(err)
	}
	if err != nil {
		return expense.Category{}, err
	}
	key = expense.Fold(category.Name) // without blanks, in NFC
	if same, ok := byName[key]; ok {
		return same, nil
	}
	switch merged, err := r.MergedCategory(im.ctx, name); {
	case err == nil:
		byName[key] = merged
		return merged, nil
	case !errors.Is(err, expense.ErrNotFound):
		return expense.Category{}, fmt.Errorf("merged category: %w", err)
	case stored+len(b.categories) >= expense.MaxCategories:
		return expense.Category{}, invalid(&expense.InvalidError{Code: "too_many", Detail: fmt.Sprintf(
			"category %s is new, but the ledger has %d categories, the maximum; give another in categories of the mapping",
			quote(name), expense.MaxCategories)})
	}
	b.categories = append(b.categories, category)
	byName[key] = category
	return category, nil
}

// apply sets the statuses of rows after [expense.Check]. It takes new categories for granted.
func (b *batch) apply(im *importer, results []expense.BatchResult) {
	reader, created := im.in.reader, map[uuid.UUID]bool{}
	for _, category := range slices.Concat(im.planned.categories, b.categories) {
		created[category.ID] = true
	}
	for i, result := range results {
		faults := slices.DeleteFunc(expense.InvalidErrors(result.Err), func(fault *expense.InvalidError) bool {
			return fault.Code == "unknown_category" && created[b.drafts[i].CategoryID]
		})
		switch {
		case result.Known:
			b.rows[i].Status = Known
		case len(faults) > 0:
			b.rows[i].fail(reader, faults)
		}
	}
}

func (row *Row) fail(reader *rowReader, faults []*expense.InvalidError) {
	row.Status, row.Failures = Failed, nil
	for _, fault := range faults {
		row.Failures = append(row.Failures, reader.failure(row.Line, fault))
	}
}

// add adds the drafts and the categories that they need. If the rows together exceed a limit of the ledger, it adds
// those that fit.
func (b *batch) add(im *importer, tx store.Tx) error {
	results, err := expense.Check(im.ctx, tx, im.env, b.drafts...)
	if err != nil {
		return err
	}
	b.apply(im, results)
	if len(b.categories) > 0 {
		if results, err = b.addCategories(im, tx); err != nil {
			return err
		}
	}
	err = expense.AddChecked(im.ctx, tx, results...)
	if err == nil {
		b.note(im, results)
		return nil
	}
	for i := range results {
		if !errors.Is(err, expense.ErrInvalid) {
			return err
		}
		if oneErr := expense.AddChecked(im.ctx, tx, results[i]); errors.Is(oneErr, expense.ErrInvalid) {
			results[i].Err = oneErr
		} else if oneErr != nil {
			return oneErr
		}
	}
	b.note(im, results)
	return nil
}

// addCategories adds the new categories of the rows that do not fail for another reason, and checks the drafts again.
func (b *batch) addCategories(im *importer, tx store.Tx) ([]expense.BatchResult, error) {
	if _, err := tx.PutCategories(im.ctx, b.needed()...); err != nil {
		return nil, fmt.Errorf("new categories: %w", err)
	}
	return expense.Check(im.ctx, tx, im.env, b.drafts...)
}

// needed returns the new categories of the rows that are added.
func (b *batch) needed() []expense.Category {
	needed := map[uuid.UUID]bool{}
	for i, row := range b.rows {
		needed[b.drafts[i].CategoryID] = needed[b.drafts[i].CategoryID] || row.Status == Add
	}
	return slices.DeleteFunc(b.categories, func(c expense.Category) bool { return !needed[c.ID] })
}

// note notes the identities of added rows.
func (b *batch) note(im *importer, results []expense.BatchResult) {
	for i, result := range results {
		switch {
		case b.rows[i].Status == Failed: // for a reason that the second check may hide
		case result.Err != nil:
			b.rows[i].fail(im.in.reader, expense.InvalidErrors(result.Err))
		case result.Known:
			b.rows[i].Status = Known
		default:
			b.imported = append(b.imported, store.ImportedRow{
				Identity: b.rows[i].identity, ImportID: im.id, ExpenseID: result.Expense.ID,
				Fingerprint: fingerprint(result.Expense),
			})
		}
	}
}

// fingerprint returns a hash of what a user can change of an expense: of its category in the lower half, of the rest in
// the upper half.
func fingerprint(e expense.Expense) int64 {
	rate := ""
	if e.Rate.Source == expense.SourceUser {
		rate = e.Rate.Value.String()
	}
	content, category := fnv.New32a(), fnv.New32a()
	for _, part := range []string{e.Amount.String(), e.Date.String(), rate, e.Notes} {
		_, _ = fmt.Fprintf(content, "%d:%s", len(part), part) // a hash never returns an error
	}
	_, _ = category.Write(e.CategoryID[:])
	return int64(content.Sum32())<<32 | int64(category.Sum32())
}

// edited reports whether a user has changed an expense since its import. A conversion changes UpdatedAt, and a merge of
// categories changes the category without UpdatedAt; both are no edits.
func edited(e expense.Expense, imported int64) bool {
	now := fingerprint(e)
	return now>>32 != imported>>32 || now != imported && !e.UpdatedAt.Equal(e.CreatedAt)
}

// A Record is an import of a ledger.
type Record struct {
	ID        uuid.UUID
	CreatedAt time.Time
	Digest    []byte // SHA-256 of the file
	Mapping   Mapping
	Result    Result
}

// Imports returns at most limit imports that are in effect, newest first, after the given one; the zero Record is the
// start.
func Imports(ctx context.Context, r store.ImportReader, after Record, limit int) ([]Record, error) {
	stored, err := r.Imports(ctx, store.Import{ID: after.ID, CreatedAt: after.CreatedAt}, limit)
	if err != nil {
		return nil, fmt.Errorf("imports: %w", err)
	}
	records := make([]Record, len(stored))
	for i, s := range stored {
		if records[i], err = newRecord(s); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// FindImport returns an import. It returns ErrNotFound if the id is unknown, and ErrGone if the import was undone.
func FindImport(ctx context.Context, r store.ImportReader, id uuid.UUID) (Record, error) {
	stored, err := r.Import(ctx, id)
	if err == nil && !stored.UndoneAt.IsZero() {
		err = expense.ErrGone
	}
	if err != nil {
		return Record{}, fmt.Errorf("import %s: %w", id, err)
	}
	return newRecord(stored)
}

func newRecord(stored store.Import) (Record, error) {
	var payload importPayload
	if err := json.Unmarshal(stored.Payload, &payload); err != nil {
		return Record{}, fmt.Errorf("decode import %s: %w", stored.ID, err)
	}
	payload.Result.ID = stored.ID
	return Record{ID: stored.ID, CreatedAt: stored.CreatedAt, Digest: stored.Digest, Mapping: payload.Mapping,
		Result: payload.Result}, nil
}

// An UndoResult says what [Undo] did.
type UndoResult struct {
	Removed int         // expenses
	Kept    []uuid.UUID // expenses that were edited since the import
}

// Undo removes the expenses that an import added, except those that were edited since. Afterwards the rows of the file
// are not known any more. Undo works in Updates of at most 1,000 expenses. Repeating it completes an interrupted one,
// and returns the kept expenses again. It returns ErrNotFound if the id is unknown.
func Undo(ctx context.Context, st Store, owner expense.OwnerID, env expense.Env, id uuid.UUID) (UndoResult, error) {
	var rows []store.ImportedRow
	err := st.View(ctx, owner, func(r store.Reader) (err error) {
		if _, err = r.Import(ctx, id); err == nil {
			rows, err = r.RowsOfImport(ctx, id)
		}
		return err
	})
	if err != nil {
		return UndoResult{}, fmt.Errorf("import %s: %w", id, err)
	}
	var result UndoResult
	for first := true; first || len(rows) > 0; first = false {
		part := rows[:min(len(rows), maxBatch)]
		rows = rows[len(part):]
		var remove, keep []uuid.UUID
		err := st.Update(ctx, owner, func(tx store.Tx) error {
			remove, keep = nil, nil
			for _, row := range part {
				e, err := tx.Expense(ctx, row.ExpenseID)
				switch {
				case errors.Is(err, expense.ErrNotFound):
				case err != nil:
					return fmt.Errorf("expense %s: %w", row.ExpenseID, err)
				case edited(e, row.Fingerprint):
					keep = append(keep, e.ID)
				default:
					remove = append(remove, e.ID)
				}
			}
			if len(remove) > 0 {
				if _, err := tx.DeleteExpenses(ctx, remove...); err != nil {
					return fmt.Errorf("delete %d expenses: %w", len(remove), err)
				}
			}
			record, err := tx.Import(ctx, id)
			if err != nil || len(rows) > 0 || !record.UndoneAt.IsZero() {
				return err
			}
			record.UndoneAt = env.Now
			return tx.PutImport(ctx, record)
		})
		if err != nil {
			return result, err
		}
		result.Removed, result.Kept = result.Removed+len(remove), append(result.Kept, keep...)
	}
	return result, nil
}
