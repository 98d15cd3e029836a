package store

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A RowType is a type of row in the change feed.
type RowType uint8

// The types, in the order of their names.
const (
	AlertRow RowType = iota + 1
	BudgetRow
	CategoryRow
	ExpenseRow
	RuleRow
	SettingsRow // one row, whose id is uuid.Nil
)

// RowTypes returns all types in ascending order.
func RowTypes() []RowType {
	return []RowType{AlertRow, BudgetRow, CategoryRow, ExpenseRow, RuleRow, SettingsRow}
}

// String returns the type's name, for example "expense"; "" for an unknown type.
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

// A FeedPosition is the position of a row in the change feed. Positions are ordered by version, then type, then the
// bytes of the id. The zero FeedPosition is before every row.
type FeedPosition struct {
	Version expense.Version
	Type    RowType
	ID      uuid.UUID
}

// EndOfVersion returns the position after all rows of a version.
func EndOfVersion(version expense.Version) FeedPosition {
	return FeedPosition{Version: version, Type: math.MaxUint8, ID: uuid.Max}
}

// Compare returns -1, 0 or +1, in the order of the feed.
func (p FeedPosition) Compare(other FeedPosition) int {
	return cmp.Or(
		cmp.Compare(p.Version, other.Version), cmp.Compare(p.Type, other.Type), bytes.Compare(p.ID[:], other.ID[:]),
	)
}

// A Change is the latest state of one row, or its tombstone.
type Change struct {
	FeedPosition
	Deleted    bool
	MergedInto uuid.UUID // the category that a deleted category was merged into, or uuid.Nil

	// Row is an expense.Expense, expense.Category, expense.Settings, budget.Budget, budget.Alert or recurrence.Rule; nil
	// if deleted.
	Row any
}

// A ChangeQuery selects a part of the change feed.
type ChangeQuery struct {
	After                 FeedPosition    // exclusive
	SkipTombstonesThrough expense.Version // leave out tombstones up to this version
	Limit                 int             // 0: no limit
}

// A State is the latest version of a ledger and the epoch to which that version belongs. [Store.StartEpoch] begins a
// new epoch after a restore from a backup, because clients may have read versions that the backup does not contain.
type State struct {
	Epoch         int64           // a random number
	Version       expense.Version // of the last Update that wrote a row
	PurgedThrough expense.Version // the highest version of a purged tombstone; 0: none was purged
	// versions that NextEpoch has skipped; rows that a restore removed may have had them
	Discarded VersionRanges
}

// EpochStep is the minimum by which a new epoch raises the version of a ledger.
const EpochStep = 1_000_000

// NextEpoch returns the state at the start of a new epoch. Its version is the old version plus EpochStep, or the
// microseconds from 1970 to now if that is higher, so that restoring the same backup twice does not use a version
// twice. The versions in between are discarded.
func (s State) NextEpoch(now time.Time) State {
	next := State{
		Epoch: RandomEpoch(), Version: max(s.Version+EpochStep, expense.Version(now.UnixMicro())),
		PurgedThrough: s.PurgedThrough,
	}
	next.Discarded = s.Discarded.with(s.Version+1, next.Version)
	return next
}

// VersionRanges is a set of versions as text, for example "3-1000002 1000010-2000009". The zero value is empty.
type VersionRanges string

// with adds the versions from first to last, which must be higher than those in v.
func (v VersionRanges) with(first, last expense.Version) VersionRanges {
	begin := strconv.FormatInt(int64(first), 10)
	if joined, adjacent := strings.CutSuffix(string(v), "-"+strconv.FormatInt(int64(first-1), 10)); adjacent {
		begin = joined
	} else if v != "" {
		begin = string(v) + " " + begin
	}
	return VersionRanges(begin + "-" + strconv.FormatInt(int64(last), 10))
}

// Contains reports whether v contains a version.
func (v VersionRanges) Contains(version expense.Version) bool {
	for text := range strings.FieldsSeq(string(v)) {
		first, last, _ := strings.Cut(text, "-")
		from, errFirst := strconv.ParseInt(first, 10, 64)
		to, errLast := strconv.ParseInt(last, 10, 64)
		if errFirst == nil && errLast == nil && expense.Version(from) <= version && version <= expense.Version(to) {
			return true
		}
	}
	return false
}

// RandomEpoch returns a random positive number for a new epoch.
func RandomEpoch() int64 { return rand.Int64N(math.MaxInt64-1) + 1 }
