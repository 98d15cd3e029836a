// Package budget sets monthly limits for a category, or for the whole ledger, and tells how much of them is spent.
package budget

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Budget is a series of monthly limits under one id: each entry holds from its month until the next entry, or until the
// series ends. A ledger has at most one series for a category, and one for the whole ledger.
type Budget struct {
	ID         uuid.UUID
	CategoryID uuid.UUID     // Nil: the whole ledger
	Label      string        // the name its category had when a merge ended the series; empty otherwise
	Entries    []Entry       // at least one, ascending by From, no month twice; all limits in the home currency
	Until      expense.Month // the last month; zero: no end
	AlertAt    []Ratio       // thresholds, ascending; see [Budget.Validate]
	Version    expense.Version
	Guard      expense.Version // of the last change of anything but Label; set by the store
	CreatedAt  time.Time       // UTC, whole microseconds
	UpdatedAt  time.Time       // UTC, whole microseconds
}

// An Entry is the limit from a month on.
type Entry struct {
	From  expense.Month
	Limit expense.Money // positive
}

// A Ratio is a part of a limit in ten-thousandths: 8000 is 80 %.
type Ratio int64

// A Book is what the figures of a period need beside its totals: all that is small in a ledger.
type Book struct {
	Settings   expense.Settings
	Categories []expense.Category // as [expense.Reader.Categories] orders them
	Budgets    []Budget           // ordered by id, byte by byte
}

// Reader is what the use cases of this package read of one owner's ledger.
type Reader interface {
	// Book returns settings, categories and budgets as they were at one moment; ErrNotFound if the owner has no ledger.
	Book(ctx context.Context) (Book, error)

	// Budget returns one budget; ErrNotFound if there never was such a one, ErrGone if it was deleted.
	Budget(ctx context.Context, id uuid.UUID) (Budget, error)

	// Totals is that of [expense.Reader].
	Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error)
}

// Tx is what the use cases of this package do to one owner's ledger, under the promises of [expense.Tx].
type Tx interface {
	expense.Tx
	Reader

	// PutBudgets writes budgets with all their entries; ErrExists as well if another budget has the same category.
	PutBudgets(ctx context.Context, budgets ...Budget) (expense.Version, error)

	// DeleteBudget leaves a tombstone.
	DeleteBudget(ctx context.Context, id uuid.UUID) (expense.Version, error)
}

// SameGuarded reports whether everything of b but Label is as in other; versions and times are no part of it.
func (b Budget) SameGuarded(other Budget) bool {
	return b.CategoryID == other.CategoryID && b.Until == other.Until &&
		slices.Equal(b.Entries, other.Entries) && slices.Equal(b.AlertAt, other.AlertAt)
}
