package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// Where sync lives: the store tells what changed, in the order of versions; whether a change that was made offline may still go
// in is decided by the domain's functions named Sync…, each in the package of its rows, which then call the same use cases as
// every other request; this file and push.go decode, call them and encode.

const (
	usualChanges = 500
	mostChanges  = 1000
)

// syncPage is a part of the feed as a device pulls it.
type syncPage struct {
	Changes []changeBody `json:"changes"`
	Cursor  string       `json:"cursor"`
	HasMore bool         `json:"has_more"`
}

// changeBody is the latest state of one row.
type changeBody struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Version    expense.Version `json:"version"`
	Deleted    bool            `json:"deleted"`
	MergedInto *string         `json:"merged_into,omitzero"`
	Data       any             `json:"data"`
}

func newChangeBody(change store.Change) changeBody {
	body := changeBody{
		Type: change.Type.String(), ID: rowID(change.Type, change.ID), Version: change.Version, Deleted: change.Deleted,
		MergedInto: idOrNull(change.MergedInto),
	}
	if !change.Deleted {
		body.Data = rowBody(change.Row)
	}
	return body
}

// settingsID is the id of the one row of its type.
const settingsID = "settings"

func rowID(what store.RowType, id uuid.UUID) string {
	if what == store.SettingsRow {
		return settingsID
	}
	return id.String()
}

// rowBody is a row as the answers of its own resource carry it.
func rowBody(row any) any {
	switch row := row.(type) {
	case expense.Expense:
		return newExpenseBody(row)
	case expense.Category:
		return newCategoryBody(row)
	case budget.Budget:
		return newBudgetBody(row)
	case budget.Alert:
		return newAlertBody(row)
	case recurrence.Rule:
		return newRuleBody(row)
	case expense.Settings:
		return newSettingsBody(row)
	default:
		return nil
	}
}

// A syncPlace is what a cursor holds: where a device is in the feed of a ledger.
type syncPlace struct {
	epoch int64
	after store.FeedPosition
	skip  expense.Version // of a first sync that is not at its end: tombstones of versions up to this one are of no use to it
}

const syncPlaceSize = 8 + 8 + 1 + 16 + 8

// syncScope binds cursors to their ledger.
func (c *call) syncScope() string { return "sync " + string(c.owner) }

func (c *call) encodeSync(p syncPlace) string {
	place := binary.BigEndian.AppendUint64(make([]byte, 0, syncPlaceSize), uint64(p.epoch))
	place = binary.BigEndian.AppendUint64(place, uint64(p.after.Version))
	place = append(place, byte(p.after.Type))
	place = append(place, p.after.ID[:]...)
	place = binary.BigEndian.AppendUint64(place, uint64(p.skip))
	return encodeCursor(c.syncScope(), place)
}

// decodeSync reads a cursor; one that is broken or of another ledger is a problem.
func (c *call) decodeSync(text string) (syncPlace, error) {
	place, err := decodeCursor(c.syncScope(), text)
	if err != nil || len(place) != syncPlaceSize {
		return syncPlace{}, errSyncCursor()
	}
	at := syncPlace{
		epoch: int64(binary.BigEndian.Uint64(place)),
		after: store.FeedPosition{
			Version: expense.Version(binary.BigEndian.Uint64(place[8:])), Type: store.RowType(place[16]), ID: uuid.UUID(place[17:33]),
		},
		skip: expense.Version(binary.BigEndian.Uint64(place[33:])),
	}
	if at.after.Version < 0 || at.skip < 0 {
		return syncPlace{}, errSyncCursor() // the sum has no secret: whose ledger it is can make one
	}
	return at, nil
}

func errSyncCursor() error {
	return newProblem(codeCursorInvalid, "The cursor is broken, or it is one of another ledger.")
}

// check reports a cursor that the ledger cannot go on from: of another epoch, ahead of it, or older than the tombstones kept.
func (p syncPlace) check(state store.State) error {
	known := max(p.after.Version, p.skip)
	switch {
	case p.epoch != state.Epoch:
		return newProblem(codeCursorExpired, "The ledger was restored since; fetch everything without a cursor.")
	case known > state.Version:
		return newProblem(codeCursorExpired, "The cursor is ahead of the ledger; fetch everything without a cursor.")
	case known < state.PurgedThrough:
		return newProblem(codeCursorExpired, "What was deleted since is no longer known; fetch everything without a cursor.")
	}
	return nil
}

// endOf is the place of a device that has everything.
func endOf(state store.State) syncPlace {
	return syncPlace{epoch: state.Epoch, after: store.EndOfVersion(state.Version)}
}

// pull answers GET /v1/sync. Where nothing is new, the look at the ledger's state is all there is to do.
func (c *call) pull() error {
	size, err := syncLimit(c.query.Get("limit"), c.query.Has("limit"))
	if err != nil {
		return err
	}
	var at syncPlace
	given := c.query.Has("cursor")
	if given {
		if at, err = c.decodeSync(c.query.Get("cursor")); err != nil {
			return err
		}
		state, err := c.state()
		if err == nil {
			err = at.check(state)
		}
		switch {
		case err != nil:
			return err
		case at.after == store.EndOfVersion(state.Version):
			return c.send(result{status: http.StatusOK, body: syncPage{Changes: []changeBody{}, Cursor: c.query.Get("cursor")}})
		}
	}
	var page syncPage
	err = c.view(func(r store.Reader) error {
		state, err := r.State(c.ctx)
		if err != nil {
			return err
		}
		if !given {
			at = syncPlace{epoch: state.Epoch, skip: state.Version}
		}
		if err := at.check(state); err != nil {
			return err
		}
		changes, err := r.Changes(c.ctx, store.ChangeQuery{After: at.after, SkipTombstonesThrough: at.skip, Limit: size + 1})
		if err != nil {
			return err
		}
		next := endOf(state)
		if page.HasMore = len(changes) > size; page.HasMore {
			changes = changes[:size]
			next = syncPlace{epoch: state.Epoch, after: changes[size-1].FeedPosition, skip: at.skip}
		}
		page.Cursor, page.Changes = c.encodeSync(next), make([]changeBody, len(changes))
		for i, change := range changes {
			page.Changes[i] = newChangeBody(change)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusOK, body: page})
}

// state reads where the caller's ledger stands.
func (c *call) state() (state store.State, err error) {
	err = c.withLedger(func() (err error) {
		state, err = c.api.store.Reader(c.owner).State(c.ctx)
		return err
	})
	return state, err
}

// syncLimit reads how many changes a page holds at most.
func syncLimit(text string, given bool) (int, error) {
	if !given {
		return usualChanges, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case errors.Is(err, strconv.ErrRange) && n > 0:
		return mostChanges, nil
	case err != nil || n < 1:
		return 0, newFieldProblem(codeMalformed, fieldError{
			Parameter: "limit", Code: "out_of_range", Detail: "A limit is a number from 1; more than 1,000 counts as 1,000.",
		})
	}
	return min(n, mostChanges), nil
}

// digestBody tells what a device should hold that has pulled up to its cursor.
type digestBody struct {
	Version expense.Version       `json:"version"`
	Cursor  string                `json:"cursor"`
	Types   map[string]rowsDigest `json:"types"`
}

// rowsDigest is how many rows of a type there are, and the SHA-256, in hexadecimal, of a line "id version" for each, every
// one ended by a line feed, in the order of the ids.
type rowsDigest struct {
	Count int    `json:"count"`
	Hash  string `json:"hash"`
}

// digest answers GET /v1/sync/digest.
func (c *call) digest() error {
	body := digestBody{Types: map[string]rowsDigest{}}
	places := map[store.RowType][]store.FeedPosition{}
	err := c.view(func(r store.Reader) error {
		state, err := r.State(c.ctx)
		if err != nil {
			return err
		}
		body.Version, body.Cursor = state.Version, c.encodeSync(endOf(state))
		query := store.ChangeQuery{SkipTombstonesThrough: state.Version, Limit: mostChanges}
		clear(places)
		for {
			changes, err := r.Changes(c.ctx, query)
			if err != nil {
				return err
			}
			for _, change := range changes {
				places[change.Type] = append(places[change.Type], change.FeedPosition)
			}
			if len(changes) < query.Limit {
				return nil
			}
			query.After = changes[len(changes)-1].FeedPosition
		}
	})
	if err != nil {
		return err
	}
	for _, what := range store.RowTypes() {
		rows := places[what]
		slices.SortFunc(rows, func(a, b store.FeedPosition) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		hash := sha256.New()
		for _, row := range rows {
			hash.Write([]byte(rowID(what, row.ID) + " " + strconv.FormatInt(int64(row.Version), 10) + "\n"))
		}
		body.Types[what.String()] = rowsDigest{Count: len(rows), Hash: hex.EncodeToString(hash.Sum(nil))}
	}
	return c.send(result{status: http.StatusOK, body: body})
}
