package replica

import (
	"context"
	"errors"

	"github.com/spendwise/spendwise/expense"
)

func (c PutExpense) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	draft, seen := c.Draft, base.forPut()
	draft.ID = row.ID.String()
	var stored expense.Expense
	var err error
	if seen != 0 {
		if stored, err = p.tx.Expense(ctx, row.ID); err != nil {
			return outcome{}, row.goneIfSeen(seen, err)
		}
	}
	var replaced bool
	if draft.CategoryID, replaced, err = p.resolveCategory(ctx, draft.CategoryID, stored.CategoryID); err != nil {
		return outcome{}, err
	}
	added, err := expense.Add(ctx, p.tx, p.env, draft)
	if !errors.Is(err, expense.ErrExists) {
		return addOutcome(replaced, added.Created, added.Expense, err)
	}
	if stored, err = p.tx.Expense(ctx, row.ID); err != nil {
		return outcome{}, err
	}
	if seen != stored.Version {
		return outcomeOf(0, stored), row.conflict(seen, stored.Version)
	}
	unchanged := expense.Precondition{Versions: []expense.Version{stored.Version}}
	changed, err := expense.Replace(ctx, p.tx, p.env, draft, unchanged)
	if err != nil {
		return outcomeOf(0, stored), err
	}
	return outcomeOf(mergedIf(replaced, Applied), changed.Expense), nil
}

func (c PatchExpense) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	old, err := p.tx.Expense(ctx, row.ID)
	if err != nil {
		return outcome{}, row.goneIfSeen(base.Guarded, err)
	}
	patch := c.Patch
	guarded := patch.Amount != nil || patch.Currency != nil || patch.Date != nil || patch.Rate != nil
	status, err := row.patchStatus(base.Guarded, old.Version, old.Guard, guarded)
	if err != nil {
		return outcomeOf(0, old), err
	}
	replaced := false
	if patch.CategoryID != nil {
		var id string
		if id, replaced, err = p.resolveCategory(ctx, *patch.CategoryID, old.CategoryID); err != nil {
			return outcomeOf(0, old), err
		}
		patch.CategoryID = &id
	}
	changed, err := expense.Change(ctx, p.tx, p.env, row.ID, patch, expense.Precondition{})
	return changeOutcome(mergedIf(replaced, status), old, changed, err)
}
