package budget_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

var food = uuid.MustParse("00000000-0000-7000-8000-00000000f00d")

// snapshotOf returns the snapshot of a ledger with one category, Food, and one budget for it.
func snapshotOf(code, locale, limit string, alerts ...budget.Ratio) budget.Snapshot {
	if len(alerts) == 0 {
		alerts = []budget.Ratio{8000, 10000}
	}
	return budget.Snapshot{
		Settings:   expense.Settings{Home: expense.MustCurrency(code), Locale: locale},
		Categories: []expense.Category{{ID: food, Name: "Food"}},
		Budgets: []budget.Budget{{
			ID: uuid.MustParse(someID), CategoryID: food, AlertAt: alerts,
			Entries: []budget.Entry{{From: expense.MustMonth("2025-01"), Limit: expense.MustMoney(limit, code)}},
		}},
	}
}

func spentOn(category uuid.UUID, amount expense.Money) expense.Total {
	return expense.Total{Period: expense.MustDate("2025-05-01"), CategoryID: category, Count: 1, Amount: amount,
		Home: amount, Pending: amount.Neg()}
}

// fixedReader is a Reader that returns a fixed snapshot and fixed totals. A store might never return them.
type fixedReader struct {
	budget.Reader
	snapshot budget.Snapshot
	totals   []expense.Total
}

func (r fixedReader) BudgetSnapshot(context.Context) (budget.Snapshot, error) { return r.snapshot, nil }

func (r fixedReader) Totals(context.Context, expense.TotalsQuery) ([]expense.Total, error) {
	return r.totals, nil
}

// readMay returns the progress of May 2025 on the day today, with total as the only total.
func readMay(t *testing.T, snapshot budget.Snapshot, today string, total expense.Total) (budget.MonthProgress, error) {
	reader := fixedReader{snapshot: snapshot, totals: []expense.Total{total}}
	return budget.ReadMonth(t.Context(), reader, expense.MustDate(today).StartIn(time.UTC), expense.MustMonth("2025-05"))
}

// progressOf returns the progress of the only budget of snapshot in May 2025 on the day today, after spending spent.
func progressOf(t *testing.T, snapshot budget.Snapshot, today, spent string) budget.Progress {
	t.Helper()
	month, err := readMay(t, snapshot, today, spentOn(food, expense.MustMoney(spent, snapshot.Settings.Home.Code())))
	if err != nil || len(month.ByCategory) != 1 || month.Total != nil {
		t.Fatalf("ReadMonth = %+v, %v, want one budget", month, err)
	}
	return month.ByCategory[0]
}

func TestProgress_StateRatioAndBar(t *testing.T) {
	usual, tolerant, early, lax := []budget.Ratio(nil), []budget.Ratio{9000, 12000}, []budget.Ratio{2500,
		5000}, []budget.Ratio{15000}
	for _, test := range []struct {
		name                string
		limit, spent        string
		alerts              []budget.Ratio
		state, ratio, cells string // cells is the number of full cells in the bar
	}{
		{"nothing spent", "500", "0", usual, "ok", "0.00", "0"},
		{"well below", "500", "320", usual, "ok", "0.64", "12"},
		{"a cent below the warning", "500", "399.99", usual, "ok", "0.79", "15"},
		{"at the warning", "500", "400", usual, "warning", "0.80", "16"},
		{"a cent below the limit", "500", "499.99", usual, "warning", "0.99", "19"},
		{"at the limit", "500", "500", usual, "over", "1.00", "20"},
		{"far over", "500", "1500", usual, "over", "3.00", "20"},
		{"refunds beyond the spending", "500", "-10", usual, "ok", "-0.02", "0"},
		{"less than a hundredth is cut", "200", "1", usual, "ok", "0.00", "0"},
		{"below nothing too", "200", "-1", usual, "ok", "0.00", "0"},
		{"less than that is nothing, without a sign", "201", "-1", usual, "ok", "0.00", "0"},
		{"over at the limit though a threshold lies beyond", "500", "500", tolerant, "over", "1.00", "20"},
		{"a warning from the lowest threshold", "500", "450", tolerant, "warning", "0.90", "18"},
		{"not over at the highest threshold below the limit", "500", "250", early, "warning", "0.50", "10"},
		{"over without a warning where the lowest threshold lies beyond", "500", "500", lax, "over", "1.00", "20"},
		{"ok up to the limit there", "500", "499.99", lax, "ok", "0.99", "19"},
		{"the largest amounts", "9999999999999.99", "9999999999999.98", usual, "warning", "0.99", "19"},
		{"the smallest limit and the largest spending", "0.01", "9999999999999.99", usual, "over", "999.99", "20"},
		{"the smallest limit and the largest refund", "0.01", "-9999999999999.99", usual, "ok", "-999.99", "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := progressOf(t, snapshotOf("USD", "en-US", test.limit, test.alerts...), "2025-05-10", test.spent)
			cells := fmt.Sprint(strings.Count(p.Bar(), "█"))
			if p.State.String() != test.state || p.Ratio() != test.ratio || cells != test.cells {
				t.Errorf("%s of %s: %s %s %s (%s cells), want %s %s %s cells",
					test.spent, test.limit, p.State, p.Ratio(), p.Bar(), cells, test.state, test.ratio, test.cells)
			}
			if n := len([]rune(p.Bar())); n != 20 {
				t.Errorf("bar %s has %d cells, want 20", p.Bar(), n)
			}
		})
	}
}

func TestProgress_RemainingDaysAndProjection(t *testing.T) {
	for _, test := range []struct {
		name, currency, today, limit, spent string
		remaining, projected                string
		left                                int
	}{
		{"a third of the way", "USD", "2025-05-10", "500", "320", "180.00", "992.00", 21},
		{"on the first day", "USD", "2025-05-01", "500", "10", "490.00", "310.00", 30},
		{"on the last day", "USD", "2025-05-31", "500", "320", "180.00", "320.00", 0},
		{"after the month", "USD", "2025-06-01", "500", "520.50", "-20.50", "520.50", 0},
		{"before the month", "USD", "2025-04-30", "500", "80", "420.00", "80.00", 31},
		{"a projection of half a yen rounds up", "JPY", "2025-05-02", "1000", "1", "999", "16", 29},
		{"a projection of half a yen back rounds down", "JPY", "2025-05-02", "1000", "-1", "1001", "-16", 29},
		{"three digits", "KWD", "2025-05-03", "10", "1", "9.000", "10.333", 28},
		{"a projection beyond all amounts", "USD", "2025-05-01", "500", "9999999999999.99",
			"-9999999999499.99", "9999999999999.99", 30},
		{"a rest beyond all amounts", "USD", "2025-05-31", "9999999999999.99", "-1", "9999999999999.99", "-1.00", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := progressOf(t, snapshotOf(test.currency, "en", test.limit), test.today, test.spent)
			if p.Remaining.Amount() != test.remaining || p.Projected.Amount() != test.projected || p.DaysLeft != test.left {
				t.Errorf("remaining %s, projected %s, %d days left, want %s, %s, %d",
					p.Remaining.Amount(), p.Projected.Amount(), p.DaysLeft, test.remaining, test.projected, test.left)
			}
		})
	}
}

// A category name with bidirectional control characters must not reorder the amounts. Older versions accepted such
// names. A name in a right-to-left script is isolated.
func TestProgress_TextIsolatesBidiNames(t *testing.T) {
	for name, want := range map[string]string{
		"Food \u202e\u2066": "Food : $320 / $500 spent", "טיולים": "\u2068טיולים\u2069: $320 / $500 spent",
	} {
		snapshot := snapshotOf("USD", "en-US", "500")
		snapshot.Categories[0].Name = name
		if got := progressOf(t, snapshot, "2025-05-10", "320").Text; got != want {
			t.Errorf("text for the name %+q = %+q, want %+q", name, got, want)
		}
	}
}

// Expenses dated after today are added to the projection. They do not count as spending so far.
func TestProgress_ProjectsSpendingSoFar(t *testing.T) {
	l := newLedger(t)
	food := l.category("Food").String()
	l.mustAdd(budget.Draft{CategoryID: food, Amount: "500", FromMonth: "2025-04"})
	l.mustAdd(budget.Draft{Amount: "900", FromMonth: "2025-04"})
	for _, e := range []expense.Draft{
		{Amount: "50", CategoryID: food, Date: "2025-05-01"}, {Amount: "50", CategoryID: food, Date: "2025-05-10"},
		{Amount: "200", CategoryID: food, Date: "2025-05-11"}, {Amount: "9", Category: "Travel", Date: "2025-05-31"},
		{Amount: "1000", CategoryID: food, Date: "2025-06-01"}, {Amount: "77", CategoryID: food, Date: "2025-04-30"},
	} {
		l.spend(e)
	}
	may := l.read("2025-05")
	if got := may.ByCategory[0].Projected.Amount() + " " + may.Total.Projected.Amount(); got != "510.00 519.00" {
		t.Errorf("on 10 May, with 100 spent and 200 or 209 dated ahead, the projections of May are %s", got)
	}
	if got := l.history("2025-04", "2025-06"); got[0].ByCategory[0].Projected.Amount() != "77.00" ||
		got[2].ByCategory[0].Projected.Amount() != "1000.00" ||
		got[1].ByCategory[0].Projected != may.ByCategory[0].Projected {
		t.Errorf("the projections of April, May and June are %s, %s, %s",
			got[0].ByCategory[0].Projected, got[1].ByCategory[0].Projected,
			got[2].ByCategory[0].Projected)
	}
}

func TestProgress_TextInLedgerLocale(t *testing.T) {
	for _, test := range []struct{ locale, currency, spent, limit, want string }{
		{"en-US", "USD", "320", "500", "Food: $320 / $500 spent"},
		{"en-US", "USD", "320.5", "500", "Food: $320.50 / $500 spent"},
		{"en-US", "USD", "-20", "1500", "Food: -$20 / $1,500 spent"},
		{"de-DE", "EUR", "320", "500", "Food: 320 € von 500 € ausgegeben"},
		{"fr", "EUR", "320", "500", "Food : 320 € sur 500 € dépensés"},
		{"ja", "JPY", "3200", "5000", "Food:￥5,000のうち￥3,200を使用"},
		{"sv", "SEK", "320", "500", "Food: 320 kr av 500 kr förbrukat"},
		{"hi-IN", "INR", "320", "123456", "Food: ₹1,23,456 में से ₹320 खर्च"},
		{"ar-KW", "KWD", "320", "500",
			"\u2068Food\u2069: أُنفق \u200f٣٢٠ د.ك.\u200f من \u200f٥٠٠ د.ك.\u200f"},
		{"zh-TW", "TWD", "320", "500", "Food：已使用 $320 / $500"},
		{"sw", "USD", "320", "500", "Food: US$ 320 / US$ 500"}, // falls back to a text without words
	} {
		t.Run(test.locale+" "+test.spent, func(t *testing.T) {
			p := progressOf(t, snapshotOf(test.currency, test.locale, test.limit), "2025-05-10", test.spent)
			if got := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(p.Text); got != test.want {
				t.Errorf("text = %q, want %q", got, test.want)
			}
		})
	}
}

func TestReadMonth_LedgerBudgetIsTotal(t *testing.T) {
	l := newLedger(t)
	foodID, travel := l.category("Food").String(), l.category("Travel").String()
	total := l.mustAdd(budget.Draft{Amount: "1000"})
	l.mustAdd(budget.Draft{Amount: "300", CategoryID: travel})
	l.mustAdd(budget.Draft{Amount: "500", CategoryID: foodID})
	l.mustAdd(budget.Draft{Amount: "50", CategoryID: l.category("Health").String(), FromMonth: "2025-06"})
	l.spend(
		expense.Draft{Amount: "320", CategoryID: foodID, Date: "2025-05-02"},
		expense.Draft{Amount: "-20", CategoryID: foodID, Date: "2025-05-03"},
		expense.Draft{Amount: "7", CategoryID: travel, Date: "2025-05-04"},
		expense.Draft{Amount: "3.250", Currency: "KWD", CategoryID: travel, Date: "2025-05-05"},
		expense.Draft{Amount: "40", Category: "Other", Date: "2025-05-05"},
		expense.Draft{Amount: "99", CategoryID: foodID, Date: "2025-04-30"},
		expense.Draft{Amount: "99", CategoryID: foodID, Date: "2025-06-01"},
	)
	report := l.read("2025-05")
	var got []string
	for _, p := range append(slices.Clone(report.ByCategory), *report.Total) {
		got = append(got, fmt.Sprint(p.Text, " ", p.Remaining, " ", p.Spent.Count, " ", p.Spent.Complete(), p.Spent.Pending))
	}
	want := []string{
		"Food: $300 / $500 spent 200.00 USD 2 true []",
		"Travel: $7 / $300 spent 293.00 USD 2 false [3.250 KWD]",
		"Total: $347 / $1,000 spent 653.00 USD 5 false [3.250 KWD]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("progress of May =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if report.Total.BudgetID != total.ID || report.Total.CategoryID != uuid.Nil || report.Total.CategoryName != "" {
		t.Errorf("total = %+v, want the progress of budget %s", report.Total, total.ID)
	}
	if april := l.read("2025-04"); len(april.ByCategory) != 0 || april.Total != nil {
		t.Errorf("progress of April = %+v, want none before the first budget", april)
	}
	if june := l.read("2025-06"); len(june.ByCategory) != 3 || june.ByCategory[1].CategoryName != "Health" {
		t.Errorf("progress of June = %+v, want Food, Health, Travel", june.ByCategory)
	}
}

func TestReadMonth_DefaultIsThisMonthInLedgerZone(t *testing.T) {
	l := newLedger(t)
	err := l.update(func(tx store.Tx) error {
		draft := expense.SettingsDraft{TimeZone: ptr("Pacific/Auckland")}
		_, err := expense.ChangeSettings(t.Context(), tx, l.env, draft, expense.Precondition{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	report, err := budget.ReadMonth(t.Context(), l.store.Reader(owner), noon.AddDate(0, 0, 21), expense.Month{})
	if err != nil || report.Month != expense.MustMonth("2025-06") {
		t.Errorf("Read = %v, %v, want June", report.Month, err)
	}
}

func TestReadMonth_BudgetOfMergedCategoryKeepsName(t *testing.T) {
	l := newLedger(t)
	l.env.Now = noon.AddDate(0, 2, 0)
	b := l.mustAdd(budget.Draft{Amount: "500", CategoryID: l.category("Food").String(), FromMonth: "2025-05"})
	err := l.update(func(tx store.Tx) error {
		_, err := expense.MergeCategories(t.Context(), tx, l.env, l.category("Food"), l.category("Health"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	june := l.read("2025-06")
	if len(june.ByCategory) != 1 || june.ByCategory[0].BudgetID != b.ID || june.ByCategory[0].CategoryName != "Food" {
		t.Errorf("progress of June = %+v, want Food's budget under its old name", june.ByCategory)
	}
	if july := l.read("2025-07"); len(july.ByCategory) != 0 {
		t.Errorf("progress of July = %+v, want none after the budget ended", july.ByCategory)
	}
}

func TestReadMonth_InvalidTotalsAreNotErrInvalid(t *testing.T) {
	total := spentOn(food, expense.MustMoney("5", "EUR"))
	_, err := readMay(t, snapshotOf("USD", "en", "500"), "2025-05-10", total)
	if err == nil || len(expense.InvalidErrors(err)) != 0 {
		t.Errorf("totals in EUR with the home currency USD: %v, want an error other than ErrInvalid", err)
	}
}

// The progress of each budget equals the sum of the expenses that the same filter lists. A higher limit in June does
// not change May.
func TestProgress_EqualsSumOfExpenses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(t)
		l.env.Rates = rates{"EURUSD": "1.0825", "JPYUSD": "0.00689"}
		names := []string{"Food", "Travel", "Other"}
		for range rapid.IntRange(0, 12).Draw(t, "expenses") {
			amount := fmt.Sprint(rapid.SampledFrom([]int{-900, -7, 1, 12, 480, 100000}).Draw(t, "amount"))
			l.spend(expense.Draft{
				Amount: amount, Currency: rapid.SampledFrom([]string{"USD", "EUR", "JPY", "KWD"}).Draw(t, "currency"),
				Category: rapid.SampledFrom(names).Draw(t, "category"),
				Date:     rapid.SampledFrom([]string{"2025-05-05", "2025-05-08", "2025-05-10", "2025-06-02"}).Draw(t, "date"),
			})
		}
		for _, name := range names[:rapid.IntRange(0, 3).Draw(t, "budgets")] {
			l.mustAdd(budget.Draft{Amount: "500", CategoryID: l.category(name).String()})
		}
		whole := l.mustAdd(budget.Draft{Amount: "1000"})
		may := l.read("2025-05")
		for _, p := range append(slices.Clone(may.ByCategory), *may.Total) {
			filter := expense.Filter{Dates: expense.MustMonth("2025-05").Range()}
			if p.CategoryID != uuid.Nil {
				filter.Categories = []uuid.UUID{p.CategoryID}
			}
			minor, count, pending := int64(0), 0, map[string]int64{}
			for e, err := range l.store.Reader(owner).Expenses(context.Background(), expense.Query{Filter: filter}) {
				if err != nil {
					t.Fatalf("list expenses: %v", err)
				}
				count++
				minor += e.Home.Minor()
				if e.Pending() {
					pending[e.Amount.Currency().Code()] += e.Amount.Minor()
				}
			}
			if p.Spent.Home.Minor() != minor || p.Spent.Count != count || p.Remaining.Minor() != p.Limit.Minor()-minor {
				t.Fatalf("%s: %d expenses, %s remaining; the listed expenses are %d with %d minor units",
					p.Text, p.Spent.Count, p.Remaining, count, minor)
			}
			if p.Spent.Complete() != (len(pending) == 0) || len(p.Spent.Pending) != len(pending) {
				t.Fatalf("pending = %v, want the listed %v", p.Spent.Pending, pending)
			}
			for _, m := range p.Spent.Pending {
				if pending[m.Currency().Code()] != m.Minor() {
					t.Fatalf("pending = %v, want the listed %v", p.Spent.Pending, pending)
				}
			}
		}
		if _, err := l.change(whole.ID, budget.Patch{Amount: ptr("2000"), FromMonth: ptr("2025-06")},
			expense.Precondition{}); err != nil {
			t.Fatalf("raise June's limit: %v", err)
		}
		again, june := l.read("2025-05"), l.read("2025-06")
		if fmt.Sprint(*again.Total) != fmt.Sprint(*may.Total) || fmt.Sprint(again.ByCategory) != fmt.Sprint(may.ByCategory) {
			t.Fatalf("after raising June's limit May = %+v, want unchanged %+v", again, may)
		}
		if june.Total.Limit != expense.MustMoney("2000", "USD") {
			t.Fatalf("limit of June = %s", june.Total.Limit)
		}
	})
}
