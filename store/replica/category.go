package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

func (c PutCategory) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	draft, seen := c.Draft, base.forPut()
	draft.ID = row.ID.String()
	if seen != 0 {
		if _, err := p.tx.Category(ctx, row.ID); err != nil {
			return outcome{}, row.goneIfSeen(seen, err)
		}
	}
	added, err := expense.AddCategory(ctx, p.tx, p.env, draft)
	if !errors.Is(err, expense.ErrExists) {
		return addOutcome(false, added.Created, added.Category, err)
	}
	stored, err := p.tx.Category(ctx, row.ID)
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return p.mergeCategory(ctx, expense.Category{ID: row.ID}, draft.Name)
	case err != nil:
		return outcome{}, err
	case seen != stored.Version:
		return outcomeOf(0, stored), row.conflict(seen, stored.Version)
	}
	// A field that the draft does not set gets its default.
	empty, archived := "", false
	patch := expense.CategoryPatch{Name: &draft.Name, Colour: &empty, Icon: &empty, Archived: &archived}
	if draft.Colour != nil {
		patch.Colour = draft.Colour
	}
	if draft.Icon != nil {
		patch.Icon = draft.Icon
	}
	if draft.Archived != nil {
		patch.Archived = draft.Archived
	}
	return PatchCategory{patch}.apply(ctx, p, row, baseVersion{seen, seen})
}

func (c PatchCategory) apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error) {
	old, err := p.tx.Category(ctx, row.ID)
	if err != nil {
		return outcome{}, row.goneIfSeen(base.Guarded, err)
	}
	status, err := row.patchStatus(base.Guarded, old.Version, 0, false)
	if err != nil {
		return outcomeOf(0, old), err
	}
	changed, err := expense.ChangeCategory(ctx, p.tx, p.env, row.ID, c.Patch, expense.Precondition{})
	if errors.Is(err, expense.ErrExists) && c.Patch.Name != nil {
		return p.mergeCategory(ctx, old, *c.Patch.Name)
	}
	return changeOutcome(status, old, changed, err)
}

// mergeCategory merges the category source into the category that has the given name, which may be archived, and
// returns the latter. If source has no version, it is not stored yet. The merge then leaves a tombstone with its id, so
// that later references to that id resolve to the other category.
func (p *push) mergeCategory(ctx context.Context, source expense.Category, name string) (outcome, error) {
	name = strings.TrimSpace(name)
	target, err := p.tx.CategoryByName(ctx, name)
	if err != nil {
		return outcomeOf(0, source), fmt.Errorf("category named %q: %w", name, err)
	}
	settings, err := p.tx.Settings(ctx)
	if err != nil {
		return outcomeOf(0, source), fmt.Errorf("settings: %w", err)
	}
	if source.Version == 0 {
		// Until the merge the row needs a name that no other category has. No other transaction sees it.
		now := expense.Timestamp(p.env.Now)
		source.Name, source.CreatedAt, source.UpdatedAt = source.ID.String(), now, now
		if _, err := p.tx.PutCategories(ctx, source); err != nil {
			return outcome{}, fmt.Errorf("category %s: %w", source.ID, err)
		}
	}
	if _, err := p.tx.MergeCategory(ctx, source.ID, target.ID, settings.Today(p.env.Now).Month()); err != nil {
		return outcomeOf(0, source), fmt.Errorf("merge category %s into %s: %w", source.ID, target.ID, err)
	}
	return outcomeOf(Merged, target), nil
}
