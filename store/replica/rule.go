package replica

import (
	"context"
	"errors"
	"reflect"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

func (c PutRule) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	draft, seen := c.Draft, base.forPut()
	draft.ID = new(row.ID.String())
	if seen != 0 {
		if _, err := p.tx.Rule(ctx, row.ID); err != nil {
			return outcome{}, row.goneIfSeen(seen, err)
		}
	}
	replaced, err := p.resolveDraft(ctx, &draft, uuid.Nil)
	if err != nil {
		return outcome{}, err
	}
	added, err := recurrence.Add(ctx, p.tx, p.env, draft)
	if !errors.Is(err, expense.ErrExists) {
		return addOutcome(replaced, added.Created, added.Rule, err)
	}
	stored, err := p.tx.Rule(ctx, row.ID)
	switch {
	case err != nil:
		return outcome{}, err
	case seen != stored.Version:
		return outcomeOf(0, stored), row.conflict(seen, stored.Version)
	}
	return PatchRule(c).apply(ctx, p, row, baseVersion{seen, seen})
}

func (c PatchRule) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	old, err := p.tx.Rule(ctx, row.ID)
	if err != nil {
		return outcome{}, row.goneIfSeen(base.Guarded, err)
	}
	unguarded := c.Draft
	unguarded.ID, unguarded.Notes, unguarded.Paused = nil, nil, nil
	status, err := row.patchStatus(base.Guarded, old.Version, old.Guard, !reflect.ValueOf(unguarded).IsZero())
	if err != nil {
		return outcomeOf(0, old), err
	}
	draft := c.Draft
	replaced, err := p.resolveDraft(ctx, &draft, old.CategoryID)
	if err != nil {
		return outcomeOf(0, old), err
	}
	changed, err := recurrence.Change(ctx, p.tx, p.env, row.ID, draft, expense.Precondition{})
	return changeOutcome(mergedIf(replaced, status), old, changed, err)
}

// resolveDraft resolves the category of the draft with resolveCategory.
func (p *push) resolveDraft(
	ctx context.Context, draft *recurrence.Draft, current uuid.UUID,
) (replaced bool, err error) {
	if draft.CategoryID == nil {
		return false, nil
	}
	id, replaced, err := p.resolveCategory(ctx, *draft.CategoryID, current)
	draft.CategoryID = &id
	return replaced, err
}
