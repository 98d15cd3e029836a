package report_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

const owner expense.OwnerID = "ada"

// rates maps currency pairs to a rate that applies to every day.
type rates map[string]string

func (r rates) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	value, ok := r[from.Code()+to.Code()]
	if !ok {
		return expense.Rate{}, false
	}
	return expense.Rate{Value: expense.MustFactor(value), Date: on, Source: "test"}, true
}

var env = expense.Env{
	Now:   time.Date(2025, time.May, 20, 12, 0, 0, 0, time.UTC),
	Rates: rates{"USDEUR": "0.90", "JPYEUR": "0.00612", "CLFEUR": "36.1234"},
}

// newLedger returns a store with one ledger in EUR that contains the budgets and expenses.
func newLedger(t ledgertest.T, budgets []budget.Draft, expenses ...expense.Draft) store.Store {
	t.Helper()
	ctx, st := context.Background(), memstore.New()
	ledgertest.Create(t, st, owner, env.Now, expense.SettingsDraft{})
	err := st.Update(ctx, owner, func(tx store.Tx) error {
		for _, draft := range expenses {
			if _, err := expense.Add(ctx, tx, env, draft); err != nil {
				return err
			}
		}
		for _, draft := range budgets {
			if draft.CategoryID != "" {
				category, err := tx.CategoryByName(ctx, draft.CategoryID)
				if err != nil {
					return err
				}
				draft.CategoryID = category.ID.String()
			}
			if _, err := budget.Add(ctx, tx, env, draft); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("add budgets and expenses: %v", err)
	}
	return st
}

func monthly(t ledgertest.T, st store.Store, month string) report.MonthlyReport {
	t.Helper()
	var got report.MonthlyReport
	err := st.View(context.Background(), owner, func(r store.Reader) (err error) {
		got, err = report.Monthly(context.Background(), r, env.Now, expense.MustMonth(month))
		return err
	})
	if err != nil {
		t.Fatalf("Monthly(%s): %v", month, err)
	}
	return got
}

// render formats a report as a few lines.
func render(m report.MonthlyReport) string {
	var b strings.Builder
	sum := func(s expense.Sum) string {
		return fmt.Sprint(s.Home, " ", s.Count, " ", s.Complete(), " ", s.Pending)
	}
	fmt.Fprintln(&b, m.Month, sum(m.Sum))
	for _, c := range m.ByCategory {
		fmt.Fprintf(&b, "%s: %s, share %q, limit %s\n", c.Name, sum(c.Sum), c.Share, c.Limit)
	}
	for _, c := range m.ByCurrency {
		fmt.Fprintf(&b, "%s: %s\n", c.Paid, sum(c.Sum))
	}
	fmt.Fprintln(&b, "before", m.Previous.Dates.From.Month(), sum(m.Previous.Sum), "change", m.Previous.Change)
	fmt.Fprintln(&b, "a year ago", m.YearAgo.Dates.From.Month(), sum(m.YearAgo.Sum), "change", m.YearAgo.Change)
	return b.String()
}

func TestMonthly(t *testing.T) {
	st := newLedger(t,
		[]budget.Draft{{CategoryID: "Food", Amount: "500"}, {CategoryID: "Travel", Amount: "100", FromMonth: "2025-06"},
			{Amount: "1000"}},
		expense.Draft{Amount: "100", Category: "Food", Date: "2025-05-01"},
		expense.Draft{Amount: "100", Category: "Transport", Date: "2025-05-02"},
		expense.Draft{Amount: "100", Category: "Housing", Date: "2025-05-03", Currency: "USD"},
		expense.Draft{Amount: "11.11", Category: "Housing", Date: "2025-05-03", Currency: "USD"},
		expense.Draft{Amount: "2000", Category: "Health", Date: "2025-05-31", Currency: "JPY"},
		expense.Draft{Amount: "-50", Category: "Health", Date: "2025-05-31"},
		expense.Draft{Amount: "3.250", Category: "Travel", Date: "2025-05-31", Currency: "KWD"},
		expense.Draft{Amount: "1.000", Category: "Food", Date: "2025-05-31", Currency: "KWD"},
		expense.Draft{Amount: "40", Category: "Food", Date: "2025-04-30"},
		expense.Draft{Amount: "2.000", Category: "Food", Date: "2025-04-30", Currency: "BHD"},
		expense.Draft{Amount: "99", Category: "Education", Date: "2025-06-01"},
		expense.Draft{Amount: "1000", Category: "Travel", Date: "2024-05-15"},
	)
	for _, test := range []struct{ name, month, want string }{
		{"refunds, pending expenses, equal amounts and budgets", "2025-05", `
2025-05 262.24 EUR 8 false [4.250 KWD]
Food: 100.00 EUR 2 false [1.000 KWD], share "33.34", limit 500.00 EUR
Housing: 100.00 EUR 2 true [], share "33.33", limit 0
Transport: 100.00 EUR 1 true [], share "33.33", limit 0
Travel: 0.00 EUR 1 false [3.250 KWD], share "", limit 0
Health: -37.76 EUR 2 true [], share "", limit 0
150.00 EUR: 150.00 EUR 3 true []
111.11 USD: 100.00 EUR 2 true []
2000 JPY: 12.24 EUR 1 true []
4.250 KWD: 0.00 EUR 2 false [4.250 KWD]
before 2025-04 40.00 EUR 2 false [2.000 BHD] change 222.24 EUR
a year ago 2024-05 1000.00 EUR 1 true [] change -737.76 EUR
`},
		{"a month without expenses", "2025-03", `
2025-03 0.00 EUR 0 true []
before 2025-02 0.00 EUR 0 true [] change 0.00 EUR
a year ago 2024-03 0.00 EUR 0 true [] change 0.00 EUR
`},
		{"the first month there is", "1900-01", `
1900-01 0.00 EUR 0 true []
before 1899-12 0.00 EUR 0 true [] change 0.00 EUR
a year ago 1899-01 0.00 EUR 0 true [] change 0.00 EUR
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := render(monthly(t, st, test.month)); got != test.want[1:] {
				t.Errorf("report =\n%s\nwant\n%s", got, test.want[1:])
			}
		})
	}
}

func TestMonthly_RejectsMonthsOutsideCalendar(t *testing.T) {
	st := newLedger(t, nil)
	for _, month := range []expense.Month{expense.MustMonth("0001-01"), expense.MustMonth("1899-12")} {
		_, err := report.Monthly(t.Context(), st.Reader(owner), env.Now, month)
		fieldErrs := expense.InvalidErrors(err)
		if len(fieldErrs) != 1 || fieldErrs[0].Field != "month" {
			t.Errorf("Monthly(%q): %v, want a field error of month", month, err)
		}
	}
}

func TestMonthly_OfMissingLedgerIsErrNotFound(t *testing.T) {
	_, err := report.Monthly(t.Context(), memstore.New().Reader("nobody"), env.Now, expense.MustMonth("2025-05"))
	if !errors.Is(err, expense.ErrNotFound) {
		t.Errorf("Monthly for an owner without a ledger: %v, want ErrNotFound", err)
	}
}

func TestMonthly_InvalidTotalsAreErrors(t *testing.T) {
	euros := expense.MustMoney("5", "EUR")
	snapshot := budget.Snapshot{Settings: expense.Settings{Home: expense.MustCurrency("EUR")}}
	for _, test := range []struct {
		name  string
		total expense.Total
	}{
		{"of a range that was not asked for", expense.Total{Range: 4, Count: 1, Amount: euros, Home: euros}},
		{"of a category that the snapshot does not have",
			expense.Total{CategoryID: uuid.UUID{1}, Count: 1, Amount: euros, Home: euros}},
		{"in another home currency", expense.Total{Count: 1, Amount: euros, Home: expense.MustMoney("5", "USD")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := fixedReader{snapshot: snapshot, totals: []expense.Total{test.total}}
			_, err := report.Monthly(t.Context(), r, env.Now, expense.MustMonth("2025-05"))
			if err == nil || errors.Is(err, expense.ErrInvalid) {
				t.Errorf("Monthly: %v, want an error other than ErrInvalid", err)
			}
		})
	}
}

// fixedReader is a Reader that returns a fixed snapshot and fixed totals. A store might never return them.
type fixedReader struct {
	snapshot budget.Snapshot
	totals   []expense.Total
}

func (r fixedReader) BudgetSnapshot(context.Context) (budget.Snapshot, error) { return r.snapshot, nil }

func (r fixedReader) Totals(context.Context, expense.TotalsQuery) ([]expense.Total, error) {
	return r.totals, nil
}

// countingReader counts the calls of a Reader.
type countingReader struct {
	store.Reader
	snapshots, totals int
}

func (c *countingReader) BudgetSnapshot(ctx context.Context) (budget.Snapshot, error) {
	c.snapshots++
	return c.Reader.BudgetSnapshot(ctx)
}

func (c *countingReader) Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	c.totals++
	return c.Reader.Totals(ctx, query)
}

func TestMonthly_ReadsSnapshotAndTotalsOnce(t *testing.T) {
	r := &countingReader{Reader: newLedger(t, nil, expense.Draft{Amount: "5", Date: "2025-05-01"}).Reader(owner)}
	if _, err := report.Monthly(t.Context(), r, env.Now, expense.MustMonth("2025-05")); err != nil || r.snapshots != 1 ||
		r.totals != 1 {
		t.Errorf("Monthly called BudgetSnapshot %d times and Totals %d times, error %v", r.snapshots, r.totals, err)
	}
}

// list contains the sums of the expenses that match a filter. They are computed by adding the expenses one by one.
type list struct {
	count   int
	home    int64
	paid    map[string]int64
	pending map[string]int64
}

func listed(t ledgertest.T, st store.Store, filter expense.Filter) list {
	t.Helper()
	l := list{paid: map[string]int64{}, pending: map[string]int64{}}
	for e, err := range st.Reader(owner).Expenses(context.Background(), expense.Query{Filter: filter}) {
		if err != nil {
			t.Fatalf("list expenses: %v", err)
		}
		l.count++
		l.home += e.Home.Minor()
		l.paid[e.Amount.Currency().Code()] += e.Amount.Minor()
		if e.Pending() {
			l.pending[e.Amount.Currency().Code()] += e.Amount.Minor()
		}
	}
	return l
}

// equals fails the test if sum differs from the sums of the list.
func (l list) equals(t ledgertest.T, what string, sum expense.Sum) {
	t.Helper()
	byCode := func(amounts []expense.Money) map[string]int64 {
		minor := map[string]int64{}
		for _, m := range amounts {
			minor[m.Currency().Code()] += m.Minor()
		}
		return minor
	}
	if sum.Count != l.count || sum.Home.Minor() != l.home || !maps.Equal(byCode(sum.Paid), l.paid) ||
		!maps.Equal(byCode(sum.Pending), l.pending) || sum.Complete() != (len(l.pending) == 0) {
		t.Fatalf("sum of %s = %+v, want the sum of the listed expenses %+v", what, sum, l)
	}
}

func TestMonthly_EveryAmountEqualsSumOfExpenses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := []string{"2025-05-01", "2025-05-31", "2025-04-01", "2025-04-30", "2024-05-31", "2025-06-01"}
		var drafts []expense.Draft
		for range rapid.IntRange(0, 30).Draw(t, "expenses") {
			// EUR and USD have two decimals, JPY has none, CLF has four. KWD has three, and no rate.
			code := rapid.SampledFrom([]string{"EUR", "USD", "JPY", "CLF", "KWD"}).Draw(t, "currency")
			minor := rapid.Int64Range(-1_000_000, 5_000_000).Filter(func(n int64) bool { return n != 0 }).Draw(t, "minor")
			amount, err := expense.MoneyFromMinor(minor, expense.MustCurrency(code))
			if err != nil {
				t.Fatalf("add expenses: %v", err)
			}
			drafts = append(drafts, expense.Draft{
				Amount: amount.Amount(), Currency: code,
				Category: rapid.SampledFrom([]string{"Food", "Travel", "Health", "Other"}).Draw(t, "category"),
				Date:     rapid.SampledFrom(days).Draw(t, "date"),
			})
		}
		st := newLedger(t, nil, drafts...)
		may := monthly(t, st, "2025-05")
		of := func(month expense.Month) expense.Filter { return expense.Filter{Dates: month.Range()} }

		listed(t, st, of(may.Month)).equals(t, "the total", may.Sum)
		listed(t, st, of(may.Previous.Dates.From.Month())).equals(t, "the previous month", may.Previous.Sum)
		listed(t, st, of(may.YearAgo.Dates.From.Month())).equals(t, "the month a year ago", may.YearAgo.Sum)
		for _, other := range []report.Comparison{may.Previous, may.YearAgo} {
			if other.Change.Minor() != may.Sum.Home.Minor()-other.Sum.Home.Minor() {
				t.Fatalf("change from %s to %s = %s", other.Sum.Home, may.Sum.Home, other.Change)
			}
		}
		count, home, shares, positive := 0, int64(0), 0, false
		for _, c := range may.ByCategory {
			filter := of(may.Month)
			filter.Categories = []uuid.UUID{c.ID}
			listed(t, st, filter).equals(t, c.Name, c.Sum)
			if c.Sum.Count == 0 || c.Share.IsZero() == (c.Sum.Home.Sign() > 0) {
				t.Fatalf("category %s: sum = %+v, share = %q", c.Name, c.Sum, c.Share)
			}
			count, home, shares = count+c.Sum.Count, home+c.Sum.Home.Minor(), shares+c.Share.BasisPoints()
			positive = positive || c.Sum.Home.Sign() > 0
		}
		if count != may.Sum.Count || home != may.Sum.Home.Minor() || positive && shares != 10000 {
			t.Fatalf("the categories have %d expenses, %d minor units, %d basis points; the total is %+v",
				count, home, shares, may.Sum)
		}
		count, home = 0, 0
		for _, c := range may.ByCurrency {
			filter := of(may.Month)
			filter.Currency = c.Paid.Currency()
			l := listed(t, st, filter)
			l.equals(t, c.Paid.String(), c.Sum)
			if l.paid[c.Paid.Currency().Code()] != c.Paid.Minor() {
				t.Fatalf("paid amount = %s, want the sum of the listed expenses %v", c.Paid, l.paid)
			}
			count, home = count+c.Sum.Count, home+c.Sum.Home.Minor()
		}
		if count != may.Sum.Count || home != may.Sum.Home.Minor() {
			t.Fatalf("the currencies have %d expenses of %d minor units; the total is %+v", count, home, may.Sum)
		}
		byAmount := func(a, b report.CategorySpending) int { return cmp.Compare(b.Sum.Home.Minor(), a.Sum.Home.Minor()) }
		if !slices.IsSortedFunc(may.ByCategory, byAmount) {
			t.Fatalf("the categories are not sorted by descending amount: %+v", may.ByCategory)
		}
	})
}
