package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/memstore"
)

// TestStore_EqualsMemstore makes the same calls on a SQL store and on memstore, and compares the results.
func TestStore_EqualsMemstore(t *testing.T) {
	onEach(t, func(t *testing.T, st store.Store) {
		var ledgers atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			m := &model{t: rt, owner: expense.OwnerID(fmt.Sprint("owner", ledgers.Add(1))), sql: st, memory: memstore.New()}
			m.ledger = newLedger(t, m.owner, m.sql)
			if created, err := m.memory.CreateLedger(rt.Context(), m.owner, m.ledger); err != nil || !created {
				rt.Fatalf("create the ledger in memory: created %t, %v", created, err)
			}
			for range rapid.IntRange(1, 6).Draw(rt, "updates") {
				m.update()
			}
			m.compare()
		})
	})
}

type model struct {
	t           *rapid.T
	owner       expense.OwnerID
	ledger      expense.InitialLedger
	sql, memory store.Store
	ids         []uuid.UUID // existing and deleted expenses
}

// step is one call on a Tx. Its result is compared.
type step func(context.Context, store.Tx) (any, error)

// update runs the same random steps in one Update of each store.
func (m *model) update() {
	var steps []step
	for range rapid.IntRange(1, 4).Draw(m.t, "steps") {
		steps = append(steps, rapid.SampledFrom([]func() step{
			m.putOne, m.putMany, m.deleteOne, m.mergeCategories, m.swapOrDelete, m.putBudget,
		}).Draw(m.t, "step")())
	}
	var results [2][]any
	for i, st := range []store.Store{m.sql, m.memory} {
		err := st.Update(m.t.Context(), m.owner, func(tx store.Tx) error {
			results[i] = nil
			for _, step := range steps {
				result, err := step(m.t.Context(), tx)
				results[i] = append(results[i], result, errorKind(err))
			}
			return nil
		})
		results[i] = append(results[i], err != nil)
	}
	if !reflect.DeepEqual(results[0], results[1]) {
		m.t.Fatalf("results of the SQL store = %v, of memstore = %v", results[0], results[1])
	}
}

// errorKind returns the error value that a caller can test with errors.Is.
func errorKind(err error) string {
	for _, kind := range []error{
		nil, expense.ErrGone, expense.ErrNotFound, expense.ErrExists, expense.ErrStale, expense.ErrInvalid, expense.ErrInUse,
	} {
		if errors.Is(err, kind) {
			return fmt.Sprint(kind)
		}
	}
	return "doomed"
}

func (m *model) category() uuid.UUID {
	return m.ledger.Categories[rapid.IntRange(0, 5).Draw(m.t, "category")].ID
}

func (m *model) expense(id uuid.UUID) expense.Expense {
	date := expense.MustDate("2025-12-20").AddDays(rapid.IntRange(0, 100).Draw(m.t, "day"))
	code := rapid.SampledFrom([]string{"EUR", "USD", "JPY"}).Draw(m.t, "currency")
	amount, err := expense.MoneyFromMinor(rapid.Int64Range(-500,
		500).Filter(func(n int64) bool { return n != 0 }).Draw(m.t, "minor"),
		expense.MustCurrency(code))
	if err != nil {
		m.t.Fatal(err)
	}
	e := expense.Expense{
		ID: id, Amount: amount, Date: date, CategoryID: m.category(),
		Notes: rapid.SampledFrom([]string{"", "coffee", "GRÖSSE", "größe", "Łódź"}).Draw(m.t, "notes"),
		Home:  expense.MustMoney("0", "EUR"), CreatedAt: day, UpdatedAt: day,
	}
	if rapid.Bool().Draw(m.t, "converted") {
		e.Rate = expense.Rate{Value: expense.MustFactor("0.5"), Date: date, Source: "ecb"}
		if code == "EUR" {
			e.Rate.Value, e.Rate.Source = expense.MustFactor("1"), expense.SourceIdentity
		}
		e.Home, err = e.Rate.Convert(amount, expense.MustCurrency("EUR"))
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return e
}

// drawID returns the id of an existing or deleted expense, or a new id.
func (m *model) drawID() uuid.UUID {
	if len(m.ids) == 0 || rapid.IntRange(0, 2).Draw(m.t, "new") > 0 {
		m.ids = append(m.ids, uuid.NewSHA1(uuid.NameSpaceOID, []byte(fmt.Sprint(m.owner, len(m.ids)))))
		return m.ids[len(m.ids)-1]
	}
	return rapid.SampledFrom(m.ids).Draw(m.t, "id")
}

func (m *model) putOne() step {
	drawn := m.expense(m.drawID())
	return func(ctx context.Context, tx store.Tx) (any, error) {
		e := drawn
		if err := m.replaceDeletedCategory(ctx, tx, &e); err != nil {
			return nil, err
		}
		return tx.PutExpenses(ctx, e)
	}
}

// replaceDeletedCategory replaces a deleted category with the default category. The stores may report different errors
// if an expense has more than one error.
func (m *model) replaceDeletedCategory(ctx context.Context, tx store.Tx, e *expense.Expense) error {
	_, err := tx.Category(ctx, e.CategoryID)
	if errors.Is(err, expense.ErrNotFound) {
		e.CategoryID, err = m.ledger.Settings.DefaultCategory, nil
	}
	return err
}

// putMany replaces existing expenses and adds new ones.
func (m *model) putMany() step {
	var batch []expense.Expense
	seen := make(map[uuid.UUID]bool) // the stores may report different errors for a batch with more than one error
	for range rapid.IntRange(1, 60).Draw(m.t, "many") {
		if id := m.drawID(); !seen[id] {
			seen[id] = true
			batch = append(batch, m.expense(id))
		}
	}
	return func(ctx context.Context, tx store.Tx) (any, error) {
		rows := slices.Clone(batch)
		for i := range rows {
			old, err := tx.Expense(ctx, rows[i].ID)
			if err == nil {
				rows[i].Version = old.Version
			}
			if err := m.replaceDeletedCategory(ctx, tx, &rows[i]); err != nil {
				return nil, err
			}
		}
		return tx.PutExpenses(ctx, rows...)
	}
}

func (m *model) deleteOne() step {
	id := m.drawID()
	return func(ctx context.Context, tx store.Tx) (any, error) { return tx.DeleteExpenses(ctx, id) }
}

func (m *model) mergeCategories() step {
	from, into := m.category(), m.category()
	month := expense.MustMonth("2026-01").Add(rapid.IntRange(0, 3).Draw(m.t, "month"))
	return func(ctx context.Context, tx store.Tx) (any, error) { return tx.MergeCategory(ctx, from, into, month) }
}

// swapOrDelete swaps the names of two categories, or deletes one.
func (m *model) swapOrDelete() step {
	a, b := m.category(), m.category()
	if rapid.Bool().Draw(m.t, "delete") {
		return func(ctx context.Context, tx store.Tx) (any, error) { return tx.DeleteCategory(ctx, a) }
	}
	return func(ctx context.Context, tx store.Tx) (any, error) {
		first, err := tx.Category(ctx, a)
		if err != nil {
			return nil, err
		}
		second, err := tx.Category(ctx, b)
		if err != nil {
			return nil, err
		}
		first.Name, second.Name = second.Name, first.Name
		return tx.PutCategories(ctx, first, second)
	}
}

func (m *model) putBudget() step {
	category := m.category()
	id := uuid.NewSHA1(uuid.NameSpaceOID, category[:])
	from := expense.MustMonth("2026-01").Add(rapid.IntRange(0, 3).Draw(m.t, "from"))
	return func(ctx context.Context, tx store.Tx) (any, error) {
		old, err := tx.Budget(ctx, id)
		if err != nil && (!errors.Is(err, expense.ErrNotFound) || errors.Is(err, expense.ErrGone)) {
			return nil, err
		}
		if _, err := tx.Category(ctx, category); err != nil && old.Version == 0 {
			return nil, err
		}
		return tx.PutBudgets(ctx, budget.Budget{
			ID: id, CategoryID: category, MergedName: old.MergedName, MergedInto: old.MergedInto,
			AlertAt: []budget.Ratio{8000, 10000}, Version: old.Version, CreatedAt: day, UpdatedAt: day,
			Entries: []budget.Entry{{From: from, Limit: expense.MustMoney("500", "EUR")},
				{From: from.Add(2), Limit: expense.MustMoney("9", "EUR")}},
		})
	}
}

func (m *model) compare() {
	for _, st := range []store.Store{m.memory, m.sql} {
		if violations, err := jobs.Verify(m.t.Context(), st, m.owner); err != nil || len(violations) > 0 {
			m.t.Fatalf("%T does not keep its guarantees: %v %v", st, violations, err)
		}
	}
	pending := true
	date := expense.MustDate
	compareReads(m, "budget snapshot", func(r store.Reader) (any, error) { return r.BudgetSnapshot(m.t.Context()) })
	compareReads(m, "known ids", func(r store.Reader) (any, error) {
		known, err := r.KnownExpenseIDs(m.t.Context(), m.ids...)
		slices.SortFunc(known, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
		return known, err
	})
	ranges := []expense.Range{
		{}, expense.MustMonth("2026-01").Range(), {From: date("2025-12-22"), To: date("2026-03-17")},
		{To: date("2026-02-03")},
		{From: date("2026-02-03")}, {From: date("2026-02-03"), To: date("2026-02-09")},
		{From: date("2026-03-03"), To: date("2026-02-09")},
		{From: date("2026-01-31"), To: date("2026-02-01")},
	}
	for by := expense.WholeRange; by <= expense.ByMonth; by++ {
		n := rapid.IntRange(1, len(ranges)).Draw(m.t, "ranges")
		compareReads(m, "totals", func(r store.Reader) (any, error) {
			totals, err := r.Totals(m.t.Context(), expense.TotalsQuery{Ranges: ranges[:n], Granularity: by})
			return append([]expense.Total{}, totals...), err
		})
	}
	filters := []expense.Filter{
		{}, {Text: "GRÖSSE"}, {Text: "grosse"}, {Text: "lodz"}, {Text: "%"}, {Pending: &pending},
		{Currency: expense.MustCurrency("USD")},
		{AmountMin: expense.MustMoney("0.50", "EUR"), AmountMax: expense.MustMoney("3", "EUR")},
		{Dates: expense.Range{From: date("2026-02-01"), To: date("2026-02-20")}},
		{Categories: []uuid.UUID{m.category(), m.category()}},
	}
	for order := expense.NewestFirst; order <= expense.OldestCreatedFirst; order++ {
		query := expense.Query{Filter: rapid.SampledFrom(filters).Draw(m.t, "filter"), Sort: order}
		all := compareReads(m, "expenses", func(r store.Reader) (any, error) { return list(m.t.Context(), r, query) })
		if rows, ok := all.([]expense.Expense); ok && len(rows) > 3 {
			query.After, query.Limit = order.Position(rows[1]), 2
			compareReads(m, "next page", func(r store.Reader) (any, error) { return list(m.t.Context(), r, query) })
		}
	}
}

// compareReads calls read on both stores, compares the results and returns the expected one.
func compareReads(m *model, what string, read func(store.Reader) (any, error)) any {
	want, err := read(m.memory.Reader(m.owner))
	if err != nil {
		m.t.Fatal(err)
	}
	got, err := read(m.sql.Reader(m.owner))
	if err != nil {
		m.t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		m.t.Fatalf("%s:\n SQL    %v\n memory %v", what, got, want)
	}
	return want
}

func list(ctx context.Context, r store.Reader, query expense.Query) ([]expense.Expense, error) {
	var all []expense.Expense
	for e, err := range r.Expenses(ctx, query) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}
