package replica

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// DefaultPageSize is the number of changes in a page if the request sets no limit.
	DefaultPageSize = 500
	// MaxPageSize is the largest number of changes in a page.
	MaxPageSize = 1000
)

// A PullRequest asks for the changes of a ledger.
type PullRequest struct {
	After Cursor // where to continue; the zero Cursor asks for every row
	Limit int    // changes at most; less than 1 is DefaultPageSize, more than MaxPageSize is MaxPageSize
}

// A Page is a part of a ledger's change feed.
type Page struct {
	Changes []store.Change // each row once, in its latest state, in the order of the feed
	Cursor  Cursor         // where the next pull continues; the device stores it together with the rows
	HasMore bool           // there are more changes; until it is false, a row may refer to a row of a later page
}

// Pull returns the changes of owner's ledger after a cursor. A pull from the zero Cursor leaves tombstones out, except
// those of rows that are deleted while its pages are being read. The changes of a page come from one snapshot.
//
// Pull returns [ErrCursorInvalid] for a cursor of another ledger, a [CursorExpiredError] if the feed cannot continue
// from the cursor, and [expense.ErrNotFound] if owner has no ledger.
func Pull(ctx context.Context, st store.Store, owner expense.OwnerID, req PullRequest) (Page, error) {
	if req.After != (Cursor{}) {
		// Most pulls find nothing new. This check costs one statement and no transaction.
		state, err := stateOf(ctx, st.Reader(owner))
		if err != nil {
			return Page{}, err
		}
		if err := req.After.check(owner, state); err != nil {
			return Page{}, err
		}
		if req.After.AtEnd(state) {
			return Page{Cursor: req.After}, nil
		}
	}
	size := req.Limit
	if size < 1 {
		size = DefaultPageSize
	}
	size = min(size, MaxPageSize)
	var page Page
	err := st.View(ctx, owner, func(r store.Reader) error {
		state, err := stateOf(ctx, r)
		if err != nil {
			return err
		}
		at := req.After
		if at == (Cursor{}) {
			at = Cursor{owner: owner, epoch: state.Epoch, skip: state.Version}
		}
		if err := at.check(owner, state); err != nil {
			return err
		}
		changes, err := r.Changes(ctx, store.ChangeQuery{After: at.after, SkipTombstonesThrough: at.skip, Limit: size + 1})
		if err != nil {
			return fmt.Errorf("changes: %w", err)
		}
		page = Page{Changes: changes, Cursor: EndCursor(owner, state)}
		if len(changes) > size {
			at.after = changes[size-1].FeedPosition
			page = Page{Changes: changes[:size], Cursor: at, HasMore: true}
		}
		return nil
	})
	return page, err
}

// A Digest summarises the rows of a ledger. A device compares it with a digest of its copy.
type Digest struct {
	Version expense.Version // of the ledger
	Cursor  Cursor          // a device that has pulled up to this cursor has exactly these rows
	Types   map[store.RowType]TypeDigest
}

// A TypeDigest summarises the rows of one type.
type TypeDigest struct {
	Count int
	// Hash is a SHA-256 in hexadecimal. Its input is a line "id version\n" for each row, ordered by the bytes of the
	// UUIDs. The id is that of [RowRef.TextID].
	Hash string
}

// ReadDigest returns the digest of owner's ledger, with an entry for each type of row. It reads one snapshot. It
// returns [expense.ErrNotFound] if owner has no ledger.
func ReadDigest(ctx context.Context, st store.Store, owner expense.OwnerID) (Digest, error) {
	state, positions, err := readPositions(ctx, st, owner)
	if err != nil {
		return Digest{}, err
	}
	digest := Digest{
		Version: state.Version, Cursor: EndCursor(owner, state), Types: map[store.RowType]TypeDigest{},
	}
	rows := map[store.RowType][]store.FeedPosition{}
	for _, position := range positions {
		rows[position.Type] = append(rows[position.Type], position)
	}
	for _, rowType := range store.RowTypes() {
		positions := rows[rowType]
		slices.SortFunc(positions, func(a, b store.FeedPosition) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		hash := sha256.New()
		var line []byte
		for _, position := range positions {
			line = append(append(line[:0], RowRef{rowType, position.ID}.TextID()...), ' ')
			line = append(strconv.AppendInt(line, int64(position.Version), 10), '\n')
			hash.Write(line) // never returns an error
		}
		digest.Types[rowType] = TypeDigest{Count: len(positions), Hash: hex.EncodeToString(hash.Sum(nil))}
	}
	return digest, nil
}

// readPositions returns the state of a ledger and the positions of its rows. It reads the rows only if the store cannot
// read positions.
func readPositions(
	ctx context.Context, st store.Store, owner expense.OwnerID,
) (state store.State, positions []store.FeedPosition, err error) {
	if reader, ok := st.Reader(owner).(store.PositionReader); ok {
		if state, positions, err = reader.Positions(ctx); err != nil {
			return store.State{}, nil, fmt.Errorf("positions: %w", err)
		}
		return state, positions, nil
	}
	err = st.View(ctx, owner, func(r store.Reader) (err error) {
		if state, err = stateOf(ctx, r); err != nil {
			return err
		}
		positions = nil // the store may call this function again
		query := store.ChangeQuery{SkipTombstonesThrough: state.Version, Limit: MaxPageSize}
		for {
			changes, err := r.Changes(ctx, query)
			if err != nil {
				return fmt.Errorf("changes: %w", err)
			}
			for _, change := range changes {
				positions = append(positions, change.FeedPosition)
			}
			if len(changes) < query.Limit {
				return nil
			}
			query.After = changes[len(changes)-1].FeedPosition
		}
	})
	return state, positions, err
}
