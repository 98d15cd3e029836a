package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A categoryRow is a row of the table of categories.
type categoryRow struct {
	bun.BaseModel `bun:"table:spendwise_categories,alias:c"`

	Owner                                   string     `bun:",pk"`
	ID                                      sqldb.UUID `bun:"id,pk,type:uuid"`
	Name                                    string
	NameKey                                 string // the folded name, unique in the ledger
	Colour, Icon                            string
	Archived, Version, CreatedAt, UpdatedAt int64
}

func newCategoryRow(owner string, c expense.Category) categoryRow {
	return categoryRow{
		Owner: owner, ID: sqldb.UUID(c.ID), Name: c.Name, NameKey: expense.Fold(c.Name), Colour: c.Colour, Icon: c.Icon,
		Archived: sqldb.Flag(c.Archived), Version: int64(c.Version),
		CreatedAt: sqldb.Micros(c.CreatedAt), UpdatedAt: sqldb.Micros(c.UpdatedAt),
	}
}

func (row *categoryRow) category() expense.Category {
	return expense.Category{
		ID: uuid.UUID(row.ID), Name: row.Name, Colour: row.Colour, Icon: row.Icon, Archived: row.Archived != 0,
		Version: expense.Version(row.Version), CreatedAt: sqldb.FromMicros(row.CreatedAt),
		UpdatedAt: sqldb.FromMicros(row.UpdatedAt),
	}
}

func (r *reader) Category(ctx context.Context, id uuid.UUID) (expense.Category, error) {
	var row categoryRow
	found, err := sqldb.One(ctx, r.on(), &row, r.store.texts.category, r.owner, sqldb.UUID(id))
	switch {
	case err != nil:
		return expense.Category{}, err
	case !found:
		return expense.Category{}, r.missing(ctx, store.CategoryRow, id)
	}
	return row.category(), nil
}

// Category returns a category that the Update has read, and reads it otherwise.
func (tx *ledgerTx) Category(ctx context.Context, id uuid.UUID) (expense.Category, error) {
	if category, ok := tx.categories[id]; ok {
		return *category, tx.session.Failed
	}
	category, err := tx.reader.Category(ctx, id)
	if err == nil {
		tx.keepCategory(category)
	}
	return category, err
}

func (tx *ledgerTx) keepCategory(category expense.Category) {
	if tx.categories == nil {
		tx.categories = make(map[uuid.UUID]*expense.Category)
	}
	tx.categories[category.ID] = &category
}

// hasCategory reports whether the ledger has a category.
func (tx *ledgerTx) hasCategory(ctx context.Context, id uuid.UUID) (bool, error) {
	if _, ok := tx.categories[id]; ok {
		return true, tx.session.Failed
	}
	var row categoryRow
	found, err := sqldb.One(ctx, tx.session, &row, tx.store.texts.category, tx.owner, sqldb.UUID(id))
	if found {
		tx.keepCategory(row.category())
	}
	return found, err
}

func (r *reader) CategoryByName(ctx context.Context, name string) (expense.Category, error) {
	session := r.on()
	var row categoryRow
	found, err := false, session.Failed
	if sqldb.Storable(name) {
		found, err = sqldb.One(ctx, session, &row, r.store.texts.categoryByName, r.owner, expense.Fold(name))
	}
	if err == nil && !found {
		err = fmt.Errorf("category named %q: %w", name, expense.ErrNotFound)
	}
	return row.category(), err
}

// CategoryByName remembers the category for [ledgerTx.Category].
func (tx *ledgerTx) CategoryByName(ctx context.Context, name string) (expense.Category, error) {
	category, err := tx.reader.CategoryByName(ctx, name)
	if err == nil {
		tx.keepCategory(category)
	}
	return category, err
}

func (r *reader) Categories(ctx context.Context) (categories []expense.Category, err error) {
	err = sqldb.Each(ctx, r.on(), func(row *categoryRow) error {
		categories = append(categories, row.category())
		return nil
	}, r.store.texts.categories, r.owner)
	return categories, err
}

// Categories remembers the categories for [ledgerTx.Category].
func (tx *ledgerTx) Categories(ctx context.Context) ([]expense.Category, error) {
	categories, err := tx.reader.Categories(ctx)
	for _, category := range categories {
		tx.keepCategory(category)
	}
	return categories, err
}

func (tx *ledgerTx) PutCategories(ctx context.Context, categories ...expense.Category) (expense.Version, error) {
	if len(categories) == 0 {
		return 0, tx.session.Failed
	}
	all, err := tx.Categories(ctx)
	if err != nil {
		return 0, err
	}
	current := make(map[uuid.UUID]expense.Category, len(all))
	for _, category := range all {
		current[category.ID] = category
	}
	if err := checkRows(ctx, tx, store.CategoryRow, categories, current, categoryID, categoryVersion); err != nil {
		return 0, err
	}
	wanted := make(map[uuid.UUID]bool, len(categories))
	for _, category := range categories {
		wanted[category.ID] = true
	}
	holders := make(map[string]uuid.UUID, len(all)) // the categories by folded name, after the write
	for _, category := range all {
		if !wanted[category.ID] {
			holders[expense.Fold(category.Name)] = category.ID
		}
	}
	for _, category := range categories {
		name := expense.Fold(category.Name)
		if _, taken := holders[name]; taken {
			return 0, fmt.Errorf("category named %q: %w", category.Name, expense.ErrExists)
		}
		holders[name] = category.ID
	}
	if err := tx.freeNames(ctx, categories, current, holders); err != nil {
		return 0, err
	}
	rows := make([]categoryRow, len(categories))
	for i, category := range categories {
		category.Version = tx.next()
		rows[i] = newCategoryRow(tx.owner, category)
		tx.keepCategory(rows[i].category())
	}
	_, err = tx.session.Change(ctx, tx.session.NewInsert().Model(&rows).On("CONFLICT (owner, id) DO UPDATE"))
	if err != nil {
		return 0, err
	}
	for _, category := range categories {
		if _, existed := current[category.ID]; existed {
			if err := tx.clearFailures(ctx, category.ID); err != nil {
				return 0, err
			}
		}
	}
	return tx.next(), nil
}

// clearFailures clears the failures of the rules of a category, because the category may have caused them.
func (tx *ledgerTx) clearFailures(ctx context.Context, category uuid.UUID) error {
	query := tx.session.NewSelect().
		Where("owner = ? AND category_id = ? AND last_error <> ''", tx.owner, sqldb.UUID(category))
	rules, err := sqldb.FindAll(ctx, tx.session, query, (*ruleRow).rule)
	if err != nil {
		return err
	}
	for i := range rules {
		rules[i] = rules[i].WithoutFailure()
	}
	_, err = tx.PutRules(ctx, rules...)
	return err
}

// freeNames makes place for categories that exchange their names, because a unique key is checked after each row.
func (tx *ledgerTx) freeNames(
	ctx context.Context, categories []expense.Category, current map[uuid.UUID]expense.Category,
	holders map[string]uuid.UUID,
) error {
	for _, category := range categories {
		old, existed := current[category.ID]
		if holder, taken := holders[expense.Fold(old.Name)]; !existed || !taken || holder == category.ID {
			continue
		}
		// No name contains a line feed.
		_, err := tx.session.Change(ctx, tx.session.NewUpdate().Model((*categoryRow)(nil)).
			Set("name_key = ?", "\n"+category.ID.String()).Where("owner = ? AND id = ?", tx.owner, sqldb.UUID(category.ID)))
		if err != nil {
			return err
		}
	}
	return nil
}

func categoryID(c expense.Category) uuid.UUID            { return c.ID }
func categoryVersion(c expense.Category) expense.Version { return c.Version }

func (tx *ledgerTx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	if _, err := tx.Category(ctx, id); err != nil {
		return 0, err
	}
	if err := tx.flush(ctx); err != nil {
		return 0, err
	}
	inUse := tx.settings.DefaultCategory == id
	if !inUse {
		const uses = `SELECT 1 WHERE
			EXISTS (SELECT 1 FROM spendwise_totals WHERE owner = ?0 AND category_id = ?1 AND count > 0)
			OR EXISTS (SELECT 1 FROM spendwise_rules WHERE owner = ?0 AND category_id = ?1)
			OR EXISTS (SELECT 1 FROM spendwise_budgets WHERE owner = ?0 AND (category_id = ?1 OR merged_into = ?1))`
		var err error
		var used int64
		if inUse, err = tx.session.Find(ctx, tx.session.NewRaw(uses, tx.owner, sqldb.UUID(id)), &used); err != nil {
			return 0, err
		}
	}
	if inUse {
		return 0, fmt.Errorf("category %s: %w", id, expense.ErrInUse)
	}
	return tx.next(), tx.removeCategory(ctx, id, uuid.Nil, "")
}

// removeCategory replaces a category by its tombstone. into and name are for a category that is merged.
func (tx *ledgerTx) removeCategory(ctx context.Context, id, into uuid.UUID, name string) error {
	delete(tx.categories, id)
	_, err := tx.session.Change(ctx, tx.session.NewDelete().Model((*categoryRow)(nil)).
		Where("owner = ? AND id = ?", tx.owner, sqldb.UUID(id)))
	if err != nil {
		return err
	}
	row := tx.tombstone(store.CategoryRow, id, into, time.Now())
	row.NameKey = sqldb.NullText(expense.Fold(name))
	_, err = tx.session.Change(ctx, tx.session.NewInsert().Model(&row))
	return err
}

func (r *reader) MergedInto(ctx context.Context, id uuid.UUID) (uuid.UUID, error) {
	var row tombstoneRow
	session := r.on()
	found, err := session.Find(ctx, session.NewSelect().Model(&row).
		Where("owner = ? AND type = ? AND id = ?", r.owner, store.CategoryRow.String(), sqldb.UUID(id)))
	if err == nil && !found {
		err = fmt.Errorf("tombstone of category %s: %w", id, expense.ErrNotFound)
	}
	return uuid.UUID(row.MergedInto), err
}

func (tx *ledgerTx) MergeCategory(
	ctx context.Context, from, into uuid.UUID, month expense.Month,
) (expense.MergeResult, error) {
	source, err := tx.Category(ctx, from)
	if err != nil {
		return expense.MergeResult{}, err
	}
	if _, err := tx.Category(ctx, into); err != nil {
		return expense.MergeResult{}, err
	}
	switch {
	case from == into:
		return expense.MergeResult{}, &expense.InvalidError{
			Field: "into", Code: "same_category", Detail: "a category cannot be merged into itself; give another one",
		}
	case tx.settings.DefaultCategory == from:
		return expense.MergeResult{}, fmt.Errorf("category %s is the default: %w", from, expense.ErrInUse)
	}
	if err := tx.flush(ctx); err != nil {
		return expense.MergeResult{}, err
	}
	tx.expenses = nil // the statement below changes expenses
	result := expense.MergeResult{Version: tx.next()}
	for table, moved := range map[string]*int{
		"spendwise_expenses": &result.Expenses, "spendwise_rules": &result.Rules,
	} {
		changed, err := tx.session.Change(ctx, tx.session.NewUpdate().Table(table).
			Set("category_id = ?", sqldb.UUID(into)).Set("version = ?", int64(result.Version)).
			Where("owner = ? AND category_id = ?", tx.owner, sqldb.UUID(from)))
		if err != nil {
			return expense.MergeResult{}, err
		}
		*moved = int(changed)
	}
	if err := tx.clearFailures(ctx, into); err != nil {
		return expense.MergeResult{}, err
	}
	if err := tx.moveTotals(ctx, from, into); err != nil {
		return expense.MergeResult{}, err
	}
	if result.BudgetID, result.BudgetUntil, err = tx.endBudget(ctx, source, into, month.Add(-1)); err != nil {
		return expense.MergeResult{}, err
	}
	return result, tx.removeCategory(ctx, from, into, source.Name)
}

// endBudget ends the budget of a category that is merged into another one, with the month last. The budgets that
// earlier merges left to the category follow its expenses.
func (tx *ledgerTx) endBudget(
	ctx context.Context, source expense.Category, into uuid.UUID, last expense.Month,
) (ended uuid.UUID, until expense.Month, err error) {
	budgets, err := tx.budgets(ctx)
	if err != nil {
		return uuid.Nil, expense.Month{}, err
	}
	var kept []budget.Budget
	for _, b := range budgets {
		switch {
		case b.MergedInto == source.ID:
		case b.CategoryID != source.ID:
			continue
		case b.Entries[0].From.After(last):
			if _, err := tx.DeleteBudget(ctx, b.ID); err != nil {
				return uuid.Nil, expense.Month{}, err
			}
			ended = b.ID
			continue
		default:
			b.MergedName = source.Name
			if b.Until.IsZero() || b.Until.After(last) {
				b.Until, b.Guard = last, tx.next()
				ended, until = b.ID, last
			}
		}
		b.MergedInto, b.Version = into, tx.next()
		kept = append(kept, b)
	}
	if len(kept) == 0 {
		return ended, until, nil
	}
	return ended, until, tx.rewriteBudgets(ctx, kept)
}
