package budget

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/spendwise/spendwise/expense"
)

// A MonthProgress is the progress of all budgets in one month.
type MonthProgress struct {
	Month      expense.Month
	Title      string     // the month in the ledger's locale, such as "March 2026"
	ByCategory []Progress // of each category with a limit in the month, ordered by name without regard to case
	Total      *Progress  // of the whole ledger; nil if it has no limit in the month
}

// A Progress says how much of a budget is spent in one month.
type Progress struct {
	BudgetID       uuid.UUID
	CategoryID     uuid.UUID // the category whose expenses count; uuid.Nil: the whole ledger
	CategoryName   string    // empty for the whole ledger
	Limit          expense.Money
	Carried        expense.Money   // carried from the months before; negative for a deficit, zero without rollover
	CarriedPending []expense.Money // pending amounts of the months before, one for each currency; Carried omits them
	Spent          expense.Sum     // Spent.Home counts against the limit; Spent.Pending does not
	Remaining      expense.Money   // Limit + Carried − Spent.Home; negative if more was spent
	State          State
	DaysLeft       int           // days of the month after today: all of a future month, 0 of a past month
	Projected      expense.Money // expected spending at the end of the month; see [ReadMonth]
	Text           string        // in the ledger's locale, such as "Food: $320 / $500 spent"
}

// All returns the progress of every budget; that of the whole ledger comes last.
func (m MonthProgress) All() []Progress {
	if m.Total == nil {
		return m.ByCategory
	}
	return append(slices.Clip(m.ByCategory), *m.Total)
}

// Complete reports whether p includes every expense, that is, whether none is pending.
func (p Progress) Complete() bool { return p.Spent.Complete() && len(p.CarriedPending) == 0 }

// Available returns Limit + Carried. It is negative if the carried deficit exceeds the limit.
func (p Progress) Available() expense.Money {
	return expense.ClampMoney(p.Limit.Minor()+p.Carried.Minor(), p.Limit.Currency())
}

// A State says how close the spending is to the available amount.
type State uint8

// The states of a budget. With the default thresholds: ok < 80 % ≤ warning < 100 % ≤ over.
const (
	StateOK      State = iota // below the lowest threshold
	StateWarning              // at the lowest threshold or above, but below 100 %
	StateOver                 // at 100 % or above, whatever the thresholds are
)

// String returns the name in the API: "ok", "warning" or "over".
func (s State) String() string {
	switch s {
	case StateWarning:
		return "warning"
	case StateOver:
		return "over"
	default:
		return "ok"
	}
}

// MarshalText returns the text of [State.String].
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// calendarStart is the first month of the calendar.
var calendarStart = expense.MustMonth("0001-01")

const (
	// MaxHistoryMonths is the maximum number of months of a history: a century.
	MaxHistoryMonths = 1200
	// MaxBudgetMonths is the maximum product of months and budgets of a history.
	MaxBudgetMonths = 24_000
)

// ReadMonth returns the progress of a month at now. The zero month is the current one in the ledger's zone. ReadMonth
// calls BudgetSnapshot and Totals once each; in a View, they are consistent.
//
// # Projection
//
// In the current month, Projected is the average spending per elapsed day, multiplied by the days of the month, plus
// the expenses dated after today. Today counts as an elapsed day. In a past or future month, Projected equals the
// spending.
//
// # Carried amounts
//
// Carried amounts are not stored. ReadMonth computes them, beginning with the first month of the budget: each month
// carries the remainder that [Rollover] selects into the next month. Nothing is carried into the first month of a
// budget, or into a month that follows a month without a limit.
//
// # Merged categories
//
// The budget of a category that was merged into another one still counts in the months before the merge. If the target
// category has a budget in such a month too, the two limits add up, and the target's rollover and thresholds apply.
// From the merge on, only the target's budget decides what is carried. If that budget has no rollover or does not
// exist, the surplus or deficit of the merged budget is not carried. A budget that is added to the target later starts
// in its own first month without a carried amount, and does not change the months before.
func ReadMonth(ctx context.Context, r Reader, now time.Time, month expense.Month) (MonthProgress, error) {
	months, err := read(ctx, r, now, month, month, 1)
	if err != nil {
		return MonthProgress{}, err
	}
	return months[0], nil
}

// History returns the progress of each month between from and to, both included, as [ReadMonth] computes it. If to is
// zero, History ends with the current month. If from is zero, History returns twelve months. The error is ErrInvalid if
// to is before from, or if the range exceeds [MaxHistoryMonths] or [MaxBudgetMonths].
func History(ctx context.Context, r Reader, now time.Time, from, to expense.Month) ([]MonthProgress, error) {
	return read(ctx, r, now, from, to, 12)
}

// read returns the progress of the months between from and to, both included. If from is zero, it returns defaultMonths
// months.
func read(
	ctx context.Context, r Reader, now time.Time, from, to expense.Month, defaultMonths int,
) ([]MonthProgress, error) {
	snapshot, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("budget snapshot: %w", err)
	}
	today := snapshot.Settings.Today(now)
	if to.IsZero() {
		to = today.Month()
	}
	if from.IsZero() {
		from = to.Add(1 - defaultMonths)
	}
	if from.IsZero() {
		from = calendarStart
	}
	months, budgets := to.Sub(from)+1, len(snapshot.Budgets)
	switch {
	case to.Before(from):
		return nil, invalidEnd("ends_before_start", "the last month %s is before the first month %s; swap them", to, from)
	case months > MaxHistoryMonths:
		return nil, invalidEnd("range_too_long", "the range has %d months; request at most %d",
			months, MaxHistoryMonths)
	case months > 1 && months*budgets > MaxBudgetMonths:
		return nil, invalidEnd("range_too_long",
			"the range has %d months; with %d budgets, request at most %d",
			months, budgets, MaxBudgetMonths/budgets)
	}
	totals, err := r.Totals(ctx, snapshot.totalsQuery(from, to, today))
	if err != nil {
		return nil, fmt.Errorf("totals up to %s: %w", to, err)
	}
	return snapshot.progress(from, to, today, totals)
}

func invalidEnd(code, detail string, args ...any) error {
	return &expense.InvalidError{Field: "month_to", Code: code, Detail: fmt.Sprintf(detail, args...)}
}

// The ranges of a totalsQuery, by index.
const (
	monthsRange = iota
	afterTodayRange
)

// totalsQuery returns the query for the totals that progress needs. The first range starts in the month from, or
// earlier if a budget has carried amounts since an earlier month. The second range holds the days after today in the
// current month, for the projection. The query omits it if today is zero or lies in none of the months.
func (s Snapshot) totalsQuery(from, to expense.Month, today expense.Date) expense.TotalsQuery {
	first := from
	for _, group := range s.groups() {
		if start := group.firstMonth(from); start.Before(first) {
			first = start
		}
	}
	query := expense.TotalsQuery{
		Ranges: []expense.Range{{From: first.First(), To: to.Last()}}, Granularity: expense.ByMonth,
	}
	month := today.Month()
	if !month.IsZero() && !month.Before(from) && !month.After(to) && today.Before(month.Last()) {
		query.Ranges = append(query.Ranges, expense.Range{From: today.AddDays(1), To: month.Last()})
	}
	return query
}

// progress computes the progress of the months between from and to, both included. totals are those of a totalsQuery.
// It returns an error if the totals break the guarantees of Totals. ReadMonth documents the rules.
func (s Snapshot) progress(
	from, to expense.Month, today expense.Date, totals []expense.Total,
) ([]MonthProgress, error) {
	spent, err := newSpending(s.Settings.Home, totals)
	if err != nil {
		return nil, err
	}
	phrases := phrasesFor(s.Settings.Locale)
	var months []MonthProgress
	for month := from; !month.IsZero() && !month.After(to); month = month.Add(1) {
		title := phrases.format.Month(month)
		months = append(months, MonthProgress{Month: month, Title: title, ByCategory: []Progress{}})
	}
	for _, group := range s.groups() {
		err := group.walk(spent, from, to, func(b Budget, p Progress, month expense.Month) {
			p.CategoryName = s.categoryName(b)
			p.project(month, today, spent.afterToday[p.CategoryID])
			p.State = p.state(b.AlertAt[0])
			p.Text = phrases.text(p)
			report := &months[month.Sub(from)]
			if b.CategoryID == uuid.Nil {
				report.Total = &p
			} else {
				report.ByCategory = append(report.ByCategory, p)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for _, month := range months {
		slices.SortStableFunc(month.ByCategory, func(a, b Progress) int {
			return cmp.Or(
				cmp.Compare(expense.Fold(a.CategoryName), expense.Fold(b.CategoryName)),
				bytes.Compare(a.BudgetID[:], b.BudgetID[:]))
		})
	}
	return months, nil
}

// A spending holds the totals of a totalsQuery, as sums by month and by category.
type spending struct {
	home       expense.Currency
	categories map[monthCategory]expense.Sum
	months     map[expense.Month]expense.Sum
	pending    []expense.Total     // the totals with pending expenses
	afterToday map[uuid.UUID]int64 // minor units dated after today in the current month, by category; uuid.Nil: of all
}

type monthCategory struct {
	month    expense.Month
	category uuid.UUID
}

func newSpending(home expense.Currency, totals []expense.Total) (spending, error) {
	s := spending{home: home, afterToday: make(map[uuid.UUID]int64)}
	var inMonths []expense.Total
	for _, total := range totals {
		if total.Range == afterTodayRange {
			s.afterToday[total.CategoryID] += total.Home.Minor()
			s.afterToday[uuid.Nil] += total.Home.Minor()
			continue
		}
		inMonths = append(inMonths, total)
		if total.PendingCount > 0 {
			s.pending = append(s.pending, total)
		}
	}
	var err error
	s.months, err = expense.SumTotalsBy(home, inMonths, func(t expense.Total) expense.Month { return t.Period.Month() })
	if err != nil {
		return spending{}, err
	}
	s.categories, err = expense.SumTotalsBy(home, inMonths, func(t expense.Total) monthCategory {
		return monthCategory{t.Period.Month(), t.CategoryID}
	})
	return s, err
}

// sumOf returns the spending in a month in a category, or in all categories for uuid.Nil.
func (s *spending) sumOf(month expense.Month, category uuid.UUID) expense.Sum {
	sum, ok := s.months[month], true
	if category != uuid.Nil {
		sum, ok = s.categories[monthCategory{month, category}]
	}
	if !ok || sum.Count == 0 {
		return expense.NewSum(s.home)
	}
	return sum
}

// pendingOf returns the pending amounts of a category, or of all for uuid.Nil, in the months from ≤ month < before.
func (s *spending) pendingOf(category uuid.UUID, from, before expense.Month) ([]expense.Money, error) {
	var totals []expense.Total
	for _, total := range s.pending {
		month := total.Period.Month()
		if !month.Before(from) && month.Before(before) && (category == uuid.Nil || total.CategoryID == category) {
			totals = append(totals, total)
		}
	}
	if len(totals) == 0 {
		return nil, nil
	}
	sum, err := expense.SumTotals(s.home, totals)
	return sum.Pending, err
}

// A budgetGroup holds the budgets that the same expenses count against: first the category's own budget, then those of
// the categories merged into it, ordered by Until, latest first.
type budgetGroup []Budget

// countedCategory returns the category whose expenses count against b.
func (b Budget) countedCategory() uuid.UUID {
	if b.MergedInto != uuid.Nil {
		return b.MergedInto
	}
	return b.CategoryID
}

func (s Snapshot) groups() []budgetGroup {
	indexes := make(map[uuid.UUID]int)
	var groups []budgetGroup
	for _, b := range s.Budgets {
		i, ok := indexes[b.countedCategory()]
		if !ok {
			i = len(groups)
			indexes[b.countedCategory()] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], b)
	}
	for _, group := range groups {
		slices.SortStableFunc(group, func(a, b Budget) int {
			switch a.MergedInto {
			case b.MergedInto:
				return b.Until.Compare(a.Until)
			case uuid.Nil:
				return -1
			default:
				return 1
			}
		})
	}
	return groups
}

// limit returns the sum of the limits in month and the index of the first budget with a limit. The index is -1 if no
// budget has a limit.
func (g budgetGroup) limit(month expense.Month) (expense.Money, int) {
	sum, first := expense.Money{}, -1
	for i, b := range g {
		limit, ok := b.Limit(month)
		switch {
		case ok && first < 0:
			sum, first = limit, i
		case ok:
			sum = expense.ClampMoney(sum.Minor()+limit.Minor(), sum.Currency())
		}
	}
	return sum, first
}

// firstMonth returns the month in which walk must start to compute the amount that is carried into from. It goes back
// as long as a budget of the group covers the month before. Without rollover, it returns from.
func (g budgetGroup) firstMonth(from expense.Month) expense.Month {
	if !slices.ContainsFunc(g, func(b Budget) bool { return b.Rollover != RolloverNone }) {
		return from
	}
	start := from
	for extended := true; extended; {
		extended = false
		for _, b := range g {
			if first := b.Entries[0].From; first.Before(start) && (b.Until.IsZero() || !b.Until.Before(start)) {
				start, extended = first, true
			}
		}
	}
	return start
}

// continuesInto reports whether one budget of the group has a limit both in month and in the month before.
func (g budgetGroup) continuesInto(month expense.Month) bool {
	return slices.ContainsFunc(g, func(b Budget) bool {
		_, now := b.Limit(month)
		_, before := b.Limit(month.Add(-1))
		return now && before
	})
}

// walk computes the group's progress month by month and calls yield for each month between from and to, both included,
// that has a limit.
//
// It starts in firstMonth, because what is carried depends on the months before. In each month, the limits of all
// budgets of the group add up, and the first budget with a limit decides about rollover and thresholds. The remainder
// is carried into the next month only if one budget has a limit in both months. Otherwise, the next month starts
// without a carried amount.
func (g budgetGroup) walk(
	spent spending, from, to expense.Month, yield func(b Budget, p Progress, month expense.Month),
) error {
	zero := expense.ClampMoney(0, spent.home)
	carried, carriedSince := zero, expense.Month{} // carriedSince: the first month in carried; zero if nothing is carried
	for month := g.firstMonth(from); !month.IsZero() && !month.After(to); month = month.Add(1) {
		limit, i := g.limit(month)
		if i < 0 {
			carried, carriedSince = zero, expense.Month{}
			continue
		}
		b := g[i]
		sum := spent.sumOf(month, b.countedCategory())
		remaining := expense.ClampMoney(limit.Minor()+carried.Minor()-sum.Home.Minor(), limit.Currency())
		if !month.Before(from) {
			p := Progress{
				BudgetID: b.ID, CategoryID: b.countedCategory(), Limit: limit, Carried: carried, Spent: sum, Remaining: remaining,
				Projected: sum.Home,
			}
			if !carriedSince.IsZero() {
				var err error
				if p.CarriedPending, err = spent.pendingOf(b.countedCategory(), carriedSince, month); err != nil {
					return err
				}
			}
			yield(b, p, month)
		}
		if b.Rollover == RolloverNone || !g.continuesInto(month.Add(1)) {
			carried, carriedSince = zero, expense.Month{}
			continue
		}
		if carried = b.carry(remaining); carriedSince.IsZero() {
			carriedSince = month
		}
	}
	return nil
}

// project sets DaysLeft and Projected. afterToday is the part of Spent, in minor units, that is dated after today.
func (p *Progress) project(month expense.Month, today expense.Date, afterToday int64) {
	switch days := month.Days(); month.Compare(today.Month()) {
	case 0:
		p.DaysLeft = days - today.Day()
		soFar := expense.ClampMoney(p.Spent.Home.Minor()-afterToday, p.Spent.Home.Currency())
		p.Projected = expense.ClampMoney(soFar.Prorate(days, today.Day()).Minor()+afterToday, soFar.Currency())
	case 1:
		p.DaysLeft = days
	}
}

func (p Progress) state(lowest Ratio) State {
	switch {
	case p.reaches(whole):
		return StateOver
	case p.reaches(lowest):
		return StateWarning
	default:
		return StateOK
	}
}

// reaches reports whether spent / available ≥ ratio, computed without rounding.
//
// If a deficit leaves nothing available, the quotient has no meaning. Then positive spending reaches every ratio.
// Without spending, the ratios up to 100 % are reached, unless refunds cover the deficit.
func (p Progress) reaches(ratio Ratio) bool {
	spent, available := p.Spent.Home.Minor(), p.Limit.Minor()+p.Carried.Minor()
	switch {
	case available <= 0:
		return spent > 0 || spent >= available && ratio <= whole
	case spent < 0:
		return false
	}
	spentHi, spentLo := bits.Mul64(uint64(spent), uint64(whole))
	availableHi, availableLo := bits.Mul64(uint64(available), uint64(ratio))
	return cmp.Or(cmp.Compare(spentHi, availableHi), cmp.Compare(spentLo, availableLo)) >= 0
}

// maxShownRatio is the largest absolute value that Ratio returns, in hundredths.
const maxShownRatio = 999_99

// Ratio returns spent / available as a decimal with two places, such as "0.64". It truncates the other places, so it
// never shows a threshold that is not reached. Its values lie between -999.99 and 999.99.
//
// If a deficit leaves nothing available, Ratio is "999.99" with positive spending, "0.00" if refunds cover the deficit,
// and "1.00" otherwise. Therefore a larger deficit never results in a lower ratio.
func (p Progress) Ratio() string {
	spent, available := p.Spent.Home.Minor(), p.Limit.Minor()+p.Carried.Minor()
	hundredths := decimal.Zero
	switch {
	case available > 0:
		hundredths, _ = decimal.NewFromInt(spent).Shift(2).QuoRem(decimal.NewFromInt(available), 0)
	case spent > 0:
		hundredths = decimal.NewFromInt(maxShownRatio)
	case spent >= available:
		hundredths = decimal.NewFromInt(100)
	}
	shown := decimal.Max(decimal.NewFromInt(-maxShownRatio), decimal.Min(hundredths, decimal.NewFromInt(maxShownRatio)))
	return shown.Shift(-2).StringFixed(2)
}

const barCells = 20

// Bar returns the used part as a bar of 20 cells, such as "████████████░░░░░░░░". A cell is filled once its 5 % are
// used completely, so a full bar means that the available amount is used up.
func (p Progress) Bar() string {
	filled := 0
	for filled < barCells && p.reaches(whole*Ratio(filled+1)/barCells) {
		filled++
	}
	return strings.Repeat("█", filled) + strings.Repeat("░", barCells-filled)
}
