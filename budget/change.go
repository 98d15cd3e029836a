package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Patch is a change of a budget as a person or a wire gives it. A nil member leaves what is there.
type Patch struct {
	Amount      *string   // the limit from FromMonth on, until the next entry
	Currency    *string   // only the home currency
	FromMonth   *string   // with Amount; not given, or empty: this month, or the series' first if it has not begun
	UntilMonth  *string   // empty: no end
	Rollover    *string   // for all months of the series; empty: none, which drops the cap
	RolloverCap *string   // empty: no cap
	AlertAt     *[]string // a nil slice: the default thresholds
}

// Change changes what patch names. An amount adds the entry of its month or replaces it: earlier months stay as they were,
// later entries stay, and a month before the first entry extends the series backwards. Where the series has ended before this
// month, an amount together with a later end, or none, lets it go on: the months between stay without a limit. A patch that
// changes nothing takes no version. Faults are ErrInvalid, all of them at once; ErrStale if cond does not hold.
func Change(ctx context.Context, tx Tx, env expense.Env, id uuid.UUID, patch Patch, cond expense.Precondition) (Budget, error) {
	old, err := tx.Budget(ctx, id)
	if err != nil {
		return Budget{}, fmt.Errorf("budget %s: %w", id, err)
	}
	if err := cond.CheckPresent(old.Version); err != nil {
		return Budget{}, fmt.Errorf("budget %s: %w", id, err)
	}
	book, err := tx.BudgetSnapshot(ctx)
	if err != nil {
		return Budget{}, fmt.Errorf("book: %w", err)
	}
	b, err := book.patch(env, old, patch)
	if err != nil {
		return Budget{}, err
	}
	if b.SameGuarded(old) {
		return old, nil
	}
	b.UpdatedAt = expense.Timestamp(env.Now)
	return put(ctx, tx, b)
}

func (b Snapshot) patch(env expense.Env, old Budget, patch Patch) (Budget, error) {
	var faults expense.ValidationErrors
	changed := old
	if patch.UntilMonth != nil {
		changed.Until = parseMonth(&faults, "until_month", *patch.UntilMonth, expense.Month{})
	}
	if patch.Currency != nil {
		b.checkCurrency(&faults, *patch.Currency)
	}
	switch {
	case patch.Amount != nil:
		from := old.Entries[0].From
		if thisMonth := b.Settings.Today(env.Now).Month(); thisMonth.After(from) {
			from = thisMonth
		}
		if patch.FromMonth != nil {
			from = parseMonth(&faults, "from_month", *patch.FromMonth, from)
		}
		limit := b.limit(&faults, *patch.Amount)
		if !changed.Until.IsZero() && from.After(changed.Until) {
			faults.Add("from_month", "after_end", "the budget ends in %s, so a limit from %s on would never hold", changed.Until, from)
		}
		if !faults.Has("amount") && !faults.Has("currency") && !faults.Has("from_month") {
			if old.Until.Before(b.Settings.Today(env.Now).Month()) && from.After(old.Until) {
				changed = changed.resumed(old.Until, from)
			}
			changed = changed.withEntry(Entry{From: from, Limit: limit})
		}
	case patch.FromMonth != nil:
		faults.Add("from_month", "incomplete", "from_month says from when an amount holds: give the amount too")
	}
	if patch.Rollover != nil {
		if changed.Rollover = parseRollover(&faults, *patch.Rollover); changed.Rollover == RolloverNone {
			changed.RolloverCap = expense.Money{}
		}
	}
	if patch.RolloverCap != nil {
		changed.RolloverCap = b.cap(&faults, *patch.RolloverCap)
	}
	if patch.AlertAt != nil {
		var err error
		if changed.AlertAt, err = parseAlerts(*patch.AlertAt); *patch.AlertAt == nil {
			changed.AlertAt = defaultAlerts()
		}
		_ = faults.AddError("alert_at", err)
	}
	changed.check(&faults)
	if err := faults.Err(); err != nil {
		return Budget{}, err
	}
	return changed, nil
}

// resumed returns b, which had ended with the month until, ready for an entry from a later month on: without a limit in the months
// between, and without entries that lay beyond its end.
func (b Budget) resumed(until, from expense.Month) Budget {
	if until.IsZero() {
		return b
	}
	b.Entries = slices.DeleteFunc(slices.Clone(b.Entries), func(e Entry) bool { return e.From.After(until) })
	if next := until.Add(1); next != from && len(b.Entries) > 0 {
		b.Entries = append(b.Entries, Entry{From: next, Limit: expense.CapMoney(0, b.Entries[0].Limit.Currency())})
	}
	return b
}

// withEntry returns b with entry added, or in the place of the one of its month. The entries of b itself stay as they are.
func (b Budget) withEntry(entry Entry) Budget {
	i, found := b.find(entry.From)
	b.Entries = slices.Clone(b.Entries)
	if found {
		b.Entries[i] = entry
	} else {
		b.Entries = slices.Insert(b.Entries, i, entry)
	}
	return b
}

// Delete deletes a series, with all its limits, and leaves a tombstone. Deleting it again is no error while the tombstone is
// kept, whatever cond says; ErrNotFound if there never was such a one, ErrStale if cond does not hold.
func Delete(ctx context.Context, tx Tx, id uuid.UUID, cond expense.Precondition) error {
	old, err := tx.Budget(ctx, id)
	switch {
	case errors.Is(err, expense.ErrGone):
		return nil
	case err != nil:
		return fmt.Errorf("budget %s: %w", id, err)
	}
	if err := cond.CheckPresent(old.Version); err != nil {
		return fmt.Errorf("budget %s: %w", id, err)
	}
	if _, err := tx.DeleteBudget(ctx, id); err != nil {
		return fmt.Errorf("budget %s: %w", id, err)
	}
	return nil
}
