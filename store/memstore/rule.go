package memstore

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

// Rule implements [recurrence.Reader].
func (r reader) Rule(ctx context.Context, id uuid.UUID) (recurrence.Rule, error) {
	l, err := r.at(ctx)
	if err != nil {
		return recurrence.Rule{}, err
	}
	return l.rules.row("rule", id)
}

// Rules implements [recurrence.Reader].
func (r reader) Rules(ctx context.Context) ([]recurrence.Rule, error) {
	l, err := r.at(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Collect(l.rules.rows.values()), nil
}

// PutRules implements [recurrence.Tx].
func (t *tx) PutRules(ctx context.Context, rules ...recurrence.Rule) (expense.Version, error) {
	if len(rules) == 0 {
		return 0, t.usable(ctx)
	}
	return t.write(ctx, func(next *ledger) error {
		if err := distinct("rule", rules, func(r recurrence.Rule) uuid.UUID { return r.ID }); err != nil {
			return err
		}
		for _, rule := range rules {
			old, found, err := next.rules.forWrite("rule", rule.ID, rule.Version,
				func(r recurrence.Rule) expense.Version { return r.Version })
			if err != nil {
				return err
			}
			if err := next.checkCategory(rule.CategoryID, "rule", rule.ID); err != nil {
				return err
			}
			rule.Version, rule.Guard = t.next, old.Guard
			if !found || !rule.SameGuardedFields(old) {
				rule.Guard = t.next
			}
			rule.CreatedAt, rule.UpdatedAt = expense.Timestamp(rule.CreatedAt), expense.Timestamp(rule.UpdatedAt)
			if !rule.RetryAt.IsZero() {
				rule.RetryAt = expense.Timestamp(rule.RetryAt)
			}
			next.rules.put(rule.ID, rule)
		}
		return nil
	})
}

// DeleteRule implements [recurrence.Tx].
func (t *tx) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, func(next *ledger) error {
		if _, err := next.rules.row("rule", id); err != nil {
			return err
		}
		next.rules.remove(id, t.tombstone())
		return nil
	})
}
