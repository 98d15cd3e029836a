package budget

import (
	"context"
	"fmt"
	"slices"

	"github.com/spendwise/spendwise/expense"
)

// ChangeSettingsAndLimits is [expense.ChangeSettingsAndLimits] for a ledger with budgets: a new home currency re-expresses every limit at
// today's rate in the ledger's zone, or at limitRate, new home units for one old one, where it is given. Each limit is
// rounded once and is at least one minor unit. Without a rate nothing changes: the error is ErrInvalid, its field
// "home_currency". A limitRate is read, and not needed, where the home currency stays.
func ChangeSettingsAndLimits(
	ctx context.Context, tx Tx, env expense.Env, draft expense.SettingsDraft, limitRate string, cond expense.Precondition,
) (expense.ChangeSettingsResult, error) {
	book, err := tx.BudgetSnapshot(ctx)
	if err == nil {
		err = cond.CheckPresent(book.Settings.Version)
	}
	if err != nil {
		return expense.ChangeSettingsResult{}, fmt.Errorf("settings: %w", err)
	}
	budgets, err := book.reexpress(env, draft, limitRate)
	if err != nil {
		return expense.ChangeSettingsResult{}, err
	}
	change, err := expense.ChangeSettings(ctx, tx, env, draft, cond)
	if err != nil {
		return expense.ChangeSettingsResult{}, err
	}
	if len(budgets) == 0 {
		return change, nil
	}
	version, err := tx.PutBudgets(ctx, budgets...)
	if err != nil {
		return expense.ChangeSettingsResult{}, fmt.Errorf("limits in %s: %w", change.Settings.Home, err)
	}
	change.Settings.Version = version
	return change, nil
}

// reexpress returns the book's budgets as they are after draft: none if their limits stay as they are.
func (b Snapshot) reexpress(env expense.Env, draft expense.SettingsDraft, limitRate string) ([]Budget, error) {
	var faults expense.ValidationErrors
	settings, err := b.Settings.With(draft)
	_ = faults.AddError("", err)
	var rate expense.Rate
	if limitRate != "" {
		rate.Value, err = expense.ParseFactor(limitRate)
		_ = faults.AddError("limit_rate", err)
	}
	from, to := b.Settings.Home, settings.Home
	if from == to || len(b.Budgets) == 0 || faults.Has("home_currency") || faults.Has("limit_rate") {
		return nil, faults.Err()
	}
	if rate.IsZero() {
		rate = todaysRate(env, from, to, settings)
	}
	if rate.IsZero() {
		faults.Add("home_currency", "no_rate",
			"the budgets' limits need a rate from %s to %s and there is none of today: give one as limit_rate, %s for one %s",
			from, to, to, from)
		return nil, faults.Err()
	}
	budgets := make([]Budget, len(b.Budgets))
	for i, old := range b.Budgets {
		if budgets[i], err = old.in(to, rate); err != nil {
			faults.Add("home_currency", "too_large", "at %s %s for one %s the limit of %s is too large: give another limit_rate",
				rate.Value, to, from, b.scope(old))
		}
		budgets[i].UpdatedAt = expense.Timestamp(env.Now)
	}
	return budgets, faults.Err()
}

// todaysRate returns the rate of the day at hand in the ledger's zone, or none.
func todaysRate(env expense.Env, from, to expense.Currency, settings expense.Settings) expense.Rate {
	if env.Rates == nil {
		return expense.Rate{}
	}
	rate, _ := expense.LookupRate(env.Rates, from, to, settings.Today(env.Now))
	return rate
}

// in returns b with its limits and its cap in currency, each converted once at rate. One that would round to nothing is one
// minor unit, because a limit is positive.
func (b Budget) in(currency expense.Currency, rate expense.Rate) (Budget, error) {
	b.Entries = slices.Clone(b.Entries)
	var err error
	for i := range b.Entries {
		if b.Entries[i].Limit.IsZero() {
			b.Entries[i].Limit = expense.CapMoney(0, currency)
			continue
		}
		if b.Entries[i].Limit, err = convertLimit(b.Entries[i].Limit, currency, rate); err != nil {
			return Budget{}, err
		}
	}
	if b.RolloverCap.Sign() > 0 {
		b.RolloverCap, err = convertLimit(b.RolloverCap, currency, rate)
	}
	return b, err
}

func convertLimit(limit expense.Money, currency expense.Currency, rate expense.Rate) (expense.Money, error) {
	converted, err := rate.Convert(limit, currency)
	if err != nil || !converted.IsZero() {
		return converted, err
	}
	return expense.MoneyFromMinor(1, currency)
}
