package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// feedTexts holds the hot statements that read a page of the change feed, one for each table. Each reads at most a page
// of its table, through its index by (owner, version, id). Arguments: owner, version, id, limit; for tombstones owner,
// version, type, id, limit.
type feedTexts struct{ expenses, categories, rules, alerts, budgets, tombstones string }

func newFeedTexts(d *sqldb.Dialect, db *bun.DB) feedTexts {
	text := func(model any, alias string) string {
		return d.Renumber(page(db.NewSelect().Model(model), alias).String())
	}
	budgets := page(db.NewSelect().Model((*budgetRow)(nil)), "b")
	tombstones := db.NewSelect().Model((*tombstoneRow)(nil)).Where("t.owner = ?", sqldb.Slot).
		Where("(t.version, t.type, t.id) > (?, ?, ?)", sqldb.Slot, sqldb.Slot, sqldb.Slot).
		OrderExpr("t.version, t.type, t.id LIMIT ?", sqldb.Slot)
	return feedTexts{
		expenses: text((*expenseRow)(nil), "x"), categories: text((*categoryRow)(nil), "c"),
		rules: text((*ruleRow)(nil), "r"), alerts: text((*alertRow)(nil), "a"),
		budgets:    d.Renumber(joinEntries(db.NewSelect(), budgets).String()),
		tombstones: d.Renumber(tombstones.String()),
	}
}

// page adds the conditions and the order of a page to the query of a table.
func page(query *bun.SelectQuery, alias string) *bun.SelectQuery {
	name := bun.Safe(alias)
	return query.Where("?.owner = ?", name, sqldb.Slot).
		Where("(?.version, ?.id) > (?, ?)", name, name, sqldb.Slot, sqldb.Slot).
		OrderExpr("?.version, ?.id LIMIT ?", name, name, sqldb.Slot)
}

// A feedReader reads a page of the change feed.
type feedReader struct {
	ctx     context.Context //nolint:containedctx // a feedReader lives for one page
	session *sqldb.Session
	owner   string
	query   store.ChangeQuery
	changes []store.Change
	err     error
}

func (f *feedReader) add(rowType store.RowType, id sqldb.UUID, version int64, row any) {
	f.changes = append(f.changes, store.Change{
		FeedPosition: store.FeedPosition{Version: expense.Version(version), Type: rowType, ID: uuid.UUID(id)}, Row: row,
	})
}

// args returns the arguments of a statement of feedTexts.
func (f *feedReader) args(rowType store.RowType) []any {
	return []any{f.owner, int64(f.query.After.Version), sqldb.UUID(idAfter(f.query.After, rowType)), feedLimit(f.query)}
}

// tombstoneArgs returns the arguments of the statement for tombstones. Tombstones that the query skips are not read.
func (f *feedReader) tombstoneArgs() []any {
	after := f.query.After
	if end := store.EndOfVersion(f.query.SkipTombstonesThrough); end.Compare(after) > 0 {
		after = end
	}
	rowType := after.Type.String()
	if after.Type > store.SettingsRow {
		rowType = "~" // after all names, whose order is that of the types
	}
	return []any{f.owner, int64(after.Version), rowType, sqldb.UUID(after.ID), feedLimit(f.query)}
}

func feedLimit(query store.ChangeQuery) int64 {
	if query.Limit <= 0 {
		return math.MaxInt32
	}
	return int64(query.Limit)
}

// idAfter returns the id after which the rows of a type follow a position within its version.
func idAfter(position store.FeedPosition, rowType store.RowType) uuid.UUID {
	switch {
	case rowType < position.Type:
		return uuid.Max
	case rowType > position.Type:
		return uuid.Nil
	default:
		return position.ID
	}
}

// readFeed reads the rows of one type.
func readFeed[R any](f *feedReader, use func(*R) error, text string, args []any) {
	if f.err == nil {
		f.err = sqldb.Each(f.ctx, f.session, use, text, args...)
	}
}

// Changes implements [store.Reader]. It reads each table after the position, in one snapshot, and merges the rows.
func (r *reader) Changes(ctx context.Context, query store.ChangeQuery) (changes []store.Change, err error) {
	if r.session == nil {
		err := r.store.view(ctx, expense.OwnerID(r.owner), func(snapshot *reader) error {
			changes, err = snapshot.Changes(ctx, query)
			return err
		})
		return changes, err
	}
	settings, err := r.Settings(ctx)
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	f := &feedReader{ctx: ctx, session: r.session, owner: r.owner, query: query}
	if at := (store.FeedPosition{Version: settings.Version, Type: store.SettingsRow}); at.Compare(query.After) > 0 {
		f.changes = append(f.changes, store.Change{FeedPosition: at, Row: settings})
	}
	texts := &r.store.texts.feed
	readFeed(f, func(row *expenseRow) error {
		e, err := row.expense()
		f.add(store.ExpenseRow, row.ID, row.Version, e)
		return err
	}, texts.expenses, f.args(store.ExpenseRow))
	readFeed(f, func(row *categoryRow) error {
		f.add(store.CategoryRow, row.ID, row.Version, row.category())
		return nil
	}, texts.categories, f.args(store.CategoryRow))
	readFeed(f, func(row *ruleRow) error {
		rule, err := row.rule()
		f.add(store.RuleRow, row.ID, row.Version, rule)
		return err
	}, texts.rules, f.args(store.RuleRow))
	readFeed(f, func(row *alertRow) error {
		alert, err := row.alert()
		f.add(store.AlertRow, row.ID, row.Version, alert)
		return err
	}, texts.alerts, f.args(store.AlertRow))
	var entries []budgetEntryRow
	readFeed(f, func(row *budgetEntryRow) error {
		entries = append(entries, *row)
		return nil
	}, texts.budgets, f.args(store.BudgetRow))
	budgets, err := collectBudgets(entries)
	if err != nil {
		return nil, err
	}
	for _, b := range budgets {
		f.add(store.BudgetRow, sqldb.UUID(b.ID), int64(b.Version), b)
	}
	readFeed(f, func(row *tombstoneRow) error {
		f.add(rowTypeNamed(row.Type), row.ID, row.Version, nil)
		last := &f.changes[len(f.changes)-1]
		last.Deleted, last.MergedInto = true, uuid.UUID(row.MergedInto)
		return nil
	}, texts.tombstones, f.tombstoneArgs())
	if f.err != nil {
		return nil, f.err
	}
	slices.SortFunc(f.changes, func(a, b store.Change) int { return a.Compare(b.FeedPosition) })
	if query.Limit > 0 {
		f.changes = f.changes[:min(query.Limit, len(f.changes))]
	}
	return f.changes, nil
}

// Changes also returns what this Update has written.
func (tx *ledgerTx) Changes(ctx context.Context, query store.ChangeQuery) ([]store.Change, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	return tx.reader.Changes(ctx, query)
}

// rowTypeNamed returns the type with a name, or 0.
func rowTypeNamed(name string) store.RowType {
	types := store.RowTypes()
	if i := slices.IndexFunc(types, func(t store.RowType) bool { return t.String() == name }); i >= 0 {
		return types[i]
	}
	return 0
}

// A positionRow is a row of selectPositions. The state is set in the row of the settings.
type positionRow struct {
	Type    int64
	ID      sqldb.UUID
	Version int64

	Epoch, LedgerVersion, Floor int64
	Lost                        string
}

// selectPositions reads the positions of all rows. The positions of expenses come from their index by version.
var selectPositions = fmt.Sprintf(`
	SELECT %d, x.id, x.version, 0, 0, 0, '' FROM spendwise_expenses x WHERE x.owner = ?
	UNION ALL SELECT %d, c.id, c.version, 0, 0, 0, '' FROM spendwise_categories c WHERE c.owner = ?
	UNION ALL SELECT %d, b.id, b.version, 0, 0, 0, '' FROM spendwise_budgets b WHERE b.owner = ?
	UNION ALL SELECT %d, r.id, r.version, 0, 0, 0, '' FROM spendwise_rules r WHERE r.owner = ?
	UNION ALL SELECT %d, a.id, a.version, 0, 0, 0, '' FROM spendwise_alerts a WHERE a.owner = ?
	UNION ALL SELECT %d, l.default_category, l.settings_version, l.epoch, l.version, l.floor, l.lost
	FROM spendwise_ledgers l WHERE l.owner = ?`,
	store.ExpenseRow, store.CategoryRow, store.BudgetRow, store.RuleRow, store.AlertRow, store.SettingsRow)

func (r *reader) Positions(ctx context.Context) (state store.State, positions []store.FeedPosition, err error) {
	found := false
	err = sqldb.Each(ctx, r.on(), func(row *positionRow) error {
		position := store.FeedPosition{
			Version: expense.Version(row.Version), Type: store.RowType(row.Type), ID: uuid.UUID(row.ID),
		}
		if position.Type == store.SettingsRow {
			found, position.ID = true, uuid.Nil
			ledger := ledgerRow{Epoch: row.Epoch, Version: row.LedgerVersion, Floor: row.Floor, Lost: row.Lost}
			state = ledger.state()
		}
		positions = append(positions, position)
		return nil
	}, r.store.texts.positions, slices.Repeat([]any{r.owner}, 6)...)
	if err == nil && !found {
		err = fmt.Errorf("ledger: %w", expense.ErrNotFound)
	}
	return state, positions, err
}
