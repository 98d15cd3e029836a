package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun/schema"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// firstChunk and chunkRows are how many rows of a list are read at once: few first, for many readers stop early.
	firstChunk = 500
	chunkRows  = 1000

	expenseCells = `x.id, x.amount, x.currency, x.date, x.category_id, x.notes, x.rule_id, x.occurrence, x.rate,
		x.rate_date,
		x.rate_source, x.home, x.home_currency, x.version, x.guard, x.created_at, x.updated_at`
	expenseWidth = 17
)

var expenseColumns = columnsOf(`owner text, id uuid, amount bigint, currency text, date integer, category_id uuid,
	notes text,
	search text, rule_id uuid, occurrence integer, rate text, rate_date integer, rate_source text, home bigint,
	home_currency text,
	version bigint, guard bigint, created_at bigint, updated_at bigint`)

var expensesTable = &table{
	name: "spendwise_expenses", columns: expenseColumns, conflict: replace(expenseColumns),
}

// insertExpense inserts an expense that is new; neither a row nor a tombstone in its place is an error of the
// statement.
var insertExpense = func() string {
	places := make([]string, len(expenseColumns))
	for i := range expenseColumns {
		places[i] = "$" + strconv.Itoa(i+1)
	}
	return `INSERT INTO spendwise_expenses (` + expensesTable.names() + `) SELECT ` +
		strings.Join(places, ", ") + ` WHERE NOT EXISTS (
		SELECT 1 FROM spendwise_tombstones WHERE owner = $1 AND type = 'expense' AND id = $2)
		ON CONFLICT (owner, id) DO NOTHING`
}()

func expenseRow(owner string, e expense.Expense) []any {
	var search any
	if folded := expense.Fold(e.Notes); folded != e.Notes {
		search = folded
	}
	return []any{owner, e.ID.String(), e.Amount.Minor(), e.Amount.Currency().Code(), int64(e.Date.Int()),
		e.CategoryID.String(), e.Notes,
		search, nullID(e.RuleID), int64(e.Occurrence.Int()), nullText(e.Rate.Value.String()), int64(e.Rate.Date.Int()),
		string(e.Rate.Source), e.Home.Minor(), e.Home.Currency().Code(), int64(e.Version), int64(e.Guard),
		e.CreatedAt.UnixMicro(),
		e.UpdatedAt.UnixMicro()}
}

func scanExpense(r *row) expense.Expense {
	return expense.Expense{
		ID: r.id(0), Amount: r.money(1, 2), Date: r.date(3), CategoryID: r.id(4), Notes: r.text(5), RuleID: r.id(6),
		Occurrence: r.date(7),
		Rate:       expense.Rate{Value: r.factor(8), Date: r.date(9), Source: expense.Source(r.text(10))},
		Home:       r.money(11, 12), Version: r.version(13), Guard: r.version(14), CreatedAt: r.instant(15),
		UpdatedAt: r.instant(16),
	}
}

func (r *reader) Expense(ctx context.Context, id uuid.UUID) (e expense.Expense, err error) {
	if r.invalid != nil {
		return e, r.invalid
	}
	found, err := r.on().one(ctx, expenseWidth, func(row *row) { e = scanExpense(row) },
		`SELECT `+expenseCells+` FROM spendwise_expenses x WHERE x.owner = $1 AND x.id = $2`, r.owner, id.String())
	if err == nil && !found {
		err = r.missing(ctx, store.ExpenseRow, id)
	}
	return e, err
}

func (r *reader) KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	switch {
	case r.invalid != nil:
		return nil, r.invalid
	case len(ids) == 0:
		return nil, nil
	}
	// The LIMIT and the OFFSET keep an engine from reading the whole ledger to look there for each of them.
	return r.among(ctx, `SELECT e.value FROM %s WHERE
		EXISTS (SELECT 1 FROM spendwise_expenses x WHERE x.owner = $1 AND x.id = e.value LIMIT 1 OFFSET 0) OR
		EXISTS (SELECT 1 FROM spendwise_tombstones t WHERE t.owner = $1 AND t.type = 'expense' AND t.id = e.value
		LIMIT 1 OFFSET 0)`,
		unique(ids), r.owner)
}

func unique(ids []uuid.UUID) []uuid.UUID {
	seen := make(map[uuid.UUID]struct{}, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool {
		_, twice := seen[id]
		seen[id] = struct{}{}
		return twice
	})
}

// Expenses reads in chunks, each by a statement that goes on after the last row; its rows are closed before one is
// yielded.
func (r *reader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		if r.invalid != nil {
			yield(expense.Expense{}, r.invalid)
			return
		}
		if !storable(query.Text) {
			return
		}
		if byMonths(query) {
			rows, err := r.extremes(ctx, query)
			for _, e := range rows {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(expense.Expense{}, err)
			}
			return
		}
		remaining, size := query.Limit, firstChunk
		for {
			if query.Limit > 0 {
				size = min(size, remaining)
			}
			chunk, err := r.chunk(ctx, query, size)
			if err != nil {
				yield(expense.Expense{}, err)
				return
			}
			for _, e := range chunk {
				if !yield(e, nil) {
					return
				}
			}
			remaining -= len(chunk)
			if len(chunk) < size || query.Limit > 0 && remaining == 0 {
				return
			}
			query.After, size = query.Sort.Position(chunk[len(chunk)-1]), chunkRows
		}
	}
}

// sortColumns are the columns that lists are sorted by; nothing else reaches an ORDER BY.
var sortColumns = [...]string{
	expense.NewestFirst: "date", expense.OldestFirst: "date", expense.LargestFirst: "home", expense.SmallestFirst: "home",
	expense.NewestCreatedFirst: "created_at", expense.OldestCreatedFirst: "created_at",
}

func (r *reader) chunk(ctx context.Context, query expense.Query, size int) ([]expense.Expense, error) {
	if int(query.Sort) >= len(sortColumns) {
		return nil, fmt.Errorf("list of expenses: there is no order %d", query.Sort)
	}
	text, args := r.list(query, size)
	chunk := make([]expense.Expense, 0, min(size, 64))
	scan := func(row *row) { chunk = append(chunk, scanExpense(row)) }
	// Filters beyond date and category make too many texts to keep.
	if query.Currency.IsZero() && query.AmountMin.Currency().IsZero() && query.AmountMax.Currency().IsZero() &&
		query.RuleID == uuid.Nil {
		return chunk, r.on().each(ctx, expenseWidth, scan, text, args...)
	}
	return chunk, r.on().eachOnce(ctx, expenseWidth, scan, text, args...)
}

// list is the statement of one chunk: its text from bun, its values apart.
func (r *reader) list(query expense.Query, size int) (string, []any) {
	var values values
	dialect := &r.store.dialect
	q := r.store.bun.NewSelect().TableExpr("spendwise_expenses AS x").ColumnExpr(expenseCells).Where("x.owner = ?",
		values.bind(r.owner))
	if !query.Dates.From.IsZero() {
		q.Where("x.date >= ?", values.bind(int64(query.Dates.From.Int())))
	}
	if !query.Dates.To.IsZero() {
		q.Where("x.date <= ?", values.bind(int64(query.Dates.To.Int())))
	}
	switch len(query.Categories) {
	case 0:
	case 1:
		q.Where("x.category_id = ?", values.bind(query.Categories[0].String()))
	default:
		list := values.bind(dialect.List(idTexts(query.Categories)))
		q.Where("x.category_id IN (SELECT e.value FROM ?)", appender(func(gen schema.QueryGen, b []byte) ([]byte, error) {
			values.args = append(values.args, list.value)
			return fmt.Appendf(b, dialect.Each, len(values.args)), nil
		}))
	}
	if !query.Currency.IsZero() {
		q.Where("x.currency = ?", values.bind(query.Currency.Code()))
	}
	if least := query.AmountMin; !least.Currency().IsZero() {
		q.Where("x.currency = ? AND x.amount >= ?", values.bind(least.Currency().Code()), values.bind(least.Minor()))
	}
	if most := query.AmountMax; !most.Currency().IsZero() {
		q.Where("x.currency = ? AND x.amount <= ?", values.bind(most.Currency().Code()), values.bind(most.Minor()))
	}
	if query.Text != "" {
		q.Where(dialect.Contains+"(coalesce(x.search, x.notes), ?) > 0", values.bind(expense.Fold(query.Text)))
	}
	if query.RuleID != uuid.Nil {
		q.Where("x.rule_id = ?", values.bind(query.RuleID.String()))
	}
	if query.Pending != nil && *query.Pending {
		q.Where("x.rate IS NULL")
	} else if query.Pending != nil {
		q.Where("x.rate IS NOT NULL")
	}
	column, than, order := schema.Safe(sortColumns[query.Sort]), schema.Safe(">"), schema.Safe("ASC")
	if query.Sort.Descending() {
		than, order = "<", "DESC"
	}
	if !query.After.IsZero() {
		q.Where("(x.?, x.id) ? (?, ?)", column, than, values.bind(query.After.SortKey), values.bind(query.After.ID.String()))
	}
	q.OrderExpr("x.? ?, x.id ? LIMIT ?", column, order, order, values.bind(int64(size)))
	return q.String(), values.args
}

// values collects the values of a statement that bun writes: its text names them $1, $2, ….
type values struct {
	args []any
}

func (v *values) bind(value any) bound { return bound{to: v, value: value} }

type bound struct {
	to    *values
	value any
}

// AppendQuery writes the next place and notes its value.
func (b bound) AppendQuery(_ schema.QueryGen, text []byte) ([]byte, error) {
	b.to.args = append(b.to.args, b.value)
	return strconv.AppendInt(append(text, '$'), int64(len(b.to.args)), 10), nil
}

type appender func(schema.QueryGen, []byte) ([]byte, error)

func (a appender) AppendQuery(gen schema.QueryGen, b []byte) ([]byte, error) { return a(gen, b) }

func (tx *ledgerTx) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	switch {
	case len(expenses) == 0:
		return 0, tx.session.doomed
	case len(expenses) == 1 && expenses[0].Version == 0:
		return tx.addExpense(ctx, expenses[0])
	}
	if err := distinct(store.ExpenseRow, expenses, expenseID); err != nil {
		return 0, err
	}
	ids := make([]uuid.UUID, len(expenses))
	for i, e := range expenses {
		ids[i] = e.ID
	}
	current, err := tx.current(ctx, ids)
	if err != nil {
		return 0, err
	}
	err = admitAll(ctx, tx, store.ExpenseRow, expenses, current, expenseID,
		func(e expense.Expense) expense.Version { return e.Version })
	if err != nil {
		return 0, err
	}
	var sums deltas
	volume := tx.volume
	for _, old := range current {
		volume -= old.Volume()
		sums.subtract(old)
	}
	// No single volume passes the limit, so the sum of a call's rows cannot leave int64 before the check sees it.
	for _, e := range expenses {
		if volume += e.Volume(); volume > expense.MaxMinor {
			return 0, expense.ErrTotalTooLarge
		}
		sums.add(e)
	}
	rows := make([][]any, len(expenses))
	for i, e := range expenses {
		old, ok := current[e.ID]
		e.Version, e.Guard = tx.next(), old.Guard
		if !ok || !e.SameGuardedFields(old) {
			e.Guard = tx.next()
		}
		rows[i] = expenseRow(tx.owner, e)
	}
	if _, err := tx.session.insert(ctx, expensesTable, rows); err != nil {
		return 0, err
	}
	tx.volume = volume
	return tx.next(), tx.adjust(ctx, &sums)
}

// addExpense inserts one expense that is to be new, without a look before: rows affected tell.
func (tx *ledgerTx) addExpense(ctx context.Context, e expense.Expense) (expense.Version, error) {
	version := tx.version + 1
	e.Version, e.Guard = version, version
	volume := tx.volume + e.Volume()
	if volume > expense.MaxMinor {
		if err := tx.taken(ctx, e.ID); err != nil {
			return 0, err
		}
		return 0, expense.ErrTotalTooLarge
	}
	args := expenseRow(tx.owner, e)
	dialect := &tx.store.dialect
	var sums deltas
	sums.add(e)
	var added int64
	var err error
	if dialect.AddExpense != "" {
		added, err = tx.session.exec(ctx, tx.store.addExpense, append(args, sums.rows(tx.owner)[0]...)...)
	} else if added, err = tx.session.exec(ctx, insertExpense, args...); added == 1 {
		err = tx.adjust(ctx, &sums)
	}
	switch {
	case err != nil:
		return 0, err
	case added == 0:
		return 0, tx.taken(ctx, e.ID)
	}
	tx.volume = volume
	return tx.next(), nil
}

// taken says why an id cannot be a new expense's; nil if it can.
func (tx *ledgerTx) taken(ctx context.Context, id uuid.UUID) error {
	_, err := tx.Expense(ctx, id)
	switch {
	case err == nil:
		return fmt.Errorf("expense %s: %w", id, expense.ErrExists)
	case errors.Is(err, expense.ErrNotFound) && !errors.Is(err, expense.ErrGone):
		return nil
	default:
		return err
	}
}

func expenseID(e expense.Expense) uuid.UUID { return e.ID }

// current returns those of ids that are there.
func (tx *ledgerTx) current(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]expense.Expense, error) {
	current := make(map[uuid.UUID]expense.Expense)
	dialect := &tx.store.dialect
	err := tx.session.each(ctx, expenseWidth, func(r *row) { e := scanExpense(r); current[e.ID] = e },
		`SELECT `+expenseCells+` FROM `+fmt.Sprintf(dialect.Each, 2)+` `+
			fmt.Sprintf(dialect.EachIn, "spendwise_expenses", "x.owner = $1 AND x.id = e.value"),
		tx.owner, dialect.List(idTexts(ids)))
	return current, err
}

func (tx *ledgerTx) DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (expense.Version, error) {
	if len(ids) == 0 {
		return 0, tx.session.doomed
	}
	current, err := tx.current(ctx, ids)
	if err != nil {
		return 0, err
	}
	var sums deltas
	volume := tx.volume
	seen := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		e, ok := current[id]
		switch {
		case !ok:
			return 0, tx.missing(ctx, store.ExpenseRow, id)
		case seen[id]:
			return 0, fmt.Errorf("expense %s: %w", id, expense.ErrGone)
		}
		seen[id] = true
		volume -= e.Volume()
		sums.subtract(e)
	}
	_, err = tx.session.exec(ctx, fmt.Sprintf(`DELETE FROM spendwise_expenses WHERE owner = $1 AND id IN (SELECT e.value
		FROM `+
		tx.store.dialect.Each+`)`, 2), tx.owner, tx.store.dialect.List(idTexts(ids)))
	if err != nil {
		return 0, err
	}
	tx.volume = volume
	if err := tx.bury(ctx, store.ExpenseRow, uuid.Nil, ids...); err != nil {
		return 0, err
	}
	return tx.next(), tx.adjust(ctx, &sums)
}
