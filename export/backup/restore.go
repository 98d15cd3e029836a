package backup

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// batchSize is the number of expenses in one call of PutExpenses.
const batchSize = 1000

// RestoreOptions are the options of [Restore].
type RestoreOptions struct {
	// Progress is called after every 1,000 expenses with the number of expenses written so far and the number of all. It
	// may be nil.
	Progress func(written, all int)
}

// Restore writes the backup in r into the ledger of owner and returns what the backup holds. The ledger must exist and
// must have no expenses, budgets, alerts or rules. Its settings and categories are replaced.
//
// Restore reads and checks the whole backup before it writes. Then it reads r again from the same offset and writes all
// rows in one [store.Store.Update], so a failed Restore changes nothing. The Update locks the ledger, and on SQLite the
// database, until the last row is written.
//
// Call [store.Store.StartEpoch] before Restore if devices may have synchronised with the ledger that was lost.
// Otherwise the server rejects the changes that they have not sent yet. Ids, times and exchange rates are those of the
// backup. Versions are not: they continue from the version of the ledger.
//
// Restore returns an ErrInvalid that names the line if the backup is cut off, changed or otherwise invalid. It also
// returns ErrInvalid if the ledger is not empty, and ErrNotFound if owner has no ledger.
func Restore(
	ctx context.Context, st store.Store, owner expense.OwnerID, env expense.Env, r io.ReadSeeker, opts RestoreOptions,
) (Counts, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return Counts{}, fmt.Errorf("find the start of the backup: %w", err)
	}
	f := &file{latestDate: expense.DateOf(env.Now.AddDate(0, 0, expense.MaxDaysAhead+1), expense.Zone{}.Location())}
	if err := f.read(ctx, r, nil); err != nil {
		return Counts{}, err
	}
	err = st.Update(ctx, owner, func(tx store.Tx) error {
		if _, err := r.Seek(start, io.SeekStart); err != nil {
			return fmt.Errorf("go back to the start of the backup: %w", err)
		}
		w := restorer{ctx: ctx, tx: tx, file: f, progress: opts.Progress}
		return w.run(r)
	})
	if err != nil {
		return Counts{}, err
	}
	return f.counts, nil
}

// restorer writes a backup in one transaction. The rows went through the use cases before they were backed up, so the
// restorer passes them to the Tx directly.
type restorer struct {
	ctx      context.Context //nolint:containedctx // a restorer lives within one Update, whose context this is.
	tx       store.Tx
	file     *file
	progress func(written, all int)
	batch    []expense.Expense
	written  int
	all      int
}

func (w *restorer) run(r io.Reader) error {
	if err := w.checkEmpty(); err != nil {
		return err
	}
	w.all = w.file.counts.Expenses
	if err := w.putCategories(); err != nil {
		return fmt.Errorf("restore the categories, settings and budgets: %w", err)
	}
	if _, err := w.tx.PutRules(w.ctx, w.file.rules...); err != nil {
		return fmt.Errorf("restore the recurring rules: %w", err)
	}
	if _, err := w.tx.PutAlerts(w.ctx, w.file.alerts...); err != nil {
		return fmt.Errorf("restore the alerts: %w", err)
	}
	// The file may have changed since it was checked. This second reading checks it again.
	if err := w.file.read(w.ctx, r, w.put); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.putImports()
}

// checkEmpty returns ErrInvalid if the ledger has rows that a restore does not replace.
func (w *restorer) checkEmpty() error {
	snapshot, err := w.tx.BudgetSnapshot(w.ctx)
	if err != nil {
		return fmt.Errorf("read the budgets: %w", err)
	}
	rules, err := w.tx.Rules(w.ctx)
	if err != nil {
		return fmt.Errorf("read the recurring rules: %w", err)
	}
	alerts, err := w.tx.Alerts(w.ctx, expense.Month{})
	if err != nil {
		return fmt.Errorf("read the alerts: %w", err)
	}
	rows := ""
	for _, err := range w.tx.Expenses(w.ctx, expense.Query{Limit: 1}) {
		if err != nil {
			return fmt.Errorf("read the expenses: %w", err)
		}
		rows = "expenses"
	}
	switch {
	case rows != "":
	case len(snapshot.Budgets) > 0:
		rows = "budgets"
	case len(alerts) > 0:
		rows = "alerts"
	case len(rules) > 0:
		rows = "recurrences"
	default:
		return nil
	}
	return &expense.InvalidError{
		Code:   "ledger_not_empty",
		Detail: "the ledger already has " + rows + "; restore the backup into an empty ledger, such as that of a new user",
	}
}

// putCategories replaces the categories and settings of the ledger and writes the budgets.
//
// The names of categories must be unique after each call. To write a budget whose category was merged, putCategories
// needs that category temporarily, with its old name. Another category of the backup may have the same name. So
// putCategories first names all categories by their ids, then writes the budgets and repeats the merges, and then gives
// the categories their names.
func (w *restorer) putCategories() error {
	old, err := w.tx.Categories(w.ctx)
	if err != nil {
		return err
	}
	versions := make(map[uuid.UUID]expense.Version, len(old))
	for _, c := range old {
		versions[c.ID] = c.Version
	}
	all, extra := slices.Clone(w.file.categories), []uuid.UUID{}
	present := make(map[uuid.UUID]bool, len(all))
	for i := range all {
		present[all[i].ID], all[i].Version = true, versions[all[i].ID]
	}
	for _, c := range old {
		if !present[c.ID] {
			present[c.ID], extra = true, append(extra, c.ID)
			all = append(all, c)
		}
	}
	for i := range all {
		all[i].Name = all[i].ID.String()
	}
	version, err := w.tx.PutCategories(w.ctx, all...)
	if err != nil {
		return err
	}
	settings, err := w.tx.Settings(w.ctx)
	if err != nil {
		return err
	}
	restored := w.file.settings
	restored.Version = settings.Version
	if _, err := w.tx.PutSettings(w.ctx, restored); err != nil {
		return err
	}
	merged, err := w.putBudgets(func(id uuid.UUID) expense.Version {
		if present[id] {
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
		if _, err := w.tx.DeleteCategory(w.ctx, id); err != nil {
			return err
		}
	}
	named := slices.Clone(w.file.categories)
	for i := range named {
		named[i].Version = version
	}
	_, err = w.tx.PutCategories(w.ctx, named...)
	return err
}

// putBudgets writes the budgets. If the category of a budget was merged into another one, putBudgets repeats the merge,
// which leaves a tombstone of the category. It returns the ids of the merged categories. version returns the version of
// a category in the ledger, or 0 if the ledger does not have it.
func (w *restorer) putBudgets(version func(uuid.UUID) expense.Version) (merged map[uuid.UUID]bool, err error) {
	merged = map[uuid.UUID]bool{}
	var others []budget.Budget
	for _, b := range w.file.budgets {
		if b.MergedInto == uuid.Nil {
			others = append(others, b)
			continue
		}
		category := mergedCategory(b)
		category.Version = version(category.ID)
		if _, err := w.tx.PutCategories(w.ctx, category); err != nil {
			return nil, err
		}
		if _, err := w.tx.PutBudgets(w.ctx, b); err != nil {
			return nil, err
		}
		if _, err := w.tx.MergeCategory(w.ctx, b.CategoryID, b.MergedInto, b.Until.Add(1)); err != nil {
			return nil, err
		}
		merged[b.CategoryID] = true
	}
	_, err = w.tx.PutBudgets(w.ctx, others...)
	return merged, err
}

func (w *restorer) put(e expense.Expense) error {
	if w.batch = append(w.batch, e); len(w.batch) == batchSize {
		return w.flush()
	}
	return nil
}

func (w *restorer) flush() error {
	if len(w.batch) == 0 {
		return nil
	}
	if _, err := w.tx.PutExpenses(w.ctx, w.batch...); err != nil {
		return fmt.Errorf("restore the expenses: %w", err)
	}
	w.written += len(w.batch)
	w.batch = w.batch[:0]
	if w.progress != nil {
		w.progress(w.written, w.all)
	}
	return nil
}
