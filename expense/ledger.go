package expense

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"
)

// An Env holds the current time and the exchange rates for a use case.
type Env struct {
	Now   time.Time
	Rates Rates // the rate table; nil: [NoRates]
}

// Reader reads one owner's ledger. It has the methods that the use cases of this package need. The conformance suite of
// package store/storetest checks that a store fulfils this documentation.
type Reader interface {
	// Settings returns the ledger's settings. It returns ErrNotFound if the owner has no ledger.
	Settings(ctx context.Context) (Settings, error)

	// Category returns a category. It returns ErrNotFound if the id is unknown and ErrGone if the category was deleted or
	// merged.
	Category(ctx context.Context, id uuid.UUID) (Category, error)

	// CategoryByName returns the category whose folded name equals Fold(name). It returns ErrNotFound if there is none.
	CategoryByName(ctx context.Context, name string) (Category, error)

	// MergedInto returns the id of the category into which the deleted category with this id was merged, or Nil if it was
	// deleted without a merge. It returns ErrNotFound if there is no tombstone with this id.
	MergedInto(ctx context.Context, id uuid.UUID) (uuid.UUID, error)

	// Categories returns all categories, including archived ones, ordered by the bytes of their folded names.
	Categories(ctx context.Context) ([]Category, error)

	// Expense returns an expense. It returns ErrNotFound if the id is unknown and ErrGone if the expense was deleted.
	Expense(ctx context.Context, id uuid.UUID) (Expense, error)

	// KnownExpenseIDs returns the ids that belong to an expense or to the tombstone of one.
	KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error)

	// Expenses yields the expenses that query selects, each once, in the query's order. After it yields an error, it ends.
	// It keeps no database cursor open while it yields, so the loop body may call the store.
	Expenses(ctx context.Context, query Query) iter.Seq2[Expense, error]

	// Totals returns the sums of the expenses of each range, by period, category and original currency. They are ordered
	// by range, period, category id and currency code. There is no Total for a period without expenses. The totals always
	// equal the sums over the expenses that Expenses yields.
	Totals(ctx context.Context, query TotalsQuery) ([]Total, error)
}

// Tx reads and writes one owner's ledger within one transaction, which the store's method Update runs.
//
// A method that writes compares the Version of each given row with the stored row:
//
//   - Version 0 creates a row. The method returns ErrExists if a row has the id, and ErrGone if a deleted row had it.
//   - Any other Version must be the version of the stored row. The method returns ErrStale, as a [StaleError], if it is
//     not, and ErrNotFound or ErrGone if there is no row.
//
// A method that returns ErrNotFound, ErrGone, ErrExists, ErrStale, ErrInUse or ErrInvalid changed no row, and the Tx
// stays usable. A method that writes returns the version of the Update. All rows that the Update writes get this
// version. Reads see the earlier writes of the same Update.
type Tx interface {
	Reader

	// PutSettings replaces the settings, and returns ErrExists if their version is 0. The default category must exist.
	PutSettings(ctx context.Context, settings Settings) (Version, error)

	// PutCategories writes categories. It returns ErrExists also if another category of the ledger has the name. It clears
	// the failures of the recurring rules of these categories, because a category may have caused them. Posting of these
	// rules is then retried without a delay. These rules get the Update's version.
	PutCategories(ctx context.Context, categories ...Category) (Version, error)

	// DeleteCategory deletes a category and leaves a tombstone. It returns ErrInUse if an expense, a rule, a budget or the
	// settings refer to the category. A budget refers to a category also by its MergedInto.
	DeleteCategory(ctx context.Context, id uuid.UUID) (Version, error)

	// MergeCategory merges the category source into the category target, as of the given month:
	//
	//   - It moves all expenses and rules. The moved rows get the Update's version and keep their Guard.
	//   - It ends the budget of source in the month before the given one. If that budget has ended earlier, it keeps its
	//     end. If it begins in the given month or later, MergeCategory deletes it. A budget that is not deleted gets the
	//     name of source as its MergedName, and target as its MergedInto.
	//   - Budgets whose MergedInto is source get target as their MergedInto.
	//   - It deletes source and leaves a tombstone that refers to target; see [Reader.MergedInto].
	//   - It clears the failures of the rules of target, including the moved ones. These rules get the Update's version.
	//
	// MergeCategory returns ErrNotFound if source or target does not exist, and ErrGone if it was deleted.
	MergeCategory(ctx context.Context, source, target uuid.UUID, month Month) (MergeResult, error)

	// PutExpenses writes expenses. It sets the Guard of an expense to the Update's version if a guarded field changed. It
	// returns ErrTotalTooLarge, an ErrInvalid, if the sum of [Expense.Volume] over the ledger would exceed MaxMinor. It
	// returns an error if an id occurs twice. If a category does not exist, PutExpenses returns an error, and the Update
	// fails even if the caller ignores the error.
	PutExpenses(ctx context.Context, expenses ...Expense) (Version, error)

	// DeleteExpenses deletes expenses and leaves tombstones. It returns ErrNotFound or ErrGone if one of them does not
	// exist.
	DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (Version, error)
}
