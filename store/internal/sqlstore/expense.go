package sqlstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// An expenseRow is a row of the table of expenses.
type expenseRow struct {
	bun.BaseModel `bun:"table:spendwise_expenses,alias:x"`

	Owner                string     `bun:",pk"`
	ID                   sqldb.UUID `bun:"id,pk,type:uuid"`
	Amount               int64
	Currency             string
	Date                 int64
	CategoryID           sqldb.UUID `bun:"type:uuid"`
	Notes                string
	Search               sqldb.NullText `bun:"type:text"` // FoldSearch(Notes); NULL if it equals Notes
	RuleID               sqldb.NullUUID `bun:"type:uuid"`
	Occurrence           int64
	Rate                 sqldb.NullText `bun:"type:text"` // NULL: the expense is pending
	RateDate             int64
	RateSource           string
	Home                 int64
	HomeCurrency         string
	Version, Guard       int64
	CreatedAt, UpdatedAt int64
}

func newExpenseRow(owner string, e expense.Expense) expenseRow {
	row := expenseRow{
		Owner: owner, ID: sqldb.UUID(e.ID), Amount: e.Amount.Minor(), Currency: e.Amount.Currency().Code(),
		Date: int64(e.Date.Int()), CategoryID: sqldb.UUID(e.CategoryID), Notes: e.Notes, RuleID: sqldb.NullUUID(e.RuleID),
		Occurrence: int64(e.Occurrence.Int()), Rate: sqldb.NullText(e.Rate.Value.String()),
		RateDate:   int64(e.Rate.Date.Int()),
		RateSource: string(e.Rate.Source), Home: e.Home.Minor(), HomeCurrency: e.Home.Currency().Code(),
		Version: int64(e.Version), Guard: int64(e.Guard), CreatedAt: sqldb.Micros(e.CreatedAt),
		UpdatedAt: sqldb.Micros(e.UpdatedAt),
	}
	if folded := expense.FoldSearch(e.Notes); folded != e.Notes {
		row.Search = sqldb.NullText(folded)
	}
	return row
}

func (row *expenseRow) expense() (expense.Expense, error) {
	var d sqldb.Decoder
	return expense.Expense{
		ID: uuid.UUID(row.ID), Amount: d.Money(row.Amount, row.Currency), Date: d.Date(row.Date),
		CategoryID: uuid.UUID(row.CategoryID), Notes: row.Notes, RuleID: uuid.UUID(row.RuleID),
		Occurrence: d.Date(row.Occurrence),
		Rate: expense.Rate{Value: d.Factor(string(row.Rate)), Date: d.Date(row.RateDate),
			Source: expense.Source(row.RateSource)},
		Home: d.Money(row.Home, row.HomeCurrency), Version: expense.Version(row.Version),
		Guard: expense.Version(row.Guard), CreatedAt: sqldb.FromMicros(row.CreatedAt),
		UpdatedAt: sqldb.FromMicros(row.UpdatedAt),
	}, d.Err
}

func (r *reader) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	var row expenseRow
	found, err := sqldb.One(ctx, r.on(), &row, r.store.texts.expense, r.owner, sqldb.UUID(id))
	switch {
	case err != nil:
		return expense.Expense{}, err
	case !found:
		return expense.Expense{}, r.missing(ctx, store.ExpenseRow, id)
	}
	return row.expense()
}

// Expense returns what the Update knows about the expense, and reads it otherwise.
func (tx *ledgerTx) Expense(ctx context.Context, id uuid.UUID) (expense.Expense, error) {
	if err := tx.load(ctx, []uuid.UUID{id}); err != nil {
		return expense.Expense{}, err
	}
	state := tx.expenses[id]
	if state.row.Version == 0 {
		return expense.Expense{}, absentError(store.ExpenseRow, id, state.gone)
	}
	return state.row, nil
}

func (r *reader) KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	session := r.on()
	if len(ids) == 0 {
		return nil, session.Failed
	}
	ids = withoutDuplicates(ids)
	var known []uuid.UUID
	err := sqldb.Each(ctx, session, func(row *idRow) error {
		known = append(known, uuid.UUID(row.ID))
		return nil
	}, r.store.texts.knownExpenses, r.store.Dialect.IDs(ids), r.owner, r.owner)
	return known, err
}

// An idRow is a row of a query for ids.
type idRow struct{ ID sqldb.UUID }

// KnownExpenseIDs remembers the ids that are not in use.
func (tx *ledgerTx) KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	known, err := tx.reader.KnownExpenseIDs(ctx, ids...)
	if err != nil {
		return nil, err
	}
	used := make(map[uuid.UUID]bool, len(known))
	for _, id := range known {
		used[id] = true
	}
	for _, id := range ids {
		if !used[id] {
			tx.remember(id)
		}
	}
	return known, nil
}

func withoutDuplicates(ids []uuid.UUID) []uuid.UUID {
	seen := make(map[uuid.UUID]struct{}, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool {
		_, duplicate := seen[id]
		seen[id] = struct{}{}
		return duplicate
	})
}

const (
	// A list is read in chunks. The first one is small, because many callers stop early.
	firstChunk = 500
	chunkRows  = 1000
)

// Expenses implements [expense.Reader]. It reads in chunks and closes the rows of a chunk before it yields one.
func (r *reader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
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

// Expenses also yields what this Update has written.
func (tx *ledgerTx) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		if err := tx.flush(ctx); err != nil {
			yield(expense.Expense{}, err)
			return
		}
		tx.reader.Expenses(ctx, query)(yield)
	}
}

func (r *reader) chunk(ctx context.Context, query expense.Query, size int) ([]expense.Expense, error) {
	session := r.on()
	if session.Failed != nil {
		return nil, session.Failed
	}
	if int(query.Sort) >= len(sortColumns) {
		return nil, fmt.Errorf("sort order %d of expenses is unknown", query.Sort)
	}
	if !sqldb.Storable(query.Text) {
		return nil, nil
	}
	list := newList(&r.store.Dialect, r.owner, query)
	limit := size
	for _, common := range []int{6, 11, 21, 51, 101, 201, 501, 1001} { // a few limits, so that there are few texts
		if common >= size {
			limit = common
			break
		}
	}
	text := r.store.texts.list(list, query.Sort, limit)
	chunk := make([]expense.Expense, 0, min(size, 64))
	err := sqldb.Each(ctx, session, func(row *expenseRow) error {
		e, err := row.expense()
		chunk = append(chunk, e)
		return err
	}, text, list.args...)
	return chunk[:min(size, len(chunk))], err
}

// sortColumns are the columns by which lists are sorted.
var sortColumns = [...]string{
	expense.NewestFirst: "date", expense.OldestFirst: "date", expense.LargestFirst: "home", expense.SmallestFirst: "home",
	expense.NewestCreatedFirst: "created_at", expense.OldestCreatedFirst: "created_at",
}

// A list is the WHERE clause of a query for expenses. Its conditions depend on which fields of the query are set, and
// its arguments are their values.
type list struct {
	conditions []string
	args       []any
}

func (l *list) where(condition string, args ...any) {
	l.conditions, l.args = append(l.conditions, condition), append(l.args, args...)
}

func newList(d *sqldb.Dialect, owner string, query expense.Query) *list {
	l := &list{}
	l.where("x.owner = ?", owner)
	from, to := "x.date >= ?", "x.date <= ?"
	if sortColumns[query.Sort] == "home" && !isShort(query.Dates) {
		// Reading the index by amount is cheaper than sorting many days. IS TRUE keeps engines from using an index by date,
		// and PostgreSQL from expecting few rows.
		from, to = "(x.date >= ?) IS TRUE", "(x.date <= ?) IS TRUE"
	}
	if !query.Dates.From.IsZero() {
		l.where(from, int64(query.Dates.From.Int()))
	}
	if !query.Dates.To.IsZero() {
		l.where(to, int64(query.Dates.To.Int()))
	}
	switch len(query.Categories) {
	case 0:
	case 1:
		l.where("x.category_id = ?", sqldb.UUID(query.Categories[0]))
	default:
		l.where("x.category_id IN (SELECT e.value FROM "+d.IDTable+")", d.IDs(query.Categories))
	}
	if !query.Currency.IsZero() {
		l.where("x.currency = ?", query.Currency.Code())
	}
	if least := query.AmountMin; !least.Currency().IsZero() {
		l.where("x.currency = ? AND x.amount >= ?", least.Currency().Code(), least.Minor())
	}
	if most := query.AmountMax; !most.Currency().IsZero() {
		l.where("x.currency = ? AND x.amount <= ?", most.Currency().Code(), most.Minor())
	}
	if query.Text != "" {
		l.where(d.Contains+"(coalesce(x.search, x.notes), ?) > 0", expense.FoldSearch(query.Text))
	}
	if query.RuleID != uuid.Nil {
		l.where("x.rule_id = ?", sqldb.UUID(query.RuleID))
	}
	if query.Pending != nil && *query.Pending {
		l.where("x.rate IS NULL")
	} else if query.Pending != nil {
		l.where("x.rate IS NOT NULL")
	}
	if !query.After.IsZero() {
		than := ">"
		if query.Sort.Descending() {
			than = "<"
		}
		l.where("(x."+sortColumns[query.Sort]+", x.id) "+than+" (?, ?)", query.After.SortKey, sqldb.UUID(query.After.ID))
	}
	return l
}

// isShort reports whether dates are at most about two months.
func isShort(dates expense.Range) bool {
	return !dates.From.IsZero() && !dates.To.IsZero() && !dates.From.AddDays(62).Before(dates.To)
}

// list returns the statement of a list, which bun builds once for each combination of conditions, order and limit. The
// limit is not an argument, because a generic plan of PostgreSQL would expect a large one.
func (t *texts) list(l *list, sort expense.Sort, limit int) string {
	key := fmt.Sprint(sort, limit) + strings.Join(l.conditions, " AND ")
	if text, ok := t.lists.Load(key); ok {
		return text.(string)
	}
	query := t.db.NewSelect().Model((*expenseRow)(nil))
	for _, condition := range l.conditions {
		query.Where(condition)
	}
	order := "ASC"
	if sort.Descending() {
		order = "DESC"
	}
	query.OrderExpr("x.? ?, x.id ?", bun.Safe(sortColumns[sort]), bun.Safe(order), bun.Safe(order)).Limit(int64(limit))
	text := t.dialect.Renumber(query.String())
	t.lists.Store(key, text)
	return text
}

func (tx *ledgerTx) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	switch {
	case len(expenses) == 0:
		return 0, tx.session.Failed
	case len(expenses) == 1 && expenses[0].Version == 0 && tx.expenses[expenses[0].ID] == nil:
		return tx.addExpense(ctx, expenses[0])
	}
	if err := checkDistinct(store.ExpenseRow, expenses, expenseID); err != nil {
		return 0, err
	}
	ids := make([]uuid.UUID, len(expenses))
	for i, e := range expenses {
		ids[i] = e.ID
	}
	if err := tx.load(ctx, ids); err != nil {
		return 0, err
	}
	for _, e := range expenses {
		state := tx.expenses[e.ID]
		if state.row.Version == 0 && (state.gone || e.Version != 0) {
			return 0, absentError(store.ExpenseRow, e.ID, state.gone)
		}
	}
	volume := tx.row.Volume
	for _, e := range expenses {
		old := tx.expenses[e.ID].row
		if old.Version == 0 {
			continue
		}
		if err := checkVersion("expense "+e.ID.String(), e.Version, old.Version); err != nil {
			return 0, err
		}
		volume -= old.Volume()
	}
	// No volume exceeds the limit, so the sum cannot overflow before it is compared with the limit.
	for _, e := range expenses {
		if volume += e.Volume(); volume > expense.MaxMinor {
			return 0, expense.ErrTotalTooLarge
		}
	}
	for _, e := range expenses {
		if e.CategoryID == tx.expenses[e.ID].row.CategoryID {
			continue
		}
		switch known, err := tx.hasCategory(ctx, e.CategoryID); {
		case err != nil:
			return 0, err
		case !known:
			return 0, tx.session.Fail(ctx, fmt.Errorf("expense %s refers to category %s, which the ledger does not have",
				e.ID, e.CategoryID))
		}
	}
	tx.row.Volume = volume
	for _, e := range expenses {
		state := tx.expenses[e.ID]
		e.Version, e.Guard = tx.next(), state.row.Guard
		if state.row.Version == 0 || !e.SameGuardedFields(state.row) {
			e.Guard = tx.next()
		}
		tx.put(state, e)
	}
	return tx.next(), nil
}

func expenseID(e expense.Expense) uuid.UUID { return e.ID }

// addExpense inserts a new expense without reading its id first. The statement inserts nothing if an expense or a
// tombstone has the id.
func (tx *ledgerTx) addExpense(ctx context.Context, e expense.Expense) (expense.Version, error) {
	volume := tx.row.Volume + e.Volume()
	if volume > expense.MaxMinor {
		if _, err := tx.Expense(ctx, e.ID); err == nil {
			return 0, fmt.Errorf("expense %s: %w", e.ID, expense.ErrExists)
		}
		if state := tx.expenses[e.ID]; state != nil && state.gone {
			return 0, absentError(store.ExpenseRow, e.ID, true)
		}
		if tx.session.Failed != nil {
			return 0, tx.session.Failed
		}
		return 0, expense.ErrTotalTooLarge
	}
	before, stored, wrote := tx.row, tx.stored, tx.wrote
	e.Version, e.Guard, tx.row.Volume = tx.next(), tx.next(), volume
	var sums totalChanges
	sums.add(e)
	row := newExpenseRow(tx.owner, e)
	texts := &tx.store.texts
	args := append(sqldb.ModelValues(texts.db, &row), tx.owner, sqldb.UUID(e.ID))
	var added int64
	var err error
	if tx.store.Dialect.Combine {
		total := sums.rows(tx.owner)[0]
		args = append(args, sqldb.ModelValues(texts.db, &total)...)
		args = append(args, tx.updateLedger().Args...)
	}
	if added, err = tx.session.Exec(ctx, texts.addExpense, args...); added == 1 && !tx.store.Dialect.Combine {
		tx.sums.add(e)
	}
	if err == nil && added == 0 {
		tx.row, tx.stored, tx.wrote = before, stored, wrote
		if _, err = tx.Expense(ctx, e.ID); err == nil {
			err = fmt.Errorf("expense %s: %w", e.ID, expense.ErrExists)
		}
	}
	if err != nil {
		return 0, err
	}
	state := tx.remember(e.ID)
	state.row, state.inTable = e, true
	return e.Version, nil
}

func (tx *ledgerTx) DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (expense.Version, error) {
	if len(ids) == 0 {
		return 0, tx.session.Failed
	}
	if err := tx.load(ctx, ids); err != nil {
		return 0, err
	}
	seen := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		if state := tx.expenses[id]; state.row.Version == 0 || seen[id] {
			return 0, absentError(store.ExpenseRow, id, state.gone || seen[id])
		}
		seen[id] = true
	}
	for _, id := range ids {
		state := tx.expenses[id]
		tx.row.Volume -= state.row.Volume()
		tx.remove(state)
	}
	return tx.next(), nil
}
