package store

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A RowType is a type of row in the feed of a ledger's changes.
type RowType uint8

// The types of rows, in the order of their names.
const (
	AlertRow RowType = iota + 1
	BudgetRow
	CategoryRow
	ExpenseRow
	RuleRow
	SettingsRow // one row, whose id is Nil
)

// RowTypes lists the types in their order.
func RowTypes() []RowType {
	return []RowType{AlertRow, BudgetRow, CategoryRow, ExpenseRow, RuleRow, SettingsRow}
}

// String returns the type's name.
func (t RowType) String() string {
	switch t {
	case AlertRow:
		return "alert"
	case BudgetRow:
		return "budget"
	case CategoryRow:
		return "category"
	case ExpenseRow:
		return "expense"
	case RuleRow:
		return "recurrence"
	case SettingsRow:
		return "settings"
	default:
		return ""
	}
}

// A Place is where a row stands in the feed: by version, then by type, then by id, byte by byte. The zero Place is before all.
type Place struct {
	Version expense.Version
	Type    RowType
	ID      uuid.UUID
}

// EndOf returns the place after every row of a version.
func EndOf(version expense.Version) Place {
	return Place{Version: version, Type: math.MaxUint8, ID: uuid.Max}
}

// Compare orders places.
func (p Place) Compare(other Place) int {
	return cmp.Or(cmp.Compare(p.Version, other.Version), cmp.Compare(p.Type, other.Type), bytes.Compare(p.ID[:], other.ID[:]))
}

// A Change is the latest state of one row: what it holds, or that it was deleted.
type Change struct {
	Place
	Deleted bool
	Into    uuid.UUID // the category that a deleted one was merged into, or Nil
	Row     any       // an expense.Expense, expense.Category, budget.Budget, budget.Alert, recurrence.Rule or expense.Settings; nil if deleted
}

// A ChangeQuery asks for a part of the feed.
type ChangeQuery struct {
	After Place           // the place to go on after
	Skip  expense.Version // tombstones of versions up to this one are left out
	Limit int             // at most so many; 0 is all
}

// A State is where a ledger stands.
type State struct {
	Epoch   int64           // which history of the ledger this is, a number of chance
	Version expense.Version // of the last Update that wrote
	Floor   expense.Version // the highest version of a tombstone that was purged; 0: none was
}

// EpochStep is what a new epoch adds to a ledger's version.
const EpochStep = 1_000_000

// MakeEpoch returns the number of a new epoch.
func MakeEpoch() int64 { return rand.Int64N(math.MaxInt64-1) + 1 }

// MutationScope is the scope of the answers that are remembered as long as tombstones: those to the changes that devices made
// offline.
const MutationScope = "sync"
