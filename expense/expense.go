package expense

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The limits of an expense.
const (
	// MaxNotesLength is the maximum length of notes, in characters (runes).
	MaxNotesLength = 2000
	// MaxDaysAhead is the maximum number of days between today and the date of an expense in the future.
	MaxDaysAhead = 366
)

// earliestDate is the earliest date of an expense.
var earliestDate = MustDate("1900-01-01")

// An Expense is an amount that was paid or refunded, with its conversion into the ledger's home currency. The
// conversion is stored: later rates do not change it. Compare expenses with ==.
//
// The guarded fields of an expense are its amount, currency, date and rate. [Expense.Guard] is the version of their
// last change.
type Expense struct {
	ID         uuid.UUID
	Amount     Money // not zero; negative for a refund
	Date       Date  // a civil date, without a time or a time zone
	CategoryID uuid.UUID
	Notes      string    // at most MaxNotesLength characters, no control characters except newline and tab
	RuleID     uuid.UUID // the recurring rule that posted the expense, or Nil
	Occurrence Date      // the date of the rule's occurrence; Date may differ, because users can edit it
	Rate       Rate      // units of the home currency per unit of Amount's currency; zero: the expense is pending
	Home       Money     // Amount × Rate in the home currency, rounded once; zero while the expense is pending
	Version    Version   // the version of the last write; set by the store
	Guard      Version   // the version of the last change of the guarded fields; set by the store
	CreatedAt  time.Time // in UTC, in whole microseconds
	UpdatedAt  time.Time // in UTC, in whole microseconds
}

// Pending reports whether the expense has no exchange rate yet.
func (e Expense) Pending() bool { return e.Rate.IsZero() }

// SameGuardedFields reports whether the guarded fields of e and other are equal.
func (e Expense) SameGuardedFields(other Expense) bool {
	return e.Amount == other.Amount && e.Date == other.Date && e.Rate == other.Rate && e.Home == other.Home
}

// Volume returns the larger of the absolute values of Amount and Home, in minor units. The store keeps the sum of the
// volumes of a ledger at or below [MaxMinor]. Therefore no sum of its amounts, in any currency, exceeds MaxMinor.
func (e Expense) Volume() int64 {
	return max(e.Amount.minor, -e.Amount.minor, e.Home.minor, -e.Home.minor)
}

// ErrTotalTooLarge means that after the write, the sum of [Expense.Volume] over the ledger would exceed [MaxMinor]. It
// is an [ErrInvalid].
var ErrTotalTooLarge error = &InvalidError{
	Code: "total_too_large",
	Detail: "the sum of the ledger's amounts, over all currencies and with refunds as positive amounts, would reach " +
		"10^15 minor units; give a smaller amount",
}

// A Sort is the order of a list of expenses. Expenses with equal sort keys are ordered by id, in the same direction.
type Sort uint8

// The sort orders.
const (
	NewestFirst        Sort = iota // by date, descending
	OldestFirst                    // by date, ascending
	LargestFirst                   // by home amount, descending; the home amount of a pending expense is 0
	SmallestFirst                  // by home amount
	NewestCreatedFirst             // by creation time, descending
	OldestCreatedFirst             // by creation time
)

// Descending reports whether high sort keys come first.
func (s Sort) Descending() bool {
	return s == NewestFirst || s == LargestFirst || s == NewestCreatedFirst
}

// Position returns the position of e in a list of this order.
func (s Sort) Position(e Expense) Position {
	switch s {
	case LargestFirst, SmallestFirst:
		return Position{SortKey: e.Home.minor, ID: e.ID}
	case NewestCreatedFirst, OldestCreatedFirst:
		return Position{SortKey: e.CreatedAt.UnixMicro(), ID: e.ID}
	default:
		return Position{SortKey: int64(e.Date.Int()), ID: e.ID}
	}
}

// A Position marks an expense in a sorted list, so that [Query.After] can continue the list after it. The zero Position
// is the start of the list.
type Position struct {
	SortKey int64     // the sort key: Date.Int, minor units of Home, or CreatedAt in microseconds since 1970
	ID      uuid.UUID // the expense's id
}

// IsZero reports whether p is the start of the list.
func (p Position) IsZero() bool { return p == Position{} }

// A Filter selects the expenses that match all its fields. A zero field matches every expense.
type Filter struct {
	Dates      Range
	Categories []uuid.UUID // one of these
	Currency   Currency    // the currency of Amount
	AmountMin  Money       // the minimum; it also selects the currency
	AmountMax  Money       // the maximum; it also selects the currency
	Text       string      // part of the notes, compared by [FoldSearch]
	RuleID     uuid.UUID
	Pending    *bool // nil: both pending and converted expenses
}

// Matches reports whether the filter selects e.
func (f Filter) Matches(e Expense) bool {
	return f.Dates.Contains(e.Date) &&
		(len(f.Categories) == 0 || slices.Contains(f.Categories, e.CategoryID)) &&
		(f.Currency.IsZero() || e.Amount.currency == f.Currency) &&
		(f.AmountMin.currency.IsZero() || e.Amount.currency == f.AmountMin.currency && e.Amount.minor >= f.AmountMin.minor) &&
		(f.AmountMax.currency.IsZero() || e.Amount.currency == f.AmountMax.currency && e.Amount.minor <= f.AmountMax.minor) &&
		(f.Text == "" || strings.Contains(FoldSearch(e.Notes), FoldSearch(f.Text))) &&
		(f.RuleID == uuid.Nil || e.RuleID == f.RuleID) &&
		(f.Pending == nil || e.Pending() == *f.Pending)
}

// A Query selects a sorted list of expenses.
type Query struct {
	Filter
	Sort  Sort
	After Position // only expenses after this position
	Limit int      // the maximum number of expenses; 0: no limit
}

// A Granularity is the length of the periods into which totals are divided.
type Granularity uint8

// The granularities.
const (
	WholeRange Granularity = iota // one period, the whole range
	ByDay                         // civil days
	ByWeek                        // ISO 8601 weeks, Monday to Sunday
	ByMonth                       // civil months
)

// Truncate returns the first day of d's period, or the zero Date for WholeRange.
func (g Granularity) Truncate(d Date) Date {
	switch g {
	case ByDay:
		return d
	case ByWeek:
		return d.WeekStart()
	case ByMonth:
		return d.Month().First()
	default:
		return Date{}
	}
}

// A TotalsQuery selects the totals of several ranges. Ranges may overlap: each has its own totals.
type TotalsQuery struct {
	Ranges      []Range
	Granularity Granularity
}

// A Total is the sum of the expenses of one category that were paid in one currency, in one period.
type Total struct {
	Range        int  // the index of the range in the query
	Period       Date // the first day of the period, which may lie before the range; zero for WholeRange
	CategoryID   uuid.UUID
	Count        int   // number of expenses, including pending ones
	Amount       Money // sum of the amounts, including pending expenses
	Home         Money // sum of the home amounts, without pending expenses
	PendingCount int   // number of pending expenses
	Pending      Money // sum of the amounts of pending expenses
}

// Sum returns the totals of rows, in the order of [Reader]'s method Totals. It is for stores that compute totals from
// their rows. It returns [ErrInvalid] if a sum exceeds MaxMinor, which the limit of [Expense.Volume] prevents.
func (q TotalsQuery) Sum(rows iter.Seq[Expense]) ([]Total, error) {
	type group struct {
		span     int
		period   Date
		category uuid.UUID
		currency Currency
	}
	sums := make(map[group]Total)
	for e := range rows {
		for i, span := range q.Ranges {
			if !span.Contains(e.Date) {
				continue
			}
			key := group{i, q.Granularity.Truncate(e.Date), e.CategoryID, e.Amount.Currency()}
			total, found := sums[key]
			if !found {
				total = Total{Range: i, Period: key.period, CategoryID: e.CategoryID, Amount: ClampMoney(0, key.currency),
					Pending: ClampMoney(0, key.currency), Home: ClampMoney(0, e.Home.Currency())}
			}
			if err := total.add(e); err != nil {
				return nil, err
			}
			sums[key] = total
		}
	}
	return slices.SortedFunc(maps.Values(sums), func(a, b Total) int {
		return cmp.Or(cmp.Compare(a.Range, b.Range), a.Period.Compare(b.Period),
			bytes.Compare(a.CategoryID[:], b.CategoryID[:]),
			cmp.Compare(a.Amount.Currency().Code(), b.Amount.Currency().Code()))
	}), nil
}

func (t *Total) add(e Expense) (err error) {
	t.Count++
	if t.Amount, err = t.Amount.Add(e.Amount); err != nil {
		return err
	}
	if e.Pending() {
		t.PendingCount++
		t.Pending, err = t.Pending.Add(e.Amount)
		return err
	}
	t.Home, err = t.Home.Add(e.Home)
	return err
}
