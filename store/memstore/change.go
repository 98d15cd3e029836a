package memstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// State implements [store.Reader].
func (r reader) State(ctx context.Context) (store.State, error) {
	l, err := r.at(ctx)
	switch {
	case err != nil:
		return store.State{}, err
	case l.version == 0:
		return store.State{}, errNoLedger()
	}
	return l.state(), nil
}

func (l ledger) state() store.State {
	return store.State{Epoch: l.epoch, Version: l.version, PurgedThrough: l.purgedThrough, Discarded: l.discarded}
}

// Changes implements [store.Reader].
func (r reader) Changes(ctx context.Context, query store.ChangeQuery) ([]store.Change, error) {
	l, err := r.at(ctx)
	if err != nil || l.version == 0 {
		return nil, err
	}
	f := feed{query: query}
	f.addRow(store.SettingsRow, uuid.Nil, l.settings.Version, l.settings)
	addTable(&f, store.ExpenseRow, l.expenses, func(e expense.Expense) expense.Version { return e.Version })
	addTable(&f, store.CategoryRow, l.categories, func(c expense.Category) expense.Version { return c.Version })
	addTable(&f, store.BudgetRow, l.budgets, func(b budget.Budget) expense.Version { return b.Version })
	addTable(&f, store.RuleRow, l.rules, func(r recurrence.Rule) expense.Version { return r.Version })
	addTable(&f, store.AlertRow, l.alerts, func(a budget.Alert) expense.Version { return a.Version })
	slices.SortFunc(f.changes, func(a, b store.Change) int { return a.Compare(b.FeedPosition) })
	if query.Limit > 0 {
		f.changes = f.changes[:min(query.Limit, len(f.changes))]
	}
	return f.changes, nil
}

// A feed collects the changes that a query selects.
type feed struct {
	query   store.ChangeQuery
	changes []store.Change
}

func (f *feed) addRow(what store.RowType, id uuid.UUID, version expense.Version, row any) {
	position := store.FeedPosition{Version: version, Type: what, ID: id}
	if position.Compare(f.query.After) > 0 {
		if b, ok := row.(budget.Budget); ok {
			row = cloneBudget(b)
		}
		f.changes = append(f.changes, store.Change{FeedPosition: position, Row: row})
	}
}

func addTable[R any](f *feed, what store.RowType, t table[R], version func(R) expense.Version) {
	for id, row := range t.rows.all() {
		f.addRow(what, id, version(row), row)
	}
	for id, tomb := range t.tombstones.all() {
		position := store.FeedPosition{Version: tomb.version, Type: what, ID: id}
		if tomb.version > f.query.SkipTombstonesThrough && position.Compare(f.query.After) > 0 {
			f.changes = append(f.changes, store.Change{FeedPosition: position, Deleted: true, MergedInto: tomb.mergedInto})
		}
	}
}

// MergedInto implements [expense.Reader].
func (r reader) MergedInto(ctx context.Context, id uuid.UUID) (uuid.UUID, error) {
	l, err := r.at(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	tomb, ok := l.categories.tombstones.get(id)
	if !ok {
		return uuid.Nil, fmt.Errorf("tombstone of category %s: %w", id, expense.ErrNotFound)
	}
	return tomb.mergedInto, nil
}

// StartEpoch implements [store.Store].
func (s *Store) StartEpoch(ctx context.Context, owner expense.OwnerID) error {
	slot, err := s.slot(owner)
	if err != nil {
		return err
	}
	err = slot.change(ctx, func(l ledger) (ledger, error) {
		if l.version == 0 {
			return l, errNoLedger()
		}
		next := l.state().NextEpoch(time.Now())
		l.epoch, l.version, l.discarded = next.Epoch, next.Version, next.Discarded
		return l, nil
	})
	if err == nil {
		s.hub.Notify(owner)
	}
	return err
}
