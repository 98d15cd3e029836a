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

// A MonthProgress is how far the budgets of one month are used up.
type MonthProgress struct {
	Month      expense.Month
	Title      string     // the month as the ledger's locale writes it, such as "March 2026"
	ByCategory []Progress // of the categories with a limit in that month, ordered by their folded names
	Total      *Progress  // of the whole ledger; nil if it has no limit in that month
}

// A Progress is how far one budget is used up in one month.
type Progress struct {
	BudgetID       uuid.UUID
	CategoryID     uuid.UUID // whose expenses count; Nil: the whole ledger's
	CategoryName   string    // empty: the whole ledger
	Limit          expense.Money
	Carried        expense.Money   // what the months before left over, or took; nothing where the budget does not roll over
	CarriedPending []expense.Money // what Carried leaves out because it waits for a rate, by currency
	Spent          expense.Sum     // Spent.Home counts against the limit; what waits for a rate is named beside it
	Remaining      expense.Money   // Limit + Carried − Spent.Home; negative once more than that is spent
	State          State
	DaysLeft       int           // days of the month after today: all of them while it has not begun, 0 once it is over
	Projected      expense.Money // what the month comes to at the pace of its days so far; see [Summarise]
	Text           string        // such as "Food: $320 / $500 spent", by the ledger's locale
}

// All returns the progress of every budget, the whole ledger's last.
func (r MonthProgress) All() []Progress {
	if r.Total == nil {
		return r.ByCategory
	}
	return append(slices.Clip(r.ByCategory), *r.Total)
}

// Complete reports whether no figure of p leaves anything out.
func (p Progress) Complete() bool { return p.Spent.Complete() && len(p.CarriedPending) == 0 }

// Available returns what the month may come to: the limit and what was carried into it. A deficit may leave less than nothing.
func (p Progress) Available() expense.Money {
	return expense.CapMoney(p.Limit.Minor()+p.Carried.Minor(), p.Limit.Currency())
}

// A State says how near a limit is.
type State uint8

// The states. By the default thresholds: ok < 80 % ≤ warning < 100 % ≤ over.
const (
	StateOK      State = iota // below the lowest threshold
	StateWarning              // from the lowest threshold on
	StateOver                 // from the whole limit on, whatever the thresholds
)

// String returns the state's name on the wire: "ok", "warning", "over".
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

// MarshalText writes what String returns.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// firstMonth is the calendar's first.
var firstMonth = expense.MustMonth("0001-01")

const (
	// MaxHistoryMonths is how many months a history has at most: a century.
	MaxHistoryMonths = 1200
	// MaxBudgetMonths is how many budgets those months have at most, each counted in every month.
	MaxBudgetMonths = 24_000
)

// Read reads the progress of month's budgets at now; the zero month is the one at hand in the ledger's zone. It takes one
// Book and one Totals, which agree when r is a View's.
func ReadMonth(ctx context.Context, r Reader, now time.Time, month expense.Month) (MonthProgress, error) {
	reports, err := read(ctx, r, now, month, month, 1)
	if err != nil {
		return MonthProgress{}, err
	}
	return reports[0], nil
}

// History is Read for each month from one to another. A zero to is the month at hand, a zero from the eleventh before to.
// Months in the wrong order, or more than [MaxHistoryMonths] or [MaxBudgetMonths], are ErrInvalid.
func History(ctx context.Context, r Reader, now time.Time, from, to expense.Month) ([]MonthProgress, error) {
	return read(ctx, r, now, from, to, 12)
}

// read reads the months from one to another; where from is zero, so many up to the last.
func read(ctx context.Context, r Reader, now time.Time, from, to expense.Month, usual int) ([]MonthProgress, error) {
	book, err := r.BudgetSnapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("book: %w", err)
	}
	today := book.Settings.Today(now)
	if to.IsZero() {
		to = today.Month()
	}
	if from.IsZero() {
		from = to.Add(1 - usual)
	}
	if from.IsZero() {
		from = firstMonth
	}
	switch {
	case to.Before(from):
		return nil, &expense.InvalidError{Field: "to", Code: "ends_before_start", Detail: fmt.Sprintf("%s is before %s", to, from)}
	case to.Sub(from) >= MaxHistoryMonths:
		return nil, &expense.InvalidError{
			Field: "to", Code: "range_too_long", Detail: fmt.Sprintf("a history has at most %d months: ask for parts of it", MaxHistoryMonths),
		}
	case to != from && (to.Sub(from)+1)*len(book.Budgets) > MaxBudgetMonths:
		return nil, &expense.InvalidError{
			Field: "to", Code: "range_too_long",
			Detail: fmt.Sprintf("of %d budgets a history has at most %d months: ask for parts of it", len(book.Budgets), MaxBudgetMonths/len(book.Budgets)),
		}
	}
	totals, err := r.Totals(ctx, totalsQuery(book, from, to, today))
	if err != nil {
		return nil, fmt.Errorf("totals up to %s: %w", to, err)
	}
	return Summarise(book, from, to, today, totals)
}

// totalsQuery returns what [Summarise] needs totals of, by months: those from one to another, and those before which the budgets that
// roll over have begun in; and where today is given, the days after it in its month, for the projection.
func totalsQuery(book Snapshot, from, to expense.Month, today expense.Date) expense.TotalsQuery {
	first := from
	for _, group := range book.groups() {
		if start := group.firstMonth(from); start.Before(first) {
			first = start
		}
	}
	query := expense.TotalsQuery{Ranges: []expense.Range{{From: first.First(), To: to.Last()}}, Granularity: expense.ByMonth}
	if month := today.Month(); !month.IsZero() && !month.Before(from) && !month.After(to) && today.Before(month.Last()) {
		query.Ranges = append(query.Ranges, expense.Range{From: today.AddDays(1), To: month.Last()})
	}
	return query
}

// Summarise returns the progress of each month's budgets on the day today, from the totals by month that [totalsQuery] asks for.
//
// The projection of the month at hand is what was spent up to today / days elapsed × days, today being one of those elapsed, and
// what is booked ahead; a month that is over comes to what was spent, and one that has not begun to what is booked.
//
// What is carried is computed from the series' first month on, each time: a month passes on what its series' rollover says, to the
// next month in which that series holds. A budget begins with nothing carried.
//
// The series of a category that was merged away covers the one that has its expenses now, in the months it was in force: where that
// one has a limit of its own there, the two limits are one, and its rollover and thresholds hold for both. So a past month's spending
// of both stands against both limits, and from the merge on the target's series alone decides what is carried: a debt, or a
// surplus, lapses where the target does not carry it, or has no budget yet. A budget added to the target later begins with its own
// first month, with nothing carried, and leaves the months before as they were.
//
// An error says that the totals contradict the promises of [Reader.Totals].
func Summarise(book Snapshot, from, to expense.Month, today expense.Date, totals []expense.Total) ([]MonthProgress, error) {
	spent, err := newSpending(book.Settings.Home, totals)
	if err != nil {
		return nil, err
	}
	phrases := phrasesFor(book.Settings.Locale)
	var reports []MonthProgress
	for month := from; !month.IsZero() && !month.After(to); month = month.Add(1) {
		reports = append(reports, MonthProgress{Month: month, Title: phrases.format.Month(month), ByCategory: []Progress{}})
	}
	for _, group := range book.groups() {
		err := group.walk(spent, from, to, func(b Budget, p Progress, month expense.Month) {
			p.CategoryName = book.categoryName(b)
			p.project(month, today, spent.ahead[p.CategoryID])
			p.State = p.state(b.AlertAt[0])
			p.Text = phrases.text(p)
			report := &reports[month.Sub(from)]
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
	for _, report := range reports {
		slices.SortStableFunc(report.ByCategory, func(a, b Progress) int {
			return cmp.Or(
				cmp.Compare(expense.Fold(a.CategoryName), expense.Fold(b.CategoryName)), bytes.Compare(a.BudgetID[:], b.BudgetID[:]))
		})
	}
	return reports, nil
}

// The places of the ranges in the one query.
const (
	wholeMonths = iota
	aheadOfToday
)

// A spending is what was spent, by month and category.
type spending struct {
	home       expense.Currency
	categories map[monthOf]expense.Sum
	months     map[expense.Month]expense.Sum
	pending    []expense.Total     // those of the totals with something that waits for a rate
	ahead      map[uuid.UUID]int64 // what is booked after today in its month, by category; for uuid.Nil in all
}

type monthOf struct {
	month    expense.Month
	category uuid.UUID
}

func newSpending(home expense.Currency, totals []expense.Total) (spending, error) {
	s := spending{home: home, ahead: make(map[uuid.UUID]int64)}
	var booked []expense.Total
	for _, total := range totals {
		if total.Range == wholeMonths {
			booked = append(booked, total)
			continue
		}
		s.ahead[total.CategoryID] += total.Home.Minor()
		s.ahead[uuid.Nil] += total.Home.Minor()
	}
	var err error
	s.months, err = expense.SumTotalsBy(home, booked, func(t expense.Total) expense.Month { return t.Period.Month() })
	if err != nil {
		return spending{}, err
	}
	s.categories, err = expense.SumTotalsBy(home, booked, func(t expense.Total) monthOf { return monthOf{t.Period.Month(), t.CategoryID} })
	if err != nil {
		return spending{}, err
	}
	for _, total := range booked {
		if total.PendingCount > 0 {
			s.pending = append(s.pending, total)
		}
	}
	return s, nil
}

// in returns what was spent in a month in a category, or for uuid.Nil in all.
func (s *spending) in(month expense.Month, category uuid.UUID) expense.Sum {
	sum, found := s.months[month], true
	if category != uuid.Nil {
		sum, found = s.categories[monthOf{month, category}]
	}
	if !found || sum.Count == 0 {
		return expense.NewSum(s.home)
	}
	return sum
}

// waiting returns what waits for a rate in a category, from one month to the one before another.
func (s *spending) waiting(category uuid.UUID, from, before expense.Month) ([]expense.Money, error) {
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

// A group are the series that cover the same expenses: a category's own first, then those that merges left it, the one that
// ended last first.
type group []Budget

// subject returns whose expenses count against b.
func (b Budget) subject() uuid.UUID {
	if b.MergedInto != uuid.Nil {
		return b.MergedInto
	}
	return b.CategoryID
}

func (b Snapshot) groups() []group {
	places := make(map[uuid.UUID]int)
	var groups []group
	for _, budget := range b.Budgets {
		place, found := places[budget.subject()]
		if !found {
			place = len(groups)
			places[budget.subject()] = place
			groups = append(groups, nil)
		}
		groups[place] = append(groups[place], budget)
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(x, y Budget) int {
			return cmp.Or(cmp.Compare(mergedAway(x), mergedAway(y)), y.Until.Compare(x.Until))
		})
	}
	return groups
}

// mergedAway is 1 for the series of a category that was merged into another, else 0.
func mergedAway(b Budget) int {
	if b.MergedInto != uuid.Nil {
		return 1
	}
	return 0
}

// limit returns the sum of the limits in force in month, and the place of the first series that has one; -1 without any.
func (g group) limit(month expense.Month) (expense.Money, int) {
	sum, first := expense.Money{}, -1
	for i, b := range g {
		limit, ok := b.Limit(month)
		switch {
		case ok && first < 0:
			sum, first = limit, i
		case ok:
			sum = expense.CapMoney(sum.Minor()+limit.Minor(), sum.Currency())
		}
	}
	return sum, first
}

// firstMonth returns the first month that progress from the month on needs to know: the one from which on, up to it, there never
// was a month without a series that went on from the one before. Where nothing rolls over that is the month itself.
func (g group) firstMonth(from expense.Month) expense.Month {
	if !slices.ContainsFunc(g, func(b Budget) bool { return b.Rollover != RolloverNone }) {
		return from
	}
	start := from
	for earlier := true; earlier; {
		earlier = false
		for _, b := range g {
			if first := b.Entries[0].From; first.Before(start) && (b.Until.IsZero() || !b.Until.Before(start)) {
				start, earlier = first, true
			}
		}
	}
	return start
}

// goesOn reports whether some series has a limit in month and in the one before.
func (g group) goesOn(month expense.Month) bool {
	return slices.ContainsFunc(g, func(b Budget) bool {
		_, now := b.Limit(month)
		_, before := b.Limit(month.Add(-1))
		return now && before
	})
}

// walk goes through the months up to one, and shows those from another on that have a limit, with the series that stands for the
// group there. It begins where what is carried begins: that depends on history alone.
func (g group) walk(spent spending, from, to expense.Month, show func(b Budget, p Progress, month expense.Month)) error {
	nothing := expense.CapMoney(0, spent.home)
	carried, since := nothing, expense.Month{} // since when spending counts in what is carried; zero: it does not
	for month := g.firstMonth(from); !month.IsZero() && !month.After(to); month = month.Add(1) {
		limit, place := g.limit(month)
		if place < 0 {
			carried, since = nothing, expense.Month{}
			continue
		}
		b := g[place]
		sum := spent.in(month, b.subject())
		left := expense.CapMoney(limit.Minor()+carried.Minor()-sum.Home.Minor(), limit.Currency())
		if !month.Before(from) {
			p := Progress{
				BudgetID: b.ID, CategoryID: b.subject(), Limit: limit, Carried: carried, Spent: sum, Remaining: left, Projected: sum.Home,
			}
			if !since.IsZero() {
				var err error
				if p.CarriedPending, err = spent.waiting(b.subject(), since, month); err != nil {
					return err
				}
			}
			show(b, p, month)
		}
		if b.Rollover == RolloverNone || !g.goesOn(month.Add(1)) {
			carried, since = nothing, expense.Month{}
			continue
		}
		if carried = b.carry(left); since.IsZero() {
			since = month
		}
	}
	return nil
}

// project says how the month goes on after today, with ahead booked in it already.
func (p *Progress) project(month expense.Month, today expense.Date, ahead int64) {
	switch days := month.Days(); month.Compare(today.Month()) {
	case 0:
		p.DaysLeft = days - today.Day()
		soFar := expense.CapMoney(p.Spent.Home.Minor()-ahead, p.Spent.Home.Currency())
		p.Projected = expense.CapMoney(expense.Prorate(soFar, days, today.Day()).Minor()+ahead, soFar.Currency())
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

// reaches reports whether at least ratio of what is available is used, exactly. Where nothing is available, that is so for every
// ratio once anything is spent; before, the whole is used, unless refunds have made up for the debt.
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

// mostShown is the largest ratio that is shown, either way, in hundredths.
const mostShown = 999_99

// Ratio returns spent / (limit + carried) as a decimal with two places: "0.64". What lies beyond them is cut, so that it never
// reads as a threshold which is not reached; what lies beyond 999.99 reads so. Where a debt has left nothing that may be spent,
// anything spent is 999.99, nothing is 1.00, and refunds that make up for the debt are 0.00: a deeper debt never looks better.
func (p Progress) Ratio() string {
	spent, available := p.Spent.Home.Minor(), p.Limit.Minor()+p.Carried.Minor()
	hundredths := decimal.Zero
	switch {
	case available > 0:
		hundredths, _ = decimal.NewFromInt(spent).Shift(2).QuoRem(decimal.NewFromInt(available), 0)
	case spent > 0:
		hundredths = decimal.NewFromInt(mostShown)
	case spent >= available:
		hundredths = decimal.NewFromInt(100)
	}
	shown := decimal.Max(decimal.NewFromInt(-mostShown), decimal.Min(hundredths, decimal.NewFromInt(mostShown)))
	return shown.Shift(-2).StringFixed(2)
}

// barCells is how wide a bar is.
const barCells = 20

// Bar returns [Progress.Ratio] as a bar of 20 cells, such as "████████████░░░░░░░░". A cell is full once it is wholly used, so
// a full bar says that the limit is reached; beyond that it stays full, and below nothing it stays empty.
func (p Progress) Bar() string {
	full := 0
	for full < barCells && p.reaches(whole*Ratio(full+1)/barCells) {
		full++
	}
	return strings.Repeat("█", full) + strings.Repeat("░", barCells-full)
}
