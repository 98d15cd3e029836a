package recurrence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// AddResult is a rule that is in the ledger now.
type AddResult struct {
	Rule    Rule
	Created bool // false: it was there already, every member given equal to the stored one
}

// Add adds a rule. Its first occurrence may lie in the past: what is due then is posted at the next round, at most [MaxBacklog]
// occurrences. If its id is taken, a draft whose every given member equals the stored rule's changes nothing and is not Created;
// other content is ErrExists, a deleted id ErrGone. Faults are ErrInvalid, all of them at once.
func Add(ctx context.Context, tx Tx, env expense.Env, draft Draft) (AddResult, error) {
	settings, err := tx.Settings(ctx)
	if err != nil {
		return AddResult{}, fmt.Errorf("settings: %w", err)
	}
	var faults expense.ValidationErrors
	now := expense.Timestamp(env.Now)
	rule := Rule{Interval: 1, CreatedAt: now, UpdatedAt: now}
	if draft.ID == nil {
		if rule.ID, err = uuid.NewV7(); err != nil {
			return AddResult{}, fmt.Errorf("new id: %w", err)
		}
	} else {
		rule.ID, err = expense.ParseID(*draft.ID)
		_ = faults.AddError("id", err)
	}
	if draft.ID != nil && err == nil {
		// A repeated request is recognised before today's rules judge it: its answer may just have been lost.
		stored, err := tx.Rule(ctx, rule.ID)
		switch {
		case err == nil:
			return draft.twin(ctx, tx, env, stored)
		case errors.Is(err, expense.ErrGone) || !errors.Is(err, expense.ErrNotFound):
			return AddResult{}, fmt.Errorf("rule %s: %w", rule.ID, err)
		}
	}
	if err := checkRoom(ctx, tx, &faults); err != nil {
		return AddResult{}, err
	}
	if rule, err = draft.apply(ctx, tx, env, &faults, rule); err != nil {
		return AddResult{}, err
	}
	if faults.Err() == nil {
		rule = rule.at(rule.Start)
		rule.checkBacklog(&faults, "start_date", settings.Today(env.Now))
	}
	if err := faults.Err(); err != nil {
		return AddResult{}, err
	}
	if rule, err = put(ctx, tx, rule); err != nil {
		return AddResult{}, err
	}
	return AddResult{Rule: rule, Created: true}, nil
}

// twin returns the stored rule if the draft says nothing else than it, and ErrExists if it does.
func (d Draft) twin(ctx context.Context, tx expense.Reader, env expense.Env, stored Rule) (AddResult, error) {
	var faults expense.ValidationErrors
	applied, err := d.apply(ctx, tx, env, &faults, stored)
	if err != nil {
		return AddResult{}, err
	}
	if faults.Err() != nil || !applied.saysSame(stored) {
		return AddResult{}, fmt.Errorf("rule %s: %w", stored.ID, expense.ErrExists)
	}
	return AddResult{Rule: stored}, nil
}

// saysSame reports whether every member that a person gives is as in other.
func (r Rule) saysSame(other Rule) bool {
	return r.SameGuarded(other) && r.Notes == other.Notes && r.Paused == other.Paused
}

// put writes a rule and returns it as the store keeps it, whose business the guard is.
func put(ctx context.Context, tx Tx, rule Rule) (Rule, error) {
	_, err := tx.PutRules(ctx, rule)
	if err == nil {
		rule, err = tx.Rule(ctx, rule.ID)
	}
	if err != nil {
		return Rule{}, fmt.Errorf("rule %s: %w", rule.ID, err)
	}
	return rule, nil
}
