package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// The parts of a Book in one statement: each line is a settings, a category, a budget or an entry, told by its first
// cell.
const (
	bookSettings = `SELECT 0 AS part, CAST(default_category AS text) AS id, home AS a, zone AS b, locale AS c,
		CAST(fiscal_year_start AS bigint) AS k, settings_version AS l, CASE WHEN EXISTS (SELECT 1 FROM spendwise_rules r
		WHERE r.owner = $1 AND r.paused = 0 AND r.next_date <> 0)
		THEN CAST(1 AS bigint) ELSE CAST(0 AS bigint) END AS m, CAST(0 AS bigint) AS n, CAST(0 AS bigint) AS o,
		'' AS d, CAST(0 AS bigint) AS p, CAST(0 AS bigint) AS q, '' AS e
		FROM spendwise_ledgers WHERE owner = $1`
	bookCategories = ` UNION ALL SELECT 1, CAST(id AS text), name, colour, icon, CAST(archived AS bigint), version, 0,
		created_at, updated_at,
		'', 0, 0, ''
		FROM spendwise_categories WHERE owner = $1`
	bookBudgets = `SELECT 2 AS part, CAST(id AS text) AS id, CAST(category_id AS text) AS a, label AS b, alert_at AS c,
		CAST(until_month AS bigint) AS k, version AS l, guard AS m, created_at AS n, updated_at AS o,
		CAST(merged_into AS text) AS d, CAST(rollover AS bigint) AS p, rollover_cap AS q, cap_currency AS e
		FROM spendwise_budgets WHERE owner = $1
		UNION ALL SELECT 3, CAST(budget_id AS text), currency, '', '', CAST(from_month AS bigint), amount, 0, 0, 0, '', 0, 0,
		''
		FROM spendwise_budget_entries WHERE owner = $1`
	selectBook    = bookSettings + bookCategories + " UNION ALL " + bookBudgets
	bookWidth     = 14
	partSettings  = 0
	partCategory  = 1
	partBudget    = 2
	partEntry     = 3
	alertSplitter = ","
)

var (
	budgetColumns = columnsOf(`owner text, id uuid, category_id uuid, label text, merged_into uuid, until_month integer,
		rollover smallint,
		rollover_cap bigint, cap_currency text, alert_at text, version bigint, guard bigint, created_at bigint,
		updated_at bigint`)
	budgetsTable = &table{name: "spendwise_budgets", columns: budgetColumns}
	entriesTable = &table{
		name:    "spendwise_budget_entries",
		columns: columnsOf(`owner text, budget_id uuid, from_month integer, amount bigint, currency text`),
	}
)

// budgetRows collects budgets and their entries, which come in any order.
type budgetRows struct {
	budgets []budget.Budget
	entries map[uuid.UUID][]budget.Entry
}

func (b *budgetRows) scan(r *row) {
	switch r.int(0) {
	case partBudget:
		category, err := uuid.Parse(r.text(2))
		r.note(err)
		scanned := budget.Budget{
			ID: r.id(1), CategoryID: category, MergedName: r.text(3), AlertAt: scanAlerts(r, 4), Until: r.month(5),
			Version: r.version(6), Guard: r.version(7), CreatedAt: r.instant(8), UpdatedAt: r.instant(9),
			MergedInto: r.id(10), Rollover: budget.Rollover(r.int(11)),
		}
		if r.text(13) != "" {
			scanned.RolloverCap = r.money(12, 13)
		}
		b.budgets = append(b.budgets, scanned)
	case partEntry:
		if b.entries == nil {
			b.entries = make(map[uuid.UUID][]budget.Entry)
		}
		id := r.id(1)
		b.entries[id] = append(b.entries[id], budget.Entry{From: r.month(5), Limit: r.money(6, 2)})
	}
}

// sorted returns the budgets by id, the entries of each by month.
func (b *budgetRows) sorted() []budget.Budget {
	for i := range b.budgets {
		entries := b.entries[b.budgets[i].ID]
		slices.SortFunc(entries, func(x, y budget.Entry) int { return x.From.Compare(y.From) })
		b.budgets[i].Entries = entries
	}
	slices.SortFunc(b.budgets, func(x, y budget.Budget) int { return slices.Compare(x.ID[:], y.ID[:]) })
	return b.budgets
}

func scanAlerts(r *row, i int) []budget.Ratio {
	if r.text(i) == "" {
		return nil
	}
	var alerts []budget.Ratio
	for part := range strings.SplitSeq(r.text(i), alertSplitter) {
		n, err := strconv.ParseInt(part, 10, 64)
		r.note(err)
		alerts = append(alerts, budget.Ratio(n))
	}
	return alerts
}

func alertText(alerts []budget.Ratio) string {
	texts := make([]string, len(alerts))
	for i, alert := range alerts {
		texts[i] = strconv.FormatInt(int64(alert), 10)
	}
	return strings.Join(texts, alertSplitter)
}

func (r *reader) BudgetSnapshot(ctx context.Context) (book budget.Snapshot, err error) {
	if r.invalid != nil {
		return book, r.invalid
	}
	var rows budgetRows
	var failure error
	type keyed struct {
		key      string
		category expense.Category
	}
	var categories []keyed
	found := false
	err = r.on().each(ctx, bookWidth, func(row *row) {
		switch row.int(0) {
		case partSettings:
			found = true
			zone, err := r.store.zone(row.text(3))
			failure = err
			book.Settings = expense.Settings{
				DefaultCategory: row.id(1), Home: row.currency(2), Zone: zone, Locale: row.text(4),
				FiscalYearStart: time.Month(row.int(5)), Version: row.version(6),
			}
			book.HasUpcomingOccurrences = row.bool(7)
		case partCategory:
			category := expense.Category{
				ID: row.id(1), Name: row.text(2), Colour: row.text(3), Icon: row.text(4), Archived: row.bool(5),
				Version:   row.version(6),
				CreatedAt: row.instant(8), UpdatedAt: row.instant(9),
			}
			categories = append(categories, keyed{expense.Fold(category.Name), category})
		default:
			rows.scan(row)
		}
	}, selectBook, r.owner)
	switch {
	case err != nil:
		return budget.Snapshot{}, err
	case !found:
		return budget.Snapshot{}, fmt.Errorf("ledger: %w", expense.ErrNotFound)
	}
	slices.SortFunc(categories, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for _, c := range categories {
		book.Categories = append(book.Categories, c.category)
	}
	book.Budgets = rows.sorted()
	return book, failure
}

// budgets returns all budgets of the ledger.
func (r *reader) budgets(ctx context.Context) ([]budget.Budget, error) {
	var rows budgetRows
	err := r.on().each(ctx, bookWidth, rows.scan, bookBudgets, r.owner)
	return rows.sorted(), err
}

func (r *reader) Budget(ctx context.Context, id uuid.UUID) (budget.Budget, error) {
	if r.invalid != nil {
		return budget.Budget{}, r.invalid
	}
	budgets, err := r.budgets(ctx)
	if err != nil {
		return budget.Budget{}, err
	}
	for _, b := range budgets {
		if b.ID == id {
			return b, nil
		}
	}
	return budget.Budget{}, r.missing(ctx, store.BudgetRow, id)
}

func (tx *ledgerTx) PutBudgets(ctx context.Context, budgets ...budget.Budget) (expense.Version, error) {
	if len(budgets) == 0 {
		return 0, tx.session.doomed
	}
	if err := distinct(store.BudgetRow, budgets, budgetID); err != nil {
		return 0, err
	}
	all, err := tx.budgets(ctx)
	if err != nil {
		return 0, err
	}
	current := make(map[uuid.UUID]budget.Budget, len(all))
	holders := make(map[uuid.UUID]uuid.UUID, len(all)) // which budget a category has in the end
	for _, b := range all {
		current[b.ID] = b
		holders[b.CategoryID] = b.ID
	}
	err = admitAll(ctx, tx, store.BudgetRow, budgets, current, budgetID,
		func(b budget.Budget) expense.Version { return b.Version })
	if err != nil {
		return 0, err
	}
	for _, b := range budgets {
		if old, ok := current[b.ID]; ok {
			delete(holders, old.CategoryID)
		}
	}
	var fresh []uuid.UUID // categories that a budget did not have before
	for _, b := range budgets {
		if holder, taken := holders[b.CategoryID]; taken && holder != b.ID {
			return 0, fmt.Errorf("budget of category %s: %w", b.CategoryID, expense.ErrExists)
		}
		holders[b.CategoryID] = b.ID
		if old, ok := current[b.ID]; b.CategoryID != uuid.Nil && (!ok || old.CategoryID != b.CategoryID) {
			fresh = append(fresh, b.CategoryID)
		}
	}
	if err := tx.checkCategories(ctx, fresh); err != nil {
		return 0, err
	}
	written := slices.Clone(budgets)
	for i := range written {
		b := &written[i]
		old, ok := current[b.ID]
		b.Version, b.Guard = tx.next(), old.Guard
		if !ok || !b.SameGuardedFields(old) {
			b.Guard = tx.next()
		}
		if !ok {
			tx.held++
		}
	}
	return tx.next(), tx.rewriteBudgets(ctx, written)
}

func budgetID(b budget.Budget) uuid.UUID { return b.ID }

// checkCategories dooms the Update if the ledger lacks one of the categories: a budget's reference has no foreign key.
func (tx *ledgerTx) checkCategories(ctx context.Context, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	held, err := tx.among(ctx, `SELECT c.id FROM %s CROSS JOIN spendwise_categories c WHERE c.owner = $1
		AND c.id = e.value`, ids, tx.owner)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(held, id) {
			return tx.session.fail(ctx, fmt.Errorf("a budget refers to category %s, which the ledger does not hold", id))
		}
	}
	return nil
}

// rewriteBudgets puts budgets in the place of what is there of them, if anything: two may exchange their categories.
func (tx *ledgerTx) rewriteBudgets(ctx context.Context, budgets []budget.Budget) error {
	var rows, entries [][]any
	for _, b := range budgets {
		if err := tx.removeBudget(ctx, b.ID); err != nil {
			return err
		}
		rows = append(rows, []any{tx.owner, b.ID.String(), b.CategoryID.String(), b.MergedName, nullID(b.MergedInto),
			int64(b.Until.Int()),
			int64(b.Rollover), b.RolloverCap.Minor(), b.RolloverCap.Currency().Code(), alertText(b.AlertAt), int64(b.Version),
			int64(b.Guard), b.CreatedAt.UnixMicro(), b.UpdatedAt.UnixMicro()})
		for _, entry := range b.Entries {
			entries = append(entries, []any{tx.owner, b.ID.String(), int64(entry.From.Int()), entry.Limit.Minor(),
				entry.Limit.Currency().Code()})
		}
	}
	if _, err := tx.session.insert(ctx, budgetsTable, rows); err != nil {
		return err
	}
	_, err := tx.session.insert(ctx, entriesTable, entries)
	return err
}

func (tx *ledgerTx) removeBudget(ctx context.Context, id uuid.UUID) error {
	for _, text := range [...]string{
		`DELETE FROM spendwise_budget_entries WHERE owner = $1 AND budget_id = $2`,
		`DELETE FROM spendwise_budgets WHERE owner = $1 AND id = $2`,
	} {
		if _, err := tx.session.exec(ctx, text, tx.owner, id.String()); err != nil {
			return err
		}
	}
	return nil
}

func (tx *ledgerTx) DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	if _, err := tx.Budget(ctx, id); err != nil {
		return 0, err
	}
	if err := tx.removeBudget(ctx, id); err != nil {
		return 0, err
	}
	tx.held--
	return tx.next(), tx.bury(ctx, store.BudgetRow, uuid.Nil, id)
}

// HasBudgets answers from the ledger's row, which the Update holds.
func (tx *ledgerTx) HasBudgets(context.Context) (bool, error) {
	return tx.held > 0, tx.session.doomed
}
