package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A budgetRow is a budget without its entries.
type budgetRow struct {
	bun.BaseModel `bun:"table:spendwise_budgets,alias:b"`

	Owner                                string         `bun:",pk"`
	ID                                   sqldb.UUID     `bun:"id,pk,type:uuid"`
	CategoryID                           sqldb.UUID     `bun:"type:uuid"` // uuid.Nil: the whole ledger
	Label                                string         // the name of a merged category
	MergedInto                           sqldb.NullUUID `bun:"type:uuid"`
	UntilMonth, Rollover, RolloverCap    int64
	CapCurrency                          string // empty: no cap
	AlertAt                              string // thresholds in ten-thousandths, separated by commas
	Version, Guard, CreatedAt, UpdatedAt int64
}

// An entryRow is the limit of a budget from a month on.
type entryRow struct {
	bun.BaseModel `bun:"table:spendwise_budget_entries,alias:e"`

	Owner     string     `bun:",pk"`
	BudgetID  sqldb.UUID `bun:",pk,type:uuid"`
	FromMonth int64      `bun:",pk"`
	Amount    int64
	Currency  string
}

// A budgetEntryRow is a budget with one of its entries. Each budget has an entry.
type budgetEntryRow struct {
	budgetRow
	FromMonth, Amount int64
	Currency          string
}

func newBudgetRow(owner string, b budget.Budget) budgetRow {
	thresholds := make([]string, len(b.AlertAt))
	for i, ratio := range b.AlertAt {
		thresholds[i] = strconv.FormatInt(int64(ratio), 10)
	}
	return budgetRow{
		Owner: owner, ID: sqldb.UUID(b.ID), CategoryID: sqldb.UUID(b.CategoryID), Label: b.MergedName,
		MergedInto: sqldb.NullUUID(b.MergedInto), UntilMonth: int64(b.Until.Int()), Rollover: int64(b.Rollover),
		RolloverCap: b.RolloverCap.Minor(), CapCurrency: b.RolloverCap.Currency().Code(),
		AlertAt: strings.Join(thresholds, ","), Version: int64(b.Version), Guard: int64(b.Guard),
		CreatedAt: sqldb.Micros(b.CreatedAt), UpdatedAt: sqldb.Micros(b.UpdatedAt),
	}
}

func (row *budgetEntryRow) budget(d *sqldb.Decoder) budget.Budget {
	b := budget.Budget{
		ID: uuid.UUID(row.ID), CategoryID: uuid.UUID(row.CategoryID), MergedName: row.Label,
		MergedInto: uuid.UUID(row.MergedInto), Until: d.Month(row.UntilMonth), Rollover: budget.Rollover(row.Rollover),
		Version: expense.Version(row.Version), Guard: expense.Version(row.Guard), CreatedAt: sqldb.FromMicros(row.CreatedAt),
		UpdatedAt: sqldb.FromMicros(row.UpdatedAt),
	}
	if row.CapCurrency != "" {
		b.RolloverCap = d.Money(row.RolloverCap, row.CapCurrency)
	}
	if row.AlertAt != "" {
		for text := range strings.SplitSeq(row.AlertAt, ",") {
			ratio, err := strconv.ParseInt(text, 10, 64)
			d.Keep(err)
			b.AlertAt = append(b.AlertAt, budget.Ratio(ratio))
		}
	}
	return b
}

// collectBudgets returns the budgets of rows, which must be ordered by the id of the budget and the month of the entry.
func collectBudgets(rows []budgetEntryRow) ([]budget.Budget, error) {
	var d sqldb.Decoder
	var budgets []budget.Budget
	for i := range rows {
		row := &rows[i]
		if last := len(budgets) - 1; last < 0 || budgets[last].ID != uuid.UUID(row.ID) {
			budgets = append(budgets, row.budget(&d))
		}
		b := &budgets[len(budgets)-1]
		b.Entries = append(b.Entries, budget.Entry{From: d.Month(row.FromMonth), Limit: d.Money(row.Amount, row.Currency)})
	}
	return budgets, d.Err
}

// joinEntries makes query a query for the rows that budgets selects, each with its entries, in the order that
// collectBudgets needs.
func joinEntries(query, budgets *bun.SelectQuery) *bun.SelectQuery {
	return query.TableExpr("(?) AS b", budgets).ColumnExpr("b.*, e.from_month, e.amount, e.currency").
		Join("JOIN spendwise_budget_entries AS e ON e.owner = b.owner AND e.budget_id = b.id").
		OrderExpr("b.id, e.from_month")
}

// budgets returns all budgets of the ledger, ordered by id.
func (r *reader) budgets(ctx context.Context) ([]budget.Budget, error) {
	session := r.on()
	var rows []budgetEntryRow
	budgetRows := session.NewSelect().Model((*budgetRow)(nil)).Where("b.owner = ?", r.owner)
	if _, err := session.Find(ctx, joinEntries(session.NewSelect(), budgetRows), &rows); err != nil {
		return nil, err
	}
	return collectBudgets(rows)
}

func (r *reader) Budget(ctx context.Context, id uuid.UUID) (budget.Budget, error) {
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
		return 0, tx.session.Failed
	}
	all, err := tx.budgets(ctx)
	if err != nil {
		return 0, err
	}
	current := make(map[uuid.UUID]budget.Budget, len(all))
	holders := make(map[uuid.UUID]uuid.UUID, len(all)) // the budgets by category, after the write
	for _, b := range all {
		current[b.ID] = b
		holders[b.CategoryID] = b.ID
	}
	err = checkRows(ctx, tx, store.BudgetRow, budgets, current, func(b budget.Budget) uuid.UUID { return b.ID },
		func(b budget.Budget) expense.Version { return b.Version })
	if err != nil {
		return 0, err
	}
	for _, b := range budgets {
		if old, ok := current[b.ID]; ok {
			delete(holders, old.CategoryID)
		}
	}
	for _, b := range budgets {
		if holder, taken := holders[b.CategoryID]; taken && holder != b.ID {
			return 0, fmt.Errorf("budget of category %s: %w", b.CategoryID, expense.ErrExists)
		}
		holders[b.CategoryID] = b.ID
		// There is no foreign key, because the budget of a merged category keeps its id.
		if old, ok := current[b.ID]; b.CategoryID != uuid.Nil && (!ok || old.CategoryID != b.CategoryID) {
			switch known, err := tx.hasCategory(ctx, b.CategoryID); {
			case err != nil:
				return 0, err
			case !known:
				return 0, tx.session.Fail(ctx, fmt.Errorf("budget %s refers to category %s, which the ledger does not have",
					b.ID, b.CategoryID))
			}
		}
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
			tx.row.Budgets++
		}
	}
	return tx.next(), tx.rewriteBudgets(ctx, written)
}

// rewriteBudgets replaces the rows of budgets. It deletes all of them first, because two may exchange their categories.
func (tx *ledgerTx) rewriteBudgets(ctx context.Context, budgets []budget.Budget) error {
	rows := make([]budgetRow, len(budgets))
	var entries []entryRow
	for i, b := range budgets {
		if err := tx.removeBudget(ctx, b.ID); err != nil {
			return err
		}
		rows[i] = newBudgetRow(tx.owner, b)
		for _, entry := range b.Entries {
			entries = append(entries, entryRow{
				Owner: tx.owner, BudgetID: sqldb.UUID(b.ID), FromMonth: int64(entry.From.Int()), Amount: entry.Limit.Minor(),
				Currency: entry.Limit.Currency().Code(),
			})
		}
	}
	if _, err := tx.session.Change(ctx, tx.session.NewInsert().Model(&rows)); err != nil {
		return err
	}
	_, err := tx.session.Change(ctx, tx.session.NewInsert().Model(&entries))
	return err
}

func (tx *ledgerTx) removeBudget(ctx context.Context, id uuid.UUID) error {
	_, err := tx.session.Change(ctx, tx.session.NewDelete().Model((*entryRow)(nil)).
		Where("owner = ? AND budget_id = ?", tx.owner, sqldb.UUID(id)))
	if err != nil {
		return err
	}
	_, err = tx.session.Change(ctx, tx.session.NewDelete().Model((*budgetRow)(nil)).
		Where("owner = ? AND id = ?", tx.owner, sqldb.UUID(id)))
	return err
}

func (tx *ledgerTx) DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	if _, err := tx.Budget(ctx, id); err != nil {
		return 0, err
	}
	if err := tx.removeBudget(ctx, id); err != nil {
		return 0, err
	}
	tx.row.Budgets--
	return tx.next(), tx.bury(ctx, store.BudgetRow, id)
}

// HasBudgets reads the ledger's row, which the Update has locked.
func (tx *ledgerTx) HasBudgets(context.Context) (bool, error) {
	return tx.row.Budgets > 0, tx.session.Failed
}

// A snapshotRow is a row of selectSnapshot.
type snapshotRow struct {
	Part       int64 // 0: the settings; 1: a category; 2: a budget with one of its entries
	ID         sqldb.UUID
	CategoryID sqldb.UUID
	MergedInto sqldb.NullUUID

	TextA, TextB, TextC, TextD                           string
	IntA, IntB, IntC, IntD, IntE, IntF, IntG, IntH, IntI int64
}

// selectSnapshot reads a budget.Snapshot in one statement, because each statement is a round trip. A part leaves the
// columns that it does not need empty.
const selectSnapshot = `SELECT 2, b.id, b.category_id, b.merged_into, b.label, b.cap_currency, b.alert_at, e.currency,
		b.until_month, b.version, b.guard, b.created_at, b.updated_at, b.rollover, b.rollover_cap, e.from_month, e.amount
	FROM spendwise_budgets b JOIN spendwise_budget_entries e ON e.owner = b.owner AND e.budget_id = b.id WHERE b.owner = ?
	UNION ALL SELECT 1, c.id, c.id, NULL, c.name, c.colour, c.icon, '', c.archived, c.version, c.created_at, c.updated_at,
		0, 0, 0, 0, 0
	FROM spendwise_categories c WHERE c.owner = ?
	UNION ALL SELECT 0, l.default_category, l.default_category, NULL, l.home, l.zone, l.locale, '', l.fiscal_year_start,
		l.settings_version, CASE WHEN EXISTS (SELECT 1 FROM spendwise_rules r
			WHERE r.owner = ? AND r.paused = 0 AND r.next_date <> 0) THEN 1 ELSE 0 END, 0, 0, 0, 0, 0, 0
	FROM spendwise_ledgers l WHERE l.owner = ?`

func (r *reader) BudgetSnapshot(ctx context.Context) (budget.Snapshot, error) {
	var snapshot budget.Snapshot
	found := false
	var categories []categoryRow
	var entries []budgetEntryRow
	err := sqldb.Each(ctx, r.on(), func(row *snapshotRow) (err error) {
		switch row.Part {
		case 0:
			found = true
			snapshot.HasUpcomingOccurrences = row.IntC != 0
			snapshot.Settings, err = r.store.settings(&ledgerRow{
				DefaultCategory: row.ID, Home: row.TextA, Zone: row.TextB, Locale: row.TextC, FiscalYearStart: row.IntA,
				SettingsVersion: row.IntB,
			})
		case 1:
			categories = append(categories, categoryRow{
				ID: row.ID, Name: row.TextA, NameKey: expense.Fold(row.TextA), Colour: row.TextB, Icon: row.TextC,
				Archived: row.IntA, Version: row.IntB, CreatedAt: row.IntC, UpdatedAt: row.IntD,
			})
		default:
			entries = append(entries, budgetEntryRow{
				budgetRow: budgetRow{
					ID: row.ID, CategoryID: row.CategoryID, MergedInto: row.MergedInto, Label: row.TextA,
					CapCurrency: row.TextB, AlertAt: row.TextC, UntilMonth: row.IntA, Version: row.IntB, Guard: row.IntC,
					CreatedAt: row.IntD, UpdatedAt: row.IntE, Rollover: row.IntF, RolloverCap: row.IntG,
				},
				FromMonth: row.IntH, Amount: row.IntI, Currency: row.TextD,
			})
		}
		return err
	}, r.store.texts.snapshot, r.owner, r.owner, r.owner, r.owner)
	switch {
	case err != nil:
		return budget.Snapshot{}, err
	case !found:
		return budget.Snapshot{}, fmt.Errorf("ledger: %w", expense.ErrNotFound)
	}
	slices.SortFunc(categories, func(a, b categoryRow) int { return strings.Compare(a.NameKey, b.NameKey) })
	for i := range categories {
		snapshot.Categories = append(snapshot.Categories, categories[i].category())
	}
	slices.SortFunc(entries, func(a, b budgetEntryRow) int {
		if order := slices.Compare(a.ID[:], b.ID[:]); order != 0 {
			return order
		}
		return int(a.FromMonth - b.FromMonth)
	})
	snapshot.Budgets, err = collectBudgets(entries)
	return snapshot, err
}

// An alertRow is a row of the table of alerts.
type alertRow struct {
	bun.BaseModel `bun:"table:spendwise_alerts,alias:a"`

	Owner                               string     `bun:",pk"`
	ID                                  sqldb.UUID `bun:"id,pk,type:uuid"`
	BudgetID                            sqldb.UUID `bun:"type:uuid"` // no foreign key: an alert outlives its budget
	Month, Threshold, RaisedAt, Version int64      // Threshold is in ten-thousandths
	ReadAt                              int64      // 0: not read
}

func (row *alertRow) alert() (budget.Alert, error) {
	var d sqldb.Decoder
	alert := budget.Alert{
		ID: uuid.UUID(row.ID), BudgetID: uuid.UUID(row.BudgetID), Month: d.Month(row.Month),
		Threshold: budget.Ratio(row.Threshold), RaisedAt: sqldb.FromMicros(row.RaisedAt),
		Version: expense.Version(row.Version),
	}
	if row.ReadAt != 0 {
		alert.ReadAt = sqldb.FromMicros(row.ReadAt)
	}
	return alert, d.Err
}

func (r *reader) Alerts(ctx context.Context, from expense.Month) (alerts []budget.Alert, err error) {
	err = sqldb.Each(ctx, r.on(), func(row *alertRow) error {
		alert, err := row.alert()
		alerts = append(alerts, alert)
		return err
	}, r.store.texts.alerts, r.owner, int64(from.Int()))
	return alerts, err
}

func (tx *ledgerTx) PutAlerts(ctx context.Context, alerts ...budget.Alert) (expense.Version, error) {
	if len(alerts) == 0 {
		return 0, tx.session.Failed
	}
	all, err := tx.Alerts(ctx, expense.Month{})
	if err != nil {
		return 0, err
	}
	current := make(map[uuid.UUID]budget.Alert, len(all))
	for _, alert := range all {
		current[alert.ID] = alert
	}
	err = checkRows(ctx, tx, store.AlertRow, alerts, current, func(a budget.Alert) uuid.UUID { return a.ID },
		func(a budget.Alert) expense.Version { return a.Version })
	if err != nil {
		return 0, err
	}
	rows := make([]alertRow, len(alerts))
	for i, a := range alerts {
		rows[i] = alertRow{
			Owner: tx.owner, ID: sqldb.UUID(a.ID), BudgetID: sqldb.UUID(a.BudgetID), Month: int64(a.Month.Int()),
			Threshold: int64(a.Threshold), RaisedAt: sqldb.Micros(a.RaisedAt), Version: int64(tx.next()),
		}
		if !a.ReadAt.IsZero() {
			rows[i].ReadAt = sqldb.Micros(a.ReadAt)
		}
	}
	_, err = tx.session.Change(ctx, tx.session.NewInsert().Model(&rows).On("CONFLICT (owner, id) DO UPDATE"))
	return tx.next(), err
}
