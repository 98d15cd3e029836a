package recurrence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// An AddResult is what [Add] returns.
type AddResult struct {
	Rule    Rule
	Created bool // false: the rule existed already, and it equals the draft
}

// Add adds a rule. It posts nothing: the next call of [Post] posts the occurrences that are due. The first occurrence
// may lie in the past if at most [MaxBacklog] occurrences are due. Add is idempotent: if a rule has the draft's id,
// and every field that the draft gives equals the stored one, Add changes nothing and returns the stored rule.
//
// Add returns ErrInvalid with all field errors if the draft is invalid, ErrExists if the id belongs to a rule that
// differs from the draft, and ErrGone if the id belongs to a deleted rule.
func Add(ctx context.Context, tx Tx, env expense.Env, draft Draft) (AddResult, error) {
	settings, err := tx.Settings(ctx)
	if err != nil {
		return AddResult{}, fmt.Errorf("settings: %w", err)
	}
	var errs expense.ValidationErrors
	now := expense.Timestamp(env.Now)
	rule := Rule{Interval: 1, CreatedAt: now, UpdatedAt: now}
	if draft.ID == nil {
		if rule.ID, err = uuid.NewV7(); err != nil {
			return AddResult{}, fmt.Errorf("new id: %w", err)
		}
	} else {
		rule.ID, err = expense.ParseID(*draft.ID)
		_ = errs.AddError("id", err)
	}
	if draft.ID != nil && err == nil {
		// A retry has to succeed even if the draft breaks a rule by now, so the stored rule is compared before validation.
		stored, err := tx.Rule(ctx, rule.ID)
		switch {
		case err == nil:
			return draft.matchStored(ctx, tx, env, stored)
		case errors.Is(err, expense.ErrGone) || !errors.Is(err, expense.ErrNotFound):
			return AddResult{}, rowError(rule.ID, 0, err)
		}
	}
	if err := checkRuleCount(ctx, tx, &errs); err != nil {
		return AddResult{}, err
	}
	if rule, err = draft.apply(ctx, tx, env, &errs, rule); err != nil {
		return AddResult{}, err
	}
	if errs.Err() == nil {
		rule = rule.withNext(rule.Start)
		rule.checkBacklog(&errs, "start_date", settings.Today(env.Now))
	}
	if err := errs.Err(); err != nil {
		return AddResult{}, err
	}
	if rule, err = put(ctx, tx, rule); err != nil {
		return AddResult{}, err
	}
	return AddResult{Rule: rule, Created: true}, nil
}

// matchStored returns the stored rule if every field that the draft gives equals it, and ErrExists otherwise.
func (d Draft) matchStored(ctx context.Context, tx expense.Reader, env expense.Env, stored Rule) (AddResult, error) {
	var errs expense.ValidationErrors
	applied, err := d.apply(ctx, tx, env, &errs, stored)
	if err != nil {
		return AddResult{}, err
	}
	if errs.Err() != nil || !applied.sameContent(stored) {
		return AddResult{}, rowError(stored.ID, stored.Version, expense.ErrExists)
	}
	return AddResult{Rule: stored}, nil
}

// sameContent reports whether r and other are equal in every field that a user can set.
func (r Rule) sameContent(other Rule) bool {
	return r.SameGuardedFields(other) && r.Notes == other.Notes && r.Paused == other.Paused
}

// put writes a rule and reads it again, because the store sets Guard.
func put(ctx context.Context, tx Tx, rule Rule) (Rule, error) {
	_, err := tx.PutRules(ctx, rule)
	if err == nil {
		rule, err = tx.Rule(ctx, rule.ID)
	}
	if err != nil {
		return Rule{}, rowError(rule.ID, 0, err)
	}
	return rule, nil
}

// rowError adds the rule, and its version if that is known, to err.
func rowError(id uuid.UUID, version expense.Version, err error) error {
	return &expense.RowError{Type: "recurrence", ID: id, Version: version, Err: err}
}
