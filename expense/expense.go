package expense

import (
	"time"

	"github.com/google/uuid"
)

// The limits of an expense.
const (
	// MaxNotesLength is how many runes notes have at most.
	MaxNotesLength = 2000
	// MaxDaysAhead is how many days after today an expense may be dated.
	MaxDaysAhead = 366
)

// earliestDate is the first date an expense may have.
var earliestDate = MustDate("1900-01-01")

// An Expense is one thing that was paid for, or refunded: an amount in the currency that was paid, and the frozen
// conversion of it into the ledger's home currency. Equal expenses compare with ==.
type Expense struct {
	ID         uuid.UUID
	Amount     Money // not zero; negative is a refund
	Date       Date  // a civil date in the user's life, never an instant
	CategoryID uuid.UUID
	Notes      string    // at most 2,000 runes, no control characters but newline and tab
	RuleID     uuid.UUID // the recurring rule that posted it, or Nil
	Occurrence Date      // the rule's date that it stands for; Date may have been edited since
	Rate       Rate      // home units per unit; the zero Rate says that the conversion is pending
	Home       Money     // Amount × Rate, rounded once; while pending nothing, but of the home currency
	Version    Version   // of the Update that last wrote it; set by the store
	Guard      Version   // of the last change of amount, currency, date or rate; set by the store
	CreatedAt  time.Time // UTC, whole microseconds
	UpdatedAt  time.Time // UTC, whole microseconds
}

// Pending reports whether the expense waits for an exchange rate.
func (e Expense) Pending() bool { return e.Rate.IsZero() }

// SameGuarded reports whether the guarded group of e, its amount, currency, date and rate, is that of other.
func (e Expense) SameGuardedFields(other Expense) bool {
	return e.Amount == other.Amount && e.Date == other.Date && e.Rate == other.Rate && e.Home == other.Home
}

// Volume is what the expense counts towards the limit of its ledger: the larger of its amount and its home amount, in
// minor units, without their signs. The volumes of a ledger's expenses sum to at most [MaxMinor], so that no total of
// any of them, in any currency, can pass it.
func (e Expense) Volume() int64 {
	return max(e.Amount.minor, -e.Amount.minor, e.Home.minor, -e.Home.minor)
}

// ErrTotalTooLarge is the ErrInvalid of a write after which the volumes of a ledger's expenses would sum to more than
// [MaxMinor].
var ErrTotalTooLarge error = &InvalidError{
	Code: "total_too_large",
	Detail: "the ledger's amounts, of all currencies together and refunds counted as positive, " +
		"would come to 10^15 minor units or more",
}

// A Sort is the order of a list of expenses; equal keys are ordered by id in the same direction.
type Sort uint8

// The orders of a list.
const (
	NewestFirst        Sort = iota // by date, descending
	OldestFirst                    // by date
	LargestFirst                   // by home amount, descending; a pending expense counts as nothing
	SmallestFirst                  // by home amount
	NewestCreatedFirst             // by the time of creation, descending
	OldestCreatedFirst             // by the time of creation
)

// Descending reports whether the order goes from high keys to low ones.
func (s Sort) Descending() bool {
	return s == NewestFirst || s == LargestFirst || s == NewestCreatedFirst
}

// Key returns e's place in the order.
func (s Sort) Position(e Expense) Position {
	switch s {
	case LargestFirst, SmallestFirst:
		return Position{N: e.Home.minor, ID: e.ID}
	case NewestCreatedFirst, OldestCreatedFirst:
		return Position{N: e.CreatedAt.UnixMicro(), ID: e.ID}
	default:
		return Position{N: int64(e.Date.Int()), ID: e.ID}
	}
}

// A Key is a place in an order of expenses: the sort key as a number (a date's digits, minor units, or microseconds since
// 1970), and the id. The zero Key is before all of them.
type Position struct {
	N  int64
	ID uuid.UUID
}

// IsZero reports whether k is the start of the list.
func (k Position) IsZero() bool { return k == Position{} }

// A Filter chooses expenses; each member that is not zero narrows the choice.
type Filter struct {
	Dates      Range
	Categories []uuid.UUID // any of them
	Currency   Currency    // paid in
	AmountMin  Money       // at least; a bound has a currency, nothing of no currency is no bound
	AmountMax  Money       // at most; as AmountMin
	Text       string      // occurs in the notes, by [Fold]
	RuleID     uuid.UUID
	Pending    *bool
}

// Matches reports whether the filter chooses e.
func (f Filter) Matches(e Expense) bool {
	return f.Dates.Contains(e.Date) &&
		(len(f.Categories) == 0 || containsID(f.Categories, e.CategoryID)) &&
		(f.Currency.IsZero() || e.Amount.currency == f.Currency) &&
		(f.AmountMin.currency.IsZero() || e.Amount.currency == f.AmountMin.currency && e.Amount.minor >= f.AmountMin.minor) &&
		(f.AmountMax.currency.IsZero() || e.Amount.currency == f.AmountMax.currency && e.Amount.minor <= f.AmountMax.minor) &&
		(f.Text == "" || foldedContains(e.Notes, f.Text)) &&
		(f.RuleID == uuid.Nil || e.RuleID == f.RuleID) &&
		(f.Pending == nil || e.Pending() == *f.Pending)
}

// A Query asks for a list of expenses: which, in which order, from where on, and how many.
type Query struct {
	Filter
	Sort  Sort
	After Position // the place to go on after; the zero Key starts at the beginning
	Limit int      // at most so many; 0 is all
}

// A Step is the length of the periods that totals are split into.
type Granularity uint8

// The steps.
const (
	WholeRange Granularity = iota // one period, the whole range
	ByDay                         // civil days
	ByWeek                        // ISO 8601 weeks, Monday to Sunday
	ByMonth                       // civil months
)

// Floor returns the first day of the period that holds d; for WholeRange the zero Date.
func (s Granularity) Truncate(d Date) Date {
	switch s {
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

// A TotalsQuery asks for the sums of several ranges at once. Ranges may overlap; each is answered by itself.
type TotalsQuery struct {
	Ranges      []Range
	Granularity Granularity
}

// A Total is the sum of the expenses of one category and one original currency in one period.
type Total struct {
	Range        int  // which of the query's ranges
	Period       Date // the first day of the step's period, which may lie before the range; zero for WholeRange
	CategoryID   uuid.UUID
	Count        int   // pending ones included
	Amount       Money // in the currency that was paid, pending ones included
	Home         Money // in the home currency, of those that are converted
	PendingCount int   // how many are pending
	Pending      Money // their sum, in the currency that was paid
}
