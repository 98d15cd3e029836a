package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// SyncPatch is [Change] for a device that saw the budget at version base, by the rules of [expense.Stand.Admit]: everything a
// person can change of a budget is guarded. With ErrConflict it returns the budget as it is.
func SyncPatch(
	ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, patch Patch, base expense.Version,
) (Budget, expense.Outcome, error) {
	old, err := tx.Budget(ctx, id)
	if err != nil {
		return Budget{}, 0, fmt.Errorf("budget %s: %w", id, expense.SeenBefore(base, err))
	}
	outcome, err := expense.Stand{Version: old.Version, Guard: old.Guard}.Admit(base, true)
	if err != nil {
		return old, 0, fmt.Errorf("budget %s: %w", id, err)
	}
	changed, err := Change(ctx, tx, env, id, patch, expense.Precondition{})
	switch {
	case err != nil:
		return old, 0, err
	case changed.SameGuarded(old):
		return old, expense.OutcomeUnchanged, nil
	}
	return changed, outcome, nil
}

// SyncPut is [Add], or for a device that saw the budget at version base and at no other since, a [Change] of what the draft
// gives: months that are past keep their limits. Other content on another base, or without one, is ErrConflict, with the budget
// as it is; so is a second budget of a category, with the first one. A budget that is gone is ErrGone.
func SyncPut(ctx context.Context, tx Tx, env expense.Env, draft Draft, base expense.Version) (Budget, expense.Outcome, error) {
	id, malformed := expense.ParseID(draft.ID)
	if malformed == nil && base != 0 {
		if _, err := tx.Budget(ctx, id); err != nil {
			return Budget{}, 0, fmt.Errorf("budget %s: %w", id, expense.SeenBefore(base, err))
		}
	}
	moved := false
	if draft.CategoryID != "" {
		var err error
		if draft.CategoryID, moved, err = expense.Follow(ctx, tx, draft.CategoryID, uuid.Nil); err != nil {
			return Budget{}, 0, err
		}
	}
	added, err := Add(ctx, tx, env, draft)
	switch {
	case err == nil && added.Created && moved:
		return added.Budget, expense.OutcomeMerged, nil
	case err == nil && added.Created:
		return added.Budget, expense.OutcomeApplied, nil
	case err == nil:
		return added.Budget, expense.OutcomeUnchanged, nil
	case !errors.Is(err, expense.ErrExists):
		return Budget{}, 0, err
	}
	stored, err := tx.Budget(ctx, id)
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return firstOf(ctx, tx, draft.CategoryID)
	case err != nil:
		return Budget{}, 0, fmt.Errorf("budget %s: %w", id, err)
	case base != stored.Version || draft.CategoryID != textOf(stored.CategoryID):
		return stored, 0, fmt.Errorf("budget %s: %w", id, expense.ErrConflict)
	}
	return SyncPatch(ctx, tx, env, id, draft.patch(), base)
}

// firstOf returns the budget that a category has already, as what a second one conflicts with.
func firstOf(ctx context.Context, tx Tx, category string) (Budget, expense.Outcome, error) {
	book, err := tx.BudgetSnapshot(ctx)
	if err != nil {
		return Budget{}, 0, fmt.Errorf("book: %w", err)
	}
	i := slices.IndexFunc(book.Budgets, func(b Budget) bool { return textOf(b.CategoryID) == category })
	if i < 0 {
		return Budget{}, 0, expense.ErrExists
	}
	return book.Budgets[i], 0, fmt.Errorf("a budget for %s: %w", book.scope(book.Budgets[i]), expense.ErrExists)
}

func textOf(category uuid.UUID) string {
	if category == uuid.Nil {
		return ""
	}
	return category.String()
}

// patch returns the change that makes of a budget what the draft gives; what it leaves out goes back to its default.
func (d Draft) patch() Patch {
	p := Patch{Amount: &d.Amount, UntilMonth: &d.UntilMonth, Rollover: &d.Rollover, AlertAt: &d.AlertAt}
	if d.Currency != "" {
		p.Currency = &d.Currency
	}
	if d.FromMonth != "" {
		p.FromMonth = &d.FromMonth
	}
	if d.RolloverCap != "" {
		p.RolloverCap = &d.RolloverCap
	}
	return p
}

// SyncSettings is [ChangeSettingsAndLimits] for a device that saw the settings at version base. They have no guarded group: what comes
// later wins, member by member.
func SyncSettings(
	ctx context.Context, tx Tx, env expense.Env, draft expense.SettingsDraft, limitRate string, base expense.Version,
) (expense.ChangeSettingsResult, expense.Outcome, error) {
	old, err := tx.Settings(ctx)
	if err != nil {
		return expense.ChangeSettingsResult{}, 0, fmt.Errorf("settings: %w", err)
	}
	was := expense.ChangeSettingsResult{Settings: old}
	outcome, err := expense.Stand{Version: old.Version}.Admit(base, false)
	if err != nil {
		return was, 0, fmt.Errorf("settings: %w", err)
	}
	if draft.DefaultCategoryID != nil {
		meant, moved, err := expense.Follow(ctx, tx, *draft.DefaultCategoryID, old.DefaultCategory)
		if err != nil {
			return was, 0, err
		}
		if draft.DefaultCategoryID = &meant; moved {
			outcome = expense.OutcomeMerged
		}
	}
	change, err := ChangeSettingsAndLimits(ctx, tx, env, draft, limitRate, expense.Precondition{})
	switch {
	case err != nil:
		return was, 0, err
	case change.Settings == old:
		return was, expense.OutcomeUnchanged, nil
	}
	return change, outcome, nil
}

// SyncPutSettings is [SyncSettings] for a device that saw the settings at version base and at no other since. Other content on
// another base, or without one, is ErrConflict, with the settings as they are.
func SyncPutSettings(
	ctx context.Context, tx Tx, env expense.Env, draft expense.SettingsDraft, limitRate string, base expense.Version,
) (expense.ChangeSettingsResult, expense.Outcome, error) {
	old, err := tx.Settings(ctx)
	if err != nil {
		return expense.ChangeSettingsResult{}, 0, fmt.Errorf("settings: %w", err)
	}
	if base == old.Version {
		return SyncSettings(ctx, tx, env, draft, limitRate, base)
	}
	was := expense.ChangeSettingsResult{Settings: old}
	switch given, err := old.With(draft); {
	case err != nil:
		return was, 0, err
	case given != old:
		return was, 0, fmt.Errorf("settings: %w", expense.ErrConflict)
	}
	return was, expense.OutcomeUnchanged, nil
}
