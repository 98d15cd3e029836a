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
		return outcomeOf(0, stored), row.wrap(ErrConflict)
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
	status, err := patchStatus(base.Guarded, old.Version, old.Guard, !reflect.ValueOf(unguarded).IsZero())
	if err != nil {
		return outcomeOf(0, old), row.wrap(err)
	}
	draft := c.Draft
	replaced, err := p.resolveDraft(ctx, &draft, old.CategoryID)
	if err != nil {
		return outcomeOf(0, old), err
	}
	var changed recurrence.Rule
	err = p.posting(func(tx recurrence.Tx) (err error) {
		changed, err = recurrence.Change(ctx, tx, p.env, row.ID, draft, expense.Precondition{})
		return err
	})
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

// posting runs a use case that may post due occurrences of a rule, and adds their number to p.posted.
func (p *push) posting(useCase func(tx recurrence.Tx) error) error {
	counter := &postingTx{Tx: p.tx}
	err := useCase(counter)
	p.posted += counter.expenses
	if err != nil && counter.expenses > 0 {
		return partialWrite(err)
	}
	return err
}

// A postingTx counts the expenses that are written.
type postingTx struct {
	recurrence.Tx
	expenses int
}

func (t *postingTx) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	version, err := t.Tx.PutExpenses(ctx, expenses...)
	if err == nil {
		t.expenses += len(expenses)
	}
	return version, err
}
