package jsonstore

import (
	"bytes"
	"cmp"
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

// A tx implements [store.Tx]. Each write replaces its ledger by a changed clone. Update commits the last one, or drops
// it.
type tx struct {
	reader
	ledger  *ledger
	version expense.Version // of all rows that the Update writes
	failed  error           // if not nil, why the Update fails at the end
}

func newTx(before *ledger) *tx {
	t := &tx{ledger: before, version: before.Version + 1}
	t.reader = func(ctx context.Context) (*ledger, error) { return t.ledger, t.usable(ctx) }
	return t
}

// usable returns the error with which the Update fails, if any. A cancelled context makes it fail, as in a database.
func (t *tx) usable(ctx context.Context) error {
	if t.failed == nil {
		t.failed = ctx.Err()
	}
	return t.failed
}

// write calls change with a clone of the ledger. If change returns nil, the clone becomes the ledger of the tx. So a
// failed write changes nothing. A write of zero rows does not use a version.
func (t *tx) write(ctx context.Context, rows int, change func(next *ledger) error) (expense.Version, error) {
	if err := t.usable(ctx); err != nil || rows == 0 {
		return 0, err
	}
	next := t.ledger.clone()
	next.Version = t.version
	if err := change(next); err != nil {
		return 0, err
	}
	t.ledger = next
	return t.version, nil
}

// A fields points to the fields that all types of rows have in common.
type fields struct {
	id             uuid.UUID
	version, guard *expense.Version // a category and an alert have no guard
	times          []*time.Time
}

// fieldsOf returns the fields of a pointer to a row.
func fieldsOf(row any) fields {
	switch r := row.(type) {
	case *expense.Category:
		return fields{r.ID, &r.Version, new(expense.Version), []*time.Time{&r.CreatedAt, &r.UpdatedAt}}
	case *expense.Expense:
		return fields{r.ID, &r.Version, &r.Guard, []*time.Time{&r.CreatedAt, &r.UpdatedAt}}
	case *budget.Budget:
		return fields{r.ID, &r.Version, &r.Guard, []*time.Time{&r.CreatedAt, &r.UpdatedAt}}
	case *budget.Alert:
		return fields{r.ID, &r.Version, new(expense.Version), []*time.Time{&r.RaisedAt, &r.ReadAt}}
	case *recurrence.Rule:
		return fields{r.ID, &r.Version, &r.Guard, []*time.Time{&r.CreatedAt, &r.UpdatedAt, &r.RetryAt}}
	}
	panic(fmt.Sprintf("%T is no row", row))
}

// sameGuardedFields reports whether the guarded fields of two rows of one type are equal.
func sameGuardedFields[R any](a, b R) bool {
	if row, ok := any(a).(interface{ SameGuardedFields(other R) bool }); ok {
		return row.SameGuardedFields(b)
	}
	return true
}

// put writes rows with the guarantees of [expense.Tx]. Each row must be new or have the stored version. It gets the
// version of the Update. Its guard gets that version too if a guarded field changed.
func put[R any](into table[R], version expense.Version, rows []R) error {
	written := make(map[uuid.UUID]bool, len(rows))
	for _, row := range rows {
		fields := fieldsOf(&row)
		if written[fields.id] {
			return &expense.InvalidError{Field: "id", Code: "duplicate",
				Detail: fmt.Sprintf("the id %s occurs twice in one call", fields.id)}
		}
		written[fields.id] = true
		old, found := into.Rows[fields.id]
		oldFields := fieldsOf(&old)
		err := checkVersion(*fields.version, *oldFields.version)
		if _, deleted := into.Tombstones[fields.id]; deleted {
			err = expense.ErrGone
		}
		if err != nil {
			return fmt.Errorf("%T %s: %w", row, fields.id, err)
		}
		*fields.version, *fields.guard = version, *oldFields.guard
		if !found || !sameGuardedFields(row, old) {
			*fields.guard = version
		}
		for _, at := range fields.times {
			*at = expense.Timestamp(*at)
		}
		into.Rows[fields.id] = row
	}
	return nil
}

// checkVersion compares the version that a writer has read with the stored version. Version 0 means that there is no
// row.
func checkVersion(read, stored expense.Version) error {
	switch {
	case read == stored:
		return nil
	case read == 0:
		return expense.ErrExists
	case stored == 0:
		return expense.ErrNotFound
	}
	return &expense.StaleError{Current: stored}
}

// checkCategory makes the Update fail if the ledger does not have the category.
func (t *tx) checkCategory(next *ledger, category uuid.UUID) error {
	if _, ok := next.Categories.Rows[category]; !ok {
		t.failed = fmt.Errorf("a row refers to category %s, which the ledger does not have", category)
	}
	return t.failed
}

func (t *tx) PutSettings(ctx context.Context, s expense.Settings) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		if err := checkVersion(s.Version, next.Settings.Version); err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		if _, ok := next.Categories.Rows[s.DefaultCategory]; !ok {
			return &expense.InvalidError{Field: "default_category_id", Code: "unknown_category",
				Detail: fmt.Sprintf("the ledger has no category %s", s.DefaultCategory)}
		}
		s.Version = t.version
		next.Settings = s
		return nil
	})
}

func (t *tx) PutCategories(ctx context.Context, categories ...expense.Category) (expense.Version, error) {
	return t.write(ctx, len(categories), func(next *ledger) error {
		if err := put(next.Categories, t.version, categories); err != nil {
			return err
		}
		names := make(map[string]bool)
		for _, category := range next.Categories.Rows {
			name := expense.Fold(category.Name)
			if names[name] {
				return fmt.Errorf("category named %q: %w", category.Name, expense.ErrExists)
			}
			names[name] = true
		}
		for _, category := range categories {
			t.clearFailures(next, category.ID)
		}
		return nil
	})
}

// clearFailures clears the failures of the category's rules, so that their posting is retried.
func (t *tx) clearFailures(next *ledger, category uuid.UUID) {
	for id, rule := range next.Rules.Rows {
		if rule.CategoryID == category && rule.LastError != "" {
			rule.Version = t.version
			next.Rules.Rows[id] = rule.WithoutFailure()
		}
	}
}

func (t *tx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		if err := next.Categories.delete(t.version, uuid.Nil, id); err != nil {
			return err
		}
		if next.usesCategory(id) {
			return fmt.Errorf("category %s: %w", id, expense.ErrInUse)
		}
		return nil
	})
}

// usesCategory reports whether a row of the ledger refers to the category.
func (l *ledger) usesCategory(category uuid.UUID) bool {
	return l.Settings.DefaultCategory == category ||
		l.Expenses.contains(func(e expense.Expense) bool { return e.CategoryID == category }) ||
		l.Rules.contains(func(rule recurrence.Rule) bool { return rule.CategoryID == category }) ||
		l.Budgets.contains(func(b budget.Budget) bool { return b.CategoryID == category || b.MergedInto == category })
}

func (t *tx) MergeCategory(
	ctx context.Context, source, target uuid.UUID, month expense.Month,
) (expense.MergeResult, error) {
	var merged expense.MergeResult
	version, err := t.write(ctx, 1, func(next *ledger) error {
		category, err := next.Categories.get(source)
		if err != nil {
			return err
		}
		if _, err := next.Categories.get(target); err != nil {
			return err
		}
		switch source {
		case target:
			return &expense.InvalidError{Field: "into", Code: "same_category",
				Detail: "a category cannot be merged into itself"}
		case next.Settings.DefaultCategory:
			return fmt.Errorf("category %s is the default: %w", source, expense.ErrInUse)
		}
		for id, e := range next.Expenses.Rows {
			if e.CategoryID == source {
				e.CategoryID, e.Version = target, t.version
				next.Expenses.Rows[id] = e
				merged.Expenses++
			}
		}
		for id, rule := range next.Rules.Rows {
			if rule.CategoryID == source {
				rule.CategoryID, rule.Version = target, t.version
				next.Rules.Rows[id] = rule
				merged.Rules++
			}
		}
		t.clearFailures(next, target)
		last := month.Add(-1)
		for id, b := range next.Budgets.Rows {
			switch {
			case b.MergedInto == source: // merged into source before
			case b.CategoryID != source:
				continue
			case b.Entries[0].From.After(last): // begins after the merge
				if err := next.Budgets.delete(t.version, uuid.Nil, id); err != nil {
					return err
				}
				merged.BudgetID = id
				continue
			default:
				b.MergedName = category.Name
				if b.Until.IsZero() || b.Until.After(last) {
					b.Until, b.Guard = last, t.version
					merged.BudgetID, merged.BudgetUntil = id, last
				}
			}
			b.MergedInto, b.Version = target, t.version
			next.Budgets.Rows[id] = b
		}
		if err := next.Categories.delete(t.version, target, source); err != nil {
			return err
		}
		tombstone := next.Categories.Tombstones[source]
		tombstone.MergedName = expense.Fold(category.Name)
		next.Categories.Tombstones[source] = tombstone
		return nil
	})
	merged.Version = version
	return merged, err
}

func (t *tx) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	return t.write(ctx, len(expenses), func(next *ledger) error {
		if err := put(next.Expenses, t.version, expenses); err != nil {
			return err
		}
		for _, e := range expenses {
			if err := t.checkCategory(next, e.CategoryID); err != nil {
				return err
			}
		}
		volume := int64(0)
		for _, e := range next.Expenses.Rows {
			if volume += e.Volume(); volume > expense.MaxMinor {
				return expense.ErrTotalTooLarge
			}
		}
		return nil
	})
}

func (t *tx) DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (expense.Version, error) {
	return t.write(ctx, len(ids), func(next *ledger) error {
		return next.Expenses.delete(t.version, uuid.Nil, ids...)
	})
}

func (t *tx) PutBudgets(ctx context.Context, budgets ...budget.Budget) (expense.Version, error) {
	return t.write(ctx, len(budgets), func(next *ledger) error {
		own := slices.Clone(budgets)
		for i, b := range own {
			own[i] = cloneBudget(b)
		}
		if err := put(next.Budgets, t.version, own); err != nil {
			return err
		}
		categories := make(map[uuid.UUID]bool)
		for _, b := range next.Budgets.Rows {
			if categories[b.CategoryID] {
				return fmt.Errorf("budget of category %s: %w", b.CategoryID, expense.ErrExists)
			}
			categories[b.CategoryID] = true
		}
		return nil
	})
}

func (t *tx) DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		return next.Budgets.delete(t.version, uuid.Nil, id)
	})
}

func (t *tx) PutRules(ctx context.Context, rules ...recurrence.Rule) (expense.Version, error) {
	return t.write(ctx, len(rules), func(next *ledger) error {
		if err := put(next.Rules, t.version, rules); err != nil {
			return err
		}
		for _, rule := range rules {
			if err := t.checkCategory(next, rule.CategoryID); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		return next.Rules.delete(t.version, uuid.Nil, id)
	})
}

// IdempotencyRecord implements [store.Tx].
func (t *tx) IdempotencyRecord(ctx context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
	if err := cmp.Or(t.usable(ctx), key.Validate()); err != nil {
		return store.IdempotencyRecord{}, err
	}
	for _, record := range t.ledger.Records {
		if record.IdempotencyKey == key {
			return cloneRecord(record), nil
		}
	}
	return store.IdempotencyRecord{}, fmt.Errorf("idempotency key %q of %q: %w", key.Key, key.Scope, expense.ErrNotFound)
}

// PutIdempotencyRecord implements [store.Tx]. It writes no row, so it does not use a version.
func (t *tx) PutIdempotencyRecord(ctx context.Context, record store.IdempotencyRecord) error {
	if err := cmp.Or(t.usable(ctx), record.Validate()); err != nil {
		return err
	}
	sameKey := func(r store.IdempotencyRecord) bool { return r.IdempotencyKey == record.IdempotencyKey }
	if slices.ContainsFunc(t.ledger.Records, sameKey) {
		return fmt.Errorf("idempotency key %q of %q: %w", record.Key, record.Scope, expense.ErrExists)
	}
	record.CreatedAt = expense.Timestamp(record.CreatedAt)
	next := t.ledger.clone()
	next.Records = append(next.Records, cloneRecord(record))
	t.ledger = next
	return nil
}

// cloneRecord returns a copy of record with slices of its own.
func cloneRecord(record store.IdempotencyRecord) store.IdempotencyRecord {
	record.Fingerprint, record.Payload = bytes.Clone(record.Fingerprint), bytes.Clone(record.Payload)
	return record
}

func (t *tx) PutAlerts(ctx context.Context, alerts ...budget.Alert) (expense.Version, error) {
	return t.write(ctx, len(alerts), func(next *ledger) error {
		return put(next.Alerts, t.version, alerts)
	})
}

func (t *tx) HasBudgets(ctx context.Context) (bool, error) {
	return len(t.ledger.Budgets.Rows) > 0, t.usable(ctx)
}
