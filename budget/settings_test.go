package budget_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func (l *ledger) changeSettings(
	draft expense.SettingsDraft, limitRate string, cond expense.Precondition,
) (expense.ChangeSettingsResult, error) {
	var change expense.ChangeSettingsResult
	err := l.update(func(tx store.Tx) (err error) {
		change, err = budget.ChangeSettingsAndLimits(context.Background(), tx, l.env, draft, limitRate, cond)
		return err
	})
	return change, err
}

func TestChangeSettingsAndLimits_HomeCurrencyConvertsLimits(t *testing.T) {
	for _, test := range []struct {
		name      string
		rates     expense.Rates
		limitRate string
		home      string
		want      string
	}{
		{"at today's rate, rounded once", rates{"USDEUR": "0.92379"}, "", "EUR",
			"2025-05 461.90, 2025-07 923.79, 2025-09 0.01"},
		{"into a currency without minor digits", rates{"USDJPY": "145.05"}, "", "JPY",
			"2025-05 72525, 2025-07 145050, 2025-09 1"},
		{"at a rate that is given", nil, "0.5", "KWD", "2025-05 250.000, 2025-07 500.000, 2025-09 0.005"},
		{"at a rate that is given though there is another", rates{"USDEUR": "0.92379"}, "0.5", "EUR",
			"2025-05 250.00, 2025-07 500.00, 2025-09 0.01"},
		{"never at nothing", nil, "0.001", "EUR", "2025-05 0.50, 2025-07 1.00, 2025-09 0.01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t)
			b := l.mustAdd(budget.Draft{Amount: "500"})
			for from, amount := range map[string]string{"2025-07": "1000", "2025-09": "0.01"} {
				if _, err := l.change(b.ID, budget.Patch{Amount: &amount, FromMonth: &from}, expense.Precondition{}); err != nil {
					t.Fatal(err)
				}
			}
			l.spend(expense.Draft{Amount: "10"})
			l.env.Rates = test.rates
			change, err := l.changeSettings(expense.SettingsDraft{HomeCurrency: &test.home}, test.limitRate,
				expense.Precondition{})
			if err != nil {
				t.Fatal(err)
			}
			got := l.stored(b.ID)
			if timeline(got) != test.want || got.Entries[0].Limit.Currency().Code() != test.home {
				t.Errorf("limits = %s, want %s in %s", timeline(got), test.want, test.home)
			}
			if change.Settings.Home.Code() != test.home || change.Reconversion == nil || got.Version != change.Settings.Version {
				t.Errorf("change = %+v, budget version = %d", change, got.Version)
			}
		})
	}
}

func TestChangeSettingsAndLimits_RejectsWithoutPartialChange(t *testing.T) {
	home := func(code string) expense.SettingsDraft { return expense.SettingsDraft{HomeCurrency: &code} }
	for _, test := range []struct {
		name      string
		draft     expense.SettingsDraft
		limitRate string
		want      []string
	}{
		{"without a rate", home("KWD"), "", []string{"home_currency no_rate"}},
		{"with a rate that is none", home("KWD"), "0", []string{"limit_rate not_positive"}},
		{"with a rate at which a limit is too large", home("KWD"), "99999999999", []string{"home_currency too_large"}},
		{"with other field errors", expense.SettingsDraft{HomeCurrency: ptr("XX"), TimeZone: ptr("Mars")}, "-1",
			[]string{"home_currency unknown_currency", "time_zone unknown_zone", "limit_rate malformed_rate"}},
		{"with a rate to be given and a field error", expense.SettingsDraft{HomeCurrency: ptr("KWD"), TimeZone: ptr("Mars")},
			"",
			[]string{"time_zone unknown_zone", "home_currency no_rate"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t)
			b := l.mustAdd(budget.Draft{Amount: "500"})
			if _, err := l.changeSettings(test.draft, test.limitRate, expense.Precondition{}); !slices.Equal(codes(err),
				test.want) {
				t.Errorf("ChangeSettings: %v, want field errors %q", err, test.want)
			}
			snapshot, err := l.store.Reader(owner).BudgetSnapshot(t.Context())
			if err != nil || snapshot.Settings.Home.Code() != "USD" || !reflect.DeepEqual(snapshot.Budgets, []budget.Budget{b}) {
				t.Errorf("snapshot = %+v, %v; want it unchanged", snapshot, err)
			}
		})
	}
}

func TestChangeSettingsAndLimits_KeepsLimits(t *testing.T) {
	l := newLedger(t)
	change, err := l.changeSettings(expense.SettingsDraft{HomeCurrency: ptr("KWD")}, "", expense.Precondition{})
	if err != nil || change.Settings.Home.Code() != "KWD" {
		t.Errorf("ChangeSettings without budgets: %+v, %v; want no rate required", change, err)
	}
	b := l.mustAdd(budget.Draft{Amount: "500"})
	change, err = l.changeSettings(expense.SettingsDraft{Locale: ptr("de"), HomeCurrency: ptr("KWD")}, "2",
		expense.Precondition{})
	if err != nil || change.Settings.Locale != "de" || change.Reconversion != nil ||
		!reflect.DeepEqual(l.stored(b.ID), b) {
		t.Errorf("ChangeSettings to the current home currency: %+v, %v; budget = %+v", change, err, l.stored(b.ID))
	}
	stale := expense.Precondition{Versions: []expense.Version{1}}
	if _, err = l.changeSettings(expense.SettingsDraft{HomeCurrency: ptr("USD")}, "2", stale); !errors.Is(err,
		expense.ErrStale) {
		t.Errorf("ChangeSettings with a stale version: %v", err)
	}
}
