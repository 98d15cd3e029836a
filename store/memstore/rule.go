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
	fields := func(r *recurrence.Rule) rowFields {
		return rowFields{r.ID, &r.Version, &r.Guard, &r.CreatedAt, &r.UpdatedAt}
	}
	return t.write(ctx, len(rules), func(next *ledger) error {
		check := func(rule, _ *recurrence.Rule) error {
			rule.RetryAt = expense.Timestamp(rule.RetryAt)
			return next.checkCategory(rule.CategoryID, "rule", rule.ID)
		}
		return put(t, &next.rules, "rule", rules, fields, recurrence.Rule.SameGuardedFields, check)
	})
}

// DeleteRule implements [recurrence.Tx].
func (t *tx) DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error) {
	return t.write(ctx, 1, func(next *ledger) error {
		_, err := next.rules.delete("rule", id, t.tombstone())
		return err
	})
}
