package budget

import (
	"context"
	"fmt"
	"slices"

	"github.com/spendwise/spendwise/expense"
)

// ChangeSettingsAndLimits changes the settings as [expense.ChangeSettings] does. If the home currency changes, it also
// converts the limits and caps of all budgets to the new one. Use it for every ledger that may have budgets.
//
// limitRate is the amount in the new currency for one unit of the old one. If it is empty, the rate of today's date in
// the ledger's zone is used. Each limit is rounded once, and it is at least one minor unit. If the home currency does
// not change, limitRate is only validated.
//
// The errors are those of [expense.ChangeSettings]. The error is also ErrInvalid, with the field "home_currency", if
// there is no rate for the limits or a limit would become too large. If there is an error, nothing changes.
func ChangeSettingsAndLimits(
	ctx context.Context, tx Tx, env expense.Env, draft expense.SettingsDraft, limitRate string, cond expense.Precondition,
) (expense.ChangeSettingsResult, error) {
	snapshot, err := tx.BudgetSnapshot(ctx)
	if err == nil {
		err = cond.CheckPresent(snapshot.Settings.Version)
	}
	if err != nil {
		return expense.ChangeSettingsResult{}, &expense.RowError{
			Type: "settings", Version: snapshot.Settings.Version, Err: err,
		}
	}
	var errs expense.ValidationErrors
	settings, err := expense.CheckSettings(ctx, tx, env, draft)
	if err := errs.AddError("", err); err != nil {
		return expense.ChangeSettingsResult{}, err
	}
	budgets := snapshot.convertLimits(&errs, env, settings, limitRate)
	if err := errs.Err(); err != nil {
		return expense.ChangeSettingsResult{}, err
	}
	result, err := expense.ChangeSettings(ctx, tx, env, draft, cond)
	if err != nil {
		return expense.ChangeSettingsResult{}, err
	}
	if len(budgets) == 0 {
		return result, nil
	}
	version, err := tx.PutBudgets(ctx, budgets...)
	if err != nil {
		return expense.ChangeSettingsResult{}, fmt.Errorf("limits in %s: %w", result.Settings.Home, err)
	}
	result.Settings.Version = version
	return result, nil
}

// convertLimits returns the budgets in the home currency of settings. It returns none if the home currency does not
// change, or after an error.
func (s Snapshot) convertLimits(
	errs *expense.ValidationErrors, env expense.Env, settings expense.Settings, limitRate string,
) []Budget {
	var rate expense.Rate
	var err error
	if limitRate != "" {
		rate.Value, err = expense.ParseFactor(limitRate)
		_ = errs.AddError("limit_rate", err)
	}
	from, to := s.Settings.Home, settings.Home
	if from == to || len(s.Budgets) == 0 || errs.Has("home_currency") || errs.Has("limit_rate") {
		return nil
	}
	if rate.IsZero() && env.Rates != nil {
		rate, _ = expense.LookupRate(env.Rates, from, to, settings.Today(env.Now))
	}
	if rate.IsZero() {
		errs.Add("home_currency", "no_rate",
			"there is no rate of today from %s to %s to convert the limits; give limit_rate, the %s for one %s",
			from, to, to, from)
		return nil
	}
	budgets := make([]Budget, len(s.Budgets))
	for i, old := range s.Budgets {
		if budgets[i], err = old.convert(to, rate); err != nil {
			errs.Add("home_currency", "too_large",
				"the limit of %s is too large at a rate of %s %s for one %s; give a smaller limit_rate",
				s.scope(old), rate.Value, to, from)
		}
		budgets[i].UpdatedAt = expense.Timestamp(env.Now)
	}
	return budgets
}

// convert returns b with its limits and its cap in currency.
func (b Budget) convert(currency expense.Currency, rate expense.Rate) (Budget, error) {
	b.Entries = slices.Clone(b.Entries)
	var err error
	for i := range b.Entries {
		if b.Entries[i].Limit.IsZero() {
			b.Entries[i].Limit = expense.ClampMoney(0, currency)
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

// convertLimit converts a limit. One that would round to zero becomes one minor unit, because a limit is positive.
func convertLimit(limit expense.Money, currency expense.Currency, rate expense.Rate) (expense.Money, error) {
	converted, err := rate.Convert(limit, currency)
	if err != nil || !converted.IsZero() {
		return converted, err
	}
	return expense.MoneyFromMinor(1, currency)
}
