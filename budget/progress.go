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

// A Report is how far the budgets of one month are used up.
type Report struct {
	Month expense.Month
	Data  []Progress // of the categories with a limit in that month, ordered by their folded names
	Total *Progress  // of the whole ledger; nil if it has no limit in that month
}

// A Progress is how far one budget is used up in one month.
type Progress struct {
	BudgetID     uuid.UUID
	CategoryID   uuid.UUID // Nil: the whole ledger
	CategoryName string    // empty: the whole ledger
	Limit        expense.Money
	Spent        expense.Sum   // Spent.Home counts against the limit; what waits for a rate is named beside it
	Remaining    expense.Money // negative once more than the limit is spent
	State        State
	DaysLeft     int           // days of the month after today: all of them while it has not begun, 0 once it is over
	Projected    expense.Money // what the month comes to at the pace of its days so far; see [Summarise]
	Text         string        // such as "Food: $320 / $500 spent", by the ledger's locale
}

// A State says how near a limit is.
type State uint8

// The states. By the default thresholds: ok < 80 % ≤ warning < 100 % ≤ over.
const (
	OK      State = iota // below the lowest threshold
	Warning              // from the lowest threshold on
	Over                 // from the whole limit on, whatever the thresholds
)

// String returns the state's name on the wire: "ok", "warning", "over".
func (s State) String() string {
	switch s {
	case Warning:
		return "warning"
	case Over:
		return "over"
	default:
		return "ok"
	}
}

// MarshalText writes what String returns.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Read reads the progress of month's budgets at now; the zero month is the one at hand in the ledger's zone. It takes one
// Book and one Totals, which agree when r is a View's.
func Read(ctx context.Context, r Reader, now time.Time, month expense.Month) (Report, error) {
	book, err := r.Book(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("book: %w", err)
	}
	today := book.Settings.Today(now)
	if month.IsZero() {
		month = today.Month()
	}
	totals, err := r.Totals(ctx, expense.TotalsQuery{Ranges: []expense.Range{month.Range()}})
	if err != nil {
		return Report{}, fmt.Errorf("totals of %s: %w", month, err)
	}
	return Summarise(book, month, today, totals)
}

// Summarise returns the progress of month's budgets on the day today, from the month's totals. The projection of the month at
// hand is spent / days elapsed × days, today being one of those elapsed; a month that is over comes to what was spent, and one
// that has not begun to what is booked. An error says that the totals contradict the promises of [Reader.Totals].
func Summarise(book Book, month expense.Month, today expense.Date, totals []expense.Total) (Report, error) {
	home := book.Settings.Home
	all, err := expense.SumTotals(home, totals)
	if err != nil {
		return Report{}, err
	}
	byCategory, err := expense.SumTotalsBy(home, totals, func(t expense.Total) uuid.UUID { return t.CategoryID })
	if err != nil {
		return Report{}, err
	}
	phrases := phrasesFor(book.Settings.Locale)
	report := Report{Month: month, Data: []Progress{}}
	for _, b := range book.Budgets {
		limit, ok := b.Limit(month)
		if !ok {
			continue
		}
		spent, found := byCategory[b.CategoryID]
		switch {
		case b.CategoryID == uuid.Nil:
			spent = all
		case !found:
			spent = expense.NewSum(home)
		}
		p := b.progress(limit, spent, month, today)
		p.CategoryName = book.categoryName(b)
		p.Text = phrases.text(p)
		if b.CategoryID == uuid.Nil {
			report.Total = &p
		} else {
			report.Data = append(report.Data, p)
		}
	}
	slices.SortStableFunc(report.Data, func(a, b Progress) int {
		return cmp.Or(
			cmp.Compare(expense.Fold(a.CategoryName), expense.Fold(b.CategoryName)), bytes.Compare(a.BudgetID[:], b.BudgetID[:]))
	})
	return report, nil
}

func (b Budget) progress(limit expense.Money, spent expense.Sum, month expense.Month, today expense.Date) Progress {
	p := Progress{
		BudgetID: b.ID, CategoryID: b.CategoryID, Limit: limit, Spent: spent,
		Remaining: expense.CapMoney(limit.Minor()-spent.Home.Minor(), limit.Currency()), Projected: spent.Home,
	}
	switch {
	case reaches(spent.Home, limit, whole):
		p.State = Over
	case reaches(spent.Home, limit, b.AlertAt[0]):
		p.State = Warning
	}
	switch days := month.Days(); month.Compare(today.Month()) {
	case 0:
		p.DaysLeft = days - today.Day()
		p.Projected = expense.CapMoney(divRound(spent.Home.Minor()*int64(days), int64(today.Day())), limit.Currency())
	case 1:
		p.DaysLeft = days
	}
	return p
}

// reaches reports whether spent is at least ratio of limit, exactly.
func reaches(spent, limit expense.Money, ratio Ratio) bool {
	if spent.Sign() < 0 {
		return false
	}
	spentHi, spentLo := bits.Mul64(uint64(spent.Minor()), uint64(whole))
	limitHi, limitLo := bits.Mul64(uint64(limit.Minor()), uint64(ratio))
	return cmp.Or(cmp.Compare(spentHi, limitHi), cmp.Compare(spentLo, limitLo)) >= 0
}

// divRound returns n/d rounded half away from zero; d is positive.
func divRound(n, d int64) int64 {
	if n < 0 {
		return -divRound(-n, d)
	}
	return (n + d/2) / d
}

// Ratio returns spent / limit as a decimal with two places, rounded half away from zero: "0.64".
func (p Progress) Ratio() string {
	spent, limit := decimal.NewFromInt(p.Spent.Home.Minor()), decimal.NewFromInt(p.Limit.Minor())
	return spent.DivRound(limit, 2).StringFixed(2)
}

// barCells is how wide a bar is.
const barCells = 20

// Bar returns spent / limit as a bar of 20 cells, such as "████████████░░░░░░░░". A cell is full once it is wholly used, so
// a full bar says that the limit is reached; beyond that it stays full, and below nothing it stays empty.
func (p Progress) Bar() string {
	full := 0
	for full < barCells && reaches(p.Spent.Home, p.Limit, whole*Ratio(full+1)/barCells) {
		full++
	}
	return strings.Repeat("█", full) + strings.Repeat("░", barCells-full)
}
