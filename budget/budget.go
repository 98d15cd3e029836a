// Package budget sets monthly limits for a category, or for the whole ledger, and tells how much of them is spent.
//
//	added, err := budget.Add(ctx, tx, env, budget.Draft{CategoryID: food.ID.String(), Amount: "500"})
//	report, err := budget.ReadMonth(ctx, reader, time.Now(), expense.MustMonth("2026-03"))
//	fmt.Println(report.Data[0].Text) // Food: $320 / $500 spent
package budget

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

const (
	// MaxEntries is how many limits one series holds at most: one for each month of a century.
	MaxEntries = 1200
	// MaxThresholds is how many thresholds a budget has at most.
	MaxThresholds = 5
)

// earliestMonth is that of the first date an expense may have.
var earliestMonth = expense.MustMonth("1900-01")

// A Budget is a series of monthly limits under one id: each entry holds from its month until the next entry, or until the
// series ends. A ledger has at most one series for a category, and one for the whole ledger.
type Budget struct {
	ID          uuid.UUID
	CategoryID  uuid.UUID     // Nil: the whole ledger
	MergedName  string        // the name its category had when a merge ended the series; empty otherwise
	MergedInto  uuid.UUID     // the category that has its expenses since that merge; Nil otherwise
	Entries     []Entry       // at least one, ascending by From, no month twice; all limits in the home currency
	Until       expense.Month // the last month; zero: no end
	Rollover    Rollover      // what of a month's remainder the next month begins with
	RolloverCap expense.Money // the most that rolls over, either way; the zero Money: no cap
	AlertAt     []Ratio       // thresholds: 1 to 5, ascending, none twice; a month at the lowest is a warning
	Version     expense.Version
	Guard       expense.Version // of the last change of anything but Label and Into; set by the store
	CreatedAt   time.Time       // UTC, whole microseconds
	UpdatedAt   time.Time       // UTC, whole microseconds
}

// An Entry is the limit from a month on.
type Entry struct {
	From  expense.Month
	Limit expense.Money // positive; zero in none but the first: there is no limit until the next entry, as where an ended series goes on later
}

// A Book is what the figures of a period need beside its totals: all that is small in a ledger.
type Snapshot struct {
	Settings               expense.Settings
	Categories             []expense.Category // as [expense.Reader.Categories] orders them
	Budgets                []Budget           // ordered by id, byte by byte
	HasUpcomingOccurrences bool               // a rule that is not paused has an occurrence that is not posted yet
}

// Reader is what the use cases of this package read of one owner's ledger.
type Reader interface {
	// Book returns settings, categories and budgets as they were at one moment, and whether a rule was still to post anything;
	// ErrNotFound if the owner has no ledger.
	BudgetSnapshot(ctx context.Context) (Snapshot, error)

	// Budget returns one budget; ErrNotFound if there never was such a one, ErrGone if it was deleted.
	Budget(ctx context.Context, id uuid.UUID) (Budget, error)

	// Totals is that of [expense.Reader].
	Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error)

	// Alerts returns the alerts of the months from one on, of all months for the zero Month: the latest month first, then the
	// latest raised, then by id, byte by byte.
	Alerts(ctx context.Context, from expense.Month) ([]Alert, error)
}

// Tx is what the use cases of this package do to one owner's ledger, under the promises of [expense.Tx].
type Tx interface {
	expense.Tx
	Reader

	// PutBudgets writes budgets with all their entries; ErrExists as well if another budget has the same category.
	PutBudgets(ctx context.Context, budgets ...Budget) (expense.Version, error)

	// DeleteBudget leaves a tombstone.
	DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error)

	// HasBudgets reports whether the ledger has a budget, as the Update has left it so far. It is cheap: it follows every write.
	HasBudgets(ctx context.Context) (bool, error)

	// PutAlerts writes alerts. They are never deleted but with their ledger, so none is ErrGone.
	PutAlerts(ctx context.Context, alerts ...Alert) (expense.Version, error)
}

// SameGuarded reports whether everything of b but Label and Into is as in other; versions and times are no part of it.
func (b Budget) SameGuarded(other Budget) bool {
	return b.CategoryID == other.CategoryID && b.Until == other.Until && b.Rollover == other.Rollover && b.RolloverCap == other.RolloverCap &&
		slices.Equal(b.Entries, other.Entries) && slices.Equal(b.AlertAt, other.AlertAt)
}

// Limit returns the limit in force in month; false before the series begins and after it has ended.
func (b Budget) Limit(month expense.Month) (expense.Money, bool) {
	if !b.Until.IsZero() && month.After(b.Until) {
		return expense.Money{}, false
	}
	next, found := b.find(month)
	if found {
		next++
	}
	if next == 0 || b.Entries[next-1].Limit.IsZero() {
		return expense.Money{}, false
	}
	return b.Entries[next-1].Limit, true
}

// find returns the place of the entry that begins with month, or the place where it would go.
func (b Budget) find(month expense.Month) (int, bool) {
	return slices.BinarySearchFunc(b.Entries, month, func(e Entry, m expense.Month) int { return e.From.Compare(m) })
}

// Validate reports every rule that b breaks, under the names that the API gives the members. The error is ErrInvalid.
func (b Budget) Validate() error {
	var faults expense.ValidationErrors
	if len(b.Entries) == 0 || len(b.Entries) > MaxEntries {
		faults.Add("amount", "out_of_range", "a budget has 1 to %d limits, not %d", MaxEntries, len(b.Entries))
	}
	for i, entry := range b.Entries {
		switch {
		case entry.From.IsZero() || i > 0 && !entry.From.After(b.Entries[i-1].From):
			faults.Add("from_month", "not_ascending", "each limit begins in a later month than the one before")
		case entry.Limit.Currency() != b.Entries[0].Limit.Currency():
			faults.Add("currency", "currency_mismatch", "all limits are in one currency, the home currency")
		}
		if entry.Limit.Sign() < 0 || entry.Limit.IsZero() && i == 0 {
			faults.Add("amount", "not_positive", "a limit is greater than zero")
		}
	}
	if len(b.Entries) > 0 && !b.Entries[0].From.IsZero() && b.Entries[0].From.Before(earliestMonth) {
		faults.Add("from_month", "out_of_range", "a budget begins in %s at the earliest, as expenses do", earliestMonth)
	}
	if len(b.Entries) > 0 && !b.Until.IsZero() && b.Until.Before(b.Entries[0].From) {
		faults.Add("until_month", "before_start", "the budget begins in %s and cannot end before that, in %s",
			b.Entries[0].From, b.Until)
	}
	b.validateRollover(&faults)
	_ = faults.AddError("alert_at", validateAlerts(b.AlertAt))
	return faults.Err()
}

func (b Budget) validateRollover(faults *expense.ValidationErrors) {
	if b.Rollover > RolloverBoth {
		faults.Add("rollover", "unknown_value", "a budget rolls over none, surplus, deficit or both of what is left of a month")
	}
	switch {
	case b.RolloverCap == expense.Money{}:
	case b.Rollover == RolloverNone:
		faults.Add("rollover_cap", "not_applicable", "only a budget that rolls over has a cap")
	case len(b.Entries) > 0 && b.RolloverCap.Currency() != b.Entries[0].Limit.Currency():
		faults.Add("rollover_cap", "currency_mismatch", "a cap is in the currency of the limits, the home currency")
	case b.RolloverCap.Sign() <= 0:
		faults.Add("rollover_cap", "not_positive", "a cap is greater than zero; without one everything rolls over")
	}
}

func validateAlerts(alerts []Ratio) error {
	var faults expense.ValidationErrors
	if len(alerts) == 0 || len(alerts) > MaxThresholds {
		faults.Add("", "out_of_range", "a budget has 1 to %d thresholds, not %d", MaxThresholds, len(alerts))
	}
	for i, ratio := range alerts {
		if ratio <= 0 || ratio > maxRatio {
			faults.Add("", "out_of_range", "a threshold is greater than 0 and at most 10, not %s", ratio)
		}
		if i > 0 && ratio <= alerts[i-1] {
			faults.Add("", "not_ascending", "thresholds ascend, so %s cannot come after %s", ratio, alerts[i-1])
		}
	}
	return faults.Err()
}

// Limits returns the limits in force in month by the category whose expenses count against them, the whole ledger's under
// uuid.Nil. As in [Summarise], the limits of categories that are merged now are one.
func (b Snapshot) Limits(month expense.Month) map[uuid.UUID]expense.Money {
	limits := make(map[uuid.UUID]expense.Money)
	for _, budget := range b.Budgets {
		if limit, ok := budget.Limit(month); ok {
			sum := limits[budget.subject()]
			limits[budget.subject()] = expense.CapMoney(sum.Minor()+limit.Minor(), limit.Currency())
		}
	}
	return limits
}
