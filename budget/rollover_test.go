package budget_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

func (l *ledger) history(from, to string) []budget.MonthProgress {
	l.t.Helper()
	var reports []budget.MonthProgress
	err := l.store.View(context.Background(), owner, func(r store.Reader) (err error) {
		reports, err = budget.History(context.Background(), r, l.env.Now, expense.MustMonth(from), expense.MustMonth(to))
		return err
	})
	if err != nil {
		l.t.Fatalf("history from %s to %s: %v", from, to, err)
	}
	return reports
}

func TestRollover_CarriedAmounts(t *testing.T) {
	for _, test := range []struct{ rollover, ceiling, want string }{
		// The limit is 100 a month. The spending is 40, 190, 10 and 0.
		{"none", "", "0.00 60.00, 0.00 -90.00, 0.00 90.00, 0.00 100.00"},
		{"", "", "0.00 60.00, 0.00 -90.00, 0.00 90.00, 0.00 100.00"},
		{"surplus", "", "0.00 60.00, 60.00 -30.00, 0.00 90.00, 90.00 190.00"},
		{"deficit", "", "0.00 60.00, 0.00 -90.00, -90.00 0.00, 0.00 100.00"},
		{"both", "", "0.00 60.00, 60.00 -30.00, -30.00 60.00, 60.00 160.00"},
		{"both", "25", "0.00 60.00, 25.00 -65.00, -25.00 65.00, 25.00 125.00"},
		{"surplus", "10.50", "0.00 60.00, 10.50 -79.50, 0.00 90.00, 10.50 110.50"},
		{"deficit", "10.50", "0.00 60.00, 0.00 -90.00, -10.50 79.50, 0.00 100.00"},
	} {
		t.Run(test.rollover+test.ceiling, func(t *testing.T) {
			l := newLedger(t)
			food := l.category("Food").String()
			l.mustAdd(budget.Draft{CategoryID: food, Amount: "100", FromMonth: "2025-01", Rollover: test.rollover,
				RolloverCap: test.ceiling})
			l.spend(expense.Draft{Amount: "40", CategoryID: food, Date: "2025-01-31"},
				expense.Draft{Amount: "190", CategoryID: food, Date: "2025-02-01"},
				expense.Draft{Amount: "10", CategoryID: food, Date: "2025-03-05"},
				expense.Draft{Amount: "1000", CategoryID: food, Date: "2024-12-31"},
				expense.Draft{Amount: "1000", Category: "Travel", Date: "2025-01-31"})
			var got []string
			for _, month := range l.history("2025-01", "2025-04") {
				got = append(got, month.ByCategory[0].Carried.Amount()+" "+month.ByCategory[0].Remaining.Amount())
			}
			if text := strings.Join(got, ", "); text != test.want {
				t.Errorf("carried and remaining amounts = %s, want %s", text, test.want)
			}
		})
	}
}

func TestRollover_StateAndRatioIncludeCarriedAmount(t *testing.T) {
	for _, test := range []struct{ name, last, spent, want string }{
		{"a surplus widens the limit", "20", "120", "warning 0.66 $120 / $180 "},
		{"a deficit narrows it", "150", "30", "ok 0.60 $30 / $50 "},
		{"a deficit narrows it to a warning", "150", "40", "warning 0.80 $40 / $50 "},
		{"a deficit that leaves nothing is over before anything is spent", "200", "", "over 1.00 $0 / $0 "},
		{"a deficit beyond the limit", "250", "", "over 1.00 $0 / -$50 "},
		{"anything spent beyond it", "250", "0.01", "over 999.99 $0.01 / -$50 "},
		{"a cent that is left", "199.99", "5", "over 500.00 $5 / $0.01 "},
		{"refunds may make up for it", "250", "-70", "ok 0.00 -$70 / -$50 "},
		{"refunds may just not make up for it", "250", "-50", "over 1.00 -$50 / -$50 "},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t)
			food := l.category("Food").String()
			l.mustAdd(budget.Draft{CategoryID: food, Amount: "100", FromMonth: "2025-04", Rollover: "both",
				AlertAt: []string{"0.65", "1"}})
			l.spend(expense.Draft{Amount: test.last, CategoryID: food, Date: "2025-04-10"})
			if test.spent != "" {
				l.spend(expense.Draft{Amount: test.spent, CategoryID: food, Date: "2025-05-01"})
			}
			p := l.read("2025-05").ByCategory[0]
			text, _, _ := strings.Cut(strings.TrimPrefix(p.Text, "Food: "), "spent")
			if got := fmt.Sprint(p.State, " ", p.Ratio(), " ", text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A larger deficit or more spending never lowers the ratio. The state is over if and only if nothing remains.
func TestRollover_RatioIsMonotonic(t *testing.T) {
	money := func(minor int64) expense.Money { return expense.ClampMoney(minor, expense.MustCurrency("USD")) }
	rapid.Check(t, func(t *rapid.T) {
		amounts := rapid.OneOf(rapid.Int64Range(-20_000, 20_000), rapid.Int64Range(-expense.MaxMinor, expense.MaxMinor))
		limit := rapid.OneOf(rapid.Int64Range(1, 20_000), rapid.Int64Range(1, expense.MaxMinor)).Draw(t, "limit")
		progress := func(carried, spent int64) budget.Progress {
			return budget.Progress{Limit: money(limit), Carried: money(carried), Spent: expense.Sum{Home: money(spent)}}
		}
		carried, spent := amounts.Draw(t, "carried"), amounts.Draw(t, "spent")
		less := progress(carried, spent)
		for _, more := range []budget.Progress{
			progress(carried-rapid.Int64Range(0, 30_000).Draw(t, "debt"), spent),
			progress(carried, spent+rapid.Int64Range(0, 30_000).Draw(t, "more spent")),
		} {
			low, high := decimal.RequireFromString(less.Ratio()), decimal.RequireFromString(more.Ratio())
			// A refund is a larger part of a smaller available amount.
			if high.LessThan(low) && (less.Carried == more.Carried || spent >= 0) {
				t.Fatalf("ratio of %+v = %s, ratio of %+v = %s; want no decrease", less, low, more, high)
			}
		}
		ratio := decimal.RequireFromString(less.Ratio())
		if over := limit+less.Carried.Minor()-less.Spent.Home.Minor() <= 0; over != ratio.GreaterThanOrEqual(
			decimal.NewFromInt(1)) {
			t.Fatalf("progress %+v: over = %t, ratio = %s", less, over, ratio)
		}
		if full := strings.Count(less.Bar(), "█") == 20; full != ratio.GreaterThanOrEqual(decimal.NewFromInt(1)) {
			t.Fatalf("progress %+v: bar = %s, ratio = %s", less, less.Bar(), ratio)
		}
	})
}

func TestRaiseAlerts_DeficitAloneRaisesNone(t *testing.T) {
	l := newLedger(t)
	food := l.category("Food").String()
	l.mustAdd(budget.Draft{CategoryID: food, Amount: "100", FromMonth: "2025-03", Rollover: "deficit"})
	// April starts with -250 carried, May with -150.
	l.spend(expense.Draft{Amount: "350", CategoryID: food, Date: "2025-03-10"})
	if got := thresholds(l.raise(noon)); got != "" {
		t.Errorf("without spending in April and May the alerts are %s, want none", got)
	}
	l.spend(expense.Draft{Amount: "-1", CategoryID: food, Date: "2025-05-10"})
	if got := thresholds(l.raise(noon)); got != "" {
		t.Errorf("with refunds only the alerts are %s, want none", got)
	}
	l.spend(expense.Draft{Amount: "1.01", CategoryID: food, Date: "2025-05-10"})
	if got := thresholds(l.raise(noon)); got != "2025-05 0.80, 2025-05 1.00" {
		t.Errorf("after spending one cent the alerts are %q", got)
	}
}

func TestRollover_ReportsPendingAmounts(t *testing.T) {
	l := newLedger(t)
	food := l.category("Food").String()
	l.mustAdd(budget.Draft{CategoryID: food, Amount: "100", FromMonth: "2025-03", Rollover: "surplus"})
	l.spend(expense.Draft{Amount: "3.250", Currency: "KWD", CategoryID: food, Date: "2025-02-28"},
		expense.Draft{Amount: "1.250", Currency: "KWD", CategoryID: food, Date: "2025-03-05"},
		expense.Draft{Amount: "1.000", Currency: "KWD", CategoryID: food, Date: "2025-04-05"},
		expense.Draft{Amount: "5", Currency: "JPY", Category: "Travel", Date: "2025-04-05"})
	var got []string
	for _, month := range l.history("2025-03", "2025-05") {
		p := month.ByCategory[0]
		got = append(got, fmt.Sprintf("%t%v%v", p.Complete(), p.Spent.Pending, p.CarriedPending))
	}
	want := []string{"false[1.250 KWD][]", "false[1.000 KWD][1.250 KWD]", "false[][2.250 KWD]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAdd_RejectsInvalidRollover(t *testing.T) {
	l := newLedger(t)
	for _, test := range []struct {
		name  string
		draft budget.Draft
		want  []string
	}{
		{"another way", budget.Draft{Amount: "5", Rollover: "all"}, []string{"rollover unknown_value"}},
		{"another way, with a cap", budget.Draft{Amount: "5", Rollover: "all", RolloverCap: "1"},
			[]string{"rollover unknown_value"}},
		{"a cap without a rollover", budget.Draft{Amount: "5", RolloverCap: "1"}, []string{"rollover_cap not_applicable"}},
		{"a cap of nothing", budget.Draft{Amount: "5", Rollover: "both", RolloverCap: "0.00"},
			[]string{"rollover_cap not_positive"}},
		{"a cap below nothing", budget.Draft{Amount: "5", Rollover: "both", RolloverCap: "-1"},
			[]string{"rollover_cap not_positive"}},
		{"a cap with too many digits", budget.Draft{Amount: "5", Rollover: "both", RolloverCap: "1.001"},
			[]string{"rollover_cap too_many_digits"}},
	} {
		if _, err := l.add(test.draft); !slices.Equal(codes(err), test.want) {
			t.Errorf("%s: %v, want field errors %q", test.name, err, test.want)
		}
	}
	b := l.mustAdd(budget.Draft{ID: someID, Amount: "5", Rollover: "both", RolloverCap: "1"})
	again, err := l.add(budget.Draft{ID: someID, Amount: "5", Rollover: "both", RolloverCap: "1.00"})
	if err != nil || again.Created {
		t.Errorf("Add of the same draft: %+v, %v", again, err)
	}
	changed, err := l.change(b.ID, budget.Patch{Rollover: ptr("")}, expense.Precondition{})
	if err != nil || changed.Rollover != budget.RolloverNone || changed.RolloverCap != (expense.Money{}) {
		t.Errorf("Change to no rollover: %+v, %v; want no cap", changed, err)
	}
	if _, err := l.change(b.ID, budget.Patch{RolloverCap: ptr("3")}, expense.Precondition{}); !slices.Equal(codes(err),
		[]string{"rollover_cap not_applicable"}) {
		t.Errorf("Change of the cap without a rollover: %v", err)
	}
}

func TestChangeSettingsAndLimits_HomeCurrencyConvertsRolloverCap(t *testing.T) {
	l := newLedger(t)
	b := l.mustAdd(budget.Draft{Amount: "500", Rollover: "both", RolloverCap: "10"})
	if _, err := l.changeSettings(expense.SettingsDraft{HomeCurrency: ptr("KWD")}, "0.5",
		expense.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if got := l.stored(b.ID); got.RolloverCap != expense.MustMoney("5", "KWD") {
		t.Errorf("rollover cap = %s", got.RolloverCap)
	}
}

func TestHistory_RejectsInvalidRanges(t *testing.T) {
	l := newLedger(t)
	r := l.store.Reader(owner)
	for _, test := range []struct{ from, to, want string }{
		{"2025-02", "2025-01", "month_to ends_before_start"}, {"1925-01", "2025-01", "month_to range_too_long"},
	} {
		_, err := budget.History(t.Context(), r, noon, expense.MustMonth(test.from), expense.MustMonth(test.to))
		if got := codes(err); !slices.Equal(got, []string{test.want}) {
			t.Errorf("History from %s to %s: %v, want %s", test.from, test.to, err, test.want)
		}
	}
	months, err := budget.History(t.Context(), r, noon, expense.Month{}, expense.Month{})
	if err != nil || len(months) != 12 || months[11].Month.String() != "2025-05" || months[0].Title != "June 2024" {
		t.Errorf("History without a range: %+v, %v; want the last twelve months", months, err)
	}
	if months, err := budget.History(t.Context(), r, noon, expense.MustMonth("0001-01"),
		expense.MustMonth("0001-02")); err != nil || len(months) != 2 {
		t.Errorf("History of the first months of the calendar: %d months, %v", len(months), err)
	}
	if months, err := budget.History(t.Context(), r, noon, expense.MustMonth("9999-11"),
		expense.MustMonth("9999-12")); err != nil || len(months) != 2 {
		t.Errorf("History of the last months of the calendar: %d months, %v", len(months), err)
	}
}

func TestHistory_LimitsMonthsTimesBudgets(t *testing.T) {
	l := newLedger(t)
	err := l.update(func(tx store.Tx) error {
		for i := range 100 {
			added, err := expense.AddCategory(t.Context(), tx, l.env, expense.CategoryDraft{Name: fmt.Sprint("Category ", i)})
			if err != nil {
				return err
			}
			if _, err := budget.Add(t.Context(), tx, l.env,
				budget.Draft{CategoryID: added.Category.ID.String(), Amount: "5"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	last := expense.MustMonth("2025-05")
	if months, err := budget.History(t.Context(), l.store.Reader(owner), noon, last.Add(-239), last); err != nil ||
		len(months) != 240 {
		t.Errorf("History of 100 budgets over twenty years: %d months, %v", len(months), err)
	}
	_, err = budget.History(t.Context(), l.store.Reader(owner), noon, last.Add(-240), last)
	if got := codes(err); !slices.Equal(got, []string{"month_to range_too_long"}) {
		t.Errorf("History one month longer than the limit: %v", err)
	}
}

// The budget of a merged category still counts in its months. Its limit and its expenses are part of the target
// category.
func TestHistory_AfterMerge(t *testing.T) {
	l := newLedger(t)
	food, health, travel := l.category("Food").String(), l.category("Health").String(), l.category("Travel").String()
	l.mustAdd(budget.Draft{CategoryID: food, Amount: "300", FromMonth: "2025-03"})
	l.mustAdd(budget.Draft{CategoryID: health, Amount: "200", FromMonth: "2025-04", Rollover: "both"})
	l.mustAdd(budget.Draft{Amount: "1000", FromMonth: "2025-03"})
	for _, month := range []string{"2025-03", "2025-04", "2025-05"} {
		l.spend(expense.Draft{Amount: "210", CategoryID: food, Date: month + "-05"},
			expense.Draft{Amount: "50", CategoryID: health, Date: month + "-06"})
	}
	merge := func(from, into string) {
		err := l.update(func(tx store.Tx) error {
			_, err := expense.MergeCategories(t.Context(), tx, l.env, uuid.MustParse(from), uuid.MustParse(into))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	render := func() []string {
		var got []string
		for _, month := range l.history("2025-03", "2025-05") {
			for _, p := range month.All() {
				got = append(got, fmt.Sprint(month.Month, " ", p.Text, " ", p.Limit, " ", p.Carried.Amount()))
			}
		}
		return got
	}
	merge(food, health)
	want := []string{
		"2025-03 Food: $260 / $300 spent 300.00 USD 0.00", // Health had no limit yet
		"2025-03 Total: $260 / $1,000 spent 1000.00 USD 0.00",
		"2025-04 Health: $260 / $500 spent 500.00 USD 0.00", // 200 and Food's 300
		"2025-04 Total: $260 / $1,000 spent 1000.00 USD 0.00",
		"2025-05 Health: $260 / $440 spent 200.00 USD 240.00", // Food's limit ended
		"2025-05 Total: $260 / $1,000 spent 1000.00 USD 0.00",
	}
	if got := render(); !slices.Equal(got, want) {
		t.Errorf("after the merge:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// A second merge moves both budgets.
	merge(health, travel)
	want = []string{
		"2025-03 Food: $260 / $300 spent 300.00 USD 0.00",
		"2025-03 Total: $260 / $1,000 spent 1000.00 USD 0.00",
		"2025-04 Total: $260 / $1,000 spent 1000.00 USD 0.00",
		"2025-05 Total: $260 / $1,000 spent 1000.00 USD 0.00",
	}
	got := slices.DeleteFunc(render(),
		func(line string) bool { return strings.HasPrefix(line, "2025-04 ") && strings.Contains(line, "500.00") })
	if !slices.Equal(got, want) {
		t.Errorf("after the second merge:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// merge merges one starter category into another.
func (l *ledger) merge(from, into string) {
	l.t.Helper()
	err := l.update(func(tx store.Tx) error {
		_, err := expense.MergeCategories(context.Background(), tx, l.env, l.category(from), l.category(into))
		return err
	})
	if err != nil {
		l.t.Fatalf("merge %s into %s: %v", from, into, err)
	}
}

// rows returns the name, limit, carried and remaining amount of each category in each month.
func (l *ledger) rows(from, to string) []string {
	l.t.Helper()
	var rows []string
	for _, month := range l.history(from, to) {
		for _, p := range month.ByCategory {
			rows = append(rows, fmt.Sprint(month.Month, " ", p.CategoryName, " ", p.Limit.Amount(), " ", p.Carried.Amount(), " ",
				p.Remaining.Amount()))
		}
	}
	return rows
}

// After a merge, only the target's budget decides which amount is carried. Food spends 150 of 100 each month. Health
// spends nothing of its 40.
func TestRollover_AfterMergeUsesTargetBudget(t *testing.T) {
	for _, test := range []struct {
		name   string
		target *budget.Draft
		want   []string
	}{
		{"a target that carries a debt has it", &budget.Draft{Amount: "40", FromMonth: "2025-03", Rollover: "both"}, []string{
			"2025-03 Health 140.00 0.00 -10.00", "2025-04 Health 140.00 -10.00 -20.00", "2025-05 Health 40.00 -20.00 20.00"}},
		{"with one that carries surpluses alone it lapses",
			&budget.Draft{Amount: "40", FromMonth: "2025-03", Rollover: "surplus"}, []string{
				"2025-03 Health 140.00 0.00 -10.00", "2025-04 Health 140.00 0.00 -10.00", "2025-05 Health 40.00 0.00 40.00"}},
		{"with one that carries nothing too", &budget.Draft{Amount: "40", FromMonth: "2025-03"}, []string{
			"2025-03 Health 140.00 0.00 -10.00", "2025-04 Health 140.00 0.00 -10.00", "2025-05 Health 40.00 0.00 40.00"}},
		{"one that began later takes over what was carried",
			&budget.Draft{Amount: "40", FromMonth: "2025-04", Rollover: "both"}, []string{
				"2025-03 Food 100.00 0.00 -50.00", "2025-04 Health 140.00 -50.00 -60.00", "2025-05 Health 40.00 -60.00 -20.00"}},
		{"one that began in the month of the merge begins with nothing",
			&budget.Draft{Amount: "40", FromMonth: "2025-05", Rollover: "both"}, []string{
				"2025-03 Food 100.00 0.00 -50.00", "2025-04 Food 100.00 -50.00 -100.00", "2025-05 Health 40.00 0.00 40.00"}},
		{"without one it lapses with the series", nil, []string{
			"2025-03 Food 100.00 0.00 -50.00", "2025-04 Food 100.00 -50.00 -100.00"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLedger(t)
			l.mustAdd(budget.Draft{CategoryID: l.category("Food").String(), Amount: "100", FromMonth: "2025-03",
				Rollover: "deficit"})
			if test.target != nil {
				test.target.CategoryID = l.category("Health").String()
				l.mustAdd(*test.target)
			}
			l.spend(expense.Draft{Amount: "150", Category: "Food", Date: "2025-03-05"},
				expense.Draft{Amount: "150", Category: "Food", Date: "2025-04-05"})
			l.merge("Food", "Health")
			l.spend(expense.Draft{Amount: "5", Category: "Travel", Date: "2025-05-05"})
			if got := l.rows("2025-01", "2025-05"); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestAdd_AfterMergeKeepsEarlierMonths(t *testing.T) {
	l := newLedger(t)
	l.mustAdd(budget.Draft{CategoryID: l.category("Food").String(), Amount: "100", FromMonth: "2025-03", Rollover: "both"})
	l.spend(expense.Draft{Amount: "150", Category: "Food", Date: "2025-03-05"},
		expense.Draft{Amount: "30", Category: "Health", Date: "2025-04-05"})
	l.merge("Food", "Health")
	before := l.rows("2025-01", "2025-12")
	l.mustAdd(budget.Draft{CategoryID: l.category("Health").String(), Amount: "80", FromMonth: "2025-06",
		Rollover: "both"})
	got := l.rows("2025-01", "2025-12")
	if len(got) != len(before)+7 || !slices.Equal(got[:len(before)], before) ||
		got[len(before)] != "2025-06 Health 80.00 0.00 80.00" {
		t.Errorf("after adding the budget:\n%s\nwant unchanged:\n%s", strings.Join(got, "\n"), strings.Join(before, "\n"))
	}
}

func TestReadMonth_ArchivedCategoryKeepsBudget(t *testing.T) {
	l := newLedger(t)
	food := l.category("Food")
	l.mustAdd(budget.Draft{CategoryID: food.String(), Amount: "300"})
	l.spend(expense.Draft{Amount: "5", CategoryID: food.String(), Date: "2025-05-05"})
	before := fmt.Sprint(l.read("2025-05"))
	err := l.update(func(tx store.Tx) error {
		_, err := expense.ChangeCategory(t.Context(), tx, l.env, food, expense.CategoryPatch{Archived: ptr(true)},
			expense.Precondition{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := fmt.Sprint(l.read("2025-05")); after != before {
		t.Errorf("after archiving: %s, want unchanged %s", after, before)
	}
}

// The carried amount depends only on the history. A month has the same carried amount if it is read alone or as part of
// a range. The spending equals the sum of the listed expenses.
func TestRollover_IsIndependentOfFirstMonth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(t)
		l.env.Rates = rates{"EURUSD": "1.0825", "JPYUSD": "0.00689"}
		rollover := rapid.SampledFrom([]string{"none", "surplus", "deficit", "both"}).Draw(t, "rollover")
		draft := budget.Draft{CategoryID: l.category("Food").String(), Amount: "100", FromMonth: "2024-11",
			Rollover: rollover}
		if rollover != "none" && rapid.Bool().Draw(t, "capped") {
			draft.RolloverCap = rapid.SampledFrom([]string{"0.01", "40", "250"}).Draw(t, "cap")
		}
		b := l.mustAdd(draft)
		if rapid.Bool().Draw(t, "raised") {
			if _, err := l.change(b.ID, budget.Patch{Amount: ptr("120"), FromMonth: ptr("2025-02")},
				expense.Precondition{}); err != nil {
				t.Fatalf("change the limit: %v", err)
			}
		}
		first := expense.MustMonth("2024-10")
		for range rapid.IntRange(0, 15).Draw(t, "expenses") {
			day := first.Add(rapid.IntRange(0, 7).Draw(t, "month")).First().AddDays(rapid.IntRange(0, 27).Draw(t, "day"))
			l.spend(expense.Draft{
				Amount: fmt.Sprint(rapid.SampledFrom([]int{-80, -7, 1, 12, 95, 230}).Draw(t, "amount")), Date: day.String(),
				Currency: rapid.SampledFrom([]string{"USD", "EUR", "JPY", "KWD"}).Draw(t, "currency"),
				Category: rapid.SampledFrom([]string{"Food", "Travel"}).Draw(t, "category"),
			})
		}
		// A month is also the same after a merge, if it is read alone or as part of a range.
		defer func() {
			for _, name := range []string{"Travel", "Food"} {
				if rapid.Bool().Draw(t, name+" has a budget") {
					_, _ = l.add(budget.Draft{
						CategoryID: l.category(name).String(), Amount: "60",
						FromMonth: rapid.SampledFrom([]string{"2024-12", "2025-03", "2025-05"}).Draw(t, "from"),
						Rollover:  rapid.SampledFrom([]string{"none", "surplus", "deficit", "both"}).Draw(t, name+"'s rollover"),
					})
				}
			}
			l.env.Now = noon.AddDate(0, rapid.IntRange(-3, 0).Draw(t, "merged before"), 0)
			l.merge("Travel", "Food")
			l.env.Now = noon
			if rapid.Bool().Draw(t, "twice") {
				l.merge("Food", "Health")
			}
			whole := l.history("2024-10", "2025-05")
			for i := range whole {
				for from := range i + 1 {
					part := l.history(first.Add(from).String(), first.Add(i).String())
					if fmt.Sprint(part[len(part)-1]) != fmt.Sprint(whole[i]) {
						t.Fatalf("after the merge, %s read from %s is %+v, but from %s it is %+v", first.Add(i), first.Add(from),
							part[len(part)-1], first, whole[i])
					}
				}
			}
		}()
		whole := l.history("2024-10", "2025-05")
		carried := int64(0)
		for i, report := range whole {
			month := first.Add(i)
			for from := range i + 1 {
				part := l.history(first.Add(from).String(), month.String())
				if fmt.Sprint(part[len(part)-1]) != fmt.Sprint(report) {
					t.Fatalf("%s read from %s is %+v, but from %s it is %+v", month, first.Add(from), part[len(part)-1], first,
						report)
				}
			}
			if i == 0 {
				if len(report.ByCategory) != 0 {
					t.Fatalf("progress before the first entry = %+v, want none", report.ByCategory)
				}
				continue
			}
			spent := int64(0)
			filter := expense.Filter{Dates: month.Range(), Categories: []uuid.UUID{l.category("Food")}}
			for e, err := range l.store.Reader(owner).Expenses(context.Background(), expense.Query{Filter: filter}) {
				if err != nil {
					t.Fatalf("list expenses: %v", err)
				}
				spent += e.Home.Minor()
			}
			p := report.ByCategory[0]
			left := p.Limit.Minor() + carried - spent
			if p.Carried.Minor() != carried || p.Spent.Home.Minor() != spent || p.Remaining.Minor() != left {
				t.Fatalf("%s: %+v, want carried %d, spent %d, remaining %d", month, p, carried, spent, left)
			}
			carried = left
			if rollover == "none" || rollover == "surplus" {
				carried = max(carried, 0)
			}
			if rollover == "none" || rollover == "deficit" {
				carried = min(carried, 0)
			}
			if most := b.RolloverCap.Minor(); most > 0 {
				carried = max(min(carried, most), -most)
			}
		}
	})
}

func (l *ledger) raise(now time.Time) []budget.Alert {
	l.t.Helper()
	raised, err := jobs.RaiseAlerts(context.Background(), l.store, owner, now)
	if err != nil {
		l.t.Fatalf("raise alerts: %v", err)
	}
	return raised
}

func thresholds(alerts []budget.Alert) string {
	var texts []string
	for _, alert := range alerts {
		texts = append(texts, alert.Month.String()+" "+alert.Threshold.String())
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func TestRaiseAlerts_OncePerBudgetThresholdAndMonth(t *testing.T) {
	l := newLedger(t)
	food := l.category("Food").String()
	l.mustAdd(budget.Draft{CategoryID: food, Amount: "100", FromMonth: "2025-03"})
	spend := func(amount, date string) { l.spend(expense.Draft{Amount: amount, CategoryID: food, Date: date}) }
	for _, step := range []struct {
		name, amount, date, want string
	}{
		{"below the lowest threshold", "79.99", "2025-05-01", ""},
		{"at it", "0.01", "2025-05-02", "2025-05 0.80"},
		{"above it", "5", "2025-05-02", ""},
		{"below it again", "-50", "2025-05-03", ""},
		{"across both at once", "80", "2025-05-03", "2025-05 1.00"},
		{"late in the month before", "100", "2025-04-30", "2025-04 0.80, 2025-04 1.00"},
		{"long before", "500", "2025-03-30", ""},
		{"ahead of the month", "90", "2025-06-01", ""},
	} {
		spend(step.amount, step.date)
		version := l.version()
		if got := thresholds(l.raise(l.env.Now)); got != step.want {
			t.Errorf("%s: alerts = %q, want %q", step.name, got, step.want)
		}
		if again := l.raise(l.env.Now); len(again) != 0 {
			t.Errorf("%s: second RaiseAlerts = %+v, want none", step.name, again)
		}
		if moved := l.version() != version; moved != (step.want != "") {
			t.Errorf("%s: ledger version changed = %t", step.name, moved)
		}
	}
	if got := thresholds(l.raise(noon.AddDate(0, 1, 0))); got != "2025-06 0.80" {
		t.Errorf("alerts in June = %q", got)
	}
	alerts, err := l.store.Reader(owner).Alerts(t.Context(), expense.Month{})
	if err != nil || len(alerts) != 5 {
		t.Fatalf("Alerts = %+v, %v", alerts, err)
	}
	for _, alert := range alerts {
		if alert.ID != budget.AlertID(alert.BudgetID, alert.Month, alert.Threshold) || !alert.ReadAt.IsZero() {
			t.Errorf("alert = %+v", alert)
		}
	}
	var read budget.Alert
	for i := range 2 {
		err := l.update(func(tx store.Tx) (err error) {
			read, err = budget.MarkAlertRead(t.Context(), tx, expense.Env{Now: noon.Add(time.Duration(i) * time.Hour)},
				alerts[1].ID)
			return err
		})
		if err != nil || read.ID != alerts[1].ID || !read.ReadAt.Equal(noon) {
			t.Errorf("MarkAlertRead of the second alert, call %d: %+v, %v", i+1, read, err)
		}
	}
	after, err := l.store.Reader(owner).Alerts(t.Context(), expense.Month{})
	if err != nil {
		t.Fatal(err)
	}
	for i, alert := range after {
		if alert.ReadAt.IsZero() != (i != 1) {
			t.Errorf("after the second alert was marked as read, alert %d is %+v", i, alert)
		}
	}
	err = l.update(func(tx store.Tx) error {
		_, err := budget.MarkAlertRead(t.Context(), tx, l.env, uuid.New())
		return err
	})
	if !errors.Is(err, expense.ErrNotFound) {
		t.Errorf("MarkAlertRead of an unknown alert: %v", err)
	}
}

// version returns the current version of the ledger.
func (l *ledger) version() expense.Version {
	l.t.Helper()
	var version expense.Version
	errRollback := fmt.Errorf("roll back")
	err := l.update(func(tx store.Tx) (err error) {
		settings, err := tx.Settings(context.Background())
		if err == nil {
			version, err = tx.PutSettings(context.Background(), settings)
		}
		if err != nil {
			return err
		}
		return errRollback
	})
	if err != errRollback { //nolint:errorlint // compares the identity
		l.t.Fatalf("read the version: %v", err)
	}
	return version - 1
}

func TestRaiseAlerts_NoneWithoutBudgets(t *testing.T) {
	l := newLedger(t)
	l.spend(expense.Draft{Amount: "1000000"})
	if raised := l.raise(noon); len(raised) != 0 {
		t.Errorf("RaiseAlerts = %+v, want none", raised)
	}
	if raised, err := jobs.NewAlertRaiser(l.store).RaiseAll(t.Context(), noon); err != nil || raised != 0 {
		t.Errorf("RaiseAll = %d, %v", raised, err)
	}
	b := l.mustAdd(budget.Draft{Amount: "10"})
	if raised, err := jobs.NewAlertRaiser(l.store).RaiseAll(t.Context(), noon); err != nil || raised != 2 {
		t.Errorf("RaiseAll = %d, %v, want 2", raised, err)
	}
	// The alerts of a deleted budget remain. A new budget raises its own.
	if err := l.delete(b.ID, expense.Precondition{}); err != nil {
		t.Fatal(err)
	}
	l.mustAdd(budget.Draft{Amount: "10"})
	if raised := l.raise(noon); len(raised) != 2 {
		t.Errorf("alerts of a new budget = %+v", raised)
	}
}
