package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/spendwise/spendwise/expense"
)

func (c PutExpense) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	draft, seen := c.Draft, base.forPut()
	draft.ID = row.ID.String()
	var stored expense.Expense
	var err error
	if seen != 0 {
		if stored, err = p.tx.Expense(ctx, row.ID); err != nil {
			return outcome{}, fmt.Errorf("expense %s: %w", row.ID, goneIfSeen(seen, err))
		}
	}
	var moved bool
	if draft.CategoryID, moved, err = p.resolveCategory(ctx, draft.CategoryID, stored.CategoryID); err != nil {
		return outcome{}, err
	}
	added, err := expense.Add(ctx, p.tx, p.env, draft)
	switch {
	case err == nil && added.Created:
		return outcomeOf(mergedIf(moved, Applied), added.Expense), nil
	case err == nil:
		return outcomeOf(Unchanged, added.Expense), nil
	case !errors.Is(err, expense.ErrExists):
		return outcome{}, err
	}
	if stored, err = p.tx.Expense(ctx, row.ID); err != nil {
		return outcome{}, fmt.Errorf("expense %s: %w", row.ID, err)
	}
	if seen != stored.Version {
		return outcomeOf(0, stored), fmt.Errorf("expense %s: %w", row.ID, ErrConflict)
	}
	unchanged := expense.Precondition{Versions: []expense.Version{stored.Version}}
	replaced, err := expense.Replace(ctx, p.tx, p.env, draft, unchanged)
	if err != nil {
		return outcomeOf(0, stored), err
	}
	return outcomeOf(mergedIf(moved, Applied), replaced.Expense), nil
}

func (c PatchExpense) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	old, err := p.tx.Expense(ctx, row.ID)
	if err != nil {
		return outcome{}, fmt.Errorf("expense %s: %w", row.ID, goneIfSeen(base.Guarded, err))
	}
	patch := c.Patch
	guarded := patch.Amount != nil || patch.Currency != nil || patch.Date != nil || patch.Rate != nil
	status, err := patchStatus(base.Guarded, old.Version, old.Guard, guarded)
	if err != nil {
		return outcomeOf(0, old), fmt.Errorf("expense %s: %w", row.ID, err)
	}
	moved := false
	if patch.CategoryID != nil {
		var id string
		if id, moved, err = p.resolveCategory(ctx, *patch.CategoryID, old.CategoryID); err != nil {
			return outcomeOf(0, old), err
		}
		patch.CategoryID = &id
	}
	changed, err := expense.Change(ctx, p.tx, p.env, row.ID, patch, expense.Precondition{})
	switch {
	case err != nil:
		return outcomeOf(0, old), err
	case changed == old:
		return outcomeOf(Unchanged, old), nil
	}
	return outcomeOf(mergedIf(moved, status), changed), nil
}
