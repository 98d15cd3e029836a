package replica

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// ErrCursorInvalid reports a cursor that is malformed or belongs to another ledger.
var ErrCursorInvalid = errors.New("cursor is malformed or belongs to another ledger")

// A CursorExpiredError reports a cursor from which the feed cannot continue. The device has to keep its unsent
// mutations, pull everything without a cursor, delete its rows that the pull did not return, and then push.
type CursorExpiredError struct {
	Reason string // a clause, such as "the ledger was restored from a backup after the cursor was issued"
}

func (e *CursorExpiredError) Error() string {
	return "cursor has expired: " + e.Reason + "; pull everything without a cursor"
}

// A Cursor is a position in the change feed of one ledger. The zero Cursor is the beginning: a pull from it returns
// every row. Cursors are comparable.
type Cursor struct {
	owner expense.OwnerID
	epoch int64
	after store.FeedPosition
	// skip is 0 except during a first pull. The pull leaves out tombstones up to this version, because the device does not
	// have the rows that they would delete.
	skip expense.Version
}

const (
	checksumSize = 8
	positionSize = 8 + 8 + 1 + 16 + 8
)

// EndCursor returns the cursor of a device that has received everything up to state.
func EndCursor(owner expense.OwnerID, state store.State) Cursor {
	return Cursor{owner: owner, epoch: state.Epoch, after: store.EndOfVersion(state.Version)}
}

// AtEnd reports whether a pull from the cursor would return nothing, because the device has received everything up to
// state.
func (c Cursor) AtEnd(state store.State) bool {
	return c.epoch == state.Epoch && c.after == store.EndOfVersion(state.Version)
}

// String returns the opaque text that [ParseCursor] reads. It is empty for the zero Cursor.
func (c Cursor) String() string {
	if c == (Cursor{}) {
		return ""
	}
	position := binary.BigEndian.AppendUint64(make([]byte, 0, positionSize), uint64(c.epoch))
	position = binary.BigEndian.AppendUint64(position, uint64(c.after.Version))
	position = append(position, byte(c.after.Type))
	position = append(position, c.after.ID[:]...)
	position = binary.BigEndian.AppendUint64(position, uint64(c.skip))
	return base64.RawURLEncoding.EncodeToString(append(checksum(c.owner, position), position...))
}

// ParseCursor reads the text of a cursor that was issued for the ledger of owner. Any other text is ErrCursorInvalid,
// also the empty text. A device that has stored no cursor yet uses the zero Cursor instead.
func ParseCursor(owner expense.OwnerID, text string) (Cursor, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != checksumSize+positionSize {
		return Cursor{}, ErrCursorInvalid
	}
	sum, position := raw[:checksumSize], raw[checksumSize:]
	c := Cursor{
		owner: owner,
		epoch: int64(binary.BigEndian.Uint64(position)),
		after: store.FeedPosition{
			Version: expense.Version(binary.BigEndian.Uint64(position[8:])),
			Type:    store.RowType(position[16]),
			ID:      uuid.UUID(position[17:33]),
		},
		skip: expense.Version(binary.BigEndian.Uint64(position[33:])),
	}
	// The checksum is not secret, so the owner of a ledger can forge a cursor with negative versions.
	if subtle.ConstantTimeCompare(sum, checksum(owner, position)) == 0 || c.after.Version < 0 || c.skip < 0 {
		return Cursor{}, ErrCursorInvalid
	}
	return c, nil
}

// checksum detects cursors that were cut, altered, or issued for another ledger. It uses no secret: an owner who forges
// a cursor can read only their own ledger.
func checksum(owner expense.OwnerID, position []byte) []byte {
	sum := sha256.Sum256(append([]byte("sync "+string(owner)+"\x00"), position...))
	return sum[:checksumSize]
}

// stateOf returns the state of the ledger that r reads.
func stateOf(ctx context.Context, r store.Reader) (store.State, error) {
	state, err := r.State(ctx)
	if errors.Is(err, expense.ErrNotFound) {
		return store.State{}, fmt.Errorf("owner has no ledger: %w", expense.ErrNotFound)
	}
	return state, err
}

// check returns an error if the feed of owner's ledger cannot continue from the cursor.
func (c Cursor) check(owner expense.OwnerID, state store.State) error {
	known := max(c.after.Version, c.skip)
	switch {
	case c.owner != owner:
		return ErrCursorInvalid
	case c.epoch != state.Epoch:
		return &CursorExpiredError{"the ledger was restored from a backup after the cursor was issued"}
	case known > state.Version:
		return &CursorExpiredError{fmt.Sprintf("it is at version %d, but the ledger is at version %d", known, state.Version)}
	case known < state.PurgedThrough:
		return &CursorExpiredError{
			fmt.Sprintf("it is at version %d, and deletions up to version %d have been purged", known, state.PurgedThrough),
		}
	}
	return nil
}
