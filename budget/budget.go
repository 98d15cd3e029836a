// Package budget defines monthly spending limits and computes how much of them is spent.
//
// # Budgets and entries
//
// A [Budget] limits what may be spent in a month, either in one category or in the whole ledger. A category has at most
// one budget, and the whole ledger has at most one. The limit may change over time, so a budget is a list of entries:
// each [Entry] holds from its month until the month before the next entry. [Add] creates a budget with one entry.
// [Change] adds an entry or replaces one; the limits of earlier months stay as they were. [Budget.Until] is the last
// month of a budget that has ended. All limits are in the ledger's home currency.
//
// # Progress
//
// [ReadMonth] and [History] compute the [Progress] of each budget in a month: what was spent, what remains, the state
// and a projection to the end of the month. The package stores no progress. It computes it from the totals of the
// expenses each time, so the progress of a past month is correct even after one of its expenses is added or changed.
//
// # Rollover
//
// A budget may carry the remainder of a month into the next month: the surplus, the deficit or both, up to a cap. See
// [Rollover]. A surplus increases the available amount of the next month; a deficit reduces it.
//
// # Alerts
//
// A budget has one to [MaxThresholds] thresholds, which are parts of the available amount. The first time that a
// month's spending reaches a threshold, [RaiseAlerts] stores an [Alert].
//
// # Merged categories
//
// When a category is merged into another, its budget ends, but its past limits still count. [Budget.MergedInto] names
// the category that has the expenses now. The limit of a month before the merge is the sum of both limits, because its
// spending is the sum of both categories.
package budget

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

const (
	// MaxEntries is the maximum number of entries of a budget: one for each month of a century.
	MaxEntries = 1200
	// MaxThresholds is the maximum number of alert thresholds of a budget.
	MaxThresholds = 5
)

// earliestMonth is the month of the earliest date that an expense may have.
var earliestMonth = expense.MustMonth("1900-01")

// A Budget is the monthly limit of a category or of the whole ledger, with all its changes over time.
type Budget struct {
	ID          uuid.UUID
	CategoryID  uuid.UUID     // uuid.Nil: the whole ledger
	MergedName  string        // the category's name before it was merged into another; empty if it was not merged
	MergedInto  uuid.UUID     // the category into which CategoryID was merged; uuid.Nil: it was not merged
	Entries     []Entry       // at least one; ascending by From, without duplicates; in the home currency
	Until       expense.Month // the last month with a limit; zero: no end
	Rollover    Rollover      // which remainder of a month is carried into the next month
	RolloverCap expense.Money // the largest amount carried, as surplus or as deficit; the zero Money: no cap
	AlertAt     []Ratio       // thresholds: 1 to MaxThresholds, ascending, without duplicates
	Version     expense.Version
	Guard       expense.Version // version of the last change of a guarded field; set by the store
	CreatedAt   time.Time       // UTC, whole microseconds
	UpdatedAt   time.Time       // UTC, whole microseconds
}

// An Entry is the limit that holds from a month on. A Limit of zero suspends the budget until the next entry. The first
// entry must not be zero.
type Entry struct {
	From  expense.Month
	Limit expense.Money // positive, or zero if the budget is suspended
}

// A Snapshot holds the settings, categories and budgets of a ledger at one moment. Progress and reports depend only on
// a Snapshot and on totals of the expenses.
type Snapshot struct {
	Settings   expense.Settings
	Categories []expense.Category // in the order of [expense.Reader.Categories]
	Budgets    []Budget           // ordered by the bytes of their ids

	// HasUpcomingOccurrences reports whether a rule that is not paused has an occurrence that is not posted yet.
	HasUpcomingOccurrences bool
}

// Reader reads the budgets of one ledger.
type Reader interface {
	// BudgetSnapshot returns a consistent Snapshot of the ledger. It returns ErrNotFound if the owner has no ledger.
	BudgetSnapshot(ctx context.Context) (Snapshot, error)

	// Budget returns the budget with this id. It returns ErrNotFound if the id is unknown and ErrGone if the budget was
	// deleted.
	Budget(ctx context.Context, id uuid.UUID) (Budget, error)

	// Totals is the method of [expense.Reader].
	Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error)

	// Alerts returns the alerts of all months that are not before from. A zero from selects all alerts. The alerts are
	// ordered by month, then by the time they were raised, both descending, then by the bytes of their ids, ascending.
	Alerts(ctx context.Context, from expense.Month) ([]Alert, error)
}

// Tx reads and writes the budgets of one ledger. The guarantees of [expense.Tx] hold for its methods too.
type Tx interface {
	expense.Tx
	Reader

	// PutBudgets writes budgets with all their entries. It also returns ErrExists if another budget has the same category.
	PutBudgets(ctx context.Context, budgets ...Budget) (expense.Version, error)

	// DeleteBudget deletes a budget and leaves a tombstone.
	DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error)

	// HasBudgets reports whether the ledger has a budget, including the writes of this Update so far. It must be cheap,
	// because it is called after every write.
	HasBudgets(ctx context.Context) (bool, error)

	// PutAlerts writes alerts. An alert is only deleted together with its ledger, so PutAlerts never returns ErrGone.
	PutAlerts(ctx context.Context, alerts ...Alert) (expense.Version, error)
}

// SameGuardedFields reports whether the guarded fields of b and other are equal. The guarded fields of a budget are
// those that a user can change: all but ID, MergedName, MergedInto, the versions and the times.
func (b Budget) SameGuardedFields(other Budget) bool {
	return b.CategoryID == other.CategoryID && b.Until == other.Until && b.Rollover == other.Rollover &&
		b.RolloverCap == other.RolloverCap && slices.Equal(b.Entries, other.Entries) && slices.Equal(b.AlertAt, other.AlertAt)
}

// Limit returns the limit of a month. It returns false if the budget has none: before its first entry, after Until, and
// while it is suspended.
func (b Budget) Limit(month expense.Month) (expense.Money, bool) {
	if !b.Until.IsZero() && month.After(b.Until) {
		return expense.Money{}, false
	}
	next, exact := b.find(month)
	if exact {
		next++
	}
	if next == 0 || b.Entries[next-1].Limit.IsZero() {
		return expense.Money{}, false
	}
	return b.Entries[next-1].Limit, true
}

// find returns the index of the entry that begins in month, or the index at which to insert one.
func (b Budget) find(month expense.Month) (index int, exact bool) {
	return slices.BinarySearchFunc(b.Entries, month, func(e Entry, m expense.Month) int { return e.From.Compare(m) })
}

// Validate checks a stored budget, for example one that a backup contains. The error is ErrInvalid with all field
// errors. The field errors use the field names of the API.
func (b Budget) Validate() error {
	var errs expense.ValidationErrors
	if len(b.Entries) == 0 || len(b.Entries) > MaxEntries {
		errs.Add("amount", "out_of_range", "the budget has %d limits; give 1 to %d", len(b.Entries), MaxEntries)
	}
	for i, entry := range b.Entries {
		switch {
		case entry.From.IsZero() || i > 0 && !entry.From.After(b.Entries[i-1].From):
			errs.Add("from_month", "not_ascending",
				"limit %d does not begin in a later month than the limit before it; give a later month", i+1)
		case entry.Limit.Currency() != b.Entries[0].Limit.Currency():
			errs.Add("currency", "currency_mismatch", "limit %s is not in the currency of the first limit; give it in %s",
				entry.Limit, b.Entries[0].Limit.Currency())
		}
		if entry.Limit.Sign() < 0 || entry.Limit.IsZero() && i == 0 {
			errs.Add("amount", "not_positive", notPositiveLimit, entry.Limit)
		}
	}
	if len(b.Entries) > 0 && !b.Entries[0].From.IsZero() && b.Entries[0].From.Before(earliestMonth) {
		errs.Add("from_month", "out_of_range", "the budget begins in %s; give %s or later",
			b.Entries[0].From, earliestMonth)
	}
	if len(b.Entries) > 0 && !b.Until.IsZero() && b.Until.Before(b.Entries[0].From) {
		errs.Add("until_month", "before_start", "the budget ends in %s, before it begins in %s; give a later end",
			b.Until, b.Entries[0].From)
	}
	b.validateRollover(&errs)
	validateAlerts(&errs, b.AlertAt)
	return errs.Err()
}

func (b Budget) validateRollover(errs *expense.ValidationErrors) {
	if b.Rollover > RolloverBoth {
		errs.Add("rollover", "unknown_value", "rollover %d is unknown; %s", b.Rollover, rolloverValues)
	}
	switch {
	case b.RolloverCap == expense.Money{}:
	case b.Rollover == RolloverNone:
		errs.Add("rollover_cap", "not_applicable",
			"cap %s has no effect without rollover; set rollover, or leave the cap out",
			b.RolloverCap)
	case len(b.Entries) > 0 && b.RolloverCap.Currency() != b.Entries[0].Limit.Currency():
		errs.Add("rollover_cap", "currency_mismatch", "cap %s is not in the currency of the limits; give it in %s",
			b.RolloverCap, b.Entries[0].Limit.Currency())
	case b.RolloverCap.Sign() <= 0:
		errs.Add("rollover_cap", "not_positive", notPositiveCap, b.RolloverCap)
	}
}

// The details of amounts that must be positive.
const (
	notPositiveLimit = "limit %s is not positive; give more than zero"
	notPositiveCap   = "cap %s is not positive; give more than zero, or leave it out"
)

// thresholdField returns the name of a threshold in field errors.
func thresholdField(i int) string { return "alert_at/" + strconv.Itoa(i) }

func validateAlerts(errs *expense.ValidationErrors, thresholds []Ratio) {
	if len(thresholds) == 0 || len(thresholds) > MaxThresholds {
		errs.Add("alert_at", "out_of_range", "the budget has %d thresholds; give 1 to %d", len(thresholds), MaxThresholds)
	}
	for i, threshold := range thresholds {
		if threshold <= 0 || threshold > maxRatio {
			errs.Add(thresholdField(i), "out_of_range", "threshold %s is out of range; give more than 0 and at most 10",
				threshold)
		}
		if i > 0 && threshold <= thresholds[i-1] {
			errs.Add(thresholdField(i), "not_ascending", "threshold %s comes after %s; give thresholds in ascending order",
				threshold, thresholds[i-1])
		}
	}
}

// Limits returns the limit of each category in a month. The key uuid.Nil has the limit of the whole ledger. The limit
// of a category includes those of the categories merged into it, as in [ReadMonth].
func (s Snapshot) Limits(month expense.Month) map[uuid.UUID]expense.Money {
	limits := make(map[uuid.UUID]expense.Money)
	for _, b := range s.Budgets {
		if limit, ok := b.Limit(month); ok {
			id := b.countedCategory()
			limits[id] = expense.ClampMoney(limits[id].Minor()+limit.Minor(), limit.Currency())
		}
	}
	return limits
}
