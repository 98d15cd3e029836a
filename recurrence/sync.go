package recurrence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// guarded reports whether the draft speaks of more than notes and whether the rule is paused.
func (d Draft) guarded() bool {
	return d.Amount != nil || d.Currency != nil || d.CategoryID != nil || d.Category != nil || d.Start != nil || d.Until != nil ||
		d.reschedules()
}

// SyncPatch is [Change] for a device that saw the rule at version base, by the rules of [expense.Stand.Admit]. That the poster
// has moved the rule's cursor since is in nobody's way. With ErrConflict it returns the rule as it is.
func SyncPatch(
	ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, draft Draft, base expense.Version,
) (Rule, expense.Outcome, error) {
	old, err := tx.Rule(ctx, id)
	if err != nil {
		return Rule{}, 0, fmt.Errorf("rule %s: %w", id, expense.SeenBefore(base, err))
	}
	outcome, err := expense.Stand{Version: old.Version, Guard: old.Guard}.Admit(base, draft.guarded())
	if err != nil {
		return old, 0, fmt.Errorf("rule %s: %w", id, err)
	}
	draft, moved, err := draft.followed(ctx, tx, old.CategoryID)
	if err != nil {
		return old, 0, err
	}
	changed, err := Change(ctx, tx, env, id, draft, expense.Precondition{})
	switch {
	case err != nil:
		return old, 0, err
	case changed == old:
		return old, expense.OutcomeUnchanged, nil
	case moved:
		outcome = expense.OutcomeMerged
	}
	return changed, outcome, nil
}

// SyncPut is [Add], or for a device that saw the rule at version base and at no other since, a [Change] of what the draft
// gives: what was posted stays. Other content on another base, or without one, is ErrConflict, with the rule as it is; a rule
// that is gone is ErrGone.
func SyncPut(ctx context.Context, tx Tx, env expense.Env, draft Draft, base expense.Version) (Rule, expense.Outcome, error) {
	id, malformed := expense.ParseID(or(draft.ID, ""))
	if malformed == nil && base != 0 {
		if _, err := tx.Rule(ctx, id); err != nil {
			return Rule{}, 0, fmt.Errorf("rule %s: %w", id, expense.SeenBefore(base, err))
		}
	}
	followed, moved, err := draft.followed(ctx, tx, uuid.Nil)
	if err != nil {
		return Rule{}, 0, err
	}
	added, err := Add(ctx, tx, env, followed)
	switch {
	case err == nil && added.Created && moved:
		return added.Rule, expense.OutcomeMerged, nil
	case err == nil && added.Created:
		return added.Rule, expense.OutcomeApplied, nil
	case err == nil:
		return added.Rule, expense.OutcomeUnchanged, nil
	case !errors.Is(err, expense.ErrExists):
		return Rule{}, 0, err
	}
	stored, err := tx.Rule(ctx, id)
	switch {
	case err != nil:
		return Rule{}, 0, fmt.Errorf("rule %s: %w", id, err)
	case base != stored.Version:
		return stored, 0, fmt.Errorf("rule %s: %w", id, expense.ErrConflict)
	}
	return SyncPatch(ctx, tx, env, id, draft, base)
}

// followed returns the draft with its category as it is meant by now.
func (d Draft) followed(ctx context.Context, tx Tx, kept uuid.UUID) (Draft, bool, error) {
	if or(d.CategoryID, "") == "" {
		return d, false, nil
	}
	meant, moved, err := expense.Follow(ctx, tx, *d.CategoryID, kept)
	d.CategoryID = &meant
	return d, moved, err
}
