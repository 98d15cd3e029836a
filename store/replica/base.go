package replica

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/spendwise/spendwise/expense"
)

// baseVersion is the version of the row that the device last saw. Guarded is higher than Row when the device has itself
// written the guarded fields since. The zero baseVersion means that the device names no base.
type baseVersion struct{ Row, Guarded expense.Version }

var (
	// unknownBase is the base of a mutation that builds on one which was not applied or is not remembered: the device
	// knows nothing about the row.
	unknownBase = baseVersion{-1, -1}
	// discardedBase is a version of a history that was replaced by a restore. The device knows only that the row existed.
	// It is higher than every version of the ledger.
	discardedBase = baseVersion{math.MaxInt64, math.MaxInt64}
)

// base returns the base that the mutation names.
func (p *push) base(ctx context.Context, m Mutation) (baseVersion, error) {
	switch {
	case m.BaseVersion > p.state.Version:
		return baseVersion{}, &expense.InvalidError{
			Field: "base_version", Code: "ahead_of_server",
			Detail: fmt.Sprintf("version %d does not exist yet, the ledger is at version %d; fetch everything again",
				m.BaseVersion, p.state.Version),
		}
	case m.BaseVersion != 0 && p.state.Discarded.Contains(m.BaseVersion):
		return discardedBase, nil
	case m.BaseVersion != 0 || m.BaseMutation == "":
		return baseVersion{m.BaseVersion, m.BaseVersion}, nil
	}
	earlier, err := p.record(ctx, m.BaseMutation)
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return unknownBase, nil // the record was purged, or a restored backup does not have it
	case err != nil:
		return baseVersion{}, err
	case earlier.row != m.Row:
		return baseVersion{}, &expense.InvalidError{
			Field: "base_mutation", Code: "other_row", Detail: "the mutation with this id changed another row",
		}
	}
	return earlier.base, nil
}

// forPut returns the version that a put must find the row at; 0 if the device knows of none.
func (b baseVersion) forPut() expense.Version { return max(0, b.Row) }

// after returns the base of a later mutation that names the applied one as its base_mutation. next is the version of
// the rows that this Update writes.
//
// The device made the later mutation before it knew the result of this one, so it has not seen what other devices
// changed. The base covers such a change only if this mutation replaced it.
func (b baseVersion) after(done outcome, patch bool, next expense.Version) baseVersion {
	if b == discardedBase {
		b = unknownBase
	}
	now := baseVersion{done.version, done.version}
	if b == (baseVersion{}) || !patch {
		return now
	}
	if done.status != Applied || b.Row != b.Guarded {
		now.Row = b.Row
	}
	if done.guard > b.Guarded && done.guard != next {
		now.Guarded = b.Guarded
	}
	return now
}

// admit decides about a patch whose base is version base of a row that is now at version row, with guarded fields of
// version guard. A base higher than row is of a history that a restore has replaced: it says nothing about the guarded
// fields.
func admit(base, row, guard expense.Version, touchesGuarded bool) (Status, error) {
	switch {
	case base == 0, base == row:
		return Applied, nil
	case !touchesGuarded, guard <= base && base < row:
		return Merged, nil
	default:
		return 0, fmt.Errorf("based on version %d, but the row is at version %d: %w", base, row, ErrConflict)
	}
}

// goneIfSeen turns ErrNotFound into ErrGone for a row that the device has seen: it was deleted so long ago that its
// tombstone is purged.
func goneIfSeen(base expense.Version, err error) error {
	if base > 0 && errors.Is(err, expense.ErrNotFound) {
		return expense.ErrGone
	}
	return err
}
