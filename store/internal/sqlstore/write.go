package sqlstore

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A ledgerTx reads and writes one ledger, whose row it has locked. Nothing else changes the ledger until the
// transaction ends, so a ledgerTx does not read the same row twice.
//
// It keeps writes of expenses and of idempotency records back, if it knows that they are valid. flush sends them, and
// what follows from them in the totals and in the ledger's row, in few statements: at the end of the Update, and
// before a statement that reads their tables.
type ledgerTx struct {
	reader
	settings expense.Settings
	row      ledgerRow // the ledger's row, with the changes of this Update
	stored   ledgerRow // the ledger's row, as it is in the table
	wrote    bool      // this Update has taken a version

	categories map[uuid.UUID]*expense.Category
	expenses   map[uuid.UUID]*expenseState
	records    map[store.IdempotencyKey]*store.IdempotencyRecord // nil: there is no record

	// The writes to flush.
	dirty      []*expenseState
	newRecords []recordRow
	sums       totalChanges
}

// An expenseState is what an Update knows about the expense with an id.
type expenseState struct {
	id      uuid.UUID
	row     expense.Expense // its Version is 0 if there is no expense
	gone    bool            // there is a tombstone
	inTable bool            // the table has a row
	dirty   bool            // row or gone is not flushed
}

// next returns the version of the rows that this Update writes. The Update takes a version if it calls next.
func (tx *ledgerTx) next() expense.Version {
	if !tx.wrote {
		tx.wrote = true
		tx.row.Version++
	}
	return expense.Version(tx.row.Version)
}

// put keeps an expense for flush. state is that of its id.
func (tx *ledgerTx) put(state *expenseState, e expense.Expense) {
	if state.row.Version != 0 {
		tx.sums.subtract(state.row)
	}
	tx.sums.add(e)
	state.row = e
	tx.markDirty(state)
}

// remove keeps the removal of an expense, and its tombstone, for flush.
func (tx *ledgerTx) remove(state *expenseState) {
	tx.sums.subtract(state.row)
	state.row, state.gone = expense.Expense{}, true
	tx.markDirty(state)
}

func (tx *ledgerTx) markDirty(state *expenseState) {
	if !state.dirty {
		state.dirty = true
		tx.dirty = append(tx.dirty, state)
	}
}

// remember returns the state of an id, which it creates if the Update knows nothing about the id.
func (tx *ledgerTx) remember(id uuid.UUID) *expenseState {
	if tx.expenses == nil {
		tx.expenses = make(map[uuid.UUID]*expenseState)
	}
	state, ok := tx.expenses[id]
	if !ok {
		state = &expenseState{id: id}
		tx.expenses[id] = state
	}
	return state
}

// load makes tx.expenses know about all ids. It reads the unknown ones in at most two statements.
func (tx *ledgerTx) load(ctx context.Context, ids []uuid.UUID) error {
	var unknown []uuid.UUID
	for _, id := range ids {
		if tx.expenses[id] == nil {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return tx.session.Failed
	}
	texts, found := &tx.store.texts, make(map[uuid.UUID]bool, len(unknown))
	err := sqldb.Each(ctx, tx.session, func(row *expenseRow) error {
		e, err := row.expense()
		state := tx.remember(e.ID)
		state.row, state.inTable = e, true
		found[e.ID] = true
		return err
	}, texts.expensesByID, tx.store.Dialect.IDs(unknown), tx.owner)
	if err != nil {
		return err
	}
	var absent []uuid.UUID
	for _, id := range unknown {
		if !found[id] {
			absent = append(absent, id)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	gone, err := tx.deleted(ctx, store.ExpenseRow, absent)
	if err != nil {
		return err
	}
	for _, id := range absent {
		tx.remember(id).gone = gone[id]
	}
	return nil
}

// flush sends the writes that were kept back, and the ledger's row if it has changed.
func (tx *ledgerTx) flush(ctx context.Context) error {
	if tx.session.Failed != nil {
		return tx.session.Failed
	}
	var rows []expenseRow
	var deleted []uuid.UUID
	var tombstones []tombstoneRow
	now := time.Now()
	for _, state := range tx.dirty {
		switch {
		case !state.gone:
			rows = append(rows, newExpenseRow(tx.owner, state.row))
		case state.inTable:
			deleted = append(deleted, state.id)
		}
		if state.gone {
			tombstones = append(tombstones, tx.tombstone(store.ExpenseRow, state.id, uuid.Nil, now))
		}
		state.dirty, state.inTable = false, !state.gone
	}
	tx.dirty = nil
	d, texts := &tx.store.Dialect, &tx.store.texts
	parts := sqldb.PartsOf(d, texts.putExpenses, rows)
	if len(deleted) > 0 {
		parts = append(parts, sqldb.Part{Text: texts.deleteExpenses, Args: []any{tx.owner, d.IDs(deleted)}})
	}
	parts = append(parts, sqldb.PartsOf(d, texts.insertTombstones, tombstones)...)
	parts = append(parts, sqldb.PartsOf(d, texts.addTotals, tx.sums.rows(tx.owner))...)
	parts = append(parts, sqldb.PartsOf(d, texts.insertRecords, tx.newRecords)...)
	tx.sums, tx.newRecords = totalChanges{}, nil
	if tx.row != tx.stored {
		parts = append(parts, tx.updateLedger())
	}
	return tx.session.Write(ctx, parts...)
}

// updateLedger returns the statement that stores the counters of the ledger's row.
func (tx *ledgerTx) updateLedger() sqldb.Part {
	tx.stored = tx.row
	return sqldb.Part{
		Text: tx.store.texts.updateLedger, Args: []any{tx.row.Version, tx.row.Volume, tx.row.Budgets, tx.owner},
	}
}

// Prefetch implements [store.Prefetcher]. It also reads the categories, of which there are few.
func (tx *ledgerTx) Prefetch(ctx context.Context, keys []store.IdempotencyKey, expenses []uuid.UUID) error {
	if err := tx.loadRecords(ctx, keys); err != nil {
		return err
	}
	if len(expenses) > 1 {
		if _, err := tx.Categories(ctx); err != nil {
			return err
		}
	}
	return tx.load(ctx, expenses)
}
