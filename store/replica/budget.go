package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

func (c PutBudget) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	draft, seen := c.Draft, base.forPut()
	draft.ID = row.ID.String()
	if seen != 0 {
		if _, err := p.tx.Budget(ctx, row.ID); err != nil {
			return outcome{}, row.goneIfSeen(seen, err)
		}
	}
	var replaced bool
	var err error
	if draft.CategoryID, replaced, err = p.resolveCategory(ctx, draft.CategoryID, uuid.Nil); err != nil {
		return outcome{}, err
	}
	if draft.CategoryID == "" && draft.Category != "" {
		category, err := p.tx.CategoryByName(ctx, draft.Category)
		switch {
		case err == nil:
			draft.CategoryID, draft.Category = category.ID.String(), ""
		case !errors.Is(err, expense.ErrNotFound): // the use case reports an unknown name
			return outcome{}, fmt.Errorf("category: %w", err)
		}
	}
	added, err := budget.Add(ctx, p.tx, p.env, draft)
	if taken, ok := errors.AsType[*budget.ExistsError](err); ok {
		return outcomeOf(0, taken.Existing), err
	}
	if !errors.Is(err, expense.ErrExists) {
		return addOutcome(replaced, added.Created, added.Budget, err)
	}
	stored, err := p.tx.Budget(ctx, row.ID)
	switch {
	case err != nil:
		return outcome{}, err
	case seen != stored.Version || draft.Category != "" || draft.CategoryID != categoryText(stored):
		return outcomeOf(0, stored), row.conflict(seen, stored.Version)
	}
	return PatchBudget{replacement(draft)}.apply(ctx, p, row, baseVersion{seen, seen})
}

func categoryText(b budget.Budget) string {
	if b.CategoryID == uuid.Nil {
		return ""
	}
	return b.CategoryID.String()
}

// replacement returns the patch that gives a budget the fields of the draft. A field that the draft does not set gets
// its default, except Currency, FromMonth and RolloverCap, which the patch then does not set.
func replacement(draft budget.Draft) budget.Patch {
	p := budget.Patch{
		Amount: &draft.Amount, UntilMonth: &draft.UntilMonth, Rollover: &draft.Rollover, AlertAt: &draft.AlertAt,
	}
	if draft.Currency != "" {
		p.Currency = &draft.Currency
	}
	if draft.FromMonth != "" {
		p.FromMonth = &draft.FromMonth
	}
	if draft.RolloverCap != "" {
		p.RolloverCap = &draft.RolloverCap
	}
	return p
}

func (c PatchBudget) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	old, err := p.tx.Budget(ctx, row.ID)
	if err != nil {
		return outcome{}, row.goneIfSeen(base.Guarded, err)
	}
	status, err := row.patchStatus(base.Guarded, old.Version, old.Guard, true)
	if err != nil {
		return outcomeOf(0, old), err
	}
	changed, err := budget.Change(ctx, p.tx, p.env, row.ID, c.Patch, expense.Precondition{})
	switch {
	case err != nil:
		return outcomeOf(0, old), err
	case changed.SameGuardedFields(old):
		return outcomeOf(Unchanged, old), nil
	}
	return outcomeOf(status, changed), nil
}
