package budget_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// timeline formats a budget as "2025-05 500.00, 2025-07 600.00 until 2026-04".
func timeline(b budget.Budget) string {
	var parts []string
	for _, e := range b.Entries {
		parts = append(parts, e.From.String()+" "+e.Limit.Amount())
	}
	text := strings.Join(parts, ", ")
	if !b.Until.IsZero() {
		text += " until " + b.Until.String()
	}
	return text
}

func TestChange(t *testing.T) {
	for _, test := range []struct {
		name  string
		patch budget.Patch
		want  string
	}{
		{"an amount holds from this month on", budget.Patch{Amount: ptr("600")},
			"2025-03 500.00, 2025-05 600.00, 2025-08 700.00 until 2025-12"},
		{"an amount from a month on", budget.Patch{Amount: ptr("600"), FromMonth: ptr("2025-06")},
			"2025-03 500.00, 2025-06 600.00, 2025-08 700.00 until 2025-12"},
		{"an amount in the place of an entry", budget.Patch{Amount: ptr("600"), FromMonth: ptr("2025-08")},
			"2025-03 500.00, 2025-08 600.00 until 2025-12"},
		{"an amount from before the start", budget.Patch{Amount: ptr("600"), FromMonth: ptr("2024-11")},
			"2024-11 600.00, 2025-03 500.00, 2025-08 700.00 until 2025-12"},
		{"an amount with its currency", budget.Patch{Amount: ptr("600.50"), Currency: ptr("USD"), FromMonth: ptr("2025-09")},
			"2025-03 500.00, 2025-08 700.00, 2025-09 600.50 until 2025-12"},
		{"an earlier end", budget.Patch{UntilMonth: ptr("2025-05")}, "2025-03 500.00, 2025-08 700.00 until 2025-05"},
		{"no end", budget.Patch{UntilMonth: ptr("")}, "2025-03 500.00, 2025-08 700.00"},
		{"a later end with an amount beyond the old one",
			budget.Patch{Amount: ptr("800"), FromMonth: ptr("2026-02"), UntilMonth: ptr("2026-06")},
			"2025-03 500.00, 2025-08 700.00, 2026-02 800.00 until 2026-06"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t)
			b := l.mustAdd(budget.Draft{Amount: "500", FromMonth: "2025-03", UntilMonth: "2025-12"})
			b, err := l.change(b.ID, budget.Patch{Amount: ptr("700"), FromMonth: ptr("2025-08")}, expense.Precondition{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := l.change(b.ID, test.patch, expense.Precondition{Versions: []expense.Version{b.Version}})
			if err != nil || timeline(got) != test.want {
				t.Fatalf("Change = %s, %v, want %s", timeline(got), err, test.want)
			}
			if stored := l.stored(b.ID); !reflect.DeepEqual(stored, got) || got.Version != b.Version+1 ||
				got.Guard != got.Version {
				t.Errorf("Change returned %+v, but the stored budget is %+v", got, stored)
			}
		})
	}
}

func TestChange_OfFutureBudgetAppliesFromItsStart(t *testing.T) {
	l := newLedger(t)
	b := l.mustAdd(budget.Draft{Amount: "500", FromMonth: "2025-09"})
	got, err := l.change(b.ID, budget.Patch{Amount: ptr("600")}, expense.Precondition{})
	if err != nil || timeline(got) != "2025-09 600.00" {
		t.Errorf("Change = %s, %v, want 2025-09 600.00", timeline(got), err)
	}
}

// A budget that has ended continues if its limit is changed. The months between the end and the change have no limit.
func TestChange_ContinuesEndedBudget(t *testing.T) {
	for _, test := range []struct {
		name  string
		patch budget.Patch
		want  string
	}{
		{"after some months", budget.Patch{Amount: ptr("600"), FromMonth: ptr("2025-05"), UntilMonth: ptr("")},
			"2025-01 500.00, 2025-03 0.00, 2025-05 600.00"},
		{"from this month on, unless another is named", budget.Patch{Amount: ptr("600"), UntilMonth: ptr("2025-07")},
			"2025-01 500.00, 2025-03 0.00, 2025-05 600.00 until 2025-07"},
		{"in a month to come", budget.Patch{Amount: ptr("600"), FromMonth: ptr("2025-08"), UntilMonth: ptr("")},
			"2025-01 500.00, 2025-03 0.00, 2025-08 600.00"},
		{"with the next month", budget.Patch{Amount: ptr("600"), FromMonth: ptr("2025-03"), UntilMonth: ptr("")},
			"2025-01 500.00, 2025-03 600.00"},
		{"as if it had not ended", budget.Patch{UntilMonth: ptr("")}, "2025-01 500.00, 2025-04 700.00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t)
			food := l.category("Food").String()
			b := l.mustAdd(budget.Draft{CategoryID: food, Amount: "500", FromMonth: "2025-01", Rollover: "both"})
			for _, patch := range []budget.Patch{
				// The first patch adds an entry after the end that the second one sets.
				{Amount: ptr("700"), FromMonth: ptr("2025-04")}, {UntilMonth: ptr("2025-02")},
			} {
				if _, err := l.change(b.ID, patch, expense.Precondition{}); err != nil {
					t.Fatal(err)
				}
			}
			l.spend(expense.Draft{Amount: "20", Category: "Food", Date: "2025-02-05"},
				expense.Draft{Amount: "5", Category: "Food", Date: "2025-03-05"})
			before := l.rows("2025-01", "2025-04")
			_, err := l.add(budget.Draft{CategoryID: food, Amount: "600", FromMonth: "2025-05"})
			var existsErr *budget.ExistsError
			if !errors.As(err, &existsErr) || !errors.Is(err, expense.ErrExists) ||
				existsErr.Existing.ID != b.ID || !existsErr.Ended() {
				t.Fatalf("Add of a second budget: %v, want ErrExists with the existing budget", err)
			}
			got, err := l.change(b.ID, test.patch, expense.Precondition{})
			if err != nil || timeline(got) != test.want {
				t.Fatalf("Change = %s, %v, want %s", timeline(got), err, test.want)
			}
			if after := l.rows("2025-01", "2025-04"); strings.Contains(test.want, "0.00, 2025-05") &&
				!slices.Equal(after, before) {
				t.Errorf("earlier months = %q, want unchanged %q", after, before)
			}
			if test.name == "after some months" {
				if may := l.read("2025-05").ByCategory[0]; may.Limit.Amount() != "600.00" || may.Carried.Amount() != "0.00" {
					t.Errorf("May = %+v, want no carried amount", may)
				}
			}
			if _, err := l.changeSettings(expense.SettingsDraft{HomeCurrency: ptr("KWD")}, "0.5",
				expense.Precondition{}); err != nil {
				t.Fatal(err)
			}
			for i, e := range l.stored(b.ID).Entries {
				if e.Limit.IsZero() != got.Entries[i].Limit.IsZero() || e.Limit.Currency().Code() != "KWD" {
					t.Errorf("after a change of the home currency the limits are %s", timeline(l.stored(b.ID)))
				}
			}
		})
	}
}

func TestChange_AlertThresholds(t *testing.T) {
	l := newLedger(t)
	b := l.mustAdd(budget.Draft{Amount: "500"})
	b, err := l.change(b.ID, budget.Patch{AlertAt: &[]string{"0.5", "0.9", "1.2"}}, expense.Precondition{})
	if err != nil || !slices.Equal(b.AlertAt, []budget.Ratio{5000, 9000, 12000}) {
		t.Fatalf("Change = %v, %v", b.AlertAt, err)
	}
	b, err = l.change(b.ID, budget.Patch{AlertAt: new([]string)}, expense.Precondition{})
	if err != nil || !slices.Equal(b.AlertAt, []budget.Ratio{8000, 10000}) {
		t.Errorf("Change = %v, %v, want the default thresholds", b.AlertAt, err)
	}
}

func TestChange_WithoutDifferenceKeepsVersion(t *testing.T) {
	l := newLedger(t)
	b := l.mustAdd(budget.Draft{Amount: "500", UntilMonth: "2026-05"})
	l.env.Now = noon.AddDate(0, 0, 1)
	for _, patch := range []budget.Patch{
		{},
		{
			Amount: ptr("500.0"), Currency: ptr("USD"), FromMonth: ptr("2025-05"), UntilMonth: ptr("2026-05"),
			AlertAt: &[]string{"0.8", "1"},
		},
	} {
		if got, err := l.change(b.ID, patch, expense.Precondition{Present: true}); err != nil || !reflect.DeepEqual(got, b) {
			t.Errorf("Change = %+v, %v; want the unchanged %+v", got, err, b)
		}
	}
	if stored := l.stored(b.ID); !reflect.DeepEqual(stored, b) {
		t.Errorf("stored budget = %+v, want %+v", stored, b)
	}
}

func TestChange_ReportsAllInvalidFields(t *testing.T) {
	for _, test := range []struct {
		name  string
		patch budget.Patch
		want  []string
	}{
		{"an empty amount", budget.Patch{Amount: ptr("")}, []string{"amount required"}},
		{"a limit of nothing from a later month on", budget.Patch{Amount: ptr("0"), FromMonth: ptr("2025-06")},
			[]string{"amount not_positive"}},
		{"a limit from before there are expenses", budget.Patch{Amount: ptr("5"), FromMonth: ptr("1899-12")},
			[]string{"from_month out_of_range"}},
		{"a limit below nothing", budget.Patch{Amount: ptr("-1")}, []string{"amount not_positive"}},
		{"another currency", budget.Patch{Amount: ptr("5"), Currency: ptr("JPY")}, []string{"currency not_home_currency"}},
		{"a month without an amount", budget.Patch{FromMonth: ptr("2025-06")}, []string{"amount incomplete"}},
		{"a malformed month without an amount", budget.Patch{FromMonth: ptr("x")},
			[]string{"from_month malformed_month", "amount incomplete"}},
		{"a limit from after the end", budget.Patch{Amount: ptr("5"), FromMonth: ptr("2026-01")},
			[]string{"from_month after_end"}},
		{"an end before the start", budget.Patch{UntilMonth: ptr("2025-02")}, []string{"until_month before_start"}},
		{"all at once",
			budget.Patch{Amount: ptr("x"), Currency: ptr("x"), FromMonth: ptr("x"), UntilMonth: ptr("x"),
				AlertAt: &[]string{"11"}},
			[]string{
				"until_month malformed_month", "currency unknown_currency", "from_month malformed_month", "amount malformed_amount",
				"alert_at/0 out_of_range",
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t)
			b := l.mustAdd(budget.Draft{Amount: "500", FromMonth: "2025-03", UntilMonth: "2025-12"})
			_, err := l.change(b.ID, test.patch, expense.Precondition{})
			if got := codes(err); !slices.Equal(got, test.want) {
				t.Errorf("Change: %v, want field errors %q", err, test.want)
			}
			if stored := l.stored(b.ID); !reflect.DeepEqual(stored, b) {
				t.Errorf("stored budget = %+v, want %+v", stored, b)
			}
		})
	}
}

func TestChange_AndDeleteOfMissingBudget(t *testing.T) {
	l := newLedger(t)
	b := l.mustAdd(budget.Draft{Amount: "500"})
	stale := expense.Precondition{Versions: []expense.Version{b.Version - 1}}
	if _, err := l.change(b.ID, budget.Patch{Amount: ptr("x")}, stale); !errors.Is(err, expense.ErrStale) {
		t.Errorf("Change with a stale version: %v, want ErrStale", err)
	}
	if err := l.delete(b.ID, stale); !errors.Is(err, expense.ErrStale) {
		t.Errorf("Delete with a stale version: %v, want ErrStale", err)
	}
	unknown := uuid.MustParse(someID)
	if _, err := l.change(unknown, budget.Patch{}, expense.Precondition{}); !errors.Is(err, expense.ErrNotFound) {
		t.Errorf("Change of an unknown budget: %v, want ErrNotFound", err)
	}
	if err := l.delete(unknown, expense.Precondition{}); !errors.Is(err, expense.ErrNotFound) ||
		errors.Is(err, expense.ErrGone) {
		t.Errorf("Delete of an unknown budget: %v, want ErrNotFound", err)
	}
	if err := l.delete(b.ID, expense.Precondition{Versions: []expense.Version{b.Version}}); err != nil {
		t.Fatal(err)
	}
	if err := l.delete(b.ID, stale); err != nil {
		t.Errorf("second Delete: %v", err)
	}
	if _, err := l.change(b.ID, budget.Patch{}, expense.Precondition{}); !errors.Is(err, expense.ErrGone) {
		t.Errorf("Change of a deleted budget: %v", err)
	}
}

// A new limit does not change the months before it. It applies until the next entry.
func TestChange_LimitKeepsEarlierMonths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(t)
		origin := expense.MustMonth("2025-01")
		month := func(label string) expense.Month { return origin.Add(rapid.IntRange(-12, 24).Draw(t, label)) }
		amount := func(label string) string {
			limit, err := expense.MoneyFromMinor(rapid.Int64Range(1, expense.MaxMinor).Draw(t, label),
				expense.MustCurrency("USD"))
			if err != nil {
				t.Fatalf("%v", err)
			}
			return limit.Amount()
		}
		b := l.mustAdd(budget.Draft{Amount: amount("first"), FromMonth: month("start").String()})
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			from, limit := month("from"), amount("limit")
			later := slices.IndexFunc(b.Entries, func(e budget.Entry) bool { return e.From.After(from) })
			changed, err := l.change(b.ID, budget.Patch{Amount: &limit, FromMonth: ptr(from.String())}, expense.Precondition{})
			if err != nil {
				t.Fatalf("Change: %v", err)
			}
			if err := changed.Validate(); err != nil {
				t.Fatalf("the changed budget is invalid: %v", err)
			}
			for m := origin.Add(-14); m.Before(origin.Add(30)); m = m.Add(1) {
				before, had := b.Limit(m)
				after, has := changed.Limit(m)
				touched := !m.Before(from) && (later < 0 || m.Before(b.Entries[later].From))
				switch {
				case touched && (!has || after.Amount() != limit):
					t.Fatalf("the limit from %s is %s, but in %s it is %s", from, limit, m, after)
				case !touched && (before != after || had != has):
					t.Fatalf("the change from %s produced %s instead of %s in %s", from, after, before, m)
				}
			}
			b = changed
		}
	})
}
