package expense

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// An Env holds the current time and the exchange rates for a use case.
type Env struct {
	Now   time.Time
	Rates Rates // nil: [NoRates]
}

// Reader reads one owner's ledger. Its methods are those that the use cases of this package need. The conformance suite
// of package store/storetest checks that a store fulfils this documentation.
type Reader interface {
	// Settings returns the ledger's settings. It returns ErrNotFound if the owner has no ledger.
	Settings(ctx context.Context) (Settings, error)

	// Category returns a category. It returns ErrNotFound if the id is unknown and ErrGone if the category was deleted or
	// merged.
	Category(ctx context.Context, id uuid.UUID) (Category, error)

	// CategoryByName returns the category whose name is equal by Fold. It returns ErrNotFound if there is none.
	CategoryByName(ctx context.Context, name string) (Category, error)

	// MergedInto returns the id of the category into which the deleted category id was merged, or Nil if it was deleted
	// without a merge. It returns ErrNotFound if there is no tombstone of id.
	MergedInto(ctx context.Context, id uuid.UUID) (uuid.UUID, error)

	// Categories returns all categories, including archived ones, ordered by the bytes of their folded names.
	Categories(ctx context.Context) ([]Category, error)

	// Expense returns an expense. It returns ErrNotFound if the id is unknown and ErrGone if the expense was deleted.
	Expense(ctx context.Context, id uuid.UUID) (Expense, error)

	// KnownExpenseIDs returns the ids that belong to an expense or to the tombstone of one.
	KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error)

	// Expenses yields the expenses that query selects, each once, in the query's order. After it yields an error, it ends.
	// It holds no database rows open while it yields: the loop's body may use the store.
	Expenses(ctx context.Context, query Query) iter.Seq2[Expense, error]

	// Totals returns the sums of the expenses of each range, by period, category and original currency. They are ordered
	// by range, period, category id and currency code. There is no Total for a period without expenses. The totals always
	// equal the sums over the expenses that Expenses yields.
	Totals(ctx context.Context, query TotalsQuery) ([]Total, error)
}

// Tx reads and writes one owner's ledger within one Update of the store.
//
// A write compares the Version of each row that it gets:
//
//   - Version 0 creates a row. The method returns ErrExists if a row has the id, and ErrGone if a deleted row had it.
//   - Any other Version must be the version of the stored row. The method returns ErrStale, as a [StaleError], if it is
//     not, and ErrNotFound or ErrGone if there is no row.
//
// A method that returns ErrNotFound, ErrGone, ErrExists, ErrStale, ErrInUse or ErrInvalid changed no row, and the Tx
// stays usable. The returned Version is the Update's, which all written rows carry. Reads see the earlier writes of the
// same Update.
type Tx interface {
	Reader

	// PutSettings replaces the settings. The default category must exist.
	PutSettings(ctx context.Context, settings Settings) (Version, error)

	// PutCategories writes categories. It returns ErrExists also if another category of the ledger has the name. It clears
	// the failure state of failed recurring rules of these categories, so that they are posted again: the category may
	// have been the reason of the failure. Such rules get the Update's version.
	PutCategories(ctx context.Context, categories ...Category) (Version, error)

	// DeleteCategory deletes a category and leaves a tombstone. It returns ErrInUse if an expense, a rule, a budget or the
	// settings refer to the category. A budget refers to a category also by its MergedInto.
	DeleteCategory(ctx context.Context, id uuid.UUID) (Version, error)

	// MergeCategory merges the category from into the category into:
	//
	//   - It moves all expenses and rules. The moved rows get the Update's version and keep their Guard.
	//   - It ends from's budget with the month before month. It deletes a budget that begins in month or later. A budget
	//     that ended before keeps its end. The remaining budget gets from's name as its MergedName and into as
	//     its MergedInto.
	//   - Budgets whose MergedInto is from get into as their MergedInto.
	//   - It deletes from and leaves a tombstone that refers to into; see [Reader.MergedInto].
	//   - It clears the failure state of failed rules of into, moved or not. They get the Update's version.
	MergeCategory(ctx context.Context, from, into uuid.UUID, month Month) (MergeResult, error)

	// PutExpenses writes expenses. It sets the Guard of an expense to the Update's version if a guarded field changed. It
	// returns ErrTotalTooLarge, an ErrInvalid, if the sum of the volumes of the ledger's expenses would exceed MaxMinor.
	// The ids of one call must be distinct. If a category does not exist, PutExpenses returns an error that makes the
	// Update fail.
	PutExpenses(ctx context.Context, expenses ...Expense) (Version, error)

	// DeleteExpenses deletes expenses and leaves tombstones. It returns ErrNotFound or ErrGone if one of them does not
	// exist.
	DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (Version, error)
}

func containsID(ids []uuid.UUID, id uuid.UUID) bool { return slices.Contains(ids, id) }

func foldedContains(text, part string) bool { return strings.Contains(Fold(text), Fold(part)) }
