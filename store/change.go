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

// A FeedPosition is where a row stands in the feed: by version, then by type, then by id, byte by byte. The zero FeedPosition is before all.
type FeedPosition struct {
	Version expense.Version
	Type    RowType
	ID      uuid.UUID
}

// EndOfVersion returns the place after every row of a version.
func EndOfVersion(version expense.Version) FeedPosition {
	return FeedPosition{Version: version, Type: math.MaxUint8, ID: uuid.Max}
}

// Compare orders places.
func (p FeedPosition) Compare(other FeedPosition) int {
	return cmp.Or(cmp.Compare(p.Version, other.Version), cmp.Compare(p.Type, other.Type), bytes.Compare(p.ID[:], other.ID[:]))
}

// A Change is the latest state of one row: what it holds, or that it was deleted.
type Change struct {
	FeedPosition
	Deleted    bool
	MergedInto uuid.UUID // the category that a deleted one was merged into, or Nil
	Row        any       // an expense.Expense, expense.Category, budget.Budget, budget.Alert, recurrence.Rule or expense.Settings; nil if deleted
}

// A ChangeQuery asks for a part of the feed.
type ChangeQuery struct {
	After                 FeedPosition    // the place to go on after
	SkipTombstonesThrough expense.Version // tombstones of versions up to this one are left out
	Limit                 int             // at most so many; 0 is all
}

// A State is where a ledger stands.
type State struct {
	Epoch         int64           // which history of the ledger this is, a number of chance
	Version       expense.Version // of the last Update that wrote
	PurgedThrough expense.Version // the highest version of a tombstone that was purged; 0: none was
	Discarded     VersionRanges   // those that no row of this history ever has: only one that a restore took back may have had them
}

// EpochStep is what a new epoch adds to a ledger's version at least.
const EpochStep = 1_000_000

// NextEpoch returns the state in which a new epoch begins at now. Its version is that of before and EpochStep, or the microseconds
// since 1970 if they are more: who restores one backup twice finds no version of the first time again. The versions between are Lost.
func (s State) NextEpoch(now time.Time) State {
	next := State{Epoch: RandomEpoch(), Version: max(s.Version+EpochStep, expense.Version(now.UnixMicro())), PurgedThrough: s.PurgedThrough}
	next.Discarded = s.Discarded.with(s.Version+1, next.Version)
	return next
}

// VersionRanges are ranges of versions, written down: "3-1000002 1000010-2000009". The zero VersionRanges is none.
type VersionRanges string

// with adds the versions from first to last, which come after all that are there.
func (v VersionRanges) with(first, last expense.Version) VersionRanges {
	begin := strconv.FormatInt(int64(first), 10)
	if joined, adjacent := strings.CutSuffix(string(v), "-"+strconv.FormatInt(int64(first-1), 10)); adjacent {
		begin = joined
	} else if v != "" {
		begin = string(v) + " " + begin
	}
	return VersionRanges(begin + "-" + strconv.FormatInt(int64(last), 10))
}

// Has reports whether a version is one of them.
func (v VersionRanges) Contains(version expense.Version) bool {
	for span := range strings.FieldsSeq(string(v)) {
		first, last, _ := strings.Cut(span, "-")
		from, err := strconv.ParseInt(first, 10, 64)
		to, failure := strconv.ParseInt(last, 10, 64)
		if err == nil && failure == nil && expense.Version(from) <= version && version <= expense.Version(to) {
			return true
		}
	}
	return false
}

// RandomEpoch returns the number of a new epoch.
func RandomEpoch() int64 { return rand.Int64N(math.MaxInt64-1) + 1 }
