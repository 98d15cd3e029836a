package statement

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// maxBatch is how many rows one Update takes at most.
	maxBatch = 1000
	// MaxFailures is how many failures an import lists before it gives up.
	MaxFailures = 10_000
)

// An Updater runs transactions on the ledgers of a store. Every [store.Store] is one.
type Updater interface {
	// Update is that of [store.Store].
	Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error
}

// OnError says what an import does with a file of which some lines fail.
type OnError uint8

// What an import does with lines that fail.
const (
	SkipFailed OnError = iota // they are listed, the rest goes in
	Abort                     // they are listed, nothing goes in
)

// Options say how [Import] works.
type Options struct {
	DryRun  bool // say what would become of each line, and leave the ledger as it is
	OnError OnError
	// Progress is called after each batch with what is done so far.
	Progress func(Result)
	// Finish is called in the last Update, dry or not, with the result, to keep it in the transaction that brings it
	// about; an error from it undoes that Update. It may run more than once, as a transaction is tried again. tx is that
	// of the Updater.
	Finish func(ctx context.Context, tx store.Tx, result Result) error
}

// A Result is what became of a file's lines. Each is counted once; one that failed may be listed with several failures.
type Result struct {
	Added       int
	Known       int // in the ledger since an earlier run, or deleted there since
	Ignored     int // left out by the mapping
	FailedLines int
	Failed      []Failure
	DryRun      bool
}

// Import adds rows to a ledger, through the same [expense.AddAll] as every other write, at most 1,000 of them an
// Update. Running it again adds only what is new. Categories that the ledger lacks are made with the first row that
// goes in; rows of an archived one fail. With Abort all rows are checked before the first is written, so that rows is
// ranged over twice; should another writer meanwhile make a row fail, it ends with that batch, and what went in stays.
// A dry run does all of it and undoes it. Should more than [MaxFailures] come together, the error is ErrInvalid: the
// mapping is hardly this file's.
func Import(
	ctx context.Context, st Updater, owner expense.OwnerID, env expense.Env, rows iter.Seq2[Row, error], opts Options,
) (Result, error) {
	ledger := ledgerUpdater(func(ctx context.Context, fn func(store.Tx) error) error { return st.Update(ctx, owner, fn) })
	if opts.DryRun || opts.OnError == Abort {
		trial := importer{ledger: (&rehearsal{ledger: ledger, env: env}).update, env: env, progress: opts.Progress}
		result, err := trial.run(ctx, rows)
		result.DryRun = opts.DryRun
		if !opts.DryRun {
			result.Added = 0
		}
		if err != nil {
			return result, err
		}
		if opts.DryRun || len(result.Failed) > 0 {
			return result, finish(ctx, ledger, opts.Finish, result)
		}
	}
	run := importer{ledger: ledger, env: env, abort: opts.OnError == Abort, progress: opts.Progress, finish: opts.Finish}
	return run.run(ctx, rows)
}

// A ledgerUpdater runs transactions on one ledger.
type ledgerUpdater func(ctx context.Context, fn func(store.Tx) error) error

// finish calls Finish in an Update of its own, for a result that no other Update brings about.
func finish(ctx context.Context, ledger ledgerUpdater, fn finisher, result Result) error {
	if fn == nil {
		return nil
	}
	return ledger(ctx, func(tx store.Tx) error { return fn(ctx, tx, result) })
}

type finisher = func(ctx context.Context, tx store.Tx, result Result) error

// An importer takes rows batch by batch.
type importer struct {
	ledger   ledgerUpdater
	env      expense.Env
	abort    bool // the first row that fails ends it
	progress func(Result)
	finish   finisher
	result   Result
	batch    []Row
}

func (im *importer) run(ctx context.Context, rows iter.Seq2[Row, error]) (Result, error) {
	im.batch = make([]Row, 0, maxBatch)
	for row, err := range rows {
		switch {
		case err != nil:
			return im.result, err
		case row.Ignored:
			im.result.Ignored++
			continue
		case len(im.batch) == maxBatch:
			// Only a row that follows shows that the batch before it is not the last.
			if err := im.flush(ctx, false); err != nil {
				return im.result, err
			}
			if im.abort && im.result.FailedLines > 0 {
				return im.result, finish(ctx, im.ledger, im.finish, im.result)
			}
		}
		im.batch = append(im.batch, row)
	}
	err := im.flush(ctx, true)
	return im.result, err
}

// flush brings the batch into the ledger, in one Update.
func (im *importer) flush(ctx context.Context, last bool) error {
	if len(im.batch) == 0 && im.finish == nil {
		return nil
	}
	var result Result
	err := im.ledger(ctx, func(tx store.Tx) error {
		result = im.result
		if err := im.add(ctx, tx, &result); err != nil {
			return err
		}
		if len(result.Failed) > MaxFailures {
			return &expense.InvalidError{
				Field: "file", Code: "too_many_failures", Detail: fmt.Sprintf(
					"more than %d failures, the last on line %d: %s; is the mapping this file's?",
					MaxFailures, result.Failed[len(result.Failed)-1].Line, result.Failed[len(result.Failed)-1].Detail),
			}
		}
		if last && im.finish != nil {
			return im.finish(ctx, tx, result)
		}
		return nil
	})
	if err != nil {
		return err
	}
	im.result, im.batch = result, im.batch[:0]
	if im.progress != nil {
		im.progress(result)
	}
	return nil
}

// add adds the batch's rows and counts them in result. Every row is checked before the first category is made.
func (im *importer) add(ctx context.Context, tx expense.Tx, result *Result) error {
	settings, err := tx.Settings(ctx)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	a := adder{ctx: ctx, tx: tx, env: im.env, result: result, made: map[string]error{}}
	before := len(result.Failed)
	for _, row := range im.batch {
		if len(row.Failures) > 0 {
			result.FailedLines++
			result.Failed = append(result.Failed, row.Failures...)
			continue
		}
		if strings.ContainsRune(row.Draft.Category, 0) {
			// It is no name, and a store cannot even look it up: PostgreSQL's texts hold no such character.
			a.fail(row, []*expense.InvalidError{{
				Field: "category", Code: "control_character", Detail: "a name is UTF-8 text without control characters",
			}})
			continue
		}
		if row.rateHome != "" && row.rateHome != settings.Home.Code() {
			// A rate by hand into another home currency says nothing here: the rate table decides.
			row.Draft.Rate = ""
		}
		a.take(row, row.Draft.Parse(settings.Home))
	}
	if err := a.checkAll(); err != nil {
		return err
	}
	if err := a.addAll(); err != nil {
		return err
	}
	slices.SortStableFunc(result.Failed[before:], func(x, y Failure) int { return x.Line - y.Line })
	return nil
}

// An adder adds rows in one transaction.
type adder struct {
	ctx    context.Context //nolint:containedctx // an adder lives within one Update, whose context this is.
	tx     expense.Tx
	env    expense.Env
	result *Result
	rows   []Row
	drafts []expense.TypedDraft // of rows
	made   map[string]error     // what came of making a category, by folded name
}

func (a *adder) take(row Row, draft expense.TypedDraft) {
	a.rows = append(a.rows, row)
	a.drafts = append(a.drafts, draft)
}

func (a *adder) fail(row Row, faults []*expense.InvalidError) {
	a.result.FailedLines++
	for _, fault := range faults {
		a.result.Failed = append(a.result.Failed, row.fail(fault))
	}
}

// checkAll counts what fails and what is known, makes the categories that the others lack, and leaves the others.
func (a *adder) checkAll() error {
	verdicts, err := expense.Check(a.ctx, a.tx, a.env, a.drafts...)
	if err != nil {
		return err
	}
	rows, drafts := a.rows, a.drafts
	a.rows, a.drafts = nil, nil
	for i, verdict := range verdicts {
		row := rows[i]
		// That the ledger lacks a category is no fault if nothing else is: it is made.
		faults := slices.DeleteFunc(expense.InvalidErrors(verdict.Err), isUnknownCategory)
		if verdict.Err != nil && len(faults) == 0 {
			err := a.makeCategory(row.Draft.Category)
			if faults = expense.InvalidErrors(err); err != nil && len(faults) == 0 {
				return err
			}
		}
		switch {
		case len(faults) > 0:
			a.fail(row, faults)
		case verdict.Known:
			a.result.Known++
		default:
			a.take(row, drafts[i])
		}
	}
	return nil
}

func isUnknownCategory(fault *expense.InvalidError) bool {
	return fault.Field == "category" && fault.Code == "unknown_category"
}

// makeCategory makes a category. What is wrong with it is ErrInvalid, a fault of the field "category".
func (a *adder) makeCategory(name string) error {
	key := expense.Fold(name)
	err, done := a.made[key]
	if done {
		return err
	}
	_, err = expense.AddCategory(a.ctx, a.tx, a.env, expense.CategoryDraft{Name: name})
	if errors.Is(err, expense.ErrInvalid) {
		var faults expense.ValidationErrors
		for _, fault := range expense.InvalidErrors(err) {
			faults.Add("category", fault.Code, "%s", fault.Detail)
		}
		err = faults.Err()
	}
	a.made[key] = err
	return err
}

// addAll adds what checkAll has left.
func (a *adder) addAll() error {
	verdicts, err := expense.AddAll(a.ctx, a.tx, a.env, a.drafts...)
	if err == nil {
		a.count(a.rows, verdicts)
		return nil
	}
	if !errors.Is(err, expense.ErrInvalid) {
		return err
	}
	// Together they pass a limit of the ledger: as many as fit go in one by one.
	for i, draft := range a.drafts {
		verdicts, err := expense.AddAll(a.ctx, a.tx, a.env, draft)
		switch {
		case err == nil:
			a.count(a.rows[i:i+1], verdicts)
		case errors.Is(err, expense.ErrInvalid):
			a.fail(a.rows[i], expense.InvalidErrors(err))
		default:
			return err
		}
	}
	return nil
}

func (a *adder) count(rows []Row, verdicts []expense.BatchResult) {
	for i, verdict := range verdicts {
		switch {
		case verdict.Err != nil:
			a.fail(rows[i], expense.InvalidErrors(verdict.Err))
		case verdict.Known:
			a.result.Known++
		default:
			a.result.Added++
		}
	}
}
