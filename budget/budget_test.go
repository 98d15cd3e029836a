package budget_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

func TestBudget_Validate(t *testing.T) {
	limit := func(minor int64, currency string) expense.Money {
		return expense.ClampMoney(minor, expense.MustCurrency(currency))
	}
	from := func(month string, minor int64) budget.Entry {
		return budget.Entry{From: expense.MustMonth(month), Limit: limit(minor, "USD")}
	}
	century := func(months int) []budget.Entry {
		entries := make([]budget.Entry, months)
		for i := range entries {
			entries[i] = budget.Entry{From: expense.MustMonth("1900-01").Add(i), Limit: limit(1, "USD")}
		}
		return entries
	}
	for name, test := range map[string]struct {
		change func(*budget.Budget)
		want   string // field and code of each field error
	}{
		"as it is":                        {func(*budget.Budget) {}, ""},
		"no limit":                        {func(b *budget.Budget) { b.Entries = nil }, "amount out_of_range"},
		"one for each month of 100 years": {func(b *budget.Budget) { b.Entries = century(1200) }, ""},
		"one more":                        {func(b *budget.Budget) { b.Entries = century(1201) }, "amount out_of_range"},
		"two limits in order": {
			func(b *budget.Budget) { b.Entries = []budget.Entry{from("2025-05", 1), from("2025-06", 2)} }, ""},
		"two limits of a month": {
			func(b *budget.Budget) {
				b.Entries = []budget.Entry{from("2025-05", 1), from("2025-05", 2)}
			}, "from_month not_ascending"},
		"two limits in the wrong order": {
			func(b *budget.Budget) {
				b.Entries = []budget.Entry{from("2025-05", 1), from("2025-04", 2)}
			}, "from_month not_ascending"},
		"a limit from no month": {func(b *budget.Budget) { b.Entries[0].From = expense.Month{} },
			"from_month not_ascending"},
		"limits in two currencies": {func(b *budget.Budget) {
			b.Entries = []budget.Entry{from("2025-05", 1), {From: expense.MustMonth("2025-06"), Limit: limit(2, "EUR")}}
		}, "currency currency_mismatch"},
		"a first limit of nothing": {func(b *budget.Budget) { b.Entries = []budget.Entry{from("2025-05", 0)} },
			"amount not_positive"},
		"a limit below nothing": {func(b *budget.Budget) { b.Entries = []budget.Entry{from("2025-05", -1)} },
			"amount not_positive"},
		"a later limit below nothing": {
			func(b *budget.Budget) {
				b.Entries = []budget.Entry{from("2025-05", 1), from("2025-06", -1)}
			}, "amount not_positive"},
		"no limit between two": {func(b *budget.Budget) {
			b.Entries = []budget.Entry{from("2025-05", 1), from("2025-06", 0), from("2025-08", 1)}
		}, ""},
		"the first month there is": {func(b *budget.Budget) { b.Entries = []budget.Entry{from("1900-01", 1)} }, ""},
		"the month before it": {func(b *budget.Budget) { b.Entries = []budget.Entry{from("1899-12", 1)} },
			"from_month out_of_range"},
		"an end in the first month": {func(b *budget.Budget) { b.Until = expense.MustMonth("2025-05") }, ""},
		"an end before the first month": {func(b *budget.Budget) { b.Until = expense.MustMonth("2025-04") },
			"until_month before_start"},
		"no limit, and an end": {
			func(b *budget.Budget) { b.Entries, b.Until = nil, expense.MustMonth("2025-04") }, "amount out_of_range"},
		"another way to roll over": {func(b *budget.Budget) { b.Rollover = budget.RolloverBoth + 1 },
			"rollover unknown_value"},
		"a cap": {
			func(b *budget.Budget) { b.Rollover, b.RolloverCap = budget.RolloverBoth, limit(1, "USD") }, ""},
		"a cap of nothing": {func(b *budget.Budget) {
			b.Rollover, b.RolloverCap = budget.RolloverBoth,
				limit(0, "USD")
		}, "rollover_cap not_positive"},
		"a cap below nothing": {func(b *budget.Budget) {
			b.Rollover, b.RolloverCap = budget.RolloverBoth,
				limit(-1, "USD")
		}, "rollover_cap not_positive"},
		"a cap in another currency": {func(b *budget.Budget) {
			b.Rollover, b.RolloverCap = budget.RolloverBoth,
				limit(1, "EUR")
		}, "rollover_cap currency_mismatch"},
		"a cap of what does not roll over": {func(b *budget.Budget) { b.RolloverCap = limit(1, "USD") },
			"rollover_cap not_applicable"},
		"no limit, and a cap": {func(b *budget.Budget) {
			b.Entries, b.Rollover, b.RolloverCap = nil, budget.RolloverBoth, limit(1, "USD")
		}, "amount out_of_range"},
		"no threshold": {func(b *budget.Budget) { b.AlertAt = nil }, "alert_at out_of_range"},
		"the lowest, the highest and as many thresholds as there may be": {
			func(b *budget.Budget) { b.AlertAt = []budget.Ratio{1, 2, 3, 4, 100_000} }, ""},
		"a threshold more": {func(b *budget.Budget) { b.AlertAt = []budget.Ratio{1, 2, 3, 4, 5, 6} },
			"alert_at out_of_range"},
		"a threshold of nothing": {func(b *budget.Budget) { b.AlertAt = []budget.Ratio{0} }, "alert_at/0 out_of_range"},
		"a threshold above ten limits": {func(b *budget.Budget) { b.AlertAt = []budget.Ratio{100_001} },
			"alert_at/0 out_of_range"},
		"a threshold twice": {func(b *budget.Budget) { b.AlertAt = []budget.Ratio{5, 5} },
			"alert_at/1 not_ascending"},
		"several at once": {func(b *budget.Budget) { b.Entries, b.AlertAt = nil, nil },
			"alert_at out_of_range, amount out_of_range"},
	} {
		t.Run(name, func(t *testing.T) {
			b := budget.Budget{ID: uuid.Must(uuid.NewV7()), Entries: []budget.Entry{from("2025-05", 100)},
				AlertAt: []budget.Ratio{8000, 10_000}}
			test.change(&b)
			var got []string
			for _, fieldError := range expense.InvalidErrors(b.Validate()) {
				got = append(got, fieldError.Field+" "+fieldError.Code)
			}
			slices.Sort(got)
			if text := strings.Join(slices.Compact(got), ", "); text != test.want {
				t.Errorf("field errors = %q, want %q", text, test.want)
			}
		})
	}
}
