package replica

import (
	"context"
	"fmt"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

func (c PutSettings) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	old, err := p.tx.Settings(ctx)
	if err != nil {
		return outcome{}, fmt.Errorf("settings: %w", err)
	}
	seen := base.forPut()
	if seen == old.Version {
		return PatchSettings(c).apply(ctx, p, row, baseVersion{seen, seen})
	}
	var errs expense.ValidationErrors
	wanted, err := old.With(c.Draft)
	_ = errs.AddError("", err)
	if c.LimitRate != "" {
		_, err = expense.ParseFactor(c.LimitRate)
		_ = errs.AddError("limit_rate", err)
	}
	switch err := errs.Err(); {
	case err != nil:
		return outcomeOf(0, old), err
	case wanted != old:
		return outcomeOf(0, old), row.conflict(seen, old.Version)
	}
	return outcomeOf(Unchanged, old), nil
}

func (c PatchSettings) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	old, err := p.tx.Settings(ctx)
	if err != nil {
		return outcome{}, fmt.Errorf("settings: %w", err)
	}
	status, err := row.patchStatus(base.Guarded, old.Version, 0, false)
	if err != nil {
		return outcomeOf(0, old), err
	}
	draft, replaced := c.Draft, false
	if draft.DefaultCategoryID != nil {
		var id string
		if id, replaced, err = p.resolveCategory(ctx, *draft.DefaultCategoryID, old.DefaultCategory); err != nil {
			return outcomeOf(0, old), err
		}
		draft.DefaultCategoryID = &id
	}
	change, err := budget.ChangeSettingsAndLimits(ctx, p.tx, p.env, draft, c.LimitRate, expense.Precondition{})
	return changeOutcome(mergedIf(replaced, status), old, change.Settings, err)
}
