package budget_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const someID = "0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70"

func TestAdd_FillsDefaults(t *testing.T) {
	l := newLedger(t)
	l.env.Now = noon.AddDate(0, 0, 21).Add(13 * 60 * 60e9) // 1 June 01:00 UTC
	food := l.category("Food")
	got := l.mustAdd(budget.Draft{CategoryID: food.String(), Amount: "500"})
	want := budget.Budget{
		ID: got.ID, CategoryID: food,
		Entries: []budget.Entry{{From: expense.MustMonth("2025-06"), Limit: expense.MustMoney("500", "USD")}},
		AlertAt: []budget.Ratio{8000, 10000}, Version: 2, Guard: 2, CreatedAt: l.env.Now, UpdatedAt: l.env.Now,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Add returned %+v, want %+v", got, want)
	}
	if stored := l.stored(got.ID); !reflect.DeepEqual(stored, want) {
		t.Errorf("stored budget = %+v, want %+v", stored, want)
	}
	if got.ID.Version() != 7 {
		t.Errorf("id %s has UUID version %d, want 7", got.ID, got.ID.Version())
	}
}

func TestAdd_BeginsThisMonthInLedgerZone(t *testing.T) {
	l := newLedger(t)
	err := l.update(func(tx store.Tx) error {
		draft := expense.SettingsDraft{TimeZone: ptr("Pacific/Auckland")}
		_, err := expense.ChangeSettings(t.Context(), tx, l.env, draft, expense.Precondition{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l.env.Now = noon.AddDate(0, 0, 21) // 31 May noon in UTC is 1 June midnight in Auckland
	if got := l.mustAdd(budget.Draft{Amount: "900"}).Entries[0].From.String(); got != "2025-06" {
		t.Errorf("the first entry starts in %s, want 2025-06", got)
	}
}

func TestAdd_ReportsAllInvalidFields(t *testing.T) {
	l := newLedger(t)
	archived := l.category("Travel")
	err := l.update(func(tx store.Tx) error {
		patch := expense.CategoryPatch{Archived: ptr(true)}
		_, err := expense.ChangeCategory(t.Context(), tx, l.env, archived, patch, expense.Precondition{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		draft budget.Draft
		want  []string
	}{
		{"nothing given", budget.Draft{}, []string{"amount required"}},
		{"another currency than the home currency", budget.Draft{Amount: "5", Currency: "EUR"},
			[]string{"currency not_home_currency"}},
		{"no currency of ISO 4217", budget.Draft{Amount: "5", Currency: "usd"}, []string{"currency unknown_currency"}},
		{"too many digits", budget.Draft{Amount: "5.001"}, []string{"amount too_many_digits"}},
		{"a start before there are expenses", budget.Draft{Amount: "5", FromMonth: "1899-12"},
			[]string{"from_month out_of_range"}},
		{"a limit of nothing", budget.Draft{Amount: "0.00"}, []string{"amount not_positive"}},
		{"a limit below nothing", budget.Draft{Amount: "-5"}, []string{"amount not_positive"}},
		{"a limit beyond all amounts", budget.Draft{Amount: "10000000000000"}, []string{"amount too_large"}},
		{"an end before the start", budget.Draft{Amount: "5", FromMonth: "2025-05", UntilMonth: "2025-04"},
			[]string{"until_month before_start"}},
		{"an unknown category", budget.Draft{Amount: "5", CategoryID: someID}, []string{"category_id unknown_category"}},
		{"an archived category", budget.Draft{Amount: "5", CategoryID: archived.String()},
			[]string{"category_id archived_category"}},
		{"no threshold", budget.Draft{Amount: "5", AlertAt: []string{}}, []string{"alert_at out_of_range"}},
		{"six thresholds", budget.Draft{Amount: "5", AlertAt: []string{".1", "0.2", "0.3", "0.4", "0.5", "0.6"}},
			[]string{"alert_at/0 malformed_ratio"}},
		{"six thresholds that can be read",
			budget.Draft{Amount: "5", AlertAt: []string{"0.1", "0.2", "0.3", "0.4", "0.5", "0.6"}},
			[]string{"alert_at out_of_range"}},
		{"thresholds that fall", budget.Draft{Amount: "5", AlertAt: []string{"1", "0.8"}},
			[]string{"alert_at/1 not_ascending"}},
		{"a threshold twice", budget.Draft{Amount: "5", AlertAt: []string{"0.8", "0.80"}},
			[]string{"alert_at/1 not_ascending"}},
		{"another currency and a limit and a cap that are wrong in every currency",
			budget.Draft{Amount: "0", Currency: "EUR", Rollover: "both", RolloverCap: "-1"},
			[]string{"currency not_home_currency", "amount not_positive", "rollover_cap not_positive"}},
		{"an unknown rollover and a cap that is wrong with every rollover",
			budget.Draft{Amount: "5", Rollover: "x", RolloverCap: "0"},
			[]string{"rollover unknown_value", "rollover_cap not_positive"}},
		{"all at once",
			budget.Draft{
				ID: "x", CategoryID: "y", FromMonth: "May", UntilMonth: "2025-13", Amount: "five", Currency: "EUR",
				AlertAt: []string{"0", "a"},
			},
			[]string{
				"id malformed_id", "category_id malformed_id", "from_month malformed_month", "until_month impossible_month",
				"currency not_home_currency", "amount malformed_amount", "alert_at/0 out_of_range",
				"alert_at/1 malformed_ratio",
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := l.add(test.draft)
			if got := codes(err); !slices.Equal(got, test.want) {
				t.Errorf("Add(%+v): %v, want field errors %q", test.draft, err, test.want)
			}
		})
	}
	if snapshot, err := l.store.Reader(owner).BudgetSnapshot(t.Context()); err != nil || len(snapshot.Budgets) != 0 {
		t.Errorf("after rejected drafts the snapshot has %d budgets, %v; want 0", len(snapshot.Budgets), err)
	}
}

func TestAdd_RepeatedID(t *testing.T) {
	l := newLedger(t)
	food := l.category("Food").String()
	draft := budget.Draft{
		ID: someID, CategoryID: food, FromMonth: "2025-05", UntilMonth: "2026-04", Amount: "500.00", Currency: "USD",
		AlertAt: []string{"0.5", "1"},
	}
	first := l.mustAdd(draft)
	with := func(edit func(*budget.Draft)) budget.Draft {
		other := draft
		edit(&other)
		return other
	}
	for _, test := range []struct {
		name  string
		draft budget.Draft
		same  bool
	}{
		{"the same request", draft, true},
		{"fewer members, all equal", budget.Draft{ID: someID, CategoryID: food, Amount: "500"}, true},
		{"the same numbers written otherwise",
			with(func(d *budget.Draft) { d.Amount, d.AlertAt = "500.0", []string{"0.50", "1.0000"} }), true},
		{"another limit", with(func(d *budget.Draft) { d.Amount = "501" }), false},
		{"a limit that is no number", with(func(d *budget.Draft) { d.Amount = "x" }), false},
		{"another currency", with(func(d *budget.Draft) { d.Currency = "EUR" }), false},
		{"another start", with(func(d *budget.Draft) { d.FromMonth = "2025-06" }), false},
		{"another end", with(func(d *budget.Draft) { d.UntilMonth = "2026-05" }), false},
		{"other thresholds", with(func(d *budget.Draft) { d.AlertAt = []string{"0.5"} }), false},
		{"the whole ledger", with(func(d *budget.Draft) { d.CategoryID = "" }), false},
		{"another id for the same category", with(func(d *budget.Draft) { d.ID = "" }), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			added, err := l.add(test.draft)
			switch {
			case test.same && (err != nil || added.Created || !reflect.DeepEqual(added.Budget, first)):
				t.Errorf("Add = %+v, %v; want the stored budget and Created false", added, err)
			case !test.same && !errors.Is(err, expense.ErrExists):
				t.Errorf("Add = %+v, %v, want ErrExists", added, err)
			}
		})
	}
	t.Run("after another limit was set from a month on", func(t *testing.T) {
		if _, err := l.change(first.ID, budget.Patch{Amount: ptr("600"), FromMonth: ptr("2025-07")},
			expense.Precondition{}); err != nil {
			t.Fatal(err)
		}
		if added, err := l.add(draft); !errors.Is(err, expense.ErrExists) {
			t.Errorf("Add = %+v, %v, want ErrExists", added, err)
		}
	})
	t.Run("after it was deleted", func(t *testing.T) {
		if err := l.delete(first.ID, expense.Precondition{}); err != nil {
			t.Fatal(err)
		}
		if added, err := l.add(draft); !errors.Is(err, expense.ErrGone) {
			t.Errorf("Add = %+v, %v, want ErrGone", added, err)
		}
	})
	t.Run("under a new id after it was deleted", func(t *testing.T) {
		again := with(func(d *budget.Draft) { d.ID = "" })
		if b := l.mustAdd(again); b.ID == uuid.MustParse(someID) {
			t.Errorf("the new budget has the id of the deleted one")
		}
	})
}

func TestAdd_AllowsOneLedgerBudgetBesideCategoryBudgets(t *testing.T) {
	l := newLedger(t)
	l.mustAdd(budget.Draft{Amount: "2000"})
	l.mustAdd(budget.Draft{Amount: "500", CategoryID: l.category("Food").String()})
	if _, err := l.add(budget.Draft{Amount: "1000"}); !errors.Is(err, expense.ErrExists) {
		t.Errorf("Add of a second budget for the whole ledger: %v, want ErrExists", err)
	}
}
