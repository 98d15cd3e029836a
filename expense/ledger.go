package expense

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// An Env is what a use case knows of the world outside the ledger at the moment it runs.
type Env struct {
	Now   time.Time
	Rates Rates // nil: none are known
}

// Reader is what the use cases of this package read of one owner's ledger. The store's conformance suite holds every
// implementation to these sentences.
type Reader interface {
	// Settings returns the ledger's settings; ErrNotFound if the owner has no ledger.
	Settings(ctx context.Context) (Settings, error)

	// Category returns one category; ErrNotFound if there never was such a one, ErrGone if it was deleted or merged.
	Category(ctx context.Context, id uuid.UUID) (Category, error)

	// CategoryByName returns the category whose name is the same by Fold; ErrNotFound if there is none.
	CategoryByName(ctx context.Context, name string) (Category, error)

	// MergedInto returns the category that a deleted one was merged into, Nil if it was merged into none; ErrNotFound if there is
	// no tombstone of it.
	MergedInto(ctx context.Context, id uuid.UUID) (uuid.UUID, error)

	// Categories returns all categories, archived ones too, ordered by their folded names byte by byte.
	Categories(ctx context.Context) ([]Category, error)

	// Expense returns one expense; ErrNotFound if there never was such a one, ErrGone if it was deleted.
	Expense(ctx context.Context, id uuid.UUID) (Expense, error)

	// KnownExpenses returns those of ids that an expense has or had: deleted ones count while their tombstones are kept.
	KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error)

	// Expenses yields the expenses that query chooses, each once, in its order. An error is the last thing it yields. No rows
	// are open while it yields: the loop's body may use the store.
	Expenses(ctx context.Context, query Query) iter.Seq2[Expense, error]

	// Totals returns the sums of the expenses in each range, by period, category and original currency, ordered by (range,
	// period, category id, currency code); where there are no expenses there is no Total. They equal the sums over what
	// Expenses lists, always.
	Totals(ctx context.Context, query TotalsQuery) ([]Total, error)
}

// Tx is what the use cases of this package do to one owner's ledger. A row whose Version is 0 is to be new: ErrExists if
// one has its id, ErrGone if one had. Any other Version must be the one the row has: ErrStale, as a StaleError, if it is
// not, ErrNotFound or ErrGone if there is no row. A method that returns one of these, or ErrInvalid or ErrInUse, changed
// nothing, not even for the other rows it was given, and the Tx stays usable. The returned Version is the Update's: what the
// rows now carry. Reads see what was written before them in the same Update.
type Tx interface {
	Reader

	// PutSettings replaces the settings; the default category must be a live one.
	PutSettings(ctx context.Context, settings Settings) (Version, error)

	// PutCategories writes categories; ErrExists as well if a name is taken by another live category of the ledger. The rules of
	// each that failed get the Update's version and are as if they had not: what was wrong with them may have been the category.
	PutCategories(ctx context.Context, categories ...Category) (Version, error)

	// DeleteCategory leaves a tombstone; ErrInUse if an expense, a rule, a budget or the settings refer to it; a budget does so
	// by its Into as well.
	DeleteCategory(ctx context.Context, id uuid.UUID) (Version, error)

	// MergeCategory moves every expense and rule of the category from to the category into, ends from's budget with the month
	// before month (a series that has not begun by then is deleted; one that had ended already keeps its end), and leaves a
	// tombstone of from that names into. What is left of the series gets from's name as its Label and into as its Into; series
	// whose Into was from get into. The moved rows carry the Update's version; their guards stay. The rules of into that failed,
	// moved or not, get the Update's version and are as if they had not.
	MergeCategory(ctx context.Context, from, into uuid.UUID, month Month) (MergeResult, error)

	// PutExpenses writes expenses, and sets the Guard of each whose guarded group changed to the Update's version. ErrInvalid
	// (total_too_large) if the volumes of the ledger's expenses would sum to more than MaxMinor. No id may come twice in one
	// call; a reference to a category that the ledger does not hold is an error that dooms the Update.
	PutExpenses(ctx context.Context, expenses ...Expense) (Version, error)

	// DeleteExpenses leaves tombstones; ErrNotFound or ErrGone if one of them is not there.
	DeleteExpenses(ctx context.Context, ids ...uuid.UUID) (Version, error)
}

func containsID(ids []uuid.UUID, id uuid.UUID) bool { return slices.Contains(ids, id) }

func foldedContains(text, part string) bool { return strings.Contains(Fold(text), Fold(part)) }
