package jsonstore

import (
	"bytes"
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

// A tx makes ledger after ledger out of the committed one; Update commits the last of them, or forgets them all.
type tx struct {
	reader
	now    *ledger
	taken  expense.Version // what the Update's rows carry: all of them the same, however often it writes
	doomed error           // why the Update can no longer end well
}

func newTx(before *ledger) *tx {
	t := &tx{now: before, taken: before.Version + 1}
	t.reader = func(ctx context.Context) (*ledger, error) { return t.now, t.usable(ctx) }
	return t
}

// usable reports why the tx can do no more. An ended context dooms it, as it would in a database.
func (t *tx) usable(ctx context.Context) error {
	if t.doomed == nil {
		t.doomed = ctx.Err()
	}
	return t.doomed
}

// write lets change work on a clone and keeps the clone if that went well, so a write that is refused leaves nothing behind.
// A write of no rows takes no version.
func (t *tx) write(ctx context.Context, rows int, change func(next *ledger) error) (expense.Version, error) {
	if err := t.usable(ctx); err != nil || rows == 0 {
		return 0, err
	}
	next := t.now.clone()
	next.Version = t.taken
	if err := change(next); err != nil {
		return 0, err
	}
	t.now = next
	return t.taken, nil
}

// A head points at what rows of every kind have and the store minds.
type head struct {
	id               uuid.UUID
	version, guard   *expense.Version
	created, updated *time.Time
}

func categoryHead(c *expense.Category) head {
	return head{c.ID, &c.Version, new(expense.Version), &c.CreatedAt, &c.UpdatedAt} // a category has no guard
}
func expenseHead(e *expense.Expense) head {
	return head{e.ID, &e.Version, &e.Guard, &e.CreatedAt, &e.UpdatedAt}
}
func budgetHead(b *budget.Budget) head {
	return head{b.ID, &b.Version, &b.Guard, &b.CreatedAt, &b.UpdatedAt}
}
func alertHead(a *budget.Alert) head {
	return head{a.ID, &a.Version, new(expense.Version), &a.RaisedAt, new(time.Time)} // an alert has no guard
}
func ruleHead(r *recurrence.Rule) head {
	return head{r.ID, &r.Version, &r.Guard, &r.CreatedAt, &r.UpdatedAt}
}

// put writes rows as [expense.Tx] promises for every kind: each is new or the one that its writer saw, carries the Update's
// version, and has its guard moved where its guarded group changed.
func put[R any](into table[R], taken expense.Version, rows []R, headOf func(*R) head, sameGuarded func(a, b R) bool) error {
	written := make(map[uuid.UUID]bool, len(rows))
	for _, row := range rows {
		is := headOf(&row)
		if written[is.id] {
			return &expense.InvalidError{Field: "id", Code: "duplicate",
				Detail: fmt.Sprintf("%s comes twice in one call", is.id)}
		}
		written[is.id] = true
		old, found := into.Rows[is.id]
		was := headOf(&old)
		err := admit(*is.version, *was.version)
		if _, deleted := into.Tombs[is.id]; deleted {
			err = expense.ErrGone
		}
		if err != nil {
			return fmt.Errorf("%T %s: %w", row, is.id, err)
		}
		*is.version, *is.guard = taken, *was.guard
		if !found || !sameGuarded(row, old) {
			*is.guard = taken
		}
		*is.created, *is.updated = expense.Timestamp(*is.created), expense.Timestamp(*is.updated)
		into.Rows[is.id] = row
	}
	return nil
}

// admit holds the version that a writer saw against the one that the row has; 0 is no row.
func admit(seen, has expense.Version) error {
	switch {
	case seen == has:
		return nil
	case seen == 0:
		return expense.ErrExists
	case has == 0:
		return expense.ErrNotFound
	}
	return &expense.StaleError{Current: has}
}

// refer dooms the Update over a reference to a category that the ledger does not hold.
func (t *tx) refer(next *ledger, category uuid.UUID) error {
	if _, ok := next.Categories.Rows[category]; !ok {
		t.doomed = fmt.Errorf("the ledger holds no category %s to refer to", category)
	}
	return t.doomed
}

// PutSettings implements [expense.Tx].
func (t *tx) PutSettings(ctx context.Context, s expense.Settings) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		if err := admit(s.Version, next.Settings.Version); err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		if _, ok := next.Categories.Rows[s.DefaultCategory]; !ok {
			return &expense.InvalidError{Field: "default_category_id", Code: "unknown_category",
				Detail: fmt.Sprintf("the ledger holds no category %s", s.DefaultCategory)}
		}
		s.Version = t.taken
		next.Settings = settings{s}
		return nil
	})
}

// PutCategories implements [expense.Tx].
func (t *tx) PutCategories(ctx context.Context, categories ...expense.Category) (expense.Version, error) {
	return t.write(ctx, len(categories), func(next *ledger) error {
		same := func(_, _ expense.Category) bool { return true }
		if err := put(next.Categories, t.taken, categories, categoryHead, same); err != nil {
			return err
		}
		taken := make(map[string]bool)
		for _, category := range next.Categories.Rows {
			name := expense.Fold(category.Name)
			if taken[name] {
				return fmt.Errorf("category named %q: %w", category.Name, expense.ErrExists)
			}
			taken[name] = true
		}
		for _, category := range categories {
			t.repair(next, category.ID)
		}
		return nil
	})
}

// repair lets the rules of a category be tried again that failed.
func (t *tx) repair(next *ledger, category uuid.UUID) {
	for id, rule := range next.Rules.Rows {
		if rule.CategoryID == category && rule.LastError != "" {
			rule.Version = t.taken
			next.Rules.Rows[id] = rule.WithoutFailure()
		}
	}
}

// DeleteCategory implements [expense.Tx].
func (t *tx) DeleteCategory(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		if _, err := next.Categories.get(id); err != nil {
			return err
		}
		if next.refersTo(id) {
			return fmt.Errorf("category %s: %w", id, expense.ErrInUse)
		}
		next.Categories.bury(id, t.taken, uuid.Nil)
		return nil
	})
}

// refersTo reports whether anything in the ledger names the category.
func (l *ledger) refersTo(category uuid.UUID) bool {
	inUse := l.Settings.DefaultCategory == category
	for _, e := range l.Expenses.Rows {
		inUse = inUse || e.CategoryID == category
	}
	for _, rule := range l.Rules.Rows {
		inUse = inUse || rule.CategoryID == category
	}
	for _, b := range l.Budgets.Rows {
		inUse = inUse || b.CategoryID == category || b.MergedInto == category
	}
	return inUse
}

// MergeCategory implements [expense.Tx].
func (t *tx) MergeCategory(ctx context.Context, from, into uuid.UUID, month expense.Month) (expense.MergeResult, error) {
	var merged expense.MergeResult
	version, err := t.write(ctx, 1, func(next *ledger) error {
		source, err := next.Categories.get(from)
		if err != nil {
			return err
		}
		if _, err := next.Categories.get(into); err != nil {
			return err
		}
		switch from {
		case into:
			return &expense.InvalidError{Field: "into", Code: "same_category",
				Detail: "a category cannot be merged into itself"}
		case next.Settings.DefaultCategory:
			return fmt.Errorf("category %s is the default: %w", from, expense.ErrInUse)
		}
		for id, e := range next.Expenses.Rows {
			if e.CategoryID == from {
				e.CategoryID, e.Version = into, t.taken
				next.Expenses.Rows[id] = e
				merged.Expenses++
			}
		}
		for id, rule := range next.Rules.Rows {
			if rule.CategoryID == from {
				rule.CategoryID, rule.Version = into, t.taken
				next.Rules.Rows[id] = rule
				merged.Rules++
			}
		}
		t.repair(next, into)
		last := month.Add(-1)
		for id, b := range next.Budgets.Rows {
			switch {
			case b.MergedInto == from: // left by an earlier merge
			case b.CategoryID != from:
				continue
			case b.Entries[0].From.After(last): // not begun
				next.Budgets.bury(id, t.taken, uuid.Nil)
				merged.BudgetID = id
				continue
			default:
				b.MergedName = source.Name
				if b.Until.IsZero() || b.Until.After(last) {
					b.Until, b.Guard = last, t.taken
					merged.BudgetID, merged.BudgetUntil = id, last
				}
			}
			b.MergedInto, b.Version = into, t.taken
			next.Budgets.Rows[id] = b
		}
		next.Categories.bury(from, t.taken, into)
		return nil
	})
	if err != nil {
		return expense.MergeResult{}, err
	}
	merged.Version = version
	return merged, nil
}

// PutExpenses implements [expense.Tx].
func (t *tx) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	return t.write(ctx, len(expenses), func(next *ledger) error {
		if err := put(next.Expenses, t.taken, expenses, expenseHead, expense.Expense.SameGuardedFields); err != nil {
			return err
		}
		for _, e := range expenses {
			if err := t.refer(next, e.CategoryID); err != nil {
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

// DeleteExpenses implements [expense.Tx].
func (t *tx) DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (expense.Version, error) {
	return t.write(ctx, len(ids), func(next *ledger) error {
		for _, id := range ids {
			if _, err := next.Expenses.get(id); err != nil {
				return err
			}
			next.Expenses.bury(id, t.taken, uuid.Nil)
		}
		return nil
	})
}

// PutBudgets implements [budget.Tx].
func (t *tx) PutBudgets(ctx context.Context, budgets ...budget.Budget) (expense.Version, error) {
	return t.write(ctx, len(budgets), func(next *ledger) error {
		own := slices.Clone(budgets)
		for i, b := range own {
			own[i] = cloneBudget(b)
		}
		if err := put(next.Budgets, t.taken, own, budgetHead, budget.Budget.SameGuarded); err != nil {
			return err
		}
		taken := make(map[uuid.UUID]bool)
		for _, b := range next.Budgets.Rows {
			if taken[b.CategoryID] {
				return fmt.Errorf("budget of category %s: %w", b.CategoryID, expense.ErrExists)
			}
			taken[b.CategoryID] = true
		}
		return nil
	})
}

// DeleteBudget implements [budget.Tx].
func (t *tx) DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		if _, err := next.Budgets.get(id); err != nil {
			return err
		}
		next.Budgets.bury(id, t.taken, uuid.Nil)
		return nil
	})
}

// PutRules implements [recurrence.Tx].
func (t *tx) PutRules(ctx context.Context, rules ...recurrence.Rule) (expense.Version, error) {
	return t.write(ctx, len(rules), func(next *ledger) error {
		if err := put(next.Rules, t.taken, rules, ruleHead, recurrence.Rule.SameGuarded); err != nil {
			return err
		}
		for _, rule := range rules {
			if err := t.refer(next, rule.CategoryID); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteRule implements [recurrence.Tx].
func (t *tx) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		if _, err := next.Rules.get(id); err != nil {
			return err
		}
		next.Rules.bury(id, t.taken, uuid.Nil)
		return nil
	})
}

// IdempotencyRecord implements [store.Tx].
func (t *tx) IdempotencyRecord(ctx context.Context, key store.IdempotencyKey) (store.IdempotencyRecord, error) {
	if err := t.usable(ctx); err != nil {
		return store.IdempotencyRecord{}, err
	}
	for _, record := range t.now.Records {
		if record.IdempotencyKey == key {
			return cloneRecord(record), nil
		}
	}
	return store.IdempotencyRecord{}, fmt.Errorf("idempotency key %q of %q: %w", key.Key, key.Scope, expense.ErrNotFound)
}

// PutIdempotencyRecord implements [store.Tx]. It writes no row of the ledger, so the ledger's version stays.
func (t *tx) PutIdempotencyRecord(ctx context.Context, record store.IdempotencyRecord) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(t.now.Records, func(r store.IdempotencyRecord) bool { return r.IdempotencyKey == record.IdempotencyKey }) {
		return fmt.Errorf("idempotency key %q of %q: %w", record.Key, record.Scope, expense.ErrExists)
	}
	record.CreatedAt = expense.Timestamp(record.CreatedAt)
	next := t.now.clone()
	next.Records = append(next.Records, cloneRecord(record))
	t.now = next
	return nil
}

// cloneRecord returns a copy that shares no memory with record.
func cloneRecord(record store.IdempotencyRecord) store.IdempotencyRecord {
	record.Fingerprint, record.Payload = bytes.Clone(record.Fingerprint), bytes.Clone(record.Payload)
	return record
}

// PutAlerts implements [budget.Tx].
func (t *tx) PutAlerts(ctx context.Context, alerts ...budget.Alert) (expense.Version, error) {
	return t.write(ctx, len(alerts), func(next *ledger) error {
		return put(next.Alerts, t.taken, alerts, alertHead, func(budget.Alert, budget.Alert) bool { return true })
	})
}

// HasBudgets implements [budget.Tx].
func (t *tx) HasBudgets(ctx context.Context) (bool, error) {
	return len(t.now.Budgets.Rows) > 0, t.usable(ctx)
}
