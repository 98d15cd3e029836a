package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	selectState = `SELECT epoch, version, floor, lost FROM spendwise_ledgers WHERE owner = $1`
	newEpoch    = `UPDATE spendwise_ledgers SET epoch = $2, version = $3, lost = $4 WHERE owner = $1`

	// Each part of the feed goes through the index of its table by (owner, version, id).
	changedExpenses = `SELECT ` + expenseCells + ` FROM spendwise_expenses x WHERE x.owner = $1
		AND (x.version, x.id) > ($2, $3)
		ORDER BY x.version, x.id LIMIT $4`
	changedCategories = `SELECT ` + categoryCells + ` FROM spendwise_categories WHERE owner = $1
		AND (version, id) > ($2, $3)
		ORDER BY version, id LIMIT $4`
	changedRules = `SELECT ` + ruleCells + ` FROM spendwise_rules r WHERE r.owner = $1 AND (r.version, r.id) > ($2, $3)
		ORDER BY r.version, r.id LIMIT $4`
	changedAlerts = `SELECT ` + alertCells + ` FROM spendwise_alerts a WHERE a.owner = $1 AND (a.version, a.id) > ($2, $3)
		ORDER BY a.version, a.id LIMIT $4`
	changedBudgets = `WITH page AS (SELECT * FROM spendwise_budgets WHERE owner = $1 AND (version, id) > ($2, $3)
			ORDER BY version, id LIMIT $4)
		SELECT 2 AS part, CAST(id AS text) AS id, CAST(category_id AS text) AS a, label AS b, alert_at AS c,
			CAST(until_month AS bigint) AS k, version AS l, guard AS m, created_at AS n, updated_at AS o,
			CAST(merged_into AS text) AS d, CAST(rollover AS bigint) AS p, rollover_cap AS q, cap_currency AS e
		FROM page
		UNION ALL SELECT 3, CAST(e.budget_id AS text), e.currency, '', '', CAST(e.from_month AS bigint), e.amount, 0, 0, 0,
		'', 0, 0, ''
		FROM page p CROSS JOIN spendwise_budget_entries e WHERE e.owner = $1 AND e.budget_id = p.id`
	changedTombstones = `SELECT t.version, t.type, t.id, t.merged_into FROM spendwise_tombstones t
		WHERE t.owner = $1 AND (t.version, t.type, t.id) > ($2, $3, $4)
		ORDER BY t.version, t.type, t.id LIMIT $5`
)

// A feedPart is the statement that reads the rows of one type after a place; that of no type reads the tombstones.
type feedPart struct {
	what  store.RowType
	width int
	text  string
	args  []any
}

// feedOf returns the statements of a query: each reads no more than a page of its own table.
func feedOf(owner string, query store.ChangeQuery) []feedPart {
	limit := int64(query.Limit)
	if limit <= 0 {
		limit = math.MaxInt32
	}
	// Tombstones that are left out are not read either: a ledger may keep many of them.
	buried := query.After
	if end := store.EndOfVersion(query.SkipTombstonesThrough); end.Compare(buried) > 0 {
		buried = end
	}
	parts := []feedPart{
		{store.ExpenseRow, expenseWidth, changedExpenses, nil},
		{store.CategoryRow, categoryWidth, changedCategories, nil},
		{store.RuleRow, ruleWidth, changedRules, nil},
		{store.AlertRow, alertWidth, changedAlerts, nil},
		{store.BudgetRow, bookWidth, changedBudgets, nil},
	}
	for i, part := range parts {
		parts[i].args = []any{owner, int64(query.After.Version), after(query.After, part.what).String(), limit}
	}
	return append(parts, feedPart{
		width: 4, text: changedTombstones, args: []any{owner, int64(buried.Version), buriedAs(buried.Type),
			buried.ID.String(), limit},
	})
}

// buriedAs is the text under which tombstones of a type of row are kept. Texts sort as the types do; what is beyond
// them comes last.
func buriedAs(what store.RowType) string {
	if what > store.SettingsRow {
		return "~" // after every letter
	}
	return what.String()
}

// typeBuriedAs is the type of row whose tombstones are kept under a text; 0 if there is none.
func typeBuriedAs(text string) store.RowType {
	types := store.RowTypes()
	if i := slices.IndexFunc(types, func(what store.RowType) bool { return what.String() == text }); i >= 0 {
		return types[i]
	}
	return 0
}

func (r *reader) State(ctx context.Context) (state store.State, err error) {
	if r.invalid != nil {
		return state, r.invalid
	}
	return stateOf(ctx, r.on(), selectState, r.owner)
}

func stateOf(ctx context.Context, session *session, query, owner string) (state store.State, err error) {
	found, err := session.one(ctx, 4, func(row *row) {
		state = store.State{Epoch: row.int(0), Version: row.version(1), PurgedThrough: row.version(2),
			Discarded: store.VersionRanges(row.text(3))}
	}, query, owner)
	if err == nil && !found {
		err = fmt.Errorf("ledger: %w", expense.ErrNotFound)
	}
	return state, err
}

// State adds what this Update has taken so far to what its ledger's row says.
func (tx *ledgerTx) State(ctx context.Context) (store.State, error) {
	state, err := tx.reader.State(ctx)
	if err == nil && tx.wrote {
		state.Version = tx.next()
	}
	return state, err
}

// Changes reads each table after the place and merges what it finds: one statement for each, all over one snapshot.
func (r *reader) Changes(ctx context.Context, query store.ChangeQuery) (changes []store.Change, err error) {
	if r.invalid != nil {
		return nil, r.invalid
	}
	if r.session == nil {
		err := r.store.View(ctx, expense.OwnerID(r.owner), func(snapshot store.Reader) error {
			changes, err = snapshot.Changes(ctx, query)
			return err
		})
		return changes, err
	}
	add := func(what store.RowType, id uuid.UUID, version expense.Version, row any) {
		changes = append(changes, store.Change{FeedPosition: store.FeedPosition{Version: version, Type: what, ID: id},
			Row: row})
	}
	settings, err := r.Settings(ctx)
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return nil, nil // nothing changes where there is no ledger
	case err != nil:
		return nil, err
	}
	if place := (store.FeedPosition{Version: settings.Version, Type: store.SettingsRow}); place.Compare(query.After) > 0 {
		changes = append(changes, store.Change{FeedPosition: place, Row: settings})
	}
	var budgets budgetRows
	scans := map[store.RowType]func(*row){
		store.ExpenseRow: func(r *row) {
			e := scanExpense(r)
			add(store.ExpenseRow, e.ID, e.Version, e)
		},
		store.CategoryRow: func(r *row) {
			c := scanCategory(r)
			add(store.CategoryRow, c.ID, c.Version, c)
		},
		store.RuleRow: func(r *row) {
			rule := scanRule(r)
			add(store.RuleRow, rule.ID, rule.Version, rule)
		},
		store.AlertRow: func(r *row) {
			a := scanAlert(r)
			add(store.AlertRow, a.ID, a.Version, a)
		},
		store.BudgetRow: budgets.scan,
		0: func(r *row) {
			place := store.FeedPosition{Version: r.version(0), Type: typeBuriedAs(r.text(1)), ID: r.id(2)}
			changes = append(changes, store.Change{FeedPosition: place, Deleted: true, MergedInto: r.id(3)})
		},
	}
	for _, part := range feedOf(r.owner, query) {
		if err := r.session.each(ctx, part.width, scans[part.what], part.text, part.args...); err != nil {
			return nil, err
		}
	}
	for _, b := range budgets.sorted() {
		add(store.BudgetRow, b.ID, b.Version, b)
	}
	slices.SortFunc(changes, func(a, b store.Change) int { return a.Compare(b.FeedPosition) })
	if query.Limit > 0 {
		changes = changes[:min(query.Limit, len(changes))]
	}
	return changes, nil
}

// after returns the id after which rows of a type come in the version of a place: none is Nil, and none comes after
// Max.
func after(place store.FeedPosition, what store.RowType) uuid.UUID {
	switch {
	case what < place.Type:
		return uuid.Max
	case what > place.Type:
		return uuid.Nil
	default:
		return place.ID
	}
}

func (r *reader) MergedInto(ctx context.Context, id uuid.UUID) (into uuid.UUID, err error) {
	if r.invalid != nil {
		return into, r.invalid
	}
	found, err := r.on().one(ctx, 1, func(row *row) { into = row.id(0) },
		`SELECT merged_into FROM spendwise_tombstones WHERE owner = $1 AND type = 'category' AND id = $2`, r.owner,
		id.String())
	if err == nil && !found {
		err = fmt.Errorf("tombstone of category %s: %w", id, expense.ErrNotFound)
	}
	return into, err
}

// StartEpoch implements [store.Store].
func (s *Store) StartEpoch(ctx context.Context, owner expense.OwnerID) error {
	if err := owner.Validate(); err != nil {
		return err
	}
	err := s.atomically(ctx, func(session *session) error {
		state, err := stateOf(ctx, session, selectState+s.dialect.Lock, string(owner))
		if err != nil {
			return err
		}
		state = state.NextEpoch(time.Now())
		_, err = session.exec(ctx, newEpoch, string(owner), state.Epoch, int64(state.Version), string(state.Discarded))
		return err
	})
	if err == nil {
		s.Notify(owner)
	}
	return err
}
