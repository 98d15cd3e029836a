package replica

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/spendwise/spendwise/expense"
)

// baseVersion is the version of the row that the device last saw. Guarded is higher than Row if the device itself has
// written the guarded fields after version Row. The zero baseVersion means that the device names no base.
type baseVersion struct{ Row, Guarded expense.Version }

var (
	// unknownBase is the base of a mutation whose base_mutation was not applied or has no stored result any more. The
	// server does not know which version of the row the device has seen.
	unknownBase = baseVersion{-1, -1}
	// discardedBase is the base of a mutation whose base version belongs to a history that a restore has replaced. The
	// row existed in that history, but its content is unknown. discardedBase is higher than every version of the ledger.
	discardedBase = baseVersion{math.MaxInt64, math.MaxInt64}
)

// base returns the base that the mutation names. It returns an InvalidError if the base version does not exist yet, or
// if the base mutation changed another row.
func (p *push) base(ctx context.Context, m Mutation) (baseVersion, error) {
	switch {
	case m.BaseVersion > p.state.Version:
		return baseVersion{}, &expense.InvalidError{
			Field: "base_version", Code: "ahead_of_server",
			Detail: fmt.Sprintf("version %d does not exist yet: the ledger is at version %d; pull everything without a cursor",
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
			Field: "base_mutation", Code: "other_row",
			Detail: fmt.Sprintf("mutation %q changed another row; name a mutation of the same row", m.BaseMutation),
		}
	}
	return earlier.base, nil
}

// forPut returns the version at which a put may replace the row, or 0 if the put may only add the row.
func (b baseVersion) forPut() expense.Version { return max(0, b.Row) }

// after returns the base of later mutations that name an applied mutation as their base_mutation. b is the base of the
// applied mutation, done is its outcome, and patch says whether it was a patch. next is the version of the rows that
// this Update writes.
//
// The device made the later mutations before it received the result of this one, so it has not seen the changes of
// other devices. The new base includes such a change only if this mutation has overwritten it.
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

// patchStatus returns the status of a patch of r, or a ConflictError. base is the version that the patch is based on,
// row is the current version of the row, and guard is the version that last changed the guarded fields. A base of 0 is
// not checked. A base above row is discardedBase; it is then unknown whether the guarded fields have changed since the
// base.
func (r RowRef) patchStatus(base, row, guard expense.Version, touchesGuarded bool) (Status, error) {
	switch {
	case base == 0, base == row:
		return Applied, nil
	case !touchesGuarded, guard <= base && base < row:
		return Merged, nil
	default:
		return 0, r.conflict(base, row)
	}
}

// goneIfSeen adds the row to an error of its read. It turns ErrNotFound into ErrGone for a row that the device has
// seen: it was deleted so long ago that its tombstone is purged.
func (r RowRef) goneIfSeen(base expense.Version, err error) error {
	if base > 0 && errors.Is(err, expense.ErrNotFound) {
		err = expense.ErrGone
	}
	return r.wrap(err)
}
