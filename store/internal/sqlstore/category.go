package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const (
	categoryCells  = `id, name, colour, icon, archived, version, created_at, updated_at`
	categoryWidth  = 8
	selectCategory = `SELECT ` + categoryCells + ` FROM spendwise_categories WHERE owner = $1 AND id = $2`
)

var categoryColumns = columnsOf(`owner text, id uuid, name text, name_key text, colour text, icon text,
	archived smallint,
	version bigint, created_at bigint, updated_at bigint`)

var categoriesTable = &table{
	name: "spendwise_categories", columns: categoryColumns, conflict: replace(categoryColumns),
}

func categoryRow(owner string, c expense.Category) []any {
	return []any{owner, c.ID.String(), c.Name, expense.Fold(c.Name), c.Colour, c.Icon, flag(c.Archived), int64(c.Version),
		c.CreatedAt.UnixMicro(), c.UpdatedAt.UnixMicro()}
}

func scanCategory(r *row) expense.Category {
	return expense.Category{
		ID: r.id(0), Name: r.text(1), Colour: r.text(2), Icon: r.text(3), Archived: r.bool(4), Version: r.version(5),
		CreatedAt: r.instant(6), UpdatedAt: r.instant(7),
	}
}

func (r *reader) Category(ctx context.Context, id uuid.UUID) (category expense.Category, err error) {
	if r.invalid != nil {
		return category, r.invalid
	}
	found, err := r.on().one(ctx, categoryWidth, func(row *row) { category = scanCategory(row) }, selectCategory, r.owner,
		id.String())
	if err == nil && !found {
		err = r.missing(ctx, store.CategoryRow, id)
	}
	return category, err
}

func (r *reader) CategoryByName(ctx context.Context, name string) (category expense.Category, err error) {
	if r.invalid != nil {
		return category, r.invalid
	}
	found := false
	if storable(name) {
		found, err = r.on().one(ctx, categoryWidth, func(row *row) { category = scanCategory(row) },
			`SELECT `+categoryCells+` FROM spendwise_categories WHERE owner = $1 AND name_key = $2`, r.owner, expense.Fold(name))
	}
	if err == nil && !found {
		err = fmt.Errorf("category named %q: %w", name, expense.ErrNotFound)
	}
	return category, err
}

// storable reports whether a text can stand in a database at all: nothing that is kept equals one that cannot.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func (r *reader) Categories(ctx context.Context) (categories []expense.Category, err error) {
	if r.invalid != nil {
		return nil, r.invalid
	}
	err = r.on().each(ctx, categoryWidth, func(row *row) { categories = append(categories, scanCategory(row)) },
		`SELECT `+categoryCells+` FROM spendwise_categories WHERE owner = $1 ORDER BY name_key`, r.owner)
	return categories, err
}

func (tx *ledgerTx) PutCategories(ctx context.Context, categories ...expense.Category) (expense.Version, error) {
	if len(categories) == 0 {
		return 0, tx.session.doomed
	}
	if err := distinct(store.CategoryRow, categories, func(c expense.Category) uuid.UUID { return c.ID }); err != nil {
		return 0, err
	}
	all, err := tx.Categories(ctx)
	if err != nil {
		return 0, err
	}
	current := make(map[uuid.UUID]expense.Category, len(all))
	holders := make(map[string]uuid.UUID, len(all)) // who has a folded name in the end
	for _, category := range all {
		current[category.ID] = category
		holders[expense.Fold(category.Name)] = category.ID
	}
	if err := admitAll(ctx, tx, store.CategoryRow, categories, current, categoryID, categoryVersion); err != nil {
		return 0, err
	}
	for _, category := range categories {
		if old, ok := current[category.ID]; ok {
			delete(holders, expense.Fold(old.Name))
		}
	}
	for _, category := range categories {
		name := expense.Fold(category.Name)
		if holder, taken := holders[name]; taken && holder != category.ID {
			return 0, fmt.Errorf("category named %q: %w", category.Name, expense.ErrExists)
		}
		holders[name] = category.ID
	}
	if err := tx.freeNames(ctx, categories, current); err != nil {
		return 0, err
	}
	rows := make([][]any, len(categories))
	for i, category := range categories {
		category.Version = tx.next()
		rows[i] = categoryRow(tx.owner, category)
	}
	if _, err := tx.session.insert(ctx, categoriesTable, rows); err != nil {
		return 0, err
	}
	for _, category := range categories {
		if _, known := current[category.ID]; known {
			if err := tx.repair(ctx, category.ID); err != nil {
				return 0, err
			}
		}
	}
	return tx.next(), nil
}

// repair lets the rules of a category that was changed be tried again: what was wrong with them may have been the
// category.
func (tx *ledgerTx) repair(ctx context.Context, category uuid.UUID) error {
	var failed []recurrence.Rule
	err := tx.session.each(ctx, ruleWidth, func(r *row) { failed = append(failed, scanRule(r).WithoutFailure()) },
		`SELECT `+ruleCells+` FROM spendwise_rules r WHERE r.owner = $1 AND r.category_id = $2 AND r.last_error <> ''`,
		tx.owner, category.String())
	if err == nil {
		_, err = tx.PutRules(ctx, failed...)
	}
	return err
}

// freeNames takes their names from categories that give them to one another, which row by row no unique key allows.
func (tx *ledgerTx) freeNames(
	ctx context.Context, categories []expense.Category, current map[uuid.UUID]expense.Category,
) error {
	wanted := make(map[string]uuid.UUID, len(categories))
	for _, category := range categories {
		wanted[expense.Fold(category.Name)] = category.ID
	}
	for _, category := range categories {
		old, ok := current[category.ID]
		if taker, given := wanted[expense.Fold(old.Name)]; !ok || !given || taker == category.ID {
			continue
		}
		// A line feed is in no name.
		_, err := tx.session.exec(ctx, `UPDATE spendwise_categories SET name_key = $3 WHERE owner = $1 AND id = $2`,
			tx.owner, category.ID.String(), "\n"+category.ID.String())
		if err != nil {
			return err
		}
	}
	return nil
}

func categoryID(c expense.Category) uuid.UUID            { return c.ID }
func categoryVersion(c expense.Category) expense.Version { return c.Version }

// admitAll says what stands in the way of writing rows: current holds what is there of them.
func admitAll[R any](
	ctx context.Context, tx *ledgerTx, what store.RowType, rows []R, current map[uuid.UUID]R, id func(R) uuid.UUID,
	version func(R) expense.Version,
) error {
	var absent []uuid.UUID
	var wants []expense.Version
	for _, row := range rows {
		if _, ok := current[id(row)]; !ok {
			absent, wants = append(absent, id(row)), append(wants, version(row))
		}
	}
	if err := tx.absent(ctx, what, absent, wants); err != nil {
		return err
	}
	for _, row := range rows {
		if old, ok := current[id(row)]; ok {
			if err := admit(what.String(), id(row), version(row), version(old)); err != nil {
				return err
			}
		}
	}
	return nil
}

// distinct reports an id that comes twice.
func distinct[R any](what store.RowType, rows []R, id func(R) uuid.UUID) error {
	seen := make(map[uuid.UUID]struct{}, len(rows))
	for _, row := range rows {
		if _, twice := seen[id(row)]; twice {
			return &expense.InvalidError{
				Field: "id", Code: "duplicate", Detail: fmt.Sprintf("%s %s comes twice in one call; write it once", what, id(row)),
			}
		}
		seen[id(row)] = struct{}{}
	}
	return nil
}

func (tx *ledgerTx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	if _, err := tx.Category(ctx, id); err != nil {
		return 0, err
	}
	inUse := tx.settings.DefaultCategory == id
	if !inUse {
		var err error
		inUse, err = tx.session.one(ctx, 1, func(*row) {}, `SELECT 1 WHERE
			EXISTS (SELECT 1 FROM spendwise_expenses WHERE owner = $1 AND category_id = $2)
			OR EXISTS (SELECT 1 FROM spendwise_rules WHERE owner = $1 AND category_id = $2)
			OR EXISTS (SELECT 1 FROM spendwise_budgets WHERE owner = $1 AND (category_id = $2 OR merged_into = $2))`, tx.owner,
			id.String())
		if err != nil {
			return 0, err
		}
	}
	if inUse {
		return 0, fmt.Errorf("category %s: %w", id, expense.ErrInUse)
	}
	return tx.next(), tx.removeCategory(ctx, id, uuid.Nil)
}

func (tx *ledgerTx) removeCategory(ctx context.Context, id, into uuid.UUID) error {
	_, err := tx.session.exec(ctx, `DELETE FROM spendwise_categories WHERE owner = $1 AND id = $2`, tx.owner, id.String())
	if err != nil {
		return err
	}
	return tx.bury(ctx, store.CategoryRow, into, id)
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
			Field: "into", Code: "same_category", Detail: "a category cannot be merged into itself; name another",
		}
	case tx.settings.DefaultCategory == from:
		return expense.MergeResult{}, fmt.Errorf("category %s is the default: %w", from, expense.ErrInUse)
	}
	merged := expense.MergeResult{Version: tx.next()}
	moves := []struct {
		text  string
		moved *int
	}{
		{`UPDATE spendwise_expenses SET category_id = $3, version = $4 WHERE owner = $1 AND category_id = $2`,
			&merged.Expenses},
		{`UPDATE spendwise_rules SET category_id = $3, version = $4 WHERE owner = $1 AND category_id = $2`, &merged.Rules},
	}
	for _, move := range moves {
		moved, err := tx.session.exec(ctx, move.text, tx.owner, from.String(), into.String(), int64(merged.Version))
		if err != nil {
			return expense.MergeResult{}, err
		}
		*move.moved = int(moved)
	}
	if err := tx.repair(ctx, into); err != nil {
		return expense.MergeResult{}, err
	}
	if err := tx.moveTotals(ctx, from, into); err != nil {
		return expense.MergeResult{}, err
	}
	if merged.BudgetID, merged.BudgetUntil, err = tx.endBudget(ctx, source, into, month.Add(-1)); err != nil {
		return expense.MergeResult{}, err
	}
	return merged, tx.removeCategory(ctx, from, into)
}

// endBudget ends the series of a category that is merged away with the month last. What is left of it, and the series
// that earlier merges left to the category, follow its expenses into the other.
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
