package expense

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// What devices changed offline arrives late, and goes through the same use cases as everything else. The functions named
// Sync… decide before that, by what the device had seen, whether the change may still go in; here and in the packages budget
// and recurrence, each for its own rows. No device's clock is asked: the order in which changes arrive decides.

// ErrConflict says that a change made offline contradicts one that came first. Nothing was changed: a person decides.
var ErrConflict = errors.New("conflicts with a change that came first")

// An Outcome is what became of a change that was made offline.
type Outcome uint8

// The outcomes of a change that is not refused.
const (
	OutcomeApplied   Outcome = iota + 1 // it went in as it was meant
	OutcomeMerged                       // it went in beside changes that came first, or into a category that took another's place
	OutcomeUnchanged                    // all of it was so already
)

// String returns the outcome's name.
func (o Outcome) String() string {
	switch o {
	case OutcomeApplied:
		return "applied"
	case OutcomeMerged:
		return "merged"
	case OutcomeUnchanged:
		return "unchanged"
	default:
		return ""
	}
}

// A Stand is where a row stands: its version and that of the last change of its guarded group.
type Stand struct {
	Version, Guard Version
}

// Admit decides on a patch that a device made when it saw the row at version base; 0 says nothing of one, and such a patch goes
// in. On a base that is not current, a patch goes in beside what came first ([OutcomeMerged]) if it leaves the guarded group alone, or
// nobody has touched the group since; else it is ErrConflict. A base newer than the row is of a history that a restore took
// back: of the group nothing is known then.
func (s Stand) Admit(base Version, guarded bool) (Outcome, error) {
	switch {
	case base == 0, base == s.Version:
		return OutcomeApplied, nil
	case !guarded, s.Guard <= base && base < s.Version:
		return OutcomeMerged, nil
	default:
		return 0, fmt.Errorf("made on version %d: %w", base, ErrConflict)
	}
}

// Follow returns what a reference to a category means that was made offline: a merged category is the one it was merged into, a
// deleted or an archived one the default, and so is one that the ledger does not know: it may have been deleted so long ago that it
// is forgotten. kept is the reference that the row has already, or Nil: that one stays. What is no id at all is left to the use case.
func Follow(ctx context.Context, r Reader, reference string, kept uuid.UUID) (meant string, moved bool, err error) {
	id, malformed := ParseID(reference)
	if malformed != nil || id == kept {
		return reference, false, nil //nolint:nilerr // as said above
	}
	for range MaxCategories {
		category, err := r.Category(ctx, id)
		switch {
		case err == nil && !category.Archived:
			return id.String(), moved, nil
		case errors.Is(err, ErrGone):
			if id, err = r.MergedInto(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
				return "", false, fmt.Errorf("category %s: %w", reference, err)
			}
		case err != nil && !errors.Is(err, ErrNotFound):
			return "", false, fmt.Errorf("category %s: %w", reference, err)
		default: // archived, or not known
			id = uuid.Nil
		}
		if moved = true; id == uuid.Nil {
			break
		}
	}
	settings, err := r.Settings(ctx)
	if err != nil {
		return "", false, fmt.Errorf("settings: %w", err)
	}
	return settings.DefaultCategory.String(), true, nil
}

// mergedIf is OutcomeMerged where a reference moved.
func mergedIf(moved bool, outcome Outcome) Outcome {
	if moved && outcome == OutcomeApplied {
		return OutcomeMerged
	}
	return outcome
}

// guarded reports whether the patch speaks of an amount, a currency, a date or a rate.
func (p Patch) guarded() bool {
	return p.Amount != nil || p.Currency != nil || p.Date != nil || p.Rate != nil
}

// SyncPatch is [Change] for a device that saw the expense at version base. With ErrConflict it returns the expense as it is.
func SyncPatch(ctx context.Context, tx Tx, env Env, id uuid.UUID, patch Patch, base Version) (Expense, Outcome, error) {
	old, err := tx.Expense(ctx, id)
	if err != nil {
		return Expense{}, 0, fmt.Errorf("expense %s: %w", id, SeenBefore(base, err))
	}
	outcome, err := Stand{old.Version, old.Guard}.Admit(base, patch.guarded())
	if err != nil {
		return old, 0, fmt.Errorf("expense %s: %w", id, err)
	}
	moved := false
	if patch.CategoryID != nil {
		var meant string
		if meant, moved, err = Follow(ctx, tx, *patch.CategoryID, old.CategoryID); err != nil {
			return old, 0, err
		}
		patch.CategoryID = &meant
	}
	changed, err := Change(ctx, tx, env, id, patch, Precondition{})
	switch {
	case err != nil:
		return old, 0, err
	case changed == old:
		return old, mergedIf(moved, OutcomeUnchanged), nil
	}
	return changed, mergedIf(moved, outcome), nil
}

// SyncPut is [Add], or [Replace] for a device that saw the expense at version base and at no other since. Other content on
// another base, or without one, is ErrConflict, with the expense as it is; an expense that is gone is ErrGone.
func SyncPut(ctx context.Context, tx Tx, env Env, draft Draft, base Version) (Expense, Outcome, error) {
	id, malformed := ParseID(draft.ID)
	var stored Expense
	if malformed == nil && base != 0 {
		var err error
		if stored, err = tx.Expense(ctx, id); err != nil {
			return Expense{}, 0, fmt.Errorf("expense %s: %w", id, SeenBefore(base, err))
		}
	}
	moved := false
	if draft.CategoryID != "" {
		var err error
		if draft.CategoryID, moved, err = Follow(ctx, tx, draft.CategoryID, stored.CategoryID); err != nil {
			return Expense{}, 0, err
		}
	}
	added, err := Add(ctx, tx, env, draft)
	switch {
	case err == nil && added.Created:
		return added.Expense, mergedIf(moved, OutcomeApplied), nil
	case err == nil:
		return added.Expense, OutcomeUnchanged, nil
	case !errors.Is(err, ErrExists):
		return Expense{}, 0, err
	}
	if stored, err = tx.Expense(ctx, id); err != nil {
		return Expense{}, 0, fmt.Errorf("expense %s: %w", id, err)
	}
	if base != stored.Version {
		return stored, 0, fmt.Errorf("expense %s: %w", id, ErrConflict)
	}
	replaced, err := Replace(ctx, tx, env, draft, Precondition{Versions: []Version{stored.Version}})
	if err != nil {
		return stored, 0, err
	}
	return replaced.Expense, mergedIf(moved, OutcomeApplied), nil
}

// SeenBefore tells a row that a device saw at version base, and of which not even a tombstone is left, as one that is gone.
func SeenBefore(base Version, err error) error {
	if base > 0 && errors.Is(err, ErrNotFound) {
		return ErrGone
	}
	return err
}

// SyncPatchCategory is [ChangeCategory] for a device that saw the category at version base. One that is renamed to a name which
// is taken merges into the category of that name, which is returned.
func SyncPatchCategory(
	ctx context.Context, tx Tx, env Env, id uuid.UUID, patch CategoryPatch, base Version,
) (Category, Outcome, error) {
	old, err := tx.Category(ctx, id)
	if err != nil {
		return Category{}, 0, fmt.Errorf("category %s: %w", id, SeenBefore(base, err))
	}
	outcome, err := Stand{Version: old.Version}.Admit(base, false)
	if err != nil {
		return old, 0, fmt.Errorf("category %s: %w", id, err)
	}
	changed, err := ChangeCategory(ctx, tx, env, id, patch, Precondition{})
	switch {
	case errors.Is(err, ErrExists) && patch.Name != nil:
		return absorb(ctx, tx, env, old, *patch.Name)
	case err != nil:
		return old, 0, err
	case changed == old:
		return old, OutcomeUnchanged, nil
	}
	return changed, outcome, nil
}

// SyncPutCategory is [AddCategory], or replaces the category for a device that saw it at version base and at no other since.
// Other content on another base, or without one, is ErrConflict, with the category as it is. One whose name is taken merges into
// the category of that name, which is returned; its id is left as a tombstone that says so.
func SyncPutCategory(ctx context.Context, tx Tx, env Env, draft CategoryDraft, base Version) (Category, Outcome, error) {
	id, malformed := ParseID(draft.ID)
	if malformed == nil && base != 0 {
		if _, err := tx.Category(ctx, id); err != nil {
			return Category{}, 0, fmt.Errorf("category %s: %w", id, SeenBefore(base, err))
		}
	}
	added, err := AddCategory(ctx, tx, env, draft)
	switch {
	case err == nil && added.Created:
		return added.Category, OutcomeApplied, nil
	case err == nil:
		return added.Category, OutcomeUnchanged, nil
	case !errors.Is(err, ErrExists):
		return Category{}, 0, err
	}
	stored, err := tx.Category(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return introduce(ctx, tx, env, id, draft.Name)
	case err != nil:
		return Category{}, 0, fmt.Errorf("category %s: %w", id, err)
	case base != stored.Version:
		return stored, 0, fmt.Errorf("category %s: %w", id, ErrConflict)
	}
	none, live := "", false
	patch := CategoryPatch{Name: &draft.Name, Colour: &none, Icon: &none, Archived: &live}
	if draft.Colour != nil {
		patch.Colour = draft.Colour
	}
	if draft.Icon != nil {
		patch.Icon = draft.Icon
	}
	if draft.Archived != nil {
		patch.Archived = draft.Archived
	}
	return SyncPatchCategory(ctx, tx, env, id, patch, base)
}

// introduce makes a category that nobody else has seen a tombstone of the one that has its name. In between it has a name that
// is its own; nothing of it is seen outside the Update.
func introduce(ctx context.Context, tx Tx, env Env, id uuid.UUID, name string) (Category, Outcome, error) {
	now := Timestamp(env.Now)
	passing := Category{ID: id, Name: id.String(), CreatedAt: now, UpdatedAt: now}
	if _, err := tx.PutCategories(ctx, passing); err != nil {
		return Category{}, 0, fmt.Errorf("category %s: %w", id, err)
	}
	return absorb(ctx, tx, env, passing, name)
}

// absorb merges a category into the one that has this name, archived or not.
func absorb(ctx context.Context, tx Tx, env Env, from Category, name string) (Category, Outcome, error) {
	var trimmed Category
	var faults ValidationErrors
	CategoryPatch{Name: &name}.apply(&faults, &trimmed)
	into, err := tx.CategoryByName(ctx, trimmed.Name)
	if err != nil {
		return from, 0, fmt.Errorf("category named %q: %w", trimmed.Name, err)
	}
	settings, err := tx.Settings(ctx)
	if err != nil {
		return from, 0, fmt.Errorf("settings: %w", err)
	}
	if _, err := tx.MergeCategory(ctx, from.ID, into.ID, settings.Today(env.Now).Month()); err != nil {
		return from, 0, fmt.Errorf("merge category %s into %s: %w", from.ID, into.ID, err)
	}
	return into, OutcomeMerged, nil
}
