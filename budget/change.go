package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Patch is the input of [Change]: unparsed text. A nil field leaves the stored value as it is.
type Patch struct {
	Amount      *string   // the limit from FromMonth on, until the next entry
	Currency    *string   // must be the home currency
	FromMonth   *string   // only with Amount; default: the current month, or the first month of a future budget
	UntilMonth  *string   // the last month; empty: no end
	Rollover    *string   // for all months of the budget; empty or "none": no rollover and no cap
	RolloverCap *string   // empty: no cap
	AlertAt     *[]string // a nil slice: the default thresholds
}

// Change changes the budget with this id and returns it. A patch without effect writes nothing.
//
// A patch with an Amount adds an entry for FromMonth, or replaces the entry of that month. The other entries stay, so
// the limits of earlier months do not change. A month before the first entry makes the budget begin earlier. To
// continue a budget that has ended, give an Amount and a later or an empty UntilMonth. The months between its old end
// and FromMonth then have no limit.
//
// Change returns ErrInvalid with all field errors if the result is invalid, ErrNotFound or ErrGone if the budget does
// not exist, and ErrStale if cond does not hold.
func Change(
	ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, patch Patch, cond expense.Precondition,
) (Budget, error) {
	old, err := tx.Budget(ctx, id)
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err != nil {
		return Budget{}, rowError(id, old.Version, err)
	}
	snapshot, err := tx.BudgetSnapshot(ctx)
	if err != nil {
		return Budget{}, fmt.Errorf("budget snapshot: %w", err)
	}
	b, err := snapshot.applyPatch(env, old, patch)
	if err != nil {
		return Budget{}, err
	}
	if b.SameGuardedFields(old) {
		return old, nil
	}
	b.UpdatedAt = expense.Timestamp(env.Now)
	return put(ctx, tx, b)
}

func (s Snapshot) applyPatch(env expense.Env, old Budget, patch Patch) (Budget, error) {
	var errs expense.ValidationErrors
	changed := old
	if patch.UntilMonth != nil {
		changed.Until = parseMonth(&errs, "until_month", *patch.UntilMonth, expense.Month{})
	}
	if patch.Currency != nil {
		s.checkCurrency(&errs, *patch.Currency)
	}
	thisMonth := s.Settings.Today(env.Now).Month()
	switch {
	case patch.Amount != nil:
		from := old.Entries[0].From
		if thisMonth.After(from) {
			from = thisMonth
		}
		if patch.FromMonth != nil {
			from = parseMonth(&errs, "from_month", *patch.FromMonth, from)
		}
		limit := s.parseLimit(&errs, *patch.Amount)
		if !changed.Until.IsZero() && from.After(changed.Until) {
			errs.Add("from_month", "after_end",
				"a limit from %s on has no effect, because the budget ends in %s; give a later end", from, changed.Until)
		}
		if !errs.Has("amount") && !errs.Has("currency") && !errs.Has("from_month") {
			if old.Until.Before(thisMonth) && from.After(old.Until) {
				changed = changed.suspended(old.Until, from)
			}
			changed = changed.withEntry(Entry{From: from, Limit: limit})
		}
	case patch.FromMonth != nil:
		parseMonth(&errs, "from_month", *patch.FromMonth, expense.Month{})
		errs.Add("amount", "incomplete", "the amount is missing; give the limit from %s on, or leave from_month out",
			expense.QuoteText(*patch.FromMonth))
	}
	if patch.Rollover != nil {
		if changed.Rollover = parseRollover(&errs, *patch.Rollover); changed.Rollover == RolloverNone {
			changed.RolloverCap = expense.Money{}
		}
	}
	if patch.RolloverCap != nil {
		changed.RolloverCap = s.parseAmount(&errs, "rollover_cap", *patch.RolloverCap)
	}
	if patch.AlertAt != nil {
		var err error
		if changed.AlertAt, err = parseThresholds(*patch.AlertAt); *patch.AlertAt == nil {
			changed.AlertAt = defaultThresholds()
		}
		_ = errs.AddError("", err)
	}
	changed.validateParsed(&errs)
	if err := errs.Err(); err != nil {
		return Budget{}, err
	}
	return changed, nil
}

// suspended returns b without entries after the month until, and without a limit from the next month to the month
// before from. It prepares a budget that ended in until for an entry that begins in from. A zero until changes
// nothing.
func (b Budget) suspended(until, from expense.Month) Budget {
	if until.IsZero() {
		return b
	}
	b.Entries = slices.DeleteFunc(slices.Clone(b.Entries), func(e Entry) bool { return e.From.After(until) })
	if next := until.Add(1); next != from && len(b.Entries) > 0 {
		b.Entries = append(b.Entries, Entry{From: next, Limit: expense.ClampMoney(0, b.Entries[0].Limit.Currency())})
	}
	return b
}

// withEntry returns b with the entry added, or in place of the entry of the same month. It does not modify b.Entries.
func (b Budget) withEntry(entry Entry) Budget {
	i, exact := b.find(entry.From)
	b.Entries = slices.Clone(b.Entries)
	if exact {
		b.Entries[i] = entry
	} else {
		b.Entries = slices.Insert(b.Entries, i, entry)
	}
	return b
}

// Delete deletes the budget with this id, with all its entries, and leaves a tombstone. While the tombstone exists,
// deleting the budget again returns nil and ignores cond. The error is ErrNotFound if the budget never existed, and
// ErrStale if cond does not hold.
func Delete(ctx context.Context, tx Tx, id uuid.UUID, cond expense.Precondition) error {
	old, err := tx.Budget(ctx, id)
	if errors.Is(err, expense.ErrGone) {
		return nil
	}
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err == nil {
		_, err = tx.DeleteBudget(ctx, id)
	}
	if err != nil {
		return rowError(id, old.Version, err)
	}
	return nil
}
