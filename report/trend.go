package report

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

// A TrendReport has the sum of each day, week or month of a range, including those without expenses.
type TrendReport struct {
	Settings    expense.Settings // of the ledger at the time of the report
	Dates       expense.Range
	Granularity expense.Granularity
	Category    *expense.Category // nil: all categories
	Sum         expense.Sum       // of all points
	Points      []TrendPoint
}

// Title returns the category's name, if the report has one category, and the first and the last day in the locale's
// format.
func (t TrendReport) Title(format locale.Formatter) string {
	if t.Category == nil {
		return daysTitle(format, t.Dates)
	}
	return locale.IsolateBidi(t.Category.Name) + ", " + daysTitle(format, t.Dates)
}

// A TrendPoint is the sum of one day, week or month. The first and the last point include only the days of the range.
type TrendPoint struct {
	Dates expense.Range
	Sum   expense.Sum
}

// A TrendQuery selects the range, the granularity and the category of a [Trend].
type TrendQuery struct {
	Dates       expense.Range       // includes both ends
	Granularity expense.Granularity // ByDay, ByWeek (ISO 8601) or ByMonth
	Category    uuid.UUID           // uuid.Nil: all
}

// Trend returns the report that query selects. The error is ErrInvalid with all field errors if [Range] does not accept
// the range, if the granularity is not one of those that TrendQuery lists, or if the ledger does not have the category.
func Trend(ctx context.Context, r Reader, query TrendQuery) (TrendReport, error) {
	snapshot, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return TrendReport{}, fmt.Errorf("budget snapshot: %w", err)
	}
	var errs expense.ValidationErrors
	_ = errs.AddError("", checkRange(query.Dates))
	if query.Granularity != expense.ByDay && query.Granularity != expense.ByWeek && query.Granularity != expense.ByMonth {
		errs.Add("by", "unknown_value", "the granularity is unknown; give day, week or month")
	}
	report := TrendReport{Settings: snapshot.Settings, Dates: query.Dates, Granularity: query.Granularity}
	if query.Category != uuid.Nil {
		if report.Category = category(snapshot, query.Category); report.Category == nil {
			errs.Add("category_id", "unknown_category", "the ledger has no category %s; give an existing one", query.Category)
		}
	}
	if err := errs.Err(); err != nil {
		return TrendReport{}, err
	}
	totals, err := r.Totals(ctx, expense.TotalsQuery{Ranges: []expense.Range{query.Dates}, Granularity: query.Granularity})
	if err != nil {
		return TrendReport{}, fmt.Errorf("totals from %s to %s: %w", query.Dates.From, query.Dates.To, err)
	}
	return report, report.fill(snapshot.Settings.Home, totals)
}

func category(snapshot budget.Snapshot, id uuid.UUID) *expense.Category {
	for _, c := range snapshot.Categories {
		if c.ID == id {
			return &c
		}
	}
	return nil
}

// fill sets Sum and Points.
func (t *TrendReport) fill(home expense.Currency, totals []expense.Total) error {
	chosen := totals
	if t.Category != nil {
		chosen = nil
		for _, total := range totals {
			if total.CategoryID == t.Category.ID {
				chosen = append(chosen, total)
			}
		}
	}
	sums, err := expense.SumTotalsBy(home, chosen, func(total expense.Total) expense.Date { return total.Period })
	if err != nil {
		return err
	}
	if t.Sum, err = expense.SumTotals(home, chosen); err != nil {
		return err
	}
	t.Points = make([]TrendPoint, 0, periodsIn(t.Granularity, t.Dates))
	for from := t.Dates.From; !from.IsZero() && !from.After(t.Dates.To); {
		next := nextPeriod(t.Granularity, from)
		to := next.AddDays(-1)
		if next.IsZero() || to.After(t.Dates.To) {
			to = t.Dates.To
		}
		sum, ok := sums[t.Granularity.Truncate(from)]
		if !ok {
			sum = expense.NewSum(home)
		}
		t.Points = append(t.Points, TrendPoint{Dates: expense.Range{From: from, To: to}, Sum: sum})
		from = next
	}
	return nil
}

// periodsIn returns an upper limit of the number of days, weeks or months in a range.
func periodsIn(by expense.Granularity, dates expense.Range) int {
	switch by {
	case expense.ByWeek:
		return dates.To.Sub(dates.From)/7 + 2
	case expense.ByMonth:
		return dates.To.Month().Sub(dates.From.Month()) + 1
	default:
		return dates.To.Sub(dates.From) + 1
	}
}

// nextPeriod returns the first day of the next day, week or month after d. It returns the zero Date if that is after
// the end of the calendar.
func nextPeriod(by expense.Granularity, d expense.Date) expense.Date {
	switch by {
	case expense.ByWeek:
		return d.WeekStart().AddDays(7)
	case expense.ByMonth:
		return d.Month().Add(1).First()
	default:
		return d.AddDays(1)
	}
}
