package report

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

// A TrendReport is a line of what was spent, without gaps.
type TrendReport struct {
	Settings expense.Settings // of the ledger, as the report was made
	Dates    expense.Range
	Step     expense.Granularity
	Category *expense.Category // nil: of all categories
	Sum      expense.Sum       // of all points
	Points   []TrendPoint
}

// Title is the first and the last day as a locale writes them, behind the category's name.
func (t TrendReport) Title(format locale.Formatter) string {
	if t.Category == nil {
		return daysTitle(format, t.Dates)
	}
	return locale.IsolateBidi(t.Category.Name) + ", " + daysTitle(format, t.Dates)
}

// A TrendPoint is what was spent in one period of the line. The first and the last are cut to the line's ends.
type TrendPoint struct {
	Dates expense.Range
	Sum   expense.Sum
}

// A TrendQuery asks for a line: its days, both ends included and given, its step, and of which category.
type TrendQuery struct {
	Dates    expense.Range
	Step     expense.Granularity // ByDay, ByWeek (ISO 8601) or ByMonth
	Category uuid.UUID           // Nil: all
}

// Trend returns the line that query asks for. It takes one Book and one Totals, which agree when r is a View's. Days that [Range]
// refuses, another step, or a category that the ledger does not hold are ErrInvalid, all faults at once.
func Trend(ctx context.Context, r Reader, query TrendQuery) (TrendReport, error) {
	book, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return TrendReport{}, fmt.Errorf("book: %w", err)
	}
	var faults expense.ValidationErrors
	_ = faults.AddError("", checkRange(query.Dates, "from", "to"))
	if query.Step != expense.ByDay && query.Step != expense.ByWeek && query.Step != expense.ByMonth {
		faults.Add("by", "unknown_value", "a trend goes by day, week or month")
	}
	report := TrendReport{Settings: book.Settings, Dates: query.Dates, Step: query.Step}
	if query.Category != uuid.Nil {
		if report.Category = category(book, query.Category); report.Category == nil {
			faults.Add("category_id", "unknown_category", "the ledger has no category %s", query.Category)
		}
	}
	if err := faults.Err(); err != nil {
		return TrendReport{}, err
	}
	totals, err := r.Totals(ctx, expense.TotalsQuery{Ranges: []expense.Range{query.Dates}, Granularity: query.Step})
	if err != nil {
		return TrendReport{}, fmt.Errorf("totals from %s to %s: %w", query.Dates.From, query.Dates.To, err)
	}
	return report, report.fill(book.Settings.Home, totals)
}

func category(book budget.Snapshot, id uuid.UUID) *expense.Category {
	for _, c := range book.Categories {
		if c.ID == id {
			return &c
		}
	}
	return nil
}

// fill makes the points out of totals.
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
	t.Points = make([]TrendPoint, 0, periodsIn(t.Step, t.Dates))
	for from := t.Dates.From; !from.IsZero() && !from.After(t.Dates.To); {
		next := nextPeriod(t.Step, from)
		to := next.AddDays(-1)
		if next.IsZero() || to.After(t.Dates.To) {
			to = t.Dates.To
		}
		sum, ok := sums[t.Step.Truncate(from)]
		if !ok {
			sum = expense.NewSum(home)
		}
		t.Points = append(t.Points, TrendPoint{Dates: expense.Range{From: from, To: to}, Sum: sum})
		from = next
	}
	return nil
}

// periodsIn returns how many periods the days have at most.
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

// nextPeriod returns the first day of the period after the one that holds d; the zero Date beyond the calendar.
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
